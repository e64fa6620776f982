"""Occlusion against the second difference of the model's own cosine."""

import threading

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fpattr_widget as fp
from tests.helpers.clip_by_hand import CAPTION, CONTENT, PATCHES, ByHand
from tests.helpers.models import random_encoder


@pytest.mark.parametrize("tokens", ["mask", "reference"])
def test_a_pair_is_the_second_difference_of_the_cosine(encoder, picture, tokens):
    cosine = ByHand(encoder, picture, tokens).cosine
    expected = [
        [cosine() - cosine([j]) - cosine((), [i]) + cosine([j], [i]) for i in PATCHES]
        for j in CONTENT
    ]
    pairs = fp.attribute(encoder, picture, CAPTION, fp.Occlusion(tokens=tokens))
    assert np.abs(expected).max() > 1e-3
    np.testing.assert_allclose(pairs.matrix[1:-1], expected, rtol=0, atol=1e-6)


def test_positions_that_stay_have_zeros_and_the_ledger_says_what_is_left(encoder, picture):
    cosine = ByHand(encoder, picture).cosine
    pairs = fp.attribute(encoder, picture, CAPTION, fp.Occlusion())
    assert pairs.image_special_names == ("CLS",)
    assert not pairs.image_special.any()
    assert not pairs.matrix[[0, -1]].any()
    ledger, baseline = pairs.ledger, cosine(CONTENT, PATCHES)
    assert ledger.similarity == pytest.approx(cosine(), abs=1e-6)
    assert ledger.baseline == pytest.approx(baseline, abs=1e-6)
    assert ledger.caption_only == pytest.approx(cosine((), PATCHES) - baseline, abs=1e-6)
    assert ledger.image_only == pytest.approx(cosine(CONTENT) - baseline, abs=1e-6)
    assert ledger.pairs == pytest.approx(pairs.matrix.sum(), abs=1e-5)


@settings(deadline=None, max_examples=15, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_spans_and_regions_are_sums(encoder, picture, data):
    whole = fp.attribute(encoder, picture, CAPTION, "occlusion").matrix
    pairs = fp.attribute(encoder, picture, CAPTION, "occlusion")
    tokens = data.draw(st.lists(st.integers(0, 7), min_size=1, unique=True))
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=9, max_size=9))).reshape(3, 3)
    np.testing.assert_allclose(
        pairs.of_region(mask), whole[:, mask.ravel()].sum(1), rtol=0, atol=1e-6
    )
    np.testing.assert_allclose(
        pairs.of_tokens(tokens).ravel(), whole[tokens].sum(0), rtol=0, atol=1e-6
    )


class Encodings:
    """Counts the inputs that go through a module."""

    def __init__(self, module: torch.nn.Module):
        self.count = 0
        self._hook = module.register_forward_hook(self._see)

    def _see(self, _module, _arguments, output) -> None:
        self.count += len(output.pooler_output)

    def stop(self) -> None:
        self._hook.remove()


def test_a_region_costs_its_patches_and_nothing_is_encoded_twice(picture):
    encoder = random_encoder()
    image, text = Encodings(encoder.model.vision_model), Encodings(encoder.model.text_model)
    pairs = fp.attribute(encoder, picture, CAPTION, "occlusion")
    assert image.count == text.count == 0
    mask = np.zeros((3, 3), bool)
    mask[0, :2] = True
    pairs.of_region(mask)
    # The states are read once, for their size; then all features, then the region.
    assert image.count == 1 + 1 + 2
    assert text.count == 1 + 1 + 6
    pairs.of_region(mask)
    assert image.count == 1 + 1 + 2
    pairs.matrix  # noqa: B018 - and then what features bring by themselves, beside nothing
    pairs.ledger  # noqa: B018
    assert image.count == 1 + 1 + 9 + 1
    assert text.count == 1 + 1 + 6 + 1
    # Another caption on the same image finds the patches occluded.
    fp.attribute(encoder, picture, "a cat", "occlusion").matrix  # noqa: B018
    assert image.count == 1 + 1 + 9 + 1


def test_threads_share_the_occlusions_of_an_image(picture):
    encoder = random_encoder()
    whole = fp.attribute(encoder, picture, CAPTION, "occlusion").matrix
    encoder = random_encoder()
    counted = Encodings(encoder.model.vision_model)
    regions = [np.arange(9).reshape(3, 3) % 4 == number for number in range(4)]
    results: dict[int, np.ndarray] = {}
    begin = threading.Barrier(4)

    def work(number: int) -> None:
        pairs = fp.attribute(encoder, picture, CAPTION, "occlusion")
        begin.wait()
        results[number] = pairs.of_region(regions[number])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counted.count == 1 + 1 + 9
    for number, result in results.items():
        expected = whole[:, regions[number].ravel()].sum(1)
        np.testing.assert_allclose(result, expected, rtol=0, atol=1e-6)


def test_an_empty_region_is_nothing(encoder, picture):
    pairs = fp.attribute(encoder, picture, CAPTION, "occlusion")
    np.testing.assert_array_equal(pairs.of_region(np.zeros((3, 3), bool)), np.zeros(8))


@pytest.mark.parametrize(("caption", "words"), [(CAPTION, "6 occlusions"), ("dog", "1 occlusion")])
def test_what_was_done_is_said(encoder, picture, caption, words):
    pairs = fp.attribute(encoder, picture, caption, "occlusion")
    pairs.row(1)
    described = pairs.provenance()
    assert described["nodes"] == f"text {words} · image 9 occlusions"
    assert described["layers"] == "at the input"
    assert pairs.standard_error is None


@pytest.mark.parametrize("settings", [{"tokens": "delete"}, {"patches": "blur"}])
def test_wrong_settings_are_named(settings):
    (name,) = settings
    with pytest.raises(fp.InputError, match=f"`{name}` is"):
        fp.Occlusion(**settings)
