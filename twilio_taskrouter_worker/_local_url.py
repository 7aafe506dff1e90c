"""The environment variable that points clients at a running local TaskRouter, and its known credentials."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

__all__ = ["DEVELOPMENT_SEED", "LOCAL_KEY", "LOCAL_URL", "local_url", "next_query", "service_url"]

LOCAL_URL = "TASKROUTER_LOCAL_URL"
"""Name of the variable, for example ``http://127.0.0.1:4100``."""

DEVELOPMENT_SEED = 4100
"""Makes the account, its secrets and all sids of ``taskrouter local`` the same at every start. They are public: every
client that reaches the port can use them, so only this machine should reach it."""

LOCAL_KEY = "SK" + "10ca1" * 3
"""Start of the sid of each signing key that a local TaskRouter generates: a token of one is recognized by it."""


def local_url() -> str | None:
    """Return the address in the environment, without a slash at its end; None where there is none.

    Raises:
        ValueError: It is not the address of a service.
    """
    url = os.environ.get(LOCAL_URL, "").strip()
    return service_url(LOCAL_URL, url) if url else None


def service_url(name: str, url: str) -> str:
    """Return the address of a service without a slash at its end.

    Args:
        name: Name of the variable or option, for the error.
        url: The address.

    Raises:
        ValueError: It is not the address of a service.
    """
    found = url.rstrip("/")
    parts = urlsplit(found)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.path:
        raise ValueError(f"{name} must be an address such as http://127.0.0.1:4100, not {url!r}")
    return found


def next_query(url: str | None) -> str:
    """Return the query of the link to the next page; empty after the last page.

    The rest of the link is not used. It has the scheme and host at which the service sees itself, which behind a proxy
    differ from those of this client, and credentials must not be sent to a host that an answer names.

    Args:
        url: The ``next_page_url`` of a page.

    Raises:
        ValueError: It is not a URL.
    """
    return urlsplit(url).query if url else ""
