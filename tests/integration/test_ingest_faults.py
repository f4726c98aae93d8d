"""Whatever dies, fills up, comes twice or lies about the time: nothing is lost, nothing is doubled, and the counters agree. Real servers."""

from __future__ import annotations

import os
import random
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
import psycopg
import pytest
from cutting_proxy import CuttingProxy
from ingest_world import assert_conserved, bind, read, reads, register_world, running_worker, tag, until
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode
from test_broker_admission import GuardedBroker, OldDevice

from collateral.clock import Clock, SystemClock
from collateral.credentials import mosquitto_hash
from db.embedded import EmbeddedPostgres
from db.migrate import migrate
from db.pool import Pool, open_pool
from ingest.subscriber import Subscriber, publish_all
from simulators.bench.load import Plan, connect, frames, publish

CI = os.environ.get("CI", "").lower() in ("1", "true", "yes")
KILLS = 20


def stream(first: int, count: int, *, reads_each: int = 5, at: datetime | None = None) -> list[tuple[str, bytes]]:
    """Distinct reads: message i holds tags that no other message holds."""
    at = at or datetime.now(UTC)
    return [
        reads("R-BAY-1", i, *(read(1000 + i * reads_each + n) for n in range(reads_each)), at=at + timedelta(milliseconds=i - first))
        for i in range(first, first + count)
    ]


def received(pool: Pool) -> int:
    with pool.connection() as conn:
        row = conn.execute("SELECT coalesce(sum(received), 0) FROM ingest_tally").fetchone()
    assert row is not None
    return int(row[0])


def stored(pool: Pool) -> int:
    with pool.connection() as conn:
        row = conn.execute("SELECT count(*) FROM observation").fetchone()
    assert row is not None
    return int(row[0])


def assert_all_once(pool: Pool, readings: int) -> dict[str, int]:
    """Each reading is one row of one tag with one present sighting; whatever else came is a repetition."""
    sums = assert_conserved(pool)
    assert (sums["stored"], sums["absorbed"], sums["refused"]) == (readings, 0, 0)
    with pool.connection() as conn:
        assert conn.execute("SELECT count(DISTINCT tag_epc) FROM observation").fetchone() == (readings,)
        assert conn.execute("SELECT count(*) FROM goods_position").fetchone() == (readings,)
    return sums


@pytest.fixture
def world(pool: Pool) -> Pool:
    with pool.connection() as conn:
        register_world(conn)
    return pool


def start_worker(database_url: str, mqtt_url: str, client_id: str, log: Path, **settings: str) -> subprocess.Popen[bytes]:
    env = {
        **os.environ,
        "CHUANTOU_DATABASE_URL": database_url,
        "CHUANTOU_MQTT_URL": mqtt_url,
        "CHUANTOU_INGEST_CLIENT_ID": client_id,
        **settings,
    }
    with log.open("ab") as stderr:
        return subprocess.Popen([sys.executable, "-m", "ingest"], env=env, stderr=stderr)


def wait_connected(process: subprocess.Popen[bytes], log: Path) -> None:
    until(lambda: process.poll() is not None or b"broker_connected" in log.read_bytes(), what="the worker's connection")
    assert process.poll() is None, log.read_text()


@pytest.mark.slow
def test_twenty_workers_killed_at_random_moments_lose_nothing_and_double_nothing(
    world: Pool, database_url: str, broker_factory: Callable[[], Any], tmp_path: Path
) -> None:
    chance = random.Random(20)
    broker = broker_factory()
    sender = broker.add_account("sender")
    workers: dict[str, subprocess.Popen[bytes]] = {}

    def start(name: str) -> None:
        workers[name] = start_worker(database_url, broker.url, name, tmp_path / name, CHUANTOU_INGEST_BATCH_MESSAGES_MAX="20")

    try:
        for name in ("w1", "w2", "w3"):
            start(name)
        for name, worker in workers.items():
            wait_connected(worker, tmp_path / name)
        sent = 0
        for _ in range(KILLS):
            slice_ = stream(sent, 80)
            publisher = threading.Thread(target=publish_all, args=(sender, slice_), kwargs={"client_id": "sender"})
            publisher.start()
            moment = stored(world) + chance.randrange(1, 300)
            give_up_at = time.monotonic() + 1  # a worker that is dead already may hold what we wait for; then this moment is as good
            until(lambda moment=moment, at=give_up_at: stored(world) >= moment or time.monotonic() > at, what=f"{moment} rows")
            victim = chance.choice(sorted(workers))
            workers[victim].kill()
            workers[victim].wait()
            start(victim)
            publisher.join(60)
            sent += 80
        until(lambda: stored(world) == sent * 5, within_s=60, what="all reads")
        for worker in workers.values():
            worker.send_signal(signal.SIGTERM)
        assert [worker.wait(20) for worker in workers.values()] == [0, 0, 0]
    finally:
        for worker in workers.values():
            worker.kill()
            worker.wait()
    assert_all_once(world, sent * 5)


def test_a_cut_between_commit_and_acknowledgement_makes_repetitions_and_no_more_rows(
    world: Pool, database_url: str, broker_factory: Callable[[], Any]
) -> None:
    broker = broker_factory()
    sender = broker.add_account("sender")
    cuts = iter((True, False, True, True))  # acknowledgements that get lost with their connection
    proxy = CuttingProxy(broker.port, cuts_before=lambda data: data.startswith(b"\x40\x02") and next(cuts, False))
    try:
        with running_worker(database_url, broker.url.replace(f":{broker.port}", f":{proxy.port}"), "ingest"):
            for first in range(0, 200, 20):
                publish_all(sender, stream(first, 20), client_id="sender")
                until(lambda first=first: stored(world) == (first + 20) * 5, what="these reads")
            until(lambda: proxy.cuts == 3 and stored(world) == 1000, what="three cuts and all reads")
            until(lambda: received(world) > 1000, what="the repeated delivery")
    finally:
        proxy.close()
    assert assert_all_once(world, 1000)["repeated"] > 0


def test_a_cut_while_the_store_commits_makes_repetitions_and_no_more_rows(world: Pool, database_url: str, broker: Any) -> None:
    port = urlsplit(database_url).port
    assert port is not None
    cuts = iter((False, False, True, False, True))
    armed = threading.Event()
    proxy = CuttingProxy(port, cuts_after=lambda data: armed.is_set() and b"COMMIT" in data and next(cuts, False))
    sender = broker.add_account("sender-commit")
    try:
        with running_worker(database_url.replace(f":{port}/", f":{proxy.port}/"), broker.url, "commit-cut"):
            armed.set()
            for first in range(0, 200, 20):
                publish_all(sender, stream(first, 20), client_id="sender-commit")
                until(lambda first=first: stored(world) == (first + 20) * 5, what="these reads")
            until(lambda: proxy.cuts == 2 and stored(world) == 1000, what="two cuts and all reads")
            until(lambda: assert_conserved(world)["received"] >= 1000, what="the last batch")
    finally:
        proxy.close()
    assert_all_once(world, 1000)


@contextmanager
def store_of_its_own(folder: Path, *, fsync: bool = False) -> Iterator[EmbeddedPostgres]:
    """fsync: also waits for each commit, without which a crash forgets some."""
    with EmbeddedPostgres(folder, fsync=fsync) as server:
        migrate(server.url)
        with psycopg.connect(server.url) as conn:
            register_world(conn)
        yield server


def test_a_store_that_crashes_in_the_middle_costs_nothing(server_dir: Path, broker_factory: Callable[[], Any]) -> None:
    broker = broker_factory()
    sender = broker.add_account("sender")
    with store_of_its_own(server_dir / f"crash-{secrets.token_hex(4)}", fsync=True) as server:
        pool = open_pool(server.url, name="watch", size_max=2)
        with running_worker(server.url, broker.url, "ingest"):
            for n in range(3):
                publish_all(sender, stream(n * 100, 100), client_id="sender")
                server.kill()
                server.start()
            pool.check()
            until(lambda: stored(pool) == 1500, within_s=60, what="all reads")
        assert_all_once(pool, 1500)
        pool.close()


def test_a_full_disk_holds_the_stream_up_and_costs_nothing(server_dir: Path, broker_factory: Callable[[], Any]) -> None:
    small = server_dir / f"small-{secrets.token_hex(4)}"
    small.mkdir()
    mounted = os.geteuid() == 0 and shutil.which("mount") is not None
    mounted = (
        mounted and subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small)], capture_output=True).returncode == 0
    )
    if not mounted:
        pytest.skip("A FULL DISK IS NOT TESTED: no permission to mount a small tmpfs")
    try:
        broker = broker_factory()
        sender = broker.add_account("sender")
        with store_of_its_own(server_dir / f"full-{secrets.token_hex(4)}") as server:
            if server.account is not None:
                os.chown(small, server.account.uid, server.account.gid)
            with psycopg.connect(server.url, autocommit=True) as conn:
                conn.execute(f"CREATE TABLESPACE small LOCATION '{small}'".encode())
                conn.execute("ALTER TABLE observation SET TABLESPACE small")
                conn.execute("ALTER INDEX observation_pkey SET TABLESPACE small")
            pool = open_pool(server.url, name="watch", size_max=2)
            with running_worker(server.url, broker.url, "ingest"):
                for first in range(0, 1000, 100):
                    publish_all(sender, stream(first, 100, reads_each=10), client_id="sender")
                until(lambda: "No space left on device" in server.log_path.read_text(), what="the full disk")
                held_up = stored(pool)
                assert held_up < 10_000
                subprocess.run(["mount", "-o", "remount,size=64m", str(small)], check=True)
                until(lambda: stored(pool) == 10_000, within_s=60, what="all reads")
            assert_all_once(pool, 10_000)
            pool.close()
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_messages_that_the_store_refuses_are_buried_alone(world: Pool, database_url: str, broker: Any) -> None:
    poison = {7, 8, 150}
    with world.connection() as conn:
        forbidden = ", ".join(f"'{tag(1000 + n * 5)}'" for n in sorted(poison))
        conn.execute(f"ALTER TABLE observation ADD CONSTRAINT refused CHECK (tag_epc NOT IN ({forbidden}))".encode())
    sender = broker.add_account("sender-poison")
    with running_worker(database_url, broker.url, "poison"):
        publish_all(sender, stream(0, 200), client_id="sender-poison")
        until(lambda: received(world) == 197 * 5 + 3, what="all but the poisonous readings")
    sums = assert_conserved(world)
    assert (sums["stored"], sums["refused"]) == (197 * 5, 3)
    with world.connection() as conn:
        assert conn.execute("SELECT reason, count(*) FROM dead_letter GROUP BY 1").fetchall() == [("poison", 3)]


@pytest.mark.slow
def test_a_hundred_thousand_messages_that_waited_come_in_with_bounded_memory(
    world: Pool, database_url: str, broker_factory: Callable[[], Any]
) -> None:
    broker = broker_factory()
    sender = broker.add_account("sender")
    topic = reads("R-BAY-1", 0, at=datetime.now(UTC))[0]
    with running_worker(database_url, broker.url, "ingest"):
        pass  # its session stays with the broker
    packets = frames(Plan(sender, "sender", topic, 100_000, 1), datetime.now(UTC))
    sock = connect(sender, "sender")
    publish(sock, packets)
    sock.close()
    longest = 0
    with running_worker(database_url, broker.url, "ingest", inbox_max=3_000) as writer:

        def all_in() -> bool:
            nonlocal longest
            longest = max(longest, writer._inbox.backlog())  # type: ignore[attr-defined]
            return writer.total.stored >= 100_000

        until(all_in, within_s=300, what="100 000 messages")
        until(lambda: received(world) >= 100_000, what="the last batch")
    assert longest <= 3_000
    assert_all_once(world, 100_000)


def test_every_message_delivered_twice_is_stored_once(world: Pool, database_url: str, broker: Any) -> None:
    sender = broker.add_account("sender-twice")
    messages = stream(0, 200)
    with running_worker(database_url, broker.url, "twice"):
        publish_all(sender, [m for message in messages for m in (message, message)], client_id="sender-twice")
        publish_all(sender, reversed(messages[:100]), client_id="sender-twice")
        until(lambda: received(world) == 2500, what="every delivery")
    assert assert_all_once(world, 1000)["repeated"] == 1500


def test_of_two_workers_with_one_client_id_one_stands_by_says_why_and_takes_over(
    world: Pool, database_url: str, broker_factory: Callable[[], Any], tmp_path: Path
) -> None:
    broker = broker_factory()
    sender = broker.add_account("sender")
    logs = [tmp_path / f"twin-{n}" for n in range(2)]
    workers = [start_worker(database_url, broker.url, "twin", logs[0])]
    try:
        wait_connected(workers[0], logs[0])
        workers.append(start_worker(database_url, broker.url, "twin", logs[1]))
        until(lambda: "client_id_taken" in logs[1].read_text(), what="the word of the second")
        assert "client id 'twin'" in logs[1].read_text()
        publish_all(sender, stream(0, 100), client_id="sender")
        until(lambda: stored(world) == 500, what="the reads that the first takes")
        assert "broker_connected" not in logs[1].read_text(), "it leaves the first one its session"
        assert "broker_lost" not in logs[0].read_text()
        workers[0].kill()
        workers[0].wait()
        publish_all(sender, stream(100, 100), client_id="sender")
        until(lambda: stored(world) == 1000, what="the reads that the second takes")
        assert workers[1].poll() is None
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    assert_all_once(world, 1000)


def test_a_worker_whose_session_is_taken_again_and_again_gives_up_and_says_why() -> None:
    """Where the other one uses another store, only the broker can tell; some do."""
    inbox = Subscriber("mqtt://127.0.0.1:1", client_id="twin", clock=SystemClock())
    taken_over = ReasonCode(PacketTypes.DISCONNECT, "Session taken over")
    for _ in range(3):
        assert inbox.fault is None
        inbox._on_disconnect(inbox._client, None, mqtt.DisconnectFlags(True), taken_over, None)
    assert inbox.fault is not None
    assert "client id 'twin'" in inbox.fault


class JumpingClock(Clock):
    """Our own clock, set wrong."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def now(self) -> datetime:
        return SystemClock().now() + self.ahead


def test_a_jump_of_our_own_clock_neither_loses_nor_doubles(world: Pool, database_url: str, broker: Any) -> None:
    clock = JumpingClock()
    sender = broker.add_account("sender-jump")
    messages = stream(0, 80)
    with running_worker(database_url, broker.url, "jump", clock=clock):
        for n, ahead in enumerate((timedelta(0), timedelta(hours=2), timedelta(hours=-2), timedelta(days=-1))):
            clock.ahead = ahead
            publish_all(sender, messages[n * 20 : (n + 1) * 20], client_id="sender-jump")
            until(lambda n=n: received(world) == (n + 1) * 100, what="the messages under this time")
        clock.ahead = timedelta(0)
        publish_all(sender, messages, client_id="sender-jump")
        until(lambda: received(world) == 800, what="every delivery")
    sums = assert_conserved(world)
    assert sums["refused"] == 0
    with world.connection() as conn:
        assert conn.execute("SELECT count(DISTINCT tag_epc) FROM observation").fetchone() == (400,)
        assert conn.execute("SELECT count(*) FROM goods_position").fetchone() == (400,)
        flags = {row[0] for row in conn.execute("SELECT DISTINCT unnest(flags) FROM observation")}
    assert {"late", "future_time"} <= flags
    assert sums["stored"] + sums["absorbed"] + sums["repeated"] == 800


def test_a_slow_store_stops_the_reading_and_then_everything_comes(
    world: Pool, database_url: str, broker_factory: Callable[[], Any], caplog: pytest.LogCaptureFixture
) -> None:
    broker = broker_factory()
    sender = broker.add_account("sender")
    with running_worker(database_url, broker.url, "ingest", inbox_max=100) as writer:
        with world.connection() as conn, conn.transaction():
            conn.execute("LOCK TABLE observation")
            publish_all(sender, stream(0, 1500), client_id="sender")
            until(lambda: "inbox stays full" in caplog.text, what="the end of the worker's patience")
            assert writer._inbox.backlog() <= 100  # type: ignore[attr-defined]
        until(lambda: stored(world) == 7500, within_s=60, what="all reads")
    assert_all_once(world, 7500)


def test_a_broker_that_forgets_everything_costs_nothing_that_was_not_in_its_hands(world: Pool, database_url: str, server_dir: Path) -> None:
    with world.connection() as conn:
        conn.execute("UPDATE device SET credential_hash = %s WHERE device_id = 'R-BAY-1'", (mosquitto_hash("secret"),))
        bind(conn, "G-after", tag(999_999))
    broker = GuardedBroker(server_dir / f"forgetful-{secrets.token_hex(4)}", database_url)
    broker.start()
    try:
        with running_worker(database_url, broker.url, "ingest"):
            device = OldDevice(broker.control.port)
            try:
                device.say(0, 100)
                until(lambda: stored(world) == 100, what="the first reads")
                broker.control.kill()
                shutil.rmtree(broker.control.data_dir / "store")
                device.say(100, 100)
                broker.control.start()
                device.say(200, 100)
                until(lambda: stored(world) == 300, within_s=60, what="all reads")
            finally:
                device.stop()
    finally:
        broker.stop()
    assert_all_once(world, 300)
