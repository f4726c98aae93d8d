"""X12 and EDIFACT: what warehouses send over HTTP becomes documents in the neutral shape, or a named refusal."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from ingest.formats import decode
from ingest.readings import Claim, DecodeContext, DeviceEvent, Rejected

EDI = Path(__file__).parents[1] / "payloads" / "wms-edi"
CONTEXT = DecodeContext("doc", datetime(2026, 2, 1, tzinfo=UTC), utc_offset_minutes=480)
FILES = {path.stem: ("x12" if path.name.startswith("x12") else "edifact", path.read_bytes()) for path in sorted(EDI.glob("*.edi"))}


def event(name: str) -> DeviceEvent:
    (found,) = (i for i in decode(*FILES[name], CONTEXT) if isinstance(i, DeviceEvent))
    return found


def lines(name: str) -> list[dict[str, Any]]:
    return event(name).payload["lines"]  # type: ignore[no-any-return]


def refusal(format_name: str, payload: bytes) -> str:
    (found,) = decode(format_name, payload, CONTEXT)
    assert isinstance(found, Rejected)
    return found.reason


@pytest.mark.parametrize(
    ("name", "kind", "number"),
    [
        ("desadv_d96a", "inbound_notice", "DN-2026-0088"),
        ("recadv_d96a_short_receipt", "goods_receipt", "RA-2026-0091"),
        ("invrpt_d21a", "stock_count", "INV001"),
        ("x12_943_transfer_shipment", "inbound_notice", "TRANSFER-001"),
        ("x12_944_receipt_with_damage", "goods_receipt", "RECEIPT-001"),
        ("x12_947_adjustment", "stock_adjustment", "ADJ-2024-001"),
    ],
)
def test_each_sample_is_one_document_known_by_its_number(name: str, kind: str, number: str) -> None:
    found = event(name)
    assert (found.type, found.payload["type"], found.payload["messageId"].split("/")[1]) == ("doc", kind, number)
    assert number in found.event_key


def test_a_short_receipt_says_what_was_sent_and_what_was_accepted() -> None:
    full, short = lines("recadv_d96a_short_receipt")
    assert (full["expected"], full["received"], full["uom"]) == ("480", "480", "PCE")
    assert (short["expected"], short["received"], short["note"]) == ("100", "96", "4 UNITS DAMAGED ON ARRIVAL")


def test_damage_and_lot_of_an_x12_receipt_stand_with_their_line() -> None:
    _, damaged = lines("x12_944_receipt_with_damage")
    assert {k: damaged[k] for k in ("received", "damaged", "lot", "sku", "uom")} == {
        "received": "95", "damaged": "5", "lot": "LOT-2024-B1", "sku": "ITEM-002", "uom": "EA",
    }  # fmt: skip


def test_an_adjustment_keeps_its_sign_and_both_counts() -> None:
    assert [(x["delta"], x["book"], x["counted"]) for x in lines("x12_947_adjustment")] == [("10", "100", "110"), ("-5", "50", "45")]


def test_stock_is_told_per_place() -> None:
    assert [(x["gtin"], x["counted"], x["location"]) for x in lines("invrpt_d21a")] == [
        ("01234567890123", "1000", "A-01-01"), ("09876543210987", "500", "B-02-03"),
    ]  # fmt: skip


def test_the_warehouse_it_speaks_for_is_a_claim() -> None:
    claims = [i for i in decode(*FILES["x12_944_receipt_with_damage"], CONTEXT) if isinstance(i, Claim)]
    assert claims == [Claim("warehouse", "WH002", 0)]


def test_times_without_an_offset_take_the_devices() -> None:
    assert event("x12_944_receipt_with_damage").observed_at == datetime(2024, 1, 10, 1, 22, tzinfo=UTC)
    assert "offset_assumed" in event("x12_944_receipt_with_damage").flags


def test_a_wrong_segment_count_and_a_wrong_check_digit_are_flags() -> None:
    assert "count_mismatch" in event("x12_947_adjustment").flags
    assert "check_digit_bad" in event("desadv_d96a").flags
    assert "count_mismatch" not in event("desadv_d96a").flags


def test_a_replacement_is_another_document_and_a_repetition_is_not() -> None:
    original = FILES["recadv_d96a_short_receipt"][1]
    replacement = original.replace(b"BGM+632+RA-2026-0091+9'", b"BGM+632+RA-2026-0091+5'")
    keys = [i.event_key for p in (original, original, replacement) for i in decode("edifact", p, CONTEXT) if isinstance(i, DeviceEvent)]
    assert keys[0] == keys[1] != keys[2]


def test_released_separators_are_text() -> None:
    payload = FILES["recadv_d96a_short_receipt"][1].replace(b"4 UNITS DAMAGED", b"4 UNITS?+ 1?' O?:K ?? DAMAGED")
    (found,) = (i for i in decode("edifact", payload, CONTEXT) if isinstance(i, DeviceEvent))
    assert found.payload["lines"][1]["note"] == "4 UNITS+ 1' O:K ? DAMAGED ON ARRIVAL"


def test_an_interchange_may_name_its_own_separators_and_hold_several_messages() -> None:
    body = FILES["invrpt_d21a"][1].decode()
    message = body[body.index("UNH") : body.index("UNZ")]
    second = message.replace("UNH+1+", "UNH+2+").replace("+1'", "+2'", -1).replace("INV001", "INV002").replace("UNT+12+1", "UNT+12+2")
    both = body.replace(message, message + second)
    moved = "UNA|*.! ~" + both.translate(str.maketrans({"'": "~", "+": "*", ":": "|"}))
    for payload in (both, moved):
        found = [i for i in decode("edifact", payload.encode(), CONTEXT) if isinstance(i, DeviceEvent)]
        assert [(i.item_no, i.payload["messageId"]) for i in found] == [(0, "WAREHOUSE/INV001"), (1, "WAREHOUSE/INV002")]
        assert found[1].payload["lines"][0]["counted"] == "1000"


@pytest.mark.parametrize(
    ("name", "old", "new", "reason"),
    [
        ("recadv_d96a_short_receipt", b"UNZ+1+RA0091'", b"", "truncated"),
        ("recadv_d96a_short_receipt", b"UNZ+1+RA0091'", b"UNZ+1+RA0099'", "control_mismatch"),
        ("recadv_d96a_short_receipt", b"UNT+17+1'", b"", "truncated"),
        ("recadv_d96a_short_receipt", b"RECADV:D", b"ORDERS:D", "unsupported_type"),
        ("recadv_d96a_short_receipt", b"QTY+194:96:PCE", b"QTY+194:ninety:PCE", "bad_quantity"),
        ("recadv_d96a_short_receipt", b"BGM+632+RA-2026-0091+9'", b"", "missing_field"),
        ("recadv_d96a_short_receipt", b"UNB+", b"UNX+", "malformed_edi"),
        ("recadv_d96a_short_receipt", b"DTM+137:20260119:102", b"DTM+137:20261319:102", "bad_time"),
        ("x12_944_receipt_with_damage", b"IEA*1*000001012~", b"", "truncated"),
        ("x12_944_receipt_with_damage", b"IEA*1*000001012~", b"IEA*1*000009999~", "control_mismatch"),
        ("x12_944_receipt_with_damage", b"SE*18*0001~", b"SE*18*0009~", "control_mismatch"),
        ("x12_944_receipt_with_damage", b"ST*944*", b"ST*850*", "unsupported_type"),
        ("x12_944_receipt_with_damage", b"W07*95*", b"W07*1,000,5*", "bad_quantity"),
        ("x12_944_receipt_with_damage", b"ISA*00*          *", b"ISA*00*", "malformed_edi"),
    ],
)
def test_what_is_damaged_is_refused_by_name(name: str, old: bytes, new: bytes, reason: str) -> None:
    format_name, payload = FILES[name]
    assert old in payload
    assert refusal(format_name, payload.replace(old, new)) == reason


@given(st.sampled_from(sorted(FILES)), st.data())
def test_damaged_samples_give_a_document_or_a_named_refusal(name: str, data: st.DataObject) -> None:
    format_name, payload = FILES[name]
    at = data.draw(st.integers(0, len(payload)))
    cut = data.draw(st.integers(0, 40))
    found = decode(format_name, payload[:at] + data.draw(st.binary(max_size=20)) + payload[at + cut :], CONTEXT)
    assert found
    assert all(i.reason for i in found if isinstance(i, Rejected))


@given(st.sampled_from(["x12", "edifact"]), st.binary(max_size=300), st.sampled_from([b"", b"UNB+", b"UNA:+.? 'UNB+", b"ISA*"]))
def test_any_bytes_give_a_document_or_a_named_refusal(format_name: str, payload: bytes, start: bytes) -> None:
    assert decode(format_name, start + payload, CONTEXT)
