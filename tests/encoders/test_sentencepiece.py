"""Captions through SentencePiece tokenizers: SigLIP's, which tells no offsets, and Gemma's."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import fpattr_widget as fp
from fpattr_widget.encoders import TextTower, Token
from fpattr_widget.encoders._tokens import find_offsets, word_spans
from tests.helpers.families.siglip import random_encoder
from tests.helpers.sentence_pieces import siglip2_tokenizer, siglip_tokenizer

pytestmark = pytest.mark.slow

KNOWN = ["dog", "a", "ball", "and", "black", "puppy", "café", "мяч", "barking", "table"]
UNKNOWN = ["犬", "κύων", "zebra", "qux", "भाषा", "ÅNGSTRÖM", "x2"]
# What stands between words; SigLIP drops all of it.
BETWEEN = [" ", "  ", ", ", ". ", " - ", "! ", " (", ") ", "\n", ' "', "... ", " \t"]


@pytest.fixture(scope="module")
def siglip(tmp_path_factory):
    return siglip_tokenizer(tmp_path_factory.mktemp("siglip"))


@pytest.fixture(scope="module")
def siglip2():
    return siglip2_tokenizer()


def tokens_of(tokenizer, caption: str) -> tuple[Token, ...]:
    """Prepare a caption for a tower of 200 positions; it is never run."""
    tower = TextTower(
        nn.Identity(),
        [nn.Identity()],
        lambda inputs: inputs["input_ids"],
        vocabulary=10_000,
        longest=200,
        padded=True,
    )
    return tower.prepare(caption, tokenizer, torch.device("cpu"), torch.float32).tokens


def words_of(tokens: tuple[Token, ...], caption: str) -> list[str]:
    """Return the text of each word, from its first token's start to its last one's stop."""
    places: dict[int, list[tuple[int, int]]] = {}
    for token in tokens:
        if not token.special:
            places.setdefault(token.word, []).append((token.start, token.stop))
    assert list(places) == list(range(len(places)))
    return [caption[min(a for a, _ in w) : max(b for _, b in w)] for w in places.values()]


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("A photo of a Dog.", "A photo of a Dog"),
        ("Don't worry, it's a T-ball!", "Don't worry it's a T-ball"),
        ("dog DOG dog, Dog", "dog DOG dog Dog"),
        # "ont" of "don't" stands in one piece later on.
        ("don't go on to ontario", "don't go on to ontario"),
        ("the dog 's ball", "the dog s ball"),
        ("a 犬 and κύων, a dog", "a 犬 and κύων a dog"),
        # Unknown words are found by their letters: two of them, of three signs.
        ("a κύων 犬犬 dog", "a κύων 犬犬 dog"),
        ("Собака и красный Мяч", "Собака и красный Мяч"),
        ("cafe\u0301 CAFÉ café", "cafe\u0301 CAFÉ café"),
        ("ﬁsh ½ Ｃat", "ﬁsh ½ Ｃat"),
        ("İstanbul ΟΔΟΣ straße", "İstanbul ΟΔΟΣ straße"),
        ("black/white dog", "black white dog"),
        ("🐶 dog", "🐶 dog"),
        ("  a\n\tdog  ", "a dog"),
        ("#hash @dog $5", "hash dog 5"),
    ],
)
def test_siglip_strips_and_lowers_but_words_stay_in_place(siglip, caption, expected):
    tokens = tokens_of(siglip, caption)
    assert words_of(tokens, caption) == expected.split(" ")
    for token in tokens:
        if not token.special:
            assert caption[token.start : token.stop] == token.text


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("A photo of a Dog.", ["A", "photo", "of", "a", "Dog", "."]),
        ("Don't worry, it's", ["Don't", "worry", ",", "it's"]),
        ("dog DOG  dog, Dog", ["dog", "DOG", "dog", ",", "Dog"]),
        ("a 犬 and κύων", ["a", "犬", "and", "κύων"]),
        ("Собака и Мяч", ["Собака", "и", "Мяч"]),
        ("cafe\u0301 café", ["cafe\u0301", "café"]),
        ("İstanbul straße", ["İstanbul", "straße"]),
        ("🐶 dog 👩‍👩‍👧", ["🐶", "dog", "👩‍👩‍👧"]),
        (" a dog", ["a", "dog"]),
    ],
)
def test_gemma_counts_the_space_before_a_word(siglip2, caption, expected):
    assert set(siglip2(caption).word_ids()) == {0, None}  # of no help
    tokens = tokens_of(siglip2, caption)
    assert words_of(tokens, caption) == expected
    assert not any(token.text != token.text.strip() for token in tokens)


@st.composite
def captions(draw: st.DrawFn) -> tuple[str, list[str]]:
    """Draw words, in any case, and a caption that holds them."""
    change = st.sampled_from([str.lower, str.upper, str.title])
    words = draw(st.lists(st.sampled_from(KNOWN + UNKNOWN), min_size=1, max_size=8))
    words = [draw(change)(word) for word in words]
    between = [draw(st.sampled_from(BETWEEN)) for _ in words]
    return "".join(a + b for a, b in zip(words, between, strict=True)), words


@settings(deadline=None, max_examples=150)
@given(drawn=captions())
def test_every_word_is_found_where_it_stands(siglip, siglip2, drawn):
    caption, words = drawn
    ours = [caption[a:b] for a, b in word_spans(caption)]
    assert words_of(tokens_of(siglip, caption), caption) == words
    assert words_of(tokens_of(siglip2, caption), caption) == ours
    assert [word for word in ours if word[0].isalnum()] == words


@settings(deadline=None, max_examples=150)
@given(caption=st.text(max_size=40))
def test_any_text_gives_tokens_within_it_in_order(siglip, siglip2, caption):
    for tokenizer in (siglip, siglip2):
        try:
            tokens = [t for t in tokens_of(tokenizer, caption) if not t.special]
        except fp.InputError:
            continue
        starts = [token.start for token in tokens]
        assert starts == sorted(starts)
        assert all(0 <= t.start <= t.stop <= len(caption) for t in tokens)
        assert all(caption[t.start : t.stop] == t.text for t in tokens)
        numbers = [token.word for token in tokens]
        assert numbers == sorted(numbers)


def test_padding_and_end_are_told_apart(siglip, siglip2):
    assert siglip.pad_token_id == siglip.eos_token_id
    for tokenizer in (siglip, siglip2):
        roles = [token.text for token in tokens_of(tokenizer, "a dog") if token.special]
        assert roles == ["EOS", *["PAD"] * (len(roles) - 1)]
        assert len(roles) == 198


def test_an_unknown_word_is_content(siglip):
    tokens = tokens_of(siglip, "κύων")
    assert siglip.unk_token_id in siglip("κύων")["input_ids"]
    assert words_of(tokens, "κύων") == ["κύων"]
    strange = [token for token in tokens if token.unknown]
    assert strange
    assert not any(token.special for token in strange)


def test_known_words_are_not_unknown(siglip, siglip2):
    for tokenizer in (siglip, siglip2):
        assert not any(token.unknown for token in tokens_of(tokenizer, "a black dog"))
    # Gemma's spells what it does not know in bytes.
    assert not any(token.unknown for token in tokens_of(siglip2, "κύων 犬"))


def test_a_caption_of_punctuation_alone_is_told(siglip):
    with pytest.raises(fp.InputError, match="no word that the tokenizer keeps"):
        tokens_of(siglip, "?! -")


def test_word_pieces_and_unknown_words_without_spelling():
    caption = "Playing with zyx, and qux: dogs"
    pieces = ["[CLS]", "play", "##ing", "with", "", "and", "", "dog", "##s", "[SEP]"]
    special = [True, *[False] * 8, True]
    offsets = find_offsets(caption, pieces, special)
    found = [caption[a:b] for (a, b), mark in zip(offsets, special, strict=True) if not mark]
    assert found == ["Play", "ing", "with", "zyx", "and", "qux", "dog", "s"]


def test_unknown_words_side_by_side_share_their_gap():
    one_each = find_offsets("a zyx, qux dog", ["a", "", "", "dog"], [False] * 4)
    assert one_each == [(0, 1), (2, 5), (7, 10), (11, 14)]
    together = find_offsets("a 犬 dog", ["a", "", "", "", "dog"], [False] * 5)
    assert together == [(0, 1), *[(2, 3)] * 3, (4, 7)]
    assert find_offsets("a dog", ["a", "dog", ""], [False] * 3)[2] == (5, 5)


def test_letters_that_a_tokenizer_changed_are_found():
    caption = "a™™ ÉTÉ Ⅷ ＷＯＷ"
    pieces = ["a", "TM", "tm", "ete", "viii", "▁wow"]
    offsets = find_offsets(caption, pieces, [False] * len(pieces))
    assert [caption[a:b] for a, b in offsets] == ["a", "™", "™", "ÉTÉ", "Ⅷ", "ＷＯＷ"]


def test_a_long_caption_is_aligned_quickly():
    caption = "!?" * 500_000 + "a dog"
    assert find_offsets(caption, ["▁a", "▁dog"], [False] * 2) == [
        (1_000_000, 1_000_001),
        (1_000_002, 1_000_005),
    ]


def test_words_sum_their_pieces(siglip, picture):
    encoder = random_encoder(siglip)
    pairs = fp.attribute(encoder, picture, "Barking dogs!", fp.IntegratedJacobians(steps=3))
    pieces = [token.word for token in pairs.tokens]
    assert pieces.count(0) > 1
    assert pieces.count(1) > 1
    words = pairs.words()
    assert [token.text for token in words.tokens][:2] == ["Barking", "dogs"]
    for word in (0, 1):
        expected = pairs.matrix[[i for i, number in enumerate(pieces) if number == word]].sum(0)
        np.testing.assert_allclose(words.matrix[word], expected, atol=1e-6)
