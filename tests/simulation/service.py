"""The service's machine: the real service with engine, sessions, tunnel and commits, on a simulated loop and disk."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qs

import attrs
from websocket import WebSocketBadStatusException

from twilio_taskrouter_worker._bridge.http import Answer
from twilio_taskrouter_worker._json import dumps
from twilio_taskrouter_worker.local.clock import Clock
from twilio_taskrouter_worker.local.engine import Engine, Rejected, commands, model
from twilio_taskrouter_worker.local.opening import OpeningOptions, catch_up, open_service
from twilio_taskrouter_worker.local.server.bridge import tunnel
from twilio_taskrouter_worker.local.server.bridge.websocket import _admit
from twilio_taskrouter_worker.local.server.events.frames import Kind
from twilio_taskrouter_worker.local.server.events.sessions import Batch, Close, Session
from twilio_taskrouter_worker.local.server.http import refusals
from twilio_taskrouter_worker.local.server.service import Context

from .network import Link
from .storage import Killed, SimulatedStore

if TYPE_CHECKING:
    from .client import SimulatedCall, SimulatedSocket
    from .world import World

__all__ = ["Began", "Loop", "ServiceMachine"]

NO_CREDENTIALS: dict[str, str | None] = dict.fromkeys(
    ("account_sid", "auth_token", "signing_key_sid", "signing_key_secret")
)
LASTING = 36000
"""Seconds that the tokens of the healed system are valid."""
REPEATED_LATEST = 3.0
"""Seconds after which a frame is repeated at most: clients remember what ended for 5 s."""
QUICK = 0.1
"""Seconds for which a connection may be behind when a frame is repeated, for the same reason."""


@attrs.frozen
class Began:
    """The service's state of a worker in the moment in which a session of it opened."""

    process: Loop
    """Another process may have lost what was not committed by then."""
    at: float
    reservations: dict[str, int]
    """The versions of its open reservations."""
    worker_version: int


class RecordedSession(Session):
    """A session that knows in which order its frames were queued."""

    __slots__ = ("unsent",)

    def __init__(self, *args: Any, **fields: Any) -> None:
        super().__init__(*args, **fields)
        self.unsent: deque[bytes] = deque()
        self.queue = _Queue(self.unsent)


class _Queue(deque[tuple[Batch, bytes]]):
    def __init__(self, unsent: deque[bytes]) -> None:
        super().__init__()
        self._unsent = unsent

    def append(self, item: tuple[Batch, bytes]) -> None:
        self._unsent.append(item[1])
        super().append(item)


class _Done:
    """A task that has ended."""

    def add_done_callback(self, callback: Callable[[Any], object]) -> None:
        callback(self)


class Loop:
    """The part of an asyncio loop that the service uses; what it runs dies with the process.

    Args:
        world: The world.
        died: Called when a step ends the process.
    """

    def __init__(self, world: World, died: Callable[[], None]) -> None:
        self._world = world
        self._died = died
        self.running = True

    def time(self) -> float:
        return self._world.scheduler.now

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any) -> Any:
        return self._world.scheduler.after(delay, lambda: self.run(lambda: callback(*args)))

    def call_soon(self, callback: Callable[..., object], *args: Any) -> Any:
        return self.call_later(0.0, callback, *args)

    def create_task(self, work: Coroutine[Any, Any, None]) -> Any:
        try:
            work.send(None)
        except StopIteration:
            return _Done()
        raise AssertionError("nothing waits in a simulated task")

    def run(self, step: Callable[[], object]) -> None:
        """Run a step of the process; nothing happens once it is dead."""
        if self.running:
            try:
                step()
            except Killed:
                self._died()


class ServiceMachine:
    """The service and its disk, over any number of processes.

    Args:
        world: The world.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.disk = world.disk
        self.up = False
        self._requests: dict[int, Callable[[], None]] = {}
        """Of the requests under way, by number: tells the client that the connection was reset."""
        self._number = 0
        self._expected_digest: str | None = None
        self.workspace_sid = ""
        self.workers: list[str] = []
        self.activities: dict[str, str] = {}
        self.start()

    # -- the process -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the process, from the disk if there is anything on it."""
        world = self._world
        self._loop = Loop(world, self._dead)
        options = OpeningOptions(
            db="simulated.db",
            seed=world.plan.seed,
            rules=None,
            credentials=NO_CREDENTIALS,
            event_delay=world.event_delay,
            own_clock=False,
        )
        loop: Any = self._loop
        opened = open_service(loop, Clock(), options, lambda: False)
        self.service = opened.service
        self.service.sessions._sender = self._send
        if opened.new:
            self._set_up()
        else:
            self._check_replay()
            catch_up(self.service)
        self._loop.run(self.service.committer.commit)
        self.up = self._loop.running

    @property
    def engine(self) -> Engine:
        return self.service.engine

    def kill(self, *, in_commit: bool | None) -> None:
        """End the process at once, or in its next commit.

        Args:
            in_commit: None: now. Otherwise in the next commit: after (True) or before (False) it is on the disk.
        """
        if not self.up:
            return
        if in_commit is None:
            self._dead()
        else:
            self.disk.dies_at_commit = in_commit

    def _dead(self) -> None:
        world, self.up = self._world, False
        self._loop.running = False
        # What was not committed is lost; otherwise the next process must come to the same state.
        kept = self._store.committed == self._store.count
        self._expected_digest = self.engine.state_digest() if kept else None
        self.disk.dies_at_commit = None
        requests, self._requests = self._requests, {}
        for reset in requests.values():
            world.network.later(reset)
        vanishes = world.source.random() < 0.2
        for link in list(world.network.links):
            link.gone = lambda: None
            if vanishes:
                link.silent = True
            else:
                world.network.later(link.break_off)
        world.network.links.clear()
        world.scheduler.after(world.source.uniform(0.2, 40.0), self.start)

    @property
    def _store(self) -> SimulatedStore:
        return cast("SimulatedStore", self.service.committer._store)

    def _check_replay(self) -> None:
        if self._expected_digest is not None and self.engine.state_digest() != self._expected_digest:
            self._world.invariants.violated("replay", "a restart from the journal leads to another state")

    def _set_up(self) -> None:
        plan = self._world.plan
        execute = self.service.execute
        workspace: model.Workspace = execute(commands.CreateWorkspace(friendly_name="Simulated", template="FIFO"))
        self.workspace_sid = sid = workspace.sid
        self.activities = {each.friendly_name: each.sid for each in self.engine.activities(sid)}
        [workflow] = self.engine.workflows(sid)
        execute(
            commands.UpdateWorkflow(
                workspace_sid=sid, sid=workflow.sid, task_reservation_timeout=plan.reservation_timeout
            )
        )
        for number in range(plan.workers):
            worker = execute(
                commands.CreateWorker(
                    workspace_sid=sid, friendly_name=f"w{number}", activity_sid=self.activities["Available"]
                )
            )
            self.workers.append(worker.sid)
            execute(
                commands.UpdateWorkerChannel(
                    workspace_sid=sid, worker_sid=worker.sid, channel="default", capacity=plan.capacity
                )
            )

    # -- what the backend does ---------------------------------------------------------------------------------------

    def execute(self, command: commands.Command) -> None:
        """Apply a command of the backend, if the process runs.

        Args:
            command: The command.
        """

        def step() -> None:
            try:
                self.service.execute(command)
            except Rejected:
                pass

        self._loop.run(step)

    def token(self, worker: int) -> str:
        """A new token for a worker; once the users have gone home, one that lasts."""
        ttl = self._world.plan.token_ttl if self._world.working else LASTING
        return self.service.signing_key.sign(
            self.workspace_sid, self.workers[worker], role="worker", ttl=ttl, identity=None
        )

    def expire_tokens(self, worker: int) -> None:
        """Refuse the tokens of a worker that were used so far."""
        self.service.signing_key.expire(self.workers[worker])

    def evict(self, worker: int) -> None:
        """Replace a worker's sessions, as another client of the same worker does that connects."""
        self._loop.run(lambda: self.service.sessions.close_worker(self.workers[worker], Close.REPLACED))

    # -- websockets --------------------------------------------------------------------------------------------------

    def open_session(self, link: Link, socket: SimulatedSocket) -> Exception | None:
        """Answer a handshake.

        Args:
            link: The new connection.
            socket: The client's end.

        Returns:
            The refusal as the client's websocket library reports it; None if the session is open.
        """
        service, query = self.service, parse_qs(socket.query)
        close_others = query["closeExistingSessions"] == ["true"]
        try:
            grant, worker_sid = _admit(service, query["token"][0], close_others=close_others)
        except Rejected as refusal:
            return WebSocketBadStatusException("", refusal.status, resp_body=dumps(refusals.body(refusal)))
        session = RecordedSession(
            grant.workspace_sid,
            worker_sid,
            link,
            link.close_politely,
            expires_at=grant.expires_at,
            set_offline=None,
        )
        loop = self._loop

        def gone() -> None:
            loop.run(lambda: service.sessions.remove(session))
            self._world.network.forget(link)

        link.gone = gone
        loop.run(lambda: service.open_session(session, close_others=close_others))
        link.began = self.began(worker_sid)
        return None

    def began(self, worker_sid: str) -> Began:
        """Return the state of a worker as of now.

        Args:
            worker_sid: The worker.
        """
        engine, workspace = self.engine, self.workspace_sid
        views = engine.reservation_views(workspace, worker_sid, active=True)
        return Began(
            self._loop,
            self.service.clock.now(),
            {view.reservation.sid: view.reservation.version for view in views},
            engine.worker(workspace, worker_sid).version,
        )

    def is_running(self, process: Loop) -> bool:
        """Return whether a process is the present one.

        Args:
            process: Its loop.
        """
        return self.up and process is self._loop

    def _send(self, session: Session, kind: Kind, frame: bytes) -> None:
        session.transmit(frame)
        if kind is not Kind.EVENT:
            return
        world = self._world
        if cast("RecordedSession", session).unsent.popleft() is not frame:
            world.invariants.violated("order", f"the service sends {frame[:80]!r} before an earlier event")

        def repeat() -> None:
            if not world.conditions.lasts("slow network") and cast("Link", session.transport).behind < QUICK:
                session.transmit(frame)

        if world.conditions.strikes("repeated frames"):
            self._loop.call_later(world.source.uniform(0.0, REPEATED_LATEST), repeat)

    # -- the tunnel --------------------------------------------------------------------------------------------------

    def request(
        self, body: bytes, headers: Mapping[str, str], call: SimulatedCall, respond: Callable[[Answer], None]
    ) -> None:
        """Answer a tunnelled request, as ``App`` does: commit, answer, events.

        Args:
            body: Its body.
            headers: Its headers.
            call: The call whose request it is, for the invariants.
            respond: Called with the answer.
        """
        refused = self._front_door()
        if refused is not None:
            respond(refused)
            return
        self._loop.run(lambda: self._answer(body, headers, call, respond))

    def _front_door(self) -> Answer | None:
        """The answer of what stands before the service and is overloaded."""
        world = self._world
        if world.conditions.strikes("429 storm"):
            pause = world.source.choice((None, 1, 3, 10))
            return _plain(429, {} if pause is None else {"retry-after": str(pause)})
        if world.conditions.strikes("failing service"):
            if world.source.random() < 0.3:
                return _plain(503, {"retry-after": str(world.source.choice((1, 5)))})
            return _plain(world.source.choice((500, 502, 503, 504)), {})
        return None

    def _answer(
        self, body: bytes, headers: Mapping[str, str], call: SimulatedCall, respond: Callable[[Answer], None]
    ) -> None:
        world, service, loop = self._world, self.service, self._loop
        batch = Batch()
        try:
            envelope = tunnel.open_envelope(body)
            payload = tunnel.answer(service, envelope, headers.get("If-Match"), Context(batch, "192.0.2.1"))
        except Rejected as refusal:
            answer = Answer(refusal.status, {}, dumps(refusals.body(refusal)))
        else:
            world.invariants.acted(call)
            answer = Answer(200, {}, dumps({"payload": payload}))
            if world.conditions.strikes("failing service"):
                # A proxy lost the answer of what was done.
                answer = _plain(world.source.choice((500, 502, 504)), {})
        written, self._number = self._store.count, self._number + 1
        number = self._number
        self._requests[number] = call.reset

        def write() -> None:
            self._requests.pop(number, None)
            if self._store.committed < written:
                world.invariants.violated("durable", "an answer was sent before its commands were committed")
            service.release_soon(batch, None)
            respond(answer)

        service.committer.when_kept(lambda: loop.run(write))


def _plain(status: int, headers: Mapping[str, str]) -> Answer:
    return Answer(status, headers, b"busy")
