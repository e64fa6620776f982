"""A model between two changes: its twin, its towers, and the fingerprint that shows a change."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from ._cache import LRUCache
from ._cores import is_small
from ._family import Family
from ._fingerprint import Fingerprint
from ._head import Head, check_head
from ._image import ImageTower
from ._tower import Tower
from ._twin import Twin

# Inputs of each tower whose measurements are cached.
_MOST_INPUTS = 2


class Version:
    """A model as it is between two changes, and what was computed with it.

    Parameters
    ----------
    model
        The user's module.
    family
        Makes its towers.
    image_size
        Side in pixels of the pictures that its image tower takes; ``None`` for its own.
    head_settings
        For the head that the family makes, by name.

    Attributes
    ----------
    towers
        The twin's towers by name, first that of the rows.
    is_small
        Whether it runs as fast on one thread alone.
    logits
        How it makes logits of cosines; ``None`` where it makes none.
    head
        What makes its score of the towers' outputs; ``None`` where that is their cosine.
    measured
        Cached measurements of the last inputs, by the tower's name.
    """

    def __init__(
        self,
        model: nn.Module,
        family: Family,
        image_size: int | None = None,
        head_settings: Mapping[str, Any] | None = None,
    ):
        # First, so that a change while the twin is made is noticed later.
        self._fingerprint = Fingerprint(model)
        self._model = model
        self._twin = Twin(model)
        self.is_small = is_small(model)
        self.towers: dict[str, Tower] = {
            tower.name: tower for tower in family.towers(self._twin.module)
        }
        for tower in self.towers.values():
            if image_size is not None and isinstance(tower, ImageTower):
                tower.take_size(image_size)
            tower.attach(self._twin)
        self.logits = family.logits(self._twin.module)
        self.head: Head | None = None
        if family.head is not None:
            self.head = check_head(family.head(self._twin.module, **(head_settings or {})))
        self.measured: dict[str, LRUCache[Any]] = {
            name: LRUCache(_MOST_INPUTS) for name in self.towers
        }

    def read(self) -> None:
        """Fingerprint the weights, before anything is computed with them."""
        if not self._fingerprint.is_read:
            self._fingerprint.read()

    def has_same_outline(self) -> bool:
        """Return whether structure, settings and hooks have not changed."""
        now = Fingerprint(self._model)
        return now.has_same_outline(self._fingerprint, self._twin.overwritten)

    def looks_the_same(self) -> bool:
        """Return whether nothing has changed, by sampling a few numbers of each weight.

        Where a sample differs, all weights are read again.
        """
        if not self.has_same_outline():
            return False
        return self._fingerprint.weights_look_the_same() or self.is_the_same()

    def is_the_same(self, layers: tuple[int, int] | None = None) -> bool:
        """Return whether nothing has changed, by reading all weights again.

        Parameters
        ----------
        layers
            ``(text, image)``, where passes begin. They do not read the blocks below, of
            which sampling a few numbers is enough. ``None`` for whole towers.
        """
        if not self.has_same_outline():
            return False
        fingerprint, written = self._fingerprint, self._twin.overwritten
        # A sample also differs where the same numbers were written anew.
        if layers is None or not fingerprint.weights_look_the_same():
            return fingerprint.weights_are_the_same(written)
        return fingerprint.weights_are_the_same(written, self._below(layers))

    def _below(self, layers: tuple[int, int]) -> set[int]:
        """Return the ids of the user's modules that passes from these blocks on do not read."""
        towers = self.towers.values()
        skipped = [
            module
            for tower, layer in zip(towers, layers, strict=True)
            for block in tower.blocks_below(layer)
            for module in block.modules()
        ]
        skipped += [
            module
            for module in self._twin.module.modules()
            if any(tower.is_lookup_table(module) for tower in towers)
        ]
        return {id(self._twin.source(module)) for module in skipped}
