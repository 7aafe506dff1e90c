"""What the recording bridge can be told to answer, and the record of a call it answered.

A scripted response is one of

- ``Reply``, ``Hang``, ``Drip``, ``Reset`` or ``Act`` (the classes of this module),
- an ``int`` (that status, with a Twilio-shaped error body if it is an error),
- a ``tuple`` ``(status, body)`` or ``(status, body, headers)``,
- a ``dict`` (status 200, the dict as the answer's ``payload``),
- ``None`` (what the bridge would have answered without a script),
- a ``list`` of these: one per call in order, and after the last one the bridge answers by itself again,
- a callable ``call -> one of the above``; it runs on a thread of its own and may block or send events.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Body: TypeAlias = bytes | str | dict[str, Any] | list[Any] | None


@dataclass(frozen=True)
class Reply:
    """An HTTP answer: a status, a body (JSON unless text or bytes are given) and headers, after ``delay`` seconds."""

    status: int = 200
    body: Body = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0

    def encoded(self) -> tuple[bytes, str]:
        """Return the body's bytes and the content type that goes with them."""
        if isinstance(self.body, bytes):
            return self.body, "application/octet-stream"
        if isinstance(self.body, str):
            return self.body.encode("utf-8"), "text/html; charset=utf-8"
        if self.body is None:
            return b"", "application/json"
        return json.dumps(self.body).encode("utf-8"), "application/json"


@dataclass(frozen=True)
class Hang:
    """No answer: not a byte (or, with ``after_headers``, nothing after the headers) until ``bridge.release()``.

    A call released before its headers were sent gets the bridge's own answer; one released after them is reset.
    """

    after_headers: bool = False


@dataclass(frozen=True)
class Drip:
    """A body sent ``size`` bytes at a time with ``interval`` seconds between the pieces; the headers come at once.

    ``body`` None drips the bridge's own answer.
    """

    body: Body = None
    status: int = 200
    interval: float = 0.05
    size: int = 1


@dataclass(frozen=True)
class Reset:
    """A TCP reset instead of an answer, after the raw bytes ``after`` were written (a cut-off answer, say)."""

    after: bytes = b""


@dataclass(frozen=True)
class Act:
    """Do what was asked, as without a script, but answer late (``delay`` seconds) or not at all (``lose``: a reset)."""

    delay: float = 0.0
    lose: bool = False


Answer: TypeAlias = Reply | Hang | Drip | Reset | Act
Response: TypeAlias = Any
"""Any of the forms listed at the head of this module."""


@dataclass(eq=False)
class Call:
    """One HTTP request as it arrived; ``outcome`` is None until it was answered."""

    http_method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    """Header names in lower case; of a repeated header, the last value."""
    raw_headers: list[tuple[str, str]]
    """Headers in order, names spelled as sent."""
    raw: bytes
    peer: tuple[str, int]
    """The client's address: calls with the same port used the same TCP connection."""
    document: Any = None
    """The request's JSON body, None if it is not JSON."""
    outcome: int | str | None = None
    """The HTTP status sent, or ``"reset"``, or ``"hung"`` once the wait ended unanswered."""

    @property
    def keys(self) -> list[str]:
        """The keys of the body in the order sent, repeated ones included."""
        try:
            pairs = json.loads(self.raw, object_pairs_hook=lambda found: found)
        except ValueError:
            return []
        return [pair[0] for pair in pairs] if isinstance(self.document, dict) else []

    def _part(self, key: str) -> Any:
        return self.document.get(key) if isinstance(self.document, dict) else None

    @property
    def url(self) -> str:
        """The tunnelled path; empty where the body holds none."""
        url = self._part("url")
        return url if isinstance(url, str) else ""

    @property
    def method(self) -> str:
        """The tunnelled method; empty where the body holds none."""
        method = self._part("method")
        return method if isinstance(method, str) else ""

    @property
    def params(self) -> Any:
        """The tunnelled parameters exactly as they were in the JSON."""
        return self._part("params")

    @property
    def token(self) -> Any:
        """The token in the body."""
        return self._part("token")

    @property
    def api_version(self) -> str | None:
        """The header ``apiVersion``."""
        return self.headers.get("apiversion")

    @property
    def client_version(self) -> str | None:
        """The header ``clientVersion``."""
        return self.headers.get("clientversion")

    @property
    def if_match(self) -> str | None:
        """The header ``If-Match``."""
        return self.headers.get("if-match")


def error(status: int, message: str, **more: Any) -> Reply:
    """Return an error answer in Twilio's shape: ``message``, and what else is given (``code``, ``more_info``)."""
    return Reply(status, {"message": message, **more})


def to_answer(response: Any) -> Answer | None:
    """Return the answer a scripted response stands for; None means the bridge's own answer."""
    if response is None or isinstance(response, (Reply, Hang, Drip, Reset, Act)):
        return response
    if isinstance(response, int) and not isinstance(response, bool):
        return error(response, f"Scripted status {response}") if response >= 300 else Reply(response)
    if isinstance(response, dict):
        return Reply(200, {"payload": response})
    if isinstance(response, tuple) and len(response) in (2, 3):
        return Reply(*response)
    raise TypeError(f"not a scripted response: {response!r}; see tests/tools/answers.py for what is allowed")


class Rule:
    """A scripted response and the calls it is for; made by ``bridge.on_call``."""

    def __init__(self, matches: Callable[[Call], bool], response: Any, times: int | None) -> None:
        self._matches = matches
        self._script = list(response) if isinstance(response, list) else None
        self._response = response
        self._left = len(self._script) if self._script is not None and times is None else times
        self.calls: list[Call] = []
        """The calls this rule answered, in order."""

    def take(self, call: Call) -> bool:
        """Claim the call if it matches and the rule is not used up. The bridge's lock is held."""
        if self._left == 0 or not self._matches(call):
            return False
        if self._left is not None:
            self._left -= 1
        self.calls.append(call)
        return True

    def response_to(self, call: Call) -> Any:
        """Return the scripted response to a call this rule took (a callable is still to be called)."""
        if self._script is None:
            return self._response
        index = next(index for index, taken in enumerate(self.calls) if taken is call)
        return self._script[index % len(self._script)]

    def remove(self) -> None:
        """Stop answering; calls already taken keep their answer."""
        self._left = 0
