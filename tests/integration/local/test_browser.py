"""A page of an attacker's in a real browser, which has the service's credentials stored: it reads and does nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.tools.browser import FOREIGN, SECONDS
from twilio_taskrouter_worker.local import LocalTaskRouter

ATTACK = """
async ({url, bridge, ws, workspace, token, own}) => {
    const workers = `${url}/v1/Workspaces/${workspace}/Workers`;
    const form = new URLSearchParams({FriendlyName: "fetched"});
    const envelope = JSON.stringify({url: own, method: "POST", params: {Attributes: '{"stolen":1}'}, token});
    const ask = async (address, options) => {
        try {
            const answer = await fetch(address, {credentials: "include", ...options});
            return `${answer.type} ${answer.status} ${await answer.text()}`;
        } catch (error) {
            return "nothing";
        }
    };
    const show = address => new Promise(done => {
        const image = new Image();
        image.onload = () => done("loaded");
        image.onerror = () => done("nothing");
        image.src = address;
    });
    const listen = () => new Promise(done => {
        const socket = new WebSocket(`${ws}?token=${token}`);
        socket.onmessage = event => { done(event.data); socket.close(); };
        socket.onerror = () => done("nothing");
        socket.onclose = () => done("nothing");
    });
    const limited = step => Promise.race([step, new Promise(done => setTimeout(() => done("silence"), 60000))]);
    return {
        get: await limited(ask(workers)),
        post: await limited(ask(workers, {method: "POST", body: form})),
        blind: await limited(ask(workers, {method: "POST", body: form, mode: "no-cors"})),
        authorized: await limited(ask(workers, {headers: {Authorization: "Basic eDp5"}})),
        tunnel: await limited(ask(bridge, {method: "POST", body: envelope, credentials: "omit"})),
        blindTunnel: await limited(ask(bridge, {method: "POST", body: envelope, mode: "no-cors"})),
        image: await limited(show(`${workers}?PageSize=1`)),
        socket: await limited(listen()),
    };
}
"""


SUBMIT = """
address => {
    const form = document.createElement("form");
    form.method = "POST"; form.action = address; form.target = "_blank";
    form.innerHTML = '<input name="FriendlyName" value="submitted">';
    document.body.appendChild(form);
    form.submit();
}
"""


def attack(chromium: Any, router: LocalTaskRouter, address: str, worker_sid: str) -> dict[str, str]:
    """Open a page, and let it do what it can; return what it could read. The browser knows the credentials."""
    credentials = {"username": router.account_sid, "password": router.auth_token}
    context = chromium.new_context(http_credentials=credentials)
    context.set_default_timeout(SECONDS * 1000)
    try:
        page = context.new_page()
        # As after the developer has typed them into the browser's own dialog.
        assert page.goto(f"{router.url}/v1/Workspaces").status == 200
        page.goto(address)
        connection = router.connection
        known = {
            "url": router.url,
            "bridge": connection["eb_server"],
            "ws": connection["ws_server"],
            "workspace": router.workspace_sid,
            "token": router.token(worker_sid),
            "own": f"Workspaces/{router.workspace_sid}/Workers/{worker_sid}",
        }
        read: dict[str, str] = page.evaluate(ATTACK, known)
        with page.expect_popup() as opened:
            page.evaluate(SUBMIT, f"{router.url}/v1/Workspaces/{router.workspace_sid}/Workers")
        opened.value.wait_for_load_state()
        return read
    finally:
        context.close()


@pytest.mark.timeout(600)
def test_a_page_of_another_origin_reaches_nothing(chromium: Any, site: int) -> None:
    """Form, fetch with and without CORS, image and websocket: nothing is read, and nothing is done."""
    with LocalTaskRouter() as router:
        alice = router.add_worker("Alice")
        read = attack(chromium, router, f"http://{FOREIGN}:{site}/", alice)
        assert {name: text for name, text in read.items() if text != "nothing" and text != "opaque 0 "} == {}
        assert [worker.friendly_name for worker in router.workers()] == ["Alice"]
        assert json.loads(router.worker(alice).attributes) == {}
        assert router.open_sessions(alice) == 0


@pytest.mark.timeout(600)
def test_the_same_page_where_it_is_allowed(chromium: Any, site: int) -> None:
    """The attack is a real one: a service that accepts the page's host is changed by it."""
    with LocalTaskRouter(allowed_hosts=[FOREIGN]) as router:
        alice = router.add_worker("Alice")
        read = attack(chromium, router, f"http://{FOREIGN}:{site}/", alice)
        assert "submitted" in {worker.friendly_name for worker in router.workers()}
        assert json.loads(router.worker(alice).attributes) == {"stolen": 1}
        assert "init" in read["socket"] and "payload" in read["tunnel"]


@pytest.mark.timeout(600)
def test_a_page_whose_name_is_rebound_to_this_machine(chromium: Any) -> None:
    """For the browser the service is of the page's own origin then; the service knows its names better."""
    with LocalTaskRouter() as router:
        alice = router.add_worker("Alice")
        port = router.url.rpartition(":")[2]
        rebound = f"http://{FOREIGN}:{port}"
        context = chromium.new_context()
        context.set_default_timeout(SECONDS * 1000)
        try:
            page = context.new_page()
            page.goto(f"{rebound}/")
            assert "is not a name of this local TaskRouter" in page.inner_text("body")
            read = page.evaluate(
                """async ([user, password, path, ws]) => {
                    const headers = {Authorization: "Basic " + btoa(`${user}:${password}`)};
                    const answers = [];
                    for (const method of ["GET", "POST"]) {
                        const body = method === "POST" ? new URLSearchParams({FriendlyName: "fetched"}) : undefined;
                        const answer = await fetch(path, {method, headers, body});
                        answers.push(answer.status);
                    }
                    answers.push(await new Promise(done => {
                        const socket = new WebSocket(ws);
                        socket.onmessage = event => done(event.data);
                        socket.onclose = () => done("nothing");
                    }));
                    return answers;
                }""",
                [
                    router.account_sid,
                    router.auth_token,
                    f"/v1/Workspaces/{router.workspace_sid}/Workers",
                    f"ws://{FOREIGN}:{port}/v1/wschannels?token={router.token(alice)}",
                ],
            )
            assert read == [403, 403, "nothing"]
        finally:
            context.close()
        assert [worker.friendly_name for worker in router.workers()] == ["Alice"]


@pytest.mark.timeout(600)
def test_a_page_of_this_machine_uses_the_bridge(chromium: Any, site: int) -> None:
    """The developer's own page, on whatever port, has its websocket and its tunnel."""
    with LocalTaskRouter() as router:
        alice = router.add_worker("Alice")
        read = attack(chromium, router, f"http://localhost:{site}/", alice)
        assert "init" in read["socket"] and "payload" in read["tunnel"]
        assert json.loads(router.worker(alice).attributes) == {"stolen": 1}
