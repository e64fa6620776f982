"""Standalone pages."""

from ._gallery_page import Opened, galleries_page, gallery_page, gallery_section
from ._page import page, save_html, section, to_html

__all__ = [
    "Opened",
    "galleries_page",
    "gallery_page",
    "gallery_section",
    "page",
    "save_html",
    "section",
    "to_html",
]
