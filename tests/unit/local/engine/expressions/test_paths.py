"""What a path means in each context, and which inputs an expression says it reads."""

from typing import Any

import pytest

from twilio_taskrouter_worker.local.engine.expressions import (
    SKIP_IF,
    TARGET,
    TASK,
    WORKER,
    WORKER_LIST,
    ExpressionContext,
    ExpressionSyntaxError,
    Scope,
    Semantics,
    TargetScope,
    TaskScope,
    WorkerScope,
    WorkersScope,
    compile_expression,
)

FIELDS = {
    "sid": "WK1",
    "friendly_name": "Alice",
    "activity_sid": "WA1",
    "activity_name": "Idle",
    "available": True,
}
CHANNELS = {"voice": {"configured_capacity": 2, "assigned_tasks": 1, "available_capacity_percentage": 50, "sid": "WC1"}}


def worker(**attributes: Any) -> WorkerScope:
    """Return the scope of Alice with these attributes."""
    return WorkerScope(attributes, FIELDS, CHANNELS)


@pytest.mark.parametrize(
    ("text", "attributes", "expected"),
    [
        ("skill == 3", {"skill": 3}, True),
        ("worker.skill == 3", {"skill": 3}, True),
        ("sid IN ['WK1', 'WK2']", {}, True),
        ("friendly_name == 'Alice'", {}, True),
        ("activity_sid == 'WA1' AND activity_name == 'Idle'", {}, True),
        ("worker.activity_name == 'Idle'", {}, True),
        ("sid == 'mine'", {"sid": "mine"}, True),
        ("worker.sid == 'mine'", {"sid": "mine"}, True),
        ("sid == 'WK1'", {"sid": None}, True),
        ("sid == false", {"sid": False}, True),
        ("sid.x == null", {}, True),
        ("sid[0] == null", {}, True),
        ("available == true", {}, False),
        ("worker.skill == 1", {"skill": 3, "worker": {"skill": 1}}, True),
        ("worker.skill == 3", {"skill": 3, "worker": {"other": 1}}, True),
        ("worker == 'x'", {"worker": "x"}, True),
        ("worker[0] == 'x'", {"worker": ["x"]}, True),
        ("channel.voice.assigned_tasks == null", {}, True),
        ("worker.channel.voice.assigned_tasks == null", {}, True),
        ("task.type == null", {}, True),
    ],
)
def test_worker_context(text: str, attributes: dict[str, Any], expected: bool) -> None:
    """Attributes come first, the four fields behind them; a prefix is tolerated; channels are not visible."""
    assert compile_expression(text, WORKER).matches(worker(**attributes)) is expected


@pytest.mark.parametrize(
    ("text", "attributes"),
    [
        ("type == 'x'", {"type": "x"}),
        ("task.type == 'x'", {"type": "x"}),
        ("task.type == 'inner'", {"type": "x", "task": {"type": "inner"}}),
        ("task == 'x'", {"task": "x"}),
        ("sid == null AND worker.sid == null", {}),
        ("task.a[0].b == 1", {"a": [{"b": 1}]}),
    ],
)
def test_task_context(text: str, attributes: dict[str, Any]) -> None:
    """Paths are task attributes, with or without the prefix."""
    assert compile_expression(text, TASK).matches(TaskScope(attributes)) is True


@pytest.mark.parametrize(
    ("text", "task", "attributes"),
    [
        ("worker.language == task.language", {"language": "es"}, {"language": "es"}),
        ("task.agent IN worker.friends", {"agent": "x"}, {"friends": ["x"]}),
        ("worker.sid == task.sid", {"sid": "WK1"}, {}),
        ("worker.sid == 'mine'", {}, {"sid": "mine"}),
        ("worker.friendly_name == 'Alice' AND worker.activity_name == 'Idle'", {}, {}),
        ("worker.channel.voice.assigned_tasks == 1", {}, {}),
        ("worker.channel.voice.configured_capacity == 2", {}, {}),
        ("worker.channel.voice.available_capacity_percentage >= 50", {}, {}),
        ("worker.channel.voice.sid == null", {}, {}),
        ("worker.channel.chat.assigned_tasks == null", {}, {}),
        ("worker.channel.voice == null AND worker.channel == null", {}, {}),
        ("worker.channel.voice.assigned_tasks.x == null", {}, {}),
        ("worker.other.voice.assigned_tasks == null", {}, {}),
        ("worker.channel.voice.assigned_tasks == 1", {}, {"channel": "voice"}),
        ("worker.channel.voice.assigned_tasks == 7", {}, {"channel": {"voice": {"assigned_tasks": 7}}}),
        ("task.sid == null AND task.worker.sid == null", {}, {}),
        ("task.task.x == 1", {"task": {"x": 1}}, {"x": 2}),
        ("1 == 1", {}, {}),
    ],
)
def test_target_context(text: str, task: dict[str, Any], attributes: dict[str, Any]) -> None:
    """Prefixes tell task from worker; the worker's fields and channels are visible behind its attributes."""
    scope = TargetScope(TaskScope(task), worker(**attributes))
    assert compile_expression(text, TARGET).matches(scope) is True


@pytest.mark.parametrize("path", ["language", "task", "worker", "worker[0]", "workers.available", "Worker.sid", "a.b"])
def test_in_a_target_other_paths_are_missing(path: str) -> None:
    """A path without prefix is missing whatever the documents hold, with a warning; a switch makes it an error."""
    text = f"worker.a == 1 AND null == {path}"
    expression = compile_expression(text, TARGET)
    everything = {"language": 1, "a": 1, "b": 1, "sid": 1, "task": 1, "worker": 1, "available": 1}
    assert expression.matches(TargetScope(TaskScope(everything), WorkerScope(everything))) is True
    (warning,) = expression.warnings
    assert str(warning) == f"the key {path} has no prefix and is always missing at line 1, column 27"
    with pytest.raises(ExpressionSyntaxError, match=r"a key that starts with task\. or worker\.") as caught:
        compile_expression(text, TARGET, Semantics(strict_expressions=True))
    assert (caught.value.found, caught.value.position.offset) == (path, 26)


@pytest.mark.parametrize(
    ("text", "attributes"),
    [
        ("skills.1to1 == 1", {"skills": {"1to1": 1}}),
        ("skills.24x7.2 == 1", {"skills": {"24x7": {"2": 1}}}),
        ("skills.1.2.3 == 1", {"skills": {"1": {"2": {"3": 1}}}}),
        ("2fa == 1", {"2fa": 1}),
        ("2fa.3d==1", {"2fa": {"3d": 1}}),
    ],
)
def test_parts_of_keys_may_begin_with_a_digit(text: str, attributes: dict[str, Any]) -> None:
    """After a dot any part may; the first one where it cannot be a number."""
    assert compile_expression(text, TASK).matches(TaskScope(attributes)) is True


def test_a_list_of_workers_sees_their_channels() -> None:
    """With the prefix a TargetWorkersExpression reads channels; a queue's TargetWorkers does not."""
    text = "worker.channel.voice.assigned_tasks > 0 AND level > 1"
    scope = WorkerScope({"level": 2}, {}, {"voice": {"assigned_tasks": 1}})
    assert compile_expression(text, WORKER_LIST).matches(scope) is True
    assert compile_expression(text, WORKER_LIST).uses_channels is True
    assert compile_expression(text, WORKER).matches(scope) is False


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("workers.available == 2", True),
        ("workers.available == 0", False),
        ("workers.unavailable > workers.available", True),
        ("workers.WA1 == 4", True),
        ("workers.WAother == 0", True),
        ("1 == 1", True),
        ("workers.available == 0 OR workers.WA1 >= 4", True),
    ],
)
def test_skip_if_context(text: str, expected: bool) -> None:
    """Counts of workers by availability and by activity; an activity without workers counts none."""
    scope = WorkersScope(available=2, unavailable=3, by_activity={"WA1": 4})
    assert compile_expression(text, SKIP_IF).matches(scope) is expected


@pytest.mark.parametrize(
    "path", ["available", "workers", "workers.idle", "workers.available.x", "workers[0]", "worker.sid", "task.x"]
)
def test_skip_if_context_refuses_other_paths(path: str) -> None:
    """Anything but the counts is a syntax error that lists them."""
    with pytest.raises(ExpressionSyntaxError, match=r"workers\.available, workers\.unavailable or workers\.<Activity"):
        compile_expression(f"{path} == 0", SKIP_IF)


@pytest.mark.parametrize("context", [TASK, TARGET, SKIP_IF])
@pytest.mark.parametrize("text", ["", "  \n"])
def test_empty_text_is_an_error_but_for_workers(text: str, context: ExpressionContext) -> None:
    """Only TargetWorkers may be empty."""
    with pytest.raises(ExpressionSyntaxError, match="<EOF>"):
        compile_expression(text, context)


@pytest.mark.parametrize(
    ("context", "text", "names", "worker_attributes", "task_attributes", "fields", "activity", "channels"),
    [
        (WORKER, "a.b[0] > 1 AND c == 1", {"worker.a.b[0]", "worker.c"}, {"a", "c"}, set(), False, False, False),
        (WORKER, "sid == 'x'", {"worker.sid"}, {"sid"}, set(), True, False, False),
        (WORKER, "activity_name == 'x'", {"worker.activity_name"}, {"activity_name"}, set(), True, True, False),
        (WORKER, "activity_sid.x == 1", {"worker.activity_sid.x"}, {"activity_sid"}, set(), False, False, False),
        (WORKER, "worker.a == 1", {"worker.worker.a", "worker.a"}, {"worker", "a"}, set(), False, False, False),
        (TASK, "a.b == task.c", {"task.a.b", "task.task.c", "task.c"}, set(), {"a", "task", "c"}, False, False, False),
        (
            TARGET,
            "worker.activity_sid == task.a OR worker.channel.voice.assigned_tasks < 1",
            {"worker.activity_sid", "task.a", "worker.channel.voice.assigned_tasks"},
            {"activity_sid", "channel"},
            {"a"},
            True,
            True,
            True,
        ),
        (
            SKIP_IF,
            "workers.available == 0 OR workers.WA1 == 1",
            {"workers.available", "workers.WA1"},
            set(),
            set(),
            False,
            False,
            False,
        ),
        (WORKER, "1 == 1", set(), set(), set(), False, False, False),
        (WORKER, "", set(), set(), set(), False, False, False),
    ],
)
def test_inputs(
    context: ExpressionContext,
    text: str,
    names: set[str],
    worker_attributes: set[str],
    task_attributes: set[str],
    fields: bool,
    activity: bool,
    channels: bool,
) -> None:
    """An expression tells what it reads, so that membership is recomputed only when that changed."""
    expression = compile_expression(text, context)
    assert expression.names == names
    assert expression.worker_attributes == worker_attributes
    assert expression.task_attributes == task_attributes
    assert expression.uses_worker_fields is fields
    assert expression.uses_activity is activity
    assert expression.uses_channels is channels


def test_a_scope_sees_its_documents_change() -> None:
    """One scope per worker can be kept while the mappings it refers to change in place."""
    attributes = {"skill": 1}
    scope = WorkerScope(attributes)
    expression = compile_expression("skill > 1", WORKER)
    assert expression.matches(scope) is False
    attributes["skill"] = 2
    assert expression.matches(scope) is True


@pytest.mark.parametrize(
    "scope",
    [WorkerScope({"pin": 4711}), TaskScope({"pin": 4711}), TargetScope(TaskScope({"pin": 4711}), WorkerScope({}))],
)
def test_no_scope_shows_attributes(scope: Scope) -> None:
    """A repr that lands in a log gives nothing away."""
    assert "4711" not in repr(scope)
