"""The files of the console's page: small, complete, of this package alone, and without any way from data to markup."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest

PAGE = Path(str(files("twilio_taskrouter_worker") / "local" / "server" / "console" / "page"))
FILES = sorted(path for path in PAGE.rglob("*") if path.is_file())
MODULES = [path for path in FILES if path.suffix == ".js"]
LARGEST = 250_000  # bytes, of all files together


def test_the_page_is_small() -> None:
    """All files together are smaller than promised."""
    assert MODULES
    assert sum(path.stat().st_size for path in FILES) <= LARGEST


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_imports_are_of_the_page_itself(module: Path) -> None:
    """Each import is a relative path to a module that exists: the page needs no network and no build."""
    text = module.read_text(encoding="utf-8")
    for name in re.findall(r'^(?:import|[^"]*} from) "([^"]+)";$', text, flags=re.MULTILINE):
        assert name.startswith("."), name
        assert (module.parent / name).resolve() in MODULES, name


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_data_cannot_become_markup(module: Path) -> None:
    """Nothing parses markup or evaluates text."""
    text = module.read_text(encoding="utf-8")
    sinks = r"(?:inner|outer|Adjacent)HTML|document\.write|DOMParser|createContextualFragment|\beval\(|new Function"
    assert re.findall(sinks, text) == []


def test_nothing_is_fetched_from_elsewhere() -> None:
    """No file names an address of another host, and the page has no script or style of its own inside."""
    for path in FILES:
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|//cdn", text), path.name
    page = (PAGE / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"<style|style=|<script(?![^>]*src=)| on\w+=", page)
