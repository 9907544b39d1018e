"""
Where this agent connects to when somebody names an address.

An address in a request makes the agent a client inside its own network. So the agent never
connects to link-local addresses, which is where clouds keep their metadata services, to those of
the few that are elsewhere, nor to multicast or unspecified ones, and with `allowed_networks` only
to networks that its operator named. What is checked is the address that the name resolves to,
and that very address is then connected to, so that a name cannot resolve to one thing for the
check and to another afterwards.
"""

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

Network = IPv4Network | IPv6Network

METADATA_SERVICES = frozenset(map(ip_address, ("100.100.100.200", "fd00:ec2::254", "fd20:ce::254")))
"""Those of clouds that do not use a link-local address for it, or not only."""


class AddressRefused(OSError):
    """The rules do not let this agent connect there."""


def is_allowed(host: str, allowed_networks: Sequence[Network]) -> bool:
    """Return whether the rules let this agent connect to an IP address."""
    address = ip_address(host.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_link_local or address.is_multicast or _is_unspecified(address):
        return False
    if address in METADATA_SERVICES:
        return False
    return not allowed_networks or any(address in network for network in allowed_networks)


def _is_unspecified(address: IPv4Address | IPv6Address) -> bool:
    return address.is_unspecified or str(address) == "255.255.255.255"


class PolicyResolver(AbstractResolver):
    """Resolves names off the loop and passes on only the addresses that the rules allow."""

    def __init__(self, allowed_networks: Sequence[Network]) -> None:
        self._allowed_networks = allowed_networks
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of *host*; raises `AddressRefused` when none is allowed."""
        results = await self._resolver.resolve(host, port, family)
        allowed = [r for r in results if is_allowed(r["host"], self._allowed_networks)]
        if not allowed:
            raise AddressRefused
        return allowed

    async def close(self) -> None:
        """Nothing to release."""
