"""Images in every form, good and bad, and the crop that the model saw."""

import io
import re
import struct
import subprocess
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import EpsImagePlugin, Image, ImageOps
from transformers import CLIPImageProcessor, EfficientNetImageProcessorPil

import fpattr_widget as fp
from fpattr_widget.encoders import _image_files as images
from fpattr_widget.encoders._image_files import read_image, seen_crop
from tests.helpers import family_checks as checks
from tests.helpers import forking
from tests.helpers.models import Processor, random_clip


def png(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture
def red_left() -> Image.Image:
    """Return a picture whose left half is red and whose right half is blue."""
    pixels = np.zeros((20, 30, 3), np.uint8)
    pixels[:, :15, 0] = 255
    pixels[:, 15:, 2] = 255
    return Image.fromarray(pixels)


def test_every_form_gives_the_same_picture(red_left, tmp_path):
    path = tmp_path / "picture.png"
    path.write_bytes(png(red_left))
    forms = [path, str(path), path.read_bytes(), bytearray(path.read_bytes()), red_left]
    forms += [np.asarray(red_left), red_left.convert("RGBA"), red_left.convert("P")]
    for form in forms:
        np.testing.assert_array_equal(np.asarray(read_image(form)), np.asarray(red_left))


def test_transparency_is_laid_over_white():
    clear = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    assert read_image(clear).getpixel((0, 0)) == (255, 255, 255)
    grey = Image.new("LA", (4, 4), (0, 128))
    assert read_image(grey).getpixel((0, 0)) == pytest.approx((127, 127, 127), abs=1)


def test_greyscale_and_sixteen_bits():
    ramp = np.linspace(0, 255, 16, dtype=np.uint8).reshape(4, 4)
    expected = np.repeat(ramp[:, :, None], 3, 2)
    np.testing.assert_array_equal(np.asarray(read_image(ramp)), expected)
    np.testing.assert_array_equal(np.asarray(read_image(ramp[:, :, None])), expected)
    deep = Image.fromarray(ramp.astype(np.uint16) * 257)
    np.testing.assert_allclose(np.asarray(read_image(deep)), expected, atol=1)


def test_exif_rotation_is_applied(red_left):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned a quarter clockwise
    turned = read_image(png(red_left, "JPEG", quality=95, exif=exif))
    assert turned.size == (20, 30)
    top, bottom = turned.getpixel((10, 3)), turned.getpixel((10, 26))
    assert top[0] > 200 > top[2]
    assert bottom[2] > 200 > bottom[0]


def test_an_animation_gives_its_first_frame(red_left):
    frames = png(red_left, "GIF", save_all=True, append_images=[Image.new("RGB", (30, 20))])
    np.testing.assert_array_equal(np.asarray(read_image(frames)), np.asarray(red_left))


@pytest.mark.parametrize(
    ("image", "sentence"),
    [
        ("/nowhere/at-all.png", "names no file"),
        (b"this is text", "it is not a picture"),
        (b"", "it is not a picture"),
        ("https://example.org/dog.jpg", "is an address: download it first"),
        ("data:image/png;base64,AAAA", "is an address: download it first"),
        (np.zeros((0, 0, 3), np.uint8), "pass one that has pixels"),
        (np.zeros((4, 4, 3), np.float32), "float32: pass uint8"),
        (np.zeros((4, 4, 7), np.uint8), "shape (4, 4, 7)"),
        (Image.new("RGB", (0, 0)), "0 × 0 pixels"),
        (Image.new("1", (20_000, 20_000)), "20,000 × 20,000 pixels"),
        (object(), "`image` is a object"),
        (None, "`image` is a NoneType"),
        ({"input_ids": 1}, "mapping without 'pixel_values'"),
        (torch.zeros(1, 3, 9, 9), "takes preprocessed floats of shape (1, 3, 24, 24)"),
        (torch.full((1, 3, 24, 24), torch.nan), "NaN or infinite"),
    ],
)
def test_what_cannot_be_read_is_told_in_one_sentence(encoder, image, sentence):
    with pytest.raises(fp.InputError, match=re.escape(sentence)) as caught:
        fp.attribute(encoder, image, "a dog")
    assert "`image`" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_a_broken_file_and_a_huge_header(encoder, tmp_path, picture):
    with pytest.raises(fp.InputError, match="is the folder"):
        fp.attribute(encoder, tmp_path, "a dog")
    broken = tmp_path / "half.png"
    broken.write_bytes(png(picture)[:-200])
    with pytest.raises(fp.InputError, match="damaged"):
        fp.attribute(encoder, broken, "a dog")
    huge = tmp_path / "huge.png"
    huge.write_bytes(png(Image.new("1", (20_000, 20_000))))
    with pytest.raises(fp.InputError, match="million"):
        fp.attribute(encoder, huge, "a dog")


def test_a_drawing_is_refused_and_no_program_is_started(encoder, tmp_path, monkeypatch):
    trace, program = tmp_path / "started", tmp_path / "gs"
    program.write_text(f"#!/bin/sh\ntouch {trace}\n")
    program.chmod(0o755)
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", str(program))
    drawing = tmp_path / "dog.eps"
    drawing.write_text(
        "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 24 24\n%%EndComments\nshowpage\n"
    )
    with Image.open(drawing) as opened:
        assert opened.format == "EPS"
        for form, sentence in (
            (drawing, f"{drawing} is not a picture"),
            (drawing.read_bytes(), "it is not a picture"),
            (opened, "is an EPS drawing"),
        ):
            with pytest.raises(fp.InputError, match=r"^`image` ") as caught:
                fp.attribute(encoder, form, "a dog")
            assert sentence in str(caught.value)
        assert not trace.exists()
        with pytest.raises(OSError, match="cannot identify"):  # for it has drawn nothing
            opened.load()
    assert trace.exists()


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P", "I;16", "L", "CMYK", "1", "F"])
@pytest.mark.parametrize("size", [(101, 37), (37, 101), (64, 64)])
def test_what_is_converted_in_bands_is_as_if_converted_at_once(mode, size, monkeypatch):
    noise = np.random.default_rng(5)
    if mode in ("I;16", "F"):
        values = noise.integers(0, 60_000, size[::-1])
        picture = Image.fromarray(values.astype(np.uint16 if mode == "I;16" else np.float32))
    else:
        colours = Image.fromarray(noise.integers(0, 255, (*size[::-1], 4), np.uint8))
        picture = colours if mode == "RGBA" else colours.convert("RGB").convert(mode)
        if mode == "P":
            picture.info["transparency"] = 3
    assert picture.mode == mode
    picture.getexif()[0x0112] = 6
    at_once = np.asarray(read_image(picture), int)
    assert at_once.shape == (*size, 3)
    monkeypatch.setattr(images, "_BAND", 300)
    np.testing.assert_array_equal(np.asarray(read_image(picture)), at_once)
    monkeypatch.setattr(images, "MOST_ALONG_A_SIDE", 40)
    smaller = read_image(picture)
    factor = -(-max(size) // 40)
    assert max(smaller.size) <= 40
    # Turned afterwards, so that the odd pixels at the end are those of the file.
    whole = Image.fromarray(at_once.astype(np.uint8)).transpose(Image.Transpose.ROTATE_90)
    expected = whole.reduce(factor).transpose(Image.Transpose.ROTATE_270)
    np.testing.assert_allclose(np.asarray(smaller, int), np.asarray(expected, int), atol=1)


def test_a_model_cannot_tell_that_a_large_picture_was_made_smaller(monkeypatch, picture):
    large = picture.resize((1500, 1100), Image.Resampling.BICUBIC)
    encoder = fp.load_encoder("scenes")
    whole = encoder.prepare(large, "image")
    monkeypatch.setattr(images, "MOST_ALONG_A_SIDE", 600)
    smaller = encoder.prepare(large, "image")
    assert read_image(large).size == (500, 367)
    one, other = (one.inputs["pixel_values"] for one in (whole, smaller))
    assert float((one - other).abs().max()) < 0.03  # of a range of about 4
    assert smaller.crop == pytest.approx(whole.crop, abs=0.002)
    assert ImageOps.contain(whole.picture, (99, 99)).size == pytest.approx(
        ImageOps.contain(smaller.picture, (99, 99)).size, abs=1
    )


#: A PNG's kind of pixels: bits, colour type, bytes a pixel.
LARGE = {"sixteen-bit": (16, 0, 2), "transparent": (8, 6, 4)}
MEASURE = """
import re, resource, sys
import numpy as np
from fpattr_widget.encoders._image_files import read_image, seen_crop
from fpattr_widget.encoders._adapters import TransformProcessor

def most():
    if sys.platform == "linux":  # where the other number begins with that of the parent
        return int(re.search("VmHWM:(.*)kB", open("/proc/self/status").read())[1]) / 1e3
    unit = 1e6 if sys.platform == "darwin" else 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit

def shrink(picture):
    return np.asarray(picture.resize((32, 32)), np.float32).transpose(2, 0, 1) / 255

def read(path):
    return seen_crop(TransformProcessor(shrink), read_image(path))[0].getpixel((5, 5))

read(sys.argv[1])
before = most()
for path in sys.argv[2:]:
    print(read(path), most() - before)
"""


def large_png(path: Path, side: int, bits: int, kind: int, size: int) -> None:
    """Write a picture whose upper half is black and clear, row by row."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    packed, checksum = b"\x78\x01", 1
    for value in (0, 255):
        row = b"\0" + bytes([value]) * (side * size)
        packer = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
        # A row that refers to none before it, so that it stands in the file again and again.
        packed += (packer.compress(row) + packer.flush(zlib.Z_FULL_FLUSH)) * (side // 2)
        for _ in range(side // 2):
            checksum = zlib.adler32(row, checksum)
    packed += zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS).flush()
    packed += struct.pack(">I", checksum)
    header = struct.pack(">IIBBBBB", side, side, bits, kind, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
        + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    )  # fmt: skip


@pytest.mark.slow
def test_the_largest_pictures_take_little_more_than_pillow_takes(tmp_path, picture):
    """A hundred million pixels: Pillow decodes them to 200 and 400 MB."""
    picture.save(tmp_path / "small.png")
    paths = []
    for name, (bits, kind, size) in LARGE.items():
        paths.append(tmp_path / f"{name}.png")
        large_png(paths[-1], 10_000, bits, kind, size)
    done = subprocess.run(
        forking.program(MEASURE, str(tmp_path / "small.png"), *map(str, paths)),
        capture_output=True, text=True, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    colours, taken = zip(*(line.rsplit(" ", 1) for line in done.stdout.splitlines()), strict=True)
    # The upper half of the second one is clear, and so white.
    assert colours == ("(0, 0, 0)", "(255, 255, 255)")
    assert 200 < float(taken[0]) < 450
    assert 400 < float(taken[1]) < 650


def test_a_preprocessed_tensor_is_taken_as_it_is(encoder, picture):
    pixels = encoder.prepare(picture, "image").inputs["pixel_values"]
    one = fp.attribute(encoder, picture, "a dog", layer=-1)
    for form in (pixels, pixels[0], {"pixel_values": pixels.numpy()}):
        other = fp.attribute(encoder, form, "a dog", layer=-1)
        np.testing.assert_array_equal(one.matrix, other.matrix)
        assert other.picture.size == (24, 24)


@pytest.mark.parametrize(
    ("width", "height"), [(640, 480), (1001, 750), (300, 900), (24, 24), (517, 516)]
)
def test_the_crop_is_the_centre_square_that_the_processor_takes(width, height):
    """CLIP scales the shorter side and crops the middle."""
    columns = np.linspace(0, 255, width, dtype=np.float32)
    rows = np.linspace(0, 255, height, dtype=np.float32)
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, :, 0] = columns[None, :]
    pixels[:, :, 1] = rows[:, None]
    source = Image.fromarray(pixels)
    crop, place = seen_crop(Processor(24).image_processor, source)
    side = min(width, height)
    across, down = (width - side) / 2 / width, (height - side) / 2 / height
    assert place == pytest.approx((across, down, 1 - across, 1 - down), abs=0.015)
    assert crop.size == pytest.approx((min(side, 768),) * 2, abs=0.012 * side + 1)
    assert crop.width == pytest.approx(crop.height, abs=1)
    values = np.asarray(crop, np.float32)
    first, last = (width - side) / 2 / width * 255, (width + side) / 2 / width * 255
    assert values[:, 0, 0].mean() == pytest.approx(first, abs=4)
    assert values[:, -1, 0].mean() == pytest.approx(last, abs=4)
    first, last = (height - side) / 2 / height * 255, (height + side) / 2 / height * 255
    assert values[0, :, 1].mean() == pytest.approx(first, abs=4)
    assert values[-1, :, 1].mean() == pytest.approx(last, abs=4)


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ((640, 480), (640, 480)),
        ((300, 100), (300, 100)),
        ((60, 120), (60, 120)),
        ((2400, 800), (768, 256)),
        ((700, 2100), (256, 768)),
        ((41, 40), (41, 40)),
        ((20, 20), (32, 32)),  # at least half as large as what the model sees
        ((1600, 100), (768, 96)),  # not so thin that its patches cannot be pointed at
        ((30, 900), (96, 768)),
    ],
)
@pytest.mark.parametrize("cropping", [False, True])
def test_a_squeezed_picture_is_shown_in_its_own_proportions(source, shown, cropping):
    """ALIGN's processor resizes without them; one that crops afterwards sees the same middle."""
    size = {"height": 64, "width": 64}
    processor = CLIPImageProcessor(size=size, crop_size=size, do_center_crop=cropping)
    picture, crop = seen_crop(processor, checks.tiles(5, 5).resize(source))
    assert picture.size == shown
    assert crop == (0, 0, 1, 1)


def test_a_squeezed_crop_is_shown_as_it_stands_in_the_picture():
    processor = EfficientNetImageProcessorPil(
        size={"height": 80, "width": 80},
        crop_size={"height": 64, "width": 64},
        do_center_crop=True,
    )
    picture, crop = seen_crop(processor, checks.tiles(5, 5).resize((600, 200)))
    assert crop == pytest.approx((0.1, 0.1, 0.9, 0.9), abs=0.02)
    assert picture.width / picture.height == pytest.approx(3, rel=0.03)


@pytest.mark.parametrize("size", [(150, 50), (60, 120)])
def test_each_patch_of_a_squeezed_picture_shows_what_the_model_has_there(size):
    processor = Processor(24)
    processor.image_processor = CLIPImageProcessor(
        size={"height": 64, "width": 64}, do_center_crop=False
    )
    encoder = fp.load_encoder(random_clip(), processor=processor, image_size=64)
    squeezed = checks.tiles(8, 8).resize(size)
    checks.assert_picture_is_what_the_tower_sees(encoder, squeezed)
    pairs = fp.attribute(encoder, squeezed, "a dog")
    assert (pairs.grid, pairs.picture.size) == ((8, 8), size)


def test_a_picture_of_a_few_pixels_is_shown_as_the_model_saw_it(encoder):
    tiny = np.full((1, 1, 3), 200, np.uint8)
    assert encoder.prepare(tiny, "image").picture.size == (24, 24)
