"""R03: one tag is in two places, or two chips carry one tag's number."""

from __future__ import annotations

from datetime import datetime, timedelta

from collateral.zones import point_distance_m
from risk.facts import Movement
from risk.rule import Cleared, Finding, Lane, Leg, Rule, Section, Severity, Subject, SubjectKind, Threshold, Verdict
from risk.snapshot import Snapshot
from risk.thresholds import ThresholdBook, Tuned

SPEED_BETWEEN_SITES_KMH = Threshold(
    name="speed_between_sites_kmh", value=120, meaning="implied speed between sites above which it is a clone"
)
SPEED_INSIDE_SITE_KMH = Threshold(
    name="speed_inside_site_kmh", value=30, meaning="the same inside one site, where both clocks were measured"
)
SKEW_GUARD = Threshold(
    name="skew_guard", value=timedelta(minutes=5), least=timedelta(seconds=1), meaning="added to the time between two sites' sightings"
)
SKEW_MEASURED = Threshold(
    name="skew_measured",
    value=timedelta(seconds=60),
    meaning="measured skew up to which clocks inside a site are trusted, and added to the time",
    fixed="clocks are measured against it when movements are loaded",
)
DISTANCE_MIN_M = Threshold(name="distance_min_m", value=200, meaning="nearer sightings are never a clone")


def implied_speed_kmh(distance_m: float, elapsed: timedelta, guard: timedelta) -> float:
    """Speed that the two sightings imply when the clocks may be off by guard, in km/h."""
    return distance_m / (abs(elapsed) + guard).total_seconds() * 3.6


def _subject(movement: Movement) -> Subject:
    if movement.unit is not None:
        return Subject(tenant_id=movement.tenant_id, kind=SubjectKind.GOODS, id=movement.unit.goods_id)
    return Subject(tenant_id=movement.tenant_id, kind=SubjectKind.TAG, id=movement.tag_epc or "")


def _finding(movement: Movement, how: str, how_zh: str, evidence: dict[str, object], tuned: Tuned | None = None) -> Finding:
    unit = movement.unit
    return Finding(
        subject=_subject(movement),
        severity=Severity.P1,
        occurred_at=movement.occurred_at,
        event_key=f"movement:{movement.movement_id}",
        facility_id=unit.facility_id if unit else None,
        pledge_id=unit.pledge_id if unit else None,
        warehouse_id=movement.to_place.warehouse_id if movement.to_place else movement.warehouse_id,
        exposure_at_risk=unit.value if unit else None,
        currency=unit.currency if unit else None,
        summary=f"Tag {movement.tag_epc} is cloned: {how}.",
        summary_zh=f"标签 {movement.tag_epc} 疑似被克隆：{how_zh}。",
        evidence={
            "movement_id": movement.movement_id,
            "movement_kind": movement.kind,
            "tag_epc": movement.tag_epc,
            "goods_ids": [unit.goods_id] if unit else [],
            "device_id": movement.device_id,
            "occurred_at": movement.occurred_at,
            "received_at": movement.received_at,
            "recorded_at": movement.recorded_at,
            **evidence,
        },
        thresholds=None if tuned is None else tuned.shown(),
    )


def _sides(movement: Movement) -> tuple[tuple[str, str, float, float], tuple[str, str, float, float]] | None:
    """(name, site, lon, lat) of where the tag was and where it is: by zone, else by the reader's own position. None when one is unknown."""
    sides = []
    for place, side in ((movement.from_place, "from"), (movement.to_place, "to")):
        said = movement.evidence
        if place is not None:
            sides.append((place.zone_id, place.warehouse_id, place.lon, place.lat))
        elif said.get(f"{side}_lon") is not None and said.get(f"{side}_lat") is not None and said.get(f"{side}_warehouse_id"):
            name = said.get(f"{side}_device_id") or said[f"{side}_warehouse_id"]
            sides.append((str(name), str(said[f"{side}_warehouse_id"]), float(said[f"{side}_lon"]), float(said[f"{side}_lat"])))
        else:
            return None
    return sides[0], sides[1]


def _elapsed(movement: Movement) -> timedelta | None:
    """Time there was to travel. A late read inside the time of the present sighting had the shorter of the two ways."""
    if movement.from_seen_at is None:
        return None
    if movement.evidence.get("overlap") and movement.evidence.get("from_entered_at"):
        entered = datetime.fromisoformat(str(movement.evidence["from_entered_at"]))
        return max(timedelta(0), min(movement.occurred_at - entered, movement.from_seen_at - movement.occurred_at))
    return abs(movement.occurred_at - movement.from_seen_at)


def _two_places(movement: Movement, book: ThresholdBook) -> Finding | None:
    sides, elapsed = _sides(movement), _elapsed(movement)
    if sides is None or elapsed is None:
        return None
    (there, site_there, lon_there, lat_there), (here, site_here, lon_here, lat_here) = sides
    same_site = site_here == site_there
    if same_site and not movement.skew_known:
        return None
    tuned = book.of("R03", movement.tenant_id, warehouse_id=site_here)
    guard = tuned.span(SKEW_MEASURED if same_site else SKEW_GUARD)
    limit = tuned.number(SPEED_INSIDE_SITE_KMH if same_site else SPEED_BETWEEN_SITES_KMH)
    distance_m = point_distance_m(lon_there, lat_there, lon_here, lat_here)
    speed = implied_speed_kmh(distance_m, elapsed, guard)
    if distance_m <= tuned.number(DISTANCE_MIN_M) or speed <= limit:
        return None
    minutes = elapsed.total_seconds() / 60
    return _finding(
        movement,
        f"read at {there} and within {minutes:.0f} min at {here}, {distance_m / 1000:.1f} km away ({speed:.0f} km/h)",
        f"{minutes:.0f} 分钟内先后出现在 {there} 与 {here}，相距 {distance_m / 1000:.1f} 公里（{speed:.0f} km/h）",
        {
            "from_zone_id": there,
            "to_zone_id": here,
            "from_seen_at": movement.from_seen_at,
            "elapsed_s": int(elapsed.total_seconds()),
            "distance_m": round(distance_m),
            "speed_kmh": round(speed),
            "speed_kmh_max": limit,
            "skew_guard_s": int(guard.total_seconds()),
        },
        tuned,
    )


def check(snapshot: Snapshot) -> list[Verdict]:
    """Clones that the movements show."""
    verdicts: list[Verdict] = []
    for movement in snapshot.movements:
        if movement.corrected:
            continue
        if movement.kind == "CORRECTION" and movement.corrects is not None:
            verdicts.append(
                Cleared(
                    subject=_subject(movement), event_keys=(f"movement:{movement.corrects}",), reason="the movement was corrected",
                    evidence={"movement_id": movement.movement_id, "corrects": movement.corrects, "why": dict(movement.evidence)},
                )
            )  # fmt: skip
        elif movement.kind == "TID_MISMATCH":
            tids = {k: v for k, v in movement.evidence.items() if "tid" in k}
            verdicts.append(
                _finding(
                    movement, "another chip answered with its number", "另一芯片以相同编号应答", {"tids": tids or dict(movement.evidence)}
                )
            )
        elif movement.kind in ("SITE_CHANGE", "ZONE_CHANGE", "GATE_IN", "GATE_OUT"):
            found = _two_places(movement, snapshot.tuned)
            if found is not None:
                verdicts.append(found)
    return verdicts


RULE = Rule(
    code="R03",
    version=1,
    name="Tag clone",
    name_zh="标签克隆",
    leg=Leg.LOGISTICS,
    severity="P1",
    lanes=frozenset({Lane.FAST}),
    lasting=False,
    claim="One tag number was read at two places that no lorry joins in the time between, or by two chips (TID).",
    inputs=(Section.MOVEMENTS,),
    thresholds=(SPEED_BETWEEN_SITES_KMH, SPEED_INSIDE_SITE_KMH, SKEW_GUARD, SKEW_MEASURED, DISTANCE_MIN_M),
    guards=(
        "Event times are compared, never times of arrival: a late buffered upload implies no speed.",
        "Clocks may be off by 5 minutes between sites; inside a site the rule judges only readers whose skew was measured.",
        "Neighbouring read points overlap: below 200 m nothing is a clone.",
        "A movement that was corrected is not judged, and its alert goes.",
    ),
    check=check,
)
