"""Watching a worker: its observer, its history, its health, the probes, and the two adapters with their libraries."""

from __future__ import annotations

import json
import logging
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from prometheus_client import CollectorRegistry, generate_latest

from tests.integration.client.event_recorder import EventRecorder, connected
from tests.oracle.bridge import RecordingBridge
from tests.tools.answers import Hang, error
from tests.tools.seams import listeners_of
from tests.tools.wait import eventually
from twilio_taskrouter_worker import (
    HealthServer,
    Observer,
    RequestRejectedError,
    Reservation,
    Worker,
    _lifecycle,
)
from twilio_taskrouter_worker.local import LocalTaskRouter
from twilio_taskrouter_worker.observer import (
    CallbackRecord,
    CallRecord,
    ConnectionRecord,
    EventRecord,
    RetryRecord,
)
from twilio_taskrouter_worker.opentelemetry import OpenTelemetryObserver
from twilio_taskrouter_worker.prometheus import PrometheusObserver

PATIENCE = 30.0
"""Seconds that anything may take on a loaded machine."""


class Notes(Observer):
    """Writes down everything, with the thread it came on."""

    def __init__(self) -> None:
        self.events: list[EventRecord] = []
        self.callbacks: list[CallbackRecord] = []
        self.calls: list[CallRecord] = []
        self.retries: list[RetryRecord] = []
        self.steps: list[ConnectionRecord] = []
        self.threads: set[str] = set()

    def event_dispatched(self, record: EventRecord) -> None:
        self.threads.add(threading.current_thread().name)
        self.events.append(record)

    def callback_ended(self, record: CallbackRecord) -> None:
        self.callbacks.append(record)

    def call_ended(self, record: CallRecord) -> None:
        self.calls.append(record)

    def call_retried(self, record: RetryRecord) -> None:
        self.retries.append(record)

    def connection_changed(self, record: ConnectionRecord) -> None:
        self.steps.append(record)


@pytest.fixture
def router() -> Iterator[LocalTaskRouter]:
    """A local TaskRouter."""
    with LocalTaskRouter(clock="virtual") as router:
        yield router


@pytest.fixture
def alice(router: LocalTaskRouter) -> str:
    """The sid of a worker who is available."""
    return router.add_worker("Alice", activity="Available")


def observed(router: LocalTaskRouter, sid: str, observer: Observer, **options: Any) -> Worker:
    """A worker with an observer, not connected yet."""
    return Worker(router.token(sid), observer=observer, **options, **router.connection)


def offered_to(worker: Worker) -> Reservation:
    """Wait for a reservation of the worker, and return it."""
    eventually(lambda: worker.reservations, PATIENCE)
    return next(iter(worker.reservations.values()))


def serve_one(router: LocalTaskRouter, worker: Worker) -> Reservation:
    """Let the worker accept and complete one task; returns its reservation once that was announced."""
    served: list[Reservation] = []
    over = threading.Event()

    @worker.on("reservation_created")
    def serve(reservation: Reservation) -> None:
        served.append(reservation)
        reservation.on("completed", lambda _: over.set())
        reservation.accept().result(PATIENCE)
        reservation.task.complete("done").result(PATIENCE)

    with worker:
        router.create_task({"secret": "of a customer"})
        assert over.wait(PATIENCE)
    return served[0]


# -- the observer ----------------------------------------------------------------------------------------------------


def test_a_reservation_as_an_observer_sees_it(router: LocalTaskRouter, alice: str) -> None:
    """Events in order with their sids, the callback with its time, the calls with theirs, and the connection."""
    notes = Notes()
    reservation = serve_one(router, observed(router, alice, notes))
    sids = (alice, reservation.task.sid, reservation.sid)
    about = [each for each in notes.events if each.reservation_sid is not None and each.on != "Task"]
    assert [(each.on, each.event) for each in about] == [
        ("Worker", "reservation_created"),
        ("Reservation", "accepted"),
        ("Reservation", "completed"),
    ]
    assert {(each.worker_sid, each.task_sid, each.reservation_sid) for each in about} == {sids}
    assert all(0 <= each.waited < PATIENCE for each in notes.events)
    assert all(name.startswith("taskrouter-worker") and name.endswith("dispatch") for name in notes.threads)
    serve, over = notes.callbacks
    assert (serve.event, serve.error) == ("reservation_created", None)
    assert (serve.worker_sid, serve.task_sid, serve.reservation_sid) == sids
    assert serve.function.endswith("serve_one.<locals>.serve")
    assert 0 < serve.seconds < PATIENCE and over.event == "completed"
    calls = {each.call: each for each in notes.calls}
    assert {"accept", "complete_task", "get_worker"} <= set(calls)
    accept = calls["accept"]
    assert (accept.worker_sid, accept.task_sid, accept.reservation_sid) == sids
    assert (accept.error, accept.status, accept.attempts) == (None, 200, 1)
    assert calls["complete_task"].task_sid == reservation.task.sid and 0 < accept.seconds <= serve.seconds
    assert [(each.step, each.worker_sid) for each in notes.steps] == [("ready", alice), ("disconnected", alice)]
    assert notes.steps[1].reason == "SDK Disconnect"
    assert "customer" not in repr(vars(notes))


def test_failures(router: LocalTaskRouter, alice: str) -> None:
    """A callback that raises and a call that is refused are told with what they raised; executors and serve() too."""
    notes = Notes()
    refused = threading.Event()

    with ThreadPoolExecutor(1) as pool, observed(router, alice, notes) as worker:

        @worker.on("reservation_created", executor=pool)
        def fail(reservation: Reservation) -> None:
            try:
                reservation.complete().result(PATIENCE)
            except RequestRejectedError as error:
                refused.set()
                raise ValueError("mine") from error

        router.create_task()
        assert refused.wait(PATIENCE)
        eventually(lambda: notes.callbacks, PATIENCE)
    [callback] = notes.callbacks
    assert type(callback.error) is ValueError
    [call] = [each for each in notes.calls if each.call == "complete_reservation"]
    assert type(call.error) is RequestRejectedError and call.status == 400


def test_the_handler_of_serve_is_timed(router: LocalTaskRouter, alice: str) -> None:
    """Its record is that of the handler, not of the library's own listener."""
    notes = Notes()
    with observed(router, alice, notes) as worker:

        @worker.serve
        def ship(reservation: Reservation) -> str:
            return "shipped"

        task = router.create_task()
        eventually(lambda: router.task(task).assignment_status == "completed", PATIENCE)
    assert [each.function.rpartition(".")[2] for each in notes.callbacks] == ["ship"]


def test_retries_and_reconnections(bridge: RecordingBridge) -> None:
    """Each failed attempt that is made again, and each lost connection with its reason and the pause."""
    notes = Notes()
    with connected(bridge, observer=notes) as (worker, recorder):
        bridge.on_call("/Workers/WK", error(429, "slow"), times=1)
        worker.set_attributes({}).result(PATIENCE)
        [retry] = notes.retries
        assert (retry.call, retry.worker_sid, retry.attempt) == ("set_attributes", worker.sid, 1)
        assert 0 < retry.delay < 1
        [call] = [each for each in notes.calls if each.call == "set_attributes"]
        assert call.attempts == 2
        bridge.abort()
        recorder.wait_for("ready", 2, timeout=PATIENCE)
        health = worker.health()
        assert health.connections == 2
    assert [each.step for each in notes.steps] == ["ready", "disconnected", "reconnecting", "ready", "disconnected"]
    assert notes.steps[2].delay is not None and notes.steps[1].reason


class Broken(Observer):
    """Raises from every hook."""

    def event_dispatched(self, record: EventRecord) -> None:
        raise RuntimeError("event hook")

    def call_ended(self, record: CallRecord) -> None:
        raise RuntimeError("call hook")

    def callback_ended(self, record: CallbackRecord) -> None:
        raise SystemExit


def test_an_observer_that_raises(router: LocalTaskRouter, alice: str, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged with its traceback, and nothing else is lost."""
    serve_one(router, observed(router, alice, Broken()))
    said = [each.getMessage() for each in caplog.records if "observer" in each.getMessage()]
    for hook in ("event_dispatched", "call_ended", "callback_ended"):
        assert any(f"Broken.{hook} raised" in each for each in said), said


def test_an_invalid_observer() -> None:
    """It is refused by name."""
    with pytest.raises(TypeError, match="observer must be an Observer, not list"):
        Worker("token", observer=[])  # type: ignore[arg-type]


# -- history ---------------------------------------------------------------------------------------------------------


def test_history(router: LocalTaskRouter, alice: str) -> None:
    """Events, and calls that change something, oldest first, with sids and outcomes, also after the end."""
    began = datetime.now(timezone.utc)
    worker = observed(router, alice, Observer())
    reservation = serve_one(router, worker)
    entries = worker.history
    about = [each.what for each in entries if each.reservation_sid == reservation.sid or each.task_sid]
    assert about[:2] == ["reservation_created", "accept()"] or about[:3] == [
        "reservation_created",
        "accepted",
        "accept()",
    ]
    assert {"accepted", "complete_task()", "completed"} <= set(about)
    # Events and calls are entered by different threads, which may come to it at the same moment.
    for calls in (True, False):
        times = [each.at for each in entries if each.what.endswith("()") is calls]
        assert times == sorted(times) and times[0] >= began
    assert (entries[-1].what, entries[-1].outcome) == ("disconnected", "SDK Disconnect")


def test_history_is_bounded_and_has_failures(bridge: RecordingBridge) -> None:
    """Two hundred entries are kept; a refused call is there under its error's name."""
    with connected(bridge) as (worker, _):
        bridge.on_call("/Workers/WK", error(400, "no"), times=1)
        assert worker.set_attributes({}).exception(PATIENCE)
        assert [each.outcome for each in worker.history if each.what == "set_attributes()"] == ["RequestRejectedError"]
        futures = [worker.set_attributes({"n": n}) for n in range(250)]
        for future in futures:
            future.result(PATIENCE)
        assert len(worker.history) == 200


# -- health ----------------------------------------------------------------------------------------------------------


def test_health(router: LocalTaskRouter, alice: str) -> None:
    """Before, while and after being connected."""
    worker = observed(router, alice, Observer())
    before = worker.health()
    assert (before.worker_sid, before.running, before.connected, before.ready) == (None, False, False, False)
    assert before.last_frame is None and before.failure is None
    with worker:
        router.create_task()
        eventually(lambda: worker.reservations, PATIENCE)
        now = worker.health()
        assert (now.worker_sid, now.running, now.connected, now.ready) == (alice, True, True, True)
        assert now.last_frame is not None and 0 <= now.last_frame < PATIENCE
        assert now.token_expires_in is not None and 3000 < now.token_expires_in <= 3600
        assert (now.open_reservations, now.connections, now.foreign_accepts, now.stopping) == (1, 1, 0, False)
        assert json.loads(json.dumps(now.to_dict()))["ready"] is True
    after = worker.health()
    assert (after.running, after.ready, after.stopping, after.last_frame) == (False, False, True, None)


def test_health_counts_calls_and_callbacks(bridge: RecordingBridge) -> None:
    """Calls that have no answer yet, and events that wait for a callback."""
    inside, blocked = threading.Event(), threading.Event()

    def block(payload: Any) -> None:
        inside.set()
        blocked.wait(PATIENCE)

    with connected(bridge, request_timeout=3.0) as (worker, _):
        bridge.on_call("/Workers/WK", Hang(), times=1)
        worker.on("reservation_failed", block)
        future = worker.set_attributes({})
        # Before anything that takes time, which the call has little of.
        assert worker.health().calls_in_flight == 1
        for _ in range(3):
            bridge.send("reservation.failed", {"sid": "x"})
        # Before it, two of the three may be all that has come.
        assert inside.wait(PATIENCE)
        eventually(lambda: worker.health().backlog == 2, PATIENCE)
        now = worker.health()
        assert now.lag > 0
        # The token cannot be read: its end comes from the service.
        assert now.token_expires_in is not None and now.token_expires_in > 0
        blocked.set()
        assert future.exception(PATIENCE) is not None
        # A call that was cut off is in flight until its connection is closed, a moment later.
        eventually(lambda: worker.health().calls_in_flight == 0, PATIENCE)


def probe(port: int, path: str, host: str = "127.0.0.1") -> tuple[int, dict[str, Any]]:
    """Ask as a probe does."""
    try:
        with urllib.request.urlopen(f"http://{host}:{port}{path}", timeout=PATIENCE) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, json.load(refused)


def test_probes(router: LocalTaskRouter, alice: str) -> None:
    """Live while the worker runs, ready while it is ready; everything else is not found."""
    worker = observed(router, alice, Observer())
    with HealthServer(worker.health, 0) as server:
        assert [probe(server.port, path)[0] for path in ("/live", "/ready")] == [503, 503]
        with worker:
            assert [probe(server.port, path)[0] for path in ("/live", "/ready", "/ready?x=1")] == [200, 200, 200]
            status, body = probe(server.port, "/ready")
            assert body["worker_sid"] == alice and body["failure"] is False
            assert probe(server.port, "/") == (404, {"paths": ["/live", "/ready"]})
        assert probe(server.port, "/live")[0] == 503


def test_run_forever_answers_probes(router: LocalTaskRouter, alice: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From its start to its end; not ready while the connection is lost, but live."""
    servers: list[HealthServer] = []

    class Server(HealthServer):
        def __enter__(self) -> HealthServer:
            servers.append(self)
            return super().__enter__()

    # To know its port: one that was chosen here could be taken by another program meanwhile.
    monkeypatch.setattr(_lifecycle, "HealthServer", Server)
    worker = observed(router, alice, Observer())
    recorder = EventRecorder(worker)
    running = threading.Thread(target=worker.run_forever, kwargs={"health_port": 0})
    running.start()
    try:
        recorder.wait_for("ready", timeout=PATIENCE)
        port = servers[0].port
        assert probe(port, "/ready")[0] == 200
    finally:
        worker.disconnect()
        running.join(PATIENCE)
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/live", timeout=PATIENCE)


@pytest.mark.parametrize(("port", "error"), [(-1, ValueError), (70000, ValueError), ("80", TypeError)])
def test_wrong_ports(router: LocalTaskRouter, alice: str, port: Any, error: type[Exception]) -> None:
    """They are refused before anything is connected."""
    worker = observed(router, alice, Observer())
    with pytest.raises(error, match="health_port must be"):
        worker.run_forever(health_port=port)
    assert not worker.health().running


# -- the adapters ----------------------------------------------------------------------------------------------------


def test_prometheus(router: LocalTaskRouter, alice: str) -> None:
    """What happened is in the metrics, under names and labels by Prometheus' conventions, and without a sid."""
    registry = CollectorRegistry()
    observer = PrometheusObserver(registry)
    reservation = serve_one(router, observed(router, alice, observer))
    assert (
        registry.get_sample_value("taskrouter_events_total", {"source": "Worker", "event": "reservation_created"}) == 1
    )
    assert registry.get_sample_value("taskrouter_call_duration_seconds_count", {"call": "accept", "outcome": "ok"}) == 1
    assert registry.get_sample_value("taskrouter_callback_duration_seconds_count", {"event": "completed"}) == 1
    assert registry.get_sample_value("taskrouter_event_wait_seconds_count") is not None
    assert registry.get_sample_value("taskrouter_disconnects_total") == 1
    assert registry.get_sample_value("taskrouter_workers_ready") == 0
    text = generate_latest(registry).decode()
    for sid in (alice, reservation.sid, reservation.task.sid):
        assert sid not in text
    with observed(router, alice, observer):
        assert registry.get_sample_value("taskrouter_workers_ready") == 1


def test_prometheus_errors_and_retries() -> None:
    """Failures have their own series."""
    registry = CollectorRegistry()
    observer = PrometheusObserver(registry)
    error = RequestRejectedError("no")
    about: dict[str, Any] = {"worker_sid": "WK1", "task_sid": None, "reservation_sid": None}
    observer.call_ended(CallRecord(call="accept", seconds=1.0, attempts=1, error=error, **about))
    observer.call_retried(RetryRecord(call="accept", worker_sid="WK1", attempt=1, delay=1.0))
    observer.callback_ended(CallbackRecord(event="ready", function="f", seconds=1.0, error=error, **about))
    value = registry.get_sample_value
    refused = {"call": "accept", "outcome": "RequestRejectedError"}
    assert value("taskrouter_call_duration_seconds_count", refused) == 1
    assert value("taskrouter_call_retries_total", {"call": "accept"}) == 1
    assert value("taskrouter_callback_errors_total", {"event": "ready"}) == 1
    with pytest.raises(ValueError, match="Duplicated"):
        PrometheusObserver(registry)


class Telemetry:
    """The real SDK, with what it exports kept in memory."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        tracers = TracerProvider(shutdown_on_exit=False)
        tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        meters = MeterProvider([self.reader], shutdown_on_exit=False)
        self.observer = OpenTelemetryObserver(tracers, meters)

    def spans(self) -> dict[str, ReadableSpan]:
        """Spans that have ended, by name."""
        return {span.name: span for span in self.exporter.get_finished_spans()}

    def points(self) -> dict[str, list[Any]]:
        """Data points by instrument."""
        data = self.reader.get_metrics_data()
        assert data is not None
        metrics = data.resource_metrics[0].scope_metrics[0].metrics
        return {metric.name: list(metric.data.data_points) for metric in metrics}


def test_a_reservations_life_is_a_span(router: LocalTaskRouter, alice: str) -> None:
    """From the offer to the end, with its events; the calls and the callback about it are its children."""
    telemetry = Telemetry()
    reservation = serve_one(router, observed(router, alice, telemetry.observer))
    spans = telemetry.spans()
    life = spans["taskrouter reservation"]
    assert life.attributes == {
        "taskrouter.worker.sid": alice,
        "taskrouter.task.sid": reservation.task.sid,
        "taskrouter.reservation.sid": reservation.sid,
        "taskrouter.outcome": "completed",
    }
    assert life.kind is SpanKind.CONSUMER and life.status.status_code is StatusCode.UNSET
    assert [each.name for each in life.events if not each.name.startswith("task ")] == ["accepted", "completed"]
    accept, callback = spans["taskrouter accept"], next(each for name, each in spans.items() if name.endswith(".serve"))
    for child in (accept, spans["taskrouter complete_task"], callback):
        assert child.parent is not None and life.context is not None
        assert child.parent.span_id == life.context.span_id
        assert child.start_time is not None and child.end_time is not None and child.start_time <= child.end_time
    assert accept.kind is SpanKind.CLIENT
    assert accept.attributes is not None and accept.attributes["http.response.status_code"] == 200
    assert "customer" not in telemetry.exporter.get_finished_spans()[0].to_json()


def test_opentelemetry_metrics(router: LocalTaskRouter, alice: str) -> None:
    """Instruments by OpenTelemetry's conventions: seconds, and no sid among the attributes."""
    telemetry = Telemetry()
    serve_one(router, observed(router, alice, telemetry.observer))
    points = telemetry.points()
    assert set(points) == {
        f"taskrouter.client.{name}"
        for name in ("events", "event.wait", "callback.duration", "call.duration", "disconnects")
    }
    created = {"taskrouter.event": "reservation_created", "taskrouter.source": "Worker"}
    assert [each.value for each in points["taskrouter.client.events"] if each.attributes == created] == [1]
    assert {"taskrouter.call": "accept"} in [each.attributes for each in points["taskrouter.client.call.duration"]]
    assert alice not in repr(points)


def test_a_timeout_is_an_error_of_its_span(router: LocalTaskRouter, alice: str) -> None:
    """And what is open at the end is ended by close()."""
    telemetry = Telemetry()
    with observed(router, alice, telemetry.observer) as worker:
        recorder = EventRecorder(worker, "reservation_created")
        router.create_task()
        [reservation] = eventually(lambda: list(worker.reservations.values()), PATIENCE)
        with ThreadPoolExecutor(1) as pool:
            over = pool.submit(reservation.wait_for, "timeout", PATIENCE)
            eventually(lambda: listeners_of(reservation, "timeout"), PATIENCE)
            router.clock.advance(121)
            over.result(PATIENCE)
        timed_out = telemetry.spans()["taskrouter reservation"]
        assert timed_out.status.status_code is StatusCode.ERROR
        assert timed_out.attributes is not None and timed_out.attributes["taskrouter.outcome"] == "timeout"
        worker.set_activity("Available").result(PATIENCE)
        recorder.wait_for("reservation_created", 2, timeout=PATIENCE)
        telemetry.exporter.clear()
        telemetry.observer.close()
    still_open = telemetry.spans()["taskrouter reservation"]
    assert still_open.attributes is not None and still_open.attributes["taskrouter.outcome"] == "open"


# -- other sessions --------------------------------------------------------------------------------------------------


def test_another_session_that_accepts(router: LocalTaskRouter, alice: str, caplog: pytest.LogCaptureFixture) -> None:
    """Two connect the same worker, one accepts: the other one warns, once, and counts."""
    with observed(router, alice, Observer()) as first, observed(router, alice, Observer()) as second:
        recorder = EventRecorder()
        second.on("reservation_created", lambda reservation: recorder.listen(reservation, "accepted", "completed"))
        for number in (1, 2):
            router.create_task()
            reservation = offered_to(first)
            reservation.accept().result(PATIENCE)
            reservation.complete().result(PATIENCE)
            recorder.wait_for("completed", number, timeout=PATIENCE)
            eventually(lambda: not first.reservations, PATIENCE)
        assert (first.health().foreign_accepts, second.health().foreign_accepts) == (0, 2)
    warnings = [each for each in caplog.records if "not by this process" in each.getMessage()]
    assert [each.levelno for each in warnings].count(logging.WARNING) == 1
    assert warnings[0].reservation_sid.startswith("WR")  # type: ignore[attr-defined]


def test_another_session_that_was_faster(router: LocalTaskRouter, alice: str) -> None:
    """Both accept: the refusal says what happened, and counts as the sight of another session."""
    with observed(router, alice, Observer()) as first, observed(router, alice, Observer()) as second:
        router.create_task()
        mine, other = offered_to(second), offered_to(first)
        other.accept().result(PATIENCE)
        with pytest.raises(RequestRejectedError, match="another session of this worker"):
            mine.accept().result(PATIENCE)
        eventually(lambda: second.health().foreign_accepts == 1, PATIENCE)
        assert first.health().foreign_accepts == 0


def test_refusals_say_why(router: LocalTaskRouter, alice: str) -> None:
    """A second accept() and a complete() that comes too early say in which state the reservation is."""
    with observed(router, alice, Observer()) as worker:
        router.create_task()
        reservation = offered_to(worker)
        for early in (reservation.complete, reservation.wrap, lambda: reservation.task.complete("x")):
            with pytest.raises(RequestRejectedError, match=r"is pending: accept\(\) it first"):
                early().result(PATIENCE)
        reservation.accept().result(PATIENCE)
        with pytest.raises(RequestRejectedError, match="It is accepted already: by another listener") as refused:
            reservation.accept().result(PATIENCE)
        assert refused.value.status == 400 and refused.value.code is not None
        assert worker.health().foreign_accepts == 0
        reservation.complete().result(PATIENCE)
        with pytest.raises(RequestRejectedError, match="has ended before: completed"):
            reservation.accept().result(PATIENCE)
