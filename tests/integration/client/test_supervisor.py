"""The Supervisor client: a Worker, and calls about other workers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.client.connected_client import ConnectedClient, connected_client, done, same_json
from tests.tools.seams import events_of
from twilio_taskrouter_worker import (
    AuthorizationError,
    InvalidAnswerError,
    NotFoundError,
    Supervisor,
    VersionConflictError,
    Worker,
    WorkerInfo,
)

MODES = ("monitor", "whisper", "barge")


@pytest.fixture
def client() -> Iterator[ConnectedClient]:
    """A supervisor at a bridge, with ``enable_version_check`` on."""
    with connected_client(enable_version_check=True) as client:
        yield client


def test_it_is_a_worker(client: ConnectedClient) -> None:
    """It has all of Worker, with the same events, and calls itself a Supervisor."""
    supervisor = client.worker
    assert isinstance(supervisor, Worker)
    assert events_of(Supervisor) is events_of(Worker)
    assert repr(supervisor) == f"<Supervisor {supervisor.name!r} {supervisor.sid} 'Available' ready>"
    for name in (*MODES, "set_worker_attributes", "set_worker_activity"):
        assert not hasattr(Worker, name)
    assert done(supervisor.set_attributes({"a": 1})) is supervisor
    assert supervisor.attributes == {"a": 1}


def test_another_workers_attributes(client: ConnectedClient) -> None:
    """The result is that worker as it is now; the supervisor's own attributes and version stay."""
    before = client.worker.to_dict()
    new = {"languages": ["pt"], "skill": 2.5, "ok": True, "none": None}
    with client.calls() as made:
        info = done(client.worker.set_worker_attributes(client.other["sid"], new))
    assert type(info) is WorkerInfo
    assert (info.sid, info.name, info.attributes) == (client.other["sid"], "Ravi", new)
    assert json.loads(client.bridge.state.workers[info.sid]["attributes"]) == new
    assert client.worker.to_dict() == before
    assert same_json(made[0].params, {"Attributes": new})


def test_another_workers_activity(client: ConnectedClient) -> None:
    """Likewise; the supervisor's own activity stays, and no event of its own fires."""
    before, activity = client.worker.activity, client.target("Activity")
    info = done(client.worker.set_worker_activity(client.other["sid"], activity.sid))
    assert type(info) is WorkerInfo
    assert (info.sid, info.activity_sid, info.activity_name) == (client.other["sid"], activity.sid, activity.name)
    assert info.available is activity.available
    assert client.worker.activity is before
    assert not activity.is_current
    client.sync()
    assert client.heard == []


@pytest.mark.parametrize("reject", [None, False, True])
def test_rejecting_another_workers_reservations(client: ConnectedClient, reject: bool | None) -> None:
    """The option goes out as it is given, for an available activity too: the service judges that of another worker."""
    for activity in client.worker.activities.values():
        with client.calls() as made:
            done(
                client.worker.set_worker_activity(client.other["sid"], activity.sid, reject_pending_reservations=reject)
            )
        expected: dict[str, Any] = {"ActivitySid": activity.sid}
        if reject is not None:
            expected["RejectPendingReservations"] = reject
        assert same_json(made[0].params, expected)


def test_the_own_version_is_not_sent_for_another_worker(client: ConnectedClient) -> None:
    """Two workers have two versions: with the check on, a call about another worker still has no If-Match."""
    with client.bridge.state.lock:
        client.bridge.state.workers[client.other["sid"]]["version"] = 1000
    sids = client.sids()
    with client.calls() as made:
        done(client.worker.set_worker_attributes(client.other["sid"], {}))
        done(client.worker.set_worker_activity(client.other["sid"], sids["activity"]))
        for mode in MODES:
            done(getattr(client.worker, mode)(sids["task"], sids["reservation"]))
    assert [call.if_match for call in made] == [None] * 5
    # Its own calls have it, and are refused where it is old.
    with client.bridge.state.lock:
        client.bridge.state.worker["version"] += 1
    with pytest.raises(VersionConflictError):
        done(client.worker.set_attributes({}))


def test_setting_its_own_attributes_as_anothers(client: ConnectedClient) -> None:
    """The call is about a sid like any other: the client's own object follows with the event."""
    worker = client.worker
    before = worker.attributes
    info = done(worker.set_worker_attributes(worker.sid, {"mine": 1}))
    assert info.attributes == {"mine": 1}
    assert worker.attributes == before
    assert client.send("worker.attributes.update", client.wire("Worker")) == [
        ("Worker", "attributes_updated", (worker,))
    ]
    assert worker.attributes == {"mine": 1}


@pytest.mark.parametrize("mode", MODES)
def test_listening_in(client: ConnectedClient, mode: str) -> None:
    """Each mode is sent by its name, the Future resolves to None, and nothing of the supervisor's own changes."""
    before = client.snapshot()
    for extra in (None, {}, {"Timeout": 30, "Muted": True, "Nested": {"a": [1]}}):
        with client.calls() as made:
            future = getattr(client.worker, mode)("WT1/2", client.reservation_sid, extra)
            assert done(future) is None
        assert (
            made[0].url
            == f"Workspaces/{client.worker.workspace_sid}/Tasks/WT1%2F2/Reservations/{client.reservation_sid}"
        )
        own = {"Instruction": "supervise", "Supervisor": client.worker.sid, "SupervisorMode": mode}
        assert same_json(made[0].params, {**(extra or {}), **own})
    assert client.snapshot() == before


def test_whatever_is_answered_to_listening_in_will_do(client: ConnectedClient) -> None:
    """Nothing of the answer is used."""
    answers: list[Any] = [None, [], "text", {}]
    client.bridge.on_call("/Tasks/WT1/", [(200, {"payload": each}) for each in answers])
    for _ in answers:
        assert done(client.worker.monitor("WT1", "WR1")) is None


def test_refusals_of_the_service(client: ConnectedClient) -> None:
    """Roles and unknown sids are the service's to judge: its words come out of the Future."""
    worker = client.worker
    with pytest.raises(NotFoundError, match="WKnobody"):
        done(worker.set_worker_attributes("WKnobody", {}))
    with pytest.raises(NotFoundError):
        done(worker.barge("WTnone", "WRnone"))
    client.bridge.on_call("Workspaces", 403)
    for future in (
        worker.monitor("WT1", "WR1"),
        worker.set_worker_activity(client.other["sid"], "WA1"),
        worker.set_worker_attributes(client.other["sid"], {}),
    ):
        assert type(future.exception(30)) is AuthorizationError


@pytest.mark.parametrize("payload", [None, [], {}, {"sid": "WK1"}, "text"])
def test_an_answer_without_a_worker(client: ConnectedClient, payload: Any) -> None:
    """The call fails, and says what the answer lacks."""
    client.bridge.on_call(f"/{client.other['sid']}$", (200, {"payload": payload}))
    for future in (
        client.worker.set_worker_attributes(client.other["sid"], {}),
        client.worker.set_worker_activity(client.other["sid"], "WA1"),
    ):
        with pytest.raises(InvalidAnswerError):
            done(future)


def test_a_supervisor_reads_others_by_a_workspace(client: ConnectedClient) -> None:
    """What ``set_worker_attributes`` gives is what a Workspace would read."""
    info = done(client.worker.set_worker_attributes(client.other["sid"], {"a": 1}))
    read = done(client.target("Workspace").fetch_worker_info(client.other["sid"]))
    assert info == read
    assert info.to_dict() == read.to_dict()
