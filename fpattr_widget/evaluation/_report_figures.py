"""The figures of a report, made with matplotlib."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..drawing import NEGATIVE, POSITIVE, css
from ..files import Table
from ._estimate import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# The red and the blue of the view; red marks clear gaps and the best run.
_CLEAR, _OTHER, _QUIET = css(POSITIVE), css(NEGATIVE), "#767676"
_ROW = 0.24  # inches


def draw_classes(table: Table, mean: float) -> "Figure":
    """Draw the table of classes, widest gap on top.

    Parameters
    ----------
    table
        From ``Report.classes``.
    mean
        Over all classes.
    """
    names = table.columns[2]
    rows: list[Any] = list(table.rows)
    figure, axes = _axes(len(rows), names)
    lines = [(f"{row[0]}  ({row[1]})", *row[2:6], bool(row[7])) for row in rows]
    _dots(axes, lines)
    axes.axvline(mean, color=_QUIET, linewidth=1)
    axes.annotate(
        f"mean {mean:.2f}", (mean, 1), xycoords=("data", "axes fraction"), xytext=(3, 2),
        textcoords="offset points", fontsize=8, color=_QUIET,
    )  # fmt: skip
    return figure


def draw_runs(
    metric: str,
    runs: Sequence[tuple[str, Estimate, float | None]],
    less_is_better: bool,
) -> "Figure":
    """Draw the mean of each run.

    Parameters
    ----------
    metric
        What is drawn.
    runs
        Of each its name, its mean, and the chance level.
    less_is_better
        Whether to mark the smallest mean as the best, and not the largest.
    """
    figure, axes = _axes(len(runs), metric)
    best = (min if less_is_better else max)((mean.mean for _, mean, _ in runs), default=0.0)
    _dots(
        axes,
        [
            (label, mean.mean, mean.low, mean.high, chance, mean.mean == best)
            for label, mean, chance in runs
        ],
    )
    return figure


def _axes(rows: int, label: str) -> "tuple[Figure, Axes]":
    # Imported late because it is slow and only figures need it.
    from ..drawing import NotebookFigure

    figure = NotebookFigure(figsize=(7, 0.8 + _ROW * max(rows, 1)), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(_plain(label.replace("_", " ")))
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def _dots(axes: "Axes", lines: Sequence[tuple[Any, ...]]) -> None:
    places = np.arange(len(lines))[::-1]
    for place, (_, mean, low, high, chance, marked) in zip(places, lines, strict=True):
        colour = _CLEAR if marked else _OTHER
        if not np.isnan(low):
            axes.plot([low, high], [place, place], color=colour, linewidth=2, alpha=0.45)
        axes.plot([mean], [place], "o", color=colour, markersize=5)
        if chance is not None:
            axes.plot([chance], [place], "|", color=_QUIET, markersize=9)
    axes.set_yticks(places, [_plain(str(line[0])) for line in lines], fontsize=8)
    axes.set_ylim(-0.7, len(lines) - 0.3)


def _plain(text: str) -> str:
    """Escape foreign text, so that matplotlib finds no mathematics in it."""
    return text.replace("$", r"\$")
