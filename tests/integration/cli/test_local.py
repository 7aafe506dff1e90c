"""``taskrouter local`` is a service for other programs: it says where it is, serves them, and stops when told."""

from __future__ import annotations

import json
import re
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.integration.cli.commands import ROOT, Running, command_line, environment, taskrouter
from tests.tools.wait import eventually
from twilio_taskrouter_worker import Worker
from twilio_taskrouter_worker.cli.snippets import js_snippet, python_snippet, rest_snippet
from twilio_taskrouter_worker.local import LocalTaskRouter

SEED_FILE = ROOT / "examples" / "seed.yaml"
CREDENTIALS = {
    "account_sid": "AC" + "1" * 32,
    "auth_token": "2" * 32,
    "signing_key_sid": "SK" + "3" * 32,
    "signing_key_secret": "4" * 32,
}

CHANGING = ("url", "console_url", "eb_server", "ws_server", "token")
"""What hangs on the port and the time."""


@pytest.fixture
def running() -> Iterator[Running]:
    """The service on a free port, which said that it is ready in JSON."""
    with Running(command_line("local", "--port", "0", "--json")) as program:
        yield program


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it_cleanly(running: Running, number: signal.Signals) -> None:
    """Ctrl-C and a supervisor's SIGTERM are the way to stop it: exit code 0, nothing on standard error."""
    running.line()
    assert running.stop(number) == (0, "")


_SLOW_START = """
import sys, time
from twilio_taskrouter_worker.cli import main
from twilio_taskrouter_worker.local import opening
from twilio_taskrouter_worker.local.server.service import Service
replay = Service.replay
def slow(*entry):
    print("applying", flush=True)
    time.sleep(0.2)
    return replay(*entry)
Service.replay = slow
opening._ENTRIES_AT_ONCE, opening._REPORT_SECONDS = 1, 0.1
sys.argv[1:] = ["local", "--port", "0", "--db", sys.argv[1]]
main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_a_start_that_takes_long(tmp_path: Path, number: signal.Signals) -> None:
    """While a long journal is applied its progress is shown, and a signal ends the start; the file is as it was."""
    path = tmp_path / "state.db"
    with LocalTaskRouter(db=path) as router:
        for worker in range(300):
            router.add_worker(f"W{worker}")
    with Running([sys.executable, "-c", _SLOW_START, str(path)]) as program:
        for _ in range(5):
            assert program.line() == "applying"
        code, errors = program.stop(number)
    assert code == 0
    assert re.search(r"state\.db: \d+ of \d+ commands applied so far", errors)
    with LocalTaskRouter(db=path) as router:
        assert len(router.workers()) == 300


def test_json_line_is_enough_to_use_it(running: Running) -> None:
    """A program that read the line can call REST and connect a worker."""
    facts: dict[str, Any] = json.loads(running.line())
    answer = requests.get(
        f"{facts['url']}/v1/Workspaces/{facts['workspace_sid']}/Workers/{facts['worker_sid']}",
        auth=(facts["account_sid"], facts["auth_token"]),
        timeout=60,
    )
    assert answer.status_code == 200
    assert answer.json()["friendly_name"] == "Alice"
    with Worker(facts["token"], eb_server=facts["eb_server"], ws_server=facts["ws_server"]) as worker:
        assert worker.sid == facts["worker_sid"]
        assert {activity.name: activity.sid for activity in worker.activities.values()} == facts["activities"]
    assert running.stop(signal.SIGTERM) == (0, "")


def test_given_credentials_are_used() -> None:
    """All four credentials can be given, so that a configuration need not change from run to run."""
    options = [part for name, value in CREDENTIALS.items() for part in ("--" + name.replace("_", "-"), value)]
    with Running(command_line("local", "--port", "0", "--json", *options)) as program:
        facts = json.loads(program.line())
        assert {name: facts[name] for name in CREDENTIALS} == CREDENTIALS
        assert program.stop(signal.SIGINT) == (0, "")


def test_same_seed_same_sids() -> None:
    """With ``--random-seed`` what is made up is the same at each start, but for the port and what hangs on the time."""

    def facts() -> dict[str, Any]:
        with Running(command_line("local", "--port", "0", "--json", "--random-seed", "7")) as program:
            line: dict[str, Any] = json.loads(program.line())
            assert program.stop(signal.SIGINT) == (0, "")
        return {name: value for name, value in line.items() if name not in CHANGING}

    assert facts() == facts()


def test_port_in_use_is_a_clear_error() -> None:
    """Whoever has the port already, the message names it; exit code 1, no traceback."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = taskrouter("local", "--port", str(port))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith(f"Error: Cannot listen on 127.0.0.1:{port}: ")
    assert len(ended.stderr.splitlines()) == 1


def test_address_that_others_can_reach_is_warned_about() -> None:
    """Listening beyond loopback gets a warning in words, and an address this machine has not got an error."""
    ended = taskrouter("local", "--host", "203.0.113.5", "--port", "0")
    assert (ended.returncode, ended.stdout) == (1, "")
    warning, error = ended.stderr.splitlines()
    assert warning.startswith("Warning: The local TaskRouter listens on 203.0.113.5")
    assert error.startswith("Error: Cannot listen on 203.0.113.5:0")


def test_impossible_port_is_wrong_usage() -> None:
    """A port that cannot be is refused before anything starts."""
    ended = taskrouter("local", "--port", "65536")
    assert ended.returncode == 2
    assert "65536" in ended.stderr


def test_impossible_credentials_are_wrong_usage() -> None:
    """A sid that is none is refused with what would be right, before anything starts, and without showing secrets."""
    ended = taskrouter("local", "--port", "0", "--account-sid", "me")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "account_sid" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_text_for_a_person() -> None:
    """Without ``--json`` all credentials, the workers, the snippets that were asked for, and last the address."""
    options = [part for name, value in CREDENTIALS.items() for part in ("--" + name.replace("_", "-"), value)]
    snippets = [part for name in ("python", "rest", "js", "curl") for part in ("--snippets", name)]
    with Running(command_line("local", "--port", "0", *options, *snippets)) as program:
        text = "\n".join(program.lines_until("Local TaskRouter is ready at"))
        assert program.stop(signal.SIGINT)[0] == 0
    url = re.search(r"\nLocal TaskRouter is ready at (http://127\.0\.0\.1:\d+), Ctrl-C ends it$", text)
    assert url is not None
    for value in CREDENTIALS.values():
        assert value in text
    for piece in ("run_forever(", "from twilio.rest import Client", 'require("twilio-taskrouter")', "curl -u", "Alice"):
        assert piece in text


def test_the_start_fits_a_small_terminal() -> None:
    """Without snippets the text fits 80 by 24, so that nothing of it scrolls away."""
    with Running(command_line("local", "--port", "0", "--quiet")) as program:
        lines = program.lines_until("Local TaskRouter is ready at")
        assert program.stop(signal.SIGINT) == (0, "")
    assert len(lines) < 24
    assert max(map(len, lines)) <= 80


def test_the_same_sids_at_every_start() -> None:
    """Credentials and sids are the documented ones, so that pasted programs and .env files stay right."""

    def facts() -> dict[str, Any]:
        with Running(command_line("local", "--port", "0", "--json")) as program:
            line: dict[str, Any] = json.loads(program.line())
            assert program.stop(signal.SIGTERM) == (0, "")
        return line

    first, second = facts(), facts()
    for name in ("account_sid", "auth_token", "signing_key_secret", "workspace_sid", "workflow_sid", "worker_sid"):
        assert first[name] == second[name]
    page = (ROOT / "docs" / "command-line.rst").read_text(encoding="utf-8")
    for name in ("account_sid", "auth_token", "signing_key_sid", "signing_key_secret", "workspace_sid"):
        assert first[name] in page, name


def test_python_snippets_run_as_pasted(running: Running) -> None:
    """The printed worker serves the task that the printed REST snippet creates, and ends on Ctrl-C with 0."""
    facts = json.loads(running.line())
    with Running([sys.executable, "-W", "error", "-c", python_snippet(facts)]) as worker:
        with Running([sys.executable, "-c", rest_snippet(facts)]) as creator:
            assert re.fullmatch(r"WT[0-9a-f]{32} pending", creator.line())
        assert worker.line() == "working on {'order': 1}"
        assert worker.stop(signal.SIGINT) == (0, "")
    assert running.stop(signal.SIGINT) == (0, "")


def test_snippets_of_a_workspace_with_other_activities() -> None:
    """Without an activity Available the worker takes the first one that is not Offline."""
    names = ("account_sid", "signing_key_sid", "signing_key_secret", "workspace_sid", "worker_sid", "token")
    facts = {**dict.fromkeys((*names, "eb_server", "ws_server"), "x"), "activities": {"Offline": "WA0", "Idle": "WA1"}}
    assert 'connect_activity="Idle"' in python_snippet(facts)
    assert 'connectActivitySid: "WA1"' in js_snippet(facts)
    assert 'connect_activity="Out"' in python_snippet({**facts, "activities": {"Out": "WA2"}})


def test_a_file_keeps_everything(tmp_path: Path) -> None:
    """With ``--db`` the second start has the first one's credentials, workspace and worker."""

    def facts(number: signal.Signals) -> dict[str, Any]:
        with Running(command_line("local", "--port", "0", "--json", "--db", str(tmp_path / "state.db"))) as program:
            line: dict[str, Any] = json.loads(program.line())
            program.stop(number)
        return {name: value for name, value in line.items() if name not in CHANGING}

    first = facts(signal.SIGKILL)
    assert facts(signal.SIGTERM) == first


def test_a_seed_file_is_what_it_begins_with(tmp_path: Path) -> None:
    """With ``--seed`` the service has the file's workspace; the first worker there is the one of the snippets."""
    with Running(command_line("local", "--port", "0", "--json", "--seed", str(SEED_FILE))) as program:
        facts = json.loads(program.line())
        answer = requests.get(
            f"{facts['url']}/v1/Workspaces/{facts['workspace_sid']}/Workers",
            auth=(facts["account_sid"], facts["auth_token"]),
            timeout=60,
        )
        assert [worker["friendly_name"] for worker in answer.json()["workers"]] == ["Alice", "Bob"]
        assert answer.json()["workers"][0]["sid"] == facts["worker_sid"]
        assert "Lunch" in facts["activities"]
        assert program.stop(signal.SIGTERM) == (0, "")


def test_a_workspace_without_anything_is_shown(tmp_path: Path) -> None:
    """What a seed file leaves out is null in JSON, and 'none' in the text, which then has no snippets."""
    seed = tmp_path / "bare.json"
    seed.write_text(
        json.dumps(
            {
                "workspaces": [
                    {
                        "friendly_name": "Bare",
                        "activities": [{"friendly_name": "Out"}],
                        "default_activity": "Out",
                        "timeout_activity": "Out",
                    }
                ]
            }
        )
    )
    with Running(command_line("local", "--port", "0", "--json", "--seed", str(seed))) as program:
        facts = json.loads(program.line())
        assert [facts[name] for name in ("worker_sid", "token", "workflow_sid", "task_queue_sid")] == [None] * 4
        assert program.stop(signal.SIGTERM) == (0, "")
    with Running(command_line("local", "--port", "0", "--quiet", "--seed", str(seed))) as program:
        text = "\n".join(program.lines_until("Local TaskRouter is ready at"))
        assert "workflow_sid        none" in text
        assert program.stop(signal.SIGTERM) == (0, "")


@pytest.mark.parametrize(
    ("option", "content", "said"),
    [
        ("--db", "not a database, and longer than its header would be" * 4, "is not an SQLite file"),
        ("--seed", '{"workspace": []}', "unknown key 'workspace'; did you mean 'workspaces'?"),
    ],
)
def test_a_file_that_cannot_be_used_is_a_clear_error(tmp_path: Path, option: str, content: str, said: str) -> None:
    """One line on standard error, exit code 1, and the file as it was."""
    file = tmp_path / "file.json"
    file.write_text(content)
    ended = taskrouter("local", "--port", "0", option, str(file))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("Error: ") and said in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file.json"]
    assert file.read_text() == content


def test_the_console_opens_in_the_browser(tmp_path: Path) -> None:
    """The link is printed, in the JSON too, and --open gives it to the browser of the system."""
    opened = tmp_path / "opened"
    program = tmp_path / "browser"
    program.write_text(f'#!/bin/sh\necho "$1" > {opened}\n')
    program.chmod(0o700)
    settings = environment(PYTHONUNBUFFERED="1", BROWSER=str(program))
    with Running(command_line("local", "--port", "0", "--open", "--json"), env=settings) as running:
        facts = json.loads(running.line())
        eventually(lambda: opened.exists() and opened.read_text().strip() == facts["console_url"])
        assert "The console must be opened" not in requests.get(facts["console_url"], timeout=30).text
        assert running.stop(signal.SIGINT) == (0, "")
    with Running(command_line("local", "--port", "0", "--quiet")) as running:
        assert any("/console?token=" in line for line in running.lines_until("Local TaskRouter is ready at"))


def test_the_console_can_be_left_out() -> None:
    """With --no-console there is no link, and nothing to open."""
    with Running(command_line("local", "--port", "0", "--no-console", "--json")) as running:
        facts = json.loads(running.line())
        assert facts["console_url"] is None
        assert requests.get(f"{facts['url']}/console", timeout=30).status_code == 404
    refused = taskrouter("local", "--no-console", "--open")
    assert refused.returncode == 2 and "--no-console" in refused.stderr
