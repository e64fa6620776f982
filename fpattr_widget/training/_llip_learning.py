"""A Llip that learns scenes: its start from a trained CLIP, its loss, and how it is kept."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from ..encoders import Llip, LlipSizes
from ._learning import Learner, as_pixels, empty_captions, patches_hidden
from ._many_captions import ManyCaptions
from ._model import image_processor

_SPREAD = 0.5  # of the mixture tokens about CLS, in its own size
_LOGITS = 2.5, -6.0  # logarithm of the first scale, and bias


class LlipLearner(Learner[ManyCaptions]):
    """A Llip that learns which captions are true of a picture.

    Parameters
    ----------
    model, tokenizer, learning_rate, hidden
        See ``Learner``.
    weight_scale
        What products of keys and queries are divided by; infinity for one that reads all
        mixture tokens alike.
    """

    def __init__(
        self, model: Llip, tokenizer: Any, learning_rate: float, hidden: float, weight_scale: float
    ):
        super().__init__(model, tokenizer, learning_rate, hidden)
        self._weight_scale = weight_scale

    def losses(self, batch: ManyCaptions) -> tuple[Tensor, Tensor]:
        """Return the sigmoid loss of all pairs, and how often true captions beat false ones.

        A grey picture shows nothing, and an empty caption names nothing: both are false of all.
        """
        place = self.model.logit_scale.device
        pixels = as_pixels(batch.pictures, place)
        pixels = torch.cat([pixels, torch.zeros_like(pixels[:1])])
        tokens = self.tokens(batch.captions, place)
        empty, _ = empty_captions(tokens, self.tokenizer)
        ids = torch.cat([tokens["input_ids"], empty["input_ids"]])
        special = len(self.model.k_proj)
        with (
            patches_hidden(self.model.visual.ln_pre, self.hidden, special),
            torch.autocast(place.type, torch.bfloat16),
        ):
            image, text = self.model.encode_image(pixels), self.model.encode_text(ids)
        cosines = pair_cosines(self.model, image, text, self._weight_scale)
        scale = self.model.logit_scale.exp().clamp(max=100)
        logits = scale * cosines + self.model.logit_bias
        truth = functional.pad(
            batch.truth.to(place), (0, len(ids) - len(batch.captions), 0, 1), value=-1
        )
        number = len(batch.pictures)
        lead = (logits[:number, :number] - logits[:number, number : 2 * number]).diagonal()
        loss = sigmoid_loss(logits, truth) / number + functional.softplus(-lead).mean()
        return loss, (lead > 0).float().mean()


def sigmoid_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Return the sum of what all pairs lose.

    Parameters
    ----------
    logits
        ``(pictures, captions)``.
    truth
        1 where a caption is true of a picture, -1 where it is false, 0 where nothing is known.
    """
    return (functional.softplus(-truth * logits) * truth.abs()).sum()


def pair_cosines(
    model: Llip, image: tuple[Tensor, Tensor], text: tuple[Tensor, Tensor], weight_scale: float
) -> Tensor:
    """Return the cosines of all images with all texts, ``(images, texts)``.

    Parameters
    ----------
    model
        The Llip.
    image, text
        What its towers return.
    weight_scale
        What products of keys and queries are divided by.
    """
    (keys, values), (query, embedding) = (
        tuple(part.float() for part in parts) for parts in (image, text)
    )
    weights = (torch.einsum("ihnd,thd->ithn", keys, query) / weight_scale).softmax(-1)
    mixed = torch.einsum("ithn,ihnd->ithd", weights, values).flatten(-2) @ model.pred.out_proj
    return functional.cosine_similarity(mixed, embedding, dim=-1)


def llip_of_clip(clip: Any, words: list[int], tokens: int) -> Llip:
    """Return a Llip whose towers are those of a CLIP, and whose mixture tokens resemble its CLS.

    Parameters
    ----------
    clip
        A ``transformers`` ``CLIPModel``.
    words
        Index in the CLIP's vocabulary of each word of the Llip's.
    tokens
        Number of mixture tokens.
    """
    text, vision = clip.text_model, clip.vision_model
    of_text, of_vision = clip.config.text_config, clip.config.vision_config
    patch, width = of_vision.patch_size, of_vision.hidden_size
    sizes = LlipSizes(
        image_width=width,
        image_blocks=of_vision.num_hidden_layers,
        image_hidden=of_vision.intermediate_size,
        patch=patch,
        grid=of_vision.image_size // patch,
        text_width=of_text.hidden_size,
        text_blocks=of_text.num_hidden_layers,
        text_hidden=of_text.intermediate_size,
        vocabulary=len(words),
        longest=of_text.max_position_embeddings,
        head_size=width // of_vision.num_attention_heads,
        tokens=tokens,
        shared=clip.config.projection_dim,
    )
    assert sizes.head_size == of_text.hidden_size // of_text.num_attention_heads
    model = Llip(sizes)
    seen, read = vision.embeddings, text.embeddings
    places = seen.position_embedding.weight
    spread = seen.class_embedding + places[0]
    spread = _SPREAD * spread.std() * torch.randn(tokens, width)
    weights = {
        "visual.conv1.weight": seen.patch_embedding.weight,
        "visual.class_embedding": seen.class_embedding + spread,
        "visual.positional_embedding": torch.cat([places[:1].expand(tokens, -1), places[1:]]),
        "token_embedding.weight": read.token_embedding.weight[words],
        "positional_embedding": read.position_embedding.weight,
        "text_projection": clip.text_projection.weight.T,
        "v_proj": clip.visual_projection.weight.T.expand(tokens, -1, -1),
        "pred.out_proj": torch.eye(sizes.shared),
        "logit_scale": torch.tensor(_LOGITS[0]),
        "logit_bias": torch.tensor(_LOGITS[1]),
        **_named("visual.ln_pre", vision.pre_layrnorm),
        **_named("visual.ln_post", vision.post_layernorm),
        **_named("ln_final", text.final_layer_norm),
        **_blocks("visual.", vision.encoder.layers),
        **_blocks("", text.encoder.layers),
    }
    state = {name: weight.detach().clone() for name, weight in weights.items()}
    new = {"k_proj": model.k_proj, "q_proj": model.q_proj}
    model.load_state_dict({**new, **state})
    return model


def _named(prefix: str, module: Any) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": weight for name, weight in module.state_dict().items()}


def _blocks(prefix: str, layers: Any) -> dict[str, Tensor]:
    """Return the weights of a ``transformers`` CLIP's layers by the names of residual blocks."""
    weights: dict[str, Tensor] = {}
    for number, layer in enumerate(layers):
        place, attention = f"{prefix}transformer.resblocks.{number}", layer.self_attn
        projections = attention.q_proj, attention.k_proj, attention.v_proj
        for kind in ("weight", "bias"):
            joined = torch.cat([getattr(each, kind) for each in projections])
            weights[f"{place}.attn.in_proj_{kind}"] = joined
        weights |= _named(f"{place}.attn.out_proj", attention.out_proj)
        weights |= _named(f"{place}.ln_1", layer.layer_norm1)
        weights |= _named(f"{place}.ln_2", layer.layer_norm2)
        weights |= _named(f"{place}.mlp.c_fc", layer.mlp.fc1)
        weights |= _named(f"{place}.mlp.c_proj", layer.mlp.fc2)
    return weights


def save_llip(
    model: Llip, tokenizer: Any, folder: Path, config: dict[str, object], about: dict[str, object]
) -> None:
    """Write the folder of a Llip: float16 weights, tokenizer, image processor and two documents.

    Parameters
    ----------
    model
        Its state dict is written.
    tokenizer
        Its tokenizer.
    folder
        Where to.
    config
        What no weights tell, for ``config.json``.
    about
        For ``training.json``.
    """
    weights = {name: weight.half().cpu() for name, weight in model.state_dict().items()}
    save_file(weights, folder / "model.safetensors")
    tokenizer.save_pretrained(folder)
    image_processor().save_pretrained(folder)
    for name, document in (("config.json", config), ("training.json", about)):
        (folder / name).write_text(json.dumps(document, indent=2) + "\n")
