from __future__ import annotations

from collections.abc import Iterator

import pytest
from twilio.rest.taskrouter.v1.workspace import WorkspaceContext

from tests.interop.js_sdk import JsSdk
from tests.interop.rest_client import LocalHttpClient, workspace_of
from twilio_taskrouter_worker.local import LocalTaskRouter


@pytest.fixture
def router() -> Iterator[LocalTaskRouter]:
    """A running local TaskRouter."""
    with LocalTaskRouter() as router:
        yield router


@pytest.fixture
def sdk(router: LocalTaskRouter) -> Iterator[JsSdk]:
    """The official JS SDK, for that router."""
    with JsSdk(router) as sdk:
        yield sdk


@pytest.fixture
def rest(router: LocalTaskRouter) -> Iterator[WorkspaceContext]:
    """The router's workspace through the official ``twilio`` package."""
    http = LocalHttpClient(router)
    yield workspace_of(router, http)
    http.close()
