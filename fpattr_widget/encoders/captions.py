"""From a caption to what a text tower takes, and to tokens that a reader knows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError
from .family import TextTower
from .last_block import Inputs
from .tokens import Token, align_tokens, find_offsets

TEXT_REFERENCES = ("pad", "exclip")

_ROLES = (
    ("bos", "BOS"),
    ("eos", "EOS"),
    ("cls", "CLS"),
    ("sep", "SEP"),
    ("pad", "PAD"),
)


@dataclass(frozen=True)
class PreparedText:
    """A caption as the text tower takes it, with one token for each position."""

    caption: str
    inputs: Inputs
    tokens: tuple[Token, ...]


def prepare_text(
    tower: TextTower, tokenizer: Any, caption: Any, device: torch.device
) -> PreparedText:
    """Turn a caption, token ids ``(1, S)``, or a tokenizer's mapping into a tower's inputs.

    Raises
    ------
    InputError
        When it is empty, longer than the model reads, or not text.
    """
    if isinstance(caption, str):
        text, ids, tokens = _from_string(tower, tokenizer, caption)
    else:
        text, ids, tokens = _from_ids(tower, tokenizer, caption)
    return PreparedText(text, {"input_ids": torch.tensor([ids], device=device)}, tuple(tokens))


def reference_text(tower: TextTower, tokenizer: Any, text: PreparedText, reference: str) -> Inputs:
    """Return the inputs of a caption's reference: ``"pad"`` or ``"exclip"``."""
    if reference not in TEXT_REFERENCES:
        raise InputError(f"`text_reference` is {reference!r}: pass 'pad' or 'exclip'.")
    ids = text.inputs["input_ids"].clone()
    if reference == "exclip":
        # The published code: BOS, one token of id 0, EOS, then id 0.
        ends = ids[0, 0].clone(), ids[0, tower.end(text.inputs)].clone()
        ids[:] = 0
        ids[0, 0] = ends[0]
        ids[0, min(2, ids.shape[1] - 1)] = ends[1]
    else:
        ids[0, content(text).to(ids.device)] = _filler(tower, tokenizer)
    return {**text.inputs, "input_ids": ids}


def content(text: PreparedText) -> Tensor:
    """Return which positions the caption, not the tokenizer, put there, ``(tokens,)`` bool."""
    special = [token.special for token in text.tokens]
    if not any(special):  # bare token ids: the ends are not content
        special[0] = special[-1] = True
    return ~torch.tensor(special)


def _from_string(
    tower: TextTower, tokenizer: Any, caption: str
) -> tuple[str, list[int], Sequence[Token]]:
    if tokenizer is None:
        raise InputError(
            "`caption` is text, but the encoder has no tokenizer: pass `processor=` to "
            "load_encoder, or pass token ids."
        )
    if not caption.strip():
        raise InputError("`caption` is empty: write what the image may show.")
    options: dict[str, Any] = {"return_special_tokens_mask": True}
    if getattr(tokenizer, "is_fast", False):
        options["return_offsets_mapping"] = True
    encoded = tokenizer(caption, **options)
    _check_length(tower, len(encoded["input_ids"]))
    if tower.padded:
        encoded = tokenizer(caption, padding="max_length", max_length=tower.longest, **options)
    ids, marks = list(encoded["input_ids"]), encoded["special_tokens_mask"]
    if all(marks):
        raise InputError("`caption` has no word that the tokenizer keeps: rewrite it.")
    if "offset_mapping" in encoded:
        offsets = list(encoded["offset_mapping"])
        # A word that is unknown to the model is marked special by some
        # tokenizers; it stands in the caption all the same.
        marks = [mark and start == stop for mark, (start, stop) in zip(marks, offsets, strict=True)]
    else:
        kept = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
        marks = [token in kept for token in ids]
        offsets = find_offsets(caption, tokenizer.convert_ids_to_tokens(ids), marks)
    roles = [
        _role(tokenizer, token) if mark else None for token, mark in zip(ids, marks, strict=True)
    ]
    return caption, ids, align_tokens(caption, offsets, roles)


def _from_ids(
    tower: TextTower, tokenizer: Any, caption: Any
) -> tuple[str, list[int], Sequence[Token]]:
    ids = _cut_padding(tower, tokenizer, *_read_ids(caption))
    if min(ids) < 0 or max(ids) >= tower.vocabulary:
        raise InputError(f"`caption` holds token ids outside 0 to {tower.vocabulary - 1}.")
    _check_length(tower, len(ids))
    special = set(tokenizer.all_special_ids) if tokenizer else set()
    text, tokens, words = "", list[Token](), 0
    for token in ids:
        if token in special:
            tokens.append(Token(_role(tokenizer, token), None, None, None, True))
            continue
        word = tokenizer.decode([token]).strip() if tokenizer else ""
        word = word or str(token)
        tokens.append(Token(word, words, len(text), len(text) + len(word), False))
        text, words = text + word + " ", words + 1
    return text.strip(), ids, tokens


def _read_ids(caption: Any) -> tuple[list[int], list[int] | None]:
    """Return token ids and, where there is one, their attention mask."""
    mask = None
    kind = type(caption).__name__
    if isinstance(caption, Mapping):
        mask = caption.get("attention_mask")
        caption = caption.get("input_ids")
    ids, mask = _one_row(caption), None if mask is None else _one_row(mask)
    if ids is None or (mask is not None and len(mask) != len(ids)):
        raise InputError(f"`caption` is a {kind}: pass a string or token ids (1, S).")
    return ids, mask


def _one_row(values: Any) -> list[int] | None:
    try:
        row = np.asarray(values)
    except (TypeError, ValueError):
        return None
    row = row[0] if row.ndim == 2 and len(row) == 1 else row
    if row.ndim != 1 or not len(row) or row.dtype.kind not in "iub":
        return None
    return [int(value) for value in row]


def _cut_padding(
    tower: TextTower, tokenizer: Any, ids: list[int], mask: list[int] | None
) -> list[int]:
    """Leave out padding at the end, unless the tower sees it."""
    if tower.padded:
        return ids
    if mask is not None:
        count = sum(1 for kept in mask if kept)
        if not count or not all(mask[:count]):
            raise InputError(
                "`caption` has an attention mask with gaps: pass ids that are padded at the end."
            )
        ids = ids[:count]
    end = tower.end({"input_ids": torch.tensor([ids])})
    if 0 < end < len(ids) - 1:
        return ids[: end + 1]
    pad = getattr(tokenizer, "pad_token_id", None)
    if pad not in (None, getattr(tokenizer, "eos_token_id", None)):
        while len(ids) > 1 and ids[-1] == pad:
            ids = ids[:-1]
    return ids


def _check_length(tower: TextTower, count: int) -> None:
    if count > tower.longest:
        raise InputError(
            f"`caption` has {count} tokens and the model reads at most {tower.longest}: shorten it."
        )


def _role(tokenizer: Any, token: int) -> str:
    for attribute, role in _ROLES:
        if token == getattr(tokenizer, f"{attribute}_token_id", None):
            return role
    return str(tokenizer.convert_ids_to_tokens(token))


def _filler(tower: TextTower, tokenizer: Any) -> int:
    """Return an id that says nothing: padding, unless padding also ends the text."""
    if tokenizer is None:
        return 0
    ends = {
        getattr(tokenizer, f"{name}_token_id", None) for name in ("eos", "bos", "cls", "sep")
    } | {None}
    ids = (getattr(tokenizer, name, None) for name in tower.fillers)
    return next((token for token in ids if token is not None and token not in ends), 0)
