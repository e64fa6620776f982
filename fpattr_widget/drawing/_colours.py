"""Every colour that means something, as in the view; a contract compares the two.

Red is for a match and blue against it; alpha is the magnitude.
"""

from dataclasses import dataclass

import numpy as np

#: Channels from 0 to 255.
Rgb = tuple[float, float, float]

POSITIVE: Rgb = (178, 24, 43)
NEGATIVE: Rgb = (33, 102, 172)
INK: Rgb = (22, 25, 29)
INK_IN_THE_DARK: Rgb = (232, 234, 237)
MUTED: Rgb = (89, 97, 107)
EDGE: Rgb = (196, 202, 209)
QUIET: Rgb = (243, 245, 247)
WHITE: Rgb = (255, 255, 255)
BLACK: Rgb = (0, 0, 0)
#: Of the ledger's parts that are no pairs.
GREYS: tuple[Rgb, Rgb, Rgb] = ((108, 119, 132), (152, 162, 174), (195, 202, 210))

STRONGEST = 0.85

#: A cosine that is too small to matter, at which no scale may end: noise would
#: look like knowledge. CLIP-like models multiply their cosines by about a
#: hundred before they choose among captions, so that this much is one logit.
#: The similarity itself is no measure: it may be next to nothing.
FLOOR = 0.01

#: The number of patches in a grid to whose patches ``FLOOR`` applies; finer grids
#: have a floor that is lower in proportion, so that their maps do not pale.
COARSE = 64

_FAINTEST = 0.2  # share of a limit: what is weaker looks like nothing anyway
_READABLE = 4.5  # contrast of text and ground, WCAG 2.2
_LUMA = (0.2126, 0.7152, 0.0722)
GREYED = 0.72  # opacity of the picture under a map


@dataclass(frozen=True)
class Tint:
    """A colour and its alpha, from 0 to 1."""

    colour: Rgb
    alpha: float

    def over(self, ground: Rgb) -> Rgb:
        """Return the colour that the tint gives on an opaque ground."""
        red, green, blue = (
            self.alpha * above + (1 - self.alpha) * below
            for above, below in zip(self.colour, ground, strict=True)
        )
        return red, green, blue


def css(colour: Rgb) -> str:
    """Return a colour as CSS and matplotlib read it, ``#b2182b``."""
    return "#" + "".join(f"{round(channel):02x}" for channel in colour)


def patch_floor(patches: int) -> float:
    """Return the lowest limit of the scale of single patches, on a grid of this many."""
    return FLOOR * min(1.0, COARSE / max(patches, 1))


def limit_of(size: float, floor: float) -> float:
    """Return the limit of a scale for values of at most ``size``; 0 if there is nothing to show."""
    return max(size, floor) if size > 0 else 0.0


def is_beyond(value: float, limit: float) -> bool:
    """Return whether a value lies beyond the limit of a scale, up to rounding."""
    return limit > 0 and abs(value) > limit * (1 + 1e-6)


def is_against(value: float, limit: float) -> bool:
    """Return whether a value needs a mark that tells it from positive ones without hue."""
    return limit > 0 and value <= -_FAINTEST * limit


def tint(value: float, limit: float) -> Tint | None:
    """Return the tint of a value on a scale to ±``limit``; ``None`` for zero and NaN."""
    if not (abs(value) > 0 and limit > 0):
        return None
    colour = POSITIVE if value > 0 else NEGATIVE
    return Tint(colour, STRONGEST * min(1.0, abs(value) / limit))


def ink_on(ground: Rgb, ink: Rgb) -> Rgb:
    """Return a text colour for a ground: ``ink`` if it is readable there, else black or white."""
    if _contrast(ground, ink) >= _READABLE:
        return ink
    return BLACK if _contrast(ground, BLACK) >= _contrast(ground, WHITE) else WHITE


def heat(values: np.ndarray, limit: float) -> np.ndarray:
    """Return a map as RGBA, ``(rows, columns)`` to ``(rows, columns, 4)`` uint8."""
    pixels = np.zeros((*values.shape, 4))
    pixels[..., :3] = np.where((values > 0)[..., None], POSITIVE, NEGATIVE)
    if limit > 0:
        pixels[..., 3] = 255 * STRONGEST * np.minimum(1, np.abs(values) / limit)
    return pixels.round().astype(np.uint8)


def greyed(picture: np.ndarray) -> np.ndarray:
    """Return a picture as it lies under a map, on white; ``(h, w, 3)`` uint8 both."""
    grey = picture.astype(np.float32) @ np.array(_LUMA, np.float32)
    faded = GREYED * grey + (1 - GREYED) * 255
    return np.repeat(faded.round().astype(np.uint8)[..., None], 3, axis=-1)


def _contrast(first: Rgb, second: Rgb) -> float:
    brighter, darker = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def _luminance(colour: Rgb) -> float:
    shares = (channel / 255 for channel in colour)
    linear = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in shares)
    return sum(weight * c for weight, c in zip(_LUMA, linear, strict=True))
