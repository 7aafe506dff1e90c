"""Answers read straight from the socket are those that ``http.client`` and urllib3 would have read."""

from __future__ import annotations

import gzip
import http.client
import socket
import threading
from concurrent.futures import Future
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from urllib3.exceptions import ProtocolError

from twilio_taskrouter_worker._bridge import connections
from twilio_taskrouter_worker._bridge.connections import Answer, AnswerTooLarge, ExchangeAborted, HttpConnection


class Patient:
    """A user of a connection that is never cut off."""

    def uses(self, connection: HttpConnection | None) -> None: ...

    def about_to_send(self, *, reused: bool) -> None: ...

    def left(self) -> float:
        return 20.0


def read(wire: bytes, *, general: bool = False, pieces: int = 1) -> tuple[Answer, bool] | type[BaseException]:
    """The answer that these bytes are, and whether its connection may be used again; or the kind of failure.

    *general* leaves it to ``http.client`` and urllib3 in any case.
    """
    ours, theirs = socket.socketpair()
    connection = HttpConnection("localhost")
    connection.user = Patient()
    connection.sock = ours

    def send() -> None:
        size = max(1, -(-len(wire) // pieces))
        for start in range(0, len(wire), size):
            theirs.sendall(wire[start : start + size])
        theirs.close()

    sender = threading.Thread(target=send, name="tool-sender")
    sender.start()
    usual = connections.HttpConnection._usual
    if general:
        connection._usual = lambda received, end: None  # type: ignore[method-assign]
    try:
        answer = connection.getresponse().answer
        return answer, connection.sock is not None
    except Exception as error:
        return type(error)
    finally:
        assert connections.HttpConnection._usual is usual
        sender.join()
        connection.close()
        ours.close()


def wire(*lines: str, body: bytes = b"") -> bytes:
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


OK = "HTTP/1.1 200 OK"


@pytest.mark.parametrize(
    ("lines", "body"),
    [
        ([OK, "Content-Length: 2"], b"{}"),
        ([OK, "content-length:2", "X-A:  b"], b"{}"),
        ([OK, "Content-Length: 0"], b""),
        (["HTTP/1.1 429 Too Many Requests", "Retry-After: 3", "Content-Length: 2"], b"{}"),
        (["HTTP/1.1 503", "Content-Length: 0"], b""),
        ([OK, "Content-Length: 2", "Connection: close"], b"{}"),
        ([OK, "Content-Length: 2", "Connection: keep-alive"], b"{}"),
        (["HTTP/1.0 200 OK", "Content-Length: 2"], b"{}"),
        ([OK, "Content-Length: 70000"], b"x" * 70_000),
        ([OK], b"until the end"),
        ([OK, "Transfer-Encoding: chunked"], b"2\r\n{}\r\n0\r\n\r\n"),
        ([OK, "Transfer-Encoding: chunked", "Content-Length: 3"], b"2\r\n{}\r\n0\r\n\r\n"),
        (
            [OK, "Content-Encoding: gzip", f"Content-Length: {len(gzip.compress(b'{}', mtime=0))}"],
            gzip.compress(b"{}", mtime=0),
        ),
        (["HTTP/1.1 204 No Content"], b""),
        (["HTTP/1.1 100 Continue", "", OK, "Content-Length: 2"], b"{}"),
        ([OK, "X-Folded: a", " b", "Content-Length: 2"], b"{}"),
    ],
)
@pytest.mark.parametrize("pieces", [1, 7])
def test_both_paths_read_the_same(lines: list[str], body: bytes, pieces: int) -> None:
    """Plain answers, and each kind that is left to the library, in one piece and in several."""
    fast = read(wire(*lines, body=body), pieces=pieces)
    assert fast == read(wire(*lines, body=body), general=True, pieces=pieces)
    assert isinstance(fast, tuple)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", http.client.RemoteDisconnected),
        (b"HTTP/1.1 200 OK\r\nContent-Le", None),
        (wire(OK, "Content-Length: 10", body=b"{}"), http.client.IncompleteRead),
        (b"no HTTP at all\r\n\r\n", http.client.BadStatusLine),
        (b"x" * 100_000, http.client.HTTPException),
        (wire(OK, f"Content-Length: {connections.ANSWER_LIMIT + 1}"), AnswerTooLarge),
    ],
)
def test_invalid_answers(data: bytes, kind: type[BaseException] | None) -> None:
    """It fails on both paths, and never gives half of an answer."""
    for general in (False, True):
        failed = read(data, general=general)
        if kind is not None:
            assert isinstance(failed, type) and issubclass(failed, (kind, ProtocolError)), (general, failed)
        else:
            assert isinstance(failed, type) or failed[0].body == b""


@pytest.mark.parametrize(
    "headers",
    [["X: " + "x" * 100_000], [f"X{number}: x" for number in range(500)], [f"X{number}: x" for number in range(60)]],
    ids=["a long one", "too many", "many"],
)
@pytest.mark.parametrize("pieces", [1, 7])
def test_limits_of_headers(headers: list[str], pieces: int) -> None:
    """What ``http.client`` refuses for its size is refused, however much of it comes at once."""
    wire = "\r\n".join(["HTTP/1.1 200 OK", *headers, "Content-Length: 2", "", "{}"]).encode()
    assert read(wire, pieces=pieces) == read(wire, general=True, pieces=pieces)


def test_more_than_was_announced() -> None:
    """The rest is not taken for the next answer: the connection is not used again."""
    found = read(wire(OK, "Content-Length: 2", body=b"{}HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
    assert isinstance(found, tuple)
    assert (found[0].body, found[1]) == (b"{}", False)


NAMES = st.sampled_from(["content-length", "Content-Length", "connection", "x-a", "transfer-encoding", "x b", "", "é"])
VALUES = st.sampled_from(["2", "0", "+2", "2, 2", "close", "chunked", "a", "", " ", "\x0b2", "²", "1e1", "-1"])


@settings(deadline=None, max_examples=150)
@given(
    st.sampled_from([OK, "HTTP/1.1 200", "HTTP/1.1 500 x", "HTTP/1.1 2000 x", "HTTP/2 200 OK", "HTTP/1.1 ２００ OK"]),
    st.lists(st.tuples(NAMES, VALUES), max_size=4),
    st.sampled_from([b"", b"{}", b"2\r\n{}\r\n0\r\n\r\n"]),
)
def test_any_head(first: str, headers: list[tuple[str, str]], body: bytes) -> None:
    """Where the fast path takes an answer at all, the library reads the same one."""
    data = "\r\n".join([first, *(f"{name}: {value}" for name, value in headers), "", ""]).encode("utf-8") + body
    end = data.find(b"\r\n\r\n")
    if connections._parse_head(data[:end]) is None:
        return
    fast, general = read(data), read(data, general=True)
    if isinstance(fast, tuple) and isinstance(general, tuple):
        assert (fast[0].status, fast[0].body) == (general[0].status, general[0].body)
    else:
        assert isinstance(fast, type) and isinstance(general, type)


def test_headers_have_no_line_breaks() -> None:
    """A value with a line break would be a header of its own; it is refused before anything is sent."""
    ours, theirs = socket.socketpair()
    connection = HttpConnection("localhost")
    connection.user, connection.sock = Patient(), ours
    with pytest.raises(ValueError, match="line break"):
        connection.request("POST", "/", b"{}", {"If-Match": "1\r\nX-Evil: 1"})
    connection.request("POST", "/", b"{}", {"If-Match": "1"})
    assert theirs.recv(1000).startswith(
        b"POST / HTTP/1.1\r\nHost: localhost\r\nIf-Match: 1\r\nContent-Length: 2\r\n\r\n{}"
    )
    connection.close()
    theirs.close()


def test_a_cut_before_sending() -> None:
    """A user who has given up meanwhile keeps the request from being sent."""

    class AbortedUser(Patient):
        def about_to_send(self, *, reused: bool) -> None:
            raise ExchangeAborted

    ours, theirs = socket.socketpair()
    connection: Any = HttpConnection("localhost")
    connection.user, connection.sock = AbortedUser(), ours
    with pytest.raises(ExchangeAborted):
        connection.request("POST", "/", b"{}", {})
    connection.close()
    assert theirs.recv(10) == b""
    theirs.close()


def test_a_cut_while_the_name_is_looked_up() -> None:
    """The look-up is canceled, and a socket that is closed already is no failure."""
    ours, theirs = socket.socketpair()
    connection: Any = HttpConnection("localhost")
    connection.looking_up, connection.sock = Future(), ours
    ours.close()
    connections.shut_down(connection)
    assert connection.looking_up.cancelled()
    theirs.close()


@pytest.mark.parametrize("line", [b"no colon", b"X-\xe9: 1", b"X Y: 1", b"X: 1\rY: 2"])
def test_odd_headers_are_left_to_the_general_parser(line: bytes) -> None:
    """The direct path reads only what every parser would read in the same way."""
    assert connections._parse_head(b"HTTP/1.1 200 OK\r\n" + line) is None
