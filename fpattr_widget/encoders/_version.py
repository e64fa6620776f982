"""What an encoder computes with until its model changes, and what tells a change."""

from typing import Any

from torch import nn

from ._cache import Recent
from ._cores import is_small
from ._family import Family
from ._fingerprint import Fingerprint
from ._tower import Tower
from ._twin import Twin

# Inputs of each tower whose measurements are kept while those of the other change.
_MOST_INPUTS = 2


class Version:
    """A model as it is between two changes: its twin, and what tells a change.

    Parameters
    ----------
    model
        The user's module.
    family
        What its towers are.

    Attributes
    ----------
    towers
        The twin's, by name, first that of the rows.
    is_small
        Whether it runs on one thread.
    measured
        What was measured of the last inputs of each tower.
    """

    def __init__(self, model: nn.Module, family: Family):
        # First: what changes while the twin is made shows as a change afterwards.
        self._fingerprint = Fingerprint(model)
        self._model = model
        self._twin = Twin(model)
        self.is_small = is_small(model)
        self.towers: dict[str, Tower] = {
            tower.name: tower for tower in family.towers(self._twin.module)
        }
        for tower in self.towers.values():
            tower.attach(self._twin)
        self.measured: dict[str, Recent[Any]] = {name: Recent(_MOST_INPUTS) for name in self.towers}

    def read(self) -> None:
        """Read the weights, to compare with later, before anything is computed with them."""
        if not self._fingerprint.is_read:
            self._fingerprint.read()

    def has_same_outline(self) -> bool:
        """Tell whether structure, settings and hooks are what they were."""
        now = Fingerprint(self._model)
        return now.has_same_outline(self._fingerprint, self._twin.overwritten)

    def looks_the_same(self) -> bool:
        """Tell whether nothing has changed, by a look at a few numbers of each weight.

        Where something looks another, the weights are read again.
        """
        if not self.has_same_outline():
            return False
        return self._fingerprint.weights_look_the_same() or self.is_the_same()

    def is_the_same(self, layers: tuple[int, int] | None = None) -> bool:
        """Tell whether nothing has changed, by reading the weights again.

        Parameters
        ----------
        layers
            ``(text, image)``: of the blocks below these, which no pass from
            there reads, a look at a few numbers is enough.
        """
        if not self.has_same_outline():
            return False
        fingerprint, written = self._fingerprint, self._twin.overwritten
        # What looks another may be the same numbers, written anew.
        if layers is None or not fingerprint.weights_look_the_same():
            return fingerprint.weights_are_the_same(written)
        return fingerprint.weights_are_the_same(written, self._below(layers))

    def _below(self, layers: tuple[int, int]) -> set[int]:
        """Return the ids of the user's modules that no pass from these blocks up reads."""
        towers = self.towers.values()
        skipped = [
            module
            for tower, layer in zip(towers, layers, strict=True)
            for block in tower.before(layer)
            for module in block.modules()
        ]
        skipped += [
            module
            for module in self._twin.module.modules()
            if any(tower.looks_up(module) for tower in towers)
        ]
        return {id(self._twin.source(module)) for module in skipped}
