"""The commands that the README tells people to type, typed into a shell against a running API."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from api_server import T0, ApiServer, add_alert, serve

from api.accounts import create_user
from db.pool import Pool

README = Path(__file__).resolve().parents[2] / "README.md"
PASSWORD = "a+b&c=d%41 密码 $x"


@pytest.fixture
def api(pool: Pool, database_url: str) -> Iterator[ApiServer]:
    with serve(pool, database_url) as running:
        yield running


def commands() -> str:
    """The block of the README that signs in and asks for alerts."""
    blocks = re.findall(r"```sh\n(.*?)```", README.read_text(encoding="utf-8"), re.S)
    return next(str(b) for b in blocks if "auth/token" in b)


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl on this machine")
def test_the_readme_s_commands_show_the_open_alerts(api: ApiServer, pool: Pool) -> None:
    with pool.connection() as conn:
        conn.execute("DELETE FROM app_user WHERE username = 'officer'")
    create_user(pool, "demo", "officer", "Officer", PASSWORD, ["risk_officer"], T0)
    add_alert(pool, "a1", severity="P1")
    add_alert(pool, "a2", severity="P3")
    typed = commands()
    assert "URL=http://127.0.0.1:PORT" in typed
    assert "PASSWORD=..." in typed
    typed = re.sub(r"(?m)^PASSWORD=.*$", f"PASSWORD='{PASSWORD}'", typed.replace("http://127.0.0.1:PORT", api.url))
    done = subprocess.run(["sh", "-euc", typed], capture_output=True, text=True, timeout=60, check=True)
    assert [a["alert_id"] for a in json.loads(done.stdout)["items"]] == ["a1"]
