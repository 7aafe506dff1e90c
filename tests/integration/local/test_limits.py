"""How many connections there may be, and what they may send: who makes room, who stays, and what the log says."""

from __future__ import annotations

import gzip
import logging
import resource
import socket
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import websocket

from tests.integration.local.bridge_client import TIMEOUT, BridgeClient
from tests.tools.wait import eventually
from twilio_taskrouter_worker.local import LocalTaskRouter
from twilio_taskrouter_worker.local.engine.rules import MAX_EXPRESSION
from twilio_taskrouter_worker.local.server.bridge import websocket as bridge
from twilio_taskrouter_worker.local.server.http import connections, filters


@pytest.fixture(autouse=True)
def warnings_are_kept(caplog: pytest.LogCaptureFixture) -> None:
    """A Worker of an earlier test may have set the level of all loggers of the package."""
    caplog.set_level(logging.WARNING, "twilio_taskrouter_worker.local")


def connect(router: LocalTaskRouter, data: bytes = b"") -> socket.socket:
    """A connection that says what is given and no more."""
    parts = urlsplit(router.url)
    connection = socket.create_connection((parts.hostname or "", parts.port or 0), TIMEOUT)
    connection.sendall(data)
    return connection


def ended(connection: socket.socket) -> bool:
    """Whether the service has closed a connection, which must happen soon."""
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True
    except TimeoutError:
        return False


def ping(router: LocalTaskRouter) -> int:
    """The status of a good request on a connection of its own."""
    url = f"{router.url}/v1/Workspaces"
    return requests.get(url, auth=(router.account_sid, router.auth_token), timeout=TIMEOUT).status_code


def test_the_oldest_connection_makes_room(
    router: LocalTaskRouter, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Beyond the limit new ones are served, the ones silent for longest are closed, and the log says so once."""
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 10)
    with BridgeClient(router, router.add_worker("Alice")).open() as client:
        idle = [connect(router) for _ in range(15)]
        assert ping(router) == 200
        assert all(ended(connection) for connection in idle[:6])
        assert client.event()[0] == "init"  # the oldest of all, but a session
        assert client.post(client.own, Attributes={"a": 1}).status == 200
        assert client.event()[0] == "worker.attributes.update"
    for connection in idle:
        connection.close()
    assert [record.levelno for record in caplog.records if "without a request" in record.getMessage()] == [
        logging.WARNING
    ]


def test_unproven_connections_are_evicted_first(router: LocalTaskRouter, monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood of newer connections does not close one on which somebody with credentials was served."""
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 10)
    url = f"{router.url}/v1/Workspaces"
    with requests.Session() as guest, requests.Session() as stranger:
        guest.auth = (router.account_sid, router.auth_token)
        ports = set()

        def ask(session: requests.Session) -> int:
            with session.get(url, timeout=TIMEOUT, stream=True) as response:
                connection: Any = response.raw.connection
                ports.add(connection.sock.getsockname())
                return len(response.content) and response.status_code

        assert (ask(guest), ask(stranger)) == (200, 401)
        idle = [connect(router) for _ in range(30)]
        assert all(ended(connection) for connection in idle[:20])
        assert len(ports) == 2
        assert ask(guest) == 200
        assert len(ports) == 2
        assert ask(stranger) == 401
        assert len(ports) == 3
    for connection in idle:
        connection.close()


def test_sessions_fill_the_house(router: LocalTaskRouter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all are sessions, the new connection is the one that goes."""
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 2)
    alice = router.add_worker("Alice")
    with BridgeClient(router, alice).open() as one, BridgeClient(router, alice).open() as two:
        assert (one.event()[0], two.event()[0]) == ("init", "init")
        with closing(connect(router)) as connection:
            assert ended(connection)
        assert router.open_sessions(alice) == 2
    eventually(lambda: router.open_sessions(alice) == 0)
    assert ping(router) == 200


def test_fewer_files_fewer_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part of the files that the process may have open is left to the rest of the program."""
    for files, most in ((1024, 768), (10**6, connections.MOST_CONNECTIONS), (1, 1)):
        monkeypatch.setattr(resource, "getrlimit", lambda _, files=files: (files, files))
        assert connections.most_connections() == most
    unlimited = resource.RLIM_INFINITY
    monkeypatch.setattr(resource, "getrlimit", lambda _: (unlimited, unlimited))
    assert connections.most_connections() == connections.MOST_CONNECTIONS


def test_unfinished_requests_together(
    router: LocalTaskRouter, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What many clients send of bodies that do not end is bounded in all: the oldest are closed, nothing fails."""
    monkeypatch.setattr(connections, "WAITING_BYTES", 300_000)
    head = b"POST /v1/wschannels HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200000\r\n\r\n"
    slow = []
    for _ in range(5):
        slow.append(connect(router, head))
        slow[-1].sendall(b" " * 100_000)
        assert ping(router) == 200
    assert all(ended(connection) for connection in slow[:2])
    slow[-1].sendall(b" " * 100_000)
    assert slow[-1].recv(100).startswith(b"HTTP/1.1 400 ")
    for connection in slow:
        connection.close()
    assert ping(router) == 200
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_compressed_bodies(router: LocalTaskRouter) -> None:
    """A compressed body is refused: a few bytes could be a gigabyte."""
    body = gzip.compress(b"FriendlyName=Alice")
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/x-www-form-urlencoded"}
    url = f"{router.url}/v1/Workspaces/{router.workspace_sid}/Workers"
    auth = (router.account_sid, router.auth_token)
    response = requests.post(url, data=body, headers=headers, auth=auth, timeout=TIMEOUT)
    assert (response.status_code, response.json()["code"]) == (415, 20001)
    assert "gzip" in response.json()["message"]
    headers["Content-Encoding"] = "identity"
    assert requests.post(url, data=b"FriendlyName=Alice", headers=headers, auth=auth, timeout=TIMEOUT).ok


@pytest.mark.parametrize("opcode", [websocket.ABNF.OPCODE_TEXT, websocket.ABNF.OPCODE_PING])
def test_a_flood_of_frames(
    router: LocalTaskRouter, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, opcode: int
) -> None:
    """A client that sends frame after frame loses its session, alone."""
    monkeypatch.setattr(bridge, "MOST_FRAMES", 20)
    alice = router.add_worker("Alice")
    with BridgeClient(router, alice).open() as good, BridgeClient(router, alice).open() as bad:
        assert bad.socket is not None and good.socket is not None
        for _ in range(20):
            bad.socket.send(b"x", opcode)
        good.socket.ping("still there?")
        good.event()
        assert good.socket.recv_data(control_frame=True) == (websocket.ABNF.OPCODE_PONG, b"still there?")
        bad.socket.send(b"x", opcode)
        eventually(lambda: router.open_sessions(alice) == 1)
        assert "sends too many frames" in caplog.text


def test_frames_now_and_then(router: LocalTaskRouter, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is one per minute, not for the life of a session."""
    monkeypatch.setattr(bridge, "MOST_FRAMES", 5)
    monkeypatch.setattr(bridge, "_MINUTE", 0.0)
    alice = router.add_worker("Alice")
    with BridgeClient(router, alice).open() as client:
        assert client.socket is not None
        client.event()
        for _ in range(20):
            client.socket.ping("x")
            assert client.socket.recv_data(control_frame=True)[0] == websocket.ABNF.OPCODE_PONG
        assert router.open_sessions(alice) == 1


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("POST", "/TaskQueues", "TargetWorkers"),
        ("POST", "/TaskQueues/{queue}", "TargetWorkers"),
        ("GET", "/Workers", "TargetWorkersExpression"),
        ("GET", "/TaskQueues", "EvaluateWorkerAttributes"),
        ("GET", "/Tasks", "EvaluateTaskAttributes"),
    ],
)
def test_the_length_of_expressions(router: LocalTaskRouter, method: str, path: str, name: str) -> None:
    """An expression that would take minutes is refused before it is parsed; one of the allowed length is answered."""
    alice = router.add_worker("Alice")
    url = f"{router.url}/v1/Workspaces/{router.workspace_sid}{path.format(queue=router.task_queue_sid)}"
    auth = (router.account_sid, router.auth_token)
    longest = MAX_EXPRESSION
    for text, status in (("a==1 OR " * 1023 + "a == 234", 200), ("a==1 OR " * 1023 + "a == 2345", 400)):
        if name == "EvaluateWorkerAttributes":
            text = '{"a": "%s"}' % text[:-9]  # noqa: UP031 - braces
        assert len(text) in (longest, longest + 1)
        given = {
            name: text,
            **({"FriendlyName": f"Q{len(text)}"} if path == "/TaskQueues" and method == "POST" else {}),
        }
        answer = requests.request(
            method, url, params=given if method == "GET" else None, data=given if method == "POST" else None,
            auth=auth, timeout=TIMEOUT,
        )  # fmt: skip
        assert (answer.status_code in (200, 201)) == (status == 200), answer.text
    assert f"at most {longest} characters" in answer.json()["message"]
    with BridgeClient(router, alice, "supervisor") as client:
        if name in ("TargetWorkersExpression", "EvaluateWorkerAttributes"):
            assert client.get(f"{client.home}{path}", **{name: "x" * (longest + 1)}).refusal == (400, 20001)


def test_filters_have_a_limit_of_time(router: LocalTaskRouter, monkeypatch: pytest.MonkeyPatch) -> None:
    """A short expression may be slow as well on many records: the list is given up, and the answer says so."""
    router.add_worker("Alice", attributes={"skills": list(range(50))})
    monkeypatch.setattr(filters, "FILTER_SECONDS", 0.0)
    with BridgeClient(router, router.add_worker("Bob"), "supervisor") as client:
        answer = client.get(f"{client.home}/Workers", TargetWorkersExpression="skills HAS 99")
        assert answer.refusal == (400, 20001)
        assert "take more than 0 s on this list of 2" in answer.body["message"]
        assert client.get(f"{client.home}/Workers").status == 200


def test_wait_time_limits_of_statistics(router: LocalTaskRouter) -> None:
    """Thirty are counted, one more is refused."""
    url = f"{router.url}/v1/Workspaces/{router.workspace_sid}/CumulativeStatistics"
    for count, status in ((30, 200), (31, 400)):
        limits = ",".join(map(str, range(1, count + 1)))
        auth = (router.account_sid, router.auth_token)
        answer = requests.get(url, params={"SplitByWaitTime": limits}, auth=auth, timeout=TIMEOUT)
        assert answer.status_code == status, answer.text
