"""Pairs in which every text would run if anyone took it for more than text."""

from dataclasses import replace

import fpattr_widget as fp
from tests.helpers.harness import synthetic_pairs
from tests.helpers.hostile_strings import STRINGS
from tests.helpers.recorded import pairs_of


def hostile(*texts: str) -> fp.FeaturePairs:
    """Pairs in which every text is one of these."""
    pairs = synthetic_pairs(4, 2, 2, caption="one two", side=64)
    caption, special, model, method, *words = (texts * 8)[:8]
    tokens = [
        replace(token, text=text, start=None, stop=None)
        for token, text in zip(pairs.tokens, words, strict=True)
    ]
    return pairs_of(
        pairs.compute_all().recorded,
        caption=caption,
        tokens=tokens,
        picture=pairs.picture,
        grid=pairs.grid,
        special=[special],
        about=replace(pairs.about, model=model, method=method),
    )


SOME = [STRINGS[start : start + 7] for start in range(0, len(STRINGS), 7)]  # for each view
