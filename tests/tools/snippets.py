"""Running the programs of README and documentation, as somebody does who has pasted them into a file."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.tools.rst import DOCS, Block, blocks

FRAMES = Path(__file__).resolve().parents[1] / "data" / "snippets"
"""What a program of the documentation leaves out, by its name: what it imports, and who calls it."""
PLACE = "# -- the snippet --\n"

PAGES = sorted(DOCS.glob("*.rst"))
RUN = [block for page in PAGES for block in blocks(page) if (block.name or "").startswith("run-")]
"""All blocks that run: those whose name begins with ``run-``."""


def needs_peer(block: Block) -> bool:
    """Whether a program needs a library that only the extra ``peers`` brings."""
    return re.search(r"^from (fastapi|celery) import", block.text, re.MULTILINE) is not None


def program(block: Block) -> str:
    """The whole program: the block as it stands, or in its place in a file of ``tests/data/snippets``."""
    frame = FRAMES / f"{str(block.name).removeprefix('run-').replace('-', '_')}.py"
    if not frame.exists():
        return block.text
    before, place, after = frame.read_text(encoding="utf-8").partition(PLACE)
    assert place, f"{frame.name} lacks the place of the snippet"
    return f"{before}{block.text}\n{after}"


def run(text: str, folder: Path) -> str:
    """Run a program and return what it printed; it must end with 0 and without a warning."""
    path = folder / "program.py"
    path.write_text(text, encoding="utf-8")
    ended = subprocess.run(
        [sys.executable, "-W", "error", str(path)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(DOCS.parent)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, ""), (ended.returncode, ended.stderr)
    return ended.stdout
