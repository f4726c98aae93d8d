"""R21: a device is not heard any more, while its peers are; or it is heard and reads nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from collateral.calendar import BANK_ZONE
from risk.facts import Device
from risk.rule import CannotJudge, Finding, Lane, Leg, Rule, Section, Severity, Subject, SubjectKind, Threshold, Verdict
from risk.snapshot import Snapshot, money_sum
from risk.thresholds import Tuned

INTERVALS = Threshold(name="intervals", value=3, least=1, meaning="of the device's own reporting interval")
GRACE = Threshold(name="grace", value=timedelta(minutes=10), meaning="added to them; alone it is the wait after a last will")
LONG = Threshold(name="long", value=timedelta(hours=2), meaning="silence from which it is P2")
VALUE_AT_NIGHT = Threshold(
    name="value_at_night",
    value=Decimal(5_000_000),
    meaning="pledged value behind it from which it is P1 between 22:00 and 06:00 in Shanghai",
)
NIGHT_FROM, NIGHT_TO = 22, 6
NEVER_HEARD = Threshold(name="never_heard", value=timedelta(hours=24), meaning="after registration, for a device that never spoke")
BLIND_ROUNDS = Threshold(name="blind_rounds", value=4, least=1, meaning="planned rounds without any read from which a live reader is blind")
BLIND_UNITS_MIN = Threshold(
    name="blind_units_min", value=3, whole=True, least=1, meaning="pledged units a reader must have behind it to be judged blind"
)
CLOCK_AHEAD = timedelta(minutes=5)
SILENCE_BY_NATURE = ("wms",)


def _tuned(device: Device, snapshot: Snapshot) -> Tuned:
    return snapshot.tuned.of("R21", device.tenant_id, warehouse_id=device.warehouse_id)


def _is_night(at: datetime) -> bool:
    hour = at.astimezone(BANK_ZONE).hour
    return hour >= NIGHT_FROM or hour < NIGHT_TO


def silent_since(device: Device, settled_until: datetime, tuned: Tuned) -> datetime | None:
    """Since when the device is silent, or None. Judged against how far the stream of its peers has come."""
    if device.last_heard_at is None:
        return device.registered_at if settled_until - device.registered_at > tuned.span(NEVER_HEARD) else None
    offline = device.presence == "offline" and device.presence_at is not None and device.presence_at >= device.last_heard_at
    intervals = float(tuned.number(INTERVALS)) * timedelta(seconds=device.expected_interval_s)
    allowed = tuned.span(GRACE) if offline else intervals + tuned.span(GRACE)
    since = device.presence_at if offline and device.presence_at is not None else device.last_heard_at
    return since if settled_until - since > allowed else None


def _severity(silence: timedelta, value: Decimal | None, at: datetime, tuned: Tuned) -> Severity:
    if value is not None and value > tuned.number(VALUE_AT_NIGHT) and _is_night(at):
        return Severity.P1
    return Severity.P2 if silence > tuned.span(LONG) else Severity.P3


def _finding(silent: Sequence[tuple[Device, datetime]], snapshot: Snapshot, subject: Subject, what: str, what_zh: str) -> Finding:
    reached = snapshot.stream.reached_at
    assert reached is not None
    since = min(at for _, at in silent)
    value = money_sum([d.value_behind for d, _ in silent])
    units = sum(d.units_behind for d, _ in silent)
    tuned = _tuned(silent[0][0], snapshot)
    severity = _severity(reached - since, value, reached, tuned)
    silent_since(silent[0][0], reached, tuned)  # so that the alert shows what silence was judged by
    hours = (reached - since).total_seconds() / 3600
    return Finding(
        subject=subject,
        severity=severity,
        occurred_at=since,
        warehouse_id=silent[0][0].warehouse_id,
        exposure_at_risk=value,
        currency=next((d.currency for d, _ in silent if d.currency), None),
        summary=f"{what} silent for {hours:.1f} h; {units} pledged units behind it are not observable.",
        summary_zh=f"{what_zh}已静默 {hours:.1f} 小时，其后 {units} 件在押货物暂不可观测。",
        evidence={
            "mode": "silent",
            "devices": [
                {"device_id": d.device_id, "silent_since": at, "last_heard_at": d.last_heard_at, "presence": d.presence,
                 "expected_interval_s": d.expected_interval_s, "units_behind": d.units_behind}
                for d, at in silent[:50]
            ],
            "devices_silent": len(silent),
            "stream_reached_at": reached,
            "settled_until": snapshot.stream.settled_until,
            "units_behind": units,
        },
        thresholds=tuned.shown(),
    )  # fmt: skip


def _groups(devices: Sequence[Device], silent: dict[str, datetime]) -> list[tuple[Subject, list[Device], str, str]]:
    """Silent devices by what they share: a gateway all of whose devices are silent, a site likewise, else each for itself."""
    left = {d.device_id: d for d in devices if d.device_id in silent}
    groups: list[tuple[Subject, list[Device], str, str]] = []

    def take(shared: dict[tuple[str, str], list[Device]], kind: SubjectKind, what: str, what_zh: str) -> None:
        for (tenant_id, name), members in shared.items():
            gone = [d for d in members if d.device_id in left]
            if len(gone) >= 2 and all(d.device_id in silent for d in members):
                subject = Subject(tenant_id=tenant_id, kind=kind, id=name)
                groups.append((subject, gone, f"{what} {name}, {len(gone)} devices,", f"{what_zh} {name}（{len(gone)} 台设备）"))
                for d in gone:
                    del left[d.device_id]

    by_site: dict[tuple[str, str], list[Device]] = defaultdict(list)
    by_gateway: dict[tuple[str, str], list[Device]] = defaultdict(list)
    for device in devices:
        if device.warehouse_id is not None:
            by_site[device.tenant_id, device.warehouse_id].append(device)
        gateway = device.gateway_device_id or (device.device_id if device.device_class == "gw" else None)
        if gateway is not None:
            by_gateway[device.tenant_id, gateway].append(device)
    take(by_site, SubjectKind.SITE, "Site", "库区")
    take(by_gateway, SubjectKind.DEVICE, "Gateway", "网关")
    for d in left.values():
        subject = Subject(tenant_id=d.tenant_id, kind=SubjectKind.DEVICE, id=d.device_id)
        groups.append((subject, [d], f"Device {d.device_id} is", f"设备 {d.device_id} "))
    return groups


def _blind(device: Device, snapshot: Snapshot) -> Finding | None:
    """A reader that is heard and has stopped to read anything where it used to read several units."""
    settled = snapshot.stream.settled_until
    if settled is None or device.device_class != "rfid" or device.newest_read_at is None or device.last_heard_at is None:
        return None
    tuned = _tuned(device, snapshot)
    if device.units_behind < tuned.number(BLIND_UNITS_MIN) or device.rounds < 2:
        return None
    if settled - device.newest_read_at <= float(tuned.number(BLIND_ROUNDS)) * snapshot.round_interval:
        return None
    dear = device.value_behind is not None and device.value_behind > tuned.number(VALUE_AT_NIGHT)
    return Finding(
        subject=Subject(tenant_id=device.tenant_id, kind=SubjectKind.DEVICE, id=device.device_id),
        severity=Severity.P1 if dear else Severity.P2,
        occurred_at=device.newest_read_at,
        warehouse_id=device.warehouse_id,
        exposure_at_risk=device.value_behind,
        currency=device.currency,
        summary=f"Reader {device.device_id} reports but reads none of its {device.units_behind} pledged units since {device.newest_read_at:%Y-%m-%d %H:%M}Z.",
        summary_zh=f"读写器 {device.device_id} 在线，但自 {device.newest_read_at:%Y-%m-%d %H:%M}Z 起读不到其后 {device.units_behind} 件在押货物中的任何一件。",
        evidence={
            "mode": "blind",
            "device_id": device.device_id,
            "newest_read_at": device.newest_read_at,
            "last_heard_at": device.last_heard_at,
            "units_behind": device.units_behind,
            "rounds_recorded": device.rounds,
        },
        thresholds=tuned.shown(),
    )


def check(snapshot: Snapshot) -> list[Verdict]:
    """Silent devices, one alert for what failed together; blind readers."""
    reached, settled = snapshot.stream.reached_at, snapshot.stream.settled_until
    if reached is None or settled is None:
        return []
    verdicts: list[Verdict] = []
    judged: list[Device] = []
    for device in snapshot.devices:
        subject = Subject(tenant_id=device.tenant_id, kind=SubjectKind.DEVICE, id=device.device_id)
        if device.last_heard_at is not None and device.last_heard_at > snapshot.as_of + CLOCK_AHEAD:
            verdicts.append(CannotJudge(subject=subject, reason=f"its clock is ahead: {device.last_heard_at.isoformat()}"))
        elif device.on_duty and device.device_class not in SILENCE_BY_NATURE:
            judged.append(device)
    silent = {d.device_id: at for d in judged if (at := silent_since(d, settled, _tuned(d, snapshot))) is not None}
    for subject, members, what, what_zh in _groups(judged, silent):
        verdicts.append(_finding([(d, silent[d.device_id]) for d in members], snapshot, subject, what, what_zh))
    grouped = {v.subject.id for v in verdicts if isinstance(v, Finding)}
    for device in judged:
        if device.device_id not in silent and device.device_id not in grouped and (blind := _blind(device, snapshot)) is not None:
            verdicts.append(blind)
    return verdicts


RULE = Rule(
    code="R21",
    version=1,
    name="Device silent",
    name_zh="设备静默",
    leg=Leg.LOGISTICS,
    severity="P3, P2 after 2 h, P1 at night with more than 5 million pledged behind it",
    lanes=frozenset({Lane.SCHEDULED}),
    lasting=True,
    claim="A device was not heard for 3 times its interval and 10 minutes, or its last will said offline, while the stream of its peers went on; "
    "or a reader is heard and reads none of the units that lie in its zones.",
    inputs=(Section.DEVICES,),
    thresholds=(INTERVALS, GRACE, LONG, VALUE_AT_NIGHT, NEVER_HEARD, BLIND_ROUNDS, BLIND_UNITS_MIN),
    guards=(
        "Silence is measured against how far the stream of all devices has come: when our own ingest is behind, no device is silent.",
        "A gateway or site whose devices are all silent gives one alert, not one for each.",
        "A tracker is judged only on a trip or with goods aboard; a warehouse system only speaks when it has papers.",
        "A device whose clock is ahead cannot be judged.",
        "Silence never makes goods missing: they are not observable, and their value is held.",
    ),
    check=check,
)
