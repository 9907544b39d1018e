"""`membership rebuild`: read the whole log again and repair what was derived from it."""

import click

from membership import wiring
from membership.cli.agent_options import place_options
from membership.cli.output import details, print_json, stdout_console, write
from membership.settings import Settings


@click.command(
    epilog="""\b
Examples:
  membership rebuild
  membership rebuild --data-dir /var/lib/membership --json

The agent must be stopped. The log itself is never changed; a log that was altered is refused."""
)
@click.option("--json", "as_json", is_flag=True, help="Write JSON to stdout.")
@place_options
def rebuild(settings: Settings, *, as_json: bool) -> None:
    """Check every event of the log, and derive everything else anew."""
    report = wiring.rebuild(settings.data_dir, progress=_tell)
    if as_json:
        print_json(report)
        return
    found = {
        "events": f"{report.events}, all of them as they were written",
        "peers": str(report.peers),
        "services": str(report.services),
        "root": report.root,
        "repaired": "\n".join(report.repaired) or "nothing; everything agreed with the log",
    }
    write(stdout_console(), details(found))


def _tell(position: int) -> None:
    click.echo(f"  … {position} events", err=True)
