"""The TCP relay, over real sockets and an echo server."""

from __future__ import annotations

import gc
import os
import socket
import ssl
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest

from tests.oracle.relay import Relay
from tests.tools.wait import eventually, no_leftover_sockets, no_leftover_threads, open_sockets


class Echo:
    """A server that sends back what it gets, until the client ends its stream."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, name="tool-echo", daemon=True)]
        self.endings: list[str] = []
        """How each connection ended, as the server saw it: ``eof`` or ``reset``."""

    def __enter__(self) -> Echo:
        self._threads[0].start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        # shutdown wakes the blocked accept, close alone does not.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(30)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                thread = threading.Thread(target=self._echo, args=(connection,), name="tool-echo", daemon=True)
                self._threads.append(thread)
                thread.start()

    def _echo(self, connection: socket.socket) -> None:
        with connection:
            try:
                while data := connection.recv(65536):
                    connection.sendall(data)
                self.endings.append("eof")
            except ConnectionError:
                self.endings.append("reset")


@pytest.fixture
def echo() -> Iterator[Echo]:
    """Give an echo server."""
    with Echo() as server:
        yield server


@pytest.fixture
def relay(echo: Echo) -> Iterator[Relay]:
    """Give a relay to the echo server."""
    with Relay("127.0.0.1", echo.port) as relay:
        yield relay


@pytest.fixture
def client(relay: Relay) -> Iterator[socket.socket]:
    """Give a connection through the relay that has carried four bytes each way."""
    with connect(relay) as client:
        client.sendall(b"ping")
        assert receive(client, 4) == b"ping"
        relay.wait_for(lambda: relay.bytes_down == 4)
        yield client


def connect(relay: Relay) -> socket.socket:
    """Return a new connection to the relay."""
    return socket.create_connection(("127.0.0.1", relay.port), timeout=30)


def receive(client: socket.socket, size: int) -> bytes:
    """Return exactly ``size`` bytes, fewer only at the end of the stream."""
    data = b""
    while len(data) < size and (more := client.recv(size - len(data))):
        data += more
    return data


def test_it_relays_and_counts(relay: Relay, client: socket.socket) -> None:
    """Bytes pass unchanged both ways and are counted, and the end of a stream passes too."""
    payload = bytes(range(256)) * 2000
    sender = threading.Thread(target=client.sendall, args=(payload,))
    sender.start()
    assert receive(client, len(payload)) == payload
    sender.join(30)
    assert relay.seen == relay.open_connections == 1
    relay.wait_for(lambda: relay.bytes_down == len(payload) + 4)
    assert relay.bytes_up == len(payload) + 4
    client.shutdown(socket.SHUT_WR)
    assert client.recv(1) == b""
    relay.wait_for(lambda: relay.open_connections == 0)


def test_the_url_leads_to_the_relay(relay: Relay) -> None:
    """The URL names the relay's port and the event bridge's path."""
    assert relay.url("ws") == f"ws://127.0.0.1:{relay.port}/v1/wschannels"
    assert relay.url("https", "/x") == f"https://127.0.0.1:{relay.port}/x"


def test_abort_all_resets_both_sides(relay: Relay, client: socket.socket, echo: Echo) -> None:
    """A scripted abort is a reset, not an end of stream, for the client and for the server."""
    relay.abort_all()
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    relay.wait_for(lambda: relay.open_connections == 0)
    for thread in echo._threads[1:]:
        thread.join(30)
    assert echo.endings == ["reset"]


def test_a_connection_that_was_just_accepted_is_reset(relay: Relay) -> None:
    """A reset in the same round of the loop as the acceptance leaves no connection that nobody serves."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with socket.create_connection(listener.getsockname(), timeout=30) as client:
            accepted, _ = listener.accept()
            accepted.setblocking(False)
            relay._on_loop(lambda: (relay._take(accepted), relay._end_all(reset=True)))
            with pytest.raises(ConnectionResetError):
                client.recv(1)
    relay.wait_for(lambda: relay.open_connections == 0)


def test_close_all_ends_both_sides_politely(relay: Relay, client: socket.socket, echo: Echo) -> None:
    """A scripted close is an end of stream for the client and for the server."""
    relay.close_all()
    assert client.recv(1) == b""
    for thread in echo._threads[1:]:
        thread.join(30)
    assert echo.endings == ["eof"]


@pytest.mark.parametrize("tls", [False, True])
def test_ended_connections_are_forgotten_but_counted(echo: Echo, tls: bool) -> None:
    """Ended connections take no memory, closed or reset or hung; their counters stay, and open ones are left alone."""
    with Relay("127.0.0.1", echo.port, tls=tls) as relay, ExitStack() as stack:

        def ping() -> socket.socket:
            client = stack.enter_context(connect(relay))
            if tls:
                trusting = ssl.create_default_context(cafile=relay.ca_file)
                client = stack.enter_context(trusting.wrap_socket(client, server_hostname="localhost"))
            client.sendall(b"ping")
            assert receive(client, 4) == b"ping"
            return client

        kept = ping()
        (still_open,) = relay.links
        seen: list[weakref.ref[Any]] = []
        for end in (socket.socket.close, lambda _: relay.cut_mid_frame(0, relay.links[1])):
            client = ping()
            seen += [weakref.ref(each) for each in (relay.links[1], *relay.links[1]._transports)]
            end(client)
            relay.wait_for(lambda: relay.open_connections == 1)
        relay.accept_and_hang()
        stack.enter_context(connect(relay))
        relay.wait_for(lambda: relay.open_connections == 2)
        seen.append(weakref.ref(relay.links[1]))
        relay.cut_mid_frame(0, relay.links[1])
        assert relay.links == [still_open]
        eventually(lambda: gc.collect() >= 0 and all(ref() is None for ref in seen), message="ended ones are gone")
        assert (relay.seen, relay.bytes_up, relay.bytes_down) == (4, 12, 12)
        kept.sendall(b"still")
        assert receive(kept, 5) == b"still"


def test_a_reset_is_passed_on(echo: Echo, relay: Relay, client: socket.socket) -> None:
    """A client that resets its side makes the relay reset the server's."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    client.close()
    relay.wait_for(lambda: relay.open_connections == 0)
    for thread in echo._threads[1:]:
        thread.join(30)
    assert echo.endings == ["reset"]


def test_a_dead_target_resets_the_client() -> None:
    """Where nothing listens behind the relay, the client's connection is reset."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        # The reset may come while the client still connects.
        with Relay("127.0.0.1", unused.getsockname()[1]) as relay, pytest.raises(ConnectionResetError):
            with connect(relay) as client:
                client.recv(1)


@pytest.mark.parametrize("after", [1, 3, 20_000])
def test_cut_passes_the_given_number_of_bytes(relay: Relay, client: socket.socket, after: int) -> None:
    """The cut comes after the given number of bytes from the server, to the byte, as a reset, and once."""
    relay.cut_mid_frame(after)
    client.sendall(b"x" * (after + 5))
    assert receive(client, after) == b"x" * after
    with pytest.raises(ConnectionResetError):
        client.recv(1)
    with connect(relay) as other:
        other.sendall(b"y" * (after + 5))
        assert receive(other, after + 5) == b"y" * (after + 5)


def test_cut_after_nothing_resets_at_once(relay: Relay, client: socket.socket) -> None:
    """A cut after zero bytes does not wait for a byte."""
    relay.cut_mid_frame(0)
    with pytest.raises(ConnectionResetError):
        client.recv(1)


def test_cut_can_be_for_one_connection(relay: Relay, client: socket.socket) -> None:
    """A cut bound to one connection leaves the bytes of the others uncounted."""
    with connect(relay) as other:
        other.sendall(b"a")
        assert receive(other, 1) == b"a"
        relay.cut_mid_frame(2, relay.links[1])
        client.sendall(b"12345")
        assert receive(client, 5) == b"12345"
        other.sendall(b"12345")
        assert receive(other, 2) == b"12"
        with pytest.raises(ConnectionResetError):
            other.recv(1)


def test_half_open_swallows_and_resumes(relay: Relay, client: socket.socket) -> None:
    """Half open, bytes vanish with no error on either side; afterwards new bytes pass and the lost ones stay lost."""
    relay.half_open()
    client.sendall(b"lost!")
    relay.wait_for(lambda: relay.swallowed == 5)
    client.settimeout(0.05)
    with pytest.raises(TimeoutError):
        client.recv(1)
    client.settimeout(30)
    assert relay.open_connections == 1
    relay.resume()
    client.sendall(b"found")
    assert receive(client, 5) == b"found"


def test_half_open_keeps_the_end_of_a_stream_back(relay: Relay, client: socket.socket, echo: Echo) -> None:
    """The end of a stream does not pass while half open, and passes on resuming."""
    relay.half_open()
    client.shutdown(socket.SHUT_WR)
    client.settimeout(0.05)
    with pytest.raises(TimeoutError):
        client.recv(1)
    client.settimeout(30)
    assert echo.endings == []
    relay.resume()
    assert client.recv(1) == b""


def test_refuse_and_accept_again(relay: Relay, client: socket.socket) -> None:
    """Refusing is ECONNREFUSED for newcomers only, and accepting works again on the same port."""
    relay.refuse()
    relay.refuse()
    with pytest.raises(ConnectionRefusedError):
        connect(relay)
    client.sendall(b"on")
    assert receive(client, 2) == b"on"
    relay.accept()
    with connect(relay) as again:
        again.sendall(b"hi")
        assert receive(again, 2) == b"hi"


def test_accept_and_hang(relay: Relay, client: socket.socket) -> None:
    """Hanging, connects succeed and nothing is read or answered; an abort ends those connections too."""
    relay.accept_and_hang()
    with connect(relay) as hung:
        hung.sendall(b"anyone?")
        relay.wait_for(lambda: relay.seen == 2)
        hung.settimeout(0.05)
        with pytest.raises(TimeoutError):
            hung.recv(1)
        client.sendall(b"still")
        assert receive(client, 5) == b"still"
        relay.accept()
        with connect(relay) as served:
            served.sendall(b"me")
            assert receive(served, 2) == b"me"
            assert relay.open_connections == 3
            hung.settimeout(30)
            relay.abort_all()
            with pytest.raises(ConnectionResetError):
                hung.recv(1)
    relay.wait_for(lambda: relay.open_connections == 0)


def test_latency_delays_each_way(relay: Relay, client: socket.socket) -> None:
    """An echo takes twice the latency, and lifting the latency frees what is waiting at once."""
    relay.latency(0.05)
    start = time.monotonic()
    client.sendall(b"slow")
    assert receive(client, 4) == b"slow"
    assert time.monotonic() - start >= 0.1
    relay.latency(60)
    client.sendall(b"later")
    client.settimeout(0.05)
    with pytest.raises(TimeoutError):
        client.recv(1)
    client.settimeout(30)
    relay.latency(0)
    assert receive(client, 5) == b"later"


def test_throttle_slows_and_lets_go(relay: Relay, client: socket.socket) -> None:
    """A throttled stream takes the time it must, and lifting the limit is felt in the middle of a message."""
    relay.throttle(20_000)
    start = time.monotonic()
    client.sendall(b"x" * 2_000)
    assert receive(client, 2_000) == b"x" * 2_000
    assert time.monotonic() - start >= 0.08
    relay.throttle(1)
    client.sendall(b"y" * 1_000)
    relay.throttle(None)
    assert receive(client, 1_000) == b"y" * 1_000
    with pytest.raises(ValueError, match="half_open"):
        relay.throttle(0)


def test_split_keeps_the_bytes(relay: Relay, client: socket.socket) -> None:
    """Split into random pieces, a message arrives whole and in order."""
    relay.split(7)
    message = bytes(range(250))
    client.sendall(message)
    assert receive(client, len(message)) == message


def test_tls_is_verified_with_the_relays_ca(echo: Echo) -> None:
    """With TLS a client that trusts the relay's CA gets through, for the address and for the name; others do not."""
    with Relay("127.0.0.1", echo.port, tls=True) as relay:
        trusting = ssl.create_default_context(cafile=relay.ca_file)
        for name in ("127.0.0.1", "localhost"):
            with connect(relay) as plain, trusting.wrap_socket(plain, server_hostname=name) as client:
                client.sendall(b"secret")
                assert receive(client, 6) == b"secret"
        with connect(relay) as plain, pytest.raises(ssl.SSLCertVerificationError):
            ssl.create_default_context().wrap_socket(plain, server_hostname="127.0.0.1")


def test_tls_connections_are_reset_and_cut(echo: Echo) -> None:
    """Resets and cuts reach through TLS, and a cut counts the plain bytes."""
    with Relay("127.0.0.1", echo.port, tls=True) as relay:
        trusting = ssl.create_default_context(cafile=relay.ca_file)
        with connect(relay) as plain, trusting.wrap_socket(plain, server_hostname="localhost") as client:
            relay.cut_mid_frame(3)
            client.sendall(b"12345")
            assert receive(client, 3) == b"123"
            # The ssl module may take a reset for the end of the stream, so look at the socket beneath it.
            with socket.socket(fileno=os.dup(client.fileno())) as beneath, pytest.raises(ConnectionResetError):
                beneath.settimeout(30)
                beneath.recv(1)
        relay.accept_and_hang()
        with connect(relay) as plain:
            plain.settimeout(0.05)
            with pytest.raises(TimeoutError):
                trusting.wrap_socket(plain, server_hostname="localhost")


def test_without_tls_there_is_no_ca(relay: Relay) -> None:
    """Asking a plain relay for its CA says how to get one."""
    with pytest.raises(RuntimeError, match="tls=True"):
        _ = relay.ca_file


@pytest.mark.parametrize("tls", [False, True])
def test_nothing_is_left(echo: Echo, tls: bool) -> None:
    """Leaving the relay with connections open, half open and hung leaves no thread and no socket behind."""
    before = open_sockets()
    with no_leftover_sockets(), no_leftover_threads(ignore=("tool-echo",)):
        with Relay("127.0.0.1", echo.port, tls=tls) as relay:
            clients = [connect(relay)]
            relay.half_open()
            clients[0].sendall(b"x")
            relay.accept_and_hang()
            clients.append(connect(relay))
            relay.wait_for(lambda: relay.seen == 2)
            relay.refuse()
            assert len(open_sockets() - before) >= 5
        for client in clients:
            client.close()


def test_waiting_for_the_impossible_says_what_it_saw(relay: Relay, client: socket.socket) -> None:
    """A condition that does not come true raises after its deadline and shows the counters."""
    with pytest.raises(AssertionError, match="third connection did not happen .* seen 1, open 1, up 4, down 4"):
        relay.wait_for(lambda: relay.seen == 3, 0.02, "a third connection")
