"""ColQwen2: Qwen2-VL whose tokens meet one by one; see :mod:`._late_interaction`."""

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


class _PackedPatches(PageFormat):
    """A picture of any size as rows of patches, of which squares are merged into image tokens.

    The patches of a square stand side by side, ``(rows, columns, merge, merge)`` in all.

    Parameters
    ----------
    patch, merge, frames
        Side of a patch in pixels, side of a square in patches, and how often a still picture is
        repeated.
    """

    names = ("pixel_values", "image_grid_thw")

    def __init__(self, patch: int, merge: int, frames: int):
        self._patch, self._merge, self._frames = patch, merge, frames

    def check(self, inputs: Inputs) -> str | None:
        pixels, grid = inputs["pixel_values"], inputs["image_grid_thw"]
        numbers = 3 * self._frames * self._patch**2
        if grid.shape != (1, 3) or grid.is_floating_point():
            return f"image_grid_thw {tuple(grid.shape)} of {grid.dtype}"
        frames, rows, columns = grid[0].tolist()
        fits = frames == 1 and rows > 0 and columns > 0 and not (rows | columns) % self._merge
        if not fits or pixels.shape != (1, rows * columns, numbers):
            return f"pixel_values {tuple(pixels.shape)} for a grid of {frames}·{rows}·{columns}"
        return None

    def vision(self, inputs: Inputs) -> Layout:
        rows, columns = self._grid(inputs)
        cells = torch.arange(rows * columns, device=inputs["pixel_values"].device)
        squares = cells.reshape(rows // self._merge, self._merge, -1, self._merge)
        return Layout((rows, columns), squares.transpose(1, 2).flatten())

    def image_tokens(self, inputs: Inputs) -> Layout:
        rows, columns = (side // self._merge for side in self._grid(inputs))
        cells = torch.arange(rows * columns, device=inputs["pixel_values"].device)
        return Layout((rows, columns), cells)

    def pictures(self, inputs: Inputs) -> Tensor:
        rows, columns = self._grid(inputs)
        patches = inputs["pixel_values"][0].unflatten(-1, (3, -1, self._patch, self._patch))[
            :, :, 0
        ]
        in_rows = patches[self.vision(inputs).order].unflatten(0, (rows, columns))
        return in_rows.permute(2, 0, 3, 1, 4).reshape(
            1, 3, rows * self._patch, columns * self._patch
        )

    def packed(self, pictures: Tensor, inputs: Inputs) -> Tensor:
        rows, columns = self._grid(inputs)
        sides = pictures[0].unflatten(2, (columns, self._patch)).unflatten(1, (rows, self._patch))
        in_rows = sides.permute(1, 3, 0, 2, 4).flatten(0, 1)  # (patches, 3, patch, patch)
        patches = in_rows[self.vision(inputs).order.argsort()]
        return patches[:, :, None].expand(-1, -1, self._frames, -1, -1).flatten(1)[None]

    def _grid(self, inputs: Inputs) -> tuple[int, int]:
        _, rows, columns = inputs["image_grid_thw"][0].tolist()
        return rows, columns


def _towers(model: Any) -> tuple[TextTower, PageTower]:
    vlm = model.vlm
    text, vision = vlm.config.text_config, vlm.config.vision_config

    def encode(inputs: Inputs) -> Tensor:
        mask = torch.ones_like(inputs["input_ids"])
        return cast(Tensor, model(**inputs, attention_mask=mask, use_cache=False).embeddings)

    options = {"vocabulary": text.vocab_size, "longest": text.max_position_embeddings}
    return (
        TextTower(model, vlm.language_model.layers, lambda i: encode(i).flatten(1), **options),
        PageTower(
            model,
            vlm.visual.blocks,
            vlm.language_model.layers,
            encode,
            page=_PackedPatches(
                vision.patch_size, vision.spatial_merge_size, vision.temporal_patch_size
            ),
            image_token=vlm.config.image_token_id,
            longest=text.max_position_embeddings,
        ),
    )


COLQWEN2 = replace(
    hugging_face_family("ColQwen2", {"colqwen2": "ColQwen2ForRetrieval"}, _towers),
    head=lambda model: LateInteractionHead(model.embedding_dim),
    processors=processors("ColQwen2Processor", lambda own: own.query_prefix),
)
