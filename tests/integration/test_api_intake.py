"""`POST ingest/{format}`: messages over HTTP meet the same decoders and tables as those over MQTT."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from api_server import T0, ApiServer, ok, seed, serve
from stdnum.cn import uscc

from db.pool import Pool

PAYLOADS = Path(__file__).parents[1] / "payloads"
READER = {"device_id": "RDR-1", "site": "WH-SH-01", "warehouse_id": "WH-SH-01", "class": "rfid", "format": "native", "name": "Reader"}
SELLER, BUYER = (first + uscc.calc_check_digit(first) for first in ("91310000MA1FL0002", "91330205MA2GT0003"))


@pytest.fixture
def api(pool: Pool, database_url: str) -> Iterator[ApiServer]:
    with serve(pool, database_url) as running:
        seed(running)
        ok(running.client("devices").post("/api/v1/devices", json=READER), 201)
        yield running


def post(api: ApiServer, format_name: str, body: bytes, who: str = "loader", **params: str) -> list[dict[str, Any]]:
    return ok(api.client(who).post(f"/api/v1/ingest/{format_name}", content=body, params=params), 202)["results"]  # type: ignore[no-any-return]


def reads(seq: int, epc: str = "E28011700000000000000001") -> dict[str, Any]:
    return {"ts": T0.isoformat(), "seq": seq, "reads": [{"epc": epc, "ant": 1}]}


def tally(api: ApiServer) -> dict[str, Any]:
    found = ok(api.client("loader").get("/api/v1/ingest/tally"))
    assert found["agrees"] is True
    return found["totals"]  # type: ignore[no-any-return]


def test_a_bad_element_does_not_reject_its_neighbours(api: ApiServer) -> None:
    body = json.dumps([reads(1), {"ts": "nonsense", "reads": []}, reads(2, "E28011700000000000000002")]).encode()
    first, second, third = post(api, "native", body, device_id="RDR-1")
    assert [r["status"] for r in (first, second, third)] == ["accepted", "rejected", "accepted"]
    assert second["reasons"][0]["code"]
    assert tally(api) == {"received": 3, "stored": 2, "repeated": 0, "absorbed": 0, "refused": 1}
    (letter,) = ok(api.client("loader").get("/api/v1/dead-letters"))["items"]
    assert (letter["reason"], letter["topic_device"]) == (second["reasons"][0]["code"], "RDR-1")


def test_the_same_again_is_a_duplicate_and_other_content_a_conflict(api: ApiServer) -> None:
    lines = b"\n".join(json.dumps(reads(n, f"E2801170000000000000000{n}")).encode() for n in (1, 2))
    assert [r["status"] for r in post(api, "native", lines, device_id="RDR-1")] == ["accepted", "accepted"]
    assert [r["status"] for r in post(api, "native", lines, device_id="RDR-1")] == ["duplicate", "duplicate"]
    other = {**reads(1), "reads": [{"epc": "E28011700000000000000001", "ant": 1, "rssi": -40.0}]}
    (conflict,) = post(api, "native", json.dumps(other).encode(), device_id="RDR-1")
    assert (conflict["status"], conflict["reasons"][0]["code"]) == ("rejected", "conflict")
    tally(api)


def test_an_edi_interchange_of_a_warehouse_is_kept_as_its_document(api: ApiServer) -> None:
    feed = {
        "device_id": "WMS-EDI", "site": "WH-SH-01", "warehouse_id": "WH-SH-01", "class": "wms", "format": "x12", "name": "EDI feed",
        "claims": {"warehouse": ["WH002"]},
    }  # fmt: skip
    ok(api.client("devices").post("/api/v1/devices", json=feed), 201)
    body = (PAYLOADS / "wms-edi/x12_944_receipt_with_damage.edi").read_bytes()
    (result,) = post(api, "x12", body, device_id="WMS-EDI")
    assert (result["status"], result["stored"]) == ("accepted", 1)
    with api.pool.connection() as conn:
        ((kind, payload),) = conn.execute("SELECT type, payload FROM device_event WHERE device_id = 'WMS-EDI'").fetchall()
    assert (kind, payload["type"], payload["lines"][1]["damaged"]) == ("doc", "goods_receipt", "5")
    (foreign,) = post(api, "x12", body.replace(b"WH002", b"WH777").replace(b"RECEIPT-001", b"RECEIPT-002"), device_id="WMS-EDI")
    assert (foreign["status"], foreign["reasons"][0]["code"]) == ("rejected", "claims_other_device")


def test_a_format_a_device_and_their_match_are_asked_for(api: ApiServer) -> None:
    loader = api.client("loader")
    answers = {
        name: loader.post(f"/api/v1/ingest/{path}", content=b"{}").status_code
        for name, path in {
            "no format": "telex?device_id=RDR-1", "no device": "native", "unknown device": "native?device_id=X", "other format": "traccar?device_id=RDR-1",
        }.items()
    }  # fmt: skip
    assert answers == {"no format": 404, "no device": 422, "unknown device": 404, "other format": 422}
    assert api.client("stranger").post("/api/v1/ingest/native?device_id=RDR-1", content=b"{}").status_code == 404
    assert tally(api)["received"] == 0


def test_too_many_elements_are_refused_as_a_whole(api: ApiServer) -> None:
    answer = api.client("loader").post("/api/v1/ingest/native?device_id=RDR-1", content=b"[" + b"{}," * 1000 + b"{}]")
    assert (answer.status_code, answer.json()["code"]) == (422, "rejected_input")
    assert "1001" in answer.json()["detail"]


def invoice(**change: Any) -> bytes:
    said = json.loads((PAYLOADS / "einvoice/fully_digital_invoice.json").read_bytes())
    said["seller"]["taxpayerId"], said["buyer"]["taxpayerId"] = SELLER, BUYER
    return json.dumps({**said, **change}, ensure_ascii=False).encode()


def register_seller(api: ApiServer) -> None:
    party = {"party_id": "SELLER", "name": "Seller", "name_zh": "卖方", "roles": ["COUNTERPARTY"], "uscc": SELLER}
    ok(api.client("loader").post("/api/v1/parties", json=party), 201)


def test_an_e_invoice_becomes_a_document_once(api: ApiServer) -> None:
    register_seller(api)
    (first,) = post(api, "e-invoice", invoice())
    (again,) = post(api, "e-invoice", invoice())
    assert first["status"] == "accepted"
    assert again["document_id"] == first["document_id"]
    found = ok(api.client("officer").get("/api/v1/documents", params={"kind": "INVOICE"}))["items"]
    (document,) = [d for d in found if d["document_id"] == first["document_id"]]
    assert (document["number"], document["amount"], document["seller_party_id"], document["buyer_party_id"]) == (
        "26332000000123456789", "1800000.00", "SELLER", None,
    )  # fmt: skip


def test_a_changed_invoice_under_a_known_number_is_a_conflict_and_kept(api: ApiServer) -> None:
    register_seller(api)
    post(api, "e-invoice", invoice())
    (changed,) = post(api, "e-invoice", invoice(remark="PO-OTHER"))
    assert (changed["status"], changed["reasons"][0]["code"]) == ("rejected", "idempotency_conflict")
    (letter,) = ok(api.client("loader").get("/api/v1/dead-letters"))["items"]
    assert (letter["reason"], letter["topic_device"]) == ("idempotency_conflict", "e-invoice")
    tally(api)


def test_a_paper_of_an_unknown_issuer_says_what_to_do(api: ApiServer) -> None:
    (refused,) = post(api, "e-invoice", invoice())
    assert f"no party is registered with the credit code {SELLER}" in refused["reasons"][0]["detail"]
    (broken,) = post(api, "e-invoice", b'{"a":1,"a":2}')
    assert broken["reasons"][0]["code"] == "duplicate_key"
    assert tally(api)["refused"] == 2
