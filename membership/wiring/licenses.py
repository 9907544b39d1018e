"""Licence files: issued and read on whatever machine the issuer works on."""

from base64 import b64decode, b64encode
from dataclasses import dataclass, replace
from pathlib import Path

from membership.commands import licensing
from membership.commands.licensing import LicenseDocument, encode_license
from membership.domain.errors import LicenseInvalid
from membership.domain.license import US_PER_DAY, License
from membership.domain.rfc3339 import rfc3339
from membership.domain.values import ClusterId, PublicKey, UnixUs
from membership.proof.signing import SEED_BYTES, Signer
from membership.store.data_directory import write_private_file
from membership.wiring.core import Nature
from membership.wiring.initialise import LICENSE_SECRET_BYTES, read_license_file, system_nature


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenseSummary:
    """What may be shown of a licence; times are RFC 3339, *issuer* base64, *cluster_id* hex."""

    license_id: str
    revision: int
    customer: str
    issued_at: str
    expires_at: str
    max_nodes: int
    issuer: str
    cluster_id: str


def show_license(path: Path) -> LicenseSummary:
    """Return what a licence file says; raises `ConfigurationError`, `LicenseInvalid`."""
    return _summary(read_license_file(path).license)


def issue_license(
    out: Path,
    *,
    issuer_key: Path | None,
    max_nodes: int,
    days: int,
    customer: str,
    renew: Path | None,
) -> LicenseSummary:
    """
    Write a new licence, or the next revision of the one in *renew*, to *out*.

    The issuer's key, `issuer.key` beside *out* unless named, is made when it does not exist. Both
    files can be read by their owner alone: the key signs licences, and the licence holds the
    cluster's secret.

    Raises:
        LicenseInvalid: *renew* is no licence of this issuer.
        ConfigurationError: *renew* cannot be read.
        OSError: A file cannot be written or read.
        FileExistsError: *out* is there already; a licence is never overwritten.
    """
    if out.exists():
        raise FileExistsError(17, "there is such a file already", str(out))
    nature = system_nature()
    signer = _issuer(issuer_key or out.parent / "issuer.key", nature, may_create=renew is None)
    now_us = nature.clock.now_us()
    draft = License(
        license_id=nature.ids.new_ulid(),
        revision=1,
        customer=customer,
        issued_at_us=now_us,
        expires_at_us=UnixUs(now_us + days * US_PER_DAY),
        max_nodes=max_nodes,
        issuer=PublicKey(signer.public_key),
        cluster_id=ClusterId(b""),
        signature=b"",
    )
    secret = nature.randomness.token(LICENSE_SECRET_BYTES)
    if renew is not None:
        former = read_license_file(renew)
        draft, secret = _next_revision(former, draft), former.secret
    document = licensing.issue_license(signer, draft, secret)
    write_private_file(out, encode_license(document))
    return _summary(document.license)


def _next_revision(former: LicenseDocument, draft: License) -> License:
    if former.license.issuer != draft.issuer:
        raise LicenseInvalid("the one to renew was issued with another key; name it: --issuer-key")
    return replace(
        draft,
        license_id=former.license.license_id,
        revision=former.license.revision + 1,
        customer=draft.customer or former.license.customer,
    )


def _issuer(path: Path, nature: Nature, *, may_create: bool) -> Signer:
    if not path.exists() and may_create:
        write_private_file(path, b64encode(nature.randomness.token(SEED_BYTES)) + b"\n")
    try:
        seed = b64decode(path.read_bytes())
    except ValueError:
        seed = b""
    if len(seed) != SEED_BYTES:
        message = f"{path} is no issuer key"
        raise LicenseInvalid(message)
    return Signer(seed)


def _summary(license_: License) -> LicenseSummary:
    return LicenseSummary(
        license_id=license_.license_id,
        revision=license_.revision,
        customer=license_.customer,
        issued_at=rfc3339(license_.issued_at_us),
        expires_at=rfc3339(license_.expires_at_us),
        max_nodes=license_.max_nodes,
        issuer=b64encode(license_.issuer).decode(),
        cluster_id=license_.cluster_id.hex(),
    )
