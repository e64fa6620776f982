"""Explanations as HTML that needs neither kernel nor network."""

import base64
import hashlib
import html
import io
import json
import re
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any, Literal, Protocol, get_args, runtime_checkable

from PIL import Image, features

from ..drawing import INK, INK_IN_THE_DARK, WHITE, css, pairs_png
from ..errors import InputError
from ..files import write_atomically
from ..pairs import FeaturePairs, title_of, without_pictures
from ..view import (
    Encoded,
    carried_parts,
    computed_state,
    encode_within,
    pictures_of,
    subject_state,
)

Form = Literal["page", "fragment", "iframe"]


@runtime_checkable
class Shown(Protocol):
    """A widget, as pages know it."""

    def explanations(self) -> Sequence[FeaturePairs]:
        """Return what it shows."""
        ...

    def kept_state(self) -> dict[str, Any]:
        """Return its settings and pins, by the names of the view's traits."""
        ...


Explained = FeaturePairs | Shown

_LARGEST_PICTURE = 85_000  # bytes; with all else, a page stays below 400 kB
_NONCE = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")
_STYLE = Template("""
:root { color-scheme: light dark; }
body {
  max-width: 1180px; padding: 16px; margin: 0 auto;
  font: 14px/1.5 system-ui, sans-serif; color: $ink; background: $paper;
}
h1 { margin: 8px 0 16px; font-size: 20px; overflow-wrap: anywhere; }
h2, h3 { margin: 32px 0 8px; font-size: 16px; overflow-wrap: anywhere; }
table { display: block; overflow-x: auto; border-collapse: collapse; font-size: 13px; }
caption { padding-bottom: 4px; text-align: left; }
th, td { padding: 2px 12px 2px 0; font-variant-numeric: tabular-nums; white-space: nowrap; }
body > img { max-width: 100%; height: auto; background: $paper; }
[data-fpattr] { margin-block: 16px; }
[data-fpattr] img { max-width: 100%; height: auto; background: $paper; }
@media (prefers-color-scheme: dark) { body { color: $light_ink; background: #0f1114; } }
""").substitute(ink=css(INK), light_ink=css(INK_IN_THE_DARK), paper=css(WHITE))


def to_html(
    *explained: Explained,
    form: Form = "page",
    title: str | None = None,
    nonce: str | None = None,
    strip_image: bool = False,
    height: int = 920,
) -> str:
    """Return explanations as HTML: the same view as in a notebook, with nothing to load.

    Computes everything first. Where scripts do not run, a drawing of each
    explanation is shown instead.

    Parameters
    ----------
    *explained
        :class:`~fpattr_widget.FeaturePairs`, or widgets, whose settings and
        pins are kept.
    form
        ``"page"``: a page of its own, with a Content-Security-Policy that lets
        nothing else run and nothing be fetched. ``"fragment"``: to be put into
        another page, as often as wanted. ``"iframe"``: a page inside another
        one, for hosts that change or strip what they are given.
    title
        Of a page; by default what the first explanation is of, such as its caption.
    nonce
        For a server whose Content-Security-Policy asks for one.
    strip_image
        Leave all pictures out and keep the maps.
    height
        Of an iframe, in CSS pixels, for it cannot adapt to its content.

    Returns
    -------
    str
        HTML, in which captions, tokens and titles are nothing but text.

    Raises
    ------
    InputError
        When an argument cannot be used.
    """
    if form not in get_args(Form):
        raise InputError("form", f"is {form!r}", "pass 'page', 'fragment' or 'iframe'")
    if nonce is not None and not (isinstance(nonce, str) and _NONCE.fullmatch(nonce)):
        raise InputError("nonce", "is no base64 string", "pass one as servers make them")
    if not explained:
        raise InputError("explained", "is empty", "pass pairs or a widget")
    if title is None:
        pairs, _ = _pairs_and_state(explained[0])
        title = title_of(pairs.rows, pairs.columns)
    sections = [section(shown, strip_image) for shown in explained]
    if form == "fragment":
        return "\n".join([*sections, _tag("script", _script(), nonce), ""])
    name = html.escape(encodable_text(title), quote=True)
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
        Of the file; an existing one is replaced once the new one is whole.
    *explained, title, nonce, strip_image
        See :func:`to_html`.

    Raises
    ------
    InputError
        When an argument cannot be used or the file cannot be written.
    """
    page = to_html(*explained, title=title, nonce=nonce, strip_image=strip_image)
    write_atomically(path, page.encode())


def page(body: list[str], title: str, nonce: str | None = None, scripts: Sequence[str] = ()) -> str:
    """Return a page of parts in HTML, among them those that :func:`section` returned.

    Parameters
    ----------
    body
        The parts.
    title
        As HTML.
    nonce
        See :func:`to_html`.
    scripts
        Further files of the built front end that run once the explanations are shown.
    """
    texts = [_script(), *map(_script, scripts)]
    hashes = " ".join(map(_hash, texts))
    policy = (
        f"default-src 'none'; script-src {hashes}; style-src {_hash(_STYLE)}; "
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
        *(_tag("script", text, nonce) for text in texts),
        "</html>",
        "",
    ]
    return "\n".join(lines)


def section(shown: Explained, strip_image: bool = False) -> str:
    """Return what the page's script turns into the view of one explanation."""
    pairs, kept_state = _pairs_and_state(shown)
    if strip_image:
        pairs = without_pictures(pairs)
    room = _LARGEST_PICTURE // max(1, len(pictures_of(pairs)))
    subject = subject_state(pairs, partial(encode_within, size=room))
    parts = {"parts": carried_parts(pairs)}
    state = {**subject, **parts, **computed_state(pairs), **kept_state}
    drawing = _drawing(pairs)
    data = base64.b64encode(drawing.data).decode()
    caption = html.escape(encodable_text(title_of(pairs.rows, pairs.columns)), quote=True)
    return (
        f'<div data-fpattr><script type="application/json">{json_text(state)}</script>'
        f'<img alt="{caption}" src="data:{drawing.media_type};base64,{data}"></div>'
    )


def _drawing(pairs: FeaturePairs) -> Encoded:
    """Return the drawing in a third of the bytes that a PNG takes."""
    buffer = io.BytesIO()
    drawing = Image.open(io.BytesIO(pairs_png(pairs))).convert("RGB")
    kind = "WEBP" if features.check("webp") else "JPEG"
    drawing.save(buffer, kind, quality=80)
    return Encoded(buffer.getvalue(), f"image/{kind.lower()}")


def _pairs_and_state(shown: Explained) -> tuple[FeaturePairs, dict[str, Any]]:
    """Return what is explained, and the settings and pins of its view."""
    if isinstance(shown, FeaturePairs):
        return shown, {}
    if isinstance(shown, Shown):
        (pairs,) = shown.explanations()
        return pairs, shown.kept_state()
    raise InputError("explained", f"holds a {type(shown).__name__}", "pass pairs or widgets")


def json_text(state: Mapping[str, Any]) -> str:
    """Return JSON without any character that could end a script element."""

    def packed(value: bytes) -> dict[str, str]:
        return {"base64": base64.b64encode(value).decode()}

    text = json.dumps(state, default=packed, separators=(",", ":"), allow_nan=False)
    return text.replace("<", r"\u003c").replace(">", r"\u003e").replace("&", r"\u0026")


def _tag(name: str, content: str, nonce: str | None) -> str:
    return f'<{name} nonce="{nonce}">{content}</{name}>' if nonce else f"<{name}>{content}</{name}>"


def _hash(content: str) -> str:
    digest = hashlib.sha256(content.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def encodable_text(text: str) -> str:
    """Return text without halves of surrogate pairs, which cannot be written."""
    return text.encode("utf-8", "replace").decode()


def _script(name: str = "page.js") -> str:
    file = files("fpattr_widget.widget") / "static" / name
    return file.read_text(encoding="utf-8")
