"""Features can be removed from every family's towers, and looked at alone."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import fpattr_widget as fp
from fpattr_widget.methods._game import game_of
from tests.helpers.families import (
    align,
    altclip,
    blip,
    chinese_clip,
    flava,
    metaclip2,
    openai_clip,
    siglip2,
    vision_text_dual_encoder,
)

pytestmark = pytest.mark.slow

MAKERS = {
    "ALIGN": (align.random_encoder, align.CAPTION),
    "AltCLIP": (altclip.altclip_encoder, altclip.CAPTION),
    "BLIP": (blip.blip_encoder, blip.CAPTION),
    "Chinese-CLIP": (chinese_clip.chinese_clip_encoder, chinese_clip.CAPTION),
    "FLAVA": (flava.flava_encoder, flava.CAPTION),
    "MetaCLIP 2": (metaclip2.random_encoder, metaclip2.CAPTION),
    "OpenAI": (openai_clip.openai_encoder, openai_clip.CAPTION),
    "SigLIP 2": (siglip2.random_encoder, siglip2.CAPTION),
    **{
        name: (pair.encoder, vision_text_dual_encoder.CAPTION)
        for name, pair in vision_text_dual_encoder.PAIRS.items()
    },
}


@pytest.fixture(scope="module", params=MAKERS)
def made(request) -> tuple[fp.DualEncoder, str, str]:
    make, caption = MAKERS[request.param]
    encoder = make()
    return encoder, caption, "mask" if encoder.towers["text"].masks else "reference"


def last_layer(encoder: fp.DualEncoder) -> int:
    return len(encoder.towers["image"].blocks) - 1


def test_a_game_with_everything_is_the_models_embedding(made, picture):
    encoder, caption, tokens = made
    text, image = encoder.prepare(caption, "text"), encoder.prepare(picture, "image")
    for new_game, tower, inputs in (
        (
            lambda: game_of(encoder.part(text), {"text": tokens}),
            encoder.towers["text"],
            text.inputs,
        ),
        (
            lambda: game_of(encoder.part(image, last_layer(encoder)), {}),
            encoder.towers["image"],
            image.inputs,
        ),
    ):
        game = new_game()
        expected = torch.nn.functional.normalize(tower.embed(inputs)[0], dim=0)
        torch.testing.assert_close(game.everything(), expected, rtol=0, atol=1e-7)
        # Together they say what they say one by one.
        kept = np.random.default_rng(0).random((5, len(game.players))) < 0.5
        alone = torch.cat([new_game().values(row[None]) for row in kept])
        torch.testing.assert_close(game.values(kept), alone, rtol=0, atol=1e-7)


def test_what_a_hidden_token_says_reaches_no_one(made):
    """In its place any other may stand; in its sight it may not."""
    encoder, caption, tokens = made
    text = encoder.prepare(caption, "text")
    content_ids = text.inputs["input_ids"][0, torch.from_numpy(text.content)]
    for player, position in enumerate(torch.nonzero(torch.from_numpy(text.content))[:, 0].tolist()):
        ids = text.inputs["input_ids"].clone()
        ids[0, position] = next(other for other in content_ids if other != ids[0, position])
        changed = replace(text, inputs={**text.inputs, "input_ids": ids})
        games = [game_of(encoder.part(each), {"text": tokens}) for each in (text, changed)]
        without = np.ones((1, len(games[0].players)), bool)
        without[0, player] = False
        values = [game.values(without) for game in games]
        torch.testing.assert_close(*values, rtol=0, atol=1e-7)
        assert (games[0].everything() - games[1].everything()).norm() > 1e-6


def test_what_a_hidden_patch_shows_reaches_no_one(made, picture):
    encoder, _, _ = made
    image = encoder.prepare(picture, "image")
    layer = last_layer(encoder)
    game = game_of(encoder.part(image, layer), {})
    for player in {0, len(game.players) // 2, len(game.players) - 1}:
        without = np.ones((1, len(game.players)), bool)
        without[0, player] = False
        kept = torch.ones(1, game.features, dtype=torch.bool)
        kept[0, game.players[player]] = False
        shown = encoder.towers["image"].masked(image, layer, kept, "zeros")
        noise = torch.randn_like(image.inputs["pixel_values"])
        hidden = shown["pixel_values"] == 0
        pixels = torch.where(hidden, noise, image.inputs["pixel_values"])
        changed = replace(image, inputs={**image.inputs, "pixel_values": pixels})
        other = game_of(encoder.part(changed, layer), {})
        torch.testing.assert_close(other.values(without), game.values(without), rtol=0, atol=1e-7)
        assert (other.everything() - game.everything()).norm() > 1e-6


def test_a_pair_is_the_second_difference_of_cosines(made, picture):
    """Of four cosines, worked out with other games than those of the method."""
    encoder, caption, tokens = made
    text, image = encoder.prepare(caption, "text"), encoder.prepare(picture, "image")
    games = (
        game_of(encoder.part(text), {"text": tokens}),
        game_of(encoder.part(image, last_layer(encoder)), {}),
    )
    pairs = fp.attribute(encoder, image, caption, fp.Occlusion(tokens=tokens))
    values = pairs.feature_rows(range(len(pairs.tokens)))
    for first, second in ((0, 0), (-1, len(games[1].players) // 2)):
        embeddings = []
        for game, player in zip(games, (first, second), strict=True):
            kept = np.ones((2, len(game.players)), bool)
            kept[1, player] = False
            embeddings.append(game.values(kept).double())
        (all_, patch), (token, neither) = (embeddings[0] @ embeddings[1].T).tolist()
        row, column = games[0].players[first], games[1].players[second]
        expected = all_ - patch - token + neither
        assert values[row, column] == pytest.approx(expected, abs=1e-6)
        assert abs(expected) > 1e-6


def test_every_method_measures_every_family(made, picture):
    encoder, caption, tokens = made
    for method in (
        fp.Occlusion(tokens=tokens),
        fp.Banzhaf(samples=16, tokens=tokens),
        fp.GradientTimesInput(),
        fp.PatchTokenSimilarity(),
    ):
        pairs = fp.attribute(encoder, picture, caption, method)
        assert np.isfinite(pairs.matrix).all()
        words = [not token.special for token in pairs.tokens]
        assert (np.abs(pairs.matrix[words]).max(1) > 1e-9).all(), method
        similarity = encoder.similarity(picture, caption)
        assert pairs.ledger.similarity == pytest.approx(similarity, abs=1e-6)
