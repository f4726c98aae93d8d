#!/usr/bin/env python
"""The people of the sample world, in the tenant `demo`, with the passwords of a JSON file. Users that exist are left as they are."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from api.accounts import UsernameTaken, create_user, ensure_tenant
from db.pool import Pool, open_pool

ROLES = {
    "officer": ("risk_officer",),
    "approver": ("approver",),
    "approver2": ("approver",),
    "operator": ("warehouse_operator",),
    "devices": ("device_admin",),
    "auditor": ("auditor",),
    "loader": ("system",),
}


def sample_users(pool: Pool, passwords: dict[str, str], now: datetime) -> list[str]:
    """Make those that are missing. Returns their names. Raises KeyError on a name without a role."""
    ensure_tenant(pool, "demo", "Sample world")
    made = []
    for username, password in passwords.items():
        try:
            create_user(pool, "demo", username, username, password, ROLES[username], now)
        except UsernameTaken:
            continue
        made.append(username)
    return made


def main() -> int:
    """sample_users.py FILE"""
    file = os.environ.get("CHUANTOU_DATABASE_URL_FILE")
    url = os.environ.get("CHUANTOU_DATABASE_URL") or (Path(file).read_text(encoding="utf-8").strip() if file else "")
    pool = open_pool(url, name="sample-users", size_max=1)
    try:
        made = sample_users(pool, json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), datetime.now(UTC))
    finally:
        pool.close()
    sys.stdout.write(f"made {', '.join(made) or 'nobody: all are there'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
