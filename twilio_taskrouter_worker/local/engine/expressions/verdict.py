"""Why an expression is true or false for one scope."""
from __future__ import annotations
from typing import Any
import attrs

@attrs.frozen
class Verdict:
    text: str
    result: bool
    operator: str
    parts: tuple[Verdict, ...] = ()
    values: tuple[tuple[str, Any], ...] = attrs.field(default=(), repr=False)

    def failing(self) -> tuple[Verdict, ...]:
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        raise NotImplementedError
