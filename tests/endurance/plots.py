"""The figures of a run as one picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

PANELS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("In each minute", "number", ("events", "calls", "faults")),
    ("From the change in the service to the callback", "ms", ("event ms p50", "event ms p95", "event ms p99")),
    ("Memory", "RSS, MB", ("clients RSS MB", "service RSS MB")),
    (
        "Threads and descriptors",
        "number",
        ("clients threads", "clients descriptors", "service threads", "service descriptors"),
    ),
)
"""Title, unit and columns of each part."""


def draw(rows: Sequence[dict[str, float]], path: Path) -> None:
    """Draw the rows of ``write_csv`` into an SVG; needs matplotlib."""
    import matplotlib
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 6), layout="constrained")
    minutes = [row["seconds"] / 60 for row in rows]
    for axes, (title, unit, columns) in zip(figure.subplots(2, 2).flat, PANELS, strict=True):
        for column in columns:
            axes.plot(minutes, [row.get(column, float("nan")) for row in rows], label=column)
        axes.set(title=title, xlabel="minutes", ylabel=unit, ylim=(0, None))
        axes.legend(fontsize="small")
        axes.grid(alpha=0.3)
    # Text as text and no random names: a third of the size, and the same rows give the same file.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "endurance"}):
        figure.savefig(path, metadata={"Date": None})
