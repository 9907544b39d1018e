"""The flags of the commands that have a data directory, and the settings out of them."""

import functools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import click

from membership.cli.exit_codes import Failure, Misconfigured
from membership.domain.errors import MembershipError
from membership.settings import ConfigurationError, Settings, load_settings
from membership.store.codec import CorruptEvent, UnknownEvent
from membership.store.data_directory import DataDirectoryError
from membership.store.errors import StoreError

DEFAULT_CONFIG = Path("config/membership.toml")

_DATA_DIR = click.option("--data-dir", metavar="PATH", help="Identity, licence and log. [data]")
_CONFIG = click.option(
    "--config",
    "config_file",
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="A TOML file of settings. [config/membership.toml, if there is one]",
)
_AGENT_OPTIONS = (
    _DATA_DIR,
    click.option("--listen", metavar="HOST:PORT", help="Where to listen. [127.0.0.1:8080]"),
    click.option(
        "--advertise", metavar="HOST:PORT", help="Where others reach it, if that is elsewhere."
    ),
    click.option("--license", "license_file", metavar="PATH", help="The cluster's licence."),
    click.option("--name", help="What a new agent calls itself."),
    _CONFIG,
)
_PLACE_OPTIONS = (_DATA_DIR, _CONFIG)


def agent_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command all flags of an agent, as one argument `settings`."""
    return _with_settings(command, _AGENT_OPTIONS)


def place_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the flags that tell where the agent's data is, as `settings`."""
    return _with_settings(command, _PLACE_OPTIONS)


def _with_settings(
    command: Callable[..., None], options: tuple[Callable[..., Any], ...]
) -> Callable[..., None]:
    @functools.wraps(command)
    def wrapped(*, config_file: Path | None, **arguments: object) -> None:
        flags = {n: cast("str | None", arguments.pop(n)) for n in _FLAGS & arguments.keys()}
        with explained():
            settings = _load(config_file, flags)
            command(settings, **arguments)

    for option in reversed(options):
        wrapped = option(wrapped)
    return wrapped


_FLAGS = frozenset({"data_dir", "listen", "advertise", "license_file", "name"})


def _load(config_file: Path | None, flags: dict[str, str | None]) -> Settings:
    if config_file is None and DEFAULT_CONFIG.is_file():
        config_file = DEFAULT_CONFIG
    return load_settings(config_file, os.environ, flags)


@contextmanager
def explained() -> Iterator[None]:
    """Turn what goes wrong on this machine into a `Failure` with its exit code."""
    try:
        yield
    except ConfigurationError as error:
        raise Misconfigured(str(error)) from error
    except (DataDirectoryError, StoreError, CorruptEvent, UnknownEvent, MembershipError) as error:
        raise Failure(str(error)) from error
    except BrokenPipeError:
        raise  # The reader of stdout has gone; click ends quietly.
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        message = f"{place}{error.strerror or error}"
        raise Failure(message) from error
