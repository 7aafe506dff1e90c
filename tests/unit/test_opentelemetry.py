"""The OpenTelemetry adapter, fed by hand: what a worker on the wire seldom gives it."""

from __future__ import annotations

import runpy
import sys

import attrs
import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from twilio_taskrouter_worker import opentelemetry
from twilio_taskrouter_worker.observer import CallbackRecord, EventRecord, RetryRecord


@pytest.fixture
def spans() -> InMemorySpanExporter:
    """Where spans go that have ended."""
    return InMemorySpanExporter()


@pytest.fixture
def reader() -> InMemoryMetricReader:
    """Where metrics are read."""
    return InMemoryMetricReader()


@pytest.fixture
def observer(spans: InMemorySpanExporter, reader: InMemoryMetricReader) -> opentelemetry.OpenTelemetryObserver:
    """An observer of no worker."""
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    return opentelemetry.OpenTelemetryObserver(tracers, MeterProvider([reader]))


def happened(event: str, number: int, on: str = "Worker") -> EventRecord:
    """An event about a reservation of the one worker."""
    return EventRecord(
        event=event, on=on, worker_sid="WK1", task_sid=f"WT{number}", reservation_sid=f"WR{number}", waited=0.0
    )


def failed(event: str, task_sid: str | None, reservation_sid: str | None) -> CallbackRecord:
    """A callback that raised an error with a text that no span may have."""
    return CallbackRecord(
        event=event,
        worker_sid="WK1",
        task_sid=task_sid,
        reservation_sid=reservation_sid,
        function="serve",
        seconds=0.1,
        error=ValueError("a customer's name"),
    )


def outcomes(spans: InMemorySpanExporter) -> list[object]:
    """How the reservations ended whose spans have ended."""
    return [(span.attributes or {})["taskrouter.outcome"] for span in spans.get_finished_spans()]


def test_retries_are_counted(observer: opentelemetry.OpenTelemetryObserver, reader: InMemoryMetricReader) -> None:
    """Each by the name of its call."""
    for attempt in (1, 2):
        observer.call_retried(RetryRecord(call="accept", worker_sid="WK1", attempt=attempt, delay=0.1))
    data = reader.get_metrics_data()
    assert data is not None
    text = data.to_json(indent=None)
    assert '"name": "taskrouter.client.call.retries"' in text
    assert '"taskrouter.call": "accept"' in text and '"value": 2' in text


def test_the_oldest_span_gives_way(
    observer: opentelemetry.OpenTelemetryObserver, spans: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bounded number of reservations is followed; an event about one that is not is counted alone."""
    monkeypatch.setattr(opentelemetry, "KEPT_SPANS", 1)
    observer.event_dispatched(happened("reservation_created", 1))
    observer.event_dispatched(happened("reservation_created", 2))
    assert outcomes(spans) == ["open"]
    observer.event_dispatched(happened("completed", 1, "Reservation"))
    observer.event_dispatched(happened("completed", 2, "Reservation"))
    observer.event_dispatched(happened("canceled", 2, "Reservation"))
    assert outcomes(spans) == ["open", "completed"]


def test_a_callback_that_failed(observer: opentelemetry.OpenTelemetryObserver, spans: InMemorySpanExporter) -> None:
    """Its span has the class of the error, and not its message; without a reservation there is no span."""
    observer.event_dispatched(happened("reservation_created", 1))
    observer.callback_ended(failed("reservation_created", "WT1", "WR1"))
    observer.callback_ended(failed("ready", None, None))
    (span,) = spans.get_finished_spans()
    assert (span.name, span.status.status_code) == ("callback serve", StatusCode.ERROR)
    assert span.status.description == "ValueError"


def test_an_announcement_without_all_sids(
    observer: opentelemetry.OpenTelemetryObserver, spans: InMemorySpanExporter
) -> None:
    """A reservation that is announced twice has one span; one without a task has none."""
    observer.event_dispatched(happened("reservation_created", 1))
    observer.event_dispatched(happened("reservation_created", 1))
    observer.event_dispatched(attrs.evolve(happened("reservation_created", 2), task_sid=None))
    observer.close()
    assert outcomes(spans) == ["open"]


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error of an import without OpenTelemetry has the command that installs it."""
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(ImportError, match=r'pip install "twilio_taskrouter_worker\[opentelemetry\]"'):
        runpy.run_path(opentelemetry.__file__, run_name="twilio_taskrouter_worker.opentelemetry")
