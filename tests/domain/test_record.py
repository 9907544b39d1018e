"""What an agent makes of a record: every verdict, and what follows from it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from membership.domain.changes import leave
from membership.domain.cluster import Cluster
from membership.domain.events import (
    Event,
    PeerAttested,
    PeerEquivocated,
    PeerRemoved,
    PeerRenamed,
    PeerResumed,
)
from membership.domain.peer import PeerStatus
from membership.domain.record import MAX_STRANGERS, Observation, PeerRecord, Verdict, observe
from membership.domain.values import ClusterId
from tests.domain.histories import (
    ANN,
    LOCAL,
    added,
    attested,
    cluster_of,
    created,
    given,
    key_of,
    left,
    licensed,
    moved,
    record_of,
    recorded,
    recorded_at,
    renamed,
)

ELSEWHERE = "elsewhere.example:1"
FAREWELL = record_of("ann", 2, left=True)
REMOVAL = PeerRemoved(peer_id=ANN.peer_id)


def _evidence(known: PeerRecord, other: PeerRecord) -> PeerEquivocated:
    return PeerEquivocated(
        peer_id=other.peer_id,
        subject_version=other.subject_version,
        known_record=known.signed,
        other_record=other.signed,
    )


def _nothing(verdict: Verdict) -> Observation:
    return Observation(verdict, ())


# Whose record is it?


def test_a_record_of_another_cluster_is_none_of_ours() -> None:
    theirs = record_of("ann", 2, cluster_id=ClusterId(b"some other one.."))
    assert observe(given(added(ANN)), theirs) == _nothing(Verdict.OTHER_CLUSTER)
    assert observe(cluster_of(created()), ANN) == _nothing(Verdict.OTHER_CLUSTER)


def test_an_unknown_active_peer_is_an_introduction() -> None:
    assert observe(given(), record_of("ann", 9)) == _nothing(Verdict.UNKNOWN_PEER)


def test_a_tombstone_of_an_unknown_peer_is_kept() -> None:
    assert observe(given(), FAREWELL) == Observation(Verdict.APPLIED, [left(FAREWELL)])
    ann = given(left(FAREWELL)).peers[ANN.peer_id]
    assert (ann.status, ann.record, ann.version) == (PeerStatus.LEFT, FAREWELL.signed, 1)
    assert (ann.created_at_us, ann.ended_at_us) == (ann.changed_at_us, ann.changed_at_us)


def test_tombstones_of_strangers_do_not_grow_without_end() -> None:
    cluster = given(added(ANN), *(left(record_of(f"{n}", left=True)) for n in range(MAX_STRANGERS)))
    one_more = record_of("one more", left=True)
    assert observe(cluster, one_more) == _nothing(Verdict.UNKNOWN_PEER)
    assert observe(cluster, FAREWELL).verdict is Verdict.APPLIED, "Ann is no stranger"


@pytest.mark.parametrize("is_farewell", [False, True])
def test_a_record_under_another_key_changes_nothing(is_farewell: bool) -> None:
    forged = record_of("ann", 9, key=key_of("eve"), left=is_farewell)
    for history in ([added(ANN)], [added(ANN), REMOVAL], [added(ANN), left(FAREWELL)]):
        assert observe(given(*history), forged) == _nothing(Verdict.KEY_CHANGED)
    own = record_of("local", 9, key=key_of("eve"), left=is_farewell)
    assert observe(given(), own) == _nothing(Verdict.KEY_CHANGED)


# One's own


def _own(version: int = 1, position: int = 1, **said: Any) -> PeerRecord:
    """Return the local peer's record, as it derives it from its event at *position*."""
    return replace(record_of("local", version, **said), issued_at_us=recorded_at(position))


def _resumed(record: PeerRecord) -> PeerResumed:
    return PeerResumed(peer_id=LOCAL, lost_version=record.subject_version, record=record.signed)


def test_a_record_of_its_own_that_an_agent_knows_of_is_nothing_new() -> None:
    named = given(PeerRenamed(peer_id=LOCAL, before="", after="cellar"))
    newest = _own(2, 3, called="cellar")
    for cluster, record in ((given(), _own()), (named, newest), (named, _own(1, at=ELSEWHERE))):
        assert observe(cluster, record) == _nothing(Verdict.DUPLICATE)


@pytest.mark.parametrize(
    "record",
    [
        _own(2),
        _own(9, called="in another life"),
        _own(1, at=ELSEWHERE),
        _own(1, called="twin"),
        _own(1, position=2),
    ],
    ids=["newer", "much newer", "elsewhere", "otherwise called", "at another time"],
)
def test_an_agent_goes_on_above_a_record_of_its_own_that_it_does_not_know(
    record: PeerRecord,
) -> None:
    expected = Observation(Verdict.IDENTITY_CONFLICT, [_resumed(record)])
    assert observe(given(), record) == expected
    cluster = given(_resumed(record))
    assert cluster.local.subject_version == record.subject_version + 1
    assert cluster.local.own_name == "", "what its own log says stays"
    assert observe(cluster, record) == _nothing(Verdict.DUPLICATE)


def test_an_agent_that_waits_for_its_address_knows_the_record_that_says_so() -> None:
    """It signs where it is, not where its seat is; taking that for a twin's, it would go on so."""
    waiting = PeerAttested(
        peer_id=LOCAL, claimed_address=ANN.address, subject_version=2, record=b""
    )
    cluster = given(added(ANN), waiting)
    assert observe(cluster, _own(2, 4, at=ANN.address)) == _nothing(Verdict.DUPLICATE)
    twin = _own(2, 4)
    assert observe(cluster, twin) == Observation(Verdict.IDENTITY_CONFLICT, [_resumed(twin)])


def test_an_agent_that_left_does_not_go_on() -> None:
    gone = given(*leave(given()))
    assert observe(gone, _own(9)) == _nothing(Verdict.DUPLICATE)


@pytest.mark.parametrize("version", [1, 2, 9])
def test_an_agent_that_forgot_having_left_takes_its_farewell_back(version: int) -> None:
    farewell = record_of("local", version, left=True)
    assert observe(given(), farewell) == Observation(Verdict.APPLIED, [left(farewell)])
    local = given(left(farewell)).local
    assert (local.status, local.is_local, local.record) == (PeerStatus.LEFT, True, farewell.signed)
    assert (local.version, local.subject_version) == (2, version)


def test_a_farewell_of_its_own_is_taken_back_once() -> None:
    gone = given(*leave(given()))
    assert observe(gone, record_of("local", 9, left=True)) == _nothing(Verdict.DUPLICATE)


# A peer's newer record


@pytest.mark.parametrize("version", [2, 3, 2**53])
def test_a_newer_record_is_kept_even_if_it_changes_nothing_else(version: int) -> None:
    newer = record_of("ann", version)
    assert observe(given(added(ANN)), newer) == Observation(Verdict.APPLIED, [attested(newer)])
    ann = given(added(ANN), attested(newer)).peers[ANN.peer_id]
    assert (ann.subject_version, ann.record, ann.version) == (version, newer.signed, 2)


def test_a_new_name_and_a_new_address_are_taken_over() -> None:
    named = record_of("ann", 2, called="Ann")
    away = record_of("ann", 2, at=ELSEWHERE)
    both = record_of("ann", 2, at=ELSEWHERE, called="Ann")
    cases: list[tuple[PeerRecord, list[Event]]] = [
        (named, [renamed(named)]),
        (away, [moved(away, before=ANN.address)]),
        (both, [renamed(both), moved(both, before=ANN.address)]),
    ]
    for record, events in cases:
        assert observe(given(added(ANN)), record) == Observation(Verdict.APPLIED, events)
        ann = given(added(ANN), *events).peers[ANN.peer_id]
        assert (ann.own_name, ann.address) == (record.name, record.address)
        assert (ann.subject_version, ann.record) == (2, record.signed)


def test_a_label_wins_here_over_the_peers_own_name() -> None:
    named = record_of("ann", 2, called="Ann")
    ann = given(added(ANN, label="cellar"), renamed(named)).peers[ANN.peer_id]
    assert (ann.name, ann.own_name) == ("cellar", "Ann")


def test_the_same_record_again_changes_nothing() -> None:
    assert observe(given(added(ANN)), ANN) == _nothing(Verdict.DUPLICATE)
    assert observe(given(added(ANN), REMOVAL), ANN) == _nothing(Verdict.DUPLICATE)
    assert observe(given(added(ANN), left(FAREWELL)), FAREWELL) == _nothing(Verdict.DUPLICATE)


def test_an_older_record_changes_nothing() -> None:
    cluster = given(added(ANN), attested(record_of("ann", 7)))
    for version in (1, 6):
        late = record_of("ann", version, called="late")
        assert observe(cluster, late) == _nothing(Verdict.STALE)


def test_a_label_never_makes_a_record_look_old() -> None:
    """The version of a peer's stream here, which a label raises, is not its own version."""
    labels = [
        PeerRenamed(peer_id=ANN.peer_id, before=f"{n}", after=f"{n + 1}", subject_version=0)
        for n in range(5)
    ]
    cluster = given(added(ANN), *labels)
    assert cluster.peers[ANN.peer_id].version == 6
    newer = record_of("ann", 2, called="Ann")
    assert observe(cluster, newer) == Observation(Verdict.APPLIED, [renamed(newer)])
    assert observe(cluster, FAREWELL) == Observation(Verdict.APPLIED, [left(FAREWELL)])


# Removed here


@pytest.mark.parametrize("version", [1, 2, 9])
def test_a_peer_that_was_removed_here_changes_nothing_by_speaking(version: int) -> None:
    cluster = given(added(ANN), attested(record_of("ann", 2)), REMOVAL)
    speaking = record_of("ann", version, called="me again")
    assert observe(cluster, speaking) == _nothing(Verdict.REMOVED_HERE)


def test_a_peer_that_was_removed_here_can_still_leave() -> None:
    cluster = given(added(ANN), REMOVAL)
    assert observe(cluster, FAREWELL) == Observation(Verdict.APPLIED, [left(FAREWELL)])
    assert given(added(ANN), REMOVAL, left(FAREWELL)).peers[ANN.peer_id].status is PeerStatus.LEFT


# Left for good


@pytest.mark.parametrize("version", [1, 5, 6, 9])
def test_leaving_wins_at_any_version(version: int) -> None:
    cluster = given(added(ANN), attested(record_of("ann", 5)))
    farewell = record_of("ann", version, left=True)
    observation = observe(cluster, farewell)
    assert observation.verdict is Verdict.APPLIED
    assert observation.events[-1] == left(farewell)


@pytest.mark.parametrize("is_farewell", [False, True])
def test_nothing_brings_back_who_left(is_farewell: bool) -> None:
    cluster = given(added(ANN), left(FAREWELL))
    for version in (1, 2, 9):
        late = record_of("ann", version, left=is_farewell, twin="other")
        assert observe(cluster, late) == _nothing(Verdict.STALE)


# Two records of one version


def test_two_records_of_one_version_are_kept_as_evidence() -> None:
    other = record_of("ann", called="somebody else")
    evidence = _evidence(ANN, other)
    assert observe(given(added(ANN)), other) == Observation(Verdict.EQUIVOCATION, [evidence])
    ann = given(added(ANN), evidence).peers[ANN.peer_id]
    assert ann.equivocated
    assert (ann.own_name, ann.record, ann.subject_version) == ("", ANN.signed, 1)


def test_a_liar_does_not_get_to_fill_the_log() -> None:
    first, second = record_of("ann", twin="first"), record_of("ann", twin="second")
    cluster = given(added(ANN), _evidence(ANN, first))
    assert observe(cluster, second) == Observation(Verdict.EQUIVOCATION, [])
    farewell = record_of("ann", 1, left=True)
    assert observe(cluster, farewell) == Observation(Verdict.APPLIED, [left(farewell)])
    newer = record_of("ann", 2)
    assert observe(cluster, newer) == Observation(Verdict.APPLIED, [attested(newer)])


def test_a_farewell_that_contradicts_is_evidence_and_a_farewell() -> None:
    farewell = record_of("ann", 1, left=True)
    expected = Observation(Verdict.APPLIED, [_evidence(ANN, farewell), left(farewell)])
    assert observe(given(added(ANN)), farewell) == expected
    assert observe(given(added(ANN), REMOVAL), farewell) == expected
    cluster = given(added(ANN), *expected.events)
    assert cluster.peers[ANN.peer_id].equivocated
    assert not cluster.is_active(ANN.peer_id)


# In any order


_RECORDS = [
    record_of("ann", version, called=f"name {version}", at=f"host-{version}.example:1")
    for version in range(2, 6)
]


def _heard(records: Sequence[PeerRecord]) -> Cluster:
    log = recorded(created(), licensed(), added(ANN))
    cluster = cluster_of(*(r.event for r in log))
    for record in records:
        new = recorded(*observe(cluster, record).events, after=log)
        log += new
        for event in new:
            cluster.apply(event)
    return cluster


@for_all(st.permutations([*_RECORDS, *_RECORDS[:2]]))
def test_the_highest_version_wins_in_any_order_and_however_often(
    records: Sequence[PeerRecord],
) -> None:
    ann = _heard(records).peers[ANN.peer_id]
    newest = _RECORDS[-1]
    assert (ann.own_name, ann.address, ann.subject_version, ann.record) == (
        newest.name,
        newest.address,
        newest.subject_version,
        newest.signed,
    )


@for_all(st.permutations([*_RECORDS, FAREWELL]))
def test_leaving_wins_in_any_order(records: Sequence[PeerRecord]) -> None:
    cluster = _heard(records)
    assert not cluster.is_active(ANN.peer_id)
    assert cluster.peers[ANN.peer_id].record == FAREWELL.signed
    assert cluster.seat_by_address.keys().isdisjoint(record.address for record in _RECORDS)
