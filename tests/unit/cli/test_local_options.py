"""Options of ``taskrouter local`` that exclude each other, and signals that come early."""

from __future__ import annotations

import signal

import pytest
from click.testing import CliRunner

from twilio_taskrouter_worker.cli import local


def test_nothing_is_there_to_be_opened() -> None:
    """The link of a console that is left out cannot be opened: wrong usage, before anything starts."""
    result = CliRunner().invoke(local.local, ["--open", "--no-console"])
    assert result.exit_code == 2 and "--no-console leaves out" in result.output


def test_signals_during_the_start() -> None:
    """The first one ends the start at once, a second one does not disturb the clean-up."""
    stop = local._Stop()
    with pytest.raises(KeyboardInterrupt), stop.raising():
        stop.request(signal.SIGINT, None)
    stop.request(signal.SIGTERM, None)
    assert stop.is_set()


def test_a_signal_before_the_start() -> None:
    """The start does not begin."""
    stop = local._Stop()
    stop.request(signal.SIGTERM, None)
    with pytest.raises(KeyboardInterrupt), stop.raising():
        pytest.fail("it began")


def test_no_browser(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The link is on the screen, and this says so."""
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda link: bool(opened.append(link)))
    local._open({"console_url": "http://127.0.0.1:1/console"})
    assert opened == ["http://127.0.0.1:1/console"]
    assert "open the link of the console yourself" in capsys.readouterr().err


def test_a_service_in_the_background_opens_its_console(monkeypatch: pytest.MonkeyPatch) -> None:
    """The browser is opened by the command that starts it, not by the service."""
    given: list[object] = []

    def detach(arguments: list[str]) -> dict[str, str]:
        given.append(arguments)
        return {"url": "http://127.0.0.1:1", "console_url": "http://127.0.0.1:1/console", "log": "x.log"}

    monkeypatch.setattr("twilio_taskrouter_worker.cli.background.detach", detach)
    monkeypatch.setattr("webbrowser.open", lambda link: given.append(link) or True)
    monkeypatch.setattr("sys.argv", ["taskrouter", "local", "--detach", "--open", "--seed", "5"])
    result = CliRunner().invoke(local.local, ["--detach", "--open"])
    assert result.output == "Local TaskRouter is ready at http://127.0.0.1:1, log in x.log\n"
    assert given == [["--seed", "5"], "http://127.0.0.1:1/console"]
