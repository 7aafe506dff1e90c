"""Workers behind a network that breaks all the time, against a real service: is anything missed, or told twice?

    python -m tests.chaos.chaos --seed 1 --disconnections 1000 --workers 30

Each worker has a connection through a relay of its own (every sixth with TLS), which is cut in the middle of a frame,
reset, closed, refused, stalled, slowed down and chopped up, while tasks come, are accepted, wrapped up, transferred,
completed, rejected, left alone and canceled. Some connections go silent, which takes the client 30 s to notice. At the
end the network is made whole, and the service's side and the clients' side are compared: see ``ledger`` for what must
have been announced. The exit code is 1 if anything was missed, duplicated or wrong, or is left over.

The choices are random but follow from the seed; their timing follows the machine, so two runs are alike, not the same.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import heapq
import itertools
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.lane import Lane, Tally
from tests.chaos.ledger import THROUGH_ACCEPTED, Ledger, Verdict
from tests.chaos.traffic import Traffic
from tests.tools.wait import eventually, open_sockets
from twilio_taskrouter_worker import Worker
from twilio_taskrouter_worker.local import LocalTaskRouter, Rules
from twilio_taskrouter_worker.local.engine import commands
from twilio_taskrouter_worker.reservation import Reservation

MOST_GROWTH, MOST_PER_RESERVATION = 8.0, 0.006
"""Megabytes that the process may grow in the second half of a run, and for each reservation in all of it: the ledger
keeps them all, and the service for PURGE_SECONDS. A client that kept them too would need several times as much."""

_PACKAGE = Worker.__module__.partition(".")[0]

ALONE_SECONDS = 5.0
"""How long one thread may have the interpreter for itself; much longer than it takes to count all objects."""

STATE_SECONDS = 5.0
"""Until the last differences must be gone: a transfer that nobody takes is offered and times out, over and over."""

PURGE_SECONDS = 45.0
"""Finished tasks stay on the service for longer than a silence, so that no end becomes unknowable."""


@dataclass(frozen=True)
class Options:
    """What to run."""

    seed: int = 1
    disconnections: int = 1000
    """How many there must be before the run may end."""
    workers: int = 30
    seconds: float = 150.0
    """When to stop breaking things even if there were fewer."""
    silent: int = 3
    """How many workers' connections go silent once."""


@dataclass
class Report:
    """What came of it."""

    options: Options
    verdict: Verdict = field(default_factory=lambda: Verdict(0))
    disconnections: int = 0
    seconds: float = 0.0
    figures: dict[str, object] = field(default_factory=dict)
    leftovers: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether nothing was missed, duplicated, wrong, or left over, and there was enough trouble."""
        return self.verdict.good and not self.leftovers and self.disconnections >= self.options.disconnections

    def __str__(self) -> str:
        verdict = self.verdict
        lines = [
            f"seed {self.options.seed}, {self.options.workers} workers, {self.seconds:.0f} s",
            f"disconnections   {self.disconnections} (at least {self.options.disconnections} wanted)",
            f"reservations     {self.figures.get('reservations', 0)} made, {verdict.must} had to be announced, "
            f"{verdict.announced} were",
            f"events           {verdict.events} told; endings: {_counts(verdict.endings)}",
            f"missed           {len(verdict.missed)}",
            f"duplicated       {len(verdict.duplicated)}",
            f"wrong            {len(verdict.wrong)}",
            *(f"{name:<20} {value}" for name, value in self.figures.items() if name != "reservations"),
            *(f"left over        {text}" for text in self.leftovers),
            *(f"MISSED      {text}" for text in verdict.missed[:20]),
            *(f"DUPLICATED  {text}" for text in verdict.duplicated[:20]),
            *(f"WRONG       {text}" for text in verdict.wrong[:20]),
        ]
        return "\n".join([*lines, "GOOD" if self.good else "BAD"])


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in counter.most_common()) or "none"


class Schedule:
    """Steps to take at their times, on the calling thread."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._never = threading.Event()

    def after(self, seconds: float, step: Callable[[], None]) -> None:
        """Take this step that many seconds from now."""
        heapq.heappush(self._heap, (time.monotonic() + seconds, next(self._numbers), step))

    def run_until(self, over: Callable[[], bool]) -> None:
        """Take steps as they become due, until ``over``."""
        while not over():
            due, _, step = self._heap[0]
            left = due - time.monotonic()
            if left > 0:
                self._never.wait(min(left, 0.25))
            else:
                heapq.heappop(self._heap)
                step()


class Run:
    """One run, from the service's start to the count of what is left over."""

    def __init__(self, options: Options, router: LocalTaskRouter, ledger: Ledger, stack: ExitStack) -> None:
        self.options = options
        self.router = router
        self.ledger = ledger
        self.tally = Tally(ledger)
        self.lanes: list[Lane] = []
        for number in range(options.workers):
            lane = self._make_lane(number)
            stack.enter_context(lane.relay)
            self.lanes.append(lane)
        stack.enter_context(_trusting([lane.relay.ca_file for lane in self.lanes if lane.tls]))
        self.traffic = Traffic(router, ledger, self.tally, self.lanes, str(options.seed))
        self.schedule = Schedule()
        self.samples: dict[str, dict[str, float]] = {}
        """What the process took at each quarter of the disconnections."""
        self.silences = options.silent
        """How many silences are still to be noticed."""

    def _make_lane(self, number: int) -> Lane:
        return Lane(self.router, self.ledger, self.tally, number, str(self.options.seed), tls=number % 6 == 4)

    @property
    def disconnections(self) -> int:
        """So far, over all workers, as they were told."""
        return sum(lane.disconnections for lane in self.lanes)

    def break_things(self) -> None:
        """Connect everybody, and let work and trouble go on until there was enough."""
        started = time.monotonic()
        self._begin()
        for lane in self.lanes:
            if lane.number < self.options.silent:
                self.schedule.after(lane.random.uniform(0.5, 1.5), lambda lane=lane: self._silence(lane))  # type: ignore[misc]
            else:
                self._trouble(lane, lane.random.uniform(0.5, 3.0))

        def over() -> bool:
            if self.disconnections * 4 >= self.options.disconnections * (len(self.samples) + 1):
                self.samples[f"{25 * (len(self.samples) + 1)} %"] = measure()
            seconds = time.monotonic() - started
            enough = self.disconnections >= self.options.disconnections and not self.silences
            return enough or seconds > self.options.seconds

        self.schedule.run_until(over)

    def _begin(self) -> None:
        """Connect everybody, and let work come."""
        wait([lane.worker.start() for lane in self.lanes], timeout=30)
        self._repeat(0.06, self.traffic.come)
        self._repeat(0.02, self.traffic.work)
        self._repeat(0.15, self.traffic.meddle)
        self._repeat(1.0, self.traffic.wake)

    def _repeat(self, seconds: float, step: Callable[[], None]) -> None:
        def again() -> None:
            step()
            self.schedule.after(seconds, again)

        self.schedule.after(seconds, again)

    def _trouble(self, lane: Lane, seconds: float) -> None:
        """Disturb a lane after so many seconds, mend it, and begin again."""

        def mend() -> None:
            lane.mend()
            self._trouble(lane, lane.random.uniform(0.5, 2.2))

        self.schedule.after(seconds, lambda: self.schedule.after(lane.disturb(), mend))

    def _silence(self, lane: Lane) -> None:
        """Say nothing more to a lane until its worker has noticed; then go on as with the others."""
        before = lane.disconnections
        lane.go_silent()

        def noticed() -> None:
            if lane.disconnections == before:
                self.schedule.after(0.5, noticed)
            else:
                self.silences -= 1
                lane.mend()
                self._trouble(lane, 1.0)

        self.schedule.after(0.5, noticed)

    def make_whole(self) -> None:
        """End all trouble, and wait until every client has handled everything there was to say."""
        for lane in self.lanes:
            lane.mend()
        eventually(lambda: all(lane.worker.ready for lane in self.lanes), 45, self._who_is_not_ready)
        eventually(lambda: not self.tally.unfinished, 15, lambda: f"{self.tally.unfinished} calls never ended")
        self.traffic.settle()
        for lane in self.lanes:
            marked = commands.UpdateWorker(
                workspace_sid=self.router.workspace_sid, sid=lane.sid, attributes='{"end": true}'
            )
            self.router._execute(marked)
        for lane in self.lanes:
            eventually(
                lambda lane=lane: lane.worker.attributes == {"end": True} and not lane.worker.backlog,  # type: ignore[misc]
                10,
                f"worker {lane.number} never got its last event",
            )

    def _who_is_not_ready(self) -> str:
        rest = [lane for lane in self.lanes if not lane.worker.ready]
        return f"not ready: {', '.join(f'{lane.number} ({lane.worker!r})' for lane in rest)}"

    def _stored(self, sid: str) -> dict[str, object]:
        return stored(self.router, sid)

    def compare_states(self) -> None:
        """Every client shows what the service has, at the latest a moment after a timer has changed it."""
        for lane in self.lanes:
            with suppress(AssertionError):
                eventually(lambda lane=lane: not self._differences(lane), STATE_SECONDS)  # type: ignore[misc]
            for what, (shown, value) in self._differences(lane).items():
                self.ledger.wrong(f"worker {lane.number}: {what} is {shown}, on the service {value}")

    def _differences(self, lane: Lane) -> dict[str, tuple[object, object]]:
        there = self._stored(lane.sid)
        shown = _shown(lane.worker, there["shared"])
        return {what: (shown[what], value) for what, value in there.items() if shown[what] != value}

    def leave(self) -> None:
        """Disconnect everybody."""
        for lane in self.lanes:
            lane.worker.disconnect()


def _shown(worker: Worker, shared: object) -> dict[str, object]:
    assert isinstance(shared, frozenset)
    return {
        "shared": shared,
        "activity": worker.activity_sid,
        "version": worker.version,
        "reservations": {each.sid: (each.status, each.version, each.task.sid) for each in worker.reservations.values()},
        "tasks": {
            each.task.sid: (each.task.status, each.task.version)
            for each in worker.reservations.values()
            if each.task.sid not in shared
        },
        "channels": {
            # Not what is assigned and what is free: the service sends no event when these change.
            each.sid: (each.available, each.capacity)
            for each in worker.channels.values()
        },
    }


def stored(router: LocalTaskRouter, sid: str) -> dict[str, object]:
    """Return what the service has of a worker, as ``_shown`` shows what its client has."""
    worker = router.worker(sid)
    channels = router._ask(lambda engine: engine.channels(router.workspace_sid, sid))
    reservations = [each for each in router.reservations(worker_sid=sid) if each.open]
    tasks = {each.task_sid: router.task(each.task_sid) for each in reservations}
    # After a warm transfer two workers have a task. When one of them transfers it again, the service sends the task's
    # changes to that one only.
    shared = frozenset(
        each.task_sid
        for each in router.reservations()
        if each.task_sid in tasks and each.worker_sid != sid and each.reservation_status in THROUGH_ACCEPTED
    )
    return {
        "shared": shared,
        "activity": worker.activity_sid,
        "version": str(worker.version),
        "reservations": {
            each.sid: (each.reservation_status, str(each.version), each.task_sid) for each in reservations
        },
        "tasks": {
            task.sid: (task.assignment_status, str(task.version)) for task in tasks.values() if task.sid not in shared
        },
        "channels": {each.sid: (each.available, each.configured_capacity) for each in channels},
    }


@contextmanager
def _trusting(ca_files: list[str]) -> Iterator[None]:
    """Trust these certificate authorities, by the environment, as a user would."""
    before = os.environ.get("REQUESTS_CA_BUNDLE")
    with tempfile.TemporaryDirectory(prefix="chaos-") as directory:
        bundle = Path(directory) / "authorities.pem"
        bundle.write_text("".join(Path(name).read_text() for name in ca_files))
        os.environ["REQUESTS_CA_BUNDLE"] = str(bundle)
        try:
            yield
        finally:
            if before is None:
                del os.environ["REQUESTS_CA_BUNDLE"]
            else:
                os.environ["REQUESTS_CA_BUNDLE"] = before


def measure() -> dict[str, float]:
    """Return what this process takes now."""
    gc.collect()
    client_objects = count_objects(_of_the_client).total()
    # A hundred threads come and go: what the allocator keeps for them is not in use.
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return {
        "RSS MB": round(resident / 2**20, 1),
        "threads": threading.active_count(),
        "fds": len(os.listdir("/proc/self/fd")),
        "client objects": client_objects,
    }


def count_objects(counts: Callable[[type], bool]) -> Counter[str]:
    """Return how many objects there are of each type that counts.

    No other thread runs meanwhile. A tuple that one of them is making from an iterator is among the objects, and to
    refer to it makes CPython raise SystemError there.
    """
    interval = sys.getswitchinterval()
    sys.setswitchinterval(ALONE_SECONDS)
    # Threads that wait already still use the old interval; from here on nothing lets others run.
    time.sleep(2 * interval)
    try:
        return Counter(kind.__qualname__ for kind in map(type, gc.get_objects()) if counts(kind))
    finally:
        sys.setswitchinterval(interval)


def _of_the_client(kind: type) -> bool:
    module = str(kind.__module__)
    return module.startswith(_PACKAGE) and not module.startswith(f"{_PACKAGE}.local")


def run(options: Options) -> Report:
    """Do one run and report; raises AssertionError where clients do not recover at all."""
    report = Report(options)
    began = time.monotonic()
    sockets, threads = open_sockets(), set(threading.enumerate())
    _run(report)
    report.leftovers += _left_over(sockets, threads)
    report.seconds = time.monotonic() - began
    return report


def _run(report: Report) -> None:
    """Everything but the leftovers: when it returns, nothing here holds any object of the library."""
    options = report.options
    before = measure()
    with ExitStack() as stack:
        rules = Rules(purge_finished_after=PURGE_SECONDS)
        router = stack.enter_context(LocalTaskRouter(seed=options.seed, rules=rules))
        ledger = Ledger()
        ledger.attach(router)
        this = Run(options, router, ledger, stack)
        stack.callback(this.leave)
        this.break_things()
        this.make_whole()
        end = measure()
        this.compare_states()
        report.verdict = ledger.compare()
        report.disconnections = this.disconnections
        _tell(report, this, {"start": before, **this.samples, "end": end})


def _tell(report: Report, this: Run, measures: dict[str, dict[str, float]]) -> None:
    faults: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for lane in this.lanes:
        faults.update(lane.broken)
        reasons.update(lane.reasons)
    report.figures.update(
        {
            "reservations": len(this.ledger.stories),
            "tasks": this.traffic.created,
            "sessions": this.ledger.sessions(),
            "late readies": this.ledger.uncertain,
            "faults": _counts(faults),
            "told as": _counts(reasons),
            "calls": _counts(this.tally.outcomes),
            "error events": _counts(this.tally.errors),
        }
    )
    for name in measures["end"]:
        report.figures[name] = ", ".join(f"{when} {found[name]}" for when, found in measures.items())
    growth = measures["end"]["RSS MB"] - measures.get("50 %", measures["end"])["RSS MB"]
    if growth > MOST_GROWTH + MOST_PER_RESERVATION * len(this.ledger.stories) / 2:
        report.leftovers.append(f"{growth:.1f} MB of memory since the middle of the run")


def _left_over(sockets: Counter[str], threads: set[threading.Thread]) -> list[str]:
    """Threads, sockets and objects that are still there; they get a moment, as the kernel closes things in its time."""

    def found() -> list[str]:
        left = [f"thread {each.name}" for each in threading.enumerate() if each not in threads]
        return left + [f"socket {name}" for name in open_sockets() - sockets]

    try:
        eventually(lambda: not found(), 6)
    except AssertionError:
        pass
    gc.collect()
    alive = count_objects(lambda kind: kind is Reservation).total()
    return found() + ([f"{alive} reservation objects"] if alive else [])


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.chaos", description=(__doc__ or "").split("\n\n")[0])
    for name, value in vars(Options()).items():
        parser.add_argument(f"--{name}", type=type(value), default=value, help=f"default: {value}")
    report = run(Options(**vars(parser.parse_args(arguments))))
    print(report)
    return 0 if report.good else 1


if __name__ == "__main__":
    sys.exit(main())
