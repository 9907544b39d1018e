"""`membership serve`: run an agent until a signal."""

import asyncio
import errno
import logging
import os
import signal
from collections.abc import Callable
from importlib import import_module

import click

from membership import wiring
from membership.cli.agent_options import agent_options
from membership.cli.announcement import announce_start
from membership.cli.exit_codes import FAILED, Failure
from membership.cli.logging_setup import set_up_logging
from membership.settings import Settings

log = logging.getLogger(__name__)


@click.command(
    epilog="""\b
Examples:
  membership serve
  membership serve --data-dir data-2 --listen 127.0.0.1:8081 --license data/license.json
  membership serve --listen 0.0.0.0:8080 --advertise 192.0.2.10:8080 --license cluster.json

The first start creates the agent and shows its first credential once. Ctrl-C stops it, twice at
once. Every flag can also be set in a file (--config) or as MEMBERSHIP_… in the environment."""
)
@agent_options
def serve(settings: Settings) -> None:
    """Run an agent."""
    set_up_logging(settings.log_format, settings.log_level)
    try:
        with asyncio.Runner(loop_factory=_new_event_loop) as runner:
            runner.run(_serve(settings))
    except OSError as error:
        raise _cannot_listen(settings.listen, error) or error from None


def _new_event_loop() -> asyncio.AbstractEventLoop:
    try:
        uvloop = import_module("uvloop")
    except ImportError:  # It comes with the extra `fast`.
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


async def _serve(settings: Settings) -> None:
    stop = asyncio.Event()
    _stop_on_signals(stop)
    await wiring.serve(settings, announce=_announcer(settings), stop=stop)


def _stop_on_signals(stop: asyncio.Event) -> None:
    def on_signal() -> None:
        if stop.is_set():
            # Nothing is lost: what was acknowledged is on disk.
            os._exit(FAILED)
        log.info("stopping; once more to stop at once")
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)


def _announcer(settings: Settings) -> Callable[[wiring.Started], None]:
    if settings.log_format == "console":
        return announce_start
    return _log_start


def _log_start(started: wiring.Started) -> None:
    log.info(
        "agent %s answers at %s, known to others as %s, data in %s, licence %s",
        started.peer_id,
        started.url,
        started.advertise,
        started.data_dir,
        started.license_state,
    )
    if started.credential is not None:
        # A log is collected and kept; a secret does not belong there.
        log.warning(
            "first start: the secret of the first credential %s is not logged; get tokens with "
            "`membership token`, or create agents with `membership init`, which prints it",
            started.credential.client_id,
        )


def _cannot_listen(listen: str, error: OSError) -> Failure | None:
    match error.errno:
        case int(number) if number < 0:
            # The resolver's codes are negative; create_server loses their class.
            reason = "there is no such host; choose with --listen"
        case errno.EADDRINUSE:
            reason = "the port is taken; stop what listens there, or choose with --listen"
        case errno.EADDRNOTAVAIL:
            reason = "this machine does not have that address; choose with --listen"
        case errno.EACCES if error.filename is None:
            reason = "ports below 1024 are reserved; choose a higher one with --listen"
        case _:
            return None
    return Failure(f"cannot listen on {listen}: {reason}")
