"""Pairs as the view's state: what is shown, and what was computed of it."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any, cast

import numpy as np
from PIL import Image

from ..encoders import Crop, Panel, ReadOut, Sentence, Side
from ..pairs import FeaturePairs, Ledger
from ._encoded import Encoded
from ._protocol import (
    AnyPanel,
    FoldState,
    LedgerState,
    LedgerTermState,
    PictureState,
    ReadOutState,
    SentenceState,
    SideState,
    TokenState,
)

#: The parts that a page without Python has, for their rows travel with it.
_CARRIED = ("match", "routing")


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
    return {"sides": sides, "parts": list(pairs.parts), "about": pairs.provenance()}


def carried_parts(pairs: FeaturePairs) -> list[str]:
    """Return the parts that can be shown where no Python is asked; see :func:`computed_state`."""
    return [name for name in pairs.parts if name in _CARRIED]


def pictures_of(pairs: FeaturePairs) -> list[Image.Image]:
    """Return the pictures of both sides' crops, in order."""
    panels = (*pairs.rows.panels, *pairs.columns.panels)
    return [panel.picture for panel in panels if isinstance(panel, Crop)]


def ledger_state(ledger: Ledger) -> LedgerState:
    """Return a ledger as it travels."""
    terms = [cast(LedgerTermState, asdict(term)) for term in ledger.terms]
    return cast(LedgerState, {**asdict(ledger), "terms": terms})


def read_out_states(pairs: FeaturePairs) -> list[ReadOutState]:
    """Return what a head read of each pair of inputs as it travels; measures them if needed."""
    return [read_out_state(read_out) for read_out in pairs.read_outs]


def read_out_state(read_out: ReadOut) -> ReadOutState:
    """Return a read-out as it travels, its numbers in float32."""
    return ReadOutState(
        routes=list(read_out.routes),
        places=list(read_out.places),
        grid=None if read_out.grid is None else list(read_out.grid),
        weights=[_short(row) for row in read_out.weights],
        nowhere=None if read_out.nowhere is None else _short(read_out.nowhere),
        contributions=[_short(row) for row in read_out.contributions],
        constant=read_out.constant,
        similarity=read_out.similarity,
        products=None if read_out.products is None else list(map(_coarse, read_out.products)),
        winners=list(read_out.winners),
        compared=dict(read_out.compared),
    )


def _coarse(values: np.ndarray) -> list[float]:
    """Return numbers in so few digits as colours show: there may be many."""
    return [float(f"{value:.3g}") for value in values]


def _short(values: np.ndarray) -> list[float]:
    """Return numbers in as few digits as float32 has, which JSON then writes."""
    return [float(str(value)) for value in values.astype(np.float32)]


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
    """Compute all numbers, those of the part ``match`` too, and return the traits for them."""
    pairs.compute_all()
    return state_so_far(pairs)


def state_so_far(pairs: FeaturePairs) -> dict[str, Any]:
    """Return the traits that hold what has been computed; compute nothing, and never wait."""
    state: dict[str, Any] = {}
    carried = {"rows": pairs}
    if "match" in pairs.parts:
        carried["match_rows"] = pairs.match
    for trait, part in carried.items():
        rows, _ = part.cached()
        if np.isfinite(rows).any():
            state[trait] = np.ascontiguousarray(rows, dtype="<f4").tobytes()
    _, ledger = pairs.cached()
    if ledger is not None:
        state.update(ledger=ledger_state(ledger), similarity=ledger.similarity)
    if pairs.complete:
        state.update(about=pairs.provenance(), read_outs=read_out_states(pairs))
    return state
