"""`membership peers`: the Peers API on the command line."""

import sys

import click

from membership.cli.connection import ULID, Connection, talks_to_agent
from membership.cli.peer_tables import departure_details, peer_details, peers_table
from membership.cli.plain_text import printable
from membership.client import ApiError, MembershipClient
from membership.domain.errors import InvalidAddress, InvalidName
from membership.domain.values import parse_address, parse_name

_FORBIDDEN = 403


@click.group(
    epilog="""\b
Examples:
  membership peers list
  membership peers add 192.0.2.10:8080 --name beta
  membership peers list --json | jq -r '.[].address'"""
)
def peers() -> None:
    """List, add, name and remove peers; leave the cluster."""


@peers.command(
    "list",
    epilog="""\b
Examples:
  membership peers list
  membership peers list --url http://192.0.2.10:8080 --json""",
)
@talks_to_agent("peers.read")
def list_(connection: Connection) -> None:
    """List the peers that the agent knows; a star marks the agent itself."""
    connection.show(connection.ask(lambda client: client.list_peers()), peers_table)


@peers.command(
    epilog="""\b
Examples:
  membership peers get 01HXYZ5Y8N3Q4V7W2K9M6T1R0P
  membership peers get 01HXYZ5Y8N3Q4V7W2K9M6T1R0P --json | jq -r .public_key"""
)
@click.argument("peer_id", metavar="ID", type=ULID)
@talks_to_agent("peers.read")
def get(connection: Connection, peer_id: str) -> None:
    """Show one peer."""
    connection.show(connection.ask(lambda client: client.get_peer(peer_id)), peer_details)


def _address(ctx: click.Context, param: click.Parameter, text: str) -> str:
    try:
        return parse_address(text)
    except InvalidAddress as error:
        raise click.BadParameter(str(error), ctx, param) from None


def _name(ctx: click.Context, param: click.Parameter, text: str) -> str:
    try:
        return parse_name(text)
    except InvalidName as error:
        raise click.BadParameter(str(error), ctx, param) from None


@peers.command(
    epilog="""\b
Examples:
  membership peers add 192.0.2.10:8080
  membership peers add [2001:db8::7]:8080 --name beta

Both agents need the same licence, and each must reach the other's address."""
)
@click.argument("address", metavar="HOST:PORT", callback=_address)
@click.option("--name", default="", callback=_name, help="What this agent calls the new peer.")
@talks_to_agent("peers.write")
def add(connection: Connection, address: str, name: str) -> None:
    """Add the agent at HOST:PORT; a handshake proves who it is, and both sides record it."""
    added = connection.ask(lambda client: client.add_peer(address, name))
    connection.show(added, peer_details)


@peers.command(
    epilog="""\b
Examples:
  membership peers rename 01HXYZ5Y8N3Q4V7W2K9M6T1R0P beta
  membership peers rename 01HXYZ5Y8N3Q4V7W2K9M6T1R0P ""       takes a label away

The agent's own name spreads to all peers. A remote peer's new name is a label of this agent."""
)
@click.argument("peer_id", metavar="ID", type=ULID)
@click.argument("name", callback=_name)
@talks_to_agent("peers.write")
def rename(connection: Connection, peer_id: str, name: str) -> None:
    """Name a peer."""
    connection.show(connection.ask(lambda client: client.rename_peer(peer_id, name)), peer_details)


_YES = click.option("--yes", "-y", is_flag=True, help="Do not ask on a terminal.")


@peers.command(
    epilog="""\b
Examples:
  membership peers remove 01HXYZ5Y8N3Q4V7W2K9M6T1R0P
  membership peers remove 01HXYZ5Y8N3Q4V7W2K9M6T1R0P --yes

The peer need not be reachable. Nothing but `peers add` brings it back to this agent's list."""
)
@click.argument("peer_id", metavar="ID", type=ULID)
@_YES
@talks_to_agent("peers.write")
def remove(connection: Connection, peer_id: str, *, yes: bool) -> None:
    """Remove a remote peer from the agent's cluster."""
    if not yes and sys.stdin.isatty():
        who = connection.ask(lambda client: _described(client, peer_id))
        click.confirm(f"Remove {who}?", abort=True, err=True)
    connection.ask(lambda client: client.remove_peer(peer_id))
    if connection.as_json:
        connection.show({"deleted": True}, str)
    click.echo(f"Removed {peer_id}.", err=True)


async def _described(client: MembershipClient, peer_id: str) -> str:
    try:
        peer = await client.get_peer(peer_id)
    except ApiError as error:
        if error.status == _FORBIDDEN:
            return peer_id  # A token may well write without reading.
        raise
    return f"{printable(peer.name) or 'the peer without a name'} at {peer.address} ({peer_id})"


@peers.command(
    epilog="""\b
Examples:
  membership peers leave
  membership peers leave --yes --json

There is no way back: the agent keeps answering reads, and to join again it needs a new identity,
with `membership init --new-identity`."""
)
@_YES
@talks_to_agent("admin")
def leave(connection: Connection, *, yes: bool) -> None:
    """Take the agent itself out of the cluster, for good; all peers are told."""
    if not yes and sys.stdin.isatty():
        question = f"Take the agent at {connection.client.url} out of its cluster, for good?"
        click.confirm(question, abort=True, err=True)
    departure = connection.ask(lambda client: client.leave())
    connection.show(departure, departure_details)
    click.echo("It tells its peers now, and those that are down when they are back.", err=True)
