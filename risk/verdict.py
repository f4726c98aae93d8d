"""The 三穿三透 verdict: how sound the business, the trade and the goods look, each from 0 to 100, and why. Pure.

Every open alert takes points from the leg that it belongs to. What people found out counts: a confirmed alert weighs all it can, one under work as
found, an explained or false one nothing. Several alerts of one leg multiply rather than add, so that the score falls with each and never below zero.
Two legs that alarm within 72 hours on one subject raise it one level (DOMAIN 4.3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from risk.reconcile import COMPOSITE_LEGS, COMPOSITE_WITHIN
from risk.rule import Leg, Severity

TAKES = {Severity.P1: Decimal("0.70"), Severity.P2: Decimal("0.35"), Severity.P3: Decimal("0.12"), Severity.P4: Decimal("0.03")}
CONFIRMED_FACTOR = Decimal("1.3")
HARMLESS = ("EXPLAINED", "FALSE_ALARM")
GREEN_MIN, AMBER_MIN = 80, 50
NAMES = {
    Leg.INDUSTRY: ("business and site", "产业穿透·场景监控"),
    Leg.TRADE: ("title and trade", "交易穿透·物权监控"),
    Leg.LOGISTICS: ("the goods themselves", "物流穿透·货物监控"),
}
KINDS = {
    "pledge": ("Pledge", "质押"),
    "facility": ("Facility", "授信"),
    "borrower": ("Borrower", "借款人"),
    "warehouse": ("Warehouse", "仓库"),
}


class Colour(StrEnum):
    """How a leg or a subject looks at a glance."""

    GREEN = "green"
    AMBER = "amber"
    RED = "red"


_WORDS = {Colour.GREEN: "绿色", Colour.AMBER: "黄色", Colour.RED: "红色"}


@dataclass(frozen=True, kw_only=True)
class OpenAlert:
    """An open alert, as the verdict reads it."""

    alert_id: str
    rule_code: str
    leg: Leg
    severity: Severity
    status: str
    subject_kind: str
    subject_id: str
    summary: str
    summary_zh: str
    evidence: Mapping[str, Any]
    opened_at: datetime
    exposure_at_risk: Decimal | None
    currency: str | None


@dataclass(frozen=True, kw_only=True)
class Reason:
    """One alert that took points. takes: of the leg's score, as a fraction of what was left."""

    alert: OpenAlert
    takes: Decimal


@dataclass(frozen=True, kw_only=True)
class LegScore:
    """One leg: 100 = nothing speaks against it."""

    leg: Leg
    score: int
    colour: Colour
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What all three legs say of a subject. composite: the legs that alarm together; why, why_zh: sentences, worst first."""

    kind: str
    id: str
    as_of: datetime
    legs: tuple[LegScore, ...]
    score: int
    colour: Colour
    composite: tuple[Leg, ...]
    why: tuple[str, ...]
    why_zh: tuple[str, ...]


def _takes(alert: OpenAlert) -> Decimal:
    if alert.status in HARMLESS:
        return Decimal(0)
    points = TAKES[alert.severity]
    return min(Decimal(1), points * CONFIRMED_FACTOR) if alert.status == "CONFIRMED" else points


def colour_of(score: int, worst: Severity | None) -> Colour:
    """By the score, and never better than red with a P1 or amber with a P2."""
    if score < AMBER_MIN or worst is Severity.P1:
        return Colour.RED
    return Colour.AMBER if score < GREEN_MIN or worst is Severity.P2 else Colour.GREEN


def _leg(leg: Leg, alerts: Sequence[OpenAlert]) -> LegScore:
    reasons = [Reason(alert=a, takes=_takes(a)) for a in alerts if a.leg is leg and _takes(a) > 0]
    reasons.sort(key=lambda r: (-r.takes, r.alert.opened_at, r.alert.alert_id))
    left = Decimal(100)
    for reason in reasons:
        left *= 1 - reason.takes
    worst = min((r.alert.severity for r in reasons), key=lambda s: s.value, default=None)
    return LegScore(leg=leg, score=int(left), colour=colour_of(int(left), worst), reasons=tuple(reasons))


def composite_legs(alerts: Sequence[OpenAlert]) -> tuple[Leg, ...]:
    """Legs with alarms within 72 hours of each other, where they are two or more; alarms of P3 and above."""
    counting = sorted((a for a in alerts if _takes(a) > 0 and a.severity is not Severity.P4), key=lambda a: a.opened_at)
    best: set[Leg] = set()
    for i, first in enumerate(counting):
        legs = {a.leg for a in counting[i:] if a.opened_at - first.opened_at <= COMPOSITE_WITHIN}
        best = max(best, legs, key=len)
    return tuple(leg for leg in Leg if leg in best) if len(best) >= COMPOSITE_LEGS else ()


def verdict(kind: str, subject_id: str, alerts: Sequence[OpenAlert], as_of: datetime) -> Verdict:
    """The verdict on a pledge, a facility, a borrower or a warehouse from the open alerts that concern it.

    The score is two parts the worst leg and one part the mean of all: a chain is as good as its weakest link, and each link counts.
    """
    legs = tuple(_leg(leg, alerts) for leg in Leg)
    together = composite_legs(alerts)
    worst = min(leg.score for leg in legs)
    score = (worst * 2 + sum(leg.score for leg in legs) // len(legs)) // 3
    severity = min((r.alert.severity for leg in legs for r in leg.reasons), key=lambda s: s.value, default=None)
    if together and severity is not None:
        severity = severity.raised()
    colour = colour_of(score, severity)
    why, why_zh = _sentences(kind, subject_id, legs, together, score, colour)
    return Verdict(
        kind=kind, id=subject_id, as_of=as_of, legs=legs, score=score, colour=colour, composite=together, why=why, why_zh=why_zh
    )  # fmt: skip


def _sentences(
    kind: str, subject_id: str, legs: Sequence[LegScore], together: tuple[Leg, ...], score: int, colour: Colour
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    name, name_zh = KINDS[kind]
    reasons = sorted((r for leg in legs for r in leg.reasons), key=lambda r: (-r.takes, r.alert.opened_at))
    if not reasons:
        return (
            (f"{name} {subject_id} is {colour} ({score}): no open alert speaks against it.",),
            (f"{name_zh} {subject_id} 为{_WORDS[colour]}（{score} 分）：目前没有未结预警。",),
        )
    scores = ", ".join(f"{NAMES[leg.leg][0]} {leg.score}" for leg in legs)
    scores_zh = "，".join(f"{NAMES[leg.leg][1]} {leg.score}" for leg in legs)
    why = [f"{name} {subject_id} is {colour} ({score}): {scores}."]
    why_zh = [f"{name_zh} {subject_id} 为{_WORDS[colour]}（{score} 分）：{scores_zh}。"]
    if together:
        why.append(
            f"{' and '.join(NAMES[leg][0] for leg in together)} alarm within 72 hours of each other, which raises it one level.".capitalize()
        )
        why_zh.append(f"{'、'.join(NAMES[leg][1] for leg in together)} 在 72 小时内同时预警，风险上调一级。")
    why += [f"{r.alert.severity} {r.alert.rule_code}: {r.alert.summary}" for r in reasons]
    why_zh += [f"{r.alert.severity} {r.alert.rule_code}：{r.alert.summary_zh}" for r in reasons]
    return tuple(why), tuple(why_zh)
