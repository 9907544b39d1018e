"""
Records: what a peer signs about itself.

A record is eternal and relayable. It holds all that is needed to check it: the key that signed
it is part of it, and that the key is the peer's follows from the peer's id, which holds a hash of
it. Who passed a record on does not matter.

An agent derives its own record from its own peer in the log, and from nothing else, so that the
same version gives the same bytes on every day and after every restart. Two different records of
one version are therefore proof of two agents with one key.
"""

from membership.domain.errors import InvalidRequest
from membership.domain.identity import is_id_of
from membership.domain.peer import Peer
from membership.domain.record import PeerRecord
from membership.domain.values import (
    ClusterId,
    PeerId,
    UnixUs,
    parse_address,
    parse_name,
    parse_public_key,
    ulid_bytes,
    ulid_text,
)
from membership.peering.wire import MalformedFrame, pack, seal, sized, split_sealed, unpack
from membership.proof.signing import Signer, is_signed_by

RECORD_TYPE = "application/vnd.membership.record.v1+msgpack"
RECORD_VERSION = 1
ID_BYTES = 16
CLUSTER_ID_BYTES = 16
MAX_VERSION = 2**53
_SHAPE = (int, bytes, bytes, int, bool, bytes, str, str, int)


def sign_record(signer: Signer, cluster_id: ClusterId, local: Peer) -> bytes:
    """
    Return the local peer's record, as it travels.

    `[payload, signature]`, the payload being the array `[1, cluster id, peer id, subject version,
    left, public key, address, name, issued at in µs]`.
    """
    payload = pack(
        [
            RECORD_VERSION,
            cluster_id,
            ulid_bytes(local.peer_id),
            local.subject_version,
            not local.is_active,
            local.public_key,
            local.claimed_address,
            local.own_name,
            local.changed_at_us,
        ]
    )
    return seal(signer, RECORD_TYPE, payload)


def open_record(data: bytes) -> PeerRecord:
    """
    Return a record whose signature verifies with the key that it names.

    Raises:
        MalformedFrame: It is no record, holds an impossible value, or is not signed by its key.
    """
    payload, signature = split_sealed(data)
    version, cluster_id, peer_id, subject_version, left, key, address, name, issued_at_us = unpack(
        payload, _SHAPE
    )
    if version != RECORD_VERSION:
        message = f"records of version {version} are not known here"
        raise MalformedFrame(message)
    if not is_signed_by(key, RECORD_TYPE, payload, signature):
        message = "the record is not signed by the key that it names"
        raise MalformedFrame(message)
    if not 1 <= subject_version <= MAX_VERSION or not 0 <= issued_at_us <= MAX_VERSION:
        message = "a number is out of range"
        raise MalformedFrame(message)
    try:
        canonical_address, canonical_name = parse_address(address), parse_name(name)
        public_key = parse_public_key(key)
    except InvalidRequest as error:
        raise MalformedFrame(error.message) from None
    if (canonical_address, canonical_name) != (address, name):
        message = "the address or name is not in its canonical form"
        raise MalformedFrame(message)
    subject = PeerId(ulid_text(sized(peer_id, ID_BYTES, "a peer id")))
    if not is_id_of(subject, public_key):
        message = "the id is not that of the key"
        raise MalformedFrame(message)
    return PeerRecord(
        cluster_id=ClusterId(sized(cluster_id, CLUSTER_ID_BYTES, "a cluster id")),
        peer_id=subject,
        subject_version=subject_version,
        left=left,
        public_key=public_key,
        address=canonical_address,
        name=canonical_name,
        issued_at_us=UnixUs(issued_at_us),
        signed=data,
    )
