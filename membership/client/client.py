"""
The client's calls, one method each.

Reads are repeated when no answer came; writes never are, because nobody can tell whether the
first attempt was carried out.
"""

import asyncio
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self, TypeVar

import aiohttp

from membership.client.decoding import decode
from membership.client.errors import ApiError, ConnectionFailed, UnexpectedReply
from membership.client.exchange import Call, check_token, exchange, parse_url
from membership.client.replies import (
    AccessToken,
    Checkpoint,
    ConsistencyProof,
    Deletion,
    Departure,
    Identity,
    InclusionProof,
    License,
    Peer,
    Service,
)
from membership.client.standing import ClusterStatus, SyncReport
from membership.domain.values import parse_ulid

R = TypeVar("R")

RETRY_WAITS_S = (0.1, 0.4)
SYNC_TIMEOUT_S = 60.0
"""Peers that do not answer take up to 5 s each, and many are asked at once."""
_UNAVAILABLE_STATUSES = frozenset({502, 503, 504})


class MembershipClient:
    """
    Calls one agent, as an async context manager or until `close`.

    Every method raises `ApiError`, `ConnectionFailed` or `UnexpectedReply`; those that take an id
    raise `membership.domain.errors.InvalidId` for what is none, before anything is sent.

    Args:
        url: Where the agent listens, such as `http://127.0.0.1:8080`.
        token: A bearer token; may be empty for the calls that need none.
        session: Used and left open when given; otherwise the client makes its own.
        retry_waits_s: How long to wait before each repetition of a read, in seconds.

    Raises:
        ValueError: *url* is no HTTP address, or *token* no token.
    """

    def __init__(
        self,
        url: str,
        token: str = "",
        session: aiohttp.ClientSession | None = None,
        *,
        retry_waits_s: Sequence[float] = RETRY_WAITS_S,
    ) -> None:
        self.url = parse_url(url)
        self._token = check_token(token)
        self._session = session
        self._owns_session = session is None
        self._retry_waits_s = retry_waits_s

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections that the client opened itself."""
        if self._session is not None and self._owns_session:
            await self._session.close()
            self._session = None

    async def list_peers(self, *, is_local: bool | None = None) -> Sequence[Peer]:
        """Return the active peers, or one side of them."""
        query = {} if is_local is None else {"is_local": str(is_local).lower()}
        return await self._get(tuple[Peer, ...], "/v1/peers", query)

    async def get_peer(self, peer_id: str) -> Peer:
        """Return one active peer."""
        return await self._get(Peer, f"/v1/peers/{parse_ulid(peer_id)}")

    async def add_peer(self, address: str, name: str = "") -> Peer:
        """Add the agent at *address*, under a label of this agent if *name* is given."""
        body = {"address": address} | ({"name": name} if name else {})
        return await self._call(Peer, Call("POST", "/v1/peers", body=body))

    async def rename_peer(self, peer_id: str, name: str) -> Peer:
        """Name the local peer for everybody, or a remote one for this agent."""
        path = f"/v1/peers/{parse_ulid(peer_id)}"
        return await self._call(Peer, Call("PUT", path, body={"name": name}))

    async def remove_peer(self, peer_id: str) -> None:
        """Remove a remote peer."""
        await self._call(Deletion, Call("DELETE", f"/v1/peers/{parse_ulid(peer_id)}"))

    async def leave(self) -> Departure:
        """Take the agent itself out of the cluster, for good."""
        return await self._call(Departure, Call("DELETE", "/v1/peers/self"))

    async def list_services(self) -> Sequence[Service]:
        """Return the registered services, active or not."""
        return await self._get(tuple[Service, ...], "/v1/services")

    async def get_service(self, service_id: str) -> Service:
        """Return one service."""
        return await self._get(Service, f"/v1/services/{parse_ulid(service_id)}")

    async def register_service(
        self, name: str, *, source_peer_id: str, target_peer_id: str
    ) -> Service:
        """Register a service between two active peers."""
        body = {
            "name": name,
            "source_peer_id": parse_ulid(source_peer_id),
            "target_peer_id": parse_ulid(target_peer_id),
        }
        return await self._call(Service, Call("POST", "/v1/services", body=body))

    async def remove_service(self, service_id: str) -> None:
        """Remove a service."""
        await self._call(Deletion, Call("DELETE", f"/v1/services/{parse_ulid(service_id)}"))

    async def cluster_status(self) -> ClusterStatus:
        """Return how the agent, its licence and its peers stand."""
        return await self._get(ClusterStatus, "/v1/cluster/status")

    async def sync(self, wait_s: int = 0) -> SyncReport:
        """
        Let the agent compare what it knows with all its peers now, and return who agrees.

        Args:
            wait_s: How long to go on while somebody who answers does not agree, 0 to 60 seconds.
        """
        call = Call(
            "POST",
            "/v1/cluster/sync",
            query={"wait": str(wait_s)} if wait_s else {},
            timeout_s=wait_s + SYNC_TIMEOUT_S,
        )
        return await self._call(SyncReport, call)

    async def cluster_identity(self) -> Identity:
        """Return what the agent tells everybody about itself; needs no token."""
        return await self._get(Identity, "/v1/cluster/identity")

    async def get_license(self) -> License:
        """Return the agent's licence, without its secret."""
        return await self._get(License, "/v1/license")

    async def renew_license(self, document: bytes) -> License:
        """Install a renewed licence; *document* is the file as it was issued."""
        return await self._call(License, Call("PUT", "/v1/license", body=document))

    async def get_checkpoint(self) -> Checkpoint:
        """Return the newest signed statement of the agent about its log, unverified."""
        call = Call("GET", "/v1/log/checkpoint", accept="text/plain")
        return await self._read(Checkpoint, call)

    async def prove_inclusion(self, position: int, size: int | None = None) -> InclusionProof:
        """
        Return the proof that the event at *position* is in the log.

        Args:
            position: From 1, as in `X-Log-Position`.
            size: Of the log that it is to be proved in; that of the newest checkpoint when None.
        """
        query = {"position": str(position)} | ({} if size is None else {"size": str(size)})
        return await self._get(InclusionProof, "/v1/log/proof/inclusion", query)

    async def prove_consistency(
        self, from_size: int, to_size: int | None = None
    ) -> ConsistencyProof:
        """
        Return the proof that the log of *to_size* begins with that of *from_size*.

        Args:
            to_size: That of the newest checkpoint when None.
        """
        query = {"from": str(from_size)} | ({} if to_size is None else {"to": str(to_size)})
        return await self._get(ConsistencyProof, "/v1/log/proof/consistency", query)

    async def request_token(
        self, client_id: str, client_secret: str, scopes: Sequence[str] = ()
    ) -> AccessToken:
        """
        Return a token for a client's credentials (RFC 6749, section 4.4).

        It is not used by this client: give it to a new one.
        """
        form = {
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": client_secret,
        }
        if scopes:
            form["scope"] = " ".join(scopes)
        return await self._call(AccessToken, Call("POST", "/v1/oauth/token", form=form))

    async def _get(self, kind: type[R], path: str, query: Mapping[str, str] | None = None) -> R:
        return await self._read(kind, Call("GET", path, query=query or {}))

    async def _read(self, kind: type[R], call: Call) -> R:
        for wait_s in self._retry_waits_s:
            try:
                return await self._call(kind, call)
            except ConnectionFailed:
                pass
            except ApiError as error:
                if error.status not in _UNAVAILABLE_STATUSES:
                    raise
            await asyncio.sleep(wait_s)
        return await self._call(kind, call)

    async def _call(self, kind: type[R], call: Call) -> R:
        if self._session is None:
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        answer = await exchange(self._session, self.url, self._token, call)
        try:
            return decode(kind, answer)
        except ValueError as error:
            raise UnexpectedReply(self.url, str(error)) from None
