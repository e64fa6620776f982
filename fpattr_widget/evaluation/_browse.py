"""Scored phrases and foils as a list of titles that open as linked views."""

from collections.abc import Sequence
from typing import Any

from ipywidgets import Accordion, VBox

from ._scored_foil import ScoredFoil
from ._scored_phrase import ScoredPhrase


def browse(examples: Sequence[ScoredPhrase | ScoredFoil]) -> Accordion:
    """Return an accordion with an entry for each example; its view is made when it is opened."""
    places = [VBox() for _ in examples]
    titles = [f"{one.title}: {one.metric} {one.value:.2f}" for one in examples]
    accordion = Accordion(children=places, titles=titles)

    def open_chosen(change: dict[str, Any]) -> None:
        chosen = change["new"]
        if chosen is not None and not places[chosen].children:
            places[chosen].children = [examples[chosen].widget()]

    accordion.observe(open_chosen, "selected_index")
    return accordion
