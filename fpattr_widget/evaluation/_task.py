"""``Task``: what is measured of every sample, in this process or in another one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..encoders import DualEncoder, Recipe
from ..errors import InputError
from ..methods import Method
from ._fingerprint import fingerprint
from ._records import PART_NAMES
from ._setup import Setup, SetupName
from .metrics import Metric


@dataclass(frozen=True)
class Task:
    """What is measured of every sample.

    A task can be pickled if all its encoders were loaded by name or from a
    folder. The pickle holds their recipes and hashes of what decides about
    their numbers; unpickling loads each encoder once and compares the hashes.
    Both take as long as reading the weights, so pickle a task once for each
    process, and unpickle it where an ``InputError`` can be reported.

    Attributes
    ----------
    setups
        Those that are compared; setups of the same encoder stand next to each
        other.
    metrics
        Those that judge them.
    """

    setups: tuple[Setup, ...]
    metrics: tuple[Metric, ...]

    @property
    def encoders(self) -> tuple[DualEncoder, ...]:
        """The encoders of all setups, each once."""
        return tuple({id(setup.encoder): setup.encoder for setup in self.setups}.values())

    def __reduce__(self) -> tuple[Any, ...]:
        encoders = self.encoders
        sources = [(_recipe_of(encoder), fingerprint(encoder)) for encoder in encoders]
        places = {id(encoder): place for place, encoder in enumerate(encoders)}
        setups = [(setup.name, places[id(setup.encoder)], setup.method) for setup in self.setups]
        return _load, (sources, setups, self.metrics)


def _recipe_of(encoder: DualEncoder) -> Recipe:
    if encoder.recipe is None:
        raise InputError(
            "model",
            f"{encoder.name!r} is a module of this process, which no other process can load",
            "pass a Hugging Face id or a folder that save_pretrained wrote",
        )
    return encoder.recipe


def _load(
    sources: Sequence[tuple[Recipe, dict[str, str]]],
    setups: Sequence[tuple[SetupName, int, Method]],
    metrics: tuple[Metric, ...],
) -> Task:
    encoders = []
    for recipe, expected in sources:
        encoder = recipe.load()
        for part, value in fingerprint(encoder).items():
            if value != expected[part]:
                raise InputError(
                    "model",
                    f"{encoder.name!r} is loaded in another process with another "
                    f"{PART_NAMES[part]} than it has where the evaluation began",
                    "save it with save_pretrained and pass that folder",
                )
        encoders.append(encoder)
    return Task(
        tuple(Setup(name, encoders[place], method) for name, place, method in setups), metrics
    )
