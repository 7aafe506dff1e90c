"""The page on what the local TaskRouter covers, from the tables that it works with."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from twilio_taskrouter_worker.local.engine import events
from twilio_taskrouter_worker.local.engine.handlers import instructions
from twilio_taskrouter_worker.local.server.bridge import tunnel, websocket
from twilio_taskrouter_worker.local.server.events import assignments, event_log, facts, sessions
from twilio_taskrouter_worker.local.server.http import connections
from twilio_taskrouter_worker.local.server.rest.call import Operation
from twilio_taskrouter_worker.local.server.rest.operations import OPERATIONS

_INSTRUCTIONS = {key.param for keys in assignments.INSTRUCTIONS.values() for key in keys.values()}
_TELEPHONY = sorted(_INSTRUCTIONS - instructions.PARAMETERS - {"WorkerActivitySid"})

NO_EFFECT: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"UpdateTaskReservation": tuple(_TELEPHONY), "UpdateWorkerReservation": tuple(_TELEPHONY)}
)
"""Parameters that are taken and make no difference, by operation; the tests hold it to what the operations read."""

_GROUPS = {
    "Workspaces": "Workspaces",
    "Activities": "Activities",
    "TaskChannels": "Task channels",
    "TaskQueues": "Task queues",
    "Workflows": "Workflows",
    "Workers": "Workers",
    "Channels": "Worker channels",
    "Tasks": "Tasks",
    "Reservations": "Reservations",
    "Events": "Events",
    "Statistics": "Statistics",
}

_CHANNEL_EVENTS = frozenset({"worker.capacity.update", "worker.channel.availability.update"})
_KINDS = (
    ("Worker", events.WORKER_EVENTS - _CHANNEL_EVENTS),
    ("Worker channel", _CHANNEL_EVENTS),
    ("Reservation", events.RESERVATION_EVENTS),
    ("Task", events.TASK_EVENTS),
    ("Transfer", events.TRANSFER_EVENTS),
    ("Task", frozenset({events.RESERVATION_FAILED})),
)


def group(operation: Operation) -> str:
    """The section of an operation."""
    if operation.path.endswith("Statistics"):
        return "Statistics"
    return [part for part in operation.path.split("/") if not part.startswith("{")][-1]


def table(header: Iterable[str], rows: Iterable[Iterable[str]], widths: str) -> Iterator[str]:
    """A table, as all pages have them."""
    yield ".. csv-table::"
    yield "   :header-rows: 1"
    yield "   :delim: |"
    yield f"   :widths: {widths}"
    yield ""
    for row in (header, *rows):
        yield "   " + " | ".join(row)
    yield ""


def operations() -> Iterator[str]:
    """The sections of REST."""
    for key, title in _GROUPS.items():
        found = [operation for operation in OPERATIONS if group(operation) == key]
        yield from (title, "~" * len(title), "")
        rows = (
            (f"``{each.name}``", f"``{each.method} {_short(each.path)}``", "implemented" if each.handle else "501")
            for each in found
        )
        yield from table(("Operation", "Request", "State"), rows, "30 58 12")


def tunnelled() -> Iterator[str]:
    """The requests of the event bridge, and which of them REST has too."""
    described = {(each.method, _plain(each.path)) for each in OPERATIONS}
    rows = []
    for method, path, check, _ in tunnel.REQUESTS:
        on_rest = "yes" if (method, _plain(path)) in described else "no"
        rows.append((f"``{method} {_short(path)}``", on_rest, _first_sentence(check)))
    yield from table(("Request", "On REST", "Who may"), rows, "42 14 44")


def wire() -> Iterator[str]:
    """The events of the websocket."""
    assert events.BRIDGE_EVENTS == frozenset().union(*(types for _, types in _KINDS))
    rows = [(f"``{each}``", kind) for kind, types in _KINDS for each in sorted(types)]
    yield from table(("``event_type``", "Payload"), rows, "60 40")


def log() -> Iterator[str]:
    """The events that only the log has."""
    yield _list(f"``{each}``" for each in sorted(events.LOG_EVENTS - events.BRIDGE_EVENTS))


def telephony() -> Iterator[str]:
    """The parameters that describe a phone call."""
    yield _list(f"``{name}``" for name in _TELEPHONY)


def numbers() -> Iterator[str]:
    """The numbers of the page, as substitutions."""
    found = {
        "implemented": sum(operation.handle is not None for operation in OPERATIONS),
        "described": len(OPERATIONS),
        "rest_body": connections.BODY_BYTES // 2**20,
        "bridge_body": connections.TUNNEL_BODY_BYTES // 2**20,
        "header_line": connections.HEADER_LINE_BYTES // 2**10,
        "headers": connections.ALL_HEADERS,
        "body_seconds": f"{connections.BODY_SECONDS:g}",
        "first_seconds": f"{connections.FIRST_REQUEST_SECONDS:g}",
        "idle_seconds": f"{connections.IDLE_SECONDS:g}",
        "connections": connections.MOST_CONNECTIONS,
        "unread": sessions.SEND_BUFFER_BYTES // 2**20,
        "frames": websocket.MOST_FRAMES,
        "entries": event_log.KEPT_EVENTS,
        "facts": facts.KEPT_FACTS,
    }
    for name, number in found.items():
        yield f".. |{name}| replace:: {number}"
    yield ""


def _plain(path: str) -> str:
    return "/".join("{}" if part.startswith("{") else part for part in path.split("/"))


def _short(path: str) -> str:
    home, inside, rest = path.partition("Workspaces/{WorkspaceSid}/")
    return f"…/{rest}" if inside and not home else f"/v1/{path}"


def _first_sentence(check: object) -> str:
    return (inspect.getdoc(check) or "").partition("\n")[0].rstrip(".")


def _list(words: Iterable[str]) -> str:
    return f"{', '.join(words)}."
