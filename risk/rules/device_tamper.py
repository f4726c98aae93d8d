"""R22: somebody laid hands on a device."""

from __future__ import annotations

from risk.facts_site import DeviceConfig, Sign
from risk.rule import Finding, Lane, Leg, Rule, Section, Severity, Subject, SubjectKind, Threshold, Verdict
from risk.rules.telling import named, of_units
from risk.snapshot import Snapshot

ALARMS = ("antenna_cut", "antenna_short", "main_power_cut", "camera_fault", "illegal_movement", "vehicle_stolen")
NOTHING = Threshold(name="reports", value=1, meaning="tamper messages that make a finding", fixed="one is enough")


def _what(sign: Sign) -> tuple[str, ...]:
    if sign.type == "tamper":
        return (str(sign.payload.get("part") or sign.payload.get("state") or "tamper")[:60],)
    if sign.type == "alarm":
        return tuple(a for a in sign.payload.get("alarms") or () if a in ALARMS)
    return ()


def _config(config: DeviceConfig) -> Finding | None:
    changed = sorted(k for k, v in config.registered.items() if k in config.said and config.said[k] != v)
    if not changed or config.ticket_id is not None or config.health_at is None:
        return None
    return Finding(
        subject=Subject(tenant_id=config.tenant_id, kind=SubjectKind.DEVICE, id=config.device_id),
        severity=Severity.P1,
        occurred_at=config.health_at,
        event_key=f"config:{','.join(f'{k}={config.said[k]}' for k in changed)}"[:300],
        warehouse_id=config.warehouse_id,
        summary=f"Device {config.device_id} runs another {' and '.join(changed)} than it was registered with.",
        summary_zh=f"设备 {config.device_id} 的 {'、'.join(changed)} 与登记不符。",
        evidence={"device_id": config.device_id, "faults": changed, "said": dict(config.said), "registered": dict(config.registered)},
    )


def check(snapshot: Snapshot) -> list[Verdict]:
    """Tamper switches, cut antennas and power, and devices whose software or settings are not those registered."""
    verdicts: list[Verdict] = []
    for sign in snapshot.signs:
        what = _what(sign)
        if not what or sign.ticket_id is not None or sign.payload.get("state") == "closed":
            continue
        verdicts.append(
            Finding(
                subject=Subject(tenant_id=sign.tenant_id, kind=SubjectKind.DEVICE, id=sign.device_id),
                severity=Severity.P1,
                occurred_at=sign.observed_at,
                event_key=f"tamper:{sign.observed_at.isoformat()}",
                warehouse_id=sign.warehouse_id,
                summary=f"Device {sign.device_id} reports {', '.join(what).replace('_', ' ')}.",
                summary_zh=f"设备 {sign.device_id} 报告被拆卸、断电或遮挡（{'、'.join(what)}）。",
                evidence={
                    "device_id": sign.device_id, "faults": list(what), "type": sign.type, "payload": dict(sign.payload),
                    "goods_ids": named(sign.units), "trip_id": sign.trip_id,
                },
                **{**of_units(sign.units), **({"exposure_at_risk": sign.value_behind, "currency": sign.currency} if not sign.units else {})},
            )
        )  # fmt: skip
    verdicts.extend(f for f in map(_config, snapshot.configs) if f is not None)
    return verdicts


RULE = Rule(
    code="R22",
    version=1,
    name="Device tampered with",
    name_zh="设备拆卸/断电/遮挡",
    leg=Leg.LOGISTICS,
    severity="P1",
    lanes=frozenset({Lane.SCHEDULED}),
    lasting=False,
    claim="A device reports a tamper switch, a cut antenna, lost main power, a covered camera or an illegal displacement, or runs another firmware or "
    "configuration than it was registered with (`claims.fw`, `claims.config_hash`).",
    inputs=(Section.SIGNS, Section.CONFIGS),
    thresholds=(NOTHING,),
    guards=(
        "A maintenance ticket for the device or its site covers what happens in its time.",
        "Software and settings are compared only where the registration states them.",
        "Under-voltage alone is a battery, not a hand.",
    ),
    check=check,
)
