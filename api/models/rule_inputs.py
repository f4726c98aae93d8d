"""What people attest for the rules, how rules are set, and the verdict that the alerts add up to."""

from __future__ import annotations

from datetime import datetime, time
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import Field

from api.models.base import Currency, Day, Dec, DecimalText, DeviceId, Id, In, Kilograms, LongText, Out, Ratio, Text, Time
from api.models.enums import Severity
from collateral.rule_input_service import RuleMode

Level = Annotated[Decimal, DecimalText(12, 4, from_zero=True)]
Volume = Annotated[Decimal, DecimalText(14, 3, from_zero=True)]
Density = Annotated[Decimal, DecimalText(8, 2, positive=True)]
Figure = Annotated[Decimal, DecimalText(24, 6, from_zero=True)]
BandValue = Annotated[Decimal, DecimalText(14, 6)]
ThresholdValue = Annotated[Decimal, DecimalText(24, 8, from_zero=True)]
Clock = Annotated[time, Field(description="Local time of the site, such as 06:00", examples=["06:00"])]
Lon = Annotated[float, Field(ge=-180, le=180)]
Lat = Annotated[float, Field(ge=-90, le=90)]


class ScaleCalibration(In):
    """A scale was calibrated; sigma_kg: the repeatability that the certificate states."""

    kind: Literal["scale_calibration"]
    device_id: DeviceId
    calibrated_at: Time
    valid_to: Time
    sigma_kg: Kilograms | None = None
    certificate_no: Text


class TankSpec(In):
    """What a tank holds at each level, and what its product is like at 15 degrees."""

    kind: Literal["tank_spec"]
    zone_id: Id
    valid_from: Time
    strapping: Annotated[
        list[tuple[Level, Volume]], Field(min_length=2, max_length=5000, description="Level in m and volume in m3, both rising")
    ]
    capacity_m3: Annotated[Decimal, DecimalText(14, 3, positive=True)]
    density15_min: Density
    density15_max: Density
    expansion_per_c: Annotated[Decimal, DecimalText(10, 8, from_zero=True)] = Decimal("0.00083")


class SiteHours(In):
    """When a site works; closes before opens is a shift over midnight."""

    kind: Literal["site_hours"]
    warehouse_id: Id
    valid_from: Time
    opens: Clock
    closes: Clock
    works_holidays: bool


class WorkTicket(In):
    """Work that somebody else allowed."""

    kind: Literal["work_ticket"]
    warehouse_id: Id
    zone_id: Id | None = None
    device_id: DeviceId | None = None
    ticket_kind: Literal["MOVE", "MAINTENANCE", "SHIFT"]
    valid_from: Time
    valid_to: Time
    reason: Text
    approved_by: Id


class BusinessFigure(In):
    """A number about a party, a site or a market in a period."""

    kind: Literal["business_figure"]
    figure_kind: Literal[
        "SITE_CAPACITY_KG",
        "PARTY_CAPACITY_KG",
        "MARKET_TURNOVER_10D_KG",
        "SALES_12M",
        "INPUT_IMPLIED_OUTPUT_KG",
        "CLAIMED_OUTPUT_KG",
        "PLANNED_TURNOVER_90D_KG",
    ]
    party_id: Id | None = None
    warehouse_id: Id | None = None
    commodity_code: Id | None = None
    value: Figure
    currency: Currency | None = None
    valid_from: Day
    valid_to: Day
    source: Text


class RegistryEvent(In):
    """What a public register says of a party."""

    kind: Literal["registry_event"]
    party_id: Id
    event_kind: Literal[
        "OWNER",
        "CONTROLLER",
        "LEGAL_REPRESENTATIVE",
        "ADDRESS",
        "NAME",
        "LITIGATION",
        "LICENCE_REVOKED",
        "INSURANCE_CANCELLED",
        "LEASE_ENDED",
        "ABNORMAL_LIST",
    ]
    happened_on: Day
    summary: Text
    cosmetic: bool = False


class InspectionVisit(In):
    """A visit that took place, or did not."""

    kind: Literal["inspection_visit"]
    warehouse_id: Id
    planned_at: Time
    outcome: Literal["DONE", "REFUSED", "POSTPONED", "PARTLY_REFUSED"]
    by_site: bool
    note: Annotated[str, Field(max_length=500, pattern=r"^[^\x00]*$")] = ""
    photo_phashes: Annotated[list[Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]], Field(max_length=200, default_factory=list)]


class PartyLink(In):
    """What a party has in common with others."""

    kind: Literal["party_link"]
    party_id: Id
    link_kind: Literal["SHAREHOLDER", "CONTROLLER", "OFFICER", "PHONE", "ADDRESS", "ACCOUNT", "NETWORK"]
    key: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
    other_party_id: Id | None = None
    share: Ratio | None = None
    disclosed: bool = False
    valid_from: Day
    valid_to: Day | None = None


class DatedProof(In):
    """Until when something holds that a loan rests on. One of party, site and facility."""

    kind: Literal["dated_proof"]
    proof_kind: Literal["INSURANCE", "INSPECTION", "REGISTRATION", "LEASE", "SUPERVISION", "LICENCE", "PRESENCE"]
    party_id: Id | None = None
    warehouse_id: Id | None = None
    facility_id: Id | None = None
    number: Text
    valid_from: Time
    valid_to: Time
    evidence_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None


class ReceiptCheck(In):
    """What the issuer of a receipt answered."""

    kind: Literal["receipt_check"]
    receipt_no: Id
    answer: Literal["CONFIRMED", "UNKNOWN", "DIFFERENT", "REVOKED", "UNREACHABLE"]
    attempts: Annotated[int, Field(ge=1, le=100)] = 1
    asked_at: Time


class ReceiptSeries(In):
    """Numbers that a keeper says it has given out."""

    kind: Literal["receipt_series"]
    keeper_party_id: Id
    prefix: Annotated[str, Field(max_length=60, pattern=r"^[^\x00-\x1f\x7f]*$")]
    first_no: Annotated[int, Field(ge=0, le=10**18)]
    last_no: Annotated[int, Field(ge=0, le=10**18)]


class RoadPlace(In):
    """A place on the road that explains a stop or makes it worse; WGS-84."""

    kind: Literal["road_place"]
    place_kind: Literal["SERVICE_AREA", "REST_AREA", "PLANNED_STOP", "SCRAP_YARD", "OTHER_SHED"]
    name: Text
    lon: Lon
    lat: Lat
    radius_m: Annotated[Decimal, DecimalText(8, 1, positive=True)]


class TripChange(In):
    """A trip's destination was changed."""

    kind: Literal["trip_change"]
    trip_id: Id
    changed_at: Time
    destination: Text
    expected_at: Time | None = None
    reason: Annotated[str, Field(max_length=500, pattern=r"^[^\x00]*$")] = ""


class CommodityBand(In):
    """What a commodity is like: density in kg/m3, assay in percent."""

    kind: Literal["commodity_band"]
    commodity_code: Id
    property: Literal["DENSITY_KGPM3", "ASSAY_PCT"]
    grade: Text | None = None
    low: BandValue
    high: BandValue


RuleInput = Annotated[
    ScaleCalibration
    | TankSpec
    | SiteHours
    | WorkTicket
    | BusinessFigure
    | RegistryEvent
    | InspectionVisit
    | PartyLink
    | DatedProof
    | ReceiptCheck
    | ReceiptSeries
    | RoadPlace
    | TripChange
    | CommodityBand,
    Field(discriminator="kind"),
]


class RecordedInput(Out):
    """Under which id it is kept."""

    kind: str
    input_id: str


class NewThreshold(In):
    """A number instead of the rule's own; durations in seconds; null = the rule's own again."""

    rule_code: Annotated[str, Field(pattern=r"^[RSV]\d\d[a-z]?$")]
    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,60}$")]
    value: ThresholdValue | None
    product: Annotated[str, Field(pattern=r"^[A-Z_]{1,40}$")] | None = None
    warehouse_id: Id | None = None
    reason: LongText


class NewMode(In):
    """A rule only looks (SHADOW), or raises alerts (LIVE)."""

    rule_code: Annotated[str, Field(pattern=r"^[RSV]\d\d[a-z]?$")]
    mode: RuleMode
    reason: LongText


class RuleSetting(Out):
    """What was set. version: the row's number, which alerts show."""

    rule_code: str
    version: int


class VerdictReason(Out):
    """An alert that took points, with its evidence."""

    alert_id: str
    rule_code: str
    severity: Severity
    status: str
    subject_kind: str
    subject_id: str
    takes: Dec
    summary: str
    summary_zh: str
    evidence: Any
    opened_at: datetime
    exposure_at_risk: Dec | None
    currency: str | None


class VerdictLeg(Out):
    """One leg: I business and site, T title and trade, L the goods themselves. 100 = nothing speaks against it."""

    leg: Literal["I", "T", "L"]
    score: int
    colour: Literal["green", "amber", "red"]
    reasons: list[VerdictReason]


class Verdict(Out):
    """三穿三透: what the open alerts say of a subject, leg by leg, and why."""

    kind: Literal["pledge", "facility", "borrower", "warehouse"]
    id: str
    as_of: datetime
    score: int
    colour: Literal["green", "amber", "red"]
    legs: list[VerdictLeg]
    composite: list[str] = Field(description="Legs that alarm together within 72 hours; empty where fewer than two do")
    why: list[str]
    why_zh: list[str]
