"""Metrics of workers for Prometheus; needs the extra ``prometheus``.

::

    from prometheus_client import start_http_server
    from twilio_taskrouter_worker.prometheus import PrometheusObserver

    start_http_server(9100)
    worker = Worker(token_provider=fetch, observer=PrometheusObserver())

No label has a sid: the number of series does not grow with workers or tasks.
"""

from __future__ import annotations

import threading

from .observer import CallbackRecord, CallRecord, ConnectionRecord, EventRecord, Observer, RetryRecord

try:
    from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
except ImportError as _missing:
    raise ImportError(
        "PrometheusObserver needs prometheus_client, which is not installed: "
        'pip install "twilio_taskrouter_worker[prometheus]"'
    ) from _missing

__all__ = ["PrometheusObserver"]

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0, 60.0, 300.0, float("inf"))
"""Upper bounds in seconds: from an answer in the same region to a callback that does the whole work."""


class PrometheusObserver(Observer):
    """Counts and times what workers do. Make one for all workers of the process.

    ======================================== ============ ============================================================
    Metric                                   Labels       Meaning
    ======================================== ============ ============================================================
    ``taskrouter_events_total``              source,event events, by the class that fires them and name
    ``taskrouter_event_wait_seconds``        –            from an event's arrival until its callbacks are called
    ``taskrouter_callback_duration_seconds`` event        how long callbacks run
    ``taskrouter_callback_errors_total``     event        callbacks that raised
    ``taskrouter_call_duration_seconds``     call,outcome calls to TaskRouter; ``ok`` or the class of the error
    ``taskrouter_call_retries_total``        call         attempts that failed and were made again
    ``taskrouter_disconnects_total``         –            connections that were lost or closed
    ``taskrouter_workers_ready``             –            workers that are ready now
    ======================================== ============ ============================================================

    Args:
        registry: Where the metrics are registered; by default the process-wide one.

    Raises:
        ValueError: The registry has such metrics already.
    """

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"taskrouter_{name}", text, labels, registry=registry)

        def histogram(name: str, text: str, *labels: str) -> Histogram:
            return Histogram(f"taskrouter_{name}", text, labels, registry=registry, buckets=BUCKETS)

        self._events = counter("events", "Events of TaskRouter", "source", "event")
        self._waits = histogram("event_wait_seconds", "Time from an event's arrival until its callbacks are called")
        self._callbacks = histogram("callback_duration_seconds", "Time that callbacks run", "event")
        self._errors = counter("callback_errors", "Callbacks that raised", "event")
        self._calls = histogram("call_duration_seconds", "Time of calls to TaskRouter", "call", "outcome")
        self._retries = counter("call_retries", "Attempts that failed and were made again", "call")
        self._disconnects = counter("disconnects", "Connections that were lost or closed")
        # Guards the set, which is by sid: a worker that is ready again counts once.
        self._lock = threading.Lock()
        self._ready: set[str] = set()
        gauge = Gauge("taskrouter_workers_ready", "Workers that are ready", registry=registry)
        gauge.set_function(lambda: len(self._ready))

    def event_dispatched(self, record: EventRecord) -> None:
        """Count the event and record its wait.

        Args:
            record: The event.
        """
        self._events.labels(record.on, record.event).inc()
        self._waits.observe(record.waited)

    def callback_ended(self, record: CallbackRecord) -> None:
        """Record the duration of the callback.

        Args:
            record: The callback.
        """
        self._callbacks.labels(record.event).observe(record.seconds)
        if record.error is not None:
            self._errors.labels(record.event).inc()

    def call_ended(self, record: CallRecord) -> None:
        """Record the duration of the call.

        Args:
            record: The call.
        """
        outcome = "ok" if record.error is None else type(record.error).__name__
        self._calls.labels(record.call, outcome).observe(record.seconds)

    def call_retried(self, record: RetryRecord) -> None:
        """Count the attempt.

        Args:
            record: The attempt.
        """
        self._retries.labels(record.call).inc()

    def connection_changed(self, record: ConnectionRecord) -> None:
        """Count lost connections and ready workers.

        Args:
            record: The change.
        """
        with self._lock:
            if record.step == "ready":
                self._ready.add(record.worker_sid)
            else:
                self._ready.discard(record.worker_sid)
        if record.step == "disconnected":
            self._disconnects.inc()
