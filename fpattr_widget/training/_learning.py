"""``Learner``: optimizer steps on batches of scenes."""

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

from ._batches import Batch

_Tokens = dict[str, torch.Tensor]

_ALONE = 0.1  # weight of the scores of pictures and captions by themselves


class Learner:
    """A CLIP with its optimizer.

    Attributes
    ----------
    model
        In training mode from now on.
    optimizer
        AdamW, without weight decay for biases and norms.

    Parameters
    ----------
    model
        A transformers ``CLIPModel``.
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
        self._tokenizer = tokenizer
        decayed = [p for p in model.parameters() if p.ndim > 1]
        other = [p for p in model.parameters() if p.ndim <= 1]
        self.optimizer = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": 0.05}, {"params": other, "weight_decay": 0.0}],
            lr=learning_rate,
            betas=(0.9, 0.98),
        )
        self._hidden = hidden

    def step(self, batch: Batch) -> tuple[float, float]:
        """Take a step; return the loss, and the share of true captions that beat false ones."""
        place = self.model.device
        pixels = batch.pictures.to(place).permute(0, 3, 1, 2).float().div(127.5).sub(1)
        captions = [*batch.captions, *batch.located, *batch.false]
        tokens = self._tokenizer(captions, padding=True, return_tensors="pt").to(place)
        tokens.pop("token_type_ids", None)
        embeddings = self.model.vision_model.embeddings
        hook = embeddings.register_forward_hook(_hide_patches(self._hidden))
        try:
            images, texts = self._embed(pixels, dict(tokens))
            scale = self.model.logit_scale.exp().clamp(max=100)
            loss, accuracy = _contrast(scale * images @ texts.T)
            if batch.unrelated is not None:
                emptied, length = self._emptied(tokens)
                grey, empty = self._embed(torch.zeros_like(pixels[:1]), emptied)
                unrelated = batch.unrelated.to(place)
                sides = images, grey, texts, empty[length]
                loss = loss + _weigh(scale.detach(), *sides, unrelated)
        finally:
            hook.remove()
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        return loss.item(), accuracy.item()

    def _embed(self, pixels: torch.Tensor, tokens: _Tokens) -> tuple[torch.Tensor, torch.Tensor]:
        with torch.autocast(pixels.device.type, torch.bfloat16):
            images = self.model.get_image_features(pixels).pooler_output
            texts = self.model.get_text_features(**tokens).pooler_output
        # In float32: bfloat16 rounds away what sets two captions apart that differ in a word.
        images, texts = (functional.normalize(side.float(), dim=-1) for side in (images, texts))
        return images, texts

    def _emptied(self, tokens: _Tokens) -> tuple[_Tokens, torch.Tensor]:
        """Return an all-padding caption of each length, and the index of each caption's length."""
        counts = tokens["attention_mask"].sum(1)
        lengths, length = counts.unique(return_inverse=True)
        first = (lengths[:, None] == counts).int().argmax(1)
        ids = tokens["input_ids"][first]
        special = torch.tensor(self._tokenizer.all_special_ids, device=ids.device)
        ids = ids.where(torch.isin(ids, special), self._tokenizer.pad_token_id)
        return {"input_ids": ids, "attention_mask": tokens["attention_mask"][first]}, length


def _hide_patches(share: float) -> Callable[..., torch.Tensor]:
    """Return a hook for the vision embeddings that keeps CLS and a random part of the patches."""

    def hook(_module: object, _arguments: object, states: torch.Tensor) -> torch.Tensor:
        examples, positions, width = states.shape
        kept = round((positions - 1) * (1 - share))
        # Drawn on the CPU, whose generator a resumed run takes up again.
        order = torch.rand(examples, positions - 1).argsort(1)[:, :kept] + 1
        order = functional.pad(order, (1, 0)).to(states.device)
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
