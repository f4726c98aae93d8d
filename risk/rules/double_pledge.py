"""R05: the same goods were offered for two loans."""

from __future__ import annotations

from risk.facts import Refusal, Twin, Unit
from risk.rule import BY_TENANT, Finding, Lane, Leg, Rule, Section, Severity, Subject, SubjectKind, Threshold, Verdict
from risk.snapshot import Snapshot

REFUSAL_CODE = "already_pledged"
NAMED_MAX = 20
TOLD = (
    "pledge_id", "facility_id", "constraint", "matched_by", "goods_id", "receipt_no", "identity", "other_pledge_id", "other_facility_id", "other_goods_id",
    "held_by_another_tenant",
)  # fmt: skip


def _told(refusal: Refusal) -> dict[str, object]:
    """Of the refusal's detail what this rule knows the meaning of; what is another tenant's was taken out when it was loaded."""
    return {name: refusal.detail[name] for name in TOLD if name in refusal.detail}


def _refused(refusal: Refusal) -> list[Finding]:
    holding = [u for u in refusal.units if u.pledged]
    named = holding or list(refusal.units)
    findings = []
    for unit in named[:NAMED_MAX]:
        held = f"pledge {unit.pledge_id} of {unit.facility_id}" if unit.pledged else "another pledge"
        held_zh = f"{unit.facility_id} 的质押 {unit.pledge_id}" if unit.pledged else "另一质押"
        findings.append(
            Finding(
                subject=Subject(tenant_id=refusal.tenant_id, kind=SubjectKind.GOODS, id=unit.goods_id),
                severity=Severity.P1,
                occurred_at=refusal.refused_at,
                event_key=f"refusal:{refusal.refusal_id}",
                facility_id=unit.facility_id or refusal.facility_id,
                pledge_id=unit.pledge_id,
                warehouse_id=unit.warehouse_id,
                exposure_at_risk=unit.value,
                currency=unit.currency,
                summary=f"Unit {unit.goods_id} was offered to {refusal.facility_id or 'another facility'} while {held} holds it; the ledger refused.",
                summary_zh=f"货物 {unit.goods_id} 已由{held_zh}控制，又被申请质押给 {refusal.facility_id or '另一授信'}，台账已拒绝。",
                evidence={
                    "refusal_id": refusal.refusal_id,
                    "command": refusal.command,
                    "user_id": refusal.user_id,
                    "refused_at": refusal.refused_at,
                    "requested_facility_id": refusal.facility_id,
                    "holding_pledge_id": unit.pledge_id,
                    "holding_facility_id": unit.facility_id,
                    "goods_ids": [u.goods_id for u in named[:NAMED_MAX]],
                    "goods_named": len(named),
                    "detail": _told(refusal),
                },
            )
        )
    return findings


def _refused_receipt(refusal: Refusal) -> Finding:
    """A refusal that names no unit we know: the receipt, or the pledge itself, stands for the goods."""
    receipt, other = refusal.detail.get("receipt_no"), refusal.detail.get("other_pledge_id")
    subject = (
        Subject(tenant_id=refusal.tenant_id, kind=SubjectKind.DOCUMENT, id=str(receipt))
        if receipt
        else Subject(
            tenant_id=refusal.tenant_id, kind=SubjectKind.PLEDGE, id=str(refusal.detail.get("pledge_id", f"refusal-{refusal.refusal_id}"))
        )
    )
    return Finding(
        subject=subject,
        severity=Severity.P1,
        occurred_at=refusal.refused_at,
        event_key=f"refusal:{refusal.refusal_id}",
        facility_id=refusal.detail.get("other_facility_id") or refusal.facility_id,
        pledge_id=other,
        summary=f"{subject.kind.capitalize()} {subject.id} was offered to {refusal.facility_id or 'another facility'} while pledge {other or 'another'} holds it; the ledger refused.",
        summary_zh=f"{subject.id} 已在质押 {other or '另一笔'} 项下，又被申请质押给 {refusal.facility_id or '另一授信'}，台账已拒绝。",
        evidence={
            "refusal_id": refusal.refusal_id,
            "command": refusal.command,
            "user_id": refusal.user_id,
            "refused_at": refusal.refused_at,
            "requested_facility_id": refusal.facility_id,
            "holding_pledge_id": other,
            "detail": _told(refusal),
        },
    )


def _twins(twin: Twin) -> list[Finding]:
    """Each unit but the first pledged is one loan too many; the first as well, where another lender holds the same goods."""
    units = sorted(twin.units, key=lambda u: (u.pledged_at is None, u.pledged_at, u.goods_id))
    if not units:
        return []
    first = units[0]
    found = [
        _twin(
            twin, units, unit, f"twin:{first.goods_id}:{unit.goods_id}",
            f"Units {first.goods_id} and {unit.goods_id} carry the same identity {twin.identity} and are both pledged.",
            f"货物 {first.goods_id} 与 {unit.goods_id} 身份标识同为 {twin.identity}，且均在押。",
        )
        for unit in units[1:]
    ]  # fmt: skip
    if twin.elsewhere:
        found.append(
            _twin(
                twin, units, first, f"twin:{first.goods_id}:elsewhere",
                f"Unit {first.goods_id} is pledged, and another lender holds a pledge on goods with the same identity {twin.identity}.",
                f"货物 {first.goods_id} 在押，另一出资方名下也有身份标识同为 {twin.identity} 的在押货物。",
            )
        )  # fmt: skip
    return found


def _twin(twin: Twin, units: list[Unit], unit: Unit, key: str, summary: str, summary_zh: str) -> Finding:
    others = [u for u in units if u is not unit]
    named = sorted([unit, *others[: NAMED_MAX - 1]], key=units.index)
    return Finding(
        subject=Subject(tenant_id=unit.tenant_id, kind=SubjectKind.GOODS, id=unit.goods_id),
        severity=Severity.P1,
        occurred_at=unit.pledged_at or units[0].pledged_at,  # type: ignore[arg-type]
        event_key=key,
        facility_id=unit.facility_id,
        pledge_id=unit.pledge_id,
        warehouse_id=unit.warehouse_id,
        exposure_at_risk=unit.value,
        currency=unit.currency,
        summary=summary,
        summary_zh=summary_zh,
        evidence={
            "identity": twin.identity,
            "goods_ids": [u.goods_id for u in named],
            "goods_named": twin.count,
            "pledges": [u.pledge_id for u in named],
            "facilities": [u.facility_id for u in named],
            "held_by_another_tenant": twin.elsewhere,
        },
    )


def check(snapshot: Snapshot) -> list[Verdict]:
    """Refused second pledges, one finding per unit; live pledges of one identity under two ids."""
    verdicts: list[Verdict] = []
    for refusal in snapshot.refusals:
        if refusal.code == REFUSAL_CODE:
            verdicts.extend(_refused(refusal) if refusal.units else [_refused_receipt(refusal)])
    verdicts.extend(f for t in snapshot.twins for f in _twins(t))
    return verdicts


RULE = Rule(
    code="R05",
    version=1,
    name="Double pledge",
    name_zh="重复质押",
    leg=Leg.TRADE,
    severity="P1",
    lanes=frozenset({Lane.FAST, Lane.SCHEDULED}),
    lasting=False,
    claim="Goods that secure a loan were offered for another one (the ledger refused), or two live pledges name goods whose VIN or "
    "mill, heat and piece number are the same once spelling is levelled.",
    inputs=(Section.REFUSALS, Section.TWINS),
    thresholds=(
        Threshold(
            name="named_max",
            value=NAMED_MAX,
            meaning="units of one refused command that get an alert each; the rest is counted in the evidence",
            fixed="it bounds what one command can raise, and decides nothing",
        ),
    ),
    scopes=BY_TENANT,
    guards=(
        "A repeated request with the same key is answered again and refused nothing.",
        "A unit that was released before the second pledge is free: only live pledges count.",
        "Another tenant's goods, pledges and facilities are never named: that another lender holds the same goods is all that is told.",
    ),
    check=check,
)
