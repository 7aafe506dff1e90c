"""The switches of the service around the engine, over real sockets, each set to what is not its default."""

from __future__ import annotations

import pytest
import requests

from tests.integration.local.bridge_client import BridgeClient
from tests.tools.seams import service_of
from twilio_taskrouter_worker.local import LocalTaskRouter, Rules


def etag(router: LocalTaskRouter) -> str:
    """The ETag of a worker, over REST."""
    path = f"{router.url}/v1/Workspaces/{router.workspace_sid}/Workers/{router.add_worker('Tag')}"
    return requests.get(path, auth=(router.account_sid, router.auth_token), timeout=30).headers["ETag"]


def test_defaults(router: LocalTaskRouter) -> None:
    """What is said nothing about is as the documentation's page on switches has it."""
    assert router.rules == Rules()
    assert etag(router) == '"0"'
    alice, bob = router.add_worker("Alice"), router.add_worker("Bob")
    with BridgeClient(router, alice) as client:
        assert client.get(f"{client.home}/Workers").refusal == (403, 20403)
        assert client.get(f"{client.home}/Workers/{bob}").refusal == (403, 20403)


def test_etags_without_quotes() -> None:
    """The version as it is, and still good for If-Match."""
    with LocalTaskRouter(rules=Rules(etag_quoted=False)) as router:
        assert etag(router) == "0"


@pytest.mark.parametrize("code", [20003, 20403])
def test_the_code_of_forbidden_requests(code: int) -> None:
    """Role and workspace are refused with the chosen code."""
    with LocalTaskRouter(rules=Rules(forbidden_code=code)) as router:
        with BridgeClient(router, router.add_worker("Alice")) as client:
            assert client.get(f"{client.home}/TaskQueues").refusal == (403, code)
            assert client.get(f"Workspaces/WS{'0' * 32}/Activities").refusal == (403, code)


def test_workers_that_may_read() -> None:
    """A laxer service lets a worker read what is the workspace's, and change no more than before."""
    with LocalTaskRouter(rules=Rules(workers_may_read=True)) as router:
        task = router.create_task({})
        with BridgeClient(router, router.add_worker("Alice")) as client:
            workers = client.get(f"{client.home}/Workers").payload["contents"]
            assert [each["friendly_name"] for each in workers] == ["Alice"]
            assert client.get(f"{client.home}/Tasks/{task}").payload["sid"] == task
            assert client.post(f"{client.home}/Tasks/{task}", Attributes="{}").refusal == (403, 20403)


def test_the_code_of_replaced_sessions() -> None:
    """A plain 1000 does not tell a client why; its reason still does."""
    with LocalTaskRouter(rules=Rules(replaced_session_close_code=1000)) as router:
        alice = router.add_worker("Alice")
        with BridgeClient(router, alice).open() as old, BridgeClient(router, alice) as new:
            old.event()
            new.open(closeExistingSessions="true").event()
            code, reason = old.close_frame()
        assert code == 1000 and reason.startswith("Session replaced")


def test_sessions_that_outlive_their_tokens() -> None:
    """Without a grace there is no end: no timer waits for the token of such a session."""
    with LocalTaskRouter(rules=Rules(expired_session_grace=None)) as router:
        alice = router.add_worker("Alice")
        with BridgeClient(router, alice, token=router.token(alice, ttl=60)).open() as client:
            client.event()
            [session] = router._ask(lambda engine: list(service_of(router).sessions.of(alice)))
            assert session.expiry is None


def test_the_code_of_rescinded_offers() -> None:
    """Accepting an offer that somebody else took first is refused with the chosen code."""
    with LocalTaskRouter(rules=Rules(gone_code=20001)) as router:
        queue = f"{router.url}/v1/Workspaces/{router.workspace_sid}/TaskQueues/{router.task_queue_sid}"
        auth = (router.account_sid, router.auth_token)
        assert requests.post(queue, data={"MaxReservedWorkers": 2}, auth=auth, timeout=30).status_code == 200
        workers = [router.add_worker(name, activity="Available") for name in ("Alice", "Bob")]
        router.create_task({})
        offers = {offer.worker_sid: offer.sid for offer in router.reservations()}
        with BridgeClient(router, workers[0]) as first, BridgeClient(router, workers[1]) as second:
            first.post(f"{first.own}/Reservations/{offers[workers[0]]}", ReservationStatus="accepted")
            late = second.post(f"{second.own}/Reservations/{offers[workers[1]]}", ReservationStatus="accepted")
            assert late.refusal == (410, 20001)
