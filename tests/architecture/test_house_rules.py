"""What a reader may rely on in every corner of the house."""

import ast
import subprocess
from pathlib import Path

import pytest

from membership.domain.events import EVENT_TYPES, Event

ROOT = Path(__file__).parents[2]
MODULES = sorted(
    path.relative_to(ROOT)
    for package in ("membership", "projections")
    for path in (ROOT / package).rglob("*.py")
)
MAX_LINES = 300
EMPTY_WORDS = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}
TOP_LEVEL = {
    *("pyproject.toml", "membership", "projections", "tests", "bin", "config"),
    *("docs", "README.md", "CHANGELOG.md", "LICENSE", "SECURITY.md"),
}


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_module_is_a_small_room_with_a_sign_on_the_door(module: Path) -> None:
    source = (ROOT / module).read_text()

    assert len(source.splitlines()) <= MAX_LINES
    assert ast.get_docstring(ast.parse(source))
    assert not EMPTY_WORDS & set(module.with_suffix("").as_posix().replace("_", "/").split("/"))


def test_the_top_level_holds_what_it_should() -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    top = {line.split("/")[0] for line in listed if line}

    assert {name for name in top if not name.startswith(".")} <= TOP_LEVEL


def test_every_event_is_listed_under_a_name_of_its_own() -> None:
    def concrete(event: type[Event]) -> set[str]:
        below = set().union(*(concrete(child) for child in event.__subclasses__()))
        return below | ({event.__name__} if "stored_as" in vars(event) else set())

    assert concrete(Event) == {event.__name__ for event in EVENT_TYPES}
    assert len({event.stored_as for event in EVENT_TYPES}) == len(EVENT_TYPES)


def test_no_file_names_an_address_of_a_package_index() -> None:
    for lock in (ROOT / "config").glob("*.lock"):
        assert "://" not in lock.read_text()
