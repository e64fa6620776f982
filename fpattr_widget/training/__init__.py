"""How the bundled model came about, and fine-tuning in small."""

from ._fine_tune import fine_tune

__all__ = ["fine_tune"]
