"""R27: too much of a loan rests on one site, brand or thing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from decimal import Decimal

from risk.facts_trade import Holding
from risk.rule import BY_PRODUCT, Finding, Lane, Leg, Rule, Section, Severity, Subject, SubjectKind, Threshold, Verdict
from risk.snapshot import Snapshot

SITE = Threshold(name="site", value=Decimal("0.50"), meaning="of a facility's value in one warehouse")
BRAND = Threshold(name="brand", value=Decimal("0.60"), meaning="of a facility's value of one brand")
COMMODITY = Threshold(name="commodity", value=Decimal("0.60"), meaning="of a facility's value in one commodity, where it may hold several")
BANK_SITE = Threshold(name="bank_site", value=Decimal("0.15"), meaning="of all pledged value in one warehouse")
BANK_COMMODITY = Threshold(name="bank_commodity", value=Decimal("0.25"), meaning="of all pledged value in one commodity")
FACILITIES = Threshold(name="facilities", value=20, meaning="facilities from which the caps over all of them make sense (cold start)")
KINDS = Threshold(name="kinds", value=2, meaning="different sites, brands or commodities a facility must have for a cap on one of them")


def _shares(holdings: Iterable[Holding], key: Callable[[Holding], str | None]) -> dict[str, Decimal]:
    values: dict[str, Decimal] = defaultdict(Decimal)
    for h in holdings:
        name = key(h)
        if name is not None and h.value is not None:
            values[name] += h.value - (h.pending_value or Decimal(0))
    total = sum(values.values(), Decimal(0))
    return {name: value / total for name, value in values.items()} if total > 0 else {}


def _over(shares: dict[str, Decimal], cap: Decimal, kinds: Decimal) -> list[tuple[str, Decimal]]:
    return sorted((name, share) for name, share in shares.items() if share > cap) if len(shares) >= kinds else []


_KEYS: tuple[tuple[str, str, Threshold, Callable[[Holding], str | None]], ...] = (
    ("site", "库区", SITE, lambda h: h.warehouse_id),
    ("brand", "品牌", BRAND, lambda h: h.brand),
    ("commodity", "品种", COMMODITY, lambda h: h.commodity_code),
)


def check(snapshot: Snapshot) -> list[Verdict]:
    """Facilities above a cap, and sites or commodities above a cap over all facilities."""
    verdicts: list[Verdict] = []
    facilities: dict[tuple[str, str], list[Holding]] = defaultdict(list)
    tenants: dict[str, list[Holding]] = defaultdict(list)
    for h in snapshot.holdings:
        facilities[h.tenant_id, h.facility_id].append(h)
        tenants[h.tenant_id].append(h)
    for (tenant_id, facility_id), held in facilities.items():
        tuned = snapshot.tuned.of("R27", tenant_id, product=held[0].product)
        over = [
            (what, what_zh, name, share, tuned.number(cap))
            for what, what_zh, cap, key in _KEYS
            for name, share in _over(_shares(held, key), tuned.number(cap), tuned.number(KINDS))
        ]
        if not over:
            continue
        verdicts.append(
            Finding(
                subject=Subject(tenant_id=tenant_id, kind=SubjectKind.FACILITY, id=facility_id),
                severity=Severity.P3,
                occurred_at=snapshot.as_of,
                facility_id=facility_id,
                exposure_at_risk=sum((h.value or Decimal(0) for h in held), Decimal(0)),
                currency=next((h.currency for h in held if h.currency), None),
                summary=f"{facility_id} rests on " + ", ".join(f"{what} {name} for {share:.0%}" for what, _, name, share, _ in over) + ".",
                summary_zh=f"{facility_id} 过于集中：" + "，".join(f"{zh} {name} 占 {share:.0%}" for _, zh, name, share, _ in over) + "。",
                evidence={
                    "faults": [f"{what}:{name}" for what, _, name, _, _ in over],
                    "shares": {f"{what}:{name}": round(share, 4) for what, _, name, share, _ in over},
                    "caps": {what: cap for what, _, _, _, cap in over},
                },
                thresholds=tuned.shown(),
            )
        )
    for tenant_id, held in tenants.items():
        tuned = snapshot.tuned.of("R27", tenant_id)
        if len({h.facility_id for h in held}) < tuned.number(FACILITIES):
            continue
        for kind, cap, key in (
            (SubjectKind.SITE, BANK_SITE, _KEYS[0][3]),
            (SubjectKind.COMMODITY, BANK_COMMODITY, _KEYS[2][3]),
        ):
            for name, share in _over(_shares(held, key), tuned.number(cap), Decimal(1)):
                verdicts.append(
                    Finding(
                        subject=Subject(tenant_id=tenant_id, kind=kind, id=name),
                        severity=Severity.P3,
                        occurred_at=snapshot.as_of,
                        warehouse_id=name if kind is SubjectKind.SITE else None,
                        summary=f"{share:.0%} of all pledged value is in {name}, the cap is {tuned.number(cap):.0%}.",
                        summary_zh=f"全部质押价值的 {share:.0%} 集中于 {name}，上限 {tuned.number(cap):.0%}。",
                        evidence={"faults": [f"{kind}:{name}"], "share": round(share, 4), "cap": tuned.number(cap)},
                        thresholds=tuned.shown(),
                    )
                )
    return verdicts


RULE = Rule(
    code="R27",
    version=1,
    name="Concentration",
    name_zh="集中度",
    leg=Leg.INDUSTRY,
    severity="P3",
    lanes=frozenset({Lane.SCHEDULED}),
    lasting=True,
    claim="More of a facility's value than its cap lies in one site (50 %), brand (60 %) or commodity (60 %), or of all facilities' in one site (15 %) or commodity (25 %).",
    inputs=(Section.HOLDINGS,),
    thresholds=(SITE, BRAND, COMMODITY, BANK_SITE, BANK_COMMODITY, FACILITIES, KINDS),
    scopes=BY_PRODUCT,
    guards=(
        "Goods on release orders that are under way count as gone: what matters is what stays.",
        "A facility that has one site or one commodity by its contract is not spread at all; its cap is meant for those that are.",
        "The caps over all facilities are judged from 20 facilities on.",
    ),
    check=check,
)
