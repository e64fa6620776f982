"""Exact search by matrix products, in chunks of bounded memory."""

import mmap
from typing import Any

import numpy as np

from ..checks import as_count
from ..encoders import Embeddings
from ..errors import InputError

# Working memory of a search, in bytes.
_MEMORY = 2**26
# Queries that are compared with a chunk at once.
_QUERIES = 256


def nearest(
    vectors: Embeddings | np.ndarray, queries: np.ndarray, k: int, *, chunk: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the ``k`` vectors with the largest inner product with each query.

    The search is exact: all products are computed in single precision, chunk by chunk, and
    those that rounding could have kept out are computed again in double precision. Of
    equal products the vector that comes first wins. Its working memory is 64 MB, however many
    vectors there are; those of a store are mapped into memory and read chunk by chunk.

    Parameters
    ----------
    vectors
        Embeddings, or an array ``(n, K)``, which may be mapped into memory.
    queries
        ``(q, K)``, or one query ``(K,)``.
    k
        How many of them, at most ``n``.
    chunk
        Vectors that are read at once; as many as the working memory allows by default.

    Returns
    -------
    (numpy.ndarray, numpy.ndarray)
        Products ``(q, k)`` float64, the largest first, and rows of ``vectors`` ``(q, k)``
        int64; ``(k,)`` each for one query.

    Raises
    ------
    InputError
        When ``k`` is larger than ``n``, widths differ, or a number is NaN or infinite.
    """
    stored = vectors.vectors if isinstance(vectors, Embeddings) else vectors
    gallery = _as_matrix(stored, "vectors")
    asked = _as_matrix(np.atleast_2d(np.asarray(queries)), "queries")
    count, width = gallery.shape
    if asked.shape[1] != width:
        raise InputError(
            "queries",
            f"has {asked.shape[1]} numbers each, and the vectors have {width}",
            "embed both with the same model",
        )
    k = as_count(k, "k")
    if k > count:
        raise InputError("k", f"is {k}, and there are {count} vectors", f"pass at most {count}")
    rows = default_chunk(width, len(asked)) if chunk is None else as_count(chunk, "chunk")
    found = [
        _nearest(gallery, asked[start : start + _QUERIES], k, rows)
        for start in range(0, len(asked), _QUERIES)
    ]
    scores, indices = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return (scores[0], indices[0]) if np.ndim(queries) == 1 else (scores, indices)


def default_chunk(width: int, queries: int) -> int:
    """Return how many vectors are read at once, so that the working memory is bounded.

    For each there may be its copy in single precision, that in double precision with its
    products by one query, and with each query a product, its copy while the largest are found,
    and a mark.
    """
    return max(1, _MEMORY // (24 * width + 13 * min(queries, _QUERIES)))


def _as_matrix(values: Any, argument: str) -> np.ndarray:
    matrix = values if isinstance(values, np.ndarray) else np.asarray(values)
    if matrix.ndim != 2 or matrix.dtype.kind != "f" or not matrix.size:
        raise InputError(
            argument,
            f"is an array {matrix.shape} of {matrix.dtype}",
            "pass floats (n, K), such as embed_image and embed_text return",
        )
    return matrix


def _nearest(
    vectors: np.ndarray, queries: np.ndarray, k: int, chunk: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return products and rows of the nearest vectors of some queries, ``(q, k)`` each."""
    count = len(queries)
    single, double = queries.astype(np.float32), queries.astype(np.float64)
    lengths = np.linalg.norm(double, axis=1)
    scores = np.full((count, k), -np.inf)
    indices = np.zeros((count, k), np.int64)
    for start in range(0, len(vectors), chunk):
        piece = np.ascontiguousarray(vectors[start : start + chunk], np.float32)
        with np.errstate(all="ignore"):  # what is not finite is refused below
            products = single @ piece.T
            longest = float(np.sqrt(np.einsum("nk,nk->n", piece, piece).max()))
        # Bound of the rounding error of an inner product in single precision.
        error = 2.0**-23 * (piece.shape[1] + 2) * longest * lengths
        lowest = scores[:, -1]
        if len(piece) >= k:
            kth = np.partition(products, len(piece) - k, axis=1)[:, len(piece) - k]
            lowest = np.maximum(lowest, kth.astype(np.float64) - error)
        if not np.isfinite(products).all() or not np.isfinite(longest):
            raise InputError(
                "vectors",
                f"or `queries` holds numbers that are not finite (vectors {start} to "
                f"{start + len(piece) - 1})",
                "embed again with a model whose weights are finite",
            )
        candidates = products >= (lowest - error)[:, None]
        for query in np.flatnonzero(candidates.any(axis=1)):
            rows = np.flatnonzero(candidates[query])
            exact = (vectors[start + rows].astype(np.float64) * double[query]).sum(axis=1)
            scores[query], indices[query] = _best(
                np.concatenate([scores[query], exact]),
                np.concatenate([indices[query], start + rows]),
                k,
            )
        _give_back(vectors[start : start + chunk])
    return scores, indices


def _best(scores: np.ndarray, indices: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the ``k`` largest scores with their indices; of equal ones the smaller index."""
    order = np.lexsort((indices, -scores))[:k]
    return scores[order], indices[order]


def _give_back(piece: np.ndarray) -> None:
    """Let the system take back the memory of what was read of a file, without waiting for need."""
    mapped = getattr(piece, "_mmap", None)
    # What is mapped for writing may hold changes that are in no file.
    if mapped is None or getattr(piece, "mode", "") != "r" or not hasattr(mmap, "MADV_DONTNEED"):
        return
    begins = piece.ctypes.data - np.frombuffer(mapped, np.uint8).ctypes.data
    first = begins - begins % mmap.PAGESIZE
    mapped.madvise(mmap.MADV_DONTNEED, first, begins + piece.nbytes - first)
