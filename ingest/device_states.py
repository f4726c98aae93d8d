"""What a batch tells about its devices: signs of life, presence, health, clock, missing messages. Pure, by event time."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from collateral.heard import Run, joined
from collateral.sightings import SILENT_GRACE
from ingest import clocks, gaps
from ingest.gaps import Epoch, Missed, MissedKind, Span
from ingest.readings import StateUpdate

SKEW_MS_MAX = 2**31 - 1


@dataclass(frozen=True)
class KnownState:
    """The stored row, as far as it decides."""

    last_observed_at: datetime | None = None
    last_health_at: datetime | None = None
    presence_at: datetime | None = None
    last_seq: int | None = None
    health: dict[str, Any] = field(default_factory=dict)
    seq_spans: list[Epoch] = field(default_factory=list)
    clock_samples_ms: list[int] = field(default_factory=list)
    clock_sampled_at: datetime | None = None
    heard_from: datetime | None = None
    heard_until: datetime | None = None

    @property
    def epochs(self) -> list[Epoch]:
        """Spans of numbers; of a device that was known before spans were kept, its last number."""
        if self.seq_spans or self.last_seq is None or self.last_observed_at is None:
            return self.seq_spans
        return [[Span(self.last_seq, self.last_seq, self.last_observed_at, self.last_observed_at)]]

    @property
    def heard(self) -> list[Run]:
        """The present run of signs of life, if there is one."""
        return [] if self.heard_from is None or self.heard_until is None else [Run(self.heard_from, self.heard_until)]


@dataclass
class News:
    """Everything that one batch says about one device. overflows: (event time, readings that the device says were lost)."""

    observed_at: datetime | None = None
    received_at: datetime | None = None
    newest_at: datetime | None = None  # event time of the newest message by receipt
    least_delay: timedelta | None = None
    overflows: list[tuple[datetime, int]] = field(default_factory=list)
    never_came: list[Missed] = field(default_factory=list)  # known from elsewhere than the numbers in updates
    updates: list[tuple[StateUpdate, datetime]] = field(default_factory=list)  # update, received_at
    _runs: list[list[datetime]] = field(default_factory=list)

    def heard(self, observed_at: datetime | None, received_at: datetime, *, own_time: bool = True) -> None:
        """A message of the device; observed_at None = it carries no time of its own; own_time False = we put it in."""
        if self.received_at is None or received_at >= self.received_at:
            self.received_at = received_at
            if observed_at is not None:
                self.newest_at = observed_at
        if observed_at is None:
            return
        if self.observed_at is None or observed_at > self.observed_at:
            self.observed_at = observed_at
        if own_time:
            delay = received_at - observed_at
            if self.least_delay is None or delay < self.least_delay:
                self.least_delay = delay
        run = self._runs[-1] if self._runs else None
        if run is not None and run[0] <= observed_at <= run[1]:
            return
        if run is None or not run[0] - SILENT_GRACE <= observed_at <= run[1] + SILENT_GRACE:
            self._runs.append([observed_at, observed_at])
        elif observed_at < run[0]:
            run[0] = observed_at
        else:
            run[1] = observed_at

    @property
    def skew_ms(self) -> int | None:
        """Delay of the newest message."""
        if self.newest_at is None or self.received_at is None:
            return None
        ms = int((self.received_at - self.newest_at).total_seconds() * 1000)
        return max(-SKEW_MS_MAX, min(SKEW_MS_MAX, ms))

    @property
    def runs(self) -> list[Run]:
        """Signs of life in this batch."""
        return joined((Run(*r) for r in self._runs), SILENT_GRACE)


@dataclass(frozen=True)
class Told:
    """A row for `put_device_states`, and what goes beside it. runs: to be merged with earlier ones; empty = the present run says it all."""

    row: dict[str, Any]
    opened: list[Missed]
    filled: list[Missed]
    runs: list[Run]


def device_state(device_id: str, known: KnownState, news: News, silence_max: timedelta) -> Told:
    """What the batch makes of the device's state."""
    folded = gaps.fold(known.epochs, ((u.observed_at or received, s) for u, received in news.updates for s in u.seqs))
    opened = [*folded.opened, *news.never_came]
    for at, missed in news.overflows:
        if missed > 0:
            before = min(at, known.last_observed_at or at)
            opened.append(Missed(MissedKind.OVERFLOW, before, at, missed=missed))
    samples, sampled_at = clocks.sampled(known.clock_samples_ms, known.clock_sampled_at, news.least_delay, news.received_at)
    row: dict[str, Any] = {
        "device_id": device_id,
        "last_observed_at": news.observed_at,
        "last_received_at": news.received_at,
        "last_seq": folded.epochs[-1][-1].last if folded.epochs else None,
        "seq_spans": folded.epochs,
        "skew_ms": news.skew_ms,
        "clock_samples_ms": samples,
        "clock_sampled_at": sampled_at,
        "clock_offset_ms": clocks.offset_ms(samples),
    }
    health_at, presence_at, health = known.last_health_at, known.presence_at, dict(known.health)
    for update, received_at in news.updates:
        at = update.observed_at or received_at
        if update.health is not None and (health_at is None or at >= health_at):
            if update.dropped_total is not None:
                total = health.get("dropped_total")
                total = total if isinstance(total, int) else 0
                rise = update.dropped_total - total if update.dropped_total >= total else update.dropped_total
                if rise > 0:
                    opened.append(Missed(MissedKind.DROPPED, min(at, health_at or at), at, missed=rise))
            health |= update.health
            health_at = at
            if update.dropped_total is not None:
                health["dropped_total"] = update.dropped_total
            row |= {"health": health, "last_health_at": health_at}
        if update.clock_offset_ms is not None and at >= (health_at or at):
            row["skew_ms"] = max(-SKEW_MS_MAX, min(SKEW_MS_MAX, update.clock_offset_ms))
        if update.presence is not None and (presence_at is None or received_at >= presence_at):
            presence_at = received_at
            row |= {"presence": update.presence, "presence_text": update.presence_text or update.presence, "presence_at": presence_at}
    change = sum(m.missed or 0 for m in opened) - sum(m.missed or 0 for m in folded.filled)
    runs = joined([*known.heard, *news.runs], silence_max)
    plain = len(runs) <= 1 and (not runs or not known.heard or runs[0].from_at == known.heard_from) and bool(known.heard)
    if runs:
        row |= {"heard_from": runs[-1].from_at, "heard_until": runs[-1].until_at}
    return Told({**row, "gaps": change}, opened, folded.filled, [] if plain or not runs else runs)
