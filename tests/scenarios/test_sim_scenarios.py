"""Scenario files: readable by officers, strict for the machine, and cast by the seed alone."""

from __future__ import annotations

from datetime import timedelta

import pytest

from simulators.casting import cast_all, check, expected
from simulators.scenario import Outcome, ScenarioError, Verb, choose, parse, shipped, span
from simulators.world import build_world

STORY = """# A coil leaves. Nobody approved it.
pick    COIL   goods  commodity=HRC facility=FAC-STEEL-01
+2h40m  leave  COIL   gate=1   -> open R01 COIL within 45m; nothing COIL
+1d     expect
"""


def test_a_scenario_reads_as_it_is_written() -> None:
    read = parse("exit", STORY)
    assert read.title == "A coil leaves"
    assert read.picks[0].where == {"commodity": "HRC", "facility": "FAC-STEEL-01"}
    leave, end = read.steps
    assert (leave.after, leave.verb, leave.words, leave.options) == (timedelta(hours=2, minutes=40), Verb.LEAVE, ("COIL",), {"gate": "1"})
    assert [(c.outcome, c.rule, c.within) for c in leave.claims] == [
        (Outcome.OPEN, "R01", timedelta(minutes=45)),
        (Outcome.NOTHING, None, timedelta(minutes=30)),
    ]
    assert end.after == timedelta(days=1)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("+1h expect", "needs a story"),
        ("# s\n+1h vanish COIL", "vanish"),
        ("# s\n+1x expect", "no time"),
        ("# s\n+2h expect\n+1h expect", "follow one another"),
        ("# s\npick coil goods\n+1h expect", "capitals"),
        ("# s\npick A goods\npick A goods\n+1h expect", "twice"),
        ("# s\n+1h expect -> open R01", "open RULE SUBJECT"),
        ("# s\nhello\n+1h expect", "a line is"),
    ],
)
def test_a_fault_is_named_with_its_line(text: str, fault: str) -> None:
    with pytest.raises(ScenarioError, match=fault):
        parse("faulty", text)


@pytest.mark.parametrize(("text", "minutes"), [("0m", 0), ("45m", 45), ("3h10m", 190), ("2d", 2880)])
def test_spans(text: str, minutes: int) -> None:
    assert span(text) == timedelta(minutes=minutes)


def test_a_step_about_somebody_who_was_not_picked_is_refused() -> None:
    with pytest.raises(ScenarioError, match="was not picked"):
        check(parse("faulty", "# s\n+1h hide COIL"))


def test_the_ten_incidents_are_shipped_and_consistent() -> None:
    rules = {c.rule for s in shipped() for step in s.steps for c in step.claims}
    assert rules == {"R01", "R02", "R21", "R03", "R04", "R05", "R12b", "R16", "R17", "V01", "V02", "V03", "V04", None}
    assert len(shipped()) == 10
    for scenario in shipped():
        check(scenario)


def test_an_incident_begins_in_the_first_minute_of_a_demo_and_ends_in_the_second() -> None:
    for claimed in expected(build_world(1), shipped()):
        assert claimed.expected_by <= "2020-03-11T06:00:00", claimed


def test_the_same_seed_casts_the_same_and_another_seed_others() -> None:
    assert cast_all(build_world(3)) == cast_all(build_world(3))
    assert cast_all(build_world(3)) != cast_all(build_world(4))


@pytest.mark.parametrize("seed", range(1, 12))
def test_nobody_plays_in_two_incidents_and_the_lost_bundle_lies_in_the_open(seed: int) -> None:
    world = build_world(seed)
    casts = cast_all(world)
    players = [subject for cast in casts.values() for subject in cast.values()]
    assert len(players) == len(set(players))
    lost, quiet = (casts["missing-beside-silent-reader"][n] for n in ("LOST", "QUIET"))
    readers = {device for device, _ in world.readers_of[world.goods_by_id[lost].zone_id or ""]}
    assert quiet not in readers


def test_scenarios_are_chosen_by_name() -> None:
    assert choose("none") == ()
    assert [s.name for s in choose("price-fall,cloned-tag")] == ["price-fall", "cloned-tag"]
    with pytest.raises(ScenarioError, match="no scenario"):
        choose("earthquake")
