"""The tables of a report; see :class:`~fpattr_widget.Report`, whose methods have their names."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import InputError
from ..files import Table
from ._estimate import estimate
from ._measurements import Measurement, Measurements, mean_chance

_SCORE_COLUMNS = (
    *("sample", "caption", "phrase", "label"),
    *("model", "method", "text_block", "image_block"),
    *("metric", "value", "chance"),
)


def comparison(found: Measurements) -> Table:
    """Return a table with a line for each run."""
    columns = ["model", "method", "text block", "image block"]
    for metric in found.metrics:
        columns += [metric, f"{metric} 95 %"]
        if metric in found.metrics_with_chance:
            columns.append(f"{metric} chance")
    rows = []
    for number, run in enumerate(found.runs):
        row: list[Any] = [run.model, run.method, *(run.layers or (None, None))]
        for metric in found.metrics:
            own = found.of(metric, number)
            row += _mean_and_interval(found, own)
            if metric in found.metrics_with_chance:
                row.append(mean_chance(own))
        rows.append(tuple(row))
    return Table(tuple(columns), tuple(rows), "Means over all phrases or samples.")


def _mean_and_interval(
    found: Measurements, own: Sequence[Measurement]
) -> tuple[float | None, str | None]:
    if not own:
        return None, None
    said = found.estimated(own)
    return said.mean, None if np.isnan(said.low) else f"{said.low:.3f}–{said.high:.3f}"


def classes(found: Measurements, metric: str, run: int, most: int | None) -> Table:
    """Return a table with a line for each class, the widest gap first."""
    every = found.of(metric, run)
    whole = float(np.mean([one.score.value for one in every])) if every else np.nan
    sign = -1 if metric in found.less_is_better else 1
    rows: list[tuple[Any, ...]] = []
    for label, own in found.by_label(metric, run).items():
        said = found.estimated(own)
        gap = sign * (whole - said.mean)
        clear = bool(gap > 0 and (said.high < whole if sign > 0 else said.low > whole))
        measured = said.count, said.mean, said.low, said.high
        rows.append((label, *measured, mean_chance(own), gap, clear))
    rows.sort(key=lambda row: (-row[6], row[0]))
    columns = ("class", "phrases", metric, "low", "high", "chance", "gap", "clear")
    caption = f"{found.runs[run]}: {metric} by class; the mean is {whole:.3f}."
    return Table(columns, tuple(rows[:most]), caption)


def change(found: Measurements, before: Measurements, metric: str, runs: tuple[int, int]) -> Table:
    """Return a table of what has changed, phrase by phrase; ``runs`` are of now and of then."""
    own, other = found.by_phrase(metric, runs[0]), before.by_phrase(metric, runs[1])
    theirs = {one.name: number for number, one in enumerate(before.samples)}

    def counterpart(key: tuple[int, int]) -> tuple[int, int] | None:
        mine = found.samples[key[0]]
        place = theirs.get(mine.name)
        if place is None:
            return None
        match = before.samples[place]
        same = (mine.caption, mine.phrases) == (match.caption, match.phrases)
        return (place, key[1]) if same and (place, key[1]) in other else None

    pairs = {key: then for key in own if (then := counterpart(key)) is not None}
    if not pairs:
        raise InputError(
            f"`before` has no {metric} of any of these phrases: pass one on the same samples."
        )

    def line(label: str, keys: Sequence[tuple[int, int]]) -> tuple[Any, ...]:
        now, then = [own[key] for key in keys], [other[pairs[key]] for key in keys]
        differences = [a - b for a, b in zip(now, then, strict=True)]
        said = estimate(differences, [sample for sample, _ in keys], shares=False)
        means = float(np.mean(then)), float(np.mean(now))
        return label, said.count, *means, said.mean, said.low, said.high

    by_label: dict[str, list[tuple[int, int]]] = {}
    for sample, phrase in pairs:
        label = found.samples[sample].phrases[phrase].label
        by_label.setdefault(label, []).append((sample, phrase))
    rows = [line(label, keys) for label, keys in by_label.items()]
    rows.sort(key=lambda row: (-abs(row[4]), row[0]))
    rows.append(line("all classes", list(pairs)))
    columns = ("class", "phrases", "before", "after", "change", "low", "high")
    return Table(columns, tuple(rows), f"Change of {metric}, phrase by phrase.")


def scores(found: Measurements) -> Table:
    """Return a table with a line for each number."""
    lines = []
    for one in found.every:
        sample, score, run = found.sample(one), one.score, found.runs[one.score.run]
        words = label = None
        if score.phrase is not None:
            phrase = sample.phrases[score.phrase]
            words, label = sample.caption[phrase.start : phrase.stop], phrase.label
        explained = run.model, run.method, *(run.layers or (None, None))
        measured = score.metric, score.value, score.chance
        lines.append((sample.name, sample.caption, words, label, *explained, *measured))
    return Table(_SCORE_COLUMNS, tuple(lines))
