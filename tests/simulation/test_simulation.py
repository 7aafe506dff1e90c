"""Short simulations for every run of the suite, and longer ones with fresh seeds for ``-m slow``."""

from __future__ import annotations

import secrets
import time

import attrs
import pytest

from .mutations import MUTATIONS, Mutation, applied, seeds_until_found
from .plan import Item, Plan, plan_of
from .report import failure
from .shrinking import shrunk
from .world import run

SEEDS = (4, 8, 15, 16, 41, 57, 61)
"""A few seeds that are quick and differ much."""

FAILED_ONCE = {
    1: "rounded linger",
    17: "counted version taken back",
    7283: "lists overwrite answers",
    7677: "arrival ignored",
}
"""Seeds that showed a defect which the library once had, each with the mutation that brings it back. Which seed shows
it first changes with the order of steps, so with many changes of the library."""

FRESH_SECONDS = 60.0

QUICK_MUTATIONS = ("every event admitted", "list not noted", "reload not retried", "no back off")
QUICK_SEEDS = 60
"""Within these each of them is found; the first one to find it changes with the plans."""


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


def test_shrinking_keeps_the_faults_that_matter() -> None:
    """What is left of a failing plan are the faults that it takes: a cut, and lists that cannot be read after it."""
    items = (
        Item(50.0, "task", 0, 0.1),
        Item(100.0, "failing service", 0, 0.99),
        Item(100.5, "cut", 0, 0.5),
        Item(200.0, "task", 0, 0.2),
        Item(300.0, "new token", 0, 0.4),
    )
    with applied(_named("reload not retried")):
        small = shrunk(attrs.evolve(plan_of(9), seconds=1200.0, token_ttl=3600, items=items))
    assert small.outcome.violation is not None
    assert [each.kind for each in small.outcome.plan.items] == ["failing service", "cut"]
    assert "--seeds 9" in failure(small)


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
    assert seeds_until_found(_named(name), QUICK_SEEDS) is not None


def _named(name: str) -> Mutation:
    return next(each for each in MUTATIONS if each.name == name)
