"""Rows of the snapshot about sites, scales, tanks and devices. Kilograms, metres, degrees Celsius; times aware UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from risk.facts import Unit


@dataclass(frozen=True, kw_only=True)
class Holder:
    """Whose loan rests on goods at a place: one of them stands for all. value: of the pledged goods there."""

    pledge_id: str | None = None
    facility_id: str | None = None
    units_pledged: int = 0
    value: Decimal | None = None
    currency: str | None = None


NOBODY = Holder()


@dataclass(frozen=True, kw_only=True)
class Weighing:
    """One weighing of known goods by a device. measured_kg: net; declared_kg: what the book says they weigh together."""

    device_id: str
    observed_at: datetime
    tenant_id: str
    warehouse_id: str | None
    units: tuple[Unit, ...]
    measured_kg: Decimal
    declared_kg: Decimal | None
    tolerance: Decimal  # of the commodity, as a fraction
    gross: bool = False  # no tare was known: the measured weight holds packing
    calibrated_at: datetime | None = None
    calibrated_to: datetime | None = None  # None = never calibrated, as far as we know
    sigma_kg: Decimal | None = None
    volume_m3: Decimal | None = None
    event_key: str = ""


@dataclass(frozen=True, kw_only=True)
class Paper:
    """What an inspection says of goods."""

    document_id: str
    tenant_id: str
    number: str
    issued_at: datetime
    commodity_code: str
    grade_said: str | None
    assay_pct: Decimal | None
    grade_booked: str | None
    units: tuple[Unit, ...]


@dataclass(frozen=True, kw_only=True)
class Band:
    """What a commodity is like: DENSITY_KGPM3 or ASSAY_PCT between low and high. grade None = every grade."""

    tenant_id: str
    commodity_code: str
    property: str
    grade: str | None
    low: Decimal
    high: Decimal


@dataclass(frozen=True, kw_only=True)
class Gauging:
    """One measurement of a tank."""

    observed_at: datetime
    device_id: str
    level_m: Decimal | None = None
    temperature_c: Decimal | None = None
    density_kgpm3: Decimal | None = None
    pressure_pa: Decimal | None = None
    free_water_m: Decimal | None = None
    volume_m3: Decimal | None = None
    flow_m3ph: Decimal | None = None
    valve: str | None = None  # open | closed


@dataclass(frozen=True, kw_only=True)
class TankSpec:
    """What a tank is. strapping: (level m, volume m3), rising."""

    spec_id: str
    strapping: tuple[tuple[Decimal, Decimal], ...]
    capacity_m3: Decimal
    density15_min: Decimal
    density15_max: Decimal
    expansion_per_c: Decimal


@dataclass(frozen=True, kw_only=True)
class Tank:
    """A tank that holds goods on our books, with its measurements of the last hours, oldest first.

    booked_kg: of all goods booked in it, by receipts and customers' balances; settled_since: since when nothing of it was booked in or out.
    """

    zone_id: str
    tenant_id: str
    warehouse_id: str
    booked_kg: Decimal
    claimants: int
    book_changed_at: datetime | None
    gaugings: tuple[Gauging, ...]
    spec: TankSpec | None
    holder: Holder
    daily_kg: tuple[tuple[date, Decimal], ...] = ()
    shrinkage_rate: Decimal | None = None


@dataclass(frozen=True, kw_only=True)
class Claims:
    """What is claimed at a place against what is there. kind: stack (a zone) or site. measured_kg: by a scale or load cells under it."""

    kind: str
    place_id: str
    tenant_id: str
    warehouse_id: str
    claimed_kg: Decimal
    claimants: int
    receipts: int
    book_changed_at: datetime | None
    measured_kg: Decimal | None
    measured_at: datetime | None
    device_id: str | None
    capacity_kg: Decimal | None
    holder: Holder


@dataclass(frozen=True, kw_only=True)
class Sign:
    """A seal, door, tamper or alarm message of a device, with where it was and what is known of that place and time."""

    device_id: str
    tenant_id: str
    observed_at: datetime
    type: str
    payload: Mapping[str, Any]
    warehouse_id: str | None
    vehicle_plate: str | None
    trip_id: str | None
    lon: float | None
    lat: float | None
    inside_warehouse_id: str | None  # the supervised site whose fence held it then
    ticket_id: str | None  # a maintenance ticket that covers it
    units: tuple[Unit, ...]  # aboard, or behind the device where it stands
    value_behind: Decimal | None = None
    currency: str | None = None


@dataclass(frozen=True, kw_only=True)
class DeviceConfig:
    """What a device says it runs, and what it was registered with."""

    device_id: str
    tenant_id: str
    warehouse_id: str | None
    said: Mapping[str, str]  # config_hash, fw
    registered: Mapping[str, str]
    health_at: datetime | None
    ticket_id: str | None


@dataclass(frozen=True, kw_only=True)
class UnconservedDay:
    """A day of receipt (UTC) on which as many readings of a device were counted as stored, and as many were found."""

    day: date
    counted: int
    found: int


@dataclass(frozen=True, kw_only=True)
class Unconserved:
    """A device whose readings the newest count did not find as they were counted."""

    device_id: str
    tenant_id: str
    warehouse_id: str | None
    found_at: datetime
    days: tuple[UnconservedDay, ...]


@dataclass(frozen=True, kw_only=True)
class DeviceClock:
    """How a device's clock and numbering behave. lags_s: received minus observed of its newest messages that were not flagged late, newest first."""

    device_id: str
    tenant_id: str
    warehouse_id: str | None
    lags_s: tuple[float, ...]
    newest_at: datetime | None
    gaps: int
    conflicts: int  # same number, other content, within a day
    future: int  # messages flagged future_time within a day


@dataclass(frozen=True, kw_only=True)
class SiteHours:
    """When a site works, in Shanghai's time. closes before opens = a shift over midnight."""

    opens: time
    closes: time
    works_holidays: bool


@dataclass(frozen=True, kw_only=True)
class NightMove:
    """Something that moved or was heard in a bin: a movement of pledged goods, or a motion message."""

    key: str
    tenant_id: str
    warehouse_id: str
    zone_id: str | None
    occurred_at: datetime
    what: str
    device_id: str
    unit: Unit | None
    hours: SiteHours | None
    ticket_id: str | None
    release_id: str | None


@dataclass(frozen=True, kw_only=True)
class Outflow:
    """What left a site, by day: (day, kg, distinct depositors), oldest first, and who draws within 48 hours."""

    warehouse_id: str
    tenant_id: str
    daily_kg: tuple[tuple[date, Decimal], ...]
    depositors_48h: int
    depositors_all: int
    newest_at: datetime | None
    holder: Holder


@dataclass(frozen=True, kw_only=True)
class RawSeries:
    """Raw values that one device measured, oldest first, as it sent them."""

    device_id: str
    tenant_id: str
    warehouse_id: str | None
    quantity: str  # the field's name
    points: tuple[tuple[datetime, Decimal], ...]


@dataclass(frozen=True, kw_only=True)
class SiteConduct:
    """How a site keeps its records and receives inspectors, over 90 days."""

    warehouse_id: str
    tenant_id: str
    visits: tuple[tuple[datetime, str, bool, str], ...] = ()  # planned_at, outcome, by_site, visit_id
    photos: tuple[tuple[str, str], ...] = ()  # visit_id, 16 hex digits
    manual_entries: int = 0
    entries: int = 0
    largest_burst: int = 0  # entries keyed within one minute
    burst_at: datetime | None = None
    holder: Holder = NOBODY


@dataclass(frozen=True, kw_only=True)
class LotHistory:
    """Weights of one unit over time by scales, oldest first, and what its receipt allows to shrink."""

    unit: Unit
    points: tuple[tuple[datetime, Decimal], ...]
    shrinkage_rate: Decimal | None
    received_at: datetime
    commodity_tolerance: Decimal = field(default=Decimal("0.003"))
