"""
Where settings come from: defaults < configuration file < environment < flags.

An empty variable of the environment counts as not set.
"""

import difflib
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from membership.settings import values
from membership.settings.model import ConfigurationError, Settings

VARIABLE_PREFIX = "MEMBERSHIP_"
CLIENT_VARIABLES = frozenset({"MEMBERSHIP_URL", "MEMBERSHIP_TOKEN"})
SERVICE_LINKS = ("MEMBERSHIP_PORT", "MEMBERSHIP_SERVICE_")
"""What Kubernetes sets in every pod beside a service that is called `membership`."""


@dataclass(frozen=True, slots=True)
class _Setting:
    """
    One setting in all of its spellings.

    Attributes:
        field: Of `Settings`.
        key: Table and key of the configuration file.
        parse: Makes the value of a text, or of a list of texts; its `ValueError` says what is
            wrong and what to write.
        flag: Empty when there is none.
    """

    field: str
    key: str
    variable: str
    parse: Callable[[Any], object]
    flag: str = ""
    is_list: bool = False


_SETTINGS = (
    _Setting("data_dir", "agent.data_dir", "MEMBERSHIP_DATA_DIR", values.parse_path, "--data-dir"),
    _Setting("listen", "agent.listen", "MEMBERSHIP_LISTEN", values.parse_listen, "--listen"),
    _Setting(
        "advertise",
        "agent.advertise",
        "MEMBERSHIP_ADVERTISE",
        values.parse_advertise,
        "--advertise",
    ),
    _Setting("name", "agent.name", "MEMBERSHIP_NAME", values.parse_agent_name, "--name"),
    _Setting(
        "license_file",
        "license.file",
        "MEMBERSHIP_LICENSE",
        values.parse_optional_path,
        "--license",
    ),
    _Setting(
        "trusted_issuers",
        "license.trusted_issuers",
        "MEMBERSHIP_TRUSTED_ISSUERS",
        values.parse_issuers,
        is_list=True,
    ),
    _Setting(
        "allowed_networks",
        "peers.allowed_networks",
        "MEMBERSHIP_ALLOWED_NETWORKS",
        values.parse_networks,
        is_list=True,
    ),
    _Setting(
        "discovery",
        "cluster.discovery",
        "MEMBERSHIP_DISCOVERY",
        values.one_of("transitive", "explicit"),
    ),
    _Setting("log_format", "log.format", "MEMBERSHIP_LOG_FORMAT", values.one_of("console", "json")),
    _Setting(
        "log_level",
        "log.level",
        "MEMBERSHIP_LOG_LEVEL",
        values.one_of("debug", "info", "warning", "error"),
    ),
)


def load_settings(
    config_file: Path | None, environ: Mapping[str, str], flags: Mapping[str, str | None]
) -> Settings:
    """
    Return the settings out of all sources; a later source wins, and each is checked whole.

    Args:
        config_file: A TOML file; None for none.
        environ: The environment's variables, all of them.
        flags: By the names of the `Settings` fields; None for a flag that was not given.

    Raises:
        ConfigurationError: Something in one of the sources is unknown or malformed.
    """
    chosen: dict[str, Any] = {}
    for found in (*_from_file(config_file), *_from_environment(environ), *_from_flags(flags)):
        chosen[found.setting.field] = _parsed(found)
    settings = Settings(**chosen)
    if settings.advertise is None and values.is_wildcard(settings.listen):
        message = (
            f"agent.advertise is not set, and agent.listen is {settings.listen}, which does not "
            "tell others where this agent is; write the host:port that they reach it at, for "
            "example --advertise 192.0.2.10:8080"
        )
        raise ConfigurationError(message)
    return settings


@dataclass(frozen=True, slots=True)
class _Found:
    """What one source says about one setting; *where* is what its writer calls it."""

    setting: _Setting
    where: str
    value: object


def _parsed(found: _Found) -> object:
    value, setting = found.value, found.setting
    if setting.is_list:
        is_well_typed = isinstance(value, list) and all(isinstance(item, str) for item in value)
        kind = 'a list of texts in quotes, for example ["…", "…"]'
    else:
        is_well_typed, kind = isinstance(value, str), "a text in quotes"
    if not is_well_typed:
        message = f"{found.where}: found {value!r}; write {kind}"
        raise ConfigurationError(message)
    try:
        return setting.parse(value)
    except ValueError as error:
        message = f"{found.where}: {error}"
        raise ConfigurationError(message) from None


def _from_file(path: Path | None) -> Iterator[_Found]:
    known = {setting.key: setting for setting in _SETTINGS}
    tables = {key.partition(".")[0] for key in known}
    for table, entries in (_read_toml(path) if path else {}).items():
        if table not in tables or not isinstance(entries, dict):
            message = f"{table} in {path}"
            raise _unknown(message, table, known)
        for key, value in entries.items():
            name = f"{table}.{key}"
            if name not in known:
                message = f"{name} in {path}"
                raise _unknown(message, name, known)
            yield _Found(known[name], f"{name} in {path}", value)


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        message = f"the configuration file {path} cannot be read: {error.strerror}"
    except UnicodeDecodeError:
        message = f"the configuration file {path} is not UTF-8; save it as UTF-8"
    except tomllib.TOMLDecodeError as error:
        message = f"the configuration file {path} is not TOML: {error}"
    raise ConfigurationError(message)


def _from_environment(environ: Mapping[str, str]) -> Iterator[_Found]:
    known = {setting.variable: setting for setting in _SETTINGS}
    for variable in sorted(environ):
        if not variable.startswith(VARIABLE_PREFIX) or _is_of_others(variable):
            continue
        if variable not in known:
            raise _unknown(variable, variable, known)
        setting, text = known[variable], environ[variable].strip()
        if text:
            parts = [part.strip() for part in text.split(",") if part.strip()]
            yield _Found(setting, variable, parts if setting.is_list else text)


def _is_of_others(variable: str) -> bool:
    return variable in CLIENT_VARIABLES or variable.startswith(SERVICE_LINKS)


def _from_flags(flags: Mapping[str, str | None]) -> Iterator[_Found]:
    known = {setting.field: setting for setting in _SETTINGS if setting.flag}
    for field, value in flags.items():
        if value is not None:
            yield _Found(known[field], known[field].flag, value)


def _unknown(where: str, name: str, known: Iterable[str]) -> ConfigurationError:
    # Tables and the prefix of variables are left out of the comparison: they are alike in all.
    by_last_word = {_last_word(other): other for other in known}
    close = difflib.get_close_matches(_last_word(name), by_last_word, n=1)
    hint = (
        f"did you mean {by_last_word[close[0]]}?"
        if close
        else f"write one of: {', '.join(sorted(by_last_word.values()))}"
    )
    return ConfigurationError(f"{where}: there is no such setting; {hint}")


def _last_word(name: str) -> str:
    return name.removeprefix(VARIABLE_PREFIX).rpartition(".")[2]
