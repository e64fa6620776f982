"""Pairs and views as files that others can open."""

from .file import load_pairs, save_pairs
from .page import save_html, to_html

__all__ = ["load_pairs", "save_html", "save_pairs", "to_html"]
