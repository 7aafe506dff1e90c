"""A worker's place in its process: forks, the interpreter's end, signals, and many workers at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.integration.client.event_recorder import TOKEN, EventRecorder, new_worker
from tests.integration.client.watchdog import run_all
from tests.oracle.bridge import RecordingBridge
from tests.tools.answers import Hang
from tests.tools.wait import eventually, no_leftover_sockets, no_leftover_threads
from twilio_taskrouter_worker import DispatchThreadError, TokenError, Worker

QUICK = 3.0
"""Seconds within which an interpreter should end; less than any wait that could hold it."""

PREAMBLE = """
import os, signal, sys, threading, time
from twilio_taskrouter_worker import *
server = sys.argv[1]

def new_worker(**options):
    return Worker("a.plain.token", eb_server=server, **options)

def in_child(work, process=os.fork):
    pid = os.fork()
    if pid == 0:
        code = 99
        try:
            signal.alarm(60)
            code = work() or 0
        except BaseException as error:
            print("child:", type(error).__name__, error, flush=True)
        finally:
            sys.stdout.flush()
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, os.waitstatus_to_exitcode(status)

def in_child_of_a_holder(lock, work, seconds=60):
    held, forked = threading.Event(), threading.Event()

    def hold():
        with lock:
            held.set()
            forked.wait(seconds)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    in_child(work)
    forked.set()
    holder.join()
"""


def run(bridge: RecordingBridge, script: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """Run a script in a process of its own and return how it ended."""
    return subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", PREAMBLE + script, bridge.eb_server],
        capture_output=True, text=True, timeout=timeout, env={**os.environ, "PYTHONPATH": os.getcwd()},
    )  # fmt: skip


@contextmanager
def running(bridge: RecordingBridge, script: str) -> Iterator[subprocess.Popen[str]]:
    """Start a script, and end it at the latest with the block."""
    process = subprocess.Popen(
        [sys.executable, "-c", PREAMBLE + script, bridge.eb_server],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": os.getcwd()},
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=60)


def succeeded(done: subprocess.CompletedProcess[str]) -> str:
    """What a script printed that ended well and said nothing on standard error."""
    assert (done.returncode, done.stderr) == (0, ""), f"{done.stdout}\n{done.stderr}"
    return done.stdout


# -- forks -----------------------------------------------------------------------------------------------------------


def test_a_connected_worker_is_refused_in_a_forked_child_and_goes_on_in_the_parent(bridge: RecordingBridge) -> None:
    """Every use in the child raises ForkedProcessError that says what to do; the parent notices nothing."""
    bridge.add_reservation()
    script = """
worker = new_worker()
worker.connect(30)
reservation = next(iter(worker.reservations.values()))
activity, channel = worker.activity, next(iter(worker.channels.values()))

def child():
    assert not worker.connected and not worker.ready
    uses = {
        "connect": lambda: worker.connect(1),
        "start": worker.start,
        "disconnect": worker.disconnect,
        "run_forever": worker.run_forever,
        "update_token": lambda: worker.update_token("b.c.d"),
        "fetch": worker.fetch_latest_version,
        "set_attributes": lambda: worker.set_attributes({}),
        "accept": reservation.accept,
        "complete": lambda: reservation.task.complete("done"),
        "activity": activity.set_as_current,
        "lag": lambda: worker.lag,
        "backlog": lambda: worker.backlog,
        "attributes": lambda: worker.attributes,
        "current activity": lambda: worker.activity,
        "is_current": lambda: activity.is_current,
        "to_dict": worker.to_dict,
        "status": lambda: reservation.status,
        "priority": lambda: reservation.task.priority,
        "name": lambda: activity.name,
        "capacity": lambda: channel.capacity,
        "len": lambda: len(worker.reservations),
        "loop": lambda: list(worker.reservations),
        "values": worker.reservations.values,
        "get": lambda: worker.reservations.get(reservation.sid),
        "in": lambda: reservation.sid in worker.reservations,
        "by_name": lambda: worker.activities.by_name("Available"),
        "wait_for": lambda: worker.wait_for("ready", 5),
        "stream": lambda: worker.stream("ready"),
        "wait_for_accepted": lambda: reservation.wait_for("accepted", 5),
    }
    for name, use in uses.items():
        try:
            use()
        except ForkedProcessError as error:
            assert "after the fork" in str(error) and str(os.getpid()) in str(error), error
        else:
            raise AssertionError(name)
    for shown in (worker, reservation, reservation.task, activity, channel, worker.reservations, worker.channels):
        assert "process" in repr(shown), repr(shown)
    # A sid cannot be out of date.
    assert worker.sid and reservation.sid and reservation.task.sid and {reservation}

in_child(child)
assert worker.ready
assert reservation.accept().result(30).status == "accepted"
worker.disconnect()
print("parent went on")
"""
    assert "parent went on" in succeeded(run(bridge, script))
    assert len(bridge.connections) == 1
    closed = bridge.wait_for_close()
    assert (closed.close_code, closed.closed_by) == (1005, "client")


def test_a_worker_made_before_the_fork_connects_in_the_child(bridge: RecordingBridge) -> None:
    """As with gunicorn's --preload: made in the parent, connected in each child, side by side with the parent's."""
    script = """
worker = new_worker()
other = new_worker()
other.connect(30)

def child():
    worker.connect(30)
    assert worker.ready and worker.fetch_latest_version().result(30) is worker
    worker.disconnect()
    fresh = new_worker()
    with fresh:
        assert fresh.ready
    assert [each.name for each in threading.enumerate()] == ["MainThread"], threading.enumerate()

in_child(child)
in_child(child)
assert other.ready and other.fetch_latest_version().result(30) is other
worker.connect(30)
worker.disconnect()
other.disconnect()
"""
    succeeded(run(bridge, script))
    assert len(bridge.connections) == 6


def test_a_fork_while_another_thread_listens(bridge: RecordingBridge) -> None:
    """The lock of all listener tables is not inherited as held by a thread that the child does not have."""
    script = """
from twilio_taskrouter_worker.events import registration

def child():
    new_worker().on("ready", print)

# A fork waits for this lock itself, so that it is to be released while nobody has forked.
in_child_of_a_holder(registration, child, seconds=0.3)
"""
    succeeded(run(bridge, script))


def test_a_fork_while_another_thread_replaces_a_record(bridge: RecordingBridge) -> None:
    """The lock of a worker's records is not inherited as held: calls that take it are refused, and do not hang."""
    bridge.add_reservation()
    script = """
worker = new_worker()
worker.connect(30)
reservation = next(iter(worker.reservations.values()))

def child():
    for use in (reservation.accept, lambda: reservation.task.transfer("WK1", mode="WARM")):
        try:
            use()
        except ForkedProcessError:
            continue
        raise AssertionError(use)

in_child_of_a_holder(worker._state.lock, child)
worker.disconnect()
"""
    succeeded(run(bridge, script))


def test_a_fork_while_another_thread_logs(bridge: RecordingBridge) -> None:
    """The lock of the lines that are summed up is not inherited as held: a worker of the child logs its failures."""
    script = """
from twilio_taskrouter_worker import _log

def child():
    raised, worker = threading.Event(), new_worker()

    @worker.on("ready")
    def fail(worker):
        raised.set()
        raise ValueError("of the test")

    with worker:
        assert raised.wait(20)

in_child_of_a_holder(_log._REPEATS._lock, child)
"""
    done = run(bridge, script)
    assert done.returncode == 0 and done.stderr.count("ValueError: of the test") == 1, done


def test_a_fork_in_the_midst_of_calls(bridge: RecordingBridge) -> None:
    """Locks and pooled connections that were in use while forking do not reach the child."""
    script = """
workspace = Workspace("a.b.c", "WS0eff317b7980fdf60561d4668aa02c69", eb_server=server)
worker = new_worker()
worker.connect(30)
stop = threading.Event()

def busy():
    while not stop.is_set():
        worker.fetch_latest_version().result(30)

busies = [threading.Thread(target=busy) for _ in range(4)]
for each in busies:
    each.start()

def child():
    fresh = new_worker()
    fresh.on("ready", lambda worker: None)
    with fresh:
        fresh.fetch_latest_version().result(30)
    assert workspace.fetch_worker_info(worker.sid).result(30).sid == worker.sid

for _ in range(10):
    in_child(child)
stop.set()
for each in busies:
    each.join()
worker.disconnect()
"""
    succeeded(run(bridge, script))


def test_multiprocessing_fork(bridge: RecordingBridge) -> None:
    """A Process of multiprocessing, method fork: connect in it; its end is quiet, with the worker still connected."""
    script = """
import multiprocessing
worker = new_worker()
worker.connect(30)

def child(queue):
    fresh = new_worker()
    fresh.connect(30)
    queue.put(fresh.ready)

context = multiprocessing.get_context("fork")
queue = context.Queue()
process = context.Process(target=child, args=(queue,))
process.start()
assert queue.get(timeout=20) is True
process.join(20)
assert process.exitcode == 0
assert worker.ready
worker.disconnect()
"""
    succeeded(run(bridge, script))


# -- the interpreter's end -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "situation",
    [
        "",
        "bridge_add()",
        "worker.on('ready', lambda worker: blocked.wait()); worker.disconnect(); worker.start(); in_callback.wait(30)",
        "worker.set_attributes({'hang': 1})",
        "worker.set_attributes({'hang': 1}).add_done_callback(lambda future: print(future))",
        "threading.Thread(target=lambda: worker.wait_for('ready'), daemon=True).start()",
        "stream = worker.stream('ready')",
        "[new_worker().start() for _ in range(5)]",
    ],
    ids=["idle", "event", "blocked callback", "call", "call with callback", "wait", "stream", "connecting"],
)
def test_the_interpreter_ends_silently_and_at_once(bridge: RecordingBridge, situation: str) -> None:
    """A live worker does not hold the interpreter, whatever it is doing, and says nothing at its end."""
    bridge.on_call(r"Workers/\w+$", Hang(), method="POST")
    script = f"""
blocked, in_callback = threading.Event(), threading.Event()
worker = new_worker()
worker.connect(30)

def bridge_add():
    worker.on("token_updated", lambda: in_callback.set() or blocked.wait())
    worker.update_token("b.c.d")
    in_callback.wait(30)

worker.on("ready", lambda worker: in_callback.set())
{situation}
print(time.monotonic(), flush=True)
"""

    def seconds_to_end() -> float:
        done = run(bridge, script)
        return time.monotonic() - float(succeeded(done).strip().splitlines()[-1])

    # A busy machine may stop one interpreter for that long, and not three in a row.
    assert any(seconds_to_end() < QUICK for _ in range(3))


def test_an_exception_in_the_main_thread_ends_the_interpreter(bridge: RecordingBridge) -> None:
    """A script that dies with a connected worker dies at once, with its own traceback only."""
    done = run(bridge, "worker = new_worker()\nworker.connect(30)\nraise SystemExit(7)\n")
    assert (done.returncode, done.stderr) == (7, "")


# -- run_forever -----------------------------------------------------------------------------------------------------

FOREVER = """
worker = new_worker()
worker.on("ready", lambda worker: print("ready", flush=True))
worker.on("disconnected", lambda reason: print("disconnected:", reason, flush=True))
before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
worker.run_forever()
assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
print("returned", [each.name for each in threading.enumerate()], flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_run_forever_gracefully(bridge: RecordingBridge, number: signal.Signals) -> None:
    """SIGTERM and SIGINT: a polite close, ``disconnected``, no thread, the old handlers back, exit code 0."""
    with running(bridge, FOREVER) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert out.splitlines() == ["disconnected: SDK Disconnect", "returned ['MainThread']"]
    assert bridge.wait_for_close().close_code == 1005


def test_a_signal_lets_the_running_callback_finish(bridge: RecordingBridge) -> None:
    """The callback that runs when the signal comes is not cut off."""
    script = """
worker = new_worker()

@worker.on("ready")
def work(worker):
    print("working", flush=True)
    sys.stdin.readline()
    assert worker.fetch_latest_version().result(30) is worker
    print("finished", flush=True)

worker.run_forever()
print("returned", flush=True)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", PREAMBLE + script, bridge.eb_server], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": os.getcwd()},
    )  # fmt: skip
    try:
        assert process.stdout is not None and process.stdout.readline() == "working\n"
        process.send_signal(signal.SIGTERM)
        # Without its line the callback would block: the process is still there, and connected.
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        assert bridge.wait_for_connection().is_open
        out, err = process.communicate("go on\n", timeout=60)
    finally:
        process.kill()
    assert (process.returncode, err) == (0, "") and out.splitlines() == ["finished", "returned"]


def test_a_second_signal_does_not_wait_for_a_callback(bridge: RecordingBridge) -> None:
    """A callback that never ends cannot hold a process that is told twice to stop."""
    script = """
worker = new_worker()

@worker.on("ready")
def work(worker):
    threading.Thread(target=lambda: worker.stopping.wait() and print("stopping", flush=True), daemon=True).start()
    print("working", flush=True)
    threading.Event().wait()

try:
    worker.run_forever(grace=120.0)
except GaveUpError as error:
    print("returned:", error, flush=True)
"""
    with running(bridge, script) as process:
        assert process.stdout is not None and process.stdout.readline() == "working\n"
        process.send_signal(signal.SIGTERM)
        # Two signals that come before the first one is handled are one.
        assert process.stdout.readline() == "stopping\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.3)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "gave up the callback of 'ready'" in err
    assert out == "returned: The worker was disconnected while work was under way: the callback of 'ready'\n"


def test_a_signal_while_nothing_answers(bridge: RecordingBridge) -> None:
    """A signal also ends a run_forever that is still trying to connect."""
    bridge.hang_handshake()
    with running(bridge, FOREVER) as process:
        bridge.wait_for_refusal()
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "") and "returned ['MainThread']" in out


def test_run_forever_returns_when_disconnected(bridge: RecordingBridge) -> None:
    """disconnect() in a callback, or on another thread, ends it, outside the main thread, too."""
    worker = new_worker(bridge)
    worker.on("ready", lambda worker: worker.disconnect())
    with no_leftover_threads():
        run_all([worker.run_forever])
        worker.off("ready")
        connected = EventRecorder(worker, "ready")
        run_all([worker.run_forever, lambda: (connected.wait_for("ready"), worker.disconnect())])


def test_run_forever_raises_the_error_that_ended_it(bridge: RecordingBridge) -> None:
    """A refused token is not waited out: run_forever raises it."""
    bridge.refuse_handshake(401)
    with no_leftover_threads(), pytest.raises(TokenError, match="refused the token"):
        run_all([new_worker(bridge).run_forever])


def test_run_forever_waits_for_a_service_that_is_away(bridge: RecordingBridge) -> None:
    """What may pass is retried without limit."""
    bridge.refuse_handshake(503, times=1)
    worker = new_worker(bridge)
    recorder = EventRecorder(worker)
    run_all([worker.run_forever, lambda: (recorder.wait_for("ready"), worker.disconnect())])
    assert len(recorder.all("error")) == 1


def test_run_forever_in_a_callback_is_refused(bridge: RecordingBridge) -> None:
    """It could never return there."""
    refused: list[BaseException] = []
    worker = new_worker(bridge)

    @worker.on("ready")
    def misuse(worker: Worker) -> None:
        try:
            worker.run_forever()
        except DispatchThreadError as error:
            refused.append(error)

    with worker:
        eventually(lambda: refused)


# -- many workers ----------------------------------------------------------------------------------------------------


def test_three_hundred_workers_in_one_process(timings: Callable[..., None]) -> None:
    """Two threads for each, besides the shared ones; each hears its events; all is gone after disconnecting them."""
    count = 300
    # One that is not answered in time connects again, and three hundred at once may wait for the processor.
    timings(handshake=60.0, silence=600.0)
    with RecordingBridge() as bridge:
        with no_leftover_sockets(), no_leftover_threads():
            earlier = set(threading.enumerate())
            before = len(earlier)
            workers = [new_worker(bridge, request_timeout=60.0) for _ in range(count)]
            recorder = [EventRecorder(worker, "reservation_created") for worker in workers]
            for future in [worker.start() for worker in workers]:
                assert future.result(100).ready
            own = [each.name for each in threading.enumerate() if each not in earlier]
            assert sum(name.startswith("taskrouter-worker-") for name in own) == 2 * count
            assert threading.active_count() - before <= 2 * count + 100 + 1
            made = bridge.add_reservation(announce=True)
            assert {each.wait_for("reservation_created").sid for each in recorder} == {made["sid"]}
            run_all([lambda part=part: [each.disconnect() for each in workers[part::10]] for part in range(10)])  # type: ignore[misc]
        assert len(bridge.connections) == count


def test_threads_are_named_and_daemonic(bridge: RecordingBridge) -> None:
    """A stack dump tells whose threads these are, and none holds the interpreter."""
    before = set(threading.enumerate())
    with Worker(TOKEN, eb_server=bridge.eb_server) as worker:
        worker.fetch_latest_version().result(30)
        ours = [each for each in threading.enumerate() if each not in before]
        assert all(each.daemon for each in ours)
        names = {each.name for each in ours}
        assert {f"taskrouter-worker-{worker.sid}-recv", f"taskrouter-worker-{worker.sid}-dispatch"} <= names
        rest = names - {f"taskrouter-worker-{worker.sid}-recv", f"taskrouter-worker-{worker.sid}-dispatch"}
        assert all(name.startswith(("taskrouter-rest-", "taskrouter-timers")) for name in rest)
