"""What a user's type checker sees. Checked by mypy, never run.

Every form of ``on`` and ``once``, and what every call, attribute and mapping gives.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timezone
from typing import Any

from typing_extensions import assert_type

from twilio_taskrouter_worker import (
    Activity,
    Channel,
    ChannelEvent,
    Complete,
    Directory,
    DisconnectReason,
    Health,
    IncomingTransfer,
    Named,
    Observer,
    OutgoingTransfer,
    Reject,
    RequestRejectedError,
    Reservation,
    ReservationEvent,
    ReservationHandle,
    ReservationInfo,
    Single,
    Supervisor,
    Task,
    TaskEvent,
    TaskInfo,
    TaskQueue,
    TaskRouterError,
    Transfer,
    TransferEvent,
    Transfers,
    Worker,
    WorkerClient,
    WorkerEvent,
    WorkerInfo,
    Workspace,
    WrapUp,
)
from twilio_taskrouter_worker.local import Clock, LocalTaskRouter
from twilio_taskrouter_worker.tokens import create_worker_token, decode_unverified

executor = ThreadPoolExecutor()
token = create_worker_token("AC", "SK", "secret", "WS", "WK", role="supervisor", ttl=60, identity=None)
assert_type(token, str)
assert_type(decode_unverified(token), dict[str, Any])


def new_token() -> str:
    return token


worker = Worker(token)
worker = Worker(
    token,
    connect_activity_sid="WA",
    close_existing_sessions=True,
    set_worker_offline_if_disconnected=None,
    enable_version_check=True,
    log_level="debug",
    region="ie1",
    edge=None,
    eb_server="http://localhost",
    ws_server="ws://localhost",
    token_provider=new_token,
    request_timeout=10,
)

# -- a Worker's life -----------------------------------------------------------------------------------------------

assert_type(worker.connect(), Worker)
assert_type(worker.connect(timeout=5), Worker)
assert_type(worker.start(), Future[Worker])
assert_type(worker.connected, bool)
assert_type(worker.ready, bool)
assert_type(worker.lag, float)
assert_type(worker.backlog, int)
with Worker(token) as entered:
    assert_type(entered, Worker)
with Supervisor(token) as entered_supervisor:
    assert_type(entered_supervisor, Supervisor)
worker.run_forever()
worker.disconnect()
worker.disconnect(timeout=1.5)
worker.update_token(token)

# -- events of a Worker --------------------------------------------------------------------------------------------


def on_worker(worker: Worker) -> int:
    return 1


def on_nothing() -> None: ...


def on_seconds(seconds: float) -> None: ...


def on_reservation(reservation: Reservation) -> str:
    return reservation.sid


def on_payload(payload: dict[str, Any]) -> None: ...


def on_reason(reason: DisconnectReason) -> None:
    assert_type(reason.message, str)
    assert_type(reason.code, int | None)


def on_error(error: TaskRouterError) -> None:
    assert_type(error.status, int | None)
    assert_type(error.code, int | None)
    assert_type(error.message, str)
    assert_type(error.more_info, str | None)
    assert_type(error.retry_after, float | None)
    assert_type(error.name, str)


def on_anything(*args: object) -> None: ...


assert_type(worker.on("ready", on_worker), Callable[[Worker], int])
assert_type(worker.on("activity_updated", on_worker), Callable[[Worker], int])
assert_type(worker.on("activityUpdated", on_worker), Callable[[Worker], int])
assert_type(worker.on("attributes_updated", on_worker), Callable[[Worker], int])
assert_type(worker.on("attributesUpdated", on_worker), Callable[[Worker], int])
assert_type(worker.on("connected", on_nothing), Callable[[], None])
assert_type(worker.on("token_expired", on_nothing), Callable[[], None])
assert_type(worker.on("tokenExpired", on_nothing), Callable[[], None])
assert_type(worker.on("token_updated", on_nothing), Callable[[], None])
assert_type(worker.on("tokenUpdated", on_nothing), Callable[[], None])
assert_type(worker.on("reconnecting", on_seconds), Callable[[float], None])
assert_type(worker.on("token_will_expire", on_seconds), Callable[[float], None])
assert_type(worker.on("tokenWillExpire", on_seconds), Callable[[float], None])
assert_type(worker.on("reservation_created", on_reservation), Callable[[Reservation], str])
assert_type(worker.on("reservationCreated", on_reservation), Callable[[Reservation], str])
worker.on("reservation_failed", on_payload)
worker.on("reservationFailed", on_payload)
assert_type(worker.on("disconnected", on_reason), Callable[[DisconnectReason], None])
assert_type(worker.on("error", on_error), Callable[[TaskRouterError], None])
assert_type(worker.once("ready", on_worker), Callable[[Worker], int])
assert_type(worker.once("connected", on_nothing), Callable[[], None])
assert_type(worker.once("reconnecting", on_seconds), Callable[[float], None])
assert_type(worker.once("reservation_created", on_reservation), Callable[[Reservation], str])
worker.once("reservation_failed", on_payload)
assert_type(worker.once("disconnected", on_reason), Callable[[DisconnectReason], None])
assert_type(worker.once("error", on_error), Callable[[TaskRouterError], None])
worker.on("error", on_anything)
worker.on("ready", on_anything, executor=executor)
worker.on("ready", lambda worker: worker.sid)
worker.on("disconnected", lambda reason: reason.code)


@worker.on("ready")
def ready(worker: Worker) -> int:
    return 1


@worker.on("connected")
def connected() -> None: ...


@worker.on("token_will_expire")
def will_expire(seconds: float) -> None: ...


@worker.on("reservation_created")
def created(reservation: Reservation) -> str:
    return reservation.sid


@worker.on("reservation_created", executor=executor)
def created_elsewhere(reservation: Reservation) -> str:
    return reservation.sid


@worker.on("reservation_created", executor=executor, existing=True)
def created_in_another_process(handle: ReservationHandle) -> str:
    return str(handle.snapshot["status"])


def on_snapshot(snapshot: dict[str, Any]) -> None: ...


assert_type(created_elsewhere, Callable[[Reservation], str])
assert_type(created_in_another_process, Callable[[ReservationHandle], str])
assert_type(
    worker.once("reservation_created", created_in_another_process, executor=executor),
    Callable[[ReservationHandle], str],
)
worker.on("ready", on_snapshot, executor=executor)


@worker.on("reservation_failed")
def failed(payload: dict[str, Any]) -> None: ...


@worker.on("disconnected")
def disconnected(reason: DisconnectReason) -> None: ...


@worker.on("error")
def error(error: TaskRouterError) -> None: ...


@worker.once("ready")
def ready_once(worker: Worker) -> int:
    return 1


@worker.once("connected")
def connected_once() -> None: ...


@worker.once("reconnecting")
def reconnecting_once(seconds: float) -> None: ...


@worker.once("reservationCreated")
def created_once(reservation: Reservation) -> str:
    return reservation.sid


@worker.once("reservation_failed")
def failed_once(payload: dict[str, Any]) -> None: ...


@worker.once("disconnected")
def disconnected_once(reason: DisconnectReason) -> None: ...


@worker.once("error")
def error_once(error: TaskRouterError) -> None: ...


assert_type(ready, Callable[[Worker], int])
assert_type(connected, Callable[[], None])
assert_type(created, Callable[[Reservation], str])
assert_type(created_once, Callable[[Reservation], str])
worker.off("ready", ready)
worker.off("ready")
worker.off()
assert_type(worker.listeners(), dict[str, tuple[Callable[..., object], ...]])
assert_type(worker.wait_for("reservation_created", timeout=1), tuple[Reservation])
assert_type(worker.wait_for("disconnected", predicate=lambda reason: reason.code), tuple[DisconnectReason])
assert_type(worker.wait_for("ready"), tuple[Worker])
assert_type(worker.wait_for("connected"), tuple[()])
assert_type(worker.wait_for("reconnecting", 1.0, lambda seconds: seconds > 1), tuple[float])
assert_type(worker.wait_for("error"), tuple[TaskRouterError])
assert_type(worker.wait_for("reservation_failed"), tuple[Any])
assert_type(worker.stream("reservation_created"), Iterator[Reservation])
assert_type(worker.stream("activityUpdated", timeout=1), Iterator[Worker])
assert_type(worker.stream("disconnected"), Iterator[DisconnectReason])
assert_type(worker.stream("error"), Iterator[TaskRouterError])
assert_type(worker.stream("token_will_expire"), Iterator[float])
assert_type(worker.stream("reservation_created", "error", timeout=1), Iterator[tuple[Any, ...]])
assert_type(worker.on("reservation_created", on_reservation, existing=True), Callable[[Reservation], str])
assert_type(worker.once("reservationCreated", on_reservation, existing=True), Callable[[Reservation], str])


@worker.on("reservation_created", existing=True)
def created_or_open(reservation: Reservation) -> str:
    return reservation.sid


assert_type(created_or_open, Callable[[Reservation], str])


def listen(event: WorkerEvent, callback: Callable[..., None]) -> None:
    worker.on(event, callback)
    worker.off(event, callback)


def listen_to_all(
    events: tuple[ReservationEvent, TaskEvent, TransferEvent, ChannelEvent],
    things: tuple[Reservation, Task, OutgoingTransfer, Channel],
) -> None:
    things[0].on(events[0], on_anything)
    things[1].on(events[1], on_anything)
    things[2].on(events[2], on_anything)
    things[3].on(events[3], on_anything)


# -- serving and stopping ------------------------------------------------------------------------------------------


@worker.serve
def ship(reservation: Reservation) -> str:
    return reservation.sid


@worker.serve(concurrency=2, existing=False, on_error="leave")
def decide(reservation: Reservation) -> Complete | Reject | WrapUp | Transfer | str | None:
    if reservation.status == "wrapping":
        return Transfer("WQ", mode="WARM", priority=1, attributes={"a": 1})
    return Reject(activity=worker.activity)


assert_type(ship(worker.reservations["WR"]), str)
assert_type(worker.serve(ship, concurrency=3)(worker.reservations["WR"]), str)
assert_type(worker.serve(ship, executor=executor)(worker.reservations["WR"]), str)


@worker.serve(executor=executor)
def ship_in_another_process(handle: ReservationHandle) -> str:
    return handle.task_sid


assert_type(ship_in_another_process(worker.reservations["WR"].handle()), str)
assert_type(worker.drain(), bool)
assert_type(worker.drain(1.5, activity="Offline"), bool)
assert_type(worker.stopping, threading.Event)
worker.run_forever(grace=30, drain_activity="Offline", health_port=8080)
Worker(token_provider=new_token, connect_activity="Available", return_to_activity=worker.activity)

# -- attributes and calls of a Worker ------------------------------------------------------------------------------

assert_type(worker.account_sid, str)
assert_type(worker.activity_name, str)
assert_type(worker.attributes, Mapping[str, Any])
assert_type(worker.available, bool)
assert_type(worker.date_created, datetime | None)
assert_type(worker.date_activity_changed, datetime | None)
assert_type(worker.name, str)
assert_type(worker.version, str)
assert_type(worker.activity, Activity)
assert_type(worker.activities["WA"], Activity)
assert_type(worker.activities.get("WA"), Activity | None)
assert_type(worker.activities.by_name("Available"), Activity)
assert_type(worker.channels.by_name("voice"), Channel)
assert_type(worker.reservations["WR"], Reservation)
assert_type(worker.to_dict(), dict[str, Any])
assert_type(worker.reservations, Directory[Reservation])
assert_type(worker.channels, Named[Channel])
assert_type(list(worker.reservations.values()), list[Reservation])
for sid, activity in worker.activities.items():
    assert_type((sid, activity), tuple[str, Activity])
reservations: Mapping[str, Reservation] = worker.reservations
for sid in worker.reservations:
    assert_type(sid, str)
assert_type(
    worker.create_task(
        "+1",
        "+2",
        "WW",
        "WQ",
        attributes={"a": 1},
        task_channel_unique_name="voice",
        task_channel_sid="TC",
        virtual_start_time=datetime.now(timezone.utc),
    ),
    Future[str],
)
assert_type(worker.create_task(to="+1", from_="+2", workflow_sid="WW", task_queue_sid="WQ").result(), str)
assert_type(worker.set_attributes({"a": 1}), Future[Worker])
assert_type(worker.set_activity("Available", reject_pending_reservations=True), Future[Activity])
assert_type(worker.fetch_latest_version(), Future[Worker])

# -- Activity and Channel ------------------------------------------------------------------------------------------


def activities(activity: Activity, channel: Channel) -> None:
    assert_type(activity.set_as_current(), Future[Activity])
    assert_type(activity.set_as_current(reject_pending_reservations=True), Future[Activity])
    assert_type(activity.is_current, bool)
    assert_type(activity.name, str)
    assert_type(channel.capacity, int)
    assert_type(channel.available, bool)
    assert_type(channel.last_reserved_time, datetime | None)

    def on_channel(channel: Channel) -> int:
        return channel.capacity

    assert_type(channel.on("capacity_updated", on_channel), Callable[[Channel], int])
    assert_type(channel.on("availabilityUpdated", on_channel), Callable[[Channel], int])
    assert_type(channel.once("availability_updated", on_channel, executor=executor), Callable[[Channel], int])

    @channel.on("capacityUpdated")
    def capacity(channel: Channel) -> int:
        return channel.capacity

    @channel.once("availability_updated")
    def availability(channel: Channel) -> int:
        return channel.capacity

    assert_type(capacity, Callable[[Channel], int])
    assert_type(availability, Callable[[Channel], int])


# -- Reservation ---------------------------------------------------------------------------------------------------


def reservation(reservation: Reservation) -> None:
    assert_type(reservation.accept(), Future[Reservation])
    assert_type(reservation.accept().result(), Reservation)
    assert_type(reservation.reject(), Future[Reservation])
    assert_type(reservation.reject(activity_sid="WA"), Future[Reservation])
    assert_type(reservation.complete(), Future[Reservation])
    assert_type(reservation.wrap(), Future[Reservation])
    assert_type(reservation.call("+1", "https://", accept=True, timeout=5, to="+2"), Future[Reservation])
    assert_type(reservation.dequeue(from_="+1", timeout=5), Future[Reservation])
    assert_type(reservation.redirect("CA", "https://", accept=True), Future[Reservation])
    assert_type(reservation.conference(), Future[Reservation])
    assert_type(reservation.conference(from_="+1", beep="onEnter", muted=True), Future[Reservation])
    assert_type(reservation.conference(beep=False, conference_record=True), Future[Reservation])
    assert_type(reservation.update_participant(mute=True), Future[Reservation])
    assert_type(reservation.fetch_latest_version(), Future[Reservation])
    assert_type(reservation.task, Task)
    assert_type(reservation.transfer, IncomingTransfer | None)
    assert_type(reservation.status, str)
    assert_type(reservation.timeout, int)
    assert_type(reservation.canceled_reason_code, int | None)
    assert_type(reservation.wait_for("accepted", 1.0), tuple[Reservation])
    assert_type(reservation.wait_for("accepted", predicate=lambda each: each.sid), tuple[Reservation])
    for accepted in reservation.stream("accepted"):
        assert_type(accepted, Reservation)
    for name, ended in reservation.stream("completed", "canceled", timeout=1):
        assert_type(name, str)
        assert_type(ended, Reservation)
    reservation.once("accepted", lambda accepted: accepted.task.sid)

    assert_type(reservation.on("accepted", on_reservation), Callable[[Reservation], str])
    assert_type(reservation.on("rejected", on_reservation), Callable[[Reservation], str])
    assert_type(reservation.on("timeout", on_reservation), Callable[[Reservation], str])
    assert_type(reservation.on("canceled", on_reservation), Callable[[Reservation], str])
    assert_type(reservation.on("rescinded", on_reservation), Callable[[Reservation], str])
    assert_type(reservation.on("completed", on_reservation), Callable[[Reservation], str])
    assert_type(reservation.on("wrapup", on_reservation, executor=executor), Callable[[Reservation], str])
    assert_type(reservation.once("accepted", on_reservation), Callable[[Reservation], str])

    @reservation.on("accepted")
    def taken(reservation: Reservation) -> str:
        return reservation.sid

    @reservation.once("canceled", executor=executor)
    def gone(reservation: Reservation) -> None: ...

    assert_type(taken, Callable[[Reservation], str])
    assert_type(gone, Callable[[Reservation], None])


# -- Task and its transfers ----------------------------------------------------------------------------------------


def task(task: Task) -> None:
    assert_type(task.complete("done"), Future[Task])
    assert_type(task.wrap_up(), Future[Task])
    assert_type(task.wrap_up(reason="done"), Future[Task])
    assert_type(task.set_attributes({"a": [1]}), Future[Task])
    assert_type(task.set_virtual_start_time(datetime.now(timezone.utc)), Future[Task])
    assert_type(task.transfer("WK", mode="COLD", priority=0, attributes={}), Future[Task])
    assert_type(task.update_participant(hold=True, hold_url="https://", hold_method="GET"), Future[Task])
    assert_type(task.hold("WK", True, hold_url="https://"), Future[Task])
    assert_type(task.kick("WK"), Future[Task])
    assert_type(task.fetch_latest_version(), Future[Task])
    assert_type(task.age, int)
    assert_type(task.attributes, Mapping[str, Any])
    assert_type(task.add_ons, Mapping[str, Any])
    assert_type(task.queue_name, str | None)
    assert_type(task.virtual_start_time, datetime | None)
    assert_type(task.transfers, Transfers)
    assert_type(task.transfers.incoming, IncomingTransfer | None)
    assert_type(task.transfers.outgoing, OutgoingTransfer | None)

    def on_task(task: Task) -> int:
        return task.age

    def on_transfer(transfer: OutgoingTransfer) -> str:
        return transfer.sid

    assert_type(task.on("updated", on_task), Callable[[Task], int])
    assert_type(task.on("canceled", on_task), Callable[[Task], int])
    assert_type(task.on("completed", on_task), Callable[[Task], int])
    assert_type(task.on("wrapup", on_task, executor=executor), Callable[[Task], int])
    assert_type(task.once("updated", on_task), Callable[[Task], int])
    assert_type(task.on("transfer_initiated", on_transfer), Callable[[OutgoingTransfer], str])
    assert_type(task.on("transferInitiated", on_transfer), Callable[[OutgoingTransfer], str])
    assert_type(task.on("transfer_attempt_failed", on_transfer), Callable[[OutgoingTransfer], str])
    assert_type(task.on("transferAttemptFailed", on_transfer), Callable[[OutgoingTransfer], str])
    assert_type(task.on("transfer_completed", on_transfer), Callable[[OutgoingTransfer], str])
    assert_type(task.on("transferCompleted", on_transfer), Callable[[OutgoingTransfer], str])
    assert_type(task.on("transfer_failed", on_transfer), Callable[[OutgoingTransfer], str])
    assert_type(task.on("transferFailed", on_transfer), Callable[[OutgoingTransfer], str])
    assert_type(task.on("transfer_canceled", on_transfer), Callable[[OutgoingTransfer], str])
    assert_type(task.on("transferCanceled", on_transfer), Callable[[OutgoingTransfer], str])
    assert_type(task.once("transfer_failed", on_transfer), Callable[[OutgoingTransfer], str])

    @task.on("updated")
    def updated(task: Task) -> int:
        return task.age

    @task.once("completed")
    def completed(task: Task) -> int:
        return task.age

    @task.on("transfer_completed")
    def handed_over(transfer: OutgoingTransfer) -> str:
        return transfer.sid

    @task.once("transfer_initiated", executor=executor)
    def begun(transfer: OutgoingTransfer) -> str:
        return transfer.sid

    assert_type(updated, Callable[[Task], int])
    assert_type(completed, Callable[[Task], int])
    assert_type(handed_over, Callable[[OutgoingTransfer], str])
    assert_type(begun, Callable[[OutgoingTransfer], str])


def transfers(incoming: IncomingTransfer, outgoing: OutgoingTransfer) -> None:
    assert_type(incoming.mode, str)
    assert_type(incoming.transfer_failed_reason, str | None)
    assert_type(outgoing.cancel(), Future[OutgoingTransfer])
    assert_type(outgoing.task_sid, str)
    assert_type(outgoing.date_updated, datetime | None)

    def on_transfer(transfer: OutgoingTransfer) -> str:
        return transfer.sid

    assert_type(outgoing.on("attempt_failed", on_transfer), Callable[[OutgoingTransfer], str])
    assert_type(outgoing.on("attemptFailed", on_transfer), Callable[[OutgoingTransfer], str])
    assert_type(outgoing.on("completed", on_transfer), Callable[[OutgoingTransfer], str])
    assert_type(outgoing.on("failed", on_transfer), Callable[[OutgoingTransfer], str])
    assert_type(outgoing.on("canceled", on_transfer, executor=executor), Callable[[OutgoingTransfer], str])
    assert_type(outgoing.once("completed", on_transfer), Callable[[OutgoingTransfer], str])

    @outgoing.on("failed")
    def failed(transfer: OutgoingTransfer) -> str:
        return transfer.sid

    @outgoing.once("completed")
    def completed(transfer: OutgoingTransfer) -> str:
        return transfer.sid

    assert_type(failed, Callable[[OutgoingTransfer], str])
    assert_type(completed, Callable[[OutgoingTransfer], str])


# -- Supervisor and Workspace --------------------------------------------------------------------------------------

supervisor = Supervisor(token, connect_activity_sid="WA")
assert_type(supervisor.connect(), Supervisor)
assert_type(supervisor.start(), Future[Supervisor])
assert_type(supervisor.monitor("WT", "WR"), Future[None])
assert_type(supervisor.whisper("WT", "WR", {"a": 1}), Future[None])
assert_type(supervisor.barge("WT", "WR", extra_params=None), Future[None])
assert_type(supervisor.set_worker_attributes("WK", {"a": 1}), Future[WorkerInfo])
assert_type(supervisor.set_worker_activity("WK", "WA", reject_pending_reservations=False), Future[WorkerInfo])
supervisor.on("ready", on_worker)

workspace = Workspace(token, "WS", page_size=50, request_timeout=5.0)
assert_type(workspace.workspace_sid, str)
assert_type(workspace.role, str | None)
assert_type(workspace.fetch_worker_info("WK"), Future[WorkerInfo])
assert_type(workspace.fetch_workers_info(ordering="DateStatusChanged:asc"), Future[Named[WorkerInfo]])
assert_type(workspace.fetch_workers_info(max_workers=5).result()["WK"].name, str)
assert_type(workspace.fetch_task_queue("WQ"), Future[TaskQueue])
assert_type(workspace.fetch_task_queues(worker_sid="WK"), Future[Named[TaskQueue]])
assert_type(workspace.fetch_task("WT"), Future[TaskInfo])
assert_type(workspace.fetch_worker("WK"), Future[WorkerInfo])
assert_type(workspace.fetch_workers(friendly_name="Alice"), Future[Named[WorkerInfo]])

# -- the local TaskRouter ------------------------------------------------------------------------------------------

with LocalTaskRouter(port=0, seed=1) as router:
    assert_type(router, LocalTaskRouter)
    assert_type(router.add_worker("Alice", attributes={"a": 1}, activity="Available"), str)
    assert_type(router.create_task({"a": 1}, priority=1), str)
    assert_type(router.activities, Mapping[str, str])
    assert_type(router.clock, Clock)
    assert_type(router.token("WK"), str)
    Worker(router.token("WK"), **router.connection)
    Supervisor(router.token("WK", role="supervisor"), region="ie1", **router.connection)
    Workspace(router.token("", role="admin"), **router.connection)

# -- watching, and calls without a connection ------------------------------------------------------------------------

assert_type(worker.health(), Health)
assert_type(worker.health().last_frame, float | None)
assert_type(worker.history[0].outcome, str | None)
Worker(token, observer=Observer(), single=Single("/run/lock"))
Worker(token, single="/run/lock")
client = WorkerClient(token, worker_sid="WK", workspace_sid="WS")
assert_type(worker.client(), WorkerClient)
assert_type(client.set_activity(worker.activity), Future[WorkerInfo])
assert_type(client.accept("WR"), Future[ReservationInfo])
handle = worker.reservations["WR"].handle()
assert_type(handle, ReservationHandle)
assert_type(handle.complete("done"), Future[TaskInfo])
assert_type(handle.transfer("WQ", mode="COLD"), Future[str])

try:
    worker.connect()
except RequestRejectedError as refused:
    assert_type(refused.status, int | None)
