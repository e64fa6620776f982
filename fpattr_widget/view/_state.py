"""Pairs as the view's state: what is shown, and what was computed of it."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, cast

import numpy as np
from PIL import Image

from ..encoders import Crop, Panel, Sentence, Side
from ..pairs import FeaturePairs, Ledger
from ._encoded import Encoded
from ._protocol import (
    AnyPanel,
    FoldState,
    LedgerState,
    LedgerTermState,
    PictureState,
    SentenceState,
    SideState,
    TokenState,
)


def subject_state(pairs: FeaturePairs, encode: Callable[[Image.Image], Encoded]) -> dict[str, Any]:
    """Return the traits that say what is explained.

    Parameters
    ----------
    pairs
        What is explained.
    encode
        Returns a picture as it travels; called for the picture of each crop.
    """
    sides = [_side(side, encode) for side in (pairs.rows, pairs.columns)]
    return {"sides": sides, "about": pairs.provenance()}


def pictures_of(pairs: FeaturePairs) -> list[Image.Image]:
    """Return the pictures of both sides' crops, in order."""
    panels = (*pairs.rows.panels, *pairs.columns.panels)
    return [panel.picture for panel in panels if isinstance(panel, Crop)]


def ledger_state(ledger: Ledger) -> LedgerState:
    """Return a ledger as it travels."""
    terms = [cast(LedgerTermState, asdict(term)) for term in ledger.terms]
    return cast(LedgerState, {**asdict(ledger), "terms": terms})


def _side(side: Side, encode: Callable[[Image.Image], Encoded]) -> SideState:
    weighted = zip(side.panels, side.weights, strict=True)
    return SideState(
        panels=[_panel(panel, weight, encode) for panel, weight in weighted],
        folds=[FoldState(name=fold.name, features=list(fold.features)) for fold in side.folds],
    )


def _panel(panel: Panel, weight: float, encode: Callable[[Image.Image], Encoded]) -> AnyPanel:
    """Return the state of a panel; another kind of panel is another branch."""
    features = panel.features
    special = [number for number, feature in enumerate(features) if feature.special]
    if isinstance(panel, Sentence):
        return SentenceState(
            kind="sentence",
            features=len(features),
            special=special,
            weight=weight,
            text=panel.caption,
            tokens=[cast(TokenState, asdict(token)) for token in panel.tokens],
        )
    assert isinstance(panel, Crop), panel.kind
    picture = encode(panel.picture)
    return PictureState(
        kind="picture",
        features=len(features),
        special=special,
        weight=weight,
        names=list(panel.special),
        grid=list(panel.grid),
        data=picture.data,
        media_type=picture.media_type,
    )


def computed_state(pairs: FeaturePairs) -> dict[str, Any]:
    """Compute all numbers, and return the traits that hold them."""
    rows = pairs.feature_rows(range(len(pairs.rows.features)))
    ledger = pairs.ledger
    return {
        "about": pairs.provenance(),
        "ledger": ledger_state(ledger),
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
        state.update(ledger=ledger_state(ledger), similarity=ledger.similarity)
    return state
