"""All views together, fed in the log's order."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

from membership.domain.events import (
    CredentialCreated,
    EpochBegan,
    LicenseEvent,
    RecordedEvent,
)
from membership.domain.license import License, license_of
from membership.domain.service import Service
from membership.domain.values import StreamId
from projections.peers import Encode, PeersView
from projections.services import ServicesView


class Views:
    """
    What reads are answered from, on the event loop's thread alone.

    Attributes:
        position: The last position applied, 0 for an empty log.
        epoch: Under which number this agent signs its log, from 0.
    """

    def __init__(self, encode_peer: Encode) -> None:
        self.peers = PeersView(encode_peer)
        self.services = ServicesView(self.peers)
        self.credentials: dict[StreamId, CredentialCreated] = {}
        self._license: License | None = None
        self.position = 0
        self.epoch = 0

    @property
    def license(self) -> License:
        """The present licence; raises `LookupError` before the first."""
        if self._license is None:
            message = "the log holds no licence yet"
            raise LookupError(message)
        return self._license

    def apply(self, events: Iterable[RecordedEvent]) -> None:
        """Fold events in, in the log's order, each once; raises `ValueError` over a gap."""
        for recorded in events:
            if recorded.position != self.position + 1:
                message = f"the views are at {self.position}, the event at {recorded.position}"
                raise ValueError(message)
            self.peers.apply(recorded)
            self.services.apply(recorded)
            event = recorded.event
            if isinstance(event, LicenseEvent):
                self._license = license_of(event)
            elif isinstance(event, CredentialCreated):
                self.credentials[event.client_id] = event
            elif isinstance(event, EpochBegan):
                self.epoch = event.epoch
            self.position = recorded.position

    def contents(self) -> Mapping[str, object]:
        """Return everything the views hold, for comparing live ones with rebuilt ones."""
        return {
            "position": self.position,
            "peers": [asdict(peer) for peer in self.peers.everyone()],
            "bodies": [bytes(self.peers.body(peer)) for peer in self.peers.active()],
            "list": self.peers.list_body(),
            "changed_by": self.peers.changed_by,
            "services": [_service_contents(self.services, s) for s in self.services.all()],
            "credentials": {key: asdict(value) for key, value in self.credentials.items()},
            "license": self._license,
            "epoch": self.epoch,
        }


def _service_contents(view: ServicesView, service: Service) -> Sequence[object]:
    return [service, view.inactive_reason(service)]
