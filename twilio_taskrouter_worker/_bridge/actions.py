"""The actions that the session requests from its owner. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from ..errors import TaskRouterError
from .messages import Init
from .reload import Snapshot

__all__ = [
    "Action",
    "Connect",
    "Deliver",
    "Finish",
    "Abort",
    "LookUp",
    "Notify",
    "ReadLists",
    "Ready",
    "RenewToken",
    "SendClose",
    "SetActivity",
    "TakeOver",
]


@attrs.frozen
class Connect:
    """Open a websocket with this query, then call ``opened`` or ``connect_failed``."""

    # It has the token.
    query: tuple[tuple[str, str], ...] = attrs.field(repr=False)


@attrs.frozen
class Abort:
    """Abort the socket; nothing more is read from it."""


@attrs.frozen
class SendClose:
    """Send a close frame; nothing that is read after it counts."""


@attrs.frozen
class ReadLists:
    """Read the worker and its lists, then call ``lists_read`` or ``load_failed`` with this generation."""

    generation: int
    init: Init


@attrs.frozen
class SetActivity:
    """Move the worker to the activity chosen for connecting, then call ``activity_set`` or ``activity_failed``.

    ``insists``: It may be a name, and connecting fails if it cannot be set.
    """

    generation: int
    init: Init
    activity: str
    insists: bool
    # Customers' data, as are frames.
    snapshot: Snapshot = attrs.field(repr=False)


@attrs.frozen
class LookUp:
    """Read these reservations one by one, then call ``looked_up``."""

    generation: int
    init: Init
    sids: Sequence[str]


@attrs.frozen
class TakeOver:
    """After all that was delivered: call ``missing``, or else apply the snapshot and call ``loaded``."""

    generation: int
    init: Init
    snapshot: Snapshot = attrs.field(repr=False)


@attrs.frozen
class Ready:
    """The worker is ready: settle the Futures that wait for it, and fire ``ready``."""


@attrs.frozen
class Deliver:
    """Pass these frames to the dispatch thread, in order."""

    frames: Sequence[str | bytes] = attrs.field(repr=False)


@attrs.frozen
class Notify:
    """Fire a public event of the worker."""

    event: str
    args: tuple[Any, ...] = ()


@attrs.frozen
class RenewToken:
    """Ask the token provider, then call ``token_changed`` or ``renewal_failed``."""


@attrs.frozen
class Finish:
    """The connection has ended for good; the Futures that wait for it fail with the error."""

    error: TaskRouterError


Action = (
    Connect
    | Abort
    | SendClose
    | ReadLists
    | SetActivity
    | LookUp
    | TakeOver
    | Ready
    | Deliver
    | Notify
    | RenewToken
    | Finish
)
