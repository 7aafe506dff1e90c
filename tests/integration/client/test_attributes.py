"""Every key of every payload: the attribute it becomes, live over the wire, and payloads that are refused."""

from __future__ import annotations

import copy
import json
import pickle
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from tests.data import attributes
from tests.data.attributes import EXAMPLES, LOCAL, LONG_FORM, TABLES, UNREAD, WRONG, Attribute, changed, shown
from tests.integration.client.connected_client import TOKEN, ConnectedClient, connected_client, done
from tests.oracle.bridge import RecordingBridge
from tests.tools import payloads
from twilio_taskrouter_worker import (
    Activity,
    Channel,
    IncomingTransfer,
    InvalidAnswerError,
    InvalidMessageError,
    NotReadyError,
    OutgoingTransfer,
    Reservation,
    ReservationInfo,
    Supervisor,
    Task,
    TaskInfo,
    TaskQueue,
    Worker,
    WorkerInfo,
    Workspace,
)
from twilio_taskrouter_worker._bridge.schema import Resource, Wire
from twilio_taskrouter_worker._frozen import FrozenDict

CLASSES: dict[str, tuple[type[Resource], ...]] = {
    "Worker": (Worker, Supervisor, WorkerInfo),
    "Task": (Task, TaskInfo),
    "Reservation": (Reservation, ReservationInfo),
    "Activity": (Activity,),
    "Channel": (Channel,),
    "TaskQueue": (TaskQueue,),
    "Transfer": (IncomingTransfer, OutgoingTransfer),
}
"""The classes that show each kind of payload."""

METHODS_OF_EMITTERS = {"on", "once", "off", "wait_for", "stream", "to_dict"}
OWN_PROPERTIES = {"Worker": {"connected", "ready", "lag", "backlog", "history", "stopping"}}
"""Attributes that tell of the connection, not of TaskRouter."""

NESTED = ("task", "transfer", "task of")
PLAIN = [row for table in TABLES.values() for row in table if row.kind not in NESTED]
ROWS = [row for table in TABLES.values() for row in table]
EVENTS = {
    "Worker": "worker.attributes.update",
    "Channel": "worker.capacity.update",
    "Reservation": "reservation.accepted",
    "Task": "task.updated",
    "Transfer": "task.transfer-attempt-failed",
}
"""An event that carries each kind of payload; activities and queues come with answers only."""
FETCHED = {"WorkerInfo": "Worker", "TaskQueue": "TaskQueue", "TaskInfo": "Task"}
"""What a Workspace reads."""
BY_EVENT = [row for row in ROWS if row.owner in EVENTS]


def ids(row: Attribute) -> str:
    return row.id


@pytest.fixture(scope="module")
def shared() -> Iterator[ConnectedClient]:
    """A client for tests that leave everything as it was, or do not mind what it is."""
    with connected_client() as client:
        yield client


@pytest.fixture
def client() -> Iterator[ConnectedClient]:
    """A client of the test's own."""
    with connected_client() as client:
        yield client


def read(target: Any, name: str) -> Any:
    """An attribute, or one of an attribute."""
    for part in name.split("."):
        target = getattr(target, part)
    return target


def set_key(client: ConnectedClient, owner: str, **keys: Any) -> dict[str, Any]:
    """The object's payload with another version and these keys changed."""
    payload = client.wire(owner)
    if "version" in payload and "version" not in keys:
        payload["version"] += 1
    payload.update(keys)
    return payload


# -- the tables are complete -----------------------------------------------------------------------------------------


def test_the_rows_are_as_many_as_described() -> None:
    """No key of the description is left out."""
    assert dict(Counter(row.section for row in ROWS)) == attributes.COUNTS
    sections = {owner: table[0].section for owner, table in TABLES.items()}
    assert {sections[owner]: len(keys) for owner, keys in UNREAD.items()} == attributes.COUNTS_UNREAD
    assert {sections[owner]: len(names) for owner, names in LOCAL.items()} == attributes.COUNTS_LOCAL


@pytest.mark.parametrize("owner", TABLES)
def test_every_attribute_has_a_row(owner: str) -> None:
    """Keys, names and which of them are required are the same in the table and in the classes."""
    expected = {
        (row.key, row.names[0], row.required and not (owner == "Reservation" and row.key in LONG_FORM))
        for row in TABLES[owner]
        if row.kind not in NESTED
    }
    for kind in CLASSES[owner]:
        wires = {
            (value.key, name, value.required)
            for base in kind.__mro__
            for name, value in vars(base).items()
            if isinstance(value, Wire)
        }
        assert wires == expected, kind.__name__


@pytest.mark.parametrize("owner", TABLES)
def test_every_public_property_has_a_row(owner: str) -> None:
    """A property that no row names is found: duplicates, nested objects and local ones included."""
    expected = {name for row in TABLES[owner] for name in row.names if "." not in name}
    expected |= set(LOCAL.get(owner, ())) | OWN_PROPERTIES.get(owner, set())
    names: set[str] = set()
    for kind in CLASSES[owner]:
        names |= {name for name in dir(kind) if isinstance(getattr(kind, name), (property, Wire)) and name[0] != "_"}
    # A channel is found by the name of its task channel.
    assert names == expected


# -- values ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("owner", TABLES)
def test_the_example_payload_has_every_required_key(owner: str) -> None:
    """The tables and the examples agree."""
    payload = payloads.load(EXAMPLES[owner])
    assert {row.key for row in TABLES[owner] if row.required} <= set(payload)
    known = {row.key for row in TABLES[owner]} | set(UNREAD.get(owner, ()))
    assert set(payload) - known <= {"version"}


def objects(client: ConnectedClient) -> dict[str, tuple[Any, dict[str, Any]]]:
    """An object of each class, as it is read after connecting, and the payload it comes from."""
    state, worker = client.bridge.state, client.worker
    workspace = client.target("Workspace")
    task = state.tasks[client.record["task_sid"]]
    channel, activity = client.target("Channel"), worker.activity
    queue = next(iter(state.task_queues))
    return {
        "Worker": (worker, state.worker),
        "WorkerInfo": (done(workspace.fetch_worker_info(client.other["sid"])), state.workers[client.other["sid"]]),
        "Task": (client.reservation.task, task),
        "TaskInfo": (done(workspace.fetch_task(task["sid"])), task),
        "Reservation": (client.reservation, client.nested()),
        "Activity": (activity, state.activities[activity.sid]),
        "Channel": (channel, state.channels[channel.sid]),
        "TaskQueue": (done(workspace.fetch_task_queue(queue)), state.task_queues[queue]),
        "OutgoingTransfer": (client.target("Transfer"), client.wire("Transfer")),
        "IncomingTransfer": (client.reservation.transfer, client.nested()["task_transfer"]),
    }


TABLE_OF = {
    "WorkerInfo": "Worker", "TaskInfo": "Task", "OutgoingTransfer": "Transfer", "IncomingTransfer": "Transfer",
}  # fmt: skip


def test_every_attribute_after_connecting() -> None:
    """All of them, of objects read from lists, answers and nested objects."""
    with RecordingBridge() as bridge:
        bridge.state.worker.update(date_created=1, date_updated=2, date_status_changed=3)
        client = ConnectedClient(bridge)
        try:
            client.new_reservation("accepted", transfer={}, outgoing={})
            for name, (target, payload) in objects(client).items():
                assert type(target).__name__ in (name, "Supervisor")
                for row in TABLES[TABLE_OF.get(name, name)]:
                    if row.kind in NESTED or (name == "Worker" and row.key == "version"):
                        continue
                    expected = shown(row.kind, payload.get(row.key))
                    for attribute in row.names:
                        value = read(target, attribute)
                        assert value == expected, f"{name}.{attribute}"
                        kind = FrozenDict if isinstance(expected, dict) else type(expected)
                        assert type(value) is kind, f"{name}.{attribute}"
                        if isinstance(value, datetime):
                            assert value.utcoffset() == timedelta(0), f"{name}.{attribute}"
        finally:
            client.worker.disconnect()


@pytest.mark.parametrize("row", [row for row in BY_EVENT if row.kind not in NESTED], ids=ids)
def test_an_attribute_is_live(client: ConnectedClient, row: Attribute) -> None:
    """An event that changes one key changes its attribute and all duplicates of that; and no other."""
    payload = set_key(client, row.owner)
    value = changed(row, payload.get(row.key))
    if row.key == "activity_sid":
        value = client.idle_activity()
    elif row.key in attributes.FIXED or row.key == "version":
        # It says which object is meant: then the object is one that has it already.
        value = payload[row.key]
    payload[row.key] = value
    target = client.target(row.owner)
    before = target.to_dict()
    heard = client.send(EVENTS[row.owner], payload)
    assert client.errors() == []
    assert len(heard) > 0 or row.key in attributes.FIXED
    for name in row.names:
        assert read(target, name) == shown(row.kind, value)
    after = target.to_dict()
    differing = {key for key in after if after[key] != before[key] and key not in ("task", "transfer")}
    expected = {row.names[0], "version"} if row.key not in attributes.FIXED else {"version"}
    assert differing <= expected
    assert row.names[0] in differing or row.key in attributes.FIXED


@pytest.mark.parametrize("row", [row for row in PLAIN if row.owner in ("Activity", "TaskQueue")], ids=ids)
def test_an_attribute_that_no_event_changes(row: Attribute) -> None:
    """Activities are renewed by the list at each connection; a queue is what it was when it was read."""
    with RecordingBridge() as bridge:
        table = bridge.state.activities if row.owner == "Activity" else bridge.state.task_queues
        with bridge.state.lock:
            record = table[next(iter(table))]
            if row.key not in attributes.FIXED:
                record[row.key] = changed(row, record[row.key])
        if row.owner == "Activity":
            with Worker(TOKEN, eb_server=bridge.eb_server).connect(30) as worker:
                target: Any = worker.activities[record["sid"]]
        else:
            workspace = Workspace(TOKEN, record["workspace_sid"], eb_server=bridge.eb_server)
            target = done(workspace.fetch_task_queue(record["sid"]))
        for name in row.names:
            assert read(target, name) == shown(row.kind, record[row.key])


@pytest.mark.parametrize("row", [row for row in BY_EVENT if row.kind in ("seconds", "milliseconds")], ids=ids)
def test_dates(client: ConnectedClient, row: Attribute) -> None:
    """Aware and in UTC; null is None; a text in ISO 8601 is read; before 1970, fractions and 0 are dates too."""
    target, scale = client.target(row.owner), 1 if row.kind == "seconds" else 1000
    cases: list[tuple[Any, datetime | None]] = [
        (0, datetime(1970, 1, 1, tzinfo=timezone.utc)),
        (None, None),
        (-86400 * scale, datetime(1969, 12, 31, tzinfo=timezone.utc)),
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)),
        ("2026-01-02T03:04:05.250+02:00", datetime(2026, 1, 2, 1, 4, 5, 250000, tzinfo=timezone.utc)),
        (1767261600.5 * scale, datetime(2026, 1, 1, 10, 0, 0, 500000, tzinfo=timezone.utc)),
        (253402300799 * scale, datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone.utc)),
    ]
    version = client.wire(row.owner).get("version", 0)
    for number, (wire, expected) in enumerate(cases):
        keys = {row.key: wire}
        if row.owner not in ("Channel", "Transfer"):
            keys["version"] = version + number + 1
        heard = client.send(EVENTS[row.owner], set_key(client, row.owner, **keys))
        assert client.errors() == []
        assert heard
        for name in row.names:
            value = read(target, name)
            assert value == expected
            assert value is None or value.utcoffset() == timedelta(0)
            assert target.to_dict()[row.names[0]] == (None if expected is None else expected.isoformat())


@pytest.mark.parametrize("row", [row for row in BY_EVENT if row.kind == "JSON text"], ids=ids)
def test_json_texts(client: ConnectedClient, row: Attribute) -> None:
    """The text of an object becomes that object; none, as the service is known to send, an empty one."""
    target = client.target(row.owner)
    version = client.wire(row.owner)["version"]
    for number, (text, expected) in enumerate([("", {}), ('{"a": [1.5, null]}', {"a": [1.5, None]}), (None, {})]):
        client.send(EVENTS[row.owner], set_key(client, row.owner, **{row.key: text, "version": version + number + 1}))
        assert client.errors() == []
        assert read(target, row.names[0]) == expected


@pytest.mark.parametrize("row", [row for row in BY_EVENT if "null" in row.kind], ids=ids)
def test_nullable_fields(client: ConnectedClient, row: Attribute) -> None:
    """It is None then."""
    target = client.target(row.owner)
    client.send(EVENTS[row.owner], set_key(client, row.owner, **{row.key: None}))
    assert client.errors() == []
    assert read(target, row.names[0]) is None


def test_availability_of_a_channel(client: ConnectedClient) -> None:
    """0 and 1 of the wire are False and True, and so are the booleans."""
    channel = client.target("Channel")
    for number, (wire, expected) in enumerate([(0, False), (1, True), (False, False), (True, True)]):
        client.send(
            "worker.channel.availability.update", set_key(client, "Channel", available=wire, date_updated=number)
        )
        assert channel.available is expected


def test_attributes_that_do_not_come_from_payloads(client: ConnectedClient) -> None:
    """The collections, the current ones, and what an object belongs to."""
    worker, state = client.worker, client.bridge.state
    assert list(worker.activities) == list(state.activities)
    assert list(worker.channels) == list(state.channels)
    assert list(worker.reservations) == list(state.reservations)
    assert worker.activity is worker.activities[state.worker["activity_sid"]]
    assert [each.is_current for each in worker.activities.values()].count(True) == 1
    assert worker.activity.is_current is True
    assert worker.connect_activity_sid == ""
    for name, each in (("activities", worker.activity), ("channels", client.target("Channel"))):
        assert getattr(worker, name).by_name(each.name) is each
        with pytest.raises(KeyError, match="no such name"):
            getattr(worker, name).by_name("no such name")
    task = client.reservation.task
    assert task.reservation_sid == client.reservation_sid
    assert task.transfers.incoming is None
    outgoing = task.transfers.outgoing
    assert outgoing is not None and outgoing is client.target("Transfer")
    assert outgoing.task_sid == task.sid
    assert client.reservation.transfer is None


def test_the_connect_activity_is_shown() -> None:
    """Before connecting, too, as it is an option; the rest is not known then, and says so."""
    worker = Worker(TOKEN, eb_server="http://127.0.0.1:9/x", connect_activity_sid="WAx")
    assert worker.connect_activity_sid == "WAx"
    for row in TABLES["Worker"]:
        for name in row.names:
            with pytest.raises(NotReadyError):
                getattr(worker, name)
    for name in ("activities", "channels", "reservations"):
        assert dict(getattr(worker, name)) == {}
    with pytest.raises(NotReadyError):
        worker.activity  # noqa: B018
    with pytest.raises(NotReadyError):
        worker.to_dict()


@pytest.mark.parametrize("owner", [owner for owner in TABLES if owner in EVENTS])
def test_keys_that_are_not_read(client: ConnectedClient, owner: str) -> None:
    """They are tolerated, whatever they hold or if they are missing, and become no attribute."""
    target = client.target(owner)
    for key in UNREAD.get(owner, ()):
        before = target.to_dict()
        for value in ({"x": [1]}, "text", None, 5):
            client.send(EVENTS[owner], {**set_key(client, owner), key: value})
            assert client.errors() == []
        names = {name for row in TABLES[owner] for name in row.names}
        assert hasattr(target, key) == (key in names or key in LOCAL.get(owner, ()))
        assert set(target.to_dict()) == set(before)


# -- payloads that are refused ---------------------------------------------------------------------------------------


def refused(row: Attribute, payload: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The payload with that key missing, or of a wrong type."""
    if row.required:
        yield "missing", {key: value for key, value in payload.items() if key != row.key}
    for what, value in WRONG[row.kind].items():
        yield what, {**payload, row.key: value}


def about(row: Attribute) -> str:
    """What the report names: the key, or for a nested object its class."""
    return row.kind if row.kind in ("task", "transfer") else row.key


@pytest.mark.parametrize("row", BY_EVENT, ids=ids)
def test_an_invalid_event(shared: ConnectedClient, row: Attribute) -> None:
    """A missing key or a wrong type is reported, names the key and no value, and changes nothing at all."""
    client = shared
    payload = {**client.changed(row.owner)}
    if row.owner == "Transfer":
        payload["transfer_status"] = "initiated"
    bad = dict(refused(row, payload))
    before, version = client.snapshot(), client.worker.version
    client.heard.clear()
    for each in bad.values():
        client.bridge.send(EVENTS[row.owner], each)
    client.sync()
    assert [event for _, event, _ in client.heard] == ["error"] * len(bad)
    for what, error in zip(bad, client.errors(), strict=True):
        assert type(error) is InvalidMessageError, what
        assert about(row) in str(error).lower(), what
        for value in (client.reservation_sid, "yesterday", "and more", "1a", "02-30", '{"'):
            assert value not in str(error), what
    assert client.snapshot() == before
    assert client.worker.version == version


@pytest.mark.parametrize("row", [row for row in ROWS if row.owner == "Activity"], ids=ids)
def test_an_invalid_activity_in_a_list(row: Attribute) -> None:
    """The record is left out and reported; the others are there."""
    check_list(row, "Activities", "activities")


@pytest.mark.parametrize("row", [row for row in ROWS if row.owner == "Channel"], ids=ids)
def test_an_invalid_channel_in_a_list(row: Attribute) -> None:
    """So it is with channels."""
    check_list(row, "WorkerChannels", "channels")


@pytest.mark.parametrize("row", [row for row in ROWS if row.owner == "Reservation"], ids=ids)
def test_an_invalid_reservation_in_a_list(row: Attribute) -> None:
    """And with reservations, and the tasks and transfers inside them."""
    check_list(row, "Reservations", "reservations")


def check_list(row: Attribute, path: str, name: str) -> None:
    good = payloads.load(EXAMPLES[row.owner])
    bad = dict(refused(row, {**good, "sid": "XXbad"}))
    with RecordingBridge() as bridge:
        if name == "activities":
            others = list(bridge.state.activities.values())
        else:
            others = [good]
        page = {**payloads.load("rest.page.activities"), "after_sid": None, "contents": [*bad.values(), *others]}
        bridge.on_call(f"/{path}$", page, method="GET")
        worker = Worker(TOKEN, eb_server=bridge.eb_server)
        reports: list[Any] = []
        worker.on("error", reports.append)
        with worker.connect(30):
            assert sorted(getattr(worker, name)) == sorted(each["sid"] for each in others)
        assert [type(each) for each in reports] == [InvalidMessageError] * len(bad)
        assert all(about(row) in str(each).lower() for each in reports)


@pytest.mark.parametrize(
    "name, row", [(name, row) for name, owner in FETCHED.items() for row in TABLES[owner]],
    ids=lambda each: each if isinstance(each, str) else each.key,
)  # fmt: skip
def test_an_invalid_answer(shared: ConnectedClient, name: str, row: Attribute) -> None:
    """A call whose answer misses a key, or has a wrong type, fails, and names the key."""
    workspace = shared.target("Workspace")
    fetch = {"WorkerInfo": workspace.fetch_worker_info, "TaskQueue": workspace.fetch_task_queue}
    bad = dict(refused(row, payloads.load(EXAMPLES[FETCHED[name]])))
    rule = shared.bridge.on_call("/XXbad$", list(bad.values()))
    for what in bad:
        error = fetch.get(name, workspace.fetch_task)("XXbad").exception(30)
        assert type(error) is InvalidAnswerError, what
        assert type(error.__cause__) is InvalidMessageError, what
        assert row.key in str(error), what
    assert len(rule.calls) == len(bad)


# -- the objects themselves ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def full() -> Iterator[dict[str, Any]]:
    """One object of each class, with nested ones and both transfers."""
    with connected_client() as client:
        client.new_reservation(
            "accepted", transfer={}, outgoing={}, task={"attributes": {"secret": ["do not show"], "n": 1.5}}
        )
        yield {name: target for name, (target, _) in objects(client).items()}


def test_reprs(full: dict[str, Any]) -> None:
    """Each has class, name and sid in one short line, and shows no attributes."""
    for name, target in full.items():
        text = repr(target)
        assert text.startswith(f"<{'Supervisor' if name == 'Worker' else name} "), text
        assert target.sid in text and repr(getattr(target, "name", target.sid)).strip("'") in text
        assert len(text) < 120 and "\n" not in text
        assert "secret" not in text and "contact_uri" not in text and "do not show" not in text
        assert str(target) == text
    assert full["Reservation"].status in repr(full["Reservation"])
    assert full["Task"].status in repr(full["Task"])
    assert full["Reservation"].task.sid in repr(full["Reservation"])
    transfers = repr(full["Task"].transfers)
    assert full["Task"].transfers.outgoing.sid in transfers and full["Task"].transfers.incoming.sid in transfers


def test_snapshots(full: dict[str, Any]) -> None:
    """``to_dict`` has every attribute once, survives JSON and pickle unchanged, and is not tied to the object."""
    for name, target in full.items():
        snapshot = target.to_dict()
        table = TABLES[TABLE_OF.get(name, name)]
        expected = {row.names[0] for row in table if row.kind not in NESTED}
        assert expected <= set(snapshot), name
        assert set(snapshot) - expected <= {"task", "transfer", "transfers", "reservation_sid"}, name
        assert json.loads(json.dumps(snapshot)) == snapshot
        assert pickle.loads(pickle.dumps(snapshot)) == snapshot
        if "attributes" in snapshot:
            snapshot["attributes"]["added"] = True
            assert "added" not in target.attributes
    reservation = full["Reservation"].to_dict()
    assert reservation["task"]["sid"] == full["Task"].sid
    assert reservation["task"]["transfers"]["outgoing"]["sid"] == full["OutgoingTransfer"].sid
    assert reservation["transfer"] == reservation["task"]["transfers"]["incoming"]
    assert reservation["task"]["reservation_sid"] == reservation["sid"]
    assert reservation["date_created"] == full["Reservation"].date_created.isoformat()


def test_equality_and_hash(client: ConnectedClient) -> None:
    """Objects equal those of the same class with the same sid, whatever else they show; a client only itself."""
    workspace, other = client.target("Workspace"), client.other["sid"]
    first, second = done(workspace.fetch_worker_info(other)), done(workspace.fetch_worker_info(other))
    with client.bridge.state.lock:
        client.bridge.state.workers[other]["friendly_name"] = "Renamed"
    third, own = done(workspace.fetch_worker_info(other)), done(workspace.fetch_worker_info(client.worker.sid))
    assert first is not second
    assert first == second == third and first.name != third.name
    assert len({first, second, third, own}) == 2
    assert own != first
    assert own != client.worker and client.worker != own
    assert first != first.sid
    task = done(workspace.fetch_task(client.reservation.task.sid))
    assert task.sid == client.reservation.task.sid
    assert task != client.reservation.task
    assert hash(client.worker) == object.__hash__(client.worker)
    assert client.worker == client.worker


def test_objects_cannot_be_changed_copied_or_pickled(full: dict[str, Any]) -> None:
    """Attributes are read-only, and a copy of a live object would not live: each says what to do instead."""
    for name, target in full.items():
        for row in TABLES[TABLE_OF.get(name, name)]:
            for attribute in row.names:
                if "." not in attribute and hasattr(target, attribute):
                    with pytest.raises(AttributeError):
                        setattr(target, attribute, "x")
        for copying in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(TypeError, match="to_dict"):
                copying(target)


def test_the_collections_are_read_only_and_live(client: ConnectedClient) -> None:
    """They are mappings that nobody can write to, and the same objects always."""
    worker = client.worker
    for name in ("activities", "channels", "reservations"):
        mapping = getattr(worker, name)
        assert mapping is getattr(worker, name)
        with pytest.raises(TypeError):
            mapping["x"] = 1
        with pytest.raises(TypeError):
            del mapping[next(iter(mapping))]
        assert len(mapping) == len(list(mapping)) == len(mapping.values()) == len(mapping.items())
        assert mapping.get("no such sid") is None
        assert repr(mapping).count("\n") == 0
    seen = worker.reservations
    fresh = client.new_reservation("pending")
    assert seen[fresh.sid] is fresh
