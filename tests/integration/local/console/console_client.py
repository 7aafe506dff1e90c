"""A console as a test drives it: a browser's cookie and headers, and the tables that its websocket keeps up to date."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

import requests
import websocket

from twilio_taskrouter_worker.local import LocalTaskRouter

TIMEOUT = 30.0
TABLES = ("activities", "channels", "workers", "queues", "workflows", "tasks", "reservations")


class Browser:
    """A browser that has opened the link of a console."""

    def __init__(self, router: LocalTaskRouter) -> None:
        self.router = router
        self.url = router.url
        self.session = requests.Session()
        self.session.headers["Origin"] = router.url
        self.session.get(router.console_url, timeout=TIMEOUT).raise_for_status()

    def __enter__(self) -> Browser:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.session.close()

    @property
    def cookie(self) -> str:
        """The Cookie header."""
        return "; ".join(f"{each.name}={each.value}" for each in self.session.cookies)

    def request(self, method: str, path: str, **options: Any) -> requests.Response:
        """Make a request below ``/console``."""
        options.setdefault("timeout", TIMEOUT)
        return self.session.request(method, f"{self.url}/console/{path}", **options)

    def rest(self, path: str, method: str = "POST", *, worker: str | None = None, **form: Any) -> Any:
        """Call REST as the console does, below the workspace, and return the JSON of the answer."""
        headers = {} if worker is None else {"X-Console-Worker": worker}
        where = f"rest/v1/Workspaces/{self.router.workspace_sid}/{path}"
        answer = self.request(method, where, data=form, headers=headers)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def api(self, method: str, path: str, body: Any = None) -> Any:
        """Call the console's own address, and return the JSON of the answer."""
        answer = self.request(method, path, json=body)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def live(self, **headers: str) -> Live:
        """Open the websocket."""
        return Live(self, headers)


class Live:
    """The websocket of a console."""

    def __init__(self, browser: Browser, headers: dict[str, str] | None = None, query: str = "") -> None:
        self.socket = websocket.create_connection(
            f"ws{browser.url[len('http') :]}/console/live{query}",
            timeout=TIMEOUT,
            origin=browser.url,
            cookie=browser.cookie,
            header=[f"{name}: {value}" for name, value in (headers or {}).items()],
        )
        self.state: dict[str, Any] = {}
        self.tables: dict[str, dict[str, Any]] = {}
        self.snapshots = 0
        self.wire: list[dict[str, Any]] = []
        self.missed = 0
        self.other: list[dict[str, Any]] = []
        self._sequence = 0

    def __enter__(self) -> Live:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.socket.close()
        # Also after a close frame of the service, which close() takes for the end of the socket.
        self.socket.shutdown()

    def send(self, kind: str, **fields: Any) -> None:
        """Send a message of the page."""
        self.socket.send(json.dumps({"type": kind, **fields}))

    def receive(self) -> dict[str, Any]:
        """Receive one message, and apply it."""
        message: dict[str, Any] = json.loads(self.socket.recv())
        if message["type"] == "snapshot":
            self.snapshots += 1
            self._sequence = message["seq"]
            self.tables = {name: {row["sid"]: row for row in message.get(name, ())} for name in TABLES}
            self.state = {name: value for name, value in message.items() if name not in TABLES}
        elif message["type"] == "changes":
            assert message["seq"] == self._sequence + 1, "a message is missing"
            self._sequence += 1
            for name in TABLES:
                self.tables[name].update({row["sid"]: row for row in message.get(name, ())})
            for name, sids in message.get("removed", {}).items():
                for sid in sids:
                    self.tables[name].pop(sid, None)
            self.state.update({name: value for name, value in message.items() if name not in TABLES})
        elif message["type"] == "wire":
            self.wire += message["entries"]
            self.missed += message["missed"]
        else:
            self.other.append(message)
        return message

    def until(self, condition: Callable[[], Any], timeout: float = TIMEOUT) -> Any:
        """Receive messages until a condition is true, and return its value."""
        deadline = time.monotonic() + timeout
        while not self.state or not (value := condition()):
            assert time.monotonic() < deadline, f"the console does not show it: {self.state}"
            self.receive()
        return value
