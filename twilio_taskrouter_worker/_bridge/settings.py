"""The environment's settings for one address: proxies, and the CAs to trust."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import attrs
import requests

from .. import _hosts
from .tls import ca_path

__all__ = ["Settings", "is_loopback", "settings_for"]


@attrs.frozen
class Settings:
    """The environment's settings for one address, read once."""

    proxies: Mapping[str, str]
    verify: str
    """File or directory of the CAs to trust."""

    cert: Any


def is_loopback(url: str) -> bool:
    """Whether a URL is on this machine; no proxy is used for it, as a proxy could not reach it.

    Args:
        url: The URL.

    Returns:
        Whether its host is a loopback address.
    """
    return _hosts.is_loopback(urlsplit(url).hostname or "")


def settings_for(url: str) -> Settings:
    """Read proxies (``HTTPS_PROXY``, ``NO_PROXY`` ...) and CA bundle (``REQUESTS_CA_BUNDLE`` ...) from the environment.

    Args:
        url: An http(s) URL.

    Returns:
        The settings for it.
    """
    # Only asked for its settings: its rules for the variables are those that users of requests know.
    with requests.Session() as session:
        merged = session.merge_environment_settings(url, {}, None, None, None)
    # An empty value is a proxy that was switched off.
    proxies = {} if is_loopback(url) else {key: value for key, value in merged["proxies"].items() if value}
    # Not its ``verify``: requests does not know SSL_CERT_FILE and SSL_CERT_DIR.
    return Settings(proxies, ca_path(), merged["cert"])
