"""Small tokenizers of the real classes, trained on a few sentences."""

import json
from pathlib import Path

import sentencepiece
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import Siglip2Tokenizer, SiglipTokenizer

#: Positions of a text.
LONGEST = 12

SENTENCES = """a photo of a small dog
a dog left of a red ball
dont worry about the black and white puppy barking at the ball
there is a ball on the table and a cat under it
two apples and three bananas lie in the basket
dogs and cats and balls and bats
the café owners drink water
собака и красный мяч
""".splitlines()


def siglip_tokenizer(folder: Path, longest: int = LONGEST) -> SiglipTokenizer:
    """Train a SentencePiece model as SigLIP's is: padding is the end, no space is put before."""
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(3 * SENTENCES),
        model_prefix=str(folder / "spiece"),
        vocab_size=150,
        hard_vocab_limit=False,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        add_dummy_prefix=False,
        minloglevel=2,
    )
    return SiglipTokenizer(
        str(folder / "spiece.model"), model_max_length=longest, model_input_names=["input_ids"]
    )


def siglip2_tokenizer(longest: int = LONGEST) -> Siglip2Tokenizer:
    """Train a BPE model as Gemma's is: unknown letters become bytes, spaces are letters."""
    trained = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
    trained.normalizer = normalizers.Replace(" ", "▁")
    trained.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    bytes_of_letters = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=450, special_tokens=[*special, *bytes_of_letters], show_progress=False
    )
    trained.train_from_iterator(3 * SENTENCES, trainer)
    model = json.loads(trained.to_str())["model"]
    return Siglip2Tokenizer(
        vocab=model["vocab"],
        merges=[tuple(merge) for merge in model["merges"]],
        add_bos_token=False,
        add_eos_token=True,
        padding_side="right",
        model_max_length=longest,
        model_input_names=["input_ids"],
    )
