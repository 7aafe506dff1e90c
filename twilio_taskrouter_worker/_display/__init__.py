"""Presentation: tables, live panels and timelines, as text for terminals and as HTML or SVG for notebooks."""
