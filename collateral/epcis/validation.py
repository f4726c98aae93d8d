"""Whether a document and its events follow EPCIS 2.0: the standard's JSON schema with format checks, and our own for words and times.

The words of CBV are brought to their bare form first, because the schema knows no other; the document's id may be a blank node
(`_:document1`, as in GS1's own simple-context examples), which strict URI checks refuse.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from jsonschema import Draft7Validator, FormatChecker, validators
from jsonschema.exceptions import ValidationError, best_match

from collateral.epcis.document import EVENT_TYPES, Document, RawEvent
from collateral.epcis.errors import InvalidEpcis
from collateral.epcis.vocabulary import Family, UnknownWord, canonical_word, is_uri, schema

_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d):(\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_DETAIL_CHARACTERS_MAX = 300


@dataclass(frozen=True)
class Fault:
    """What is wrong and where, as a JSON path inside the event or document."""

    at: str
    why: str


def instant(text: str) -> datetime:
    """An RFC 3339 time with an offset, as UTC to the microsecond; a leap second is the next second. Raises ValueError."""
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:60]!r} is not a time with an offset, such as 2026-03-09T14:00:00+08:00")
    day, minute, second, fraction, offset = match.groups()
    leap = second == "60"
    try:
        whole = datetime.fromisoformat(f"{day}T{minute}:{'59' if leap else second}{'+00:00' if offset in 'Zz' else offset}")
        at = whole.astimezone(UTC) + timedelta(seconds=1 if leap else 0)
    except OverflowError as exc:
        raise ValueError(f"{text[:60]!r} is outside the calendar") from exc
    return at + timedelta(microseconds=int((fraction or "0").ljust(6, "0")[:6]))


def _unique(validator: Any, wanted: bool, instance: Any, _: Any) -> Iterator[ValidationError]:
    """uniqueItems in linear time: the library compares unlike items pair by pair, which a hostile list turns into hours."""
    if wanted and validator.is_type(instance, "array") and len({json.dumps(item, sort_keys=True) for item in instance}) < len(instance):
        yield ValidationError("has an element twice")


_Draft7 = validators.extend(Draft7Validator, {"uniqueItems": _unique})  # type: ignore[no-untyped-call]


def _formats() -> FormatChecker:
    checker = FormatChecker(formats=())
    checker.checks("uri")(lambda value: not isinstance(value, str) or is_uri(value))
    checker.checks("date-time", raises=ValueError)(lambda value: not isinstance(value, str) or bool(instant(value)))
    return checker


@cache
def _validator(definition: str) -> Any:
    whole = schema()
    definitions = dict(whole["definitions"])
    definitions["measurementType"] = {"type": "string"}  # words are checked before; the list of the schema lags behind the Web Vocabulary
    for kind in EVENT_TYPES:
        definitions[kind] = _also_allowing(definitions[kind])
    return _Draft7({"$ref": f"#/definitions/{definition}", "definitions": definitions}, format_checker=_formats())


def _also_allowing(definition: dict[str, Any]) -> dict[str, Any]:
    """Every event may carry persistentDisposition, and `id` for eventID: GS1's own simple-context examples have both, the schema forgot them."""
    parts = []
    for part in definition["allOf"]:
        if "propertyNames" in part:
            names = {"anyOf": [*part["propertyNames"]["anyOf"], {"enum": ["persistentDisposition", "id"]}]}
            more = {"persistentDisposition": {"$ref": "#/definitions/persistentDisposition"}, "id": {"$ref": "#/definitions/uri"}}
            part = {**part, "properties": {**part["properties"], **more}, "propertyNames": names}
        parts.append(part)
    return {**definition, "allOf": parts}


def check_document(document: Document) -> None:
    """The document around the events. Raises InvalidEpcis with the faults."""
    fields = document.fields
    if not fields:  # a bare event brings its own context
        event = document.events[0].body
        if "@context" not in event:
            raise InvalidEpcis("'@context' is a required property", at="@context")
        return
    kind = fields["type"]
    if kind == "EPCISDocument":
        empty = {**fields, "epcisBody": {**fields["epcisBody"], "eventList": []}}
        definition = "epcisDocument"
    else:
        results = fields["epcisBody"]["queryResults"]
        body = {**results, "resultsBody": {**results["resultsBody"], "eventList": []}}
        empty = {**fields, "epcisBody": {**fields["epcisBody"], "queryResults": body}}
        definition = "epcisQueryDocument"
    if isinstance(empty.get("id"), str) and re.fullmatch(r"_:\S+", empty["id"]):
        del empty["id"]
    fault = _first_fault(_validator(definition), empty)
    if fault is not None:
        raise InvalidEpcis(f"{fault.at or 'document'}: {fault.why}", at=fault.at)


def check_event(event: RawEvent) -> Fault | None:
    """The first fault of an event; None = it is valid."""
    try:
        normal = _in_bare_words(event.body)
    except UnknownWord as exc:
        return Fault(exc.args[1] if len(exc.args) > 1 else "", str(exc.args[0]))
    except (TypeError, AttributeError) as exc:
        return Fault("", f"a field has the wrong kind of value: {exc}")
    kind = normal.get("type")
    if not isinstance(kind, str):
        return Fault("type", "'type' is a required property")
    fault = _first_fault(_validator(kind if kind in EVENT_TYPES else "Extended-Event"), normal)
    if fault is not None:
        return fault
    if "\x00" in event.text or "\\u0000" in event.text:
        return Fault("", "the character U+0000 cannot be kept")
    return None


def _first_fault(validator: Any, value: Any) -> Fault | None:
    """The most telling error: one that names a field rather than the choice of forms it makes impossible."""
    errors: list[ValidationError] = list(itertools.islice(validator.iter_errors(value), 20))
    if not errors:
        return None
    plain = [e for e in errors if e.validator not in ("anyOf", "oneOf")]
    error = plain[0] if plain else errors[0]
    at = "/".join(str(p) for p in error.absolute_path)
    if error.validator in ("anyOf", "oneOf"):
        deeper = best_match(iter(error.context or ())) or error
        return Fault(at, f"none of the standard's forms fits: {deeper.message[:_DETAIL_CHARACTERS_MAX]}")
    return Fault(at, error.message[:_DETAIL_CHARACTERS_MAX])


# ---------------------------------------------------------------- words

_PLAIN = (("bizStep", Family.BIZ_STEP), ("disposition", Family.DISPOSITION))
_TYPED = (
    ("bizTransactionList", Family.TRANSACTION),
    ("sourceList", Family.SOURCE_DESTINATION),
    ("destinationList", Family.SOURCE_DESTINATION),
)


def _in_bare_words(body: dict[str, Any]) -> dict[str, Any]:
    """A copy with every word of the standard in its bare form. Raises UnknownWord(why, at)."""
    return map_words(body, _bare)


def _bare(family: Family, text: str, at: str) -> str:
    try:
        return canonical_word(family, text)
    except UnknownWord as exc:
        raise UnknownWord(f"{exc}", at) from exc


def map_words(body: dict[str, Any], change: Callable[[Family, str, str], str]) -> dict[str, Any]:
    """A copy of an event in which `change(family, text, where)` replaced each word of a vocabulary. Values of wrong kinds stay."""
    made = dict(body)
    for field, family in _PLAIN:
        if isinstance(made.get(field), str):
            made[field] = change(family, made[field], field)
    for field, family in _TYPED:
        made |= {field: list(_typed(made[field], family, field, change))} if isinstance(made.get(field), list) else {}
    lasting = made.get("persistentDisposition")
    if isinstance(lasting, dict):
        made["persistentDisposition"] = {
            k: [change(Family.DISPOSITION, w, f"persistentDisposition/{k}") if isinstance(w, str) else w for w in v]
            if isinstance(v, list)
            else v
            for k, v in lasting.items()
        }
    declared = made.get("errorDeclaration")
    if isinstance(declared, dict) and isinstance(declared.get("reason"), str):
        made["errorDeclaration"] = {**declared, "reason": change(Family.ERROR_REASON, declared["reason"], "errorDeclaration/reason")}
    elements = made.get("sensorElementList")
    if isinstance(elements, list):
        made["sensorElementList"] = [_sensor_element(e, f"sensorElementList/{n}", change) for n, e in enumerate(elements)]
    return made


def _typed(items: list[Any], family: Family, field: str, change: Callable[[Family, str, str], str]) -> Iterator[Any]:
    for no, item in enumerate(items):
        if isinstance(item, dict) and isinstance(item.get("type"), str):
            yield {**item, "type": change(family, item["type"], f"{field}/{no}/type")}
        else:
            yield item


def _sensor_element(element: Any, at: str, change: Callable[[Family, str, str], str]) -> Any:
    if not isinstance(element, dict):
        return element
    made = {k: v for k, v in element.items() if (k, v) != ("type", "epcis:SensorElement")}  # JSON-LD may name the node's class
    if isinstance(made.get("sensorReport"), list):
        made["sensorReport"] = [_sensor_report(r, f"{at}/sensorReport/{n}", change) for n, r in enumerate(made["sensorReport"])]
    return made


def _sensor_report(report: Any, at: str, change: Callable[[Family, str, str], str]) -> Any:
    if not isinstance(report, dict):
        return report
    made = dict(report)
    for field, family in (("type", Family.MEASUREMENT), ("exception", Family.ALERT), ("component", Family.COMPONENT)):
        if isinstance(made.get(field), str):
            made[field] = change(family, made[field], f"{at}/{field}")
    return made
