"""Plots of how a cost grows: with open reservations, with calls in flight, with Workers."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

__all__ = ["PLOTS", "Plot", "draw", "draw_lines"]


class Plot(NamedTuple):
    """One figure over the sizes of a scenario."""

    file: str
    title: str
    x: str
    y: str
    figure: str
    points: dict[int, str]
    """Scenarios by size."""


PLOTS = [
    Plot(
        "performance-open", "Events a second against open reservations", "open reservations", "reservation.accepted/s",
        "per_s", {size: f"S4 accepted {size}" for size in (1, 100, 1000, 5000)},
    ),
    Plot(
        "performance-calls", "Calls a second against calls in flight", "calls in flight", "accept()/s",
        "per_s", {1: "S6 sequential", 10: "S6 10 in flight", 100: "S6 100 in flight"},
    ),
    Plot(
        "performance-ready", "Time until all are ready against Workers", "Workers in one process", "ms",
        "ready_ms", {size: f"S7 {size} Workers" for size in (50, 200, 500)},
    ),
    Plot(
        "performance-memory", "Memory against Workers", "Workers in one process", "RSS, MB",
        "rss_mb", {size: f"S7 {size} Workers" for size in (50, 200, 500)},
    ),
]  # fmt: skip

NAMES = {"js": "SDK in JavaScript", "ours": "this client", "bare": "bare stand-in"}


def draw(figures: dict[str, dict[str, dict[str, float]]], directory: Path) -> list[tuple[str, Path]]:
    """Write an SVG for each plot of which all points were measured; needs matplotlib."""
    written = []
    for plot in PLOTS:
        if not all(scenario in figures for scenario in plot.points.values()):
            continue
        lines = {
            name: {size: figures[scenario][client][plot.figure] for size, scenario in plot.points.items()}
            for client, name in NAMES.items()
            if all(client in figures[scenario] for scenario in plot.points.values())
        }
        path = directory / f"{plot.file}.svg"
        draw_lines(path, lines, title=plot.title, x=plot.x, y=plot.y)
        written.append((plot.title, path))
    return written


def draw_lines(path: Path, lines: dict[str, dict[int, float]], *, title: str, x: str, y: str) -> None:
    """Write one SVG: values by size, a line for each name; needs matplotlib."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.5), layout="constrained")
    axes = figure.subplots()
    for name, values in lines.items():
        axes.plot(list(values), list(values.values()), marker="o", label=name)
    axes.set(title=title, xlabel=x, ylabel=y, xscale="log", ylim=(0, None))
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(path, metadata={"Date": None})
