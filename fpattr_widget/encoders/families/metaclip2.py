"""MetaCLIP 2: CLIP's towers, always pooled at the first EOS."""

from .._family import hugging_face_family
from .clip import clip_image_tower, clip_text_tower, end_of_text

METACLIP2 = hugging_face_family(
    "MetaCLIP 2",
    {"metaclip_2": "MetaClip2Model"},
    lambda model: (
        clip_text_tower(model, end_of_text(model.config.text_config.eos_token_id)),
        clip_image_tower(model),
    ),
)
