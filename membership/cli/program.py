"""How the user can call this command again, for the lines that are there to be pasted."""

import os
import shlex
import shutil
from pathlib import Path


def pasteable(*arguments: str | Path) -> str:
    """Return a shell line that runs `membership` with *arguments*, quoted where needed."""
    return " ".join([program(), *(shlex.quote(str(argument)) for argument in arguments)])


def program() -> str:
    """Return what this command is called in the user's shell."""
    if shutil.which("membership"):
        return "membership"
    script = Path(__file__).parents[2] / "bin" / "membership"
    if script.is_file():
        return os.path.relpath(script) if script.is_relative_to(Path.cwd()) else str(script)
    return "python -m membership"


def export_token(scope: str, data_dir: Path | None = None) -> str:
    """Return the shell line that gets a token for the agent of this machine."""
    place = () if data_dir is None or data_dir == Path("data") else ("--data-dir", data_dir)
    return f"export MEMBERSHIP_TOKEN=$({pasteable('token', *place, '--scope', scope)})"
