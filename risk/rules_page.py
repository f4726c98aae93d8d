"""docs/risk-rules.md from the rules' own descriptions: `python -m risk.rules_page --write`. A test holds both equal."""

from __future__ import annotations

import sys
from pathlib import Path

from risk.rule import Lane, Leg, Rule, Threshold
from risk.rules import RULES

PAGE = Path(__file__).resolve().parents[1] / "docs" / "risk-rules.md"

_LEGS = {Leg.INDUSTRY: "I, business and site", Leg.TRADE: "T, title and trade", Leg.LOGISTICS: "L, the goods themselves"}
_LANES = {Lane.FAST: "on each movement or refusal", Lane.SCHEDULED: "at each cross-check", Lane.MARK: "after each mark"}

_HEAD = """# Risk rules

Written by `python -m risk.rules_page --write` from the rules themselves; a test holds both equal.

A rule is a pure function of a snapshot. It gives findings with their evidence, says where it *cannot judge* (the alert stays as it is), and
may clear an event that a later fact explains. A *lasting* finding is a state: its alert resolves when the state goes. Any other is an event: its
alert stays until people close it, and the same event never opens it twice.

- **Time.** Silence and absence are judged against how far the stream of readings has come, less the time that a reading may be under way in our
  own pipes (`CHUANTOU_RISK_INGEST_DELAY_S`, real seconds). When our own ingest is behind, nothing is silent and nothing is missing.
- **Rounds.** Each cross-check records the inventory rounds that really happened, per reader and zone (`inventory_round`). Missing is counted in them.
- **Episodes.** An alert is one episode of a rule and a subject. A finding within 24 h of the episode's end joins it. A state that people closed and
  that simply goes on stays closed unless it gets worse.
- **Composite.** When two legs (I, T, L) alarm on one pledge within 72 h, its open alerts rise one level, once.
- **Thresholds** are data: `POST rule-thresholds` sets one for a tenant, a product or a site; the narrowest counts, the alert shows what it was decided
  by, and what was set before is kept. `POST rule-modes` puts a rule in shadow: it is judged and recorded (`shadow_finding`) and raises nothing.
- **Inputs** that no device says (calibrations, tank tables, hours, tickets, figures, registers, links of parties, proofs, answers of issuers) come by
  `POST rule-inputs`. A rule without its input says nothing, or that it cannot judge; a section that cannot be loaded fails its own rules only.
- **Verdict.** `GET verdicts/...` adds the open alerts of a pledge, facility, borrower or warehouse up to a score from 0 to 100 for each leg, with reasons.
- **P1 on goods** makes them ineligible and blocks their release; the facility is valued again (cause ELIGIBILITY).
- **Work.** P1 within 15 min, P2 within 4 h, P3 by the end of the next working day. Closing P1 and P2 takes two persons.
"""


def section(rule: Rule) -> str:
    """One rule for people."""
    lanes = ", ".join(_LANES[lane] for lane in Lane if lane in rule.lanes)
    lines = [
        f"## {rule.code} {rule.name} · {rule.name_zh}",
        "",
        f"{rule.claim}",
        "",
        f"Leg {_LEGS[rule.leg]}. Severity {rule.severity}. Runs {lanes}. {'A lasting state.' if rule.lasting else 'An event.'} Version {rule.version}.",
        "",
        "| threshold | value | can be set | meaning |",
        "|---|---|---|---|",
        *(f"| {t.name} | {t.shown()} | {_settable(rule, t)} | {t.meaning} |" for t in rule.thresholds),
        "",
        "Against false alarms:",
        *(f"- {guard}" for guard in rule.guards),
    ]
    return "\n".join(lines)


def _settable(rule: Rule, threshold: Threshold) -> str:
    if threshold.fixed is not None:
        return f"no: {threshold.fixed}"
    return " and ".join(["for a tenant", *(f"a {scope}" for scope in sorted(rule.scopes))])


def page() -> str:
    """The whole document."""
    index = "\n".join(f"- [{r.code} {r.name}](#{_anchor(r)})" for r in RULES)
    return _HEAD + "\n" + index + "\n\n" + "\n\n".join(section(r) for r in RULES) + "\n"


def _anchor(rule: Rule) -> str:
    """The anchor that a renderer makes of the heading."""
    heading = f"{rule.code} {rule.name} · {rule.name_zh}".lower()
    return "".join(c for c in heading if c.isalnum() or c in " -").replace(" ", "-")


if __name__ == "__main__":
    if "--write" in sys.argv[1:]:
        PAGE.write_text(page(), encoding="utf-8")
    else:
        sys.stdout.write(page())
