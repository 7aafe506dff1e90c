"""Names looked up on threads of their own."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest

from twilio_taskrouter_worker._bridge.resolver import look_up


@pytest.mark.parametrize(("host", "family"), [("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)])
def test_an_address_needs_no_thread(host: str, family: socket.AddressFamily) -> None:
    """A number is answered at once."""
    before = threading.active_count()
    found = look_up(host, 80)
    assert found.done() and threading.active_count() == before
    assert [(entry[0], entry[4][0]) for entry in found.result()] == [(family, host)]


def test_look_ups_of_one_name_share_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand Workers of one host ask its name once; when that look-up has ended, the next one asks anew."""
    go_on, asked = threading.Event(), []

    def resolve(host: str, *_: Any) -> list[Any]:
        asked.append(host)
        assert go_on.wait(10)
        return [(host,)]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    first, second, other = look_up("one.invalid", 80), look_up("one.invalid", 80), look_up("two.invalid", 80)
    assert first is second and first is not other
    go_on.set()
    assert first.result(10) == [("one.invalid",)] and other.result(10) == [("two.invalid",)]
    assert look_up("one.invalid", 80).result(10) == [("one.invalid",)]
    assert sorted(asked) == ["one.invalid", "one.invalid", "two.invalid"]


def test_a_name_that_does_not_exist() -> None:
    """The resolver's error reaches who asked."""
    assert isinstance(look_up("no-such-host.invalid", 80).exception(10), socket.gaierror)


def test_a_host_that_is_no_name() -> None:
    """What the resolver cannot even encode is an error of the look-up, not of its thread."""
    assert isinstance(look_up("a" * 70 + ".invalid", 80).exception(10), (UnicodeError, OSError))


def test_without_a_thread_the_attempt_fails_and_the_next_one_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shortage of threads is over when it is over."""
    with monkeypatch.context() as shortage:

        def start(_: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        shortage.setattr(threading.Thread, "start", start)
        assert isinstance(look_up("localhost", 80).exception(0), OSError)
    assert look_up("localhost", 80).result(10)
