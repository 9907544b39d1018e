"""The command as a whole: its overview, its help, its version, its last line of defence."""

import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from membership import __version__
from membership.cli.main import COMMANDS, report_bug, root
from tests.cli.conftest import Run

HEAVY = ("aiohttp", "rich", "structlog", "pydantic", "nacl", "eventsourcing", "uvloop")


def every_command() -> Iterator[tuple[list[str], click.Command]]:
    context = click.Context(root)
    for name in COMMANDS:
        command = root.get_command(context, name)
        assert command is not None
        yield [name], command
        if isinstance(command, click.Group):
            for sub, subcommand in command.commands.items():
                yield [name, sub], subcommand


EVERY_COMMAND = list(every_command())
NAMES = [" ".join(path) for path, _ in EVERY_COMMAND]


@pytest.mark.parametrize(("path", "command"), EVERY_COMMAND, ids=NAMES)
def test_the_help_of_every_command_teaches_by_example(
    run: Run, path: list[str], command: click.Command
) -> None:
    result = run(*path, "--help")
    assert result.exit_code == 0
    assert "Examples:" in result.stdout
    assert result.stdout.count(f"membership {' '.join(path)}") >= 2, "usage and an example"
    for parameter in command.params:
        if isinstance(parameter, click.Option) and parameter.name != "help":
            assert parameter.help, f"{parameter.name} is explained"


def test_the_overview_lists_every_command(run: Run) -> None:
    result = run("--help")
    for name, entry in COMMANDS.items():
        assert f"  {name} " in result.stdout
        assert entry.summary in result.stdout


def test_the_overview_imports_nothing_heavy() -> None:
    program = (
        "import sys; from membership.cli.main import root; root.main(['--help'], "
        f"standalone_mode=False); sys.exit(', '.join(sys.modules.keys() & set({HEAVY!r})))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        cwd=__file__.partition("/tests/cli/")[0],
    )
    assert result.stderr.strip() == ""


def test_the_version_is_told(run: Run) -> None:
    assert __version__ in run("--version").stdout


def test_an_unknown_command_is_a_usage_error(run: Run) -> None:
    result = run("frobnicate")
    assert result.exit_code == 2
    assert "No such command" in result.stderr


def test_a_bug_is_told_in_words_without_its_values(capsys: pytest.CaptureFixture[str]) -> None:
    known: dict[str, str] = {}
    try:
        known["s3cret"]
    except KeyError as error:
        report_bug(error)
    said = capsys.readouterr()
    assert said.out == ""
    assert "KeyError in test_a_bug_is_told_in_words_without_its_values, line " in said.err
    assert "Traceback" not in said.err
    assert "s3cret" not in said.err
