"""An image processor of a few lines, which another process imports at once."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class Plain:
    """Scales pictures to a square, and their values to −1…1."""

    side: int = 24

    def __call__(self, images: Image.Image, **_options: Any) -> dict[str, np.ndarray]:
        print("what a processor prints is no answer")
        scaled = np.asarray(images.resize((self.side, self.side)), np.float32) / 127.5 - 1
        return {"pixel_values": scaled.transpose(2, 0, 1)[None]}
