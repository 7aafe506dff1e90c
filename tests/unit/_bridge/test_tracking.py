"""Each event once: versions while they can be trusted, the order of arrival where they cannot."""

from __future__ import annotations

import itertools

import pytest

from tests.unit._bridge.service import Client, Service
from twilio_taskrouter_worker._bridge import schema
from twilio_taskrouter_worker._bridge.schema import Record, Resource, Wire
from twilio_taskrouter_worker._bridge.tracking import ODD_RESERVATIONS, Track, TransferTrack, Trust

A, B = 11, 22
"""Two contents."""


class Thing(Resource):
    """Something with a version."""

    version: Wire[str] = Wire("version", schema.VERSION)
    content: Wire[int] = Wire("content", schema.INTEGER)
    age: Wire[int] = Wire("age", schema.AGE)


ages = itertools.count()


def record(version: int, content: int) -> Record:
    """A record that is older than the one before."""
    return Thing._schema.read({"version": version, "content": content, "age": next(ages)})


def told(*events: tuple[str, int, int], trust: Trust | None = None, track: Track | None = None) -> list[bool]:
    """Which of these events (type, version, content) are announced, one after the other."""
    track, trust = track or Track(Thing._schema), trust or Trust()
    return [track.admits(event_type, record(version, content), trust) for event_type, version, content in events]


def listed(version: int, content: int) -> Track:
    """What is announced of an object that was read from a list."""
    track = Track(Thing._schema)
    track.listed(record(version, content))
    return track


def test_each_version_once() -> None:
    """New versions are announced, repetitions and older ones are not."""
    assert told(("x", 0, A), ("x", 0, A), ("x", 2, A), ("x", 1, A), ("x", 2, A), ("x", 3, A)) == [
        True,
        False,
        True,
        False,
        False,
        True,
    ]


def test_several_events_of_one_version() -> None:
    """Two kinds of event about one version are each announced."""
    assert told(("x", 1, A), ("y", 1, A), ("x", 1, A), ("y", 1, A)) == [True, True, False, False]


def test_after_a_list() -> None:
    """What a list told is not announced again, of whatever kind; later versions are."""
    assert told(("x", 3, A), ("y", 3, A), ("x", 2, B), ("x", 4, B), track=listed(3, A)) == [False, False, False, True]


def test_an_ending_is_never_older() -> None:
    """Nothing comes after an ending, so that it is announced whatever its version says, but once."""
    trust, track, end = Trust(), Track(Thing._schema), record(3, B)
    assert track.admits("x", record(5, A), trust)
    assert track.admits("end", end, trust, ending=True) and track.record == end
    assert not track.admits("end", record(3, B), trust, ending=True)
    assert trust.in_versions


@pytest.mark.parametrize("known", ["an event", "a list"])
def test_two_contents_of_one_version(known: str) -> None:
    """A version that stands for two contents shows that versions mean nothing: both are announced, and from then on
    older versions too; an exact repetition is still none."""
    trust, track = Trust(), listed(1, A)
    if known == "an event":
        track = Track(Thing._schema)
        track.admits("x", record(1, A), trust)
    assert told(("x", 1, B), ("x", 0, A), ("x", 0, A), ("x", 1, A), trust=trust, track=track) == [
        True,
        True,
        False,
        True,
    ]
    assert not trust.in_versions


def test_what_comes_along() -> None:
    """A part of another object's event is what is known from then on, unless it is older; its own events still fire."""
    older, known, newer = record(1, B), record(2, A), record(3, B)
    trust, track = Trust(), Track(Thing._schema, known)
    track.came_along(older, trust)
    assert track.record is known
    track.came_along(newer, trust)
    assert track.record is newer
    assert track.admits("x", newer, trust)
    trust.saw_contradiction()
    track.came_along(older, trust)
    assert track.record is older


def test_events_of_a_transfer() -> None:
    """Each once, and none after its end; attempts that fail alike are told apart by the task's version."""
    track = TransferTrack()
    start, attempt, end = "task.transfer-initiated", "task.transfer-attempt-failed", "task.transfer-failed"
    assert [track.admits(start, (A,), 1), track.admits(start, (B,), 2)] == [True, False]
    assert [track.admits(attempt, (A,), 1), track.admits(attempt, (A,), 1)] == [True, False]
    assert [track.admits(attempt, (A,), 2), track.admits(attempt, (B,), 2)] == [True, True]
    assert [track.admits(end, (A,), 2), track.admits(end, (A,), 2), track.admits(attempt, (A,), 3)] == [
        True,
        False,
        False,
    ]


def test_odd_versions_of_pending_reservations() -> None:
    """Pending reservations begin with version 0; some that do not are a chance, several are another way to count."""
    trust = Trust()
    for version in [0] * 10 + [1] * (ODD_RESERVATIONS - 1):
        trust.saw_pending(version)
    assert trust.in_versions
    trust.saw_pending(4)
    assert not trust.in_versions


def test_a_service_that_counts_otherwise() -> None:
    """Where versions mean nothing, the way of a reservation is heard in the order in which it comes."""
    service = Service()
    client = Client(service)
    client.take_over()
    for number in range(1, ODD_RESERVATIONS + 1):
        service.made = number - 1
        event = service.create()
        event.payload["version"] = 9
        client.hear(event)
    assert not client.state.trust.in_versions
    accepted, completed = service.change("WR1", "accepted"), service.change("WR1", "completed")
    assert client.hear(accepted, completed) == ["WR1 accepted", "WR1 completed"]
    assert client.ended["WR1"].status == "completed"


def test_trust_in_the_worker_is_its_own() -> None:
    """A worker whose version stands for two contents is heard by arrival; reservations are still heard by version."""
    service = Service()
    client = Client(service)
    client.take_over()
    first = service.set_attributes(a=1)
    second = service.set_attributes(a=2)
    second.payload["version"] = first.payload["version"]
    first_again = service.set_attributes(a=3)
    first_again.payload["version"] = 1
    assert client.hear(first, second, first_again) == ["attributes_updated"] * 3
    assert client.worker.attributes == {"a": 3}
    assert (client.state.worker_trust.in_versions, client.state.trust.in_versions) == (False, True)
