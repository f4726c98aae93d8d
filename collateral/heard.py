"""Runs of a device's signs of life, by event time, and what lies between them. Pure.

A device is heard from one sign to the next when they are not further apart than it may be silent (three intervals, at least a quarter of an
hour). What it buffered and sent late counts when it happened, so that an outage of the line is not one of the eyes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from collateral.sightings import SILENT_GRACE, SILENT_INTERVALS


@dataclass(frozen=True, order=True, slots=True)
class Run:
    """From the first to the last sign of life, both included."""

    from_at: datetime
    until_at: datetime


def silence_max(expected_interval: timedelta) -> timedelta:
    """So long a device may be silent and still counts as heard."""
    return max(SILENT_INTERVALS * expected_interval, SILENT_GRACE)


def joined(runs: Iterable[Run], apart_max: timedelta) -> list[Run]:
    """The same runs in order of time, those that are at most apart_max apart joined into one."""
    found: list[Run] = []
    for run in sorted(runs):
        if found and run.from_at - found[-1].until_at <= apart_max:
            found[-1] = Run(found[-1].from_at, max(found[-1].until_at, run.until_at))
        else:
            found.append(run)
    return found


def cut(runs: Sequence[Run], start: datetime, end: datetime) -> list[Run]:
    """The parts of the runs between two instants."""
    return [Run(max(r.from_at, start), min(r.until_at, end)) for r in runs if r.from_at <= end and r.until_at >= start]


def between(runs: Sequence[Run], start: datetime, end: datetime) -> list[Run]:
    """What no run covers between two instants; runs joined and in order."""
    found: list[Run] = []
    at = start
    for run in cut(runs, start, end):
        if run.from_at > at:
            found.append(Run(at, run.from_at))
        at = max(at, run.until_at)
    if at < end:
        found.append(Run(at, end))
    return found
