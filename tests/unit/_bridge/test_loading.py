"""Reading the worker, its lists and their pages, without a thread that waits."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

import pytest

from twilio_taskrouter_worker._bridge import routes
from twilio_taskrouter_worker._bridge.failures import activity_failure, activity_sid, is_final
from twilio_taskrouter_worker._bridge.loading import Loader, as_task_router_error, gather, list_pages
from twilio_taskrouter_worker._bridge.messages import Init
from twilio_taskrouter_worker._bridge.reload import Snapshot
from twilio_taskrouter_worker._bridge.request import Request
from twilio_taskrouter_worker._bridge.routes import Route
from twilio_taskrouter_worker.errors import (
    AuthorizationError,
    ClosedError,
    InitializationError,
    InvalidAnswerError,
    NetworkError,
    NotFoundError,
    RateLimitedError,
    RequestRejectedError,
    ServerError,
    TaskRouterError,
    TokenError,
)

UNREAD = ServerError("unread", status=500)


def resolved(result: Any) -> Future[Any]:
    future: Future[Any] = Future()
    if isinstance(result, BaseException):
        future.set_exception(result)
    else:
        future.set_result(result)
    return future


# -- gathering -------------------------------------------------------------------------------------------------------


def test_all_results_in_order() -> None:
    """All results come together, in the order of the Futures, when the last is there."""
    futures: list[Future[Any]] = [Future() for _ in range(3)]
    gathered = gather(futures)
    for number in (2, 0, 1):
        assert not gathered.done()
        futures[number].set_result(number)
    assert gathered.result(0) == [0, 1, 2]


def test_the_first_error_counts() -> None:
    """One error ends it, at once and once, whatever the others do."""
    futures: list[Future[Any]] = [Future() for _ in range(4)]
    gathered = gather(futures)
    futures[0].set_result(0)
    futures[2].set_exception(UNREAD)
    assert gathered.exception(0) is UNREAD
    futures[1].set_exception(ValueError("later"))
    futures[3].set_result(3)
    assert gathered.exception(0) is UNREAD


def test_futures_that_are_done() -> None:
    """Futures that were done before are as good as others; without any there is nothing to wait for."""
    assert gather([resolved(1), resolved(2)]).result(0) == [1, 2]
    assert gather([resolved(UNREAD), resolved(2)]).exception(0) is UNREAD
    assert gather([]).result(0) == []


# -- pages -----------------------------------------------------------------------------------------------------------


class Pages:
    """A list that is given page by page; writes down what it was asked for."""

    def __init__(self, *pages: Any) -> None:
        self.pages = list(pages)
        self.asked: list[dict[str, Any]] = []

    def __call__(self, params: dict[str, Any]) -> Future[Any]:
        self.asked.append(params)
        return resolved(self.pages[len(self.asked) - 1])


def page(*records: Any, **more: Any) -> dict[str, Any]:
    return {"contents": list(records), **more}


def test_one_page() -> None:
    """A list without a next page is asked for once, with the params as they are."""
    for last in (page(1, 2), page(1, 2, after_sid=None), page(1, 2, after_sid="")):
        pages = Pages(last)
        assert list_pages(pages, {"PageSize": 5}).result(0) == [1, 2]
        assert pages.asked == [{"PageSize": 5}]


def test_many_pages() -> None:
    """Each next page is asked for by AfterSid, one after the other."""
    pages = Pages(page(1, 2, after_sid="a"), page(after_sid="b"), page(3))
    assert list_pages(pages, {"PageSize": 2}).result(0) == [1, 2, 3]
    assert pages.asked == [{"PageSize": 2}, {"PageSize": 2, "AfterSid": "a"}, {"PageSize": 2, "AfterSid": "b"}]


def test_ordered_pages() -> None:
    """With an Ordering the next page is named by the meta's next_token, and after_sid does not count."""
    pages = Pages(page(1, after_sid="x", meta={"next_token": "t"}), page(2, meta={"next_token": None}, after_sid="y"))
    assert list_pages(pages, {"Ordering": "DateStatusChanged:asc"}).result(0) == [1, 2]
    assert pages.asked[1] == {"Ordering": "DateStatusChanged:asc", "NextToken": "t"}
    assert list_pages(Pages(page(1, meta=None, after_sid="x")), {"Ordering": "o"}).result(0) == [1]


def test_enough() -> None:
    """Whoever has enough is not given more pages."""
    pages = Pages(page(1, 2, after_sid="a"), page(3, 4, after_sid="b"), page(5))
    assert list_pages(pages, {}, lambda records: len(records) >= 3).result(0) == [1, 2, 3, 4]


def test_a_list_without_end() -> None:
    """A service that names a page again and again is not asked for ever."""
    pages = Pages(*[page(1, after_sid="a"), page(2, after_sid="b")] * 10)
    error = list_pages(pages, {}).exception(0)
    assert isinstance(error, InvalidAnswerError)
    assert len(pages.asked) == 3


@pytest.mark.parametrize("bad", [None, [], "x", {}, {"contents": None}, {"contents": {}}, page(1, after_sid=5)])
def test_an_answer_that_is_not_a_page(bad: Any) -> None:
    """An answer that is no page, first or later, fails the list as an InvalidAnswerError."""
    assert isinstance(list_pages(Pages(bad), {}).exception(0), InvalidAnswerError)
    assert isinstance(list_pages(Pages(page(after_sid="a"), bad), {}).exception(0), InvalidAnswerError)


def test_a_page_that_fails() -> None:
    """The error of any page is the error of the list."""
    assert list_pages(Pages(UNREAD), {}).exception(0) is UNREAD
    assert list_pages(Pages(page(1, after_sid="a"), UNREAD), {}).exception(0) is UNREAD


def test_a_call_that_cannot_be_made() -> None:
    """So is what asking raises, e.g. since all was closed."""
    closed = ClosedError("closed")

    def ask(params: dict[str, Any]) -> Future[Any]:
        raise closed

    assert list_pages(ask, {}).exception(0) is closed


# -- the loader ------------------------------------------------------------------------------------------------------


class LoaderDriver:
    """A loader whose calls are answered by hand."""

    def __init__(self) -> None:
        self.calls: list[tuple[Route, dict[str, Any], Mapping[str, str], Future[Any]]] = []
        self.refuse: Exception | None = None
        self.loader = Loader(self._call, Init("WK1", "AC1", "WS1", None))

    def _call(self, request: Request[Any], /) -> Any:
        assert request.version is None
        assert request.then("payload") == "payload"
        if self.refuse is not None:
            raise self.refuse
        future: Future[Any] = Future()
        self.calls.append((request.route, request.params, request.sids, future))
        return future

    def answer(self, route: Route, result: Any) -> None:
        """Answer the oldest open call of this route."""
        future = next(each[3] for each in self.calls if each[0] is route and not each[3].done())
        if isinstance(result, BaseException):
            future.set_exception(result)
        else:
            future.set_result(result)


@pytest.fixture
def driver() -> LoaderDriver:
    return LoaderDriver()


def test_the_worker_and_its_lists_at_once(driver: LoaderDriver) -> None:
    """The worker and the three lists are asked for together, and come together."""
    lists = driver.loader.read_lists()
    assert [(route, params) for route, params, _, _ in driver.calls] == [
        (routes.GET_WORKER, {}),
        (routes.LIST_ACTIVITIES, {"PageSize": 1000}),
        (routes.LIST_CHANNELS, {"PageSize": 1000}),
        (routes.LIST_RESERVATIONS, {"Active": "true", "PageSize": 1000}),
    ]
    assert all(sids == {"ws": "WS1", "wk": "WK1"} for _, _, sids, _ in driver.calls)
    driver.answer(routes.LIST_RESERVATIONS, page("r1", after_sid="x"))
    driver.answer(routes.LIST_CHANNELS, page("c"))
    driver.answer(routes.LIST_ACTIVITIES, page("a"))
    driver.answer(routes.GET_WORKER, "w")
    assert not lists.done()
    driver.answer(routes.LIST_RESERVATIONS, page("r2"))
    assert lists.result(0) == Snapshot("w", ["a"], ["c"], ["r1", "r2"])


@pytest.mark.parametrize("route", [routes.GET_WORKER, routes.LIST_ACTIVITIES, routes.LIST_RESERVATIONS])
def test_one_failure_fails_all(driver: LoaderDriver, route: Route) -> None:
    """The first error counts."""
    lists = driver.loader.read_lists()
    driver.answer(route, UNREAD)
    driver.answer(routes.LIST_CHANNELS, NetworkError("later"))
    assert lists.exception(0) is UNREAD


def test_an_unforeseen_failure() -> None:
    """An error of another kind becomes the cause of a TaskRouterError; one of ours stays as it is."""
    error = ValueError("odd")
    wrapped = as_task_router_error(error)
    assert wrapped.message == "Reading the worker failed: ValueError" and wrapped.__cause__ is error
    assert as_task_router_error(UNREAD) is UNREAD


# -- looking up ------------------------------------------------------------------------------------------------------


def test_looking_up(driver: LoaderDriver) -> None:
    """Each reservation is read, with its task where the answer names only its sid; one that is gone is None."""
    looked_up = driver.loader.look_up(["WR1", "WR2", "WR3", "WR4"])
    assert [sids["reservation"] for _, _, sids, _ in driver.calls] == ["WR1", "WR2", "WR3", "WR4"]
    driver.answer(routes.GET_RESERVATION, {"sid": "WR1", "task_sid": "WT1"})
    driver.answer(routes.GET_RESERVATION, NotFoundError("gone", status=404))
    driver.answer(routes.GET_RESERVATION, {"sid": "WR3", "task_sid": "WT3", "task": {"sid": "WT3"}})
    driver.answer(routes.GET_RESERVATION, {"sid": "WR4", "task_sid": "WT4"})
    assert [call[2]["task"] for call in driver.calls if call[0] is routes.GET_TASK] == ["WT1", "WT4"]
    driver.answer(routes.GET_TASK, {"sid": "WT1"})
    assert not looked_up.done()
    driver.answer(routes.GET_TASK, NotFoundError("gone", status=404))
    found, error = looked_up.result(0)
    assert error is None and found == {
        "WR1": {"sid": "WR1", "task_sid": "WT1", "task": {"sid": "WT1"}},
        "WR2": None,
        "WR3": {"sid": "WR3", "task_sid": "WT3", "task": {"sid": "WT3"}},
        "WR4": {"sid": "WR4", "task_sid": "WT4"},
    }


@pytest.mark.parametrize("odd", [None, [], "x", {"sid": "WR1"}, {"task_sid": ""}, {"task_sid": 5}])
def test_looking_up_odd_answers(driver: LoaderDriver, odd: Any) -> None:
    """What names no task is taken as it is; whoever reads it finds out."""
    looked_up = driver.loader.look_up(["WR1"])
    driver.answer(routes.GET_RESERVATION, odd)
    assert looked_up.result(0) == ({"WR1": odd}, None)


def test_results_found_come_with_the_first_error(driver: LoaderDriver) -> None:
    """An error costs the look-up that failed, not those that succeeded, before it or after."""
    looked_up = driver.loader.look_up(["WR1", "WR2", "WR3"])
    driver.answer(routes.GET_RESERVATION, {"sid": "WR1"})
    driver.answer(routes.GET_RESERVATION, UNREAD)
    assert not looked_up.done()
    driver.answer(routes.GET_RESERVATION, {"sid": "WR3"})
    assert looked_up.result(0) == ({"WR1": {"sid": "WR1"}, "WR3": {"sid": "WR3"}}, UNREAD)


def test_looking_up_when_closed(driver: LoaderDriver) -> None:
    """A call that cannot be made any more is an error like others."""
    driver.refuse = ClosedError("closed")
    assert driver.loader.look_up(["WR1"]).result(0) == ({}, driver.refuse)


def test_sids_that_no_path_can_have(driver: LoaderDriver) -> None:
    """Where the service names such a sid, reading fails like any other attempt, instead of never ending."""
    driver.refuse = ValueError("wk must be a sid")
    assert driver.loader.read_lists().exception(0) is driver.refuse
    found, error = driver.loader.look_up([".."]).result(0)
    assert found == {} and error is not None and error.__cause__ is driver.refuse


# -- the activity to connect with ------------------------------------------------------------------------------------

ACTIVITIES = [{"sid": "WA1", "friendly_name": "Available"}, "odd", {"sid": "WA2"}]


def test_setting_the_activity(driver: LoaderDriver) -> None:
    """One POST, whose answer is the worker from then on."""
    worker = driver.loader.set_activity("WA1")
    assert [(route, params) for route, params, _, _ in driver.calls] == [(routes.SET_ACTIVITY, {"ActivitySid": "WA1"})]
    driver.answer(routes.SET_ACTIVITY, "moved")
    assert worker.result(0) == "moved"


@pytest.mark.parametrize("chosen", ["WA1", "Available"])
def test_finding_the_activity(chosen: str) -> None:
    """By sid or by name; the error for one that is not there names those that are."""
    assert activity_sid(chosen, ACTIVITIES) == "WA1"
    with pytest.raises(InitializationError, match="no activity 'Lunch'; there are 'Available'$"):
        activity_sid("Lunch", ACTIVITIES)


@pytest.mark.parametrize(
    ("error", "final"),
    [
        (ServerError("no", status=503), False),
        (RateLimitedError("no", status=429), False),
        (NetworkError("no"), False),
        (AuthorizationError("no", status=401), False),
        (RequestRejectedError("no", status=400), True),
        (NotFoundError("no", status=404), True),
    ],
)
@pytest.mark.parametrize("insists", [False, True])
def test_why_the_activity_was_not_set(error: TaskRouterError, final: bool, insists: bool) -> None:
    """What may pass is tried again; a refused token is one; all else is final. The option is named."""
    failure = activity_failure(error, ACTIVITIES, insists=insists)
    assert is_final(error) is final and failure.__cause__ is error
    if isinstance(error, AuthorizationError):
        assert type(failure) is TokenError
    else:
        assert type(failure) is InitializationError
        assert ("there are 'Available'" in failure.message) is insists
        assert ("connect_activity_sid" in failure.message) is not insists
