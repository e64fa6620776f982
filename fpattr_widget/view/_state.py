"""Pairs as the view's state: what is shown, and what was computed of it."""

from dataclasses import asdict
from typing import Any, cast

import numpy as np

from ..pairs import FeaturePairs
from ._encoded import Encoded
from ._protocol import PictureState, SentenceState, TokenState


def subject_state(pairs: FeaturePairs, picture: Encoded) -> dict[str, Any]:
    """Return the traits that say what is explained."""
    sides = [{"panels": [_sentence(pairs)]}, {"panels": [_picture(pairs, picture)]}]
    return {"sides": sides, "about": pairs.described()}


def _sentence(pairs: FeaturePairs) -> SentenceState:
    tokens = [cast(TokenState, asdict(token)) for token in pairs.tokens]
    return SentenceState(
        kind="sentence",
        features=len(tokens),
        special=[number for number, token in enumerate(pairs.tokens) if token.special],
        text=pairs.caption,
        tokens=tokens,
    )


def _picture(pairs: FeaturePairs, picture: Encoded) -> PictureState:
    names, (rows, columns) = pairs.image_special_names, pairs.grid
    return PictureState(
        kind="picture",
        features=len(names) + rows * columns,
        special=list(range(len(names))),
        names=list(names),
        grid=[rows, columns],
        data=picture.data,
        media_type=picture.media_type,
    )


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
