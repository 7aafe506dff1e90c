"""Name resolution for webhooks, on threads that do not keep the interpreter from ending."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import Future
from contextlib import suppress

from aiohttp.abc import AbstractResolver, ResolveResult

from ...._bridge.resolver import Addresses, look_up

_NUMERIC = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


class DaemonResolver(AbstractResolver):
    """Resolves names as the client does, each on a daemon thread of its own.

    The threads of the loop's own executor are joined at the interpreter's exit, however long a lookup takes.
    """

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of a name. Does not block the loop.

        Args:
            host: The name.
            port: The port.
            family: Only addresses of this family; AF_UNSPEC: of any.

        Raises:
            OSError: The name is invalid or has no address.
        """
        try:
            found = await _addresses(host, port)
        except UnicodeError as error:
            raise OSError("this is not a host name") from error
        return [
            ResolveResult(hostname=host, host=str(address[0]), port=port, family=kind, proto=protocol, flags=_NUMERIC)
            for kind, _, protocol, _, address in found
            if family in (socket.AF_UNSPEC, kind)
        ]

    async def close(self) -> None:
        """Do nothing: pending lookups end by themselves."""


async def _addresses(host: str, port: int) -> Addresses:
    # Not wrap_future: cancelling its future would cancel the lookup, which others may share.
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[Addresses] = loop.create_future()

    def settle(found: Future[Addresses]) -> None:
        if answered.done():
            return  # given up meanwhile
        error = found.exception()
        if error is None:
            answered.set_result(found.result())
        else:
            answered.set_exception(error)

    def pass_on(found: Future[Addresses]) -> None:
        with suppress(RuntimeError):  # the service has stopped, and its loop is closed
            loop.call_soon_threadsafe(settle, found)

    # The callback runs on the lookup's thread, or here at once if the answer is there already.
    look_up(host, port).add_done_callback(pass_on)
    return await answered
