"""``SideInputs``: the inputs of one side, ready to be measured."""

from dataclasses import dataclass

from ..encoders import Prepared


@dataclass(frozen=True)
class SideInputs:
    """The inputs of one side, with their weights.

    Attributes
    ----------
    inputs
        Prepared for their towers.
    weights
        What each unit-length embedding is multiplied by.
    """

    inputs: tuple[Prepared, ...]
    weights: tuple[float, ...] = (1.0,)

    @property
    def is_sum(self) -> bool:
        """Whether it is more than one input as it is."""
        return self.weights != (1.0,)

    @property
    def name(self) -> str:
        """The towers' names."""
        return " and ".join(dict.fromkeys(prepared.tower_name for prepared in self.inputs))
