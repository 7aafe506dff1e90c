"""Every request the client can make: method, path, API version, and its parameters. Pure.

This is the only place that knows paths and parameter names. Arguments are checked here, before any request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import attrs

from .._checks import (
    boolean,
    boolean_or_string,
    instant,
    integer,
    json_object,
    non_negative,
    one_of,
    string,
    wrong_type,
)

__all__ = ["Parameter", "Route", "name_of"]


def _segment(placeholder: str, sid: str) -> str:
    name = {"ws": "workspace_sid", "wk": "worker_sid"}.get(placeholder, f"{placeholder}_sid")
    if not isinstance(sid, str):
        raise wrong_type(name, "a sid (a string)", sid)
    try:
        # ``quote`` leaves dots alone, and a server resolves such segments, which would address another resource.
        if sid not in ("", ".", ".."):
            return quote(sid, safe="")
    except UnicodeEncodeError:
        # Half of a surrogate pair.
        pass
    raise ValueError(f"{name} must be a sid, not {sid!r}")


# -- requests ------------------------------------------------------------------------------------------------------


@attrs.frozen
class Parameter:
    """One keyword argument: its name on the wire, its check, and whether None is refused instead of left out."""

    wire: str
    check: Callable[[str, Any], Any] = string
    required: bool = False


@attrs.frozen
class Route:
    """One tunnelled request; ``path`` has the placeholders ``{ws}`` (workspace), ``{wk}`` (own worker) and others.

    ``fixed`` are parameters with the same value in each request, under their wire names.
    """

    method: str
    path: str
    api_version: str = "v1"
    # Left out of the hash, which mappings do not have.
    parameters: Mapping[str, Parameter] = attrs.field(factory=dict, hash=False)
    fixed: Mapping[str, str] = attrs.field(factory=dict, hash=False)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def url(self, **sids: str) -> str:
        """Return the path with the sids inserted, escaped, since they are opaque.

        Args:
            **sids: Sids by placeholder.

        Returns:
            The path.

        Raises:
            TypeError, ValueError: A sid is not a string, or is invalid.
        """
        return self.path.format_map({name: _segment(name, sid) for name, sid in sids.items()})

    def encode(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Validate arguments, and convert them to parameters under their wire names, in the order of the table.

        Args:
            values: Arguments by name. One that is None or missing is left out, unless it is required.

        Returns:
            The parameters.

        Raises:
            TypeError, ValueError: An argument is invalid; the text has its name.
        """
        encoded: dict[str, Any] = dict(self.fixed)
        for name, parameter in self.parameters.items():
            value = values.get(name)
            if value is not None or parameter.required:
                encoded[parameter.wire] = parameter.check(name, value)
        return encoded


def required(wire: str, check: Callable[[str, Any], Any] = string) -> Parameter:
    """Define an argument that every request has.

    Args:
        wire: Name on the wire.
        check: Validates and converts the value.

    Returns:
        The parameter.
    """
    return Parameter(wire, check, required=True)


# Paths, parameters and API versions are those of the JS SDK.
_WORKERS = "Workspaces/{ws}/Workers"
_WORKER = "Workspaces/{ws}/Workers/{wk}"
_RESERVATION = "Workspaces/{ws}/Workers/{wk}/Reservations/{reservation}"
_TASKS = "Workspaces/{ws}/Tasks"
_TASK = "Workspaces/{ws}/Tasks/{task}"
_QUEUES = "Workspaces/{ws}/TaskQueues"

# The worker

GET_WORKER = Route("GET", _WORKER)
LIST_ACTIVITIES = Route("GET", "Workspaces/{ws}/Activities")
LIST_CHANNELS = Route("GET", _WORKER + "/WorkerChannels")
# In v2 each reservation has its task inside.
LIST_RESERVATIONS = Route("GET", _WORKER + "/Reservations", "v2")
# Attributes are sent as an object, though the service returns them as text.
SET_ATTRIBUTES = Route("POST", _WORKER, parameters={"attributes": required("Attributes", json_object)})
SET_ACTIVITY = Route(
    "POST",
    _WORKER,
    parameters={
        "activity_sid": required("ActivitySid"),
        "reject_pending_reservations": Parameter("RejectPendingReservations", boolean),
    },
)

# Reservations

GET_RESERVATION = Route("GET", _RESERVATION)
ACCEPT = Route("POST", _RESERVATION, fixed={"ReservationStatus": "accepted"})
REJECT = Route(
    "POST",
    _RESERVATION,
    parameters={"activity_sid": Parameter("WorkerActivitySid")},
    fixed={"ReservationStatus": "rejected"},
)
COMPLETE_RESERVATION = Route("POST", _RESERVATION, fixed={"ReservationStatus": "completed"})
WRAP = Route("POST", _RESERVATION, fixed={"ReservationStatus": "wrapping"})
CALL = Route(
    "POST",
    _RESERVATION,
    parameters={
        "from_": required("CallFrom"),
        "url": required("CallUrl"),
        "accept": Parameter("CallAccept", boolean),
        "record": Parameter("CallRecord"),
        "status_callback_url": Parameter("CallStatusCallbackUrl"),
        "timeout": Parameter("CallTimeout", integer),
        "to": Parameter("CallTo"),
    },
    fixed={"Instruction": "call"},
)
DEQUEUE = Route(
    "POST",
    _RESERVATION,
    parameters={
        "to": Parameter("DequeueTo"),
        "from_": Parameter("DequeueFrom"),
        "post_work_activity_sid": Parameter("DequeuePostWorkActivitySid"),
        "record": Parameter("DequeueRecord"),
        "timeout": Parameter("DequeueTimeout", integer),
        "status_callback_url": Parameter("DequeueStatusCallbackUrl"),
        "status_callback_events": Parameter("DequeueStatusCallbackEvents"),
    },
    fixed={"Instruction": "dequeue"},
)
REDIRECT = Route(
    "POST",
    _RESERVATION,
    parameters={
        "call_sid": required("RedirectCallSid"),
        "url": required("RedirectUrl"),
        "accept": Parameter("RedirectAccept", boolean),
    },
    fixed={"Instruction": "redirect"},
)
CONFERENCE = Route(
    "POST",
    _RESERVATION,
    parameters={
        "to": Parameter("To"),
        "from_": Parameter("From"),
        "timeout": Parameter("Timeout", integer),
        "status_callback": Parameter("StatusCallback"),
        "status_callback_method": Parameter("StatusCallbackMethod"),
        "status_callback_event": Parameter("StatusCallbackEvent"),
        "record": Parameter("Record"),
        "muted": Parameter("Muted", boolean),
        "beep": Parameter("Beep", boolean_or_string),
        "start_conference_on_enter": Parameter("StartConferenceOnEnter", boolean),
        "end_conference_on_exit": Parameter("EndConferenceOnExit", boolean),
        "end_conference_on_customer_exit": Parameter("EndConferenceOnCustomerExit", boolean),
        "beep_on_customer_entrance": Parameter("BeepOnCustomerEntrance", boolean),
        "wait_url": Parameter("WaitUrl"),
        "wait_method": Parameter("WaitMethod"),
        "early_media": Parameter("EarlyMedia", boolean),
        "max_participants": Parameter("MaxParticipants", integer),
        "conference_status_callback": Parameter("ConferenceStatusCallback"),
        "conference_status_callback_method": Parameter("ConferenceStatusCallbackMethod"),
        "conference_status_callback_event": Parameter("ConferenceStatusCallbackEvent"),
        "conference_record": Parameter("ConferenceRecord", boolean_or_string),
        "conference_trim": Parameter("ConferenceTrim"),
        "recording_channels": Parameter("RecordingChannels"),
        "recording_status_callback": Parameter("RecordingStatusCallback"),
        "recording_status_callback_method": Parameter("RecordingStatusCallbackMethod"),
        "conference_recording_status_callback": Parameter("ConferenceRecordingStatusCallback"),
        "conference_recording_status_callback_method": Parameter("ConferenceRecordingStatusCallbackMethod"),
        "region": Parameter("Region"),
        "sip_auth_username": Parameter("SipAuthUsername"),
        "sip_auth_password": Parameter("SipAuthPassword"),
        "transcribe": Parameter("Transcribe", boolean),
        "transcription_configuration": Parameter("TranscriptionConfiguration"),
    },
    fixed={"Instruction": "conference"},
)
UPDATE_WORKER_PARTICIPANT = Route(
    "POST",
    _WORKER + "/WorkerParticipant",
    "v2",
    parameters={
        "reservation_sid": required("ReservationSid"),
        "end_conference_on_exit": Parameter("EndConferenceOnExit", boolean),
        "mute": Parameter("Mute", boolean),
        "beep_on_exit": Parameter("BeepOnExit", boolean),
    },
)

# Tasks

GET_TASK = Route("GET", _TASK)
CREATE_TASK = Route(
    "POST",
    _TASKS,
    parameters={
        "workflow_sid": required("WorkflowSid"),
        "task_queue_sid": required("TaskQueueSid"),
        "worker_sid": required("RoutingTarget"),
        "virtual_start_time": Parameter("VirtualStartTime", instant),
        "task_channel_unique_name": Parameter("TaskChannelUniqueName"),
        "task_channel_sid": Parameter("TaskChannelSid"),
        "attributes": required("Attributes", json_object),
    },
)
COMPLETE_TASK = Route("POST", _TASK, parameters={"reason": required("Reason")}, fixed={"AssignmentStatus": "completed"})
WRAP_UP = Route("POST", _TASK, parameters={"reason": Parameter("Reason")}, fixed={"AssignmentStatus": "wrapping"})
SET_TASK_ATTRIBUTES = Route("POST", _TASK, parameters={"attributes": required("Attributes", json_object)})
SET_VIRTUAL_START_TIME = Route("POST", _TASK, parameters={"virtual_start_time": required("VirtualStartTime", instant)})
UPDATE_CUSTOMER_PARTICIPANT = Route(
    "POST",
    _WORKER + "/CustomerParticipant",
    "v2",
    parameters={
        "task_sid": required("TaskSid"),
        "hold": Parameter("Hold", boolean),
        "hold_url": Parameter("HoldUrl"),
        "hold_method": Parameter("HoldMethod"),
    },
)
HOLD_WORKER = Route(
    "POST",
    _WORKER + "/HoldWorkerParticipant",
    "v2",
    parameters={
        "task_sid": required("TaskSid"),
        "target_worker_sid": required("TargetWorkerSid"),
        "on_hold": required("Hold", boolean),
        "hold_url": Parameter("HoldUrl"),
        "hold_method": Parameter("HoldMethod"),
    },
)
KICK_WORKER = Route(
    "POST",
    _WORKER + "/KickWorkerParticipant",
    "v2",
    parameters={"task_sid": required("TaskSid"), "worker_sid": required("TargetWorkerSid")},
)
CREATE_TRANSFER = Route(
    "POST",
    _WORKER + "/Transfers",
    "v2",
    parameters={
        "reservation_sid": required("ReservationSid"),
        "task_sid": required("TaskSid"),
        "to": required("To"),
        "attributes": Parameter("Attributes", json_object),
        "mode": Parameter("Mode", one_of("WARM", "COLD")),
        "priority": Parameter("Priority", non_negative),
    },
)
CANCEL_TRANSFER = Route(
    "POST",
    _WORKER + "/Transfers/{transfer}",
    "v2",
    parameters={"task_sid": required("TaskSid")},
    fixed={"TransferStatus": "canceled"},
)
SUPERVISE = Route(
    "POST",
    "Workspaces/{ws}/Tasks/{task}/Reservations/{reservation}",
    parameters={"supervisor_sid": required("Supervisor"), "mode": required("SupervisorMode")},
    fixed={"Instruction": "supervise"},
)

# The workspace

LIST_WORKERS = Route(
    "GET",
    _WORKERS,
    parameters={
        "after_sid": Parameter("AfterSid"),
        "friendly_name": Parameter("FriendlyName"),
        "activity_sid": Parameter("ActivitySid"),
        "activity_name": Parameter("ActivityName"),
        "ordering": Parameter("Ordering"),
        "target_workers_expression": Parameter("TargetWorkersExpression"),
    },
)
LIST_TASK_QUEUES = Route(
    "GET",
    _QUEUES,
    parameters={
        "after_sid": Parameter("AfterSid"),
        "friendly_name": Parameter("FriendlyName"),
        "ordering": Parameter("Ordering"),
        "worker_sid": Parameter("WorkerSid"),
    },
)
GET_TASK_QUEUE = Route("GET", _QUEUES + "/{queue}")

PAGE_SIZE = 1000
"""Records asked for at a time, the most the service gives."""

_NAMES = {id(value): name.lower() for name, value in list(globals().items()) if isinstance(value, Route)}


def name_of(route: Route) -> str:
    """Return the name of a request in metrics and histories, e.g. ``accept``.

    Args:
        route: The route.

    Returns:
        The name.
    """
    return _NAMES.get(id(route), str(route))
