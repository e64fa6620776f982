"""The Llip of drawn scenes: how it is trained, what it starts from, and what ships."""

import inspect
import json
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch

import fpattr_widget as fp
from fpattr_widget.scenes import KINDS, Scene, SceneObject, example, single_out
from fpattr_widget.training._llip_learning import llip_of_clip, pair_cosines, sigmoid_loss
from fpattr_widget.training._many_captions import ManyCaptionBatches, known_truth
from fpattr_widget.training.llip import train
from tests.benchmarks import records
from tests.benchmarks.llip import choices, pairs_of_things, told_apart

pytestmark = pytest.mark.slow

ASSET = Path(str(files("fpattr_widget") / "assets" / "llip"))


def test_it_trains_and_is_loaded_as_it_was_trained(tmp_path):
    """Two steps; what is read back scores as the loss counts, up to half precision."""
    train(tmp_path, steps=2, batch=3, weight_scale=0.5, device="cpu", save_every=1)
    encoder = fp.load_encoder(tmp_path)
    assert json.loads((tmp_path / "training.json").read_text())["steps"] == 2
    kept = torch.load(tmp_path / "state.pt", weights_only=True)
    assert kept["done"] == 2
    for name, weight in encoder.model.state_dict().items():
        torch.testing.assert_close(weight, kept["model"][name].half().float(), rtol=0, atol=0)
    start = fp.load_encoder("scenes").model
    patches = start.vision_model.embeddings.patch_embedding.weight
    moved = (encoder.model.visual.conv1.weight - patches).abs().max()
    assert 1e-5 < moved < 1e-2
    captions = ["a dog and a ball", "a cat"]
    picture = example("dog-and-ball").image
    seen = encoder.prepare(picture, "image").inputs["pixel_values"]
    ids = encoder.tokenizer(captions, padding=True, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        outputs = encoder.model.encode_image(seen), encoder.model.encode_text(ids)
        for scale in (0.5, torch.inf):
            counted = pair_cosines(encoder.model, *outputs, scale)[0].numpy()
            loaded = fp.load_encoder(tmp_path, weight_scale=None if scale == 0.5 else scale)
            found = loaded.similarities(picture, captions)
            np.testing.assert_allclose(found, counted, atol=1e-5)
    assert loaded.recipe.load().similarities(picture, captions) == pytest.approx(found)
    # Trained no further than it is, and not from the start.
    train(tmp_path, steps=2, batch=3, weight_scale=0.5, device="cpu", save_every=1)
    assert torch.load(tmp_path / "state.pt", weights_only=True)["done"] == 2


def test_it_starts_as_the_clip_that_it_is_made_of(scenes_encoder):
    """With one mixture token, which is CLS, both give the same scores."""
    words = list(range(len(scenes_encoder.tokenizer)))
    model = llip_of_clip(scenes_encoder.model, words, 1)
    vision = scenes_encoder.model.vision_model.embeddings
    with torch.no_grad():
        assert (model.visual.class_embedding - vision.class_embedding).abs().max() > 0.01
        model.visual.class_embedding.copy_(vision.class_embedding[None])
        picture = example("dog-and-ball").image
        seen = scenes_encoder.prepare(picture, "image").inputs["pixel_values"]
        captions = ["a dog left of a ball", "a cat"]
        states = []
        for caption in captions:
            ids = scenes_encoder.prepare(caption, "text").inputs["input_ids"]
            # The end has the highest id in a Llip's vocabulary alone.
            states.append(model.text_states(ids)[:, -1])
        state = torch.cat(states)
        query = (state @ model.q_proj).unflatten(-1, (8, -1))
        text = query, state @ model.text_projection
        found = pair_cosines(model, model.encode_image(seen), text, 1.0)[0].numpy()
    np.testing.assert_allclose(found, scenes_encoder.similarities(picture, captions), atol=1e-5)


def test_what_is_true_of_a_picture_follows_from_what_it_shows():
    def scene(ground: str, *kinds: str) -> Scene:
        return Scene(tuple(SceneObject(kind, (0, 0, 1, 1)) for kind in kinds), ground, 0)

    scenes = scene("snow", "dog", "ball"), scene("plain", "dog", "dog", "cat"), scene("road", "bee")
    truth = {
        "a photo of a dog": (1, 1, -1),
        "a dog and a ball": (1, -1, -1),
        "a small dog": (0, 0, -1),
        "two dogs": (0, 0, -1),
        "a dog in the snow": (0, -1, -1),
        "a bee, a dog with a cat": (-1, -1, -1),
    }
    found = known_truth(scenes, list(truth))
    np.testing.assert_array_equal(found.T, list(truth.values()))


def test_each_thing_of_a_picture_has_a_caption_that_names_it_alone():
    batch = ManyCaptionBatches(0, 4, 6)
    shown = batch[2]
    scenes, pictures = batch.pictures.at(2)
    np.testing.assert_array_equal(shown.pictures, pictures)
    located, false = shown.captions[:6], shown.captions[6:12]
    assert all(one != other for one, other in zip(located, false, strict=True))
    rows = np.arange(6)
    for start, value in ((0, 1), (6, -1), (12, 1)):
        assert (shown.truth[rows, start + rows] == value).all()
    single, place = shown.captions[18:], 0
    for row, scene in enumerate(scenes):
        for kind in dict.fromkeys(thing.kind for thing in scene.objects):
            named = set(single[place].replace(",", "").split())
            others = {k.name for k in KINDS.values()} | {k.plural for k in KINDS.values()}
            assert named & others <= {kind, KINDS[kind].plural}
            assert named & {kind, KINDS[kind].plural}
            assert shown.truth[row, 18 + place] == 1
            place += 1
    assert place == len(single)
    assert single_out(scenes[0], np.random.default_rng(0))[0].mentions[0].objects[0] == 0


def test_the_loss_counts_every_pair_that_is_known():
    logits = torch.tensor([[2.0, -1.0, 9.0], [0.5, 3.0, -4.0]])
    truth = torch.tensor([[1, -1, 0], [-1, 1, -1]])
    expected = sum(
        np.log1p(np.exp(-sign * logit))
        for sign, logit in ((1, 2.0), (-1, -1.0), (-1, 0.5), (1, 3.0), (-1, -4.0))
    )
    assert sigmoid_loss(logits, truth).item() == pytest.approx(expected, rel=1e-6)


def test_what_ships_is_what_the_recipe_makes_and_the_record_measured():
    """The settings are the recipe's own, and the first scenes of the record give its values."""
    kept = json.loads((ASSET / "training.json").read_text())
    config = json.loads((ASSET / "config.json").read_text())
    recipe = {name: one.default for name, one in inspect.signature(train).parameters.items()}
    for name in ("steps", "batch", "seed"):
        assert kept[name] == recipe[name]
    assert kept["hidden_patches"] == recipe["hidden"]
    assert config["weight_scale"] == recipe["weight_scale"]
    numbers = records.read("llip")["numbers"]
    encoder, drawn = fp.load_encoder("llip"), list(pairs_of_things(3))
    for name, values in choices(encoder, drawn).items():
        np.testing.assert_allclose(values, numbers["choices"][name]["values"][:3], atol=0.01)
    for name, values in told_apart(encoder, drawn).items():
        claimed = numbers["told apart"]["by the caption"][name]["values"][: len(values)]
        np.testing.assert_allclose(values, claimed, atol=0.02)
