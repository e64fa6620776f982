"""How alike the maps of a word are in two wordings of one query."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from tqdm.auto import tqdm

from ..encoders import Crop, DualEncoder, Layer, Picture, Sentence, Text
from ..evaluation import GalleryImage, Paraphrase, correlation, estimate
from ..files import Table
from ..pairs import MethodLike, attribute
from ._aligned_words import AlignedWords, align_words

if TYPE_CHECKING:
    import pandas

_NAMED = 12  # words without a partner, in a caption


@dataclass(frozen=True)
class WordAgreement:
    """How alike the maps of one word are in two wordings, on one picture.

    Attributes
    ----------
    pair
        The wordings.
    image
        Name of the picture.
    words
        The word in both.
    value
        Pearson's correlation of the two maps over all patches.
    chance
        What the picture alone causes: the mean correlation of the query's map with those of the
        paraphrase's other words; NaN where it has none.
    cluster
        A number that pairs of one query share.
    """

    pair: Paraphrase
    image: str
    words: AlignedWords
    value: float
    chance: float
    cluster: int


@dataclass(frozen=True, repr=False)
class WordStability:
    """How alike the maps of words are in two wordings of one query.

    The map of a word is its pairs with all patches of the picture. Two of them are compared by
    Pearson's correlation, one if they differ by a positive factor alone: it is decided by the
    patches that are strong in either, which are those that a reader sees. (Rank correlations, as
    of :func:`map_agreement`, count the order of the many patches with next to nothing in them as
    much as that of the few strong ones.) ``chance`` is what maps of different words have in
    common, because the picture is the same.

    Attributes
    ----------
    words
        Each aligned word of each pair.
    without_partner
        For each pair that was measured, the words that have no partner in the other wording.
    complete
        Whether all pairs were measured; not if it was interrupted.
    """

    words: tuple[WordAgreement, ...]
    without_partner: tuple[tuple[Paraphrase, tuple[AlignedWords, ...]], ...]
    complete: bool = True

    @cached_property
    def table(self) -> Table:
        """A table with a line for each word, the least stable first.

        Columns ``word``, ``pairs``, ``stability`` (the mean correlation), ``low`` and ``high``
        (its 95 % interval, clustered by query) and ``chance``.
        """
        found: dict[str, list[WordAgreement]] = {}
        for each in self.words:
            found.setdefault(str(each.words).casefold(), []).append(each)
        rows = []
        for name, of_word in found.items():
            mean = estimate(
                [each.value for each in of_word], [each.cluster for each in of_word], shares=False
            )
            chances = [each.chance for each in of_word if not np.isnan(each.chance)]
            chance = float(np.mean(chances)) if chances else None
            low, high = np.clip((mean.low, mean.high), -1, 1).tolist()
            rows.append((name, mean.count, mean.mean, low, high, chance))
        rows.sort(key=lambda row: (row[2], row[0]))
        columns = ("word", "pairs", "stability", "low", "high", "chance")
        return Table(columns, tuple(rows), self._caption)

    @property
    def unpaired(self) -> dict[str, int]:
        """The words without a partner, and in how many places; those of most places first."""
        words = (str(group) for _, groups in self.without_partner for group in groups)
        return dict(Counter(words).most_common())

    @property
    def _caption(self) -> str:
        """What was measured, in a few sentences."""
        count = len(self.without_partner)
        text = f"How alike a word's maps are in two wordings of one query, over {count} pairs"
        text += "." if self.complete else ", then interrupted."
        unpaired = list(self.unpaired)
        if unpaired:
            text += f" Without a partner: {', '.join(unpaired[:_NAMED])}"
            more = len(unpaired) - _NAMED
            text += f" and {more} more." if more > 0 else "."
        return text

    def to_dataframe(self) -> "pandas.DataFrame":
        """Return a line for each aligned word of each pair, as a pandas DataFrame."""
        columns = ("query", "paraphrase", "image", "query_word", "paraphrase_word")
        rows = tuple(
            (
                *(each.pair.query, each.pair.paraphrase, each.image),
                *(each.words.query, each.words.paraphrase, each.value, each.chance),
            )
            for each in self.words
        )
        return Table((*columns, "stability", "chance"), rows).to_dataframe()

    def __repr__(self) -> str:
        return str(self.table)

    def _repr_html_(self) -> str:
        return self.table._repr_html_()


def word_stability(
    encoder: DualEncoder,
    pairs: Sequence[Paraphrase],
    images: Sequence[GalleryImage],
    clusters: Sequence[int],
    method: MethodLike,
    layer: Layer,
    *,
    progress: bool,
) -> WordStability:
    """Measure the words of each pair on its picture; see ``RankingAgreement.word_stability``."""
    words: list[WordAgreement] = []
    alone: list[tuple[Paraphrase, tuple[AlignedWords, ...]]] = []
    try:
        with tqdm(total=len(pairs), desc="explaining", unit="pair", disable=not progress) as bar:
            for pair, image, cluster in zip(pairs, images, clusters, strict=True):
                of_pair, left = _measured(encoder, pair, image, cluster, method, layer)
                words += of_pair
                alone.append((pair, left))
                bar.update()
    except KeyboardInterrupt:
        if not alone:
            raise
    return WordStability(tuple(words), tuple(alone), len(alone) == len(pairs))


def _measured(
    encoder: DualEncoder,
    pair: Paraphrase,
    image: GalleryImage,
    cluster: int,
    method: MethodLike,
    layer: Layer,
) -> tuple[list[WordAgreement], tuple[AlignedWords, ...]]:
    """Return how alike the maps of each aligned word are, and the words that have no partner."""
    # The difference of two captions has the rows of both, those of the second with their signs
    # turned.
    explained = attribute(
        encoder, Picture(image.image), Text(pair.query) - Text(pair.paraphrase), method, layer
    )
    try:
        query, paraphrase = explained.rows.panels
        (crop,) = explained.columns.panels
        assert isinstance(query, Sentence)
        assert isinstance(paraphrase, Sentence)
        assert isinstance(crop, Crop)
        rows = explained.feature_rows(range(len(explained.rows.features)))
    finally:
        explained.release()
    maps = rows[:, len(crop.special) :].astype(np.float64)
    second = explained.rows.offsets[1]
    groups = [group for group in align_words(query, paraphrase, pair.aligned) if group.has_letters]
    of_query = [maps[list(group.query_tokens)].sum(0) for group in groups]
    of_paraphrase = [
        -maps[[second + token for token in group.paraphrase_tokens]].sum(0) for group in groups
    ]
    measured = []
    for number, group in enumerate(groups):
        if not group.same:
            continue
        others = [
            correlation(of_query[number], of_paraphrase[other])
            for other, one in enumerate(groups)
            if other != number and one.paraphrase_tokens
        ]
        measured.append(
            WordAgreement(
                pair,
                image.name,
                group,
                correlation(of_query[number], of_paraphrase[number]),
                float(np.mean(others)) if others else float("nan"),
                cluster,
            )
        )
    return measured, tuple(group for group in groups if not group.same)
