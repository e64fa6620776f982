"""ColPali: PaliGemma whose tokens meet one by one; see :mod:`._late_interaction`."""

from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor

from .._family import hugging_face_family
from .._inputs import Inputs
from .._text import TextTower
from ._late_interaction import LateInteractionHead
from ._page_processors import processors
from ._pages import Layout, PageFormat, PageTower


class _OnePicture(PageFormat):
    """One picture of a fixed size, whose patches become one image token each.

    Parameters
    ----------
    side, patch
        Of the picture and of a patch, in pixels.
    """

    def __init__(self, side: int, patch: int):
        self._side, self._patches = side, side // patch

    def check(self, inputs: Inputs) -> str | None:
        shape = tuple(inputs["pixel_values"].shape)
        return None if shape == (1, 3, self._side, self._side) else f"pixel_values {shape}"

    def vision(self, inputs: Inputs) -> Layout:
        count = self._patches
        cells = torch.arange(count * count, device=inputs["pixel_values"].device)
        return Layout((count, count), cells)

    def image_tokens(self, inputs: Inputs) -> Layout:
        return self.vision(inputs)


def _towers(model: Any) -> tuple[TextTower, PageTower]:
    vlm = model.vlm
    text, vision = vlm.config.text_config, vlm.config.vision_config

    def encode(inputs: Inputs) -> Tensor:
        # The prompt and the image see each other both ways, as token type 0 says.
        ids = inputs["input_ids"]
        types = torch.zeros_like(ids)
        output = model(**inputs, attention_mask=torch.ones_like(ids), token_type_ids=types)
        return cast(Tensor, output.embeddings)

    options = {"vocabulary": text.vocab_size, "longest": text.max_position_embeddings}
    return (
        TextTower(model, vlm.language_model.layers, lambda i: encode(i).flatten(1), **options),
        PageTower(
            model,
            vlm.vision_tower.encoder.layers,
            vlm.language_model.layers,
            encode,
            page=_OnePicture(vision.image_size, vision.patch_size),
            image_token=vlm.config.image_token_id,
            longest=text.max_position_embeddings,
        ),
    )


COLPALI = replace(
    hugging_face_family("ColPali", {"colpali": "ColPaliForRetrieval"}, _towers),
    head=lambda model: LateInteractionHead(model.embedding_dim),
    processors=processors(
        "ColPaliProcessor", lambda own: f"{own.tokenizer.bos_token}{own.query_prefix}"
    ),
)
