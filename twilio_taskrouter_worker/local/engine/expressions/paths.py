"""The meaning of paths in each context: the input that a path reads, and the closure that reads it.

Reading never fails: a missing key, an index out of range and a step into a value that is not an object all give None.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any

import attrs

from . import moments
from .errors import ExpressionSyntaxError
from .nodes import Path, render_path
from .scopes import ExpressionContext
from .semantics import ACTIVITY_FIELDS, ACTIVITY_SID_PREFIX, CHANNEL_FIELDS, WORKER_FIELDS, is_array, is_object

Steps = tuple["str | int", ...]
Read = Callable[[Any], Any]


@attrs.frozen(kw_only=True)
class Reader:
    """How one path is read, and the inputs that it reads."""

    read: Read
    """Takes the scope of the path's context, returns the value or None; never raises."""
    names: frozenset[str]
    """The inputs, each with the document it belongs to: ``worker.skill``, ``workers.available``."""
    worker_attributes: frozenset[str] = frozenset()
    task_attributes: frozenset[str] = frozenset()
    worker_fields: frozenset[str] = frozenset()
    uses_channels: bool = False
    moment: moments.Field | None = None
    """The ``taskrouter.`` value that is read, if it is one."""
    key: tuple[Read, str] | None = None
    """For a single name: how the document is found, and the name in it."""
    warning: str | None = None
    """The valid alternatives, if the path is only tolerated; None if it is valid."""


# Not yet a syntax error, whose message needs the whole text: readers only know the path.
class UnknownPathError(Exception):
    """A path has no meaning in its context."""

    def __init__(self, path: Path, expected: str) -> None:
        self._path = path
        self._expected = expected
        super().__init__(path, expected)

    def in_text(self, text: str) -> ExpressionSyntaxError:
        """Return the syntax error to raise.

        Args:
            text: The expression, which paths refer to by their spans.
        """
        start, end = self._path.span
        return ExpressionSyntaxError(text, start, text[start:end], self._expected)


def reader_for(path: Path, context: ExpressionContext) -> Reader:
    """Return the reader of a path.

    Args:
        path: The path as parsed.
        context: Where the expression is used.

    Raises:
        UnknownPathError: The path has no meaning in that context.
    """
    # The same path reads different documents, depending on where it is used.
    return _READERS[context](path)


def _worker_reader(path: Path) -> Reader:
    """An unprefixed path; the prefix ``worker.`` is tolerated unless there is an attribute called worker."""
    steps = path.steps
    # The path as written comes first: an attribute may really be called worker.
    plain = _worker_path(steps, attrgetter("attributes"), attrgetter("fields"))
    if not _is_prefixed(steps, "worker"):
        return plain
    return _first_of(plain, _worker_path(steps[1:], attrgetter("attributes"), attrgetter("fields")))


def _worker_list_reader(path: Path) -> Reader:
    """A path as in TargetWorkers, or with the prefix ``worker.`` one that may lead to the worker's channels."""
    steps = path.steps
    if not _is_prefixed(steps, "worker"):
        return _worker_reader(path)
    # The list accepts both spellings: that of TargetWorkers first.
    return _first_of(_worker_reader(path), _routed_worker_path(steps[1:], ""))


def _task_reader(path: Path) -> Reader:
    """An unprefixed path; the prefix ``task.`` is tolerated unless there is an attribute called task."""
    steps = path.steps
    if _is_moment(steps):
        return _moment_reader(steps, attrgetter("now"))
    plain = _task_path(steps, attrgetter("attributes"))
    return _first_of(plain, _task_path(steps[1:], attrgetter("attributes"))) if _is_prefixed(steps, "task") else plain


def _target_reader(path: Path) -> Reader:
    """A path that starts with ``task.`` or ``worker.``; any other is missing, whatever the documents hold."""
    steps = path.steps
    if _is_moment(steps):
        return _moment_reader(steps, attrgetter("task.now"))
    if _is_prefixed(steps, "task"):
        return _task_path(steps[1:], attrgetter("task.attributes"))
    if _is_prefixed(steps, "worker"):
        return _routed_worker_path(steps[1:], "worker.")
    # TaskRouter saves such a key and never finds a value; strict expressions refuse it.
    return Reader(
        read=lambda scope: None,
        names=frozenset({render_path(steps)}),
        warning="a key that starts with task. or worker.",
    )


def _is_moment(steps: Steps) -> bool:
    # An attribute called taskrouter is still read by any other path.
    return len(steps) == 2 and steps[0] == moments.PREFIX and steps[1] in moments.FIELDS


def _moment_reader(steps: Steps, clock: Read) -> Reader:
    """A value of the present time."""
    field = moments.FIELDS[str(steps[1])]

    def read(scope: Any) -> Any:
        now = clock(scope)
        # A scope without a clock, such as that of a test of attributes alone.
        return None if now is None else field.at(now())

    return Reader(read=read, names=frozenset({render_path(steps)}), moment=field)


def order_reader(path: Path) -> Reader:
    """Return the reader of a path of an ``order_by``, which reads from a worker's scope.

    Args:
        path: The path as parsed.

    Raises:
        UnknownPathError: The path does not start with ``worker.``.
    """
    steps = path.steps
    if not _is_prefixed(steps, "worker"):
        raise UnknownPathError(path, "a key that starts with worker.")
    return _routed_worker_path(steps[1:], "")


def _skip_if_reader(path: Path) -> Reader:
    """A count of workers."""
    steps = path.steps
    name = str(steps[1]) if len(steps) == 2 and steps[0] == "workers" else ""
    if name == "available" or name == "unavailable":
        return Reader(read=attrgetter(name), names=frozenset({f"workers.{name}"}))
    if not name.startswith(ACTIVITY_SID_PREFIX):
        raise UnknownPathError(path, "workers.available, workers.unavailable or workers.<Activity sid>")

    def read(scope: Any) -> Any:
        # An activity that does not exist counts 0 workers: the name cannot be checked here.
        return scope.by_activity.get(name, 0)

    return Reader(read=read, names=frozenset({f"workers.{name}"}))


_READERS: dict[ExpressionContext, Callable[[Path], Reader]] = {
    ExpressionContext.WORKER: _worker_reader,
    ExpressionContext.WORKER_LIST: _worker_list_reader,
    ExpressionContext.TASK: _task_reader,
    ExpressionContext.TARGET: _target_reader,
    ExpressionContext.SKIP_IF: _skip_if_reader,
}


def _is_prefixed(steps: Steps, prefix: str) -> bool:
    # "worker" alone, and worker[0], are attributes.
    return len(steps) > 1 and steps[0] == prefix and isinstance(steps[1], str)


def _task_path(steps: Steps, attributes: Read) -> Reader:
    return Reader(
        read=_document_read(steps, attributes),
        names=frozenset({f"task.{render_path(steps)}"}),
        task_attributes=frozenset({str(steps[0])}),
        key=(attributes, str(steps[0])) if len(steps) == 1 else None,
    )


def _worker_path(steps: Steps, attributes: Read, fields: Read) -> Reader:
    """A worker attribute or, for a single name, the worker field behind it."""
    name = str(steps[0])
    attribute = Reader(
        read=_document_read(steps, attributes),
        names=frozenset({f"worker.{render_path(steps)}"}),
        worker_attributes=frozenset({name}),
    )
    if len(steps) > 1 or name not in WORKER_FIELDS:
        return attribute
    field = Reader(read=_document_read(steps, fields), names=attribute.names, worker_fields=frozenset({name}))
    # An attribute takes precedence over the field of the same name.
    return _first_of(attribute, field)


def _routed_worker_path(steps: Steps, scope_prefix: str) -> Reader:
    """A worker path of a workflow target, which sees the worker's channels too."""
    plain = _worker_path(steps, attrgetter(f"{scope_prefix}attributes"), attrgetter(f"{scope_prefix}fields"))
    # Only these three values of a channel can be read; any other path is an attribute.
    if len(steps) != 3 or steps[0] != "channel" or steps[2] not in CHANNEL_FIELDS:
        return plain
    channel = Reader(
        read=_document_read(steps[1:], attrgetter(f"{scope_prefix}channels")), names=plain.names, uses_channels=True
    )
    return _first_of(plain, channel)


def _first_of(first: Reader, second: Reader) -> Reader:
    """Return a reader that falls back to the second where the first is NULL."""
    read_first, read_second = first.read, second.read

    def read(scope: Any) -> Any:
        value = read_first(scope)
        return read_second(scope) if value is None else value

    # Either may be read, so a change of any input of the two counts.
    # Without a ``key``: the short cut for single names reads one document only.
    return Reader(
        read=read,
        names=first.names | second.names,
        worker_attributes=first.worker_attributes | second.worker_attributes,
        task_attributes=first.task_attributes | second.task_attributes,
        worker_fields=first.worker_fields | second.worker_fields,
        uses_channels=first.uses_channels or second.uses_channels,
    )


def _document_read(steps: Steps, document_of: Read) -> Read:
    # A form of its own: nearly all paths are a single name, and this runs for every worker that is tested.
    if len(steps) == 1:
        name = steps[0]

        def read_name(scope: Any) -> Any:
            # Parsed JSON is a dict: the check by type avoids the slower isinstance of an abstract class.
            document = document_of(scope)
            return document.get(name) if type(document) is dict else _step(document, name)

        return read_name

    def read(scope: Any) -> Any:
        value = document_of(scope)
        for step in steps:
            value = value.get(step) if type(value) is dict and type(step) is str else _step(value, step)
        return value

    return read


def _step(value: Any, step: str | int) -> Any:
    if isinstance(step, str):
        return value.get(step) if is_object(value) else None
    # Indices are never negative: the grammar has no sign there.
    return value[step] if is_array(value) and step < len(value) else None


@attrs.frozen
class Inputs:
    """The inputs of an expression or ordering, so that it is evaluated again only after one of them has changed."""

    names: frozenset[str]
    """Every input with the document it belongs to: ``worker.skill``, ``task.type``, ``workers.available``."""
    worker_attributes: frozenset[str]
    """Top-level names of the worker attributes among them."""
    task_attributes: frozenset[str]
    """Top-level names of the task attributes among them."""
    worker_fields: frozenset[str]
    """Worker fields among them: ``sid``, ``friendly_name``, ``activity_sid``, ``activity_name``."""
    uses_channels: bool
    """Whether a worker channel's value is among them."""

    @property
    def uses_worker_fields(self) -> bool:
        """Whether any worker field is read."""
        return bool(self.worker_fields)

    @property
    def uses_activity(self) -> bool:
        """Whether the worker's activity is read."""
        return not self.worker_fields.isdisjoint(ACTIVITY_FIELDS)


def inputs_of(readers: Iterable[Reader]) -> Inputs:
    """Return the inputs of several readers together.

    Args:
        readers: Of all paths of an expression; consumed once.
    """
    # Iterated several times below.
    readers = tuple(readers)
    nothing: frozenset[str] = frozenset()
    return Inputs(
        names=nothing.union(*(reader.names for reader in readers)),
        worker_attributes=nothing.union(*(reader.worker_attributes for reader in readers)),
        task_attributes=nothing.union(*(reader.task_attributes for reader in readers)),
        worker_fields=nothing.union(*(reader.worker_fields for reader in readers)),
        uses_channels=any(reader.uses_channels for reader in readers),
    )
