"""Standalone pages."""

from ._page import page, save_html, section, to_html

__all__ = [
    "page",
    "save_html",
    "section",
    "to_html",
]
