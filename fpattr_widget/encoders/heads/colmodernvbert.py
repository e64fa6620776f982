"""ColModernVBERT: ModernVBERT whose tokens meet one by one; see :mod:`._late_interaction`.

A large picture is cut into tiles, rows of squares that are read one by one, with an overview of
the whole after them. The tiles' cells make up one grid; the overview's are special positions.
"""

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


class _Tiles(PageFormat):
    """One picture, or rows of tiles and an overview, all squares of one size.

    Parameters
    ----------
    side, patch, merge
        Side of a square and of a patch in pixels, and of the patches that become one image token.
    image_token
        Id of the token in whose place image tokens stand; what stands between them tells where
        a row of tiles ends.
    """

    names = ("pixel_values", "pixel_attention_mask")

    def __init__(self, side: int, patch: int, merge: int, image_token: int):
        self._side = side
        self._patches, self._tokens = side // patch, side // patch // merge
        self._image_token = image_token

    def check(self, inputs: Inputs) -> str | None:
        pixels, mask = inputs["pixel_values"], inputs["pixel_attention_mask"]
        count, side = pixels.shape[1] if pixels.ndim > 1 else 0, self._side
        if not count or pixels.shape != (1, count, 3, side, side):
            return f"pixel_values {tuple(pixels.shape)}"
        if mask.shape != (1, count, side, side) or not bool(mask.bool().all()):
            return "tiles that are partly padding"
        if (inputs["input_ids"] == self._image_token).sum() == count * self._tokens**2:
            columns = self._columns(inputs)
            if count > 1 and (count - 1) % columns:
                return f"{count - 1} tiles in rows of {columns}"
        return None

    def vision(self, inputs: Inputs) -> Layout:
        return self._layout(inputs, self._patches)

    def image_tokens(self, inputs: Inputs) -> Layout:
        return self._layout(inputs, self._tokens)

    def pictures(self, inputs: Inputs) -> Tensor:
        return inputs["pixel_values"][0]

    def packed(self, pictures: Tensor, inputs: Inputs) -> Tensor:
        return pictures[None]

    def boxes(self, inputs: Inputs) -> list[tuple[float, float, float, float]]:
        rows, columns = self._tiles(inputs)
        tiles = [
            (row / rows, column / columns, (row + 1) / rows, (column + 1) / columns)
            for row in range(rows)
            for column in range(columns)
        ]
        overview = [(0.0, 0.0, 1.0, 1.0)] if len(tiles) < inputs["pixel_values"].shape[1] else []
        return tiles + overview

    def _layout(self, inputs: Inputs, side: int) -> Layout:
        """Return the layout of squares of ``side`` × ``side`` positions each."""
        rows, columns = self._tiles(inputs)
        count = rows * columns * side * side
        raster = torch.arange(count, device=inputs["pixel_values"].device)
        tiles = raster.reshape(rows, side, columns, side).transpose(1, 2).flatten()
        total = inputs["pixel_values"].shape[1] * side * side
        return Layout(
            (rows * side, columns * side),
            torch.nn.functional.pad(tiles, (0, total - count), value=-1),
        )

    def _tiles(self, inputs: Inputs) -> tuple[int, int]:
        """Return how many rows and columns of tiles there are; of one picture alone, one each."""
        count = inputs["pixel_values"].shape[1]
        if count == 1:
            return 1, 1
        columns = self._columns(inputs)
        return (count - 1) // columns, columns

    def _columns(self, inputs: Inputs) -> int:
        """Return how many tiles there are in a row.

        Each picture's tokens follow a mark and the picture's name; where a row ends, a line
        break stands before the mark.
        """
        ids = inputs["input_ids"][0].tolist()
        begins = [n for n, token in enumerate(ids) if token == self._image_token]
        begins = begins[:: self._tokens**2]
        mark = ids[begins[0] - 2] if begins[0] > 1 else None
        ends = (begin + self._tokens**2 for begin in begins)
        for number, end in enumerate(ends, 1):
            if end < len(ids) and ids[end] != mark:
                return number
        return len(begins)


def _towers(model: Any) -> tuple[TextTower, PageTower]:
    vlm = model.vlm
    text, vision = vlm.config.text_config, vlm.config.vision_config

    def encode(inputs: Inputs) -> Tensor:
        mask = torch.ones_like(inputs["input_ids"])
        if "pixel_values" in inputs:
            # The model drops pictures that are all zero, which it takes for padding.
            pixels = inputs["pixel_values"]
            empty = (pixels == 0).flatten(2).all(2)[:, :, None, None, None]
            pixels = torch.where(empty, torch.finfo(pixels.dtype).tiny, pixels)
            inputs = {**inputs, "pixel_values": pixels}
        # The model's own views need memory in one piece.
        whole = {name: value.contiguous() for name, value in inputs.items()}
        return cast(Tensor, model(**whole, attention_mask=mask).embeddings)

    options = {"vocabulary": text.vocab_size, "longest": text.max_position_embeddings}
    return (
        TextTower(model, vlm.text_model.layers, lambda i: encode(i).flatten(1), **options),
        PageTower(
            model,
            vlm.vision_model.encoder.layers,
            vlm.text_model.layers,
            encode,
            page=_Tiles(
                vision.image_size,
                vision.patch_size,
                vlm.config.pixel_shuffle_factor,
                vlm.config.image_token_id,
            ),
            image_token=vlm.config.image_token_id,
            longest=text.max_position_embeddings,
        ),
    )


COLMODERNVBERT = replace(
    hugging_face_family(
        "ColModernVBERT", {"colmodernvbert": "ColModernVBertForRetrieval"}, _towers
    ),
    head=lambda model: LateInteractionHead(model.embedding_dim),
    processors=processors("ColModernVBertProcessor", lambda own: own.query_prefix),
)
