"""Calls on the wire: deadlines, retries, odd answers, kept connections, how Futures end, proxies and certificates."""

from __future__ import annotations

import concurrent.futures
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import ExitStack, contextmanager
from email.utils import formatdate
from typing import Any

import attrs
import pytest

from tests.integration.client.event_recorder import TOKEN, connected, failed_attempt
from tests.integration.client.watchdog import run_all
from tests.oracle.bridge import PATH, RecordingBridge
from tests.oracle.relay import Relay
from tests.tools.answers import Act, Drip, Hang, Reply, Reset
from tests.tools.seams import calls_of
from tests.tools.wait import eventually, no_leftover_threads
from twilio_taskrouter_worker import (
    AuthorizationError,
    ClosedError,
    ConnectTimeoutError,
    InvalidAnswerError,
    NetworkError,
    NotFoundError,
    RateLimitedError,
    RequestError,
    RequestRejectedError,
    RequestTimeoutError,
    ServerError,
    VersionConflictError,
    Worker,
    Workspace,
)
from twilio_taskrouter_worker._bridge.threads import POOL_SIZE

OWN = r"Workers/\w+$"
SLACK = 8.0
"""Seconds a loaded machine may take on top of a deadline."""
WORKSPACE = "WS0eff317b7980fdf60561d4668aa02c69"


def fails(future: Future[Any], within: float = 10.0) -> RequestError:
    """The error a Future ends with, within a time."""
    begun = time.monotonic()
    error = future.exception(within + SLACK)
    assert isinstance(error, RequestError), error
    assert time.monotonic() - begun < within + SLACK
    return error


def get(worker: Worker) -> Future[Any]:
    """A GET."""
    return worker.fetch_latest_version()


def post(worker: Worker) -> Future[Any]:
    """A POST."""
    return worker.set_attributes({"colour": "green"})


METHODS = pytest.mark.parametrize(("method", "make"), [("GET", get), ("POST", post)])
Make = Callable[[Worker], Future[Any]]


# -- the deadline ----------------------------------------------------------------------------------------------------


@METHODS
@pytest.mark.parametrize(
    "answer",
    [
        Hang(),
        Hang(after_headers=True),
        Drip(interval=0.05),
        Drip({"message": "x" * 500}, status=500, interval=0.05),
        Reply(delay=0.8),
    ],
    ids=["silence", "silence after headers", "body dripped", "error dripped", "late"],
)
def test_the_deadline_is_for_the_whole_call(bridge: RecordingBridge, method: str, make: Make, answer: Any) -> None:
    """Whatever part of the answer is slow, the Future fails with RequestTimeoutError in time, and no thread stays."""
    with no_leftover_threads(), connected(bridge, request_timeout=0.4) as (worker, _):
        bridge.on_call(OWN, answer, method=method)
        begun = time.monotonic()
        error = fails(make(worker), 0.4)
        assert time.monotonic() - begun >= 0.35
        assert type(error) is RequestTimeoutError and isinstance(error, TimeoutError)
        assert error.name == "REQUEST_TIMEOUT_ERROR" and "within 0.4 s" in error.message and method in error.message
        bridge.release()


def test_headers_dripped_byte_by_byte_have_the_same_deadline() -> None:
    """A server that keeps the client busy with a header that never ends."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            accepted, _ = server.accept()
            with accepted:
                accepted.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
                while not over.wait(0.02):
                    try:
                        accepted.sendall(b"x")
                    except OSError:
                        return

        dripper = threading.Thread(target=drip, name="tool-drip")
        dripper.start()
        address = f"http://127.0.0.1:{server.getsockname()[1]}/"
        workspace = Workspace(TOKEN, WORKSPACE, eb_server=address, request_timeout=0.4)
        assert type(fails(workspace.fetch_task("WT1"), 0.4)) is RequestTimeoutError
        # The request was given up, not left to itself.
        dripper.join(SLACK)
        assert not dripper.is_alive()
        over.set()


def test_tries_share_one_deadline_and_the_error_tells_the_last_cause(bridge: RecordingBridge) -> None:
    """Retries do not prolong the call; what made them necessary is in the error."""
    with connected(bridge, request_timeout=4.0) as (worker, _):
        calls = calls_of(worker)
        # A read that gets no answer is not made again over another connection.
        calls.rules = attrs.evolve(calls.rules, patience_min=60.0)
        bridge.on_call(OWN, [503, Hang()], method="GET")
        error = fails(get(worker), 4.0)
        assert type(error) is RequestTimeoutError and "status code 503" in error.message
        bridge.release()


def test_an_answer_that_was_lost_shows_at_the_next_read(bridge: RecordingBridge) -> None:
    """A POST that was done, but whose answer never came, fails; what it did is there."""
    with connected(bridge) as (worker, _):
        bridge.on_call(OWN, Act(lose=True), method="POST")
        assert type(fails(post(worker))) is NetworkError
        # The service did act; the next read shows it.
        assert get(worker).result(30).attributes == {"colour": "green"}


# -- retries ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", [429, 502, 503, 504, Reset(), Reset(b"HTTP/1.1 200 OK\r\nContent-Len")])
def test_a_get_is_tried_again(bridge: RecordingBridge, trouble: Any) -> None:
    """After an overloaded service or a broken connection; twice in a row, with growing pauses."""
    with connected(bridge) as (worker, _):
        before = len(bridge.calls_to(OWN, method="GET"))
        bridge.on_call(OWN, [trouble, trouble], method="GET")
        begun = time.monotonic()
        assert get(worker).result(30) is worker
        assert time.monotonic() - begun >= 0.125 + 0.25
        assert len(bridge.calls_to(OWN, method="GET")) - before == 3


@pytest.mark.parametrize(
    ("trouble", "kind"),
    [
        (502, ServerError), (503, ServerError), (504, ServerError), (500, ServerError),
        (Reset(), NetworkError), (Reset(b"HTTP/1.1 200 OK\r\nContent-Len"), NetworkError),
    ],
)  # fmt: skip
def test_a_post_that_may_have_acted_is_not_tried_again(bridge: RecordingBridge, trouble: Any, kind: type) -> None:
    """Nobody accepts a reservation twice: one request, and its failure."""
    with connected(bridge) as (worker, _):
        bridge.on_call(OWN, trouble, method="POST")
        assert type(fails(post(worker), 0.5)) is kind
        assert len(bridge.calls_to(OWN, method="POST")) == 1


@pytest.mark.parametrize(
    "answer", [429, Reply(429, {"message": "slow"}, {"Retry-After": "0"}), Reply(503, {}, {"Retry-After": "0"})]
)
def test_a_post_that_was_not_accepted_is_tried_again(bridge: RecordingBridge, answer: Any) -> None:
    """429, and 503 with Retry-After, say that nothing was done."""
    with connected(bridge) as (worker, _):
        bridge.on_call(OWN, [answer], method="POST")
        assert post(worker).result(30).attributes == {"colour": "green"}
        assert len(bridge.calls_to(OWN, method="POST")) == 2


@METHODS
def test_a_call_whose_connection_was_never_made_is_tried_again(
    bridge: RecordingBridge, method: str, make: Make
) -> None:
    """Refused connections cannot have acted: GET and POST wait for the service to come back."""
    with Relay("127.0.0.1", bridge.port) as relay, connected(relay) as (worker, _):
        relay.refuse()
        relay.abort_all()
        future = make(worker)
        with pytest.raises(TimeoutError):
            future.result(0.2)
        relay.accept()
        assert future.result(30) is worker


def test_waits_time_out_with_the_builtin_error(bridge: RecordingBridge) -> None:
    """``except TimeoutError`` catches them on every Python, and so does the class of concurrent.futures."""
    with connected(bridge, request_timeout=3) as (worker, _):
        bridge.on_call("/", Hang())
        workspace = Workspace(TOKEN, "WS1", eb_server=bridge.eb_server, request_timeout=3)
        futures: list[Future[Any]] = [
            worker.set_attributes({}),
            worker.client().fetch_activities(),
            workspace.fetch_task_queues(),
        ]
        for future in futures:
            for look in (future.result, future.exception):
                for kind in (TimeoutError, concurrent.futures.TimeoutError):
                    with pytest.raises(kind):
                        look(0.01)
        assert all(type(future.exception(30)) is RequestTimeoutError for future in futures)


@METHODS
def test_a_service_that_stays_away_fails_with_its_cause(bridge: RecordingBridge, method: str, make: Make) -> None:
    """The error names the call, the reason and what to look at."""
    with Relay("127.0.0.1", bridge.port) as relay, connected(relay, request_timeout=12.0) as (worker, _):
        calls = calls_of(worker)
        # The last attempt has long enough, also on a busy machine.
        calls.rules = attrs.evolve(calls.rules, last_try=10.0)
        relay.refuse()
        relay.abort_all()
        error = fails(make(worker), 12.0)
        assert type(error) is NetworkError and error.name == "NETWORK_ERROR" and error.status is None
        assert method in error.message and "refused" in error.message and "Check eb_server" in error.message
        assert error.__cause__ is not None


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 412, 500, 501])
def test_a_get_that_was_refused_is_not_tried_again(bridge: RecordingBridge, status: int) -> None:
    """An answer that another try cannot change is passed on at once."""
    with connected(bridge) as (worker, _):
        before = len(bridge.calls_to(OWN, method="GET"))
        bridge.on_call(OWN, status, method="GET")
        assert fails(get(worker), 0.5).status == status
        assert len(bridge.calls_to(OWN, method="GET")) - before == 1


@pytest.mark.parametrize(("method", "make", "form"), [("GET", get, "date"), ("POST", post, "seconds")])
def test_retry_after_is_obeyed(bridge: RecordingBridge, method: str, make: Make, form: str) -> None:
    """In either form the next try comes after that time, not by our own pauses."""
    with connected(bridge) as (worker, _):
        # Dates have whole seconds: two ahead is between one and two.
        begun = time.monotonic()
        text = "1" if form == "seconds" else formatdate(time.time() + 2, usegmt=True)
        bridge.on_call(OWN, [Reply(429, {"message": "slow"}, {"Retry-After": text})], method=method)
        assert make(worker).result(30) is worker
        assert 0.9 <= time.monotonic() - begun < 2.0 + SLACK


@METHODS
def test_retry_after_beyond_the_deadline_fails_at_once(bridge: RecordingBridge, method: str, make: Make) -> None:
    """Who is told to come back in a minute, with 15 s left, is told so now."""
    with connected(bridge) as (worker, _):
        bridge.on_call(OWN, Reply(429, {"message": "slow", "code": 20429}, {"Retry-After": "60"}), method=method)
        error = fails(make(worker), 0.5)
        assert type(error) is RateLimitedError
        assert (error.retry_after, error.code, error.status) == (60.0, 20429, 429)


@pytest.mark.parametrize("text", ["soon", "", "-1", "\xb2", "9" * 400, "Fri, 99 Foo 2026 99:99:99 GMT", "1.5"])
def test_a_senseless_retry_after_is_as_none(bridge: RecordingBridge, text: str) -> None:
    """What cannot be read, or is beyond all time, does no harm."""
    with connected(bridge, request_timeout=10.0) as (worker, _):
        bridge.on_call(OWN, [Reply(429, {"message": "slow"}, {"Retry-After": text})], method="GET")
        future = get(worker)
        error = future.exception(30)
        assert error is None or (type(error) is RateLimitedError and text == "9" * 400)


def test_the_token_of_a_retry_is_the_newest(bridge: RecordingBridge) -> None:
    """A token that was renewed between two tries is used by the second."""
    with connected(bridge) as (worker, _):

        def renew(call: Any) -> int:
            worker.update_token("the.newer.token")
            return 503

        bridge.on_call(OWN, [renew], method="GET")
        assert get(worker).result(30) is worker
        assert [call.token for call in bridge.calls_to(OWN, method="GET")][-2:] == [TOKEN, "the.newer.token"]


# -- odd answers -----------------------------------------------------------------------------------------------------


BODIES = (
    b"", b"OK", b"<html>502</html>", b"\xff\xfe", b"[]", b"null", b"3", b"{}", b'{"message": 3}', b'{"a":', b"NaN",
    b'{"message": null, "code": "x", "more_info": 7}', b"[" * 100_000,
)  # fmt: skip


@pytest.mark.parametrize("status", [200, 204, 400, 404, 500, 502])
def test_an_answer_that_is_not_taskrouters(bridge: RecordingBridge, status: int) -> None:
    """No JSON, or not the right JSON, at any status: the status decides the error's class, and nothing is quoted."""
    with connected(bridge) as (worker, _):
        for body in BODIES:
            bridge.on_call(OWN, Reply(status, body), method="POST")
            error = fails(post(worker))
            assert (error.status, error.code, error.more_info) == (status, None, None)
            if status < 300:
                assert type(error) is InvalidAnswerError
            elif status >= 500:
                assert type(error) is ServerError and f"Server responded with status code {status}." in error.message
            else:
                assert isinstance(error, RequestRejectedError)
                assert f"Request failed with status code {status}." in error.message
            assert "html>" not in error.message


def test_a_good_status_with_an_unusable_payload(bridge: RecordingBridge) -> None:
    """A payload that is not a worker's changes nothing, and says which key is wrong, not what it holds."""
    with connected(bridge) as (worker, _):
        before = worker.to_dict()
        bridge.on_call(OWN, [{"sid": "WKsecret"}, dict(bridge.state.worker, attributes="{")], method="POST")
        for words in ("lacks", "'attributes'"):
            error = fails(post(worker))
            assert type(error) is InvalidAnswerError and words in error.message and "WKsecret" not in error.message
        assert worker.to_dict() == before


@pytest.mark.parametrize(
    ("status", "kind", "name"),
    [
        (400, RequestRejectedError, "REQUEST_INVALID"),
        (401, AuthorizationError, "REQUEST_INVALID"),
        (403, AuthorizationError, "REQUEST_INVALID"),
        (404, NotFoundError, "REQUEST_INVALID"),
        (412, VersionConflictError, "REQUEST_INVALID"),
        (500, ServerError, "SERVER_ERROR"),
    ],
)
def test_errors_carry_the_details_of_the_answer(bridge: RecordingBridge, status: int, kind: type, name: str) -> None:
    """Class, name, status, code, sentence and page, in place of the JS SDK's bare sentence."""
    body = {"message": "No such thing.", "code": 20404, "more_info": "https://www.twilio.com/docs/errors/20404"}
    with connected(bridge) as (worker, _):
        bridge.on_call(OWN, Reply(status, body), method="POST")
        error = fails(post(worker))
        assert (type(error), error.name, error.status, error.code) == (kind, name, status, 20404)
        assert error.more_info == body["more_info"] and error.message.endswith("No such thing.")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@METHODS
def test_redirects_are_refused(bridge: RecordingBridge, method: str, make: Make, status: int) -> None:
    """The request carries the token: it goes to the given address only."""
    with RecordingBridge() as elsewhere, connected(bridge) as (worker, _):
        bridge.on_call(OWN, Reply(status, b"", {"Location": elsewhere.eb_server}), method=method)
        error = fails(make(worker))
        assert type(error) is RequestRejectedError and error.status == status and "redirects" in error.message
        assert elsewhere.calls == []


def test_cookies_are_not_kept(bridge: RecordingBridge) -> None:
    """What a server sets is not sent back: calls of one Worker do not mix with those of another."""
    with connected(bridge) as (worker, _):
        bridge.on_call(OWN, [Reply(400, {}, {"Set-Cookie": "who=me; Path=/"})], method="POST")
        fails(post(worker))
        post(worker).result(30)
        assert "cookie" not in bridge.calls[-1].headers


def test_five_megabytes_of_attributes(bridge: RecordingBridge) -> None:
    """Size is no reason to fail, either way."""
    attributes = {"text": "ä" * 2_500_000}
    with connected(bridge, request_timeout=100.0) as (worker, _):
        assert worker.set_attributes(attributes).result(100).attributes == attributes


# -- kept connections ------------------------------------------------------------------------------------------------


def test_connections_are_reused_across_threads_and_clients(bridge: RecordingBridge) -> None:
    """Two hundred calls from eight threads and two clients use no more connections than ran at once."""
    with connected(bridge) as (worker, _):
        workspace = Workspace(TOKEN, WORKSPACE, eb_server=bridge.eb_server)
        before = len(bridge.calls)

        def work() -> None:
            for _ in range(25):
                get(worker).result(30)
                workspace.fetch_worker_info(worker.sid).result(30)

        run_all([work] * 8)
        made = bridge.calls[before:]
        assert len(made) == 400
        assert len({call.peer for call in made}) <= 24


def test_one_call_after_another_uses_one_connection(bridge: RecordingBridge) -> None:
    """Nothing is connected anew for a call that follows another."""
    with connected(bridge) as (worker, _):
        get(worker).result(30)
        before = len(bridge.calls)
        for _ in range(20):
            get(worker).result(30)
        assert len({call.peer for call in bridge.calls[before:]}) <= 2


def test_a_kept_connection_that_the_server_closed_is_not_used(bridge: RecordingBridge) -> None:
    """A POST after a pause in which the server hung up goes over a new connection, without an error."""
    with Relay("127.0.0.1", bridge.port) as relay, connected(relay) as (worker, recorder):
        post(worker).result(30)
        relay.close_all()
        recorder.wait_for("ready", 2)
        assert post(worker).result(30) is worker


# -- how Futures end -------------------------------------------------------------------------------------------------


def test_calls_in_flight_end_with_closed_error(bridge: RecordingBridge) -> None:
    """disconnect() fails what is under way, what waits for a thread, and what waits for its next try; none hangs."""
    with no_leftover_threads(), connected(bridge, request_timeout=60.0) as (worker, _):
        bridge.on_call(OWN, Hang(), method="GET")
        bridge.on_call("Tasks/WTretry", Reply(503, {}, {"Retry-After": "30"}))
        futures = [get(worker) for _ in range(POOL_SIZE + 20)]
        bridge.wait_for_call(OWN, method="GET", n=POOL_SIZE + 1, timeout=60)
        began = time.monotonic()
        worker.disconnect()
        assert time.monotonic() - began < SLACK
        for future in futures:
            assert isinstance(future.exception(30), ClosedError)
        assert "may or may not have acted" in str(futures[0].exception())
        with pytest.raises(ClosedError, match="disconnected"):
            post(worker)
        bridge.release()


def test_a_call_that_waits_for_its_next_try_ends_at_disconnect(bridge: RecordingBridge) -> None:
    """Between two tries a call is only a timer: it must end, and the timer with it."""
    with no_leftover_threads(), connected(bridge, request_timeout=60.0) as (worker, _):
        bridge.on_call(OWN, Reply(503, {}, {"Retry-After": "50"}), method="GET")
        future = get(worker)
        bridge.wait_for_answer(OWN, method="GET", n=2)
        with pytest.raises(TimeoutError):
            future.result(0.05)
        worker.disconnect()
        assert isinstance(future.exception(30), ClosedError)


def test_cancel_works_until_a_call_is_sent(bridge: RecordingBridge) -> None:
    """A call that waits for a thread can be cancelled and is never sent; one that was sent cannot."""
    with connected(bridge, request_timeout=60.0) as (worker, _):
        bridge.on_call(OWN, Hang(), method="GET")
        futures = [get(worker) for _ in range(POOL_SIZE)]
        bridge.wait_for_call(OWN, method="GET", n=POOL_SIZE + 1, timeout=60)
        queued = post(worker)
        assert not futures[0].cancel()
        assert queued.cancel() and queued.cancelled()
        with pytest.raises(CancelledError):
            queued.result(30)
        bridge.release()
        for future in futures:
            assert future.result(60) is worker
        assert post(worker).result(30) is worker
        assert len(bridge.calls_to(OWN, method="POST")) == 1


def test_cancelling_against_disconnecting(bridge: RecordingBridge) -> None:
    """Futures that are cancelled, sent and given up at the same moment all end, in one of three ways."""
    for _ in range(15):
        with connected(bridge) as (worker, _ears):
            futures = [get(worker) for _ in range(40)]
            run_all([lambda: [each.cancel() for each in futures], worker.disconnect])  # noqa: B023
            for future in futures:
                try:
                    assert future.result(30) is worker
                except (CancelledError, ClosedError):
                    pass


def test_a_callback_of_a_future_that_raises_harms_nobody(bridge: RecordingBridge) -> None:
    """As the standard library has it, it is logged; the pool goes on."""
    with connected(bridge) as (worker, _):

        def bad(future: Future[Any]) -> None:
            raise RuntimeError("of the test")

        for _ in range(5):
            future = get(worker)
            future.add_done_callback(bad)
            future.result(30)
        assert get(worker).result(30) is worker


# -- proxies and certificates ----------------------------------------------------------------------------------------


class Proxy:
    """A small HTTP proxy that knows the made-up hosts of the tests: CONNECT, and plain forwarding."""

    def __init__(self, hosts: dict[str, int], *, status: int = 200) -> None:
        self._hosts = hosts
        self._status = status
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        """Method, target and headers of each request."""
        self._sockets = ExitStack()
        self._server = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._server.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, name="tool-proxy", daemon=True)

    def __enter__(self) -> Proxy:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # Closing alone does not wake accept().
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(30)
        self._sockets.close()

    def targets(self, method: str) -> set[str]:
        """What was asked for with this method."""
        return {target for verb, target, _ in self.requests if verb == method}

    def _accept(self) -> None:
        while True:
            try:
                accepted, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(accepted,), name="tool-proxy-link", daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            head = b""
            while b"\r\n\r\n" not in head:
                received = client.recv(4096)
                if not received:
                    return
                head += received
            lines = head.split(b"\r\n\r\n", 1)[0].decode("latin-1").split("\r\n")
            method, target, _ = lines[0].split(" ", 2)
            headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines[1:])}
            self.requests.append((method, target, headers))
            if self._status != 200:
                client.sendall(f"HTTP/1.1 {self._status} No\r\nContent-Length: 0\r\n\r\n".encode())
                return
            name = target if method == "CONNECT" else target.split("/")[2]
            with socket.create_connection(("127.0.0.1", self._hosts[name.split(":")[0]])) as server:
                if method == "CONNECT":
                    client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                else:
                    server.sendall(head)
                self._pump(client, server)

    def _pump(self, client: socket.socket, server: socket.socket) -> None:
        def carry(source: socket.socket, sink: socket.socket) -> None:
            try:
                while received := source.recv(65536):
                    sink.sendall(received)
            except OSError:
                pass
            for end in (source, sink):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

        back = threading.Thread(target=carry, args=(server, client), name="tool-proxy-back", daemon=True)
        back.start()
        carry(client, server)
        back.join(30)


NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Give an environment without proxies and certificates."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


@contextmanager
def working(eb_server: str, **options: Any) -> Iterator[Worker]:
    """A Worker at this address that is ready and has made a call."""
    with Worker(TOKEN, eb_server=eb_server, **options) as worker:
        assert worker.set_attributes({"through": "it"}).result(30) is worker
        yield worker


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "ALL_PROXY"])
def test_a_proxy_of_the_environment_is_used_for_calls_and_websocket(
    bridge: RecordingBridge, environment: pytest.MonkeyPatch, variable: str
) -> None:
    """A name that only the proxy knows: calls are forwarded, the websocket goes through a tunnel, with credentials."""
    with Proxy({"bridge.invalid": bridge.port}) as proxy:
        if variable == "HTTP_PROXY":
            # With REQUEST_METHOD set this would be a header of a CGI request; without, it is the environment's.
            environment.delenv("REQUEST_METHOD", raising=False)
        environment.setenv(variable, f"http://us%40er:pass@127.0.0.1:{proxy.port}")
        with working(f"http://bridge.invalid:8080{PATH}"):
            assert proxy.targets("CONNECT") == {"bridge.invalid:8080"}
            assert proxy.targets("POST") == {f"http://bridge.invalid:8080{PATH}"}
        sent = {headers.get("proxy-authorization") for _, _, headers in proxy.requests}
        assert sent == {"Basic dXNAZXI6cGFzcw=="}


def test_https_goes_through_the_tunnel_of_the_https_proxy(
    bridge: RecordingBridge, environment: pytest.MonkeyPatch
) -> None:
    """TLS end to end through CONNECT, for both; the certificate is checked against the name, not the proxy."""
    with Relay("127.0.0.1", bridge.port, tls=True) as relay, Proxy({"localhost.": relay.port}) as proxy:
        environment.setenv("https_proxy", f"127.0.0.1:{proxy.port}")
        environment.setenv("REQUESTS_CA_BUNDLE", relay.ca_file)
        environment.setattr("twilio_taskrouter_worker._bridge.settings.is_loopback", lambda url: False)
        proxy._hosts["localhost"] = relay.port
        with working(f"https://localhost:{relay.port}{PATH}"):
            assert proxy.targets("CONNECT") == {f"localhost:{relay.port}"} and proxy.targets("POST") == set()
            assert len(proxy.requests) >= 2


@pytest.mark.usefixtures("unknown_hosts")
def test_no_proxy_is_honoured_by_both(bridge: RecordingBridge, environment: pytest.MonkeyPatch) -> None:
    """A host that is excepted is asked directly: here that fails, as nobody but the proxy knows it."""
    with Proxy({"bridge.invalid": bridge.port}) as proxy:
        environment.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        environment.setenv("no_proxy", "bridge.invalid")
        error = failed_attempt(Worker(TOKEN, eb_server="http://bridge.invalid:8080/"))
        assert "cannot be resolved" in error.message
        workspace = Workspace(TOKEN, WORKSPACE, eb_server="http://bridge.invalid:8080/", request_timeout=2.0)
        assert isinstance(workspace.fetch_task("WT1").exception(30), (NetworkError, RequestTimeoutError))
        assert proxy.requests == []


def test_a_loopback_address_is_never_asked_of_a_proxy(bridge: RecordingBridge, environment: pytest.MonkeyPatch) -> None:
    """A proxy could not reach this machine's own addresses."""
    with Proxy({}) as proxy:
        for variable in ("http_proxy", "https_proxy", "all_proxy"):
            environment.setenv(variable, f"http://127.0.0.1:{proxy.port}")
        with working(bridge.eb_server):
            pass
        assert proxy.requests == []


@pytest.mark.parametrize("status", [403, 407, 502])
def test_a_proxy_that_refuses_is_named(bridge: RecordingBridge, environment: pytest.MonkeyPatch, status: int) -> None:
    """The message tells that it was the proxy, and with which status."""
    with Proxy({"bridge.invalid": bridge.port}, status=status) as proxy:
        environment.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        error = failed_attempt(Worker(TOKEN, eb_server="http://bridge.invalid:8080/"))
        assert f"the proxy refused the tunnel with status {status}" in error.message
        assert "proxy settings" in error.message


@pytest.mark.parametrize("kind", ["socks5", "https"])
def test_a_proxy_of_another_kind_is_refused_in_words(environment: pytest.MonkeyPatch, kind: str) -> None:
    """What the websocket cannot go through is said, not tried."""
    environment.setenv("https_proxy", f"{kind}://127.0.0.1:9")
    error = failed_attempt(Worker(TOKEN, eb_server="https://bridge.invalid/"), 0.3)
    assert f"proxy of the kind {kind}://; use http://" in error.message


def test_a_proxy_that_says_nothing_does_not_hold_connect(environment: pytest.MonkeyPatch) -> None:
    """The tunnel is part of what the timeout is for."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        environment.setenv("http_proxy", f"http://127.0.0.1:{silent.getsockname()[1]}")
        begun = time.monotonic()
        with no_leftover_threads(), pytest.raises(ConnectTimeoutError):
            Worker(TOKEN, eb_server="http://bridge.invalid/").connect(0.4)
        assert time.monotonic() - begun < 0.4 + SLACK


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_ca_of_the_environment_is_trusted_by_both(
    bridge: RecordingBridge, environment: pytest.MonkeyPatch, variable: str
) -> None:
    """A private CA named by the environment makes https and wss work; the name in the certificate is checked."""
    with Relay("127.0.0.1", bridge.port, tls=True) as relay:
        environment.setenv(variable, relay.ca_file)
        with working(relay.url("https")) as worker:
            # Over TLS, too, a blocked reader is woken, and the close frame is read.
            worker.disconnect()
            assert bridge.wait_for_close().close_code == 1005
        with working(f"https://localhost:{relay.port}{PATH}"):
            pass


@pytest.mark.parametrize("trust", ["the usual ones", "another", "none there"])
def test_a_ca_that_is_not_the_servers_is_refused_by_both(
    bridge: RecordingBridge, environment: pytest.MonkeyPatch, trust: str
) -> None:
    """Without trust there is neither a websocket nor a call, and the server sees no request."""
    with Relay("127.0.0.1", bridge.port, tls=True) as relay, Relay("127.0.0.1", 9, tls=True) as other:
        if trust == "another":
            environment.setenv("REQUESTS_CA_BUNDLE", other.ca_file)
        elif trust == "none there":
            environment.setenv("REQUESTS_CA_BUNDLE", "/no/such/bundle.pem")
        error = failed_attempt(Worker(TOKEN, eb_server=relay.url("https")))
        assert "TLS failed" in error.message or "No such file" in error.message
        workspace = Workspace(TOKEN, WORKSPACE, eb_server=relay.url("https"), request_timeout=0.5)
        assert isinstance(workspace.fetch_task("WT1").exception(30), (NetworkError, RequestTimeoutError))
    assert bridge.calls == [] and bridge.connections == []


def test_a_tls_connection_comes_back_after_a_reset(bridge: RecordingBridge, environment: pytest.MonkeyPatch) -> None:
    """Losing and closing work over TLS as they do without."""
    with Relay("127.0.0.1", bridge.port, tls=True) as relay:
        environment.setenv("REQUESTS_CA_BUNDLE", relay.ca_file)
        with no_leftover_threads(), working(relay.url("https")) as worker:
            relay.abort_all()
            eventually(lambda: len(bridge.connections) == 2 and worker.ready)
