"""Frames of the websocket, parsed and validated. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from .._json import NotUtf8, loads
from ..errors import InvalidMessageError

__all__ = ["CLOSE_SESSION_REPLACED", "EVENT_TYPES", "INIT", "Init", "Message", "parse", "read_init"]

INIT = "init"

EVENT_TYPES = frozenset(
    {
        "worker.activity.update",
        "worker.attributes.update",
        "worker.capacity.update",
        "worker.channel.availability.update",
        "reservation.created",
        "reservation.failed",
        "reservation.accepted",
        "reservation.wrapup",
        "reservation.completed",
        "reservation.rejected",
        "reservation.timeout",
        "reservation.canceled",
        "reservation.rescinded",
        "task.updated",
        "task.canceled",
        "task.completed",
        "task.wrapup",
        "task.transfer-initiated",
        "task.transfer-attempt-failed",
        "task.transfer-failed",
        "task.transfer-completed",
        "task.transfer-canceled",
    }
)
"""The 22 event types of the wire, besides ``init``."""

CLOSE_SESSION_REPLACED = 4001
"""Close code of the local TaskRouter for a session that a newer one replaced (``close_existing_sessions``).

Twilio's own code for this is not published. Reconnecting would start a duel between two clients, so it is not done.
"""


@attrs.define
class Message:
    """One event frame. Not to be changed; not frozen either, as one is made for each event."""

    event_type: str
    payload: Any = attrs.field(repr=False)


@attrs.frozen
class Init:
    """The first message of each connection: the worker that the token identifies."""

    worker_sid: str
    account_sid: str
    workspace_sid: str
    token_lifetime: float | None
    """Seconds until the token expires, by the service's clock; None if it was not sent."""


def parse(frame: str | bytes) -> Message | None:
    """Parse one text frame.

    Args:
        frame: The frame.

    Returns:
        The message; None for a heartbeat, i.e. white space only.

    Raises:
        InvalidMessageError: It is not ``{"event_type": string, "payload": ...}``. The text never quotes the frame,
            which contains customers' data.
    """
    # A heartbeat, which comes every 15 s.
    if not frame or frame.isspace():
        return None
    try:
        value = loads(frame)
    except NotUtf8:
        raise InvalidMessageError(f"A frame of {len(frame)} bytes is not UTF-8 text") from None
    except ValueError:
        raise InvalidMessageError(f"The JSON message received was malformed ({len(frame)} bytes)") from None
    if not isinstance(value, dict):
        raise InvalidMessageError(f"A message must be a JSON object, this one is a {type(value).__name__}")
    event_type = value.get("event_type")
    if not isinstance(event_type, str):
        raise InvalidMessageError("A message came without an 'event_type' string")
    return Message(event_type, value.get("payload"))


def read_init(payload: Any) -> Init:
    """Validate the payload of ``init``.

    Args:
        payload: The payload.

    Returns:
        The sids and the token's lifetime.

    Raises:
        InvalidMessageError: A sid is missing.
    """
    if not isinstance(payload, Mapping):
        raise InvalidMessageError("The init message came without a payload object")
    sids: list[str] = []
    # ``channel_id`` is the sid of the worker.
    for key in ("channel_id", "account_sid", "workspace_sid"):
        value = payload.get(key)
        if not isinstance(value, str) or not value:
            raise InvalidMessageError(f"The init message should name {key!r} as a string")
        sids.append(value)
    # In milliseconds. Without a usable one the token's own ``exp`` counts, so it is not an error.
    lifetime = payload.get("token_lifetime")
    known = isinstance(lifetime, (int, float)) and not isinstance(lifetime, bool) and 0 <= lifetime < 1e15
    worker_sid, account_sid, workspace_sid = sids
    return Init(worker_sid, account_sid, workspace_sid, lifetime / 1000 if lifetime is not None and known else None)
