"""Prices under governance, money and certificates over HTTP: one server, roles and four eyes as the desk meets them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import openpyxl
import pytest
from api_server import ApiServer, lend_and_draw, ok, serve

from db.pool import Pool


@pytest.fixture
def api(pool: Pool, database_url: str) -> Iterator[ApiServer]:
    with serve(pool, database_url) as running:
        yield running


def quote(price: str, at: str = "2020-03-09T05:00:00Z") -> dict[str, Any]:
    made = {"commodity_code": "HRC", "source": "mysteel", "quoted_at": at, "price": price, "currency": "CNY", "unit": "t", "city": "上海"}
    return {"items": [{**made, "tax_inclusive": False, "synthetic": True}]}


def test_the_life_of_a_price_of_money_and_of_a_certificate(api: ApiServer, pool: Pool) -> None:
    lend_and_draw(api, pool)
    loader, officer, approver, stranger = (api.client(n) for n in ("loader", "officer", "approver", "stranger"))
    path = "/api/v1/facilities/FAC-1"

    held = ok(loader.post("/api/v1/prices", json=quote("4000")), 201)["items"][0]
    assert held["status"] == "QUARANTINED"
    theirs = stranger.get("/api/v1/prices").json()["items"]
    assert theirs == [], "what a tenant reports is its own"
    listed = ok(officer.get("/api/v1/prices", params={"status": "QUARANTINED"}))["items"][0]
    assert (listed["own"], listed["city"]) == (True, "上海")
    asked = ok(officer.post(f"/api/v1/prices/{held['price_id']}/overrides", json={"reason": "seen at the mill"}), 201)
    decision = f"/api/v1/price-overrides/{asked['override_id']}/decision"
    assert officer.post(decision, json={"approve": True, "reason": "x"}).status_code == 403
    assert ok(approver.post(decision, json={"approve": True, "reason": "so have I"}))["used_price_id"] == held["price_id"]
    assert ok(officer.get("/api/v1/price-overrides", params={"status": "APPROVED"}))["items"][0]["proposed_by"] != asked["decided_by"]
    assert approver.post(decision, json={"approve": False, "reason": "x"}).json()["code"] == "wrong_state"
    refused = ok(loader.post("/api/v1/prices", json=quote("-36.98", "2020-03-09T05:30:00Z")), 201)["items"][0]
    answer = officer.post(f"/api/v1/prices/{refused['price_id']}/overrides", json={"reason": "it was printed"})
    assert (answer.status_code, "not_positive" in answer.json()["detail"]) == (409, True)

    before = ok(officer.get(f"{path}/position"))
    assert Decimal(before["collateral_value"]) == Decimal("24.5") * 5 * 4000
    less = {
        "commodity_code": "HRC",
        "kind": "PLACE",
        "applies_to": "WH-SH-01",
        "share": "-0.05",
        "valid_from": "2020-03-09",
        "reason": "inland",
    }
    made = ok(officer.post("/api/v1/price-differentials", json=less), 201)
    ok(approver.post(f"/api/v1/price-differentials/{made['differential_id']}/decision", json={"approve": True, "reason": "agreed"}))
    again = officer.post("/api/v1/price-differentials", json=less)
    assert (again.status_code, again.json()["details"]["differential_id"]) == (409, made["differential_id"])
    assert Decimal(ok(officer.get(f"{path}/position"))["collateral_value"]) == Decimal("24.5") * 5 * 3800

    dated = {
        "facility_id": "FAC-1",
        "kind": "DRAWDOWN",
        "amount": "1000",
        "currency": "CNY",
        "happened_at": "2020-03-06T03:00:00Z",
        "reason": "x",
    }
    answer = loader.post("/api/v1/cash-movements", json=dated)
    assert (answer.status_code, answer.json()["code"]) == (409, "shortfall"), answer.text
    rate = {"valid_from": "2020-03-01", "annual_rate": "0.048", "day_count": "ACT/360"}
    assert ok(loader.post(f"{path}/rates", json=rate), 201)["items"][0]["day_count"] == "ACT/360"
    assert len(ok(officer.get(f"{path}/rates"))["items"]) == 1
    accrued = ok(loader.post(f"{path}/interest-accruals", json={"accrued_to": "2020-03-09"}), 201)
    assert accrued["interest"] == "108.00"  # 270 000 x 4.8 % x 3 / 360
    assert ok(loader.post(f"{path}/interest-accruals", json={"accrued_to": "2020-03-09"}), 201)["entry_no"] is None
    assert ok(officer.get(f"{path}/exposure"))["exposure"] == "270108.00"
    assert ok(officer.get(f"{path}/exposure", params={"as_of": "2020-03-05T00:00:00Z"}))["exposure"] in ("0", "0.00")
    entry = accrued["entry_no"]
    wrong = ok(officer.post(f"{path}/corrections", json={"entry_no": entry, "reason": "rate was agreed at 4.5"}), 201)
    done = ok(approver.post(f"/api/v1/corrections/{wrong['correction_id']}/decision", json={"approve": True, "reason": "yes"}))
    book = {e["entry_no"]: e for e in ok(officer.get(f"{path}/ledger"))["items"]}
    assert book[done["reversing_entry_no"]]["corrects"] == book[entry]["entry_id"]
    assert ok(officer.get("/api/v1/corrections", params={"facility_id": "FAC-1"}))["items"] == [done]

    first = ok(officer.get(f"{path}/valued-units", params={"limit": 3}))
    rest = ok(officer.get(f"{path}/valued-units", params={"limit": 3, "cursor": first["next_cursor"]}))
    assert [u["goods_id"] for u in first["items"] + rest["items"]] == [f"COIL-{n:04d}" for n in range(1, 6)]
    assert first["items"][0]["differentials"] == [made["differential_id"]]
    certificate = ok(officer.post(f"{path}/certificates", json={}), 201)
    same = ok(officer.post(f"{path}/certificates", json={"as_of": certificate["as_of"]}), 201)
    assert same == certificate == ok(officer.get(f"/api/v1/certificates/{certificate['certificate_id']}"))
    assert [c["certificate_id"] for c in ok(officer.get(f"{path}/certificates"))["items"]] == [certificate["certificate_id"]]
    for kind, magic in (("xlsx", b"PK"), ("pdf", b"%PDF")):
        papers = [officer.get(f"/api/v1/certificates/{certificate['certificate_id']}/{kind}") for _ in range(2)]
        assert papers[0].content == papers[1].content
        assert papers[0].content.startswith(magic)
        assert kind in papers[0].headers["content-disposition"]
    workbook = officer.get(f"/api/v1/certificates/{certificate['certificate_id']}/xlsx").content
    assert openpyxl.load_workbook(io.BytesIO(workbook))["Units"].max_row == 6
    products = {p["product"]: p for p in ok(officer.get("/api/v1/products"))["items"]}
    assert products["PETROCHEM_TANK"]["advances"] == {"*": "0.650000", "oil": "0.600000", "polymer": "0.700000"}
    audited = {e["action"] for e in ok(api.client("auditor").get("/api/v1/audit"))["items"]}
    assert {"price_override.decide", "price_differential.decide", "correction.decide", "interest.accrue", "certificate.issue"} <= audited
