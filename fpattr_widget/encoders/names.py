"""Names that can be shown to others."""

import os
import re


def shared_name(model: str) -> str:
    """Return a model's name as others may read it: of a folder's path, the last part alone.

    A hub's names have one slash at most and begin with a letter; a path that
    looks like one tells nothing of its owner.
    """
    looks_like_path = model[:1] in ("/", "~", ".") or "\\" in model or model.count("/") > 1
    if not looks_like_path and not os.path.isdir(model):
        return model
    parts = [part for part in re.split(r"[/\\]", model) if part not in ("", ".", "..", "~")]
    return parts[-1] if parts else "model"
