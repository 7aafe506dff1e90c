from __future__ import annotations

from collections.abc import Iterator

import pytest

from twilio_taskrouter_worker.local import LocalTaskRouter


@pytest.fixture
def router() -> Iterator[LocalTaskRouter]:
    """A running local TaskRouter."""
    with LocalTaskRouter() as router:
        yield router
