"""The time machine of a local TaskRouter: earlier moments to look at, and second routers that begin at one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Generic, Literal, TypeVar

import attrs

from ..errors import StateError
from .clock import Clock
from .collector import paused
from .engine import commands
from .journal import Journal, Place, Stretch, captured
from .moments import History, Moment, View
from .operations import WorkspaceOperations
from .origin import Origin
from .server.service import Service

__all__ = ["TimeMachine"]

T = TypeVar("T")
R_co = TypeVar("R_co", covariant=True)
"""The class of the router, which is above this module."""

# Seconds: a little more than half of a datetime's microsecond.
_ROUNDING = 0.6e-6


class TimeMachine(WorkspaceOperations, Generic[R_co]):
    """The part of a LocalTaskRouter that returns to earlier moments."""

    # -- provided by the router --------------------------------------------------------------------------------------

    clock: Clock

    def _source(self) -> object:
        """Return the identity of the journal, which ends with the service."""
        raise NotImplementedError

    def _origin(self) -> Origin | None:
        """Return where this router began, if it is a fork."""
        raise NotImplementedError

    def _begin(self, origin: Origin, clock: Clock) -> R_co:
        """Start a router at an origin."""
        raise NotImplementedError

    # -- looking back --------------------------------------------------------------------------------------------------

    def history(self) -> History:
        """Return the moments of the journal up to now: what happened when, and who caused it.

        Does not block for long; the moments themselves are made when they are asked for. A service with a file has
        the whole journal; one in memory has at least the latest 100,000 entries, unless its snapshots are very large.

        Returns:
            A sequence of moments, oldest first.

        Raises:
            StateError: It is not running.
        """
        return History(self._place())

    # Paused as a whole: a pass of the collector, which the new objects ask for, would take longer than all the rest.
    @paused()
    def at(self, moment: int | datetime | Moment) -> View:
        """Return the workspace as it was at an earlier moment, to read.

        Blocks the caller for up to some tenths of a second; the service goes on meanwhile.

        Args:
            moment: The number of an entry of the journal, which is then the latest one (0: before the first), an aware
                datetime of this router's clock, or a moment of :meth:`history`.

        Returns:
            A view with ``tasks()``, ``task()``, ``workers()``, ``queues()``, ``reservations()``, ``explain()`` and so
            on, which return what they would have returned then.

        Raises:
            ValueError: There is no such moment; the message has the range.
            TypeError: It is not a moment.
            StateError: It is not running.
        """
        source = self._source()
        found = self._find(source, moment)
        return view_of(found, self._place_in(source, found), self._oldest(), self.clock.now())

    @paused()
    def fork(
        self, at: int | datetime | Moment | None = None, *, clock: Clock | Literal["real", "virtual"] = "virtual"
    ) -> R_co:
        """Start a second, independent router that begins at a moment of this one.

        It listens on a port of its own, keeps everything in memory, and has the same sids, names, credentials and
        rules; without a change it goes on as this one. Webhooks go to the same addresses. Workers keep the activity
        they had, but no client is connected. Faults are not copied.

        Blocks the caller for some tenths of a second at most, and this router's service for a fraction of that.

        Args:
            at: The moment, as for :meth:`at`; None: now.
            clock: ``"virtual"`` (paused at the moment, moved by the program), ``"real"`` (runs on from the moment), or
                a clock of your own.

        Returns:
            The router, which is running: stop it, or use it in a ``with`` block.

        Raises:
            ValueError: There is no such moment; the message has the range.
            TypeError: It is not a moment.
            StateError: This router is not running.
        """
        if not isinstance(clock, Clock) and clock not in ("real", "virtual"):
            raise ValueError(f"clock must be 'real', 'virtual' or a Clock, not {clock!r}")
        source = self._source()
        earlier = None if at is None else self._find(source, at)
        # With the present moment in one step. After an earlier one they have later events, which the fork leaves out.
        found, log, facts = self._ask_of(
            source, lambda service: (earlier or _present(service), service.log.all(), service.facts.all())
        )
        place = self._place_in(source, found)
        time = _time(found, place, self.clock.now())
        origin = Origin(
            place=place,
            stretch=found.stretch,
            workspace_sid=self._oldest(),
            log=log,
            facts=facts,
        )
        return self._begin(origin, clock if isinstance(clock, Clock) else Clock(time, running=clock == "real"))

    # -- the journal ---------------------------------------------------------------------------------------------------

    def _read_journal(self, read: Callable[[Journal], T]) -> T:
        return self._ask_service(lambda service: read(service.committer.journal()))

    def _ask_of(self, source: object, read: Callable[[Service], T]) -> T:
        """Run a function on the service's thread, if the journal still is the one of this source."""

        # Checked on that thread, so that a reset does not come in between: numbers of another journal mean other
        # entries.
        def ask(service: Service) -> T:
            if self._source() is not source:
                raise StateError("This LocalTaskRouter was reset, and its journal with it")
            return read(service)

        return self._ask_service(ask)

    def _place(self) -> Place:
        """Return the present moment as a place in the journal."""
        return self._place_in(self._source())

    def _place_in(self, source: object, found: Found | None = None) -> Place:
        """Return a moment of the journal of a source, or the present one, as a place in it."""
        origin = self._origin()

        # Checked with every read, because a place may be kept for long.
        def ask(read: Callable[[Journal], T]) -> T:
            return self._ask_of(source, lambda service: read(service.committer.journal()))

        number = ask(lambda journal: journal.count) if found is None else found.number
        name = repr(self) if found is None or found.time is None else f"{self!r} at {_text(found.time)}"
        return Place(ask, source, number, name, None if origin is None else origin.place)

    def _oldest(self) -> str | None:
        """Return the sid of this router's workspace, or None if it has none."""
        return self.workspace_sid if self._ask(lambda engine: engine.workspaces()) else None

    def _find(self, source: object, moment: int | datetime | Moment) -> Found:
        # The clock before the journal: an entry that is written in between is then later than now, and is not
        # reached.
        wanted, now = checked(moment, source), self.clock.now()
        return self._ask_of(source, lambda service: find(service.committer.journal(), wanted, now))


@attrs.frozen
class Found:
    """A moment in the journal."""

    number: int
    time: float | None
    """Unix seconds; None: before the first entry."""
    stretch: Stretch


def _present(service: Service) -> Found:
    number = service.committer.journal().count
    return Found(number, service.clock.now(), Stretch(number, captured(service.engine)))


def view_of(found: Found, place: Place, workspace_sid: str | None, now: float) -> View:
    """Return the view of a moment. Blocks for up to some tenths of a second.

    Args:
        found: The moment.
        place: The same as a place in its journal.
        workspace_sid: The workspace to show; None: the oldest one.
        now: The present time of the journal's clock, in unix seconds.

    Raises:
        StateError: The journal has ended with a reset.
        StoreError: An entry cannot be applied; the file was written by a version that behaves differently.
    """
    engine = found.stretch.engine()
    time = _time(found, place, now)
    # Not if a timer was due in between: the journal has no entry for it yet, so the state of then is not known.
    if time > engine.now and ((deadline := engine.next_deadline()) is None or deadline > time):
        # Nothing happens between the entry and the moment, but waiting times grow.
        engine.apply(commands.AdvanceTime(), time)
    return View(engine, workspace_sid, place, time)


def _time(found: Found, place: Place, now: float) -> float:
    """Return the time of a moment in unix seconds."""
    if found.time is not None:
        return found.time
    # The state is empty: nothing had happened yet.
    following: float | None = place.ask(lambda journal: journal.time_at(found.number + 1))
    return following or now


def checked(moment: object, source: object) -> int | float:
    """Return the number of an entry as an integer, or a time in unix seconds as a float.

    Args:
        moment: The moment.
        source: Identifies the journal.

    Raises:
        ValueError, TypeError: It is not a moment of this journal.
    """
    if isinstance(moment, Moment):
        if moment._source is not source:
            raise ValueError("This moment is from the history of another router, or from before a reset")
        return moment.number
    if isinstance(moment, datetime):
        if moment.tzinfo is None:
            raise ValueError("A moment must be an aware datetime, such as datetime(..., tzinfo=timezone.utc)")
        return moment.timestamp()
    # True is an int to Python, and would be the first entry.
    if isinstance(moment, bool) or not isinstance(moment, int):
        raise TypeError(
            "A moment is the number of an entry of the journal, an aware datetime or a moment of history(), not"
            f" {type(moment).__name__}"
        )
    return moment


def find(journal: Journal, wanted: int | float, now: float) -> Found:
    """Return a moment of a journal.

    Args:
        journal: The journal.
        wanted: From :func:`checked`.
        now: The present time of its clock, in unix seconds.

    Raises:
        ValueError: There is no such moment; the message has the range.
    """
    if isinstance(wanted, int):
        if not journal.first <= wanted <= journal.count:
            raise ValueError(f"The journal has the moments {journal.first} to {journal.count}, but not {wanted}")
        return Found(wanted, journal.time_at(wanted), journal.stretch(wanted))
    # None: the journal begins with an empty state, which holds for every earlier moment.
    earliest = journal.time_at(journal.first)
    if wanted > now or (earliest is not None and wanted + _ROUNDING < earliest):
        start = "" if earliest is None else f"from {_text(earliest)} "
        raise ValueError(f"The journal goes {start}to {_text(now)} by the router's clock, so not to {_text(wanted)}")
    # A datetime has microseconds, so the time of an entry may have been rounded down.
    number = journal.number_at(wanted + _ROUNDING)
    return Found(number, wanted, journal.stretch(number))


def _text(moment: float) -> str:
    return datetime.fromtimestamp(moment, timezone.utc).isoformat(timespec="milliseconds")
