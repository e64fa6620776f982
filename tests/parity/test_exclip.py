"""The published code and ours, on the same module: CLIP in OpenAI's layout, random weights."""

import numpy as np
import pytest
import torch

import fpattr_widget as fp
from tests.helpers.published import (
    as_published,
    explainer,
    padded,
    random_inputs,
    random_openai_clip,
)

pytestmark = pytest.mark.slow

# All layers of both towers; the last of both is the one that is published.
LAYERS = [(0, 2), (1, 1), (2, 0), (2, 2)]


@pytest.mark.parametrize("nodes", [1, 10])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_maps_are_the_published_ones(seed, nodes):
    """At every layer; weights, picture and caption are drawn anew for each seed."""
    model = random_openai_clip("tiny", seed)
    image, ids = random_inputs("tiny", 6 + 4 * seed, seed)
    theirs, encoder = explainer(model), fp.load_encoder(model)
    for text, seen in LAYERS:
        settings = {"text_layer": text, "image_layer": seen, "N": nodes}
        expected = theirs.explain(padded(ids), image, **settings).numpy()
        theirs.reset_attribution()  # its hooks change what the model says
        pairs = fp.attribute(encoder, image, ids, as_published(nodes), (text, seen))
        ours = pairs.matrix.reshape(-1, *pairs.grid)
        assert expected.shape == ours.shape == (len(ids), 4, 4)
        largest = np.abs(expected).max()
        assert largest > 1e-3
        assert np.abs(ours - expected).max() < 1e-5 * largest, (text, seen)


@torch.no_grad()
def pooled_at(model, ids, end):
    """Return what the text tower says of ids if it pools at a position."""
    states = model.token_embedding(ids) + model.positional_embedding
    states = model.transformer(states.transpose(0, 1)).transpose(0, 1)
    return model.ln_final(states[0, end]) @ model.text_projection


@pytest.mark.parametrize("tokens", [3, 9])
def test_the_rest_of_the_similarity_is_the_published_one_but_for_where_a_reference_ends(tokens):
    """Its caption of reference ends at its own third position, ours where the caption does.

    Ours has to for the sum to be whole: a path leads from the reference's state to the
    caption's at one position. For a caption of a single token they are one and the same.
    """
    model = random_openai_clip("tiny", 3)
    image, ids = random_inputs("tiny", tokens, 3)
    theirs = explainer(model)
    found = theirs.explain(padded(ids), image, 2, 2, N=2, compute_lhs_terms=True)
    _, score, caption_alone, image_alone, neither = found
    reference = theirs.txt_ref
    theirs.reset_attribution()
    with torch.no_grad():
        text, seen = model.encode_text(padded(ids))[0], model.encode_image(image)[0]
        grey = model.encode_image(torch.zeros_like(image))[0]
    own_end, same_end = (pooled_at(model, reference, end) for end in (2, len(ids) - 1))
    ledger = fp.attribute(fp.load_encoder(model), image, ids, as_published(2), (2, 2)).ledger
    scale = float(text.norm() * seen.norm())

    def cosine(a, b):
        return float(a @ b / a.norm() / b.norm())

    # Theirs are cosines, ours parts of one cosine, in units of the inputs' norms.
    assert score == pytest.approx(ledger.similarity, abs=1e-6)
    with_caption = ledger.caption_only + ledger.baseline
    assert caption_alone == pytest.approx(with_caption * float(seen.norm() / grey.norm()), abs=1e-5)
    assert image_alone == pytest.approx(cosine(own_end, seen), abs=1e-5)
    assert neither == pytest.approx(cosine(own_end, grey), abs=1e-5)
    assert ledger.baseline == pytest.approx(float(same_end @ grey) / scale, abs=1e-6)
    assert ledger.image_only + ledger.baseline == pytest.approx(
        float(same_end @ seen) / scale, abs=1e-6
    )
    ours = (ledger.image_only + ledger.baseline) * float(text.norm() / same_end.norm())
    same = image_alone == pytest.approx(ours, abs=1e-5)
    assert same == (tokens == 3)
