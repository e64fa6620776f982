"""Which word met which part of the picture, and what spoke against the match?

Second-order attributions of a dual encoder's similarity (CLIP and its kin) to
pairs of caption tokens and image patches, in a linked notebook view.
"""

from pathlib import Path
from typing import Any

from .encoders import (
    DualEncoder,
    Family,
    ImageTower,
    Layer,
    TextTower,
    Token,
    load_encoder,
    register_family,
    shared_encoder,
)
from .errors import InputError
from .evaluation import Dataset, Report, datasets, evaluate
from .methods import (
    Banzhaf,
    GradientTimesInput,
    IntegratedJacobians,
    Method,
    Occlusion,
    PatchTokenSimilarity,
)
from .pairs import FeaturePairs, Ledger, attribute
from .sharing import load_pairs, save_html, to_html
from .widget import Explorer, PairsWidget, explore

__version__ = "0.1.0"

__all__ = [
    "Banzhaf",
    "Dataset",
    "DualEncoder",
    "Explorer",
    "Family",
    "FeaturePairs",
    "GradientTimesInput",
    "ImageTower",
    "InputError",
    "IntegratedJacobians",
    "Ledger",
    "Occlusion",
    "PairsWidget",
    "PatchTokenSimilarity",
    "Report",
    "TextTower",
    "Token",
    "attribute",
    "datasets",
    "evaluate",
    "explain",
    "explore",
    "load_encoder",
    "load_pairs",
    "register_family",
    "save_html",
    "to_html",
]


def explain(
    image: Any,
    caption: Any,
    *,
    model: Any = "bundled",
    processor: Any = None,
    method: str | Method = "integrated_jacobians",
    layer: Layer = None,
    **options: Any,
) -> PairsWidget:
    """Show which words of a caption met which patches of an image.

    Parameters
    ----------
    image, caption, method, layer
        See :func:`attribute`.
    model
        ``"bundled"``, a Hugging Face id, a local folder, a loaded module (with
        ``processor``), or an encoder from :func:`load_encoder`. What is loaded
        by name is kept for the next call.
    processor
        See :func:`load_encoder`.
    **options
        See :class:`PairsWidget`.

    Returns
    -------
    PairsWidget
        Shown by a notebook cell that ends with it. Its numbers are in
        ``.pairs``.

    Raises
    ------
    InputError
        When something cannot be used; the message names the argument.
    """
    if isinstance(model, DualEncoder):
        encoder = model
    elif isinstance(model, str | Path):
        encoder = shared_encoder(model)
    else:
        encoder = load_encoder(model, processor=processor)
    return attribute(encoder, image, caption, method=method, layer=layer).widget(**options)
