"""Pairs as a table with one line for each pair of features, and as an array with named axes."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..encoders import Crop, Sentence, Side
from ._titles import side_in_words

if TYPE_CHECKING:
    import xarray

# What a feature without a place has in a column of places.
_NOWHERE = (-1, -1)


def table_columns(rows: Side, columns: Side, values: np.ndarray) -> dict[str, Any]:
    """Return the columns of a table by name; see :meth:`FeaturePairs.to_dataframe`.

    Parameters
    ----------
    rows, columns
        The two sides.
    values
        All pairs, ``(row features, column features)``.
    """
    of_rows, of_columns = _named(rows, "row"), _named(columns, "column")
    if _is_one_caption(rows) and not columns.is_sum and columns.kinds != {Sentence.kind}:
        of_rows = {"token": of_rows["row_feature"], "text": of_rows["row_label"]}
        places = _places([feature.place for feature in columns.features])
        of_columns = {"feature": of_columns["column_label"], "row": places[0], "column": places[1]}
    row_count, column_count = values.shape
    return {
        **{name: np.repeat(_array(column), column_count) for name, column in of_rows.items()},
        **{name: np.tile(_array(column), row_count) for name, column in of_columns.items()},
        "attribution": values.ravel(),
    }


def labelled_array(
    rows: Side, columns: Side, matrix: np.ndarray, provenance: Mapping[str, str]
) -> "xarray.DataArray":
    """Return an array with named axes; see :meth:`FeaturePairs.to_xarray`.

    Parameters
    ----------
    rows, columns
        The two sides.
    matrix
        The pairs of visible features.
    provenance
        Of the pairs.
    """
    import xarray

    if is_caption_and_picture(rows, columns):
        (picture,) = columns.panels
        assert isinstance(picture, Crop)
        dims, shape = ["token", "row", "column"], [len(rows.features), *picture.grid]
        coordinates: dict[str, Any] = {"text": ("token", [f.label for f in rows.features])}
    else:
        axes = [_axes(rows, "row"), _axes(columns, "column")]
        dims = [name for of_side in axes for name in of_side[0]]
        shape = [count for of_side in axes for count in of_side[1]]
        coordinates = axes[0][2] | axes[1][2]
    return xarray.DataArray(
        matrix.reshape(shape),
        dims=dims,
        coords=coordinates,
        name="attribution",
        attrs=attributes(rows, columns, provenance),
    )


def attributes(rows: Side, columns: Side, provenance: Mapping[str, str]) -> dict[str, Any]:
    """Return what a table or an array says beside its numbers: texts, and lists of numbers."""
    if is_caption_and_picture(rows, columns):
        (caption,) = rows.panels
        assert isinstance(caption, Sentence)
        return {"caption": caption.caption, **provenance}
    sides = {"row": rows, "column": columns}
    return {
        **{f"{name}_inputs": side_in_words(side) for name, side in sides.items()},
        **{f"{name}_weights": list(map(float, side.weights)) for name, side in sides.items()},
        **provenance,
    }


def is_caption_and_picture(rows: Side, columns: Side) -> bool:
    """Return whether the sides are one caption and one picture, as they are."""
    return _is_one_caption(rows) and not columns.is_sum and columns.kinds == {Crop.kind}


def visible_features(side: Side, name: str) -> dict[str, list[Any]]:
    """Return what is known of the features of one axis of ``FeaturePairs.matrix``.

    Parameters
    ----------
    side
        The side.
    name
        ``"row"`` or ``"column"``, with which the names of the columns begin.
    """
    return {
        key: [column[number] for number in side.visible]
        for key, column in _named(side, name).items()
    }


def _is_one_caption(side: Side) -> bool:
    return not side.is_sum and side.kinds == {Sentence.kind}


def _named(side: Side, name: str) -> dict[str, Sequence[Any]]:
    """Return what is known of each feature of a side, by the names of columns."""
    features = side.features
    kinds = [side.panels[feature.part].kind for feature in features]
    known: dict[str, Sequence[Any]] = {
        "part": [feature.part for feature in features],
        "weight": [float(side.weights[feature.part]) for feature in features],
        "kind": kinds,
        "feature": range(len(features)),
        "label": [feature.label for feature in features],
    }
    of_captions = [kind == Sentence.kind for kind in kinds]
    if any(of_captions):
        known["start"], known["stop"] = _places(
            [f.place if inside else None for f, inside in zip(features, of_captions, strict=True)]
        )
    if not all(of_captions):
        known["grid_row"], known["grid_column"] = _places(
            [None if inside else f.place for f, inside in zip(features, of_captions, strict=True)]
        )
    return {f"{name}_{key}": values for key, values in known.items()}


def _places(places: Sequence[tuple[int, int] | None]) -> tuple[list[int], list[int]]:
    pairs = [_NOWHERE if place is None else place for place in places]
    return [first for first, _ in pairs], [second for _, second in pairs]


def _array(column: Sequence[Any]) -> np.ndarray:
    # NumPy's own strings lose null characters at their end.
    return np.array(column, dtype=object if isinstance(column[0], str) else None)


def _axes(side: Side, name: str) -> tuple[list[str], list[int], dict[str, Any]]:
    """Return the names and lengths of a side's axes, and their coordinates."""
    panel = side.panels[0]
    if len(side.panels) == 1 and isinstance(panel, Crop):
        return [f"{name}_grid_row", f"{name}_grid_column"], list(panel.grid), {}
    axis = f"{name}_feature"
    coordinates = {key: (axis, column) for key, column in visible_features(side, name).items()}
    return [axis], [len(side.visible)], coordinates
