"""V05: what a floating pledge holds fell below what it must hold, and why."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from risk.facts import Facility, Mark
from risk.rule import BY_PRODUCT, CannotJudge, Lane, Leg, Rule, Section, Severity, Subject, SubjectKind, Threshold, Verdict
from risk.rules.coverage_lines import facility_finding
from risk.snapshot import Snapshot

EXACT = Threshold(name="slack", value=Decimal("0.01"), meaning="in the facility's currency, below which a shortfall is rounding")
_ZERO = Decimal(0)


@dataclass(frozen=True)
class _Held:
    """Of one commodity in a mark: all of it, what of it counts, and the value of that."""

    quantity: Decimal
    eligible: Decimal
    value: Decimal
    price: Decimal | None

    @property
    def worth(self) -> Decimal | None:
        """Value per eligible unit."""
        return self.value / self.eligible if self.eligible > 0 else None


NONE_HELD = _Held(_ZERO, _ZERO, _ZERO, None)


def _commodities(mark: Mark) -> dict[str, _Held]:
    """What a mark's detail says of each commodity."""
    found: dict[str, _Held] = {}
    for code, said in (mark.detail.get("commodities") or {}).items():
        price = said.get("price")
        found[code] = _Held(
            Decimal(str(said["quantity"])), Decimal(str(said["eligible_quantity"])), Decimal(str(said["collateral_value"])),
            None if price is None else Decimal(str(price)),
        )  # fmt: skip
    return found


def parts(before: Mark, now: Mark) -> dict[str, Decimal]:
    """How much of the fall of the value each cause took: price, quantity, eligibility. They add up to the fall.

    Price: what each counted unit lost. Quantity: goods that are no longer pledged, at the new value. Eligibility: what is there and counts no longer.
    """
    price = quantity = eligibility = _ZERO
    old, new = _commodities(before), _commodities(now)
    for code in sorted({*old, *new}):
        a, b = old.get(code, NONE_HELD), new.get(code, NONE_HELD)
        w0 = a.worth if a.worth is not None else b.worth
        if w0 is None:
            continue
        ratio = b.price / a.price if a.price and b.price else Decimal(1)
        w1 = b.worth if b.worth is not None else w0 * ratio
        gone = a.quantity - b.quantity
        price += (w0 - w1) * a.eligible
        quantity += gone * w1
        eligibility += (a.eligible - b.eligible - gone) * w1
    price, quantity = round(price, 2), round(quantity, 2)
    return {"price": price, "quantity": quantity, "eligibility": before.collateral_value - now.collateral_value - price - quantity}


def _verdict(facility: Facility, snapshot: Snapshot) -> Verdict | None:
    if facility.pledge_mode != "FLOATING" or not facility.marks:
        return None
    mark = facility.marks[0]
    if mark.line_state == "CANNOT_JUDGE":
        subject = Subject(tenant_id=facility.tenant_id, kind=SubjectKind.FACILITY, id=facility.facility_id)
        return CannotJudge(subject=subject, reason="the mark could not be judged")
    tuned = snapshot.tuned.of("V05", facility.tenant_id, product=facility.product)
    short = mark.min_control_value - mark.collateral_value
    if short <= tuned.number(EXACT) or mark.exposure <= 0:
        return None
    evidence: dict[str, Any] = {"min_control_value": mark.min_control_value, "short": short}
    causes, causes_zh = "", ""
    if len(facility.marks) > 1:
        split = parts(facility.marks[1], mark)
        unexplained = max(_ZERO, split["quantity"] - facility.released_value)
        evidence |= {"parts": split, "released_value": facility.released_value, "quantity_without_release": unexplained}
        evidence["trigger"] = max(split, key=lambda k: split[k])
        causes = f" Since the mark before: price {split['price']:,.0f}, quantity {split['quantity']:,.0f}, eligibility {split['eligibility']:,.0f}."
        causes_zh = f"较上次：价格 {split['price']:,.0f}，数量 {split['quantity']:,.0f}，资格 {split['eligibility']:,.0f}。"
    return facility_finding(
        facility,
        mark,
        Severity.P1,
        mark.as_of,
        f"{facility.name} holds {mark.collateral_value:,.2f} {facility.currency}, {short:,.2f} below its minimum control value.{causes}",
        f"{facility.name_zh} 控货价值 {mark.collateral_value:,.2f} {facility.currency}，低于最低控货线 {short:,.2f}。{causes_zh}",
        evidence,
    )


def check(snapshot: Snapshot) -> list[Verdict]:
    """Floating pledges below their minimum control value."""
    return [v for v in (_verdict(f, snapshot) for f in snapshot.facilities) if v is not None]


RULE = Rule(
    code="V05",
    version=1,
    name="Minimum control breach",
    name_zh="低于最低控货线",
    leg=Leg.TRADE,
    severity="P1",
    lanes=frozenset({Lane.MARK, Lane.SCHEDULED}),
    lasting=True,
    claim="The collateral value under a floating pledge is below its minimum control value (exposure over effective advance, or the contract's floor if that is "
    "more); the fall since the mark before is split into price, quantity and eligibility.",
    inputs=(Section.FACILITIES,),
    thresholds=(EXACT,),
    scopes=BY_PRODUCT,
    guards=(
        "A mark without a usable price cannot be judged and changes nothing.",
        "A facility that owes nothing has no minimum.",
        "Quantity that left on issued releases is told apart from quantity that left without (R01, R02).",
    ),
    check=check,
)
