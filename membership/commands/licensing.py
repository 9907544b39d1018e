"""
The licence document: what a cluster has in common.

A flat JSON object, so that people can read it. What its issuer signs is not that text, whose
spaces and order of keys are nobody's business, but the msgpack array of its values, under a type
of its own. Everything in it may be shown except `secret`: whoever holds that can prove to other
holders that it has the licence (see `membership.peering.handshake`). It stays in the licence
file and in memory, and never enters an event, a message, an answer or a log.
"""

import hashlib
from base64 import b64decode, b64encode
from dataclasses import dataclass, field, replace
from typing import Any

import msgpack
import orjson

from membership.domain.errors import LicenseInvalid
from membership.domain.license import License
from membership.domain.rfc3339 import parse_rfc3339, rfc3339
from membership.domain.values import ClusterId, PublicKey, UnixUs
from membership.proof.signing import PUBLIC_KEY_BYTES, SIGNATURE_BYTES, Signer, is_signed_by

LICENSE_TYPE = "application/vnd.membership.license.v1+msgpack"
SECRET_BYTES = 32
MAX_DOCUMENT_BYTES = 16_384
MAX_NODES = 1_000_000
MAX_TEXT_CHARS = 255
_CLUSTER_ID_BYTES = 16
_CLUSTER_ID_PERSON = b"mbr-cluster-id"


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenseDocument:
    """
    A licence with its secret.

    Attributes:
        license: Everything but the secret.
        secret: 32 random bytes, the same in every revision.
    """

    license: License
    secret: bytes = field(repr=False)


def cluster_id_of(license_id: str, issuer: bytes, secret: bytes) -> ClusterId:
    """Return what identifies the holders of a licence, through all of its renewals."""
    named: bytes = msgpack.packb([license_id, issuer, secret])
    hashed = hashlib.blake2b(named, digest_size=_CLUSTER_ID_BYTES, person=_CLUSTER_ID_PERSON)
    return ClusterId(hashed.digest())


def issue_license(issuer: Signer, draft: License, secret: bytes) -> LicenseDocument:
    """Return *draft* signed by *issuer*; its `issuer`, `cluster_id` and `signature` are set."""
    issuer_key = PublicKey(issuer.public_key)
    named = replace(
        draft,
        issuer=issuer_key,
        cluster_id=cluster_id_of(draft.license_id, issuer_key, secret),
    )
    signature = issuer.sign(LICENSE_TYPE, _signed_bytes(named, secret))
    return LicenseDocument(license=replace(named, signature=signature), secret=secret)


def encode_license(document: LicenseDocument) -> bytes:
    """Return the document as indented JSON, the way `parse_license` reads it."""
    license_ = document.license
    return orjson.dumps(
        {
            "license_id": license_.license_id,
            "revision": license_.revision,
            "customer": license_.customer,
            "issued_at": rfc3339(license_.issued_at_us),
            "expires_at": rfc3339(license_.expires_at_us),
            "max_nodes": license_.max_nodes,
            "secret": _base64(document.secret),
            "issuer": _base64(license_.issuer),
            "signature": _base64(license_.signature),
        },
        option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE,
    )


def parse_license(data: bytes) -> LicenseDocument:
    """
    Return the licence in *data*, its signature verified. Whether its issuer is trusted is
    decided where it is installed.

    Raises:
        LicenseInvalid: It is no licence document, or was altered after it was signed.
    """
    if len(data) > MAX_DOCUMENT_BYTES:
        raise LicenseInvalid(f"a licence document has at most {MAX_DOCUMENT_BYTES} bytes")
    try:
        fields = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise LicenseInvalid("it is no JSON document") from None
    if not isinstance(fields, dict) or fields.keys() != _FIELDS:
        raise LicenseInvalid(f"it has to have exactly the fields {', '.join(sorted(_FIELDS))}")
    document = _document(fields)
    license_ = document.license
    payload = _signed_bytes(license_, document.secret)
    if not is_signed_by(license_.issuer, LICENSE_TYPE, payload, license_.signature):
        raise LicenseInvalid("its signature is not that of its issuer; it was altered")
    return document


_TERMS = ("license_id", "revision", "customer", "issued_at", "expires_at", "max_nodes")
_FIELDS = frozenset([*_TERMS, "secret", "issuer", "signature"])


def _document(fields: dict[str, Any]) -> LicenseDocument:
    secret = _bytes(fields, "secret", SECRET_BYTES)
    issuer = PublicKey(_bytes(fields, "issuer", PUBLIC_KEY_BYTES))
    license_id = _text(fields, "license_id")
    license_ = License(
        license_id=license_id,
        revision=_number(fields, "revision", 2**31),
        customer=_text(fields, "customer"),
        issued_at_us=_instant(fields, "issued_at"),
        expires_at_us=_instant(fields, "expires_at"),
        max_nodes=_number(fields, "max_nodes", MAX_NODES),
        issuer=issuer,
        cluster_id=cluster_id_of(license_id, issuer, secret),
        signature=_bytes(fields, "signature", SIGNATURE_BYTES),
    )
    if license_.expires_at_us <= license_.issued_at_us:
        raise LicenseInvalid("it expires before it was issued")
    return LicenseDocument(license=license_, secret=secret)


def _signed_bytes(license_: License, secret: bytes) -> bytes:
    packed: bytes = msgpack.packb(
        [
            license_.license_id,
            license_.revision,
            license_.customer,
            license_.issued_at_us,
            license_.expires_at_us,
            license_.max_nodes,
            secret,
            license_.issuer,
        ]
    )
    return packed


def _base64(value: bytes) -> str:
    return b64encode(value).decode()


def _text(fields: dict[str, Any], key: str) -> str:
    value = fields[key]
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_TEXT_CHARS:
        raise LicenseInvalid(f"{key} is a text of 1 to {MAX_TEXT_CHARS} characters")
    return value


def _number(fields: dict[str, Any], key: str, highest: int) -> int:
    value = fields[key]
    if type(value) is not int or not 1 <= value <= highest:
        raise LicenseInvalid(f"{key} is a whole number from 1 to {highest}")
    return value


def _instant(fields: dict[str, Any], key: str) -> UnixUs:
    try:
        return parse_rfc3339(fields[key])
    except (ValueError, TypeError, OverflowError):
        raise LicenseInvalid(f"{key} is a time such as 2026-01-31T12:00:00Z") from None


def _bytes(fields: dict[str, Any], key: str, length: int) -> bytes:
    try:
        value = b64decode(fields[key], validate=True)
    except (ValueError, TypeError):
        raise LicenseInvalid(f"{key} is base64") from None
    if len(value) != length:
        raise LicenseInvalid(f"{key} has {length} bytes")
    return value
