from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.local.console.console_client import Browser, Live
from twilio_taskrouter_worker.local import LocalTaskRouter


@pytest.fixture
def browser(router: LocalTaskRouter) -> Iterator[Browser]:
    """A browser that has opened the console's link."""
    with Browser(router) as browser:
        yield browser


@pytest.fixture
def live(browser: Browser) -> Iterator[Live]:
    """The console's websocket."""
    with browser.live() as live:
        yield live
