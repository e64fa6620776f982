"""``TextTower``: a text encoder, the preparation of captions, and their tokens."""

import os
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import InputError
from ._blocks import Pass
from ._inputs import Inputs, Prepared, Sentence, repeat_inputs
from ._reference import PictureReference
from ._tokens import Token, align_tokens, find_offsets
from ._tower import BATCH_FIRST, Arrangement, LastBlock, Tower, check_choice

_PICTURE = re.compile(r".*\.(?:png|jpe?g|webp|gif|bmp|tiff?|avif|heic)\s*", re.IGNORECASE)

_ROLES = (
    ("bos", "BOS"),
    ("eos", "EOS"),
    ("cls", "CLS"),
    ("sep", "SEP"),
    ("pad", "PAD"),
)


@dataclass(frozen=True)
class PreparedText(Prepared):
    """A caption as the text tower takes it.

    Attributes
    ----------
    caption
        The text.
    tokens
        One for each position of the tower.
    filler
        Id of a token without meaning, for references.
    """

    caption: str
    tokens: tuple[Token, ...]
    filler: int
    tower_name = "text"

    @property
    def settings(self) -> Hashable:
        return self.filler, self.content.tobytes()

    @property
    def content(self) -> np.ndarray:
        """Which tokens come from the caption, not from the tokenizer, ``(tokens,)`` bool."""
        special = np.array([token.special for token in self.tokens])
        if not special.any():  # token ids without a tokenizer: the ends are not content
            special[[0, -1]] = True
        return ~special


#: Everything that users may pass as ``caption``: text, token ids ``(1, S)``, or a tokenizer's
#: output.
CaptionLike = str | Sequence[Any] | np.ndarray | Tensor | Mapping[str, Any] | Prepared


class TextTower(Tower):
    """A text encoder, and how its inputs are laid out.

    Parameters
    ----------
    model, blocks, encode, last_block, arrangement
        See :class:`.Tower`. ``encode`` takes ``input_ids`` (B, S), and an
        ``attention_mask`` if tokens are hidden.
    vocabulary
        Number of token ids.
    longest
        The most tokens, special ones included.
    padded
        Whether captions are always padded to ``longest`` positions.
    end
        Returns the position that is pooled, for the reference
        of the published code; by default the last.
    fillers
        Attributes of a tokenizer that hold the id of a token without meaning, best
        first.
    masks
        Whether ``encode`` takes an ``attention_mask``.
    """

    argument = "caption"
    references = ("pad", "exclip")
    removals = ("mask", "reference")

    def __init__(
        self,
        model: nn.Module,
        blocks: Sequence[nn.Module] | nn.ModuleList | nn.Sequential,
        encode: Callable[[Inputs], Tensor],
        *,
        vocabulary: int,
        longest: int,
        padded: bool = False,
        end: Callable[[Inputs], int] = lambda inputs: inputs["input_ids"].shape[1] - 1,
        fillers: Sequence[str] = ("pad_token_id", "unk_token_id", "mask_token_id"),
        masks: bool = False,
        last_block: LastBlock | None = None,
        arrangement: Arrangement = BATCH_FIRST,
    ):
        super().__init__(
            "text", model, blocks, encode, last_block=last_block, arrangement=arrangement
        )
        self.vocabulary = vocabulary
        self.longest = longest
        self.padded = padded
        self.end = end
        self.fillers = tuple(fillers)
        self.masks = masks

    def features(self, inputs: Inputs, layer: int) -> Tensor:
        """Return the features that enter block ``layer``, ``(tokens, width)``."""
        features = super().features(inputs, layer)
        count = inputs["input_ids"].shape[1]
        if len(features) != count:
            raise InputError(
                "blocks",
                f"of the text tower take states from which {len(features)} features are read for "
                f"{count} tokens",
                "list blocks whose first argument is (B, tokens, width), or describe its layout by "
                "`arrangement`",
            )
        return features

    def _encode(self, inputs: Inputs, count: int = 1, current: Pass | None = None) -> Tensor:
        try:
            return super()._encode(inputs, count, current)
        except IndexError as error:
            ids = inputs["input_ids"]
            raise InputError(
                "encode",
                f"of the text tower cannot look up {ids.shape[1]} tokens with ids up to "
                f"{int(ids.max())}",
                f"correct its `vocabulary` of {self.vocabulary} ids or its `longest` of "
                f"{self.longest} tokens",
            ) from error

    def prepare(
        self, value: Any, processor: Any, device: torch.device, dtype: torch.dtype
    ) -> PreparedText:
        """Return a caption, token ids ``(1, S)``, or a tokenizer's output as inputs of the tower.

        Raises
        ------
        InputError
            When it is empty, longer than the model reads, or not text.
        """
        tokenize = _from_string if isinstance(value, str) else _from_ids
        caption, ids, tokens = tokenize(self, processor, value)
        inputs = {"input_ids": torch.tensor([ids], device=device)}
        return PreparedText(inputs, caption, tuple(tokens), _filler(self, processor))

    def reference(self, prepared: Prepared, kind: str) -> Inputs:
        """Return the inputs of a caption's reference, ``"pad"`` or ``"exclip"``.

        Both have the caption's length. ``"pad"`` replaces its content by a token without
        meaning; ``"exclip"`` is BOS, one token of id 0, EOS, then id 0, as in the published code.
        """
        assert isinstance(prepared, PreparedText)
        self.check_reference(kind)
        ids = prepared.inputs["input_ids"].clone()
        if kind == "exclip":
            ends = ids[0, 0].clone(), ids[0, self.end(prepared.inputs)].clone()
            ids[:] = 0
            ids[0, 0] = ends[0]
            ids[0, min(2, ids.shape[1] - 1)] = ends[1]
        else:
            ids[0, torch.from_numpy(prepared.content).to(ids.device)] = prepared.filler
        return {**prepared.inputs, "input_ids": ids}

    def panel(self, prepared: Prepared, layer: int) -> Sentence:
        assert isinstance(prepared, PreparedText)
        return Sentence(prepared.caption, prepared.tokens)

    def removable(self, prepared: Prepared, layer: int) -> np.ndarray:
        assert isinstance(prepared, PreparedText)
        return np.flatnonzero(prepared.content)

    def check_removal(self, removal: str | PictureReference, model: str = "") -> None:
        check_choice("tokens", removal, self.removals)
        if removal == "mask" and not self.masks:
            raise InputError(
                "tokens",
                f"is 'mask', but the text tower of {model!r} takes no attention mask",
                "pass a `method` with tokens='reference'",
            )

    @property
    def default_removal(self) -> str:
        return "mask" if self.masks else "reference"

    def masked(
        self, prepared: Prepared, layer: int, kept: Tensor, removal: str | PictureReference
    ) -> Inputs:
        """Return a batch of the caption with only the kept tokens.

        Others are hidden by the attention mask, or replaced by those of the reference.
        """
        inputs = prepared.inputs
        if removal == "mask":
            mask = kept.to(inputs["input_ids"].dtype)
            if "attention_mask" in inputs:
                mask = mask * inputs["attention_mask"]
            return {**repeat_inputs(inputs, len(kept)), "attention_mask": mask}
        # "pad", which keeps special tokens, whatever the encoder's default reference is.
        filler = self.reference(prepared, "pad")["input_ids"]
        ids = torch.where(kept, inputs["input_ids"], filler)
        return {**repeat_inputs(inputs, len(kept)), "input_ids": ids}

    def alone(self, prepared: PreparedText, tokens: Sequence[int]) -> Inputs:
        """Return some of a caption's tokens as a text of their own.

        They stand between the special positions that the caption has before and after its
        words, so that they are read as a short caption, with the ids that they have in the
        whole one. A tower that is always padded still is.

        Parameters
        ----------
        prepared
            The caption.
        tokens
            Numbers of its tokens, such as those of a word.
        """
        ids = prepared.inputs["input_ids"]
        content = np.flatnonzero(prepared.content)
        before, after = range(content[0]), range(content[-1] + 1, ids.shape[1])
        alone = ids[:, [*before, *tokens, *after]]
        missing = ids.shape[1] - alone.shape[1]
        if self.padded and missing:
            # Where a caption fills the tower, nothing says what it would be padded with.
            filler = int(ids[0, -1]) if len(after) > 1 else prepared.filler
            alone = torch.cat([alone, alone.new_full((1, missing), filler)], 1)
        return {**prepared.inputs, "input_ids": alone}

    def is_lookup_table(self, module: nn.Module) -> bool:
        return isinstance(module, nn.Embedding) and module.num_embeddings == self.vocabulary


def _from_string(
    tower: TextTower, tokenizer: Any, caption: str
) -> tuple[str, list[int], Sequence[Token]]:
    if tokenizer is None:
        raise InputError(
            "caption",
            "is text, but the encoder has no tokenizer",
            "pass `processor=` to load_encoder, or pass token ids",
        )
    if not caption.strip():
        raise InputError("caption", "is empty", "write what the image may show")
    if any("\ud800" <= character <= "\udfff" for character in caption):
        raise InputError("caption", "holds half of a character (a lone surrogate)", "remove it")
    _refuse_path(caption)
    # ``_check_length`` reports a caption that is too long.
    options: dict[str, Any] = {"return_special_tokens_mask": True, "verbose": False}
    if getattr(tokenizer, "is_fast", False):
        options["return_offsets_mapping"] = True
    encoded = tokenizer(caption, **options)
    _check_length(tower, len(encoded["input_ids"]))
    if tower.padded:
        encoded = tokenizer(caption, padding="max_length", max_length=tower.longest, **options)
    ids, marks = list(encoded["input_ids"]), encoded["special_tokens_mask"]
    if max(ids) >= tower.vocabulary:
        raise InputError(
            "processor",
            f"has a tokenizer that gives the token id {max(ids)}, and the model knows 0 to "
            f"{tower.vocabulary - 1}",
            "pass the model's own",
        )
    if "offset_mapping" in encoded:
        offsets = list(encoded["offset_mapping"])
        # Some tokenizers mark an unknown word as special, although it is part of the
        # caption.
        marks = [mark and start == stop for mark, (start, stop) in zip(marks, offsets, strict=True)]
    else:
        special = _special_ids(tokenizer)
        marks = [token in special for token in ids]
        offsets = find_offsets(caption, _pieces(tokenizer, caption, ids, marks), marks)
    if all(marks):
        raise InputError("caption", "has no word that the tokenizer keeps", "rewrite it")
    written = [caption[start:stop].strip() for start, stop in offsets]
    unknown = _unknown(tokenizer, ids, written)
    return caption, ids, align_tokens(caption, offsets, _roles(tokenizer, ids, marks), unknown)


def names_picture(text: str) -> bool:
    """Return whether a text ends as the names of picture files do."""
    return _PICTURE.fullmatch(text) is not None


def _refuse_path(caption: str) -> None:
    """Raise if a caption is the path of a file, passed in the wrong place."""
    slash = "/" in caption or "\\" in caption
    picture = names_picture(caption)
    # Two slashes begin the name of a server, which is not contacted.
    local = (slash or picture) and "\0" not in caption and caption[:2] not in ("//", "\\\\")
    if (slash and picture) or (local and len(caption) < 1024 and os.path.isfile(caption)):
        raise InputError(
            "caption",
            f"is {caption!r}, the path of a file",
            "pass the image first and then what it may show",
        )


def _from_ids(
    tower: TextTower, tokenizer: Any, caption: Any
) -> tuple[str, list[int], Sequence[Token]]:
    ids = _cut_padding(tower, tokenizer, *_read_ids(caption))
    if min(ids) < 0 or max(ids) >= tower.vocabulary:
        raise InputError(
            "caption",
            f"holds token ids outside 0 to {tower.vocabulary - 1}",
            "pass ids of the model's own tokenizer",
        )
    _check_length(tower, len(ids))
    tokenized = _from_own_text(tower, tokenizer, ids) if tokenizer else None
    if tokenized is not None:
        return tokenized
    special = _special_ids(tokenizer) if tokenizer else set()
    roles = _roles(tokenizer, ids, [token in special for token in ids])
    unknown = _unknown(tokenizer, ids, [""] * len(ids))
    text, tokens, words = "", list[Token](), 0
    for token, role, is_unknown in zip(ids, roles, unknown, strict=True):
        if role is not None:
            tokens.append(Token(role, None, None, None, True))
            continue
        word = tokenizer.decode([token]).strip() if tokenizer else ""
        word = word or str(token)
        tokens.append(Token(word, words, len(text), len(text) + len(word), False, is_unknown))
        text, words = text + word + " ", words + 1
    return text.strip(), ids, tokens


def _from_own_text(
    tower: TextTower, tokenizer: Any, ids: list[int]
) -> tuple[str, list[int], Sequence[Token]] | None:
    """Decode ids and tokenize the text; return the result if it has the same ids."""
    special = _special_ids(tokenizer)
    text = tokenizer.decode([token for token in ids if token not in special]).strip()
    try:
        tokenized = _from_string(tower, tokenizer, text)
    except InputError:
        return None
    return tokenized if tokenized[1] == ids else None


def _read_ids(caption: Any) -> tuple[list[int], list[int] | None]:
    """Return token ids and their attention mask, if there is one."""
    mask = None
    kind = type(caption).__name__
    if isinstance(caption, Mapping):
        mask = caption.get("attention_mask")
        caption = caption.get("input_ids")
    ids, mask = _one_row(caption), None if mask is None else _one_row(mask)
    if ids is None or (mask is not None and len(mask) != len(ids)):
        raise InputError("caption", f"is a {kind}", "pass a string or token ids (1, S)")
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
    """Return ids without padding at the end, unless the tower is always padded."""
    if tower.padded:
        return ids
    if mask is not None:
        count = sum(1 for kept in mask if kept)
        if not count or not all(mask[:count]):
            raise InputError(
                "caption", "has an attention mask with gaps", "pass ids that are padded at the end"
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
            "caption",
            f"has {count} tokens and the model reads at most {tower.longest}",
            "shorten it",
        )


def _special_ids(tokenizer: Any) -> set[int]:
    """Return the ids that stand for no word; the id of unknown words is not among them."""
    return set(tokenizer.all_special_ids) - ({tokenizer.unk_token_id} - _ends(tokenizer))


def _ends(tokenizer: Any) -> set[int | None]:
    return {getattr(tokenizer, f"{attribute}_token_id", None) for attribute, _ in _ROLES}


def _unknown(tokenizer: Any, ids: Sequence[int], written: Sequence[str]) -> list[bool]:
    """Return which tokens of the caption stand for text that the tokenizer does not know.

    CLIP's tokenizer has one token for unknown text and for the end. A caption that
    contains it literally, as ``<|endoftext|>``, means the end.
    """
    unknown_id = getattr(tokenizer, "unk_token_id", None)
    if unknown_id is None:
        return [False] * len(ids)
    end = tokenizer.unk_token if unknown_id in _ends(tokenizer) else None
    return [token == unknown_id and text != end for token, text in zip(ids, written, strict=True)]


def _pieces(tokenizer: Any, caption: str, ids: Sequence[int], special: Sequence[bool]) -> list[str]:
    """Return the spelling of each token: of an unknown word its own letters, or nothing."""
    pieces = tokenizer.convert_ids_to_tokens(ids)
    content = [index for index, mark in enumerate(special) if not mark]
    spelt = tokenizer.tokenize(caption)
    if len(spelt) == len(content):
        for index, piece in zip(content, spelt, strict=True):
            pieces[index] = piece
    return ["" if piece == tokenizer.unk_token else piece for piece in pieces]


def _roles(tokenizer: Any, ids: Sequence[int], special: Sequence[bool]) -> list[str | None]:
    """Return the role of each special position, ``None`` for content.

    If one token is both the end and padding, the first one after the content is
    the end.
    """
    roles = [
        _role(tokenizer, token) if mark else None for token, mark in zip(ids, special, strict=True)
    ]
    if tokenizer is None or tokenizer.pad_token_id != tokenizer.eos_token_id:
        return roles
    content = [index for index, role in enumerate(roles) if role is None]
    after = content[-1] + 1 if content else 0
    end = next((index for index, role in enumerate(roles) if index >= after and role == "EOS"), 0)
    return ["PAD" if role == "EOS" and i != end else role for i, role in enumerate(roles)]


def _role(tokenizer: Any, token: int) -> str:
    for attribute, role in _ROLES:
        if token == getattr(tokenizer, f"{attribute}_token_id", None):
            return role
    return str(tokenizer.convert_ids_to_tokens(token))


def _filler(tower: TextTower, tokenizer: Any) -> int:
    """Return the id of a token without meaning: padding, unless it also ends the text.

    A tower that is always padded can have padding anywhere.
    """
    if tokenizer is None:
        return 0
    ends = {getattr(tokenizer, f"{name}_token_id", None) for name in ("eos", "bos", "cls", "sep")}
    ids = (getattr(tokenizer, name, None) for name in tower.fillers)
    known = (token for token in ids if token is not None)
    return next((token for token in known if tower.padded or token not in ends), 0)
