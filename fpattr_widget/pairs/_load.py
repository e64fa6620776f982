"""Complete pairs: loaded from a file, or with their pictures removed."""

import os

from ._file import read_contents, with_grey_pictures
from ._pairs import FeaturePairs


def load_pairs(path: str | os.PathLike[str]) -> FeaturePairs:
    """Load pairs that :meth:`FeaturePairs.save` wrote.

    They are complete: no model is needed, and none is loaded. Nothing in the
    file is executed, so that files from untrusted sources can be loaded.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    FeaturePairs
        With the numbers that were saved, bit for bit.

    Raises
    ------
    InputError
        When the file cannot be read, is damaged, was written by another program, or
        by a newer version.
    """
    return FeaturePairs.from_contents(read_contents(path))


def without_pictures(pairs: FeaturePairs) -> FeaturePairs:
    """Compute what is missing, and return the pairs with plain grey instead of their pictures."""
    return FeaturePairs.from_contents(with_grey_pictures(pairs.compute_all()))
