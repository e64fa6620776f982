"""A sample as an encoder reads it, and as a setup explains it: all that a metric reads."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..encoders import DualEncoder, PreparedImage, PreparedText, content
from ..errors import InputError
from ..methods import Banzhaf, Game, Method, Occlusion, image_game, text_game
from ..pairs import FeaturePairs
from ._dataset import Box, Phrase, Sample
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
        Which patches lie in its boxes, ``(rows, columns)`` bool.
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
        The sample, whose image is opened now.

    Raises
    ------
    InputError
        When the image or the caption cannot be read by this encoder.
    """

    def __init__(self, encoder: DualEncoder, sample: Sample):
        self.encoder = encoder
        self.sample = sample
        self.text: PreparedText = encoder.prepare_text(sample.caption)
        try:
            image = sample.image
        except OSError as error:  # raised by the sample's own function
            raise InputError(
                "image", f"cannot be read ({error})", "check that its file is there"
            ) from error
        self.image: PreparedImage = encoder.prepare_image(image)
        self._image_games: dict[tuple[int, int], Game] = {}
        self._text_games: dict[str, Game] = {}

    def targets(self, grid: tuple[int, int]) -> tuple[Target, ...]:
        """Return the phrases of which the model sees a token and a box.

        Parameters
        ----------
        grid
            ``(rows, columns)`` of patches.

        Raises
        ------
        InputError
            When the part of the image that the model sees is not known.
        """
        if self.sample.phrases and self.image.crop is None:
            raise InputError(
                "image",
                "has boxes that cannot be placed in what the model sees, because the image "
                "processor does more than scale and crop, or the image is a few pixels wide",
                "choose metrics that need no boxes, such as 'completeness'",
            )
        targets = []
        for number, phrase in enumerate(self.sample.phrases):
            assert self.image.crop is not None
            boxes = seen_boxes(phrase.boxes, self.image.crop)
            tokens = tuple(
                index
                for index, token in enumerate(self.text.tokens)
                if not token.special
                and token.start is not None
                and token.stop is not None
                and token.start < phrase.stop
                and phrase.start < token.stop
            )
            if boxes and tokens:
                inside = patches_in_boxes(boxes, grid)
                targets.append(Target(number, phrase, tokens, boxes, inside))
        return tuple(targets)

    def image_game(self, layer: int) -> Game:
        """Return the game that embeds the image with patches removed, each subset once.

        Layers with the same grid share one game.
        """
        grid, _ = self.encoder.image_layout(self.image, layer)
        if grid not in self._image_games:
            self._image_games[grid] = image_game(self.encoder, self.image, layer)
        return self._image_games[grid]

    def text_game(self, tokens: str | None = None) -> Game:
        """Return the game that embeds the caption with tokens removed, each subset once.

        Parameters
        ----------
        tokens
            How they are removed, see :class:`~fpattr_widget.Occlusion`. ``None``
            means the attention mask, or the reference where the tower has no mask.
        """
        if tokens is None:
            tokens = "mask" if self.encoder.text_tower.masks else "reference"
        if tokens not in self._text_games:
            self._text_games[tokens] = text_game(self.encoder, self.text, tokens)
        return self._text_games[tokens]


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
    image_layer
        The image tower's block whose grid the pairs have.
    name
        What readers call the setup.
    beside
        The same sample as the encoder's other setups explain it; filled only
        for metrics that compare.
    """

    prepared: PreparedSample
    pairs: FeaturePairs
    method: Method
    image_layer: int
    name: str
    beside: tuple["ExplainedSample", ...] = ()

    @cached_property
    def targets(self) -> tuple[Target, ...]:
        """The phrases to judge; see :meth:`PreparedSample.targets`."""
        return self.prepared.targets(self.pairs.grid)

    @cached_property
    def maps(self) -> np.ndarray:
        """The joint map of each target's tokens, ``(targets, rows, columns)`` float32."""
        if not self.targets:
            return np.zeros((0, *self.pairs.grid), np.float32)
        return self.pairs.of_spans([target.tokens for target in self.targets])

    @cached_property
    def first_order(self) -> tuple[np.ndarray, np.ndarray]:
        """First-order parts of tokens and of patches; see ``FeaturePairs.first_order``."""
        return self.pairs.first_order()

    @property
    def text_game(self) -> Game:
        """The caption with tokens removed, in the method's own way if it removes any."""
        removal = self.method.tokens if isinstance(self.method, Occlusion | Banzhaf) else None
        return self.prepared.text_game(removal)

    @property
    def image_game(self) -> Game:
        """The image with patches of the pairs' grid removed."""
        return self.prepared.image_game(self.image_layer)

    @property
    def content(self) -> np.ndarray:
        """Which tokens are words and not BOS and the like, ``(tokens,)`` bool."""
        return content(self.prepared.text).numpy()
