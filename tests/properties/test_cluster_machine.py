"""
Two to four agents, and whatever hypothesis thinks of: a state machine over whole agents.

The stories of `tests.simulation` are drawn by chance; here the steps are searched for, and a
failing run is shrunk to its core. Agents, network, faults and promises are the same.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.peering.virtual_time import VirtualTimeLoop
from tests.simulation import promises
from tests.simulation.stage import Stage, set_up
from tests.simulation.story import Step
from tests.simulation.telling import PATIENCE_S, STEPS, end, settle

AGENTS = st.integers(2, 4)
HOSTS = st.integers(0, 3)
DICE = st.sampled_from([0.0, 0.2, 0.4, 0.6, 0.8, 0.95])
PAUSES_S = st.sampled_from([0.0, 0.5, 3.0, 15.0, 90.0])
OPERATORS = ("add", "rename", "label", "remove", "leave")
MACHINES = ("crash", "stop", "move", "restore", "fill disk", "lose answer", "restart all", "clock")
NETWORK = ("cut", "split", "mend", "storm", "slow")
ATTACKERS = (
    "replay",
    "spoil",
    "reflect",
    "misdirect",
    "forge",
    "babble",
    "contradict",
    "invent",
    "fork",
)


class ClusterMachine(RuleBasedStateMachine):
    """Adds, names, removals, departures, crashes, faults and attacks, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualTimeLoop()
        self.stage: Stage | None = None

    def run(self, work: Coroutine[Any, Any, Any]) -> None:
        self.loop.run_until_complete(work)

    @initialize(agents=AGENTS, max_nodes=st.sampled_from([2, 100]))
    def begin(self, agents: int, max_nodes: int) -> None:
        self.stage = set_up(0, agents, max_nodes=max_nodes)
        for host in self.stage.hosts:
            self.run(host.start())

    def happen(self, what: str, who: int, other: int, dice: float, pause_s: float) -> None:
        assert self.stage is not None
        hosts = self.stage.hosts
        host, partner = hosts[who % len(hosts)], hosts[other % len(hosts)]
        if host is partner:
            partner = hosts[(who + 1) % len(hosts)]
        step = Step(what, pause_s, host.number, partner.number, dice)
        self.run(asyncio.sleep(pause_s))
        self.run(self.stage.run(STEPS[what](self.stage, host, partner, step), PATIENCE_S))
        self.stage.raise_failures()

    @rule(what=st.sampled_from(OPERATORS), who=HOSTS, other=HOSTS, dice=DICE, pause_s=PAUSES_S)
    def an_operator_asks(
        self, what: str, who: int, other: int, dice: float, pause_s: float
    ) -> None:
        self.happen(what, who, other, dice, pause_s)

    @rule(what=st.sampled_from(MACHINES), who=HOSTS, other=HOSTS, dice=DICE, pause_s=PAUSES_S)
    def a_machine_fails(self, what: str, who: int, other: int, dice: float, pause_s: float) -> None:
        self.happen(what, who, other, dice, pause_s)

    @rule(what=st.sampled_from(NETWORK), who=HOSTS, other=HOSTS, dice=DICE, pause_s=PAUSES_S)
    def the_network_changes(
        self, what: str, who: int, other: int, dice: float, pause_s: float
    ) -> None:
        self.happen(what, who, other, dice, pause_s)

    @precondition(lambda self: self.stage and self.stage.network.overheard)
    @rule(what=st.sampled_from(ATTACKERS), who=HOSTS, other=HOSTS, dice=DICE, pause_s=PAUSES_S)
    def an_attacker_tries(
        self, what: str, who: int, other: int, dice: float, pause_s: float
    ) -> None:
        self.happen(what, who, other, dice, pause_s)

    @invariant()
    def nobody_sits_twice(self) -> None:
        for host in self.stage.hosts if self.stage else ():
            promises.no_duplicates_and_no_more_than_licensed(host)

    def teardown(self) -> None:
        if self.stage is not None:
            try:
                self.run(settle(self.stage))
                self.stage.raise_failures()
                promises.all_are_kept(self.stage)
            finally:
                self.run(end(self.stage))
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()


def test_every_promise_is_kept_whatever_happens() -> None:
    run_state_machine_as_test(
        ClusterMachine,
        settings=settings(
            max_examples=60,
            stateful_step_count=25,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
