"""How the documentation is built: ``sphinx-build -W -b html docs docs/_build``."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from twilio_taskrouter_worker._version import __version__  # noqa: E402

project = "twilio_taskrouter_worker"
author = "The twilio_taskrouter_worker authors"
copyright = f"2026, {author}"
version = release = __version__

extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "twilio_taskrouter_worker"

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_default_options = {"members": True, "show-inheritance": True}
