"""One simulation: a plan carried out by clients, service, network and users, until all is quiet or a check fails."""

from __future__ import annotations

import gc
import logging
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import attrs

from twilio_taskrouter_worker import Worker
from twilio_taskrouter_worker._log import LOCAL
from twilio_taskrouter_worker.local.engine import commands

from . import client as clients
from . import network, seams
from .client import Client
from .invariants import Invariants, Violation
from .network import Conditions, Network
from .plan import ACTIONS, WINDOWS, Item, Plan
from .scheduler import Scheduler
from .service import ServiceMachine
from .storage import Disk, SimulatedStore
from .users import Users

__all__ = ["Outcome", "World", "run"]

EPOCH = 1_800_000_000.0
"""The time of day at which every simulation starts."""
HEALING = 260.0
"""Seconds from the end of all faults until all must be well: the longest pauses of clients have passed by then."""
STEPS_PER_HOUR = 50_000
"""More steps per worker than this mean that something runs in circles."""
MEMORY_INTERVAL = 60.0
"""Seconds between two checks of what clients and service keep."""
QUIET_STEPS = 400
"""How often half a second more is given to messages that are still under way."""


@attrs.frozen
class Outcome:
    """What one simulation came to."""

    plan: Plan
    steps: int
    events: int
    """Events that were announced to users."""
    calls: int
    faults: Counter[str]
    violation: Violation | None
    trace: tuple[str, ...]
    """The latest events before a violation."""
    fingerprint: int
    """Equal for two runs of a plan if they were the same, step by step."""


class World:
    """Everything of one simulation.

    Args:
        plan: What is to happen.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.source = random.Random(f"world {plan.seed}")
        self.scheduler = Scheduler()
        self.faults: Counter[str] = Counter()
        self.conditions = Conditions(self.source, self.faults)
        self.event_delay = self.source.choice((0.003, 0.05))
        self.client_clock = 0.0
        """How far the time of day of the clients' machine is ahead of the service's."""
        self._most_steps = 20_000 + STEPS_PER_HOUR * plan.worker_hours
        self.working = True
        """Whether the users are at work."""
        self.events = self.acted = self.fingerprint = 0
        self._trace: list[str] = []
        self.clients: list[Client] = []
        self.invariants = Invariants(self)
        self.network = Network(self)
        self.disk = Disk()

    # -- what the others need ----------------------------------------------------------------------------------------

    def trace(self, worker: int, event: str, emitter: object) -> None:
        """Note an event that is announced to a user."""
        self.events += 1
        sid = "" if isinstance(emitter, Worker) else getattr(emitter, "sid", "")
        self._trace.append(f"{self.scheduler.now:10.3f} s  worker {worker}  {event} {sid}")
        self.fingerprint = hash_of(self.fingerprint, round(self.scheduler.now * 1e6), worker, len(event))
        if len(self._trace) > 400:
            del self._trace[:200]

    # -- the run -----------------------------------------------------------------------------------------------------

    def run(self) -> Outcome:
        """Carry the plan out."""
        violation: Violation | None = None
        with self._seams():
            self.service = ServiceMachine(self)
            self.users = Users(self)
            for number in range(self.plan.workers):
                self._hire(number)
            for item in self.plan.items:
                self.scheduler.at(item.at, partial(self._carry_out, item))
            try:
                self._run()
            except Violation as found:
                violation = found
        return Outcome(
            plan=self.plan,
            steps=self.scheduler.steps,
            events=self.events,
            calls=self.invariants.futures,
            faults=self.faults,
            violation=violation,
            trace=tuple(self._trace[-60:]),
            fingerprint=hash_of(self.fingerprint, self.scheduler.steps, self.acted),
        )

    def _run(self) -> None:
        self._watch_memory()
        self.scheduler.run(self.plan.seconds, self._check)
        self._heal()
        self.scheduler.run(self.scheduler.now + HEALING, self._check)
        for _ in range(QUIET_STEPS):
            if self._quiet():
                break
            self.scheduler.run(self.scheduler.now + 0.5, self._check)
        else:
            self.invariants.check_connected()
            self.invariants.violated("converges", "messages are still under way, though all is healed")
        self.invariants.check_quiet()
        self._check()

    def _watch_memory(self) -> None:
        self.invariants.check_memory()
        self.scheduler.after(MEMORY_INTERVAL, self._watch_memory)

    def _check(self) -> None:
        if self.scheduler.steps > self._most_steps:
            self.invariants.violated("no livelock", f"{self.scheduler.steps} steps by {self.scheduler.now:.3f} s")
        if self.invariants.violation is not None:
            raise self.invariants.violation

    def _quiet(self) -> bool:
        """Whether nothing is under way, and will not be for the next moment."""
        if self.network.under_way or not self.service.up:
            return False
        for each in self.clients:
            # A socket ends with the token that opened it, also with one from before the healing.
            if not each.ready:
                return False
            connection = each.worker._connection
            if connection is None or not connection.dispatcher.idle or each.worker._state.ended:  # type: ignore[attr-defined]
                return False
            if each.worker._calls.in_flight:
                return False
        deadline = self.service.engine.next_deadline()
        soon = deadline is not None and deadline - self.service.service.clock.now() < 1.0
        return not soon and self.scheduler.now - self._last_change() > 1.0

    def _last_change(self) -> float:
        return self.service.engine.now - EPOCH

    def _hire(self, number: int) -> None:
        client = Client(self, number)
        self.users.employ(client)
        self.clients.append(client)
        client.start()

    # -- the plan ----------------------------------------------------------------------------------------------------

    def _carry_out(self, item: Item) -> None:
        client = self.clients[item.worker]
        if item.kind in ACTIONS:
            self.users.act(client, item.kind, item.share)
        elif item.kind in WINDOWS:
            self._begin(item)
        elif item.kind == "task":
            self._create_task(item)
        else:
            self.faults[item.kind] += 1
            getattr(self, f"_{item.kind.replace(' ', '_').replace('-', '_')}")(client, item.share)

    def _begin(self, item: Item) -> None:
        """Begin a disturbance for 5 to 95 s, of a strength from 0.05 to 1."""
        self.conditions.set(item.kind, 0.05 + 0.95 * item.share**2)
        self.scheduler.after(5 + 90 * (item.share * 7919 % 1), lambda: self.conditions.set(item.kind, 0.0))

    def _create_task(self, item: Item) -> None:
        service = self.service
        service.execute(
            commands.CreateTask(
                workspace_sid=service.workspace_sid,
                attributes=f'{{"number": {item.share}}}',
                priority=int(item.share * 3),
                timeout=(60, 600, 86400)[int(item.share * 997) % 3],
            )
        )

    def _cut(self, client: Client, share: float) -> None:
        for link in self.network.of(client.number):
            link.break_off()

    def _half_open(self, client: Client, share: float) -> None:
        for link in self.network.of(client.number):
            link.go_silent()

    def _evict(self, client: Client, share: float) -> None:
        if self.service.up:
            self.service.evict(client.number)
        if self.plan.reconnects:
            self.scheduler.after(60 * share, lambda: self._restart(client))

    def _restart(self, client: Client) -> None:
        if not client.dead and self.service.up:
            client.start()

    def _expire_tokens(self, client: Client, share: float) -> None:
        if self.service.up:
            self.service.expire_tokens(client.number)

    def _new_token(self, client: Client, share: float) -> None:
        if self.service.up and not client.dead and client.worker.connected:
            client.worker.update_token(self.service.token(client.number))

    def _clock_jump(self, client: Client, share: float) -> None:
        self.client_clock = 7200 * (share - 0.5)

    def _kill_service(self, client: Client, share: float) -> None:
        self.service.kill(in_commit=None if share < 0.4 else share < 0.7)

    def _kill_client(self, client: Client, share: float) -> None:
        client.kill()

        def again() -> None:
            self._hire_again(client.number)

        self.scheduler.after(30 * share, again)

    def _hire_again(self, number: int) -> None:
        old = self.clients[number]
        if old.dead:
            if not self.service.up:
                self.scheduler.after(5.0, lambda: self._hire_again(number))
                return
            client = Client(self, number)
            self.users.employ(client)
            self.clients[number] = client
            client.start()

    def _restart_connection(self, client: Client, share: float) -> None:
        if not client.dead:
            client.disconnect()
            self.scheduler.after(20 * share, lambda: self._restart(client))

    def _heal(self) -> None:
        """The end of all faults; the users go home."""
        self.working = False
        self.conditions.clear()
        self.disk.dies_at_commit = None

        def revive() -> None:
            for client in self.clients:
                if self.service.up and not client.dead:
                    client.start()
                    if not client.has_provider:
                        client.worker.update_token(self.service.token(client.number))

        # The service may still be starting, and a client find out late that it is evicted.
        for delay in (0.0, 45.0, 90.0):
            self.scheduler.after(delay, revive)

    # -- the seams ---------------------------------------------------------------------------------------------------

    @contextmanager
    def _seams(self) -> Iterator[None]:
        scheduler = self.scheduler
        network.Exchange.world = self
        clients.SimulatedDispatcher.world = clients.SimulatedReceiver.world = self
        clients._Worker._timings = clients.timings(self.source.random)

        class Opened:
            """Opens the service's file."""

            @staticmethod
            def open(path: str) -> SimulatedStore:
                return SimulatedStore(self.disk)

        LOCAL.disabled, level = True, logging.root.manager.disable
        logging.disable(logging.CRITICAL)
        collecting = gc.isenabled()
        # At moments that the seed does not decide, it would run finalizers.
        gc.disable()
        try:
            with seams.replaced(
                client=seams.ClockOf(lambda: scheduler.now, lambda: EPOCH + scheduler.now + self.client_clock),
                service=seams.ClockOf(lambda: scheduler.now, lambda: EPOCH + scheduler.now),
                pool=clients.Pool(self),
                timers=clients.Timers(self),
                source=self.source,
                dispatcher=clients.SimulatedDispatcher,
                receiver=clients.SimulatedReceiver,
                call=clients.SimulatedCall,
                exchange=network.Exchange,
                store=Opened,
            ):
                yield
        finally:
            logging.disable(level)
            LOCAL.disabled = False
            if collecting:
                gc.enable()


def hash_of(*numbers: int) -> int:
    """A hash that is the same in every process."""
    value = 0
    for number in numbers:
        value = (value * 1_000_003 ^ number) & 0xFFFFFFFFFFFF
    return value


def run(plan: Plan) -> Outcome:
    """Run one simulation.

    Args:
        plan: What is to happen.
    """
    return World(plan).run()
