"""Reads and writes alerts and their history. Called inside the caller's transaction."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from collateral.ids import new_id
from db.sql import load_queries
from risk.reconcile import AlertState, Change, ChangeKind, Status, markers_of, sla_due
from risk.rule import Finding, Severity, SubjectKind

_Q = load_queries(__file__, "alert_queries.sql")


def _plain(value: Any) -> str:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    raise TypeError(f"{type(value).__name__} is no evidence")


def as_json(value: Any) -> str:
    """Canonical JSON: decimals and times as strings, keys sorted."""
    return json.dumps(value, default=_plain, sort_keys=True, ensure_ascii=False)


def jsonb(value: Any) -> Jsonb:
    """A jsonb parameter of evidence, thresholds or details."""
    return Jsonb(value, dumps=as_json)


def _state(row: Mapping[str, Any]) -> AlertState:
    return AlertState(
        alert_id=row["alert_id"],
        tenant_id=row["tenant_id"],
        rule_code=row["rule_code"],
        subject_kind=SubjectKind(row["subject_kind"]),
        subject_id=row["subject_id"],
        leg=row["leg"],
        severity=Severity(row["severity"]),
        status=Status(row["status"]),
        episode=row["episode"],
        opened_at=row["opened_at"],
        last_found_at=row["last_found_at"],
        ended_at=row["ended_at"],
        sla_due_at=row["sla_due_at"],
        pledge_id=row["pledge_id"],
        event_keys=tuple(row["event_keys"]),
        composite_legs=tuple(row["composite_legs"]),
        markers=markers_of(row["evidence"]),
        explained_keys=tuple(row["explained_keys"]),
        evidence_at=row["evidence_at"],
        outcome=row["outcome"],
    )


def _states(conn: Connection[Any], name: str, params: Mapping[str, Any]) -> list[AlertState]:
    with conn.cursor(row_factory=dict_row) as cur:
        return [_state(row) for row in cur.execute(_Q[name], params)]


def lock(conn: Connection[Any]) -> None:
    """Wait for our turn to reconcile; held to the end of the transaction."""
    conn.execute(_Q["lock_alerts"])


def keep_reconciling_out(conn: Connection[Any]) -> None:
    """Before people act: a reconciliation that has read the alerts writes first, so neither overwrites the other."""
    conn.execute(_Q["keep_reconciling_out"])


def open_alerts(conn: Connection[Any], rules: Sequence[str]) -> list[AlertState]:
    """Open alerts of these rules."""
    return _states(conn, "open_alerts", {"rules": list(rules)})


def ended_alerts(conn: Connection[Any], rules: Sequence[str], subjects: Iterable[tuple[SubjectKind, str]]) -> list[AlertState]:
    """Closed and resolved alerts of these rules and subjects."""
    wanted = sorted(set(subjects))
    if not wanted:
        return []
    return _states(
        conn, "alerts_of_subjects", {"rules": list(rules), "kinds": [k.value for k, _ in wanted], "subjects": [i for _, i in wanted]}
    )


def alerts_of_pledges(conn: Connection[Any], pledges: Iterable[str], since: datetime) -> list[AlertState]:
    """Alerts of these pledges opened since an instant."""
    return _states(conn, "alerts_of_pledges", {"pledges": sorted(set(pledges)), "since": since})


def append_event(conn: Connection[Any], alert_id: str, tenant_id: str, *, now: datetime, actor: str, kind: str, detail: Any) -> None:
    """One line of an alert's history; a trigger notifies the listeners."""
    conn.execute(
        _Q["insert_event"],
        {"alert_id": alert_id, "tenant_id": tenant_id, "now": now, "actor": actor, "kind": kind, "detail": jsonb(detail)},
    )


def apply(conn: Connection[Any], change: Change, tenant_id: str, now: datetime, written_at: datetime) -> str:
    """Write one change and its event; returns the alert's id. written_at: the product's clock, where now is what the run describes."""
    alert_id = change.alert_id or new_id("alert")
    material = change.kind in (ChangeKind.REFRESHED, ChangeKind.RAISED)
    params: dict[str, Any] = {
        "alert_id": alert_id, "now": now, "written_at": written_at, "severity": change.severity.value, "episode": change.episode,
        "event_keys": list(change.event_keys), "explained_keys": list(change.explained_keys), "sla_due_at": sla_due(change.severity, now),
        "facility_id": None, "pledge_id": None, "material": material,
    }  # fmt: skip
    actor, detail = f"rule:{change.rule.code}", dict(change.detail)
    if change.finding is not None:
        params |= _params_of(change, change.finding, tenant_id)
        detail = _detail_of(change, change.finding) | detail
    dropped = None
    match change.kind:
        case ChangeKind.OPENED:
            conn.execute(_Q["insert_alert"], params)
        case ChangeKind.REOPENED:
            detail["was"] = _one(conn, "reopen_alert", params)
            conn.execute(_Q["show_finding"], params)
        case ChangeKind.RESOLVED:
            conn.execute(_Q["resolve_alert"], params)
        case ChangeKind.REFRESHED | ChangeKind.RAISED:
            dropped = _one(conn, "refresh_alert", params)
            if change.finding is not None and change.shows:
                conn.execute(_Q["show_finding"], params)
        case ChangeKind.TOUCHED if change.finding is None or not change.shows:
            conn.execute(_Q["touch_alert"], params)
            return alert_id
        case ChangeKind.TOUCHED:
            conn.execute(_Q["refresh_alert"], params)
            conn.execute(_Q["show_finding"], params)
            return alert_id
    append_event(conn, alert_id, tenant_id, now=now, actor=actor, kind=change.kind.value, detail=detail)
    _tell_dropped(conn, alert_id, tenant_id, dropped, now=now, actor=actor)
    return alert_id


def _params_of(change: Change, finding: Finding, tenant_id: str) -> dict[str, Any]:
    return {
        "tenant_id": tenant_id,
        "rule_code": change.rule.code,
        "rule_version": change.rule.version,
        "subject_kind": finding.subject.kind.value,
        "subject_id": finding.subject.id,
        "facility_id": finding.facility_id,
        "warehouse_id": finding.warehouse_id,
        "pledge_id": finding.pledge_id,
        "leg": change.rule.leg.value,
        "summary": finding.summary,
        "summary_zh": finding.summary_zh,
        "evidence": jsonb(finding.evidence),
        "thresholds": jsonb({**change.rule.shown_thresholds(), **(finding.thresholds or {})}),
        "exposure_at_risk": finding.exposure_at_risk,
        "currency": finding.currency,
        "occurred_at": finding.occurred_at,
    }


def _detail_of(change: Change, finding: Finding) -> dict[str, Any]:
    """Of a finding for the history; one that the alert does not show, because it shows a newer event, is kept here whole."""
    detail: dict[str, Any] = {
        "severity": change.severity.value,
        "evidence_sha256": hashlib.sha256(as_json(finding.evidence).encode()).hexdigest(),
    }
    if finding.event_key is not None:
        detail["event_key"] = finding.event_key
    if not change.shows:
        detail |= {"occurred_at": finding.occurred_at, "summary": finding.summary, "evidence": finding.evidence}
    return detail


def _one(conn: Connection[Any], name: str, params: Mapping[str, Any]) -> dict[str, Any]:
    with conn.cursor(row_factory=dict_row) as cur:
        row = cur.execute(_Q[name], params).fetchone()
    assert row is not None
    return row


def _tell_dropped(
    conn: Connection[Any], alert_id: str, tenant_id: str, dropped: Mapping[str, Any] | None, *, now: datetime, actor: str
) -> None:
    """A closing that waited for its second person has fallen: nobody closes on evidence that the first had not seen."""
    if dropped is None or dropped["closing_user"] is None:
        return
    detail = {"closing": "cancelled by new evidence", "first": dropped["closing_user"], "first_reason": dropped["closing_reason"]}
    append_event(conn, alert_id, tenant_id, now=now, actor=actor, kind="STATUS", detail=detail)


def raise_composite(conn: Connection[Any], alert: AlertState, *, was: Severity, now: datetime, written_at: datetime) -> None:
    """Raise an alert because several legs alarmed on its pledge."""
    params = {
        "alert_id": alert.alert_id,
        "severity": alert.severity.value,
        "legs": list(alert.composite_legs),
        "sla_due_at": sla_due(alert.severity, now),
        "written_at": written_at,
    }
    dropped = _one(conn, "raise_composite", params)
    detail = {
        "severity": alert.severity.value,
        "was": was.value,
        "legs": list(alert.composite_legs),
        "reason": "several legs alarmed on one pledge",
    }
    kind = ChangeKind.RAISED if alert.severity is not was else ChangeKind.REFRESHED
    append_event(conn, alert.alert_id, alert.tenant_id, now=now, actor="rule:composite", kind=kind.value, detail=detail)
    _tell_dropped(conn, alert.alert_id, alert.tenant_id, dropped, now=now, actor="rule:composite")


def alert_for_update(conn: Connection[Any], tenant_id: str, alert_id: str) -> dict[str, Any] | None:
    """The row that an officer's action changes, locked."""
    with conn.cursor(row_factory=dict_row) as cur:
        return cur.execute(_Q["alert_for_update"], {"tenant_id": tenant_id, "alert_id": alert_id}).fetchone()


def save_action(conn: Connection[Any], row: Mapping[str, Any]) -> int:
    """Write what an officer changed; returns the new version."""
    found = conn.execute(_Q["save_action"], row).fetchone()
    assert found is not None
    return int(found[0])
