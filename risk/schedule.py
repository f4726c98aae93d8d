"""The scheduled lane: APScheduler fires jobs by the product's clock, which may run many times as fast as the machine's."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import partial
from time import monotonic
from typing import Any

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger

from collateral.clock import Clock
from collateral.errors import RejectedInput
from db.pool import Pool
from risk import job_store, jobs
from risk.conservation import CONSERVATION, check_conservation
from risk.jobs import RunReport, Tuning
from risk.rule import Lane
from risk.settings import RiskSettings
from risk.timetable import Daily, Every, Nightly, Timetable, TradingDays

log = logging.getLogger(__name__)

MAKE_UP_WITHIN = timedelta(hours=20)
CLOCK_POLL_S = 0.2
THREADS = 4
OVERNIGHT_AT = time(2, 0)
CONSERVATION_AT = time(3, 0)
CLOSING_AT = time(16, 0)

Work = Callable[[Pool, datetime, RunReport], None]


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job, when it is due, and what it does. gap: least real time between two starts.

    replay: the lane whose rules a run for a past instant looks with; None = the job acts, and the past cannot be acted on.
    """

    name: str
    timetable: Timetable
    work: Work
    replay: Lane | None = None
    gap: timedelta = timedelta(seconds=1)


def jobs_of(settings: RiskSettings, tuning: Tuning) -> tuple[Job, ...]:
    """All scheduled jobs."""
    expiry = Every(timedelta(seconds=settings.risk_expiry_s))
    return (
        Job(
            name=jobs.CROSS_CHECK,
            timetable=Every(timedelta(seconds=settings.risk_cross_check_s)),
            gap=timedelta(milliseconds=settings.risk_cross_check_gap_ms),
            work=lambda pool, as_of, report: jobs.void(jobs.cross_check(pool, as_of, tuning, report)),
            replay=Lane.SCHEDULED,
        ),
        Job(name=jobs.MARGIN_EXPIRY, timetable=expiry, work=lambda pool, as_of, report: jobs.margin_expiry(pool, as_of, tuning, report)),
        Job(name=jobs.RELEASE_EXPIRY, timetable=expiry, work=jobs.release_expiry),
        Job(
            name=jobs.OVERNIGHT,
            timetable=Nightly(OVERNIGHT_AT),
            work=lambda pool, as_of, report: jobs.void(jobs.mark(pool, as_of, "OVERNIGHT", tuning, report)),
            replay=Lane.MARK,
        ),
        Job(
            name=jobs.CLOSING_MARK,
            timetable=TradingDays(CLOSING_AT),
            work=lambda pool, as_of, report: jobs.void(jobs.mark(pool, as_of, "PRICE", tuning, report)),
            replay=Lane.MARK,
        ),
        Job(name=CONSERVATION, timetable=Daily(CONSERVATION_AT), work=check_conservation),
    )


class ClockTrigger(BaseTrigger):  # type: ignore[misc]
    """Fires when the product's clock reaches the next due instant, and not sooner after the last start than gap() in real time."""

    def __init__(self, clock: Clock, timetable: Timetable, gap: Callable[[], timedelta]) -> None:
        self._clock = clock
        self._timetable = timetable
        self._gap = gap

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        wait_s = max(0.0, self._clock.real_seconds_until(self._timetable.next_after(self._clock.now())))
        wait = timedelta(seconds=min(wait_s, 366 * 86_400.0))
        return now + (max(wait, self._gap()) if previous_fire_time is not None else wait)


class Schedule:
    """The scheduled lane of the leading process. Runs requests of people as well."""

    def __init__(self, pool: Pool, clock: Clock, settings: RiskSettings, tuning: Tuning) -> None:
        self._pool = pool
        self._clock = clock
        self._jobs = {job.name: job for job in jobs_of(settings, tuning)}
        self._tuning = tuning
        self._wake = threading.Event()
        self._last_asked = datetime.min.replace(tzinfo=UTC)
        self._took: dict[str, timedelta] = {}
        self._slack = timedelta(seconds=2.0 / max(clock.real_seconds(timedelta(seconds=1)), 1e-9))

    def wake(self, channel: str) -> None:
        """Something was told: a price, a request; or time to look for marks that are due."""
        if channel != "refused_command":
            self._wake.set()

    def run(self, stop: threading.Event) -> None:
        """Until stop is set: jobs by the clock, requests and marks as they come. The clock may stand still at first."""
        while not getattr(self._clock, "running", True):
            if stop.wait(CLOCK_POLL_S):
                return
        self._begin(stop)
        scheduler = BackgroundScheduler(timezone=UTC, executors={"default": ThreadPoolExecutor(THREADS)})
        for job in self._jobs.values():
            scheduler.add_job(
                self._fire, ClockTrigger(self._clock, job.timetable, partial(self._gap, job)), args=(job, stop), id=job.name, name=job.name,
                max_instances=1, coalesce=True, misfire_grace_time=None,
            )  # fmt: skip
        scheduler.start()
        try:
            while not stop.is_set():
                self._wake.wait(1.0)
                self._wake.clear()
                if not stop.is_set():
                    self._guarded(self._serve)
        finally:
            scheduler.shutdown(wait=True)

    def _begin(self, stop: threading.Event) -> None:
        """Take over from an earlier leader: its runs are abandoned, a night that was missed is made up."""
        while not stop.is_set() and not self._guarded(self._take_over):
            stop.wait(1.0)

    def _take_over(self) -> None:
        now = self._clock.now()
        job_store.take_over(self._pool, now)
        for job in self._jobs.values():
            self._tell(job)
            due = job.timetable.latest(now)
            if due is not None and now - due < MAKE_UP_WITHIN and not job_store.ran_for(self._pool, job.name, due):
                self._run(job, scheduled_for=due)

    def _gap(self, job: Job) -> timedelta:
        """A job that takes long on a fast clock leaves as much time to the others as it took."""
        return max(job.gap, 2 * self._took.get(job.name, timedelta(0)))

    def _fire(self, job: Job, stop: threading.Event) -> None:
        if not stop.is_set():
            now = self._clock.now()
            due = job.timetable.latest(now)
            began = monotonic()
            self._guarded(lambda: jobs.void(self._run(job, scheduled_for=now if due is None else due)))
            self._took[job.name] = timedelta(seconds=monotonic() - began)
            self._guarded(lambda: self._tell(job))

    def _run(self, job: Job, *, scheduled_for: datetime, as_of: datetime | None = None) -> RunReport:
        now = self._clock.now()
        at = now if as_of is None else as_of

        def work(report: RunReport) -> None:
            jobs.require_no_future(at, now)
            if as_of is None:
                job.work(self._pool, at, report)
            elif job.replay is None:
                raise RejectedInput(f"{job.name} acts, and only on the present: it runs without as_of", field="as_of")
            else:
                jobs.replay(self._pool, at, job.replay, self._tuning, report)

        return jobs.recorded(self._pool, job.name, work, as_of=at, scheduled_for=scheduled_for, clock_now=self._clock.now)

    def _tell(self, job: Job) -> None:
        now = self._clock.now()
        job_store.save_schedule(self._pool, job.name, job.timetable.next_after(now), now)

    def _serve(self) -> None:
        # A request whose run or whose end the store could not take stands as taken: it waits again, and this beat serves it.
        job_store.tidy_up(self._pool, jobs.active_runs(), self._clock.now())
        while (request := job_store.take_request(self._pool)) is not None:
            job = self._jobs.get(request.job)
            report = None if job is None else self._run(job, scheduled_for=self._instant(), as_of=request.as_of)
            run_id = None if report is None else report.run_id
            job_store.end_request(self._pool, request.request_id, run_id, failed=report is None or report.failed or run_id is None)
        for cause, facility_ids in job_store.marks_due(self._pool, self._clock.now(), self._slack).items():
            self._mark(cause, facility_ids)

    def _instant(self) -> datetime:
        """Now, but never twice the same: a run is known by its job and its time, and several may be asked for on a clock that stands."""
        self._last_asked = max(self._clock.now(), self._last_asked + timedelta(microseconds=1))
        return self._last_asked

    def _mark(self, cause: str, facility_ids: list[str]) -> None:
        at = self._clock.now()
        jobs.recorded(
            self._pool, jobs.MARK, lambda r: jobs.void(jobs.mark(self._pool, at, cause, self._tuning, r, facility_ids)), as_of=at,
            scheduled_for=self._instant(),
            clock_now=self._clock.now,
        )  # fmt: skip

    def _guarded(self, work: Callable[[], Any]) -> bool:
        """Whether work was done. What stands in the way is logged; the next beat tries again."""
        try:
            work()
        except Exception as exc:  # noqa: BLE001 - the edge of the loop: logged, tried again
            log.warning("scheduled work not done", extra={"event": "schedule_failed", "error": f"{type(exc).__name__}: {exc}"})
            return False
        return True
