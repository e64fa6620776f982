"""Pairs of which everything is there: from a file, or without their picture."""

import os

from ._file import greyed, read_contents
from ._pairs import FeaturePairs


def load_pairs(path: str | os.PathLike[str]) -> FeaturePairs:
    """Load pairs that :meth:`FeaturePairs.save` wrote.

    They are complete: no model is needed, and none is loaded. Nothing in the
    file is executed, so files of strangers can be loaded.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    FeaturePairs
        With the numbers of those that were saved, bit for bit.

    Raises
    ------
    InputError
        When the file cannot be read, is damaged, is of another program, or of
        a newer version.
    """
    return FeaturePairs.from_contents(read_contents(path))


def without_picture(pairs: FeaturePairs) -> FeaturePairs:
    """Compute everything, and return it with plain grey in the picture's place."""
    return FeaturePairs.from_contents(greyed(pairs.compute_all()))
