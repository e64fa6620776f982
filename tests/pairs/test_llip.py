"""The Llip of drawn scenes: one picture under three captions, as its notebook tells it."""

import numpy as np
import pytest

import fpattr_widget as fp
from fpattr_widget.evaluation._geometry import patches_in_boxes
from fpattr_widget.scenes import example
from tests.benchmarks.llip import distance, map_of

CAPTIONS = {"a cow": "cow", "a pig": "pig", "a tree": "tree"}


@pytest.fixture(scope="module")
def llip() -> fp.DualEncoder:
    return fp.load_encoder("llip")


def test_things_are_read_through_tokens_of_their_own(llip):
    picture = example("farm").image
    read = {caption: llip.read_out(picture, caption) for caption in CAPTIONS}
    most = {caption: int(one.contributions_of_places.argmax()) for caption, one in read.items()}
    assert len(set(most.values())) == 3
    for caption, one in read.items():
        assert one.places == tuple(f"mixture {number}" for number in range(1, 8))
        assert one.contributions.sum() == pytest.approx(one.similarity, abs=1e-6)
        assert one.effective_places < 4.5
        reworded = llip.read_out(picture, caption.replace("a ", "a photo of a "))
        assert distance(one.weights, reworded.weights) < 0.1
        for other in CAPTIONS.keys() - {caption}:
            assert distance(one.weights, read[other].weights) > 0.6
    pig, tree = read["a pig"], read["a tree"]
    change = pig.change_from(tree).contributions_of_places
    assert change.argmax() == most["a pig"]
    assert change.argmin() == most["a tree"]
    # What is shown leads what is not, by the caption and without its choice.
    asked = [*CAPTIONS, "a horse", "a guitar"]
    alike = fp.load_encoder("llip", weight_scale=float("inf"))
    for model in (llip, alike):
        scores = model.similarities(picture, asked)
        assert scores[:3].min() > scores[3:].max()


def test_a_map_is_of_what_a_caption_names_and_of_what_it_chose(llip):
    shown = example("farm")
    boxes = {thing.kind: thing.box for thing in shown.objects}
    pairs = fp.attribute(llip, shown.image, "a pig")
    heat = map_of(pairs)
    inside = patches_in_boxes([boxes["pig"]], heat.shape)
    assert inside.ravel()[heat.argmax()]
    assert heat.clip(0)[inside].sum() > 0.5 * heat.clip(0).sum()
    ledger = pairs.ledger
    assert ledger.match + ledger.routing == pytest.approx(ledger.pairs, abs=1e-6)
    assert ledger.routing > ledger.match > 0
    assert np.isfinite(pairs.matrix).all()
