"""R11: what is in a tank is not what the book says: water, another product, or less of it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from statistics import median

from risk.facts_site import Gauging, Tank
from risk.rule import CannotJudge, Finding, Lane, Leg, Rule, Section, Severity, Subject, SubjectKind, Threshold, Verdict
from risk.rules.telling import of_holder
from risk.snapshot import Snapshot
from risk.tank_balance import contents

MASS = Threshold(name="mass", value=Decimal("0.005"), meaning="difference of mass by level and density to mass by pressure, as a fraction")
WATER_M = Threshold(name="water_m", value=Decimal("0.030"), meaning="free water at the bottom, metres")
WATER_SHARE = Threshold(name="water_share", value=Decimal("0.003"), meaning="free water as a fraction of the volume")
FALL_M = Threshold(name="fall_m", value=Decimal("0.010"), meaning="fall of the level, at 15 degrees, while the valves are closed, metres")
AVERAGE = Threshold(name="average", value=timedelta(hours=1), meaning="over which measurements are averaged by their median")
READINGS = Threshold(name="readings", value=2, meaning="measurements in that time below which nothing is judged")


def _at15(level_m: Decimal, g: Gauging, tank: Tank) -> Decimal:
    """The level that the same mass would have at 15 degrees: thermal expansion is no theft."""
    if tank.spec is None or g.temperature_c is None:
        return level_m
    return level_m / (1 + tank.spec.expansion_per_c * (g.temperature_c - 15))


def _moving(g: Gauging) -> bool:
    return g.valve == "open" or bool(g.flow_m3ph)


def _middle(values: list[Decimal]) -> Decimal | None:
    return median(values) if values else None


def _judge(tank: Tank, snapshot: Snapshot) -> Verdict | None:
    subject = Subject(tenant_id=tank.tenant_id, kind=SubjectKind.SITE, id=tank.zone_id)
    tuned = snapshot.tuned.of("R11", tank.tenant_id, warehouse_id=tank.warehouse_id)
    average = tuned.span(AVERAGE)
    if not tank.gaugings or snapshot.as_of - tank.gaugings[-1].observed_at > average:
        return CannotJudge(subject=subject, reason="no measurement within the averaging time")
    recent = [g for g in tank.gaugings if tank.gaugings[-1].observed_at - g.observed_at <= average]
    if any(_moving(g) for g in recent):
        return CannotJudge(subject=subject, reason="a transfer is going on")
    if len(recent) < tuned.number(READINGS):
        return CannotJudge(subject=subject, reason="too few measurements within the averaging time")
    held = [c for g in recent if (c := contents(g, tank.spec)) is not None]
    faults: list[tuple[str, str, str]] = []
    figures: dict[str, Decimal | None] = {}
    water = figures["free_water_m"] = _middle([g.free_water_m for g in recent if g.free_water_m is not None])
    share = figures["water_share"] = _middle([c.water_share for c in held])
    if (water is not None and water > tuned.number(WATER_M)) or (share is not None and share > tuned.number(WATER_SHARE)):
        faults.append(("water", f"{(water or 0) * 1000:.0f} mm of free water", f"明水 {(water or 0) * 1000:.0f} mm"))
    at15 = figures["density15_kgpm3"] = _middle([c.density15_kgpm3 for c in held if c.density15_kgpm3 is not None])
    if at15 is not None and tank.spec is not None and not tank.spec.density15_min <= at15 <= tank.spec.density15_max:
        faults.append(
            ("density", f"a density of {at15:.1f} kg/m3 at 15 degrees, outside its grade", f"15℃ 密度 {at15:.1f} kg/m3 超出牌号范围")
        )
    differences = [c.mass_kg / c.hydrostatic_kg - 1 for c in held if c.mass_kg is not None and c.hydrostatic_kg]
    off = figures["mass_off"] = _middle(differences)
    if off is not None and abs(off) > tuned.number(MASS):
        faults.append(("mass", f"mass by level and mass by pressure {off:+.2%} apart", f"液位计质量与静压质量相差 {off:+.2%}"))
    fall = figures["fall_m"] = _fall(tank)
    if fall is not None and fall > tuned.number(FALL_M):
        faults.append(
            ("fall", f"its level fallen {fall * 1000:.0f} mm with the valves closed", f"阀门关闭期间液位下降 {fall * 1000:.0f} mm")
        )
    if not faults:
        return None
    return Finding(
        subject=subject,
        severity=Severity.P1,
        occurred_at=recent[-1].observed_at,
        warehouse_id=tank.warehouse_id,
        summary=f"Tank {tank.zone_id} shows {', '.join(f[1] for f in faults)}.",
        summary_zh=f"储罐 {tank.zone_id}：{'，'.join(f[2] for f in faults)}。",
        evidence={
            "zone_id": tank.zone_id, "faults": [f[0] for f in faults], "booked_kg": tank.booked_kg, "spec_id": tank.spec.spec_id if tank.spec else None,
            "devices": sorted({g.device_id for g in recent}), "from": recent[0].observed_at, "to": recent[-1].observed_at, "readings": len(recent),
            **{name: None if value is None else round(value, 6) for name, value in figures.items()},
        },
        thresholds=tuned.shown(),
        **of_holder(tank.holder),
    )  # fmt: skip


def _fall(tank: Tank) -> Decimal | None:
    """How far the level at 15 degrees fell since the valves closed last; None without a closed time."""
    closed: list[Gauging] = []
    for g in reversed(tank.gaugings):
        if _moving(g) or g.valve is None:
            break
        closed.append(g)
    closed = [g for g in reversed(closed) if g.level_m is not None]
    if len(closed) < 4:
        return None
    levels = [_at15(g.level_m, g, tank) for g in closed if g.level_m is not None]
    return median(levels[: max(2, len(levels) // 4)]) - median(levels[-max(2, len(levels) // 4) :])


def check(snapshot: Snapshot) -> list[Verdict]:
    """Tanks with free water, another density, two masses, or a level that falls behind closed valves."""
    return [v for v in (_judge(t, snapshot) for t in snapshot.tanks) if v is not None]


RULE = Rule(
    code="R11",
    version=1,
    name="Tank quality",
    name_zh="储罐液位/密度/含水异常",
    leg=Leg.LOGISTICS,
    severity="P1",
    lanes=frozenset({Lane.SCHEDULED}),
    lasting=True,
    claim="A tank holds more than 30 mm or 0.3 % of free water, its density at 15 degrees lies outside its grade, its mass by level and density differs more than "
    "0.5 % from its mass by pressure, or its level at 15 degrees fell more than 10 mm while its valves were closed.",
    inputs=(Section.TANKS,),
    thresholds=(MASS, WATER_M, WATER_SHARE, FALL_M, AVERAGE, READINGS),
    guards=(
        "Medians over an hour: a wave, a settling roof or a single wrong value moves nothing.",
        "Nothing is judged during a transfer: a valve open, or product flowing.",
        "Levels are compared at 15 degrees; warm days do not steal and cold nights do not leak.",
        "Density is judged only against a stored specification, mass by pressure only where the gauge sends the pressure.",
    ),
    check=check,
)
