"""A data directory of an agent that knows many peers, each with a real key and record."""

from pathlib import Path

from membership.commands.messages import AdmitPeer, Receipt, Request, SaveDeliveries
from membership.domain.admission import Admission, Candidate
from membership.domain.events import HandshakeEvidence
from membership.domain.identity import peer_id_for
from membership.domain.peer import Peer, PeerStatus
from membership.domain.values import ClusterId, PeerId, PublicKey, UnixUs, parse_address
from membership.peering.records import open_record, sign_record
from membership.proof.signing import Signer
from membership.settings import Settings
from membership.store.data_directory import DataDirectory
from membership.store.rows import Delivery
from membership.wiring.initialise import open_agent
from membership.wiring.licenses import issue_license

BATCH = 500
ADDRESS = parse_address("127.0.0.1:9")
"""What the agent advertises, wherever it listens; its peers have loopback addresses too."""


def cluster_of(data_dir: Path, peers: int) -> PeerId:
    """Create an agent whose list has *peers* entries, itself included; return its id."""
    license_file = data_dir.with_suffix(".license.json")
    issue_license(
        license_file,
        issuer_key=data_dir.with_suffix(".key"),
        max_nodes=max(peers, 10),
        days=30,
        customer="benchmark",
        renew=None,
    )
    directory = DataDirectory(data_dir)
    with directory.locked():
        settings = Settings(data_dir=data_dir, license_file=license_file)
        opened = open_agent(directory, settings, ADDRESS)
        replayed = opened.replayed
        cluster_id = replayed.views.license.cluster_id
        commands = [_admission(cluster_id, number) for number in range(1, peers)]
        # Nobody is behind, so that the broadcaster has nothing to do while others are measured.
        told = [
            Delivery(peer_id=c.command.candidate.record.peer_id, acked_version=1)
            for c in commands
            if isinstance(c.command, AdmitPeer)
        ]
        commands.append(Request(SaveDeliveries(rows=told)))
        for start in range(0, len(commands), BATCH):
            done = replayed.processor.process(commands[start : start + BATCH])
            assert all(isinstance(outcome, Receipt) for outcome in done.outcomes)
        local_id = replayed.cluster.local.peer_id
        replayed.store.close()
    return local_id


def signer_of(number: int) -> Signer:
    """Return the key of the peer that was admitted as number *number*, from 1."""
    return Signer(number.to_bytes(32, "big"))


def _admission(cluster_id: ClusterId, number: int) -> Request:
    signer = signer_of(number)
    address = parse_address(f"127.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}:1")
    peer = Peer(
        peer_id=peer_id_for(PublicKey(signer.public_key), UnixUs(number)),
        public_key=PublicKey(signer.public_key),
        address=address,
        own_name=f"agent {number}",
        label="",
        is_local=True,
        created_at_us=UnixUs(1),
        changed_at_us=UnixUs(1),
        version=1,
        subject_version=1,
        record=b"",
        claimed_address=address,
        status=PeerStatus.ACTIVE,
        ended_at_us=UnixUs(0),
    )
    record = open_record(sign_record(signer, cluster_id, peer))
    evidence = HandshakeEvidence(transcript=b"", signature=b"", remote_role="initiator")
    return Request(
        AdmitPeer(candidate=Candidate(record=record, how=Admission.INBOUND), evidence=evidence)
    )
