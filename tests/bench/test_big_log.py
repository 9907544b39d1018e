"""The history that benchmarks run on is one that an agent could have had."""

from pathlib import Path

from membership.domain.events import PeerRenamed
from membership.peering.records import open_record
from membership.settings import Settings
from membership.store.data_directory import DataDirectory
from membership.wiring.initialise import open_agent
from tests.bench.big_log import big_log
from tests.bench.cluster_of import ADDRESS

EVENTS, PEERS = 3_000, 20


def test_an_agent_starts_on_a_big_log_as_on_its_own(tmp_path: Path) -> None:
    local_id = big_log(tmp_path / "data", events=EVENTS, peers=PEERS)
    directory = DataDirectory(tmp_path / "data")
    with directory.locked():
        opened = open_agent(directory, Settings(data_dir=directory.path), ADDRESS)
        replayed = opened.replayed
        recorded = list(replayed.store.events())
        replayed.store.close()
    assert opened.credential is None, "nothing was created anew"
    assert replayed.cluster.local.peer_id == local_id
    assert [one.position for one in recorded] == list(range(1, EVENTS + 1))
    assert replayed.newest_checkpoint is not None
    assert replayed.newest_checkpoint.size == replayed.tree.size == EVENTS
    assert len(replayed.views.peers) == PEERS
    announced = [
        one.event for one in recorded if isinstance(one.event, PeerRenamed) and one.event.record
    ]
    assert len(announced) > EVENTS / 10
    for event in announced[:50]:
        record = open_record(event.record)
        assert (record.peer_id, record.name) == (event.peer_id, event.after)
        assert record.subject_version == event.subject_version
