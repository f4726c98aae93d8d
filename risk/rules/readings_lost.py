"""S01: the readings of a device that were counted as stored are not the ones that are there."""

from __future__ import annotations

from risk.rule import BY_TENANT, Finding, Lane, Leg, Rule, Section, Severity, Subject, SubjectKind, Threshold, Verdict
from risk.snapshot import Snapshot

DIFFERENCE = Threshold(name="difference", value=1, meaning="readings from which it is told", fixed="one lost reading is one too many")
DAYS_NAMED_MAX = 31


def check(snapshot: Snapshot) -> list[Verdict]:
    """Devices with a day on which the counters and the tables differ."""
    verdicts: list[Verdict] = []
    for device in snapshot.unconserved:
        gone = sum(max(0, d.counted - d.found) for d in device.days)
        over = sum(max(0, d.found - d.counted) for d in device.days)
        what = [f"{gone:,} readings that were counted are gone"] * bool(gone) + [f"{over:,} are there that nobody counted"] * bool(over)
        what_zh = [f"缺失 {gone:,} 条已计入的读数"] * bool(gone) + [f"多出 {over:,} 条未计入的读数"] * bool(over)
        verdicts.append(
            Finding(
                subject=Subject(tenant_id=device.tenant_id, kind=SubjectKind.DEVICE, id=device.device_id),
                severity=Severity.P2,
                occurred_at=device.found_at,
                warehouse_id=device.warehouse_id,
                summary=f"Device {device.device_id}: {' and '.join(what)}, on {len(device.days)} days.",
                summary_zh=f"设备 {device.device_id}：共 {len(device.days)} 天{'，'.join(what_zh)}。",
                evidence={
                    "device_id": device.device_id,
                    "found_at": device.found_at,
                    "days": [{"day": d.day, "counted": d.counted, "found": d.found} for d in device.days[:DAYS_NAMED_MAX]],
                    "days_broken": len(device.days),
                },
            )
        )
    return verdicts


RULE = Rule(
    code="S01",
    version=1,
    name="Readings not conserved",
    name_zh="读数不守恒",
    leg=Leg.LOGISTICS,
    severity="P2",
    lanes=frozenset({Lane.SCHEDULED}),
    lasting=True,
    claim="The nightly count found another number of stored readings of a device, on a day of receipt, than ingest had counted: evidence was removed, "
    "added by hand, or lost by the store.",
    inputs=(Section.CONSERVATION,),
    thresholds=(DIFFERENCE,),
    scopes=BY_TENANT,
    guards=(
        "Rows and counters are read in one snapshot, and are written in one transaction: what is under way never shows.",
        "What retention took is counted with what is there.",
        "The alert goes by itself once a later count agrees.",
    ),
    check=check,
)
