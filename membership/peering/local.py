"""The agent itself, as it shows itself to others."""

from dataclasses import dataclass, field

from membership.domain.peer import Peer
from membership.domain.values import ClusterId
from membership.peering.records import sign_record
from membership.proof.signing import Signer
from projections.views import Views


@dataclass(slots=True, kw_only=True)
class LocalAgent:
    """
    Its key, its licence's secret, and the views over its log.

    The views are read on the event loop only, and follow the log before any caller of a command
    is answered; so what is signed here is on disk.
    """

    signer: Signer
    views: Views
    license_secret: bytes = field(repr=False)
    _signed_version: int = field(default=0, init=False)
    _signed: bytes = field(default=b"", init=False)

    @property
    def peer(self) -> Peer:
        """The local peer."""
        return self.views.peers.local

    @property
    def cluster_id(self) -> ClusterId:
        """The cluster that its licence makes it part of."""
        return self.views.license.cluster_id

    def record(self) -> bytes:
        """Return its newest record, signed once a version."""
        if self.peer.record:
            # A backup was restored from before it left, and the others gave its farewell back.
            return self.peer.record
        if self._signed_version != self.peer.subject_version:
            self._signed = sign_record(self.signer, self.cluster_id, self.peer)
            self._signed_version = self.peer.subject_version
        return self._signed
