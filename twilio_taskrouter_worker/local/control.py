"""The control address: operations of a local TaskRouter beyond Twilio's own API, for programs in any language.

It is below ``/control/v1`` on the port of the service, with the same Basic credentials as REST, and takes and returns
JSON. ``/health`` and the page at ``/`` need no credentials. The commands of ``taskrouter`` use nothing else; Twilio's
service has none of it.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from html import escape
from typing import Any, get_type_hints

from aiohttp import web

from .. import _checks
from .._log import LOCAL
from .._version import __version__
from ..errors import NotFoundError, RequestRejectedError, StateError, TaskRouterError
from .clock import Clock
from .faults import Fault, Faults
from .server.auth import basic
from .server.http import refusals
from .server.http.json_api import JsonRequest, json_answer, resolve
from .server.http.paths import PathTable
from .server.service import Service
from .service_access import ServiceAccess

__all__ = ["Control"]

PREFIX = "/control/v1/"
_EVENTS_AT_ONCE = 500

# Listed, not read from the class: a public method that is no fault must not become a request.
FAULT_NAMES = (
    "delay",
    "drop",
    "duplicate",
    "evict",
    "expire_token",
    "half_open",
    "http_latency",
    "http_status",
    "rate_limit",
    "refuse_connects",
    "reorder",
    "stall_heartbeats",
)


def _kind(name: str) -> dict[str, Any]:
    """Return how a fault is begun, for a form: read from the method itself, so that it cannot differ."""
    parameters = list(inspect.signature(getattr(Faults, name)).parameters.values())[1:]
    types = get_type_hints(getattr(Faults, name))
    return {
        "name": name,
        "lasting": types["return"] is Fault,
        "parameters": [
            {
                "name": each.name,
                "kind": _PARAMETER_KINDS.get(each.name) or _TYPE_KINDS.get(types[each.name], "text"),
                "required": each.default is inspect.Parameter.empty,
                "default": None if each.default is inspect.Parameter.empty else each.default,
            }
            for each in parameters
        ],
    }


_PARAMETER_KINDS = {"worker": "worker", "body": "json"}
_TYPE_KINDS = {float: "seconds", int: "integer", int | None: "integer", bool: "boolean"}
FAULT_KINDS = [_kind(name) for name in FAULT_NAMES]
"""How each fault is begun, as data."""


def _check_arguments(name: str, given: Mapping[str, Any]) -> None:
    """Check the names of a fault's arguments; their values are checked by the fault.

    Raises:
        ValueError: One is unknown, or a required one is missing.
    """
    parameters = FAULT_KINDS[FAULT_NAMES.index(name)]["parameters"]
    known = [each["name"] for each in parameters]
    for other in given:
        if other not in known:
            raise ValueError(f"The fault {name} has no argument {other!r}; it takes {', '.join(known) or 'none'}")
    for each in parameters:
        if each["required"] and each["name"] not in given:
            raise ValueError(f"The fault {name} needs the argument {each['name']}")


class Control:
    """Answers control requests for one router. Called on the service's thread; the work runs on the loop's executor.

    Args:
        router: The router.
        reset: Resets it.
        has_console: Whether it serves a console.
    """

    def __init__(self, router: ServiceAccess[object], reset: Callable[[], None], *, has_console: bool) -> None:
        self._router = router
        self._restart = reset
        self._resets = 0
        """How many resets are complete, so that a client can wait for the end of the one it asked for."""
        self._has_console = has_console
        # Only the public facade is used, so that these requests offer nothing that the Python API does not.
        self._routes: PathTable[Callable[[JsonRequest], Any]] = PathTable()
        for method, template, function in (
            ("GET", "info", self._info),
            ("GET", "explain/{task}", lambda call: router.explain(call.path["task"]).to_dict()),
            ("GET", "explain/{task}/text", lambda call: {"text": str(router.explain(call.path["task"]))}),
            ("GET", "clock", lambda call: _clock(router.clock)),
            ("POST", "clock/advance", self._advance),
            ("POST", "clock/pause", lambda call: _moved(router.clock, router.clock.pause)),
            ("POST", "clock/resume", lambda call: _moved(router.clock, router.clock.resume)),
            ("GET", "faults", lambda call: [fault_row(each) for each in router.faults.active]),
            ("POST", "faults", self._begin_fault),
            ("GET", "faults/kinds", lambda call: FAULT_KINDS),
            ("POST", "faults/clear", lambda call: router.faults.clear()),
            ("DELETE", "faults/{fault}", self._end_fault),
            ("GET", "sessions", self._sessions),
            ("GET", "events", self._events),
            ("POST", "events/{event}/resend", lambda call: router.resend_event(call.path["event"])),
            ("POST", "reset", self._reset),
        ):
            self._routes.add(method, template, function)

    async def __call__(self, service: Service, request: web.BaseRequest, path: str) -> web.Response | None:
        """Answer a request.

        Args:
            service: The service.
            request: The request.
            path: Its path.

        Returns:
            The answer; None for an unknown path.

        Raises:
            Rejected: It has no valid credentials, or is invalid.
        """
        # Without credentials, which a probe does not have; neither answer has a secret.
        if path in ("/", "/health") and request.method in ("GET", "HEAD"):
            return self._page() if path == "/" else _health(service)
        if not path.startswith(PREFIX):
            return None
        basic.check(service, request.headers.get("Authorization"))
        return await self.operate(request, path)

    async def operate(self, request: web.BaseRequest, path: str) -> web.Response:
        """Execute a request whose sender was checked already.

        Args:
            request: The request.
            path: Its path, from ``/control/v1/`` on.

        Raises:
            Rejected: The path is unknown, or the body is invalid.
        """
        if not path.startswith(PREFIX):
            raise refusals.not_found(path)
        function, call = await resolve(self._routes, request, path[len(PREFIX) :], path)
        try:
            # Not on the loop: moving the clock blocks until the loop has run the timers.
            answer = await asyncio.to_thread(function, call)
        except NotFoundError as error:
            return _refused(404, error.message)
        # The facade's own checks: its messages name the argument and a valid value, and go to the client as they are.
        except (TypeError, ValueError, TaskRouterError) as error:
            status = error.status if isinstance(error, RequestRejectedError) and error.status else 400
            return _refused(status, str(error))
        return json_answer(200, answer) if answer is not None else web.Response(status=204)

    def _page(self) -> web.Response:
        router = self._router
        rows = {
            "REST": f"{router.url}/v1/Workspaces",
            "Event bridge": router.connection["eb_server"],
            "Health": f"{router.url}/health",
            "Control": f"{router.url}{PREFIX}info",
            # Without its token, which is not for everybody who sees this page.
            **({"Console": f"{router.url}/console"} if self._has_console else {}),
        }
        lines = "".join(
            f"<tr><th>{name}</th><td><code>{escape(value)}</code></td></tr>" for name, value in rows.items()
        )
        text = (
            "<!doctype html><html lang=en><meta charset=utf-8><title>Local TaskRouter</title>"
            "<h1>Local TaskRouter</h1><p>Twilio TaskRouter on this machine, for development. It is not a website: "
            f"programs talk to it.</p><table>{lines}</table>"
            f"<p>twilio_taskrouter_worker {__version__}</p></html>"
        )
        # The page needs no scripts, styles or images.
        headers = {"Content-Security-Policy": "default-src 'none'", "X-Content-Type-Options": "nosniff"}
        return web.Response(text=text, content_type="text/html", headers=headers)

    # -- the functions -----------------------------------------------------------------------------------------------

    def _info(self, call: JsonRequest) -> dict[str, Any]:
        router = self._router
        # What there is without a workspace: it may have been deleted, or the seed file may have none.
        content: dict[str, Any] = {"workspace_sid": None, "activities": {}, "workers": 0, "open_tasks": 0}
        with suppress(NotFoundError, StateError):
            content = {
                "workspace_sid": router.workspace_sid,
                "activities": dict(router.activities),
                "workers": len(router.workers()),
                "open_tasks": sum(not task.final for task in router.tasks()),
            }
        return {
            "version": __version__,
            "url": router.url,
            **router.connection,
            "account_sid": router.account_sid,
            **content,
            "clock": _clock(router.clock),
            "faults": [str(fault) for fault in router.faults.active],
            "resets": self._resets,
        }

    def _advance(self, call: JsonRequest) -> Any:
        clock = self._router.clock
        if call.body.get("to") == "next":
            return _moved(clock, clock.advance_to_next)
        if "seconds" not in call.body:
            raise ValueError('The body must be {"seconds": NUMBER} or {"to": "next"}')
        return _moved(clock, lambda: clock.advance(call.body["seconds"]))

    def _begin_fault(self, call: JsonRequest) -> Any:
        name, seconds = call.body.get("name"), call.body.get("for")
        arguments = call.body.get("arguments", {})
        if name not in FAULT_NAMES:
            raise ValueError(f"There is no fault {name!r}; there are {', '.join(FAULT_NAMES)}")
        if not isinstance(arguments, dict):
            raise ValueError("arguments must be a JSON object")
        seconds = _checks.optional(_checks.seconds_between(0, 86400))("for", seconds)
        _check_arguments(name, arguments)
        result = getattr(self._router.faults, name)(**arguments)
        if not isinstance(result, Fault):
            return {"name": name, "hits": result}
        if seconds is not None:
            # A thread of its own, as undo() blocks. It ends unharmed if the router stops first.
            timer = threading.Timer(seconds, result.undo)
            timer.daemon = True
            timer.start()
        return fault_row(result)

    def _end_fault(self, call: JsonRequest) -> None:
        number = call.path["fault"]
        for fault in self._router.faults.active:
            if str(fault.number) == number:
                fault.undo()
                return
        raise NotFoundError(f"There is no active fault {number!r}", status=404, code=20404)

    def _sessions(self, call: JsonRequest) -> Any:
        router = self._router
        try:
            found = [{"worker_sid": each.sid, "worker_name": each.friendly_name} for each in router.workers()]
        except (NotFoundError, StateError):
            return []  # there is no workspace
        counted = [{**each, "sessions": router.open_sessions(each["worker_sid"])} for each in found]
        return [each for each in counted if each["sessions"]]

    def _events(self, call: JsonRequest) -> Any:
        """Return the events after a sid, oldest first; without one, the latest."""
        query = call.query
        types = [each for each in query.get("type", "").split(",") if each]
        events = self._router.events(*types, task=query.get("task"), worker=query.get("worker"))
        sids = [event.sid for event in events]
        after = query.get("after")
        # A sid that the log no longer has counts as none: the caller has missed events, and gets the latest.
        if after in sids:
            events = events[sids.index(after) + 1 :][:_EVENTS_AT_ONCE]
        return [
            {
                "sid": event.sid,
                "type": event.type,
                "at": event.at.isoformat(),
                "description": event.description,
                "resource_type": event.resource_type,
                "resource_sid": event.resource_sid,
                "data": dict(event.data),
            }
            for event in events[-_EVENTS_AT_ONCE:]
        ]

    def _reset(self, call: JsonRequest) -> None:
        # The reset closes the connection of this request: its answer must be sent first.
        timer = threading.Timer(0.05, self._reset_now)
        timer.daemon = True
        timer.start()

    def _reset_now(self) -> None:
        try:
            self._restart()
            self._resets += 1
        except StateError:
            # Stopped while the timer ran: there is nothing left to reset.
            pass
        except OSError as error:
            LOCAL.error("The LocalTaskRouter has ended: after a reset it could not listen again: %s", error)


def _health(service: Service) -> web.Response:
    # Without the reason, which names a file; it is in the log, and in the answers to those who have credentials.
    failed = service.committer.failure is not None
    return json_answer(503 if failed else 200, {"status": "failed" if failed else "ok", "version": __version__})


def _clock(clock: Clock) -> dict[str, Any]:
    return {"now": clock.now(), "running": clock.running}


def _moved(clock: Clock, change: Callable[[], None]) -> dict[str, Any]:
    change()
    return _clock(clock)


def fault_row(fault: Fault) -> dict[str, Any]:
    """Return an active fault as an answer shows it.

    Args:
        fault: The fault.
    """
    return {"id": fault.number, "name": str(fault).partition("(")[0], "text": str(fault), "hits": fault.hits}


def _refused(status: int, message: str) -> web.Response:
    return json_answer(status, {"status": status, "message": message})
