"""Sparkplug sessions: whatever order a node's messages come in, an alias means what the birth of its own session said."""

from __future__ import annotations

import itertools
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.formats import decode
from ingest.formats.sparkplug_payload import Payload, rebirth_request
from ingest.readings import DecodeContext, NodeMessage, Rejected
from ingest.sparkplug import Advanced, Arrival, Session, advance
from ingest.topics import BadTopic, SparkplugTopic, parse_topic, subscriptions

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MS = int(NOW.timestamp() * 1000)
REORDER = timedelta(seconds=2)
DOUBLE, INT64 = 10, 4


def payload(at_ms: int, seq: int | None, *metrics: dict[str, Any]) -> bytes:
    found = Payload(timestamp=at_ms)
    if seq is not None:
        found.seq = seq
    for metric in metrics:
        found.metrics.add(**metric)
    return bytes(found.SerializeToString())


def spoken(verb: str, raw: bytes, part: str = "", at: datetime = NOW) -> NodeMessage:
    (found,) = decode("sparkplug-b", raw, DecodeContext(verb, at, part=part))
    assert isinstance(found, NodeMessage), found
    return found


def birth(at_ms: int, bd_seq: int = 0, **names: int) -> NodeMessage:
    """names: metric name -> alias."""
    metrics = [{"name": n, "alias": a, "datatype": DOUBLE, "double_value": 0.0} for n, a in names.items()]
    return spoken("NBIRTH", payload(at_ms, 0, {"name": "bdSeq", "datatype": INT64, "long_value": bd_seq}, *metrics))


def data(at_ms: int, seq: int, **aliases: float) -> NodeMessage:
    """aliases: a3=1.5 says that alias 3 is 1.5."""
    return spoken("NDATA", payload(at_ms, seq, *({"alias": int(a[1:]), "double_value": v} for a, v in aliases.items())))


def death(bd_seq: int) -> NodeMessage:
    return spoken("NDEATH", payload(MS, None, {"name": "bdSeq", "datatype": INT64, "long_value": bd_seq}))


def step(session: Session, *messages: NodeMessage, waiting: list[Arrival] | None = None, now: datetime = NOW) -> Advanced:
    return advance(session, [*(waiting or []), *(Arrival(m, now) for m in messages)], now=now, reorder=REORDER)


def values(done: Advanced) -> list[dict[str, Any]]:
    return [{m.name: m.value for m in told.metrics if m.name != "bdSeq"} for told in done.told]


def test_aliases_are_understood_after_their_birth_in_sequence() -> None:
    done = step(Session(), birth(MS, temp=3), data(MS + 1, 1, a3=20.5), data(MS + 2, 2, a3=21.0))
    assert values(done) == [{"temp": 0.0}, {"temp": 20.5}, {"temp": 21.0}]
    assert (done.session.next_seq, done.session.alive, done.session.rebirth_due_at) == (3, True, None)


def test_data_before_any_birth_waits_and_a_rebirth_is_due_at_the_end_of_the_reorder_time() -> None:
    done = step(Session(), data(MS + 1, 1, a3=20.5))
    assert (done.told, done.refused, len(done.waiting)) == ([], [], 1)
    assert done.session.rebirth_due_at == NOW + REORDER
    later = step(done.session, birth(MS, temp=3), waiting=done.waiting)
    assert values(later) == [{"temp": 0.0}, {"temp": 20.5}]
    assert (later.waiting, later.session.rebirth_due_at) == ([], None)


def test_a_gap_waits_and_is_filled_or_asked_for() -> None:
    first = step(Session(), birth(MS, temp=3), data(MS + 2, 2, a3=2.0), data(MS + 3, 3, a3=3.0))
    assert (len(first.waiting), first.session.rebirth_due_at) == (2, NOW + REORDER)
    filled = step(first.session, data(MS + 1, 1, a3=1.0), waiting=first.waiting)
    assert values(filled) == [{"temp": 1.0}, {"temp": 2.0}, {"temp": 3.0}]
    assert (filled.missed, filled.session.rebirth_due_at) == (0, None)


def test_a_rebirth_ends_the_wait_and_tells_how_many_never_came() -> None:
    first = step(Session(), birth(MS, temp=3), data(MS + 4, 4, a3=4.0), data(MS + 6, 6, a3=6.0))
    done = step(first.session, birth(MS + 10, temp=7), data(MS + 11, 1, a7=7.0), waiting=first.waiting)
    assert done.missed == 4  # 1, 2, 3 and 5
    assert sorted(v["temp"] for v in values(done)) == [0.0, 4.0, 6.0, 7.0]
    assert not done.refused


def test_an_alias_of_an_unknown_session_is_refused_never_guessed() -> None:
    known = step(Session(), birth(MS, bd_seq=1, temp=3)).session
    done = step(known, birth(MS + 50, bd_seq=5, pressure=3), data(MS + 20, 9, a3=99.0))
    assert values(done) == [{"pressure": 0.0}]
    assert [a.message.seq for a, _ in done.refused] == [9]


def test_an_alias_that_the_birth_does_not_know_makes_a_rebirth_due_at_once() -> None:
    done = step(Session(), birth(MS, temp=3), data(MS + 1, 1, a4=1.0))
    assert len(done.refused) == 1
    assert done.session.rebirth_due_at == NOW
    again = step(done.session, birth(MS + 5, temp=3, level=4), data(MS + 6, 1, a4=1.5))
    assert values(again)[-1] == {"level": 1.5}
    assert again.session.rebirth_due_at is None


def test_a_death_counts_only_with_the_number_of_its_birth() -> None:
    born = step(Session(), birth(MS, bd_seq=7, temp=3)).session
    old = step(born, death(6))
    assert old.session.alive
    assert not old.told[0].is_current
    dead = step(born, data(MS + 1, 1, a3=1.0), death(7))
    assert not dead.session.alive
    assert values(dead)[0] == {"temp": 1.0}
    after = step(dead.session, data(MS + 90_000, 2, a3=2.0))
    assert len(after.waiting) == 1  # of a session whose birth nobody saw
    assert after.session.rebirth_due_at is not None


def test_the_sequence_wraps_at_256_and_repetitions_are_told_as_such() -> None:
    session = step(Session(), birth(MS, temp=3)).session
    sent = [data(MS + n, n % 256, a3=float(n)) for n in range(1, 600)]
    for message in sent:
        done = step(session, message)
        assert (len(done.told), done.waiting) == (1, [])
        session = done.session
    assert session.next_seq == 600 % 256
    for message in [birth(MS, temp=3), *sent]:
        done = step(session, message)
        assert not done.waiting
        assert not done.told[0].is_current
        session = done.session
    assert session.next_seq == 600 % 256


def test_a_node_whose_clock_was_set_back_is_heard_again_after_a_rebirth() -> None:
    born = step(Session(), birth(MS, bd_seq=1, temp=3)).session
    back = step(born, data(MS - 3_600_000, 1, a3=1.0))
    assert len(back.refused) == 1
    assert back.session.rebirth_due_at == NOW
    again = step(back.session, birth(MS - 3_599_000, bd_seq=1, temp=4), data(MS - 3_598_000, 1, a4=2.0))
    assert values(again) == [{"temp": 0.0}, {"temp": 2.0}]
    reconnected = step(born, birth(MS - 3_600_000, bd_seq=2, temp=4), data(MS - 3_599_000, 1, a4=3.0))
    assert values(reconnected)[-1] == {"temp": 3.0}


def test_devices_behind_a_node_have_births_of_their_own() -> None:
    device_birth = spoken("DBIRTH", payload(MS, 1, {"name": "open", "alias": 9, "datatype": 11, "boolean_value": False}), "door")
    change = spoken("DDATA", payload(MS + 1, 2, {"alias": 9, "boolean_value": True}), "door")
    gone = spoken("DDEATH", payload(MS + 2, 3), "door")
    stray = spoken("DDATA", payload(MS + 3, 4, {"alias": 9, "boolean_value": True}), "door")
    done = step(Session(), gone, change, device_birth, birth(MS, temp=3))
    assert values(done) == [{"temp": 0.0}, {"open": False}, {"open": True}, {}]
    assert [t.arrival.message.verb for t in done.told][-1] == "DDEATH"
    unborn = step(done.session, stray)
    assert len(unborn.refused) == 1
    assert unborn.session.rebirth_due_at == NOW


def test_what_waits_is_bounded_in_number_and_age() -> None:
    many = step(Session(), *(data(MS + n, n % 256, a3=1.0) for n in range(600)))
    assert (len(many.waiting), len(many.refused)) == (500, 100)
    later = step(many.session, data(MS + 700, 1, a3=1.0), waiting=many.waiting, now=NOW + timedelta(minutes=11))
    assert (len(later.waiting), len(later.refused)) == (1, 500)


@given(seed=st.integers(0, 2**32), cuts=st.lists(st.integers(0, 60), max_size=6), count=st.integers(1, 60))
@settings(max_examples=120, deadline=None)
def test_any_order_in_any_batches_tells_what_the_right_order_tells(seed: int, cuts: list[int], count: int) -> None:
    messages = [birth(MS, temp=3), *(data(MS + n, n, a3=float(n)) for n in range(1, count + 1))]
    shuffled = messages.copy()
    random.Random(seed).shuffle(shuffled)
    edges = sorted({0, len(shuffled), *(c for c in cuts if c < len(shuffled))})
    session, told = Session(), []
    waiting: list[Arrival] = []
    for start, end in itertools.pairwise(edges):
        done = step(session, *shuffled[start:end], waiting=waiting)
        session, waiting = done.session, done.waiting
        told += values(done)
        assert not done.refused
    assert told == [{"temp": float(n)} for n in range(count + 1)]
    assert (waiting, session.rebirth_due_at) == ([], None)


@pytest.mark.parametrize(
    ("datatype", "field", "raw", "value"),
    [
        (1, "int_value", 0xFF, -1),
        (2, "int_value", 0x8000, -32768),
        (3, "int_value", 2**32 - 5, -5),
        (4, "long_value", 2**64 - 1, -1),
        (8, "long_value", 2**64 - 1, 2**64 - 1),
        (9, "float_value", 12.1, 12.1),
        (10, "double_value", float("nan"), "nan"),
        (11, "boolean_value", True, True),
        (12, "string_value", "a\x00b", "a\\0b"),
        (13, "long_value", MS, "2026-11-23T12:00:00+00:00"),
        (17, "bytes_value", b"\x00\xff", "00ff"),
    ],
)
def test_values_are_read_with_the_type_that_the_birth_gave_them(datatype: int, field: str, raw: Any, value: Any) -> None:
    born = spoken(
        "NBIRTH",
        payload(
            MS, 0, {"name": "bdSeq", "datatype": INT64, "long_value": 0}, {"name": "m", "alias": 1, "datatype": datatype, "is_null": True}
        ),
    )
    done = step(Session(), born, spoken("NDATA", payload(MS + 1, 1, {"alias": 1, field: raw})))
    assert values(done) == [{"m": None}, {"m": value}]


@pytest.mark.parametrize(
    ("verb", "raw", "reason"),
    [
        ("NDATA", b"", "empty_payload"),
        ("NDATA", b"\xff\xff\xff", "malformed_protobuf"),
        ("NDATA", b'{"online":true}', "malformed_protobuf"),
        ("NDATA", payload(MS, None), "out_of_range"),
        ("NDATA", payload(MS, 256), "out_of_range"),
        ("NDATA", payload(2**63, 1), "bad_time"),
        ("NBIRTH", payload(MS, 0), "missing_field"),
        ("NBIRTH", payload(MS, 0, {"name": "bdSeq", "long_value": 0}, {"alias": 1}), "missing_field"),
        ("NDEATH", payload(MS, None), "missing_field"),
        ("reads", payload(MS, 1), "wrong_channel"),
        ("NDATA", b"\x18\x01", "missing_field"),
    ],
)
def test_bad_sparkplug_is_refused_by_name(verb: str, raw: bytes, reason: str) -> None:
    (found,) = decode("sparkplug-b", raw, DecodeContext(verb, NOW))
    assert isinstance(found, Rejected)
    assert found.reason == reason


@given(raw=st.binary(max_size=300), verb=st.sampled_from(["NBIRTH", "NDATA", "NDEATH", "DBIRTH", "DDATA", "DDEATH"]))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_a_message_or_a_named_refusal_and_no_session_breaks(raw: bytes, verb: str) -> None:
    whole = payload(MS, 1, {"name": "temp", "alias": 3, "datatype": DOUBLE, "double_value": 1.0}, {"name": "bdSeq", "long_value": 0})
    for candidate in (raw, raw[: len(raw) // 2] + whole, whole + raw, whole[: len(raw) % len(whole)] + raw):
        for item in decode("sparkplug-b", candidate, DecodeContext(verb, NOW)):
            if isinstance(item, NodeMessage):
                step(step(Session(), birth(MS - 5, temp=3)).session, item)
            else:
                assert isinstance(item, Rejected)
                assert item.reason


def test_topics_of_nodes_are_read_and_those_of_hosts_are_not() -> None:
    assert parse_topic("spBv1.0/Yard 1/DDATA/Edge 1/door") == SparkplugTopic("Yard 1", "Edge 1", "DDATA", "door")  # type: ignore[arg-type]
    for wrong in (
        "spBv1.0/STATE/host-1", "spBv1.0/G/NCMD/N", "spBv1.0/G/DCMD/N/D", "spBv1.0/G/NDATA/N/D", "spBv1.0/G/DDATA/N", "spBv1.0/ G/NDATA/N",
        "spBv1.0/G/NDATA/#", "spBv1.0//NDATA/N", "spAv1.0/G/NDATA/N",
    ):  # fmt: skip
        with pytest.raises(BadTopic):
            parse_topic(wrong)
    assert not any("STATE" in topic or "CMD" in topic for topic in subscriptions("ingest"))


def test_the_rebirth_request_is_the_metric_that_nodes_listen_for() -> None:
    asked = Payload.FromString(rebirth_request(MS))
    assert (asked.timestamp, asked.metrics[0].name, asked.metrics[0].boolean_value, asked.metrics[0].datatype) == (
        MS, "Node Control/Rebirth", True, 11,
    )  # fmt: skip
