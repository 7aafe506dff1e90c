"""The engine's face: apply a command, ask for the next deadline, read the state."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs

from . import model
from .commands import Command, JournalEntry
from .events import Event
from .rules import DEFAULT_RULES, Rules


@attrs.frozen
class Outcome:
    """What a command has done."""

    result: Any
    """The record the command's docstring names; None for deletions and AdvanceTime."""
    events: tuple[Event, ...]
    """What happened, in order, that of timers that were due before the command first."""


class Engine:
    """A TaskRouter account: workspaces and everything in them.

    Not safe for use from several threads at a time; it belongs to whoever holds it.

    Args:
        account_sid: the account everything belongs to.
        seed: start of the random numbers that sids are made of.
        rules: the switches; replaying needs the same ones.
        record: called with each journal entry once the command was applied and before ``apply`` returns. A refused
            command is not recorded; timers that ran before it are, as AdvanceTime.
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

    @classmethod
    def replay(
        cls, entries: Iterable[JournalEntry], *, account_sid: str, seed: int = 0, rules: Rules = DEFAULT_RULES
    ) -> Engine:
        """Return a new engine that has applied a journal, without recording it again."""
        raise NotImplementedError

    def apply(self, command: Command, now: float) -> Outcome:
        """Run the timers due until ``now`` (unix seconds), then the command.

        A ``now`` before that of an earlier call counts as that earlier one.

        Raises:
            Rejected: the command cannot be done and has changed nothing. Timers that were due have run all the same;
                their events are in the exception's ``events``.
        """
        raise NotImplementedError

    def next_deadline(self) -> float | None:
        """Return when the next timer is due (unix seconds), or None."""
        raise NotImplementedError

    def state_digest(self) -> str:
        """Return a text that two engines share if and only if their states are the same."""
        raise NotImplementedError

    # Queries. All lists are in creation order; unknown sids raise Rejected(404). Task channels, and worker channels,
    # may be named by sid or unique name.

    def workspaces(self) -> list[model.Workspace]:
        raise NotImplementedError

    def workspace(self, workspace_sid: str) -> model.Workspace:
        raise NotImplementedError

    def activities(self, workspace_sid: str) -> list[model.Activity]:
        raise NotImplementedError

    def activity(self, workspace_sid: str, sid: str) -> model.Activity:
        raise NotImplementedError

    def workers(self, workspace_sid: str) -> list[model.Worker]:
        raise NotImplementedError

    def worker(self, workspace_sid: str, sid: str) -> model.Worker:
        raise NotImplementedError

    def worker_attributes(self, workspace_sid: str, sid: str) -> Mapping[str, Any]:
        """The worker's attributes, parsed; not to be changed."""
        raise NotImplementedError

    def channels(self, workspace_sid: str, worker_sid: str) -> list[model.WorkerChannel]:
        raise NotImplementedError

    def channel(self, workspace_sid: str, worker_sid: str, channel: str) -> model.WorkerChannel:
        raise NotImplementedError

    def task_channels(self, workspace_sid: str) -> list[model.TaskChannel]:
        raise NotImplementedError

    def task_channel(self, workspace_sid: str, task_channel: str) -> model.TaskChannel:
        raise NotImplementedError

    def queues(self, workspace_sid: str) -> list[model.TaskQueue]:
        raise NotImplementedError

    def queue(self, workspace_sid: str, sid: str) -> model.TaskQueue:
        raise NotImplementedError

    def queue_members(self, workspace_sid: str, queue_sid: str) -> list[model.Worker]:
        """The workers that the queue's TargetWorkers matches."""
        raise NotImplementedError

    def queues_of_worker(self, workspace_sid: str, worker_sid: str) -> list[model.TaskQueue]:
        raise NotImplementedError

    def workflows(self, workspace_sid: str) -> list[model.Workflow]:
        raise NotImplementedError

    def workflow(self, workspace_sid: str, sid: str) -> model.Workflow:
        raise NotImplementedError

    def tasks(self, workspace_sid: str) -> list[model.Task]:
        raise NotImplementedError

    def task(self, workspace_sid: str, sid: str) -> model.Task:
        raise NotImplementedError

    def task_attributes(self, workspace_sid: str, sid: str) -> Mapping[str, Any]:
        """The task's attributes, parsed; not to be changed."""
        raise NotImplementedError

    def reservations(
        self, workspace_sid: str, *, task_sid: str | None = None, worker_sid: str | None = None
    ) -> list[model.Reservation]:
        raise NotImplementedError

    def reservation(
        self, workspace_sid: str, sid: str, *, task_sid: str | None = None, worker_sid: str | None = None
    ) -> model.Reservation:
        raise NotImplementedError

    def reservation_view(self, workspace_sid: str, sid: str) -> model.ReservationView:
        """The reservation with its task, worker and transfers, all of the same moment."""
        raise NotImplementedError

    def transfers(self, workspace_sid: str, task_sid: str) -> list[model.Transfer]:
        raise NotImplementedError

    def transfer(self, workspace_sid: str, sid: str) -> model.Transfer:
        raise NotImplementedError

    def participants(
        self, workspace_sid: str, task_sid: str
    ) -> tuple[model.CustomerParticipant, list[model.WorkerParticipant]]:
        raise NotImplementedError

    def open_sessions(self, workspace_sid: str, worker_sid: str) -> int:
        """How many websocket sessions of the worker were said to be open."""
        raise NotImplementedError

    def explain(self, workspace_sid: str, task_sid: str) -> Any:
        """Why the task is, or is not, with a worker."""
        raise NotImplementedError
