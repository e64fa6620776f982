"""The explorer without a page: what its traits and controls do, and what becomes of wrong input."""

import io
import subprocess
import sys
import threading
import time

import ipywidgets
import numpy as np
import pytest
import torch
from PIL import Image

import fpattr_widget as fp
from fpattr_widget.assets import photograph, picture_index
from fpattr_widget.scenes import example, example_names
from fpattr_widget.widget import _choices as choices
from tests.helpers.models import Processor, random_clip, random_encoder
from tests.helpers.shown import caption_of

pytestmark = pytest.mark.slow

METHOD = fp.IntegratedJacobians(steps=3)
THREAD = "fpattr-choices"


@pytest.fixture
def explorer(encoder, picture):
    explorer = fp.explore(picture, "a dog and a ball", model=encoder, method=METHOD)
    yield explorer
    explorer.close()


@pytest.fixture
def stranger():
    """Another model, with fewer blocks."""
    encoder = random_encoder(7, layers=2)
    encoder.name = "stranger"
    return encoder


def worked(explorer) -> None:
    assert explorer.wait(60)
    assert not explorer.busy


def assert_shows(explorer, encoder, image, caption, method, layer=None) -> None:
    """What is on show is what ``attribute`` says, and every trait says the same."""
    assert explorer.problems == {}
    expected = fp.attribute(encoder, image, caption, method, layer)
    assert explorer.pairs.about == expected.about
    assert explorer.pairs.caption == expected.caption
    assert caption_of(explorer.view.sides)["text"] == expected.caption
    np.testing.assert_allclose(explorer.pairs.matrix, expected.matrix, rtol=1e-4, atol=1e-8)
    assert explorer.view.pairs is explorer.pairs


def everything(widget) -> list[ipywidgets.Widget]:
    return [widget, *(w for child in getattr(widget, "children", ()) for w in everything(child))]


def control(explorer, name: str) -> ipywidgets.Widget:
    """Return the control of this name, as a reader finds it."""
    (found,) = (w for w in everything(explorer) if getattr(w, "description", None) == name)
    return found


def choose(explorer, name: str, label: str) -> None:
    """Choose from a menu as the page does."""
    menu = control(explorer, name)
    menu.set_state({"index": list(menu._options_labels).index(label)})


def write_model(explorer, text: str) -> None:
    choose(explorer, "Model", "another …")
    control(explorer, "Hugging Face id or folder").set_state({"value": text})


def edit_in_view(explorer, message: dict, *buffers: bytes) -> None:
    explorer.view._handle_custom_msg(message, [memoryview(buffer) for buffer in buffers])


def told(explorer, name: str) -> str:
    """Return what stands under the control of this name."""
    for field in everything(explorer):
        children = getattr(field, "children", ())
        if not children or not isinstance(children[-1], ipywidgets.HTML):
            continue
        if any(getattr(w, "description", "") == name for w in everything(field)):
            note = children[-1]
            assert (note.layout.display == "none") == (note.value == "")
            return note.value
    raise AssertionError(name)


def png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


# What it opens on


def test_it_opens_on_a_drawing_for_the_model_of_scenes():
    explorer = fp.explore(model="scenes")
    scene = example("dog-and-ball")
    assert (explorer.example, explorer.model, explorer.method, explorer.layer) == (
        "dog-and-ball", "scenes", "integrated_jacobians", None,
    )  # fmt: skip
    assert explorer.caption == scene.caption
    assert explorer.view.editable
    assert control(explorer, "Example").label == "dog and ball"
    assert control(explorer, "Model").label == "scenes"
    assert control(explorer, "Method").label == "integrated Jacobians"
    assert control(explorer, "Text layer").label == "block 0 (default)"
    assert control(explorer, "Image layer").label == "block 2 (default)"
    encoder = fp.load_encoder("scenes")
    assert_shows(explorer, encoder, scene.image, scene.caption, "integrated_jacobians")
    explorer.close()


def test_it_opens_on_a_photograph_for_the_default_model():
    explorer = fp.explore()
    shown = photograph("dog-and-bicycle")
    assert (explorer.example, explorer.model) == ("dog-and-bicycle", "bundled")
    assert explorer.caption == explorer.pairs.caption == shown.caption
    np.testing.assert_array_equal(explorer.image, shown.image)
    assert control(explorer, "Example").label == "dog and bicycle"
    assert control(explorer, "Model").label == "bundled"
    assert explorer.pairs.about.model == "bundled"
    explorer.close()


def test_what_is_not_given_is_filled_in(encoder, picture):
    for arguments, caption, size in (
        ({"image": picture}, "a picture", (3, 3)),
        ({"caption": "a ball"}, "a ball", (3, 3)),
        ({"image": picture, "caption": "a cat"}, "a cat", (3, 3)),
    ):
        explorer = fp.explore(**arguments, model=encoder, method=METHOD)
        assert (explorer.pairs.caption, explorer.pairs.grid) == (caption, size)
        assert explorer.example is None
        assert control(explorer, "Example").label == "your own"
        explorer.close()


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"image": "no-such-file.png"}, "image"),
        ({"caption": ""}, "caption"),
        ({"model": "no/such/folder"}, "model"),
        ({"model": 3}, "model"),
        ({"models": ["scenes", 3]}, "model"),
        ({"method": "magic"}, "method"),
        ({"layer": 99}, "layer"),
        ({"theme": "pink"}, "theme"),
    ],
)
def test_there_is_nothing_to_fall_back_on_at_the_start(encoder, picture, arguments, name):
    arguments = {"image": picture, "caption": "a dog", "model": encoder, **arguments}
    with pytest.raises(fp.InputError, match=f"`{name}`"):
        fp.explore(**arguments)


def test_options_are_those_of_the_view(encoder, picture):
    explorer = fp.explore(picture, "a dog", model=encoder, theme="dark", editable=False)
    assert (explorer.view.theme, explorer.view.editable) == ("dark", False)
    explorer.close()
    with pytest.raises(TypeError, match="unheard_of"):
        fp.explore(picture, "a dog", model=encoder, unheard_of=1)


# Changes from Python


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("caption", "two dogs"),
        ("caption", torch.tensor([[1, 5, 6, 2]])),
        ("image", Image.new("RGB", (30, 30), "red")),
        ("image", np.full((20, 30, 3), 7, np.uint8)),
        ("image", png(Image.new("RGB", (50, 30), "blue"))),
        ("method", "occlusion"),
        ("method", fp.IntegratedJacobians(steps=5)),
        ("layer", 0),
        ("layer", (1, -1)),
        ("layer", [0, 1]),
    ],
)
def test_setting_a_trait_changes_the_view(explorer, encoder, picture, name, value):
    setattr(explorer, name, value)
    worked(explorer)
    wish = {"image": picture, "caption": "a dog and a ball", "method": METHOD, "layer": None}
    assert_shows(explorer, encoder, **{**wish, name: value})
    assert getattr(explorer, name) is value
    assert explorer.example is None


def test_an_example_brings_its_image_and_caption(explorer, encoder):
    scene = example("harbour")
    explorer.example = "harbour"
    assert explorer.caption == scene.caption
    worked(explorer)
    assert_shows(explorer, encoder, scene.image, scene.caption, METHOD)
    assert control(explorer, "Example").label == "harbour"
    # Changed by hand, it is the example no more, and can be chosen again.
    explorer.caption = "a boat"
    worked(explorer)
    assert_shows(explorer, encoder, scene.image, "a boat", METHOD)
    assert explorer.example is None
    assert control(explorer, "Example").label == "your own"
    explorer.example = "harbour"
    worked(explorer)
    assert_shows(explorer, encoder, scene.image, scene.caption, METHOD)


def test_a_caption_for_an_example_that_was_just_chosen(explorer, encoder):
    explorer.example = "harbour"
    explorer.caption = "a boat"
    worked(explorer)
    assert_shows(explorer, encoder, example("harbour").image, "a boat", METHOD)
    assert explorer.example is None


def test_models_by_name_by_folder_and_loaded(explorer, picture, stranger, saved_model):
    module = random_clip(9)
    for model, name in (
        (stranger, "stranger"),
        (str(saved_model), str(saved_model)),
        ("stranger", "stranger"),
        (saved_model, str(saved_model)),
        ("scenes", "scenes"),
    ):
        explorer.model = model
        worked(explorer)
        assert explorer.model == name
        loaded = fp.load_encoder(model) if model not in (stranger, "stranger") else stranger
        assert_shows(explorer, loaded, picture, "a dog and a ball", METHOD)
    # Of a folder, the page sees its name alone.
    assert saved_model.name in control(explorer, "Model")._options_labels
    states = repr([widget.get_state() for widget in everything(explorer)])
    assert str(saved_model) not in states
    # A module without a processor knows no captions: told, and nothing is lost.
    explorer.model = module
    worked(explorer)
    assert "no tokenizer" in explorer.problems["model"] or "processor" in explorer.problems["model"]
    assert explorer.pairs.about.model == "scenes"


def test_a_loaded_module_is_taken_with_its_processor(picture):
    module, processor = random_clip(9), Processor(24)
    other = random_clip(10)
    explorer = fp.explore(
        picture, "a dog", model=module, processor=processor, models=[other], method=METHOD
    )
    names = list(control(explorer, "Model")._options_labels)
    assert names == ["CLIPModel", "CLIPModel (2)", "bundled", "scenes", "llip", "another …"]
    choose(explorer, "Model", "CLIPModel (2)")
    worked(explorer)
    assert_shows(explorer, fp.load_encoder(other, processor=processor), picture, "a dog", METHOD)
    explorer.close()


def test_a_layer_that_another_model_has_not_gives_way(explorer, picture, stranger):
    explorer.layer = (2, 1)
    worked(explorer)
    explorer.model = stranger
    worked(explorer)
    assert explorer.layer is None
    assert_shows(explorer, stranger, picture, "a dog and a ball", METHOD)
    # One that it has stays.
    explorer.layer = (0, 1)
    worked(explorer)
    explorer.model = "scenes"
    worked(explorer)
    assert explorer.layer == (0, 1)
    assert explorer.pairs.about.layers == "text block 0 · image block 1"


def test_a_layer_waits_while_a_method_reads_elsewhere(explorer, encoder, picture):
    explorer.layer = (1, 0)
    explorer.method = "patch_token_similarity"
    worked(explorer)
    assert_shows(explorer, encoder, picture, "a dog and a ball", "patch_token_similarity")
    for name in ("Text layer", "Image layer"):
        assert control(explorer, name).disabled
        assert control(explorer, name).label == "at the final states"
    assert explorer.layer == (1, 0)
    explorer.method = METHOD
    worked(explorer)
    assert_shows(explorer, encoder, picture, "a dog and a ball", METHOD, (1, 0))
    assert control(explorer, "Text layer").label == "block 1"
    assert not control(explorer, "Text layer").disabled


# The controls


def test_every_menu_does_what_its_trait_does(explorer, encoder, picture):
    shown = photograph("two-dogs")
    choose(explorer, "Example", "two dogs")
    worked(explorer)
    assert_shows(explorer, encoder, shown.image, shown.caption, METHOD)
    choose(explorer, "Method", "gradient × input")
    worked(explorer)
    assert explorer.method == "gradient_times_input"
    assert_shows(explorer, encoder, shown.image, shown.caption, "gradient_times_input")
    choose(explorer, "Text layer", "block 1")
    worked(explorer)
    assert explorer.layer == (1, 2)
    choose(explorer, "Image layer", "block 0")
    worked(explorer)
    assert explorer.layer == (1, 0)
    assert_shows(explorer, encoder, shown.image, shown.caption, "gradient_times_input", (1, 0))
    choose(explorer, "Model", "scenes")
    worked(explorer)
    assert explorer.model == explorer.pairs.about.model == "scenes"
    for name, label in (("Text layer", "block 1"), ("Image layer", "block 0")):
        assert control(explorer, name).label == label
    choose(explorer, "Text layer", "block 0 (default)")
    worked(explorer)
    choose(explorer, "Image layer", "block 2 (default)")
    worked(explorer)
    assert explorer.layer is None
    assert explorer.example == "two-dogs"


def test_choosing_nothing_of_the_examples_changes_nothing(explorer):
    explorer.example = "two-dogs"
    worked(explorer)
    choose(explorer, "Example", "your own")
    worked(explorer)
    assert explorer.example == "two-dogs"
    assert control(explorer, "Example").label == "two dogs"


# The examples


def offered_photographs() -> list[str]:
    """Return each photograph's name, and after it those of its instructive captions."""
    names = []
    for name, entry in picture_index()["pictures"].items():
        names += [name, *(f"{name}: {other['caption']}" for other in entry["others"])]
    return names


def offered(explorer) -> list[str]:
    """Return the examples in the menu, without the first line, which is the user's own."""
    own, *names = (value for _, value in control(explorer, "Example").options)
    assert own == ""
    return names


def test_examples_of_the_two_kinds_have_names_of_their_own():
    names = [*offered_photographs(), *example_names()]
    assert len(set(names)) == len(names)


def test_a_menu_offers_what_its_model_knows(explorer, picture):
    assert explorer.pairs.about.model not in ("bundled", "scenes", "llip")
    assert offered(explorer) == offered_photographs()
    explorer.model = "scenes"
    worked(explorer)
    assert offered(explorer) == example_names()
    explorer.model = "bundled"
    worked(explorer)
    assert explorer.pairs.about.model == "bundled"
    assert offered(explorer) == offered_photographs()


def test_an_encoder_of_scenes_is_offered_drawings(scenes_encoder, picture):
    explorer = fp.explore(caption="a dog", model=scenes_encoder, method=METHOD)
    assert offered(explorer) == example_names()
    np.testing.assert_array_equal(explorer.image, example("dog-and-ball").image)
    explorer.close()


def test_an_example_stays_in_the_menu_while_it_is_shown(explorer):
    choose(explorer, "Example", "two dogs")
    worked(explorer)
    explorer.model = "scenes"
    worked(explorer)
    assert explorer.example == "two-dogs"
    assert control(explorer, "Example").label == "two dogs"
    assert offered(explorer) == ["two-dogs", *example_names()]
    explorer.example = "harbour"
    worked(explorer)
    assert offered(explorer) == example_names()


def test_an_instructive_caption_says_what_to_look_at(explorer, encoder):
    choose(explorer, "Example", "cat: a close-up of a dog")
    assert explorer.example == "cat: a close-up of a dog"
    worked(explorer)
    assert_shows(explorer, encoder, photograph("cat").image, "a close-up of a dog", METHOD)
    note = "There is no dog: look at the colour of its word."
    assert note in told(explorer, "Example")
    assert 'role="status"' in told(explorer, "Example")
    # It stays while the example does.
    explorer.layer = 1
    worked(explorer)
    assert note in told(explorer, "Example")
    explorer.caption = "a dog"
    worked(explorer)
    assert told(explorer, "Example") == ""
    choose(explorer, "Example", "cat: a close-up of a dog")
    worked(explorer)
    choose(explorer, "Example", "cat")
    worked(explorer)
    assert explorer.caption == photograph("cat").caption
    assert told(explorer, "Example") == ""


def test_a_note_is_text(explorer, monkeypatch):
    attack = "<img src=x onerror=hacked=1>"
    (other,) = picture_index()["pictures"]["cat"]["others"]
    monkeypatch.setitem(other, "note", attack)
    explorer.example = "cat: a close-up of a dog"
    worked(explorer)
    assert "&lt;img src=x" in told(explorer, "Example")
    assert "<img" not in told(explorer, "Example")


def test_a_configured_method_has_a_place_in_the_menu(explorer, encoder, picture):
    menu = control(explorer, "Method")
    assert menu.label == "integrated Jacobians (steps 3)"
    choose(explorer, "Method", "occlusion")
    worked(explorer)
    choose(explorer, "Method", "integrated Jacobians (steps 3)")
    worked(explorer)
    assert_shows(explorer, encoder, picture, "a dog and a ball", METHOD)
    explorer.method = fp.IntegratedJacobians(steps=4)
    worked(explorer)
    explorer.method = fp.IntegratedJacobians(steps=4)
    worked(explorer)
    labels = list(menu._options_labels)
    assert labels.count("integrated Jacobians (steps 4)") == 1
    assert menu.label == "integrated Jacobians (steps 4)"


def test_a_model_can_be_written(explorer, picture, saved_model):
    text = control(explorer, "Hugging Face id or folder")
    assert text.layout.display == "none"
    choose(explorer, "Model", "another …")
    assert text.layout.display is None
    assert not explorer.busy
    assert explorer.problems == {}
    text.set_state({"value": f"  {saved_model} "})
    worked(explorer)
    assert explorer.model == str(saved_model)
    assert_shows(explorer, fp.load_encoder(saved_model), picture, "a dog and a ball", METHOD)
    # Then it is one of the menu.
    assert text.layout.display == "none"
    assert control(explorer, "Model").label == saved_model.name


def test_a_model_that_was_not_there_can_be_asked_for_again(explorer, saved_model, tmp_path):
    import shutil

    folder = tmp_path / "later"
    write_model(explorer, str(folder))
    worked(explorer)
    assert "cannot be loaded" in explorer.problems["model"]
    text = control(explorer, "Hugging Face id or folder")
    assert text.value == str(folder)
    shutil.copytree(saved_model, folder)
    text._handle_custom_msg({"event": "submit"}, [])
    worked(explorer)
    assert explorer.problems == {}
    assert explorer.model == str(folder)


def test_edits_in_the_view(explorer, encoder, picture):
    edit_in_view(explorer, {"type": "text", "side": 0, "text": "two dogs"})
    worked(explorer)
    assert explorer.caption == "two dogs"
    assert_shows(explorer, encoder, picture, "two dogs", METHOD)
    upload = png(Image.new("RGB", (31, 64), "green"))
    edit_in_view(explorer, {"type": "file", "side": 1}, upload)
    worked(explorer)
    assert explorer.image == upload
    assert_shows(explorer, encoder, upload, "two dogs", METHOD)


def test_the_page_hears_of_what_it_may_not_have(explorer, monkeypatch):
    """The view is told in its own place, and told again when all is well."""
    heard = []
    monkeypatch.setattr(explorer.view, "refuse", lambda kind, said: heard.append((kind, said)))
    edit_in_view(explorer, {"type": "text", "side": 0, "text": " "})
    worked(explorer)
    edit_in_view(explorer, {"type": "text", "side": 0, "text": " "})  # it waits for an answer
    worked(explorer)
    edit_in_view(explorer, {"type": "file", "side": 1}, b"no image")
    worked(explorer)
    assert [kind for kind, _ in heard] == ["caption", "caption", "image", "caption"]
    assert all(said.startswith(("Caption is empty", "Image cannot be read")) for _, said in heard)
    epoch = explorer.view.epoch
    edit_in_view(explorer, {"type": "text", "side": 0, "text": "a cat"})
    worked(explorer)
    assert sorted(heard[4:]) == [("caption", ""), ("image", "")]
    assert explorer.view.epoch > epoch


# What stays


@pytest.mark.parametrize(
    ("layer", "part"),
    [
        (-1, lambda model: model.vision_model),
        # Rows of an earlier layer go back through the blocks from there on.
        (1, lambda model: model.vision_model.encoder.layers[0].mlp),
    ],
)
def test_a_new_caption_runs_the_image_tower_no_more(picture, layer, part):
    calls = []
    model = random_clip(0)
    hook = part(model).register_forward_hook(lambda *_: calls.append(1))
    encoder = fp.load_encoder(model, processor=Processor(24))
    prepared = []
    encoder.processors["image"] = _counting(encoder.processors["image"], prepared)
    explorer = fp.explore(picture, "a dog", model=encoder, method=METHOD, layer=layer)
    assert np.isfinite(explorer.pairs.matrix).all()
    explorer.view._server.wait(30)
    assert calls
    assert prepared
    before = len(calls), len(prepared)
    for caption in ("two dogs", "a ball and a cat"):
        explorer.caption = caption
        worked(explorer)
        assert np.isfinite(explorer.pairs.matrix).all()
        explorer.view._server.wait(30)
    assert explorer.pairs.caption == "a ball and a cat"
    assert (len(calls), len(prepared)) == before
    # Another picture does run it.
    explorer.image = Image.new("RGB", (30, 30), "red")
    worked(explorer)
    assert np.isfinite(explorer.pairs.matrix).all()
    assert len(calls) > before[0]
    assert len(prepared) > before[1]
    hook.remove()
    explorer.close()


def _counting(processor, calls):
    class Counting:
        def __getattr__(self, name):
            return getattr(processor, name)

        def __call__(self, *arguments, **named):
            calls.append(1)
            return processor(*arguments, **named)

    return Counting()


def test_a_model_that_moved_gets_its_picture_anew(picture):
    model = random_clip(0)
    explorer = fp.explore(picture, "a dog", model=model, processor=Processor(24), method=METHOD)
    explorer.view._server.wait(30)
    model.to(torch.float32)
    explorer.caption = "two dogs"
    worked(explorer)
    assert np.isfinite(explorer.pairs.matrix).all()
    explorer.close()


def test_the_encoder_of_a_folder_is_kept_while_other_things_change(explorer, saved_model, tmp_path):
    import shutil

    folder = shutil.copytree(saved_model, tmp_path / "model")
    explorer.model = folder
    worked(explorer)
    (folder / "config.json").unlink()
    explorer.caption = "two dogs"
    worked(explorer)
    assert explorer.problems == {}
    assert explorer.pairs.caption == "two dogs"


# Wrong input

WRONG = [
    ("caption", "", "`caption` is empty", None),
    ("caption", 3, "`caption`", None),
    ("caption", "dog " * 100, "shorten it", None),
    ("image", b"no image", "`image` cannot be read", None),
    ("image", "no-such-file.png", "`image` names no file", None),
    ("image", np.zeros((2, 2), np.float32), "`image` is an array of float32", None),
    ("model", "no/such/folder", "cannot be loaded", "Model"),
    ("model", "", "`model` is empty", "Model"),
    ("model", 3, "`model` is a int", "Model"),
    ("model", torch.nn.Linear(2, 2), "not a dual encoder", "Model"),
    ("method", "magic", "`method` is 'magic'", "Method"),
    ("method", None, "`method` is None", "Method"),
    ("layer", 99, "`layer` is 99", "Text layer"),
    ("layer", "last", "`layer` is 'last'", "Image layer"),
    ("layer", (1, 2, 3), "`layer` is (1, 2, 3)", "Text layer"),
    ("example", "atlantis", "`example` is 'atlantis'", "Example"),
]


@pytest.mark.parametrize(("name", "value", "said", "beside"), WRONG)
def test_wrong_input_is_told_and_the_last_good_view_stays(
    explorer, encoder, picture, name, value, said, beside
):
    pairs, epoch = explorer.pairs, explorer.view.epoch
    setattr(explorer, name, value)
    worked(explorer)
    assert list(explorer.problems) == [name]
    assert said in explorer.problems[name]
    assert getattr(explorer, name) is value
    assert explorer.pairs is explorer.view.pairs is pairs
    assert explorer.view.epoch == epoch
    assert np.isfinite(pairs.matrix).all()
    if beside:
        assert 'role="alert"' in told(explorer, beside)
    # The view goes on without it: another change works, and takes it back.
    if name == "caption":
        explorer.layer = 1
        worked(explorer)
        assert_shows(explorer, encoder, picture, "a dog and a ball", METHOD, 1)
    else:
        explorer.caption = "a cat"
        worked(explorer)
        assert_shows(explorer, encoder, picture, "a cat", METHOD)
    assert getattr(explorer, name) != value
    if beside:
        assert told(explorer, beside) == ""


def test_each_problem_stands_by_its_own_control(explorer, encoder, picture):
    explorer.model = "no/such/folder"
    worked(explorer)
    explorer.layer = 99
    worked(explorer)
    explorer.caption = ""
    worked(explorer)
    assert sorted(explorer.problems) == ["caption", "layer", "model"]
    # Mended, it is not told any more, while another stands.
    explorer.caption = "dog " * 100
    worked(explorer)
    assert "shorten it" in explorer.problems["caption"]
    assert sorted(explorer.problems) == ["caption", "layer", "model"]
    explorer.caption = "a cat"
    worked(explorer)
    assert_shows(explorer, encoder, picture, "a cat", METHOD)


def test_two_changes_of_which_one_is_wrong(explorer, encoder, picture):
    hold = _hold_worker(explorer)
    explorer.caption = ""
    explorer.layer = 1
    hold.set()
    worked(explorer)
    assert list(explorer.problems) == ["caption"]
    assert explorer.layer == 1
    explorer.caption = "a cat"
    worked(explorer)
    assert_shows(explorer, encoder, picture, "a cat", METHOD, 1)


def test_an_error_that_names_nothing_is_told_beside_what_changed(explorer):
    class Broken(fp.IntegratedJacobians):
        def check(self, encoder):
            raise RuntimeError("the disk is full")

    explorer.method = Broken()
    worked(explorer)
    assert explorer.problems == {"method": "RuntimeError: the disk is full."}
    explorer.caption = "a cat"
    worked(explorer)
    assert explorer.problems == {}
    assert explorer.method == METHOD


def test_an_image_that_does_not_suit_a_new_model_is_that_models_problem(encoder):
    pixels = torch.zeros(1, 3, 24, 24, dtype=torch.float64)
    explorer = fp.explore(pixels, "a dog", model=encoder, method=METHOD)
    explorer.model = "scenes"
    worked(explorer)
    assert list(explorer.problems) == ["model"]
    assert "`image` is a tensor" in explorer.problems["model"]
    explorer.caption = "a cat"
    worked(explorer)
    assert_shows(explorer, encoder, pixels, "a cat", METHOD)
    explorer.close()


@pytest.mark.parametrize(
    ("argument", "changed", "expected"),
    [
        ("image", ["caption", "image"], ["image"]),
        ("image", ["caption", "model"], ["model"]),
        ("steps", ["layer", "method"], ["method"]),
        ("patch", ["caption", "model"], ["model"]),
        ("image", ["caption", "layer"], ["caption", "layer"]),
    ],
)
def test_an_error_belongs_to_the_choice_that_decides_its_argument(argument, changed, expected):
    assert (
        choices.culprits(fp.InputError(argument, "is wrong", "pass another"), changed) == expected
    )
    assert choices.culprits(ValueError("anything"), changed) == changed


def test_a_model_without_usable_embeddings_does_not_replace_the_view(explorer):
    model = random_clip(3)
    with torch.no_grad():
        model.visual_projection.weight.fill_(float("nan"))
    pairs = explorer.pairs
    explorer.model = fp.load_encoder(model, processor=Processor(24))
    worked(explorer)
    assert "no usable image embedding" in explorer.problems["model"]
    assert explorer.view.pairs is pairs


def test_what_is_told_is_text(explorer):
    attack = "<img src=x onerror=hacked=1>"
    write_model(explorer, attack)
    worked(explorer)
    assert attack in explorer.problems["model"]
    assert "<img" not in told(explorer, "Model")
    assert "&lt;img src=x" in told(explorer, "Model")


# Quick changes


def _hold_worker(explorer) -> threading.Event:
    """Let the worker stand still, in a turn that will be stale, until the event is set."""
    go, held = threading.Event(), threading.Event()

    def check(*_):
        held.set()
        assert go.wait(30)
        raise RuntimeError("stale")

    slow = type("Slow", (fp.IntegratedJacobians,), {"check": check})
    before = explorer.method
    explorer.method = slow()
    assert held.wait(30)
    explorer.method = before
    return go


def test_only_the_newest_change_is_shown(explorer, encoder, picture):
    shown = []
    explorer.observe(lambda change: shown.append(change["new"].caption), "pairs")
    epoch = explorer.view.epoch
    go = _hold_worker(explorer)
    for number in range(50):
        explorer.caption = f"{number} dogs"
    assert explorer.busy
    assert not explorer.wait(0.01)
    go.set()
    worked(explorer)
    assert shown == ["49 dogs"]
    assert explorer.view.epoch == epoch + 1
    assert_shows(explorer, encoder, picture, "49 dogs", METHOD)


def test_busy_says_how_long_a_change_takes(explorer):
    told, rested = [], threading.Event()

    def hear(change):
        told.append(change["new"])
        if not change["new"]:
            rested.set()

    explorer.observe(hear, "busy")
    go = _hold_worker(explorer)
    explorer.caption = "two dogs"
    assert (explorer.busy, told) == (True, [True])
    go.set()
    assert rested.wait(30)
    assert (explorer.busy, told) == (False, [True, False])
    assert explorer.pairs.caption == "two dogs"


def test_changes_from_many_threads_end_in_one_state(explorer, encoder, picture):
    def change(number):
        for step in range(20):
            explorer.caption = f"{number} dogs and {step} cats"
            explorer.layer = (step + number) % 3

    threads = [threading.Thread(target=change, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    worked(explorer)
    assert_shows(explorer, encoder, picture, explorer.caption, METHOD, explorer.layer)


def _slow_models(monkeypatch, outcomes):
    """Let models of these names take until they are let go, and then come or fail."""
    loading, go = [], threading.Event()
    original = choices.encoder_of

    def slow(name):
        if name not in outcomes:
            return original(name)
        loading.append(name)
        assert go.wait(30)
        if isinstance(outcomes[name], Exception):
            raise outcomes[name]
        return outcomes[name]

    monkeypatch.setattr(choices, "encoder_of", slow)
    return loading, go


@pytest.mark.parametrize("fails", [False, True])
def test_who_turns_away_from_a_slow_model_need_not_wait(
    explorer, encoder, picture, stranger, monkeypatch, fails
):
    loading, go = _slow_models(monkeypatch, {"slow": OSError("gone") if fails else stranger})
    first = explorer.model
    explorer.model = "slow"
    while not loading:
        time.sleep(0.01)
    assert "Loading slow" in told(explorer, "Model")
    explorer.caption = "a cat"  # waits for the same model
    assert not explorer.wait(0.05)
    explorer.model = first
    worked(explorer)
    assert_shows(explorer, encoder, picture, "a cat", METHOD)
    assert told(explorer, "Model") == ""
    pairs = explorer.pairs
    go.set()
    assert explorer._worker.join(30)
    assert explorer.pairs is explorer.view.pairs is pairs
    assert explorer.problems == {}
    assert loading == ["slow"]


def test_a_slow_model_takes_the_caption_that_was_written_meanwhile(
    explorer, picture, stranger, monkeypatch
):
    loading, go = _slow_models(monkeypatch, {"slow": stranger})
    explorer.model = "slow"
    while not loading:
        time.sleep(0.01)
    for caption in ("a cat", "two cats"):
        explorer.caption = caption
    assert len([t for t in threading.enumerate() if t.name == THREAD]) == 1
    go.set()
    worked(explorer)
    assert_shows(explorer, stranger, picture, "two cats", METHOD)


def test_an_observer_may_wait_and_may_fail(explorer, monkeypatch):
    waited, failed = [], []
    monkeypatch.setattr(threading, "excepthook", lambda told: failed.append(told.exc_type))
    explorer.observe(lambda change: waited.append(explorer.wait(10)), "pairs")
    explorer.observe(lambda change: 1 / 0, "pairs")
    for caption in ("a cat", "two cats"):
        explorer.caption = caption
        worked(explorer)
        assert explorer.pairs.caption == caption
    # On the worker's own thread there is nothing to wait for.
    assert waited == [False, False]
    assert failed == [ZeroDivisionError] * 2


def test_a_control_s_observer_may_wait(explorer):
    """The page's choice is not kept from the worker while someone waits for the outcome."""
    explorer.observe(lambda change: explorer.wait(20), "method")
    started = time.monotonic()
    choose(explorer, "Method", "occlusion")
    assert time.monotonic() - started < 10
    assert explorer.pairs.about.method == "occlusion"


# Ends


def test_closing_ends_everything(encoder, picture):
    explorer = fp.explore(picture, "a dog", model=encoder, method=METHOD)
    explorer.caption = "two dogs"
    explorer.close()
    assert explorer._worker.join(30)
    pairs = explorer.pairs
    explorer.caption = "three dogs"
    assert explorer.wait(1)
    assert not explorer.busy
    assert explorer.pairs is pairs
    assert not [t for t in threading.enumerate() if t.name == THREAD]
    assert all(widget.comm is None for widget in everything(explorer))


def test_the_thread_ends_when_there_is_nothing_to_do(explorer):
    for caption in ("two dogs", "three dogs"):
        explorer.caption = caption
        worked(explorer)
        assert explorer._worker.join(10)
        assert not [t for t in threading.enumerate() if t.name == THREAD]
        assert explorer.pairs.caption == caption


def test_a_program_may_end_in_the_middle_of_a_change():
    """It is not forked: torch aborts an interpreter that ends under a running thread."""
    program = (
        "import time, fpattr_widget as fp\n"
        "explorer = fp.explore(model='scenes')\n"
        "while not explorer.pairs.ready.any(): time.sleep(0.01)\n"
        "for n in range(100): explorer.caption = f'{n} dogs'"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_without_threads_a_change_is_worked_on_at_once(encoder, picture, monkeypatch):
    def refuse(_thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    explorer = fp.explore(picture, "a dog", model=encoder, method=METHOD)
    explorer.caption = "two dogs"
    assert not explorer.busy
    assert_shows(explorer, encoder, picture, "two dogs", METHOD)
    choose(explorer, "Method", "occlusion")
    assert_shows(explorer, encoder, picture, "two dogs", "occlusion")
    explorer.caption = ""
    assert list(explorer.problems) == ["caption"]
    explorer.close()


def test_what_is_set_is_not_tried_before_it_is_asked_for(encoder, picture):
    """Another change may be worked on in between, which must not be blamed for it."""
    explorer = fp.explore(picture, "a dog", model=encoder, method=METHOD)
    ask, between = explorer._ask, []

    def late(name: str) -> None:
        ask("caption")
        worked(explorer)
        between.append(dict(explorer.problems))
        ask(name)

    explorer._ask = late
    explorer.layer = "wrong"
    worked(explorer)
    assert between == [{}]
    assert explorer.layer == "wrong"
    assert list(explorer.problems) == ["layer"]
    explorer.close()


def test_two_explorers_share_an_encoder_and_nothing_else(encoder, picture):
    other = Image.new("RGB", (30, 30), "red")
    first = fp.explore(picture, "a dog", model=encoder, method=METHOD)
    second = fp.explore(other, "a cat", model=encoder, method="occlusion")
    for number in range(10):
        first.caption = f"{number} dogs"
        second.caption = f"{number} cats"
    second.layer = "wrong"
    worked(first)
    worked(second)
    assert (list(first.problems), list(second.problems)) == ([], ["layer"])
    assert_shows(first, encoder, picture, "9 dogs", METHOD)
    second.layer = None
    worked(second)
    assert_shows(second, encoder, other, "9 cats", "occlusion")
    first.close()
    second.caption = "a last cat"
    worked(second)
    assert_shows(second, encoder, other, "a last cat", "occlusion")
    second.close()


def test_named_models_are_shared():
    first, second = fp.explore(model="scenes"), fp.explore(caption="a cat", model="scenes")
    assert first._shown.encoder is second._shown.encoder
    first.close()
    second.close()
