"""The log on stderr: two formats, one line each, no values of a traceback."""

import json
import logging
from collections.abc import Iterator

import pytest

from membership.cli.logging_setup import set_up_logging

Captured = pytest.CaptureFixture[str]
log = logging.getLogger("membership.some.module")


@pytest.fixture(autouse=True)
def _root_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def fail() -> None:
    secret = "k3y"
    message = f"it broke {len(secret)} times\nand more"
    raise RuntimeError(message)


def test_json_is_one_object_a_line(capsys: Captured) -> None:
    set_up_logging("json", "info")
    log.info("reached %s again", "beta")
    said = capsys.readouterr()
    assert said.out == ""
    event = json.loads(said.err)
    assert event.pop("timestamp").endswith("Z")
    assert event == {
        "event": "reached beta again",
        "level": "info",
        "logger": "membership.some.module",
    }


def test_console_is_one_line_without_colour_in_a_file(capsys: Captured) -> None:
    set_up_logging("console", "info")
    log.warning("a line\nthat \x1b[31mlies")
    [line] = capsys.readouterr().err.splitlines()
    assert "warning" in line
    assert "membership.some.module" in line
    assert "\x1b" not in line


def test_what_is_below_the_level_is_not_logged(capsys: Captured) -> None:
    set_up_logging("json", "warning")
    log.info("quiet")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_an_error_is_told_with_its_places_and_without_its_values(
    capsys: Captured, log_format: str
) -> None:
    set_up_logging(log_format, "info")
    try:
        fail()
    except RuntimeError:
        log.exception("unforeseen")
    [line] = capsys.readouterr().err.splitlines()
    assert "RuntimeError: it broke 3 times" in line
    assert "test_logging_setup.py:" in line
    assert "k3y" not in line
    assert "Traceback" not in line
