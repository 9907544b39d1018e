"""
Writes the golden frames that do not exist yet, and never touches one that does.

    python -m tests.peering.write_golden_frames
"""

import sys

from tests.peering.golden_frames import golden_frames
from tests.peering.test_golden_frames import DIRECTORY


def main() -> None:
    """Write what is missing."""
    for name, frame in golden_frames().items():
        path = DIRECTORY / f"{name}.hex"
        if not path.exists():
            path.write_text(frame.hex("\n", 32) + "\n", encoding="ascii")
            sys.stdout.write(f"{path.name}\n")


if __name__ == "__main__":
    main()
