"""Training on differences: what it is shown, its loss, and that only the text tower learns."""

import copy

import numpy as np
import pytest
import torch
from scipy.special import log_softmax

import fpattr_widget as fp
from fpattr_widget.scenes import DIFFERENCE_WORDS, Sprites, example
from fpattr_widget.training import tune_on_differences
from fpattr_widget.training._differences import (
    DifferenceBatches,
    DifferenceLearner,
    _contrast,
    averaged,
    draw_differences,
    ready_to_learn,
)
from fpattr_widget.training.differences import train
from tests.helpers.models import random_encoder

SENTENCES = ["a dog instead of a cat", "the first picture is at night, while the second picture"]


@pytest.fixture(scope="module")
def own() -> fp.DualEncoder:
    """Return the model of scenes, for this file alone."""
    return fp.load_encoder("scenes")


@pytest.fixture(scope="module")
def batches() -> DifferenceBatches:
    differences = draw_differences(40, 0, Sprites())
    assert not any(difference.withheld for difference in differences)
    vectors = np.random.default_rng(0).normal(size=(40, 2, 128)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
    return DifferenceBatches(differences, vectors, 0, 10, 8)


def test_batches_hold_each_difference_both_ways_round(batches):
    batch, again, other = batches[3], batches[3], batches[4]
    assert (batch.sentences, batch.captions) == (again.sentences, again.captions)
    assert batch.sentences != other.sentences
    assert len(batch.sentences) == 16
    assert len(batch.captions) == 8
    torch.testing.assert_close(batch.differences[:8], -batch.differences[8:])
    torch.testing.assert_close(batch.differences.norm(dim=1), torch.ones(16))
    for sentence, apart, picture in zip(
        batch.sentences[:8], batch.differences, batch.pictures, strict=False
    ):
        (number,) = (
            number
            for number, (first, _) in enumerate(batches.embeddings)
            if torch.equal(first, picture)
        )
        difference = batches.differences[number]
        assert all(shown.words in sentence for shown in difference.shown)
        assert sentence.index(difference.shown[0].words) <= sentence.rindex(
            difference.shown[1].words
        )
        first, second = batches.embeddings[number]
        torch.testing.assert_close(apart, (first - second) / (first - second).norm())
    assert batch.same.diagonal().all()
    assert torch.equal(batch.same, batch.same.T)


def test_the_loss_is_the_mean_of_both_cross_entropies_without_the_same_content():
    logits = np.random.default_rng(1).normal(size=(5, 5))
    same = np.eye(5, dtype=bool)
    same[0, 3] = same[3, 0] = True
    others = np.where(same & ~np.eye(5, dtype=bool), -np.inf, logits)
    expected = -(np.diag(log_softmax(others, 1)) + np.diag(log_softmax(others, 0))).mean() / 2
    found = _contrast(torch.from_numpy(logits), torch.from_numpy(same))
    assert found.item() == pytest.approx(expected)


@pytest.mark.parametrize("captions", [0.0, 1.0])
def test_the_loss_falls_and_only_the_text_tower_learns(own, batches, captions):
    before = {name: weight.clone() for name, weight in own.model.state_dict().items()}
    words = dict(own.tokenizer.get_vocab())
    model, tokenizer = ready_to_learn(own, DIFFERENCE_WORDS)
    learner = DifferenceLearner(model, tokenizer, 1e-3, temperature=0.1, captions=captions)
    losses = [learner.step(batches[0])[0] for _ in range(6)]
    assert losses[-1] < 0.7 * losses[0]
    changed = {
        name
        for name, weight in model.state_dict().items()
        if not torch.equal(weight[: len(before[name])] if weight.ndim else weight, before[name])
    }
    assert changed
    assert all(name.startswith(("text_model.", "text_projection.")) for name in changed)
    assert any("layers.0.self_attn" in name for name in changed)
    # The user's own model and tokenizer are as they were.
    assert all(torch.equal(weight, before[name]) for name, weight in own.model.state_dict().items())
    assert all(weight.requires_grad for weight in own.model.parameters())
    assert own.tokenizer.get_vocab() == words
    # Words are added behind those that are known.
    for sentence in SENTENCES:
        ids = tokenizer(sentence)["input_ids"]
        assert tokenizer.unk_token_id not in ids
        assert own.tokenizer.unk_token_id in own.tokenizer(sentence)["input_ids"]
    plain = "a dog and a cat on the grass"
    assert tokenizer(plain)["input_ids"] == own.tokenizer(plain)["input_ids"]
    half = averaged(model, own.model, 0.25).state_dict()
    name = "text_model.encoder.layers.0.mlp.fc1.weight"
    torch.testing.assert_close(half[name], 0.75 * model.state_dict()[name] + 0.25 * before[name])
    assert len(half["text_model.embeddings.token_embedding.weight"]) == len(tokenizer)


def test_a_model_that_cannot_learn_is_refused():
    encoder = copy.copy(random_encoder())
    encoder.processors = {}
    with pytest.raises(fp.InputError, match="`model` 'CLIPModel' has no text tower that can be"):
        ready_to_learn(encoder, DIFFERENCE_WORDS)


@pytest.mark.slow
def test_a_run_resumes_and_its_folder_is_the_model_tuned_in_memory(own, tmp_path, monkeypatch):
    options = {"pairs": 12, "batch": 4, "average": 0.25}
    tuned = tune_on_differences(own, steps=2, progress=False, **options)
    assert tuned.defaults == own.defaults
    import fpattr_widget.training._run as module

    class EnoughError(Exception):
        pass

    save_state, saved = module.save_state, []

    def interrupted(path, **state):
        save_state(path, **state)
        saved.append(state["done"])
        if len(saved) == 1:
            raise EnoughError

    monkeypatch.setattr(module, "save_state", interrupted)
    with pytest.raises(EnoughError):
        train(tmp_path, model=own, steps=2, save_every=1, **options)
    train(tmp_path, model=own, steps=2, save_every=1, **options)
    assert saved == [1, 2]
    loaded = fp.load_encoder(tmp_path)
    assert loaded.defaults == own.defaults
    texts, picture = [*SENTENCES, "a dog"], example("farm").image
    found, expected = loaded.embed_text(texts), tuned.embed_text(texts)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.abs(own.embed_text(texts) - expected).max() > 1e-4
    np.testing.assert_array_equal(loaded.embed_image([picture]), own.embed_image([picture]))
