"""Real tokenizers of small vocabularies, made here from what a model's folder would hold."""

import gzip
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from tokenizers import normalizers
from transformers import BertTokenizer, CLIPTokenizer, XLMRobertaTokenizer

_PIECES = (
    "[PAD] [UNK] [CLS] [SEP] [MASK] a the dog cat ball red cafe garcon play straße "
    "##s ##ing ##er ##ful 一 只 狗 和 红 球 在 跑 , . ! ' - 2 ##0"
)
WORD_PIECES = _PIECES.split()

# Pieces of XLM-R's kind with their log-probabilities; the first four are special.
UNIGRAMS = (
    [(piece, 0.0) for piece in ("<s>", "<pad>", "</s>", "<unk>")]
    + [(piece, -2.0) for piece in ("▁a", "▁the", "▁dog", "▁ball", "▁red", "▁", "s", ",", ".", "!")]
    + [(piece, -3.0) for piece in ("▁play", "ing", "er", "▁un", "▁chien", "▁rouge", "é", "▁caf")]
    + [(piece, -3.0) for piece in ("一", "只", "狗", "红", "球", "▁собак", "а", "▁Ball")]
    + [("<mask>", 0.0)]
)


def bert_tokenizer() -> BertTokenizer:
    """Return a WordPiece tokenizer, read from a vocabulary file as BERT's is."""
    with TemporaryDirectory() as folder:
        Path(folder, "vocab.txt").write_text("\n".join(WORD_PIECES), "utf-8")
        return BertTokenizer.from_pretrained(folder)


def xlm_roberta_tokenizer() -> XLMRobertaTokenizer:
    """Return a Unigram tokenizer over words marked by their leading space.

    Like XLM-R's own it brings letters into their compatible form first.
    """
    tokenizer = XLMRobertaTokenizer(vocab=UNIGRAMS)
    tokenizer.backend_tokenizer.normalizer = normalizers.NFKC()
    return tokenizer


@cache
def clip_tokenizer() -> CLIPTokenizer:
    """Return CLIP's own tokenizer, of 49,408 entries."""
    try:
        packed = distribution("clip-anytorch").locate_file("clip/bpe_simple_vocab_16e6.txt.gz")
    except PackageNotFoundError:
        pytest.fail("CLIP's vocabulary comes with clip-anytorch, which `npm test` installs")
    lines = gzip.decompress(Path(str(packed)).read_bytes()).decode("utf-8").split("\n")
    merges = [tuple(line.split()) for line in lines[1:48895]]
    letters = _letters_of_bytes()
    pieces = [*letters, *(letter + "</w>" for letter in letters), *map("".join, merges)]
    pieces += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=77)


def _letters_of_bytes() -> list[str]:
    """Return the letter that stands for each byte, those that print as themselves first."""
    printing = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1)]
    printing += range(ord("®"), ord("ÿ") + 1)
    others = range(256 - len(printing))
    return [chr(byte) for byte in printing] + [chr(256 + index) for index in others]
