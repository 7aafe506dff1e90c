"""The fleet of the examples, on a real Dask cluster of which a process is killed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("distributed", reason="needs Dask: pip install distributed")

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_a_fleet_moves_the_workers_of_a_process_that_dies(tmp_path: Path) -> None:
    """20 Workers on 2 processes: all are ready again after a kill, every task is completed, and none handled twice."""
    ended = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "fleet.py"), "--workers", "20", "--processes", "2", "--tasks", "60"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    killed, done = ended.stdout.splitlines()[-2:]
    assert re.fullmatch(r"process \d+ was killed; all workers are ready again after [\d.]+ s", killed)
    assert done == "60 tasks completed, 0 of them handled twice"
