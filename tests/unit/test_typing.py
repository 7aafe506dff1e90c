"""The types that users see: what ``tests/typing`` says of them is what the type checker says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy", reason="the type checker comes with the extra 'dev', not 'test'")

ROOT = Path(__file__).resolve().parents[2]
TYPING = ROOT / "tests" / "typing"


def check(*paths: Path, cache: Path) -> tuple[int, str]:
    """Run mypy on these files, with the options of setup.cfg; what it says of other files is not asked here."""
    ended = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--no-error-summary",
            "--follow-imports=silent",
            "--cache-dir",
            str(cache),
            *map(str, paths),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    return ended.returncode, ended.stdout + ended.stderr


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for this module: the second run is quick."""
    return tmp_path_factory.mktemp("mypy")


@pytest.mark.timeout(180)
def test_right_is_right_and_wrong_is_wrong(cache: Path) -> None:
    """Each callback, Future and attribute has the type that it should have, and each mistake is an error."""
    assert check(TYPING / "api.py", TYPING / "mistakes.py", cache=cache) == (0, "")


@pytest.mark.timeout(180)
def test_a_mistake_that_is_no_longer_one_is_noticed(cache: Path, tmp_path: Path) -> None:
    """The ignore comments of the mistakes are not a way to pass: without its mistake, a line is an error."""
    text = (TYPING / "mistakes.py").read_text(encoding="utf-8")
    mended = tmp_path / "mended.py"
    mended.write_text(text.replace('worker.on("Ready", on_worker)', 'worker.on("ready", on_worker)'), encoding="utf-8")
    code, said = check(mended, cache=cache)
    assert code == 1
    assert re.fullmatch(r'.*mended.py:\d+: error: Unused "type: ignore" comment +\[unused-ignore\]\n', said)
