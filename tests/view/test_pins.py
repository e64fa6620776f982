"""What stays pinned when other inputs are shown."""

import pytest
from PIL import Image

from fpattr_widget.encoders import Crop, Sentence, Side, Token
from fpattr_widget.view import carried_pins
from tests.helpers.made_pairs import tokens_of


def caption(text: str) -> Sentence:
    return Sentence(text, tuple(tokens_of(text)))


def pieces(text: str, *cut: str) -> Sentence:
    """Return a caption of one word, cut into pieces."""
    tokens, start = [], 0
    for piece in cut:
        tokens.append(Token(piece, 0, start, start + len(piece), False))
        start += len(piece)
    return Sentence(text, tuple(tokens))


def picture(rows: int, columns: int, special: tuple[str, ...] = ("CLS",)) -> Crop:
    return Crop(Image.new("RGB", (8, 8)), (rows, columns), special)


def side(*panels, weights=()):
    return Side(panels, weights)


DOG = caption("a dog and a cat")  # BOS a dog and a cat EOS


@pytest.mark.parametrize(
    ("before", "pins", "after", "expected"),
    [
        (side(DOG), [0, 2, 6], side(DOG), [0, 2, 6]),
        # The second "a" stays the second one; "dog" is gone; EOS moves.
        (side(DOG), [2, 4, 6], side(caption("a big fox beside a cat")), [5, 7]),
        (side(DOG), [5], side(caption("cat")), [1]),
        # Another tokenizer: pieces by their number, or the whole word.
        (side(pieces("snowman", "snow", "man")), [1], side(pieces("snowman", "sn", "owman")), [1]),
        (side(pieces("snowman", "snow", "man")), [1], side(pieces("snowman", "snowman")), []),
        (side(pieces("snowman", "snow", "man")), [0, 1], side(pieces("snowman", "snowman")), [0]),
        (side(picture(2, 3)), [0, 6], side(picture(2, 3)), [0, 6]),
        (side(picture(2, 3)), [0, 6], side(picture(2, 3, ())), [5]),
        (side(picture(2, 3)), [0, 6], side(picture(3, 2)), [0]),
        (side(DOG), [2], side(picture(2, 3)), []),
        # By the number of the panel.
        (
            side(caption("dog"), DOG, weights=(1.0, -1.0)),
            [1, 5],
            side(caption("a dog"), DOG, weights=(1.0, -1.0)),
            [2, 6],
        ),
        (side(DOG, picture(2, 3)), [2, 9], side(DOG), [2]),
    ],
)
def test_pins_stay_on_what_is_still_there(before, pins, after, expected):
    assert carried_pins(pins, before, after) == expected
