"""Whole workers on a real broker and store: whatever dies or goes away in the middle, nothing is lost and nothing doubled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from ingest_world import assert_conserved, read, reads, register_world, running_worker, tag, topic, until

from db.embedded import EmbeddedPostgres
from db.migrate import migrate
from db.pool import Pool, open_pool
from ingest.replay import replay
from ingest.subscriber import publish_all

PAYLOADS = Path(__file__).parents[1] / "payloads"


def stream(count: int, *, reads_each: int = 5) -> list[tuple[str, bytes]]:
    """Distinct reads, now: message i holds tags that no other message holds."""
    now = datetime.now(UTC)
    return [
        reads("R-BAY-1", i, *(read(1000 + i * reads_each + n) for n in range(reads_each)), at=now + timedelta(milliseconds=i))
        for i in range(count)
    ]


def stored(pool: Pool) -> int:
    with pool.connection() as conn:
        row = conn.execute("SELECT count(*) FROM observation").fetchone()
    assert row is not None
    return int(row[0])


def start_worker(database_url: str, mqtt_url: str, client_id: str, log: Path) -> subprocess.Popen[bytes]:
    env = {
        **os.environ,
        "CHUANTOU_DATABASE_URL": database_url,
        "CHUANTOU_MQTT_URL": mqtt_url,
        "CHUANTOU_INGEST_CLIENT_ID": client_id,
        "CHUANTOU_INGEST_BATCH_MESSAGES_MAX": "20",
    }
    with log.open("ab") as stderr:
        return subprocess.Popen([sys.executable, "-m", "ingest"], env=env, stderr=stderr)


def wait_connected(process: subprocess.Popen[bytes], log: Path) -> None:
    """Until the worker says that it is connected."""
    until(lambda: process.poll() is not None or b"broker_connected" in log.read_bytes(), what="the worker's connection")
    assert process.poll() is None, log.read_text()


def test_readings_positions_refusals_and_wills_go_the_whole_way(pool: Pool, database_url: str, broker: Any) -> None:
    with pool.connection() as conn:
        register_world(conn)
    now = datetime.now(UTC)
    sender = broker.add_account("sender-whole-way")
    with running_worker(database_url, broker.url, "whole-way"):
        messages = [
            reads("R-BAY-1", 1, read(1), read(2), at=now),
            (topic("R-BAY-1", "reads"), b"not json"),
            (topic("R-BAY-1", "presence"), b"offline"),
            ("owntracks/driver1/phone", b'{"_type":"location","lat":31.2,"lon":121.4,"tst":%d,"acc":5}' % now.timestamp()),
        ]
        assert publish_all(sender, messages, client_id="sender-whole-way") == 4
        with pytest.raises(TimeoutError):  # commands are not for us: nobody subscribes
            publish_all(sender, [(topic("R-BAY-1", "cmd"), b"reboot")], client_id="sender-whole-way", wait_s=0.5)
        until(lambda: assert_conserved(pool)["received"] == 4, what="four readings")
    assert assert_conserved(pool) == {"received": 4, "stored": 3, "repeated": 0, "absorbed": 0, "refused": 1}
    with pool.connection() as conn:
        assert conn.execute("SELECT presence FROM device_state WHERE device_id = 'R-BAY-1'").fetchone() == ("offline",)
        assert conn.execute("SELECT device_id FROM position").fetchall() == [("PHONE-1",)]
        assert conn.execute("SELECT reason FROM dead_letter").fetchall() == [("malformed_json",)]


def test_a_device_registered_while_the_worker_runs_is_known_at_its_first_message(pool: Pool, database_url: str, broker: Any) -> None:
    sender = broker.add_account("sender-registered")
    with running_worker(database_url, broker.url, "registered"):
        with pool.connection() as conn:
            register_world(conn)
        publish_all(sender, [reads("R-BAY-1", 1, read(1), at=datetime.now(UTC))], client_id="sender-registered")
        until(lambda: stored(pool) == 1, what="the read")
    assert assert_conserved(pool)["refused"] == 0


def test_workers_killed_in_the_middle_lose_nothing_and_double_nothing(
    pool: Pool, database_url: str, broker_factory: Callable[[], Any], tmp_path: Path
) -> None:
    with pool.connection() as conn:
        register_world(conn)
    broker = broker_factory()
    sender = broker.add_account("sender")
    workers = {name: start_worker(database_url, broker.url, name, tmp_path / name) for name in ("w1", "w2")}
    try:
        for name, worker in workers.items():
            wait_connected(worker, tmp_path / name)
        messages = stream(1500)
        publisher = threading.Thread(target=publish_all, args=(sender, messages), kwargs={"client_id": "sender"})
        publisher.start()
        for kill_at, name in ((500, "w1"), (2000, "w2"), (4000, "w1")):
            until(lambda kill_at=kill_at: stored(pool) >= kill_at, within_s=60, what=f"{kill_at} rows")
            workers[name].kill()
            workers[name].wait()
            workers[name] = start_worker(database_url, broker.url, name, tmp_path / name)
        publisher.join(60)
        until(lambda: stored(pool) == 7500, within_s=60, what="all 7500 reads")
        for worker in workers.values():
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(20) == 0
    finally:
        for worker in workers.values():
            worker.kill()
            worker.wait()
    sums = assert_conserved(pool)
    assert (sums["stored"], sums["absorbed"], sums["refused"]) == (7500, 0, 0)
    with pool.connection() as conn:
        assert conn.execute("SELECT count(DISTINCT tag_epc) FROM observation").fetchone() == (7500,)


def test_a_misconfigured_worker_ends_with_exit_code_2() -> None:
    env = {k: v for k, v in os.environ.items() if not k.startswith("CHUANTOU_")}
    done = subprocess.run([sys.executable, "-m", "ingest"], env=env, capture_output=True, timeout=60)
    assert done.returncode == 2
    assert b"CHUANTOU_DATABASE_URL" in done.stderr


@pytest.fixture
def own_store(tmp_path_factory: pytest.TempPathFactory, server_dir: Path) -> Iterator[EmbeddedPostgres]:
    """A server of the test's own, to stop and start."""
    server = EmbeddedPostgres(server_dir / f"own-{time.monotonic_ns()}", fsync=False)
    with server:
        migrate(server.url)
        with psycopg.connect(server.url) as conn:
            register_world(conn)
        yield server


@pytest.mark.slow
def test_a_store_that_is_away_for_ten_seconds_costs_nothing(own_store: EmbeddedPostgres, broker_factory: Callable[[], Any]) -> None:
    broker = broker_factory()
    sender = broker.add_account("sender")
    pool = open_pool(own_store.url, name="watch", size_max=2)
    messages = stream(600)
    with running_worker(own_store.url, broker.url, "ingest"):
        publish_all(sender, messages[:200], client_id="sender")
        until(lambda: stored(pool) >= 500, what="the first reads")
        own_store.stop()
        down_at = time.monotonic()
        publish_all(sender, messages[200:], client_id="sender")
        until(lambda: time.monotonic() - down_at >= 10, what="ten seconds")
        own_store.start()
        pool.check()
        until(lambda: stored(pool) == 3000, within_s=60, what="all reads")
    assert assert_conserved(pool)["stored"] == 3000
    pool.close()


@pytest.mark.slow
def test_a_broker_that_is_away_for_ten_seconds_costs_nothing(pool: Pool, database_url: str, broker_factory: Callable[[], Any]) -> None:
    with pool.connection() as conn:
        register_world(conn)
    broker = broker_factory()
    sender = broker.add_account("sender")
    messages = stream(600)
    with running_worker(database_url, broker.url, "ingest"):
        publish_all(sender, messages[:300], client_id="sender")
        until(lambda: stored(pool) >= 300, what="the first reads")
        broker.control.stop()
        down_at = time.monotonic()
        until(lambda: time.monotonic() - down_at >= 10, what="ten seconds")
        broker.control.start()
        publish_all(sender, messages[300:], client_id="sender")
        until(lambda: stored(pool) == 3000, within_s=60, what="all reads")
    assert assert_conserved(pool)["stored"] == 3000


def test_replayed_samples_end_up_in_the_trace_of_their_goods(pool: Pool, database_url: str, broker: Any) -> None:
    with pool.connection() as conn:
        register_world(conn)
        conn.execute("UPDATE tag_binding SET tag_epc = 'E2806894000040017790E471' WHERE goods_id = 'G-1'")
        conn.execute("UPDATE tag_binding SET tag_epc = '3034F8B20001000000000001' WHERE goods_id = 'G-2'")
    sender = broker.add_account("sender-replay")
    samples = {"zebra-ziotc": "ZEBRA-1", "impinj-iot": "IMPINJ-1", "owntracks": "PHONE-1", "traccar": "TRACCAR-1"}
    with running_worker(database_url, broker.url, "replay"):
        published = 0
        for format_name, device_id in samples.items():
            for path in sorted((PAYLOADS / format_name).rglob("*.*json")):
                if "schema" not in path.parts:
                    published += replay(
                        path, format_name=format_name, device_id=device_id, mqtt_url=sender, database_url=database_url
                    ).messages
        publish_all(sender, [reads("R-BAY-1", 1, read(7), at=datetime.now(UTC))], client_id="sender-replay")
        until(lambda: assert_conserved(pool)["received"] >= 55, what="the samples")
        until(lambda: tag(7) in {r[0] for r in rows(pool, "SELECT tag_epc FROM observation")}, what="the last message")
    assert_conserved(pool)
    assert published == 63
    assert rows(pool, "SELECT goods_id, count(*) FROM observation WHERE goods_id IN ('G-1','G-2') GROUP BY 1 ORDER BY 1") == [
        ("G-1", 3),
        ("G-2", 2),
    ]
    assert rows(
        pool,
        "SELECT kind, goods_id FROM movement m WHERE goods_id IN ('G-1','G-2') AND kind = 'APPEARED'"
        " AND NOT EXISTS (SELECT FROM movement c WHERE c.corrects = m.movement_id) ORDER BY 2",  # samples of all years come in any order
    ) == [
        ("APPEARED", "G-1"),
        ("APPEARED", "G-2"),
    ]
    assert rows(pool, "SELECT DISTINCT device_id FROM position ORDER BY 1") == [("PHONE-1",), ("TRACCAR-1",)]
    reasons = {r[0] for r in rows(pool, "SELECT reason FROM dead_letter")}
    assert {"encrypted", "missing_field", "wrong_type", "unsupported_type"} <= reasons


def rows(pool: Pool, sql: str) -> list[tuple[Any, ...]]:
    with pool.connection() as conn:
        return conn.execute(sql.encode()).fetchall()
