"""Signatures of webhooks, checked with the official validator, and what of a URL goes where."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from twilio_taskrouter_worker.local.server.events import posting

TOKEN = "0123456789abcdef0123456789abcdef"


@given(st.dictionaries(st.text(min_size=1), st.text()))
def test_signature_is_the_one_of_the_official_library(params: dict[str, str]) -> None:
    """Whatever is posted, Twilio's own helper takes the signature for good, and no other one."""
    url = "http://127.0.0.1:8080/events?a=1"
    made = posting.signature(TOKEN, url, params)
    assert RequestValidator(TOKEN).validate(url, params, made)
    assert not RequestValidator("f" * 32).validate(url, params, made)


@pytest.mark.parametrize(
    ("url", "signed"),
    [
        ("http://host/path?b=2&a=%2Fx#part", "http://host/path?b=2&a=%2Fx"),
        ("https://host", "https://host/"),
        ("http://host:8080?x=1", "http://host:8080/?x=1"),
        ("http://user:secret@host:81/p", "http://host:81/p"),
        ("http://[::1]:81/p", "http://[::1]:81/p"),
        ("http://host/a b/ü", "http://host/a%20b/%C3%BC"),
    ],
)
def test_the_signed_url_is_the_one_the_receiver_sees(url: str, signed: str) -> None:
    """No user, password or fragment; escapes as they were given, and added where a URL needs them."""
    assert posting._address(url)[1] == signed


@pytest.mark.parametrize(
    "url", ["", "nonsense", "ftp://host/", "/path", "http://", "http:///x", "http://[::1/", "http://h:x/"]
)
def test_an_invalid_url(url: str) -> None:
    """It is refused in words, whatever it is."""
    with pytest.raises(posting.NotDelivered, match="not an http or https URL"):
        posting._address(url)


@pytest.mark.parametrize("url", ["http://user:secret@host:81/p?key=secret", "https://host/p#secret"])
def test_logs_show_no_secret(url: str) -> None:
    """What logs may have of a URL leaves out what may be secret in it."""
    assert "secret" not in posting.shown(url)
    assert posting.shown("http://host:81/p?x=1") == "http://host:81/p?..."
    assert posting.shown("no url") == "no url"


def test_a_log_line_stays_one_line() -> None:
    """Line breaks and control characters of a callback URL do not reach the log, letters of any language do."""
    shown = posting.shown("http://host/a\nERROR forged\r\x1b[2J\u2028")
    assert shown == r"http://host/a\nERROR forged\r\x1b[2J\u2028"
    assert posting.shown("http://höst/ü") == "http://höst/ü"
