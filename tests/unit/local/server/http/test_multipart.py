"""Reading multipart forms."""

from __future__ import annotations

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from twilio_taskrouter_worker.local.engine import Rejected
from twilio_taskrouter_worker.local.server.http import forms, multipart

TYPE = "multipart/form-data; boundary=b"


def sent(fields: list[tuple[str, str]]) -> tuple[bytes, str]:
    """A body as another library writes it, and its Content-Type."""
    parts = [(name, (None, value)) for name, value in fields]
    request = requests.Request("POST", "http://x", files=parts).prepare()
    assert isinstance(request.body, bytes)
    return request.body, request.headers["Content-Type"]


@given(st.lists(st.tuples(st.from_regex(r"[A-Za-z]{1,20}", fullmatch=True), st.text()), min_size=1, max_size=8))
def test_forms_of_another_library_are_read(fields: list[tuple[str, str]]) -> None:
    """Names and values come back whatever they hold, line ends and all of Unicode included."""
    fields = [(name, value.encode("utf-8", "ignore").decode()) for name, value in fields]
    assert multipart.fields(*sent(fields), 10) == fields


def test_repeated_fields_are_a_list() -> None:
    """As in a plain form."""
    body, content_type = sent([("a", "1"), ("b", ""), ("a", "2")])
    assert forms.parse_multipart(body, content_type) == {"a": ["1", "2"], "b": ""}


@pytest.mark.parametrize(
    ("body", "content_type", "why"),
    [
        (b"", "multipart/form-data", "needs a boundary"),
        (b"", TYPE, "last boundary is missing"),
        (b"--b\r\n\r\nx", TYPE, "last boundary is missing"),
        (b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n", TYPE, "last boundary is missing"),
        (b"--b\r\nContent-Disposition: form-data; name=a\r\n--b--", TYPE, "no headers"),
        (b"--b\r\nX: " + b"y" * 9000 + b"\r\n\r\nx\r\n--b--", TYPE, "headers without end"),
        (b"--b\r\nContent-Type: text/plain\r\n\r\nx\r\n--b--", TYPE, "no name"),
        (b'--b\r\nContent-Disposition: form-data; name=a; filename="f"\r\n\r\nx\r\n--b--', TYPE, "is a file"),
        (b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n\xff\r\n--b--", TYPE, "not UTF-8"),
        (b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n" * 3 + b"--b--", TYPE, "more than 2"),
    ],
)
def test_bad_bodies(body: bytes, content_type: str, why: str) -> None:
    """What is garbled is refused, and the refusal says how."""
    with pytest.raises(Rejected, match=why) as refusal:
        multipart.fields(body, content_type, 2)
    assert refusal.value.status == 400


@given(st.binary(max_size=80), st.text(max_size=20))
def test_any_body_is_read_or_refused(body: bytes, boundary: str) -> None:
    """Nothing else ever happens."""
    try:
        multipart.fields(body, f"multipart/form-data; boundary={boundary}", 5)
    except Rejected as refusal:
        assert refusal.status == 400
