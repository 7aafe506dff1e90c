"""Peers that are no honest event bridge: each costs the worker a connection, and nothing more."""

from __future__ import annotations

import base64
import hashlib
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from tests.integration.client.event_recorder import TOKEN, EventRecorder
from tests.tools.wait import eventually, no_leftover_threads
from twilio_taskrouter_worker import ConnectTimeoutError, Worker
from twilio_taskrouter_worker._bridge.frames import MESSAGE_LIMIT

SLACK = 30.0
"""Seconds by which a busy machine may be late."""

Act = Callable[[socket.socket], None]


@contextmanager
def peer(act: Act, *, upgrade: bool = True) -> Iterator[int]:
    """The port of a server that does this with each connection, after the upgrade if there is to be one."""

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            if upgrade:
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    head += connection.recv(4096)
                connection.sendall(upgraded(head))
            act(connection)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=serve, args=(connection,), name="tool-peer", daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept, name="tool-peer", daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(SLACK)


def upgraded(head: bytes) -> bytes:
    (key,) = (line.split(b": ")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key"))
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
        + accept
        + b"\r\n\r\n"
    )


def worker_at(port: int, scheme: str = "ws") -> Worker:
    return Worker(TOKEN, eb_server="http://127.0.0.1:9/", ws_server=f"{scheme}://127.0.0.1:{port}/v1/wschannels")


def flood(data: bytes) -> Act:
    """Send this for as long as the client takes it."""

    def act(connection: socket.socket) -> None:
        while True:
            connection.sendall(data)

    return act


@pytest.mark.parametrize("answer", [b"HTTP/1.1 101 ", b"HTTP/1.1 101 OK\r\nX: ", b"HTTP/1.1 403 no\r\nX: "])
def test_an_answer_whose_line_does_not_end(answer: bytes) -> None:
    """It is cut long before the time for connecting is over, and takes no memory worth mentioning."""

    def act(connection: socket.socket) -> None:
        connection.sendall(answer)
        flood(b"y" * 4096)(connection)

    with no_leftover_threads(), peer(act, upgrade=False) as port:
        worker = worker_at(port)
        errors = EventRecorder(worker, "error")
        worker.start()
        eventually(lambda: errors.recorded, SLACK)
        assert "its answer is longer than 65536 bytes" in str(errors.recorded[0][1][0])
        worker.disconnect()


def test_a_message_larger_than_the_limit_ends_at_its_header() -> None:
    """A frame that announces a terabyte is not waited for."""

    def act(connection: socket.socket) -> None:
        connection.sendall(b"\x81\x7f" + struct.pack(">Q", 1 << 40))
        connection.recv(1)

    with no_leftover_threads(), peer(act) as port:
        worker = worker_at(port)
        recorder = EventRecorder(worker, "disconnected")
        worker.start()
        eventually(lambda: recorder.recorded, SLACK)
        reason = recorder.recorded[0][1][0]
        assert (reason.code, str(MESSAGE_LIMIT) in reason.message) == (1009, True)
        worker.disconnect()


@pytest.mark.parametrize("frame", [b"\x81\x00", b"\x8a\x00", b"\x89\x00"], ids=["text", "pong", "ping"])
def test_a_flood_of_tiny_frames_does_not_hold_disconnect(frame: bytes) -> None:
    """However much of it the kernel still has, it is not read to its end."""
    begun = threading.Event()
    data = frame * 32768

    def act(connection: socket.socket) -> None:
        connection.sendall(data)
        begun.set()
        flood(data)(connection)

    with no_leftover_threads(), peer(act) as port:
        before = set(threading.enumerate())
        worker = worker_at(port)
        worker.start()
        assert begun.wait(SLACK)
        worker.disconnect(timeout=SLACK)
        names = [thread.name for thread in threading.enumerate() if thread not in before]
        assert not [name for name in names if name.startswith("taskrouter-worker")]


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
def test_no_descriptor_stays_open_where_tls_is_reset() -> None:
    """A port that resets each TLS handshake costs errors, which may be kept, and no descriptor."""

    def reset(connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    kept: list[Exception] = []
    with no_leftover_threads(), peer(reset, upgrade=False) as port:
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(50):
            worker = worker_at(port, "wss")
            worker.on("error", kept.append)
            with pytest.raises(ConnectTimeoutError):
                worker.connect(0.3)
            # Usually after five rounds; on a busy machine an attempt may take longer than one.
            if len(kept) >= 5:
                break
        assert len(kept) >= 5
        eventually(lambda: len(os.listdir("/proc/self/fd")) <= before, SLACK)
