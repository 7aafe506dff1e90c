"""Every rule of a connection's life, without a socket and without sleeping."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit._bridge.driver import Driver, event_frame, events, generation, init_frame, only, query
from twilio_taskrouter_worker._bridge.actions import (
    Abort,
    Connect,
    Deliver,
    Finish,
    LookUp,
    Notify,
    ReadLists,
    Ready,
    RenewToken,
    SendClose,
    SetActivity,
    TakeOver,
)
from twilio_taskrouter_worker._bridge.failures import connect_timeout
from twilio_taskrouter_worker._bridge.reload import LOOK_UPS_AT_ONCE, Snapshot
from twilio_taskrouter_worker._bridge.states import TRANSITIONS, State, Step
from twilio_taskrouter_worker.errors import (
    ConnectTimeoutError,
    GatewayConnectionError,
    GatewayDisconnectedError,
    InitializationError,
    InvalidMessageError,
    RequestRejectedError,
    TokenError,
    TokenExpiredError,
)

REFUSED = GatewayConnectionError("refused")
BAD_TOKEN = TokenError("bad")
EXPIRED = TokenExpiredError("old")
NOT_READ = InitializationError("not read")


def constant(value: float) -> Callable[[], float]:
    return lambda: value


def ready(lasts: float | None = None, **options: Any) -> Driver:
    driver = Driver(**options)
    driver.start(lasts=lasts)
    return driver.make_ready()


def paused(**options: Any) -> Driver:
    """Was ready, its token expired, and its connection was lost."""
    driver = ready(lasts=100.0, **options)
    driver.live(96.0)
    driver.closed(1000, "bye")
    driver.tick_at_deadline()
    driver.connect_failed(EXPIRED)
    assert driver.state is State.PAUSED
    return driver


def backing_off(**options: Any) -> Driver:
    driver = ready(**options)
    driver.closed(1000, "bye")
    assert driver.state is State.BACKING_OFF
    return driver


def connecting(**options: Any) -> Driver:
    driver = Driver(**options)
    driver.start()
    return driver


def connecting_again() -> Driver:
    driver = connecting()
    driver.connect_failed(REFUSED)
    driver.tick_at_deadline()
    assert driver.state is State.CONNECTING
    return driver


def greeting() -> Driver:
    driver = connecting()
    driver.opened()
    return driver


def loading() -> Driver:
    driver = connecting()
    driver.greet()
    return driver


def finished() -> Driver:
    driver = connecting()
    driver.connect_failed(BAD_TOKEN)
    assert driver.state is State.CLOSED
    return driver


# -- connecting ------------------------------------------------------------------------------------------------------


def test_query_in_order() -> None:
    """The query has the parameters of the wire, in its order, and the optional one only where it was chosen."""
    assert only(Connect, Driver().start()).query == (
        ("token", "first"),
        ("closeExistingSessions", "false"),
        ("clientVersion", "9.9"),
    )


@pytest.mark.parametrize(("chosen", "sent"), [(True, "true"), (False, "false")])
def test_set_worker_offline(chosen: bool, sent: str) -> None:
    """Whether the worker goes offline is sent where it was chosen, False too."""
    assert query(Driver(set_worker_offline_if_disconnected=chosen).start())["setWorkerOfflineIfDisconnected"] == sent


def test_other_sessions_are_closed_once() -> None:
    """closeExistingSessions is asked for until the service greeted us once, and never again: two clients that both
    ask for it would close each other for ever."""
    driver = Driver(close_existing_sessions=True)
    assert query(driver.start())["closeExistingSessions"] == "true"
    driver.connect_failed(REFUSED)
    assert query(driver.tick_at_deadline())["closeExistingSessions"] == "true"
    driver.make_ready()
    driver.closed()
    assert query(driver.tick_at_deadline())["closeExistingSessions"] == "false"


def test_the_way_to_ready() -> None:
    """Opening fires nothing; init fires connected and asks for the lists; the lists make it ready."""
    driver = connecting()
    assert (driver.state, driver.opened(), driver.state) == (State.CONNECTING, [], State.GREETING)
    actions = driver.frame(init_frame())
    assert events(actions) == ["connected"]
    load = only(ReadLists, actions)
    assert (load.init.worker_sid, load.init.account_sid, load.init.workspace_sid) == ("WK1", "AC1", "WS1")
    assert driver.state is State.LOADING
    assert driver.lists_read() == [TakeOver(load.generation, load.init, Snapshot({}, [], [], []))]
    assert driver.loaded() == [Ready()]
    assert (driver.state, driver.session.attempts, driver.session.last_error) == (State.READY, 0, None)


def test_start_is_done_once() -> None:
    """A machine that is under way is not started again, nor is one that ended: each connection has its own."""
    driver = connecting()
    assert driver.start("other") == []
    driver.session.stop()
    assert driver.start("other") == []


def test_nothing_is_waited_for_before_the_start() -> None:
    """An idle machine asks for no tick."""
    assert Driver().session.deadline is None


# -- reconnecting ----------------------------------------------------------------------------------------------------


def fail_again_and_again(driver: Driver, times: int) -> list[float]:
    delays = []
    for _ in range(times):
        actions = driver.connect_failed(REFUSED)
        assert events(actions) == ["error", "reconnecting"]
        (delay,) = actions[-1].args  # type: ignore[union-attr]
        assert driver.session.deadline == driver.now + delay
        delays.append(delay)
        only(Connect, driver.tick_at_deadline())
    return delays


def test_delays_grow_up_to_their_bound() -> None:
    """With the jitter at its end the delays are 1, 3, 7, 15 and then 30 seconds, however often it fails."""
    driver = connecting(random=constant(1.0))
    assert fail_again_and_again(driver, 8) == pytest.approx([1, 3, 7, 15, 30, 30, 30, 30])


def test_a_huge_number_of_tries() -> None:
    """The thousandth delay is computed as the tenth; no overflow."""
    driver = connecting(random=constant(1.0))
    assert fail_again_and_again(driver, 1200)[-1] == pytest.approx(30)


def test_delays_have_jitter() -> None:
    """With the jitter at its beginning each delay is 0.8 s, and between the two it is in proportion."""
    assert fail_again_and_again(connecting(random=constant(0.0)), 6) == pytest.approx([0.8] * 6)
    assert fail_again_and_again(connecting(random=constant(0.5)), 3) == pytest.approx([0.9, 1.9, 3.9])


def test_a_ready_connection_that_is_lost_comes_back_soon() -> None:
    """After READY the first delay is at most a second."""
    driver = ready(random=constant(1.0))
    actions = driver.closed()
    assert actions[-1] == Notify("reconnecting", (1.0,))


def test_only_ready_resets_the_delay() -> None:
    """A connection that opens, is greeted and is lost again keeps the delay growing; ready starts it anew."""
    driver = connecting(random=constant(1.0))
    fail_again_and_again(driver, 3)
    driver.opened()
    assert driver.closed()[-1] == Notify("reconnecting", (15.0,))
    driver.tick_at_deadline()
    driver.greet()
    assert driver.closed()[-1] == Notify("reconnecting", (30.0,))
    driver.tick_at_deadline()
    driver.make_ready()
    assert driver.closed()[-1] == Notify("reconnecting", (1.0,))


def test_the_delay_is_waited_for() -> None:
    """Just before its time the machine does nothing; then it connects, once."""
    driver = backing_off(random=constant(0.0))
    assert driver.tick(0.799) == []
    assert isinstance(only(Connect, driver.tick(0.002)), Connect)
    assert driver.tick(5.0) == []


@pytest.mark.parametrize(
    ("code", "reason", "message"),
    [
        (1001, "going away", "going away"),
        (1000, "", "Websocket closed with errorCode=1000"),
        (None, "", "Websocket closed with errorCode=1006"),
    ],
)
@pytest.mark.parametrize("where", [greeting, loading, ready])
def test_disconnected_says_why(where: Callable[[], Driver], code: int | None, reason: str, message: str) -> None:
    """A connection that is lost, at whatever point, is told as the JS SDK words it, with its code, exactly once."""
    driver = where()
    actions = driver.closed(code, reason)
    assert events(actions) == ["disconnected", "reconnecting"]
    told = actions[0].args[0]  # type: ignore[union-attr]
    assert (told.message, told.code) == (message, code)
    assert isinstance(driver.session.last_error, GatewayDisconnectedError)
    assert driver.closed(code, reason) == []


def test_a_replaced_session_ends() -> None:
    """Closed because another session took its place, the machine ends with the reason instead of fighting back."""
    driver = ready()
    actions = driver.closed(4001, "replaced")
    assert events(actions) == ["disconnected", "error"]
    assert "connect()" in only(Finish, actions).error.message
    assert (driver.state, driver.session.deadline) == (State.CLOSED, None)


# -- silence ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", [greeting, loading, ready])
def test_silence_is_noticed_on_time(where: Callable[[], Driver]) -> None:
    """30 s without a frame end the connection, to the tick, wherever it stands; a moment less does not."""
    driver = where()
    assert driver.session.deadline == driver.now + 30.0
    assert driver.tick(29.999) == []
    actions = driver.tick(0.001)
    assert isinstance(actions[0], Abort)
    assert events(actions) == ["disconnected", "reconnecting"]
    assert str(actions[1].args[0]) == "Connection lost"  # type: ignore[union-attr]
    assert driver.state is State.BACKING_OFF
    assert isinstance(driver.session.last_error, ConnectTimeoutError)


@pytest.mark.parametrize("sign", ["", " ", b"", event_frame(1), "nonsense"])
def test_every_frame_is_a_sign_of_life(sign: str | bytes) -> None:
    """Blank, valid or not, a frame puts the limit off."""
    driver = ready()
    driver.tick(20.0)
    driver.frame(sign)
    assert driver.session.deadline == driver.now + 30.0
    assert driver.tick(29.0) == []


def test_a_ping_is_a_sign_of_life() -> None:
    """So is a websocket ping, of which there is no frame."""
    driver = ready()
    driver.tick(20.0)
    driver.session.frames((), driver.now)
    assert driver.tick(29.9) == []


def test_heartbeats_do_not_stand_in_for_init() -> None:
    """A peer that beats but never says who we are is given up 30 s after it opened."""
    driver = greeting()
    driver.tick(20.0)
    driver.frame(" ")
    assert driver.session.deadline == driver.now + 10.0
    assert events(driver.tick(10.0)) == ["disconnected", "reconnecting"]


def test_silence_does_not_matter_without_a_connection() -> None:
    """While connecting there is nothing to hear, and the limit does not apply."""
    driver = connecting()
    assert driver.session.deadline is None
    assert driver.tick(1000.0) == []


def test_silence_after_the_token_expired() -> None:
    """Lost with a token that expired by all that is known, the connection is tried again: the service decides."""
    driver = ready(lasts=10.0)
    driver.tick(5.0)
    assert events(driver.tick(25.0)) == ["disconnected", "reconnecting"]
    only(Connect, driver.tick_at_deadline())


# -- frames ----------------------------------------------------------------------------------------------------------


def test_frames_are_kept_from_init_until_loaded() -> None:
    """What comes while the lists are read waits for them, and is released in order; then frames go straight on."""
    driver = loading()
    first, second, third = event_frame(1), event_frame(2).encode(), event_frame(3)
    assert driver.frame(first) == driver.frame(second) == []
    assert driver.buffered() == (first, second)
    assert driver.loaded() == [Ready(), Deliver((first, second))]
    assert driver.frame(third) == [Deliver((third,))]
    assert driver.buffered() is None


def test_frames_before_init_are_kept_too() -> None:
    """Nothing says that init comes first; an event before it is not lost, and a heartbeat is nothing."""
    driver = greeting()
    early = event_frame(1)
    assert driver.frame(" ") == driver.frame(early) == []
    driver.frame(init_frame())
    assert driver.loaded() == [Ready(), Deliver((early,))]


@pytest.mark.parametrize(
    "bad",
    [
        "{",
        "[]",
        "null",
        '{"event_type": 1}',
        b"\xff",
        json.dumps({"event_type": "init", "payload": None}),
        json.dumps({"event_type": "init", "payload": {"channel_id": "WK1"}}),
    ],
)
def test_a_bad_frame_before_init_costs_itself_only(bad: str | bytes) -> None:
    """It is reported, and the greeting is still waited for."""
    driver = greeting()
    actions = driver.frame(bad)
    assert isinstance(only(Notify, actions).args[0], InvalidMessageError)
    assert driver.state is State.GREETING
    assert events(driver.frame(init_frame())) == ["connected"]


def test_frames_of_a_lost_connection_are_dropped() -> None:
    """What was buffered is gone with the connection: the next one reads the lists anew."""
    driver = loading()
    driver.frame(event_frame(1))
    driver.closed()
    driver.tick_at_deadline()
    driver.greet()
    assert driver.buffered() == ()
    assert driver.loaded() == [Ready()]


@pytest.mark.parametrize("where", [connecting, backing_off, paused, finished])
def test_a_frame_without_a_connection_is_nothing(where: Callable[[], Driver]) -> None:
    """A frame that was read while the connection was given up leads to nothing."""
    driver = where()
    assert driver.frame(event_frame(1)) == []


def test_a_second_init_is_handed_on() -> None:
    """Only the first init of a connection starts the reading of lists."""
    driver = ready()
    assert driver.frame(init_frame()) == [Deliver((init_frame(),))]


# -- loading ---------------------------------------------------------------------------------------------------------


def test_results_of_an_earlier_connection_are_ignored() -> None:
    """Lists that were asked for by a connection that is gone neither make it ready nor fail it."""
    driver = connecting()
    old = generation(driver.greet())
    driver.closed()
    driver.tick_at_deadline()
    new = generation(driver.greet())
    assert new != old
    assert driver.session.loaded(old) == []
    assert driver.session.load_failed(old, NOT_READ, False, driver.now) == []
    assert driver.session.load_failed(old, BAD_TOKEN, True, driver.now) == []
    before = driver.state
    driver.session.loaded(new)
    assert (before, driver.state) == (State.LOADING, State.READY)


def test_a_result_that_comes_twice() -> None:
    """Once ready, neither success nor failure of the same lists changes anything."""
    driver = ready()
    assert driver.loaded() == driver.load_failed(NOT_READ) == driver.load_failed(BAD_TOKEN) == []
    assert driver.state is State.READY


def test_loading_is_tried_again_with_growing_delays() -> None:
    """Lists that cannot be read are asked for again, each time later, on the same connection, frames kept."""
    driver = connecting(random=constant(1.0))
    number = generation(driver.greet())
    driver.frame(event_frame(1))
    for delay in (1.0, 3.0, 7.0, 15.0):
        actions = driver.load_failed(NOT_READ)
        assert actions == [Notify("error", (NOT_READ,))]
        assert driver.session.deadline == driver.now + delay
        assert generation(driver.tick_at_deadline()) == number
        assert driver.tick() == []
    driver.frame(" ")
    assert driver.loaded() == [Ready(), Deliver((event_frame(1), " "))]


def test_the_next_connection_forgets_failed_lists() -> None:
    """The delays of loading start anew with each connection, and a retry that was due is dropped with its own."""
    driver = connecting(random=constant(1.0))
    driver.greet()
    driver.load_failed(NOT_READ)
    driver.closed()
    assert [type(action) for action in driver.tick(1.0)] == [Connect]
    driver.greet()
    driver.load_failed(NOT_READ)
    assert driver.session.deadline == driver.now + 1.0


def test_a_failure_that_cannot_be_mended_ends() -> None:
    """Where trying again cannot help, the connection is closed, told as disconnected, and the error reported."""
    driver = loading()
    actions = driver.load_failed(NOT_READ, final=True)
    assert isinstance(actions[0], Abort)
    assert events(actions) == ["disconnected", "error"]
    assert only(Finish, actions).error is NOT_READ
    assert driver.state is State.CLOSED


# -- loading: the activity, and what ended meanwhile -----------------------------------------------------------------


def snapshot() -> Snapshot:
    """Lists with nothing in them."""
    return Snapshot({"version": 1}, [], [], [])


def ended(sid: str) -> dict[str, Any]:
    """A reservation that will not change any more."""
    return {"sid": sid, "reservation_status": "completed"}


def test_the_activity_is_set_before_the_first_ready_only() -> None:
    """Its answer is the worker that is taken over; after a reconnection the agent's choice since is left alone."""
    driver = connecting(connect_activity="Available")
    driver.greet()
    action = only(SetActivity, driver.lists_read())
    assert action.activity == "Available"
    done = only(TakeOver, driver.session.activity_set(action.generation, {"version": 2}))
    assert done.snapshot.worker == {"version": 2}
    driver.loaded()
    driver.closed()
    driver.tick_at_deadline()
    driver.greet()
    only(TakeOver, driver.lists_read())


def activity_failed(driver: Driver, error: Any = NOT_READ, *, final: bool = False) -> list[Any]:
    return driver.session.activity_failed(driver.session.generation, error, final, driver.now)


def test_an_activity_that_cannot_be_set_is_tried_again_with_the_lists() -> None:
    """A passing failure repeats the whole, without limit; a final one ends the connection with its reason."""
    driver = connecting(connect_activity="Available")
    driver.greet()
    for _ in range(6):
        assert only(SetActivity, driver.lists_read()).insists
        assert events(activity_failed(driver)) == ["error"]
        assert driver.session.activity_set(driver.session.generation, {}) == [], "an answer that comes after all"
        only(ReadLists, driver.tick_at_deadline())
    driver.lists_read()
    assert only(Finish, activity_failed(driver, final=True)).error is NOT_READ
    assert activity_failed(driver) == []


def test_an_activity_sid_that_cannot_be_set() -> None:
    """By the JS SDK's option: after three retries, or at once where it is refused, the worker gets ready without it;
    a refused token is a refused token."""
    driver = connecting(connect_activity_sid="WA1")
    driver.greet()
    for _ in range(3):
        assert not only(SetActivity, driver.lists_read()).insists
        assert events(activity_failed(driver)) == ["error"]
        only(ReadLists, driver.tick_at_deadline())
    driver.lists_read()
    actions = activity_failed(driver)
    assert events(actions) == ["error"] and only(TakeOver, actions)
    driver = connecting(connect_activity_sid="WA1")
    driver.greet()
    driver.lists_read()
    assert only(TakeOver, activity_failed(driver, final=True))
    driver = connecting(connect_activity_sid="WA1")
    driver.greet()
    driver.lists_read()
    assert only(Finish, activity_failed(driver, BAD_TOKEN)).error is BAD_TOKEN


def test_missing_reservations_are_looked_up_in_portions() -> None:
    """However many reservations ended while away, few are asked for at once; then the lists are taken over."""
    driver = loading()
    driver.lists_read()
    sids = [f"WR{number}" for number in range(2 * LOOK_UPS_AT_ONCE + 1)]
    actions = driver.session.missing(driver.session.generation, sids)
    asked: list[str] = []
    while (look_up := actions[0]) and isinstance(look_up, LookUp):
        assert len(look_up.sids) <= LOOK_UPS_AT_ONCE
        asked += look_up.sids
        found = {sid: None if sid == "WR3" else ended(sid) for sid in look_up.sids}
        actions = driver.session.looked_up(look_up.generation, found, None, driver.now)
    assert asked == sids
    taken = only(TakeOver, actions).snapshot.ended
    assert set(taken) == set(sids) and taken["WR3"] is None


def test_results_are_kept_when_another_look_up_fails() -> None:
    """The lists are read again, but only what is still unknown is looked up: each attempt has less to do."""
    driver = loading()
    driver.lists_read()
    number = driver.session.generation
    driver.session.missing(number, ["WR1", "WR2"])
    assert events(driver.session.looked_up(number, {"WR1": ended("WR1")}, NOT_READ, driver.now)) == ["error"]
    only(ReadLists, driver.tick_at_deadline())
    driver.lists_read()
    assert only(LookUp, driver.session.missing(number, ["WR1", "WR2"])).sids == ["WR2"]


@pytest.mark.parametrize("when", ["before the loss", "after the loss", "after the next init"])
def test_results_are_kept_when_the_connection_is_lost(when: str) -> None:
    """An end is final, whichever connection asked; what was found open may have changed, and is asked for again."""
    driver = loading()
    driver.lists_read()
    old = driver.session.generation
    driver.session.missing(old, ["WR1", "WR2", "WR3"])
    found = {"WR1": ended("WR1"), "WR2": {"sid": "WR2", "reservation_status": "accepted"}, "WR3": None}
    if when == "before the loss":
        driver.session.looked_up(old, found, None, driver.now)
    driver.closed()
    if when == "after the loss":
        assert driver.session.looked_up(old, found, NOT_READ, driver.now) == []
    driver.tick_at_deadline()
    driver.greet()
    if when == "after the next init":
        assert driver.session.looked_up(old, found, None, driver.now) == []
    driver.lists_read()
    assert only(LookUp, driver.session.missing(driver.session.generation, ["WR1", "WR2", "WR3"])).sids == ["WR2"]


def test_ready_forgets_the_look_ups() -> None:
    """Nothing is kept of it when it is taken over."""
    driver = loading()
    driver.lists_read()
    driver.session.missing(driver.session.generation, ["WR1"])
    driver.session.looked_up(driver.session.generation, {"WR1": ended("WR1")}, None, driver.now)
    driver.loaded()
    driver.closed()
    driver.tick_at_deadline()
    driver.greet()
    driver.lists_read()
    assert only(LookUp, driver.session.missing(driver.session.generation, ["WR1"])).sids == ["WR1"]


@pytest.mark.parametrize("where", [greeting, ready, backing_off, paused, finished])
def test_answers_that_come_too_late(where: Callable[[], Driver]) -> None:
    """Where no lists are being read, no answer about them leads to anything."""
    driver = where()
    session, number = driver.session, driver.session.generation
    before = driver.state
    assert session.lists_read(number, snapshot()) == session.activity_set(number, {}) == []
    assert session.missing(number, ["WR1"]) == session.looked_up(number, {"WR1": None}, NOT_READ, driver.now) == []
    assert driver.buffered() is None and driver.state is before


# -- tokens: their time ----------------------------------------------------------------------------------------------


def test_expiry_from_the_token() -> None:
    """Where both clocks agree, the token is announced to end, and ends, when it says."""
    driver = ready(lasts=1000.0)
    assert driver.live(799.999) == []
    assert driver.live(0.001) == [Notify("token_will_expire", (pytest.approx(200.0),))]
    assert driver.live(194.999) == []
    assert events(driver.live(0.001)) == ["token_expired"]
    assert driver.state is State.READY


def test_expiry_from_init() -> None:
    """For a token that does not say, init counts; the warning comes at most 5 minutes before the end."""
    driver = Driver()
    driver.start()
    driver.make_ready(lifetime_ms=3_600_000)
    assert driver.live(3299.9) == []
    assert driver.live(0.1) == [Notify("token_will_expire", (pytest.approx(300.0),))]
    assert events(driver.live(295.0)) == ["token_expired"]


@pytest.mark.parametrize("claimed", [-605.0, 0.0, 540.0, 601.5, 700.0, 4200.0])
def test_a_clock_that_is_wrong(claimed: float) -> None:
    """The token has 600 s left by the service's clock, and by ours another time: the service's counts, for later
    tokens too. A difference that the network's delay explains is none."""
    driver = Driver(renews_token=True)
    driver.start(lasts=claimed)
    driver.make_ready(lifetime_ms=600_000)
    real = claimed if abs(claimed - 600.0) < 2.0 else 600.0
    assert driver.session.token_end == pytest.approx(driver.now + real)
    assert driver.live(real - 121.0) == []
    assert RenewToken() in driver.live(1.0)
    driver.token("second", lasts=claimed + 1000.0)
    assert driver.session.token_end == pytest.approx(driver.now + 1000.0 + real)


def test_a_clock_that_is_ahead_asks_nobody_without_need() -> None:
    """Before the first init a token that is over by our clock is not renewed, and not called expired."""
    driver = Driver(renews_token=True)
    assert query(driver.start(lasts=-10.0))["token"] == "first"
    assert driver.tick(5.0) == []
    driver.make_ready(lifetime_ms=600_000)
    assert driver.tick() == []


def test_the_next_connection_corrects_the_clock_anew() -> None:
    """A clock that was set right while the worker was connected: the next init says so."""
    driver = Driver()
    driver.start(lasts=4200.0)
    driver.make_ready(lifetime_ms=600_000)
    driver.closed()
    driver.token("second", lasts=3600.0)
    driver.make_ready(lifetime_ms=3_600_000)
    assert driver.session.token_end == pytest.approx(driver.now + 3600.0)


def test_each_init_says_it_anew_and_warns_once() -> None:
    """A connection that is made again while the warning holds does not repeat it."""
    driver = ready()
    assert events(driver.live(3300.0)) == ["token_will_expire"]
    driver.closed()
    driver.tick_at_deadline()
    driver.make_ready(lifetime_ms=298_500)
    assert driver.live(1.0) == []


@pytest.mark.parametrize("lifetime", [None, "soon", -1, True])
def test_no_expiry(lifetime: object) -> None:
    """Where neither the token nor init says when it ends, only silence can end the connection."""
    driver = Driver()
    driver.start()
    driver.make_ready(lifetime_ms=lifetime)
    assert driver.session.deadline == driver.now + 30.0


@pytest.mark.parametrize("lifetime", [0, 4999, 5000])
def test_a_token_with_seconds_to_live(lifetime: int) -> None:
    """With 5 s or less to live it expires at once, and without a warning."""
    driver = Driver()
    driver.start()
    driver.make_ready(lifetime_ms=lifetime)
    assert events(driver.tick()) == ["token_expired"]
    assert driver.tick() == []


def test_an_expired_token_is_tried_until_it_is_refused() -> None:
    """A token that is over by our clock is used all the same, however often the network fails: the service decides."""
    driver = Driver()
    assert query(driver.start(lasts=-10.0))["token"] == "first"
    for _ in range(3):
        driver.connect_failed(REFUSED)
        only(Connect, driver.tick_at_deadline())
    assert only(Finish, driver.connect_failed(EXPIRED)).error is EXPIRED


def test_after_sleep_everything_comes_in_order() -> None:
    """A machine that slept through it all warns, expires and notices the silence in one tick, and reconnects."""
    driver = ready(lasts=100.0)
    actions = driver.tick(10_000.0)
    assert events(actions) == ["token_will_expire", "token_expired", "disconnected", "reconnecting"]
    assert actions[0] == Notify("token_will_expire", (0.0,))


def test_expiry_while_waiting_to_reconnect() -> None:
    """A delay under way goes on when the token expires: only the service's refusal pauses the machine."""
    driver = ready(lasts=5.5)
    driver.closed()
    assert events(driver.tick(0.5))[-1] == "token_expired"
    assert driver.state is State.BACKING_OFF
    only(Connect, driver.tick_at_deadline())


def test_the_service_may_find_an_expired_token_good() -> None:
    """Told at the next init that the token still has time, the machine counts from there."""
    driver = connecting()
    driver.make_ready(lifetime_ms=6000)
    driver.closed()
    only(Connect, driver.tick(0.8))
    assert events(driver.tick(0.3))[-1] == "token_expired"
    driver.make_ready(lifetime_ms=60_000)
    assert driver.live(40.0) == []
    assert events(driver.live(15.0)) == ["token_will_expire", "token_expired"]


# -- tokens: another one ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", [connecting, greeting, loading, ready])
def test_another_token_leaves_the_connection_alone(where: Callable[[], Driver]) -> None:
    """An open socket keeps its token; the next connection has the new one."""
    driver = where()
    before = driver.state
    assert driver.token("second", lasts=500.0) == [Notify("token_updated")]
    assert driver.state is before
    if before is State.CONNECTING:
        driver.opened()
    driver.closed()
    assert query(driver.tick_at_deadline())["token"] == "second"


def test_another_token_before_init_does_not_expire() -> None:
    """Given before anything is known of lifetimes, a token waits for its init; it is not taken for expired."""
    driver = connecting()
    driver.token("second")
    assert driver.tick(10.0) == []
    driver.make_ready(lifetime_ms=100_000)
    assert driver.session.token_end == driver.now + 100.0


@pytest.mark.parametrize("where", [backing_off, paused])
def test_another_token_connects_at_once(where: Callable[[], Driver]) -> None:
    """While the machine waits, for a delay or for a token, a new token makes it connect at once, and only once."""
    driver = where()
    actions = driver.token("second", lasts=500.0)
    assert events(actions) == ["token_updated"]
    assert query(actions)["token"] == "second"
    assert driver.tick(100.0) == []


def test_another_token_brings_its_own_time() -> None:
    """The new token's end counts, not the old one's, and an expiry that was told is over."""
    driver = ready(lasts=100.0)
    assert events(driver.live(80.0)) == ["token_will_expire"]
    assert events(driver.live(15.0)) == ["token_expired"]
    driver.token("second", lasts=1000.0)
    assert driver.live(100.0) == []
    assert events(driver.closed()) == ["disconnected", "reconnecting"]


def test_another_token_of_unknown_time_forgets_the_old_time() -> None:
    """Until its init nothing is known of it; the old token's end does not matter any more."""
    driver = ready(lasts=100.0)
    driver.token("second")
    assert driver.live(1000.0) == []


# -- tokens: refused -------------------------------------------------------------------------------------------------


def refuse_when_connecting(driver: Driver, error: TokenError) -> list[Any]:
    return driver.connect_failed(error)


def refuse_when_loading(driver: Driver, error: TokenError) -> list[Any]:
    driver.greet()
    actions = driver.load_failed(error)
    assert isinstance(actions[0], Abort)
    assert events(actions)[0] == "disconnected"
    return actions[2:]


REFUSALS = pytest.mark.parametrize("refuse", [refuse_when_connecting, refuse_when_loading])


@REFUSALS
def test_a_refused_token_ends_the_first_connection(refuse: Callable[..., list[Any]]) -> None:
    """Refused before it was ever ready, and with nobody to ask for another, the machine gives up with the reason."""
    driver = connecting()
    actions = refuse(driver, BAD_TOKEN)
    assert actions == [Notify("error", (BAD_TOKEN,)), Finish(BAD_TOKEN)]
    assert (driver.state, driver.session.deadline) == (State.CLOSED, None)


@REFUSALS
def test_a_token_refused_later_waits_for_another(refuse: Callable[..., list[Any]]) -> None:
    """Refused after it was ready once, it reports it and waits for update_token; it does not ask again and again."""
    driver = backing_off()
    driver.tick_at_deadline()
    assert refuse(driver, BAD_TOKEN) == [Notify("error", (BAD_TOKEN,))]
    assert driver.state is State.PAUSED
    assert query(driver.token("second"))["token"] == "second"


@REFUSALS
def test_refused_as_expired(refuse: Callable[..., list[Any]]) -> None:
    """Refused because it expired, and not known to be, the expiry is told too, once."""
    driver = backing_off()
    driver.tick_at_deadline()
    assert events(refuse(driver, EXPIRED)) == ["error", "token_expired"]
    driver = ready(lasts=20.0)
    driver.closed()
    driver.tick(1.0)
    assert events(driver.tick(15.0)) == ["token_will_expire", "token_expired"]
    assert events(refuse(driver, EXPIRED)) == ["error"]


@REFUSALS
def test_a_refused_token_with_a_provider(refuse: Callable[..., list[Any]]) -> None:
    """A provider is asked at once for another token, and the connection made with it."""
    driver = connecting(renews_token=True)
    assert refuse(driver, BAD_TOKEN) == [Notify("error", (BAD_TOKEN,)), RenewToken()]
    assert driver.state is State.PAUSED
    assert query(driver.token("second"))["token"] == "second"
    assert driver.make_ready()


@REFUSALS
def test_tokens_refused_one_after_the_other(refuse: Callable[..., list[Any]]) -> None:
    """A provider whose tokens are refused is asked later and later: 5, 10, 20 ... at most 60 s; ready ends that."""
    driver = connecting(renews_token=True, random=constant(0.5))
    driver.make_ready()
    driver.closed()
    driver.tick_at_deadline()
    assert RenewToken() in refuse(driver, BAD_TOKEN)
    for number, delay in enumerate([5.0, 10.0, 20.0, 40.0, 60.0, 60.0]):
        driver.token(f"token-{number}", lasts=10_000.0)
        assert refuse(driver, BAD_TOKEN) == [Notify("error", (BAD_TOKEN,))]
        assert driver.session.deadline == pytest.approx(driver.now + delay)
        assert driver.tick_at_deadline() == [RenewToken()]
    driver.token("good", lasts=10_000.0)
    driver.make_ready()
    driver.closed()
    driver.tick_at_deadline()
    assert RenewToken() in refuse(driver, BAD_TOKEN)


def test_failures_of_the_network_are_not_refusals() -> None:
    """The first refusal after an outage asks the provider at once, however many connections failed before."""
    driver = connecting(renews_token=True)
    fail_again_and_again(driver, 5)
    assert RenewToken() in driver.connect_failed(BAD_TOKEN)


@REFUSALS
@pytest.mark.parametrize("ready_before", [False, True])
@pytest.mark.parametrize("renews", [False, True])
def test_refused_when_a_newer_token_is_known(
    refuse: Callable[..., list[Any]], ready_before: bool, renews: bool
) -> None:
    """update_token while the old token is under way: its refusal is of no interest, the new one is tried at once."""
    driver = backing_off(renews_token=renews) if ready_before else connecting(renews_token=renews)
    if ready_before:
        driver.tick_at_deadline()
    driver.token("second", lasts=1000.0)
    actions = refuse(driver, BAD_TOKEN)
    assert query(actions)["token"] == "second"
    assert driver.state is State.CONNECTING
    driver.make_ready()


# -- tokens: renewing ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("jitter", "before"), [(0.0, 300.0), (1.0, 450.0), (0.5, 375.0)])
def test_renewal_has_jitter(jitter: float, before: float) -> None:
    """Tokens are renewed when the warning comes, or up to half as much earlier: not all workers at one moment."""
    driver = Driver(renews_token=True, random=constant(jitter))
    driver.start(lasts=3600.0)
    assert driver.session._tokens.renew_at == pytest.approx(driver.now + 3600.0 - before)
    driver.now += 3600.0 - before - 0.1
    assert driver.tick() == []
    assert RenewToken() in driver.tick(0.1 + 1e-9)
    assert RenewToken() not in driver.tick()


def test_renewal_of_a_short_token() -> None:
    """A fifth of the life of a token is left for its renewal."""
    driver = Driver(renews_token=True)
    driver.start(lasts=100.0)
    assert driver.session._tokens.renew_at == pytest.approx(driver.now + 80.0)


def test_without_a_provider_nothing_is_renewed() -> None:
    """RenewToken is for those who have a token_provider."""
    driver = Driver()
    driver.start(lasts=100.0)
    assert RenewToken() not in driver.tick(99.0)


def test_a_provider_that_fails_is_asked_again() -> None:
    """Renewals that fail are tried again after 5, 10, 20, 40, 60, 60 s, a fifth more or less; a token ends that."""
    for jitter, factor in ((0.0, 0.8), (1.0, 1.2)):
        driver = ready(renews_token=True, random=constant(jitter))
        for delay in (5.0, 10.0, 20.0, 40.0, 60.0, 60.0):
            assert driver.session.renewal_failed(BAD_TOKEN, driver.now) == []
            assert driver.session._tokens.renew_at == pytest.approx(driver.now + delay * factor)
            assert RenewToken() in driver.live(delay * factor)
        driver.token("second", lasts=3600.0)
        driver.session.renewal_failed(BAD_TOKEN, driver.now)
        assert driver.session._tokens.renew_at == pytest.approx(driver.now + 5.0 * factor)


def test_a_provider_of_dead_tokens_is_not_asked_without_pause() -> None:
    """Tokens that are over when they come count as failures: the provider is asked later and later, never at once."""
    driver = ready(lasts=1.0, renews_token=True, random=constant(0.5))
    assert RenewToken() in driver.tick()
    for delay in (5.0, 10.0, 20.0):
        driver.token("again", lasts=1.0)
        assert driver.session._tokens.renew_at == pytest.approx(driver.now + delay)
        assert RenewToken() in driver.live(delay)
    driver.token("good", lasts=3600.0)
    driver.token("bad", lasts=1.0)
    assert driver.session._tokens.renew_at == pytest.approx(driver.now + 5.0)


@pytest.mark.parametrize("lasts", [-100.0, 0.0, 5.0, 5.5, 6.0, 7.0, 8.0, 10.0, 60.0])
@pytest.mark.parametrize("jitter", [0.0, 0.5, 0.999])
def test_how_often_a_provider_can_be_asked(lasts: float, jitter: float) -> None:
    """Whatever the provider gives, it is not asked again within a second."""
    driver = ready(lasts=1000.0, renews_token=True, random=constant(jitter))
    driver.token("again", lasts=lasts)
    assert driver.session._tokens.renew_at is not None
    assert driver.session._tokens.renew_at >= driver.now + 1.0


def test_the_provider_mends_a_paused_connection() -> None:
    """With the token expired and the provider failing, the connection waits, and is made as soon as it gives one."""
    driver = ready(lasts=100.0, renews_token=True)
    driver.live(96.0)
    driver.closed()
    driver.tick_at_deadline()
    assert RenewToken() in driver.connect_failed(EXPIRED)
    assert driver.state is State.PAUSED
    driver.session.renewal_failed(BAD_TOKEN, driver.now)
    assert driver.tick_at_deadline() == [RenewToken()]
    assert query(driver.token("second", lasts=100.0))["token"] == "second"


# -- tokens: the first one, calls that are refused, and nobody who could bring another -------------------------------


def test_the_first_token_comes_from_the_provider() -> None:
    """Without a token the provider is asked before anything is connected, again and again; it is no update."""
    driver = Driver(renews_token=True)
    assert driver.start("") == [RenewToken()]
    assert driver.state is State.PAUSED
    assert driver.session.renewal_failed(BAD_TOKEN, driver.now) == []
    assert driver.session.last_error is BAD_TOKEN
    assert driver.session.deadline == pytest.approx(driver.now + 0.8)
    assert driver.tick_at_deadline() == [RenewToken()]
    actions = driver.token("first", lasts=100.0)
    assert events(actions) == [] and query(actions)["token"] == "first"
    driver.make_ready()


def test_a_provider_without_a_first_token() -> None:
    """After five minutes the connection ends, with an error that has the exception of the provider as its cause."""
    driver = Driver(renews_token=True)
    driver.start("")
    begun = driver.now
    raised = KeyError("TOKEN")
    failure = TokenError("provider")
    failure.__cause__ = raised
    failures = 0
    while driver.now - begun < 300.0:
        failures += 1
        assert driver.session.renewal_failed(failure, driver.now) == []
        assert driver.session.token_failures == failures
        assert driver.tick_at_deadline() == [RenewToken()]
    *_, finish = driver.session.renewal_failed(failure, driver.now)
    assert isinstance(finish, Finish) and finish.error is driver.session.failure
    assert re.search(
        r"no usable token for 3\d\d s. Last failure: the token_provider raised KeyError", finish.error.message
    )
    assert finish.error.__cause__ is raised
    assert driver.state is State.CLOSED and driver.session.deadline is None
    assert driver.session.renewal_failed(failure, driver.now) == [] and driver.session.token_failures == failures + 1


def test_a_provider_whose_tokens_are_refused_from_the_start() -> None:
    """Refused tokens and failures of the provider count together; the error has the last answer of the service."""
    driver = Driver(renews_token=True)
    driver.start("first")
    for number in range(3):
        assert RenewToken() in [*driver.connect_failed(BAD_TOKEN), *driver.tick(80.0)]
        if number == 1:
            driver.session.renewal_failed(TokenError("provider"), driver.now)
            assert RenewToken() in driver.tick(80.0) and driver.session.token_failures == 1
        driver.token(f"token-{number}")
        assert driver.session.token_failures == 0
    *_, finish = driver.connect_failed(BAD_TOKEN)
    assert isinstance(finish, Finish) and isinstance(finish.error, TokenError)
    assert finish.error.status == BAD_TOKEN.status and finish.error.message.endswith(BAD_TOKEN.message)


def test_a_token_that_was_good_once_ends_the_count() -> None:
    """A worker that could connect, but was not ready yet, has five minutes again."""
    driver = Driver(renews_token=True)
    driver.start("first")
    driver.connect_failed(BAD_TOKEN)
    driver.tick(400.0)
    driver.token("second")
    driver.opened()
    driver.frame(init_frame())
    driver.closed()
    driver.tick_at_deadline()
    assert not any(isinstance(each, Finish) for each in driver.connect_failed(BAD_TOKEN))


def test_a_provider_that_fails_later_is_asked_without_limit() -> None:
    """A worker that was ready before waits for its backend to come back."""
    driver = Driver(renews_token=True)
    driver.start("first")
    driver.make_ready()
    driver.closed(1006)
    driver.tick_at_deadline()
    driver.connect_failed(BAD_TOKEN)
    for _ in range(20):
        driver.session.renewal_failed(TokenError("provider"), driver.now)
        assert driver.tick_at_deadline() == [RenewToken()]
    assert driver.state is State.PAUSED and driver.session.token_failures == 20


def test_a_refused_call_asks_the_provider() -> None:
    """Once for all calls that are refused together; not for a token that is no longer in use."""
    driver = ready(renews_token=True)
    assert driver.session.call_refused("first", driver.now) == [RenewToken()]
    assert driver.session.call_refused("first", driver.now + 4.9) == []
    driver.token("second")
    driver.live(5.0)
    assert driver.session.call_refused("first", driver.now) == []
    assert driver.session.call_refused("second", driver.now) == [RenewToken()]
    assert ready().session.call_refused("first", driver.now) == [], "there is no provider"


@pytest.mark.parametrize("said", ["before", "after"])
def test_ending_without_a_token(said: str) -> None:
    """Where nobody could bring another token, a refused one ends the connection after some patience."""
    driver = backing_off()
    if said == "before":
        assert driver.session.end_without_token(driver.now) == []
    driver.tick_at_deadline()
    driver.connect_failed(BAD_TOKEN)
    assert driver.state is State.PAUSED
    if said == "after":
        assert driver.tick(10.0) == []
        assert driver.session.end_without_token(driver.now) == []
    assert driver.tick(4.9) == []
    error = only(Finish, driver.tick(0.1)).error
    assert isinstance(error, TokenExpiredError) and error.__cause__ is BAD_TOKEN
    assert driver.session.failure is error and driver.session.deadline is None


def test_a_token_that_comes_in_time() -> None:
    """Another token ends the patience with the wait for it."""
    driver = backing_off()
    driver.session.end_without_token(driver.now)
    driver.tick_at_deadline()
    driver.connect_failed(EXPIRED)
    driver.tick(3.0)
    driver.token("second")
    driver.make_ready()
    assert driver.live(10.0) == []


def test_a_provider_is_waited_for() -> None:
    """With a provider the connection does not end for want of a token."""
    driver = backing_off(renews_token=True)
    driver.session.end_without_token(driver.now)
    driver.tick_at_deadline()
    driver.connect_failed(EXPIRED)
    assert driver.state is State.PAUSED
    driver.session.end_without_token(driver.now)
    assert events(driver.tick(1000.0)) == [] and driver.state is State.PAUSED


# -- the table -------------------------------------------------------------------------------------------------------


def test_every_state_is_reached_and_left() -> None:
    """The table names each state, leads to each but the first, and out of each but the last."""
    assert set(TRANSITIONS) == set(State)
    assert {after for row in TRANSITIONS.values() for after in row.values()} == set(State) - {State.IDLE}
    assert [state for state, row in TRANSITIONS.items() if not row] == [State.CLOSED]
    assert all(row[Step.END] is State.CLOSED for state, row in TRANSITIONS.items() if state is not State.CLOSED)


# -- the end ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "parts"),
    [
        (Driver, []),
        (connecting, [Abort]),
        (greeting, [SendClose]),
        (loading, [SendClose]),
        (ready, [SendClose]),
        (backing_off, [Abort]),
        (paused, [Abort]),
    ],
)
def test_stop(where: Callable[[], Driver], parts: list[type]) -> None:
    """Whatever it was doing, it fires SDK Disconnect at once, ends the websocket (politely, if it is open), and does
    nothing more, whatever happens."""
    driver = where()
    number = driver.session.generation
    actions = driver.session.stop()
    assert [type(action) for action in actions] == [*parts, Notify]
    assert actions[-1].event == "disconnected"  # type: ignore[union-attr]
    assert str(actions[-1].args[0]) == "SDK Disconnect"  # type: ignore[union-attr]
    assert_over(driver, number)


@pytest.mark.parametrize("where", [finished])
def test_stop_after_the_end(where: Callable[[], Driver]) -> None:
    """A machine that gave up has nothing to say any more."""
    driver = where()
    assert driver.session.stop() == []
    assert_over(driver, driver.session.generation)


def assert_over(driver: Driver, number: int) -> None:
    session, now = driver.session, driver.now
    assert (driver.state, session.deadline) == (State.CLOSED, None)
    assert session.stop() == []
    assert session.opened(now) == session.frames((init_frame(),), now) == session.closed(1000, "", now) == []
    assert session.connect_failed(REFUSED, now) == session.connect_failed(BAD_TOKEN, now) == []
    assert session.loaded(number) == session.load_failed(number, NOT_READ, True, now) == []
    assert session.renewal_failed(BAD_TOKEN, now) == session.token_changed("late", now + 10.0, now) == []
    assert session.tick(now + 1e6) == []
    assert (driver.state, session.deadline) == (State.CLOSED, None)


def test_events_of_a_socket_that_does_not_fit() -> None:
    """Opened or failed without a connection under way is passed over."""
    driver = ready()
    assert driver.opened() == driver.connect_failed(REFUSED) == []
    assert driver.state is State.READY


@pytest.mark.parametrize(
    ("where", "says"),
    [
        (connecting, "host does not answer"),
        (backing_off, "is the service running"),
        (connecting_again, "is the service running"),
        (greeting, "no init message came"),
        (loading, "could not be read in time"),
        (paused, "a new token is needed"),
        (finished, "given up"),
    ],
)
def test_connect_timeout_says_how_far_it_came(where: Callable[[], Driver], says: str) -> None:
    """The error of a connect() that ran out of time names the step, the address, what to look at, and the cause."""
    driver = where()
    error = connect_timeout(driver.session, 2.5, "wss://example.test/x")
    assert isinstance(error, TimeoutError)
    for part in (says, "2.5 s", driver.state.value, "wss://example.test/x", f"attempt {driver.session.attempts}"):
        assert part in error.message
    assert error.__cause__ is driver.session.last_error
    assert ("Last failure" in error.message) == (driver.session.last_error is not None)


def test_the_activity_of_a_connection_that_was_lost() -> None:
    """Its failure is not reported: the next connection tries again."""
    driver = Driver(connect_activity_sid="WA1")
    driver.start()
    driver.greet()
    assert driver.session.activity_failed(99, RequestRejectedError("no", status=400), True, driver.now) == []


def test_an_activity_that_fails_while_the_lists_are_read_again() -> None:
    """The failure is reported, and the lists that are still to come are waited for."""
    driver = Driver(connect_activity_sid="WA1")
    driver.start()
    driver.greet()
    error = RequestRejectedError("no", status=400)
    actions = driver.session.activity_failed(driver.session.generation, error, True, driver.now)
    assert actions == [Notify("error", (error,))]
