"""`python -m ingest`: one worker, until SIGTERM."""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time
from datetime import timedelta
from types import FrameType

from prometheus_client import Counter, Gauge, Histogram, start_http_server

from collateral.clock import clock_from_spec
from collateral.errors import MisconfiguredService
from collateral.logs import log_to_stderr
from db.pool import open_pool
from ingest.lease import ClientIdLease
from ingest.readings import Limits
from ingest.rebirth import RebirthAsker
from ingest.redrive import Redriver
from ingest.registry import Registry, RegistryListener
from ingest.retention import Ages, Retention
from ingest.settings import IngestSettings, load_settings
from ingest.store import StoreOptions, Written
from ingest.subscriber import Subscriber
from ingest.writer import BatchLimits, Writer

log = logging.getLogger("ingest")

_READINGS = Counter("chuantou_ingest_readings_total", "Readings by what became of them", ["fate"])
_MOVEMENTS = Counter("chuantou_ingest_movements_total", "Movements told")
_BATCH_SECONDS = Histogram("chuantou_ingest_batch_seconds", "Time to write one batch")
_BACKLOG = Gauge("chuantou_ingest_inbox_messages", "Deliveries waiting for the writer")
SUMMARY_INTERVAL_S = 30.0


def run(settings: IngestSettings, stopping: threading.Event) -> None:
    """One worker until `stopping` is set. Raises MisconfiguredService."""
    try:
        clock = clock_from_spec(settings.clock)
    except ValueError as exc:
        raise MisconfiguredService(str(exc)) from None
    subscriber = Subscriber(
        settings.mqtt_url,
        client_id=settings.ingest_client_id,
        clock=clock,
        share=settings.ingest_share,
        session_expiry_s=settings.ingest_session_expiry_s,
        receive_max=settings.ingest_receive_max,
        inbox_max=settings.ingest_inbox_messages_max,
        ca_file=settings.mqtt_ca_file,
    )
    pool = open_pool(settings.database_url, name=settings.ingest_client_id, size_max=4, connect_wait_s=5.0)
    registry = Registry()
    lease = ClientIdLease(settings.database_url, settings.ingest_client_id)
    listener = RegistryListener(settings.database_url, registry)
    summed_at = time.monotonic()

    def on_written(written: Written, took_s: float) -> None:
        nonlocal summed_at
        for fate in ("stored", "repeated", "absorbed", "refused"):
            _READINGS.labels(fate).inc(getattr(written.sums, fate))
        _MOVEMENTS.inc(written.movements)
        _BATCH_SECONDS.observe(took_s)
        _BACKLOG.set(subscriber.backlog())
        if time.monotonic() - summed_at > SUMMARY_INTERVAL_S:
            summed_at = time.monotonic()
            t = writer.total
            log.info(
                "still at work",
                extra={"event": "ingest_summary", "stored": t.stored, "repeated": t.repeated, "absorbed": t.absorbed, "refused": t.refused},
            )

    limits = Limits(
        settings.ingest_payload_bytes_max,
        settings.ingest_items_max,
        settings.ingest_depth_max,
        late_after_s=settings.ingest_late_after_s,
    )
    options = StoreOptions(
        timedelta(seconds=settings.ingest_smoothing_s), settings.ingest_payload_kept_bytes_max, timedelta(seconds=settings.ingest_reorder_s)
    )
    writer = Writer(
        pool,
        subscriber,
        registry,
        limits=limits,
        options=options,
        batch=BatchLimits(
            settings.ingest_batch_messages_max, flush_interval_ms=settings.ingest_flush_interval_ms, idle_ms=settings.ingest_idle_ms
        ),
        on_written=on_written,
    )
    redriver = Redriver(pool, limits=limits, options=options)
    retention = Retention(pool, clock, Ages(_days(settings.ingest_telemetry_days), _days(settings.ingest_dead_letter_days)))
    asker = RebirthAsker(pool, clock, subscriber.publish, interval_s=settings.ingest_rebirth_interval_s)
    if settings.ingest_metrics_port:
        start_http_server(settings.ingest_metrics_port)
    thread = threading.Thread(target=writer.run, name="writer")
    listener.start()
    lease.start()
    thread.start()
    redriver.start()
    retention.start()
    asker.start()
    subscribed = False
    log.info("ingest started", extra={"event": "ingest_started", "client_id": settings.ingest_client_id})
    try:
        while not stopping.wait(0.5 if subscribed else 0.02):
            if not subscribed and lease.held.is_set():
                subscriber.start()
                subscribed = True
            if not thread.is_alive():
                raise RuntimeError("the writer ended by itself")
            if (fault := lease.fault or subscriber.fault) is not None:
                raise MisconfiguredService(fault)
    finally:
        asker.stop()
        writer.stop()
        thread.join(15)
        if subscribed:
            subscriber.stop()
        lease.stop()
        listener.stop()
        redriver.stop()
        retention.stop()
        pool.close(5)
        t = writer.total
        log.info(
            "ingest stopped",
            extra={"event": "ingest_stopped", "stored": t.stored, "repeated": t.repeated, "absorbed": t.absorbed, "refused": t.refused},
        )


def _days(days: int) -> timedelta | None:
    return timedelta(days=days) if days else None


def main() -> int:
    """Exit code: 0 after SIGTERM or SIGINT, 2 when misconfigured."""
    stopping = threading.Event()

    def stop(signum: int, frame: FrameType | None) -> None:
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        settings = load_settings()
        log_to_stderr(settings.log_level)
        run(settings, stopping)
    except MisconfiguredService as exc:
        log_to_stderr("INFO")
        log.error("%s", exc, extra={"event": "misconfigured"})
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
