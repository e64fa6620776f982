"""Alignment on paraphrases: what is trained, what stays as it is, and what it learns."""

import copy
import json
import re

import numpy as np
import pytest
import torch
from PIL import Image

import fpattr_widget as fp
from fpattr_widget.evaluation import Paraphrase, Paraphrases
from fpattr_widget.scenes import KINDS, example
from fpattr_widget.training import align
from fpattr_widget.training._alignment import AlignmentLearner, WordingBatches, prepared
from fpattr_widget.training.paraphrases import (
    TRAINED_KINDS,
    WITHHELD_KINDS,
    WITHHELD_REWRITES,
    aligned_scenes,
    train,
)
from tests.helpers.families.vision_text_dual_encoder import VIT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def drawn() -> Paraphrases:
    return aligned_scenes(16, 3)


@pytest.fixture(scope="module")
def batches(scenes_encoder, drawn) -> WordingBatches:
    return WordingBatches(scenes_encoder, drawn, seed=2, steps=4, size=8)


def weights(model) -> dict[str, torch.Tensor]:
    return {name: weight.clone() for name, weight in model.state_dict().items()}


def changed(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> set[str]:
    return {name for name in before if not torch.equal(before[name], after[name])}


def learner_of(encoder, layers, **options) -> AlignmentLearner:
    torch.manual_seed(0)
    return AlignmentLearner(
        prepared(encoder.model, layers), encoder.processors["text"], 1e-3, **options
    )


def test_what_is_held_out_is_never_drawn(drawn):
    assert set(WITHHELD_KINDS) | set(TRAINED_KINDS) == {k for k in KINDS if k in drawn_kinds()}
    assert len(WITHHELD_KINDS) > 10
    nouns = {name for kind in KINDS.values() if kind.name in WITHHELD_KINDS
             for name in (kind.name, kind.plural)}  # fmt: skip
    for pair in drawn:
        said = set(re.findall("[a-z]+", f"{pair.query} {pair.paraphrase}"))
        assert not said & nouns
    again = fp.datasets.scene_paraphrases(16, seed=1000, rewrites=WITHHELD_REWRITES)
    assert not {pair.paraphrase for pair in again} & {pair.paraphrase for pair in drawn}
    first = {pair.query for pair in fp.datasets.scene_paraphrases(16, seed=0)}
    assert not first & set(drawn.queries)


def drawn_kinds() -> set[str]:
    return {kind.name for kind in fp.scenes.TRAINED_KINDS}


def test_a_batch_holds_three_wordings_of_each_of_different_pictures(scenes_encoder, drawn, batches):
    batch, again = batches[1], batches[1]
    assert (batch.queries, batch.others) == (again.queries, again.others)
    assert batches[2].queries != batch.queries
    assert len(set(batch.queries)) == 8
    pairs = {(pair.query, pair.paraphrase) for pair in drawn}
    for wordings in (batch.paraphrases, batch.others):
        assert set(zip(batch.queries, wordings, strict=True)) <= pairs
    assert batch.paraphrases != batch.others
    sources = {pair.query: pair.source for pair in drawn}
    own = scenes_encoder.embed_image([sources[query]() for query in batch.queries])
    np.testing.assert_allclose(batch.images.numpy(), own, atol=1e-5)


def test_the_loss_is_that_of_paraclip(scenes_encoder, batches):
    """Written out: each term is the mean over rows and columns of -log softmax."""
    batch = batches[0]
    images = batch.images.double().numpy()
    texts = [
        scenes_encoder.embed_text(wordings).astype(float)
        for wordings in (batch.queries, batch.paraphrases, batch.others)
    ]
    own = scenes_encoder.model.logit_scale.exp().item()

    def term(one: np.ndarray, other: np.ndarray, scale: float = own) -> float:
        scores = np.exp(scale * one @ other.T)
        right = scores.diagonal()
        return -(np.log(right / scores.sum(0)) + np.log(right / scores.sum(1))).mean() / 2

    expected = term(images, texts[2]) + term(texts[0], texts[1]) + term(texts[1], texts[2])
    # New layers change nothing yet.
    for layers in (None, 1, 2):
        loss, accuracy = learner_of(scenes_encoder, layers).losses(batch)
        assert loss.item() == pytest.approx(expected, rel=1e-3)
        right = (images @ texts[0].T).argmax(0) == np.arange(len(images))
        assert accuracy.item() == pytest.approx(right.mean())
    control, _ = learner_of(scenes_encoder, 1, paraphrased=False).losses(batch)
    assert control.item() == pytest.approx(term(images, texts[0]), rel=1e-3)
    warm = learner_of(scenes_encoder, 1, paraphrased=False, temperature=0.1).losses(batch)[0]
    assert warm.item() == pytest.approx(term(images, texts[0], 10), rel=1e-3)


@pytest.mark.parametrize(
    ("layers", "trained"),
    [(2, r"text_model\.encoder\.layers\.[34]\."), (None, "text_model|text_projection")],
)
def test_the_loss_falls_and_only_what_is_trained_changes(scenes_encoder, batches, layers, trained):
    learner = learner_of(scenes_encoder, layers)
    before = weights(learner.model)
    losses = [learner.step(batches[0])[0] for _ in range(6)]
    assert losses[-1] < 0.8 * losses[0]
    after = changed(before, learner.model.state_dict())
    assert after
    assert all(re.match(trained, name) for name in after)
    assert not any(name.startswith("vision") for name in after)
    assert learner.model.config.text_config.num_hidden_layers == 3 + (layers or 0)


def test_aligning_leaves_the_model_that_it_starts_from(scenes_encoder, drawn):
    before, config = weights(scenes_encoder.model), copy.deepcopy(scenes_encoder.model.config)
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    options = {"steps": 2, "batch": 4, "progress": False}
    tuned = align(scenes_encoder, drawn, **options)
    torch.testing.assert_close(torch.rand(3), expected)
    assert not changed(before, scenes_encoder.model.state_dict())
    assert scenes_encoder.model.config.to_dict() == config.to_dict()
    assert tuned.name == "scenes, aligned"
    assert tuned.resolve_layers(None) == scenes_encoder.resolve_layers(None)
    assert not tuned.model.training
    again = align(scenes_encoder, drawn, **options)
    assert not changed(weights(again.model), tuned.model.state_dict())
    picture = example("picnic").image
    (one,), (other,) = (each.embed_image([picture]) for each in (tuned, scenes_encoder))
    np.testing.assert_array_equal(one, other)
    assert np.abs(tuned.embed_text(["a dog"]) - scenes_encoder.embed_text(["a dog"])).max() > 1e-4


def test_what_is_saved_opens_and_is_explained_as_any_other(tmp_path, scenes_encoder):
    options = {"scenes": 8, "wordings": 2, "steps": 2, "batch": 4, "layers": 1, "save_every": 1}
    train(tmp_path, **options, device="cpu")
    kept = torch.load(tmp_path / "state.pt", weights_only=True)
    assert kept["done"] == 2
    train(tmp_path, **options, device="cpu")  # no further
    encoder = fp.load_encoder(tmp_path)
    for name, weight in encoder.model.state_dict().items():
        torch.testing.assert_close(weight, kept["model"][name], rtol=0, atol=0)
    assert len(encoder.model.text_model.encoder.layers) == 4
    assert encoder.resolve_layers(None) == scenes_encoder.resolve_layers(None)
    about = json.loads((tmp_path / "training.json").read_text())
    assert (about["steps"], about["alignment_layers"], about["strategy"]) == (2, 1, "layers")
    pairs = fp.attribute(encoder, example("picnic").image, "a dog")
    assert pairs.ledger.similarity == pytest.approx(
        encoder.similarity(example("picnic").image, "a dog"), abs=1e-5
    )
    assert abs(pairs.ledger.residual) < 0.02


def test_a_language_model_goes_through_all_of_it(tmp_path):
    """A BERT beside a ViT, and a table of one's own."""
    generator = np.random.default_rng(0)
    words = ("a dog", "dogs", "playing balls", "a dog, playing", "balls", "a dog playing balls")
    lines = ["query,paraphrase,image"]
    for place, word in enumerate(words):
        pixels = generator.integers(0, 255, (24, 24, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{place}.png")
        lines.append(f'"{word}","{word}, a dog",{place}.png')
    (tmp_path / "mine.csv").write_text("\n".join(lines))
    pairs = fp.datasets.paraphrase_table(tmp_path / "mine.csv")
    encoder = VIT.encoder(torch.float32)
    before = weights(encoder.model)
    agreement = fp.ranking_agreement(encoder, pairs, k=3)
    assert agreement.average_overlap.shape == (1, len(words))
    settings = {"batch": 6, "steps": 8, "learning_rate": 1e-2, "temperature": None}
    for strategy, moved in (("layers", "text_projection"), ("tower", "text_(model|projection)")):
        tuned = align(encoder, pairs, strategy=strategy, progress=False, **settings)
        after = changed(before, tuned.model.state_dict())
        assert after
        assert all(re.match(moved, name) for name in after)
        batch = WordingBatches(encoder, pairs, 0, 1, 6)[0]
        losses = [
            AlignmentLearner(copy.deepcopy(one.model), encoder.processors["text"], 0).losses(batch)
            for one in (encoder, tuned)
        ]
        assert losses[1][0] < 0.9 * losses[0][0]
    assert not changed(before, encoder.model.state_dict())
    assert fp.attribute(tuned, pairs[0].image, pairs[0].query).ledger
    found = fp.ranking_agreement([encoder, tuned], pairs, k=3)
    np.testing.assert_array_equal(found.average_overlap[0], agreement.average_overlap[0])
    assert found.average_overlap[1].mean() > 0


def test_what_cannot_be_aligned_is_told(scenes_encoder, drawn):
    without = Paraphrases("mine", [Paraphrase("a dog", "dogs"), *drawn[:4]])
    one = Paraphrases("mine", [pair for pair in drawn if pair.group == drawn[0].group])
    for pairs, problem in ((without, "no picture for 'a dog'"), (one, "fewer than two pictures")):
        with pytest.raises(fp.InputError, match=problem) as raised:
            align(scenes_encoder, pairs, steps=1, progress=False)
        assert raised.value.argument == "paraphrases"
    with pytest.raises(fp.InputError, match="AlignModel") as raised:
        align(fp.load_encoder("bundled"), drawn, steps=1, progress=False)
    assert raised.value.argument == "encoder"
