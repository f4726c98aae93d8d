"""How long it takes from a device's publishing to the alert at a client: measured as a client of the event stream.

A simulated device stamps the instant of publishing as the time of what it saw, so an alert's `occurred_at` on the scaled clock is
the wall time of publishing. This holds for rules that answer to one event; rules that wait or run on a schedule are left out.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import httpx

from collateral.clock import ScaledClock

EVENT_RULES = frozenset({"R01", "R03", "R05"})


def percentile(values: list[float], share: float) -> float | None:
    """Nearest-rank percentile; None of nothing. share in (0, 1]."""
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


class LatencyMeter:
    """Listens to `GET stream` in a thread of its own; survives restarts of the api. `clock` gives the running clock, or None."""

    def __init__(self, url: str, username: str, password: str, clock: Callable[[], ScaledClock | None]) -> None:
        self._url = url
        self._login = {"username": username, "password": password}
        self._clock = clock
        self._ending = threading.Event()
        self._seen: set[str] = set()
        self._last_id: str | None = None
        self.samples_ms: list[float] = []
        self._thread = threading.Thread(target=self._run, name="latency-meter", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ending.set()

    def summary(self) -> dict[str, float | int | None]:
        """p50 and p99 in milliseconds, and how many alerts they rest on."""
        values = list(self.samples_ms)
        rounded = {name: percentile(values, share) for name, share in (("p50", 0.5), ("p99", 0.99))}
        return {**{k: None if v is None else round(v, 1) for k, v in rounded.items()}, "samples": len(values)}

    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                with httpx.Client(base_url=f"{self._url}/api/v1", timeout=httpx.Timeout(10, read=60)) as client:
                    token = client.post("/auth/token", data=self._login).raise_for_status().json()["access_token"]
                    headers = {"Authorization": f"Bearer {token}"}
                    if self._last_id is not None:
                        headers["Last-Event-ID"] = self._last_id
                    with client.stream("GET", "/stream", headers=headers) as response:
                        response.raise_for_status()
                        self._read(response)
            except (httpx.HTTPError, KeyError, ValueError):
                self._ending.wait(0.3)

    def _read(self, response: httpx.Response) -> None:
        name, data = "", ""
        for line in response.iter_lines():
            if self._ending.is_set():
                return
            field, _, value = line.partition(": ")
            if field == "event":
                name = value
            elif field == "data":
                data += value
            elif field == "id":
                self._last_id = value
            elif not line:
                if name == "alert" and data:
                    self.take(json.loads(data), time.time())
                name, data = "", ""

    def take(self, alert: dict[str, Any], arrived: float) -> None:
        """Count an alert's first appearance. arrived: epoch seconds."""
        clock = self._clock()
        if clock is None or alert.get("rule_code") not in EVENT_RULES or alert["alert_id"] in self._seen:
            return
        self._seen.add(alert["alert_id"])
        published = clock.wall_of(datetime.fromisoformat(alert["occurred_at"]))
        if published >= clock.wall_start:
            self.samples_ms.append(max(0.0, (arrived - published) * 1000))
