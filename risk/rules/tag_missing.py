"""R02: a pledged unit is not read although its reader works and reads its neighbours."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from math import ceil, log

from risk.facts import UnseenUnit
from risk.rule import CannotJudge, Finding, Lane, Leg, Rule, Section, Severity, Subject, SubjectKind, Threshold, Verdict
from risk.snapshot import Snapshot
from risk.thresholds import Tuned

READ_RATE_MIN, READ_RATE_MAX = Decimal("0.30"), Decimal("0.999")
READ_RATE_DEFAULT = Threshold(
    name="read_rate_default",
    value=Decimal("0.95"),
    least=READ_RATE_MIN,
    most=READ_RATE_MAX,
    meaning="p until a zone has 30 days of rounds",
)
FALSE_ALARMS_PER_ROUND = Threshold(
    name="false_alarms_per_round",
    value=Decimal("0.1"),
    least=Decimal("0.001"),
    meaning="units expected unseen by chance, over all N",
)
VALUE_SHARE = Threshold(name="value_share", value=Decimal("0.005"), meaning="share of the facility's goods from which it is P1")
NEIGHBOURS = Threshold(
    name="neighbours", value=3, whole=True, least=1, meaning="units of the zone that vanished in the same round from which it is P1"
)
HISTORY = Threshold(
    name="history", value=timedelta(days=30), meaning="rounds kept for a zone's own read rate", fixed="rounds are kept for this long"
)
ODDS = Decimal("0.1")  # DOMAIN 4.2: fewer than this many present units expected unseen by chance


def rounds_needed(units: int, read_rate: Decimal, false_alarms: Decimal = ODDS) -> int:
    """Rounds k after which fewer than `false_alarms` of `units` present units are expected unseen by chance: ceil(ln(0.1/N) / ln(1-p)).

    read_rate p: probability that a present tag is read in one round, 0 < p < 1. Never fewer than 2.
    """
    if not 0 < read_rate < 1:
        raise ValueError(f"a read rate lies between 0 and 1, not {read_rate}")
    chance = min(float(false_alarms) / max(1, units), 0.999)
    return max(2, ceil(log(chance) / log(1 - float(read_rate)) - 1e-9))


def _severity(fact: UnseenUnit, tuned: Tuned) -> tuple[Severity, list[str]]:
    reasons = []
    if fact.unit.value is not None and fact.facility_value and fact.unit.value >= tuned.number(VALUE_SHARE) * fact.facility_value:
        reasons.append("value_share")
    if fact.vanished_together >= tuned.number(NEIGHBOURS):
        reasons.append("neighbours")
    return (Severity.P1 if reasons else Severity.P2), reasons


def check(snapshot: Snapshot) -> list[Verdict]:
    """Units unseen for k real rounds of their reader. A reader that was silent had no rounds, so its goods are not judged."""
    verdicts: list[Verdict] = []
    for fact in snapshot.unseen:
        unit = fact.unit
        subject = Subject(tenant_id=unit.tenant_id, kind=SubjectKind.GOODS, id=unit.goods_id)
        tuned = snapshot.tuned.of("R02", unit.tenant_id, warehouse_id=unit.warehouse_id)
        rate = min(max(fact.read_rate or tuned.number(READ_RATE_DEFAULT), READ_RATE_MIN), READ_RATE_MAX)
        needed = rounds_needed(snapshot.watched_units, rate, tuned.number(FALSE_ALARMS_PER_ROUND))
        if fact.rounds_since < needed:
            verdicts.append(CannotJudge(subject=subject, reason=f"{fact.rounds_since} of {needed} rounds since it was last read"))
            continue
        severity, escalated_by = _severity(fact, tuned)
        verdicts.append(
            Finding(
                subject=subject,
                severity=severity,
                occurred_at=fact.last_seen_at,
                facility_id=unit.facility_id,
                pledge_id=unit.pledge_id,
                warehouse_id=unit.warehouse_id,
                exposure_at_risk=unit.value,
                currency=unit.currency,
                summary=f"Pledged unit {unit.goods_id} was not read in {fact.rounds_since} rounds of {fact.device_id} in {fact.zone_id}, "
                f"which kept reading its neighbours.",
                summary_zh=f"质押货物 {unit.goods_id} 在 {fact.zone_id} 连续 {fact.rounds_since} 轮盘点未读到，读写器 {fact.device_id} 正常且邻近货物均可读。",
                evidence={
                    "goods_ids": [unit.goods_id],
                    "tag_epc": fact.tag_epc,
                    "device_id": fact.device_id,
                    "zone_id": fact.zone_id,
                    "last_seen_at": fact.last_seen_at,
                    "last_round_at": fact.last_round_at,
                    "rounds_since": fact.rounds_since,
                    "rounds_needed": needed,
                    "read_rate": rate,
                    "watched_units": snapshot.watched_units,
                    "zone_units": fact.zone_units,
                    "vanished_together": fact.vanished_together,
                    "escalated_by": escalated_by,
                },
                thresholds=tuned.shown(),
            )
        )
    return verdicts


RULE = Rule(
    code="R02",
    version=1,
    name="Tag missing",
    name_zh="标签失联",
    leg=Leg.LOGISTICS,
    severity="P2, P1 when it is 0.5 % of the facility's goods or 3 neighbours vanished with it",
    lanes=frozenset({Lane.SCHEDULED}),
    lasting=True,
    claim="A pledged unit was not read in k inventory rounds of the reader that last read it, in the zone where it was, while that reader read "
    "other units there; k = ceil(ln(0.1/N) / ln(1-p)), N units under watch, p the zone's own read rate.",
    inputs=(Section.UNSEEN,),
    thresholds=(READ_RATE_DEFAULT, FALSE_ALARMS_PER_ROUND, VALUE_SHARE, NEIGHBOURS, HISTORY),
    guards=(
        "Rounds are counted as they happened, not by hours: a reader, gateway or site that was silent had none, so its goods are not "
        "observable rather than absent (that is R21).",
        "A round counts only when other units of the zone were read in it; a zone where nothing is read is a blind reader (R21).",
        "Only rounds before the settled part of the stream count, so a delay in our own pipes makes nothing missing.",
        "Units that passed a gate outwards belong to R01; units in transit to the trip rules.",
    ),
    check=check,
)
