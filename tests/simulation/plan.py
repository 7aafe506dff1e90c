"""What happens in one simulation, made from its seed beforehand: faults and actions, each with its time.

Swarm testing: each seed switches a random subset of the kinds of faults on, and gives each its own frequency. A run
with all kinds at once would hide what only a few of them can show, such as a defect that needs an hour without a cut.

A plan is data, so that a failing one can be shrunk by leaving items out.
"""

from __future__ import annotations

import random

import attrs

__all__ = ["ACTIONS", "POINTS", "WINDOWS", "Item", "Plan", "plan_of"]

WINDOWS = (
    "slow network",
    "lost requests",
    "lost answers",
    "repeated requests",
    "repeated frames",
    "torn frames",
    "429 storm",
    "failing service",
    "slow callbacks",
    "failing provider",
    "unreachable service",
    "slow threads",
)
"""Faults that last for a while; each thing they affect counts as one fault."""

POINTS = (
    "cut",
    "half-open",
    "evict",
    "expire tokens",
    "clock jump",
    "kill service",
    "kill client",
    "restart connection",
    "new token",
)
"""Faults of a moment."""

ACTIONS = (
    "accept",
    "accept",
    "accept twice",
    "reject",
    "wrap",
    "complete",
    "complete",
    "complete task",
    "complete ended",
    "task attributes",
    "task attributes in a row",
    "worker attributes in a row",
    "activity",
    "transfer",
    "cancel transfer",
    "fetch",
    "cancel a call",
)
"""What users do besides their normal work."""


QUIET = 0.15
"""How often things happen in long simulations, compared with short ones."""


@attrs.frozen
class Item:
    """One fault or action."""

    at: float
    kind: str
    worker: int
    """Which worker it concerns; ignored by what concerns all."""
    share: float
    """A number from 0 up to 1 from which the rest is made: a strength, a length, a choice."""

    def __str__(self) -> str:
        return f"{self.at:10.3f} s  worker {self.worker}  {self.kind} ({self.share:.3f})"


@attrs.frozen
class Plan:
    """One simulation."""

    seed: int
    workers: int
    seconds: float
    token_ttl: int
    request_timeout: float
    capacity: int
    reservation_timeout: int
    thinking: float
    """Seconds that a user thinks on average before the next step."""
    reconnects: bool
    """Whether clients that were evicted or given up are started again at once, or only at the end."""
    items: tuple[Item, ...]

    @property
    def worker_hours(self) -> float:
        return self.workers * self.seconds / 3600


def plan_of(seed: int) -> Plan:
    """Return the plan of a seed.

    Args:
        seed: Any integer.
    """
    source = random.Random(f"plan {seed}")
    workers = source.choice((1, 2, 3, 4))
    seconds = source.choice((600.0, 1200.0, 2400.0, 4800.0))
    # Every fourth is a quiet half-day of more workers: some defects need time rather than faults.
    long = seed % 4 == 2
    if long:
        workers, seconds = 8, 14400.0
    items: list[Item] = []

    def spread(kind: str, per_hour: float) -> None:
        for _ in range(_about(source, per_hour * (QUIET if long else 1.0) * seconds / 3600)):
            at = source.uniform(0, seconds)
            if items and source.random() < together:
                # Close to another one: defects show where things happen at the same time.
                at = min(seconds, source.choice(items).at + 4 * source.random())
            items.append(Item(at, kind, source.randrange(workers), source.random()))

    many = source.choice((0.2, 0.5, 0.8))
    together = source.choice((0.0, 0.3, 0.6))
    for kind in WINDOWS:
        if source.random() < many:
            spread(kind, source.choice((2, 6, 12)))
    for kind in POINTS:
        if source.random() < many:
            rare = kind in ("kill service", "clock jump", "kill client", "evict")
            spread(kind, source.choice((1, 2, 3) if rare else (2, 6, 15)) * (1 if rare else workers))
    spread("task", source.choice((5, 10, 30)) * workers)
    per_kind = source.choice((0.2, 0.5, 2.0)) * workers
    for kind in ACTIONS:
        spread(kind, per_kind)
    # While the first lists are read.
    items += [Item(0.3 * source.random(), "task", 0, source.random()) for _ in range(source.choice((0, 0, 4)))]
    return Plan(
        seed=seed,
        workers=workers,
        seconds=seconds,
        token_ttl=source.choice((120, 900, 3600)),
        request_timeout=source.choice((5.0, 15.0, 30.0)),
        capacity=source.choice((1, 1, 2, 3)),
        reservation_timeout=source.choice((20, 60, 120)),
        thinking=source.choice((1.0, 5.0, 20.0)),
        reconnects=source.random() < 0.8,
        items=tuple(sorted(items, key=lambda item: item.at)),
    )


def _about(source: random.Random, expected: float) -> int:
    """A whole number that is *expected* on average."""
    return int(expected) + (source.random() < expected % 1)
