"""Which word met which part of the picture, and what spoke against the match?

Second-order attributions of a dual encoder's similarity (CLIP and its kin) to
pairs of caption tokens and image patches, in a linked notebook view.

Importing this is quick: a public name is imported when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .encoders import (
        DualEncoder,
        Embeddings,
        Family,
        ImageTower,
        Picture,
        Text,
        TextTower,
        Token,
        load_embeddings,
        load_encoder,
        mean,
        register_family,
    )
    from .errors import InputError
    from .evaluation import Dataset, Report, datasets, evaluate
    from .methods import (
        Banzhaf,
        GradECLIP,
        GradientTimesInput,
        IntegratedGradients,
        IntegratedJacobians,
        Occlusion,
        PatchTokenSimilarity,
    )
    from .pages import save_html, to_html
    from .pairs import Classification, FeaturePairs, Ledger, attribute, load_pairs
    from .retrieval import Ranking, RankingAgreement, rank, ranking_agreement
    from .widget import (
        ClassificationView,
        Explorer,
        PairsWidget,
        classify,
        contrast,
        explain,
        explore,
    )

__version__ = "0.1.0"

__all__ = [
    "Banzhaf",
    "Classification",
    "ClassificationView",
    "Dataset",
    "DualEncoder",
    "Embeddings",
    "Explorer",
    "Family",
    "FeaturePairs",
    "GradECLIP",
    "GradientTimesInput",
    "ImageTower",
    "InputError",
    "IntegratedGradients",
    "IntegratedJacobians",
    "Ledger",
    "Occlusion",
    "PairsWidget",
    "PatchTokenSimilarity",
    "Picture",
    "Ranking",
    "RankingAgreement",
    "Report",
    "Text",
    "TextTower",
    "Token",
    "attribute",
    "classify",
    "contrast",
    "datasets",
    "evaluate",
    "explain",
    "explore",
    "load_embeddings",
    "load_encoder",
    "load_pairs",
    "mean",
    "rank",
    "ranking_agreement",
    "register_family",
    "save_html",
    "to_html",
]

# The rooms and their public names, as imported above.
_NAMES_OF: dict[str, tuple[str, ...]] = {
    "encoders": (
        "DualEncoder", "Embeddings", "Family", "ImageTower", "Picture", "Text", "TextTower",
        "Token", "load_embeddings", "load_encoder", "mean", "register_family",
    ),
    "errors": ("InputError",),
    "evaluation": ("Dataset", "Report", "datasets", "evaluate"),
    "methods": (
        "Banzhaf", "GradECLIP", "GradientTimesInput", "IntegratedGradients",
        "IntegratedJacobians", "Occlusion", "PatchTokenSimilarity",
    ),
    "pages": ("save_html", "to_html"),
    "pairs": ("Classification", "FeaturePairs", "Ledger", "attribute", "load_pairs"),
    "retrieval": ("Ranking", "RankingAgreement", "rank", "ranking_agreement"),
    "scenes": (),
    "training": (),
    "widget": (
        "ClassificationView", "Explorer", "PairsWidget", "classify", "contrast", "explain",
        "explore",
    ),
}  # fmt: skip

if not TYPE_CHECKING:  # with it, a type checker would accept any name

    def __getattr__(name: str) -> object:
        """Import a room or a public name, and keep it."""
        for room, names in _NAMES_OF.items():
            if name == room or name in names:
                module = import_module(f".{room}", __name__)
                value = module if name == room else getattr(module, name)
                globals()[name] = value
                return value
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])
