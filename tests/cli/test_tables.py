"""Tables on a narrow terminal: nothing is wider, and nothing is lost."""

import re
from collections.abc import Sequence

import pytest
from rich.console import Console, RenderableType

from membership.cli.output import table, to_the_second
from membership.cli.peer_tables import departure_details, peer_details, peers_table
from membership.cli.plain_text import printable
from membership.cli.service_tables import service_details, services_table
from membership.cli.status_tables import render
from membership.client import ClusterStatus, Departure, Peer, Service
from membership.client.decoding import decode
from tests.client import fake_agent as fake

COLUMNS = 80
LONG_NAME = "a-name-of-more-letters-than-anybody-needs-" * 3
WIDE_ADDRESS = "[2001:db8:1111:2222:3333:4444:5555:6666]:65535"


def lines(rendered: RenderableType) -> Sequence[str]:
    console = Console(width=COLUMNS, color_system=None, force_terminal=True)
    with console.capture() as capture:
        console.print(rendered)
    return capture.get().splitlines()


@pytest.mark.parametrize(
    "rendered",
    [
        peers_table([decode(Peer, fake.LOCAL), decode(Peer, fake.REMOTE)]),
        peers_table([decode(Peer, fake.LOCAL | {"name": LONG_NAME, "address": WIDE_ADDRESS})]),
        peer_details(decode(Peer, fake.LOCAL | {"name": LONG_NAME})),
        services_table([decode(Service, fake.SERVICE | {"name": LONG_NAME})]),
        services_table(
            [
                decode(
                    Service,
                    fake.SERVICE
                    | {"is_active": False, "inactive_reason": "the target peer left the cluster"},
                )
            ]
        ),
        service_details(decode(Service, fake.SERVICE)),
        departure_details(decode(Departure, fake.DEPARTURE)),
        render(decode(ClusterStatus, fake.STATUS)),
        render(
            decode(
                ClusterStatus,
                fake.STATUS | {"peers": [fake.DOWN | {"name": LONG_NAME, "address": WIDE_ADDRESS}]},
            )
        ),
    ],
)
def test_a_table_fits_80_columns_and_loses_nothing(rendered: RenderableType) -> None:
    shown = lines(rendered)
    assert max(map(len, shown)) <= COLUMNS
    assert "…" not in "".join(shown)
    ids = [fake.LOCAL_ID, fake.REMOTE_ID, fake.SERVICE_ID]
    assert any(id_ in line for id_ in ids for line in shown), "an id stays in one piece"


def test_a_long_name_is_folded_and_not_cut() -> None:
    shown = lines(peers_table([decode(Peer, fake.LOCAL | {"name": LONG_NAME})]))
    letters = "".join(re.findall(r"[a-z-]+", "".join(line[30:50] for line in shown[1:])))
    assert letters == LONG_NAME


def test_a_table_without_rows_is_its_headings() -> None:
    assert [line.split() for line in lines(table(("A", "B"), []))] == [["A", "B"]]


def test_an_instant_is_shown_to_the_second() -> None:
    assert to_the_second("2026-01-31T12:00:00.123456Z") == "2026-01-31 12:00:00"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ä 漢", "plain ä 漢"),
        ("a\nb\tc\x1b", "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c\ufffd"),
        ("a\u2066b", "a\N{REPLACEMENT CHARACTER}b"),
        ("\U0001f468\u200d\U0001f469", "\U0001f468\u200d\U0001f469"),
    ],
)
def test_what_would_move_the_cursor_is_replaced(text: str, shown: str) -> None:
    assert printable(text) == shown
