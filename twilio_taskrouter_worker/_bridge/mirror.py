"""The known state of a Worker: its record, activities, channels and reservations. No I/O; calls go to the caller.

**Invariant.** Objects keep their identity for as long as the service knows their sid. Only the dispatch thread adds and
removes them; answers of calls may replace the record of one on another thread, under ``lock``, and only by one that is
not older.
"""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, Union

from ..activity import Activity
from ..channel import Channel
from ..directory import Directory, Named
from ..errors import InvalidMessageError
from ..events import Emitter, Waits
from ..reservation import Reservation
from ..task import Task
from ..worker_info import WorkerFields
from .messages import Message
from .request import NOTHING, Caller, Request
from .routes import Route
from .schema import Record
from .timings import Timings
from .tracking import Track, Trust

if TYPE_CHECKING:
    from ..worker_client import WorkerClient

__all__ = ["Mirror", "Notice"]

T = TypeVar("T")

_WORKER = WorkerFields._schema.index
_RESERVATION = Reservation._schema.index
_TASK_SID = Task._schema.index["sid"]

_TaskEntry = Union["Task", "weakref.ref[Task]"]


class Notice(NamedTuple):
    """A public event to fire."""

    emitter: Emitter
    event: str
    args: tuple[Any, ...]


class Mirror:
    """The state of one Worker."""

    def __init__(
        self,
        worker: Emitter,
        caller: Caller,
        waiting: Waits,
        release: Callable[[Callable[[], list[Message]]], None],
        foreign_accept: Callable[[str, str, str], None],
        client: Callable[[], WorkerClient],
        linger: float = Timings().linger,
    ) -> None:
        """Make the state of a worker that was never connected.

        Args:
            worker: Fires the events of the worker.
            caller: Sends requests.
            waiting: The blocking waits of the worker and its objects.
            release: Has the dispatch thread apply the messages that a function returns before those that wait.
            foreign_accept: Records a reservation that was not accepted by this process, by the sids of the worker, the
                task and the reservation.
            client: Returns the worker's client for calls without a connection.
            linger: Seconds that events of a task still count after its reservation ended.
        """
        self.worker = worker
        self.release = release
        self.client = client
        self._foreign_accept = foreign_accept
        self._linger = linger
        self.waiting = waiting
        self._caller = caller
        # Guards every replacement of a record, and Task._starting and Task._held. Held for a few assignments, never
        # while user code runs, and never while another lock is taken.
        self.lock = threading.Lock()
        self.worker_sid = self.account_sid = self.workspace_sid = ""
        self.record: Record | None = None
        """The worker as the service sent it last."""
        self.public_record: Record | None = None
        """The same, with the version that also counts the changes whose version the service does not send."""
        self.answered: Record | None = None
        """The worker as an answer of a call has brought it since the lists were requested; None if none has."""
        self.track = Track(WorkerFields._schema)
        """The announced events of the worker itself."""
        # Two of them: a service that counts one kind differently may still count the other as documented.
        self.trust = Trust()
        self.worker_trust = Trust()
        self.activities: Named[Activity] = Named()
        self.activity_sids_at_fork: dict[str, str] | None = None
        """In a forked child, which cannot read ``activities``: their sids by name."""
        self.channels: Named[Channel] = Named()
        self.reservations: Directory[Reservation] = Directory()
        # The tasks of open reservations, and of those that ended recently; see ``end`` for the weak references.
        self._tasks: dict[str, list[_TaskEntry]] = {}
        self.ended: dict[str, str] = {}
        """Reservations that ended recently: their last status by sid."""
        # Tasks whose first listener came after the end, by sid of the reservation; see ``keep``.
        self._kept: dict[str, Task] = {}
        # Time of the end, sid of the reservation, sid of the task.
        self._ended_at: deque[tuple[float, str, str]] = deque()

    # -- the worker ------------------------------------------------------------------------------------------------

    @property
    def worker_activity_sid(self) -> str | None:
        """Sid of the current activity; None before the first ``ready``."""
        return None if self.record is None else self.record[_WORKER["activity_sid"]]

    @property
    def worker_version(self) -> str | None:
        """The worker's version as the service counts it."""
        return None if self.public_record is None else str(self.public_record[_WORKER["version"]])

    def find_activity(self, name: str, wanted: str | Activity) -> Activity:
        """Find an activity by name or sid, or the one that an Activity of any client stands for.

        Args:
            name: Name of the argument, for the error text.
            wanted: Name, sid or Activity.

        Returns:
            The activity.

        Raises:
            ValueError: It does not exist; the message lists the existing names.
        """
        key = wanted.sid if isinstance(wanted, Activity) else wanted
        try:
            return self.activities[key]
        except KeyError as error:
            raise ValueError(f"{name}: there is no activity {error.args[0]}") from None

    def count_version(self) -> None:
        """Count a change of the worker whose version the service does not send; called with the lock held."""
        if self.public_record is not None:
            record = list(self.public_record)
            # The JS SDK counts in the same places: a reservation was created, a channel changed.
            record[_WORKER["version"]] += 1
            self.public_record = tuple(record)

    def renew_worker(self, record: Record, *, in_order: bool) -> bool:
        """Replace the worker's record by one that is not older; called with the lock held.

        Args:
            record: The record.
            in_order: Whether it is of an event, which comes in the order of the changes that are counted: all counted
                ones are older. An answer may be late or early: the changes counted since may be newer.

        Returns:
            Whether it was replaced.
        """
        at, trusted = _WORKER["version"], self.worker_trust.in_versions
        if trusted and self.record is not None and record[at] < self.record[at]:
            return False
        self.record, counted = record, self.public_record
        if trusted and not in_order and counted is not None and record[at] < counted[at]:
            record = (*record[:at], counted[at], *record[at + 1 :])
        self.public_record = record
        return True

    def read_worker(self, payload: object) -> Record:
        """Validate a worker payload.

        Args:
            payload: The payload.

        Returns:
            The record.

        Raises:
            InvalidMessageError: It is invalid, or belongs to another worker.
        """
        record = WorkerFields._schema.read(payload)
        if self.worker_sid and record[_WORKER["sid"]] != self.worker_sid:
            raise InvalidMessageError("Worker: the payload is another worker's")
        return record

    def read_known_activity(self, payload: object) -> Record:
        """Validate a worker payload whose activity must be in the list.

        Args:
            payload: The payload.

        Returns:
            The record.

        Raises:
            InvalidMessageError: It is invalid, belongs to another worker, or names an unknown activity.
        """
        record = self.read_worker(payload)
        if record[_WORKER["activity_sid"]] not in self.activities:
            raise InvalidMessageError("Worker: the payload names an activity_sid that is not in the workspace's list")
        return record

    def with_known_activity(self, record: Record) -> Record:
        """Keep the known activity if a record names one that was created after the list was read.

        Args:
            record: The record.

        Returns:
            The record, changed if necessary.
        """
        if self.record is None or record[_WORKER["activity_sid"]] in self.activities:
            return record
        # The three belong together. The next reload reads the new activity.
        mended = list(record)
        for name in ("activity_sid", "activity_name", "available"):
            mended[_WORKER[name]] = self.record[_WORKER[name]]
        return tuple(mended)

    def worker_answered(self, payload: object) -> Any:
        """Apply the answer of a call about the worker; on a pool thread.

        Args:
            payload: The payload.

        Returns:
            The worker.

        Raises:
            InvalidMessageError: The payload is invalid.
        """
        record = self.read_known_activity(payload)
        with self.lock:
            if self.renew_worker(record, in_order=False):
                # A list that was requested before may be older; see ``_TakeOver.worker``.
                self.answered = record
        return self.worker

    def is_current(self, version: int, known: int) -> bool:
        """Whether a record may replace a known one.

        Args:
            version: Version of the record.
            known: Version of the known one.

        Returns:
            True also if versions are not trusted.
        """
        return version >= known or not self.trust.in_versions

    def activity_sids(self) -> dict[str, str]:
        """Sids of the activities by name."""
        at_fork = self.activity_sids_at_fork
        return {each.name: each.sid for each in self.activities.values()} if at_fork is None else at_fork

    # -- reservations ----------------------------------------------------------------------------------------------

    def add(self, reservation: Reservation) -> None:
        """Add an open reservation; on the dispatch thread only.

        Args:
            reservation: The reservation.
        """
        record, task = reservation._record, reservation._task
        if record[_RESERVATION["status"]] == "pending":
            self.trust.saw_pending(record[_RESERVATION["version"]])
        self.reservations._entries[record[_RESERVATION["sid"]]] = reservation
        self._tasks.setdefault(task._record[_TASK_SID], []).append(task)

    def tasks(self, sid: str) -> list[Task]:
        """Return the objects of a task, one for each reservation of it that is open or ended recently.

        Args:
            sid: Sid of the task.

        Returns:
            The objects.
        """
        return [task for entry in self._tasks.get(sid, ()) if (task := _alive(entry)) is not None]

    def all_tasks(self) -> list[Task]:
        """Every task that can still be found."""
        return [task for sid in list(self._tasks) for task in self.tasks(sid)]

    def end(self, reservation: Reservation, status: str, now: float) -> None:
        """Remove an ended reservation; on the dispatch thread only. Its task can still be found for ``linger`` seconds.

        Args:
            reservation: The reservation.
            status: The status with which it ended.
            now: The current time in monotonic seconds.
        """
        sid, task = reservation._record[_RESERVATION["sid"]], reservation._task
        task_sid = task._record[_TASK_SID]
        del self.reservations._entries[sid]
        # In this order, and the reverse one in ``keep``: of two threads one sees what the other has done.
        self.ended[sid] = status
        self._ended_at.append((now, sid, task_sid))
        # A task without listeners is kept weakly: its events matter only if the user holds it. Thousands of unused ones
        # would make each pass of the garbage collector a pause of tens of milliseconds.
        if not task._was_listened_to():
            self._tasks[task_sid] = [weakref.ref(task) if each is task else each for each in self._tasks[task_sid]]

    def keep(self, reservation_sid: str, task: Task) -> None:
        """Keep a task whose first listener is being added although its reservation has ended; any thread.

        Args:
            reservation_sid: Sid of the reservation.
            task: The task.
        """
        if reservation_sid in self.ended:
            self._kept[reservation_sid] = task
            if reservation_sid not in self.ended:
                self._kept.pop(reservation_sid, None)

    def withdraw(self, reservation: Reservation) -> None:
        """Forget an open reservation that was never announced; on the dispatch thread only.

        Args:
            reservation: The reservation.
        """
        if self.reservations._entries.get(reservation.sid) is reservation:
            del self.reservations._entries[reservation.sid]
            self._forget_task(reservation.task.sid, reservation.sid)

    @property
    def forget_at(self) -> float | None:
        """Time at which ``forget_ended`` is due next; None if nothing ended recently."""
        return self._ended_at[0][0] + self._linger if self._ended_at else None

    def forget_ended(self, now: float) -> None:
        """Forget reservations that ended ``linger`` seconds ago or earlier; on the dispatch thread only.

        Args:
            now: The current time in monotonic seconds.
        """
        ended_at = self._ended_at
        # The same sum as in ``forget_at``: a difference can be rounded to less than ``linger`` at that very moment.
        while ended_at and now >= ended_at[0][0] + self._linger:
            _, reservation_sid, task_sid = ended_at.popleft()
            self.ended.pop(reservation_sid, None)
            self._kept.pop(reservation_sid, None)
            self._forget_task(task_sid, reservation_sid)

    def _forget_task(self, sid: str, reservation_sid: str) -> None:
        """Forget the task of this sid that belongs to this reservation, and those that are no longer referenced."""
        others = [
            entry
            for entry in self._tasks.get(sid, ())
            if (task := _alive(entry)) is not None and task.reservation_sid != reservation_sid
        ]
        if others:
            self._tasks[sid] = others
        else:
            self._tasks.pop(sid, None)

    # -- calls -----------------------------------------------------------------------------------------------------

    def call(
        self,
        route: Route,
        values: Mapping[str, Any],
        then: Callable[[Any], T],
        *,
        subjects: tuple[str, ...] = (),
        version: Callable[[], str | None] | None = None,
        explain: Callable[[], str] | None = None,
        after_callbacks: Callable[[], None] | None = None,
        extra: Mapping[str, Any] = NOTHING,
        **sids: str,
    ) -> Future[T]:
        """Make the request for these arguments and pass it to the caller; does not block.

        Args:
            route: Which request.
            values: Arguments of the public method by name, as in the route's table.
            then: Makes the result from the payload, on a pool thread; see Request for this and the following.
            subjects: Sids of the objects that the call changes.
            version: Returns the version the change is based on.
            after_callbacks: Called after the callbacks of the Future.
            extra: Parameters under their wire names, which the route's own replace.
            **sids: For the path; those of the workspace and the own worker are added.

        Raises:
            TypeError, ValueError: An argument is wrong.
        """
        return self._caller(
            Request(
                route,
                {"ws": self.workspace_sid, "wk": self.worker_sid, **sids},
                {**extra, **route.encode(values)},
                then,
                subjects,
                version,
                after_callbacks,
                explain=explain,
            )
        )

    def call_worker(self, route: Route, values: Mapping[str, Any], then: Callable[[Any], T]) -> Future[T]:
        """Change the worker itself; as ``call``, does not block.

        Args:
            route: Which request.
            values: Arguments of the public method by name.
            then: Makes the result from the payload, on a pool thread.

        Returns:
            A Future that resolves to the result; its callbacks run on a pool thread.

        Raises:
            TypeError, ValueError: An argument is invalid.
        """
        return self.call(route, values, then, subjects=(self.worker_sid,), version=lambda: self.worker_version)

    def foreign_accept(self, reservation: Reservation) -> None:
        """Report a reservation that was not accepted by this process.

        Args:
            reservation: The reservation.
        """
        self._foreign_accept(self.worker_sid, reservation.task.sid, reservation.sid)


def _alive(entry: _TaskEntry) -> Task | None:
    return entry() if isinstance(entry, weakref.ref) else entry
