"""What a notebook holds after it was executed with no page open."""

import base64
from dataclasses import dataclass
from pathlib import Path

import nbformat
import numpy as np

STATE = "application/vnd.jupyter.widget-state+json"
VIEW = "application/vnd.jupyter.widget-view+json"


@dataclass(frozen=True)
class Executed:
    """An executed notebook, and the folder in which it ran."""

    notebook: nbformat.NotebookNode
    folder: Path

    @property
    def models(self) -> dict[str, dict]:
        """The views' models by their ids."""
        state = self.notebook.metadata["widgets"][STATE]["state"]
        return {name: model for name, model in state.items() if "_esm" in model["state"]}

    @property
    def outputs(self) -> list[dict]:
        """The data of the outputs with views, in their order."""
        data = [output.get("data", {}) for cell in self.notebook.cells
                for output in cell.get("outputs", [])]  # fmt: skip
        return [one for one in data if VIEW in one]

    @property
    def displayed(self) -> list[dict]:
        """The models of the outputs, in their order."""
        return [self.models[one[VIEW]["model_id"]] for one in self.outputs]


def buffers(model: dict) -> dict[str, bytes]:
    return {one["path"][0]: base64.b64decode(one["data"]) for one in model["buffers"]}


def rows(model: dict) -> np.ndarray:
    """Return a model's rows, ``(row features, column features)``, NaN where they are missing."""
    count = sum(panel["features"] for panel in model["state"]["sides"][0]["panels"])
    values = np.frombuffer(buffers(model).get("rows", b""), "<f4")
    return values.reshape(count, -1) if values.size else np.full((count, 1), np.nan)
