"""R06: more is claimed at a place than lies there."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from risk.facts_site import Claims, Holder, Tank
from risk.rule import CannotJudge, Finding, Lane, Leg, Rule, Section, Severity, Subject, SubjectKind, Threshold, Verdict
from risk.rules.telling import of_holder, tonnes
from risk.snapshot import Snapshot
from risk.tank_balance import contents
from risk.thresholds import Tuned

TOLERANCE = Threshold(name="tolerance", value=Decimal("0.005"), meaning="claims above what was measured, as a fraction of it")
CAPACITY_TOLERANCE = Threshold(name="capacity_tolerance", value=Decimal("0.02"), meaning="claims above what the site can hold")
SETTLE = Threshold(name="settle", value=timedelta(hours=2), meaning="between a change of the book and the measurement it is judged by")
FRESH = Threshold(name="fresh", value=timedelta(hours=24), meaning="age up to which a measurement tells what lies there")


def _finding(
    *, tenant_id: str, place_id: str, warehouse_id: str, claimed: Decimal, there: Decimal, by: str, by_zh: str, at: datetime, holder: Holder,
    evidence: dict[str, Any], tuned: Tuned,
) -> Finding:  # fmt: skip
    return Finding(
        subject=Subject(tenant_id=tenant_id, kind=SubjectKind.SITE, id=place_id),
        severity=Severity.P1,
        occurred_at=at,
        warehouse_id=warehouse_id,
        summary=f"{tonnes(claimed)} are claimed at {place_id}, {by} {tonnes(there)}: {tonnes(claimed - there)} too many.",
        summary_zh=f"{place_id} 名下权利合计 {tonnes(claimed)}，{by_zh} {tonnes(there)}，超出 {tonnes(claimed - there)}。",
        evidence={"claimed_kg": claimed, "there_kg": there, "missing_kg": claimed - there, "faults": [by], **evidence},
        thresholds=tuned.shown(),
        **of_holder(holder),
    )


def _tank(tank: Tank, snapshot: Snapshot) -> Verdict | None:
    tuned = snapshot.tuned.of("R06", tank.tenant_id, warehouse_id=tank.warehouse_id)
    subject = Subject(tenant_id=tank.tenant_id, kind=SubjectKind.SITE, id=tank.zone_id)
    newest = tank.gaugings[-1] if tank.gaugings else None
    if newest is None or snapshot.as_of - newest.observed_at > tuned.span(FRESH):
        return CannotJudge(subject=subject, reason="no fresh measurement of the tank")
    if tank.book_changed_at is not None and newest.observed_at < tank.book_changed_at + tuned.span(SETTLE):
        return CannotJudge(subject=subject, reason="the book changed less than the settling time before the measurement")
    if newest.valve == "open" or newest.flow_m3ph:
        return CannotJudge(subject=subject, reason="a transfer is going on")
    held = contents(newest, tank.spec)
    if held is None or held.mass_kg is None:
        return CannotJudge(subject=subject, reason="the tank's volume or density is not known")
    if tank.booked_kg <= held.mass_kg * (1 + tuned.number(TOLERANCE)):
        return None
    return _finding(
        tenant_id=tank.tenant_id, place_id=tank.zone_id, warehouse_id=tank.warehouse_id, claimed=tank.booked_kg, there=held.mass_kg,
        by="its gauge shows", by_zh="液位计测得", at=newest.observed_at, holder=tank.holder, tuned=tuned,
        evidence={
            "zone_id": tank.zone_id, "claimants": tank.claimants, "device_id": newest.device_id, "measured_at": newest.observed_at,
            "level_m": newest.level_m, "volume_m3": round(held.volume_m3, 3), "water_m3": round(held.water_m3, 3),
            "density_kgpm3": newest.density_kgpm3, "book_changed_at": tank.book_changed_at,
        },
    )  # fmt: skip


def _place(claims: Claims, snapshot: Snapshot) -> Verdict | None:
    tuned = snapshot.tuned.of("R06", claims.tenant_id, warehouse_id=claims.warehouse_id)
    facts = {
        "place": claims.kind, "claimants": claims.claimants, "receipts": claims.receipts, "book_changed_at": claims.book_changed_at,
        "device_id": claims.device_id, "measured_at": claims.measured_at, "capacity_kg": claims.capacity_kg,
    }  # fmt: skip
    if claims.capacity_kg is not None and claims.claimed_kg > claims.capacity_kg * (1 + tuned.number(CAPACITY_TOLERANCE)):
        return _finding(
            tenant_id=claims.tenant_id, place_id=claims.place_id, warehouse_id=claims.warehouse_id, claimed=claims.claimed_kg,
            there=claims.capacity_kg, by="which can hold", by_zh="该处最大容量", at=snapshot.as_of, holder=claims.holder, evidence=facts,
            tuned=tuned,
        )  # fmt: skip
    if claims.measured_kg is None or claims.measured_at is None:
        return None
    settled = claims.book_changed_at is None or claims.measured_at >= claims.book_changed_at + tuned.span(SETTLE)
    if not settled or snapshot.as_of - claims.measured_at > tuned.span(FRESH):
        return CannotJudge(
            subject=Subject(tenant_id=claims.tenant_id, kind=SubjectKind.SITE, id=claims.place_id),
            reason="no fresh measurement since the book settled",
        )
    if claims.claimed_kg <= claims.measured_kg * (1 + tuned.number(TOLERANCE)):
        return None
    return _finding(
        tenant_id=claims.tenant_id, place_id=claims.place_id, warehouse_id=claims.warehouse_id, claimed=claims.claimed_kg,
        there=claims.measured_kg, by="its scale shows", by_zh="地磅测得", at=claims.measured_at, holder=claims.holder, evidence=facts, tuned=tuned,
    )  # fmt: skip


def check(snapshot: Snapshot) -> list[Verdict]:
    """Tanks and stacks whose claims exceed what was measured, sites whose claims exceed what they can hold."""
    found = [_tank(t, snapshot) for t in snapshot.tanks] + [_place(c, snapshot) for c in snapshot.claims]
    return [v for v in found if v is not None]


RULE = Rule(
    code="R06",
    version=1,
    name="Over-issuance",
    name_zh="超发（账实总量不符）",
    leg=Leg.TRADE,
    severity="P1",
    lanes=frozenset({Lane.SCHEDULED}),
    lasting=True,
    claim="All live receipts and pledges on goods in a tank, a stack or a site together exceed what its gauge or scale measures, or what the site can hold.",
    inputs=(Section.TANKS, Section.CLAIMS),
    thresholds=(TOLERANCE, CAPACITY_TOLERANCE, SETTLE, FRESH),
    guards=(
        "Claims and measurement belong to one instant: a book that changed within the settling time before the measurement is not judged.",
        "A tank is not judged while its valve is open or product flows; free water is taken off before the claims are compared.",
        "Goods under a receipt and a pledge are counted once.",
        "A place without a gauge, a scale under it or a stated capacity is not judged by this rule; its single units are (R02, R04).",
    ),
    check=check,
)
