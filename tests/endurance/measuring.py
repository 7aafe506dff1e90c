"""What a process takes, and whether that grows over a run."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.chaos import chaos
from twilio_taskrouter_worker import Worker

PACKAGE = Worker.__module__.partition(".")[0]

FEWEST_SAMPLES = 10
"""Growth is not judged with fewer: in the first minutes logs and caches fill up to their limits."""

SLACK = {"RSS MB": (0.15, 12.0), "threads": (0.25, 60.0), "descriptors": (0.25, 60.0), "objects": (0.25, 500.0)}
"""For each figure: how much more the last quarter may have than the second one, as a share and as a number."""


@dataclass(frozen=True)
class Sample:
    """One process at one time."""

    figures: dict[str, float]
    types: Counter[str]
    """Objects of the package by the name of their type."""

    def __str__(self) -> str:
        figures = ", ".join(f"{name} {value:g}" for name, value in self.figures.items())
        return f"{figures} ({', '.join(f'{name} {number}' for name, number in self.types.most_common(6))})"


def sample(*_: Any) -> Sample:
    """Measure this process; arguments are ignored, so that it can be called in the service's process, too."""
    found = chaos.measure()
    types = chaos.count_objects(lambda kind: str(kind.__module__).startswith(PACKAGE))
    figures = {"RSS MB": found["RSS MB"], "threads": found["threads"], "descriptors": found["fds"]}
    return Sample({**figures, "objects": float(types.total())}, types)


def growth(samples: Sequence[Sample]) -> list[str]:
    """Return what the last quarter of a run has more of than the second quarter, beyond SLACK; empty if nothing."""
    if len(samples) < FEWEST_SAMPLES:
        return []
    quarter = len(samples) // 4
    found = []
    for name, (share, number) in SLACK.items():
        before, after = (
            statistics.median(each.figures[name] for each in part)
            for part in (samples[quarter : 2 * quarter], samples[-quarter:])
        )
        if after > before + max(share * before, number):
            found.append(f"{name} grew from {before:g} to {after:g}{_by_type(samples, quarter, name)}")
    return found


def _by_type(samples: Sequence[Sample], quarter: int, name: str) -> str:
    if name != "objects":
        return ""
    grown = samples[-1].types - samples[quarter].types
    return f": {', '.join(f'{number} more {kind}' for kind, number in grown.most_common(5))}"
