"""The client against answers in the contract's shapes."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

import aiohttp
import pytest
from aiohttp.test_utils import TestServer, unused_port

from membership.client import (
    AccessToken,
    AgentHealth,
    ApiError,
    Checkpoint,
    ClusterStatus,
    ConnectionFailed,
    ConsistencyProof,
    Departure,
    Identity,
    InclusionProof,
    Introduction,
    License,
    LicenseUsage,
    LocalPeer,
    MembershipClient,
    Peer,
    PeerStanding,
    Service,
    SyncReport,
    UnexpectedReply,
    Unreachable,
)
from membership.domain.errors import InvalidId
from tests.client import fake_agent as fake
from tests.client.fake_agent import LOCAL_ID, REMOTE_ID, SERVICE_ID, FakeAgent, refusal


@pytest.fixture
async def agent() -> FakeAgent:
    """Return an agent without answers."""
    return FakeAgent()


@pytest.fixture
async def client(agent: FakeAgent) -> AsyncIterator[MembershipClient]:
    """Return a client of the agent, that does not wait before it tries again."""
    async with TestServer(agent.app()) as server:
        url = str(server.make_url("/"))
        async with MembershipClient(url, "t.o.k", retry_waits_s=(0, 0)) as client:
            yield client


Ask = Callable[[MembershipClient], Awaitable[object]]

STATUS = ClusterStatus(
    observed_at="2026-01-31T12:00:05.000000Z",
    peer=LocalPeer(**fake.LOCAL, is_active=True, version=2),
    cluster_id="00112233445566778899aabbccddeeff",
    digest="ffeeddccbbaa99887766554433221100",
    health=AgentHealth(**fake.HEALTH),
    license=LicenseUsage(**fake.USAGE),
    log_position=7,
    peers=(PeerStanding(**fake.DOWN),),
    introductions=(Introduction(**fake.INTRODUCTION),),
    software="membership/0.1.0",
)
AGREED = SyncReport(agreed=True, agreeing=(REMOTE_ID,), differing=(), unreachable=())
NOT_AGREED = SyncReport(
    agreed=False,
    agreeing=(),
    differing=(SERVICE_ID,),
    unreachable=(Unreachable(peer_id=REMOTE_ID, reason="no answer within 5 seconds"),),
)
IDENTITY = Identity(**(fake.IDENTITY | {"protocol_versions": (1,)}))
CHECKPOINT = Checkpoint(origin="example.com/log", size=7, root="cm9vdA==", note=fake.CHECKPOINT)
INCLUSION = InclusionProof(**(fake.INCLUSION | {"hashes": ("b25l", "dHdv")}))
CONSISTENCY = ConsistencyProof(**(fake.CONSISTENCY | {"hashes": ("b25l",)}))
CASES: list[tuple[str, Any, Ask, object, object]] = [
    ("GET /v1/peers", [fake.LOCAL], lambda c: c.list_peers(), None, (Peer(**fake.LOCAL),)),
    ("GET /v1/peers?is_local=false", [], lambda c: c.list_peers(is_local=False), None, ()),
    (
        f"GET /v1/peers/{REMOTE_ID}",
        fake.REMOTE,
        lambda c: c.get_peer(REMOTE_ID.lower()),
        None,
        Peer(**fake.REMOTE),
    ),
    (
        "POST /v1/peers",
        fake.REMOTE,
        lambda c: c.add_peer("192.0.2.7:8080"),
        {"address": "192.0.2.7:8080"},
        Peer(**fake.REMOTE),
    ),
    (
        "POST /v1/peers",
        fake.REMOTE,
        lambda c: c.add_peer("192.0.2.7:8080", "beta"),
        {"address": "192.0.2.7:8080", "name": "beta"},
        Peer(**fake.REMOTE),
    ),
    (
        f"PUT /v1/peers/{REMOTE_ID}",
        fake.REMOTE,
        lambda c: c.rename_peer(REMOTE_ID, ""),
        {"name": ""},
        Peer(**fake.REMOTE),
    ),
    (
        f"DELETE /v1/peers/{REMOTE_ID}",
        fake.DELETED,
        lambda c: c.remove_peer(REMOTE_ID),
        None,
        None,
    ),
    (
        "DELETE /v1/peers/self",
        fake.DEPARTURE,
        lambda c: c.leave(),
        None,
        Departure(**fake.DEPARTURE),
    ),
    (
        "GET /v1/services",
        [fake.SERVICE],
        lambda c: c.list_services(),
        None,
        (Service(**fake.SERVICE),),
    ),
    (
        f"GET /v1/services/{SERVICE_ID}",
        fake.SERVICE | {"is_active": False, "inactive_reason": "gone"},
        lambda c: c.get_service(SERVICE_ID),
        None,
        Service(**(fake.SERVICE | {"is_active": False, "inactive_reason": "gone"})),
    ),
    (
        "POST /v1/services",
        fake.SERVICE,
        lambda c: c.register_service("backup", source_peer_id=LOCAL_ID, target_peer_id=REMOTE_ID),
        {"name": "backup", "source_peer_id": LOCAL_ID, "target_peer_id": REMOTE_ID},
        Service(**fake.SERVICE),
    ),
    (
        f"DELETE /v1/services/{SERVICE_ID}",
        fake.DELETED,
        lambda c: c.remove_service(SERVICE_ID),
        None,
        None,
    ),
    ("GET /v1/cluster/status", fake.STATUS, lambda c: c.cluster_status(), None, STATUS),
    ("POST /v1/cluster/sync", fake.AGREED, lambda c: c.sync(), None, AGREED),
    ("POST /v1/cluster/sync?wait=5", fake.NOT_AGREED, lambda c: c.sync(5), None, NOT_AGREED),
    ("GET /v1/cluster/identity", fake.IDENTITY, lambda c: c.cluster_identity(), None, IDENTITY),
    (
        "GET /v1/license",
        fake.LICENSE,
        lambda c: c.get_license(),
        None,
        License(**fake.LICENSE),
    ),
    (
        "PUT /v1/license",
        fake.LICENSE,
        lambda c: c.renew_license(b'{"a": 1}'),
        {"a": 1},
        License(**fake.LICENSE),
    ),
    ("GET /v1/log/checkpoint", fake.CHECKPOINT, lambda c: c.get_checkpoint(), None, CHECKPOINT),
    (
        "GET /v1/log/proof/inclusion?position=3",
        fake.INCLUSION,
        lambda c: c.prove_inclusion(3),
        None,
        INCLUSION,
    ),
    (
        "GET /v1/log/proof/inclusion?position=3&size=7",
        fake.INCLUSION,
        lambda c: c.prove_inclusion(3, 7),
        None,
        INCLUSION,
    ),
    (
        "GET /v1/log/proof/consistency?from=3",
        fake.CONSISTENCY,
        lambda c: c.prove_consistency(3),
        None,
        CONSISTENCY,
    ),
    (
        "GET /v1/log/proof/consistency?from=3&to=7",
        fake.CONSISTENCY,
        lambda c: c.prove_consistency(3, 7),
        None,
        CONSISTENCY,
    ),
]


@pytest.mark.parametrize(("call", "body", "ask", "sent", "expected"), CASES)
async def test_a_call_is_sent_as_the_contract_says_and_its_answer_understood(
    agent: FakeAgent,
    client: MembershipClient,
    *,
    call: str,
    body: object,
    ask: Ask,
    sent: object,
    expected: object,
) -> None:
    agent.answers(call, body)
    assert await ask(client) == expected
    [seen] = agent.seen
    assert seen.call == call
    assert seen.headers["Authorization"] == "Bearer t.o.k"
    assert (seen.json if seen.body else None) == sent


async def test_credentials_are_sent_as_a_form_and_a_token_comes_back(
    agent: FakeAgent, client: MembershipClient
) -> None:
    agent.answers("POST /v1/oauth/token", fake.TOKEN)
    token = await client.request_token("me", "p&ss", ["peers.read", "admin"])
    assert token == AccessToken(
        access_token="a.b.c", token_type="Bearer", expires_in=900, scope="admin"
    )
    assert "a.b.c" not in repr(token)
    assert parse_qs(agent.seen[0].body.decode()) == {
        "grant_type": ["client_credentials"],
        "client_id": ["me"],
        "client_secret": ["p&ss"],
        "scope": ["peers.read admin"],
    }


async def test_a_refusal_carries_everything_that_the_agent_said(
    agent: FakeAgent, client: MembershipClient
) -> None:
    agent.answers("POST /v1/peers", refusal("HANDSHAKE_FAILED", reason="refused"), 422)
    with pytest.raises(ApiError) as refused:
        await client.add_peer("192.0.2.7:8080")
    error = refused.value
    assert (error.status, error.code, error.request_id) == (422, "HANDSHAKE_FAILED", "R1")
    assert error.message == str(error) == "that is not how it is done"
    assert error.details == {"reason": "refused"}


async def test_a_refusal_in_the_words_of_oauth_is_told_in_its_sentence(
    agent: FakeAgent, client: MembershipClient
) -> None:
    body = {"error": "invalid_client", "error_description": "wrong secret", "code": "UNAUTHORIZED"}
    agent.answers("POST /v1/oauth/token", body, 401)
    with pytest.raises(ApiError, match="wrong secret"):
        await client.request_token("me", "x")


async def test_a_refusal_without_an_explanation_is_one_all_the_same(
    agent: FakeAgent, client: MembershipClient
) -> None:
    agent.answers("DELETE /v1/peers/self", b"<html>", 500)
    with pytest.raises(ApiError, match="500") as refused:
        await client.leave()
    assert refused.value.code == "UNKNOWN"


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"<html>", 200, "status 200"),
        (b"{}", 302, "status 302"),
        ({"peers": []}, 200, "the body is of the kind dict"),
        ([{"id": "x"}], 200, "name is missing"),
        ([fake.LOCAL | {"is_local": 1}], 200, "is_local is of the kind int"),
        ([None], 200, "an item of the body"),
    ],
)
async def test_what_no_agent_would_answer_is_told_as_such(
    agent: FakeAgent, client: MembershipClient, body: object, status: int, says: str
) -> None:
    agent.answers("GET /v1/peers", body, status)
    with pytest.raises(UnexpectedReply, match=says):
        await client.list_peers()


@pytest.mark.parametrize("note", ["", "hello", "a\nb\nc\n\n— d e\n", "a\n1\nb\n"])
async def test_a_text_that_is_no_checkpoint_is_told_as_such(
    agent: FakeAgent, client: MembershipClient, note: str
) -> None:
    agent.answers("GET /v1/log/checkpoint", note)
    with pytest.raises(UnexpectedReply, match="the note is no checkpoint"):
        await client.get_checkpoint()


async def test_a_text_where_json_was_asked_for_is_told_as_such(
    agent: FakeAgent, client: MembershipClient
) -> None:
    agent.answers("GET /v1/license", "not yet")
    with pytest.raises(UnexpectedReply, match="text/plain"):
        await client.get_license()


async def test_a_checkpoint_that_is_refused_is_refused_in_json(
    agent: FakeAgent, client: MembershipClient
) -> None:
    agent.answers("GET /v1/log/checkpoint", refusal("FORBIDDEN"), 403)
    with pytest.raises(ApiError, match="that is not how it is done"):
        await client.get_checkpoint()


async def test_a_newer_agent_may_say_more(agent: FakeAgent, client: MembershipClient) -> None:
    agent.answers(f"GET /v1/peers/{LOCAL_ID}", fake.LOCAL | {"colour": "blue"})
    assert (await client.get_peer(LOCAL_ID)).name == "alpha"


async def test_a_read_is_tried_again_while_the_agent_is_unavailable(
    agent: FakeAgent, client: MembershipClient
) -> None:
    agent.answers("GET /v1/peers", refusal("UNAVAILABLE"), 503)
    agent.answers("GET /v1/peers", b"bad gateway", 502)
    agent.answers("GET /v1/peers", [])
    assert await client.list_peers() == ()
    assert len(agent.seen) == 3


async def test_a_read_that_was_refused_is_not_tried_again(
    agent: FakeAgent, client: MembershipClient
) -> None:
    agent.answers("GET /v1/peers", refusal("FORBIDDEN"), 403)
    with pytest.raises(ApiError):
        await client.list_peers()
    assert len(agent.seen) == 1


async def test_a_write_is_never_tried_again(agent: FakeAgent, client: MembershipClient) -> None:
    agent.answers("POST /v1/peers", refusal("UNAVAILABLE"), 503)
    with pytest.raises(ApiError):
        await client.add_peer("192.0.2.7:8080")
    assert len(agent.seen) == 1


@pytest.mark.parametrize("text", ["self", "", "..", "01HXYZ5Y8N3Q4V7W2K9M6T1R0", "?x"])
async def test_what_is_no_id_is_refused_before_anything_is_sent(
    agent: FakeAgent, client: MembershipClient, text: str
) -> None:
    calls: list[Ask] = [
        lambda c: c.remove_peer(text),
        lambda c: c.get_peer(text),
        lambda c: c.rename_peer(text, "x"),
        lambda c: c.get_service(text),
        lambda c: c.remove_service(text),
    ]
    for call in calls:
        with pytest.raises(InvalidId):
            await call(client)
    assert agent.seen == []


async def test_nobody_at_the_address_is_a_failed_connection() -> None:
    url = f"http://127.0.0.1:{unused_port()}"
    async with MembershipClient(url, retry_waits_s=(0,)) as client:
        with pytest.raises(ConnectionFailed, match="nothing listens there") as failed:
            await client.cluster_identity()
    assert failed.value.url == url


async def test_a_session_that_was_lent_is_left_open(agent: FakeAgent) -> None:
    agent.answers("GET /v1/cluster/identity", fake.IDENTITY)
    async with TestServer(agent.app()) as server, aiohttp.ClientSession() as session:
        async with MembershipClient(str(server.make_url("/")), session=session) as client:
            await client.cluster_identity()
        assert not session.closed
    assert "Authorization" not in agent.seen[0].headers


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:8080", "ftp://a", "http://", "http://u:p@a", "http://a:x", "http://a/?b"]
)
def test_what_is_no_address_of_an_agent_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="write it like"):
        MembershipClient(url)


@pytest.mark.parametrize("token", ["a b", "a\nb", "ä"])
def test_what_can_be_no_token_is_refused_at_once(token: str) -> None:
    with pytest.raises(ValueError, match="the token holds"):
        MembershipClient("http://127.0.0.1:8080", token)
