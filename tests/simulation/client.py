"""The clients' machine: real Workers, whose threads are steps of the scheduler and whose sockets are simulated."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlencode

from twilio_taskrouter_worker import Worker
from twilio_taskrouter_worker._bridge.calls import _Call
from twilio_taskrouter_worker._bridge.connections import Answer
from twilio_taskrouter_worker._bridge.dispatch import Dispatcher
from twilio_taskrouter_worker._bridge.http import HttpFailure
from twilio_taskrouter_worker._bridge.mirror import Notice
from twilio_taskrouter_worker._bridge.receiving import Receiver
from twilio_taskrouter_worker._bridge.signaling import Closed, _close_frame, connection_error
from twilio_taskrouter_worker._bridge.timings import Timings
from twilio_taskrouter_worker.errors import TaskRouterError

from .network import RESET, Exchange, Link
from .scheduler import Timer

if TYPE_CHECKING:
    from .service import Began
    from .world import World

__all__ = ["Client", "Pool", "SimulatedCall", "SimulatedDispatcher", "SimulatedReceiver", "Timers"]

SLOWEST_CALLBACK = 45.0
SLOWEST_THREAD = 0.5


class Pool:
    """The clients' pool threads: each job runs a moment later, in an order that varies as that of threads does."""

    def __init__(self, world: World) -> None:
        self._world = world

    def submit(self, job: Callable[[], None]) -> None:
        world = self._world
        slow = world.conditions.strikes("slow threads")
        world.scheduler.after((SLOWEST_THREAD if slow else 0.001) * world.source.random(), job)

    def require(self) -> None: ...

    def warm_up(self) -> None: ...

    def __contains__(self, thread: object) -> bool:
        # What runs callbacks of Futures is always taken for a pool thread.
        return True


class Timers:
    """The clients' timers."""

    def __init__(self, world: World) -> None:
        self._world = world

    def at(self, when: float, action: Callable[[], None]) -> Timer:
        return self._world.scheduler.at(when, action)

    def require(self) -> None: ...


class Thread:
    """Stands for a thread; what it does are steps of the scheduler."""

    def __init__(self, run: Callable[[], None]) -> None:
        self._run = run
        self.ident: int | None = None
        self.name = ""
        self.ended = False
        self._then: list[Callable[[], None]] = []

    def start(self) -> None:
        self.ident = id(self)
        self._run()

    def join(self, timeout: float) -> None:
        """Nobody waits in a simulation: it ends later, or has ended."""

    def is_alive(self) -> bool:
        return self.ident is not None and not self.ended

    def when_ended(self, step: Callable[[], None]) -> None:
        if self.ended:
            step()
        else:
            self._then.append(step)

    def end(self) -> None:
        self.ended = True
        then, self._then = self._then, []
        for step in then:
            step()


class Mailbox:
    """The queue of a dispatch thread."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self.items: deque[Any] = deque()
        self._wake = wake

    def put(self, item: Any) -> None:
        self.items.append(item)
        self._wake()

    def end_turn(self) -> None: ...

    def close(self) -> None: ...

    def __len__(self) -> int:
        return len(self.items)


class SimulatedDispatcher(Dispatcher):
    """The library's dispatch thread; each item of its queue is a step, and a slow callback delays the next one."""

    world: World

    def __init__(self, state: Any, name: str, after: Any, *rest: Any) -> None:
        # What ``after`` is waited for with is a step, too.
        super().__init__(state, name, None, *rest)
        self._queue: Any = Mailbox(self._wake)
        self.thread: Any = Thread(self._start)
        self._before: Thread | None = after
        self._running = False
        self._due: Timer | None = None
        self._free_at = 0.0
        self.client: Client = state.worker.simulated

    def _start(self) -> None:
        def go() -> None:
            self._running = True
            self._forget_in_time()
            self._wake()

        if self._before is None:
            go()
        else:
            self._before.when_ended(go)

    @property
    def idle(self) -> bool:
        return not self._queue.items

    @property
    def rests(self) -> bool:
        """Whether it waits for the next item: no callback runs."""
        return self.idle and self._running and self._free_at <= self.world.scheduler.now

    def _wake(self) -> None:
        if self._running and self._due is None and self._queue.items:
            scheduler = self.world.scheduler
            self._due = scheduler.at(max(scheduler.now, self._free_at), self._turn)

    def _turn(self) -> None:
        self._due = None
        world = self.world
        item = self._queue.items.popleft()
        if item is None or self.client.dead:
            self._running = False
            self.thread.end()
            return
        self._handle(item)
        self.client.was_loaded()
        if self.client.ready and not self._queue.items:
            world.invariants.up_to_date(self.client)
        if world.conditions.strikes("slow callbacks"):
            self._free_at = world.scheduler.now + SLOWEST_CALLBACK * world.source.random() ** 3
        self._forget_in_time()
        self._wake()

    def _forget_in_time(self) -> None:
        forget_at = self._state.forget_at
        if forget_at is not None and not self._queue.items:
            self.world.scheduler.at(forget_at, self._forget)

    def _forget(self) -> None:
        if self._running and not self._queue.items:
            self._state.forget_ended(self.world.scheduler.now)
            self._forget_in_time()

    def fire(self, notices: Iterable[Notice]) -> None:
        for notice in notices:
            if not self.client.dead:
                self.world.invariants.fired(self.client, notice)
                super().fire([notice])


class SimulatedSocket:
    """The client's end of one websocket; replaces the library's ``Socket``."""

    def __init__(self, receiver: SimulatedReceiver, query: tuple[tuple[str, str], ...], handshake: float) -> None:
        self._receiver = receiver
        self.query = urlencode(query)
        self._token = dict(query)["token"]
        self._link: Link | None = None
        self._over = False
        self.worker = receiver.client.number
        self.heard: list[bytes] = []
        """Messages that arrived and whose announcement was not checked yet."""
        self._handshake = handshake
        world = receiver.world
        world.network.dial(self)
        world.scheduler.after(handshake, lambda: self.refused(TimeoutError()))

    # -- from the network --------------------------------------------------------------------------------------------

    def opened(self, link: Link) -> bool:
        """The handshake was answered; False if nobody waits for that any more."""
        if self._over:
            return False
        self._link = link
        self._receiver.opened()
        return True

    def refused(self, error: Exception) -> None:
        """The handshake failed."""
        if self._link is None and not self._over:
            self._over = True
            self._receiver.not_opened(connection_error(error, "ws://simulated", self._handshake, self._token))

    def received(self, texts: list[bytes]) -> None:
        """Text messages arrived together; none is a sign of life."""
        if not self._over:
            self.heard += texts
            self._receiver.received(texts)

    def ended(self, close_frame: bytes | None) -> None:
        """The connection ended: with a close frame, or without."""
        if self._link is None:
            self.refused(ConnectionResetError(104, RESET))
        elif not self._over:
            self._over = True
            code, reason = (None, "") if close_frame is None else _close_frame(close_frame)
            self._receiver.lost(Closed(code, reason))

    @property
    def began(self) -> Began | None:
        """The service's state in the moment in which it opened the session."""
        return None if self._link is None else self._link.began

    # -- from the library --------------------------------------------------------------------------------------------

    def abort(self) -> None:
        if self._link is not None:
            self._link.client_abort()
        elif not self._over:
            self._receiver.world.scheduler.after(0.0, lambda: self.refused(ConnectionAbortedError(103, "aborted")))

    send_close = abort

    def has_unread(self) -> bool:
        return False


class SimulatedReceiver(Receiver):
    """The library's receive thread; what it waits for are steps."""

    world: World

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.thread: Any = Thread(self._go_on)
        # The connection's method, whose owner knows the worker.
        self.client: Client = self._tell.__self__._state.worker.simulated  # type: ignore[attr-defined]
        self._busy = False

    def connect(self, action: Any) -> None:
        super().connect(action)
        self.world.scheduler.after(0.0, self._go_on)

    def end(self, *, abort: bool) -> None:
        super().end(abort=abort)
        self.world.scheduler.after(0.0, self._go_on)

    def _go_on(self) -> None:
        if self._busy or self.thread.ended or self.client.dead:
            return
        if self._to_connect is None and not self.over:
            return
        connect = self._next_connect()
        if connect is None:
            self.thread.end()
            return
        self._busy = True
        self.world.invariants.connecting(self.client)
        self._socket: Any = SimulatedSocket(self, connect.query, self._timings.handshake)

    @property
    def over(self) -> bool:
        return self._session.state.name == "CLOSED"

    def opened(self) -> None:
        self._tell(self._session.opened)

    def not_opened(self, failure: TaskRouterError) -> None:
        if not self.client.dead:
            self._not_opened(self._with_age(failure))
        self._free()

    def received(self, texts: list[bytes]) -> None:
        if not self.client.dead:
            self._received(texts)

    def lost(self, closed: Closed) -> None:
        if not self.client.dead:
            self._lost(closed)
        self._free()

    def _free(self) -> None:
        self._busy = False
        self._go_on()


class SimulatedCall(_Call[Any]):
    """The library's call; its attempts do not block, but go on when the exchange has ended."""

    __slots__ = ("client", "exchange", "number")

    def __init__(self, calls: Any, request: Any, deadline: float) -> None:
        super().__init__(calls, request, deadline)
        self.client: Client = calls.client
        self.number = 0
        self.exchange: Exchange | None = None

    def enter(self, turns: Any) -> None:
        # Not in the constructor: a closed client makes a call only to refuse it.
        self.number = self.client.world.invariants.made(self)
        super().enter(turns)

    @property
    def is_read(self) -> bool:
        return self._request.route.method == "GET"

    @property
    def subjects_changed(self) -> tuple[str, ...]:
        return self._request.subjects

    @property
    def deadline(self) -> float:
        return self._deadline

    def attempt(self) -> None:
        if self.client.dead:
            return
        exchange: Any = self._begin()
        if exchange is None:
            return
        try:
            token = self._calls.token()
        except TaskRouterError as error:
            self._conclude(partial(_raise, error), lambda token: Answer(0, {}, b""))
            return
        self._post(exchange, token)
        self.exchange = exchange
        exchange.begin(self, partial(self._outcome, exchange, token))

    def _outcome(self, exchange: Exchange, token: str, outcome: Answer | HttpFailure) -> None:
        if self.client.dead:
            return
        self._sent = self._sent or exchange.sent

        def post(_: str) -> Answer:
            if isinstance(outcome, HttpFailure):
                raise outcome
            return outcome

        self._conclude(lambda: token, post)
        self.client.world.invariants.answer_applied(self.client)

    def reset(self) -> None:
        """The service died before it answered."""
        if self.exchange is not None:
            self.exchange.end(HttpFailure(RESET))


def _raise(error: TaskRouterError) -> str:
    raise error


class Client:
    """One process of a worker: a Worker from its start to its end by a kill.

    Args:
        world: The world.
        number: Which worker it is of.
    """

    def __init__(self, world: World, number: int) -> None:
        self.world = world
        self.number = number
        self.dead = False
        plan = world.plan
        provider = self._provide if plan.seed % 5 else None
        self.worker = _Worker(
            world.service.token(number) if provider is None or plan.seed % 2 else None,
            token_provider=provider,
            eb_server="http://simulated",
            ws_server="ws://simulated",
            request_timeout=plan.request_timeout,
            enable_version_check=plan.seed % 7 == 0,
        )
        self.worker.simulated = self
        self.has_provider = provider is not None
        calls: Any = self.worker._calls
        calls.client = self

        self.existing: frozenset[str] | None = None
        """The reservations that were open when it was first ready: they are not announced."""
        self.version_is_exact = False
        """Whether it must know the worker's version: none was counted while the lists were read."""
        self._loaded: tuple[object, int] | None = None
        """The connection and the generation that were ready last."""

    def was_ready(self) -> None:
        """The listeners of ``ready`` are called."""
        if self.existing is None:
            self.existing = frozenset(self.worker.reservations)
            self.world.invariants.first_ready(self)

    def was_loaded(self) -> None:
        """A step of the dispatch thread is done, which may have taken over the lists of a connection."""
        connection = self.worker._connection
        if connection is None or connection._session.state.name != "READY":
            return
        loaded = (connection, connection._session.generation)
        if loaded == self._loaded:
            return
        self._loaded, socket = loaded, self.socket
        if socket is not None and socket.began is not None:
            self.world.invariants.taken_over(self, socket.began)

    def _provide(self) -> str:
        world = self.world
        if world.conditions.strikes("failing provider") or not world.service.workers:
            raise OSError("the backend that signs tokens does not answer")
        return world.service.token(self.number)

    @property
    def socket(self) -> SimulatedSocket | None:
        """The current websocket."""
        connection = self.worker._connection
        return None if connection is None else cast("SimulatedSocket | None", connection._receiver._socket)

    @property
    def sid(self) -> str:
        return self.world.service.workers[self.number]

    @property
    def ready(self) -> bool:
        return self.worker.ready

    def start(self) -> None:
        """Connect, unless it is connected or is doing so."""
        connection = self.worker._connection
        if connection is None or connection.given_up:
            if not self.has_provider:
                self.worker._token = self.world.service.token(self.number)
            self.worker.start()

    def disconnect(self) -> None:
        """Disconnect, as ``disconnect()`` does when nothing is under way."""
        connection = self.worker._connection
        if connection is not None:
            self.worker._close(connection, "the worker was disconnected", 0.0)

    def kill(self) -> None:
        """The process dies: nothing of it does anything any more."""
        self.dead = True
        for link in self.world.network.of(self.number):
            if link._socket._receiver.client is self:
                link.client_abort()


class _Worker(Worker):
    """A Worker that knows its place in the simulation."""

    __slots__ = ("simulated",)
    simulated: Client


def timings(random: Callable[[], float]) -> Timings:
    """The library's time limits, with the simulation's source of randomness."""
    return Timings(random=random)
