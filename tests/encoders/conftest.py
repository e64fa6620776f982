"""What tests that register families of their own share."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from fpattr_widget.encoders import _registry as registry


@pytest.fixture
def families_as_before() -> Iterator[None]:
    """Take back what a test registers."""
    before = list(registry._FAMILIES)
    yield
    registry._FAMILIES[:] = before


@pytest.fixture
def pixels() -> Tensor:
    """Return a picture as the encoder of one's own takes it."""
    return torch.randn(1, 3, 16, 24, generator=torch.Generator().manual_seed(0))
