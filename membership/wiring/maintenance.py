"""What is done on an agent's own machine, beside it or while it is stopped."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from membership.api.tokens import mint_token
from membership.commands.processor import all_seats
from membership.domain.values import PeerId
from membership.proof.signing import Signer
from membership.store.data_directory import DataDirectory, NotInitialised
from membership.store.event_store import EventStore
from membership.store.sqlite import SQLiteRecorder
from membership.wiring.core import replay
from membership.wiring.initialise import system_nature

OPERATOR = "operator"


def mint_local_token(data_dir: Path, *, scopes: Sequence[str], ttl_s: int) -> str:
    """
    Return a token signed with the agent's key, whether the agent runs or not.

    Raises:
        DataDirectoryError: There is no agent, or its key cannot be read.
    """
    identity, nature = DataDirectory(data_dir).read_identity(), system_nature()
    return mint_token(
        Signer(identity.seed),
        peer_id=identity.peer_id,
        subject=OPERATOR,
        scopes=scopes,
        ttl_s=ttl_s,
        now_us=nature.clock.now_us(),
        token_id=nature.ids.new_ulid(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildReport:
    """
    What a rebuild found.

    Attributes:
        root: The Merkle root over all events, in hex.
        repaired: What differed from the log and was written anew, as sentences.
    """

    events: int
    peers: int
    services: int
    root: str
    repaired: Sequence[str]


def rebuild(data_dir: Path, *, progress: Callable[[int], None]) -> RebuildReport:
    """
    Derive everything anew from the log, check every leaf, and repair what differs. Blocking.

    Args:
        progress: Called with the position reached.

    Raises:
        DataDirectoryLocked: The agent is running.
        DataDirectoryError, StoreError: As their messages say.
    """
    directory = DataDirectory(data_dir)
    if not directory.database.exists():
        raise NotInitialised(data_dir)
    with directory.locked():
        store = EventStore(SQLiteRecorder(directory.database))
        try:
            replayed = replay(store, system_nature(), progress=progress)
            expected = all_seats(replayed.cluster)
            found, wanted = list(store.seats()), sorted(expected.taken)
            repaired = _differences({s.peer_id for s in found}, {s.peer_id for s in wanted})
            if found != wanted:
                store.replace_seats(expected)
                repaired = repaired or ["the table of seats held an old address or key"]
        finally:
            store.close()
    return RebuildReport(
        events=replayed.tree.size,
        peers=len(replayed.views.peers),
        services=len(list(replayed.views.services.all())),
        root=replayed.tree.root().hex(),
        repaired=repaired,
    )


def _differences(found: set[PeerId], wanted: set[PeerId]) -> list[str]:
    missing = [f"the seat of {peer_id} was missing" for peer_id in sorted(wanted - found)]
    extra = [f"{peer_id} had a seat without being active" for peer_id in sorted(found - wanted)]
    return missing + extra
