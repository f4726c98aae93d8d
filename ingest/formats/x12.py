"""ANSI X12 from warehouses: 943 transfer shipment advice, 944 receipt advice, 945 shipping advice, 846 inventory inquiry, 947 adjustment advice."""

from __future__ import annotations

from datetime import datetime

from ingest.formats import edi
from ingest.formats.edi import Document
from ingest.readings import DecodeContext, Decoded, Refusal

TYPES = {"943": "inbound_notice", "944": "goods_receipt", "945": "goods_issue", "846": "stock_count", "947": "stock_adjustment"}
ISA_CHARACTERS = 106
_WAREHOUSE = {"943": ("DE", "ST", "WH"), "944": ("WH", "ST"), "945": ("WH", "SF"), "846": ("WH",), "947": ("WH",)}
_REFERENCE = {"PO": "po", "BM": "waybill", "CT": "contract", "DO": "delivery_order"}

Segment = list[str]


def decode(payload: bytes, ctx: DecodeContext) -> Decoded:
    """One interchange of one or more transaction sets."""
    segments = split(edi.text_of(payload, ctx))
    header = segments[0]
    if segments[-1][0] != "IEA":
        raise Refusal("truncated", "the interchange does not end with IEA")
    if _at(segments[-1], 2) != _at(header, 13):
        raise Refusal("control_mismatch", f"ISA {_at(header, 13)} ends with IEA {_at(segments[-1], 2)}")
    documents: list[Document] = []
    prepared_at: datetime | None = edi.local_time(_at(header, 9) + _at(header, 10), ctx)
    body: list[Segment] | None = None
    for segment in segments[1:-1]:
        match segment[0]:
            case "GS":
                prepared_at = edi.local_time(_at(segment, 4) + _at(segment, 5)[:4], ctx) or prepared_at
            case "GE":
                continue
            case "ST":
                if body is not None:
                    raise Refusal("truncated", f"ST {_at(body[0], 2)} does not end with SE")
                body = [segment]
            case "SE":
                if body is None or _at(segment, 2) != _at(body[0], 2):
                    raise Refusal("control_mismatch", f"SE {_at(segment, 2)} ends no ST")
                documents.append(_document([*body, segment], ctx))
                body = None
            case tag:
                if body is None:
                    raise Refusal("malformed_edi", f"{tag[:8]} stands outside a transaction set")
                body.append(segment)
    if body is not None:
        raise Refusal("truncated", f"ST {_at(body[0], 2)} does not end with SE")
    if not documents:
        raise Refusal("no_readings", "the interchange holds no transaction set")
    return edi.events(documents, "x12", _at(header, 6).strip() or "unknown", prepared_at, ctx)


def split(text: str) -> list[Segment]:
    """Segments as elements; ISA, of fixed length, gives the separators."""
    if not text.startswith("ISA") or len(text) < ISA_CHARACTERS:
        raise Refusal("malformed_edi", f"the interchange does not begin with an ISA of {ISA_CHARACTERS} characters")
    element, end = text[3], text[105]
    if element.isalnum() or end.isalnum() or element == end or text[:105].count(element) != 16:
        raise Refusal("malformed_edi", "ISA does not hold 16 elements of fixed length")
    if not text.endswith(end):
        raise Refusal("truncated", f"the last segment does not end with {end!r}")
    if text.count(end) > edi.SEGMENTS_MAX:
        raise Refusal("too_many_items", f"more than {edi.SEGMENTS_MAX} segments")
    return [[e.strip() for e in part.strip().split(element)] for part in text.split(end) if part.strip()]


def _at(segment: Segment, element: int) -> str:
    return segment[element] if len(segment) > element else ""


def _document(segments: list[Segment], ctx: DecodeContext) -> Document:
    kind, control = _at(segments[0], 1), _at(segments[0], 2)
    if kind not in TYPES:
        raise Refusal("unsupported_type", f"transaction set {kind[:12]!r} is none of {', '.join(TYPES)}")
    doc = Document(kind, TYPES[kind], control)
    if _at(segments[-1], 1) != str(len(segments)):
        doc.flags.add("count_mismatch")
    for segment in segments[1:-1]:
        doc.segments.append(list(segment))
        match segment[0]:
            case "W06":
                doc.number, doc.function = _at(segment, 2), _at(segment, 1)
            case "W17" | "W15":
                doc.number, doc.function = _first_number(segment), _at(segment, 1)
            case "BIA":
                doc.number, doc.function = _at(segment, 3), _at(segment, 1)
            case "N1":
                doc.parties[_at(segment, 1)] = _at(segment, 4)
            case "W08" | "W27":
                if _at(segment, 2):
                    doc.documents.append({"kind": "waybill", "number": _at(segment, 2)})
            case "N9" if not doc.lines and (what := _REFERENCE.get(_at(segment, 1))) is not None:
                doc.documents.append({"kind": what, "number": _at(segment, 2)})
            case "W07" | "W12" | "W04" | "W19" | "LIN":
                doc.lines.append({"line": str(len(doc.lines) + 1), **_line(kind, segment)})
            case "N9" | "W20" | "QTY" if doc.lines:
                _detail(kind, segment, doc.lines[-1])
    doc.warehouse = next((doc.parties[q] for q in _WAREHOUSE[kind] if doc.parties.get(q)), None)
    return doc


def _first_number(segment: Segment) -> str:
    """Of W17 and W15: the warehouse's number, which the standard puts third and some put second, beside the date."""
    return next(
        (v for v in (_at(segment, 3), _at(segment, 2), _at(segment, 4)) if v and not (len(v) == 8 and v.startswith("20") and v.isdigit())),
        "",
    )


def _line(kind: str, segment: Segment) -> dict[str, str]:
    shipped = "issued" if kind == "945" else "expected"
    match segment[0]:
        case "W07":  # received
            return {"received": edi.decimal_text(_at(segment, 1), "W07"), "uom": _at(segment, 2), **_identity(segment, 3)}
        case "W12" if _at(segment, 3).replace(".", "").isdigit():  # by the standard: status, ordered, shipped, difference, unit
            quantities = {"ordered": edi.decimal_text(_at(segment, 2), "W12"), shipped: edi.decimal_text(_at(segment, 3), "W12")}
            return {**quantities, "uom": _at(segment, 5), **_identity(segment, 6)}
        case "W12":  # as some send it: status, quantity, unit
            return {shipped: edi.decimal_text(_at(segment, 2), "W12"), "uom": _at(segment, 3), **_identity(segment, 4)}
        case "W04":  # item of a notice
            return {shipped: edi.decimal_text(_at(segment, 1), "W04"), "uom": _at(segment, 2), **_identity(segment, 3)}
        case "W19":  # adjustment: reason, signed quantity
            delta = edi.decimal_text(_at(segment, 2), "W19")
            return {"reason": _at(segment, 1), "delta": delta, "uom": _at(segment, 3), **_identity(segment, 4)}
        case _:  # LIN of 846
            return _identity(segment, 2)


def _identity(segment: Segment, first: int) -> dict[str, str]:
    """Pairs of qualifier and number from `first` on; what stands before them is passed over."""
    found: dict[str, str] = {}
    for qualifier, value in zip(segment[first:], segment[first + 1 :], strict=False):
        if qualifier in ("UP", "UK", "EN", "UA") and value:
            found["gtin"] = value.rjust(14, "0")
        elif qualifier in ("VN", "SK", "BP", "IN") and value:
            found["sku"] = value
        elif qualifier == "LT" and value:
            found["lot"] = value
    return found


_CONDITION = {"NC": "good", "DM": "damaged", "PS": "book", "QA": "counted"}  # W20 as warehouses use it


def _detail(kind: str, segment: Segment, line: dict[str, object]) -> None:
    match segment[0]:
        case "N9" if _at(segment, 1) == "LT":
            line["lot"] = _at(segment, 2)
        case "N9" if _at(segment, 1) == "LI":
            line["note"] = _at(segment, 2)[:512]
        case "W20" if (name := _CONDITION.get(_at(segment, 1))) is not None and _at(segment, 2):
            line[name] = edi.decimal_text(_at(segment, 2), "W20")
        case "QTY":  # of 846: 17 or 33 on hand
            line["counted"] = edi.decimal_text(_at(segment, 2), "QTY")
            if unit := _at(segment, 3):
                line["uom"] = unit
