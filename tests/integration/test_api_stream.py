"""The event stream, health and metrics, with a store that goes away and comes back."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_server import ApiServer, add_alert, add_event, ok, serve, until

from api import deps
from db.embedded import EmbeddedPostgres
from db.migrate import migrate
from db.pool import Pool, open_pool


@pytest.fixture
def api(pool: Pool, database_url: str) -> Iterator[ApiServer]:
    with serve(pool, database_url) as running:
        yield running


class Listener:
    """A client of the stream in a thread of its own."""

    def __init__(self, api: ApiServer, username: str | None = "officer", last: int | None = None, **params: Any) -> None:
        self.ids: list[int] = []
        self.resume: list[int] = []
        self.alerts: list[dict[str, Any]] = []
        self.signed_out: str | None = None
        self.open = threading.Event()
        self.ended = threading.Event()
        headers = {"Authorization": f"Bearer {api.token(username)}"} if username else {}
        if last is not None:
            headers["Last-Event-ID"] = str(last)
        self._client = httpx.Client(base_url=api.url, headers=headers, timeout=60)
        self._params = params
        thread = threading.Thread(target=self._run, daemon=True)
        api.listeners.append(thread)
        thread.start()
        assert self.open.wait(10)

    def _run(self) -> None:
        try:
            with self._client.stream("GET", "/api/v1/stream", params=self._params) as response:
                assert response.status_code == 200
                assert response.headers["content-type"].startswith("text/event-stream")
                event = ""
                for line in response.iter_lines():
                    if line.startswith("event: "):
                        event = line[7:]
                    elif line.startswith("id: "):
                        self.resume.append(int(line[4:]))
                    elif line.startswith("data: "):
                        self.open.set()
                        if event == "signed_out":
                            self.signed_out = json.loads(line[6:])["reason"]
                        if event == "alert":
                            data = json.loads(line[6:])
                            self.alerts.append(data)
                            self.ids.append(data["event"]["event_id"])
        except httpx.HTTPError:
            pass
        finally:
            self._client.close()
            self.ended.set()


def test_an_alert_reaches_every_listener_of_its_tenant_and_no_other(api: ApiServer, pool: Pool) -> None:
    mine = [Listener(api) for _ in range(3)]
    other = Listener(api, "stranger")
    event_id = add_alert(pool, "a1")
    theirs = add_alert(pool, "b1", tenant="other")
    until(lambda: all(x.ids == [event_id] for x in mine), "all see it")
    until(lambda: other.ids == [theirs], "the other tenant sees its own only")
    assert mine[0].alerts[0]["alert_id"] == "a1"
    assert mine[0].alerts[0]["event"]["kind"] == "OPENED"
    assert mine[0].resume == [event_id]


def test_a_client_that_comes_back_gets_what_it_missed(api: ApiServer, pool: Pool) -> None:
    first = add_alert(pool, "a1")
    missed = [add_alert(pool, f"m{n}") for n in range(5)]
    back = Listener(api, last=first)
    until(lambda: back.ids == missed, "it gets the five")
    live = add_alert(pool, "a2")
    until(lambda: back.ids == [*missed, live], "and then what happens")
    by_query = Listener(api, last_event_id=missed[2])
    until(lambda: by_query.ids == [*missed[3:], live], "also by the query")


def test_ids_that_commit_out_of_order_are_all_sent_and_resuming_skips_none(api: ApiServer, pool: Pool) -> None:
    add_alert(pool, "a1")
    listener = Listener(api)
    with pool.connection() as slow:
        early = add_event(slow, "a1")
        late = add_alert(pool, "a2")
        until(lambda: listener.ids == [late], "the later id that committed first is sent at once")
        assert listener.resume[-1] < early
        resumed_from = listener.resume[-1]
    until(lambda: listener.ids == [late, early], "the earlier id follows when it commits")
    again = Listener(api, last=resumed_from)
    until(lambda: set(again.ids) >= {early, late}, "one who left in between misses nothing")


def test_a_stream_token_opens_the_stream_and_nothing_else(api: ApiServer, pool: Pool) -> None:
    got = ok(api.client("officer").post("/api/v1/auth/stream-token"))
    listener = Listener(api, None, stream_token=got["stream_token"])
    event_id = add_alert(pool, "a1")
    until(lambda: listener.ids == [event_id], "it is sent")
    assert httpx.get(f"{api.url}/api/v1/me", headers={"Authorization": f"Bearer {got['stream_token']}"}).status_code == 401
    assert httpx.get(f"{api.url}/api/v1/stream", params={"stream_token": api.token("officer")}).status_code == 401
    assert httpx.get(f"{api.url}/api/v1/stream").status_code == 401


def at_every_beat(api: ApiServer) -> None:
    """Heartbeats come quickly, and each looks at the user as the store has it."""
    api.parts.heartbeat_s = 0.05
    api.parts.known_users = {}


@pytest.mark.parametrize(
    ("change", "reason"),
    [("active = false", "deactivated"), ("roles = ARRAY['auditor']", "roles_changed"), ("tenant_id = 'other'", "deactivated")],
)
def test_a_stream_ends_soon_after_its_user_may_no_longer_listen(
    api: ApiServer, pool: Pool, monkeypatch: pytest.MonkeyPatch, change: str, reason: str
) -> None:
    monkeypatch.setattr(deps, "USER_CACHE_S", 0.0)
    at_every_beat(api)
    listener, other = Listener(api), Listener(api, "officer2")
    with pool.connection() as conn:
        conn.execute(f"UPDATE app_user SET {change} WHERE username = 'officer'".encode())
    until(listener.ended.is_set, "the stream ends")
    assert listener.signed_out == reason
    event_id = add_alert(pool, "a1")
    until(lambda: other.ids == [event_id], "the colleague hears on")
    assert listener.ids == []


def test_a_stream_ends_with_the_session_and_not_with_the_stream_token(api: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    at_every_beat(api)
    session = ok(api.client("officer").post("/api/v1/auth/stream-token"))
    by_header, by_query = Listener(api), Listener(api, None, stream_token=session["stream_token"])
    now_s = time.time()
    monkeypatch.setattr(api.parts, "tokens", replace(api.parts.tokens, wall_s=lambda: now_s + 120))
    late = Listener(api)
    assert not by_query.ended.is_set()  # the stream token is over, the session is not
    monkeypatch.setattr(api.parts, "tokens", replace(api.parts.tokens, wall_s=lambda: now_s + 30_000))
    for listener in (by_header, by_query, late):
        until(listener.ended.is_set, "it ends")
        assert listener.signed_out == "expired"


def test_a_stream_that_always_has_something_to_send_is_looked_at_as_well(
    api: ApiServer, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deps, "USER_CACHE_S", 0.0)
    at_every_beat(api)
    add_alert(pool, "a1")
    listener = Listener(api)
    with pool.connection() as conn:
        conn.execute("UPDATE app_user SET active = false WHERE username = 'officer'")

    def busy() -> bool:
        with pool.connection() as conn:
            for _ in range(20):
                add_event(conn, "a1")
        return listener.ended.is_set()

    until(busy, "it ends although events keep coming")
    assert listener.signed_out == "deactivated"


def test_a_client_that_does_not_read_is_dropped_and_costs_the_others_nothing(api: ApiServer, pool: Pool) -> None:
    from api.stream import QUEUE_ITEMS_MAX, StreamItem, Subscription

    slow = Subscription("demo")
    for n in range(QUEUE_ITEMS_MAX + 5):
        slow.offer(StreamItem(n, n, "demo", {}))
    assert slow.overflowed
    assert slow.queue.qsize() == QUEUE_ITEMS_MAX
    items = [slow.queue.get_nowait() for _ in range(QUEUE_ITEMS_MAX)]
    assert items[-1] is None


@pytest.mark.slow
def test_the_store_goes_away_and_comes_back_and_nothing_is_missed(server_dir: Path) -> None:
    server = EmbeddedPostgres(server_dir / "restarting", fsync=False)
    server.start()
    try:
        migrate(server.url)
        pool = open_pool(server.url, name="test-restart", connect_wait_s=2)
        try:
            with serve(pool, server.url) as api:
                officer = api.client("officer")
                listener = Listener(api)
                before = add_alert(pool, "before")
                until(lambda: listener.ids == [before], "it is sent")
                assert officer.get("/readyz").status_code == 200
                server.stop()
                down = officer.get("/api/v1/alerts")
                assert (down.status_code, down.json()["code"]) == (503, "store_unavailable")
                assert down.headers["retry-after"]
                assert officer.get("/healthz").status_code == 200
                ready = officer.get("/readyz")
                assert ready.status_code == 503
                assert ready.json()["checks"][0] == {"name": "store", "ok": False, "detail": "does not answer"}
                assert "chuantou_store_up 0.0" in officer.get("/metrics").text
                server.start()
                until(lambda: officer.get("/api/v1/alerts").status_code == 200, "it answers again")
                during = add_alert(pool, "during")
                until(lambda: listener.ids == [before, during], "the same stream goes on")
                assert not listener.ended.is_set()
        finally:
            pool.close()
    finally:
        server.stop()


def test_readiness_names_what_is_missing(pool: Pool, database_url: str) -> None:
    with serve(pool, database_url, broker=("127.0.0.1", 1)) as api:
        client = api.client()
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert {c["name"]: c["ok"] for c in answer.json()["checks"]} == {"store": True, "migrations": True, "broker": False}
        with pool.connection() as conn:
            conn.execute("DELETE FROM schema_migration WHERE version = 3")
        assert {c["name"]: c["ok"] for c in client.get("/readyz").json()["checks"]}["migrations"] is False


def test_metrics_count_requests_by_route_and_alerts_by_severity(api: ApiServer, pool: Pool) -> None:
    add_alert(pool, "a1", severity="P1")
    officer = api.client("officer")
    officer.get("/api/v1/alerts/a1")
    officer.get("/api/v1/alerts/secret-id")
    text = officer.get("/metrics").text
    assert 'chuantou_http_requests_total{method="GET",route="get_alert",status="404"} 1.0' in text
    assert "secret-id" not in text
    assert 'chuantou_alerts_open{severity="P1"} 1.0' in text
    assert 'chuantou_readings_total{outcome="received"} 0.0' in text
    assert 'chuantou_backlog{kind="movements"} 0.0' in text
