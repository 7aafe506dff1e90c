"""The defects of the official JS SDK, one by one: what it does wrong, this client must not do.

The numbers are those of the list in the description of the event bridge's protocol. Each test would fail for a client
that behaves as the JS SDK does.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest

from tests.integration.client.event_recorder import TOKEN, EventRecorder, connected, make_token, marker, new_worker
from tests.integration.client.watchdog import run_all
from tests.oracle.bridge import RecordingBridge
from tests.tools import payloads
from tests.tools.answers import Drip, Hang, Reply, error
from tests.tools.seams import connection_of
from tests.tools.wait import eventually, no_leftover_threads
from twilio_taskrouter_worker import (
    ClosedError,
    InitializationError,
    InvalidAnswerError,
    InvalidMessageError,
    Named,
    NotFoundError,
    RequestRejectedError,
    RequestTimeoutError,
    ServerError,
    Supervisor,
    TaskQueue,
    TaskRouterError,
    Worker,
    WorkerInfo,
    Workspace,
)
from twilio_taskrouter_worker._bridge import session
from twilio_taskrouter_worker._bridge.actions import Notify
from twilio_taskrouter_worker._bridge.states import State
from twilio_taskrouter_worker._bridge.timings import Timings
from twilio_taskrouter_worker.task_info import TaskInfo

COUNT = 62
NOT_APPLICABLE: dict[int, str] = {}
"""Defects that cannot be in Python, with the reason: there is none, even those of the JS SDK's own tests have a
counterpart."""

OWN = r"Workers/\w+$"
RESERVATIONS = r"/Reservations$"


def test_every_defect_has_a_test() -> None:
    """Each number is in the name of a test, or in the list with a reason."""
    tested: set[int] = set()
    for name in vars(sys.modules[__name__]):
        numbers = re.match(r"test_defects?((?:_\d\d)+)_", name)
        if numbers:
            tested |= {int(number) for number in numbers.group(1).split("_") if number}
    assert sorted(tested | set(NOT_APPLICABLE)) == list(range(1, COUNT + 1))
    assert not tested & set(NOT_APPLICABLE) and all(NOT_APPLICABLE.values())


def reconnect(bridge: RecordingBridge, recorder: EventRecorder) -> None:
    """Lose the connection, and wait until the worker is ready again."""
    before = len(recorder.all("ready"))
    bridge.abort()
    recorder.wait_for("ready", before + 1)


def activity_sids(bridge: RecordingBridge) -> tuple[str, str]:
    """Sids of the current activity and of another one that is not available."""
    current = bridge.state.worker["activity_sid"]
    other = next(sid for sid, each in bridge.state.activities.items() if sid != current and not each["available"])
    return current, other


# -- messages and listeners ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "frame",
    [
        "{", "null", "[]", "3", '"text"', "{}", '{"event_type": 3}', '{"event_type": "reservation.created"}',
        '{"event_type": "reservation.accepted", "payload": {"sid": "WRunknown"}}',
        '{"event_type": "worker.activity.update", "payload": null}',
        '{"event_type": "worker.capacity.update", "payload": {"sid": "WCunknown"}}',
        '{"event_type": "task.updated", "payload": []}',
    ],
)  # fmt: skip
def test_defect_01_a_bad_message_costs_itself_only(bridge: RecordingBridge, frame: str) -> None:
    """It is reported as ``error``; the connection stays, and the next event is heard."""
    with connected(bridge) as (worker, recorder):
        bridge.send_raw(frame)
        assert isinstance(recorder.wait_for("error"), InvalidMessageError)
        made = bridge.add_reservation(announce=True)
        assert recorder.wait_for("reservation_created").sid == made["sid"]
        assert len(bridge.connections) == 1 and worker.ready


def test_defect_02_a_listener_that_raises_costs_itself_only(bridge: RecordingBridge) -> None:
    """Other listeners of the same event and later events are called."""
    with connected(bridge) as (worker, recorder):
        later = EventRecorder()
        worker.on("reservation_created", lambda reservation: 1 / 0)
        worker.on("reservation_created", later.callback("created"))
        bridge.add_reservation(announce=True)
        bridge.add_reservation(announce=True)
        later.wait_for("created", 2)
        assert isinstance(recorder.wait_for("error", 2).__cause__, ZeroDivisionError)


# -- transfers in reservations ---------------------------------------------------------------------------------------


def test_defect_03_an_incoming_transfer_that_comes_with_an_event(bridge: RecordingBridge) -> None:
    """A task without one gets it, the event fires, and the reservation is whole."""
    made = bridge.add_reservation()
    with connected(bridge) as (worker, recorder):
        reservation = worker.reservations[made["sid"]]
        own = EventRecorder(reservation, "accepted")
        transfer = {**payloads.load("rest.reservation.with-transfers")["task_transfer"]}
        transfer.pop("task_sid", None)
        bridge.change_reservation(made["sid"], "accepted", task_transfer=transfer)
        own.wait_for("accepted")
        assert reservation.transfer is not None and reservation.transfer.sid == transfer["sid"]
        assert reservation.task.transfers.incoming is reservation.transfer
        assert (reservation.status, reservation.version) == ("accepted", "1") and recorder.all("error") == []


def test_defect_04_an_outgoing_transfer_that_comes_without_task_sid(bridge: RecordingBridge) -> None:
    """The nested object lacks the task's sid; the task is known all the same."""
    made = bridge.add_reservation()
    with connected(bridge) as (worker, recorder):
        reservation = worker.reservations[made["sid"]]
        own = EventRecorder(reservation, "accepted")
        transfer = {**payloads.load("rest.reservation.with-transfers")["active_outgoing_task_transfer"]}
        transfer.pop("task_sid", None)
        bridge.change_reservation(made["sid"], "accepted", active_outgoing_task_transfer=transfer)
        own.wait_for("accepted")
        outgoing = reservation.task.transfers.outgoing
        assert outgoing is not None and (outgoing.sid, outgoing.task_sid) == (transfer["sid"], reservation.task.sid)
        assert recorder.all("error") == []


# -- getting ready ---------------------------------------------------------------------------------------------------


def test_defect_05_ready_waits_for_all_pages(bridge: RecordingBridge) -> None:
    """Also for the later pages of reservations; one that fails does not make a worker ready that lacks some."""
    bridge.state.page_limit = 1
    made = [bridge.add_reservation()["sid"] for _ in range(3)]
    last_page = threading.Event()

    def hold(call: Any) -> Any:
        if "AfterSid" in call.params and call.params["AfterSid"] == made[1]:
            assert last_page.wait(30)
            return None if len(bridge.calls_to(RESERVATIONS)) > 3 else 400
        return None

    bridge.on_call(RESERVATIONS, hold)
    worker = new_worker(bridge)
    recorder = EventRecorder(worker)
    ready = worker.start()
    bridge.wait_for_call(RESERVATIONS, n=3)
    assert not ready.done() and not worker.ready
    last_page.set()
    assert ready.result(30) is worker
    assert list(worker.reservations) == made
    assert isinstance(recorder.wait_for("error"), InitializationError)
    worker.disconnect()


@pytest.mark.parametrize("table", ["activities", "channels", "reservations"])
def test_defect_06_a_record_that_lacks_a_key_costs_itself_only(bridge: RecordingBridge, table: str) -> None:
    """It is left out and reported; everything else is there, and the worker is ready."""
    made = [bridge.add_reservation()["sid"] for _ in range(2)]
    bridge.state.add_activity("Lunch")
    bridge.state.add_channel("fax")
    records = getattr(bridge.state, table)
    broken = list(records)[-1]
    del records[broken]["date_updated"]
    with connected(bridge) as (worker, recorder):
        report = recorder.wait_for("error")
        assert isinstance(report, InvalidMessageError) and "date_updated" in report.message
        assert set(getattr(worker, table)) == set(records) - {broken}
        assert worker.ready and len(made) == 2


def test_defect_07_a_failed_initialization_is_tried_again(bridge: RecordingBridge) -> None:
    """Over the same websocket, with the cause in the ``error``."""
    bridge.on_call("Activities", [500])
    with connected(bridge) as (worker, recorder):
        report = recorder.wait_for("error")
        assert type(report) is InitializationError and worker.sid in report.message
        assert isinstance(report.__cause__, ServerError) and report.status == 500
        assert worker.ready and len(bridge.connections) == 1


def test_defect_08_backoff_grows(bridge: RecordingBridge) -> None:
    """Only being ready, not the opening of a socket, brings the delay back to its beginning."""
    machine = session.Session(session.SessionOptions(client_version="1"), Timings(random=lambda: 1.0))
    machine.start("t", None, 0.0)
    delays, now = [], 0.0
    for turn in range(6):
        if turn % 2:
            machine.opened(now)
            actions = machine.closed(1006, "", now)
        else:
            actions = machine.connect_failed(ServerErrorLike(), now)
        delays += [each.args[0] for each in actions if isinstance(each, Notify) and each.event == "reconnecting"]
        now += delays[-1]
        machine.tick(now)
    assert delays == [1.0, 3.0, 7.0, 15.0, 30.0, 30.0]


def ServerErrorLike() -> TaskRouterError:
    """Any failure of connecting that may pass."""
    return TaskRouterError("of the test")


def test_defect_09_the_connect_activity_is_tried_again(bridge: RecordingBridge) -> None:
    """A status that may pass (429, 5xx) is known as such: one more POST, and the activity is taken."""
    _, other = activity_sids(bridge)
    bridge.on_call(OWN, [500], method="POST")
    with connected(bridge, connect_activity_sid=other) as (worker, recorder):
        assert worker.activity_sid == other and len(recorder.all("error")) == 1
        assert [call.params for call in bridge.calls_to(OWN, method="POST")] == [{"ActivitySid": other}] * 2


def test_defect_10_ready_waits_for_the_connect_activity(bridge: RecordingBridge) -> None:
    """At ``ready`` the activity is the chosen one; if that failed for good, ``error`` says so."""
    _, other = activity_sids(bridge)
    hold = threading.Event()
    bridge.on_call(OWN, lambda call: hold.wait(30) and None, method="POST")
    worker = new_worker(bridge, connect_activity_sid=other)
    seen: list[str] = []
    worker.on("ready", lambda worker: seen.append(worker.activity.sid))
    ready = worker.start()
    bridge.wait_for_call(OWN, method="POST")
    assert not ready.done()
    hold.set()
    ready.result(30)
    worker.disconnect()
    assert seen == [other]
    bridge.on_call(OWN, error(400, "No such activity."), method="POST")
    with connected(bridge, connect_activity_sid="WAnone") as (_, recorder):
        report = recorder.wait_for("error")
        assert "connect_activity_sid" in report.message and report.status == 400


def test_defect_11_the_connect_activity_is_taken_once(bridge: RecordingBridge) -> None:
    """What the agent chose since is not undone by a lost connection; only a new connect() takes it again."""
    current, other = activity_sids(bridge)
    with connected(bridge, connect_activity_sid=other) as (worker, recorder):
        worker.activities[current].set_as_current().result(30)
        reconnect(bridge, recorder)
        assert worker.activity_sid == current
        assert len(bridge.calls_to(OWN, method="POST")) == 2
        worker.disconnect()
        worker.connect(30)
        assert worker.activity_sid == other


def test_defect_12_giving_up_does_not_use_up_later_tries(bridge: RecordingBridge) -> None:
    """After the first connect() gave up on the activity, the next one has all its tries again."""
    _, other = activity_sids(bridge)
    bridge.on_call(OWN, [503] * 4 + [503] * 3, method="POST")
    with connected(bridge, connect_activity_sid=other) as (worker, recorder):
        assert worker.activity_sid != other and len(bridge.calls_to(OWN, method="POST")) == 4
        worker.disconnect()
        worker.connect(30)
        assert worker.activity_sid == other and len(bridge.calls_to(OWN, method="POST")) == 8
        assert sum("connect_activity_sid" in each.message for each in recorder.all("error")) == 7


# -- tokens and timers -----------------------------------------------------------------------------------------------


def test_defect_13_a_new_token_has_its_own_life_time(bridge: RecordingBridge, timings: Callable[..., None]) -> None:
    """Its ``exp`` counts, whether it is shorter or longer than the first token's."""
    timings(silence=600.0)
    with connected(bridge, make_token(3600)) as (worker, recorder):
        worker.update_token(make_token(5.2))
        recorder.wait_for("token_expired", timeout=30)
    with connected(bridge, make_token(60.0)) as (worker, recorder):
        worker.update_token(make_token(3600))
        inner = connection_of(worker)
        assert inner is not None and inner._session.deadline is not None
        # The next thing to happen is the silence limit, or a warning in most of an hour: no expiry in a minute.
        assert inner._session.deadline - time.monotonic() > 300


def test_defect_14_a_token_before_init_is_not_taken_for_expired(bridge: RecordingBridge) -> None:
    """It is used, and reconnecting stays on."""
    bridge.hold_init()
    worker = new_worker(bridge)
    recorder = EventRecorder(worker)
    ready = worker.start()
    bridge.wait_for_connection()
    worker.update_token("the.second.token")
    recorder.wait_for("token_updated")
    bridge.release_init()
    ready.result(30)
    assert {call.token for call in bridge.calls} == {"the.second.token"}
    reconnect(bridge, recorder)
    assert bridge.connections[-1].params["token"] == "the.second.token"
    assert "token_expired" not in recorder.names()
    worker.disconnect()


@pytest.mark.usefixtures("slow_reconnections")
def test_defect_15_a_token_during_backoff_makes_one_connection(bridge: RecordingBridge) -> None:
    """At once, in place of the one that was waited for; disconnecting closes all there is."""
    with no_leftover_threads(), connected(bridge) as (worker, recorder):
        bridge.abort()
        recorder.wait_for("reconnecting")
        worker.update_token("the.second.token")
        recorder.wait_for("ready", 2)
        inner = connection_of(worker)
        assert inner is not None and inner._session._retry_at is None and inner._receiver._to_connect is None
        assert len(bridge.connections) == 2
        worker.disconnect()
        eventually(lambda: not any(each.is_open for each in bridge.connections), message="a websocket stays open")


def test_defect_16_disconnecting_while_connecting(bridge: RecordingBridge) -> None:
    """It returns, and nothing is left."""
    bridge.hang_handshake()
    with no_leftover_threads():
        worker = new_worker(bridge)
        recorder = EventRecorder(worker)
        ready = worker.start()
        bridge.wait_for_refusal()
        worker.disconnect()
        assert isinstance(ready.exception(30), ClosedError) and recorder.names() == ["disconnected"]


def test_defect_17_no_timer_survives_disconnect(bridge: RecordingBridge) -> None:
    """With a token's end and a silence limit ahead, the thread of the timers ends all the same; nothing fires later."""
    with no_leftover_threads():
        with connected(bridge, make_token(60)) as (worker, recorder):
            assert worker.ready
        assert recorder.names()[-1] == "disconnected"


@pytest.mark.usefixtures("slow_reconnections")
def test_defect_18_disconnect_during_backoff_is_final(bridge: RecordingBridge) -> None:
    """A token that comes after it makes a new connection, one, and the old delay is forgotten."""
    with no_leftover_threads(), connected(bridge) as (worker, recorder):
        bridge.abort()
        recorder.wait_for("reconnecting")
        worker.disconnect()
        assert not worker.connected
        worker.update_token("the.second.token")
        recorder.wait_for("ready", 2)
        assert recorder.wait_for("token_updated") is None
        inner = connection_of(worker)
        assert inner is not None and inner._session._retry_at is None
        assert len(bridge.connections) == 2 and sum(each.is_open for each in bridge.connections) == 1


def test_defect_19_silence_is_noticed_when_it_is_due() -> None:
    """30 s after the last beat, not at the next of fixed ticks."""
    machine = session.Session(session.SessionOptions(client_version="1"), Timings(random=lambda: 0.0))
    machine.start("t", None, 0.0)
    machine.opened(0.0)
    machine.frames((json.dumps(payloads.load("event.init")),), 0.5)
    machine.frames((), 1.0)
    assert machine.deadline == 31.0 and machine.tick(30.9) == []
    lost = machine.tick(31.0)
    assert [type(each).__name__ for each in lost[:1]] == ["Abort"]
    assert machine.state is State.BACKING_OFF


# -- nothing is lost -------------------------------------------------------------------------------------------------


def test_defect_20_events_while_the_lists_are_read_are_kept(bridge: RecordingBridge) -> None:
    """A reservation made after the list was read is announced after ``ready``; at a reconnection, too."""
    hold = threading.Event()
    worker = new_worker(bridge)
    recorder = EventRecorder(worker)
    for turn in (1, 2):
        hold.clear()
        rule = bridge.on_call("Activities", lambda call: hold.wait(30) and None)
        if turn == 1:
            worker.start()
        else:
            bridge.abort()
        bridge.wait_for_call("Activities", n=turn)
        bridge.wait_for_answer(RESERVATIONS, n=turn)
        made = bridge.add_reservation(announce=True)
        assert len(recorder.all("reservation_created")) == turn - 1
        hold.set()
        assert recorder.wait_for("reservation_created", turn).sid == made["sid"]
        rule.remove()
    assert len(recorder.all("ready")) == 2 and len(worker.reservations) == 2
    worker.disconnect()


def test_defect_21_missed_events_are_announced(bridge: RecordingBridge) -> None:
    """Reservations that came, changed and ended while the connection was away fire their events, each once."""
    stays, ends, gone = (bridge.add_reservation()["sid"] for _ in range(3))
    with connected(bridge) as (worker, recorder):
        own = EventRecorder()
        for sid in (stays, ends, gone):
            own.listen(worker.reservations[sid])
        bridge.refuse_handshake(503)
        bridge.abort()
        recorder.wait_for("disconnected")
        bridge.change_reservation(stays, "accepted", announce=False)
        bridge.change_reservation(ends, "rescinded", announce=False)
        bridge.state.remove_reservation(gone)
        new = bridge.add_reservation()["sid"]
        bridge.accept_handshake()
        recorder.wait_for("ready", 2)
        assert [(name, args[0].sid) for name, args in own.recorded] == [
            ("rescinded", ends), ("canceled", gone), ("accepted", stays),
        ]  # fmt: skip
        assert [each.sid for each in recorder.all("reservation_created")] == [new]
        assert list(worker.reservations) == [stays, new]


def test_defect_22_objects_stay_the_same(bridge: RecordingBridge) -> None:
    """Across a reconnection, listeners on old objects fire, and the old activity is not current any more."""
    made = bridge.add_reservation("accepted")
    with connected(bridge) as (worker, recorder):
        reservation, old = worker.reservations[made["sid"]], worker.activity
        channel = next(iter(worker.channels.values()))
        kept = (reservation, reservation.task, channel, *worker.activities.values())
        own = EventRecorder(channel, "capacity_updated")
        _, other = activity_sids(bridge)
        bridge.refuse_handshake(503)
        bridge.abort()
        recorder.wait_for("disconnected")
        bridge.state.worker["activity_sid"] = other
        bridge.state.worker["version"] += 1
        bridge.state.channels[channel.sid]["configured_capacity"] += 1
        bridge.accept_handshake()
        recorder.wait_for("ready", 2)
        assert own.wait_for("capacity_updated") is channel
        assert (
            worker.reservations[made["sid"]], worker.reservations[made["sid"]].task, worker.channels[channel.sid],
            *worker.activities.values(),
        ) == kept  # fmt: skip
        assert all(worker.activities[each.sid] is each for each in worker.activities.values())
        assert not old.is_current and worker.activity.sid == other and worker.activity.is_current
        assert recorder.wait_for("activity_updated") is worker


def test_defect_23_removed_activities_and_channels_are_gone(bridge: RecordingBridge) -> None:
    """Activities and channels that the service no longer has are gone after a reconnection."""
    activity, channel = bridge.state.add_activity("Lunch")["sid"], bridge.state.add_channel("fax")["sid"]
    with connected(bridge) as (worker, recorder):
        assert activity in worker.activities and channel in worker.channels
        del bridge.state.activities[activity], bridge.state.channels[channel]
        reconnect(bridge, recorder)
        assert activity not in worker.activities and channel not in worker.channels
        assert list(worker.activities) == list(bridge.state.activities)


def test_defect_24_nothing_is_kept_of_ended_reservations(bridge: RecordingBridge, timings: Callable[..., None]) -> None:
    """After the time in which a task's last events are heard, no table has an entry left, however many there were."""
    timings(linger=0.0)
    with connected(bridge) as (worker, recorder):
        for _ in range(20):
            made = bridge.add_reservation(announce=True)
            bridge.change_reservation(made["sid"], "canceled")
        marker(bridge, recorder)
        bridge.beat()
        marker(bridge, recorder)
        state = worker._state
        assert (dict(state.reservations), state._tasks, state.ended, len(state._ended_at)) == ({}, {}, {}, 0)


def test_defect_25_removal_looks_at_the_object(bridge: RecordingBridge, timings: Callable[..., None]) -> None:
    """The late removal of an ended reservation does not take away another one of the same task."""
    timings(linger=0.0)
    with connected(bridge) as (worker, recorder):
        first = bridge.add_reservation(announce=True)
        bridge.change_reservation(first["sid"], "timeout")
        second = bridge.add_reservation(announce=True, task={"sid": first["task"]["sid"]})
        marker(bridge, recorder)
        bridge.beat()
        marker(bridge, recorder)
        assert list(worker.reservations) == [second["sid"]]
        task = EventRecorder(worker.reservations[second["sid"]].task, "updated")
        bridge.send("task.updated", bridge.state.change_task(first["task"]["sid"], attributes={"again": 1}))
        assert task.wait_for("updated").attributes == {"again": 1}


def test_defect_26_reservations_are_one_read_only_view(bridge: RecordingBridge) -> None:
    """The same live mapping at each access."""
    with connected(bridge) as (worker, recorder):
        view = worker.reservations
        made = bridge.add_reservation(announce=True)
        recorder.wait_for("reservation_created")
        assert worker.reservations is view and list(view) == [made["sid"]]
        with pytest.raises(TypeError):
            view["WR1"] = view[made["sid"]]  # type: ignore[index]


# -- reservations ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        lambda r: r.accept(), lambda r: r.reject(), lambda r: r.wrap(), lambda r: r.complete(),
        lambda r: r.call("+1", "http://x"), lambda r: r.dequeue(), lambda r: r.redirect("CA1", "http://x"),
    ],
)  # fmt: skip
def test_defect_27_the_timeout_stays(bridge: RecordingBridge, call: Any) -> None:
    """An answer without ``reservation_timeout`` does not take it away."""
    made = bridge.add_reservation()
    with connected(bridge) as (worker, _):
        reservation = worker.reservations[made["sid"]]
        assert call(reservation).result(30).timeout == made["reservation_timeout"] == reservation.timeout


def test_defect_28_fetching_a_reservation_takes_both_shapes(bridge: RecordingBridge) -> None:
    """The bare one, which has no task, and the nested one, which renews the task as well."""
    made = bridge.add_reservation()
    with connected(bridge) as (worker, _):
        reservation = worker.reservations[made["sid"]]
        bridge.change_reservation(made["sid"], "accepted", announce=False)
        assert reservation.fetch_latest_version().result(30) is reservation
        assert (reservation.status, reservation.task.status) == ("accepted", "reserved")
        bridge.on_call(made["sid"], lambda call: bridge.state.nested(made["sid"]), method="GET")
        reservation.fetch_latest_version().result(30)
        assert reservation.task.status == "assigned"


def test_defect_29_an_update_adds_no_attribute(bridge: RecordingBridge) -> None:
    """A reservation has the same attributes before and after."""
    made = bridge.add_reservation()
    with connected(bridge) as (worker, _):
        reservation = worker.reservations[made["sid"]]
        before, keys = dir(reservation), set(reservation.to_dict())
        reservation.accept().result(30)
        own = EventRecorder(reservation, "wrapup")
        bridge.change_reservation(made["sid"], "wrapping")
        own.wait_for("wrapup")
        assert dir(reservation) == before and set(reservation.to_dict()) == keys
        assert not hasattr(reservation, "task_transfer")


def test_defect_30_a_transfer_that_is_null_is_none(bridge: RecordingBridge) -> None:
    """``null`` in place of an absent transfer refuses nothing, in the list and in events."""
    listed = bridge.add_reservation()
    bridge.state.reservations[listed["sid"]].update(task_transfer=None, active_outgoing_task_transfer=None)
    with connected(bridge) as (worker, recorder):
        assert worker.reservations[listed["sid"]].transfer is None
        made = bridge.add_reservation()
        bridge.send("reservation.created", {**made, "task_transfer": None, "active_outgoing_task_transfer": None})
        assert recorder.wait_for("reservation_created").task.transfers.outgoing is None
        assert recorder.all("error") == []


# -- outgoing transfers ----------------------------------------------------------------------------------------------


def transfer_event(bridge: RecordingBridge, made: dict[str, Any], status: str, **fields: Any) -> dict[str, Any]:
    """The payload of an event about an outgoing transfer of this reservation."""
    return {
        **payloads.load("rest.transfer"), "task_sid": made["task"]["sid"], "transfer_status": status,
        "initiating_reservation_sid": made["sid"], **fields,
    }  # fmt: skip


def test_defect_31_events_of_a_transfer_stay_in_order(bridge: RecordingBridge) -> None:
    """Those that come before the answer of transfer() wait for it together: failed stays failed."""
    made = bridge.add_reservation("accepted")
    hold = threading.Event()
    bridge.on_call("Transfers", lambda call: hold.wait(30) and None, method="POST")
    with connected(bridge) as (worker, recorder):
        task = worker.reservations[made["sid"]].task
        own = EventRecorder(task, "transfer_initiated", "transfer_failed")
        future = task.transfer("WKother")
        bridge.wait_for_call("Transfers", method="POST")
        bridge.send("task.transfer-initiated", transfer_event(bridge, made, "initiated"))
        bridge.send("task.transfer-failed", transfer_event(bridge, made, "failed", transfer_failed_reason="busy"))
        marker(bridge, recorder)
        assert own.names() == []
        hold.set()
        future.result(30)
        own.wait_for("transfer_failed")
        assert own.names() == ["transfer_initiated", "transfer_failed"]
        outgoing = task.transfers.outgoing
        assert outgoing is not None and (outgoing.status, outgoing.transfer_failed_reason) == ("failed", "busy")


def test_defect_32_a_waiting_event_fires_with_the_answer(bridge: RecordingBridge) -> None:
    """Not at the next of polls, which begin half a second apart with the event: of five times, one comes at once."""
    with connected(bridge) as (worker, recorder):
        waited: list[float] = []
        for _ in range(5):
            made = bridge.add_reservation("accepted", announce=True)
            marker(bridge, recorder)
            hold = threading.Event()
            rule = bridge.on_call("Transfers", lambda call, hold=hold: hold.wait(30) and None, method="POST")
            task = worker.reservations[made["sid"]].task
            own = EventRecorder(task, "transfer_initiated")
            future = task.transfer("WKother")
            bridge.wait_for(lambda rule=rule: rule.calls)  # type: ignore[misc]
            sid = payloads.load("rest.transfer")["sid"]
            if sid in bridge.state.transfers:
                bridge.state.transfers.clear()
            bridge.send("task.transfer-initiated", transfer_event(bridge, made, "initiated"))
            marker(bridge, recorder)
            begun = time.monotonic()
            hold.set()
            own.wait_for("transfer_initiated")
            waited.append(time.monotonic() - begun)
            assert future.result(30) is task
            rule.remove()
        # The others may be late for want of the processor; with polls, all would be.
        assert min(waited) < 0.2


def test_defects_33_34_a_second_transfer_is_another_object(bridge: RecordingBridge) -> None:
    """The ended one says so by its status; the next one is a new object with its own target, and the old one stays."""
    made = bridge.add_reservation("accepted", outgoing={})
    with connected(bridge) as (worker, recorder):
        reservation = worker.reservations[made["sid"]]
        first = reservation.task.transfers.outgoing
        assert first is not None
        failed = transfer_event(bridge, made, "failed", sid=first.sid)
        bridge.send("task.transfer-failed", failed)
        own = EventRecorder(reservation, "wrapup")
        marker(bridge, recorder)
        assert reservation.task.transfers.outgoing is first and first.status == "failed"
        later = {
            **made["active_outgoing_task_transfer"], "sid": "TTsecond", "transfer_to": "WQnext",
            "transfer_type": "QUEUE", "transfer_mode": "COLD",
        }  # fmt: skip
        bridge.change_reservation(made["sid"], "wrapping", active_outgoing_task_transfer=later)
        own.wait_for("wrapup")
        second = reservation.task.transfers.outgoing
        assert second is not None and second is not first
        assert (second.sid, second.to, second.type, second.mode) == ("TTsecond", "WQnext", "QUEUE", "COLD")
        assert (first.to, first.status) == (made["active_outgoing_task_transfer"]["transfer_to"], "failed")


# -- versions --------------------------------------------------------------------------------------------------------


def test_defect_35_older_news_changes_nothing(bridge: RecordingBridge) -> None:
    """A late or repeated event is passed over, and a refused one does not count the worker's version on."""
    made = bridge.add_reservation()
    with connected(bridge) as (worker, recorder):
        reservation = worker.reservations[made["sid"]]
        own = EventRecorder(reservation)
        accepted = bridge.change_reservation(made["sid"], "accepted")
        own.wait_for("accepted")
        wrapping = bridge.change_reservation(made["sid"], "wrapping")
        bridge.send("reservation.accepted", accepted)
        bridge.send("reservation.wrapup", wrapping)
        version = worker.version
        bridge.send("reservation.created", {"sid": "WRbroken"})
        bridge.send("worker.capacity.update", {**next(iter(bridge.state.channels.values())), "sid": "WCunknown"})
        marker(bridge, recorder)
        assert own.names() == ["accepted", "wrapup"] and reservation.status == "wrapping"
        assert worker.version == version and len(recorder.all("error")) == 2


# -- supervisors -----------------------------------------------------------------------------------------------------


def test_defects_36_37_a_supervisor_sees_to_others(bridge: RecordingBridge) -> None:
    """No If-Match of its own for another worker; the answer is that worker, with parsed attributes; all three modes."""
    other = bridge.state.add_worker("Ravi", attributes={"skills": ["en"]})
    _, activity = activity_sids(bridge)
    reservation = bridge.add_reservation("accepted")
    with Supervisor(TOKEN, eb_server=bridge.eb_server, enable_version_check=True) as supervisor:
        info = supervisor.set_worker_attributes(other["sid"], {"skills": ["de"]}).result(30)
        assert type(info) is WorkerInfo and info.sid == other["sid"] and info.attributes == {"skills": ["de"]}
        info = supervisor.set_worker_activity(other["sid"], activity).result(30)
        assert type(info) is WorkerInfo and info.activity_sid == activity
        assert [call.if_match for call in bridge.calls_to(other["sid"], method="POST")] == [None, None]
        for mode in ("monitor", "whisper", "barge"):
            assert getattr(supervisor, mode)(reservation["task"]["sid"], reservation["sid"]).result(30) is None
            assert bridge.calls[-1].params["SupervisorMode"] == mode
        with pytest.raises(ValueError, match="no event 'monitor'"):
            supervisor.on("monitor", print)  # type: ignore[call-overload]


# -- logs ------------------------------------------------------------------------------------------------------------


def our_loggers() -> dict[str, logging.Logger]:
    """Every logger of the clients."""
    known = logging.Logger.manager.loggerDict
    return {
        name: each for name, each in known.items()
        if name.split(".")[0] == "twilio_taskrouter_worker" and isinstance(each, logging.Logger)
        and name.split(".")[1:2] != ["local"]
    }  # fmt: skip


def test_defect_38_one_level_for_all(bridge: RecordingBridge) -> None:
    """``log_level`` is the level of every logger of the clients; the local service's own is left alone."""
    root = logging.getLogger("twilio_taskrouter_worker")
    for name, level in (("debug", logging.DEBUG), ("warn", logging.WARNING), ("silent", logging.CRITICAL + 10)):
        root.setLevel(logging.NOTSET)
        new_worker(bridge, log_level=name)
        assert {each.getEffectiveLevel() for each in our_loggers().values()} == {level}
        assert logging.getLogger("twilio_taskrouter_worker.local").isEnabledFor(logging.WARNING)
    root.setLevel(logging.INFO)
    new_worker(bridge, log_level="debug")
    assert root.level == logging.INFO, "what the application has set is left alone"


def test_defects_39_40_no_token_and_no_payload_in_the_log(
    bridge: RecordingBridge, caplog: pytest.LogCaptureFixture
) -> None:
    """At the lowest level, through connecting, events, bad frames, calls, a new token and a refused one."""
    caplog.set_level(1)
    caplog.set_level(1, "twilio_taskrouter_worker")
    made = bridge.add_reservation(task={"attributes": {"name": "customer-data"}})
    with connected(bridge, "tokenmark.a.b") as (worker, recorder):
        worker.update_token("tokenmark.c.d")
        bridge.send_raw('{"event_type": "x", "payload": "customer-data"')
        bridge.send("task.updated", bridge.state.change_task(made["task"]["sid"], attributes={"n": "customer-data"}))
        worker.reservations[made["sid"]].task.set_attributes({"name": "customer-data"}).result(30)
        marker(bridge, recorder)
        reconnect(bridge, recorder)
        bridge.refuse_handshake(401)
        bridge.abort()
        recorder.wait_for("error", 2)
    everything = "\n".join(f"{each.name} {each.getMessage()} {each.args}" for each in caplog.records)
    assert caplog.records and "tokenmark" not in everything and "customer-data" not in everything


def test_defect_41_no_logger_for_each_object(bridge: RecordingBridge) -> None:
    """Fifty reservations later there are as many loggers as before."""
    with connected(bridge) as (worker, recorder):
        bridge.add_reservation(announce=True)
        marker(bridge, recorder)
        before = set(our_loggers())
        for _ in range(50):
            bridge.add_reservation(announce=True)
        marker(bridge, recorder)
        assert len(worker.reservations) == 51 and set(our_loggers()) == before


# -- the worker ------------------------------------------------------------------------------------------------------


def test_defect_42_a_method_keeps_its_object(bridge: RecordingBridge) -> None:
    """A handler class with a state of its own works: its methods are called on it."""

    class Handler:
        def __init__(self) -> None:
            self.created: list[Any] = []

        def on_created(self, reservation: Any) -> None:
            self.created.append(reservation)

    with connected(bridge) as (worker, recorder):
        handler = Handler()
        worker.on("reservation_created", handler.on_created)
        bridge.add_reservation(announce=True)
        marker(bridge, recorder)
        worker.off("reservation_created", handler.on_created)
        bridge.add_reservation(announce=True)
        marker(bridge, recorder)
        assert len(handler.created) == 1


def test_defect_43_all_attributes_are_live(bridge: RecordingBridge) -> None:
    """Those that the JS SDK never sets, sets late or never renews, at ``ready`` and after an event."""
    current, other = activity_sids(bridge)
    with connected(bridge, connect_activity_sid=current) as (worker, recorder):
        assert (worker.activity_sid, worker.activity_name, worker.available, worker.connect_activity_sid) == (
            current, "Available", True, current,
        )  # fmt: skip
        bridge.send("worker.activity.update", {
            **bridge.state.worker, "activity_sid": other, "activity_name": "Offline", "available": False,
            "friendly_name": "Dana D", "date_status_changed": 1_800_000_000, "version": 99,
        })  # fmt: skip
        recorder.wait_for("activity_updated")
        assert worker.activity_sid == worker.worker_activity_sid == worker.activity.sid == other
        assert (worker.activity_name, worker.available) == ("Offline", False)
        assert worker.name == worker.friendly_name == "Dana D"
        assert worker.date_status_changed == worker.date_activity_changed
        assert worker.date_activity_changed == datetime.fromtimestamp(1_800_000_000, timezone.utc)


def test_defect_44_an_answer_with_an_unknown_activity_changes_nothing(bridge: RecordingBridge) -> None:
    """The call fails with an error of ours, and the worker keeps its activity."""
    _, other = activity_sids(bridge)
    with connected(bridge) as (worker, _):
        before = worker.activity
        bridge.on_call(OWN, {**bridge.state.worker, "activity_sid": "WAnone", "version": 99}, method="POST")
        with pytest.raises(InvalidAnswerError):
            worker.activities[other].set_as_current().result(30)
        assert worker.activity is before and worker.activity_sid == before.sid


def test_defect_45_a_malformed_payload_is_an_error(bridge: RecordingBridge) -> None:
    """No event fires with unchanged data, and no call succeeds without effect."""
    with connected(bridge) as (worker, recorder):
        channel = next(iter(worker.channels.values()))
        own = EventRecorder(channel)
        before = worker.to_dict(), channel.to_dict()
        bridge.send("worker.attributes.update", {**bridge.state.worker, "attributes": "{", "version": 99})
        broken = {**bridge.state.channels[channel.sid]}
        del broken["assigned_tasks"]
        bridge.send("worker.capacity.update", broken)
        marker(bridge, recorder)
        assert len(recorder.all("error")) == 2 and own.names() == [] and recorder.all("attributes_updated") == []
        bridge.on_call(OWN, {"sid": worker.sid}, method="POST")
        with pytest.raises(InvalidAnswerError):
            worker.set_attributes({"a": 1}).result(30)
        assert (worker.to_dict(), channel.to_dict()) == before


# -- arguments -------------------------------------------------------------------------------------------------------


def test_defects_46_47_options_are_checked(bridge: RecordingBridge) -> None:
    """Unknown options and wrong types raise TypeError before any request, also where the JS SDK forgot to look."""
    made = bridge.add_reservation("accepted")
    with Supervisor(TOKEN, eb_server=bridge.eb_server) as worker:
        reservation = worker.reservations[made["sid"]]
        task, activity = reservation.task, worker.activity
        before = len(bridge.calls)
        misuses: list[Any] = [
            lambda: reservation.call("+1", "http://x", colour="red"),  # type: ignore[call-arg]
            lambda: reservation.dequeue(colour="red"),  # type: ignore[call-arg]
            lambda: reservation.redirect("CA1", "http://x", colour="red"),  # type: ignore[call-arg]
            lambda: reservation.reject(activitySid="WA1"),  # type: ignore[call-arg]
            lambda: worker.create_task("a", "b", "WW1", "WQ1", colour="red"),  # type: ignore[call-arg]
            lambda: activity.set_as_current(colour="red"),  # type: ignore[call-arg]
            lambda: reservation.conference(colour="red"),  # type: ignore[call-arg]
            lambda: task.hold("WK1", True, colour="red"),  # type: ignore[call-arg]
            lambda: task.update_participant(colour="red"),  # type: ignore[call-arg]
            lambda: reservation.conference(beep_on_customer_entrance="yes"),  # type: ignore[arg-type]
            lambda: reservation.conference(timeout=True),
            lambda: task.transfer("WK1", mode=3),  # type: ignore[arg-type]
            lambda: task.transfer("WK1", priority="high"),  # type: ignore[arg-type]
            lambda: task.transfer("WK1", attributes=["a"]),  # type: ignore[arg-type]
            lambda: task.transfer(3),  # type: ignore[arg-type]
            lambda: worker.set_worker_activity("WK1", "WA1", reject_pending_reservations="no"),  # type: ignore[arg-type]
            lambda: worker.set_attributes(["a"]),  # type: ignore[arg-type]
            lambda: worker.set_attributes({"a": {1, 2}}),
            lambda: task.set_attributes({1: "a"}),  # type: ignore[dict-item]
            lambda: worker.create_task("a", "b", "WW1", "WQ1", attributes=[]),  # type: ignore[arg-type]
        ]
        for misuse in misuses:
            with pytest.raises(TypeError):
                misuse()
        assert len(bridge.calls) == before


def test_defect_48_priority_zero_is_sent(bridge: RecordingBridge) -> None:
    """Zero is a priority."""
    made = bridge.add_reservation("accepted")
    with connected(bridge) as (worker, _):
        worker.reservations[made["sid"]].task.transfer("WK1", priority=0, attributes={}).result(30)
        assert bridge.calls[-1].params["Priority"] == 0 and bridge.calls[-1].params["Attributes"] == {}


# -- HTTP ------------------------------------------------------------------------------------------------------------


def test_defect_49_errors_say_all_there_is(bridge: RecordingBridge) -> None:
    """Status, Twilio's code, the sentence, the page, the cause."""
    body = {"message": "Gone.", "code": 20404, "more_info": "https://www.twilio.com/docs/errors/20404"}
    with connected(bridge) as (worker, _):
        bridge.on_call(OWN, Reply(404, body), method="GET")
        with pytest.raises(NotFoundError) as caught:
            worker.fetch_latest_version().result(30)
        told = caught.value
        assert (told.name, told.status, told.code, told.more_info) == ("REQUEST_INVALID", 404, 20404, body["more_info"])
        assert str(told) == told.message == "Request failed with status code 404. Gone."


@pytest.mark.parametrize(("status", "kind"), [(502, ServerError), (400, RequestRejectedError)])
def test_defect_50_a_page_in_place_of_json_keeps_its_status(bridge: RecordingBridge, status: int, kind: type) -> None:
    """A proxy's error page is what its status says, not an unknown error."""
    with connected(bridge) as (worker, _):
        bridge.on_call(OWN, Reply(status, "<html>Bad Gateway</html>"), method="POST")
        told = worker.set_attributes({}).exception(30)
        assert isinstance(told, kind) and isinstance(told, TaskRouterError) and told.status == status


def test_defect_51_the_deadline_covers_the_body(bridge: RecordingBridge) -> None:
    """A body that never ends does not hold the call."""
    with connected(bridge, request_timeout=0.3) as (worker, _):
        for answer in (Hang(after_headers=True), Drip(interval=0.05)):
            bridge.on_call(OWN, answer, method="POST")
            begun = time.monotonic()
            assert isinstance(worker.set_attributes({}).exception(30), RequestTimeoutError)
            assert time.monotonic() - begun < 15.0
        bridge.release()


def test_defect_52_requests_are_tried_again(bridge: RecordingBridge) -> None:
    """A GET after 503, a POST after 429, each when the service asked for it."""
    with connected(bridge) as (worker, _):
        bridge.on_call(OWN, [503], method="GET")
        assert worker.fetch_latest_version().result(30) is worker
        bridge.on_call(OWN, [Reply(429, {}, {"Retry-After": "1"})], method="POST")
        begun = time.monotonic()
        assert worker.set_attributes({"a": 1}).result(30) is worker
        assert time.monotonic() - begun >= 0.95


@pytest.mark.parametrize("option", ["eb_server", "ws_server"])
def test_defect_53_one_address_is_enough(bridge: RecordingBridge, option: str) -> None:
    """The other one is derived."""
    with Worker(TOKEN, **{option: getattr(bridge, option)}) as worker:
        assert worker.ready


def test_defect_54_sids_cannot_climb(bridge: RecordingBridge) -> None:
    """What looks like a path is escaped; what cannot be a sid is refused."""
    workspace = Workspace(TOKEN, "WS0eff317b7980fdf60561d4668aa02c69", eb_server=bridge.eb_server)
    assert isinstance(workspace.fetch_task("../Workers/WK1?a=b").exception(30), NotFoundError)
    assert bridge.calls[-1].url == "Workspaces/WS0eff317b7980fdf60561d4668aa02c69/Tasks/..%2FWorkers%2FWK1%3Fa%3Db"
    for senseless in ("", ".", ".."):
        with pytest.raises(ValueError, match="must be a sid"):
            workspace.fetch_task(senseless)
    with pytest.raises(TypeError):
        workspace.fetch_worker_info(None)  # type: ignore[arg-type]


def test_defect_55_each_fetch_has_its_own_result(bridge: RecordingBridge) -> None:
    """Parallel lists do not mix, none ends at a thousand, tasks are tasks, and a new token brings new paths."""
    for number in range(1200):
        bridge.state.add_worker(f"Worker {number}")
    workspace = Workspace(
        make_token(grants={"task_router": {"workspace_sid": "WS0eff317b7980fdf60561d4668aa02c69"}}),
        eb_server=bridge.eb_server,
    )
    results = run_all([
        lambda: workspace.fetch_workers_info().result(20),
        lambda: workspace.fetch_workers_info(max_workers=5).result(20),
        lambda: workspace.fetch_task_queues().result(20),
        lambda: workspace.fetch_workers_info(ordering="DateStatusChanged:asc").result(20),
    ])  # fmt: skip
    everyone, five, queues, ordered = results
    assert isinstance(everyone, Named) and isinstance(five, Named) and isinstance(queues, Named)
    assert len(everyone) == 1201 and len(five) == 5 and list(five) == list(everyone)[:5] and ordered == everyone
    assert {type(each) for each in queues.values()} == {TaskQueue} and everyone is not five
    task = bridge.state.add_task(attributes={"a": 1})
    fetched = workspace.fetch_task(task["sid"]).result(30)
    assert type(fetched) is TaskInfo and fetched.attributes == {"a": 1}
    workspace.update_token(make_token(grants={"task_router": {"workspace_sid": "WSother"}}))
    workspace.fetch_task("WT1").exception(30)
    assert workspace.workspace_sid == "WSother" and bridge.calls[-1].url == "Workspaces/WSother/Tasks/WT1"


def test_defect_56_dates_that_are_null_or_text(bridge: RecordingBridge) -> None:
    """Null is None, not 1970; a date in ISO form is a date."""
    made = bridge.add_reservation(task={"virtual_start_time": None, "date_created": "2026-01-01T12:00:05Z"})
    channel = next(iter(bridge.state.channels))
    bridge.state.channels[channel]["last_reserved_time"] = None
    with connected(bridge) as (worker, recorder):
        task = worker.reservations[made["sid"]].task
        assert task.virtual_start_time is None and worker.channels[channel].last_reserved_time is None
        assert task.date_created == datetime(2026, 1, 1, 12, 0, 5, tzinfo=timezone.utc)
        assert recorder.all("error") == []


# -- sessions --------------------------------------------------------------------------------------------------------


def test_defect_57_two_clients_do_not_fight(bridge: RecordingBridge) -> None:
    """Other sessions are closed by the first connection only, and a client that was replaced stays away."""
    with connected(bridge, close_existing_sessions=True) as (worker, recorder):
        reconnect(bridge, recorder)
        assert [each.params["closeExistingSessions"] for each in bridge.connections] == ["true", "false"]
        bridge.close(4001, "Replaced by another session.")
        recorder.wait_for("error")
        eventually(lambda: connection_of(worker) is None)
    assert len(bridge.connections) == 2


@pytest.mark.parametrize(
    "name", ["error", "connected", "disconnected", "tokenExpired", "token_expired", "ready", "reservation_created"]
)
def test_defect_58_a_message_never_fires_an_internal_event(bridge: RecordingBridge, name: str) -> None:
    """A message whose type is called like an internal or public event fires nothing."""
    with connected(bridge) as (worker, recorder):
        before = recorder.names()
        bridge.send(name, {"sid": "x"})
        marker(bridge, recorder)
        assert recorder.names() == [*before, "reservation_failed"] and worker.ready


def test_defect_59_readiness_can_be_waited_for_and_seen(bridge: RecordingBridge) -> None:
    """connect() and ``with`` wait for it, properties show it, and a second ``ready`` is told apart by what precedes."""
    worker = new_worker(bridge)
    assert (worker.connected, worker.ready) == (False, False)
    recorder = EventRecorder(worker)
    with worker as entered:
        assert entered is worker and (worker.connected, worker.ready) == (True, True)
        bridge.hold_init()
        bridge.abort()
        bridge.wait_for_connection(2)
        assert (worker.connected, worker.ready) == (False, False)
        bridge.release_init()
        recorder.wait_for("ready", 2)
    assert recorder.names() == [
        "connected", "ready", "disconnected", "reconnecting", "connected", "ready", "disconnected",
    ]  # fmt: skip
    assert (worker.connected, worker.ready) == (False, False)


def test_defect_60_a_ready_listener_that_raises_does_not_fail_the_start(bridge: RecordingBridge) -> None:
    """The worker is ready; the report is about the callback."""
    worker = new_worker(bridge)
    worker.on("ready", lambda worker: 1 / 0)
    recorder = EventRecorder(worker)
    with worker:
        report = recorder.wait_for("error")
        assert "A callback of 'ready' raised ZeroDivisionError" in report.message
        assert not isinstance(report, InitializationError)
        assert worker.ready and recorder.wait_for("ready") is worker


def test_defect_61_a_closed_worker_is_closed(bridge: RecordingBridge) -> None:
    """What was in flight fails, every later call on every object is refused, and what was read stays readable."""
    made = bridge.add_reservation("accepted", outgoing={})
    with connected(bridge) as (worker, _):
        bridge.on_call(OWN, Hang(), method="POST")
        flying = worker.set_attributes({})
        bridge.wait_for_call(OWN, method="POST")
        reservation, activity = worker.reservations[made["sid"]], worker.activity
        outgoing = reservation.task.transfers.outgoing
        assert outgoing is not None
        worker.disconnect()
        assert isinstance(flying.exception(30), ClosedError)
        before = len(bridge.calls)
        uses = (
            worker.fetch_latest_version, reservation.accept, lambda: reservation.task.complete("done"),
            outgoing.cancel, activity.set_as_current, lambda: worker.wait_for("ready", 5),
        )  # fmt: skip
        for use in uses:
            with pytest.raises(ClosedError, match="disconnected"):
                use()
        assert len(bridge.calls) == before and reservation.status == "accepted" and worker.sid
        bridge.release()


def test_defect_62_what_is_tested_reaches_the_wire(bridge: RecordingBridge) -> None:
    """transfer() and fetch_latest_version(), which the JS SDK's tests never really saw: right path, awaited result."""
    made = bridge.add_reservation("accepted")
    with connected(bridge) as (worker, _):
        reservation = worker.reservations[made["sid"]]
        task = reservation.task
        before = len(bridge.calls)
        assert task.transfer("WKother").result(30) is task
        assert reservation.fetch_latest_version().result(30) is reservation
        # The bridge notes an answer when it has sent it, which the client may see first.
        bridge.wait_for_answer("Reservations/", method="GET")
        workspace = f"Workspaces/{worker.workspace_sid}/Workers/{worker.sid}"
        assert [(call.method, call.url, call.api_version, call.outcome) for call in bridge.calls[before:]] == [
            ("POST", f"{workspace}/Transfers", "v2", 200),
            ("GET", f"{workspace}/Reservations/{made['sid']}", "v1", 200),
        ]
        assert task.transfers.outgoing is not None and task.transfers.outgoing.to == "WKother"
        bridge.on_call("Transfers", 400)
        assert isinstance(task.transfer("WKother").exception(30), RequestRejectedError)
