"""Reading lists and pages without a thread that waits, and the connect activity's retries."""

from __future__ import annotations

from concurrent.futures import Future
from typing import Any

import pytest

from tests.tools.wait import eventually
from twilio_taskrouter_worker._bridge import loading, routes
from twilio_taskrouter_worker._bridge.loading import Gather, Loader, connect_activity_delay, list_pages
from twilio_taskrouter_worker._bridge.request import Request
from twilio_taskrouter_worker._bridge.resync import Snapshot
from twilio_taskrouter_worker._bridge.routes import Route
from twilio_taskrouter_worker.errors import (
    ClosedError,
    InvalidAnswerError,
    NetworkError,
    NotFoundError,
    RequestRejectedError,
    ServerError,
    TaskRouterError,
)

UNREAD = ServerError("unread", status=500)


def resolved(result: Any) -> Future[Any]:
    future: Future[Any] = Future()
    if isinstance(result, BaseException):
        future.set_exception(result)
    else:
        future.set_result(result)
    return future


# -- the connect activity's delay ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("retry", "shortest", "longest"), [(1, 801, 900), (2, 1201, 1300), (3, 2801, 2900)])
def test_connect_activity_delay(retry: int, shortest: int, longest: int) -> None:
    """The delays are those of the JS SDK's rule, in seconds."""
    assert connect_activity_delay(retry, lambda: 0.0) == pytest.approx(shortest / 1000)
    assert connect_activity_delay(retry, lambda: 1.0) == pytest.approx(longest / 1000)


def test_connect_activity_delay_has_a_bound() -> None:
    """However many retries, it is never longer than 3.1 s."""
    assert connect_activity_delay(4, lambda: 1.0) == connect_activity_delay(40, lambda: 1.0) == pytest.approx(3.1)


# -- gathering -------------------------------------------------------------------------------------------------------


class Outcome:
    def __init__(self, futures: list[Future[Any]]) -> None:
        self.results: list[list[Any]] = []
        self.errors: list[BaseException] = []
        Gather(futures, self.results.append, self.errors.append)


def test_all_results_in_order() -> None:
    """All results come together, in the order of the Futures, when the last is there."""
    futures: list[Future[Any]] = [Future() for _ in range(3)]
    outcome = Outcome(futures)
    for number in (2, 0, 1):
        assert outcome.results == []
        futures[number].set_result(number)
    assert (outcome.results, outcome.errors) == ([[0, 1, 2]], [])


def test_the_first_error_counts() -> None:
    """One error ends it, at once and once, whatever the others do."""
    futures: list[Future[Any]] = [Future() for _ in range(4)]
    outcome = Outcome(futures)
    futures[0].set_result(0)
    futures[2].set_exception(UNREAD)
    assert outcome.errors == [UNREAD]
    futures[1].set_exception(ValueError("later"))
    futures[3].set_result(3)
    assert (outcome.results, outcome.errors) == ([], [UNREAD])


def test_futures_that_are_done() -> None:
    """Futures that were done before are as good as others."""
    assert Outcome([resolved(1), resolved(2)]).results == [[1, 2]]
    assert Outcome([resolved(UNREAD), resolved(2)]).errors == [UNREAD]


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
def test_what_is_no_page(bad: Any) -> None:
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


class Desk:
    """A loader whose calls are answered by hand."""

    def __init__(self) -> None:
        self.calls: list[tuple[Route, dict[str, Any], dict[str, str], Future[Any]]] = []
        self.refuse: TaskRouterError | None = None
        self.loaded: list[Snapshot] = []
        self.failed: list[TaskRouterError] = []
        self.loader = Loader(self._call, "WS1", "WK1", self.loaded.append, self.failed.append)

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
def desk() -> Desk:
    return Desk()


def test_the_worker_and_its_lists_at_once(desk: Desk) -> None:
    """The worker and the three lists are asked for together, and told together."""
    desk.loader.load()
    assert [(route, params) for route, params, _, _ in desk.calls] == [
        (routes.GET_WORKER, {}),
        (routes.LIST_ACTIVITIES, {"PageSize": 1000}),
        (routes.LIST_CHANNELS, {"PageSize": 1000}),
        (routes.LIST_RESERVATIONS, {"Active": "true", "PageSize": 1000}),
    ]
    assert all(sids == {"ws": "WS1", "wk": "WK1"} for _, _, sids, _ in desk.calls)
    desk.answer(routes.LIST_RESERVATIONS, page("r1", after_sid="x"))
    desk.answer(routes.LIST_CHANNELS, page("c"))
    desk.answer(routes.LIST_ACTIVITIES, page("a"))
    desk.answer(routes.GET_WORKER, "w")
    assert desk.loaded == []
    desk.answer(routes.LIST_RESERVATIONS, page("r2"))
    assert desk.loaded == [Snapshot("w", ["a"], ["c"], ["r1", "r2"])]


@pytest.mark.parametrize("route", [routes.GET_WORKER, routes.LIST_ACTIVITIES, routes.LIST_RESERVATIONS])
def test_one_failure_fails_all(desk: Desk, route: Route) -> None:
    """The first error is told, once."""
    desk.loader.load()
    desk.answer(route, UNREAD)
    desk.answer(routes.LIST_CHANNELS, NetworkError("later"))
    assert (desk.loaded, desk.failed) == ([], [UNREAD])


def test_an_unforeseen_failure(desk: Desk) -> None:
    """An error of another kind is told as a TaskRouterError, with its cause."""
    desk.loader.load()
    error = ValueError("odd")
    desk.answer(routes.GET_WORKER, error)
    assert desk.failed[0].message == "Reading the worker failed: ValueError"
    assert desk.failed[0].__cause__ is error


# -- looking up ------------------------------------------------------------------------------------------------------


def snapshot() -> Snapshot:
    return Snapshot("w", [], [], [])


def test_looking_up(desk: Desk) -> None:
    """Each reservation is read, with its task where the answer names only its sid; one that is gone is None."""
    found = snapshot()
    desk.loader.look_up(["WR1", "WR2", "WR3", "WR4"], found)
    assert [sids["reservation"] for _, _, sids, _ in desk.calls] == ["WR1", "WR2", "WR3", "WR4"]
    desk.answer(routes.GET_RESERVATION, {"sid": "WR1", "task_sid": "WT1"})
    desk.answer(routes.GET_RESERVATION, NotFoundError("gone", status=404))
    desk.answer(routes.GET_RESERVATION, {"sid": "WR3", "task_sid": "WT3", "task": {"sid": "WT3"}})
    desk.answer(routes.GET_RESERVATION, {"sid": "WR4", "task_sid": "WT4"})
    assert [call[2]["task"] for call in desk.calls if call[0] is routes.GET_TASK] == ["WT1", "WT4"]
    desk.answer(routes.GET_TASK, {"sid": "WT1"})
    assert desk.loaded == []
    desk.answer(routes.GET_TASK, NotFoundError("gone", status=404))
    assert desk.loaded == [found]
    assert found.ended == {
        "WR1": {"sid": "WR1", "task_sid": "WT1", "task": {"sid": "WT1"}},
        "WR2": None,
        "WR3": {"sid": "WR3", "task_sid": "WT3", "task": {"sid": "WT3"}},
        "WR4": {"sid": "WR4", "task_sid": "WT4"},
    }


@pytest.mark.parametrize("odd", [None, [], "x", {"sid": "WR1"}, {"task_sid": ""}, {"task_sid": 5}])
def test_looking_up_odd_answers(desk: Desk, odd: Any) -> None:
    """What names no task is taken as it is; whoever reads it finds out."""
    found = snapshot()
    desk.loader.look_up(["WR1"], found)
    desk.answer(routes.GET_RESERVATION, odd)
    assert found.ended == {"WR1": odd}


def test_looking_up_fails(desk: Desk) -> None:
    """An error other than not found fails the reading, since it may pass."""
    desk.loader.look_up(["WR1", "WR2"], snapshot())
    desk.answer(routes.GET_RESERVATION, UNREAD)
    assert (desk.loaded, desk.failed) == ([], [UNREAD])


def test_looking_up_when_closed(desk: Desk) -> None:
    """So does a call that cannot be made any more."""
    desk.refuse = ClosedError("closed")
    desk.loader.look_up(["WR1"], snapshot())
    assert desk.failed == [desk.refuse]


# -- the connect activity --------------------------------------------------------------------------------------------


@pytest.fixture
def told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What set_activity told in the end; its delays take no time."""
    monkeypatch.setattr(loading, "connect_activity_delay", lambda retry, rand: 0.0)
    told: list[Any] = []
    found = snapshot()
    desk.loader.set_activity("WA1", found, lambda error: told.append((error, found.worker)))
    return told


def test_setting_the_activity(desk: Desk, told: list[Any]) -> None:
    """One POST, whose answer is the worker from then on."""
    assert [(route, params) for route, params, _, _ in desk.calls] == [(routes.SET_ACTIVITY, {"ActivitySid": "WA1"})]
    desk.answer(routes.SET_ACTIVITY, "moved")
    assert told == [(None, "moved")]


@pytest.mark.parametrize("status", [None, 429, 500, 502, 503, 504])
def test_setting_the_activity_is_tried_again(desk: Desk, told: list[Any], status: int | None) -> None:
    """What may pass is tried three times more, and then told."""
    for tries in range(1, 5):
        assert told == []
        eventually(lambda tries=tries: len(desk.calls) == tries)  # type: ignore[misc]
        error = ServerError(f"try {tries}", status=status)
        desk.answer(routes.SET_ACTIVITY, error)
    assert told == [(error, "w")]
    assert len(desk.calls) == 4


@pytest.mark.parametrize("status", [400, 401, 403, 404, 412])
def test_setting_the_activity_is_refused(desk: Desk, told: list[Any], status: int) -> None:
    """What cannot pass is told at once, and the worker stays as it was read."""
    error = RequestRejectedError("no", status=status)
    desk.answer(routes.SET_ACTIVITY, error)
    assert told == [(error, "w")]


def test_setting_the_activity_goes_well_in_the_end(desk: Desk, told: list[Any]) -> None:
    """After a failure the next try counts."""
    desk.answer(routes.SET_ACTIVITY, ServerError("no", status=503))
    eventually(lambda: len(desk.calls) == 2)
    desk.answer(routes.SET_ACTIVITY, "moved")
    assert told == [(None, "moved")]


def test_setting_the_activity_when_closed(desk: Desk) -> None:
    """Calls that are given up, or cannot be made, fail the reading; the connection is over."""
    closed = ClosedError("closed")
    desk.loader.set_activity("WA1", snapshot(), lambda error: pytest.fail("it is not told"))
    desk.answer(routes.SET_ACTIVITY, closed)
    desk.refuse = closed
    desk.loader.set_activity("WA1", snapshot(), lambda error: pytest.fail("it is not told"))
    assert desk.failed == [closed, closed]
