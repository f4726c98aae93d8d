"""R28: more is pledged than this market, site or business can have."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

from risk.facts_trade import Figure, Holding
from risk.rule import BY_TENANT, Finding, Lane, Leg, Rule, Section, Severity, Subject, SubjectKind, Threshold, Verdict
from risk.snapshot import Snapshot, money_sum

MARKET = Threshold(name="market", value=Decimal("0.20"), meaning="of the commodity's local turnover of ten days")
SALES = Threshold(name="sales", value=Decimal("0.50"), meaning="of the borrower's sales of twelve months")
INPUTS = Threshold(name="inputs", value=Decimal("0.60"), meaning="of the claimed output, which power, tax and freight have to imply")


def _kg(held: list[Holding]) -> Decimal:
    return sum((h.quantity_kg or Decimal(0) for h in held), Decimal(0))


def _figure(snapshot: Snapshot, tenant_id: str, kind: str, *, party: str | None = None, commodity: str | None = None) -> Figure | None:
    fitting = [
        f for f in snapshot.figures
        if f.tenant_id == tenant_id and f.kind == kind and f.party_id == party and f.commodity_code in (None, commodity)
    ]  # fmt: skip
    return max(fitting, key=lambda f: f.commodity_code is not None, default=None)


def check(snapshot: Snapshot) -> list[Verdict]:
    """Commodities beyond their market, borrowers beyond their capacity, sales or inputs."""
    verdicts: list[Verdict] = []
    markets: dict[tuple[str, str], list[Holding]] = defaultdict(list)
    borrowers: dict[tuple[str, str], list[Holding]] = defaultdict(list)
    for h in snapshot.holdings:
        markets[h.tenant_id, h.commodity_code].append(h)
        borrowers[h.tenant_id, h.borrower_party_id].append(h)
    for (tenant_id, commodity), held in markets.items():
        tuned = snapshot.tuned.of("R28", tenant_id)
        figure = _figure(snapshot, tenant_id, "MARKET_TURNOVER_10D_KG", commodity=commodity)
        if figure is not None and _kg(held) > figure.value * tuned.number(MARKET):
            text = f"{_kg(held) / 1000:,.0f} t of {commodity} are pledged; the local market turns {figure.value / 1000:,.0f} t in ten days."
            zh = f"{commodity} 在押 {_kg(held) / 1000:,.0f} 吨，本地十日成交仅 {figure.value / 1000:,.0f} 吨。"
            verdicts.append(
                _finding(snapshot, tenant_id, SubjectKind.COMMODITY, commodity, held, text, zh, [("market", figure, _kg(held))])
            )
    for (tenant_id, party), held in borrowers.items():
        tuned = snapshot.tuned.of("R28", tenant_id)
        faults: list[tuple[str, Figure, Decimal]] = []
        if (f := _figure(snapshot, tenant_id, "PARTY_CAPACITY_KG", party=party)) is not None and _kg(held) > f.value:
            faults.append(("capacity", f, _kg(held)))
        value = money_sum([h.value for h in held if h.currency is not None])
        f = _figure(snapshot, tenant_id, "SALES_12M", party=party)
        if (
            f is not None
            and value is not None
            and {h.currency for h in held if h.currency} == {f.currency}
            and value > f.value * tuned.number(SALES)
        ):
            faults.append(("sales", f, value))
        implied = _figure(snapshot, tenant_id, "INPUT_IMPLIED_OUTPUT_KG", party=party)
        claimed = _figure(snapshot, tenant_id, "CLAIMED_OUTPUT_KG", party=party)
        if implied is not None and claimed is not None and implied.value < claimed.value * tuned.number(INPUTS):
            faults.append(("inputs", implied, claimed.value))
        if faults:
            text = f"What {party} has pledged or claims does not fit its {', '.join(f[0] for f in faults)}."
            zh = f"{party} 的质押或申报规模与其经营规模不符（{'、'.join(f[0] for f in faults)}）。"
            verdicts.append(_finding(snapshot, tenant_id, SubjectKind.PARTY, party, held, text, zh, faults))
    return verdicts


def _finding(
    snapshot: Snapshot, tenant_id: str, kind: SubjectKind, subject: str, held: list[Holding], text: str, zh: str,
    faults: list[tuple[str, Figure, Decimal]],
) -> Finding:  # fmt: skip
    return Finding(
        subject=Subject(tenant_id=tenant_id, kind=kind, id=subject),
        severity=Severity.P2,
        occurred_at=snapshot.as_of,
        facility_id=held[0].facility_id if len({h.facility_id for h in held}) == 1 else None,
        exposure_at_risk=money_sum([h.value for h in held]),
        currency=next((h.currency for h in held if h.currency), None),
        summary=text,
        summary_zh=zh,
        evidence={
            "faults": [name for name, _, _ in faults],
            "figures": [
                {"figure_id": f.figure_id, "kind": f.kind, "value": f.value, "source": f.source, "against": against}
                for _, f, against in faults
            ],
            "pledged_kg": _kg(held),
            "facilities": sorted({h.facility_id for h in held})[:50],
        },
    )


RULE = Rule(
    code="R28",
    version=1,
    name="Implausible scale",
    name_zh="规模不合常理",
    leg=Leg.INDUSTRY,
    severity="P2",
    lanes=frozenset({Lane.SCHEDULED}),
    lasting=True,
    claim="Pledged goods exceed 20 % of the local turnover of ten days, the borrower's capacity, or half of its sales of a year; or power, tax and freight imply less "
    "than 60 % of the output that it claims.",
    inputs=(Section.HOLDINGS, Section.FIGURES),
    thresholds=(MARKET, SALES, INPUTS),
    scopes=BY_TENANT,
    guards=(
        "Only figures that are valid now and name their source are used; without a figure nothing is judged.",
        "Sales are those of twelve months, so a season's restocking does not look large.",
        "Values are compared in one currency.",
    ),
    check=check,
)
