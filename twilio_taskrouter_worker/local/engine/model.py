"""The records of the routing engine, one class for each TaskRouter resource.

Records are immutable. The engine keeps the current record of each object and replaces it when the object changes, so
that results, events and answers to queries are snapshots that never change. Attributes are the customer's data and
never in a repr.

Dates are floats, unix seconds. Field names are those of the REST API. ``attributes`` is JSON text without white space,
as the service stores it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import attrs

# Statuses. Tasks and reservations share pending, wrapping, completed and canceled.
PENDING = "pending"
RESERVED = "reserved"
ASSIGNED = "assigned"
WRAPPING = "wrapping"
COMPLETED = "completed"
CANCELED = "canceled"
ACCEPTED = "accepted"
REJECTED = "rejected"
TIMEOUT = "timeout"
RESCINDED = "rescinded"

TASK_STATUSES = (PENDING, RESERVED, ASSIGNED, WRAPPING, COMPLETED, CANCELED)
# Final: nothing follows. Open: the reservation takes a place of its worker's capacity.
TASK_FINAL = frozenset({COMPLETED, CANCELED})
RESERVATION_STATUSES = (PENDING, ACCEPTED, REJECTED, TIMEOUT, CANCELED, RESCINDED, WRAPPING, COMPLETED)
RESERVATION_OPEN = frozenset({PENDING, ACCEPTED, WRAPPING})

# Orders of queues and of the tasks in them.
FIFO = "FIFO"
LIFO = "LIFO"

# Statuses of transfers; only initiated is open.
TRANSFER_INITIATED = "initiated"
TRANSFER_FAILED = "failed"
TRANSFER_COMPLETE = "complete"
TRANSFER_CANCELED = "canceled"

_STATES = ("reservation_status", "assignment_status", "transfer_status", "activity_name")
"""The fields that a repr shows as the state of a record."""

R = TypeVar("R", bound="Record")

# Looked up once, for Record.replaced.
_new = object.__new__
_set = object.__setattr__


# Not slotted: replaced() copies a dict, which is faster than setting each field.
@attrs.frozen(slots=False, kw_only=True, repr=False)
class Record:
    """Base class of the records: identity, dates, and replacement in place of mutation."""

    account_sid: str
    sid: str
    date_created: float
    date_updated: float

    def __repr__(self) -> str:
        # Name, sid and state, of those that it has; the attributes are the customer's.
        values = vars(self)
        name = values.get("friendly_name", values.get("unique_name"))
        states = map(values.get, _STATES)
        parts = [type(self).__name__, None if name is None else repr(name), self.sid, *states]
        return f"<{' '.join(filter(None, parts))}>"

    @property
    def operating_unit_sid(self) -> str:
        """The operating unit of the account, which has one; workers, queues and the events of both name it."""
        return f"OU{self.account_sid[2:]}"

    def replaced(self: R, **changes: Any) -> R:
        """Return a copy with some fields changed.

        Args:
            changes: New values by field name; they are not checked.

        Raises:
            TypeError: There is no such field.
        """
        # attrs.evolve runs the initializer over every field; this is the engine's innermost operation.
        before = self.__dict__
        fields = before | changes
        # Only a name that is not a field makes the dict longer.
        if len(fields) != len(before):
            unknown = ", ".join(sorted(changes.keys() - before.keys()))
            raise TypeError(f"{type(self).__name__} has no field {unknown}")
        new = _new(type(self))
        _set(new, "__dict__", fields)
        return new

    def differing(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Return the changes that give a field another value.

        Args:
            changes: Values by field name.

        Raises:
            AttributeError: There is no such field.
        """
        return {name: value for name, value in changes.items() if getattr(self, name) != value}


@attrs.frozen(slots=False, kw_only=True, repr=False)
class Workspace(Record):
    """A workspace, which contains all other resources."""

    friendly_name: str
    default_activity_sid: str | None
    default_activity_name: str | None
    timeout_activity_sid: str | None
    timeout_activity_name: str | None
    event_callback_url: str | None
    events_filter: str | None
    multi_task_enabled: bool
    prioritize_queue_order: str
    """``FIFO`` or ``LIFO``."""


@attrs.frozen(slots=False, kw_only=True, repr=False)
class Activity(Record):
    """A state that a worker can be in, available for work or not."""

    workspace_sid: str
    friendly_name: str
    available: bool


@attrs.frozen(slots=False, kw_only=True, repr=False)
class Worker(Record):
    """A worker, who is offered reservations."""

    workspace_sid: str
    friendly_name: str
    activity_sid: str
    activity_name: str
    available: bool
    """Whether the current activity is an available one."""
    attributes: str
    date_status_changed: float
    """Time of the last change of activity."""
    version: int


@attrs.frozen(slots=False, kw_only=True, repr=False)
class WorkerChannel(Record):
    """A worker's capacity and switch for one task channel."""

    workspace_sid: str
    worker_sid: str
    task_channel_sid: str
    task_channel_unique_name: str
    configured_capacity: int
    available: bool
    """The switch of this channel, whatever the worker's activity."""
    assigned_tasks: int
    """Reservations in state accepted."""
    occupied: int
    """Places taken: reservations that are pending, accepted or wrapping."""
    available_capacity_percentage: int
    last_reserved_time: float
    """Unix seconds (REST and bridge show milliseconds); the creation time before the first reservation."""


@attrs.frozen(slots=False, kw_only=True, repr=False)
class TaskChannel(Record):
    """A kind of work, such as voice or chat."""

    workspace_sid: str
    unique_name: str
    friendly_name: str
    channel_optimized_routing: bool


@attrs.frozen(slots=False, kw_only=True, repr=False)
class TaskQueue(Record):
    """Tasks that wait for the same workers."""

    workspace_sid: str
    friendly_name: str
    target_workers: str | None
    """Expression over the workers; None or blank matches nobody."""
    max_reserved_workers: int
    task_order: str
    """``FIFO`` or ``LIFO``."""
    reservation_activity_sid: str | None
    reservation_activity_name: str | None
    assignment_activity_sid: str | None
    assignment_activity_name: str | None
    version: int


@attrs.frozen(slots=False, kw_only=True, repr=False)
class Workflow(Record):
    """The rules by which tasks get into queues."""

    workspace_sid: str
    friendly_name: str
    configuration: str
    """JSON text without white space; all keys are kept, also those that have no effect."""
    assignment_callback_url: str | None
    fallback_assignment_callback_url: str | None
    task_reservation_timeout: int
    document_content_type: str | None = None
    """Always None, as in the service."""


@attrs.frozen(slots=False, kw_only=True, repr=False)
class Task(Record):
    """A piece of work."""

    workspace_sid: str
    assignment_status: str
    attributes: str
    addons: str = "{}"
    """Add-ons are not imitated, but clients expect the field."""
    priority: int
    reason: str | None = None
    timeout: int
    """Seconds the task may stay unaccepted."""
    workflow_sid: str | None
    workflow_friendly_name: str | None
    task_queue_sid: str | None = None
    task_queue_friendly_name: str | None = None
    task_queue_entered_date: float | None = None
    task_channel_sid: str
    task_channel_unique_name: str
    routing_target: str | None
    ignore_capacity: bool
    virtual_start_time: float
    counter: int = 0
    """How often the task went from pending to reserved."""
    version: int = 0

    def age(self, now: float) -> int:
        """Return the age of the task in whole seconds.

        Args:
            now: Unix seconds. Both times are cut to whole seconds before they are subtracted.
        """
        return max(0, int(now) - int(self.date_created))

    @property
    def final(self) -> bool:
        """Whether the task is completed or canceled."""
        return self.assignment_status in TASK_FINAL


@attrs.frozen(slots=False, kw_only=True, repr=False)
class Reservation(Record):
    """The offer of a task to a worker, and its outcome."""

    workspace_sid: str
    task_sid: str
    task_channel_sid: str
    worker_sid: str
    worker_name: str
    reservation_status: str
    reservation_timeout: int
    """Seconds the offer stands, as of its creation."""
    worker_previous_activity_sid: str
    canceled_reason_code: int | None = None
    """Why a voice instruction failed; None (and absent on the wire) otherwise."""
    transfer_sid: str | None
    """The transfer that made this reservation, if one did."""
    on_hold: bool = False
    """Media is being set up: the status is pending, the timer is stopped, and accepting or rejecting is refused."""
    instruction: str | None = None
    """The voice instruction that was given for it, if one was."""
    post_work_activity_sid: str | None = None
    """Where the worker is moved when this reservation completes."""
    version: int = 0

    @property
    def open(self) -> bool:
        """Whether the reservation is pending, accepted or wrapping, and so takes a place of the worker's capacity."""
        return self.reservation_status in RESERVATION_OPEN


@attrs.frozen(slots=False, kw_only=True, repr=False)
class Transfer(Record):
    """The handing over of a task by the worker who has it."""

    workspace_sid: str
    task_sid: str
    transfer_type: str
    """``WORKER`` or ``QUEUE``."""
    transfer_mode: str
    """``WARM`` or ``COLD``."""
    transfer_to: str
    transfer_status: str
    initiating_reservation_sid: str
    initiating_worker_sid: str
    initiating_queue_sid: str | None
    initiating_workflow_sid: str | None
    transfer_failed_reason: str | None


@attrs.frozen(kw_only=True)
class CustomerParticipant:
    """State of the customer's leg of a conference; recorded only, without telephony."""

    task_sid: str
    hold: bool = False
    hold_url: str | None = None
    hold_method: str | None = None


@attrs.frozen(kw_only=True)
class WorkerParticipant:
    """State of a worker's leg of a conference; recorded only, without telephony."""

    task_sid: str
    reservation_sid: str
    worker_sid: str
    mute: bool = False
    beep_on_exit: bool = False
    end_conference_on_exit: bool = False
    hold: bool = False
    hold_url: str | None = None
    hold_method: str | None = None
    kicked: bool = False
    supervisors: tuple[tuple[str, str], ...] = ()
    """Worker sid and mode (monitor, whisper, barge) of each supervisor of this leg."""


@attrs.frozen(kw_only=True)
class ReservationView:
    """A reservation with everything its longest form shows beside it, all of the same moment."""

    reservation: Reservation
    task: Task
    worker: Worker
    task_transfer: Transfer | None
    """The transfer that made the reservation."""
    active_outgoing_task_transfer: Transfer | None
    """The open transfer that the reservation's worker has started."""
