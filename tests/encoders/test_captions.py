"""Captions: words, special positions, hostile and impossible ones."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import fpattr_widget as fp
from fpattr_widget.encoders._tokens import align_tokens, word_spans


def words(caption: str) -> list[str]:
    return [caption[start:stop] for start, stop in word_spans(caption)]


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("a dog, a ball.", ["a", "dog", ",", "a", "ball", "."]),
        ("the dog's well-known ball", ["the", "dog's", "well-known", "ball"]),
        ("一只狗 and 球", ["一", "只", "狗", "and", "球"]),
        ("👩‍👩‍👧 fun 🇫🇷!", ["👩‍👩‍👧", "fun", "🇫🇷", "!"]),
        ("كلب وكرة", ["كلب", "وكرة"]),
        ("שלום, עולם", ["שלום", ",", "עולם"]),
        ("éte\u0301", ["éte\u0301"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("   ", []),
    ],
)
def test_words_of_many_scripts(caption, expected):
    assert words(caption) == expected


@given(st.text(max_size=60))
def test_words_hold_every_visible_character_once(caption):
    spans = word_spans(caption)
    assert all(a < b for a, b in spans)
    assert all(first[1] <= second[0] for first, second in pairwise(spans))
    covered = {i for start, stop in spans for i in range(start, stop)}
    assert all(i in covered for i, c in enumerate(caption) if c.isalnum())


def test_pieces_with_leading_space_belong_to_their_word():
    """SentencePiece counts the space before a word as its part."""
    caption = "a puppy barks"
    tokens = align_tokens(caption, [(0, 1), (1, 5), (5, 7), (7, 13)], [None] * 4)
    assert [(t.text, t.word) for t in tokens] == [("a", 0), ("pup", 1), ("py", 1), ("barks", 2)]


def test_bytes_of_one_emoji_are_one_word():
    tokens = align_tokens("🐶 dog", [(0, 1), (0, 1), (0, 1), (2, 5)], [None] * 4)
    assert [t.word for t in tokens] == [0, 0, 0, 1]


def test_special_positions_are_named(encoder):
    tokens = encoder.prepare("a dog", "text").tokens
    assert [(t.text, t.special) for t in tokens] == [
        ("BOS", True), ("a", False), ("dog", False), ("EOS", True),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "caption",
    [
        "🐶🎈",
        "كلب وكرة",
        "<script>alert(1)</script>",
        "a dog\u2028a ball",
        "DOG",
        "ﬁsh",
        "a\x00dog",
    ],
)
def test_unusual_captions_work_and_keep_their_text(encoder, picture, caption):
    pairs = fp.attribute(encoder, picture, caption, fp.IntegratedJacobians(steps=2))
    assert np.isfinite(pairs.matrix).all()
    for token in pairs.tokens:
        if not token.special:
            assert caption[token.start : token.stop] == token.text


@pytest.mark.parametrize(
    ("caption", "sentence"),
    [
        ("", "`caption` is empty"),
        (" \n\t", "`caption` is empty"),
        ("a \ud800 dog", "`caption` holds half of a character"),
        ("dog " * 10_000, "`caption` has 10002 tokens and the model reads at most 24"),
        (None, "`caption` is a NoneType"),
        (3.5, "`caption` is a float"),
        (["a dog", "a cat"], "`caption` is a list"),
        (torch.tensor([[1, 10_000]]), "`caption` holds token ids outside"),
        (torch.zeros(2, 5, dtype=torch.long), "`caption` is a Tensor"),
    ],
)
def test_impossible_captions_are_told_in_one_sentence(encoder, picture, caption, sentence):
    with pytest.raises(fp.InputError, match=sentence) as caught:
        fp.attribute(encoder, picture, caption)
    assert "\n" not in str(caught.value)


def test_token_ids_give_the_same_map_as_their_text(encoder, picture):
    ids = encoder.prepare("a dog", "text").inputs["input_ids"]
    one = fp.attribute(encoder, picture, "a dog", fp.IntegratedJacobians(steps=2))
    for form in (ids, ids[0].tolist(), ids.numpy()):
        other = fp.attribute(encoder, picture, form, fp.IntegratedJacobians(steps=2))
        np.testing.assert_array_equal(one.matrix, other.matrix)
        assert [t.text for t in other.tokens] == ["BOS", "a", "dog", "EOS"]


def test_a_bare_module_shows_token_numbers(picture):
    from tests.helpers.models import random_clip

    bare = fp.load_encoder(random_clip())
    pixels = torch.zeros(1, 3, 24, 24, dtype=torch.float64)
    pairs = fp.attribute(bare, pixels + 0.5, [1, 7, 9, 3], fp.IntegratedJacobians(steps=2))
    assert [t.text for t in pairs.tokens] == ["1", "7", "9", "3"]
    assert np.isfinite(pairs.matrix).all()
    with pytest.raises(fp.InputError, match="no tokenizer"):
        fp.attribute(bare, pixels, "a dog")
    with pytest.raises(fp.InputError, match="no image processor"):
        fp.attribute(bare, picture, [1, 3])


def test_a_path_in_the_place_of_a_caption_is_told(encoder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes").mkdir()
    for name in ("dog.png", "notes/dog", "dog"):
        (tmp_path / name).write_bytes(b"")
    paths = ["dog.png", "notes/dog", str(tmp_path / "dog"), "nowhere/cat.JPG", "C:\\cat.webp"]
    for path in paths:
        with pytest.raises(fp.InputError, match=r"^`caption` is .*, the path of a file"):
            encoder.prepare(path, "text")
    # A word that is a file's name as well, and what only looks like a part of a path.
    for caption in ("dog", "a dog / a cat", "dog.jpg", "notes/cat"):
        assert encoder.prepare(caption, "text").caption == caption


def test_a_caption_that_is_too_long_is_told_by_us_alone(encoder, caplog, capfd):
    import transformers

    tokenizer = encoder.processors["text"]
    tokenizer.deprecation_warnings.pop("sequence-length-is-longer-than-the-specified-maximum", None)
    tokenizer.model_max_length = 24
    logger = transformers.logging.get_logger("transformers")
    logger.addHandler(caplog.handler)
    try:
        with pytest.raises(fp.InputError, match="62 tokens and the model reads at most 24"):
            encoder.prepare(" ".join(["dog"] * 60), "text")
    finally:
        logger.removeHandler(caplog.handler)
    assert "indexing errors" not in caplog.text + capfd.readouterr().err
