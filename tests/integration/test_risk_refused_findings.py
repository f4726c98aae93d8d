"""A finding that the store will not take stands alone: the others become alerts, the run says which one and why, nothing is tried for ever."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from collateral_world import NOW, TENANT
from risk_world import RiskWorld, build_risk_world

from collateral.clock import FixedClock
from db.pool import Pool
from risk.fast_lane import FastLane
from risk.rule import Finding, Severity, Subject, SubjectKind
from risk.rules import unauthorised_exit
from risk.snapshot import Snapshot

MINUTE = timedelta(minutes=1)


@pytest.fixture
def world(pool: Pool) -> RiskWorld:
    return build_risk_world(pool)


def finding(subject_id: str, **other: object) -> Finding:
    made = Finding(
        subject=Subject(tenant_id=TENANT, kind=SubjectKind.GOODS, id=subject_id), severity=Severity.P2, occurred_at=NOW, summary="It is so.",
        summary_zh="如此。", evidence={"weight_kg": Decimal("20.5")},
    )  # fmt: skip
    return replace(made, **other)  # type: ignore[arg-type]


BAD = {
    "a facility that is none": {"facility_id": "F-NONE"},
    "a NUL in its sentence": {"summary": "a\x00b"},
    "a NUL in its evidence": {"evidence": {"note": "a\x00b"}},
    "evidence that JSON cannot carry": {"evidence": {"what": object()}},
    "not a number": {"evidence": {"share": float("nan")}},
    "money beyond the column": {"exposure_at_risk": Decimal(10) ** 30},
    "a subject too long for its index": {"subject": Subject(tenant_id=TENANT, kind=SubjectKind.GOODS, id="".join(f"{i:x}" for i in range(9000)))},
}  # fmt: skip


@pytest.mark.parametrize("wrong", BAD.values(), ids=BAD.keys())
def test_a_scheduled_run_writes_the_good_findings_and_names_the_refused_one(world: RiskWorld, wrong: dict[str, object]) -> None:
    rule = replace(unauthorised_exit.RULE, check=lambda _: [finding("A"), finding("B", **wrong), finding("C")], inputs=())
    report = world.check(NOW, rules=(rule,))
    assert world.open("R01") == ["A", "C"]
    assert report.status == "PARTLY_FAILED"
    assert [e["rule"] for e in report.errors] == ["R01"]
    assert world.scalar("SELECT errors->0->>'rule' FROM job_run WHERE run_id = %s", report.run_id) == "R01"


def test_the_fast_lane_goes_on_behind_a_refused_finding(world: RiskWorld) -> None:
    goods = world.coils(1, 2)
    world.pledged(goods)

    def check(snapshot: Snapshot) -> list[Finding]:
        made = [f for f in unauthorised_exit.check(snapshot) if isinstance(f, Finding)]
        return [replace(f, facility_id="F-NONE") if f.subject.id == goods[0] else f for f in made]

    lane = FastLane(world.pool, FixedClock(NOW), rules=(replace(unauthorised_exit.RULE, check=check),))
    world.movement("GATE_OUT", goods[0], NOW + MINUTE)
    world.movement("GATE_OUT", goods[1], NOW + MINUTE)
    assert lane.drain() == 2
    assert world.open("R01") == [goods[1]]
    assert world.scalar("SELECT status FROM job_run WHERE job = 'fast_lane'") == "PARTLY_FAILED"
    assert world.scalar("SELECT errors->0->>'subject' FROM job_run WHERE job = 'fast_lane'") == f"goods {goods[0]}"
    assert lane.drain() == 0
    world.movement("GATE_OUT", goods[1], NOW + 2 * MINUTE)
    assert lane.drain() == 1
