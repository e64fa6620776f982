"""``FeaturePairs``: the lazy matrix of attributions to pairs of features."""

import os
import threading
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Unpack, get_args

import numpy as np
from PIL import Image

from ..encoders import Crop, Panel, ReadOut, Sentence, Side, Token
from ..errors import InputError
from ..methods import (
    Grouped,
    Interactions,
    Ledger,
    PartName,
    Recorded,
    headed,
    indicators,
    read_outs_of,
    singles,
)
from ._document import About, Contents
from ._file import save_contents
from ._parts import NO_PARTS, Parts
from ._picture_cache import PictureCache
from ._table import attributes, labelled_array, table_columns
from ._words import grouped, with_merged_tokens

if TYPE_CHECKING:
    import pandas
    import xarray
    from matplotlib.figure import Figure

    from ..view import ViewOptions
    from ..widget import PairsWidget


class FeaturePairs:
    """Signed attributions of a similarity to pairs of features, such as (token, patch).

    The features of one side are the rows, those of the other the columns. Each side is one
    input, or a weighted sum of several, whose features follow each other. Everything is
    computed when it is first needed, and only once. With
    integrated Jacobians a row costs one backward pass of the columns' tower, and
    so does the sum of several rows; the sum of several columns costs little
    more. Safe to use from several threads.

    Parameters
    ----------
    interactions
        The interactions of the two sides, or a function that measures them when they are first
        needed.
    rows, columns
        The two sides. Names that speak of the caption, tokens, the picture, patches
        or regions are for one caption as the rows and one image as the columns; for other
        pairs they raise ``InputError``, and ``of_rows`` and ``of_columns`` take their place.
    about
        Model, method and layers, in words.
    cheaper_alternative
        Settings that would cost less, in words; ``""`` if there are none.
    parts
        The parts that they have, where a head makes the score.
    part
        Returns one of them, where these pairs are derived from others.

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
        parts: Parts = NO_PARTS,
        part: Callable[[PartName | int], "FeaturePairs"] | None = None,
    ):
        self._parts = parts
        self._part = part or self._own_part
        self._derived: dict[PartName | int, FeaturePairs] = {}
        self._source: Interactions | None = None  # of parts, once the pairs are complete
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
        subject = " × ".join(map(_described, (self.rows, self.columns)))
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
    def unit(self) -> str:
        """What the score is counted in: ``"cosine"``, ``"difference"`` or ``"logit"``."""
        return self.about.unit

    @property
    def unit_label(self) -> str:
        """The unit in words, such as ``"difference of cosines"``."""
        return _unit_label(self.about.unit, self.rows, self.columns)

    @property
    def matrix(self) -> np.ndarray:
        """All pairs of row features and column features, ``(rows, columns)`` float32.

        Special positions of pictures are left out on both sides, so that of a caption and an
        image it is ``(tokens, patches)``; see ``rows.visible`` and ``columns.visible``.
        Missing rows are computed first.
        """
        values = self.feature_rows(range(len(self._ready)))
        return values[np.ix_(self.rows.visible, self.columns.visible)]

    @property
    def image_special(self) -> np.ndarray:
        """Pairs of each token with special image positions, ``(tokens, n_special)`` float32."""
        return self.feature_rows(range(len(self.tokens)))[:, : self._specials]

    @property
    def standard_error(self) -> np.ndarray | None:
        """The standard error of ``matrix``, of the same shape, float32.

        ``None`` if the method does not sample.
        """
        with self._lock:
            measured = self._measured()
            if not measured.sampled:
                return None
            error = measured.standard_error(*map(singles, self._values.shape))
            return error[np.ix_(self.rows.visible, self.columns.visible)]

    def of_rows(self, features: str | Iterable[int | str]) -> np.ndarray:
        """Return the sum of several rows, ``(column features,)`` float32.

        If the rows are not all computed, one backward pass gives their sum.

        Parameters
        ----------
        features
            Numbers of row features, or words of the captions among the rows; see
            :meth:`of_tokens`. ``pairs.rows.find`` and ``pairs.rows.region`` return numbers.

        Raises
        ------
        InputError
            When there is no such feature, or a word is not there exactly once.
        """
        return self._sums([self._row_numbers(features)])[0]

    def of_columns(self, features: str | Iterable[int | str]) -> np.ndarray:
        """Return the sum of several columns, ``(row features,)`` float32.

        Parameters
        ----------
        features
            Numbers of column features, or words of the captions among the columns.

        Raises
        ------
        InputError
            When there is no such feature, or a word is not there exactly once.
        """
        chosen = _numbers(self.columns, features, "columns")
        with self._lock:
            if not chosen:
                return np.zeros(len(self._ready), np.float32)
            if self._ready.all():
                return self._values[:, chosen].sum(1)
            weights = indicators([chosen], self._values.shape[1])
            return self._measured().columns(weights)[0]

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
        joint = self._sums([self._row_numbers(tokens) for tokens in spans])
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
        self._crop  # noqa: B018 - raises for other pairs
        return self.of_columns(self.columns.region(mask))

    @property
    def parts(self) -> tuple[str, ...]:
        """Names that :meth:`part` takes: ``"match"``, ``"routing"``, ``"mixture 1"``, …

        Empty for models that do not read an image by the caption. Pairs from a file have the
        first two.
        """
        return self._parts.names

    def part(self, name: str) -> "FeaturePairs":
        """Return a part of these pairs, which is measured once.

        Parameters
        ----------
        name
            One of ``parts``; ``""`` for these pairs themselves.

        Raises
        ------
        InputError
            When they have no such part.
        """
        return self._part_of(self._parts.find(name)) if name else self

    @property
    def match(self) -> "FeaturePairs":
        """The part through what words meet in what is read of an image.

        With ``routing`` it adds up to these pairs. The ledger leaves out the other part.

        Raises
        ------
        InputError
            When the model does not read an image by the caption, the method takes no
            derivatives, or these pairs are a part.
        """
        return self.part("match")

    @property
    def routing(self) -> "FeaturePairs":
        """The part through what words choose to be read of an image; see ``match``."""
        return self.part("routing")

    def through(self, place: int | str) -> "FeaturePairs":
        """Return the part that goes through one place that is read, such as a mixture token.

        What the pair reads is held fixed, and all places add up to the pairs of
        ``reading="frozen"``. The ledger's similarity is the place's part of the score, as in
        ``read_out``, and its terms are those of that part.

        Parameters
        ----------
        place
            The number of the place, from 0, or its name, such as ``"mixture 3"``. Of a model
            that reads patches, the number of the patch, row by row.

        Raises
        ------
        InputError
            When there is no such place, or the pairs come from a file.
        """
        return self._part_of(self._parts.place(place))

    @property
    def read_outs(self) -> tuple[ReadOut, ...]:
        """What the model's head read, for each pair of inputs in the order of ``ledger.terms``.

        Empty for models without a head, for heads without read-outs, and where there are more
        than 64 pairs of inputs.
        """
        with self._lock:
            return read_outs_of(self._measured())

    @property
    def read_out(self) -> ReadOut:
        """What the model's head read of one image for one caption.

        Raises
        ------
        InputError
            When the model has no head with read-outs, or a side is several inputs.
        """
        read_outs = self.read_outs
        if len(read_outs) != 1:
            raise InputError(
                "pairs",
                f"have {len(read_outs)} read-outs" if read_outs else "have no read-out",
                "ask for `read_outs`" if read_outs else "pass a model that has one, such as a Llip",
            )
        return read_outs[0]

    def first_order(self) -> tuple[np.ndarray, np.ndarray]:
        """Return each feature's attribution whatever the other side is.

        Returns
        -------
        (numpy.ndarray, numpy.ndarray)
            For each row feature, float32, with the ledger's ``rows_only`` as the sum
            up to the residual; and for each column feature (of an image special positions
            first), with ``columns_only`` as the sum. With ``reading="frozen"`` they are those of
            the product, which what is read at the references is no part of.

        Raises
        ------
        InputError
            When the pairs come from a file, which does not contain them.
        """
        with self._lock:
            return self._first_order or self._measured().first_order()

    def words(self) -> "FeaturePairs":
        """Return pairs of words: rows and columns of each word's tokens summed."""
        groups = self.rows.words, self.columns.words

        def measure() -> Interactions:
            with self._lock:
                measured = self._measured()
                if not isinstance(measured, Recorded):
                    return Grouped(measured, *groups)
                return grouped(measured, *groups)

        return FeaturePairs(
            measure,
            rows=with_merged_tokens(self.rows),
            columns=with_merged_tokens(self.columns),
            about=self.about,
            cheaper_alternative=self.cheaper_alternative,
            parts=self._parts,
            part=lambda part: self._part_of(part).words(),
        )

    def over(self, picture: Image.Image, part: int = 0) -> "FeaturePairs":
        """Return the same pairs with another picture, such as one with annotations.

        Parameters
        ----------
        picture
            It is covered by the grid of patches, as the original one is.
        part
            Number of the panel among the columns that it takes the place of.

        Raises
        ------
        InputError
            When that is no picture.
        """
        panels = list(self.columns.panels)
        crop = panels[part] if 0 <= part < len(panels) else None
        if not isinstance(crop, Crop):
            raise InputError("part", f"is {part!r}, which is no picture", "pass one that is")
        panels[part] = replace(crop, picture=picture)

        def measure() -> Interactions:
            with self._lock:
                return self._measured()

        with self._lock:
            known = self._interactions
        return FeaturePairs(
            known if isinstance(known, Recorded) else measure,
            rows=self.rows,
            columns=replace(self.columns, panels=tuple(panels)),
            about=self.about,
            cheaper_alternative=self.cheaper_alternative,
            parts=self._parts,
            part=lambda name: self._part_of(name).over(picture, part),
        )

    def feature_rows(self, features: str | Iterable[int | str]) -> np.ndarray:
        """Return rows of the matrix with all column features; compute those that are missing.

        Parameters
        ----------
        features
            See :meth:`of_rows`.

        Returns
        -------
        numpy.ndarray
            ``(m, column features)`` float32; of an image special positions first, then the
            patches row by row.
        """
        chosen = self._row_numbers(features)
        with self._lock:
            if not self._ready[chosen].all():
                measured = self._measured()  # recorded interactions have all rows
            missing = sorted({row for row in chosen if not self._ready[row]})
            if missing:
                weights = indicators([[row] for row in missing], len(self._ready))
                self._values[missing] = measured.rows(weights)
                self._ready[missing] = True
                self._record_if_complete()
            return self._values[chosen]

    @property
    def ready(self) -> np.ndarray:
        """Which rows have been computed, ``(row features,)`` bool."""
        return self._ready.copy()

    @property
    def complete(self) -> bool:
        """Whether all numbers have been computed, so that no model is needed any more."""
        return isinstance(self._interactions, Recorded)

    def provenance(self) -> dict[str, str]:
        """Return model, method, layers and unit in words, and once measured the number of nodes."""
        words = {**asdict(self.about), "unit_label": self.unit_label}
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
        if self._parts.readings:
            # Before the lock is taken, as a part takes its own first.
            self.match.compute_all()
        with self._lock:
            self.feature_rows(range(len(self._ready)))
            self._close_ledger()
            self._record_if_complete()  # where an interrupt came before it
            recorded = self._interactions
            assert isinstance(recorded, Recorded)
            recorded = self._interactions = self._with_match(recorded)
            return Contents(self.rows, self.columns, self.about, recorded)

    @staticmethod
    def from_contents(contents: Contents) -> "FeaturePairs":
        """Return complete pairs."""
        recorded = contents.recorded
        return FeaturePairs(
            recorded,
            rows=contents.rows,
            columns=contents.columns,
            about=contents.about,
            parts=NO_PARTS if recorded.match is None else Parts(get_args(PartName)),
        )

    def cached(self) -> tuple[np.ndarray, Ledger | None]:
        """Return what has been computed, without computing or waiting.

        Returns
        -------
        (numpy.ndarray, Ledger or None)
            All pairs, ``(row features, column features)`` float32, with NaN in missing
            rows; and the ledger, ``None`` if it is missing.
        """
        ready = self._ready.copy()  # before the values, since rows are marked after they are set
        return np.where(ready[:, None], self._values, np.float32(np.nan)), self._ledger

    # Other forms

    def save(self, path: str | os.PathLike[str], *, strip_image: bool = False) -> None:
        """Save the pairs to a file that :func:`fpattr_widget.load_pairs` reads without a model.

        Missing numbers are computed first. The file contains the captions, the
        crops of the images that the model sees, without metadata, and the
        model's name without its folder; see :mod:`fpattr_widget.pairs._file`
        for the format. If saving is interrupted, an older file of that
        name stays as it was.

        Parameters
        ----------
        path
            The file, such as ``"dog.fpattr"``.
        strip_image
            Save plain grey of the same sizes instead of all pictures.

        Raises
        ------
        InputError
            When the file cannot be written, or the pairs cannot be computed.
        """
        save_contents(self.compute_all, path, strip_image=strip_image)

    def to_dataframe(self) -> "pandas.DataFrame":
        """Return one line for each pair of features, special positions included.

        Returns
        -------
        pandas.DataFrame
            For one caption and one image, the columns are ``token, text, feature, row, column,
            attribution``: number and text of the token; ``"patch"`` or the name of a special
            position, and the patch's place in the grid.

            For all other sides, each side has these columns, with ``row_`` or ``column_``
            before their names: ``part``, the number of the input, its ``weight`` and ``kind``
            (``"sentence"`` or ``"picture"``); ``feature``, the feature's number as
            :meth:`feature_rows` takes it, and its ``label``; where the side has captions,
            ``start`` and ``stop`` of a token's characters; where it has images, ``grid_row``
            and ``grid_column`` of a patch. The last column is ``attribution``.

            Places are −1 where a feature has none. ``attrs`` has the inputs, the provenance and
            the unit.
        """
        import pandas

        values = self.feature_rows(range(len(self._ready)))
        frame = pandas.DataFrame(table_columns(self.rows, self.columns, values))
        frame.attrs.update(attributes(self.rows, self.columns, self.provenance()))
        return frame

    def to_xarray(self) -> "xarray.DataArray":
        """Return ``matrix`` with named dimensions.

        Returns
        -------
        xarray.DataArray
            For one caption and one image, the dimensions are ``token, row, column``, and ``text``
            is a coordinate of the tokens.

            For all other sides, they are ``row_feature`` and ``column_feature``, with the
            columns of :meth:`to_dataframe` as coordinates; for a side that is one image, its
            patches' ``row_grid_row, row_grid_column`` or ``column_grid_row,
            column_grid_column``.

            ``attrs`` has the inputs, the provenance and the unit, as texts and numbers that
            ``to_netcdf`` can write.
        """
        matrix = self.matrix  # before the provenance, which knows the nodes then
        return labelled_array(self.rows, self.columns, matrix, self.provenance())

    # The only imports from rooms above

    def widget(self, **options: "Unpack[ViewOptions]") -> "PairsWidget":
        """Return the linked view of these pairs; for options see ``PairsWidget``."""
        from ..widget import PairsWidget

        return PairsWidget(self, **options)

    def plot(
        self,
        *,
        rows: Iterable[int] | None = None,
        columns: Iterable[int] | None = None,
        tokens: Iterable[int] | None = None,
    ) -> "Figure":
        """Return a figure of these pairs for a paper; missing numbers are computed first.

        Words with pictures are drawn as maps, words with words as a matrix, and two pictures
        with the maps of what each met in the other.

        Parameters
        ----------
        rows, columns
            Numbers of features, such as ``pairs.rows.find("dog")`` and
            ``pairs.columns.region(mask)``: the maps of words among them are shown, by default
            those of the strongest words, and patches are outlined.
        tokens
            Another name of ``rows``, where they are a caption.

        Returns
        -------
        matplotlib.figure.Figure
            Seven inches wide, and not registered with pyplot.

        Raises
        ------
        InputError
            When there is no such feature, or both ``rows`` and ``tokens`` are given.
        """
        from ..drawing import plot

        if tokens is None:
            return plot(self, rows, columns=columns)
        if rows is not None:
            raise InputError("tokens", "is another name of `rows`", "pass one of them")
        self._sentence  # noqa: B018 - raises for other pairs
        return plot(self, tokens, columns=columns, rows_name="tokens")

    def plot_read_out(self) -> "Figure":
        """Return a figure of ``read_out``: how much of each place is read, and what that adds.

        Mixture tokens are bars and patches are maps over the picture; attention that went
        nowhere has a bar of its own.

        Raises
        ------
        InputError
            When the pairs have no read-out, or several.
        """
        from ..drawing import plot_read_out

        return plot_read_out(self.read_out, self._crop.picture)

    # Inside

    @property
    def _specials(self) -> int:
        return len(self.image_special_names)

    def _part_of(self, part: PartName | int) -> "FeaturePairs":
        """Return a part, the same pairs whenever it is asked for."""
        if part not in self._derived:
            self._derived.setdefault(part, self._part(part))
        return self._derived[part]

    def _own_part(self, part: PartName | int) -> "FeaturePairs":
        method = f"{self.about.method}, {self._parts.name_of(part)}"
        return FeaturePairs(
            lambda: self._interactions_of(part),
            rows=self.rows,
            columns=self.columns,
            about=replace(self.about, method=method),
            cheaper_alternative=self.cheaper_alternative,
        )

    def _interactions_of(self, part: PartName | int) -> Interactions:
        """Return the interactions of a part, without measuring both sides again."""
        with self._lock:
            measured = self._measured()
            if isinstance(part, str) and isinstance(measured, Recorded):
                measured = self._interactions = self._with_match(measured)
                if measured.match is not None:
                    return measured.part(part)
            source = headed(self._source or measured, part)
            return source.part(part) if isinstance(part, str) else source.through(part)

    def _with_match(self, recorded: Recorded) -> Recorded:
        """Return complete interactions with the part ``"match"``, if that is complete too."""
        match = self._derived.get("match")
        if recorded.match is not None or match is None or not match.complete:
            return recorded
        return replace(recorded, match=match._values)

    def _row_numbers(self, features: str | Iterable[int | str]) -> list[int]:
        chosen = _numbers(self.rows, features, "tokens")
        if not chosen:
            raise InputError("tokens", "is empty", "pass at least one number or word")
        return chosen

    def _sums(self, chosen: list[list[int]]) -> np.ndarray:
        """Return sums of rows, ``(sums, column features)``."""
        joint = np.empty((len(chosen), self._values.shape[1]), np.float32)
        with self._lock:
            # Single rows are cached; for several only the sum is computed.
            if single := {rows[0] for rows in chosen if len(rows) == 1}:
                self.feature_rows(single)  # together, which is cheaper
            if not all(self._ready[rows].all() for rows in chosen):
                self._measured()  # recorded interactions have all rows
            missing = [number for number, rows in enumerate(chosen) if not self._ready[rows].all()]
            for number, rows in enumerate(chosen):
                if number not in missing:
                    joint[number] = self._values[rows].sum(0)
            if missing:
                weights = indicators([chosen[number] for number in missing], len(self._ready))
                joint[missing] = self._measured().rows(weights)
        return joint

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
            rows, columns = self._values.shape
            partitions = (
                (singles(rows), singles(columns)),
                (self.rows.words, self.columns.words),
            )
            errors = {groups: measured.standard_error(*groups) for groups in partitions}
        if self._parts != NO_PARTS:
            self._source = measured
        self._interactions = Recorded(
            self._values,
            self._ledger,
            measured.describe(),
            self._first_order,
            errors,
            reads=read_outs_of(measured),
        )


def _numbers(side: Side, features: str | Iterable[int | str], argument: str) -> list[int]:
    """Return numbers of features of a side, given numbers and words."""
    chosen: list[int] = []
    for feature in [features] if isinstance(features, str) else features:
        if isinstance(feature, str):
            chosen += side.find(feature)
        else:
            chosen.append(int(feature))
    count = len(side.features)
    if any(not -count <= number < count for number in chosen):
        raise InputError(argument, f"is {chosen}", f"pass numbers from 0 to {count - 1}")
    return list(dict.fromkeys(number % count for number in chosen))


def _described(side: Side) -> str:
    """Return a side in a few words."""
    if len(side.panels) > 2:
        kinds = " and ".join(sorted(side.kinds))
        return f"{len(side.panels)} parts ({kinds}), {len(side.features)} features"
    return " and ".join(map(_described_panel, side.panels, side.weights))


def _described_panel(panel: Panel, weight: float) -> str:
    factor = "" if weight == 1 else f"{weight:g} · "
    if isinstance(panel, Sentence):
        return f"{factor}{panel.caption!r}, {len(panel.tokens)} tokens"
    if isinstance(panel, Crop):
        return f"{factor}{panel.grid[0]}·{panel.grid[1]} patches"
    return f"{factor}{panel.kind}, {len(panel.features)} features"


def _unit_label(unit: str, rows: Side, columns: Side) -> str:
    if not rows.is_sum and not columns.is_sum:
        return "logit" if unit == "logit" else "cosine similarity"
    if unit == "cosine":
        return "cosine of the sums"
    is_difference = min(*rows.weights, *columns.weights) < 0
    what = "logits" if unit == "logit" else "cosines"
    return f"{'difference' if is_difference else 'weighted sum'} of {what}"


def _bare_copy(picture: Image.Image) -> Image.Image:
    copy = picture.copy()
    copy.info = {}  # metadata of the source, which encoders of files would write again
    return copy


def _with_shared_pictures(side: Side) -> Side:
    panels = tuple(
        replace(panel, picture=_PICTURES.get(panel.picture)) if isinstance(panel, Crop) else panel
        for panel in side.panels
    )
    return replace(side, panels=panels)


# Explanations of one picture, with several captions for example, share one copy.
_PICTURES = PictureCache(_bare_copy)


def _typical(errors: np.ndarray) -> float:
    """Return the root mean square of standard errors, without the zeros of special positions."""
    sampled = errors[errors > 0]
    return float(np.sqrt(np.square(sampled, dtype=np.float64).mean())) if sampled.size else 0.0
