"""Commodities and prices. Brent is the real daily series; every other quote is made up around the level of March 2020."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from importlib import resources

import chinese_calendar

from simulators.world.model import Commodity, Quote
from simulators.world.seeds import stream

STARTS_AT = datetime(2020, 3, 9, 6, 0, tzinfo=UTC)
"""T0: 14:00 in Shanghai on the Monday on which Brent fell by more than a fifth."""

HRC, REBAR, ALUMINIUM, COPPER, FUEL_OIL, SEDAN, SUV = "HRC", "REBAR", "AL-INGOT", "CU-CATHODE", "FUEL-OIL", "CAR-SEDAN", "CAR-SUV"
BRENT_SOURCE, BRENT_CHECK = "EIA-BRENT-SPOT", "SAMPLE-OIL-DESK"
BOARD, SPOT = "SAMPLE-BOARD", "SAMPLE-CITY-SPOT"
OEM_LIST, DEALER_GUIDE = "SAMPLE-OEM-LIST", "SAMPLE-DEALER-GUIDE"

_STEEL_AGEING: tuple[dict[str, object], ...] = (
    {"from_days": 91, "haircut": "0.05"},
    {"from_days": 181, "haircut": "0.15"},
    {"from_days": 361, "ineligible": True},
)
_METAL_AGEING: tuple[dict[str, object], ...] = ({"from_days": 361, "haircut": "0.05"},)
_CAR_AGEING: tuple[dict[str, object], ...] = (
    {"from_days": 91, "haircut": "0.05"},
    {"from_days": 181, "haircut": "0.15"},
    {"from_days": 271, "ineligible": True},
)


@dataclass(frozen=True)
class Market:
    """How a made-up commodity is quoted: level per unit, daily move at most, and by whom."""

    commodity: Commodity
    level: Decimal
    daily_move: float
    tax_inclusive: bool
    primary_source: str
    check_source: str

    @property
    def vat_rate(self) -> Decimal:
        return Decimal("0.13") if self.tax_inclusive else Decimal(0)


def _commodity(
    code: str,
    name: str,
    name_zh: str,
    group: str,
    unit: str,
    tolerance: str,
    low: int,
    high: int,
    ageing: tuple[dict[str, object], ...],
    currency: str = "CNY",
) -> Commodity:
    return Commodity(code, name, name_zh, group, unit, Decimal(tolerance), Decimal(low), Decimal(high), currency, ageing)


MARKETS: tuple[Market, ...] = (
    Market(
        _commodity(HRC, "Hot-rolled coil Q235B", "热轧卷板 Q235B", "steel", "t", "0.003", 1500, 7000, _STEEL_AGEING),
        Decimal(3480), 0.006, True, BOARD, SPOT,
    ),
    Market(
        _commodity(REBAR, "Rebar HRB400E", "螺纹钢 HRB400E", "steel", "t", "0.003", 1500, 7000, _STEEL_AGEING),
        Decimal(3520), 0.006, True, BOARD, SPOT,
    ),
    Market(
        _commodity(ALUMINIUM, "Aluminium ingot Al99.70", "铝锭 Al99.70", "metal", "t", "0.001", 8000, 25000, _METAL_AGEING),
        Decimal(11450), 0.006, False, BOARD, SPOT,
    ),
    Market(
        _commodity(COPPER, "Copper cathode Cu-CATH-1", "阴极铜 Cu-CATH-1", "metal", "t", "0.001", 25000, 90000, _METAL_AGEING),
        Decimal(39400), 0.006, False, BOARD, SPOT,
    ),
    Market(
        _commodity(SEDAN, "New saloon car", "新车 轿车", "vehicle", "piece", "0", 40000, 200000, _CAR_AGEING),
        Decimal(112000), 0.001, True, OEM_LIST, DEALER_GUIDE,
    ),
    Market(
        _commodity(SUV, "New sport utility vehicle", "新车 SUV", "vehicle", "piece", "0", 60000, 400000, _CAR_AGEING),
        Decimal(168000), 0.001, True, OEM_LIST, DEALER_GUIDE,
    ),
)  # fmt: skip
OIL = _commodity(FUEL_OIL, "Fuel oil, priced off Brent", "燃料油（布伦特计价）", "petrochemical", "bbl", "0.003", 5, 200, (), "USD")
MARKET_BY_CODE = {m.commodity.commodity_code: m for m in MARKETS}

HISTORY_FROM = date(2020, 1, 2)
FEED_UNTIL = date(2020, 4, 8)
_BOARD_CLOSES = time(7, 0, tzinfo=UTC)
_BRENT_CLOSES = time(16, 30, tzinfo=UTC)
_SETTLED_DAY = date(2020, 3, 6)


def commodities() -> tuple[Commodity, ...]:
    """All commodities of the world."""
    return (*(m.commodity for m in MARKETS), OIL)


def trading_days(first: date, last: date) -> Iterator[date]:
    """Weekdays from first to last on which Chinese exchanges trade."""
    day = first
    while day <= last:
        if day.weekday() < 5 and chinese_calendar.is_workday(day):
            yield day
        day += timedelta(days=1)


@lru_cache(maxsize=1)
def brent() -> dict[date, Decimal]:
    """The Brent spot price by trading day, USD per barrel (data/ORIGIN.md)."""
    text = resources.files("simulators.data").joinpath("brent-daily.csv").read_text(encoding="ascii")
    return {date.fromisoformat(row["Date"]): Decimal(row["Price"]) for row in csv.DictReader(text.splitlines())}


def brent_quotes(day: date) -> tuple[Quote, Quote]:
    """The real quote of a day and that of a made-up oil desk, which sees the same market a few cents higher."""
    price, at = brent()[day], datetime.combine(day, _BRENT_CLOSES)
    desk = (price * Decimal("1.002")).quantize(Decimal("0.01"))
    return (
        Quote(FUEL_OIL, BRENT_SOURCE, at, at, price, "USD", "bbl", False, Decimal(0), synthetic=False),
        Quote(FUEL_OIL, BRENT_CHECK, at, at, desk, "USD", "bbl", False, Decimal(0), synthetic=True),
    )


@lru_cache(maxsize=8)
def _walk(seed: int, code: str) -> dict[date, Decimal]:
    """A quiet path of daily prices that stands at the market's level on the last day before T0."""
    market, chance = MARKET_BY_CODE[code], stream(seed, f"prices/{code}")
    days = list(trading_days(HISTORY_FROM, FEED_UNTIL))
    path, value = {}, 1.0
    for day in days:
        # Pulled back to its level, so that no seed drifts into a price fall that nobody wrote.
        value += chance.uniform(-market.daily_move, market.daily_move) - 0.1 * (value - 1.0)
        path[day] = value
    at_start = path[_SETTLED_DAY]
    step = Decimal("10") if market.level > 1000 else Decimal("1")
    return {day: (market.level * Decimal(repr(round(v / at_start, 6)))).quantize(step) for day, v in path.items()}


def synthetic_quotes(seed: int, day: date) -> tuple[Quote, ...]:
    """The made-up quotes of a trading day, two sources per commodity."""
    found: list[Quote] = []
    at = datetime.combine(day, _BOARD_CLOSES)
    for market in MARKETS:
        code = market.commodity.commodity_code
        price = _walk(seed, code)[day]
        for source, factor in ((market.primary_source, Decimal(1)), (market.check_source, Decimal("1.003"))):
            found.append(
                Quote(
                    code,
                    source,
                    at,
                    at,
                    (price * factor).quantize(Decimal("0.01")),
                    "CNY",
                    market.commodity.unit,
                    market.tax_inclusive,
                    market.vat_rate,
                    synthetic=True,
                )
            )
    return tuple(found)


def history(seed: int) -> tuple[Quote, ...]:
    """Every quote that was known at T0: Brent of 2020-03-06 is not, it was published after the weekend."""
    found = [q for day in trading_days(HISTORY_FROM, _SETTLED_DAY) for q in synthetic_quotes(seed, day)]
    found += [q for day in sorted(brent()) if HISTORY_FROM <= day < _SETTLED_DAY for q in brent_quotes(day)]
    return tuple(found)


def start_price(seed: int, code: str) -> Decimal:
    """Ex-VAT price per unit that a valuation at T0 uses."""
    if code == FUEL_OIL:
        return brent()[date(2020, 3, 5)]
    return _walk(seed, code)[_SETTLED_DAY] / (1 + MARKET_BY_CODE[code].vat_rate)
