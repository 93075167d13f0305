"""Shares with their confidence intervals."""

from __future__ import annotations

from dataclasses import dataclass

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Share:
    """`n` of `of`, with the exact (Clopper-Pearson) interval of its true share; `of` may be unknown, then there is no interval."""

    share: float
    n: int | None = None
    of: int | None = None
    low: float | None = None
    high: float | None = None


def share(n: int | None, of: int) -> Share | None:
    """The share with its interval; None where nothing was counted."""
    if n is None or of <= 0:
        return None
    low, high = clopper_pearson(n, of)
    return Share(n / of, n, of, low, high)


def clopper_pearson(n: int, of: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Bounds of a binomial share, from the quantiles of beta distributions.

    Source: Clopper and Pearson 1934, Biometrika 26 (4).
    """
    from scipy.special import betaincinv

    tail = (1 - confidence) / 2
    low = 0.0 if n == 0 else float(betaincinv(n, of - n + 1, tail))
    high = 1.0 if n == of else float(betaincinv(n + 1, of - n, 1 - tail))
    return low, high
