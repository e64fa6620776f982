"""Names of models that can be published."""

import os
import re


def shared_name(model: str) -> str:
    """Return a model's name for publication: of a folder's path, the last part alone.

    Names on a hub have one slash at most and begin with a letter; a path that
    looks like one reveals nothing about its owner.
    """
    if not looks_like_path(model) and not os.path.isdir(model):
        return model
    parts = [part for part in re.split(r"[/\\]", model) if part not in ("", ".", "..", "~")]
    return parts[-1] if parts else "model"


def looks_like_path(model: str) -> bool:
    """Return whether a model's name can only be a path."""
    return model[:1] in ("/", "~", ".") or "\\" in model or model.count("/") > 1
