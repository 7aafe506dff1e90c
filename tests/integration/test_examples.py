"""Every program in ``examples/`` runs, by itself, to its end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted(path for path in (ROOT / "examples").glob("*.py") if path.name != "fleet.py")
"""All but the one that needs Dask, which ``tests/interop/test_fleet.py`` runs."""

LAST_LINES = {
    "console.py": "12 customers came",
    "faults.py": "5 orders served, each once",
    "quickstart.py": "3 orders served",
    "time_machine.py": "2 tasks go another way, 1 of them to Alice",
}
"""What an example says when it did what it shows; every example has one."""


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_example_runs_to_its_end(path: Path, tmp_path: Path) -> None:
    """An example ends with exit code 0, says that it did its job, and complains about nothing, warnings included."""
    ended = subprocess.run(
        [sys.executable, "-W", "error", str(path)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout
    assert ended.stdout.splitlines()[-1] == LAST_LINES[path.name]


def test_there_are_examples() -> None:
    """The list above is not empty by accident, and names only what exists."""
    assert set(LAST_LINES) == {path.name for path in EXAMPLES} != set()
