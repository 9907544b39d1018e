"""The facts: to which stream each belongs, and that they stay what they are."""

import dataclasses
import re

import pytest

from membership.domain.events import (
    EVENT_TYPES,
    LICENSE_STREAM,
    LOG_STREAM,
    REFUSALS_STREAM,
    CommandRefused,
    EpochBegan,
    Event,
    PeerRemoved,
    ServiceRemoved,
)
from membership.domain.values import parse_ulid
from tests.domain.histories import (
    ANN,
    LOCAL,
    added,
    created,
    credential,
    licensed,
    service_id_of,
    serving,
)


@pytest.mark.parametrize(
    ("event", "stream_id"),
    [
        (created(), LOCAL),
        (added(ANN), ANN.peer_id),
        (PeerRemoved(peer_id=ANN.peer_id), ANN.peer_id),
        (serving(1, "local", "ann"), service_id_of(1)),
        (ServiceRemoved(service_id=service_id_of(1)), service_id_of(1)),
        (licensed(), LICENSE_STREAM),
        (credential(), credential().client_id),
        (CommandRefused(command="c", subject="s", code="C", message="m"), REFUSALS_STREAM),
        (EpochBegan(epoch=1, former_checkpoint=b""), LOG_STREAM),
    ],
    ids=lambda value: getattr(value, "stored_as", ""),
)
def test_a_fact_belongs_to_the_stream_of_what_it_is_about(event: Event, stream_id: str) -> None:
    assert event.stream_id == stream_id


def test_a_fact_about_nothing_is_none() -> None:
    with pytest.raises(NotImplementedError):
        _ = Event().stream_id


def test_the_well_known_streams_are_ids_that_no_peer_can_have() -> None:
    for stream in (LICENSE_STREAM, REFUSALS_STREAM, LOG_STREAM):
        assert parse_ulid(stream) == stream
        assert stream < "01" + "0" * 24, "made in the first days of 1970"


def test_a_fact_is_frozen() -> None:
    for event_type in EVENT_TYPES:
        assert event_type.__dataclass_params__.frozen  # type: ignore[attr-defined]
    with pytest.raises(dataclasses.FrozenInstanceError):
        created().name = "x"  # type: ignore[misc]


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_a_stored_name_ends_with_the_number_of_its_shape(event_type: type[Event]) -> None:
    assert re.fullmatch(r"[a-z]+\.[a-z_]+\.v[1-9][0-9]*", event_type.stored_as)
