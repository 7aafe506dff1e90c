"""All statements, by page."""

from __future__ import annotations

from .statement import Page, Statement
from .statements import expressions, reports, reservations, routing, setup, tasks

PAGES: tuple[Page, ...] = tuple(
    page for module in (setup, tasks, reservations, routing, expressions, reports) for page in module.PAGES
)
STATEMENTS: tuple[Statement, ...] = tuple(statement for page in PAGES for statement in page.statements)
