"""A page with a gallery, some of whose items open as linked views."""

import html
from collections.abc import Mapping, Sequence

from ..files import Table
from ..widget import Gallery
from ._page import Explained, encodable_text, json_text, page, section

_KEPT = ("shelves", "most_chosen", "hint", "theme", "chosen", "thumbnails")

#: What is chosen: one ``(shelf, item)`` or more.
Chosen = tuple[tuple[int, int], ...]


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
    gallery.bake(most=max(len(shelf["items"]) for shelf in gallery.shelves))
    state = {name: getattr(gallery, name) for name in _KEPT}
    name = html.escape(encodable_text(title), quote=True)
    body = [
        f"<h1>{name}</h1>",
        f'<div data-fpattr-gallery><script type="application/json">{json_text(state)}</script>',
        *(_table(shelf)._repr_html_() for shelf in gallery.shelves),
        "</div>",
        *(f"<p>{html.escape(encodable_text(note))}</p>" for note in notes),
        *(
            f'<section data-explains="{_key(chosen)}">{section(shown)}</section>'
            for chosen, shown in explained.items()
        ),
        f'<section data-explains="" hidden><p>{html.escape(otherwise)}</p></section>',
    ]
    return page(body, name, scripts=["gallery_page.js"])


def _key(chosen: Chosen) -> str:
    return " ".join(f"{shelf}/{item}" for shelf, item in chosen)


def _table(shelf: Mapping) -> Table:
    rows = [(item["place"], item["text"] or item["name"], item["score"]) for item in shelf["items"]]
    return Table(("place", "name", "score"), tuple(rows), shelf["title"])
