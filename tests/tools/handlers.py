"""Handlers for executors of other processes, which find them here by name."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

from twilio_taskrouter_worker import Complete, Reject, ReservationHandle, Transfer, WrapUp

PATIENCE = 30.0


def where(handle: ReservationHandle) -> str:
    """Complete with the process in which it ran, and what the snapshot has."""
    return f"{os.getpid()} {handle.snapshot['status']} {handle.snapshot['task']['attributes']['order']}"


def as_asked(handle: ReservationHandle) -> Any:
    """Return what the task's attributes ask for."""
    asked = handle.snapshot["task"]["attributes"]
    if asked["do"] == "raise":
        raise ValueError(asked["value"])
    if asked["do"] == "accept":
        handle.accept().result(PATIENCE)
        return asked["value"]
    if asked["do"] == "accept and reject":
        handle.accept().result(PATIENCE)
        return Reject(asked["value"])
    makes: dict[str, Any] = {"complete": Complete, "reject": Reject, "transfer": Transfer, "wrap up": WrapUp}
    return makes[asked["do"]](asked["value"]) if asked["do"] in makes else asked["value"]


def note(folder: str, given: Any) -> None:
    """Write down what a callback got."""
    Path(folder, f"{time.monotonic_ns()}-{os.getpid()}").write_text(repr(given), encoding="utf-8")


def die_at_first(folder: str, handle: ReservationHandle) -> str:
    """Kill the process at the first run for a task; complete in the second."""
    try:
        Path(folder, handle.task_sid).touch(exist_ok=False)
    except FileExistsError:
        return "second run"
    os.kill(os.getpid(), signal.SIGKILL)
    threading.Event().wait()
    raise AssertionError("the process is still there")
