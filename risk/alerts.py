"""Alerts as episodes: reconciling what rules found, and what officers do. Each function is one transaction."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import Connection

from collateral.errors import NotFound, RejectedInput, SamePersonRefused, WrongState
from db.pool import Pool
from risk import alert_store
from risk.evaluate import RuleResult
from risk.reconcile import COMPOSITE_WITHIN, AlertState, Change, ChangeKind, Status, composite_raises, reconcile
from risk.rule import Severity

log = logging.getLogger(__name__)
COMMENT_CHARS_MAX = 4000
REASON_CHARS_MAX = 4000
TWO_PERSONS = (Severity.P1, Severity.P2)


@dataclass(frozen=True, kw_only=True)
class Reconciled:
    """What a reconciliation did. refused: changes that the store would not take, by rule and subject; nothing of them was written."""

    counts: dict[str, int]
    opened: tuple[str, ...]
    refused: tuple[dict[str, str], ...] = ()


def reconcile_in(
    conn: Connection[Any],
    results: Sequence[RuleResult],
    *,
    now: datetime,
    previous_run_at: datetime | None = None,
    whole: bool,
    written_at: datetime | None = None,
) -> Reconciled:
    """Bring the alerts in line with the results inside the caller's transaction. whole, now: see risk.reconcile.

    written_at: the product's clock at the time of writing, None = now; marks that look at the alerts are due by it.
    """
    written_at = written_at or now
    completed = [r for r in results if r.error is None]
    codes = [r.rule.code for r in completed]
    alert_store.lock(conn)
    subjects = {(f.subject.kind, f.subject.id) for r in completed for f in r.findings}
    known = [*alert_store.open_alerts(conn, codes), *alert_store.ended_alerts(conn, codes, subjects)]
    changes = reconcile(completed, known, now=now, previous_run_at=previous_run_at, whole=whole)
    before = {a.alert_id: a for a in known}
    written = _write(conn, changes, before, now, written_at)
    refused: list[dict[str, str]] = []
    if written is None:  # one of them is not to be had: each for itself, so that the others are
        written = []
        for change in changes:
            alone = _write(conn, [change], before, now, written_at, refused)
            written.extend(alone or ())
    counts: Counter[str] = Counter(change.kind.value for change, _ in written)
    opened = tuple(alert_id for change, alert_id in written if change.kind in (ChangeKind.OPENED, ChangeKind.REOPENED))
    raising = (ChangeKind.OPENED, ChangeKind.REOPENED, ChangeKind.RAISED)
    pledges = {c.finding.pledge_id for c, _ in written if c.kind in raising and c.finding is not None and c.finding.pledge_id is not None}
    counts["COMPOSITE"] = _raise_composites(conn, pledges, now, written_at)
    return Reconciled(counts=dict(counts), opened=opened, refused=tuple(refused))


def _refuses(exc: Exception) -> bool:
    """Whether the store, or the way into it, says no to this content; any other failure (connection, lock, disk) is not the content's."""
    limit = isinstance(exc, psycopg.errors.ProgramLimitExceeded)  # a text too long for an index
    return limit or isinstance(exc, psycopg.DataError | psycopg.IntegrityError | TypeError | ValueError)


def _write(
    conn: Connection[Any],
    changes: Sequence[Change],
    before: dict[str, AlertState],
    now: datetime,
    written_at: datetime,
    refused: list[dict[str, str]] | None = None,
) -> list[tuple[Change, str]] | None:
    """Write changes in a savepoint of their own; None when the content of one is refused, then nothing of them is written.

    refused: where to tell which; for a single change.
    """
    written: list[tuple[Change, str]] = []
    try:
        with conn.transaction():
            for change in changes:
                was = before.get(change.alert_id or "")
                tenant_id = change.finding.subject.tenant_id if change.finding is not None else was.tenant_id if was else ""
                written.append((change, alert_store.apply(conn, change, tenant_id, now, written_at)))
    except Exception as exc:
        if not _refuses(exc):
            raise
        if refused is not None:
            change = changes[0]
            subject = f"{change.finding.subject.kind} {change.finding.subject.id[:200]}" if change.finding else f"alert {change.alert_id}"
            told = {"rule": change.rule.code, "subject": subject.replace("\x00", "\ufffd"), "error": f"{type(exc).__name__}: {exc}"[:500]}
            log.error("a finding is refused by the store", extra={"event": "finding_refused", **told})
            refused.append(told)
        return None
    return written


def _raise_composites(conn: Connection[Any], pledges: set[str], now: datetime, written_at: datetime) -> int:
    if not pledges:
        return 0
    raised = 0
    alerts = alert_store.alerts_of_pledges(conn, pledges, now - COMPOSITE_WITHIN)
    for pledge_id in sorted(pledges):
        own = [a for a in alerts if a.pledge_id == pledge_id]
        before = {a.alert_id: a.severity for a in own}
        for alert in composite_raises(own, now):
            alert_store.raise_composite(conn, alert, was=before[alert.alert_id], now=now, written_at=written_at)
            raised += 1
    return raised


@dataclass(frozen=True, kw_only=True)
class AlertAction:
    """An alert after an officer's action."""

    alert_id: str
    status: str
    owner: str | None
    version: int
    needs_second_person: bool = False


def _text(text: str, what: str, characters_max: int) -> str:
    text = text.strip()
    if not 1 <= len(text) <= characters_max:
        raise RejectedInput(f"a {what} has 1 to {characters_max} characters", field=what, characters=len(text))
    return text


def _begin(conn: Connection[Any], tenant_id: str, alert_id: str, version: int | None) -> dict[str, Any]:
    alert_store.keep_reconciling_out(conn)
    row = alert_store.alert_for_update(conn, tenant_id, alert_id)
    if row is None:
        raise NotFound(f"there is no alert {alert_id}", alert_id=alert_id)
    if version is not None and row["version"] != version:
        raise WrongState(f"alert {alert_id} has changed since: it is at version {row['version']}", version=row["version"], given=version)
    return row


def _require_open(row: dict[str, Any]) -> None:
    if Status(row["status"]).ended:
        raise WrongState(f"alert {row['alert_id']} is {row['status'].lower()}", status=row["status"])


def _end(conn: Connection[Any], row: dict[str, Any], *, actor: str, now: datetime, kind: str, detail: dict[str, Any]) -> AlertAction:
    version = alert_store.save_action(conn, row)
    alert_store.append_event(conn, row["alert_id"], row["tenant_id"], now=now, actor=actor, kind=kind, detail=detail)
    waits = row["status"] != "CLOSED" and row["closing_user"] is not None
    return AlertAction(alert_id=row["alert_id"], status=row["status"], owner=row["owner"], version=version, needs_second_person=waits)


def acknowledge(
    pool: Pool, tenant_id: str, alert_id: str, actor: str, version: int | None, now: datetime, *, comment: str | None = None
) -> AlertAction:
    """OPEN becomes ACK and the actor its owner when it has none.

    version: the one the actor saw; None = whatever it is. Raises NotFound, WrongState (also when the alert has changed since).
    """
    with pool.connection() as conn, conn.transaction():
        row = _begin(conn, tenant_id, alert_id, version)
        if row["status"] != Status.OPEN:
            raise WrongState(f"alert {alert_id} is {row['status'].lower()}, not open", status=row["status"])
        row |= {"status": Status.ACK.value, "owner": row["owner"] or actor}
        return _end(conn, row, actor=actor, now=now, kind="ACKNOWLEDGED", detail={"comment": comment} if comment else {})


def assign(pool: Pool, tenant_id: str, alert_id: str, actor: str, version: int | None, now: datetime, *, owner: str) -> AlertAction:
    """Make somebody the owner of an open alert."""
    with pool.connection() as conn, conn.transaction():
        row = _begin(conn, tenant_id, alert_id, version)
        _require_open(row)
        detail = {"owner": owner, "was": row["owner"]}
        return _end(conn, row | {"owner": owner}, actor=actor, now=now, kind="ASSIGNED", detail=detail)


def comment(pool: Pool, tenant_id: str, alert_id: str, actor: str, now: datetime, *, text: str) -> AlertAction:
    """Add a remark, also to an alert that is over. Raises RejectedInput on an empty or too long text."""
    text = _text(text, "comment", COMMENT_CHARS_MAX)
    with pool.connection() as conn, conn.transaction():
        row = _begin(conn, tenant_id, alert_id, None)
        alert_store.append_event(conn, alert_id, tenant_id, now=now, actor=actor, kind="COMMENTED", detail={"text": text})
        return AlertAction(alert_id=alert_id, status=row["status"], owner=row["owner"], version=row["version"])


OUTCOMES = (Status.CONFIRMED, Status.EXPLAINED, Status.FALSE_ALARM)
SETTABLE = (Status.INVESTIGATING, Status.CONFIRMED, Status.EXPLAINED, Status.FALSE_ALARM)


def set_status(
    pool: Pool, tenant_id: str, alert_id: str, actor: str, version: int | None, now: datetime, *, status: str, comment: str | None = None
) -> AlertAction:
    """Say what the work on an open alert has shown: INVESTIGATING, CONFIRMED, EXPLAINED or FALSE_ALARM."""
    if status not in SETTABLE:
        raise RejectedInput(f"status is one of {', '.join(SETTABLE)}", field="status", status=status)
    with pool.connection() as conn, conn.transaction():
        row = _begin(conn, tenant_id, alert_id, version)
        _require_open(row)
        detail = {"status": str(status), "was": row["status"], **({"comment": comment} if comment else {})}
        return _end(conn, row | {"status": str(status)}, actor=actor, now=now, kind="STATUS", detail=detail)


def close(pool: Pool, tenant_id: str, alert_id: str, actor: str, version: int | None, now: datetime, *, reason: str) -> AlertAction:
    """Close an alert with a reason. P1 and P2 take two persons: the first call proposes, the second, by somebody else, closes.

    What the work had shown (CONFIRMED, EXPLAINED, FALSE_ALARM) stays as the outcome of the closed alert.
    Raises SamePersonRefused when the first person calls again, RejectedInput without a reason, WrongState when it is over already.
    """
    reason = _text(reason, "reason", REASON_CHARS_MAX)
    with pool.connection() as conn, conn.transaction():
        row = _begin(conn, tenant_id, alert_id, version)
        _require_open(row)
        detail = {"reason": reason}
        if Severity(row["severity"]) in TWO_PERSONS:
            if row["closing_user"] is None:
                row |= {"closing_user": actor, "closing_reason": reason}
                return _end(conn, row, actor=actor, now=now, kind="STATUS", detail={**detail, "closing": "waits for a second person"})
            if row["closing_user"] == actor:
                raise SamePersonRefused(f"closing a {row['severity']} alert takes a second person", alert_id=alert_id, first=actor)
            row |= {"second_closing_user": actor}
            detail |= {"first": row["closing_user"], "first_reason": row["closing_reason"]}
        else:
            row |= {"closing_user": actor}
        if row["status"] in OUTCOMES:
            row |= {"outcome": row["status"]}
            detail |= {"outcome": row["status"]}
        row |= {"status": Status.CLOSED.value, "closed_at": now, "closing_reason": reason}
        return _end(conn, row, actor=actor, now=now, kind="CLOSED", detail=detail)
