"""The table that the processes share: what is on the desk, and what TaskRouter reported."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Any, cast

from flask import Flask, current_app, g

SCHEMA = """
create table if not exists jobs (task_sid text primary key, attributes text, open integer, taken integer);
create table if not exists events (sid text primary key, type text, description text);
"""


def prepare(app: Flask) -> None:
    """Create the tables, and close each connection at the end of its request, or callback of the worker."""
    connection = sqlite3.connect(app.config["DATABASE"])
    connection.executescript(SCHEMA)
    connection.close()
    app.teardown_appcontext(disconnect)


def database() -> sqlite3.Connection:
    """Return the connection of this request, or callback."""
    if "database" not in g:
        g.database = sqlite3.connect(current_app.config["DATABASE"], isolation_level=None, timeout=30)
    return cast("sqlite3.Connection", g.database)


def disconnect(error: BaseException | None) -> None:
    """Close the connection, if one was made."""
    connection = g.pop("database", None)
    if connection is not None:
        connection.close()


def put(task_sid: str, attributes: Mapping[str, Any]) -> None:
    """Put a task on the desk; one that is there already, after a restart, counts as taken once more."""
    database().execute(
        "insert into jobs values (?, ?, 1, 1) on conflict (task_sid) do update set taken = taken + 1",
        (task_sid, json.dumps(attributes)),
    )


def close(task_sid: str) -> None:
    """Take a task off the desk."""
    database().execute("update jobs set open = 0 where task_sid = ?", (task_sid,))


def close_others(open_sids: set[str]) -> None:
    """Take every task but these off the desk."""
    for sid, _ in on_the_desk():
        if sid not in open_sids:
            close(sid)


def on_the_desk() -> list[tuple[str, str]]:
    """Return the sid and the attributes of each open task."""
    return database().execute("select task_sid, attributes from jobs where open order by rowid").fetchall()


def report(sid: str, kind: str, description: str) -> None:
    """Note an event; one that TaskRouter repeats is noted once."""
    database().execute("insert or ignore into events values (?, ?, ?)", (sid, kind, description))


def latest_events() -> list[str]:
    """Return the descriptions of the latest events, newest first."""
    rows = database().execute("select description from events order by rowid desc limit 10").fetchall()
    return [description for (description,) in rows]
