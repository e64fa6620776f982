"""Read images in every form that users may pass, and find the crop that a model sees."""

import io
import os
import re
from collections.abc import Iterable
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from ..errors import InputError

#: Larger images are refused before they are decoded, to bound memory.
MOST_PIXELS = 100_000_000

#: Pictures with a longer side are made smaller as they are read.
MOST_ALONG_A_SIDE = 4096

#: The most pixels along the longer side of a displayed picture.
LONGEST = 768

#: The most that one side of a displayed picture is longer than the other, so that its patches
#: stay large enough to point at.
MOST_ELONGATED = 8

#: Formats that Pillow or its plugins decode themselves; for others, such as EPS,
#: Pillow would start another program.
FORMATS = (
    "AVIF", "BMP", "DIB", "GIF", "HEIF", "ICO", "JPEG", "JPEG2000", "JXL", "MPO", "PCX", "PNG",
    "PPM", "QOI", "SGI", "TGA", "TIFF", "WEBP",
)  # fmt: skip

#: Everything that :func:`read_image` takes.
PictureLike = str | os.PathLike[str] | bytes | bytearray | memoryview | Image.Image | np.ndarray

_ACCEPTED = "a path, bytes, a PIL image, an array (H, W, 3) of uint8 or a preprocessed tensor"
_FORMATS_REMEDY = "pass a PNG, JPEG, WebP, GIF, BMP or TIFF file"
_ADDRESS = re.compile(r"(?:[a-z][a-z0-9+.\-]+://|data:)", re.IGNORECASE)
# By which measured proportions may differ from true ones.
_ACCURACY = 0.03
_BAND = 2**20  # pixels that are converted at a time
_ORIENTATION = 0x0112  # EXIF
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_image(image: PictureLike) -> Image.Image:
    """Return ``image`` as an upright RGB picture.

    Memory is bounded: beside the pixels that Pillow decodes (four bytes each), the
    picture is converted in bands. A picture of more than ``MOST_ALONG_A_SIDE`` pixels
    along a side is reduced by the smallest whole factor that suffices, each
    pixel the mean of a square. Models see a few hundred pixels along a side,
    so that this makes no difference to them. (An image processor of
    your own that crops a number of *pixels* without scaling sees more
    of such a picture.)

    Parameters
    ----------
    image
        A path, encoded bytes, a PIL image, or an array (H, W), (H, W, 3) or
        (H, W, 4) of uint8. EXIF orientation is applied, transparency is blended
        with white, and the first frame of an animation is read.

    Returns
    -------
    PIL.Image.Image
        Mode ``RGB``.

    Raises
    ------
    InputError
        When it is not an image in one of ``FORMATS``, has no pixels, or has more
        than ``MOST_PIXELS``.
    """
    if isinstance(image, Image.Image):
        picture = image
        if picture.format == "EPS":  # Ghostscript would decode it later
            raise InputError("image", "is an EPS drawing, not a picture", "convert it to PNG")
    elif isinstance(image, np.ndarray):
        picture = _from_array(image)
    elif isinstance(image, str | os.PathLike | bytes | bytearray | memoryview):
        picture = open_image(image)
    else:
        raise InputError("image", f"is a {type(image).__name__}", f"pass {_ACCEPTED}")
    width, height = picture.size
    if width < 1 or height < 1:
        raise InputError("image", f"is {width} × {height} pixels", "pass one that has pixels")
    if width * height > MOST_PIXELS:
        raise InputError(
            "image",
            f"is {width:,} × {height:,} pixels, more than the {MOST_PIXELS // 10**6} million that "
            "are read",
            "make it smaller first",
        )
    try:
        return _to_rgb(picture)
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise InputError(
            "image", f"is damaged and cannot be decoded ({error})", "pass another file"
        ) from error


def open_image(source: str | os.PathLike[str] | bytes | bytearray | memoryview) -> Image.Image:
    """Open an image in one of ``FORMATS``; only its header is read.

    Raises
    ------
    InputError
        When there is no such image, or it cannot be read.
    """
    if isinstance(source, str) and _ADDRESS.match(source):
        raise InputError(
            "image", "is an address", "download it first, and pass the file's path or its bytes"
        )
    if isinstance(source, bytes | bytearray | memoryview):
        file: str | os.PathLike[str] | io.BytesIO = io.BytesIO(source)
        name = "it"
    else:
        file = source
        name = os.fspath(source)
    Image.init()  # registers all formats, including those of plugins
    try:
        # Pillow's own limit of pixels is higher than MOST_PIXELS.
        return Image.open(file, formats=[name for name in FORMATS if name in Image.OPEN])
    except FileNotFoundError:
        raise InputError("image", "names no file", f"check the path {name}") from None
    except IsADirectoryError:
        raise InputError("image", f"is the folder {name}", "pass one image file") from None
    except Image.DecompressionBombError:
        raise InputError(
            "image",
            f"has more than the {MOST_PIXELS // 10**6} million pixels that are read",
            "make it smaller first",
        ) from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise InputError(
            "image",
            f"cannot be read, for {name} is not a picture in a known format",
            _FORMATS_REMEDY,
        ) from error


def _from_array(array: np.ndarray) -> Image.Image:
    grey = array.ndim == 2
    if not grey and not (array.ndim == 3 and array.shape[2] in (1, 3, 4)):
        raise InputError(
            "image", f"is an array of shape {array.shape}", "pass (H, W, 3), a PIL image or a path"
        )
    if array.dtype != np.uint8:
        raise InputError(
            "image",
            f"is an array of {array.dtype}",
            "pass uint8 values from 0 to 255 (for floats in 0…1: `(255 * image).astype('uint8')`)",
        )
    if 0 in array.shape:
        raise InputError("image", f"is an array of shape {array.shape}", "pass one that has pixels")
    return Image.fromarray(array[:, :, 0] if array.shape[2:] == (1,) else array)


def _to_rgb(picture: Image.Image) -> Image.Image:
    """Return a picture upright, as RGB and reduced if large, converted band by band."""
    picture.seek(0)
    picture.load()
    width, height = picture.size
    shrink = -(-max(width, height) // MOST_ALONG_A_SIDE)
    result = Image.new("RGB", (-(-width // shrink), -(-height // shrink)))
    rows = shrink * max(1, _BAND // (width * shrink))
    tops = range(0, height, rows)

    def band(top: int) -> Image.Image:
        return picture.crop((0, top, width, min(top + rows, height)))

    deep = picture.mode.startswith("I") or picture.mode == "F"
    extremes = _extremes(band(top) for top in tops) if deep else (0.0, 0.0)
    for top in tops:
        part = _scaled(band(top), *extremes) if deep else _over_white(band(top))
        result.paste(part.reduce(shrink) if shrink > 1 else part, (0, top // shrink))
    turn = _UPRIGHT.get(picture.getexif().get(_ORIENTATION, 1))
    return result if turn is None else result.transpose(turn)


def _extremes(bands: Iterable[Image.Image]) -> tuple[float, float]:
    """Return the lowest and the highest value of a sixteen-bit or float picture."""
    extremes = np.array([(np.nanmin(values), np.nanmax(values)) for values in map(_values, bands)])
    return float(np.nanmin(extremes[:, 0])), float(np.nanmax(extremes[:, 1]))


def _scaled(band: Image.Image, low: float, high: float) -> Image.Image:
    """Return a band of a sixteen-bit or float picture, black at ``low``, white at ``high``."""
    scaled = np.nan_to_num((_values(band) - low) / ((high - low) or 1.0))
    return Image.fromarray((255 * scaled).astype(np.uint8)).convert("RGB")


def _values(band: Image.Image) -> np.ndarray:
    return np.asarray(band, np.float64)


def _over_white(band: Image.Image) -> Image.Image:
    """Return a band as RGB, blended with white where it is transparent."""
    if band.mode in ("RGBA", "LA", "PA") or "transparency" in band.info:
        band = band.convert("RGBA")
        white = Image.new("RGBA", band.size, "white")
        return Image.alpha_composite(white, band).convert("RGB")
    return band.convert("RGB")


def run_processor(processor: Any, picture: Image.Image, **overrides: Any) -> dict[str, np.ndarray]:
    """Return an image processor's arrays for a batch of one."""
    output = processor(images=picture, return_tensors="np", **overrides)
    return {name: np.asarray(value) for name, value in output.items()}


def _seen_pixels(processor: Any, picture: Image.Image) -> np.ndarray:
    """Return the pixels that the model sees, ``(3, h, w)``, before normalisation."""
    raw = {"do_rescale": False, "do_normalize": False}
    if hasattr(processor, "include_top"):  # EfficientNet's processor normalises twice
        raw["include_top"] = False
    output = run_processor(processor, picture, **raw)
    return np.asarray(output["pixel_values"][0], np.float32)


#: ``(left, top, right, bottom)`` as fractions of a picture's sides.
Box = tuple[float, float, float, float]


def seen_crop(processor: Any, picture: Image.Image) -> tuple[Image.Image, Box | None]:
    """Return the part of ``picture`` that the model sees, at the picture's own resolution.

    It has the proportions that it has in the picture, even where the processor squeezes it.
    The crop is measured, not assumed: the processor is run on a picture of the same size
    whose colours are linear ramps, and lines fitted to its output show
    which column and row each pixel came from.

    Parameters
    ----------
    processor
        The model's image processor.
    picture
        The upright RGB source.

    Returns
    -------
    (PIL.Image.Image, tuple or None)
        The crop, at most ``LONGEST`` pixels along a side, and where in the source it lies.
        If the processor does more than scale and crop (such as padding) or the picture is
        only a few pixels wide: the model's own pixels, and ``None``.
    """
    width, height = picture.size
    ramps = _seen_pixels(processor, _ramps(width, height))
    columns = _source_interval(ramps[0], width, axis=1)
    rows = _source_interval(ramps[1], height, axis=0)
    if columns is None or rows is None:
        pixels = np.clip(np.rint(_seen_pixels(processor, picture)), 0, 255).astype(np.uint8)
        return Image.fromarray(pixels.transpose(1, 2, 0)), None
    box = (columns[0], rows[0], columns[1], rows[1])
    sides, seen = (box[2] - box[0], box[3] - box[1]), (ramps.shape[2], ramps.shape[1])
    kept = abs(sides[0] * seen[1] / (sides[1] * seen[0]) - 1) < _ACCURACY
    is_whole = box == (0, 0, width, height)
    size = displayed_size(seen if kept and not is_whole else sides, max(*sides, max(seen) / 2))
    crop = (box[0] / width, box[1] / height, box[2] / width, box[3] / height)
    return picture.resize(size, Image.Resampling.LANCZOS, box=box), crop


def displayed_size(proportions: tuple[float, float], longest: float) -> tuple[int, int]:
    """Return the size at which a picture is shown, ``(width, height)`` in pixels.

    Parameters
    ----------
    proportions
        Width and height of what is shown, in any unit. At most ``MOST_ELONGATED`` of
        one to the other are kept.
    longest
        Pixels along its longer side; at most ``LONGEST`` are used.
    """
    width, height = proportions
    ratio = min(max(width / height, 1 / MOST_ELONGATED), MOST_ELONGATED)
    longest = min(longest, LONGEST)
    sides = (longest, longest / ratio) if ratio > 1 else (longest * ratio, longest)
    return max(1, round(sides[0])), max(1, round(sides[1]))


def _ramps(width: int, height: int) -> Image.Image:
    """Return a picture that is redder and bluer to the right, and greener downwards."""
    right, down = (
        np.rint((np.arange(length) + 0.5) / length * 255).astype(np.uint8)
        for length in (width, height)
    )
    colours = np.empty((height, width, 3), np.uint8)
    colours[:, :, 0] = colours[:, :, 2] = right  # the same if a processor swaps red and blue
    colours[:, :, 1] = down[:, None]
    return Image.fromarray(colours)


def _source_interval(seen: np.ndarray, length: int, axis: int) -> tuple[float, float] | None:
    """Return where the first and last seen edge of a ramp lie in the source; None if not linear."""
    if length < 16:
        return None
    profile = seen.mean(axis=1 - axis)
    deviation = seen.std(axis=1 - axis).max()
    positions = np.arange(len(profile)) + 0.5
    inner = slice(2, -2)  # resampling flattens a ramp at its very ends
    slope, start = np.polyfit(positions[inner], profile[inner], 1)
    error = np.abs(start + slope * positions - profile)[inner].max()
    if slope <= 0 or deviation > 2 or error > 2.5:
        return None
    low, high = start * length / 255, (start + slope * len(profile)) * length / 255
    # An edge this close to the picture's edge is taken as that: a ramp has only 256 levels.
    margin = length / 100
    return (0.0 if low < margin else low), (float(length) if high > length - margin else high)
