"""The pytest plugin, in runs of pytest of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest_plugins = ["pytester"]

PASSES = """
import threading

def test_served(taskrouter, taskrouter_worker):
    done = threading.Event()
    @taskrouter_worker.on("reservation_created")
    def serve(reservation):
        reservation.accept().result(timeout=10)
        done.set()
    taskrouter.create_task()
    assert done.wait(10)

def test_virtual(taskrouter, taskrouter_clock):
    taskrouter.add_worker("Bob", activity="Available")
    task = taskrouter.create_task()
    taskrouter_clock.advance(121)
    assert taskrouter.task(task).assignment_status == "pending"
"""

FAILS = """
import pytest
from twilio_taskrouter_worker.testing import eventually

def test_in_a_callback(taskrouter, taskrouter_worker, taskrouter_bench):
    @taskrouter_worker.on("reservation_created")
    def serve(reservation):
        assert reservation.task.attributes["lang"] == "de", "wrong language"
    taskrouter.create_task({"lang": "en"})
    eventually(lambda: taskrouter_bench.problems)

def test_unseen(taskrouter, taskrouter_worker):
    taskrouter.create_task()
    reservation = eventually(lambda: list(taskrouter_worker.reservations.values()))[0]
    reservation.accept().result(timeout=10)
    future = reservation.accept()
    eventually(future.done)

def test_itself(taskrouter):
    taskrouter.create_task()
    assert False, "mine"
"""

FRAMES = """
from handlers import serve
from twilio_taskrouter_worker.testing import eventually

def test_a_wait(taskrouter_worker):
    taskrouter_worker.wait_for("reservation_created", timeout=0.01)

def test_a_clock(taskrouter, taskrouter_clock):
    taskrouter_clock.run_until(lambda: False, timeout=1)

def test_a_call(taskrouter_worker):
    taskrouter_worker.create_task("a", "b", "WW0", "WQ0").result(timeout=10)

def test_a_handler(taskrouter, taskrouter_worker, taskrouter_bench):
    taskrouter_worker.on("reservation_created", serve)
    taskrouter.create_task()
    eventually(lambda: taskrouter_bench.problems)
"""

MARKED = """
import pytest
from twilio_taskrouter_worker.testing import eventually

@pytest.mark.taskrouter_faults("evicted")
def test_evicted(taskrouter, taskrouter_worker):
    eventually(lambda: not taskrouter_worker.connected)

@pytest.mark.taskrouter_faults("evicted")
def test_without_a_service():
    pass
"""


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder to run pytest in, in processes of their own, as users do; of all plugins, they load only this one."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeini("[pytest]\naddopts = --strict-markers -p no:cacheprovider\n")
    return pytester


def results(pytester: pytest.Pytester, *options: str) -> pytest.RunResult:
    """Run pytest with the plugin, whether or not the package is installed and pytest finds it by itself."""
    return pytester.runpytest_subprocess(
        "-p", "no:taskrouter", "-p", "twilio_taskrouter_worker.pytest_plugin", *options
    )


def test_the_fixtures(run: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service per test, a connected worker, and a clock that stands still, beside all other plugins."""
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    run.makepyfile(PASSES)
    results(run).assert_outcomes(passed=2)


def test_side_by_side(run: pytest.Pytester) -> None:
    """Tests may run in several processes: each has ports of its own."""
    run.makepyfile(PASSES)
    results(run, "-p", "xdist", "-n", "2").assert_outcomes(passed=2)


def test_unseen_failures_fail_the_test(run: pytest.Pytester) -> None:
    """An assertion in a callback fails its test, and the report has the events and the open tasks."""
    run.makepyfile(FAILS)
    result = results(run)
    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(["*wrong language*"])
    result.stdout.fnmatch_lines(["*its Future was never checked: POST */Reservations/WR*"])
    result.stdout.fnmatch_lines(["*TaskRouter*", "Timeline *", "Events:", "*task.created*", "Task WT*"])


def test_tracebacks_end_in_the_test(run: pytest.Pytester) -> None:
    """Frames of the package are left out of what a failed test prints, but for ``--full-trace``."""
    run.makepyfile(FRAMES, handlers="def serve(reservation):\n    raise KeyError('mine')\n")
    result = results(run, "-p", "no:logging")
    result.assert_outcomes(failed=4)
    frames = [line for line in result.outlines if ".py:" in line and not line.startswith("FAILED")]
    assert frames and all(line.startswith(("test_tracebacks_end", "handlers.py")) for line in frames), frames
    result.stdout.fnmatch_lines(["*within 1 s of this clock. No task is open.*", "*KeyError: 'mine'*"])
    full = results(run, "-p", "no:logging", "--full-trace", "-k", "test_a_clock")
    assert any("local/clock.py:" in line for line in full.outlines)


def test_the_marker(run: pytest.Pytester) -> None:
    """A fault profile is at work in the test; without a service it is a mistake."""
    run.makepyfile(MARKED)
    result = results(run)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*taskrouter_faults needs one of the taskrouter fixtures in test_without_a_service*"])


def test_nothing_heavy_is_loaded() -> None:
    """A run of pytest that uses none of it does not import the service, nor what clients need."""
    code = "import sys, twilio_taskrouter_worker.pytest_plugin; print({'aiohttp', 'requests'} & set(sys.modules))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert ended.stdout == "set()\n"
