"""Families that one set of tests is for."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

import fpattr_widget as fp
from tests.helpers.families import altclip, blip, chinese_clip, flava


@dataclass(frozen=True)
class Sample:
    """A small model of a family, its processor, a caption, and nodes that suffice."""

    model: Callable[[torch.dtype], Any]
    processor: Callable[[], Any]
    caption: str
    steps: int

    def encoder(self, dtype: torch.dtype = torch.float64) -> fp.DualEncoder:
        return fp.load_encoder(self.model(dtype), processor=self.processor())


SAMPLES = {
    "AltCLIP": Sample(altclip.altclip, altclip.processor, altclip.CAPTION, steps=48),
    "Chinese-CLIP": Sample(
        chinese_clip.chinese_clip,
        chinese_clip.processor,
        chinese_clip.CAPTION,
        steps=48,
    ),
    "BLIP": Sample(blip.blip, blip.processor, blip.CAPTION, steps=64),
    "FLAVA": Sample(flava.flava, flava.processor, flava.CAPTION, steps=64),
}
