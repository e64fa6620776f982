"""What an evaluation found, by class, by run and by example."""

import html
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..pairs import FeaturePairs
from ..sharing.atomic import checked_path, writable, write_atomically
from .dataset import Sample
from .estimate import Estimate, estimate
from .explained import Explained, Read
from .plan import Evaluation, Run, Way
from .records import Score
from .table import Table, markdown_text

if TYPE_CHECKING:
    import pandas
    from ipywidgets import Accordion
    from matplotlib.figure import Figure

    from ..widget import PairsWidget

_SCORE_COLUMNS = (
    *("sample", "caption", "phrase", "label"),
    *("model", "method", "text_block", "image_block"),
    *("metric", "value", "chance"),
)


@dataclass(frozen=True)
class Skipped:
    """A sample, or all of it that a metric of phrases needs, that was left out, and why."""

    sample: str
    reason: str


@dataclass(frozen=True)
class Finding:
    """One phrase of one sample, with its score.

    Attributes
    ----------
    sample
        The sample.
    words
        The phrase's words.
    label
        Its class.
    metric, value
        How it was judged.
    """

    sample: Sample
    words: str
    label: str
    metric: str
    value: float
    _way: Way
    _number: int

    def pairs(self) -> FeaturePairs:
        """Explain the sample anew; nothing is computed yet."""
        return self._explained().pairs

    def widget(self, **options: Any) -> "PairsWidget":
        """Return the linked view with the phrase's words pinned; options as for ``PairsWidget``."""
        explained = self._explained()
        view = explained.pairs.widget(**options)
        target = next(one for one in explained.targets if one.number == self._number)
        view.selected_tokens = list(target.tokens)
        return view

    def _explained(self) -> Explained:
        return self._way.explain(Read(self._way.encoder, self.sample))


class Report:
    """What an evaluation found; shown by a notebook cell that ends with it.

    Made by :func:`fpattr_widget.evaluate`. An interrupted evaluation gives a
    report on what was done until then, and :meth:`resume` goes on.

    Attributes
    ----------
    runs
        The ways of explaining that were compared.
    """

    def __init__(self, evaluation: Evaluation):
        self._evaluation = evaluation
        self.runs: tuple[Run, ...] = tuple(way.run for way in evaluation.ways)
        self._samples = {one.name: i for i, one in enumerate(evaluation.dataset)}
        # Those of now: the evaluation may go on.
        self._records = [one for one in evaluation.records if one.sample in self._samples]
        rows = [
            (self._samples[record.sample], score)
            for record in self._records
            for score in record.scores
        ]
        rows.sort(key=lambda row: row[0])
        self._rows = rows

    # What there is

    @property
    def complete(self) -> bool:
        """Whether every sample was looked at."""
        return len(self._records) == len(self._samples)

    def resume(self, progress: bool = True) -> "Report":
        """Measure what is missing and return the report on everything."""
        return finish(self._evaluation, progress)

    @cached_property
    def metrics(self) -> tuple[str, ...]:
        """Names of all numbers that were measured, in the order of the metrics."""
        return tuple(dict.fromkeys(score.metric for _, score in self._rows))

    @cached_property
    def skipped(self) -> tuple[Skipped, ...]:
        """The samples that could not be measured, and why."""
        return tuple(
            Skipped(record.sample, record.refusal)
            for record in self._records
            if record.refusal is not None
        )

    def __repr__(self) -> str:
        return "\n\n".join([self._heading(), *map(str, self._tables())])

    def _repr_html_(self) -> str:
        heading = f"<p>{html.escape(self._heading())}</p>"
        return heading + "".join(table._repr_html_() for table in self._tables())

    def _heading(self) -> str:
        dataset, done = self._evaluation.dataset, len(self._records)
        said = f"{done:,} of {len(dataset):,} samples of {dataset.name}"
        if self.skipped:
            said += f", {len(self.skipped)} of them left out ({self.skipped[0].reason})"
        return said + ("." if self.complete else "; resume() goes on.")

    # Tables

    def summary(self, metric: str | None = None, run: int | Run = 0) -> Estimate:
        """Return the mean of a number over everything that was measured in one run.

        Parameters
        ----------
        metric
            One of ``metrics``; the first unless told.
        run
            One of ``runs``, or its number.

        Raises
        ------
        InputError
            When there is no such number or run.
        """
        name, number = self._metric(metric), self._run(run)
        rows = self._of(name, number)
        if not rows:
            raise InputError(
                f"`metric` is {name!r}, which {self.runs[number]} has no value of: pass another "
                "`run` or metric."
            )
        return _estimated(rows)

    def comparison(self) -> Table:
        """Return a table with a line for each run, and each number's mean and interval."""
        columns = ["model", "method", "text block", "image block"]
        for metric in self.metrics:
            columns += [metric, f"{metric} 95 %"]
            if self._has_chance(metric):
                columns.append(f"{metric} chance")
        rows = []
        for number, run in enumerate(self.runs):
            text, image = run.layers or (None, None)
            row: list[Any] = [run.model, run.method, text, image]
            for metric in self.metrics:
                found = self._of(metric, number)
                if not found:
                    row += [None] * (3 if self._has_chance(metric) else 2)
                    continue
                said = _estimated(found)
                row += [said.mean, _interval(said)]
                if self._has_chance(metric):
                    row.append(_mean_chance(found))
            rows.append(tuple(row))
        return Table(tuple(columns), tuple(rows), "Means over all phrases or samples.")

    def classes(
        self, metric: str | None = None, run: int | Run = 0, *, most: int | None = None
    ) -> Table:
        """Return a table with a line for each class, the widest gap first.

        The gap is what the class scores below the mean over all phrases of the
        run; of numbers that are good when small, above it. It is marked as
        clear where the mean lies outside the class's 95 % interval. With many
        classes some gaps look clear by chance: of a hundred without any, five.

        Parameters
        ----------
        metric
            One of ``metrics`` that is of phrases; the first unless told.
        run
            One of ``runs``, or its number.
        most
            Number of classes to show; all unless told.

        Returns
        -------
        Table
            Columns ``class``, ``phrases``, the number, ``low``, ``high``,
            ``chance``, ``gap``, ``clear``.

        Raises
        ------
        InputError
            When there is no such number or run.
        """
        name, number = self._phrase_metric(metric), self._run(run)
        found = self._of(name, number)
        whole = float(np.mean([score.value for _, score in found])) if found else np.nan
        sign = -1 if name in self._less_is_better else 1
        rows: list[tuple[Any, ...]] = []
        for label in self.labels:
            own = [row for row in found if self._label(*row) == label]
            if not own:
                continue
            said = _estimated(own)
            gap = sign * (whole - said.mean)
            clear = bool(gap > 0 and (said.high < whole if sign > 0 else said.low > whole))
            rows.append(
                (label, said.count, said.mean, said.low, said.high, _mean_chance(own), gap, clear)
            )
        rows.sort(key=lambda row: (-row[6], row[0]))
        columns = ("class", "phrases", name, "low", "high", "chance", "gap", "clear")
        caption = f"{self.runs[number]}: {name} by class; the mean is {whole:.3f}."
        return Table(columns, tuple(rows[:most]), caption)

    def change(self, before: "Report", metric: str | None = None, run: int | Run = 0) -> Table:
        """Return a table of what has changed since another report on the same samples.

        Phrases are compared with themselves, so that what is hard about a
        sample drops out.

        Parameters
        ----------
        before
            Another report; only what both have measured is compared.
        metric
            One of ``metrics`` that is of phrases; the first unless told.
        run
            Of both reports, by number.

        Returns
        -------
        Table
            Columns ``class``, ``phrases``, ``before``, ``after``, ``change``,
            ``low``, ``high``; the largest change first, and a last line for
            all classes.

        Raises
        ------
        InputError
            When the reports have nothing in common.
        """
        name, number = self._phrase_metric(metric), self._run(run)
        own, other = self._by_phrase(name, number), before._by_phrase(name, before._run(run))
        theirs = {one.name: (one.caption, one.phrases) for one in before._evaluation.dataset}
        alike = {
            one.name
            for one in self._evaluation.dataset
            if theirs.get(one.name) == (one.caption, one.phrases)
        }
        shared = [key for key in own if key in other and key[0] in alike]
        if not shared:
            raise InputError(
                f"`before` has no {name} of any of these phrases: pass one on the same samples."
            )

        def line(label: str, keys: Sequence[tuple[str, int]]) -> tuple[Any, ...]:
            now = [own[key] for key in keys]
            then = [other[key] for key in keys]
            differences = [a - b for a, b in zip(now, then, strict=True)]
            clusters = [self._samples[sample] for sample, _ in keys]
            said = estimate(differences, clusters, shares=False)
            means = float(np.mean(then)), float(np.mean(now))
            return label, said.count, *means, said.mean, said.low, said.high

        by_label: dict[str, list[tuple[str, int]]] = {}
        for sample, phrase in shared:
            label = self._evaluation.dataset[self._samples[sample]].phrases[phrase].label
            by_label.setdefault(label, []).append((sample, phrase))
        rows = [line(label, keys) for label, keys in by_label.items()]
        rows.sort(key=lambda row: (-abs(row[4]), row[0]))
        rows.append(line("all classes", shared))
        columns = ("class", "phrases", "before", "after", "change", "low", "high")
        return Table(columns, tuple(rows), f"Change of {name}, phrase by phrase.")

    def scores(self) -> Table:
        """Return a table with a line for each number that was measured.

        Columns ``sample``, ``caption``, ``phrase`` (its words), ``label``,
        ``model``, ``method``, ``text_block``, ``image_block``, ``metric``,
        ``value``, ``chance``.
        """
        lines = []
        for index, score in self._rows:
            sample, run = self._evaluation.dataset[index], self.runs[score.run]
            words = label = None
            if score.phrase is not None:
                phrase = sample.phrases[score.phrase]
                words, label = sample.caption[phrase.start : phrase.stop], phrase.label
            text, image = run.layers or (None, None)
            explained = run.model, run.method, text, image
            measured = score.metric, score.value, score.chance
            lines.append((sample.name, sample.caption, words, label, *explained, *measured))
        return Table(_SCORE_COLUMNS, tuple(lines))

    def to_dataframe(self) -> "pandas.DataFrame":
        """Return :meth:`scores` as a pandas DataFrame."""
        return self.scores().to_dataframe()

    def save(self, path: str | os.PathLike[str], *, examples: int = 6) -> None:
        """Write the report to a file.

        Parameters
        ----------
        path
            Its ending says what is written: ``.html``, a page with tables, a
            drawing and the worst examples as linked views, which needs no
            network; ``.md``, the tables; ``.csv``, every score.
        examples
            Number of worst examples on the page.

        Raises
        ------
        InputError
            When the ending is another one or the file cannot be written.
        """
        ending = Path(checked_path(path)).suffix.lower()
        if ending not in (".html", ".md", ".csv"):
            raise InputError(f"`path` ends in {ending!r}: pass .html, .md or .csv.")
        writable(path)  # told before anything is computed
        if ending == ".csv":
            said = self.scores().to_csv()
        elif ending == ".md":
            parts = [markdown_text(self._heading())]
            for table in self._tables():
                parts += [markdown_text(table.caption), table.to_markdown()]
            said = "\n\n".join(parts) + "\n"
        else:
            from .page import report_page

            said = report_page(self, self._heading(), self._tables(), examples)
        write_atomically(path, said.encode("utf-8", "replace"))

    def _tables(self) -> list[Table]:
        tables = [self.comparison()]
        return [*tables, self.classes()] if self._phrase_metrics else tables

    # Examples

    def worst(
        self,
        number: int = 6,
        metric: str | None = None,
        *,
        label: str | None = None,
        run: int | Run = 0,
    ) -> tuple[Finding, ...]:
        """Return the phrases with the worst scores, the worst first.

        Parameters
        ----------
        number
            How many.
        metric
            One of ``metrics`` that is of phrases; the first unless told. Equal
            ones are told apart by the pointing game energy where it is there.
        label
            Of this class alone.
        run
            One of ``runs``, or its number.

        Returns
        -------
        tuple of Finding
            Each opens as a linked view: ``finding.widget()``.

        Raises
        ------
        InputError
            When there is no such number, run or class.
        """
        name, which = self._phrase_metric(metric), self._run(run)
        if label is not None and label not in self.labels:
            raise InputError(f"`label` is {label!r}, which has no phrase: pass one of `labels`.")
        tie = self._by_phrase("pointing_energy", which)
        sign = -1 if name in self._less_is_better else 1
        found = [row for row in self._of(name, which) if label in (None, self._label(*row))]

        def badness(row: tuple[int, Score]) -> tuple[float, float]:
            sample = self._evaluation.dataset[row[0]].name
            return sign * row[1].value, tie.get((sample, _phrase(row[1])), 0.0)

        findings = []
        for index, score in sorted(found, key=badness)[:number]:
            sample = self._evaluation.dataset[index]
            number_of_phrase = _phrase(score)
            phrase = sample.phrases[number_of_phrase]
            words = sample.caption[phrase.start : phrase.stop]
            way = self._evaluation.ways[which]
            findings.append(
                Finding(sample, words, phrase.label, name, score.value, way, number_of_phrase)
            )
        return tuple(findings)

    def browse(self, number: int = 6, metric: str | None = None, **options: Any) -> "Accordion":
        """Return the worst examples as a list of titles, each opening as its linked view.

        A view is made when its title is first opened. Parameters as for
        :meth:`worst`.
        """
        from .browse import browse

        return browse(self.worst(number, metric, **options))

    # Drawings

    def plot(self, metric: str | None = None, run: int | Run = 0, *, most: int = 30) -> "Figure":
        """Draw the classes with the widest gaps: means, intervals, chance.

        Parameters
        ----------
        metric, run
            See :meth:`classes`.
        most
            Number of classes to draw.

        Returns
        -------
        matplotlib.figure.Figure
            It belongs to no window and not to pyplot.
        """
        from .drawing import draw_classes

        name, number = self._phrase_metric(metric), self._run(run)
        table = self.classes(name, number, most=most)
        return draw_classes(table, self.summary(name, number).mean)

    def plot_comparison(self, metric: str | None = None) -> "Figure":
        """Draw the mean and interval of a number for each run.

        Returns
        -------
        matplotlib.figure.Figure
            It belongs to no window and not to pyplot.
        """
        from .drawing import draw_runs

        name = self._metric(metric)
        found = [(str(run), self._of(name, i)) for i, run in enumerate(self.runs)]
        lines = [(label, _estimated(rows), _mean_chance(rows)) for label, rows in found if rows]
        return draw_runs(name, lines, name in self._less_is_better)

    # Inside

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The classes of all phrases that were measured, sorted."""
        found = {self._label(*row) for row in self._rows if row[1].phrase is not None}
        return tuple(sorted(found))

    @cached_property
    def _phrase_metrics(self) -> tuple[str, ...]:
        of_phrases = {score.metric for _, score in self._rows if score.phrase is not None}
        return tuple(name for name in self.metrics if name in of_phrases)

    @property
    def _less_is_better(self) -> frozenset[str]:
        return frozenset().union(*(one.less_is_better for one in self._evaluation.metrics))

    def _label(self, sample: int, score: Score) -> str:
        return self._evaluation.dataset[sample].phrases[_phrase(score)].label

    def _of(self, metric: str, run: int) -> list[tuple[int, Score]]:
        return [row for row in self._rows if row[1].metric == metric and row[1].run == run]

    def _by_phrase(self, metric: str, run: int) -> dict[tuple[str, int], float]:
        dataset = self._evaluation.dataset
        return {(dataset[i].name, _phrase(s)): s.value for i, s in self._of(metric, run)}

    def _has_chance(self, metric: str) -> bool:
        return any(s.chance is not None for _, s in self._rows if s.metric == metric)

    def _metric(self, metric: str | None) -> str:
        return _one_of("metric", metric, self.metrics)

    def _phrase_metric(self, metric: str | None) -> str:
        return _one_of("metric", metric, self._phrase_metrics)

    def _run(self, run: int | Run) -> int:
        if isinstance(run, Run) and run in self.runs:
            return self.runs.index(run)
        if isinstance(run, int) and -len(self.runs) <= run < len(self.runs):
            return run % len(self.runs)
        raise InputError(f"`run` is {run!r}: pass one of `runs`, or its number.")


def finish(evaluation: Evaluation, progress: bool) -> Report:
    """Measure what is missing; an interrupt ends that, and loses nothing."""
    try:
        evaluation.proceed(progress)
    except KeyboardInterrupt:
        if not len(evaluation.records):
            raise
    report = Report(evaluation)
    if not report.metrics and report.skipped and report.complete:
        raise InputError(f"no sample of `dataset` could be used: {report.skipped[0].reason}")
    return report


def _one_of(argument: str, name: str | None, names: Iterable[str]) -> str:
    there = tuple(names)
    if name is None and there:
        return there[0]
    if name not in there:
        known = ", ".join(there) or "nothing"
        raise InputError(f"`{argument}` is {name!r}: measured is {known}.")
    return name


def _estimated(rows: Sequence[tuple[int, Score]]) -> Estimate:
    return estimate([score.value for _, score in rows], [sample for sample, _ in rows])


def _phrase(score: Score) -> int:
    assert score.phrase is not None, "a number of a whole sample"
    return score.phrase


def _interval(said: Estimate) -> str | None:
    return None if np.isnan(said.low) else f"{said.low:.3f}–{said.high:.3f}"


def _mean_chance(rows: Sequence[tuple[int, Score]]) -> float | None:
    chances = [score.chance for _, score in rows if score.chance is not None]
    return float(np.mean(chances)) if chances else None
