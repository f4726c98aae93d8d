"""What a batch tells about its devices: last signs of life, presence, health, gaps in their numbering. Pure, by event time."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ingest.readings import StateUpdate

SEQ_JUMP_MAX = 1_000_000  # a larger step is another counter, not a gap
SKEW_MS_MAX = 2**31 - 1


@dataclass(frozen=True)
class KnownState:
    """The stored row, as far as it decides."""

    last_observed_at: datetime | None = None
    last_health_at: datetime | None = None
    presence_at: datetime | None = None
    last_seq: int | None = None
    health: dict[str, Any] = field(default_factory=dict)


@dataclass
class News:
    """Everything that one batch says about one device."""

    observed_at: datetime | None = None
    received_at: datetime | None = None
    skew_ms: int | None = None
    missed: int = 0
    updates: list[tuple[StateUpdate, datetime, bool]] = field(
        default_factory=list
    )  # update, received_at, whether it came for the first time

    def heard(self, observed_at: datetime | None, received_at: datetime) -> None:
        """A message of the device; observed_at None = it carries no time of its own."""
        if self.received_at is None or received_at >= self.received_at:
            self.received_at = received_at
            if observed_at is not None:
                skew_ms = int((received_at - observed_at).total_seconds() * 1000)
                self.skew_ms = max(-SKEW_MS_MAX, min(SKEW_MS_MAX, skew_ms))
        if observed_at is not None and (self.observed_at is None or observed_at > self.observed_at):
            self.observed_at = observed_at


def seq_gaps(known: KnownState, updates: list[tuple[StateUpdate, datetime, bool]]) -> tuple[int | None, int]:
    """Newest sequence number and by how much the count of missing ones changes.

    A message that fills a gap late takes it back; a lower number with a later time is a restart of the device.
    """
    last, newest, gaps = known.last_seq, known.last_observed_at, 0
    for at, seq, fresh in sorted((u.observed_at or received, s, fresh) for u, received, fresh in updates for s in u.seqs):
        if last is None:
            last = seq
        elif seq > last:
            gaps += seq - last - 1 if seq - last <= SEQ_JUMP_MAX else 0
            last = seq
        elif seq < last and newest is not None and at > newest:
            last = seq
        elif seq < last and fresh:
            gaps -= 1
        newest = at if newest is None or at > newest else newest
    return last, gaps


def seq_reset_at(known: KnownState, updates: list[tuple[StateUpdate, datetime, bool]]) -> datetime | None:
    """When the device began to number its messages anew, by its own clock: a lower number with a later time. None = it did not."""
    last, newest, found = known.last_seq, known.last_observed_at, None
    for at, seq, fresh in sorted((u.observed_at or received, s, fresh) for u, received, fresh in updates for s in u.seqs):
        if last is not None and seq < last and newest is not None and at > newest and fresh:
            found = at
        last = seq if last is None or seq > last or (newest is not None and at > newest) else last
        newest = at if newest is None or at > newest else newest
    return found


def device_state_row(device_id: str, known: KnownState, news: News) -> dict[str, Any]:
    """A row for `put_device_states`."""
    last_seq, gaps = seq_gaps(known, news.updates)
    row: dict[str, Any] = {
        "device_id": device_id,
        "last_observed_at": news.observed_at,
        "last_received_at": news.received_at,
        "last_seq": last_seq,
        "skew_ms": news.skew_ms,
    }
    health_at, presence_at, health = known.last_health_at, known.presence_at, dict(known.health)
    reset_at = seq_reset_at(known, news.updates)
    if reset_at is not None:
        health |= {"seq_resets": int(health.get("seq_resets") or 0) + 1, "seq_reset_at": reset_at}
        row["health"] = health
    if gaps > 0:
        health["seq_gap_at"] = news.received_at
        row["health"] = health
    for update, received_at, _ in news.updates:
        at = update.observed_at or received_at
        if update.health is not None and (health_at is None or at >= health_at):
            health |= update.health
            health_at = at
            if update.dropped_total is not None:
                before = health.get("dropped_total")
                before = before if isinstance(before, int) else 0
                gaps += update.dropped_total - before if update.dropped_total >= before else update.dropped_total
                health["dropped_total"] = update.dropped_total
            row |= {"health": health, "last_health_at": health_at}
        if update.clock_offset_ms is not None and at >= (health_at or at):
            row["skew_ms"] = max(-SKEW_MS_MAX, min(SKEW_MS_MAX, update.clock_offset_ms))
        if update.presence is not None and (presence_at is None or received_at >= presence_at):
            presence_at = received_at
            row |= {"presence": update.presence, "presence_text": update.presence_text or update.presence, "presence_at": presence_at}
    return {**row, "gaps": gaps + news.missed}
