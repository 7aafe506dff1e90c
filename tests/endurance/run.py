"""One endurance run: Workers over TLS, faults, restarts of the service, and a line for each minute."""

from __future__ import annotations

import csv
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import wait
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from tests.chaos import chaos, lane
from tests.chaos.ledger import Verdict
from tests.endurance.measuring import Sample, growth, sample
from tests.endurance.merging import MergedLedger
from tests.endurance.service import RemoteRouter
from twilio_taskrouter_worker.local import LocalTaskRouter

SILENT_SECONDS = 45.0
"""How long a silent connection stays so: a client notices after 30 s."""
PERCENTILES = (50, 95, 99)


@dataclass(frozen=True)
class Options:
    """What to run."""

    minutes: float = 60.0
    workers: int = 50
    seed: int = 1
    fault_seconds: float = 3.0
    """One connection is broken that often."""
    restart_seconds: float = 600.0
    report_seconds: float = 60.0
    task_seconds: float = 0.1
    """One task comes that often."""
    settle_seconds: float = 120.0
    """After this time an ended reservation is judged: its worker must have announced the end by then."""


@dataclass
class Minute:
    """What happened since the line before."""

    seconds: float
    """Since the start."""
    figures: dict[str, float]
    client: Sample
    service: Sample

    def __str__(self) -> str:
        figures = ", ".join(f"{name} {value:g}" for name, value in self.figures.items())
        return f"{self.seconds / 60:6.1f} min  {figures}\n    clients: {self.client}\n    service: {self.service}"

    def row(self) -> dict[str, float]:
        """Everything as one row of a table."""
        row = {"seconds": round(self.seconds, 1), **self.figures}
        for name, process in (("clients", self.client), ("service", self.service)):
            row.update({f"{name} {key}": value for key, value in process.figures.items()})
        return row


@dataclass
class Report:
    """What came of a run."""

    options: Options
    verdict: Verdict = field(default_factory=lambda: Verdict(0))
    minutes: list[Minute] = field(default_factory=list)
    totals: Counter[str] = field(default_factory=Counter)
    growth: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether nothing was missed, doubled or wrong, and nothing grows."""
        return self.verdict.good and not self.growth

    def __str__(self) -> str:
        verdict = self.verdict
        lines = [
            ", ".join(f"{name} {number}" for name, number in self.totals.items()),
            f"reservations that had to be announced: {verdict.must}; endings: {dict(verdict.endings)}",
            f"missed {len(verdict.missed)}, doubled {len(verdict.duplicated)}, wrong {len(verdict.wrong)}",
            *_lines(verdict),
            *(f"GROWS    {text}" for text in self.growth),
        ]
        return "\n".join([*lines, "GOOD" if self.good else "BAD"])


def _lines(verdict: Verdict) -> list[str]:
    """Return a line for each thing that does not fit, up to 20 of a kind."""
    return [
        *(f"MISSED   {text}" for text in verdict.missed[:20]),
        *(f"DOUBLED  {text}" for text in verdict.duplicated[:20]),
        *(f"WRONG    {text}" for text in verdict.wrong[:20]),
    ]


class RemoteLane(lane.Lane):
    """A lane whose service is in another process."""

    @staticmethod
    def _close_sessions(router: LocalTaskRouter, sid: str) -> None:
        cast(RemoteRouter, router).run(lane.close_sessions, sid)


class Endurance(chaos.Run):
    """The run: the lanes and the traffic of the chaos, with fewer faults, for longer."""

    def __init__(
        self, options: Options, router: RemoteRouter, ledger: MergedLedger, stack: ExitStack, say: Callable[[str], None]
    ) -> None:
        self._remote = router
        self._merged = ledger
        self._chosen = options
        self._say = say
        self._random = random.Random(f"{options.seed}-endurance")
        self._broken: set[int] = set()
        self._moments: list[tuple[float, int]] = []
        self._before: Counter[str] = Counter()
        self.restarts = 0
        chosen = chaos.Options(seed=options.seed, workers=options.workers, disconnections=0)
        super().__init__(chosen, cast(LocalTaskRouter, router), ledger, stack)

    def _make_lane(self, number: int) -> RemoteLane:
        return RemoteLane(self.router, self.ledger, self.tally, number, str(self.options.seed), tls=True)

    def _stored(self, sid: str) -> dict[str, object]:
        return cast(dict[str, object], self._remote.run(chaos.stored, sid))

    def go(self, report: Report) -> None:
        """Let work, faults and restarts go on for the whole time."""
        chosen = self._chosen
        wait([each.worker.start() for each in self.lanes], timeout=60)
        self._repeat(chosen.task_seconds, self.traffic.come)
        self._repeat(chosen.task_seconds / 3, self.traffic.work)
        self._repeat(1.0, self.traffic.meddle)
        self._repeat(1.0, self.traffic.wake)
        self._repeat(chosen.fault_seconds, self._break_one)
        self._repeat(chosen.restart_seconds, self._restart)
        began = time.monotonic()
        self._repeat(chosen.report_seconds, lambda: self._report(report, time.monotonic() - began))
        # Half a second more, so that the last line is printed.
        self.schedule.run_until(lambda: time.monotonic() - began > 60 * chosen.minutes + 0.5)

    def _break_one(self) -> None:
        whole = [each for each in self.lanes if each.number not in self._broken]
        if not whole:
            return
        one = self._random.choice(whole)
        self._broken.add(one.number)
        # Rarely, because it occupies a lane for 45 s; the other faults last for seconds.
        if self._random.random() < 0.05:
            one.go_silent()
            seconds = SILENT_SECONDS
        else:
            seconds = one.disturb()
        self.schedule.after(seconds, lambda: self._mend(one))

    def _mend(self, one: lane.Lane) -> None:
        one.mend()
        self._broken.discard(one.number)

    def _restart(self) -> None:
        began = time.monotonic()
        self._remote.restart()
        self.restarts += 1
        self._say(f"the service was restarted, in {time.monotonic() - began:.1f} s")

    def _report(self, report: Report, seconds: float) -> None:
        now = time.monotonic()
        due = [moment for at, moment in self._moments if at < now - self._chosen.settle_seconds]
        if due:
            latest = Verdict(0)
            self._merged.settle(due[-1], latest)
            _add(report.verdict, latest)
            # At once: a run of an hour may be stopped before its end.
            for line in _lines(latest):
                self._say(line)
        self._moments = [entry for entry in self._moments if entry[0] >= now - self._chosen.settle_seconds]
        self._moments.append((now, self._merged.moment))
        totals = self.totals()
        figures: dict[str, float] = {name: totals[name] - self._before[name] for name in totals}
        self._before = totals
        verdict = report.verdict
        figures.update(missed=len(verdict.missed), doubled=len(verdict.duplicated), wrong=len(verdict.wrong))
        figures.update(_percentiles("event ms", self._merged.seconds))
        figures.update(_percentiles("call ms", self.tally.seconds))
        minute = Minute(seconds, figures, sample(), self._remote.run(sample))
        report.minutes.append(minute)
        self._say(str(minute))

    def totals(self) -> Counter[str]:
        """What has happened since the start."""
        return Counter(
            tasks=self.traffic.created,
            events=self._merged.events,
            calls=self.tally.outcomes.total(),
            failed_calls=self.tally.outcomes.total() - self.tally.outcomes["good"],
            faults=sum(each.broken.total() for each in self.lanes),
            disconnections=self.disconnections,
            renewals=sum(each.renewals for each in self.lanes),
            restarts=self.restarts,
        )

    def make_whole(self) -> None:
        """As in the base class, with everything counted that has happened."""
        self._merged.catch_up()
        super().make_whole()
        self._merged.catch_up()


def _percentiles(name: str, seconds: Iterable[float]) -> dict[str, float]:
    values = sorted(seconds)
    if not values:
        return {}
    return {f"{name} p{each}": round(1e3 * values[(len(values) - 1) * each // 100], 1) for each in PERCENTILES}


def run(options: Options, say: Callable[[str], None]) -> Report:
    """Do one run; ``say`` gets the lines of the report as they come."""
    report = Report(options)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="endurance-")))
        ledger = MergedLedger()
        router = stack.enter_context(RemoteRouter(folder, ledger.report))
        this = Endurance(options, router, ledger, stack, say)
        stack.callback(this.leave)
        this.go(report)
        this.make_whole()
        this.compare_states()
        _add(report.verdict, ledger.compare())
        report.totals = this.totals()
    report.growth = [
        f"{name}: {text}"
        for name, samples in (
            ("clients", [each.client for each in report.minutes]),
            ("service", [each.service for each in report.minutes]),
        )
        for text in growth(samples)
    ]
    return report


def _add(total: Verdict, last: Verdict) -> None:
    total.must += last.must
    total.announced += last.announced
    total.events += last.events
    total.endings.update(last.endings)
    total.missed += last.missed
    total.duplicated += last.duplicated
    total.wrong += last.wrong


def write_csv(report: Report, path: Path) -> None:
    """Write one row for each minute."""
    rows: list[dict[str, Any]] = [minute.row() for minute in report.minutes]
    names = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
