"""
The composition root: the only place that builds things out of other things.

Whatever a part needs from the world, the clock, randomness, the disk, the network, it gets from
here as an argument. `core` puts an agent together from parts that may be real or simulated; the
others stand on real ones.
"""

from membership.wiring.initialise import FirstCredential, Initialised, initialise
from membership.wiring.licenses import LicenseSummary, issue_license, show_license
from membership.wiring.maintenance import RebuildReport, mint_local_token, rebuild
from membership.wiring.server import Started, serve

__all__ = [
    "FirstCredential",
    "Initialised",
    "LicenseSummary",
    "RebuildReport",
    "Started",
    "initialise",
    "issue_license",
    "mint_local_token",
    "rebuild",
    "serve",
    "show_license",
]
