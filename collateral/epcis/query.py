"""SimpleEventQuery: parameters to conditions. Every parameter that is not known is refused by name, never ignored.

Source: EPCIS 2.0 sections 8.2.7.1 (parameters) and 12 (REST). Of the standard's parameters those on extension fields, ILMD, master
data attributes and sensor values are not offered.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from collateral.epcis.document import EVENT_TYPES
from collateral.epcis.errors import QueryParameterRefused
from collateral.epcis.event import canonical_event_id, typed_key
from collateral.epcis.links import canonical
from collateral.epcis.validation import instant
from collateral.epcis.vocabulary import Family, UnknownWord, canonical_word

PER_PAGE_DEFAULT = 30
PER_PAGE_MAX = 1000
VALUES_MAX = 1000
_PATTERN = re.compile(r"urn:epc:idpat:[a-z]+:.*")
_SAFE_URI = re.compile(r"[^\s\x00-\x1f\x7f]{1,2000}")


@dataclass(frozen=True)
class Query:
    """A query ready to run. params: bound values of the store's query; None = no condition."""

    params: Mapping[str, Any]
    order_by: str = "event_time"
    descending: bool = True
    limit: int | None = None
    max_events: int | None = None
    per_page: int = PER_PAGE_DEFAULT
    after: tuple[datetime, int, int] | None = None
    given: Mapping[str, list[str]] = field(default_factory=dict)


Values = Sequence[str]


def _texts(values: Values) -> list[str]:
    for value in values:
        if not value or "\x00" in value or len(value) > 2000:
            raise ValueError("needs a text of 1 to 2000 characters")
    return list(values)


def _one(values: Values) -> str:
    if len(values) != 1:
        raise ValueError("takes one value")
    return values[0]


def _time(values: Values) -> datetime:
    return instant(_one(values).replace(" ", "+"))  # a plus sign that the sender did not escape


def _words(family: Family) -> Callable[[Values], list[str]]:
    def read(values: Values) -> list[str]:
        try:
            return [canonical_word(family, v) for v in _texts(values)]
        except UnknownWord as exc:
            raise ValueError(str(exc)) from exc

    return read


def _ids(values: Values) -> list[str]:
    for value in _texts(values):
        if _SAFE_URI.fullmatch(value) is None:
            raise ValueError(f"{value[:60]!r} is not a URI")
    return [canonical(v) for v in values]


def _event_ids(values: Values) -> list[str]:
    return [canonical_event_id(v) for v in _texts(values)]


def _choice(*allowed: str) -> Callable[[Values], list[str]]:
    def read(values: Values) -> list[str]:
        wrong = next((v for v in values if v not in allowed), None)
        if wrong is not None:
            raise ValueError(f"{wrong[:60]!r} is not one of {', '.join(allowed)}")
        return list(values)

    return read


def _event_types(values: Values) -> list[str]:
    for value in _texts(values):
        if value not in EVENT_TYPES and ":" not in value:
            raise ValueError(f"{value[:60]!r} is not one of {', '.join(EVENT_TYPES)}, and no URI")
    return list(values)


def _number(values: Values) -> Decimal:
    try:
        number = Decimal(_one(values))
    except InvalidOperation as exc:
        raise ValueError("needs a number") from exc
    if not number.is_finite() or abs(number.adjusted()) > 30:
        raise ValueError("needs a number of ordinary size")
    return number


def _numbers(values: Values) -> list[Decimal]:
    return [_number([v]) for v in values]


def _count(low: int, high: int) -> Callable[[Values], int]:
    def read(values: Values) -> int:
        text = _one(values)
        if re.fullmatch(r"\d{1,9}", text, re.ASCII) is None or not low <= int(text) <= high:
            raise ValueError(f"needs a whole number from {low} to {high}")
        return int(text)

    return read


def _presence(values: Values) -> bool:
    if _one(values).lower() not in ("", "true"):
        raise ValueError("takes no value, or true")
    return True


# Parameter -> condition of the store's query and how its values are read.
_PLAIN: dict[str, tuple[str, Callable[[Values], Any]]] = {
    "eventType": ("event_types", _event_types),
    "GE_eventTime": ("ge_event_time", _time),
    "LT_eventTime": ("lt_event_time", _time),
    "GE_recordTime": ("ge_record_time", _time),
    "LT_recordTime": ("lt_record_time", _time),
    "EQ_action": ("actions", _choice("OBSERVE", "ADD", "DELETE")),
    "EQ_bizStep": ("biz_steps", _words(Family.BIZ_STEP)),
    "EQ_disposition": ("dispositions", _words(Family.DISPOSITION)),
    "EQ_persistentDisposition_set": ("lasting_set", _words(Family.DISPOSITION)),
    "EQ_persistentDisposition_unset": ("lasting_unset", _words(Family.DISPOSITION)),
    "EQ_readPoint": ("read_points", _ids),
    "WD_readPoint": ("read_points_within", _ids),
    "EQ_bizLocation": ("biz_locations", _ids),
    "WD_bizLocation": ("biz_locations_within", _ids),
    "EQ_transformationID": ("transformation_ids", _texts),
    "EQ_eventID": ("event_ids", _event_ids),
    "EXISTS_errorDeclaration": ("declares_error", _presence),
    "GE_errorDeclarationTime": ("ge_error_time", _time),
    "LT_errorDeclarationTime": ("lt_error_time", _time),
    "EQ_errorReason": ("error_reasons", _words(Family.ERROR_REASON)),
    "EQ_correctiveEventID": ("corrective_ids", _event_ids),
    "EQ_quantity": ("eq_quantity", _numbers),
    "GT_quantity": ("gt_quantity", _number),
    "GE_quantity": ("ge_quantity", _number),
    "LT_quantity": ("lt_quantity", _number),
    "LE_quantity": ("le_quantity", _number),
}
# Parameters on identifiers that also take patterns.
_MATCHES = {
    "MATCH_epc": "epcs",
    "MATCH_parentID": "parents",
    "MATCH_inputEPC": "inputs",
    "MATCH_outputEPC": "outputs",
    "MATCH_anyEPC": "any",
    "MATCH_epcClass": "classes",
    "MATCH_inputEPCClass": "input_classes",
    "MATCH_outputEPCClass": "output_classes",
    "MATCH_anyEPCClass": "any_classes",
}
_TYPED = {
    "EQ_bizTransaction_": ("transactions", Family.TRANSACTION),
    "EQ_source_": ("sources", Family.SOURCE_DESTINATION),
    "EQ_destination_": ("destinations", Family.SOURCE_DESTINATION),
}
CONDITIONS = (
    *(name for name, _ in _PLAIN.values()),
    *(f"{name}{form}" for name in _MATCHES.values() for form in ("", "_like")),
    *(name for name, _ in _TYPED.values()),
)
KNOWN = (*_PLAIN, *_MATCHES, *(f"{p}TYPE" for p in _TYPED), "orderBy", "orderDirection", "eventCountLimit", "maxEventCount", "perPage")


def read_query(given: Mapping[str, Sequence[str]]) -> Query:
    """The query that these parameters ask for. Raises QueryParameterRefused with the parameter's name."""
    params: dict[str, Any] = dict.fromkeys(CONDITIONS)
    settings: dict[str, Any] = {}
    for name, values in given.items():
        if len(values) > VALUES_MAX:
            raise QueryParameterRefused(f"{name}: more than {VALUES_MAX} values.", parameter=name)
        try:
            _read(name, values, params, settings)
        except ValueError as exc:
            raise QueryParameterRefused(f"{name}: {exc}.", parameter=name) from exc
    if settings.get("limit") is not None and settings.get("max_events") is not None:
        raise QueryParameterRefused("maxEventCount: not together with eventCountLimit.", parameter="maxEventCount")
    return Query(params, given={k: list(v) for k, v in given.items()}, **settings)


def _read(name: str, values: Values, params: dict[str, Any], settings: dict[str, Any]) -> None:
    if name in _PLAIN:
        condition, read = _PLAIN[name]
        params[condition] = read(values)
    elif name in _MATCHES:
        exact, like = _matches(values)
        params[_MATCHES[name]], params[f"{_MATCHES[name]}_like"] = exact, like or None
    elif (prefix := next((p for p in _TYPED if name.startswith(p)), None)) is not None:
        condition, family = _TYPED[prefix]
        kind = _words(family)([name.removeprefix(prefix)])[0]
        params[condition] = [*(params[condition] or ()), [typed_key(kind, v) for v in _texts(values)]]
    elif name == "orderBy":
        settings["order_by"] = {"eventTime": "event_time", "recordTime": "record_time"}[
            _choice("eventTime", "recordTime")([_one(values)])[0]
        ]
    elif name == "orderDirection":
        settings["descending"] = _choice("ASC", "DESC")([_one(values)])[0] == "DESC"
    elif name == "eventCountLimit":
        settings["limit"] = _count(1, 999_999_999)(values)
    elif name == "maxEventCount":
        settings["max_events"] = _count(1, 999_999_999)(values)
    elif name == "perPage":
        settings["per_page"] = _count(1, PER_PAGE_MAX)(values)
    elif name == "nextPageToken":
        settings["after"] = read_token(_one(values))
    else:
        raise QueryParameterRefused(f"{name[:100]}: this parameter is not known here.", parameter=name[:100], known=list(KNOWN))


def _matches(values: Values) -> tuple[list[str], list[str]]:
    """Identifiers to equal, and LIKE patterns: a pattern of one item stands for each of its serial numbers."""
    exact, like = [], []
    for value, link in zip(values, _ids(values), strict=True):
        if _PATTERN.fullmatch(value) is None:
            exact.append(link)
        elif link == value:
            raise ValueError(
                f"{value[:80]!r} is not a pattern of all serial numbers of one item, such as urn:epc:idpat:sgtin:4012345.011111.*"
            )
        else:
            escaped = re.sub(r"([\\%_])", r"\\\1", link)
            like.append(f"{escaped}/21/%" if "/01/" in link else f"{escaped}_%")
    return exact, like


# ---------------------------------------------------------------- forms of a query


def from_pairs(pairs: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    """Parameters of a URL. A list is repeated parameters or one with commas; a geo: URI keeps its commas."""
    given: dict[str, list[str]] = {}
    for name, value in pairs:
        values = [value] if value.startswith("geo:") else value.split(",")
        given.setdefault(name, []).extend(values)
    return given


def from_json(body: Any) -> dict[str, list[str]]:
    """Parameters of a query in JSON, as named queries keep it. Raises QueryParameterRefused."""
    if not isinstance(body, dict):
        raise QueryParameterRefused("query: needs an object of parameters.", parameter="query")
    given: dict[str, list[str]] = {}
    for name, value in body.items():
        if name in ("@context", "queryType"):
            continue
        values = value if isinstance(value, list) else [value]
        if any(isinstance(v, dict | list) or v is None for v in values):
            raise QueryParameterRefused(f"{name[:100]}: needs texts, numbers or true.", parameter=name[:100])
        given[name] = [str(v).lower() if isinstance(v, bool) else str(v) for v in values]
    return given


def page_token(at: datetime, event_no: int, shown: int) -> str:
    """Where the next page begins: after this event; shown: events given so far."""
    return base64.urlsafe_b64encode(json.dumps([at.isoformat(), event_no, shown]).encode()).decode().rstrip("=")


def read_token(text: str) -> tuple[datetime, int, int]:
    """Raises ValueError on anything that page_token did not make."""
    try:
        at, event_no, shown = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
        parsed = datetime.fromisoformat(at)
    except (binascii.Error, ValueError, TypeError, RecursionError) as exc:
        raise ValueError("is not a token of ours") from exc
    numbers = (event_no, shown)
    if parsed.tzinfo is None or any(not isinstance(n, int) or isinstance(n, bool) or not 0 <= n < 2**62 for n in numbers):
        raise ValueError("is not a token of ours")
    return parsed.astimezone(UTC), event_no, shown
