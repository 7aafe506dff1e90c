"""The event log, as REST shows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..events import event_fields
from ..events.event_log import Entry
from ..http import refusals
from ..http.dates import iso
from ..http.forms import convert, sid, text
from ..http.windows import window
from .call import Answer, Call, Operation
from .paging import page

_W = "Workspaces/{WorkspaceSid}"


def shape(entry: Entry, base: str, now: float) -> dict[str, Any]:
    """Return an event.

    Args:
        entry: The event and its actor.
        base: The URL of ``/v1``, for links.
        now: Unix seconds by the engine's clock.
    """
    event = entry.event
    kind, resource_sid, path = event_fields.resource(event)
    home = f"{base}/Workspaces/{event.workspace_sid}"
    # The actor of everything else is the workspace: REST has no user of its own.
    by_worker = entry.actor_sid.startswith("WK")
    return {
        "account_sid": event.subject.account_sid,
        "workspace_sid": event.workspace_sid,
        "sid": event.sid,
        "event_type": event.type,
        "event_date": iso(event.at),
        "event_date_ms": int(event.at * 1000),
        "description": event_fields.description(event),
        "resource_type": kind,
        "resource_sid": resource_sid,
        "resource_url": f"{base}/{path}",
        "actor_type": "worker" if by_worker else "workspace",
        "actor_sid": entry.actor_sid,
        "actor_url": f"{home}/Workers/{entry.actor_sid}" if by_worker else home,
        "source": "twilio",
        "source_ip_address": entry.address,
        "event_data": event_fields.fields(event, entry.workspace_name),
        "url": f"{home}/Events/{event.sid}",
    }


def _field(name: str) -> Callable[[Entry, Any], bool]:
    return lambda entry, value: bool(event_fields.fields(entry.event, "").get(name) == value)


def _of_channel(entry: Entry, channel: str) -> bool:
    found = event_fields.fields(entry.event, "")
    return channel in (found.get("task_channel_sid"), found.get("task_channel_unique_name"))


_FILTERS: tuple[tuple[str, Callable[[Any], Any], Callable[[Entry, Any], bool]], ...] = (
    ("EventType", text, lambda entry, value: bool(entry.event.type == value)),
    ("ReservationSid", sid("WR"), _field("reservation_sid")),
    ("TaskQueueSid", sid("WQ"), _field("task_queue_sid")),
    ("TaskSid", sid("WT"), _field("task_sid")),
    ("WorkerSid", sid("WK"), _field("worker_sid")),
    ("WorkflowSid", sid("WW"), _field("workflow_sid")),
    ("TaskChannel", text, _of_channel),
    ("Sid", sid("EV"), lambda entry, value: bool(entry.sid == value)),
)


def _list(call: Call) -> Answer:
    call.engine.workspace(call.workspace_sid)
    span = window(call.query, call.now)
    tests = [
        (test, convert(name, call.query[name], converter)) for name, converter, test in _FILTERS if call.query.get(name)
    ]
    found = [
        entry
        # The latest first, as the list is shown; nothing is sorted.
        for entry in call.service.log.backwards(call.workspace_sid, span.start)
        if entry.event.at <= span.end and all(test(entry, value) for test, value in tests)
    ]
    return Answer(200, page(call, "events", found, shape))


def _fetch(call: Call) -> Answer:
    call.engine.workspace(call.workspace_sid)
    entry = call.service.log.find(call.path["Sid"])
    # The log has the events of all workspaces; a path shows those of its own only.
    if entry is None or entry.event.workspace_sid != call.workspace_sid:
        raise refusals.not_found(f"/Workspaces/{call.workspace_sid}/Events/{call.path['Sid']}")
    return Answer(200, shape(entry, call.base, call.now))


OPERATIONS = (
    Operation("ListEvent", "GET", f"{_W}/Events", _list),
    Operation("FetchEvent", "GET", f"{_W}/Events/{{Sid}}", _fetch),
)
