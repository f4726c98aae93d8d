"""What may be asked of the jobs: runs for now and for the past."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from api_server import T0, ApiServer, ok, serve

from db.pool import Pool

SECOND = timedelta(seconds=1)


@pytest.fixture
def api(pool: Pool, database_url: str) -> Iterator[ApiServer]:
    with pool.connection() as conn:
        conn.execute("INSERT INTO job_schedule (job, next_fire_at, updated_at) VALUES ('cross_check', now(), now())")
    with serve(pool, database_url) as running:
        yield running


def test_a_run_for_the_future_is_refused_with_the_reason_and_leaves_no_request(api: ApiServer, pool: Pool) -> None:
    answer = api.client("officer").post("/api/v1/jobs/cross_check/run", json={"as_of": (T0 + SECOND).isoformat()})
    assert answer.status_code == 422
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert "lies in the future" in answer.json()["detail"]
    with pool.connection() as conn:
        assert conn.execute("SELECT count(*) FROM job_request").fetchone() == (0,)


@pytest.mark.parametrize("before", [0, 1])
def test_a_run_for_now_or_the_past_is_taken(api: ApiServer, before: int) -> None:
    asked = ok(api.client("officer").post("/api/v1/jobs/cross_check/run", json={"as_of": (T0 - before * SECOND).isoformat()}), 202)
    assert asked["state"] == "WAITING"
