"""The console's websocket: one snapshot of a workspace, then the differences.

Nothing here costs anything while no console is open. With one, a change of the engine only starts a timer; the timer
scans once for all viewers of a workspace. A viewer that reads too slowly gets a new snapshot in place
of the differences it missed, so that no queue grows.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterable, Iterator
from contextlib import suppress

from aiohttp import WSMsgType, web

from ...._log import LOCAL as log
from ....errors import StoreError
from ...engine import Rejected
from ..http import refusals
from ..http.connections import Connection
from ..service import Service
from .board import Board
from .conversation import Conversation
from .facade import Facade
from .inspector import Inspector
from .rows import Encoded
from .status import Status
from .viewer import Viewer

SCAN_SECONDS = 0.1
"""The shortest time between two scans: ten messages a second are smooth."""
STATUS_SECONDS = 1.0
"""How often everything that is not in the engine's records is compared: timers, faults, totals."""
MOST_VIEWERS = 50
LARGEST_MESSAGE = 256 * 1024
"""The longest message a page may send: a task for a stream has attributes."""
_CLOSE_SECONDS = 1.0
_PING_SECONDS = 20.0
"""How often a silent page is asked for a sign of life."""
_GOING_AWAY = 1001
_SHUTDOWN = b"The local TaskRouter is shutting down"
_BROKEN = 1011
"""The close code after a failed commit; the page shows the reason that comes with it."""
_LONGEST_REASON = 123
"""The bytes of a reason that fit into a close frame."""


class Live:
    """The open consoles of one service. Belongs to the service's loop.

    Args:
        service: The service.
        status: The facts beside the rows.
        router: The router around the service.
        inspector: The entries of the wire.
    """

    def __init__(self, service: Service, status: Status, router: Facade, inspector: Inspector) -> None:
        self._service = service
        self._status = status
        self._router = router
        self._inspector = inspector
        self._instance = secrets.token_hex(8)
        """Identifies this service for a page that reconnects."""
        self._boards: dict[str, Board] = {}
        """By workspace, of the present."""
        self._open: dict[Conversation, None] = {}
        self._scan_handle: asyncio.TimerHandle | None = None
        self._status_handle: asyncio.Handle | None = None
        self._ended = False
        self._closing: asyncio.Task[None] | None = None
        """Closes the consoles after a failed commit; kept, because a loop keeps no reference to its tasks."""

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Accept a console's websocket, and return after it has closed.

        Args:
            request: The handshake, which was admitted.

        Raises:
            Rejected: It is not a handshake, or too many consoles are open.
        """
        if len(self._open) >= MOST_VIEWERS:
            raise Rejected(429, 20429, f"{MOST_VIEWERS} consoles are open already")
        socket = web.WebSocketResponse(
            timeout=_CLOSE_SECONDS, compress=False, max_msg_size=LARGEST_MESSAGE, heartbeat=_PING_SECONDS
        )
        try:
            await socket.prepare(request)
        except web.HTTPException:
            raise refusals.invalid("This address takes a websocket handshake") from None
        if isinstance(request.protocol, Connection):
            # Its pings notice a dead page; the limits of plain connections do not apply to it any more.
            request.protocol.exempt()
        # After the handshake: of a refused one a browser shows its page neither the status nor the reason.
        if self._service.committer.failure is not None:
            await socket.close(code=_BROKEN, message=self._failure())
            return socket
        if self._ended:
            await socket.close(code=_GOING_AWAY, message=_SHUTDOWN)
            return socket
        viewer = Viewer(socket, self._service.committer.kept)
        conversation = Conversation(self, viewer, self._service, self._router, self._inspector)
        # A task of its own: reading the page's messages must go on while a send waits for a slow page.
        sender = self._service.loop.create_task(viewer.send())
        try:
            self._join(conversation, request.query.get("workspace"))
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    conversation.received(message.data)
        except (ConnectionError, StoreError) as error:
            log.debug("A console was closed: %s", error)
        finally:
            # First, so that no scan counts on a viewer that is about to go.
            self._leave(conversation)
            sender.cancel()
            with suppress(asyncio.CancelledError):
                await sender
            await socket.close()
        return socket

    async def close(self) -> None:
        """Close every console, also those that open from now on; their pages reconnect."""
        self._ended = True
        await self._close_all(_GOING_AWAY, _SHUTDOWN)

    def select(self, viewer: Viewer, workspace_sid: str | None) -> None:
        """Show a workspace of the present.

        Args:
            viewer: Who sees it.
            workspace_sid: The workspace; None: the one that is shown first.

        Raises:
            Rejected: There is no such workspace.
        """
        sid = self._router.workspace_sid() if workspace_sid is None else workspace_sid
        board = None if sid is None else self._board(sid)
        viewer.show(board, lambda: self._snapshot(board))
        self._forget_boards()
        self._changed()

    def scan_soon(self) -> None:
        """Compare everything now, because the console itself has changed something."""
        if self._status_handle is not None:
            self._status_handle.cancel()
            self._status_handle = self._service.loop.call_soon(self._scan_status)
            self._changed()

    def base(self) -> str:
        """Return the fields that each snapshot begins with, of whatever moment."""
        return f'"instance":"{self._instance}"'

    def clock(self) -> Iterator[Encoded]:
        """Iterate over the fields of the clock."""
        clock = self._service.clock
        yield f'"now":{clock.now()!r}'
        yield f'"running":{"true" if clock.running else "false"}'

    async def _close_all(self, code: int, reason: bytes) -> None:
        for conversation in list(self._open):
            socket = conversation.viewer.socket
            with suppress(ConnectionError, RuntimeError, asyncio.TimeoutError):
                await asyncio.wait_for(socket.close(code=code, message=reason), _CLOSE_SECONDS)

    def _failure(self) -> bytes:
        failure = self._service.committer.failure
        assert failure is not None
        reason = str(failure).encode()[:_LONGEST_REASON]
        # Cut between characters: a close frame with half of one is invalid.
        return reason.decode(errors="ignore").encode()

    # -- viewers -------------------------------------------------------------------------------------------------------

    def _join(self, conversation: Conversation, workspace_sid: str | None) -> None:
        self._open[conversation] = None
        try:
            self.select(conversation.viewer, workspace_sid)
        except Rejected:
            # A page that reconnects asks for what it showed, which may be gone.
            self.select(conversation.viewer, None)
        self._service.changed = self._changed
        if self._status_handle is None:
            self._status_handle = self._service.loop.call_later(STATUS_SECONDS, self._scan_status)

    def _leave(self, conversation: Conversation) -> None:
        self._open.pop(conversation, None)
        conversation.end()
        self._forget_boards()
        if not self._open:
            # Without a page the service does not even call back.
            self._service.changed = None
            for handle in (self._scan_handle, self._status_handle):
                if handle is not None:
                    handle.cancel()
            self._scan_handle = self._status_handle = None
            self._status.forget()

    def _board(self, workspace_sid: str) -> Board:
        board = self._boards.get(workspace_sid)
        if board is None:
            board = Board(self._service.engine, workspace_sid)
            board.scan()
            self._boards[workspace_sid] = board
        return board

    def _forget_boards(self) -> None:
        shown = {conversation.viewer.board for conversation in self._open}
        self._boards = {sid: board for sid, board in self._boards.items() if board in shown}

    # -- scans ---------------------------------------------------------------------------------------------------------

    def _changed(self) -> None:
        """Note that the engine may have changed; called after every command, so it must cost nothing."""
        if self._scan_handle is None:
            # Once, however many commands follow: a burst of ten thousand costs one scan.
            self._scan_handle = self._service.loop.call_later(SCAN_SECONDS, self._scan)

    def _scan(self) -> None:
        self._scan_handle = None
        for board in list(self._boards.values()):
            # Read before the scan, which changes it: only the message that completes the rows says so.
            part = not board.whole
            try:
                difference = board.scan()
            except Rejected:
                self._workspace_gone(board)
                continue
            fields = list(difference.fields())
            if part and difference.whole:
                fields.append('"whole":true')
            self._notify(board, fields)
            # The rest follows with the next scan, whether or not anything changes until then.
            if not difference.whole:
                self._changed()
        for conversation in self._open:
            conversation.changed()

    def _scan_status(self) -> None:
        self._status_handle = None
        # After a failed commit nothing is delivered any more, and the journal cannot be asked for its moments.
        if self._service.committer.failure is not None:
            # Rows that nothing will ever change again must not look like the present.
            self._closing = self._service.loop.create_task(self._close_all(_BROKEN, self._failure()))
            return
        self._status_handle = self._service.loop.call_later(STATUS_SECONDS, self._scan_status)
        for board in list(self._boards.values()):
            fields = list(self._status.changes(board.workspace_sid))
            if fields:
                self._notify(board, fields)

    def _workspace_gone(self, board: Board) -> None:
        for conversation in self._open:
            if conversation.viewer.board is board:
                self.select(conversation.viewer, None)

    def _notify(self, board: Board, fields: Iterable[Encoded]) -> None:
        """Send changes to the viewers of a board, once the commands behind them are committed."""
        # Composed once for all viewers; the clock goes with every message, so that a page needs no other sign of its
        # moves.
        body = ",".join([*self.clock(), *fields])

        def deliver() -> None:
            for conversation in self._open:
                # Asked at the delivery: a viewer may have chosen another workspace since the scan.
                if conversation.viewer.board is board:
                    conversation.viewer.change(body)

        self._service.committer.when_kept(deliver)

    def _snapshot(self, board: Board | None) -> Encoded:
        whole = board is None or board.whole
        fields = [self.base(), '"moment":null', f'"whole":{"true" if whole else "false"}', *self.clock()]
        if board is not None:
            fields += board.fields()
            fields += self._status.all(board.workspace_sid)
        return ",".join(fields)
