"""Pairs as the columns of a table, one line for each (token, image feature) pair."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..encoders import Token


def table_columns(
    tokens: Sequence[Token],
    image_special: Sequence[str],
    grid: tuple[int, int],
    values: np.ndarray,
) -> dict[str, Any]:
    """Return the columns by name: ``token, text, feature, row, column, attribution``.

    Parameters
    ----------
    tokens, image_special, grid
        As those of :class:`~fpattr_widget.FeaturePairs`; ``image_special`` are names.
    values
        All pairs, special positions first, ``(tokens, n_special + rows · columns)``.

    Returns
    -------
    dict of str to sequence or array
        ``row`` and ``column`` are −1 for a special position.
    """
    rows, columns = grid
    places = [(name, -1, -1) for name in image_special]
    places += [("patch", row, column) for row in range(rows) for column in range(columns)]
    features, feature_rows, feature_columns = zip(*places, strict=True)
    return {
        "token": np.repeat(np.arange(len(tokens)), len(places)),
        "text": np.repeat([token.text for token in tokens], len(places)),
        "feature": features * len(tokens),
        "row": feature_rows * len(tokens),
        "column": feature_columns * len(tokens),
        "attribution": values.ravel(),
    }
