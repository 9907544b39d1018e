"""What an agent notes of logs that were forked or begun anew: its own, and its peers'."""

import pytest

from membership.domain.changes import begin_epoch, observe_epoch, report_fork
from membership.domain.events import (
    EpochBegan,
    Event,
    PeerEpochObserved,
    PeerForked,
    PeerRemoved,
)
from tests.domain.histories import ANN, LOCAL, added, given, left, record_of

FORKED = PeerForked(
    peer_id=ANN.peer_id, epoch=1, known_checkpoint=b"one", other_checkpoint=b"other"
)
ANEW = PeerEpochObserved(
    peer_id=ANN.peer_id, epoch=2, former_checkpoint=b"last", checkpoint=b"first"
)
BEGAN = EpochBegan(epoch=2, former_checkpoint=b"lost")


def test_an_epoch_is_begun_once_and_never_gone_back_to() -> None:
    assert given().epoch == 0
    assert begin_epoch(given(), 2, b"lost") == [BEGAN]
    cluster = given(BEGAN)
    assert cluster.epoch == 2
    for epoch in (0, 1, 2):
        assert begin_epoch(cluster, epoch, b"lost") == []
    assert begin_epoch(cluster, 3, b"lost") == [EpochBegan(epoch=3, former_checkpoint=b"lost")]


@pytest.mark.parametrize(
    "history",
    [
        [added(ANN)],
        [added(ANN), PeerRemoved(peer_id=ANN.peer_id)],
        [added(ANN), left(record_of("ann", 2, left=True))],
    ],
    ids=["active", "removed", "left"],
)
def test_a_fork_is_kept_once_an_epoch_and_removes_nobody(history: list[Event]) -> None:
    assert report_fork(given(*history), ANN.peer_id, 1, b"one", b"other") == [FORKED]
    before, after = given(*history), given(*history, FORKED)
    assert after.peers[ANN.peer_id].forked
    assert after.peers[ANN.peer_id].status is before.peers[ANN.peer_id].status
    assert after.seat_by_key == before.seat_by_key
    assert report_fork(after, ANN.peer_id, 1, b"two", b"more") == []
    anew = given(*history, FORKED, ANEW)
    assert not anew.peers[ANN.peer_id].forked
    assert report_fork(anew, ANN.peer_id, 1, b"one", b"other") == [FORKED]


def test_a_peer_that_begins_anew_is_noted() -> None:
    assert observe_epoch(given(added(ANN)), ANN.peer_id, 2, b"last", b"first") == [ANEW]


def test_nothing_is_noted_of_strangers_and_of_the_agent_itself() -> None:
    for peer_id in (ANN.peer_id, LOCAL):
        assert report_fork(given(), peer_id, 1, b"one", b"other") == []
        assert observe_epoch(given(), peer_id, 2, b"last", b"first") == []


@pytest.mark.parametrize("end", [left(record_of("ann", 2, left=True)), added(record_of("ann", 2))])
def test_a_fork_is_not_forgotten_by_going_and_coming(end: Event) -> None:
    history = (added(ANN), FORKED, PeerRemoved(peer_id=ANN.peer_id))
    assert given(*history, end).peers[ANN.peer_id].forked
