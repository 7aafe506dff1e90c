"""A compiled workflow configuration: filters and their targets.

A plan is immutable. A task keeps the plan it entered with, so an update of the workflow does not move its tasks unless
they are re-evaluated.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from ..expressions import Expression, Key, Ordering


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
    # Paths in the task's attributes; at most one of the two.
    known_sid: Key | None = None
    known_name: Key | None = None


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


@attrs.frozen(eq=False, kw_only=True)
class Plan:
    """A whole configuration."""

    text: str = attrs.field(repr=False)
    """The configuration it was compiled from, without white space."""
    filters: tuple[Filter, ...]
    default: Filter | None

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
