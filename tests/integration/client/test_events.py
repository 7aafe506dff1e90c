"""Every event of the wire: what it changes, what it fires, and what it may not do."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.data import attributes, events
from tests.data.events import EVENTS, PUBLIC, Event, Public
from tests.integration.client.connected_client import TOKEN, ConnectedClient, connected_client, done
from tests.oracle.bridge import RecordingBridge
from tests.tools import payloads
from tests.tools.answers import Call, Hang
from tests.tools.seams import events_of, listeners_of
from tests.tools.wait import eventually
from twilio_taskrouter_worker import (
    Activity,
    Channel,
    IncomingTransfer,
    InvalidMessageError,
    OutgoingTransfer,
    Reservation,
    Supervisor,
    Task,
    TaskQueue,
    Worker,
    WorkerInfo,
)
from twilio_taskrouter_worker._bridge import futures, updates
from twilio_taskrouter_worker._bridge.messages import EVENT_TYPES, Message
from twilio_taskrouter_worker._bridge.threads import TIMERS, Timer
from twilio_taskrouter_worker._bridge.timings import Timings
from twilio_taskrouter_worker.events import Emitter

EMITTERS = {each.__name__: each for each in (Worker, Channel, Reservation, Task, OutgoingTransfer)}
BY_TYPE = {event.type: event for event in EVENTS}
ENDINGS = [event for event in EVENTS if event.ends]
LAST = [*ENDINGS, BY_TYPE["task.canceled"], BY_TYPE["task.completed"]]
TASK_EVENTS = [event for event in EVENTS if event.payload == "Task"]
TRANSFER_EVENTS = [event for event in EVENTS if event.payload == "Transfer"]
OF_CONNECTION = {
    *("connected", "disconnected", "error", "ready", "reconnecting"),
    *("token_expired", "token_updated", "token_will_expire"),
}
"""Events of a Worker that no message of TaskRouter fires."""

Heard = list[tuple[str, str, tuple[Any, ...]]]


@pytest.fixture
def client() -> Iterator[ConnectedClient]:
    """A client of the test's own."""
    with connected_client() as client:
        yield client


def payload_of(event: Event, client: ConnectedClient) -> Any:
    """A payload for the event in which everything differs from what is known."""
    if event.payload == "anything":
        return payloads.event(event.type)
    if event.type == "reservation.created":
        client.reservation_sid = client.add()
        return client.nested()
    payload = client.changed(event.payload)
    if event.payload == "Reservation":
        payload["reservation_status"] = event.status
    elif event.payload == "Task":
        payload["assignment_status"] = event.status
    elif event.payload == "Transfer":
        payload["transfer_status"] = event.status
    return payload


def expected(event: Event, client: ConnectedClient, payload: Any, found: dict[str, Any]) -> Heard:
    """What the row says, with the objects put in."""
    heard: Heard = []
    for owner, name, argument in event.fires:
        given = payload if argument == "payload" else found.get(argument) or client.target(argument)
        heard.append((owner, name, (given,)))
    return heard


def objects(client: ConnectedClient) -> dict[str, Any]:
    """The objects that are there before an event."""
    return {owner: client.target(owner) for owner in ("Worker", "Channel", "Reservation", "Task", "OutgoingTransfer")}


# -- the tables are complete -----------------------------------------------------------------------------------------


def test_every_event_type_has_a_row() -> None:
    """The types of the table are those that the client knows and handles, and as many as described."""
    types = [event.type for event in EVENTS]
    assert sorted(types) == sorted(EVENT_TYPES) == sorted(updates._HANDLERS)
    assert len(types) == events.COUNTS["5.3"]


@pytest.mark.parametrize("kind", EMITTERS.values(), ids=lambda kind: kind.__name__)
def test_every_public_event_has_a_row(kind: type[Emitter]) -> None:
    """The events of each class are those of the table."""
    assert sorted(events_of(kind)) == sorted(row.name for row in PUBLIC if row.owner == kind.__name__)


def test_the_public_events_are_as_many_as_described() -> None:
    """No event of the description is left out, and other classes fire none."""
    assert len([row for row in PUBLIC if not row.ours]) == events.COUNTS["7.1"]
    assert events_of(Supervisor) == events_of(Worker)
    for kind in (Activity, IncomingTransfer, TaskQueue, WorkerInfo):
        assert not issubclass(kind, Emitter)


def test_every_public_event_is_fired_by_a_message() -> None:
    """Except for the connection's own, each public event is what some message of the wire fires."""
    fired = {(owner, name) for event in EVENTS for owner, name, _ in event.fires}
    assert fired == {(row.owner, row.name) for row in PUBLIC if row.name not in OF_CONNECTION}


def test_every_event_updates_the_described_fields() -> None:
    """The fields that an update copies are as many as described, for each class."""
    counted = Counter(row.owner for table in attributes.TABLES.values() for row in table if row.updated)
    assert dict(counted) == attributes.COUNTS_UPDATED


@pytest.mark.parametrize("row", PUBLIC, ids=lambda row: f"{row.owner}.{row.js_name}")
def test_both_spellings_name_the_same_event(client: ConnectedClient, row: Public) -> None:
    """The JS SDK's name and the Python name reach the same listeners, in each method that takes a name."""
    target, heard = client.target(row.owner), []
    target.on(row.js_name, lambda *args: heard.append("on"))
    target.once(row.js_name, lambda *args: heard.append("once"))
    target.on(row.name, lambda *args: heard.append("python"))
    kept = target.on(row.name, lambda *args: heard.append("taken off"))
    target.off(row.js_name, kept)
    stream = target.stream(row.js_name)
    listeners = listeners_of(target, row.name)
    for listener in listeners[-4:]:
        listener.callback("argument")
    assert heard == ["on", "once", "python"]
    assert next(stream) == "argument"
    stream.close()
    target.off(row.js_name)
    assert listeners_of(target, row.name) == ()


# -- what each event does --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type)
def test_the_listeners_of_each_event(client: ConnectedClient, event: Event) -> None:
    """The listeners of the right objects get the right arguments, once, in order, and nobody else hears anything."""
    found = objects(client)
    payload = payload_of(event, client)
    heard = client.send(event.type, payload)
    if event.type == "reservation.created":
        found = {"Worker": client.worker, "Reservation": client.worker.reservations[payload["sid"]]}
    assert heard == expected(event, client, payload, found)
    for (_, _, args), (_, _, argument) in zip(heard, event.fires, strict=True):
        assert args[0] is found.get(argument, args[0])


def attribute_values(owner: str, target: Any) -> dict[str, Any]:
    return {name: getattr(target, name) for row in attributes.TABLES[owner] for name in row.names if "." not in name}


@pytest.mark.parametrize("event", [each for each in EVENTS if each.payload != "anything"], ids=lambda event: event.type)
def test_the_callback_sees_the_object_as_of_the_event(client: ConnectedClient, event: Event) -> None:
    """Inside the callback every attribute is that of the payload already: 5.1 and more."""
    found = objects(client)
    payload = payload_of(event, client)
    owner, name, argument = event.fires[-1]
    seen: list[dict[str, Any]] = []
    kind = "Transfer" if argument == "OutgoingTransfer" else argument
    found[owner].on(name, lambda shown: seen.append(attribute_values(kind, shown)))
    client.send(event.type, payload)
    assert len(seen) == 1
    for row in attributes.TABLES[kind]:
        if row.key in payload and row.kind not in ("task", "transfer", "task of"):
            for attribute in row.names:
                assert seen[0][attribute] == attributes.shown(row.kind, payload[row.key]), row.id


@pytest.mark.parametrize(
    "event", [each for each in EVENTS if each.payload == "Reservation" and each.type != "reservation.created"],
    ids=lambda event: event.type,
)  # fmt: skip
def test_a_reservation_event_updates_task_and_transfers(client: ConnectedClient, event: Event) -> None:
    """The nested task and both transfers are renewed in place; a transfer that was not there before appears."""
    reservation, task, outgoing = (
        client.reservation,
        client.reservation.task,
        client.reservation.task.transfers.outgoing,
    )
    payload = payload_of(event, client)
    payload["task"] = attributes.changed_payload("Task", payload["task"])
    payload["active_outgoing_task_transfer"]["transfer_status"] = "failed"
    payload["task_transfer"] = payloads.load("rest.reservation.with-transfers")["task_transfer"]
    payload["canceled_reason_code"] = -13223
    client.send(event.type, payload)
    assert reservation.task is task
    assert task.priority == payload["task"]["priority"]
    assert task.version == str(payload["task"]["version"])
    assert task.transfers.outgoing is outgoing
    assert outgoing is not None and outgoing.status == "failed"
    assert reservation.transfer is not None
    assert reservation.transfer.sid == payload["task_transfer"]["sid"]
    assert task.transfers.incoming is reservation.transfer
    assert reservation.canceled_reason_code == -13223


def test_the_transfer_that_brought_a_reservation_follows_its_events(client: ConnectedClient) -> None:
    """``reservation.transfer`` stays the same object while its status changes."""
    reservation = client.new_reservation("pending", transfer={"transfer_status": "initiated"})
    transfer = reservation.transfer
    assert transfer is not None and transfer is reservation.task.transfers.incoming
    payload = client.bridge.state.change_reservation(reservation.sid, "accepted")
    payload["task_transfer"]["transfer_status"] = "complete"
    client.send("reservation.accepted", payload)
    assert reservation.transfer is transfer is reservation.task.transfers.incoming
    assert transfer.status == "complete"
    # One that the payload does not name stays.
    payload = client.bridge.state.change_reservation(reservation.sid, "wrapping")
    del payload["task_transfer"]
    client.send("reservation.wrapup", payload)
    assert (reservation.status, reservation.transfer) == ("wrapping", transfer)


def test_a_change_of_activity_moves_the_current_one(client: ConnectedClient) -> None:
    """The old activity is current no longer, the new one is, and the objects stay the same."""
    worker, before, after = client.worker, client.worker.activity, client.target("Activity")
    heard = client.send("worker.activity.update", {**client.changed("Worker"), "activity_sid": after.sid})
    assert [event for _, event, _ in heard] == ["activity_updated"]
    assert worker.activity is after
    assert [each.sid for each in worker.activities.values() if each.is_current] == [after.sid]
    assert not before.is_current


EXAMPLE_EVENTS = sorted(path.stem.removeprefix("event.") for path in payloads.DIRECTORY.glob("event.*.json"))


@pytest.mark.parametrize("name", [each for each in EXAMPLE_EVENTS if each != "init"])
def test_the_examples(name: str) -> None:
    """Each example fires what the table says, sent as it stands to a worker with the reservation it is about."""
    frame = payloads.load(f"event.{name}")
    event = BY_TYPE[frame["event_type"]]
    with RecordingBridge() as bridge:
        worker = Worker(TOKEN, eb_server=bridge.eb_server)
        with bridge.state.lock:
            details = {"sid": frame["payload"]["sid"]} if event.payload == "Reservation" else {}
            if event.type != "reservation.created":
                bridge.state.add_reservation("pending", task={"version": -1}, outgoing={}, version=-1, **details)
        fired: list[str] = []
        over, ready = threading.Event(), threading.Event()
        worker.once("ready", lambda worker: ready.set())
        with worker.connect(30):
            # connect() returns before the listeners of "ready" are called.
            assert ready.wait(30)
            for target in (worker, *worker.channels.values(), *worker.reservations.values()):
                tasks: list[Any] = (
                    [target.task, target.task.transfers.outgoing] if isinstance(target, Reservation) else []
                )
                for emitter in [target, *tasks]:
                    for each in events_of(type(emitter)):
                        emitter.on(each, lambda *args, each=each: fired.append(each))
            worker.on("attributes_updated", lambda worker: over.set() if worker.version == "99" else None)
            bridge.send(frame["event_type"], frame["payload"])
            last = {**payloads.event("worker.attributes.update"), "version": 99}
            bridge.send("worker.attributes.update", last)
            assert over.wait(30)
        names = [name for _, name, _ in event.fires]
        assert fired[: len(names)] == names
        assert fired[len(names) :] == ["attributes_updated", "disconnected"]


def test_reservation_failed_hands_the_payload_on_untouched(client: ConnectedClient) -> None:
    """Whatever it is, null included, the callback gets it as it came."""
    cases: list[Any] = [payloads.event("reservation.failed"), None, {}, [], "text", 0, {"attributes": None, "n": [1.5]}]
    for payload in cases:
        got: list[Any] = []
        client.worker.once("reservation_failed", got.append)
        client.bridge.send("reservation.failed", payload)
        client.sync()
        assert got == [payload]
        assert type(got[0]) is type(payload)
    assert client.errors() == []


# -- versions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type)
def test_the_version_of_the_worker(client: ConnectedClient, event: Event) -> None:
    """It is the payload's after a worker's event, one more after those that count it up, and the same otherwise."""
    before = int(client.worker.version)
    payload = payload_of(event, client)
    client.send(event.type, payload)
    after = payload["version"] if event.payload == "Worker" else before + event.bumps
    assert client.worker.version == str(after)
    client.send(event.type, payload)
    assert client.worker.version == str(after)


@pytest.mark.parametrize("event", [each for each in EVENTS if each.payload != "anything"], ids=lambda event: event.type)
def test_a_repeated_event_does_nothing(client: ConnectedClient, event: Event) -> None:
    """The same message again changes nothing and fires nothing; no error either."""
    payload = payload_of(event, client)
    client.send(event.type, payload)
    before = client.snapshot()
    assert client.send(event.type, payload) == []
    assert client.snapshot() == before


@pytest.mark.parametrize(
    "event", [each for each in EVENTS if each.payload in ("Worker", "Reservation", "Task") and each not in LAST],
    ids=lambda event: event.type,
)  # fmt: skip
def test_a_late_event_does_nothing(client: ConnectedClient, event: Event) -> None:
    """A message with a version before the latest one changes nothing and fires nothing."""
    payload = payload_of(event, client)
    client.send(event.type, payload)
    before = client.snapshot()
    late = attributes.changed_payload(event.payload, payload)
    late["version"] = payload["version"] - 1
    if event.payload == "Worker":
        late["activity_sid"] = client.idle_activity()
    assert client.send(event.type, late) == []
    assert client.snapshot() == before


@pytest.mark.parametrize("event", LAST, ids=lambda event: event.type)
def test_an_ending_is_never_late(client: ConnectedClient, event: Event) -> None:
    """The end of a reservation or task counts whatever its version says, and the object shows it."""
    found, payload = objects(client), payload_of(event, client)
    payload["version"] = 2
    assert client.send(event.type, payload) == expected(event, client, payload, found)
    assert found[event.payload].status == event.status
    assert found[event.payload].version == "2"
    assert client.send(event.type, payload) == []


def test_versions_that_mean_nothing(client: ConnectedClient) -> None:
    """A service that gives one version to two contents is taken by the order of arrival: the latest message wins."""
    worker = client.worker
    first = client.changed("Worker")
    for version, number in ((first["version"], 1), (first["version"], 2), (first["version"] - 1, 3)):
        payload = {**first, "version": version, "attributes": f'{{"number": {number}}}'}
        heard = client.send("worker.attributes.update", payload)
        assert heard == [("Worker", "attributes_updated", (worker,))]
        assert worker.attributes == {"number": number}


def test_versions_are_numbers(client: ConnectedClient) -> None:
    """10 is later than 9, as text too; a version may come as decimal text."""
    reservation = client.new_reservation("accepted", version=9, task={"version": 9})
    payload = {**client.nested(), "version": "10", "reservation_status": "wrapping"}
    assert [event for _, event, _ in client.send("reservation.wrapup", payload)] == ["wrapup"]
    assert reservation.version == "10"


def test_two_events_of_one_version_both_fire(client: ConnectedClient) -> None:
    """The service can announce one version of a task under two types: each fires once."""
    task = client.reservation.task
    payload = client.changed("Task")
    for event in ("task.wrapup", "task.updated", "task.wrapup", "task.updated"):
        client.bridge.send(event, payload)
    client.sync()
    assert client.heard == [("Task", "wrapup", (task,)), ("Task", "updated", (task,))]


@pytest.mark.parametrize("method, event", [("accept", "accepted"), ("wrap", "wrapup"), ("complete", "completed")])
def test_an_event_after_its_answer_still_fires(client: ConnectedClient, method: str, event: str) -> None:
    """The answer brings the status first; the event of the same version fires all the same, once."""
    reservation = client.new_reservation("pending" if method == "accept" else "accepted")
    status = {"accepted": "accepted", "wrapup": "wrapping", "completed": "completed"}[event]
    done(getattr(reservation, method)())
    assert reservation.status == status
    assert client.heard == []
    payload = client.bridge.state.change_reservation(reservation.sid, status)
    assert client.send(f"reservation.{event}", payload) == [("Reservation", event, (reservation,))]
    assert client.send(f"reservation.{event}", payload) == []


def test_an_answer_after_a_later_event_changes_nothing(client: ConnectedClient) -> None:
    """An answer that was overtaken by events is not applied over them."""
    reservation = client.new_reservation("pending")
    old = client.bridge.state.bare(reservation.sid)

    def overtaken(call: Call) -> dict[str, Any]:
        client.bridge.change_reservation(reservation.sid, "accepted")
        client.bridge.change_reservation(reservation.sid, "wrapping")
        client.sync()
        return {**old, "reservation_status": "accepted"}

    client.bridge.on_call(f"{reservation.sid}$", overtaken, method="POST", times=1)
    assert done(reservation.accept()) is reservation
    assert (reservation.status, reservation.version) == ("wrapping", "2")
    assert [event for _, event, _ in client.heard] == ["accepted", "wrapup"]


# -- messages that cannot be used ------------------------------------------------------------------------------------


def broken(event: Event, client: ConnectedClient) -> list[Any]:
    """Payloads that say not, or not readably, what they are about."""
    good = payload_of(event, client)
    bad: list[Any] = [None, [], "text", 1, True, {}]
    for key in event.keys:
        bad.append({name: value for name, value in good.items() if name != key})
        wrong: tuple[Any, ...] = (None, 1, True, [], {})
        bad += [{**good, key: value} for value in wrong]
    return bad


@pytest.mark.parametrize("event", [each for each in EVENTS if each.keys], ids=lambda event: event.type)
def test_an_event_without_a_sid(client: ConnectedClient, event: Event) -> None:
    """Without its sid, or with one of another type, it is reported; nothing changes, and the next one is heard."""
    bad = broken(event, client)
    before, version = client.snapshot(), client.worker.version
    client.heard.clear()
    for payload in bad:
        client.bridge.send(event.type, payload)
    client.sync()
    assert [(owner, name) for owner, name, _ in client.heard] == [("Worker", "error")] * len(bad)
    for error in client.errors():
        assert type(error) is InvalidMessageError
        assert error.name == "INVALID_GATEWAY_MESSAGE"
    assert client.snapshot() == before
    assert client.worker.version == version
    payload = payload_of(event, client)
    assert [name for _, name, _ in client.send(event.type, payload)] == [name for _, name, _ in event.fires]


@pytest.mark.parametrize(
    "event", [each for each in EVENTS if each.unknown in ("error", "ignored")], ids=lambda e: e.type
)
def test_an_event_of_something_unknown(client: ConnectedClient, event: Event) -> None:
    """It is reported, or passed over, as the table says; nothing changes either way."""
    payload = payload_of(event, client)
    before = client.snapshot()
    for key in event.keys:
        if event.payload == "Transfer" and key == "sid":
            # A transfer that was started elsewhere; see below.
            continue
        heard = client.send(event.type, {**payload, key: "XXunknown"})
        if event.unknown == "ignored":
            assert heard == []
        else:
            assert [(owner, name) for owner, name, _ in heard] == [("Worker", "error")]
            assert type(client.errors()[0]) is InvalidMessageError
            assert "XXunknown" not in str(client.errors()[0])
    assert client.snapshot() == before


@pytest.mark.parametrize(
    "event_type",
    ["error", "connected", "disconnected", "tokenExpired", "ready", "token_expired", "message", "", "task.new-one"],
)
def test_unknown_event_types_are_tolerated(client: ConnectedClient, event_type: str) -> None:
    """A type that the client does not know fires nothing, whatever it is called, and is no error."""
    before = client.snapshot()
    cases: list[Any] = [{"sid": client.reservation_sid}, None, [], "text"]
    for payload in cases:
        assert client.send(event_type, payload) == []
    assert client.snapshot() == before
    assert client.worker.ready


def test_a_second_init_on_an_open_connection(client: ConnectedClient) -> None:
    """It does not read everything again, and fires nothing."""
    with client.calls() as made:
        assert client.send("init", client.bridge.init) == []
    assert made == []


@pytest.mark.parametrize("event", [each for each in EVENTS if each.payload != "anything"], ids=lambda event: event.type)
def test_unknown_fields_are_tolerated(client: ConnectedClient, event: Event) -> None:
    """Keys that the client does not know, of any type, change nothing of what an event does."""
    payload = payload_of(event, client)
    extra = {"unheard_of": {"nested": [1, None]}, "worker_name": 5, "counter": "x", "_record": 1, "task_order": None}
    found = objects(client) if event.type != "reservation.created" else {}
    heard = client.send(event.type, {**extra, **payload, **extra})
    assert heard == expected(event, client, payload, found)


# -- the end of reservations -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("event", ENDINGS, ids=lambda event: event.type)
def test_the_end_of_a_reservation(client: ConnectedClient, event: Event) -> None:
    """It is off the list inside its own callback; its task is still heard, its own events and transfers are not."""
    reservation, task = client.reservation, client.reservation.task
    ending, transfer = payload_of(event, client), client.changed("Transfer")
    listed: list[bool] = []
    name: Any = event.fires[0][1]
    reservation.on(name, lambda _: listed.append(reservation.sid in client.worker.reservations))
    client.send(event.type, ending)
    assert listed == [False]
    assert reservation.status == event.status
    for other in EVENTS:
        if other.payload == "Reservation":
            later = {**ending, "version": ending["version"] + 5, "reservation_status": other.status}
            assert client.send(other.type, later) == [], other.type
    for other in TRANSFER_EVENTS:
        assert client.send(other.type, transfer) == [], other.type
    assert reservation.status == event.status
    version = int(task.version)
    for other in TASK_EVENTS:
        version += 1
        later = {**client.changed("Task"), "version": version, "assignment_status": other.status}
        assert client.send(other.type, later) == [("Task", other.fires[0][1], (task,))]
        assert task.status == other.status


@pytest.mark.parametrize("event", ENDINGS, ids=lambda event: event.type)
def test_an_ended_reservation_is_forgotten_after_five_seconds(client: ConnectedClient, event: Event) -> None:
    """Just before, events of its task are heard; from then on they are not, and nothing of it is kept."""
    linger = Timings().linger
    assert linger == 5.0
    task = client.reservation.task
    client.send(event.type, payload_of(event, client))
    client.worker.disconnect()
    # Its thread is gone: from here on the test is the clock.
    state = client.worker._state
    ended = state._ended_at[0][0]
    payload = client.changed("Task")

    def apply(after: float) -> list[str]:
        payload["version"] += 1
        return [name for _, name, _ in updates.apply(state, Message("task.updated", dict(payload)), ended + after)]

    assert apply(0) == ["updated"]
    assert apply(4.999) == ["updated"]
    version = task.version
    assert apply(5.0) == []
    assert task.version == version
    assert (state.ended, state._tasks, list(state._ended_at)) == ({}, {}, [])


def test_a_task_of_two_reservations(client: ConnectedClient) -> None:
    """A task event fires for each reservation that holds the task, those that ended just now included."""
    first = client.reservation
    second = client.new_reservation("pending", task={"sid": first.task.sid})
    assert first.task is not second.task
    assert client.send("task.updated", client.changed("Task")) == [
        ("Task", "updated", (first.task,)),
        ("Task", "updated", (second.task,)),
    ]
    client.send("reservation.rescinded", {**client.nested(), "reservation_status": "rescinded", "version": 99})
    assert list(client.worker.reservations) == [first.sid]
    assert client.send("task.canceled", {**client.changed("Task"), "version": 99}) == [
        ("Task", "canceled", (first.task,)),
        ("Task", "canceled", (second.task,)),
    ]


@pytest.mark.parametrize("method, status", [("reject", "rejected"), ("complete", "completed")])
def test_an_answer_does_not_remove_a_reservation(client: ConnectedClient, method: str, status: str) -> None:
    """Only the event does."""
    reservation = client.reservation
    done(getattr(reservation, method)())
    client.sync()
    assert reservation.status == status
    assert client.worker.reservations[reservation.sid] is reservation
    payload = client.bridge.state.change_reservation(reservation.sid, status)
    assert client.send(f"reservation.{status}", payload) == [("Reservation", status, (reservation,))]
    assert reservation.sid not in client.worker.reservations


@pytest.mark.parametrize("event", TASK_EVENTS, ids=lambda event: event.type)
def test_task_events_remove_nothing(client: ConnectedClient, event: Event) -> None:
    """Not even the end of the task takes its reservation off the list."""
    client.send(event.type, payload_of(event, client))
    assert list(client.worker.reservations) == [client.reservation_sid]


# -- outgoing transfers ----------------------------------------------------------------------------------------------


def transfer_payload(client: ConnectedClient, sid: str, status: str, seconds: int = 0, **more: Any) -> dict[str, Any]:
    payload = {**payloads.load("rest.transfer"), "task_sid": client.record["task_sid"], **more}
    payload.update(sid=sid, transfer_status=status, initiating_reservation_sid=client.reservation_sid)
    payload["date_updated"] += seconds
    return payload


def transfer_names(heard: Heard) -> list[tuple[str, str, str]]:
    """Class, event and transfer of what fired."""
    return [(owner, event, args[0].sid) for owner, event, args in heard if "Transfer" in type(args[0]).__name__]


def hear_transfer(client: ConnectedClient, task: Task) -> None:
    assert task.transfers.outgoing is not None
    client._listen(task.transfers.outgoing)


@pytest.mark.parametrize("ending", ["failed", "completed", "canceled"])
def test_events_that_come_before_the_answer(client: ConnectedClient, ending: str) -> None:
    """They wait, without holding up others, until the Future of ``transfer()`` has resolved; then they come in order.

    A listener that was added in a callback of the Future misses none.
    """
    task = client.new_reservation().task
    status = {"completed": "complete"}.get(ending, ending)

    def early(call: Call) -> dict[str, Any]:
        sid = "TTnew"
        client.bridge.send("task.transfer-initiated", transfer_payload(client, sid, "initiated"))
        attempt = transfer_payload(client, sid, "initiated", 1, transfer_failed_reason="not now")
        client.bridge.send("task.transfer-attempt-failed", attempt)
        client.bridge.send(f"task.transfer-{ending}", transfer_payload(client, sid, status, 2))
        client.bridge.send("task.updated", client.bridge.state.change_task(task.sid, priority=8))
        client.sync()
        assert [(owner, event) for owner, event, _ in client.heard] == [("Task", "updated")]
        assert task.transfers.outgoing is None
        return transfer_payload(client, sid, "initiated")

    client.bridge.on_call("/Transfers$", early, times=1)
    resolved = threading.Event()

    def answered(_: Any) -> None:
        # The dispatch thread has all the time it wants, and may not use it for events of this transfer.
        client.sync()
        assert [(owner, event) for owner, event, _ in client.heard] == [("Task", "updated")]
        hear_transfer(client, task)
        resolved.set()

    future = task.transfer(client.other["sid"])
    future.add_done_callback(answered)
    assert done(future) is task
    assert resolved.wait(30)
    client.sync()
    client.sync()
    assert transfer_names(client.heard) == [
        ("Task", "transfer_initiated", "TTnew"),
        ("Task", "transfer_attempt_failed", "TTnew"),
        ("OutgoingTransfer", "attempt_failed", "TTnew"),
        ("Task", f"transfer_{ending}", "TTnew"),
        ("OutgoingTransfer", ending, "TTnew"),
    ]
    assert task.transfers.outgoing is not None
    assert task.transfers.outgoing.status == status
    assert client.errors() == []


def test_a_callback_that_waits_for_the_next_event(client: ConnectedClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A callback of the Future that waits for an event of the transfer gets it, although it is not over itself."""
    enough: list[Callable[[], object]] = []

    class LongTimers:
        """What is due after a moment is due when the test says so."""

        @staticmethod
        def at(when: float, action: Callable[[], object]) -> Timer:
            enough.append(action)
            return TIMERS.at(when + 600.0, action)

    monkeypatch.setattr(futures, "TIMERS", LongTimers)
    task = client.new_reservation().task

    def early(call: Call) -> dict[str, Any]:
        client.bridge.send("task.transfer-completed", transfer_payload(client, "TTnew", "complete"))
        client.sync()
        return transfer_payload(client, "TTnew", "initiated")

    client.bridge.on_call("/Transfers$", early, times=1)
    waited: list[Any] = []
    over = threading.Event()

    def wait(_: Any) -> None:
        assert task.transfers.outgoing is not None
        waited.extend(task.transfers.outgoing.wait_for("completed", 30))
        over.set()

    task.transfer(client.other["sid"]).add_done_callback(wait)
    eventually(lambda: task.transfers.outgoing and listeners_of(task.transfers.outgoing, "completed"))
    assert not waited
    enough[0]()
    assert over.wait(30)
    assert waited == [task.transfers.outgoing]


def test_a_transfer_that_cannot_be_canceled_any_more(client: ConnectedClient) -> None:
    """``cancel()`` is too late once the request is sent, and keeps no events back."""
    task, transfer = client.reservation.task, client.reservation.task.transfers.outgoing
    assert transfer is not None
    client.bridge.on_call("/Transfers$", Hang(), times=1)
    future = task.transfer(client.other["sid"])
    client.bridge.wait_for_call("/Transfers$", method="POST")
    assert future.running()
    assert not future.cancel()
    assert client.send("task.transfer-failed", transfer_payload(client, transfer.sid, "failed", 1)) == []
    client.bridge.release()
    done(future)
    client.sync()
    client.sync()
    assert [event for _, event, _ in client.heard] == ["transfer_failed", "failed"]


def test_held_events_are_let_go_when_the_transfer_is_refused(client: ConnectedClient) -> None:
    """A refused ``transfer()`` keeps nothing back, and events of the transfer before it go on."""
    task = client.reservation.task
    before = task.transfers.outgoing
    assert before is not None

    def refuse(call: Call) -> int:
        client.bridge.send("task.transfer-failed", transfer_payload(client, before.sid, "failed", 1))
        client.sync()
        assert client.heard == []
        return 400

    client.bridge.on_call("/Transfers$", refuse, times=1)
    assert task.transfer(client.other["sid"]).exception(30) is not None
    client.sync()
    client.sync()
    assert transfer_names(client.heard) == [
        ("Task", "transfer_failed", before.sid),
        ("OutgoingTransfer", "failed", before.sid),
    ]
    assert task.transfers.outgoing is before


@pytest.mark.parametrize("late", ["before the answer", "after the answer"])
def test_late_events_of_the_transfer_before(client: ConnectedClient, late: str) -> None:
    """They fire on their own object, and the new transfer stays the outgoing one, with its listeners."""
    task = client.new_reservation().task
    client.bridge.on_call("/Transfers$", [transfer_payload(client, sid, "initiated") for sid in ("TT1", "TT2")])
    canceled = transfer_payload(client, "TT1", "canceled", 1)
    client.bridge.on_call("/Transfers/TT1$", canceled)
    done(task.transfer(client.other["sid"]))
    first = task.transfers.outgoing
    hear_transfer(client, task)
    assert first is not None and done(first.cancel()) is first
    if late == "before the answer":

        def early(call: Call) -> dict[str, Any]:
            client.bridge.send("task.transfer-initiated", transfer_payload(client, "TT1", "initiated"))
            client.bridge.send("task.transfer-canceled", canceled)
            client.sync()
            return transfer_payload(client, "TT2", "initiated")

        client.bridge.on_call("/Transfers$", early, times=1)
    done(task.transfer(client.other["sid"]))
    second = task.transfers.outgoing
    hear_transfer(client, task)
    if late == "after the answer":
        client.bridge.send("task.transfer-initiated", transfer_payload(client, "TT1", "initiated"))
        client.bridge.send("task.transfer-canceled", canceled)
    client.bridge.send("task.transfer-initiated", transfer_payload(client, "TT2", "initiated"))
    client.bridge.send("task.transfer-completed", transfer_payload(client, "TT2", "complete", 5))
    client.sync()
    client.sync()
    assert task.transfers.outgoing is second is not first
    assert (first.status, second and second.status) == ("canceled", "complete")
    fired = transfer_names(client.heard)
    assert [each for each in fired if each[2] == "TT1"] == [
        ("Task", "transfer_initiated", "TT1"),
        ("Task", "transfer_canceled", "TT1"),
        ("OutgoingTransfer", "canceled", "TT1"),
    ]
    assert [each for each in fired if each[2] == "TT2"] == [
        ("Task", "transfer_initiated", "TT2"),
        ("Task", "transfer_completed", "TT2"),
        ("OutgoingTransfer", "completed", "TT2"),
    ]


def test_a_transfer_that_was_started_elsewhere(client: ConnectedClient) -> None:
    """Another session of the same worker can start one: its events are heard here, too."""
    task = client.new_reservation().task
    client.send("task.transfer-initiated", transfer_payload(client, "TTelsewhere", "initiated"))
    transfer = task.transfers.outgoing
    assert transfer is not None and transfer.sid == "TTelsewhere"
    assert transfer.task_sid == task.sid
    assert [event for _, event, _ in client.heard] == ["transfer_initiated"]
    hear_transfer(client, task)
    client.send("task.transfer-completed", transfer_payload(client, "TTelsewhere", "complete", 1))
    assert task.transfers.outgoing is transfer
    assert [(owner, event) for owner, event, _ in client.heard] == [
        ("Task", "transfer_completed"), ("OutgoingTransfer", "completed"),
    ]  # fmt: skip


def test_an_ended_transfer_never_starts_again(client: ConnectedClient) -> None:
    """An ``initiated`` or a failed attempt that comes after the end is passed over."""
    task, transfer = client.reservation.task, client.reservation.task.transfers.outgoing
    assert transfer is not None
    client.send("task.transfer-failed", transfer_payload(client, transfer.sid, "failed", 2))
    assert transfer.status == "failed"
    for event in ("task.transfer-initiated", "task.transfer-attempt-failed"):
        assert client.send(event, transfer_payload(client, transfer.sid, "initiated", 1)) == []
    assert transfer.status == "failed"
    assert task.transfers.outgoing is transfer


def test_each_failed_attempt_is_announced(client: ConnectedClient) -> None:
    """A transfer to a queue can fail several times before it ends."""
    transfer = client.reservation.task.transfers.outgoing
    assert transfer is not None
    for seconds in (1, 2, 3):
        payload = transfer_payload(client, transfer.sid, "initiated", seconds, transfer_failed_reason=f"no. {seconds}")
        assert len(client.send("task.transfer-attempt-failed", payload)) == 2
        assert transfer.transfer_failed_reason == f"no. {seconds}"
    assert len(client.send("task.transfer-completed", transfer_payload(client, transfer.sid, "complete", 4))) == 2


def test_canceling_a_transfer(client: ConnectedClient) -> None:
    """The answer changes the status, the event that follows fires once, and a second try is refused by the service."""
    task, transfer = client.reservation.task, client.reservation.task.transfers.outgoing
    assert transfer is not None
    assert done(transfer.cancel()) is transfer
    assert transfer.status == "canceled"
    client.sync()
    assert client.heard == []
    payload = {**client.bridge.state.transfers[transfer.sid], "task_sid": task.sid}
    heard = client.send("task.transfer-canceled", payload)
    assert heard == [("Task", "transfer_canceled", (transfer,)), ("OutgoingTransfer", "canceled", (transfer,))]
    refused = transfer.cancel().exception(30)
    assert refused is not None and "is already canceled . Cannot cancel transfer." in str(refused)
    assert task.transfers.outgoing is transfer


def test_the_events_of_the_older_documents(client: ConnectedClient) -> None:
    """What the older documents name on the Task, and today's on the transfer, both fire, under either spelling."""
    task, transfer = client.reservation.task, client.reservation.task.transfers.outgoing
    assert transfer is not None
    heard: list[tuple[str, Any]] = []
    task.on("transferAttemptFailed", lambda given: heard.append(("transferAttemptFailed", given)))
    task.on("transferCanceled", lambda given: heard.append(("transferCanceled", given)))
    task.on("transferCompleted", lambda given: heard.append(("transferCompleted", given)))
    task.on("transferFailed", lambda given: heard.append(("transferFailed", given)))
    transfer.on("attemptFailed", lambda given: heard.append(("attemptFailed", given)))
    transfer.on("failed", lambda given: heard.append(("failed", given)))
    client.send("task.transfer-attempt-failed", transfer_payload(client, transfer.sid, "initiated", 1))
    client.send("task.transfer-failed", transfer_payload(client, transfer.sid, "failed", 2))
    names = ["transferAttemptFailed", "attemptFailed", "transferFailed", "failed"]
    assert heard == [(name, transfer) for name in names]
