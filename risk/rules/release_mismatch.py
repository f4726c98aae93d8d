"""R08: what was taken away is not what the order allows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

from risk.facts_trade import Order, Pickup
from risk.rule import Finding, Lane, Leg, Rule, Section, Severity, Subject, SubjectKind, Threshold, Verdict
from risk.snapshot import Snapshot

GRACE = Threshold(name="window_grace", value=timedelta(minutes=30), meaning="before and after the order's validity")
UNDER = Threshold(name="under", value=Decimal("0.02"), meaning="shortfall of the weight from which it is told, as a fraction")
SETTLE = Threshold(name="settle", value=timedelta(hours=2), meaning="after the last paper of a pick-up before its weight is judged")


def plate_distance(a: str, b: str) -> int:
    """Characters to change, add or leave out to make one plate of the other; case and spaces do not count."""
    a, b = ("".join(x.split()).upper().replace("·", "") for x in (a, b))
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (x != y))
    return row[-1]


def _order_of(pickup: Pickup, orders: Sequence[Order], grace: timedelta) -> Order | None:
    own = [o for o in orders if o.tenant_id == pickup.tenant_id]
    if pickup.release_id is not None:
        return next((o for o in own if o.release_id == pickup.release_id), None)
    at = pickup.occurred_at
    fitting = [o for o in own if o.valid_from - grace <= at <= o.valid_to + grace]
    by_goods = [o for o in fitting if set(pickup.goods_ids) & set(o.goods_ids)]
    by_plate = [o for o in fitting if pickup.vehicle_plate and plate_distance(pickup.vehicle_plate, o.vehicle_plate) <= 1]
    return next(iter(by_goods or by_plate), None)


def _against(order: Order, pickups: Sequence[Pickup], snapshot: Snapshot) -> Finding | None:
    tuned = snapshot.tuned.of("R08", order.tenant_id, warehouse_id=pickups[0].warehouse_id)
    grace = tuned.span(GRACE)
    newest = max(p.occurred_at for p in pickups)
    faults: list[tuple[str, Severity, str, str]] = []
    strangers = sorted({g for p in pickups for g in p.goods_ids} - set(order.goods_ids))
    if strangers:
        faults.append(
            ("goods", Severity.P1, f"{len(strangers)} units that it does not name were taken", f"提走指令外货物 {len(strangers)} 件")
        )
    plates = sorted({p.vehicle_plate for p in pickups if p.vehicle_plate})
    distances = [plate_distance(p, order.vehicle_plate) for p in plates]
    if any(d > 1 for d in distances):
        faults.append(("plate", Severity.P1, f"another vehicle ({', '.join(plates)}) took them", f"提货车辆（{'、'.join(plates)}）不符"))
    elif any(d == 1 for d in distances):
        faults.append(
            ("plate_similar", Severity.P3, f"the plate differs by one character ({', '.join(plates)})", "车牌相差一位，请人工核对")
        )
    late = [p for p in pickups if p.occurred_at > order.valid_to + grace or p.occurred_at < order.valid_from - grace]
    if late:
        faults.append(("time", Severity.P1, "it was not valid at that time", "提货时间不在有效期内"))
    senders = sorted({p.ordered_by_party_id for p in pickups if p.ordered_by_party_id} - set(order.owner_party_ids))
    if senders:
        faults.append(
            ("sender", Severity.P1, f"{', '.join(senders)} ordered it and owns none of the goods", f"下令方 {'、'.join(senders)} 并非货主")
        )
    by_source: dict[str, Decimal] = {}
    for p in pickups:
        if p.net_kg is not None:
            by_source[p.source] = by_source.get(p.source, Decimal(0)) + p.net_kg
    weighed = max(by_source.values(), default=None)
    if weighed is not None and order.ordered_kg is not None:
        if weighed > order.ordered_kg * (1 + order.tolerance):
            faults.append(("over", Severity.P1, f"{weighed:,.0f} kg left on an order of {order.ordered_kg:,.0f} kg", f"实提 {weighed:,.0f} kg，超出指令 {order.ordered_kg:,.0f} kg"))  # fmt: skip
        done = order.status == "RECONCILED" or snapshot.as_of > order.valid_to + grace
        short = weighed < (order.gone_kg or order.ordered_kg) * (1 - tuned.number(UNDER))
        if done and short and snapshot.as_of - newest > tuned.span(SETTLE):
            faults.append(("under", Severity.P3, f"only {weighed:,.0f} kg were weighed out of {order.gone_kg or order.ordered_kg:,.0f} kg", f"过磅仅 {weighed:,.0f} kg，少于出库 {order.gone_kg or order.ordered_kg:,.0f} kg"))  # fmt: skip
    if not faults:
        return None
    return Finding(
        subject=Subject(tenant_id=order.tenant_id, kind=SubjectKind.DOCUMENT, id=order.release_id),
        severity=min((s for _, s, _, _ in faults), key=lambda s: s.value),
        occurred_at=newest,
        facility_id=order.facility_id,
        warehouse_id=pickups[0].warehouse_id,
        exposure_at_risk=order.value,
        currency=order.currency,
        summary=f"Release {order.release_id}: {'; '.join(f[2] for f in faults)}.",
        summary_zh=f"放行指令 {order.release_id}：{'；'.join(f[3] for f in faults)}。",
        evidence={
            "release_id": order.release_id, "faults": [f[0] for f in faults], "ordered_kg": order.ordered_kg, "gone_kg": order.gone_kg,
            "weighed_kg": by_source, "tolerance": order.tolerance, "plate_ordered": order.vehicle_plate, "plates_seen": plates,
            "valid_from": order.valid_from, "valid_to": order.valid_to, "goods_not_named": strangers[:50], "senders": senders,
            "pickups": [{"key": p.key, "source": p.source, "occurred_at": p.occurred_at, "net_kg": p.net_kg} for p in pickups[:50]],
        },
        thresholds=tuned.shown(),
    )  # fmt: skip


def _without_order(pickup: Pickup) -> Finding:
    named = f"names release {pickup.release_id}, which was never issued" if pickup.release_id else "names no release that is in force"
    named_zh = f"所列放行指令 {pickup.release_id} 从未签发" if pickup.release_id else "没有有效的放行指令"
    return Finding(
        subject=Subject(tenant_id=pickup.tenant_id, kind=SubjectKind.DOCUMENT, id=pickup.key),
        severity=Severity.P1,
        occurred_at=pickup.occurred_at,
        warehouse_id=pickup.warehouse_id,
        facility_id=pickup.holder.facility_id,
        pledge_id=pickup.holder.pledge_id,
        exposure_at_risk=pickup.holder.value,
        currency=pickup.holder.currency,
        summary=f"A pick-up of pledged goods ({pickup.source} {pickup.key}) {named}.",
        summary_zh=f"质押货物被提走（{pickup.source} {pickup.key}），{named_zh}。",
        evidence={
            "faults": ["no_order"], "source": pickup.source, "key": pickup.key, "release_id": pickup.release_id,
            "vehicle_plate": pickup.vehicle_plate, "net_kg": pickup.net_kg, "goods_ids": list(pickup.goods_ids)[:50],
            "units_pledged": pickup.holder.units_pledged,
        },
    )  # fmt: skip


def check(snapshot: Snapshot) -> list[Verdict]:
    """Orders against what was taken on them; pick-ups of pledged goods without any order."""
    verdicts: list[Verdict] = []
    taken: dict[str, tuple[Order, list[Pickup]]] = {}
    for pickup in snapshot.pickups:
        tuned = snapshot.tuned.of("R08", pickup.tenant_id, warehouse_id=pickup.warehouse_id)
        order = _order_of(pickup, snapshot.orders, tuned.span(GRACE))
        if order is not None:
            taken.setdefault(order.release_id, (order, []))[1].append(pickup)
        elif pickup.holder.units_pledged:
            verdicts.append(_without_order(pickup))
    verdicts.extend(f for order, pickups in taken.values() if (f := _against(order, pickups, snapshot)) is not None)
    return verdicts


RULE = Rule(
    code="R08",
    version=1,
    name="Release mismatch",
    name_zh="放行与实提不符",
    leg=Leg.TRADE,
    severity="P1; P3 when less was taken, or the plate differs by one character",
    lanes=frozenset({Lane.SCHEDULED}),
    lasting=True,
    claim="A weigh ticket, a scale or a warehouse system says that goods were taken which the order does not name, more than it allows, by another vehicle, "
    "outside its time, on the word of somebody who does not own them, or without any order.",
    inputs=(Section.PICKUPS,),
    thresholds=(GRACE, UNDER, SETTLE),
    guards=(
        "Weights are compared within the commodity's own weighing tolerance.",
        "A plate that differs by one character may be misread: P3, for a person to look.",
        "Weights of different sources are not added up; the heaviest source speaks.",
        "A shortfall is told only when the order is over and its papers have settled; partial loads return to the pledge.",
    ),
    check=check,
)
