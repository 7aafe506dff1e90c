"""The taught pattern survives being killed and started again: a few rounds of the long run in ``restarts.py``."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos import restarts


@pytest.mark.timeout(300)
def test_every_task_is_completed_once_whatever_happens_to_the_program(tmp_path: Path) -> None:
    """Killed or told to stop at any moment, and started again: no task is lost, none is left, no worker is stuck."""
    figures = restarts.run(6, seed=11, folder=str(tmp_path))
    assert figures.losses == []
    assert figures.rounds == 6 and figures.killed and figures.terminated
    assert figures.tasks >= restarts.OPEN_TASKS and figures.readies > 0
