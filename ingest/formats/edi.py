"""What X12 and EDIFACT have in common: segments, documents in the neutral shape of `wms-event/1`, quantities as decimal text.

Segment counts in trailers are wrong in files from the field, so a wrong one is a flag; a missing trailer means that the end was lost.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from ingest import wire
from ingest.readings import Claim, DecodeContext, Decoded, DeviceEvent, Refusal, StateUpdate

SEGMENTS_MAX = 20_000
_DECIMAL = re.compile(r"[+-]?(\d{1,15})?([.,]\d{1,6})?")


@dataclass
class Document:
    """A message or transaction set on its way to an event. function: original, replacement, cancellation ... as the syntax codes it."""

    kind: str  # the syntax's own name: DESADV, 944
    type: str  # of wms-event/1, or inbound_notice
    control: str
    number: str = ""
    function: str = ""
    at: datetime | None = None
    warehouse: str | None = None
    documents: list[dict[str, str]] = field(default_factory=list)
    lines: list[dict[str, Any]] = field(default_factory=list)
    parties: dict[str, str] = field(default_factory=dict)
    flags: set[str] = field(default_factory=set)
    segments: list[list[Any]] = field(default_factory=list)


def text_of(payload: bytes, ctx: DecodeContext) -> str:
    """The interchange as text, bounded."""
    return wire.checked_bytes(payload, ctx.limits).decode("utf-8").strip()


def decimal_text(value: str, what: str) -> str:
    """A quantity as plain decimal text; a decimal comma becomes a point. Raises Refusal."""
    match = _DECIMAL.fullmatch(value)
    if match is None or not (match[1] or match[2]):
        raise Refusal("bad_quantity", f"{what} {value[:40]!r} is not a decimal number")
    plain = value.replace(",", ".").removeprefix("+")
    return ("-0" + plain[1:]) if plain.startswith("-.") else ("0" + plain) if plain.startswith(".") else plain


def local_time(digits: str, ctx: DecodeContext) -> datetime | None:
    """UTC time of yyMMddHHmm, yyyyMMdd, yyyyMMddHHmm or yyyyMMddHHmmss in the device's offset; None when it is no time."""
    shape = {8: "%Y%m%d", 10: "%y%m%d%H%M", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}.get(len(digits))
    if shape is None or not (digits.isascii() and digits.isdigit()):
        return None
    try:
        at = datetime.strptime(digits, shape).replace(tzinfo=timezone(timedelta(minutes=ctx.utc_offset_minutes)))
        return at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def check_digit_is_right(digits: str) -> bool:
    """GS1 check digit of a GTIN or SSCC."""
    if not (digits.isascii() and digits.isdigit()):
        return False
    total = sum(int(d) * (3 if i % 2 == 0 else 1) for i, d in enumerate(reversed(digits[:-1])))
    return (10 - total % 10) % 10 == int(digits[-1])


def events(found: list[Document], syntax: str, sender: str, prepared_at: datetime | None, ctx: DecodeContext) -> Decoded:
    """Documents as device events of type `doc`, one item each. Known by sender, kind, number and function."""
    items: Decoded = []
    latest: datetime | None = None
    for no, doc in enumerate(found):
        if not doc.number:
            raise Refusal("missing_field", f"{doc.kind} {doc.control} has no document number")
        if not doc.lines:
            raise Refusal("missing_field", f"{doc.kind} {doc.number} has no lines")
        said = doc.at or prepared_at
        if said is None:
            raise Refusal("bad_time", f"{doc.kind} {doc.number} has no date, and neither has its envelope")
        key = f"{syntax}/{sender}/{doc.kind}/{doc.number}/{doc.function}"
        at, key, flags = wire.judged_time(said, said.isoformat(), key, ctx, ("offset_assumed", *sorted(doc.flags)))
        latest = at if latest is None else max(latest, at)
        if doc.warehouse:
            items.append(Claim("warehouse", doc.warehouse, no))
        items.append(DeviceEvent(at, key, "doc", _payload(doc, syntax, sender, said), flags, item_no=no))
    return [*items, StateUpdate(latest)]


def _payload(doc: Document, syntax: str, sender: str, at: datetime) -> dict[str, Any]:
    return {
        "schema": "wms-event/1",
        "messageId": f"{sender}/{doc.number}",
        "type": doc.type,
        "occurredAt": at.isoformat(),
        **({"warehouse": {"id": doc.warehouse}} if doc.warehouse else {}),
        "documents": doc.documents,
        "lines": doc.lines,
        "source": {"syntax": syntax, "kind": doc.kind, "control": doc.control, "function": doc.function, "parties": doc.parties, "segments": doc.segments},
    }  # fmt: skip
