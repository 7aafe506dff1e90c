"""The users: programs that accept, complete, change and transfer, from several threads and not without mistakes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any

from twilio_taskrouter_worker import Reservation, Task, TaskRouterError

if TYPE_CHECKING:
    from .client import Client
    from .world import World

__all__ = ["Users"]


class Users:
    """Acts for the users of all clients.

    Each client's program reacts to its events: it accepts what is offered, works on it, completes it, and comes back
    from the activity into which a timeout moved it. ``act`` does what the plan adds to that at any moment, from
    another thread as it were.

    Args:
        world: The world.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._ended: dict[Client, list[Reservation]] = {}

    def employ(self, client: Client) -> None:
        """Add a client's listeners.

        Args:
            client: The client, not yet started.
        """
        worker = client.worker
        worker.on("reservation_created", lambda reservation: self._offered(client, reservation))
        worker.on("activity_updated", lambda _: self._think(client, lambda: self._come_back(client)))
        worker.on("ready", lambda _: self._ready(client))

    # -- what programs do --------------------------------------------------------------------------------------------

    def _think(self, client: Client, step: Callable[[], object], factor: float = 1.0) -> None:
        """Take a step after a while, on a thread of the user's, unless the users have gone home by then."""
        world = self._world
        delay = factor * world.source.expovariate(1 / world.plan.thinking)

        def then() -> None:
            if not client.dead and world.working:
                self._try(step)

        world.scheduler.after(delay, then)

    def _try(self, step: Callable[[], object]) -> None:
        try:
            result = step()
        except TaskRouterError:
            # Not ready, or disconnected: the user sees it at once.
            return
        for future in result if isinstance(result, list) else [result]:
            if isinstance(future, Future):
                future.add_done_callback(_look)

    def _ready(self, client: Client) -> None:
        client.was_ready()
        self._think(client, lambda: self._come_back(client))
        for reservation in client.worker.reservations.values():
            if reservation.status != "pending":
                self._think(client, partial(self._work, client, reservation), 3.0)

    def _offered(self, client: Client, reservation: Reservation) -> None:
        reservation.on("timeout", self._note(client))
        reservation.on("completed", self._note(client))
        chance = self._world.source.random()
        if chance < 0.85:
            self._think(client, lambda: self._accept(client, reservation))
        elif chance < 0.92 and self._world.working:
            self._try(reservation.reject)

    def _note(self, client: Client) -> Callable[[Reservation], None]:
        def ended(reservation: Reservation) -> None:
            kept = self._ended.setdefault(client, [])
            kept.append(reservation)
            del kept[:-5]

        return ended

    def _accept(self, client: Client, reservation: Reservation) -> Any:
        future = reservation.accept()
        future.add_done_callback(
            lambda done: (
                self._think(client, lambda: self._work(client, reservation), 3.0)
                if not done.cancelled() and done.exception() is None
                else None
            )
        )
        return future

    def _work(self, client: Client, reservation: Reservation) -> Any:
        """Finish the task in one of the usual ways; what fails is tried again as long as it is open."""
        if reservation.sid not in client.worker.reservations:
            return None
        way = self._world.source.random()
        future: Future[Any]
        if way < 0.5:
            future = reservation.complete()
        elif way < 0.7:
            # One after the other without waiting: they must take effect in this order.
            futures: list[Future[Any]] = [
                reservation.task.set_attributes({"result": way}),
                reservation.wrap(),
                reservation.complete(),
            ]
            for each in futures[:-1]:
                each.add_done_callback(_look)
            future = futures[-1]
        elif way < 0.9:
            future = reservation.task.complete("done")
        else:
            future = reservation.wrap()
        self._think(client, lambda: self._work(client, reservation), 6.0)
        return future

    def _come_back(self, client: Client) -> Any:
        worker = client.worker
        if worker.available:
            return None
        return worker.activities.by_name("Available").set_as_current()

    # -- what the plan adds ------------------------------------------------------------------------------------------

    def act(self, client: Client, action: str, share: float) -> None:
        """Do something at once, if there is anything to do it with.

        Args:
            client: The client.
            action: One of ``plan.ACTIONS``.
            share: Chooses the object.
        """
        if not client.dead and client.worker._state.record is not None:
            self._try(lambda: self._do(client, action, share))

    def _do(self, client: Client, action: str, share: float) -> Any:
        worker = client.worker
        if action == "worker attributes in a row":
            return [worker.set_attributes({"count": count, "share": share}) for count in range(1 + int(share * 4))]
        if action == "activity":
            name = ("Available", "Unavailable", "Offline")[int(share * 3)]
            return worker.activities.by_name(name).set_as_current(reject_pending_reservations=0.4 < share < 0.6)
        if action == "fetch" and share < 0.3:
            return worker.fetch_latest_version()
        if action == "complete ended":
            ended = self._ended.get(client)
            return ended[int(share * len(ended))].complete() if ended else None
        chosen = _choose(list(worker.reservations.values()), share)
        return None if chosen is None else self._do_with(client, chosen, action, share)

    def _do_with(self, client: Client, reservation: Reservation, action: str, share: float) -> Any:
        task = reservation.task
        simple: dict[str, Callable[[], Any]] = {
            "accept": lambda: self._accept(client, reservation),
            "accept twice": lambda: [reservation.accept(), reservation.accept()],
            "reject": reservation.reject,
            "wrap": reservation.wrap,
            "complete": reservation.complete,
            "complete task": lambda: task.complete("over"),
            "task attributes": lambda: task.set_attributes({"share": share}),
            "task attributes in a row": lambda: [
                task.set_attributes({"share": share, "count": count}) for count in range(3)
            ],
            "transfer": lambda: self._transfer(client, task, share),
            "cancel transfer": lambda: _cancel_transfer(task),
            "fetch": lambda: [reservation.fetch_latest_version(), task.fetch_latest_version()],
            "cancel a call": lambda: _cancelled(task, share),
        }
        return simple[action]()

    def _transfer(self, client: Client, task: Task, share: float) -> Any:
        workers = self._world.service.workers
        to = workers[int(share * 7919) % len(workers)]
        return task.transfer(to, mode="WARM" if share < 0.5 else "COLD")


def _look(future: Future[Any]) -> None:
    if not future.cancelled():
        future.exception()


def _choose(reservations: list[Reservation], share: float) -> Reservation | None:
    return reservations[int(share * len(reservations))] if reservations else None


def _cancel_transfer(task: Task) -> Any:
    outgoing = task.transfers.outgoing
    return None if outgoing is None else outgoing.cancel()


def _cancelled(task: Task, share: float) -> Any:
    futures = [task.set_attributes({"share": share, "count": count}) for count in range(3)]
    futures[1 + int(share * 2)].cancel()
    return futures
