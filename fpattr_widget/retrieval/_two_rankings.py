"""The rankings of two wordings of one query: where they differ, and which words make them so."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ..checks import quoted
from ..encoders import DualEncoder, Layer, Picture, Sentence, Text
from ..errors import InputError
from ..evaluation import GalleryImage, Paraphrase
from ..files import Table
from ..pairs import FeaturePairs, MethodLike, attribute
from ._aligned_words import AlignedWords, align_words

# Scores that differ by less are said to be alike: they are shown with three digits.
_ALIKE = 0.0005


@dataclass(frozen=True)
class RankedTwice:
    """A picture with its place in the ranking of each wording.

    Attributes
    ----------
    number
        Its number in the gallery, ``agreement.images[number]``.
    name
        Its name.
    places
        ``(query's, paraphrase's)``, from 1.
    scores
        ``(query's, paraphrase's)``.
    """

    number: int
    name: str
    places: tuple[int, int]
    scores: tuple[float, float]

    @property
    def moved(self) -> int:
        """How many places it loses from the query to the paraphrase; negative if it gains."""
        return self.places[1] - self.places[0]

    @property
    def difference(self) -> float:
        """The query's score less the paraphrase's."""
        return self.scores[0] - self.scores[1]


@dataclass(frozen=True, eq=False)
class WordShare:
    """What words, or words in each other's place, add to a difference of two scores.

    Attributes
    ----------
    words
        The words of both wordings.
    value
        The sum of their pairs with all parts of the picture: what the query's words add, less
        what the paraphrase's add.
    features
        Their numbers among the rows of :meth:`TwoRankings.pairs`.
    """

    words: AlignedWords
    value: float
    features: tuple[int, ...]


@dataclass(frozen=True, eq=False, repr=False)
class TwoRankings:
    """The rankings of two wordings of one query.

    Attributes
    ----------
    pair
        The wordings.
    k
        How many pictures are compared.
    average_overlap, jaccard, rank_biased_overlap
        How alike the rankings are; see :class:`RankingAgreement`.
    chance
        What random orders have of each, by its name.
    tops
        The first ``k`` pictures of the query, and those of the paraphrase.
    encoder
        The model.
    images
        All pictures that were ranked.
    own
        Number of the picture that both wordings are of; ``None`` where it is not known.
    method, layer
        How differences are explained; see :func:`fpattr_widget.attribute`.
    """

    pair: Paraphrase
    k: int
    average_overlap: float
    jaccard: float
    rank_biased_overlap: float
    chance: Mapping[str, float]
    tops: tuple[tuple[RankedTwice, ...], tuple[RankedTwice, ...]]
    encoder: DualEncoder
    images: Sequence[GalleryImage]
    own: int | None = None
    method: MethodLike = "integrated_jacobians"
    layer: Layer = None
    _explained: dict[int, FeaturePairs] = field(default_factory=dict, init=False)

    @property
    def query(self) -> str:
        """The first wording."""
        return self.pair.query

    @property
    def paraphrase(self) -> str:
        """The second wording."""
        return self.pair.paraphrase

    @property
    def only_query(self) -> tuple[RankedTwice, ...]:
        """Pictures that only the query has among its first ``k``."""
        return tuple(each for each in self.tops[0] if each.places[1] > self.k)

    @property
    def only_paraphrase(self) -> tuple[RankedTwice, ...]:
        """Pictures that only the paraphrase has among its first ``k``."""
        return tuple(each for each in self.tops[1] if each.places[0] > self.k)

    @cached_property
    def pictures(self) -> tuple[RankedTwice, ...]:
        """All pictures of both tops; first those that move by the most places.

        Of equally many, the one whose scores differ most.
        """
        both = {each.number: each for top in self.tops for each in top}
        order = sorted(
            both.values(), key=lambda each: (-abs(each.moved), -abs(each.difference), each.number)
        )
        return tuple(order)

    def picture(self, name: str | int | RankedTwice | None = None) -> RankedTwice:
        """Return a picture of one of the tops.

        Parameters
        ----------
        name
            Its name, or its number in the gallery; by default the picture whose place differs
            most.

        Raises
        ------
        InputError
            When neither top has it.
        """
        if name is None:
            return self.pictures[0]
        for each in self.pictures:
            if name in (each, each.number, each.name):
                return each
        raise InputError(
            "picture", f"is {quoted(name)}", f"pass one of the first {self.k} of either wording"
        )

    def pairs(self, picture: str | int | RankedTwice | None = None) -> FeaturePairs:
        """Explain the difference of both wordings' scores of a picture.

        What ``attribute(encoder, image, Text(query) - Text(paraphrase))`` returns; the same
        object each time, in which nothing is computed yet.

        Parameters
        ----------
        picture
            See :meth:`picture`.

        Raises
        ------
        InputError
            When there is no such picture, or it cannot be read any more.
        """
        chosen = self.picture(picture).number
        if chosen not in self._explained:
            image = self.images[chosen].image
            if image is None:
                name = quoted(self.images[chosen].name)
                raise InputError(
                    "picture", f"is {name}, which is not known any more", "pass the pictures anew"
                )
            self._explained[chosen] = attribute(
                self.encoder,
                Picture(image),
                Text(self.query) - Text(self.paraphrase),
                self.method,
                self.layer,
            )
        return self._explained[chosen]

    def words(self, picture: str | int | RankedTwice | None = None) -> tuple[WordShare, ...]:
        """Return what each word adds to the difference of a picture's scores; computes it.

        What words score whatever the picture shows, the ledger's ``rows_only``, is left out: up
        to the length of a picture's embedding it is the same for all pictures, and moves none.

        Parameters
        ----------
        picture
            See :meth:`picture`.

        Returns
        -------
        tuple of WordShare
            First what speaks most for the difference that there is. Words that are the same in
            both wordings, or known to mean the same, are counted together.
        """
        chosen = self.picture(picture)
        pairs = self.pairs(chosen)
        by_token = pairs.feature_rows(range(len(pairs.rows.features))).sum(1, dtype=np.float64)
        shares = []
        for group in self.aligned_words(chosen):
            features = self._features(pairs, group)
            shares.append(WordShare(group, float(by_token[list(features)].sum()), features))
        sign = -1 if chosen.difference < 0 else 1
        return tuple(sorted(shares, key=lambda share: -sign * share.value))

    def contributions(self, picture: str | int | RankedTwice | None = None) -> Table:
        """Return :meth:`words` as a table with columns ``query``, ``paraphrase``, ``share``."""
        chosen = self.picture(picture)
        rows = [
            (share.words.query or None, share.words.paraphrase or None, share.value)
            for share in self.words(chosen)
        ]
        caption = f"Shares of the difference of {chosen.difference:+.3f} of {chosen.name}."
        return Table(("query", "paraphrase", "share"), tuple(rows), caption)

    def aligned_words(
        self, picture: str | int | RankedTwice | None = None
    ) -> tuple[AlignedWords, ...]:
        """Return which words of the two wordings belong together."""
        query, paraphrase = self.pairs(picture).rows.panels
        assert isinstance(query, Sentence)
        assert isinstance(paraphrase, Sentence)
        return align_words(query, paraphrase, self.pair.aligned)

    def finding(self, picture: str | int | RankedTwice | None = None) -> str:
        """Say in words where a picture stands for each wording, and which words make that so.

        Computes the explanation of the picture.

        Parameters
        ----------
        picture
            See :meth:`picture`.
        """
        chosen = self.picture(picture)
        return f"{self.standing(chosen)} {self._because(chosen)}"

    def standing(self, picture: str | int | RankedTwice | None = None) -> str:
        """Say in words where a picture stands for each wording; computes nothing."""
        chosen = self.picture(picture)
        places, scores = chosen.places, chosen.scores
        return (
            f"“{chosen.name}” is {ordinal(places[0])} of {len(self.images):,} for the query "
            f"(score {written(scores[0])}) and {ordinal(places[1])} for the paraphrase "
            f"({written(scores[1])})."
        )

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({quoted(self.query)}, {quoted(self.paraphrase)}, "
            f"AO@{self.k} {self.average_overlap:.3f}; {self.standing()})"
        )

    def _because(self, chosen: RankedTwice) -> str:
        difference = chosen.difference
        if abs(difference) < _ALIKE:
            return "Both wordings score it alike; it is other pictures that moved."
        better = 0 if difference > 0 else 1
        sentence = f"The {('query', 'paraphrase')[better]} scores it {abs(difference):.3f} higher"
        most = self.words(chosen)[0]
        if most.value * difference <= 0:
            return (
                f"{sentence}, for what it scores whatever the picture shows: no word that meets "
                "the picture speaks for the difference."
            )
        reason = f"{sentence}, most of all {_reason(most.words, better)} ({abs(most.value):.3f})."
        unknown = self._unknown(chosen, most)
        return f"{reason} The model does not know {unknown}." if unknown else reason

    def _unknown(self, chosen: RankedTwice, share: WordShare) -> str:
        """Return those of the words that are not in the model's vocabulary."""
        rows = self.pairs(chosen).rows
        names = []
        for part, panel in enumerate(rows.panels):
            assert isinstance(panel, Sentence)
            tokens = [
                panel.tokens[feature - rows.offsets[part]]
                for feature in share.features
                if rows.features[feature].part == part
            ]
            if any(token.unknown for token in tokens):
                names.append(f"“{share.words.paraphrase if part else share.words.query}”")
        return " and ".join(dict.fromkeys(names))

    @staticmethod
    def _features(pairs: FeaturePairs, group: AlignedWords) -> tuple[int, ...]:
        offsets = pairs.rows.offsets
        return (
            *(offsets[0] + token for token in group.query_tokens),
            *(offsets[1] + token for token in group.paraphrase_tokens),
        )


def written(score: float) -> str:
    """Return a score as sentences have it."""
    return f"{round(score, 3) + 0.0:.3f}".replace("-", "−")


def ordinal(number: int) -> str:
    """Return a place in words, such as ``"3rd"``."""
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number:,}{'th' if number % 100 in (11, 12, 13) else ending}"


def _reason(words: AlignedWords, better: int) -> str:
    """Say why a wording scores a picture higher, given the words that add most to that."""
    own, other = (words.query, words.paraphrase)[:: -1 if better else 1]
    if not other:
        return f"for “{own}”, which the other has nothing for"
    if not own:
        return f"for being without “{other}”, which speaks against it"
    if own.casefold() == other.casefold():
        return f"for “{own}”, which both have and the other sees less of"
    return f"for “{own}” in place of “{other}”"
