"""
Texts out of a file, a variable or a flag, made into values.

Every parser here raises `ValueError`, whose message says what was found and what to write.
"""

from base64 import b64decode
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path

from membership.domain.errors import InvalidAddress, InvalidName, InvalidPublicKey
from membership.domain.values import (
    Address,
    PublicKey,
    parse_address,
    parse_name,
    parse_public_key,
)
from membership.settings.model import Network

_WILDCARD_HOSTS = frozenset({"0.0.0.0", "[::]"})  # noqa: S104  compared with, not bound to


def is_wildcard(address: str) -> bool:
    """Return whether listening there is listening everywhere."""
    return _host(address) in _WILDCARD_HOSTS


def _host(address: str) -> str:
    return address.rpartition(":")[0]


def parse_path(text: str) -> Path:
    """Return a path that has to be there."""
    if not text:
        message = "it is empty; write a path, for example ./data"
        raise ValueError(message)
    return Path(text).expanduser()


def parse_optional_path(text: str) -> Path | None:
    """Return a path; None for an empty text."""
    return parse_path(text) if text else None


def parse_listen(text: str) -> str:
    """Return a canonical `host:port` to listen on; port 0 is any free one."""
    host, _, port = text.strip().rpartition(":")
    try:
        if port == "0":
            return f"{_host(parse_address(f'{host}:1'))}:0"
        return parse_address(text)
    except InvalidAddress as error:
        hint = f"{error}; write the host and port to listen on, for example 127.0.0.1:8080"
        raise ValueError(hint) from None


def parse_advertise(text: str) -> Address | None:
    """Return an address that others can connect to; None for an empty text."""
    if not text:
        return None
    hint = "write the host:port that other agents reach this one at, for example 192.0.2.10:8080"
    try:
        address = parse_address(text)
    except InvalidAddress as error:
        message = f"{error}; {hint}"
        raise ValueError(message) from None
    if is_wildcard(address):
        message = f"nobody can connect to {address}; {hint}"
        raise ValueError(message)
    return address


def parse_agent_name(text: str) -> str:
    """Return a name as peers carry it."""
    try:
        return parse_name(text)
    except InvalidName as error:
        message = f"found {text[:40]!r}: {error}; write a shorter or plainer name"
        raise ValueError(message) from None


def parse_issuers(texts: list[str]) -> frozenset[PublicKey]:
    """Return public keys out of base64."""
    return frozenset(_parse_issuer(text) for text in texts)


def _parse_issuer(text: str) -> PublicKey:
    try:
        return parse_public_key(b64decode(text, validate=True))
    except (ValueError, InvalidPublicKey):
        message = (
            f"found {text!r}, which is no Ed25519 public key; write its 32 bytes in base64, as "
            "`membership license show` prints the issuer"
        )
        raise ValueError(message) from None


def parse_networks(texts: list[str]) -> tuple[Network, ...]:
    """Return networks out of CIDR notation."""
    return tuple(_parse_network(text) for text in texts)


def _parse_network(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError:
        pass
    try:
        suggestion = str(ip_network(text, strict=False))
    except ValueError:
        suggestion = "an address and a prefix length, for example 10.0.0.0/8 or fd00::/8"
    message = f"found {text!r}, which is no network; write {suggestion}"
    raise ValueError(message)


def one_of(*words: str) -> Callable[[str], str]:
    """Return a parser that takes one of *words*, in any case."""

    def parse(text: str) -> str:
        if text.lower() not in words:
            message = f"found {text!r}; write one of: {', '.join(words)}"
            raise ValueError(message)
        return text.lower()

    return parse
