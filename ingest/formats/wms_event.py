"""Warehouse management documents, schema `wms-event/1`: kept whole as device events of type `doc`, known by warehouse and messageId."""

from __future__ import annotations

import re
from typing import Any

from ingest import wire
from ingest.readings import Claim, DecodeContext, Decoded, DeviceEvent, Refusal, StateUpdate

TYPES = ("goods_receipt", "goods_issue", "stock_count", "stock_adjustment", "stock_move", "stock_status")
_QUANTITIES = ("expected", "received", "damaged", "ordered", "issued", "book", "counted", "delta", "quantity", "weightKg")
_DECIMAL = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,6})?")


def decode(payload: bytes, ctx: DecodeContext) -> Decoded:
    """One document. Quantities must be decimal text: a float has lost digits before it reaches us."""
    doc = wire.json_object(wire.strict_json(payload, ctx.limits))
    if doc.get("schema") != "wms-event/1":
        raise Refusal("unsupported_type", "schema is not wms-event/1")
    message_id = wire.text(doc, "messageId", 128)
    if not message_id:
        raise Refusal("missing_field", "messageId is missing")
    if doc.get("type") not in TYPES:
        raise Refusal("unsupported_type", f"type {str(doc.get('type'))[:40]!r} is none of {', '.join(TYPES)}")
    warehouse = wire.text(wire.json_object(doc.get("warehouse"), "warehouse"), "id", 64)
    if not warehouse:
        raise Refusal("missing_field", "warehouse.id is missing")
    lines = doc.get("lines")
    if not isinstance(lines, list):
        raise Refusal("wrong_type", "lines is no array")
    for line in wire.elements(lines, ctx.limits, what="lines"):
        _check_quantities(wire.json_object(line, "a line"))
    raw = doc.get("occurredAt")
    at, flags, _ = wire.iso_time(raw, "occurredAt", ctx)
    at, _, flags = wire.judged_time(at, raw, "", ctx, flags)
    return [DeviceEvent(at, message_id, "doc", doc, flags), StateUpdate(at), Claim("warehouse", warehouse)]


def _check_quantities(line: dict[str, Any]) -> None:
    units = line.get("handlingUnits")
    for source in (line, *(u for u in (units if isinstance(units, list) else []) if isinstance(u, dict))):
        for name in _QUANTITIES:
            value = source.get(name)
            if value is not None and (not isinstance(value, str) or _DECIMAL.fullmatch(value) is None):
                raise Refusal("bad_quantity", f"{name} {str(value)[:40]!r} is not a decimal number in text")
