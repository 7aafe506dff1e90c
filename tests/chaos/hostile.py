"""Hostile peers against a service in a process of its own: is each refused as documented, and are others served on?

    python -m tests.chaos.hostile --sockets 10000

Forged tokens, tricked paths, broken and explosive bodies, floods of headers, thousands of idle and dripping
connections, clients that never read, invalid websocket frames and floods of valid ones. Meanwhile a well-behaved
backend and worker, in a process of their own, make connections and see tasks through; how long each took is noted.
Printed for each attack: how it ended, the good requests' latency, and the service's memory. The exit code is 1 if a
status was not a documented one, a good request failed or took too long, memory grew beyond bounds, something was left
over, or the log has an error.
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tests.chaos import attacks
from tests.chaos.attacks import Outcome
from tests.chaos.peers import Probe, Target, service
from tests.tools.wait import eventually

SPARE_FILES = 300


@dataclass(frozen=True)
class Options:
    """What to run."""

    sockets: int = 10_000
    """Idle and dripping connections."""
    seconds: float = 20.0
    """How long those stay, and each flood of frames a quarter of it."""
    rounds: int = 2000
    """Random forged tokens, paths and bodies."""
    workers: int = 300
    """Records in the list that clients ask for and do not read."""
    seed: int = 1
    slowest: float = 2.0
    """Seconds that the slowest good request may take."""
    memory: float = 300.0
    """Megabytes that the service may occupy more than before, at any moment."""
    files: int = 0
    """How many files the service may have open; 0: as many as this process may."""


@dataclass
class Stage:
    """One attack, and what others felt of it."""

    name: str
    outcome: Outcome
    began: float
    ended: float
    memory: float = 0.0
    """Megabytes at the worst moment."""
    cpu: float = 0.0


@dataclass
class Report:
    """What happened."""

    options: Options
    stages: list[Stage] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    before: float = 0.0
    after: float = 0.0
    samples: list[tuple[float, str, float]] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether everything is as it should be."""
        return not self.wrong

    def latencies(self, stage: Stage) -> list[float]:
        """Milliseconds of the good requests that overlapped a stage, or came right after it."""
        last = stage.ended + 0.2
        return sorted(1000 * seconds for at, _, seconds in self.samples if at > stage.began and at - seconds < last)

    def __str__(self) -> str:
        lines = [f"{'attack':<28}{'s':>6}{'MB':>7}{'cpu s':>7}{'good':>6}{'p50 ms':>8}{'p99 ms':>8}{'max ms':>8}  ends"]
        for stage in self.stages:
            times = self.latencies(stage) or [0.0]
            p50, p99 = times[len(times) // 2], times[min(len(times) - 1, int(len(times) * 0.99))]
            ends = ", ".join(f"{count} x {end}" for end, count in stage.outcome.counts.most_common())
            notes = "; ".join([*stage.outcome.notes, ends])
            lines.append(
                f"{stage.name:<28}{stage.ended - stage.began:>6.1f}{stage.memory:>7.0f}{stage.cpu:>7.1f}"
                f"{len(times):>6}{p50:>8.1f}{p99:>8.1f}{times[-1]:>8.1f}  {notes}"
            )
        lines.append(f"memory of the service: {self.before:.0f} MB before, {self.after:.0f} MB after")
        lines += [f"WRONG: {each}" for each in self.wrong[:40]]
        lines.append(f"{len(self.wrong)} violations" if self.wrong else "no violation")
        return "\n".join(lines)


class Run:
    """One run against one service."""

    def __init__(self, options: Options, target: Target) -> None:
        self.options = options
        self.target = target
        self.report = Report(options)
        self._chance = random.Random(options.seed)
        self._files = 0
        self._worst = 0.0
        self._over = threading.Event()

    def go(self) -> Report:
        """Attack with everything, one after the other."""
        good_worker = self._prepare()
        probe = self._probe = Probe(self.target, good_worker)
        eventually(lambda: len(probe.samples) > 20, 60, "the good client does not get going")
        self.report.before, self._files = self.target.memory(), self.target.files()
        watcher = threading.Thread(target=self._watch, name="tool-watch")
        watcher.start()
        try:
            for name, attack in self._attacks():
                self._stage(name, attack)
        finally:
            self._over.set()
            watcher.join()
            probe.stop()
        self.report.after = self.target.memory()
        self.report.samples = probe.samples
        self.report.wrong += probe.failures
        self._judge()
        return self.report

    def _prepare(self) -> str:
        target, home = self.target, self.target.workspace_url
        for number in range(self.options.workers):
            target.rest("POST", f"{home}/Workers", FriendlyName=f"W{number}", Attributes='{"text":"%s"}' % ("x" * 500))
        other = target.rest("POST", f"{target.url}/v1/Workspaces", FriendlyName="Other", Template="FIFO")
        stranger = target.rest("POST", f"{target.url}/v1/Workspaces/{other['sid']}/Workers", FriendlyName="Stranger")
        target.facts.update(other_workspace_sid=other["sid"], other_worker_sid=stranger["sid"])
        available = target.activities["Available"]
        sid: str = target.rest("POST", f"{home}/Workers", FriendlyName="Good", ActivitySid=available)["sid"]
        return sid

    def _attacks(self) -> Iterator[tuple[str, Callable[[], Outcome]]]:
        target, options, chance = self.target, self.options, self._chance
        yield "forged tokens", lambda: attacks.tokens(target, options.rounds, chance)
        yield "tricked paths", lambda: attacks.paths(target, options.rounds, chance)
        yield "bodies", lambda: attacks.bodies(target, options.rounds, chance)
        yield "headers", lambda: attacks.headers(target, options.rounds, chance)
        yield "idle and slow sockets", lambda: attacks.slow(target, options.sockets, options.seconds)
        yield "answers not read", lambda: attacks.deaf(target, 20, 200, options.seconds / 4)
        yield "invalid frames", lambda: attacks.invalid_frames(target)
        for kind in ("small texts", "empty texts", "pings", "large texts", "tiny fragments"):
            yield f"flood: {kind}", lambda kind=kind: attacks.flood(target, kind, 8, options.seconds / 4)  # type: ignore[misc]

    def _stage(self, name: str, attack: Callable[[], Outcome]) -> None:
        self._worst = self.target.memory()
        cpu, began = self.target.cpu(), time.monotonic()
        outcome = attack()
        # A busy machine may have let no good request through in a short attack; `_judge` complains if none comes.
        with suppress(AssertionError):
            eventually(lambda: any(at > began for at, _, _ in list(self._probe.samples)), 30)
        stage = Stage(name, outcome, began, time.monotonic(), self._worst, self.target.cpu() - cpu)
        self.report.stages.append(stage)
        self.report.wrong += [f"{name}: {each}" for each in outcome.wrong]
        print(".", end="", flush=True, file=sys.stderr)
        try:
            eventually(lambda: self.target.files() <= self._files + 5, 15)
        except AssertionError:
            self.report.wrong.append(f"{name}: {self.target.files() - self._files} files are still open")

    def _watch(self) -> None:
        while not self._over.wait(0.05):
            self._worst = max(self._worst, self.target.memory())

    def _judge(self) -> None:
        report = self.report
        for stage in report.stages:
            times = report.latencies(stage)
            if not times:
                report.wrong.append(f"{stage.name}: no good request was answered meanwhile")
            elif times[-1] > 1000 * self.options.slowest:
                report.wrong.append(f"{stage.name}: a good request took {times[-1]:.0f} ms")
            if stage.memory - report.before > self.options.memory:
                report.wrong.append(f"{stage.name}: the service grew by {stage.memory - report.before:.0f} MB")


@contextmanager
def _many_files(wanted: int) -> Iterator[int]:
    """Let this process, and those it starts, have more files open; gives how many there may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
    try:
        yield max(soft, most)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def run(options: Options) -> Report:
    """Run everything against a new service, and return what happened."""
    with _many_files(options.sockets * 3 // 2 + SPARE_FILES) as files, tempfile.TemporaryFile("w+") as log:
        if files < options.sockets + SPARE_FILES:
            raise SystemExit(f"This process may have {files} files open: too few for {options.sockets} sockets")
        with service(log=log) as target:
            if options.files:
                resource.prlimit(target.pid, resource.RLIMIT_NOFILE, (options.files, options.files))
            report = Run(options, target).go()
        log.seek(0)
        expected = ("connections without a request are closed", "its client sends too many frames")
        lines = [line.rstrip() for line in log if not any(text in line for text in expected)]
        report.wrong += [f"log of the service: {line}" for line in lines]
    return report


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.hostile", description=(__doc__ or "").split("\n\n")[0])
    for name, value in vars(Options()).items():
        parser.add_argument(f"--{name}", type=type(value), default=value, help=f"default: {value}")
    report = run(Options(**vars(parser.parse_args(arguments))))
    print(f"\n{report}")
    return 0 if report.good else 1


if __name__ == "__main__":
    sys.exit(main())
