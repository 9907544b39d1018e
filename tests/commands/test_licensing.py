"""The licence document: written, read, refused."""

from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from membership.commands.licensing import (
    MAX_DOCUMENT_BYTES,
    MAX_NODES,
    LicenseDocument,
    cluster_id_of,
    encode_license,
    issue_license,
    parse_license,
)
from membership.domain.errors import LicenseInvalid
from membership.domain.license import US_PER_DAY, License
from membership.domain.values import ClusterId, PublicKey, UnixUs
from membership.proof.signing import Signer

ISSUER = Signer(b"\x49" * 32)
SECRET = bytes(range(100, 132))
ISSUED_US = UnixUs(1_767_225_600_000_000)

DRAFT = License(
    license_id="01KDVDXQ000000000000000000",
    revision=1,
    customer="Exämple & Sons",
    issued_at_us=ISSUED_US,
    expires_at_us=UnixUs(ISSUED_US + 365 * US_PER_DAY + 123_456),
    max_nodes=25,
    issuer=PublicKey(b""),
    cluster_id=ClusterId(b""),
    signature=b"",
)
DOCUMENT = issue_license(ISSUER, DRAFT, SECRET)


def _altered(document: LicenseDocument = DOCUMENT, **changes: Any) -> bytes:
    return orjson.dumps(orjson.loads(encode_license(document)) | changes)


def _reason(data: bytes) -> str:
    with pytest.raises(LicenseInvalid) as caught:
        parse_license(data)
    message = caught.value.message
    assert message.startswith("the licence is not acceptable: ")
    assert b64encode(SECRET).decode() not in f"{message}{caught.value.details}"
    return message.removeprefix("the licence is not acceptable: ")


# Written and read


def test_a_licence_is_read_as_it_was_issued() -> None:
    assert parse_license(encode_license(DOCUMENT)) == DOCUMENT
    assert DOCUMENT.license.issuer == ISSUER.public_key
    assert DOCUMENT.license.expires_at_us == DRAFT.expires_at_us


@given(
    customer=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=255),
    license_id=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=255),
    revision=st.integers(1, 2**31),
    max_nodes=st.integers(1, MAX_NODES),
    issued_at_us=st.integers(0, 2 * 10**15),
    lasts_us=st.integers(1, 10**15),
    secret=st.binary(min_size=32, max_size=32),
)
def test_every_licence_survives_its_own_document(
    issued_at_us: int, lasts_us: int, secret: bytes, **fields: Any
) -> None:
    draft = replace(
        DRAFT,
        issued_at_us=UnixUs(issued_at_us),
        expires_at_us=UnixUs(issued_at_us + lasts_us),
        **fields,
    )
    document = issue_license(ISSUER, draft, secret)
    assert parse_license(encode_license(document)) == document


def test_the_order_of_fields_and_the_spaces_are_nobodys_business() -> None:
    fields = orjson.loads(encode_license(DOCUMENT))
    assert parse_license(orjson.dumps(dict(reversed(fields.items())))) == DOCUMENT


def test_a_time_may_be_written_in_another_zone() -> None:
    assert parse_license(_altered(issued_at="2026-01-01T01:00:00+01:00")) == DOCUMENT


def test_the_secret_is_in_the_document_and_in_no_other_text() -> None:
    assert b64encode(SECRET) in encode_license(DOCUMENT)
    assert repr(SECRET) not in repr(DOCUMENT)
    assert str(SECRET) not in str(DOCUMENT)
    assert "secret" not in repr(DOCUMENT)
    assert SECRET not in (DOCUMENT.license.cluster_id, DOCUMENT.license.signature)


# The cluster


def test_a_renewal_stays_in_the_cluster() -> None:
    renewal = replace(
        DRAFT,
        revision=2,
        customer="Another name",
        max_nodes=1_000,
        issued_at_us=UnixUs(ISSUED_US + 300 * US_PER_DAY),
        expires_at_us=UnixUs(ISSUED_US + 900 * US_PER_DAY),
    )
    renewed = issue_license(ISSUER, renewal, SECRET)
    assert renewed.license.cluster_id == DOCUMENT.license.cluster_id
    assert renewed.license.signature != DOCUMENT.license.signature
    assert renewed.secret == DOCUMENT.secret


@pytest.mark.parametrize(
    "other",
    [
        issue_license(ISSUER, replace(DRAFT, license_id="another"), SECRET),
        issue_license(Signer(b"\x4a" * 32), DRAFT, SECRET),
        issue_license(ISSUER, DRAFT, b"\x00" * 32),
    ],
    ids=["id", "issuer", "secret"],
)
def test_another_id_issuer_or_secret_is_another_cluster(other: LicenseDocument) -> None:
    assert other.license.cluster_id != DOCUMENT.license.cluster_id


def test_the_cluster_id_never_changes() -> None:
    golden = "35f296b3fa850af52aebd6cf4fbaea86"
    assert cluster_id_of("id", b"\x01" * 32, b"\x02" * 32).hex() == golden


def test_what_a_draft_says_of_issuer_cluster_and_signature_is_not_believed() -> None:
    lying = replace(
        DRAFT, issuer=PublicKey(b"x" * 32), cluster_id=ClusterId(b"x" * 16), signature=b"x" * 64
    )
    assert issue_license(ISSUER, lying, SECRET) == DOCUMENT


# Refused


@pytest.mark.parametrize(
    "changes",
    [
        {"license_id": "other"},
        {"revision": 2},
        {"customer": "Thief"},
        {"issued_at": "2025-01-01T00:00:00Z"},
        {"expires_at": "2099-01-01T00:00:00Z"},
        {"max_nodes": 26},
        {"secret": b64encode(bytes(32)).decode()},
        {"issuer": b64encode(Signer(b"\x4a" * 32).public_key).decode()},
        {"signature": b64encode(bytes(64)).decode()},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_document_that_was_altered_after_it_was_signed_is_refused(
    changes: Mapping[str, Any],
) -> None:
    reason = "its signature is not that of its issuer; it was altered"
    assert _reason(_altered(**changes)) == reason


def test_a_licence_signed_for_another_purpose_is_refused() -> None:
    signature = ISSUER.sign("application/vnd.membership.record.v1+msgpack", b"whatever")
    assert "signature" in _reason(_altered(signature=b64encode(signature).decode()))


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"no json", b"\xff", b"\x00", b'{"a":}', b"[" * 9_000, b'{"license_id": NaN}'],
)
def test_what_is_no_json_is_refused_as_such(data: bytes) -> None:
    assert _reason(data) == "it is no JSON document"


@pytest.mark.parametrize("data", [b"[]", b"null", b"7", b'"text"', b"true", b"{}"])
def test_json_that_is_no_licence_is_told_which_fields_it_needs(data: bytes) -> None:
    assert _reason(data).startswith("it has to have exactly the fields customer, expires_at, ")


def test_a_missing_field_and_one_too_many_are_refused() -> None:
    fields = orjson.loads(encode_license(DOCUMENT))
    for name in fields:
        fewer = {key: value for key, value in fields.items() if key != name}
        assert "exactly the fields" in _reason(orjson.dumps(fewer))
    assert "exactly the fields" in _reason(orjson.dumps(fields | {"comment": "hello"}))


def test_a_document_that_is_too_long_is_refused_unread() -> None:
    data = encode_license(DOCUMENT)
    assert parse_license(data + b" " * (MAX_DOCUMENT_BYTES - len(data))) == DOCUMENT
    assert str(MAX_DOCUMENT_BYTES) in _reason(data + b" " * MAX_DOCUMENT_BYTES)


_NO_TEXT: Sequence[Any] = [None, 7, True, [], {}, "", "x" * 256]
_NO_NUMBER: Sequence[Any] = [None, "7", True, False, 0, -1, 1.0, 2**63, 2**70, [], {}]
_NO_TIME: Sequence[Any] = [
    None,
    7,
    True,
    [],
    "",
    "tomorrow",
    "2026-01-01",
    "2026-01-01T00:00:00",
    "2026-13-01T00:00:00Z",
    "9999999-01-01T00:00:00Z",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59",
]
_NO_BYTES: Sequence[Any] = [
    None,
    7,
    True,
    [],
    {},
    "",
    "!!!",
    "é",
    "AAAA",
    b64encode(bytes(65)).decode(),
    "=" * 44,
]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[(field, value) for field in ("license_id", "customer") for value in _NO_TEXT],
        *[(field, value) for field in ("revision", "max_nodes") for value in _NO_NUMBER],
        *[(field, value) for field in ("issued_at", "expires_at") for value in _NO_TIME],
        *[(f, value) for f in ("secret", "issuer", "signature") for value in _NO_BYTES],
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_malformed_field_is_refused_with_its_name(field: str, value: Any) -> None:
    fields = orjson.loads(encode_license(DOCUMENT))
    data = orjson.dumps(fields | {field: value}) if value != 2**70 else _with_huge(fields, field)
    assert _reason(data).startswith(f"{field} ")


def _with_huge(fields: Mapping[str, Any], field: str) -> bytes:
    return orjson.dumps(dict(fields) | {field: "@"}).replace(b'"@"', str(2**70).encode())


def test_a_licence_that_ends_before_it_begins_is_refused() -> None:
    for lasts_us in (0, -1):
        backwards = replace(DRAFT, expires_at_us=UnixUs(ISSUED_US + lasts_us))
        with pytest.raises(LicenseInvalid, match="expires before it was issued"):
            parse_license(encode_license(issue_license(ISSUER, backwards, SECRET)))


def test_a_limit_above_the_highest_is_refused() -> None:
    too_many = replace(DRAFT, max_nodes=MAX_NODES + 1)
    assert _reason(encode_license(issue_license(ISSUER, too_many, SECRET))).startswith("max_nodes")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[:-3],
        lambda data: data[1:],
        lambda data: data + data,
        lambda data: data.replace(b"license_id", b"licence_id"),
        lambda data: b"\xef\xbb\xbf\xef\xbb\xbf" + data,
    ],
    ids=["cut", "beheaded", "doubled", "misspelt", "marked twice"],
)
def test_a_damaged_document_is_refused(spoil: Callable[[bytes], bytes]) -> None:
    assert _reason(spoil(encode_license(DOCUMENT)))


@given(st.binary(max_size=400))
def test_any_bytes_are_refused_or_a_licence(data: bytes) -> None:
    try:
        parse_license(data)
    except LicenseInvalid as error:
        assert error.message  # noqa: PT017 - being refused is one of two good outcomes
