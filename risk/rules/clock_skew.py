"""R23: a device's clock or numbering cannot be trusted."""

from __future__ import annotations

from datetime import timedelta
from statistics import median

from risk.rule import Finding, Lane, Leg, Rule, Section, Severity, Subject, SubjectKind, Threshold, Verdict
from risk.snapshot import Snapshot

LAG = Threshold(name="lag", value=timedelta(seconds=120), meaning="between a message's time and ours, by the median")
MESSAGES = Threshold(name="messages", value=20, meaning="newest messages of which the median is taken; fewer are not judged")
BACKLOG = Threshold(name="backlog", value=timedelta(hours=24), meaning="age of a message on arrival")
CONFLICTS = Threshold(name="conflicts", value=1, meaning="same number with other content within a day, P2")
FUTURE = Threshold(name="future", value=3, meaning="messages from the future within a day")


def check(snapshot: Snapshot) -> list[Verdict]:
    """Devices whose messages come from another time, or twice with other content."""
    verdicts: list[Verdict] = []
    for clock in snapshot.clocks:
        tuned = snapshot.tuned.of("R23", clock.tenant_id, warehouse_id=clock.warehouse_id)
        faults: list[tuple[str, Severity, str, str]] = []
        count = int(tuned.number(MESSAGES))
        newest = clock.lags_s[:count]
        lag = median(newest) if len(newest) >= count else None
        if lag is not None and abs(lag) > tuned.span(LAG).total_seconds():
            worse = Severity.P3 if abs(lag) > tuned.span(BACKLOG).total_seconds() else Severity.P4
            faults.append(("skew", worse, f"is {lag:+,.0f} s off", f"时钟偏差 {lag:+,.0f} 秒"))
        if clock.future >= tuned.number(FUTURE):
            faults.append(("future", Severity.P3, f"sent {clock.future} messages from the future", f"{clock.future} 条消息时间在未来"))
        if clock.conflicts >= tuned.number(CONFLICTS):
            faults.append(("conflict", Severity.P2, f"repeated {clock.conflicts} numbers with other content", f"{clock.conflicts} 条消息编号重复而内容不同"))  # fmt: skip
        if not faults:
            continue
        verdicts.append(
            Finding(
                subject=Subject(tenant_id=clock.tenant_id, kind=SubjectKind.DEVICE, id=clock.device_id),
                severity=min((f[1] for f in faults), key=lambda s: s.value),
                occurred_at=clock.newest_at or snapshot.as_of,
                warehouse_id=clock.warehouse_id,
                summary=f"Device {clock.device_id} {' and '.join(f[2] for f in faults)}.",
                summary_zh=f"设备 {clock.device_id}：{'，'.join(f[3] for f in faults)}。",
                evidence={
                    "device_id": clock.device_id,
                    "faults": [f[0] for f in faults],
                    "median_lag_s": lag,
                    "messages": len(newest),
                    "gaps": clock.gaps,
                    "conflicts": clock.conflicts,
                    "future": clock.future,
                },
                thresholds=tuned.shown(),
            )
        )
    return verdicts


RULE = Rule(
    code="R23",
    version=1,
    name="Clock skew",
    name_zh="时钟漂移/乱序",
    leg=Leg.LOGISTICS,
    severity="P4, P3 beyond a day or from the future, P2 for one number with two contents",
    lanes=frozenset({Lane.SCHEDULED}),
    lasting=True,
    claim="The median of a device's newest 20 messages is more than 120 s from our clock, several came from the future, or a number came again with other content.",
    inputs=(Section.CLOCKS,),
    thresholds=(LAG, MESSAGES, BACKLOG, CONFLICTS, FUTURE),
    guards=(
        "Messages that were flagged late (a buffer that is sent after an outage) are left out: back-fill is no skew.",
        "The median of 20 is not moved by a single slow message; fewer are not judged.",
    ),
    check=check,
)
