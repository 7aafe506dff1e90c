"""Instructions on reservations, and the conference legs that they change: recorded only, without telephony.

A voice instruction (call, dequeue, redirect, conference) puts the reservation on hold: it stays pending, but can
neither time out nor be answered. ``Rules.voice_answer_delay`` or a ResolveInstruction then accepts or cancels it.
"""

from __future__ import annotations

from typing import Any

import attrs

from .. import errors
from ..commands import (
    HoldWorkerParticipant,
    InstructReservation,
    KickWorkerParticipant,
    ResolveInstruction,
    UpdateCustomerParticipant,
    UpdateWorkerParticipant,
)
from ..core import checks
from ..core.kernel import Kernel
from ..core.schedule import TimerKind
from ..core.sids import canonical
from ..core.state import ReservationState, TaskState
from ..core.workspace import WorkspaceState
from ..errors import invalid
from ..model import ACCEPTED, PENDING, REJECTED, CustomerParticipant, Reservation, Task, WorkerParticipant
from . import reservations

# Parameters without which an instruction makes no sense.
_REQUIRED = {
    "call": ("CallFrom", "CallUrl"),
    "redirect": ("RedirectCallSid", "RedirectUrl"),
    "supervise": ("Supervisor",),
}
_ADDRESSES = (
    "CallUrl",
    "CallStatusCallbackUrl",
    "DequeueStatusCallbackUrl",
    "RedirectUrl",
    "StatusCallback",
    "WaitUrl",
    "ConferenceStatusCallback",
    "RecordingStatusCallback",
    "ConferenceRecordingStatusCallback",
)
# Whether the reservation is accepted as soon as the call is connected.
_ACCEPT_SWITCH = {"call": "CallAccept", "redirect": "RedirectAccept"}
# The activity to which the worker is moved when the reservation completes.
_POST_WORK = {"conference": "PostWorkActivitySid", "dequeue": "DequeuePostWorkActivitySid"}
# Documented with the error code of the others, 40151.
_ON_TRANSFERS = ("accept", "reject", "conference", "supervise")
_ALL = ("accept", "reject", "call", "dequeue", "redirect", "conference", "supervise")
_MODES = ("monitor", "whisper", "barge")
PARAMETERS = frozenset(
    (
        *(parameter for parameters in _REQUIRED.values() for parameter in parameters),
        *_ADDRESSES,
        *_ACCEPT_SWITCH.values(),
        *_POST_WORK.values(),
        "DequeueTo",
        "SupervisorMode",
    )
)
"""The parameters that have an effect; the others describe a call that is never made."""


def truth(value: Any) -> bool:
    """Return the value of a boolean parameter.

    Args:
        value: A boolean, or its text in any case; None and anything unknown count as false.
    """
    # Forms carry text, the bridge JSON: both spellings of a boolean arrive here.
    return value is True or (isinstance(value, (str, int)) and str(value).lower() in ("true", "1", "yes"))


def instruct(kernel: Kernel, command: InstructReservation) -> Reservation:
    """Carry out an instruction: accept or reject at once, begin a call, or record a supervisor.

    Args:
        kernel: The engine's shared state; changed in place.
        command: ``params`` has the REST names of the parameters; unknown ones are ignored.

    Raises:
        Rejected: 404, there is no such workspace or reservation; 412, its version is another one; 400, a parameter is
            invalid, or the reservation is not in the status that the instruction needs.
    """
    ws = kernel.workspace(command.workspace_sid)
    reservation = ws.reservation(command.sid, command.task_sid, command.worker_sid)
    checks.version(reservation.record, command.if_match)
    instruction = command.instruction.lower()
    _check(reservation, instruction, command)
    # Checked although nothing is ever called there: an invalid address is an error of the client.
    for parameter in _ADDRESSES:
        checks.url(command.params.get(parameter), parameter)
    if instruction == "supervise":
        _supervise(ws, reservation, command)
    elif instruction == "accept":
        reservations.check_state(kernel, reservation, ACCEPTED)
        reservations.accept(kernel, ws, reservation)
    elif instruction == "reject":
        activity_sid = command.worker_activity_sid
        # Resolved before the state is checked, so that nothing is refused after a change.
        if activity_sid is not None:
            activity_sid = ws.activity_named(activity_sid, "WorkerActivitySid").sid
        reservations.check_state(kernel, reservation, REJECTED)
        reservations.reject(kernel, ws, reservation, activity_sid)
    else:
        _voice(kernel, ws, reservation, instruction, command)
    return reservation.record


def _check(reservation: ReservationState, instruction: str, command: InstructReservation) -> None:
    if instruction not in _ALL:
        raise errors.unknown_instruction(command.instruction)
    record = reservation.record
    # Clients that send both usually repeat the present status; only a change of status conflicts.
    if command.reservation_status not in (None, record.reservation_status):
        raise invalid("Give either ReservationStatus or Instruction, not both")
    if record.transfer_sid is not None and instruction not in _ON_TRANSFERS:
        raise errors.instruction_on_transfer(instruction, record.sid)
    for parameter in _REQUIRED.get(instruction, ()):
        if not command.params.get(parameter):
            raise invalid(f"{parameter} is required for the instruction {instruction}")
    worker = reservation.worker
    # The address to dequeue to is the parameter or, as in the service, the worker's contact_uri.
    if instruction == "dequeue" and not (command.params.get("DequeueTo") or worker.attributes.get("contact_uri")):
        raise invalid(
            f"DequeueTo is required for the instruction {instruction}: worker {worker.record.sid} has no contact_uri"
        )


def _voice(
    kernel: Kernel,
    ws: WorkspaceState,
    reservation: ReservationState,
    instruction: str,
    command: InstructReservation,
) -> None:
    """Begin to connect a call; the reservation stays pending until it is answered."""
    record = reservation.record
    if record.reservation_status != PENDING or record.on_hold:
        raise errors.wrong_instruction_state(instruction, record.sid)
    post_work = _POST_WORK.get(instruction, "")
    activity_sid = command.params.get(post_work) or None
    if activity_sid is not None:
        activity_sid = ws.activity_named(str(activity_sid), post_work).sid
    switch = _ACCEPT_SWITCH.get(instruction)
    if switch is not None and not truth(command.params.get(switch)):
        # Without the switch the call is connected, but the worker still has to accept the reservation.
        if instruction == "call":
            task = reservation.task
            _connect(kernel, task, instruction)
            task.record = task.record.replaced(version=task.record.version + 1, date_updated=kernel.now)
            kernel.emit_task("task.updated", ws, task, task.workers())
        return
    # No new version: to clients the reservation is pending as before, and being on hold is not visible.
    reservation.record = record.replaced(
        on_hold=True, instruction=instruction, post_work_activity_sid=activity_sid, date_updated=kernel.now
    )
    # While the call is being set up the offer cannot time out.
    kernel.schedule.cancel(reservation.timer)
    reservation.timer = None
    delay = kernel.rules.voice_answer_delay
    # An outcome that was set beforehand applies even if the rules leave calls unanswered.
    if ws.armed:
        due = kernel.now + (delay or 0.0)
        reservation.voice_timer = kernel.schedule.at(due, TimerKind.VOICE_ANSWER, ws, reservation, ws.armed.pop(0))
    # Without a delay the reservation waits for a ResolveInstruction.
    elif delay is not None:
        reservation.voice_timer = kernel.schedule.at(kernel.now + delay, TimerKind.VOICE_ANSWER, ws, reservation, None)


def resolve(kernel: Kernel, command: ResolveInstruction) -> Reservation | None:
    """Set the outcome of the call of a reservation, or of the next call that is made.

    Args:
        kernel: The engine's shared state; changed in place.
        command: Without a reservation the outcome is queued; outcomes apply in the order in which they were set.

    Raises:
        Rejected: 404, there is no such workspace or reservation; 400, the reservation waits for no call.
    """
    ws = kernel.workspace(command.workspace_sid)
    if command.reservation_sid is None:
        ws.armed.append(command.canceled_reason_code)
        return None
    reservation = ws.reservation(command.reservation_sid)
    # Not on hold: it was answered already, or no call was ever asked for.
    if not reservation.record.on_hold:
        raise invalid(f"Reservation {reservation.record.sid} is not waiting for a voice instruction")
    answered(kernel, ws, reservation, command.canceled_reason_code)
    return reservation.record


def answered(kernel: Kernel, ws: WorkspaceState, reservation: ReservationState, reason_code: int | None) -> None:
    """Accept a reservation whose call was connected, or cancel one whose call failed.

    Args:
        kernel: The engine's shared state; changed in place.
        ws: The workspace of the reservation.
        reservation: Must be on hold.
        reason_code: Why the call failed; None: it was connected.

    Raises:
        AssertionError: The reservation is not pending.
    """
    if reason_code is None:
        # Attributes first, so that the events of the acceptance already show the call.
        _connect(kernel, reservation.task, reservation.record.instruction)
        reservations.accept(kernel, ws, reservation)
    else:
        reservations.media_failed(kernel, ws, reservation, reason_code)


def _connect(kernel: Kernel, task: TaskState, instruction: str | None) -> None:
    """Add the legs of a call to the task's attributes; the caller increases the version."""
    attributes = dict(task.attributes)
    if instruction in ("call", "dequeue"):
        attributes["worker_call_sid"] = kernel.sids.make("CA")
    elif instruction == "conference":
        # Tasks made by a voice call carry its sid; that call is the customer's leg.
        customer = attributes.get("call_sid")
        attributes["conference"] = {
            "sid": kernel.sids.make("CF"),
            "participants": {
                "worker": kernel.sids.make("CA"),
                "customer": customer if isinstance(customer, str) else kernel.sids.make("CA"),
            },
        }
    else:
        return
    # The limit on the length of attributes is for requests; the service adds these itself.
    task.attributes = attributes
    task.record = task.record.replaced(attributes=checks.compact(attributes))


def _supervise(ws: WorkspaceState, reservation: ReservationState, command: InstructReservation) -> None:
    """Record the supervisor of a worker's leg."""
    record = reservation.record
    if command.task_sid is None and command.worker_sid is not None:
        raise invalid("The instruction supervise is only possible on a reservation of a task")
    supervisor = str(command.params["Supervisor"])
    if canonical(supervisor) not in ws.workers:
        raise invalid(f"Supervisor '{supervisor}' does not name a worker of this workspace")
    mode = str(command.params.get("SupervisorMode") or "monitor").lower()
    if mode not in _MODES:
        raise invalid(f"SupervisorMode '{mode}' is not one of {', '.join(_MODES)}")
    if record.reservation_status != ACCEPTED:
        raise errors.wrong_instruction_state("supervise", record.sid, "Accepted")
    leg = participant(reservation)
    # A supervisor who changes the mode replaces the previous entry.
    others = tuple(entry for entry in leg.supervisors if entry[0] != canonical(supervisor))
    task = reservation.task
    task.participants[record.sid] = attrs.evolve(leg, supervisors=(*others, (canonical(supervisor), mode)))


def participant(reservation: ReservationState) -> WorkerParticipant:
    """Return the recorded state of a worker's leg, or the state of a new one.

    Args:
        reservation: The reservation by which the worker is in the conference.
    """
    record = reservation.record
    found = reservation.task.participants.get(record.sid)
    if found is not None:
        return found
    return WorkerParticipant(task_sid=record.task_sid, reservation_sid=record.sid, worker_sid=record.worker_sid)


def _task(ws: WorkspaceState, sid: str) -> TaskState:
    task = ws.tasks.get(canonical(sid))
    if task is None:
        raise invalid(f"TaskSid '{sid}' does not name a task of this workspace")
    return task


def _leg(task: TaskState, worker_sid: str) -> ReservationState:
    """Return the accepted reservation by which a worker is in the task's conference."""
    # A worker may hold more than one reservation on a task, such as a wrapping one after a COLD transfer.
    for reservation in task.open.values():
        record = reservation.record
        if record.worker_sid == canonical(worker_sid) and record.reservation_status == ACCEPTED:
            return reservation
    raise invalid(f"Worker {worker_sid} has no accepted reservation on task {task.record.sid}")


def update_customer(kernel: Kernel, command: UpdateCustomerParticipant) -> Task:
    """Record the hold of the customer.

    Args:
        kernel: The engine's shared state.
        command: The worker must have an accepted reservation on the task.

    Raises:
        Rejected: 404, there is no such workspace or worker; 400, the task is unknown, the worker does not have it, or
            the URL is invalid.
    """
    ws = kernel.workspace(command.workspace_sid)
    ws.worker(command.worker_sid)
    task = _task(ws, command.task_sid)
    _leg(task, command.worker_sid)
    leg = task.customer or CustomerParticipant(task_sid=task.record.sid)
    # Only recorded: routing does not read the state of a leg, and no event shows it.
    changes = command.given("hold", "hold_url", "hold_method")
    checks.url(changes.get("hold_url"), "HoldUrl")
    task.customer = attrs.evolve(leg, **changes)
    return task.record


def update_worker(kernel: Kernel, command: UpdateWorkerParticipant) -> Reservation:
    """Record mute and the other switches of a worker's own leg.

    Args:
        kernel: The engine's shared state.
        command: An absent parameter keeps its value.

    Raises:
        Rejected: 404, there is no such workspace or worker; 400, this is not an accepted reservation of the worker.
    """
    ws = kernel.workspace(command.workspace_sid)
    worker = ws.worker(command.worker_sid)
    # Found through the worker: a leg of another worker counts as unknown.
    reservation = worker.reservations.get(canonical(command.reservation_sid))
    if reservation is None or reservation.record.reservation_status != ACCEPTED:
        raise invalid(f"Reservation {command.reservation_sid} is not an accepted one of worker {worker.record.sid}")
    changes = command.given("end_conference_on_exit", "mute", "beep_on_exit")
    reservation.task.participants[reservation.record.sid] = attrs.evolve(participant(reservation), **changes)
    return reservation.record


def hold_worker(kernel: Kernel, command: HoldWorkerParticipant) -> Task:
    """Record the hold of another worker.

    Args:
        kernel: The engine's shared state.
        command: The target worker must have an accepted reservation on the task.

    Raises:
        Rejected: 404, there is no such workspace or worker; 400, the task is unknown, the target worker does not have
            it, or the URL is invalid.
    """
    ws = kernel.workspace(command.workspace_sid)
    ws.worker(command.worker_sid)
    task = _task(ws, command.task_sid)
    reservation = _leg(task, command.target_worker_sid)
    changes = command.given("hold", "hold_url", "hold_method")
    checks.url(changes.get("hold_url"), "HoldUrl")
    task.participants[reservation.record.sid] = attrs.evolve(participant(reservation), **changes)
    return task.record


def kick_worker(kernel: Kernel, command: KickWorkerParticipant) -> Task:
    """Record that a worker was removed from the conference; the reservation stays as it is.

    Args:
        kernel: The engine's shared state.
        command: The target worker must have an accepted reservation on the task.

    Raises:
        Rejected: 404, there is no such workspace or worker; 400, the task is unknown, or the target worker does not
            have it.
    """
    ws = kernel.workspace(command.workspace_sid)
    ws.worker(command.worker_sid)
    task = _task(ws, command.task_sid)
    reservation = _leg(task, command.target_worker_sid)
    task.participants[reservation.record.sid] = attrs.evolve(participant(reservation), kicked=True)
    return task.record
