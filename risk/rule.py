"""What a rule is and what it may say: a finding with its evidence, "cannot judge", or "this event is explained"."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from risk.snapshot import Snapshot


class Leg(StrEnum):
    """Which question a rule asks (DOMAIN 4.2): business and site, title and trade, or the goods themselves."""

    INDUSTRY = "I"
    TRADE = "T"
    LOGISTICS = "L"


class Severity(StrEnum):
    """P1 freeze and call within 15 minutes, P2 same day, P3 next working day, P4 information. P1 sorts first."""

    P1 = "P1"
    P2 = "P2"
    P3 = "P3"
    P4 = "P4"

    def raised(self) -> Severity:
        """One level more severe; P1 stays."""
        order = list(Severity)
        return order[max(0, order.index(self) - 1)]

    def at_least(self, other: Severity) -> Severity:
        """The more severe of the two."""
        return min(self, other, key=lambda s: s.value)


class Lane(StrEnum):
    """When a rule runs: on each movement or refusal, at the periodic cross-check, or after each mark."""

    FAST = "FAST"
    SCHEDULED = "SCHEDULED"
    MARK = "MARK"


class Section(StrEnum):
    """Parts of the snapshot; a run loads only what its rules ask for."""

    MOVEMENTS = "movements"
    REFUSALS = "refusals"
    UNSEEN = "unseen"
    UNSIGHTED = "unsighted"
    TWINS = "twins"
    DEVICES = "devices"
    TRIPS = "trips"
    INVOICES = "invoices"
    SALES = "sales"
    PRICES = "prices"
    FACILITIES = "facilities"
    TANKS = "tanks"
    CLAIMS = "claims"
    WEIGHINGS = "weighings"
    INSPECTIONS = "inspections"
    SIGNS = "signs"
    CONFIGS = "configs"
    CLOCKS = "clocks"
    YARD_VEHICLES = "yard_vehicles"
    NIGHT_MOVES = "night_moves"
    OUTFLOWS = "outflows"
    RAW_SERIES = "raw_series"
    CONDUCT = "conduct"
    LOTS = "lots"
    RECEIPTS = "receipts"
    PICKUPS = "pickups"
    DEALS = "deals"
    LINKS = "links"
    CONTRACTS = "contracts"
    HOLDINGS = "holdings"
    FIGURES = "figures"
    ENTITY_EVENTS = "entity_events"
    EXPIRIES = "expiries"
    CONSERVATION = "conservation"


class Scope(StrEnum):
    """What a threshold can be set for, narrower than a tenant."""

    SITE = "site"
    PRODUCT = "product"


BY_SITE = frozenset({Scope.SITE})
BY_PRODUCT = frozenset({Scope.PRODUCT})
BY_TENANT: frozenset[Scope] = frozenset()


class SubjectKind(StrEnum):
    """What an alert is about; mirrored by a CHECK in SQL."""

    GOODS = "goods"
    TAG = "tag"
    DEVICE = "device"
    SITE = "site"
    VEHICLE = "vehicle"
    TRIP = "trip"
    FACILITY = "facility"
    PLEDGE = "pledge"
    DOCUMENT = "document"
    COMMODITY = "commodity"
    PARTY = "party"


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The thing an alert names, within its tenant."""

    tenant_id: str
    kind: SubjectKind
    id: str


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something is wrong with the subject.

    event_key names the single event that shows it (movement:42); a state that persists has none. summary and summary_zh are one
    sentence each. exposure_at_risk is in currency; None when nothing tells it. goods_ids: every unit concerned.
    """

    subject: Subject
    severity: Severity
    occurred_at: datetime
    summary: str
    summary_zh: str
    evidence: Mapping[str, Any]
    event_key: str | None = None
    facility_id: str | None = None
    pledge_id: str | None = None
    warehouse_id: str | None = None
    exposure_at_risk: Decimal | None = None
    currency: str | None = None
    thresholds: Mapping[str, str] | None = None


@dataclass(frozen=True, kw_only=True)
class CannotJudge:
    """The facts do not suffice, and why. An open alert of the subject stays as it is."""

    subject: Subject
    reason: str


@dataclass(frozen=True, kw_only=True)
class Cleared:
    """Events that had been found are explained by a later fact; the open alert resolves when none of its events is left.

    event_keys: as in the findings of these events; keys that no alert knows do nothing.
    """

    subject: Subject
    event_keys: tuple[str, ...]
    reason: str
    evidence: Mapping[str, Any] = field(default_factory=dict)


Verdict = Finding | CannotJudge | Cleared


def _plain(value: Decimal | int | timedelta) -> Decimal:
    return Decimal(int(value.total_seconds())) if isinstance(value, timedelta) else Decimal(value)


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """A number that the rule decides by.

    fixed: why people cannot set it; None when they can. whole: only whole numbers mean something. least and most: what the rule, and what is
    loaded for it, can bear.
    """

    name: str
    value: Decimal | int | timedelta
    meaning: str
    fixed: str | None = None
    whole: bool = False
    least: Decimal | int | timedelta | None = None
    most: Decimal | int | timedelta | None = None

    def fault(self, value: Decimal) -> str | None:
        """Why this cannot be set, durations in seconds; None when it can."""
        if self.fixed is not None:
            return f"{self.name} cannot be set: {self.fixed}"
        if self.whole and value != value.to_integral_value():
            return f"{self.name} is a whole number"
        unit = " seconds" if isinstance(self.value, timedelta) else ""
        if self.least is not None and value < _plain(self.least):
            return f"{self.name} is at least {_plain(self.least)}{unit}"
        if self.most is not None and value > _plain(self.most):
            return f"{self.name} is at most {_plain(self.most)}{unit}"
        return None

    def plain(self) -> Decimal:
        """Its own value as a number; a duration in seconds."""
        return _plain(self.value)

    def shown(self) -> str:
        """For people and for evidence: 10 min, 0.95, 3."""
        if isinstance(self.value, timedelta):
            seconds = int(self.value.total_seconds())
            for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
                if seconds % size == 0:
                    return f"{seconds // size} {unit}"
            return f"{seconds} s"
        return str(self.value)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One rule: what it claims, what it decides by, and the pure function that decides.

    lasting: the finding is a state and resolves when the state goes; otherwise it is an event and stays until people close it.
    scopes: what its thresholds can be set for, besides the whole tenant.
    """

    code: str
    version: int
    name: str
    name_zh: str
    leg: Leg
    severity: str
    lanes: frozenset[Lane]
    lasting: bool
    claim: str
    inputs: tuple[Section, ...]
    thresholds: tuple[Threshold, ...]
    guards: tuple[str, ...]
    check: Callable[[Snapshot], Sequence[Verdict]]
    scopes: frozenset[Scope] = BY_SITE

    def shown_thresholds(self) -> dict[str, str]:
        """Thresholds as stored with each alert."""
        return {t.name: t.shown() for t in self.thresholds}
