"""How many things attention is spread over."""

import numpy as np


def effective_number(weights: np.ndarray) -> np.ndarray:
    """Return ``exp(entropy)`` of weights' shares of their sum, ``(..., n)`` to ``(...)``.

    1 where one has all, ``n`` where all have the same.
    """
    shares = weights / weights.sum(-1, keepdims=True)
    logarithms = np.log(np.where(shares > 0, shares, 1))
    number: np.ndarray = np.exp(-(shares * logarithms).sum(-1))
    return number
