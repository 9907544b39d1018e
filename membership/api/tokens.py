"""
Bearer tokens: JWTs that the agent signs with its own key.

The algorithm is `Ed25519` (RFC 9864), the key id the key's RFC 7638 thumbprint. A token's header
has exactly one possible text, and is compared with it before anything of the token is parsed: so
no other algorithm, key or critical extension ever comes to be considered.
"""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from membership.api.errors import TokenExpired, Unauthorized
from membership.api.scopes import allowed_by
from membership.commands.ports import Clock
from membership.domain.events import Actor
from membership.domain.values import PeerId, UnixUs
from membership.proof.signing import Signer

ALGORITHM = "Ed25519"
MAX_VERIFIED = 1_024
_US_PER_S = 1_000_000
_WHERE = "get one at POST /v1/oauth/token, or with: membership token"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """
    What a verified token says.

    Attributes:
        scopes: Everything that is allowed; what `admin` implies is spelled out.
    """

    actor: Actor
    scopes: frozenset[str]
    expires_at_us: UnixUs


def mint_token(
    signer: Signer,
    *,
    peer_id: str,
    subject: str,
    scopes: Sequence[str],
    ttl_s: int,
    now_us: int,
    token_id: str,
    client_id: str | None = None,
) -> str:
    """
    Return a signed token.

    Args:
        subject: Whom the log will name as the actor.
        ttl_s: How long it is good for, in seconds.
        client_id: The credential that asked for it; None for an operator on the agent's machine.
    """
    issued_at_s = now_us // _US_PER_S
    claims = {
        "iss": peer_id,
        "sub": subject,
        "scope": " ".join(scopes),
        "iat": issued_at_s,
        "exp": issued_at_s + ttl_s,
        "jti": token_id,
    }
    if client_id is not None:
        claims["client_id"] = client_id
    # Put together here and not by the library, which would need the private key itself.
    signing_input = f"{_header(signer.public_key)}.{_base64url(orjson.dumps(claims))}"
    return f"{signing_input}.{_base64url(signer.sign_bytes(signing_input.encode()))}"


def public_jwk(public_key: bytes) -> Mapping[str, str]:
    """Return the key as others need it to verify tokens (RFC 7517, RFC 8037)."""
    return {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": _base64url(public_key),
        "kid": _key(public_key).thumbprint(),
        "use": "sig",
        "alg": ALGORITHM,
    }


class TokenVerifier:
    """
    Tells what a token allows; remembers the tokens that it verified.

    Only verified tokens are remembered, so that strangers cannot push anybody's token out.
    """

    def __init__(self, public_key: bytes, peer_id: PeerId, clock: Clock) -> None:
        self._key = _key(public_key)
        self._prefix = _header(public_key) + "."
        self._peer_id = peer_id
        self._clock = clock
        self._verified: dict[bytes, Grant] = {}

    def verify(self, token: str) -> Grant:
        """
        Return what *token* allows.

        Raises:
            Unauthorized: This agent never issued it.
            TokenExpired: It did, and its time is over.
        """
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        grant = self._verified.get(digest)
        if grant is None:
            grant = self._open(token)
            if len(self._verified) >= MAX_VERIFIED:
                del self._verified[next(iter(self._verified))]
            self._verified[digest] = grant
        if self._clock.now_us() >= grant.expires_at_us:
            raise TokenExpired
        return grant

    def _open(self, token: str) -> Grant:
        if not token.startswith(self._prefix):
            raise Unauthorized(f"this agent did not issue the token; {_WHERE}")
        try:
            claims = jwt.decode(token, self._key, algorithms=[ALGORITHM]).claims
        except (JoseError, ValueError):
            raise Unauthorized(f"the token is damaged; {_WHERE}") from None
        if claims.get("iss") != self._peer_id:
            raise Unauthorized(f"another agent issued the token; {_WHERE}")
        return _grant(claims)


def _grant(claims: Mapping[str, Any]) -> Grant:
    scopes = tuple(str(claims["scope"]).split())
    client_id = claims.get("client_id")
    kind = "operator" if client_id is None else "client"
    return Grant(
        actor=Actor(kind=kind, id=str(client_id or claims["sub"]), scopes=scopes),
        scopes=allowed_by(scopes),
        expires_at_us=UnixUs(int(claims["exp"]) * _US_PER_S),
    )


def _key(public_key: bytes) -> OKPKey:
    return OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": _base64url(public_key)})


def _header(public_key: bytes) -> str:
    fields = {"alg": ALGORITHM, "kid": _key(public_key).thumbprint(), "typ": "JWT"}
    return _base64url(orjson.dumps(fields))


def _base64url(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()
