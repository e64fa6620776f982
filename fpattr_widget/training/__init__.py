"""Train the bundled model, check it, and fine-tune it on new kinds of objects."""

from ._fine_tune import fine_tune

__all__ = ["fine_tune"]
