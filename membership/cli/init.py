"""`membership init`: create an agent without running it."""

from dataclasses import asdict

import click

from membership import wiring
from membership.cli.agent_options import agent_options
from membership.cli.exit_codes import Failure
from membership.cli.output import details, print_json, stdout_console, write
from membership.cli.program import pasteable
from membership.settings import Settings
from membership.store.data_directory import AlreadyInitialised


@click.command(
    epilog="""\b
Examples:
  membership init
  membership init --data-dir /var/lib/membership --license cluster.json --name alpha
  membership init --new-identity        come back after `membership peers leave`

The credential's secret is shown this once. `membership serve` takes the same flags."""
)
@click.option(
    "--new-identity",
    is_flag=True,
    help="Retire an agent that has left, keep its files, and create a new one.",
)
@click.option("--json", "as_json", is_flag=True, help="Write JSON to stdout.")
@agent_options
def init(settings: Settings, *, new_identity: bool, as_json: bool) -> None:
    """Create an agent: identity, licence and first credential."""
    try:
        made = wiring.initialise(settings, new_identity=new_identity)
    except AlreadyInitialised as error:
        if not new_identity:
            raise
        message = (
            f"{error}\nOnly an agent that has left can be replaced: {pasteable('peers', 'leave')}"
        )
        raise Failure(message) from None
    fields = {
        "peer_id": made.peer_id,
        "data_dir": str(made.data_dir),
        "cluster_id": made.cluster_id,
        "license": "evaluation" if made.license_is_evaluation else "installed",
        **(asdict(made.credential) if made.credential else {}),
        **({"retired": str(made.retired)} if made.retired else {}),
    }
    if as_json:
        print_json(fields)
    else:
        write(stdout_console(), details({k.replace("_", " "): v for k, v in fields.items()}))
    if made.credential:
        click.echo("The client secret is shown this once; keep it safe.", err=True)
    click.echo(f"Start the agent: {pasteable('serve', '--data-dir', made.data_dir)}", err=True)
