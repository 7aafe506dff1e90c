"""Probes, panels and reports about a worker: at its end, and where there is nothing to report."""

from __future__ import annotations

import http.client
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from tests.tools.wait import no_leftover_threads
from twilio_taskrouter_worker import Worker, pytest_plugin
from twilio_taskrouter_worker._display.worker import _connection
from twilio_taskrouter_worker.health import HealthServer


def test_a_head_request_has_no_body() -> None:
    """A probe by HEAD gets the status and the length of what GET would answer; closing twice does no harm."""
    with no_leftover_threads(), HealthServer(Worker("token").health, 0) as server:
        answers = {}
        for method in ("GET", "HEAD"):
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
            connection.request(method, "/ready")
            answer = connection.getresponse()
            answers[method] = answer.status, answer.getheader("Content-Length"), len(answer.read())
            connection.close()
        server.close()
    length = answers["GET"][2]
    assert answers == {"GET": (503, str(length), length), "HEAD": (503, str(length), 0)}


@pytest.mark.parametrize(
    ("states", "text"),
    [
        ({"stopping", "running", "ready"}, "stopping"),
        ({"running", "ready", "connected"}, "ready"),
        ({"running", "connected"}, "connected, reading its state"),
        ({"running"}, "connecting"),
        (set(), "not connected yet"),
    ],
)
def test_the_panel_names_the_connection(states: set[str], text: str) -> None:
    """The first that applies: a worker that stops is not shown as ready."""
    names = ("stopping", "running", "ready", "connected")
    health: Any = SimpleNamespace(worker_sid=None, **{name: name in states for name in names})
    assert _connection(health) == text


def test_a_failed_test_that_stopped_its_router() -> None:
    """The report of its own failure comes through; instead of the service's there is the reason why there is none."""

    def refused() -> str:
        raise RuntimeError("the service is not running")

    item: Any = SimpleNamespace(stash={pytest_plugin._BENCH: SimpleNamespace(report=refused)})
    call: Any = SimpleNamespace(excinfo=None)
    report: Any = SimpleNamespace(when="call", failed=True, sections=[])
    hook: Callable[..., Any] = pytest_plugin.pytest_runtest_makereport
    steps = hook(item, call)
    next(steps)
    with pytest.raises(StopIteration) as ended:
        steps.send(report)
    assert ended.value.value is report
    assert report.sections == [("TaskRouter", "no report: the service is not running")]


def test_prometheus_without_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """The import names the extra to install."""
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    monkeypatch.delitem(sys.modules, "twilio_taskrouter_worker.prometheus", raising=False)
    with pytest.raises(ImportError, match=r"pip install \"twilio_taskrouter_worker\[prometheus\]\""):
        import twilio_taskrouter_worker.prometheus  # noqa: F401
