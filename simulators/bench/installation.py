"""What a bench runs on: a store with fsync on (TimescaleDB where there is one), a broker, a registered reader, real worker processes."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import psycopg

from collateral.credentials import mosquitto_hash
from db.embedded import EmbeddedPostgres
from db.migrate import migrate
from db.sql import load_queries
from db.timescale import GivenServer, NoTimescale, timescale_server
from ingest.broker import BrokerAccount, ingest_account, monitor_account
from ingest.embedded_broker import EmbeddedBroker
from simulators.bench.results import BenchFailed

QUERIES = load_queries(__file__)
READER = "BENCH-R1"
TOPIC = f"v1/bench/BENCH-WH/rfid/{READER}/reads"
_FENCE = {"type": "Polygon", "coordinates": [[[121.4, 31.3], [121.41, 31.3], [121.41, 31.31], [121.4, 31.31], [121.4, 31.3]]]}
WORKER_READY_S = 60.0


@dataclass(frozen=True)
class Store:
    """The measured store."""

    url: str
    what: str

    def connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.url, autocommit=True)

    @property
    def is_timescale(self) -> bool:
        return "TimescaleDB" in self.what


@contextmanager
def bench_folder() -> Iterator[Path]:
    """A folder of the run's own that the servers' account can reach; its disk is the one that is measured."""
    folder = Path(tempfile.mkdtemp(prefix="chuantou-bench-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def bench_store(folder: Path) -> Iterator[Store]:
    """A migrated store with fsync on and the bench's reader in it: TimescaleDB, else plain PostgreSQL; `what` says which."""
    with ExitStack() as servers:
        why = ""
        try:
            server: EmbeddedPostgres | GivenServer = servers.enter_context(timescale_server(folder, fsync=True))
        except NoTimescale as exc:
            why = f" (no TimescaleDB here: {exc})"
            server = servers.enter_context(EmbeddedPostgres(folder / "pg", fsync=True))
        name = f"chuantou_bench_{secrets.token_hex(4)}"
        with psycopg.connect(server.admin_url, autocommit=True) as conn:
            conn.execute(f"CREATE DATABASE {name} TEMPLATE template0".encode())
        url = server.admin_url.rsplit("/", 1)[0] + f"/{name}"
        try:
            migrate(url)
            with psycopg.connect(url) as conn:
                _register(conn)
                row = conn.execute(QUERIES["edition"]).fetchone()
                fsync = conn.execute("SHOW fsync").fetchone()
            assert row is not None
            timescale = f", TimescaleDB {row[2]}" if row[2] else ""
            yield Store(url, f"{row[0]}, PostgreSQL {row[1]}{timescale}, fsync {fsync[0] if fsync else '?'}{why}")
        finally:
            with psycopg.connect(server.admin_url, autocommit=True) as conn:
                conn.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())


def _register(conn: psycopg.Connection[Any]) -> None:
    values = {"at": datetime(2020, 1, 1, tzinfo=UTC), "fence": json.dumps(_FENCE), "device": READER}
    conn.execute("INSERT INTO tenant VALUES ('bench', 'Bench')")
    for name in ("add_party", "add_warehouse", "add_zone", "add_device", "add_antenna"):
        conn.execute(QUERIES[name], values)


@dataclass(frozen=True)
class Broker:
    """A running broker: the workers' account and one that may say anything."""

    ingest_url: str
    sender_url: str
    reader_url: str


@contextmanager
def bench_broker(folder: Path) -> Iterator[Broker]:
    """A broker without any session of an earlier measurement."""
    broker = EmbeddedBroker(folder / f"broker-{secrets.token_hex(4)}", packages_dir=folder.parent / "mosquitto-packages")
    password = secrets.token_urlsafe(16)
    accounts = [
        ingest_account(password),
        monitor_account(password),
        BrokerAccount("sender", mosquitto_hash(password), ("write v1/#",)),
        BrokerAccount("plain", mosquitto_hash(password), ("read v1/#",)),
    ]
    broker.set_accounts(accounts)
    broker.start()
    try:
        yield Broker(broker.url_for("ingest", password), broker.url_for("sender", password), broker.url_for("plain", password))
    finally:
        broker.stop()


class Worker:
    """One real worker process with its defaults."""

    def __init__(self, store: Store, broker: Broker, name: str, folder: Path) -> None:
        self.log = folder / f"{name}-{secrets.token_hex(4)}.log"
        env = {k: v for k, v in os.environ.items() if not k.startswith("CHUANTOU_")}
        env |= {"CHUANTOU_DATABASE_URL": store.url, "CHUANTOU_MQTT_URL": broker.ingest_url, "CHUANTOU_INGEST_CLIENT_ID": name}
        with self.log.open("wb") as out:
            self.process = subprocess.Popen([sys.executable, "-m", "ingest"], env=env, stderr=out, cwd=Path(__file__).resolve().parents[2])

    def wait_ready(self) -> None:
        """Until it is subscribed. Raises BenchFailed."""
        deadline = time.monotonic() + WORKER_READY_S
        while b"broker_connected" not in self.log.read_bytes():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise BenchFailed(f"the worker did not start: {self.log.read_text()[-2000:]}")
            time.sleep(0.02)

    def rss_mb(self) -> float:
        """Resident memory in megabytes."""
        return float(psutil.Process(self.process.pid).memory_info().rss) / 1e6

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@contextmanager
def bench_workers(store: Store, broker: Broker, folder: Path, count: int = 1) -> Iterator[list[Worker]]:
    """Workers on one shared subscription, ready."""
    workers = [Worker(store, broker, f"bench-worker-{n + 1}", folder) for n in range(count)]
    try:
        for worker in workers:
            worker.wait_ready()
        yield workers
    finally:
        for worker in workers:
            worker.stop()
