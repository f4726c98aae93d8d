"""Runs rules over a snapshot. A rule that crashes is recorded; the others go on."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterable
from dataclasses import dataclass

from risk.rule import CannotJudge, Cleared, Finding, Rule
from risk.snapshot import Snapshot

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class RuleResult:
    """What one rule said, or how it failed (error set, nothing said)."""

    rule: Rule
    findings: tuple[Finding, ...] = ()
    cannot_judge: tuple[CannotJudge, ...] = ()
    cleared: tuple[Cleared, ...] = ()
    error: str | None = None


def evaluate_rule(rule: Rule, snapshot: Snapshot) -> RuleResult:
    """One rule's verdicts; any exception, and input that could not be loaded, becomes the result's error."""
    for section in rule.inputs:
        if section.value in snapshot.not_loaded:
            return RuleResult(rule=rule, error=f"{section.value} not loaded: {snapshot.not_loaded[section.value]}")
    try:
        verdicts = list(rule.check(snapshot))
    except Exception as exc:  # noqa: BLE001 - the edge of a loop: recorded, counted, and its alerts stay open
        log.error("rule failed", extra={"event": "rule_failed", "rule": rule.code, "traceback": traceback.format_exc()})
        return RuleResult(rule=rule, error=f"{type(exc).__name__}: {exc}")
    return RuleResult(
        rule=rule,
        findings=tuple(v for v in verdicts if isinstance(v, Finding)),
        cannot_judge=tuple(v for v in verdicts if isinstance(v, CannotJudge)),
        cleared=tuple(v for v in verdicts if isinstance(v, Cleared)),
    )


def evaluate(rules: Iterable[Rule], snapshot: Snapshot) -> list[RuleResult]:
    """All rules, in order."""
    return [evaluate_rule(rule, snapshot) for rule in rules]
