"""R33: a paper that the loan rests on runs out."""

from __future__ import annotations

from datetime import timedelta

from risk.facts_trade import Expiry
from risk.rule import Finding, Lane, Leg, Rule, Section, Severity, Subject, SubjectKind, Threshold, Verdict
from risk.rules.telling import of_holder
from risk.snapshot import Snapshot

FIRST = Threshold(name="first", value=timedelta(days=60), meaning="left, from which it is told")
SECOND = Threshold(name="second", value=timedelta(days=30), meaning="left, told again")
LAST = Threshold(name="last", value=timedelta(days=7), meaning="left, told again")
PRESENCE = Threshold(name="presence", value=timedelta(hours=24), meaning="without proof of presence, at sites that give it")
WORDS = {
    "INSURANCE": ("Insurance", "保险"),
    "INSPECTION": ("Inspection", "质检"),
    "REGISTRATION": ("Registration", "登记"),
    "LEASE": ("Lease", "租约"),
    "SUPERVISION": ("Supervision agreement", "监管协议"),
    "LICENCE": ("Licence", "资质"),
}
_KINDS = {"document": SubjectKind.DOCUMENT, "site": SubjectKind.SITE, "party": SubjectKind.PARTY, "facility": SubjectKind.FACILITY}


def _judge(expiry: Expiry, snapshot: Snapshot) -> Finding | None:
    tuned = snapshot.tuned.of("R33", expiry.tenant_id, warehouse_id=expiry.warehouse_id)
    left = expiry.valid_to - snapshot.as_of
    if expiry.kind == "PRESENCE":
        if -left <= tuned.span(PRESENCE):
            return None
        text = f"No proof of presence at {expiry.subject_id} for {-left.total_seconds() / 3600:.0f} h."
        zh = f"{expiry.subject_id} 已 {-left.total_seconds() / 3600:.0f} 小时无在场证明。"
        stage, severity = "no_presence", Severity.P1
    else:
        if left > tuned.span(FIRST):
            return None
        what, what_zh = WORDS[expiry.kind]
        lapsed = left <= timedelta(0)
        stage = "lapsed" if lapsed else next(n for n, t in (("7", LAST), ("30", SECOND), ("60", FIRST)) if left <= tuned.span(t))
        severity = Severity.P1 if lapsed else Severity.P3
        text = f"{what} {expiry.number} of {expiry.subject_id} {'has lapsed' if lapsed else f'runs out in {left.days} days'}."
        zh = f"{expiry.subject_id} 的{what_zh} {expiry.number} {'已到期' if lapsed else f'将于 {left.days} 天后到期'}。"
    return Finding(
        subject=Subject(tenant_id=expiry.tenant_id, kind=_KINDS[expiry.subject_kind], id=expiry.subject_id),
        severity=severity,
        occurred_at=expiry.valid_to if left <= timedelta(0) else snapshot.as_of,
        warehouse_id=expiry.warehouse_id,
        summary=text,
        summary_zh=zh,
        evidence={
            "proof_id": expiry.proof_id, "kind": expiry.kind, "number": expiry.number, "valid_to": expiry.valid_to, "days_left": left.days,
            "faults": [f"{expiry.kind}:{stage}"],
        },
        thresholds=tuned.shown(),
        **of_holder(expiry.holder),
    )  # fmt: skip


def check(snapshot: Snapshot) -> list[Verdict]:
    """Papers with 60, 30 or 7 days left or none; the worst of a subject speaks for it. Only what secures a loan."""
    return [f for f in (_judge(e, snapshot) for e in snapshot.expiries if e.holder.facility_id is not None) if f is not None]


RULE = Rule(
    code="R33",
    version=1,
    name="Legal lapse",
    name_zh="保险/质检/登记/控货证据到期",
    leg=Leg.TRADE,
    severity="P3 at 60, 30 and 7 days, P1 when lapsed or without proof of presence",
    lanes=frozenset({Lane.SCHEDULED}),
    lasting=True,
    claim="Insurance, inspection, registration, lease, supervision agreement or licence behind a loan has 60 days left or fewer, or has lapsed; or a site that gives "
    "proof of presence gave none for 24 hours.",
    inputs=(Section.EXPIRIES,),
    thresholds=(FIRST, SECOND, LAST, PRESENCE),
    guards=(
        "The newest proof of a kind counts: an upload of the renewal clears the alert.",
        "Proof of presence is asked only of sites that have given one before.",
        "Only what a live pledge rests on is judged.",
    ),
    check=check,
)
