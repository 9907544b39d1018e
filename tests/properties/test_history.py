"""
What the history answers out of its index is what a reader of the whole log would find.

The readers here know nothing of indexes, facets or snapshots: they replay and compare.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from membership.api.schema import encode_peer, encode_peer_with_standing, encode_service
from membership.domain.events import (
    CommandRefused,
    PeerAdded,
    PeerEvent,
    RecordedEvent,
    ServiceEvent,
    ServiceRegistered,
)
from membership.domain.history import Facet
from membership.domain.values import PeerId, StreamId, UnixUs
from membership.store.history_index import HistoryIndex
from projections.history_reader import HistoryQuery, HistoryReader
from projections.indexer import Indexer
from projections.past import Past, difference
from projections.views import Views
from tests.properties.histories import ACTORS, PEER_IDS, Step, Story, stories

SEGMENT_POSITIONS = 4
"""So that short histories have many segments."""

TYPES = ("peer.added", "peer.renamed", "peer.removed", "service.removed", "command.refused")
facets = st.builds(
    Facet,
    st.sampled_from([None, None, *PEER_IDS]),
    st.sampled_from([None, None, *TYPES]),
    st.sampled_from([None, None, *(f"{a.kind}:{a.id}" for a in ACTORS)]),
)


@contextmanager
def indexed(steps: list[Step], batch: int) -> Iterator[tuple[Story, HistoryReader]]:
    """Tell a story while the index follows it, every *batch* events, in several lives."""
    with tempfile.TemporaryDirectory() as directory:
        story = Story()
        index = HistoryIndex(
            Path(directory) / "history.db", bytes, segment_positions=SEGMENT_POSITIONS
        )
        indexer = Indexer(story.store, index)
        assert indexer.open() == ""
        for number, step in enumerate(steps):
            story.tell(step)
            if number % batch == 0:
                indexer.step()
            if number % (3 * batch) == 0:
                indexer.close()
                assert indexer.open() == ""
        while indexer.step():
            pass
        yield story, HistoryReader(story.store, index, encode_peer)
        index.close()


def replayed(events: list[RecordedEvent], position: int) -> Views:
    """Return the views after the first *position* events."""
    views = Views(encode_peer)
    views.apply(events[:position])
    return views


def involved(events: list[RecordedEvent], recorded: RecordedEvent) -> set[str]:
    """Return the peers that an event involves, by the events before it."""
    ends = {
        e.event.service_id: {e.event.source_peer_id, e.event.target_peer_id}
        for e in events
        if isinstance(e.event, ServiceRegistered) and e.position <= recorded.position
    }
    gone = {
        e.event.stream_id
        for e in events
        if e.event.stored_as == "service.removed.v1" and e.position < recorded.position
    }
    match recorded.event:
        case PeerAdded() as event:
            return {event.peer_id} | ({event.introduced_by} if event.introduced_by else set())
        case PeerEvent() as event:
            return {event.peer_id}
        case ServiceEvent() as event:
            return set(ends[event.service_id])
        case CommandRefused(subject=subject):
            words = [word for word in subject.split() if len(word) == 26]
            if len(words) == 1 and words[0] not in gone and words[0] in ends:
                return set(ends[words[0]])
            return set(words)
    return set()


def fits(recorded: RecordedEvent, peers: set[str], facet: Facet) -> bool:
    actor = recorded.metadata.actor
    return (
        (facet.peer is None or facet.peer in peers)
        and facet.type in (None, recorded.event.stored_as.removesuffix(".v1"))
        and facet.actor in (None, f"{actor.kind}:{actor.id}")
    )


@given(steps=stories, batch=st.integers(1, 9))
@settings(max_examples=40, deadline=None)
def test_every_combination_of_filters_finds_exactly_what_a_filter_over_the_log_finds(
    steps: list[Step], batch: int
) -> None:
    with indexed(steps, batch) as (story, reader):
        events = story.events()
        peers = [involved(events, recorded) for recorded in events]
        every = {
            Facet(PeerId(peer) if peer else None, type_, actor)
            for recorded, around in zip(events, peers, strict=True)
            for peer in (None, *around)
            for type_ in (None, recorded.event.stored_as.removesuffix(".v1"))
            for actor in (None, f"{recorded.metadata.actor.kind}:{recorded.metadata.actor.id}")
        }
        for facet in every:
            page = reader.page(HistoryQuery(facet=facet, limit=len(events)))
            assert [entry.recorded for entry in page.entries] == [
                recorded
                for recorded, around in zip(events, peers, strict=True)
                if fits(recorded, around, facet)
            ]


@given(
    steps=stories,
    batch=st.integers(1, 9),
    facet=facets,
    bounds=st.tuples(st.integers(0, 50), st.none() | st.integers(1, 50)),
    times=st.tuples(st.none() | st.integers(-1, 300), st.none() | st.integers(-1, 300)),
    newest_first=st.booleans(),
    limit=st.integers(1, 20),
)
@settings(max_examples=150, deadline=None)
def test_bounds_order_and_pages_are_those_of_a_filter_over_the_log(
    steps: list[Step],
    batch: int,
    facet: Facet,
    bounds: tuple[int, int | None],
    times: tuple[int | None, int | None],
    *,
    newest_first: bool,
    limit: int,
) -> None:
    with indexed(steps, batch) as (story, reader):
        events = story.events()
        begin_us = events[0].metadata.recorded_at_us
        since, until = (None if t is None else UnixUs(begin_us + t * 1_000_000) for t in times)
        query = HistoryQuery(
            facet=facet,
            after=bounds[0],
            before=bounds[1],
            since_us=since,
            until_us=until,
            newest_first=newest_first,
            limit=limit,
        )
        wanted = [
            e.position
            for e in events
            if e.position > bounds[0]
            and (bounds[1] is None or e.position < bounds[1])
            and (since is None or e.metadata.recorded_at_us >= since)
            and (until is None or e.metadata.recorded_at_us < until)
            and fits(e, involved(events, e), facet)
        ]
        wanted = wanted[::-1] if newest_first else wanted
        found: list[int] = []
        is_more = True
        while is_more:
            page = reader.page(query)
            found += [entry.recorded.position for entry in page.entries]
            assert len(page.entries) <= limit
            assert page.position == len(events)
            is_more = page.is_more
            if is_more:
                query = query.behind(found[-1])
        assert found == wanted


@given(steps=stories, batch=st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_every_entry_has_its_subject_as_a_replay_has_it_before_and_after(
    steps: list[Step], batch: int
) -> None:
    with indexed(steps, batch) as (story, reader):
        events = story.events()
        entries = reader.page(HistoryQuery(limit=len(events))).entries
        for entry in entries:
            position = entry.recorded.position
            before, after = replayed(events, position - 1), replayed(events, position)
            for views, subject in ((before, entry.before), (after, entry.after)):
                if not isinstance(entry.recorded.event, PeerEvent | ServiceEvent):
                    continue
                stream_id: Any = entry.recorded.event.stream_id
                there = views.peers.get(stream_id) or views.services.get(stream_id)
                assert subject == (replace(there, record=b"") if _is_peer(there) else there)


def _is_peer(value: object) -> bool:
    return hasattr(value, "record")


def contents(past: Past | Views) -> dict[str, Any]:
    """Return everything that can be read of the peers and the services."""
    return {
        "position": past.position,
        "list": past.peers.list_body(),
        "sides": [past.peers.list_body(is_local=side) for side in (True, False)],
        "standing": [encode_peer_with_standing(peer) for peer in past.peers.everyone()],
        "peers": [asdict(replace(peer, record=b"")) for peer in past.peers.everyone()],
        "seats": [_id(past.peers.at_address(peer.address)) for peer in past.peers.active()],
        "changed_by": past.peers.changed_by,
        "services": [
            encode_service(service, past.services.inactive_reason(service))
            for service in past.services.all()
        ],
    }


def _id(peer: Any) -> PeerId | None:
    return peer and peer.peer_id


@given(steps=stories, batch=st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_the_views_as_of_every_position_are_those_of_a_full_replay(
    steps: list[Step], batch: int
) -> None:
    with indexed(steps, batch) as (story, reader):
        events = story.events()
        for position in range(1, len(events) + 1):
            views = replayed(events, position)
            assert contents(reader.past(position)) == contents(views)
            for peer in views.peers.everyone():
                one = reader.past_around(position, StreamId(peer.peer_id)).peers.get(peer.peer_id)
                assert one == replace(peer, record=b"")
            for service in views.services.all():
                past = reader.past_around(position, StreamId(service.service_id))
                [alone] = past.services.all()
                assert alone == service
                reason = views.services.inactive_reason(service)
                assert past.services.inactive_reason(alone) == reason


@given(steps=stories, data=st.data())
@settings(max_examples=100, deadline=None)
def test_a_difference_is_what_two_replays_differ_in(steps: list[Step], data: st.DataObject) -> None:
    with indexed(steps, 5) as (story, reader):
        events = story.events()
        end = data.draw(st.integers(1, len(events)))
        start = data.draw(st.integers(1, end))
        found = difference(reader.past(start), reader.past(end))
        old, new = replayed(events, start), replayed(events, end)
        then = {peer.peer_id: encode_peer(peer) for peer in old.peers.active()}
        now = {peer.peer_id: encode_peer(peer) for peer in new.peers.active()}
        assert [p.peer_id for p in found.peers.added] == [i for i in now if i not in then]
        assert [c.before.peer_id for c in found.peers.removed] == [i for i in then if i not in now]
        assert all(c.after is not None and not c.after.is_active for c in found.peers.removed)
        assert {c.before.peer_id for c in found.peers.changed} == {
            i for i in then.keys() & now.keys() if then[i] != now[i]
        }
        services_then = {s.service_id: old.services.inactive_reason(s) for s in old.services.all()}
        services_now = {s.service_id: new.services.inactive_reason(s) for s in new.services.all()}
        changed = {c.before.service.service_id: c.after for c in found.services.changed}
        assert {s.service.service_id for s in found.services.added} == (
            services_now.keys() - services_then.keys()
        )
        assert {c.before.service.service_id for c in found.services.removed} == (
            services_then.keys() - services_now.keys()
        )
        assert {i: then and then.inactive_reason for i, then in changed.items()} == {
            i: reason
            for i, reason in services_now.items()
            if i in services_then and services_then[i] != reason
        }
