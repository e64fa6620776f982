"""Explanations as HTML that needs neither kernel nor network."""

import base64
import hashlib
import html
import io
import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, get_args

from PIL import Image, features

from ..drawing import pairs_png
from ..errors import InputError
from ..files import write_atomically
from ..pairs import FeaturePairs, without_picture
from ..view import CHOICES, Encoded, computed_state, encode_within, subject_state
from ..widget import Explorer, PairsWidget

Form = Literal["page", "fragment", "iframe"]
Explained = FeaturePairs | PairsWidget | Explorer

_KEPT = ("selected_tokens", "selected_patches", "opacity", "smooth", "keep_colour", *CHOICES)
_LARGEST_PICTURE = 110_000  # bytes; with all else, a page stays below 400 kB
_NONCE = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")
_STYLE = """
:root { color-scheme: light dark; }
body {
  max-width: 1180px; padding: 16px; margin: 0 auto;
  font: 14px/1.5 system-ui, sans-serif; color: #16191d; background: #fff;
}
h1 { margin: 8px 0 16px; font-size: 20px; overflow-wrap: anywhere; }
h2, h3 { margin: 32px 0 8px; font-size: 16px; overflow-wrap: anywhere; }
table { display: block; overflow-x: auto; border-collapse: collapse; font-size: 13px; }
caption { padding-bottom: 4px; text-align: left; }
th, td { padding: 2px 12px 2px 0; font-variant-numeric: tabular-nums; white-space: nowrap; }
body > img { max-width: 100%; height: auto; background: #fff; }
[data-fpattr] { margin-block: 16px; }
[data-fpattr] img { max-width: 100%; height: auto; background: #fff; }
@media (prefers-color-scheme: dark) { body { color: #e8eaed; background: #0f1114; } }
"""


def to_html(
    *explained: Explained,
    form: Form = "page",
    title: str | None = None,
    nonce: str | None = None,
    strip_image: bool = False,
    height: int = 840,
) -> str:
    """Return explanations as HTML: the same view as in a notebook, with nothing to load.

    Everything is computed first. Where scripts do not run, a drawing of each
    explanation is shown instead.

    Parameters
    ----------
    *explained
        :class:`~fpattr_widget.FeaturePairs`, or widgets, of which settings and
        pins are kept.
    form
        ``"page"``: a page of its own, with a Content-Security-Policy that lets
        nothing else run and nothing be fetched. ``"fragment"``: to be put into
        another page, as often as wanted. ``"iframe"``: a page inside another
        one, for hosts that change or strip what they are given.
    title
        Of a page; the caption of the first explanation unless told.
    nonce
        For a server whose Content-Security-Policy asks for one.
    strip_image
        Leave the picture out and keep the map.
    height
        Of an iframe, in CSS pixels: it cannot follow what is in it.

    Returns
    -------
    str
        HTML, in which captions, tokens and titles are text alone.

    Raises
    ------
    InputError
        When an argument cannot be used.
    """
    if form not in get_args(Form):
        raise InputError(f"`form` is {form!r}: pass 'page', 'fragment' or 'iframe'.")
    if nonce is not None and not (isinstance(nonce, str) and _NONCE.fullmatch(nonce)):
        raise InputError("`nonce` is not one: pass a base64 string, as servers make them.")
    if not explained:
        raise InputError("`explained` is empty: pass pairs or a widget.")
    if title is None:
        title = _pairs_of(explained[0]).caption
    sections = [section(one, strip_image) for one in explained]
    if form == "fragment":
        return "\n".join([*sections, _tag("script", _script(), nonce), ""])
    name = html.escape(_encodable(title), quote=True)
    if form == "page":
        return page([f"<h1>{name}</h1>", *sections], name, nonce)
    source = html.escape(page(sections, name, nonce), quote=True)
    return (
        f'<iframe title="{name}" width="100%" height="{int(height)}" frameborder="0" '
        f'sandbox="allow-scripts" srcdoc="{source}"></iframe>\n'
    )


def save_html(
    path: str | Path,
    *explained: Explained,
    title: str | None = None,
    nonce: str | None = None,
    strip_image: bool = False,
) -> None:
    """Write explanations as one HTML file that shows them anywhere, with no network.

    Parameters
    ----------
    path
        Of the file; one that is there is replaced once the new one is whole.
    *explained, title, nonce, strip_image
        See :func:`to_html`.

    Raises
    ------
    InputError
        When an argument cannot be used or the file cannot be written.
    """
    page = to_html(*explained, title=title, nonce=nonce, strip_image=strip_image)
    write_atomically(path, page.encode())


def page(body: list[str], title: str, nonce: str | None = None) -> str:
    """Return a page of parts that are HTML already, among them sections of :func:`section`."""
    script = _script()
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(_STYLE)}; "
        "img-src blob: data:; base-uri 'none'; form-action 'none'"
    )
    lines = [
        "<!doctype html>",
        '<html lang="en">',
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="generator" content="fpattr_widget">',
        f"<title>{title}</title>",
        _tag("style", _STYLE, nonce),
        *body,
        _tag("script", script, nonce),
        "</html>",
        "",
    ]
    return "\n".join(lines)


def section(one: Explained, strip_image: bool = False) -> str:
    """Return what the page's script turns into the view of one explanation."""
    pairs = _pairs_of(one)
    if strip_image:
        pairs = without_picture(pairs)
    picture = encode_within(pairs.picture, _LARGEST_PICTURE)
    state: dict[str, Any] = {**subject_state(pairs, picture), **computed_state(pairs)}
    view = one.view if isinstance(one, Explorer) else one
    if isinstance(view, PairsWidget):
        state.update({name: getattr(view, name) for name in _KEPT})
    still = _still(pairs)
    drawing = base64.b64encode(still.data).decode()
    caption = html.escape(_encodable(pairs.caption), quote=True)
    return (
        f'<div data-fpattr><script type="application/json">{_json(state)}</script>'
        f'<img alt="{caption}" src="data:{still.media_type};base64,{drawing}"></div>'
    )


def _still(pairs: FeaturePairs) -> Encoded:
    """Return the drawing in a third of the bytes that a PNG takes."""
    buffer = io.BytesIO()
    drawing = Image.open(io.BytesIO(pairs_png(pairs))).convert("RGB")
    kind = "WEBP" if features.check("webp") else "JPEG"
    drawing.save(buffer, kind, quality=80)
    return Encoded(buffer.getvalue(), f"image/{kind.lower()}")


def _pairs_of(one: Explained) -> FeaturePairs:
    if isinstance(one, FeaturePairs):
        return one
    if isinstance(one, PairsWidget | Explorer):
        return one.pairs
    raise InputError(f"`explained` holds a {type(one).__name__}: pass pairs or widgets.")


def _json(state: dict[str, Any]) -> str:
    """Return JSON that stays inside a script element: no character of it can end that."""

    def packed(value: bytes) -> dict[str, str]:
        return {"base64": base64.b64encode(value).decode()}

    text = json.dumps(state, default=packed, separators=(",", ":"), allow_nan=False)
    return text.replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026")


def _tag(name: str, content: str, nonce: str | None) -> str:
    return f'<{name} nonce="{nonce}">{content}</{name}>' if nonce else f"<{name}>{content}</{name}>"


def _hash(content: str) -> str:
    digest = hashlib.sha256(content.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _encodable(text: str) -> str:
    """Return text that can be written: half of a surrogate pair cannot."""
    return text.encode("utf-8", "replace").decode()


def _script() -> str:
    file = files("fpattr_widget.widget") / "static" / "page.js"
    return file.read_text(encoding="utf-8")
