"""Calls where something is missing or hostile: threads, addresses, networks that changed, answers meant to do harm."""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.integration.client.event_recorder import TOKEN, connected
from tests.oracle.bridge import RecordingBridge
from tests.oracle.relay import Relay
from tests.tools.answers import Hang, Reply
from tests.tools.seams import calls_of
from tests.tools.wait import eventually, no_leftover_threads
from twilio_taskrouter_worker import (
    ClosedError,
    InvalidAnswerError,
    NetworkError,
    RateLimitedError,
    RequestTimeoutError,
    TaskRouterError,
    Worker,
    Workspace,
)
from twilio_taskrouter_worker._bridge import connections, loading
from twilio_taskrouter_worker._bridge.http import TEXT_LIMIT, hide
from twilio_taskrouter_worker._bridge.threads import POOL, POOL_SIZE

OWN = r"Workers/\w+$"
WORKSPACE = "WS0eff317b7980fdf60561d4668aa02c69"
ROOT = Path(__file__).resolve().parents[3]
PLENTY = 20.0
"""Seconds that a test waits for what should come soon, on a busy machine too."""


def get(worker: Worker) -> Future[Any]:
    return worker.fetch_latest_version()


def post(worker: Worker) -> Future[Any]:
    return worker.set_attributes({"colour": "green"})


def workspace_at(port: int, timeout: float = 15.0) -> Workspace:
    return Workspace(TOKEN, WORKSPACE, eb_server=f"http://127.0.0.1:{port}/", request_timeout=timeout)


# -- H1: no thread to be had -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lacking", ["taskrouter-timers", "taskrouter-rest"])
def test_a_shortage_of_threads_passes(bridge: RecordingBridge, monkeypatch: pytest.MonkeyPatch, lacking: str) -> None:
    """Calls that find no thread raise, are never sent, and do not break those that come after."""
    real, short = threading.Thread.start, threading.Event()

    def start(thread: threading.Thread) -> None:
        if short.is_set() and thread.name.startswith(lacking):
            raise RuntimeError("can't start new thread")
        real(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    workspace = workspace_at(bridge.port)
    POOL.drain(PLENTY)
    from twilio_taskrouter_worker._bridge.threads import drain_all

    drain_all(time.monotonic() + PLENTY)
    short.set()
    for _ in range(POOL_SIZE + 20):
        with pytest.raises(TaskRouterError, match="No thread could be started"):
            workspace.fetch_task("WT1")
    short.clear()
    with pytest.raises(TaskRouterError):
        # There is no such task: it is the answer that counts.
        workspace.fetch_task("WT1").result(PLENTY)
    assert len(bridge.calls_to("Tasks/WT1")) == 1
    with no_leftover_threads(), connected(bridge) as (worker, recorder):
        assert post(worker).result(PLENTY) is worker
        bridge.abort()
        recorder.wait_for("ready", 2)


LIMITED = """
import os, resource, sys, threading
from twilio_taskrouter_worker import TaskRouterError, Worker, Workspace
from twilio_taskrouter_worker._bridge import calls, loading, connection, threads
from twilio_taskrouter_worker.local import LocalTaskRouter

with LocalTaskRouter() as router:
    sid = router.add_worker("Alice")
    workspace = Workspace(router.token(sid, role="supervisor"), **router.connection)
    workspace.fetch_worker_info(sid).result(20)
    threads.drain_all(threads.time.monotonic() + 10)
    os.setgid(65534)
    os.setuid(65534)
    soft, hard = resource.getrlimit(resource.RLIMIT_NPROC)
    resource.setrlimit(resource.RLIMIT_NPROC, (1, hard))
    try:
        workspace.fetch_worker_info(sid)
    except TaskRouterError as error:
        print("refused:", error)
    resource.setrlimit(resource.RLIMIT_NPROC, (soft, hard))
    print("again:", workspace.fetch_worker_info(sid).result(20).friendly_name)
    threads.drain_all(threads.time.monotonic() + 10)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_real_limit_of_threads() -> None:
    """As another user with RLIMIT_NPROC at 1: the call says what is missing, and works when the limit is gone."""
    assert resource.RLIMIT_NPROC is not None
    done = subprocess.run(
        [sys.executable, "-c", LIMITED], capture_output=True, text=True, timeout=120, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    refused, again = done.stdout.splitlines()
    assert refused.startswith("refused: No thread could be started")
    assert again == "again: Alice"


# -- H2: texts ---------------------------------------------------------------------------------------------------------


def test_hiding_takes_linear_time() -> None:
    """What took quadratic time would take hours here."""
    assert len(hide("token", "eyJ" * 2_000_000)) <= TEXT_LIMIT
    assert len(hide("", "x" * 60_000_000)) == TEXT_LIMIT


@pytest.mark.parametrize("before", ["", "token_", "(", "a.b-", " " * (TEXT_LIMIT - 5)])
def test_hiding_finds_tokens_wherever_they_stand(before: str) -> None:
    """Within a word, at the end of what is kept, our own or another one."""
    jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
    for token in ("", jwt, "opaque-token-of-ours"):
        shown = hide(token, f"{before}{token or jwt} was refused")
        assert "c2lnbmF0" not in shown and "eyJzdWIi" not in shown and "opaque-token" not in shown


def test_a_refusal_of_sixty_kilobytes(bridge: RecordingBridge) -> None:
    """A message made to be slow: the error comes in time, and keeps no more of it than can be shown."""
    message = "eyJ" * 20_000
    with connected(bridge) as (worker, _):
        bridge.on_call(OWN, Reply(400, {"message": message, "more_info": message}), method="POST")
        error = post(worker).exception(PLENTY)
        assert isinstance(error, TaskRouterError)
        assert len(error.message) < TEXT_LIMIT + 100 and len(error.more_info or "") <= TEXT_LIMIT


# -- H6, and addresses that do not answer ------------------------------------------------------------------------------


@contextmanager
def server(handle: Callable[[socket.socket], None]) -> Iterator[int]:
    """A TCP server that leaves each connection to a function on a thread of its own; gives its port."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        accepted: list[socket.socket] = []

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                accepted.append(connection)
                threading.Thread(target=guard, args=(connection,), name="tool-connection", daemon=True).start()

        def guard(connection: socket.socket) -> None:
            try:
                handle(connection)
            except OSError:
                pass

        thread = threading.Thread(target=serve, name="tool-server", daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            # Wakes accept, which close alone does not.
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(PLENTY)
            for each in accepted:
                each.close()


def read_request(connection: socket.socket) -> bytes:
    """One request; empty where the client hung up."""
    received = b""
    while b"\r\n\r\n" not in received:
        more = connection.recv(65536)
        if not more:
            return b""
        received += more
    head, _, body = received.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def answer(body: str, status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", body]
    return "\r\n".join(lines).encode()


QUEUES = answer('{"payload": {"contents": []}}')


class DeadAfterOne:
    """Answers the first request of each connection; the others find the silence of a network that has changed."""

    def __init__(self) -> None:
        self.connections = 0
        self.unanswered = 0

    def __call__(self, connection: socket.socket) -> None:
        self.connections += 1
        assert read_request(connection)
        connection.sendall(QUEUES)
        while read_request(connection):
            self.unanswered += 1


def test_a_read_over_a_dead_connection_is_made_again_over_a_new_one() -> None:
    """It costs half of the call's time and no error; the other idle connections are not used any more."""
    peer = DeadAfterOne()
    with server(peer) as port:
        workspace = workspace_at(port, 6.0)
        assert workspace.fetch_task_queues().result(PLENTY) == {}
        begun = time.monotonic()
        assert workspace.fetch_task_queues().result(PLENTY) == {}
        assert time.monotonic() - begun >= 2.9
        assert (peer.connections, peer.unanswered) == (2, 1)


def test_after_a_loss_idle_connections_are_not_used() -> None:
    """Whatever shows that the network may have changed: the next call goes over a new connection."""
    peer = DeadAfterOne()
    with server(peer) as port:
        workspace = workspace_at(port)
        for _ in range(3):
            assert workspace.fetch_task_queues().result(PLENTY) == {}
            connections.distrust_idle()
        assert (peer.connections, peer.unanswered) == (3, 0)


def test_a_connection_that_was_idle_for_long_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Routers forget it without a word."""
    monkeypatch.setattr(connections, "REUSE_SECONDS", 0.0)
    peer = DeadAfterOne()
    with server(peer) as port:
        workspace = workspace_at(port)
        assert workspace.fetch_task_queues().result(PLENTY) == {}
        assert workspace.fetch_task_queues().result(PLENTY) == {}
        assert (peer.connections, peer.unanswered) == (2, 0)


def named(monkeypatch: pytest.MonkeyPatch, host: str, look_up: Callable[[int], list[Any]]) -> None:
    """Have a host's name resolved by a function of the port."""
    real = socket.getaddrinfo

    def getaddrinfo(name: Any, port: Any, *rest: Any, **options: Any) -> Any:
        return look_up(port) if name == host else real(name, port, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def test_a_dead_first_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host whose first address swallows packets: the second one is tried while there is time."""
    peer = DeadAfterOne()
    with server(peer) as port, ExitStack() as stack:
        dead = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(8):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(dead.getsockname())
        addresses = [dead.getsockname(), ("127.0.0.1", port)]
        named(
            monkeypatch,
            "two.invalid",
            lambda port: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in addresses],
        )
        workspace = Workspace(TOKEN, WORKSPACE, eb_server=f"http://two.invalid:{port}/", request_timeout=6.0)
        assert workspace.fetch_task_queues().result(PLENTY) == {}
        assert peer.connections == 1


# -- M1, M3: waits that need no thread of the pool ---------------------------------------------------------------------


def test_deadlines_hold_while_a_name_server_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred and fifty calls to a name that is not found for half a minute: all end in time."""
    over = threading.Event()

    def hang(port: int) -> list[Any]:
        over.wait(30)
        raise OSError("gone")

    named(monkeypatch, "slow.invalid", hang)
    workspace = Workspace(TOKEN, WORKSPACE, eb_server="http://slow.invalid/", request_timeout=1.0)
    begun = time.monotonic()
    futures = [workspace.fetch_task("WT1") for _ in range(150)]
    kinds = {type(future.exception(PLENTY)) for future in futures}
    assert kinds <= {RequestTimeoutError, NetworkError}
    assert time.monotonic() - begun < PLENTY
    over.set()


def test_deadlines_hold_while_callbacks_block_the_pool(bridge: RecordingBridge) -> None:
    """With every thread of the pool in somebody's callback, a call that cannot be made still fails in time."""
    gate = threading.Event()
    inside = threading.Semaphore(0)

    def block(future: Future[Any]) -> None:
        inside.release()
        assert gate.wait(PLENTY * 2)

    workspace = workspace_at(bridge.port, 2.0)
    bridge.on_call("Tasks/WT1", Hang())
    blockers = [workspace.fetch_task("WT1") for _ in range(POOL_SIZE)]
    for each in blockers:
        each.add_done_callback(block)
    for _ in range(POOL_SIZE):
        assert inside.acquire(timeout=PLENTY)
    assert isinstance(workspace.fetch_task("WT2").exception(PLENTY), RequestTimeoutError)
    gate.set()
    bridge.release()
    for each in blockers:
        each.exception()


def test_disconnecting_does_not_run_callbacks(bridge: RecordingBridge) -> None:
    """A callback that blocks, or raises SystemExit, is the pool's affair; every Future ends."""
    gate, names = threading.Event(), []

    def block(future: Future[Any]) -> None:
        names.append(threading.current_thread().name)
        assert gate.wait(PLENTY)

    def leave(future: Future[Any]) -> None:
        raise SystemExit(3)

    with connected(bridge) as (worker, _):
        bridge.on_call(OWN, Hang(), method="GET")
        futures = [get(worker) for _ in range(3)]
        futures[0].add_done_callback(leave)
        futures[1].add_done_callback(block)
        begun = time.monotonic()
        worker.disconnect(timeout=PLENTY)
        assert time.monotonic() - begun < PLENTY / 2
        assert all(isinstance(future.exception(PLENTY), ClosedError) for future in futures)
        eventually(lambda: names)
        assert names[0].startswith("taskrouter-rest")
        gate.set()
        bridge.release()


# -- M2: a handshake that is cut ---------------------------------------------------------------------------------------


def test_a_post_whose_handshake_is_cut_is_sent_again(bridge: RecordingBridge, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of it was sent, so it may be sent again, and is done once."""
    with Relay("127.0.0.1", bridge.port, tls=True) as relay:
        cuts = [1, 2]

        def gate(connection: socket.socket) -> None:
            hello = connection.recv(65536)
            if cuts:
                cuts.pop()
                connection.close()
                return
            with socket.create_connection(("127.0.0.1", relay.port)) as onward:
                onward.sendall(hello)
                pump(connection, onward)

        monkeypatch.setenv("REQUESTS_CA_BUNDLE", relay.ca_file)
        with server(gate) as port:
            worker = Worker(TOKEN, eb_server=f"https://127.0.0.1:{port}/v1/wschannels", ws_server=bridge.ws_server)
            try:
                worker.connect(PLENTY)
                connections.distrust_idle()
                cuts.append(3)
                assert post(worker).result(PLENTY) is worker
                assert cuts == []
            finally:
                worker.disconnect()
        assert len(bridge.calls_to(OWN, method="POST")) == 1


def pump(one: socket.socket, other: socket.socket) -> None:
    """Copy both ways until one side ends."""

    def copy(source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    back = threading.Thread(target=copy, args=(other, one), name="tool-pump", daemon=True)
    back.start()
    copy(one, other)
    back.join(PLENTY)


# -- M4: Retry-After ---------------------------------------------------------------------------------------------------


def test_retry_after_zero_is_no_flood(bridge: RecordingBridge) -> None:
    """A service that says "at once" is asked some times within three seconds, not thousands."""
    with connected(bridge, request_timeout=13.0) as (worker, _):
        calls = calls_of(worker)
        # The last attempt has long enough, also on a busy machine.
        calls.rules = attrs.evolve(calls.rules, last_try=10.0)
        bridge.on_call(OWN, Reply(429, {"message": "slow"}, {"Retry-After": "0"}), method="POST")
        assert isinstance(post(worker).exception(PLENTY), RateLimitedError)
        assert 2 <= len(bridge.calls_to(OWN, method="POST")) <= 12


# -- M15, and answers without bounds -----------------------------------------------------------------------------------


class EndlessPages:
    """A list that always has another page."""

    def __init__(self) -> None:
        self.pages = 0

    def __call__(self, connection: socket.socket) -> None:
        while read_request(connection):
            self.pages += 1
            connection.sendall(answer(f'{{"payload": {{"contents": [{{}}, {{}}], "after_sid": "WQ{self.pages}"}}}}'))


def test_a_list_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends with an error that says how much was read."""
    monkeypatch.setattr(loading, "LIST_RECORDS", 99)
    peer = EndlessPages()
    with server(peer) as port:
        error = workspace_at(port).fetch_task_queues().exception(PLENTY)
        assert isinstance(error, InvalidAnswerError)
        assert error.message == "A list does not end: 100 records on 50 pages so far"
        assert peer.pages == 50


def test_a_list_is_cancelled() -> None:
    """Between two pages, or in one: no further page is requested."""
    peer = EndlessPages()
    with server(peer) as port:
        future = workspace_at(port).fetch_task_queues()
        eventually(lambda: peer.pages > 5)
        assert future.cancel() and future.cancelled()
        with pytest.raises(CancelledError):
            future.result(1)
        POOL.drain(PLENTY)
        pages = peer.pages
        assert isinstance(workspace_at(port).fetch_task("WT1").exception(PLENTY), InvalidAnswerError)
        assert peer.pages <= pages + 2


@pytest.mark.parametrize("declared", [True, False])
def test_an_answer_that_is_too_large_is_not_requested_again(monkeypatch: pytest.MonkeyPatch, declared: bool) -> None:
    """It would be as large the next time."""
    monkeypatch.setattr(connections, "ANSWER_LIMIT", 1000)
    requests = []

    def handle(connection: socket.socket) -> None:
        while read_request(connection):
            requests.append(1)
            if declared:
                connection.sendall(answer("x" * 1001))
            else:
                connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 2000)
                connection.shutdown(socket.SHUT_WR)

    with server(handle) as port:
        error = workspace_at(port).fetch_task("WT1").exception(PLENTY)
        assert isinstance(error, NetworkError) and "larger than 1000 bytes" in error.message
        assert len(requests) == 1
