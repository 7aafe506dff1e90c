"""An engine with a clock in hand, for tests: short names for what tests do all the time."""

from __future__ import annotations

import json
from typing import Any

from twilio_taskrouter_worker.local.engine import (
    Engine,
    Event,
    JournalEntry,
    Outcome,
    Rejected,
    Rules,
    commands,
    model,
)
from twilio_taskrouter_worker.local.engine.events import ReservationEvent, TaskEvent, TransferEvent

ACCOUNT = "AC" + "0" * 31 + "1"


class EngineDriver:
    """One engine and one workspace; time stands still unless it is told to move."""

    def __init__(self, *, template: str = "FIFO", multi_task: bool = True, rules: Rules | None = None) -> None:
        self.journal: list[JournalEntry] = []
        self.rules = rules or Rules()
        self.engine = Engine(account_sid=ACCOUNT, seed=7, rules=self.rules, record=self.journal.append)
        self.now = 1_000_000.0
        self.events: list[Event] = []
        self.ws = ""
        workspace = self.do("CreateWorkspace", friendly_name="Desk", template=template, multi_task_enabled=multi_task)
        self.ws = workspace.sid

    def apply(self, command: commands.Command) -> Outcome:
        """Apply a command at the present time and keep its events."""
        try:
            outcome = self.engine.apply(command, self.now)
        except Rejected as refusal:
            self.events.extend(refusal.events)
            raise
        self.events.extend(outcome.events)
        return outcome

    def do(self, name: str, **fields: Any) -> Any:
        """Apply the command of that name in this workspace and return its result; earlier events are forgotten."""
        self.events.clear()
        cls = getattr(commands, name)
        if self.ws and "workspace_sid" in {a.name for a in cls.__attrs_attrs__}:
            fields.setdefault("workspace_sid", self.ws)
        return self.apply(cls(**fields)).result

    def refused(self, name: str, **fields: Any) -> Rejected:
        """Apply a command that must be refused, and must change nothing."""
        self.apply(commands.AdvanceTime())
        before = self.engine.state()
        try:
            self.do(name, **fields)
        except Rejected as refusal:
            assert self.engine.state() == before
            return refusal
        raise AssertionError(f"{name} was not refused")

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.events.clear()
        self.now += seconds
        self.apply(commands.AdvanceTime())

    # -- making things ---------------------------------------------------------------------------------------

    def activity(self, name: str) -> str:
        """Return the sid of an activity by name."""
        return next(a.sid for a in self.engine.activities(self.ws) if a.friendly_name == name)

    def worker(self, name: str, activity: str = "Available", capacity: int = 1, **attributes: Any) -> str:
        """Make a worker and return its sid."""
        worker = self.do(
            "CreateWorker",
            friendly_name=name,
            activity_sid=self.activity(activity),
            attributes=json.dumps(attributes),
        )
        if capacity != 1:
            self.do("UpdateWorkerChannel", worker_sid=worker.sid, channel="default", capacity=capacity)
        return str(worker.sid)

    def queue(self, name: str, target_workers: str = "1==1", **fields: Any) -> str:
        """Make a queue and return its sid."""
        return str(self.do("CreateTaskQueue", friendly_name=name, target_workers=target_workers, **fields).sid)

    def workflow(self, *filters: dict[str, Any], default: dict[str, Any] | None = None, **fields: Any) -> str:
        """Make a workflow and return its sid."""
        routing: dict[str, Any] = {"filters": list(filters)}
        if default is not None:
            routing["default_filter"] = default
        fields.setdefault("friendly_name", f"Workflow {len(self.engine.workflows(self.ws))}")
        return str(self.do("CreateWorkflow", configuration=json.dumps({"task_routing": routing}), **fields).sid)

    def task(self, attributes: dict[str, Any] | None = None, **fields: Any) -> str:
        """Make a task and return its sid."""
        return str(self.do("CreateTask", attributes=json.dumps(attributes or {}), **fields).sid)

    # -- doing things ----------------------------------------------------------------------------------------

    def set_activity(self, worker: str, name: str, **fields: Any) -> model.Worker:
        """Move a worker to an activity by name."""
        result: model.Worker = self.do("UpdateWorker", sid=worker, activity_sid=self.activity(name), **fields)
        return result

    def to(self, reservation: str, status: str, **fields: Any) -> model.Reservation:
        """Ask for a status of a reservation."""
        result: model.Reservation = self.do("UpdateReservation", sid=reservation, reservation_status=status, **fields)
        return result

    def accepted(self, worker: str, **fields: Any) -> tuple[str, str]:
        """Make a task that a worker accepts; return task and reservation."""
        task = self.task(**fields)
        reservation = self.pending(worker)[-1]
        self.to(reservation, "accepted")
        return task, reservation

    def transfer(self, reservation: str, to: str, mode: str = "WARM", **fields: Any) -> model.Transfer:
        """Hand over the task of a reservation."""
        record = self.reservation(reservation)
        result: model.Transfer = self.do(
            "CreateTransfer",
            worker_sid=record.worker_sid,
            reservation_sid=record.sid,
            task_sid=record.task_sid,
            to=to,
            mode=mode,
            **fields,
        )
        return result

    # -- looking ---------------------------------------------------------------------------------------------

    def pending(self, worker: str) -> list[str]:
        """Return the sids of a worker's pending reservations."""
        return [each.sid for each in self.open(worker) if each.reservation_status == "pending"]

    def open(self, worker: str) -> list[model.Reservation]:
        """Return a worker's reservations that have not ended."""
        return [each for each in self.engine.reservations(self.ws, worker_sid=worker) if each.open]

    def status(self, task: str) -> str:
        """Return the status of a task."""
        return self.engine.task(self.ws, task).assignment_status

    def get(self, task: str) -> model.Task:
        """Return a task."""
        return self.engine.task(self.ws, task)

    def reservation(self, sid: str) -> model.Reservation:
        """Return a reservation."""
        return self.engine.reservation(self.ws, sid)

    def worker_record(self, sid: str) -> model.Worker:
        """Return a worker."""
        return self.engine.worker(self.ws, sid)

    def types(self, worker: str | None = None) -> list[str]:
        """Return the types of the last events: those that a worker heard, or all."""
        if worker is None:
            return [event.type for event in self.events]
        return [event.type for event in self.events if event.bridge and worker in event.recipients]

    def event(self, type: str, worker: str | None = None) -> Event:
        """Return the only one of the last events that has a type (and that a worker heard)."""
        found = [e for e in self.events if e.type == type and (worker is None or worker in e.recipients)]
        assert len(found) == 1, (type, self.types(worker))
        return found[0]

    def task_event(self, type: str, worker: str | None = None) -> TaskEvent:
        """Return the only one of the last events that has a type, which is about a task."""
        event = self.event(type, worker)
        assert isinstance(event, TaskEvent)
        return event

    def transfer_event(self, type: str, worker: str | None = None) -> TransferEvent:
        """Return the only one of the last events that has a type, which is about a transfer."""
        event = self.event(type, worker)
        assert isinstance(event, TransferEvent)
        return event

    def reservation_event(self, type: str, worker: str | None = None) -> ReservationEvent:
        """Return the only one of the last events that has a type, which is about a reservation."""
        event = self.event(type, worker)
        assert isinstance(event, ReservationEvent)
        return event

    def replayed(self) -> Engine:
        """Return an engine that has applied the journal as it would be read from disk."""
        entries = [JournalEntry.from_json(entry.to_json()) for entry in self.journal]
        return Engine.replay(entries, account_sid=ACCOUNT, seed=7, rules=self.rules)
