"""Every request the client can make: method, path, API version, and its parameters. Pure.

This is the only place that knows paths and parameter names. Arguments are checked here, before any request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any
from urllib.parse import quote

import attrs

from .._json import dumps, loads

__all__ = ["Parameter", "Parameters", "Route", "boolean", "instant", "integer", "json_object", "string"]


@attrs.frozen
class Route:
    """One tunnelled request; ``path`` has the placeholders ``{ws}`` (workspace), ``{wk}`` (own worker) and others."""

    method: str
    path: str
    api_version: str = "v1"

    def url(self, **sids: str) -> str:
        """The path with sids put in; they are opaque, and escaped."""
        return self.path.format_map({name: _segment(name, sid) for name, sid in sids.items()})


def _segment(name: str, sid: str) -> str:
    if not isinstance(sid, str):
        raise TypeError(f"{name} should be a sid (a string), not {type(sid).__name__}")
    if sid in ("", ".", ".."):
        raise ValueError(f"{name} should be a sid, not {sid!r}")
    return quote(sid, safe="")


# -- checks of single values: each returns what goes on the wire ---------------------------------------------------


def string(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} should be a string, not {type(value).__name__}")
    return value


def boolean(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{name} should be True or False, not {type(value).__name__}")
    return value


def integer(name: str, value: object) -> int:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} should be a whole number, not {type(value).__name__}")
    return value


def boolean_or_string(name: str, value: object) -> bool | str:
    if not isinstance(value, (bool, str)):
        raise TypeError(f"{name} should be True, False or a string, not {type(value).__name__}")
    return value


def json_object(name: str, value: object) -> dict[str, Any]:
    """A mapping that JSON can carry; it goes out as an object, and later changes of the mapping do not matter."""
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} should be a mapping, not {type(value).__name__}")
    plain = dict(value)
    for key in plain:
        if not isinstance(key, str):
            raise TypeError(f"{name} should have strings as keys, not {type(key).__name__}")
    try:
        # Rendered and read back: what is inside may change before it is sent.
        return dict(loads(dumps(plain)))
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
    # Outside of the handler: the encoder's exception can show a customer's value, and would stay attached.
    raise kind(f"{name} should hold only what JSON can carry")


def instant(name: str, value: object) -> str:
    """A date as the service wants it: UTC, whole seconds (a fraction is cut)."""
    if not isinstance(value, datetime):
        raise TypeError(f"{name} should be a datetime, not {type(value).__name__}")
    if value.tzinfo is None:
        raise ValueError(
            f"{name} should be a datetime with a time zone, e.g. datetime.now(timezone.utc); this one has none"
        )
    try:
        return value.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    except OverflowError:
        raise ValueError(f"{name} should be a date between the years 1 and 9999 in UTC") from None


def one_of(*values: str) -> Callable[[str, object], str]:
    def check(name: str, value: object) -> str:
        if string(name, value) not in values:
            raise ValueError(f"{name} should be {' or '.join(map(repr, values))}, not {value!r}")
        return str(value)

    return check


def non_negative(name: str, value: object) -> int:
    number = integer(name, value)
    if number < 0:
        raise ValueError(f"{name} should be 0 or more, not {number}")
    return number


# -- options -------------------------------------------------------------------------------------------------------


@attrs.frozen
class Parameter:
    """One keyword argument: its name on the wire and its check."""

    wire: str
    check: Callable[[str, Any], Any] = string


class Parameters:
    """The keyword arguments of one method."""

    def __init__(self, **parameters: Parameter) -> None:
        self.parameters = parameters

    def encode(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Those that were given (not None), checked, under their wire names, in the order of this table."""
        return {
            parameter.wire: parameter.check(name, values[name])
            for name, parameter in self.parameters.items()
            if values.get(name) is not None
        }


P = Parameter

REJECT = Parameters(activity_sid=P("WorkerActivitySid"))

CALL = Parameters(
    accept=P("CallAccept", boolean),
    record=P("CallRecord"),
    status_callback_url=P("CallStatusCallbackUrl"),
    timeout=P("CallTimeout", integer),
    to=P("CallTo"),
)

DEQUEUE = Parameters(
    to=P("DequeueTo"),
    from_=P("DequeueFrom"),
    post_work_activity_sid=P("DequeuePostWorkActivitySid"),
    record=P("DequeueRecord"),
    timeout=P("DequeueTimeout", integer),
    status_callback_url=P("DequeueStatusCallbackUrl"),
    status_callback_events=P("DequeueStatusCallbackEvents"),
)

REDIRECT = Parameters(accept=P("RedirectAccept", boolean))

CONFERENCE = Parameters(
    to=P("To"),
    from_=P("From"),
    timeout=P("Timeout", integer),
    status_callback=P("StatusCallback"),
    status_callback_method=P("StatusCallbackMethod"),
    status_callback_event=P("StatusCallbackEvent"),
    record=P("Record"),
    muted=P("Muted", boolean),
    beep=P("Beep", boolean_or_string),
    start_conference_on_enter=P("StartConferenceOnEnter", boolean),
    end_conference_on_exit=P("EndConferenceOnExit", boolean),
    end_conference_on_customer_exit=P("EndConferenceOnCustomerExit", boolean),
    beep_on_customer_entrance=P("BeepOnCustomerEntrance", boolean),
    wait_url=P("WaitUrl"),
    wait_method=P("WaitMethod"),
    early_media=P("EarlyMedia", boolean),
    max_participants=P("MaxParticipants", integer),
    conference_status_callback=P("ConferenceStatusCallback"),
    conference_status_callback_method=P("ConferenceStatusCallbackMethod"),
    conference_status_callback_event=P("ConferenceStatusCallbackEvent"),
    conference_record=P("ConferenceRecord", boolean_or_string),
    conference_trim=P("ConferenceTrim"),
    recording_channels=P("RecordingChannels"),
    recording_status_callback=P("RecordingStatusCallback"),
    recording_status_callback_method=P("RecordingStatusCallbackMethod"),
    conference_recording_status_callback=P("ConferenceRecordingStatusCallback"),
    conference_recording_status_callback_method=P("ConferenceRecordingStatusCallbackMethod"),
    region=P("Region"),
    sip_auth_username=P("SipAuthUsername"),
    sip_auth_password=P("SipAuthPassword"),
    transcribe=P("Transcribe", boolean),
    transcription_configuration=P("TranscriptionConfiguration"),
)

WORKER_PARTICIPANT = Parameters(
    end_conference_on_exit=P("EndConferenceOnExit", boolean),
    mute=P("Mute", boolean),
    beep_on_exit=P("BeepOnExit", boolean),
)

CUSTOMER_PARTICIPANT = Parameters(hold=P("Hold", boolean), hold_url=P("HoldUrl"), hold_method=P("HoldMethod"))

HOLD = Parameters(hold_url=P("HoldUrl"), hold_method=P("HoldMethod"))

TRANSFER = Parameters(
    attributes=P("Attributes", json_object),
    mode=P("Mode", one_of("WARM", "COLD")),
    priority=P("Priority", non_negative),
)

CREATE_TASK = Parameters(
    virtual_start_time=P("VirtualStartTime", instant),
    task_channel_unique_name=P("TaskChannelUniqueName"),
    task_channel_sid=P("TaskChannelSid"),
)

SET_ACTIVITY = Parameters(reject_pending_reservations=P("RejectPendingReservations", boolean))

WORKERS = Parameters(
    after_sid=P("AfterSid"),
    friendly_name=P("FriendlyName"),
    activity_sid=P("ActivitySid"),
    activity_name=P("ActivityName"),
    ordering=P("Ordering"),
    target_workers_expression=P("TargetWorkersExpression"),
)

TASK_QUEUES = Parameters(
    after_sid=P("AfterSid"), friendly_name=P("FriendlyName"), ordering=P("Ordering"), worker_sid=P("WorkerSid")
)

# -- routes --------------------------------------------------------------------------------------------------------

GET_WORKER = Route("GET", "Workspaces/{ws}/Workers/{wk}")
UPDATE_WORKER = Route("POST", "Workspaces/{ws}/Workers/{wk}")
LIST_ACTIVITIES = Route("GET", "Workspaces/{ws}/Activities")
LIST_CHANNELS = Route("GET", "Workspaces/{ws}/Workers/{wk}/WorkerChannels")
LIST_RESERVATIONS = Route("GET", "Workspaces/{ws}/Workers/{wk}/Reservations", "v2")
GET_RESERVATION = Route("GET", "Workspaces/{ws}/Workers/{wk}/Reservations/{reservation}")
UPDATE_RESERVATION = Route("POST", "Workspaces/{ws}/Workers/{wk}/Reservations/{reservation}")
UPDATE_WORKER_PARTICIPANT = Route("POST", "Workspaces/{ws}/Workers/{wk}/WorkerParticipant", "v2")
CREATE_TASK_ROUTE = Route("POST", "Workspaces/{ws}/Tasks")
GET_TASK = Route("GET", "Workspaces/{ws}/Tasks/{task}")
UPDATE_TASK = Route("POST", "Workspaces/{ws}/Tasks/{task}")
CREATE_TRANSFER = Route("POST", "Workspaces/{ws}/Workers/{wk}/Transfers", "v2")
UPDATE_TRANSFER = Route("POST", "Workspaces/{ws}/Workers/{wk}/Transfers/{transfer}", "v2")
UPDATE_CUSTOMER_PARTICIPANT = Route("POST", "Workspaces/{ws}/Workers/{wk}/CustomerParticipant", "v2")
HOLD_WORKER = Route("POST", "Workspaces/{ws}/Workers/{wk}/HoldWorkerParticipant", "v2")
KICK_WORKER = Route("POST", "Workspaces/{ws}/Workers/{wk}/KickWorkerParticipant", "v2")
SUPERVISE = Route("POST", "Workspaces/{ws}/Tasks/{task}/Reservations/{reservation}")
LIST_WORKERS = Route("GET", "Workspaces/{ws}/Workers")
LIST_TASK_QUEUES = Route("GET", "Workspaces/{ws}/TaskQueues")
GET_TASK_QUEUE = Route("GET", "Workspaces/{ws}/TaskQueues/{queue}")

PAGE_SIZE = 1000
"""Records asked for at a time, the most the service gives."""
