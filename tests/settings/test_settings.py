"""Settings: four sources, one precedence, and refusals that say what to write."""

from base64 import b64encode
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path

import pytest

from membership.settings import ConfigurationError, Settings, load_settings

KEY = bytes(range(32))
KEY_TEXT = b64encode(KEY).decode()
SHIPPED = Path(__file__).parents[2] / "config" / "membership.toml"


def load(
    tmp_path: Path,
    toml: str | None = None,
    environ: Mapping[str, str] | None = None,
    **flags: str | None,
) -> Settings:
    file = None
    if toml is not None:
        file = tmp_path / "membership.toml"
        file.write_text(toml, "utf-8")
    return load_settings(file, environ or {}, flags)


def test_without_any_source_the_defaults_hold(tmp_path: Path) -> None:
    assert load(tmp_path) == Settings()
    assert Settings().listen == "127.0.0.1:8080"
    assert Settings().data_dir == Path("data")


def test_the_shipped_file_holds_every_key_at_its_default() -> None:
    assert load_settings(SHIPPED, {}, {}) == Settings()
    text = SHIPPED.read_text("utf-8")
    keys = "data_dir listen advertise name file trusted_issuers allowed_networks format level"
    for key in keys.split():
        assert f"\n{key} = " in text


def test_a_later_source_wins_over_an_earlier_one(tmp_path: Path) -> None:
    toml = '[agent]\nname = "file"\nlisten = "127.0.0.1:1"\ndata_dir = "file"\n'
    environ = {"MEMBERSHIP_NAME": "environment", "MEMBERSHIP_LISTEN": "127.0.0.1:2"}
    settings = load(tmp_path, toml, environ, name="flag", listen=None)
    assert settings.name == "flag"
    assert settings.listen == "127.0.0.1:2"
    assert settings.data_dir == Path("file")


@pytest.mark.parametrize(
    ("toml", "field", "expected"),
    [
        ('[agent]\ndata_dir = "x/y"', "data_dir", Path("x/y")),
        ('[agent]\nlisten = "LOCALHOST:0"', "listen", "localhost:0"),
        ('[agent]\nlisten = "[0:0::1]:80"', "listen", "[::1]:80"),
        ('[agent]\nadvertise = "Example.org:80"', "advertise", "example.org:80"),
        ('[agent]\nadvertise = ""', "advertise", None),
        ('[agent]\nname = " ä b "', "name", "ä b"),
        ('[license]\nfile = "a.json"', "license_file", Path("a.json")),
        ('[license]\nfile = ""', "license_file", None),
        (f'[license]\ntrusted_issuers = ["{KEY_TEXT}"]', "trusted_issuers", frozenset({KEY})),
        (
            '[peers]\nallowed_networks = ["10.0.0.0/8", "fd00::/8"]',
            "allowed_networks",
            (ip_network("10.0.0.0/8"), ip_network("fd00::/8")),
        ),
        ('[log]\nformat = "JSON"', "log_format", "json"),
        ('[log]\nlevel = "debug"', "log_level", "debug"),
    ],
)
def test_the_file_sets(tmp_path: Path, toml: str, field: str, expected: object) -> None:
    assert getattr(load(tmp_path, toml), field) == expected


@pytest.mark.parametrize(
    ("variable", "text", "field", "expected"),
    [
        ("MEMBERSHIP_DATA_DIR", "d", "data_dir", Path("d")),
        ("MEMBERSHIP_LISTEN", "127.0.0.1:0", "listen", "127.0.0.1:0"),
        ("MEMBERSHIP_ADVERTISE", "192.0.2.1:80", "advertise", "192.0.2.1:80"),
        ("MEMBERSHIP_NAME", "alpha", "name", "alpha"),
        ("MEMBERSHIP_LICENSE", "l.json", "license_file", Path("l.json")),
        ("MEMBERSHIP_TRUSTED_ISSUERS", f" {KEY_TEXT} ,", "trusted_issuers", frozenset({KEY})),
        (
            "MEMBERSHIP_ALLOWED_NETWORKS",
            "10.0.0.0/8, ::1/128",
            "allowed_networks",
            (ip_network("10.0.0.0/8"), ip_network("::1/128")),
        ),
        ("MEMBERSHIP_LOG_FORMAT", "json", "log_format", "json"),
        ("MEMBERSHIP_LOG_LEVEL", "ERROR", "log_level", "error"),
        ("MEMBERSHIP_LOG_LEVEL", "", "log_level", "info"),
    ],
)
def test_the_environment_sets(
    tmp_path: Path, variable: str, text: str, field: str, expected: object
) -> None:
    assert getattr(load(tmp_path, environ={variable: text}), field) == expected


def test_the_variables_of_the_clients_and_of_others_are_no_settings(tmp_path: Path) -> None:
    environ = {"MEMBERSHIP_URL": "http://x", "MEMBERSHIP_TOKEN": "t", "PATH": "/bin"}
    assert load(tmp_path, environ=environ) == Settings()


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ("[agent", "is not TOML"),
        ('[agnet]\nname = "x"', "agnet in "),
        ("[clouds]", "write one of: agent.advertise"),
        ("agent = 1", "agent in "),
        ('listen = "127.0.0.1:1"', "did you mean agent.listen?"),
        ('[agent]\nlistn = "127.0.0.1:1"', "did you mean agent.listen?"),
        ('[peers]\nlisten = "127.0.0.1:1"', "did you mean agent.listen?"),
        ("[agent]\nname = 7", "agent.name in "),
        ("[agent]\nname = 7", "found 7; write a text in quotes"),
        ('[agent]\ndata_dir = ""', "write a path"),
        ('[agent]\nlisten = "8080"', "for example 127.0.0.1:8080"),
        ('[agent]\nlisten = ":8080"', "for example 127.0.0.1:8080"),
        ('[agent]\nlisten = "127.0.0.1:99999"', "a number from 1 to 65535"),
        ('[agent]\nlisten = "0.0.0.0:80"', "agent.advertise is not set"),
        ('[agent]\nlisten = "[::]:80"', "agent.advertise is not set"),
        ('[agent]\nadvertise = "0.0.0.0:80"', "nobody can connect to 0.0.0.0:80"),
        ('[agent]\nadvertise = "a:0"', "for example 192.0.2.10:8080"),
        ('[agent]\nname = "a\\u0007b"', "control characters"),
        ('[license]\ntrusted_issuers = "x"', "found 'x'; write a list of texts"),
        ('[license]\ntrusted_issuers = ["x"]', "found 'x', which is no Ed25519 public key"),
        ("[license]\ntrusted_issuers = [1]", "found [1]; write a list of texts"),
        ('[peers]\nallowed_networks = ["10.0.0.1/8"]', "write 10.0.0.0/8"),
        ('[peers]\nallowed_networks = ["ten"]', "for example 10.0.0.0/8"),
        ('[log]\nlevel = "loud"', "found 'loud'; write one of: debug, info, warning, error"),
    ],
)
def test_a_malformed_file_is_refused_with_what_to_write(
    tmp_path: Path, toml: str, says: str
) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        load(tmp_path, toml)
    assert says in str(refusal.value)


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"MEMBERSHIP_LISTN": "x"}, "MEMBERSHIP_LISTN: there is no such setting; did you mean"),
        ({"MEMBERSHIP_LISTN": "x"}, "MEMBERSHIP_LISTEN?"),
        ({"MEMBERSHIP_XYZZY": "x"}, "write one of: MEMBERSHIP_ADVERTISE"),
        ({"MEMBERSHIP_LISTEN": "nowhere"}, "MEMBERSHIP_LISTEN: "),
        ({"MEMBERSHIP_LOG_FORMAT": "xml"}, "found 'xml'; write one of: console, json"),
    ],
)
def test_a_malformed_environment_is_refused_with_what_to_write(
    tmp_path: Path, environ: Mapping[str, str], says: str
) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        load(tmp_path, environ=environ)
    assert says in str(refusal.value)


def test_a_malformed_flag_is_named_as_it_was_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"^--listen: "):
        load(tmp_path, listen="nowhere")


def test_a_malformed_value_is_refused_even_where_a_later_source_overrides_it(
    tmp_path: Path,
) -> None:
    with pytest.raises(ConfigurationError, match=r"agent\.listen in "):
        load(tmp_path, '[agent]\nlisten = "nowhere"', listen="127.0.0.1:1")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"missing\.toml cannot be read: No such file"):
        load_settings(tmp_path / "missing.toml", {}, {})
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="save it as UTF-8"):
        load_settings(binary, {}, {})


def test_listening_everywhere_is_fine_when_an_address_is_advertised(tmp_path: Path) -> None:
    settings = load(tmp_path, listen="0.0.0.0:8080", advertise="192.0.2.1:8080")
    assert settings.listen == "0.0.0.0:8080"


def test_the_variables_of_a_kubernetes_service_are_not_ours() -> None:
    environ = {"MEMBERSHIP_PORT_8080_TCP": "tcp://10.0.0.1:8080", "MEMBERSHIP_SERVICE_HOST": "x"}

    assert load_settings(None, environ, {}) == Settings()
