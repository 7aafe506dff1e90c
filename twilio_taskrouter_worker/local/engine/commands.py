"""The commands of the engine, as frozen records; their JSON form is in ``journal``.

In commands that update a resource, :data:`UNSET` means that the parameter is absent and the field keeps its value.
``None``, where a type allows it, clears the field. ``if_match`` is the version that the client expects to be current;
None: no precondition. A ``workspace_sid`` is always given; ``task_channel`` is a sid or a unique name.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any

import attrs


# An enum and not a plain object, so that type checkers narrow a value by ``is UNSET``.
class Unset(enum.Enum):
    """The type of :data:`UNSET`."""

    UNSET = "UNSET"

    def __repr__(self) -> str:
        return "UNSET"


UNSET = Unset.UNSET

StrOrUnset = str | Unset
OptionalStrOrUnset = str | None | Unset
IntOrUnset = int | Unset
BoolOrUnset = bool | Unset
FloatOrUnset = float | Unset


# Types are checked when a command is applied (core.checks.types), and not here: requests and journals may hold
# anything. A dict and not slots, as with events: it is faster to make, and all its values are read at once.
@attrs.frozen(kw_only=True, slots=False)
class Command:
    """Base class of all commands. Its direct subclasses are the commands that a journal may contain."""

    def given(self, *names: str) -> dict[str, Any]:
        """Return the named fields that are not :data:`UNSET`.

        Args:
            names: Names of fields, which are also the names of the record's fields.

        Raises:
            AttributeError: The command has no such field.
        """
        values = {name: getattr(self, name) for name in names}
        return {name: value for name, value in values.items() if value is not UNSET}


@attrs.frozen(kw_only=True, slots=False)
class AdvanceTime(Command):
    """Run the timers that are due, and nothing else; result: None."""


# -- workspaces --------------------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True, slots=False)
class CreateWorkspace(Command):
    """Make a workspace with its activities and task channels; result: Workspace."""

    friendly_name: str
    event_callback_url: str | None = None
    events_filter: str | None = None
    multi_task_enabled: bool = True
    template: str | None = None
    """``NONE`` (also when None), ``FIFO``, or ``EMPTY`` (no activities)."""
    prioritize_queue_order: str = "FIFO"


@attrs.frozen(kw_only=True, slots=False)
class UpdateWorkspace(Command):
    """Change a workspace; result: Workspace."""

    workspace_sid: str
    friendly_name: StrOrUnset = UNSET
    event_callback_url: OptionalStrOrUnset = UNSET
    events_filter: OptionalStrOrUnset = UNSET
    multi_task_enabled: BoolOrUnset = UNSET
    prioritize_queue_order: StrOrUnset = UNSET
    default_activity_sid: StrOrUnset = UNSET
    timeout_activity_sid: StrOrUnset = UNSET


@attrs.frozen(kw_only=True, slots=False)
class DeleteWorkspace(Command):
    """Remove a workspace and everything in it; result: None."""

    workspace_sid: str


# -- activities --------------------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True, slots=False)
class CreateActivity(Command):
    """Make an activity; result: Activity."""

    workspace_sid: str
    friendly_name: str
    available: bool = False


@attrs.frozen(kw_only=True, slots=False)
class UpdateActivity(Command):
    """Rename an activity; result: Activity. Its availability cannot change."""

    workspace_sid: str
    sid: str
    friendly_name: StrOrUnset = UNSET


@attrs.frozen(kw_only=True, slots=False)
class DeleteActivity(Command):
    """Remove an activity that nothing uses; result: None."""

    workspace_sid: str
    sid: str


# -- workers -----------------------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True, slots=False)
class CreateWorker(Command):
    """Make a worker and its channels; result: Worker."""

    workspace_sid: str
    friendly_name: str
    activity_sid: str | None = None
    """None: the workspace's default activity."""
    # Not in the repr, which may reach a log: attributes are the customer's data. The same in every command below.
    attributes: str = attrs.field(default="{}", repr=False)


@attrs.frozen(kw_only=True, slots=False)
class UpdateWorker(Command):
    """Change a worker; result: Worker."""

    workspace_sid: str
    sid: str
    friendly_name: StrOrUnset = UNSET
    activity_sid: StrOrUnset = UNSET
    attributes: StrOrUnset = attrs.field(default=UNSET, repr=False)
    reject_pending_reservations: bool = False
    if_match: int | None = None


@attrs.frozen(kw_only=True, slots=False)
class DeleteWorker(Command):
    """Remove a worker without open reservations; result: None."""

    workspace_sid: str
    sid: str
    if_match: int | None = None


@attrs.frozen(kw_only=True, slots=False)
class UpdateWorkerChannel(Command):
    """Change a worker's capacity or switch for one task channel; result: WorkerChannel."""

    workspace_sid: str
    worker_sid: str
    channel: str
    """Sid of the worker channel (WC), or sid or unique name of its task channel."""
    capacity: IntOrUnset = UNSET
    available: BoolOrUnset = UNSET


# -- task channels, queues, workflows ----------------------------------------------------------------------------


@attrs.frozen(kw_only=True, slots=False)
class CreateTaskChannel(Command):
    """Make a task channel, and a worker channel for every worker; result: TaskChannel."""

    workspace_sid: str
    friendly_name: str
    unique_name: str
    channel_optimized_routing: bool = False


@attrs.frozen(kw_only=True, slots=False)
class UpdateTaskChannel(Command):
    """Change a task channel; result: TaskChannel."""

    workspace_sid: str
    task_channel: str
    friendly_name: StrOrUnset = UNSET
    channel_optimized_routing: BoolOrUnset = UNSET


@attrs.frozen(kw_only=True, slots=False)
class DeleteTaskChannel(Command):
    """Remove a task channel that was not built in and has no open task; result: None."""

    workspace_sid: str
    task_channel: str


@attrs.frozen(kw_only=True, slots=False)
class CreateTaskQueue(Command):
    """Make a task queue; result: TaskQueue."""

    workspace_sid: str
    friendly_name: str
    # Defaults of parameters are those of the REST API, here and below: all workers, one at a time, two minutes, one
    # day.
    target_workers: str | None = "1==1"
    max_reserved_workers: int = 1
    task_order: str = "FIFO"
    reservation_activity_sid: str | None = None
    assignment_activity_sid: str | None = None
    sid: str | None = None
    """The sid by which a configuration of another account refers to it; None: a new sid."""


@attrs.frozen(kw_only=True, slots=False)
class UpdateTaskQueue(Command):
    """Change a task queue; result: TaskQueue."""

    workspace_sid: str
    sid: str
    friendly_name: StrOrUnset = UNSET
    target_workers: OptionalStrOrUnset = UNSET
    max_reserved_workers: IntOrUnset = UNSET
    task_order: StrOrUnset = UNSET
    reservation_activity_sid: OptionalStrOrUnset = UNSET
    assignment_activity_sid: OptionalStrOrUnset = UNSET


@attrs.frozen(kw_only=True, slots=False)
class DeleteTaskQueue(Command):
    """Remove a queue without tasks that no workflow names; result: None."""

    workspace_sid: str
    sid: str


@attrs.frozen(kw_only=True, slots=False)
class CreateWorkflow(Command):
    """Make a workflow; result: Workflow."""

    workspace_sid: str
    friendly_name: str
    configuration: str
    assignment_callback_url: str | None = None
    fallback_assignment_callback_url: str | None = None
    task_reservation_timeout: int = 120


@attrs.frozen(kw_only=True, slots=False)
class UpdateWorkflow(Command):
    """Change a workflow; result: Workflow."""

    workspace_sid: str
    sid: str
    friendly_name: StrOrUnset = UNSET
    configuration: StrOrUnset = UNSET
    assignment_callback_url: OptionalStrOrUnset = UNSET
    fallback_assignment_callback_url: OptionalStrOrUnset = UNSET
    task_reservation_timeout: IntOrUnset = UNSET
    re_evaluate_tasks: bool = False


@attrs.frozen(kw_only=True, slots=False)
class DeleteWorkflow(Command):
    """Remove a workflow without open tasks; result: None."""

    workspace_sid: str
    sid: str


# -- tasks -------------------------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True, slots=False)
class CreateTask(Command):
    """Make a task and route it; result: Task as it was before any reservation (pending)."""

    workspace_sid: str
    attributes: str = attrs.field(default="{}", repr=False)
    workflow_sid: str | None = None
    """None: the only workflow of the workspace."""
    task_channel: str | None = None
    """None: ``default``."""
    priority: int = 0
    timeout: int = 86400
    virtual_start_time: float | None = None
    """None: now."""
    routing_target: str | None = None
    ignore_capacity: bool | None = None
    """None: true for a worker as routing target."""
    task_queue_sid: str | None = None


@attrs.frozen(kw_only=True, slots=False)
class UpdateTask(Command):
    """Change a task's data, or cancel, wrap up or complete it; result: Task."""

    workspace_sid: str
    sid: str
    attributes: StrOrUnset = attrs.field(default=UNSET, repr=False)
    assignment_status: StrOrUnset = UNSET
    reason: StrOrUnset = UNSET
    priority: IntOrUnset = UNSET
    task_channel: StrOrUnset = UNSET
    virtual_start_time: FloatOrUnset = UNSET
    if_match: int | None = None


@attrs.frozen(kw_only=True, slots=False)
class DeleteTask(Command):
    """Remove a task in any state, ending its reservations; result: None."""

    workspace_sid: str
    sid: str
    if_match: int | None = None


# -- reservations ------------------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True, slots=False)
class UpdateReservation(Command):
    """Accept, reject, wrap up or complete a reservation; result: Reservation.

    ``task_sid`` and ``worker_sid`` come from the two forms of the URL; a reservation of another one is not found.
    """

    workspace_sid: str
    sid: str
    reservation_status: str
    worker_activity_sid: str | None = None
    """With ``rejected``: move the worker to this activity."""
    task_sid: str | None = None
    worker_sid: str | None = None
    if_match: int | None = None


@attrs.frozen(kw_only=True, slots=False)
class InstructReservation(Command):
    """Post an instruction on a reservation; result: Reservation (still pending for the voice ones).

    ``params`` has the REST names (``CallFrom``, ``RedirectUrl``, ``To``...); booleans may be booleans or their text.
    """

    workspace_sid: str
    sid: str
    instruction: str
    reservation_status: str | None = None
    """The status that the caller expects; the command is refused if it is another one. None: not checked."""
    params: Mapping[str, Any] = attrs.field(factory=dict)
    worker_activity_sid: str | None = None
    task_sid: str | None = None
    worker_sid: str | None = None
    if_match: int | None = None


@attrs.frozen(kw_only=True, slots=False)
class CancelReservation(Command):
    """Cancel an offer because the assignment callbacks failed; result: Reservation.

    The task is routed on at once. A reservation that is no longer pending, or is being connected, is left unchanged.
    """

    workspace_sid: str
    sid: str


@attrs.frozen(kw_only=True, slots=False)
class ResolveInstruction(Command):
    """Set the outcome of a voice instruction; result: Reservation, or None if it applies to a later one.

    Without ``reservation_sid`` the outcome is kept for the next voice instruction of the workspace.
    """

    workspace_sid: str
    reservation_sid: str | None = None
    canceled_reason_code: int | None = None
    """None: success, the reservation is accepted. Else it is canceled with this code."""


# -- transfers and participants ----------------------------------------------------------------------------------


@attrs.frozen(kw_only=True, slots=False)
class CreateTransfer(Command):
    """Hand a task over; result: Transfer."""

    workspace_sid: str
    worker_sid: str
    reservation_sid: str
    task_sid: str
    to: str
    mode: str = "WARM"
    attributes: str | None = attrs.field(default=None, repr=False)
    """None: the task keeps its own."""
    priority: int | None = None


@attrs.frozen(kw_only=True, slots=False)
class CancelTransfer(Command):
    """Take an open transfer back; result: Transfer."""

    workspace_sid: str
    worker_sid: str
    sid: str
    task_sid: str
    transfer_status: str = "canceled"


@attrs.frozen(kw_only=True, slots=False)
class UpdateCustomerParticipant(Command):
    """Hold or resume the customer; result: Task."""

    workspace_sid: str
    worker_sid: str
    task_sid: str
    hold: BoolOrUnset = UNSET
    hold_url: StrOrUnset = UNSET
    hold_method: StrOrUnset = UNSET


@attrs.frozen(kw_only=True, slots=False)
class UpdateWorkerParticipant(Command):
    """Change one's own leg of the conference; result: Reservation."""

    workspace_sid: str
    worker_sid: str
    reservation_sid: str
    end_conference_on_exit: BoolOrUnset = UNSET
    mute: BoolOrUnset = UNSET
    beep_on_exit: BoolOrUnset = UNSET


@attrs.frozen(kw_only=True, slots=False)
class HoldWorkerParticipant(Command):
    """Hold or resume another worker on the task; result: Task."""

    workspace_sid: str
    worker_sid: str
    task_sid: str
    target_worker_sid: str
    hold: bool = True
    hold_url: StrOrUnset = UNSET
    hold_method: StrOrUnset = UNSET


@attrs.frozen(kw_only=True, slots=False)
class KickWorkerParticipant(Command):
    """Remove another worker from the conference of the task; result: Task."""

    workspace_sid: str
    worker_sid: str
    task_sid: str
    target_worker_sid: str


# -- presence ----------------------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True, slots=False)
class SessionOpened(Command):
    """A websocket session of a worker has opened; result: Worker."""

    workspace_sid: str
    worker_sid: str
    set_offline: bool | None = None
    """The flag it was opened with. The engine ignores it; a service restarted from the journal needs it to close it."""


@attrs.frozen(kw_only=True, slots=False)
class SessionClosed(Command):
    """A websocket session of a worker has closed; result: Worker (or None if it was deleted meanwhile)."""

    workspace_sid: str
    worker_sid: str
    set_offline: bool | None = None
    """The flag this session was opened with; None: it was not sent."""
