"""
A client of the Peers API, for programs.

    async with MembershipClient("http://127.0.0.1:8080", token) as client:
        for peer in await client.list_peers():
            print(peer.id, peer.name, peer.address)

    ClientError           never raised itself
    ├─ ApiError           the agent refused, with its status, code, message and details
    ├─ ConnectionFailed   no answer came
    └─ UnexpectedReply    an answer came that is none of an agent's
"""

from membership.client.client import MembershipClient
from membership.client.errors import ApiError, ClientError, ConnectionFailed, UnexpectedReply
from membership.client.replies import (
    AccessToken,
    Checkpoint,
    ConsistencyProof,
    Departure,
    Identity,
    InclusionProof,
    License,
    LicenseUsage,
    LocalPeer,
    Peer,
    Service,
)
from membership.client.standing import (
    AgentHealth,
    ClusterStatus,
    Introduction,
    PeerStanding,
    SyncReport,
    Unreachable,
)

__all__ = [
    "AccessToken",
    "AgentHealth",
    "ApiError",
    "Checkpoint",
    "ClientError",
    "ClusterStatus",
    "ConnectionFailed",
    "ConsistencyProof",
    "Departure",
    "Identity",
    "InclusionProof",
    "Introduction",
    "License",
    "LicenseUsage",
    "LocalPeer",
    "MembershipClient",
    "Peer",
    "PeerStanding",
    "Service",
    "SyncReport",
    "UnexpectedReply",
    "Unreachable",
]
