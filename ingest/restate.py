"""What was told against what holds: which movements are new, and which are taken back. Pure.

History is not rewritten: a movement that incomplete data seemed to show is named by a CORRECTION, and what the whole data show is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ingest.movements import Movement, MovementKind


@dataclass(frozen=True)
class Told:
    """A movement that is in the table and still upheld."""

    movement_id: int
    occurred_at: datetime
    received_at: datetime
    kind: MovementKind
    device_id: str
    tag_epc: str | None
    goods_id: str | None
    vehicle_plate: str | None
    from_zone_id: str | None
    to_zone_id: str | None
    warehouse_id: str | None = None
    decided: bool = False  # by a gate that decides for itself; our reading of the same reads does not overrule it


@dataclass(frozen=True)
class Cause:
    """The late message that showed more. what: late_read, late_gate_read, late_fix."""

    what: str
    device_id: str
    observed_at: datetime
    received_at: datetime


def _identity(m: Movement | Told) -> tuple[Any, ...]:
    fence = m.warehouse_id if isinstance(m, Told) else m.evidence.get("warehouse_id")
    return (m.kind, m.occurred_at, m.device_id, m.goods_id, m.from_zone_id, m.to_zone_id, fence)


def restated(derived: Sequence[Movement], told: Sequence[Told], cause: Cause) -> list[Movement]:
    """Corrections of what no longer holds, then what holds and was not told."""
    holds = {_identity(m) for m in derived}
    known = {_identity(t) for t in told}
    new = [m for m in derived if _identity(m) not in known]
    return [*(correction(t, new, cause) for t in told if _identity(t) not in holds), *new]


def restated_passages(
    derived: Sequence[Movement], told: Sequence[Told], cause: Cause, *, apart: timedelta, tag_epc: str | None
) -> list[Movement]:
    """The same for passages and crossings, which late data may shift in time: one of the same kind (and fence), less than `apart` away and
    with none of another kind between, is the same one and stands as it was told. Only the tag's own are taken back; None = any."""
    new = [d for d in derived if not any(_same(d, t, told, apart) for t in told)]
    gone = [
        t
        for t in told
        if not t.decided and (tag_epc is None or t.tag_epc == tag_epc) and not any(_same(t, d, derived, apart) for d in derived)
    ]
    return [*(correction(t, new, cause) for t in gone), *new]


def _same(one: Movement | Told, other: Movement | Told, others: Iterable[Movement | Told], apart: timedelta) -> bool:
    if _what(one) != _what(other) or abs(one.occurred_at - other.occurred_at) > apart:
        return False
    low, high = sorted((one.occurred_at, other.occurred_at))
    return not any(_what(o) != _what(one) and low < o.occurred_at < high for o in others)


def _what(m: Movement | Told) -> tuple[MovementKind, str | None]:
    return (m.kind, m.warehouse_id if isinstance(m, Told) else m.evidence.get("warehouse_id"))


def correction(told: Told, instead: Sequence[Movement], cause: Cause) -> Movement:
    """The row that takes a movement back and says why."""
    return Movement(
        told.occurred_at,
        cause.received_at,
        MovementKind.CORRECTION,
        told.device_id,
        told.tag_epc,
        told.goods_id,
        told.vehicle_plate,
        told.from_zone_id,
        told.to_zone_id,
        None,
        {
            "reason": cause.what,
            "corrected_kind": told.kind,
            "shown_by": {"device_id": cause.device_id, "observed_at": cause.observed_at, "received_at": cause.received_at},
            "instead": [
                {"kind": m.kind, "occurred_at": m.occurred_at, "from_zone_id": m.from_zone_id, "to_zone_id": m.to_zone_id}
                for m in instead[:10]
            ],
        },
        told.movement_id,
    )
