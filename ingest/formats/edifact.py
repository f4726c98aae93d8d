"""UN/EDIFACT from warehouses and suppliers: DESADV (despatch advice), RECADV (receiving advice), INVRPT (inventory report).

Quantities by their qualifier: 12 despatched, 194 received and accepted, 195 refused, 46 delivered, 145 on hand, 119 short.
"""

from __future__ import annotations

import re
from datetime import datetime

from ingest.formats import edi
from ingest.formats.edi import Document
from ingest.readings import DecodeContext, Decoded, Refusal

TYPES = {"DESADV": "inbound_notice", "RECADV": "goods_receipt", "INVRPT": "stock_count"}
_QUANTITY = {"12": "expected", "46": "expected", "194": "received", "195": "refused", "48": "received", "119": "short", "145": "counted"}
_PARTY_OF_WAREHOUSE = ("WH", "DP", "GY")  # warehouse keeper, delivery party, inventory reporting party
_REFERENCE = {"ON": "po", "DQ": "desadv", "AAK": "desadv", "AAJ": "delivery_order", "CT": "contract", "AWB": "waybill", "BM": "waybill"}

Segment = list[list[str]]


def decode(payload: bytes, ctx: DecodeContext) -> Decoded:
    """One interchange of one or more messages."""
    segments = split(edi.text_of(payload, ctx))
    if not segments or segments[0][0][0] != "UNB":
        raise Refusal("malformed_edi", "the interchange does not begin with UNB")
    if segments[-1][0][0] != "UNZ":
        raise Refusal("truncated", "the interchange does not end with UNZ")
    header = segments[0]
    sender, control = _at(header, 2), _at(header, 5)
    if not sender or not control:
        raise Refusal("missing_field", "UNB names no sender or no control reference")
    if _at(segments[-1], 2) != control:
        raise Refusal("control_mismatch", f"UNB {control} ends with UNZ {_at(segments[-1], 2)}")
    prepared_at = edi.local_time(_digits(_at(header, 4), _at(header, 4, 1)), ctx)
    documents = [_document(message, ctx) for message in _messages(segments[1:-1])]
    return edi.events(documents, "edifact", sender, prepared_at, ctx)


def split(text: str) -> list[Segment]:
    """Segments as elements of components; the separators are those of UNA where it is given."""
    component, element, release, end = ":", "+", "?", "'"
    if text.startswith("UNA"):
        if len(text) < 9:
            raise Refusal("malformed_edi", "UNA is cut short")
        component, element, release, end = text[3], text[4], text[6], text[8]
        text = text[9:].lstrip()
    if len({component, element, end}) < 3:
        raise Refusal("malformed_edi", "UNA gives one character two meanings")
    plain = rf"[^{re.escape(component + element + end + ('' if release == ' ' else release))}]++"
    token = re.compile(plain.replace("++", "*+") if release == " " else rf"(?:{re.escape(release)}.|{plain})*+", re.DOTALL)
    segments: list[Segment] = []
    segment: Segment = [[]]
    at = 0
    while at < len(text):
        match = token.match(text, at)
        assert match is not None  # the pattern also fits nothing
        value = match[0]
        segment[-1].append(re.sub(rf"{re.escape(release)}(.)", r"\1", value, flags=re.DOTALL) if release != " " else value)
        at = match.end()
        if at >= len(text):
            raise Refusal("truncated", f"the last segment does not end with {end}")
        if text[at] == element:
            segment.append([])
        elif text[at] == end:
            segment[0][0] = segment[0][0].strip()
            segments.append(segment)
            segment = [[]]
            if len(segments) > edi.SEGMENTS_MAX:
                raise Refusal("too_many_items", f"more than {edi.SEGMENTS_MAX} segments")
            at += 1
            while at < len(text) and text[at] in "\r\n \t":
                at += 1
            continue
        elif text[at] != component:  # a release character at the very end
            raise Refusal("malformed_edi", "a release character releases nothing")
        at += 1
    return segments


def _at(segment: Segment, element: int, component: int = 0) -> str:
    return segment[element][component] if len(segment) > element and len(segment[element]) > component else ""


def _digits(*parts: str) -> str:
    return "".join(parts)


def _messages(segments: list[Segment]) -> list[list[Segment]]:
    messages: list[list[Segment]] = []
    for segment in segments:
        tag = segment[0][0]
        if tag == "UNH":
            messages.append([segment])
        elif tag in ("UNG", "UNE"):
            continue
        elif not messages or messages[-1][-1][0][0] == "UNT":
            raise Refusal("malformed_edi", f"{tag[:8]} stands outside a message")
        else:
            messages[-1].append(segment)
    if not messages:
        raise Refusal("no_readings", "the interchange holds no message")
    return messages


def _document(segments: list[Segment], ctx: DecodeContext) -> Document:
    kind, control = _at(segments[0], 2), _at(segments[0], 1)
    if kind not in TYPES:
        raise Refusal("unsupported_type", f"message {kind[:12]!r} is none of {', '.join(TYPES)}")
    if segments[-1][0][0] != "UNT":
        raise Refusal("truncated", f"{kind} {control} does not end with UNT")
    if _at(segments[-1], 2) != control:
        raise Refusal("control_mismatch", f"UNH {control} ends with UNT {_at(segments[-1], 2)}")
    doc = Document(kind, TYPES[kind], control)
    if _at(segments[-1], 1) != str(len(segments)):
        doc.flags.add("count_mismatch")
    units: list[dict[str, str]] = []
    for segment in segments[1:-1]:
        doc.segments.append([e[0] if len(e) == 1 else e for e in segment])
        match segment[0][0]:
            case "BGM":
                doc.number, doc.function = _at(segment, 2), _at(segment, 3)
            case "DTM" if _at(segment, 1) == "137" and not doc.lines:
                doc.at = _instant(segment, ctx)
            case "RFF" if (what := _REFERENCE.get(_at(segment, 1))) is not None:
                doc.documents.append({"kind": what, "number": _at(segment, 1, 1)})
            case "NAD":
                doc.parties[_at(segment, 1)] = _at(segment, 2)
            case "GIN" if _at(segment, 1) == "BJ":
                units += _handling_units(segment, doc)
            case "LIN":
                doc.lines.append({"line": _at(segment, 1), **_identity(segment)})
            case "PIA" | "QTY" | "LOC" | "FTX" if doc.lines:
                _detail(segment, doc.lines[-1])
    if units and doc.lines:
        doc.lines[0].setdefault("handlingUnits", []).extend(units)
    doc.warehouse = next((doc.parties[q] for q in _PARTY_OF_WAREHOUSE if doc.parties.get(q)), None)
    return doc


def _instant(segment: Segment, ctx: DecodeContext) -> datetime | None:
    """Of a DTM with a time of day; a bare date says less than the envelope."""
    value, shape = _at(segment, 1, 1), _at(segment, 1, 2)
    at = edi.local_time(value, ctx) if shape in ("102", "203", "204") else None
    if at is None:
        raise Refusal("bad_time", f"DTM {value[:20]!r} in format {shape[:5]!r} is no time")
    return at if shape in ("203", "204") else None


def _handling_units(segment: Segment, doc: Document) -> list[dict[str, str]]:
    found = [value for element in segment[2:] for value in element if value]
    for value in found:
        if len(value) != 18 or not edi.check_digit_is_right(value):
            doc.flags.add("check_digit_bad")
    return [{"sscc": value} for value in found]


def _identity(segment: Segment) -> dict[str, str]:
    value, kind = _at(segment, 3), _at(segment, 3, 1)
    if not value:
        return {}
    return {"gtin": value.rjust(14, "0")} if kind in ("EN", "SRV", "UP") else {"sku": value}


def _detail(segment: Segment, line: dict[str, object]) -> None:
    match segment[0][0]:
        case "QTY":
            name = _QUANTITY.get(_at(segment, 1))
            if name is not None:
                line[name] = edi.decimal_text(_at(segment, 1, 1), f"QTY+{_at(segment, 1)}")
                if unit := _at(segment, 1, 2):
                    line["uom"] = unit
        case "PIA":
            if _at(segment, 2, 1) == "NB":
                line["lot"] = _at(segment, 2)
        case "LOC":
            line["location"] = _at(segment, 2)
        case "FTX":
            line["note"] = " ".join(part for part in segment[4] if part)[:512] if len(segment) > 4 else ""
