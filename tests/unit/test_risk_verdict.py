"""The verdict of three legs: what takes points, what raises it, and what it says."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from risk_facts import HOUR, NOW

from risk.rule import Leg, Severity, Threshold
from risk.thresholds import Override, ThresholdBook
from risk.verdict import Colour, OpenAlert, composite_legs, verdict

ALERT = OpenAlert(
    alert_id="a", rule_code="R06", leg=Leg.TRADE, severity=Severity.P1, status="OPEN", subject_kind="site", subject_id="T1", summary="Too much is claimed.",
    summary_zh="权利超出实物。", evidence={"claimed_kg": 1}, opened_at=NOW, exposure_at_risk=Decimal(1), currency="CNY",
)  # fmt: skip


def legs(*alerts: OpenAlert) -> dict[str, int]:
    return {leg.leg.value: leg.score for leg in verdict("facility", "F-1", alerts, NOW).legs}


def test_nothing_open_is_a_hundred_and_says_so_in_both_languages() -> None:
    made = verdict("pledge", "PL-1", (), NOW)
    assert (made.score, made.colour, made.composite) == (100, Colour.GREEN, ())
    assert made.why == ("Pledge PL-1 is green (100): no open alert speaks against it.",)
    assert "没有未结预警" in made.why_zh[0]


@pytest.mark.parametrize(
    ("severity", "status", "score"),
    [("P1", "OPEN", 30), ("P1", "CONFIRMED", 9), ("P2", "ACK", 65), ("P3", "OPEN", 88), ("P4", "OPEN", 97), ("P1", "EXPLAINED", 100), ("P1", "FALSE_ALARM", 100)],
)  # fmt: skip
def test_an_alert_takes_from_its_own_leg_by_its_weight_and_what_people_found(severity: str, status: str, score: int) -> None:
    one = replace(ALERT, severity=Severity(severity), status=status)
    assert legs(one) == {"I": 100, "T": score, "L": 100}


@given(st.lists(st.sampled_from([(leg, severity) for leg in Leg for severity in Severity]), max_size=30), st.sampled_from(list(Severity)))
def test_one_more_alert_never_makes_a_subject_look_better(have: list[tuple[Leg, Severity]], more: Severity) -> None:
    alerts = [replace(ALERT, alert_id=str(i), leg=leg, severity=severity) for i, (leg, severity) in enumerate(have)]
    before, after = verdict("facility", "F", alerts, NOW), verdict("facility", "F", [*alerts, replace(ALERT, severity=more)], NOW)
    assert 0 <= after.score <= before.score <= 100
    order = list(Colour)
    assert order.index(after.colour) >= order.index(before.colour)


@pytest.mark.parametrize(("apart", "legs_"), [(timedelta(hours=72), (Leg.TRADE, Leg.LOGISTICS)), (timedelta(hours=72, seconds=1), ())])
def test_two_legs_within_72_hours_alarm_together(apart: timedelta, legs_: tuple[Leg, ...]) -> None:
    other = replace(ALERT, alert_id="b", leg=Leg.LOGISTICS, opened_at=NOW - apart)
    assert composite_legs([ALERT, other]) == legs_
    assert composite_legs([ALERT, replace(other, leg=Leg.TRADE)]) == ()
    assert composite_legs([ALERT, replace(other, status="FALSE_ALARM")]) == ()
    assert composite_legs([ALERT, replace(other, severity=Severity.P4, opened_at=NOW)]) == ()


def test_legs_that_disagree_raise_the_colour_one_level_and_why_names_the_worst_first() -> None:
    p3 = replace(ALERT, severity=Severity.P3, rule_code="R33", summary="Insurance runs out.", summary_zh="保险将到期。")
    p2 = replace(ALERT, alert_id="b", severity=Severity.P2, leg=Leg.LOGISTICS, rule_code="R02", opened_at=NOW - HOUR)
    alone, both = verdict("warehouse", "W", [p2], NOW), verdict("warehouse", "W", [p3, p2], NOW)
    assert (alone.colour, both.colour) == (Colour.AMBER, Colour.RED)
    assert both.why[1].startswith("Title and trade and the goods themselves alarm within 72 hours")
    assert [line[:6] for line in both.why[2:]] == ["P2 R02", "P3 R33"]
    assert both.why_zh[-1] == "P3 R33：保险将到期。"


def test_the_narrowest_threshold_counts_and_the_newest_of_a_scope_and_others_tenants_do_not() -> None:
    share = Threshold(name="share", value=Decimal("0.5"), meaning="x")
    wait = Threshold(name="wait", value=timedelta(hours=1), meaning="x")

    def override(version: int, value: str | None, **scope: str) -> Override:
        made = Override(version=version, tenant_id="demo", rule_code="R06", name="share", value=None if value is None else Decimal(value))
        return replace(made, **scope)  # type: ignore[arg-type]

    book = ThresholdBook((
        override(1, "0.1"), override(2, "0.2", product="AUTO"), override(3, "0.3", warehouse_id="W"), override(4, "9", tenant_id="other"),
        override(5, "90", name="wait"), override(6, None, warehouse_id="V"),
    ))  # fmt: skip
    assert book.of("R06", "demo").number(share) == Decimal("0.1")
    assert book.of("R06", "demo", product="AUTO").number(share) == Decimal("0.2")
    assert book.of("R06", "demo", product="AUTO", warehouse_id="W").number(share) == Decimal("0.3")
    assert book.of("R06", "demo", warehouse_id="V").number(share) == Decimal("0.5")
    assert book.of("R07", "demo").number(share) == Decimal("0.5")
    tuned = book.of("R06", "demo")
    assert tuned.span(wait) == timedelta(seconds=90)
    assert tuned.shown() == {"wait": "90 s (set, version 5)"}
