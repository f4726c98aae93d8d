"""From what rules found to what alerts become: open, refresh, raise, reopen, resolve. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from collateral.calendar import end_of_business_day
from risk.evaluate import RuleResult
from risk.rule import Cleared, Finding, Rule, Severity, SubjectKind

JOIN_WITHIN = timedelta(hours=24)
COMPOSITE_WITHIN = timedelta(hours=72)
COMPOSITE_LEGS = 2
SLA = {Severity.P1: timedelta(minutes=15), Severity.P2: timedelta(hours=4)}


class Status(StrEnum):
    """States of an alert; mirrored by a CHECK in SQL."""

    OPEN = "OPEN"
    ACK = "ACK"
    INVESTIGATING = "INVESTIGATING"
    CONFIRMED = "CONFIRMED"
    EXPLAINED = "EXPLAINED"
    FALSE_ALARM = "FALSE_ALARM"
    CLOSED = "CLOSED"
    RESOLVED = "RESOLVED"

    @property
    def ended(self) -> bool:
        return self in (Status.CLOSED, Status.RESOLVED)


class ChangeKind(StrEnum):
    """What happens to an alert; all but TOUCHED leave an alert_event of the same kind."""

    OPENED = "OPENED"
    REFRESHED = "REFRESHED"
    RAISED = "RAISED"
    RESOLVED = "RESOLVED"
    REOPENED = "REOPENED"
    TOUCHED = "TOUCHED"


Key = tuple[str, str, SubjectKind, str]  # tenant, rule, subject


@dataclass(frozen=True, kw_only=True)
class AlertState:
    """An alert as it stands in the store."""

    alert_id: str
    tenant_id: str
    rule_code: str
    subject_kind: SubjectKind
    subject_id: str
    leg: str
    severity: Severity
    status: Status
    episode: int
    opened_at: datetime
    last_found_at: datetime
    ended_at: datetime | None = None
    sla_due_at: datetime | None = None
    pledge_id: str | None = None
    event_keys: tuple[str, ...] = ()
    composite_legs: tuple[str, ...] = ()
    markers: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        return (self.tenant_id, self.rule_code, self.subject_kind, self.subject_id)


@dataclass(frozen=True, kw_only=True)
class Change:
    """One thing to write. alert_id is None for a new alert; finding is None when an alert resolves."""

    kind: ChangeKind
    rule: Rule
    alert_id: str | None
    severity: Severity
    episode: int
    event_keys: tuple[str, ...] = ()
    finding: Finding | None = None
    reason: str | None = None
    detail: dict[str, Any] = field(default_factory=dict)


MARKERS = ("valuation_id", "call_status", "case_status", "mode", "escalated_by")  # evidence whose change is worth a line in the history


def markers_of(evidence: Any) -> dict[str, Any]:
    """The part of the evidence whose change is worth an event."""
    return {name: evidence[name] for name in MARKERS if name in evidence}


def sla_due(severity: Severity, now: datetime) -> datetime | None:
    """When somebody must have acted: P1 15 min, P2 4 h, P3 the end of the next working day, P4 never."""
    if severity in SLA:
        return now + SLA[severity]
    return end_of_business_day(now, 1)[0] if severity is Severity.P3 else None


def merged(findings: Iterable[Finding]) -> list[tuple[Finding, tuple[str, ...]]]:
    """One finding per subject with the keys of all its events: the most severe, of those the newest."""
    by_subject: dict[Any, list[Finding]] = {}
    for finding in findings:
        by_subject.setdefault(finding.subject, []).append(finding)
    result = []
    for found in by_subject.values():
        newest = sorted(found, key=lambda f: f.occurred_at, reverse=True)
        leading = min(newest, key=lambda f: f.severity.value)
        result.append((leading, tuple(dict.fromkeys(f.event_key for f in found if f.event_key))))
    return result


def _for_finding(
    rule: Rule, finding: Finding, keys: tuple[str, ...], history: Sequence[AlertState], now: datetime, previous_run_at: datetime | None
) -> Change | None:
    """What a finding does, given all alerts of its rule and subject, newest first."""
    handled = {key for alert in history for key in alert.event_keys}
    fresh = tuple(k for k in keys if k not in handled)
    newest = history[0] if history else None
    base: dict[str, Any] = {"rule": rule, "finding": finding}
    if newest is not None and not newest.status.ended:
        severity = finding.severity.at_least(newest.severity)
        all_keys = (*newest.event_keys, *fresh)
        detail = {"severity": severity.value, "was": newest.severity.value} if severity != newest.severity else {}
        changed = bool(fresh) or markers_of(finding.evidence) != newest.markers
        kind = ChangeKind.RAISED if detail else ChangeKind.REFRESHED if changed else ChangeKind.TOUCHED
        return Change(
            kind=kind, alert_id=newest.alert_id, severity=severity, episode=newest.episode, event_keys=all_keys, detail=detail, **base
        )
    if rule.lasting and newest is not None and newest.ended_at is not None and newest.ended_at > now:
        return None  # a younger run saw it gone
    if keys and not fresh:
        return None  # this event had its alert, and that one is over
    if newest is not None and newest.ended_at is not None and now - newest.ended_at < JOIN_WITHIN:
        went_on = previous_run_at is not None and newest.last_found_at >= previous_run_at
        worse = finding.severity.value < newest.severity.value
        if newest.status is Status.CLOSED and rule.lasting and went_on and not worse:
            # People closed it and the state simply went on: they have decided about it.
            return Change(kind=ChangeKind.TOUCHED, alert_id=newest.alert_id, severity=newest.severity, episode=newest.episode,
                          event_keys=newest.event_keys, rule=rule)  # fmt: skip
        return Change(kind=ChangeKind.REOPENED, alert_id=newest.alert_id, severity=finding.severity, episode=newest.episode,
                      event_keys=(*newest.event_keys, *fresh), **base)  # fmt: skip
    if (
        newest is not None
        and newest.status is Status.CLOSED
        and rule.lasting
        and previous_run_at is not None
        and newest.last_found_at >= previous_run_at
    ):
        return Change(kind=ChangeKind.TOUCHED, alert_id=newest.alert_id, severity=newest.severity, episode=newest.episode,
                      event_keys=newest.event_keys, rule=rule)  # fmt: skip
    episode = newest.episode + 1 if newest is not None else 1
    return Change(kind=ChangeKind.OPENED, alert_id=None, severity=finding.severity, episode=episode, event_keys=fresh, **base)


def reconcile(
    results: Sequence[RuleResult], alerts: Iterable[AlertState], *, now: datetime, previous_run_at: datetime | None, whole: bool
) -> list[Change]:
    """Changes that bring the alerts in line with what completed rules found.

    alerts: the open ones of these rules and all of the subjects found. previous_run_at: as_of of the run before, None when unknown.
    whole: the run looked at everything, so a lasting finding that is absent is gone; the fast lane looks at new events only and resolves
    nothing but what is cleared. now is what the run describes: what a younger run found or saw gone is left to it. A rule that failed changes nothing; a subject that cannot be judged keeps its alert.
    """
    history: dict[Key, list[AlertState]] = {}
    for alert in sorted(alerts, key=lambda a: (a.status.ended, -a.episode)):
        history.setdefault(alert.key, []).append(alert)
    changes: list[Change] = []
    for result in results:
        if result.error is not None:
            continue
        rule = result.rule
        found: set[Key] = set()
        for finding, keys in merged(result.findings):
            key = (finding.subject.tenant_id, rule.code, finding.subject.kind, finding.subject.id)
            found.add(key)
            change = _for_finding(rule, finding, keys, history.get(key, []), now, previous_run_at)
            if change is not None:
                changes.append(change)
        unjudged = {(c.subject.tenant_id, rule.code, c.subject.kind, c.subject.id) for c in result.cannot_judge}
        cleared: dict[Key, Cleared] = {(c.subject.tenant_id, rule.code, c.subject.kind, c.subject.id): c for c in result.cleared}
        for key, states in history.items():
            newest = states[0]
            if key[1] != rule.code or newest.status.ended or key in found:
                continue
            if key in cleared:
                changes.append(_resolved(rule, newest, cleared[key].reason, dict(cleared[key].evidence)))
            elif whole and rule.lasting and key not in unjudged and newest.last_found_at <= now:
                changes.append(_resolved(rule, newest, "the condition is gone", {}))
    return changes


def _resolved(rule: Rule, alert: AlertState, reason: str, detail: dict[str, Any]) -> Change:
    return Change(
        kind=ChangeKind.RESOLVED, rule=rule, alert_id=alert.alert_id, severity=alert.severity, episode=alert.episode,
        event_keys=alert.event_keys, reason=reason, detail={"reason": reason, **detail},
    )  # fmt: skip


def composite_raises(alerts: Sequence[AlertState], now: datetime) -> list[AlertState]:
    """Open alerts of one pledge to raise one level because at least two legs alarmed on it within 72 hours; each is raised so once.

    Returned as they should become. Alerts that people explained or found false do not count as a leg.
    """
    counting = [a for a in alerts if a.status not in (Status.EXPLAINED, Status.FALSE_ALARM) and now - a.opened_at <= COMPOSITE_WITHIN]
    legs = tuple(sorted({a.leg for a in counting}))
    if len(legs) < COMPOSITE_LEGS:
        return []
    due = [a for a in counting if not a.status.ended and not a.composite_legs]
    return [replace(a, severity=a.severity.raised(), composite_legs=legs) for a in due]
