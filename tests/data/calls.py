"""Every call of the client as data: what goes over the wire, and what comes back.

The sections are those of the description of the event bridge's protocol (4.1 to 4.7); ``COUNTS`` says how many rows
each of them has there. Texts in braces stand for sids of the workspace that the tests use. Rows that the JS SDK does
not have are marked and not counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from types import MappingProxyType
from typing import Any

COUNTS = {
    "4.1": 5,
    "4.1 constructor": 12,
    "4.2": 1,
    "4.3": 9,
    "4.3 options": 9,
    "4.4": 10,
    "4.4 options": 3,
    "4.4.1": 18,
    "4.4.2": 32,
    "4.5": 1,
    "4.6": 3,
    "4.7": 6,
    "4.7 filters": 11,
    "4.8": 3,
}
"""Rows of each section; of the constructor, of methods whose options stand in the text of a row, and of the filters
of lists: names. Of 4.8, the keys that are used."""

NONE: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Row:
    """One method."""

    section: str
    owner: str
    """The class; ``Supervisor`` has all of ``Worker``."""
    method: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of the plainest call, by name."""
    sent: tuple[str, str, str] | None = None
    """Tunnelled method, url, API version; None where nothing goes out."""
    params: Mapping[str, Any] = field(default_factory=dict)
    if_match: str | None = None
    """Whose version is sent, with ``enable_version_check``."""
    answer: str = "nothing"
    """What comes back: ``worker``, ``task``, ``reservation`` (the bare form), ``transfer``, ``other worker``,
    ``task queue``, ``new task``, ``workers``, ``task queues``."""
    uses: bool = True
    """Whether the answer changes the object."""
    result: str = "itself"
    """What the Future resolves to: ``itself``, ``sid``, ``nothing``, or the class of what was read."""
    alias: str | None = None
    """Deprecated other name."""
    ours: bool = False

    @property
    def id(self) -> str:
        """What the row is called in a test's name."""
        return f"{self.owner}.{self.method}"


@dataclass(frozen=True)
class Option:
    """One keyword argument, and the methods that have it."""

    section: str
    methods: tuple[str, ...]
    argument: str
    param: str | None
    """Name on the wire; None for what only the client knows."""
    kind: str

    @property
    def id(self) -> str:
        """What the row is called in a test's name."""
        return f"{'+'.join(self.methods)}({self.argument})"


_TASK = "Workspaces/{ws}/Tasks/{task}"
_RESERVATION = "Workspaces/{ws}/Workers/{wk}/Reservations/{reservation}"
_WORKER = "Workspaces/{ws}/Workers/{wk}"
_OTHER = "Workspaces/{ws}/Workers/{other}"
_SUPERVISE = "Workspaces/{ws}/Tasks/{task}/Reservations/{reservation}"
_ATTRIBUTES = {"text": "ü", "number": 1, "decimal": 1.5, "yes": True, "none": None, "list": [1, {"a": []}]}
_WHEN = datetime(2026, 1, 1, 12, 0, 5, 999999, tzinfo=timezone(timedelta(hours=2)))


def _reservation_row(method: str, params: dict[str, Any], arguments: Mapping[str, Any] = NONE, **more: Any) -> Row:
    sent = ("POST", _RESERVATION, "v1")
    return Row("4.4", "Reservation", method, arguments, sent, params, answer="reservation", **more)


def _task_row(method: str, params: dict[str, Any], arguments: Mapping[str, Any] = NONE) -> Row:
    return Row("4.3", "Task", method, arguments, ("POST", _TASK, "v1"), params, "task", answer="task")


def _participant_row(method: str, path: str, params: dict[str, Any], arguments: Mapping[str, Any] = NONE) -> Row:
    return Row("4.3", "Task", method, arguments, ("POST", f"{_WORKER}/{path}", "v2"), params, answer="task")


def _supervise_row(mode: str, *, ours: bool) -> Row:
    params = {"Instruction": "supervise", "Supervisor": "{wk}", "SupervisorMode": mode}
    arguments = {"task_sid": "{task}", "reservation_sid": "{reservation}"}
    sent = ("POST", _SUPERVISE, "v1")
    return Row(
        "4.6",
        "Supervisor",
        mode,
        arguments,
        sent,
        params,
        answer="reservation",
        uses=False,
        result="nothing",
        ours=ours,
    )


ROWS = (
    Row(
        "4.1", "Worker", "create_task",
        {"to": "+15550100042", "from_": "+15550100099", "workflow_sid": "WWflow", "task_queue_sid": "WQueue"},
        ("POST", "Workspaces/{ws}/Tasks", "v1"),
        {
            "WorkflowSid": "WWflow", "TaskQueueSid": "WQueue", "RoutingTarget": "{wk}",
            "Attributes": {"outbound_to": "+15550100042", "from": "+15550100099"},
        },
        answer="new task", uses=False, result="sid",
    ),
    Row(
        "4.1", "Worker", "set_attributes", {"attributes": _ATTRIBUTES}, ("POST", _WORKER, "v1"),
        {"Attributes": _ATTRIBUTES}, "worker", answer="worker",
    ),
    Row("4.1", "Worker", "fetch_latest_version", NONE, ("GET", _WORKER, "v1"), answer="worker"),
    Row("4.1", "Worker", "update_token", {"token": "another.token.text"}),
    Row("4.1", "Worker", "disconnect"),
    Row(
        "4.2", "Activity", "set_as_current", NONE, ("POST", _WORKER, "v1"), {"ActivitySid": "{activity}"}, "worker",
        answer="worker",
    ),
    Row(
        "4.2", "Worker", "set_activity", {"activity": "{activity}"}, ("POST", _WORKER, "v1"),
        {"ActivitySid": "{activity}"}, "worker", answer="worker", result="activity", ours=True,
    ),
    _task_row("complete", {"AssignmentStatus": "completed", "Reason": "sold"}, {"reason": "sold"}),
    _task_row("wrap_up", {"AssignmentStatus": "wrapping"}),
    _task_row("set_attributes", {"Attributes": _ATTRIBUTES}, {"attributes": _ATTRIBUTES}),
    _task_row(
        "set_virtual_start_time", {"VirtualStartTime": "2026-01-01T10:00:05Z"}, {"virtual_start_time": _WHEN}
    ),
    Row(
        "4.3", "Task", "transfer", {"to": "{other}"}, ("POST", f"{_WORKER}/Transfers", "v2"),
        {"ReservationSid": "{reservation}", "TaskSid": "{task}", "To": "{other}"}, answer="new transfer",
    ),
    _participant_row("update_participant", "CustomerParticipant", {"TaskSid": "{task}"}),
    _participant_row(
        "hold", "HoldWorkerParticipant", {"TaskSid": "{task}", "TargetWorkerSid": "{other}", "Hold": False},
        {"target_worker_sid": "{other}", "on_hold": False},
    ),
    _participant_row(
        "kick", "KickWorkerParticipant", {"TaskSid": "{task}", "TargetWorkerSid": "{other}"}, {"worker_sid": "{other}"}
    ),
    Row("4.3", "Task", "fetch_latest_version", NONE, ("GET", _TASK, "v1"), answer="task"),
    _reservation_row("accept", {"ReservationStatus": "accepted"}, if_match="reservation"),
    _reservation_row("complete", {"ReservationStatus": "completed"}, if_match="reservation"),
    _reservation_row("wrap", {"ReservationStatus": "wrapping"}, if_match="reservation"),
    _reservation_row("reject", {"ReservationStatus": "rejected"}, if_match="reservation"),
    _reservation_row(
        "call", {"Instruction": "call", "CallFrom": "+15550100001", "CallUrl": "https://example.com/answer"},
        {"from_": "+15550100001", "url": "https://example.com/answer"},
    ),
    _reservation_row("dequeue", {"Instruction": "dequeue"}),
    _reservation_row(
        "redirect",
        {"Instruction": "redirect", "RedirectCallSid": "CA1", "RedirectUrl": "https://example.com/redirect"},
        {"call_sid": "CA1", "url": "https://example.com/redirect"},
    ),
    _reservation_row("conference", {"Instruction": "conference"}, uses=False),
    Row(
        "4.4", "Reservation", "update_participant", NONE, ("POST", f"{_WORKER}/WorkerParticipant", "v2"),
        {"ReservationSid": "{reservation}"}, answer="reservation", uses=False,
    ),
    Row("4.4", "Reservation", "fetch_latest_version", NONE, ("GET", _RESERVATION, "v1"), answer="reservation"),
    Row(
        "4.5", "OutgoingTransfer", "cancel", NONE, ("POST", f"{_WORKER}/Transfers/{{transfer}}", "v2"),
        {"TaskSid": "{task}", "TransferStatus": "canceled"}, answer="transfer",
    ),
    _supervise_row("monitor", ours=False),
    _supervise_row("whisper", ours=True),
    _supervise_row("barge", ours=True),
    Row(
        "4.6", "Supervisor", "set_worker_attributes", {"worker_sid": "{other}", "attributes": _ATTRIBUTES},
        ("POST", _OTHER, "v1"), {"Attributes": _ATTRIBUTES}, answer="other worker", uses=False, result="WorkerInfo",
    ),
    Row(
        "4.6", "Supervisor", "set_worker_activity", {"worker_sid": "{other}", "activity_sid": "{activity}"},
        ("POST", _OTHER, "v1"), {"ActivitySid": "{activity}"}, answer="other worker", uses=False, result="WorkerInfo",
    ),
    Row(
        "4.7", "Workspace", "fetch_worker_info", {"sid": "{other}"}, ("GET", _OTHER, "v1"), answer="other worker",
        result="WorkerInfo", alias="fetch_worker",
    ),
    Row(
        "4.7", "Workspace", "fetch_workers_info", NONE, ("GET", "Workspaces/{ws}/Workers", "v1"), {"PageSize": 1000},
        answer="workers", result="WorkerInfo", alias="fetch_workers",
    ),
    Row(
        "4.7", "Workspace", "fetch_task_queue", {"sid": "{queue}"}, ("GET", "Workspaces/{ws}/TaskQueues/{queue}", "v1"),
        answer="task queue", result="TaskQueue",
    ),
    Row(
        "4.7", "Workspace", "fetch_task_queues", NONE, ("GET", "Workspaces/{ws}/TaskQueues", "v1"), {"PageSize": 1000},
        answer="task queues", result="TaskQueue",
    ),
    Row("4.7", "Workspace", "fetch_task", {"sid": "{task}"}, ("GET", _TASK, "v1"), answer="task", result="TaskInfo"),
    Row("4.7", "Workspace", "update_token", {"token": "another.token.text"}),
)  # fmt: skip

_CONFERENCE = {
    "to": "string",
    "from_": "string",
    "timeout": "integer",
    "status_callback": "string",
    "status_callback_method": "string",
    "status_callback_event": "string",
    "record": "string",
    "muted": "boolean",
    "beep": "boolean or string",
    "start_conference_on_enter": "boolean",
    "end_conference_on_exit": "boolean",
    "end_conference_on_customer_exit": "boolean",
    "beep_on_customer_entrance": "boolean",
    "wait_url": "string",
    "wait_method": "string",
    "early_media": "boolean",
    "max_participants": "integer",
    "conference_status_callback": "string",
    "conference_status_callback_method": "string",
    "conference_status_callback_event": "string",
    "conference_record": "boolean or string",
    "conference_trim": "string",
    "recording_channels": "string",
    "recording_status_callback": "string",
    "recording_status_callback_method": "string",
    "conference_recording_status_callback": "string",
    "conference_recording_status_callback_method": "string",
    "region": "string",
    "sip_auth_username": "string",
    "sip_auth_password": "string",
    "transcribe": "boolean",
    "transcription_configuration": "string",
}


def camel_case(name: str, *, upper: bool = False) -> str:
    """The JS SDK's spelling of a name, or (``upper``) the wire's."""
    first, *rest = name.rstrip("_").split("_")
    return (first.title() if upper else first) + "".join(each.title() for each in rest)


def _options(section: str, methods: str, **rows: tuple[str | None, str]) -> tuple[Option, ...]:
    return tuple(Option(section, tuple(methods.split()), name, *row) for name, row in rows.items())


OPTIONS = (
    *_options("4.3 options", "Task.wrap_up", reason=("Reason", "string")),
    *_options(
        "4.3 options", "Task.transfer",
        attributes=("Attributes", "object"), mode=("Mode", "mode"), priority=("Priority", "integer from 0"),
    ),
    *_options("4.3 options", "Task.update_participant", hold=("Hold", "boolean")),
    *_options(
        "4.3 options", "Task.update_participant", hold_url=("HoldUrl", "string"), hold_method=("HoldMethod", "string")
    ),
    *_options("4.3 options", "Task.hold", hold_url=("HoldUrl", "string"), hold_method=("HoldMethod", "string")),
    *_options(
        "4.4 options", "Reservation.update_participant",
        end_conference_on_exit=("EndConferenceOnExit", "boolean"), mute=("Mute", "boolean"),
        beep_on_exit=("BeepOnExit", "boolean"),
    ),
    *_options("4.4.1", "Reservation.reject", activity_sid=("WorkerActivitySid", "string")),
    *_options(
        "4.4.1", "Reservation.call",
        accept=("CallAccept", "boolean"), record=("CallRecord", "string"),
        status_callback_url=("CallStatusCallbackUrl", "string"), timeout=("CallTimeout", "integer"),
        to=("CallTo", "string"),
    ),
    *_options(
        "4.4.1", "Reservation.dequeue",
        to=("DequeueTo", "string"), from_=("DequeueFrom", "string"),
        post_work_activity_sid=("DequeuePostWorkActivitySid", "string"), record=("DequeueRecord", "string"),
        timeout=("DequeueTimeout", "integer"), status_callback_url=("DequeueStatusCallbackUrl", "string"),
        status_callback_events=("DequeueStatusCallbackEvents", "string"),
    ),
    *_options("4.4.1", "Reservation.redirect", accept=("RedirectAccept", "boolean")),
    *_options(
        "4.4.1", "Worker.create_task",
        task_channel_unique_name=("TaskChannelUniqueName", "string"), task_channel_sid=("TaskChannelSid", "string"),
        virtual_start_time=("VirtualStartTime", "date"),
    ),
    *_options(
        "4.4.1", "Activity.set_as_current Worker.set_activity Supervisor.set_worker_activity",
        reject_pending_reservations=("RejectPendingReservations", "boolean"),
    ),
    *_options(
        "4.4.2", "Reservation.conference",
        **{name: (camel_case(name, upper=True), kind) for name, kind in _CONFERENCE.items()},
    ),
    *_options(
        "4.7 filters", "Workspace.fetch_workers_info",
        after_sid=("AfterSid", "filter"), friendly_name=("FriendlyName", "filter"),
        activity_sid=("ActivitySid", "filter"), activity_name=("ActivityName", "filter"),
        ordering=("Ordering", "filter"), target_workers_expression=("TargetWorkersExpression", "filter"),
        max_workers=(None, "integer from 1"),
    ),
    *_options(
        "4.7 filters", "Workspace.fetch_task_queues",
        after_sid=("AfterSid", "filter"), friendly_name=("FriendlyName", "filter"), ordering=("Ordering", "filter"),
        worker_sid=("WorkerSid", "filter"),
    ),
)  # fmt: skip

ARGUMENTS = {
    "Worker.create_task": {
        "to": "string", "from_": "string", "workflow_sid": "string", "task_queue_sid": "string",
        "attributes": "optional object",
    },
    "Worker.set_attributes": {"attributes": "object"},
    "Worker.set_activity": {"activity": "name"},
    "Worker.update_token": {"token": "token"},
    "Worker.disconnect": {"timeout": "client side"},
    "Task.complete": {"reason": "string"},
    "Task.set_attributes": {"attributes": "object"},
    "Task.set_virtual_start_time": {"virtual_start_time": "date"},
    "Task.transfer": {"to": "string"},
    "Task.hold": {"target_worker_sid": "string", "on_hold": "boolean"},
    "Task.kick": {"worker_sid": "string"},
    "Reservation.call": {"from_": "string", "url": "string"},
    "Reservation.redirect": {"call_sid": "string", "url": "string"},
    "Supervisor.monitor": {"task_sid": "sid", "reservation_sid": "sid", "extra_params": "optional object"},
    "Supervisor.whisper": {"task_sid": "sid", "reservation_sid": "sid", "extra_params": "optional object"},
    "Supervisor.barge": {"task_sid": "sid", "reservation_sid": "sid", "extra_params": "optional object"},
    "Supervisor.set_worker_attributes": {"worker_sid": "sid", "attributes": "object"},
    "Supervisor.set_worker_activity": {"worker_sid": "sid", "activity_sid": "string"},
    "Workspace.fetch_worker_info": {"sid": "sid"},
    "Workspace.fetch_task_queue": {"sid": "sid"},
    "Workspace.fetch_task": {"sid": "sid"},
    "Workspace.update_token": {"token": "token"},
}  # fmt: skip
"""The arguments that are no options: for each, what it takes. ``optional``: may be left out or None."""


@dataclass(frozen=True)
class ConstructorArgument:
    """One argument of Worker's constructor."""

    js_name: str
    name: str | None
    """None where Python has no counterpart: the keyword is refused."""
    kind: str
    default: object = None


CONSTRUCTOR = (
    ConstructorArgument("token", "token", "token"),
    ConstructorArgument("connectActivitySid", "connect_activity_sid", "string", ""),
    ConstructorArgument("logLevel", "log_level", "log level", None),
    ConstructorArgument("ebServer", "eb_server", "url", None),
    ConstructorArgument("wsServer", "ws_server", "url", None),
    ConstructorArgument("region", "region", "string", None),
    ConstructorArgument("closeExistingSessions", "close_existing_sessions", "boolean", False),
    ConstructorArgument("enableVersionCheck", "enable_version_check", "boolean", False),
    ConstructorArgument("useGraphQL", None, "an unfinished experiment of the JS SDK"),
    ConstructorArgument("setWorkerOfflineIfDisconnected", "set_worker_offline_if_disconnected", "boolean", None),
    ConstructorArgument("eventHandlerClass", None, "a hook into the JS SDK's own classes"),
    ConstructorArgument("edge", "edge", "string", None),
)

LIST_KEYS = ("contents", "after_sid", "meta.next_token")
"""4.8: what is read of a list."""

LOADING = (
    "LIST_ACTIVITIES",
    "LIST_CHANNELS",
    "LIST_RESERVATIONS",
)
"""Requests that belong to connecting (2.3), not to a method."""


@dataclass(frozen=True)
class Kind:
    """What an argument takes."""

    good: tuple[tuple[Any, Any], ...]
    """Pairs: given, and what is on the wire."""
    bad: tuple[tuple[Any, type[Exception]], ...]
    """Pairs: given, and what is raised."""


def _wrong(*values: Any) -> tuple[tuple[Any, type[Exception]], ...]:
    return tuple((value, TypeError) for value in values)


def _unfit(*values: Any) -> tuple[tuple[Any, type[Exception]], ...]:
    return tuple((value, ValueError) for value in values)


_not_text = _wrong(1, 1.5, True, b"bytes", ["list"], {"a": 1})
_not_integer = _wrong(True, False, 1.5, "7", [7], {}, float("nan"), float("inf"))
_not_object = _wrong([], [("a", 1)], "{}", 1, True, {"set"}, len, {1: "a"}, {"a": object()}, {"a": {"b": {1, 2}}})
_own_tail: dict[str, Any] = {}
_own_tail["a"] = _own_tail

KINDS = {
    "string": Kind((("text", "text"), ("", ""), ("ü/..", "ü/..")), _not_text),
    "filter": Kind((("text", "text"),), _not_text),
    "name": Kind((("{activity}", "{activity}"),), _not_text + _unfit("", "no such activity")),
    "sid": Kind((("{other}", "{other}"),), _not_text + _unfit("", ".", "..")),
    "token": Kind((("x.y.z", "x.y.z"),), _not_text + _unfit("", "two words", "line\n", "ü")),
    "boolean": Kind(((True, True), (False, False)), _wrong(0, 1, "true", "", [], 1.0)),
    "integer": Kind(((0, 0), (7, 7), (-1, -1), (10.0, 10)), _not_integer),
    "integer from 0": Kind(((0, 0), (7, 7), (10.0, 10)), _not_integer + _unfit(-1)),
    "integer from 1": Kind(((1, None),), _not_integer + _unfit(0, -1)),
    "boolean or string": Kind(((True, True), (False, False), ("onEnter", "onEnter")), _wrong(0, 1, 1.5, [], {})),
    "object": Kind(
        ((_ATTRIBUTES, _ATTRIBUTES), ({}, {}), (MappingProxyType({"a": 1}), {"a": 1})),
        _not_object + _unfit({"a": float("nan")}, {"a": [float("inf")]}, _own_tail),
    ),
    "mode": Kind((("WARM", "WARM"), ("COLD", "COLD")), _not_text + _unfit("", "warm", "HOT")),
    "date": Kind(
        (
            (_WHEN, "2026-01-01T10:00:05Z"),
            (datetime(2025, 12, 31, 23, 59, 59, tzinfo=timezone.utc), "2025-12-31T23:59:59Z"),
        ),
        _wrong("2026-01-01T10:00:05Z", 1767261605, 1767261605.5, True, _WHEN.date())
        + _unfit(datetime(2026, 1, 1, 12, 0, 5)),  # noqa: DTZ001
    ),
    "log level": Kind((("debug", None), ("silent", None)), _not_text + _unfit("", "fatal", "ERROR")),
    "url": Kind((), _not_text + _unfit("example.com", "ftp://example.com", "http://", "ws:/x")),
}


def fill(value: Any, sids: Mapping[str, str]) -> Any:
    """The value with sids put in for the texts in braces."""
    if isinstance(value, str):
        for name, sid in sids.items():
            value = value.replace(f"{{{name}}}", sid)
        return value
    if type(value) is dict:
        return {key: fill(each, sids) for key, each in value.items()}
    return [fill(each, sids) for each in value] if type(value) is list else value
