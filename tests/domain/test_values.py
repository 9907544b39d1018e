"""Words as people and other agents write them, and the one form in which they are kept."""

import ipaddress
import string
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from membership.domain.errors import (
    InvalidAddress,
    InvalidId,
    InvalidName,
    InvalidPublicKey,
    InvalidRequest,
)
from membership.domain.values import (
    ADDRESS_MAX_CHARS,
    NAME_MAX_CHARS,
    Address,
    parse_address,
    parse_name,
    parse_peer_id,
    parse_public_key,
    parse_ulid,
    split_address,
    ulid_bytes,
    ulid_text,
)

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def _once_more(parse: Callable[[str], str], text: str) -> None:
    """Whatever is understood at all is understood the same when it is read again."""
    try:
        canonical = parse(text)
    except InvalidRequest:
        return
    assert parse(canonical) == canonical


# Identifiers


@given(st.binary(min_size=16, max_size=16))
@example(b"\x00" * 16)
@example(b"\xff" * 16)
def test_a_ulid_is_its_128_bits(value: bytes) -> None:
    text = ulid_text(value)
    assert parse_ulid(text) == text
    assert parse_ulid(text.lower()) == text
    assert ulid_bytes(text) == value


@given(st.text(CROCKFORD, min_size=25, max_size=25), st.sampled_from("01234567"))
def test_every_26_characters_below_2_to_128_are_a_ulid(rest: str, first: str) -> None:
    text = first + rest
    assert parse_peer_id(text) == text
    assert ulid_text(ulid_bytes(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0" * 25,
        "0" * 27,
        "8" + "0" * 25,
        "Z" * 26,
        "0" * 25 + "I",
        "0" * 25 + "L",
        "0" * 25 + "O",
        "0" * 25 + "u",
        "0" * 25 + "-",
        " " + "0" * 25,
        "0" * 26 + "\n",
        "0" * 25 + "٣",
        "\uff10" * 26,
        "01HXYZ00-0000-0000-0000-0000",
    ],
)
def test_what_is_no_ulid_is_refused(text: str) -> None:
    with pytest.raises(InvalidId):
        parse_ulid(text)


@pytest.mark.parametrize("text", ["0" * 25 + "\u017f", "0" * 24 + "ß", "0" * 24 + "\u0149"])
def test_no_letter_becomes_one_of_a_ulid_by_being_put_in_upper_case(text: str) -> None:
    with pytest.raises(InvalidId):
        parse_ulid(text)


@given(st.text(max_size=30))
def test_reading_an_id_twice_changes_nothing(text: str) -> None:
    _once_more(parse_ulid, text)


def test_a_refused_id_is_not_repeated_at_length() -> None:
    with pytest.raises(InvalidId) as caught:
        parse_ulid("x" * 10_000)
    assert caught.value.details == {"id": "x" * 64}


# Addresses


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("192.0.2.10:8080", "192.0.2.10:8080"),
        ("192.0.2.10:1", "192.0.2.10:1"),
        ("192.0.2.10:65535", "192.0.2.10:65535"),
        ("192.0.2.10:00080", "192.0.2.10:80"),
        ("  node.example:8080 ", "node.example:8080"),
        ("Node.EXAMPLE:8080", "node.example:8080"),
        ("node.example.:8080", "node.example:8080"),
        ("localhost:8080", "localhost:8080"),
        ("my_node-1.my-net:8080", "my_node-1.my-net:8080"),
        ("xn--bcher-kva.example:8080", "xn--bcher-kva.example:8080"),
        ("a:1", "a:1"),
        ("0:1", None),
        ("1.2.3.4.example:1", "1.2.3.4.example:1"),
        ("[::1]:8080", "[::1]:8080"),
        ("[0:0:0::1]:8080", "[::1]:8080"),
        ("[2001:DB8::00A]:8080", "[2001:db8::a]:8080"),
        ("[::]:8080", "[::]:8080"),
        (f"{'a' * 63}:1", f"{'a' * 63}:1"),
        (f"{'a.' * 126}b:1", f"{'a.' * 126}b:1"),
        (f"{'a.' * 126}bc:1", None),
        (f"{'a' * 64}:1", None),
        ("", None),
        (":8080", None),
        ("node.example", None),
        ("node.example:", None),
        ("node.example:http", None),
        ("node.example:0", None),
        ("node.example:65536", None),
        ("node.example:999999", None),
        ("node.example:-1", None),
        ("node.example:+80", None),
        ("node.example: 80", None),
        ("node.example:8_0", None),
        ("node.example:٨٠", None),
        ("node example:80", None),
        ("node..example:80", None),
        (".:80", None),
        ("..:80", None),
        ("-node:80", None),
        ("node-:80", None),
        ("node/path:80", None),
        ("user@node:80", None),
        ("http://node:80", None),
        ("node\n.example:80", None),
        ("bücher.example:80", None),
        ("256.0.0.1:80", None),
        ("1.2.3:80", None),
        ("1.2.3.4.:80", None),
        ("01.2.3.4:80", None),
        ("::1:80", None),
        ("2001:db8::1:80", None),
        ("[::1]", None),
        ("[::1:80", None),
        ("[]:80", None),
        ("[1.2.3.4]:80", None),
        ("[node]:80", None),
        ("[fe80::1%eth0]:80", None),
        ("[::12345]:80", None),
    ],
)
def test_an_address_has_one_form(text: str, canonical: str | None) -> None:
    if canonical is None:
        with pytest.raises(InvalidAddress) as caught:
            parse_address(text)
        assert caught.value.details == {"field": "address"}
    else:
        assert parse_address(text) == canonical


def test_an_address_that_is_mapped_to_ipv6_is_the_ipv4_address() -> None:
    for text in ("[::ffff:192.0.2.1]:80", "[::FFFF:c000:201]:80"):
        assert parse_address(text) == "192.0.2.1:80"


def test_no_letter_becomes_one_of_a_host_by_being_put_in_lower_case() -> None:
    for text in ("\u212aelvin.example:80", "İstanbul.example:80"):
        with pytest.raises(InvalidAddress):
            parse_address(text)


def test_a_long_text_is_refused_before_it_is_looked_at() -> None:
    with pytest.raises(InvalidAddress) as caught:
        parse_address("a" * 1_000_000)
    assert len(caught.value.message) < 2 * ADDRESS_MAX_CHARS


_NAMES = st.from_regex(r"[a-z0-9_]([a-z0-9_-]{0,10}[a-z0-9_])?", fullmatch=True)
_HOSTS = st.one_of(
    st.lists(_NAMES, min_size=1, max_size=4).map(".".join),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(lambda address: f"[{address.exploded.upper()}]"),
)
_PORTS = st.integers(1, 65_535)


@given(_HOSTS, _PORTS)
@example("[::ffff:0:0]", 1)
def test_every_well_formed_address_is_understood_once_and_for_all(host: str, port: int) -> None:
    try:
        canonical = parse_address(f"{host}:{port}")
    except InvalidAddress:
        assert set(host) <= set(string.digits + "."), "only figures can make no IPv4 address"
        return
    assert parse_address(canonical) == canonical
    split_host, split_port = split_address(canonical)
    assert split_port == port
    if canonical.startswith("["):
        assert ipaddress.IPv6Address(split_host) == ipaddress.IPv6Address(host[1:-1])


@given(st.text(max_size=80))
@example("[::ffff:1.2.3.4]:1")
@example("a.:1")
def test_reading_an_address_twice_changes_nothing(text: str) -> None:
    _once_more(parse_address, text)


def test_an_address_is_split_into_what_a_socket_needs() -> None:
    assert split_address(Address("[2001:db8::1]:80")) == ("2001:db8::1", 80)
    assert split_address(Address("node.example:65535")) == ("node.example", 65_535)


# Names


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("", ""),
        ("  ", ""),
        (" cellar ", "cellar"),
        ("\u3000cellar\u2003", "cellar"),
        ("a  b", "a  b"),
        ("Zoë 🛰 撤去", "Zoë 🛰 撤去"),
        ("\u200f\u05d0\u05d1", "\u200f\u05d0\u05d1"),
        ("n" * NAME_MAX_CHARS, "n" * NAME_MAX_CHARS),
        ("🛰" * NAME_MAX_CHARS, "🛰" * NAME_MAX_CHARS),
        (f" {'n' * NAME_MAX_CHARS} ", "n" * NAME_MAX_CHARS),
        ("n" * (NAME_MAX_CHARS + 1), None),
        ("a\nb", None),
        ("a\tb", None),
        ("a\x00b", None),
        ("a\x1bb", None),
        ("a\x7fb", None),
        ("a\x85b", None),
        ("a\u2028b", None),
        ("a\u2029b", None),
        ("a\ud800b", None),
    ],
)
def test_a_name_is_trimmed_and_printable(text: str, name: str | None) -> None:
    if name is None:
        with pytest.raises(InvalidName) as caught:
            parse_name(text)
        assert caught.value.details == {"field": "name"}
    else:
        assert parse_name(text) == name


@given(st.text(max_size=300))
def test_reading_a_name_twice_changes_nothing(text: str) -> None:
    _once_more(parse_name, text)


# Keys


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_a_key_has_32_bytes(length: int) -> None:
    assert parse_public_key(bytes(32)) == bytes(32)
    with pytest.raises(InvalidPublicKey, match=f"this one {length}"):
        parse_public_key(bytes(length))
