"""``Report``: the scores of an evaluation by class, by run and by example."""

import html
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..checks import as_count
from ..choices import REPORT_ENDINGS
from ..errors import InputError
from ..files import Table, checked_ending, markdown_text, writable, write_atomically
from . import _report_tables as tables
from ._estimate import Estimate
from ._measurements import Measurements, mean_chance
from ._plan import Evaluation
from ._score import Score
from ._scored_foil import ScoredFoil
from ._scored_phrase import ScoredPhrase
from ._setup import SetupName

if TYPE_CHECKING:
    import pandas
    from ipywidgets import Accordion
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Skipped:
    """A sample that could not be explained, and why."""

    sample: str
    reason: str


class Report:
    """The scores of an evaluation; a notebook cell that ends with it shows its tables.

    Made by :func:`fpattr_widget.evaluate`. An interrupted evaluation gives a
    report on what was measured until then, and :meth:`resume` measures the
    rest.

    Attributes
    ----------
    runs
        Names of the setups that were compared: model, method and layers.
    """

    def __init__(self, evaluation: Evaluation, resume: Callable[[bool], "Report"]):
        self._evaluation = evaluation
        self._resume = resume
        self._measured = Measurements(evaluation)
        self.runs = self._measured.runs

    # What there is

    @property
    def complete(self) -> bool:
        """Whether every sample was tried."""
        return len(self._measured.records) == len(self._evaluation.dataset)

    def resume(self, progress: bool = True) -> "Report":
        """Measure what is missing, and what could not be explained, and return a new report.

        Parameters
        ----------
        progress
            Whether to show a progress bar.

        Raises
        ------
        InputError
            When a model has changed since the evaluation began.
        """
        return self._resume(progress)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of all numbers that were measured, in the order of the metrics."""
        return self._measured.metrics

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes of all phrases, and the kinds of all foils, that were measured, sorted."""
        return self._measured.labels

    @cached_property
    def skipped(self) -> tuple[Skipped, ...]:
        """The samples that could not be explained, and why."""
        return tuple(
            Skipped(record.sample, record.refusal)
            for record in self._measured.records
            if record.refusal is not None
        )

    def __repr__(self) -> str:
        return "\n\n".join([self._heading(), *map(str, self._tables())])

    def _repr_html_(self) -> str:
        heading = f"<p>{html.escape(self._heading())}</p>"
        return heading + "".join(table._repr_html_() for table in self._tables())

    def _heading(self) -> str:
        dataset, done = self._evaluation.dataset, len(self._measured.records)
        heading = f"{done:,} of {len(dataset):,} samples of {dataset.name}"
        if self.skipped:
            heading += f", {len(self.skipped)} of them left out ({self.skipped[0].reason})"
        return heading + ("." if self.complete else "; resume() goes on.")

    # Tables

    def summary(self, metric: str | None = None, run: int | SetupName = 0) -> Estimate:
        """Return the mean of a number over all samples or phrases of one run.

        Parameters
        ----------
        metric
            One of ``metrics``; the first unless given.
        run
            One of ``runs``, or its number.

        Raises
        ------
        InputError
            When there is no such number or run.
        """
        name, number = self._measured.check_metric(metric), self._measured.check_run(run)
        scores = self._measured.of(name, number)
        if not scores:
            raise InputError(
                "metric",
                f"is {name!r}, which {self.runs[number]} has no value of",
                "pass another `run` or metric",
            )
        return self._measured.estimate(scores)

    def comparison(self) -> Table:
        """Return a table with a line for each run, and each number's mean and interval."""
        return tables.comparison(self._measured)

    def classes(
        self, metric: str | None = None, run: int | SetupName = 0, *, most: int | None = None
    ) -> Table:
        """Return a table with a line for each class, the widest gap first.

        The gap is what the class scores below the mean over all phrases (or
        foils, whose classes are their kinds) of the run; of numbers that are
        good when small, above it. It is marked as clear where the mean lies
        outside the class's 95 % interval. With many classes some gaps look clear
        by chance: of a hundred without any, five.

        Parameters
        ----------
        metric
            One of ``metrics`` that is of phrases or foils; the first unless given.
        run
            One of ``runs``, or its number.
        most
            Number of classes to show; all unless given.

        Returns
        -------
        Table
            Columns ``class``, ``phrases`` or ``foils``, the number, ``low``, ``high``,
            ``chance``, ``gap``, ``clear``.

        Raises
        ------
        InputError
            When there is no such number or run.
        """
        measured = self._measured
        name, number = measured.check_class_metric(metric), measured.check_run(run)
        return tables.classes(measured, name, number, _limit(most, "most"))

    def change(
        self, before: "Report", metric: str | None = None, run: int | SetupName = 0
    ) -> Table:
        """Return a table of changes since another report on the same samples.

        Each phrase or foil is compared with itself, so that differences between
        samples cancel.

        Parameters
        ----------
        before
            The earlier report; only what both have measured is compared.
        metric
            One of ``metrics`` that is of phrases or foils; the first unless given.
        run
            Of both reports, by number.

        Returns
        -------
        Table
            Columns ``class``, ``phrases`` or ``foils``, ``before``, ``after``, ``change``,
            ``low``, ``high``; the largest change first, and a last line for
            all classes.

        Raises
        ------
        InputError
            When the reports have nothing in common.
        """
        now, then = self._measured, before._measured
        runs = now.check_run(run), then.check_run(run)
        return tables.change(now, then, now.check_class_metric(metric), runs)

    def scores(self) -> Table:
        """Return a table with a line for each number that was measured.

        Columns ``sample``, ``caption``, ``phrase`` (its words), ``label``,
        ``model``, ``method``, ``text_block``, ``image_block``, ``metric``,
        ``value``, ``chance``, ``foil`` (its caption).
        """
        return tables.scores(self._measured)

    def to_dataframe(self) -> "pandas.DataFrame":
        """Return :meth:`scores` as a pandas DataFrame."""
        return self.scores().to_dataframe()

    def save(self, path: str | os.PathLike[str], *, examples: int = 6) -> None:
        """Write the report to a file.

        Parameters
        ----------
        path
            Its ending chooses the format: ``.html``, a page with tables, a
            figure and the worst examples as linked views, which needs no
            network; ``.md``, the tables; ``.csv``, every score.
        examples
            Number of worst examples on the page.

        Raises
        ------
        InputError
            When the ending is another one or the file cannot be written.
        """
        _limit(examples, "examples")
        ending = checked_ending(path, REPORT_ENDINGS)
        writable(path)  # raises before anything is computed
        if ending == ".csv":
            content = self.scores().to_csv()
        elif ending == ".md":
            parts = [markdown_text(self._heading())]
            for table in self._tables():
                parts += [markdown_text(table.caption), table.to_markdown()]
            content = "\n\n".join(parts) + "\n"
        else:
            from ._report_page import report_page

            measured = bool(self._measured.class_metrics)
            classes = (self.classes(), self.plot()) if measured else None
            worst = self.worst(examples) if measured else ()
            content = report_page(self._heading(), self.comparison(), classes, worst)
        write_atomically(path, content.encode("utf-8", "replace"))

    def _tables(self) -> list[Table]:
        tables = [self.comparison()]
        return [*tables, self.classes()] if self._measured.class_metrics else tables

    # Examples

    def worst(
        self,
        number: int = 6,
        metric: str | None = None,
        *,
        label: str | None = None,
        run: int | SetupName = 0,
    ) -> tuple[ScoredPhrase | ScoredFoil, ...]:
        """Return the phrases, or foils, with the worst scores, the worst first.

        Parameters
        ----------
        number
            How many.
        metric
            One of ``metrics`` that is of phrases or foils; the first unless given. Equal
            scores are ordered by the pointing game energy where it was measured.
        label
            Only phrases of this class, or foils of this kind.
        run
            One of ``runs``, or its number.

        Returns
        -------
        tuple of ScoredPhrase or ScoredFoil
            Each opens as a linked view with its ``widget()``.

        Raises
        ------
        InputError
            When there is no such number, run or class.
        """
        measured, most = self._measured, _limit(number, "number")
        name, run_number = measured.check_class_metric(metric), measured.check_run(run)
        if label is not None and label not in self.labels:
            raise InputError(
                "label", f"is {label!r}, which no phrase or foil has", "pass one of `labels`"
            )
        energies = measured.by_part("pointing_energy", run_number)
        sign = -1 if name in measured.less_is_better else 1

        def goodness(score: Score) -> tuple[float, float]:
            return sign * score.value, energies.get(measured.key(score), 0.0)

        scores = measured.of(name, run_number)
        wanted = [score for score in scores if label in (None, measured.label(score))]
        return tuple(self._scored(score) for score in sorted(wanted, key=goodness)[:most])

    def browse(self, number: int = 6, metric: str | None = None, **options: Any) -> "Accordion":
        """Return the worst examples as a list of titles that open as linked views.

        A view is made when its title is first opened. Parameters as for
        :meth:`worst`.
        """
        from ..widget import accordion

        examples = self.worst(number, metric, **options)
        titles = [f"{one.title}: {one.metric} {one.value:.2f}" for one in examples]
        return accordion(titles, [one.widget for one in examples])

    # Drawings

    def plot(
        self, metric: str | None = None, run: int | SetupName = 0, *, most: int = 30
    ) -> "Figure":
        """Draw the classes with the widest gaps: means, intervals and chance levels.

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
        from ._report_figures import draw_classes

        measured = self._measured
        name, number = measured.check_class_metric(metric), measured.check_run(run)
        table = tables.classes(measured, name, number, _limit(most, "most"))
        return draw_classes(table, self.summary(name, number).mean)

    def plot_comparison(self, metric: str | None = None) -> "Figure":
        """Draw the mean and interval of a number for each run.

        Parameters
        ----------
        metric
            One of ``metrics``; the first unless given.

        Returns
        -------
        matplotlib.figure.Figure
            It belongs to no window and not to pyplot.
        """
        from ._report_figures import draw_runs

        measured = self._measured
        name = measured.check_metric(metric)
        runs = [(str(run), measured.of(name, number)) for number, run in enumerate(self.runs)]
        lines = [
            (run, measured.estimate(scores), mean_chance(scores)) for run, scores in runs if scores
        ]
        return draw_runs(name, lines, name in measured.less_is_better)

    def _scored(self, score: Score) -> ScoredPhrase | ScoredFoil:
        sample = self._measured.sample(score)
        setup = self._evaluation.task.setups[score.run]
        if score.foil is not None:
            return ScoredFoil(sample, score.foil, score.metric, score.value, setup)
        assert score.phrase is not None
        return ScoredPhrase(sample, score.phrase, score.metric, score.value, setup)


def _limit(number: int | None, argument: str) -> int | None:
    return None if number is None else as_count(number, argument, least=0)
