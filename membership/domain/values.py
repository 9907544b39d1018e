"""
The words of the domain, parsed once at the edge and trusted below it.

Identifiers, addresses and keys are plain strings and bytes under distinct types, so that a
roster of a hundred thousand peers costs no wrapper objects, while mypy still refuses a peer
id where an address belongs. Times are integers: microseconds since the Unix epoch, UTC.
"""

import ipaddress
import re
import unicodedata
from typing import NewType

from ulid import ULID

from membership.domain.errors import InvalidAddress, InvalidId, InvalidName, InvalidPublicKey

PeerId = NewType("PeerId", str)
"""A peer's ULID, 26 characters of Crockford's base 32, upper case."""

ServiceId = NewType("ServiceId", str)
"""A service's ULID, written like a peer's."""

StreamId = NewType("StreamId", str)
"""The id of one aggregate's events; a peer's stream carries the peer's id."""

Address = NewType("Address", str)
"""`host:port` in canonical form; IPv6 in brackets, names in lower case."""

PublicKey = NewType("PublicKey", bytes)
"""A raw Ed25519 public key, 32 bytes."""

ClusterId = NewType("ClusterId", bytes)
"""What agents of one licence have in common, 16 bytes; reveals nothing of the secret."""

UnixUs = NewType("UnixUs", int)
"""Microseconds since the Unix epoch, UTC."""

PUBLIC_KEY_BYTES = 32
NAME_MAX_CHARS = 255
ADDRESS_MAX_CHARS = 260
HOST_MAX_CHARS = 253
PORT_MAX = 65_535

_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}")
_PORT = re.compile(r"[0-9]{1,5}")
_DNS_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_UNPRINTABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})


def parse_ulid(text: str) -> str:
    """
    Return *text* as a canonical ULID.

    Raises:
        InvalidId: It is not 26 characters of Crockford's base 32 below 2^128.
    """
    # Compared before it is put in upper case, which makes two letters of ß, and ASCII of others.
    if _ULID.fullmatch(text) is None:
        raise InvalidId(text)
    return text.upper()


def parse_peer_id(text: str) -> PeerId:
    """Return *text* as a peer id; raises `InvalidId`."""
    return PeerId(parse_ulid(text))


def ulid_bytes(text: str) -> bytes:
    """Return the 128-bit value of a canonical ULID, big-endian, 16 bytes."""
    return ULID.from_str(text).bytes


def ulid_text(value: bytes) -> str:
    """Return the 26 characters of a 128-bit value, 16 bytes."""
    return str(ULID(value))


def parse_address(text: str) -> Address:
    """
    Return *text* as a canonical `host:port`.

    Accepts a DNS name, an IPv4 address or an IPv6 address in brackets, with a port from 1 to
    65535. Two spellings of one address (`[::1]:80`, `[0:0::1]:80`) become equal, and so do an
    IPv4 address and the IPv6 address that it is mapped to.

    Raises:
        InvalidAddress: The host or the port is missing or malformed.
    """
    if len(text) > ADDRESS_MAX_CHARS:
        raise InvalidAddress(text[:ADDRESS_MAX_CHARS], "longer than an address can be")
    host, colon, port_text = text.strip().rpartition(":")
    if not colon or not host:
        raise InvalidAddress(text, "write it as host:port, for example 192.0.2.10:8080")
    if _PORT.fullmatch(port_text) is None or not 1 <= int(port_text) <= PORT_MAX:
        raise InvalidAddress(text, "the port must be a number from 1 to 65535")
    return Address(f"{_canonical_host(text, host)}:{int(port_text)}")


def _canonical_host(text: str, host: str) -> str:
    if host.startswith("[") and host.endswith("]"):
        if "%" in host:
            raise InvalidAddress(text, "an interface name after % means nothing on other machines")
        try:
            address = ipaddress.IPv6Address(host[1:-1])
        except ValueError:
            raise InvalidAddress(text, "the brackets hold no IPv6 address") from None
        # The same machine as without the mapping, whose text differs between Python's versions.
        return str(address.ipv4_mapped) if address.ipv4_mapped else f"[{address}]"
    if ":" in host:
        raise InvalidAddress(text, "write an IPv6 address in brackets, like [::1]:8080")
    if re.fullmatch(r"[0-9.]+", host):
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            raise InvalidAddress(text, "the host is no IPv4 address") from None
    name = host.lower().removesuffix(".")
    # Outside ASCII, lower case may turn one host into another: the sign for kelvin into a k.
    is_name = host.isascii() and all(map(_DNS_LABEL.fullmatch, name.split(".")))
    if len(name) > HOST_MAX_CHARS or not is_name:
        raise InvalidAddress(text, "the host is no DNS name")
    return name


def split_address(address: Address) -> tuple[str, int]:
    """Return the host, without brackets, and the port of a canonical address."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def parse_name(text: str) -> str:
    """
    Return *text* as a peer's or a service's name: trimmed, at most 255 characters.

    Raises:
        InvalidName: It is too long, or holds a control character.
    """
    name = text.strip()
    if len(name) > NAME_MAX_CHARS:
        raise InvalidName(f"a name has at most {NAME_MAX_CHARS} characters, this one {len(name)}")
    if any(unicodedata.category(character) in _UNPRINTABLE for character in name):
        raise InvalidName("a name holds no control characters or line breaks")
    return name


def parse_public_key(value: bytes) -> PublicKey:
    """Return *value* as an Ed25519 public key; raises `InvalidPublicKey` unless 32 bytes."""
    if len(value) != PUBLIC_KEY_BYTES:
        raise InvalidPublicKey(len(value))
    return PublicKey(value)
