"""Which zone a tag is in, by the evidence of its reads. Pure, one read at a time, in order of event time.

A tag is at home in one zone. Reads elsewhere on the same site make candidates; a candidate becomes the home when its evidence suffices, and
each move carries the reason by which it was decided:

| reason | when |
|---|---|
| `home_silent` | one clear read, and the home was silent for the window before it |
| `much_stronger` | one clear read, stronger than the home's newest by strong_db |
| `repeated` | reads_min reads, one of them clear (one more when all are weak, or when the tag just came from there), and none at home meanwhile |
| `stronger` | reads_min reads, on average stronger by lead_db than the home's meanwhile |
| `majority` | twice as many reads as at home meanwhile, and reads_min more |

Anything less is a stray: the tag was seen, and stays where it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

CANDIDATES_MAX = 4
EVIDENCE_WINDOWS = 6  # contested evidence older than so many windows starts again


@dataclass(frozen=True)
class ReadPolicy:
    """How reads of a device are weighed. Data: table `read_policy`, by device, site and class; these are the defaults.

    smoothing: a re-read at the same place within this event time adds no row; 0 = every read does. clear_dbm: weaker reads are no evidence
    alone. return_within: how long a tag that came from a zone needs more than one read to be back there, so that overlapping antennas
    do not flap.
    """

    smoothing: timedelta = timedelta(seconds=300)
    window: timedelta = timedelta(seconds=10)
    reads_min: int = 2
    clear_dbm: float = -70.0
    lead_db: float = 6.0
    strong_db: float = 12.0
    return_within: timedelta = timedelta(seconds=300)


class Candidate(msgspec.Struct):
    """Reads of a tag in a zone that is not its home. home_...: reads at home since the first of them."""

    zone_id: str
    since: datetime
    last_at: datetime
    reads: int = 0
    clear: int = 0
    rssi_sum: float = 0.0
    rssi_reads: int = 0
    home_reads: int = 0
    home_rssi_sum: float = 0.0
    home_rssi_reads: int = 0


class Pending(msgspec.Struct):
    """What speaks against the home. home_last_at: newest read at home before the candidates, or since; home_rssi_dbm: its strength.
    previous_at: newest read in the zone from which the tag came; it keeps overlapping antennas from flapping."""

    home_last_at: datetime
    home_rssi_dbm: float | None
    candidates: list[Candidate]
    previous_at: datetime | None = None


@dataclass(frozen=True)
class Verdict:
    """A candidate won. entered_at: since when the tag is there."""

    reason: str
    entered_at: datetime
    evidence: dict[str, Any]


def read_at_home(pending: Pending, at: datetime, rssi_dbm: float | None, policy: ReadPolicy) -> Pending | None:
    """Count a read at home against the candidates; those not heard for the window were strays. None = nothing is left."""
    kept = [c for c in pending.candidates if at - c.last_at <= policy.window]
    if not kept and (pending.previous_at is None or at - pending.previous_at > policy.return_within):
        return None
    for c in kept:
        c.home_reads += 1
        if rssi_dbm is not None:
            c.home_rssi_sum += rssi_dbm
            c.home_rssi_reads += 1
    pending.candidates = kept
    pending.home_last_at = at
    pending.home_rssi_dbm = rssi_dbm
    return pending


def read_elsewhere(
    pending: Pending, zone_id: str, at: datetime, rssi_dbm: float | None, policy: ReadPolicy, *, returning: bool
) -> Verdict | None:
    """Count a read in another zone, and say whether the tag is there now. returning: it came from there less than return_within ago."""
    c = next((c for c in pending.candidates if c.zone_id == zone_id), None)
    if c is not None and c.home_reads and at - c.since > EVIDENCE_WINDOWS * policy.window:
        pending.candidates.remove(c)
        c = None
    if c is None:
        c = Candidate(zone_id, at, at)
        pending.candidates.append(c)
        if len(pending.candidates) > CANDIDATES_MAX:
            pending.candidates.remove(min(pending.candidates, key=lambda c: (c.last_at, c.zone_id)))
    clear = rssi_dbm is None or rssi_dbm >= policy.clear_dbm
    c.last_at = at
    c.reads += 1
    c.clear += clear
    if rssi_dbm is not None:
        c.rssi_sum += rssi_dbm
        c.rssi_reads += 1
    reason = _reason(pending, c, at, rssi_dbm, policy, clear=clear, returning=returning)
    if reason is None:
        return None
    mean, home_mean = _mean(c.rssi_sum, c.rssi_reads), _mean(c.home_rssi_sum, c.home_rssi_reads)
    return Verdict(
        reason,
        c.since if c.home_reads == 0 else at,
        {
            "reason": reason,
            "decided_at": at,
            "evidence_since": c.since,
            "evidence_reads": c.reads,
            "evidence_rssi_dbm": None if mean is None else round(mean, 1),
            "home_reads": c.home_reads,
            "home_rssi_dbm": pending.home_rssi_dbm if home_mean is None else round(home_mean, 1),
            "home_last_at": pending.home_last_at,
            "window_s": policy.window.total_seconds(),
            "clear_dbm": policy.clear_dbm,
        },
    )


def _reason(
    pending: Pending, c: Candidate, at: datetime, rssi_dbm: float | None, policy: ReadPolicy, *, clear: bool, returning: bool
) -> str | None:
    if c.home_reads == 0:
        if c.reads >= policy.reads_min + (returning or not c.clear):
            return "repeated"
        if clear and not returning:
            if at - pending.home_last_at > policy.window:
                return "home_silent"
            if rssi_dbm is not None and pending.home_rssi_dbm is not None and rssi_dbm - pending.home_rssi_dbm >= policy.strong_db:
                return "much_stronger"
        return None
    if c.reads < policy.reads_min + returning or not c.clear:
        return None
    mean, home_mean = _mean(c.rssi_sum, c.rssi_reads), _mean(c.home_rssi_sum, c.home_rssi_reads)
    if mean is not None and home_mean is not None and mean - home_mean >= policy.lead_db:
        return "stronger"
    weaker = mean is not None and home_mean is not None and home_mean - mean >= policy.lead_db
    return "majority" if c.reads >= 2 * c.home_reads + policy.reads_min and not weaker else None


def _mean(total: float, count: int) -> float | None:
    return total / count if count else None
