"""R09: goods do not weigh, or are not made, as the book says."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from decimal import Decimal

from risk.facts_site import Band, Paper, Weighing
from risk.rule import CannotJudge, Finding, Lane, Leg, Rule, Section, Severity, Subject, SubjectKind, Threshold, Verdict
from risk.rules.telling import named, of_units
from risk.snapshot import Snapshot

WEIGHT = Threshold(
    name="weight", value=Decimal("0.003"), meaning="difference to the booked weight, as a fraction; never below the commodity's own"
)
SIGMAS = Threshold(name="sigmas", value=3, meaning="of the scale, which the difference has to exceed as well")
DENSITY = Threshold(name="density", value=Decimal("0.01"), meaning="outside the commodity's density band, as a fraction")
CALIBRATED = Threshold(name="calibrated", value=timedelta(days=180), meaning="age of a calibration from which a scale proves nothing")


def _subject(w: Weighing) -> Subject:
    one = len(w.units) == 1
    return Subject(
        tenant_id=w.tenant_id, kind=SubjectKind.GOODS if one else SubjectKind.DEVICE, id=w.units[0].goods_id if one else w.device_id
    )


def _band(bands: tuple[Band, ...], tenant_id: str, commodity: str, prop: str, grade: str | None) -> Band | None:
    fitting = [b for b in bands if (b.tenant_id, b.commodity_code, b.property) == (tenant_id, commodity, prop) and b.grade in (None, grade)]
    return max(fitting, key=lambda b: b.grade is not None, default=None)


def _weighing(w: Weighing, others: list[Weighing], snapshot: Snapshot) -> Verdict | None:
    tuned = snapshot.tuned.of("R09", w.tenant_id, warehouse_id=w.warehouse_id)
    pledged = [u for u in w.units if u.pledged]
    if not pledged:
        return None
    too_old = w.calibrated_at is None or w.observed_at - w.calibrated_at > tuned.span(CALIBRATED)
    if too_old or w.calibrated_to is None or w.calibrated_to < w.observed_at:
        return CannotJudge(subject=_subject(w), reason=f"scale {w.device_id} has no calibration in force")
    if w.gross:
        return CannotJudge(subject=_subject(w), reason="the tare is not known")
    faults, limit = [], Decimal(0)
    off = None
    if w.declared_kg:
        off = w.measured_kg - w.declared_kg
        limit = max(max(tuned.number(WEIGHT), w.tolerance) * w.declared_kg, tuned.number(SIGMAS) * (w.sigma_kg or Decimal(0)))
        if abs(off) > limit:
            faults.append("weight")
    band = _band(snapshot.bands, w.tenant_id, w.units[0].commodity_code, "DENSITY_KGPM3", None)
    density = w.measured_kg / w.volume_m3 if w.volume_m3 else None
    if density is not None and band is not None:
        slack = tuned.number(DENSITY)
        if not band.low * (1 - slack) <= density <= band.high * (1 + slack):
            faults.append("density")
    if not faults:
        return None
    agreeing = [o for o in others if o.device_id != w.device_id and abs(o.measured_kg - (w.declared_kg or o.measured_kg)) <= limit]
    if faults == ["weight"] and agreeing:
        return CannotJudge(subject=_subject(w), reason=f"scale {agreeing[0].device_id} agrees with the book: one of two scales is wrong")
    booked = f"{w.declared_kg:,.1f}" if w.declared_kg is not None else "?"
    goods = w.units[0].goods_id if len(w.units) == 1 else f"{len(w.units)} units"
    goods_zh = w.units[0].goods_id if len(w.units) == 1 else f"{len(w.units)} 件货物"
    return Finding(
        subject=_subject(w),
        severity=Severity.P1,
        occurred_at=w.observed_at,
        warehouse_id=w.warehouse_id,
        event_key=f"weighing:{w.device_id}:{w.observed_at.isoformat()}",
        summary=f"{goods} weighed {w.measured_kg:,.1f} kg on {w.device_id}, the book says {booked} kg"
        + (f"; its density {density:,.0f} kg/m3 is not that of {w.units[0].commodity_code}." if "density" in faults else "."),
        summary_zh=f"{goods_zh}在 {w.device_id} 过磅 {w.measured_kg:,.1f} kg，账面 {booked} kg"
        + (f"；密度 {density:,.0f} kg/m3 与品种不符。" if "density" in faults else "。"),
        evidence={
            "faults": faults, "goods_ids": named(w.units), "device_id": w.device_id, "observed_at": w.observed_at, "measured_kg": w.measured_kg,
            "declared_kg": w.declared_kg, "off_kg": off, "limit_kg": limit, "density_kgpm3": density,
            "band": None if band is None else [band.low, band.high], "calibrated_to": w.calibrated_to, "sigma_kg": w.sigma_kg,
        },
        thresholds=tuned.shown(),
        **of_units(w.units),
    )  # fmt: skip


def _paper(paper: Paper, snapshot: Snapshot) -> Finding | None:
    tuned = snapshot.tuned.of("R09", paper.tenant_id)
    pledged = [u for u in paper.units if u.pledged]
    if not pledged:
        return None
    faults = []
    if paper.grade_said and paper.grade_booked and paper.grade_said.strip().upper() != paper.grade_booked.strip().upper():
        faults.append("grade")
    band = _band(snapshot.bands, paper.tenant_id, paper.commodity_code, "ASSAY_PCT", paper.grade_booked)
    if paper.assay_pct is not None and band is not None and not band.low <= paper.assay_pct <= band.high:
        faults.append("assay")
    if not faults:
        return None
    return Finding(
        subject=Subject(tenant_id=paper.tenant_id, kind=SubjectKind.DOCUMENT, id=paper.document_id),
        severity=Severity.P1,
        occurred_at=paper.issued_at,
        event_key=f"inspection:{paper.document_id}",
        summary=f"Inspection {paper.number} finds {paper.grade_said or '?'} ({paper.assay_pct if paper.assay_pct is not None else '?'} %), "
        f"the book says {paper.grade_booked or paper.commodity_code}.",
        summary_zh=f"检验单 {paper.number} 结果为 {paper.grade_said or '?'}（{paper.assay_pct if paper.assay_pct is not None else '?'}%），"
        f"账面为 {paper.grade_booked or paper.commodity_code}。",
        evidence={
            "faults": faults, "document_id": paper.document_id, "goods_ids": named(paper.units), "grade_said": paper.grade_said,
            "grade_booked": paper.grade_booked, "assay_pct": paper.assay_pct, "band": None if band is None else [band.low, band.high],
        },
        thresholds=tuned.shown(),
        **of_units(paper.units),
    )  # fmt: skip


def check(snapshot: Snapshot) -> list[Verdict]:
    """Weighings and inspections of pledged goods that contradict the book."""
    of_goods: dict[tuple[str, ...], list[Weighing]] = defaultdict(list)
    for w in snapshot.weighings:
        of_goods[tuple(sorted(u.goods_id for u in w.units))].append(w)
    found: list[Verdict | None] = [
        _weighing(w, of_goods[tuple(sorted(u.goods_id for u in w.units))], snapshot) for w in snapshot.weighings if w.units
    ]
    found += [_paper(p, snapshot) for p in snapshot.inspections]
    return [v for v in found if v is not None]


RULE = Rule(
    code="R09",
    version=1,
    name="Swap suspect",
    name_zh="调包/规格不符",
    leg=Leg.LOGISTICS,
    severity="P1",
    lanes=frozenset({Lane.SCHEDULED}),
    lasting=False,
    claim="A pledged unit weighs otherwise than booked by more than 0.3 % (or the commodity's tolerance) and three deviations of the scale, its density or "
    "assay lies outside the commodity's band, or an inspection finds another grade.",
    inputs=(Section.WEIGHINGS, Section.INSPECTIONS),
    thresholds=(WEIGHT, SIGMAS, DENSITY, CALIBRATED),
    guards=(
        "A scale without a calibration in force proves nothing; a calibration counts for at most 180 days.",
        "A gross weight without its tare is not compared.",
        "When a second scale weighed the same goods and agrees with the book, one of the two scales is wrong: cannot judge.",
        "Density and assay are judged only where a band of the commodity is stored.",
    ),
    check=check,
)
