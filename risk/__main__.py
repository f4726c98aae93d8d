"""`python -m risk`: one risk process. It leads or stands by; SIGTERM ends it within seconds."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from datetime import timedelta
from types import FrameType

from collateral.clock import Clock, clock_from_spec
from collateral.errors import MisconfiguredService
from collateral.logs import log_to_stderr
from db.pool import Pool, open_pool
from risk.fast_lane import FastLane, listen
from risk.jobs import Tuning
from risk.leader import lead
from risk.schedule import Schedule
from risk.settings import RiskSettings, load_settings

log = logging.getLogger(__name__)


def tuning_of(settings: RiskSettings, clock: Clock) -> Tuning:
    """Settings in clock time: the delay of our own pipes is real time, and a fast clock makes much of it."""
    per_second = clock.real_seconds(timedelta(seconds=1))
    settle = timedelta(seconds=settings.risk_ingest_delay_s / per_second)
    return Tuning(settle=settle, round_interval=timedelta(seconds=settings.risk_inventory_round_s))


class _Lanes:
    """Both lanes while this process leads."""

    def __init__(self, settings: RiskSettings, pool: Pool, clock: Clock) -> None:
        self._settings = settings
        self._pool = pool
        self._clock = clock

    def run(self, lost: threading.Event) -> None:
        """Until the lead is lost."""
        fast = FastLane(self._pool, self._clock, batch_max=self._settings.risk_fast_batch_max)
        while not getattr(self._clock, "running", True):
            if lost.wait(0.1):
                return
        schedule = Schedule(self._pool, self._clock, self._settings, tuning_of(self._settings, self._clock))
        told = threading.Event()

        def wake(channel: str) -> None:
            told.set()
            schedule.wake(channel)

        threads = [
            threading.Thread(target=schedule.run, args=(lost,), name="risk-schedule"),
            threading.Thread(target=self._drain, args=(fast, told, lost), name="risk-fast-lane"),
        ]
        for thread in threads:
            thread.start()
        listen(self._settings.database_url, wake, lost, poll_s=self._settings.risk_poll_ms / 1000)
        told.set()
        schedule.wake("poll")
        for thread in threads:
            thread.join()

    @staticmethod
    def _drain(fast: FastLane, told: threading.Event, lost: threading.Event) -> None:
        while not lost.is_set():
            told.wait(1.0)
            told.clear()
            try:
                fast.drain()
            except Exception as exc:  # noqa: BLE001 - the edge of the loop: logged, tried again
                log.warning("fast lane waits", extra={"event": "fast_lane_failed", "error": f"{type(exc).__name__}: {exc}"})
                fast.forget()
                lost.wait(0.5)
                told.set()


def main() -> int:
    """Run until SIGTERM or SIGINT. Returns the exit code: 2 when a setting is wrong."""
    stop = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    try:
        settings = load_settings()
        log_to_stderr(settings.log_level)
        clock = clock_from_spec(settings.clock)
    except (MisconfiguredService, ValueError) as exc:
        log_to_stderr("INFO")
        log.error("misconfigured", extra={"event": "misconfigured", "error": str(exc)})
        return 2
    pool = open_pool(settings.database_url, name="risk", size_max=settings.risk_pool_size_max, connect_wait_s=5.0)
    try:
        log.info("risk starts", extra={"event": "risk_started"})
        lead(settings.database_url, _Lanes(settings, pool, clock).run, stop)
    finally:
        pool.close(timeout=3)
    log.info("risk ended", extra={"event": "risk_ended"})
    return 0


if __name__ == "__main__":
    sys.exit(main())
