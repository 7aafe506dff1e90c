"""Arguments of a LocalTaskRouter that may have several types."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from twilio_taskrouter_worker.local import arguments
from twilio_taskrouter_worker.local.engine.rules import Rules as EngineRules


def test_rules_of_the_engine_alone() -> None:
    """They are joined with the service's defaults."""
    found = arguments.rules_of(EngineRules())
    assert found is not None and arguments.rules_of(found) is found
    wrong: Any = "strict"
    with pytest.raises(TypeError, match="rules must be Rules or None"):
        arguments.rules_of(wrong)


@pytest.mark.parametrize(
    ("start", "kind", "words"),
    [
        ("now", TypeError, "an aware datetime or None"),
        (datetime(2026, 1, 1, tzinfo=timezone.utc).replace(tzinfo=None), ValueError, "must be an aware datetime"),
    ],
    ids=["text", "no time zone"],
)
def test_times_that_are_not_one(start: Any, kind: type[Exception], words: str) -> None:
    """A moment has a time zone."""
    with pytest.raises(kind, match=words):
        arguments.start_time_of(start)
    assert arguments.start_time_of(datetime(1970, 1, 2, tzinfo=timezone.utc)) == 86400
