"""The API over a real store: registering, pledging, releasing, reading, tracing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from api_server import ApiServer, goods, ok, see, seed, serve

from db.pool import Pool


@pytest.fixture
def api(pool: Pool, database_url: str) -> Iterator[ApiServer]:
    with serve(pool, database_url) as running:
        yield running


def pledge(api: ApiServer, goods_ids: list[str]) -> str:
    draft = ok(api.client("loader").post("/api/v1/pledges", json={"facility_id": "FAC-1", "goods_ids": goods_ids}), 201)
    assert draft["status"] == "DRAFT"
    assert ok(api.client("approver").post(f"/api/v1/pledges/{draft['pledge_id']}/approve"), 200)["status"] == "ACTIVE"
    return str(draft["pledge_id"])


def test_a_registered_world_reads_back_as_it_was_sent(api: ApiServer) -> None:
    loader = seed(api)
    unit = ok(loader.get("/api/v1/goods/COIL-0001"))
    assert unit["quantity"] == "24.500000"
    assert unit["tags"][0]["tag_epc"].startswith("E280")
    assert ok(loader.get("/api/v1/zones", params={"warehouse_id": "WH-SH-01"}))["items"][0]["zone_id"] == "WH-SH-01/bay-3"
    assert ok(loader.get("/api/v1/warehouses/WH-SH-01"))["fence"]["type"] == "Polygon"
    assert ok(loader.get("/api/v1/prices", params={"commodity_code": "HRC"}))["items"][0]["price"] == "3400.0000"
    facility = ok(loader.get("/api/v1/facilities/FAC-1"))
    assert facility["limit_amount"] == "50000000.00"
    assert facility["commodities"][0]["advance_rate"] == "0.700000"


def test_goods_are_registered_all_or_nothing(api: ApiServer) -> None:
    loader = seed(api)
    bad = loader.post("/api/v1/goods", json={"items": [goods("COIL-9001"), goods("COIL-9002", commodity_code="NONE")]})
    assert bad.status_code == 422, bad.text
    assert loader.get("/api/v1/goods/COIL-9001").status_code == 404


def test_a_pledge_needs_another_person_and_then_carries_value(api: ApiServer) -> None:
    loader = seed(api)
    pledge(api, ["COIL-0001", "COIL-0002"])
    position = ok(loader.get("/api/v1/facilities/FAC-1/position"))
    assert position["units"] == 2
    assert isinstance(position["collateral_value"], str)
    assert ok(loader.get("/api/v1/goods/COIL-0001"))["facility_id"] == "FAC-1"
    assert [g["goods_id"] for g in ok(loader.get("/api/v1/goods", params={"facility_id": "FAC-1"}))["items"]] == ["COIL-0001", "COIL-0002"]
    entry = ok(loader.get("/api/v1/facilities/FAC-1/ledger"))["items"][0]
    assert entry["kind"] == "PLEDGE"
    assert {p["goods_id"] for p in entry["postings"]} == {"COIL-0001", "COIL-0002"}


def test_the_maker_of_a_pledge_cannot_approve_it(api: ApiServer, pool: Pool) -> None:
    seed(api)
    with pool.connection() as conn:  # one person with both roles: the role table alone must not be what stops them
        conn.execute("UPDATE app_user SET roles = ARRAY['risk_officer','approver'] WHERE username = 'officer'")
    api.parts.known_users.clear()
    officer = api.client("officer")
    draft = ok(officer.post("/api/v1/pledges", json={"facility_id": "FAC-1", "goods_ids": ["COIL-0001"]}), 201)
    refused = officer.post(f"/api/v1/pledges/{draft['pledge_id']}/approve")
    assert refused.status_code == 409
    assert refused.json()["code"] == "same_person"
    assert ok(officer.get(f"/api/v1/pledges/{draft['pledge_id']}"))["status"] == "DRAFT"


def test_a_double_pledge_is_refused_and_the_refusal_is_kept_for_the_officer(api: ApiServer, pool: Pool) -> None:
    loader = seed(api)
    pledge(api, ["COIL-0001"])
    second = loader.post("/api/v1/pledges", json={"facility_id": "FAC-1", "goods_ids": ["COIL-0001"]}, headers={"Idempotency-Key": "again"})
    if second.status_code == 201:
        second = api.client("approver").post(f"/api/v1/pledges/{second.json()['pledge_id']}/approve")
    assert second.status_code == 409
    assert second.headers["content-type"] == "application/problem+json"
    assert second.json()["code"] == "already_pledged"
    with pool.connection() as conn:
        assert conn.execute("SELECT count(*) FROM refused_command WHERE code = 'already_pledged'").fetchone() == (1,)
        assert conn.execute("SELECT count(*) FROM audit_entry WHERE action LIKE 'pledge.%%.refused'").fetchone() == (1,)


def test_a_release_takes_three_people_and_shows_its_pickup_code_once(api: ApiServer, pool: Pool) -> None:
    seed(api)
    pledge(api, ["COIL-0001", "COIL-0002", "COIL-0003", "COIL-0004"])
    see(pool)
    order = {
        "facility_id": "FAC-1",
        "goods_ids": ["COIL-0001"],
        "vehicle_plate": "沪A12345",
        "driver_id": "310101199001011234",
        "valid_from": "2020-03-09T06:00:00Z",
        "valid_to": "2020-03-09T18:00:00Z",
        "reason": "sold and paid",
    }
    release = ok(api.client("operator").post("/api/v1/releases", json=order), 201)
    assert "driver_id_hash" not in release
    path = f"/api/v1/releases/{release['release_id']}"
    assert ok(api.client("officer").post(f"{path}/maker-approval"))["status"] == "MAKER_OK"
    key = {"Idempotency-Key": "check-1"}
    issued = ok(api.client("approver").post(f"{path}/checker-approval", headers=key))
    if issued["status"] == "CHECKER_OK":
        issued = ok(api.client("approver2").post(f"{path}/second-approval", headers=key))
        again = api.client("approver2").post(f"{path}/second-approval", headers=key)
    else:
        again = api.client("approver").post(f"{path}/checker-approval", headers=key)
    assert issued["status"] == "ISSUED"
    assert issued["pickup_code"]
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json() == {**issued, "pickup_code": None}
    with pool.connection() as conn:
        kept = conn.execute("SELECT count(*) FROM idempotency_key WHERE response::text LIKE %s", (f"%{issued['pickup_code']}%",)).fetchone()
    assert kept == (0,)
    assert "pickup_code" not in ok(api.client("officer").get(path))


def test_the_driver_s_id_is_in_no_stored_text_and_in_no_quick_hash(api: ApiServer, pool: Pool) -> None:
    seed(api)
    pledge(api, ["COIL-0001"])
    see(pool)
    order = {
        "facility_id": "FAC-1",
        "goods_ids": ["COIL-0001"],
        "vehicle_plate": "沪A12345",
        "driver_id": "310101199001011234",
        "valid_from": "2020-03-09T06:00:00Z",
        "valid_to": "2020-03-09T18:00:00Z",
        "reason": "sold and paid",
    }
    operator = api.client("operator")
    made = ok(operator.post("/api/v1/releases", json=order, headers={"Idempotency-Key": "r"}), 201)
    again = ok(operator.post("/api/v1/releases", json={**order, "driver_id": "310101199001015678"}, headers={"Idempotency-Key": "r"}), 201)
    assert again == made  # were the id in the hash, this would be a conflict, and the hash could be guessed
    with pool.connection() as conn:
        for table in ("idempotency_key", "audit_entry", "release_order"):
            kept = conn.execute(f"SELECT string_agg(to_jsonb(t)::text, ' ') FROM {table} t".encode()).fetchone()
            assert kept is not None
            assert order["driver_id"] not in kept[0]


def test_money_moves_once_per_key_and_shows_in_the_ledger(api: ApiServer) -> None:
    loader = seed(api)
    pledge(api, ["COIL-0001", "COIL-0002", "COIL-0003", "COIL-0004"])
    cash = {
        "facility_id": "FAC-1",
        "kind": "DRAWDOWN",
        "amount": "100000.00",
        "currency": "CNY",
        "happened_at": "2020-03-06T02:00:00Z",
        "already_paid": True,
        "reason": "first drawing",
    }
    first = loader.post("/api/v1/cash-movements", json=cash, headers={"Idempotency-Key": "draw-1"})
    second = loader.post("/api/v1/cash-movements", json=cash, headers={"Idempotency-Key": "draw-1"})
    assert ok(first, 201) == ok(second, 201)
    assert ok(loader.get("/api/v1/facilities/FAC-1/position"))["balance"]["principal"] == "100000.00"


def test_a_device_credential_is_shown_once_and_never_kept(api: ApiServer, pool: Pool) -> None:
    seed(api)
    admin = api.client("devices")
    device = {"device_id": "RDR-1", "site": "WH-SH-01", "warehouse_id": "WH-SH-01", "class": "rfid", "format": "native", "name": "Reader 1"}
    made = ok(admin.post("/api/v1/devices", json=device, headers={"Idempotency-Key": "dev-1"}), 201)
    assert made["device"]["class"] == "rfid"
    assert made["credential"]["password"]
    again = ok(admin.post("/api/v1/devices", json=device, headers={"Idempotency-Key": "dev-1"}), 201)
    assert again["credential"] == {**made["credential"], "password": None}
    antenna = ok(admin.post("/api/v1/devices/RDR-1/antennas", json={"antenna": 1, "zone_id": "WH-SH-01/bay-3"}), 201)
    assert antenna["zone_id"] == "WH-SH-01/bay-3"
    rotated = ok(admin.post("/api/v1/devices/RDR-1/credential", headers={"Idempotency-Key": "dev-2"}))
    assert rotated["credential"]["password"] not in (None, made["credential"]["password"])
    replayed = admin.post("/api/v1/devices/RDR-1/credential", headers={"Idempotency-Key": "dev-2"})
    assert replayed.headers["idempotency-replayed"] == "true"
    assert replayed.json() == {**rotated, "credential": {**rotated["credential"], "password": None}}
    assert ok(admin.delete("/api/v1/devices/RDR-1/credential"))["revoked"] is True
    with pool.connection() as conn:
        assert conn.execute("SELECT response->'credential'->>'password' FROM idempotency_key").fetchall() == [(None,), (None,)]
        for table in ("idempotency_key", "audit_entry"):
            kept = conn.execute(f"SELECT string_agg(to_jsonb(t)::text, ' ') FROM {table} t".encode()).fetchone()
            assert kept is not None
            assert made["credential"]["password"] not in kept[0]
            assert rotated["credential"]["password"] not in kept[0]


def test_the_trace_tells_a_unit_s_story_in_time_order_with_both_clocks(api: ApiServer, pool: Pool) -> None:
    loader = seed(api)
    pledge(api, ["COIL-0001"])
    tag = ok(loader.get("/api/v1/goods/COIL-0001"))["tags"][0]["tag_epc"]
    paper = {
        "kind": "INVOICE",
        "number": "INV-1",
        "issuer_party_id": "BORROWER",
        "amount": "83300.00",
        "currency": "CNY",
        "issued_at": "2020-03-01T00:00:00Z",
        "goods_ids": ["COIL-0001"],
    }
    ok(loader.post("/api/v1/documents", json=paper), 201)
    with pool.connection() as conn:
        conn.execute(
            "INSERT INTO observation (observed_at, received_at, device_id, tag_epc, antenna, event_key, goods_id, zone_id, rssi_dbm, content_hash)"
            " VALUES ('2020-03-09T05:00Z', '2020-03-09T05:00:02Z', 'RDR-1', %s, 1, '7', 'COIL-0001', 'WH-SH-01/bay-3', -51.5, '')",
            (tag,),
        )
        conn.execute(
            "INSERT INTO goods_position (tag_epc, goods_id, device_id, antenna, zone_id, entered_at, first_stored_at, last_seen_at, reads, absorbed)"
            " VALUES (%s, 'COIL-0001', 'RDR-1', 1, 'WH-SH-01/bay-3', '2020-03-09T05:00Z', '2020-03-09T05:00Z', '2020-03-09T05:30Z', 30, 29)",
            (tag,),
        )
    trace = ok(loader.get("/api/v1/goods/COIL-0001/trace"))
    kinds = [i["kind"] for i in trace["items"]]
    assert kinds[0] == "document"
    assert {"registration", "binding", "read", "sighting", "pledge", "document"} <= set(kinds)
    times = [i["occurred_at"] for i in trace["items"]]
    assert times == sorted(times)
    read = next(i for i in trace["items"] if i["kind"] == "read")
    assert (read["occurred_at"], read["recorded_at"]) == ("2020-03-09T05:00:00Z", "2020-03-09T05:00:02Z")
    assert trace["present"][0]["absorbed"] == 29
    assert trace["truncated"] == []


def test_a_page_stays_stable_while_rows_arrive(api: ApiServer) -> None:
    loader = seed(api, units=5)
    first = ok(loader.get("/api/v1/goods", params={"limit": 2}))
    assert [g["goods_id"] for g in first["items"]] == ["COIL-0001", "COIL-0002"]
    ok(loader.post("/api/v1/goods", json={"items": [goods("COIL-0001-A")]}), 201)
    second = ok(loader.get("/api/v1/goods", params={"limit": 2, "cursor": first["next_cursor"]}))
    third = ok(loader.get("/api/v1/goods", params={"limit": 2, "cursor": second["next_cursor"]}))
    assert [g["goods_id"] for g in second["items"] + third["items"]] == ["COIL-0003", "COIL-0004", "COIL-0005"]
    assert third["next_cursor"] is None


def test_a_cursor_of_another_list_is_refused(api: ApiServer) -> None:
    loader = seed(api)
    cursor = ok(loader.get("/api/v1/goods", params={"limit": 1}))["next_cursor"]
    refused = loader.get("/api/v1/devices", params={"cursor": cursor})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_cursor")


def test_another_tenant_sees_nothing_of_this_one(api: ApiServer) -> None:
    seed(api)
    pledge_id = pledge(api, ["COIL-0001"])
    stranger = api.client("stranger")
    for noun in (
        "parties",
        "warehouses",
        "zones",
        "devices",
        "goods",
        "documents",
        "receipts",
        "trips",
        "facilities",
        "pledges",
        "releases",
    ):
        assert ok(stranger.get(f"/api/v1/{noun}"))["items"] == [], noun
    assert {e["user_id"] for e in ok(stranger.get("/api/v1/audit"))["items"]} <= {api.users["stranger"].user_id}
    for path in ("goods/COIL-0001", "goods/COIL-0001/trace", "facilities/FAC-1", "facilities/FAC-1/position", f"pledges/{pledge_id}"):
        assert stranger.get(f"/api/v1/{path}").status_code == 404, path
    release = {
        "facility_id": "FAC-1",
        "goods_ids": ["COIL-0001"],
        "vehicle_plate": "X",
        "driver_id": "Y",
        "valid_from": "2020-03-09T06:00:00Z",
        "valid_to": "2020-03-09T07:00:00Z",
        "reason": "mine now",
    }
    cash = {"facility_id": "FAC-1", "kind": "REPAYMENT", "amount": "1", "currency": "CNY", "reason": "x"}
    for path, body in (
        ("releases", release),
        ("cash-movements", cash),
        ("pledges", {"facility_id": "FAC-1", "goods_ids": ["COIL-0002"]}),
        (f"pledges/{pledge_id}/approve", None),
        ("goods/COIL-0001/tags", {"tag_epc": "ABCD"}),
    ):
        answer = stranger.post(f"/api/v1/{path}", json=body)
        assert answer.status_code in (404, 422), f"{path}: {answer.status_code} {answer.text}"


def test_every_write_leaves_an_audit_entry(api: ApiServer) -> None:
    seed(api)
    pledge(api, ["COIL-0001"])
    entries = ok(api.client("auditor").get("/api/v1/audit"))["items"]
    actions = [e["action"] for e in entries]
    for action in ("party.register", "goods.register", "facility.open", "pledge.create", "pledge.approve"):
        assert action in actions
    approved = next(e for e in entries if e["action"] == "pledge.approve")
    assert approved["user_id"] == api.users["approver"].user_id


@pytest.mark.parametrize(
    "text", ["'; DROP TABLE goods_unit; --", "%s %(tenant)s", "<script>alert(1)</script>", "𠮷野家 🚛", "a" * 500, "\\x00"]
)
def test_hostile_text_is_stored_as_text(api: ApiServer, text: str) -> None:
    loader = seed(api)
    party = {"party_id": "P-X", "name": text, "name_zh": text, "roles": ["COUNTERPARTY"]}
    assert ok(loader.post("/api/v1/parties", json=party), 201)["name"] == text
    assert ok(loader.get("/api/v1/parties/P-X"))["name"] == text
    found = loader.get("/api/v1/goods", params={"q": text[:120]})
    assert ok(found)["items"] == []
    assert ok(loader.get("/api/v1/goods/COIL-0001"))["goods_id"] == "COIL-0001"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("quantity", 24.5),
        ("quantity", "NaN"),
        ("quantity", "1e3"),
        ("quantity", "24.1234567"),
        ("quantity", "-1"),
        ("quantity", "0"),
        ("goods_id", "A\u0000B"),
        ("mill", "\ud800"),
        ("kind", "SPOON"),
        ("misspelt", 1),
    ],
)
def test_a_wrong_field_is_refused_and_named(api: ApiServer, field: str, value: object) -> None:
    import json

    raw = json.dumps({"items": [{**goods("COIL-0001"), field: value}]})
    refused = api.client("loader").post("/api/v1/goods", content=raw, headers={"Content-Type": "application/json"})
    assert refused.status_code == 422, refused.text
    problem = refused.json()
    assert problem["code"] == "validation_failed"
    assert field in problem["details"]["fields"][0]["at"]
