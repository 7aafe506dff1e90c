"""The requests of one page over its websocket: watch a task or the wire, create tasks, show an earlier moment."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from ...._json import loads
from ...._log import LOCAL as log
from ....errors import TaskRouterError
from ...engine import Rejected
from ..service import Service
from . import life, timers
from .board import Board
from .facade import Facade, Past
from .inspector import Inspector
from .rows import Encoded, encoded
from .streams import Streams
from .viewer import Viewer

WATCH_SECONDS = 1.0
"""The shortest time between two explanations of the watched task."""
WATCH_SHARE = 0.05
"""The largest share of the loop's time that explanations may take: with many workers they come less often."""

MOST_REFUSALS = 100
"""How many answers to invalid messages may wait for a page that does not read; newer ones replace the oldest."""


class Present(Protocol):
    """The present, as it is shown to all pages."""

    def select(self, viewer: Viewer, workspace_sid: str | None) -> None:
        """Show a page a workspace of the present; None: the one that is shown first."""
        ...

    def clock(self) -> Iterator[Encoded]:
        """Iterate over the fields of the clock."""
        ...

    def base(self) -> str:
        """Return the fields that each snapshot begins with."""
        ...


class Conversation:
    """The messages of one page. Belongs to the service's loop.

    Args:
        present: The view that all pages share.
        viewer: Sends it the messages.
        service: The service.
        router: The router around the service.
        inspector: The entries of the wire.
    """

    def __init__(
        self, present: Present, viewer: Viewer, service: Service, router: Facade, inspector: Inspector
    ) -> None:
        self.viewer = viewer
        self._present = present
        self._service = service
        self._router = router
        self._wire = inspector.feed(lambda make: viewer.put("wire", make))
        self._streams = Streams(service, self._streams_changed)
        # Streams belong to the page, not to the workspace, whose snapshot all its viewers share.
        viewer.own = lambda: [f'"streams":{encoded(self._streams.rows())}']
        self._refusals = itertools.count()
        self._watched: str | None = None
        self._watch_handle: asyncio.TimerHandle | None = None
        self._watch_due = 0.0
        self._past: Past | None = None
        """The moment that is shown; None: the present."""
        self._wanted: list[Any] = []
        """The moment that is to be shown next, if any; a slider asks for many."""
        self._travel: asyncio.Task[None] | None = None

    def end(self) -> None:
        """Stop everything that was done for the page, which has gone."""
        self._wire.switch(on=False)
        self._streams.end_all()
        for handle in (self._watch_handle, self._travel):
            if handle is not None:
                handle.cancel()

    def received(self, text: str) -> None:
        """Handle a message of the page; an invalid one is answered with the reason.

        Args:
            text: The message.
        """
        kind = None
        try:
            message = loads(text)
            kind = message.get("type") if isinstance(message, dict) else None
            handle = _MESSAGES.get(kind) if isinstance(kind, str) else None
            if handle is None:
                raise ValueError(f"The type of a message must be one of {', '.join(_MESSAGES)}")
            handle(self, message)
        except (Rejected, ValueError) as error:
            self._refuse(kind, error)

    def changed(self) -> None:
        """Explain the watched task again, soon: the engine has changed."""
        if self._watched is not None and self._watch_handle is None and self._past is None:
            self._watch_handle = self._service.loop.call_at(self._watch_due, self._explain)

    def _refuse(self, kind: object, error: Exception) -> None:
        reason = error.message if isinstance(error, (Rejected, TaskRouterError)) else str(error)
        text = encoded({"type": "error", "message": reason, "in_reply_to": kind})
        number = next(self._refusals) % MOST_REFUSALS
        self.viewer.put(f"error {number}", lambda: text)

    # -- messages ------------------------------------------------------------------------------------------------------

    def select(self, message: dict[str, Any]) -> None:
        """Show another workspace.

        Raises:
            Rejected: There is no such workspace.
        """
        self._present.select(self.viewer, str(message.get("workspace")))
        # After the selection, which may be refused: then the past stays as it is.
        self._past = None
        self._wanted.clear()
        # A moment that is on its way would replace the workspace just chosen.
        if self._travel is not None:
            self._travel.cancel()
            # It ends in a later turn: the wish after this message must not be left to it.
            self._travel = None

    def watch(self, message: dict[str, Any]) -> None:
        """Report the life of a task, and why it is where it is.

        Raises:
            ValueError: The task is not a text.
        """
        sid = message.get("task")
        if sid is not None and not isinstance(sid, str):
            raise ValueError("task must be the sid of a task, or null")
        # Also of an unknown task, which may be created later.
        self._watched = sid
        if self._watch_handle is not None:
            self._watch_handle.cancel()
        if sid is not None:
            self._explain()

    def switch_wire(self, message: dict[str, Any]) -> None:
        """Begin or stop to send the entries of the inspector."""
        self._wire.switch(on=message.get("on") is True)

    def stream(self, message: dict[str, Any]) -> None:
        """Begin a stream of tasks.

        Raises:
            ValueError: It is not the present of a workspace, or a parameter of the stream is invalid.
        """
        board = self.viewer.board
        if board is None or self._past is not None or self._router.read_only:
            raise ValueError("Tasks can be created in a workspace of the present only")
        self._streams.begin(board.workspace_sid, message.get("per_minute"), message.get("task"))

    def stop_stream(self, message: dict[str, Any]) -> None:
        """End a stream of tasks.

        Raises:
            ValueError: There is no such stream.
        """
        self._streams.end(message.get("id"))

    def view(self, message: dict[str, Any]) -> None:
        """Show an earlier moment, or the present again."""
        # Only the latest wish counts: dragging a slider sends more of them than can be shown.
        self._wanted = [message.get("moment")]
        if self._travel is None or self._travel.done():
            self._travel = self._service.loop.create_task(self._go())

    # -- what they lead to ---------------------------------------------------------------------------------------------

    def _streams_changed(self, rows: list[dict[str, Any]]) -> None:
        self.viewer.change(",".join([*self._present.clock(), f'"streams":{encoded(rows)}']))

    def _explain(self) -> None:
        self._watch_handle = None
        self.viewer.put("task", self._explained)

    def _explained(self) -> Encoded | None:
        """Return the message about the watched task, as of now; None: there is none."""
        board = self.viewer.board
        if self._watched is None or board is None:
            return None
        engine = self._service.engine if self._past is None else self._past.engine
        begun = self._service.loop.time()
        document = life.of_task(engine, self._service.log, board.workspace_sid, self._watched)
        try:
            text = encoded({"type": "task", **document, "task": board.row("tasks", self._watched)})
        except Rejected:
            return None  # the workspace was deleted, and another one is shown soon
        ended = self._service.loop.time()
        self._watch_due = ended + max(WATCH_SECONDS, (ended - begun) / WATCH_SHARE)
        return text

    async def _go(self) -> None:
        """Go to the wanted moment, and on to the next one if another was wanted meanwhile."""
        while self._wanted:
            moment = self._wanted.pop()
            workspace_sid = None if self.viewer.board is None else self.viewer.board.workspace_sid
            try:
                if moment is None:
                    self._past = None
                    self._present.select(self.viewer, workspace_sid)
                else:
                    await self._show(moment, workspace_sid)
                self._explain()
            except (Rejected, TaskRouterError, ValueError, TypeError) as error:
                self._refuse("view", error)
            except Exception:
                log.exception("An earlier moment could not be shown")

    async def _show(self, moment: int, workspace_sid: str | None) -> None:
        past = await asyncio.to_thread(self._router.at, moment)
        # The slider has moved on meanwhile: this moment would only flash up.
        if self._wanted:
            return
        there = {workspace.sid for workspace in past.engine.workspaces()}
        sid = workspace_sid if workspace_sid in there else past.workspace_sid
        if sid is None:
            raise ValueError(f"There was no workspace at the moment {moment}")
        # On another thread: nobody else has this engine, and writing all of its rows takes time.
        board, text = await asyncio.to_thread(_snapshot_of, past, sid)
        self._past = past
        self.viewer.show(board, lambda: f"{self._present.base()},{text}")


def _snapshot_of(past: Past, workspace_sid: str) -> tuple[Board, Encoded]:
    board = Board(past.engine, workspace_sid)
    while not board.scan(limit=1_000_000).whole:
        pass
    facts = {
        "moment": past.number,
        "whole": True,
        "now": past.time,
        "running": False,
        "timers": timers.rows(past.engine, workspace_sid),
        "faults": [],
        # Statistics are counted from facts, which a past engine does not have.
        "totals": None,
        "info": past.info,
    }
    fields = [f'"{name}":{encoded(value)}' for name, value in facts.items()]
    return board, ",".join([*fields, *board.fields()])


_MESSAGES: dict[str, Callable[[Conversation, dict[str, Any]], None]] = {
    "select": Conversation.select,
    "watch": Conversation.watch,
    "wire": Conversation.switch_wire,
    "stream": Conversation.stream,
    "stream_stop": Conversation.stop_stream,
    "view": Conversation.view,
}
