"""Labels with their probabilities, and the view of why one and not another."""

from collections.abc import Sequence
from html import escape
from typing import Unpack

import ipywidgets
import numpy as np
import traitlets

from ..encoders import CaptionLike, ImageLike, Layer, ModelLike, Picture, ProcessorLike
from ..errors import InputError
from ..pairs import REST, Classification, FeaturePairs, MethodLike, classified
from ..view import ViewOptions
from ._around_view import AroundView
from ._loading_card import loading_card
from ._pairs_widget import PairsWidget

_SHOWN = 8  # labels with a bar
_MAX_WIDTH = "1180px"  # as wide as the view grows
_BAR = (
    '<tr><td style="padding: 1px 10px 1px 0; text-align: right">{label}</td>'
    '<td style="width: 100%"><div style="width: {percent:.2f}%; min-width: 1px; height: 10px; '
    'border-radius: 2px; background: currentColor; opacity: 0.55"></div></td>'
    '<td style="padding: 1px 0 1px 10px; text-align: right; white-space: nowrap; '
    'font-variant-numeric: tabular-nums">{probability}</td>'
    '<td style="padding: 1px 0 1px 14px; text-align: right; white-space: nowrap; opacity: 0.7; '
    'font-variant-numeric: tabular-nums">{logit}</td></tr>'
)
_TABLE = (
    '<table style="font: 13px system-ui, sans-serif; border-collapse: collapse; '
    'width: min(100%, 620px)" aria-label="Labels">{rows}</table>'
)


class ClassificationView(AroundView):
    """The labels of a picture, and a linked view of why one rather than another.

    Two menus choose the labels; ``label`` and ``other`` are traits that do the same.

    Parameters
    ----------
    classification
        What is shown.
    method, layer
        See :func:`fpattr_widget.attribute`.
    **options
        See :class:`~fpattr_widget.PairsWidget`.

    Attributes
    ----------
    classification
        Labels, probabilities and logits.
    label, other
        What is contrasted; ``other`` may be ``"the rest"``.
    view
        The :class:`~fpattr_widget.PairsWidget` that shows it.
    """

    label = traitlets.Unicode()
    other = traitlets.Unicode()

    def __init__(
        self,
        classification: Classification,
        method: MethodLike = "integrated_jacobians",
        layer: Layer = None,
        **options: Unpack[ViewOptions],
    ):
        labels = classification.labels
        if len(labels) < 2:
            raise InputError("labels", "has one label", "pass at least two to contrast")
        self.classification = classification
        self._method, self._layer = method, layer
        self.view = PairsWidget(classification.contrast(method=method, layer=layer), **options)
        rest = [REST] if len(labels) > 2 and REST not in labels else []
        menus = [
            ipywidgets.Dropdown(options=choices, value=value, layout={"width": "auto"})
            for choices, value in ((labels, labels[0]), ((*labels, *rest), labels[1]))
        ]
        texts = [ipywidgets.Label(text) for text in ("why", "rather than")]
        bar = ipywidgets.HBox(
            [texts[0], menus[0], texts[1], menus[1]],
            layout={"flex_flow": "row wrap", "align_items": "center"},
        )
        self._problem = ipywidgets.Label("", layout={"display": "none"})
        super().__init__(
            [ipywidgets.HTML(_bars(classification)), bar, self._problem, self.view],
            label=labels[0],
            other=labels[1],
            layout={"max_width": _MAX_WIDTH},
        )
        for name, menu in zip(("label", "other"), menus, strict=True):
            traitlets.link((self, name), (menu, "value"))
        self.observe(self._choose, ("label", "other"))

    @property
    def pairs(self) -> FeaturePairs:
        """The pairs that are shown."""
        return self.view.pairs

    def __repr__(self) -> str:
        return f"ClassificationView({self.classification!r})"

    def close(self) -> None:
        """Stop all work and take the view from the page."""
        for child in getattr(self, "children", ()):
            child.close()
        super().close()

    def _choose(self, _change: object) -> None:
        try:
            pairs = self.classification.contrast(
                self.label, self.other, method=self._method, layer=self._layer
            )
        except InputError as error:
            self._problem.value = error.for_readers()
            self._problem.layout.display = None
            return
        self._problem.layout.display = "none"
        self.view.show(pairs)


def classify(
    image: ImageLike | Picture,
    labels: Sequence[str],
    *,
    template: str | Sequence[str] = "{}",
    model: ModelLike = "bundled",
    processor: ProcessorLike = None,
    method: MethodLike = "integrated_jacobians",
    layer: Layer = None,
    **options: Unpack[ViewOptions],
) -> ClassificationView:
    """Classify a picture by labels, and show why it gets the first and not the second.

    Parameters
    ----------
    image
        As :func:`attribute` takes it.
    labels
        Two or more; a thousand are embedded in a few passes.
    template
        A prompt with ``{}`` where the label stands, such as ``"a photo of a {}"``; or several,
        whose embeddings are averaged.
    model, processor, method, layer
        See :func:`attribute`.
    **options
        See :class:`PairsWidget`.

    Returns
    -------
    ClassificationView
        Shown by a notebook cell that ends with it. ``.classification`` has the labels with their
        probabilities, by the model's own scale, and explains any two of them; ``.pairs`` are
        those that are shown, in logits: their ``similarity`` is the logarithm of the odds
        between the two labels.

    Raises
    ------
    InputError
        When an argument cannot be used, or the model makes no logits.
    """
    caption: CaptionLike = ", ".join(map(str, labels[:3])) if len(labels) else ""
    with loading_card(model, caption):
        found = classified(model, image, labels, template, processor=processor)
    return ClassificationView(found, method, layer, **options)


def _bars(classification: Classification) -> str:
    rows = [
        _BAR.format(
            label=escape(label),
            percent=100 * float(probability),
            probability=f"{float(probability):.3f}",
            logit=f"{float(logit):.2f}",
        )
        for label, probability, logit in zip(
            classification.labels[:_SHOWN],
            classification.probabilities,
            classification.logits,
            strict=False,
        )
    ]
    left = len(classification.labels) - _SHOWN
    if left > 0:
        remaining = float(np.sum(classification.probabilities[_SHOWN:]))
        rows.append(
            f'<tr><td></td><td style="opacity: 0.7">{left} more, together {remaining:.3f}</td></tr>'
        )
    return _TABLE.format(rows="".join(rows))
