"""The table of methods that the documentation shows."""

import numpy as np
import pytest

import fpattr_widget as fp
from fpattr_widget.methods import Method
from tests.benchmarks import methods, records

pytestmark = pytest.mark.slow


def residual(encoder: fp.DualEncoder, method: Method) -> float:
    """Return the mean residual over the same two scenes, from the ledgers themselves."""
    scenes = fp.datasets.scenes(2, seed=methods._SEED)
    ledgers = [fp.attribute(encoder, one.image, one.caption, method).ledger for one in scenes]
    return float(np.mean([abs(ledger.residual) for ledger in ledgers]))


def test_the_table_has_a_line_for_every_method(capsys, tmp_path, bundled):
    methods.main(["--scenes", "2", "--timed", "1", "--samples", "8", "--records", str(tmp_path)])
    kept = records.read("methods", tmp_path)["numbers"]
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    names = [line.split("|")[1].strip() for line in lines]
    assert names == ["method", *methods.methods(8)] == ["method", *kept["methods"]]
    found = kept["methods"]
    assert all(0 <= one["pointing_game"]["mean"] <= 1 for one in found.values())
    for method in (fp.IntegratedJacobians(), fp.GradientTimesInput()):
        name = method.label
        told = found[name]["completeness_residual"]["mean"]
        assert told == pytest.approx(residual(bundled, method), rel=1e-3, abs=1e-6)
    # One pass for each patch that is taken away; the words' are far cheaper.
    patches = 64
    assert patches < found["occlusion"]["passes"][0] < patches + 20
    assert found["patch–token similarity"]["passes"][0] < found["occlusion"]["passes"][0]
