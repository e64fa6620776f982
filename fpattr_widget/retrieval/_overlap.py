"""How alike two rankings of the same items are, and how alike they would be by chance."""

from collections.abc import Hashable, Sequence

import numpy as np

from ..checks import as_count
from ..errors import InputError

#: The persistence of :func:`rank_biased_overlap` unless told: the first ten places have 86 % of
#: the weight (Webber et al., section 4.3).
PERSISTENCE = 0.9


def average_overlap(first: Sequence[Hashable], second: Sequence[Hashable], k: int) -> float:
    """Return the average overlap of two rankings, AO@k, from zero to one.

    ``(1/k) Σ_{d=1..k} |first[:d] ∩ second[:d]| / d``: the share of their first ``d`` items that
    both have, averaged over all depths to ``k``, so that the top places count most (Fagin, Kumar
    and Sivakumar, SIAM J. Discrete Math. 2003, section 3; in use for paraphrased retrieval, Cheng
    et al., arXiv 2405.03190).

    Parameters
    ----------
    first, second
        What was ranked, the best first, such as indices. None may be there twice.
    k
        The depth.

    Raises
    ------
    InputError
        When a ranking has fewer than ``k`` items, or one of them twice.

    Examples
    --------
    >>> average_overlap("abc", "bac", k=2)  # (0/1 + 2/2) / 2
    0.5
    """
    depths = np.arange(1, k + 1)
    return float((_overlaps(first, second, k) / depths).mean())


def jaccard(first: Sequence[Hashable], second: Sequence[Hashable], k: int) -> float:
    """Return the Jaccard similarity of the top of two rankings, JS@k, from zero to one.

    ``|first[:k] ∩ second[:k]| / |first[:k] ∪ second[:k]|``; their order is of no account.

    Parameters
    ----------
    first, second, k
        See :func:`average_overlap`.

    Raises
    ------
    InputError
        See :func:`average_overlap`.

    Examples
    --------
    >>> jaccard("abc", "bac", k=2)
    1.0
    """
    shared = int(_overlaps(first, second, k)[-1])
    return shared / (2 * k - shared)


def rank_biased_overlap(
    first: Sequence[Hashable],
    second: Sequence[Hashable],
    p: float = PERSISTENCE,
    k: int | None = None,
) -> float:
    """Return the rank-biased overlap of two rankings, from zero to one.

    The extrapolated form, RBO_EXT, of two prefixes of one length (Webber, Moffat and Zobel, ACM
    TOIS 28(4) 2010, equation 32), with ``A_d = |first[:d] ∩ second[:d]| / d``::

        A_k p^k + (1 − p)/p Σ_{d=1..k} A_d p^d

    What lies beyond depth ``k`` is taken to agree as the first ``k`` do.

    Parameters
    ----------
    first, second
        See :func:`average_overlap`.
    p
        Persistence: the probability that a reader goes on from one place to the next, between
        zero and one; small values look at the top alone.
    k
        The depth; by default all, which takes rankings of one length.

    Raises
    ------
    InputError
        See :func:`average_overlap`; and when ``p`` is no probability, or lengths differ where no
        depth is given.

    Examples
    --------
    >>> round(rank_biased_overlap([1, 2, 3, 4, 5], [2, 3, 4, 1, 5], p=0.9), 3)
    0.828
    """
    _check_persistence(p)
    if k is None:
        if len(first) != len(second):
            raise InputError(
                "second",
                f"has {len(second)} items, and the first ranking {len(first)}",
                "pass `k`, or rankings of one length",
            )
        k = len(first)
    agreement = _overlaps(first, second, k) / np.arange(1, k + 1)
    weights = (1 - p) * p ** np.arange(k)
    return float(agreement @ weights + agreement[-1] * p**k)


def average_overlap_by_chance(k: int, items: int) -> float:
    """Return the expected AO@k of two independent random orders of so many items.

    A depth ``d`` has ``d²/N`` items in common on average, so that it is exactly
    ``(k + 1) / 2N``.

    Raises
    ------
    InputError
        When there are fewer than ``k`` items.
    """
    _check_depth(k, items)
    return (k + 1) / (2 * items)


def jaccard_by_chance(k: int, items: int) -> float:
    """Return the expected JS@k of two independent random orders of so many items.

    How many of ``k`` items are among ``k`` others of ``N`` is hypergeometric, so that it is
    exactly ``Σ_x P(x) x / (2k − x)`` with ``P(x) = C(k, x) C(N − k, k − x) / C(N, k)``. It lies
    above ``k / (2N − k)``, the Jaccard similarity of the expected overlap.

    Raises
    ------
    InputError
        When there are fewer than ``k`` items.
    """
    from scipy import stats

    _check_depth(k, items)
    shared = np.arange(k + 1)
    probability = stats.hypergeom(items, k, k).pmf(shared)
    return float(probability @ (shared / (2 * k - shared)))


def rank_biased_overlap_by_chance(k: int, items: int, p: float = PERSISTENCE) -> float:
    """Return the expected rank-biased overlap, at depth k, of two independent random orders.

    With ``E[A_d] = d/N`` the sum of :func:`rank_biased_overlap` is exactly
    ``(1 − p^k) / ((1 − p) N)``.

    Raises
    ------
    InputError
        When there are fewer than ``k`` items, or ``p`` is no probability.
    """
    _check_depth(k, items)
    _check_persistence(p)
    return float((1 - p**k) / ((1 - p) * items))


def _overlaps(first: Sequence[Hashable], second: Sequence[Hashable], k: int) -> np.ndarray:
    """Return how many items the first ``d`` of two rankings share, for ``d`` to ``k``, ``(k,)``."""
    tops = [_top(first, k, "first"), _top(second, k, "second")]
    places = [{item: place for place, item in enumerate(top)} for top in tops]
    # An item is shared from the depth on at which the second ranking has it too.
    depths = [max(place, places[1][item]) for item, place in places[0].items() if item in places[1]]
    return np.cumsum(np.bincount(depths, minlength=k))


def _top(ranking: Sequence[Hashable], k: int, argument: str) -> list[Hashable]:
    if as_count(k, "k") > len(ranking):
        raise InputError("k", f"is {k}, and a ranking has {len(ranking)} items", "pass fewer")
    top = ranking[:k].tolist() if isinstance(ranking, np.ndarray) else list(ranking[:k])
    if len(set(top)) < k:
        raise InputError(argument, "has an item twice", "pass each item once")
    return top


def _check_depth(k: int, items: int) -> None:
    if as_count(k, "k") > as_count(items, "items"):
        raise InputError("k", f"is {k} of {items} items", "pass fewer")


def _check_persistence(p: float) -> None:
    if not 0 < p < 1:
        raise InputError("p", f"is {p}", "pass a probability between 0 and 1")
