"""Peers of a service in a process of its own: what an attacker knows, raw sockets, and a good client with a watch."""

from __future__ import annotations

import base64
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
import websocket

from twilio_taskrouter_worker.tokens import create_worker_token

TIMEOUT = 20.0


@dataclass(frozen=True)
class Target:
    """A service, with the credentials of a user who turned bad, or of one who did not."""

    pid: int
    facts: dict[str, Any]
    """What ``taskrouter local --json`` prints."""

    def __getattr__(self, name: str) -> Any:
        return self.facts[name]

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or 0

    @property
    def basic(self) -> str:
        """The value of a good Authorization header."""
        return "Basic " + base64.b64encode(f"{self.account_sid}:{self.auth_token}".encode()).decode()

    @property
    def workspace_url(self) -> str:
        """REST's address of the workspace."""
        return f"{self.url}/v1/Workspaces/{self.workspace_sid}"

    def token_for(self, worker_sid: str, *, role: str = "worker", workspace_sid: str | None = None) -> str:
        """A good token."""
        where = (self.account_sid, self.signing_key_sid, self.signing_key_secret)
        return create_worker_token(*where, workspace_sid or self.workspace_sid, worker_sid, role=role)

    def rest(self, method: str, url: str, **form: str) -> Any:
        """A good REST request; the answer must be a success."""
        response = requests.request(
            method, url, data=form or None, auth=(self.account_sid, self.auth_token), timeout=TIMEOUT
        )
        assert response.status_code < 300, response.text
        return response.json() if response.content else None

    def memory(self) -> float:
        """Megabytes that the service occupies now (RSS)."""
        with open(f"/proc/{self.pid}/status", encoding="ascii") as status:
            return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS"))

    def files(self) -> int:
        """How many files and sockets the service has open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def cpu(self) -> float:
        """Seconds of CPU that the service has used."""
        with open(f"/proc/{self.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def service(*arguments: str, log: Any = None) -> Iterator[Target]:
    """Run ``taskrouter local`` on a free port, in a process of its own."""
    command = [sys.executable, "-m", "twilio_taskrouter_worker.cli", "local", "--port", "0", "--json", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process:
        try:
            assert process.stdout is not None
            yield Target(process.pid, json.loads(process.stdout.readline()))
        finally:
            process.terminate()
            try:
                process.wait(TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


def connect(target: Target, timeout: float = TIMEOUT) -> socket.socket:
    """Return a connected socket."""
    return socket.create_connection(target.address, timeout)


def status(answer: bytes) -> int | str:
    """The status of an answer, or ``closed`` if there is none."""
    found = re.match(rb"HTTP/1\.[01] (\d{3}) ", answer)
    return int(found.group(1)) if found else "closed"


def exchange(target: Target, data: bytes, connection: socket.socket | None = None) -> bytes:
    """Send bytes as they are, and return one answer, or what came before the service closed."""
    own = connection is None
    connection = connect(target) if connection is None else connection
    received = b""
    try:
        connection.sendall(data)
        while not whole(received) and (part := connection.recv(65536)):
            received += part
    except ConnectionError:
        pass
    finally:
        if own:
            connection.close()
    return received


def whole(answer: bytes) -> bool:
    """Whether an answer is complete."""
    head, divided, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"Content-Length: (\d+)", head)
    if divided and (head.startswith(b"HTTP/1.1 204") or head.startswith(b"HTTP/1.1 101")):
        return True
    return bool(divided) and length is not None and len(body) >= int(length.group(1))


def http(method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
    """The bytes of a request; underscores in names of headers are hyphens."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body or method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + body


class Probe:
    """A well-behaved worker and a backend, who work on while others attack; each request's time is noted.

    Runs in a process of its own, so that an attacker's threads do not count as the service's slowness.
    """

    def __init__(self, target: Target, worker_sid: str) -> None:
        facts = {**target.facts, "worker_sid": worker_sid, "token": target.token_for(worker_sid)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.peers"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(facts) + "\n")
        self._process.stdin.flush()
        self.samples: list[tuple[float, str, float]] = []
        """When it ended (monotonic seconds, of all processes), what it was, and how many seconds it took."""
        self.failures: list[str] = []
        self._reader = threading.Thread(target=self._read, name="tool-probe")
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            sample = json.loads(line)
            if "failure" in sample:
                self.failures.append(sample["failure"])
            else:
                self.samples.append((sample["at"], sample["kind"], sample["seconds"]))

    def stop(self) -> None:
        """End it; everything it has noted is there then."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(TIMEOUT + 5)
        self._reader.join()
        self._process.stdout.close()


def _probe(target: Target, over: threading.Event) -> None:
    session = requests.Session()
    session.auth = (target.account_sid, target.auth_token)
    events = websocket.create_connection(f"{target.ws_server}?token={target.token}", timeout=TIMEOUT)
    events.recv()

    def timed(kind: str, do: Any) -> None:
        begun = time.monotonic()
        try:
            do()
        except Exception as error:
            print(json.dumps({"failure": f"{kind}: {type(error).__name__}: {error}"}), flush=True)
            return
        ended = time.monotonic()
        print(json.dumps({"at": ended, "kind": kind, "seconds": ended - begun}), flush=True)

    def life() -> None:
        created = session.post(f"{target.workspace_url}/Tasks", {"WorkflowSid": target.workflow_sid}, timeout=TIMEOUT)
        created.raise_for_status()
        task_sid = created.json()["sid"]
        while (frame := json.loads(events.recv().strip() or "{}")).get("event_type") != "reservation.created":
            pass
        own = f"Workspaces/{target.workspace_sid}/Workers/{target.worker_sid}/Reservations/{frame['payload']['sid']}"
        envelope = {"url": own, "method": "POST", "params": {"ReservationStatus": "accepted"}, "token": target.token}
        session.post(target.eb_server, json.dumps(envelope), timeout=TIMEOUT).raise_for_status()
        done = {"AssignmentStatus": "completed", "Reason": "done"}
        session.post(f"{target.workspace_url}/Tasks/{task_sid}", done, timeout=TIMEOUT).raise_for_status()

    def fresh() -> None:
        requests.get(target.workspace_url, auth=session.auth, timeout=TIMEOUT).raise_for_status()

    while not over.wait(0.02):
        timed("new connection", fresh)
        timed("task life", life)
    events.close()
    session.close()


if __name__ == "__main__":
    _over = threading.Event()
    _target = Target(0, json.loads(sys.stdin.readline()))
    threading.Thread(target=lambda: (sys.stdin.read(), _over.set()), daemon=True).start()
    _probe(_target, _over)
