from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from twilio_taskrouter_worker.local import LocalTaskRouter


@pytest.fixture
def router() -> Iterator[LocalTaskRouter]:
    """A running local TaskRouter."""
    with LocalTaskRouter() as router:
        yield router


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A real browser; for test modules that import ``tests.tools.browser``, which skips them where there is none."""
    from tests.tools.browser import launched

    with launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def site() -> Iterator[int]:
    """The port of a web site on this machine."""
    from tests.tools.browser import foreign_site

    with foreign_site() as port:
        yield port
