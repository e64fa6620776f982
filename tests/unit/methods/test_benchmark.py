"""The table of methods that the documentation shows."""

import numpy as np
import pytest

import fpattr_widget as fp
from tests.benchmarks import methods


def residuals(encoder: fp.DualEncoder, method: fp.Method) -> float:
    """Return the mean residual over the same two scenes, from the ledgers themselves."""
    scenes = fp.datasets.scenes(2, seed=methods._SEED)
    ledgers = [fp.attribute(encoder, one.image, one.caption, method).ledger for one in scenes]
    return float(np.mean([abs(ledger.residual) for ledger in ledgers]))


def test_the_table_has_a_line_for_every_method(capsys, bundled):
    methods.main(["--scenes", "2", "--samples", "32"])
    lines = capsys.readouterr().out.splitlines()
    head, *rows = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in lines if "|" in line
    ]
    assert head[0] == "method"
    rows = rows[1:]
    assert [row[0] for row in rows] == list(methods.methods(32))
    numbers = {row[0]: [float(cell) for cell in row[2:]] for row in rows}
    passes, seconds, residual, hits = zip(*numbers.values(), strict=True)
    assert seconds[0] == 1
    for number, method in enumerate((fp.IntegratedJacobians(), fp.GradientTimesInput())):
        assert residual[number] == pytest.approx(residuals(bundled, method), abs=5.1e-4)
    assert residual[0] < 0.01 < residual[1]
    assert all(0 <= share <= 1 for share in hits)
    assert passes[2] > 60  # one for each patch
    assert lines[-1].startswith("2 held-out scenes")
