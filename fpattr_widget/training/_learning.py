"""``Learner``: optimizer steps on batches; and a CLIP that learns scenes."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import torch
from torch.nn import functional

from ._batches import Batch

AnyBatch = TypeVar("AnyBatch")
Tokens = dict[str, torch.Tensor]

_ALONE = 0.1  # weight of the scores of pictures and captions by themselves


class Learner(ABC, Generic[AnyBatch]):
    """A model with its optimizer.

    Attributes
    ----------
    model
        In training mode from now on.
    optimizer
        AdamW, without weight decay for biases and norms.

    Parameters
    ----------
    model
        What learns.
    tokenizer
        Its tokenizer.
    learning_rate
        Of the optimizer.
    hidden
        Share of the patches that are hidden at each step. It makes steps
        cheaper, and keeps each patch's state about that patch.
    """

    def __init__(self, model: Any, tokenizer: Any, learning_rate: float, hidden: float):
        self.model = model.train()
        self.tokenizer = tokenizer
        learning = [p for p in model.parameters() if p.requires_grad]
        decayed = [p for p in learning if p.ndim > 1]
        other = [p for p in learning if p.ndim <= 1]
        self.optimizer = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": 0.05}, {"params": other, "weight_decay": 0.0}],
            lr=learning_rate,
            betas=(0.9, 0.98),
        )
        self.hidden = hidden

    @abstractmethod
    def losses(self, batch: AnyBatch) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the loss, and the share of true captions that beat false ones."""

    def step(self, batch: AnyBatch) -> tuple[float, float]:
        """Take a step; return the loss, and the share of true captions that beat false ones."""
        loss, accuracy = self.losses(batch)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        return loss.item(), accuracy.item()

    def tokens(self, captions: Sequence[str], place: torch.device) -> Any:
        """Return captions' tokens, padded to the longest."""
        tokens = self.tokenizer(list(captions), padding=True, return_tensors="pt").to(place)
        tokens.pop("token_type_ids", None)
        return tokens


def as_pixels(pictures: torch.Tensor, place: torch.device) -> torch.Tensor:
    """Return pictures ``(batch, size, size, 3)`` uint8 as the image tower takes them."""
    return pictures.to(place).permute(0, 3, 1, 2).float().div(127.5).sub(1)


class ClipLearner(Learner[Batch]):
    """A ``transformers`` ``CLIPModel`` that learns what is true of a picture, and what is not."""

    def losses(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        place = self.model.device
        pixels = as_pixels(batch.pictures, place)
        tokens = self.tokens([*batch.captions, *batch.located, *batch.false], place)
        with patches_hidden(self.model.vision_model.embeddings, self.hidden):
            images, texts = self._embed(pixels, dict(tokens))
            scale = self.model.logit_scale.exp().clamp(max=100)
            loss, accuracy = _contrast(scale * images @ texts.T)
            if batch.unrelated is not None:
                emptied, length = empty_captions(tokens, self.tokenizer)
                grey, empty = self._embed(torch.zeros_like(pixels[:1]), emptied)
                unrelated = batch.unrelated.to(place)
                sides = images, grey, texts, empty[length]
                loss = loss + _weigh(scale.detach(), *sides, unrelated)
        return loss, accuracy

    def _embed(self, pixels: torch.Tensor, tokens: Tokens) -> tuple[torch.Tensor, torch.Tensor]:
        with torch.autocast(pixels.device.type, torch.bfloat16):
            images = self.model.get_image_features(pixels).pooler_output
            texts = self.model.get_text_features(**tokens).pooler_output
        # In float32: bfloat16 rounds away what sets two captions apart that differ in a word.
        images, texts = (functional.normalize(side.float(), dim=-1) for side in (images, texts))
        return images, texts


def empty_captions(tokens: Any, tokenizer: Any) -> tuple[Tokens, torch.Tensor]:
    """Return an all-padding caption of each length, and the index of each caption's length."""
    counts = tokens["attention_mask"].sum(1)
    lengths, length = counts.unique(return_inverse=True)
    first = (lengths[:, None] == counts).int().argmax(1)
    ids = tokens["input_ids"][first]
    special = torch.tensor(tokenizer.all_special_ids, device=ids.device)
    ids = ids.where(torch.isin(ids, special), tokenizer.pad_token_id)
    return {"input_ids": ids, "attention_mask": tokens["attention_mask"][first]}, length


@contextmanager
def patches_hidden(module: torch.nn.Module, share: float, special: int = 1) -> Iterator[None]:
    """Let a module's states keep the special positions and a random part of the patches.

    Parameters
    ----------
    module
        Returns states ``(batch, positions, width)`` of which the first are special.
    share
        Of the patches that are hidden.
    special
        Number of special positions.
    """
    hook = module.register_forward_hook(_hide_patches(share, special))
    try:
        yield
    finally:
        hook.remove()


def _hide_patches(share: float, special: int = 1) -> Callable[..., torch.Tensor]:
    """Return a hook that keeps special positions and a random part of the patches."""

    def hook(_module: object, _arguments: object, states: torch.Tensor) -> torch.Tensor:
        examples, positions, width = states.shape
        patches = positions - special
        kept = round(patches * (1 - share))
        # Drawn on the CPU, whose generator a resumed run takes up again.
        order = torch.rand(examples, patches).argsort(1)[:, :kept] + special
        order = torch.cat([torch.arange(special).expand(examples, -1), order], 1).to(states.device)
        return states.gather(1, order[:, :, None].expand(-1, -1, width))

    return hook


def _contrast(logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the loss, and the share of true captions that beat the false ones made of them.

    CLIP's symmetric loss for both true captions of a picture, with all false
    captions as further negatives. A last term compares each picture's true
    caption with its own false one, on which the other terms depend little.
    """
    described, located, false = logits.chunk(3, dim=1)
    target = torch.arange(len(logits), device=logits.device)
    lead = (located - false).diagonal()
    loss = functional.softplus(-lead).mean()
    for true in (described, located):
        to_text = functional.cross_entropy(torch.cat([true, false], 1), target)
        to_image = functional.cross_entropy(true.T, target)
        loss = loss + (to_text + to_image) / 4
    return loss, (lead > 0).float().mean()


def _weigh(
    scale: torch.Tensor,
    images: torch.Tensor,
    grey: torch.Tensor,
    texts: torch.Tensor,
    empty: torch.Tensor,
    unrelated: torch.Tensor,
) -> torch.Tensor:
    """Return the loss on scores relative to a grey picture and empty captions.

    The contrastive loss ranks scores and leaves their zero free. Attributions
    start from a grey picture and an empty caption, so matching pairs should
    score above these, and unrelated pairs below. A picture with an empty
    caption, or a caption with a grey picture, should have no score of its own.
    """
    gained = scale * (images - grey) @ (texts - empty).T
    described, located, _ = gained.chunk(3, dim=1)
    fits = torch.cat([described.diagonal(), located.diagonal()])
    against = functional.softplus(torch.cat([described, located], 1))[unrelated]
    alone = torch.cat([((images - grey) @ empty.T).ravel(), (grey @ (texts - empty).T).ravel()])
    return (
        functional.softplus(-fits).mean()
        + against.sum() / max(1, len(against))
        + _ALONE * functional.smooth_l1_loss(scale * alone, torch.zeros_like(alone))
    )
