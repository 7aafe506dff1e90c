"""Headers that answers have besides those of their content."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Final

Headers = dict[str, str]

BRIDGE: Final[Headers] = {"Access-Control-Allow-Origin": "*"}
"""A page in a browser may use the bridge: it is protected by the token, which no browser adds by itself."""
BRIDGE_PREFLIGHT: Final[Headers] = {
    **BRIDGE,
    "Access-Control-Allow-Methods": "POST",
    "Access-Control-Allow-Headers": "apiVersion, clientVersion, Content-Type, If-Match",
    "Access-Control-Max-Age": "600",
}
REST: Final[Headers] = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Credentials": "true",
    "Access-Control-Allow-Methods": "GET, POST, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": (
        "Accept, Authorization, Content-Type, If-Match, If-Modified-Since, If-None-Match, If-Unmodified-Since"
    ),
    "Access-Control-Expose-Headers": "ETag",
}
"""Those of the live REST API. Pages of foreign origins never come as far as here."""


def request_id() -> Headers:
    """Return the header by which one request can be told from all others."""
    return {"Twilio-Request-Id": f"RQ{uuid.uuid4().hex}"}


def allow(methods: Iterable[str]) -> Headers:
    """Return the header that names the methods of a path; where there is GET there is HEAD."""
    found = dict.fromkeys(methods)
    if "GET" in found:
        found["HEAD"] = None
    return {"Allow": ", ".join([*found, "OPTIONS"])}
