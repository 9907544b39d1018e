"""Who may take a seat."""

from typing import Any

import pytest

from membership.domain.admission import (
    Admission,
    Candidate,
    admit,
    ensure_admissible,
    ensure_room,
    ensure_writable,
)
from membership.domain.changes import leave
from membership.domain.cluster import Cluster
from membership.domain.errors import (
    HandshakeFailed,
    LicenseExpired,
    LocalPeerDeactivated,
    NodeLimitExceeded,
    PeerAlreadyInCluster,
)
from membership.domain.events import Event, PeerAdded, PeerRemoved
from membership.domain.license import GRACE_DAYS, US_PER_DAY
from membership.domain.record import PeerRecord, Verdict, observe
from membership.domain.rfc3339 import rfc3339
from membership.domain.values import PeerId, UnixUs
from tests.domain.histories import (
    ANN,
    BOB,
    CAT,
    EVIDENCE,
    LOCAL,
    START_US,
    added,
    address_of,
    attested,
    cluster_of,
    created,
    given,
    id_of,
    key_of,
    left,
    record_of,
    refused,
    renamed,
)

OPERATOR, INBOUND, DISCOVERED = Admission
EXPIRES_US = UnixUs(START_US + 365 * US_PER_DAY)
READ_ONLY_US = UnixUs(EXPIRES_US + GRACE_DAYS * US_PER_DAY)
ANN_REMOVED = (added(ANN), PeerRemoved(peer_id=ANN.peer_id))
ANN_LEFT = (added(ANN), left(record_of("ann", 2, left=True)))


def _is_new(
    cluster: Cluster,
    record: PeerRecord,
    how: Admission = OPERATOR,
    *,
    invited: bool = False,
    reserved: tuple[PeerId, ...] = (),
) -> bool:
    candidate = Candidate(record=record, how=how, invited=invited)
    return ensure_admissible(cluster, candidate, reserved, START_US)


def _admit(
    cluster: Cluster, record: PeerRecord, how: Admission = OPERATOR, **options: Any
) -> list[Event]:
    defaults: dict[str, Any] = {
        "evidence": EVIDENCE,
        "label": "",
        "introduced_by": None,
        "reserved": (),
        "now_us": START_US,
    }
    return admit(cluster, Candidate(record=record, how=how), **defaults | options)


# May anything be changed at all?


def test_an_agent_that_left_changes_nothing() -> None:
    founded = given(added(ANN))
    cluster = given(added(ANN), *leave(founded))
    with refused(LocalPeerDeactivated, peer_id=LOCAL):
        ensure_writable(cluster, START_US)
    with refused(LocalPeerDeactivated, peer_id=LOCAL):
        ensure_room(cluster, None, (), START_US)
    with refused(LocalPeerDeactivated, peer_id=LOCAL):
        _is_new(cluster, BOB)


def test_a_licence_lets_changes_through_to_the_last_microsecond_of_its_grace() -> None:
    cluster = given()
    ensure_writable(cluster, UnixUs(READ_ONLY_US - 1))
    with refused(LicenseExpired, expired_at=rfc3339(EXPIRES_US), where="here"):
        ensure_writable(cluster, READ_ONLY_US)
    with refused(LicenseExpired, expired_at=rfc3339(EXPIRES_US), where="here"):
        ensure_room(cluster, None, (), READ_ONLY_US)


def test_before_the_first_licence_nothing_is_limited() -> None:
    cluster = cluster_of(created())
    ensure_writable(cluster, UnixUs(2**60))
    ensure_room(cluster, None, [id_of(name) for name in "abc"], START_US)
    assert _is_new(cluster, ANN)


# Who is it?


@pytest.mark.parametrize("how", Admission)
def test_a_stranger_takes_a_new_seat(how: Admission) -> None:
    assert _is_new(given(added(BOB)), ANN, how)


@pytest.mark.parametrize("how", Admission)
def test_an_agent_does_not_add_itself(how: Admission) -> None:
    elsewhere = record_of("local", 9, at="elsewhere.example:1")
    with refused(PeerAlreadyInCluster, peer_id=LOCAL, taken="identity"):
        _is_new(given(), elsewhere, how)


def test_an_operator_hears_that_a_peer_is_seated_already_under_whatever_address() -> None:
    for record in (ANN, record_of("ann", 2, at="elsewhere.example:1")):
        with refused(PeerAlreadyInCluster, peer_id=ANN.peer_id, taken="identity"):
            _is_new(given(added(ANN)), record, OPERATOR)


@pytest.mark.parametrize("how", [INBOUND, DISCOVERED])
def test_a_peer_at_the_door_again_keeps_the_seat_that_it_has(how: Admission) -> None:
    for cluster in (given(added(ANN)), given(added(ANN), max_nodes=2)):
        assert not _is_new(cluster, ANN, how)
        assert not _is_new(cluster, record_of("ann", 2, at=address_of("local")), how)


@pytest.mark.parametrize("how", Admission)
def test_a_known_identity_with_another_key_is_refused(how: Admission) -> None:
    impostor = record_of("ann", 9, key=key_of("eve"))
    for history in ([added(ANN)], ANN_REMOVED, ANN_LEFT):
        with refused(HandshakeFailed, reason="key_changed", peer_id=ANN.peer_id):
            _is_new(given(*history), impostor, how, invited=True)


@pytest.mark.parametrize("how", Admission)
def test_an_identity_that_left_never_comes_back(how: Admission) -> None:
    with refused(HandshakeFailed, reason="deactivated", peer_id=ANN.peer_id):
        _is_new(given(*ANN_LEFT), record_of("ann", 9), how, invited=True)


@pytest.mark.parametrize("how", [INBOUND, DISCOVERED])
def test_a_peer_that_was_removed_comes_back_by_invitation_alone(how: Admission) -> None:
    cluster = given(*ANN_REMOVED)
    with refused(HandshakeFailed, reason="removed", peer_id=ANN.peer_id):
        _is_new(cluster, ANN, how)
    assert _is_new(cluster, ANN, how, invited=True)
    assert _is_new(cluster, ANN, OPERATOR)


@pytest.mark.parametrize("how", Admission)
def test_a_key_or_an_address_has_one_seat(how: Admission) -> None:
    cluster = given(added(ANN))
    twin = record_of("bob", key=key_of("ann"))
    with refused(PeerAlreadyInCluster, peer_id=ANN.peer_id, taken="key"):
        _is_new(cluster, twin, how)
    with refused(PeerAlreadyInCluster, peer_id=ANN.peer_id, taken="address"):
        _is_new(cluster, record_of("bob", at=ANN.address), how)
    with refused(PeerAlreadyInCluster, peer_id=LOCAL, taken="address"):
        _is_new(cluster, record_of("bob", at=address_of("local")), how)
    with refused(PeerAlreadyInCluster, peer_id=ANN.peer_id, taken="key"):
        _is_new(cluster, record_of("bob", key=key_of("ann"), at=address_of("local")), how)


def test_the_seat_of_a_peer_that_is_gone_is_free() -> None:
    for history in (ANN_REMOVED, ANN_LEFT):
        cluster = given(*history)
        assert _is_new(cluster, record_of("bob", at=ANN.address))
        assert _is_new(cluster, record_of("bob", key=key_of("ann")))


def test_an_address_that_is_only_waited_for_is_taken_by_whoever_sits_there() -> None:
    cluster = given(added(ANN), added(BOB), attested(record_of("bob", 2, at=ANN.address)))
    with refused(PeerAlreadyInCluster, peer_id=ANN.peer_id, taken="address"):
        _is_new(cluster, record_of("cat", at=ANN.address))


# Is there room?


def test_only_active_peers_count_and_the_local_one_does() -> None:
    cluster = given(added(BOB), *ANN_REMOVED, max_nodes=2)
    with refused(NodeLimitExceeded, limit=2, where="here"):
        _is_new(cluster, CAT)
    cluster = given(added(BOB), *ANN_REMOVED, left(record_of("dan", left=True)), max_nodes=3)
    assert _is_new(cluster, CAT)


def test_a_licence_for_one_admits_nobody() -> None:
    with refused(NodeLimitExceeded, limit=1, where="here"):
        ensure_room(given(max_nodes=1), None, (), START_US)


def test_a_seat_that_is_kept_for_another_counts() -> None:
    cluster = given(added(BOB), max_nodes=3)
    assert _is_new(cluster, ANN, reserved=(ANN.peer_id,))
    with refused(NodeLimitExceeded, limit=3, where="here"):
        _is_new(cluster, ANN, reserved=(CAT.peer_id,))
    with refused(NodeLimitExceeded, limit=3, where="here"):
        ensure_room(cluster, None, (CAT.peer_id,), START_US)
    ensure_room(cluster, CAT.peer_id, (CAT.peer_id,), START_US)


def test_who_it_is_matters_before_there_is_room() -> None:
    full = given(*ANN_LEFT, max_nodes=1)
    with refused(HandshakeFailed, reason="deactivated", peer_id=ANN.peer_id):
        _is_new(full, ANN)


# Seated


def test_a_peer_is_seated_with_all_that_is_known_of_its_coming() -> None:
    record = record_of("ann", 7, called="Ann")
    assert _admit(given(added(BOB)), record, DISCOVERED, introduced_by=BOB.peer_id) == [
        PeerAdded(
            peer_id=ANN.peer_id,
            public_key=key_of("ann"),
            address=address_of("ann"),
            name="Ann",
            label="",
            subject_version=7,
            how="discovered",
            introduced_by=BOB.peer_id,
            record=record.signed,
            evidence=EVIDENCE,
        )
    ]


def test_a_label_that_is_its_own_name_is_none() -> None:
    record = record_of("ann", called="Ann")
    assert _admit(given(), record, label="Ann") == [added(record)]
    assert _admit(given(), record, label="Annie") == [added(record, label="Annie")]


def test_a_seated_peer_is_not_seated_again() -> None:
    assert _admit(given(added(ANN)), record_of("ann", 2), INBOUND) == []
    with refused(PeerAlreadyInCluster, peer_id=ANN.peer_id, taken="identity"):
        _admit(given(added(ANN)), ANN, OPERATOR)


def test_a_peer_that_was_removed_is_added_anew() -> None:
    cluster = given(*ANN_REMOVED)
    again = record_of("ann", 3, at="elsewhere.example:1", called="Ann")
    events = _admit(cluster, again, label="back")
    assert events == [added(again, label="back")]
    ann = given(*ANN_REMOVED, *events).peers[ANN.peer_id]
    assert (ann.version, ann.subject_version, ann.name) == (3, 3, "back")
    assert ann.created_at_us > given(*ANN_REMOVED).peers[ANN.peer_id].created_at_us


def test_an_old_backup_at_the_door_is_no_proof_of_a_lie() -> None:
    """
    A peer that was restored from a backup is added again with an older record than is known.

    Its newest record, which others pass on, then had the version that was kept and other bytes
    than the older record that was kept beside it: evidence of a lie that nobody told.
    """
    newest = record_of("ann", 5, called="Ann")
    known = (added(ANN), renamed(newest), PeerRemoved(peer_id=ANN.peer_id))
    events = _admit(given(*known), record_of("ann", 2, at="restored.example:1"))
    [event] = events
    assert isinstance(event, PeerAdded)
    assert (event.subject_version, event.record) == (5, newest.signed)
    assert (event.address, event.name) == ("restored.example:1", "")
    assert observe(given(*known, *events), newest).verdict is Verdict.DUPLICATE


def test_a_peer_that_once_lied_is_known_for_it_when_it_comes_back() -> None:
    lie = observe(given(added(ANN)), record_of("ann", twin="other")).events
    removed = (added(ANN), *lie, PeerRemoved(peer_id=ANN.peer_id))
    cluster = given(*removed, *_admit(given(*removed), record_of("ann", 2)))
    assert cluster.peers[ANN.peer_id].equivocated
