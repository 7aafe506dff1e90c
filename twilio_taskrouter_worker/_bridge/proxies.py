"""Pools of connections where there are proxies; ``requests`` chooses the proxy, as its users know it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import requests
import requests.adapters
import urllib3

from . import tls
from .connections import POOLS

__all__ = ["ProxyAdapter", "proxies_for"]


class ProxyAdapter(requests.adapters.HTTPAdapter):
    """The standard adapter, over connections of our own, with the process's TLS contexts.

    Args:
        hosts: Number of hosts with a pool at most.
        connections: Number of connections that each pool keeps.
    """

    def __init__(self, hosts: int, connections: int) -> None:
        super().__init__(pool_connections=hosts, pool_maxsize=connections, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        # For the TLS to the proxy itself.
        context = tls.context(tls.ca_path()) if proxy.lower().startswith("https") else None
        manager = super().proxy_manager_for(proxy, proxy_ssl_context=context, **kwargs)
        manager.pool_classes_by_scheme = POOLS
        return manager

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
        host, pool = super().build_connection_pool_key_attributes(request, verify, cert)
        if host["scheme"] == "https":
            # In place of the path: urllib3 would read the bundle again for each connection.
            pool.pop("ca_certs", None)
            pool.pop("ca_cert_dir", None)
            pool["ssl_context"] = tls.context(verify)
        return host, pool

    def target(self, url: str, verify: str, proxies: Mapping[str, str]) -> tuple[Any, str]:
        """Return the pool for a URL, and what to request from it: the path, or the whole URL if a proxy forwards.

        Args:
            url: The address.
            verify: File or directory of the CAs to trust.
            proxies: The proxies for it by scheme.

        Raises:
            CaError: The CAs to trust could not be read.
            requests.RequestException: The URL or a proxy setting is invalid.
        """
        request = requests.Request("POST", url).prepare()
        pool = self.get_connection_with_tls_context(request, verify, dict(proxies))
        return pool, self.request_url(request, proxies)

    def managers(self) -> list[urllib3.PoolManager]:
        """Return the managers of all its pools."""
        return [self.poolmanager, *self.proxy_manager.values()]


def proxies_for(url: str) -> Mapping[str, str]:
    """Return the proxies of the environment for a URL by scheme; empty if it is an exception (``NO_PROXY``).

    Args:
        url: An http(s) URL.
    """
    with requests.Session() as session:
        merged = session.merge_environment_settings(url, {}, None, None, None)
    # An empty value is a proxy that was switched off.
    return {key: value for key, value in merged["proxies"].items() if value}
