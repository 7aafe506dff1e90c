"""The inspector: what went over the wire, without secrets, and ready to be pasted."""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import requests
from aiohttp import web

from tests.integration.local.console.console_client import TIMEOUT, Browser, Live
from tests.tools.receiver import Receiver
from tests.tools.seams import service_of
from tests.tools.wait import eventually
from twilio_taskrouter_worker import Worker
from twilio_taskrouter_worker.local import LocalTaskRouter


def entries(browser: Browser, kind: str) -> list[dict[str, Any]]:
    """The entries of a kind, latest first, with all their details."""
    rows = browser.api("GET", "api/wire")["entries"]
    return [browser.api("GET", f"api/wire/{row['n']}") for row in rows if row["kind"] == kind]


def entry(browser: Browser, kind: str, wanted: Callable[[dict[str, Any]], bool] = bool) -> dict[str, Any]:
    """The latest entry of a kind."""
    return next(each for each in entries(browser, kind) if wanted(each))


def create_worker(router: LocalTaskRouter, name: str) -> requests.Response:
    """Create a worker as any REST client does."""
    url = f"{router.url}/v1/Workspaces/{router.workspace_sid}/Workers"
    return requests.post(
        url, data={"FriendlyName": name}, auth=(router.account_sid, router.auth_token), timeout=TIMEOUT
    )


def test_rest_calls(browser: Browser) -> None:
    """A call of REST with its parts, its time, and the message of a refusal."""
    router = browser.router
    answer = create_worker(router, "Alice")
    create_worker(router, "Alice")
    refused, made = entries(browser, "rest")[:2]
    assert (made["method"], made["status"], made["console"]) == ("POST", 201, False)
    assert made["path"] == f"/v1/Workspaces/{router.workspace_sid}/Workers" and 0 < made["ms"] < 60_000
    assert made["request"]["body"] == "FriendlyName=Alice" and made["response"]["body"] == answer.text
    assert ["ETag", answer.headers["ETag"]] in made["response"]["headers"]
    assert refused["status"] == 400 and refused["summary"] == json.loads(refused["response"]["body"])["message"]


def test_calls_of_the_console_are_marked(browser: Browser) -> None:
    """They show as the calls of REST and of the control address that they are; the page's own files do not."""
    browser.rest("Workers", FriendlyName="Bob")
    browser.api("POST", "control/v1/clock/pause")
    browser.request("GET", "")
    rows = browser.api("GET", "api/wire")["entries"]
    assert [(row["kind"], row["console"]) for row in rows] == [("control", True), ("rest", True)]
    assert rows[1]["path"].startswith("/v1/") and rows[0]["path"] == "/control/v1/clock/pause"


def test_the_bridge_and_its_frames(browser: Browser) -> None:
    """A worker's handshake, the frames it gets and its tunnelled calls, without its token."""
    router = browser.router
    sid = router.add_worker("Alice", activity="Available")
    token = router.token(sid)
    with Worker(token, **router.connection) as worker:
        task = router.create_task({"a": 1})
        (reservation,) = eventually(lambda: list(worker.reservations.values()))
        reservation.accept().result(30)
        call = entry(browser, "bridge", lambda each: each["method"] == "POST")
        assert call["path"].endswith(f"Reservations/{reservation.sid}") and call["worker_sid"] == sid
        handshake = entry(browser, "handshake")
        assert (handshake["status"], handshake["worker_sid"]) == (101, sid)
        # The last of them is sent after the answer to the call that caused it.
        frames = {"init", "reservation.created", "reservation.accepted"}
        eventually(lambda: {each["summary"] for each in entries(browser, "frame")} >= frames)
        shown = json.dumps([entries(browser, kind) for kind in ("bridge", "handshake", "frame")])
    assert token not in shown and task in shown and "(hidden)" in shown


def test_webhooks(browser: Browser) -> None:
    """A webhook with its answer, and one that was not delivered with the reason; never its signature."""
    router = browser.router
    with Receiver() as receiver:
        router.set_callbacks(event_url=f"{receiver.url}/events", events=["worker.created"])
        router.add_worker("Alice")
        with browser.live() as live:
            live.send("wire", on=True)
            row = live.until(lambda: next((each for each in live.wire if each["kind"] == "webhook"), None))
    assert (row["summary"], row["status"]) == ("worker.created", 200)
    whole = browser.api("GET", f"api/wire/{row['n']}")
    assert "EventType=worker.created" in whole["request"]["body"]
    assert ["X-Twilio-Signature", "(hidden)"] in whole["request"]["headers"]
    router.add_worker("Bob")
    with browser.live() as live:
        live.send("wire", on=True)
        live.until(lambda: any(each["kind"] == "webhook" and each["status"] is None for each in live.wire))


def test_no_secret_is_shown(browser: Browser) -> None:
    """Credentials are hidden wherever they stand: in headers, queries, forms and JSON."""
    router = browser.router
    secret = router.signing_key_secret
    for path in (f"/v1/Workspaces?Token=s3cret-x&x={router.auth_token}", f"/control/v1/events?task={secret}"):
        requests.get(f"{router.url}{path}", auth=(router.account_sid, router.auth_token), timeout=TIMEOUT)
    browser.rest("Workers", FriendlyName="Bob", ApiPassword="hunter2")
    shown = json.dumps([entries(browser, kind) for kind in ("rest", "control")])
    for text in (router.auth_token, secret, "s3cret-x", "hunter2", browser.cookie.partition("=")[2], "Basic "):
        assert text not in shown, text
    assert shown.count("(hidden)") >= 6


def test_entries_arrive_while_they_are_made(browser: Browser, live: Live) -> None:
    """Only while the page wants them; what was missed can be paged through."""
    live.until(lambda: live.state["whole"])
    create_worker(browser.router, "Alice")
    live.send("wire", on=True)
    live.until(lambda: any(each["kind"] == "rest" for each in live.wire))
    live.send("wire", on=False)
    live.send("nothing")
    live.until(lambda: live.other)
    count = len(live.wire)
    create_worker(browser.router, "Bob")
    worker = browser.router.add_worker("Carol")
    live.until(lambda: worker in live.tables["workers"])
    assert len(live.wire) == count
    first, second = browser.api("GET", "api/wire?limit=1"), browser.api("GET", "api/wire?limit=5")
    assert first["entries"] == second["entries"][:1]
    older = browser.api("GET", f"api/wire?before={first['entries'][0]['n']}&limit=1")["entries"]
    assert older == second["entries"][1:2]
    for path in ("api/wire?before=x", "api/wire/-1"):
        assert browser.request("GET", path).status_code == 400
    browser.api("DELETE", "api/wire")
    assert not browser.api("GET", "api/wire")["entries"]
    assert browser.request("GET", f"api/wire/{first['entries'][0]['n']}").status_code == 404


def test_a_new_snapshot_for_a_slow_page_costs_no_entries(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only changes of the tables are replaced by it: entries and answers that wait are sent after it, each once."""
    router, gate = browser.router, asyncio.Event()
    gate.set()
    send = web.WebSocketResponse.send_str

    async def slowly(self: web.WebSocketResponse, *message: Any) -> None:
        await gate.wait()
        await send(self, *message)

    monkeypatch.setattr(web.WebSocketResponse, "send_str", slowly)
    console = "twilio_taskrouter_worker.local.server.console"
    monkeypatch.setattr(f"{console}.viewer.WAITING_CHARACTERS", 0)  # any change that waits is too much
    monkeypatch.setattr(f"{console}.live.SCAN_SECONDS", 0.0)
    monkeypatch.setattr(f"{console}.inspector.SENT_SECONDS", 0.0)
    with browser.live() as live:
        live.until(lambda: live.state["whole"])
        create_worker(router, "Alice")
        live.send("wire", on=True)
        live.until(lambda: live.wire)
        loop = service_of(router).loop
        loop.call_soon_threadsafe(gate.clear)
        # The first entry is being sent, the second one and the refusal wait when the tables change.
        for _ in range(2):
            browser.api("GET", "control/v1/clock")
        live.send("nothing")
        task = router.create_task()
        last = browser.api("GET", "api/wire?limit=1")["entries"][0]["n"]
        loop.call_soon_threadsafe(gate.set)
        live.until(lambda: task in live.tables["tasks"] and live.other and live.wire[-1]["n"] >= last)
        numbers = [each["n"] for each in live.wire]
        assert numbers == list(range(numbers[0], last + 1)) and not live.missed
        assert live.snapshots > 1 and [each["type"] for each in live.other] == ["error"]


def test_memory_is_bounded(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """By number and by size, and so is each body; numbers go on."""
    monkeypatch.setattr("twilio_taskrouter_worker.local.server.console.wire.KEPT_BYTES", 200_000)
    monkeypatch.setattr("twilio_taskrouter_worker.local.server.console.wire.KEPT", 20)
    monkeypatch.setattr("twilio_taskrouter_worker.local.server.console.wire.BODY_BYTES", 30_000)
    for number in range(30):
        create_worker(browser.router, f"Worker {number}")
    rows = browser.api("GET", "api/wire")["entries"]
    assert len(rows) == 20 and rows[0]["n"] == 30
    for number in range(10):
        create_worker(browser.router, "x" * 100_000 + str(number))
    rows = browser.api("GET", "api/wire")["entries"]
    assert len(rows) < 10 and sum(row["bytes"] for row in rows) <= 200_000
    assert browser.api("GET", f"api/wire/{rows[0]['n']}")["request"]["truncated"]


def environment(router: LocalTaskRouter, token: str = "") -> dict[str, str]:
    """The variables that the copied programs read."""
    values = {"TWILIO_ACCOUNT_SID": router.account_sid, "TWILIO_AUTH_TOKEN": router.auth_token}
    return {**values, "TASKROUTER_TOKEN": token, "PATH": "/usr/local/bin:/usr/bin:/bin"}


def test_a_call_as_curl(browser: Browser) -> None:
    """The copied command makes the same request, whatever its values hold."""
    router = browser.router
    name = 'O\'Hara & "Söhne" $HOME'
    url = f"{router.url}/v1/Workspaces/{router.workspace_sid}/Workers"
    auth = (router.account_sid, router.auth_token)
    sid = requests.post(url, data={"FriendlyName": name}, auth=auth, timeout=TIMEOUT).json()["sid"]
    command = entry(browser, "rest")["copy"]["curl"]
    assert router.auth_token not in command
    requests.delete(f"{url}/{sid}", auth=auth, timeout=TIMEOUT)
    subprocess.run(["sh", "-c", command], env=environment(router), check=True, capture_output=True, timeout=100)
    assert [worker.friendly_name for worker in router.workers()] == [name]


def test_calls_as_programs_of_the_official_helper(browser: Browser) -> None:
    """What the official helper library calls is copied as it spells it, and runs."""
    pytest.importorskip("twilio")
    router = browser.router
    worker = router.add_worker("Alice")
    channel = service_of(router).engine.channels(router.workspace_sid, worker)[0].sid
    wanted = {
        ("POST", "Workers", "FriendlyName=Bob"): '.workers.create(friendly_name="Bob")',
        ("GET", "Workers?ActivityName=Offline", ""): '.workers.list(activity_name="Offline")',
        ("POST", f"Workers/{worker}", "Attributes={}"): f'.workers("{worker}").update(attributes="{{}}")',
        ("POST", f"Workers/{worker}/Channels/{channel}", "Capacity=3"): f'.worker_channels("{channel}").update(',
        ("GET", "Statistics?Minutes=5", ""): '.statistics().fetch(minutes="5")',
        ("DELETE", f"Workers/{worker}", ""): f'.workers("{worker}").delete()',
    }
    for (method, path, form), call in wanted.items():
        where = f"rest/v1/Workspaces/{router.workspace_sid}/{path}"
        headers = {"Content-Type": "application/x-www-form-urlencoded"} if form else {}
        assert browser.request(method, where, data=form, headers=headers).ok
        program = entry(browser, "rest")["copy"]["python"]
        assert call.replace('"', "'") in program.replace('"', "'")
        compile(program, "copied", "exec")
    program = next(each for each in entries(browser, "rest") if "FriendlyName=Bob" in each["request"]["body"])
    text = program["copy"]["python"].replace("'Bob'", "'Carol'")
    subprocess.run([sys.executable, "-c", text], env=environment(router), check=True, capture_output=True, timeout=100)
    assert "Carol" in [each.friendly_name for each in router.workers()]


def test_a_call_as_a_program_of_our_client(browser: Browser) -> None:
    """What a worker did on the bridge is copied as the call of this package."""
    router = browser.router
    sid = router.add_worker("Alice", activity="Available")
    token = router.token(sid)
    with Worker(token, **router.connection) as worker:
        worker.set_attributes({"a": "it's"}).result(30)
    copied = entry(browser, "bridge", lambda each: each["method"] == "POST")["copy"]
    assert "worker.set_attributes(" in copied["client"] and token not in json.dumps(copied)
    with Worker(router.token(sid), **router.connection) as worker:
        worker.set_attributes({}).result(30)
    run = {"env": environment(router, token), "check": True, "capture_output": True, "timeout": 100}
    subprocess.run(["sh", "-c", copied["curl"]], **run)  # type: ignore[call-overload]
    assert json.loads(router.worker("Alice").attributes) == {"a": "it's"}
    compile(copied["client"], "copied", "exec")


def test_a_body_that_is_not_text(browser: Browser) -> None:
    """It is shown as base64, so that no byte of it is lost."""
    router = browser.router
    url = f"{router.url}/v1/Workspaces/{router.workspace_sid}/Workers"
    body = b"FriendlyName=\xff\xfe"
    requests.post(
        url,
        data=body,
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        auth=(router.account_sid, router.auth_token),
        timeout=TIMEOUT,
    )
    sent = entry(browser, "rest")["request"]
    assert (sent["encoding"], base64.b64decode(sent["body"])) == ("base64", body)
