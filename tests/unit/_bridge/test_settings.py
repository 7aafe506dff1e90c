"""The environment's settings: read once for all clients, and again when they change."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from twilio_taskrouter_worker._bridge import settings
from twilio_taskrouter_worker._bridge.settings import settings_for

URL = "https://event-bridge.example/v1"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Give an environment without proxies, in which time changes nothing."""
    for name in settings._VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(settings, "_KEPT_SECONDS", 3600.0)
    monkeypatch.setattr(settings, "_known", {})
    return monkeypatch


def test_they_are_read_once_for_all_clients() -> None:
    """Threads that ask at once get the same settings; another address has its own."""
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(settings_for, [URL] * 40))
    assert len({id(each) for each in found}) == 1
    assert settings_for("https://other.example/v1") is not found[0]


@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
def test_a_changed_proxy_is_noticed(environment: pytest.MonkeyPatch, name: str) -> None:
    """A variable that is set, changed and removed counts at the next use."""
    assert settings_for(URL).proxies == {}
    key = name.lower().removesuffix("_proxy")
    for proxy in ("http://one.example:1", "http://two.example:2"):
        environment.setenv(name, proxy)
        assert settings_for(URL).proxies[key] == proxy
    environment.setenv("no_proxy", "event-bridge.example")
    assert settings_for(URL).proxies == {}
    environment.delenv("no_proxy")
    environment.delenv(name)
    assert settings_for(URL).proxies == {}


def test_a_changed_ca_bundle_is_noticed(environment: pytest.MonkeyPatch) -> None:
    """So does the file of CAs."""
    environment.setenv("REQUESTS_CA_BUNDLE", "/one.pem")
    assert settings_for(URL).verify == "/one.pem"
    environment.setenv("REQUESTS_CA_BUNDLE", "/two.pem")
    assert settings_for(URL).verify == "/two.pem"


def test_they_are_read_again_after_a_while(environment: pytest.MonkeyPatch) -> None:
    """The system's own settings may have changed, which the environment does not show."""
    before = settings_for(URL)
    environment.setattr(settings, "_KEPT_SECONDS", -1.0)
    assert settings_for(URL) is not before
    assert settings_for(URL) == before


def test_addresses_without_end_are_not_kept() -> None:
    """The memory for them is bounded."""
    for number in range(3 * settings._KEPT):
        settings_for(f"https://host-{number}.example/v1")
    assert len(settings._known) <= settings._KEPT
