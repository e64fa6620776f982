"""One sample as one run explains it: all that a metric looks at."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..encoders import DualEncoder, PreparedImage, PreparedText, content
from ..errors import InputError
from ..methods import Banzhaf, Game, Method, Occlusion, image_game, text_game
from ..pairs import FeaturePairs, attribute
from ._dataset import Box, Phrase, Sample
from ._geometry import patches_in_boxes, seen_boxes


@dataclass(frozen=True)
class Target:
    """A phrase as the model meets it.

    Attributes
    ----------
    number
        Which of the sample's phrases it is.
    phrase
        The phrase.
    tokens
        Numbers of its tokens.
    boxes
        What the model sees of its boxes, as fractions of that.
    inside
        Which patches lie in its boxes, ``(rows, columns)`` bool.
    """

    number: int
    phrase: Phrase
    tokens: tuple[int, ...]
    boxes: tuple[Box, ...]
    inside: np.ndarray


class Read:
    """A sample as an encoder reads it; what is costly is shared by all runs of the encoder.

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
        except OSError as error:  # made by a function, which may read a file
            raise InputError(f"the image cannot be read ({error})") from error
        self.image: PreparedImage = encoder.prepare_image(image)
        self._image_games: dict[tuple[int, int], Game] = {}
        self._text_games: dict[str, Game] = {}

    def targets(self, grid: tuple[int, int]) -> tuple[Target, ...]:
        """Return the phrases whose boxes are seen, on a grid of patches.

        Raises
        ------
        InputError
            When it cannot be told what the model sees of the image.
        """
        if self.sample.phrases and self.image.crop is None:
            raise InputError(
                "where the boxes lie in what the model sees cannot be told: the image processor "
                "of `model` does more than scale and crop, or the image is a few pixels wide"
            )
        found = []
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
                found.append(Target(number, phrase, tokens, boxes, inside))
        return tuple(found)

    def image_game(self, layer: int) -> Game:
        """Return the embeddings of the image with patches taken away, each encoded once.

        Layers whose grids are alike share one game.
        """
        grid, _ = self.encoder.image_layout(self.image, layer)
        if grid not in self._image_games:
            self._image_games[grid] = image_game(self.encoder, self.image, layer)
        return self._image_games[grid]

    def text_game(self, tokens: str | None = None) -> Game:
        """Return the embeddings of the caption with tokens taken away, each encoded once.

        ``tokens`` says how, see :class:`~fpattr_widget.Occlusion`; by the
        attention mask when ``None``, or by the reference where there is none.
        """
        if tokens is None:
            tokens = "mask" if self.encoder.text_tower.masks else "reference"
        if tokens not in self._text_games:
            self._text_games[tokens] = text_game(self.encoder, self.text, tokens)
        return self._text_games[tokens]


class Explained:
    """A sample's pairs, and what they are to be held against.

    Attributes
    ----------
    read
        The sample as the encoder reads it.
    pairs
        Its pair attributions.
    run
        What a reader calls the way in which it was explained.
    beside
        The same sample explained in other ways with the same encoder.
    """

    def __init__(self, read: Read, method: Method, layer: tuple[int, int] | None, run: str):
        self.read = read
        self.pairs: FeaturePairs = attribute(
            read.encoder, read.image, read.text, method=method, layer=layer
        )
        # As attribute() resolves it.
        _, self._image_layer = read.encoder.resolve_layers(layer if method.reads_at is None else -1)
        self._removal = method.tokens if isinstance(method, Occlusion | Banzhaf) else None
        self.run = run
        self.beside: Sequence[Explained] = ()

    @cached_property
    def targets(self) -> tuple[Target, ...]:
        """See ``Read.targets``."""
        return self.read.targets(self.pairs.grid)

    @cached_property
    def maps(self) -> np.ndarray:
        """The joint map of each target's tokens, ``(targets, rows, columns)`` float32."""
        if not self.targets:
            return np.zeros((0, *self.pairs.grid), np.float32)
        return self.pairs.of_spans([target.tokens for target in self.targets])

    @cached_property
    def first_order(self) -> tuple[np.ndarray, np.ndarray]:
        """See ``FeaturePairs.first_order``."""
        return self.pairs.first_order()

    @property
    def text_game(self) -> Game:
        """The caption with tokens taken away as the method does, if it takes any away."""
        return self.read.text_game(self._removal)

    @property
    def image_game(self) -> Game:
        """The image with patches of the pairs' grid taken away."""
        return self.read.image_game(self._image_layer)

    @property
    def content(self) -> np.ndarray:
        """Which tokens are words, ``(tokens,)`` bool; the others are BOS and the like."""
        return content(self.read.text).numpy()
