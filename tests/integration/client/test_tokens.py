"""Tokens: when they end, who hears of it, and how the next one comes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.client.event_recorder import TOKEN, EventRecorder, connected, make_token, marker, new_worker
from tests.oracle.bridge import RecordingBridge
from tests.tools.seams import connection_of
from tests.tools.wait import eventually, no_leftover_threads
from twilio_taskrouter_worker import (
    AuthorizationError,
    ConnectTimeoutError,
    TaskRouterError,
    TokenError,
    TokenExpiredError,
    Worker,
)
from twilio_taskrouter_worker._bridge import session
from twilio_taskrouter_worker._bridge.states import State
from twilio_taskrouter_worker._bridge.timings import Timings

LEAD = 60.0
"""Seconds before its end that a token's expiry is announced here, so that a slow connect does not outlast it."""
SOON = LEAD + 0.8
"""Seconds a token has left whose expiry is announced in less than a second."""
JWE = "eyJhbGciOiJkaXIifQ..bm9uY2U.Y2lwaGVy.dGFn"
"""An encrypted token: five parts, nothing to be read."""


@pytest.fixture(autouse=True)
def patience(timings: Callable[..., None]) -> None:
    """Let nothing happen because a busy machine is slow."""
    timings(expiry_lead=LEAD, silence=600.0)


@pytest.fixture
def impatient(timings: Callable[..., None]) -> None:
    """Let failed renewals be tried again in a moment, not in seconds."""
    timings(renewal_retry=0.05, renewal_retry_max=0.1)


class Provider:
    """A token provider that gives what it is told, and counts."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked = 0
        self.threads: list[str] = []

    def __call__(self) -> str:
        self.asked += 1
        self.threads.append(threading.current_thread().name)
        answer = self.answers.pop(0) if self.answers else make_token(3600)
        if isinstance(answer, BaseException):
            raise answer
        return answer


def next_deadline(worker: Worker) -> float:
    """Seconds until the session wants to do something by itself."""
    deadline: float = connection_of(worker)._session.deadline
    return deadline - time.monotonic()


# -- the end of a token ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["exp", "init", "init of an encrypted token"])
def test_the_end_is_announced_and_nothing_is_cut_off(bridge: RecordingBridge, source: str) -> None:
    """A warning with the seconds left, then token_expired; the connection stays and calls are still made."""
    # Where it counts from now on, a busy machine may take some time until it is used.
    token = {"exp": make_token(SOON + 3.0), "init": TOKEN}.get(source, JWE)
    if source != "exp":
        bridge.init["token_lifetime"] = int(SOON * 1000)
    with connected(bridge, token) as (worker, recorder):
        left = recorder.wait_for("token_will_expire", timeout=30)
        assert LEAD - 30 < left <= LEAD + 0.1
        recorder.wait_for("token_expired", timeout=30)
        assert recorder.names().index("token_will_expire") < recorder.names().index("token_expired")
        assert worker.ready and worker.fetch_latest_version().result(30) is worker
        assert len(bridge.connections) == 1


@pytest.mark.parametrize(("exp", "left"), [(-700, 600), (3600, 200)], ids=["ahead", "behind"])
def test_a_clock_that_is_wrong(bridge: RecordingBridge, exp: float, left: float) -> None:
    """Where ``exp`` and ``init`` disagree, this machine's clock is wrong: the service's word counts, for later tokens
    too, and with a good token the worker comes back."""
    bridge.init["token_lifetime"] = int(left * 1000)
    # Of one moment: their ends differ by exactly 100 s.
    now = time.time()
    first, second = (make_token(exp=now + exp + more) for more in (0, 100))
    with connected(bridge, first) as (worker, recorder):
        assert connection_of(worker) is not None
        ends = connection_of(worker).token_end
        assert ends is not None and abs(ends - time.monotonic() - left) < 30
        worker.update_token(second)
        later = connection_of(worker).token_end
        assert later is not None and abs(later - ends - 100) < 1
        bridge.abort()
        recorder.wait_for("ready", 2)
        assert "token_expired" not in recorder.names()


@pytest.mark.parametrize("lifetime", [None, "soon", -5, True, 1e300])
def test_a_life_time_that_says_nothing(bridge: RecordingBridge, lifetime: Any) -> None:
    """Without a usable life time there is no expiry, and the worker works."""
    if lifetime is None:
        del bridge.init["token_lifetime"]
    else:
        bridge.init["token_lifetime"] = lifetime
    with connected(bridge) as (worker, recorder):
        marker(bridge, recorder)
        assert worker.ready and not {"token_expired", "token_will_expire"} & set(recorder.names())


def test_each_connection_has_its_own_life_time(bridge: RecordingBridge) -> None:
    """The life time of a later ``init`` replaces that of the first."""
    with connected(bridge, JWE) as (_, recorder):
        bridge.init["token_lifetime"] = int(SOON * 1000)
        bridge.abort()
        recorder.wait_for("ready", 2)
        recorder.wait_for("token_expired", timeout=30)


def test_without_a_valid_token_it_does_not_reconnect(bridge: RecordingBridge) -> None:
    """A lost connection whose token is refused stays lost until there is another token; then it comes at once."""
    with connected(bridge, make_token(SOON)) as (worker, recorder):
        recorder.wait_for("token_expired", timeout=30)
        bridge.refuse_handshake(401)
        bridge.abort()
        assert isinstance(recorder.wait_for("error"), TokenError)
        inner = connection_of(worker)
        assert inner is not None and inner._session.state is State.PAUSED
        assert len(bridge.refused) == 1
        bridge.accept_handshake()
        later = make_token(3600)
        worker.update_token(later)
        recorder.wait_for("ready", 2)
        assert bridge.connections[-1].params["token"] == later and len(bridge.connections) == 2
        assert recorder.names()[-3:] == ["token_updated", "connected", "ready"]


def test_a_token_that_ends_while_reconnecting(bridge: RecordingBridge) -> None:
    """Its end is announced, and does not stop the attempts: the service may find it good, and has the say."""
    with connected(bridge, make_token(SOON)) as (_, recorder):
        bridge.refuse_handshake(503)
        bridge.abort()
        recorder.wait_for("token_expired", timeout=30)
        bridge.accept_handshake()
        recorder.wait_for("ready", 2)


@pytest.mark.parametrize("event", ["token_will_expire", "token_expired"])
def test_a_callback_may_bring_the_next_token(bridge: RecordingBridge, event: Any) -> None:
    """The usual use of these events."""
    with connected(bridge, make_token(SOON)) as (worker, recorder):
        later = make_token(3600)
        worker.on(event, lambda *seconds: worker.update_token(later))
        recorder.wait_for("token_updated", timeout=30)
        assert worker.fetch_latest_version().result(30) is worker
        assert bridge.calls[-1].token == later
        marker(bridge, recorder)
        assert next_deadline(worker) > 20


# -- a new token -----------------------------------------------------------------------------------------------------


def test_a_new_token_is_used_at_once_for_calls_and_next_for_the_websocket(bridge: RecordingBridge) -> None:
    """Nothing is sent to the open websocket; the token that counts is always the latest."""
    with connected(bridge, "first.a.b") as (worker, recorder):
        worker.update_token("second.a.b")
        recorder.wait_for("token_updated")
        worker.fetch_latest_version().result(30)
        assert bridge.calls[-1].token == "second.a.b"
        assert len(bridge.connections) == 1 and bridge.connections[0].messages == []
        bridge.abort()
        recorder.wait_for("ready", 2)
        assert [each.params["token"] for each in bridge.connections] == ["first.a.b", "second.a.b"]


def test_a_new_token_that_is_visibly_wrong(bridge: RecordingBridge) -> None:
    """Another worker's, one that expired earlier than the one in use, and other text raise; nothing changes."""
    first = make_token(3600)
    other = make_token(3600, grants={"task_router": {"worker_sid": "WKother"}})
    with connected(bridge, first) as (worker, recorder):
        for wrong, error in ((other, TokenError), (make_token(-100), TokenExpiredError), ("garbage", ValueError)):
            with pytest.raises(error) as refused:
                worker.update_token(wrong)
            assert wrong not in str(refused.value)
        worker.fetch_latest_version().result(30)
        assert bridge.calls[-1].token == first and not recorder.all("token_updated")


@pytest.mark.usefixtures("impatient")
def test_a_provider_of_another_workers_tokens(bridge: RecordingBridge) -> None:
    """What it gives is not used; it is asked again, and the error says why."""
    other = make_token(3600, grants={"task_router": {"worker_sid": "WKother"}})
    provider = Provider(other, make_token(3600))
    with connected(bridge, make_token(SOON), token_provider=provider) as (worker, recorder):
        recorder.wait_for("token_updated")
        assert "for the worker WKother" in str(recorder.all("error")[0].__cause__)
        assert worker.ready and provider.asked == 2


def test_a_new_token_before_connecting(bridge: RecordingBridge) -> None:
    """It is the one that is used."""
    worker = new_worker(bridge, "first.a.b")
    worker.update_token("second.a.b")
    with worker:
        assert bridge.connections[0].params["token"] == "second.a.b"
        assert {call.token for call in bridge.calls} == {"second.a.b"}


def test_a_new_token_after_disconnecting_connects_again(bridge: RecordingBridge) -> None:
    """As in the JS SDK, with the new token, and announced."""
    with no_leftover_threads(), connected(bridge) as (worker, recorder):
        worker.disconnect()
        worker.update_token("second.a.b")
        recorder.wait_for("token_updated")
        recorder.wait_for("ready", 2)
        assert bridge.connections[-1].params["token"] == "second.a.b"


@pytest.mark.parametrize(
    ("token", "kind"), [(None, TypeError), (3, TypeError), ("", ValueError), ("secret part", ValueError),
                        ("sécret", ValueError), ("secret\n", ValueError)],
)  # fmt: skip
def test_malformed_tokens_are_refused_without_quoting_them(bridge: RecordingBridge, token: Any, kind: type) -> None:
    """At the call, for a new worker as for a new token; the old token stays."""
    with connected(bridge) as (worker, recorder):
        for use in (lambda: worker.update_token(token), lambda: new_worker(bridge, token)):
            with pytest.raises(kind) as caught:
                use()
            assert "ecret" not in str(caught.value)
        worker.fetch_latest_version().result(30)
        assert bridge.calls[-1].token == TOKEN and "token_updated" not in recorder.names()


# -- a refused token -------------------------------------------------------------------------------------------------


def test_a_token_refused_at_a_reconnection_waits_for_another(bridge: RecordingBridge) -> None:
    """It is reported once, not tried for ever, and a new token brings the worker back."""
    with connected(bridge) as (worker, recorder):
        bridge.refuse_handshake(401)
        bridge.abort()
        assert type(recorder.wait_for("error")) is TokenError
        assert len(bridge.refused) == 1
        inner = connection_of(worker)
        assert inner is not None and inner._session.state is State.PAUSED
        bridge.accept_handshake()
        worker.update_token("second.a.b")
        recorder.wait_for("ready", 2)


def test_an_expired_token_refused_at_a_reconnection_is_named_so(
    bridge: RecordingBridge, timings: Callable[..., None]
) -> None:
    """TokenExpiredError, and token_expired where it had not been announced."""
    timings(expiry_lead=-60.0)
    with connected(bridge, make_token(-1)) as (_, recorder):
        bridge.refuse_handshake(401)
        bridge.abort()
        report = recorder.wait_for("error")
        assert type(report) is TokenExpiredError and "update_token()" in report.message
        recorder.wait_for("token_expired")


def test_calls_that_refuse_the_token_while_the_lists_are_read_again(bridge: RecordingBridge) -> None:
    """A 401 for the lists after a reconnection is a refused token: told, and mended by another."""
    with connected(bridge) as (worker, recorder):
        rule = bridge.on_call("Activities", 401)
        bridge.abort()
        assert type(recorder.wait_for("error")) is TokenError
        rule.remove()
        worker.update_token("second.a.b")
        recorder.wait_for("ready", 2)


# -- providers -------------------------------------------------------------------------------------------------------


def test_a_provider_renews_the_token_early(bridge: RecordingBridge, timings: Callable[..., None]) -> None:
    """It is asked on a thread of the pool before the end, and its token is used; nothing expires."""
    # The earliest moment that the jitter allows.
    timings(random=lambda: 1.0)
    later = make_token(3600)
    provider = Provider(later)
    with connected(bridge, make_token(1.5 * LEAD + 0.8), token_provider=provider) as (worker, recorder):
        recorder.wait_for("token_updated", timeout=30)
        worker.fetch_latest_version().result(30)
        assert bridge.calls[-1].token == later and provider.asked == 1
        assert provider.threads[0].startswith("taskrouter-rest-")
        bridge.abort()
        recorder.wait_for("ready", 2)
        assert bridge.connections[-1].params["token"] == later
        assert "token_expired" not in recorder.names()


def test_a_provider_is_asked_for_encrypted_tokens_too(bridge: RecordingBridge) -> None:
    """Their end is known from ``init``."""
    bridge.init["token_lifetime"] = int(SOON * 1000)
    provider = Provider(JWE + "2")
    with connected(bridge, JWE, token_provider=provider) as (_, recorder):
        recorder.wait_for("token_updated", timeout=30)
        assert provider.asked == 1


def test_many_workers_do_not_ask_together() -> None:
    """The moment of renewal has jitter: between one and one and a half times the lead before the end."""
    options = session.SessionOptions(client_version="1", renews_token=True)
    moments = []
    for random in (0.0, 0.5, 1.0):
        machine = session.Session(options, Timings(random=lambda random=random: random))  # type: ignore[misc]
        machine.start("t", 3600.0, 0.0)
        assert machine.deadline is not None
        moments.append(machine.deadline)
    assert moments == [3300.0, 3225.0, 3150.0]


@pytest.mark.usefixtures("impatient")
def test_a_provider_that_fails_is_asked_again(bridge: RecordingBridge) -> None:
    """Each failure is an ``error`` with its cause, but without its words; the next token ends the matter."""
    failures = [RuntimeError("secret words"), KeyError("secret words")]
    provider = Provider(*failures, 7, "", "with space", make_token(3600))
    with connected(bridge, make_token(SOON), token_provider=provider) as (worker, recorder):
        recorder.wait_for("token_updated", timeout=30)
        reports = recorder.all("error")
        assert [type(each) for each in reports] == [TokenError] * 5 and provider.asked == 6
        # Two that come within the short pause may be told in either order.
        causes = [each.__cause__ for each in reports]
        assert all(failure in causes for failure in failures)
        kinds = sorted(type(each).__name__ for each in causes if each not in failures)
        assert kinds == ["TypeError", "ValueError", "ValueError"]
        assert all("secret" not in each.message and "called again" in each.message for each in reports)
        assert worker.ready


@pytest.mark.usefixtures("impatient")
def test_a_provider_of_dead_tokens_is_not_asked_without_pause(bridge: RecordingBridge) -> None:
    """Tokens that have ended when they come count as failures."""
    provider = Provider(*[make_token(-10) for _ in range(3)], make_token(3600))
    with connected(bridge, make_token(SOON), token_provider=provider) as (worker, recorder):
        recorder.wait_for("token_updated", 4, timeout=30)
        marker(bridge, recorder)
        assert provider.asked == 4 and next_deadline(worker) > 20


def test_a_provider_helps_when_the_first_token_is_refused(bridge: RecordingBridge) -> None:
    """connect() does not fail: another token is asked for at once, and used."""
    bridge.refuse_handshake(401, times=1)
    later = make_token(3600)
    with connected(bridge, TOKEN, token_provider=Provider(later)) as (worker, recorder):
        assert worker.ready and bridge.connections[0].params["token"] == later
        assert [type(each) for each in recorder.all("error")] == [TokenError]


@pytest.mark.usefixtures("impatient")
def test_a_provider_whose_tokens_are_all_refused(bridge: RecordingBridge, timings: Callable[..., None]) -> None:
    """connect() tries one after the other, with pauses, and raises what is wrong once its patience has ended."""
    timings(provider_patience=0.1)
    bridge.refuse_handshake(403)
    provider = Provider()
    with no_leftover_threads(), pytest.raises(TokenError, match="no usable token.*refused the token") as caught:
        new_worker(bridge, token_provider=provider).connect(30)
    assert provider.asked >= 1 and caught.value.status == 403
    # The first token was given to the worker.
    assert len({each.params["token"] for each in bridge.refused}) == provider.asked + 1


def test_a_slow_provider_is_asked_once_and_may_come_too_late(bridge: RecordingBridge) -> None:
    """While it works the worker goes on; after disconnect() its token starts nothing, but is used next time."""
    go_on, asked = threading.Event(), threading.Event()
    later = make_token(3600)

    def provider() -> str:
        asked.set()
        assert go_on.wait(30)
        return later

    with no_leftover_threads():
        worker = new_worker(bridge, make_token(SOON), token_provider=provider)
        recorder = EventRecorder(worker)
        worker.connect(30)
        assert asked.wait(30)
        assert worker.fetch_latest_version().result(30) is worker
        recorder.wait_for("token_expired", timeout=30)
        worker.disconnect()
        go_on.set()
        eventually(lambda: worker._token == later)
        assert "token_updated" not in recorder.names() and not worker.connected
    with worker:
        assert bridge.connections[-1].params["token"] == later


def test_a_provider_that_answers_a_later_connection(bridge: RecordingBridge) -> None:
    """Asked by one connection, answered in the next: the token reaches the one that is there."""
    go_on, asked = threading.Event(), threading.Event()
    later = make_token(3600)

    def provider() -> str:
        asked.set()
        assert go_on.wait(30)
        return later

    worker = new_worker(bridge, make_token(SOON), token_provider=provider)
    recorder = EventRecorder(worker)
    worker.connect(30)
    assert asked.wait(30)
    worker.disconnect()
    worker.connect(30)
    go_on.set()
    recorder.wait_for("token_updated", timeout=30)
    marker(bridge, recorder)
    assert next_deadline(worker) > 20
    worker.disconnect()


@pytest.mark.parametrize("provider", ["token", 3, b"x"])
def test_a_provider_must_be_callable(bridge: RecordingBridge, provider: Any) -> None:
    """Said at once."""
    with pytest.raises(TypeError, match="token_provider must be a function"):
        new_worker(bridge, token_provider=provider)


def test_a_worker_without_a_first_token(bridge: RecordingBridge) -> None:
    """The provider is asked for it when connecting, before the websocket; it is no update."""
    first = make_token(3600)
    provider = Provider(first)
    worker = Worker(token_provider=provider, eb_server=bridge.eb_server)
    assert provider.asked == 0
    recorder = EventRecorder(worker)
    with no_leftover_threads(), worker:
        marker(bridge, recorder)
        assert bridge.connections[0].params["token"] == first and provider.asked == 1
        assert "token_updated" not in recorder.names()
    with pytest.raises(TypeError, match="token"):
        Worker(eb_server=bridge.eb_server)


def test_a_first_token_that_comes_late(bridge: RecordingBridge) -> None:
    """A provider that fails is asked again; its failures are ``error`` events, and then the worker gets ready."""
    provider = Provider(OSError("backend down"), OSError("backend down"), make_token(3600))
    worker = Worker(token_provider=provider, eb_server=bridge.eb_server)
    recorder = EventRecorder(worker)
    with no_leftover_threads(), worker:
        assert [type(each.__cause__) for each in recorder.all("error")] == [OSError, OSError] and provider.asked == 3


def test_a_first_token_that_never_comes(bridge: RecordingBridge, timings: Callable[..., None]) -> None:
    """connect() ends in time, and says whose fault it is."""
    timings(backoff_min=60.0)
    provider = Provider(*[OSError("backend down")] * 1000)
    worker = Worker(token_provider=provider, eb_server=bridge.eb_server)
    # More time where a busy machine needs it.
    for timeout in (0.5, 5.0, 20.0):
        with no_leftover_threads(), pytest.raises(ConnectTimeoutError, match="token_provider") as caught:
            worker.connect(timeout)
        if caught.value.__cause__ is not None:
            break
    assert "token_provider raised OSError" in str(caught.value)
    assert isinstance(caught.value.__cause__, TokenError)


def test_a_provider_that_is_broken_from_the_start(
    bridge: RecordingBridge, timings: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    """start() and run_forever() give up in the end: with the exception as the cause, in the health, and in the log with
    its traceback."""
    timings(backoff_min=0.01, backoff_max=0.02, provider_patience=0.05)
    provider = Provider(*[KeyError("TOKEN")] * 1000)
    worker = Worker(token_provider=provider, eb_server=bridge.eb_server)
    recorder = EventRecorder(worker)
    with no_leftover_threads():
        failure = worker.start().exception(20)
        assert isinstance(failure, TokenError) and isinstance(failure.__cause__, KeyError)
        health = worker.health()
        assert not health.running and health.failure == str(failure) and health.token_failures == provider.asked >= 2
        worker.disconnect()
        with pytest.raises(TokenError, match="no usable token for .*raised KeyError"):
            worker.run_forever()
        assert provider.asked >= health.token_failures + 2
    again = ["called again" in each.message for each in recorder.all("error")]
    assert len(again) == provider.asked and again.count(False) == 2 and not again[-1]
    tokens = [each.getMessage() for each in caplog.records if each.name == "twilio_taskrouter_worker.tokens"]
    assert "KeyError: 'TOKEN'" in tokens[0]


def test_an_exception_of_the_provider_is_logged(bridge: RecordingBridge, caplog: pytest.LogCaptureFixture) -> None:
    """Its words and its traceback, with the tokens in them hidden; once, and not again as an ``error``."""
    worker = Worker(token_provider=Provider(OSError(f"no token after {make_token(9)}")), eb_server=bridge.eb_server)
    with worker:
        eventually(lambda: worker.ready)
    (record,) = [each for each in caplog.records if each.name == "twilio_taskrouter_worker.tokens"]
    text = record.getMessage()
    assert "the token_provider raised OSError" in text and "in __call__" in text
    assert "OSError: no token after (a token)" in text and "eyJ" not in text


def test_a_refused_call_asks_the_provider(bridge: RecordingBridge, timings: Callable[..., None]) -> None:
    """A token that the service refuses before its time: the call fails, and the next one has another token."""
    # For all three calls, however long they take.
    timings(renewal_retry=60.0)
    later = make_token(3600)
    provider = Provider(later)
    with connected(bridge, TOKEN, token_provider=provider) as (worker, recorder):
        rule = bridge.on_call("Workers/", 401, method="POST")
        calls = [worker.set_attributes({}) for _ in range(3)]
        assert all(isinstance(each.exception(30), AuthorizationError) for each in calls)
        recorder.wait_for("token_updated")
        rule.remove()
        worker.set_attributes({}).result(30)
        assert bridge.calls[-1].token == later and provider.asked == 1


def test_running_without_a_token_ends(bridge: RecordingBridge, timings: Callable[..., None]) -> None:
    """run_forever() raises when the connection is lost, the token is refused, and there is no provider."""
    timings(token_patience=0.1)
    worker = new_worker(bridge, make_token(3600))
    recorder = EventRecorder(worker)
    raised: list[BaseException] = []

    def run() -> None:
        try:
            worker.run_forever()
        except TokenExpiredError as error:
            raised.append(error)

    with no_leftover_threads():
        program = threading.Thread(target=run, name="program")
        program.start()
        recorder.wait_for("ready")
        bridge.refuse_handshake(401)
        bridge.abort()
        program.join(30)
        assert len(raised) == 1 and isinstance(raised[0].__cause__, TokenError)


def test_running_goes_on_with_a_token_that_comes_in_time(bridge: RecordingBridge, timings: Callable[..., None]) -> None:
    """A listener of ``error`` that brings another token keeps the program alive."""
    timings(token_patience=10.0)
    worker = new_worker(bridge, make_token(3600))
    recorder = EventRecorder(worker)

    @worker.once("error")
    def bring_another(error: TaskRouterError) -> None:
        bridge.accept_handshake()
        worker.update_token(make_token(3600))

    with no_leftover_threads():
        program = threading.Thread(target=worker.run_forever, name="program")
        program.start()
        recorder.wait_for("ready")
        bridge.refuse_handshake(401)
        bridge.abort()
        recorder.wait_for("ready", 2)
        worker.disconnect()
        program.join(30)


@pytest.mark.parametrize("listens", [False, True])
def test_the_end_of_a_token_is_in_the_log(
    bridge: RecordingBridge, caplog: pytest.LogCaptureFixture, listens: bool
) -> None:
    """Without a provider the coming end is a WARNING, unless somebody listens, and the end an ERROR."""
    worker = new_worker(bridge, make_token(SOON))
    if listens:
        worker.on("token_will_expire", lambda seconds: None)
    with worker:
        eventually(lambda: any("expires now" in each.getMessage() for each in caplog.records))
    levels = [each.levelname for each in caplog.records if each.name == "twilio_taskrouter_worker.tokens"]
    assert levels == ["ERROR"] if listens else ["WARNING", "ERROR"]
