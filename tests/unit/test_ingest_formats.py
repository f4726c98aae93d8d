"""Every decoder: valid samples are read, invalid ones refused by name, and any bytes at all give one or the other."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import messages
from ingest.formats import FORMATS, decode
from ingest.readings import Claim, DecodeContext, DeviceEvent, Fix, Limits, PositionReading, Rejected, RfidReading, StateUpdate

PAYLOADS = Path(__file__).parents[1] / "payloads"
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
FOLDERS = {
    "zebra-ziotc": "zebra-ziotc",
    "impinj-iot": "impinj-iot",
    "owntracks": "owntracks",
    "traccar": "traccar",
    "wms-json": "wms-event",
}
NOT_TELEMETRY = {
    "owntracks/e.json": "encrypted",
    "impinj-iot/constructed/mqtt_settings.json": "unsupported_type",
}


def context(channel: str = "reads", **limits: int) -> DecodeContext:
    return DecodeContext(channel, NOW, limits=Limits(**limits))


def sample_messages(folder: str) -> list[tuple[str, bytes]]:
    found = []
    for path in sorted((PAYLOADS / folder).rglob("*")):
        if path.is_dir() or {"schema", "invalid"} & set(path.relative_to(PAYLOADS).parts):
            continue
        name = str(path.relative_to(PAYLOADS))
        if path.suffix == ".ndjson":
            found += [(f"{name}:{i}", line) for i, line in enumerate(path.read_bytes().splitlines())]
        else:
            found.append((name, path.read_bytes()))
    return found


@pytest.mark.parametrize(
    ("format_name", "name", "payload"),
    [(f, n, p) for folder, f in FOLDERS.items() for n, p in sample_messages(folder)],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_every_sample_is_read_or_refused_as_what_it_is(format_name: str, name: str, payload: bytes) -> None:
    found = decode(format_name, payload, context("doc" if format_name == "wms-event" else "reads"))
    rejected = [f for f in found if isinstance(f, Rejected)]
    if name in NOT_TELEMETRY:
        assert [r.reason for r in rejected] == [NOT_TELEMETRY[name]]
        assert len(found) == 1
    else:
        assert not rejected
        assert any(isinstance(f, RfidReading | PositionReading | DeviceEvent | StateUpdate) for f in found)


@pytest.mark.parametrize("path", sorted((PAYLOADS / "owntracks/invalid").iterdir()), ids=lambda p: p.name)
def test_invalid_owntracks_messages_are_refused_with_a_reason(path: Path) -> None:
    found = decode("owntracks", path.read_bytes(), context("position"))
    assert found
    assert all(isinstance(f, Rejected) and f.reason and f.detail for f in found)


def only(format_name: str, payload: bytes | dict[str, object], channel: str = "reads") -> list[object]:
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return [f for f in decode(format_name, raw, context(channel)) if not isinstance(f, StateUpdate | Claim)]


def test_zebra_reads_keep_the_offset_of_their_time_and_the_number_of_their_event() -> None:
    read, access = only("zebra-ziotc", (PAYLOADS / "zebra-ziotc/tag_simple_with_access_results.json").read_bytes())
    assert isinstance(read, RfidReading)
    assert isinstance(access, DeviceEvent)
    assert (access.type, len(access.payload["accessResults"])) == ("tag_access", 3)
    assert read.observed_at == datetime(2024, 11, 21, 19, 20, 53, 319000, tzinfo=UTC)
    assert (read.epc, read.antenna, read.event_key, read.rssi_dbm) == ("E2C24500200000668534009C", 1, "63", -39.0)
    claims = [
        f
        for f in decode("zebra-ziotc", (PAYLOADS / "zebra-ziotc/tag_simple_with_access_results.json").read_bytes(), context())
        if isinstance(f, Claim)
    ]
    assert claims == [Claim("hostname", "FX9600F10AE0")]


def test_zebra_heartbeat_is_state_with_the_sum_of_dropped_messages() -> None:
    (state,) = decode("zebra-ziotc", (PAYLOADS / "zebra-ziotc/heartbeat_fx9600.json").read_bytes(), context())
    assert isinstance(state, StateUpdate)
    assert (state.presence, state.dropped_total) == ("online", 0)


def test_impinj_rssi_is_centi_dbm_and_both_forms_of_the_epc_agree() -> None:
    (read,) = only("impinj-iot", (PAYLOADS / "impinj-iot/tag_inventory_gateway_wrapped.json").read_bytes())
    assert isinstance(read, RfidReading)
    assert (read.epc, read.tid, read.rssi_dbm, read.antenna) == ("E2C451A3A5011FA00F354693", "E2C451A32000269379AAFD00", -57.5, 2)


def test_impinj_tag_whose_hex_and_base64_differ_is_refused() -> None:
    message = json.loads((PAYLOADS / "impinj-iot/tag_inventory_gateway_wrapped.json").read_bytes())
    message["tagInventoryEvent"]["epcHex"] = "E2C451A3A5011FA00F354694"
    (refused,) = only("impinj-iot", message)
    assert isinstance(refused, Rejected)
    assert refused.reason == "id_conflict"


def test_base64_and_hex_of_one_tag_are_one_tag() -> None:
    first, second = only("impinj-iot", (PAYLOADS / "impinj-iot/webhook_array_hex_and_base64.json").read_bytes())
    assert isinstance(first, RfidReading)
    assert isinstance(second, RfidReading)
    assert first.epc == second.epc == "3034F8B20001000000000001"


def test_impinj_overflow_says_how_many_reads_were_lost() -> None:
    line = (PAYLOADS / "impinj-iot/constructed/reader_events.ndjson").read_bytes().splitlines()[-1]
    (event,) = only("impinj-iot", line)
    assert isinstance(event, DeviceEvent)
    assert (event.type, event.missed) == ("overflow", 1200)


def test_traccar_speed_is_knots_and_an_invalid_position_is_no_fix() -> None:
    (position,) = only("traccar", (PAYLOADS / "traccar/position_forward_capture.json").read_bytes(), "position")
    assert isinstance(position, PositionReading)
    assert position.speed_mps == pytest.approx(5.1444, abs=1e-3)
    (invalid,) = only("traccar", (PAYLOADS / "traccar/position_api_not_valid.json").read_bytes(), "position")
    assert isinstance(invalid, PositionReading)
    assert invalid.fix is Fix.NONE


def test_a_repeated_last_fix_has_the_key_and_content_of_its_original() -> None:
    message = json.loads((PAYLOADS / "traccar/position_forward_capture.json").read_bytes())
    (first,) = only("traccar", message, "position")
    message["position"] |= {"outdated": True, "serverTime": "2026-09-20T23:59:57.312+00:00"}
    (again,) = only("traccar", message, "position")
    assert isinstance(first, PositionReading)
    assert isinstance(again, PositionReading)
    assert (first.observed_at, first.event_key, first.content_hash()) == (again.observed_at, again.event_key, again.content_hash())
    assert again.fix is Fix.STALE


def test_owntracks_speed_is_km_per_hour_and_unknown_accuracy_is_none() -> None:
    (fix,) = only("owntracks", {"_type": "location", "lat": 31.2, "lon": 121.5, "tst": 1795000000, "vel": 36, "acc": -1}, "position")
    assert isinstance(fix, PositionReading)
    assert (fix.speed_mps, fix.acc_m) == (10.0, None)


def native(**changes: object) -> dict[str, object]:
    return {"ts": "2026-11-23T12:00:00Z", "seq": 7, "reads": [{"epc": "e28011700000020d2a412182", "ant": 1, "rssi": -51.5}], **changes}


def test_native_reads_are_upper_case_hex_keyed_by_seq() -> None:
    (read,) = only("native", native())
    assert isinstance(read, RfidReading)
    assert (read.epc, read.event_key, read.flags) == ("E28011700000020D2A412182", "7", ())


def test_messages_we_encode_are_messages_we_decode() -> None:
    sent = messages.ReadsMessage(ts="2026-11-23T12:00:00Z", seq=1, reads=[messages.TagRead(epc="E2801170", ant=3, rssi=-40.0, n=4)])
    (read,) = only("native", messages.encode(sent))
    assert isinstance(read, RfidReading)
    assert (read.antenna, read.rssi_dbm, read.read_count) == (3, -40.0, 4)
    fix = messages.PositionMessage(ts="2026-11-23T12:00:00Z", seq=1, lon=121.0, lat=31.0, datum="GCJ02", goods=["G-1"])
    (position,) = only("native", messages.encode(fix), "position")
    assert isinstance(position, PositionReading)
    assert (position.datum, position.goods, position.fix) == ("GCJ02", ("G-1",), Fix.VALID)
    (event,) = only("native", messages.encode(messages.EventMessage("2026-11-23T12:00:00Z", "seal", 4, {"state": "open"})), "event")
    assert isinstance(event, DeviceEvent)
    assert (event.type, event.event_key, event.payload) == ("seal", "4", {"state": "open"})


def test_one_bad_read_does_not_take_its_neighbours_with_it() -> None:
    reads = [{"epc": "E2801170"}, {"epc": "XYZ"}, {"epc": "E2801171", "rssi": 10}, {"epc": "E2801172", "ant": 65}, 5, {"epc": "E2801173"}]
    found = only("native", native(reads=reads))
    assert [f.epc if isinstance(f, RfidReading) else f.reason for f in found if isinstance(f, RfidReading | Rejected)] == [
        "E2801170", "bad_epc", "out_of_range", "out_of_range", "wrong_type", "E2801173",
    ]  # fmt: skip
    assert [f.item_no for f in found if isinstance(f, Rejected)] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("epc", "expected"),
    [
        ("000000000000000000000000", "unprogrammed_tag"),
        ("FFFFFFFFFFFFFFFFFFFFFFFF", "unprogrammed_tag"),
        ("3034257BF7194E40000", "bad_epc"),
        ("30GG257BF7194E4000001A85", "bad_epc"),
        ("", "bad_epc"),
        ("E28011700000020D2A412182_1", "bad_epc"),
        ("000000000000000000000127", "000000000000000000000127"),
        ("0x3074257BF7194E4000001A85", "3074257BF7194E4000001A85"),
        ("30 74 25 7B F7 19 4E 40 00 00 1A 85", "3074257BF7194E4000001A85"),
        ("A" * 129, "out_of_range"),
    ],
)
def test_epcs_are_normalised_or_refused_never_guessed(epc: str, expected: str) -> None:
    (found,) = only("native", native(reads=[{"epc": epc}]))
    assert (found.epc if isinstance(found, RfidReading) else found.reason) == expected  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "empty_payload"),
        (b"\x00", "nul_character"),
        (b'{"ts":"\\u0000"}', "nul_character"),
        (b"\xef\xbb\xbf{}", "byte_order_mark"),
        (b'{"ts":"\xff"}', "not_utf8"),
        (b"\x1f\x8b\x08\x00", "compressed"),
        (b"{", "malformed_json"),
        (b"online", "malformed_json"),
        (b'{"ts":"2026-11-23T12:00:00Z","ts":"2026-11-23T12:00:00Z","reads":[]}', "duplicate_key"),
        (b'{"ts":"2026-11-23T12:00:00Z","reads":[{"epc":"E280","epc":"E281"}]}', "duplicate_key"),
        (b'{"ts":"2026-11-23T12:00:00Z","reads":[{"epc":"E280","rssi":NaN}]}', "not_a_number"),
        (b'{"ts":"2026-11-23T12:00:00Z","reads":[{"epc":"E280","rssi":-1e400}]}', "out_of_range"),
        (b'{"ts":"2026-11-23T12:00:00Z","reads":[{"epc":"E280","x":"\\ud800"}]}', "bad_unicode"),
        (b"[" * 100_000, "too_deep"),
        (b'{"ts":"x","reads":' + b"[" * 60 + b"]" * 60 + b"}", "too_deep"),
        (b'{"ts":"yesterday","reads":[]}', "bad_time"),
        (b'{"ts":"2026-13-23T12:00:00Z","reads":[]}', "bad_time"),
        (b'{"ts":12,"reads":[]}', "bad_time"),
        (b'{"ts":"2026-11-23T12:00:00Z"}', "wrong_type"),
        (b"[]", "wrong_type"),
        (b"1" * 5000, "out_of_range"),
        (b" " * 2_000_000, "oversized"),
        (b'{"ts":"2026-11-23T12:00:00Z","reads":[' + b",".join([b'{"epc":"E280"}'] * 5001) + b"]}", "too_many_items"),
    ],
)
def test_what_parsers_disagree_on_is_refused_by_name(payload: bytes, reason: str) -> None:
    found = decode("native", payload, context())
    assert [f.reason for f in found if isinstance(f, Rejected)] == [reason]
    assert not [f for f in found if isinstance(f, RfidReading)]


@pytest.mark.parametrize(
    ("ts", "expected", "flags"),
    [
        ("2026-11-23T12:05:00Z", "2026-11-23T12:05:00+00:00", ()),
        ("2026-11-23T12:05:01Z", NOW.isoformat(), ("future_time",)),
        ("2026-11-23T11:50:00Z", "2026-11-23T11:50:00+00:00", ()),
        ("2026-11-23T11:49:59Z", "2026-11-23T11:49:59+00:00", ("late",)),
        ("1970-01-01T00:00:01Z", NOW.isoformat(), ("clock_unset",)),
        ("2000-01-01T00:00:00Z", NOW.isoformat(), ("clock_unset",)),
        ("2026-11-23T20:00:00+0800", NOW.isoformat(), ()),
        ("2026-11-23T06:00:00-06:00", NOW.isoformat(), ()),
        ("2026-11-23T11:59:60Z", NOW.isoformat(), ()),
        ("2026-11-23T12:00:00", NOW.isoformat(), ("offset_assumed",)),
        ("0001-01-01T00:00:00+08:00", "", ("bad_time",)),
    ],
)
def test_device_clocks_are_believed_within_reason(ts: str, expected: str, flags: tuple[str, ...]) -> None:
    (found,) = only("native", native(ts=ts))
    if isinstance(found, Rejected):
        assert (found.reason,) == flags
    else:
        assert isinstance(found, RfidReading)
        assert (found.observed_at.isoformat(), found.flags) == (expected, flags)


def test_a_reading_with_our_time_carries_the_devices_words_in_its_key() -> None:
    (found,) = only("native", native(ts="1970-01-01T00:00:01Z"))
    assert isinstance(found, RfidReading)
    assert found.event_key == "7@1970-01-01T00:00:01Z"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"lat": 91}, "out_of_range"),
        ({"lon": -181}, "out_of_range"),
        ({"lat": "31.2"}, "wrong_type"),
        ({"lat": None}, "missing_field"),
        ({"speed_mps": -1}, "out_of_range"),
        ({"datum": "MARS"}, "out_of_range"),
        ({"fix": "maybe"}, "out_of_range"),
        ({"fix": None}, "out_of_range"),
        ({"goods": "G-1"}, "wrong_type"),
    ],
)
def test_positions_outside_the_possible_are_refused(change: dict[str, object], reason: str) -> None:
    message = {"ts": "2026-11-23T12:00:00Z", "seq": 1, "lon": 121.5, "lat": 31.2, "datum": "WGS84", "fix": "valid", **change}
    (found,) = only("native", message, "position")
    assert isinstance(found, Rejected)
    assert found.reason == reason


@pytest.mark.parametrize(
    ("payload", "state"),
    [
        (b"online", "online"), (b"offline", "offline"), (b"connection lost", "offline"), (b"connected", "online"), (b"disconnected", "offline"),
        (b'{"_type":"lwt","tst":1}', "offline"), (b'{"online":true}', "online"), (b'{"state":"OFFLINE"}', "offline"), (b"", None),
    ],
)  # fmt: skip
def test_presence_understands_vendors_own_words(payload: bytes, state: str | None) -> None:
    (found,) = decode("zebra-ziotc", payload, context("presence"))
    assert isinstance(found, StateUpdate)
    assert found.presence == state


def test_wms_quantities_must_be_decimal_text() -> None:
    doc = json.loads((PAYLOADS / "wms-json/goods_issue.json").read_bytes())
    doc["lines"][0]["issued"] = "5,000"
    (refused,) = only("wms-event", doc, "doc")
    assert isinstance(refused, Rejected)
    assert refused.reason == "bad_quantity"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["2026-11-23T12:00:00Z", "E28011700000020D2A412182", "location", "tagInventory"]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(
            ["ts", "seq", "reads", "epc", "ant", "rssi", "type", "data", "timestamp", "idHex", "eventNum", "tagData", "tagInventoryEvent", "epcHex",
             "tag_reads", "firstSeenTimestamp", "overflowEvent", "_type", "lat", "lon", "tst", "waypoints", "position", "event", "device", "latitude",
             "longitude", "fixTime", "attributes", "schema", "messageId", "lines", "warehouse", "inventoryStatusEvent", "systemTime", "deviceCode"]
        ),
        inner,
        max_size=6,
    ),
    max_leaves=24,
)  # fmt: skip
payloads = (
    st.binary(max_size=200)
    | json_values.map(lambda v: json.dumps(v).encode())
    | st.text(max_size=100).map(lambda t: t.encode("utf-8", "surrogatepass"))
)


@pytest.mark.parametrize("format_name", [*FORMATS, "none-such"])
@settings(max_examples=120, deadline=None)
@given(payload=payloads, channel=st.sampled_from(["reads", "position", "event", "health", "presence", "doc"]))
def test_any_bytes_give_readings_or_a_named_refusal(format_name: str, payload: bytes, channel: str) -> None:
    found = decode(format_name, payload, context(channel))
    assert found
    for item in found:
        if isinstance(item, Rejected):
            assert item.reason
        elif isinstance(item, RfidReading | PositionReading | DeviceEvent):
            assert item.observed_at.utcoffset() == timedelta(0)
            assert len(item.event_key) <= 256
            item.content_hash()
            msgspec.json.encode(item)  # storable: no lone surrogates, nothing that is not JSON


@pytest.mark.parametrize("format_name", list(FORMATS))
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damaged_samples_give_readings_or_a_named_refusal(format_name: str, data: st.DataObject) -> None:
    folder = {v: k for k, v in FOLDERS.items()}.get(format_name, "zebra-ziotc")
    _, payload = data.draw(st.sampled_from(sample_messages(folder)))
    at = data.draw(st.integers(0, len(payload)))
    damaged = payload[:at] + data.draw(st.binary(max_size=8)) + payload[at + data.draw(st.integers(0, 8)) :]
    assert decode(format_name, damaged, context("doc" if format_name == "wms-event" else "reads"))
