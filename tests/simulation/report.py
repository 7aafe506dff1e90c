"""Many simulations: run in several processes, added up, and printed."""

from __future__ import annotations

import itertools
import multiprocessing
import multiprocessing.pool
import time
from collections import Counter
from collections.abc import Iterable, Iterator

from .plan import plan_of
from .shrinking import Shrunk
from .world import Outcome, run

__all__ = ["Totals", "failure", "one", "outcomes"]


class Totals:
    """The sums over many simulations."""

    def __init__(self) -> None:
        self.runs = self.steps = self.events = self.calls = 0
        self.worker_hours = 0.0
        self.faults: Counter[str] = Counter()
        self.failed: list[int] = []

    def add(self, outcome: Outcome) -> None:
        """Add a simulation."""
        self.runs += 1
        self.steps += outcome.steps
        self.events += outcome.events
        self.calls += outcome.calls
        self.worker_hours += outcome.plan.worker_hours
        self.faults.update(outcome.faults)
        if outcome.violation is not None:
            self.failed.append(outcome.plan.seed)

    def line(self, seconds: float) -> str:
        """The sums as one line.

        Args:
            seconds: How long all of it took.
        """
        return (
            f"{self.runs} simulations, {self.worker_hours:,.0f} worker-hours, {self.events:,} events, "
            f"{self.calls:,} calls, {sum(self.faults.values()):,} faults, {self.steps:,} steps in {seconds:,.0f} s; "
            f"{len(self.failed)} failed"
        )

    def text(self, seconds: float) -> str:
        """The sums, and the faults by kind.

        Args:
            seconds: How long all of it took.
        """
        kinds = "\n".join(f"  {count:10,}  {kind}" for kind, count in self.faults.most_common())
        failed = f"\nfailed seeds: {' '.join(map(str, self.failed))}" if self.failed else ""
        return f"{self.line(seconds)}\n{kinds}{failed}"


def failure(shrunk: Shrunk) -> str:
    """What is printed of a failing simulation.

    Args:
        shrunk: It, with what it does not need left out.
    """
    seed = shrunk.outcome.plan.seed
    items = "\n".join(f"  {item}" for item in shrunk.outcome.plan.items)
    trace = "\n".join(f"  {line}" for line in shrunk.outcome.trace[-25:])
    return (
        f"  {shrunk.outcome.violation}\n"
        f"what it takes ({len(shrunk.outcome.plan.items)} of {shrunk.items} faults and actions):\n{items}\n"
        f"the latest events before it:\n{trace}\n"
        f"repeat it by: python -m tests.simulation --seeds {seed}"
    )


def outcomes(seeds: Iterable[int], processes: int, seconds: float | None = None) -> Iterator[Outcome]:
    """Run the simulations of these seeds.

    Args:
        seeds: Which; with a time limit, only the first one matters.
        processes: How many run at once, each in a process of its own.
        seconds: Begin no further one after this time; None: run all of them.

    Returns:
        Their outcomes, in the order of the seeds.
    """
    wanted: Iterable[int] = seeds
    if seconds is not None:
        until = time.monotonic() + seconds
        wanted = itertools.takewhile(lambda _: time.monotonic() < until, itertools.count(next(iter(seeds))))
    if processes == 1:
        yield from map(one, wanted)
        return
    # Spawned, not forked: the simulations must not depend on what this process has done before.
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes, maxtasksperchild=None) as pool:
        yield from _bounded(pool, wanted, processes)


def _bounded(pool: multiprocessing.pool.Pool, seeds: Iterable[int], processes: int) -> Iterator[Outcome]:
    """As ``pool.imap``, but without drawing more seeds than are needed to keep the processes busy."""
    ahead: list[multiprocessing.pool.ApplyResult[Outcome]] = []
    for seed in seeds:
        ahead.append(pool.apply_async(one, (seed,)))
        if len(ahead) >= 8 * processes:
            yield ahead.pop(0).get()
    for result in ahead:
        yield result.get()


def one(seed: int) -> Outcome:
    """Run the simulation of a seed.

    Args:
        seed: The seed.
    """
    return run(plan_of(seed))
