"""The scenarios, and for each figure the goal: a ratio to the SDK in JavaScript, and to the bare stand-in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

__all__ = ["ROWS", "Row", "Scenario", "scenarios"]


class Scenario(NamedTuple):
    """What a driver runs."""

    name: str
    driver: str
    given: dict[str, Any]
    most: int = 5
    """Repetitions at most: one that takes long is repeated less often."""
    tls: bool = False
    """Measured over TLS too."""


class Row(NamedTuple):
    """One figure of a scenario, and its goals; None where there is none."""

    scenario: str
    figure: str
    label: str
    against_js: float | None = None
    against_bare: float | None = None
    more_is_better: bool = False
    js_with_orjson: float | None = None
    """The goal against JavaScript where orjson is installed, if it is another one."""


def scenarios(scale: float = 1.0) -> list[Scenario]:
    """All of them; ``scale`` makes the numbers smaller, for a trial."""

    def size(count: int, least: int = 4) -> int:
        return max(least, int(count * scale))

    opens = {"1": 1, "100": size(100), "1000": size(1000), "5000": size(5000)}
    return [
        Scenario("S1 cold", "cold", {}, tls=True),
        Scenario("S1 warm", "warm", {"rounds": size(40)}, tls=True),
        Scenario("S2 churn", "churn", {"events": 2 * size(10_000)}, tls=True),
        Scenario("S2 task.updated 20k", "updated", {"open": 1, "events": size(20_000)}, tls=True),
        Scenario("S2 task.updated 200k", "updated", {"open": 1, "events": size(200_000)}, 3),
        *(
            Scenario(f"S3 {kind} {rate}/s", "latency", {"kind": kind, "rate": rate, "events": size(3 * rate // 2, 20)})
            for kind in ("updated", "churn")
            for rate in (200, 2000)
        ),
        *(
            Scenario(
                f"S4 {kind} {name}",
                kind,
                {"open": open_, "events": max(open_, size(events))},
                1 if open_ >= 5000 else 3,
            )
            for kind, events in (("updated", 20_000), ("accepted", 5_000))
            for name, open_ in opens.items()
        ),
        Scenario(
            "S5", "memory", {"events": 2 * size(10_000), "batches": size(5, 2), "pause": 6.0 * min(1.0, scale)}, 1
        ),
        Scenario("S6 sequential", "calls", {"calls": size(1_000), "width": 1, "delay": 0}, tls=True),
        Scenario("S6 10 in flight", "calls", {"calls": size(2_000), "width": size(10), "delay": 0}, 3),
        Scenario("S6 100 in flight", "calls", {"calls": size(2_000), "width": size(100), "delay": 0}, tls=True),
        Scenario("S6 100 in flight, 20 ms", "calls", {"calls": size(2_000), "width": size(100), "delay": 0.02}),
        *(
            Scenario(f"S7 {name} Workers", "many", {"workers": size(name)}, 3, tls=name == 500)
            for name in (50, 200, 500)
        ),
        Scenario("S8", "slow", {"events": size(10_000)}, 1),
    ]


ROWS: Sequence[Row] = [
    Row("S1 cold", "spawn_ms", "S1 cold start to ready, ms", 0.5, 1.8),
    Row("S1 warm", "ready_ms", "S1 warm, constructor to ready, ms", 0.5, 1.8),
    Row("S2 churn", "per_s", "S2 churn, events/s", 10, 0.6, True, 18),
    Row("S2 task.updated 20k", "per_s", "S2 task.updated 20k, events/s", 1.2, 0.75, True, 2.0),
    Row("S2 task.updated 200k", "per_s", "S2 task.updated 200k, events/s", 1.0, 0.75, True, 1.6),
    Row("S3 updated 200/s", "p50_us", "S3 task.updated 200/s, p50 us", 1.0, 1.4),
    Row("S3 updated 200/s", "p99_us", "... p99 us", 1.0, 3),
    Row("S3 updated 2000/s", "p50_us", "S3 task.updated 2000/s, p50 us", 1.0, 1.4),
    Row("S3 updated 2000/s", "p99_us", "... p99 us", 1.0, 3),
    Row("S3 churn 200/s", "p50_us", "S3 reservations 200/s, p50 us", 0.5, 1.4),
    Row("S3 churn 200/s", "p99_us", "... p99 us", 0.1, 3),
    Row("S3 churn 2000/s", "p50_us", "S3 reservations 2000/s, p50 us", 0.5, 1.4),
    Row("S3 churn 2000/s", "p99_us", "... p99 us", 0.1, 3),
    Row("S4 updated 1", "per_s", "S4 task.updated, 1 open, events/s", 1.2, 0.7, True),
    Row("S4 updated 100", "per_s", "... 100 open", 1.2, 0.7, True),
    Row("S4 updated 1000", "per_s", "... 1000 open", 1.2, 0.7, True),
    Row("S4 updated 5000", "per_s", "... 5000 open", 1.2, 0.7, True),
    Row("S4 accepted 1", "per_s", "S4 reservation.accepted, 1 open, events/s", 2, 0.7, True),
    Row("S4 accepted 100", "per_s", "... 100 open", None, 0.7, True),
    Row("S4 accepted 1000", "per_s", "... 1000 open", None, 0.7, True),
    Row("S4 accepted 5000", "per_s", "... 5000 open", 30, 0.7, True),
    Row("S5", "mb_per_10k", "S5 MB for each 10,000 past reservations", 0.01),
    Row("S6 sequential", "per_s", "S6 accept() one by one, calls/s", 2, 0.7, True),
    Row("S6 100 in flight", "per_s", "S6 100 in flight, calls/s", 1.3, 0.7, True),
    Row("S6 100 in flight", "p99_ms", "... p99 ms", 1.0),
    Row("S6 100 in flight, 20 ms", "per_s", "S6 100 in flight, 20 ms delay, calls/s", 1.3, 0.7, True),
    Row("S7 500 Workers", "ready_ms", "S7 500 Workers, all ready, ms", 0.6, 2),
    Row("S7 500 Workers", "rss_mb", "... RSS MB", 0.4, 1.4),
    Row("S8", "drained_ms", "S8 burst with 1 ms callbacks, drained, ms", 0.01, 2),
    Row("S8", "ping_ms", "... slowest ping, ms", 0.005, 2),
]
