"""
Request bodies: which fields each may have, and what is wrong with one that has others.

What is answered is in `membership.api.schema` and `membership.api.status_schema`; no other module
spells a JSON key.
"""

import json
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from membership.domain.errors import InvalidField, InvalidRequest


class Body(BaseModel):
    """A request's body: only known fields, each of exactly its type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class NoFields(Body):
    """`POST /v1/cluster/sync`."""


class NewPeer(Body):
    """`POST /v1/peers`."""

    address: str = Field(description="the remote agent's host:port")
    name: str = Field("", description="a name as text")


class PeerChanges(Body):
    """`PUT /v1/peers/{id}`; a name that is not given stays."""

    name: str = Field("", description="a name as text")


class NewService(Body):
    """`POST /v1/services`."""

    name: str = Field(description="a name as text")
    source_peer_id: str = Field(description="the id of a peer")
    target_peer_id: str = Field(description="the id of another peer")


B = TypeVar("B", bound=Body)


def parse_body(model: type[B], raw: bytes) -> B:
    """
    Return the body in *raw*; no bytes at all are an empty object.

    Raises:
        InvalidRequest: It is no JSON object, or a field is missing, unknown, repeated or of
            another type.
    """
    fields = _object(raw or b"{}")
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise _invalid_field(model, str(first["loc"][0]), first["type"]) from None


def _object(raw: bytes) -> dict[str, Any]:
    # orjson is the strict one about syntax, UTF-8 and lone surrogates; only the standard
    # library tells that a key came twice.
    try:
        fields = orjson.loads(raw)
        if isinstance(fields, dict):
            json.loads(raw, object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError) as error:
        message = f"the body is no JSON: {error}"
        raise InvalidRequest(message) from None
    if not isinstance(fields, dict):
        message = "the body must be a JSON object, in braces"
        raise InvalidRequest(message)
    return fields


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        keys = [key for key, _ in pairs]
        raise InvalidField(next(key for key in keys if keys.count(key) > 1), "give it once")
    return fields


def _invalid_field(model: type[Body], field: str, problem: str) -> InvalidField:
    known = model.model_fields
    if problem == "extra_forbidden":
        allowed = f"known are: {', '.join(known)}" if known else "there are none here"
        return InvalidField(field, f"unknown field; {allowed}")
    wanted = known[field].description
    return InvalidField(
        field, f"it is missing; give {wanted}" if problem == "missing" else f"must be {wanted}"
    )
