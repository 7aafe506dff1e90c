"""The console's websocket: one snapshot of a workspace, then the differences.

Nothing here costs anything while no console is open. With one, a change of the engine only starts a timer; the timer
looks for differences once for all viewers of a workspace. A viewer that reads too slowly gets a new snapshot in place
of the differences it missed, so that no queue grows.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, Final

from aiohttp import WSMsgType, web

from ...._json import loads
from ...._log import LOCAL as log
from ...engine import Rejected
from ..http import refusals
from ..http.connections import Connection
from ..service import Service
from .board import Board
from .rows import Encoded, encoded
from .status import Status
from .viewer import Viewer

LOOK_SECONDS: Final = 0.1
"""The shortest time between two looks: ten messages a second are smooth."""
STATUS_SECONDS: Final = 1.0
"""How often everything that is not in the engine's records is compared: timers, faults, totals."""
MOST_VIEWERS: Final = 50
LARGEST_MESSAGE: Final = 256 * 1024
"""The longest message a page may send: a task for a stream has attributes."""
_CLOSE_SECONDS: Final = 1.0
_PING_SECONDS: Final = 20.0
"""How often a silent page is asked for a sign of life."""
_GOING_AWAY: Final = 1001


class Live:
    """The open consoles of one service. Belongs to the service's loop.

    Args:
        service: the service.
        status: the facts beside the rows.
        default: returns the workspace that is shown first; None: there is none.
    """

    def __init__(self, service: Service, status: Status, default: Callable[[], str | None]) -> None:
        self._service = service
        self._status = status
        self._default = default
        self.instance = secrets.token_hex(8)
        """Identifies this service for a page that reconnects."""
        self._boards: dict[str, Board] = {}
        """By workspace, of the present."""
        self._viewers: dict[Viewer, None] = {}
        self._look_handle: asyncio.TimerHandle | None = None
        self._status_handle: asyncio.Handle | None = None

    def __len__(self) -> int:
        return len(self._viewers)

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Accept a console's websocket, and return after it has closed.

        Args:
            request: the handshake, which was admitted.

        Raises:
            Rejected: it is not a handshake, or too many consoles are open.
        """
        if len(self._viewers) >= MOST_VIEWERS:
            raise Rejected(429, 20429, f"{MOST_VIEWERS} consoles are open already")
        socket = web.WebSocketResponse(
            timeout=_CLOSE_SECONDS, compress=False, max_msg_size=LARGEST_MESSAGE, heartbeat=_PING_SECONDS
        )
        try:
            await socket.prepare(request)
        except web.HTTPException:
            raise refusals.invalid("This address takes a websocket handshake") from None
        if isinstance(request.protocol, Connection):
            request.protocol.spare()
        viewer = Viewer(socket, self._service.committer.kept)
        sender = self._service.loop.create_task(viewer.send())
        try:
            self._join(viewer, request.query.get("workspace") or self._default())
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    self._received(viewer, message.data)
        except (ConnectionError, Rejected) as error:
            log.debug("A console was closed: %s", error)
        finally:
            self._leave(viewer)
            sender.cancel()
            with suppress(asyncio.CancelledError):
                await sender
            await socket.close()
        return socket

    async def close(self) -> None:
        """Close every console; their pages reconnect."""
        for viewer in list(self._viewers):
            with suppress(ConnectionError, RuntimeError, asyncio.TimeoutError):
                await asyncio.wait_for(
                    viewer.socket.close(code=_GOING_AWAY, message=b"The local TaskRouter is shutting down"),
                    _CLOSE_SECONDS,
                )

    # -- viewers -------------------------------------------------------------------------------------------------------

    def _join(self, viewer: Viewer, workspace_sid: str | None) -> None:
        self._viewers[viewer] = None
        self._select(viewer, workspace_sid)
        self._service.changed = self._changed
        if self._status_handle is None:
            self._status_handle = self._service.loop.call_later(STATUS_SECONDS, self._look_at_status)

    def _leave(self, viewer: Viewer) -> None:
        self._viewers.pop(viewer, None)
        self._forget_boards()
        if not self._viewers:
            self._service.changed = None
            for handle in (self._look_handle, self._status_handle):
                if handle is not None:
                    handle.cancel()
            self._look_handle = self._status_handle = None
            self._status.forget()

    def _select(self, viewer: Viewer, workspace_sid: str | None) -> None:
        """Show a workspace of the present to a viewer."""
        board = None if workspace_sid is None else self._board(workspace_sid)
        viewer.show(board, lambda: self._snapshot(board, None))
        self._forget_boards()
        self._changed()

    def _board(self, workspace_sid: str) -> Board:
        board = self._boards.get(workspace_sid)
        if board is None:
            self._service.engine.workspace(workspace_sid)
            board = self._boards[workspace_sid] = Board(self._service.engine, workspace_sid)
            board.look()
        return board

    def _forget_boards(self) -> None:
        shown = {viewer.board for viewer in self._viewers}
        self._boards = {sid: board for sid, board in self._boards.items() if board in shown}

    def _received(self, viewer: Viewer, text: str) -> None:
        """Handle a message of a page."""
        kind = None
        try:
            message = loads(text)
            kind = message.get("type") if isinstance(message, dict) else None
            handle = self._messages.get(kind) if isinstance(kind, str) else None
            if handle is None:
                raise ValueError(f"The type of the message must be one of {', '.join(self._messages)}")
            handle(self, viewer, message)
        except (Rejected, ValueError) as error:
            reason = error.message if isinstance(error, Rejected) else str(error)
            viewer.put(encoded({"type": "error", "message": reason, "in_reply_to": kind}))

    def _select_message(self, viewer: Viewer, message: dict[str, Any]) -> None:
        self._select(viewer, str(message.get("workspace")))

    _messages: Final[dict[str, Callable[[Live, Viewer, dict[str, Any]], None]]] = {"select": _select_message}

    # -- looks ---------------------------------------------------------------------------------------------------------

    def _changed(self) -> None:
        """Note that the engine may have changed; called after every command, so it must cost nothing."""
        if self._look_handle is None:
            self._look_handle = self._service.loop.call_later(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        self._look_handle = None
        for board in list(self._boards.values()):
            part = not board.whole
            try:
                difference = board.look()
            except Rejected:
                self._workspace_gone(board)
                continue
            fields = list(difference.fields())
            if part and difference.whole:
                fields.append('"whole":true')
            self._tell(board, fields)
            if not difference.whole:
                self._changed()

    def look_soon(self) -> None:
        """Compare everything now, because the console itself has changed something."""
        if self._status_handle is not None:
            self._status_handle.cancel()
            self._status_handle = self._service.loop.call_soon(self._look_at_status)
            self._changed()

    def _look_at_status(self) -> None:
        self._status_handle = self._service.loop.call_later(STATUS_SECONDS, self._look_at_status)
        for board in list(self._boards.values()):
            fields = list(self._status.changes(board.workspace_sid))
            if fields:
                self._tell(board, fields)

    def _workspace_gone(self, board: Board) -> None:
        workspace_sid = self._default()
        for viewer in [each for each in self._viewers if each.board is board]:
            self._select(viewer, workspace_sid)

    def _tell(self, board: Board, fields: Iterable[Encoded]) -> None:
        """Send changes to the viewers of a board, once the commands behind them are committed."""
        body = ",".join([*self._clock(), *fields])

        def deliver() -> None:
            for viewer in self._viewers:
                if viewer.board is board:
                    viewer.change(body)

        self._service.committer.when_kept(deliver)

    def _snapshot(self, board: Board | None, moment: Any) -> Encoded:
        fields = [
            f'"instance":"{self.instance}"',
            f'"moment":{encoded(moment)}',
            f'"whole":{"true" if board is None or board.whole else "false"}',
            *self._clock(),
        ]
        if board is not None:
            fields += board.fields()
            fields += self._status.all(board.workspace_sid)
        return ",".join(fields)

    def _clock(self) -> Iterator[Encoded]:
        clock = self._service.clock
        yield f'"now":{clock.now()!r}'
        yield f'"running":{"true" if clock.running else "false"}'
