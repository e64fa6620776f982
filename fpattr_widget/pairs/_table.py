"""Pairs as a table with one line for each (token, image feature) pair."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..encoders import Feature, Token


def table_columns(
    tokens: Sequence[Token], features: Sequence[Feature], values: np.ndarray
) -> dict[str, Any]:
    """Return the columns by name: ``token, text, feature, row, column, attribution``.

    Parameters
    ----------
    tokens
        The caption's tokens.
    features
        The image's features.
    values
        All pairs, ``(tokens, features)``.

    Returns
    -------
    dict of str to sequence or array
        ``row`` and ``column`` are −1 for a feature that has no place in the grid.
    """
    places = [(-1, -1) if feature.place is None else feature.place for feature in features]
    return {
        "token": np.repeat(np.arange(len(tokens)), len(features)),
        "text": np.repeat([token.text for token in tokens], len(features)),
        "feature": [feature.label for feature in features] * len(tokens),
        "row": [row for row, _ in places] * len(tokens),
        "column": [column for _, column in places] * len(tokens),
        "attribution": values.ravel(),
    }
