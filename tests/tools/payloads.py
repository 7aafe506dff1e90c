"""The example payloads under tests/data/payloads, loaded afresh at each use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

DIRECTORY = Path(__file__).resolve().parent.parent / "data" / "payloads"


def load(name: str) -> Any:
    """Return the example called ``name`` (without ``.json``); each call gives a copy of its own."""
    return json.loads((DIRECTORY / f"{name}.json").read_text(encoding="utf-8"))


def event(event_type: str) -> Any:
    """Return the payload (not the frame) of the example event ``event_type``."""
    return load(f"event.{event_type}")["payload"]
