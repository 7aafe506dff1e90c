"""One connection of a Worker: wires the session to a socket, the dispatch thread and the requests of a reload.

Threads, each with one duty:

- *receive* owns the socket (:mod:`receiving`): connects, reads, and waits between attempts;
- *dispatch* applies what came and runs callbacks;
- the process-wide timers give the session the time; the process-wide pool makes requests.

``_lock`` guards the session and the order in which its actions reach the dispatch queue. It is held for short,
non-blocking steps only, never while user code runs, log handlers included: what may block is put off until it is
released (``_later``). No other lock is taken while it is held, except those of queues and timers.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial

import attrs

from ..errors import (
    ClosedError,
    ConnectTimeoutError,
    InvalidMessageError,
    TaskRouterError,
)
from ..single import ProcessLock
from . import reporting
from .actions import (
    Abort,
    Action,
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
from .dispatch import Decide, Dispatcher
from .failures import (
    connect_timeout,
    load_failure,
    renewal_failure,
    with_age,
)
from .http import hide
from .messages import Init, Message, parse
from .mirror import Mirror, Notice
from .receiving import Receiver
from .reloading import ReloadRequests
from .request import Caller
from .resync import missing, take_over
from .session import Session, SessionOptions
from .states import IDENTIFIED, State
from .threads import POOL, TIMERS, Timer, drain_all
from .timings import Timings
from .waiting import Waiting
from .watching import Watch
from .work import Work

__all__ = ["Connection", "ConnectionOptions"]


@attrs.frozen(kw_only=True)
class ConnectionOptions:
    """Options that are the same for all connections of a Worker.

    Args:
        ws_server: Address of the websocket.
        session: The user's options.
        work: The callbacks under way on other threads.
        watch: Records events and calls for history and observer.
        decided: Carries out what a callback on an executor decided; does not block.
        lock: Lock file of ``single``, acquired before connecting; None for no lock.
        renew_token: Asks the token provider; runs on a pool thread, and calls ``change_token`` or ``renewal_failed``.
        timings: Time limits.
    """

    ws_server: str
    session: SessionOptions
    work: Work
    watch: Watch
    decided: Decide
    lock: ProcessLock | None = None
    renew_token: Callable[[], object] | None = None
    timings: Timings = Timings()


class Connection:
    """A connection from ``start`` to ``stop``, over any number of websockets. Its states are those of the session.

    All public methods may be called on any thread, unless stated otherwise; only ``join`` blocks.

    Args:
        options: Options that are the same for all connections.
        state: The worker's state, changed on the dispatch thread.
        caller: Sends the requests of a reload.
        waiting: The blocking waits, ended with this connection.
        on_finished: Called on the dispatch thread when the connection has failed for good.
        before: The previous connection, whose last callbacks run first; None if there is none.
    """

    def __init__(
        self,
        options: ConnectionOptions,
        state: Mirror,
        caller: Caller,
        waiting: Waiting,
        on_finished: Callable[[Connection, TaskRouterError], None],
        before: Connection | None = None,
    ) -> None:
        self._options = options
        self._state = state
        self._waiting = waiting
        self._on_finished = on_finished
        self._lock = threading.Lock()
        self._session = Session(options.session, options.timings)
        self._requests = ReloadRequests(self._session, caller, self._tell, self._with_age)
        # Steps that may block, to be run when the lock is released.
        self._later: list[Callable[[], object]] = []
        self._stopping = False
        # For the session's next deadline.
        self._timer: Timer | None = None
        self._name = "taskrouter-worker"
        self.ready: Future[None] = Future()
        """Done when the worker is ready for the first time, or will never be. Not to be cancelled."""
        self.ready.set_running_or_notify_cancel()
        self.ended = threading.Event()
        """Set after the last callback."""
        after: threading.Thread | None = None if before is None else before.dispatcher.thread
        self.dispatcher: Dispatcher = Dispatcher(
            state, f"{self._name}-dispatch", after, options.work, options.watch, options.decided
        )
        self._receiver = Receiver(
            options.ws_server,
            options.timings,
            options.lock,
            self._session,
            self._lock,
            self._tell,
            self._do,
            self._with_age,
            lambda: state.worker_sid,
            f"{self._name}-recv",
        )

    # -- from outside ----------------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """The state at this moment, to be read once for facts that must fit together."""
        return self._session.state

    @property
    def connected(self) -> bool:
        """Whether ``init`` has identified the worker on the current websocket."""
        return self.state in IDENTIFIED

    @property
    def is_ready(self) -> bool:
        """Whether the worker's state is up to date."""
        return self.state is State.READY

    @property
    def given_up(self) -> bool:
        """Whether it can never be ready again; its last callbacks may still have to run."""
        return self.state is State.CLOSED

    @property
    def failure(self) -> TaskRouterError | None:
        """The error that ended it for good; None if it was ended by ``stop``."""
        return self._session.failure

    @property
    def token_end(self) -> float | None:
        """Expiry time of the token by the service's clock, in monotonic seconds; None if it is not known."""
        return self._session.token_end

    def when_ready(self) -> Future[None]:
        """Return a Future for the next moment at which the worker is ready.

        Does not block; callbacks of the Future run on the dispatch thread, which settles it.

        Returns:
            A Future that is done while the worker is ready. It fails with the error that ended the connection for good.
        """
        with self._lock:
            # The worker was ready and is not now: a new Future for the next time, while the old one keeps its result.
            if self.ready.done() and not self.is_ready and not self.given_up:
                self.ready = Future()
            return self.ready

    @property
    def last_frame(self) -> float:
        """Seconds since the service last sent anything, pings included; senseless unless it is connected."""
        return time.monotonic() - self._session.last_beat

    def start(self, token: str, ends_at: float | None) -> None:
        """Start the threads and connect; returns at once. All or nothing.

        Args:
            token: The token; empty to ask the provider for the first one.
            ends_at: Its end by the own clock, in monotonic seconds; None if it does not say.

        Raises:
            TaskRouterError: The system has no thread left; nothing was started.
        """
        # Before the threads start: a callback must find its own thread registered, or waits in it would not be refused.
        self._waiting.open(self.dispatcher.thread)
        try:
            self.dispatcher.thread.start()
            self._receiver.thread.start()
        except RuntimeError as error:
            # The dispatch thread may run already; it ends by ``stop``, and the queue has nothing else.
            self._waiting.close(ClosedError("The worker could not be started"), self.dispatcher.thread)
            self.dispatcher.stop()
            raise TaskRouterError(
                "The worker cannot be started: the system gives this process no more threads"
            ) from error
        # Last: an action for a thread that does not run would be lost if the start fails.
        self._tell(lambda now: self._session.start(token, ends_at, now))
        # While the websocket is being opened: its ``init`` makes four requests, which would start them one by one.
        POOL.warm_up()

    def change_token(self, token: str, ends_at: float | None) -> bool:
        """Use another token; does not block.

        Args:
            token: The new token.
            ends_at: Its expiry time in monotonic seconds; None if the token does not contain it.

        Returns:
            False if this connection has ended already.
        """
        self._tell(lambda now: self._session.token_changed(token, ends_at, now))
        return not self.given_up

    def renewal_failed(self, error: BaseException, token: str) -> None:
        """The token provider raised: log it without tokens, and have it called again later.

        Args:
            error: The provider's exception.
            token: The token in use, which is removed from the log text.
        """
        # Formatted here: the exception may quote the token, which is removed from the whole text.
        words = hide(token, "".join(traceback.format_exception(type(error), error, error.__traceback__)).rstrip())
        reporting.provider_failed(self._state.worker_sid, error, words)
        failure = renewal_failure(error)
        # Not reported, which would log it once more.
        notice = Notice(self._state.worker, "error", (failure,))

        def failed(now: float) -> list[Action]:
            actions = self._session.renewal_failed(failure, now)
            if not self.given_up:
                # In the lock, as the next call may fail, and end the connection, before this thread runs on.
                self.dispatcher.put(lambda: self.dispatcher.fire([notice]))
            return actions

        self._tell(failed)

    @property
    def token_failures(self) -> int:
        """Calls of the token provider in a row that failed."""
        return self._session.token_failures

    def call_refused(self, token: str) -> None:
        """A request was refused for this token: ask the provider, if there is one, for another. Does not block.

        Args:
            token: The refused token.
        """
        self._tell(lambda now: self._session.call_refused(token, now))

    def end_without_token(self) -> None:
        """From now on, end with TokenExpiredError instead of waiting without limit for a token that has no provider."""
        self._tell(self._session.end_without_token)

    def announce(self, event: str) -> None:
        """Fire an event of the worker that has no argument, on the dispatch thread.

        Args:
            event: Name of the event.
        """
        self._tell(lambda now: [Notify(event)])

    def announce_existing(self) -> None:
        """Pass the open reservations to the listeners waiting for them; before the first ``ready`` they still wait."""
        if self._session.ever_ready:
            self.dispatcher.put(self.dispatcher.fire_existing)

    def timed_out(self, timeout: float) -> TaskRouterError:
        """Create the error for a connect() that was not ready in time.

        Args:
            timeout: The seconds it waited.

        Returns:
            The error, which names the state and the last failure.
        """
        with self._lock:
            lock = self._options.lock
            if lock is not None and self._receiver.waits_for_lock:
                return ConnectTimeoutError(
                    f"connect() was not ready within {timeout:g} s; it waited for {lock.holder()}, which holds the "
                    f"lock file {lock.path} of single="
                )
            return connect_timeout(self._session, timeout, self._options.ws_server)

    def stop(self) -> None:
        """Disconnect; does not block. The threads end by themselves, after all callbacks that are due."""
        with self._lock:
            if self._stopping:
                return
            self._stopping = True
        self._tell(lambda now: self._session.stop())
        # In this order: the session's last events are queued by _tell, the last step runs after their callbacks, and
        # the thread ends after it.
        self.dispatcher.put(self._last_step)
        self.dispatcher.stop()

    def join(self, deadline: float) -> bool:
        """Block until the threads, other than the current one, have ended.

        Args:
            deadline: Time limit in monotonic seconds.

        Returns:
            False if a thread still runs at the deadline.
        """
        for thread in (self._receiver.thread, self.dispatcher.thread):
            # A thread that could not be started has no ident.
            if thread is not threading.current_thread() and thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))
                if thread.is_alive():
                    return False
        return True

    # -- the session -----------------------------------------------------------------------------------------------

    def _tell(self, event: Callable[[float], list[Action]]) -> None:
        """Pass an event to the session, and run the actions it returns."""
        with self._lock:
            for action in event(time.monotonic()):
                self._do(action)
            # With the lock held: another thread could give the session an event in between and schedule its deadline.
            self._schedule()
            # Run after the lock is released: log handlers and the close frame may block.
            later, self._later = self._later, []
        for step in later:
            step()

    def _do(self, action: Action) -> None:
        """Run an action; called with the lock held, so nothing here may block."""
        match action:
            case Deliver(frames):
                self.dispatcher.put_frames(frames)
            case Notify():
                self._notify(action)
            case Ready():
                self.dispatcher.put(self._become_ready)
            case Connect():
                self._receiver.connect(action)
                self._later.append(partial(reporting.connecting, self._state.worker_sid, self._options.ws_server))
            case Abort():
                self._receiver.end(abort=True)
            case SendClose():
                send_close = self._receiver.send_close()
                if send_close is not None:
                    self._later.append(send_close)
            case ReadLists():
                self._state.answered = None
                # Without the lock: requests take others, and may call back into the session.
                self._later.append(partial(self._requests.read_lists, action))
            case SetActivity():
                self._later.append(partial(self._requests.set_activity, action))
            case LookUp():
                self._later.append(partial(self._requests.look_up, action))
            case TakeOver():
                self.dispatcher.put(lambda: self._take_over(action))
            case RenewToken():
                renew = self._options.renew_token
                if renew is not None:
                    POOL.submit(renew)
            case Finish(error):
                # A socket that was still open was aborted by an earlier action.
                self._receiver.end(abort=False)
                self.dispatcher.put(lambda: self._finish(error))

    def _schedule(self) -> None:
        """Ask for a tick at the session's deadline. A tick that comes early is put off again: frames move the
        deadline all the time, and moving a timer with each would cost more than they do."""
        deadline = self._session.deadline
        timer = self._timer
        if timer is not None and timer.action is not None:
            if deadline is not None and timer.at <= deadline:
                return
            timer.cancel()
        self._timer = None if deadline is None else TIMERS.at(deadline, self._tick)

    def _tick(self) -> None:
        self._tell(self._due)

    def _due(self, now: float) -> list[Action]:
        silent_at = self._session.silent_at
        if silent_at is not None and now >= silent_at and self._receiver.has_unread():
            # The process was suspended, and the receive thread has not run since: the peer was not silent.
            self._session.frames((), now)
        return self._session.tick(now)

    def _notify(self, action: Notify) -> None:
        worker = self._state.worker
        if action.event == "error":
            error = action.args[0]
            self.dispatcher.put(lambda: self.dispatcher.report(error))
            return
        self._later.append(partial(self._log, action, self._session.attempts + 1))
        self.dispatcher.put(lambda: self.dispatcher.fire([Notice(worker, action.event, action.args)]))

    def _log(self, action: Notify, attempt: int) -> None:
        sid, event = self._state.worker_sid, action.event
        if event == "reconnecting":
            reporting.step(sid, event, "reconnecting in %.1f s (attempt %d)", *action.args, attempt)
        elif event == "disconnected":
            reporting.step(sid, event, "disconnected: %s", *action.args)
        elif event.startswith("token_"):
            renews = self._options.renew_token is not None
            has_listener = bool(self._state.worker._listening(event))
            reporting.token_step(sid, event, *(action.args or (0.0,)), renews=renews, has_listener=has_listener)

    # -- the ends (dispatch thread) --------------------------------------------------------------------------------

    def _become_ready(self) -> None:
        """Runs after all events of the reload, and before the events that came meanwhile."""
        state = self._state
        reporting.ready(state)
        # Before the listeners of ``ready``: they may wait for the result of start().
        self._settle_ready(None)
        self.dispatcher.fire([Notice(state.worker, "ready", (state.worker,))])
        # After ``ready``, so that a listener of it can add the one that receives them.
        self.dispatcher.fire_existing()

    def _finish(self, error: TaskRouterError) -> None:
        """After the callbacks of ``error``."""
        self._settle_ready(error)
        self._on_finished(self, error)

    def _last_step(self) -> None:
        """After the callbacks of ``disconnected``."""
        # Reservations that were not announced while stopping are forgotten, so that the next connection announces them.
        self.dispatcher.withdraw_declined()
        closed = ClosedError("The worker was disconnected")
        self._settle_ready(closed)
        self._waiting.close(closed, self.dispatcher.thread)
        # After the waits are closed: run_forever() returns on it, and no wait may outlast that.
        self.ended.set()
        _end_shared_threads()

    def _settle_ready(self, error: TaskRouterError | None) -> None:
        """On the dispatch thread only, so that it is settled once."""
        if self.ready.done():
            return
        if error is None:
            self.ready.set_result(None)
        else:
            self.ready.set_exception(error)

    def _with_age(self, error: TaskRouterError) -> TaskRouterError:
        return with_age(error, self._session.token_end, time.monotonic())

    # -- taking over (dispatch thread) ----------------------------------------------

    def _take_over(self, action: TakeOver) -> None:
        """On the dispatch thread: all that was delivered before is applied, so the state is as of the connection."""
        with self._lock:
            # Read here, not when the action was made: frames keep coming, and creations among them must not be
            # announced twice.
            frames = self._session.buffered(action.generation)
        if frames is None:
            return
        state = self._state
        if not state.worker_sid:
            # Only on the first connection; the sids of a worker never change.
            self._introduce(action.init)
        # Computed here, not when the lists came: events queued before this step may have ended some of them.
        lost = missing(state, action.snapshot)
        if lost:
            self._tell(lambda now: self._session.missing(action.generation, lost))
            return
        try:
            notices = take_over(state, action.snapshot, _readable(frames), time.monotonic())
        except InvalidMessageError as error:
            self._requests.failed(action.generation, load_failure(action.init.worker_sid, error), error, final=False)
            return
        if not self._session.ever_ready:
            # Before ``loaded`` delivers frames: until ``ready`` these listeners receive no event.
            self.dispatcher.hold_existing()
        # Lost again meanwhile, the worker is not ready, but what was learned counts.
        self._tell(lambda now: self._session.loaded(action.generation))
        self.dispatcher.fire(notices)

    def _introduce(self, init: Init) -> None:
        """Store the sids, also in the names of the threads, where stack dumps show them."""
        state = self._state
        state.worker_sid, state.account_sid = init.worker_sid, init.account_sid
        state.workspace_sid = init.workspace_sid
        name = f"{self._name}-{init.worker_sid}"
        self._receiver.thread.name, self.dispatcher.thread.name = f"{name}-recv", f"{name}-dispatch"


def _readable(frames: tuple[str | bytes, ...]) -> list[Message]:
    """Parse the frames that are valid messages; the others are reported in their turn."""
    messages = []
    for frame in frames:
        try:
            message = parse(frame)
        except InvalidMessageError:
            continue
        if message is not None:
            messages.append(message)
    return messages


def _end_shared_threads() -> None:
    """End the shared threads that have nothing left to do."""
    # A deadline of now: the threads end by themselves, and this one is not held up.
    drain_all(time.monotonic())
