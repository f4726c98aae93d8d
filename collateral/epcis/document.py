"""Bytes to a document: JSON within bounds, the events exactly as they were written, the namespaces of extensions.

Source: EPCIS 2.0 section 10 (JSON/JSON-LD). The contexts of the standard (simple and full) are known by name and never fetched.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import msgspec

from collateral.epcis.errors import CaptureLimitExceeded, InvalidEpcis

DEPTH_MAX = 64
EVENTS_MAX = 1_000
LIST_ITEMS_MAX = 20_000
STANDARD_CONTEXT = "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"
EVENT_TYPES = ("ObjectEvent", "AggregationEvent", "TransactionEvent", "TransformationEvent", "AssociationEvent")
# Prefixes that the standard's own contexts define.
KNOWN_PREFIXES: Mapping[str, str] = {
    "epcis": "https://ref.gs1.org/epcis/",
    "cbv": "https://ref.gs1.org/cbv/",
    "gs1": "https://gs1.org/voc/",
    "cbvmda": "urn:epcglobal:cbv:mda",
}

Context = Mapping[str, str]


@dataclass(frozen=True)
class RawEvent:
    """One event of a document. text: as received; body: parsed; context: namespaces by prefix that hold for it."""

    item_no: int
    text: str
    body: dict[str, Any]
    context: Context


@dataclass(frozen=True)
class Document:
    """A capture document or a bare event. header: everything but the events, as received."""

    header: str
    fields: dict[str, Any]
    events: tuple[RawEvent, ...]


def parse(raw: bytes, *, events_max: int = EVENTS_MAX) -> Document:
    """The document in these bytes, not yet checked against the schema. Raises InvalidEpcis and CaptureLimitExceeded."""
    fields = _loads(raw)
    if not isinstance(fields, dict):
        raise InvalidEpcis("The body is not a JSON object.")
    context = namespaces(fields.get("@context"))
    if fields.get("type") not in ("EPCISDocument", "EPCISQueryDocument"):
        return Document("{}", {}, (RawEvent(0, raw.decode("utf-8-sig"), fields, context),))
    path = ("epcisBody", "eventList") if fields["type"] == "EPCISDocument" else ("epcisBody", "queryResults", "resultsBody", "eventList")
    bodies: Any = fields
    for key in path:
        bodies = bodies.get(key) if isinstance(bodies, dict) else None
    if not isinstance(bodies, list):
        raise InvalidEpcis(f"{'/'.join(path)} is missing or not a list.", at="/".join(path))
    if len(bodies) > events_max:
        raise CaptureLimitExceeded(f"The document has {len(bodies)} events; one capture takes {events_max}.", events_max=events_max)
    texts = _event_texts(raw, path)
    events = []
    for no, (body, text) in enumerate(zip(bodies, texts, strict=True)):
        if not isinstance(body, dict):
            raise InvalidEpcis(f"Event {no} is not a JSON object.", at=f"eventList/{no}")
        own = namespaces(body["@context"]) if "@context" in body else {}
        events.append(RawEvent(no, text, body, {**context, **own}))
    rest = {k: v for k, v in fields["epcisBody"].items() if k not in ("eventList", "queryResults")}
    header = {k: v for k, v in fields.items() if k != "epcisBody"} | ({"epcisBody": rest} if rest else {})
    return Document(json.dumps(header, ensure_ascii=False), fields, tuple(events))


def namespaces(context: object) -> dict[str, str]:
    """Namespaces by prefix in an `@context`: a name, an object, or a list of both. Terms that are no namespaces are left out."""
    found: dict[str, str] = {}
    for part in context if isinstance(context, list) else [context]:
        if isinstance(part, dict):
            found.update({k: v for k, v in part.items() if isinstance(k, str) and isinstance(v, str) and not k.startswith("@")})
    return found


def _loads(raw: bytes) -> Any:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise InvalidEpcis("The body is not UTF-8.") from exc
    try:
        value = json.loads(text, object_pairs_hook=_no_duplicates, parse_float=_finite, parse_int=_bounded, parse_constant=_no_constant)
    except RecursionError as exc:
        raise InvalidEpcis(f"The body is nested deeper than {DEPTH_MAX} levels.", depth_max=DEPTH_MAX) from exc
    except json.JSONDecodeError as exc:
        raise InvalidEpcis(f"The body is not JSON: {exc.msg} at line {exc.lineno}, column {exc.colno}.") from exc
    _check_depth(value)
    return value


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        counted = Counter(name for name, _ in pairs if name != "eventID")  # GS1's AssociationEvent-h has it twice; the last one counts
        twice, times = next(iter(counted.most_common(1)), ("", 0))
        if times < 2:
            return found
        raise InvalidEpcis(f"The name {twice[:80]!r} stands twice in one object.")
    return found


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise InvalidEpcis(f"The number {text[:40]} is too large.")
    return value


def _bounded(text: str) -> int:
    if len(text) > 40:
        raise InvalidEpcis(f"The number {text[:40]}... is too long.")
    return int(text)


def _no_constant(text: str) -> NoReturn:
    raise InvalidEpcis(f"{text} is not a JSON number.")


def _check_depth(value: Any) -> None:
    level: list[Any] = [value] if isinstance(value, dict | list) else []
    for _ in range(DEPTH_MAX):
        following: list[Any] = []
        for one in level:
            inside: Iterable[Any] = one.values() if isinstance(one, dict) else one
            if len(one) > LIST_ITEMS_MAX:
                raise CaptureLimitExceeded(f"A list has {len(one)} items; at most {LIST_ITEMS_MAX}.", items_max=LIST_ITEMS_MAX)
            following += [v for v in inside if isinstance(v, dict | list)]
        if not following:
            return
        level = following
    raise InvalidEpcis(f"The body is nested deeper than {DEPTH_MAX} levels.", depth_max=DEPTH_MAX)


def _event_texts(raw: bytes, path: tuple[str, ...]) -> list[str]:
    """The events' own bytes, so that what is read back is what was sent."""
    rest = msgspec.Raw(raw.removeprefix(b"\xef\xbb\xbf"))
    for key in path:
        rest = msgspec.json.decode(rest, type=dict[str, msgspec.Raw])[key]
    return [bytes(one).decode() for one in msgspec.json.decode(rest, type=list[msgspec.Raw])]
