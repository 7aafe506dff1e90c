"""Live panels in a notebook that is only pretended: when they are updated, and when they end.

``tests/interop/test_notebook.py`` shows them in a real kernel, which takes packages that not everybody has.
"""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from tests.tools.wait import eventually, no_leftover_threads
from twilio_taskrouter_worker import StateError, Worker
from twilio_taskrouter_worker._display import live
from twilio_taskrouter_worker.local import LocalTaskRouter


class Notebook:
    """Stands in for IPython: it notes what a cell shows."""

    def __init__(self) -> None:
        self.kernel = object()
        self.shown: list[dict[str, str]] = []

    def display(self, shown: dict[str, str], **options: Any) -> Notebook:
        """Note what is shown, raw, by somebody who will update it."""
        assert options == {"raw": True, "display_id": True}
        self.shown.append(shown)
        return self

    def update(self, shown: dict[str, str], *, raw: bool) -> None:
        """Note an update, raw too."""
        assert raw
        self.shown.append(shown)

    def says(self, text: str) -> bool:
        """Whether the output of the cell has this text now, as text and as HTML."""
        return all(text in form for form in self.shown[-1].values())


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Notebook:
    """A notebook whose panels are updated at once."""
    notebook = Notebook()
    names: dict[str, dict[str, Any]] = {
        "IPython": {"get_ipython": lambda: notebook},
        "IPython.display": {"display": notebook.display},
    }
    for name, members in names.items():
        module = ModuleType(name)
        vars(module).update(members)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(live, "INTERVAL", 0.01)
    return notebook


def test_the_panel_of_a_worker(router: LocalTaskRouter, notebook: Notebook) -> None:
    """It follows the worker from before the connection to its end, and then ends by itself."""
    router.add_worker("Alice", activity="Available")
    worker = Worker(router.token("Alice"), **router.connection)
    with no_leftover_threads():
        panel = worker.live()
        assert notebook.says("not connected yet") and repr(panel) == "<LivePanel running>"
        with worker:
            eventually(lambda: notebook.says("ready"))
            router.create_task()
            eventually(lambda: notebook.says("reservation_created"))
        eventually(lambda: not panel.running)
    assert notebook.says("disconnected") and repr(panel) == "<LivePanel stopped>"
    assert panel._ipython_display_() is None


def test_the_panel_of_a_router(notebook: Notebook) -> None:
    """It shows new tasks, sends nothing while nothing changes, and ends with the router."""
    with no_leftover_threads(), LocalTaskRouter() as router:
        router.clock.pause()
        panel = router.live()
        sid = router.create_task()
        eventually(lambda: notebook.says(sid))
    eventually(lambda: not panel.running)


def test_a_panel_is_stopped(router: LocalTaskRouter, notebook: Notebook) -> None:
    """It is updated once more, without its interval, and its thread has ended then; again does nothing."""
    live.INTERVAL = 60.0
    panel = router.live()
    sid = router.create_task()
    panel.stop()
    assert notebook.says(sid) and not panel.running
    shown = len(notebook.shown)
    panel.stop()
    assert len(notebook.shown) == shown


def test_a_program_without_a_notebook(router: LocalTaskRouter, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names what works anywhere."""
    shell = SimpleNamespace(get_ipython=lambda: None)
    monkeypatch.setitem(sys.modules, "IPython", shell)
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=None))
    with pytest.raises(StateError, match="this is none"):
        router.live()
