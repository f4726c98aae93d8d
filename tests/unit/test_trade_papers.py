"""Waybills and e-invoices: what is right becomes a paper; what is wrong is named, all of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from collateral.errors import RejectedInput
from collateral.trade_papers import invoice, waybill

PAYLOADS = Path(__file__).parents[1] / "payloads"


def sample(name: str) -> dict[str, Any]:
    return json.loads((PAYLOADS / name).read_bytes())  # type: ignore[no-any-return]


def good_waybill() -> dict[str, Any]:
    """The sample with credit codes whose check character is right."""
    said = sample("waybill/electronic_waybill.json")
    said["unifiedSocialCreditIdentifier"] = CARRIER
    said["consignorInfo"]["consignorID"], said["consigneeInfo"]["consigneeID"] = SELLER, BUYER
    return said


def good_invoice(name: str = "einvoice/fully_digital_invoice.json") -> dict[str, Any]:
    said = sample(name)
    said["seller"]["taxpayerId"], said["buyer"]["taxpayerId"] = SELLER, BUYER
    return said


def _with_check(first17: str) -> str:
    from stdnum.cn import uscc

    return first17 + uscc.calc_check_digit(first17)


CARRIER, SELLER, BUYER = (_with_check(c) for c in ("91330200MA2AF0001", "91310000MA1FL0002", "91330205MA2GT0003"))


def faults(read: Any, said: dict[str, Any]) -> list[str]:
    with pytest.raises(RejectedInput) as refused:
        read(said)
    return refused.value.details["faults"]  # type: ignore[no-any-return]


def test_a_waybill_gives_weight_plate_and_parties_in_utc() -> None:
    paper = waybill(good_waybill())
    assert (paper.kind, paper.number, paper.vehicle_plate) == ("WAYBILL", "YD20261012000045", "浙B12345")
    assert (paper.quantity, paper.unit) == (Decimal("25000.000"), "kg")
    assert paper.issued_at == datetime(2026, 10, 12, 2, 15, tzinfo=UTC)
    assert (paper.issuer_uscc, paper.seller_uscc, paper.buyer_uscc) == (CARRIER, SELLER, BUYER)


def test_one_vehicle_of_several_is_a_waybill_of_its_own() -> None:
    assert waybill({**good_waybill(), "serialNumber": "0002"}).number == "YD20261012000045-0002"


def test_every_fault_of_a_waybill_is_named() -> None:
    found = faults(waybill, sample("waybill/electronic_waybill_wrong_uscc.json"))
    for word in (
        "unifiedSocialCreditIdentifier",
        "consignmentDateTime",
        "received (20261012102500) before",
        "vehicleNumber",
        "goodsItemGrossWeight -1",
    ):
        assert any(word in fault for fault in found), (word, found)


def test_a_load_above_what_the_vehicle_may_carry_is_a_fault() -> None:
    said = good_waybill()
    said["vehicleInfo"]["vehicleTonnage"] = "24.9"
    assert faults(waybill, said) == ["the goods weigh 25000.000 kg, the vehicle may carry 24.9 t"]
    said["vehicleInfo"]["vehicleTonnage"] = "25"
    assert waybill(said).quantity == 25000


@pytest.mark.parametrize("plate", ["浙B12345", "沪AD12345", "京A1234挂", "粤Z1234港"])
def test_plates_of_lorries_new_energy_and_trailers_are_plates(plate: str) -> None:
    said = good_waybill()
    said["vehicleInfo"]["vehicleNumber"] = plate
    assert waybill(said).vehicle_plate == plate


def test_an_invoice_gives_gross_amount_and_quantity() -> None:
    paper = invoice(good_invoice())
    assert (paper.number, paper.amount, paper.quantity, paper.unit) == (
        "26332000000123456789",
        Decimal("1800000.00"),
        Decimal("25.000"),
        "t",
    )
    assert paper.issued_at == datetime(2026, 10, 11, 16, tzinfo=UTC)
    assert paper.reverses is None


def test_a_red_letter_names_what_it_reverses() -> None:
    paper = invoice(good_invoice("einvoice/red_letter_reversal.json"))
    assert (paper.reverses, paper.amount, paper.quantity) == ("26332000000123456789", Decimal("-1800000.00"), None)


def test_an_invoice_with_wrong_totals_and_a_short_number_is_refused_for_both() -> None:
    found = faults(invoice, good_invoice("einvoice/bad_totals_and_19_digit_number.json"))
    assert any("19 characters" in fault for fault in found)
    assert any("make 1800000.00, not totalWithTax 1800000.01" in fault for fault in found)


@pytest.mark.parametrize(("tax", "right"), [("207079.59", True), ("207079.70", True), ("207079.58", False), ("207079.71", False)])
def test_a_lines_tax_may_differ_by_six_cents(tax: str, right: bool) -> None:
    said = good_invoice()
    said["items"][0]["taxAmount"] = said["totalTax"] = tax
    said["totalWithTax"] = str(Decimal(said["totalAmount"]) + Decimal(tax))
    if right:
        assert invoice(said).amount == Decimal(said["totalWithTax"])
    else:
        assert "taxAmount" in faults(invoice, said)[0]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"invoiceType": "04"}, "invoiceType"),
        ({"issueDate": "2026-13-01"}, "issueDate"),
        ({"currency": "USD"}, "currency"),
        ({"totalAmount": "1e6"}, "totalAmount"),
        ({"items": []}, "items"),
        ({"status": "red"}, "originalInvoiceNumber"),
        ({"seller": None}, "seller"),
    ],
)
def test_each_wrong_field_is_named(change: dict[str, Any], word: str) -> None:
    assert any(word in fault for fault in faults(invoice, {**good_invoice(), **change}))
