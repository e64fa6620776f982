"""SigLIP 2 with NaFlex: SigLIP's towers, for pictures of any proportions.

A picture comes as rows of patches with the shape of their grid. Checkpoints of
fixed resolution are of type ``siglip``.
"""

from .._family import hugging_face_family
from .siglip import siglip_image_tower, siglip_text_tower

SIGLIP2 = hugging_face_family(
    "SigLIP 2",
    {"siglip2": "Siglip2Model"},
    lambda model: (
        siglip_text_tower(model),
        siglip_image_tower(model, size=None, packed=True),
    ),
)
