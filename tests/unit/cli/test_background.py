"""``taskrouter stop``: its record of a service in the background, and processes that are not that service."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from twilio_taskrouter_worker.cli import background

PORT = "4999"


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The record of the service on the port, in a folder of the test's own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    path = tmp_path / "taskrouter" / f"{PORT}.json"
    path.parent.mkdir()
    return path


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """A process whose command line names the package, as that of a service does; it waits for its end."""
    script = "import sys; print(flush=True); sys.stdin.read()  # twilio_taskrouter_worker"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        running.stdout.readline()
        yield running
        running.kill()


def stop() -> tuple[int, str]:
    """Run the command; return its exit code and its text."""
    ended = CliRunner().invoke(background.stop, ["--port", PORT])
    return ended.exit_code, ended.output


@pytest.mark.parametrize("content", [None, "", "[]", "{}", '{"pid": "x"}'])
def test_without_a_record_nothing_is_stopped(record: Path, content: str | None) -> None:
    """A record that is missing or damaged names no process."""
    if content is not None:
        record.write_text(content)
    code, text = stop()
    assert code == 1 and "No local TaskRouter was started with --detach on port 4999" in text


def test_a_service_that_has_ended(record: Path) -> None:
    """Its record is removed, so that the next attempt does not find it."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    record.write_text(json.dumps({"pid": ended.pid}))
    code, text = stop()
    assert code == 1 and "has ended already" in text
    assert not record.exists()


def test_a_process_of_another_program_is_left_alone(record: Path) -> None:
    """The number of an ended service may belong to another program by now: here, the first of the machine."""
    record.write_text(json.dumps({"pid": 1}))
    assert "has ended already" in stop()[1]


@pytest.mark.parametrize("moment", ["reading", "signal", "waiting"])
def test_one_that_ends_just_now(
    record: Path, process: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """It may end at any step of the command, which is no failure of the command itself."""
    read, kill = Path.read_bytes, os.kill
    steps = iter(["reading", "signal", "waiting"])

    def step(path: Path) -> bytes:
        # The file is open by now, and the system has nothing to read from it any more.
        if path.name == "cmdline" and next(steps, None) == moment:
            raise ProcessLookupError
        return read(path)

    def ended(pid: int, number: int) -> None:
        if next(steps, None) == moment:
            raise ProcessLookupError
        kill(pid, number)

    monkeypatch.setattr(Path, "read_bytes", step)
    monkeypatch.setattr(os, "kill", ended)
    record.write_text(json.dumps({"pid": process.pid}))
    code, text = stop()
    assert (code, "has ended already" in text) == ((0, False) if moment == "waiting" else (1, True))
    assert not record.exists()


def test_one_that_does_not_end_is_reported(
    record: Path, process: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is sent SIGTERM once; if it is still there after the time allowed, the command says so and fails."""
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: sent.append((pid, number)))
    monkeypatch.setattr(background, "STOP_SECONDS", 0.0)
    record.write_text(json.dumps({"pid": process.pid}))
    code, text = stop()
    assert code == 1 and f"Process {process.pid} did not end within 0 s" in text
    assert sent == [(process.pid, signal.SIGTERM)]


def test_a_service_that_cannot_start_shows_its_log(record: Path) -> None:
    """The message is what the service wrote before it ended."""
    from click import ClickException

    with pytest.raises(ClickException, match="No such option"):
        background.detach(["--no-such-option"])
    assert not record.exists()


def test_a_system_without_proc(process: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """There, as on macOS, a service is known by its number alone."""

    def missing(path: Path) -> bytes:
        raise FileNotFoundError(path)

    monkeypatch.setattr(Path, "read_bytes", missing)
    monkeypatch.setattr(os.path, "isdir", lambda path: False)
    assert background._is_ours(process.pid)
    process.kill()
    process.wait()
    assert not background._is_ours(process.pid)
