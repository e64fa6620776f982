"""Captions from WordPiece, Unigram and byte-pair tokenizers: words, places, roles, padding."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import CLIPConfig, CLIPModel, PreTrainedTokenizerFast
from transformers.models.bert.tokenization_bert_legacy import BertTokenizerLegacy

import fpattr_widget as fp
from fpattr_widget.encoders._tokens import align_tokens, word_spans
from tests.helpers import family_checks as checks
from tests.helpers.families.altclip import altclip_encoder
from tests.helpers.families.chinese_clip import chinese_clip_encoder
from tests.helpers.vocabularies import WORD_PIECES, clip_tokenizer

FAST = fp.IntegratedJacobians(steps=2)


@cache
def clip_bpe_encoder() -> fp.DualEncoder:
    """Return a small CLIP with CLIP's own 49,408 tokens."""
    torch.manual_seed(0)
    tokenizer = clip_tokenizer()
    tower = {"hidden_size": 12, "intermediate_size": 16, "num_hidden_layers": 2}
    text = {**tower, "num_attention_heads": 2, "eos_token_id": 49407, "bos_token_id": 49406}
    vision = {**tower, "num_attention_heads": 2, "image_size": 16, "patch_size": 8}
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=8))
    return fp.load_encoder(checks.far_from_linear(model), processor=checks.Processor(tokenizer))


MAKERS = {
    "WordPiece": cache(chinese_clip_encoder),
    "Unigram": cache(altclip_encoder),
    "byte pairs": clip_bpe_encoder,
}


@pytest.fixture(params=MAKERS)
def encoder(request) -> fp.DualEncoder:
    return MAKERS[request.param]()


def pixels(encoder: fp.DualEncoder) -> torch.Tensor:
    shape = (1, 3, *encoder.towers["image"].size)
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=encoder.dtype)


@pytest.mark.parametrize(
    ("kind", "caption", "expected"),
    [
        (
            "WordPiece",
            "A dog, PLAYING balls!",
            "A/0 dog/1 ,/2 PLAY/3 ING/3 ball/4 s/4 !/5",
        ),
        ("WordPiece", "Café garçon", "Café/0 garçon/1"),
        ("WordPiece", "Cafe\u0301s", "Cafe\u0301/0 s/0"),
        ("WordPiece", "一只狗和红球", "一/0 只/1 狗/2 和/3 红/4 球/5"),
        ("WordPiece", "一只 red 狗 ,dog", "一/0 只/1 red/2 狗/3 ,/4 dog/5"),
        ("WordPiece", "a dog's ball-player", "a/0 dog/1 '/1 s/1 ball/2 -/2 play/2 er/2"),
        ("WordPiece", "the kangaroo 20", "the/0 kangaroo/1 2/2 0/2"),
        ("WordPiece", "  do\u200bg \u00a0 ball ", "do\u200bg/0 ball/1"),
        ("WordPiece", "[MASK] dog", "[MASK]/0 dog/1"),
        ("Unigram", "a dog, playing balls!", "a/0 dog/1 ,/2 play/3 ing/3 ball/4 s/4 !/5"),
        ("Unigram", "un chien rouge café", "un/0 chien/1 rouge/2 caf/3 é/3"),
        ("Unigram", "собака the zebra", "собак/0 а/0 the/1 z/2 zebra/2"),
        ("Unigram", "a 红球", "a/0 红/1 红/1 球/2"),
        ("Unigram", "ａ ｄｏｇ", "ａ/0 ｄｏｇ/1"),
        ("byte pairs", "Skateboarder's café", "Skate/0 boarder/0 's/0 café/1"),
        ("byte pairs", "two puppies.", "two/0 puppies/1 ./2"),
        ("byte pairs", "a 狗", "a/0 狗/1 狗/1 狗/1"),
    ],
)
def test_tokens_and_their_words(kind, caption, expected):
    """Each token with the number of its word, in the caption's own letters."""
    tokens = MAKERS[kind]().prepare(caption, "text").tokens
    assert [token.special for token in tokens] == [True] + [False] * (len(tokens) - 2) + [True]
    assert " ".join(f"{token.text}/{token.word}" for token in tokens[1:-1]) == expected
    for token in tokens[1:-1]:
        assert caption[token.start : token.stop] == token.text


def test_a_mark_goes_to_its_letter_unless_it_is_a_token():
    caption = "cafe\u0301 dog"
    dropped = align_tokens(caption, [(0, 4), (6, 9)], [None] * 2)
    assert [(token.text, token.word) for token in dropped] == [("cafe\u0301", 0), ("dog", 1)]
    apart = align_tokens(caption, [(0, 4), (4, 5), (6, 9)], [None] * 3)
    assert [(t.text, t.word) for t in apart] == [("cafe", 0), ("\u0301", 0), ("dog", 1)]


@pytest.mark.parametrize(
    ("kind", "ends"),
    [
        ("WordPiece", ("CLS", "SEP")),
        ("Unigram", ("BOS", "EOS")),
        ("byte pairs", ("BOS", "EOS")),
    ],
)
def test_ends_have_roles(kind, ends):
    tokens = MAKERS[kind]().prepare("a dog", "text").tokens
    assert (tokens[0].text, tokens[-1].text) == ends
    assert (tokens[0].word, tokens[0].start, tokens[-1].word) == (None, None, None)


PARTS = st.sampled_from(
    ["dog", "balls", "狗", "Café", "e\u0301", "playing", " ", ",", "xyz", "👩‍👧"]
)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(sorted(MAKERS)), st.lists(PARTS | st.text(max_size=2), max_size=6).map("".join)
)
def test_every_letter_belongs_to_a_token_of_its_word(kind, caption):
    try:
        tokens = MAKERS[kind]().prepare(caption, "text").tokens
    except fp.InputError:
        assume(False)
    content = [token for token in tokens if not token.special]
    places = [(token.start, token.stop) for token in content]
    assert places == sorted(places)
    assert all(caption[token.start : token.stop] == token.text for token in content)
    covered = {place for start, stop in places for place in range(start, stop)}
    assert {place for place, letter in enumerate(caption) if letter.isalnum()} <= covered
    spans = word_spans(caption)
    owners: dict[int | None, set[int]] = {}
    for token in content:
        owners.setdefault(token.word, set()).update(
            index for index, (start, stop) in enumerate(spans) if start <= token.start < stop
        )
    assert all(len(words) <= 1 for words in owners.values())


@pytest.mark.parametrize(
    "caption",
    ["A dog, PLAYING balls!", "Café garçon", "一只 red 狗 ,dog", "the kangaroo 20", "dog's ball"],
)
def test_a_tokenizer_that_tells_no_offsets_gives_the_same_tokens(tmp_path, caption):
    """BERT's first tokenizer, in Python, against the one that counts letters."""
    Path(tmp_path, "vocab.txt").write_text("\n".join(WORD_PIECES), "utf-8")
    slow = BertTokenizerLegacy(str(tmp_path / "vocab.txt"))
    assert not slow.is_fast
    encoder = MAKERS["WordPiece"]()
    own = encoder.prepare(caption, "text")
    other = encoder.towers["text"].prepare(caption, slow, encoder.device, torch.float32)
    assert other.tokens == own.tokens
    assert torch.equal(other.inputs["input_ids"], own.inputs["input_ids"])


def shown(tokens: Sequence[fp.Token]) -> list[tuple]:
    """Return what does not depend on spaces, which token ids do not keep."""
    return [(token.text, token.word, token.special) for token in tokens]


def test_padding_under_a_mask_changes_nothing(encoder):
    """What a tokenizer returns with padding is the caption without it."""
    caption = "a dog, playing balls"
    image, tokenizer = pixels(encoder), encoder.processors["text"]
    plain = fp.attribute(encoder, image, caption, FAST, 0)
    for padding in ({}, {"padding": "max_length", "max_length": 18}):
        for kind in ("np", "pt", None):
            batch = [caption] if kind is None else caption
            inputs = tokenizer(batch, return_tensors=kind, **padding)
            pairs = fp.attribute(encoder, image, inputs, FAST, 0)
            np.testing.assert_array_equal(pairs.matrix, plain.matrix)
            assert shown(pairs.tokens) == shown(plain.tokens)
            assert pairs.caption.replace(" ", "") == caption.replace(" ", "")


def test_padding_without_a_mask_is_cut(encoder):
    caption = "a dog, playing balls"
    plain = encoder.prepare(caption, "text")
    inputs = encoder.processors["text"](caption, padding="max_length", max_length=18)
    other = encoder.prepare(inputs["input_ids"], "text")
    if encoder is clip_bpe_encoder():  # its padding is EOS, and the first ends the text
        assert inputs["input_ids"][-1] == plain.inputs["input_ids"][0, -1]
    assert torch.equal(other.inputs["input_ids"], plain.inputs["input_ids"])
    assert shown(other.tokens) == shown(plain.tokens)


@pytest.mark.parametrize("mask", [[1, 1, 0, 1, 1], [0, 1, 1, 1, 1], [0, 0, 0, 0, 0]])
def test_a_mask_with_gaps_is_refused(encoder, mask):
    ids = encoder.processors["text"]("a dog a")["input_ids"]
    with pytest.raises(fp.InputError, match="attention mask with gaps"):
        encoder.prepare({"input_ids": [ids], "attention_mask": [mask]}, "text")


def test_a_mask_of_another_length_is_refused(encoder):
    ids = encoder.processors["text"]("a dog a")["input_ids"]
    with pytest.raises(fp.InputError, match="`caption` is a dict: pass a string or token ids"):
        encoder.prepare({"input_ids": [ids], "attention_mask": [[1, 1]]}, "text")


@pytest.mark.parametrize("kind", ["WordPiece", "Unigram"])
def test_an_unknown_word_is_a_word_in_ids_too(kind):
    encoder = MAKERS[kind]()
    ids = encoder.processors["text"]("the zebra ball")["input_ids"]
    assert encoder.processors["text"].unk_token_id in ids
    tokens = encoder.prepare([ids], "text").tokens
    assert [token.special for token in tokens] == [True] + [False] * (len(ids) - 2) + [True]
    if kind == "WordPiece":
        assert [token.word for token in tokens[1:-1]] == [0, 1, 2]


@pytest.mark.parametrize(
    ("kind", "caption", "expected"),
    [
        ("WordPiece", "a zyx dog, the kangaroo", "zyx kangaroo"),
        ("WordPiece", "the red dog", ""),
        ("Unigram", "the zebra ball", "zebra"),
        # A byte-pair tokenizer has a piece for every byte.
        ("byte pairs", "a zyx, 狗 and 🐶", ""),
        ("byte pairs", "the end <|endoftext|> of it", ""),
    ],
)
def test_unknown_pieces_are_told(kind, caption, expected):
    """In a caption and in its token ids, where these are text again."""
    encoder = MAKERS[kind]()
    tokens = encoder.prepare(caption, "text").tokens
    assert " ".join(token.text for token in tokens if token.unknown) == expected
    ids = [int(token) for token in encoder.prepare(caption, "text").inputs["input_ids"][0]]
    again = encoder.prepare([ids], "text").tokens
    count = [token for token, piece in zip(ids, tokens, strict=True) if piece.unknown]
    assert sum(token.unknown for token in again) == len(count)


@pytest.mark.parametrize("slow", [False, True], ids=["fast", "slow"])
def test_a_slow_tokenizer_tells_the_same_unknown_words(tmp_path, slow):
    encoder = MAKERS["WordPiece"]()
    tokenizer = encoder.processors["text"]
    if slow:
        Path(tmp_path, "vocab.txt").write_text("\n".join(WORD_PIECES), "utf-8")
        tokenizer = BertTokenizerLegacy(str(tmp_path / "vocab.txt"))
    text = encoder.towers["text"].prepare("a zyx dog 🐶", tokenizer, encoder.device, torch.float32)
    assert [token.text for token in text.tokens if token.unknown] == ["zyx", "🐶"]


def test_one_token_for_what_is_unknown_the_end_and_padding():
    """As CLIP's tokenizer has, here with words that it does not know."""
    end = "<|endoftext|>"
    words = Tokenizer(models.WordLevel({end: 0, "<|startoftext|>": 1, "dog": 2}, unk_token=end))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    words.post_processor = processors.TemplateProcessing(
        single=f"<|startoftext|> $A {end}", special_tokens=[("<|startoftext|>", 1), (end, 0)]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, bos_token="<|startoftext|>", eos_token=end, unk_token=end,
        pad_token=end,
    )  # fmt: skip
    encoder = clip_bpe_encoder()
    text = encoder.towers["text"].prepare(
        f"dog zxq {end} dog", tokenizer, encoder.device, torch.float32
    )
    assert [token.unknown for token in text.tokens] == [False, False, True, False, False, False]
    assert [token.special for token in text.tokens] == [True, *[False] * 4, True]


def test_the_word_of_an_unknown_piece_is_unknown():
    encoder = MAKERS["Unigram"]()
    pairs = fp.attribute(encoder, pixels(encoder), "the zebra ball", FAST)
    assert [(t.text, t.unknown) for t in pairs.words().tokens][1:-1] == [
        ("the", False), ("zebra", True), ("ball", False),
    ]  # fmt: skip


def test_ids_that_no_text_gives_are_shown_piece_by_piece():
    encoder = MAKERS["WordPiece"]()
    ids = [WORD_PIECES.index(piece) for piece in ("[CLS]", "##s", "a", "[SEP]", "dog", "[SEP]")]
    text = encoder.prepare(ids, "text")
    assert [(t.text, t.word, t.special) for t in text.tokens] == [
        ("CLS", None, True), ("##s", 0, False), ("a", 1, False), ("SEP", None, True),
        ("dog", 2, False), ("SEP", None, True),
    ]  # fmt: skip
    assert text.inputs["input_ids"].tolist() == [ids]
