"""What holds for every method, through the front door."""

import threading

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fpattr_widget as fp
from fpattr_widget.methods import METHODS
from fpattr_widget.scenes import example
from tests.helpers.clip_by_hand import CAPTION
from tests.helpers.models import Processor, random_clip, spelling_encoder

AT_A_PLACE_OF_THEIR_OWN = ("occlusion", "banzhaf", "patch_token_similarity", "grad_eclip")
QUICK = {
    "integrated_jacobians": fp.IntegratedJacobians(steps=4),
    "gradient_times_input": fp.GradientTimesInput(),
    "occlusion": fp.Occlusion(),
    "banzhaf": fp.Banzhaf(samples=48),
    "patch_token_similarity": fp.PatchTokenSimilarity(),
    "grad_eclip": fp.GradECLIP(),
    "integrated_gradients": fp.IntegratedGradients(steps=4),
}


def test_every_method_has_its_name():
    assert set(METHODS) == set(QUICK)
    for name, method in QUICK.items():
        assert METHODS[name] is type(method)
        assert getattr(fp, type(method).__name__) is type(method)
        assert hash(method) == hash(type(method)(**vars(method)))


@pytest.mark.parametrize("name", QUICK)
def test_the_ledger_adds_up_on_the_model_of_scenes(scenes_encoder, name):
    scene = example("dog-and-ball")
    pairs = fp.attribute(scenes_encoder, scene.image, scene.caption, QUICK[name])
    ledger = pairs.ledger
    parts = ledger.pairs + ledger.caption_only + ledger.image_only + ledger.baseline
    assert parts + ledger.residual == pytest.approx(ledger.similarity, abs=1e-12)
    similarity = scenes_encoder.similarity(scene.image, scene.caption)
    assert ledger.similarity == pytest.approx(similarity, abs=1e-5)
    everything = pairs.matrix.sum(dtype=float) + pairs.image_special.sum(dtype=float)
    assert ledger.pairs == pytest.approx(everything, rel=1e-4, abs=1e-4)
    assert np.isfinite(pairs.matrix).all()


@pytest.mark.parametrize("name", QUICK)
def test_it_is_shown(scenes_encoder, name):
    scene = example("dog-and-ball")
    pairs = fp.attribute(scenes_encoder, scene.image, scene.caption, QUICK[name])
    widget = pairs.widget().bake()
    assert widget.about == {**pairs.provenance()}
    assert widget.about["method"] == QUICK[name].label
    assert widget.about["nodes"]
    rows = np.frombuffer(widget.rows, "<f4").reshape(len(pairs.tokens), -1)
    np.testing.assert_array_equal(rows[:, 1:], pairs.matrix)
    assert widget.similarity == pytest.approx(
        scenes_encoder.similarity(scene.image, scene.caption), abs=1e-5
    )
    widget.close()


@settings(deadline=None, max_examples=8, suppress_health_check=list(HealthCheck))
@given(data=st.data())
@pytest.mark.parametrize("name", QUICK)
def test_spans_and_regions_are_sums(encoder, picture, name, data):
    whole = fp.attribute(encoder, picture, CAPTION, QUICK[name]).matrix
    pairs = fp.attribute(encoder, picture, CAPTION, QUICK[name])
    tokens = data.draw(st.lists(st.integers(0, 7), min_size=1, unique=True))
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=9, max_size=9))).reshape(3, 3)
    scale = np.abs(whole).max()
    np.testing.assert_allclose(
        pairs.of_region(mask), whole[:, mask.ravel()].sum(1), rtol=0, atol=4e-6 * scale
    )
    np.testing.assert_allclose(
        pairs.of_tokens(tokens).ravel(), whole[tokens].sum(0), rtol=0, atol=4e-6 * scale
    )


@pytest.mark.parametrize("name", QUICK)
def test_words_are_the_sums_of_their_tokens(picture, name):
    pairs = fp.attribute(spelling_encoder(), picture, "a good dog", QUICK[name])
    words = pairs.words()
    assert [token.text for token in words.tokens] == ["BOS", "a", "good", "dog", "EOS"]
    scale = np.abs(pairs.matrix).max()
    expected = [pairs.matrix[part].sum(0) for part in ([1], [2, 3, 4, 5], [6, 7, 8])]
    np.testing.assert_allclose(words.matrix[1:-1], expected, rtol=0, atol=4e-6 * scale)
    assert words.ledger.pairs == pytest.approx(pairs.ledger.pairs, abs=1e-5)
    assert words.provenance() == pairs.provenance() or name == "banzhaf"
    assert (words.standard_error is None) == (pairs.standard_error is None) == (name != "banzhaf")


@pytest.mark.parametrize("name", AT_A_PLACE_OF_THEIR_OWN)
@pytest.mark.parametrize("layer", [0, -1, (1, 2)])
def test_a_layer_means_nothing_to_some(encoder, picture, name, layer):
    with pytest.raises(fp.InputError, match=r"`layer` is .* knows no layers .* leave `layer` out"):
        fp.attribute(encoder, picture, CAPTION, name, layer)
    assert fp.attribute(encoder, picture, CAPTION, name).about.layers == QUICK[name].reads_at


@pytest.mark.parametrize("method", [fp.Occlusion, None, 3])
def test_what_is_no_method_is_named(encoder, picture, method):
    with pytest.raises(fp.InputError, match=r"`method` is .*: pass a name, or a method"):
        fp.attribute(encoder, picture, CAPTION, method)


@pytest.mark.parametrize("name", QUICK)
def test_threads_share_one_image(picture, name):
    encoder = fp.load_encoder(random_clip(), processor=Processor(24))
    whole = fp.attribute(encoder, picture, CAPTION, QUICK[name]).matrix
    fresh = fp.load_encoder(random_clip(), processor=Processor(24))
    results: dict[int, np.ndarray] = {}

    def work(token: int) -> None:
        results[token] = fp.attribute(fresh, picture, CAPTION, QUICK[name]).row(token).ravel()

    threads = [threading.Thread(target=work, args=(token,)) for token in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == list(range(5))
    for token, row in results.items():
        np.testing.assert_allclose(row, whole[token], rtol=0, atol=1e-6)


# Planted: what a model ignores, and what it cannot tell apart


@pytest.mark.parametrize(
    "method", [fp.Occlusion(tokens="reference"), fp.Banzhaf(tokens="reference")]
)
def test_a_token_that_says_what_the_reference_says_is_nothing(picture, method):
    """Its embedding is that of padding; every other token speaks."""
    model = random_clip()
    encoder = fp.load_encoder(model, processor=Processor(24))
    ids = encoder.prepare(CAPTION, "text").inputs["input_ids"][0]
    table = model.text_model.embeddings.token_embedding.weight
    with torch.no_grad():
        table[ids[2]] = table[encoder.processors["text"].pad_token_id]
    sizes = np.abs(fp.attribute(encoder, picture, CAPTION, method).matrix).max(1)
    assert sizes[2] < 1e-12
    assert (sizes[[1, 3, 4, 5, 6]] > 1e-5).all()


@pytest.mark.parametrize(
    ("method", "layer"),
    [
        (fp.Occlusion(), None),
        (fp.Banzhaf(samples=512), None),
        # At the first block a state is that of its patch alone.
        (fp.GradientTimesInput(), 0),
        (fp.IntegratedJacobians(steps=4), 0),
    ],
)
def test_a_patch_that_is_zero_already_is_nothing(encoder, picture, method, layer):
    pixels = encoder.prepare(picture, "image").inputs["pixel_values"].clone()
    pixels[:, :, 8:16, 0:8] = 0
    sizes = np.abs(fp.attribute(encoder, pixels, CAPTION, method, layer).matrix).max(0)
    assert sizes[3] < 1e-12
    assert (np.delete(sizes, 3) > 1e-5).all()


METHODS_OF_PATCHES = [
    fp.Occlusion(),
    fp.Banzhaf(samples=512, p=0.3),
    fp.GradientTimesInput(),
    fp.PatchTokenSimilarity(),
]


@pytest.mark.parametrize("method", METHODS_OF_PATCHES, ids=lambda method: type(method).__name__)
def test_patches_that_the_model_cannot_tell_apart_have_equal_values(picture, method):
    """The same pixels at two places, in a model that knows no places."""
    model = random_clip()
    with torch.no_grad():
        model.vision_model.embeddings.position_embedding.weight.zero_()
    encoder = fp.load_encoder(model, processor=Processor(24))
    pixels = encoder.prepare(picture, "image").inputs["pixel_values"].clone()
    pixels[:, :, 0:8, 8:16] = pixels[:, :, 16:24, 16:24]
    matrix = fp.attribute(encoder, pixels, CAPTION, method).matrix
    np.testing.assert_allclose(matrix[:, 1], matrix[:, 8], rtol=0, atol=1e-7)
    assert np.abs(matrix[:, 1] - matrix[:, 0]).max() > 1e-4
