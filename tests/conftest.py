"""Settings for every test."""

from __future__ import annotations

from hypothesis import settings

# A busy machine makes single examples slow; how long one may take says nothing about the code.
settings.register_profile("shared-machine", deadline=None)
settings.load_profile("shared-machine")
