"""A page with galleries, some of whose items open as linked views."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..files import Table
from ..widget import Gallery
from ._page import Explained, encodable_text, json_text, page, section

_KEPT = ("shelves", "most_chosen", "hint", "theme", "chosen", "thumbnails")

#: What is chosen: one ``(shelf, item)`` or more.
Chosen = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Opened:
    """What opens on a page when something is chosen in a gallery.

    Attributes
    ----------
    chosen
        Each of them opens it.
    shown
        Pairs or a widget.
    sentence
        Stands above it.
    """

    chosen: tuple[Chosen, ...]
    shown: Explained
    sentence: str = ""


def gallery_page(
    title: str,
    gallery: Gallery,
    explained: Mapping[Chosen, Explained],
    *,
    otherwise: str,
    notes: Sequence[str] = (),
) -> str:
    """Return a page with a gallery, and explanations that open when their items are chosen.

    Where scripts do not run, tables and all explanations are shown instead.

    Parameters
    ----------
    title
        Of the page.
    gallery
        All its thumbnails are made. What is chosen in it is shown at first.
    explained
        Pairs or widgets by what has to be chosen to show them.
    otherwise
        A sentence for what has no explanation on the page.
    notes
        Sentences beneath the gallery.

    Returns
    -------
    str
        HTML that needs neither kernel nor network, in which names and captions are nothing but
        text.
    """
    name = html.escape(encodable_text(title), quote=True)
    opened = [Opened((chosen,), shown) for chosen, shown in explained.items()]
    return galleries_page(
        name, [f"<h1>{name}</h1>", gallery_section(gallery, opened, otherwise, notes)]
    )


def galleries_page(title: str, body: Sequence[str]) -> str:
    """Return a page of parts in HTML, some of which :func:`gallery_section` returned.

    Parameters
    ----------
    title
        As HTML.
    body
        The parts.
    """
    return page(list(body), title, scripts=["gallery_page.js"])


def gallery_section(
    gallery: Gallery, opened: Sequence[Opened], otherwise: str, notes: Sequence[str] = ()
) -> str:
    """Return a part of a page: a gallery, and what opens when its items are chosen.

    Parameters
    ----------
    gallery, otherwise, notes
        See :func:`gallery_page`.
    opened
        What opens.
    """
    gallery.bake(most=max(len(shelf["items"]) for shelf in gallery.shelves))
    state = {name: getattr(gallery, name) for name in _KEPT}
    parts = [
        "<div data-fpattr-chosen>",
        f'<div data-fpattr-gallery><script type="application/json">{json_text(state)}</script>',
        *(_table(shelf)._repr_html_() for shelf in gallery.shelves),
        "</div>",
        *map(_paragraph, notes),
    ]
    for each in opened:
        keys = ",".join(map(_key, each.chosen))
        sentence = _paragraph(each.sentence) if each.sentence else ""
        parts.append(f'<section data-explains="{keys}">{sentence}{section(each.shown)}</section>')
    parts.append(f'<section data-explains="" hidden>{_paragraph(otherwise)}</section></div>')
    return "\n".join(parts)


def _paragraph(text: str) -> str:
    return f"<p>{html.escape(encodable_text(text))}</p>"


def _key(chosen: Chosen) -> str:
    return " ".join(f"{shelf}/{item}" for shelf, item in chosen)


def _table(shelf: Mapping) -> Table:
    rows = [(item["place"], item["text"] or item["name"], item["score"]) for item in shelf["items"]]
    return Table(("place", "name", "score"), tuple(rows), shelf["title"])
