"""AltCLIP: CLIP's image tower, and XLM-R pooled at its first token."""

from typing import Any

from torch import Tensor, nn

from .._family import hugging_face_family, largest_block_list, text_features
from .._last_block import attention_pooling
from .._text import TextTower
from .clip import clip_image_tower


def places(positions: nn.Embedding) -> dict[str, Any]:
    """Return the options of a :class:`.TextTower` that a table of positions implies.

    With a row for padding, as in XLM-R, tokens are numbered from the
    next row on and padding is not counted. Padding inside a caption would then shift all
    tokens after it, so it is not used as a filler.
    """
    if positions.padding_idx is None:
        return {"longest": positions.num_embeddings}
    return {
        "longest": positions.num_embeddings - positions.padding_idx - 1,
        "fillers": ("mask_token_id", "unk_token_id"),
    }


def _text_tower(model: Any) -> TextTower:
    text = model.text_model
    blocks = largest_block_list(text)

    def tail(state: Tensor) -> Tensor:
        return model.text_projection(text.transformation(text.pre_LN(state)))

    return TextTower(
        model,
        blocks,
        text_features(model),
        vocabulary=model.config.text_config.vocab_size,
        **places(text.roberta.embeddings.position_embeddings),
        masks=True,
        last_block=attention_pooling(blocks[-1], tail),
    )


ALTCLIP = hugging_face_family(
    "AltCLIP",
    {"altclip": "AltCLIPModel"},
    lambda model: (_text_tower(model), clip_image_tower(model)),
)
