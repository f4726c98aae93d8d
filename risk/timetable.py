"""When jobs are due, by the product's clock. Pure: risk.schedule maps it to the machine's time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol

from collateral.calendar import BANK_ZONE, is_business_day, is_trading_day


class Timetable(Protocol):
    """Due instants of one job."""

    def next_after(self, instant: datetime) -> datetime:
        """The first due instant after this one."""
        ...

    def latest(self, instant: datetime) -> datetime | None:
        """The newest due instant up to this one, where a missed one has to be made up; None where the next one serves as well."""
        ...


@dataclass(frozen=True)
class Every:
    """At a fixed distance."""

    interval: timedelta

    def next_after(self, instant: datetime) -> datetime:
        return instant + self.interval

    def latest(self, instant: datetime) -> datetime | None:
        return None


@dataclass(frozen=True)
class Daily:
    """At a time in Shanghai on each day."""

    at: time

    def next_after(self, instant: datetime) -> datetime:
        due = datetime.combine(instant.astimezone(BANK_ZONE).date(), self.at, BANK_ZONE).astimezone(UTC)
        return due if due > instant else due + timedelta(days=1)

    def latest(self, instant: datetime) -> datetime | None:
        return None


@dataclass(frozen=True)
class Nightly:
    """At a time of night in Shanghai after each business day: Tuesday 02:00 belongs to Monday."""

    at: time

    def _on(self, day: date) -> datetime | None:
        works, _ = is_business_day(day - timedelta(days=1))
        return datetime.combine(day, self.at, BANK_ZONE).astimezone(UTC) if works else None

    def next_after(self, instant: datetime) -> datetime:
        day = instant.astimezone(BANK_ZONE).date()
        while (due := self._on(day)) is None or due <= instant:
            day += timedelta(days=1)
        return due

    def latest(self, instant: datetime) -> datetime | None:
        day = instant.astimezone(BANK_ZONE).date()
        while (due := self._on(day)) is None or due > instant:
            day -= timedelta(days=1)
        return due


@dataclass(frozen=True)
class TradingDays:
    """At a time in Shanghai on each trading day."""

    at: time

    def _on(self, day: date) -> datetime | None:
        return datetime.combine(day, self.at, BANK_ZONE).astimezone(UTC) if is_trading_day(day)[0] else None

    def next_after(self, instant: datetime) -> datetime:
        day = instant.astimezone(BANK_ZONE).date()
        while (due := self._on(day)) is None or due <= instant:
            day += timedelta(days=1)
        return due

    def latest(self, instant: datetime) -> datetime | None:
        return None
