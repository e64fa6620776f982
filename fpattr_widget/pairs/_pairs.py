"""``FeaturePairs``: the lazy matrix of attributions to pairs of features."""

import os
import threading
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
from PIL import Image

from ..encoders import Crop, Sentence, Side, Token, find_words
from ..errors import InputError
from ..methods import GroupedRows, Groups, Interactions, Ledger, Recorded, indicators, singles
from ._document import About, Contents, word_groups
from ._file import save_contents
from ._picture_cache import PictureCache
from ._table import table_columns

if TYPE_CHECKING:
    import pandas
    import xarray
    from matplotlib.figure import Figure

    from ..view import ViewOptions
    from ..widget import PairsWidget


class FeaturePairs:
    """Signed attributions of a similarity to (caption token, image patch) pairs.

    Everything is computed when it is first needed, and only once. With
    integrated Jacobians a row costs one backward pass of the image tower, and
    so does the sum of several tokens' rows; a region costs little
    more. Safe to use from several threads.

    Parameters
    ----------
    interactions
        The interactions of the two sides, or a function that measures them when they are first
        needed.
    rows, columns
        The two sides, such as a caption and the crop of an image. What is said of tokens,
        patches and pictures below is for such pairs; it raises ``InputError`` for others.
    about
        Model, method and layers, in words.
    cheaper_alternative
        Settings that would cost less, in words; ``""`` if there are none.

    Attributes
    ----------
    rows, columns, about, cheaper_alternative
        See the parameters.
    """

    def __init__(
        self,
        interactions: Interactions | Callable[[], Interactions],
        *,
        rows: Side,
        columns: Side,
        about: About,
        cheaper_alternative: str = "",
    ):
        self.rows, self.columns = _with_shared_pictures(rows), _with_shared_pictures(columns)
        self.about = about
        self.cheaper_alternative = cheaper_alternative
        shape = len(rows.features), len(columns.features)
        self._values = np.full(shape, np.nan, np.float32)
        self._ready = np.zeros(shape[0], bool)
        self._ledger: Ledger | None = None
        self._first_order: tuple[np.ndarray, np.ndarray] | None = None
        self._lock = threading.RLock()
        self._interactions: Interactions | None = None
        self._measure: Callable[[], Interactions] | None = None
        if isinstance(interactions, Recorded):
            self._take(interactions)
        elif callable(interactions):
            self._measure = interactions
        else:
            self._interactions = interactions

    def __repr__(self) -> str:
        (sentence, *_), (crop, *_) = self.rows.panels, self.columns.panels
        if isinstance(sentence, Sentence) and isinstance(crop, Crop):
            rows, columns = crop.grid
            tokens = len(sentence.tokens)
            subject = f"{sentence.caption!r}, {tokens} tokens × {rows}·{columns} patches"
        else:
            rows, columns = self._values.shape
            subject = f"{sentence.kind}, {crop.kind}, {rows} × {columns} features"
        return (
            f"FeaturePairs({subject}, {self.about.model}, {self.about.method}, "
            f"{int(self._ready.sum())} rows computed)"
        )

    # What the sides hold

    @property
    def _sentence(self) -> Sentence:
        return self.rows.only(Sentence)

    @property
    def _crop(self) -> Crop:
        return self.columns.only(Crop)

    @property
    def caption(self) -> str:
        """The caption."""
        return self._sentence.caption

    @property
    def tokens(self) -> tuple[Token, ...]:
        """One :class:`~fpattr_widget.Token` for each position of the text tower."""
        return self._sentence.tokens

    @property
    def picture(self) -> Image.Image:
        """A copy of the crop of the image that the model sees, a PIL image."""
        return self._crop.picture.copy()

    @property
    def grid(self) -> tuple[int, int]:
        """``(rows, columns)`` of the patches, which cover ``picture`` exactly."""
        return self._crop.grid

    @property
    def image_special_names(self) -> tuple[str, ...]:
        """Names of the image positions that are not patches, such as ``"CLS"``."""
        return self._crop.special

    # The matrix and its parts

    @property
    def matrix(self) -> np.ndarray:
        """All pairs of tokens and patches, ``(tokens, rows · columns)`` float32.

        Missing rows are computed first.
        """
        return self.feature_rows(range(len(self.tokens)))[:, self._specials :]

    @property
    def image_special(self) -> np.ndarray:
        """Pairs of each token with special image positions, ``(tokens, n_special)`` float32."""
        return self.feature_rows(range(len(self.tokens)))[:, : self._specials]

    @property
    def standard_error(self) -> np.ndarray | None:
        """The standard error of ``matrix``, ``(tokens, rows · columns)`` float32.

        ``None`` if the method does not sample.
        """
        with self._lock:
            measured = self._measured()
            if not measured.sampled:
                return None
            return measured.standard_error(singles(len(self.tokens)))[:, self._specials :]

    def row(self, token: int | str) -> np.ndarray:
        """Return the patch map of one token or one word, ``(rows, columns)`` float32.

        Parameters
        ----------
        token
            Number of the token, or a word of the caption such as
            ``"cup"``; see :meth:`of_tokens`.

        Raises
        ------
        InputError
            When there is no such token, or the word is not in the caption exactly once.
        """
        return self.of_tokens([token])

    def of_tokens(self, tokens: str | Iterable[int | str]) -> np.ndarray:
        """Return the sum of several tokens' patch maps, ``(rows, columns)`` float32.

        If their rows are not all computed, one backward pass gives the sum.

        Parameters
        ----------
        tokens
            Numbers of tokens, or words of the caption, whose tokens
            are summed: ``[1, 2]``, ``"cup"``, ``"red cup"``, ``["red", "cup"]``.
            Case is ignored unless it distinguishes two words.
            If there is no such word, it may be the name of a special position: ``"CLS"``.

        Raises
        ------
        InputError
            When there is no such token, or a word is not in the caption exactly once.
        """
        return self.of_spans([tokens])[0]

    def of_spans(self, spans: Iterable[str | Iterable[int | str]]) -> np.ndarray:
        """Return the summed patch maps of several spans, ``(spans, rows, columns)`` float32.

        If a span's rows are not all computed, one backward pass gives their sum.

        Parameters
        ----------
        spans
            Each as in :meth:`of_tokens`.

        Raises
        ------
        InputError
            When there is no such token, or a word is not in the caption exactly once.
        """
        chosen = [self._token_numbers(tokens) for tokens in spans]
        joint = np.empty((len(chosen), self._values.shape[1]), np.float32)
        with self._lock:
            # Rows of single tokens are cached; for longer spans only the sum is computed.
            if single := {span[0] for span in chosen if len(span) == 1}:
                self.feature_rows(single)  # together, which is cheaper
            if not all(self._ready[span].all() for span in chosen):
                self._measured()  # recorded interactions have all rows
            missing = [number for number, span in enumerate(chosen) if not self._ready[span].all()]
            for number, span in enumerate(chosen):
                if number not in missing:
                    joint[number] = self._values[span].sum(0)
            if missing:
                weights = indicators([chosen[number] for number in missing], len(self.tokens))
                joint[missing] = self._measured().rows(weights)
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
                "mask",
                f"is {inside.dtype} of shape {inside.shape}",
                f"pass booleans {self.grid}",
            )
        return self.feature_column(self._specials + np.flatnonzero(inside))

    def first_order(self) -> tuple[np.ndarray, np.ndarray]:
        """Return each feature's attribution whatever the other input is.

        Returns
        -------
        (numpy.ndarray, numpy.ndarray)
            For each token, ``(tokens,)`` float32, with the ledger's ``caption_only`` as the sum
            up to the residual; and for each image feature, special positions
            first, ``(n_special + rows · columns,)`` float32, with ``image_only`` as the sum.

        Raises
        ------
        InputError
            When the pairs come from a file, which does not contain them.
        """
        with self._lock:
            return self._first_order or self._measured().first_order()

    def words(self) -> "FeaturePairs":
        """Return pairs of words and image features: the rows of each word's tokens summed."""
        groups = self._groups()
        sentence = replace(self._sentence, tokens=tuple(map(self._merge, groups)))

        def measure() -> Interactions:
            with self._lock:
                measured = self._measured()
                if not isinstance(measured, Recorded):
                    return GroupedRows(measured, groups)
                return _grouped(measured, groups)

        return FeaturePairs(
            measure,
            rows=Side((sentence,)),
            columns=self.columns,
            about=self.about,
            cheaper_alternative=self.cheaper_alternative,
        )

    def over(self, picture: Image.Image) -> "FeaturePairs":
        """Return the same pairs with another picture, such as one with annotations.

        Parameters
        ----------
        picture
            It is covered by the grid of patches, as the original one is.
        """

        def measure() -> Interactions:
            with self._lock:
                return self._measured()

        with self._lock:
            known = self._interactions
        return FeaturePairs(
            known if isinstance(known, Recorded) else measure,
            rows=self.rows,
            columns=Side((replace(self._crop, picture=picture),)),
            about=self.about,
            cheaper_alternative=self.cheaper_alternative,
        )

    def feature_rows(self, tokens: str | Iterable[int | str]) -> np.ndarray:
        """Return rows of the matrix with all image features; compute those that are missing.

        Parameters
        ----------
        tokens
            See :meth:`of_tokens`.

        Returns
        -------
        numpy.ndarray
            ``(m, n_special + rows · columns)`` float32: special positions first, then the
            patches row by row.
        """
        chosen = self._token_numbers(tokens)
        with self._lock:
            if not self._ready[chosen].all():
                measured = self._measured()  # recorded interactions have all rows
            missing = sorted({token for token in chosen if not self._ready[token]})
            if missing:
                weights = indicators([[token] for token in missing], len(self._ready))
                self._values[missing] = measured.rows(weights)
                self._ready[missing] = True
                self._record_if_complete()
            return self._values[chosen]

    def feature_column(self, features: Iterable[int]) -> np.ndarray:
        """Return each token's attribution to image features together, ``(tokens,)`` float32.

        Features are numbered as in :meth:`feature_rows`: special positions first.
        """
        chosen = sorted(set(features))
        with self._lock:
            if self._ready.all():
                return self._values[:, chosen].sum(1)
            weights = indicators([chosen], self._values.shape[1])
            return self._measured().columns(weights)[0]

    @property
    def ready(self) -> np.ndarray:
        """Which rows have been computed, ``(tokens,)`` bool."""
        return self._ready.copy()

    @property
    def complete(self) -> bool:
        """Whether all numbers have been computed, so that no model is needed any more."""
        return isinstance(self._interactions, Recorded)

    def provenance(self) -> dict[str, str]:
        """Return model, method and layers in words, and once measured the number of nodes."""
        words = asdict(self.about)
        measured = self._interactions
        if measured is not None:
            words["nodes"] = measured.describe()
            error = self.standard_error
            if error is not None:
                words["nodes"] += f" · standard error {_typical(error):.1g}"
        return words

    @property
    def ledger(self) -> Ledger:
        """The similarity and the terms that it is the sum of."""
        with self._lock:
            return self._close_ledger()

    def release(self) -> None:
        """Release memory that only makes further calls faster, unless it is in use now."""
        if self._lock.acquire(blocking=False):
            try:
                if self._interactions is not None:
                    self._interactions.release()
            finally:
                self._lock.release()

    def compute_all(self) -> Contents:
        """Compute what is missing, and return all numbers with the two sides."""
        with self._lock:
            self.feature_rows(range(len(self._ready)))
            self._close_ledger()
            self._record_if_complete()  # where an interrupt came before it
            recorded = self._interactions
            assert isinstance(recorded, Recorded)
            return Contents(self.rows, self.columns, self.about, recorded)

    @staticmethod
    def from_contents(contents: Contents) -> "FeaturePairs":
        """Return complete pairs."""
        return FeaturePairs(
            contents.recorded, rows=contents.rows, columns=contents.columns, about=contents.about
        )

    def cached(self) -> tuple[np.ndarray, Ledger | None]:
        """Return what has been computed, without computing or waiting.

        Returns
        -------
        (numpy.ndarray, Ledger or None)
            All pairs, special positions first, ``(tokens, n_special + rows ·
            columns)`` float32, with NaN in missing rows; and the
            ledger, ``None`` if it is missing.
        """
        ready = self._ready.copy()  # before the values, since rows are marked after they are set
        return np.where(ready[:, None], self._values, np.float32(np.nan)), self._ledger

    # Other forms

    def save(self, path: str | os.PathLike[str], *, strip_image: bool = False) -> None:
        """Save the pairs to a file that :func:`fpattr_widget.load_pairs` reads without a model.

        Missing numbers are computed first. The file contains the caption, the
        crop of the image that the model sees, without metadata, and the
        model's name without its folder; see :mod:`fpattr_widget.pairs._file`
        for the format. If saving is interrupted, an older file of that
        name stays as it was.

        Parameters
        ----------
        path
            The file, such as ``"dog.fpattr"``.
        strip_image
            Save plain grey of the same size instead of the picture.

        Raises
        ------
        InputError
            When the file cannot be written, or the pairs cannot be computed.
        """
        save_contents(self.compute_all, path, strip_image=strip_image)

    def to_dataframe(self) -> "pandas.DataFrame":
        """Return one line for each (token, image feature) pair, as a pandas DataFrame."""
        import pandas

        values = self.feature_rows(range(len(self.tokens)))
        return pandas.DataFrame(table_columns(self.tokens, self.columns.features, values))

    def to_xarray(self) -> "xarray.DataArray":
        """Return the patch maps as an xarray DataArray with dimensions token, row, column."""
        import xarray

        return xarray.DataArray(
            self.matrix.reshape(len(self.tokens), *self.grid),
            dims=("token", "row", "column"),
            coords={"text": ("token", [token.text for token in self.tokens])},
            name="attribution",
            attrs={"caption": self.caption, **self.provenance()},
        )

    # The only imports from rooms above

    def widget(self, **options: "Unpack[ViewOptions]") -> "PairsWidget":
        """Return the linked view of these pairs; for options see ``PairsWidget``."""
        from ..widget import PairsWidget

        return PairsWidget(self, **options)

    def plot(self, *, tokens: Iterable[int] | None = None) -> "Figure":
        """Return a figure of these pairs for a paper; missing numbers are computed first.

        Parameters
        ----------
        tokens
            Numbers of tokens whose words' maps are shown; by default those of the strongest
            words.

        Returns
        -------
        matplotlib.figure.Figure
            Seven inches wide, and not registered with pyplot.

        Raises
        ------
        InputError
            When there is no such token.
        """
        from ..drawing import plot

        return plot(self, tokens)

    # Inside

    @property
    def _specials(self) -> int:
        return len(self.image_special_names)

    def _token_numbers(self, tokens: str | Iterable[int | str]) -> list[int]:
        chosen: list[int] = []
        for token in [tokens] if isinstance(tokens, str) else tokens:
            if isinstance(token, str):
                chosen += find_words(self.tokens, self.caption, token)
            else:
                chosen.append(int(token))
        count = len(self._ready)
        if not chosen or min(chosen) < -count or max(chosen) >= count:
            raise InputError("tokens", f"is {chosen}", f"pass token numbers from 0 to {count - 1}")
        return list(dict.fromkeys(token % count for token in chosen))

    def _measured(self) -> Interactions:
        """Return the interactions, measuring both sides if that has not been done."""
        if self._interactions is None:
            assert self._measure is not None
            measured = self._measure()
            self._measure = None  # it refers to the prepared inputs
            if isinstance(measured, Recorded):
                self._take(measured)
            else:
                self._interactions = measured
        assert self._interactions is not None
        return self._interactions

    def _take(self, recorded: Recorded) -> None:
        self._values[:], self._ready[:] = recorded.values, True
        self._ledger, self._first_order = recorded.totals, recorded.first_order_values
        self._interactions = recorded

    def _close_ledger(self) -> Ledger:
        """Return the ledger, computing it if it is missing."""
        if self._ledger is None:
            ledger = self._measured().ledger()
            if self._ledger is None:  # unless it came with recorded interactions
                self._ledger = ledger
                self._record_if_complete()
        return self._ledger

    def _record_if_complete(self) -> None:
        """Keep the numbers alone once all are computed, so that the model can be freed.

        An interrupt leaves every step to the next call.
        """
        measured = self._interactions
        if measured is None or isinstance(measured, Recorded) or not self._ready.all():
            return
        if self._first_order is None:
            self._first_order = measured.first_order()  # before graphs are released
            measured.release()
        if self._ledger is None:
            return
        errors = {}
        if measured.sampled:
            partitions = singles(len(self._ready)), self._groups()
            errors = {groups: measured.standard_error(groups) for groups in partitions}
        self._interactions = Recorded(
            self._values, self._ledger, measured.describe(), self._first_order, errors
        )

    def _groups(self) -> Groups:
        """Return the row features of each word, where the rows are a caption."""
        panels = self.rows.panels
        if len(panels) == 1 and isinstance(panels[0], Sentence):
            return word_groups(panels[0].tokens)
        return singles(len(self._ready))

    def _merge(self, group: tuple[int, ...]) -> Token:
        first, last = self.tokens[group[0]], self.tokens[group[-1]]
        if first.start is None or last.stop is None:
            return first
        text = self.caption[first.start : last.stop]
        unknown = any(self.tokens[index].unknown for index in group)
        return Token(text, first.word, first.start, last.stop, first.special, unknown)


def _grouped(recorded: Recorded, groups: Groups) -> Recorded:
    """Return recorded interactions with rows summed over the tokens of each word."""
    members = indicators(groups, recorded.shape[0])
    rows, columns = recorded.first_order_values or (None, None)
    first_order = None if rows is None or columns is None else (members @ rows, columns)
    error = recorded.standard_errors.get(groups)
    errors = {} if error is None else {singles(len(groups)): error}
    return Recorded(
        members @ recorded.values, recorded.totals, recorded.description, first_order, errors
    )


def _bare_copy(picture: Image.Image) -> Image.Image:
    copy = picture.copy()
    copy.info = {}  # metadata of the source, which encoders of files would write again
    return copy


def _with_shared_pictures(side: Side) -> Side:
    return Side(
        tuple(
            replace(panel, picture=_PICTURES.get(panel.picture))
            if isinstance(panel, Crop)
            else panel
            for panel in side.panels
        )
    )


# Explanations of one picture, with several captions for example, share one copy.
_PICTURES = PictureCache(_bare_copy)


def _typical(errors: np.ndarray) -> float:
    """Return the root mean square of standard errors, without the zeros of special positions."""
    sampled = errors[errors > 0]
    return float(np.sqrt(np.square(sampled, dtype=np.float64).mean())) if sampled.size else 0.0
