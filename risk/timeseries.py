"""Tests on series of measurements, in pandas: drift, constancy, last digits, bursts, runs. Pure; numbers are sensor values, never money."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from math import exp, lgamma, log

import pandas as pd


def series_of(points: Sequence[tuple[datetime, Decimal]]) -> pd.Series[float]:
    """Values by time, sorted, the last of equal times. Raises ValueError on naive times."""
    if any(at.tzinfo is None for at, _ in points):
        raise ValueError("a series needs aware times")
    index = pd.DatetimeIndex([at for at, _ in points])
    made = pd.Series([float(v) for _, v in points], index=index, dtype="float64").sort_index()
    return made[~made.index.duplicated(keep="last")]


@dataclass(frozen=True, kw_only=True)
class Constancy:
    """How long a series did not change at all up to its newest point."""

    since: datetime
    until: datetime
    points: int

    @property
    def lasted(self) -> timedelta:
        return self.until - self.since


def constancy(series: pd.Series[float]) -> Constancy | None:
    """The newest stretch of equal values; None for fewer than two points."""
    if len(series) < 2:
        return None
    changed = series.ne(series.shift())
    run = series[changed.cumsum() == changed.cumsum().iloc[-1]]
    return Constancy(since=run.index[0].to_pydatetime(), until=run.index[-1].to_pydatetime(), points=len(run))


def last_digit_p(values: Sequence[Decimal]) -> float:
    """Probability that last digits so uneven come from honest measuring (chi-square, 9 degrees of freedom).

    Digits are those of the finest place that any of the values uses; a scale whose division is 2, 5, 10 or 20 shows only some digits, so the
    test runs over the multiples of the division that occur.
    """
    if not values:
        return 1.0
    places = max(0, max(-int(v.normalize().as_tuple().exponent) for v in values))
    whole = pd.Series([int(v.scaleb(places)) for v in values], dtype="int64")
    division = next((d for d in (1000, 500, 200, 100, 50, 20, 10, 5, 2) if (whole % d == 0).all()), 1)
    steps = whole // division
    buckets = 10 if (steps.max() - steps.min()) >= 20 else 0
    if not buckets:
        return 1.0  # too narrow a range for its digits to be even by nature
    counts = (steps % 10).value_counts().reindex(range(10), fill_value=0)
    expected = len(values) / 10
    chi2 = float(((counts - expected) ** 2 / expected).sum())
    return chi2_sf(chi2, 9)


def chi2_sf(x: float, degrees: int) -> float:
    """Upper tail of the chi-square distribution, by the series of the incomplete gamma function or its continued fraction."""
    a, half = degrees / 2, x / 2
    if half <= 0:
        return 1.0
    front = exp(-half + a * log(half) - lgamma(a))
    if half < a + 1:
        term = total = 1 / a
        n = a
        while abs(term) > abs(total) * 1e-12:
            n += 1
            term *= half / n
            total += term
        return max(0.0, 1 - front * total)
    b = half + 1 - a
    c, d = 1e300, 1 / b
    h = d
    for i in range(1, 500):
        an = -i * (i - a)
        b += 2
        d = 1 / (an * d + b)
        c = b + an / c
        h *= d * c
        if abs(d * c - 1) < 1e-12:
            break
    return front * h


@dataclass(frozen=True, kw_only=True)
class Drift:
    """A downward CUSUM that crossed its bound: when it began to fall, and how far it is, in standard deviations."""

    began_at: datetime
    score: float
    sigma: float
    lost: float  # first minus last value


def downward_drift(series: pd.Series[float], *, slack: float, bound: float, sigma_min: float) -> Drift | None:
    """One-sided CUSUM against the first value. slack and bound in standard deviations of the steps; sigma_min: what the instrument cannot tell.

    The steps' deviation is estimated by their median absolute deviation, so that the loss itself does not hide the loss.
    """
    if len(series) < 3:
        return None
    steps = series.diff().dropna()
    sigma = max(sigma_min, 1.4826 * float((steps - steps.median()).abs().median()) / 2**0.5)
    if sigma <= 0:
        return None
    score, began, crossed = 0.0, series.index[0], False
    baseline = float(series.iloc[0])
    for at, value in series.iloc[1:].items():
        grown = max(0.0, score + (baseline - float(value)) / sigma - slack)
        if score == 0.0 and grown > 0.0:
            began = at
        score = grown
        crossed = score > bound
    if not crossed:
        return None
    return Drift(began_at=pd.Timestamp(str(began)).to_pydatetime(), score=score, sigma=sigma, lost=baseline - float(series.iloc[-1]))


@dataclass(frozen=True, kw_only=True)
class Run:
    """The newest day beside the 30 before it."""

    newest: float
    mean: float
    p99: float
    days: int


def run_rate(daily: Sequence[float]) -> Run | None:
    """The newest of daily sums (oldest first, days without any as 0) against the ones before; None without a history."""
    if len(daily) < 2:
        return None
    history = pd.Series(daily[:-1], dtype="float64")
    return Run(newest=float(daily[-1]), mean=float(history.mean()), p99=float(history.quantile(0.99)), days=len(history))


def hamming(a: str, b: str) -> int:
    """Differing bits of two hashes in hex of one length."""
    return (int(a, 16) ^ int(b, 16)).bit_count()
