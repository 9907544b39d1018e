"""How the user can call this command again, for the lines that are there to be pasted."""

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
    if Path("bin/membership").is_file():
        return "bin/membership"
    return "python -m membership"


def export_token(scope: str, data_dir: Path | None = None) -> str:
    """Return the shell line that gets a token for the agent of this machine."""
    place = () if data_dir is None or data_dir == Path("data") else ("--data-dir", data_dir)
    return f"export MEMBERSHIP_TOKEN=$({pasteable('token', *place, '--scope', scope)})"
