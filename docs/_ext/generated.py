"""The directive ``generated``: text that is made from the tables of the code when the documentation is built.

    .. generated:: coverage.operations

stands for what ``operations()`` of the module ``coverage`` in this folder yields: lines of reStructuredText.
"""

from __future__ import annotations

import importlib
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList


class Generated(Directive):
    """Parse what a function yields as if it stood here."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the nodes of the text."""
        name = self.arguments[0]
        module, _, function = name.rpartition(".")
        lines = list(getattr(importlib.import_module(module), function)())
        parent = nodes.section()
        parent.document = self.state.document
        # With titles: the sections become those of the page.
        self.state.nested_parse(StringList(lines, source=f"<{name}>"), 0, parent, match_titles=True)
        return parent.children


def setup(app: Any) -> dict[str, Any]:
    """Called by Sphinx."""
    app.add_directive("generated", Generated)
    return {"parallel_read_safe": True}
