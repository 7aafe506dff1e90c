"""What must become of a frame or an answer, said a second time, from the tables of the protocol.

It shares nothing with the client but Python's JSON parser: kinds and keys come from ``tests.data``.
"""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import Any

from tests.data.attributes import TABLES
from tests.data.events import EVENTS

_FIRST_SECOND = datetime(1, 1, 1, tzinfo=timezone.utc).timestamp()
_LAST_SECOND = datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone.utc).timestamp()
_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:?\d\d)", re.ASCII)
_EVENTS = {event.type: event for event in EVENTS}


class Fate(enum.Enum):
    """What becomes of something that arrives."""

    REPORT = "reported as an error, and nothing changes"
    IGNORE = "passed over without a word"
    USE = "used, or passed over because something newer is known"
    ANY = "reported or used: the protocol does not say"


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError("a number beyond all floats is not one that JSON text could be made of again")
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def parsed(data: bytes) -> Any:
    """Parse strict JSON in UTF-8; ValueError where it is not that."""
    try:
        return json.loads(data.decode("utf-8"), parse_constant=_no_constant, parse_float=_finite)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def accepts(kind: str, value: Any) -> bool | None:
    """Whether a value is of a kind; None where the protocol leaves it open."""
    if isinstance(value, bool):
        return kind in ("boolean", "0 or 1")
    if value is None:
        return kind in ("text or null", "integer or null", "JSON text", "seconds", "milliseconds")
    if kind in ("text", "text or null"):
        return isinstance(value, str)
    if kind == "0 or 1":
        return (value in (0, 1) or None) if isinstance(value, int) else False
    if kind in ("integer", "integer or null"):
        return isinstance(value, int)
    if kind == "version":
        return _version(value)
    if kind == "JSON text":
        return isinstance(value, str) and _object_text(value)
    if kind in ("seconds", "milliseconds"):
        return _date(value, 1000 if kind == "milliseconds" else 1) is not None
    assert kind == "boolean", kind
    return False


def _version(value: Any) -> bool | None:
    if isinstance(value, str):
        return re.fullmatch("[0-9]{1,4000}", value) is not None
    return (value >= 0 or None) if isinstance(value, int) else False


def _object_text(text: str) -> bool:
    if not text:
        return True
    try:
        return isinstance(json.loads(text, parse_constant=_no_constant, parse_float=_finite), dict)
    except (ValueError, RecursionError):
        return False


def _date(value: Any, scale: int) -> datetime | None:
    if isinstance(value, str):
        try:
            found = datetime.fromisoformat(value.replace("Z", "+00:00")) if _ISO.fullmatch(value) else None
            return None if found is None else datetime.fromtimestamp(found.timestamp(), timezone.utc)
        except (ValueError, OverflowError):
            return None
    if not isinstance(value, (int, float)) or not _FIRST_SECOND * scale <= value <= _LAST_SECOND * scale:
        return None
    return datetime.fromtimestamp(value / scale, timezone.utc)


def fits(owner: str, payload: Any, without: Iterable[str] = ()) -> bool | None:
    """Whether a payload has all that its kind of resource needs; ``without`` are keys it may lack."""
    if not isinstance(payload, dict):
        return False
    open_question = False
    for row in TABLES[owner]:
        if row.key not in payload:
            if row.required and row.key not in without:
                return False
            continue
        verdict = _part(row.kind, payload[row.key], row.required)
        if verdict is False:
            return False
        open_question |= verdict is None
    return None if open_question else True


def _part(kind: str, value: Any, required: bool) -> bool | None:
    if value is None and not required:
        return True
    if kind == "task of":
        return True  # needed, and so checked, in events only
    if kind == "task":
        return fits("Task", value)
    return fits("Transfer", value) if kind == "transfer" else accepts(kind, value)


def frame_fate(data: bytes, known: Mapping[str, Any]) -> Fate:
    """What must become of a text frame; ``known`` are the sids there are: worker, activities, channels, and
    reservations with the sid of their task."""
    if not data or data.isspace():
        return Fate.IGNORE
    try:
        message = parsed(data)
    except ValueError:
        return Fate.REPORT
    if not isinstance(message, dict) or not isinstance(message.get("event_type"), str):
        return Fate.REPORT
    return event_fate(message["event_type"], message.get("payload"), known)


def event_fate(event_type: str, payload: Any, known: Mapping[str, Any]) -> Fate:
    """The same for an event."""
    event = _EVENTS.get(event_type)
    if event is None:
        return Fate.IGNORE
    if event.payload == "anything":
        return Fate.USE
    verdict = fits(event.payload, payload)
    if verdict is False or (event.payload == "Transfer" and not isinstance(payload.get("task_sid"), str)):
        return Fate.REPORT
    return Fate.ANY if verdict is None else _target_fate(event_type, event.unknown, payload, known)


def _target_fate(event_type: str, unknown: str, payload: dict[str, Any], known: Mapping[str, Any]) -> Fate:
    """A good payload: is what it is about there?"""
    if event_type.startswith("worker.capacity") or event_type.startswith("worker.channel"):
        return Fate.USE if payload["sid"] in known["channels"] else Fate.REPORT
    if event_type.startswith("worker."):
        good = payload["sid"] == known["worker"]
        if event_type == "worker.attributes.update" and payload["activity_sid"] not in known["activities"]:
            return Fate.ANY if good else Fate.REPORT
        return Fate.USE if good and payload["activity_sid"] in known["activities"] else Fate.REPORT
    if event_type.startswith("task.transfer-"):
        task_sid = known["reservations"].get(payload["initiating_reservation_sid"])
        return Fate.USE if task_sid == payload["task_sid"] else Fate.IGNORE
    if event_type.startswith("task."):
        return Fate.USE if payload["sid"] in known["tasks"] else Fate.IGNORE
    if payload["sid"] in known["reservations"]:
        return Fate.USE if payload["task"]["sid"] == known["reservations"][payload["sid"]] else Fate.REPORT
    if unknown == "new":
        return Fate.USE
    if payload["sid"] in known["ended"]:
        return Fate.ANY  # after a while it is forgotten
    return Fate.IGNORE if unknown == "ignored" else Fate.REPORT


def wrong_changes(owner: str, before: Mapping[str, Any], after: Mapping[str, Any], payload: Any) -> list[str]:
    """Attributes that have changed to something the payload does not say; both sides as ``to_dict`` gives them."""
    found = []
    if owner == "Reservation" and "task" in after:
        was, now = (each.get("task", {}).get("transfers", {}).get("outgoing") or {} for each in (before, after))
        found += wrong_changes("Transfer", was, now, payload.get("active_outgoing_task_transfer"))
    for row in TABLES[owner]:
        for name in row.names if row.kind != "task of" else ():
            if name not in after or after[name] == before.get(name):
                continue
            if row.kind == "task":
                found += wrong_changes("Task", before.get(name, {}), after[name], payload.get(row.key))
            elif row.kind == "transfer":
                found += wrong_changes("Transfer", before.get(name) or {}, after[name] or {}, payload.get(row.key))
            elif row.key not in (payload or {}) or after[name] != _shown(row.kind, payload[row.key]):
                found.append(f"{owner}.{name} is {after[name]!r:.80}")
    return found


def _shown(kind: str, value: Any) -> Any:
    if kind == "JSON text":
        return json.loads(value) if value else {}
    if kind == "version":
        return str(int(value))
    if kind == "0 or 1":
        return bool(value)
    if kind in ("seconds", "milliseconds") and value is not None:
        date = _date(value, 1000 if kind == "milliseconds" else 1)
        return date and date.isoformat()
    return value
