"""Scored phrases as a list of titles that open as linked views."""

from collections.abc import Sequence
from typing import Any

from ipywidgets import Accordion, VBox

from ._scored_phrase import ScoredPhrase


def browse(phrases: Sequence[ScoredPhrase]) -> Accordion:
    """Return an accordion with an entry for each phrase; its view is made when it is opened."""
    places = [VBox() for _ in phrases]
    titles = [
        f"“{phrase.words}” in “{phrase.sample.caption}”: {phrase.metric} {phrase.value:.2f}"
        for phrase in phrases
    ]
    accordion = Accordion(children=places, titles=titles)

    def open_chosen(change: dict[str, Any]) -> None:
        chosen = change["new"]
        if chosen is not None and not places[chosen].children:
            places[chosen].children = [phrases[chosen].widget()]

    accordion.observe(open_chosen, "selected_index")
    return accordion
