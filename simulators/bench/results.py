"""What a bench found, beside the limit of the same run: printed for people, written as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class BenchFailed(Exception):
    """Something was lost, doubled or did not finish: the figures would mean nothing."""


@dataclass(frozen=True)
class Result:
    """One figure. limit: what the machine gives at most for this in the same run, in the same unit; None = nothing to compare with."""

    name: str
    value: float
    unit: str
    limit: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """value / limit."""
        return None if not self.limit else self.value / self.limit

    def as_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"name": self.name, "value": round(self.value, 1), "unit": self.unit}
        if self.limit:
            found |= {"limit": round(self.limit, 1), "ratio": round(self.value / self.limit, 3)}
        return found


def line(result: Result) -> str:
    """One line of the printed table."""
    beside = f"{result.ratio:6.2f} x {result.limit:,.0f}" if result.ratio is not None and result.limit else ""
    return f"{result.name:<24}{result.value:>12,.0f} {result.unit:<12}{beside:<22}{result.note}".rstrip()


def write_json(results: Iterable[Result], file: Path, about: dict[str, str]) -> None:
    """`{"results": [...]}` and what was measured."""
    file.write_text(json.dumps({**about, "results": [r.as_json() for r in results]}, indent=1) + "\n", encoding="utf-8")
