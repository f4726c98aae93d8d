"""Types of fields: decimals as strings, aware times, texts that the store can hold, JSON objects of bounded size."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    SecretStr,
    WithJsonSchema,
)
from pydantic_core import core_schema

JSON_BYTES_MAX = 262_144
JSON_LEVELS_MAX = 64
_RFC3339 = re.compile(r"^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)$")
_YEARS = range(1950, 2201)


class In(BaseModel):
    """A request body: unknown fields are refused, so that a misspelt one is noticed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Out(BaseModel):
    """A response body, built from a row."""

    model_config = ConfigDict(extra="ignore", frozen=True)


_OUT_SCHEMA = {"type": "string", "pattern": r"^-?\d+(\.\d+)?$", "examples": ["12.50"]}


@dataclass(frozen=True)
class DecimalText:
    """A decimal that travels as a string: numeric(digits, places) of the schema. Whole JSON numbers are taken, others refused."""

    digits: int
    places: int
    positive: bool = False
    from_zero: bool = False

    @property
    def pattern(self) -> str:
        """Of the strings that are taken."""
        sign = "" if self.positive or self.from_zero else "-?"
        fraction = rf"(\.\d{{1,{self.places}}})?" if self.places else ""
        return rf"^{sign}\d{{1,{self.digits - self.places}}}{fraction}$"

    def parse(self, value: object) -> Decimal:
        """Raises ValueError that says what is wrong."""
        if isinstance(value, Decimal):
            return value
        if isinstance(value, bool | float):
            raise ValueError('needs a decimal string such as "12.50"; JSON numbers with a fraction are refused because they lose digits')
        text = str(value) if isinstance(value, int) else value
        if not isinstance(text, str) or re.fullmatch(self.pattern, text, re.ASCII) is None:
            raise ValueError(
                f"needs a decimal string with at most {self.digits - self.places} digits before and {self.places} after the point"
                + (", not negative" if self.positive or self.from_zero else "")
            )
        number = Decimal(text)
        if self.positive and number <= 0:
            raise ValueError("must be greater than 0")
        return number

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self.parse,
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda d: format(d, "f"), return_schema=core_schema.str_schema(), when_used="json"
            ),
        )

    def __get_pydantic_json_schema__(self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        if handler.mode == "serialization":
            return dict(_OUT_SCHEMA)
        top = 10 ** (self.digits - self.places) - 1
        low = 1 if self.positive else 0 if self.from_zero else -top
        return {
            "anyOf": [{"type": "string", "pattern": self.pattern}, {"type": "integer", "minimum": low, "maximum": top}],
            "examples": ["12.50"],
        }


Amount = Annotated[Decimal, DecimalText(18, 2)]
PositiveAmount = Annotated[Decimal, DecimalText(18, 2, positive=True)]
AmountFromZero = Annotated[Decimal, DecimalText(18, 2, from_zero=True)]
QuantityValue = Annotated[Decimal, DecimalText(18, 6, positive=True)]
Price = Annotated[Decimal, DecimalText(18, 4)]
PositivePrice = Annotated[Decimal, DecimalText(18, 4, positive=True)]
Kilograms = Annotated[Decimal, DecimalText(18, 3, positive=True)]
Ratio = Annotated[Decimal, DecimalText(8, 6, from_zero=True)]
CapShare = Annotated[Decimal, DecimalText(7, 6, positive=True)]
Share = Annotated[Decimal, DecimalText(7, 6)]
VatRate = Annotated[Decimal, DecimalText(6, 4, from_zero=True)]
LineRatio = Annotated[Decimal, DecimalText(12, 6, positive=True)]
Metres = Annotated[Decimal, DecimalText(8, 1, positive=True)]
Dec = Annotated[Decimal, DecimalText(40, 10)]


def parse_time(value: object) -> datetime:
    """An aware UTC time from RFC 3339 text. Raises ValueError on a naive time or one outside 1950-2200."""
    if isinstance(value, datetime):
        at = value
    elif isinstance(value, str) and _RFC3339.match(value):
        at = datetime.fromisoformat(value.upper().replace("Z", "+00:00"))
    else:
        raise ValueError("needs an RFC 3339 time with an offset, such as 2020-03-09T06:00:00Z")
    if at.tzinfo is None:
        raise ValueError("needs an offset: times without one are refused")
    if at.year not in _YEARS:
        raise ValueError("lies outside the years 1950 to 2200")
    return at.astimezone(UTC)


Time = Annotated[datetime, BeforeValidator(parse_time), WithJsonSchema({"type": "string", "format": "date-time"})]


def _day(value: object) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        day = value
    elif isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        day = date.fromisoformat(value)
    else:
        raise ValueError("needs a date such as 2020-03-09")
    if day.year not in _YEARS:
        raise ValueError("lies outside the years 1950 to 2200")
    return day


Day = Annotated[date, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]


def _storable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("holds a NUL character")
    return text


Text = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_storable)]
LongText = Annotated[str, Field(min_length=1, max_length=4000), AfterValidator(_storable)]


def _storable_secret(secret: SecretStr) -> SecretStr:
    _storable(secret.get_secret_value())
    return secret


# Texts that are not logged, not stored in clear and no part of a stored hash; pydantic writes them as asterisks.
PresentPassword = Annotated[SecretStr, Field(min_length=1, max_length=200), AfterValidator(_storable_secret)]
Password = Annotated[SecretStr, Field(min_length=12, max_length=200), AfterValidator(_storable_secret)]
DriverId = Annotated[SecretStr, Field(min_length=1, max_length=64), AfterValidator(_storable_secret)]
Id = Annotated[str, Field(min_length=1, max_length=96, pattern=r"^[^\x00-\x1f\x7f]+$", examples=["COIL-SH-000417"])]
DeviceId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$", examples=["RDR-SH-01-GATE"])]
Epc = Annotated[str, Field(pattern=r"^[0-9A-Za-z.:_-]{1,128}$", examples=["3034257BF7194E4000001A85"])]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$", examples=["CNY"])]


def _too_deep(value: object, levels: int = JSON_LEVELS_MAX) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels < 0 or any(_too_deep(v, levels - 1) for v in inner)


def _json_object(value: dict[str, Any]) -> dict[str, Any]:
    if _too_deep(value):
        raise ValueError(f"is nested deeper than {JSON_LEVELS_MAX} levels")
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        size = len(text.encode())
    except (ValueError, RecursionError) as exc:
        raise ValueError("holds a value that JSON cannot carry") from exc
    if size > JSON_BYTES_MAX:
        raise ValueError(f"is larger than {JSON_BYTES_MAX} bytes")
    if "\\u0000" in text:
        raise ValueError("holds a NUL character")
    return value


JsonObject = Annotated[dict[str, Any], AfterValidator(_json_object)]


def _polygon(value: dict[str, Any]) -> dict[str, Any]:
    rings = value.get("coordinates")
    if value.get("type") != "Polygon" or not isinstance(rings, list) or not rings:
        raise ValueError("needs a GeoJSON Polygon")
    for n, ring in enumerate(rings):
        where = "the outer ring" if n == 0 else f"hole {n}"
        if not isinstance(ring, list) or len(ring) < 4:
            raise ValueError(f"{where} needs at least four [lon, lat] points, the last equal to the first")
        for at, point in enumerate(ring):
            if not _is_point(point):
                raise ValueError(f"point {at} of {where}, {str(point)[:60]}, is not [lon, lat] in degrees")
        if ring[0] != ring[-1]:
            raise ValueError(f"{where} is not closed: it begins at {str(ring[0])[:60]} and ends at {str(ring[-1])[:60]}")
    return value


def _line(value: dict[str, Any]) -> dict[str, Any]:
    points = value.get("coordinates")
    if value.get("type") != "LineString" or not isinstance(points, list) or len(points) < 2 or not all(_is_point(p) for p in points):
        raise ValueError("needs a GeoJSON LineString of at least two [lon, lat] points")
    return value


_HEIGHT_M_MAX = 100_000


def _is_point(point: object) -> bool:
    if not isinstance(point, list) or len(point) < 2 or any(isinstance(v, bool) or not isinstance(v, int | float) for v in point):
        return False
    return -180 <= point[0] <= 180 and -90 <= point[1] <= 90 and all(abs(v) <= _HEIGHT_M_MAX for v in point[2:])  # NaN is in no range


_POINT = {"type": "array", "items": {"type": "number"}, "minItems": 2}
Polygon = Annotated[
    JsonObject,
    AfterValidator(_polygon),
    WithJsonSchema(
        {
            "type": "object",
            "description": "GeoJSON Polygon",
            "required": ["type", "coordinates"],
            "properties": {"type": {"const": "Polygon"}, "coordinates": {"type": "array", "items": {"type": "array", "items": _POINT}}},
            "examples": [{"type": "Polygon", "coordinates": [[[121.4, 31.2], [121.5, 31.2], [121.5, 31.3], [121.4, 31.2]]]}],
        }
    ),
]
LineString = Annotated[
    JsonObject,
    AfterValidator(_line),
    WithJsonSchema(
        {
            "type": "object",
            "description": "GeoJSON LineString",
            "required": ["type", "coordinates"],
            "properties": {"type": {"const": "LineString"}, "coordinates": {"type": "array", "items": _POINT}},
            "examples": [{"type": "LineString", "coordinates": [[121.4, 31.2], [121.5, 31.2]]}],
        }
    ),
]


class Registered(Out):
    """How many rows were added."""

    registered: int
