"""A page of an attacker's in a real browser that has the console's cookie: it sees nothing of it, and does nothing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.tools.browser import FOREIGN, SECONDS
from twilio_taskrouter_worker.local import LocalTaskRouter

pytestmark = pytest.mark.timeout(600)

ATTACK = """
async ({console, ws, workspace}) => {
    const tasks = `${console}/rest/v1/Workspaces/${workspace}/Tasks`;
    const form = new URLSearchParams({Attributes: '{"stolen":1}'});
    const ask = async (address, options) => {
        try {
            const answer = await fetch(address, {credentials: "include", ...options});
            return `${answer.type} ${answer.status} ${await answer.text()}`;
        } catch (error) {
            return "nothing";
        }
    };
    const listen = () => new Promise(done => {
        const socket = new WebSocket(ws);
        socket.onmessage = event => { done(event.data); socket.close(); };
        socket.onclose = () => done("nothing");
    });
    const frame = () => new Promise(done => {
        const element = document.createElement("iframe");
        element.onload = () => {
            let text = "nothing";
            try { text = element.contentDocument?.body?.innerText || text; } catch (error) { }
            done(text);
        };
        element.src = `${console}/`;
        document.body.append(element);
    });
    const script = () => new Promise(done => {
        const element = document.createElement("script");
        element.type = "module";
        element.onload = () => done("loaded");
        element.onerror = () => done("nothing");
        element.src = `${console}/app.js`;
        document.body.append(element);
    });
    const limited = step => Promise.race([step, new Promise(done => setTimeout(() => done("silence"), 60000))]);
    return {
        page: await limited(ask(`${console}/`)),
        get: await limited(ask(`${console}/control/v1/clock`)),
        post: await limited(ask(tasks, {method: "POST", body: form})),
        blind: await limited(ask(tasks, {method: "POST", body: form, mode: "no-cors"})),
        pause: await limited(ask(`${console}/control/v1/clock/pause`, {method: "POST", mode: "no-cors"})),
        wipe: await limited(ask(`${console}/api/wire`, {method: "DELETE"})),
        frame: await limited(frame()),
        script: await limited(script()),
        socket: await limited(listen()),
    };
}
"""

SUBMIT = """
address => {
    const form = document.createElement("form");
    form.method = "POST"; form.action = address; form.target = "_blank";
    const input = document.createElement("input");
    input.name = "Attributes"; input.value = '{"submitted":1}';
    form.append(input);
    document.body.append(form);
    form.submit();
}
"""


@pytest.mark.parametrize("host", [FOREIGN, "localhost"], ids=["another site", "another port of this machine"])
def test_a_page_of_another_origin_reaches_nothing(chromium: Any, site: int, host: str) -> None:
    """Fetch, blind post, frame, script, websocket and form: nothing is read, and nothing is done."""
    with LocalTaskRouter() as router:
        context = chromium.new_context()
        context.set_default_timeout(SECONDS * 1000)
        try:
            page = context.new_page()
            page.goto(router.console_url)
            page.locator(".link[data-state=live]").wait_for()
            page.goto(f"http://{host}:{site}/")
            console = f"{router.url}/console"
            known = {"console": console, "ws": f"ws{console[len('http') :]}/live", "workspace": router.workspace_sid}
            read = page.evaluate(ATTACK, known)
            with page.expect_popup() as opened:
                page.evaluate(SUBMIT, f"{console}/rest/v1/Workspaces/{router.workspace_sid}/Tasks")
            opened.value.wait_for_load_state()
        finally:
            context.close()
        assert {name: text for name, text in read.items() if text not in ("nothing", "opaque 0 ")} == {}
        assert router.tasks() == []
        assert router.clock.running


def test_a_page_whose_name_is_rebound_to_this_machine(chromium: Any) -> None:
    """For the browser the service is of the page's own origin then; the console is not served under a foreign name."""
    with LocalTaskRouter() as router:
        context = chromium.new_context()
        context.set_default_timeout(SECONDS * 1000)
        try:
            page = context.new_page()
            rebound = router.console_url.replace("127.0.0.1", FOREIGN)
            assert page.goto(rebound).status == 403
            assert "TaskRouter console" not in page.title()
            assert context.cookies() == []
        finally:
            context.close()
