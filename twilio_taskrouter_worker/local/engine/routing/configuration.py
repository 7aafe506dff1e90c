"""The configuration of a workflow: its JSON document, checked and compiled into a plan.

Unknown keys are ignored, and kept in the text of the plan. An empty string counts as absent.
"""

from __future__ import annotations

from collections.abc import Container
from typing import Any

import attrs

from .. import rules
from ..core import checks
from ..core.plan import Filter, KnownWorker, Plan, Target
from ..core.sids import canonical
from ..errors import invalid
from ..expressions import (
    SKIP_IF,
    TARGET,
    TASK,
    Expression,
    ExpressionContext,
    ExpressionSyntaxError,
    Key,
    Ordering,
    Semantics,
    compile_key,
    compile_order_by,
)


@attrs.frozen
class _Compiler:
    """Compiles the parts of one configuration."""

    queues: Container[str]
    semantics: Semantics

    def filter(self, document: object, where: str) -> Filter:
        """Compile a filter.

        Raises:
            Rejected: 400, it is invalid; the message has the place.
        """
        fields = _object(document, where)
        # Both names of the key are in use.
        label = fields.get("filter_friendly_name", fields.get("friendly_name"))
        expression = self.expression(fields, "expression", TASK, where)
        if expression is None:
            raise invalid(f"Configuration: {where} has no expression")
        targets = fields.get("targets")
        if not isinstance(targets, list) or not targets:
            raise invalid(f"Configuration: {where} must have a non-empty list of targets")
        steps: list[Target] = []
        for index, target in enumerate(targets):
            # A target without a queue stays in the queue of the one before it.
            before = steps[-1].queue_sid if steps else None
            steps.append(self.target(target, f"{where}, target {index + 1}", index, before))
        # Labels are only shown, so that any type is accepted.
        return Filter(label=None if label is None else str(label), expression=expression, targets=tuple(steps))

    def default(self, document: object) -> Filter:
        """Compile the default filter.

        Raises:
            Rejected: 400, it is invalid; the message has the place.
        """
        fields = dict(_object(document, "default_filter"))
        # A timeout is ignored: the default filter has no next step to go to.
        fields.pop("timeout", None)
        # Known workers are accepted here too, although they are documented for targets of filters only.
        target = self.target(fields, "default_filter", 0, None)
        return Filter(label="default_filter", expression=None, targets=(target,))

    def target(self, document: object, where: str, index: int, queue_before: str | None) -> Target:
        """Compile a target.

        Args:
            document: The JSON object of the target.
            where: Its place in the configuration, for error messages.
            index: Its position in the filter.
            queue_before: Sid of the queue of the target before it, used if it has none of its own.

        Raises:
            Rejected: 400, it is invalid; the message has the place.
        """
        fields = _object(document, where)
        queue = fields.get("queue") or queue_before
        if not isinstance(queue, str):
            raise invalid(f"Configuration: {where} has no queue")
        queue = canonical(queue)
        # Checked here, so that a task on its walk never meets a queue that does not exist.
        if queue not in self.queues:
            raise invalid(f"Configuration: {where} names the queue '{queue}', which is not in this workspace")
        known = self.known(fields, where)
        return Target(
            index=index,
            queue_sid=queue,
            label=_text(fields, "target_friendly_name", where) or _text(fields, "friendly_name", where),
            expression=self.expression(fields, "expression", TARGET, where),
            priority=_number(fields, "priority", where, 0, rules.MAX_PRIORITY),
            timeout=_number(fields, "timeout", where, 1, rules.MAX_TASK_TIMEOUT),
            skip_if=self.expression(fields, "skip_if", SKIP_IF, where),
            order_by=self.order_by(fields, where),
            known=known,
        )

    def expression(
        self, fields: dict[str, Any], name: str, context: ExpressionContext, where: str
    ) -> Expression | None:
        """Compile an expression, or return None where there is none.

        Raises:
            Rejected: 400, it does not parse; the message has the place.
        """
        text = _text(fields, name, where)
        if text is None:
            return None
        return checks.expression(text, context, self.semantics, f"Configuration: {where}, {name}")

    def order_by(self, fields: dict[str, Any], where: str) -> Ordering | None:
        """Compile an ``order_by``, or return None where there is none.

        Raises:
            Rejected: 400, it does not parse; the message has the place.
        """
        text = _text(fields, "order_by", where)
        try:
            return None if text is None else compile_order_by(text, self.semantics)
        except ExpressionSyntaxError as error:
            raise invalid(f"Configuration: {where}, order_by: {error}") from error

    def known(self, fields: dict[str, Any], where: str) -> KnownWorker | None:
        """Return the known worker that a target asks for, or None.

        Raises:
            Rejected: 400, a path does not parse, or there are two; the message has the place.
        """
        sid = self.key(fields, "known_worker_sid", where)
        name = self.key(fields, "known_worker_friendly_name", where)
        # Two references could lead to two workers.
        if sid is not None and name is not None:
            raise invalid(f"Configuration: {where} has both known_worker_sid and known_worker_friendly_name")
        if sid is not None:
            return KnownWorker("sid", sid)
        return KnownWorker("name", name) if name is not None else None

    def key(self, fields: dict[str, Any], name: str, where: str) -> Key | None:
        """Compile the path to a known worker, or return None where there is none.

        Raises:
            Rejected: 400, it does not parse; the message has the place.
        """
        text = _text(fields, name, where)
        try:
            return None if text is None else compile_key(text, self.semantics)
        except ExpressionSyntaxError as error:
            raise invalid(f"Configuration: {where}, {name}: {error}") from error


def _object(document: object, where: str) -> dict[str, Any]:
    if not isinstance(document, dict):
        raise invalid(f"Configuration: {where} must be a JSON object")
    return document


def _text(fields: dict[str, Any], name: str, where: str) -> str | None:
    value = fields.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise invalid(f"Configuration: {where}, {name} must be a string")
    return value


def _number(fields: dict[str, Any], name: str, where: str, low: int, high: int) -> int | None:
    value = fields.get(name)
    if value is None or value == "":
        return None
    try:
        # Accepts 10, 10.0 and "10": configurations are often written by hand.
        if isinstance(value, bool) or not isinstance(value, (int, float, str)) or int(float(value)) != float(value):
            raise ValueError(value)
        number = int(float(value))
    except (ValueError, OverflowError):
        raise invalid(f"Configuration: {where}, {name} must be a whole number") from None
    if not low <= number <= high:
        raise invalid(f"Configuration: {where}, {name} must be between {low} and {high}, not {number}")
    return number


def compile_configuration(text: str, queues: Container[str], semantics: Semantics) -> Plan:
    """Parse, check and compile a configuration.

    Args:
        text: The JSON document.
        queues: Sids of the queues that it may name.
        semantics: The switches of the expression language.

    Raises:
        Rejected: 400; the message has the place of the error.
    """
    # Before parsing, which would cost time in proportion to the text.
    if len(text) > rules.MAX_CONFIGURATION:
        raise invalid(f"Configuration must have at most {rules.MAX_CONFIGURATION} characters, not {len(text)}")
    document = checks.json_object(text, "Configuration")
    routing = document.get("task_routing", document)
    # The object under task_routing is accepted by itself as well.
    if routing is document and not {"filters", "default_filter"} & document.keys():
        raise invalid("Configuration must have the key 'task_routing'")
    routing = _object(routing, "task_routing")
    filters = routing.get("filters")
    if filters is None:
        filters = []
    if not isinstance(filters, list):
        raise invalid("Configuration: filters must be a list")
    compiler = _Compiler(queues, semantics)
    default = routing.get("default_filter")
    return Plan(
        # Stored without white space, so that two spellings of one document are equal.
        text=checks.compact(document),
        filters=tuple(compiler.filter(f, f"filter {number}") for number, f in enumerate(filters, 1)),
        default=None if default is None else compiler.default(default),
    )
