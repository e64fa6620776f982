"""Means with confidence intervals, where values that share a sample are not independent."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean and its 95 % confidence interval.

    Attributes
    ----------
    count
        Number of values.
    mean
        Their mean.
    low, high
        The interval; NaN where the spread cannot be estimated, from a single
        sample or from several whose sums happen to agree.
    """

    count: int
    mean: float
    low: float
    high: float


def estimate(values: Sequence[float], samples: Sequence[int], *, shares: bool = True) -> Estimate:
    """Estimate a mean and its confidence interval.

    Parameters
    ----------
    values
        At least one, finite.
    samples
        Index of the sample that each comes from; values of one sample may
        depend on each other, and form a cluster.
    shares
        Whether values from zero to one are shares; ``False`` for differences,
        which may be negative even if none is.

    Returns
    -------
    Estimate
        Wilson's interval for shares that are all zero or one and come from a
        sample each; where several of a sample are all zero or all one, as if
        each sample had one. Otherwise Student's, with the standard error of
        clusters (Liang and Zeger, Biometrika 1986), of shares cut at zero and
        one.
    """
    from scipy import stats

    array, cluster = np.asarray(values, np.float64), np.asarray(samples)
    mean = float(array.mean())
    _, number = np.unique(cluster, return_inverse=True)
    clusters = int(number.max()) + 1
    counted = clusters == len(array) or (clusters > 1 and mean in (0, 1))
    if shares and counted and np.isin(array, (0, 1)).all():
        interval = stats.binomtest(round(mean * clusters), clusters).proportion_ci(
            CONFIDENCE, method="wilson"
        )
        return Estimate(len(array), mean, float(interval.low), float(interval.high))
    if clusters == 1:
        return Estimate(len(array), mean, np.nan, np.nan)
    sums = np.bincount(number, weights=array - mean)
    error = np.sqrt(clusters / (clusters - 1) * np.square(sums).sum()) / len(array)
    if np.ptp(array) > 0 and error < 1e-9 * np.ptp(array):
        return Estimate(len(array), mean, np.nan, np.nan)
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, clusters - 1) * error)
    low, high = mean - reach, mean + reach
    if shares and array.min() >= 0 and array.max() <= 1:  # so is the mean
        low, high = max(low, 0.0), min(high, 1.0)
    return Estimate(len(array), mean, low, high)
