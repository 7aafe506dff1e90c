"""Faults over real sockets: each does what it says, and a real ``Worker`` lives through it as it promises."""

from __future__ import annotations

import gc
import json
import socket
import threading
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import attrs
import pytest
import requests
import websocket

from tests.integration.client.event_recorder import EventRecorder
from tests.integration.local.bridge_client import TIMEOUT, BridgeClient
from tests.tools.wait import eventually, no_leftover_sockets, no_leftover_threads
from twilio_taskrouter_worker import Reservation, Worker, Workspace
from twilio_taskrouter_worker.errors import (
    GatewayConnectionError,
    GatewayDisconnectedError,
    NotFoundError,
    RateLimitedError,
    ServerError,
    StateError,
    TokenExpiredError,
)
from twilio_taskrouter_worker.local import LocalTaskRouter
from twilio_taskrouter_worker.local.server.auth import tokens
from twilio_taskrouter_worker.local.server.events import sessions
from twilio_taskrouter_worker.local.server.faults import frames


@pytest.fixture
def alice(router: LocalTaskRouter) -> str:
    return router.add_worker("Alice", activity="Available")


@pytest.fixture
def fast_reconnects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Worker, "_timings", attrs.evolve(Worker._timings, backoff_min=0.01, backoff_max=0.02))


@pytest.fixture
def worker(router: LocalTaskRouter, alice: str, fast_reconnects: None) -> Iterator[Worker]:
    """Alice, connected."""
    worker, said = Worker(router.token(alice), **router.connection), threading.Event()
    worker.once("ready", lambda worker: said.set())
    with worker:
        # The listeners of a test do not hear of this connection, which may be ready before they are called.
        assert said.wait(TIMEOUT)
        yield worker


def change(router: LocalTaskRouter, worker_sid: str, number: int) -> None:
    """Let the worker's sessions hear of something."""
    response = requests.post(
        f"{router.url}/v1/Workspaces/{router.workspace_sid}/Workers/{worker_sid}",
        data={"Attributes": json.dumps({"n": number})},
        auth=(router.account_sid, router.auth_token),
        timeout=TIMEOUT,
    )
    assert response.status_code == 200, response.text


def numbers(client: BridgeClient, count: int) -> list[int]:
    """The next changes, by their numbers."""
    return [json.loads(client.event()[1]["attributes"])["n"] for _ in range(count)]


def silent(client: BridgeClient) -> bool:
    """Whether nothing has come, as far as can be seen right after an answer that came later."""
    assert client.socket is not None
    client.socket.settimeout(0.05)
    try:
        client.socket.recv()
    except websocket.WebSocketTimeoutException:
        return True
    finally:
        client.socket.settimeout(TIMEOUT)
    return False


# -- once ------------------------------------------------------------------------------------------------------------


def test_drop(router: LocalTaskRouter, alice: str) -> None:
    """The worker's websockets are reset, all of them, and nobody else's; at once it has no session any more."""
    bob = router.add_worker("Bob")
    with BridgeClient(router, alice).open() as first, BridgeClient(router, alice).open() as second:
        with BridgeClient(router, bob).open() as other:
            clients = (first, second, other)
            assert [client.event()[0] for client in clients] == ["init"] * 3
            assert router.faults.drop(alice) == 2
            assert (router.open_sessions(alice), router.open_sessions(bob)) == (0, 1)
            for client in (first, second):
                with pytest.raises(ConnectionResetError):
                    client.frame()
            change(router, bob, 1)
            assert numbers(other, 1) == [1]
            assert router.faults.drop() == 1
            assert router.faults.drop() == 0


def test_worker_survives_drops(router: LocalTaskRouter, worker: Worker) -> None:
    """A dropped worker comes back, and announces what happened meanwhile, once."""
    recorder = EventRecorder(worker, "disconnected", "ready", "reservation_created")
    for count in range(1, 4):
        assert router.faults.drop(worker.sid) == 1
        router.create_task({"n": count})
        recorder.wait_for("ready", count)
    recorder.wait_for("reservation_created", 1)
    assert recorder.names().count("disconnected") == 3
    assert [each[1][0].task.attributes["n"] for each in recorder.recorded if each[0] == "reservation_created"] == [1]


def test_evict(router: LocalTaskRouter, alice: str) -> None:
    """The client is told 4001, as by a newer session."""
    with BridgeClient(router, alice).open() as client:
        client.event()
        assert router.faults.evict(alice) == 1
        assert client.close_frame() == sessions.Close.REPLACED.value
    assert router.faults.evict(alice) == 0


def test_eviction_does_not_loop(router: LocalTaskRouter, alice: str) -> None:
    """An evicted worker ends, says why, and does not come back by itself; nothing of it is left."""
    worker = Worker(router.token(alice), **router.connection)
    recorder = EventRecorder(worker, "error", "disconnected", "reconnecting")
    with no_leftover_threads():
        worker.connect(TIMEOUT)
        with router.faults.refuse_connects() as tries:
            assert router.faults.evict(alice) == 1
            recorder.wait_for("error")
            eventually(lambda: not worker.connected, TIMEOUT)
            worker.disconnect()
        assert tries.hits == 0
    assert isinstance(recorder.recorded[-1][1][0], GatewayDisconnectedError)
    assert "replaced" in str(recorder.recorded[-1][1][0])
    assert recorder.names().count("reconnecting") == 0


def test_expired_token(router: LocalTaskRouter, alice: str) -> None:
    """Every token used so far is over, for handshakes and requests; one made in the same moment is good."""
    bob = router.add_worker("Bob")
    with BridgeClient(router, alice).open() as client, BridgeClient(router, bob).open() as other:
        client.event()
        assert router.faults.expire_token(alice) == 1
        assert client.close_frame() == sessions.Close.TOKEN_EXPIRED.value
        assert client.get(client.own).refusal == (401, 20104)
        with pytest.raises(websocket.WebSocketBadStatusException, match="401"):
            client.open()
        assert other.get(other.own).status == 200
    with BridgeClient(router, alice).open() as again:
        assert again.get(again.own).status == 200


def test_worker_with_a_provider_renews_an_expired_token(
    router: LocalTaskRouter, alice: str, fast_reconnects: None
) -> None:
    """With a token provider the worker is back with a new token, nobody has to do anything."""
    worker = Worker(token_provider=lambda: router.token(alice), token=router.token(alice), **router.connection)
    recorder = EventRecorder(worker, "ready", "token_updated")
    with worker:
        recorder.wait_for("ready")
        assert router.faults.expire_token() == 1
        recorder.wait_for("ready", 2)
        recorder.wait_for("token_updated")


def test_worker_without_a_provider_waits_for_a_token(router: LocalTaskRouter, worker: Worker) -> None:
    """Without a provider the worker says that its token is refused, and goes on with the next one."""
    recorder = EventRecorder(worker, "error", "ready", "token_expired")
    router.faults.expire_token(worker.sid)
    refused = recorder.wait_for("error")
    assert isinstance(refused, TokenExpiredError)
    assert (refused.status, refused.code) == (401, 20104)
    recorder.wait_for("token_expired")
    assert recorder.names().count("ready") == 0
    worker.update_token(router.token(worker.sid))
    recorder.wait_for("ready")


def test_texts_that_are_no_tokens_are_not_remembered(router: LocalTaskRouter, alice: str) -> None:
    """However much is sent as a token by somebody without the key, nothing stays, and no expired token revives."""
    with BridgeClient(router, alice) as client:
        assert client.get(client.own).status == 200
        router.faults.expire_token(alice)
        tracemalloc.start()
        try:
            for number in range(40):
                with BridgeClient(router, alice, token=f"{number}" + "A" * 500_000) as forger:
                    assert forger.get(forger.own).refusal == (403, 20101)
            # What is only waiting for the collector is not remembered.
            gc.collect()
            assert tracemalloc.get_traced_memory()[0] < 5_000_000
        finally:
            tracemalloc.stop()
        assert client.get(client.own).refusal == (401, 20104)


def test_expired_tokens_stay_expired_whatever_comes(
    router: LocalTaskRouter, alice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many valid tokens push others out of the memory, but not those that were made to expire."""
    monkeypatch.setattr(tokens, "KNOWN_TOKENS", 3)
    with BridgeClient(router, alice) as client:
        client.get(client.own)
        router.faults.expire_token()
        for _ in range(10):
            with BridgeClient(router, alice) as other:
                assert other.get(other.own).status == 200
        assert client.get(client.own).refusal == (401, 20104)


# -- frames ----------------------------------------------------------------------------------------------------------


def test_delay(router: LocalTaskRouter, alice: str) -> None:
    """Frames come late, in order, for this worker only; at the end those on their way come at once."""
    bob = router.add_worker("Bob")
    with BridgeClient(router, alice).open() as client, BridgeClient(router, bob).open() as other:
        client.event()
        other.event()
        with router.faults.delay(0.15, worker=alice) as fault:
            began = time.monotonic()
            change(router, bob, 1)
            assert numbers(other, 1) == [1]
            for number in range(5):
                change(router, alice, number)
            assert numbers(client, 5) == list(range(5))
            assert time.monotonic() - began >= 0.15
            assert fault.hits == 5
        with router.faults.delay(3600):
            change(router, alice, 6)
            change(router, alice, 7)
            assert silent(client)
        assert numbers(client, 2) == [6, 7]


def test_delays_add_up(router: LocalTaskRouter, alice: str) -> None:
    """Two delays are one of both; when the first ends, its frames still meet the second."""
    with BridgeClient(router, alice).open() as client:
        client.event()
        with router.faults.delay(3600) as first, router.faults.delay(0.1):
            change(router, alice, 1)
            assert silent(client)
            began = time.monotonic()
            first.undo()
            assert numbers(client, 1) == [1]
            assert time.monotonic() - began >= 0.09


def test_duplicate(router: LocalTaskRouter, alice: str) -> None:
    """Each event comes twice, ``init`` once."""
    with router.faults.duplicate(), BridgeClient(router, alice).open() as client:
        assert client.event()[0] == "init"
        change(router, alice, 1)
        change(router, alice, 2)
        assert numbers(client, 4) == [1, 1, 2, 2]
        router.faults.clear()
        change(router, alice, 3)
        change(router, alice, 4)
        assert numbers(client, 2) == [3, 4]


def test_reorder(router: LocalTaskRouter, alice: str) -> None:
    """What happens within the window comes in reverse, at the end of the fault if that is earlier."""
    with BridgeClient(router, alice).open() as client:
        client.event()
        with router.faults.reorder(3600) as fault:
            for number in range(4):
                change(router, alice, number)
            eventually(lambda: fault.hits == 4, TIMEOUT)
        assert numbers(client, 4) == [3, 2, 1, 0]
        with router.faults.reorder(0.01):
            change(router, alice, 5)
            assert numbers(client, 1) == [5]
            with BridgeClient(router, alice).open() as new:
                assert new.event()[0] == "init"


@pytest.mark.parametrize("fault", ["duplicate", "reorder", "both"])
def test_nothing_is_announced_twice(router: LocalTaskRouter, worker: Worker, fault: str) -> None:
    """Whatever comes twice or in another order: each reservation is created and ends once, as things really are."""
    recorder = EventRecorder(worker, "reservation_created", "error")
    ended: list[tuple[str, str]] = []
    done = threading.Event()

    @worker.on("reservation_created")
    def serve(reservation: Reservation) -> None:
        for event in ("accepted", "completed", "wrapup", "canceled"):
            reservation.on(event, lambda each, event=event: note(each, event))
        if reservation.status == "pending":
            reservation.accept().result(TIMEOUT)
            reservation.task.complete("done").result(TIMEOUT)

    def note(reservation: Reservation, event: str) -> None:
        ended.append((reservation.sid, event))
        if sum(event == "completed" for _, event in ended) == 5:
            done.set()

    if fault != "reorder":
        router.faults.duplicate(worker=worker.sid)
    if fault != "duplicate":
        router.faults.reorder(0.05, worker=worker.sid)
    tasks = [router.create_task({"n": number}) for number in range(5)]
    assert done.wait(60), (recorder.recorded, ended)
    router.faults.clear()
    eventually(lambda: all(router.task(task).assignment_status == "completed" for task in tasks), TIMEOUT)
    assert recorder.names().count("reservation_created") == 5
    assert len(ended) == len(set(ended))
    assert sum(event == "completed" for _, event in ended) == 5
    assert recorder.names().count("error") == 0


def test_stalled_heartbeats(router: LocalTaskRouter, alice: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No heartbeat comes; events still do."""
    monkeypatch.setattr(sessions, "HEARTBEAT_SECONDS", 0.03)
    with BridgeClient(router, alice).open() as client:
        client.event()
        assert client.frame() == " "
        with router.faults.stall_heartbeats(worker=alice) as fault:
            eventually(lambda: fault.hits > 3, TIMEOUT)
            change(router, alice, 1)
            while not (frame := client.frame()).strip():
                pass  # those that were sent before
            assert json.loads(frame)["event_type"] == "worker.attributes.update"
            assert silent(client)
        assert client.frame() == " "


@pytest.mark.parametrize("fault", ["stall_heartbeats", "half_open"])
def test_worker_notices_silence(
    router: LocalTaskRouter, alice: str, fast_reconnects: None, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """A worker that hears nothing for the limit takes the connection for lost and opens another one."""
    monkeypatch.setattr(sessions, "HEARTBEAT_SECONDS", 0.05)
    monkeypatch.setattr(Worker, "_timings", attrs.evolve(Worker._timings, silence=0.4))
    with Worker(router.token(alice), **router.connection) as worker:
        recorder = EventRecorder(worker, "disconnected", "ready", "reservation_created")
        with getattr(router.faults, fault)(worker=alice):
            assert recorder.wait_for("disconnected").message == "Connection lost"
            if fault == "half_open":
                # New websockets work, and bring what the dead one kept back.
                recorder.wait_for("ready")
                router.create_task()
                recorder.wait_for("reservation_created")
        recorder.wait_for("ready")
        eventually(lambda: router.open_sessions(alice) == 1, TIMEOUT)


def test_half_open(router: LocalTaskRouter, alice: str) -> None:
    """The socket stays, silent both ways; when the network is back, so is everything that waited."""
    with BridgeClient(router, alice).open() as client:
        client.event()
        with router.faults.half_open() as fault:
            assert fault.hits == 1
            change(router, alice, 1)
            change(router, alice, 2)
            assert client.socket is not None
            client.socket.ping()
            assert silent(client)
            with BridgeClient(router, alice).open() as new:
                assert new.event()[0] == "init"
                change(router, alice, 3)
                assert numbers(new, 1) == [3]
                with router.faults.half_open(worker=alice) as inner:
                    assert inner.hits == 1  # the new one
                assert silent(client)
        assert numbers(client, 3) == [1, 2, 3]
        assert client.socket.recv_data(control_frame=True)[0] == websocket.ABNF.OPCODE_PONG


def test_half_open_until_the_client_has_gone(router: LocalTaskRouter, alice: str) -> None:
    """The service does not notice that the client hangs up until the fault ends."""
    with BridgeClient(router, alice).open() as client:
        client.event()
        with router.faults.half_open(worker=alice):
            assert client.socket is not None
            client.socket.shutdown()
            change(router, alice, 1)
            assert router.open_sessions(alice) == 1
        eventually(lambda: router.open_sessions(alice) == 0, TIMEOUT)


def test_half_open_and_ended(router: LocalTaskRouter, alice: str) -> None:
    """A half-open session that the service ends hears nothing of it; its connection ends with the fault."""
    with BridgeClient(router, alice).open() as client:
        client.event()
        with router.faults.half_open(worker=alice):
            assert router.faults.evict(alice) == 1
            assert router.open_sessions(alice) == 0
            assert silent(client)
        with pytest.raises((ConnectionError, websocket.WebSocketException)):
            client.frame()


def test_half_open_keeps_only_so_much(router: LocalTaskRouter, alice: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for a half-open session is bounded as for any client that does not read."""
    monkeypatch.setattr(frames, "SEND_BUFFER_BYTES", 2000)
    with BridgeClient(router, alice).open() as client:
        client.event()
        with router.faults.half_open(worker=alice):
            for number in range(20):
                change(router, alice, number)
            eventually(lambda: router.open_sessions(alice) == 0, TIMEOUT)


# -- connections -----------------------------------------------------------------------------------------------------


def test_refused_handshakes(router: LocalTaskRouter, alice: str) -> None:
    """Handshakes of the worker are answered with the status; requests are not, and other workers get in."""
    bob = router.add_worker("Bob")
    with BridgeClient(router, alice) as client, router.faults.refuse_connects(worker=alice, status=502) as fault:
        with pytest.raises(websocket.WebSocketBadStatusException, match="502"):
            client.open()
        assert fault.hits == 1
        assert client.get(client.own).status == 200
        with BridgeClient(router, bob).open() as other:
            assert other.event()[0] == "init"
    with BridgeClient(router, alice).open() as client:
        assert client.event()[0] == "init"


def test_refused_connections(router: LocalTaskRouter, alice: str) -> None:
    """New TCP connections are reset; one that is open goes on."""
    address = urlsplit(router.url)
    with BridgeClient(router, alice).open() as client:
        client.event()
        assert client.get(client.own).status == 200
        with router.faults.refuse_connects(tcp=True) as fault:
            with pytest.raises(ConnectionResetError):
                with socket.create_connection((str(address.hostname), address.port or 0), TIMEOUT) as refused:
                    refused.recv(1)
            assert client.get(client.own).status == 200
            assert fault.hits == 1
        with BridgeClient(router, alice).open() as again:
            assert again.event()[0] == "init"


@pytest.mark.parametrize("tcp", [False, True])
def test_worker_comes_back_after_refusals(router: LocalTaskRouter, worker: Worker, tcp: bool) -> None:
    """A worker that cannot connect says so, and keeps trying until it can."""
    recorder = EventRecorder(worker, "error", "ready")
    with router.faults.refuse_connects(tcp=tcp) as fault:
        router.faults.drop(worker.sid)
        eventually(lambda: fault.hits >= 3, TIMEOUT)
        recorder.wait_for("error")
        assert isinstance(recorder.recorded[0][1][0], GatewayConnectionError)
        assert recorder.names().count("ready") == 0
    recorder.wait_for("ready")


# -- requests --------------------------------------------------------------------------------------------------------


def test_status(router: LocalTaskRouter, alice: str) -> None:
    """Requests of the route are answered and not done, as often as it was said; others are done."""
    with BridgeClient(router, alice) as client:
        with router.faults.http_status(500, route="POST Workers/*", times=2) as fault:
            for _ in range(2):
                answer = client.post(client.own, Attributes={"n": 1})
                assert answer.refusal == (500, 20500)
                assert answer.headers["Access-Control-Allow-Origin"] == "*"
            assert client.get(client.own).status == 200
            assert fault.hits == 2
            assert router.worker(alice).attributes == "{}"
            assert client.post(client.own, Attributes={"n": 1}).status == 200
        assert router.worker(alice).attributes == '{"n":1}'


@pytest.mark.parametrize(
    ("options", "content", "kind"),
    [
        ({"status": 502, "body": "<html>"}, b"<html>", "text/plain; charset=utf-8"),
        ({"status": 503, "body": b"\xff"}, b"\xff", "text/plain; charset=utf-8"),
        ({"status": 200}, b"", "application/json; charset=utf-8"),
        ({"status": 200, "body": {"payload": None}}, b'{"payload": null}', "application/json; charset=utf-8"),
    ],
)
def test_bodies(router: LocalTaskRouter, alice: str, options: dict[str, Any], content: bytes, kind: str) -> None:
    """The answer's body is whatever the test wants."""
    with router.faults.http_status(**options, retry_after=7):
        envelope = json.dumps({"url": "x", "method": "GET"})
        response = requests.post(router.connection["eb_server"], data=envelope, timeout=TIMEOUT)
    assert (response.status_code, response.content) == (options["status"], content)
    assert (response.headers["Content-Type"], response.headers["Retry-After"]) == (kind, "7")


def test_status_of_rest(router: LocalTaskRouter, alice: str) -> None:
    """REST's requests meet faults too, but not those of one worker, since they are nobody's."""
    url = f"{router.url}/v1/Workspaces/{router.workspace_sid}/Workers/{alice}"
    auth = (router.account_sid, router.auth_token)
    with router.faults.http_status(503, route="Workers/*", worker=alice) as scoped:
        assert requests.get(url, auth=auth, timeout=TIMEOUT).status_code == 200
        with BridgeClient(router, alice) as client:
            assert client.get(client.own).status == 503
        assert scoped.hits == 1
    with router.faults.http_status(503, route="GET Workers/*"):
        response = requests.get(url, auth=auth, timeout=TIMEOUT)
        assert (response.status_code, response.json()["code"]) == (503, 20503)
        assert requests.get(f"{url}/Channels", auth=auth, timeout=TIMEOUT).status_code == 200


def test_latency(router: LocalTaskRouter, alice: str) -> None:
    """Requests wait; when the fault ends those that wait go on at once."""
    with BridgeClient(router, alice) as client:
        with router.faults.http_latency(0.2, times=1, worker=alice):
            began = time.monotonic()
            client.get(client.own)
            assert time.monotonic() - began >= 0.2
        with Worker(router.token(alice), **router.connection) as worker:
            with router.faults.http_latency(3600, route="POST Workers/*") as fault:
                future = worker.set_attributes({"late": True})
                eventually(lambda: fault.hits == 1, TIMEOUT)
                assert not future.done()
                assert router.worker(alice).attributes == "{}"
            future.result(TIMEOUT)


def test_rate_limit_is_retried(router: LocalTaskRouter, worker: Worker) -> None:
    """A worker that is told 429 waits as long as it was told, tries again, and its call succeeds."""
    with router.faults.rate_limit(1, times=1, route="POST Workers/*") as fault:
        began = time.monotonic()
        worker.set_attributes({"n": 1}).result(TIMEOUT)
        assert time.monotonic() - began >= 1
        assert fault.hits == 1
    assert router.worker(worker.sid).attributes == '{"n":1}'


def test_errors_reach_the_caller(router: LocalTaskRouter, worker: Worker) -> None:
    """What is not retried, or for too long, is raised as the error that it is."""
    with router.faults.http_status(500, route="POST Workers/*"):
        with pytest.raises(ServerError) as failed:
            worker.set_attributes({}).result(TIMEOUT)
    assert (failed.value.status, failed.value.code) == (500, 20500)
    token, eb_server = router.token(worker.sid, "supervisor"), router.connection["eb_server"]
    workspace = Workspace(token, request_timeout=10.0, eb_server=eb_server)
    with router.faults.rate_limit(30):
        with pytest.raises(RateLimitedError) as limited:
            workspace.fetch_task_queue(router.task_queue_sid).result(TIMEOUT)
    assert (limited.value.code, limited.value.retry_after) == (20429, 30)


def test_worker_connects_through_errors(router: LocalTaskRouter, alice: str, fast_reconnects: None) -> None:
    """The lists that a worker reads at first are read again after errors."""
    with router.faults.http_status(503, route="GET Activities", times=2) as fault:
        with Worker(router.token(alice), **router.connection) as worker:
            assert worker.activity.name == "Available"
        assert fault.hits == 2


# -- all together ----------------------------------------------------------------------------------------------------


def test_repr_shows_the_active_faults(router: LocalTaskRouter, alice: str) -> None:
    """One can see which faults are at work, with what, and how often they struck."""
    faults = router.faults
    assert repr(faults) == "<Faults none>"
    limits: dict[str, Any] = {"route": "Tasks", "times": 2, "retry_after": 1}
    with faults.delay(0.2, worker=alice) as delay, faults.http_status(503, **limits) as status:
        assert list(faults.active) == [delay, status]
        assert repr(faults) == (
            f"<Faults delay(0.2, worker='{alice}'): 0 hits;"
            " http_status(503, route='Tasks', times=2, retry_after=1): 0 hits>"
        )
        assert (str(status), delay.active) == ("http_status(503, route='Tasks', times=2, retry_after=1)", True)
        delay.undo()
        delay.undo()
        assert repr(delay) == f"<Fault delay(0.2, worker='{alice}'): 0 hits, undone>"
        assert list(faults.active) == [status]
        with pytest.raises(StateError, match="is undone"):
            delay.__enter__()
    assert faults.active == ()
    names = (
        faults.duplicate(), faults.reorder(), faults.half_open(), faults.stall_heartbeats(), faults.refuse_connects(),
        faults.refuse_connects(tcp=True), faults.http_latency(1, route="GET Tasks/*"), faults.rate_limit(None),
    )  # fmt: skip
    assert [str(name) for name in names] == [
        "duplicate()", "reorder(0.05)", "half_open()", "stall_heartbeats()", "refuse_connects(status=503)",
        "refuse_connects(tcp=True)", "http_latency(1, route='GET Tasks/*')", "rate_limit(None)",
    ]  # fmt: skip
    faults.clear()
    assert faults.active == ()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda faults: faults.delay(-1), "seconds must be a number of seconds from 0 to 86400, not -1"),
        (lambda faults: faults.delay(float("nan")), "seconds must be"),
        (lambda faults: faults.http_latency(1e9), "seconds must be"),
        (lambda faults: faults.http_status(99), "status must be between 200 and 599, not 99"),
        (lambda faults: faults.refuse_connects(status=200), "between 400 and 599"),
        (lambda faults: faults.refuse_connects(tcp=True, worker="WK1"), "takes no worker"),
        (lambda faults: faults.http_status(503, times=0), "times must be 1 or more, not 0"),
        (lambda faults: faults.http_status(503, body=float("nan")), "body must be text, bytes or JSON-serializable"),
        (lambda faults: faults.http_status(503, route="POST Taks"), "No request has the route 'POST Taks'"),
        (lambda faults: faults.http_status(503, route="PUT Tasks"), "GET, POST, DELETE"),
        (lambda faults: faults.http_status(503, route=""), "No request has the route ''"),
        (lambda faults: faults.rate_limit(-1), "retry_after must be"),
    ],
)
def test_wrong_arguments(router: LocalTaskRouter, call: Any, said: str) -> None:
    """An invalid argument is refused at the call, and no fault begins."""
    with pytest.raises(ValueError, match=said):
        call(router.faults)
    assert router.faults.active == ()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda faults: faults.delay("1"), "seconds must be a number of seconds from 0 to 86400, not str"),
        (lambda faults: faults.reorder(True), "window must be a number of seconds from 0 to 86400, not bool"),
        (lambda faults: faults.http_status("503"), "status must be a whole number, not str"),
        (lambda faults: faults.http_status(503, times="2"), "times must be a whole number, not str"),
        (lambda faults: faults.http_status(503, retry_after=0.5), "retry_after must be a whole number, not float"),
        (lambda faults: faults.http_status(503, body={1, 2}), "body must be text, bytes or JSON-serializable"),
        (lambda faults: faults.drop(7), "worker must be a worker's sid, or None for all workers, not int"),
    ],
)
def test_arguments_of_a_wrong_type(router: LocalTaskRouter, call: Any, said: str) -> None:
    """A type that is never right is a TypeError at the call, and no fault begins."""
    with pytest.raises(TypeError, match=said):
        call(router.faults)
    assert router.faults.active == ()


def test_wrong_moments_and_workers(router: LocalTaskRouter) -> None:
    """There must be a router that runs, and such a worker."""
    with pytest.raises(NotFoundError, match="WK1"):
        router.faults.delay(1, worker="WK1")
    with pytest.raises(NotFoundError):
        router.faults.drop("WK" + "0" * 32)
    assert router.faults.active == ()
    other = LocalTaskRouter()
    with pytest.raises(StateError, match="not started"):
        other.faults.duplicate()


def test_faults_from_many_threads(router: LocalTaskRouter, worker: Worker) -> None:
    """Faults come and go from any thread while the worker works; in the end nothing is left of them."""
    recorder = EventRecorder(worker, "attributes_updated")
    failures: list[BaseException] = []

    def disturb(number: int) -> None:
        try:
            for _ in range(20):
                with router.faults.delay(0.001 * number), router.faults.duplicate(worker=worker.sid):
                    with router.faults.reorder(0.001), router.faults.http_latency(0.001):
                        change(router, worker.sid, number)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=disturb, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
    assert failures == []
    assert router.faults.active == ()
    change(router, worker.sid, 4711)
    eventually(lambda: worker.attributes == {"n": 4711}, TIMEOUT)
    assert recorder.names().count("attributes_updated") <= 81


def test_stops_with_faults_at_work() -> None:
    """A router that stops undoes its faults, and leaves neither thread nor socket."""
    with no_leftover_threads(), no_leftover_sockets():
        with LocalTaskRouter() as router:
            alice = router.add_worker("Alice")
            client = BridgeClient(router, alice).open()
            client.event()
            fault = router.faults.half_open()
            router.faults.delay(3600)
            router.faults.http_latency(3600)

            def get() -> None:
                # Its answer, or none if the service could not write it in the time that a stop leaves.
                with suppress(requests.ConnectionError):
                    client.get(client.own)

            waiting = threading.Thread(target=get)
            waiting.start()
            eventually(lambda: router.faults.active[-1].hits == 1, TIMEOUT)
        waiting.join(TIMEOUT)
        assert not fault.active
        assert router.faults.active == ()
        fault.undo()
        assert client.close_frame() == sessions.Close.SHUTDOWN.value
        client.__exit__(None, None, None)


def test_a_fault_has_no_effect_after_its_end(router: LocalTaskRouter, alice: str) -> None:
    """A fault ends with its block even if the block fails."""
    with pytest.raises(KeyError), router.faults.http_status(500):
        raise KeyError
    with BridgeClient(router, alice) as client:
        assert client.get(client.own).status == 200
