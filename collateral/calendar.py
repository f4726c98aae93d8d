"""The bank's days: business dates, business days with the Chinese make-up days (调休), trading days."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import chinese_calendar

BANK_ZONE = ZoneInfo("Asia/Shanghai")
BUSINESS_DAY_ENDS = time(17, 0)


def business_date(instant: datetime) -> date:
    """The bank's date at an instant."""
    if instant.tzinfo is None:
        raise ValueError("a time without offset has no business date")
    return instant.astimezone(BANK_ZONE).date()


def is_business_day(day: date) -> tuple[bool, bool]:
    """(whether banks work, whether the holiday calendar knows this year). An unknown year counts its weekdays."""
    try:
        return bool(chinese_calendar.is_workday(day)), True
    except NotImplementedError:
        return day.weekday() < 5, False


def is_trading_day(day: date) -> tuple[bool, bool]:
    """(whether exchanges trade, whether the calendar knows this year). Make-up weekends are work days but no trading days."""
    works, known = is_business_day(day)
    return works and day.weekday() < 5, known


def trading_days_after(day: date, end: date) -> tuple[int, bool]:
    """Trading days after day up to and with end, and whether the calendar knew all of them."""
    count, known = 0, True
    if (end - day).days > 400:
        return (end - day).days * 5 // 7, False
    while day < end:
        day += timedelta(days=1)
        trades, this_known = is_trading_day(day)
        count += trades
        known &= this_known
    return count, known


def trading_days_between(earlier: datetime, later: datetime) -> tuple[int, bool]:
    """Trading days after the earlier date whose session has ended (17:00 in Shanghai) by the later instant; whether the calendar knew all of them.

    A day that still trades is not counted: its quote may yet come, so Friday's price is one day old on Tuesday morning, not two.
    """
    end = business_date(later)
    if later.astimezone(BANK_ZONE).time() < BUSINESS_DAY_ENDS:
        end -= timedelta(days=1)
    return trading_days_after(business_date(earlier), end)


def end_of_business_day(issued: datetime, days: int) -> tuple[datetime, bool]:
    """17:00 in Shanghai on the n-th business day after the day of issue, in UTC; and whether the calendar knew all of those days."""
    if days < 1:
        raise ValueError("a deadline needs at least one business day")
    day, left, known = business_date(issued), days, True
    while left:
        day += timedelta(days=1)
        works, this_known = is_business_day(day)
        left -= works
        known &= this_known
    return datetime.combine(day, BUSINESS_DAY_ENDS, BANK_ZONE).astimezone(ZoneInfo("UTC")), known
