from __future__ import annotations

import pytest

from tests.unit._bridge.service import Client, Service


@pytest.fixture
def service() -> Service:
    """A service that answers what a test tells it to."""
    return Service()


@pytest.fixture
def client(service: Service) -> Client:
    """A client that has read the lists of the service."""
    client = Client(service)
    assert client.take_over() == []
    return client
