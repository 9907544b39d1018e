"""What the simulation has found, each as the shortest story that showed it."""

from tests.simulation.__main__ import agents_of
from tests.simulation.story import Step, Story, draw_story
from tests.simulation.telling import tell


def _tell(agents: int, *steps: tuple[str, float, int, int, float]) -> str:
    return tell(Story(seed=0, agents=agents, steps=[Step(*step) for step in steps])).broken


def test_an_agent_set_back_to_before_a_move_that_it_makes_again_is_believed() -> None:
    # It signed the same version twice, with the same address and name, at two moments. Its peers
    # kept the first, it had the second, and neither said anything that the other one did not.
    broken = _tell(
        2,
        ("add", 1.0, 0, 1, 0.5),
        ("move", 3.2, 0, 1, 0.6248),
        ("restore", 13.9, 0, 1, 0.4083),
        ("stop", 22.2, 1, 0, 0.5),
    )

    assert broken == ""


def test_a_lie_that_came_first_reaches_whom_it_is_about() -> None:
    # The truth, of the same version, was refused; and the victim, whose disk was full just then,
    # could not take note of why. Both digests were equal, so nobody ever spoke of it again.
    broken = _tell(
        3,
        ("add", 1.0, 0, 1, 0.5),
        ("add", 1.0, 1, 2, 0.5),
        ("contradict", 30.0, 0, 2, 0.4),
        ("rename", 0.0, 0, 1, 0.5),
        ("fill disk", 0.0, 0, 1, 0.9),
        ("mend", 60.0, 0, 1, 0.5),
    )

    assert broken == ""


def test_an_agent_set_back_behind_its_last_change_is_believed_again() -> None:
    broken = _tell(
        3,
        ("add", 1.0, 0, 1, 0.5),
        ("add", 1.0, 1, 2, 0.5),
        ("rename", 20.0, 0, 1, 0.1),
        ("rename", 2.0, 0, 1, 0.2),
        ("restore", 10.0, 0, 1, 0.0),
        ("rename", 2.0, 0, 1, 0.3),
    )

    assert broken == ""


def test_a_lie_told_to_whom_its_subject_has_removed_is_passed_on_to_the_subject() -> None:
    # The liar's victim and the one who believed had no contact any more, and the third, who had
    # contact with both, kept the contradiction to itself.
    broken = _tell(
        3,
        ("add", 1.0, 0, 1, 0.5),
        ("add", 1.0, 1, 2, 0.5),
        ("crash", 4.93, 1, 0, 0.5408),
        ("remove", 0.96, 0, 2, 0.5),
        ("contradict", 5.8, 0, 2, 0.6419),
        ("rename", 8.0, 0, 1, 0.5),
    )

    assert broken == ""


def test_nothing_more_is_noted_of_the_log_of_a_peer_that_left() -> None:
    # It had been set back before it left, and a third agent passed its newest checkpoint on.
    outcome = tell(draw_story(10_267, agents_of(10_267, None), 1.5))

    assert outcome.broken == ""
