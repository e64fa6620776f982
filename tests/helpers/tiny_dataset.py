"""A data set of a few drawn samples."""

from fpattr_widget.evaluation import Dataset
from tests.helpers.planted import cell, counted, phrase, picture, sample

DOG, BALL = phrase("dog", "dog", cell(0, 0, 2, 2)), phrase("red ball", "ball", cell(2, 2))


def tiny(count: int = 4, opened: list[str] | None = None, **images) -> Dataset:
    """Return samples of two phrases each; ``images`` by name take the place of their own."""
    opened = [] if opened is None else opened
    names = [f"s{number}" for number in range(count)]
    return Dataset(
        "tiny",
        [
            sample(name, DOG, BALL, image=images.get(name, counted(picture(i), opened, name)))
            for i, name in enumerate(names)
        ],
    )
