"""What a view is shown and told, in the words of its two sides: a caption and a picture."""

from collections.abc import Mapping, Sequence
from typing import Any


def caption_of(sides: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the panel of the caption, of which a view has one."""
    (panel,) = sides[0]["panels"]
    assert panel["kind"] == "sentence"
    return panel


def picture_of(sides: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the panel of the picture, of which a view has one."""
    (panel,) = sides[1]["panels"]
    assert panel["kind"] == "picture"
    return panel


def kind_of(message: Mapping[str, Any]) -> str | None:
    """Return a message's type; ``rows`` and ``region`` for features of the two sides."""
    kind = message.get("type")
    return ("rows", "region")[message["side"]] if kind == "features" else kind


def rows_message(tokens: Sequence[int], epoch: int = 1) -> dict[str, Any]:
    """Return the message that asks for rows, which is also the one that brings them."""
    tokens = list(tokens)
    return {"type": "features", "epoch": epoch, "part": "", "side": 0, "id": 0, "features": tokens}
