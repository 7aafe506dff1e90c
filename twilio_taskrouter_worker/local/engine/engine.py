"""The engine's interface: apply a command, ask for the next deadline, read the state.

The two tables map commands and timers to the functions that carry them out. Every change takes the same way: timers
that are due, the command, the routing that it makes possible, timers that it has made due.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

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

# AdvanceTime is missing here: it has no effect beyond the timers that every command runs first.
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

# Each function takes the kernel, the timer's workspace and owner, and more for voice answers.
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


class Outcome(NamedTuple):
    """The outcome of a command."""

    result: Any
    """The record the command's docstring names; None for deletions and AdvanceTime."""
    events: tuple[Event, ...]
    """The events in their order, including those of timers that were due before the command."""
    warnings: tuple[str, ...] = ()
    """Parts of the command that were ignored, such as a stray character in an expression."""


class Engine(Queries):
    """A TaskRouter account: workspaces and everything in them.

    An engine is not thread-safe: its owner serializes all calls, reads included.

    Args:
        account_sid: The account everything belongs to.
        seed: Start of the random numbers that sids are made of.
        rules: The switches; replaying needs the same ones.
        record: Called with each journal entry once the command was applied and before ``apply`` returns. A refused
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
        # False only in an engine of apply_without_routing.
        self._routes = True

    @classmethod
    def replay(
        cls, entries: Iterable[JournalEntry], *, account_sid: str, seed: int = 0, rules: Rules = DEFAULT_RULES
    ) -> Engine:
        """Return a new engine to which a journal was applied.

        The entries are not recorded again.

        Args:
            entries: The journal from its beginning, in order.
            account_sid: As in the engine that wrote the journal.
            seed: As in that engine; another one makes other sids.
            rules: As in that engine.

        Raises:
            Rejected: An entry is refused: the journal, the seed or the rules are not those it was written with.
        """
        engine = cls(account_sid=account_sid, seed=seed, rules=rules)
        for entry in entries:
            # The engine has no recorder, so nothing is recorded twice.
            engine.apply(entry.command, entry.now)
        return engine

    def snapshot(self) -> str:
        """Return the whole state as text, from which :meth:`restore` makes an equal engine."""
        return snapshots.write(self.capture())

    def capture(self) -> Mapping[str, Any]:
        """Return the whole state as plain data for :meth:`restore`.

        It takes a fraction of the time of :meth:`snapshot` or of the restoring, and does not change when this engine
        goes on, so that both can be done later, on another thread. Its content is private.
        """
        return snapshots.capture(self._kernel, self.seed)

    @classmethod
    def restore(cls, snapshot: str | Mapping[str, Any]) -> Engine:
        """Return a new engine in the state of another one; nothing is recorded.

        Args:
            snapshot: From :meth:`snapshot` or :meth:`capture`. Seed and rules are part of it.

        Raises:
            ValueError: It is not a snapshot, or of another version of the engine.
        """
        kernel, seed = snapshots.read(snapshot)
        engine = cls(account_sid=kernel.account_sid, seed=seed, rules=kernel.rules)
        # In place of the empty one of the constructor.
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
        """Run the timers due until ``now``, then the command.

        Args:
            command: Any command; it is recorded only if it succeeds.
            now: Unix seconds. A time before that of an earlier call counts as that earlier time.

        Returns:
            The result, the events and the warnings.

        Raises:
            Rejected: The command is invalid and has changed nothing. Timers that were due have run; their events are in
                the exception's ``events``.
            TypeError: This is not a command.
        """
        kernel = self._kernel
        # Time never goes backwards, whatever the clock of the caller does.
        now = max(now, kernel.now)
        handler = _HANDLERS.get(type(command))
        # Before any timer runs: a call with something else must leave the engine as it was.
        if handler is None and not isinstance(command, AdvanceTime):
            raise TypeError(f"Not a command of the engine: {type(command).__name__}")
        # Timers first, each at its own due time: the command finds the state that time alone has led to.
        ran = self._run_timers(now)
        kernel.now = now
        # Cleared here and not at the end, since a refused command leaves its warnings behind.
        kernel.warnings.clear()
        result = None
        if handler is not None:
            try:
                checks.types(command)
                result = handler(kernel, command)
            # Any other exception is a defect of the engine: the state may be half changed, so the command is not
            # recorded.
            except Rejected as refusal:
                refusal.events = self._take_events()
                # The timers have changed the state, so a replay must run them at this time too.
                if ran:
                    self._note(AdvanceTime(), now)
                raise
            # Only now that the handler is done: routing must not see half a change.
            self._settle()
            # Timers that the command made due at once, such as a voice instruction without delay, run as part of it.
            self._run_timers(now)
        # AdvanceTime with no timer due changes nothing; recording each one would only make the journal grow.
        if ran or handler is not None:
            # With the time that took effect: a replay sees no clock that went backwards.
            self._note(command, now)
        warnings = tuple(kernel.warnings)
        return Outcome(result, self._take_events(), warnings)

    def apply_without_routing(self, command: Command, now: float) -> None:
        """Apply a command without the routing that it makes possible, to look at the state that the routing finds.

        Afterwards the engine is for reading only.

        Args:
            command: Any command.
            now: Unix seconds.

        Raises:
            Rejected: The command is invalid.
        """
        self._routes = False
        self.record = None
        self.apply(command, now)

    def _settle(self) -> None:
        if self._routes:
            matching.settle(self._kernel)

    def _run_timers(self, now: float) -> bool:
        """Run each timer that is due, at its own time; return whether there was any."""
        kernel = self._kernel
        ran = False
        # Popped one at a time, since a timer may cancel those after it, or add others that are due as well.
        while (timer := kernel.schedule.pop_due(now)) is not None:
            ran = True
            # A timer may be due before the present: a step that is entered late, when timeouts count by the age of
            # the task.
            kernel.now = max(kernel.now, timer.due)
            _TIMERS[timer.kind](kernel, timer.workspace, timer.owner, *timer.more)
            self._settle()
        return ran

    def _take_events(self) -> tuple[Event, ...]:
        # A copy: the list is reused by the next command.
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
        """Return the whole state as plain data, for comparison and debugging; it is large."""
        return plain(self._kernel)

    def state_digest(self) -> str:
        """Return a digest that is equal for two engines if, and only if, their states are equal."""
        return digest(self._kernel)
