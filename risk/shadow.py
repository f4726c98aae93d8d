"""Rules in shadow: they look and are recorded, and raise nothing. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from risk.evaluate import RuleResult
from risk.rule import CannotJudge, Finding


@dataclass(frozen=True, kw_only=True)
class ShadowFinding:
    """What a rule would have said."""

    rule_code: str
    finding: Finding


def part_shadows(results: Sequence[RuleResult], shadowed: frozenset[tuple[str, str]]) -> tuple[list[RuleResult], list[ShadowFinding]]:
    """Results without the findings of (tenant, rule) pairs in shadow, and those findings.

    A subject found in shadow counts as one that cannot be judged: an alert that was open before stays as it is, rather than resolve by a switch.
    """
    if not shadowed:
        return list(results), []
    live: list[RuleResult] = []
    hidden: list[ShadowFinding] = []
    for result in results:
        here = [f for f in result.findings if (f.subject.tenant_id, result.rule.code) in shadowed]
        hidden.extend(ShadowFinding(rule_code=result.rule.code, finding=f) for f in here)
        doubts = tuple(CannotJudge(subject=f.subject, reason="the rule is in shadow") for f in here)
        kept = tuple(f for f in result.findings if (f.subject.tenant_id, result.rule.code) not in shadowed)
        live.append(replace(result, findings=kept, cannot_judge=(*result.cannot_judge, *doubts)) if here else result)
    return live, hidden
