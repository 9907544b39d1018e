"""The peers: encoded once a change, in order, found by what makes them unique."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membership.domain.events import (
    Event,
    PeerAttested,
    PeerDeactivated,
    PeerRemoved,
    PeerRenamed,
    PeerResumed,
)
from membership.domain.peer import PeerStatus
from membership.domain.values import PeerId, UnixUs
from projections.peers import PeersView
from tests.domain.histories import (
    ANN,
    BOB,
    CAT,
    LOCAL,
    added,
    address_of,
    attested,
    created,
    credential,
    id_of,
    key_of,
    left,
    licensed,
    metadata_of,
    moved,
    record_of,
    recorded,
    recorded_at,
    renamed,
    serving,
)
from tests.projections.watched import body_of, founded

GONE = PeerRemoved(peer_id=ANN.peer_id)
FAREWELL = left(record_of("ann", 2, left=True))


# Encoded once a change


@pytest.mark.parametrize(
    ("event", "encoded"),
    [
        (added(CAT), ["cat"]),
        (PeerRenamed(peer_id=ANN.peer_id, before="", after="cellar"), ["cellar"]),
        (renamed(record_of("ann", 2, called="Ann")), ["Ann"]),
        (moved(record_of("ann", 2, at="attic.example:1"), before=ANN.address), ["attic"]),
        (attested(record_of("ann", 2)), ["ann"]),
        (GONE, []),
        (FAREWELL, []),
        (left(record_of("dan", 2, left=True)), []),
        (serving(1, "ann", "bob"), []),
        (credential(), []),
        (licensed(revision=2), []),
    ],
    ids=lambda value: getattr(value, "stored_as", ""),
)
def test_a_peer_is_encoded_when_it_changes_and_at_no_other_time(
    event: Event, encoded: list[str]
) -> None:
    watched = founded(added(ANN), added(BOB))
    view = watched.views.peers
    watched.encoded.clear()
    watched.happen(event)
    assert watched.encoded == encoded
    for is_local in (None, True, False):
        view.list_body(is_local=is_local)
    for peer in view.active():
        assert view.body(peer) == body_of(peer)
    list(view.page(None, 10))
    assert watched.encoded == encoded, "reading encodes nothing"


def test_a_thousand_peers_are_encoded_a_thousand_times() -> None:
    watched = founded(*(added(record_of(f"{number}")) for number in range(1_000)))
    assert len(watched.encoded) == 1_001
    for _ in range(10):
        watched.views.peers.list_body()
    watched.happen(PeerRenamed(peer_id=LOCAL, before="", after="here"))
    watched.views.peers.list_body()
    assert len(watched.encoded) == 1_002


def test_a_list_is_put_together_once_until_the_next_change() -> None:
    watched = founded(added(ANN))
    view = watched.views.peers
    for is_local in (None, True, False):
        assert view.list_body(is_local=is_local) is view.list_body(is_local=is_local)
    before = view.list_body()
    watched.happen(credential())
    assert view.list_body() is before, "nothing happened to a peer"
    watched.happen(PeerRenamed(peer_id=ANN.peer_id, before="", after="cellar"))
    assert b"cellar" in view.list_body()
    assert b"cellar" in view.list_body(is_local=False)
    assert b"cellar" not in view.list_body(is_local=True)


def test_a_list_is_named_after_the_last_change_of_a_peer() -> None:
    watched = founded()
    view = watched.views.peers
    assert view.changed_by == metadata_of(1).event_id
    watched.happen(added(ANN))
    assert view.changed_by == metadata_of(3).event_id
    watched.happen(credential(), serving(1, "local", "ann"))
    assert view.changed_by == metadata_of(3).event_id
    watched.happen(GONE)
    assert view.changed_by == metadata_of(6).event_id


# Lists


def _bodies(view: PeersView, *ids: PeerId) -> bytes:
    peers = [view.get(peer_id) for peer_id in ids]
    return b"[" + b",".join(body_of(peer) for peer in peers if peer is not None) + b"]"


def test_a_list_holds_the_active_peers_or_one_side_of_them() -> None:
    view = founded(added(ANN), added(BOB)).views.peers
    assert view.list_body() == _bodies(view, LOCAL, ANN.peer_id, BOB.peer_id)
    assert view.list_body(is_local=True) == _bodies(view, LOCAL)
    assert view.list_body(is_local=False) == _bodies(view, ANN.peer_id, BOB.peer_id)


def test_who_is_gone_is_in_no_list() -> None:
    for event in (GONE, FAREWELL):
        view = founded(added(ANN), added(BOB), event).views.peers
        assert view.list_body() == _bodies(view, LOCAL, BOB.peer_id)
        assert [peer.peer_id for peer in view.active()] == [LOCAL, BOB.peer_id]
        assert len(view) == 2
        assert [peer.peer_id for peer in view.everyone()] == [LOCAL, ANN.peer_id, BOB.peer_id]
        ann = view.get(ANN.peer_id)
        assert ann is not None
        with pytest.raises(KeyError):
            view.body(ann)


def test_an_agent_that_left_lists_the_others() -> None:
    farewell = PeerDeactivated(
        peer_id=LOCAL,
        public_key=key_of("local"),
        address=address_of("local"),
        name="",
        subject_version=2,
        record=b"",
    )
    view = founded(added(ANN), farewell).views.peers
    assert view.list_body() == view.list_body(is_local=False) == _bodies(view, ANN.peer_id)
    assert view.list_body(is_local=True) == b"[]"
    assert view.local.status is PeerStatus.LEFT


def test_before_the_local_peer_there_is_no_local_side() -> None:
    view = PeersView(body_of)
    assert view.list_body(is_local=True) == b"[]"
    [early] = recorded(added(ANN))
    view.apply(early)
    assert view.list_body(is_local=True) == b"[]"
    assert view.list_body(is_local=False) == view.list_body() == _bodies(view, ANN.peer_id)


# Order and pages


def test_a_peer_that_is_added_again_comes_last() -> None:
    view = founded(added(ANN), added(BOB), GONE, added(record_of("ann", 2))).views.peers
    assert [peer.peer_id for peer in view.active()] == [LOCAL, BOB.peer_id, ANN.peer_id]


def test_a_change_moves_nobody() -> None:
    events = [
        PeerRenamed(peer_id=ANN.peer_id, before="", after="zzz"),
        moved(record_of("ann", 2, at="zzz.example:1"), before=ANN.address),
    ]
    view = founded(added(ANN), added(BOB), *events).views.peers
    assert [peer.peer_id for peer in view.active()] == [LOCAL, ANN.peer_id, BOB.peer_id]


def _crowd(moments: list[int]) -> PeersView:
    """Return a view of peers that were added in these moments, which may be the same."""
    view = PeersView(body_of)
    events = recorded(created(), *(added(record_of(f"{n}")) for n in range(len(moments))))
    for event, at_us in zip(events, [0, *moments], strict=True):
        metadata = metadata_of(event.position, recorded_at_us=UnixUs(at_us))
        view.apply(replace(event, metadata=metadata))
    return view


@given(st.lists(st.integers(0, 3), max_size=12), st.integers(1, 5))
def test_pages_put_together_are_all_peers_in_order(moments: list[int], limit: int) -> None:
    view = _crowd(moments)
    everyone = list(view.active())
    assert everyone == sorted(everyone, key=lambda peer: (peer.created_at_us, peer.peer_id))
    assert everyone == list(view.everyone())
    paged, page = [], list(view.page(None, limit))
    while page:
        assert len(page) <= limit
        paged += page
        page = list(view.page(page[-1], limit))
    assert paged == everyone


@given(st.lists(st.integers(0, 2), min_size=1, max_size=8), st.data())
def test_a_page_may_begin_behind_a_peer_that_is_gone(
    moments: list[int], data: st.DataObject
) -> None:
    view = _crowd(moments)
    before = list(view.active())
    last = data.draw(st.sampled_from([peer for peer in before if not peer.is_local]))
    [removal] = recorded(PeerRemoved(peer_id=last.peer_id))
    view.apply(removal)
    gone = view.get(last.peer_id)
    assert list(view.page(gone, 100)) == before[before.index(last) + 1 :]


# Found


def test_an_active_peer_is_found_by_its_address_and_by_its_key() -> None:
    view = founded(added(ANN)).views.peers
    ann = view.get(ANN.peer_id)
    assert ann is not None
    assert view.at_address(ANN.address) == view.with_key(ANN.public_key) == ann
    assert view.at_address(BOB.address) is view.with_key(BOB.public_key) is None
    assert view.get(id_of("nobody")) is None


def test_who_is_gone_is_found_by_its_id_alone() -> None:
    for event in (GONE, FAREWELL):
        view = founded(added(ANN), event).views.peers
        assert view.at_address(ANN.address) is view.with_key(ANN.public_key) is None
        assert view.get(ANN.peer_id) is not None


def test_the_heir_of_an_address_or_key_is_found_in_its_place() -> None:
    heir = record_of("bob", at=ANN.address, key=key_of("ann"))
    view = founded(added(ANN), GONE, added(heir)).views.peers
    bob = view.get(BOB.peer_id)
    assert view.at_address(ANN.address) == view.with_key(ANN.public_key) == bob


def test_peers_that_swap_are_both_found_and_never_the_wrong_one() -> None:
    anns, bobs = record_of("ann", 2, at=BOB.address), record_of("bob", 2, at=ANN.address)
    watched = founded(added(ANN), added(BOB), attested(anns))
    view = watched.views.peers
    watched.happen(moved(bobs, before=BOB.address), moved(anns, before=ANN.address))
    assert view.at_address(ANN.address) == view.get(BOB.peer_id)
    assert view.at_address(BOB.address) == view.get(ANN.peer_id)


def test_an_address_that_is_only_claimed_finds_whoever_sits_there() -> None:
    claim = attested(record_of("bob", 2, at=ANN.address))
    local = PeerAttested(peer_id=LOCAL, claimed_address=ANN.address, subject_version=2, record=b"")
    view = founded(added(ANN), added(BOB), claim, local).views.peers
    assert view.at_address(ANN.address) == view.get(ANN.peer_id)
    assert view.local.claimed_address == ANN.address


# The local peer's own changes


def test_the_local_peers_changes_are_dated_by_its_own_versions() -> None:
    renaming = PeerRenamed(peer_id=LOCAL, before="", after="here")
    resumed = PeerResumed(peer_id=LOCAL, lost_version=7, record=b"from another life")
    view = founded(added(ANN), renaming, renamed(record_of("ann", 2)), resumed).views.peers
    # Its first version is at position 1, its second at 4, and its eighth at 6.
    expected = {0: 1, 1: 4, 2: 6, 7: 6, 8: 6, 99: 6}
    assert {above: view.local_changed_at_us(above) for above in expected} == {
        above: recorded_at(position) for above, position in expected.items()
    }
