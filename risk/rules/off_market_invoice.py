"""V08: an invoice's price is not the market's."""

from __future__ import annotations

from decimal import Decimal

from collateral.units import Quantity, Unit
from risk.facts_trade import Deal
from risk.rule import BY_TENANT, CannotJudge, Finding, Lane, Leg, Rule, Section, Severity, Subject, SubjectKind, Threshold, Verdict
from risk.rules.telling import of_holder
from risk.snapshot import Snapshot

OFF = Threshold(name="off", value=Decimal("0.05"), meaning="distance to the market's price of the day from which it is told")
FAR = Threshold(name="far", value=Decimal("0.10"), meaning="distance from which it is P2")
TERMS = ("formula_price", "processing_fee", "toll")


def _distance(deal: Deal) -> Decimal | None:
    """Unit price over the day's reference, less one; freight that the paper names is taken off first."""
    price, reference = deal.unit_price, deal.reference
    if price is None or not reference or deal.unit is None or deal.reference_unit is None or deal.currency != deal.reference_currency:
        return None
    try:
        factor = Quantity(Decimal(1), Unit(deal.unit)).in_unit(Unit(deal.reference_unit)).amount
    except ValueError:
        return None
    freight = deal.content.get("freight_per_unit")
    if isinstance(freight, str | int):
        price -= Decimal(str(freight))
    return price / factor / reference - 1


def check(snapshot: Snapshot) -> list[Verdict]:
    """Invoices whose price is far from the day's."""
    verdicts: list[Verdict] = []
    for deal in snapshot.deals:
        if any(deal.content.get(t) for t in TERMS):
            continue
        subject = Subject(tenant_id=deal.tenant_id, kind=SubjectKind.DOCUMENT, id=deal.document_id)
        tuned = snapshot.tuned.of("V08", deal.tenant_id)
        off = _distance(deal)
        if off is None:
            if (
                deal.commodity_code is not None
                and deal.amount is not None
                and deal.quantity is not None
                and deal.holder.pledge_id is not None
            ):
                verdicts.append(CannotJudge(subject=subject, reason="no reference price of the day in its unit and currency"))
            continue
        if abs(off) <= tuned.number(OFF):
            continue
        verdicts.append(
            Finding(
                subject=subject,
                severity=Severity.P2 if abs(off) > tuned.number(FAR) else Severity.P3,
                occurred_at=deal.issued_at,
                summary=f"Invoice {deal.number} prices {deal.commodity_code} {off:+.1%} off the market of its day.",
                summary_zh=f"发票 {deal.number} 的 {deal.commodity_code} 单价偏离当日市价 {off:+.1%}。",
                evidence={
                    "document_id": deal.document_id, "number": deal.number, "seller": deal.seller_party_id, "buyer": deal.buyer_party_id,
                    "unit_price": deal.unit_price, "unit": deal.unit, "reference": deal.reference, "reference_unit": deal.reference_unit,
                    "currency": deal.currency, "off": round(off, 6), "vat_rate": deal.content.get("vat_rate"),
                },
                thresholds=tuned.shown(),
                **of_holder(deal.holder),
            )
        )  # fmt: skip
    return verdicts


RULE = Rule(
    code="V08",
    version=1,
    name="Invoice off the market",
    name_zh="发票价偏离市价",
    leg=Leg.INDUSTRY,
    severity="P3, P2 beyond 10 %",
    lanes=frozenset({Lane.SCHEDULED}),
    lasting=True,
    claim="The unit price of an invoice, ex-VAT, lies more than 5 % from the accepted price of its commodity on its day.",
    inputs=(Section.DEALS,),
    thresholds=(OFF, FAR),
    scopes=BY_TENANT,
    guards=(
        "Prices are compared ex-VAT, in one currency and unit; an invoice's own rate of tax is taken off, 13 % where it states none.",
        "Freight that the paper names is taken off; a formula price, tolling or a processing fee that it names is not compared.",
        "The reference is the newest accepted price up to the day of the invoice, at most seven days old.",
    ),
    check=check,
)
