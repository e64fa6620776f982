"""The tables of a report; see :class:`~fpattr_widget.Report`, whose methods have their names."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import InputError
from ..files import Table
from ._estimate import estimate
from ._measurements import Measurements, mean_chance
from ._score import Score

_SCORE_COLUMNS = (
    *("sample", "caption", "phrase", "label"),
    *("model", "method", "text_block", "image_block"),
    *("metric", "value", "chance"),
)


def comparison(measured: Measurements) -> Table:
    """Return a table with a line for each run."""
    columns = ["model", "method", "text block", "image block"]
    for metric in measured.metrics:
        columns += [metric, f"{metric} 95 %"]
        if metric in measured.metrics_with_chance:
            columns.append(f"{metric} chance")
    rows = []
    for number, run in enumerate(measured.runs):
        row: list[Any] = [run.model, run.method, *(run.layers or (None, None))]
        for metric in measured.metrics:
            scores = measured.of(metric, number)
            row += _mean_and_interval(measured, scores)
            if metric in measured.metrics_with_chance:
                row.append(mean_chance(scores))
        rows.append(tuple(row))
    return Table(tuple(columns), tuple(rows), "Means over all phrases or samples.")


def _mean_and_interval(
    measured: Measurements, scores: Sequence[Score]
) -> tuple[float | None, str | None]:
    if not scores:
        return None, None
    mean = measured.estimate(scores)
    return mean.mean, None if np.isnan(mean.low) else f"{mean.low:.3f}–{mean.high:.3f}"


def classes(measured: Measurements, metric: str, run: int, most: int | None) -> Table:
    """Return a table with a line for each class, the widest gap first."""
    every = measured.of(metric, run)
    whole = float(np.mean([score.value for score in every])) if every else np.nan
    sign = -1 if metric in measured.less_is_better else 1
    rows: list[tuple[Any, ...]] = []
    for label, scores in measured.by_label(metric, run).items():
        mean = measured.estimate(scores)
        gap = sign * (whole - mean.mean)
        clear = bool(gap > 0 and (mean.high < whole if sign > 0 else mean.low > whole))
        numbers = mean.count, mean.mean, mean.low, mean.high
        rows.append((label, *numbers, mean_chance(scores), gap, clear))
    rows.sort(key=lambda row: (-row[6], row[0]))
    columns = ("class", "phrases", metric, "low", "high", "chance", "gap", "clear")
    caption = f"{measured.runs[run]}: {metric} by class; the mean is {whole:.3f}."
    return Table(columns, tuple(rows[:most]), caption)


def change(after: Measurements, before: Measurements, metric: str, runs: tuple[int, int]) -> Table:
    """Return a table of changes, phrase by phrase; ``runs`` are those of after and before."""
    values = after.by_phrase(metric, runs[0])
    earlier_values = before.by_phrase(metric, runs[1])
    earlier_places = {sample.name: place for place, sample in enumerate(before.samples)}

    def counterpart(key: tuple[int, int]) -> tuple[int, int] | None:
        """Return the same phrase before, ``None`` where there is none with a value."""
        sample = after.samples[key[0]]
        place = earlier_places.get(sample.name)
        if place is None:
            return None
        earlier = before.samples[place]
        same = (sample.caption, sample.phrases) == (earlier.caption, earlier.phrases)
        return (place, key[1]) if same and (place, key[1]) in earlier_values else None

    pairs = {key: then for key in values if (then := counterpart(key)) is not None}
    if not pairs:
        raise InputError(
            "before", f"has no {metric} of any of these phrases", "pass one on the same samples"
        )

    def line(label: str, keys: Sequence[tuple[int, int]]) -> tuple[Any, ...]:
        now = [values[key] for key in keys]
        then = [earlier_values[pairs[key]] for key in keys]
        differences = [a - b for a, b in zip(now, then, strict=True)]
        mean = estimate(differences, [sample for sample, _ in keys], shares=False)
        means = float(np.mean(then)), float(np.mean(now))
        return label, mean.count, *means, mean.mean, mean.low, mean.high

    by_label: dict[str, list[tuple[int, int]]] = {}
    for sample, phrase in pairs:
        label = after.samples[sample].phrases[phrase].label
        by_label.setdefault(label, []).append((sample, phrase))
    rows = [line(label, keys) for label, keys in by_label.items()]
    rows.sort(key=lambda row: (-abs(row[4]), row[0]))
    rows.append(line("all classes", list(pairs)))
    columns = ("class", "phrases", "before", "after", "change", "low", "high")
    return Table(columns, tuple(rows), f"Change of {metric}, phrase by phrase.")


def scores(measured: Measurements) -> Table:
    """Return a table with a line for each number."""
    lines = []
    for score in measured.scores:
        sample, run = measured.sample(score), measured.runs[score.run]
        words = label = None
        if score.phrase is not None:
            phrase = sample.phrases[score.phrase]
            words, label = sample.caption[phrase.start : phrase.stop], phrase.label
        setup = run.model, run.method, *(run.layers or (None, None))
        numbers = score.metric, score.value, score.chance
        lines.append((sample.name, sample.caption, words, label, *setup, *numbers))
    return Table(_SCORE_COLUMNS, tuple(lines))
