"""A client of the event bridge that hides nothing: envelopes over HTTP, frames as they come."""

from __future__ import annotations

import json
from types import TracebackType
from typing import Any
from urllib.parse import urlencode

import requests
import websocket

from twilio_taskrouter_worker.local import LocalTaskRouter

TIMEOUT = 20.0


class Answer:
    """Status, headers and body of one answer."""

    def __init__(self, response: requests.Response) -> None:
        self.status = response.status_code
        self.headers = response.headers
        self.body: Any = response.json() if response.content else None

    @property
    def payload(self) -> Any:
        """The payload of a success."""
        assert self.status == 200, self.body
        return self.body["payload"]

    @property
    def refusal(self) -> tuple[int, int]:
        """Status and code of a refusal, whose body must be whole."""
        assert set(self.body) == {"code", "message", "more_info", "status"}, self.body
        assert self.body["status"] == self.status
        return self.status, self.body["code"]


class BridgeClient:
    """One token, one websocket (after :meth:`open`), and tunnelled requests."""

    def __init__(
        self, router: LocalTaskRouter, worker_sid: str, role: str = "worker", token: str | None = None
    ) -> None:
        self.router = router
        self.worker_sid = worker_sid
        self.token = router.token(worker_sid, role) if token is None else token
        self.http = requests.Session()
        self.socket: websocket.WebSocket | None = None
        self.home = f"Workspaces/{router.workspace_sid}"
        self.own = f"{self.home}/Workers/{worker_sid}"

    def __enter__(self) -> BridgeClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.http.close()
        if self.socket is not None:
            self.socket.shutdown()

    def open(self, **query: str) -> BridgeClient:
        """Open the websocket; the first frame (``init``) is still to be read."""
        url = f"{self.router.connection['ws_server']}?{urlencode({'token': self.token, **query})}"
        self.socket = websocket.create_connection(url, timeout=TIMEOUT)
        return self

    def frame(self) -> str:
        """Return the next text frame as it is."""
        assert self.socket is not None
        frame = self.socket.recv()
        assert isinstance(frame, str)
        return frame

    def event(self) -> tuple[str, Any]:
        """Return type and payload of the next frame that is not a heartbeat."""
        while not (frame := self.frame()).strip():
            pass
        document = json.loads(frame)
        assert set(document) == {"event_type", "payload"}
        return document["event_type"], document["payload"]

    def events(self, count: int) -> list[str]:
        """Return the types of the next frames."""
        return [self.event()[0] for _ in range(count)]

    def close_frame(self) -> tuple[int, str]:
        """Read on until the service closes; return its code and reason."""
        assert self.socket is not None
        while True:
            opcode, data = self.socket.recv_data(control_frame=True)
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                return int.from_bytes(data[:2], "big"), data[2:].decode()

    def get(self, url: str, /, **params: Any) -> Answer:
        """Tunnel a GET."""
        return self.send({"url": url, "method": "GET", "params": params, "token": self.token})

    def post(self, url: str, /, *, if_match: str | None = None, **params: Any) -> Answer:
        """Tunnel a POST."""
        headers = {} if if_match is None else {"If-Match": if_match}
        return self.send({"url": url, "method": "POST", "params": params, "token": self.token}, headers)

    def send(self, envelope: Any, headers: dict[str, str] | None = None) -> Answer:
        """Send an envelope, or whatever else is to be the body."""
        body = envelope if isinstance(envelope, bytes) else json.dumps(envelope).encode()
        sent = {"apiVersion": "v1", "clientVersion": "test", "Content-Type": "text/plain", **(headers or {})}
        eb_server = self.router.connection["eb_server"]
        return Answer(self.http.post(eb_server, data=body, headers=sent, timeout=TIMEOUT))
