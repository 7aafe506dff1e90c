"""Headers of answers, apart from those of their content."""

from __future__ import annotations

import os
from collections.abc import Iterable

Headers = dict[str, str]

BRIDGE: Headers = {"Access-Control-Allow-Origin": "*"}
"""A page in a browser may use the bridge: it is protected by the token, which no browser adds by itself."""
BRIDGE_PREFLIGHT: Headers = {
    **BRIDGE,
    "Access-Control-Allow-Methods": "POST",
    "Access-Control-Allow-Headers": "apiVersion, clientVersion, Content-Type, If-Match",
    "Access-Control-Max-Age": "600",
}
REST: Headers = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Credentials": "true",
    "Access-Control-Allow-Methods": "GET, POST, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": (
        "Accept, Authorization, Content-Type, If-Match, If-Modified-Since, If-None-Match, If-Unmodified-Since"
    ),
    "Access-Control-Expose-Headers": "ETag",
}
"""The headers of the live REST API. Requests of foreign origins are refused earlier."""


def request_id() -> Headers:
    """Return the header with the unique id of one request."""
    return {"Twilio-Request-Id": f"RQ{os.urandom(16).hex()}"}


def allow(methods: Iterable[str]) -> Headers:
    """Return the header with the methods of a path; GET implies HEAD.

    Args:
        methods: The methods.
    """
    found = dict.fromkeys(methods)
    if "GET" in found:
        found["HEAD"] = None
    return {"Allow": ", ".join([*found, "OPTIONS"])}
