"""Prometheus metrics: requests of this process, and what the store says of alerts, ingest and backlog."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator

import psycopg
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from psycopg_pool import PoolTimeout

from api import store
from api.stream import AlertHub
from db.pool import Pool

log = logging.getLogger(__name__)

STORE_CACHE_S = 2.0
_BUCKETS_S = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


class StoreMetrics(Collector):
    """What the store says, read at most every STORE_CACHE_S; chuantou_store_up is 0 when it does not answer."""

    def __init__(self, pool: Pool, hub: AlertHub) -> None:
        self._pool = pool
        self._hub = hub
        self._read_at_s = float("-inf")
        self._cached: list[Metric] = []

    def collect(self) -> Iterator[Metric]:
        """Metrics for one scrape."""
        if time.monotonic() - self._read_at_s > STORE_CACHE_S:
            self._cached = self._read()
            self._read_at_s = time.monotonic()
        yield from self._cached
        yield GaugeMetricFamily("chuantou_streams_open", "Clients of the event stream", value=self._hub.open_streams)

    def _read(self) -> list[Metric]:
        up = GaugeMetricFamily("chuantou_store_up", "Whether the store answers")
        try:
            with self._pool.connection() as conn:
                severities = {r["severity"]: r["n"] for r in store.rows(conn, "metrics_alerts")}
                ingest = store.rows(conn, "metrics_ingest")[0]
                backlog = store.rows(conn, "metrics_backlog")[0]
                unconserved = store.rows(conn, "metrics_unconserved")[0]["n"]
        except (psycopg.Error, PoolTimeout) as exc:
            log.warning("metrics without the store", extra={"event": "metrics_store_down", "error": str(exc)})
            up.add_metric([], 0)
            return [up]
        up.add_metric([], 1)
        alerts = GaugeMetricFamily("chuantou_alerts_open", "Alerts that are neither closed nor resolved", labels=["severity"])
        for severity in ("P1", "P2", "P3", "P4"):
            alerts.add_metric([severity], severities.get(severity, 0))
        readings = CounterMetricFamily("chuantou_readings", "Readings by what became of them", labels=["outcome"])
        for outcome in ("received", "stored", "repeated", "absorbed", "refused"):
            readings.add_metric([outcome], ingest[outcome])
        waiting = GaugeMetricFamily("chuantou_backlog", "Work that waits", labels=["kind"])
        waiting.add_metric(["movements"], backlog["movements"])
        waiting.add_metric(["job_requests"], backlog["job_requests"])
        broken = GaugeMetricFamily(
            "chuantou_unconserved_device_days", "Days of devices whose readings are not conserved", value=unconserved
        )
        return [up, alerts, readings, waiting, broken]


class Metrics:
    """The registry of one application."""

    def __init__(self, pool: Pool, hub: AlertHub) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter("chuantou_http_requests", "Requests", ["method", "route", "status"], registry=self._registry)
        self._seconds = Histogram(
            "chuantou_http_request_seconds", "Time until the answer began", ["method", "route"], buckets=_BUCKETS_S, registry=self._registry
        )
        self._registry.register(StoreMetrics(pool, hub))

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request. route: the operation id, so that ids do not become labels."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)

    def text(self) -> bytes:
        """The exposition."""
        return generate_latest(self._registry)
