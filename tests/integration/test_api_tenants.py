"""What belongs to another tenant does not exist: every route that takes an id answers 404, whatever the role, and nothing changes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from api_server import T0, ApiServer, add_alert, goods, lend_and_draw, let_the_price_fall, ok, serve

from db.pool import Pool

LINE = {"type": "LineString", "coordinates": [[121.4, 31.2], [121.5, 31.2]]}
RELEASE = {
    "facility_id": "FAC-1",
    "goods_ids": ["COIL-0001"],
    "vehicle_plate": "沪A12345",
    "driver_id": "310101199001011234",
    "valid_from": "2020-03-09T06:00:00Z",
    "valid_to": "2020-03-09T18:00:00Z",
    "reason": "sold and paid",
}
BODIES: dict[str, dict[str, Any]] = {
    "discard_dead_letter": {"reason": "x"},
    "set_device_read_policy": {"smoothing_s": 0, "reason": "mine"},
    "set_user_roles": {"roles": ["auditor"], "reason": "mine"},
    **{name: {"reason": "mine"} for name in ("deactivate_user", "activate_user")},
    "reset_password": {"password": "a password of twelve", "reason": "mine"},
    "map_antenna": {"antenna": 1, "zone_id": "WH-SH-01/bay-3"},
    "bind_tag": {"tag_epc": "ABCD"},
    "set_trip_status": {"status": "UNDER_WAY"},
    "acknowledge_alert": {"version": 1},
    "comment_alert": {"text": "hello"},
    "set_alert_status": {"status": "INVESTIGATING", "version": 1},
    "close_alert": {"reason": "HANDLED", "version": 1},
    "withdraw_disposal": {"reason": "mine"},
    "propose_price_override": {"reason": "mine"},
    **{name: {"approve": True, "reason": "mine"} for name in ("decide_price_override", "decide_price_differential", "decide_correction")},
    "set_rate": {"valid_from": "2020-03-10", "annual_rate": "0.05", "day_count": "ACT/360"},
    "accrue_interest": {"accrued_to": "2020-03-09"},
    "propose_correction": {"entry_no": 1, "reason": "mine"},
    "issue_certificate": {},
    "record_receipt_elements": {
        **dict.fromkeys(("depositor_name", "depositor_address", "goods_name", "quality", "packing", "marks", "shrinkage_standard"), "x"),
        **dict.fromkeys(("storage_place", "insurer", "issuer_name", "issue_place", "keeper_signatory"), "x"),
        "quantity": "1",
        "unit": "t",
        "pieces": 1,
        "storage_fee": "0",
        "insurance_from": "2020-01-01",
        "storage_from": "2020-01-01",
        "storage_to": "2021-01-01",
    },
    "freeze_receipt": {"reason": "mine"},
    "decide_receipt_order": {"approve": True, "reason": "mine"},
}
TABLES = (
    "goods_unit",
    "tag_binding",
    "device",
    "antenna_zone",
    "document",
    "warehouse_receipt",
    "trip",
    "facility",
    "facility_balance",
    "pledge",
)
TABLES += ("receipt_event", "receipt_order", "receipt_elements")
TABLES += ("release_order", "ledger_entry", "alert", "alert_event", "margin_call", "disposal_case", "refused_command")
SHARED_LISTS = {"list_commodities", "list_products", "list_rules", "list_users", "list_audit", "list_jobs"}


@pytest.fixture
def api(pool: Pool, database_url: str) -> Iterator[ApiServer]:
    with serve(pool, database_url) as running:
        yield running


@pytest.fixture
def ids(api: ApiServer, pool: Pool) -> dict[str, str]:
    """One thing of each kind, all of tenant demo."""
    lend_and_draw(api, pool)
    loader = api.client("loader")
    release = ok(api.client("operator").post("/api/v1/releases", json=RELEASE), 201)
    let_the_price_fall(api, pool)
    paper = {
        "kind": "INVOICE",
        "number": "INV-1",
        "issuer_party_id": "BORROWER",
        "issued_at": "2020-03-01T00:00:00Z",
        "goods_ids": ["COIL-0001"],
    }
    document = ok(loader.post("/api/v1/documents", json=paper), 201)
    device = {"device_id": "TRK-1", "site": "ROAD", "class": "gps", "format": "native", "name": "Tracker"}
    ok(loader.post("/api/v1/devices", json=device), 201)
    way = {
        "vehicle_plate": "沪A1",
        "device_id": "TRK-1",
        "corridor": LINE,
        "planned_from": "2020-03-09T06:00:00Z",
        "planned_to": "2020-03-09T09:00:00Z",
    }
    trip = ok(loader.post("/api/v1/trips", json=way), 201)
    add_alert(pool, "alert_a", subject_id="COIL-0001", facility_id="FAC-1")
    with pool.connection() as conn:
        letter = conn.execute(
            "INSERT INTO dead_letter (topic, tenant_id, topic_device, reason, detail, payload, payload_bytes, payload_sha256, first_received_at, last_received_at)"
            " VALUES ('v1/demo/WH-SH-01/rfid/X/reads', 'demo', 'X', 'unknown_device', 'x', '{}', 2, '\\x00', now(), now()) RETURNING dead_letter_id::text"
        ).fetchone()
        assert letter is not None
        found = conn.execute(
            "SELECT (SELECT call_id FROM margin_call LIMIT 1), (SELECT case_id FROM disposal_case LIMIT 1), (SELECT pledge_id FROM pledge LIMIT 1)"
        ).fetchone()
    assert found is not None
    assert all(found), "the fall of the price has led to a call and a case"
    hold = {"subject_kind": "goods", "subject_id": "COIL-0001", "reason": "court order"}
    held = ok(api.client("auditor").post("/api/v1/legal-holds", json=hold), 201)
    jump = {
        "commodity_code": "HRC",
        "source": "mysteel",
        "quoted_at": "2020-03-09T05:00:00Z",
        "price": "8000",
        "currency": "CNY",
        "unit": "t",
    }
    price = ok(loader.post("/api/v1/prices", json={"items": [{**jump, "tax_inclusive": False, "synthetic": True}]}), 201)["items"][0]
    vouched = ok(loader.post(f"/api/v1/prices/{price['price_id']}/overrides", json={"reason": "seen"}), 201)
    more = {"commodity_code": "HRC", "kind": "GRADE", "applies_to": "Q345B", "share": "0.03", "valid_from": "2020-03-09", "reason": "x"}
    differential = ok(loader.post("/api/v1/price-differentials", json=more), 201)
    entries = ok(loader.get("/api/v1/facilities/FAC-1/ledger"))["items"]
    drawn = next(e["entry_no"] for e in entries if e["kind"] == "DRAWDOWN")
    wrong = ok(loader.post("/api/v1/facilities/FAC-1/corrections", json={"entry_no": drawn, "reason": "x"}), 201)
    certificate = ok(loader.post("/api/v1/facilities/FAC-1/certificates", json={}), 201)
    stored = {
        "receipt_no": "WR-0001", "warehouse_id": "WH-SH-01", "depositor_party_id": "BORROWER", "keeper_party_id": "KEEPER", "currency": "CNY",
        "issued_at": "2020-03-01T00:00:00Z", "shrinkage_rate": "0", "insured_amount": "0", "insurance_until": "2021-01-01", "goods_ids": ["COIL-0001"],
    }  # fmt: skip
    ok(loader.post("/api/v1/receipts", json=stored), 201)
    ok(api.client("officer").post("/api/v1/receipts/WR-0001/freeze", json={"reason": "x"}))
    thaw = {"kind": "UNFREEZE", "receipt_nos": ["WR-0001"], "reason": "x"}
    order = ok(api.client("officer").post("/api/v1/receipt-orders", json=thaw), 201)
    tag = ok(loader.get("/api/v1/goods/COIL-0001"))["tags"][0]["tag_epc"]
    return {
        "party_id": "BORROWER",
        "warehouse_id": "WH-SH-01",
        "device_id": "TRK-1",
        "goods_id": "COIL-0001",
        "epc": tag,
        "document_id": document["document_id"],
        "trip_id": trip["trip_id"],
        "user_id": api.users["officer2"].user_id,
        "receipt_no": "WR-0001",
        "order_id": order["order_id"],
        "facility_id": "FAC-1",
        "pledge_id": found[2],
        "release_id": release["release_id"],
        "alert_id": "alert_a",
        "dead_letter_id": letter[0],
        "hold_id": held["hold_id"],
        "call_id": found[0],
        "case_id": found[1],
        "price_id": price["price_id"],
        "override_id": vouched["override_id"],
        "differential_id": differential["differential_id"],
        "correction_id": wrong["correction_id"],
        "certificate_id": certificate["certificate_id"],
    }


def operations(client: httpx.Client) -> list[tuple[str, str, str]]:
    paths = ok(client.get("/openapi.json"))["paths"]
    return [(method.upper(), path, op["operationId"]) for path, item in paths.items() for method, op in item.items()]


def state(pool: Pool) -> dict[str, Any]:
    with pool.connection() as conn:
        return {
            t: conn.execute(f"SELECT count(*), md5(string_agg(t::text, '' ORDER BY t::text)) FROM {t} t".encode()).fetchone()
            for t in TABLES
        }


def test_every_route_with_an_id_says_404_to_another_tenant_and_does_nothing(api: ApiServer, pool: Pool, ids: dict[str, str]) -> None:
    stranger, owner = api.client("stranger"), api.client("officer")
    before = state(pool)
    walked = 0
    for method, path, name in operations(stranger):
        names = set(re.findall(r"\{([^}]+)\}", path)) - {"job", "format_name"}
        if not names or path.startswith("/epcis/"):  # EPCIS has tests of its own, by the standard's ids
            continue
        assert names <= set(ids), f"{name}: give this test a {names - set(ids)} of tenant demo"
        url = path.format(**ids)
        if method == "GET":
            assert owner.get(url).status_code == 200, f"{url}: the test needs something that is there"
        body = {"owner": api.users["stranger"].user_id, "version": 1} if name == "assign_alert" else BODIES.get(name)
        answer = stranger.request(method, url, json=body)
        assert answer.status_code == 404, f"{method} {url}: {answer.status_code} {answer.text}"
        assert answer.json()["code"] == "not_found", answer.text
        asked = {ids[n] for n in names}
        told = [v for v in ids.values() if v not in asked and len(v) > 5 and v in answer.text]
        assert told == [], f"{method} {url} tells of {told}"
        walked += 1
    assert walked >= 30
    assert state(pool) == before


def test_no_list_shows_anything_of_another_tenant_even_when_asked_by_its_ids(api: ApiServer, ids: dict[str, str]) -> None:
    stranger = api.client("stranger")
    spec = ok(stranger.get("/openapi.json"))["paths"]
    filters = {**ids, "owner_party_id": "BORROWER", "borrower_party_id": "BORROWER", "tag_epc": ids["epc"], "subject_id": "COIL-0001"}
    filters["zone_id"] = "WH-SH-01/bay-3"
    for path, item in spec.items():
        operation = item.get("get")
        if (
            operation is None
            or "{" in path
            or not path.startswith("/api/v1/")
            or operation["operationId"] in SHARED_LISTS | {"stream", "me"}
        ):
            continue
        known = {p["name"] for p in operation.get("parameters", [])}
        required = {p["name"]: filters[p["name"]] for p in operation.get("parameters", []) if p.get("required")}
        if required:
            assert stranger.get(path, params=required).status_code == 404, f"{path} {required}"
            continue
        for params in ({}, *({k: v} for k, v in filters.items() if k in known)):
            answer = stranger.get(path, params=params)
            body = ok(answer)
            if "items" in body:
                assert body["items"] == [], f"{path} {params}: {answer.text}"
            told = [v for v in ids.values() if len(v) > 5 and v in answer.text]
            assert told == [], f"{path} {params} tells of {told}"


def test_no_write_can_name_what_belongs_to_another_tenant(api: ApiServer, pool: Pool, ids: dict[str, str]) -> None:
    stranger = api.client("stranger")
    mine = [{"party_id": f"MINE-{r}", "name": "Mine", "name_zh": "我", "roles": [r]} for r in ("BORROWER", "LENDER")]
    ok(stranger.post("/api/v1/parties", json={"items": mine}), 201)
    before = state(pool)
    facility = {
        "facility_id": "FAC-X", "name": "X", "name_zh": "X", "borrower_party_id": "MINE-BORROWER", "lender_party_id": "MINE-LENDER",
        "product": "STEEL_STATIC", "pledge_mode": "STATIC", "currency": "CNY", "limit_amount": "1000", "advance_rate": "0.70",
        "cure_unit": "BUSINESS_DAYS", "cure_length": 1, "matures_on": "2020-12-31",
        "commodities": [{"commodity_code": "HRC", "advance_rate": "0.70", "primary_source": "mysteel"}],
    }  # fmt: skip
    square = {"type": "Polygon", "coordinates": [[[121.40, 31.20], [121.41, 31.20], [121.41, 31.21], [121.40, 31.20]]]}
    warehouse = {
        "warehouse_id": "WH-X",
        "name": "X",
        "name_zh": "X",
        "operator_party_id": "KEEPER",
        "kind": "GENERAL",
        "control_mode": "CMA",
    }
    device = {"device_id": "RDR-X", "site": "X", "class": "rfid", "format": "native", "name": "X"}
    receipt = {
        "receipt_no": "R-X", "warehouse_id": "WH-SH-01", "depositor_party_id": "MINE-BORROWER", "keeper_party_id": "MINE-LENDER",
        "issued_at": "2020-03-01T00:00:00Z", "shrinkage_rate": "0", "insured_amount": "0", "currency": "CNY", "insurance_until": "2021-01-01",
        "goods_ids": ["COIL-0001"],
    }  # fmt: skip
    paper = {"kind": "INVOICE", "number": "X", "issuer_party_id": "MINE-LENDER", "issued_at": "2020-03-01T00:00:00Z"}
    way = {
        "vehicle_plate": "X",
        "device_id": "TRK-1",
        "corridor": LINE,
        "planned_from": "2020-03-09T06:00:00Z",
        "planned_to": "2020-03-09T09:00:00Z",
    }
    own_goods = goods("X-1", owner_party_id="MINE-BORROWER", warehouse_id=None, zone_id=None)
    for noun, body in (
        ("releases", RELEASE),
        ("cash-movements", {"facility_id": "FAC-1", "kind": "REPAYMENT", "amount": "1", "currency": "CNY", "reason": "x"}),
        ("pledges", {"facility_id": "FAC-1", "goods_ids": ["COIL-0006"]}),
        ("facilities", {**facility, "borrower_party_id": "BORROWER"}),
        ("facilities", {**facility, "lender_party_id": "BANK"}),
        ("warehouses", {**warehouse, "fence": square}),
        ("zones", {"zone_id": "WH-SH-01/x", "warehouse_id": "WH-SH-01", "name": "x", "kind": "BAY", "polygon": square}),
        ("devices", {**device, "warehouse_id": "WH-SH-01"}),
        ("devices", {**device, "gateway_device_id": "TRK-1"}),
        ("devices", {**device, "device_id": "TRK-1"}),
        ("goods", {"items": [{**own_goods, "owner_party_id": "BORROWER"}]}),
        ("goods", {"items": [{**own_goods, "warehouse_id": "WH-SH-01"}]}),
        ("goods", {"items": [{**own_goods, "goods_id": "COIL-0006"}]}),
        ("goods", {"items": [{**own_goods, "tag_epc": ids["epc"]}]}),
        ("receipts", receipt),
        ("documents", {**paper, "goods_ids": ["COIL-0001"]}),
        ("documents", {**paper, "issuer_party_id": "BORROWER"}),
        ("documents", {**paper, "warehouse_id": "WH-SH-01"}),
        ("trips", way),
    ):
        answer = stranger.post(f"/api/v1/{noun}", json=body)
        assert answer.status_code in (404, 409, 422), f"{noun} {body}: {answer.status_code} {answer.text}"
    after = state(pool)
    assert {t for t in TABLES if before[t] != after[t]} <= {"refused_command"}


def test_a_run_of_a_job_tells_a_tenant_nothing_of_another(api: ApiServer, pool: Pool, ids: dict[str, str]) -> None:
    with pool.connection() as conn:
        conn.execute(
            "INSERT INTO job_run (run_id, job, scheduled_for, as_of, started_at, status, inputs, findings, errors, process) VALUES"
            " ('run-1', 'margin_expiry', %(at)s, %(at)s, %(at)s, 'PARTLY_FAILED',"
            ' \'{"expired": ["FAC-1", "FAC-OTHER"], "facilities": 2, "cause": "PRICE", "why": "FAC-OTHER has no price"}\', \'{"V03": 2}\','
            ' \'[{"facility": "FAC-1", "error": "ValueError: own"}, {"facility": "FAC-OTHER", "error": "ValueError: FAC-OTHER"},'
            ' {"rule": "R02", "error": "KeyError: COIL-OTHER"}]\', \'host:1\')',
            {"at": T0 - timedelta(minutes=1)},
        )
    run = ok(api.client("officer").get("/api/v1/jobs"))["items"][0]
    assert run["inputs"] == {"expired": ["FAC-1", {"others": 1}], "facilities": 2, "cause": "PRICE", "why": None}
    assert run["errors"] == [{"facility": "FAC-1", "error": "ValueError: own"}, {"rule": "R02", "error": "KeyError"}, {"others": 1}]
    theirs = api.client("stranger").get("/api/v1/jobs").text
    assert "FAC-" not in theirs
    assert "COIL-" not in theirs
    with pool.connection() as conn:  # alone on its installation a tenant is told everything
        for table in ("app_user", "audit_entry", "tenant"):
            conn.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER".encode())
            conn.execute(f"DELETE FROM {table} WHERE tenant_id = 'other'".encode())
    assert "COIL-OTHER" in api.client("officer").get("/api/v1/jobs").text


def test_a_dead_letter_of_another_tenant_s_device_is_not_shown_although_it_names_no_tenant(
    api: ApiServer, pool: Pool, ids: dict[str, str]
) -> None:
    with pool.connection() as conn:
        for topic, tenant, device in (
            ("odd/topic", None, "TRK-1"),
            ("v1/typo/x", "typo", "TRK-1"),
            ("v1/none", None, None),
            ("v1/demo/x", "demo", "TRK-1"),
        ):
            conn.execute(
                "INSERT INTO dead_letter (topic, tenant_id, topic_device, reason, detail, payload, payload_bytes, payload_sha256, first_received_at,"
                " last_received_at) VALUES (%s, %s, %s, 'malformed_json', 'x', 'x', 1, %s, %s, %s)",
                (topic, tenant, device, topic.encode(), T0, T0),
            )  # fmt: skip
    assert {x["topic"] for x in ok(api.client("stranger").get("/api/v1/dead-letters"))["items"]} == {"v1/none"}
    assert len(ok(api.client("officer").get("/api/v1/dead-letters"))["items"]) == 5, "these and the one of the world"
