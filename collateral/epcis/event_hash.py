"""The CBV 2.0 event hash: one id for one event, however it is written.

Fields are joined in the standard's order, lists sorted, times in UTC to the millisecond, numbers without needless zeros, identifiers as
canonical Digital Links, words as web addresses, extensions by namespace at the end. recordTime, eventID and errorDeclaration do not
count. Source: CBV 2.0 section 8.9 as its reference implementation reads it; the published reference vectors are in tests/payloads/epcis/event-hash.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from collateral.epcis.document import KNOWN_PREFIXES, Context
from collateral.epcis.links import digital_link
from collateral.epcis.validation import instant, map_words
from collateral.epcis.vocabulary import Family, web_address

_NUMBER = re.compile(r"([+-]?)(\d+)(?:\.(\d*))?(?:[eE]([+-]?\d{1,3}))?", re.ASCII)
_COMMENTS = frozenset({"rdfs:comment", "comment"})
_IGNORED = _COMMENTS | {"recordTime", "eventID", "id", "type", "errorDeclaration", "@context"}  # said about the event, not of it
_QUANTITY = ("epcClass", "quantity", "uom")
_METADATA = ("time", "startTime", "endTime", "deviceID", "deviceMetadata", "rawData", "dataProcessingMethod", "bizRules")
_REPORT = (
    *("type", "exception", "deviceID", "deviceMetadata", "rawData", "dataProcessingMethod", "time", "microorganism", "chemicalSubstance"),
    *("value", "component", "stringValue", "booleanValue", "hexBinaryValue", "uriValue", "minValue", "maxValue", "meanValue", "sDev"),
    *("percRank", "percValue", "uom", "coordinateReferenceSystem"),
)
_ORDER = (
    *("eventTime", "eventTimeZoneOffset", "certificationInfo", "epcList", "parentID", "inputEPCList", "childEPCs", "quantityList"),
    *("childQuantityList", "inputQuantityList", "outputEPCList", "outputQuantityList", "action", "transformationID", "bizStep"),
    *("disposition", "persistentDisposition", "readPoint", "bizLocation", "sensorElementList"),
)
# The reference implementation writes these with the extensions, in alphabetical order; its published hashes say so too.
_AMONG_EXTENSIONS = ("bizTransactionList", "destinationList", "sourceList")


def event_hash(body: Mapping[str, Any], context: Context) -> str:
    """The event's id `ni:///sha-256;...?ver=CBV2.0`. body: a valid event; context: namespaces by prefix."""
    digest = hashlib.sha256(pre_hash(body, context).encode("utf-8", "surrogatepass")).hexdigest()
    return f"ni:///sha-256;{digest}?ver=CBV2.0"


def pre_hash(body: Mapping[str, Any], context: Context) -> str:
    """The text that is hashed."""
    event = map_words(dict(body), lambda family, word, _: web_address(family, word))
    names = _Names(context)
    parts = [f"eventType={event['type']}"]
    parts += [_field(field, event[field], names) for field in _ORDER if field in event]
    rest = {k: v for k, v in event.items() if k not in _ORDER and k not in _IGNORED and k not in _AMONG_EXTENSIONS}
    last = names.texts(rest) + [_field(field, event[field], names) for field in _AMONG_EXTENSIONS if field in event]
    return "".join(parts + sorted(last))


class _Names:
    """Extensions written with their namespaces."""

    def __init__(self, context: Context) -> None:
        self._context = {**KNOWN_PREFIXES, **context}

    def key(self, name: str) -> str:
        prefix, colon, local = name.partition(":")
        return f"{{{self._context[prefix]}}}{local}" if colon and prefix in self._context else name

    def extensions(self, fields: Mapping[str, Any]) -> str:
        """Fields of no fixed order, sorted by what they say."""
        return "".join(sorted(self.texts(fields)))

    def texts(self, fields: Mapping[str, Any]) -> list[str]:
        """One text per field and list element; comments are left out."""
        return [text for k, v in fields.items() if k not in _COMMENTS for text in self._texts(self.key(k), v)]

    def _texts(self, key: str, value: Any) -> list[str]:
        if isinstance(value, list):
            return [text for one in value for text in self._texts(key, one)]
        if isinstance(value, Mapping):
            own = f"={_value(str(value['#text']))}" if "#text" in value else ""
            return [key + own + self.extensions({k: v for k, v in value.items() if k != "#text"})]
        text = _value(_as_text(value))
        return [f"{key}={text}" if text else key]


def _field(field: str, value: Any, names: _Names) -> str:
    if field.endswith("EPCList") or field in ("epcList", "childEPCs"):
        return _list(field, sorted(f"epc={_value(str(epc))}" for epc in value))
    if field.lower().endswith("quantitylist"):
        return _list(field, sorted("quantityElement" + _ordered(q, _QUANTITY, names) for q in value))
    if field == "persistentDisposition":
        inside = [f"{k}={_value(w)}" for k in ("set", "unset") for w in sorted(value.get(k, ()))]
        return _list(field, inside)
    if field in ("readPoint", "bizLocation"):
        return field + _ordered(value, ("id",), names)
    if field in ("bizTransactionList", "sourceList", "destinationList"):
        one = field.removesuffix("List")
        return _list(field, sorted(_ordered(item, ("type", one), names) for item in value))
    if field == "sensorElementList":
        return _list(field, sorted(_sensor_element(element, names) for element in value))
    values = value if isinstance(value, list) else [value]
    return "".join(sorted(_pair(field, one) for one in values))


def _list(field: str, texts: list[str]) -> str:
    return field + "".join(texts) if texts else ""


def _sensor_element(element: Mapping[str, Any], names: _Names) -> str:
    metadata = element.get("sensorMetadata")
    text = "sensorElement"
    if metadata:
        text += "sensorMetadata" + _ordered(metadata, _METADATA, names)
    text += "".join(sorted("sensorReport" + _ordered(report, _REPORT, names) for report in element["sensorReport"]))
    return text + names.extensions({k: v for k, v in element.items() if k not in ("sensorMetadata", "sensorReport")})


def _ordered(item: Mapping[str, Any], order: tuple[str, ...], names: _Names) -> str:
    text = "".join(_pair(k, item[k]) for k in order if k in item)
    return text + names.extensions({k: v for k, v in item.items() if k not in order})


def _pair(key: str, value: Any) -> str:
    text = _as_text(value)
    if "time" in key.lower() and "offset" not in key.lower():
        return f"{key}={_time(text)}"
    return f"{key}={_value(text)}"


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value).strip()


def _time(text: str) -> str:
    at = instant(text)
    rounded = at - timedelta(microseconds=at.microsecond) + timedelta(milliseconds=(at.microsecond + 500) // 1000)
    return rounded.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def _value(text: str) -> str:
    """A value in its canonical form: a number without needless zeros, an identifier as a Digital Link, a word of CBV as web address."""
    text = text.strip()
    if _NUMBER.fullmatch(text):
        return _number(text)
    for prefix in ("gs1", "cbv"):
        if text.startswith(f"{prefix}:"):
            text = KNOWN_PREFIXES[prefix] + text.removeprefix(f"{prefix}:")
    if text.startswith("urn:epcglobal:cbv:"):
        for family in (Family.BIZ_STEP, Family.DISPOSITION, Family.TRANSACTION, Family.SOURCE_DESTINATION, Family.ERROR_REASON):
            text = web_address(family, text)
    return digital_link(text) or text


def _number(text: str) -> str:
    sign, whole, fraction, exponent = _NUMBER.fullmatch(text).groups()  # type: ignore[union-attr]  # the caller matched it
    digits, point = whole + (fraction or ""), len(whole) + int(exponent or 0)
    if point < 0:
        digits, point = "0" * -point + digits, 0
    digits = digits.ljust(point, "0")
    left, right = digits[:point].lstrip("0") or "0", digits[point:].rstrip("0")
    plain = f"{left}.{right}" if right else left
    return f"-{plain}" if sign == "-" and plain != "0" else plain
