"""A receipt's life over HTTP: one story from registration to a split, with what is refused on the way."""

from __future__ import annotations

from typing import Any

from api_server import ok, seed, serve

from db.pool import Pool

RECEIPT = {
    "receipt_no": "WR-1", "warehouse_id": "WH-SH-01", "depositor_party_id": "BORROWER", "keeper_party_id": "KEEPER", "issued_at": "2020-03-09T05:00:00Z",
    "shrinkage_rate": "0.001", "insured_amount": "1000000", "currency": "CNY", "insurance_until": "2021-01-01", "goods_ids": ["COIL-0001", "COIL-0002"],
}  # fmt: skip
ELEMENTS = {
    "depositor_name": "公司", "depositor_address": "上海市宝山区牡丹江路88号", "goods_name": "热轧卷板", "quantity": "49", "unit": "t", "quality": "Q235B",
    "packing": "捆扎", "pieces": 2, "marks": "宝钢 H1", "shrinkage_standard": "0.1%", "storage_place": "3号库位", "storage_from": "2020-03-01",
    "storage_to": "2020-09-01", "storage_fee": "1200.00", "insurer": "人保财险", "insurance_from": "2020-01-01", "issuer_name": "公司",
    "issue_place": "上海", "keeper_signatory": "王敏",
}  # fmt: skip


def part(number: str, goods_id: str, insured: str) -> dict[str, Any]:
    return {"receipt_no": number, "goods_ids": [goods_id], "insured_amount": insured, "storage_fee": "600.00", "pieces": 1}


def test_a_receipt_is_completed_endorsed_frozen_returned_and_split_over_http(pool: Pool, database_url: str) -> None:
    with serve(pool, database_url) as api:
        loader = seed(api)
        officer, approver, operator = (api.client(name) for name in ("officer", "approver", "operator"))
        ok(loader.post("/api/v1/receipts", json=RECEIPT), 201)
        bare = operator.post("/api/v1/receipts/WR-1/elements", json={"quality": "Q235B"})
        assert bare.status_code == 422
        assert all(name in bare.text for name in ("depositor_name", "marks", "insurer", "keeper_signatory"))
        short = operator.post("/api/v1/receipts/WR-1/elements", json={**ELEMENTS, "quantity": "50"})
        assert (short.status_code, short.json()["details"]["faults"]) == (422, ["quantity 50 is 1 t off the units under it, 49"])
        said = ok(operator.post("/api/v1/receipts/WR-1/elements", json=ELEMENTS), 201)
        assert (said["elements"]["quantity"], [e["kind"] for e in said["events"]]) == ("49.000000", ["ISSUED"])

        def two(body: dict[str, Any], status: int = 200) -> Any:
            asked = ok(officer.post("/api/v1/receipt-orders", json={"reason": "asked", **body}), 201)
            url = f"/api/v1/receipt-orders/{asked['order_id']}/decision"
            assert officer.post(url, json={"approve": True, "reason": "mine"}).status_code == 403
            return ok(approver.post(url, json={"approve": True, "reason": "seen"}), status)

        half = officer.post(
            "/api/v1/receipt-orders", json={"kind": "ENDORSE", "receipt_nos": ["WR-1"], "reason": "x", "endorsement": "PLEDGE"}
        )
        assert half.status_code == 422
        pledged = {
            "kind": "ENDORSE",
            "receipt_nos": ["WR-1"],
            "endorsement": "PLEDGE",
            "endorsee_party_id": "BANK",
            "keeper_signatory": "王敏",
        }
        assert two(pledged)["status"] == "APPROVED"
        ok(operator.post("/api/v1/receipts/WR-1/freeze", json={"reason": "法院查封"}))
        two({"kind": "UNFREEZE", "receipt_nos": ["WR-1"]})
        early = officer.post("/api/v1/receipt-orders", json={"kind": "CANCEL", "receipt_nos": ["WR-1"], "reason": "x"})
        assert (early.status_code, early.json()["code"]) == (409, "wrong_state")
        two({"kind": "ENDORSE", "receipt_nos": ["WR-1"], "endorsement": "RETURN", "keeper_signatory": "王敏"})
        off = {
            "kind": "SPLIT",
            "receipt_nos": ["WR-1"],
            "reason": "x",
            "parts": [part("WR-2", "COIL-0001", "400000"), part("WR-3", "COIL-0002", "500000")],
        }
        refused = officer.post("/api/v1/receipt-orders", json=off)
        assert refused.json()["details"]["faults"] == ["insured_amount of the parts is 900000, 100000 less than the receipt's 1000000"]
        two({**off, "parts": [part("WR-2", "COIL-0001", "400000"), part("WR-3", "COIL-0002", "600000")]})
        old, new = (ok(officer.get(f"/api/v1/receipts/{n}")) for n in ("WR-1", "WR-3"))
        assert (old["state"], old["live_goods_ids"], old["successors"]) == ("CANCELLED", [], ["WR-2", "WR-3"])
        assert (new["state"], new["live_goods_ids"], new["predecessors"]) == ("ISSUED", ["COIL-0002"], ["WR-1"])
        assert [e["kind"] for e in old["events"]] == ["ISSUED", "PLEDGE_ENDORSED", "FROZEN", "UNFROZEN", "RETURNED", "SPLIT"]
        first = ok(officer.get("/api/v1/receipt-orders", params={"limit": 1, "kind": "ENDORSE"}))
        params = {"limit": 1, "kind": "ENDORSE", "cursor": first["next_cursor"]}
        second = ok(officer.get("/api/v1/receipt-orders", params=params))
        told = {
            o["request"]["endorsement"] for o in first["items"] + second["items"]
        }  # asked at one instant of the test's clock: either is first
        assert (told, second["next_cursor"]) == ({"PLEDGE", "RETURN"}, None)
