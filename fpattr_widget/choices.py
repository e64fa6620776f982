"""Names that users choose from, kept apart from what they name, which is slow to import."""

from typing import Literal

MethodName = Literal[
    "integrated_jacobians",
    "gradient_times_input",
    "occlusion",
    "banzhaf",
    "patch_token_similarity",
]

MetricName = Literal[
    "pointing_game",
    "pointing_energy",
    "grid_pointing_game",
    "insertion_deletion",
    "faithfulness",
    "completeness",
    "agreement",
]

#: Data sets of the command line, with the files that each is read from; those in brackets
#: are optional.
DATASET_FILES: dict[str, tuple[str, ...]] = {
    "examples": (),
    "scenes": (),
    "grids": ("[FOLDER]",),
    "coco": ("INSTANCES.json", "CAPTIONS.json", "IMAGES"),
    "flickr30k-entities": ("SENTENCES", "ANNOTATIONS", "IMAGES"),
    "table": ("FILE.csv", "[IMAGES]"),
}
