"""Websocket sessions of the local TaskRouter: who hears what, in which order, and how sessions end."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import jwt
import pytest
import requests
import websocket

from tests.integration.local.bridge_client import TIMEOUT, BridgeClient
from tests.tools.seams import service_of
from tests.tools.wait import eventually
from twilio_taskrouter_worker.local import LocalTaskRouter, Rules
from twilio_taskrouter_worker.local.server import service as service_module
from twilio_taskrouter_worker.local.server.events import frames, sessions
from twilio_taskrouter_worker.local.server.events.frames import HEARTBEAT


@pytest.fixture
def virtual() -> Iterator[LocalTaskRouter]:
    """A router whose clock stands still."""
    with LocalTaskRouter(clock="virtual") as router:
        yield router


def rest(router: LocalTaskRouter, path: str, **form: str) -> requests.Response:
    url = f"{router.url}/v1/Workspaces/{router.workspace_sid}/{path}"
    response = requests.post(url, data=form, auth=(router.account_sid, router.auth_token), timeout=TIMEOUT)
    assert response.status_code < 300, response.text
    return response


def test_first_frame_is_init(router: LocalTaskRouter) -> None:
    """The first frame says who one is, and how long the token still lives in milliseconds."""
    alice = router.add_worker("Alice")
    with BridgeClient(router, alice, token=router.token(alice, ttl=100)).open() as client:
        kind, payload = client.event()
    assert kind == "init"
    lifetime = payload.pop("token_lifetime")
    assert payload == {
        "channel_id": alice,
        "account_sid": router.account_sid,
        "workspace_sid": router.workspace_sid,
    }
    assert isinstance(lifetime, int)
    assert 50_000 < lifetime <= 100_000


def test_events_follow_the_answer(router: LocalTaskRouter) -> None:
    """Whenever an event has arrived, the answer to the request behind it has arrived before."""
    alice = router.add_worker("Alice", activity="Available")
    with BridgeClient(router, alice).open() as client:
        assert client.socket is not None
        client.event()
        host, port = urlsplit(router.url).netloc.split(":")
        with socket.create_connection((host, int(port)), TIMEOUT) as http:
            for number in range(20):
                envelope = {
                    "url": client.own,
                    "method": "POST",
                    "params": {"Attributes": {"round": number}},
                    "token": client.token,
                }
                body = json.dumps(envelope).encode()
                head = f"POST /v1/wschannels HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
                http.sendall(head.encode() + body)
                ready: list[socket.socket] = []
                receiving = client.socket.sock
                assert receiving is not None
                while receiving not in ready:
                    # What arrives first is what is readable first: an event without the answer would show here.
                    ready = select.select([receiving, http], [], [], TIMEOUT)[0]
                    assert http in ready, "an event came before the answer"
                assert b"200 OK" in http.recv(65536)
                assert client.event()[0] == "worker.attributes.update"


def test_every_session_gets_every_event_in_order(router: LocalTaskRouter) -> None:
    """All sessions of a worker hear the same frames; another worker's hears none of them."""
    alice, bob = router.add_worker("Alice", activity="Available"), router.add_worker("Bob")
    clients = [BridgeClient(router, sid).open() for sid in (alice, alice, alice, bob)]
    try:
        for client in clients:
            assert client.event()[0] == "init"
        router.create_task({"n": 1})
        _, created = clients[0].event()
        clients[0].post(f"{clients[0].own}/Reservations/{created['sid']}", ReservationStatus="rejected")
        assert clients[0].events(2) == ["reservation.rejected", "reservation.created"]
        for client in clients[1:3]:
            assert client.events(3) == ["reservation.created", "reservation.rejected", "reservation.created"]
        rest(router, f"Workers/{bob}", Attributes='{"last":1}')
        assert clients[3].event()[0] == "worker.attributes.update"
    finally:
        for client in clients:
            client.__exit__(None, None, None)


def test_a_late_session_gets_no_earlier_events(router: LocalTaskRouter) -> None:
    """A session hears of changes after its init only; what was before is for its lists."""
    alice = router.add_worker("Alice", activity="Available")
    with BridgeClient(router, alice).open() as early, BridgeClient(router, alice) as late:
        early.event()
        rest(router, "Tasks", Attributes="{}")
        late.open()
        rest(router, f"Workers/{alice}", Attributes='{"a":1}')
        assert late.events(2) == ["init", "worker.attributes.update"]
        assert early.events(2) == ["reservation.created", "worker.attributes.update"]


def test_heartbeat(router: LocalTaskRouter, monkeypatch: pytest.MonkeyPatch) -> None:
    """An idle session gets a text frame of one space, again and again, whatever the clock of the tasks does."""
    monkeypatch.setattr(sessions, "HEARTBEAT_SECONDS", 0.02)
    assert HEARTBEAT == b"\x81\x01 "
    router.clock.pause()
    with BridgeClient(router, router.add_worker("Alice")).open() as client:
        client.event()
        assert [client.frame() for _ in range(3)] == [" ", " ", " "]


def test_close_existing_sessions(router: LocalTaskRouter) -> None:
    """A newcomer that asks for it ends the others with 4001 and a reason; otherwise all stay open."""
    alice = router.add_worker("Alice")
    with BridgeClient(router, alice) as first, BridgeClient(router, alice) as second:
        first.open().event()
        second.open(closeExistingSessions="false").event()
        with BridgeClient(router, alice).open(closeExistingSessions="true") as third:
            third.event()
            for client in (first, second):
                code, reason = client.close_frame()
                assert code == 4001
                assert "newer session" in reason
            rest(router, f"Workers/{alice}", Attributes='{"a":1}')
            assert third.event()[0] == "worker.attributes.update"


@pytest.mark.parametrize(("flag", "activity"), [("true", "Offline"), ("false", "Available"), (None, "Available")])
def test_set_worker_offline_if_disconnected(router: LocalTaskRouter, flag: str | None, activity: str) -> None:
    """The worker goes offline with its last session if that session asked for it, and only then."""
    alice = router.add_worker("Alice", activity="Available")
    query = {} if flag is None else {"setWorkerOfflineIfDisconnected": flag}
    with BridgeClient(router, alice) as one, BridgeClient(router, alice) as other:
        one.open(**query).event()
        other.open(**query).event()
        assert one.socket is not None
        one.socket.close()
        rest(router, f"Workers/{alice}", Attributes='{"still":"here"}')
        assert other.event()[0] == "worker.attributes.update"
        assert router.worker(alice).activity_name == "Available"
    eventually(lambda: router.open_sessions(alice) == 0)
    assert router.worker(alice).activity_name == activity


@pytest.fixture
def strict() -> Iterator[LocalTaskRouter]:
    """A running local TaskRouter whose sessions end with their tokens."""
    with LocalTaskRouter(rules=Rules(expired_session_grace=0.0)) as router:
        yield router


LIVES = (2, 8, 32)
"""Seconds that a token lives; one that expires before it was used, on a busy machine, is followed by the next."""


def opened(client: BridgeClient) -> bool:
    """Open the websocket, and return whether that was before its token expired."""
    try:
        client.open().event()
    except websocket.WebSocketBadStatusException as refused:
        assert refused.status_code == 401
        return False
    return True


def end(token: str) -> float:
    """When a token expires, in unix seconds."""
    return float(jwt.decode(token, options={"verify_signature": False})["exp"])


def test_expired_token_ends_the_session(strict: LocalTaskRouter) -> None:
    """At its token's end, or a grace after it, a session is closed with 4002."""
    alice = strict.add_worker("Alice")
    for ttl in LIVES:
        with BridgeClient(strict, alice, token=strict.token(alice, ttl=ttl)) as client:
            if opened(client):
                assert client.close_frame() == (4002, "Token expired")
                assert time.time() >= end(client.token)
                return
    pytest.fail("no token lived long enough to be used")


def test_a_newer_token_keeps_the_session(strict: LocalTaskRouter) -> None:
    """A request with a newer token of the same worker lets the session live as long as that one."""
    alice = strict.add_worker("Alice")
    for ttl in LIVES:
        first, second = strict.token(alice, ttl=ttl), strict.token(alice, ttl=2 * ttl)
        with BridgeClient(strict, alice, token=first) as client:
            if not opened(client):
                continue
            client.token = second
            if client.get(client.own).status == 200 and time.time() < end(first):
                assert client.close_frame()[0] == 4002
                assert time.time() >= end(second)
                return
    pytest.fail("no token lived long enough to be used")


def test_a_client_that_does_not_read_is_dropped_alone(router: LocalTaskRouter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames for a session that does not read are bounded, and its neighbour hears everything meanwhile."""
    monkeypatch.setattr(sessions, "SEND_BUFFER_BYTES", 64 * 1024)
    monkeypatch.setattr(sessions, "SLOW_SECONDS", 0.1)
    alice = router.add_worker("Alice")
    options = ((socket.SOL_SOCKET, socket.SO_RCVBUF, 4096),)
    url = f"{router.connection['ws_server']}?token={router.token(alice)}"
    deaf = websocket.create_connection(url, timeout=TIMEOUT, sockopt=options)
    eventually(lambda: router.open_sessions(alice) == 1)
    router._host.call(lambda: few_bytes_in_the_system(router, alice))
    with BridgeClient(router, alice).open() as client, requests.Session() as http:
        client.event()
        address = f"{router.url}/v1/Workspaces/{router.workspace_sid}/Workers/{alice}"
        rounds = 0
        heard = []
        while router.open_sessions(alice) == 2:
            rounds += 1
            form = {"Attributes": json.dumps({"round": rounds, "padding": "x" * 4000})}
            http.post(address, data=form, auth=(router.account_sid, router.auth_token), timeout=TIMEOUT)
            assert rounds < 3000, "the deaf session was never dropped"
            heard.append(json.loads(client.event()[1]["attributes"])["round"])
        assert heard == list(range(1, rounds + 1))
    deaf.shutdown()


def few_bytes_in_the_system(router: LocalTaskRouter, worker_sid: str) -> None:
    """Let the service's system keep little of what the sessions of a worker do not read; runs on its thread."""
    for session in service_of(router).sessions.of(worker_sid):
        transport: Any = session.transport
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)


def test_a_burst_does_not_drop_a_client_that_reads(router: LocalTaskRouter, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written in one turn may be more than may wait for long, because no client can read meanwhile."""
    monkeypatch.setattr(sessions, "SLOW_SECONDS", 60.0)
    alice = router.add_worker("Alice")
    size = 3 * sessions.SEND_BUFFER_BYTES
    with BridgeClient(router, alice).open() as client:
        client.event()
        eventually(lambda: router.open_sessions(alice) == 1)
        router._host.call(lambda: burst(router, alice, size))
        assert client.socket is not None
        connection = client.socket.sock
        assert connection is not None
        read = 0
        while read < size:
            part = len(connection.recv(1024 * 1024))
            assert part, "dropped"
            read += part
        assert router.open_sessions(alice) == 1


def burst(router: LocalTaskRouter, worker_sid: str, size: int) -> None:
    """Write frames of that size to the sessions of a worker in one turn; runs on the service's thread."""
    frame = frames.text(b"x" * 65536)
    for session in list(service_of(router).sessions.of(worker_sid)):
        for _ in range(size // 65536):
            session.write(frames.Kind.EVENT, frame)


def test_more_than_a_burst_is_dropped_at_once(router: LocalTaskRouter) -> None:
    """However short the time, what waits for one session is bounded."""
    alice = router.add_worker("Alice")
    with BridgeClient(router, alice).open() as client:
        client.event()
        eventually(lambda: router.open_sessions(alice) == 1)
        router._host.call(lambda: burst(router, alice, 2 * sessions.BURST_BYTES))
        eventually(lambda: router.open_sessions(alice) == 0)


def test_a_move_of_the_clock_gives_clients_their_turn(virtual: LocalTaskRouter) -> None:
    """What is due at many moments is done in parts, and everything is done when the move returns."""
    for number in range(40):
        virtual.create_task({}, timeout=100 + number)
    service = service_of(virtual)
    parts: list[bool] = []
    run_timers = service.run_timers

    def counted() -> bool:
        parts.append(run_timers())
        return parts[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(service, "run_timers", counted)
        patch.setattr(service_module, "EVENTS_AT_ONCE", 10)
        virtual.clock.advance(500)
    assert len(parts) > 4 and parts[-1] is False and all(parts[:-1])
    assert virtual.tasks() == []


def test_a_worker_may_have_some_sessions(router: LocalTaskRouter) -> None:
    """One more than the limit is refused with 429, unless it closes the others; other workers are not affected."""
    alice, bob = router.add_worker("Alice"), router.add_worker("Bob")
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(BridgeClient(router, alice).open())
        eventually(lambda: router.open_sessions(alice) == 20)
        with pytest.raises(websocket.WebSocketBadStatusException, match="429.*20 websockets already"):
            BridgeClient(router, alice).open()
        stack.enter_context(BridgeClient(router, bob).open())
        last = stack.enter_context(BridgeClient(router, alice).open(closeExistingSessions="true"))
        assert last.event()[0] == "init"
        eventually(lambda: router.open_sessions(alice) == 1)
    with LocalTaskRouter(rules=Rules(sessions_per_worker=None)) as router, contextlib.ExitStack() as stack:
        carol = router.add_worker("Carol")
        for _ in range(25):
            stack.enter_context(BridgeClient(router, carol).open())
        eventually(lambda: router.open_sessions(carol) == 25)


def test_stop_tells_the_clients(router: LocalTaskRouter) -> None:
    """A service that stops closes its sessions with 1001."""
    with BridgeClient(router, router.add_worker("Alice")).open() as client:
        client.event()
        router.stop()
        assert client.close_frame()[0] == 1001


def test_deleted_worker_loses_its_sessions(router: LocalTaskRouter) -> None:
    """The sessions of a worker that is deleted are closed with 4003."""
    alice = router.add_worker("Alice")
    with BridgeClient(router, alice).open() as client:
        client.event()
        url = f"{router.url}/v1/Workspaces/{router.workspace_sid}/Workers/{alice}"
        deleted = requests.delete(url, auth=(router.account_sid, router.auth_token), timeout=TIMEOUT)
        assert deleted.status_code == 204
        assert client.close_frame() == (4003, "Worker deleted")


def test_deleted_workspace_loses_its_sessions(router: LocalTaskRouter) -> None:
    """The sessions of a workspace that is deleted are closed."""
    with BridgeClient(router, router.add_worker("Alice")).open() as client:
        client.event()
        url = f"{router.url}/v1/Workspaces/{router.workspace_sid}"
        requests.delete(url, auth=(router.account_sid, router.auth_token), timeout=TIMEOUT)
        assert client.close_frame()[0] == 4003


def test_replaced_client_that_does_not_answer(router: LocalTaskRouter) -> None:
    """A replaced client that never answers the close frame is cut off, and nobody waits for it."""
    alice = router.add_worker("Alice")
    host, port = urlsplit(router.url).netloc.split(":")
    with socket.create_connection((host, int(port)), TIMEOUT) as dead, BridgeClient(router, alice) as client:
        query = f"token={client.token}&closeExistingSessions=false"
        dead.sendall(
            f"GET /v1/wschannels?{query} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n".encode()
        )
        received = dead.recv(4096)
        assert received.startswith(b"HTTP/1.1 101 ")
        client.open(closeExistingSessions="true").event()
        assert router.open_sessions(alice) == 1
        try:
            while received := dead.recv(4096):
                pass
        except ConnectionResetError:
            received = b""
        assert received == b""


def test_a_token_expired_from_the_start(router: LocalTaskRouter) -> None:
    """A token made for no time at all is expired at once."""
    alice = router.add_worker("Alice")
    for ttl in (0, -3600):
        with pytest.raises(websocket.WebSocketBadStatusException, match="401"):
            BridgeClient(router, alice, token=router.token(alice, ttl=ttl)).open()


def test_messages_of_a_client_are_ignored(router: LocalTaskRouter) -> None:
    """Text, binary and pings from a client change nothing; pings are answered; a huge message ends the session."""
    alice = router.add_worker("Alice")
    with BridgeClient(router, alice).open() as client:
        client.event()
        assert client.socket is not None
        client.socket.send("hello")
        client.socket.send_binary(b"hello")
        client.socket.ping(b"beat")
        assert client.socket.recv_data(control_frame=True) == (websocket.ABNF.OPCODE_PONG, b"beat")
        client.socket.send("x" * 100_000)
        eventually(lambda: router.open_sessions(alice) == 0)


def test_timeouts_reach_live_sessions(router: LocalTaskRouter) -> None:
    """Moving the clock lets a reservation time out, and the open session hears it in the documented order."""
    alice = router.add_worker("Alice", activity="Available")
    with BridgeClient(router, alice).open() as client:
        client.event()
        router.create_task()
        assert client.event()[0] == "reservation.created"
        router.clock.advance(121)
        kind, payload = client.event()
        assert (kind, payload["reservation_status"], payload["task"]["assignment_status"]) == (
            "reservation.timeout",
            "timeout",
            "pending",
        )
        kind, payload = client.event()
        assert (kind, payload["activity_name"]) == ("worker.activity.update", "Offline")


def test_timers_run_on_the_real_clock() -> None:
    """Without anybody moving the clock, a short task timeout happens by itself."""
    with LocalTaskRouter(rules=Rules()) as router:
        sid = router.create_task(timeout=1)
        eventually(lambda: router.task(sid).assignment_status == "canceled", timeout=20)
        assert router.task(sid).reason == "Task TTL Exceeded"


def test_paused_clock_holds_timers_and_resume_lets_them_go() -> None:
    """A paused clock keeps a task from timing out; resumed shortly before its end, it times out by itself."""
    with LocalTaskRouter(clock="virtual") as router:
        sid = router.create_task(timeout=100)
        router.clock.advance(99.9)
        assert router.task(sid).assignment_status == "pending"
        router.clock.resume()
        eventually(lambda: router.task(sid).assignment_status == "canceled", timeout=20)


# -- the answer first ------------------------------------------------------------------------------------------------


def test_events_leave_after_the_answer_and_the_delay() -> None:
    """Over REST and the bridge: the client has its answer before the events of its request leave the service."""
    with LocalTaskRouter(event_delay=0.3) as router:
        alice = router.add_worker("Alice", activity="Available")
        with BridgeClient(router, alice).open() as client:
            assert client.event()[0] == "init"
            began = time.monotonic()
            rest(router, "Tasks", WorkflowSid=router.workflow_sid)
            assert client.event()[0] == "reservation.created"
            assert time.monotonic() - began >= 0.3
            began = time.monotonic()
            client.post(client.own, ActivitySid=router.activities["Offline"])
            assert client.event()[0] == "worker.activity.update"
            assert time.monotonic() - began >= 0.3


@pytest.mark.parametrize("delay", [-0.1, 1.5, "1", True, None])
def test_bad_delays(delay: object) -> None:
    """The message says what would be right."""
    kind = ValueError if isinstance(delay, float) else TypeError
    with pytest.raises(kind, match="event_delay must be a number of seconds from 0 to 1"):
        LocalTaskRouter(event_delay=delay)  # type: ignore[arg-type]
