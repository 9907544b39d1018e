"""What can be set."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from membership.domain.values import Address, PublicKey

Network = IPv4Network | IPv6Network


class ConfigurationError(Exception):
    """The message says which key, what was found there, and what to write instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """
    What an operator decides about an agent.

    Attributes:
        data_dir: Where identity, licence and log are kept.
        listen: `host:port` in canonical form; port 0 is any free port.
        advertise: Where others reach this agent; None when that is where it listens.
        name: What a new agent calls itself; later renames are made through the API.
        license_file: The cluster's licence; None for the one in the data directory.
        trusted_issuers: Who may sign licences; empty for whoever signed the first one.
        allowed_networks: Where the agent may connect to; empty for everywhere.
        discovery: `transitive`, to get acquainted with the peers of one's peers, or `explicit`,
            to take only those that an operator names.
        log_format: `console` or `json`.
        log_level: `debug`, `info`, `warning` or `error`.
    """

    data_dir: Path = Path("data")
    listen: str = "127.0.0.1:8080"
    advertise: Address | None = None
    name: str = ""
    license_file: Path | None = None
    trusted_issuers: frozenset[PublicKey] = frozenset()
    allowed_networks: tuple[Network, ...] = ()
    discovery: str = "transitive"
    log_format: str = "console"
    log_level: str = "info"
