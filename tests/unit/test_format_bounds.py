"""Every registered format, whatever is thrown at it: readings or a named refusal, in bounded time and memory."""

from __future__ import annotations

import gzip
import json
import re
import time
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.formats import FORMATS, decode
from ingest.readings import DecodeContext, Decoded, DeviceEvent, Limits, PositionReading, Rejected, RfidReading, StateUpdate
from ingest.topics import Channel

PAYLOADS = Path(__file__).parents[1] / "payloads"
DOCUMENTED = set(re.findall(r"`([a-z0-9_]+)`", (PAYLOADS.parents[1] / "docs/devices.md").read_text(encoding="utf-8")))
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MIB = 1_048_576
CPU_S_MAX = 60.0  # seconds of processor time for one message; a decoder that is worse than linear needs hours
MEMORY_PER_BYTE_MAX = 60  # Python objects of a dense JSON array of small numbers or objects
MEMORY_BASE_BYTES = 4 * MIB
TS = "2026-11-23T12:00:00Z"
OTHER_SYNTAX = {
    "jt808",
    "teltonika",
    "meitrack",
    "sparkplug-b",
    "edifact",
    "x12",
}  # not JSON: these bytes mean something else, or nothing, there
SAMPLES = [p.read_bytes() for p in sorted(PAYLOADS.rglob("*json")) if p.is_file() and "asyncapi" not in p.parts]


def checked(format_name: str, payload: bytes, channel: str = "reads", limits: Limits | None = None) -> Decoded:
    found = decode(format_name, payload, DecodeContext(channel, NOW, limits=limits or Limits()))
    assert found, "nothing at all was said about a message"
    for item in found:
        if isinstance(item, Rejected):
            assert item.reason in DOCUMENTED, item
            assert len(item.detail) <= 1000
        elif isinstance(item, RfidReading | PositionReading | DeviceEvent):
            assert item.observed_at.utcoffset() is not None
            assert len(item.event_key) <= 256
            assert b"\\u0000" not in msgspec.json.encode(item)
            item.content_hash()
    return found


def only_refused(found: Decoded) -> bool:
    return all(isinstance(item, Rejected | StateUpdate) for item in found)


# ---------------------------------------------------------------- any bytes

BREAKERS = [
    "\0",
    "\\u0000",
    "\ufeff",
    "NaN",
    "-Infinity",
    "1e400",
    "-1e400",
    "9" * 400,
    "\\ud800",
    "﷽",
    "{",
    "[",
    '"',
    "\n",
    "\r\n",
    "e",
    "null",
]
any_bytes = st.binary(max_size=300) | st.text(max_size=100).map(lambda t: t.encode("utf-8", "surrogatepass"))


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A sample of any format with a few places overwritten, doubled or cut."""
    payload = draw(st.sampled_from(SAMPLES))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(payload)))
        put = draw(st.sampled_from(BREAKERS).map(lambda t: t.encode("utf-8", "surrogatepass")) | st.binary(max_size=6))
        payload = payload[:at] + put + payload[at + draw(st.integers(0, 12)) :]
    return payload


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A sample of any format with values exchanged for others, at any depth."""
    values = (
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=30)
        | st.just([])
        | st.just({})
        | st.sampled_from([TS, "E28011700000020D2A412182"])
    )

    def change(node: object) -> object:
        if draw(st.integers(0, 9)) == 0:
            return draw(values)
        if isinstance(node, dict):
            return {k: change(v) for k, v in node.items() if draw(st.integers(0, 19))}
        return [change(v) for v in node] if isinstance(node, list) else node

    lines = draw(st.sampled_from(SAMPLES)).splitlines()
    try:
        node = json.loads(b"\n".join(lines))
    except ValueError:
        node = [json.loads(line) for line in lines if line[:1] == b"{" and line[-1:] == b"}"]
    return json.dumps(change(node)).encode()


@pytest.mark.parametrize("format_name", [*FORMATS, "none-such"])
@settings(max_examples=150, deadline=None)
@given(payload=any_bytes | damaged() | mutated(), channel=st.sampled_from([c.value for c in Channel]))
def test_any_bytes_on_any_channel_give_readings_or_a_named_refusal(format_name: str, payload: bytes, channel: str) -> None:
    checked(format_name, payload, channel)


@pytest.mark.parametrize("format_name", FORMATS)
@settings(max_examples=40, deadline=None)
@given(payload=damaged() | mutated())
def test_the_same_bytes_always_mean_the_same(format_name: str, payload: bytes) -> None:
    assert checked(format_name, payload) == checked(format_name, payload)


# ---------------------------------------------------------------- what breaks parsers, by name


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize(
    ("payload", "reasons"),
    [
        (b"", {"empty_payload"}),
        (b"\x00" * 100, {"nul_character"}),
        (b'{"type":"\\u0000"}', {"nul_character"}),
        (b"\xef\xbb\xbf{}", {"byte_order_mark"}),
        ('{"ts":"x"}'.encode("utf-16"), {"byte_order_mark"}),
        (b'{"ts":"\xc3\x28"}', {"not_utf8"}),
        (b'{"ts":"\xed\xa0\x80"}', {"not_utf8"}),
        (gzip.compress(b'{"ts":"x"}' * 100, mtime=0), {"compressed"}),
        (b'{"type":"SIMPLE","type":"SIMPLE"}', {"duplicate_key"}),
        (b'[{"type":"SIMPLE","data":{"a":1,"a":1}}]', {"duplicate_key"}),
        (b'{"ts":NaN}', {"not_a_number"}),
        (b'{"ts":-Infinity}', {"not_a_number"}),
        (b'{"ts":1e400}', {"out_of_range"}),
        (b'{"ts":' + b"9" * 5000 + b"}", {"out_of_range"}),
        (b'{"ts":"\\ud800"}', {"bad_unicode"}),
        (b"[" * 500_000, {"too_deep"}),
        (b'{"a":' * 200_000, {"too_deep"}),
        (b'{"a":' * 30 + b"1" + b"}" * 30, {"too_deep"}),
        (b"[" + b"[]," * 100_000 + b"[]]", {"too_many_items", "wrong_type"}),
        (b"x" * (MIB + 1), {"oversized"}),
        (b"[" + b"1," * (5 * MIB) + b"1]", {"oversized"}),
    ],
    ids=lambda v: f"{v[:24]!r}" if isinstance(v, bytes) else "",
)
def test_what_parsers_disagree_on_is_refused_by_name(format_name: str, payload: bytes, reasons: set[str]) -> None:
    found = checked(format_name, payload)
    assert only_refused(found)
    if format_name not in OTHER_SYNTAX:
        assert {f.reason for f in found if isinstance(f, Rejected)} <= reasons


# ---------------------------------------------------------------- bounded time and memory

# With the limits out of the way: what the decoder itself makes of it, not what a limit spares it. A message of ten
# million bytes is one long value; one of many small elements is shorter, as each element is answered with an object.
WIDE = Limits(payload_bytes_max=11 * MIB, items_max=10_000_000)
SIZE = 10_000_000
ELEMENTS_SIZE = 2_000_000


def filled(item: bytes, head: bytes = b"[", tail: bytes = b"]", between: bytes = b",", size: int = ELEMENTS_SIZE) -> bytes:
    return head + between.join([item] * ((size - len(head) - len(tail)) // (len(item) + len(between)))) + tail


ZEBRA = b'{"type":"SIMPLE","timestamp":"2026-11-23T12:00:00.000+0000","data":{"eventNum":1,"idHex":"e28011700000020d2a412182"}}'
HUGE: dict[str, Callable[[], bytes]] = {
    "numbers": lambda: filled(b"1"),
    "objects": lambda: filled(b"{}"),
    "lines": lambda: filled(b"{}", b"", b"", b"\n"),
    "half lines": lambda: filled(b'{"a":', b"{", b"", b"\n"),
    "one text": lambda: b'{"ts":"' + b"x" * SIZE + b'"}',
    "one key": lambda: b'{"' + b"x" * SIZE + b'":1}',
    "spaces": lambda: b" " * SIZE,
    "escapes": lambda: b'{"ts":"' + b"\\u4e2d" * (SIZE // 6) + b'"}',
    "keys": lambda: b"{" + b",".join(b'"%d":1' % i for i in range(ELEMENTS_SIZE // 11)) + b"}",
    "zebra reads": lambda: filled(ZEBRA),
    "a tag list": lambda: filled(b'"e28011700000020d2a412182"', b'{"eventtime":"2026-11-23T12:00:00Z","eventid":"1","observe":[', b"]}"),
    "native reads": lambda: filled(b'{"epc":"E28011700000020D2A412182"}', b'{"ts":"2026-11-23T12:00:00Z","reads":[', b"]}"),
    "a hex of ten million digits": lambda: b'{"type":"SIMPLE","timestamp":"2026-11-23T12:00:00Z","data":{"idHex":"' + b"e2" * (SIZE // 2) + b'"}}',
}  # fmt: skip


@pytest.mark.parametrize("format_name", FORMATS)
def test_ten_million_bytes_are_refused_before_they_are_read(format_name: str) -> None:
    if format_name == "sparkplug-b":
        return  # has topics of its own, and refuses this one before it looks at the bytes
    payload = filled(ZEBRA, size=SIZE)
    found = checked_lightly(format_name, payload, Limits())
    assert [f.reason for f in found if isinstance(f, Rejected)] == ["oversized"]


@pytest.mark.slow
@pytest.mark.parametrize("shape", HUGE)
def test_millions_of_bytes_take_bounded_time(shape: str) -> None:
    payload = HUGE[shape]()
    assert ELEMENTS_SIZE * 0.9 < len(payload) <= 11 * MIB
    for format_name in _wide_formats(shape):
        started = time.process_time()
        checked_lightly(format_name, payload, WIDE)
        assert time.process_time() - started < CPU_S_MAX, format_name


def _wide_formats(shape: str) -> tuple[str, ...]:
    """Formats with a reader of their own for this shape; the others share it."""
    return {"a tag list": ("cabinet-snapshot",), "native reads": ("native",)}.get(shape, ("zebra-ziotc",))


def checked_lightly(format_name: str, payload: bytes, limits: Limits) -> Decoded:
    found = decode(format_name, payload, DecodeContext("reads", NOW, limits=limits))
    assert found
    return found


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize("item", [b"1", b"{}", b'{"a":1}', b'"x"', b"[]"])
def test_memory_grows_with_the_message_and_no_faster(format_name: str, item: bytes) -> None:
    payload = b"[" + b",".join([item] * (MIB // (len(item) + 1) - 1)) + b"]"
    tracemalloc.start()
    try:
        checked_lightly(format_name, payload, Limits())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < MEMORY_BASE_BYTES + MEMORY_PER_BYTE_MAX * len(payload)
