"""Connecting: every way it can fail, coming back after a loss, and letting go."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest

from tests.integration.client.event_recorder import (
    SLACK,
    TOKEN,
    EventRecorder,
    connected,
    failed_attempt,
    failure,
    make_token,
    marker,
    new_worker,
    nothing_left,
)
from tests.oracle.bridge import RecordingBridge
from tests.oracle.relay import Relay
from tests.tools.seams import listeners_of
from tests.tools.wait import eventually, no_leftover_threads
from twilio_taskrouter_worker import (
    ClosedError,
    ConnectTimeoutError,
    DispatchThreadError,
    GatewayConnectionError,
    InitializationError,
    NotFoundError,
    TaskRouterError,
    TokenError,
    TokenExpiredError,
    Worker,
    tokens,
)
from twilio_taskrouter_worker.local import LocalTaskRouter


@pytest.fixture
def relay(bridge: RecordingBridge) -> Iterator[Relay]:
    """Give a relay before the bridge."""
    with Relay("127.0.0.1", bridge.port) as relay:
        yield relay


# -- tokens ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def router() -> Iterator[LocalTaskRouter]:
    """Give a local TaskRouter, which checks tokens as the service does."""
    with LocalTaskRouter() as router:
        yield router


def signed(router: LocalTaskRouter, worker_sid: str, secret: str | None = None, **options: Any) -> str:
    """A token of the router's account, signed by its key or with another secret."""
    return tokens.create_worker_token(
        router.account_sid,
        router.signing_key_sid,
        secret or router.signing_key_secret,
        router.workspace_sid,
        worker_sid,
        **options,
    )


def test_a_bad_token_is_refused_at_once(router: LocalTaskRouter) -> None:
    """What is no token at all raises TokenError long before the timeout."""
    error = failure(Worker("not-a-token", **router.connection), 30)
    assert type(error) is TokenError and error.name == "INVALID_TOKEN" and error.status in (401, 403)
    assert "refused the token" in error.message and "Check that it is signed with the right key" in error.message
    assert "not-a-token" not in error.message


def test_a_token_with_the_wrong_secret_is_refused_at_once(router: LocalTaskRouter) -> None:
    """A forged signature raises TokenError that names the secret as what to check."""
    token = signed(router, router.add_worker("Forged"), "x" * 40)
    error = failure(Worker(token, **router.connection), 30)
    assert type(error) is TokenError and "secret" in error.message and token not in error.message
    assert error.__cause__ is not None


def test_an_expired_token_says_since_when(router: LocalTaskRouter) -> None:
    """An expired token raises TokenExpiredError that says how old it is and what to do."""
    worker = Worker(make_token(-50), **router.connection)
    error = failure(worker, 30)
    assert type(error) is TokenExpiredError and error.name == "TOKEN_EXPIRED"
    ago = re.search(r"expired (\d+) s ago", error.message)
    assert ago is not None and 50 <= int(ago[1]) < 50 + 30 + SLACK
    assert "update_token()" in error.message and "token_provider" in error.message


def test_a_token_for_a_worker_that_does_not_exist_is_refused(router: LocalTaskRouter) -> None:
    """A token that names an unknown worker raises TokenError that says so."""
    error = failure(Worker(signed(router, "WK" + "0" * 32), **router.connection), 30)
    assert type(error) is TokenError and "names an existing worker" in error.message


def test_a_good_token_connects_after_bad_ones(router: LocalTaskRouter) -> None:
    """A Worker whose token was refused connects once it has another."""
    sid = router.add_worker("Second chance")
    worker = Worker("not-a-token", **router.connection)
    failure(worker, 30)
    with nothing_left():
        worker.update_token(signed(router, sid))
        with worker:
            assert worker.ready and worker.sid == sid


def test_a_good_token_given_when_the_bad_one_is_reported(router: LocalTaskRouter) -> None:
    """update_token inside the callback of the refusal connects again, though connect() itself fails."""
    token = signed(router, router.add_worker("Prompt"))
    with nothing_left():
        worker = Worker("not-a-token", **router.connection)
        worker.once("error", lambda error: worker.update_token(token))
        ready = threading.Event()
        worker.on("ready", lambda each: ready.set())
        with pytest.raises(TokenError):
            worker.connect(30)
        assert ready.wait(30)
        assert worker.fetch_latest_version().result(30) is worker
        worker.disconnect()


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_only_the_calls_refuse(bridge: RecordingBridge, status: int) -> None:
    """A websocket that opens is not enough: calls that refuse the token fail the connect at once."""
    bridge.on_call("", status)
    error = failure(new_worker(bridge), 30)
    assert type(error) is TokenError and error.status == status and "refused the token" in error.message


# -- the service -----------------------------------------------------------------------------------------------------


def test_an_unknown_worker_fails_at_once(bridge: RecordingBridge) -> None:
    """A 404 for the worker itself cannot be mended by waiting: InitializationError, with the cause."""
    bridge.on_call(r"Workers/\w+$", 404, method="GET")
    error = failure(new_worker(bridge), 30)
    assert type(error) is InitializationError and error.status == 404
    assert bridge.init["channel_id"] in error.message and isinstance(error.__cause__, NotFoundError)


def test_lists_that_cannot_be_read_are_retried_until_the_timeout(bridge: RecordingBridge) -> None:
    """A service in trouble is asked again; when time is up the error says how far it came, and why."""
    bridge.on_call("Activities", 500)
    error = failed_attempt(new_worker(bridge), 0.6, lambda error: len(bridge.calls_to("Activities")) >= 2)
    assert type(error) is ConnectTimeoutError and isinstance(error, TimeoutError)
    assert "reading the worker's lists" in error.message and "status code 500" in error.message
    assert isinstance(error.__cause__, InitializationError)
    assert len(bridge.calls_to("Activities")) >= 2


def test_a_service_that_recovers_makes_connect_succeed(bridge: RecordingBridge) -> None:
    """What may pass is waited for: a refused handshake and a failed list do not fail the connect."""
    bridge.refuse_handshake(503, times=1)
    bridge.on_call("Activities", [500])
    with connected(bridge) as (worker, recorder):
        assert worker.ready
        assert [type(each) for each in recorder.all("error")] == [GatewayConnectionError, InitializationError]


# -- the network -----------------------------------------------------------------------------------------------------


def test_no_server_listening(relay: Relay) -> None:
    """A refused connection is tried again until the timeout; the message names address and remedy."""
    relay.refuse()
    error = failed_attempt(new_worker(relay))
    assert type(error) is ConnectTimeoutError
    assert relay.url("ws") in error.message and "Connection refused" in error.message
    assert "is the service running" in error.message and isinstance(error.__cause__, GatewayConnectionError)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_server_that_accepts_and_says_nothing(relay: Relay, scheme: str) -> None:
    """Silence before the handshake, of TLS or of the websocket, does not outlast the timeout."""
    relay.accept_and_hang()
    with ExitStack() as after:
        after.callback(relay.abort_all)
        begun = time.monotonic()
        with no_leftover_threads(), pytest.raises(ConnectTimeoutError, match="does not answer"):
            Worker(TOKEN, eb_server=relay.url(scheme)).connect(0.5)
        assert time.monotonic() - begun < 0.5 + SLACK


def test_a_handshake_that_is_never_answered(bridge: RecordingBridge) -> None:
    """A server that reads the upgrade and says nothing does not hold the connect, nor its thread."""
    bridge.hang_handshake()
    error = None
    with no_leftover_threads(), pytest.raises(ConnectTimeoutError) as caught:
        new_worker(bridge).connect(0.5)
    error = caught.value
    assert "it was connecting" in error.message and bridge.ws_server in error.message


def test_a_connection_that_never_comes_to_be() -> None:
    """A host that drops every packet: the wait for TCP itself ends with the timeout."""
    with socket.socket() as full, ExitStack() as sockets:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        # The queue of connections to be accepted is full after these; what follows is dropped.
        for _ in range(4):
            filler = sockets.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        error = failure(Worker(TOKEN, ws_server=f"ws://127.0.0.1:{full.getsockname()[1]}/"), 0.5)
        assert type(error) is ConnectTimeoutError and "does not answer" in error.message


def test_a_handshake_without_init(bridge: RecordingBridge) -> None:
    """A websocket that opens and never greets: the error says that init is missing."""
    bridge.hold_init()
    error = failed_attempt(new_worker(bridge), 0.5, lambda error: "no init" in error.message)
    assert type(error) is ConnectTimeoutError and "no init message came" in error.message


def test_a_certificate_that_is_not_trusted(bridge: RecordingBridge) -> None:
    """TLS that cannot be verified is refused, and the message names the setting that would trust it."""
    with Relay("127.0.0.1", bridge.port, tls=True) as relay:
        error = failed_attempt(Worker(TOKEN, eb_server=relay.url("https")))
        assert "TLS failed" in error.message and "REQUESTS_CA_BUNDLE" in error.message
    assert bridge.connections == [] and bridge.calls == []


def test_tls_to_a_server_without_it(bridge: RecordingBridge) -> None:
    """An https address of a plain server: the message asks for the scheme."""
    error = failed_attempt(new_worker(bridge, eb_server=bridge.eb_server.replace("http", "https")))
    assert "TLS failed" in error.message and "wss:// or ws://" in error.message


def test_no_tls_to_a_server_with_it(bridge: RecordingBridge) -> None:
    """An http address of a TLS server fails within the timeout, too."""
    with Relay("127.0.0.1", bridge.port, tls=True) as relay:
        error = failed_attempt(Worker(TOKEN, eb_server=relay.url("http")))
    assert type(error) is ConnectTimeoutError and isinstance(error.__cause__, GatewayConnectionError)


@pytest.mark.parametrize("status", [200, 404, 500])
def test_a_web_server_without_a_bridge(bridge: RecordingBridge, status: int) -> None:
    """An ordinary web page at the address: the message says what came instead of a websocket."""
    bridge.refuse_handshake(status, "<html>Welcome</html>")
    error = failed_attempt(new_worker(bridge))
    assert f"status {status} instead of a websocket" in error.message and "check ws_server" in error.message


@pytest.mark.parametrize("status", [301, 302, 307])
def test_a_redirect_is_not_followed(bridge: RecordingBridge, status: int) -> None:
    """A redirected websocket would carry the token elsewhere: refused, and said."""
    with RecordingBridge() as elsewhere:
        bridge.refuse_handshake(status, headers={"Location": elsewhere.ws_server})
        error = failed_attempt(new_worker(bridge))
        assert f"redirects (status {status})" in error.message
        assert elsewhere.connections == []


def test_something_that_is_not_http_at_all() -> None:
    """A server that answers with bytes of another protocol is told apart from silence."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def speak() -> None:
            with suppress(OSError):
                while True:
                    accepted, _ = server.accept()
                    with accepted:
                        accepted.sendall(b"220 mail.example.com ESMTP\r\n")

        speaker = threading.Thread(target=speak, name="tool-mail")
        speaker.start()
        error = failed_attempt(Worker(TOKEN, ws_server=f"ws://127.0.0.1:{server.getsockname()[1]}/"))
        # Closing alone does not wake accept().
        server.shutdown(socket.SHUT_RDWR)
        speaker.join(30)
    assert type(error) is ConnectTimeoutError and isinstance(error.__cause__, GatewayConnectionError)


def test_a_handshake_dripped_byte_by_byte_has_one_deadline(timings: Callable[..., None]) -> None:
    """A peer that sends a byte now and then does not prolong the connection's own limit for ever."""
    timings(handshake=0.4)
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server, no_leftover_threads():

        def drip() -> None:
            accepted, _ = server.accept()
            with accepted:
                accepted.sendall(b"HTTP/1.1 101 ")
                while not over.wait(0.05):
                    try:
                        accepted.sendall(b"S")
                    except OSError:
                        return

        dripper = threading.Thread(target=drip, name="tool-drip")
        dripper.start()
        worker = Worker(TOKEN, ws_server=f"ws://127.0.0.1:{server.getsockname()[1]}/")
        recorder = EventRecorder(worker)
        worker.start()
        assert "no answer within 0.4 s" in recorder.wait_for("error").message
        worker.disconnect()
        over.set()
        dripper.join(30)


@pytest.mark.usefixtures("unknown_hosts")
def test_a_name_that_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that cannot be resolved is named as such."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    error = failed_attempt(Worker(TOKEN, ws_server="ws://no-such-host.invalid/v1/wschannels"))
    assert type(error) is ConnectTimeoutError and "no-such-host.invalid" in error.message
    assert "cannot be resolved" in error.message


def test_a_resolver_that_hangs_does_not_hold_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name look-up cannot be interrupted, so it is not waited for longer than the timeout."""
    go_on = threading.Event()

    def stuck(*_: Any) -> Any:
        assert go_on.wait(60)
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", stuck)
    begun = time.monotonic()
    with no_leftover_threads():
        with pytest.raises(ConnectTimeoutError):
            Worker(TOKEN, ws_server="ws://slow.invalid/").connect(0.3)
        assert time.monotonic() - begun < 0.3 + SLACK
        go_on.set()


def test_connect_after_failures_in_a_row_leaves_nothing(relay: Relay, bridge: RecordingBridge) -> None:
    """One Worker may fail to connect any number of times, and then connect."""
    worker = new_worker(relay)
    relay.refuse()
    for _ in range(3):
        failure(worker, 0.2)
    relay.accept()
    with nothing_left(), worker:
        assert worker.ready


@pytest.mark.parametrize(("timeout", "kind"), [(0, ValueError), (-1, ValueError), ("5", TypeError), (None, TypeError)])
def test_a_senseless_timeout_is_refused(bridge: RecordingBridge, timeout: Any, kind: type[Exception]) -> None:
    """Nothing is started for a timeout that cannot be."""
    with no_leftover_threads(), pytest.raises(kind, match="timeout"):
        new_worker(bridge).connect(timeout)


def test_a_callback_that_blocks_does_not_hold_a_failed_connect(relay: Relay) -> None:
    """A listener of ``error`` that hangs costs connect() a moment, not the callback's time."""
    relay.refuse()
    go_on = threading.Event()
    worker = new_worker(relay)
    worker.on("error", lambda error: go_on.wait(60))
    begun = time.monotonic()
    with no_leftover_threads():
        with pytest.raises(ConnectTimeoutError):
            worker.connect(0.3)
        assert time.monotonic() - begun < 0.3 + 1.0 + SLACK
        go_on.set()


# -- coming back -----------------------------------------------------------------------------------------------------


def test_a_killed_socket_comes_back_by_itself(bridge: RecordingBridge, relay: Relay) -> None:
    """After a reset the worker is ready again, and listeners on objects from before still fire."""
    held = bridge.add_reservation("accepted")
    with connected(relay) as (worker, recorder):
        reservation = worker.reservations[held["sid"]]
        own = EventRecorder(reservation, "wrapup")
        EventRecorder(reservation.task, "completed")
        task = EventRecorder(reservation.task, "updated")
        activity, channel = worker.activity, next(iter(worker.channels.values()))
        relay.abort_all()
        recorder.wait_for("disconnected")
        recorder.wait_for("ready", 2)
        assert worker.reservations[held["sid"]] is reservation and worker.activity is activity
        assert next(iter(worker.channels.values())) is channel
        bridge.send("task.updated", bridge.state.change_task(reservation.task.sid, attributes={"step": 2}))
        bridge.change_reservation(held["sid"], "wrapping")
        assert own.wait_for("wrapup") is reservation and task.wait_for("updated") is reservation.task
        order = [name for name in recorder.names() if name in ("disconnected", "reconnecting", "connected", "ready")]
        assert order == ["connected", "ready", "disconnected", "reconnecting", "connected", "ready"]


def test_a_reservation_made_while_away_is_announced_once(bridge: RecordingBridge, relay: Relay) -> None:
    """What happened during an outage is announced after it, before ``ready``."""
    with connected(relay) as (worker, recorder):
        relay.refuse()
        relay.abort_all()
        recorder.wait_for("disconnected")
        made = bridge.add_reservation()
        relay.accept()
        recorder.wait_for("ready", 2)
        assert [each.sid for each in recorder.all("reservation_created")] == [made["sid"]]
        assert worker.reservations[made["sid"]].status == "pending"
        names = recorder.names()
        assert names.index("reservation_created") < len(names) - 1 - names[::-1].index("ready")
        # The service may still send the event itself: it is not announced again.
        bridge.send("reservation.created", made)
        marker(bridge, recorder)
        assert len(recorder.all("reservation_created")) == 1


def test_calls_work_while_the_websocket_is_away(bridge: RecordingBridge) -> None:
    """The two connections are independent: a lost websocket does not stop calls."""
    with connected(bridge) as (worker, recorder):
        bridge.refuse_handshake(503)
        bridge.abort()
        recorder.wait_for("disconnected")
        assert worker.fetch_latest_version().result(30) is worker
        assert not worker.ready


# -- callbacks -------------------------------------------------------------------------------------------------------


def test_a_callback_that_blocks_delays_later_callbacks_only(bridge: RecordingBridge) -> None:
    """While a callback blocks, pings are answered, calls go through, and events are read but wait their turn."""
    go_on, running = threading.Event(), threading.Event()
    with connected(bridge) as (worker, recorder):

        @worker.once("attributes_updated")
        def block(worker: Worker) -> None:
            running.set()
            assert go_on.wait(20)

        payload = dict(bridge.state.worker, version=bridge.state.worker["version"] + 1)
        bridge.send("worker.attributes.update", payload)
        assert running.wait(30)
        made = bridge.add_reservation(announce=True)
        bridge.beat()
        bridge.ping(b"still there?")
        connection = bridge.wait_for_connection()
        bridge.wait_for(lambda: b"still there?" in connection.pongs)
        assert worker.fetch_latest_version().result(30) is worker
        eventually(lambda: worker.backlog >= 1)
        assert worker.lag > 0
        assert recorder.all("reservation_created") == [] and worker.ready and connection.is_open
        go_on.set()
        assert recorder.wait_for("reservation_created").sid == made["sid"]
        eventually(lambda: worker.lag == 0.0 and worker.backlog == 0)
        assert recorder.all("disconnected") == []


def test_a_reconnection_happens_behind_a_blocked_callback(bridge: RecordingBridge) -> None:
    """The websocket comes back although a callback still runs; its news waits for that callback."""
    go_on, running = threading.Event(), threading.Event()
    with connected(bridge) as (worker, recorder):

        def block(worker: Worker) -> None:
            running.set()
            assert go_on.wait(20)

        worker.once("attributes_updated", block)
        bridge.send("worker.attributes.update", dict(bridge.state.worker, version=50))
        assert running.wait(30)
        bridge.abort()
        again = bridge.wait_for_connection(2)
        eventually(lambda: worker.connected)
        assert again.is_open and recorder.all("disconnected") == []
        go_on.set()
        recorder.wait_for("ready", 2)


@pytest.mark.parametrize("exception", [RuntimeError("of the test"), SystemExit(3), KeyboardInterrupt()])
def test_a_callback_that_raises_is_reported_and_harms_nobody(
    bridge: RecordingBridge, exception: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever a callback raises: ``error`` says so, other callbacks run, and so does everything later."""
    with connected(bridge) as (worker, recorder):
        before, after = EventRecorder(), EventRecorder()

        def bad(reservation: Any) -> None:
            raise exception

        worker.on("reservation_created", before.callback("created"))
        worker.on("reservation_created", bad)
        worker.on("reservation_created", after.callback("created"))
        bridge.add_reservation(announce=True)
        report = recorder.wait_for("error")
        assert type(report) is TaskRouterError and report.__cause__ is exception
        assert "reservation_created" in report.message and type(exception).__name__ in report.message
        assert before.wait_for("created") and after.wait_for("created")
        bridge.add_reservation(announce=True)
        recorder.wait_for("reservation_created", 2)
        recorder.wait_for("error", 2)
        assert worker.ready


def test_an_error_listener_that_raises_is_not_asked_again_about_itself(bridge: RecordingBridge) -> None:
    """A listener of ``error`` that raises does not start an endless round."""
    with connected(bridge) as (worker, recorder):
        calls: list[Any] = []

        def bad(error: Any) -> None:
            calls.append(error)
            raise RuntimeError("again")

        worker.on("error", bad)
        bridge.send_raw("{")
        recorder.wait_for("error")
        marker(bridge, recorder)
        assert len(calls) == 1 and len(recorder.all("error")) == 1


def test_a_future_can_be_waited_for_inside_a_callback(bridge: RecordingBridge) -> None:
    """``accept().result()`` in a callback returns with the answer, although events wait meanwhile."""
    with connected(bridge) as (worker, recorder):
        got: list[str] = []
        done = threading.Event()

        @worker.on("reservation_created")
        def accept(reservation: Any) -> None:
            got.append(reservation.accept().result(30).status)
            got.append(reservation.task.set_attributes({"a": 1}).result(30).attributes["a"])
            done.set()

        bridge.add_reservation(announce=True)
        assert done.wait(30)
        assert got == ["accepted", 1]


# -- letting go ------------------------------------------------------------------------------------------------------


def test_disconnect_closes_politely_and_leaves_nothing(bridge: RecordingBridge) -> None:
    """The peer gets a close frame without a code, every thread is gone, and ``disconnected`` came last."""
    with nothing_left():
        worker = new_worker(bridge)
        recorder = EventRecorder(worker)
        worker.connect(30)
        before = set(threading.enumerate())
        worker.disconnect()
        assert not [each for each in before if each.is_alive() and each.name.endswith(("-recv", "-dispatch"))]
    closed = bridge.wait_for_close()
    assert (closed.close_code, closed.closed_by, closed.messages) == (1005, "client", [])
    assert recorder.names()[-1] == "disconnected" and recorder.all("disconnected")[-1].message == "SDK Disconnect"


def test_disconnect_is_idempotent_and_a_worker_starts_again(bridge: RecordingBridge) -> None:
    """Disconnecting again, or before ever connecting, does nothing; connecting again works, with the same objects."""
    worker = new_worker(bridge)
    recorder = EventRecorder(worker)
    with nothing_left():
        worker.disconnect()
        activity = None
        for _ in range(3):
            worker.connect(30)
            activity = worker.activity
            worker.disconnect()
            worker.disconnect()
    assert worker.activity is activity
    assert recorder.names().count("disconnected") == 3 and recorder.names().count("ready") == 3


def test_disconnect_in_a_callback(bridge: RecordingBridge) -> None:
    """Inside a callback it returns at once; the threads end after the callback."""
    with nothing_left():
        worker = new_worker(bridge)
        recorder = EventRecorder(worker)
        returned = threading.Event()

        @worker.on("reservation_created")
        def leave(reservation: Any) -> None:
            worker.disconnect()
            worker.disconnect()
            returned.set()

        worker.connect(30)
        bridge.add_reservation(announce=True)
        assert returned.wait(30)
        recorder.wait_for("disconnected")
    assert not worker.connected


@pytest.mark.parametrize("stage", ["tcp", "handshake", "init", "lists", "backoff"])
def test_disconnect_while_connecting(bridge: RecordingBridge, relay: Relay, stage: str) -> None:
    """Disconnecting is possible at every stage, at once, and ends the waiting connect() with ClosedError."""
    held = threading.Event()
    stop: Callable[[], object] = held.set
    if stage == "tcp":
        relay.accept_and_hang()
    elif stage == "handshake":
        bridge.hang_handshake()
    elif stage == "init":
        bridge.hold_init()
    elif stage == "lists":
        bridge.on_call("Activities", lambda call: held.wait(60) and None)
    else:
        relay.refuse()
    worker = new_worker(relay, request_timeout=60.0)
    recorder = EventRecorder(worker)
    with no_leftover_threads():
        ready = worker.start()
        if stage == "tcp":
            relay.wait_for(lambda: relay.seen)
        elif stage == "handshake":
            bridge.wait_for_refusal()
        elif stage == "init":
            bridge.wait_for_connection()
        elif stage == "lists":
            bridge.wait_for_call("Activities")
        else:
            recorder.wait_for("reconnecting")
        begun = time.monotonic()
        worker.disconnect()
        assert time.monotonic() - begun < SLACK
        assert isinstance(ready.exception(30), ClosedError)
        stop()


def test_disconnect_from_two_threads(bridge: RecordingBridge) -> None:
    """Both callers return, and only when the worker's threads are gone."""
    go_on, running = threading.Event(), threading.Event()
    with no_leftover_threads(), connected(bridge) as (worker, recorder):

        @worker.on("reservation_created")
        def block(reservation: Any) -> None:
            running.set()
            assert go_on.wait(20)

        bridge.add_reservation(announce=True)
        assert running.wait(30)
        alive: list[bool] = []

        def leave() -> None:
            worker.disconnect()
            alive.append(any("-dispatch" in each.name for each in threading.enumerate()))

        leavers = [threading.Thread(target=leave, name=f"tool-leaver-{n}") for n in range(2)]
        for leaver in leavers:
            leaver.start()
        eventually(worker.stopping.is_set)
        assert alive == [] and bridge.wait_for_connection().is_open
        go_on.set()
        for leaver in leavers:
            leaver.join(30)
        assert alive == [False, False]


def test_disconnect_waits_no_longer_than_it_is_told(bridge: RecordingBridge) -> None:
    """A callback that does not end does not hold a disconnect with a timeout; a new connection waits its turn."""
    go_on, running = threading.Event(), threading.Event()
    worker = new_worker(bridge)
    recorder = EventRecorder(worker)
    with no_leftover_threads():
        worker.connect(30)
        at_once: list[int] = []
        count = [0]

        @worker.on("reservation_created")
        def block(reservation: Any) -> None:
            running.set()
            count[0] += 1
            assert go_on.wait(20)
            at_once.append(count[0])
            count[0] -= 1

        bridge.add_reservation(announce=True)
        assert running.wait(30)
        begun = time.monotonic()
        worker.disconnect(timeout=0.2)
        assert time.monotonic() - begun < 0.2 + SLACK
        # The old callback still runs: the new connection must not run callbacks beside it, nor lose its own waits.
        ready = worker.start()
        waiting: list[Any] = []
        waiter = threading.Thread(target=lambda: waiting.append(worker.wait_for("ready", 30)), name="tool-waiter")
        waiter.start()
        eventually(lambda: len(listeners_of(worker, "ready")) == 2)
        bridge.wait_for_connection(2)
        assert not ready.done() and recorder.names().count("ready") == 1
        go_on.set()
        assert ready.result(30) is worker
        waiter.join(30)
        assert waiting == [(worker,)]
        assert at_once == [1]
        assert worker.stream("ready", timeout=0.01) is not None and worker.ready
        worker.disconnect()


def test_reconnecting_in_a_callback_after_leaving_in_it(bridge: RecordingBridge) -> None:
    """A callback may disconnect and start again; only waiting for it there is refused."""
    worker = new_worker(bridge)
    recorder = EventRecorder(worker)
    refused: list[BaseException] = []

    @worker.once("reservation_created")
    def again(reservation: Any) -> None:
        worker.disconnect()
        future = worker.start()
        try:
            future.result()
        except DispatchThreadError as error:
            refused.append(error)

    with no_leftover_threads():
        worker.connect(30)
        bridge.add_reservation(announce=True)
        recorder.wait_for("ready", 2)
        assert len(refused) == 1 and worker.ready
        worker.disconnect()


def test_with_connects_and_disconnects(bridge: RecordingBridge) -> None:
    """The block begins when the worker is ready; its end disconnects, also by an exception, which passes."""
    with nothing_left():
        with pytest.raises(RuntimeError, match="inside"), new_worker(bridge) as worker:
            assert worker.ready
            raise RuntimeError("inside")
        assert not worker.connected
    assert bridge.wait_for_close().close_code == 1005


def test_one_connection_for_many_callers(bridge: RecordingBridge) -> None:
    """connect() and start() from many threads at once make one connection."""
    worker = new_worker(bridge)
    results: list[Any] = []
    callers = [
        threading.Thread(target=lambda: results.append(worker.connect(30)), name=f"tool-caller-{n}") for n in range(8)
    ]
    for caller in callers:
        caller.start()
    futures = [worker.start() for _ in range(3)]
    for caller in callers:
        caller.join(30)
    assert results == [worker] * 8 and [each.result(30) for each in futures] == [worker] * 3
    assert len(bridge.connections) == 1
    worker.disconnect()


def test_a_session_that_was_replaced_does_not_fight(bridge: RecordingBridge) -> None:
    """The close code for a replaced session ends the worker instead of starting a duel, and says so."""
    with no_leftover_threads(), connected(bridge) as (worker, recorder):
        bridge.close(4001, "replaced")
        error = recorder.wait_for("error")
        assert "replaced" in error.message and "connect()" in error.message
        eventually(lambda: not worker.connected)
        with pytest.raises(ClosedError, match="replaced"):
            worker.fetch_latest_version()
    assert len(bridge.connections) == 1
