"""Making a connection: several addresses, proxies, TLS, and being interrupted."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.tools.certificates import make_certificates
from twilio_taskrouter_worker._bridge.deadline import Deadline
from twilio_taskrouter_worker._bridge.dialing import ConnectAborted, Dialing, ProxyRefused
from twilio_taskrouter_worker._bridge.settings import Settings
from twilio_taskrouter_worker._bridge.stream import Stream

SLACK = 8.0
"""Seconds by which a busy machine may be late."""


@contextmanager
def silent() -> Iterator[int]:
    """The port of an address that swallows what is sent: its queue of connections is full."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(8):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@contextmanager
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def dialing(
    *ports: int, url: str = "ws://bridge.invalid/", proxies: dict[str, str] | None = None, ca: str = ""
) -> Dialing:
    """A Dialing whose host has these ports of 127.0.0.1 as addresses."""

    def look_up(host: str, port: int) -> Future[list[Any]]:
        found: Future[list[Any]] = Future()
        found.set_result([(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", each)) for each in ports])
        return found

    return Dialing(url, Settings(proxies or {}, ca), look_up)


def test_a_silent_first_address_leaves_time_for_the_second() -> None:
    """Of two addresses the first gets half of the time, and the second is connected to."""
    with silent() as dead, listening() as alive:
        begun = time.monotonic()
        stream = dialing(dead, alive.getsockname()[1]).connect(Deadline.after(6.0))
        assert 2.5 < time.monotonic() - begun < 6.0
        with alive.accept()[0] as peer:
            stream.send_all(b"hello")
            assert peer.recv(5) == b"hello"
        stream.close()


def test_a_refusing_first_address_costs_no_time() -> None:
    """It says so at once."""
    with socket.socket() as deaf, listening() as alive:
        # Held, so that nobody else listens there.
        deaf.bind(("127.0.0.1", 0))
        refused = deaf.getsockname()[1]
        begun = time.monotonic()
        dialing(refused, alive.getsockname()[1]).connect(Deadline.after(60.0)).close()
        assert time.monotonic() - begun < SLACK


def test_all_addresses_silent_keep_the_deadline() -> None:
    """Three that swallow: the whole takes no longer than it may, and is a matter of time."""
    with silent() as dead:
        begun = time.monotonic()
        with pytest.raises(TimeoutError):
            dialing(dead, dead, dead).connect(Deadline.after(1.5))
        assert 1.0 < time.monotonic() - begun < 1.5 + SLACK


def test_no_address_at_all() -> None:
    """A name that stands for nothing."""
    with pytest.raises(OSError, match="no address"):
        dialing().connect(Deadline.after(1.0))


@pytest.mark.parametrize("when", ["before", "while the name is looked up", "while it connects"])
def test_abort_ends_it_at_once(when: str) -> None:
    """Wherever it stands."""
    with silent() as dead:
        attempt = dialing(dead)
        if when == "while the name is looked up":
            attempt = Dialing("ws://slow.invalid/", Settings({}, ""), lambda host, port: Future())
        timer = threading.Timer(0.0 if when == "before" else 0.2, attempt.abort)
        timer.start()
        if when == "before":
            timer.join()
        begun = time.monotonic()
        with pytest.raises((ConnectAborted, OSError)):
            attempt.connect(Deadline.after(60.0))
        assert time.monotonic() - begun < SLACK
        timer.join()


def serve(listener: socket.socket, act: Callable[[socket.socket], object]) -> threading.Thread:
    """Accept one connection on a thread, and do this with it."""

    def run() -> None:
        with listener.accept()[0] as peer:
            act(peer)

    thread = threading.Thread(target=run, name="tool-peer", daemon=True)
    thread.start()
    return thread


def answer_until_reset(text: bytes) -> Callable[[socket.socket], None]:
    """Send this for as long as the client takes it."""

    def act(peer: socket.socket) -> None:
        try:
            while True:
                peer.sendall(text)
        except OSError:
            pass

    return act


@pytest.mark.parametrize("answer", [b"x" * 4096, b"HTTP/1.1 200 OK\r\nX: " + b"y" * 4096])
def test_an_endless_answer_of_a_proxy_is_cut(answer: bytes) -> None:
    """What does not end is refused long before the deadline."""
    with listening() as proxy:
        peer = serve(proxy, answer_until_reset(answer))
        attempt = dialing(proxy.getsockname()[1], proxies={"http": "http://proxy.invalid:1"})
        begun = time.monotonic()
        with pytest.raises(ProxyRefused, match="did not answer as a proxy does"):
            attempt.connect(Deadline.after(60.0))
        assert time.monotonic() - begun < SLACK
        attempt.close()
        peer.join(30)


def tls_peer(
    listener: socket.socket, context: ssl.SSLContext, act: Callable[[ssl.SSLSocket], None]
) -> threading.Thread:
    def shake_hands(peer: socket.socket) -> None:
        with context.wrap_socket(peer, server_side=True) as secure:
            act(secure)

    return serve(listener, shake_hands)


def test_tls_both_ways_and_a_session_resumed(tmp_path: Path) -> None:
    """Bytes go through in both directions, in pieces of any size; the second connection resumes the first one's
    session."""
    certificates = make_certificates(tmp_path)
    context = certificates.server_context()
    large, resumed = b"x" * 1_000_000, []

    def act(peer: ssl.SSLSocket) -> None:
        resumed.append(peer.session_reused)
        assert peer.recv(5) == b"hello"
        peer.sendall(large)

    with listening() as listener:
        port = listener.getsockname()[1]
        for _ in range(2):
            peer = tls_peer(listener, context, act)
            attempt = dialing(port, url=f"wss://localhost:{port}/", ca=str(certificates.ca_file))
            stream = attempt.connect(Deadline.after(30.0))
            stream.send_all(b"hello")
            assert receive_all(stream) == large
            attempt.close()
            peer.join(30)
    assert resumed == [False, True]


def test_a_proxy_that_speaks_tls(tmp_path: Path) -> None:
    """The way to the proxy is encrypted, and its certificate checked; what follows its answer is the peer's."""
    certificates = make_certificates(tmp_path)
    asked = []

    def act(peer: ssl.SSLSocket) -> None:
        request = b""
        while not request.endswith(b"\r\n\r\n"):
            request += peer.recv(4096)
        asked.append(request.split(b"\r\n")[0])
        peer.sendall(b"HTTP/1.1 200 OK\r\n\r\nhello")

    with listening() as listener:
        port = listener.getsockname()[1]
        peer = tls_peer(listener, certificates.server_context(), act)
        attempt = dialing(port, proxies={"http": f"https://localhost:{port}"}, ca=str(certificates.ca_file))
        stream = attempt.connect(Deadline.after(30.0))
        assert receive_all(stream) == b"hello"
        attempt.close()
        peer.join(30)
    assert asked == [b"CONNECT bridge.invalid:80 HTTP/1.1"]


def receive_all(stream: Stream) -> bytes:
    pieces = []
    while piece := stream.receive():
        pieces.append(piece)
    return b"".join(pieces)


def test_writing_while_another_thread_reads(tmp_path: Path) -> None:
    """OpenSSL forbids two threads in one connection: here neither waits for the other, and no byte is lost."""
    certificates = make_certificates(tmp_path)
    count, size = 300, 1000

    def echo(peer: ssl.SSLSocket) -> None:
        while data := peer.recv(65536):
            peer.sendall(data)

    with listening() as listener:
        port = listener.getsockname()[1]
        peer = tls_peer(listener, certificates.server_context(), echo)
        attempt = dialing(port, url=f"wss://localhost:{port}/", ca=str(certificates.ca_file))
        stream = attempt.connect(Deadline.after(30.0))

        def write(letter: bytes) -> None:
            for _ in range(count):
                stream.send_all(letter * size)

        writers = [threading.Thread(target=write, args=(letter,)) for letter in (b"a", b"b")]
        for writer in writers:
            writer.start()
        got = b""
        while len(got) < 2 * count * size:
            piece = stream.receive()
            assert piece
            got += piece
        for writer in writers:
            writer.join(30)
        blocks = [got[index : index + size] for index in range(0, len(got), size)]
        assert sorted(set(blocks)) == [b"a" * size, b"b" * size]
        attempt.abort()
        attempt.close()
        peer.join(30)


def test_a_tls_handshake_that_is_cut(tmp_path: Path) -> None:
    """A peer that closes in the middle of it is an error of the connection, and nothing stays open."""
    certificates = make_certificates(tmp_path)
    with listening() as listener:
        port = listener.getsockname()[1]
        peer = serve(listener, lambda cut: cut.recv(1))
        attempt = dialing(port, url=f"wss://localhost:{port}/", ca=str(certificates.ca_file))
        with pytest.raises(OSError) as caught:
            attempt.connect(Deadline.after(30.0))
        assert not isinstance(caught.value, TimeoutError)
        peer.join(30)


def test_a_ca_file_that_is_missing() -> None:
    """It is named, and no peer is trusted instead."""
    with listening() as listener:
        attempt = dialing(listener.getsockname()[1], url="wss://localhost/", ca="/no/such/file.pem")
        with pytest.raises(OSError, match=r"/no/such/file\.pem"):
            attempt.connect(Deadline.after(5.0))


def test_reading_nothing_does_not_wait() -> None:
    """No bytes are there at once, as with any socket: a refusal may have a body of that length."""
    with listening() as listener:
        attempt = dialing(listener.getsockname()[1])
        assert attempt.connect(Deadline.after(5.0)).recv(0) == b""
        attempt.close()


def test_a_name_that_is_not_looked_up_in_time() -> None:
    """A resolver that does not answer is a matter of time, with its reason."""
    attempt = Dialing("ws://slow.invalid/", Settings({}, ""), lambda host, port: Future())
    with pytest.raises(TimeoutError, match="the host name was not resolved in time"):
        attempt.connect(Deadline.after(0.05))


def test_abort_after_the_end() -> None:
    """The socket may have been closed by then; nothing is raised, and the attempt stays given up."""
    with listening() as alive:
        attempt = dialing(alive.getsockname()[1])
        attempt.connect(Deadline.after(60.0)).close()
        attempt.abort()
        with pytest.raises(ConnectAborted):
            attempt.connect(Deadline.after(30.0))
