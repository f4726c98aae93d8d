"""R16: an invoice was posted and nothing moved."""

from __future__ import annotations

from datetime import timedelta

from collateral.calendar import end_of_business_day
from risk.rule import BY_TENANT, Finding, Lane, Leg, Rule, Section, Severity, Subject, SubjectKind, Threshold, Verdict
from risk.snapshot import Snapshot, money_sum

BUSINESS_DAYS = Threshold(
    name="business_days",
    value=5,
    whole=True,
    least=1,
    most=40,
    meaning="Chinese business days after the invoice's date, to 17:00 in Shanghai",
)
PAPER_SETTLE = Threshold(
    name="paper_settle",
    value=timedelta(hours=4),
    meaning="time after a paper reached us, by the stream, in which its companions and its goods' readings may still arrive",
)


def check(snapshot: Snapshot) -> list[Verdict]:
    """Invoices past T+5 business days without waybill and movement, and without the keeper's transfer note."""
    verdicts: list[Verdict] = []
    settled = snapshot.stream.settled_until
    for invoice in snapshot.invoices:
        if invoice.transfer_notes or (invoice.waybills and invoice.movements):
            continue
        tuned = snapshot.tuned.of("R16", invoice.tenant_id)
        days = int(tuned.number(BUSINESS_DAYS))
        deadline, calendar_known = end_of_business_day(invoice.issued_at, days)
        if snapshot.as_of <= deadline or settled is None or settled < invoice.received_at + tuned.span(PAPER_SETTLE):
            continue
        pledged = [u for u in invoice.units if u.pledged]
        lacking = [name for name, found in (("waybill", invoice.waybills), ("movement", invoice.movements)) if not found]
        lacking_zh = "、".join({"waybill": "运单", "movement": "出入库或运输记录"}[name] for name in lacking)
        verdicts.append(
            Finding(
                subject=Subject(tenant_id=invoice.tenant_id, kind=SubjectKind.DOCUMENT, id=invoice.document_id),
                severity=Severity.P1 if pledged else Severity.P2,
                occurred_at=deadline,
                facility_id=pledged[0].facility_id if pledged else None,
                pledge_id=pledged[0].pledge_id if pledged else None,
                exposure_at_risk=money_sum([u.value for u in pledged]) if pledged else invoice.amount,
                currency=pledged[0].currency if pledged else invoice.currency,
                summary=f"Invoice {invoice.number} has no {' and no '.join(lacking)} {days} business days after its date.",
                summary_zh=f"发票 {invoice.number} 开具 {days} 个工作日后仍无{lacking_zh}。",
                evidence={
                    "document_id": invoice.document_id,
                    "number": invoice.number,
                    "contract_no": invoice.contract_no,
                    "seller_party_id": invoice.seller_party_id,
                    "buyer_party_id": invoice.buyer_party_id,
                    "amount": invoice.amount,
                    "currency": invoice.currency,
                    "quantity": invoice.quantity,
                    "issued_at": invoice.issued_at,
                    "deadline": deadline,
                    "holiday_calendar_known": calendar_known,
                    "lacking": lacking,
                    "waybills": invoice.waybills,
                    "movements": invoice.movements,
                    "transfer_notes": invoice.transfer_notes,
                    "goods_ids": [u.goods_id for u in invoice.units][:50],
                    "units_pledged": len(pledged),
                },
                thresholds=tuned.shown(),
            )
        )
    return verdicts


RULE = Rule(
    code="R16",
    version=1,
    name="Trade without movement",
    name_zh="有票无货",
    leg=Leg.TRADE,
    severity="P2, P1 when its goods secure a loan",
    lanes=frozenset({Lane.SCHEDULED}),
    lasting=True,
    claim="Five business days after an invoice's date there is no matching waybill with a gate passage, site change or trip of its goods.",
    inputs=(Section.INVOICES,),
    thresholds=(BUSINESS_DAYS, PAPER_SETTLE),
    scopes=BY_TENANT,
    guards=(
        "A sale inside the store needs no lorry: the keeper's transfer note for the contract or the goods is a match.",
        "Papers match by contract number or by a shared unit.",
        "Invoices older than 90 days are left to the monthly reconciliation.",
    ),
    check=check,
)
