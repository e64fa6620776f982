"""Titles that open as views."""

from collections.abc import Callable, Sequence
from typing import Any

from ipywidgets import Accordion, VBox, Widget


def accordion(titles: Sequence[str], makers: Sequence[Callable[[], Widget]]) -> Accordion:
    """Return an accordion with an entry for each title; its view is made when it is opened."""
    places = [VBox() for _ in titles]
    shown = Accordion(children=places, titles=list(titles))

    def open_chosen(change: dict[str, Any]) -> None:
        chosen = change["new"]
        if chosen is not None and not places[chosen].children:
            places[chosen].children = [makers[chosen]()]

    shown.observe(open_chosen, "selected_index")
    return shown
