"""R10: a seal or a door was opened where nobody was to open it."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from decimal import Decimal

from risk.facts_site import Sign
from risk.rule import BY_TENANT, Finding, Lane, Leg, Rule, Section, Severity, Subject, SubjectKind, Threshold, Verdict
from risk.rules.telling import named, of_units
from risk.snapshot import Snapshot

REPORTS = Threshold(name="reports", value=2, meaning="open reports that make an opening, or one that counts the opening")
REPORTS_WITHIN = Threshold(name="reports_within", value=timedelta(minutes=30), meaning="time within which they come")
BATTERY = Threshold(name="battery_pct", value=20, meaning="charge at or below which a seal's single word is not believed")
KINDS = ("seal", "door", "alarm")
ALARM = "illegal_door_opening"


def _opens(sign: Sign) -> bool:
    if sign.type == "alarm":
        return ALARM in (sign.payload.get("alarms") or ())
    return sign.payload.get("state") == "open" or sign.payload.get("open") is True


def _weak(sign: Sign, battery_pct: Decimal) -> bool:
    said = sign.payload.get("battery_pct")
    return isinstance(said, int | float) and not isinstance(said, bool) and Decimal(str(said)) <= battery_pct


def _counted(sign: Sign) -> bool:
    """The seal itself counts more openings than were expected: that is a second word."""
    count, expected = sign.payload.get("open_count"), sign.payload.get("expected_open_count")
    return isinstance(count, int) and isinstance(expected, int) and count > expected


def check(snapshot: Snapshot) -> list[Verdict]:
    """Openings of seals and doors with pledged goods behind them, outside supervised sites and without a ticket."""
    by_device: dict[tuple[str, str], list[Sign]] = defaultdict(list)
    for sign in snapshot.signs:
        if sign.type in KINDS and _opens(sign) and sign.inside_warehouse_id is None and sign.ticket_id is None:
            by_device[sign.tenant_id, sign.device_id].append(sign)
    verdicts: list[Verdict] = []
    for (tenant_id, device_id), signs in by_device.items():
        signs.sort(key=lambda s: s.observed_at)
        pledged = [u for u in signs[-1].units if u.pledged]
        tuned = snapshot.tuned.of("R10", tenant_id)
        strong = [s for s in signs if not _weak(s, tuned.number(BATTERY))]
        if not pledged or not strong:
            continue
        first = strong[0]
        near = [s for s in strong if s.observed_at - first.observed_at <= tuned.span(REPORTS_WITHIN)]
        if len(near) < tuned.number(REPORTS) and not _counted(first):
            continue
        where = f"at {first.lon:.4f}, {first.lat:.4f}" if first.lon is not None and first.lat is not None else "at an unknown place"
        verdicts.append(
            Finding(
                subject=Subject(tenant_id=tenant_id, kind=SubjectKind.DEVICE, id=device_id),
                severity=Severity.P1,
                occurred_at=first.observed_at,
                event_key=f"opening:{first.observed_at.isoformat()}",
                summary=f"{first.type.capitalize()} {device_id} on {first.vehicle_plate or 'its load'} was opened {where}, outside every supervised site.",
                summary_zh=f"{first.vehicle_plate or ''} 上的封签/门 {device_id} 在监管场所之外被开启。",
                evidence={
                    "device_id": device_id, "trip_id": first.trip_id, "vehicle_plate": first.vehicle_plate, "goods_ids": named(first.units),
                    "units_pledged": len(pledged), "lon": first.lon, "lat": first.lat,
                    "reports": [{"observed_at": s.observed_at, "type": s.type, "payload": dict(s.payload)} for s in near[:20]],
                },
                thresholds=tuned.shown(),
                **of_units(first.units),
            )
        )  # fmt: skip
    return verdicts


RULE = Rule(
    code="R10",
    version=1,
    name="Seal or door opened",
    name_zh="电子封签/门异常开启",
    leg=Leg.LOGISTICS,
    severity="P1",
    lanes=frozenset({Lane.SCHEDULED}),
    lasting=False,
    claim="An electronic seal, a door contact or a terminal's door alarm reports an opening outside every supervised site while pledged goods are behind it.",
    inputs=(Section.SIGNS,),
    thresholds=(REPORTS, REPORTS_WITHIN, BATTERY),
    scopes=BY_TENANT,
    guards=(
        "One word of a device is not enough: two reports within half an hour, or a report whose own counter exceeds the expected openings.",
        "A seal whose battery is at 20 % or less is not believed.",
        "Openings inside the fence of a supervised site belong to the gate rules; a maintenance ticket explains one.",
    ),
    check=check,
)
