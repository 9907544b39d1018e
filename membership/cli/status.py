"""
`membership status`: how an agent stands, once or as it goes.

Watching is asking once a second. On a terminal the screen is drawn anew; anywhere else each answer
follows the one before, as a page or, with `--json`, as one line. An agent that does not answer for
a while is what somebody may be watching for: it is told, and the watch goes on.
"""

import contextlib
import sys
import time
from collections.abc import Iterator

import click
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from membership.cli.connection import Connection, talks_to_agent
from membership.cli.exit_codes import Unreachable
from membership.cli.output import print_json_line, stdout_console, write
from membership.cli.status_tables import render
from membership.client import ClusterStatus

INTERVAL_S = 1.0


@click.command(
    epilog="""\b
Examples:
  membership status
  membership status --watch
  membership status --json | jq '.peers[] | select(.reachable | not)'
  membership status --watch --json | jq -c '[.observed_at, .health.is_cut_off]'

REACHABLE: does it answer?  SEEN: when it last answered or wrote.  RTT: how long its last answer
took.  NEWS: has it heard of this agent's own changes, and if not, since when.  AGREES: did it know
the same of all peers when they last compared?  A question mark: not known since the agent started
or learnt something new; `membership sync` asks all of them now."""
)
@click.option("--watch", is_flag=True, help="Ask again every second, until Ctrl-C.")
@talks_to_agent("peers.read")
def status(connection: Connection, *, watch: bool) -> None:
    """Show an agent, its licence, and how each of its peers stands."""
    if not watch:
        connection.show(_ask(connection), render)
        return
    with contextlib.suppress(KeyboardInterrupt):
        _watch(connection)


def _ask(connection: Connection) -> ClusterStatus:
    return connection.ask(lambda client: client.cluster_status())


def _watch(connection: Connection) -> None:
    if connection.as_json:
        for answer in _answers(connection):
            if isinstance(answer, ClusterStatus):
                print_json_line(answer)
    elif sys.stdout.isatty():
        _draw(connection)
    else:
        for answer in _answers(connection):
            write(stdout_console(), Group(_screen(answer), Text()))


def _answers(connection: Connection) -> Iterator[ClusterStatus | str]:
    """Yield what the agent answers, or why it does not, once it has answered a first time."""
    yield _ask(connection)
    while True:
        time.sleep(INTERVAL_S)
        try:
            yield _ask(connection)
        except Unreachable as failure:
            reason = failure.message.partition("\n")[0]
            if connection.as_json:
                click.echo(reason, err=True)
            yield reason


def _draw(connection: Connection) -> None:
    console = stdout_console()
    with Live(console=console, screen=True, auto_refresh=False) as live:
        for answer in _answers(connection):
            live.update(_screen(answer), refresh=True)


def _screen(answer: ClusterStatus | str) -> RenderableType:
    return Text(answer, "bold red") if isinstance(answer, str) else render(answer)
