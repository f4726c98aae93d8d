"""Not seen: absent, or not observable? From where readers listened and when they were heard. Pure.

A zone is observed while at least one enabled reader listens there and is heard (collateral.heard). Between, it is blind, and the reason says
how far the blindness reaches: nobody listens, the reader, its gateway, or every device of the site.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from collateral.heard import Run, between, cut, joined

LOOKED_MIN = timedelta(hours=24)  # a zone observed for so long since the last sighting would have shown the goods


class Blind(StrEnum):
    """Why a zone was not observed."""

    NO_READER = "NO_READER"
    READER_OUTAGE = "READER_OUTAGE"
    GATEWAY_OUTAGE = "GATEWAY_OUTAGE"
    SITE_OUTAGE = "SITE_OUTAGE"


class NotSeen(StrEnum):
    """What it means that goods are not seen in their zone."""

    ABSENT = "ABSENT"
    NOT_OBSERVABLE = "NOT_OBSERVABLE"


@dataclass(frozen=True)
class Listener:
    """A reader of the zone. mapped: when one of its antennas listened there; heard, gateway_heard: runs of signs of life (None = no gateway)."""

    device_id: str
    mapped: Sequence[Run]
    heard: Sequence[Run]
    gateway_heard: Sequence[Run] | None = None


@dataclass(frozen=True)
class Gap:
    """The zone was not observed from one instant to another."""

    from_at: datetime
    until_at: datetime
    reason: Blind


@dataclass(frozen=True)
class Observability:
    """A zone between two instants of event time: when it was observed, and when and why it was not."""

    from_at: datetime
    until_at: datetime
    observed: tuple[Run, ...]
    blind: tuple[Gap, ...]

    @property
    def observed_for(self) -> timedelta:
        """Time in which somebody looked."""
        return sum((r.until_at - r.from_at for r in self.observed), timedelta(0))


def observability(start: datetime, end: datetime, listeners: Sequence[Listener], site_heard: Sequence[Run]) -> Observability:
    """When a zone was observed between two instants. site_heard: runs of all other devices of the site, for the reason only.

    Raises ValueError when the end is not after the start.
    """
    if end <= start:
        raise ValueError("the end must be after the start")
    seen = [Run(r.from_at, r.until_at) for li in listeners for m in li.mapped for r in cut(li.heard, m.from_at, m.until_at)]
    observed = cut(joined(seen, timedelta(0)), start, end)
    mapped = joined((m for li in listeners for m in li.mapped), timedelta(0))
    gaps: list[Gap] = []
    for gap in between(observed, start, end):
        covered = cut(mapped, gap.from_at, gap.until_at)
        gaps += [Gap(g.from_at, g.until_at, Blind.NO_READER) for g in between(covered, gap.from_at, gap.until_at)]
        gaps += [Gap(g.from_at, g.until_at, _reason(g, listeners, site_heard)) for g in covered if g.until_at > g.from_at]
    return Observability(start, end, tuple(observed), tuple(sorted(gaps, key=lambda g: g.from_at)))


def _reason(gap: Run, listeners: Sequence[Listener], site_heard: Sequence[Run]) -> Blind:
    """The widest outage that holds for the whole gap."""
    here = [li for li in listeners if cut(li.mapped, gap.from_at, gap.until_at)]
    if not _inside(site_heard, gap):
        return Blind.SITE_OUTAGE
    if here and all(li.gateway_heard is not None and not _inside(li.gateway_heard, gap) for li in here):
        return Blind.GATEWAY_OUTAGE
    return Blind.READER_OUTAGE


def _inside(runs: Sequence[Run], gap: Run) -> bool:
    return any(r.from_at < gap.until_at and r.until_at > gap.from_at for r in runs)


def not_seen(seen_at: datetime, since: Observability, *, looked_min: timedelta = LOOKED_MIN) -> NotSeen:
    """What it means that goods were not seen in their zone after seen_at. since: the zone from seen_at on, as far as the stream has come."""
    looked = sum((r.until_at - max(r.from_at, seen_at) for r in since.observed if r.until_at > seen_at), timedelta(0))
    return NotSeen.ABSENT if looked >= looked_min else NotSeen.NOT_OBSERVABLE
