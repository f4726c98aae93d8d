"""From what rules found to what alerts become: open, refresh, raise, reopen, resolve. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from collateral.calendar import end_of_business_day
from risk.evaluate import RuleResult
from risk.rule import Cleared, Finding, Rule, Severity, Subject, SubjectKind

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
    explained_keys: tuple[str, ...] = ()  # of event_keys, those that a later fact explains
    evidence_at: datetime | None = None  # event time of what the evidence shows
    outcome: str | None = None  # what the work had shown when it ended

    @property
    def key(self) -> Key:
        return (self.tenant_id, self.rule_code, self.subject_kind, self.subject_id)


@dataclass(frozen=True, kw_only=True)
class Change:
    """One thing to write. alert_id is None for a new alert; finding is None when an alert resolves.

    shows: the alert's evidence becomes this finding's; False when the alert shows a newer event already.
    """

    kind: ChangeKind
    rule: Rule
    alert_id: str | None
    severity: Severity
    episode: int
    event_keys: tuple[str, ...] = ()
    finding: Finding | None = None
    shows: bool = True
    explained_keys: tuple[str, ...] = ()
    reason: str | None = None
    detail: dict[str, Any] = field(default_factory=dict)


# Evidence whose change people have to know of before they close: it is a line in the history, a new version, and ends a closing that waits.
MARKERS = (
    "coverage", "call_status", "case_status", "trigger", "mode", "escalated_by", "devices_silent", "vanished_together", "price_id", "faults", "lacking",
)  # fmt: skip


def markers_of(evidence: Any) -> dict[str, Any]:
    """The part of the evidence whose change is worth an event; numbers as they are stored."""
    found = {name: evidence[name] for name in MARKERS if name in evidence}
    return {name: format(value, "f") if isinstance(value, Decimal) else value for name, value in found.items()}


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
    # An event whose explanation is gone counts again: rules judge an event alike each time that they see the same facts.
    handled = {key for alert in history for key in alert.event_keys if key not in alert.explained_keys}
    fresh = tuple(k for k in keys if k not in handled)
    newest = history[0] if history else None
    if newest is not None and not newest.status.ended:
        return _joins(rule, finding, keys, fresh, newest, now)
    if rule.lasting and newest is not None and newest.ended_at is not None and newest.ended_at > now:
        return None  # a younger run saw it gone
    if keys and not fresh:
        return None  # this event had its alert, and that one is over
    went_on = newest is not None and previous_run_at is not None and newest.last_found_at >= previous_run_at
    closed_and_going_on = newest is not None and newest.status is Status.CLOSED and rule.lasting and went_on
    if newest is not None and newest.ended_at is not None and now - newest.ended_at < JOIN_WITHIN:
        if closed_and_going_on and finding.severity.value >= newest.severity.value:
            return _touched(rule, newest)  # people closed it and the state simply went on: they have decided about it
        return Change(
            kind=ChangeKind.REOPENED, rule=rule, alert_id=newest.alert_id, severity=finding.severity, episode=newest.episode, finding=finding,
            event_keys=_joined(newest.event_keys, fresh), explained_keys=tuple(k for k in newest.explained_keys if k not in keys),
        )  # fmt: skip
    if newest is not None and closed_and_going_on:
        return _touched(rule, newest)
    episode = newest.episode + 1 if newest is not None else 1
    return Change(
        kind=ChangeKind.OPENED, rule=rule, alert_id=None, severity=finding.severity, episode=episode, finding=finding, event_keys=fresh
    )


def _joins(rule: Rule, finding: Finding, keys: tuple[str, ...], fresh: tuple[str, ...], alert: AlertState, now: datetime) -> Change | None:
    """What a finding does to the open alert of its subject."""
    if rule.lasting and alert.last_found_at > now:
        return None  # a younger run described it
    severity = finding.severity.at_least(alert.severity)
    raised = severity is not alert.severity
    newer = alert.evidence_at is None or finding.occurred_at >= alert.evidence_at
    shows = rule.lasting or raised or newer
    changed = bool(fresh) or (shows and markers_of(finding.evidence) != alert.markers)
    return Change(
        kind=ChangeKind.RAISED if raised else ChangeKind.REFRESHED if changed else ChangeKind.TOUCHED,
        rule=rule, alert_id=alert.alert_id, severity=severity, episode=alert.episode, finding=finding, shows=shows,
        event_keys=_joined(alert.event_keys, fresh), explained_keys=tuple(k for k in alert.explained_keys if k not in keys),
        detail={"severity": severity.value, "was": alert.severity.value} if raised else {},
    )  # fmt: skip


def _joined(known: tuple[str, ...], fresh: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*known, *fresh)))


def _touched(rule: Rule, alert: AlertState) -> Change:
    return Change(
        kind=ChangeKind.TOUCHED, rule=rule, alert_id=alert.alert_id, severity=alert.severity, episode=alert.episode,
        event_keys=alert.event_keys, explained_keys=alert.explained_keys,
    )  # fmt: skip


def reconcile(
    results: Sequence[RuleResult], alerts: Iterable[AlertState], *, now: datetime, previous_run_at: datetime | None, whole: bool
) -> list[Change]:
    """Changes that bring the alerts in line with what completed rules found.

    alerts: the open ones of these rules and all of the subjects found. previous_run_at: as_of of the run before, None when unknown.
    whole: the run looked at everything, so a lasting finding that is absent is gone; the fast lane looks at new events only and resolves
    nothing but what is cleared. now is what the run describes: what a younger run found or saw gone is left to it. A rule that failed
    changes nothing; a subject that cannot be judged keeps its alert.
    """
    history: dict[Key, list[AlertState]] = {}
    for alert in sorted(alerts, key=lambda a: (a.status.ended, -a.episode)):
        history.setdefault(alert.key, []).append(alert)
    changes: list[Change] = []
    for result in results:
        if result.error is not None:
            continue
        rule = result.rule
        cleared: dict[Key, list[Cleared]] = {}
        for one in result.cleared:
            cleared.setdefault(_key_of(rule, one.subject), []).append(one)
        found: set[Key] = set()
        for finding, keys in merged(result.findings):
            key = _key_of(rule, finding.subject)
            found.add(key)
            change = _for_finding(rule, finding, keys, history.get(key, []), now, previous_run_at)
            if change is not None:
                changes.append(_with_explained(change, cleared.get(key, ()), but=keys))
        unjudged = {_key_of(rule, c.subject) for c in result.cannot_judge}
        for key, states in history.items():
            newest = states[0]
            if key[1] != rule.code or newest.status.ended or key in found:
                continue
            if key in cleared:
                changes.extend(_for_cleared(rule, newest, cleared[key]))
            elif whole and rule.lasting and key not in unjudged and newest.last_found_at <= now:
                changes.append(_resolved(rule, newest, "the condition is gone", {}))
    return changes


def _key_of(rule: Rule, subject: Subject) -> Key:
    return subject.tenant_id, rule.code, subject.kind, subject.id


def _with_explained(change: Change, cleared: Sequence[Cleared], *, but: tuple[str, ...]) -> Change:
    """The change with what the same batch explains of the alert's other events."""
    told = {key for c in cleared for key in c.event_keys}
    new = tuple(k for k in change.event_keys if k in told and k not in change.explained_keys and k not in but)
    if not new:
        return change
    kind = ChangeKind.REFRESHED if change.kind is ChangeKind.TOUCHED else change.kind
    return replace(change, kind=kind, explained_keys=(*change.explained_keys, *new), detail={**change.detail, "explained": list(new)})


def _for_cleared(rule: Rule, alert: AlertState, cleared: Sequence[Cleared]) -> list[Change]:
    """What explanations do to an open alert: it resolves when no event is left, else it tells which are."""
    explaining = [c for c in cleared if any(k in alert.event_keys and k not in alert.explained_keys for k in c.event_keys)]
    if not explaining:
        return []
    told = {key for c in explaining for key in c.event_keys}
    explained = tuple(k for k in alert.event_keys if k in told or k in alert.explained_keys)
    left = [k for k in alert.event_keys if k not in explained]
    reason, detail = explaining[-1].reason, dict(explaining[-1].evidence)
    if not left:
        return [replace(_resolved(rule, alert, reason, detail), explained_keys=explained)]
    detail |= {"reason": reason, "explained": [k for k in explained if k not in alert.explained_keys], "left": left}
    return [replace(_touched(rule, alert), kind=ChangeKind.REFRESHED, explained_keys=explained, detail=detail)]


def _resolved(rule: Rule, alert: AlertState, reason: str, detail: dict[str, Any]) -> Change:
    return Change(
        kind=ChangeKind.RESOLVED, rule=rule, alert_id=alert.alert_id, severity=alert.severity, episode=alert.episode,
        event_keys=alert.event_keys, explained_keys=alert.explained_keys, reason=reason, detail={"reason": reason, **detail},
    )  # fmt: skip


def composite_raises(alerts: Sequence[AlertState], now: datetime) -> list[AlertState]:
    """Open alerts of one pledge to raise one level because at least two legs alarmed on it within 72 hours; each is raised so once.

    Returned as they should become. Alerts that people explained or found false do not count as a leg, also once they are closed.
    """
    harmless = (Status.EXPLAINED, Status.FALSE_ALARM)
    counting = [a for a in alerts if a.status not in harmless and a.outcome not in harmless and now - a.opened_at <= COMPOSITE_WITHIN]
    legs = tuple(sorted({a.leg for a in counting}))
    if len(legs) < COMPOSITE_LEGS:
        return []
    due = [a for a in counting if not a.status.ended and not a.composite_legs]
    return [replace(a, severity=a.severity.raised(), composite_legs=legs) for a in due]
