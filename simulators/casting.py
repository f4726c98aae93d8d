"""Who plays in which incident: a pure function of the world, so that the same seed gives the same subjects."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from simulators.scenario import Outcome, Pick, PickKind, Scenario, ScenarioError, Verb, shipped
from simulators.world import World
from simulators.world.roads import lorries
from simulators.world.seeds import stream

Cast = Mapping[str, str]
"""Names of a scenario with the ids that they stand for."""


@dataclass(frozen=True)
class Expected:
    """What an officer must see because of an incident: from `expected_from` on, at the latest at `expected_by` (UTC, ISO 8601)."""

    scenario: str
    title: str
    outcome: str
    rule: str | None
    subject_kind: str
    subject_id: str
    facility_id: str | None
    expected_from: str
    expected_by: str


def cast_all(world: World, scenarios: Iterable[Scenario] | None = None) -> dict[str, dict[str, str]]:
    """The cast of every scenario; none plays twice. All shipped scenarios are cast, whichever of them are played.

    Raises ScenarioError when nothing in the world fits.
    """
    found: dict[str, dict[str, str]] = {}
    taken: set[str] = set()
    plays = {s.name: s for s in (*shipped(), *(scenarios or ()))}
    for scenario in plays.values():
        chance = stream(world.seed, f"cast/{scenario.name}")
        cast: dict[str, str] = {}
        for pick in scenario.picks:
            fitting = [c for c in _candidates(world, pick) if c not in taken]
            if not fitting:
                raise ScenarioError(f"{scenario.name}: nothing in the world fits {pick.name} ({dict(pick.where)})")
            cast[pick.name] = chance.choice(fitting)
            taken.add(cast[pick.name])
        for step in scenario.steps:
            if step.verb is Verb.INVOICE:
                cast[step.words[0]] = f"DOC-FP-{scenario.name}"
            elif step.verb is Verb.OFFER:
                cast[step.words[0]] = f"{cast[step.options['of']]}-W"
        found[scenario.name] = cast
    return found


def _candidates(world: World, pick: Pick) -> list[str]:
    where = dict(pick.where)
    match pick.kind:
        case PickKind.GOODS:
            facility, commodity, site = where.pop("facility", None), where.pop("commodity", None), where.pop("site", None)
            fitting = [
                u.goods_id
                for u in world.goods
                if (facility is None or world.facility_of.get(u.goods_id) == facility)
                and (commodity is None or u.commodity_code == commodity)
                and (site is None or u.warehouse_id == site)
            ]
        case PickKind.READER:
            site, commodity = where.pop("site", None), where.pop("commodity", None)
            zones = {u.zone_id for u in world.goods if commodity is None or u.commodity_code == commodity}
            fitting = [
                d.device_id
                for d in world.devices
                if d.device_class == "rfid" and (site is None or d.warehouse_id == site) and any(z in zones for _, z in d.antennas)
            ]
        case PickKind.LORRY:
            wire_format, origin, standby = where.pop("format", None), where.pop("from", None), where.pop("standby", "no") == "yes"
            fitting = [
                lorry.plate
                for lorry in lorries(world.seed)
                if lorry.standby is standby and wire_format in (None, lorry.format) and origin in (None, lorry.origin)
            ]
    if where:
        raise ScenarioError(f"{pick.kind} cannot be picked by {', '.join(where)}")
    return fitting


def expected(world: World, scenarios: Sequence[Scenario]) -> list[Expected]:
    """What the officer must see of these scenarios, in the order of time."""
    casts, found = cast_all(world, scenarios), []
    for scenario in scenarios:
        for step in scenario.steps:
            for claim in step.claims:
                kind, subject_id, facility_id = _subject(world, scenario, casts[scenario.name], claim.subject, claim.rule)
                begins = world.starts_at + step.after
                found.append(
                    Expected(
                        scenario=scenario.name,
                        title=scenario.title,
                        outcome=claim.outcome.value,
                        rule=claim.rule,
                        subject_kind=kind,
                        subject_id=subject_id,
                        facility_id=facility_id,
                        expected_from=begins.isoformat(),
                        expected_by=(begins + claim.within).isoformat(),
                    )
                )
    return sorted(found, key=lambda e: (e.expected_from, e.scenario))


def _subject(world: World, scenario: Scenario, cast: Cast, name: str, rule: str | None) -> tuple[str, str, str | None]:
    if name not in cast:
        if any(f.facility_id == name for f in world.facilities):
            return "facility", name, name
        if any(c.commodity_code == name for c in world.commodities):
            return "commodity", name, None
        raise ScenarioError(f"{scenario.name}: {name} is neither picked nor a facility or commodity")
    subject = cast[name]
    if subject in world.goods_by_id or subject.removesuffix("-W") in world.goods_by_id:
        return "goods", subject, world.facility_of.get(subject.removesuffix("-W"))
    if subject in world.device_by_id:
        return "device", subject, None
    if subject.startswith("DOC-"):
        return "document", subject, None
    if rule == "R12b":
        return "trip", next(t.trip_id for t in world.trips if t.vehicle_plate == subject and t.status == "UNDER_WAY"), None
    return "vehicle", subject, None


def check(scenario: Scenario) -> None:
    """Raises ScenarioError when a claim or step names a subject that was not picked."""
    names = {p.name for p in scenario.picks} | {s.words[0] for s in scenario.steps if s.verb in (Verb.INVOICE, Verb.OFFER) and s.words}
    for step in scenario.steps:
        needed = (
            []
            if step.verb in (Verb.QUOTE, Verb.EXPECT)
            else [*step.words, *(step.options[k] for k in ("lorry", "of") if k in step.options)]
        )
        for name in needed:
            if name not in names:
                raise ScenarioError(f"{scenario.name}, line {step.line}: {name} was not picked")
        if any(c.outcome is not Outcome.NOTHING and c.rule is None for c in step.claims):
            raise ScenarioError(f"{scenario.name}, line {step.line}: a claim needs a rule")


def write_plan(path: Path, world: World, scenarios: Sequence[Scenario]) -> None:
    """The plan of incidents as JSON, for the status display and for tests."""
    content = {
        "seed": world.seed,
        "starts_at": world.starts_at.isoformat(),
        "scenarios": [{"name": s.name, "title": s.title, "story": s.story} for s in scenarios],
        "expected": [asdict(e) for e in expected(world, scenarios)],
    }
    part = path.with_name(f".{path.name}.part")
    part.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")
    os.replace(part, path)
