"""The switches of a local TaskRouter: those of its engine and those of the service around it."""

from __future__ import annotations

from typing import Any

import attrs

from .engine import Rules as EngineRules
from .server.rules import ServiceRules

__all__ = ["Rules"]


@attrs.frozen(kw_only=True)
class Rules(EngineRules, ServiceRules):
    """What a LocalTaskRouter does where TaskRouter's documentation leaves a choice.

    Each switch has a default and stands in the documentation's page on switches. Those of the engine are kept in a file
    (``db=``), which cannot be opened with other ones; those of :class:`~.server.rules.ServiceRules` may change.
    """

    @classmethod
    def join(cls, engine: EngineRules, service: ServiceRules) -> Rules:
        """Return the switches of both."""
        return cls(**_values(EngineRules, engine), **_values(ServiceRules, service))

    def engine_rules(self) -> EngineRules:
        """Return those of the engine."""
        return EngineRules(**_values(EngineRules, self))

    def service_rules(self) -> ServiceRules:
        """Return those of the service."""
        return ServiceRules(**_values(ServiceRules, self))


def _values(cls: type[EngineRules] | type[ServiceRules], rules: object) -> dict[str, Any]:
    return {field.name: getattr(rules, field.name) for field in attrs.fields(cls)}
