"""A compiled workflow configuration: filters and their targets.

A plan is immutable. A task keeps the plan it entered with, so an update of the workflow does not move its tasks unless
they are re-evaluated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import attrs

from ..expressions import Expression, Key, Ordering, TaskScope


class KnownWorker(NamedTuple):
    """The worker that a step asks for, as the attributes of a task refer to it."""

    kind: str
    """``sid`` or ``name``: what the attributes have of the worker."""
    key: Key
    """The path of the reference in the attributes."""


@attrs.frozen(eq=False, kw_only=True)
class Target:
    """One routing step: a queue, and the conditions and limits of waiting in it."""

    # In its filter, from 0.
    index: int
    queue_sid: str
    label: str | None = None
    expression: Expression | None = None
    # None: the task keeps its priority.
    priority: int | None = None
    # Seconds; None: until the timeout of the task itself.
    timeout: float | None = None
    skip_if: Expression | None = None
    order_by: Ordering | None = None
    known: KnownWorker | None = None


@attrs.frozen(eq=False, kw_only=True)
class Filter:
    """Routing steps for the tasks that an expression matches; without one, the default filter."""

    label: str | None
    expression: Expression | None
    targets: tuple[Target, ...]

    def time_until(self, index: int) -> float:
        """Return the sum of the timeouts of the targets up to and including one, in seconds.

        Args:
            index: Index of the last target that counts; one without a timeout counts 0.
        """
        # A target without a timeout never expires, so nothing after it is reached by time.
        return sum(target.timeout or 0.0 for target in self.targets[: index + 1])


@attrs.frozen(eq=False)
class FilterIndex:
    """The filters by the value that they require of one attribute, so that a task is not tested against each."""

    name: str
    """The attribute, of which the filters require the most values."""
    kind: type | None
    """The type of these values; None: no filter requires any value, and ``every`` is all that is needed."""
    by_value: Mapping[Any, Sequence[int]]
    """Indices of the filters that require a value of the attribute, or none."""
    rest: Sequence[int]
    """Indices of the filters that require none."""
    every: Sequence[int]
    """The indices of all filters."""

    @classmethod
    def of(cls, filters: Sequence[Filter]) -> FilterIndex:
        """Return the index of filters.

        Args:
            filters: In the order in which a task is tested against them.
        """
        required = [{} if filter.expression is None else filter.expression.required for filter in filters]
        values: dict[tuple[str, type], set[str | int]] = {}
        for each in required:
            for attribute, value in each.items():
                values.setdefault((attribute, type(value)), set()).add(value)
        every = range(len(filters))
        name, kind = max(values, key=lambda key: len(values[key]), default=("", None))
        # A filter that requires a value of another type counts as one that requires none.
        wanted = [each.get(name) if type(each.get(name)) is kind else None for each in required]
        rest = [index for index in every if wanted[index] is None]
        by_value = {
            value: [index for index in every if wanted[index] in (None, value)] for value in wanted if value is not None
        }
        return cls(name, kind, by_value, rest, every)

    def candidates(self, attributes: Mapping[str, Any]) -> Sequence[int]:
        """Return the indices of the filters that may match a task, in order.

        Args:
            attributes: The task's attributes.
        """
        value = attributes.get(self.name)
        # A value of another type may equal several of those that are required: "5" and 5.0 equal 5.
        return self.by_value.get(value, self.rest) if type(value) is self.kind else self.every


@attrs.frozen(eq=False, kw_only=True)
class Plan:
    """A whole configuration."""

    text: str = attrs.field(repr=False)
    """The configuration it was compiled from, without white space."""
    filters: tuple[Filter, ...]
    default: Filter | None
    _index: FilterIndex = attrs.field(
        init=False, repr=False, default=attrs.Factory(lambda plan: FilterIndex.of(plan.filters), takes_self=True)
    )

    def matching(self, task: TaskScope, first: int = 0) -> int | None:
        """Return the index of the first filter that matches a task, or None.

        Args:
            task: Its attributes decide.
            first: The first filter that counts.
        """
        for index in self._index.candidates(task.attributes):
            expression = self.filters[index].expression
            if index >= first and expression is not None and expression.matches(task):
                return index
        return None

    def warnings(self) -> Iterator[str]:
        """Iterate over the ignored parts of the expressions, each with its place in the configuration."""
        # The default filter comes last, as in the walk.
        every = self.filters if self.default is None else (*self.filters, self.default)
        for number, filter in enumerate(every, 1):
            label = filter.label or f"filter {number}"
            parts = [("expression", filter.expression)]
            for target in filter.targets:
                place = f"target {target.index + 1}, "
                parts += [(f"{place}expression", target.expression), (f"{place}skip_if", target.skip_if)]
            for what, expression in parts:
                for warning in expression.warnings if expression is not None else ():
                    yield f"{label}, {what}: {warning}"

    def queue_sids(self) -> frozenset[str]:
        """Return the sids of all queues that a target names."""
        every = self.filters if self.default is None else (*self.filters, self.default)
        return frozenset(target.queue_sid for filter in every for target in filter.targets)
