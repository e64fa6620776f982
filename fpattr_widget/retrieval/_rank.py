"""``rank``: pictures by a caption, or captions by a picture."""

import os
from collections.abc import Iterable

import numpy as np

from ..checks import as_count
from ..encoders import (
    CaptionLike,
    Embeddings,
    ImageLike,
    Layer,
    ModelLike,
    ProcessorLike,
    Sum,
    encoder_of,
)
from ..methods import method_of
from ..pairs import MethodLike
from ._ranked import kind_of, prepared, query_of, scored
from ._ranked_item import RankedItem
from ._ranking import Ranking


def rank(
    images: str | os.PathLike[str] | Embeddings | Iterable[ImageLike | CaptionLike | Sum],
    query: CaptionLike | ImageLike | Sum,
    *,
    model: ModelLike = "bundled",
    processor: ProcessorLike = None,
    method: MethodLike = "integrated_jacobians",
    layer: Layer = None,
    top: int | None = None,
    store: str | os.PathLike[str] | None = None,
) -> Ranking:
    """Rank pictures by how well they fit a caption, or captions by how well they fit a picture.

    ``rank("photos", "a red car")``, ``rank(captions, query="photo.jpg")``,
    ``rank("photos", Text("a red car") - Text("a car"))``. Scores are cosine similarities, or
    what the model's head makes; by a sum of inputs, the weighted sum of theirs.

    Parameters
    ----------
    images
        A folder, in which pictures are looked for at any depth; a list, a column of a data set or
        a generator of pictures or of captions, each as :func:`attribute` takes it; or
        :class:`Embeddings` of the same model. The first of them decides which they are.
    query
        A caption, a picture, or a sum of such. A string is a picture if it names a file, or
        ends as the names of pictures do; ``Text`` and ``Picture`` leave no doubt.
    model, processor
        See :func:`attribute`.
    method, layer
        What scores are explained with, once an item is chosen; see :func:`attribute`.
    top
        How many are kept, the best; by default all.
    store
        A file that keeps the embeddings of ``images``, so that the next query has only to be
        embedded itself and what is new; see :meth:`DualEncoder.embed_image`.

    Returns
    -------
    Ranking
        The best first; of equal scores, what comes first in ``images``. What cannot be read is
        left out and told in ``problems``.

    Raises
    ------
    InputError
        When an argument cannot be used, or nothing that was passed can be read.
    """
    if top is not None:
        as_count(top, "top")
    method_of(method)
    asked = query_of(query)
    values, tower_name = kind_of(images)
    encoder = encoder_of(model, processor)
    encoder.resolve_layers(layer)
    by = prepared(encoder, asked)
    found = scored(encoder, values, tower_name, by, store)
    order = np.argsort(-found.scores, kind="stable")[:top]
    ranked = tuple(
        RankedItem(
            place, found.names[number], float(found.scores[number]), found.sources, int(number)
        )
        for place, number in enumerate(order, start=1)
    )
    return Ranking(ranked, asked, encoder, tower_name, found.problems, method, layer, _prepared=by)
