"""Due times by the bank's calendar."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest

from risk.timetable import Daily, Every, Nightly, TradingDays

NIGHT = Nightly(time(2, 0))
MONDAY = datetime(2020, 3, 9, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    ("after", "due"),
    [
        (MONDAY, datetime(2020, 3, 9, 18, tzinfo=UTC)),
        (datetime(2020, 3, 9, 18, tzinfo=UTC), datetime(2020, 3, 10, 18, tzinfo=UTC)),
        (datetime(2020, 3, 13, 6, tzinfo=UTC), datetime(2020, 3, 13, 18, tzinfo=UTC)),
        (datetime(2020, 3, 13, 18, tzinfo=UTC), datetime(2020, 3, 16, 18, tzinfo=UTC)),
    ],
    ids=["tonight", "tomorrow", "Friday's night is Saturday morning", "no night after a weekend day"],
)
def test_nights_follow_business_days(after: datetime, due: datetime) -> None:
    assert NIGHT.next_after(after) == due


def test_the_newest_missed_night() -> None:
    assert NIGHT.latest(MONDAY) == datetime(2020, 3, 6, 18, tzinfo=UTC)
    assert NIGHT.latest(datetime(2020, 3, 9, 18, tzinfo=UTC)) == datetime(2020, 3, 9, 18, tzinfo=UTC)


def test_a_make_up_sunday_has_a_night_and_no_closing_price() -> None:
    sunday = datetime(2020, 1, 19, 0, tzinfo=UTC)  # a working Sunday before the Spring Festival
    assert NIGHT.next_after(sunday + timedelta(hours=1)) == datetime(2020, 1, 19, 18, tzinfo=UTC)
    assert TradingDays(time(16, 0)).next_after(sunday) == datetime(2020, 1, 20, 8, tzinfo=UTC)


def test_intervals_have_nothing_to_make_up() -> None:
    every = Every(timedelta(minutes=5))
    assert every.next_after(MONDAY) == MONDAY + timedelta(minutes=5)
    assert every.latest(MONDAY) is None


def test_a_daily_job_is_due_on_every_day_at_its_time_in_shanghai() -> None:
    daily = Daily(time(3, 0))
    saturday = datetime(2020, 3, 7, 18, 59, 59, tzinfo=UTC)  # Sunday, 02:59:59 in Shanghai
    assert daily.next_after(saturday) == datetime(2020, 3, 7, 19, tzinfo=UTC)
    assert daily.next_after(datetime(2020, 3, 7, 19, tzinfo=UTC)) == datetime(2020, 3, 8, 19, tzinfo=UTC)
    assert daily.latest(saturday) is None
