"""The lazy token × patch matrix, the centre of the house."""

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
from PIL import Image

from ..choices import MethodName
from ..encoders import (
    CaptionLike,
    ImageLike,
    Layer,
    ModelLike,
    ProcessorLike,
    Token,
    encoder_of,
    find_words,
)
from ..errors import InputError
from ..methods import Contributions, GroupedContributions, Method, method_of
from ._picture_cache import PictureCache
from ._table import table_columns

if TYPE_CHECKING:
    import pandas
    import xarray
    from matplotlib.figure import Figure

    from ..view import ViewOptions
    from ..widget import PairsWidget

#: A method or its name.
MethodLike = MethodName | str | Method


@dataclass(frozen=True)
class Ledger:
    """The sum that shows what was lost.

    ``similarity = pairs + caption_only + image_only + baseline + residual``.
    With ``s`` the dot product of two embeddings over the norms of the input's
    two embeddings, ``a`` the image, ``b`` the caption and ``r`` their
    references (arXiv 2408.14153, equation 8):

    Attributes
    ----------
    similarity
        The cosine, ``s(a, b)``.
    pairs
        The sum of all pair attributions, special positions included.
    caption_only
        ``s(r_a, b) − s(r_a, r_b)``: what the caption brings whatever the image.
    image_only
        ``s(a, r_b) − s(r_a, r_b)``.
    baseline
        ``s(r_a, r_b)``.
    residual
        What is left. Integrated Jacobians leave the error of the integration
        alone; other methods all that pairs do not explain.
    """

    similarity: float
    pairs: float
    caption_only: float
    image_only: float
    baseline: float
    residual: float


@dataclass(frozen=True)
class About:
    """Where the numbers come from, in words for a reader."""

    model: str
    method: str
    layers: str


@dataclass(frozen=True)
class _Sides:
    """Both towers' contributions and the scale that turns their products into cosines.

    ``unchanged`` makes a context in which the model has to be what it was.
    """

    text: Contributions
    image: Contributions
    scale: float
    unchanged: "Unchanged"

    def release(self) -> None:
        self.text.release()
        self.image.release()


@dataclass(frozen=True)
class Known:
    """All that measuring tells, where it is known already.

    Attributes
    ----------
    values
        All pairs, special positions first, ``(tokens, n_special + rows · columns)`` float32.
    ledger
        What they sum up to.
    nodes
        How finely it was measured, in words.
    standard_error
        That of ``values``, in their shape; ``None`` where nothing was left to chance.
    error_of_words
        That of the rows of words, ``(words, n_special + rows · columns)`` float32.
    """

    values: np.ndarray
    ledger: Ledger
    nodes: str
    standard_error: np.ndarray | None
    error_of_words: np.ndarray | None


#: Makes a context that raises ``InputError`` at its end if the model has changed.
Unchanged = Callable[[], AbstractContextManager[None]]
#: Measures both towers, text first.
Measure = Callable[[], "tuple[Contributions, Contributions, Unchanged] | Known"]


class FeaturePairs:
    """Signed attributions of a similarity to (caption token, image patch) pairs.

    Nothing is computed before it is asked for, and nothing twice. With
    integrated Jacobians a row costs one backward pass of the image tower, and
    so does the joint row of several tokens; a region costs little
    more. Safe to use from several threads.

    Attributes
    ----------
    caption
        The caption.
    tokens
        One :class:`~fpattr_widget.Token` for each position of the text tower.
    grid
        ``(rows, columns)`` of patches, which cover ``picture`` exactly.
    image_special_names
        Names of the image positions that are no patches, such as ``"CLS"``.
    about
        Model, method and layers, in words.
    cheaper
        What would be computed sooner, in words; ``""`` where nothing would.
    """

    def __init__(
        self,
        measure: Measure | Known,
        *,
        caption: str,
        tokens: Sequence[Token],
        picture: Image.Image,
        grid: tuple[int, int],
        image_special: Sequence[str],
        about: About,
        cheaper: str = "",
    ):
        self.caption = caption
        self.tokens = tuple(tokens)
        self._picture = _PICTURES.get(picture)
        self.grid = grid
        self.image_special_names = tuple(image_special)
        self.about = about
        self.cheaper = cheaper
        # Either is let go of as soon as it can tell nothing new.
        self._measure: Measure | None = None
        self._sides: _Sides | None = None
        self._nodes = ""
        self._ledger: Ledger | None = None
        self._standard_error: np.ndarray | None = None
        self._error_of_words: np.ndarray | None = None
        self._lock = threading.RLock()
        features = len(self.image_special_names) + grid[0] * grid[1]
        self._values = np.full((len(self.tokens), features), np.nan, np.float32)
        self._ready = np.zeros(len(self.tokens), bool)
        if isinstance(measure, Known):
            self._take(measure)
        else:
            self._measure = measure

    def __repr__(self) -> str:
        rows, columns = self.grid
        return (
            f"FeaturePairs({self.caption!r}, {len(self.tokens)} tokens × {rows}·{columns} patches, "
            f"{self.about.model}, {self.about.method}, {int(self._ready.sum())} rows computed)"
        )

    @property
    def picture(self) -> Image.Image:
        """The crop of the image that the model saw, a PIL image of the caller's own."""
        return self._picture.copy()

    # The matrix and its parts

    @property
    def matrix(self) -> np.ndarray:
        """All pairs, ``(tokens, rows · columns)`` float32; computes what is missing."""
        return self.feature_rows(range(len(self.tokens)))[:, self._specials :]

    @property
    def image_special(self) -> np.ndarray:
        """Pairs of each token with CLS and its like, ``(tokens, n_special)`` float32."""
        return self.feature_rows(range(len(self.tokens)))[:, : self._specials]

    @property
    def standard_error(self) -> np.ndarray | None:
        """The standard error of ``matrix``, ``(tokens, rows · columns)`` float32.

        ``None`` where nothing was left to chance. With ``Σ`` the covariance of
        an estimated contribution, and both towers' estimates independent, its
        square is ``c_jᵀ Σ_i c_j + c_iᵀ Σ_j c_i`` over the squared scale. The
        estimates stand for the contributions, so that it is rather too large,
        by ``tr Σ_i Σ_j``.
        """
        with self._lock:
            sides = self._measured()
            if sides is not None and _sampled(sides) and self._standard_error is None:
                with sides.unchanged():
                    found = _standard_error(sides)
                self._standard_error = found
                self._let_go()
            error = self._standard_error
            return None if error is None else error[:, self._specials :]

    def row(self, token: int | str) -> np.ndarray:
        """Return the patch map of one token or one word, ``(rows, columns)`` float32.

        Parameters
        ----------
        token
            Number of the token, or a word of the caption as text, such as
            ``"cup"``; see :meth:`of_tokens`.

        Raises
        ------
        InputError
            When there is no such token, or the word is not there exactly once.
        """
        return self.of_tokens([token])

    def of_tokens(self, tokens: str | Iterable[int | str]) -> np.ndarray:
        """Return the joint patch map of several tokens, ``(rows, columns)`` float32.

        It is the sum of their rows; where these are not there yet, one backward
        pass gives it.

        Parameters
        ----------
        tokens
            Numbers of tokens, or words of the caption as text, whose tokens
            are summed: ``[1, 2]``, ``"cup"``, ``"red cup"``, ``["red", "cup"]``.
            Upper and lower case are the same unless they tell two words apart.
            Where no word is so called, a special position may be: ``"CLS"``.

        Raises
        ------
        InputError
            When there is no such token, or a word is not there exactly once.
        """
        return self.of_spans([tokens])[0]

    def of_spans(self, spans: Iterable[str | Iterable[int | str]]) -> np.ndarray:
        """Return the joint patch maps of several spans, ``(spans, rows, columns)`` float32.

        Each is the sum of its tokens' rows; where these are not there yet, one
        backward pass for each span gives it. A span is what :meth:`of_tokens` takes.

        Raises
        ------
        InputError
            When there is no such token, or a word is not there exactly once.
        """
        chosen = [self._check_tokens(tokens) for tokens in spans]
        joint = np.empty((len(chosen), self._values.shape[1]), np.float32)
        with self._lock:
            # A single token's row is kept; a longer span's tokens are not computed one by one.
            alone = [len(span) == 1 or bool(self._ready[span].all()) for span in chosen]
            sides = None if all(alone) else self._measured()
            if single := {span[0] for span in chosen if len(span) == 1}:
                self.feature_rows(single)  # together, which is cheaper
            rest = []
            for number, span in enumerate(chosen):
                if sides is None or alone[number]:
                    joint[number] = self.feature_rows(span).sum(0)
                else:
                    rest.append(number)
            if sides is not None and rest:
                weights = np.zeros((len(rest), len(self.tokens)), np.float32)
                for row, number in zip(weights, rest, strict=True):
                    row[chosen[number]] = 1
                joint[rest] = self._along(sides, weights)
        return joint[:, self._specials :].reshape(-1, *self.grid)

    def of_region(self, mask: Any) -> np.ndarray:
        """Return each token's attribution to a region, ``(tokens,)`` float32.

        Parameters
        ----------
        mask
            Boolean, ``(rows, columns)``: the patches of the region.

        Raises
        ------
        InputError
            When ``mask`` has another shape or type.
        """
        inside = np.asarray(mask)
        if inside.shape != self.grid or inside.dtype != bool:
            raise InputError(
                f"`mask` is {inside.dtype} of shape {inside.shape}: pass booleans {self.grid}."
            )
        flags = np.concatenate([np.zeros(self._specials, bool), inside.ravel()])
        with self._lock:
            sides = None if self._ready.all() else self._measured()
            if sides is None:
                return self._values[:, flags].sum(1)

            def compute() -> np.ndarray:
                return sides.text.against(sides.image.of(flags[None].astype(np.float32)))

            return self._finite(sides, compute)[0]

    def first_order(self) -> tuple[np.ndarray, np.ndarray]:
        """Return what features bring by themselves, whatever stands on the other side.

        Returns
        -------
        (numpy.ndarray, numpy.ndarray)
            Of each token, ``(tokens,)`` float32, which sum up to the ledger's
            ``caption_only``; and of each image feature, special positions
            first, ``(n_special + rows · columns,)``, which sum up to its
            ``image_only``; both but for the residual.

        Raises
        ------
        InputError
            When all pairs were computed before or come from a file: what this
            takes is let go of then.
        """
        with self._lock:
            sides = self._measured()
            if sides is None:
                raise InputError(
                    "first_order() comes too late: call it before all pairs are computed, on "
                    "`pairs` that attribute() returned."
                )
            text, image = sides.text, sides.image
            with sides.unchanged():
                parts = (
                    text.against(image.reference[None])[0] / sides.scale,
                    image.against(text.reference[None])[0] / sides.scale,
                )
            return parts[0].astype(np.float32), parts[1].astype(np.float32)

    def words(self) -> "FeaturePairs":
        """Return the same pairs with the rows of each word's tokens summed."""
        members = self._members()

        def measure() -> tuple[Contributions, Contributions, Unchanged] | Known:
            with self._lock:
                sides = self._measured()
                if sides is not None:
                    return GroupedContributions(sides.text, members), sides.image, sides.unchanged
                values = np.stack([self._values[indices].sum(0) for indices in members])
                error = self._error_of_words
                return Known(values, self.ledger, self._nodes, error, error)

        return self._like(measure, tokens=[self._merge(indices) for indices in members])

    def over(self, picture: Image.Image) -> "FeaturePairs":
        """Return the same pairs over another picture, such as one with something drawn on it.

        Parameters
        ----------
        picture
            Covered by the grid of patches, as ``picture`` is.
        """

        def measure() -> tuple[Contributions, Contributions, Unchanged] | Known:
            with self._lock:
                sides = self._measured()
                return self.known() if sides is None else (sides.text, sides.image, sides.unchanged)

        return self._like(measure, picture=picture)

    def feature_rows(self, tokens: str | Iterable[int | str]) -> np.ndarray:
        """Return rows over all image features, ``(m, n_special + rows · columns)`` float32.

        Special positions come first, then the patches row by row.
        """
        chosen = self._check_tokens(tokens)
        with self._lock:
            missing = sorted({token for token in chosen if not self._ready[token]})
            sides = self._measured() if missing else None
            if sides is not None:
                weights = np.zeros((len(missing), len(self.tokens)), np.float32)
                weights[np.arange(len(missing)), missing] = 1
                self._values[missing] = self._along(sides, weights)
                self._ready[missing] = True
                if self._ready.all():
                    sides.release()
                self._let_go()
            return self._values[chosen]

    @property
    def ready(self) -> np.ndarray:
        """Which rows have been computed, ``(tokens,)`` bool."""
        return self._ready.copy()

    @property
    def complete(self) -> bool:
        """Whether everything is known, so that nothing has to be computed any more."""
        return self._ledger is not None and bool(self._ready.all())

    def described(self) -> dict[str, str]:
        """Return model, method and layers in words, and once measured how finely."""
        words = asdict(self.about)
        if self._nodes:
            words["nodes"] = self._nodes
            error = self.standard_error
            if error is not None:
                words["nodes"] += f" · standard error {_typical(error):.1g}"
        return words

    @property
    def ledger(self) -> Ledger:
        """The similarity and what it is made of."""
        with self._lock:
            if self._ledger is None:
                sides = self._measured()
                if sides is not None:
                    with sides.unchanged():
                        ledger = _close_ledger(sides)
                    self._ledger = ledger
                    self._let_go()
            assert self._ledger is not None
            return self._ledger

    def release(self) -> None:
        """Let go of memory that only makes further calls faster, unless it is in use."""
        if self._lock.acquire(blocking=False):
            try:
                if self._sides is not None:
                    self._sides.release()
            finally:
                self._lock.release()

    def known(self) -> Known:
        """Compute what is missing, and return everything that measuring tells."""
        with self._lock:
            values = self.feature_rows(range(len(self.tokens)))
            ledger = self.ledger
            _ = self.standard_error  # with the error of words
            return Known(values, ledger, self._nodes, self._standard_error, self._error_of_words)

    def so_far(self) -> tuple[np.ndarray, Ledger | None]:
        """Return what is known already; computes nothing and waits for nobody.

        Returns
        -------
        (numpy.ndarray, Ledger or None)
            All pairs, special positions first, ``(tokens, n_special + rows ·
            columns)`` float32, with NaN in rows that are missing; and the
            ledger if it is there.
        """
        ready = self._ready.copy()  # before the values: rows are marked once they are whole
        return np.where(ready[:, None], self._values, np.float32(np.nan)), self._ledger

    # Other forms

    def save(self, path: str | os.PathLike[str], *, strip_image: bool = False) -> None:
        """Save everything to a file that :func:`fpattr_widget.load_pairs` reads without a model.

        Computes what is missing first. The file holds the caption and the
        picture as the model saw it, without the source's metadata, and the
        model's name without its folder; see :mod:`fpattr_widget.pairs._file`
        for its format. A save that is interrupted leaves an older file of that
        name as it was.

        Parameters
        ----------
        path
            The file, such as ``"dog.fpattr"``.
        strip_image
            Save plain grey of the same size in the picture's place.

        Raises
        ------
        InputError
            When the file cannot be written, or the pairs cannot be computed.
        """
        from ._file import save_pairs  # which makes pairs of a file

        save_pairs(self, path, strip_image=strip_image)

    def to_dataframe(self) -> "pandas.DataFrame":
        """Return one line for each (token, image feature) pair, as a pandas DataFrame."""
        import pandas

        values = self.feature_rows(range(len(self.tokens)))
        return pandas.DataFrame(
            table_columns(self.tokens, self.image_special_names, self.grid, values)
        )

    def to_xarray(self) -> "xarray.DataArray":
        """Return the patch maps as an xarray DataArray with dimensions token, row, column."""
        import xarray

        return xarray.DataArray(
            self.matrix.reshape(len(self.tokens), *self.grid),
            dims=("token", "row", "column"),
            coords={"text": ("token", [token.text for token in self.tokens])},
            name="attribution",
            attrs={"caption": self.caption, **self.described()},
        )

    def widget(self, **options: "Unpack[ViewOptions]") -> "PairsWidget":
        """Return the linked view of these pairs; options as for ``PairsWidget``."""
        # Imported here because the widget stands above the pairs.
        from ..widget import PairsWidget

        return PairsWidget(self, **options)

    def plot(self, *, tokens: Iterable[int] | None = None) -> "Figure":
        """Return a drawing of these pairs for a paper; computes what is missing.

        Parameters
        ----------
        tokens
            Token numbers: the maps of these words are shown; the strongest
            words' unless told.

        Returns
        -------
        matplotlib.figure.Figure
            Seven inches wide. It belongs to no window and not to pyplot.

        Raises
        ------
        InputError
            When there is no such token.
        """
        # Imported here because figures stand above the pairs.
        from ..drawing import plot

        return plot(self, tokens)

    # Inside

    def _like(
        self,
        measure: Measure,
        *,
        tokens: Sequence[Token] | None = None,
        picture: Image.Image | None = None,
    ) -> "FeaturePairs":
        """Return pairs that are measured in another way, but for the rest are like these."""
        return FeaturePairs(
            measure,
            caption=self.caption,
            tokens=self.tokens if tokens is None else tokens,
            picture=self._picture if picture is None else picture,
            grid=self.grid,
            image_special=self.image_special_names,
            about=self.about,
            cheaper=self.cheaper,
        )

    @property
    def _specials(self) -> int:
        return len(self.image_special_names)

    def _check_tokens(self, tokens: str | Iterable[int | str]) -> list[int]:
        chosen: list[int] = []
        for token in [tokens] if isinstance(tokens, str) else tokens:
            if isinstance(token, str):
                chosen += find_words(self.tokens, self.caption, token)
            else:
                chosen.append(int(token))
        count = len(self.tokens)
        if not chosen or min(chosen) < -count or max(chosen) >= count:
            raise InputError(f"`tokens` is {chosen}: pass token numbers from 0 to {count - 1}.")
        return list(dict.fromkeys(token % count for token in chosen))

    def _measured(self) -> _Sides | None:
        """Measure both towers, once; return ``None`` when all that they tell is known."""
        with self._lock:
            if self._measure is not None:
                measured = self._measure()
                if isinstance(measured, Known):
                    self._take(measured)
                    return None
                text, image, unchanged = measured
                if text.embedding.shape != image.embedding.shape:
                    raise InputError(
                        f"`model` embeds a caption in {len(text.embedding)} numbers and an image "
                        f"in {len(image.embedding)}: its towers have to share one space."
                    )
                scale = float(text.embedding.norm()) * float(image.embedding.norm())
                said = text.describe(), image.describe()
                self._nodes = said[0] if said[0] == said[1] else "text {} · image {}".format(*said)
                self._sides = _Sides(text, image, scale, unchanged)
                self._measure = None  # it holds the prepared image
            return self._sides

    def _take(self, known: Known) -> None:
        self._values[:], self._ready[:] = known.values, True
        self._ledger, self._nodes = known.ledger, known.nodes
        self._standard_error = known.standard_error
        self._error_of_words = known.error_of_words
        self._measure = None

    def _along(self, sides: _Sides, weights: np.ndarray) -> np.ndarray:
        """Return joint rows, ``(m, tokens)`` to ``(m, features)`` float32."""
        return self._finite(sides, lambda: sides.image.against(sides.text.of(weights)))

    def _finite(self, sides: _Sides, compute: Callable[[], np.ndarray]) -> np.ndarray:
        """Compute with both sides; where that fails, let go of what they have recorded."""
        try:
            with sides.unchanged():
                values = compute() / sides.scale
            if np.isfinite(values).all():
                return values.astype(np.float32)
        except Exception:
            sides.release()  # it may hold the reason
            raise
        sides.release()
        raise InputError(
            f"the attribution of {self.about.model!r} is not finite: load the `model` "
            "in float32, or choose another `layer`."
        )

    def _let_go(self) -> None:
        """Forget the towers' contributions once all that they tell is known."""
        sides = self._sides
        if sides is None or self._ledger is None or not self._ready.all():
            return
        if _sampled(sides):
            if self._standard_error is None:
                return
            words = GroupedContributions(sides.text, self._members())
            self._error_of_words = _standard_error(replace(sides, text=words))
        self._sides = None

    def _members(self) -> list[list[int]]:
        """Return the numbers of each word's tokens."""
        groups: dict[object, list[int]] = {}
        for index, token in enumerate(self.tokens):
            groups.setdefault(("special", index) if token.special else token.word, []).append(index)
        return list(groups.values())

    def _merge(self, indices: list[int]) -> Token:
        first, last = self.tokens[indices[0]], self.tokens[indices[-1]]
        if first.start is None or last.stop is None:
            return first
        text = self.caption[first.start : last.stop]
        unknown = any(self.tokens[index].unknown for index in indices)
        return Token(text, first.word, first.start, last.stop, first.special, unknown)


def _bare_copy(picture: Image.Image) -> Image.Image:
    copy = picture.copy()
    copy.info = {}  # comments and the like of the source, which encoders write again
    return copy


# Explaining a picture again, in another caption say, costs no more memory.
_PICTURES = PictureCache(_bare_copy)


def _sampled(sides: _Sides) -> bool:
    return sides.text.sampled or sides.image.sampled


def _standard_error(sides: _Sides) -> np.ndarray:
    """Return the standard error of all pairs, ``(tokens, features)`` float32."""
    text, image = sides.text, sides.image
    tokens, features = np.eye(text.features), np.eye(image.features)
    by_image = image.spread(features, text.of(tokens))
    by_text = text.spread(tokens, image.of(features)).T
    return (np.hypot(by_image, by_text) / sides.scale).astype(np.float32)


def _typical(errors: np.ndarray) -> float:
    """Return the root mean square of those that are not zero, as special positions' are."""
    found = errors[errors > 0]
    return float(np.sqrt(np.square(found, dtype=np.float64).mean())) if found.size else 0.0


def _close_ledger(sides: _Sides) -> Ledger:
    text, image, scale = sides.text, sides.image, sides.scale

    def product(a: Any, b: Any) -> float:
        return float(a.double() @ b.double()) / scale

    similarity = product(image.embedding, text.embedding)
    baseline = product(image.reference, text.reference)
    caption_only = product(image.reference, text.embedding) - baseline
    image_only = product(image.embedding, text.reference) - baseline
    pairs = product(image.total, text.total)
    residual = similarity - (pairs + caption_only + image_only + baseline)
    return Ledger(similarity, pairs, caption_only, image_only, baseline, residual)


def attribute(
    model: ModelLike,
    image: ImageLike,
    caption: CaptionLike,
    method: MethodLike = "integrated_jacobians",
    layer: Layer = None,
    *,
    processor: ProcessorLike = None,
) -> FeaturePairs:
    """Attribute the similarity of an image and a caption to pairs of their features.

    Parameters
    ----------
    model
        ``"bundled"``, a Hugging Face model id, a local folder, a loaded module
        (with ``processor``), or an encoder from
        :func:`fpattr_widget.load_encoder`. What is loaded by name is kept for
        the next call; for a module, an encoder of your own keeps what it has
        computed.
    image
        A path, bytes, a PIL image, an array (H, W, 3) uint8, a tensor
        (1, 3, h, w) already preprocessed, or what a processor returned.
    caption
        A string, or token ids (1, S).
    method
        A method such as ``IntegratedJacobians(steps=32)``, or its name.
    layer
        Number of the block at whose input the features are read, ``−1`` for
        the last; ``(text, image)`` sets the towers apart; ``None`` means the
        encoder's own default. For methods that differentiate; others read
        features at a place of their own.
    processor
        See :func:`fpattr_widget.load_encoder`.

    Returns
    -------
    FeaturePairs
        Checked, but not computed yet.

    Raises
    ------
    InputError
        When the model, the image, the caption, the method or the layer cannot
        be used.
    """
    chosen = method_of(method)
    if chosen.reads_at is not None and layer is not None:
        raise InputError(
            f"`layer` is {layer!r}, but {chosen.label} knows no layers (it reads features "
            f"{chosen.reads_at}): leave `layer` out."
        )
    encoder = encoder_of(model, processor)
    chosen.check(encoder)
    # The grid of a tower that has several is that of its last block.
    text_layer, image_layer = encoder.resolve_layers(layer if chosen.reads_at is None else -1)
    text = encoder.prepare_text(caption)
    seen = encoder.prepare_image(image)
    grid, special = encoder.image_layout(seen, image_layer)

    # Where passes begin, for methods that run the towers from a layer on.
    layers = (text_layer, image_layer) if chosen.reads_at is None else None

    def measure() -> tuple[Contributions, Contributions, Unchanged]:
        what = (chosen, image_layer, encoder.memory_limit)
        with encoder.steady() as fixed:
            text_side = chosen.measure_text(fixed, text, text_layer)
            # Another caption on the same image finds the image measured.
            image_side = fixed.for_image(
                seen, what, lambda: chosen.measure_image(fixed, seen, image_layer)
            )
        return text_side, image_side, lambda: fixed.unchanged(layers)

    return FeaturePairs(
        measure,
        caption=text.caption,
        tokens=text.tokens,
        picture=seen.picture,
        grid=grid,
        image_special=special,
        about=About(
            encoder.name,
            chosen.label,
            chosen.reads_at or f"text block {text_layer} · image block {image_layer}",
        ),
        cheaper=chosen.cheaper(encoder, layers),
    )
