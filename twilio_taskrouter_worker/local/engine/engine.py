"""The engine's face: apply a command, ask for the next deadline, read the state."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import attrs

from . import commands as c
from . import snapshots
from .commands import AdvanceTime, Command
from .core import checks
from .core.digest import digest, plain
from .core.kernel import Kernel
from .core.schedule import TimerKind
from .errors import Rejected
from .events import Event
from .handlers import (
    channels,
    instructions,
    queues,
    reservations,
    sessions,
    tasks,
    transfers,
    workers,
    workflows,
    workspaces,
)
from .journal import JournalEntry
from .queries import Queries
from .routing import matching, walk
from .rules import DEFAULT_RULES, Rules
from .transitions import remove_task

_HANDLERS: dict[type[Command], Callable[[Kernel, Any], Any]] = {
    c.CreateWorkspace: workspaces.create,
    c.UpdateWorkspace: workspaces.update,
    c.DeleteWorkspace: workspaces.delete,
    c.CreateActivity: workspaces.create_activity,
    c.UpdateActivity: workspaces.update_activity,
    c.DeleteActivity: workspaces.delete_activity,
    c.CreateWorker: workers.create,
    c.UpdateWorker: workers.update,
    c.DeleteWorker: workers.delete,
    c.UpdateWorkerChannel: channels.update_worker_channel,
    c.CreateTaskChannel: channels.create,
    c.UpdateTaskChannel: channels.update,
    c.DeleteTaskChannel: channels.delete,
    c.CreateTaskQueue: queues.create,
    c.UpdateTaskQueue: queues.update,
    c.DeleteTaskQueue: queues.delete,
    c.CreateWorkflow: workflows.create,
    c.UpdateWorkflow: workflows.update,
    c.DeleteWorkflow: workflows.delete,
    c.CreateTask: tasks.create,
    c.UpdateTask: tasks.update,
    c.DeleteTask: tasks.delete,
    c.UpdateReservation: reservations.update,
    c.InstructReservation: instructions.instruct,
    c.CancelReservation: reservations.cancel,
    c.ResolveInstruction: instructions.resolve,
    c.CreateTransfer: transfers.create,
    c.CancelTransfer: transfers.cancel,
    c.UpdateCustomerParticipant: instructions.update_customer,
    c.UpdateWorkerParticipant: instructions.update_worker,
    c.HoldWorkerParticipant: instructions.hold_worker,
    c.KickWorkerParticipant: instructions.kick_worker,
    c.SessionOpened: sessions.opened,
    c.SessionClosed: sessions.closed,
}

_TIMERS: dict[TimerKind, Callable[..., None]] = {
    TimerKind.RESERVATION_TIMEOUT: reservations.timed_out,
    TimerKind.TASK_TIMEOUT: tasks.time_out,
    TimerKind.STEP_TIMEOUT: walk.step_timeout,
    TimerKind.TARGET_CHANGE: walk.target_changed,
    TimerKind.RESERVATION_SLA: tasks.miss_target,
    TimerKind.ASSIGNED_LIMIT: tasks.stay_too_long,
    TimerKind.PURGE: remove_task,
    TimerKind.VOICE_ANSWER: instructions.answered,
    TimerKind.WORKER_OFFLINE: sessions.go_offline,
}


@attrs.frozen(slots=False)
class Outcome:
    """What a command has done."""

    result: Any
    """The record the command's docstring names; None for deletions and AdvanceTime."""
    events: tuple[Event, ...]
    """What happened, in order, that of timers that were due before the command first."""
    warnings: tuple[str, ...] = ()
    """What the command says and was ignored, such as a character of an expression that belongs to nothing."""


class Engine(Queries):
    """A TaskRouter account: workspaces and everything in them.

    Not safe for use from several threads at a time; it belongs to whoever holds it.

    Args:
        account_sid: the account everything belongs to.
        seed: start of the random numbers that sids are made of.
        rules: the switches; replaying needs the same ones.
        record: called with each journal entry once the command was applied and before ``apply`` returns. A refused
            command is not recorded; timers that ran before it are, as AdvanceTime. May be set later, as ``record``.
    """

    def __init__(
        self,
        *,
        account_sid: str,
        seed: int = 0,
        rules: Rules = DEFAULT_RULES,
        record: Callable[[JournalEntry], None] | None = None,
    ) -> None:
        self.account_sid = account_sid
        self.seed = seed
        self.rules = rules
        self.record = record
        self._kernel = Kernel(account_sid, seed, rules)

    @classmethod
    def replay(
        cls, entries: Iterable[JournalEntry], *, account_sid: str, seed: int = 0, rules: Rules = DEFAULT_RULES
    ) -> Engine:
        """Return a new engine that has applied a journal, without recording it again.

        Raises:
            Rejected: an entry is refused, so the journal, the seed or the rules are not those it was written with.
        """
        engine = cls(account_sid=account_sid, seed=seed, rules=rules)
        for entry in entries:
            engine.apply(entry.command, entry.now)
        return engine

    def snapshot(self) -> str:
        """Return the whole state as a text from which :meth:`restore` makes the same engine again."""
        return snapshots.write(self._kernel, self.seed)

    @classmethod
    def restore(cls, snapshot: str) -> Engine:
        """Return a new engine that is where another one was when it wrote a snapshot; nothing is recorded.

        Raises:
            ValueError: the text is not a snapshot, or one of another version of the engine.
        """
        kernel, seed = snapshots.read(snapshot)
        engine = cls(account_sid=kernel.account_sid, seed=seed, rules=kernel.rules)
        engine._kernel = kernel
        return engine

    @property
    def now(self) -> float:
        """The latest time the engine was given (unix seconds)."""
        return self._kernel.now

    @property
    def sequence(self) -> int:
        """The number of the latest event; 0 before the first one."""
        return self._kernel.event_count

    def apply(self, command: Command, now: float) -> Outcome:
        """Run the timers due until ``now`` (unix seconds), then the command.

        A ``now`` before that of an earlier call counts as that earlier one.

        Raises:
            Rejected: the command cannot be done and has changed nothing. Timers that were due have run all the same;
                their events are in the exception's ``events``.
            TypeError: this is no command.
        """
        kernel = self._kernel
        now = max(now, kernel.now)
        handler = _HANDLERS.get(type(command))
        if handler is None and not isinstance(command, AdvanceTime):
            raise TypeError(f"Not a command of the engine: {type(command).__name__}.")
        ran = self._run_timers(now)
        kernel.now = now
        kernel.warnings.clear()
        result = None
        if handler is not None:
            try:
                checks.types(command)
                result = handler(kernel, command)
            except Rejected as refusal:
                refusal.events = self._take_events()
                if ran:
                    self._note(AdvanceTime(), now)
                raise
            matching.settle(kernel)
            # What the command has made due at once, such as a voice instruction without delay, is not left for later.
            self._run_timers(now)
        if ran or handler is not None:
            self._note(command, now)
        warnings = tuple(kernel.warnings)
        return Outcome(result, self._take_events(), warnings)

    def _run_timers(self, now: float) -> bool:
        """Let each timer due until now do its work at its own time; return whether there was any."""
        kernel = self._kernel
        ran = False
        while (timer := kernel.schedule.pop_due(now)) is not None:
            ran = True
            kernel.now = max(kernel.now, timer.due)
            _TIMERS[timer.kind](kernel, *timer.args)
            matching.settle(kernel)
        return ran

    def _take_events(self) -> tuple[Event, ...]:
        events = tuple(self._kernel.events)
        self._kernel.events.clear()
        return events

    def _note(self, command: Command, now: float) -> None:
        if self.record is not None:
            self.record(JournalEntry(now, command))

    def next_deadline(self) -> float | None:
        """Return when the next timer is due (unix seconds), or None; it may be now or past."""
        return self._kernel.schedule.next_due()

    def state(self) -> dict[str, Any]:
        """Return the whole state as plain data; it is large, and meant for comparing and looking."""
        return plain(self._kernel)

    def state_digest(self) -> str:
        """Return a short text that is the same for two engines if, and only if, their states are the same."""
        return digest(self._kernel)
