"""
Histories that nobody thought of: random asks, decided by the rules themselves.

What comes out is what an agent's log could hold. Six peers share five addresses, so that they get
in each other's way, and lie about themselves as far as their keys let them.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from hypothesis import strategies as st

from membership.domain import changes
from membership.domain.admission import Admission, Candidate, admit
from membership.domain.cluster import Cluster
from membership.domain.errors import MembershipError
from membership.domain.events import CommandRefused, Event, RecordedEvent
from membership.domain.license import License
from membership.domain.record import PeerRecord, observe
from membership.domain.values import Address
from tests.domain.histories import (
    EVIDENCE,
    START_US,
    added,
    created,
    credential,
    id_of,
    license_with,
    licensed,
    record_of,
    recorded,
    service_id_of,
)

NAMES = ("local", "ann", "bob", "cat", "dan", "eve")
ADDRESSES = tuple(Address(f"192.0.2.{number}:8080") for number in range(5))
LABELS = ("", "one", "two")


class Ask(NamedTuple):
    """What is asked of the agent, of whom, and with which of the few values that there are."""

    what: str
    who: str
    other: str
    dice: int


def heard(cluster: Cluster, ask: Ask, *, left: bool = False) -> PeerRecord:
    """Return a record that is older, newer, or as new as the one that is known."""
    known = cluster.peers.get(id_of(ask.who))
    version = (known.subject_version if known else 1) + (-1, 0, 1, 1, 2)[ask.dice % 5]
    return record_of(
        ask.who,
        max(1, version),
        at=ADDRESSES[ask.dice % len(ADDRESSES)],
        called=LABELS[ask.dice % len(LABELS)],
        left=left,
    )


def _admit(cluster: Cluster, ask: Ask) -> Sequence[Event]:
    how = list(Admission)[ask.dice % len(Admission)]
    candidate = Candidate(record=heard(cluster, ask), how=how, invited=ask.dice % 2 == 0)
    return admit(
        cluster,
        candidate,
        evidence=EVIDENCE,
        label=LABELS[ask.dice % len(LABELS)],
        introduced_by=id_of(ask.other) if how is Admission.DISCOVERED else None,
        reserved=(),
        now_us=START_US,
    )


def renewal(cluster: Cluster, ask: Ask) -> License:
    """Return the next licence, for more or fewer nodes."""
    revision = (cluster.license.revision if cluster.license else 0) + 1
    return license_with(revision=revision, max_nodes=3 + ask.dice % 5)


def _refuse(_: Cluster, ask: Ask) -> Sequence[Event]:
    return [CommandRefused(command="PUT", subject=id_of(ask.who), code="C", message="m")]


_ANSWERS: Mapping[str, Callable[[Cluster, Ask], Sequence[Event]]] = {
    "admit": _admit,
    "hear of": lambda c, a: observe(c, heard(c, a)).events,
    "hear farewell": lambda c, a: (
        () if a.who == "local" else observe(c, heard(c, a, left=True)).events
    ),
    "rename": lambda c, a: changes.rename(c, id_of(a.who), LABELS[a.dice % 3], None),
    "remove": lambda c, a: changes.remove(c, id_of(a.who), None),
    "move": lambda c, a: changes.readdress(c, ADDRESSES[a.dice % len(ADDRESSES)]),
    "leave": lambda c, _: changes.leave(c),
    "renew": lambda c, a: changes.install_license(c, renewal(c, a), frozenset()),
    "serve": lambda c, a: changes.register_service(
        c, service_id_of(a.dice), "backup", id_of(a.who), id_of(a.other)
    ),
    "unserve": lambda c, a: changes.remove_service(c, service_id_of(a.dice)),
    "refuse": _refuse,
    "trust": lambda _, a: [credential(a.dice)],
}
_WEIGHTS = {"admit": 9, "hear of": 12, "remove": 2, "rename": 2, "serve": 2}
_KINDS = [kind for kind in _ANSWERS for _ in range(_WEIGHTS.get(kind, 1)) if kind != "leave"]

BEGINNING = (
    created(at=ADDRESSES[0]),
    licensed(max_nodes=6),
    *(added(record_of(NAMES[number], at=ADDRESSES[number])) for number in (1, 2, 3)),
)


def _answer(cluster: Cluster, ask: Ask) -> Sequence[Event]:
    """Return what follows from an ask, nothing when it is refused."""
    try:
        return _ANSWERS[ask.what](cluster, ask)
    except MembershipError:
        return ()


def _asks(dice: bytes, *, leaves: bool) -> Sequence[Ask]:
    """Return what is asked, from three bytes an ask."""
    asked = [
        Ask(
            _KINDS[what % len(_KINDS)],
            NAMES[who % len(NAMES)],
            NAMES[who // len(NAMES) % len(NAMES)],
            how,
        )
        for what, who, how in zip(dice[::3], dice[1::3], dice[2::3], strict=True)
    ]
    return [*asked, Ask("leave", "local", "local", 0)] if leaves else asked


# Bytes, because drawing each ask from strategies of its own takes longer than all the rest.
asks: st.SearchStrategy[Sequence[Ask]] = st.builds(
    _asks,
    st.integers(0, 40).flatmap(lambda count: st.binary(min_size=3 * count, max_size=3 * count)),
    leaves=st.booleans(),
)
"""Up to forty things that are asked of an agent, and perhaps that it leave."""


def _log(asked: Sequence[Ask]) -> list[RecordedEvent]:
    cluster = Cluster()
    log = recorded(*BEGINNING)
    for event in log:
        cluster.apply(event)
    for ask in asked:
        new = recorded(*_answer(cluster, ask), after=log)
        log += new
        for event in new:
            cluster.apply(event)
    return log


logs: st.SearchStrategy[list[RecordedEvent]] = asks.map(_log)
"""Logs of agents with three peers, which were asked for things, and may have left."""
