"""Services as people read them."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from membership.cli.output import details, table, to_the_second
from membership.cli.plain_text import printable
from membership.client import Service


def services_table(services: Sequence[Service]) -> Table:
    """Return two lines a service, since three ids do not fit on one."""
    rows = [
        (
            f"{printable(service.name)}\n{service.id}",
            f"from {service.source_peer_id}\nto   {service.target_peer_id}",
            _state(service),
        )
        for service in services
    ]
    return table(("SERVICE", "PEERS", "STATE"), rows, whole=("PEERS",))


def service_details(service: Service) -> Table:
    """Return everything about one service."""
    return details(
        {
            "id": service.id,
            "name": service.name,
            "source": service.source_peer_id,
            "target": service.target_peer_id,
            "state": _state(service),
            "registered": f"{to_the_second(service.created_at)} UTC",
        }
    )


def _state(service: Service) -> Text:
    if service.is_active:
        return Text("active", "green")
    return Text(f"inactive: {printable(service.inactive_reason or 'no reason given')}", "yellow")
