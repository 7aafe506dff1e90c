"""Who may use the console: the browser that opened the printed link, and no page of another origin.

Three independent checks: the cookie, which only the link sets; the ``Origin``, which must be the console's own (the
rest of the service accepts pages of any port of this machine); and ``Sec-Fetch-Site``, where the browser sends it.
"""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import urlsplit

from aiohttp import web

from ...engine import Rejected
from ..http.guard import is_navigation
from ..http.headers import Headers

PATH = "/console"
_TRUSTED_SITES = ("", "same-origin", "none")
"""Values of ``Sec-Fetch-Site``: no browser, the console itself, or an address that was typed or opened from outside."""
_READING = ("GET", "HEAD")

SECURITY: Headers = {
    "Content-Security-Policy": (
        # The page shows attributes and names that anybody may have written: nothing in them can become a script, a
        # style or a request, even if the page had a fault.
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
        " font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
        " require-trusted-types-for 'script'"
    ),
    # Kept by the browser, but asked about each time: the ETag of a file changes with its content.
    "Cache-Control": "no-cache",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    # For browsers that do not know frame-ancestors: a page that frames the console could have its buttons clicked.
    "X-Frame-Options": "DENY",
}
"""Headers of every answer below :data:`PATH`."""


class Access:
    """The start token of the link, and the cookie that it is exchanged for.

    Both are derived from the account's auth token: that alone is enough to do everything, and a browser stays
    connected across a restart with the same credentials.

    Args:
        auth_token: The account's auth token.
    """

    def __init__(self, auth_token: str) -> None:
        self._token = link_token(auth_token)
        # Another derivation than that of the link: a link in a log or a screenshot does not have the cookie in it.
        self._cookie = _derived(auth_token, "cookie")

    def is_start_token(self, token: str) -> bool:
        """Return whether a token is the one of the link.

        Args:
            token: The token, which may be any text.
        """
        # As bytes: compare_digest() refuses text that is not ASCII.
        return hmac.compare_digest(token.encode("utf-8", "replace"), self._token.encode())

    def has_cookie(self, request: web.BaseRequest) -> bool:
        """Return whether a request has the cookie.

        Args:
            request: The request.
        """
        given = request.cookies.get(_cookie_name(request), "")
        return hmac.compare_digest(given.encode("utf-8", "replace"), self._cookie.encode())

    def set_cookie(self, request: web.BaseRequest, response: web.Response) -> None:
        """Give the cookie to the browser of a request.

        Args:
            request: The request, whose token was checked.
            response: Its answer.
        """
        # Without "secure": the service speaks plain HTTP on loopback. The scripts of the page never need to read it.
        response.set_cookie(_cookie_name(request), self._cookie, path=PATH, httponly=True, samesite="Strict")

    def check(self, request: web.BaseRequest) -> None:
        """Check that a request has the cookie, and was made by the console itself.

        Args:
            request: The request; only its headers are read.

        Raises:
            Rejected: It was not (403).
        """
        # Before the cookie, so that a page elsewhere learns nothing about whether this browser has it.
        check_origin(request)
        if not self.has_cookie(request):
            raise Rejected(403, 20403, "The console must be opened with its link; router.console_url has it")


def link_token(auth_token: str) -> str:
    """Return the start token of the link.

    Args:
        auth_token: The account's auth token.
    """
    # 128 bits: short enough for the address to fit a line of a terminal.
    return _derived(auth_token, "link")[:32]


def check_origin(request: web.BaseRequest) -> None:
    """Check that a request does not come from a page of another origin.

    Args:
        request: The request; only its headers are read.

    Raises:
        Rejected: It does, or it acts and does not name its origin (403).
    """
    origins = request.headers.getall("Origin", [])
    if any(not _own(origin, request.headers.get("Host", "")) for origin in origins):
        raise Rejected(403, 20403, f"Pages of {origins[0][:100]!r} may not use the console")
    opening = "Upgrade" in request.headers
    # Browsers name the origin of every websocket, and of every request that may change something.
    if not origins and (opening or request.method not in _READING):
        raise Rejected(403, 20403, "Requests to the console that may change something need an Origin header")
    if request.headers.get("Sec-Fetch-Site", "").lower() not in _TRUSTED_SITES and not _navigation(request):
        raise Rejected(403, 20403, "Pages of other origins may not use the console (Sec-Fetch-Site)")


def _navigation(request: web.BaseRequest) -> bool:
    """Return whether the browser opens the console itself: a link on a page of another port is fine."""
    page = request.raw_path.partition("?")[0] in (PATH, f"{PATH}/")
    return page and request.method in _READING and is_navigation(request)


def _own(origin: str, host: str) -> bool:
    try:
        parts = urlsplit(origin.strip())
    except ValueError:
        return False
    # Not the scheme: a proxy in front of this service may add TLS.
    return parts.scheme in ("http", "https") and bool(host) and parts.netloc.lower() == host.strip().lower()


def _cookie_name(request: web.BaseRequest) -> str:
    # Browsers send a cookie to every port of its host, and a fork has a console of its own.
    transport = request.transport
    address = None if transport is None else transport.get_extra_info("sockname")
    return f"taskrouter_console_{address[1] if address else 0}"


def _derived(auth_token: str, purpose: str) -> str:
    return hmac.new(auth_token.encode(), f"console {purpose}".encode(), hashlib.sha256).hexdigest()
