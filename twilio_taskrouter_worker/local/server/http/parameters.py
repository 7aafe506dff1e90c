"""The parameters of every request that changes something, by resource. REST and the bridge read from these tables."""

from __future__ import annotations

from typing import Any

from ...engine import commands
from .forms import Given, Param, boolean, date, document, integer, optional_text, read, sid, text

CREATE_WORKSPACE = (
    Param("FriendlyName", "friendly_name", text, required=True),
    Param("EventCallbackUrl", "event_callback_url", optional_text),
    Param("EventsFilter", "events_filter", optional_text),
    Param("MultiTaskEnabled", "multi_task_enabled", boolean),
    Param("Template", "template", optional_text),
    Param("PrioritizeQueueOrder", "prioritize_queue_order", text),
)
UPDATE_WORKSPACE = (
    Param("FriendlyName", "friendly_name", text),
    Param("EventCallbackUrl", "event_callback_url", optional_text),
    Param("EventsFilter", "events_filter", optional_text),
    Param("MultiTaskEnabled", "multi_task_enabled", boolean),
    Param("PrioritizeQueueOrder", "prioritize_queue_order", text),
    Param("DefaultActivitySid", "default_activity_sid", text),
    Param("TimeoutActivitySid", "timeout_activity_sid", text),
)

CREATE_ACTIVITY = (
    Param("FriendlyName", "friendly_name", text, required=True),
    Param("Available", "available", boolean),
)
UPDATE_ACTIVITY = (Param("FriendlyName", "friendly_name", text),)

CREATE_WORKER = (
    Param("FriendlyName", "friendly_name", text, required=True),
    Param("ActivitySid", "activity_sid", optional_text),
    Param("Attributes", "attributes", document),
)
UPDATE_WORKER = (
    Param("FriendlyName", "friendly_name", text),
    # Not sid(): the engine refuses unknown and malformed ones alike, and names the value.
    Param("ActivitySid", "activity_sid", text),
    Param("Attributes", "attributes", document),
    Param("RejectPendingReservations", "reject_pending_reservations", boolean),
)
UPDATE_WORKER_CHANNEL = (
    Param("Capacity", "capacity", integer),
    Param("Available", "available", boolean),
)

CREATE_TASK_CHANNEL = (
    Param("FriendlyName", "friendly_name", text, required=True),
    Param("UniqueName", "unique_name", text, required=True),
    Param("ChannelOptimizedRouting", "channel_optimized_routing", boolean),
)
UPDATE_TASK_CHANNEL = (
    Param("FriendlyName", "friendly_name", text),
    Param("ChannelOptimizedRouting", "channel_optimized_routing", boolean),
)

CREATE_TASK_QUEUE = (
    Param("FriendlyName", "friendly_name", text, required=True),
    Param("TargetWorkers", "target_workers", text),
    Param("MaxReservedWorkers", "max_reserved_workers", integer),
    Param("TaskOrder", "task_order", text),
    Param("ReservationActivitySid", "reservation_activity_sid", optional_text),
    Param("AssignmentActivitySid", "assignment_activity_sid", optional_text),
)
UPDATE_TASK_QUEUE = (Param("FriendlyName", "friendly_name", text), *CREATE_TASK_QUEUE[1:])

CREATE_WORKFLOW = (
    Param("FriendlyName", "friendly_name", text, required=True),
    Param("Configuration", "configuration", document, required=True),
    Param("AssignmentCallbackUrl", "assignment_callback_url", optional_text),
    Param("FallbackAssignmentCallbackUrl", "fallback_assignment_callback_url", optional_text),
    Param("TaskReservationTimeout", "task_reservation_timeout", integer),
)
UPDATE_WORKFLOW = (
    Param("FriendlyName", "friendly_name", text),
    Param("Configuration", "configuration", document),
    *CREATE_WORKFLOW[2:],
    Param("ReEvaluateTasks", "re_evaluate_tasks", boolean),
)

CREATE_TASK = (
    Param("Attributes", "attributes", document),
    Param("WorkflowSid", "workflow_sid", optional_text),
    # REST has one name for sid and unique name; the bridge has one for each.
    Param("TaskChannel", "task_channel", optional_text, also=("TaskChannelSid", "TaskChannelUniqueName")),
    Param("Priority", "priority", integer),
    Param("Timeout", "timeout", integer),
    Param("VirtualStartTime", "virtual_start_time", date),
    Param("RoutingTarget", "routing_target", optional_text),
    Param("IgnoreCapacity", "ignore_capacity", boolean),
    Param("TaskQueueSid", "task_queue_sid", optional_text),
)
UPDATE_TASK = (
    Param("Attributes", "attributes", document),
    Param("AssignmentStatus", "assignment_status", text),
    Param("Reason", "reason", text),
    Param("Priority", "priority", integer),
    Param("TaskChannel", "task_channel", text, also=("TaskChannelSid", "TaskChannelUniqueName")),
    Param("VirtualStartTime", "virtual_start_time", date),
)

UPDATE_RESERVATION = (
    Param("ReservationStatus", "reservation_status", text, required=True),
    Param("WorkerActivitySid", "worker_activity_sid", optional_text),
)
INSTRUCT_RESERVATION = (
    Param("Instruction", "instruction", text, required=True),
    Param("ReservationStatus", "reservation_status", optional_text),
    Param("WorkerActivitySid", "worker_activity_sid", optional_text),
)

CREATE_TRANSFER = (
    Param("ReservationSid", "reservation_sid", text, required=True),
    Param("TaskSid", "task_sid", text, required=True),
    Param("To", "to", text, required=True),
    Param("Mode", "mode", text),
    Param("Attributes", "attributes", document),
    Param("Priority", "priority", integer),
)
CANCEL_TRANSFER = (
    Param("TaskSid", "task_sid", text, required=True),
    Param("TransferStatus", "transfer_status", text, required=True),
)
CUSTOMER_PARTICIPANT = (
    Param("TaskSid", "task_sid", text, required=True),
    Param("Hold", "hold", boolean),
    Param("HoldUrl", "hold_url", text),
    Param("HoldMethod", "hold_method", text),
)
WORKER_PARTICIPANT = (
    Param("ReservationSid", "reservation_sid", text, required=True),
    Param("EndConferenceOnExit", "end_conference_on_exit", boolean),
    Param("Mute", "mute", boolean),
    Param("BeepOnExit", "beep_on_exit", boolean),
)
HOLD_WORKER_PARTICIPANT = (
    Param("TaskSid", "task_sid", text, required=True),
    Param("TargetWorkerSid", "target_worker_sid", text, required=True),
    Param("Hold", "hold", boolean, required=True),
    Param("HoldUrl", "hold_url", text),
    Param("HoldMethod", "hold_method", text),
)
KICK_WORKER_PARTICIPANT = (
    Param("TaskSid", "task_sid", text, required=True),
    Param("TargetWorkerSid", "target_worker_sid", text, required=True),
)


def reservation_command(given: Given, **where: Any) -> commands.UpdateReservation | commands.InstructReservation:
    """Return the command of a reservation update.

    Args:
        given: The request's parameters.
        where: The sids and the version.

    Raises:
        Rejected: A parameter is missing or invalid (400).
    """
    # A request with both is an instruction; the engine compares its status with the current one.
    if "Instruction" not in given:
        return commands.UpdateReservation(**where, **read(UPDATE_RESERVATION, given))
    fields = read(INSTRUCT_RESERVATION, given)
    # All parameters as they came: which of them an instruction has is the engine's knowledge.
    return commands.InstructReservation(params=dict(given), **where, **fields)


# Filters of lists by sid: a malformed sid is refused, an unknown one matches nothing.
ACTIVITY_SID = sid("WA")
WORKER_SID = sid("WK")
TASK_QUEUE_SID = sid("WQ")
WORKFLOW_SID = sid("WW")
