"""R19: trade that looks like lending: no margin, no time, no freight."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from decimal import Decimal
from statistics import median

from risk.facts_trade import Deal, Link
from risk.rule import BY_TENANT, Finding, Lane, Leg, Rule, Section, Severity, Subject, SubjectKind, Threshold, Verdict
from risk.rules.telling import of_holder
from risk.snapshot import Snapshot

FLAGS = Threshold(name="flags", value=3, meaning="signs that together make a finding")
MARGIN = Threshold(name="margin", value=Decimal("0.005"), meaning="gross margin of resale below which there is none")
MEDIAN_SHARE = Threshold(
    name="median_share", value=Decimal("0.5"), meaning="of the commodity's median margin, below which a thin one counts"
)
HELD = Threshold(name="held", value=timedelta(days=3), meaning="between purchase and resale")
THROUGH = Threshold(name="through", value=Decimal("0.95"), meaning="of the money paid in that went out the same day")
PAIRS = Threshold(name="pairs", value=5, meaning="resales of a commodity from which its median margin is known")
SHARED = ("PHONE", "ADDRESS", "OFFICER")


def _resales(deals: list[Deal], held: timedelta) -> list[tuple[Deal, Deal]]:
    """(purchase, sale) of one party: a common contract or unit, or the same quantity; the newest purchase before the sale."""
    bought: dict[tuple[str, str | None], list[Deal]] = defaultdict(list)
    for d in sorted(deals, key=lambda d: d.issued_at):
        bought[d.buyer_party_id, d.commodity_code].append(d)
    pairs = []
    for sale in deals:
        for buy in reversed(bought[sale.seller_party_id, sale.commodity_code]):
            kin = set(buy.goods_ids) & set(sale.goods_ids) or (buy.contract_no is not None and buy.contract_no == sale.contract_no)
            same = buy.quantity is not None and buy.quantity == sale.quantity and sale.issued_at - buy.issued_at <= 10 * held
            if timedelta(0) <= sale.issued_at - buy.issued_at and (kin or same) and buy.document_id != sale.document_id:
                pairs.append((buy, sale))
                break
    return pairs


def _margin(buy: Deal, sale: Deal) -> Decimal | None:
    bought, sold = buy.unit_price, sale.unit_price
    if not bought or sold is None or (buy.currency, buy.unit) != (sale.currency, sale.unit):
        return None
    return sold / bought - 1


def _share_something(links: tuple[Link, ...], tenant_id: str, a: str, b: str) -> str | None:
    keys: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for link in links:
        if link.tenant_id == tenant_id and link.kind in SHARED:
            keys[link.party_id].add((link.kind, link.key.strip().upper()))
    return next((kind for kind, _ in sorted(keys[a] & keys[b])), None)


def check(snapshot: Snapshot) -> list[Verdict]:
    """Resales with at least three signs of a loan in disguise."""
    verdicts: list[Verdict] = []
    for tenant_id in sorted({d.tenant_id for d in snapshot.deals}):
        tuned = snapshot.tuned.of("R19", tenant_id)
        pairs = _resales([d for d in snapshot.deals if d.tenant_id == tenant_id], tuned.span(HELD))
        margins: dict[str | None, list[Decimal]] = defaultdict(list)
        for buy, sale in pairs:
            if (m := _margin(buy, sale)) is not None:
                margins[sale.commodity_code].append(m)
        for buy, sale in pairs:
            flags: dict[str, object] = {}
            margin = _margin(buy, sale)
            usual = margins[sale.commodity_code]
            thin = tuned.number(MARGIN)
            if len(usual) >= tuned.number(PAIRS):
                thin = min(thin, median(usual) * tuned.number(MEDIAN_SHARE))
            if margin is not None and margin < thin:
                flags["margin"] = round(margin, 6)
            if sale.issued_at - buy.issued_at < tuned.span(HELD):
                flags["held_days"] = (sale.issued_at - buy.issued_at).days
            if (shared := _share_something(snapshot.links, tenant_id, buy.seller_party_id, sale.buyer_party_id)) is not None:
                flags["shared"] = shared
            same_day = {at.date() for at in buy.paid_at} & {at.date() for at in sale.paid_at}
            if same_day and sale.paid and buy.paid / sale.paid >= tuned.number(THROUGH):
                flags["paid_through_on"] = min(same_day)
            if sale.quantity is not None and sale.quantity == sale.quantity.to_integral_value() and sale.quantity % 100 == 0:
                flags["round_quantity"] = sale.quantity
            if not sale.waybills and not buy.waybills and not sale.moves and not buy.moves:
                flags["no_freight"] = True
            if len(flags) < tuned.number(FLAGS):
                continue
            held = sale.holder if sale.holder.pledge_id else buy.holder
            verdicts.append(
                Finding(
                    subject=Subject(tenant_id=tenant_id, kind=SubjectKind.DOCUMENT, id=sale.document_id),
                    severity=Severity.P3,
                    occurred_at=sale.issued_at,
                    event_key=f"resale:{buy.document_id}:{sale.document_id}",
                    summary=f"Invoice {sale.number} resells what {buy.number} bought and looks like lending: {', '.join(flags)}.",
                    summary_zh=f"发票 {sale.number} 转售 {buy.number} 所购货物，具融资性贸易特征（{len(flags)} 项）。",
                    evidence={
                        "bought_document_id": buy.document_id, "sold_document_id": sale.document_id, "faults": sorted(flags), "flags": flags,
                        "seller": buy.seller_party_id, "trader": sale.seller_party_id, "buyer": sale.buyer_party_id,
                        "commodity_resales": len(usual),
                    },
                    thresholds=tuned.shown(),
                    **of_holder(held),
                )
            )  # fmt: skip
    return verdicts


RULE = Rule(
    code="R19",
    version=1,
    name="Financing trade",
    name_zh="融资性贸易特征",
    leg=Leg.INDUSTRY,
    severity="P3",
    lanes=frozenset({Lane.SCHEDULED}),
    lasting=False,
    claim="A resale shows at least three of: no gross margin, held for less than 3 days, first seller and last buyer share a telephone, address or officer, the "
    "money went in and out on one day, a round quantity, no freight.",
    inputs=(Section.DEALS, Section.LINKS),
    thresholds=(FLAGS, MARGIN, MEDIAN_SHARE, HELD, THROUGH, PAIRS),
    scopes=BY_TENANT,
    guards=(
        "Thin margins are normal in steel: where five resales of the commodity are known, thin means below half of their median as well.",
        "One sign alone says nothing; three are needed.",
        "Goods that moved around the sale take away the sign of missing freight.",
    ),
    check=check,
)
