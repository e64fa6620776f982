"""Train the bundled models; check and fine-tune the one of drawn scenes."""

from ._fine_tune import fine_tune

__all__ = ["fine_tune"]
