"""The widget's state and messages, without a page."""

import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import fpattr_widget as fp
from fpattr_widget.widget.widget import PairsWidget

METHOD = fp.IntegratedJacobians(steps=3)
JS = Path(__file__).parents[2] / "js" / "src"


@pytest.fixture
def widget(encoder, picture):
    view = fp.attribute(encoder, picture, "a dog and <b>a ball</b>", METHOD, 1).widget()
    yield view
    view.close()


def test_picture_and_tokens_are_there_before_any_row(encoder, picture):
    pairs = fp.attribute(encoder, picture, "a dog", METHOD, 1)
    widget = PairsWidget(pairs)
    state = widget.get_state()
    assert [token["text"] for token in state["tokens"]] == ["BOS", "a", "dog", "EOS"]
    assert state["grid"] == [3, 3]
    assert state["image_special"] == ["CLS"]
    assert Image.open(io.BytesIO(state["picture"])).size == pairs.picture.size
    assert state["picture_type"] in ("image/png", "image/jpeg")
    assert state["rows"] == b""
    json.dumps(state["tokens"])
    widget.close()


def test_baking_puts_every_row_into_the_state(widget):
    assert widget.bake() is widget
    rows = np.frombuffer(widget.rows, "<f4").reshape(len(widget.tokens), 10)
    np.testing.assert_array_equal(rows[:, 1:], widget.pairs.matrix)
    assert widget.ledger["similarity"] == widget.similarity == widget.pairs.ledger.similarity


def test_large_pictures_are_sent_bounded(encoder):
    noise = np.random.default_rng(0).integers(0, 255, (1500, 1500, 3), np.uint8)
    view = fp.attribute(encoder, noise, "a dog", METHOD, 1).widget()
    assert view.picture_type == "image/jpeg"
    assert max(Image.open(io.BytesIO(view.picture)).size) <= 768
    view.close()


def test_nothing_of_the_file_travels_with_the_picture(encoder, picture, tmp_path):
    exif = Image.Exif()
    exif[0x010E] = "secret description"
    path = tmp_path / "secret-name.jpg"
    picture.save(path, exif=exif)
    view = fp.attribute(encoder, path, "a dog", METHOD, 1).widget()
    everything = repr(view.get_state())
    assert "secret" not in everything
    view.close()


@pytest.mark.parametrize(
    "message",
    [
        None,
        "hello",
        {},
        {"type": "rows", "epoch": 1},
        {"type": "rows", "epoch": 1, "tokens": ["1"]},
        {"type": "rows", "epoch": 1, "tokens": [10_000, -1]},
        {"type": "rows", "epoch": 0, "tokens": [1]},
        {"type": "region", "epoch": 1, "id": 3, "patches": [9_999]},
        {"type": "unheard of", "epoch": 1},
    ],
)
def test_malformed_messages_do_no_harm(widget, message):
    widget._receive(widget, message, [])
    widget._server.wait(30)
    assert np.isfinite(widget.pairs.matrix).all()


def test_wrong_options_are_named(encoder, picture):
    pairs = fp.attribute(encoder, picture, "a dog", METHOD, 1)
    with pytest.raises(fp.InputError, match="`theme`"):
        pairs.widget(theme="pink")
    with pytest.raises(TypeError, match="unheard_of"):
        fp.explain(picture, "a dog", model=encoder, unheard_of=1)


def test_explain_takes_what_load_encoder_takes(encoder, picture, saved_model):
    from tests.conftest import Processor

    for options in (
        {"model": encoder},
        {"model": saved_model},
        {"model": encoder.model, "processor": Processor(24)},
    ):
        view = fp.explain(picture, "a dog", method=METHOD, **options)
        assert np.isfinite(view.pairs.matrix).all()
        view.close()


def test_a_model_is_loaded_once_until_its_files_change(picture, saved_model, tmp_path):
    import shutil

    folder = shutil.copytree(saved_model, tmp_path / "model")
    names = [fp.explain(picture, "a dog", model=folder, method=METHOD) for _ in range(2)]
    (folder / "attribution.json").unlink()
    names.append(fp.explain(picture, "a dog", model=str(folder), method=METHOD))
    layers = [view.pairs.about.layers for view in names]
    assert layers == ["text block 1 · image block 2"] * 2 + ["text block 2 · image block 2"]
    from fpattr_widget.encoders import shared_encoder

    assert shared_encoder(folder) is shared_encoder(str(folder))
    for view in names:
        view.close()


def test_both_sides_name_the_same_traits_and_messages():
    """One contract: what the page reads and sends is what Python has and takes."""
    source = "\n".join(path.read_text() for path in sorted(JS.glob("*.ts")))
    protocol = (JS / "protocol.ts").read_text()
    traits = {name for name in PairsWidget.class_trait_names(sync=True) if not name.startswith("_")}
    ours = traits - {"layout", "tabbable", "tooltip"}
    for name in ours:
        assert re.search(rf"\b{name}\b", protocol), f"the page does not know the trait {name}"
    for kind in ("hello", "rows", "region", "ledger", "failure", "done"):
        assert f'"{kind}"' in source
