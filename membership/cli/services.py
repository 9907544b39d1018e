"""`membership services`: what runs between peers."""

import click

from membership.cli.connection import ULID, Connection, talks_to_agent
from membership.cli.service_tables import service_details, services_table


@click.group(
    epilog="""\b
Examples:
  membership services list
  membership services register backup --source 01HXYZ5Y8N… --target 01HXYZ9K2P…
  membership services list --json | jq '.[] | select(.is_active | not)'"""
)
def services() -> None:
    """List, register and remove services between peers."""


@services.command(
    "list",
    epilog="""\b
Examples:
  membership services list
  membership services list --json""",
)
@talks_to_agent("services.read")
def list_(connection: Connection) -> None:
    """List the services; one is inactive when a peer of its has left or was removed."""
    connection.show(connection.ask(lambda client: client.list_services()), services_table)


@services.command(
    epilog="""\b
Examples:
  membership services get 01HXYZ5Y8N3Q4V7W2K9M6T1R0P
  membership services get 01HXYZ5Y8N3Q4V7W2K9M6T1R0P --json | jq .is_active"""
)
@click.argument("service_id", metavar="ID", type=ULID)
@talks_to_agent("services.read")
def get(connection: Connection, service_id: str) -> None:
    """Show one service."""
    answer = connection.ask(lambda client: client.get_service(service_id))
    connection.show(answer, service_details)


@services.command(
    epilog="""\b
Examples:
  membership services register backup --source 01HXYZ5Y8N3Q4V7W2K9M6T1R0P \\
      --target 01HXYZ9K2P6T4R8V1W3N5Q7Y0M
  membership services register "nightly copy" --source … --target … --json"""
)
@click.argument("name")
@click.option("--source", required=True, type=ULID, help="The id of the peer that it starts at.")
@click.option("--target", required=True, type=ULID, help="The id of the peer that it leads to.")
@talks_to_agent("services.write")
def register(connection: Connection, name: str, source: str, target: str) -> None:
    """Register a service between two active peers."""
    answer = connection.ask(
        lambda client: client.register_service(name, source_peer_id=source, target_peer_id=target)
    )
    connection.show(answer, service_details)


@services.command(
    epilog="""\b
Examples:
  membership services remove 01HXYZ5Y8N3Q4V7W2K9M6T1R0P
  membership services remove 01HXYZ5Y8N3Q4V7W2K9M6T1R0P --json"""
)
@click.argument("service_id", metavar="ID", type=ULID)
@talks_to_agent("services.write")
def remove(connection: Connection, service_id: str) -> None:
    """Remove a service, active or not."""
    connection.ask(lambda client: client.remove_service(service_id))
    if connection.as_json:
        connection.show({"deleted": True}, str)
    click.echo(f"Removed {service_id}.", err=True)
