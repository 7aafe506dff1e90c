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

_INTRODUCTION = """\
What of TaskRouter is there, what is not, and what is different on purpose. This page is made from the tables that the
service answers from. An operation that Twilio describes and the service does not have is answered with status 501,
code 20501 and a pointer to this page; it is never taken for an unknown address.

REST API v1
-----------

{here} of the {all} operations of Twilio's OpenAPI description are implemented. Their answers are checked against that
description, every documented key included. In the tables ``…`` stands for ``/v1/Workspaces/{{WorkspaceSid}}``.
Assignment and event callbacks: :doc:`webhooks`.

"""

_EFFECTS = """\
Parameters without effect
-------------------------

Every other documented parameter is honoured, or refused with the documented error. These are accepted, whatever they
say, and make no difference:

Updates of reservations, in both forms: whatever describes a phone call
    {telephony}.

    There is no telephony. The instructions themselves work: the reservation is still ``pending`` in the answer and
    accepted right after it, or canceled with a reason code; see ``voice_answer_delay`` in :doc:`switches`. Addresses
    to be called must be URLs, and a ``dequeue`` needs somebody to call: ``DequeueTo``, or the worker's ``contact_uri``.
``HasAddons`` of the list of tasks
    It filters, but no task has add-ons.
``TaskChannel`` of the workers' real-time statistics
    It must exist. Who is in which activity does not depend on it.
``apiVersion`` and ``clientVersion`` of the event bridge
    Every request works with either version.

A parameter that Twilio does not describe is passed over.

"""

_BRIDGE = """\
Event bridge
------------

Requests are tunnelled through ``POST /v1/wschannels``; the websocket is the same address with ``GET``. Here ``…``
stands for ``Workspaces/{WorkspaceSid}``, which must be the token's. Lists come in the bridge's own form.

"""

_EVENTS = """\
Events on the websocket
-----------------------

The first frame is ``init``. A frame of one blank is a heartbeat; there is one every 15 seconds. Then, as they happen:

"""

_LOG = """\
The event log (``ListEvent``) has these too, and besides them:
{log}.

"""

_DIFFERENT = """\
Different on purpose
--------------------

Choices that Twilio's documentation leaves open are switches, each with its default: :doc:`switches`. The rest:

No telephony
    Calls, conferences and recordings are not made. Hold, mute, kick and supervision are kept as state.
No TLS
    It is plain HTTP on the loopback interface. On another address it warns.
One account
    Any workspace of it can be reached with its credentials; another account's are a 401.
No limits on how often one may ask
    A 429 comes only where a test asks for it. Limits on numbers of workers, queues and activities are Twilio's.
Own limits on single requests
    {rest} MiB a body on REST and {bridge} MiB on the bridge (413), not compressed (415); {line} KiB a header
    line and {headers} headers (400); {body:g} s for a body to arrive (408); {first:g} s for the first request of a
    connection, and {idle:g} s between two, after which it is closed. At most {most} connections at a time, and three
    quarters of the files that the process may have open: the one that has asked for nothing for longest makes room,
    clients without good credentials before the others, sessions never. A session ends whose client leaves {unread} MiB
    of events unread, or sends more than {frames} frames in a minute.
The event log ends sooner
    The latest {entries} events are kept, and statistics look at the latest {facts} facts; Twilio keeps 30 days.
Time can be moved
    ``router.clock``; tokens and heartbeats stay in real time.
Websocket close codes tell the reason
    4001 replaced by a newer session, 4002 token expired, 4003 worker deleted, 1001 the service stops.
Errors are complete
    Every refusal has ``code``, ``message``, ``more_info`` and ``status``, on the bridge too, and for what is not HTTP.
    Texts are Twilio's where those are known.
Sids
    They look like Twilio's, and are the same at every start with the same ``seed``.
"""


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


def page() -> str:
    """The page below its title."""
    here = sum(operation.handle is not None for operation in OPERATIONS)
    log = sorted(events.LOG_EVENTS - events.BRIDGE_EVENTS)
    parts = [
        _INTRODUCTION.format(here=here, all=len(OPERATIONS)),
        *(f"{line}\n" for line in operations()),
        _EFFECTS.format(telephony=_wrapped((f"``{name}``" for name in _TELEPHONY), "    ")),
        _BRIDGE,
        *(f"{line}\n" for line in tunnelled()),
        _EVENTS,
        *(f"{line}\n" for line in wire()),
        _LOG.format(log=_wrapped((f"``{each}``" for each in log), "")),
        _DIFFERENT.format(
            rest=connections.BODY_BYTES // 2**20,
            bridge=connections.TUNNEL_BODY_BYTES // 2**20,
            line=connections.HEADER_LINE_BYTES // 2**10,
            headers=connections.ALL_HEADERS,
            body=connections.BODY_SECONDS,
            first=connections.FIRST_REQUEST_SECONDS,
            idle=connections.IDLE_SECONDS,
            most=connections.MOST_CONNECTIONS,
            unread=sessions.SEND_BUFFER_BYTES // 2**20,
            frames=websocket.MOST_FRAMES,
            entries=event_log.KEPT_EVENTS,
            facts=facts.KEPT_FACTS,
        ),
    ]
    return "".join(parts)


def _plain(path: str) -> str:
    return "/".join("{}" if part.startswith("{") else part for part in path.split("/"))


def _short(path: str) -> str:
    home, inside, rest = path.partition("Workspaces/{WorkspaceSid}/")
    return f"…/{rest}" if inside and not home else f"/v1/{path}"


def _first_sentence(check: object) -> str:
    return (inspect.getdoc(check) or "").partition("\n")[0].rstrip(".")


def _wrapped(words: Iterable[str], indent: str) -> str:
    lines, line = [], ""
    for word in words:
        if line and len(line) + len(word) > 106:
            lines.append(line.rstrip())
            line = ""
        line += f"{word}, "
    lines.append(line.rstrip(", "))
    return f"\n{indent}".join(lines)
