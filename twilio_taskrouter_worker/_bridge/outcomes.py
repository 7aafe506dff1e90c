"""The meaning of an answer, and the decision whether a failed attempt is repeated. Pure."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import attrs

from .._json import loads
from ..errors import InvalidAnswerError, RequestError, rejected
from .http import Answer, HttpFailure, HttpTimeout, NotSent, Unusable, hide

__all__ = ["RETRY_RULES", "RetryRules", "read_answer", "retry_delay"]


@attrs.frozen(kw_only=True)
class RetryRules:
    """When a failed attempt is repeated. Times in seconds."""

    retry_first: float = 0.25
    retry_max: float = 4.0
    """The pause before the n-th retry is uniform between half of and the whole of ``retry_first * 2**(n-1)``, at most
    ``retry_max``."""

    jitter: float = 0.25
    """Random addition to a pause that the service asked for, as a share of it, so that clients that were refused
    together do not retry together."""

    last_try: float = 0.2
    """Seconds that a further attempt must have left: with less, the last failure is more useful to the caller than a
    timeout that hides it."""

    patience: float = 0.5
    """Share of its time after which a read that got no answer over a connection used before is made again over a new
    one. After a change of network the old ones are dead, and say nothing."""

    patience_min: float = 1.0
    """Minimum in seconds for each of the two attempts; a read with less time is not repeated for that reason."""


RETRY_RULES = RetryRules()

RETRIED_GET_STATUS = frozenset({429, 502, 503, 504})

LONGEST_PAUSE = 86400.0
"""Maximum of ``retry_after`` in seconds, regardless of the service's header."""

ERROR_BODY_LIMIT = 64 * 1024
"""Bytes that are read of a refusal's body."""


def retry_delay(
    method: str,
    failure: HttpFailure | RequestError,
    tries: int,
    rand: Callable[[], float],
    rules: RetryRules = RETRY_RULES,
    room: float = math.inf,
) -> float | None:
    """Decide whether and when a failed attempt is repeated. Pure.

    A GET may always be repeated. A POST only if the service cannot have acted: nothing was sent, or it answered so
    (429, or 503 with Retry-After). ``Retry-After`` makes the pause longer than the own one, never shorter.

    Args:
        method: HTTP method.
        failure: The failure of the attempt.
        tries: Number of attempts so far.
        rand: Returns a random number from 0 up to 1.
        rules: The pauses.
        room: Seconds that the pause may take; random jitter does not exceed it.

    Returns:
        Seconds until the next attempt; None if there must be none.
    """
    said: float | None = None
    if isinstance(failure, RequestError):
        said = failure.retry_after
        safe = failure.status == 429 or (failure.status == 503 and said is not None)
        again = safe if method != "GET" else failure.status in RETRIED_GET_STATUS
    elif isinstance(failure, Unusable):
        again = False
    else:
        again = method == "GET" or isinstance(failure, NotSent)
    if not again:
        return None
    if isinstance(failure, HttpTimeout):
        # Silence is no sign of an overload that a pause would help.
        return 0.0
    # The exponent is bounded, as a float overflows at 2 ** 1024.
    own = min(rules.retry_max, rules.retry_first * 2.0 ** min(tries - 1, 10)) * (0.5 + 0.5 * rand())
    if said is None:
        return own
    # Not before the service asks for it. Jitter spreads the clients out, but must not push the attempt past the
    # deadline.
    return max(own, said, min(said * (1.0 + rules.jitter * rand()), room))


def read_answer(answer: Answer, token: str = "") -> Any:
    """Return the payload of a successful answer. Pure.

    Args:
        answer: The answer.
        token: The token that was sent; it is removed from the service's message.

    Returns:
        The payload.

    Raises:
        RequestError: The answer has another status, or is not what TaskRouter documents.
    """
    if 200 <= answer.status < 300:
        try:
            body = loads(answer.body)
        except ValueError:
            raise InvalidAnswerError(
                f"The answer ({len(answer.body)} bytes) is not JSON; is eb_server an event bridge?",
                status=answer.status,
            ) from None
        if not isinstance(body, dict) or "payload" not in body:
            raise InvalidAnswerError("The answer is JSON, but not an object with a 'payload'", status=answer.status)
        return body["payload"]
    details: Mapping[str, Any] = {}
    # No error of TaskRouter is that long: it is a page of something in between.
    if len(answer.body) <= ERROR_BODY_LIMIT:
        try:
            body = loads(answer.body)
            details = body if isinstance(body, dict) else {}
        except ValueError:
            pass
    message = details.get("message")
    code = details.get("code")
    more_info = details.get("more_info")
    raise rejected(
        answer.status,
        hide(token, message) if isinstance(message, str) else _without_message(answer),
        code=code if isinstance(code, int) and not isinstance(code, bool) else None,
        more_info=hide(token, more_info) if isinstance(more_info, str) else None,
        retry_after=_retry_after(answer.headers.get("retry-after")),
    )


def _without_message(answer: Answer) -> str:
    if 300 <= answer.status < 400:
        return "The service redirects, which is not followed, since the request carries a token."
    return f"The answer has no message ({answer.headers.get('content-type', 'no content type')})."


def _retry_after(text: str | None) -> float | None:
    """Seconds, from either form of the header."""
    if not text:
        return None
    # Seconds, or a date (RFC 9110, 10.2.3).
    number = text.strip()
    if number.isascii() and number.isdigit():
        return min(LONGEST_PAUSE, float(number))
    try:
        return min(LONGEST_PAUSE, max(0.0, parsedate_to_datetime(text).timestamp() - time.time()))
    except (TypeError, ValueError, OverflowError):
        return None
