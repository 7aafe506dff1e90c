"""Names looked up on threads of their own."""

from __future__ import annotations

import socket
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from twilio_taskrouter_worker._bridge import resolver
from twilio_taskrouter_worker._bridge.resolver import look_up


@pytest.mark.parametrize(("host", "family"), [("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)])
def test_an_address_needs_no_thread(host: str, family: socket.AddressFamily) -> None:
    """A number is answered at once."""
    before = set(threading.enumerate())
    found = look_up(host, 80)
    assert found.done() and set(threading.enumerate()) <= before
    assert [(entry[0], entry[4][0]) for entry in found.result()] == [(family, host)]


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers of other tests do not count."""
    monkeypatch.setattr(resolver, "_answers", {})


def test_look_ups_of_one_name_share_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand Workers of one host ask its name once; a second after the answer, the next one asks anew."""
    go_on, asked, now = threading.Event(), [], 0.0

    def resolve(host: str, *_: Any) -> list[Any]:
        asked.append(host)
        assert go_on.wait(30)
        return [(host,)]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(resolver, "time", SimpleNamespace(monotonic=lambda: now))
    first, second, other = look_up("one.invalid", 80), look_up("one.invalid", 80), look_up("two.invalid", 80)
    assert first is second and first is not other
    # However long it takes.
    now = 60.0
    assert look_up("one.invalid", 80) is first
    go_on.set()
    assert first.result(30) == [("one.invalid",)] and other.result(30) == [("two.invalid",)]
    now = 60.9
    assert look_up("one.invalid", 80) is first
    now = 61.0
    again = look_up("one.invalid", 80)
    assert again is not first and again.result(30) == [("one.invalid",)]
    assert sorted(asked) == ["one.invalid", "one.invalid", "two.invalid"]
    # What nobody asks for again is not kept.
    assert set(resolver._answers) == {("one.invalid", 80)}


def test_a_failure_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one asks anew."""
    answers = iter([OSError("no answer"), [("address",)]])

    def resolve(*_: Any) -> Any:
        answer = next(answers)
        if isinstance(answer, OSError):
            raise answer
        return answer

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert isinstance(look_up("one.invalid", 80).exception(30), OSError)
    assert look_up("one.invalid", 80).result(30) == [("address",)]


def test_a_name_that_does_not_exist() -> None:
    """The resolver's error reaches who asked."""
    assert isinstance(look_up("no-such-host.invalid", 80).exception(30), socket.gaierror)


def test_a_host_that_is_not_a_name() -> None:
    """What the resolver cannot even encode is an error of the look-up, not of its thread."""
    assert isinstance(look_up("a" * 70 + ".invalid", 80).exception(30), (UnicodeError, OSError))


def test_without_a_thread_the_attempt_fails_and_the_next_one_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shortage of threads is over when it is over."""
    with monkeypatch.context() as shortage:

        def start(_: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        shortage.setattr(threading.Thread, "start", start)
        assert isinstance(look_up("localhost", 80).exception(0), OSError)
    assert look_up("localhost", 80).result(30)
