"""A gallery, and beneath it the linked view of what is chosen in it."""

from collections.abc import Callable, Container, Sequence
from functools import partial
from html import escape
from typing import Any, Unpack

import ipywidgets

from ..errors import InputError, Problem
from ..pairs import FeaturePairs
from ..view import ViewOptions
from ._fallback_png import with_fallback_png
from ._gallery import Gallery
from ._pairs_widget import PairsWidget

_LISTED = 50  # things that could not be read
_LEFT_OUT = (
    '<details style="font: 12px/1.5 system-ui, sans-serif; opacity: 0.85; padding: 2px 12px">'
    "<summary>{summary}</summary>{lines}</details>"
)

#: Takes what is chosen, one ``[shelf, item]`` or more, and returns what explains it.
Explainer = Callable[[Sequence[Sequence[int]]], FeaturePairs]


class GalleryView(ipywidgets.VBox):  # type: ignore[misc]
    """A gallery with the explanation of what is chosen in it, in a linked view beneath.

    Parameters
    ----------
    gallery
        The gallery; what is chosen in it is explained at once, and nothing else.
    explain
        Returns pairs for what is chosen, one ``[shelf, item]`` or more. An ``InputError``
        that it raises is shown as a sentence, and the view goes on showing what it showed.
    problems
        What could not be read, told beneath the gallery.
    **options
        See :class:`~fpattr_widget.PairsWidget`.

    Attributes
    ----------
    gallery
        The gallery; ``gallery.chosen`` can be observed and set.
    view
        The :class:`~fpattr_widget.PairsWidget` beneath; ``None`` until something is explained.
    """

    def __init__(
        self,
        gallery: Gallery,
        explain: Explainer,
        *,
        problems: Sequence[Problem] = (),
        **options: Unpack[ViewOptions],
    ):
        self.gallery = gallery
        self.view: PairsWidget | None = None
        self._explain = explain
        self._options = options
        self._trouble = ipywidgets.Label("", layout={"display": "none"})
        left_out = [ipywidgets.HTML(_left_out(problems))] if problems else []
        self._above = (gallery, *left_out, self._trouble)
        super().__init__(self._above, layout={"overflow": "visible"})
        self._show_chosen()
        gallery.observe(self._show_chosen, "chosen")

    @property
    def pairs(self) -> FeaturePairs | None:
        """The pairs that are shown; ``None`` where none are."""
        return None if self.view is None else self.view.pairs

    def explanations(self) -> tuple[FeaturePairs, ...]:
        """Return the pairs that are shown."""
        if self.view is None:
            raise InputError("explained", "is a gallery with nothing chosen", "choose an item")
        return self.view.explanations()

    def kept_state(self) -> dict[str, Any]:
        """Return the settings and pins of the view, which a page of it keeps."""
        return {} if self.view is None else self.view.kept_state()

    def bake(self) -> "GalleryView":
        """Make the first thumbnails and compute what is explained, and keep all in the state."""
        self.gallery.bake()
        if self.view is not None:
            self.view.bake()
        return self

    def close(self) -> None:
        """Stop all work and take the view from the page."""
        for child in getattr(self, "children", ()):
            child.close()
        super().close()

    def draw(self) -> bytes | None:
        """Return a drawing of the gallery and of what is explained; ``None`` if it fails."""
        drawings = [self.gallery.draw(), None if self.view is None else self.view.draw_so_far()]
        drawn = [drawing for drawing in drawings if drawing is not None]
        if len(drawn) < 2:
            return drawn[0] if drawn else None
        from ..drawing import stacked

        return stacked(drawn)

    def _repr_mimebundle_(
        self,
        include: Container[str] | None = None,
        exclude: Container[str] | None = None,
        **options: Any,
    ) -> Any:
        bundle = partial(super()._repr_mimebundle_, **options)
        left_out = (lambda: "") if self.view is None else self.view.left_out
        return with_fallback_png(bundle, include, exclude, self.draw, left_out)

    def _show_chosen(self, _change: object = None) -> None:
        chosen = self.gallery.chosen
        if not chosen:
            return
        try:
            pairs = self._explain(chosen)
        except InputError as error:
            self._trouble.value = error.for_readers()
            self._trouble.layout.display = None
            return
        if self.gallery.chosen != chosen:  # meanwhile, on another thread
            return
        self._trouble.layout.display = "none"
        if self.view is None:
            self.view = PairsWidget(pairs, **self._options)
            self.children = (*self._above, self.view)
        else:
            self.view.show(pairs)


def _left_out(problems: Sequence[Problem]) -> str:
    lines = [f"<div>{escape(str(problem))}</div>" for problem in problems[:_LISTED]]
    if len(problems) > _LISTED:
        lines.append(f"<div>and {len(problems) - _LISTED} more</div>")
    noun = "file" if len(problems) == 1 else "files"
    summary = f"{len(problems)} {noun} could not be used"
    return _LEFT_OUT.format(summary=summary, lines="".join(lines))
