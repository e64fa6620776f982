"""Captions of the bundled photographs in other words, written by hand."""

from ...assets import photograph_names, picture_index
from .._paraphrases import Paraphrase, Paraphrases
from ._wordings import words_in_common
from .photographs import OpenedPhotograph

# Two for each: synonyms and openings, then another order.
_WORDINGS: dict[str, tuple[str, str]] = {
    "cat": ("a close-up view of a kitty", "a cat, close up"),
    "coffee": ("a photo of a cup of espresso with a spoon", "a spoon with a cup of espresso"),
    "motorcycle": ("a motorbike in front of a bench", "a bench behind a motorcycle"),
    "rocket": (
        "a picture of a rocket on its launch pad at night",
        "at night a rocket on its launch pad",
    ),
    "astronaut": (
        "this is an astronaut with a helmet and a space shuttle",
        "an astronaut with a space shuttle and a helmet",
    ),
    "camera": (
        "there is a man behind a camera on a tripod",
        "a camera on a tripod in front of a man",
    ),
    "flowers": ("a photo of two flowers", "there are two flowers"),
    "building": ("a building between trees", "between trees there is a building"),
    "cat-and-wool": ("a kitty playing with wool", "this is a cat playing with wool"),
    "hens": ("a picture of four hens in the grass", "in the grass are four hens"),
    "cows": ("a photograph of three cows in a meadow", "in a meadow there are three cows"),
    "german-shepherd": (
        "an image of a German shepherd in dry grass",
        "in dry grass, a German shepherd",
    ),
    "horses": ("there are five horses under a blue sky", "a blue sky above five horses"),
    "guitar-and-drums": (
        "a photo of an electric guitar in front of drums",
        "drums behind an electric guitar",
    ),
    "bee-on-flower": ("this is a bee on a flower", "a flower with a bee on it"),
    "bridge": (
        "there is a suspension bridge and a boat at night",
        "a boat and a suspension bridge at night",
    ),
    "dog-and-bicycle": (
        "a dog next to a bike, and a truck on the street",
        "a truck on the street, and a bicycle beside a dog",
    ),
    "two-dogs": ("there are two dogs looking out", "a photo of two dogs looking out"),
    "drum-and-wine": (
        "a drum, a loudspeaker, a bottle of wine and a glass on a table",
        "a loudspeaker, a drum, a wine bottle and a glass on a table",
    ),
    "bird": ("an image of a bird on a tree", "a tree with a bird on it"),
    "raccoon": (
        "there is an animal between green leaves",
        "between green leaves, an animal",
    ),
    "room": ("a couch, two chairs and a table", "a table, a sofa and two chairs"),
    "castle": ("this is a castle above dry grass", "dry grass below a castle"),
    "domes": (
        "there is a white building with domes",
        "a photograph of a white building with domes",
    ),
    "three-drums": ("a view of three drums in the grass", "in the grass are three drums"),
}
_ALIKE = {
    "cat": "kitty", "motorcycle": "motorbike", "bicycle": "bike", "sofa": "couch",
    "wine bottle": "bottle of wine", "among": "between", "beside": "next to",
    "in front of": "behind", "behind": "in front of", "under": "above", "above": "below",
}  # fmt: skip


def photograph_paraphrases() -> Paraphrases:
    """Return captions of the bundled photographs, each in two other wordings.

    They were written by hand to mean the same: the same things, as many, in the same
    relations. A word that the model ``"bundled"`` does not know stands in a paraphrase only
    where the caption has it too.

    Returns
    -------
    Paraphrases
        Grouped by photograph. The gallery are the photographs; see :func:`photographs`.
    """
    pictures = picture_index()["pictures"]
    gallery = {name: OpenedPhotograph(name) for name in photograph_names()}
    pairs = [
        Paraphrase(query, wording, name, gallery[name], words_in_common(query, wording, _ALIKE))
        for name, wordings in _WORDINGS.items()
        for query in [pictures[name]["caption"]]
        for wording in wordings
    ]
    return Paraphrases("photograph_paraphrases", pairs, gallery)
