"""Scores of reports, compared as far as rounding allows."""

from collections.abc import Sequence
from typing import Any

import pytest

# Measured anew, numbers may differ by their last digits: products of matrices are summed in
# another order where the matrices lie elsewhere in memory.
_ROUNDING = 1e-12


def assert_same_scores(
    found: Sequence[tuple[Any, ...]], expected: Sequence[tuple[Any, ...]]
) -> None:
    """Assert that two reports have the same rows in the same order, up to rounding."""
    assert len(found) == len(expected)
    for row, other in zip(found, expected, strict=True):
        assert len(row) == len(other)
        for value, wanted in zip(row, other, strict=True):
            assert type(value) is type(wanted)
            if isinstance(value, float):
                wanted = pytest.approx(wanted, rel=_ROUNDING, abs=_ROUNDING)
            assert value == wanted
