"""`chuantou bench ingest`: raw COPY, broker-only delivery, and the real worker beside them, all in one run on one store.

Every measurement ends with a count: each read published must be told once, stored rows and tally must agree, or the bench fails.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from psycopg.rows import dict_row

from ingest.formats.native import decode_reads
from ingest.readings import DecodeContext, RfidReading
from ingest.registry import Device, Zone
from ingest.rows import observation_rows
from ingest.screen import Delivery, Observation
from simulators.bench.installation import (
    QUERIES,
    READER,
    TOPIC,
    Broker,
    Store,
    Worker,
    bench_broker,
    bench_folder,
    bench_store,
    bench_workers,
)
from simulators.bench.load import Plan, as_line, payloads
from simulators.bench.results import BenchFailed, Result

FINISH_S = 300.0
RAW_ROWS_A_COMMIT = 10_000
STOCK_TAGS = 10_000
STOCK_READS_A_MESSAGE = 200
PROBE_S = 2.0  # between two looks at a worker's memory

Say = Callable[[str], None]


def raw_copy(store: Store, rows: int) -> float:
    """Rows a second of binary COPY from one connection into a table identical to observation; rows packed beforehand."""
    plan = Plan("", "", TOPIC, rows // 50, 50, tag_prefix="E28020")
    device = Device(READER, "bench", "BENCH-WH", "BENCH-WH", "rfid", "native", None, None, {}, 0, "WGS84", None, None, enabled=True)
    zone = Zone("BENCH-WH/bay", "BENCH-WH", "BAY")
    now = datetime.now(UTC)
    context = DecodeContext("reads", now)
    found: list[Observation] = []
    blocks: list[bytes] = []
    for payload in payloads(plan, now):
        source = Delivery(TOPIC, payload, now)
        for item in decode_reads(payload, context):
            if isinstance(item, RfidReading):
                found.append(Observation(item, device, zone, None, None, item.flags, item.content_hash(), source))
        if len(found) >= RAW_ROWS_A_COMMIT:
            blocks.append(b"".join(observation_rows(found)))
            found = []
    if found:
        blocks.append(b"".join(observation_rows(found)))
    with store.connect() as conn:
        conn.execute(QUERIES["drop_raw_table"])
        conn.execute(QUERIES["make_raw_table"])
        if store.is_timescale:
            conn.execute(QUERIES["make_raw_hypertable"])
        conn.execute("CHECKPOINT")
        started = time.monotonic()
        for block in blocks:
            with conn.transaction(), conn.cursor().copy(QUERIES["copy_raw"]) as copy:
                copy.write(block)
        took_s = time.monotonic() - started
        counted = conn.execute("SELECT count(*) FROM bench_raw").fetchone()
        conn.execute(QUERIES["drop_raw_table"])
    if counted != (plan.messages * plan.reads,):
        raise BenchFailed(f"raw COPY left {counted} of {plan.messages * plan.reads} rows")
    return plan.messages * plan.reads / took_s


class Publisher:
    """A publisher process, prepared; `go` starts it."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._process = subprocess.Popen(
            [sys.executable, "-m", "simulators.bench.load"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).resolve().parents[2],
        )
        assert self._process.stdin is not None
        self._process.stdin.write(as_line(plan))
        self._process.stdin.flush()

    def wait_ready(self) -> None:
        assert self._process.stdout is not None
        if self._process.stdout.readline().strip() != b"ready":
            raise BenchFailed("the publisher did not get ready")

    def go(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(b"go\n")
        self._process.stdin.flush()

    def finish(self) -> dict[str, float]:
        """When it started and ended, epoch seconds."""
        out, _ = self._process.communicate(timeout=FINISH_S)
        if self._process.returncode != 0:
            raise BenchFailed(f"the publisher ended with code {self._process.returncode}")
        found: dict[str, float] = json.loads(out)
        return found

    def kill(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


@contextmanager
def publishers(plans: list[Plan]) -> Iterator[list[Publisher]]:
    """All ready to go."""
    made = [Publisher(plan) for plan in plans]
    try:
        for each in made:
            each.wait_ready()
        yield made
    finally:
        for each in made:
            each.kill()


def broker_only(folder: Path, messages: int) -> float:
    """Messages a second of one read that a stock paho client takes at QoS 1, its publisher on the same machine."""
    with bench_broker(folder) as broker, publishers([Plan(broker.sender_url, "bench-sender", TOPIC, messages, 1)]) as (publisher,):
        client = subprocess.Popen(
            [sys.executable, "-m", "simulators.bench.plain_client", broker.reader_url, "bench-plain", "v1/#", str(messages)],
            stdout=subprocess.PIPE,
            cwd=Path(__file__).resolve().parents[2],
        )
        assert client.stdout is not None
        try:
            if client.stdout.readline().strip() != b"ready":
                raise BenchFailed("the plain client did not get ready")
            publisher.go()
            ended = float(client.stdout.readline() or 0)
            started = publisher.finish()["started"]
        finally:
            client.kill()
            client.communicate()
    if not ended:
        raise BenchFailed("the plain client did not get every message")
    return messages / (ended - started)


def tally(store: Store) -> dict[str, int]:
    with store.connect() as conn, conn.cursor(row_factory=dict_row) as cur:
        return dict(cur.execute(QUERIES["tally"]).fetchone() or {})


def wait_received(store: Store, readings: int, watch: Callable[[], None] = lambda: None) -> float:
    """Epoch seconds at which the tally reached readings. Raises BenchFailed after FINISH_S without any progress."""
    with store.connect() as conn:
        last, moved_at = -1, time.monotonic()
        while True:
            row = conn.execute(QUERIES["tally"]).fetchone()
            received = int(row[0]) if row else 0
            if received >= readings:
                return time.time()
            if received != last:
                last, moved_at = received, time.monotonic()
            elif time.monotonic() - moved_at > 60:
                raise BenchFailed(f"{readings - received} of {readings} readings did not arrive")
            watch()
            time.sleep(0.02)


def verify(store: Store, *, stored: int, absorbed: int, tags: int) -> None:
    """Nothing lost, nothing doubled, counters and tables agree. Raises BenchFailed."""
    told = tally(store)
    with store.connect() as conn:
        row = conn.execute(QUERIES["rows"]).fetchone()
    expected = {"received": stored + absorbed, "stored": stored, "repeated": 0, "absorbed": absorbed, "refused": 0}
    if told != expected or row != (stored, tags, tags, 0):
        raise BenchFailed(
            f"counts do not agree: tally {told}, expected {expected}; rows, tags, positions, refused {row}, expected {(stored, tags, tags, 0)}"
        )


def empty(store: Store) -> None:
    with store.connect() as conn:
        conn.execute(QUERIES["empty"])
        conn.execute("CHECKPOINT")


def distinct(store: Store, folder: Path, reads: int, messages: int, *, workers: int = 1) -> float:
    """Reads a second, every one another tag, from the first publish to the last commit."""
    empty(store)
    with (
        bench_broker(folder) as broker,
        bench_workers(store, broker, folder, workers),
        publishers([Plan(broker.sender_url, "bench-sender", TOPIC, messages, reads)]) as (publisher,),
    ):
        publisher.go()
        ended = wait_received(store, messages * reads)
        started = publisher.finish()["started"]
    verify(store, stored=messages * reads, absorbed=0, tags=messages * reads)
    return messages * reads / (ended - started)


def static_stock(store: Store, folder: Path, messages: int) -> float:
    """Reads a second of a stock that stands still and is read over and over; the first inventory is not timed."""
    empty(store)
    first = STOCK_TAGS // STOCK_READS_A_MESSAGE
    with bench_broker(folder) as broker, bench_workers(store, broker, folder):
        plan = Plan(broker.sender_url, "bench-sender", TOPIC, first, STOCK_READS_A_MESSAGE, tags=STOCK_TAGS)
        with publishers([plan]) as (publisher,):
            publisher.go()
            wait_received(store, STOCK_TAGS)
            publisher.finish()
        with publishers([replace(plan, messages=messages, first=first)]) as (publisher,):
            publisher.go()
            ended = wait_received(store, STOCK_TAGS + messages * STOCK_READS_A_MESSAGE)
            started = publisher.finish()["started"]
    verify(store, stored=STOCK_TAGS, absorbed=messages * STOCK_READS_A_MESSAGE, tags=STOCK_TAGS)
    return messages * STOCK_READS_A_MESSAGE / (ended - started)


def memory(store: Store, folder: Path, minutes: float, say: Say) -> Result:
    """How much a worker's memory grows from the first quarter of a run at full rate to its last: means of samples, megabytes."""
    empty(store)
    samples: list[float] = []
    with bench_broker(folder) as broker, bench_workers(store, broker, folder) as (worker,):
        deadline = time.monotonic() + minutes * 60
        sent, probe_at = 0, 0.0

        def watch() -> None:
            nonlocal probe_at
            if time.monotonic() >= probe_at:
                probe_at = time.monotonic() + min(PROBE_S, minutes * 60 / 50)
                samples.append(worker.rss_mb())

        while time.monotonic() < deadline:
            with publishers([Plan(broker.sender_url, "bench-sender", TOPIC, 2_000, 50, first=sent)]) as (publisher,):
                publisher.go()
                sent += 2_000
                wait_received(store, sent * 50, watch)
                publisher.finish()
    verify(store, stored=sent * 50, absorbed=0, tags=sent * 50)
    quarter = max(1, len(samples) // 4)
    early, late = sum(samples[quarter : 2 * quarter]) / quarter, sum(samples[-quarter:]) / quarter
    return Result("memory_growth", late - early, "MB", None, f"worker at {late:.0f} MB after {sent * 50:,} reads in {minutes:g} min")


def run_bench(*, scale: float = 1.0, minutes: float = 0.5, only: tuple[str, ...] = (), say: Say) -> tuple[list[Result], str]:
    """Everything, in a few minutes. scale: of the number of messages; minutes: of the memory run, 0 = none; only: these names.

    Returns the results and what store was measured. Raises BenchFailed.
    """
    from simulators.bench.results import line

    found: list[Result] = []

    def take(result: Result) -> None:
        found.append(result)
        say(line(result))

    def wanted(name: str) -> bool:
        return not only or name in only

    def scaled(messages: int) -> int:
        return max(200, int(messages * scale))

    with bench_folder() as folder, bench_store(folder) as store:
        say(f"store: {store.what}")
        copy = raw_copy(store, scaled(4_000) * 50)
        take(Result("raw_copy", copy, "rows/s"))
        delivered = 0.0
        if wanted("ingest_1"):
            delivered = broker_only(folder, scaled(20_000))
            take(Result("broker_delivery", delivered, "messages/s"))
            take(Result("ingest_1", distinct(store, folder, 1, scaled(20_000)), "messages/s", delivered, "of what one paho client takes"))
        for reads, messages in ((10, 10_000), (50, 4_000), (200, 1_000)):
            if wanted(f"ingest_{reads}"):
                take(Result(f"ingest_{reads}", distinct(store, folder, reads, scaled(messages)), "reads/s", copy, "of raw COPY"))
        if wanted("ingest_50_two_workers"):
            rate = distinct(store, folder, 50, scaled(4_000), workers=2)
            take(Result("ingest_50_two_workers", rate, "reads/s", copy, "of raw COPY"))
        if wanted("ingest_static"):
            take(Result("ingest_static", static_stock(store, folder, scaled(6_000)), "reads/s", None, "absorbed"))
        if minutes and wanted("memory_growth"):
            take(memory(store, folder, minutes, say))
        take(Result("raw_copy_again", raw_copy(store, scaled(4_000) * 50), "rows/s", copy, "the machine at the end of the run"))
    return found, store.what


__all__ = ["Any", "Broker", "Worker", "run_bench"]
