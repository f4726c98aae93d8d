"""How far a device's clock is off, learnt from its own messages. Pure.

One sample is the least delay (received minus observed) of a batch: a message cannot arrive before it was sent, so the least delay is nearest
to the clock's error. The median over the newest samples passes over buffered messages that came late; at most one sample is taken per
SAMPLE_APART, so that a backlog sent in one burst does not outweigh the rest. Times that we put in ourselves (unset or future clocks) teach
nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from statistics import median_low

SAMPLES_MAX = 31
SAMPLE_APART = timedelta(seconds=10)
SAMPLE_MS_MAX = 10 * 366 * 86_400_000


def sampled(
    samples_ms: Sequence[int], sampled_at: datetime | None, least_delay: timedelta | None, received_at: datetime | None
) -> tuple[list[int], datetime | None]:
    """The newest samples, oldest first, with this batch's if it is time for one; and when the newest was taken."""
    if least_delay is None or received_at is None:
        return list(samples_ms), sampled_at
    if sampled_at is not None and received_at - sampled_at < SAMPLE_APART:
        return list(samples_ms), sampled_at
    ms = max(-SAMPLE_MS_MAX, min(SAMPLE_MS_MAX, round(least_delay / timedelta(milliseconds=1))))
    return [*samples_ms, ms][-SAMPLES_MAX:], received_at


def offset_ms(samples_ms: Sequence[int]) -> int | None:
    """The learnt offset: positive = the clock is behind (or the way is slow), negative = it is ahead. None = nothing was learnt."""
    return median_low(samples_ms) if samples_ms else None
