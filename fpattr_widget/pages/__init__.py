"""Standalone pages."""

from ._gallery_page import gallery_page
from ._page import page, save_html, section, to_html

__all__ = [
    "gallery_page",
    "page",
    "save_html",
    "section",
    "to_html",
]
