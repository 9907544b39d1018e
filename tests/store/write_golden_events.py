"""
Writes the golden events that do not exist yet, and never touches one that does.

    python -m tests.store.write_golden_events
"""

import sys

from tests.store.golden_events import golden_events
from tests.store.test_golden_events import DIRECTORY, stored


def main() -> None:
    """Write what is missing."""
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    for name in golden_events():
        path = DIRECTORY / f"{name}.hex"
        if not path.exists():
            row = stored(name)
            text = f"{row.state.hex(chr(10), 32)}\n\n{row.leaf_hash.hex()}\n"
            path.write_text(text, encoding="ascii")
            sys.stdout.write(f"{path.name}\n")


if __name__ == "__main__":
    main()
