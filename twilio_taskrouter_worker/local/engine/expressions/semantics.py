"""Choices where the service's documentation is silent."""
from __future__ import annotations
import attrs

@attrs.frozen
class Semantics:
    """Switches, each with its default."""

DEFAULT_SEMANTICS = Semantics()
