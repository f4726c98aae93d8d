"""Input that wants to break something: every answer is a problem document of ours, and none says 500."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from api_server import BAY, SQUARE, ApiServer, add_alert, goods, ok, seed, serve

from db.pool import Pool

HUGE = 10**400


@pytest.fixture
def api(pool: Pool, database_url: str) -> Iterator[ApiServer]:
    with serve(pool, database_url) as running:
        yield running


def test_query_parameters_from_another_world_are_refused(api: ApiServer, pool: Pool) -> None:
    seed(api)
    add_alert(pool, "a1")
    client = api.client("auditor")
    paths = ok(client.get("/openapi.json"))["paths"]
    hostile = [
        "1" + "0" * 30, "1" + "0" * 5000, "-1", "0", "1.5", "NaN", "１０", "true", "\x00", "a\x00b", "\r\nX: y", "\ud800", "'", "%", "2020-03-09",
        "2020-03-09T06:00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2020-02-30T00:00:00Z", "2020-03-09T06:00:60Z",
        "2020-03-09T06:00:00Z\n", "1950-01-01T00:00:00Z", "2200-12-31T23:59:59Z", "eyJ", "WyJnb29kcyIsMV0", "W10", "bnVsbA", "W1tbW1tbW1tbW1tbW1tbW1tb", "x" * 600,
        "WyJhbGVydHMiLCIwMDAxLTAxLTAxVDAwOjAwOjAwKzE0OjAwIiwieCJd", "WyJhbGVydHMiLCI5OTk5LTEyLTMxVDIzOjU5OjU5LTE0OjAwIiwiXHVkODAwIl0",
    ]  # fmt: skip
    tried = 0
    there = {"goods_id": "COIL-0001", "facility_id": "FAC-1", "alert_id": "a1", "dead_letter_id": "1"}
    for path, item in paths.items():
        operation = item.get("get")
        if operation is None or operation["operationId"] in ("stream", "metrics") or path.startswith("/epcis/"):  # EPCIS has its own
            continue
        url = re.sub(r"\{(\w+)(:path)?\}", lambda name: there.get(name[1], "x"), path)
        for parameter in operation.get("parameters", []):
            if parameter["in"] != "query":
                continue
            tried += 1
            for value in hostile[tried % 6 :: 6]:  # each parameter some, each value at many parameters
                answer = client.get(url, params={parameter["name"]: value.encode("utf-8", "surrogatepass")})
                assert answer.status_code in (200, 404, 422), f"{url}?{parameter['name']}={value!r}: {answer.status_code} {answer.text}"


@pytest.mark.parametrize(
    "value", ["%00", "a%00b", "%0d%0aSet-Cookie:x", "%ff%fe", "%ed%a0%80", "..%2f..%2fetc", "%F0%A0%AE%B7", "x" * 4000]
)
def test_paths_from_another_world_are_not_found_or_refused(api: ApiServer, value: str) -> None:
    client = api.client("officer")
    for noun in ("goods", "alerts", "facilities", "devices"):
        answer = client.get(f"/api/v1/{noun}/{value}")
        assert answer.status_code in (404, 422), answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        assert "set-cookie" not in answer.headers


def bodies() -> list[tuple[str, dict[str, Any]]]:
    """(noun, body with one thing wrong)."""
    warehouse = {
        "warehouse_id": "WH-9", "name": "x", "name_zh": "x", "operator_party_id": "KEEPER", "kind": "GENERAL", "control_mode": "CMA", "fence": SQUARE,
    }  # fmt: skip
    zone = {"zone_id": "WH-SH-01/z", "warehouse_id": "WH-SH-01", "name": "z", "kind": "BAY", "polygon": BAY}
    device = {"device_id": "RDR-9", "site": "S", "class": "rfid", "format": "native", "name": "x"}
    facility = {
        "facility_id": "FAC-9", "name": "x", "name_zh": "x", "borrower_party_id": "BORROWER", "lender_party_id": "BANK", "product": "STEEL_STATIC",
        "pledge_mode": "STATIC", "currency": "CNY", "limit_amount": "1", "advance_rate": "0.7", "cure_unit": "HOURS", "cure_length": 1,
        "matures_on": "2020-12-31", "commodities": [{"commodity_code": "HRC", "advance_rate": "0.7", "primary_source": "mysteel"}],
    }  # fmt: skip
    cash = {"facility_id": "FAC-1", "kind": "REPAYMENT", "amount": "1", "currency": "CNY", "reason": "x"}
    price = {
        "commodity_code": "HRC", "source": "s", "quoted_at": "2020-03-09T02:00:00Z", "price": "3400", "currency": "CNY", "unit": "t",
        "tax_inclusive": False, "synthetic": True,
    }  # fmt: skip

    def ring(*points: Any) -> dict[str, Any]:
        return {"type": "Polygon", "coordinates": [[[121.4, 31.2], *points, [121.5, 31.3], [121.4, 31.2]]]}

    odd_rings = [
        ring([HUGE, 31.2]),
        ring([121.5, float("nan")]),
        ring([121.5, float("inf")]),
        ring([121.5, 31.2, "high"]),
        ring([121.5, 31.2, HUGE]),
    ]
    odd_rings += [
        ring([121.5, 31.2, 1]),
        ring([True, 31.2]),
        {"type": "Polygon", "coordinates": [[]]},
        {"type": "Polygon", "coordinates": {}},
    ]
    odd_decimals = [
        "1e400",
        "NaN",
        "-Infinity",
        "Infinity",
        HUGE,
        -HUGE,
        float("inf"),
        float("nan"),
        "-1",
        "0x10",
        "1_000",
        "٣",
        "1" * 5000,
        " 1",
        "+1",
    ]
    made: list[tuple[str, dict[str, Any]]] = []
    made += [("warehouses", {**warehouse, "fence": r}) for r in odd_rings] + [("zones", {**zone, "polygon": r}) for r in odd_rings]
    made += [("warehouses", {**warehouse, "timezone": z}) for z in ("Mars/Base", "Asia", "UTC+99", "posixrules/..")]
    made += [("facilities", {**facility, "advance_rate": v}) for v in ("0", "1", "99", "0.000001", "0.999999", *odd_decimals)]
    made += [("facilities", {**facility, "limit_amount": v}) for v in ("0", *odd_decimals)]
    made += [("facilities", {**facility, "disposal_cost": v}) for v in ("99", *odd_decimals)]
    made += [
        ("facilities", {**facility, "matures_on": v})
        for v in ("2020-02-30", "0001-01-01", "9999-12-31", "2020-03-09T00:00:00", 20200309, None)
    ]
    made += [("facilities", {**facility, "opened_at": v}) for v in ("2020-03-09T06:00:00", "2020-03-09", 0, "2200-12-31T23:59:59-14:00")]
    made += [("facilities", {**facility, "cure_length": v}) for v in (0, -1, HUGE, 1.5, "1e9", True)]
    made += [("cash-movements", {**cash, "amount": v}) for v in odd_decimals]
    made += [
        ("cash-movements", {**cash, "happened_at": v}) for v in ("2020-03-09T06:00:00", "1950-01-01T00:00:00+23:59", "2199-01-01T00:00:00Z")
    ]
    made += [("cash-movements", {**cash, "reason": v}) for v in ("a\x00b", "\ud800", "", "x" * 4001)]
    made += [("prices", {"items": [{**price, "price": v}]}) for v in odd_decimals] + [("prices", {"items": [{**price, "vat_rate": "99"}]})]
    made += [("goods", {"items": [goods("X-1", quantity=v)]}) for v in odd_decimals]
    made += [("goods", {"items": [goods("X-1", weight_scale_kg=v)]}) for v in odd_decimals]
    made += [
        ("devices", {**device, k: v})
        for k in ("lon", "lat", "expected_interval_s")
        for v in (HUGE, float("nan"), float("inf"), "1e400", -1e300)
    ]
    made += [
        ("devices", {**device, "claims": v})
        for v in ({"a": float("nan")}, {"a": float("inf")}, {"\x00": 1}, {"a": "\ud800"}, {"a": "b\x00"}, [], "x")
    ]
    made += [("devices", {**device, "device_id": v}) for v in ("a\n", "a/b", "#", "+", "ＲＤＲ", "a" * 65, "")]
    nested: Any = {}
    for _ in range(400):
        nested = {"a": [nested]}
    made += [("devices", {**device, "claims": nested}), ("devices", {**device, "claims": {"a": 10**4000}})]
    return made


def test_bodies_from_another_world_are_refused_and_never_a_fault_of_ours(api: ApiServer) -> None:
    loader = seed(api)
    seen: list[str] = []
    for noun, body in bodies():
        content = json.dumps(body)
        try:
            answer = loader.post(f"/api/v1/{noun}", content=content, headers={"Content-Type": "application/json"})
        except httpx.TransportError as exc:
            seen.append(f"{noun} {content[:300]}: {exc!r}")
            continue
        shown = f"{noun} {json.dumps(body)[:300]}: {answer.status_code} {answer.text[:300]}"
        if answer.status_code >= 500:
            seen.append(shown)
        else:
            assert answer.status_code in (201, 400, 409, 422), shown
    assert seen == [], "\n".join(seen)


@pytest.mark.parametrize("username", ["Officer2x", "ｏfficer", "offi cer", "officer\n", "o", "root\x00", "оfficer", "../x", "a" * 65])
def test_a_user_name_that_could_be_taken_for_another_is_refused(api: ApiServer, username: str) -> None:
    new = {"username": username, "display_name": "X", "password": "a long enough password", "roles": ["approver"]}
    answer = api.client("admin").post("/api/v1/users", json=new)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")


@pytest.mark.parametrize(
    "fields",
    [
        {"username": "x", "password": "y" * 201}, {"username": "x" * 65, "password": "y"}, {"username": "", "password": ""}, {"username": "a\x00", "password": "b"},
        {"username": "a", "password": "b", "grant_type": "client_credentials"}, {}, {"username": "x"},
    ],
)  # fmt: skip
def test_a_broken_sign_in_is_refused_before_it_costs_anything(api: ApiServer, fields: dict[str, str]) -> None:
    answer = api.client().post("/api/v1/auth/token", data=fields)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "kind", ["multipart/form-data", "multipart/form-data; boundary=", "application/x-www-form-urlencoded; charset=x", "text/plain", "x"]
)
def test_a_form_that_is_none_is_refused(api: ApiServer, kind: str) -> None:
    answer = api.client().post("/api/v1/auth/token", content=b"--\r\nusername=\xff&password=%zz&%00" * 3, headers={"Content-Type": kind})
    assert answer.status_code in (400, 401, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "header",
    [
        ("Authorization", "Bearer " + "x" * 7000),
        ("Authorization", "Bearer \xff\xfe"),
        ("Authorization", "Bearer a.b.c"),
        ("Authorization", "Basic eDp5"),
    ],
)
def test_a_token_that_is_none_is_refused(api: ApiServer, header: tuple[str, str]) -> None:
    client = api.client()
    answer = client.get("/api/v1/me", headers=[(header[0].encode(), header[1].encode("latin-1"))])
    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")


@pytest.mark.parametrize("key", ["", "a b", "x" * 201, "\xff", "a\tb"])
def test_an_idempotency_key_that_is_none_is_refused(api: ApiServer, key: str) -> None:
    body = {"party_id": "P", "name": "P", "name_zh": "P", "roles": ["LENDER"]}
    answer = api.client("loader").post("/api/v1/parties", json=body, headers=[(b"Idempotency-Key", key.encode("latin-1"))])
    assert answer.status_code == 422, answer.text


def test_raw_bytes_that_are_no_http_end_the_connection_and_not_the_server(api: ApiServer) -> None:
    host, port = api.url.removeprefix("http://").split(":")
    for raw in (
        b"GET /api/v1/goods/\xff\xfe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"POST /api/v1/goods HTTP/1.1\r\nHost: x\r\nContent-Length: " + b"9" * 5000 + b"\r\nConnection: close\r\n\r\n",
        b"POST /api/v1/goods HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\nConnection: close\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
    ):
        with socket.create_connection((host, int(port)), timeout=20) as conn:
            conn.sendall(raw)
            conn.shutdown(socket.SHUT_WR)
            answer = b""
            while piece := conn.recv(65536):
                answer += piece
        assert b" 500 " not in answer[:20], answer
    assert api.client().get("/healthz").status_code == 200


def test_pages_lose_and_repeat_nothing_while_alerts_arrive(api: ApiServer, pool: Pool) -> None:
    for n in range(25):
        add_alert(pool, f"old-{n:02d}", severity="P3")  # all opened at one instant: the id decides
    officer = api.client("officer")
    seen: list[str] = []
    cursor = None
    for step in range(10):
        page = ok(officer.get("/api/v1/alerts", params={"limit": 7, **({"cursor": cursor} if cursor else {})}))
        seen += [a["alert_id"] for a in page["items"]]
        cursor = page["next_cursor"]
        add_alert(pool, f"zz-new-{step}")
        if cursor is None:
            break
    assert seen == sorted((f"old-{n:02d}" for n in range(25)), reverse=True)
    assert ok(officer.get("/api/v1/alerts/counts")) == {"P1": 4, "P2": 0, "P3": 25, "P4": 0}
