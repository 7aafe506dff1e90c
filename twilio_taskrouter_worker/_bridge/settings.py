"""The environment's settings for one address: proxies, and the CAs to trust."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping
from urllib.parse import urlsplit
from urllib.request import getproxies

import attrs

from .. import _hosts
from .tls import ca_path

__all__ = ["Settings", "is_loopback", "settings_for"]

# The last one because requests ignores HTTP_PROXY in a CGI script, where it would be a header of the caller's.
_VARIABLES = (
    *(name for kind in ("http", "https", "all", "no") for name in (f"{kind}_proxy", f"{kind}_proxy".upper())),
    "REQUEST_METHOD",
)

_KEPT = 32
"""Maximum number of URLs whose settings are kept."""

_KEPT_SECONDS = 1.0
"""The system's own settings (macOS, Windows) can also change; those of the environment are compared at each use."""


@attrs.frozen
class Settings:
    """The environment's settings for one address."""

    proxies: Mapping[str, str]
    verify: str
    """File or directory of the CAs to trust."""


def is_loopback(url: str) -> bool:
    """Whether a URL is on this machine; no proxy is used for it, as a proxy could not reach it.

    Args:
        url: The URL.

    Returns:
        Whether its host is a loopback address.
    """
    return _hosts.is_loopback(urlsplit(url).hostname or "")


# Held while the environment is read, so that hundreds of Workers that start at once read it once.
_lock = threading.Lock()
_known: dict[str, tuple[tuple[str | None, ...], float, Settings]] = {}


def settings_for(url: str) -> Settings:
    """Return proxies (``HTTPS_PROXY``, ``NO_PROXY`` ...) and CAs (``REQUESTS_CA_BUNDLE`` ...) of the environment.

    ``requests`` goes through the whole environment twice, which takes longer than a request. So what it found is kept
    as long as the variables are the same.

    Args:
        url: An http(s) URL.

    Returns:
        The settings for it.
    """
    verify = ca_path()
    stamp = (verify, *map(os.environ.get, _VARIABLES))
    with _lock:
        known = _known.get(url)
        now = time.monotonic()
        if known is None or known[0] != stamp or now - known[1] > _KEPT_SECONDS:
            if len(_known) >= _KEPT:
                _known.clear()
            known = _known[url] = stamp, now, _read(url, verify)
    return known[2]


def _read(url: str, verify: str) -> Settings:
    proxies: Mapping[str, str] = {}
    if not is_loopback(url) and getproxies():
        # It brings requests, whose rules for the variables are those that its users know.
        from .proxies import proxies_for

        proxies = proxies_for(url)
    # Not the CAs of requests, which does not know SSL_CERT_FILE and SSL_CERT_DIR.
    return Settings(proxies, verify)


def _forget() -> None:
    """Replace the lock in a forked child: it may have been held."""
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
