"""What is explained, in one line of words."""

from ..encoders import Crop, Sentence, Side

# Inputs of a side that a title names.
_NAMED = 3


def side_in_words(side: Side, most: int | None = None) -> str:
    """Return a side as a sum, such as ``“a dog” − 0.5 · “a cat”`` or ``picture 1 + picture 2``.

    Parameters
    ----------
    side
        The side.
    most
        How many inputs are named; by default all.
    """
    pictures = sum(isinstance(panel, Crop) for panel in side.panels)
    number = 0
    words: list[str] = []
    for panel, weight in zip(side.panels, side.weights, strict=True):
        if isinstance(panel, Sentence):
            name = f"“{panel.caption}”"
        elif isinstance(panel, Crop):
            number += 1
            name = "picture" if pictures == 1 else f"picture {number}"
        else:
            name = panel.kind
        size = abs(weight)
        factor = "" if size == 1 else f"{size:.3g} · "
        words.append(f"{'−' if weight < 0 else '+'} {factor}{name}")
    if most is not None and len(words) > most:
        words = [*words[:most], f"… ({len(words)} inputs)"]
    return " ".join(words).removeprefix("+ ")


def title_of(rows: Side, columns: Side) -> str:
    """Return what a page about two sides is called: the caption, where it is about one."""
    one_picture = not columns.is_sum and isinstance(columns.panels[0], Crop)
    caption = rows.panels[0]
    if one_picture and not rows.is_sum and isinstance(caption, Sentence):
        return caption.caption
    if one_picture and rows.kinds == {Sentence.kind}:
        return side_in_words(rows, _NAMED)
    both = (
        side_in_words(side, _NAMED) if len(side.panels) == 1 else f"({side_in_words(side, _NAMED)})"
        for side in (rows, columns)
    )
    return " × ".join(both)
