"""Seed files: the initial state of a local TaskRouter, written with names instead of sids.

document = read("seed.yaml")        # JSON or YAML, checked for its form
rehearse(document, engine, now)     # raises for anything that the engine would refuse; changes nothing
load(document, engine, execute)     # the commands, one after the other
export(engine)                      # the same from a running service
"""

from __future__ import annotations

from .applying import load, rehearse
from .exporting import export
from .files import read, write
from .form import check

__all__ = ["check", "export", "load", "read", "rehearse", "write"]
