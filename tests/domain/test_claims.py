"""Addresses that are taken: who waits, who moves in, and who swaps with whom."""

import pytest

from membership.domain.changes import leave, readdress, remove
from membership.domain.events import (
    Event,
    PeerAttested,
    PeerDeactivated,
    PeerReaddressed,
    PeerRemoved,
)
from membership.domain.record import Verdict, observe
from membership.domain.values import Address
from tests.domain.histories import (
    ANN,
    BOB,
    CAT,
    LOCAL,
    added,
    address_of,
    attested,
    given,
    id_of,
    key_of,
    left,
    moved,
    record_of,
    renamed,
)

ANNS, BOBS, CATS, LOCALS = map(address_of, ("ann", "bob", "cat", "local"))
FREE = Address("free.example:8080")
EVERYBODY = (added(ANN), added(BOB), added(CAT))


def _local_moved(before: Address, after: Address) -> PeerReaddressed:
    return PeerReaddressed(peer_id=LOCAL, before=before, after=after)


def _local_waits(address: Address, version: int) -> PeerAttested:
    return PeerAttested(peer_id=LOCAL, claimed_address=address, subject_version=version, record=b"")


# Waiting


def test_an_address_that_is_taken_is_waited_for() -> None:
    claim = record_of("bob", 2, at=ANNS)
    cluster = given(*EVERYBODY)
    assert observe(cluster, claim).events == [attested(claim)]
    cluster = given(*EVERYBODY, attested(claim))
    assert cluster.peers[BOB.peer_id].address == BOBS
    assert cluster.peers[BOB.peer_id].claimed_address == ANNS
    assert cluster.claims == {ANNS: (BOB.peer_id,)}


def test_a_new_name_of_whoever_waits_is_taken_at_once() -> None:
    claim = record_of("bob", 2, at=ANNS, called="Robert")
    assert observe(given(*EVERYBODY), claim).events == [renamed(claim), attested(claim)]


def test_whoever_waits_may_say_so_again() -> None:
    claim, again = record_of("bob", 2, at=ANNS), record_of("bob", 3, at=ANNS)
    renaming = record_of("bob", 3, at=ANNS, called="Robert")
    cluster = given(*EVERYBODY, attested(claim))
    assert observe(cluster, again).events == [attested(again)]
    assert observe(cluster, renaming).events == [renamed(renaming)]


@pytest.mark.parametrize("address", [BOBS, CATS, FREE])
def test_whoever_waits_may_think_better_of_it(address: Address) -> None:
    waiting = given(*EVERYBODY, attested(record_of("bob", 2, at=ANNS)))
    change = record_of("bob", 3, at=address)
    expected: list[Event] = [moved(change, before=BOBS) if address == FREE else attested(change)]
    assert observe(waiting, change).events == expected
    after = given(*EVERYBODY, attested(record_of("bob", 2, at=ANNS)), *expected)
    assert after.claims == ({CATS: (BOB.peer_id,)} if address == CATS else {})


# A seat becomes free


def test_whoever_waits_moves_in_when_the_seat_is_free() -> None:
    claim = record_of("bob", 2, at=ANNS)
    waiting = given(*EVERYBODY, attested(claim))
    grant = moved(claim, before=BOBS)
    farewell, elsewhere = record_of("ann", 2, left=True), record_of("ann", 2, at=FREE)
    assert remove(waiting, ANN.peer_id, None) == [PeerRemoved(peer_id=ANN.peer_id), grant]
    assert observe(waiting, farewell).events == [left(farewell), grant]
    assert observe(waiting, elsewhere).events == [moved(elsewhere, before=ANNS), grant]


def test_a_peer_that_was_removed_before_frees_no_seat_by_leaving() -> None:
    claim, farewell = record_of("bob", 2, at=ANNS), record_of("ann", 2, left=True)
    removed = (PeerRemoved(peer_id=ANN.peer_id), moved(claim, before=BOBS))
    cluster = given(*EVERYBODY, attested(claim), *removed)
    assert observe(cluster, farewell).events == [left(farewell)]


def test_a_granted_claim_leaves_version_and_record_as_they_are() -> None:
    claim = record_of("bob", 2, at=ANNS)
    removal = PeerRemoved(peer_id=ANN.peer_id)
    cluster = given(*EVERYBODY, attested(claim), removal, moved(claim, before=BOBS))
    bob = cluster.peers[BOB.peer_id]
    assert (bob.address, bob.claimed_address) == (ANNS, ANNS)
    assert (bob.subject_version, bob.record, bob.version) == (2, claim.signed, 3)
    assert not cluster.claims
    assert observe(cluster, claim).verdict is Verdict.DUPLICATE


def test_the_first_who_waits_moves_in_first() -> None:
    first, second = record_of("cat", 2, at=ANNS), record_of("bob", 2, at=ANNS)
    waiting = given(*EVERYBODY, attested(first), attested(second))
    assert waiting.claims == {ANNS: (CAT.peer_id, BOB.peer_id)}
    removal = PeerRemoved(peer_id=ANN.peer_id)
    grants = remove(waiting, ANN.peer_id, None)
    assert grants == [removal, moved(first, before=CATS)]
    moved_in = given(*EVERYBODY, attested(first), attested(second), *grants)
    assert moved_in.claims == {ANNS: (BOB.peer_id,)}
    assert remove(moved_in, CAT.peer_id, None)[1:] == [moved(second, before=BOBS)]


def test_a_place_in_the_queue_is_kept_through_other_changes() -> None:
    first, second = record_of("cat", 2, at=ANNS), record_of("bob", 2, at=ANNS)
    again = record_of("cat", 3, at=ANNS)
    waiting = given(*EVERYBODY, attested(first), attested(second), attested(again))
    assert waiting.claims == {ANNS: (CAT.peer_id, BOB.peer_id)}


def test_who_gives_up_waiting_makes_way_for_the_next() -> None:
    first, second = record_of("cat", 2, at=ANNS), record_of("bob", 2, at=ANNS)
    waiting = (*EVERYBODY, attested(first), attested(second))
    for event in (PeerRemoved(peer_id=CAT.peer_id), attested(record_of("cat", 3))):
        cluster = given(*waiting, event)
        assert cluster.claims == {ANNS: (BOB.peer_id,)}
        assert moved(second, before=BOBS) in remove(cluster, ANN.peer_id, None)


def test_one_move_leads_to_the_next() -> None:
    bobs, cats = record_of("bob", 2, at=ANNS), record_of("cat", 2, at=BOBS)
    waiting = given(*EVERYBODY, attested(bobs), attested(cats))
    assert remove(waiting, ANN.peer_id, None) == [
        PeerRemoved(peer_id=ANN.peer_id),
        moved(bobs, before=BOBS),
        moved(cats, before=CATS),
    ]


def test_what_a_leaver_waited_for_itself_is_not_granted() -> None:
    # A ring that could not close while Dan was the first in the queue for Ann's seat.
    dans, cats = record_of("dan", 2, at=ANNS), record_of("cat", 2, at=ANNS)
    bobs, anns = record_of("bob", 2, at=CATS), record_of("ann", 2, at=BOBS)
    waiting = (*EVERYBODY, added(record_of("dan")), *map(attested, (dans, cats, bobs, anns)))
    assert given(*waiting).claims[ANNS] == (id_of("dan"), CAT.peer_id)
    cluster = given(*waiting, PeerRemoved(peer_id=id_of("dan")))
    assert remove(cluster, ANN.peer_id, None) == [
        PeerRemoved(peer_id=ANN.peer_id),
        moved(cats, before=CATS),
        moved(bobs, before=BOBS),
    ]


# Swaps


def test_two_peers_swap_their_addresses() -> None:
    anns, bobs = record_of("ann", 2, at=BOBS), record_of("bob", 2, at=ANNS)
    waiting = given(*EVERYBODY, attested(anns))
    swap = [moved(bobs, before=BOBS), moved(anns, before=ANNS)]
    assert observe(waiting, bobs).events == swap
    cluster = given(*EVERYBODY, attested(anns), *swap)
    assert (cluster.seat_by_address[ANNS], cluster.seat_by_address[BOBS]) == (
        BOB.peer_id,
        ANN.peer_id,
    )
    assert not cluster.claims


def test_who_swaps_goes_before_whoever_else_waits_for_the_seat() -> None:
    """
    Cat asks for Bob's seat before Ann does, who then gets it because Bob comes for hers.

    If Cat got it, Bob would sit down beside Ann at an address that only one can have: the log
    would refuse that, with every other command in the same transaction, as often as Bob spoke.
    """
    cats, anns = record_of("cat", 2, at=BOBS), record_of("ann", 2, at=BOBS)
    bobs = record_of("bob", 2, at=ANNS)
    for claims in ((cats, anns), (anns, cats)):
        waiting = (*EVERYBODY, *map(attested, claims))
        swap = observe(given(*waiting), bobs).events
        assert swap == [moved(bobs, before=BOBS), moved(anns, before=ANNS)]
        cluster = given(*waiting, *swap)
        assert cluster.seat_by_address == {
            LOCALS: LOCAL,
            ANNS: BOB.peer_id,
            BOBS: ANN.peer_id,
            CATS: CAT.peer_id,
        }
        assert cluster.claims == {BOBS: (CAT.peer_id,)}


def test_three_peers_go_round_in_a_ring() -> None:
    anns, bobs, cats = (
        record_of("ann", 2, at=BOBS),
        record_of("bob", 2, at=CATS),
        record_of("cat", 2, at=ANNS),
    )
    waiting = given(*EVERYBODY, attested(anns), attested(bobs))
    assert observe(waiting, cats).events == [
        moved(cats, before=CATS),
        moved(bobs, before=BOBS),
        moved(anns, before=ANNS),
    ]


def test_a_chain_that_does_not_reach_the_wanted_seat_moves_nobody() -> None:
    cats, anns = record_of("cat", 2, at=BOBS), record_of("bob", 2, at=ANNS)
    waiting = given(*EVERYBODY, attested(cats))
    assert observe(waiting, anns).events == [attested(anns)]


# The local peer


def test_the_local_peer_moves_where_nobody_is() -> None:
    assert readdress(given(*EVERYBODY), FREE) == [_local_moved(LOCALS, FREE)]


def test_the_local_peer_waits_for_an_address_that_another_has_its_seat_at() -> None:
    cluster = given(*EVERYBODY)
    assert readdress(cluster, ANNS) == [_local_waits(ANNS, version=2)]
    cluster = given(*EVERYBODY, _local_waits(ANNS, version=2))
    local = cluster.local
    assert (local.address, local.claimed_address, local.subject_version) == (LOCALS, ANNS, 2)
    assert readdress(cluster, ANNS) == []
    assert remove(cluster, ANN.peer_id, None) == [
        PeerRemoved(peer_id=ANN.peer_id),
        PeerReaddressed(peer_id=LOCAL, before=LOCALS, after=ANNS, subject_version=2, record=b""),
    ]


def test_the_local_peer_may_be_put_back_where_it_was() -> None:
    cluster = given(*EVERYBODY, _local_waits(ANNS, version=2))
    assert readdress(cluster, LOCALS) == [_local_waits(LOCALS, version=3)]
    assert not given(
        *EVERYBODY, _local_waits(ANNS, version=2), _local_waits(LOCALS, version=3)
    ).claims


def test_the_local_peer_swaps_with_another() -> None:
    anns = record_of("ann", 2, at=LOCALS)
    assert readdress(given(*EVERYBODY, attested(anns)), ANNS) == [
        _local_moved(LOCALS, ANNS),
        moved(anns, before=ANNS),
    ]
    local_first = given(*EVERYBODY, _local_waits(ANNS, version=2))
    assert observe(local_first, anns).events == [
        moved(anns, before=ANNS),
        PeerReaddressed(peer_id=LOCAL, before=LOCALS, after=ANNS, subject_version=2, record=b""),
    ]


def test_whoever_waits_for_the_local_address_gets_it_when_the_local_peer_moves_or_leaves() -> None:
    claim = record_of("ann", 2, at=LOCALS)
    waiting = given(*EVERYBODY, attested(claim))
    grant = moved(claim, before=ANNS)
    farewell = PeerDeactivated(
        peer_id=LOCAL,
        public_key=key_of("local"),
        address=LOCALS,
        name="",
        subject_version=2,
        record=b"",
    )
    forgotten = record_of("local", 7, left=True)
    assert readdress(waiting, FREE) == [_local_moved(LOCALS, FREE), grant]
    assert leave(waiting) == [farewell, grant]
    assert observe(waiting, forgotten).events == [left(forgotten), grant]


def test_a_local_peer_that_leaves_while_it_waits_says_where_it_was() -> None:
    cluster = given(*EVERYBODY, _local_waits(ANNS, version=2))
    [farewell] = leave(cluster)
    assert isinstance(farewell, PeerDeactivated)
    assert (farewell.address, farewell.subject_version) == (ANNS, 3)
