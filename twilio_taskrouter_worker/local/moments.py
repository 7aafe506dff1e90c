"""The moments of a journal: a list of them, and the workspace as it was at one."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from typing import Final, TypeVar, overload

import attrs

from ..errors import StateError
from .engine import Engine, Event, Rejected, commands
from .engine.events import QueueStepEvent, ReservationEvent, WorkerEvent
from .journal import Place, Step, walk
from .reading import WorkspaceReading, refused
from .server.events import event_fields

__all__ = ["History", "Moment", "View"]

T = TypeVar("T")

_BLOCK = 250
"""How many moments are made at once when single ones are asked for."""


@attrs.frozen(kw_only=True)
class Moment:
    """One entry of the journal: a command that was applied, or timers that ran, and what followed from it."""

    number: int
    """Number of the entry, from 1."""
    time: datetime
    """When it happened by the router's clock, in UTC."""
    command: str
    """The engine's name of the command, for example ``CreateTask``; ``AdvanceTime`` for timers."""
    what: str
    """What happened, in words."""
    actor: str
    """Name of the worker whose client caused it, or ``REST``, ``program`` (the Python API) or ``timer``."""
    events: tuple[str, ...]
    """The types of its events, for example ``task.created``, in order."""
    sids: tuple[str, ...]
    """Sids of everything that it concerns."""
    _source: object = attrs.field(alias="source", repr=False, eq=False, default=None)
    """Identifies the journal."""

    def __str__(self) -> str:
        return f"{self.number:>7}  {self.time:%Y-%m-%d %H:%M:%S}  {self.actor:<12}  {self.what}"


class History(Sequence[Moment]):
    """The moments of a journal, oldest first, up to the one that was the latest when this was made.

    They are made from the journal when they are asked for, on the caller's thread: a single one takes up to some tenths
    of a second, each further one of an iteration about a tenth of a millisecond.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self.first: Final = place.first()
        """The number of the earliest moment that :meth:`LocalTaskRouter.at` reaches; 0: before the first entry."""
        self.last: Final = place.number
        """The number of the latest one."""
        # For each History its own, which goes with it: a few blocks, for a reader who turns back and forth.
        self._block = functools.lru_cache(maxsize=4)(self._make_block)

    def __repr__(self) -> str:
        return f"<History of {len(self)} moments, up to {self.last}>"

    def __len__(self) -> int:
        return self.last - self.first

    def __iter__(self) -> Iterator[Moment]:
        return self._moments(self.first, self.last)

    @overload
    def __getitem__(self, index: int) -> Moment: ...

    @overload
    def __getitem__(self, index: slice) -> list[Moment]: ...

    def __getitem__(self, index: int | slice) -> Moment | list[Moment]:
        if isinstance(index, slice):
            wanted = range(len(self))[index]
            if not wanted:
                return []
            low, high = min(wanted), max(wanted)
            # One walk from the first to the last, whatever the order and the step of the slice.
            found = list(self._moments(self.first + low, self.first + high + 1))
            return [found[each - low] for each in wanted]
        position = range(len(self))[index]
        return self._block(position // _BLOCK)[position % _BLOCK]

    def about(self, sid: str) -> list[Moment]:
        """Return the moments that concern a task, worker, reservation or anything else. Blocks as an iteration does.

        Args:
            sid: Its sid.
        """
        return [moment for moment in self if sid in moment.sids]

    def _make_block(self, number: int) -> list[Moment]:
        start = self.first + number * _BLOCK
        return list(self._moments(start, min(start + _BLOCK, self.last)))

    def _moments(self, after: int, up_to: int) -> Iterator[Moment]:
        return (moment_of(step, self._place.source) for step in walk(self._place.ask, after, up_to))


class View(WorkspaceReading):
    """The workspace as it was at one moment; made by :meth:`LocalTaskRouter.at`.

    It is read-only and a copy: nothing that happens later changes it. Its methods may be called from any thread.
    """

    def __init__(self, engine: Engine, workspace_sid: str | None, place: Place, time: float) -> None:
        self._journal_place = place
        self.engine: Final = engine
        """The engine in the state of that moment; for reading only."""
        self.number: Final = place.number
        """The number of the latest entry of the journal at that moment."""
        self.time: Final = datetime.fromtimestamp(time, timezone.utc)
        """The moment, in UTC."""
        there = {workspace.sid for workspace in engine.workspaces()}
        # The workspace may not have existed yet, or not any more.
        self._workspace_sid = workspace_sid if workspace_sid in there else oldest_workspace(engine)

    def __repr__(self) -> str:
        return f"<View of {self.time.isoformat(timespec='milliseconds')}, after entry {self.number}>"

    @property
    def workspace_sid(self) -> str:
        """The workspace of all operations.

        Raises:
            StateError: There was none at that moment.
        """
        if self._workspace_sid is None:
            raise StateError(f"There was no workspace yet after entry {self.number} of the journal")
        return self._workspace_sid

    def _place(self) -> Place:
        return self._journal_place

    def _ask(self, read: Callable[[Engine], T]) -> T:
        try:
            return read(self.engine)
        except Rejected as refusal:
            raise refused(refusal) from None


def oldest_workspace(engine: Engine) -> str | None:
    """Return the sid of the oldest workspace, or None if there is none.

    Args:
        engine: The engine.
    """
    return next((workspace.sid for workspace in engine.workspaces()), None)


def moment_of(step: Step, source: object = None) -> Moment:
    """Return a moment for an entry that was just applied.

    Args:
        step: The entry; its engine must not have gone on.
        source: Identifies the journal.
    """
    command = step.entry.command
    sids = [*_sids_of_command(command), *(record.sid for event in step.events for record in event.records())]
    return Moment(
        number=step.number,
        time=datetime.fromtimestamp(step.entry.now, timezone.utc),
        command=type(command).__name__,
        what=_what(step),
        actor=actor(step),
        events=tuple(event.type for event in step.events),
        sids=tuple(dict.fromkeys(sids)),
        source=source,
    )


def actor(step: Step) -> str:
    """Return who caused an entry: the name of a worker, or ``REST``, ``program`` or ``timer``.

    Args:
        step: The entry; its engine must not have gone on.
    """
    command = step.entry.command
    sid = step.actor_sid
    # These come from the service itself, but the worker's client has caused them.
    if isinstance(command, (commands.SessionOpened, commands.SessionClosed)):
        sid = command.worker_sid
    if sid is not None:
        return _worker_name(step, sid)
    if isinstance(command, commands.AdvanceTime):
        return "timer"
    return "program" if step.address is None else "REST"


def describe(event: Event) -> str:
    """Return one phrase about an event, with the names of those concerned.

    Args:
        event: The event.
    """
    text = event_fields.description(event)
    if isinstance(event, ReservationEvent):
        text = f"{text} for {event.reservation.worker_name}"
    elif isinstance(event, QueueStepEvent) and event.type == "task-queue.entered":
        text = f"Task {event.task.sid} entered the queue {event.queue.friendly_name}"
    return text


def _what(step: Step) -> str:
    if step.events:
        return "; ".join(map(describe, step.events))
    # It caused no event, so the name of the command describes it.
    command = step.entry.command
    words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in type(command).__name__)
    return words.strip().capitalize()


def _worker_name(step: Step, sid: str) -> str:
    # The events first: a worker whom this entry deleted is in no workspace any more.
    for event in step.events:
        if isinstance(event, (WorkerEvent, ReservationEvent)) and event.worker.sid == sid:
            return event.worker.friendly_name
    home = step.engine.workspace_of(sid)
    return sid if home is None else step.engine.worker(home, sid).friendly_name


def _sids_of_command(command: commands.Command) -> Iterator[str]:
    for name in ("sid", "task_sid", "worker_sid", "reservation_sid", "workflow_sid", "task_queue_sid"):
        value = getattr(command, name, None)
        if isinstance(value, str):
            yield value
