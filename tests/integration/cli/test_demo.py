"""``taskrouter demo`` does the main job for real, shows it, and only says so if it is true."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import time
from io import StringIO

import pytest
from click.testing import CliRunner
from rich.console import Console

from tests.integration.cli.commands import BOUND_SECONDS, command_line, environment, taskrouter
from tests.tools.programs import heed_interrupts
from tests.tools.wait import eventually
from twilio_taskrouter_worker import Reservation
from twilio_taskrouter_worker.cli.demo import demo
from twilio_taskrouter_worker.cli.screen import Screen, duration, print_report
from twilio_taskrouter_worker.cli.shift import STATES, Shift, TaskStory, WorkerStory
from twilio_taskrouter_worker.local import LocalTaskRouter

WAY = r"^task \d+ +(?:Alice|Bob) +pending +\S+ m?s > reserved +\S+ m?s > assigned +\S+ m?s > completed$"
COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-7]m")


def run_on_a_terminal(*arguments: str, **more: str) -> tuple[int, str]:
    """Run the command with a terminal as its standard output; return exit code and everything it wrote."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command_line(*arguments), env=environment(LINES="40", **more), stdout=theirs, stderr=theirs, stdin=theirs
    )
    os.close(theirs)
    written = b""
    try:
        deadline = time.monotonic() + BOUND_SECONDS
        while time.monotonic() < deadline:
            try:
                chunk = os.read(ours, 65536)
            except OSError:  # how Linux says that the other side closed
                break
            if not chunk:
                break
            written += chunk
        return process.wait(timeout=BOUND_SECONDS), written.decode()
    finally:
        os.close(ours)
        if process.poll() is None:
            process.kill()
            process.wait(timeout=BOUND_SECONDS)


def test_default_run_completes_twenty_tasks_for_two_workers() -> None:
    """Without options the service has twenty tasks as completed, each after the states before, by both workers."""
    ended = taskrouter("demo", "--json")
    assert ended.returncode == 0, ended.stderr
    report = json.loads(ended.stdout)
    assert report["ok"] is True
    assert [task["number"] for task in report["tasks"]] == list(range(1, 21))
    assert {task["status"] for task in report["tasks"]} == {"completed"}
    assert len({task["sid"] for task in report["tasks"]}) == 20
    for task in report["tasks"]:
        assert set(task["reached"]) == set(STATES)
        times = [task["reached"][state] for state in STATES]
        assert times == sorted(times)
    assert [worker["name"] for worker in report["workers"]] == ["Alice", "Bob"]
    assert sum(worker["completed"] for worker in report["workers"]) == 20
    assert all(worker["completed"] > 0 for worker in report["workers"])
    assert (report["stuck"], report["troubles"]) == ([], [])


def test_json_keeps_the_view_off_standard_output() -> None:
    """With ``--json`` a program reads one line from standard output; a person still sees the view beside it."""
    ended = taskrouter("demo", "--json", "--tasks", "1", "--workers", "1")
    assert len(ended.stdout.splitlines()) == 1
    assert "1 of 1 tasks completed by 1 worker in" in ended.stderr


def test_plain_output_is_readable_without_a_terminal() -> None:
    """In a pipe or a log file there is one line a task and no escape sequence."""
    ended = taskrouter("demo", "--tasks", "3")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "\x1b" not in ended.stdout
    assert len(re.findall(WAY, ended.stdout, re.M)) == 3
    assert re.search(r"^Alice connected in ", ended.stdout, re.M)
    assert re.search(r"^Bob connected in ", ended.stdout, re.M)
    assert "3 of 3 tasks completed by 2 workers in" in ended.stdout


def test_live_output_on_a_terminal() -> None:
    """A terminal gets colours, the live line with its bar, and the same closing lines."""
    code, written = run_on_a_terminal("demo", "--tasks", "3")
    assert code == 0, written
    assert COLOUR.search(written)
    assert re.search(r"\d/3", written)
    assert "3 of 3 tasks completed by 2 workers in" in written


def test_no_color_is_honoured() -> None:
    """``NO_COLOR`` leaves a terminal without colours."""
    code, written = run_on_a_terminal("demo", "--tasks", "1", "--workers", "1", NO_COLOR="1")
    assert code == 0, written
    assert not COLOUR.search(written)


@pytest.mark.parametrize(
    ("option", "value"),
    [("--tasks", "0"), ("--tasks", "-1"), ("--tasks", "many"), ("--workers", "0"), ("--workers", "1000000000")],
)
def test_impossible_numbers_are_wrong_usage(option: str, value: str) -> None:
    """A number that cannot be is refused at once, with the option, the value and what would be right."""
    ended = taskrouter("demo", option, value)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert option in ended.stderr
    assert value in ended.stderr
    assert "Traceback" not in ended.stderr


def test_interrupt_ends_it_at_once() -> None:
    """Ctrl-C in the middle ends the demo with 130 and one word, whatever was under way."""
    with subprocess.Popen(
        command_line("demo", "--tasks", "1000", "--workers", "1"),
        env=environment(PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_interrupts,
    ) as process:
        try:
            assert process.stdout is not None and process.stderr is not None
            while not process.stdout.readline().startswith("task "):
                assert process.poll() is None
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=BOUND_SECONDS)
        finally:
            process.kill()
    assert process.returncode == 130
    assert errors.strip() == "interrupted"


class SilentScreen:
    """An observer that shows nothing."""

    def opened(self, url: str) -> None:
        """Ignore it."""

    def connected(self, worker: WorkerStory) -> None:
        """Ignore it."""

    def moved(self, task: TaskStory, state: str) -> None:
        """Ignore it."""


class LazyShift(Shift):
    """A shift whose workers let the second task's offer lie, and stumble over the third's.

    Its deadline passes when everything has happened that happens, so that a slow machine has the time it needs.
    """

    def _wait(self) -> None:
        eventually(lambda: "completed" in self.tasks[0].reached and self.troubles)
        self.deadline_seconds = 0.0
        super()._wait()

    def _serve(self, reservation: Reservation, worker: WorkerStory) -> None:
        number = reservation.task.attributes["number"]
        if number == 3:
            raise RuntimeError("fell asleep")
        if number != 2:
            super()._serve(reservation, worker)


def test_tasks_left_are_named_and_explained() -> None:
    """At the deadline the report has what the service says of each task left, why, and the workers' own errors."""
    shift = LazyShift(3, 3, SilentScreen(), deadline_seconds=100.0)
    report = shift.run()
    assert not report.ok
    assert [task.status for task in report.tasks] == ["completed", "reserved", "reserved"]
    assert [stuck.number for stuck in report.stuck] == [2, 3]
    assert all(stuck.why for stuck in report.stuck)
    assert any("fell asleep" in trouble for trouble in report.troubles)

    paper = StringIO()
    print_report(Console(width=120, file=paper), report)
    shown = paper.getvalue()
    assert f"task 2 ({report.stuck[0].sid}) is reserved" in shown
    assert "reported by a worker" in shown
    assert "1 of 3 tasks completed" in shown


class RefusingTaskRouter(LocalTaskRouter):
    """A local TaskRouter that no worker can connect to."""

    def start(self) -> LocalTaskRouter:
        super().start()
        self.faults.refuse_connects()
        return self


def test_workers_that_do_not_get_ready_are_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """At a deadline that no worker was ready by, one line names the first of them; exit code 1."""
    monkeypatch.setattr("twilio_taskrouter_worker.cli.shift.LocalTaskRouter", RefusingTaskRouter)
    monkeypatch.setattr("twilio_taskrouter_worker.cli.demo._BASE_SECONDS", 0.0)
    monkeypatch.setattr("twilio_taskrouter_worker.cli.demo._SECONDS_PER_TASK", 0.0)
    ended = CliRunner().invoke(demo, ["--tasks", "1"])
    assert ended.exit_code == 1
    assert "Error: the demo could not run: Alice was not ready within 0 s" in ended.output


def test_a_story_without_a_beginning_has_no_state() -> None:
    """A task that was not created yet is in no state, and has spent no time in any."""
    story = TaskStory(1)
    assert story.state == ""
    assert story.seconds_in("pending") is None


def test_screen_has_no_live_table_off_a_terminal() -> None:
    """Entering and leaving the screen writes nothing into a pipe."""
    paper = StringIO()
    with Screen(Console(file=paper)):
        pass
    assert paper.getvalue() == ""


@pytest.mark.parametrize(
    ("seconds", "shown"), [(None, "-"), (0.0, "0 ms"), (0.0519, "52 ms"), (1.0, "1.00 s"), (75.5, "75.50 s")]
)
def test_durations_read_well(seconds: float | None, shown: str) -> None:
    """Below a second in milliseconds, above in seconds, and a dash for what did not happen."""
    assert duration(seconds) == shown
