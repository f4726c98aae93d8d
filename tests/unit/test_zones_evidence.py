"""Which zone a tag is in: both sides of every kind of evidence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.movements import Change, MovementKind, Outcome, Sighting, history, sight
from ingest.readings import RfidReading
from ingest.registry import Device, Zone
from ingest.screen import Delivery, Observation
from ingest.zones_evidence import ReadPolicy

T0 = datetime(2026, 11, 1, 8, 0, tzinfo=UTC)
READER = Device("R-1", "demo", "WH", "WH", "rfid", "native", None, None, {}, 0, "WGS84", 121.4, 31.2, True)
ZONES = {
    "bay": Zone("WH/bay", "WH", "BAY"),
    "next": Zone("WH/next", "WH", "BAY"),
    "door-1": Zone("WH/door-1", "WH", "GATE_INNER"),
    "door-2": Zone("WH/door-2", "WH", "GATE_INNER"),
    "nowhere": None,
}
ANTENNAS = {name: i for i, name in enumerate(ZONES, 1)}
POLICY = ReadPolicy(smoothing=timedelta(0))


def read(seconds: float, zone: str, rssi: float | None = -55.0, tid: str | None = None) -> Observation:
    at = T0 + timedelta(seconds=seconds)
    reading = RfidReading(at, "E280", ANTENNAS[zone], "1", tid, rssi, 1, ())
    return Observation(reading, READER, ZONES[zone], "G-1", None, (), b"", Delivery("t", b"", at))


def told(*reads: Observation, policy: ReadPolicy = POLICY) -> tuple[str | None, list[tuple[str, float]]]:
    """Where the tag is in the end, and (reason, seconds) of each move after the first sighting."""
    state, movements = history(None, reads, lambda o: policy, lambda d: (None, None))
    assert state is not None
    moves = [(m.evidence["reason"], (m.occurred_at - T0).total_seconds()) for m in movements if m.kind is MovementKind.ZONE_CHANGE]
    return state.zone_id, moves


@pytest.mark.parametrize(
    ("reads", "zone", "moves"),
    [
        # a home silent for more than ten seconds: one clear read suffices, a weak one does not
        ([read(0, "bay"), read(11, "next")], "WH/next", [("home_silent", 11)]),
        ([read(0, "bay"), read(10, "next")], "WH/bay", []),
        ([read(0, "bay"), read(3600, "next", -70.0)], "WH/next", [("home_silent", 3600)]),
        ([read(0, "bay"), read(3600, "next", -70.1)], "WH/bay", []),
        ([read(0, "bay"), read(3600, "next", None)], "WH/next", [("home_silent", 3600)]),
        # repeated reads with none at home between: two, three when all are weak; the move happened at the first
        ([read(0, "bay"), read(1, "next"), read(2, "next")], "WH/next", [("repeated", 1)]),
        ([read(0, "bay"), read(1, "next", -75), read(2, "next", -75)], "WH/bay", []),
        ([read(0, "bay"), read(1, "next", -75), read(2, "next", -75), read(3, "next", -75)], "WH/next", [("repeated", 1)]),
        # a stray between reads at home
        ([read(0, "bay"), read(1, "next"), read(2, "bay"), read(30, "next", -80), read(31, "bay")], "WH/bay", []),
        # one read that is much stronger
        ([read(0, "bay", -62), read(1, "next", -50)], "WH/next", [("much_stronger", 1)]),
        ([read(0, "bay", -62), read(1, "next", -50.1)], "WH/bay", []),
        # contested: the stronger zone wins by six decibels on average, not by less
        ([read(0, "bay", -60), read(1, "next", -54), read(2, "bay", -60), read(3, "next", -54)], "WH/next", [("stronger", 3)]),
        ([read(0, "bay", -60), read(1, "next", -55), read(2, "bay", -60), read(3, "next", -54)], "WH/bay", []),
        # contested: twice as many reads and two more, unless they are weaker
        ([read(0, "bay"), read(1, "next"), read(2, "bay"), *(read(s, "next") for s in (3, 4, 5))], "WH/next", [("majority", 5)]),
        ([read(0, "bay"), read(1, "next"), read(2, "bay"), *(read(s, "next") for s in (3, 4))], "WH/bay", []),
        ([read(0, "bay"), read(1, "next"), read(2, "bay"), *(read(s, "next", -64) for s in (3, 4, 5))], "WH/bay", []),
        # two dock doors read one pallet: the better evidence wins, whichever spoke first
        ([read(0, "bay"), read(60, "door-1", -63), read(60.2, "door-2", -50)], "WH/door-2", [("home_silent", 60), ("much_stronger", 60.2)]),
        ([read(0, "bay"), read(60, "door-2", -50), read(60.2, "door-1", -63)], "WH/door-2", [("home_silent", 60)]),
        # an antenna that nobody placed moves nothing
        ([read(0, "bay"), read(60, "nowhere")], "WH/bay", []),
        ([read(0, "nowhere"), read(1, "bay")], "WH/bay", [("home_unknown", 1)]),
    ],
)  # fmt: skip
def test_a_tag_moves_by_evidence_and_says_by_which(reads: list[Observation], zone: str, moves: list[tuple[str, float]]) -> None:
    assert told(*reads) == (zone, moves)


@pytest.mark.parametrize("gap_s", [3, 9, 15, 40])
def test_a_tag_between_two_antennas_does_not_flap(gap_s: float) -> None:
    reads = [read(i * gap_s, "next" if i % 2 else "bay", -55 - i % 3) for i in range(200)]
    assert len(told(*reads)[1]) <= 1


def test_a_tag_goes_back_soon_by_repeated_reads_and_later_by_one() -> None:
    away = [read(0, "bay"), read(60, "next")]
    assert told(*away, read(120, "bay"))[0] == "WH/next"
    assert told(*away, read(120, "bay"), read(121, "bay"), read(122, "bay"))[1][-1] == ("repeated", 120)
    assert told(*away, read(361, "bay"))[1][-1] == ("home_silent", 361)


def test_thresholds_are_data() -> None:
    reads = [read(0, "bay"), read(1, "next"), read(2, "next"), read(3, "next")]
    assert told(*reads, policy=ReadPolicy(timedelta(0), reads_min=4))[0] == "WH/bay"
    assert told(*reads, policy=ReadPolicy(timedelta(0), reads_min=3))[0] == "WH/next"


def test_a_move_carries_what_it_was_decided_on() -> None:
    _, (_, moved) = history(None, [read(0, "bay"), read(1, "next", -52), read(2, "next", -54)], lambda o: POLICY, lambda d: (121.4, 31.2))
    evidence = moved.evidence
    assert (evidence["evidence_reads"], evidence["evidence_rssi_dbm"], evidence["home_reads"]) == (2, -53.0, 0)
    assert (moved.from_seen_at, moved.occurred_at, evidence["decided_at"]) == tuple(T0 + timedelta(seconds=s) for s in (0, 1, 2))
    assert (moved.from_zone_id, moved.to_zone_id, evidence["from_antenna"], evidence["antenna"]) == ("WH/bay", "WH/next", 1, 2)


@pytest.mark.parametrize(("smoothing_s", "stored"), [(0, 100), (60, 15), (300, 4), (86_400, 1)])
def test_smoothing_keeps_the_first_of_each_window_and_counts_the_rest(smoothing_s: int, stored: int) -> None:
    policy = ReadPolicy(timedelta(seconds=smoothing_s))
    state: Sighting | None = None
    outcomes = []
    for i in range(100):
        state, outcome, _ = sight(state, read(10 * i, "bay"), policy, lambda d: (None, None))
        outcomes.append(outcome)
    assert state is not None
    assert (outcomes.count(Outcome.STORE), outcomes.count(Outcome.ABSORB)) == (stored, 100 - stored)
    assert (state.reads, state.absorbed, state.last_seen_at) == (100, 100 - stored, T0 + timedelta(seconds=990))


def test_reads_at_gates_and_contested_reads_are_never_absorbed() -> None:
    policy = ReadPolicy(timedelta(hours=1))
    state: Sighting | None = None
    outcomes = []
    for obs in [read(0, "bay"), read(1, "bay"), read(2, "next"), read(3, "bay"), read(20, "bay"), read(21, "bay")]:
        state, outcome, _ = sight(state, obs, policy, lambda d: (None, None))
        outcomes.append(outcome.value)
    assert outcomes == ["store", "absorb", "store", "store", "store", "absorb"]
    state = None
    for i in range(5):
        state, outcome, _ = sight(state, read(i, "door-1"), policy, lambda d: (None, None))
        assert outcome is Outcome.STORE


def test_an_older_read_changes_nothing_at_once() -> None:
    state, _, _ = sight(None, read(10, "bay"), POLICY, lambda d: (None, None))
    state.change = Change.NONE
    after, outcome, movements = sight(state, read(5, "next", -40), POLICY, lambda d: (None, None))
    assert (after.zone_id, after.last_seen_at, outcome, movements) == ("WH/bay", T0 + timedelta(seconds=10), Outcome.LATE, [])


@given(st.lists(st.tuples(st.sampled_from(["bay", "next", "door-1", "nowhere"]), st.integers(-85, -40), st.integers(1, 40)), max_size=60))
def test_moves_form_a_chain_in_time_whatever_is_read(steps: list[tuple[str, int, int]]) -> None:
    at, reads = 0, [read(0, "bay")]
    for zone, rssi, gap in steps:
        at += gap
        reads.append(read(at, zone, rssi))
    state, movements = history(None, reads, lambda o: POLICY, lambda d: (None, None))
    assert state is not None
    chain = [m for m in movements if m.kind in (MovementKind.APPEARED, MovementKind.ZONE_CHANGE)]
    assert [m.from_zone_id for m in chain[1:]] == [m.to_zone_id for m in chain[:-1]]
    assert [m.occurred_at for m in chain] == sorted(m.occurred_at for m in chain)
    assert state.zone_id == chain[-1].to_zone_id
    assert state.last_seen_at == reads[-1].reading.observed_at
