"""One sample as one run explains it: all that a metric looks at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..encoders import DualEncoder, PreparedImage, PreparedText
from ..errors import InputError
from ..methods import Game, MaskedSimilarity, Method, game_of
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
        try:
            image = sample.image
        except OSError as error:  # made by a function, which may read a file
            raise InputError(
                "image", f"cannot be read ({error})", "check the data set's files"
            ) from error
        prepared_text = encoder.prepare(sample.caption, "text")
        prepared_image = encoder.prepare(image, "image")
        assert isinstance(prepared_text, PreparedText)
        assert isinstance(prepared_image, PreparedImage)
        self.text, self.image = prepared_text, prepared_image
        self._games: dict[tuple[str, ...], Game] = {}

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

    def masked(
        self, layers: tuple[int, int], removal: Mapping[str, str] | None
    ) -> MaskedSimilarity:
        """Return the cosines of the sample with features removed, each input encoded once.

        Parameters
        ----------
        layers
            ``(text, image)``, where features are read off; layers whose features are alike
            share what was encoded.
        removal
            How a feature is removed, by the tower's name, see
            :class:`~fpattr_widget.Occlusion`; ``None`` for the usual way of each tower.
        """
        games = []
        for prepared, layer in zip((self.text, self.image), layers, strict=True):
            part = self.encoder.part(prepared, layer)
            how = removal or {part.tower.name: part.tower.usual_removal}
            key = part.tower.name, how[part.tower.name], repr(part.panel.features)
            if key not in self._games:
                self._games[key] = game_of(part, how)
            games.append(self._games[key])
        return MaskedSimilarity(*games)


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
        self._layers = read.encoder.resolve_layers(layer if method.reads_at is None else -1)
        self._removal: Mapping[str, str] | None = getattr(method, "removal", None)
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

    @cached_property
    def masked(self) -> MaskedSimilarity:
        """The sample with features removed as the method does, if it removes any."""
        return self.read.masked(self._layers, self._removal)

    @property
    def content(self) -> np.ndarray:
        """Which tokens are words, ``(tokens,)`` bool; the others are BOS and the like."""
        return self.read.text.content
