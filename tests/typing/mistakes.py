"""What a user's type checker must complain about. Checked by mypy, never run.

A line that is no longer an error has an ignore comment that is not needed, and that is an error.
"""

from __future__ import annotations

from typing import Any

from twilio_taskrouter_worker import (
    Channel,
    OutgoingTransfer,
    Reservation,
    ReservationHandle,
    Supervisor,
    Task,
    Worker,
    Workspace,
)


def on_worker(worker: Worker) -> None: ...


def on_task(task: Task) -> None: ...


def on_text(text: str) -> None: ...


def on_nothing() -> None: ...


def on_handle(handle: ReservationHandle) -> None: ...


def on_two(task: Task, payload: dict[str, Any]) -> None: ...


# -- constructors --------------------------------------------------------------------------------------------------

Worker(1)  # type: ignore[arg-type]
Worker("token", regoin="ie1")  # type: ignore[call-arg]
Worker("token", "WA")  # type: ignore[call-arg]
Worker("token", close_existing_sessions="yes")  # type: ignore[arg-type]
Worker("token", token_provider="token")  # type: ignore[arg-type]
Worker("token", log_level="loud")  # type: ignore[arg-type]
Worker("token", observer=print)  # type: ignore[arg-type]
Worker("token", single=5)  # type: ignore[arg-type]
Workspace("token", regoin="ie1")  # type: ignore[call-arg]
Worker("token", request_timeout="15")  # type: ignore[arg-type]
Workspace("token", page_size="all")  # type: ignore[arg-type]

# -- events --------------------------------------------------------------------------------------------------------


def worker_events(worker: Worker) -> None:
    worker.on("reservation_create", on_worker)  # type: ignore[call-overload]
    worker.on("Ready", on_worker)  # type: ignore[call-overload]
    worker.on("accepted", on_worker)  # type: ignore[call-overload]
    worker.on("ready", on_text)  # type: ignore[call-overload]
    worker.on("ready", on_nothing)  # type: ignore[call-overload]
    worker.on("connected", on_worker)  # type: ignore[call-overload]
    worker.on("reservation_created", on_worker)  # type: ignore[call-overload]
    worker.on("reconnecting", on_text)  # type: ignore[call-overload]
    worker.on("disconnected", on_text)  # type: ignore[call-overload]
    worker.on("error", on_text)  # type: ignore[call-overload]
    worker.on("ready", on_worker, executor=4)  # type: ignore[call-overload]
    worker.on("ready", on_worker, True)  # type: ignore[call-overload]
    worker.once("reservation_create", on_worker)  # type: ignore[call-overload]
    worker.once("reservation_created", on_worker)  # type: ignore[call-overload]
    worker.once("token_expired", on_worker)  # type: ignore[call-overload]
    worker.on("ready", on_worker, existing=True)  # type: ignore[call-overload]
    worker.wait_for("ready", timeout="1")  # type: ignore[call-overload]
    worker.wait_for(1)  # type: ignore[call-overload]
    worker.wait_for("accepted")  # type: ignore[call-overload]
    worker.wait_for("ready", predicate=on_text)  # type: ignore[call-overload]
    worker.stream("ready", timeout="1")  # type: ignore[call-overload]
    worker.stream("reservation_create")  # type: ignore[call-overload]
    worker.stream()  # type: ignore[call-overload]

    @worker.on("reservation_created")  # type: ignore[arg-type]
    def offered(task: Task) -> None: ...

    @worker.once("token_expired")  # type: ignore[arg-type]
    def expired(worker: Worker) -> None: ...


def serving(worker: Worker) -> None:
    worker.serve(on_worker)  # type: ignore[type-var]
    worker.serve(on_nothing)  # type: ignore[type-var]
    worker.serve(concurrency="2")  # type: ignore[call-overload]
    worker.serve(on_handle)  # type: ignore[type-var]
    worker.on("reservation_created", on_handle)  # type: ignore[call-overload]
    worker.serve(on_error="retry")  # type: ignore[call-overload]
    worker.drain("1")  # type: ignore[arg-type]
    worker.run_forever(10)  # type: ignore[call-arg]

    @worker.serve  # type: ignore[type-var]
    def count(reservation: Reservation) -> int:
        return 1


def other_events(reservation: Reservation, task: Task, channel: Channel, transfer: OutgoingTransfer) -> None:
    reservation.on("accept", on_worker)  # type: ignore[call-overload]
    reservation.on("accepted", on_task)  # type: ignore[call-overload]
    reservation.once("timedout", on_worker)  # type: ignore[call-overload]
    reservation.once("accepted", lambda accepted: accepted.sidd)  # type: ignore[call-overload]
    reservation.wait_for("ready")  # type: ignore[arg-type]
    reservation.stream("ready")  # type: ignore[call-overload]
    task.on("updated", on_two)  # type: ignore[call-overload]
    task.on("accepted", on_task)  # type: ignore[call-overload]
    task.on("transfer_completed", on_task)  # type: ignore[call-overload]
    task.once("transfer_initiated", on_task)  # type: ignore[call-overload]
    channel.on("updated", on_worker)  # type: ignore[call-overload]
    channel.on("capacity_updated", on_task)  # type: ignore[call-overload]
    transfer.on("transfer_completed", on_worker)  # type: ignore[call-overload]
    transfer.once("completed", on_task)  # type: ignore[call-overload]

    @task.on("updated")  # type: ignore[arg-type]
    def updated(reservation: Reservation) -> None: ...


# -- calls ---------------------------------------------------------------------------------------------------------


def worker_calls(worker: Worker) -> None:
    worker.create_task("+1", "+2", "WW")  # type: ignore[call-arg]
    worker.create_task("+1", "+2", "WW", "WQ", {"a": 1})  # type: ignore[call-arg]
    worker.create_task("+1", "+2", "WW", "WQ", virtual_start_time=1.5)  # type: ignore[arg-type]
    worker.attributes["a"] = 1  # type: ignore[index]
    worker.client().set_activity(5)  # type: ignore[arg-type]
    worker.reservations["WR"].handle().complete(5)  # type: ignore[arg-type]
    worker.set_attributes([1])  # type: ignore[arg-type]
    worker.set_activity("Available", reject_pending_reservation=True)  # type: ignore[call-arg]
    worker.update_token(None)  # type: ignore[arg-type]
    worker.activities["WA"] = worker.activity  # type: ignore[index]
    worker.reservations.by_name("a")  # type: ignore[attr-defined]
    worker.lag = 1.0  # type: ignore[misc]
    result: str = worker.fetch_latest_version().result()  # type: ignore[assignment]
    print(result)


def other_calls(reservation: Reservation, task: Task, supervisor: Supervisor, workspace: Workspace) -> None:
    reservation.reject("WA")  # type: ignore[call-arg]
    reservation.conference(beeep=True)  # type: ignore[call-arg]
    reservation.conference(muted="yes")  # type: ignore[arg-type]
    reservation.call(url="https://")  # type: ignore[call-arg]
    reservation.call("+1", "https://", timeout="60")  # type: ignore[arg-type]
    reservation.status.result()  # type: ignore[attr-defined]
    reservation.accept().status  # type: ignore[attr-defined]  # noqa: B018
    task.complete()  # type: ignore[call-arg]
    task.transfer("WK", "COLD")  # type: ignore[call-arg]
    task.transfer("WK", priority="high")  # type: ignore[arg-type]
    task.hold("WK")  # type: ignore[call-arg]
    task.transfers.outgoing.cancel()  # type: ignore[union-attr]
    supervisor.monitor("WT")  # type: ignore[call-arg]
    supervisor.set_worker_activity("WK", "WA", True)  # type: ignore[call-arg]
    workspace.fetch_workers_info(friendlyName="Alice")  # type: ignore[call-arg]
    workspace.fetch_task("WT").result().complete("done")  # type: ignore[attr-defined]
