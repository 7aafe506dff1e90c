"""Who may use the console: the browser that opened the link; no other page, program or host name."""

from __future__ import annotations

import logging
import re
from typing import Any

import pytest
import requests
import websocket

from tests.integration.local.console.console_client import TIMEOUT, Browser, Live
from tests.tools.ports import lasting_port
from tests.tools.wait import eventually
from twilio_taskrouter_worker import StateError
from twilio_taskrouter_worker.local import LocalTaskRouter
from twilio_taskrouter_worker.local.server.console import live as module

PATHS = ("", "index.html", "rest/v1/Workspaces", "control/v1/info", "live")
FOREIGN: list[dict[str, str]] = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://localhost:3000"},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "http://["},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Host": "evil.example"},
    {"Host": "console.evil.example:4100"},
]


def test_the_link_opens_the_console_and_the_token_leaves_the_address(router: LocalTaskRouter) -> None:
    """One redirect exchanges the token for a cookie that no script and no other site can use."""
    answer = requests.get(router.console_url, allow_redirects=False, timeout=TIMEOUT)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/console/")
    cookie = answer.headers["Set-Cookie"]
    assert all(part in cookie for part in ("HttpOnly", "SameSite=Strict", "Path=/console"))
    token = router.console_url.rpartition("=")[2]
    assert len(token) >= 32 and token not in cookie
    with requests.Session() as session:
        page = session.get(router.console_url, timeout=TIMEOUT)
        assert page.url == f"{router.url}/console/" and "<script" in page.text
        # Without the slash too, now that the browser has the cookie.
        assert session.get(f"{router.url}/console", timeout=TIMEOUT).url == f"{router.url}/console/"


@pytest.mark.parametrize("query", ["", "?token=", "?token=wrong", "?token=%ff%00", "?token=ü"])
def test_without_the_token_a_page_explains_how_to_get_in(router: LocalTaskRouter, query: str) -> None:
    """A wrong token, and a browser without the cookie, see a page with the remedy and nothing else."""
    answer = requests.get(f"{router.url}/console{query}", timeout=TIMEOUT)
    assert answer.status_code == 403 and answer.headers["Content-Type"].startswith("text/html")
    assert "console_url" in answer.text and "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("path", PATHS)
def test_every_path_needs_the_cookie(router: LocalTaskRouter, path: str) -> None:
    """Neither no cookie nor a wrong one gets anything; Basic credentials are for the service's own addresses."""
    port = router.url.rpartition(":")[2]
    for cookies in ({}, {f"taskrouter_console_{port}": "0" * 64}):
        answer = requests.get(
            f"{router.url}/console/{path}",
            cookies=cookies,
            auth=(router.account_sid, router.auth_token),
            timeout=TIMEOUT,
        )
        assert answer.status_code == 403


@pytest.mark.parametrize("headers", FOREIGN)
@pytest.mark.parametrize("path", PATHS)
def test_pages_elsewhere_reach_nothing(browser: Browser, path: str, headers: dict[str, str]) -> None:
    """Other origins, also of this machine, and names that resolve to it, are refused although the cookie is sent."""
    answer = browser.request("GET", path, headers=headers)
    assert answer.status_code == 403
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("headers", [{"Origin": None}, *FOREIGN])
def test_a_form_of_another_page_changes_nothing(browser: Browser, headers: dict[str, Any]) -> None:
    """A request that may act must name the console's own origin."""
    router = browser.router
    for path, body in (
        (f"rest/v1/Workspaces/{router.workspace_sid}/Workers", {"FriendlyName": "Mallory"}),
        ("control/v1/clock/pause", {}),
    ):
        answer = browser.request("POST", path, data=body, headers=headers)
        assert answer.status_code == 403
    assert not router.workers() and router.clock.running


@pytest.mark.parametrize("origin", ["https://evil.example", "http://localhost:3000", "null", None])
def test_a_websocket_of_another_page_is_refused(browser: Browser, origin: str | None) -> None:
    """The same-origin policy does not protect websockets, so that the service must."""
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        websocket.create_connection(
            f"ws{browser.url[len('http') :]}/console/live",
            timeout=TIMEOUT,
            cookie=browser.cookie,
            origin=origin,
            suppress_origin=origin is None,
        )
    assert refused.value.status_code == 403


def test_a_link_on_a_page_of_this_machine_may_open_it(browser: Browser) -> None:
    """A documentation or notebook on another port may link to the console; its scripts and frames may not use it."""
    headers = {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    browser.session.headers.pop("Origin")
    assert browser.request("GET", "", headers=headers).status_code == 200
    assert browser.request("GET", "", headers={**headers, "Sec-Fetch-Dest": "iframe"}).status_code == 403
    assert browser.request("GET", "control/v1/info", headers=headers).status_code == 403


def test_a_link_on_a_page_of_another_site_opens_it_with_its_token_only(router: LocalTaskRouter) -> None:
    """A notebook at another name of this machine may link to it; its scripts, frames and forms may not use it."""
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    answer = requests.get(router.console_url, headers=link, allow_redirects=False, timeout=TIMEOUT)
    # Not a redirection: along it the browser would not send the cookie.
    assert answer.status_code == 200 and 'http-equiv="refresh" content="0;url=/console/"' in answer.text
    assert "Set-Cookie" in answer.headers and router.console_url.rpartition("=")[2] not in answer.text
    for headers in ({**link, "Sec-Fetch-Dest": "iframe"}, {**link, "Sec-Fetch-Mode": "no-cors"}):
        assert requests.get(router.console_url, headers=headers, timeout=TIMEOUT).status_code == 403
    assert requests.post(router.console_url, headers=link, timeout=TIMEOUT).status_code == 403
    for path in ("/console/", "/console/app.js", "/v1/Workspaces", "/"):
        assert requests.get(f"{router.url}{path}", headers=link, timeout=TIMEOUT).status_code == 403
    wrong = requests.get(f"{router.url}/console?token=x", headers=link, timeout=TIMEOUT)
    assert wrong.status_code == 403 and "Set-Cookie" not in wrong.headers


@pytest.mark.parametrize("path", ["", "app.js", "rest/v1/Workspaces", "control/v1/info", "nothing", "rest/v2/x"])
def test_every_answer_is_locked_down(browser: Browser, path: str) -> None:
    """No answer allows inline scripts, frames, sniffing or other origins."""
    answer = browser.request("GET", path)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff" and answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_files_of_the_page(browser: Browser) -> None:
    """They have their types, are checked by ETag at each use, and nothing outside of the folder is served."""
    page = browser.request("GET", "")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8" and page.headers["Cache-Control"] == "no-cache"
    again = browser.request("GET", "", headers={"If-None-Match": page.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    for path in re.findall(r'(?:src|href)="([^"#:]+)"', page.text):
        kind = browser.request("GET", path).headers["Content-Type"]
        assert kind.partition(";")[0] in ("text/javascript", "text/css", "image/svg+xml"), path
    for path in ("page/index.html", "%2e%2e/console.py", "..%2fconsole.py", "views/", "lib", "console.py"):
        assert browser.request("GET", path).status_code == 404, path
    assert browser.request("POST", "index.html").status_code == 405


def test_without_a_console_nothing_of_it_is_there() -> None:
    """Switched off, its paths are like any unknown one, and there is no link."""
    with LocalTaskRouter(console=False) as router:
        for path in ("console", "console/", "console/live", "console/index.html", "console/rest/v1/Workspaces"):
            assert requests.get(f"{router.url}/{path}", timeout=TIMEOUT).status_code == 404
        with pytest.raises(StateError, match="console=False"):
            _ = router.console_url
    with pytest.raises(TypeError, match="console must be"):
        LocalTaskRouter(console="yes")  # type: ignore[arg-type]


def test_the_link_is_secret(router: LocalTaskRouter, caplog: pytest.LogCaptureFixture) -> None:
    """It differs with the credentials, and is in no log and no repr."""
    caplog.set_level(logging.DEBUG, "twilio_taskrouter_worker.local")
    token = router.console_url.rpartition("=")[2]
    requests.get(router.console_url, timeout=TIMEOUT)

    def said() -> list[str]:
        # The log of the HTTP client, which is the test's own, has the whole address.
        return [record.getMessage() for record in caplog.records if record.name.startswith("twilio_taskrouter_worker")]

    # A request is logged once its answer has been sent.
    eventually(lambda: any("/console" in text for text in said()))
    assert not any(token in text for text in [*said(), repr(router)])
    with LocalTaskRouter() as other:
        assert other.console_url.rpartition("=")[2] != token


def test_the_browser_stays_connected_across_a_restart(tmp_path: Any) -> None:
    """With the same credentials the cookie is still good, and so is the link."""
    port = lasting_port()
    with LocalTaskRouter(port, db=tmp_path / "kept.db") as router:
        link = router.console_url.partition("/console")[2]
        browser = Browser(router)
    with LocalTaskRouter(port, db=tmp_path / "kept.db") as router, browser:
        assert router.console_url.partition("/console")[2] == link
        browser.router = router
        with browser.live() as live:
            assert live.until(lambda: live.state["whole"])


def test_too_many_consoles(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their number is limited."""
    # Few, since none of them answers the pings of the service, which would end those of a slow machine.
    assert module.MOST_VIEWERS == 50
    monkeypatch.setattr(module, "MOST_VIEWERS", 5)
    opened = []
    try:
        with pytest.raises(websocket.WebSocketBadStatusException) as refused:
            for _ in range(6):
                opened.append(Live(browser))
        assert refused.value.status_code == 429 and len(opened) == 5
    finally:
        for live in opened:
            live.__exit__(None, None, None)
