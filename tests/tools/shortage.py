"""A system that has no threads left."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

__all__ = ["refuse_threads"]


def refuse_threads(monkeypatch: pytest.MonkeyPatch, refused: Callable[[str], bool]) -> None:
    """Let the system refuse threads of some names, as CPython reports it.

    Args:
        monkeypatch: Undoes it.
        refused: Whether the thread of a name is refused; asked at each start.
    """
    begin = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if refused(thread.name):
            raise RuntimeError("can't start new thread")
        begin(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
