"""The event log and the facts: what they keep, and how far back."""

from __future__ import annotations

import gc
import json

from twilio_taskrouter_worker.local.engine import Engine, Event, commands
from twilio_taskrouter_worker.local.server.events import event_fields
from twilio_taskrouter_worker.local.server.events.event_log import Entry, EventLog
from twilio_taskrouter_worker.local.server.events.facts import Facts
from twilio_taskrouter_worker.local.server.http.windows import Window


def happened() -> tuple[str, list[Event]]:
    """A workspace, and what happens in it at 0, 10, 20 and 30 seconds."""
    engine = Engine(account_sid="AC" + "0" * 32)
    outcome = engine.apply(commands.CreateWorkspace(friendly_name="W", template="FIFO"), 0.0)
    workspace, events = outcome.result.sid, list(outcome.events)
    for moment in (10.0, 20.0, 30.0):
        events += engine.apply(commands.CreateTask(workspace_sid=workspace), moment).events
    other = engine.apply(commands.CreateWorkspace(friendly_name="Other", template="NONE"), 30.0)
    return workspace, [*events, *other.events]


def test_log_is_bounded_and_apart() -> None:
    """The log keeps the latest events, finds them by sid, and keeps workspaces apart."""
    workspace, events = happened()
    log = EventLog(kept=20)
    for event in events:
        log.add(Entry(event, "W", workspace, None))
    assert len(log) == 20
    assert log.find(events[0].sid) is None
    entry = log.find(events[-1].sid)
    assert entry is not None and entry.event is events[-1]
    mine = [entry.event for entry in log.backwards(workspace, 20.0)]
    assert mine == [event for event in reversed(events) if event.workspace_sid == workspace and event.at >= 20.0]


def test_ledger_is_bounded_and_cut() -> None:
    """The facts of counted events are kept up to a limit, and can be read by span."""
    workspace, events = happened()
    facts = Facts(kept=7)
    for event in events:
        facts.note(event)
    assert len(facts) == 7
    found = list(facts.within(workspace, Window(15.0, 25.0)))
    assert {fact.at for fact in found} == {20.0}
    assert {fact.type for fact in found} == {"workflow.entered", "task-queue.entered", "task.created"}
    assert all(fact.workflow_sid and fact.channel_name == "default" for fact in found)
    # Its queue is found only on the way through the workflow.
    assert [fact.type for fact in found if fact.queue_sid is None] == ["workflow.entered"]


def test_facts_travel_and_cost_the_collector_nothing() -> None:
    """Facts come back from JSON as they were, up to a moment; the garbage collector does not go through them."""
    workspace, events = happened()
    facts, again, earlier = Facts(), Facts(), Facts()
    for event in events:
        facts.note(event)
    again.add(json.loads(json.dumps(facts.take_new())))
    assert again.all() == facts.all()
    assert facts.take_new() == again.take_new() == []
    earlier.add(facts.all(), up_to=20.0)
    assert {fact.at for fact in earlier.within(workspace, Window(0.0, 100.0))} == {10.0, 20.0}
    gc.collect()
    assert not any(map(gc.is_tracked, facts.all()))


def test_every_event_has_a_resource_and_a_sentence() -> None:
    """Each event names its resource by type, sid and path, and says what happened."""
    _, events = happened()
    for event in events:
        kind, sid, path = event_fields.resource(event)
        assert path.startswith("Workspaces/WS")
        assert path.endswith(sid)
        assert event_fields.description(event).lower().startswith(kind.replace("-", " "))
        assert event_fields.fields(event, "W")["workspace_name"] == "W"
