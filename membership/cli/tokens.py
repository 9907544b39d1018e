"""`membership token`: a token for the agent of this machine, straight from its key."""

import re
from collections.abc import Sequence

import click

from membership import wiring
from membership.api.scopes import SCOPES
from membership.cli.agent_options import place_options
from membership.settings import Settings

_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400}
_TTL = re.compile(r"([0-9]{1,9})([smhd]?)")
_LONGEST_S = 365 * _SECONDS["d"]


def parse_ttl(text: str) -> int:
    """Return seconds out of `900`, `15m`, `1h` or `7d`; raises `ValueError`."""
    match = _TTL.fullmatch(text.strip().lower())
    seconds = int(match[1]) * _SECONDS[match[2]] if match else 0
    if not 1 <= seconds <= _LONGEST_S:
        message = f"{text!r} is no time to live; write seconds, 15m, 1h or 7d, up to 365d"
        raise ValueError(message)
    return seconds


def _ttl(ctx: click.Context, param: click.Parameter, text: str) -> int:
    try:
        return parse_ttl(text)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from None


@click.command(
    epilog="""\b
Examples:
  export MEMBERSHIP_TOKEN=$(membership token --scope admin)
  membership token --scope peers.read --scope services.read --ttl 7d
  membership token --data-dir /var/lib/membership --scope peers.read

It needs the data directory's key, so it works for the agent's own user only, whether the agent
runs or not. Programs on other machines get theirs at POST /v1/oauth/token."""
)
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    metavar="SCOPE",
    type=click.Choice(SCOPES),
    help=f"What it allows; may be given several times. One of: {', '.join(SCOPES)} (everything).",
)
@click.option(
    "--ttl",
    "ttl_s",
    default="1h",
    show_default=True,
    metavar="TIME",
    callback=_ttl,
    help="How long it is good for: seconds, 15m, 1h, 7d.",
)
@place_options
def token(settings: Settings, *, scopes: Sequence[str], ttl_s: int) -> None:
    """Make a token for the agent of this machine; it is the only thing on stdout."""
    click.echo(wiring.mint_local_token(settings.data_dir, scopes=scopes, ttl_s=ttl_s))
