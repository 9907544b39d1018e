"""`membership status`: how an agent stands."""

import click
from rich.console import Group
from rich.table import Table
from rich.text import Text

from membership.cli.connection import Connection, talks_to_agent
from membership.cli.output import details, table, to_the_second
from membership.cli.plain_text import printable
from membership.client import ClusterStatus, Delivery, LicenseUsage

_LICENSE_STYLES = {"valid": "green", "warning": "yellow", "grace": "yellow", "read_only": "red"}


@click.command(
    epilog="""\b
Examples:
  membership status
  membership status --json | jq '.deliveries[] | select(.is_behind)'"""
)
@talks_to_agent("peers.read")
def status(connection: Connection) -> None:
    """Show an agent, its licence, and which peers have not heard its news yet."""
    connection.show(connection.ask(lambda client: client.cluster_status()), render)


def render(answer: ClusterStatus) -> Group:
    """Return the agent's own lines, and a table of its deliveries when it has peers."""
    peer = answer.peer
    own = details(
        {
            "agent": f"{peer.name or '-'} ({peer.id})",
            "state": Text("active", "green") if peer.is_active else Text("has left", "yellow"),
            "address": peer.address,
            "cluster": answer.cluster_id,
            "licence": _license(answer.license),
            "log": f"position {answer.log_position}, own version {peer.version}",
            "software": answer.software,
        }
    )
    parts: list[Table | Text] = [own]
    if answer.deliveries:
        parts += [Text(), _deliveries(answer.deliveries)]
    return Group(*parts)


def _license(usage: LicenseUsage) -> Text:
    words = usage.state.replace("_", "-")
    return Text(
        f"{printable(words)}, {usage.nodes} of {usage.max_nodes} nodes, expires "
        f"{to_the_second(usage.expires_at)} UTC (in {usage.days_left} days)",
        _LICENSE_STYLES.get(usage.state, ""),
    )


def _deliveries(deliveries: tuple[Delivery, ...]) -> Table:
    rows = [
        (
            delivery.peer_id,
            f"{printable(delivery.name) or '-'}\n{delivery.address}",
            _news(delivery),
        )
        for delivery in deliveries
    ]
    return table(("PEER", "NAME, ADDRESS", "NEWS OF THIS AGENT"), rows, whole=("PEER",))


def _news(delivery: Delivery) -> Text:
    if not delivery.is_behind:
        return Text("heard all", "green")
    if not delivery.attempts:
        return Text("being told", "yellow")
    return Text(
        f"not heard: {printable(delivery.last_error)}; failed attempts: {delivery.attempts}, next "
        f"at {to_the_second(delivery.next_attempt_at or '')[-8:]} UTC",
        "yellow",
    )
