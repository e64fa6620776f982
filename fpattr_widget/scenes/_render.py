"""Render scenes."""

import colorsys
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from ._kinds import KINDS
from ._layout import Scene

_PACKAGE = Path("node_modules", "@lobehub", "fluent-emoji-3d", "assets")
_REPOSITORY = Path(__file__).parents[2]

# Ranges of hue, saturation and value. They are wide and overlap, so that the
# ground's colour gives no object away.
_PALETTES = {
    "grass": ((0.22, 0.38), (0.35, 0.75), (0.45, 0.85)),
    "sand": ((0.09, 0.14), (0.25, 0.55), (0.75, 0.95)),
    "snow": ((0.50, 0.65), (0.00, 0.10), (0.85, 1.00)),
    "water": ((0.48, 0.58), (0.45, 0.85), (0.50, 0.85)),
    "sky": ((0.54, 0.62), (0.25, 0.55), (0.85, 1.00)),
    "night": ((0.60, 0.75), (0.40, 0.80), (0.10, 0.30)),
    "road": ((0.00, 1.00), (0.00, 0.08), (0.35, 0.60)),
    "plain": ((0.00, 1.00), (0.00, 0.90), (0.25, 1.00)),
}


class Sprites:
    """The drawings of all kinds, cropped to their visible box.

    Parameters
    ----------
    folder
        Folder of ``<code points>.webp`` files. Without it the repository's and
        the working directory's ``node_modules`` are searched.

    Raises
    ------
    FileNotFoundError
        When the sprites are in none of these places.
    """

    def __init__(self, folder: str | Path | None = None):
        places = [Path(folder)] if folder else [_REPOSITORY / _PACKAGE, Path.cwd() / _PACKAGE]
        source = next((place for place in places if place.is_dir()), None)
        if source is None:
            raise FileNotFoundError(
                "The sprites are missing: run `npm install @lobehub/fluent-emoji-3d` in the "
                "working directory, or pass the folder with its .webp files as `sprites`."
            )
        self._full: dict[str, Image.Image] = {}
        for kind in KINDS.values():
            sprite = Image.open(source / f"{kind.sprite}.webp").convert("RGBA")
            self._full[kind.name] = sprite.crop(sprite.getchannel("A").getbbox())
        self.aspect_ratios = {
            name: sprite.width / sprite.height for name, sprite in self._full.items()
        }
        self.sized = lru_cache(maxsize=8192)(self._sized)

    def _sized(self, kind: str, width: int, height: int, mirrored: bool) -> Image.Image:
        sprite = self._full[kind].resize(
            (width, height), Image.Resampling.LANCZOS, reducing_gap=2.0
        )
        if mirrored:
            sprite = sprite.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return sprite


def _noise(generator: np.random.Generator, cells: int, amplitude: float, size: int) -> np.ndarray:
    light = generator.normal(0, 42 * amplitude, (cells, cells, 1))
    tint = generator.normal(0, 16 * amplitude, (cells, cells, 3))
    field = np.clip(128 + light + tint, 0, 255)
    image = Image.fromarray(field.astype(np.uint8)).resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(image, np.float32) - 128


def _ground(name: str, texture: int, size: int) -> np.ndarray:
    generator = np.random.default_rng(texture)
    hue, saturation, value = (generator.uniform(*bounds) for bounds in _PALETTES[name])
    base = 255 * np.array(colorsys.hsv_to_rgb(hue, saturation, value), np.float32)
    slope = generator.uniform(-30, 30) * np.linspace(-1, 1, size, dtype=np.float32)
    coarse = _noise(generator, int(generator.integers(3, 9)), generator.uniform(0.1, 0.7), size)
    fine = _noise(generator, int(generator.integers(12, 40)), generator.uniform(0.05, 0.45), size)
    return np.clip(base + slope[:, None, None] + coarse + fine, 0, 255).astype(np.uint8)


def render(scene: Scene, sprites: Sprites, size: int = 128) -> Image.Image:
    """Draw ``scene`` as an RGB picture of ``size`` × ``size`` pixels.

    The same scene at another size is the same picture at another resolution.
    """
    picture = Image.fromarray(_ground(scene.ground, scene.texture, size))
    for thing in scene.objects:
        left, top, right, bottom = (edge * size for edge in thing.box)
        width, height = max(1, round(right - left)), max(1, round(bottom - top))
        sprite = sprites.sized(thing.kind, width, height, thing.mirrored)
        picture.paste(sprite, (round(left), round(top)), sprite)
    return picture


def render_joined(quarters: Sequence[Scene], sprites: Sprites, size: int = 128) -> Image.Image:
    """Draw four scenes into one picture, two by two, in reading order."""
    picture = Image.new("RGB", (size, size))
    for index, quarter in enumerate(quarters):
        row, column = divmod(index, 2)
        corner = (column * size // 2, row * size // 2)
        picture.paste(render(quarter, sprites, size // 2), corner)
    return picture
