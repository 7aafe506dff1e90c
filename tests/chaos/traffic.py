"""Work for the workers: tasks that come, what workers do with them, and what others do to them meanwhile."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

from tests.chaos.lane import Lane, Tally
from tests.chaos.ledger import Ledger
from twilio_taskrouter_worker.errors import RequestRejectedError
from twilio_taskrouter_worker.local import LocalTaskRouter
from twilio_taskrouter_worker.local.engine import commands
from twilio_taskrouter_worker.reservation import Reservation

CHANNELS = ("default", "chat", "sms", "voice")
CHAT_CAPACITY = 3


class Traffic:
    """Tasks through two workflows: one offers to one worker for 2 s, the other to three at a time for 6 s."""

    def __init__(self, router: LocalTaskRouter, ledger: Ledger, tally: Tally, lanes: Sequence[Lane], seed: str) -> None:
        self.random = random.Random(f"{seed}-traffic")
        self.created = 0
        self._router = router
        self._ledger = ledger
        self._tally = tally
        self._lanes = lanes
        self._workspace_sid = router.workspace_sid
        self._do(commands.UpdateWorkflow, sid=router.workflow_sid, task_reservation_timeout=2)
        crowd = self._do(commands.CreateTaskQueue, friendly_name="Crowd", target_workers="1==1", max_reserved_workers=3)
        self._queues = (router.task_queue_sid, crowd.sid)
        wide = self._do(
            commands.CreateWorkflow,
            friendly_name="Wide",
            configuration=json.dumps({"task_routing": {"default_filter": {"queue": crowd.sid}}}),
            task_reservation_timeout=6,
        )
        self._workflows = (router.workflow_sid, wide.sid)
        for lane in lanes:
            self._do(commands.UpdateWorkerChannel, worker_sid=lane.sid, channel="chat", capacity=CHAT_CAPACITY)

    def _do(self, command: type[commands.Command], **fields: Any) -> Any:
        return self._router._execute(command(workspace_sid=self._workspace_sid, **fields))  # type: ignore[call-arg]

    # -- from outside ----------------------------------------------------------------------------------------------

    def come(self) -> None:
        """A task comes, unless plenty wait already; now and then for one worker only."""
        if len(self._ledger.waiting_tasks) >= 3 * len(self._lanes):
            return
        self.created += 1
        target = self.random.choice(self._lanes).sid if self.random.random() < 0.1 else None
        self._router.create_task(
            {"number": self.created},
            workflow_sid=None if target else self.random.choice(self._workflows),
            task_queue_sid=self._queues[0] if target else None,
            routing_target=target,
            task_channel=self.random.choice(CHANNELS),
            priority=self.random.randint(0, 3),
            timeout=self.random.randint(8, 30),
        )

    def meddle(self) -> None:
        """Somebody cancels, completes, deletes or changes a task, or a worker, behind the workers' backs."""
        tasks = list(self._ledger.waiting_tasks)
        if not tasks:
            return
        sid = self.random.choice(tasks)
        deed = self.random.choice(("cancel", "cancel", "complete", "wrap", "delete", "attributes", "touch"))
        try:
            if deed == "touch":
                self.random.choice(self._lanes).touch()
            elif deed == "delete":
                self._do(commands.DeleteTask, sid=sid)
            elif deed == "attributes":
                self._do(commands.UpdateTask, sid=sid, attributes=json.dumps({"changed": self.random.random()}))
            else:
                status = {"cancel": "canceled", "complete": "completed", "wrap": "wrapping"}[deed]
                self._do(commands.UpdateTask, sid=sid, assignment_status=status)
        except RequestRejectedError:
            pass  # the task is in another state, or gone

    def wake(self) -> None:
        """Whoever let an offer pass was moved offline, as on Twilio; bring them back."""
        for worker in self._router.workers():
            if not worker.available:
                self._do(commands.UpdateWorker, sid=worker.sid, activity_sid=self._router.activities["Available"])

    def settle(self) -> None:
        """Take back every task that nobody has accepted, so that nothing happens by itself any more."""
        for sid in list(self._ledger.waiting_tasks):
            try:
                self._do(commands.UpdateTask, sid=sid, assignment_status="canceled")
            except RequestRejectedError:
                pass
        for reservation in self._router.reservations():
            if reservation.reservation_status == "pending":
                # A transfer under way: its task cannot be canceled.
                self._do(commands.DeleteTask, sid=reservation.task_sid)

    # -- what workers do -------------------------------------------------------------------------------------------

    def work(self) -> None:
        """A worker does something with one of its reservations."""
        lane = self.random.choice(self._lanes)
        reservations = list(lane.worker.reservations.values())
        if not reservations:
            return
        reservation = self.random.choice(reservations)
        if reservation.status == "pending":
            self._answer(reservation)
        elif reservation.status == "accepted":
            self._proceed(reservation, lane)
        else:
            self._tally.call(self.random.choice((reservation.complete, lambda: reservation.task.complete("done"))))

    def _answer(self, reservation: Reservation) -> None:
        chance = self.random.random()
        if chance < 0.6:
            self._tally.call(reservation.accept)
        elif chance < 0.75:
            self._tally.call(reservation.reject)

    def _proceed(self, reservation: Reservation, lane: Lane) -> None:
        task = reservation.task
        deeds = ("complete", "finish", "wrap", "wrap up", "transfer", "transfer", "attributes", "wait")
        deed = self.random.choice(deeds)
        if deed == "complete":
            self._tally.call(reservation.complete)
        elif deed == "finish":
            self._tally.call(lambda: task.complete("done"))
        elif deed == "wrap":
            self._tally.call(reservation.wrap)
        elif deed == "wrap up":
            self._tally.call(task.wrap_up)
        elif deed == "attributes":
            self._tally.call(lambda: task.set_attributes({"by": lane.number}))
        elif deed == "transfer":
            other = self.random.choice(self._lanes)
            to = self.random.choice((other.sid, other.sid, *self._queues))
            mode = self.random.choice(("WARM", "COLD"))
            outgoing = task.transfers.outgoing
            if outgoing is not None and outgoing.status == "initiated":
                self._tally.call(outgoing.cancel)
            else:
                self._tally.call(lambda: task.transfer(to, mode=mode))
