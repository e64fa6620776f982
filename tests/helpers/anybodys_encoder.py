"""A dual encoder as anybody may have written it, and its towers."""

from pathlib import Path

import torch
from torch import Tensor, nn

import fpattr_widget as fp

#: The page that says how to register one.
PAGE = Path(fp.__file__).parent / "encoders" / "README.md"


class Mine(nn.Module):
    """A dual encoder as anybody may have written it."""

    def __init__(self, *, width: int = 24, shared: int = 12, tokens: int = 100):
        super().__init__()
        self.words = nn.Embedding(tokens, width)
        self.places = nn.Parameter(torch.zeros(16, width))
        self.patches = nn.Conv2d(3, width, 8, stride=8)
        self.text_layers, self.image_layers = (
            nn.ModuleList(
                nn.TransformerEncoderLayer(width, 3, 32, activation="gelu", batch_first=True)
                for _ in range(3)
            )
            for _ in range(2)
        )
        self.spare = nn.Linear(width, width)
        self.text_head, self.image_head = nn.Linear(width, 12), nn.Linear(width, shared)

    def embed_text(self, ids: Tensor) -> Tensor:
        states = self.words(ids) + self.places[: ids.shape[1]]
        for layer in self.text_layers:
            states = layer(src=states)
        return self.text_head(states.mean(1))

    def embed_image(self, pixels: Tensor) -> Tensor:
        states = self.patches(pixels).flatten(2).transpose(1, 2)
        for layer in self.image_layers:
            states = layer(states)
        return self.image_head(states.mean(1))


def towers(
    model: Mine, text: dict | None = None, image: dict | None = None
) -> tuple[fp.TextTower, fp.ImageTower]:
    """Return the towers of ``model``; ``text`` and ``image`` change what is said of them."""
    return (
        fp.TextTower(
            model,
            **{
                "blocks": model.text_layers,
                "encode": lambda inputs: model.embed_text(inputs["input_ids"]),
                "vocabulary": model.words.num_embeddings,
                "longest": 16,
                **(text or {}),
            },
        ),
        fp.ImageTower(
            model,
            **{
                "blocks": model.image_layers,
                "encode": lambda inputs: model.embed_image(inputs["pixel_values"]),
                "patch": 8,
                "special": (),
                **(image or {}),
            },
        ),
    )


IDS = [[1, 7, 42, 9, 2]]
