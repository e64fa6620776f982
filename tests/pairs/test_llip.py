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


def test_maps_are_of_what_a_caption_names_and_of_what_it_chose(llip):
    shown = example("farm")
    boxes = {thing.kind: thing.box for thing in shown.objects}
    ledgers = {}
    for caption in ("a pig", "a tree"):
        pairs = fp.attribute(llip, shown.image, caption)
        assert share_in(map_of(pairs), boxes[CAPTIONS[caption]]) > 0.6
        ledgers[caption] = ledger = pairs.ledger
        assert ledger.match + ledger.routing == pytest.approx(ledger.pairs, abs=1e-6)
    assert ledgers["a pig"].match > ledgers["a pig"].routing > 0
    assert ledgers["a tree"].routing > ledgers["a tree"].match > 0

    both = fp.attribute(llip, shown.image, "a pig and a tree", reading="frozen")
    for caption in ledgers:
        place = llip.read_out(shown.image, caption).contributions_of_places.argmax()
        assert share_in(map_of(both.through(int(place))), boxes[CAPTIONS[caption]]) > 0.5


def share_in(heat: np.ndarray, box: tuple[float, ...]) -> float:
    """Return the share of positive mass in a box."""
    positive = heat.clip(0)
    return float(positive[patches_in_boxes([box], heat.shape)].sum() / positive.sum())
