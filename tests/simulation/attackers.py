"""
Attackers: one on the network, who copies, spoils and redirects frames; one inside, with a key.

The outsider must change nothing, ever. The insider holds a member's key and the licence, so it can
speak for that member, and for nobody else: what it says of others, or of strangers that it makes
up, must give nobody a seat, and take nobody's away.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from membership.domain.identity import peer_id_for
from membership.domain.peer import PeerStatus
from membership.domain.values import Address, PublicKey
from membership.peering.envelope import REQUEST_NONCE_BYTES, Message, seal_request
from membership.peering.records import RECORD_TYPE, sign_record
from membership.peering.transport import MESSAGE_PATH, TransportFailed
from membership.peering.wire import MAX_FRAME_BYTES, pack, seal, split_sealed
from membership.proof.checkpoint import sign_checkpoint
from membership.proof.signing import Signer
from tests.peering.two_agents import START_US
from tests.simulation.faulty_network import Overheard
from tests.simulation.happenings import Happening
from tests.simulation.hosts import Host
from tests.simulation.stage import Stage
from tests.simulation.story import Step

FRAMES_AT_ONCE = 4
_KINDS = (
    "records",
    "digest",
    "summary",
    "verdicts",
    "witness",
    "prove",
    "recall",
    "refused",
    "nonsense",
    "",
)


async def _inject(stage: Stage, address: Address, path: str, frame: bytes) -> None:
    host = stage.at(address)
    if host is not None:
        try:
            await stage.network.deliver(host, path, frame)
        except TransportFailed:
            return


async def inject_in_vain(stage: Stage, address: Address, path: str, frame: bytes) -> None:
    """Deliver a frame that must change nothing."""
    host = stage.at(address)
    if host is None or host.agent is None:
        return
    before = host.agent.views.position
    await _inject(stage, address, path, frame)
    if host.agent is not None:
        assert host.agent.views.position == before, "a forged or replayed frame changed something"


def _some_overheard(stage: Stage) -> Sequence[Overheard]:
    overheard = stage.network.overheard
    return stage.chance.sample(overheard, min(FRAMES_AT_ONCE, len(overheard)))


async def _replay(stage: Stage, _: Host, __: Host, ___: Step) -> None:
    for o in _some_overheard(stage):
        host = stage.at(o.receiver)
        if host is not None and stage.network.was_answered(host, o.frame):
            await inject_in_vain(stage, o.receiver, o.path, o.frame)
        else:
            await _inject(stage, o.receiver, o.path, o.frame)  # It was lost, and now it arrives.


async def _spoil(stage: Stage, _: Host, __: Host, step: Step) -> None:
    for o in _some_overheard(stage):
        at = stage.chance.randrange(len(o.frame))
        flipped = bytes([o.frame[at] ^ (1 << stage.chance.randrange(8))])
        spoiled = o.frame[:at] + flipped + o.frame[at + 1 :]
        if step.dice > 0.6:
            spoiled = o.frame[:at]
        if step.dice > 0.9:
            spoiled = o.frame + bytes(MAX_FRAME_BYTES)
        await inject_in_vain(stage, o.receiver, o.path, spoiled)


async def _reflect(stage: Stage, _: Host, __: Host, ___: Step) -> None:
    for o in _some_overheard(stage):
        sender = stage.hosts[o.sender]
        if sender.address != o.receiver:
            await inject_in_vain(stage, sender.address, o.path, o.frame)


async def _misdirect(stage: Stage, _: Host, other: Host, ___: Step) -> None:
    for o in _some_overheard(stage):
        # A hello is for whoever answers, and changes nothing anywhere.
        if other.address != o.receiver:
            await inject_in_vain(stage, other.address, o.path, o.frame)


def _request(stage: Stage, sender: Host, recipient: Host, kind: str, body: list[Any]) -> bytes:
    message = Message(
        kind=kind,
        sender=sender.peer_id,
        recipient=recipient.peer_id,
        body=body,
        sent_at_ms=0,
        nonce=stage.chance.randbytes(REQUEST_NONCE_BYTES),
    )
    return seal_request(sender.signer, message)


async def _forge(stage: Stage, insider: Host, target: Host, step: Step) -> None:
    """Claim, with the insider's key, that somebody else has left or moved."""
    victim = stage.hosts[int(step.dice * len(stage.hosts))]
    if insider.agent is None or victim in (insider, target) or victim.agent is None:
        return
    claim = replace(
        victim.agent.local.peer,
        subject_version=victim.agent.local.peer.subject_version + 1,
        status=PeerStatus.LEFT if step.dice > 0.5 else PeerStatus.ACTIVE,
        address=Address("attacker.example:1"),
    )
    cluster_id = insider.license.license.cluster_id
    under_wrong_key = sign_record(insider.signer, cluster_id, claim)
    payload, _ = split_sealed(under_wrong_key)
    _, signature = split_sealed(victim.agent.local.record())
    for record in (under_wrong_key, pack([payload, signature])):
        frame = _request(stage, insider, target, "records", [record])
        await inject_in_vain(stage, target.address, MESSAGE_PATH, frame)


async def _babble(stage: Stage, insider: Host, target: Host, step: Step) -> None:
    """Send signed nonsense."""
    chance = stage.chance
    junk: list[Any] = [
        None,
        True,
        -1,
        2**63,
        "x" * chance.randrange(300),
        chance.randbytes(chance.randrange(300)),
        [[], {}, [chance.randbytes(16), False, 1, 1]],
        {"a": 1},
        [chance.randrange(-5, 300) for _ in range(3)],
        [seal(insider.signer, RECORD_TYPE, chance.randbytes(40))] * chance.randrange(200),
    ]
    for kind in _KINDS:
        body = [chance.choice(junk) for _ in range(chance.randrange(4))]
        frame = _request(stage, insider, target, kind, body)
        await inject_in_vain(stage, target.address, MESSAGE_PATH, frame)
    del step


async def _invent(stage: Stage, insider: Host, target: Host, step: Step) -> None:
    """Make up a stranger that holds no licence, and introduce it or mourn it."""
    if insider.agent is None:
        return
    stranger = Signer(stage.chance.randbytes(32))
    key = PublicKey(stranger.public_key)
    peer_id = peer_id_for(key, START_US)
    stage.intruders.add(peer_id)
    made_up = replace(
        insider.agent.local.peer,
        peer_id=peer_id,
        public_key=key,
        address=Address(f"stranger-{step.dice}.example:1"),
        status=PeerStatus.ACTIVE if step.dice > 0.3 else PeerStatus.LEFT,
    )
    record = sign_record(stranger, insider.license.license.cluster_id, made_up)
    frame = _request(stage, insider, target, "records", [record])
    await _inject(stage, target.address, MESSAGE_PATH, frame)


async def _contradict(stage: Stage, insider: Host, target: Host, step: Step) -> None:
    """Say, with the insider's own key, something else of it than it says itself."""
    if insider.agent is None or not insider.agent.local.peer.is_active:
        return
    local = insider.agent.local.peer
    ahead = int(step.dice * 3)
    lie = replace(local, subject_version=local.subject_version + ahead, own_name="a lie")
    record = sign_record(insider.signer, insider.license.license.cluster_id, lie)
    frame = _request(stage, insider, target, "records", [record])
    await _inject(stage, target.address, MESSAGE_PATH, frame)


async def _fork(stage: Stage, insider: Host, target: Host, step: Step) -> None:
    """Show, with the insider's own key, a history that its log does not have."""
    if insider.agent is None or insider.agent.log.newest is None:
        return
    stage.suspects.add(insider.peer_id)
    newest = insider.agent.log.newest.checkpoint
    lie = replace(newest, size=newest.size + int(step.dice * 3), root=stage.chance.randbytes(32))
    note = bytes(sign_checkpoint(insider.signer, lie).note)
    body: list[Any] = [note, newest.size, [stage.chance.randbytes(32)], []]
    frame = _request(stage, insider, target, "witness", body)
    await _inject(stage, target.address, MESSAGE_PATH, frame)


ATTACKS: Mapping[str, Happening] = {
    "replay": _replay,
    "spoil": _spoil,
    "reflect": _reflect,
    "misdirect": _misdirect,
    "forge": _forge,
    "babble": _babble,
    "invent": _invent,
    "contradict": _contradict,
    "fork": _fork,
}
