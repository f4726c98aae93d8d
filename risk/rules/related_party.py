"""R20: seller and buyer belong together and nobody said so."""

from __future__ import annotations

from decimal import Decimal

from risk.facts_trade import Deal
from risk.rule import BY_TENANT, Finding, Lane, Leg, Rule, Section, Severity, Subject, SubjectKind, Threshold, Verdict
from risk.rules.telling import of_holder
from risk.snapshot import Snapshot
from risk.trade_graph import kinships

SHARE = Threshold(name="share", value=Decimal("0.25"), meaning="of the shares from which a shareholder links two parties")
DEGREE = Threshold(name="degree", value=50, meaning="holders of one telephone or address beyond which it links nobody")
HOPS = Threshold(name="hops", value=2, meaning="links between parties, at most")
STRONG = ("SHAREHOLDER", "CONTROLLER", "OFFICER")


def check(snapshot: Snapshot) -> list[Verdict]:
    """Pairs of parties that trade with each other and are related without having disclosed it."""
    verdicts: list[Verdict] = []
    by_pair: dict[tuple[str, str, str], Deal] = {}
    for deal in sorted(snapshot.deals, key=lambda d: d.issued_at):
        a, b = sorted((deal.seller_party_id, deal.buyer_party_id))
        if a != b:
            key = (deal.tenant_id, a, b)
            known = by_pair.get(key)
            by_pair[key] = deal if known is None or deal.holder.pledge_id or not known.holder.pledge_id else known
    for tenant_id in sorted({t for t, _, _ in by_pair}):
        tuned = snapshot.tuned.of("R20", tenant_id)
        links = [link for link in snapshot.links if link.tenant_id == tenant_id]
        pairs = [(a, b) for t, a, b in by_pair if t == tenant_id]
        for kin in kinships(
            links, pairs, share_min=tuned.number(SHARE), degree_max=int(tuned.number(DEGREE)), hops_max=int(tuned.number(HOPS))
        ):
            if kin.disclosed:
                continue
            deal = by_pair[tenant_id, kin.party_a, kin.party_b]
            strong = any(kind in STRONG for kind in kin.kinds)
            verdicts.append(
                Finding(
                    subject=Subject(tenant_id=tenant_id, kind=SubjectKind.PARTY, id=kin.party_a),
                    severity=Severity.P2 if strong else Severity.P3,
                    occurred_at=deal.issued_at,
                    event_key=f"kin:{kin.party_a}:{kin.party_b}",
                    summary=f"{kin.party_a} and {kin.party_b} trade with each other and share {', '.join(k.lower() for k in kin.kinds)}, undisclosed.",
                    summary_zh=f"{kin.party_a} 与 {kin.party_b} 有交易往来且存在未披露的关联关系。",
                    evidence={
                        "parties": [kin.party_a, kin.party_b], "way": list(kin.way), "kinds": list(kin.kinds), "document_id": deal.document_id,
                        "number": deal.number, "amount": deal.amount, "currency": deal.currency,
                    },
                    thresholds=tuned.shown(),
                    **of_holder(deal.holder),
                )
            )  # fmt: skip
    return verdicts


RULE = Rule(
    code="R20",
    version=1,
    name="Related parties",
    name_zh="关联交易",
    leg=Leg.INDUSTRY,
    severity="P3, P2 through shares, control or officers",
    lanes=frozenset({Lane.SCHEDULED}),
    lasting=False,
    claim="Two parties of an invoice are related over at most two links (shares from 25 %, controller, officer, telephone, address, account, network), undisclosed.",
    inputs=(Section.DEALS, Section.LINKS),
    thresholds=(SHARE, DEGREE, HOPS),
    scopes=BY_TENANT,
    guards=(
        "A telephone or an address that more than 50 parties share (an agent, an office park) links nobody.",
        "A relation that was disclosed is no finding.",
    ),
    check=check,
)
