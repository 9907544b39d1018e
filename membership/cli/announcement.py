"""What an agent says of itself when it starts, and what to paste next; all of it on stderr."""

from pathlib import Path

import click

from membership import __version__
from membership.cli.plain_text import printable
from membership.cli.program import export_token, pasteable
from membership.domain.values import PORT_MAX
from membership.wiring import FirstCredential, Started

_LABEL_COLUMNS = 12


def announce_start(started: Started) -> None:
    """Say who the agent is and where it answers; on its first start also how to go on."""
    name = f" “{printable(started.name)}”" if started.name else ""
    where = started.url
    if started.url.rpartition("/")[2] != started.advertise:
        where += f", known to others as {started.advertise}"
    _say(click.style(f"membership {__version__}", bold=True))
    _field("agent", f"{started.peer_id}{name}")
    _field("listens", where)
    _field("data", str(started.data_dir))
    _field("cluster", started.cluster_id)
    _field("licence", started.license_state.replace("_", "-"))
    if started.credential is not None:
        show_credential(started.credential)
        _say_what_next(started)


def show_credential(credential: FirstCredential) -> None:
    """Show the first credential; nothing but its hash is kept."""
    _say()
    title = "The first credential may do everything. Its secret is shown this once:"
    _say(click.style(title, bold=True))
    _field("client id", credential.client_id)
    _field("secret", credential.client_secret)


def _say_what_next(started: Started) -> None:
    _say()
    _say(click.style("Look at it from another shell:", bold=True))
    _say(f"  {export_token('admin', started.data_dir)}")
    _say(f'  curl -H "Authorization: Bearer $MEMBERSHIP_TOKEN" {started.url}/v1/peers')
    _say()
    _say(click.style("Start a second agent, and make the two a cluster:", bold=True))
    _say(f"  {second_agent(started.data_dir, started.advertise)} &")
    _say(f"  {pasteable('peers', 'add', _next_address(started.advertise), '--url', started.url)}")
    _say()


def second_agent(data_dir: Path, advertise: str) -> str:
    """Return the shell line that starts one more agent, with the same licence, on this machine."""
    other = data_dir.with_name(f"{data_dir.name}-2")
    return pasteable(
        "serve",
        *("--data-dir", other),
        *("--listen", _next_address(advertise)),
        *("--license", data_dir / "license.json"),
    )


def _next_address(address: str) -> str:
    host, _, port = address.rpartition(":")
    return f"{host}:{int(port) + (-1 if int(port) == PORT_MAX else 1)}"


def _field(label: str, value: str) -> None:
    _say(f"  {label:<{_LABEL_COLUMNS}}{value}")


def _say(line: str = "") -> None:
    click.echo(line, err=True)
