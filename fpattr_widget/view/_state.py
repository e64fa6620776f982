"""Pairs as the view's state: what is shown, and what was computed of it."""

from dataclasses import asdict
from typing import Any

import numpy as np

from ..pairs import FeaturePairs
from ._encoded import Encoded


def subject_state(pairs: FeaturePairs, picture: Encoded) -> dict[str, Any]:
    """Return the traits that say what is explained."""
    return {
        "caption": pairs.caption,
        "tokens": [asdict(token) for token in pairs.tokens],
        "grid": list(pairs.grid),
        "image_special": list(pairs.image_special_names),
        "picture": picture.data,
        "picture_type": picture.media_type,
        "about": pairs.described(),
    }


def computed_state(pairs: FeaturePairs) -> dict[str, Any]:
    """Compute everything; return the traits that hold it."""
    rows = pairs.feature_rows(range(len(pairs.tokens)))
    ledger = pairs.ledger
    return {
        "about": pairs.described(),
        "ledger": asdict(ledger),
        "similarity": ledger.similarity,
        "rows": np.ascontiguousarray(rows, dtype="<f4").tobytes(),
    }


def state_so_far(pairs: FeaturePairs) -> dict[str, Any]:
    """Return the traits that hold what is known; computes nothing and waits for nobody."""
    if pairs.complete:
        return computed_state(pairs)
    rows, ledger = pairs.so_far()
    state: dict[str, Any] = {}
    if np.isfinite(rows).any():
        state["rows"] = np.ascontiguousarray(rows, dtype="<f4").tobytes()
    if ledger is not None:
        state.update(ledger=asdict(ledger), similarity=ledger.similarity)
    return state
