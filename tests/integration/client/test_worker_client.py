"""Calls without a websocket: a WorkerClient and a ReservationHandle, in this process and in others."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import jwt
import pytest

from tests.tools.wait import eventually, no_leftover_threads
from twilio_taskrouter_worker import (
    AuthorizationError,
    NotFoundError,
    NotReadyError,
    RequestRejectedError,
    ReservationHandle,
    TokenError,
    TokenExpiredError,
    Worker,
    WorkerClient,
)
from twilio_taskrouter_worker.local import LocalTaskRouter

PATIENCE = 30.0
"""Seconds that any call may take on a loaded machine."""


@pytest.fixture
def alice(router: LocalTaskRouter) -> str:
    """The sid of a worker who is available."""
    return router.add_worker("Alice", activity="Available")


@pytest.fixture
def client(router: LocalTaskRouter, alice: str) -> WorkerClient:
    """A client from a token alone."""
    return WorkerClient(router.token(alice), **router.connection)


@pytest.fixture
def worker(router: LocalTaskRouter, alice: str) -> Iterator[Worker]:
    """The same worker, connected."""
    with Worker(router.token(alice), **router.connection) as worker:
        yield worker


def offered(router: LocalTaskRouter, client: WorkerClient) -> ReservationHandle:
    """A new task's reservation."""
    task = router.create_task({"order": 1})
    [reservation] = router.reservations(task_sid=task)
    return client.reservation(reservation.sid, task)


# -- the calls -------------------------------------------------------------------------------------------------------


def test_the_sids_come_from_the_token(router: LocalTaskRouter, client: WorkerClient, alice: str) -> None:
    """Nothing but a token and the addresses is needed; a token that cannot be read needs the sids."""
    assert (client.worker_sid, client.workspace_sid) == (alice, router.workspace_sid)
    with pytest.raises(TokenError, match="does not name the worker; pass worker_sid"):
        WorkerClient("an.opaque.token", **router.connection)
    opaque = WorkerClient("an.opaque.token", worker_sid="WK1", workspace_sid="WS1", **router.connection)
    assert repr(opaque) == "<WorkerClient WK1>"


def test_the_worker(router: LocalTaskRouter, client: WorkerClient) -> None:
    """Attributes and activity change at the service, and the Futures resolve to the worker as it is then."""
    changed = client.set_attributes({"languages": ["de"]}).result(PATIENCE)
    assert changed.attributes == {"languages": ["de"]}
    by_sid = client.set_activity(router.activities["Unavailable"]).result(PATIENCE)
    assert (by_sid.activity_name, by_sid.available) == ("Unavailable", False)
    assert client.fetch_activities().result(PATIENCE) == dict(router.activities)
    assert client.set_activity("Available").result(PATIENCE).activity_name == "Available"
    assert client.fetch().result(PATIENCE).attributes == {"languages": ["de"]}
    with pytest.raises(RequestRejectedError):
        client.set_activity("Asleep").result(PATIENCE)


def test_a_reservation_from_offer_to_end(router: LocalTaskRouter, client: WorkerClient) -> None:
    """Accept, change the task, wrap up, complete: each as the methods of a Reservation and its Task do."""
    handle = offered(router, client)
    assert handle.fetch().result(PATIENCE).status == "pending"
    assert handle.accept().result(PATIENCE).status == "accepted"
    assert handle.set_attributes({"order": 2}).result(PATIENCE).attributes == {"order": 2}
    assert handle.wrap_up(reason="notes").result(PATIENCE).status == "wrapping"
    assert handle.complete("done").result(PATIENCE).status == "completed"
    task = router.task(handle.task_sid)
    assert (task.assignment_status, task.reason) == ("completed", "done")


def test_the_other_ends(router: LocalTaskRouter, client: WorkerClient) -> None:
    """Wrap and complete of the reservation alone; reject, with a move to another activity."""
    handle = offered(router, client)
    handle.accept().result(PATIENCE)
    assert handle.wrap().result(PATIENCE).status == "wrapping"
    assert handle.complete_reservation().result(PATIENCE).status == "completed"
    handle = offered(router, client)
    assert handle.reject(activity_sid=router.activities["Offline"]).result(PATIENCE).status == "rejected"
    assert client.fetch().result(PATIENCE).activity_name == "Offline"


def test_transfer(router: LocalTaskRouter, client: WorkerClient) -> None:
    """A transfer goes to another worker, who is offered the task."""
    handle = offered(router, client)
    handle.accept().result(PATIENCE)
    bob = router.add_worker("Bob", activity="Available")
    assert handle.transfer(bob, mode="COLD").result(PATIENCE).startswith("TT")
    [reservation] = router.reservations(worker_sid=bob)
    assert reservation.task_sid == handle.task_sid


def test_calls_keep_their_order(router: LocalTaskRouter, client: WorkerClient) -> None:
    """Calls that nobody waits for take effect in the order in which they were made, whatever they are about."""
    for _ in range(10):
        handle = offered(router, client)
        futures: list[Any] = [handle.accept(), handle.set_attributes({"n": 1}), handle.set_attributes({"n": 2})]
        futures += [client.set_attributes({"n": n}) for n in range(5)]
        futures += [handle.wrap_up(), handle.complete("done")]
        for future in futures:
            future.result(PATIENCE)
        assert client.fetch().result(PATIENCE).attributes == {"n": 4}
        assert handle.fetch_task().result(PATIENCE).attributes == {"n": 2}


def test_wrong_arguments(client: WorkerClient) -> None:
    """They raise at the call, before any request."""
    with pytest.raises(TypeError, match="attributes must be a mapping, not list"):
        client.set_attributes([])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="activity must be an activity's name or sid, or an Activity, not NoneType"):
        client.set_activity(None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="task_sid must not be empty"):
        client.reservation("WR1", "")
    with pytest.raises(TypeError, match="reason must be a string, not int"):
        client.complete("WT1", 5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="'WARM' or 'COLD', not 'HOT'"):
        client.transfer("WR1", "WT1", "WK1", mode="HOT")
    with pytest.raises(ValueError, match="needs a token or a token_provider"):
        WorkerClient()


def test_refusals(client: WorkerClient) -> None:
    """A Future fails as those of a Worker do."""
    with pytest.raises(NotFoundError):
        client.accept("WR" + "0" * 32).result(PATIENCE)


def test_no_thread_before_the_first_call(router: LocalTaskRouter, alice: str) -> None:
    """Making one, and making handles, starts nothing."""
    before = set(threading.enumerate())
    client = WorkerClient(router.token(alice), **router.connection)
    pickle.loads(pickle.dumps(client.reservation("WR1", "WT1")))
    assert set(threading.enumerate()) <= before


def test_its_threads_end(router: LocalTaskRouter, alice: str) -> None:
    """The shared threads end some seconds after the last call."""
    with no_leftover_threads(timeout=PATIENCE):
        WorkerClient(router.token(alice), **router.connection).fetch().result(PATIENCE)


# -- tokens ----------------------------------------------------------------------------------------------------------


class Provider:
    """Gives these tokens, one at each question; raises what is an exception."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked = 0

    def __call__(self) -> Any:
        """Answer."""
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def with_provider(router: LocalTaskRouter, worker_sid: str, provider: Any, token: str | None = None) -> WorkerClient:
    """A client with a provider."""
    workspace_sid = router.workspace_sid
    return WorkerClient(
        token, token_provider=provider, worker_sid=worker_sid, workspace_sid=workspace_sid, **router.connection
    )


def test_a_provider_without_a_token(router: LocalTaskRouter, alice: str) -> None:
    """It is asked at the first call, once for all the calls that need it, and not again."""
    provider = Provider(router.token(alice))
    client = with_provider(router, alice, provider)
    assert provider.asked == 0
    with ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(lambda: client.fetch().result(PATIENCE)) for _ in range(20)]:
            assert future.result(PATIENCE).sid == alice
    assert provider.asked == 1


def test_a_token_that_is_about_to_end(router: LocalTaskRouter, alice: str) -> None:
    """It is replaced before it is used once more."""
    provider = Provider(router.token(alice))
    client = with_provider(router, alice, provider, token=router.token(alice, ttl=30))
    client.fetch().result(PATIENCE)
    client.fetch().result(PATIENCE)
    assert provider.asked == 1


def test_a_provider_that_fails(router: LocalTaskRouter, alice: str) -> None:
    """The call fails with TokenError and its cause, also for a token of another worker; the next call asks anew."""
    other = router.token(router.add_worker("Bob"))
    provider = Provider(OSError("no network"), "garbage", other, router.token(alice))
    client = with_provider(router, alice, provider)
    for cause in (OSError, ValueError, TokenError):
        with pytest.raises(TokenError) as failed:
            client.fetch().result(PATIENCE)
        assert type(failed.value.__cause__) is cause
    assert client.fetch().result(PATIENCE).sid == alice


def test_update_token(router: LocalTaskRouter, client: WorkerClient, alice: str) -> None:
    """The next call uses it; what is visibly wrong is refused and changes nothing."""
    ended = jwt.encode({"exp": time.time() - 100_000}, "k" * 32)
    for bad, error in (
        ("x", ValueError),
        (router.token(router.add_worker("Bob")), TokenError),
        (ended, TokenExpiredError),
    ):
        with pytest.raises(error):
            client.update_token(bad)
    assert client.fetch().result(PATIENCE).sid == alice
    client.update_token("a.good.form")
    with pytest.raises(AuthorizationError):
        client.fetch().result(PATIENCE)


# -- of a connected worker -------------------------------------------------------------------------------------------


def test_the_client_of_a_worker(router: LocalTaskRouter, worker: Worker) -> None:
    """It knows the activities' names, follows the worker's token, and outlives the connection."""
    client = worker.client()
    assert client is worker.client()
    assert client.set_activity("Unavailable").result(PATIENCE).activity_name == "Unavailable"
    assert client.set_activity(worker.activities.by_name("Available")).result(PATIENCE).available
    worker.update_token(router.token(worker.sid))
    assert pickle.loads(pickle.dumps(client))._tokens.current() == worker._token
    worker.disconnect()
    assert client.fetch().result(PATIENCE).sid == client.worker_sid


def test_the_client_of_a_worker_is_one_for_all_threads(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that ask for it at the same moment get the same one, so that their calls have one order."""
    both = threading.Barrier(2, timeout=PATIENCE)
    make = WorkerClient.__init__

    def make_together(client: WorkerClient, *args: Any, **options: Any) -> None:
        both.wait()
        make(client, *args, **options)

    monkeypatch.setattr(WorkerClient, "__init__", make_together)
    with ThreadPoolExecutor(2) as pool:
        first, second = (each.result(PATIENCE) for each in [pool.submit(worker.client) for _ in range(2)])
    assert first is second


def test_before_the_worker_is_ready(router: LocalTaskRouter, alice: str) -> None:
    """There is nothing to make a client of."""
    with pytest.raises(NotReadyError, match="connect"):
        Worker(router.token(alice), **router.connection).client()


def finish(handle: ReservationHandle) -> tuple[int, str]:
    """What a task queue's worker does with a handle."""
    handle.accept().result(PATIENCE)
    return os.getpid(), handle.complete("in another process").result(PATIENCE).status


def test_a_handle_in_another_process(router: LocalTaskRouter, worker: Worker) -> None:
    """The reservation is accepted and its task completed there; the connected worker sees both."""
    done = threading.Event()
    worker.on("reservation_created", lambda reservation: reservation.on("completed", lambda _: done.set()))
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        task = router.create_task()
        [reservation] = eventually(lambda: list(worker.reservations.values()), PATIENCE)
        handle = reservation.handle()
        assert repr(handle) == f"<ReservationHandle {reservation.sid} of task {task}>"
        pid, status = pool.submit(finish, handle).result(PATIENCE)
    assert pid != os.getpid()
    assert status == "completed"
    assert done.wait(PATIENCE)
    assert router.task(task).reason == "in another process"


def test_after_a_fork(router: LocalTaskRouter, alice: str) -> None:
    """A child that cannot use the worker can use its client, also one from before the fork."""
    script = """
import os, sys
from twilio_taskrouter_worker import ForkedProcessError, Worker
token, eb_server, task = sys.argv[1:]
with Worker(token, eb_server=eb_server) as worker:
    reservation = next(iter(worker.reservations.values()))
    early = worker.client()
    early.fetch().result(30)
    if os.fork() == 0:
        try:
            try:
                worker.set_attributes({})
            except ForkedProcessError as error:
                assert "worker.client()" in str(error)
            handle = reservation.handle()
            handle.accept().result(30)
            handle.complete("in the child").result(30)
            assert early.set_activity("Unavailable").result(30).activity_name == "Unavailable"
        except BaseException as error:
            print("child:", repr(error), flush=True)
            os._exit(1)
        os._exit(0)
    _, status = os.wait()
    assert status == 0, status
    assert worker.set_attributes({"parent": True}).result(30).attributes == {"parent": True}
print("good")
"""
    task = router.create_task()
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", script, router.token(alice)]
        + [router.connection["eb_server"], task],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout == "good\n", done.stderr
    # Which is what the parent cannot tell from another session.
    assert "was accepted, but not by this process" in done.stderr and "Traceback" not in done.stderr
    assert router.task(task).reason == "in the child"
    assert router.worker(alice).activity_name == "Unavailable"


# -- pickling --------------------------------------------------------------------------------------------------------

ANSWER = ""


def module_provider() -> str:
    """A provider that can be pickled, as it can be imported."""
    return ANSWER


def test_a_provider_that_can_be_pickled_goes_instead_of_the_token(
    router: LocalTaskRouter, alice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The token stays at home; the copy asks the provider."""
    monkeypatch.setattr(sys.modules[__name__], "ANSWER", router.token(alice))
    token = router.token(alice, ttl=2000)
    pickled = pickle.dumps(with_provider(router, alice, module_provider, token=token))
    assert token.encode() not in pickled
    assert pickle.loads(pickled).fetch().result(PATIENCE).sid == alice


def test_without_such_a_provider_the_token_goes(router: LocalTaskRouter, alice: str) -> None:
    """The copy has the token of the moment, and keeps sids, addresses and names."""
    token = router.token(alice)
    original = with_provider(router, alice, lambda: token, token=token)
    original.fetch_activities().result(PATIENCE)
    copy = pickle.loads(pickle.dumps(original))
    assert copy.set_activity("Offline").result(PATIENCE).activity_name == "Offline"


def test_objects_that_cannot_be_pickled(router: LocalTaskRouter, alice: str) -> None:
    """With neither, the error says what to do."""
    with pytest.raises(TypeError, match="use a function of a module as token_provider, or give a token"):
        pickle.dumps(with_provider(router, alice, lambda: ""))
