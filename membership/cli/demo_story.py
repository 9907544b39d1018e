"""What happens in the demo, chapter by chapter."""

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from membership import wiring
from membership.cli.demo_agent import DemoAgent
from membership.cli.demo_stage import Stage, Unexpected
from membership.cli.output import details
from membership.cli.peer_tables import departure_details, peers_table
from membership.cli.service_tables import services_table
from membership.cli.status_tables import render as status_table
from membership.client import ApiError, ClusterStatus, Peer

NEW_NAME = "frankfurt"
LABEL = "spare"


class Cast(NamedTuple):
    """Three agents that hold the same licence."""

    alpha: DemoAgent
    beta: DemoAgent
    gamma: DemoAgent


class Chapter(NamedTuple):
    """A title, one sentence on what is about to happen, and the doing."""

    title: str
    sentence: str
    play: Callable[[Stage, Cast], Awaitable[None]]


async def _start(stage: Stage, cast: Cast) -> None:
    for agent in cast:
        await agent.start()
        await _expect_peers(stage, agent, f"{agent.name} knows nobody but itself", [agent])
    await _show_peers(stage, cast.alpha)


async def _add(stage: Stage, cast: Cast) -> None:
    alpha, beta, _ = cast
    await alpha.client.add_peer(beta.address)
    await _expect_peers(stage, alpha, "alpha lists beta", [alpha, beta])
    await _expect_peers(stage, beta, "beta lists alpha", [alpha, beta])
    await _show_peers(stage, beta)


async def _grow(stage: Stage, cast: Cast) -> None:
    alpha, beta, gamma = cast
    await _introduce(beta, gamma)
    await _introduce(gamma, alpha)
    for agent in cast:
        await _expect_peers(stage, agent, f"{agent.name} lists all three", cast)
    await _show_peers(stage, gamma)


async def _introduce(agent: DemoAgent, other: DemoAgent) -> None:
    try:
        await agent.client.add_peer(other.address)
    except ApiError as error:
        # It may have heard of the other one by itself in the meantime.
        if error.code != "ALREADY_EXISTS":
            raise


async def _rename(stage: Stage, cast: Cast) -> None:
    alpha, beta, gamma = cast
    await beta.client.rename_peer(beta.id, NEW_NAME)
    await alpha.client.rename_peer(gamma.id, LABEL)
    for agent in (alpha, gamma):
        await _expect_name(
            stage, agent, f"{agent.name} calls beta “{NEW_NAME}” now", beta, NEW_NAME
        )
    await _expect_name(stage, alpha, f"alpha calls gamma “{LABEL}”", gamma, LABEL)
    await _expect_name(stage, beta, "to beta, gamma is still gamma", gamma, "gamma")
    await _show_peers(stage, alpha)


async def _register(stage: Stage, cast: Cast) -> None:
    alpha, _, gamma = cast
    await alpha.client.register_service(
        "replication", source_peer_id=alpha.id, target_peer_id=gamma.id
    )
    await _expect_service(stage, alpha, "the service is active", is_active=True)
    await _show_services(stage, alpha)


async def _leave_unheard(stage: Stage, cast: Cast) -> None:
    alpha, beta, gamma = cast
    await alpha.kill()
    await gamma.client.leave()
    await _expect_peers(stage, beta, "beta was told: gamma is in its list no more", [alpha, beta])
    status = await stage.expect(
        "gamma knows that alpha has not heard, and goes on trying",
        gamma.client.cluster_status,
        lambda status: _is_unheard(status, alpha.id),
    )
    stage.table(f"membership status --url {gamma.url}", status_table(status))


def _is_unheard(status: ClusterStatus, peer_id: str) -> bool:
    unheard = [peer.peer_id for peer in status.peers if peer.is_behind and peer.attempts]
    return not status.peer.is_active and unheard == [peer_id]


async def _catch_up(stage: Stage, cast: Cast) -> None:
    alpha, beta, _ = cast
    await alpha.start()
    await _expect_peers(stage, alpha, "alpha heard that gamma left", [alpha, beta])
    await _expect_name(stage, alpha, "alpha still knows beta's new name", beta, NEW_NAME)
    await _expect_service(stage, alpha, "the service is inactive", is_active=False)
    await _show_services(stage, alpha)


async def _remove(stage: Stage, cast: Cast) -> None:
    alpha, beta, _ = cast
    await beta.stop()
    await alpha.client.remove_peer(beta.id)
    await _expect_peers(stage, alpha, "alpha lists itself alone", [alpha])
    await _show_peers(stage, alpha)


async def _leave_again(stage: Stage, cast: Cast) -> None:
    gamma = cast.gamma
    first = await gamma.client.leave()
    departure = await stage.expect(
        "leaving twice gives the same answer", gamma.client.leave, lambda again: again == first
    )
    await stage.expect(
        "gamma accepts no changes any more",
        lambda: _refusal(gamma.client.rename_peer(gamma.id, "phoenix")),
        lambda code: code == "PEER_DEACTIVATED",
    )
    command = f"membership peers leave --url {gamma.url}"
    stage.table(command, departure_details(departure))


async def _refusal(call: Awaitable[Peer]) -> str:
    try:
        await call
    except ApiError as error:
        return error.code
    return "no refusal"


async def _check_log(stage: Stage, cast: Cast) -> None:
    alpha = cast.alpha
    await alpha.stop()
    report = wiring.rebuild(alpha.directory, progress=lambda _: None)
    if report.repaired:
        message = f"expected alpha's log and tables to agree\nfound: {'; '.join(report.repaired)}"
        raise Unexpected(message)
    stage.held("nothing was altered, and everything derived from the log agrees with it")
    lines = {"events": str(report.events), "repaired": "nothing", "root": report.root}
    stage.table(f"membership rebuild --data-dir {alpha.directory}", details(lines))


async def _expect_peers(
    stage: Stage, agent: DemoAgent, what: str, wanted: Sequence[DemoAgent]
) -> None:
    ids = {each.id for each in wanted}
    await stage.expect(
        what, agent.client.list_peers, lambda peers: {peer.id for peer in peers} == ids
    )


async def _expect_name(
    stage: Stage, agent: DemoAgent, what: str, peer: DemoAgent, name: str
) -> None:
    await stage.expect(what, lambda: agent.client.get_peer(peer.id), lambda p: p.name == name)


async def _expect_service(stage: Stage, agent: DemoAgent, what: str, *, is_active: bool) -> None:
    await stage.expect(
        what,
        agent.client.list_services,
        lambda services: [service.is_active for service in services] == [is_active],
    )


async def _show_peers(stage: Stage, agent: DemoAgent) -> None:
    peers = await agent.client.list_peers()
    stage.table(f"membership peers list --url {agent.url}    # {agent.name}", peers_table(peers))


async def _show_services(stage: Stage, agent: DemoAgent) -> None:
    services = await agent.client.list_services()
    stage.table(f"membership services list --url {agent.url}", services_table(services))


CHAPTERS = (
    Chapter(
        "Three agents start",
        "Each makes its own identity and key. They hold the same licence, and know nobody.",
        _start,
    ),
    Chapter(
        "alpha adds beta",
        "One request to alpha with beta's address: a handshake proves both, and both record it.",
        _add,
    ),
    Chapter(
        "gamma joins",
        "beta adds gamma, then gamma adds alpha, unless they have found each other already.",
        _grow,
    ),
    Chapter(
        "Names",
        "beta renames itself, which spreads to all; alpha gives gamma a label, which stays there.",
        _rename,
    ),
    Chapter(
        "A service",
        "alpha registers a service from itself to gamma; it is active while both peers are.",
        _register,
    ),
    Chapter(
        "alpha is killed, and gamma leaves",
        "While alpha lies dead, gamma takes itself out of the cluster for good and tells all.",
        _leave_unheard,
    ),
    Chapter(
        "alpha comes back",
        "It starts from its log and hears what it missed; the service turns inactive at once.",
        _catch_up,
    ),
    Chapter(
        "beta is removed",
        "beta is stopped, and alpha removes it all the same: a removal never asks the removed.",
        _remove,
    ),
    Chapter(
        "gamma leaves again",
        "Leaving is final: a second time changes nothing, and gamma takes no changes.",
        _leave_again,
    ),
    Chapter(
        "The log",
        "alpha stops, and every event that it ever wrote is read again and checked.",
        _check_log,
    ),
)
