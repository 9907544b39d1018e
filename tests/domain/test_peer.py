"""One peer, folded from its events; see also the effects that the rules' own tests look at."""

import pytest

from membership.domain.events import (
    Event,
    PeerAttested,
    PeerEquivocated,
    PeerReaddressed,
    PeerRemoved,
    PeerRenamed,
    PeerResumed,
)
from membership.domain.peer import Peer, PeerStatus, evolve_peer
from membership.domain.values import UnixUs
from tests.domain.histories import (
    ANN,
    LOCAL,
    added,
    address_of,
    attested,
    created,
    key_of,
    left,
    moved,
    record_of,
    recorded,
    recorded_at,
    renamed,
    serving,
)

FAREWELL = record_of("ann", 3, at="last.example:1", called="Ann, finally", left=True)


def _peer(*events: Event) -> Peer:
    peer = None
    for event in recorded(*events):
        peer = evolve_peer(peer, event)
    assert peer is not None
    return peer


def test_the_local_peer_comes_into_being() -> None:
    assert _peer(created(called="here")) == Peer(
        peer_id=LOCAL,
        public_key=key_of("local"),
        address=address_of("local"),
        own_name="here",
        label="",
        is_local=True,
        created_at_us=recorded_at(1),
        changed_at_us=recorded_at(1),
        version=1,
        subject_version=1,
        record=b"",
        claimed_address=address_of("local"),
        status=PeerStatus.ACTIVE,
        ended_at_us=UnixUs(0),
        equivocated=False,
    )


def test_a_remote_peer_is_added() -> None:
    record = record_of("ann", 5, called="Ann")
    assert _peer(added(record, label="cellar")) == Peer(
        peer_id=ANN.peer_id,
        public_key=key_of("ann"),
        address=address_of("ann"),
        own_name="Ann",
        label="cellar",
        is_local=False,
        created_at_us=recorded_at(1),
        changed_at_us=recorded_at(1),
        version=1,
        subject_version=5,
        record=record.signed,
        claimed_address=address_of("ann"),
        status=PeerStatus.ACTIVE,
        ended_at_us=UnixUs(0),
        equivocated=False,
    )


def test_a_peer_that_leaves_keeps_its_label_and_its_beginning() -> None:
    ann = _peer(added(ANN, label="cellar"), left(FAREWELL))
    assert (ann.status, ann.is_active) == (PeerStatus.LEFT, False)
    assert (ann.name, ann.own_name, ann.address) == ("cellar", "Ann, finally", "last.example:1")
    assert (ann.version, ann.subject_version, ann.record) == (2, 3, FAREWELL.signed)
    assert (ann.created_at_us, ann.changed_at_us, ann.ended_at_us) == (
        recorded_at(1),
        recorded_at(2),
        recorded_at(2),
    )


def test_a_peer_that_was_never_here_can_only_have_left() -> None:
    ann = _peer(left(FAREWELL))
    assert (ann.status, ann.is_local, ann.label) == (PeerStatus.LEFT, False, "")
    assert (ann.created_at_us, ann.ended_at_us) == (recorded_at(1), recorded_at(1))


def test_a_peer_that_is_added_again_begins_anew() -> None:
    again = record_of("ann", 4)
    ann = _peer(added(ANN, label="cellar"), PeerRemoved(peer_id=ANN.peer_id), added(again))
    assert (ann.status, ann.label, ann.ended_at_us) == (PeerStatus.ACTIVE, "", 0)
    assert (ann.created_at_us, ann.version, ann.subject_version) == (recorded_at(3), 3, 4)


@pytest.mark.parametrize("end", [left(FAREWELL), added(record_of("ann", 2))])
def test_a_lie_is_never_forgotten(end: Event) -> None:
    lie = PeerEquivocated(
        peer_id=ANN.peer_id, subject_version=1, known_record=b"one", other_record=b"other"
    )
    assert not _peer(added(ANN)).equivocated
    assert _peer(added(ANN), lie).equivocated
    assert _peer(added(ANN), lie, PeerRemoved(peer_id=ANN.peer_id), end).equivocated


@pytest.mark.parametrize(
    "event",
    [
        PeerRenamed(peer_id=ANN.peer_id, before="", after="label"),
        renamed(record_of("ann", 2, called="Ann")),
        moved(record_of("ann", 2, at="else.example:1"), before=ANN.address),
        attested(record_of("ann", 2)),
        PeerRemoved(peer_id=ANN.peer_id),
        PeerEquivocated(peer_id=ANN.peer_id, subject_version=1, known_record=b"", other_record=b""),
    ],
    ids=lambda event: event.stored_as,
)
def test_every_event_is_a_change_at_its_time(event: Event) -> None:
    before, after = _peer(added(ANN)), _peer(added(ANN), event)
    assert (after.version, after.changed_at_us) == (2, recorded_at(2))
    assert after.created_at_us == before.created_at_us
    with pytest.raises(ValueError, match=f"position 1: the stream begins with {event.stored_as}"):
        _peer(event)


@pytest.mark.parametrize(
    "event",
    [
        PeerRenamed(peer_id=LOCAL, before="", after="here"),
        PeerReaddressed(peer_id=LOCAL, before=address_of("local"), after=address_of("elsewhere")),
        PeerAttested(
            peer_id=LOCAL, claimed_address=address_of("ann"), subject_version=2, record=b""
        ),
    ],
    ids=lambda event: event.stored_as,
)
def test_the_local_peers_own_version_is_that_of_its_stream(event: Event) -> None:
    local = _peer(created(), event, event)
    assert (local.version, local.subject_version, local.record) == (3, 3, b"")


def test_a_local_peer_that_resumes_counts_on_above_what_it_lost() -> None:
    resumed = PeerResumed(peer_id=LOCAL, lost_version=7, record=b"from another life")
    local = _peer(created(called="here"), resumed)
    assert (local.version, local.subject_version, local.record) == (2, 8, b"")
    assert (local.own_name, local.changed_at_us) == ("here", recorded_at(2))
    renaming = PeerRenamed(peer_id=LOCAL, before="here", after="there")
    assert _peer(created(), resumed, renaming).subject_version == 9


def test_an_older_record_never_replaces_a_newer_one() -> None:
    newer, older = record_of("ann", 5), record_of("ann", 4, at="else.example:1")
    ann = _peer(added(ANN), attested(newer), moved(older, before=ANN.address))
    assert (ann.subject_version, ann.record, ann.address) == (5, newer.signed, "else.example:1")


def test_an_event_of_another_kind_is_no_event_of_a_peer() -> None:
    with pytest.raises(ValueError, match=r"position 2: .* is no event of a peer"):
        _peer(added(ANN), serving(1, "local", "ann"))
