"""``ranking_agreement``: do two wordings of one query find the same pictures?"""

import html
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checks import as_count, as_path, quoted
from ..choices import REPORT_ENDINGS
from ..encoders import DualEncoder, Layer, ModelLike, ProcessorLike, encoder_of
from ..errors import InputError, Problem
from ..evaluation import Estimate, GalleryImage, Paraphrase, Paraphrases, estimate
from ..files import Table, checked_ending, markdown_text, writable, write_atomically
from ..pairs import MethodLike
from ._disagreement import Disagreement
from ._overlap import (
    PERSISTENCE,
    average_overlap,
    average_overlap_by_chance,
    jaccard,
    jaccard_by_chance,
    rank_biased_overlap,
    rank_biased_overlap_by_chance,
)
from ._places import places_of
from ._scored_gallery import ScoredGallery, gallery_of, source_key
from ._stability import WordStability, word_stability
from ._two_rankings import RankedTwice, ordinal

if TYPE_CHECKING:
    import pandas
    from ipywidgets import Accordion

#: Names of what says how alike two rankings are.
MEASURES = ("average_overlap", "jaccard", "rank_biased_overlap")
_SHOWN = 3  # pairs that disagree most, below the table
_STABILITY_PAIRS = 20
_NO_FILE_NAME = re.compile(r"[^\w.-]+")
_LONGEST = 48  # characters of a wording in the short table


@dataclass(frozen=True, eq=False, repr=False)
class RankingAgreement:
    """How alike the rankings of two wordings of each query are, by one model or several.

    Made by :func:`fpattr_widget.ranking_agreement`. In its arrays the model comes first, then
    the pair; ``wording`` is 0 for the query and 1 for the paraphrase. A notebook cell that ends
    with it shows its table, and :meth:`browse` what is behind it.

    Attributes
    ----------
    pairs
        The wordings, as :class:`Paraphrase`.
    images
        The pictures that were ranked, with ``name`` and ``image``.
    models
        Names of the models.
    encoders
        The models.
    k
        How many pictures of each ranking are compared.
    p
        The persistence of the rank-biased overlap.
    tops
        Numbers of the first ``k`` pictures, ``(models, pairs, wording, k)`` int64; of equal
        scores the picture that comes first in ``images`` wins.
    scores
        Their scores, of the same shape, float64.
    other_places, other_scores
        The places, from 1, and the scores that the same pictures have for the other wording.
    own_places
        The place of the pair's own picture, from 1, ``(models, pairs, wording)`` int64; 0 where
        it is not known.
    problems
        What could not be read and was left out.
    method, layer
        How differences are explained.
    """

    pairs: tuple[Paraphrase, ...]
    images: tuple[GalleryImage, ...]
    models: tuple[str, ...]
    encoders: tuple[DualEncoder, ...]
    k: int
    p: float
    tops: np.ndarray
    scores: np.ndarray
    other_places: np.ndarray
    other_scores: np.ndarray
    own_places: np.ndarray
    problems: tuple[Problem, ...] = ()
    method: MethodLike = "integrated_jacobians"
    layer: Layer = None
    name: str = field(default="")

    # What was measured

    @cached_property
    def average_overlap(self) -> np.ndarray:
        """AO@k of each pair, ``(models, pairs)`` float64; see :func:`.average_overlap`."""
        return self._measured(lambda first, second: average_overlap(first, second, self.k))

    @cached_property
    def jaccard(self) -> np.ndarray:
        """JS@k of each pair, ``(models, pairs)`` float64; see :func:`.jaccard`."""
        return self._measured(lambda first, second: jaccard(first, second, self.k))

    @cached_property
    def rank_biased_overlap(self) -> np.ndarray:
        """Rank-biased overlap at depth k of each pair, ``(models, pairs)`` float64.

        See :func:`.rank_biased_overlap`.
        """
        return self._measured(lambda first, second: rank_biased_overlap(first, second, self.p))

    @property
    def chance(self) -> dict[str, float]:
        """What two independent random orders of the pictures have on average, by measure."""
        count = len(self.images)
        return {
            "average_overlap": average_overlap_by_chance(self.k, count),
            "jaccard": jaccard_by_chance(self.k, count),
            "rank_biased_overlap": rank_biased_overlap_by_chance(self.k, count, self.p),
        }

    @cached_property
    def clusters(self) -> tuple[int, ...]:
        """A number for each pair; pairs of one query, or of one group, share it."""
        numbers: dict[str, int] = {}
        return tuple(numbers.setdefault(pair.cluster, len(numbers)) for pair in self.pairs)

    def values(self, measure: str = "average_overlap", model: int | str = 0) -> np.ndarray:
        """Return a measure of each pair, ``(pairs,)`` float64.

        Parameters
        ----------
        measure
            ``"average_overlap"``, ``"jaccard"`` or ``"rank_biased_overlap"``.
        model
            Its number or name.

        Raises
        ------
        InputError
            When there is no such measure or model.
        """
        if measure not in MEASURES:
            names = ", ".join(map(repr, MEASURES))
            raise InputError("measure", f"is {quoted(measure)}", f"pass one of {names}")
        array: np.ndarray = getattr(self, measure)
        return array[self._model(model)]

    def estimate(self, measure: str = "average_overlap", model: int | str = 0) -> Estimate:
        """Return the mean of a measure over all pairs, with an interval clustered by query.

        Parameters as for :meth:`values`.
        """
        return estimate(self.values(measure, model).tolist(), self.clusters)

    def recall(self, wording: int, model: int | str = 0) -> Estimate | None:
        """Return the share of wordings that find the pair's own picture among the first k.

        Parameters
        ----------
        wording
            0 for the queries, 1 for the paraphrases.
        model
            Its number or name.

        Returns
        -------
        Estimate or None
            ``None`` where no pair's own picture is among ``images``.
        """
        places = self.own_places[self._model(model), :, wording]
        known = np.flatnonzero(places)
        if not len(known):
            return None
        found = (places[known] <= self.k).astype(float).tolist()
        return estimate(found, [self.clusters[number] for number in known])

    # Tables

    @property
    def summary(self) -> Table:
        """A table with a line for each model: means, 95 % intervals clustered by query, chance."""
        columns = ["model", "pairs"]
        for label in self._labels.values():
            columns += [label, f"{label} 95 %", f"{label} chance"]
        has_own = bool(self.own_places.any())
        if has_own:
            columns += [f"recall@{self.k} of queries", "of paraphrases"]
        rows = []
        for number, name in enumerate(self.models):
            row: list[Any] = [name, len(self.pairs)]
            for measure in self._labels:
                mean = self.estimate(measure, number)
                row += [mean.mean, _interval(mean), self.chance[measure]]
            if has_own:
                recalls = [self.recall(wording, number) for wording in (0, 1)]
                row += [None if one is None else one.mean for one in recalls]
            rows.append(tuple(row))
        caption = "How alike two wordings of one query rank: means over all pairs."
        return Table(tuple(columns), tuple(rows), caption)

    def change(self, before: int | str = 0, after: int | str = 1) -> Table:
        """Return a table of how two models differ, pair by pair.

        Parameters
        ----------
        before, after
            Numbers or names of the models.

        Returns
        -------
        Table
            Columns ``measure``, ``before``, ``after``, ``change``, ``low``, ``high``; the
            interval is that of the change, clustered by query.

        Raises
        ------
        InputError
            When there is no such model.
        """
        rows = []
        for measure, label in self._labels.items():
            then, now = self.values(measure, before), self.values(measure, after)
            mean = estimate((now - then).tolist(), self.clusters, shares=False)
            means = float(then.mean()), float(now.mean())
            rows.append((label, *means, mean.mean, mean.low, mean.high))
        names = [self.models[self._model(model)] for model in (before, after)]
        columns = ("measure", "before", "after", "change", "low", "high")
        return Table(columns, tuple(rows), f"From {names[0]} to {names[1]}, pair by pair.")

    def by_pair(self) -> Table:
        """Return a table with a line for each model and pair.

        Columns ``model``, ``pair`` (its number), ``group``, ``query``, ``paraphrase``; the three
        measures; ``own_picture`` with its ``own_place_query`` and ``own_place_paraphrase``; and
        ``moved_picture``, the one that moves most, with ``moved_place_query``,
        ``moved_place_paraphrase``.
        """
        columns = (
            *("model", "pair", "group", "query", "paraphrase", *MEASURES),
            *("own_picture", "own_place_query", "own_place_paraphrase"),
            *("moved_picture", "moved_place_query", "moved_place_paraphrase"),
        )
        rows = []
        for model, name in enumerate(self.models):
            values = [self.values(measure, model).tolist() for measure in MEASURES]
            for number, pair in enumerate(self.pairs):
                own: list[Any] = [None, None, None]
                if self._own[number] >= 0:
                    places = self.own_places[model, number].tolist()
                    own = [self.images[self._own[number]].name, *places]
                moved = self.pair(number, model).pictures[0]
                rows.append(
                    (
                        *(name, number, pair.group, pair.query, pair.paraphrase),
                        *(of_measure[number] for of_measure in values),
                        *(*own, moved.name, *moved.places),
                    )
                )
        return Table(columns, tuple(rows))

    def to_dataframe(self) -> "pandas.DataFrame":
        """Return :meth:`by_pair` as a pandas DataFrame."""
        return self.by_pair().to_dataframe()

    # The pairs

    def pair(self, number: int, model: int | str = 0) -> Disagreement:
        """Return a pair with both of its rankings.

        Parameters
        ----------
        number
            Of the pair, as in ``pairs``.
        model
            Its number or name.

        Raises
        ------
        InputError
            When there is no such pair or model.
        """
        if not -len(self.pairs) <= number < len(self.pairs):
            raise InputError(
                "number", f"is {number}", f"pass a number from 0 to {len(self.pairs) - 1}"
            )
        place = self._model(model)
        tops = [
            tuple(
                RankedTwice(
                    int(self.tops[place, number, wording, rank]),
                    self.images[self.tops[place, number, wording, rank]].name,
                    _ordered(
                        rank + 1, int(self.other_places[place, number, wording, rank]), wording
                    ),
                    _ordered(
                        float(self.scores[place, number, wording, rank]),
                        float(self.other_scores[place, number, wording, rank]),
                        wording,
                    ),
                )
                for rank in range(self.k)
            )
            for wording in (0, 1)
        ]
        return Disagreement(
            pair=self.pairs[number],
            k=self.k,
            average_overlap=float(self.average_overlap[place, number]),
            jaccard=float(self.jaccard[place, number]),
            rank_biased_overlap=float(self.rank_biased_overlap[place, number]),
            chance=self.chance,
            tops=(tops[0], tops[1]),
            encoder=self.encoders[place],
            images=self.images,
            own=self._own[number] if self._own[number] >= 0 else None,
            method=self.method,
            layer=self.layer,
        )

    def disagreements(
        self, number: int = 5, model: int | str = 0, measure: str = "average_overlap"
    ) -> tuple[Disagreement, ...]:
        """Return the pairs whose rankings are least alike, the least alike first.

        Parameters
        ----------
        number
            How many.
        model, measure
            See :meth:`values`. Equal values are ordered by the other measures, then by the
            pair's number.

        Returns
        -------
        tuple of Disagreement
            Each shows itself in a notebook as a linked comparison.

        Raises
        ------
        InputError
            When there is no such measure or model.
        """
        order = self._order(model, measure)[: as_count(number, "number", least=0)]
        return tuple(self.pair(one, model) for one in order)

    def browse(
        self, number: int = 5, model: int | str = 0, measure: str = "average_overlap"
    ) -> "Accordion":
        """Return the pairs that disagree most as a list of titles that open as comparisons.

        A comparison is made when its title is first opened. Parameters as for
        :meth:`disagreements`.
        """
        from ..widget import accordion

        found = self.disagreements(number, model, measure)
        return accordion([_title(each) for each in found], [each.widget for each in found])

    def word_stability(
        self,
        number: int | None = _STABILITY_PAIRS,
        model: int | str = 0,
        *,
        seed: int = 0,
        progress: bool = True,
    ) -> WordStability:
        """Measure how alike the maps of each word are in two wordings of one query.

        Costs an explanation of each pair, on the pair's own picture, or where that is not known
        on the query's first. An interrupt ends it with the pairs that were measured until then.

        Parameters
        ----------
        number
            Of pairs, drawn at random; ``None`` for all.
        model
            Its number or name.
        seed
            Draws the pairs.
        progress
            Whether to show a progress bar.

        Returns
        -------
        WordStability
            A table by word; words that have no partner in the other wording are named.

        Raises
        ------
        InputError
            When there is no such model, or a picture cannot be read any more.
        """
        chosen = np.arange(len(self.pairs))
        if number is not None and as_count(number, "number") < len(chosen):
            generator = np.random.default_rng(seed)
            chosen = np.sort(generator.choice(chosen, number, replace=False))
        place = self._model(model)
        pictures = [
            self._own[one] if self._own[one] >= 0 else int(self.tops[place, one, 0, 0])
            for one in chosen
        ]
        return word_stability(
            self.encoders[place],
            [self.pairs[one] for one in chosen],
            [self.images[picture] for picture in pictures],
            [self.clusters[one] for one in chosen],
            self.method,
            self.layer,
            progress=progress,
        )

    # Other forms

    def save(self, path: str | os.PathLike[str], *, examples: int = 3) -> None:
        """Write the agreement to a file.

        Parameters
        ----------
        path
            Its ending chooses the format: ``.html``, a page with the table and the pairs that
            disagree most as linked comparisons, which needs no network; ``.md``, the tables;
            ``.csv``, a line for each model and pair.
        examples
            How many pairs are on the page, of the first model.

        Raises
        ------
        InputError
            When the ending is another one or the file cannot be written.
        """
        as_count(examples, "examples", least=0)
        ending = checked_ending(path, REPORT_ENDINGS)
        writable(path)  # raises before anything is computed
        if ending == ".csv":
            content = self.by_pair().to_csv()
        elif ending == ".md":
            parts = [markdown_text(self._heading())]
            for table in self._tables():
                parts += [markdown_text(table.caption), table.to_markdown()]
            content = "\n\n".join(parts) + "\n"
        else:
            from ._agreement_page import agreement_page

            content = agreement_page(
                self._heading(), [self.summary], self.disagreements(examples), self.problems
            )
        write_atomically(path, content.encode("utf-8", "replace"))

    def __repr__(self) -> str:
        return "\n\n".join([self._heading(), *map(str, self._tables())])

    def _repr_html_(self) -> str:
        heading = f"<p>{html.escape(self._heading())}</p>"
        return heading + "".join(table._repr_html_() for table in self._tables())

    # Inside

    @cached_property
    def _own(self) -> tuple[int, ...]:
        return own_pictures(self.pairs, self.images)

    @property
    def _labels(self) -> dict[str, str]:
        return dict(zip(MEASURES, (f"AO@{self.k}", f"JS@{self.k}", f"RBO@{self.k}"), strict=True))

    def _heading(self) -> str:
        left_out = ""
        if self.problems:
            left_out = f" {len(self.problems)} left out, first {self.problems[0]}."
        name = f"{self.name}: " if self.name else ""
        return (
            f"{name}{len(self.pairs):,} pairs of wordings in {len(set(self.clusters)):,} groups, "
            f"{len(self.images):,} pictures, the first {self.k} compared.{left_out}"
        )

    def _tables(self) -> list[Table]:
        rows: list[tuple[Any, ...]] = []
        for each in self.disagreements(_SHOWN):
            moved = each.pictures[0]
            wordings = (_short(each.query), _short(each.paraphrase))
            rows.append((*wordings, each.average_overlap, moved.name, *map(ordinal, moved.places)))
        columns = ("query", "paraphrase", f"AO@{self.k}", "picture that moves most", "from", "to")
        caption = f"The pairs that disagree most by {self.models[0]}; browse() opens them."
        return [self.summary, Table(columns, tuple(rows), caption)]

    def _order(self, model: int | str, measure: str) -> list[int]:
        others = [name for name in MEASURES if name != measure]
        keys = [self.values(name, model) for name in (measure, *others)]
        return [int(one) for one in np.lexsort(tuple(reversed(keys)))]

    def _measured(self, compare: Any) -> np.ndarray:
        return np.array(
            [[compare(*both) for both in of_model] for of_model in self.tops], np.float64
        ).reshape(self.tops.shape[:2])

    def _model(self, model: int | str) -> int:
        if isinstance(model, str) and model in self.models:
            return self.models.index(model)
        count = len(self.models)
        if isinstance(model, bool) or not isinstance(model, int) or not -count <= model < count:
            names = " or ".join(map(repr, self.models))
            raise InputError("model", f"is {quoted(model)}", f"pass {names}, or its number")
        return model % count


def ranking_agreement(
    model: ModelLike | Sequence[ModelLike],
    queries: Sequence[str] | Paraphrases,
    paraphrases: Sequence[str] | None = None,
    images: Any = None,
    k: int = 10,
    *,
    p: float = PERSISTENCE,
    processor: ProcessorLike = None,
    store: str | os.PathLike[str] | None = None,
    progress: bool = True,
    method: MethodLike = "integrated_jacobians",
    layer: Layer = None,
) -> RankingAgreement:
    """Rank pictures by each query and by its paraphrase, and compare the two rankings.

    A model that knows what words mean ranks alike for two wordings of one query. How alike is
    measured by the average overlap AO@k, the Jaccard similarity JS@k (Cheng et al., arXiv
    2405.03190) and the rank-biased overlap, each beside what random orders have. Intervals are
    clustered by query, as the paraphrases of one query are not independent.

    Parameters
    ----------
    model
        See :func:`fpattr_widget.attribute`; or a list of models, for one table of all.
    queries
        A list of wordings, or a ``Paraphrases`` set with both wordings, and with pictures unless
        ``images`` are given.
    paraphrases
        For each query the same in other words.
    images
        What is ranked: a folder, in which pictures are looked for at any depth, pictures in any
        form that :func:`fpattr_widget.attribute` takes, by name or in a list, or
        :class:`Embeddings` of the model. What cannot be read is left out and told in
        ``problems``.
    k
        How many pictures of each ranking are compared.
    p
        Persistence of the rank-biased overlap; see :func:`retrieval.rank_biased_overlap`.
    processor
        See :func:`fpattr_widget.load_encoder`; for all models.
    store
        A folder that keeps the embeddings of the pictures, in a file for each model: the same
        call goes on after an interrupt, and embeds nothing twice. Not for models that read an
        image by a caption.
    progress
        Whether such models show a progress bar while many pictures are read.
    method, layer
        How differences will be explained; see :func:`fpattr_widget.attribute`.

    Returns
    -------
    RankingAgreement

    Raises
    ------
    InputError
        When a wording is empty, there are not as many paraphrases as queries, there are no
        pictures or fewer than ``k``, or a model cannot be used.

    Examples
    --------
    >>> agreement = ranking_agreement("bundled", ["a small dog"], ["a little dog"], "photos")
    ... # doctest: +SKIP
    >>> agreement.disagreements(1)[0].finding()  # doctest: +SKIP
    '“park.jpg” is 2nd of 80 for the query (score 0.212) and 31st for the paraphrase (0.148). …'
    """
    wordings = _wordings(queries, paraphrases)
    gallery = gallery_of(wordings.images if images is None else images)
    k = as_count(k, "k")
    encoders = [encoder_of(each, processor) for each in _as_list(model)]
    captions = list(dict.fromkeys((*wordings.queries, *wordings.paraphrases)))
    number_of = {caption: number for number, caption in enumerate(captions)}
    both = np.array([[number_of[one.query], number_of[one.paraphrase]] for one in wordings])
    names = _distinct([encoder.name for encoder in encoders])
    scored = [
        ScoredGallery(encoder, gallery, store=_store_of(store, name), progress=progress)
        for encoder, name in zip(encoders, names, strict=True)
    ]
    problems = {number: problem for each in scored for number, problem in each.problems.items()}
    kept = [number for number in range(len(gallery.pictures)) if number not in problems]
    if k > len(kept):
        raise InputError(
            "k",
            f"is {k}, and there {'is' if len(kept) == 1 else 'are'} {len(kept)} "
            f"picture{'' if len(kept) == 1 else 's'} that can be ranked",
            f"pass at most {len(kept)}" if kept else "pass pictures that can be read",
        )
    images = tuple(gallery.pictures[number] for number in kept)
    left_out = () if gallery.embeddings is None else gallery.embeddings.problems
    own = own_pictures(wordings, images)
    found = [places_of(each.scorer(kept, captions), both, len(kept), k, own) for each in scored]

    def stacked(name: str) -> np.ndarray:
        return np.stack([getattr(each, name) for each in found])

    return RankingAgreement(
        pairs=wordings.items,
        images=images,
        models=names,
        encoders=tuple(encoders),
        k=k,
        p=p,
        tops=stacked("tops"),
        scores=stacked("scores"),
        other_places=stacked("other_places"),
        other_scores=stacked("other_scores"),
        own_places=stacked("own"),
        problems=(
            *wordings.problems,
            *left_out,
            *(problems[number] for number in sorted(problems)),
        ),
        method=method,
        layer=layer,
        name=wordings.name,
    )


def own_pictures(pairs: Iterable[Paraphrase], images: Sequence[GalleryImage]) -> tuple[int, ...]:
    """Return the number of each pair's own picture, −1 where it is none of the pictures."""
    numbers = {source_key(image.source): number for number, image in enumerate(images)}
    return tuple(
        -1 if pair.source is None else numbers.get(source_key(pair.source), -1) for pair in pairs
    )


def _wordings(
    queries: Sequence[str] | Paraphrases, paraphrases: Sequence[str] | None
) -> Paraphrases:
    """Return what a user passes as wordings."""
    if isinstance(queries, Paraphrases):
        if paraphrases is not None:
            raise InputError("paraphrases", "is given beside a set that has them", "leave it out")
        found = queries
    elif isinstance(queries, str) or isinstance(paraphrases, str):
        argument = "queries" if isinstance(queries, str) else "paraphrases"
        raise InputError(argument, "is one string", "pass a list of strings")
    elif paraphrases is None:
        raise InputError("paraphrases", "is missing", "pass one for each query")
    else:
        first, second = list(queries), list(paraphrases)
        if len(first) != len(second):
            raise InputError(
                "paraphrases",
                f"has {len(second)} entries, and `queries` {len(first)}",
                "pass one for each query",
            )
        found = Paraphrases(
            "",
            [_pair(number, *both) for number, both in enumerate(zip(first, second, strict=True))],
        )
    if not len(found):
        raise InputError("queries", "is empty", "pass at least one query")
    return found


def _pair(number: int, query: str, paraphrase: str) -> Paraphrase:
    try:
        return Paraphrase(query, paraphrase)
    except InputError as error:
        argument = {"query": "queries", "paraphrase": "paraphrases"}[error.argument]
        raise InputError(argument, f"{error.problem} at index {number}", error.remedy) from None


def _store_of(folder: str | os.PathLike[str] | None, model: str) -> Path | None:
    """Return the file of a model in a folder of stores, which is made if it is not there."""
    if folder is None:
        return None
    path = as_path(folder, "store")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError("store", f"is no folder ({path})", "pass a folder") from error
    return path / f"{_NO_FILE_NAME.sub('-', model).strip('-.')}.npz"


def _as_list(model: Any) -> list[Any]:
    models = list(model) if isinstance(model, list | tuple) else [model]
    if not models:
        raise InputError("model", "is an empty list", "pass at least one model")
    return models


def _distinct(names: Sequence[str]) -> tuple[str, ...]:
    """Return names of which each is there once."""
    return tuple(
        f"{name} ({names[: number + 1].count(name)})" if name in names[:number] else name
        for number, name in enumerate(names)
    )


def _ordered(own: Any, other: Any, wording: int) -> tuple[Any, Any]:
    """Return the query's value and the paraphrase's."""
    return (own, other) if wording == 0 else (other, own)


def _interval(mean: Estimate) -> str | None:
    return None if np.isnan(mean.low) else f"{mean.low:.3f}–{mean.high:.3f}"


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1].rstrip()}…"


def _title(each: Disagreement) -> str:
    wordings = f"“{_short(each.query)}” / “{_short(each.paraphrase)}”"
    return f"{wordings}: AO@{each.k} {each.average_overlap:.2f}"
