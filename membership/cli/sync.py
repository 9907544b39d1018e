"""`membership sync`: let all peers compare what they know, now."""

from collections.abc import Mapping, Sequence

import click
from rich.table import Table
from rich.text import Text

from membership.cli.connection import Connection, talks_to_agent
from membership.cli.exit_codes import PartlyDone
from membership.cli.output import table
from membership.cli.plain_text import printable
from membership.cli.status_tables import peer_name
from membership.client import MembershipClient, Peer, SyncReport

MAX_WAIT_S = 60


@click.command(
    epilog="""\b
Examples:
  membership sync
  membership sync --wait 30 && echo "all peers agree"
  membership sync --json | jq -r '.unreachable[] | [.peer_id, .reason] | @tsv'

It exits with 6 when a peer does not answer, or knows something else still."""
)
@click.option(
    "--wait",
    "wait_s",
    type=click.IntRange(0, MAX_WAIT_S),
    default=0,
    show_default=True,
    metavar="SECONDS",
    help="Go on for so long while somebody who answers does not agree.",
)
@talks_to_agent("admin")
def sync(connection: Connection, *, wait_s: int) -> None:
    """Let an agent compare what it knows with all its peers, and show who agrees."""
    if connection.as_json:
        report = connection.ask(lambda client: client.sync(wait_s))
        connection.show(report, str)
    else:
        report, peers = connection.ask(lambda client: _sync(client, wait_s))
        connection.show(report, lambda report: _table(report, peers))
    if not report.agreed:
        count = len(report.differing) + len(report.unreachable)
        everybody = count + len(report.agreeing)
        message = f"{count} of {everybody} peers do not agree with this agent"
        raise PartlyDone(message)


async def _sync(client: MembershipClient, wait_s: int) -> tuple[SyncReport, Mapping[str, Peer]]:
    report = await client.sync(wait_s)
    return report, {peer.id: peer for peer in await client.list_peers(is_local=False)}


def _table(report: SyncReport, peers: Mapping[str, Peer]) -> Table:
    def named(peer_id: str) -> str:
        peer = peers.get(peer_id)
        return peer_name(peer.name, peer.address) if peer else peer_id

    rows: Sequence[tuple[str, Text]] = [
        *((named(u.peer_id), Text(printable(u.reason), "red")) for u in report.unreachable),
        *((named(peer_id), Text("knows something else", "yellow")) for peer_id in report.differing),
        *((named(peer_id), Text("agrees", "green")) for peer_id in report.agreeing),
    ]
    return table(("PEER", "RESULT"), rows)
