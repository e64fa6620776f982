"""The tables of a report; see :class:`~fpattr_widget.Report`, whose methods have their names."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import InputError
from ..files import Table
from ._estimate import estimate
from ._measurements import Measurements, PartKey, label_of, mean_chance
from ._score import Score

_SCORE_COLUMNS = (
    *("sample", "caption", "phrase", "label"),
    *("model", "method", "text_block", "image_block"),
    *("metric", "value", "chance", "foil"),
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
    foiled = any(score.foil is not None for score in measured.scores)
    parts = "phrases, foils or samples" if foiled else "phrases or samples"
    return Table(tuple(columns), tuple(rows), f"Means over all {parts}.")


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
    columns = ("class", _counted(every), metric, "low", "high", "chance", "gap", "clear")
    caption = f"{measured.runs[run]}: {metric} by class; the mean is {whole:.3f}."
    return Table(columns, tuple(rows[:most]), caption)


def _counted(scores: Sequence[Score]) -> str:
    """Return what scores of one name are of."""
    return "phrases" if all(score.foil is None for score in scores) else "foils"


def change(after: Measurements, before: Measurements, metric: str, runs: tuple[int, int]) -> Table:
    """Return a table of changes, one by one; ``runs`` are those of after and before."""
    values = after.by_part(metric, runs[0])
    earlier_values = before.by_part(metric, runs[1])
    earlier_places = {sample.name: place for place, sample in enumerate(before.samples)}

    def counterpart(key: PartKey) -> PartKey | None:
        """Return the same phrase or foil before, ``None`` where there is none with a value."""
        number, *part = key
        sample = after.samples[number]
        place = earlier_places.get(sample.name)
        if place is None:
            return None
        earlier = before.samples[place]
        same = all(
            getattr(sample, name) == getattr(earlier, name)
            for name in ("caption", "phrases", "foils")
        )
        found = (place, *part)
        return found if same and found in earlier_values else None

    pairs = {key: then for key in values if (then := counterpart(key)) is not None}
    if not pairs:
        raise InputError(
            "before", f"has no {metric} of any of these", "pass one on the same samples"
        )

    def line(label: str, keys: Sequence[PartKey]) -> tuple[Any, ...]:
        now = [values[key] for key in keys]
        then = [earlier_values[pairs[key]] for key in keys]
        differences = [a - b for a, b in zip(now, then, strict=True)]
        mean = estimate(differences, [key[0] for key in keys], shares=False)
        means = float(np.mean(then)), float(np.mean(now))
        return label, mean.count, *means, mean.mean, mean.low, mean.high

    by_label: dict[str, list[PartKey]] = {}
    for key in pairs:
        number, *part = key
        by_label.setdefault(label_of(after.samples[number], *part), []).append(key)
    rows = [line(label, keys) for label, keys in by_label.items()]
    rows.sort(key=lambda row: (-abs(row[4]), row[0]))
    rows.append(line("all classes", list(pairs)))
    counted = _counted(after.of(metric, runs[0]))
    columns = ("class", counted, "before", "after", "change", "low", "high")
    one = counted.removesuffix("s")
    return Table(columns, tuple(rows), f"Change of {metric}, {one} by {one}.")


def scores(measured: Measurements) -> Table:
    """Return a table with a line for each number."""
    lines = []
    for score in measured.scores:
        sample, run = measured.sample(score), measured.runs[score.run]
        words = label = foil = None
        if score.phrase is not None:
            phrase = sample.phrases[score.phrase]
            words, label = sample.caption[phrase.start : phrase.stop], phrase.label
        if score.foil is not None:
            foil, label = sample.foils[score.foil].caption, measured.label(score)
        setup = run.model, run.method, *(run.layers or (None, None))
        numbers = score.metric, score.value, score.chance
        lines.append((sample.name, sample.caption, words, label, *setup, *numbers, foil))
    return Table(_SCORE_COLUMNS, tuple(lines))
