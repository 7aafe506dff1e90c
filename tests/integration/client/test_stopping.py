"""Stopping: what is under way ends with its calls, nothing new begins, and what is given up is said."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.client.event_recorder import EventRecorder
from tests.tools.wait import eventually, no_leftover_threads
from tests.tools.workers import new_worker
from twilio_taskrouter_worker import ClosedError, Reservation, Worker
from twilio_taskrouter_worker.local import LocalTaskRouter

ROOT = Path(__file__).resolve().parents[3]
SOON = 30.0


class Job:
    """A callback that works until it is let go, and then completes its task."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.go_on = threading.Event()
        self.failures: list[BaseException] = []

    def __call__(self, reservation: Reservation) -> None:
        try:
            reservation.accept().result(SOON)
            self.begun.release()
            assert self.go_on.wait(20)
            reservation.task.complete("done").result(SOON)
        except BaseException as error:
            self.failures.append(error)


def statuses(router: LocalTaskRouter) -> list[str]:
    """Statuses of all reservations, in order."""
    return [each.reservation_status for each in router.reservations()]


# -- disconnect() and the end of the with block ----------------------------------------------------------------------


@pytest.mark.parametrize("where", ["dispatch thread", "executor", "both"])
def test_callbacks_end_with_their_calls(router: LocalTaskRouter, alice: str, where: str) -> None:
    """Callbacks on executors are waited for like that on the dispatch thread, and their calls succeed meanwhile."""
    job = Job()
    with no_leftover_threads(), ThreadPoolExecutor(2) as executor:
        worker = new_worker(router, alice)
        if where != "dispatch thread":
            worker.on("reservation_created", job, executor=executor)
        else:
            worker.on("reservation_created", job)
        with worker:
            tasks = [router.create_task() for _ in range(1 if where == "dispatch thread" else 2)]
            for _ in tasks:
                assert job.begun.acquire(timeout=SOON)
            threading.Thread(target=lambda: worker.stopping.wait(SOON) and job.go_on.set(), name="tool-boss").start()
        assert worker.stopping.is_set()
    assert job.failures == []
    assert [router.task(task).reason for task in tasks] == ["done"] * len(tasks)


def test_disconnect_in_a_callback_waits_for_the_others(router: LocalTaskRouter, alice: str) -> None:
    """It returns at once there, and the connection ends when the callbacks on executors have."""
    job = Job()
    gone = threading.Event()
    with no_leftover_threads(), ThreadPoolExecutor(1) as executor:
        worker = new_worker(router, alice)
        worker.on("reservation_created", job, executor=executor)
        worker.on("attributes_updated", lambda worker: worker.disconnect())
        worker.on("disconnected", lambda reason: gone.set())
        worker.connect()
        router.create_task()
        assert job.begun.acquire(timeout=SOON)
        worker.set_attributes({"n": 1}).result(SOON)
        eventually(worker.stopping.is_set)
        assert worker.ready and not gone.is_set()
        job.go_on.set()
        assert gone.wait(SOON)
    assert job.failures == [] and statuses(router) == ["completed"]


def test_a_callback_that_disconnects_may_make_its_calls(router: LocalTaskRouter, alice: str) -> None:
    """As one may that another thread's stop waits for: it takes effect after the callback."""
    job = Job()
    job.go_on.set()
    with no_leftover_threads():
        worker = new_worker(router, alice)

        @worker.on("reservation_created")
        def last(reservation: Reservation) -> None:
            worker.disconnect()
            worker.disconnect()
            assert worker.stopping.is_set()
            job(reservation)

        ended = EventRecorder(worker, "disconnected")
        worker.connect()
        for _ in range(2):
            router.create_task()
        ended.wait_for("disconnected")
        eventually(lambda: not worker.connected)
    assert job.failures == [] and statuses(router).count("completed") == 1


@pytest.mark.parametrize("again", ["start", "update_token"])
def test_a_callback_that_disconnects_and_connects_again(router: LocalTaskRouter, alice: str, again: str) -> None:
    """In one callback, too, the second call is about a new connection."""
    with no_leftover_threads():
        worker = new_worker(router, alice)
        stopped: list[threading.Event] = []

        @worker.once("attributes_updated")
        def restart(each: Worker) -> None:
            stopped.append(worker.stopping)
            worker.disconnect()
            if again == "start":
                worker.start()
            else:
                worker.update_token(router.token(alice))

        heard = EventRecorder(worker, "ready", "disconnected")
        worker.connect()
        worker.set_attributes({"n": 1}).result(SOON)
        eventually(lambda: heard.names() == ["ready", "disconnected", "ready"])
        assert worker.ready and stopped[0].is_set() and not worker.stopping.is_set()
        worker.disconnect()


def test_disconnect_in_the_work_itself(router: LocalTaskRouter, alice: str) -> None:
    """A callback on an executor, or a handler, that disconnects does not wait for itself, nor do two for each other."""
    both = threading.Barrier(2)
    with no_leftover_threads(), ThreadPoolExecutor(2) as executor:
        worker = new_worker(router, alice)

        @worker.on("reservation_created", executor=executor)
        def leave(reservation: Reservation) -> None:
            both.wait(SOON)
            worker.disconnect(60)

        worker.connect()
        for _ in range(2):
            router.create_task()
        eventually(lambda: not worker.connected)


def test_abandoned_work_is_logged(router: LocalTaskRouter, alice: str, caplog: pytest.LogCaptureFixture) -> None:
    """A WARNING has the sids; calls fail with ClosedError from then on."""
    job = Job()
    with ThreadPoolExecutor(1) as executor:
        worker = new_worker(router, alice)
        worker.on("reservation_created", job, executor=executor)
        worker.connect()
        task = router.create_task()
        assert job.begun.acquire(timeout=SOON)
        (reservation,) = worker.reservations
        worker.disconnect(0.1)
        job.go_on.set()
    (record,) = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert record.getMessage() == (
        f"Worker {alice}: gave up the callback of 'reservation_created' for reservation {reservation} of task {task}: "
        "it had not ended within 0.1 s"
    )
    assert (record.reservation_sid, record.task_sid) == (reservation, task)  # type: ignore[attr-defined]
    assert [type(each) for each in job.failures] == [ClosedError]


def test_nothing_new_is_announced_while_it_stops(router: LocalTaskRouter, alice: str) -> None:
    """What is offered meanwhile stays pending, and is announced when the worker connects again."""
    job = Job()
    heard: list[str] = []
    with ThreadPoolExecutor(1) as executor:
        worker = new_worker(router, alice)
        worker.once("reservation_created", job, executor=executor)
        worker.connect()
        router.create_task()
        assert job.begun.acquire(timeout=SOON)
        worker.on("reservation_created", lambda reservation: heard.append(reservation.task.sid))
        leaver = threading.Thread(target=worker.disconnect, name="tool-leaver")
        leaver.start()
        eventually(worker.stopping.is_set)
        second = router.create_task()
        eventually(lambda: len(worker.reservations) == 2)
        job.go_on.set()
        leaver.join(SOON)
        assert heard == [] and statuses(router) == ["completed", "pending"]
        with worker:
            assert not worker.stopping.is_set()
            eventually(lambda: heard == [second])


def test_a_handler_is_told_to_stop(router: LocalTaskRouter, alice: str) -> None:
    """``stopping`` lets it end early; the next connection has an event of its own."""
    worker = new_worker(router, alice)
    begun = threading.Event()

    @worker.serve
    def handle(reservation: Reservation) -> str:
        begun.set()
        return "asked to stop" if worker.stopping.wait(SOON) else "not asked"

    with worker:
        task = router.create_task()
        assert begun.wait(SOON)
    assert router.task(task).reason == "asked to stop"
    before = worker.stopping
    with worker:
        assert worker.stopping is not before and not worker.stopping.is_set()


# -- drain() ---------------------------------------------------------------------------------------------------------


def test_draining(router: LocalTaskRouter, alice: str) -> None:
    """The worker takes the activity, what runs ends, what was not begun is rejected, and then it is disconnected."""
    worker = new_worker(router, alice)
    begun, go_on = threading.Event(), threading.Event()

    @worker.serve
    def handle(reservation: Reservation) -> str:
        begun.set()
        assert go_on.wait(SOON)
        return "finished"

    with no_leftover_threads():
        worker.connect()
        tasks = [router.create_task() for _ in range(3)]
        assert begun.wait(SOON)
        eventually(lambda: len(worker.reservations) == 3)
        threading.Thread(
            target=lambda: eventually(lambda: statuses(router).count("rejected") == 2) and go_on.set(), name="tool-boss"
        ).start()
        assert worker.drain(SOON, activity="Offline") is True
        assert not worker.connected and worker.activity_name == "Offline"
    assert [router.task(task).assignment_status for task in tasks] == ["completed", "pending", "pending"]


def test_draining_while_another_thread_disconnects(
    router: LocalTaskRouter, alice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing can be rejected any more; the drain ends all the same."""
    worker = new_worker(router, alice)

    def closed(reservation: Reservation) -> None:
        raise ClosedError("The worker was disconnected")

    worker.connect()
    begun, go_on = threading.Event(), threading.Event()

    @worker.serve
    def handle(reservation: Reservation) -> str:
        begun.set()
        assert go_on.wait(SOON)
        return "finished"

    for _ in range(2):
        router.create_task()
    assert begun.wait(SOON)
    eventually(lambda: len(worker.reservations) == 2)
    monkeypatch.setattr(Reservation, "reject", closed)
    threading.Thread(target=lambda: worker.stopping.wait(SOON) and go_on.set(), name="tool-boss").start()
    assert worker.drain(SOON, activity="Offline") is True


def test_draining_finishes_accepted_reservations(router: LocalTaskRouter, alice: str) -> None:
    """What an earlier run had accepted is finished, also where it still waits for its turn."""
    with new_worker(router, alice) as before:
        tasks = [router.create_task() for _ in range(3)]
        eventually(lambda: len(before.reservations) == 3)
        for reservation in before.reservations.values():
            reservation.accept().result(SOON)
    worker = new_worker(router, alice)
    begun, go_on = threading.Event(), threading.Event()

    @worker.serve
    def handle(reservation: Reservation) -> str:
        begun.set()
        assert go_on.wait(SOON)
        return "finished"

    worker.connect()
    assert begun.wait(SOON)
    threading.Thread(target=lambda: worker.stopping.wait(SOON) and go_on.set(), name="tool-boss").start()
    assert worker.drain() is True
    assert [router.task(task).reason for task in tasks] == ["finished"] * 3


def test_draining_for_too_long(router: LocalTaskRouter, alice: str) -> None:
    """What has not ended in time is given up, and drain() says so."""
    worker = new_worker(router, alice)
    begun, go_on = threading.Event(), threading.Event()

    @worker.serve
    def handle(reservation: Reservation) -> None:
        begun.set()
        go_on.wait(SOON)

    worker.connect()
    router.create_task()
    assert begun.wait(SOON)
    assert worker.drain(0.1) is False
    go_on.set()


def test_draining_to_an_activity_that_is_not_there(router: LocalTaskRouter, alice: str) -> None:
    """Nothing changes, and the names are said."""
    with new_worker(router, alice) as worker:
        with pytest.raises(ValueError, match="activity: there is no activity 'Of'; .*there are 'Offline', 'Available'"):
            worker.drain(activity="Of")
        with pytest.raises(TypeError, match="activity must be an activity's name or sid, or an Activity, not int"):
            worker.drain(activity=1)  # type: ignore[arg-type]
        assert worker.ready and not worker.stopping.is_set()
    assert worker.drain(30) is True


# -- run_forever() ---------------------------------------------------------------------------------------------------

PROGRAM = """
import logging, sys, threading
from concurrent.futures import ThreadPoolExecutor
from twilio_taskrouter_worker import Worker

logging.basicConfig(level=logging.WARNING)
token, server = sys.argv[1:]
worker = Worker(token, eb_server=server)

@worker.on("ready")
def ready(worker):
    print("ready", flush=True)

def work(reservation):
    reservation.accept().result(30)
    print("working", flush=True)
    {work}
    reservation.task.complete("done").result(30)

worker.on("reservation_created", work, executor=ThreadPoolExecutor(2))
worker.run_forever({options})
"""


def program(
    router: LocalTaskRouter, worker: str, *, work: str, options: str = "", ttl: int = 3600
) -> subprocess.Popen[str]:
    """Start a program whose worker works in an executor."""
    return subprocess.Popen(
        [
            *(sys.executable, "-c", PROGRAM.format(work=work, options=options)),
            *(router.token(worker), router.connection["eb_server"]),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def said(process: subprocess.Popen[str], line: str) -> None:
    """Wait for a line of the program."""
    assert process.stdout is not None
    assert process.stdout.readline() == f"{line}\n"


def test_a_signal_waits_for_executors(router: LocalTaskRouter, alice: str) -> None:
    """The callback on an executor completes its task after SIGTERM, in the drain activity; exit code 0."""
    with program(router, alice, work="assert worker.stopping.wait(20)", options="drain_activity='Offline'") as process:
        said(process, "ready")
        task = router.create_task()
        said(process, "working")
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert router.task(task).reason == "done"
    assert router.worker(alice).activity_name == "Offline"


def test_a_program_that_gives_work_up_fails(router: LocalTaskRouter, alice: str) -> None:
    """After the grace: a WARNING with the sids, GaveUpError, exit code 1."""
    with program(router, alice, work="threading.Event().wait(10)", options="grace=0.2") as process:
        said(process, "ready")
        task = router.create_task()
        said(process, "working")
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    (reservation,) = router.reservations()
    assert f"gave up the callback of 'reservation_created' for reservation {reservation.sid} of task {task}" in err
    assert "GaveUpError: The worker was disconnected while work was under way" in err


def test_a_drain_activity_that_is_not_there(router: LocalTaskRouter, alice: str) -> None:
    """It is an error when the worker is first ready, not when it is needed."""
    worker = new_worker(router, alice)
    with no_leftover_threads(), pytest.raises(ValueError, match="drain_activity: there is no activity 'Ofline'"):
        worker.run_forever(drain_activity="Ofline")


@pytest.mark.parametrize("grace", [-1, None, float("nan")])
def test_a_grace_is_a_number_of_seconds(grace: float) -> None:
    """Anything else is refused before it connects."""
    with pytest.raises(ValueError, match="grace must be a number of seconds"):
        Worker("a.plain.token").run_forever(grace=grace)
