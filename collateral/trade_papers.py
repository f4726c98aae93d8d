"""Chinese trade papers as systems send them: electronic waybills and fully digital VAT invoices, checked and turned into documents.

Field names are those of the online freight platform's waybill interface and of the national e-invoice service. Every fault of a paper is named, not
only the first one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from typing import Any

from collateral.errors import RejectedInput
from collateral.ids import is_uscc

BEIJING = timezone(timedelta(hours=8))
INVOICE_TYPES = ("81", "82", "85", "86")  # special, ordinary; on paper under the new system
LINE_TAX_TOLERANCE = Decimal("0.06")  # of one line, in yuan: the tax service's own
CENT = Decimal("0.01")
_PLATE = re.compile(
    r"[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼][A-Z](?:[A-HJ-NP-Z0-9]{5}|[A-HJ-NP-Z0-9]{6}|[A-HJ-NP-Z0-9]{4}[挂学警港澳])"
)
_DIVISION = re.compile(r"[1-8]\d{5}")
_MONEY = re.compile(r"-?\d{1,15}(?:\.\d{1,10})?")


@dataclass(frozen=True)
class Paper:
    """A checked paper; parties by their unified social credit code. quantity in `unit`, amount in CNY with tax."""

    kind: str
    number: str
    issuer_uscc: str
    issued_at: datetime
    seller_uscc: str | None = None
    buyer_uscc: str | None = None
    quantity: Decimal | None = None
    unit: str | None = None
    amount: Decimal | None = None
    vehicle_plate: str | None = None
    reverses: str | None = None


class _Faults:
    """Reads fields and collects what is wrong with them."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def add(self, fault: str) -> None:
        self.found.append(fault)

    def text(self, source: Mapping[str, Any], name: str, where: str = "") -> str:
        value = source.get(name)
        if not isinstance(value, str) or not value.strip():
            self.add(f"{where}{name} is missing")
            return ""
        return value.strip()

    def decimal(self, source: Mapping[str, Any], name: str, where: str = "") -> Decimal:
        value = self.text(source, name, where)
        if value and _MONEY.fullmatch(value) is None:
            self.add(f"{where}{name} {value[:40]!r} is not a decimal number")
            return Decimal(0)
        try:
            return Decimal(value or 0)
        except InvalidOperation:
            return Decimal(0)

    def uscc(self, source: Mapping[str, Any], name: str, where: str = "") -> str:
        value = self.text(source, name, where)
        if value and not is_uscc(value):
            self.add(f"{where}{name} {value[:40]!r} is no unified social credit code (18 characters, check character by GB 32100)")
        return value

    def beijing(self, source: Mapping[str, Any], name: str) -> datetime | None:
        value = self.text(source, name)
        if not value:
            return None
        try:
            if not re.fullmatch(r"\d{14}", value):
                raise ValueError
            return datetime.strptime(value, "%Y%m%d%H%M%S").replace(tzinfo=BEIJING).astimezone(UTC)
        except ValueError:
            self.add(f"{name} {value[:40]!r} is not yyyyMMddHHmmss")
            return None

    def object(self, source: Mapping[str, Any], name: str) -> Mapping[str, Any]:
        value = source.get(name)
        if not isinstance(value, dict):
            self.add(f"{name} is missing")
            return {}
        return value

    def objects(self, source: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
        value = source.get(name)
        if not isinstance(value, list) or not value or not all(isinstance(v, dict) for v in value):
            self.add(f"{name} is no list of one or more objects")
            return []
        return value

    def end(self, what: str) -> None:
        if self.found:
            raise RejectedInput(f"{what}: {'; '.join(self.found)}", faults=self.found)


def waybill(said: Mapping[str, Any]) -> Paper:
    """An electronic waybill. Weights in kg, times of Beijing. Raises RejectedInput with every fault."""
    f = _Faults()
    number = f.text(said, "shippingNoteNumber")
    serial = said.get("serialNumber") or "0000"
    issuer = f.uscc(said, "unifiedSocialCreditIdentifier")
    issued_at = f.beijing(said, "consignmentDateTime")
    despatched, received = f.beijing(said, "despatchActualDateTime"), None
    if said.get("goodsReceiptDateTime"):  # not there before arrival
        received = f.beijing(said, "goodsReceiptDateTime")
    if despatched and received and received < despatched:
        f.add(f"goods are received ({said['goodsReceiptDateTime']}) before they are despatched ({said['despatchActualDateTime']})")
    vehicle = f.object(said, "vehicleInfo")
    plate = f.text(vehicle, "vehicleNumber", "vehicleInfo.")
    if plate and _PLATE.fullmatch(plate) is None:
        f.add(f"vehicleInfo.vehicleNumber {plate[:20]!r} is no Chinese number plate")
    for part, name in (("consignorInfo", "consignorID"), ("consigneeInfo", "consigneeID")):
        party = said.get(part)
        if isinstance(party, dict):
            if party.get(name):
                f.uscc(party, name, f"{part}.")
            division = party.get("countrySubdivisionCode")
            if division is not None and (not isinstance(division, str) or _DIVISION.fullmatch(division) is None):
                f.add(f"{part}.countrySubdivisionCode {str(division)[:20]!r} is no division code of 6 digits")
    weight = Decimal(0)
    for i, goods in enumerate(f.objects(vehicle, "goodsInfo")):
        one = f.decimal(goods, "goodsItemGrossWeight", f"goodsInfo[{i}].")
        if goods.get("goodsItemGrossWeight") and one <= 0:
            f.add(f"goodsInfo[{i}].goodsItemGrossWeight {one} is not positive")
        weight += one
    tonnage = vehicle.get("vehicleTonnage")
    if isinstance(tonnage, str) and _MONEY.fullmatch(tonnage) and weight > Decimal(tonnage) * 1000:
        f.add(f"the goods weigh {weight} kg, the vehicle may carry {tonnage} t")
    f.end(f"waybill {number or '?'}")
    assert issued_at is not None
    consignor, consignee = said.get("consignorInfo") or {}, said.get("consigneeInfo") or {}
    return Paper(
        "WAYBILL", number if serial == "0000" else f"{number}-{serial}", issuer, issued_at, consignor.get("consignorID"), consignee.get("consigneeID"),
        weight, "kg", vehicle_plate=plate,
    )  # fmt: skip


def invoice(said: Mapping[str, Any]) -> Paper:
    """A fully digital VAT invoice, or the red letter that reverses one. Raises RejectedInput with every fault."""
    f = _Faults()
    number = f.text(said, "invoiceNumber")
    if number and re.fullmatch(r"\d{20}", number) is None:
        f.add(f"invoiceNumber {number[:40]!r} has {len(number)} characters, not 20 digits")
    kind = f.text(said, "invoiceType")
    if kind and kind not in INVOICE_TYPES:
        f.add(f"invoiceType {kind[:10]!r} is none of {', '.join(INVOICE_TYPES)}")
    seller, buyer = (f.uscc(f.object(said, part), "taxpayerId", f"{part}.") for part in ("seller", "buyer"))
    issued = f.text(said, "issueDate")
    issued_at = None
    try:
        issued_at = datetime.combine(date.fromisoformat(issued), datetime.min.time(), BEIJING).astimezone(UTC) if issued else None
    except ValueError:
        f.add(f"issueDate {issued[:20]!r} is not yyyy-MM-dd")
    if said.get("currency", "CNY") != "CNY":
        f.add(f"currency {str(said['currency'])[:10]!r} is not CNY")
    net, tax, gross = (f.decimal(said, name) for name in ("totalAmount", "totalTax", "totalWithTax"))
    quantity, unit = _lines(said, net, tax, f)
    if net + tax != gross:
        f.add(f"totalAmount {net} and totalTax {tax} make {net + tax}, not totalWithTax {gross}")
    original = _red_letter(said, gross, f)
    f.end(f"invoice {number or '?'}")
    assert issued_at is not None
    return Paper("INVOICE", number, seller, issued_at, seller, buyer, quantity, unit, gross, reverses=original)


def _lines(said: Mapping[str, Any], net: Decimal, tax: Decimal, f: _Faults) -> tuple[Decimal | None, str | None]:
    """Check the lines against the totals. Returns the quantity when all lines share a unit and it is positive."""
    amount_sum = tax_sum = quantity = Decimal(0)
    units: set[str | None] = set()
    for i, line in enumerate(f.objects(said, "items")):
        where = f"items[{i}]."
        amount, rate, line_tax = (f.decimal(line, name, where) for name in ("amount", "taxRate", "taxAmount"))
        if abs(amount * rate - line_tax) > LINE_TAX_TOLERANCE:
            f.add(f"{where}taxAmount {line_tax} is not {amount} x {rate} = {(amount * rate).quantize(CENT)} within {LINE_TAX_TOLERANCE}")
        amount_sum, tax_sum = amount_sum + amount, tax_sum + line_tax
        if line.get("quantity"):
            quantity += f.decimal(line, "quantity", where)
        units.add(line.get("unit"))
    if said.get("items") and amount_sum != net:
        f.add(f"the lines make {amount_sum}, not totalAmount {net}")
    if said.get("items") and tax_sum != tax:
        f.add(f"the lines' tax makes {tax_sum}, not totalTax {tax}")
    unit = units.pop() if len(units) == 1 else None
    return (quantity, {"吨": "t", "千克": "kg", "公斤": "kg"}.get(unit, unit)) if unit and quantity > 0 else (None, None)


def _red_letter(said: Mapping[str, Any], gross: Decimal, f: _Faults) -> str | None:
    if said.get("status") != "red":
        if gross < 0:
            f.add(f"totalWithTax {gross} is negative, but status is not red")
        return None
    original = f.text(said, "originalInvoiceNumber")
    f.text(said, "redConfirmationId")
    if gross >= 0:
        f.add(f"a red letter's totalWithTax {gross} is not negative")
    return original


PAPERS: dict[str, Callable[[Mapping[str, Any]], Paper]] = {"e-waybill": waybill, "e-invoice": invoice}
"""Format name in `POST ingest/{format}` -> how it is read."""
