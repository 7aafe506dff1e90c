"""The entries of the inspector as the page shows them: a row for the list, and everything about one."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from typing import Any

from .copying import as_client, as_curl, as_python
from .secrets import Secrets
from .wire import Exchange

_WORKER = re.compile(r"Workers/(WK[0-9a-fA-F]{32})")
_EVENT_TYPE = re.compile(rb'"event_type":\s*"([\w.-]{1,60})"')
_EVENT_OF_FORM = re.compile(rb"(?:^|&)EventType=([\w.%-]{1,60})")


def row(entry: Exchange, secrets: Secrets) -> dict[str, Any]:
    """Return an entry for the list.

    Args:
        entry: The entry.
        secrets: Hides confidential values.
    """
    path = secrets.query(entry.path)
    worker = entry.worker_sid
    if worker is None and (found := _WORKER.search(path)):
        worker = found.group(1)
    return {
        "n": entry.number,
        "at": entry.at,
        "kind": entry.kind,
        "console": entry.console,
        "method": entry.method,
        "path": path,
        "status": entry.status,
        "ms": None if entry.milliseconds is None else round(entry.milliseconds, 2),
        "bytes": entry.size,
        "worker_sid": worker,
        "summary": _summary(entry),
    }


def detail(entry: Exchange, secrets: Secrets, base: str) -> dict[str, Any]:
    """Return everything about an entry.

    Args:
        entry: The entry.
        secrets: Hides confidential values.
        base: The root of the service, such as ``http://127.0.0.1:4100``.
    """
    return {
        **row(entry, secrets),
        "address": entry.address,
        "problem": entry.problem,
        "request": _side(entry.sent_headers, entry.sent, entry.truncated, secrets),
        "response": {
            **_side(entry.received_headers, entry.received, entry.truncated, secrets),
            "status": entry.status,
        },
        "copy": {
            "curl": as_curl(entry, secrets, base),
            "python": as_python(entry, secrets, base),
            "client": as_client(entry, secrets, base),
        },
    }


def _side(headers: Iterable[tuple[str, str]], body: bytes, truncated: bool, secrets: Secrets) -> dict[str, Any]:
    try:
        text, encoding = secrets.body(body.decode()), "text"
    except UnicodeDecodeError:
        # Cut off within a character, or not text at all.
        if truncated:
            text, encoding = secrets.body(body.decode(errors="ignore")), "text"
        else:
            text, encoding = base64.b64encode(body).decode(), "base64"
    return {"headers": secrets.headers(headers), "body": text, "truncated": truncated, "encoding": encoding}


def _summary(entry: Exchange) -> str:
    if entry.kind == "frame":
        # Searched for, not parsed: a list of 500 rows would parse 500 documents to show a word of each.
        found = _EVENT_TYPE.search(entry.received)
        return found.group(1).decode() if found else ""
    if entry.kind == "webhook":
        found = _EVENT_OF_FORM.search(entry.sent)
        return entry.problem or (found.group(1).decode() if found else "assignment")
    if entry.status is not None and entry.status >= 400:
        # The reason is what people look for in a failed request, so it stands in the list.
        message = re.search(rb'"message":\s*"((?:[^"\\]|\\.){1,200})', entry.received)
        return message.group(1).decode(errors="replace") if message else ""
    return ""
