"""The conservation of readings: received = stored + repeated + absorbed + refused, per device and day of receipt."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, fields
from datetime import date, datetime
from enum import IntEnum
from typing import Any


class Fate(IntEnum):
    """What becomes of one received reading."""

    STORED = 0
    REPEATED = 1
    ABSORBED = 2
    REFUSED = 3


@dataclass(frozen=True)
class Sums:
    """Readings by fate."""

    stored: int = 0
    repeated: int = 0
    absorbed: int = 0
    refused: int = 0

    @property
    def received(self) -> int:
        return self.stored + self.repeated + self.absorbed + self.refused

    def __add__(self, other: Sums) -> Sums:
        return Sums(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


class Tally:
    """Counts of one batch. Device '' stands for topics that name no known device."""

    def __init__(self) -> None:
        self._counts: defaultdict[tuple[str, date], list[int]] = defaultdict(lambda: [0, 0, 0, 0])

    def count(self, device_id: str, received_at: datetime, fate: Fate, readings: int = 1) -> None:
        self._counts[device_id, received_at.date()][fate] += readings

    def sums(self) -> Sums:
        return Sums(*(sum(column) for column in zip(*self._counts.values(), strict=True))) if self._counts else Sums()

    def rows(self) -> list[dict[str, Any]]:
        """Rows for `add_tally`, in the order in which all workers lock them."""
        return [
            {"device_id": device, "day": day, "received": sum(c), "stored": c[0], "repeated": c[1], "absorbed": c[2], "refused": c[3]}
            for (device, day), c in sorted(self._counts.items())
        ]
