"""What was answered survives ``kill -9``: a few rounds of the long run in ``crash.py``."""

from __future__ import annotations

from pathlib import Path

from tests.chaos import crash


def test_nothing_that_was_answered_is_lost(tmp_path: Path) -> None:
    """Killed under load and started again, the service has all it answered and announced; its timers were on time."""
    figures = crash.run(2, seed=4, folder=str(tmp_path), answers=50)
    assert figures.losses == []
    assert figures.rounds == 2
    assert figures.answers > 50 and figures.checked > 100 and figures.timeouts > 0
    assert max(figures.late, default=0.0) < crash.GRACE_SECONDS
