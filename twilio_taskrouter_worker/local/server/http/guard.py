"""Refuses requests of web pages of other origins, on every path.

A browser sends requests for any page, also to this machine. A page elsewhere may use a host name of its own that
resolves to 127.0.0.1 (DNS rebinding), post forms with the Basic credentials that the browser has stored, or open
websockets, to which the same-origin policy does not apply. A page cannot choose the ``Host``, ``Origin`` and
``Sec-Fetch-Site`` headers, and a program that is not a browser need not send the latter two.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import urlsplit

from aiohttp import web

from ...._hosts import is_loopback
from . import refusals

EVERY_HOST = "*"
"""In ``allowed_hosts``: no host and no origin is refused."""

# An IPv6 address in brackets, whose zone is dropped, or a name; then a port.
_HOST = re.compile(r"(?:\[([0-9a-fA-F:.]+)(?:%[^\]]*)?\]|([^\s:/@?#\[\]]+))(?::[0-9]*)?", re.ASCII)


class Guard:
    """Decides by its headers whether a request is accepted.

    Accepted as ``Host`` are names and addresses of the loopback interface, the address at which the request arrived,
    the configured host of the service, and ``allowed_hosts``. The port is ignored: it differs behind a relay, and a
    page cannot gain anything by it. An ``Origin`` must have one of these hosts too.

    Args:
        host: The host the service listens on.
        allowed_hosts: Further names, in lower case and without a port.
        linked: The path of a page to which pages of other sites may link; None: there is none.
    """

    def __init__(self, host: str, allowed_hosts: Iterable[str] = (), linked: str | None = None) -> None:
        self._names = frozenset({host.lower(), *allowed_hosts})
        self._linked = linked

    def check(self, request: web.BaseRequest) -> None:
        """Accept or refuse a request.

        Args:
            request: The request; only its headers are read.

        Raises:
            Rejected: It comes from a page of a foreign origin, or is for a host that is not this one (403), or it is a
                webhook of this service (508).
        """
        headers = request.headers
        # First, and also with allowed_hosts=["*"]: webhooks to the service itself would cause webhooks without end.
        if "X-Twilio-Signature" in headers:
            raise refusals.own_webhook()
        if EVERY_HOST in self._names:
            return
        host = headers.get("Host")
        name = None if host is None else host_name(host)
        # HTTP/1.0 has no Host header; every browser sends one.
        if host is not None and not (name and self._accepts(name, request)):
            raise refusals.foreign_host(host)
        # Several or empty ones too, and "null", which a sandboxed frame of any site sends: none of them is a known
        # host.
        origins = headers.getall("Origin", ())
        for origin in origins:
            page = _origin_name(origin)
            # The page's own host is enough: it was accepted above, so the page came from this service or a name added
            # to it.
            if not page or not (page == name or self._accepts(page, request)):
                raise refusals.foreign_origin(origin)
        if (
            not origins
            # Browsers leave Origin out of plain GETs (images, links), for which this header is the only sign.
            and headers.get("Sec-Fetch-Site", "").lower() == "cross-site"
            and not self._follows_link(request)
        ):
            raise refusals.foreign_page()

    def _follows_link(self, request: web.BaseRequest) -> bool:
        """Return whether the browser leaves the other page for the linked one, so that the other page sees nothing."""
        path = request.raw_path.partition("?")[0]
        return path == self._linked and request.method == "GET" and is_navigation(request)

    def _accepts(self, name: str, request: web.BaseRequest) -> bool:
        return name in self._names or is_loopback(name) or name == _arrived_at(request)


def is_navigation(request: web.BaseRequest) -> bool:
    """Return whether a browser makes a request to show its answer as the page of a tab, and not inside of another page.

    Args:
        request: The request; only its headers are read.
    """
    headers = request.headers
    return headers.get("Sec-Fetch-Mode", "").lower() == "navigate" and (
        headers.get("Sec-Fetch-Dest", "").lower() == "document"
    )


@lru_cache(maxsize=256)
def host_name(host: str) -> str | None:
    """Return the name in a Host header, in lower case and without the port; None if it is invalid.

    Args:
        host: The header.
    """
    match = _HOST.fullmatch(host.strip())
    if match is None:
        return None
    # "localhost." with the dot of a fully qualified name resolves like the name without it.
    return str(match.group(1) or match.group(2)).lower().removesuffix(".")


@lru_cache(maxsize=256)
def _origin_name(origin: str) -> str | None:
    try:
        parts = urlsplit(origin.strip())
    except ValueError:
        return None
    return host_name(parts.netloc) if parts.scheme in ("http", "https", "ws", "wss") else None


def _arrived_at(request: web.BaseRequest) -> str | None:
    transport = request.transport
    address = None if transport is None else transport.get_extra_info("sockname")
    return str(address[0]).partition("%")[0] if address else None
