"""The other tables of the page on parity: refusals and limits."""

from __future__ import annotations

import pytest

from tests.parity.errors import REFUSALS, TEXT, Refusal
from tests.parity.limits import LIMITS, Limit
from tests.parity.statement import World
from twilio_taskrouter_worker.local import LocalTaskRouter


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda each: each.when)
def test_refusal(refusal: Refusal) -> None:
    """It comes when it should, with status and code, and with the service's own text where that is known."""
    with LocalTaskRouter(clock="virtual") as router:
        answer = refusal.provoke(World(router))
    assert (answer.status_code, answer.json()["code"]) == (refusal.status, refusal.code)
    assert refusal.text in answer.json()["message"]
    assert bool(refusal.text) or refusal.known != TEXT


@pytest.mark.parametrize("limit", LIMITS, ids=lambda each: each.what)
def test_limit(limit: Limit) -> None:
    """It is the documented number, or the page says why not."""
    assert limit.differs or float(limit.twilio) == limit.here
