"""
Every error that a client can receive: one table from class to status and code.

The domain's refusals are in it beside the API's own:

    ApiError                 never raised itself
    ├─ Unauthorized  TokenExpired  Forbidden
    ├─ NotFound  MethodNotAllowed
    ├─ PayloadTooLarge  UnsupportedMediaType
    ├─ RateLimited  Unavailable  CheckpointWithheld  HistoryNotReady
    └─ Internal
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from membership.domain import errors as domain
from membership.store.errors import AppendConflict, StoreUnavailable
from membership.store.writer import WriterStopped
from projections.runner import IndexBehind

RETRY_AFTER_S = 1
INDEX_RETRY_AFTER_S = 2
_CHALLENGE = 'Bearer realm="membership"'


class ApiError(Exception):
    """Something about the request itself, not about membership; *headers* go with the answer."""

    def __init__(
        self, message: str, headers: Mapping[str, str] | None = None, **details: object
    ) -> None:
        super().__init__(message)
        self.message = message
        self.headers = headers or {}
        self.details: Mapping[str, object] = details


class Unauthorized(ApiError):
    """There is no token, or none of this agent's; *problem* is None when there is none."""

    def __init__(self, message: str, problem: str | None = "invalid_token") -> None:
        challenge = _CHALLENGE if problem is None else f'{_CHALLENGE}, error="{problem}"'
        super().__init__(message, {"WWW-Authenticate": challenge})


class TokenExpired(ApiError):
    """The token was good once."""

    def __init__(self) -> None:
        challenge = f'{_CHALLENGE}, error="invalid_token", error_description="expired"'
        super().__init__(
            "the token has expired; ask for a new one at POST /v1/oauth/token",
            {"WWW-Authenticate": challenge},
        )


class Forbidden(ApiError):
    """The token does not allow this."""

    def __init__(self, scope: str) -> None:
        challenge = f'{_CHALLENGE}, error="insufficient_scope", scope="{scope}"'
        super().__init__(
            f"the token lacks the scope {scope}; ask for one that has it",
            {"WWW-Authenticate": challenge},
            scope=scope,
        )


class NotFound(ApiError):
    """Nothing has this path."""


class MethodNotAllowed(ApiError):
    """Something has this path, and does not know the method."""

    def __init__(self, allowed: Iterable[str]) -> None:
        methods = ", ".join(sorted(allowed))
        super().__init__(f"this path answers {methods} only", {"Allow": methods})


class PayloadTooLarge(ApiError):
    """The body is longer than any body needs to be."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"a body has at most {limit} bytes", limit=limit)


class UnsupportedMediaType(ApiError):
    """The body is not of the one type that is understood."""

    def __init__(self, expected: str) -> None:
        super().__init__(f"send the body as Content-Type: {expected}, in UTF-8", expected=expected)


class RateLimited(ApiError):
    """Too many requests for now."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(
            f"too many requests; try again in {retry_after_s} s",
            {"Retry-After": str(retry_after_s)},
        )


class Unavailable(ApiError):
    """The agent cannot write now: the disk is full or gone, or the agent is stopping."""

    def __init__(self) -> None:
        super().__init__(
            "the agent cannot write its log now; try again, and if it lasts look at its disk "
            "and its log output",
            {"Retry-After": str(RETRY_AFTER_S)},
        )


class CheckpointWithheld(ApiError):
    """The agent cannot say what its log is now, or must not; *reason* tells why."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"there is no checkpoint to answer with: {reason}", {"Retry-After": str(RETRY_AFTER_S)}
        )


class HistoryNotReady(ApiError):
    """The index of the history is being made out of the log; the log itself is complete."""

    def __init__(self, position: int, end: int) -> None:
        super().__init__(
            f"the index of the history is being made, {position:,} of {end:,} events are in it; "
            f"try again in {INDEX_RETRY_AFTER_S} s",
            {"Retry-After": str(INDEX_RETRY_AFTER_S)},
            position=position,
            end=end,
        )


class Internal(ApiError):
    """A bug. What happened is in the agent's log output under the request id, nowhere else."""

    def __init__(self) -> None:
        super().__init__("the agent failed to answer; look for the request_id in its log output")


class Row(NamedTuple):
    """How an error is told."""

    status: int
    code: str


_INVALID = Row(400, "INVALID_REQUEST")
_NOT_FOUND = Row(404, "NOT_FOUND")

TABLE: Mapping[type[Exception], Row] = {
    domain.InvalidRequest: _INVALID,
    domain.InvalidId: _INVALID,
    domain.InvalidAddress: _INVALID,
    domain.InvalidName: _INVALID,
    domain.InvalidPublicKey: _INVALID,
    domain.InvalidField: _INVALID,
    domain.PeerNotFound: _NOT_FOUND,
    domain.ServiceNotFound: _NOT_FOUND,
    domain.PeerAlreadyInCluster: Row(409, "ALREADY_EXISTS"),
    domain.PreconditionFailed: Row(412, "PRECONDITION_FAILED"),
    domain.HandshakeFailed: Row(422, "HANDSHAKE_FAILED"),
    domain.NodeLimitExceeded: Row(422, "NODE_LIMIT_EXCEEDED"),
    domain.LicenseMismatch: Row(422, "LICENSE_MISMATCH"),
    domain.LicenseExpired: Row(422, "LICENSE_EXPIRED"),
    domain.LicenseInvalid: Row(422, "LICENSE_INVALID"),
    domain.CannotRemoveLocalPeer: Row(422, "CANNOT_DELETE_LOCAL"),
    domain.LocalPeerDeactivated: Row(422, "PEER_DEACTIVATED"),
    Unauthorized: Row(401, "UNAUTHORIZED"),
    TokenExpired: Row(401, "TOKEN_EXPIRED"),
    Forbidden: Row(403, "FORBIDDEN"),
    NotFound: _NOT_FOUND,
    MethodNotAllowed: Row(405, "METHOD_NOT_ALLOWED"),
    PayloadTooLarge: Row(413, "PAYLOAD_TOO_LARGE"),
    UnsupportedMediaType: Row(415, "UNSUPPORTED_MEDIA_TYPE"),
    RateLimited: Row(429, "RATE_LIMITED"),
    Internal: Row(500, "INTERNAL"),
    Unavailable: Row(503, "UNAVAILABLE"),
    CheckpointWithheld: Row(503, "UNAVAILABLE"),
    HistoryNotReady: Row(503, "UNAVAILABLE"),
}

Told = domain.MembershipError | ApiError
"""An error that has a row."""


def tellable(error: Exception) -> Told:
    """Return *error* if it has a row, else what the client is told in its place."""
    if isinstance(error, domain.MembershipError | ApiError) and type(error) in TABLE:
        return error
    if isinstance(error, IndexBehind):
        return HistoryNotReady(error.position, error.end)
    if isinstance(error, StoreUnavailable | AppendConflict | WriterStopped):
        return Unavailable()
    return Internal()
