"""R17: a pledged unit was sold by its owner while it secures a loan."""

from __future__ import annotations

from risk.rule import BY_TENANT, Finding, Lane, Leg, Rule, Section, Severity, Subject, SubjectKind, Threshold, Verdict
from risk.snapshot import Snapshot


def check(snapshot: Snapshot) -> list[Verdict]:
    """Sale invoices over pledged units, by their owner or the borrower, without a release."""
    verdicts: list[Verdict] = []
    for sale in snapshot.sales:
        unit = sale.unit
        if not unit.pledged or unit.pledged_at is None or sale.issued_at < unit.pledged_at or sale.release_id is not None:
            continue
        if sale.seller_party_id not in (unit.owner_party_id, sale.borrower_party_id):
            continue
        verdicts.append(
            Finding(
                subject=Subject(tenant_id=unit.tenant_id, kind=SubjectKind.GOODS, id=unit.goods_id),
                severity=Severity.P1,
                occurred_at=sale.issued_at,
                event_key=f"document:{sale.document_id}",
                facility_id=unit.facility_id,
                pledge_id=unit.pledge_id,
                warehouse_id=unit.warehouse_id,
                exposure_at_risk=unit.value,
                currency=unit.currency,
                summary=f"Pledged unit {unit.goods_id} was sold by invoice {sale.number} and no release covers it.",
                summary_zh=f"在押货物 {unit.goods_id} 已由发票 {sale.number} 售出，未见放行。",
                evidence={
                    "document_id": sale.document_id,
                    "number": sale.number,
                    "seller_party_id": sale.seller_party_id,
                    "buyer_party_id": sale.buyer_party_id,
                    "issued_at": sale.issued_at,
                    "pledged_at": unit.pledged_at,
                    "goods_ids": [unit.goods_id],
                },
            )
        )
    return verdicts


RULE = Rule(
    code="R17",
    version=1,
    name="Pledged unit sold",
    name_zh="在押货物被售出",
    leg=Leg.TRADE,
    severity="P1",
    lanes=frozenset({Lane.SCHEDULED}),
    lasting=False,
    claim="An invoice dated after the pledge sells a pledged unit on behalf of its owner or the borrower, and no issued release covers the unit.",
    inputs=(Section.SALES,),
    thresholds=(
        Threshold(
            name="release_needed",
            value=1,
            meaning="issued releases that must cover the unit",
            fixed="without a release nothing may be sold",
        ),
    ),
    scopes=BY_TENANT,
    guards=(
        "The purchase by which the borrower got the goods has another seller and an earlier date.",
        "A unit on an issued release may be sold: that is what the release is for.",
    ),
    check=check,
)
