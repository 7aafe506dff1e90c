"""Metrics and traces of workers for OpenTelemetry; needs the extra ``opentelemetry``.

::

    from twilio_taskrouter_worker.opentelemetry import OpenTelemetryObserver

    worker = Worker(token_provider=fetch, observer=OpenTelemetryObserver())

It uses the API alone: where the application configures no SDK, everything here does nothing.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict

import attrs

from ._version import __version__
from .observer import CallbackRecord, CallRecord, ConnectionRecord, EventRecord, Observer, RetryRecord

try:
    from opentelemetry import metrics, trace
    from opentelemetry.trace import Span, SpanKind, Status, StatusCode
except ImportError as _missing:
    raise ImportError(
        "OpenTelemetryObserver needs opentelemetry-api, which is not installed: "
        'pip install "twilio_taskrouter_worker[opentelemetry]"'
    ) from _missing

__all__ = ["OpenTelemetryObserver"]

ENDINGS = frozenset({"completed", "rejected", "timeout", "canceled", "rescinded"})
KEPT_SPANS = 5_000
"""Maximum number of reservations whose spans are known, ended ones included: the answer of a call can come after the
event."""


@attrs.define(eq=False)
class _ReservationSpan:
    """The span of one reservation."""

    span: Span
    task_sid: str
    is_open: bool = True

    def end(self, outcome: str) -> None:
        if self.is_open:
            self.is_open = False
            self.span.set_attribute("taskrouter.outcome", outcome)
            if outcome == "timeout":
                self.span.set_status(Status(StatusCode.ERROR, "the reservation timed out"))
            self.span.end()


class OpenTelemetryObserver(Observer):
    """Metrics, and a span for each reservation's life. Make one for all workers of the process.

    Metrics (instruments of the meter ``twilio_taskrouter_worker``): ``taskrouter.client.events``,
    ``taskrouter.client.event.wait``, ``taskrouter.client.callback.duration``, ``taskrouter.client.call.duration``,
    ``taskrouter.client.call.retries``, ``taskrouter.client.disconnects``. Their attributes are ``taskrouter.event``,
    ``taskrouter.source``, ``taskrouter.call`` and ``error.type``, never a sid.

    A span ``taskrouter reservation`` begins with ``reservation_created`` and ends with the reservation; what happens to
    it meanwhile are span events, and calls and callbacks about it are child spans. Its attributes are
    ``taskrouter.worker.sid``, ``taskrouter.task.sid``, ``taskrouter.reservation.sid`` and ``taskrouter.outcome``. A
    timeout is an error.

    Args:
        tracer_provider: By default the global one.
        meter_provider: By default the global one.
    """

    def __init__(
        self,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
    ) -> None:
        self._tracer = trace.get_tracer("twilio_taskrouter_worker", __version__, tracer_provider)
        meter = metrics.get_meter("twilio_taskrouter_worker", __version__, meter_provider)
        prefix = "taskrouter.client"
        self._events = meter.create_counter(f"{prefix}.events", "{event}", "Events of TaskRouter")
        self._waits = meter.create_histogram(
            f"{prefix}.event.wait", "s", "Time from an event's arrival until its callbacks are called"
        )
        self._callbacks = meter.create_histogram(f"{prefix}.callback.duration", "s", "Time that callbacks run")
        self._calls = meter.create_histogram(f"{prefix}.call.duration", "s", "Time of calls to TaskRouter")
        self._retries = meter.create_counter(
            f"{prefix}.call.retries", "{attempt}", "Attempts that failed and were made again"
        )
        self._disconnects = meter.create_counter(
            f"{prefix}.disconnects", "{connection}", "Connections that were lost or closed"
        )
        # Guards the two below.
        self._lock = threading.Lock()
        self._lives: OrderedDict[str, _ReservationSpan] = OrderedDict()
        # For calls about a task alone: the reservation that has its span.
        self._by_task: dict[str, str] = {}

    # -- hooks -------------------------------------------------------------------------------------------------------

    def event_dispatched(self, record: EventRecord) -> None:
        """Count the event; begin, mark or end the reservation's span.

        Args:
            record: The event.
        """
        self._events.add(1, {"taskrouter.event": record.event, "taskrouter.source": record.on})
        self._waits.record(record.waited)
        if record.event == "reservation_created":
            self._begin(record)
        elif record.reservation_sid is not None:
            # Without the lock, as in ``_span_of``: looking up is atomic, and a span may be used on any thread.
            life = self._lives.get(record.reservation_sid)
            if life is not None and life.is_open:
                name = record.event if record.on == "Reservation" else f"{record.on.lower()} {record.event}"
                # When it arrived, not when its turn came.
                life.span.add_event(name, timestamp=time.time_ns() - int(record.waited * 1e9))
                if record.on == "Reservation" and record.event in ENDINGS:
                    life.end(record.event)

    def callback_ended(self, record: CallbackRecord) -> None:
        """Record the duration of the callback, as a child span if it concerned a reservation.

        Args:
            record: The callback.
        """
        attributes = {"taskrouter.event": record.event, **_error_type(record.error)}
        self._callbacks.record(record.seconds, attributes)
        self._child(
            f"callback {record.function}",
            SpanKind.INTERNAL,
            self._span_of(record.reservation_sid, record.task_sid),
            record.seconds,
            record.error,
            {"code.function.name": record.function, **attributes},
        )

    def call_ended(self, record: CallRecord) -> None:
        """Record the duration of the call, as a child span if it concerned a reservation.

        Args:
            record: The call.
        """
        attributes = {"taskrouter.call": record.call, **_error_type(record.error)}
        self._calls.record(record.seconds, attributes)
        status = {} if record.status is None else {"http.response.status_code": record.status}
        self._child(
            f"taskrouter {record.call}",
            SpanKind.CLIENT,
            self._span_of(record.reservation_sid, record.task_sid),
            record.seconds,
            record.error,
            {**attributes, **status, "http.request.resend_count": max(0, record.attempts - 1)},
        )

    def call_retried(self, record: RetryRecord) -> None:
        """Count the attempt.

        Args:
            record: The attempt.
        """
        self._retries.add(1, {"taskrouter.call": record.call})

    def connection_changed(self, record: ConnectionRecord) -> None:
        """Count the connections that ended.

        Args:
            record: The change.
        """
        if record.step == "disconnected":
            self._disconnects.add(1)

    def close(self) -> None:
        """End the spans that are open, before the SDK is shut down."""
        for life in list(self._lives.values()):
            life.end("open")

    # -- spans -------------------------------------------------------------------------------------------------------

    def _begin(self, record: EventRecord) -> None:
        sid, task = record.reservation_sid, record.task_sid
        if sid is None or task is None or sid in self._lives:
            return
        span = self._tracer.start_span(
            "taskrouter reservation",
            kind=SpanKind.CONSUMER,
            start_time=time.time_ns() - int(record.waited * 1e9),
            attributes={
                "taskrouter.worker.sid": record.worker_sid,
                "taskrouter.task.sid": task,
                "taskrouter.reservation.sid": sid,
            },
        )
        with self._lock:
            self._lives[sid] = _ReservationSpan(span, task)
            self._by_task[task] = sid
            if len(self._lives) > KEPT_SPANS:
                old, life = self._lives.popitem(last=False)
                # Unless a later reservation of the task has taken its place.
                if self._by_task.get(life.task_sid) == old:
                    del self._by_task[life.task_sid]
                # Ended, since a span that never ends is never exported.
                life.end("open")

    def _span_of(self, reservation_sid: str | None, task_sid: str | None) -> Span | None:
        life = self._lives.get(reservation_sid or self._by_task.get(task_sid or "", ""))
        return None if life is None else life.span

    def _child(
        self,
        name: str,
        kind: SpanKind,
        parent: Span | None,
        seconds: float,
        error: BaseException | None,
        attributes: dict[str, str | int],
    ) -> None:
        # Without a parent each would be a trace of its own.
        if parent is None:
            return
        ended = time.time_ns()
        span = self._tracer.start_span(
            name,
            trace.set_span_in_context(parent),
            kind,
            attributes,
            start_time=ended - int(seconds * 1e9),
        )
        if error is not None:
            # Only the class: the message may quote customers' data.
            span.set_status(Status(StatusCode.ERROR, type(error).__name__))
        span.end(ended)


def _error_type(error: BaseException | None) -> dict[str, str]:
    return {} if error is None else {"error.type": type(error).__name__}
