"""Many inputs: in batches, from anything, into a store that loses nothing."""

import os
import pickle
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import fpattr_widget as fp
from fpattr_widget.encoders import ImageTower, _embedding, _readers, read_image, run_processor
from fpattr_widget.encoders._sources import Many
from fpattr_widget.progress import Stopped, listening
from tests.helpers.families import llip
from tests.helpers.models import Processor, clip, encoder_of
from tests.helpers.plain_processor import Plain

#: By their names sorted.
SIZES = {"a.png": (40, 30), "b.jpg": (30, 40), "below/c.png": (64, 64), "d.webp": (25, 99)}
CAPTIONS = ("a dog", "a cat and a kite", "a red ball left of a dog", "a cup", "a dog")


@pytest.fixture(scope="module")
def model() -> fp.DualEncoder:
    return encoder_of(clip())


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    generator = np.random.default_rng(0)
    for name, (width, height) in SIZES.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        noise = generator.integers(0, 255, (6, 8, 3), np.uint8)
        Image.fromarray(noise).resize((width, height)).save(path)
    (folder / "notes.txt").write_text("no picture")
    return folder


@pytest.fixture
def folder(drawn, tmp_path) -> Path:
    return Path(shutil.copytree(drawn, tmp_path / "pictures"))


@pytest.fixture(scope="module")
def expected(model, drawn) -> np.ndarray:
    """Return the embeddings by the model's own methods, one picture after the other."""
    vectors = []
    for name in SIZES:
        picture = Image.open(drawn / name).convert("RGB")
        inputs = model.image_processor(images=picture, return_tensors="pt")
        with torch.no_grad():
            vision = model.model.vision_model(**inputs).pooler_output
            vectors.append(model.model.visual_projection(vision)[0])
    return torch.nn.functional.normalize(torch.stack(vectors), dim=-1).numpy()


@pytest.fixture
def prepared(monkeypatch) -> list[object]:
    """Return a list to which each picture is added that is read."""
    seen: list[object] = []
    read = _readers.read_picture

    def noted(processor, value):
        seen.append(value)
        return read(processor, value)

    monkeypatch.setattr(_readers, "read_picture", noted)
    return seen


@pytest.fixture
def batches(monkeypatch) -> list[int]:
    """Return a list to which the size of each batch is added."""
    sizes: list[int] = []
    embed = ImageTower.embed_and_count

    def noted(self, inputs):
        sizes.append(len(inputs["pixel_values"]))
        return embed(self, inputs)

    monkeypatch.setattr(ImageTower, "embed_and_count", noted)
    return sizes


class Column:
    """A column of a data set: a sequence whose pictures are decoded when they are asked for."""

    def __init__(self, values):
        self._values = values

    def __len__(self):
        return len(self._values)

    def __getitem__(self, place):
        return self._values[place]()


def test_pictures_come_from_anywhere(model, drawn, expected):
    paths = [drawn / name for name in SIZES]
    files = [path.read_bytes() for path in paths]
    pictures = [Image.open(path) for path in paths]
    column = Column([lambda path=path: Image.open(path) for path in paths])
    given = {
        "folder": drawn,
        "paths": paths,
        "strings": tuple(map(str, paths)),
        "bytes": files,
        "pictures": pictures,
        "arrays": [np.asarray(picture.convert("RGB")) for picture in pictures],
        "generator": (path for path in paths),
        "column": column,
        "not decoded": [{"bytes": files[0], "path": None}, *({"path": str(p)} for p in paths[1:])],
        "prepared": [model.prepare(path, "image") for path in paths],
        "batch": torch.cat([model.prepare(path, "image").inputs["pixel_values"] for path in paths]),
    }
    for kind, images in given.items():
        found = model.embed_image(images)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, atol=1e-6, err_msg=kind)
    assert [item.name for item in Many(drawn, "image", "images")] == list(SIZES)
    assert [item.name for item in Many(pictures[:2], "image", "images")] == ["image 1", "image 2"]


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ("nowhere", r"`images` names no folder \(nowhere\): check the path."),
        (np.zeros((8, 8, 3), np.uint8), "`images` is one array: pass a list of images."),
        (Image.new("RGB", (8, 8)), "`images` is one picture: "),
        (b"JPEG", "`images` is one file's bytes: "),
        (3, "`images` is a int: pass a list, another sequence or a generator."),
        (iter(()), "`images` is empty: pass at least one image."),
        (["nowhere.png"], "`image` names no file: "),
        ([Image.new("RGB", (8, 8)), "nowhere.png"], r"`images\[1\]` names no file: "),
    ],
)
def test_what_is_not_many_pictures_is_told(model, images, message):
    with pytest.raises(fp.InputError, match=message):
        model.embed_image(images)


def test_a_folder_without_pictures_is_told(model, tmp_path):
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(fp.InputError, match="`images` names a folder without pictures"):
        model.embed_image(tmp_path, store=tmp_path / "store.npz")
    with pytest.raises(fp.InputError, match="`images` is one path: pass a list of paths"):
        model.embed_image(tmp_path / "notes.txt")
    assert not list(tmp_path.glob("store*"))


def test_few_pictures_wait_at_a_time(model, batches):
    ahead: list[int] = []

    def pictures() -> Iterator[Image.Image]:
        for number in range(40):
            ahead.append(number - sum(batches))
            yield Image.new("RGB", (8, 8), (number, 0, 0))

    model.embed_image(pictures(), batch_size=5)
    assert batches == [5] * 8
    assert max(ahead) < 5


def test_batches_are_as_large_as_the_memory_allows(model, monkeypatch, batches):
    pixels = [torch.full((1, 3, 24, 24), number / 40) for number in range(40)]
    expected = model.embed_image(pixels)
    assert batches == [4, 32, 4]
    monkeypatch.setattr(model, "memory_limit", 100_000)
    found = model.embed_image(pixels)
    assert batches[3] == 4
    assert set(batches[4:-1]) == {2}
    np.testing.assert_allclose(found, expected, atol=1e-6)
    embed = ImageTower.embed_and_count

    def exhausted(self, inputs):
        if len(inputs["pixel_values"]) > 3:
            raise torch.OutOfMemoryError("out of memory")
        return embed(self, inputs)

    monkeypatch.setattr(ImageTower, "embed_and_count", exhausted)
    del batches[:]
    np.testing.assert_allclose(model.embed_image(pixels, batch_size=10), expected, atol=1e-6)
    assert sum(batches) == 40
    assert max(batches) == 2


def test_captions_of_all_lengths_are_embedded_as_each_alone(model):
    captions = [*CAPTIONS, *(f"a dog and {'a cat and ' * number}a cup" for number in range(5))] * 4
    found = model.embed_text(captions)
    alone = np.concatenate([model.embed_text([caption]) for caption in captions])
    np.testing.assert_allclose(found, alone, atol=1e-6)
    np.testing.assert_array_equal(model.embed_text(caption for caption in captions), found)
    with pytest.raises(fp.InputError, match=r"`captions\[1\]` is empty: write"):
        model.embed_text(["a dog", " "])
    with pytest.raises(fp.InputError, match="`captions` is one string: pass a list of strings"):
        model.embed_text("a dog")


def test_a_store_holds_what_can_be_read_and_tells_the_rest(model, folder, expected, prepared):
    (folder / "c-broken.jpg").write_bytes(b"no picture")
    store = folder / "store.npz"
    found = model.embed_image(folder, store=store)
    assert repr(found) == "Embeddings(image, 4 × 12, 'CLIPModel', 1 left out)"
    assert isinstance(found.vectors, np.memmap)
    np.testing.assert_allclose(found.vectors, expected, atol=1e-6)
    assert found.names == tuple(SIZES)
    assert list(found.sources) == [str(folder / name) for name in SIZES]
    (problem,) = found.problems
    assert str(problem).startswith("c-broken.jpg: cannot be read, for")
    assert [path.name for path in folder.glob("*store*")] == ["store.npz"]
    np.testing.assert_array_equal(np.load(store)["vectors"], found.vectors)
    # Where the folder is now, its pictures are found, and known again.
    moved = folder.rename(folder.with_name("moved"))
    loaded = fp.load_embeddings(moved / "store.npz")
    assert list(loaded.sources) == [str(moved / name) for name in SIZES]
    loaded.require_of(model)
    content = (moved / "store.npz").read_bytes()
    del prepared[:]
    again = model.embed_image(moved, store=moved / "store.npz")
    assert [os.path.basename(path) for path in prepared] == ["c-broken.jpg"]
    assert again.problems == found.problems
    assert (moved / "store.npz").read_bytes() == content


def test_of_a_list_that_has_changed_only_what_is_new_is_embedded(model, folder, tmp_path, prepared):
    store = tmp_path / "store.npz"
    before = model.embed_image(folder, store=store)
    Image.new("RGB", (8, 8), "red").save(folder / "aa.png")
    Image.new("RGB", (9, 9), "blue").save(folder / "d.webp")
    (folder / "b.jpg").unlink()
    del prepared[:]
    after = model.embed_image(folder, store=store)
    assert after.names == ("a.png", "aa.png", "below/c.png", "d.webp")
    assert len(prepared) == 2
    np.testing.assert_array_equal(after.vectors[[0, 2]], before.vectors[[0, 2]])
    fresh = model.embed_image([folder / "aa.png", folder / "d.webp"])
    np.testing.assert_allclose(after.vectors[[1, 3]], fresh, atol=1e-6)
    # One less, and nothing new.
    (folder / "aa.png").unlink()
    del prepared[:]
    fewer = model.embed_image(folder, store=store)
    assert (fewer.names, prepared) == (("a.png", "below/c.png", "d.webp"), [])
    np.testing.assert_array_equal(fewer.vectors, after.vectors[[0, 2, 3]])


def test_pictures_in_memory_are_known_by_their_pixels(model, tmp_path, prepared):
    colours = ["red", "blue", "red", "green"]
    pictures = [Image.new("RGB", (8, 8), colour) for colour in colours]
    store = tmp_path / "store.npz"
    found = model.embed_image(pictures, store=store)
    assert found.names == ("image 1", "image 2", "image 3", "image 4")
    assert found.sources[1] is pictures[1]
    assert found.sources[1:3] == pictures[1:3]
    assert len(prepared) == 3  # one of them is there twice
    np.testing.assert_array_equal(found.vectors[0], found.vectors[2])
    np.testing.assert_allclose(found.vectors, model.embed_image(pictures), atol=1e-6)
    del prepared[:]
    one_more = (Image.new("RGB", (8, 8), colour) for colour in [*colours, "white"])
    again = model.embed_image(one_more, store=store)
    assert len(prepared) == 1
    assert list(again.sources) == [None] * 5
    assert list(fp.load_embeddings(store).sources) == [None] * 5


def interrupted(paths: list[Path], after: int, how: type[BaseException]) -> Iterator[Path]:
    for number, path in enumerate(paths):
        if number == after:
            if how is KeyboardInterrupt:
                signal.raise_signal(signal.SIGINT)
            raise how
        yield path


@pytest.mark.parametrize("how", [KeyboardInterrupt, OSError])
def test_an_interrupted_run_goes_on_where_it_was(model, folder, tmp_path, prepared, expected, how):
    paths = [folder / name for name in SIZES]
    store = tmp_path / "store.npz"
    with pytest.raises(how):
        model.embed_image(interrupted(paths, 3, how), store=store, batch_size=1)
    assert not store.exists()
    partial = tmp_path / "store.npz.partial"
    assert partial.exists()
    other = encoder_of(clip(1))
    with pytest.raises(fp.InputError, match="begun with another model, and is not done: name ano"):
        other.embed_image(paths, store=store)
    del prepared[:]
    found = model.embed_image(paths, store=store)
    assert prepared == paths[3:]
    np.testing.assert_allclose(found.vectors, expected, atol=1e-6)
    assert not partial.exists()


def test_what_a_killed_run_left_of_a_frame_is_cut_off(
    model, folder, tmp_path, prepared, monkeypatch
):
    monkeypatch.setattr(_embedding, "_WRITTEN_EVERY", 0.0)
    paths, store = [folder / name for name in SIZES], tmp_path / "store.npz"
    partial = tmp_path / "store.npz.partial"
    contents: list[bytes] = []

    def watched() -> Iterator[Path]:
        for path in paths:
            contents.append(partial.read_bytes())  # as a killed process would leave it
            yield path
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.embed_image(watched(), store=store, batch_size=1)
    lengths = [*map(len, contents), len(partial.read_bytes())]
    assert lengths == sorted(set(lengths))  # each is written as it arrives
    whole = partial.read_bytes()
    for length, kept in [(lengths[4] - 1, 3), (lengths[2] + 70, 2), (lengths[1], 1), (20, 0)]:
        partial.write_bytes(whole[:length])
        store.unlink(missing_ok=True)
        del prepared[:]
        found = model.embed_image(paths, store=store)
        assert prepared == paths[kept:]
        np.testing.assert_allclose(found.vectors, model.embed_image(paths), atol=1e-6)


def test_two_calls_do_not_write_to_one_store(model, folder, tmp_path):
    paths, store = [folder / name for name in SIZES], tmp_path / "store.npz"
    refusals = []

    def meanwhile() -> Iterator[Path]:
        yield paths[0]
        with pytest.raises(fp.InputError) as refusal:
            model.embed_image(paths, store=store)
        refusals.append(str(refusal.value))
        yield paths[1]

    assert len(model.embed_image(meanwhile(), store=store)) == 2
    assert refusals == [
        "`store` names 'store.npz', to which another call is writing now: wait until it is done, "
        "or name another file."
    ]
    assert len(model.embed_image(paths, store=store)) == 4


def test_another_models_store_is_refused(model, folder, tmp_path):
    store = tmp_path / "store.npz"
    found = model.embed_image(folder, store=store)
    content = store.read_bytes()
    named = Processor(24)
    named.image_processor.image_mean = [0.4] * 3
    others = {
        "holds embeddings of a model with other weights": encoder_of(clip(1)),
        "was made with another preprocessing": fp.load_encoder(clip(), processor=named),
        "was made at another image size": fp.load_encoder(
            clip(), processor=Processor(24), image_size=48
        ),
    }
    for problem, encoder in others.items():
        with pytest.raises(fp.InputError, match=f"`store` {problem}"):
            encoder.embed_image(folder, store=store)
        with pytest.raises(fp.InputError, match=f"`gallery` {problem}"):
            found.require_of(encoder, "gallery")
    with pytest.raises(fp.InputError, match=r"'store.npz', which holds embeddings of images: name"):
        model.embed_text(CAPTIONS, store=store)
    assert store.read_bytes() == content
    encoder_of(clip()).embed_image(folder, store=store)  # the same model, loaded anew
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["store.npz"]


def test_a_store_that_cannot_be_trusted_is_refused(model, folder, tmp_path):
    store = tmp_path / "store.npz"
    found = model.embed_image(folder, store=store)
    content = store.read_bytes()
    vector = found.vectors[2].tobytes()
    not_finite = np.full(12, np.nan, np.float32).tobytes()
    fp_arrays = {name: np.array(part) for name, part in np.load(store).items()}
    fp_arrays["vectors"][2] = np.nan
    np.savez(tmp_path / "nan.npz", **fp_arrays)
    wrong = {
        "its end is missing": content[: len(content) - 30],
        "it was changed": content.replace(vector, not_finite),
        r"holds numbers that are not finite \(first of 'below/c.png'\)": (
            tmp_path / "nan.npz"
        ).read_bytes(),
        "which holds no embeddings": b"a text",
    }
    for problem, changed in wrong.items():
        store.write_bytes(changed)
        with pytest.raises(fp.InputError, match=rf"^`path` names 'store.npz', .*{problem}.*\.$"):
            fp.load_embeddings(store)
        with pytest.raises(fp.InputError, match=rf"^`store` names 'store.npz', .*{problem}"):
            model.embed_image(folder, store=store)
        assert store.read_bytes() == changed
    with pytest.raises(fp.InputError, match="`path` names no file"):
        fp.load_embeddings(tmp_path / "nowhere.npz")


def test_a_model_that_changes_meanwhile_gets_nothing_into_a_store(folder, tmp_path):
    encoder = encoder_of(clip())
    paths, store = [folder / name for name in SIZES], tmp_path / "store.npz"

    def changing() -> Iterator[Path]:
        yield from paths[:2]
        with torch.no_grad():
            encoder.model.visual_projection.weight.mul_(-1)
        yield from paths[2:]

    with pytest.raises(fp.InputError, match="`model` 'CLIPModel' has changed since"):
        encoder.embed_image(changing(), store=store, batch_size=2)
    assert not list(tmp_path.glob("store*"))


def test_a_stopped_run_keeps_what_was_embedded(model, folder, tmp_path, prepared):
    paths, store = [folder / name for name in SIZES], tmp_path / "store.npz"
    messages: list[str] = []
    with (
        listening(lambda: len(messages) > 1, messages.append),
        pytest.raises(Stopped),
    ):
        model.embed_image(paths, store=store, batch_size=1)
    assert messages == ["embedding: 1 of 4", "embedding: 2 of 4"]
    del prepared[:]
    model.embed_image(paths, store=store)
    assert 1 <= len(prepared) < 4


def test_captions_are_stored_too_and_empty_ones_told(model, tmp_path):
    captions = [*CAPTIONS, "", "a kite"]
    found = model.embed_text((caption for caption in captions), store=tmp_path / "store.npz")
    kept = [*CAPTIONS, "a kite"]
    assert list(found.names) == list(found.sources) == kept
    np.testing.assert_allclose(found.vectors, model.embed_text(kept), atol=1e-6)
    assert [problem.message for problem in found.problems] == ["is empty"]
    assert list(fp.load_embeddings(tmp_path / "store.npz").sources) == kept
    with pytest.raises(fp.InputError, match=r"`captions` holds nothing that can be read \(the fir"):
        model.embed_text(["", " "], store=tmp_path / "other.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["store.npz"]


def test_in_memory_what_cannot_be_read_is_left_out_where_it_is_asked_for(model, folder, expected):
    (folder / "c-broken.jpg").write_bytes(b"no picture")
    found = model.embed_readable(folder, "image", "images")
    assert found.names == tuple(SIZES)
    assert [problem.file for problem in found.problems] == ["c-broken.jpg"]
    np.testing.assert_allclose(found.vectors, expected, atol=1e-6)
    found.require_of(model)


def test_heads_embed_captions_alone(tmp_path):
    headed = fp.load_encoder(llip.llip(), processor=llip.processor(), weight_scale=5)
    captions = ["a red dog", "a ball and a red dog"]
    found = headed.embed_text(captions, store=tmp_path / "store.npz")
    np.testing.assert_allclose(found.vectors, headed.embed_text(captions), atol=1e-6)
    with pytest.raises(fp.InputError, match="reads an image by a caption, and embeds none"):
        headed.embed_image([Image.new("RGB", (8, 8))], store=tmp_path / "images.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["store.npz"]


def test_pictures_are_read_by_other_processes_that_end_with_the_call(drawn, prepared):
    processor = Plain()
    paths = [drawn / name for name in SIZES]
    values = [*paths, paths[0].read_bytes(), b"no picture", torch.zeros(3)]
    readers = _readers.Readers(processor, 1)

    def use() -> None:
        with readers:
            readers.wait()
            *read, refusal, same = readers.read(values).result()
            assert prepared == []  # none was read here
            for arrays, value in zip(read, values, strict=False):
                expected = run_processor(processor, read_image(value))
                np.testing.assert_array_equal(arrays["pixel_values"], expected["pixel_values"])
            assert isinstance(refusal, fp.InputError)
            assert same is values[-1]
            readers._processes[0].kill()  # as a system without memory would
            assert "pixel_values" in readers.read(values[:1]).result()[0]
            assert prepared == paths[:1]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        use()
    assert readers._processes[0].returncode is not None
    with pytest.raises(RuntimeError):
        readers.read(values)


def test_a_processor_that_cannot_be_sent_is_used_here(model, drawn, expected):
    class Local:
        image_mean = [0.5] * 3

        def __call__(self, images, **options):
            return model.image_processor(images, **options)

    with pytest.raises((AttributeError, pickle.PicklingError)):
        pickle.dumps(Local())
    processor = Processor(24)
    processor.image_processor = Local()
    encoder = fp.load_encoder(clip(), processor=processor)
    np.testing.assert_allclose(encoder.embed_image(drawn, workers=2), expected, atol=1e-6)
