"""
The command's entry: which commands there are, and that none ends in a traceback.

A command's module is imported when it is invoked, so that `membership --help` loads no HTTP, no
cryptography and no tables.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NamedTuple

import click

from membership import __version__
from membership.cli.exit_codes import FAILED

PROGRAM = "membership"


class _Command(NamedTuple):
    """Where a command is defined, and its line in the overview."""

    module: str
    attribute: str
    summary: str


COMMANDS = {
    "serve": _Command("membership.cli.serve", "serve", "Run an agent."),
    "demo": _Command("membership.cli.demo", "demo", "Watch three agents live through it all."),
    "status": _Command("membership.cli.status", "status", "Show how an agent stands."),
    "sync": _Command("membership.cli.sync", "sync", "Let all peers compare what they know, now."),
    "peers": _Command("membership.cli.peers", "peers", "List, add, name and remove peers; leave."),
    "services": _Command(
        "membership.cli.services", "services", "List, register and remove services."
    ),
    "token": _Command("membership.cli.tokens", "token", "Make a token for the agent here."),
    "license": _Command("membership.cli.licenses", "license_", "Issue, show and renew licences."),
    "init": _Command("membership.cli.init", "init", "Create an agent without running it."),
    "rebuild": _Command("membership.cli.rebuild", "rebuild", "Check the log and derive all anew."),
}


class LazyGroup(click.Group):
    """A group that imports a command when it is asked for it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the overview."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        del ctx
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        command: click.Command = getattr(import_module(entry.module), entry.attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the overview out of the table, without importing anything."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in COMMANDS.items()])


@click.command(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
Start here:
  membership demo                        three agents, start to end, in a minute
  membership serve                       an agent on 127.0.0.1:8080, data in ./data
  export MEMBERSHIP_TOKEN=$(membership token --scope admin)
  membership peers list                  whom that agent knows""",
)
@click.version_option(__version__, prog_name=PROGRAM)
def root() -> None:
    """Cluster membership whose history proves itself."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and exit; a bug ends in one line, too."""
    try:
        root.main(args=arguments and list(arguments), prog_name=PROGRAM)
    except Exception as error:  # noqa: BLE001  the last line of defence
        report_bug(error)
        sys.exit(FAILED)


def report_bug(error: Exception) -> None:
    """Write what happened and where, and nothing of the values that it happened to."""
    place: Any = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = f"{place.tb_frame.f_code.co_qualname}, line {place.tb_lineno}" if place else "unknown"
    click.echo(
        f"error: a bug in membership {__version__}: {type(error).__name__} in {where}\n"
        "Nothing that was acknowledged is lost. Please report this line and what you ran.",
        err=True,
    )
