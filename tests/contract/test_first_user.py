"""deploy/first_user.py opens the door once, on an empty store only."""

from __future__ import annotations

import importlib.util
from datetime import UTC, datetime
from pathlib import Path

import pytest

from api.accounts import authenticate
from db.pool import Pool

SCRIPT = Path(__file__).resolve().parents[2] / "deploy" / "first_user.py"


def test_first_user_can_sign_in_and_there_is_no_second_first(pool: Pool) -> None:
    spec = importlib.util.spec_from_file_location("first_user", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    password = script.first_user(pool, "main", "Example Bank", datetime(2026, 3, 2, tzinfo=UTC))
    admin = authenticate(pool, "admin", password)
    assert admin is not None
    assert admin.tenant_id == "main"
    assert [role.value for role in admin.roles] == ["admin"]
    with pytest.raises(script.UsersExist):
        script.first_user(pool, "main", "Example Bank", datetime(2026, 3, 2, tzinfo=UTC))


def test_sample_users_are_those_of_the_demo_and_made_once(pool: Pool) -> None:
    from simulators.embedded.demo import USERS

    spec = importlib.util.spec_from_file_location("sample_users", SCRIPT.with_name("sample_users.py"))
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert {user.username: tuple(user.roles) for user in USERS} == script.ROLES
    now = datetime(2020, 3, 9, tzinfo=UTC)
    passwords = {name: f"a password of {name}" for name in script.ROLES}
    assert script.sample_users(pool, passwords, now) == list(script.ROLES)
    assert script.sample_users(pool, passwords, now) == []
