"""One consistent view of the store at an instant; the only argument of a rule. Sections that a run does not need stay empty."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from decimal import Decimal

from risk.facts import (
    CommodityPrices,
    Device,
    Facility,
    Invoice,
    Movement,
    Refusal,
    Sale,
    Stream,
    Trip,
    Twin,
    UnseenUnit,
    UnsightedUnit,
    YardVehicle,
)
from risk.facts_site import (
    Band,
    Claims,
    DeviceClock,
    DeviceConfig,
    LotHistory,
    NightMove,
    Outflow,
    Paper,
    RawSeries,
    Sign,
    SiteConduct,
    Tank,
    Unconserved,
    Weighing,
)
from risk.facts_trade import Contract, Deal, EntityEvent, Expiry, Figure, Holding, Link, Order, Pickup, Receipt
from risk.thresholds import ThresholdBook

NOTHING_SET = ThresholdBook()
SILENT_STREAM = Stream(reached_at=None, settled_until=None, devices_heard=0)


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What the rules of one run see. as_of: aware UTC. round_interval: how far apart inventory rounds are planned."""

    as_of: datetime
    stream: Stream = SILENT_STREAM
    round_interval: timedelta = timedelta(hours=1)
    watched_units: int = 0
    movements: tuple[Movement, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    unseen: tuple[UnseenUnit, ...] = ()
    unsighted: tuple[UnsightedUnit, ...] = ()
    twins: tuple[Twin, ...] = ()
    devices: tuple[Device, ...] = ()
    trips: tuple[Trip, ...] = ()
    invoices: tuple[Invoice, ...] = ()
    sales: tuple[Sale, ...] = ()
    prices: tuple[CommodityPrices, ...] = ()
    facilities: tuple[Facility, ...] = ()
    tanks: tuple[Tank, ...] = ()
    claims: tuple[Claims, ...] = ()
    weighings: tuple[Weighing, ...] = ()
    inspections: tuple[Paper, ...] = ()
    bands: tuple[Band, ...] = ()
    signs: tuple[Sign, ...] = ()
    configs: tuple[DeviceConfig, ...] = ()
    clocks: tuple[DeviceClock, ...] = ()
    yard_vehicles: tuple[YardVehicle, ...] = ()
    night_moves: tuple[NightMove, ...] = ()
    outflows: tuple[Outflow, ...] = ()
    raw_series: tuple[RawSeries, ...] = ()
    conduct: tuple[SiteConduct, ...] = ()
    lots: tuple[LotHistory, ...] = ()
    receipts: tuple[Receipt, ...] = ()
    orders: tuple[Order, ...] = ()
    pickups: tuple[Pickup, ...] = ()
    deals: tuple[Deal, ...] = ()
    links: tuple[Link, ...] = ()
    contracts: tuple[Contract, ...] = ()
    holdings: tuple[Holding, ...] = ()
    figures: tuple[Figure, ...] = ()
    entity_events: tuple[EntityEvent, ...] = ()
    expiries: tuple[Expiry, ...] = ()
    unconserved: tuple[Unconserved, ...] = ()
    tuned: ThresholdBook = NOTHING_SET
    not_loaded: Mapping[str, str] = field(default_factory=dict)  # section -> why its rules cannot run

    def __post_init__(self) -> None:
        if self.as_of.tzinfo is None:
            raise ValueError("a snapshot needs an aware instant")

    def counts(self) -> dict[str, int]:
        """Rows per section, for the run's record."""
        values = ((f.name, getattr(self, f.name)) for f in fields(self))
        return {name: len(value) for name, value in values if isinstance(value, tuple)}


def stream_of(heard: datetime | None, devices_heard: int, *, as_of: datetime, settle: timedelta) -> Stream:
    """How far the stream has come, from the event time that a quarter of all devices have passed.

    A quantile, not the newest: one clock that runs ahead must not make all the others silent. Never later than as_of.
    """
    if heard is None:
        return SILENT_STREAM
    reached = min(heard, as_of)
    return Stream(reached_at=reached, settled_until=min(reached, as_of) - settle, devices_heard=devices_heard)


def money_sum(values: list[Decimal | None]) -> Decimal | None:
    """Sum of what is known, None when nothing is."""
    known = [v for v in values if v is not None]
    return sum(known, Decimal(0)) if known else None
