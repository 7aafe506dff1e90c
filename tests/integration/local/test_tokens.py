"""Access tokens and roles on the event bridge: what is refused, and how."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
import websocket

from tests.integration.local.bridge_client import TIMEOUT, Answer, BridgeClient
from twilio_taskrouter_worker.local import LocalTaskRouter


@pytest.fixture
def router() -> Iterator[LocalTaskRouter]:
    """A router whose key is long enough for every HMAC algorithm."""
    with LocalTaskRouter(signing_key_secret="0123456789abcdef" * 4) as router:
        yield router


def forge(
    router: LocalTaskRouter, worker_sid: str, *, key: str | None = None, alg: str = "HS256", **claims: Any
) -> str:
    """Return a token that differs from a good one as told; a claim of None is left out."""
    grant = {"workspace_sid": router.workspace_sid, "worker_sid": worker_sid, "role": "worker"}
    good: dict[str, Any] = {
        "iss": router.signing_key_sid,
        "sub": router.account_sid,
        "exp": int(time.time()) + 60,
        "grants": {"task_router": {**grant, **claims.pop("grant", {})}},
    }
    merged = {name: value for name, value in {**good, **claims}.items() if value is not None}
    if alg == "none":
        parts = (json.dumps({"alg": "none", "typ": "JWT"}), json.dumps(merged))
        return ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts) + "."
    return jwt.encode(merged, key or router.signing_key_secret, algorithm=alg)


BAD: dict[str, tuple[dict[str, Any], tuple[int, int]]] = {
    "expired": ({"exp": 1_000_000_000}, (401, 20104)),
    "other key": ({"key": "another-secret-of-enough-characters-0123"}, (403, 20107)),
    "alg none": ({"alg": "none"}, (403, 20101)),
    "alg HS512": ({"alg": "HS512"}, (403, 20101)),
    "other issuer": ({"iss": "SK" + "0" * 32}, (403, 20101)),
    "other account": ({"sub": "AC" + "0" * 32}, (403, 20101)),
    "no expiry": ({"exp": None}, (403, 20101)),
    "more than a day": ({"exp": 4_102_444_800}, (403, 20101)),
    "not before": ({"nbf": 4_102_444_800}, (403, 20101)),
    "expiry of 400 digits": ({"exp": 10**400}, (403, 20101)),
    "expiry beyond every number": ({"exp": float("inf")}, (403, 20101)),
    "expiry is a text": ({"exp": "soon"}, (403, 20101)),
    "no grants": ({"grants": None}, (403, 20106)),
    "grants is a list": ({"grants": []}, (403, 20106)),
    "no role": ({"grant": {"role": None}}, (403, 20106)),
    "unknown role": ({"grant": {"role": "king"}}, (403, 20106)),
    "no worker": ({"grant": {"worker_sid": None}}, (403, 20106)),
    "worker is a number": ({"grant": {"worker_sid": 7}}, (403, 20106)),
    "no workspace": ({"grant": {"workspace_sid": None}}, (403, 20106)),
    "other workspace": ({"grant": {"workspace_sid": "WS" + "0" * 32}}, (403, 20106)),
    "unknown worker": ({"grant": {"worker_sid": "WK" + "0" * 32}}, (403, 20106)),
}


def handshake_refusal(router: LocalTaskRouter, query: str) -> Answer:
    class Refused:
        def __init__(self, error: websocket.WebSocketBadStatusException) -> None:
            self.status_code = error.status_code
            self.headers = error.resp_headers
            self.content = error.resp_body or b""

        def json(self) -> Any:
            return json.loads(self.content)

    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        websocket.create_connection(f"{router.connection['ws_server']}?{query}", timeout=TIMEOUT)
    return Answer(Refused(refused.value))  # type: ignore[arg-type]


@pytest.mark.parametrize("flaw", BAD)
def test_bad_tokens(router: LocalTaskRouter, flaw: str) -> None:
    """Each flaw is refused with the same status and code at the handshake and in a request, with a whole body."""
    claims, refusal = BAD[flaw]
    alice = router.add_worker("Alice")
    token = forge(router, alice, **claims)
    assert handshake_refusal(router, f"token={token}").refusal == refusal
    with BridgeClient(router, alice, token=token) as client:
        assert client.get(client.own).refusal == refusal


@pytest.mark.parametrize("token", ["", "nonsense", "a.b.c", "€uro", "x" * 9000, "é.é.é"])
def test_malformed_tokens(router: LocalTaskRouter, token: str) -> None:
    """What is not a token at all is refused, never a server error."""
    with BridgeClient(router, router.add_worker("Alice"), token=token) as client:
        assert client.get(client.own).refusal in ((401, 20101), (403, 20101))


def test_no_token_at_the_handshake(router: LocalTaskRouter) -> None:
    """A handshake without a token is refused with 401."""
    assert handshake_refusal(router, "closeExistingSessions=false").refusal == (401, 20101)


def test_no_secret_in_refusals(router: LocalTaskRouter) -> None:
    """Neither the token nor the key is in what is answered."""
    alice = router.add_worker("Alice")
    token = forge(router, alice, key="another-secret-of-enough-characters-0123")
    with BridgeClient(router, alice, token=token) as client:
        text = json.dumps(client.get(client.own).body)
    assert token not in text
    assert router.signing_key_secret not in text


def test_admin_without_worker_cannot_open_a_websocket(router: LocalTaskRouter) -> None:
    """An admin's token without a worker is good for requests, not for a session."""
    token = router.token("", role="admin")
    assert handshake_refusal(router, f"token={token}").refusal == (403, 20403)
    with BridgeClient(router, "", token=token) as client:
        assert client.get(f"{client.home}/Workers").payload["contents"] == []


def test_roles(router: LocalTaskRouter) -> None:
    """The table of roles, line by line: who may do what."""
    alice, bob = router.add_worker("Alice", activity="Available"), router.add_worker("Bob")
    task = router.create_task()
    [reservation] = router.reservations(task_sid=task)
    other = router.create_task(routing_target=bob)
    [foreign] = router.reservations(task_sid=other)
    assert (reservation.worker_sid, foreign.worker_sid) == (alice, bob)
    clients = {role: BridgeClient(router, alice, role) for role in ("worker", "supervisor", "admin")}
    home, own = clients["worker"].home, clients["worker"].own
    supervise = {"Instruction": "supervise", "Supervisor": alice, "SupervisorMode": "monitor"}
    yes, no = 200, 403
    table: list[tuple[str, str, dict[str, Any], tuple[int, int, int]]] = [
        ("GET", own, {}, (yes, yes, yes)),
        ("POST", own, {"Attributes": {"a": 1}}, (yes, yes, yes)),
        ("GET", f"{home}/Activities", {}, (yes, yes, yes)),
        ("GET", f"{own}/WorkerChannels", {}, (yes, yes, yes)),
        ("GET", f"{own}/Reservations", {"Active": "true"}, (yes, yes, no)),
        ("GET", f"{own}/Reservations/{reservation.sid}", {}, (yes, yes, no)),
        ("GET", f"{home}/Workers/{bob}", {}, (no, yes, yes)),
        ("POST", f"{home}/Workers/{bob}", {"Attributes": {"a": 1}}, (no, yes, yes)),
        ("GET", f"{home}/Workers/{bob}/Reservations", {}, (no, no, no)),
        ("POST", f"{home}/Workers/{bob}/Reservations/{foreign.sid}", {"ReservationStatus": "rejected"}, (no, no, no)),
        ("GET", f"{home}/Workers", {}, (no, yes, yes)),
        ("GET", f"{home}/TaskQueues", {}, (no, yes, yes)),
        ("GET", f"{home}/TaskQueues/{router.task_queue_sid}", {}, (no, yes, yes)),
        ("GET", f"{home}/Tasks/{task}", {}, (yes, yes, yes)),
        ("GET", f"{home}/Tasks/{other}", {}, (no, yes, yes)),
        ("POST", f"{home}/Tasks/{task}", {"Attributes": {"a": 1}}, (yes, yes, yes)),
        ("POST", f"{home}/Tasks/{other}", {"Attributes": {"a": 1}}, (no, yes, yes)),
        ("POST", f"{home}/Tasks", {"RoutingTarget": bob, "WorkflowSid": router.workflow_sid}, (no, no, yes)),
        ("POST", f"{home}/Tasks/{other}/Reservations/{foreign.sid}", supervise, (no, 400, no)),  # not accepted yet
        ("POST", f"{own}/Transfers", {}, (400, 400, no)),  # allowed, but without parameters
        ("POST", f"{own}/CustomerParticipant", {}, (400, 400, no)),
        ("POST", f"{home}/Workers/{bob}/Transfers", {}, (no, no, no)),
        ("GET", f"Workspaces/WS{'0' * 32}/Activities", {}, (no, no, no)),
    ]
    try:
        for method, url, parameters, expected in table:
            call = "get" if method == "GET" else "post"
            answers = [getattr(clients[role], call)(url, **parameters).status for role in clients]
            assert tuple(answers) == expected, (method, url)
        for role, expected_status in (("admin", no), ("worker", yes)):
            answer = clients[role].post(f"{own}/Reservations/{reservation.sid}", ReservationStatus="accepted")
            assert answer.status == expected_status
    finally:
        for client in clients.values():
            client.http.close()


def test_supervisor_only_supervises_as_itself(router: LocalTaskRouter) -> None:
    """A supervisor can supervise an accepted reservation in its own name, and do nothing else on it."""
    alice, boss = router.add_worker("Alice", activity="Available"), router.add_worker("Boss")
    task = router.create_task()
    [reservation] = router.reservations(task_sid=task)
    with BridgeClient(router, alice) as worker, BridgeClient(router, boss, "supervisor") as client:
        worker.post(f"{worker.own}/Reservations/{reservation.sid}", ReservationStatus="accepted")
        url = f"{client.home}/Tasks/{task}/Reservations/{reservation.sid}"
        wanted = {"Instruction": "supervise", "Supervisor": boss, "SupervisorMode": "monitor"}
        assert client.post(url, **wanted).status == 200
        assert client.post(url, **{**wanted, "Supervisor": alice}).refusal == (403, 20403)
        assert client.post(url, ReservationStatus="completed").refusal == (403, 20403)
        assert client.get(f"{client.home}/Workers/WK{'0' * 32}").refusal == (404, 20404)
        bad = client.post(f"{client.home}/Workers/{alice}", ActivitySid="WAnonsense")
        assert bad.refusal == (400, 20001)
        assert "WAnonsense" in bad.body["message"]
