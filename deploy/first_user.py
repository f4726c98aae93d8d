#!/usr/bin/env python
"""A tenant and its first administrator on an empty store; prints the password, which is kept nowhere. Refuses when there are users.

docker compose run --rm --entrypoint first_user.py api main "Example Bank"
"""

from __future__ import annotations

import os
import secrets
import sys
from datetime import UTC, datetime
from pathlib import Path

from api.accounts import create_user, ensure_tenant
from db.pool import Pool, open_pool


class UsersExist(Exception):
    """This store has users; an administrator makes more through the API."""


def first_user(pool: Pool, tenant_id: str, tenant_name: str, now: datetime) -> str:
    """Make tenant and user `admin`. Returns the password. Raises UsersExist."""
    with pool.connection() as conn:
        if conn.execute("SELECT EXISTS (SELECT FROM app_user)").fetchone() == (True,):
            raise UsersExist(UsersExist.__doc__)
    ensure_tenant(pool, tenant_id, tenant_name)
    password = secrets.token_urlsafe(16)
    create_user(pool, tenant_id, "admin", "Administrator", password, ("admin",), now)
    return password


def main() -> int:
    """Exit code 1 when there are users."""
    file = os.environ.get("CHUANTOU_DATABASE_URL_FILE")
    url = os.environ.get("CHUANTOU_DATABASE_URL") or (Path(file).read_text(encoding="utf-8").strip() if file else "")
    tenant_id = sys.argv[1] if len(sys.argv) > 1 else "main"
    pool = open_pool(url, name="first-user", size_max=1)
    try:
        password = first_user(pool, tenant_id, sys.argv[2] if len(sys.argv) > 2 else tenant_id, datetime.now(UTC))
    except UsersExist as exc:
        sys.stderr.write(f"{exc}\n")
        return 1
    finally:
        pool.close()
    sys.stdout.write(f"tenant {tenant_id}, user admin, password {password}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
