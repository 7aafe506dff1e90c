"""The programs of the documentation that need a library of somebody else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tools.rst import Block
from tests.tools.snippets import RUN, needs_peer, program, run

pytest.importorskip("fastapi", reason="it comes with the extra peers")
pytest.importorskip("uvicorn", reason="it comes with the extra peers")
pytest.importorskip("celery", reason="it comes with the extra peers")


@pytest.mark.parametrize("block", [each for each in RUN if needs_peer(each)], ids=lambda block: block.name)
def test_programs_run(block: Block, tmp_path: Path) -> None:
    """A program of the documentation does its job beside that library."""
    run(program(block), tmp_path)
