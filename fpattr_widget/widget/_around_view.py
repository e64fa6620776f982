"""What boxes with a view in them have in common: they are displayed and shared as it is."""

from collections.abc import Container
from functools import partial
from typing import Any

import ipywidgets

from ..pairs import FeaturePairs
from ._fallback_png import with_fallback_png
from ._pairs_widget import PairsWidget


class AroundView(ipywidgets.VBox):  # type: ignore[misc]
    """A box of controls and a view; subclasses have the view as ``view``."""

    view: PairsWidget

    def _repr_mimebundle_(
        self,
        include: Container[str] | None = None,
        exclude: Container[str] | None = None,
        **options: Any,
    ) -> Any:
        bundle = partial(super()._repr_mimebundle_, **options)
        view = self.view
        return with_fallback_png(bundle, include, exclude, view.draw_so_far, view.left_out)

    def explanations(self) -> tuple[FeaturePairs, ...]:
        """Return the pairs that are shown."""
        return self.view.explanations()

    def kept_state(self) -> dict[str, Any]:
        """Return the settings and pins of the view, which a page of it keeps."""
        return self.view.kept_state()
