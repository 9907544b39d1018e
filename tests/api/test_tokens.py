"""Tokens: what they are made of, and everything that is none."""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import OKPKey

from membership.api.errors import Unauthorized
from membership.api.tokens import MAX_VERIFIED, TokenVerifier, mint_token
from membership.domain.values import PeerId
from membership.proof.signing import Signer
from tests.api.agent import BEGIN_US, Agent, ManualClock

SIGNER, PEER = Signer(b"k" * 32), PeerId("01J" + "0" * 23)


def _mint(signer: Signer = SIGNER, peer_id: str = PEER, token_id: str = "t") -> str:
    return mint_token(
        signer,
        peer_id=peer_id,
        subject="operator",
        scopes=["peers.read"],
        ttl_s=60,
        now_us=BEGIN_US,
        token_id=token_id,
    )


def _verifier() -> TokenVerifier:
    return TokenVerifier(SIGNER.public_key, PEER, ManualClock())


def _part(value: object) -> str:
    data = value if isinstance(value, bytes) else orjson.dumps(value)
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    header, claims, _ = token.split(".")
    return (
        orjson.loads(urlsafe_b64decode(header + "==")),
        orjson.loads(urlsafe_b64decode(claims + "==")),
    )


async def test_the_published_key_verifies_a_token(agent: Agent) -> None:
    [jwk] = (await agent.answer("GET /.well-known/jwks.json", scope=None))["keys"]
    assert "d" not in jwk
    key = OKPKey.import_key(jwk)
    token = jwt.decode(agent.token("peers.read"), key, algorithms=["Ed25519"])
    assert token.header == {"alg": "Ed25519", "typ": "JWT", "kid": key.thumbprint()}
    assert token.claims["iss"] == agent.names["local"]
    assert token.claims["exp"] - token.claims["iat"] == 3600
    assert token.claims.keys() == {"iss", "sub", "scope", "iat", "exp", "jti"}


def _hs256(header: dict[str, Any], claims: dict[str, Any]) -> str:
    signed = f"{_part({**header, 'alg': 'HS256'})}.{_part(claims)}"
    mac = hmac.new(SIGNER.public_key, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{_part(mac)}"


def _resigned(header: dict[str, Any], claims: dict[str, Any]) -> str:
    signed = f"{_part(header)}.{_part(claims)}"
    return f"{signed}.{_part(SIGNER.sign_bytes(signed.encode()))}"


HEADER, CLAIMS = _parts(_mint())
FORGED = {
    "nothing": "",
    "dots": "..",
    "text": "not-a-token",
    "another key": _mint(Signer(b"f" * 32)),
    "another agent with this key": _mint(peer_id="01J" + "1" * 23),
    "none": f"{_part({**HEADER, 'alg': 'none'})}.{_part(CLAIMS)}.",
    "hs256 with the public key": _hs256(HEADER, CLAIMS),
    "eddsa": _resigned({**HEADER, "alg": "EdDSA"}, CLAIMS),
    "another kid": _resigned({**HEADER, "kid": "k"}, CLAIMS),
    "own key in the header": _resigned({**HEADER, "jwk": {"kty": "OKP"}}, CLAIMS),
    "critical extension": _resigned({**HEADER, "crit": ["b64"], "b64": False}, CLAIMS),
    "no signature": _mint().rpartition(".")[0] + ".",
    "two parts": _mint().rpartition(".")[0],
    "four parts": _mint() + ".x",
    "more scopes": ".".join(
        [
            _mint().split(".")[0],
            _part({**CLAIMS, "scope": "admin"}),
            _mint().split(".")[2],
        ]
    ),
    "deep header": _part(b"[" * 7_000) + ".e30.AA",
    "not ascii": _mint() + "ä",
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_token_is_refused(name: str) -> None:
    with pytest.raises(Unauthorized):
        _verifier().verify(FORGED[name])


@given(st.text(max_size=200), st.integers(0, 400))
def test_no_change_of_a_token_passes(noise: str, at: int) -> None:
    token = _mint()
    changed = token[:at] + noise + token[at + len(noise) :]
    if changed == token:
        return
    with pytest.raises(Unauthorized):
        _verifier().verify(changed)


async def test_a_remembered_token_still_expires(agent: Agent) -> None:
    headers = {"Authorization": f"bearer {agent.token('peers.read', ttl_s=60)}"}
    for seconds, status in ((0, 200), (59, 200), (1, 401), (0, 401)):
        agent.clock.advance(seconds=seconds)
        response = await agent.call("GET /v1/peers", scope=None, headers=headers)
        assert response.status == status
    assert (await response.json())["code"] == "TOKEN_EXPIRED"


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer ", "Basic YTpi", "Token x", "\tx"])
async def test_another_kind_of_authorization_is_refused(agent: Agent, authorization: str) -> None:
    response = await agent.call(
        "GET /v1/peers", scope=None, headers={"Authorization": authorization}
    )
    assert (response.status, (await response.json())["code"]) == (401, "UNAUTHORIZED")


def test_only_so_many_tokens_are_remembered() -> None:
    verifier = _verifier()
    tokens = [_mint(token_id=str(number)) for number in range(MAX_VERIFIED + 3)]
    for token in tokens:
        verifier.verify(token)
    assert len(verifier._verified) == MAX_VERIFIED
    verifier.verify(tokens[0])


def test_the_actor_is_the_operator_or_the_client() -> None:
    assert _verifier().verify(_mint()).actor.kind == "operator"
    token = mint_token(
        SIGNER,
        peer_id=PEER,
        subject="C",
        scopes=["admin"],
        ttl_s=60,
        now_us=BEGIN_US,
        token_id="t",
        client_id="C",
    )
    actor = _verifier().verify(token).actor
    assert (actor.kind, actor.id, actor.scopes) == ("client", "C", ("admin",))
