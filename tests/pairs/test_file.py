"""Pairs as files: the same numbers back, from honest files; one sentence for all others."""

import copy
import io
import json
import os
import resource
import stat
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import fpattr_widget as fp
from fpattr_widget.encoders import Side
from fpattr_widget.encoders._names import shared_name
from fpattr_widget.files._atomic import write_atomically
from fpattr_widget.files._container import digest, pack
from fpattr_widget.pairs import About, Ledger
from fpattr_widget.pairs._file import pack_contents
from tests.helpers.forged import (
    Forged,
    assert_one_sentence,
    assert_same_sides,
    bomb,
    load,
    png,
    refused,
    tried,
)
from tests.helpers.models import spelling_encoder
from tests.helpers.recorded import like, pairs_of, recorded
from tests.helpers.shown import picture_of

CAPTION = "a dog, two balls and a cat"
ODD = "\u202e شَارع 👩‍👩‍👧 \u2028 </script> a\x00b \U0001f600"
METHODS = {
    "measured": fp.IntegratedJacobians(steps=4),
    "sampled": fp.Banzhaf(samples=8),
    "barely sampled": fp.Banzhaf(samples=3),
}


def made(caption: str = CAPTION, **about: str) -> fp.FeaturePairs:
    """Return pairs of two words, made by hand."""
    rng = np.random.default_rng(0)
    half = len(caption) // 2
    words = [
        fp.Token(caption[:half], 0, 0, half, False),
        fp.Token(caption[half:], 1, half, len(caption), False),
    ]
    values = rng.normal(size=(3, 7)).astype(np.float32)
    known = recorded(values, Ledger(0.1, 0.2, -0.3, 1e-300, 0.1, 1 / 3), "two nodes")
    return pairs_of(
        known,
        caption=caption,
        tokens=[*words, fp.Token("EOS", None, None, None, True)],
        picture=Image.fromarray(rng.integers(0, 255, (20, 30, 3), np.uint8)),
        grid=(2, 3),
        about=About(**{"model": "a/b", "method": "by hand", "layers": "none", **about}),
    )


def state(pairs: fp.FeaturePairs) -> dict[str, object]:
    """Return all that a widget of the pairs shows."""
    widget = pairs.widget(precompute=True)
    try:
        hidden = ("layout", "_model_id", "_esm", "_css")
        return {k: v for k, v in widget.get_state().items() if k not in hidden}
    finally:
        widget.close()


def assert_same(loaded: fp.FeaturePairs, original: fp.FeaturePairs) -> None:
    """Compare everything of a caption and a picture, bit for bit; the original is complete."""
    assert_same_sides(loaded, original)
    for name in ("caption", "tokens", "grid", "image_special_names"):
        assert getattr(loaded, name) == getattr(original, name), name
    assert loaded.picture.mode == original.picture.mode
    assert loaded.picture.tobytes() == original.picture.tobytes()
    for name in ("matrix", "image_special", "standard_error"):
        ours, theirs = getattr(loaded, name), getattr(original, name)
        np.testing.assert_array_equal(ours, theirs)
        assert theirs is None or ours.dtype == theirs.dtype == np.float32
    mask = np.arange(np.prod(original.grid)).reshape(original.grid) % 3 == 0
    np.testing.assert_array_equal(loaded.of_region(mask), original.of_region(mask))
    for token in range(len(original.tokens)):
        np.testing.assert_array_equal(loaded.row(token), original.row(token))
    np.testing.assert_array_equal(loaded.of_tokens([0, 1]), original.of_tokens([0, 1]))


@pytest.fixture(scope="module", params=METHODS)
def original(request, encoder, picture):
    return fp.attribute(encoder, picture, CAPTION, METHODS[request.param])


@pytest.fixture(scope="module")
def plain(encoder, picture) -> bytes:
    return pack_contents(fp.attribute(encoder, picture, CAPTION, METHODS["measured"]).compute_all())


@pytest.fixture(scope="module")
def sampled() -> bytes:
    """Return the file of pairs whose tokens are parts of words."""
    picture = Image.effect_mandelbrot((24, 24), (-2, -1, 1, 1), 9).convert("RGB")
    pairs = fp.attribute(spelling_encoder(), picture, "a good dog", METHODS["sampled"])
    return pack_contents(pairs.compute_all())


def test_everything_comes_back(original, tmp_path):
    path = tmp_path / "x.fpattr"
    original.save(path)
    loaded = fp.load_pairs(path)
    assert_same(loaded, original)
    assert_same(completed(loaded.words()), completed(original.words()))
    twice = completed(loaded.words().words())
    assert_same(twice, completed(original.words().words()))
    assert (original.standard_error is None) == (not original.about.method.startswith("Banzhaf"))


def completed(pairs: fp.FeaturePairs) -> fp.FeaturePairs:
    pairs.compute_all()
    return pairs


def test_words_and_their_errors_come_back(tmp_path, picture):
    pairs = fp.attribute(spelling_encoder(), picture, "a good dog", METHODS["sampled"])
    pairs.save(tmp_path / "pairs")
    pairs.words().save(tmp_path / "words")
    loaded, words = fp.load_pairs(tmp_path / "pairs"), fp.load_pairs(tmp_path / "words")
    assert [token.text for token in words.tokens] == ["BOS", "a", "good", "dog", "EOS"]
    assert_same(loaded, pairs)
    assert_same(completed(loaded.words()), completed(pairs.words()))
    assert_same(words, completed(pairs.words()))
    assert (words.standard_error[2] != loaded.standard_error[2]).all()


def test_other_forms_are_the_same(original, tmp_path):
    original.save(tmp_path / "x")
    loaded = fp.load_pairs(tmp_path / "x")
    assert loaded.to_dataframe().equals(original.to_dataframe())
    assert loaded.to_xarray().identical(original.to_xarray())


def test_the_widget_is_the_same_down_to_the_picture(tmp_path, encoder):
    """Also where the picture travels as a JPEG, and the source had things to say."""
    noise = np.random.default_rng(3).integers(0, 255, (300, 300, 3), np.uint8)
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x010E] = "secret description"
    Image.fromarray(noise).save(file, "JPEG", exif=exif, comment=b"secret comment", quality=95)
    pairs = fp.attribute(encoder, file.getvalue(), CAPTION, METHODS["measured"])
    pairs.save(tmp_path / "x")
    shown = state(fp.load_pairs(tmp_path / "x"))
    assert shown == state(pairs)
    picture = picture_of(shown["sides"])
    assert picture["media_type"] == "image/jpeg"
    assert b"secret" not in picture["data"] + (tmp_path / "x").read_bytes()


def test_what_was_loaded_gives_the_same_file(original, tmp_path):
    original.save(tmp_path / "a")
    fp.load_pairs(tmp_path / "a").save(tmp_path / "b")
    fp.load_pairs(str(tmp_path / "b")).save(str(tmp_path / "c"))
    files = [(tmp_path / name).read_bytes() for name in "abc"]
    assert files[0] == files[1] == files[2]


def test_what_is_missing_is_computed_first(encoder, picture, tmp_path):
    pairs = fp.attribute(encoder, picture, CAPTION, METHODS["sampled"])
    pairs.row(2)
    assert not pairs.ready.all()
    pairs.save(tmp_path / "x")
    assert pairs.ready.all()
    whole = fp.attribute(encoder, picture, CAPTION, METHODS["sampled"])
    np.testing.assert_allclose(fp.load_pairs(tmp_path / "x").matrix, whole.matrix, atol=1e-6)


def test_a_place_that_cannot_be_is_refused_before_anything_is_computed(encoder, picture, tmp_path):
    pairs = fp.attribute(encoder, picture, CAPTION, METHODS["measured"])
    with pytest.raises(fp.InputError):
        pairs.save(tmp_path / "none" / "x")
    assert not pairs.ready.any()


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(caption=st.text(max_size=30))
@example(caption=ODD)
@example(caption="")
def test_any_text_comes_back(tmp_path, caption):
    pairs = made(caption, method=caption[:9])
    pairs.save(tmp_path / "x")
    loaded = fp.load_pairs(tmp_path / "x")
    assert_same(loaded, pairs)
    assert_same(completed(loaded.words()), completed(pairs.words()))


def test_captions_with_emoji_come_back(scenes_encoder, picture, tmp_path):
    pairs = fp.attribute(scenes_encoder, picture, "a dog 👩‍👩‍👧 كلب", METHODS["measured"])
    pairs.save(tmp_path / "x")
    assert_same(fp.load_pairs(tmp_path / "x"), pairs)


def test_several_threads_see_the_same(sampled, tmp_path):
    loaded = load(sampled, tmp_path)
    words, results = loaded.words(), []

    def work() -> None:
        results.append((words.matrix, words.standard_error, loaded.words().ledger))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8
    for matrix, error, ledger in results:
        np.testing.assert_array_equal(matrix, results[0][0])
        np.testing.assert_array_equal(error, results[0][1])
        assert ledger == loaded.ledger


# What is in the file, and what is not.


def test_the_file_is_safetensors(sampled, tmp_path):
    """As the format's own library reads it."""
    loaded = load(sampled, tmp_path)
    tensors = safetensors.numpy.load(sampled)
    with safetensors.safe_open(tmp_path / "x.fpattr", "numpy") as file:
        metadata = file.metadata()
    rows = loaded.compute_all().recorded
    np.testing.assert_array_equal(tensors["values"], rows.values)
    np.testing.assert_array_equal(tensors["standard_error"][:, 1:], loaded.standard_error)
    np.testing.assert_array_equal(tensors["error_of_words"][:, 1:], loaded.words().standard_error)
    assert Image.open(io.BytesIO(tensors["picture_0"].tobytes())).size == loaded.picture.size
    assert metadata["format"] == "fpattr_widget.pairs"
    assert metadata["version"] == "4"
    (caption,) = json.loads(metadata["pairs"])["rows"]
    assert (caption["caption"], caption["weight"]) == ("a good dog", 1.0)


def test_a_stripped_picture_is_grey(plain, tmp_path):
    pairs = load(plain, tmp_path)
    pairs.save(tmp_path / "grey", strip_image=True)
    loaded = fp.load_pairs(tmp_path / "grey")
    assert loaded.picture.size == pairs.picture.size
    assert loaded.picture.getcolors() == [(np.prod(pairs.picture.size), (128, 128, 128))]
    np.testing.assert_array_equal(loaded.matrix, pairs.matrix)
    assert pairs.picture.getcolors(99_999) != loaded.picture.getcolors()


@pytest.mark.parametrize(
    ("model", "shared"),
    [
        ("openai/clip-vit-base-patch32", "openai/clip-vit-base-patch32"),
        ("hf-hub:laion/CLIP-ViT-B-32", "hf-hub:laion/CLIP-ViT-B-32"),
        ("bundled", "bundled"),
        ("/home/ann/models/clip", "clip"),
        ("/home/ann/models/clip/", "clip"),
        ("~/clip", "clip"),
        ("./clip", "clip"),
        ("../ann/clip", "clip"),
        ("C:\\Users\\ann\\clip", "clip"),
        ("\\\\server\\ann\\clip", "clip"),
        ("home/ann/clip", "clip"),
        ("/", "model"),
        ("", ""),
    ],
)
def test_a_folder_is_shared_by_its_name_alone(model, shared, tmp_path):
    assert shared_name(model) == shared
    made(model=model).save(tmp_path / "x")
    assert fp.load_pairs(tmp_path / "x").about.model == shared
    assert b"ann" not in (tmp_path / "x").read_bytes()[:2000]


def test_a_folder_that_is_there_is_shared_by_its_name_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ann" / "clip").mkdir(parents=True)
    assert shared_name("ann/clip") == "clip"


# Saving.


@pytest.mark.parametrize("place", ["open", "fsync", "chmod", "replace"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, OSError(28, "No space left")])
@pytest.mark.parametrize("old", [b"old", None])
def test_an_interrupted_save_leaves_no_trace(plain, tmp_path, monkeypatch, place, error, old):
    pairs = load(plain, tmp_path)
    (tmp_path / "x.fpattr").unlink()
    if old is not None:
        (tmp_path / "y").write_bytes(old)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def fail(*_arguments: object, **_named: object) -> None:
        raise error

    if place == "open":

        def opened(*arguments: object) -> object:
            open(*arguments).close()
            raise error

        monkeypatch.setattr("fpattr_widget.files._atomic.open", opened, raising=False)
    else:
        monkeypatch.setattr(os, place, fail)
    if place == "chmod" and (old is None or isinstance(error, OSError)):
        pairs.save(tmp_path / "y")  # permissions are kept where that can be
        return
    kind = fp.InputError if isinstance(error, OSError) else error
    with pytest.raises(kind) as caught:
        pairs.save(tmp_path / "y")
    if isinstance(error, OSError):
        assert_one_sentence(caught, "No space left")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_full_disk_leaves_the_old_file(tmp_path):
    (tmp_path / "x").write_bytes(b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(fp.InputError, match=r"`path` cannot be written \(File too large\)"):
            write_atomically(tmp_path / "x", bytes(100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
    assert (tmp_path / "x").read_bytes() == b"old"


def test_permissions_and_links_stay(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_bytes(b"old")
    target.chmod(0o640)
    link.symlink_to("target")
    write_atomically(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "fresh", b"new")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "fresh").stat().st_mode) == 0o640
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fresh", "link", "target"]


def test_places_that_cannot_be_written_are_named(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe")
    wrong = {
        tmp_path: "`path` is the folder",
        str(tmp_path) + "/": "`path` is the folder",
        str(tmp_path / "new") + "/": "`path` is the folder",
        "": "`path` is the folder",
        tmp_path / "none" / "x": "'none', which is no folder: make it first",
        tmp_path / "file" / "x": "'file', which is no folder",
        tmp_path / "pipe": "'pipe', which is no file",
        tmp_path / "loop" / "x": "no folder",
        tmp_path / ("x" * 300): "File name too long",
        str(tmp_path / "a\0b"): "null character",
        str(tmp_path / "\ud800"): "no such name is possible",
        tmp_path / "\ud800" / "x": "",
        3: "int",
        None: "NoneType",
        b"x": "bytes",
    }
    for path, said in wrong.items():
        with pytest.raises(fp.InputError) as caught:
            write_atomically(path, b"x")
        assert_one_sentence(caught, said)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "loop", "pipe"]


@pytest.fixture
def unprivileged() -> Iterator[Path]:
    """A folder of a user from whom places can be protected, as they cannot be from root."""
    user = os.geteuid() or 65534
    with tempfile.TemporaryDirectory() as name:
        before = os.getresuid()
        os.chown(name, user, -1)
        os.setresuid(user, user, -1)
        try:
            yield Path(name)
        finally:
            os.setresuid(*before)


def test_protected_places_are_named(unprivileged):
    folder, file = unprivileged / "folder", unprivileged / "file"
    folder.mkdir(mode=0o500)
    file.write_bytes(b"old")
    file.chmod(0o400)
    for path, said in {folder / "x": "cannot write to", file: "write-protected"}.items():
        with pytest.raises(fp.InputError) as caught:
            write_atomically(path, b"new")
        assert_one_sentence(caught, said)
    assert file.read_bytes() == b"old"
    assert not list(folder.iterdir())


def test_pairs_that_are_too_much_are_refused(tmp_path):
    for pairs in (
        made("a" * 300_000),
        made("é" * 190_000, method="é" * 190_000),
        made("half of a \ud83d smile"),
    ):
        with pytest.raises(fp.InputError) as caught:
            pairs.save(tmp_path / "x")
        assert_one_sentence(caught, "cannot be saved", named="pairs")
    assert not list(tmp_path.iterdir())


# Files that are not what they should be.


def same_or_refused(data: bytes, whole: bytes, folder: Path) -> None:
    loaded, message = tried(data, folder)
    if loaded is None:
        assert "'x.fpattr'" in message
    else:
        assert pack_contents(loaded.compute_all()) == whole


def test_every_truncation_is_found(sampled, tmp_path):
    start = 8 + int.from_bytes(sampled[:8], "little")
    for length in {
        *range(0, start, 7),
        *range(start - 9, start + 9),
        *range(start, len(sampled), 97),
    }:
        refused(sampled[:length], tmp_path)
    for length in range(len(sampled) - 5, len(sampled)):
        refused(sampled[:length], tmp_path, "its end is missing")
    refused(sampled + b"\0", tmp_path, "more than belongs")
    refused(b"", tmp_path, "it is empty")


def test_a_flipped_bit_in_any_byte_of_the_header_is_found(sampled, tmp_path):
    start = 8 + int.from_bytes(sampled[:8], "little")
    rng = np.random.default_rng(0)
    flips = [(position, int(rng.integers(8))) for position in range(8, start)]
    for position, bit in (*((p, b) for p in range(8) for b in range(8)), *flips):  # its length too
        data = bytearray(sampled)
        data[position] ^= 1 << bit
        same_or_refused(bytes(data), sampled, tmp_path)


@settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_whatever_happens_to_a_file_is_found(sampled, tmp_path, data):
    broken = bytearray(sampled)
    places = st.one_of(st.integers(0, 4000), st.integers(0, len(sampled) - 1))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(places)
        kind = data.draw(st.sampled_from(["flip", "set", "insert", "remove", "cut", "zero"]))
        if kind == "flip" and place < len(broken):
            broken[place] ^= data.draw(st.integers(1, 255))
        elif kind == "set":
            broken[place : place + 1] = data.draw(st.sampled_from([b'"', b"{", b"[", b"9", b"\\"]))
        elif kind == "insert":
            broken[place:place] = data.draw(st.binary(max_size=9))
        elif kind == "remove":
            del broken[place : place + data.draw(st.integers(1, 99))]
        elif kind == "cut":
            del broken[place:]
        else:
            broken[place : place + 8] = bytes(len(broken[place : place + 8]))
    same_or_refused(bytes(broken), sampled, tmp_path)


def test_a_flip_in_a_value_is_found(sampled, tmp_path):
    start = 8 + int.from_bytes(sampled[:8], "little")
    for position in range(start, len(sampled), 211):
        data = bytearray(sampled)
        data[position] ^= 1
        refused(bytes(data), tmp_path, "its checksum does not match")


def other_file(kind: str) -> np.ndarray:
    file = io.BytesIO()
    Image.new("RGB", (30, 30)).save(file, kind)
    return np.frombuffer(file.getvalue(), np.uint8)


def text_bomb() -> np.ndarray:
    info = PngInfo()
    info.add_text("text", "x" * 9_000_000, zip=True)
    return png((30, 30), pnginfo=info)


TENSORS = {
    "NaN": ("values", lambda a: np.full_like(a, np.nan)),
    "infinite": ("values", lambda a: np.full_like(a, np.inf)),
    "a row less": ("values", lambda a: a[1:].copy()),
    "a column less": ("values", lambda a: a[:, 1:].copy()),
    "flat": ("values", lambda a: a.ravel()),
    "one number": ("values", lambda a: a[0, 0].reshape(())),
    "bytes": ("values", lambda a: a.astype(np.uint8)),
    "negative errors": ("standard_error", lambda a: a - 9),
    "NaN errors": ("error_of_words", lambda a: np.full_like(a, np.nan)),
    "errors of tokens": ("error_of_words", lambda a: np.ones((10, a.shape[1]), np.float32)),
    "no picture": ("picture_0", lambda a: np.zeros(0, np.uint8)),
    "half a picture": ("picture_0", lambda a: a[: len(a) // 2].copy()),
    "a folded picture": ("picture_0", lambda a: a.reshape(1, -1)),
    "a picture of floats": ("picture_0", lambda a: a.astype(np.float32)),
    "noise": ("picture_0", lambda a: np.arange(500).astype(np.uint8)),
    "a large picture": ("picture_0", lambda a: png((5000, 5000))),
    "a bomb of text": ("picture_0", lambda a: text_bomb()),
    "sixteen bits": ("picture_0", lambda a: png((30, 30), "I;16")),
    "a palette": ("picture_0", lambda a: png((30, 30), "P")),
    "transparent": ("picture_0", lambda a: png((30, 30), "RGBA")),
    "a TIFF": ("picture_0", lambda a: other_file("TIFF")),
    "a JPEG": ("picture_0", lambda a: other_file("JPEG")),
}


@pytest.mark.parametrize("what", TENSORS)
def test_wrong_arrays_are_refused(sampled, tmp_path, what):
    forged = Forged(sampled)
    name, change = TENSORS[what]
    forged.tensors[name] = change(forged.tensors[name])
    refused(forged.sealed(), tmp_path, "which is damaged (its ")


@pytest.mark.parametrize("side", [4097, 10_000, 60_000])
@pytest.mark.filterwarnings("error")
def test_a_bomb_is_refused_undecoded(sampled, tmp_path, side):
    """Pillow warns of the second and refuses the third."""
    forged = Forged(sampled)
    forged.tensors["picture_0"] = bomb(side)
    refused(forged.sealed(), tmp_path, "its picture is too large")


@pytest.mark.parametrize("name", ["values", "picture_0", "standard_error", "error_of_words"])
def test_a_missing_array_is_refused(sampled, tmp_path, name):
    forged = Forged(sampled)
    del forged.tensors[name]
    refused(forged.sealed(), tmp_path, "its arrays are not those that belong")


def test_one_array_more_is_refused(sampled, tmp_path):
    forged = Forged(sampled)
    forged.tensors["more"] = np.zeros(2, np.float32)
    refused(forged.sealed(), tmp_path, "its arrays are not those that belong")


def places(value: object, path: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    """Return the paths to everything in a document."""
    found = [path]
    items = value.items() if isinstance(value, dict) else ()
    items = enumerate(value) if isinstance(value, list) else items
    for key, part in items:
        found += places(part, (*path, key))
    return found


WRONG = [
    None,
    True,
    -1,
    0,
    3,
    1e308,
    10**400,
    "",
    "x" * 300_000,
    "\ud83d",
    float("nan"),
    1 << 24,
    [],
    {},
    [[]],
    "deep",
    "endless",
]


def set_at(document: dict, path: tuple[object, ...], value: object) -> None:
    for key in path[:-1]:
        document = document[key]
    document[path[-1]] = value


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: f"{wrong!s:.9}")
def test_wrong_parts_of_the_document_are_refused_or_harmless(plain, tmp_path, wrong):
    """With a true checksum: what a forger could write."""
    forged = Forged(plain)
    raw = {"deep": "[" * 100_000 + "]" * 100_000, "endless": "1e999"}.get(str(wrong))
    number = 0
    for path in places(forged.document)[1:]:
        again = Forged(plain)
        old = copy.deepcopy(again.document)
        set_at(again.document, path, "MARK" if raw else wrong)
        if again.document == old and wrong is not True:
            continue
        written = json.dumps(again.document)
        if raw:
            written = written.replace('"MARK"', raw)
        checksum = digest(written, again.tensors)
        data = pack({**again.metadata, "pairs": written, "sha256": checksum}, again.tensors)
        loaded, message = tried(data, tmp_path)
        if loaded is None:
            assert "'x.fpattr', which is damaged (it" in message
            number += 1
        else:
            state(loaded)
            loaded.words().matrix  # noqa: B018 - computes
            assert repr(loaded)
    assert number > 30


PARTS = [
    ("rows",),
    ("rows", 0, "caption"),
    ("rows", 0, "weight"),
    ("rows", 0, "tokens", 2, "unknown"),
    ("columns", 0, "grid"),
    ("about", "model"),
    ("about", "unit"),
    ("ledger", "pairs"),
    ("ledger", "terms"),
]


@pytest.mark.parametrize("path", PARTS)
def test_missing_and_further_parts_are_refused(plain, tmp_path, path):
    forged, more = Forged(plain), Forged(plain)
    inner = forged.document
    outer = more.document
    for key in path[:-1]:
        inner, outer = inner[key], outer[key]
    del inner[path[-1]]
    outer["more"] = 1
    for changed in (forged, more):
        refused(changed.sealed(), tmp_path, "missing or unknown fields")


def test_tokens_outside_the_caption_are_refused(plain, tmp_path):
    for change in ({"stop": 99}, {"start": 5, "stop": 3}, {"start": None}, {"special": 1}):
        forged = Forged(plain)
        forged.document["rows"][0]["tokens"][2].update(change)
        refused(forged.sealed(), tmp_path, "which is damaged (its ")


@pytest.mark.parametrize("version", ["", "0", "-1", "1.0", "one", "²", "9" * 5000, "1 "])
def test_a_version_that_is_none_is_refused(plain, tmp_path, version):
    forged = Forged(plain)
    forged.metadata["version"] = version
    refused(forged.sealed(), tmp_path, "its version is no whole number")


def test_a_newer_version_is_refused(plain, tmp_path):
    """Whatever else has changed in it."""
    forged = Forged(plain)
    forged.metadata = {"format": forged.metadata["format"], "version": "5"}
    forged.tensors = {"other": np.zeros(3, np.float32)}
    data = pack(forged.metadata, forged.tensors)
    refused(data, tmp_path, "a newer version of fpattr_widget saved: update fpattr_widget")


def of_version(version: int, data: bytes) -> Forged:
    """Return the file of a caption and a picture as an older version of the package wrote it."""
    forged = Forged(data)
    new = forged.document
    (caption,), (picture,) = new["rows"], new["columns"]
    for token in caption["tokens"] if version < 3 else ():
        if version == 1 or not token["unknown"]:
            del token["unknown"]
    ledger = dict(new["ledger"])
    of_heads = [ledger.pop(name) for name in ("left_out", "left_out_name", "match", "routing")]
    assert of_heads == [0.0, "", None, None]
    assert new.pop("read_outs") == []
    if version == 3:
        forged.document = {**new, "ledger": ledger}
        forged.metadata["version"] = "3"
        return forged
    assert (ledger.pop("unit_scale"), ledger.pop("terms")) == (1.0, [])
    ledger["caption_only"], ledger["image_only"] = (
        ledger.pop("rows_only"),
        ledger.pop("columns_only"),
    )
    forged.document = {
        "caption": caption["caption"],
        "tokens": caption["tokens"],
        "grid": picture["grid"],
        "image_special": picture["special"],
        "about": {name: new["about"][name] for name in ("model", "method", "layers")},
        "ledger": ledger,
        "nodes": new["nodes"],
    }
    forged.metadata["version"] = str(version)
    forged.tensors["picture"] = forged.tensors.pop("picture_0")
    return forged


def test_files_of_older_versions_are_read(sampled, tmp_path):
    """And written as they are written now; ``tests/files`` has files that were really written."""
    for version in (1, 2, 3):
        old = of_version(version, sampled)
        loaded = load(old.sealed(), tmp_path)
        assert pack_contents(loaded.compute_all()) == sampled
        old.tensors["picture_1"] = next(iter(old.tensors.values()))
        refused(old.sealed(), tmp_path, "its arrays are not those that belong")
        newer = Forged(sampled)
        newer.metadata["version"] = str(version)
        refused(newer.sealed(), tmp_path, "has missing or unknown fields")


def test_unknown_tokens_come_back_also_from_a_file_of_the_second_version(tmp_path):
    contents = made().compute_all()
    (sentence,) = contents.rows.panels
    first, second, third = sentence.tokens
    tokens = (first, replace(second, unknown=True), third)
    rows = Side((replace(sentence, tokens=tokens),))
    data = pack_contents(replace(contents, rows=rows))
    assert load(data, tmp_path).tokens == tokens
    forged = of_version(2, data)
    assert [token.get("unknown") for token in forged.document["tokens"]] == [None, True, None]
    assert load(forged.sealed(), tmp_path).tokens == tokens
    forged.document["tokens"][1]["unknown"] = 1
    refused(forged.sealed(), tmp_path, "which is damaged (its tokens")


def test_files_of_other_programs_are_refused(tmp_path):
    array = {"weight": np.zeros((2, 3), np.float16)}
    others = [
        safetensors.numpy.save(array),
        safetensors.numpy.save(array, {"format": "pt"}),
        safetensors.numpy.save({}),
        png((9, 9)).tobytes(),
        b"PK\x03\x04 some archive",
        b"short",
        b"\x80\x04\x95 a pickle of some length",
        b'{"a": 1}' * 99,
        (2).to_bytes(8, "little") + b"[]",
        b"\xff" * 8 + b"{",
        bytes(99),
    ]
    for data in others:
        refused(data, tmp_path, "is no file of pairs: pass one that `pairs.save` wrote")


HEADERS = {
    "not JSON": b"{]}",
    "not UTF-8": b'{"\xff": 1}',
    "deep": b'{"a":' + b"[" * 200_000,
    "a number without end": b'{"a":' + b"9" * 9000 + b"}",
    "NaN": b'{"a": NaN}',
    "metadata that are none": b'{"__metadata__": 3}',
    "metadata that are no text": b'{"__metadata__": {"format": 3}}',
    "a tensor that is none": b'{"values": 3}',
    "half a tensor": b'{"values": {"dtype": "F32"}}',
    "a type that is none": b'{"values": {"dtype": 3, "shape": [1], "data_offsets": [0, 4]}}',
    "a shape that is none": b'{"values": {"dtype": "F32", "shape": "x", "data_offsets": [0, 4]}}',
    "no offsets": b'{"values": {"dtype": "F32", "shape": [1], "data_offsets": []}}',
    "negative": b'{"values": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}',
    "backwards": b'{"values": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}}',
    "far out": b'{"values": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}',
    "huge": b'{"values": {"dtype": "F32", "shape": [1], "data_offsets": [0, 9999999999999999]}}',
    "overlapping": b'{"values": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}, '
    b'"picture": {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]}}',
}


@pytest.mark.parametrize("what", HEADERS)
def test_wrong_headers_are_refused(tmp_path, what):
    header = HEADERS[what]
    refused(len(header).to_bytes(8, "little") + header + bytes(4), tmp_path, "is damaged (its ")


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("values", {"shape": [1 << 40, 1 << 40]}),
        ("values", {"shape": [0, 1 << 62]}),
        ("values", {"dtype": "F64"}),
        ("values", {"dtype": "F16"}),
        ("picture_0", {"dtype": "F32"}),
    ],
)
def test_shapes_that_do_not_fit_are_refused(plain, tmp_path, name, changes):
    length = int.from_bytes(plain[:8], "little")
    header = json.loads(plain[8 : 8 + length])
    header[name].update(changes)
    written = json.dumps(header).encode()
    data = len(written).to_bytes(8, "little") + written + plain[8 + length :]
    refused(data, tmp_path, "is damaged (its ")


def test_a_huge_file_is_refused_unread(plain, tmp_path):
    """Sparse: it would be as large in memory."""
    forged = Forged(plain)
    picture = {**forged.document["columns"][0], "grid": [1 << 8, 1 << 9], "special": []}
    forged.document.update(rows=[picture], columns=[picture])
    forged.metadata["pairs"] = json.dumps(forged.document)
    features = 1 << 17
    size = 4 * features**2
    values = {"dtype": "F32", "shape": [features, features], "data_offsets": [0, size]}
    pictures = {
        f"picture_{number}": {"dtype": "U8", "shape": [1], "data_offsets": [place, place + 1]}
        for number, place in ((0, size), (1, size + 1))
    }
    path = tmp_path / "x.fpattr"
    for entries, said in (
        ({"values": values, **pictures}, "it holds more than pairs can"),
        ({"values": values}, "its arrays are not those that belong"),
    ):
        header = json.dumps({"__metadata__": forged.metadata, **entries}).encode()
        path.write_bytes(len(header).to_bytes(8, "little") + header)
        os.truncate(path, 8 + len(header) + max(e["data_offsets"][1] for e in entries.values()))
        with pytest.raises(fp.InputError) as caught:
            fp.load_pairs(path)
        assert_one_sentence(caught, said)


def test_places_that_cannot_be_read_are_named(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").write_bytes(b"")
    wrong = {
        tmp_path: "is the folder",
        str(tmp_path) + "/": "is the folder",
        "": "no such file",
        tmp_path / "none": "`path` names 'none', and there is no such file",
        tmp_path / "none" / "x": "no such file",
        tmp_path / "file" / "x": "Not a directory",
        tmp_path / "pipe": "is no file",
        "/dev/zero": "is no file",
        tmp_path / "loop": "cannot be read (Too many",
        tmp_path / ("x" * 300): "File name too long",
        str(tmp_path / "a\0b"): "null character",
        str(tmp_path / "\ud800"): "",
        3: "int",
        None: "NoneType",
        b"x": "bytes",
        tmp_path / "a\nb": "'a\\nb'",
    }
    for path, said in wrong.items():
        with pytest.raises(fp.InputError) as caught:
            fp.load_pairs(path)
        assert_one_sentence(caught, said)


def test_numbers_that_are_not_finite_are_not_saved(tmp_path):
    pairs = made()
    known = pairs.compute_all().recorded
    broken = (
        replace(known, totals=replace(known.totals, pairs=float("nan"))),
        replace(known, values=np.full_like(known.values, np.inf)),
    )
    for wrong in broken:
        again = like(pairs, wrong)
        with pytest.raises(fp.InputError) as caught:
            again.save(tmp_path / "x")
        assert_one_sentence(caught, "cannot be saved", named="pairs")
    assert not list(tmp_path.iterdir())


def test_loading_needs_no_encoder(plain, tmp_path):
    """Neither a model nor its folder is looked for."""
    (tmp_path / "x").write_bytes(plain)
    opened: list[str] = []
    watching = [True]

    def watch(event: str, arguments: tuple) -> None:
        if watching and event == "open":
            opened.append(str(arguments[0]))

    sys.addaudithook(watch)  # stays for ever, but idle
    fp.load_pairs(tmp_path / "x").compute_all()
    watching.clear()
    assert set(opened) == {str(tmp_path / "x")}
