"""What a peer should not send: each has its documented answer, nothing is logged as an error, and others are served."""

from __future__ import annotations

import base64
import json
import logging
import re
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from requests.adapters import HTTPAdapter

from tests.integration.local.bridge_client import TIMEOUT, BridgeClient
from twilio_taskrouter_worker.local import LocalTaskRouter
from twilio_taskrouter_worker.local.engine import Engine
from twilio_taskrouter_worker.local.server import app
from twilio_taskrouter_worker.local.server.http import connections
from twilio_taskrouter_worker.local.server.http.paths import PathTable
from twilio_taskrouter_worker.local.server.rest.call import Operation


@pytest.fixture(autouse=True)
def nothing_breaks(router: LocalTaskRouter, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """After each test the service still answers, and its log has no error."""
    yield
    if "breaks_on_purpose" not in caplog.text:
        assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
        assert get(router, "/v1/Workspaces").status_code == 200


def get(router: LocalTaskRouter, path: str, **options: object) -> requests.Response:
    """GET a path exactly as it is written."""
    with requests.Session() as session:
        session.mount("http://", ExactPaths())
        request = requests.Request("GET", router.url, auth=(router.account_sid, router.auth_token)).prepare()
        request.url = router.url + path
        return session.send(request, timeout=TIMEOUT)


class ExactPaths(HTTPAdapter):
    """Sends a path that begins with two slashes as it is; requests 2.32.2 sends one."""

    def request_url(self, request: requests.PreparedRequest, proxies: Any) -> str:
        return request.path_url


def post(router: LocalTaskRouter, path: str, body: bytes, kind: str) -> requests.Response:
    url = f"{router.url}/v1/Workspaces/{router.workspace_sid}{path}"
    auth = (router.account_sid, router.auth_token)
    return requests.post(url, data=body, headers={"Content-Type": kind}, auth=auth, timeout=TIMEOUT)


def raw(router: LocalTaskRouter, data: bytes, *, finish: bool = False) -> bytes:
    """Send bytes as they are, and return the one answer, or as much of it as comes before the service closes."""
    parts = urlsplit(router.url)
    received = b""
    with socket.create_connection((parts.hostname or "", parts.port or 0), TIMEOUT) as connection:
        # The service may answer and close before it has all; its answer can be read all the same.
        with suppress(ConnectionError):
            connection.sendall(data)
            if finish:
                connection.shutdown(socket.SHUT_WR)
        with suppress(ConnectionError):
            while not whole(received) and (part := connection.recv(65536)):
                received += part
    return received


def whole(answer: bytes) -> bool:
    """Whether an answer is complete."""
    head, divided, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"Content-Length: (\d+)", head)
    return bool(divided) and length is not None and len(body) >= int(length.group(1))


@pytest.mark.parametrize(
    "path",
    [
        "//",
        "/v1",
        "/v1/",
        "//v1/Workspaces",
        "/v1//Workspaces",
        "/v1/Workspaces/",
        "/v1/workspaces",
        "/v2/Workspaces",
        "/v1/../v1/Workspaces",
        "/v1/Workspaces/..",
        "/v1/Workspaces/%2e%2e",
        "/v1/Workspaces/%2e%2e/Workspaces",
        "/v1/Workspaces/{ws}/../{ws}",
        "/v1/Workspaces/{ws}%2fTasks",
        "/v1/Workspaces/{ws}/Tasks/%00",
        "/v1/Workspaces/{ws}/Tasks/%ff%fe",
        "/v1/Workspaces/{ws}/Tasks/WT;drop",
        "/v1/Workspaces/{ws}/Tasks/WTxxx/Reservations/WRxxx",
        "/v1/Workspaces/{ws}/Secrets",
        "/v1/Workspaces/WS00000000000000000000000000000000/Tasks",
        "/v1/wschannels/../Workspaces",
        "/v1/Workspaces/" + "a/" * 200,
        "/etc/passwd",
    ],
)
def test_paths_that_lead_nowhere(router: LocalTaskRouter, path: str) -> None:
    """Every path that is not exactly one of the API's is a 404 with a whole body."""
    response = get(router, path.replace("{ws}", router.workspace_sid))
    assert response.status_code == 404, response.text
    assert response.json()["code"] == 20404


@pytest.mark.parametrize("method", ["PUT", "PATCH", "TRACE", "DELETE"])
def test_methods(router: LocalTaskRouter, method: str) -> None:
    """A known path with another method is a 405."""
    auth = (router.account_sid, router.auth_token)
    response = requests.request(method, f"{router.url}/v1/Workspaces", auth=auth, timeout=TIMEOUT)
    assert (response.status_code, response.json()["code"]) == (405, 20004)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Basic ???",
        "Basic " + base64.b64encode(b"nobody").decode(),
        "Basic " + base64.b64encode(b"\xff\xfe:\xff").decode(),
        "Basic " + base64.b64encode(b"AC" + b"0" * 32 + b":secret").decode(),
        "Bearer abc",
    ],
)
def test_credentials(router: LocalTaskRouter, header: str) -> None:
    """Anything but the account's or its key's credentials is a 401 that asks for Basic, before the body is read."""
    lines = ("POST /v1/Workspaces HTTP/1.1", "Host: localhost", f"Authorization: {header}", "Content-Length: 99999999")
    answer = raw(router, "".join(f"{line}\r\n" for line in (*lines, "")).encode())
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"WWW-Authenticate: Basic" in answer
    assert b'"code":20003' in answer


def test_both_kinds_of_credentials(router: LocalTaskRouter) -> None:
    """The account with its token, and the API key with its secret, are both good."""
    for pair in (
        (router.account_sid, router.auth_token),
        (router.signing_key_sid, router.signing_key_secret),
    ):
        assert requests.get(f"{router.url}/v1/Workspaces", auth=pair, timeout=TIMEOUT).status_code == 200
    mixed = (router.account_sid, router.signing_key_secret)
    assert requests.get(f"{router.url}/v1/Workspaces", auth=mixed, timeout=TIMEOUT).status_code == 401


FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"Attributes=%ff%fe", FORM, 400),
        (b"Attributes=\xff\xfe", FORM, 400),
        (b"Attributes={", FORM, 400),
        (b"Attributes=[]", FORM, 400),
        (b"Attributes={}&Attributes={}", FORM, 400),
        (b"Attributes=" + b"[" * 100_000, FORM, 400),
        (b'Attributes={"a":NaN}', FORM, 400),
        (b"Priority=high", FORM, 400),
        (b"Priority=99999999999999999999999", FORM, 400),
        (b"Priority=-1", FORM, 400),
        (b"Timeout=0", FORM, 400),
        (b"VirtualStartTime=yesterday", FORM, 400),
        (b"VirtualStartTime=2023-13-45T99:99:99Z", FORM, 400),
        (b"TaskChannel=smoke", FORM, 400),
        (b"WorkflowSid=WW1", FORM, 400),
        (b"&".join(b"a%d=1" % number for number in range(2000)), FORM, 400),
        (b'{"Attributes":"{}"}', "application/json", 400),
        (b"Attributes=" + b"x" * (5 * 1024 * 1024), FORM, 413),
    ],
)
def test_bad_forms(router: LocalTaskRouter, body: bytes, kind: str, status: int) -> None:
    """A form that cannot be read, or has a value that cannot be, is refused and makes no task."""
    response = post(router, "/Tasks", body, kind)
    assert response.status_code == status, response.text
    assert set(response.json()) == {"code", "message", "more_info", "status"}
    assert router.tasks() == []


@pytest.mark.parametrize(
    "query",
    [
        "PageSize=0",
        "PageSize=1001",
        "PageSize=x",
        "Page=-1",
        "PageToken=PAnonsense",
        "PageToken=PA%ff",
        "Ordering=Colour:asc",
        "Ordering=Priority:sideways",
        "AssignmentStatus=lost",
        "WorkflowSid=WQ1",
        "EvaluateTaskAttributes=a%20b%20c",
        "Priority=high",
        "EvaluateTaskAttributes=" + "(" * 5000,
    ],
)
def test_bad_queries(router: LocalTaskRouter, query: str) -> None:
    """A filter or page that cannot be is a 400, not an empty list."""
    response = get(router, f"/v1/Workspaces/{router.workspace_sid}/Tasks?{query}")
    assert (response.status_code, response.json()["code"]) == (400, 20001), response.text


@pytest.mark.parametrize(
    "path",
    [
        "Workers?TargetWorkersExpression=skill-level",
        "Workers?ActivitySid=WAxxx",
        "Workers?TaskQueueSid=WK" + "0" * 32,
        "TaskQueues?EvaluateWorkerAttributes=[1]",
        "TaskQueues?EvaluateWorkerAttributes={",
        "TaskQueues?WorkerSid=x",
        "Statistics?Minutes=0",
        "Statistics?SplitByWaitTime=-1",
        "Events?TaskSid=x",
    ],
)
def test_bad_filters(router: LocalTaskRouter, path: str) -> None:
    """A filter of any list that cannot be is a 400."""
    response = get(router, f"/v1/Workspaces/{router.workspace_sid}/{path}")
    assert (response.status_code, response.json()["code"]) == (400, 20001), response.text


def test_filters_that_find_nothing(router: LocalTaskRouter) -> None:
    """A well-formed filter for what is not there is an empty list."""
    router.add_worker("Alice")
    for path, key in (
        (f"Workers?TaskQueueSid=WQ{'0' * 32}", "workers"),
        ("Workers?TaskQueueName=None", "workers"),
        (f"TaskQueues?WorkerSid=WK{'0' * 32}", "task_queues"),
    ):
        assert get(router, f"/v1/Workspaces/{router.workspace_sid}/{path}").json()[key] == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"\xff\xfe",
        b"{}",
        b'{"url": 1, "method": "GET"}',
        b'{"url": "x", "method": "GET", "params": []}',
        b'{"url": "x", "method": null}',
        b'{"a":' * 50_000,
        b"NaN",
    ],
)
def test_bad_envelopes(router: LocalTaskRouter, body: bytes) -> None:
    """What is not an envelope is a 400, whatever its content type."""
    with BridgeClient(router, router.add_worker("Alice")) as client:
        assert client.send(body).refusal == (400, 20001)


@pytest.mark.parametrize(
    ("url", "method", "status"),
    [
        ("", "GET", 404),
        ("/{own}", "GET", 404),
        ("v1/{own}", "GET", 404),
        ("{own}/../../Tasks", "GET", 404),
        ("{own}/Secrets", "GET", 404),
        ("{own}", "DELETE", 405),
        ("{own}", "get", 405),
        ("{own}/WorkerChannels", "POST", 405),
        ("{own}/Reservations/WR1", "GET", 404),
        ("{home}/Tasks/WT1", "GET", 404),
        ("{own}/Transfers/TT1", "POST", 400),
    ],
)
def test_bad_tunnel_paths(router: LocalTaskRouter, url: str, method: str, status: int) -> None:
    """A tunnelled path or method that is not one of the bridge's is refused as REST would."""
    with BridgeClient(router, router.add_worker("Alice")) as client:
        url = url.replace("{own}", client.own).replace("{home}", client.home)
        answer = client.send({"url": url, "method": method, "params": {}, "token": client.token})
        assert answer.status == status, answer.body


@pytest.mark.parametrize(
    "params",
    [
        {"Attributes": "text"},
        {"Attributes": []},
        {"Attributes": 7},
        {"Attributes": {"big": "x" * 5000}},
        {"ActivitySid": 7},
        {"ActivitySid": None},
        {"FriendlyName": {"a": 1}},
        {"RejectPendingReservations": {"a": 1}},
        {"Attributes": {"lone": "\ud800"}, "FriendlyName": ["x"]},
    ],
)
def test_bad_tunnel_params(router: LocalTaskRouter, params: dict[str, Any]) -> None:
    """A parameter of the wrong JSON type is a 400 that names it."""
    with BridgeClient(router, router.add_worker("Alice")) as client:
        answer = client.post(client.own, **params)
        assert answer.refusal == (400, 20001), answer.body


def test_lone_surrogates_come_back_whole(router: LocalTaskRouter) -> None:
    """Text that UTF-8 cannot carry is kept as JSON's escape, in the answer and in events."""
    with BridgeClient(router, router.add_worker("Alice")).open() as client:
        client.event()
        assert json.loads(client.post(client.own, Attributes={"a": "\ud800"}).payload["attributes"]) == {"a": "\ud800"}
        assert json.loads(client.event()[1]["attributes"]) == {"a": "\ud800"}


def test_tunnel_body_limit(router: LocalTaskRouter) -> None:
    """A tunnel request of more than a megabyte is a 413, whether it says so before or not."""
    with BridgeClient(router, router.add_worker("Alice")) as client:
        assert client.send(b" " * (1024 * 1024 + 1)).refusal == (413, 20001)
    head = b"POST /v1/wschannels HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert b" 413 " in raw(router, head + b"100001\r\n" + b" " * 0x100001 + b"\r\n0\r\n\r\n").splitlines()[0]


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS client\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /v1/Workspaces HTTP/1.1\r\nHost: localhost\r\nBroken header\r\n\r\n",
        b"GET /v1/Workspaces HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 200_000 + b"\r\n\r\n",
        b"GET /v1/" + b"y" * 200_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /v1/wschannels HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        b"POST /v1/wschannels HTTP/1.1\r\nHost: [::1]\r\n"
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/wschannels HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_input_that_is_not_http(router: LocalTaskRouter, data: bytes) -> None:
    """Broken HTTP gets a JSON 400 and a closed connection."""
    answer = raw(router, data)
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 ")), answer[:200]
    assert b"application/json" in answer
    assert b"Traceback" not in answer


def test_ancient_http(router: LocalTaskRouter) -> None:
    """A request line of HTTP/0.9, without headers, is a request without credentials."""
    assert b" 401 " in raw(router, b"GET /v1/Workspaces\r\n\r\n").splitlines()[0]


def test_header_flood(router: LocalTaskRouter) -> None:
    """Thousands of headers are refused."""
    flood = b"".join(b"X-%d: y\r\n" % number for number in range(20_000))
    answer = raw(router, b"GET /v1/Workspaces HTTP/1.1\r\nHost: localhost\r\n" + flood + b"\r\n")
    assert answer.startswith(b"HTTP/1.0 400 ")


def test_slow_body(router: LocalTaskRouter, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that does not arrive in time is a 408."""
    monkeypatch.setattr(connections, "BODY_SECONDS", 0.05)
    answer = raw(router, b"POST /v1/wschannels HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n{")
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_cut_off_body(router: LocalTaskRouter) -> None:
    """A client that goes away in the middle of its request leaves nothing behind."""
    raw(router, b"POST /v1/wschannels HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n{", finish=True)
    assert router.tasks() == []


@pytest.mark.parametrize(
    ("limit", "sent"), [("FIRST_REQUEST_SECONDS", b"GET /v1/Work"), ("IDLE_SECONDS", b"GET / HTTP/1.1\r\n\r\n")]
)
def test_silent_connections_are_closed(
    monkeypatch: pytest.MonkeyPatch, router: LocalTaskRouter, limit: str, sent: bytes
) -> None:
    """A connection is closed that never completes a request, or asks for nothing more after one."""
    monkeypatch.setattr(connections, limit, 0.1)
    with LocalTaskRouter() as quick:
        parts = urlsplit(quick.url)
        with socket.create_connection((parts.hostname or "", parts.port or 0), TIMEOUT) as connection:
            # A reset, if the service has closed it before what was sent was read.
            with suppress(ConnectionError):
                connection.sendall(sent)
                while connection.recv(4096):
                    pass


def test_many_idle_connections_do_not_disturb(router: LocalTaskRouter) -> None:
    """With three hundred idle connections the service answers as before."""
    parts = urlsplit(router.url)
    idle = [socket.create_connection((parts.hostname or "", parts.port or 0), TIMEOUT) for _ in range(300)]
    try:
        assert get(router, "/v1/Workspaces").status_code == 200
    finally:
        for connection in idle:
            connection.close()


def test_handshake_without_upgrade(router: LocalTaskRouter) -> None:
    """A plain GET of the bridge with a good token is told what it takes."""
    token = router.token(router.add_worker("Alice"))
    response = requests.get(f"{router.connection['eb_server']}?token={token}", timeout=TIMEOUT)
    assert (response.status_code, response.json()["code"]) == (400, 20001)


def test_pages_of_this_machine_may_use_bridge_and_rest(router: LocalTaskRouter) -> None:
    """They can tunnel requests, for which they need a token, and ask REST, for which they need the credentials."""
    eb_server = router.connection["eb_server"]
    preflight = requests.options(eb_server, headers={"Origin": "http://localhost:3000"}, timeout=TIMEOUT)
    assert preflight.status_code == 204
    assert preflight.headers["Access-Control-Allow-Origin"] == "*"
    assert "apiVersion" in preflight.headers["Access-Control-Allow-Headers"]
    assert requests.post(eb_server, data=b"{}", timeout=TIMEOUT).headers["Access-Control-Allow-Origin"] == "*"
    assert requests.put(eb_server, data=b"{}", timeout=TIMEOUT).status_code == 405
    assert get(router, "/v1/Workspaces").headers["Access-Control-Allow-Origin"] == "*"


def test_failure_inside_is_a_plain_500(
    router: LocalTaskRouter, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What breaks inside is answered with 20500 and without a traceback; the log has it."""

    def broken(engine: Engine) -> None:
        raise KeyError("breaks_on_purpose")

    monkeypatch.setattr(Engine, "workspaces", broken)
    response = get(router, "/v1/Workspaces")
    assert (response.status_code, response.json()["code"]) == (500, 20500)
    assert "breaks_on_purpose" not in response.text
    assert "breaks_on_purpose" in caplog.text
    monkeypatch.undo()
    assert get(router, "/v1/Workspaces").status_code == 200


def test_unsupported_operations_name_themselves(router: LocalTaskRouter, monkeypatch: pytest.MonkeyPatch) -> None:
    """An operation that Twilio has and this service has not answers 501 and names itself."""
    table: PathTable[Operation] = PathTable()
    table.add("GET", "Workspaces", Operation("ListWorkspace", "GET", "Workspaces"))
    monkeypatch.setattr(app, "TABLE", table)
    response = get(router, "/v1/Workspaces")
    assert (response.status_code, response.json()["code"]) == (501, 20501)
    assert response.json()["message"].startswith("ListWorkspace is part of Twilio's API, but")
    monkeypatch.undo()
