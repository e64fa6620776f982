"""The model card."""

from ._captions import CaptionWriter
from ._lexicon import Lexicon


def card(lexicon: Lexicon, writer: CaptionWriter) -> str:
    """Return the model card, in Markdown."""
    return f"{len(lexicon.class_names)} {len(writer.vocabulary)}\n"
