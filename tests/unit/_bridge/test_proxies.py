"""Pools of connections: the direct one of a host is that which ``requests`` would use where no proxy is chosen."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import certifi
import pytest
from requests.adapters import HTTPAdapter

from tests.integration.client.event_recorder import TOKEN
from tests.oracle.bridge import RecordingBridge
from twilio_taskrouter_worker._bridge.http import _Targets
from twilio_taskrouter_worker._bridge.settings import Settings

URLS = [
    "http://127.0.0.1:8080/v1/wschannels",
    "http://[::1]:8080/v1",
    "https://event-bridge.twilio.com/v1/wschannels",
    "https://EVENT-bridge.example:8443/a%2fb/c d?x=1&y=%C3%A9",
    "https://b\u00fccher.example",
    "https://user:secret@host.example/v1/",
]


@pytest.mark.parametrize("url", URLS)
def test_a_direct_pool_is_the_one_of_requests(url: str) -> None:
    """The same host, port, path and TLS context, with and without a proxy for another kind of address."""
    targets = _Targets()

    def found(proxies: dict[str, str]) -> tuple[object, ...]:
        target = targets.find(url, Settings(proxies, certifi.where()))
        pool: Any = target.pool
        # Before requests 2.32.3 an adapter cannot be given a context.
        context = pool.conn_kw.get("ssl_context") if hasattr(HTTPAdapter, "build_connection_pool_key_attributes") else 0
        return target.path, type(pool), pool.host, pool.port, pool.pool.maxsize, context and id(context)

    assert found({}) == found({"ftp": "http://proxy.example:3128"})
    targets.close()


def test_without_a_proxy_requests_is_not_imported() -> None:
    """A Worker that was ready has not paid for it."""
    program = (
        "import os, sys\n"
        "for name in [each for each in os.environ if each.lower().endswith('_proxy')]: del os.environ[name]\n"
        "from twilio_taskrouter_worker import Worker\n"
        f"with Worker({TOKEN!r}, eb_server=sys.argv[1]): print({{'requests', 'jwt'}} & set(sys.modules))"
    )
    with RecordingBridge() as bridge:
        done = subprocess.run(
            [sys.executable, "-c", program, bridge.eb_server], capture_output=True, text=True, timeout=60, check=False
        )
    assert (done.stdout, done.stderr) == ("set()\n", "")
