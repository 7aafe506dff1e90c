"""Optional parts for web frameworks: ``contrib.flask`` and ``contrib.django``. Nothing is imported until it is used."""

from __future__ import annotations

__all__: list[str] = []
