"""One open console: its websocket, and the messages that wait for it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from aiohttp import web

from ...._log import LOCAL as log
from ....errors import StoreError
from .board import Board
from .rows import Encoded

WAITING_CHARACTERS = 4 * 1024 * 1024
"""How much may wait for a page that reads slowly; beyond, it gets a new snapshot instead."""


class Viewer:
    """One open console. Belongs to the service's loop.

    Args:
        socket: Its websocket.
        kept: Waits until all changes are committed, which a snapshot may show.
    """

    def __init__(self, socket: web.WebSocketResponse, kept: Callable[[], Awaitable[None]]) -> None:
        self.socket = socket
        self.board: Board | None = None
        """What it shows; None: a workspace that does not exist."""
        self.own: Callable[[], list[Encoded]] = list
        """Returns the fields of a snapshot that only this page has."""
        self._kept = kept
        self._waiting: deque[Encoded] = deque()
        """Changes since the snapshot; a new snapshot replaces them."""
        self._size = 0
        """The characters that wait."""
        self._latest: dict[str, Callable[[], Encoded | None]] = {}
        """Messages that are made when they are sent, by name: they cost nothing while the page reads slowly."""
        self._latest_next = False
        self._wake = asyncio.Event()
        self._snapshot: Callable[[], Encoded] | None = None
        """Returns the fields of a snapshot; set while one is to be sent next."""
        self._make_snapshot: Callable[[], Encoded] | None = None
        self._sequence = 0

    def show(self, board: Board | None, snapshot: Callable[[], Encoded]) -> None:
        """Show another board, from a snapshot on.

        Args:
            board: The board; None: a workspace that does not exist.
            snapshot: Returns the fields of its snapshot, when it is about to be sent.
        """
        self.board = board
        self._make_snapshot = snapshot
        self._restart()

    def change(self, fields: Encoded) -> None:
        """Send changes of the board.

        Args:
            fields: The fields of the message.
        """
        if self._snapshot is not None:
            return  # the snapshot will show them
        self._sequence += 1
        message = f'{{"type":"changes","seq":{self._sequence},{fields}}}'
        self._waiting.append(message)
        self._size += len(message)
        if self._size > WAITING_CHARACTERS:
            self._restart()
        self._wake.set()

    def put(self, name: str, make: Callable[[], Encoded | None]) -> None:
        """Send a message that is not about the board; a snapshot does not replace it.

        Args:
            name: A message of the same name that still waits is replaced.
            make: Returns the message when it is about to be sent; None: there is nothing to send any more.
        """
        self._latest[name] = make
        self._wake.set()

    async def send(self) -> None:
        """Send the messages, one after the other, until the websocket has closed."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._snapshot is not None or self._waiting or self._latest:
                    message = await self._next()
                    if message is not None:
                        await self.socket.send_str(message)
        except (ConnectionError, StoreError):
            pass  # the page has gone, or the service cannot go on
        except Exception:
            log.exception("A console failed")
            await self.socket.close()  # the page reconnects

    async def _next(self) -> Encoded | None:
        if self._snapshot is not None:
            # What the engine shows now may not be committed yet.
            await self._kept()
            # Cleared before it is made: a change from now on is not in it, and must follow it.
            make, self._snapshot, self._sequence = self._snapshot, None, 0
            return f'{{"type":"snapshot","seq":0,{",".join([make(), *self.own()])}}}'
        # In turns, so that neither changes without end nor a fast inspector keeps the other from the page.
        self._latest_next = bool(self._latest) and (not self._waiting or not self._latest_next)
        if self._latest_next:
            await self._kept()
            return self._latest.pop(next(iter(self._latest)))()
        message = self._waiting.popleft()
        self._size -= len(message)
        return message

    def _restart(self) -> None:
        """Replace all changes that wait by a snapshot."""
        self._waiting.clear()
        self._size = 0
        self._snapshot = self._make_snapshot
        self._wake.set()
