"""Alerts as episodes: what findings, silence, doubt, clearing and crashes make of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from risk_facts import HOUR, NOW

from risk.evaluate import RuleResult
from risk.reconcile import AlertState, Change, ChangeKind, Status, composite_raises, reconcile, sla_due
from risk.rule import CannotJudge, Cleared, Finding, Severity, Subject, SubjectKind
from risk.rules import RULES

EXIT = next(r for r in RULES if r.code == "R01")
MISSING = next(r for r in RULES if r.code == "R02")
SUBJECT = Subject(tenant_id="demo", kind=SubjectKind.GOODS, id="HRC-1")
FINDING = Finding(subject=SUBJECT, severity=Severity.P2, occurred_at=NOW, summary="s", summary_zh="s", evidence={})


def alert(**other: Any) -> AlertState:
    made = AlertState(
        alert_id="a-1", tenant_id="demo", rule_code="R02", subject_kind=SubjectKind.GOODS, subject_id="HRC-1", leg="L", severity=Severity.P2,
        status=Status.OPEN, episode=1, opened_at=NOW - HOUR, last_found_at=NOW - HOUR,
    )  # fmt: skip
    return replace(made, **other)


def one(result: RuleResult, *alerts: AlertState, whole: bool = True, previous: datetime | None = NOW - HOUR) -> Change | None:
    changes = reconcile([result], alerts, now=NOW, previous_run_at=previous, whole=whole)
    assert len(changes) <= 1
    return changes[0] if changes else None


def found(rule: Any = MISSING, **other: Any) -> RuleResult:
    return RuleResult(rule=rule, findings=(replace(FINDING, **other),))


def explained(*keys: str) -> RuleResult:
    return RuleResult(rule=EXIT, cleared=(Cleared(subject=SUBJECT, event_keys=keys, reason="back inside"),))


def kind(change: Change | None) -> ChangeKind | None:
    return None if change is None else change.kind


def test_a_new_finding_opens_the_first_episode() -> None:
    change = one(found())
    assert change is not None
    assert (change.kind, change.episode, change.alert_id) == (ChangeKind.OPENED, 1, None)


def test_a_finding_that_goes_on_touches_and_a_worse_one_raises_and_a_milder_one_does_not_lower() -> None:
    assert kind(one(found(), alert())) is ChangeKind.TOUCHED
    raised = one(found(severity=Severity.P1), alert())
    assert raised is not None
    assert (raised.kind, raised.severity, raised.detail["was"]) == (ChangeKind.RAISED, Severity.P1, "P2")
    milder = one(found(severity=Severity.P3), alert())
    assert milder is not None
    assert (milder.kind, milder.severity) == (ChangeKind.TOUCHED, Severity.P2)


def test_changed_evidence_of_note_is_a_line_in_the_history() -> None:
    assert kind(one(found(evidence={"call_status": "ACKNOWLEDGED"}), alert(markers={"call_status": "ISSUED"}))) is ChangeKind.REFRESHED


def test_a_lasting_finding_that_is_gone_resolves() -> None:
    assert kind(one(RuleResult(rule=MISSING), alert())) is ChangeKind.RESOLVED


@pytest.mark.parametrize(
    ("result", "whole", "state"),
    [
        (RuleResult(rule=MISSING, error="ZeroDivisionError"), True, alert()),
        (RuleResult(rule=MISSING, cannot_judge=(CannotJudge(subject=SUBJECT, reason="reader silent"),)), True, alert()),
        (RuleResult(rule=MISSING), False, alert()),
        (RuleResult(rule=EXIT), True, alert(rule_code="R01")),
        (RuleResult(rule=EXIT), True, alert()),
    ],
    ids=["crashed", "cannot judge", "fast lane", "an event", "another rule's alert"],
)
def test_what_keeps_an_alert_open(result: RuleResult, whole: bool, state: AlertState) -> None:
    assert one(result, state, whole=whole) is None


def test_an_event_that_is_explained_resolves_also_in_the_fast_lane() -> None:
    change = one(explained("movement:1"), alert(rule_code="R01", event_keys=("movement:1",)), whole=False)
    assert change is not None
    assert (change.kind, change.reason) == (ChangeKind.RESOLVED, "back inside")


@pytest.mark.parametrize(("told", "kind_"), [((), None), (("movement:3",), None), (("movement:1",), ChangeKind.REFRESHED)])
def test_an_alert_stays_open_while_one_of_its_events_is_not_explained(told: tuple[str, ...], kind_: ChangeKind | None) -> None:
    change = one(explained(*told), alert(rule_code="R01", event_keys=("movement:1", "movement:2")), whole=False)
    assert kind(change) is kind_
    if change is not None:
        assert change.explained_keys == ("movement:1",)
        assert change.detail["left"] == ["movement:2"]
        rest = one(
            explained("movement:2"), alert(rule_code="R01", event_keys=change.event_keys, explained_keys=change.explained_keys), whole=False
        )
        assert kind(rest) is ChangeKind.RESOLVED


def test_an_explanation_beside_a_new_event_of_the_same_batch_is_not_lost() -> None:
    both = replace(explained("movement:1"), findings=(replace(FINDING, event_key="movement:2"),))
    change = one(both, alert(rule_code="R01", event_keys=("movement:1",)), whole=False)
    assert change is not None
    assert (change.kind, change.event_keys, change.explained_keys) == (ChangeKind.REFRESHED, ("movement:1", "movement:2"), ("movement:1",))


def test_an_event_whose_explanation_is_gone_counts_again() -> None:
    state = alert(rule_code="R01", status=Status.RESOLVED, ended_at=NOW - HOUR, event_keys=("movement:1",), explained_keys=("movement:1",))
    change = one(found(EXIT, event_key="movement:1"), state, whole=False)
    assert change is not None
    assert (change.kind, change.event_keys, change.explained_keys) == (ChangeKind.REOPENED, ("movement:1",), ())


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4)), max_size=30))
def test_an_alert_of_events_is_open_exactly_while_an_event_is_not_explained(story: list[tuple[bool, int]]) -> None:
    state: AlertState | None = None
    open_: set[str] = set()
    for found_, n in story:
        key = f"movement:{n}"
        result = found(EXIT, event_key=key) if found_ else explained(key)
        changes = reconcile([result], [] if state is None else [state], now=NOW, previous_run_at=None, whole=False)
        open_ = open_ | {key} if found_ else open_ - {key}
        for c in changes:
            ended = c.kind is ChangeKind.RESOLVED
            state = alert(
                rule_code="R01", event_keys=c.event_keys, explained_keys=c.explained_keys, status=Status.RESOLVED if ended else Status.OPEN,
                ended_at=NOW if ended else None,
            )  # fmt: skip
        assert (state is not None and not state.status.ended) == bool(open_)


def test_an_older_event_that_joins_late_does_not_hide_the_newer_evidence() -> None:
    state = alert(rule_code="R01", event_keys=("movement:2",), evidence_at=NOW)
    late = one(found(EXIT, event_key="movement:1", occurred_at=NOW - HOUR), state, whole=False)
    assert late is not None
    assert (late.kind, late.shows, late.event_keys) == (ChangeKind.REFRESHED, False, ("movement:2", "movement:1"))
    newer = one(found(EXIT, event_key="movement:3", occurred_at=NOW + HOUR), state, whole=False)
    assert newer is not None
    assert newer.shows


@pytest.mark.parametrize(
    ("age", "expected", "episode"), [(24 * HOUR - timedelta(seconds=1), ChangeKind.REOPENED, 1), (24 * HOUR, ChangeKind.OPENED, 2)]
)
def test_a_return_within_24_hours_joins_the_same_episode(age: timedelta, expected: ChangeKind, episode: int) -> None:
    change = one(found(), alert(status=Status.RESOLVED, ended_at=NOW - age, last_found_at=NOW - age))
    assert change is not None
    assert (change.kind, change.episode) == (expected, episode)


@pytest.mark.parametrize("status", [Status.RESOLVED, Status.CLOSED, Status.OPEN])
def test_the_same_event_never_opens_its_alert_again(status: Status) -> None:
    ended = None if status is Status.OPEN else NOW - HOUR
    state = alert(rule_code="R01", status=status, ended_at=ended, event_keys=("movement:1",))
    assert kind(one(found(EXIT, event_key="movement:1"), state, whole=False)) in (None, ChangeKind.TOUCHED)


def test_another_event_feeds_the_open_alert_and_reopens_an_ended_one() -> None:
    state = alert(rule_code="R01", event_keys=("movement:1",))
    change = one(found(EXIT, event_key="movement:2"), state, whole=False)
    assert change is not None
    assert (change.kind, change.event_keys) == (ChangeKind.REFRESHED, ("movement:1", "movement:2"))
    ended = replace(state, status=Status.CLOSED, ended_at=NOW - HOUR)
    assert kind(one(found(EXIT, event_key="movement:2"), ended, whole=False)) is ChangeKind.REOPENED


def test_what_people_closed_stays_closed_while_the_state_simply_goes_on() -> None:
    closed = alert(status=Status.CLOSED, ended_at=NOW - HOUR, last_found_at=NOW - HOUR)
    assert kind(one(found(), closed)) is ChangeKind.TOUCHED
    assert kind(one(found(severity=Severity.P1), closed)) is ChangeKind.REOPENED
    assert kind(one(found(), replace(closed, last_found_at=NOW - 2 * HOUR))) is ChangeKind.REOPENED
    days_later = replace(closed, ended_at=NOW - 72 * HOUR)
    assert kind(one(found(), days_later)) is ChangeKind.TOUCHED


def test_a_run_that_describes_an_earlier_instant_leaves_alone_what_a_younger_one_saw() -> None:
    assert one(RuleResult(rule=MISSING), alert(last_found_at=NOW + HOUR)) is None
    assert one(found(), alert(status=Status.RESOLVED, ended_at=NOW + HOUR)) is None
    assert kind(one(RuleResult(rule=MISSING), alert(last_found_at=NOW))) is ChangeKind.RESOLVED
    assert one(found(severity=Severity.P1), alert(last_found_at=NOW + HOUR)) is None


def test_several_events_of_one_subject_make_one_alert() -> None:
    both = tuple(replace(FINDING, event_key=f"movement:{i}") for i in (1, 2))
    changes = reconcile([RuleResult(rule=EXIT, findings=both)], [], now=NOW, previous_run_at=None, whole=False)
    assert [(c.kind, c.event_keys) for c in changes] == [(ChangeKind.OPENED, ("movement:1", "movement:2"))]


def test_two_legs_within_72_hours_raise_open_alerts_one_level_once() -> None:
    goods, paper = alert(pledge_id="PL"), alert(alert_id="a-2", rule_code="R16", leg="T", severity=Severity.P3, pledge_id="PL")
    raised = composite_raises([goods, paper], NOW)
    assert [(a.alert_id, a.severity, a.composite_legs) for a in raised] == [("a-1", "P1", ("L", "T")), ("a-2", "P2", ("L", "T"))]
    assert composite_raises(raised, NOW) == []


@pytest.mark.parametrize(
    "other",
    [
        {"leg": "L"},
        {"leg": "T", "opened_at": NOW - 72 * HOUR - timedelta(seconds=1)},
        {"leg": "T", "status": Status.FALSE_ALARM},
        {"leg": "T", "status": Status.EXPLAINED},
        {"leg": "T", "status": Status.CLOSED, "outcome": "FALSE_ALARM"},
        {"leg": "T", "status": Status.CLOSED, "outcome": "EXPLAINED"},
    ],
    ids=["one leg", "too old", "false alarm", "explained", "closed as false alarm", "closed as explained"],
)
def test_what_is_no_composite(other: dict[str, Any]) -> None:
    assert composite_raises([alert(), alert(alert_id="a-2", **other)], NOW) == []


def test_an_ended_alert_counts_as_a_leg_and_is_not_raised() -> None:
    ended = alert(alert_id="a-2", leg="T", status=Status.RESOLVED, ended_at=NOW)
    assert [a.alert_id for a in composite_raises([alert(), ended], NOW)] == ["a-1"]


def test_time_to_act() -> None:
    friday = datetime(2020, 3, 6, 8, tzinfo=UTC)
    assert sla_due(Severity.P1, friday) == friday + timedelta(minutes=15)
    assert sla_due(Severity.P2, friday) == friday + 4 * HOUR
    assert sla_due(Severity.P3, friday) == datetime(2020, 3, 9, 9, tzinfo=UTC)
    assert sla_due(Severity.P4, friday) is None
