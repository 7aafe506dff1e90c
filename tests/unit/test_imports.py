"""The package's modules import each other in one direction only."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import twilio_taskrouter_worker

ROOT = Path(twilio_taskrouter_worker.__file__).parent


def modules() -> dict[str, Path]:
    """Each module of the package by its full name; a folder stands for its ``__init__``."""
    found = {}
    for path in ROOT.rglob("*.py"):
        parts = path.relative_to(ROOT.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(name: str, path: Path, known: dict[str, Path]) -> set[str]:
    """The modules that this one imports: at its top, inside functions, and for types only."""
    package = name.split(".") if path.stem == "__init__" else name.split(".")[:-1]
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*base, *filter(None, [node.module])])
            # ``from .package import module`` imports the module, ``from .module import name`` the one named before.
            found |= {f"{origin}.{each.name}" if f"{origin}.{each.name}" in known else origin for each in node.names}
    return found & known.keys()


def test_no_circle() -> None:
    """No module imports itself by way of others, not even under TYPE_CHECKING; a CycleError would name them."""
    known = modules()
    order = list(TopologicalSorter({name: imported(name, path, known) for name, path in known.items()}).static_order())
    assert len(order) == len(known) > 200
    # A check of the check: the relative imports were understood.
    assert order.index("twilio_taskrouter_worker.errors") < order.index("twilio_taskrouter_worker.worker")
    assert "twilio_taskrouter_worker.task" in imported(
        "twilio_taskrouter_worker.reservation", ROOT / "reservation.py", known
    )
