"""Readers of every make: what each says is read in its own units, keyed so that a repetition is one and two reads are two."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ingest.device_states import KnownState, News, device_state
from ingest.formats import decode
from ingest.gaps import MissedKind
from ingest.readings import Claim, DecodeContext, Decoded, DeviceEvent, Direction, Rejected, RfidReading, StateUpdate

PAYLOADS = Path(__file__).parents[1] / "payloads"
NOW = datetime(2026, 10, 12, 9, 0, 30, tzinfo=UTC)
EPC = "E28011700000020D2A412182"


def said(format_name: str, payload: Any, channel: str = "reads") -> Decoded:
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return decode(format_name, raw, DecodeContext(channel, NOW))


def sample(name: str) -> Any:
    return json.loads((PAYLOADS / name).read_bytes())


def reads(found: Decoded) -> list[RfidReading]:
    return [f for f in found if isinstance(f, RfidReading)]


def events(found: Decoded) -> list[DeviceEvent]:
    return [f for f in found if isinstance(f, DeviceEvent)]


def refusals(found: Decoded) -> list[tuple[int, str]]:
    return [(f.item_no, f.reason) for f in found if isinstance(f, Rejected)]


def states(found: Decoded) -> list[StateUpdate]:
    return [f for f in found if isinstance(f, StateUpdate)]


def zebra(kind: str = "SIMPLE", at: str = "2026-10-12T09:00:00.000+0000", **data: Any) -> dict[str, Any]:
    return {"type": kind, "timestamp": at, "data": {"eventNum": 1, "format": "epc", "idHex": EPC, **data}}


# ---------------------------------------------------------------- Zebra


@pytest.mark.parametrize(
    "mode", ["SIMPLE", "INVENTORY", "PORTAL", "CONVEYOR", "CUSTOM", "DIRECTIONALITY", "DIRECTIONALITY_RAW", "MODE_OF_TOMORROW"]
)
def test_a_zebra_tag_is_read_in_every_operating_mode(mode: str) -> None:
    (read,) = reads(said("zebra-ziotc", zebra(mode)))
    assert (read.epc, read.antenna, read.event_key, read.rssi_dbm, read.read_count) == (EPC, 0, "1", None, 1)


def test_a_zebra_stream_of_lines_in_one_message_is_read_line_by_line() -> None:
    lines = (PAYLOADS / "zebra-ziotc/stream_heartbeat_and_custom.ndjson").read_bytes()
    found = said("zebra-ziotc", lines + b'\n{"type":"CUSTOM"\n"text"\n')
    assert [r.event_key for r in reads(found)] == ["16511", "16512", "16513"]
    assert [s.presence for s in states(found)] == ["online", "online", None]
    assert states(found)[-1].seqs == (16511, 16512, 16513)
    assert refusals(found) == [(5, "malformed_json"), (6, "wrong_type")]


def test_lines_that_are_all_broken_are_one_malformed_message() -> None:
    assert refusals(said("zebra-ziotc", b'{"type":\n"SIMPLE",\n')) == [(-1, "malformed_json")]


def test_a_zebra_array_may_mix_reads_heartbeats_beacons_and_management_events() -> None:
    names = ["tag_inventory.json", "heartbeat_fx9600.json", "ble_data_event.json", "gpo_event.json", "constructed/error_event.json"]
    found = said("zebra-ziotc", [*(sample(f"zebra-ziotc/{n}") for n in names), 5, {"type": "SIMPLE"}])
    assert [(r.epc, r.item_no) for r in reads(found)] == [("E2806894000040017790E471", 0)]
    assert [(e.type, e.item_no) for e in events(found)] == [("ble", 2), ("gpo", 3), ("error", 4)]
    assert refusals(found) == [(5, "wrong_type"), (6, "bad_time")]
    assert sum(s.presence == "online" for s in states(found)) == 1


@pytest.mark.parametrize(
    ("kind", "data", "payload"),
    [
        ("gpi", {"pin": 2, "state": "LOW"}, {"pin": 2, "state": "LOW"}),
        ("userapp", "door opened", {"data": "door opened"}),
        ("userapp", ["a", 1], {"data": ["a", 1]}),
        ("hello", None, {}),
        ("cloud", {"status": "connected"}, {"status": "connected"}),
        ("warning", {"message": "CPU utilization 92 percent"}, {"message": "CPU utilization 92 percent"}),
    ],
)
def test_zebra_management_events_are_kept_with_their_component(kind: str, data: Any, payload: dict[str, Any]) -> None:
    message = {"type": kind, "timestamp": "2026-10-12T09:00:00Z", "component": "RC", "eventNum": 7, "data": data}
    (event,) = events(said("zebra-ziotc", message, "event"))
    assert (event.type, event.event_key, event.payload) == (kind, "7", {"component": "RC", **payload})


def test_zebra_directionality_keeps_the_bearing_beside_the_read() -> None:
    found = said("zebra-ziotc", sample("zebra-ziotc/constructed/tag_directionality_raw.json"))
    assert [(r.rssi_dbm, r.antenna) for r in reads(found)] == [(-58.0, 1)]
    (bearing,) = events(found)
    assert (bearing.type, bearing.payload["azimuth"], bearing.payload["elevation"]) == ("bearing", 34.5, -12.25)
    assert bearing.payload["epc"] == reads(found)[0].epc


def test_a_zebra_heartbeat_tells_lost_messages_and_the_clock_of_the_reader() -> None:
    message = sample("zebra-ziotc/heartbeat_fx9600.json")
    message["data"]["reader_gateway"]["dataPathStatistics"] = [{"numDataMessagesDropped": 4}, {"numDataMessagesDropped": 3}]
    message["data"]["system"]["ntp"] = {"offset": 2500, "reach": 377}
    (state,) = said("zebra-ziotc", message, "health")
    assert isinstance(state, StateUpdate)
    assert (state.dropped_total, state.clock_offset_ms, state.presence) == (7, 2500, "online")
    message["data"]["reader_gateway"] = {"numDataMessagesDropped": 9}  # older firmware: flat
    message["data"]["system"]["ntp"]["reach"] = 0
    (state,) = said("zebra-ziotc", message, "health")
    assert isinstance(state, StateUpdate)
    assert (state.dropped_total, state.clock_offset_ms) == (9, None)


def test_dropped_messages_and_ntp_offset_reach_the_devices_state() -> None:
    news = News()
    for minute, dropped, offset in ((1, 5, 100), (2, 7, 120), (3, 2, 90)):  # the last one after a reboot
        at = NOW.replace(minute=minute)
        news.heard(at, NOW)
        news.updates.append((StateUpdate(at, health={}, presence="online", dropped_total=dropped, clock_offset_ms=offset), NOW))
    row = device_state("R", KnownState(), news, timedelta(minutes=3)).row
    assert (row["gaps"], row["skew_ms"]) == (5 + 2 + 2, 90)


def test_a_zebra_status_answer_is_health_though_its_radio_is_misspelt() -> None:
    message = sample("zebra-ziotc/status_response_documentation.json")
    (state,) = said("zebra-ziotc", message, "health")
    assert isinstance(state, StateUpdate)
    assert state.health is not None
    assert (state.health["radioActivity"], state.clock_offset_ms) == ("active", 120)
    message["systemTime"] = "07/09/2026 12:22"
    (state,) = said("zebra-ziotc", message, "health")
    assert isinstance(state, StateUpdate)
    assert state.observed_at == NOW


def test_a_zebra_handhelds_tags_are_reads_and_its_numbers_tell_no_gap() -> None:
    message = sample("zebra-ziotc/handheld_data_event.json")
    tag = message["data"]["tagData"][0]
    message["data"]["tagData"] = [tag, {**tag, "EPCid": "XYZ"}, 3, {**tag, "EPCid": EPC, "eventNum": 9}]
    found = said("zebra-handheld", message)
    assert [(r.epc, r.rssi_dbm, r.read_count) for r in reads(found)] == [("E2003411B802011533ABCD12", -52.0, 14), (EPC, -52.0, 14)]
    assert refusals(found) == [(-1, "bad_epc"), (-1, "wrong_type")]
    assert states(found)[-1].seqs == ()


def test_a_reader_that_restarts_its_numbers_is_not_missing_reads() -> None:
    known = KnownState(last_observed_at=NOW, last_seq=16_513)
    later = NOW.replace(minute=5)
    news = News()
    news.heard(later, later)
    news.updates.append((StateUpdate(later, seqs=(1, 2, 4)), later))
    told = device_state("R", known, news, timedelta(minutes=3))
    assert (told.row["last_seq"], told.row["gaps"]) == (4, 1)
    assert {(m.kind, m.missed) for m in told.opened} == {(MissedKind.SEQ_RESET, None), (MissedKind.SEQ_GAP, 1)}
    late = News()
    late.updates.append((StateUpdate(NOW, seqs=(16_000,)), NOW))
    assert MissedKind.SEQ_RESET not in {m.kind for m in device_state("R", known, late, timedelta(minutes=3)).opened}  # late, not anew


def test_two_zebra_reads_in_one_millisecond_have_two_keys_and_a_reboot_makes_no_repetition() -> None:
    first, second = reads(said("zebra-ziotc", [zebra(), zebra(eventNum=2)]))
    assert (first.observed_at, first.epc) == (second.observed_at, second.epc)
    assert first.event_key != second.event_key
    (rebooted,) = reads(said("zebra-ziotc", zebra(at="2026-10-12T09:00:20.000+0000")))
    assert (rebooted.event_key, rebooted.observed_at > first.observed_at) == (first.event_key, True)


# ---------------------------------------------------------------- Impinj and its relatives


def impinj(**tag: Any) -> dict[str, Any]:
    return {
        "timestamp": "2026-10-12T09:00:00.123456789Z",
        "hostname": "r700",
        "eventType": "tagInventory",
        "tagInventoryEvent": {"epcHex": EPC, **tag},
    }


def test_impinj_times_keep_their_nanoseconds_in_the_key() -> None:
    first, second = (
        reads(said("impinj-iot", {**impinj(), "timestamp": f"2026-10-12T09:00:00.{digits}Z"}))[0] for digits in ("123456789", "123456790")
    )
    assert first.observed_at == second.observed_at
    assert (first.event_key, second.event_key) == ("n789", "n79")


@pytest.mark.parametrize(
    ("tag", "reason"),
    [
        ({"epcHex": None, "epc": "!!!"}, "bad_base64"),
        ({"epcHex": None, "epc": None}, "missing_field"),
        ({"epc": "4oARcAAAAg0qQSGD"}, "id_conflict"),
        ({"tidHex": "E2801160", "tid": "4oARYQ=="}, "id_conflict"),
        ({"peakRssiCdbm": 100}, "out_of_range"),
        ({"peakRssiCdbm": "-5750"}, "wrong_type"),
        ({"antennaPort": 65}, "out_of_range"),
        ({"lastSeenTime": 12}, "bad_time"),
    ],
)
def test_impinj_tags_that_contradict_themselves_are_refused(tag: dict[str, Any], reason: str) -> None:
    assert refusals(said("impinj-iot", impinj(**tag))) == [(-1, reason)]


def test_impinj_base64_is_read_by_its_field_though_it_looks_like_hex() -> None:
    (read,) = reads(said("impinj-iot", impinj(epcHex=None, epc="ABCDEF0123456789")))
    assert read.epc == "001083105D35DB7E39EBBF3D"


def test_impinj_overflow_is_a_gap_with_its_flag() -> None:
    line = (PAYLOADS / "impinj-iot/constructed/reader_events.ndjson").read_bytes().splitlines()[-1]
    (event,) = events(said("impinj-iot", line))
    assert (event.missed, event.payload["eventsPurged"], "overflow_gap" in event.flags) == (1200, 1200, True)


def test_impinj_events_of_one_moment_are_told_apart_by_port() -> None:
    at = "2026-10-12T09:00:00.000000001Z"
    messages = [{"timestamp": at, "eventType": "antennaConnected", "antennaConnectedEvent": {"antennaPort": n}} for n in (1, 2)]
    first, second = events(said("impinj-iot", messages))
    assert (first.type, first.event_key != second.event_key) == ("antenna_connected", True)


@pytest.mark.parametrize(("words", "state"), [(b"connection lost", "offline"), (b"connected", "online"), (b"disconnected", "offline")])
def test_impinj_wills_are_plain_text(words: bytes, state: str) -> None:
    (found,) = said("impinj-iot", words, "presence")
    assert isinstance(found, StateUpdate)
    assert found.presence == state


def test_a_gateway_that_wraps_an_impinj_reader_claims_both_names() -> None:
    found = said("impinj-iot", sample("impinj-iot/tag_inventory_gateway_wrapped.json"))
    assert [(c.name, c.value) for c in found if isinstance(c, Claim)] == [
        ("hostname", "impinj-14-2f-f4"),
        ("deviceCode", "SRE801_1_gate1_1"),
    ]
    (heartbeat,) = states(said("impinj-iot", sample("impinj-iot/gateway_heartbeat.json")))
    assert heartbeat.observed_at == datetime(2023, 7, 27, 12, 13, 24, 219000, tzinfo=UTC)


@pytest.mark.parametrize("format_name", ["smartreader", "impinj-iot"])
def test_smartreader_times_are_microseconds_and_levels_are_dbm(format_name: str) -> None:
    found = said(format_name, sample("impinj-iot/smartreader_tag_reads_microseconds.json"))
    (read,) = reads(found)
    assert read.observed_at == datetime(2024, 1, 24, 18, 0, 3, 123456, tzinfo=UTC)
    assert (read.epc, read.tid, read.rssi_dbm, read.antenna) == ("E28011606000020934D6FAF7", "E2003412012345678900", -51.25, 1)
    assert [c.value for c in found if isinstance(c, Claim)] == ["impinj00162513F90B"]


def test_one_bad_smartreader_tag_does_not_take_its_neighbours_with_it() -> None:
    message = sample("impinj-iot/smartreader_tag_reads_microseconds.json")
    tag = message["tag_reads"][0]
    message["tag_reads"] = [
        tag,
        {**tag, "epc": "E28"},
        {**tag, "firstSeenTimestamp": "soon"},
        {**tag, "isHeartBeat": True},
        {**tag, "epc": EPC},
    ]
    found = said("smartreader", message)
    assert [(r.epc, r.item_no) for r in reads(found)] == [("E28011606000020934D6FAF7", 0), (EPC, 4)]
    assert refusals(found) == [(1, "bad_epc"), (2, "wrong_type")]


@pytest.mark.parametrize("format_name", ["speedway-connect", "impinj-iot"])
def test_speedway_lines_have_five_or_six_digits_of_a_second(format_name: str) -> None:
    found = said(format_name, (PAYLOADS / "impinj-iot/speedway_connect_inventory.ndjson").read_bytes())
    assert [(r.antenna, r.rssi_dbm, r.observed_at.microsecond) for r in reads(found)] == [(7, -51.0, 368790), (23, -50.0, 373293)]
    (beat,) = said(format_name, {"isHeartBeat": True, "firstSeenTimestamp": "2026-10-12T09:00:00.5Z"})
    assert isinstance(beat, StateUpdate)
    assert beat.presence == "online"


# ---------------------------------------------------------------- gates and cabinets


def test_a_gate_that_decides_says_in_or_out() -> None:
    messages = sample("generic-gate/gate_feedback_in_out.json")
    messages[1]["direction"] = "OUT"
    messages[2]["direction"] = "SIDEWAYS"
    del messages[3]["direction"]
    found = said("generic-gate", messages)
    assert [(r.direction, r.event_key, r.tid) for r in reads(found)] == [
        (Direction.IN, "1", "E21F2021000000000000000B"),
        (Direction.OUT, "2", "E21F2021000000000000C79F"),
    ]
    assert reads(found)[0].observed_at == datetime(2021, 3, 15, 12, 14, 30, tzinfo=UTC)
    assert refusals(found) == [(2, "out_of_range"), (3, "missing_field")]
    assert {c.value for c in found if isinstance(c, Claim)} == {"490503"}


def test_in_and_out_under_one_key_are_a_conflict_not_a_repetition() -> None:
    messages = sample("generic-gate/gate_feedback_in_out.json")[:1]
    (came,) = reads(said("generic-gate", messages))
    messages[0]["direction"] = "OUT"
    (went,) = reads(said("generic-gate", messages))
    assert (came.observed_at, came.event_key) == (went.observed_at, went.event_key)
    assert came.content_hash() != went.content_hash()


def test_a_cabinet_snapshot_is_the_set_of_what_is_present() -> None:
    message = sample("generic-gate/cabinet_snapshot.json")
    message["observe"] += [message["observe"][0], "not hex", "000000000000000000000000"]
    found = said("cabinet-snapshot", message)
    assert len(reads(found)) == 6
    assert {(r.antenna, r.event_key) for r in reads(found)} == {(0, "5b9085e0-e83b-4b74-a937-43df932508c8")}
    (snapshot,) = events(found)
    assert (snapshot.type, snapshot.payload["count"], snapshot.payload["unreadable"]) == ("snapshot", 6, 2)
    assert snapshot.payload["present"] == [r.epc for r in reads(found)]
    assert refusals(found) == [(7, "bad_epc"), (8, "unprogrammed_tag")]


def test_an_empty_cabinet_is_a_snapshot_that_counts_nothing_down() -> None:
    found = said("cabinet-snapshot", {**sample("generic-gate/cabinet_snapshot.json"), "observe": []})
    assert reads(found) == []
    assert [(e.type, e.payload["present"]) for e in events(found)] == [("snapshot", [])]


@pytest.mark.parametrize(
    ("format_name", "payload"),
    [
        ("generic-gate", {"observe": []}),
        ("cabinet-snapshot", {"EPC": EPC, "direction": "IN"}),
        ("speedway-connect", {"tag_reads": []}),
        ("smartreader", {"tagInventoryEvent": {}}),
        ("impinj-iot", zebra()),
        ("zebra-ziotc", impinj()),
    ],
)
def test_the_registered_format_decides_and_another_makes_messages_are_refused(format_name: str, payload: dict[str, Any]) -> None:
    found = said(format_name, payload)
    assert len(refusals(found)) == len(found) == 1
