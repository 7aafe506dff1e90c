"""Short simulations for every run of the suite, and longer ones with fresh seeds for ``-m slow``."""

from __future__ import annotations

import secrets
import time

import pytest

from .mutations import MUTATIONS, Mutation, applied, seeds_until_found
from .plan import Plan, plan_of
from .report import failure
from .shrinking import shrunk
from .world import run

SEEDS = (4, 8, 10, 15, 16, 41, 57, 61)
"""A few seeds that are quick and differ much."""

FAILED_ONCE = (28, 1235)
"""Seeds that have shown a defect of the library, which is mended."""

FRESH_SECONDS = 60.0

QUICK_MUTATIONS = ("every event admitted", "list not noted", "reload not retried", "no back off")


def _assert_holds(plan: Plan) -> None:
    if run(plan).violation is not None:
        pytest.fail(failure(shrunk(plan)), pytrace=False)


@pytest.mark.parametrize("seed", [*SEEDS, *FAILED_ONCE])
def test_seed(seed: int) -> None:
    """The invariants hold in a simulation whose seed is known."""
    _assert_holds(plan_of(seed))


def test_repeatable() -> None:
    """A plan leads to the same simulation each time, step by step: a failure can be repeated."""
    plan = plan_of(SEEDS[0])
    first, second = run(plan), run(plan)
    assert (first.fingerprint, first.steps, first.faults) == (second.fingerprint, second.steps, second.faults)
    assert first.events > 0
    assert first.calls > 0


def test_shrinking_keeps_what_matters() -> None:
    """What is left of a failing plan fails in the same way, and is smaller."""
    mutation = _named("no back off")
    found = seeds_until_found(mutation, 30)
    assert found is not None
    plan = found[1].plan
    with applied(mutation):
        small = shrunk(plan, most_runs=30)
    assert small.outcome.violation is not None
    assert small.outcome.violation.name == "back off"
    assert len(small.outcome.plan.items) < len(plan.items)


@pytest.mark.slow
def test_fresh_seeds() -> None:
    """The invariants hold for a minute of simulations that nobody has seen before."""
    first = secrets.randbelow(10**9)
    print(f"seeds from {first} on")
    until, count = time.monotonic() + FRESH_SECONDS, 0
    while time.monotonic() < until:
        _assert_holds(plan_of(first + count))
        count += 1
    print(f"{count} simulations")


@pytest.mark.slow
@pytest.mark.parametrize("name", QUICK_MUTATIONS)
def test_mutation_is_found(name: str) -> None:
    """A deliberate defect is found within a few seeds; ``--mutations`` checks all of them."""
    assert seeds_until_found(_named(name), 20) is not None


def _named(name: str) -> Mutation:
    return next(each for each in MUTATIONS if each.name == name)
