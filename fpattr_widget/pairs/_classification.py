"""Zero-shot classification: which label a picture gets, and pairs that explain why."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checks import quoted
from ..encoders import (
    MOST_PARTS,
    DualEncoder,
    ImageLike,
    Layer,
    ModelLike,
    Picture,
    Prepared,
    ProcessorLike,
    Sum,
    Term,
    Text,
    encoder_of,
)
from ..errors import InputError
from ..methods import Norms, Reading
from ._attribute import MethodLike, attribute
from ._pairs import FeaturePairs

if TYPE_CHECKING:
    import pandas

#: Stands for all other labels, in ``Classification.contrast``.
REST = "the rest"


@dataclass(frozen=True, eq=False)
class Classification:
    """Labels of a picture with the model's own logits and probabilities.

    Attributes
    ----------
    labels
        From the most to the least probable.
    logits
        ``scale · cosine + bias`` with the model's own scale (and bias, if it has one),
        ``(labels,)`` float64.
    probabilities
        ``(labels,)`` float64: the softmax of the logits, or the sigmoid of each for models
        that were trained with one (those with a bias, such as SigLIP).
    encoder
        The model.
    """

    labels: tuple[str, ...]
    logits: np.ndarray
    probabilities: np.ndarray
    encoder: DualEncoder = field(repr=False)
    _picture: Prepared = field(repr=False)
    _prompts: tuple[Sum, ...] = field(repr=False)

    def __repr__(self) -> str:
        shown = ", ".join(
            f"{label!r} {probability:.2f}"
            for label, probability in zip(self.labels[:3], self.probabilities, strict=False)
        )
        more = f", {len(self.labels) - 3} more" if len(self.labels) > 3 else ""
        return f"Classification({shown}{more})"

    def contrast(
        self,
        label: str | None = None,
        other: str | None = None,
        method: MethodLike = "integrated_jacobians",
        layer: Layer = None,
        *,
        reading: Reading | None = None,
        norms: Norms = "fixed",
    ) -> FeaturePairs:
        """Return pairs that explain the logit of one label less that of another.

        Parameters
        ----------
        label
            By default the most probable.
        other
            By default the most probable of the others; or ``"the rest"``: the mean of all
            others' logits, or of the most probable of them where they are more than a
            sum can have.
        method, layer, reading, norms
            See :func:`attribute`.

        Raises
        ------
        InputError
            When there is no such label, or both are the same.
        """
        first = self._number("label", self.labels[0] if label is None else label)
        others = [number for number in range(len(self.labels)) if number != first]
        if not others:
            raise InputError("labels", "has one label", "classify with at least two to contrast")
        chosen = others[:1]
        if other == REST:
            most = (MOST_PARTS - len(self._prompts[first].terms)) // max(
                len(self._prompts[number].terms) for number in others
            )
            chosen = others[: max(most, 1)]
        elif other is not None:
            chosen = [self._number("other", other)]
        if first in chosen:
            raise InputError("other", f"is {quoted(other)} too", "pass another label")
        terms = [
            *self._prompts[first].terms,
            *(
                Term(term.tower_name, term.value, -term.weight / len(chosen))
                for number in chosen
                for term in self._prompts[number].terms
            ),
        ]
        return attribute(
            self.encoder,
            Picture(self._picture),
            Sum(terms),
            method,
            layer,
            unit="logit",
            reading=reading,
            norms=norms,
        )

    def to_dataframe(self) -> "pandas.DataFrame":
        """Return the labels with their probabilities and logits, as a pandas DataFrame."""
        import pandas

        return pandas.DataFrame(
            {"label": self.labels, "probability": self.probabilities, "logit": self.logits}
        )

    def _number(self, argument: str, label: str) -> int:
        if label not in self.labels:
            raise InputError(argument, f"is {quoted(label)}", "pass one of the labels")
        return self.labels.index(label)


def classified(
    model: ModelLike,
    image: ImageLike | Picture,
    labels: Sequence[str],
    template: str | Sequence[str] = "{}",
    *,
    processor: ProcessorLike = None,
) -> Classification:
    """Classify a picture by its similarity to labels; see :func:`fpattr_widget.classify`."""
    names = _checked_labels(labels)
    templates = _checked_templates(template)
    encoder = encoder_of(model, processor)
    logits_of = encoder.require_logits("model")
    value = image.terms[0].value if isinstance(image, Picture) else image
    picture = encoder.prepare(value, "image")
    prompts = [[text.replace("{}", name) for text in templates] for name in names]
    flat = [prompt for of_label in prompts for prompt in of_label]
    cosines, lengths = _cosines(encoder, picture, flat, len(templates))
    logits = logits_of.scale * cosines + (logits_of.bias or 0.0)
    order = np.argsort(-logits, kind="stable")
    return Classification(
        tuple(names[number] for number in order),
        logits[order],
        _probabilities(logits, is_softmax=logits_of.bias is None)[order],
        encoder,
        picture,
        tuple(_ensemble(prompts[number], float(lengths[number])) for number in order),
    )


def _cosines(
    encoder: DualEncoder, picture: Prepared, prompts: list[str], templates: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the cosine of each label, and the length of its prompts' mean; ``(labels,)``."""
    if encoder.head is not None:
        if templates > 1:
            raise InputError(
                "template",
                f"has {templates} templates, but {encoder.name!r} reads an image by one caption",
                "pass one template",
            )
        return encoder.similarities(picture, prompts), np.ones(len(prompts))
    embedded = encoder.embed_text(prompts)
    means = embedded.reshape(-1, templates, embedded.shape[1]).astype(np.float64).mean(1)
    lengths = np.linalg.norm(means, axis=1)
    image = encoder.embed_image([picture])[0].astype(np.float64)
    return means @ image / lengths, lengths


def _ensemble(prompts: Sequence[str], length: float) -> Sum:
    """Return the unit-length mean of prompts, given the length of their mean."""
    if len(prompts) == 1:
        return Text(prompts[0])
    weight = 1 / (len(prompts) * length)
    return Sum([Term("text", prompt, weight) for prompt in prompts])


def _probabilities(logits: np.ndarray, *, is_softmax: bool) -> np.ndarray:
    if not is_softmax:
        sigmoid: np.ndarray = 1 / (1 + np.exp(-logits))
        return sigmoid
    powers = np.exp(logits - logits.max())
    softmax: np.ndarray = powers / powers.sum()
    return softmax


def _checked_labels(labels: Iterable[Any]) -> list[str]:
    if isinstance(labels, str):
        raise InputError("labels", "is one string", "pass a list of labels")
    names = list(labels)
    if not names:
        raise InputError("labels", "is an empty list", "pass at least one label")
    seen: set[str] = set()
    for name in names:
        if not isinstance(name, str) or not name.strip():
            raise InputError("labels", f"holds {quoted(name)}", "pass words")
        if name in seen:
            raise InputError("labels", f"holds {quoted(name)} twice", "pass each label once")
        seen.add(name)
    return names


def _checked_templates(template: str | Sequence[str]) -> list[str]:
    templates = [template] if isinstance(template, str) else list(template)
    if not templates:
        raise InputError("template", "is an empty list", "pass at least one template")
    for text in templates:
        if not isinstance(text, str) or "{}" not in text:
            raise InputError(
                "template",
                f"is {quoted(text)}, which has no place for the label",
                "pass one with {}, such as 'a photo of a {}'",
            )
    if len(templates) > MOST_PARTS // 2:
        raise InputError(
            "template", f"has {len(templates)} templates", f"pass at most {MOST_PARTS // 2}"
        )
    return templates
