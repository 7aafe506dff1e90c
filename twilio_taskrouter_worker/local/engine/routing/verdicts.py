"""The parts of an explanation why a task is, or is not, with a worker: as data and as readable text.

``to_dict()`` and ``str()`` show actual values of attributes, which an explanation needs; ``repr()`` does not, because
reprs end up in logs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs

from ..expressions import Verdict

# The details of the other checks contain no values of attributes.
_WITHOUT_VALUES = {
    "queue": "TargetWorkers of the queue is false",
    "target": "the expression of the target is false",
    "known_worker": "is not the known worker",
}
"""By check: its reason without the values of attributes, which its detail has."""


def failing_parts(verdict: Verdict) -> str:
    """Return the smallest parts that make an expression false, each with the actual values.

    Args:
        verdict: Of an expression that is false.
    """
    # The text of a part begins with its result, which the sentence around it has already.
    return "; ".join(str(part).removeprefix("false:").strip() for part in verdict.failing())


def _members(count: int) -> str:
    return "1 member" if count == 1 else f"{count} members"


@attrs.frozen(kw_only=True)
class ExpressionResult:
    """An expression of the configuration and its result."""

    kind: str
    """``expression``, ``skip_if``, ``TargetWorkers``."""
    text: str
    result: bool
    verdict: Verdict | None = attrs.field(default=None, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "kind": self.kind,
            "text": self.text,
            "result": self.result,
            "verdict": None if self.verdict is None else self.verdict.to_dict(),
        }

    def __str__(self) -> str:
        # Only a false expression needs a reason.
        if self.result or self.verdict is None:
            return f"{self.kind} is {'true' if self.result else 'false'}: {self.text or '(empty)'}"
        return f"{self.kind} is false: {failing_parts(self.verdict)}"


@attrs.frozen(kw_only=True)
class Check:
    """One condition on a worker."""

    name: str
    """``queue``, ``target``, ``known_worker``, ``held``, ``routing_target``, ``activity``, ``channel``, ``capacity``"""
    passed: bool
    detail: str = attrs.field(repr=False)
    """The reason; for an expression that is false, its failing parts with the actual values."""
    expression: ExpressionResult | None = attrs.field(default=None, repr=False)
    """The expression that is false, if one decides."""

    def reason(self, *, attributes: bool) -> str:
        """Return the reason.

        Args:
            attributes: Whether to include the values of attributes.
        """
        return self.detail if attributes else _WITHOUT_VALUES.get(self.name, self.detail)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data; ``expression`` is there only if one is false."""
        data: dict[str, Any] = {"name": self.name, "passed": self.passed, "detail": self.detail}
        if self.expression is not None:
            data["expression"] = self.expression.to_dict()
        return data


@attrs.frozen(kw_only=True)
class WorkerVerdict:
    """Whether a worker could take the task now, and which conditions fail."""

    sid: str
    friendly_name: str
    activity_name: str
    checks: tuple[Check, ...]

    @property
    def suitable(self) -> bool:
        """Whether every check is passed."""
        return all(check.passed for check in self.checks)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "sid": self.sid,
            "friendly_name": self.friendly_name,
            "activity_name": self.activity_name,
            "suitable": self.suitable,
            "checks": [check.to_dict() for check in self.checks],
        }

    def reasons(self, *, attributes: bool) -> str:
        """Return the reasons of the checks that fail; empty for a suitable worker.

        Args:
            attributes: Whether to include the values of attributes.
        """
        return "; ".join(check.reason(attributes=attributes) for check in self.checks if not check.passed)

    def __str__(self) -> str:
        # Conditions that hold are left out of the text; to_dict() has them all.
        reasons = self.reasons(attributes=True)
        return f"{self.friendly_name} ({self.activity_name}): {reasons or 'could take it'}"


@attrs.frozen(kw_only=True)
class TargetVerdict:
    """A routing step."""

    index: int
    queue_sid: str
    queue_name: str
    current: bool
    """Whether the task is in this step."""
    members: int
    """Workers in its queue."""
    suited: int
    """Those of them who satisfy its expression and known-worker key, whether or not they are free."""
    expression: str | None
    timeout: float | None
    priority: int | None
    order_by: str | None
    known_worker: str | None
    """The value of the known-worker key; None if the step has no such key."""
    skip_if: ExpressionResult | None
    """Its value now; routing evaluated it when the step was entered."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        # Not recursive: parts with a to_dict() of their own leave out or convert some values.
        data = attrs.asdict(self, recurse=False)
        data["skip_if"] = None if self.skip_if is None else self.skip_if.to_dict()
        return data

    def __str__(self) -> str:
        # Only the parts that the configuration has, so that a report stays short.
        parts = [f"target {self.index + 1}: queue '{self.queue_name}', suits {self.suited} of {_members(self.members)}"]
        if self.expression is not None:
            parts.append(f"expression {self.expression}")
        if self.known_worker is not None:
            parts.append(f"known worker '{self.known_worker}'")
        if self.priority is not None:
            parts.append(f"priority {self.priority}")
        if self.timeout is not None:
            parts.append(f"timeout {self.timeout:g} s")
        if self.order_by is not None:
            parts.append(f"order by {self.order_by}")
        if self.skip_if is not None:
            parts.append(str(self.skip_if))
        return ", ".join(parts) + ("   <- here" if self.current else "")


@attrs.frozen(kw_only=True)
class FilterVerdict:
    """A filter of the workflow, or its default filter."""

    label: str
    matched: ExpressionResult | None
    """None for the default filter, which has no expression."""
    current: bool
    """Whether the task is in a step of this filter."""
    targets: tuple[TargetVerdict, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "label": self.label,
            "matched": None if self.matched is None else self.matched.to_dict(),
            "current": self.current,
            "targets": [target.to_dict() for target in self.targets],
        }


@attrs.frozen(kw_only=True)
class QueueVerdict:
    """The queue the task is in, or another one of the workspace, seen from the task."""

    sid: str
    friendly_name: str
    target_workers: str | None
    current: bool
    members: int
    available: int
    """Members in an available activity."""
    free: int
    """Members who could take a task of this channel now."""
    waiting: int
    """Tasks booked under it that are pending."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return attrs.asdict(self)

    def __str__(self) -> str:
        return (
            f"{self.friendly_name}: {_members(self.members)}, {self.available} available, {self.free} free,"
            f" {self.waiting} waiting" + ("   <- here" if self.current else "")
        )


@attrs.frozen(kw_only=True)
class Offer:
    """A reservation of the task."""

    sid: str
    worker_sid: str
    worker_name: str
    status: str
    created: float

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return attrs.asdict(self)


@attrs.frozen(kw_only=True)
class Explanation:
    """Why a task is, or is not, with a worker."""

    task_sid: str
    assignment_status: str
    summary: str
    """The answer in one sentence."""
    route: str
    """``workflow``, ``queue`` or ``worker``: how the task finds workers."""
    age: int
    ahead: int
    """Waiting tasks of the same queue and channel that come before this one."""
    filters: tuple[FilterVerdict, ...]
    queues: tuple[QueueVerdict, ...]
    workers: tuple[WorkerVerdict, ...]
    offers: tuple[Offer, ...]
    workers_total: int
    """How many workers there are, shown or not."""
    suitable_total: int
    """How many of them could take the task now."""
    warnings: tuple[str, ...] = ()
    """Ignored parts of the expressions that concern the task, each with its place."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data for ``json.dumps``."""
        data = attrs.asdict(self, recurse=False)
        for name in ("filters", "queues", "workers", "offers"):
            data[name] = [part.to_dict() for part in data[name]]
        data["warnings"] = list(self.warnings)
        return data

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"Task {self.task_sid} ({self.assignment_status}, {self.age} s old): {self.summary}"
        # Sections without content are left out; queues and workers are always listed.
        if self.filters:
            yield "Workflow"
        for filter in self.filters:
            what = "applies if no other filter matches" if filter.matched is None else str(filter.matched)
            yield f"  filter '{filter.label}': {what}" + ("   <- here" if filter.current else "")
            for target in filter.targets:
                yield f"    {target}"
        yield "Queues"
        for queue in self.queues:
            yield f"  {queue}"
        yield "Workers"
        for worker in self.workers:
            yield f"  {worker}"
        if self.warnings:
            yield "Ignored in expressions"
        for warning in self.warnings:
            yield f"  {warning}"
        if self.offers:
            yield "Offers so far"
        for offer in self.offers:
            yield f"  {offer.worker_name}: {offer.status}"
