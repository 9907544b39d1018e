"""Whatever bytes arrive: a frame is malformed, or refused, and changes nothing."""

import asyncio
import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from membership.domain.values import ulid_bytes
from membership.peering.envelope import REQUEST_TYPE
from membership.peering.records import RECORD_TYPE
from membership.peering.transport import FINISH_PATH, HELLO_PATH, MESSAGE_PATH
from membership.peering.wire import MAX_FRAME_BYTES, MalformedFrame, check_shape, pack, seal, unpack
from tests.peering.by_hand import NONCE, challenge_by, finish_of, hello_of, request_of
from tests.peering.two_agents import Agent, rename, start_agent, two_peers
from tests.peering.virtual_time import VirtualTimeLoop

PATHS = (HELLO_PATH, FINISH_PATH, MESSAGE_PATH, "/peer/v1/nothing", "")
STRAYS: Sequence[Any] = (
    None,
    True,
    False,
    0,
    -1,
    2**63,
    2**64 - 1,
    -(2**63),
    1.5,
    float("nan"),
    b"",
    b"\x00" * 16,
    b"\x00" * 32,
    b"\x00" * 64,
    "",
    "x" * 300,
    "\x00",
    [],
    [[]],
    {},
    {"a": 1},
    msgpack.Timestamp(0, 0),
    msgpack.ExtType(5, b""),
)


@dataclass(frozen=True, slots=True)
class _Scene:
    """Two peers, a third agent at the door, and frames that would each change something."""

    runner: asyncio.Runner
    two: Agent
    frames: Sequence[tuple[str, bytes]]
    member: Agent
    stranger: Agent

    def changes_nothing(self, path: str, frame: bytes) -> None:
        """Check that *frame* is malformed, or is answered and changes nothing."""
        before = len(self.two.rows())
        try:
            self.runner.run(self.two.peering.endpoint.handle(path, frame, "10.6.6.6"))
        except MalformedFrame as error:
            assert str(error)  # noqa: PT017 - being malformed is one of two good outcomes
        assert len(self.two.rows()) == before


@pytest.fixture(scope="module")
def scene() -> Iterator[_Scene]:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        yield runner.run(_scene(runner))


async def _scene(runner: asyncio.Runner) -> _Scene:
    network, one, two = await two_peers()
    stranger = await start_agent(network, 3)
    await rename(one, "new")
    hello = hello_of(stranger, two)
    finish = finish_of(stranger, hello, await challenge_by(two, hello))
    request = request_of(one, two.peer_id, [one.local.record()])
    return _Scene(
        runner=runner,
        two=two,
        frames=[(HELLO_PATH, hello), (FINISH_PATH, finish), (MESSAGE_PATH, request)],
        member=one,
        stranger=stranger,
    )


@given(path=st.sampled_from(PATHS), frame=st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_random_bytes_change_nothing(scene: _Scene, path: str, frame: bytes) -> None:
    scene.changes_nothing(path, frame)


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.binary(max_size=70)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=9) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=20,
)


@given(path=st.sampled_from(PATHS), value=_VALUES)
@settings(max_examples=300, deadline=None)
def test_any_other_msgpack_changes_nothing(scene: _Scene, path: str, value: Any) -> None:
    scene.changes_nothing(path, msgpack.packb(value))


@given(
    which=st.integers(0, 2),
    flips=st.lists(st.tuples(st.integers(0, 10_000), st.integers(1, 255)), min_size=1, max_size=4),
)
@settings(max_examples=500, deadline=None)
def test_a_valid_frame_with_altered_bytes_changes_nothing(
    scene: _Scene, which: int, flips: list[tuple[int, int]]
) -> None:
    path, frame = scene.frames[which]
    altered = bytearray(frame)
    for place, mask in flips:
        altered[place % len(frame)] ^= mask
    if bytes(altered) != frame:
        scene.changes_nothing(path, bytes(altered))


@given(which=st.integers(0, 2), cut=st.integers(0, 10_000), more=st.binary(max_size=9))
@settings(max_examples=300, deadline=None)
def test_a_valid_frame_that_was_cut_or_grown_changes_nothing(
    scene: _Scene, which: int, cut: int, more: bytes
) -> None:
    path, frame = scene.frames[which]
    scene.changes_nothing(path, frame[: cut % len(frame)] + more)
    scene.changes_nothing(path, frame + more + b"\x00")


@pytest.mark.parametrize("path", [HELLO_PATH, FINISH_PATH, MESSAGE_PATH])
@pytest.mark.parametrize(
    "frame",
    [
        b"\x91" * 60_000,
        b"\x81\xa1a" * 20_000,
        b"\xdc\xff\xff" * 20_000,
        b"\xdd\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xc7\x00\xff",
        b"\xd6\xff" + b"\xff" * 4,
        b"\xc7\x0c\xff" + b"\xff" * 12,
        b"\xa4\xff\xff\xff\xff",
        b"\x92\x81\x90\x01\x02",
        b"\x00" * (MAX_FRAME_BYTES + 1),
        b"",
    ],
    ids=[
        "deep arrays",
        "deep maps",
        "deep wide arrays",
        "array of 2^32",
        "bytes of 2^32",
        "map of 2^32",
        "cut extension",
        "timestamp",
        "impossible timestamp",
        "no UTF-8",
        "array as a key",
        "too long",
        "empty",
    ],
)
def test_a_bomb_is_malformed(scene: _Scene, path: str, frame: bytes) -> None:
    with pytest.raises(MalformedFrame):
        scene.runner.run(scene.two.peering.endpoint.handle(path, frame, ""))


def _spoiled(parts: list[Any]) -> Iterator[list[Any]]:
    """Yield *parts* with each element replaced by each stray value, dropped, and doubled."""
    for index, before in enumerate(parts):
        for stray in STRAYS:
            if type(stray) is not type(before) or stray != before:
                spoiled = copy.copy(parts)
                spoiled[index] = stray
                yield spoiled
        yield parts[:index] + parts[index + 1 :]
        yield [*parts[:index], before, *parts[index:]]


def test_wrong_values_in_each_place_of_an_unsigned_frame_change_nothing(scene: _Scene) -> None:
    for path, frame in scene.frames:
        for parts in _spoiled(msgpack.unpackb(frame)):
            scene.changes_nothing(path, msgpack.packb(parts))


def test_wrong_values_in_each_place_of_the_hello_and_challenge_of_a_finish_change_nothing(
    scene: _Scene,
) -> None:
    _, finish = scene.frames[1]
    parts = unpack(finish, (str, bytes, bytes, bytes, bytes))
    for index in (1, 2):
        for inner in _spoiled(msgpack.unpackb(parts[index])):
            altered = copy.copy(parts)
            altered[index] = msgpack.packb(inner)
            scene.changes_nothing(FINISH_PATH, pack(altered))


def test_wrong_values_in_each_place_of_a_request_signed_by_a_member_change_nothing(
    scene: _Scene,
) -> None:
    _, frame = scene.frames[2]
    payload = msgpack.unpackb(unpack(frame, (bytes, bytes))[0])
    for spoiled in _spoiled(payload):
        if spoiled[:4] == payload[:4] and spoiled[6:] == payload[6:]:
            continue  # Only its time or nonce differ: as good as the original.
        signed = seal(scene.member.local.signer, REQUEST_TYPE, msgpack.packb(spoiled))
        scene.changes_nothing(MESSAGE_PATH, signed)


def test_wrong_values_in_each_place_of_a_record_signed_by_its_peer_change_nothing(
    scene: _Scene,
) -> None:
    member, two = scene.member, scene.two
    peer = member.local.peer
    payload = [
        1,
        member.local.cluster_id,
        ulid_bytes(peer.peer_id),
        1,
        False,
        peer.public_key,
        peer.address,
        "an old name",
        peer.changed_at_us,
    ]
    for spoiled in _spoiled(payload):
        if spoiled[3] == 1 and spoiled[4] is True:
            continue  # It says that it left, and may.
        if spoiled[0] == 1 and spoiled[3] == 1 and len(spoiled) == len(payload):
            continue  # Another record of the same version: evidence, kept once.
        record = seal(member.local.signer, RECORD_TYPE, msgpack.packb(spoiled))
        scene.changes_nothing(MESSAGE_PATH, request_of(member, two.peer_id, [record]))


def test_wrong_values_in_each_place_of_the_bodies_of_anti_entropy_change_nothing(
    scene: _Scene,
) -> None:
    member, two = scene.member, scene.two
    entry = [ulid_bytes(member.peer_id), False, 1]
    bodies: dict[str, Sequence[list[Any]]] = {
        "digest": [*_spoiled([b"\x00" * 16])],
        "summary": [
            *_spoiled([[0, 1], [entry]]),
            *([indexes, [entry]] for indexes in _spoiled([0, 1])),
            *([[0], [spoiled]] for spoiled in _spoiled(entry)),
            [[256], []],
            [[0] * 1_000, []],
        ],
    }
    for kind, spoiled_bodies in bodies.items():
        for body in spoiled_bodies:
            frame = msgpack.packb(
                [1, kind, ulid_bytes(member.peer_id), ulid_bytes(two.peer_id), 0, NONCE[:16], body]
            )
            signed = seal(member.local.signer, REQUEST_TYPE, frame)
            scene.changes_nothing(MESSAGE_PATH, signed)


@given(data=st.binary(max_size=300))
@settings(max_examples=200, deadline=None)
def test_unpacking_raises_one_error_only(data: bytes) -> None:
    try:
        array = unpack(data, (int, bytes))
    except MalformedFrame:
        return
    check_shape(array, (int, bytes))


@pytest.mark.parametrize("kind", [int, bytes, str, list, dict])
def test_a_bool_is_never_anything_else(kind: type) -> None:
    for value in (True, False):
        with pytest.raises(MalformedFrame):
            unpack(pack([value]), (kind,))
        assert unpack(pack([value]), (bool,)) == [value]
    with pytest.raises(MalformedFrame):
        unpack(pack([1]), (bool,))
