"""Files of version 0.1.0 and what that version computed for them."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "fixtures" / "first_round"


def read_truth() -> dict[str, Any]:
    """Return what that version computed, by the names of the files."""
    truth: dict[str, Any] = json.loads((FOLDER / "truth.json").read_text(encoding="utf-8"))
    return truth
