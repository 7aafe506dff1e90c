"""Requests of web pages elsewhere: for a foreign host or from a foreign origin nothing is done, on any path."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import requests
import websocket

from tests.integration.local.bridge_client import TIMEOUT, BridgeClient
from tests.tools.seams import service_of
from tests.tools.wait import eventually
from twilio_taskrouter_worker.local import LocalTaskRouter

CROSS_SITE = {"Sec-Fetch-Site": "cross-site"}
FOREIGN: list[dict[str, str]] = [
    {"Host": "evil.example"},
    {"Host": "evil.example:4100"},
    {"Host": "localhost.evil.example"},
    {"Host": "127.0.0.1.evil.example"},
    {"Host": "127.0.0.1@evil.example"},
    {"Host": "192.168.7.7"},
    {"Host": "0.0.0.0"},
    {"Host": ""},
    {"Origin": "https://evil.example"},
    {"Origin": "http://localhost.evil.example:3000"},
    {"Origin": "null"},
    {"Origin": "file://localhost"},
    {"Origin": "localhost"},
    {"Origin": "http://[::1"},
    {"Origin": "https://evil.example", **CROSS_SITE},
    CROSS_SITE,
    {"Sec-Fetch-Site": "Cross-Site"},
]
OWN: list[dict[str, str]] = [
    {},
    {"Host": "localhost"},
    {"Host": "LOCALHOST:9443"},
    {"Host": "agent.localhost:80"},
    {"Host": "127.9.9.9:1"},
    {"Host": "[::1]:4100"},
    {"Host": "[::ffff:127.0.0.1]"},
    {"Origin": "http://localhost:3000", **CROSS_SITE},
    {"Origin": "https://127.0.0.1"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
]


def create_worker(router: LocalTaskRouter, headers: dict[str, str], name: str = "Mallory") -> requests.Response:
    """Post a form with good credentials, as a browser does that has them stored."""
    url = f"{router.url}/v1/Workspaces/{router.workspace_sid}/Workers"
    auth = (router.account_sid, router.auth_token)
    return requests.post(url, data={"FriendlyName": name}, headers=headers, auth=auth, timeout=TIMEOUT)


@pytest.mark.parametrize("headers", FOREIGN)
def test_foreign_requests_do_nothing(router: LocalTaskRouter, headers: dict[str, str]) -> None:
    """REST, the tunnel, its preflight, the websocket and any other path refuse, and let the page read nothing."""
    alice = router.add_worker("Alice")
    answers = [create_worker(router, headers)]
    with BridgeClient(router, alice) as client:
        envelope = {"url": client.own, "method": "POST", "params": {"Attributes": "{}"}, "token": client.token}
        bridge = router.connection["eb_server"]
        answers.append(requests.post(bridge, json=envelope, headers=headers, timeout=TIMEOUT))
        answers.append(requests.options(bridge, headers=headers, timeout=TIMEOUT))
        answers.append(requests.get(f"{router.url}/anything", headers=headers, timeout=TIMEOUT))
        with pytest.raises(websocket.WebSocketBadStatusException, match="403"):
            handshake(router, client.token, headers)
    for answer in answers:
        assert (answer.status_code, answer.json()["code"]) == (403, 20403)
        assert not any(name.startswith("Access-Control") for name in answer.headers)
    assert [worker.friendly_name for worker in router.workers()] == ["Alice"]
    assert router.worker(alice).version == 0


def handshake(router: LocalTaskRouter, token: str, headers: dict[str, str]) -> websocket.WebSocket:
    """Open a websocket as the browser of a page would."""
    url = f"{router.connection['ws_server']}?token={token}"
    rest = {name: value for name, value in headers.items() if name not in ("Host", "Origin")}
    options: dict[str, Any] = {"host": headers.get("Host"), "origin": headers.get("Origin"), "header": rest}
    if "Host" in headers and not headers["Host"]:
        options.update(host=" ")
    if "Origin" not in headers:
        options.update(suppress_origin=True)
    return websocket.create_connection(url, timeout=TIMEOUT, **options)


@pytest.mark.parametrize("headers", OWN)
def test_own_requests_are_answered(router: LocalTaskRouter, headers: dict[str, str]) -> None:
    """Programs, and pages that this machine serves on whatever port, may use the service by any of its names."""
    alice = router.add_worker("Alice")
    assert create_worker(router, headers).status_code == 201
    socket = handshake(router, router.token(alice), headers)
    eventually(lambda: router.open_sessions(alice) == 1)
    socket.close()


def test_hosts_may_be_allowed() -> None:
    """Names that are given are accepted as host and as origin, others still are not."""
    with LocalTaskRouter(allowed_hosts=["TaskRouter", "desk.example"]) as router:
        assert create_worker(router, {"Host": "taskrouter:4100"}, "A").status_code == 201
        assert create_worker(router, {"Origin": "https://desk.example", **CROSS_SITE}, "B").status_code == 201
        refused = create_worker(router, {"Host": "other"}, "C")
        assert refused.status_code == 403
        assert "'other' is not a name of this local TaskRouter" in refused.json()["message"]
        assert "allowed_hosts" in refused.json()["message"]
    with LocalTaskRouter(allowed_hosts=["*"]) as router:
        for number, headers in enumerate(FOREIGN):
            assert create_worker(router, headers, f"W{number}").status_code == 201


def test_every_address_of_the_machine() -> None:
    """A service that listens everywhere is reached by the address that a request arrives at, and by no foreign name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        router = LocalTaskRouter(host="0.0.0.0").start()
    try:
        assert create_worker(router, {"Host": "0.0.0.0:4100"}, "A").status_code == 201
        assert create_worker(router, {"Host": "evil.example"}, "B").status_code == 403
        assert create_worker(router, {"Host": "192.168.7.7"}, "C").status_code == 403
    finally:
        router.stop()


@pytest.mark.parametrize("names", [["http://x"], ["x:4100"], ["a b"], [""]])
def test_bad_allowed_hosts(names: Any) -> None:
    """A URL and a name with a port are refused at once, with what is right."""
    with pytest.raises(ValueError, match="allowed_hosts"):
        LocalTaskRouter(allowed_hosts=names)


def test_allowed_hosts_of_a_wrong_type() -> None:
    """They are a list of strings; a single string would be a list of letters."""
    wrong: Any
    for wrong, text in (("taskrouter", "allowed_hosts must be a list of host names"), ([7], "must be a string")):
        with pytest.raises(TypeError, match=text):
            LocalTaskRouter(allowed_hosts=wrong)


def test_a_service_does_not_feed_itself(router: LocalTaskRouter) -> None:
    """An event callback that leads to the service's own tasks makes none."""
    user = f"{router.account_sid}:{router.auth_token}"
    address = router.url.partition("//")[2]
    auth = (router.account_sid, router.auth_token)
    home = f"{router.url}/v1/Workspaces/{router.workspace_sid}"
    own = f"http://{user}@{address}/v1/Workspaces/{router.workspace_sid}/Tasks"
    assert requests.post(home, data={"EventCallbackUrl": own}, auth=auth, timeout=TIMEOUT).status_code == 200
    router.create_task({})
    webhooks = service_of(router).webhooks
    eventually(lambda: bool(webhooks._failing))
    assert len(router.tasks()) == 1
