"""Pairs as the view's state: what is shown, and what was computed of it."""

from dataclasses import asdict
from typing import Any, cast

import numpy as np

from ..encoders import Crop, Panel, Sentence
from ..pairs import FeaturePairs
from ._encoded import Encoded
from ._protocol import PictureState, SentenceState, TokenState


def subject_state(pairs: FeaturePairs, picture: Encoded) -> dict[str, Any]:
    """Return the traits that say what is explained.

    Parameters
    ----------
    pairs
        What is explained.
    picture
        The encoded picture of its crop.
    """
    sides = [
        {"panels": [_panel(panel, picture) for panel in side.panels]}
        for side in (pairs.rows, pairs.columns)
    ]
    return {"sides": sides, "about": pairs.provenance()}


def _panel(panel: Panel, picture: Encoded) -> SentenceState | PictureState:
    """Return the state of a panel; another kind of panel is another branch."""
    features = panel.features
    special = [number for number, feature in enumerate(features) if feature.special]
    if isinstance(panel, Sentence):
        return SentenceState(
            kind="sentence",
            features=len(features),
            special=special,
            text=panel.caption,
            tokens=[cast(TokenState, asdict(token)) for token in panel.tokens],
        )
    assert isinstance(panel, Crop), panel.kind
    return PictureState(
        kind="picture",
        features=len(features),
        special=special,
        names=list(panel.special),
        grid=list(panel.grid),
        data=picture.data,
        media_type=picture.media_type,
    )


def computed_state(pairs: FeaturePairs) -> dict[str, Any]:
    """Compute all numbers, and return the traits that hold them."""
    rows = pairs.feature_rows(range(len(pairs.tokens)))
    ledger = pairs.ledger
    return {
        "about": pairs.provenance(),
        "ledger": asdict(ledger),
        "similarity": ledger.similarity,
        "rows": np.ascontiguousarray(rows, dtype="<f4").tobytes(),
    }


def state_so_far(pairs: FeaturePairs) -> dict[str, Any]:
    """Return the traits that hold what has been computed; compute nothing, and never wait."""
    if pairs.complete:
        return computed_state(pairs)
    rows, ledger = pairs.cached()
    state: dict[str, Any] = {}
    if np.isfinite(rows).any():
        state["rows"] = np.ascontiguousarray(rows, dtype="<f4").tobytes()
    if ledger is not None:
        state.update(ledger=asdict(ledger), similarity=ledger.similarity)
    return state
