"""Reservations: a task offered to a worker, and what the worker does with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

from ._bridge import routes
from ._bridge.owner import Owner
from ._bridge.request import NOTHING
from ._bridge.routes import Route
from ._bridge.schema import Record
from ._bridge.tracking import Track
from ._display.tables import Description
from ._listening import Listenable
from .errors import ForkedProcessError, InvalidMessageError
from .events import ReservationEvent, Waits, names
from .reservation_info import ReservationFields
from .task import Task
from .transfer import IncomingTransfer, Transfer

if TYPE_CHECKING:
    from .worker_client import ReservationHandle

__all__ = ["Reservation"]


class _Acceptance(Enum):
    """Whose work the next acceptance of a reservation is; a foreign one is reported, once."""

    FOREIGN = "another process's or a backend's"
    REQUESTED = "this process's, if its request succeeds"
    NOT_REPORTED = "this process's, of unknown origin, or reported before"


class Reservation(ReservationFields, Listenable[ReservationEvent, "Reservation"]):
    """A task offered to this worker.

    Events: ``accepted``, ``rejected``, ``timeout``, ``canceled``, ``rescinded``, ``wrapup``, ``completed``; callbacks
    get the reservation, and run on the worker's dispatch thread. The object and its listeners stay across reconnects.

    Every method may be called on any thread, also in a callback. Each returns a Future at once, which resolves to this
    reservation, updated from the answer. It fails with a RequestError if the service refuses the request or does not
    answer, and with ClosedError if the worker is disconnected meanwhile. Invalid arguments raise TypeError or
    ValueError at the call. ``task`` is updated by the event, which may come before or after the answer.
    """

    __slots__ = ("_acceptance", "_listeners", "_state", "_task", "_track", "_transfer")
    _columns = ("sid", "status", "task.sid", "task.status", "task.queue_name", "task.age")
    _arguments = dict.fromkeys(names(ReservationEvent), "reservation: Reservation")

    def __init__(self, state: Owner, update: ReservationUpdate) -> None:
        record = update.record
        super().__init__(record)
        # Read without a known record, which refuses a payload that has no task.
        assert update.task is not None
        self._state = state
        self._task = Task(state, record[_SID], update.task)
        self._transfer: IncomingTransfer | None = None
        # Guarded by state.lock where it decides on a report.
        self._acceptance = _Acceptance.FOREIGN if record[_STATUS] == "pending" else _Acceptance.NOT_REPORTED
        self._track = Track(self._schema, record)
        self._renew_transfers(update)

    @property
    def task(self) -> Task:
        """The task it offers."""
        return self._task

    @property
    def transfer(self) -> IncomingTransfer | None:
        """The transfer that brought it; None if it came by routing."""
        return self._transfer

    def _shown(self) -> str:
        return f"{super()._shown()} of task {self._task.sid}"

    def show(self, *, attributes: bool = False) -> Description:
        """Describe the reservation and its task as they are now, as ``Resource.show`` does.

        Args:
            attributes: Whether to include the task's attributes, which are the customers' data.

        Returns:
            The description.

        Raises:
            ForkedProcessError: The worker was connected in the parent process.
        """
        task = self._task.show(attributes=attributes)
        return Description((*super().show(attributes=attributes).tables, *task.tables))

    def _waiting(self) -> Waits:
        return self._state.waiting

    # -- calls -----------------------------------------------------------------------------------------------------

    def accept(self) -> Future[Reservation]:
        """Accept the task.

        Does not block; callbacks of the Future run on a shared pool thread.

        Returns:
            A Future that resolves to this reservation, accepted. If TaskRouter refuses, the error names the
            reservation's last known status and the probable reason.

        Raises:
            ClosedError: The worker was disconnected.
        """
        with self._state.lock:
            if self._acceptance is _Acceptance.FOREIGN:
                # Before the request is sent, since the event may come before the answer.
                self._acceptance = _Acceptance.REQUESTED
        return self._update(routes.ACCEPT, then=self._accepted, explain=self._why_not_accepted)

    def reject(self, *, activity_sid: str | None = None) -> Future[Reservation]:
        """Reject the task.

        Does not block; callbacks of the Future run on a shared pool thread.

        Args:
            activity_sid: Activity that the worker moves to, so that it is not offered again; None leaves the worker
                where it is.

        Returns:
            A Future that resolves to this reservation, rejected.

        Raises:
            TypeError: The activity's sid is not a string.
            ClosedError: The worker was disconnected.
        """
        # The same request changes the worker, so it takes its turn among the calls that do.
        also = () if activity_sid is None else (self._state.worker_sid,)
        return self._update(routes.REJECT, {"activity_sid": activity_sid}, also)

    def complete(self) -> Future[Reservation]:
        """Complete the reservation, and with the task's last one the task.

        Does not block; callbacks of the Future run on a shared pool thread.

        Returns:
            A Future that resolves to this reservation, completed.

        Raises:
            ClosedError: The worker was disconnected.
        """
        return self._update(routes.COMPLETE_RESERVATION, explain=self._why_not_done)

    def wrap(self) -> Future[Reservation]:
        """Start wrapping up.

        Does not block; callbacks of the Future run on a shared pool thread.

        Returns:
            A Future that resolves to this reservation, wrapping.

        Raises:
            ClosedError: The worker was disconnected.
        """
        return self._update(routes.WRAP, explain=self._why_not_done)

    def call(
        self,
        from_: str,
        url: str,
        *,
        accept: bool | None = None,
        record: str | None = None,
        status_callback_url: str | None = None,
        timeout: int | None = None,
        to: str | None = None,
    ) -> Future[Reservation]:
        """Call the worker, and run TwiML when they answer.

        Does not block; callbacks of the Future run on a shared pool thread.

        Args:
            from_: Caller id.
            url: Address of the TwiML.
            accept: Whether the answer accepts the reservation; None leaves it to the service (no).
            record: ``record-from-answer`` or ``do-not-record``; None leaves it to the service.
            status_callback_url: URL for progress of the call; None sends no progress.
            timeout: Seconds for which the phone rings; None leaves it to the service (60).
            to: The worker's address; None leaves it to the service (the worker attribute ``contact_uri``).

        Returns:
            A Future that resolves to this reservation, as the service answered.

        Raises:
            TypeError: An argument has the wrong type.
            ClosedError: The worker was disconnected.
        """
        return self._instruct(
            routes.CALL,
            {
                "from_": from_,
                "url": url,
                "accept": accept,
                "record": record,
                "status_callback_url": status_callback_url,
                "timeout": timeout,
                "to": to,
            },
        )

    def dequeue(
        self,
        *,
        to: str | None = None,
        from_: str | None = None,
        post_work_activity_sid: str | None = None,
        record: str | None = None,
        timeout: int | None = None,
        status_callback_url: str | None = None,
        status_callback_events: str | None = None,
    ) -> Future[Reservation]:
        """Bridge the caller, who waits in an ``<Enqueue>``, to the worker.

        Does not block; callbacks of the Future run on a shared pool thread.

        None leaves an option to the service, whose default stands in brackets.

        Args:
            to: The worker's address (the attribute ``contact_uri``).
            from_: Caller id.
            post_work_activity_sid: Activity that the worker moves to after the call.
            record: ``record-from-answer`` or ``do-not-record``.
            timeout: Seconds for which the phone rings (60).
            status_callback_url: URL for progress of the call.
            status_callback_events: Events to send there, separated by commas.

        Returns:
            A Future that resolves to this reservation, as the service answered.

        Raises:
            TypeError: An argument has the wrong type.
            ClosedError: The worker was disconnected.
        """
        return self._instruct(
            routes.DEQUEUE,
            {
                "to": to,
                "from_": from_,
                "post_work_activity_sid": post_work_activity_sid,
                "record": record,
                "timeout": timeout,
                "status_callback_url": status_callback_url,
                "status_callback_events": status_callback_events,
            },
        )

    def redirect(self, call_sid: str, url: str, *, accept: bool | None = None) -> Future[Reservation]:
        """Send a call to other TwiML.

        Does not block; callbacks of the Future run on a shared pool thread.

        Args:
            call_sid: Sid of the call.
            url: Address of the TwiML.
            accept: Whether this accepts the reservation; None leaves it to the service (no).

        Returns:
            A Future that resolves to this reservation, as the service answered.

        Raises:
            TypeError: An argument has the wrong type.
            ClosedError: The worker was disconnected.
        """
        return self._instruct(routes.REDIRECT, {"call_sid": call_sid, "url": url, "accept": accept})

    def conference(
        self,
        *,
        to: str | None = None,
        from_: str | None = None,
        timeout: int | None = None,
        status_callback: str | None = None,
        status_callback_method: str | None = None,
        status_callback_event: str | None = None,
        record: str | None = None,
        muted: bool | None = None,
        beep: bool | str | None = None,
        start_conference_on_enter: bool | None = None,
        end_conference_on_exit: bool | None = None,
        end_conference_on_customer_exit: bool | None = None,
        beep_on_customer_entrance: bool | None = None,
        wait_url: str | None = None,
        wait_method: str | None = None,
        early_media: bool | None = None,
        max_participants: int | None = None,
        conference_status_callback: str | None = None,
        conference_status_callback_method: str | None = None,
        conference_status_callback_event: str | None = None,
        conference_record: bool | str | None = None,
        conference_trim: str | None = None,
        recording_channels: str | None = None,
        recording_status_callback: str | None = None,
        recording_status_callback_method: str | None = None,
        conference_recording_status_callback: str | None = None,
        conference_recording_status_callback_method: str | None = None,
        region: str | None = None,
        sip_auth_username: str | None = None,
        sip_auth_password: str | None = None,
        transcribe: bool | None = None,
        transcription_configuration: str | None = None,
    ) -> Future[Reservation]:
        """Put the customer and the worker into a conference, and accept when the worker is in.

        Does not block; callbacks of the Future run on a shared pool thread.

        None leaves an option to the service, whose default stands in brackets.

        Args:
            to: The worker's address (attribute ``contact_uri``).
            from_: Caller id shown to the worker.
            timeout: Seconds for which the worker's phone rings (60).
            status_callback: URL for progress of the worker's leg.
            status_callback_method: Its HTTP method (POST).
            status_callback_event: Of initiated, ringing, answered, completed, separated by commas (completed).
            record: Recording of the worker's leg (do-not-record).
            muted: Whether the worker starts muted (False).
            beep: True, False, ``onEnter`` or ``onExit`` (True).
            start_conference_on_enter: Whether the worker's entry starts it (True).
            end_conference_on_exit: Whether the worker's leaving ends it (False).
            end_conference_on_customer_exit: Whether the customer's leaving ends it (False).
            beep_on_customer_entrance: Whether the customer's entry beeps (True).
            wait_url: What is played while waiting (Twilio's hold music).
            wait_method: Its HTTP method (POST).
            early_media: Whether the worker's ringback is heard (True).
            max_participants: Number of participants at most (10).
            conference_status_callback: URL for events of the conference.
            conference_status_callback_method: Its HTTP method (POST).
            conference_status_callback_event: Of start, end, join, leave, mute, hold, speaker (start,end).
            conference_record: True, False, ``record-from-start`` or ``do-not-record`` (False).
            conference_trim: ``trim-silence`` or ``do-not-trim`` (trim-silence).
            recording_channels: ``mono`` or ``dual`` (mono).
            recording_status_callback: URL for events of the leg's recording.
            recording_status_callback_method: Its HTTP method (POST).
            conference_recording_status_callback: URL for events of the conference's recording.
            conference_recording_status_callback_method: Its HTTP method (POST).
            region: Where the conference is mixed: us1, ie1, sg1, br1, au1, jp1.
            sip_auth_username: For a SIP address.
            sip_auth_password: For a SIP address.
            transcribe: Whether it is transcribed (False).
            transcription_configuration: Name of a transcription configuration.

        Returns:
            A Future that resolves to this reservation, as it was: its change follows with the events.

        Raises:
            TypeError: An argument has the wrong type.
            ClosedError: The worker was disconnected.
        """
        return self._instruct(
            routes.CONFERENCE,
            {
                "to": to,
                "from_": from_,
                "timeout": timeout,
                "status_callback": status_callback,
                "status_callback_method": status_callback_method,
                "status_callback_event": status_callback_event,
                "record": record,
                "muted": muted,
                "beep": beep,
                "start_conference_on_enter": start_conference_on_enter,
                "end_conference_on_exit": end_conference_on_exit,
                "end_conference_on_customer_exit": end_conference_on_customer_exit,
                "beep_on_customer_entrance": beep_on_customer_entrance,
                "wait_url": wait_url,
                "wait_method": wait_method,
                "early_media": early_media,
                "max_participants": max_participants,
                "conference_status_callback": conference_status_callback,
                "conference_status_callback_method": conference_status_callback_method,
                "conference_status_callback_event": conference_status_callback_event,
                "conference_record": conference_record,
                "conference_trim": conference_trim,
                "recording_channels": recording_channels,
                "recording_status_callback": recording_status_callback,
                "recording_status_callback_method": recording_status_callback_method,
                "conference_recording_status_callback": conference_recording_status_callback,
                "conference_recording_status_callback_method": conference_recording_status_callback_method,
                "region": region,
                "sip_auth_username": sip_auth_username,
                "sip_auth_password": sip_auth_password,
                "transcribe": transcribe,
                "transcription_configuration": transcription_configuration,
            },
            use_answer=False,
        )

    def update_participant(
        self, *, end_conference_on_exit: bool | None = None, mute: bool | None = None, beep_on_exit: bool | None = None
    ) -> Future[Reservation]:
        """Change the worker's part of the conference; None leaves an option as it is.

        Does not block; callbacks of the Future run on a shared pool thread.

        Args:
            end_conference_on_exit: Whether the conference ends when the worker leaves.
            mute: Whether the worker is muted.
            beep_on_exit: Whether it beeps when the worker leaves.

        Returns:
            A Future that resolves to this reservation, as it was.

        Raises:
            TypeError: An argument is not a boolean.
            ClosedError: The worker was disconnected.
        """
        values = {
            "reservation_sid": self.sid,
            "end_conference_on_exit": end_conference_on_exit,
            "mute": mute,
            "beep_on_exit": beep_on_exit,
        }
        return self._state.call(
            routes.UPDATE_WORKER_PARTICIPANT, values, lambda payload: self, subjects=(self._task.sid,)
        )

    def handle(self) -> ReservationHandle:
        """Return a handle for calls of this reservation and its task without a connection. It can be pickled.

        It has a snapshot of the reservation as it is now; none in a forked child.

        Returns:
            The handle, on the client of this worker; see ``Worker.client``.

        Raises:
            NotReadyError: The worker has not been ready yet.
        """
        # It may be accepted by the handle, in another process.
        self._no_report()
        handle: ReservationHandle = self._state.client().reservation(self.sid, self._task.sid)
        with suppress(ForkedProcessError):
            # In a forked child the known state is out of date; the handle works without a snapshot.
            handle.snapshot = self.to_dict()
        return handle

    def fetch_latest_version(self) -> Future[Reservation]:
        """Read the reservation again, and its task where the answer has it.

        Does not block; callbacks of the Future run on a shared pool thread.

        Returns:
            A Future that resolves to this reservation.

        Raises:
            ClosedError: The worker was disconnected.
        """
        return self._state.call(routes.GET_RESERVATION, {}, self._answered, reservation=self.sid)

    def _update(
        self,
        route: Route,
        values: Mapping[str, Any] = NOTHING,
        also: tuple[str, ...] = (),
        *,
        then: Callable[[Any], Reservation] | None = None,
        explain: Callable[[], str] | None = None,
    ) -> Future[Reservation]:
        return self._state.call(
            route,
            values,
            then or self._answered,
            # Subject is the task: a change of the reservation may change the task, and vice versa.
            subjects=(self._task.sid, *also),
            version=lambda: self.version,
            explain=explain,
            reservation=self.sid,
        )

    def _why_not_accepted(self) -> str:
        """Explain why TaskRouter may have refused to accept it."""
        with self._state.lock:
            status = self._record[_STATUS]
            if self._acceptance is _Acceptance.REQUESTED:
                self._acceptance = _Acceptance.FOREIGN
            foreign = status in ("accepted", "wrapping") and self._accepted_elsewhere()
        if status == "pending":
            return (
                "It was pending at its last update; it may have ended meanwhile, or another session of this "
                "worker may have accepted it."
            )
        if status in ("accepted", "wrapping"):
            if foreign:
                self._state.foreign_accept(self)
            return f"It is {status} already: by another listener of this program, or by another session of this worker."
        return f"It has ended before: {status}."

    def _no_report(self) -> None:
        with self._state.lock:
            self._acceptance = _Acceptance.NOT_REPORTED

    def _accepted_elsewhere(self) -> bool:
        """Return True, and only once, if another process or a backend has accepted it; state.lock is held."""
        foreign = self._acceptance is _Acceptance.FOREIGN
        if foreign:
            self._acceptance = _Acceptance.NOT_REPORTED
        return foreign

    def _why_not_done(self) -> str:
        """Explain why TaskRouter may have refused to wrap up or complete it or its task."""
        if self.status == "pending":
            return "The reservation is pending: accept() it first, and wait for the Future of that."
        return "" if self.status in ("accepted", "wrapping") else f"The reservation has ended before: {self.status}."

    def _instruct(self, route: Route, values: Mapping[str, Any], *, use_answer: bool = True) -> Future[Reservation]:
        # It may accept the reservation.
        self._no_report()
        # The answer of a conference is ignored: it can be older than an event that has come meanwhile.
        return self._state.call(
            route,
            values,
            self._answered if use_answer else lambda payload: self,
            subjects=(self._task.sid,),
            reservation=self.sid,
        )

    # -- updates ---------------------------------------------------------------------------------------------------

    def _answered(self, payload: object) -> Reservation:
        # Validated before the lock is taken: nothing has changed if the payload is invalid.
        update = self._own_update(ReservationUpdate.read(payload, self._record, self._task._record))
        with self._state.lock:
            self._renew(update)
        return self

    def _accepted(self, payload: object) -> Reservation:
        self._no_report()
        return self._answered(payload)

    def _own_update(self, update: ReservationUpdate) -> ReservationUpdate:
        """Return the update if it concerns this reservation and its task.

        Raises:
            InvalidMessageError: It concerns another one.
        """
        self._own(update.record)
        if update.task is not None:
            self._task._own(update.task)
        return update

    def _renew(self, update: ReservationUpdate, *, ending: bool = False) -> None:
        """Replace the parts that are not older; called with the state's lock held. An ending is never older."""
        # Part by part: the answer of a call and an event may cross, so one part can be newer here and another there.
        record = update.record
        if ending or self._state.is_current(record[_VERSION], self._record[_VERSION]):
            self._record = record
        if update.task is not None:
            self._task._renew(update.task)
        if update.incoming is not None or update.outgoing is not None:
            self._renew_transfers(update)

    def _renew_transfers(self, update: ReservationUpdate) -> None:
        if update.incoming is not None:
            if self._transfer is None or self._transfer.sid != update.incoming[Transfer._schema.index["sid"]]:
                self._transfer = IncomingTransfer(update.incoming)
                # The same object in both places, so that listeners of either see its updates.
                self._task._transfers._incoming = self._transfer
            else:
                self._transfer._renew(update.incoming)
        if update.outgoing is not None:
            self._task._outgoing(update.outgoing)

    def to_dict(self) -> dict[str, Any]:
        """Return a snapshot of all attributes, task and transfer included, as plain data: safe for JSON and pickle.

        Raises:
            ForkedProcessError: The worker was connected in the parent process.
        """
        transfer = self._transfer
        return {**super().to_dict(), "task": self._task.to_dict(), "transfer": transfer and transfer.to_dict()}


_SID, _STATUS, _VERSION = (Reservation._schema.index[name] for name in ("sid", "status", "version"))


class ReservationUpdate(NamedTuple):
    """The parts of a reservation's payload, all validated before any is used."""

    record: Record
    task: Record | None
    incoming: Record | None
    outgoing: Record | None

    @classmethod
    def read(cls, payload: Any, previous: Record | None = None, known_task: Record | None = None) -> ReservationUpdate:
        """Validate a payload.

        Args:
            payload: The payload. A transfer that is null counts as absent.
            previous: The known record; it allows the short form of the payload, which lacks task and timeout.
            known_task: The known record of its task.

        Returns:
            The parts.

        Raises:
            InvalidMessageError: The payload is invalid.
        """
        record = Reservation._schema.read(payload, previous)
        # Optional in the table, since answers of calls lack them; events and lists have them.
        if previous is None and not ("task" in payload and "reservation_timeout" in payload):
            missing = "reservation_timeout" if "task" in payload else "task"
            raise InvalidMessageError(f"Reservation: the payload lacks {missing}")
        get = payload.get
        task, incoming, outgoing = get("task"), get("task_transfer"), get("active_outgoing_task_transfer")
        return cls(
            record,
            None if task is None and previous is not None else Task._schema.read(task, known_task),
            None if incoming is None else Transfer._schema.read(incoming),
            None if outgoing is None else Transfer._schema.read(outgoing),
        )
