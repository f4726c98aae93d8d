"""Gates, fences, topics: both sides of every boundary."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collateral.zones import Fence
from ingest.fences import Track, VehicleFix, fence_crossings
from ingest.gates import GateRead, gate_passages
from ingest.movements import MovementKind
from ingest.topics import BadTopic, DeviceTopic, OwnTracksTopic, build_topic, parse_topic, subscriptions

T0 = datetime(2026, 11, 1, 8, 0, tzinfo=UTC)
YARD = Fence.from_geojson(
    {"type": "Polygon", "coordinates": [[[121.40, 31.30], [121.41, 31.30], [121.41, 31.31], [121.40, 31.31], [121.40, 31.30]]]}
)
FENCES = [("WH-SH-01", YARD)]


def gate(*reads: tuple[float, int, bool], rssi: float | None = -50.0) -> list[GateRead]:
    """(seconds, antenna, inner) each."""
    return [GateRead(T0 + timedelta(seconds=s), T0, "GATE", a, "inner" if inner else "outer", inner, rssi) for s, a, inner in reads]


@pytest.mark.parametrize(
    ("reads", "expected"),
    [
        ([(0, 1, True), (1, 3, False), (2, 3, False)], ["GATE_OUT"]),
        ([(0, 3, False), (1, 1, True), (2, 2, True)], ["GATE_IN"]),
        ([(0, 1, True), (1, 3, False)], []),  # one read outside is a stray
        ([(0, 3, False)], []),
        ([(0, 3, False), (1, 4, False), (2, 3, False)], []),  # never inside: no direction
        ([(0, 1, True), (5, 3, False), (16, 3, False)], []),  # two reads outside, but not within ten seconds
        ([(0, 1, True), (300, 3, False), (302, 3, False), (304, 3, False)], ["GATE_OUT"]),  # waited at the gate
        ([(0, 1, True), (601, 3, False), (602, 3, False), (603, 3, False)], []),  # inside too long ago to tell
        ([(0, 1, True), (1, 3, False), (2, 4, False), (4, 1, True), (5, 2, True)], ["GATE_OUT", "GATE_IN"]),  # turned round
    ],
)  # fmt: skip
def test_direction_needs_two_zones_in_order_and_confirmation(reads: list[tuple[float, int, bool]], expected: list[str]) -> None:
    assert [m.kind for m in gate_passages("E280", "G-1", gate(*reads))] == expected


def test_reads_weaker_than_the_floor_are_no_evidence() -> None:
    reads = [(0, 1, True), (1, 3, False), (2, 4, False)]
    assert gate_passages("E280", "G-1", gate(*reads, rssi=-65.0))
    assert not gate_passages("E280", "G-1", gate(*reads, rssi=-65.1))


def test_a_passage_already_told_is_not_told_again() -> None:
    reads = gate((0, 1, True), (1, 3, False), (2, 4, False), (3, 4, False))
    (told,) = gate_passages("E280", "G-1", reads)
    assert gate_passages("E280", "G-1", reads, [(told.occurred_at, told.kind)]) == []


@given(st.permutations(gate((0, 1, True), (1, 2, True), (3, 3, False), (4, 4, False), (6, 1, True), (7, 1, True))))
def test_the_order_of_arrival_does_not_matter(reads: list[GateRead]) -> None:
    assert [m.kind for m in gate_passages("E280", "G-1", reads)] == [MovementKind.GATE_OUT, MovementKind.GATE_IN]


def fixes(*points: tuple[float, float, float | None]) -> list[VehicleFix]:
    return [VehicleFix(T0 + timedelta(minutes=i), T0, lon, lat, acc) for i, (lon, lat, acc) in enumerate(points)]


INSIDE, FAR = (121.405, 31.305, 5.0), (121.45, 31.305, 5.0)
NEAR = (121.4103, 31.305, 5.0)  # some 29 m outside
VAGUE = (121.412, 31.305, 300.0)  # 190 m outside, give or take 300


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([INSIDE, FAR, FAR], ["FENCE_EXIT"]),
        ([INSIDE, FAR, INSIDE], []),  # one fix alone proves nothing
        ([INSIDE, NEAR, NEAR, NEAR], []),  # within the margin
        ([INSIDE, VAGUE, VAGUE], []),  # within its own accuracy
        ([INSIDE, (121.45, 31.305, 900.0), (121.45, 31.305, 900.0)], []),  # too vague to be used at all
        ([FAR, INSIDE, INSIDE], ["FENCE_ENTER"]),
        ([FAR, INSIDE, INSIDE, FAR, FAR], ["FENCE_ENTER", "FENCE_EXIT"]),
        ([INSIDE], []),
    ],
)  # fmt: skip
def test_a_fence_is_crossed_by_two_clear_fixes_in_a_row(points: list[tuple[float, float, float | None]], expected: list[str]) -> None:
    _, found = fence_crossings("TRUCK-1", "沪A", FENCES, Track(), fixes(*points))
    assert [m.kind for m in found] == expected


@pytest.mark.parametrize(
    "topic",
    [
        "v1/demo/WH/rfid/R1", "v1/demo/WH/rfid/R1/cmd", "v1/demo/WH/rfid/R1/reads/x", "v2/demo/WH/rfid/R1/reads", "v1/demo/WH/toaster/R1/reads",
        "v1/demo/WH/rfid/+/reads", "v1/demo/WH/rfid/#/reads", "v1/demo/WH/rfid/$SYS/reads", "v1/demo/../rfid/R1/reads", "v1/demo/WH/rfid/a..b/reads",
        "v1/DEMO/WH/rfid/R1/reads", "v1//WH/rfid/R1/reads", "v1/demo/WH/rfid/" + "x" * 65 + "/reads", "owntracks/u", "owntracks/u/d/cmd",
        "owntracks/../d", "$SYS/broker", "", "v1/demo/WH/rfid/R 1/reads", "v1/demo/WH/rfid/R1\n/reads",
    ],
)  # fmt: skip
def test_topics_that_name_no_device_are_refused(topic: str) -> None:
    with pytest.raises(BadTopic):
        parse_topic(topic)


def test_topics_are_read_as_they_are_built() -> None:
    topic = build_topic("demo", "WH-SH-01", "rfid", "R-1", "reads")
    parsed = parse_topic(topic)
    assert isinstance(parsed, DeviceTopic)
    assert str(parsed) == topic
    assert parse_topic("owntracks/u/d/event") == OwnTracksTopic("u", "d", parse_topic("v1/demo/WH/gps/d/event").channel)
    assert not any("cmd" in s for s in subscriptions("ingest"))


@given(st.text(max_size=80))
def test_any_topic_is_read_or_refused(topic: str) -> None:
    with contextlib.suppress(BadTopic):
        parse_topic(topic)
