"""A sample as an encoder reads it, and as a setup explains it: all that a metric reads."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..encoders import Crop, DualEncoder, Picture, PreparedImage, PreparedText, Sum
from ..errors import InputError
from ..methods import Game, MaskedSimilarity, Method, Removal, game_of
from ..pairs import FeaturePairs, attribute
from ._dataset import Box, Phrase, Sample
from ._foil import Span
from ._geometry import patches_in_boxes, seen_boxes


@dataclass(frozen=True)
class Target:
    """A phrase of which the model sees at least one token and one box.

    Attributes
    ----------
    number
        Index of the phrase in the sample.
    phrase
        The phrase.
    tokens
        Indices of its tokens.
    boxes
        The visible parts of its boxes, as fractions of what the model sees.
    inside
        Which patches of the phrase's image lie in its boxes, ``(rows, columns)`` bool.
    """

    number: int
    phrase: Phrase
    tokens: tuple[int, ...]
    boxes: tuple[Box, ...]
    inside: np.ndarray


class PreparedSample:
    """A sample as an encoder reads it; all setups of the encoder share what is costly.

    Parameters
    ----------
    encoder
        The encoder.
    sample
        The sample, whose images are opened now.

    Raises
    ------
    InputError
        When an image or the caption cannot be read by this encoder.
    """

    def __init__(self, encoder: DualEncoder, sample: Sample):
        self.encoder = encoder
        self.sample = sample
        self.text = self._read_text(sample.caption)
        sources = [lambda: sample.image]
        if sample.second is not None:
            sources.append(lambda: sample.second_image)
        self.images = tuple(map(self._read_image, sources))
        self._foils: dict[int, tuple[PreparedText, PreparedImage | None]] = {}
        self._games: dict[tuple[object, ...], Game] = {}

    def _read_text(self, caption: str) -> PreparedText:
        prepared = self.encoder.prepare(caption, "text")
        assert isinstance(prepared, PreparedText)
        return prepared

    def _read_image(self, opened: Callable[[], Any]) -> PreparedImage:
        try:
            image = opened()
        except OSError as error:  # raised by the sample's own function
            raise InputError(
                "image", f"cannot be read ({error})", "check the data set's files"
            ) from error
        prepared = self.encoder.prepare(image, "image")
        assert isinstance(prepared, PreparedImage)
        return prepared

    def foil(self, number: int) -> tuple[PreparedText, PreparedImage | None]:
        """Return a foil's caption, or the sample's if it has none, and its picture if it has one.

        They are opened when they are first asked for.

        Raises
        ------
        InputError
            When they cannot be read by this encoder.
        """
        if number not in self._foils:
            foil = self.sample.foils[number]
            text = self.text if foil.caption is None else self._read_text(foil.caption)
            image = None if foil.source is None else self._read_image(lambda: foil.image)
            self._foils[number] = text, image
        return self._foils[number]

    @property
    def image(self) -> PreparedImage:
        """The only image; raise ``InputError`` where there are two."""
        if len(self.images) > 1:
            raise InputError(
                "metrics",
                "hold one that judges one picture, and the sample is a difference of two",
                "choose difference_pointing, difference_sign, order or completeness",
            )
        return self.images[0]

    @property
    def pictured(self) -> Sum:
        """The image, or the first less the second."""
        first, *others = map(Picture, self.images)
        return first - others[0] if others else first

    def require_two(self) -> None:
        """Raise ``InputError`` unless the sample has two images."""
        if len(self.images) < 2:
            raise InputError(
                "metrics",
                "hold one that judges the difference of two pictures, and the sample has one",
                "pass a data set such as fpattr_widget.datasets.differences",
            )

    @cached_property
    def _embedded_images(self) -> np.ndarray:
        return self.encoder.embed_image(self.images)

    def contrast(self, captions: Sequence[str]) -> np.ndarray:
        """Return how much nearer captions are to the first image than to the second.

        Returns
        -------
        numpy.ndarray
            ``(captions,)`` float64: differences of cosines.

        Raises
        ------
        InputError
            When there is no second image.
        """
        self.require_two()
        if self.encoder.head is None:
            scores: np.ndarray = self.encoder.embed_text(captions) @ self._embedded_images.T
        else:
            scores = np.stack([self.encoder.similarities(i, captions) for i in self.images], 1)
        first, second = scores.astype(np.float64).T
        return first - second

    def targets(self, *grids: tuple[int, int]) -> tuple[Target, ...]:
        """Return the phrases of which the model sees a token and a box.

        Parameters
        ----------
        grids
            ``(rows, columns)`` of patches of each image.

        Raises
        ------
        InputError
            When the part of an image that the model sees is not known.
        """
        if self.sample.phrases and any(image.crop is None for image in self.images):
            raise InputError(
                "image",
                "has boxes that cannot be placed in what the model sees, because the image "
                "processor does more than scale and crop, or the image is a few pixels wide",
                "choose metrics that need no boxes, such as 'completeness'",
            )
        targets = []
        for number, phrase in enumerate(self.sample.phrases):
            crop = self.images[phrase.picture].crop
            assert crop is not None
            boxes = seen_boxes(phrase.boxes, crop)
            tokens = tokens_in(self.text, (phrase.start, phrase.stop))
            if boxes and tokens:
                inside = patches_in_boxes(boxes, grids[phrase.picture])
                targets.append(Target(number, phrase, tokens, boxes, inside))
        return tuple(targets)

    def masked(self, layers: tuple[int, int], removal: Removal | None) -> MaskedSimilarity:
        """Return the cosines of the sample with features removed; each input is encoded once.

        Parameters
        ----------
        layers
            ``(text, image)``, where features are read. Layers with the same
            features share what was encoded.
        removal
            How features are removed, by the tower's name, see
            :class:`~fpattr_widget.Occlusion`; ``None`` for the usual way of each tower.
        """
        games = []
        for prepared, layer in zip((self.text, self.image), layers, strict=True):
            part = self.encoder.part(prepared, layer)
            how = removal or {part.tower.name: part.tower.default_removal}
            key = part.tower.name, how[part.tower.name], repr(part.panel.features)
            if key not in self._games:
                self._games[key] = game_of(part, how)
            games.append(self._games[key])
        rows, columns = games
        return MaskedSimilarity(rows, columns, self.encoder.head)


def tokens_in(text: PreparedText, span: Span) -> tuple[int, ...]:
    """Return the numbers of the tokens that lie at least partly in a span of the caption."""
    start, stop = span
    return tuple(
        index
        for index, token in enumerate(text.tokens)
        if not token.special
        and token.start is not None
        and token.stop is not None
        and token.start < stop
        and start < token.stop
    )


@dataclass(frozen=True)
class ExplainedSample:
    """A sample's pair attributions beside its truth; what metrics judge.

    Attributes
    ----------
    prepared
        The sample as the encoder reads it.
    pairs
        Its pair attributions.
    method
        The method that they are measured with.
    layers
        ``(text, image)``, the blocks whose features the pairs have.
    name
        What readers call the setup.
    beside
        The same sample as the encoder's other setups explain it; filled only
        for metrics that compare.
    """

    prepared: PreparedSample
    pairs: FeaturePairs
    method: Method
    layers: tuple[int, int]
    name: str
    beside: tuple["ExplainedSample", ...] = ()

    @cached_property
    def targets(self) -> tuple[Target, ...]:
        """The phrases to judge; see :meth:`PreparedSample.targets`."""
        return self.prepared.targets(*(crop.grid for crop in self.crops))

    @property
    def crops(self) -> tuple[Crop, ...]:
        """What the model sees of each image."""
        return tuple(panel for panel in self.pairs.columns.panels if isinstance(panel, Crop))

    @cached_property
    def maps(self) -> np.ndarray:
        """The joint map of each target's tokens, ``(targets, rows, columns)`` float32.

        Raises
        ------
        InputError
            When the sample has two images.
        """
        self.prepared.image  # noqa: B018 - raises where there are two
        if not self.targets:
            return np.zeros((0, *self.pairs.grid), np.float32)
        return self.pairs.of_spans([target.tokens for target in self.targets])

    @cached_property
    def first_order(self) -> tuple[np.ndarray, np.ndarray]:
        """First-order parts of tokens and of patches; see ``FeaturePairs.first_order``."""
        return self.pairs.first_order()

    @cached_property
    def masked(self) -> MaskedSimilarity:
        """The sample with features removed, in the method's own way if it removes any."""
        return self.prepared.masked(self.layers, getattr(self.method, "removal", None))

    @cached_property
    def foil_pairs(self) -> tuple[FeaturePairs, ...]:
        """The pairs of each foil: of its caption with the sample's picture, or else of its picture.

        By the same method, at the same layers; nothing is computed yet.
        """
        layers = None if self.method.reads_at is not None else self.layers
        prepared = self.prepared
        pairs = []
        for number, foil in enumerate(prepared.sample.foils):
            text, image = prepared.foil(number)
            shown = image if foil.caption is None and image is not None else prepared.image
            pairs.append(attribute(prepared.encoder, shown, text, self.method, layers))
        return tuple(pairs)

    def release(self) -> None:
        """Release what only makes further calls faster; see ``FeaturePairs.release``."""
        self.pairs.release()
        self.release_foils()

    def release_foils(self) -> None:
        """Release likewise what foils have left, if any were explained."""
        for pairs in self.__dict__.get("foil_pairs", ()):
            pairs.release()

    @property
    def content(self) -> np.ndarray:
        """Which tokens are words and not BOS and the like, ``(tokens,)`` bool."""
        return self.prepared.text.content
