"""Names that users can choose from, separate from their implementations, which load slowly."""

from typing import Literal

MethodName = Literal[
    "integrated_jacobians",
    "gradient_times_input",
    "occlusion",
    "banzhaf",
    "patch_token_similarity",
    "grad_eclip",
    "integrated_gradients",
]

#: What a score is counted in: the cosine of two inputs (or of two normalised sums), the weighted
#: sum of the inputs' cosines, or that times the model's own scale.
Unit = Literal["cosine", "difference", "logit"]

#: How a score is read whose image embedding a caption makes: as it is; its part through what words
#: meet, or through what they choose to read, which add up to it; or with that choice held fixed.
Reading = Literal["exact", "match", "routing", "frozen"]

#: Whether both embeddings' lengths are those of the input, or the nodes' own.
Norms = Literal["fixed", "moving"]

MetricName = Literal[
    "pointing_game",
    "pointing_energy",
    "grid_pointing_game",
    "insertion_deletion",
    "faithfulness",
    "completeness",
    "agreement",
    "reference_agreement",
    "difference_sign",
    "order",
    "difference_pointing",
    "soft_overlap",
    "margin",
    "swapped_word",
    "class_sensitivity",
    "forced_explanation",
]

#: Data sets of the command line, with the files that each is read from; those in brackets
#: are optional.
DATASET_FILES: dict[str, tuple[str, ...]] = {
    "photographs": (),
    "examples": (),
    "scenes": (),
    "differences": (),
    "grids": ("[FOLDER]",),
    "coco": ("INSTANCES.json", "CAPTIONS.json", "IMAGES"),
    "flickr30k-entities": ("SENTENCES", "ANNOTATIONS", "IMAGES"),
    "sugarcrepe": ("FILE.json", "IMAGES"),
    "winoground": ("FILE.jsonl", "IMAGES"),
    "hnc": ("FILE.json", "IMAGES"),
    "aro": ("FILE.json", "IMAGES"),
    "table": ("FILE.csv", "[IMAGES]"),
}

#: Sets of paraphrases, with their files in the same way.
PARAPHRASE_FILES: dict[str, tuple[str, ...]] = {
    "photograph-paraphrases": (),
    "scene-paraphrases": (),
    "paraphrase-table": ("FILE.csv", "[IMAGES]"),
    "coco-paraphrases": ("CAPTIONS.json", "PARAPHRASES.csv", "IMAGES"),
}

#: Endings of the files that a figure can be written to.
FIGURE_ENDINGS = (".png", ".svg", ".pdf")

#: Endings of the files that a ranking can be written to.
RANKING_ENDINGS = (".html", ".csv")

#: Endings of the files that a report on an evaluation can be written to.
REPORT_ENDINGS = (".html", ".md", ".csv")
