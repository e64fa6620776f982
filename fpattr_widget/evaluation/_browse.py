"""Findings as a list of titles that open as linked views."""

from collections.abc import Sequence
from typing import Any

from ipywidgets import Accordion, VBox

from ._finding import Finding


def browse(findings: Sequence[Finding]) -> Accordion:
    """Return an accordion with an entry for each finding; its view is made when it is opened."""
    places = [VBox() for _ in findings]
    titles = [
        f"“{one.words}” in “{one.sample.caption}”: {one.metric} {one.value:.2f}" for one in findings
    ]
    accordion = Accordion(children=places, titles=titles)

    def open_chosen(change: dict[str, Any]) -> None:
        chosen = change["new"]
        if chosen is not None and not places[chosen].children:
            places[chosen].children = [findings[chosen].widget()]

    accordion.observe(open_chosen, "selected_index")
    return accordion
