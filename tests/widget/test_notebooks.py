"""Every notebook runs from top to bottom, and is saved without outputs."""

from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

from fpattr_widget.scenes import WITHHELD_KINDS
from tests.helpers.executed_notebook import VIEW, Executed, rows

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, forked_kernels, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    notebook = nbformat.read(path, as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in cells)
    for cell in cells:  # what would take minutes has a short form
        cell.source += "\n" + cell.metadata.get("short", "")
    resources = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=120, resources=resources).execute()
    outputs = [output for cell in cells for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    executed = Executed(notebook, tmp_path)
    assert len(executed.outputs) >= 2
    views = [one for one in executed.outputs if one[VIEW]["model_id"] in executed.models]
    for view in views:  # no page was open
        model = executed.models[view[VIEW]["model_id"]]
        assert np.isfinite(rows(model)).all()
        assert model["state"]["ledger"]["similarity"] == model["state"]["similarity"]
        assert "image/png" in view
        assert "not computed" not in view["text/plain"]
    if path.stem == "knowledge_gaps":
        printed = "".join(output.get("text", "") for output in outputs).splitlines()
        assert_finds_the_gaps(printed)


def assert_finds_the_gaps(printed: list[str]) -> None:
    """The report names the kinds that were never taught: by chance, six of 25 hold one or two."""
    (line,) = (line for line in printed if line.startswith("never taught of them:"))
    found = {name.strip() for name in line.partition(":")[2].split(",")}
    assert found <= {kind.name for kind in WITHHELD_KINDS}
    assert len(found) >= 4
