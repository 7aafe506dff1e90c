"""Shrinking of a failing plan: faults and actions that the failure does not need are left out."""

from __future__ import annotations

import attrs

from .plan import Plan
from .world import Outcome, run

__all__ = ["Shrunk", "shrunk"]

MOST_RUNS = 400


@attrs.frozen
class Shrunk:
    """A failing plan and what is left of it."""

    outcome: Outcome
    """Of the smallest plan that still fails in the same way."""
    items: int
    """How many faults and actions the plan had at first."""


def shrunk(plan: Plan, most_runs: int = MOST_RUNS) -> Shrunk:
    """Leave out as many items of a failing plan as possible, as long as it violates the same invariant.

    First everything after the failure, then halves, quarters and so on, down to single items.

    Args:
        plan: The plan.
        most_runs: How many simulations this may take.
    """
    best = run(plan)
    if best.violation is None:
        return Shrunk(best, len(plan.items))
    wanted, runs = best.violation.name, 1
    size = max(1, len(plan.items) // 2)
    while runs < most_runs:
        start, shorter = 0, False
        while start < len(best.plan.items) and runs < most_runs:
            items = best.plan.items[:start] + best.plan.items[start + size :]
            outcome, runs = run(attrs.evolve(plan, items=items)), runs + 1
            if outcome.violation is not None and outcome.violation.name == wanted:
                best, shorter = outcome, True
            else:
                start += size
        if size == 1 and not shorter:
            break
        size = max(1, size // 2)
    return Shrunk(best, len(plan.items))
