"""The pytest plugin: fixtures for a local TaskRouter, and a marker for faults; see the page on testing.

It is loaded in every run of pytest where the package is installed, so heavy modules are imported only when a test uses
a fixture.
"""

from __future__ import annotations

import concurrent.futures
import traceback
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .local import Clock, LocalTaskRouter
    from .testing import TestBench
    from .worker import Worker

__all__ = ["taskrouter", "taskrouter_bench", "taskrouter_clock", "taskrouter_worker"]

MARKER = "taskrouter_faults"

_OWN = (str(Path(__file__).parent), str(Path(concurrent.futures.__file__).parent))
"""Folders whose frames say nothing about a test: this package's, and that of the Futures it returns."""

_BENCH = pytest.StashKey["TestBench"]()


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker.

    Args:
        config: The configuration of the run.
    """
    config.addinivalue_line(
        "markers",
        f"{MARKER}(*names): run the test while these things happen to its workers: laptop_sleep, train_tunnel, "
        "token_expires_mid_accept, rate_limited, zombie_socket, evicted",
    )


@pytest.fixture
def taskrouter_bench(request: pytest.FixtureRequest) -> Iterator[TestBench]:
    """Provide a TestBench, with a virtual clock if ``taskrouter_clock`` is used too; its errors fail the test.

    Args:
        request: The test that uses it.

    Yields:
        The bench.

    Raises:
        BaseException: After the test, the exception of a callback that did not reach it.
    """
    from .local import LocalTaskRouter
    from .testing import TestBench

    # Asked before that fixture runs: the service gets its clock when it is made.
    virtual = "taskrouter_clock" in request.fixturenames
    with TestBench(LocalTaskRouter(clock="virtual" if virtual else "real")) as bench:
        request.node.stash[_BENCH] = bench
        yield bench


@pytest.fixture
def taskrouter(taskrouter_bench: TestBench) -> LocalTaskRouter:
    """A running LocalTaskRouter of this test's own."""
    return taskrouter_bench.router


@pytest.fixture
def taskrouter_clock(taskrouter: LocalTaskRouter) -> Clock:
    """The router's clock, which stands still until the test moves it."""
    return taskrouter.clock


@pytest.fixture
def taskrouter_worker(taskrouter_bench: TestBench) -> Worker:
    """A Worker named Alice, available and connected."""
    return taskrouter_bench.worker("Alice")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Apply the marker's faults while the test runs, and raise errors that did not reach it.

    Args:
        item: The test.

    Raises:
        UsageError: The marker is used without a fixture of this plugin.
    """
    __tracebackhide__ = True
    bench = item.stash.get(_BENCH, None)
    names = [name for marker in item.iter_markers(MARKER) for name in marker.args]
    if bench is None:
        if names:
            raise pytest.UsageError(f"{MARKER} needs one of the taskrouter fixtures in {item.name}")
        return (yield)
    from .testing import fault_profile

    with ExitStack() as stack:
        for name in names:
            stack.enter_context(fault_profile(bench.router, name))
        result = yield
    # Here and not at the end of the fixture: the test has failed, and not its clean-up.
    bench.raise_problems()
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add a timeline, the service's events and the state of open tasks to the report of a failed test.

    The frames of this package are left out of its traceback, unless ``--full-trace`` asks for them.

    Args:
        item: The test.
        call: Its phase.

    Returns:
        The report.
    """
    bench = item.stash.get(_BENCH, None)
    if bench is not None and call.excinfo is not None and not item.config.getoption("fulltrace"):
        call.excinfo = _without_own_frames(call.excinfo.value)
    report = yield
    if bench is not None and report.when == "call" and report.failed:
        try:
            report.sections.append(("TaskRouter", bench.report()))
        except Exception as error:
            # The test may have stopped the router; its own failure must come through.
            report.sections.append(("TaskRouter", f"no report: {error}"))
    return report


def _without_own_frames(error: BaseException) -> pytest.ExceptionInfo[BaseException]:
    """Take out of a traceback what lies between the test, or its callback, and the place of the error."""
    entries = traceback.walk_tb(error.__traceback__)
    kept = [(frame, line) for frame, line in entries if not frame.f_code.co_filename.startswith(_OWN)]
    chain = None
    # A chain of its own: pytest cuts tracebacks along the chain, and would find the frames again.
    for frame, line in reversed(kept):
        chain = TracebackType(chain, frame, frame.f_lasti, line)
    return pytest.ExceptionInfo.from_exception(error.with_traceback(chain or error.__traceback__))
