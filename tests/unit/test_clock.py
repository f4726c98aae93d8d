"""Clocks that all processes read alike."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from collateral.clock import FixedClock, ScaledClock, SharedClock, SystemClock, clock_from_spec

T0 = datetime(2020, 3, 9, 6, tzinfo=UTC)


def test_scaled_clock_runs_a_day_a_minute() -> None:
    clock = ScaledClock(T0, time.time() - 60, 1440)
    assert timedelta(days=1) <= clock.now() - T0 < timedelta(days=1, hours=1)
    assert clock.real_seconds(timedelta(days=1)) == 60
    assert clock.wall_of(T0 + timedelta(days=1)) == clock.wall_start + 60


def test_scaled_clock_stands_before_its_start() -> None:
    assert ScaledClock(T0, time.time() + 1000, 1440).now() == T0


def test_spec_gives_an_equal_clock() -> None:
    clock = ScaledClock(T0, 1700000000.5, 1440)
    assert clock_from_spec(clock.spec()) == clock
    assert isinstance(clock_from_spec(""), SystemClock)
    assert isinstance(clock_from_spec("system"), SystemClock)


@pytest.mark.parametrize("spec", ["soon", "2020-03-09T06:00:00@5x", "2020-03-09T06:00:00@5x60", "2020-03-09T06:00:00+00:00@5x0"])
def test_faulty_spec_is_named(spec: str) -> None:
    with pytest.raises(ValueError):
        clock_from_spec(spec)


def test_shared_clock_stands_until_the_file_starts_it(tmp_path: Path) -> None:
    file = tmp_path / "clock"
    file.write_text(f"standing {T0.isoformat()}", encoding="ascii")
    clock = clock_from_spec(f"file:{file}")
    assert isinstance(clock, SharedClock)
    assert (clock.running, clock.now()) == (False, T0)
    file.write_text(ScaledClock(T0, time.time() - 60, 1440).spec(), encoding="ascii")
    assert clock.now() > T0
    assert clock.running


def test_fixed_clock_stands_still() -> None:
    assert FixedClock(T0).now() == T0
    assert FixedClock(T0).real_seconds_until(T0 + timedelta(seconds=5)) == 5
