"""Parties, places, devices, commodities, prices, people."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, AliasChoices, Field

from api.models.base import (
    Currency,
    Dec,
    DeviceId,
    Id,
    In,
    JsonObject,
    LongText,
    Out,
    Password,
    Polygon,
    PositivePrice,
    PresentPassword,
    Price,
    Ratio,
    Text,
    Time,
    VatRate,
)
from api.models.enums import (
    ControlMode,
    Datum,
    DeviceClass,
    Grade,
    PartyRole,
    PriceStatus,
    UnitName,
    WarehouseKind,
    ZoneKind,
)
from api.permissions import Permission, Role


def _time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as exc:
        raise ValueError("is no time zone of the IANA list, such as Asia/Shanghai") from exc
    return name


TimeZone = Annotated[str, Field(pattern=r"^[A-Za-z_+-]+(/[A-Za-z0-9_+-]+)*$", max_length=64), AfterValidator(_time_zone)]
Lon = Annotated[float, Field(ge=-180, le=180)]
Lat = Annotated[float, Field(ge=-90, le=90)]


class AccessToken(Out):
    """What signing in gives."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105
    expires_in: int = Field(description="Seconds of real time")
    roles: list[Role]
    user_id: str


class RenewedToken(Out):
    """The token with which a user goes on after a change of the own password."""

    access_token: str | None = Field(description="Null when a request is repeated: it is shown once")
    token_type: Literal["bearer"] = "bearer"  # noqa: S105
    expires_in: int = Field(description="Seconds of real time")
    roles: list[Role]
    user_id: str


class StreamToken(Out):
    """Opens the event stream where no header can be sent; good for one minute."""

    stream_token: str
    expires_in: int


class NewUser(In):
    """A user to be."""

    username: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{1,63}$", examples=["officer"])]
    display_name: Text
    password: Password
    roles: Annotated[list[Role], Field(min_length=1, max_length=7)]


class UserChange(In):
    """Why a user's access changes."""

    reason: LongText


class NewRoles(UserChange):
    """All roles that a user has from now on."""

    roles: Annotated[list[Role], Field(min_length=1, max_length=7)]


class NewPassword(UserChange):
    """A password that an administrator gives."""

    password: Password


class OwnPassword(In):
    """The present password and the new one."""

    password: PresentPassword
    new_password: Password


class UserOut(Out):
    """One who signs in."""

    user_id: str
    username: str
    display_name: str
    roles: list[Role]
    active: bool
    created_at: datetime


class Me(UserOut):
    """The signed-in user and what they may do; now is the business clock's time."""

    tenant_id: str
    permissions: list[Permission]
    now: datetime
    clock_speed: float = Field(description="Business seconds per real second; 1 outside simulations")


class NewParty(In):
    """A party to a deal."""

    party_id: Id
    name: Text
    name_zh: Text
    roles: Annotated[list[PartyRole], Field(min_length=1, max_length=10)]
    uscc: Annotated[str, Field(pattern=r"^[0-9A-HJ-NPQRTUWXY]{18}$")] | None = None
    synthetic: bool = False


class Party(Out):
    """A party to a deal."""

    party_id: str
    name: str
    name_zh: str
    roles: list[PartyRole]
    uscc: str | None
    synthetic: bool
    created_at: datetime


class NewWarehouse(In):
    """A site that keeps goods. The fence may be given in another datum; it is stored in WGS-84."""

    warehouse_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", examples=["WH-SH-01"])]
    name: Text
    name_zh: Text
    operator_party_id: Id
    kind: WarehouseKind
    control_mode: ControlMode
    grade: Grade | None = None
    timezone: TimeZone = "Asia/Shanghai"
    fence: Polygon
    fence_datum_in: Datum = "WGS84"


class Warehouse(Out):
    """A site that keeps goods."""

    warehouse_id: str
    name: str
    name_zh: str
    operator_party_id: str
    kind: WarehouseKind
    control_mode: ControlMode
    grade: Grade | None
    timezone: str
    fence: dict[str, Any]
    fence_datum_in: Datum
    created_at: datetime


class NewZone(In):
    """A part of a site. The polygon may be given in another datum; it is stored in WGS-84."""

    zone_id: Annotated[str, Field(min_length=1, max_length=96, pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$", examples=["WH-SH-01/bay-3"])]
    warehouse_id: Id
    name: Text
    kind: ZoneKind
    polygon: Polygon
    datum_in: Datum = "WGS84"


class Zone(Out):
    """A part of a site."""

    zone_id: str
    warehouse_id: str
    name: str
    kind: ZoneKind
    polygon: dict[str, Any]
    created_at: datetime


class NewDevice(In):
    """A device that will publish. The answer shows its credential once."""

    device_id: DeviceId
    site: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", examples=["WH-SH-01"])]
    warehouse_id: Id | None = None
    class_: Annotated[DeviceClass, Field(validation_alias=AliasChoices("class", "class_"), serialization_alias="class")]
    format: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,31}$", examples=["native"])]
    name: Text
    gateway_device_id: DeviceId | None = None
    vehicle_plate: Annotated[Text, Field(max_length=32)] | None = None
    claims: JsonObject = Field(default_factory=dict, description="Identities that its payloads may carry")
    expected_interval_s: Annotated[int, Field(ge=1, le=86_400)] = 60
    utc_offset_minutes: Annotated[int, Field(ge=-840, le=840)] = Field(
        default_factory=lambda said: 480 if str(said.get("format", "")).startswith("jt808") else 0,
        description="Of device times that carry no offset. Not given: 480 for JT/T 808, whose standard says GMT+8, else 0",
    )
    datum: Datum = "WGS84"
    lon: Lon | None = None
    lat: Lat | None = None


class DeviceState(Out):
    """What is known of a device now."""

    last_observed_at: datetime | None
    last_received_at: datetime | None
    last_health_at: datetime | None
    presence: str | None
    presence_text: str | None
    presence_at: datetime | None
    last_seq: int | None
    gaps: int
    health: dict[str, Any]
    skew_ms: int | None
    clock_offset_ms: int | None = Field(description="Learnt: median of received minus observed; positive = its clock is behind")
    clock_samples: int = Field(description="Messages from which it was learnt, at most 31")
    heard_from: datetime | None = Field(description="Since when it was heard without an outage")
    heard_until: datetime | None


class Device(Out):
    """A registered device, without its credential."""

    device_id: str
    site: str
    warehouse_id: str | None
    class_: Annotated[DeviceClass, Field(validation_alias=AliasChoices("class", "class_"), serialization_alias="class")]
    format: str
    name: str
    gateway_device_id: str | None
    vehicle_plate: str | None
    claims: dict[str, Any]
    expected_interval_s: int
    utc_offset_minutes: int
    datum: Datum
    lon: float | None
    lat: float | None
    enabled: bool
    credential_issued_at: datetime | None
    registered_at: datetime
    state: DeviceState | None = None


class Credential(Out):
    """Shown once; a repeated answer has no password."""

    username: str
    password: str | None = Field(description="null when this answer is repeated by its Idempotency-Key")


class DeviceWithCredential(Out):
    """A device and its new credential."""

    device: Device
    credential: Credential


class CredentialRevoked(Out):
    """The device can no longer sign in."""

    device_id: str
    revoked: bool


class NewAntenna(In):
    """Where an antenna listens from a time on; antenna 0 stands for the whole reader."""

    antenna: Annotated[int, Field(ge=0, le=64)]
    zone_id: Id
    valid_from: Time | None = None


class Antenna(Out):
    """Where an antenna listens."""

    device_id: str
    antenna: int
    zone_id: str
    valid_from: datetime
    valid_to: datetime | None


class AgeingStep(In):
    """From this age on: a haircut, or no value at all."""

    from_days: Annotated[int, Field(ge=0, le=36_500)]
    haircut: Ratio | None = None
    ineligible: bool = False


class NewCommodity(In):
    """A kind of goods and the band in which its price makes sense."""

    commodity_code: Id
    name: Text
    name_zh: Text
    commodity_group: Text
    unit: UnitName
    weighing_tolerance: Ratio
    price_min: PositivePrice
    price_max: PositivePrice
    price_currency: Currency
    ageing_steps: Annotated[list[AgeingStep], Field(max_length=20)] = Field(default_factory=list)


class Commodity(Out):
    """A kind of goods."""

    commodity_code: str
    name: str
    name_zh: str
    commodity_group: str
    unit: UnitName
    weighing_tolerance: Dec
    price_min: Dec
    price_max: Dec
    price_currency: str
    ageing_steps: list[dict[str, Any]]


class NewPrice(In):
    """A quote as its source published it."""

    commodity_code: Id
    source: Text
    quoted_at: Time
    published_at: Time | None = None
    price: Price
    currency: Currency
    unit: UnitName
    tax_inclusive: bool
    vat_rate: VatRate = Field(default="0", validate_default=True)
    city: Text | None = None
    grade: Text | None = None
    spec: Text | None = None
    synthetic: bool


class NewPrices(In):
    """Quotes, each judged by itself."""

    items: Annotated[list[NewPrice], Field(min_length=1, max_length=5000)]


class PriceQuote(Out):
    """A quote and what was made of it."""

    price_id: str
    commodity_code: str
    source: str
    quoted_at: datetime
    published_at: datetime
    recorded_at: datetime
    price: Dec
    currency: str
    unit: str
    tax_inclusive: bool
    vat_rate: Dec
    city: str | None
    grade: str | None
    spec: str | None
    synthetic: bool
    own: bool = Field(description="Reported by this tenant; false = market data that every tenant sees")
    status: PriceStatus
    reason: str | None


class PriceOutcome(Out):
    """What became of one reported price. CONFLICT: another price is recorded for this source and time; nothing changed."""

    commodity_code: str
    source: str
    quoted_at: datetime
    price_id: str
    status: PriceStatus
    reason: str | None
    outcome: Literal["RECORDED", "REPEATED", "CONFLICT"]


class PriceOutcomes(Out):
    """One outcome per item, in the request's order."""

    items: list[PriceOutcome]
