"""Time as an object that is passed in: the system clock, or a scaled one shared by all processes of a demo."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

_SPEC = re.compile(r"^(?P<start>[^@]+)@(?P<wall>\d+(\.\d+)?)x(?P<speed>\d+(\.\d+)?)$")


class Clock(Protocol):
    """Now, and the way back: how long the world has to run in real seconds until an instant."""

    def now(self) -> datetime:
        """Aware UTC."""
        ...

    def real_seconds_until(self, instant: datetime) -> float:
        """Real seconds until instant; negative when it has passed."""
        ...

    def real_seconds(self, span: timedelta) -> float:
        """How many real seconds a span of this clock takes."""
        ...


@dataclass(frozen=True)
class SystemClock:
    """The machine's own time."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def real_seconds_until(self, instant: datetime) -> float:
        return (instant - self.now()).total_seconds()

    def real_seconds(self, span: timedelta) -> float:
        return span.total_seconds()


@dataclass(frozen=True)
class ScaledClock:
    """A world that starts at `start` when the wall shows `wall_start` (epoch seconds) and runs `speed` times as fast.

    All processes given the same three values read the same time. Before wall_start it stands at `start`.
    """

    start: datetime
    wall_start: float
    speed: float

    def __post_init__(self) -> None:
        if self.start.tzinfo is None:
            raise ValueError("ScaledClock.start needs an offset")
        if not self.speed > 0:
            raise ValueError("ScaledClock.speed must be greater than 0")

    def now(self) -> datetime:
        elapsed_s = max(0.0, time.time() - self.wall_start)
        return self.start.astimezone(UTC) + timedelta(seconds=elapsed_s * self.speed)

    def real_seconds_until(self, instant: datetime) -> float:
        return self.wall_of(instant) - time.time()

    def real_seconds(self, span: timedelta) -> float:
        return span.total_seconds() / self.speed

    def wall_of(self, instant: datetime) -> float:
        """Epoch seconds at which this clock shows instant."""
        return self.wall_start + (instant - self.start).total_seconds() / self.speed

    def spec(self) -> str:
        """The text from which clock_from_spec builds an equal clock."""
        return f"{self.start.isoformat()}@{self.wall_start:.6f}x{self.speed:g}"


@dataclass(frozen=True)
class FixedClock:
    """A clock that stands still; tests and runs for a past instant."""

    at: datetime

    def now(self) -> datetime:
        return self.at

    def real_seconds_until(self, instant: datetime) -> float:
        return (instant - self.at).total_seconds()

    def real_seconds(self, span: timedelta) -> float:
        return span.total_seconds()


class SharedClock:
    """A clock that a file starts for all processes at once.

    The file holds `standing START` until the world is ready, then a ScaledClock's spec; once that was read it is kept.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._running: ScaledClock | None = None

    def _current(self) -> Clock:
        if self._running is not None:
            return self._running
        text = self.path.read_text(encoding="ascii").strip()
        if text.startswith("standing "):
            return FixedClock(datetime.fromisoformat(text.removeprefix("standing ")).astimezone(UTC))
        clock = clock_from_spec(text)
        if not isinstance(clock, ScaledClock):
            raise ValueError(f"{self.path} holds {text!r}, which is no scaled clock")
        self._running = clock
        return clock

    @property
    def running(self) -> bool:
        """Whether the world has started."""
        return isinstance(self._current(), ScaledClock)

    def now(self) -> datetime:
        return self._current().now()

    def real_seconds_until(self, instant: datetime) -> float:
        return self._current().real_seconds_until(instant)

    def real_seconds(self, span: timedelta) -> float:
        return self._current().real_seconds(span)


def clock_from_spec(spec: str) -> Clock:
    """The clock that CHUANTOU_CLOCK names: empty or `system`, `2026-03-02T00:00:00+00:00@<epoch seconds>x<speed>`, or `file:PATH`.

    Raises ValueError that names the fault.
    """
    if spec.strip() in ("", "system"):
        return SystemClock()
    if spec.startswith("file:"):
        return SharedClock(Path(spec.removeprefix("file:")))
    match = _SPEC.match(spec.strip())
    if match is None:
        raise ValueError(f"clock {spec!r} is neither 'system' nor 'START@EPOCH_SECONDSxSPEED'")
    return ScaledClock(datetime.fromisoformat(match["start"]), float(match["wall"]), float(match["speed"]))
