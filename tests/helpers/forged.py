"""Files of pairs taken apart and put together again, as somebody might forge them."""

import io
import json
import re
import zlib
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from PIL import Image

import fpattr_widget as fp
from fpattr_widget.files._container import digest, pack


class Forged:
    """A file taken apart, to be put together again with another content and a true checksum."""

    def __init__(self, data: bytes):
        self.tensors = {name: array.copy() for name, array in safetensors.numpy.load(data).items()}
        length = int.from_bytes(data[:8], "little")
        self.metadata = json.loads(data[8 : 8 + length])["__metadata__"]
        self.document = json.loads(self.metadata["pairs"])

    def sealed(self) -> bytes:
        written = json.dumps(self.document)
        metadata = {**self.metadata, "pairs": written, "sha256": digest(written, self.tensors)}
        return pack(metadata, self.tensors)


def png(size: tuple[int, int], mode: str = "RGB", **options: object) -> np.ndarray:
    file = io.BytesIO()
    Image.new(mode, size).save(file, "PNG", **options)
    return np.frombuffer(file.getvalue(), np.uint8)


def bomb(side: int) -> np.ndarray:
    """Return a small file that tells of an enormous picture."""
    small = bytearray(png((30, 30)).tobytes())
    small[16:24] = side.to_bytes(4, "big") * 2
    small[29:33] = zlib.crc32(small[12:29]).to_bytes(4, "big")
    return np.frombuffer(bytes(small), np.uint8)


def load(data: bytes, folder: Path, name: str = "x.fpattr") -> fp.FeaturePairs:
    path = folder / name
    path.write_bytes(data)
    return fp.load_pairs(path)


def assert_one_sentence(caught, said: str = "", named: str = "`path`") -> None:
    message = str(caught.value)
    assert type(caught.value) is fp.InputError
    assert named in message
    assert said in message
    assert "\n" not in message
    assert message.endswith(".")
    assert not re.search(r"[.!?] ", message)
    assert "/" not in message.replace("/none", "")


def refused(data: bytes, folder: Path, said: str = "") -> str:
    with pytest.raises(fp.InputError) as caught:
        load(data, folder)
    assert_one_sentence(caught, said)
    assert "'x.fpattr'" in str(caught.value)
    return str(caught.value)


def tried(data: bytes, folder: Path) -> tuple[fp.FeaturePairs | None, str]:
    try:
        return load(data, folder), ""
    except fp.InputError as error:
        return None, str(error)


def assert_same_sides(loaded: fp.FeaturePairs, original: fp.FeaturePairs) -> None:
    """Compare everything that pairs of any two sides have, bit for bit."""
    assert loaded.ready.all()
    for name in ("rows", "columns", "about", "ledger", "unit_label"):  # also all pixels
        assert getattr(loaded, name) == getattr(original, name), name
    assert repr(loaded) == repr(original)
    assert loaded.provenance() == original.provenance()
    ours, theirs = loaded.compute_all().recorded, original.compute_all().recorded
    assert ours.values.tobytes() == theirs.values.tobytes()
    assert ours.sampled == theirs.sampled
    for groups, errors in theirs.standard_errors.items():
        assert ours.standard_error(*groups).tobytes() == errors.tobytes()
