"""The simulated network: moves bytes and requests between clients and service, late, in pieces, twice or not at all."""

from __future__ import annotations

import random
import struct
from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from twilio_taskrouter_worker._bridge.frames import Frames
from twilio_taskrouter_worker._bridge.http import Answer, HttpFailure, HttpTimeout, NotSent

if TYPE_CHECKING:
    from .client import SimulatedCall, SimulatedSocket
    from .service import Began
    from .world import World

__all__ = ["SLOWEST", "Conditions", "Exchange", "Link", "Network"]

SLOWEST = 60.0
"""The longest time that one message takes, in seconds."""

RESET = "Connection reset by peer"


class Conditions:
    """The strength of each disturbance that lasts for a while, from 0 to 1: how much of what passes is affected."""

    def __init__(self, source: random.Random, counts: Counter[str]) -> None:
        self._source = source
        self._counts = counts
        self._strength: dict[str, float] = {}

    def set(self, kind: str, strength: float) -> None:
        """Begin a disturbance, or end it with a strength of 0.

        Args:
            kind: Which one.
            strength: From 0 to 1.
        """
        if strength:
            self._strength[kind] = strength
        else:
            self._strength.pop(kind, None)

    def lasts(self, kind: str) -> bool:
        """Whether a disturbance goes on; counts nothing.

        Args:
            kind: Which one.
        """
        return kind in self._strength

    def clear(self) -> None:
        """End all of them."""
        self._strength.clear()

    def strikes(self, kind: str) -> bool:
        """Whether a disturbance affects the thing at hand; counts it if so.

        Args:
            kind: Which one.
        """
        strength = self._strength.get(kind)
        if strength is None or self._source.random() >= strength:
            return False
        self._counts[kind] += 1
        return True


class Link:
    """One websocket, from the handshake to its end; the service writes to it as to an asyncio transport."""

    def __init__(self, world: World, socket: SimulatedSocket) -> None:
        self._world = world
        self._socket = socket
        self._frames = Frames()
        self._pipe: deque[tuple[float, bytes]] = deque()
        """What is under way to the client, with the time of its arrival."""
        self._last_arrival = 0.0
        self.client_open = True
        self.service_open = True
        self.silent = False
        """Nothing arrives any more, and neither side knows."""
        self.gone: Callable[[], None] = lambda: None
        """Called when the service notices that the client is gone."""
        self.began: Began | None = None
        """The service's state in the moment in which it opened the session."""

    @property
    def behind(self) -> float:
        """Seconds until all that is under way to the client has arrived."""
        return self._last_arrival - self._world.scheduler.now

    # -- the service's side: a transport -----------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        world = self._world
        if not self.service_open or not self.client_open or self.silent:
            return
        # Not before the frame ahead: TCP delivers in order, however the delays vary.
        self._last_arrival = max(self._last_arrival, world.scheduler.now + world.network.latency())
        self._pipe.append((self._last_arrival, data))
        world.network.under_way += 1
        world.scheduler.at(self._last_arrival, self._arrive)

    def abort(self) -> None:
        self.service_open = False
        self._world.network.later(self.break_off)

    def is_closing(self) -> bool:
        return not self.service_open

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def get_write_buffer_size(self) -> int:
        # The simulated service is never slow because of a client that does not read; tests of the service are for that.
        return 0

    async def close_politely(self, code: int, reason: str) -> None:
        text = struct.pack("!H", code) + reason.encode()
        self.write(struct.pack("!BB", 0x88, len(text)) + text)
        self.service_open = False

    # -- the client's side -------------------------------------------------------------------------------------------

    def _arrive(self) -> None:
        """Everything that has arrived by now is read at once, as from a socket's buffer."""
        now = self._world.scheduler.now
        self._world.network.under_way -= 1
        data = b""
        while self._pipe and self._pipe[0][0] <= now:
            data += self._pipe.popleft()[1]
        if not data or not self.client_open or self.silent:
            return
        if self._world.conditions.strikes("torn frames") and len(data) > 1:
            at = self._world.source.randrange(1, len(data))
            self._feed(data[:at])
            data = data[at:]
        self._feed(data)

    def _feed(self, data: bytes) -> None:
        if not self.client_open:
            return
        frames = self._frames
        texts = frames.feed(data)
        if texts or frames.closing is None:
            self._socket.received(texts)
        if frames.failure is not None:
            raise AssertionError(f"the service broke the protocol: {frames.failure}")
        if frames.closing is not None:
            self.client_open = False
            self._socket.ended(frames.closing)
            self._world.network.later(self._notice)

    def break_off(self) -> None:
        """The connection is reset: the client reads a part of what is under way, at most, and then the end."""
        if not self.client_open:
            return
        if self._pipe and not self.silent:
            first = self._pipe[0][1]
            # A reset may come in the middle of a frame, of which the client must not use the part it has.
            self._feed(first[: self._world.source.randrange(len(first) + 1)])
        self._pipe.clear()
        if self.client_open:
            self.client_open = False
            self._socket.ended(None)
        self._world.network.later(self._notice)

    def client_abort(self) -> None:
        """The client closes the connection."""
        if self.client_open:
            self.client_open = False
            self._world.scheduler.after(0.0, lambda: self._socket.ended(None))
            if not self.silent:
                self._world.network.later(self._notice)

    def go_silent(self) -> None:
        """The path dies unnoticed. The service's system gives up some time later, the client by its own rules."""
        self.silent = True
        self._world.scheduler.after(self._world.source.uniform(1, 180), self._notice)

    def _notice(self) -> None:
        if self.service_open:
            self.service_open = False
        self.gone()


class Exchange:
    """One HTTP POST: replaces the library's, whose ``post`` blocks its thread."""

    world: World
    """Set for the length of a simulation."""

    def __init__(self, url: str, settings: object, deadline: float, patience: float | None = None) -> None:
        self._deadline = deadline if patience is None or self.world.source.random() < 0.5 else patience
        self._done: Callable[[Answer | HttpFailure], None] | None = None
        self._aborted = False
        self.sent = False
        self.body = b""
        self.headers: Mapping[str, str] = {}

    def post(self, body: bytes, headers: Mapping[str, str]) -> Any:
        """Note what is to be sent; ``begin`` sends it."""
        self.body, self.headers = body, headers

    def abort(self) -> bool:
        """As in the library: the connection is closed, and the exchange ends a moment later."""
        self._aborted = True
        self.world.scheduler.after(0.0, lambda: self.end(HttpTimeout("the deadline passed")))
        return self.sent

    def begin(self, call: SimulatedCall, done: Callable[[Answer | HttpFailure], None]) -> None:
        """Send the request.

        Args:
            call: The call whose attempt this is.
            done: Called once, with the answer or the failure.
        """
        self._done = done
        world = self.world
        world.scheduler.at(self._deadline, self._expire)
        world.network.post(self, call)

    def connected(self) -> bool:
        """The connection is there: from now on the service may have the request. False if it was aborted before."""
        if self._aborted or self._done is None:
            return False
        self.sent = True
        return True

    @property
    def waiting(self) -> bool:
        """Whether it has no outcome yet."""
        return self._done is not None

    def end(self, outcome: Answer | HttpFailure) -> None:
        """Report the outcome; only the first one counts."""
        done, self._done = self._done, None
        if done is not None:
            done(outcome)

    def _expire(self) -> None:
        self.end(HttpTimeout("the deadline passed") if self.sent else NotSent("the host does not answer"))


class Network:
    """What connects the clients' machine with the service's."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.under_way = 0
        """Messages that have not arrived yet."""
        self.links: dict[Link, int] = {}
        """The open websockets, with the number of their worker."""

    def latency(self) -> float:
        """Seconds that the next message takes."""
        world = self._world
        if world.conditions.strikes("slow network"):
            return world.source.uniform(0, SLOWEST) * world.source.random()
        return 0.002 + 0.05 * world.source.random() ** 2

    def later(self, step: Callable[[], object]) -> None:
        """Run a step when a message sent now arrives."""
        self.under_way += 1

        def arrive() -> None:
            self.under_way -= 1
            step()

        self._world.scheduler.after(self.latency(), arrive)

    # -- websockets --------------------------------------------------------------------------------------------------

    def dial(self, socket: SimulatedSocket) -> None:
        """Carry a handshake to the service and its answer back.

        Args:
            socket: The client's end.
        """
        world = self._world
        if world.conditions.strikes("unreachable service"):
            return
        if not world.service.up:
            self.later(lambda: socket.refused(ConnectionRefusedError(111, "Connection refused")))
            return
        link = Link(world, socket)
        self.later(lambda: self._shake_hands(link, socket))

    def _shake_hands(self, link: Link, socket: SimulatedSocket) -> None:
        world = self._world
        if not world.service.up:
            self.later(lambda: socket.refused(ConnectionResetError(104, RESET)))
            return
        # Written after the answer to the handshake, and read after it.
        link._last_arrival = world.scheduler.now + self.latency()
        opened_at = link._last_arrival
        refusal = world.service.open_session(link, socket)
        if refusal is not None:
            self.later(lambda: socket.refused(refusal))
            return
        self.links[link] = socket.worker
        self.under_way += 1

        def open_it() -> None:
            self.under_way -= 1
            if not socket.opened(link):
                link.client_open = False
                self.later(link._notice)

        # Before the first frame, which arrives at the same moment or later.
        world.scheduler.at(opened_at - 1e-6, open_it)

    def forget(self, link: Link) -> None:
        """The service has noticed the end of a websocket."""
        self.links.pop(link, None)

    def of(self, worker: int) -> list[Link]:
        """The websockets of a worker."""
        return [link for link, number in self.links.items() if number == worker]

    # -- HTTP --------------------------------------------------------------------------------------------------------

    def post(self, exchange: Exchange, call: SimulatedCall) -> None:
        """Carry a request to the service and its answer back.

        Args:
            exchange: The request.
            call: The call whose attempt it is.
        """
        world = self._world
        if world.conditions.strikes("unreachable service"):
            # Packets vanish: nobody says so, and the exchange's own deadline ends it.
            return
        if not world.service.up:
            self.later(lambda: exchange.end(NotSent("Connection refused")))
            return
        self.later(lambda: self._send(exchange, call))

    def _send(self, exchange: Exchange, call: SimulatedCall) -> None:
        world = self._world
        if not exchange.connected():
            return
        world.invariants.sent(call)
        if world.conditions.strikes("lost requests"):
            self._lose(exchange)
            return
        self.later(lambda: self._deliver(exchange, call))
        if call.is_read and world.conditions.strikes("repeated requests"):
            # By a proxy, which may repeat what is safe to repeat.
            self.later(lambda: self._deliver(exchange, call))

    def _deliver(self, exchange: Exchange, call: SimulatedCall) -> None:
        world = self._world
        if not world.service.up:
            self.later(lambda: exchange.end(HttpFailure(RESET)))
            return

        def answered(answer: Answer) -> None:
            if world.conditions.strikes("lost answers"):
                self._lose(exchange)
            else:
                self.later(lambda: self._answer(exchange, call, answer))

        world.service.request(exchange.body, exchange.headers, call, answered)

    def _answer(self, exchange: Exchange, call: SimulatedCall, answer: Answer) -> None:
        if exchange.waiting:
            self._world.invariants.answered(call, answer)
            exchange.end(answer)

    def _lose(self, exchange: Exchange) -> None:
        """The connection dies; in half of the cases the client is told."""
        if self._world.source.random() < 0.5:
            self.later(lambda: exchange.end(HttpFailure(RESET)))
