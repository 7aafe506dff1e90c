"""Calls that nobody waits for, from several threads, while answers are lost and refused: they take effect in order.

    python -m tests.chaos.order                         (ten thousand rounds, some ten minutes; exit code 1 on a fault)
    python -m tests.chaos.order --rounds 500 --seed 7   (the same disturbances, as far as a machine allows)

Each thread has a worker, and all share another one. A round is: three changes of the shared worker's attributes,
numbered across all threads, and the whole life of a task: accept, attributes, wrap up, complete. No call is waited for
before the next one is made. Meanwhile connections are reset, and the service answers late, or 429 and 503. Checked are:

- the numbers that the shared worker's events show rise, but for calls that got no answer, and none of a call that
  succeeded is missing;
- in a task's life no call is refused unless an earlier one of it got no answer;
- a task that was completed has the attributes that were set before.
"""

from __future__ import annotations

import argparse
import itertools
import queue
import random
import sys
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from typing import Any

import attrs

from tests.oracle.relay import Relay
from tests.tools.wait import eventually
from twilio_taskrouter_worker import NetworkError, RequestRejectedError, Reservation, TaskRouterError, Worker
from twilio_taskrouter_worker.local import LocalTaskRouter

THREADS = 4
ANSWER_SECONDS = 60.0
CALLS_OF_A_ROUND = 3


@attrs.define
class Report:
    """What was done, and what was wrong."""

    rounds: int = 0
    calls: int = 0
    lost: int = 0
    """Calls that got no answer."""
    resets: int = 0
    refusals: int = 0
    faults: list[str] = attrs.field(factory=list)
    seconds: float = 0.0

    def __str__(self) -> str:
        lines = [
            f"{self.rounds} rounds, {self.calls} calls in {self.seconds:.0f} s; all connections reset {self.resets} "
            f"times, {self.refusals} times 429, 503 or delays; {self.lost} calls got no answer",
            *self.faults[:20],
            f"{len(self.faults)} faults",
        ]
        return "\n".join(lines)


class Shared:
    """The worker that all threads change, and the numbers that its events show.

    They are heard by another client of the same worker: the one that makes the calls also knows the answers, which
    come before or after the events.
    """

    def __init__(self, worker: Worker, observer: Worker) -> None:
        self.worker = worker
        self.observer = observer
        self._numbers = itertools.count(1)
        # Numbering and calling is one step, or the order of the calls would not be that of the numbers.
        self._lock = threading.Lock()
        self.shown: list[int] = []
        observer.on("attributes_updated", lambda changed: self.shown.append(changed.attributes["n"]))

    def change(self) -> tuple[int, Future[Worker]]:
        with self._lock:
            number = next(self._numbers)
            return number, self.worker.set_attributes({"n": number})


class Lives:
    """One thread's worker, and the lives of its tasks."""

    def __init__(self, router: LocalTaskRouter, workflow: str, name: str, worker: Worker) -> None:
        self.router = router
        self.workflow = workflow
        self.name = name
        self.worker = worker
        self.offered: queue.Queue[Reservation] = queue.Queue()
        worker.on("reservation_created", self.offered.put)

    def one(self, number: int, report: Report) -> None:
        """A task from its offer to its end, none of the calls waited for."""
        sid = self.router.create_task({"for": self.name, "round": -1}, workflow=self.workflow, timeout=600)
        reservation = self.offered.get(timeout=ANSWER_SECONDS)
        task = reservation.task
        futures: list[tuple[str, Future[Any]]] = [
            ("accept", reservation.accept()),
            ("set_attributes", task.set_attributes({"for": self.name, "round": number})),
            ("wrap_up", task.wrap_up()),
            ("complete", task.complete("done")),
        ]
        errors = {name: future.exception(ANSWER_SECONDS) for name, future in futures}
        lost = False
        for name, error in errors.items():
            report.calls += 1
            if isinstance(error, NetworkError):
                lost = True
                report.lost += 1
            elif isinstance(error, RequestRejectedError) and not lost:
                report.faults.append(f"round {number}: {name} was refused: {error}")
            elif error is not None and not isinstance(error, RequestRejectedError):
                report.faults.append(f"round {number}: {name}: {type(error).__name__}: {error}")
        if errors["complete"] is None and errors["set_attributes"] is None:
            found = self.router.task(sid).attributes
            if f'"round":{number}' not in str(found).replace(" ", ""):
                report.faults.append(f"round {number}: completed with the attributes {found}")
        if errors["complete"] is not None:
            eventually(lambda: self._ended(sid), ANSWER_SECONDS)

    def _ended(self, sid: str) -> bool:
        """End a task, whatever its calls that got no answer did or are still doing."""
        for end in (self.router.complete_task, self.router.cancel_task):
            with suppress(TaskRouterError):
                end(sid)
        try:
            return self.router.task(sid).assignment_status in ("completed", "canceled")
        except TaskRouterError:
            return True


class Disturber:
    """Resets connections and has the service refuse and delay, until it is left."""

    def __init__(self, router: LocalTaskRouter, relay: Relay, report: Report, seed: int) -> None:
        self._router, self._relay, self._report = router, relay, report
        self._random = random.Random(seed)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tool-disturber", daemon=True)

    def __enter__(self) -> Disturber:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._over.set()
        self._thread.join()
        self._router.faults.clear()

    def _run(self) -> None:
        faults, chance = self._router.faults, self._random
        kinds = [0, *chance.sample(range(1, 5), 4)]
        for number in itertools.count():
            if self._over.wait(chance.uniform(0.02, 0.15)):
                return
            # Each kind comes as often as the others, and a reset comes first.
            kind = kinds[number % len(kinds)]
            if kind == 0:
                self._report.resets += 1
                with suppress(TimeoutError):
                    self._relay.abort_all()
                continue
            self._report.refusals += 1
            faults.clear()
            times = chance.randint(1, 3)
            if kind == 1:
                faults.http_status(503, retry_after=0, times=times, route="POST Workers/*")
            elif kind == 2:
                faults.http_status(503, retry_after=0, times=times, route="POST Tasks/*")
            elif kind == 3:
                faults.rate_limit(0, times=times)
            else:
                faults.http_latency(chance.uniform(0.0, 0.05), times=times * 3)


def run(rounds: int, seed: int = 0) -> Report:
    """Make so many rounds; returns what was found."""
    report = Report()
    begun = time.monotonic()
    with LocalTaskRouter() as router, Relay("127.0.0.1", int(router.url.rsplit(":", 1)[1])) as relay:
        options: dict[str, Any] = {
            **router.connection,
            "eb_server": relay.url("http"),
            "request_timeout": ANSWER_SECONDS,
        }
        names = [f"Worker {number}" for number in range(THREADS)]
        sids = {name: router.add_worker(name, attributes={"name": name}, activity="Available") for name in names}
        filters = [
            {
                "expression": f'for == "{name}"',
                "targets": [{"queue": router.add_queue(f"For {name}", target_workers=f'name == "{name}"')}],
            }
            for name in names
        ]
        workflow = router.add_workflow("By name", {"task_routing": {"filters": filters}})
        shared_sid = router.add_worker("Shared", attributes={"n": 0})
        shared = Shared(
            Worker(router.token(shared_sid), **options), Worker(router.token(shared_sid), **router.connection)
        )
        lives = [Lives(router, workflow, name, Worker(router.token(sids[name]), **options)) for name in names]
        for worker in (shared.observer, shared.worker, *(each.worker for each in lives)):
            worker.connect()
        numbers = iter(range(rounds))
        changes: list[tuple[int, Future[Worker]]] = []
        # Guards the numbers, the changes and the report.
        lock = threading.Lock()

        def work(life: Lives) -> None:
            own = Report()
            while True:
                with lock:
                    number = next(numbers, None)
                if number is None:
                    break
                made = [shared.change() for _ in range(CALLS_OF_A_ROUND)]
                life.one(number, own)
                # Or the line of the shared worker would grow without end: it is longer than those of the tasks.
                made[-1][1].exception(ANSWER_SECONDS * 2)
                with lock:
                    changes.extend(made)
                own.rounds += 1
            with lock:
                report.rounds += own.rounds
                report.calls += own.calls
                report.lost += own.lost
                report.faults += own.faults

        with Disturber(router, relay, report, seed):
            threads = [threading.Thread(target=work, args=(life,), name=f"tool-{life.name}") for life in lives]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            for _, future in changes:
                future.exception(ANSWER_SECONDS)
        _check_numbers(shared, changes, report)
        for worker in (shared.observer, shared.worker, *(each.worker for each in lives)):
            worker.disconnect()
    report.seconds = time.monotonic() - begun
    return report


def _check_numbers(shared: Shared, changes: list[tuple[int, Future[Worker]]], report: Report) -> None:
    done = [number for number, future in changes if future.exception() is None]
    report.calls += len(changes)
    lost = {number for number, future in changes if isinstance(future.exception(), NetworkError)}
    report.lost += len(lost)
    report.faults += [
        f"change {number}: {future.exception()}"
        for number, future in changes
        if not isinstance(future.exception(), (NetworkError, type(None)))
    ]
    deadline = time.monotonic() + ANSWER_SECONDS
    while done and (not shared.shown or shared.shown[-1] < max(done)) and time.monotonic() < deadline:
        threading.Event().wait(0.01)
    # The service may still have a request whose connection was reset, and do it at any time, or not.
    certain = [number for number in shared.shown if number not in lost]
    report.faults += [f"{b} was shown after {a}" for a, b in itertools.pairwise(certain) if b <= a]
    missing = set(done) - set(shared.shown)
    report.faults += [f"changes that succeeded were not shown: {sorted(missing)[:10]}"] if missing else []


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.order", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args(arguments)
    report = run(chosen.rounds, chosen.seed)
    print(report)
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
