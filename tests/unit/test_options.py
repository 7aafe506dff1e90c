"""Options: checks, defaults, and the addresses they lead to."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable
from enum import Enum
from typing import Any

import pytest

from twilio_taskrouter_worker import Supervisor, Worker, WorkerClient, Workspace
from twilio_taskrouter_worker.local.credentials import credentials
from twilio_taskrouter_worker.options import LOG_LEVELS, Options, bridge_urls
from twilio_taskrouter_worker.tokens import create_worker_token

PATH = "/v1/wschannels"


class Region(str, Enum):
    """Regions as programs keep them; formatting a member gives ``Region.IRELAND``."""

    IRELAND = "ie1"


def options_of(**options: Any) -> Options:
    """Options whose names or values the type checker cannot know, or would refuse."""
    return Options(**options)


def urls_without_warning(**options: Any) -> tuple[str, str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return Options(**options).urls()


def test_defaults() -> None:
    """Nothing has to be said."""
    options = Options()
    assert options.urls() == (f"https://event-bridge.twilio.com{PATH}", f"wss://event-bridge.twilio.com{PATH}")
    assert (options.connect_activity_sid, options.close_existing_sessions, options.enable_version_check) == (
        "",
        False,
        False,
    )
    assert (options.set_worker_offline_if_disconnected, options.token_provider) == (None, None)
    assert (options.log_level, options.request_timeout) == (None, 15.0)


@pytest.mark.parametrize(
    ("edge", "region", "host"),
    [
        (None, None, ""),
        (None, "", ""),
        (None, "us1", ""),
        (None, "stage-us1", ".stage-us1"),
        (None, "ie1", ".ie1"),
        ("sydney", None, ".sydney"),
        ("sydney", "stage-us1", ".sydney.stage-us1"),
        ("sydney", "us1", ".sydney.us1"),
        ("", "ie1", ".ie1"),
        (None, Region.IRELAND, ".ie1"),
    ],
)
def test_hosts(edge: str | None, region: str | None, host: str) -> None:
    """Edge and region make the host, each optional; us1 alone stands for none."""
    assert urls_without_warning(edge=edge, region=region) == (
        f"https://event-bridge{host}.twilio.com{PATH}",
        f"wss://event-bridge{host}.twilio.com{PATH}",
    )


def test_edge_warns() -> None:
    """The option that Twilio withdrew warns, with what to use instead; an address that is given needs no edge."""
    with pytest.warns(DeprecationWarning, match="Use region"):
        Options(edge="sydney").urls()
    Options(edge="sydney", eb_server="http://localhost:1/x").urls()


@pytest.mark.parametrize(
    ("eb", "ws", "both"),
    [
        ("http://localhost:4100/v1", None, ("http://localhost:4100/v1", "ws://localhost:4100/v1")),
        ("https://host/v1", "", ("https://host/v1", "wss://host/v1")),
        (None, "ws://localhost:4100/v1", ("http://localhost:4100/v1", "ws://localhost:4100/v1")),
        ("", "wss://host", ("https://host", "wss://host")),
        ("http://a/1", "wss://b/2", ("http://a/1", "wss://b/2")),
    ],
)
def test_addresses(eb: str | None, ws: str | None, both: tuple[str, str]) -> None:
    """Given addresses go before region; of the two, one is enough."""
    assert bridge_urls("ie1", None, eb, ws) == both


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("eb_server", "ws://host"),
        ("eb_server", "localhost:4100"),
        ("eb_server", "https://"),
        ("eb_server", "https:///"),
        ("eb_server", "ftp://host"),
        ("ws_server", "http://host"),
        ("ws_server", "host"),
        ("ws_server", "ws://"),
    ],
)
def test_bad_addresses(name: str, url: str) -> None:
    """An address of another scheme, or without a host, is refused by name with what would be right."""
    right = "http:// or https://" if name == "eb_server" else "ws:// or wss://"
    with pytest.raises(ValueError, match=f"{name} must be a URL that starts with {right}, not "):
        options_of(**{name: url}).urls()


STRINGS = ("connect_activity_sid", "log_level", "region", "edge", "eb_server", "ws_server")
NULLABLE = (
    "region",
    "edge",
    "eb_server",
    "ws_server",
    "set_worker_offline_if_disconnected",
    "token_provider",
    "log_level",
)


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        *[(name, bad) for name in STRINGS for bad in (1, b"x", ["x"])],
        *[(name, bad) for name in ("close_existing_sessions", "enable_version_check") for bad in (0, "true", None)],
        *[("set_worker_offline_if_disconnected", bad) for bad in (0, "true")],
        *[("request_timeout", bad) for bad in (None, "1", True)],
        *[("token_provider", bad) for bad in ("token", 1)],
        ("connect_activity_sid", None),
    ],
)
def test_wrong_types(name: str, bad: Any) -> None:
    """Each option of the wrong type is a TypeError that names it."""
    with pytest.raises(TypeError, match=f"^{name} must be .*, not {type(bad).__name__}$"):
        Options(**{name: bad})


@pytest.mark.parametrize("name", NULLABLE)
def test_none(name: str) -> None:
    """Where None means that nothing was chosen, it may be said."""
    assert getattr(options_of(**{name: None}), name) is None


@pytest.mark.parametrize("bad", [0, -1, 86400, math.inf, math.nan])
def test_request_timeout(bad: float) -> None:
    """A timeout has an end, and is more than nothing."""
    with pytest.raises(ValueError, match="request_timeout must be between 0 and 86400 seconds"):
        Options(request_timeout=bad)
    assert Options(request_timeout=0.001).request_timeout == 0.001


def test_log_levels() -> None:
    """The names of the JS SDK, from the most to the least talkative; another is refused with the list."""
    assert list(LOG_LEVELS.values()) == sorted(LOG_LEVELS.values())
    assert LOG_LEVELS["silent"] > logging.CRITICAL
    for name in LOG_LEVELS:
        assert options_of(log_level=name).log_level == name
    with pytest.raises(ValueError, match="trace, debug, info, warn, error, silent, not 'loud'"):
        options_of(log_level="loud")


def test_unknown_options() -> None:
    """What is no option is refused."""
    with pytest.raises(TypeError):
        Options(colour="red")  # type: ignore[call-arg]


def test_a_token_provider_is_callable() -> None:
    """A function, or anything that can be called."""
    provider = "token".upper
    assert Options(token_provider=provider).token_provider is provider


@pytest.mark.parametrize("port", ["x", "99999", "-1"])
def test_a_port_that_cannot_be(port: str) -> None:
    """It is refused when the client is made, with the address."""
    with pytest.raises(ValueError, match=f"ws_server must have a port from 0 to 65535.*:{port}"):
        bridge_urls(None, None, None, f"ws://127.0.0.1:{port}")


@pytest.mark.parametrize("client", [Worker, Supervisor, Workspace, WorkerClient])
def test_a_local_token_without_an_address(client: Callable[..., object], monkeypatch: pytest.MonkeyPatch) -> None:
    """A token for a local TaskRouter is not sent to Twilio, whoever made it; the error has what to do."""
    monkeypatch.delenv("TASKROUTER_LOCAL_URL", raising=False)
    known = credentials(None)
    token = create_worker_token(known.account_sid, known.signing_key_sid, known.signing_key_secret, "WS1", "WK1")
    with pytest.raises(ValueError, match="for a local TaskRouter, and no address of one is given: pass eb_server"):
        client(token)
    with pytest.raises(ValueError, match="set TASKROUTER_LOCAL_URL"):
        client(token, region="ie1")
    monkeypatch.setenv("TASKROUTER_LOCAL_URL", "http://127.0.0.1:4100")
    client(token)


@pytest.mark.parametrize("region", ["ie1.evil.example", "a b", "-x"])
def test_a_region_is_one_part_of_a_host_name(region: str) -> None:
    """Nothing in it leads to another host."""
    with pytest.raises(ValueError, match="must be one part of a host name, e.g. 'ie1'"):
        Options(region=region)
