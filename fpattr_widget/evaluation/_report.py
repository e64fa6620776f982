"""What an evaluation found, by class, by run and by example."""

import html
import os
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..choices import REPORT_ENDINGS
from ..errors import InputError
from ..files import Table, checked_ending, markdown_text, writable, write_atomically
from . import _tables as tables
from ._estimate import Estimate
from ._finding import Finding
from ._measurements import Measurement, Measurements, mean_chance
from ._plan import Evaluation, Run
from .datasets._reading import as_count

if TYPE_CHECKING:
    import pandas
    from ipywidgets import Accordion
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Skipped:
    """A sample that was left out, and why."""

    sample: str
    reason: str


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
        self._found = Measurements(evaluation)
        self.runs = self._found.runs

    # What there is

    @property
    def complete(self) -> bool:
        """Whether every sample was looked at."""
        return len(self._found.records) == len(self._evaluation.dataset)

    def resume(self, progress: bool = True) -> "Report":
        """Measure what is missing and return the report on everything."""
        return finish(self._evaluation, progress)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of all numbers that were measured, in the order of the metrics."""
        return self._found.metrics

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes of all phrases that were measured, sorted."""
        return self._found.labels

    @cached_property
    def skipped(self) -> tuple[Skipped, ...]:
        """The samples that could not be measured, and why."""
        return tuple(
            Skipped(record.sample, record.refusal)
            for record in self._found.records
            if record.refusal is not None
        )

    def __repr__(self) -> str:
        return "\n\n".join([self._heading(), *map(str, self._tables())])

    def _repr_html_(self) -> str:
        heading = f"<p>{html.escape(self._heading())}</p>"
        return heading + "".join(table._repr_html_() for table in self._tables())

    def _heading(self) -> str:
        dataset, done = self._evaluation.dataset, len(self._found.records)
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
        name, number = self._found.metric_named(metric), self._found.run_number(run)
        found = self._found.of(name, number)
        if not found:
            raise InputError(
                f"`metric` is {name!r}, which {self.runs[number]} has no value of: pass another "
                "`run` or metric."
            )
        return self._found.estimated(found)

    def comparison(self) -> Table:
        """Return a table with a line for each run, and each number's mean and interval."""
        return tables.comparison(self._found)

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
        found = self._found
        name, number = found.phrase_metric_named(metric), found.run_number(run)
        return tables.classes(found, name, number, _how_many(most, "most"))

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
        found, then = self._found, before._found
        runs = found.run_number(run), then.run_number(run)
        return tables.change(found, then, found.phrase_metric_named(metric), runs)

    def scores(self) -> Table:
        """Return a table with a line for each number that was measured.

        Columns ``sample``, ``caption``, ``phrase`` (its words), ``label``,
        ``model``, ``method``, ``text_block``, ``image_block``, ``metric``,
        ``value``, ``chance``.
        """
        return tables.scores(self._found)

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
        _how_many(examples, "examples")
        ending = checked_ending(path, REPORT_ENDINGS)
        writable(path)  # told before anything is computed
        if ending == ".csv":
            said = self.scores().to_csv()
        elif ending == ".md":
            parts = [markdown_text(self._heading())]
            for table in self._tables():
                parts += [markdown_text(table.caption), table.to_markdown()]
            said = "\n\n".join(parts) + "\n"
        else:
            from ._page import report_page

            said = report_page(self, self._heading(), self._tables(), examples)
        write_atomically(path, said.encode("utf-8", "replace"))

    def _tables(self) -> list[Table]:
        tables = [self.comparison()]
        return [*tables, self.classes()] if self._found.phrase_metrics else tables

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
        found, most = self._found, _how_many(number, "number")
        name, which = found.phrase_metric_named(metric), found.run_number(run)
        if label is not None and label not in self.labels:
            raise InputError(f"`label` is {label!r}, which has no phrase: pass one of `labels`.")
        tie = found.by_phrase("pointing_energy", which)
        sign = -1 if name in found.less_is_better else 1

        def badness(one: Measurement) -> tuple[float, float]:
            return sign * one.score.value, tie.get((one.sample, one.phrase), 0.0)

        asked = [one for one in found.of(name, which) if label in (None, found.label(one))]
        return tuple(self._finding(one) for one in sorted(asked, key=badness)[:most])

    def browse(self, number: int = 6, metric: str | None = None, **options: Any) -> "Accordion":
        """Return the worst examples as a list of titles, each opening as its linked view.

        A view is made when its title is first opened. Parameters as for
        :meth:`worst`.
        """
        from ._browse import browse

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
        from ._drawing import draw_classes

        found = self._found
        name, number = found.phrase_metric_named(metric), found.run_number(run)
        table = tables.classes(found, name, number, _how_many(most, "most"))
        return draw_classes(table, self.summary(name, number).mean)

    def plot_comparison(self, metric: str | None = None) -> "Figure":
        """Draw the mean and interval of a number for each run.

        Returns
        -------
        matplotlib.figure.Figure
            It belongs to no window and not to pyplot.
        """
        from ._drawing import draw_runs

        found, name = self._found, self._found.metric_named(metric)
        runs = [(str(run), found.of(name, number)) for number, run in enumerate(self.runs)]
        lines = [(said, found.estimated(own), mean_chance(own)) for said, own in runs if own]
        return draw_runs(name, lines, name in found.less_is_better)

    def _finding(self, one: Measurement) -> Finding:
        sample, score = self._found.sample(one), one.score
        phrase = sample.phrases[one.phrase]
        words = sample.caption[phrase.start : phrase.stop]
        way = self._evaluation.ways[score.run]
        return Finding(sample, words, phrase.label, score.metric, score.value, way, one.phrase)


def _how_many(number: int | None, argument: str) -> int | None:
    return None if number is None else as_count(number, argument, least=0)


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
