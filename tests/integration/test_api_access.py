"""Who gets in, who may do what, what is done once, what is refused."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from api_server import PASSWORD, ApiServer, add_alert, goods, ok, seed, serve, until

from api.permissions import MATRIX, Permission, Role
from db.pool import Pool

PUBLIC = {"sign_in", "healthz", "readyz", "metrics"}
NEEDS = {
    **dict.fromkeys(("create_user", "set_user_roles", "deactivate_user", "activate_user", "reset_password"), Permission.USER_MANAGE),
    **dict.fromkeys(
        ("register_parties", "register_warehouses", "register_zones", "register_commodities", "record_prices"), Permission.MASTER_WRITE
    ),
    **dict.fromkeys(("register_documents", "register_receipt", "register_trip", "set_trip_status"), Permission.MASTER_WRITE),
    **dict.fromkeys(
        ("register_device", "rotate_device_credential", "revoke_device_credential", "map_antenna", "set_device_read_policy"),
        Permission.DEVICE_WRITE,
    ),
    "register_goods": Permission.GOODS_WRITE,
    "bind_tag": Permission.TAG_BIND,
    "unbind_tag": Permission.TAG_BIND,
    "open_facility": Permission.FACILITY_OPEN,
    **dict.fromkeys(("post_cash", "accrue_interest"), Permission.CASH_POST),
    **dict.fromkeys(("propose_price_override", "propose_price_differential"), Permission.PRICE_VOUCH),
    **dict.fromkeys(("decide_price_override", "decide_price_differential"), Permission.PRICE_DECIDE),
    "propose_correction": Permission.CORRECTION_ASK,
    "decide_correction": Permission.CORRECTION_DECIDE,
    "set_rate": Permission.RATE_SET,
    "issue_certificate": Permission.CERTIFICATE_ISSUE,
    "record_receipt_elements": Permission.RECEIPT_RECORD,
    "freeze_receipt": Permission.RECEIPT_FREEZE,
    "propose_receipt_order": Permission.RECEIPT_ASK,
    "decide_receipt_order": Permission.RECEIPT_DECIDE,
    "create_pledge": Permission.PLEDGE_CREATE,
    "approve_pledge": Permission.PLEDGE_APPROVE,
    "request_release": Permission.RELEASE_REQUEST,
    "approve_release_as_maker": Permission.RELEASE_MAKE,
    "approve_release_as_checker": Permission.RELEASE_CHECK,
    "approve_release_as_second_checker": Permission.RELEASE_CHECK,
    "cancel_release": Permission.RELEASE_CANCEL,
    "acknowledge_margin_call": Permission.MARGIN_ACKNOWLEDGE,
    "approve_disposal": Permission.DISPOSAL_APPROVE,
    "withdraw_disposal": Permission.DISPOSAL_WITHDRAW,
    **dict.fromkeys(("acknowledge_alert", "assign_alert", "set_alert_status"), Permission.ALERT_WORK),
    "comment_alert": Permission.ALERT_COMMENT,
    "close_alert": Permission.ALERT_CLOSE,
    "run_job": Permission.JOB_RUN,
    "record_rule_input": Permission.MASTER_WRITE,
    **dict.fromkeys(("set_rule_threshold", "set_rule_mode"), Permission.RULE_TUNE),
    "post_messages": Permission.INGEST_POST,
    **dict.fromkeys(("redrive_dead_letters", "redrive_dead_letter", "discard_dead_letter"), Permission.DEAD_LETTER_WORK),
    **dict.fromkeys(("place_legal_hold", "lift_legal_hold"), Permission.HOLD_PLACE),
    "list_audit": Permission.AUDIT_READ,
    **dict.fromkeys(("capture_epcis_document", "capture_epcis_event"), Permission.EPCIS_CAPTURE),
    **dict.fromkeys(("create_epcis_query", "delete_epcis_query"), Permission.EPCIS_QUERY),
    "map_epcis_place": Permission.EPCIS_PLACE,
}
BY_ROLE = {
    Role.RISK_OFFICER: "officer",
    Role.APPROVER: "approver",
    Role.WAREHOUSE_OPERATOR: "operator",
    Role.DEVICE_ADMIN: "devices",
    Role.AUDITOR: "auditor",
    Role.ADMIN: "admin",
    Role.SYSTEM: "loader",
}


@pytest.fixture
def api(pool: Pool, database_url: str) -> Iterator[ApiServer]:
    with serve(pool, database_url, body_bytes_max=200_000) as running:
        yield running


def operations(client: httpx.Client) -> list[tuple[str, str, str]]:
    paths = ok(client.get("/openapi.json"))["paths"]
    return [(method.upper(), path, op["operationId"]) for path, item in paths.items() for method, op in item.items()]


def call(client: httpx.Client, method: str, path: str) -> httpx.Response:
    return client.request(method, re.sub(r"\{[^}]+\}", "none", path), json={} if method == "POST" else None)


def test_every_route_but_the_public_ones_asks_who_is_there(api: ApiServer) -> None:
    nobody = api.client()
    wrong = api.client()
    wrong.headers["Authorization"] = "Bearer nonsense"
    for method, path, name in operations(nobody):
        if name in PUBLIC:
            continue
        for client in (nobody, wrong):
            answer = call(client, method, path)
            assert answer.status_code == 401, f"{method} {path}: {answer.status_code}"
            assert answer.json()["code"] == "not_authenticated"
            assert answer.headers["www-authenticate"] == "Bearer"


def test_every_write_and_the_audit_trail_follow_the_role_table(api: ApiServer) -> None:
    clients = {role: api.client(name) for role, name in BY_ROLE.items()}
    seen = set()
    for method, path, name in operations(api.client()):
        if name in PUBLIC or name in ("stream", "stream_token", "change_own_password"):
            continue
        permission = NEEDS.get(name, Permission.READ)
        if method != "GET":
            assert permission is not Permission.READ, f"{method} {path} has no line in this table"
        seen.add(name)
        for role, client in clients.items():
            status = call(client, method, path).status_code
            if role in MATRIX[permission]:
                assert status not in (401, 403), f"{role} {method} {path}: {status}"
            else:
                assert status == 403, f"{role} {method} {path}: {status}"
    assert set(NEEDS) <= seen


def test_signing_in_gives_a_token_that_works(api: ApiServer) -> None:
    got = ok(api.client().post("/api/v1/auth/token", data={"username": "officer", "password": PASSWORD}), 200)
    assert got["token_type"] == "bearer"
    assert got["roles"] == ["risk_officer"]
    me = ok(httpx.get(f"{api.url}/api/v1/me", headers={"Authorization": f"Bearer {got['access_token']}"}))
    assert me["user_id"] == got["user_id"]
    assert "alert.work" in me["permissions"]
    assert ok(api.client("auditor").get("/api/v1/audit", params={"action": "auth.sign_in"}))["items"][0]["user_id"] == got["user_id"]


def test_a_wrong_password_and_an_unknown_name_get_the_same_answer_and_then_have_to_wait(api: ApiServer) -> None:
    client = api.client()
    answers = [client.post("/api/v1/auth/token", data={"username": name, "password": "wrong"}) for name in ("officer", "nobody")]
    assert [a.status_code for a in answers] == [401, 401]
    assert answers[0].json() == answers[1].json()
    for _ in range(5):
        client.post("/api/v1/auth/token", data={"username": "officer", "password": "wrong"})
    blocked = client.post("/api/v1/auth/token", data={"username": "officer", "password": PASSWORD})
    assert blocked.status_code == 429
    assert int(blocked.headers["retry-after"]) >= 1
    assert client.post("/api/v1/auth/token", data={"username": "approver", "password": PASSWORD}).status_code == 200


def test_a_failed_sign_in_is_audited_without_what_was_typed(api: ApiServer, pool: Pool) -> None:
    client = api.client()
    with pool.connection() as conn:
        conn.execute("UPDATE app_user SET active = false WHERE username = 'operator'")
    said = [
        client.post("/api/v1/auth/token", data={"username": name, "password": word})
        for name, word in (("officer", "hunter2-hunter2"), ("operator", PASSWORD), ("hunter2 in the wrong field", PASSWORD))
    ]
    assert [(a.status_code, a.json()) for a in said[1:]] == [(401, said[0].json())] * 2
    auditor = api.client("auditor")
    found = until(
        lambda: len(items := ok(auditor.get("/api/v1/audit", params={"action": "auth.sign_in.refused"}))["items"]) == 2 and items,
        "both failures are on record",
    )
    assert {e["subject_id"] for e in found} == {api.users[n].user_id for n in ("officer", "operator")}
    with pool.connection() as conn:
        kept = conn.execute("SELECT string_agg(to_jsonb(a)::text, ' ') FROM audit_entry a").fetchone()
    assert kept is not None
    assert "hunter2" not in kept[0]


def test_guesses_sent_at_once_are_stopped_before_they_are_hashed(api: ApiServer) -> None:
    statuses: list[int] = []

    def guess() -> None:
        with httpx.Client(base_url=api.url, timeout=60) as client:
            statuses.append(client.post("/api/v1/auth/token", data={"username": "officer", "password": "wrong"}).status_code)

    threads = [threading.Thread(target=guess) for _ in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(set(statuses)) == [401, 429]
    assert statuses.count(401) <= 6


@pytest.mark.parametrize("typed", ["Officer", "ＯＦＦＩＣＥＲ"])
def test_a_name_from_an_input_method_signs_in_and_shares_the_throttle(api: ApiServer, typed: str) -> None:
    client = api.client()
    assert ok(client.post("/api/v1/auth/token", data={"username": typed, "password": PASSWORD}))["user_id"] == api.users["officer"].user_id
    for name in ["officer", typed] * 3:
        client.post("/api/v1/auth/token", data={"username": name, "password": "wrong"})
    assert client.post("/api/v1/auth/token", data={"username": typed, "password": PASSWORD}).status_code == 429


def test_what_is_kept_of_a_request_tells_nothing_of_its_password(api: ApiServer, pool: Pool) -> None:
    admin = api.client("admin")
    new = {"username": "zhang.wei", "display_name": "张伟", "password": "another long password", "roles": ["approver"]}
    key = {"Idempotency-Key": "u-1"}
    made = ok(admin.post("/api/v1/users", json=new, headers=key), 201)
    again = admin.post("/api/v1/users", json={**new, "password": "quite another password"}, headers=key)
    assert (again.status_code, again.json(), again.headers["idempotency-replayed"]) == (201, made, "true")
    for word, status in (("another long password", 200), ("quite another password", 401)):
        assert api.client().post("/api/v1/auth/token", data={"username": "zhang.wei", "password": word}).status_code == status
    with pool.connection() as conn:
        kept = conn.execute("SELECT string_agg(to_jsonb(k)::text, ' ') FROM idempotency_key k").fetchone()
        audit = conn.execute("SELECT string_agg(to_jsonb(a)::text, ' ') FROM audit_entry a").fetchone()
    assert kept is not None
    assert audit is not None
    assert "password" not in kept[0] + audit[0]


def test_the_same_key_on_another_version_is_a_conflict(api: ApiServer, pool: Pool) -> None:
    add_alert(pool, "a1")
    officer = api.client("officer")
    body = {"status": "INVESTIGATING"}
    first = ok(officer.post("/api/v1/alerts/a1/status", json=body, headers={"Idempotency-Key": "s", "If-Match": '"1"'}))
    same = officer.post("/api/v1/alerts/a1/status", json=body, headers={"Idempotency-Key": "s", "If-Match": '"1"'})
    assert ok(same) == first
    other = officer.post("/api/v1/alerts/a1/status", json=body, headers={"Idempotency-Key": "s", "If-Match": f'"{first["version"]}"'})
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")
    assert ok(officer.get("/api/v1/alerts/a1"))["version"] == first["version"]


def test_a_user_who_is_locked_out_is_out_although_the_token_lives(api: ApiServer, pool: Pool) -> None:
    client = api.client("officer")
    ok(client.get("/api/v1/me"))
    with pool.connection() as conn:
        conn.execute("UPDATE app_user SET active = false WHERE username = 'officer'")
    api.parts.known_users.clear()
    assert client.get("/api/v1/me").status_code == 401


def test_an_admin_makes_users_and_a_taken_name_is_refused(api: ApiServer) -> None:
    admin = api.client("admin")
    new = {"username": "zhang.wei", "display_name": "张伟", "password": "another long password", "roles": ["approver"]}
    made = ok(admin.post("/api/v1/users", json=new), 201)
    assert "password" not in str(made)
    refused = admin.post("/api/v1/users", json=new)
    assert (refused.status_code, refused.json()["code"]) == (409, "username_taken")
    assert ok(api.client().post("/api/v1/auth/token", data={"username": "zhang.wei", "password": "another long password"}))


def party(name: str = "One") -> dict[str, Any]:
    return {"party_id": "P-1", "name": name, "name_zh": "一", "roles": ["COUNTERPARTY"]}


def test_the_same_request_under_a_key_is_done_once_and_answered_alike(api: ApiServer) -> None:
    loader = api.client("loader")
    key = {"Idempotency-Key": "k-1"}
    first = loader.post("/api/v1/parties", json=party(), headers=key)
    second = loader.post("/api/v1/parties", json=dict(reversed(party().items())), headers=key)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert len(ok(api.client("auditor").get("/api/v1/audit", params={"action": "party.register"}))["items"]) == 1


def test_another_request_under_the_same_key_is_a_conflict(api: ApiServer) -> None:
    loader = api.client("loader")
    key = {"Idempotency-Key": "k-1"}
    ok(loader.post("/api/v1/parties", json=party(), headers=key), 201)
    for other in (
        loader.post("/api/v1/parties", json=party("Two"), headers=key),
        loader.post("/api/v1/goods", json={"items": [goods("X")]}, headers=key),
    ):
        assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")


def test_a_refusal_is_answered_alike_under_its_key(api: ApiServer) -> None:
    loader = api.client("loader")
    body = {"facility_id": "NONE", "goods_ids": ["NONE"]}
    first = loader.post("/api/v1/pledges", json=body, headers={"Idempotency-Key": "k-2"})
    second = loader.post("/api/v1/pledges", json=body, headers={"Idempotency-Key": "k-2"})
    assert first.status_code in (404, 422)
    assert second.status_code == first.status_code
    assert second.json() == first.json()
    assert second.headers["content-type"] == "application/problem+json"


def test_two_people_may_use_the_same_key(api: ApiServer) -> None:
    seed(api)
    for name in ("loader", "devices"):
        body = {"device_id": f"RDR-{name}", "site": "S", "class": "rfid", "format": "native", "name": name}
        ok(api.client(name).post("/api/v1/devices", json=body, headers={"Idempotency-Key": "same"}), 201)


def test_money_sent_by_eight_at_once_under_one_key_moves_once(api: ApiServer, pool: Pool) -> None:
    seed(api)
    cash = {
        "facility_id": "FAC-1",
        "kind": "MARGIN_DEPOSIT",
        "amount": "500.00",
        "currency": "CNY",
        "reason": "margin",
    }
    answers: list[httpx.Response] = []
    clients = [api.client("loader") for _ in range(8)]

    def send(client: httpx.Client) -> None:
        answers.append(client.post("/api/v1/cash-movements", json=cash, headers={"Idempotency-Key": "once"}))

    threads = [threading.Thread(target=send, args=(c,)) for c in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [a.status_code for a in answers] == [201] * 8, [a.text for a in answers]
    assert len({a.json()["entry_id"] for a in answers}) == 1
    with pool.connection() as conn:
        assert conn.execute("SELECT cash_margin FROM facility_balance WHERE facility_id = 'FAC-1'").fetchone()[0] == 500  # type: ignore[index]


def test_an_alert_is_worked_with_the_version_that_was_seen(api: ApiServer, pool: Pool) -> None:
    add_alert(pool, "a1")
    officer = api.client("officer")
    read = officer.get("/api/v1/alerts/a1")
    assert read.headers["etag"] == '"1"'
    assert officer.post("/api/v1/alerts/a1/acknowledge").status_code == 422
    acknowledged = ok(officer.post("/api/v1/alerts/a1/acknowledge", json={"version": 1, "comment": "on it"}))
    assert acknowledged["status"] == "ACK"
    assert acknowledged["owner"] == api.users["officer"].user_id
    stale = api.client("officer2").post("/api/v1/alerts/a1/status", json={"status": "CONFIRMED"}, headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "version_mismatch")
    assert stale.json()["details"]["version"] == acknowledged["version"]
    owner = api.users["officer2"].user_id
    assigned = ok(officer.post("/api/v1/alerts/a1/assign", json={"owner": owner}, headers={"If-Match": "*"}))
    assert assigned["owner"] == owner
    stranger = officer.post("/api/v1/alerts/a1/assign", json={"owner": api.users["stranger"].user_id}, headers={"If-Match": "*"})
    assert stranger.status_code == 422


def test_a_p1_alert_takes_two_people_to_close(api: ApiServer, pool: Pool) -> None:
    add_alert(pool, "a1", severity="P1")
    officer = api.client("officer")
    first = ok(officer.post("/api/v1/alerts/a1/close", json={"reason": "goods came back", "version": 1}))
    assert first["status"] == "OPEN"
    assert first["closing_user"] == api.users["officer"].user_id
    again = officer.post("/api/v1/alerts/a1/close", json={"reason": "really", "version": first["version"]})
    assert (again.status_code, again.json()["code"]) == (409, "same_person")
    closed = ok(api.client("approver").post("/api/v1/alerts/a1/close", json={"reason": "seen it", "version": first["version"]}))
    assert closed["status"] == "CLOSED"
    assert [e["kind"] for e in closed["events"]][-1] == "CLOSED"


def test_another_tenant_cannot_see_or_touch_an_alert(api: ApiServer, pool: Pool) -> None:
    add_alert(pool, "a1")
    stranger = api.client("stranger")
    assert ok(stranger.get("/api/v1/alerts"))["items"] == []
    assert stranger.get("/api/v1/alerts/a1").status_code == 404
    for step, body in (("acknowledge", {"version": 1}), ("comments", {"text": "hi"}), ("close", {"version": 1, "reason": "x"})):
        assert stranger.post(f"/api/v1/alerts/a1/{step}", json=body).status_code == 404, step


def test_alerts_are_filtered_by_what_is_asked(api: ApiServer, pool: Pool) -> None:
    for n, severity in enumerate(("P1", "P2", "P2")):
        add_alert(pool, f"a{n}", severity=severity)
    officer = api.client("officer")
    found = ok(officer.get("/api/v1/alerts", params={"severity": "P2", "open": True}))["items"]
    assert {a["alert_id"] for a in found} == {"a1", "a2"}
    assert ok(officer.get("/api/v1/alerts", params={"subject_id": "a0"}))["items"][0]["severity"] == "P1"
    assert officer.get("/api/v1/alerts", params={"severity": "P9"}).status_code == 422


def test_a_body_over_the_limit_is_refused_before_it_is_read(api: ApiServer) -> None:
    loader = api.client("loader")
    big = b'{"items": [' + b" " * 300_000 + b"]}"
    said = loader.post("/api/v1/goods", content=big, headers={"Content-Type": "application/json"})
    assert (said.status_code, said.json()["code"]) == (413, "body_too_large")

    def pieces() -> Iterator[bytes]:
        for at in range(0, len(big), 10_000):
            yield big[at : at + 10_000]

    streamed = loader.post("/api/v1/goods", content=pieces(), headers={"Content-Type": "application/json"})
    assert streamed.status_code == 413
    assert ok(loader.get("/api/v1/me"))["username"] == "loader"


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"[1,", b'{"items": NaN}', b"1" * 5000, b"[" * 100_000, b"null", b'""'])
def test_a_body_that_is_no_json_object_is_refused_and_not_a_crash(api: ApiServer, body: bytes) -> None:
    answer = api.client("loader").post("/api/v1/goods", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_every_answer_carries_the_security_headers(api: ApiServer) -> None:
    client = api.client()
    for path in ("/", "/desk/app.js", "/api/v1/me", "/healthz", "/nowhere"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff", path
        assert headers["x-frame-options"] == "DENY"
        policy = headers["content-security-policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
    assert client.get("/api/v1/me").headers["cache-control"] == "no-store"
    page = client.get("/").text
    assert "<script>" not in page
    assert "style=" not in page
    assert client.get("/desk/../app.py").status_code == 404


def test_unknown_paths_and_methods_answer_with_problems(api: ApiServer) -> None:
    client = api.client("officer")
    missing = client.get("/api/v1/nothing")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    wrong = client.put("/api/v1/goods")
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method_not_allowed")
    assert "GET" in wrong.headers["allow"]


def test_a_run_is_asked_for_and_an_unknown_job_is_not(api: ApiServer, pool: Pool) -> None:
    with pool.connection() as conn:
        conn.execute("INSERT INTO job_schedule (job, next_fire_at, updated_at) VALUES ('cross_check', now(), now())")
    officer = api.client("officer")
    asked = ok(officer.post("/api/v1/jobs/cross_check/run"), 202)
    assert asked["state"] == "WAITING"
    assert officer.post("/api/v1/jobs/coffee/run", json={}).status_code == 404
    assert ok(officer.get("/api/v1/jobs"))["schedule"][0]["job"] == "cross_check"
    assert len(ok(officer.get("/api/v1/rules"))["items"]) >= 14
