"""`membership demo`: the whole life of a cluster, played by three real agents."""

import asyncio
import contextlib
import signal
import tempfile
from pathlib import Path

import click

from membership import wiring
from membership.cli.demo_agent import DemoAgent, free_ports
from membership.cli.demo_stage import Stage, Unexpected
from membership.cli.demo_story import CHAPTERS, Cast
from membership.cli.exit_codes import Failure
from membership.cli.output import stdout_console
from membership.client import ClientError

NAMES = ("alpha", "beta", "gamma")


@click.command(
    epilog="""\b
Examples:
  membership demo
  membership demo | less -R

It starts three agents on free ports of 127.0.0.1 with data in a temporary directory, and cleans
up whatever happens. It exits with 1 when an agent does not do what was announced."""
)
def demo() -> None:
    """Watch three agents meet, change, fail, leave and catch up, in about half a minute."""
    stage = Stage(stdout_console())
    try:
        asyncio.run(_perform(stage))
    except Unexpected as surprise:
        raise Failure(str(surprise)) from None
    except ClientError as error:
        message = f"the demo broke off, because an agent answered: {error}"
        raise Failure(message) from None
    except asyncio.CancelledError:
        message = "the demo was stopped"
        raise Failure(message) from None


async def _perform(stage: Stage) -> None:
    _cancel_on_signals()
    with tempfile.TemporaryDirectory(prefix="membership-demo-") as directory:
        async with contextlib.AsyncExitStack() as stack:
            cast = _cast(Path(directory))
            for agent in cast:
                stack.push_async_callback(agent.dispose)
            for number, chapter in enumerate(CHAPTERS, start=1):
                stage.begin(number, chapter.title, chapter.sentence)
                await chapter.play(stage, cast)
    stage.end()


def _cast(directory: Path) -> Cast:
    license_file = directory / "cluster.json"
    wiring.issue_license(
        license_file, issuer_key=None, max_nodes=len(NAMES), days=365, customer="demo", renew=None
    )
    return Cast(
        *(
            DemoAgent(name, f"127.0.0.1:{port}", directory / name, license_file)
            for name, port in zip(NAMES, free_ports(len(NAMES)), strict=True)
        )
    )


def _cancel_on_signals() -> None:
    # Ctrl-C does so by itself; without this a plain kill would leave the agents behind.
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, lambda: task and task.cancel())
