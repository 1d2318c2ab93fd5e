"""Whether new pictures are like those that a model was measured on."""

import numpy as np

# N. Siddiqi, "Credit Risk Scorecards" (2006): from 0.1 on a shift is worth a look, from 0.25 on it matters.
ALIKE, DRIFTED = 0.1, 0.25
CHANCE = 16.919  # the 95 % quantile of chi-squared with nine degrees of freedom: ten bins


def population_stability(expected: np.ndarray, actual: np.ndarray, bins: int = 10) -> float:
    """The population stability index of `actual` (M,) against `expected` (N,): 0 is alike, above 0.25 is drift.

    The sum over bins of (a - e) ln(a / e), where e and a are the shares of both in the bin; the edges are quantiles of
    `expected`, those that fall together counted once. Half a value is added to each bin, so that an empty one does
    not make the index infinite. S. Kullback, R. A. Leibler, "On information and sufficiency" (1951), made symmetric;
    N. Siddiqi, "Credit Risk Scorecards" (2006). Both hold at least one value.
    """
    edges = np.unique(np.quantile(expected, np.linspace(0, 1, bins + 1)[1:-1]))
    counts = [
        np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1) + 0.5
        for values in (expected, actual)
    ]
    e, a = (count / count.sum() for count in counts)
    return float(((a - e) * np.log(a / e)).sum())


def drift_verdict(index: float, pictures: int, reference: int) -> str:
    """A population stability index of so many pictures against so many others, in words.

    Without any drift the index over (1 / pictures + 1 / reference) follows a chi-squared distribution of nine
    degrees of freedom (B. Yurdakul, "Statistical Properties of Population Stability Index", 2018). What chance
    exceeds in one of twenty such comparisons is called no drift.
    """
    chance = CHANCE * (1 / pictures + 1 / reference)
    if index >= max(DRIFTED, chance):
        return "drifted"
    if chance > DRIFTED:
        return "too few pictures to tell"
    return "a shift worth a look" if index >= max(ALIKE, chance) else "alike"
