"""The README says what is true: its snippet runs, its commands can be found, it can be shown as a page."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from tests.tools.snippets import run

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.rst"


@pytest.fixture(scope="module")
def reader() -> ModuleType:
    """The script that takes code blocks out of the README."""
    spec = importlib.util.spec_from_file_location("readme_block", ROOT / ".ci" / "readme_block.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_example_runs_as_it_stands(reader: ModuleType, tmp_path: Path) -> None:
    """The README's program, pasted into a file, serves its task and ends by itself."""
    # The added line fails the program if its wait ran out of time, which the README's own text passes over.
    assert run(reader.readme_block("example") + "\nassert shipped.is_set()\n", tmp_path) == "shipping 4711\n"


def test_the_example_is_short(reader: ModuleType) -> None:
    """A reader sees the whole main job at a glance."""
    lines = [line for line in reader.readme_block("example").splitlines() if line.strip()]
    assert len(lines) <= 18


def test_the_commands_install_what_is_declared(reader: ModuleType) -> None:
    """Each command installs this project with the extra that it needs, then runs one thing."""
    assert reader.readme_block("demo") == 'pip install ".[local]" && taskrouter demo\n'
    assert reader.readme_block("tests") == 'pip install ".[test]" && pytest -n auto\n'


def test_a_block_that_is_not_there_is_an_error(reader: ModuleType) -> None:
    """A renamed block stops the checks instead of running nothing."""
    with pytest.raises(LookupError, match="0 code blocks named 'gone'"):
        reader.readme_block("gone")


def test_two_blocks_of_one_name_are_an_error(reader: ModuleType) -> None:
    """Which of the two would be meant is not for the script to guess."""
    block = ".. code-block:: sh\n   :name: demo\n\n   true\n\n"
    with pytest.raises(LookupError, match="2 code blocks named 'demo'"):
        reader.readme_block("demo", block * 2)
