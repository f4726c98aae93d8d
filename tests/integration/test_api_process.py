"""`python -m api` as it is deployed: a process with settings, logs and signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from api_server import make_users, until

from api.tokens import Tokens
from db.pool import Pool

SECRET = "a secret of more than thirty-two bytes"


@contextmanager
def process(**env: str) -> Iterator[tuple[subprocess.Popen[str], list[dict[str, object]]]]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("CHUANTOU_")}
    started = subprocess.Popen(
        [sys.executable, "-m", "api"], stderr=subprocess.PIPE, text=True, env={**clean, "CHUANTOU_API_PORT": "0", **env}
    )
    lines: list[dict[str, object]] = []
    assert started.stderr is not None
    stderr = started.stderr
    reader = threading.Thread(target=lambda: lines.extend(json.loads(line) for line in iter(stderr.readline, "")), daemon=True)
    reader.start()
    try:
        yield started, lines
    finally:
        if started.poll() is None:
            started.kill()
        started.wait(10)
        reader.join(10)
        stderr.close()


def test_it_serves_with_the_shared_clock_and_ends_on_sigterm_although_a_stream_is_open(
    pool: Pool, database_url: str, tmp_path: Path
) -> None:
    users = make_users(pool)
    clock = tmp_path / "clock"
    clock.write_text("standing 2020-03-09T06:00:00+00:00", encoding="ascii")
    secret = tmp_path / "secret"
    secret.write_text(SECRET + "\n", encoding="ascii")
    env = {"CHUANTOU_DATABASE_URL": database_url, "CHUANTOU_JWT_SECRET_FILE": str(secret), "CHUANTOU_CLOCK": f"file:{clock}"}
    with process(**env) as (running, lines):
        url = str(until(lambda: next((x["url"] for x in lines if x["event"] == "listening"), None), "it listens", 40))
        assert url.startswith("http://127.0.0.1:")
        token, _ = Tokens(SECRET).issue(users["officer"].user_id, "demo")
        with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=20) as client:
            until(lambda: client.get("/readyz").status_code == 200, "it is ready")
            assert client.get("/api/v1/me").json()["now"] == "2020-03-09T06:00:00Z"
            clock.write_text(f"2020-03-09T06:00:00+00:00@{time.time():.3f}x1440", encoding="ascii")
            assert client.get("/api/v1/me").json()["clock_speed"] == pytest.approx(1440)
            with client.stream("GET", "/api/v1/stream") as stream:
                assert stream.status_code == 200
                next(stream.iter_lines())
                running.send_signal(signal.SIGTERM)
                assert running.wait(15) == 0
    requests = [x for x in lines if x["event"] == "request"]
    assert {"method", "path", "status", "took_ms"} <= set(requests[0])
    assert token not in json.dumps(lines)
    assert lines[-1]["event"] == "stopped"


@pytest.mark.parametrize(
    ("env", "word"),
    [
        ({}, "CHUANTOU_DATABASE_URL"),
        ({"CHUANTOU_DATABASE_URL": "postgresql://x", "CHUANTOU_JWT_SECRET": "short"}, "32 bytes"),
        ({"CHUANTOU_DATABASE_URL": "postgresql://x", "CHUANTOU_JWT_SECRET": SECRET, "CHUANTOU_CLOCK": "noon"}, "clock"),
        ({"CHUANTOU_DATABASE_URL": "postgresql://x", "CHUANTOU_JWT_SECRET": SECRET, "CHUANTOU_MQTT_URL": "http://x"}, "MQTT"),
    ],
)
def test_a_wrong_setting_ends_it_with_code_2_and_a_reason(env: dict[str, str], word: str) -> None:
    with process(**env) as (running, lines):
        assert running.wait(40) == 2
        until(lambda: any(x["event"] == "misconfigured" for x in lines), "it says so")
    said = json.dumps(lines)
    assert word in said
    assert SECRET not in said
