"""The switches of a local TaskRouter: those of its engine and those of the service around it."""

from __future__ import annotations

from typing import Any

import attrs

from .engine import Rules as EngineRules
from .server.rules import ServiceRules

__all__ = ["Rules"]


@attrs.frozen(kw_only=True)
class Rules(EngineRules, ServiceRules):
    """The choices of a LocalTaskRouter where TaskRouter's documentation is silent.

    Each switch has a default and is listed on the documentation's page on switches. Those of the engine are kept in the
    file (``db=``), which cannot be opened with different ones; those of :class:`~.server.rules.ServiceRules` may
    change.
    """

    @classmethod
    def join(cls, engine: EngineRules, service: ServiceRules) -> Rules:
        """Combine the switches of the engine and of the service.

        Args:
            engine: The engine's.
            service: The service's.
        """
        return cls(**_values(EngineRules, engine), **_values(ServiceRules, service))

    def engine_rules(self) -> EngineRules:
        """Return the engine's part."""
        return EngineRules(**_values(EngineRules, self))

    def service_rules(self) -> ServiceRules:
        """Return the service's part."""
        return ServiceRules(**_values(ServiceRules, self))


def _values(cls: type[EngineRules] | type[ServiceRules], rules: object) -> dict[str, Any]:
    # Not by asdict, which would make a dict of the switches of the expression language as well.
    return {field.name: getattr(rules, field.name) for field in attrs.fields(cls)}
