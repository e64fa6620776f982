"""OpenAI's CLIP: its own classes, read from the installed file of the package."""

import pytest
import torch
from torch import nn
from transformers import CLIPImageProcessor

import fpattr_widget as fp
from tests.helpers import family_checks as checks
from tests.helpers.published import (
    load_from_site,
)

CAPTION = "two dogs, left of a ball!"
LENGTH, VOCABULARY = 24, 49408


layout = load_from_site("clip/model.py")


simple = load_from_site("clip/simple_tokenizer.py").SimpleTokenizer()


class OriginalBlock(layout.ResidualAttentionBlock):
    """As in OpenAI's repository, whose mask has one size and is kept as it was last used."""

    def attention(self, x):
        if self.attn_mask is not None:
            self.attn_mask = self.attn_mask.to(dtype=x.dtype, device=x.device)
        return self.attn(x, x, x, need_weights=False, attn_mask=self.attn_mask)[0]


class Original(layout.CLIP):
    """As in OpenAI's repository: a text takes all positions."""

    def encode_text(self, text):
        x = self.token_embedding(text).type(self.dtype)
        x = x + self.positional_embedding.type(self.dtype)
        x = self.transformer(x.permute(1, 0, 2)).permute(1, 0, 2)
        x = self.ln_final(x).type(self.dtype)
        return x[torch.arange(x.shape[0]), text.argmax(dim=-1)] @ self.text_projection


def openai_clip(dtype: torch.dtype = torch.float64, *, original: bool = False, resnet=False):
    torch.manual_seed(0)
    vision = (64, (1, 1, 2, 1), 4, None) if resnet else (24, 3, 128, 8)
    with pytest.MonkeyPatch.context() as patch:
        if dtype == torch.float64:  # its own norm computes in float32, whatever it is given
            patch.setattr(layout, "LayerNorm", nn.LayerNorm)
        if original:
            patch.setattr(layout, "ResidualAttentionBlock", OriginalBlock)
        kind = Original if original else layout.CLIP
        model = kind(12, *vision, LENGTH, VOCABULARY, 24, 3, 3)
    return checks.far_from_linear(model, dtype, scale=0.1)


def processor(side: int = 24) -> checks.Processor:
    crop = {"height": side, "width": side}
    return checks.Processor(
        simple, CLIPImageProcessor(size={"shortest_edge": side}, crop_size=crop)
    )


def openai_encoder(dtype: torch.dtype = torch.float64, **options: bool) -> fp.DualEncoder:
    return fp.load_encoder(openai_clip(dtype, **options), processor=processor())
