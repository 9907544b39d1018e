"""`membership license`: issue licences, and look at them."""

from pathlib import Path

import click
from rich.table import Table

from membership import wiring
from membership.cli.agent_options import explained
from membership.cli.connection import Connection, talks_to_agent
from membership.cli.output import details, print_json, stdout_console, to_the_second, write
from membership.client import License

_PATH = click.Path(path_type=Path, dir_okay=False)
_MOST_NODES = 1_000_000
_MOST_DAYS = 36_500


@click.group(
    "license",
    epilog="""\b
Examples:
  membership license issue --out cluster.json --customer "Example Ltd" --max-nodes 20
  membership license show cluster.json""",
)
def license_() -> None:
    """Issue licences, and look at them. Agents that hold the same one are one cluster."""


@license_.command(
    epilog="""\b
Examples:
  membership license issue --out cluster.json --customer "Example Ltd" --max-nodes 20 --days 365
  membership license issue --out renewed.json --renew cluster.json --days 365

Keep the issuer's key (issuer.key beside the licence): renewals are signed with it. The licence
holds the cluster's secret; hand it to the machines of the cluster and to nobody else."""
)
@click.option("--out", required=True, type=_PATH, help="Where to write the licence.")
@click.option(
    "--max-nodes",
    type=click.IntRange(1, _MOST_NODES),
    help="How many agents the cluster may have. With --renew: as before.",
)
@click.option(
    "--days",
    type=click.IntRange(1, _MOST_DAYS),
    default=365,
    show_default=True,
    help="How many days from now it is valid.",
)
@click.option("--customer", default="", help="Whom it is for. With --renew: as before.")
@click.option("--issuer-key", type=_PATH, help="The issuer's key. [issuer.key beside --out]")
@click.option("--renew", type=_PATH, help="The licence that this one is the next revision of.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON to stdout.")
def issue(
    *,
    out: Path,
    max_nodes: int | None,
    days: int,
    customer: str,
    issuer_key: Path | None,
    renew: Path | None,
    as_json: bool,
) -> None:
    """Sign a licence; the issuer's key is made when there is none."""
    if renew is None and (max_nodes is None or not customer):
        message = "a new licence needs --max-nodes and --customer"
        raise click.UsageError(message)
    with explained():
        if max_nodes is None and renew is not None:
            max_nodes = wiring.show_license(renew).max_nodes
        summary = wiring.issue_license(
            out,
            issuer_key=issuer_key,
            max_nodes=max_nodes or 0,
            days=days,
            customer=customer,
            renew=renew,
        )
    _show(summary, as_json=as_json)
    click.echo(f"Wrote {out}. Give it to every agent: membership serve --license {out}", err=True)


@license_.command(
    epilog="""\b
Examples:
  membership license show cluster.json
  membership license show                  the licence of a running agent
  membership license show --json | jq -r .expires_at

The secret is never shown."""
)
@click.argument("file", required=False, type=_PATH)
@talks_to_agent("peers.read")
def show(connection: Connection, file: Path | None) -> None:
    """Show a licence file, or without one the licence of a running agent."""
    if file is not None:
        with explained():
            summary = wiring.show_license(file)
        _show(summary, as_json=connection.as_json)
        return
    connection.show(connection.ask(lambda client: client.get_license()), _of_agent)


def _show(summary: wiring.LicenseSummary, *, as_json: bool) -> None:
    if as_json:
        print_json(summary)
    else:
        write(stdout_console(), details(_lines(summary)))


def _of_agent(answer: License) -> Table:
    state = f"{answer.state.replace('_', '-')}, {answer.days_left} days left"
    return details(
        _lines(answer)
        | {"state": state, "max nodes": f"{answer.max_nodes}, {answer.nodes} of them taken"}
    )


def _lines(held: wiring.LicenseSummary | License) -> dict[str, str]:
    return {
        "licence": f"{held.license_id}, revision {held.revision}",
        "customer": held.customer,
        "issued": f"{to_the_second(held.issued_at)} UTC",
        "expires": f"{to_the_second(held.expires_at)} UTC",
        "max nodes": str(held.max_nodes),
        "issuer": held.issuer,
        "cluster": held.cluster_id,
    }
