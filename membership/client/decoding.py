"""What an agent answered, as the classes of `membership.client.replies`, checked field by field."""

from dataclasses import is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

from membership.client.replies import Checkpoint

R = TypeVar("R")

_NOTE_LINES = 5
"""Origin, size, root, an empty line, at least one signature."""


def decode(kind: type[R], value: object) -> R:
    """
    Return parsed JSON as *kind*, one of the classes here or a tuple of one; a text as the note
    of a checkpoint.

    Raises:
        ValueError: It is something else; the message names the field.
    """
    return cast("R", _decode(kind, value, "the body"))


def _checkpoint(note: str) -> Checkpoint:
    lines = note.split("\n")
    if len(lines) < _NOTE_LINES or not lines[1].isdecimal():
        message = "the note is no checkpoint"
        raise ValueError(message)
    return Checkpoint(origin=lines[0], size=int(lines[1]), root=lines[2], note=note)


def _decode(kind: object, value: object, where: str) -> object:
    if kind is Checkpoint and isinstance(value, str):
        return _checkpoint(value)
    if is_dataclass(kind) and isinstance(value, dict):
        construct: Any = kind
        return cast("object", construct(**_decode_fields(kind, value)))
    if get_origin(kind) is tuple and isinstance(value, list):
        return tuple(_decode(get_args(kind)[0], item, f"an item of {where}") for item in value)
    if get_origin(kind) is UnionType:
        [some] = [other for other in get_args(kind) if other is not NoneType]
        return None if value is None else _decode(some, value, where)
    # Exactly the type, since a bool is an int to isinstance.
    if type(value) is kind:
        return value
    message = f"{where} is of the kind {type(value).__name__}, which it should not be"
    raise ValueError(message)


def _decode_fields(kind: object, value: dict[str, object]) -> dict[str, object]:
    decoded = {}
    for name, hint in _hints(cast("type", kind)).items():
        if name not in value:
            message = f"{name} is missing"
            raise ValueError(message)
        decoded[name] = _decode(hint, value[name], name)
    return decoded


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)
