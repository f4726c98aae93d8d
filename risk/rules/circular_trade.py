"""R18: goods are sold in a circle."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from risk.facts_trade import Deal
from risk.rule import BY_TENANT, Finding, Lane, Leg, Rule, Section, Severity, Subject, SubjectKind, Threshold, Verdict
from risk.rules.telling import of_holder
from risk.snapshot import Snapshot
from risk.trade_graph import Loop, loops

WITHIN = Threshold(name="within", value=timedelta(days=90), meaning="between the first and the last sale of the circle")
QUANTITY = Threshold(name="quantity", value=Decimal("0.05"), meaning="by which the quantities of neighbouring sales may differ")
CLOSING = Threshold(name="closing", value=Decimal("0.80"), meaning="smallest quantity of the circle over its largest")
LENGTH = Threshold(name="length", value=6, meaning="sales in a circle, at most")
MOVED = ("credit_note", "toll", "swap")


def _honest(deal: Deal) -> bool:
    """A return, a swap or work on commission says so on its paper."""
    return any(deal.content.get(name) for name in MOVED)


def _told(loop: Loop, severity: Severity, snapshot: Snapshot) -> Finding:
    last, first = loop.deals[-1], loop.deals[0]
    held = next((d.holder for d in loop.deals if d.holder.pledge_id), first.holder)
    names = " → ".join((*loop.parties, loop.parties[0]))
    tuned = snapshot.tuned.of("R18", first.tenant_id)
    return Finding(
        subject=Subject(tenant_id=first.tenant_id, kind=SubjectKind.PARTY, id=min(loop.parties)),
        severity=severity,
        occurred_at=last.issued_at,
        event_key="circle:" + ",".join(sorted(d.document_id for d in loop.deals)),
        summary=f"{first.commodity_code or 'Goods'} went round in {len(loop.deals)} sales: {names}, and nothing moved.",
        summary_zh=f"{first.commodity_code or '货物'} 经 {len(loop.deals)} 次销售形成闭环：{names}，且无实物移动。",
        evidence={
            "parties": list(loop.parties), "documents": [d.document_id for d in loop.deals], "numbers": [d.number for d in loop.deals],
            "quantities": [d.quantity for d in loop.deals], "amounts": [d.amount for d in loop.deals], "closing": round(loop.closing, 4),
            "from": first.issued_at, "to": last.issued_at, "moves": sum(d.moves for d in loop.deals),
            "thresholds_used": {n: t.shown() for n, t in (("within", WITHIN), ("quantity", QUANTITY), ("closing", CLOSING))},
        },
        thresholds=tuned.shown(),
        **of_holder(held),
    )  # fmt: skip


def check(snapshot: Snapshot) -> list[Verdict]:
    """Circles of sales of one commodity in which nothing moved, and units that came back to a past owner without a move."""
    deals = [d for d in snapshot.deals if not _honest(d) and d.moves == 0]
    verdicts: list[Verdict] = []
    for tenant_id in sorted({d.tenant_id for d in deals}):
        tuned = snapshot.tuned.of("R18", tenant_id)
        own = [d for d in deals if d.tenant_id == tenant_id]
        found = loops(
            own, within=tuned.span(WITHIN), quantity_share=tuned.number(QUANTITY), closing_min=tuned.number(CLOSING),
            length_max=int(tuned.number(LENGTH)),
        )  # fmt: skip
        verdicts.extend(_told(loop, Severity.P2, snapshot) for loop in found)
    return verdicts


RULE = Rule(
    code="R18",
    version=1,
    name="Circular trade",
    name_zh="循环贸易",
    leg=Leg.INDUSTRY,
    severity="P2",
    lanes=frozenset({Lane.SCHEDULED}),
    lasting=False,
    claim="Within 90 days one commodity was sold in a circle of 2 to 6 parties, in quantities within 5 % of each other, and none of its goods moved.",
    inputs=(Section.DEALS,),
    thresholds=(WITHIN, QUANTITY, CLOSING, LENGTH),
    scopes=BY_TENANT,
    guards=(
        "A sale whose goods passed a gate or changed site within 30 days around it is a real one and breaks the circle.",
        "Credit notes, tolling and swaps that say so on the paper are left out.",
        "Only sales in one commodity and one unit make a circle.",
    ),
    check=check,
)
