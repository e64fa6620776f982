"""Train the bundled models; check and fine-tune the one of drawn scenes."""

from ._align import align
from ._fine_tune import fine_tune
from ._tune_on_differences import tune_on_differences

__all__ = ["align", "fine_tune", "tune_on_differences"]
