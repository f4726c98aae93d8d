"""R32: records that nature does not write, and inspections that nobody lets happen."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from decimal import Decimal
from itertools import combinations

from risk.facts_site import RawSeries, SiteConduct
from risk.rule import Finding, Lane, Leg, Rule, Section, Severity, Subject, SubjectKind, Threshold, Verdict
from risk.rules.telling import of_holder
from risk.snapshot import Snapshot
from risk.timeseries import constancy, hamming, last_digit_p, series_of

CONSTANT = Threshold(name="constant", value=timedelta(hours=48), meaning="of exactly equal raw values")
CONSTANT_POINTS = Threshold(name="constant_points", value=24, meaning="measurements in that time, at least")
DIGITS_P = Threshold(name="digits_p", value=Decimal("0.001"), meaning="probability of so uneven last digits")
DIGITS_N = Threshold(name="digits_n", value=300, meaning="weights from which digits are judged (cold start)")
MANUAL = Threshold(name="manual", value=Decimal("0.20"), meaning="of a site's entries that were keyed by hand")
MANUAL_N = Threshold(name="manual_n", value=50, meaning="entries from which the share is judged")
BURST = Threshold(name="burst", value=20, meaning="hand-keyed entries within one minute")
PHASH = Threshold(name="phash", value=4, meaning="differing bits up to which two photos of different visits are one")
REFUSED = Threshold(name="refused", value=2, meaning="inspections that the site refused or postponed within 90 days")


def _series(series: RawSeries, snapshot: Snapshot) -> Finding | None:
    tuned = snapshot.tuned.of("R32", series.tenant_id, warehouse_id=series.warehouse_id)
    faults: dict[str, object] = {}
    same = constancy(series_of(series.points)) if series.quantity != "net_kg" else None
    if same is not None and same.lasted >= tuned.span(CONSTANT) and same.points >= tuned.number(CONSTANT_POINTS):
        faults["constant"] = {"from": same.since, "to": same.until, "points": same.points, "value": series.points[-1][1]}
    if series.quantity == "net_kg" and len(series.points) >= tuned.number(DIGITS_N):
        p = last_digit_p([v for _, v in series.points])
        if p < float(tuned.number(DIGITS_P)):
            faults["last_digit"] = {"p": p, "weights": len(series.points)}
    if not faults:
        return None
    what = "has not varied at all" if "constant" in faults else "shows last digits that no scale writes"
    what_zh = "长时间毫无波动" if "constant" in faults else "尾数分布不合理"
    return Finding(
        subject=Subject(tenant_id=series.tenant_id, kind=SubjectKind.DEVICE, id=series.device_id),
        severity=Severity.P2,
        occurred_at=series.points[-1][0],
        warehouse_id=series.warehouse_id,
        summary=f"{series.quantity} of {series.device_id} {what}.",
        summary_zh=f"设备 {series.device_id} 的 {series.quantity} {what_zh}。",
        evidence={"device_id": series.device_id, "quantity": series.quantity, "faults": sorted(faults), "shown": faults},
        thresholds=tuned.shown(),
    )


def _conduct(site: SiteConduct, snapshot: Snapshot) -> Finding | None:
    tuned = snapshot.tuned.of("R32", site.tenant_id, warehouse_id=site.warehouse_id)
    faults: dict[str, object] = {}
    refused = [v for v in site.visits if v[1] != "DONE" and v[2]]
    if len(refused) >= tuned.number(REFUSED):
        faults["refused"] = {"visits": [v[3] for v in refused][:20]}
    alike = [
        (a, b) for (a, x), (b, y) in combinations(site.photos, 2) if a != b and hamming(x, y) <= tuned.number(PHASH)
    ]  # fmt: skip
    if alike:
        faults["photos"] = {"visits": [list(pair) for pair in alike[:20]]}
    if site.entries >= tuned.number(MANUAL_N) and site.manual_entries > tuned.number(MANUAL) * site.entries:
        faults["manual"] = {"manual": site.manual_entries, "entries": site.entries}
    if site.largest_burst >= tuned.number(BURST):
        faults["burst"] = {"entries": site.largest_burst, "at": site.burst_at}
    if not faults:
        return None
    words = {"refused": "inspections were refused", "photos": "photos of visits are the same", "manual": "too much is keyed by hand", "burst": "logs are keyed in one burst"}  # fmt: skip
    words_zh = {"refused": "多次拒检/延期", "photos": "巡查照片重复", "manual": "手工录入过多", "burst": "日志集中补录"}
    return Finding(
        subject=Subject(tenant_id=site.tenant_id, kind=SubjectKind.SITE, id=site.warehouse_id),
        severity=Severity.P2,
        occurred_at=max((v[0] for v in refused), default=site.burst_at or snapshot.as_of),
        warehouse_id=site.warehouse_id,
        summary=f"{site.warehouse_id}: {'; '.join(words[f] for f in faults)}.",
        summary_zh=f"{site.warehouse_id}：{'；'.join(words_zh[f] for f in faults)}。",
        evidence={"warehouse_id": site.warehouse_id, "faults": sorted(faults), "shown": faults},
        thresholds=tuned.shown(),
        **of_holder(site.holder),
    )


def check(snapshot: Snapshot) -> list[Verdict]:
    """Series and sites that look made up; the first fault of a device speaks for it."""
    found: dict[tuple[str, str], Finding] = {}
    by_device: dict[str, list[RawSeries]] = defaultdict(list)
    for series in snapshot.raw_series:
        by_device[series.device_id].append(series)
    for of_one in by_device.values():
        # A gauge in a tank that nobody touches keeps its level; it is made up when all of what it measures stands still.
        told = [_series(s, snapshot) for s in of_one]
        steady = [f for f in told if f is not None]
        if steady and (len(steady) == len(of_one) or any("last_digit" in f.evidence["faults"] for f in steady)):
            found[steady[0].subject.tenant_id, steady[0].subject.id] = steady[0]
    return [*found.values(), *(f for f in (_conduct(c, snapshot) for c in snapshot.conduct) if f is not None)]


RULE = Rule(
    code="R32",
    version=1,
    name="Too perfect, or inspection refused",
    name_zh="数据造假特征/拒检",
    leg=Leg.INDUSTRY,
    severity="P2",
    lanes=frozenset({Lane.SCHEDULED}),
    lasting=True,
    claim="A device's raw values are exactly equal for 48 hours, last digits of 300 weights or more are too uneven, a site's entries are keyed by hand or in one burst, "
    "photos of different visits are the same, or it refused two inspections in 90 days.",
    inputs=(Section.RAW_SERIES, Section.CONDUCT),
    thresholds=(CONSTANT, CONSTANT_POINTS, DIGITS_P, DIGITS_N, MANUAL, MANUAL_N, BURST, PHASH, REFUSED),
    guards=(
        "Stock that lies still is constant by nature: a gauge is told only when everything that it measures stands still, temperature too.",
        "Digits are judged over the scale's own division and only over a range in which they are even by nature.",
        "A visit that the inspector postponed says nothing about the site.",
    ),
    check=check,
)
