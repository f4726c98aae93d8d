"""R24: five sources state the quantity of one trade, and two of them disagree."""

from __future__ import annotations

from datetime import timedelta
from itertools import combinations

from risk.rule import BY_TENANT, Finding, Lane, Leg, Rule, Section, Severity, Subject, SubjectKind, Threshold, Verdict
from risk.rules.telling import of_holder
from risk.snapshot import Snapshot

SETTLE = Threshold(name="settle", value=timedelta(hours=48), meaning="after the newest paper or reading of the contract")
UNITS = Threshold(name="units", value=1, meaning="of the largest single unit by which a count by RFID may differ at least")
WORDS = {"invoice": "发票", "waybill": "运单", "wms": "WMS", "rfid": "RFID", "scale": "磅单"}
SOURCES = tuple(WORDS)


def check(snapshot: Snapshot) -> list[Verdict]:
    """Contracts whose sources differ beyond the commodity's tolerance and one unit."""
    verdicts: list[Verdict] = []
    for contract in snapshot.contracts:
        tuned = snapshot.tuned.of("R24", contract.tenant_id)
        if snapshot.as_of - contract.newest_at < tuned.span(SETTLE):
            continue
        apart = []
        for a, b in combinations([s for s in SOURCES if s in contract.quantities], 2):
            x, y = contract.quantities[a], contract.quantities[b]
            allowed = contract.tolerance * max(x, y)
            if "rfid" in (a, b):  # counted in whole units
                allowed = max(allowed, tuned.number(UNITS) * contract.largest_unit)
            if abs(x - y) > allowed:
                apart.append((abs(x - y), a, b, allowed))
        if not apart:
            continue
        gap, a, b, allowed = max(apart)
        x, y = contract.quantities[a], contract.quantities[b]
        verdicts.append(
            Finding(
                subject=Subject(tenant_id=contract.tenant_id, kind=SubjectKind.DOCUMENT, id=contract.contract_no),
                severity=Severity.P2,
                occurred_at=contract.newest_at,
                summary=f"Contract {contract.contract_no}: {a} says {x:,.3f} {contract.unit}, {b} says {y:,.3f} {contract.unit}.",
                summary_zh=f"合同 {contract.contract_no}：{WORDS[a]} {x:,.3f} {contract.unit}，{WORDS[b]} {y:,.3f} {contract.unit}，不一致。",
                evidence={
                    "contract_no": contract.contract_no, "unit": contract.unit, "quantities": dict(contract.quantities),
                    "rows": {k: list(v)[:20] for k, v in contract.rows.items()}, "tolerance": contract.tolerance, "allowed": allowed, "gap": gap,
                    "faults": [f"{p}/{q}" for _, p, q, _ in apart],
                },
                thresholds=tuned.shown(),
                **of_holder(contract.holder),
            )
        )  # fmt: skip
    return verdicts


RULE = Rule(
    code="R24",
    version=1,
    name="Quantities disagree",
    name_zh="五方数量勾稽不符",
    leg=Leg.TRADE,
    severity="P2",
    lanes=frozenset({Lane.SCHEDULED}),
    lasting=True,
    claim="For one contract two of invoice, waybill, warehouse system, RFID and scale differ by more than the commodity's weighing tolerance (a count by "
    "RFID also by more than one unit).",
    inputs=(Section.CONTRACTS,),
    thresholds=(SETTLE, UNITS),
    scopes=BY_TENANT,
    guards=(
        "Quantities are cumulative by contract, so partial deliveries add up; nothing is judged for 48 hours after the newest of them.",
        "A source that says nothing is not compared.",
        "Sources are compared in one unit; weights that are theoretical on one side only are left to R09.",
    ),
    check=check,
)
