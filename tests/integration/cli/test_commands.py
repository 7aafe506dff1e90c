"""The commands for a running service: each as a person types it, against a service of the test's own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.integration.cli.commands import Running, command_line, taskrouter
from tests.tools.ports import lasting_port
from twilio_taskrouter_worker import Worker
from twilio_taskrouter_worker.local import LocalTaskRouter

Run = Callable[..., str]

PROGRAM = """
import os
from twilio_taskrouter_worker import Worker
from twilio_taskrouter_worker.tokens import create_worker_token

def make():
    worker = Worker(os.environ["TOKEN"])
    worker.on("ready", lambda worker: print("ready", worker.name, flush=True))
    return worker
not_a_worker = 5
"""


@pytest.fixture
def run(router: LocalTaskRouter) -> Run:
    """Run a command that must succeed, pointed at the router by its environment; returns what it printed."""

    def succeed(*arguments: str, code: int = 0, **more: str) -> str:
        ended = taskrouter(*arguments, **{**_environment(router), **more})
        assert (ended.returncode, "Traceback" in ended.stderr) == (code, False), ended.stderr
        return ended.stdout if code == 0 else ended.stderr

    return succeed


@pytest.fixture
def router() -> Any:
    """A running local TaskRouter with a worker."""
    # Some of the tests reset it.
    with LocalTaskRouter(lasting_port()) as router:
        router.add_worker("Alice", activity="Available", attributes={"lang": "de"})
        yield router


def _environment(router: LocalTaskRouter) -> dict[str, str]:
    return {
        "TASKROUTER_LOCAL_URL": router.url,
        "TWILIO_ACCOUNT_SID": router.account_sid,
        "TWILIO_AUTH_TOKEN": router.auth_token,
        "TWILIO_API_KEY": router.signing_key_sid,
        "TWILIO_API_SECRET": router.signing_key_secret,
    }


def test_tasks(router: LocalTaskRouter, run: Run) -> None:
    """A task is created, listed, shown, explained, and canceled."""
    router.set_activity("Alice", "Offline")
    sid = run("task", "create", '{"order": 4711}', "--priority", "3", "--workflow", router.workflow_sid).strip()
    assert router.task(sid).priority == 3
    assert sid in run("task", "list", "--status", "pending")
    assert json.loads(run("task", "show", sid, "--json"))["sid"] == sid
    assert "assignment_status" in run("task", "show", sid)
    assert "Alice" in run("explain", sid)
    assert json.loads(run("explain", sid, "--json"))["task_sid"] == sid
    assert run("task", "cancel", sid, "--reason", "late").split() == [sid, "canceled"]
    assert router.task(sid).reason == "late"
    assert run("task", "list", "--status", "pending", "--json") == ""


def test_a_task_is_completed(router: LocalTaskRouter, run: Run) -> None:
    """As a manager who ends a task in somebody's place."""
    sid = router.create_task()
    with Worker(router.token("Alice"), **router.connection) as worker:
        [reservation] = worker.reservations.values()
        reservation.accept().result(timeout=30)
        assert run("task", "complete", sid).split() == [sid, "completed"]


def test_workers(router: LocalTaskRouter, run: Run) -> None:
    """Workers are added and changed by name."""
    sid = run("worker", "add", "Bob", "--activity", "Available", "--attributes", '{"n": 1}').strip()
    assert router.worker("Bob").sid == sid
    run("worker", "activity", "Bob", "Offline")
    run("worker", "attributes", sid, '{"n": 2}')
    assert (router.worker("Bob").activity_name, json.loads(router.worker("Bob").attributes)) == ("Offline", {"n": 2})
    assert [json.loads(line)["friendly_name"] for line in run("worker", "list", "--json").splitlines()] == [
        "Alice",
        "Bob",
    ]
    assert "Bob" in run("worker", "show", "Bob")


def test_a_list_of_several_pages(router: LocalTaskRouter, run: Run) -> None:
    """The link to the next page may name the service in another way than the command does: only its path counts."""
    for number in range(100):
        router.add_worker(f"Worker {number}")
    address, _, port = router.url.rpartition(":")
    rows = run("worker", "list", "--url", f"{address}:0{port}").splitlines()
    assert len(rows) == 101 and len(set(rows)) == 101


def test_queues_and_workflows(router: LocalTaskRouter, run: Run) -> None:
    """Queues with what waits in them, and the workflows."""
    router.set_activity("Alice", "Offline")
    router.create_task()
    [queue] = [json.loads(line) for line in run("queue", "list", "--json").splitlines()]
    assert (queue["sid"], queue["waiting"]) == (router.task_queue_sid, 1)
    assert router.workflow_sid in run("workflow", "list")


def test_a_token_and_its_claims(router: LocalTaskRouter, run: Run) -> None:
    """The token of a worker connects it; decoded, it shows for whom it is."""
    token = run("token", "Alice", "--ttl", "60").strip()
    with Worker(token, **router.connection) as worker:
        assert worker.name == "Alice"
    assert router.worker("Alice").sid in run("token", "--decode", token)
    assert "Error" in run("token", "--decode", "nonsense", code=1)
    assert "Name a WORKER" in run("token", code=2)


def test_status_clock_and_faults(router: LocalTaskRouter, run: Run) -> None:
    """What goes on, and what can be done to it."""
    with Worker(router.token("Alice"), **router.connection):
        assert json.loads(run("status", "--json"))["connected"] == ["Alice"]
    before = router.clock.now()
    run("clock", "pause")
    run("clock", "advance", "3600")
    assert router.clock.now() >= before + 3600
    assert "paused" in run("clock", "show")
    assert "running" in run("clock", "resume")
    assert run("fault", "delay", "seconds=0.1", "--for", "60").strip() == "delay(0.1)"
    assert "delay(0.1)" in run("fault", "list")
    run("fault", "clear")
    assert router.faults.active == ()
    assert "There is no fault 'dealy'" in run("fault", "dealy", code=1)
    assert "NAME=VALUE" in run("fault", "delay", "0.1", code=2)


def test_events(router: LocalTaskRouter, run: Run) -> None:
    """Those there are, and those that come."""
    task = router.create_task()
    lines = run("tail", "--no-follow", "--task", task).splitlines()
    assert any("task.created" in line and task in line for line in lines)
    arguments = command_line("tail", "--json", "--type", "task.canceled")
    with Running(arguments, env={**os.environ, **_environment(router), "PYTHONUNBUFFERED": "1"}) as tail:
        router.set_activity("Alice", "Offline", reject_pending_reservations=True)
        router.cancel_task(task)
        event = json.loads(tail.line())
        assert (event["type"], event["resource_sid"]) == ("task.canceled", task)
        assert tail.stop(signal.SIGINT) == (130, "\ninterrupted\n")
    assert "sent again" in taskrouter("events", "resend", event["sid"], **_environment(router)).stderr


def test_reset(router: LocalTaskRouter, run: Run) -> None:
    """Everything is as at the start when the command has ended."""
    run("reset")
    assert router.workers() == []


def test_a_service_without_a_workspace(router: LocalTaskRouter, run: Run) -> None:
    """After its workspace was deleted its state is still shown, and a reset brings the workspace back."""
    home, account = router.workspace_sid, (router.account_sid, router.auth_token)
    assert requests.delete(f"{router.url}/v1/Workspaces/{home}", auth=account, timeout=30).status_code == 204
    state = json.loads(run("status", "--json"))
    assert (state["workspace_sid"], state["workers"], state["connected"]) == (None, 0, [])
    assert "The service has no workspace" in run("task", "list", code=2)
    run("reset")
    assert json.loads(run("status", "--json"))["workspace_sid"] == router.workspace_sid


def test_workspaces_that_are_not_clear(router: LocalTaskRouter, run: Run) -> None:
    """With several workspaces the error says what was not clear, and names them by sid."""
    account = (router.account_sid, router.auth_token)
    for _ in range(2):
        requests.post(f"{router.url}/v1/Workspaces", {"FriendlyName": "Shop"}, auth=account, timeout=30)
    assert "There is more than one workspace; --workspace takes" in run("task", "list", code=2)
    assert "There is more than one workspace 'Shop'; " in run("task", "list", "--workspace", "Shop", code=2)
    assert "There is no workspace 'Shed'; " in run("task", "list", "--workspace", "Shed", code=2)
    assert run("task", "list", "--workspace", router.workspace_sid, "--json") == ""


def test_reset_of_a_service_in_a_terminal() -> None:
    """The worker whose token was printed at the start is there again, with the same sid."""
    with Running(command_line("local", "--port", str(lasting_port()), "--json")) as program:
        facts = json.loads(program.line())
        ended = taskrouter("reset", TASKROUTER_LOCAL_URL=facts["url"])
        assert ended.returncode == 0, ended.stderr
        with Worker(facts["token"], eb_server=facts["eb_server"]) as worker:
            assert (worker.sid, worker.name) == (facts["worker_sid"], "Alice")
        program.stop(signal.SIGINT)


def test_a_service_that_is_not_there() -> None:
    """The error names the address, and what to do."""
    ended = taskrouter("status", TASKROUTER_LOCAL_URL="http://127.0.0.1:9")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert (
        ended.stderr
        == "Error: No answer from http://127.0.0.1:9: connection refused; is it running (taskrouter local)?\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("status", "--url", "nonsense"), "--url must be an address such as http://127.0.0.1:4100, not 'nonsense'"),
        (("task", "create", "[1]"), "must be a JSON object"),
        (("task", "create", "{"), "it is not JSON"),
        (("worker", "activity", "Alice", "Asleep"), "There is no activity 'Asleep'; there are Offline, Available"),
        (("worker", "show", "Bob"), "There is no worker 'Bob'; there are Alice"),
        (("worker", "list", "--workspace", "Elsewhere"), "There is no workspace 'Elsewhere'"),
        (("task", "show", "WT0"), "not found"),
        (("worker", "list", "--auth-token", "wrong"), "check TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN"),
        (("worker", "show", "alise"), "There is no worker 'alise'; did you mean 'Alice'? there are Alice"),
        (("clock", "advance", "-5"), "seconds must be a number of seconds, 0 or more, not -5"),
        (("nothing",), "No such command 'nothing'"),
        (("taks", "list"), "No such command 'taks'; did you mean 'task'?"),
        (("task", "creat"), "No such command 'creat'; did you mean 'create'?"),
    ],
)
def test_mistakes(router: LocalTaskRouter, arguments: tuple[str, ...], message: str) -> None:
    """What was wrong and what would be right, without a traceback, and nothing on standard output."""
    ended = taskrouter(*arguments, **_environment(router))
    assert ended.returncode in (1, 2)
    assert ended.stdout == ""
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_real_account_is_not_changed_by_mistake() -> None:
    """Nothing is sent to a real account without --yes; without credentials nothing is sent at all."""
    ended = taskrouter(
        "task", "create", "--twilio", TWILIO_ACCOUNT_SID="AC1", TWILIO_AUTH_TOKEN="x", HTTPS_PROXY="http://127.0.0.1:9"
    )
    assert ended.returncode in (1, 2)
    assert "No answer from https://taskrouter.twilio.com" in ended.stderr or "--yes" in ended.stderr
    ended = taskrouter("task", "list", "--twilio")
    assert (ended.returncode, "needs TWILIO_ACCOUNT_SID" in ended.stderr) == (2, True)
    ended = taskrouter("reset", "--twilio", TWILIO_ACCOUNT_SID="AC1", TWILIO_AUTH_TOKEN="x")
    assert (ended.returncode, "Only a local TaskRouter" in ended.stderr) == (2, True)


def test_a_workflow_is_checked_offline(tmp_path: Path) -> None:
    """A configuration is compiled and a task tried with nothing running; a mistake has its place."""
    file = tmp_path / "workflow.json"
    filters = [{"expression": "lang == 'de'", "filter_friendly_name": "German", "targets": [{"queue": "WQ1"}]}]
    document = {"task_routing": {"filters": filters, "default_filter": {"queue": "WQ2"}}}
    file.write_text(json.dumps(document))
    assert taskrouter("workflow", "check", str(file)).stdout == f"{file}: ok\n"
    assert "WQ1" in taskrouter("workflow", "check", str(file), "--task", '{"lang": "de"}').stdout
    shown = json.loads(taskrouter("workflow", "check", str(file), "--task", '{"lang": "de"}', "--json").stdout)
    assert (shown["file"], shown["warnings"]) == (str(file), []) and "WQ1" in shown["explanation"]
    filters[0]["expression"] = "lang == == 'de'"
    file.write_text(json.dumps(document))
    ended = taskrouter("workflow", "check", str(file))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "filter 1" in ended.stderr
    file.write_text("{")
    assert taskrouter("workflow", "check", str(file)).returncode == 1


def test_a_command_runs_against_a_service_of_its_own() -> None:
    """Its environment leads there, and its exit code is the command's."""
    code = (
        "import os, requests;"
        "url = os.environ['TASKROUTER_LOCAL_URL'] + '/v1/Workspaces/' + os.environ['TASKROUTER_WORKSPACE_SID'];"
        "answer = requests.get(url, auth=(os.environ['TWILIO_ACCOUNT_SID'], os.environ['TWILIO_AUTH_TOKEN']));"
        "print(answer.status_code); raise SystemExit(7)"
    )
    ended = taskrouter("exec", "--", sys.executable, "-c", code)
    assert (ended.returncode, ended.stdout) == (7, "200\n")
    ended = taskrouter("exec", "--", "no-such-program")
    assert (ended.returncode, "No such file" in ended.stderr) == (1, True)


def test_a_worker_program_runs_and_stops(router: LocalTaskRouter, tmp_path: Path) -> None:
    """The command connects the program's worker, and ends it with 0 on SIGTERM."""
    (tmp_path / "shop.py").write_text(PROGRAM)
    environment = {**os.environ, **_environment(router), "TOKEN": router.token("Alice"), "PYTHONUNBUFFERED": "1"}
    root = str(Path(__file__).resolve().parents[3])
    arguments = command_line("run", "shop:make", "--drain-activity", "Offline", "--grace", "60")
    with Running(arguments, cwd=tmp_path, env={**environment, "PYTHONPATH": root}) as program:
        assert program.line() == "ready Alice"
        assert program.stop(signal.SIGTERM)[0] == 0
    assert router.worker("Alice").activity_name == "Offline"


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("shop", "The program is MODULE:WORKER"),
        ("nowhere:worker", "There is no module 'nowhere'"),
        ("shop:not_a_worker", "shop has no Worker called not_a_worker"),
    ],
)
def test_a_program_that_is_none(tmp_path: Path, program: str, message: str) -> None:
    """The error says what the argument must be."""
    (tmp_path / "shop.py").write_text(PROGRAM)
    ended = taskrouter("run", program, PYTHONPATH=f"{Path(__file__).resolve().parents[3]}{os.pathsep}{tmp_path}")
    assert (ended.returncode, message in ended.stderr) == (2, True)


def test_the_program_is_started_again_when_it_changes(router: LocalTaskRouter, tmp_path: Path) -> None:
    """With --reload, a change of a file restarts it."""
    (tmp_path / "shop.py").write_text(PROGRAM)
    root = str(Path(__file__).resolve().parents[3])
    environment = {**os.environ, **_environment(router), "TOKEN": router.token("Alice"), "PYTHONPATH": root}
    arguments = command_line("run", "shop:make", "--reload")
    with Running(arguments, cwd=tmp_path, env={**environment, "PYTHONUNBUFFERED": "1"}) as program:
        assert program.line() == "ready Alice"
        (tmp_path / "shop.py").write_text(PROGRAM.replace('"ready"', '"again"', 1).replace('on("again"', 'on("ready"'))
        os.utime(tmp_path / "shop.py", (1, 1))
        assert program.line().endswith("Alice")
        program.stop(signal.SIGINT)


def test_in_the_background(tmp_path: Path) -> None:
    """It goes on after the command has ended, until it is stopped; a second stop finds nothing."""
    home = {"XDG_STATE_HOME": str(tmp_path)}
    port = str(lasting_port())
    facts = json.loads(taskrouter("local", "--port", port, "--detach", "--json", **home).stdout)
    try:
        assert requests.get(f"{facts['url']}/health", timeout=30).ok
    finally:
        stopped = taskrouter("stop", "--port", port, **home)
    assert stopped.returncode == 0, stopped.stderr
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{facts['url']}/health", timeout=30)
    assert "No local TaskRouter was started" in taskrouter("stop", "--port", port, **home).stderr
    taken = taskrouter("local", "--port", "99999", "--detach", **home)
    assert taken.returncode != 0 and "Traceback" not in taken.stderr


def test_in_the_background_on_a_free_port(tmp_path: Path) -> None:
    """Two that took free ports are stopped by port and by the address in the environment; each has its own log."""
    home = {"XDG_STATE_HOME": str(tmp_path)}
    command = ("local", "--port", "0", "--detach", "--json")
    first, second = (json.loads(taskrouter(*command, **home).stdout) for _ in range(2))
    try:
        assert first["log"] != second["log"] and Path(second["log"]).exists()
    finally:
        stopped = taskrouter("stop", "--port", first["url"].rpartition(":")[2], **home)
        ended = taskrouter("stop", TASKROUTER_LOCAL_URL=second["url"], **home)
    assert (stopped.returncode, ended.returncode) == (0, 0), stopped.stderr + ended.stderr
    assert not list(tmp_path.rglob("*.json"))


def test_an_error_in_the_background(router: LocalTaskRouter, tmp_path: Path) -> None:
    """Its error comes once, and leaves nothing behind."""
    home = {"XDG_STATE_HOME": str(tmp_path)}
    port = router.url.rpartition(":")[2]
    ended = taskrouter("local", "--port", port, "--detach", **home)
    assert (ended.returncode, ended.stderr.count("Error: "), list(tmp_path.rglob("*.*"))) == (1, 1, [])
    wrong = taskrouter("stop", TASKROUTER_LOCAL_URL="nowhere", **home)
    assert (wrong.returncode, "TASKROUTER_LOCAL_URL must be an address" in wrong.stderr) == (2, True)


def test_the_doctor(router: LocalTaskRouter) -> None:
    """Every step from token to worker, and the first that fails."""
    ended = taskrouter("doctor", "--token", router.token("Alice"), TASKROUTER_LOCAL_URL=router.url)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert [line.split()[1] for line in ended.stdout.splitlines()][-1] == "worker"
    assert "Alice is ready, Available" in ended.stdout
    told = taskrouter("doctor", "--token", router.token("Alice"), "--json", TASKROUTER_LOCAL_URL=router.url)
    steps = [json.loads(line) for line in told.stdout.splitlines()]
    assert all(each["ok"] for each in steps) and steps[-1]["step"] == "worker"
    expired = taskrouter("doctor", "--token", router.token("Alice", ttl=-5), TASKROUTER_LOCAL_URL=router.url)
    assert (expired.returncode, "FAIL  token" in expired.stdout, "get a new one" in expired.stdout) == (1, True, True)
    gone = taskrouter("doctor", "--token", router.token("Alice"), TASKROUTER_LOCAL_URL="http://127.0.0.1:9")
    assert (gone.returncode, "cannot be reached" in gone.stdout) == (1, True)


def test_one_line_for_each_thing_that_happens() -> None:
    """Requests, connections and events are written to standard error while the service runs."""
    with Running(command_line("local", "--port", "0", "--json", "--verbose")) as program:
        facts = json.loads(program.line())
        with Worker(facts["token"], eb_server=facts["eb_server"]):
            pass
        code, log = program.stop(signal.SIGINT)
    assert code == 0
    for piece in ("200 GET Workspaces/", "Connected: worker WK", "Disconnected: worker WK"):
        assert piece in log, log
    assert facts["token"] not in log


def test_a_closed_pipe_is_quiet(router: LocalTaskRouter) -> None:
    """``taskrouter ... | head`` ends without an error."""
    for number in range(200):
        router.create_task({"n": number, "filling": "x" * 500})
    environment = {**os.environ, **_environment(router), "PYTHONPATH": str(Path(__file__).resolve().parents[3])}
    with subprocess.Popen(
        command_line("task", "list", "--json"),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdout is not None and program.stderr is not None
        program.stdout.readline()
        program.stdout.close()
        assert program.stderr.read() == ""
        assert program.wait(timeout=100) == 1


def test_python_m() -> None:
    """``python -m twilio_taskrouter_worker`` is the same command."""
    ended = subprocess.run(
        [sys.executable, "-m", "twilio_taskrouter_worker", "--version"],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    assert ended.stdout.startswith("taskrouter ")


def test_help_is_light() -> None:
    """``--help`` imports neither the service nor a client's libraries."""
    code = (
        "import sys; from twilio_taskrouter_worker.cli import main; main(['--help']);"
        "print({'aiohttp', 'requests', 'rich', 'websocket'} & set(sys.modules), file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=False)
    assert ended.stderr.splitlines()[-1] == "set()"
