"""``taskrouter export``: a running service becomes a seed file."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.integration.cli.commands import ROOT, taskrouter
from twilio_taskrouter_worker.cli.remote import Remote
from twilio_taskrouter_worker.errors import SeedError
from twilio_taskrouter_worker.local import LocalTaskRouter
from twilio_taskrouter_worker.local.seeds.remote import RemoteService

SEED_FILE = ROOT / "examples" / "seed.yaml"


def credentials(router: LocalTaskRouter) -> dict[str, str]:
    """The environment that leads the command to a router's account."""
    return {"TWILIO_ACCOUNT_SID": router.account_sid, "TWILIO_AUTH_TOKEN": router.auth_token}


def test_over_rest_as_over_python(tmp_path: Path) -> None:
    """What is read over REST, page by page, is what the service itself exports; tasks with whole seconds."""
    path = tmp_path / "out.yaml"
    # The clock stands: commands may be slow, and after ten seconds the task for a busy worker would be canceled.
    with LocalTaskRouter(seed_file=SEED_FILE, seed=1, clock="virtual") as router:
        router.create_task({"x": 1}, routing_target=router.workers()[0].sid, ignore_capacity=False)
        ended = taskrouter("export", str(path), "--url", router.url, **credentials(router))
        assert (ended.returncode, ended.stdout) == (0, "")
        assert ended.stderr == f"Wrote {path}: 1 workspace, 2 workers, 2 queues, 1 workflow\n"
        refused = taskrouter("export", str(path), "--url", router.url, **credentials(router))
        assert (refused.returncode, refused.stderr) == (1, f"Error: {path} exists already; --force replaces it\n")
        forced = taskrouter("export", str(path), "--force", "--url", router.url, **credentials(router))
        assert (forced.returncode, forced.stderr) == (0, ended.stderr)
        whole = router.export()
        shown = taskrouter("export", "-", "--tasks", "--url", router.url, **credentials(router))
        with_tasks = router.export(tasks=True)
    with LocalTaskRouter(seed_file=path) as again:
        assert again.export() == whole
    document = json.loads(shown.stdout)
    for task in (*document["workspaces"][0]["tasks"], *with_tasks["workspaces"][0]["tasks"]):
        task["virtual_start_time"] = task["virtual_start_time"][:19]
    assert document == with_tasks


def test_one_workspace(tmp_path: Path) -> None:
    """With ``--workspace`` the others stay out; it takes a sid or a name."""
    with LocalTaskRouter() as router:
        [sid] = router.load(SEED_FILE)
        for name in (sid, "Support"):
            ended = taskrouter("export", "-", "--url", router.url, "--workspace", name, **credentials(router))
            assert [workspace["friendly_name"] for workspace in json.loads(ended.stdout)["workspaces"]] == ["Support"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["-", "--auth-token", "x" * 32], 1, "answered 401; check the account sid and the auth token"),
        (["-", "--workspace", "WS" + "0" * 32], 2, "--workspace takes one of: Local Workspace (WS"),
        (["out.txt"], 1, "The name of a seed file must end in .json, .yaml or .yml: out.txt"),
        (["-", "--url", "http://127.0.0.1:9"], 1, "Cannot reach http://127.0.0.1:9: ConnectionError."),
        (["-", "--url", "ftp://127.0.0.1"], 2, "--url must be an address such as http://127.0.0.1:4100, not 'ftp://"),
    ],
)
def test_faults(arguments: list[str], code: int, said: str) -> None:
    """The last line on standard error says what to look at; nothing is on standard output."""
    with LocalTaskRouter() as router:
        ended = taskrouter("export", "--url", router.url, *arguments, **credentials(router))
    assert (ended.returncode, ended.stdout) == (code, "")
    last = ended.stderr.splitlines()[-1]
    assert last.startswith("Error: ") and said in last


@contextmanager
def answering(*bodies: str) -> Iterator[tuple[str, list[str]]]:
    """A server that gives one body after another, and the list of the paths it was asked for."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            body = bodies[len(paths) - 1]
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), name="tool-stranger")
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", paths
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    "body",
    [
        "<html>",
        "[]",
        '{"workspaces": []}',
        '{"workspaces": [], "meta": null}',
        "",
        '{"workspaces": [], "meta": {"next_page_url": 3}}',
        '{"workspaces": [], "meta": {"next_page_url": "http://[x"}}',
    ],
)
def test_something_else_that_answers(body: str) -> None:
    """Whatever is there instead of a TaskRouter is called that."""
    with answering(body) as (url, _):
        service = RemoteService(f"{url}/", "AC1", "x")
        try:
            with pytest.raises(SeedError, match="is not a TaskRouter service"):
                service.workspaces()
        finally:
            service.close()
    with answering(body) as (url, _):
        ended = taskrouter("task", "list", "--url", url, "--account-sid", "AC1", "--auth-token", "x")
    assert ended.returncode == 1
    assert ended.stderr == f"Error: {url} is not a TaskRouter service; check the address\n"


@pytest.mark.parametrize("link", ["http://127.0.0.1:9/v1/Workspaces", "http:@127.0.0.1:9/v1/Workspaces", ""])
def test_the_next_page_comes_from_the_same_host(link: str) -> None:
    """Credentials go to the service that was chosen, wherever the link to the next page leads."""
    bodies = [
        json.dumps({"workspaces": [{"sid": "WS1"}], "meta": {"next_page_url": f"{link}?PageToken=PT1"}}),
        json.dumps({"workspaces": [{"sid": "WS2"}], "meta": {"next_page_url": None}}),
    ]
    with answering(*bodies) as (url, paths):
        service = RemoteService(url, "AC1", "x")
        try:
            assert [each.sid for each in service.workspaces()] == ["WS1", "WS2"]
        finally:
            service.close()
    assert paths[1] == "/v1/Workspaces?PageToken=PT1"
    with answering(*bodies) as (url, paths):
        command = Remote(url, "AC1", "x", None, confirmed=False)
        try:
            assert [each["sid"] for each in command.list("/v1/Workspaces", "workspaces")] == ["WS1", "WS2"]
        finally:
            command._session.close()
    assert paths[1] == "/v1/Workspaces?PageToken=PT1"


def test_credentials_are_required() -> None:
    """For the real account they have no default; the usage says where they are looked for."""
    ended = taskrouter("export", "-", "--twilio", TWILIO_ACCOUNT_SID="", TWILIO_AUTH_TOKEN="")
    assert ended.returncode == 2
    assert "--twilio needs TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN" in ended.stderr
