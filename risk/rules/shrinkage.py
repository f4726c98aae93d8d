"""R25: goods lose more than their receipt allows."""

from __future__ import annotations

from datetime import UTC, datetime, time
from decimal import Decimal

from risk.facts_site import LotHistory, Tank
from risk.rule import Finding, Lane, Leg, Rule, Section, Severity, Subject, SubjectKind, Threshold, Verdict
from risk.rules.telling import of_holder, of_unit
from risk.snapshot import Snapshot
from risk.timeseries import Drift, downward_drift, series_of

BOUND = Threshold(name="bound", value=5, meaning="of the CUSUM, in standard deviations")
SLACK = Threshold(name="slack", value=Decimal("0.5"), meaning="of the CUSUM, in standard deviations")
POINTS = Threshold(name="points", value=5, meaning="weighings from which a drift is judged (cold start)")
FLOOR = Decimal("0.0005")


def _loss(points: tuple[tuple[datetime, Decimal], ...]) -> Decimal:
    return 1 - points[-1][1] / points[0][1] if points and points[0][1] > 0 else Decimal(0)


def _drift(points: tuple[tuple[datetime, Decimal], ...], snapshot: Snapshot, tenant_id: str, warehouse_id: str | None) -> Drift | None:
    tuned = snapshot.tuned.of("R25", tenant_id, warehouse_id=warehouse_id)
    if len(points) < tuned.number(POINTS):
        return None
    return downward_drift(
        series_of(points), slack=float(tuned.number(SLACK)), bound=float(tuned.number(BOUND)), sigma_min=float(points[0][1] * FLOOR)
    )


def _lot(lot: LotHistory, snapshot: Snapshot) -> Finding | None:
    tuned = snapshot.tuned.of("R25", lot.unit.tenant_id, warehouse_id=lot.unit.warehouse_id)
    if len(lot.points) < 2:
        return None
    loss = _loss(lot.points)
    allowed = None if lot.shrinkage_rate is None else lot.shrinkage_rate + lot.commodity_tolerance
    over = allowed is not None and loss > allowed
    drift = _drift(lot.points, snapshot, lot.unit.tenant_id, lot.unit.warehouse_id)
    if not over and drift is None:
        return None
    return Finding(
        subject=Subject(tenant_id=lot.unit.tenant_id, kind=SubjectKind.GOODS, id=lot.unit.goods_id),
        severity=Severity.P2 if over else Severity.P3,
        occurred_at=lot.points[-1][0],
        summary=f"{lot.unit.goods_id} has lost {loss:.2%} of its weight over {len(lot.points)} weighings"
        + (f", its receipt allows {lot.shrinkage_rate:.2%}." if over else ", steadily."),
        summary_zh=f"{lot.unit.goods_id} 经 {len(lot.points)} 次过磅累计损耗 {loss:.2%}" + (f"，超过仓单约定 {lot.shrinkage_rate:.2%}。" if over else "，呈持续下降。"),
        evidence={
            "goods_ids": [lot.unit.goods_id], "loss": round(loss, 6), "shrinkage_rate": lot.shrinkage_rate, "tolerance": lot.commodity_tolerance,
            "points": [[at, kg] for at, kg in lot.points[-20:]], "faults": [n for n, on in (("standard", over), ("drift", drift is not None)) if on],
            "drift_began_at": drift.began_at if drift else None, "drift_score": round(drift.score, 2) if drift else None,
        },
        thresholds=tuned.shown(),
        **of_unit(lot.unit),
    )  # fmt: skip


def _tank(tank: Tank, snapshot: Snapshot) -> Finding | None:
    """A tank's mass day by day, since the book changed last."""
    since = tank.book_changed_at.date() if tank.book_changed_at is not None else None
    points = tuple((datetime.combine(d, time(12), UTC), kg) for d, kg in tank.daily_kg if since is None or d > since)
    drift = _drift(points, snapshot, tank.tenant_id, tank.warehouse_id)
    loss = _loss(points)
    over = tank.shrinkage_rate is not None and len(points) >= 2 and loss > tank.shrinkage_rate + FLOOR
    if drift is None and not over:
        return None
    return Finding(
        subject=Subject(tenant_id=tank.tenant_id, kind=SubjectKind.SITE, id=tank.zone_id),
        severity=Severity.P2 if over else Severity.P3,
        occurred_at=points[-1][0],
        warehouse_id=tank.warehouse_id,
        summary=f"Tank {tank.zone_id} has lost {loss:.2%} of its mass in {len(points)} days without an order.",
        summary_zh=f"储罐 {tank.zone_id} 在 {len(points)} 天内无指令损耗 {loss:.2%}。",
        evidence={
            "zone_id": tank.zone_id, "loss": round(loss, 6), "days": len(points), "shrinkage_rate": tank.shrinkage_rate,
            "points": [[at.date(), kg] for at, kg in points[-31:]], "faults": [n for n, on in (("standard", over), ("drift", drift is not None)) if on],
        },
        **of_holder(tank.holder),
    )  # fmt: skip


def check(snapshot: Snapshot) -> list[Verdict]:
    """Lots and tanks whose weight falls beyond the standard, or steadily."""
    found = [_lot(x, snapshot) for x in snapshot.lots] + [_tank(t, snapshot) for t in snapshot.tanks]
    return [f for f in found if f is not None]


RULE = Rule(
    code="R25",
    version=1,
    name="Shrinkage",
    name_zh="损耗超标",
    leg=Leg.LOGISTICS,
    severity="P3, P2 beyond the receipt's standard",
    lanes=frozenset({Lane.SCHEDULED}),
    lasting=True,
    claim="A lot or a tank has lost more than the shrinkage that its receipt allows, or its weight falls steadily: a one-sided CUSUM over 30 days beyond 5 deviations.",
    inputs=(Section.LOTS, Section.TANKS),
    thresholds=(BOUND, SLACK, POINTS),
    guards=(
        "A loss below the commodity's weighing tolerance on top of the standard is none.",
        "The deviation is estimated from the steps by their median, at least what the instrument cannot tell; the season moves slowly and stays within it.",
        "A tank is followed only since its book changed last.",
        "Cold start: a drift needs 5 weighings; until then only the receipt's standard is judged.",
    ),
    check=check,
)
