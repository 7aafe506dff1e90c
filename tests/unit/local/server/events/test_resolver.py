"""Name resolution for webhooks: its errors, and answers that come after they were given up."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import Future

import pytest

from twilio_taskrouter_worker._bridge.resolver import Addresses
from twilio_taskrouter_worker.local.server.events import resolver

FOUND: Addresses = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80))]


@pytest.fixture
def lookup(monkeypatch: pytest.MonkeyPatch) -> Future[Addresses]:
    """The one lookup there is, settled by the test."""
    future: Future[Addresses] = Future()
    monkeypatch.setattr(resolver, "look_up", lambda host, port: future)
    return future


def test_an_address_is_found(lookup: Future[Addresses]) -> None:
    """Only those of the family that was asked for are given."""
    lookup.set_result(FOUND)
    [found] = asyncio.run(resolver.DaemonResolver().resolve("x.test", 80))
    assert (found["hostname"], found["host"], found["port"]) == ("x.test", "127.0.0.1", 80)
    assert asyncio.run(resolver.DaemonResolver().resolve("x.test", 80, socket.AF_INET6)) == []


@pytest.mark.parametrize(
    ("error", "text"),
    [(OSError("no address"), "no address"), (UnicodeError("label too long"), "this is not a host name")],
)
def test_errors_are_os_errors(lookup: Future[Addresses], error: Exception, text: str) -> None:
    """aiohttp handles those; a name that cannot be encoded is one of them."""
    lookup.set_exception(error)
    with pytest.raises(OSError, match=text):
        asyncio.run(resolver.DaemonResolver().resolve("x.test"))


def test_an_answer_that_nobody_waits_for(lookup: Future[Addresses]) -> None:
    """The request was given up: a late answer is dropped, without an error in the loop."""

    async def give_up() -> None:
        asking = asyncio.ensure_future(resolver.DaemonResolver().resolve("x.test"))
        await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        lookup.set_result(FOUND)
        await asyncio.sleep(0)

    asyncio.run(give_up())


def test_an_answer_after_the_loop_has_closed(lookup: Future[Addresses]) -> None:
    """The thread that looks names up must not fail for it."""

    async def ask() -> None:
        asking = asyncio.ensure_future(resolver.DaemonResolver().resolve("x.test"))
        await asyncio.sleep(0)
        asking.cancel()

    asyncio.run(ask())
    lookup.set_result(FOUND)
    assert lookup.done()
