"""Users are locked out, given roles and passwords; what an old password opened ends; an administrator always stays."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest
from api_server import PASSWORD, T0, ApiServer, ok, serve

from api import accounts
from api.permissions import Role
from collateral.errors import SamePersonRefused
from db.pool import Pool

NEW = "another long password"


@pytest.fixture
def api(pool: Pool, database_url: str) -> Iterator[ApiServer]:
    with serve(pool, database_url) as running:
        yield running


def sign_in(api: ApiServer, username: str, password: str = PASSWORD) -> httpx.Response:
    return api.client().post("/api/v1/auth/token", data={"username": username, "password": password})


def with_token(api: ApiServer, token: str) -> httpx.Client:
    client = api.client()
    client.headers["Authorization"] = f"Bearer {token}"
    return client


def path(api: ApiServer, username: str, what: str) -> str:
    return f"/api/v1/users/{api.users[username].user_id}/{what}"


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_who_is_locked_out_is_out_at_once_and_an_old_token_does_not_come_back(api: ApiServer) -> None:
    admin, officer = api.client("admin"), with_token(api, ok(sign_in(api, "officer"))["access_token"])
    assert ok(officer.get("/api/v1/me"))["username"] == "officer"
    gone = ok(admin.post(path(api, "officer", "deactivation"), json={"reason": "left the bank"}))
    assert (gone["active"], "password" in str(gone)) == (False, False)
    assert code(officer.get("/api/v1/me")) == (401, "not_authenticated")
    assert sign_in(api, "officer").status_code == 401
    again = ok(admin.post(path(api, "officer", "activation"), json={"reason": "is back"}))
    assert again["active"] is True
    assert officer.get("/api/v1/me").status_code == 401, "a token from before stays void"
    assert ok(with_token(api, ok(sign_in(api, "officer"))["access_token"]).get("/api/v1/me"))["username"] == "officer"
    kept = ok(api.client("auditor").get("/api/v1/audit", params={"subject_id": api.users["officer"].user_id, "action": "user.deactivate"}))[
        "items"
    ]
    assert [(e["user_id"], e["detail"]["reason"]) for e in kept] == [(api.users["admin"].user_id, "left the bank")]


def test_other_roles_count_from_the_next_request(api: ApiServer) -> None:
    admin, operator = api.client("admin"), api.client("operator")
    assert "audit.read" not in ok(operator.get("/api/v1/me"))["permissions"]
    ok(admin.post(path(api, "operator", "roles"), json={"roles": ["auditor"], "reason": "moved"}))
    assert "audit.read" in ok(operator.get("/api/v1/me"))["permissions"]
    for wrong in ({"roles": [], "reason": "x"}, {"roles": ["king"], "reason": "x"}, {"roles": ["auditor"]}):
        assert admin.post(path(api, "operator", "roles"), json=wrong).status_code == 422, wrong
    assert admin.post("/api/v1/users/user_none/roles", json={"roles": ["auditor"], "reason": "x"}).status_code == 404


def test_a_reset_password_ends_what_the_old_one_had_opened(api: ApiServer) -> None:
    admin, officer = api.client("admin"), with_token(api, ok(sign_in(api, "officer"))["access_token"])
    assert admin.post(path(api, "officer", "password"), json={"password": "short", "reason": "x"}).status_code == 422
    ok(admin.post(path(api, "officer", "password"), json={"password": NEW, "reason": "forgotten"}))
    assert officer.get("/api/v1/me").status_code == 401
    assert (sign_in(api, "officer").status_code, sign_in(api, "officer", NEW).status_code) == (401, 200)
    with api.pool.connection() as conn:
        row = conn.execute("SELECT string_agg(to_jsonb(a)::text, ' ') FROM audit_entry a").fetchone()
    assert row is not None
    assert NEW not in row[0]


def test_one_changes_the_own_password_and_goes_on_with_the_answers_token(api: ApiServer) -> None:
    here, there = (with_token(api, ok(sign_in(api, "officer"))["access_token"]) for _ in range(2))
    wrong = here.post("/api/v1/me/password", json={"password": "not the password", "new_password": NEW})
    assert (wrong.status_code, wrong.json()["detail"]) == (422, "The present password is wrong.")
    assert here.post("/api/v1/me/password", json={"password": PASSWORD, "new_password": PASSWORD}).status_code == 422
    key = {"Idempotency-Key": "change-1"}
    done = ok(here.post("/api/v1/me/password", json={"password": PASSWORD, "new_password": NEW}, headers=key))
    assert there.get("/api/v1/me").status_code == 401
    assert here.get("/api/v1/me").status_code == 401
    on = with_token(api, done["access_token"])
    assert ok(on.get("/api/v1/me"))["username"] == "officer"
    repeated = ok(on.post("/api/v1/me/password", json={"password": PASSWORD, "new_password": NEW}, headers=key))
    assert repeated["access_token"] is None, "a token is shown once"
    for _ in range(8):
        guess = on.post("/api/v1/me/password", json={"password": "a wrong guess", "new_password": PASSWORD})
    assert code(guess) == (429, "too_many_attempts")


def test_an_administrator_changes_neither_the_own_access_nor_takes_the_last_one(api: ApiServer) -> None:
    admin = api.client("admin")
    for what, body in (("deactivation", {}), ("roles", {"roles": ["auditor"]}), ("password", {"password": NEW})):
        assert code(admin.post(path(api, "admin", what), json={**body, "reason": "x"})) == (409, "same_person")
    with pytest.raises(accounts.LastAdministrator, match="last active administrator"):
        accounts.set_active(api.pool, "demo", api.users["admin"].user_id, api.users["officer"].user_id, active=False)
    for change in ("active = false", "roles = ARRAY['auditor']", "tenant_id = 'other'"):
        with pytest.raises(psycopg.errors.CheckViolation, match="last active administrator"), api.pool.connection() as conn:
            conn.execute(f"UPDATE app_user SET {change} WHERE username = 'admin'".encode())


def test_two_administrators_who_lock_each_other_out_at_once_leave_one(api: ApiServer) -> None:
    second = accounts.create_user(api.pool, "demo", "admin2", "Second", PASSWORD, [Role.ADMIN], T0)
    first = api.users["admin"]
    for _ in range(5):
        start, outcomes = threading.Barrier(2), []

        def lock_out(whom: str, by: str, start: Any = start, outcomes: Any = outcomes) -> None:
            start.wait(10)
            try:
                accounts.set_active(api.pool, "demo", whom, by, active=False)
                outcomes.append("out")
            except (accounts.LastAdministrator, SamePersonRefused):
                outcomes.append("refused")

        threads = [
            threading.Thread(target=lock_out, args=pair) for pair in ((first.user_id, second.user_id), (second.user_id, first.user_id))
        ]
        for t in threads:
            t.start()
        for t in threads:
            t.join(30)
        assert sorted(outcomes) == ["out", "refused"]
        with api.pool.connection() as conn:
            conn.execute("UPDATE app_user SET active = true WHERE username IN ('admin', 'admin2')")


def test_every_pair_of_steps_about_a_user_is_refused_to_others(api: ApiServer) -> None:
    for name in ("officer", "auditor", "loader"):
        for what, body in (("deactivation", {}), ("activation", {}), ("roles", {"roles": ["admin"]}), ("password", {"password": NEW})):
            assert api.client(name).post(path(api, "operator", what), json={**body, "reason": "x"}).status_code == 403
