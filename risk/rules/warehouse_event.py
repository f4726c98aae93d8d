"""R29: the company behind a site changes."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

from risk.rule import Finding, Lane, Leg, Rule, Section, Severity, Subject, SubjectKind, Threshold, Verdict
from risk.rules.telling import of_holder
from risk.snapshot import Snapshot

WINDOW = Threshold(name="window", value=timedelta(days=180), meaning="for which a change counts")
LEASE = Threshold(name="lease", value=timedelta(days=90), meaning="left of a lease, below which it is told")
WORDS = {
    "OWNER": ("its owners changed", "股东变更"),
    "CONTROLLER": ("its controller changed", "实控人变更"),
    "LEGAL_REPRESENTATIVE": ("its legal representative changed", "法定代表人变更"),
    "ADDRESS": ("its address changed", "地址变更"),
    "NAME": ("its name changed", "名称变更"),
    "LITIGATION": ("it is being sued", "涉诉"),
    "LICENCE_REVOKED": ("a licence was revoked", "资质吊销"),
    "INSURANCE_CANCELLED": ("its insurance was cancelled", "保险终止"),
    "LEASE_ENDED": ("its lease ended", "租约终止"),
    "ABNORMAL_LIST": ("it is on the list of abnormal operations", "列入经营异常名录"),
}


def check(snapshot: Snapshot) -> list[Verdict]:
    """Events in registers about keepers of sites that hold pledged goods; leases that end."""
    verdicts: list[Verdict] = []
    for event in snapshot.entity_events:
        tuned = snapshot.tuned.of("R29", event.tenant_id, warehouse_id=event.warehouse_id)
        at = datetime.combine(event.happened_on, time(0), UTC)
        if event.cosmetic or snapshot.as_of - at > tuned.span(WINDOW):
            continue
        text, zh = WORDS[event.kind]
        verdicts.append(
            Finding(
                subject=Subject(tenant_id=event.tenant_id, kind=SubjectKind.SITE, id=event.warehouse_id),
                severity=Severity.P2,
                occurred_at=at,
                event_key=f"registry:{event.event_id}",
                warehouse_id=event.warehouse_id,
                summary=f"{event.party_id}, which keeps {event.warehouse_id}: {text} on {event.happened_on} ({event.summary[:200]}).",
                summary_zh=f"{event.warehouse_id} 的经营方 {event.party_id} 于 {event.happened_on} {zh}（{event.summary[:200]}）。",
                evidence={
                    "event_id": event.event_id, "party_id": event.party_id, "faults": [event.kind], "happened_on": event.happened_on,
                    "recorded_at": event.recorded_at,
                },
                thresholds=tuned.shown(),
                **of_holder(event.holder),
            )
        )  # fmt: skip
    for expiry in snapshot.expiries:
        tuned = snapshot.tuned.of("R29", expiry.tenant_id, warehouse_id=expiry.warehouse_id)
        if expiry.kind != "LEASE" or expiry.warehouse_id is None or expiry.valid_to - snapshot.as_of >= tuned.span(LEASE):
            continue
        days = (expiry.valid_to - snapshot.as_of).days
        verdicts.append(
            Finding(
                subject=Subject(tenant_id=expiry.tenant_id, kind=SubjectKind.SITE, id=expiry.warehouse_id),
                severity=Severity.P2,
                occurred_at=snapshot.as_of,
                event_key=f"lease:{expiry.proof_id}",
                warehouse_id=expiry.warehouse_id,
                summary=f"The lease of {expiry.warehouse_id} ({expiry.number}) has {days} days left.",
                summary_zh=f"{expiry.warehouse_id} 租约（{expiry.number}）仅剩 {days} 天。",
                evidence={"proof_id": expiry.proof_id, "faults": ["LEASE"], "valid_to": expiry.valid_to, "days_left": days},
                thresholds=tuned.shown(),
                **of_holder(expiry.holder),
            )
        )
    return verdicts


RULE = Rule(
    code="R29",
    version=1,
    name="Warehouse event",
    name_zh="仓库主体变动",
    leg=Leg.INDUSTRY,
    severity="P2",
    lanes=frozenset({Lane.SCHEDULED}),
    lasting=False,
    claim="A register says that the keeper of a site with pledged goods changed its owner, controller, representative or address, is sued, or lost a licence or its "
    "insurance, within 180 days; or the site's lease has less than 90 days left.",
    inputs=(Section.ENTITY_EVENTS, Section.EXPIRIES),
    thresholds=(WINDOW, LEASE),
    guards=("A person who looked at a change may mark it as cosmetic (a clean-up of names): then it says nothing.",),
    check=check,
)
