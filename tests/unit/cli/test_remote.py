"""What the commands make of records, answers and arguments, without a service."""

from __future__ import annotations

import io

import click
import pytest
import requests

from twilio_taskrouter_worker.cli import control, remote

TWILIO = remote.Remote(remote.TWILIO_URL, "AC" + "1" * 32, "2" * 32, None, confirmed=False)


def test_a_twilio_account_is_not_changed_by_accident() -> None:
    """Without ``--yes`` no request is made."""
    with pytest.raises(click.UsageError, match="add --yes"):
        TWILIO.request("POST", "/v1/Workspaces")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"message": "no such worker"}', "no such worker"),
        (b"<html>", "answered with status 502"),
        (b"[]", "answered with status 502"),
    ],
)
def test_the_message_of_a_refusal(monkeypatch: pytest.MonkeyPatch, body: bytes, text: str) -> None:
    """The service's own, or the address and status of an answer that is not the service's."""
    answer = requests.Response()
    answer.status_code = 502
    answer.raw = io.BytesIO(body)
    monkeypatch.setattr(TWILIO._session, "request", lambda *_, **__: answer)
    with pytest.raises(click.ClickException, match=text):
        TWILIO.request("GET", "/v1/Workspaces")


def test_tables(capsys: pytest.CaptureFixture[str]) -> None:
    """A terminal, or a pipe, gets columns; nothing is said to be nothing, beside the output."""
    printer = remote.Printer(as_json=False)
    printer.table([{"sid": "WK1", "friendly_name": "Alice"}], {"sid": "sid", "friendly_name": "name"})
    assert "Alice" in capsys.readouterr().out
    printer.table([], {"sid": "sid"})
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", "(none)\n")


@pytest.mark.parametrize(("text", "value"), [("seconds=1.5", 1.5), ("path=/v1", "/v1"), ("on=true", True)])
def test_arguments_of_faults(text: str, value: object) -> None:
    """JSON where it is JSON, else text."""
    assert control._argument(text) == (text.partition("=")[0], value)


def test_an_argument_without_a_value() -> None:
    """Wrong usage, with the form that is right."""
    with pytest.raises(click.UsageError, match="NAME=VALUE, not 'seconds'"):
        control._argument("seconds")
