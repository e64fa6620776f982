"""Names that can be chosen, without what they stand for, which takes seconds to import."""

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
