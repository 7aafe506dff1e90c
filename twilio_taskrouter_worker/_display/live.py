"""Panels in a notebook that are updated in place."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from ..errors import StateError
from .tables import Description

__all__ = ["LivePanel"]

INTERVAL = 0.25
"""Minimum interval between two updates of a panel in seconds; nothing is sent while nothing has changed."""


class LivePanel:
    """A view in the output of a notebook cell that is updated in place, on a daemon thread of its own.

    It ends with :meth:`stop`, or by itself when its subject has ended; its last state stays in the notebook.

    Args:
        view: Makes the view; called on the calling thread once, and then on the panel's thread.
        ended: Returns whether its subject has ended, so that this view is the last one.
        name: Name of the thread.

    Raises:
        ImportError: IPython is not installed.
        StateError: This is not a notebook.
    """

    def __init__(self, view: Callable[[], Description], ended: Callable[[], bool], name: str) -> None:
        display = _display_function()
        self._view = view
        self._ended = ended
        self._stopping = threading.Event()
        self._shown = _bundle(view())
        self._handle = display(self._shown, raw=True, display_id=True)
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def __repr__(self) -> str:
        return f"<LivePanel {'running' if self.running else 'stopped'}>"

    def _ipython_display_(self) -> None:
        """Show nothing where it is the value of a cell: its output is there already."""

    @property
    def running(self) -> bool:
        """Whether it is still updated."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Update it once more, and end its thread; idempotent. Blocks until then, usually some milliseconds."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        last = False
        while not last:
            # Asked for before the view is made: the last view must show the end.
            last = self._stopping.wait(INTERVAL) or self._ended()
            try:
                shown = _bundle(self._view())
            except StateError:
                return  # its subject has ended meanwhile
            # An update makes the browser lay out the cell anew.
            if shown != self._shown:
                self._shown = shown
                self._handle.update(shown, raw=True)


def _bundle(view: Description) -> dict[str, str]:
    return {"text/plain": str(view), "text/html": view._repr_html_()}


def _display_function() -> Any:
    try:
        from IPython import get_ipython
        from IPython.display import display
    except ImportError:
        raise ImportError(
            'live() shows a panel in a notebook, which takes IPython: pip install "twilio_taskrouter_worker[jupyter]"'
        ) from None
    # A terminal cannot update what it has printed: each update would be one more block of text.
    if not hasattr(get_ipython(), "kernel"):
        raise StateError("live() shows a panel in a notebook, and this is none; print(worker.show()) works anywhere")
    return display
