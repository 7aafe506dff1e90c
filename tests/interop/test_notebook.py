"""The notebook of the examples, and live panels, in a real kernel."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

nbformat: Any = pytest.importorskip("nbformat", reason="the extra peers is not installed")
nbclient: Any = pytest.importorskip("nbclient", reason="the extra peers is not installed")
pytest.importorskip("ipykernel", reason="the extra peers is not installed")

NOTEBOOK = Path(__file__).resolve().parents[2] / "examples" / "notebook.ipynb"

PANEL = """
from twilio_taskrouter_worker.testing import TestBench, eventually
bench = TestBench().__enter__()
alice = bench.worker("Alice")
"""

COUNT = """
from twilio_taskrouter_worker._display import live
updates = []
class Counted(live.LivePanel):
    def __init__(self, *args):
        super().__init__(*args)
        update = self._handle.update
        self._handle.update = lambda *args, **options: (updates.append(1), update(*args, **options))
live.LivePanel = Counted
"""

STORM = """
for number in range(500):
    alice.set_attributes({"number": number})
alice.fetch_latest_version().result(60)
eventually(lambda: alice.attributes.get("number") == 499, 60)
assert panel.running
"""


def run(*sources: str) -> Any:
    """Run cells in a kernel of their own and return the notebook with its outputs."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    return executed(notebook)


def executed(notebook: Any) -> Any:
    """Run a notebook; an exception in a cell fails the test."""
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    return notebook


def outputs(cell: Any, kind: str) -> list[str]:
    """The outputs of a cell in a MIME type."""
    return [output["data"][kind] for output in cell.outputs if kind in output.get("data", {})]


@pytest.fixture(scope="module")
def example() -> Any:
    """The notebook of the examples, executed, as cells by the beginning of their source."""
    notebook = executed(nbformat.read(NOTEBOOK, as_version=4))
    return {cell.source.partition("\n")[0]: cell for cell in notebook.cells if cell.cell_type == "code"}


def test_the_example_is_stored_without_outputs() -> None:
    """Outputs in the repository would grow old, and differ at each run."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert cell.cell_type == "markdown" or (cell.outputs, cell.execution_count) == ([], None)


def test_the_example_runs(example: Any) -> None:
    """Nothing is printed to the error stream, and results are tables and a drawing."""
    for cell in example.values():
        assert not [output for output in cell.outputs if output.output_type in ("stream", "error")], cell.source
    (drawing,) = outputs(example["router.timeline()"], "image/svg+xml")
    assert "working" in drawing and "<svg" in drawing
    assert "completed" in "".join(
        text for first, cell in example.items() if first.startswith("tasks =") for text in outputs(cell, "text/html")
    )
    (history,) = outputs(example["alice.history"], "text/html")
    assert "reservation_created" in history


def test_attributes_are_shown_only_where_asked_for(example: Any) -> None:
    """A saved notebook has the attributes of one cell only."""
    shown = {first for first, cell in example.items() for text in outputs(cell, "text/html") if "languages" in text}
    assert shown == {"alice.show(attributes=True)"}


def test_the_panels_of_the_example_show_the_end(example: Any) -> None:
    """Their cells have one output each, which was updated in place while later cells ran."""
    (worker,) = outputs(example["mine = alice.live()"], "text/html")
    assert "disconnected" in worker and "complete_task()" in worker
    (router,) = outputs(example["panel = router.live()"], "text/html")
    assert "Bob" in router and re.search("WT[0-9a-f]{32}", router)


def test_a_panel_is_updated_in_place_and_stops() -> None:
    """Its thread ends with ``stop()``; what happens afterwards is not shown."""
    notebook = run(
        PANEL,
        "panel = alice.live()",
        "task = bench.router.create_task()\neventually(lambda: alice.reservations)",
        "panel.stop()\npanel.stop()\nassert not panel.running and repr(panel) == '<LivePanel stopped>'",
        "bench.router.set_activity('Alice', 'Offline')\n"
        "eventually(lambda: alice.activity_name == 'Offline')\nalice.disconnect()\nbench.__exit__(None, None, None)",
    )
    (shown,) = outputs(notebook.cells[1], "text/html")
    assert "1 open reservations" in shown and "Available" in shown and "Offline" not in shown
    assert len(notebook.cells[1].outputs) == 1


@pytest.mark.parametrize("end", ["alice.disconnect()", "bench.router.stop()"])
def test_panels_end_by_themselves(end: str) -> None:
    """A worker's panel ends when it is disconnected, a router's when that is stopped; neither keeps a thread."""
    panel = "panel = alice.live()" if end.startswith("alice") else "panel = bench.router.live()"
    run(PANEL, panel, end, "eventually(lambda: not panel.running, 30)\npanel.stop()")


def test_a_panel_may_come_before_the_connection() -> None:
    """It waits for the worker, and shows it once it is connected."""
    notebook = run(
        PANEL,
        "from twilio_taskrouter_worker import Worker\nbench.router.add_worker('Bob')\n"
        "bob = Worker(bench.router.token('Bob'), **bench.router.connection)",
        "panel = bob.live()",
        "assert panel.running\nbob.connect()",
        "bob.disconnect()\neventually(lambda: not panel.running, 30)",
    )
    (shown,) = outputs(notebook.cells[2], "text/html")
    assert re.search(r"Worker &#x27;Bob&#x27; WK\w+", shown)


def test_a_storm_of_events_is_a_few_updates() -> None:
    """However much happens, the notebook gets at most one update in a quarter of a second."""
    notebook = run(
        PANEL,
        COUNT,
        "import time\nbegin = time.monotonic()\npanel = alice.live()",
        STORM,
        "panel.stop()\ntook = time.monotonic() - begin",
        "assert 1 <= len(updates) <= took / live.INTERVAL + 2, (len(updates), took)",
        "alice.disconnect()\nbench.__exit__(None, None, None)",
    )
    assert len(notebook.cells[2].outputs) == 1
