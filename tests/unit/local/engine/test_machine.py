"""Random histories: any commands and any moves of the clock, with what must hold after each.

More of them: ``ENGINE_HISTORIES=5000 pytest tests/unit/local/engine/test_machine.py``.
"""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.tools.seams import kernel_of
from tests.unit.local.engine.driver import EngineDriver
from tests.unit.local.engine.invariants import History, check_snapshot, check_state
from twilio_taskrouter_worker.local.engine import UNSET, Rejected, Rules, commands

picks = st.integers(0, 30)
names = st.sampled_from(["Ann", "Bob", "Cyd", "Dee", "Eve"])
skills = st.lists(st.sampled_from(["en", "es", "vip"]), unique=True)
worker_attributes = st.fixed_dictionaries({}, optional={"skills": skills, "level": st.integers(0, 3)})
task_attributes = st.fixed_dictionaries(
    {},
    optional={
        "language": st.sampled_from(["en", "es", "fr"]),
        "level": st.integers(0, 3),
        "agent": names,
    },
)
queue_expressions = st.sampled_from(
    ["1==1", "", 'skills HAS "es"', "level > 1", 'activity_name == "Available"', 'friendly_name != "Bob"']
)
channel_names = st.sampled_from(["default", "default", "chat"])
rarely = st.sampled_from([False, False, False, False, True])


class Histories(RuleBasedStateMachine):
    """Commands drawn at random against one workspace."""

    @initialize(
        multi_task=st.booleans(),
        voice_delay=st.sampled_from([0.0, 5.0, None]),
        optimized=st.booleans(),
        order=st.sampled_from(["FIFO", "LIFO"]),
        cut=st.integers(0, 100),
    )
    def begin(self, multi_task: bool, voice_delay: float | None, optimized: bool, order: str, cut: int) -> None:
        """Set up two queues, a workflow with everything in it, and two workers."""
        self.cut = cut
        self.history = History()
        rules = Rules(max_assignments=6, assigned_limit=2000.0, voice_answer_delay=voice_delay)
        driver = self.driver = EngineDriver(multi_task=multi_task, rules=rules)
        available = driver.activity("Available" if multi_task else "Idle")
        activities: dict[str, str] = {}
        if not multi_task:
            activities = {
                "reservation_activity_sid": driver.activity("Reserved"),
                "assignment_activity_sid": driver.activity("Busy"),
            }
        self.activities = [available, *(a.sid for a in driver.engine.activities(driver.ws))]
        spanish = driver.queue("Spanish", 'skills HAS "es"', max_reserved_workers=2, **activities)
        last = driver.queue("Last", "1==1", task_order="LIFO", **activities)
        self.flow = driver.workflow(
            {
                "expression": 'language == "es"',
                "targets": [
                    {"queue": spanish, "expression": "worker.level >= task.level", "timeout": 30, "priority": 5},
                    {"queue": spanish, "skip_if": "workers.available == 0", "timeout": 20, "order_by": "worker.level"},
                    {"queue": last},
                ],
            },
            {"expression": 'language == "fr"', "targets": [{"queue": last, "timeout": 15}]},
            {
                "expression": "agent != null",
                "targets": [{"queue": last, "known_worker_friendly_name": "task.agent", "timeout": 40}],
            },
            default={"queue": last},
            task_reservation_timeout=25,
        )
        driver.do("UpdateWorkspace", prioritize_queue_order=order)
        driver.do("UpdateTaskChannel", task_channel="chat", channel_optimized_routing=optimized)
        for name, level in (("Ann", 1), ("Bob", 2), ("Cyd", 3)):
            attributes = json.dumps({"skills": ["es"], "level": level})
            driver.do("CreateWorker", friendly_name=name, activity_sid=available, attributes=attributes)
        for language in ("es", "fr"):
            driver.task({"language": language}, workflow_sid=self.flow)
        self.history.sequence = kernel_of(driver.engine).event_count

    # -- helpers ---------------------------------------------------------------------------------------------

    def try_to(self, name: str, **fields: Any) -> None:
        """Apply a command; it may be refused, and then it must have changed nothing."""
        driver = self.driver
        fields.setdefault("workspace_sid", driver.ws)
        command = getattr(commands, name)(**fields)
        driver.events.clear()
        driver.apply(commands.AdvanceTime())
        before = driver.engine.state_digest()
        try:
            driver.apply(command)
        except Rejected as refusal:
            assert refusal.status in (400, 404, 410, 412)
            assert driver.engine.state_digest() == before
        self.history.check(driver.engine, driver.events)

    def pick(self, kind: str, index: int) -> str:
        """Return the sid of one of the things there are, or one that leads nowhere."""
        engine, ws = self.driver.engine, self.driver.ws
        found = [record.sid for record in getattr(engine, kind)(ws)]
        return found[index % len(found)] if found else "XX" + "0" * 32

    # -- workers ---------------------------------------------------------------------------------------------

    @rule(name=names, attributes=worker_attributes, activity=picks)
    def create_worker(self, name: str, attributes: dict[str, Any], activity: int) -> None:
        """Make a worker, perhaps under a name that is taken."""
        sid = self.activities[activity % len(self.activities)]
        self.try_to("CreateWorker", friendly_name=name, attributes=json.dumps(attributes), activity_sid=sid)

    @rule(worker=picks, activity=st.none() | picks, attributes=st.none() | worker_attributes, reject=st.booleans())
    def update_worker(self, worker: int, activity: int | None, attributes: dict[str, Any] | None, reject: bool) -> None:
        """Change a worker's activity, attributes, or both."""
        self.try_to(
            "UpdateWorker",
            sid=self.pick("workers", worker),
            activity_sid=UNSET if activity is None else self.activities[activity % len(self.activities)],
            attributes=UNSET if attributes is None else json.dumps(attributes),
            reject_pending_reservations=reject,
        )

    @rule(worker=picks, name=names)
    def rename_worker(self, worker: int, name: str) -> None:
        """Give a worker another name."""
        self.try_to("UpdateWorker", sid=self.pick("workers", worker), friendly_name=name)

    @rule(worker=picks, really=rarely)
    def delete_worker(self, worker: int, really: bool) -> None:
        """Remove a worker, if nothing is open."""
        if really:
            self.try_to("DeleteWorker", sid=self.pick("workers", worker))

    @rule(worker=picks, channel=channel_names, capacity=st.integers(0, 3), available=st.booleans())
    def update_channel(self, worker: int, channel: str, capacity: int, available: bool) -> None:
        """Change capacity and switch of a channel."""
        sid = self.pick("workers", worker)
        self.try_to("UpdateWorkerChannel", worker_sid=sid, channel=channel, capacity=capacity, available=available)

    @rule(worker=picks, opened=st.booleans(), flag=st.sampled_from([True, False, None]))
    def session(self, worker: int, opened: bool, flag: bool | None) -> None:
        """Let a session of a worker open or close."""
        sid = self.pick("workers", worker)
        if opened:
            self.try_to("SessionOpened", worker_sid=sid)
        else:
            self.try_to("SessionClosed", worker_sid=sid, set_offline=flag)

    # -- queues and workflows --------------------------------------------------------------------------------

    @rule(queue=picks, expression=queue_expressions, most=st.integers(1, 3), order=st.sampled_from(["FIFO", "LIFO"]))
    def update_queue(self, queue: int, expression: str, most: int, order: str) -> None:
        """Change whom a queue reaches and in which order."""
        sid = self.pick("queues", queue)
        fields = {"target_workers": expression, "max_reserved_workers": most, "task_order": order}
        self.try_to("UpdateTaskQueue", sid=sid, **fields)

    @rule(again=st.booleans(), timeout=st.integers(1, 60))
    def update_workflow(self, again: bool, timeout: int) -> None:
        """Change a workflow, perhaps sending its tasks through it again."""
        self.try_to("UpdateWorkflow", sid=self.flow, task_reservation_timeout=timeout, re_evaluate_tasks=again)

    # -- tasks -----------------------------------------------------------------------------------------------

    @rule(
        attributes=task_attributes,
        priority=st.integers(0, 3),
        channel=channel_names,
        timeout=st.sampled_from([20, 60, 86400]),
    )
    def create_task(self, attributes: dict[str, Any], priority: int, channel: str, timeout: int) -> None:
        """Make an ordinary task."""
        self.try_to(
            "CreateTask",
            attributes=json.dumps(attributes),
            workflow_sid=self.flow,
            priority=priority,
            task_channel=channel,
            timeout=timeout,
        )

    @rule(kind=st.sampled_from(["workers", "queues", "workflows"]), index=picks, ignore=st.sampled_from([None, False]))
    def create_targeted_task(self, kind: str, index: int, ignore: bool | None) -> None:
        """Make a task for one worker, queue or workflow."""
        self.try_to("CreateTask", routing_target=self.pick(kind, index), ignore_capacity=ignore)

    @rule(
        task=picks,
        attributes=st.none() | task_attributes,
        priority=st.none() | st.integers(0, 3),
        channel=st.none() | channel_names,
    )
    def update_task(
        self, task: int, attributes: dict[str, Any] | None, priority: int | None, channel: str | None
    ) -> None:
        """Change the data of a task."""
        self.try_to(
            "UpdateTask",
            sid=self.pick("tasks", task),
            attributes=UNSET if attributes is None else json.dumps(attributes),
            priority=UNSET if priority is None else priority,
            task_channel=UNSET if channel is None else channel,
        )

    @rule(task=picks, status=st.sampled_from(["canceled", "wrapping", "completed"]), version=st.none() | picks)
    def end_task(self, task: int, status: str, version: int | None) -> None:
        """Cancel, wrap up or complete a task, perhaps with a version in mind."""
        sid = self.pick("tasks", task)
        self.try_to("UpdateTask", sid=sid, assignment_status=status, reason="done", if_match=version)

    @rule(task=picks, really=rarely)
    def delete_task(self, task: int, really: bool) -> None:
        """Remove a task in whatever state."""
        if really:
            self.try_to("DeleteTask", sid=self.pick("tasks", task))

    # -- reservations and transfers --------------------------------------------------------------------------

    @rule(
        reservation=picks,
        status=st.sampled_from(["accepted", "accepted", "rejected", "wrapping", "completed"]),
        activity=st.none() | picks,
    )
    def update_reservation(self, reservation: int, status: str, activity: int | None) -> None:
        """Answer a reservation, or end it."""
        self.try_to(
            "UpdateReservation",
            sid=self.pick("reservations", reservation),
            reservation_status=status,
            worker_activity_sid=None if activity is None else self.activities[activity % len(self.activities)],
        )

    def some(self, index: int, *statuses: str) -> list[str]:
        """Return one of the reservations in such a status, in a list that is empty if there is none."""
        found = [r.sid for r in self.driver.engine.reservations(self.driver.ws) if r.reservation_status in statuses]
        return found and [found[index % len(found)]]

    @rule(reservation=picks, status=st.sampled_from(["accepted", "accepted", "rejected"]))
    def answer(self, reservation: int, status: str) -> None:
        """Accept or reject one of those that are pending, so that histories get beyond the first offer."""
        for sid in self.some(reservation, "pending"):
            self.try_to("UpdateReservation", sid=sid, reservation_status=status)

    @rule(reservation=picks, status=st.sampled_from(["wrapping", "completed"]))
    def finish(self, reservation: int, status: str) -> None:
        """Wrap up or complete one of those that are being worked on."""
        for sid in self.some(reservation, "accepted", "wrapping"):
            self.try_to("UpdateReservation", sid=sid, reservation_status=status)

    @rule(
        reservation=picks,
        instruction=st.sampled_from(["accept", "reject", "conference", "dequeue", "call", "redirect", "supervise"]),
        fail=st.sampled_from([None, None, 13223]),
        accept=st.sampled_from(["true", "true", "false"]),
    )
    def instruct(self, reservation: int, instruction: str, fail: int | None, accept: str) -> None:
        """Post an instruction, and settle a voice one."""
        sid = "".join(self.some(reservation, "pending")) or self.pick("reservations", reservation)
        params = {"CallFrom": "a", "CallUrl": "http://b", "CallAccept": accept}
        params |= {"RedirectCallSid": "c", "RedirectUrl": "http://d", "RedirectAccept": accept, "DequeueTo": "e"}
        params["Supervisor"] = self.pick("workers", reservation)
        self.try_to("InstructReservation", sid=sid, instruction=instruction, params=params)
        self.try_to("ResolveInstruction", reservation_sid=sid, canceled_reason_code=fail)

    @rule(reservation=picks)
    def callbacks_fail(self, reservation: int) -> None:
        """Nobody could be asked about an offer."""
        sid = "".join(self.some(reservation, "pending")) or self.pick("reservations", reservation)
        self.try_to("CancelReservation", sid=sid)

    @rule(
        reservation=picks,
        kind=st.sampled_from(["workers", "queues"]),
        to=picks,
        mode=st.sampled_from(["WARM", "COLD"]),
        priority=st.none() | st.integers(0, 3),
    )
    def transfer(self, reservation: int, kind: str, to: int, mode: str, priority: int | None) -> None:
        """Hand over one of the tasks that are accepted."""
        held = [r for r in self.driver.engine.reservations(self.driver.ws) if r.reservation_status == "accepted"]
        if not held:
            return
        record = held[reservation % len(held)]
        self.try_to(
            "CreateTransfer",
            worker_sid=record.worker_sid,
            reservation_sid=record.sid,
            task_sid=record.task_sid,
            to=self.pick(kind, to),
            mode=mode,
            priority=priority,
        )

    @rule(transfer=picks)
    def cancel_transfer(self, transfer: int) -> None:
        """Take a transfer back."""
        found = list(kernel_of(self.driver.engine).workspace(self.driver.ws).transfers.values())
        if found:
            record = found[transfer % len(found)].record
            fields = {"worker_sid": record.initiating_worker_sid, "task_sid": record.task_sid}
            self.try_to("CancelTransfer", sid=record.sid, **fields)

    # -- time ------------------------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.0, 1.0, 10.0, 30.0, 120.0, 600.0, 3000.0]))
    def pass_time(self, seconds: float) -> None:
        """Let time pass, with whatever is due."""
        self.driver.advance(seconds)
        self.history.check(self.driver.engine, self.driver.events)

    @rule()
    def pass_to_deadline(self) -> None:
        """Let exactly the next timer come due."""
        deadline = self.driver.engine.next_deadline()
        if deadline is not None:
            self.pass_time(max(0.0, deadline - self.driver.now))

    # -- what must hold --------------------------------------------------------------------------------------

    @invariant()
    def state_is_sound(self) -> None:
        """Indices, counts, statuses and timers agree with each other."""
        if hasattr(self, "driver"):
            check_state(self.driver.engine)

    def teardown(self) -> None:
        """The journal gives the same state again; so do a snapshot of any moment and the journal from there on."""
        if hasattr(self, "driver"):
            assert self.driver.replayed().state() == self.driver.engine.state()
            check_snapshot(self.driver, len(self.driver.journal) * self.cut // 100)


_examples = int(os.environ.get("ENGINE_HISTORIES", "25"))


@pytest.mark.timeout(max(60, _examples))
def test_random_histories_keep_every_invariant() -> None:
    """Whatever is asked in whatever order, the state stays sound and the journal reproduces it."""
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(
        Histories,
        settings=settings(
            max_examples=_examples,
            stateful_step_count=50,
            deadline=None,
            suppress_health_check=list(HealthCheck),  # pyright: ignore[reportArgumentType]
        ),
    )
