"""What the recording bridge has seen, and waiting for it to see more."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from tests.tools.answers import Call

T = TypeVar("T")


@dataclass(eq=False)
class Connection:
    """One websocket handshake that reached the bridge, and what became of it."""

    path: str
    query: list[tuple[str, str]]
    """The query's parameters in order, decoded."""
    query_string: str
    """The query as sent."""
    headers: dict[str, str]
    """Header names in lower case."""
    peer: tuple[str, int]
    is_open: bool = False
    init_sent: bool = False
    messages: list[str | bytes] = field(default_factory=list)
    """Data frames of the client; the protocol has none."""
    pongs: list[bytes] = field(default_factory=list)
    """Payloads of the client's pongs."""
    close_code: int | None = None
    """How the client closed, None while open: its code, 1005 for a close frame without one, 1006 for no close frame."""
    close_reason: str = ""
    closed_by: str | None = None
    """``"client"`` or ``"bridge"``, whichever closed first; None while open."""
    transport: asyncio.Transport | None = None

    @property
    def params(self) -> dict[str, str]:
        """The query's parameters by name."""
        return dict(self.query)


class Records:
    """The websockets, refused handshakes and calls so far; any thread may look, and wait for more."""

    def __init__(self) -> None:
        # Guards the lists below and what is in them; notified at each change.
        self._changed = threading.Condition()
        self._connections: list[Connection] = []
        self._refused: list[Connection] = []
        self._calls: list[Call] = []

    @property
    def connections(self) -> list[Connection]:
        """The websockets accepted so far, in order; a copy of the list."""
        with self._changed:
            return list(self._connections)

    @property
    def refused(self) -> list[Connection]:
        """The handshakes refused or left hanging so far, in order; a copy of the list."""
        with self._changed:
            return list(self._refused)

    @property
    def calls(self) -> list[Call]:
        """The HTTP requests received so far, in order; a copy of the list."""
        with self._changed:
            return list(self._calls)

    def calls_to(self, which: str | Callable[[Call], bool], *, method: str | None = None) -> list[Call]:
        """Return the calls received so far that match, as ``on_call`` matches."""
        matches = matcher(which, method)
        return [call for call in self.calls if matches(call)]

    def wait_for(self, predicate: Callable[[], T], timeout: float = 20.0, message: str = "the condition") -> T:
        """Wait until the predicate is true and return its value; it is tried at each change of the records.

        It runs under the bridge's lock, so it should only look. Raises AssertionError after ``timeout`` seconds.
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            while not (value := predicate()):
                left = deadline - time.monotonic()
                if left <= 0:
                    raise AssertionError(f"{message} did not happen within {timeout} s\n{self._summary()}")
                self._changed.wait(left)
            return value

    def wait_for_call(
        self, which: str | Callable[[Call], bool], timeout: float = 20.0, *, method: str | None = None, n: int = 1
    ) -> Call:
        """Wait until ``n`` matching calls were received (since the start) and return the n-th; it may be unanswered."""
        found = self.wait_for(lambda: self.calls_to(which, method=method)[n - 1 : n], timeout, f"call {n} to {which!r}")
        return found[0]

    def wait_for_answer(
        self, which: str | Callable[[Call], bool], timeout: float = 20.0, *, method: str | None = None, n: int = 1
    ) -> Call:
        """Wait until ``n`` matching calls have an outcome (in the order received) and return the n-th."""

        def answered() -> list[Call]:
            done = [call for call in self.calls_to(which, method=method) if call.outcome is not None]
            return done[n - 1 : n]

        return self.wait_for(answered, timeout, f"answer {n} to {which!r}")[0]

    def wait_for_connection(self, n: int = 1, timeout: float = 20.0) -> Connection:
        """Wait until ``n`` websockets were accepted (since the start) and return the n-th; it may be closed again."""
        return self.wait_for(lambda: self._connections[n - 1 : n], timeout, f"websocket {n}")[0]

    def wait_for_refusal(self, n: int = 1, timeout: float = 20.0) -> Connection:
        """Wait until ``n`` handshakes were refused or left hanging and return the n-th."""
        return self.wait_for(lambda: self._refused[n - 1 : n], timeout, f"refused handshake {n}")[0]

    def wait_for_close(self, n: int = 1, timeout: float = 20.0) -> Connection:
        """Wait until the n-th websocket is closed and return it."""
        found = self.wait_for(
            lambda: [each for each in self._connections[n - 1 : n] if each.close_code is not None],
            timeout, f"the close of websocket {n}",
        )  # fmt: skip
        return found[0]

    def _summary(self) -> str:
        lines = [f"  websocket: {'open' if each.is_open else each.close_code}" for each in self._connections]
        lines += [f"  refused: {each.path}" for each in self._refused]
        lines += [f"  {call.method} {call.url} -> {call.outcome}" for call in self._calls[-30:]]
        return "\n".join(["the bridge saw:", *lines] if lines else ["the bridge saw nothing"])

    def _note(self, change: Callable[[], object]) -> None:
        with self._changed:
            change()
            self._changed.notify_all()


def matcher(which: str | Callable[[Call], bool], method: str | None) -> Callable[[Call], bool]:
    """Return the test whether a call is meant: its url contains the regular expression, or the function is true."""
    if callable(which):
        chosen: Callable[[Call], object] = which
    else:
        pattern = re.compile(which)
        chosen = lambda call: pattern.search(call.url)  # noqa: E731
    return lambda call: (method is None or call.method == method) and bool(chosen(call))
