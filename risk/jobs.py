"""What the schedule runs. Every run is a row: as-of, inputs, findings per rule, errors, duration."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from collateral import margin_service, release_service, valuation_service
from collateral.errors import RejectedInput
from collateral.model import Valuation
from db.pool import Pool
from risk import job_store, store, trade_store
from risk.alerts import Reconciled, reconcile_in
from risk.evaluate import RuleResult, evaluate
from risk.rule import Lane, Rule
from risk.rules import rules_of
from risk.shadow import part_shadows

log = logging.getLogger(__name__)

CROSS_CHECK = "cross_check"
OVERNIGHT = "overnight_revaluation"
CLOSING_MARK = "closing_mark"
MARK = "mark"
MARGIN_EXPIRY = "margin_expiry"
RELEASE_EXPIRY = "release_expiry"
JUDGEMENT_LOCK = 7251003


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """What runs are tuned by. settle: how long a reading may be under way in our own pipes, in clock time."""

    settle: timedelta = timedelta(seconds=15)
    round_interval: timedelta = timedelta(hours=1)


@dataclass(kw_only=True)
class RunReport:
    """What a run did; the row of job_run. run_id is None when the due time had been served already."""

    job: str
    run_id: str | None = None
    inputs: dict[str, Any] = field(default_factory=dict)
    findings: Counter[str] = field(default_factory=Counter)
    errors: list[dict[str, str]] = field(default_factory=list)
    failed: bool = False
    opened: list[str] = field(default_factory=list)
    clock_now: Callable[[], datetime] | None = None

    @property
    def status(self) -> str:
        return "FAILED" if self.failed else "PARTLY_FAILED" if self.errors else "SUCCEEDED"

    def take(self, results: Sequence[RuleResult]) -> None:
        """Add what rules found and how they failed."""
        self.findings.update({r.rule.code: len(r.findings) for r in results if r.error is None})
        self.errors.extend({"rule": r.rule.code, "error": r.error} for r in results if r.error is not None)
        doubts = {r.rule.code: len(r.cannot_judge) for r in results if r.cannot_judge}
        if doubts:
            self.inputs["cannot_judge"] = doubts


_active: set[str] = set()  # runs that this process works on


def active_runs() -> frozenset[str]:
    """Runs that this process works on now."""
    return frozenset(_active)


def recorded(
    pool: Pool, job: str, work: Callable[[RunReport], None], *, as_of: datetime, scheduled_for: datetime, clock_now: Callable[[], datetime]
) -> RunReport:
    """Run work under a row of job_run. What it raises fails the run and is recorded, not raised, unless the store itself is gone."""
    report = RunReport(job=job, clock_now=clock_now)
    report.run_id = job_store.begin_run(pool, job, scheduled_for=scheduled_for, as_of=as_of, now=clock_now())
    if report.run_id is None:
        return report
    started = time.monotonic()
    _active.add(report.run_id)
    try:
        try:
            work(report)
        except RejectedInput as exc:
            report.failed = True
            report.errors.append({"job": job, "error": str(exc)})
        except Exception as exc:
            log.exception("job failed", extra={"event": "job_failed", "job": job})
            report.failed = True
            report.errors.append({"job": job, "error": f"{type(exc).__name__}: {exc}"})
        took_ms = round((time.monotonic() - started) * 1000)
        job_store.end_run(
            pool,
            report.run_id,
            status=report.status,
            now=clock_now(),
            inputs=report.inputs,
            findings=report.findings,
            errors=report.errors,
            duration_ms=took_ms,
        )
    finally:
        _active.discard(report.run_id)
    log.info(
        "job ran",
        extra={
            "event": "job_ran",
            "job": job,
            "status": report.status,
            "took_ms": took_ms,
            "findings": dict(report.findings),
            "as_of": as_of,
        },
    )
    return report


_judging = threading.Lock()


@contextmanager
def _one_judgement(pool: Pool) -> Iterator[None]:
    """From the snapshot to the alerts one run at a time: a view from before another run's alerts must not resolve them after it."""
    with _judging, pool.connection() as conn, conn.transaction():
        conn.execute("SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0")
        conn.execute("SELECT pg_advisory_xact_lock(%s)", (JUDGEMENT_LOCK,))
        yield


def _reconcile(pool: Pool, results: Sequence[RuleResult], report: RunReport, *, now: datetime, previous: datetime | None) -> Reconciled:
    with pool.connection() as conn, conn.transaction():
        live, hidden = part_shadows(results, trade_store.shadowed(conn))
        if hidden:
            trade_store.keep_shadow(conn, hidden, now)
            report.inputs["shadow"] = dict(Counter(h.rule_code for h in hidden))
        written_at = report.clock_now() if report.clock_now is not None else now
        return reconcile_in(conn, live, now=now, previous_run_at=previous, whole=True, written_at=max(written_at, now))


LOOKED_ONLY = Reconciled(counts={}, opened=())


def _judge(pool: Pool, rules: Sequence[Rule], as_of: datetime, tuning: Tuning, report: RunReport, *, replay: bool = False) -> Reconciled:
    """Load what the rules ask for, evaluate them, bring the alerts in line; a replay only records what the rules found."""
    with _one_judgement(pool):
        previous = job_store.previous_run(pool, report.job)
        snapshot = store.load_snapshot(
            pool,
            [s for r in rules for s in r.inputs],
            as_of=as_of,
            settle=tuning.settle,
            round_interval=tuning.round_interval,
            replay=replay,
        )
        report.inputs |= {
            "stream_reached_at": snapshot.stream.reached_at,
            "devices_heard": snapshot.stream.devices_heard,
            **snapshot.counts(),
        }
        results = evaluate(rules, snapshot)
        report.take(results)
        if replay:
            report.inputs["replay"] = True
            return LOOKED_ONLY
        done = _reconcile(pool, results, report, now=as_of, previous=previous)
    report.inputs["alerts"] = done.counts
    report.errors.extend(done.refused)
    report.opened.extend(done.opened)
    return done


def cross_check(pool: Pool, as_of: datetime, tuning: Tuning, report: RunReport, rules: Sequence[Rule] | None = None) -> Reconciled:
    """All scheduled rules over one consistent snapshot. One that describes an instant before the newest check's is a replay."""
    rules = rules_of(Lane.SCHEDULED) if rules is None else rules
    previous = job_store.previous_run(pool, report.job)
    if previous is not None and as_of < previous:
        return _judge(pool, rules, as_of, tuning, report, replay=True)
    report.inputs["rounds"] = store.record_rounds(pool, as_of=as_of, round_interval=tuning.round_interval)
    return _judge(pool, rules, as_of, tuning, report)


def replay(pool: Pool, as_of: datetime, lane: Lane, tuning: Tuning, report: RunReport) -> None:
    """What the rules of a lane find as of a past instant: recorded in the run, and nothing else. Alerts, marks and calls are of the present."""
    _judge(pool, rules_of(lane), as_of, tuning, report, replay=True)


def require_no_future(as_of: datetime, now: datetime) -> None:
    """Raises RejectedInput for an instant that has not come: a run judges what has happened."""
    if as_of > now:
        raise RejectedInput(f"as_of {as_of.isoformat()} lies in the future of {now.isoformat()}", field="as_of")


def judge_marks(pool: Pool, as_of: datetime, tuning: Tuning, report: RunReport) -> Reconciled:
    """The value rules over the newest marks, calls and cases."""
    return _judge(pool, rules_of(Lane.MARK), as_of, tuning, report)


def _values(pool: Pool, facility_ids: Iterable[str] | None, as_of: datetime, cause: str, report: RunReport) -> list[Valuation]:
    if facility_ids is None:
        return valuation_service.value_all(pool, as_of, cause)
    made = []
    for facility_id in facility_ids:
        try:
            made.append(valuation_service.value_facility(pool, facility_id, as_of, cause))
        except Exception as exc:
            log.exception("facility not valued", extra={"event": "facility_not_valued", "facility_id": facility_id})
            report.errors.append({"facility": facility_id, "error": f"{type(exc).__name__}: {exc}"})
    return made


def mark(
    pool: Pool, as_of: datetime, cause: str, tuning: Tuning, report: RunReport, facility_ids: Sequence[str] | None = None
) -> Reconciled:
    """Value facilities (None = all that are not closed), let margin act on each valuation, and judge the value rules."""
    actions: Counter[str] = Counter()
    if cause in ("PRICE", "OVERNIGHT"):
        report.inputs["restated"] = len(valuation_service.restate_past_days(pool, as_of))
    valuations = _values(pool, facility_ids, as_of, cause, report)
    for valuation in valuations:
        try:
            actions[margin_service.apply_margin(pool, valuation.valuation_id, as_of).action] += 1
        except Exception as exc:
            log.exception("margin not applied", extra={"event": "margin_not_applied", "facility_id": valuation.facility_id})
            report.errors.append({"facility": valuation.facility_id, "error": f"{type(exc).__name__}: {exc}"})
    report.inputs |= {"cause": cause, "facilities": len(valuations), "actions": dict(actions)}
    return judge_marks(pool, as_of, tuning, report)


def _as_of_clock(as_of: datetime) -> Callable[[], datetime]:
    return lambda: as_of


def run_cross_check(pool: Pool, as_of: datetime, tuning: Tuning | None = None, *, rules: Sequence[Rule] | None = None) -> RunReport:
    """The cross-check as of an instant, recorded."""
    tuned = tuning or Tuning()
    return recorded(
        pool,
        CROSS_CHECK,
        lambda r: void(cross_check(pool, as_of, tuned, r, rules)),
        as_of=as_of,
        scheduled_for=as_of,
        clock_now=_as_of_clock(as_of),
    )


def run_mark(
    pool: Pool, as_of: datetime, cause: str, tuning: Tuning | None = None, *, facility_ids: Sequence[str] | None = None
) -> RunReport:
    """A mark as of an instant, recorded. cause: PRICE, RELEASE, REPAYMENT, ELIGIBILITY, PLEDGE or MANUAL."""
    tuned = tuning or Tuning()
    return recorded(
        pool,
        MARK,
        lambda r: void(mark(pool, as_of, cause, tuned, r, facility_ids)),
        as_of=as_of,
        scheduled_for=as_of,
        clock_now=_as_of_clock(as_of),
    )


def run_overnight_revaluation(
    pool: Pool, as_of: datetime, tuning: Tuning | None = None, *, scheduled_for: datetime | None = None
) -> RunReport:
    """All facilities valued and their margin applied, recorded."""
    tuned = tuning or Tuning()
    return recorded(
        pool, OVERNIGHT, lambda r: void(mark(pool, as_of, "OVERNIGHT", tuned, r)), as_of=as_of, scheduled_for=scheduled_for or as_of,
        clock_now=_as_of_clock(as_of),
    )  # fmt: skip


def margin_expiry(pool: Pool, as_of: datetime, tuning: Tuning, report: RunReport) -> None:
    """Calls past their deadline lead to a disposal case in draft; alerts follow when any did."""
    outcomes = margin_service.expire_calls(pool, as_of)
    report.inputs["expired"] = [o.facility_id for o in outcomes]
    if outcomes:
        judge_marks(pool, as_of, tuning, report)


def run_margin_expiry(pool: Pool, as_of: datetime, tuning: Tuning | None = None) -> RunReport:
    """Overdue margin calls, recorded."""
    tuned = tuning or Tuning()
    return recorded(
        pool, MARGIN_EXPIRY, lambda r: margin_expiry(pool, as_of, tuned, r), as_of=as_of, scheduled_for=as_of, clock_now=_as_of_clock(as_of)
    )


def release_expiry(pool: Pool, as_of: datetime, report: RunReport) -> None:
    """Release orders past their time; what is left over goes back to pledged."""
    report.inputs["expired"] = release_service.expire_releases(pool, as_of)


def void(_: object) -> None:
    """Drops a result where only the effect counts."""
