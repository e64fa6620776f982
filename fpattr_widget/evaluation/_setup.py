"""``Setup``: an encoder, a method and a pair of layers that explain samples."""

from dataclasses import dataclass

from ..encoders import DualEncoder
from ..methods import Method
from ..pairs import attribute
from ._explained import ExplainedSample, PreparedSample


@dataclass(frozen=True)
class SetupName:
    """What readers call a setup; reports list one as a run.

    Attributes
    ----------
    model
        Name of the encoder.
    method
        Name of the method.
    layers
        ``(text, image)`` block numbers, or ``None`` where the method reads
        features at a place of its own.
    """

    model: str
    method: str
    layers: tuple[int, int] | None

    def __str__(self) -> str:
        blocks = "" if self.layers is None else " · text block {} · image block {}"
        return f"{self.model} · {self.method}{blocks.format(*self.layers or ())}"


@dataclass(frozen=True)
class Setup:
    """An encoder, a method and a pair of layers.

    Attributes
    ----------
    name
        What readers call it; ``name.layers`` is where features are read.
    encoder
        The encoder.
    method
        The method.
    """

    name: SetupName
    encoder: DualEncoder
    method: Method

    def explain(self, prepared: PreparedSample) -> ExplainedSample:
        """Explain a sample that this encoder has prepared; nothing is computed yet."""
        layers = self.name.layers
        features_at = self.encoder.resolve_layers(-1) if layers is None else layers
        return ExplainedSample(
            prepared,
            attribute(self.encoder, prepared.pictured, prepared.text, self.method, layers),
            self.method,
            features_at,
            str(self.name),
        )

    def cheaper(self) -> str:
        """Return in a few words which settings cost less; ``""`` where none do."""
        return self.method.cheaper_alternative(self.encoder, self.name.layers)
