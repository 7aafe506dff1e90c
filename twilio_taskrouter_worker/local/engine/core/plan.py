"""A workflow's configuration as it is walked through: filters, and their targets."""

from __future__ import annotations

import attrs

from ..expressions import Expression, Key, Ordering


@attrs.frozen(eq=False, kw_only=True)
class Target:
    """One routing step."""

    index: int
    queue_sid: str
    label: str | None = None
    expression: Expression | None = None
    priority: int | None = None
    timeout: float | None = None
    skip_if: Expression | None = None
    order_by: Ordering | None = None
    known_sid: Key | None = None
    known_name: Key | None = None


@attrs.frozen(eq=False, kw_only=True)
class Filter:
    """Routing steps for the tasks that an expression matches; without one, the default filter."""

    label: str | None
    expression: Expression | None
    targets: tuple[Target, ...]


@attrs.frozen(eq=False, kw_only=True)
class Plan:
    """A whole configuration."""

    text: str = attrs.field(repr=False)
    """The configuration it was compiled from, without white space."""
    filters: tuple[Filter, ...]
    default: Filter | None

    def queue_sids(self) -> frozenset[str]:
        """Return the sids of all queues that are named."""
        every = self.filters if self.default is None else (*self.filters, self.default)
        return frozenset(target.queue_sid for filter in every for target in filter.targets)
