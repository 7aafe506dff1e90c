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

def test_itself(taskrouter):
    taskrouter.create_task()
    assert False, "mine"
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
def run(pytester: pytest.Pytester) -> pytest.Pytester:
    """A folder to run pytest in, in processes of their own, as users do."""
    pytester.makeini("[pytest]\naddopts = --strict-markers -p no:cacheprovider\n")
    return pytester


def results(pytester: pytest.Pytester, *options: str) -> pytest.RunResult:
    """Run pytest with the plugin, whether or not the package is installed and pytest finds it by itself."""
    return pytester.runpytest_subprocess(
        "-p", "no:taskrouter", "-p", "twilio_taskrouter_worker.pytest_plugin", *options
    )


def test_the_fixtures(run: pytest.Pytester) -> None:
    """A service per test, a connected worker, and a clock that stands still."""
    run.makepyfile(PASSES)
    results(run).assert_outcomes(passed=2)


def test_side_by_side(run: pytest.Pytester) -> None:
    """Tests may run in several processes: each has ports of its own."""
    run.makepyfile(PASSES)
    results(run, "-n", "2").assert_outcomes(passed=2)


def test_what_fails_unseen_fails_the_test(run: pytest.Pytester) -> None:
    """An assertion in a callback fails its test, and the report has the events and the open tasks."""
    run.makepyfile(FAILS)
    result = results(run)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*wrong language*"])
    result.stdout.fnmatch_lines(["*TaskRouter*", "Events:", "*task.created*"])


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
