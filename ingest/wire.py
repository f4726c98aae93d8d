"""From bytes to checked values: strict JSON, times, numbers, hex. Everything raises Refusal with a stable reason."""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import json
import math
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, NoReturn

import msgspec

from collateral.gs1 import TAG_BITS_BY_HEADER
from ingest.readings import DecodeContext, Limits, Refusal

YEAR_MIN = 2010  # a clock that shows an earlier year was never set
TEXT_CHARACTERS_MAX = 256
EPC_DIGITS_MAX = 128
_DAY = timedelta(days=1)
_ISO = re.compile(r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}):(\d{2})(?:[.,](\d{1,12}))?\s*(Z|z|[+-]\d{2}(?::?\d{2})?)?")
_PLAIN_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:[0-5]\d(?:\.\d{3}(?:\d{3})?)?(?:Z|\+00:00)", re.ASCII).fullmatch
_HEX = re.compile(r"[0-9A-F]+")


def checked_bytes(payload: bytes, limits: Limits) -> bytes:
    """The payload when it can be text at all: not empty, not too long, UTF-8 without a byte order mark or NUL."""
    if not payload:
        raise Refusal("empty_payload", "the message has no content")
    if len(payload) > limits.payload_bytes_max:
        raise Refusal("oversized", f"{len(payload)} bytes; at most {limits.payload_bytes_max} are taken")
    if payload.startswith(b"\x1f\x8b"):
        raise Refusal("compressed", "the message is gzip; send plain JSON")
    if payload.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        raise Refusal("byte_order_mark", "the message starts with a byte order mark")
    if b"\x00" in payload or b"\\u0000" in payload:
        raise Refusal("nul_character", "the message contains NUL")
    if not payload.isascii():
        try:
            payload.decode("utf-8")
        except UnicodeDecodeError as exc:
            raise Refusal("not_utf8", f"byte {exc.start} is not UTF-8") from None
    return payload


def checked_binary(payload: bytes, limits: Limits) -> bytes:
    """The payload of a binary format: not empty, not too long."""
    if not payload:
        raise Refusal("empty_payload", "the message has no content")
    if len(payload) > limits.payload_bytes_max:
        raise Refusal("oversized", f"{len(payload)} bytes; at most {limits.payload_bytes_max} are taken")
    return payload


def place(lon: float, lat: float) -> tuple[float, float]:
    """(lon, lat) in degrees when they are a place. A swapped pair is named, not mended: which of two readings is meant is not for us to guess."""
    if -90 <= lat <= 90 and -180 <= lon <= 180:
        return lon, lat
    swapped = "; longitude and latitude look swapped" if -90 <= lon <= 90 and -180 <= lat <= 180 else ""
    raise Refusal("out_of_range", f"latitude {lat:g}, longitude {lon:g} are no place on earth{swapped}")


def content_key(payload: bytes) -> str:
    """Names a message that has neither number nor time: a digest of its content."""
    return hashlib.blake2b(payload, digest_size=16).hexdigest()


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Refusal("duplicate_key", "an object has the same key twice")
    return found


def _no_constant(text: str) -> NoReturn:
    raise Refusal("not_a_number", f"{text} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise Refusal("out_of_range", f"number {text[:40]} is too large")
    return value


def _integer(text: str) -> int:
    if len(text) > 30:
        raise Refusal("out_of_range", f"number of {len(text)} digits is too large")
    return int(text)


_decoder = json.JSONDecoder(object_pairs_hook=_no_duplicates, parse_constant=_no_constant, parse_float=_finite, parse_int=_integer)


def strict_json(payload: bytes, limits: Limits) -> Any:
    """The JSON value, refusing what parsers disagree on: duplicate keys, NaN, overflow, lone surrogates, deep nesting."""
    text = checked_bytes(payload, limits).decode("utf-8")
    try:
        value = _decoder.decode(text)
    except RecursionError:
        raise Refusal("too_deep", f"nested deeper than {limits.depth_max}") from None
    except ValueError as exc:
        raise Refusal("malformed_json", str(exc)[:200]) from None
    check_depth(value, limits)
    if "\\u" in text:
        try:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError:
            raise Refusal("bad_unicode", "a \\u escape is half of a surrogate pair") from None
    return value


def check_depth(value: Any, limits: Limits) -> None:
    """Refuses a value nested deeper than limits.depth_max. Iterative: its own stack cannot overflow."""
    level = [value]
    for _ in range(limits.depth_max + 1):
        level = [
            child
            for node in level
            if isinstance(node, dict | list)
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, dict | list)
        ]
        if not level:
            return
    raise Refusal("too_deep", f"nested deeper than {limits.depth_max}")


def json_object(value: Any, what: str = "the message") -> dict[str, Any]:
    """value when it is an object."""
    if not isinstance(value, dict):
        raise Refusal("wrong_type", f"{what} is {_kind(value)}, not an object")
    return value


def elements(value: Any, limits: Limits, *, what: str = "the message") -> list[Any]:
    """The items of an array, or the one value as a list of one."""
    if not isinstance(value, list):
        return [value]
    if not value:
        raise Refusal("no_readings", f"{what} is an empty array")
    if len(value) > limits.items_max:
        raise Refusal("too_many_items", f"{len(value)} items; at most {limits.items_max} are taken")
    return value


def messages(payload: bytes, limits: Limits) -> list[tuple[int, dict[str, Any] | Refusal]]:
    """The objects of a payload with their item numbers: one object (-1), an array of them, or one per line (NDJSON).

    An element that is no object, or a line that is no JSON, comes back as its Refusal, so that it does not take its neighbours with it.
    """
    try:
        value = strict_json(payload, limits)
    except Refusal as exc:
        lines = payload.splitlines()
        if exc.reason != "malformed_json" or len(lines) < 2 or not payload.lstrip().startswith(b"{"):
            raise
        kept = [line for line in lines if line.strip()]
        if len(kept) > limits.items_max:
            raise Refusal("too_many_items", f"{len(kept)} lines; at most {limits.items_max} are taken") from None
        found = [(i, _line(line, limits)) for i, line in enumerate(kept)]
        if all(isinstance(item, Refusal) for _, item in found):
            raise  # not lines of JSON, but one malformed message
        return found
    if not isinstance(value, list):
        return [(-1, json_object(value))]
    return [(i, _object_or_refusal(item)) for i, item in enumerate(elements(value, limits))]


def _line(line: bytes, limits: Limits) -> dict[str, Any] | Refusal:
    try:
        return _object_or_refusal(strict_json(line, limits))
    except Refusal as exc:
        return exc


def _object_or_refusal(value: Any) -> dict[str, Any] | Refusal:
    try:
        return json_object(value, "an item")
    except Refusal as exc:
        return exc


def _kind(value: Any) -> str:
    return {dict: "an object", list: "an array", str: "text", bool: "a boolean", type(None): "null"}.get(type(value), "a number")


def number(source: dict[str, Any], name: str, low: float, high: float) -> float | None:
    """A finite number within [low, high], or None when absent or null. Text is refused: "61.2" is not 61.2."""
    value = source.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refusal("wrong_type", f"{name} is {_kind(value)}, not a number")
    if not low <= value <= high:
        raise Refusal("out_of_range", f"{name} {value} is outside {low:g} ... {high:g}")
    return float(value)


def integer(source: dict[str, Any], name: str, low: int, high: int) -> int | None:
    """A whole number within [low, high], or None when absent or null."""
    value = source.get(name)
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Refusal("wrong_type", f"{name} is {_kind(value)}, not a whole number")
    if not low <= value <= high:
        raise Refusal("out_of_range", f"{name} {value} is outside {low} ... {high}")
    return value


def text(source: dict[str, Any], name: str, characters_max: int = TEXT_CHARACTERS_MAX) -> str | None:
    """Text of limited length, or None when absent or null."""
    value = source.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise Refusal("wrong_type", f"{name} is {_kind(value)}, not text")
    if len(value) > characters_max:
        raise Refusal("out_of_range", f"{name} has {len(value)} characters; at most {characters_max} are taken")
    return value


def boolean(source: dict[str, Any], name: str) -> bool | None:
    """True, false, or None when absent or null."""
    value = source.get(name)
    if value is not None and not isinstance(value, bool):
        raise Refusal("wrong_type", f"{name} is {_kind(value)}, not a boolean")
    return value


def hex_id(value: Any, name: str, *, digits_max: int = EPC_DIGITS_MAX) -> str:
    """Upper-case hex of a tag memory bank; spaces, dashes and 0x are dropped."""
    if not isinstance(value, str):
        raise Refusal("wrong_type", f"{name} is {_kind(value)}, not text")
    plain = value.strip().upper().removeprefix("0X").replace(" ", "").replace("-", "")
    if not plain:
        raise Refusal("bad_epc" if name == "epc" else "bad_hex", f"{name} is empty")
    if len(plain) > digits_max:
        raise Refusal("out_of_range", f"{name} has {len(plain)} digits; at most {digits_max} are taken")
    if len(plain) % 2 or _HEX.fullmatch(plain) is None:
        raise Refusal("bad_epc" if name == "epc" else "bad_hex", f"{name} {value[:64]!r} is not an even number of hex digits")
    return plain


def epc(value: Any) -> str:
    """A tag's EPC as upper-case hex. Refused: all zeros or all ones (an unprogrammed tag), and less memory than its GS1 header promises (cut off)."""
    found = hex_id(value, "epc")
    if not found.strip("0") or not found.strip("F"):
        raise Refusal("unprogrammed_tag", f"epc {found[:32]} is all zeros or all ones")
    if len(found) < 24 and TAG_BITS_BY_HEADER.get(found[:2], 0) > len(found) * 4:
        raise Refusal("bad_epc", f"epc {found} has a GS1 header of {TAG_BITS_BY_HEADER[found[:2]]} bits, but only {len(found) * 4}")
    return found


def are_plain_epcs(found: list[str]) -> bool:
    """Whether each is what `epc` would return for it, found out for all at once."""
    joined = "".join(found)
    if not (joined.isascii() and joined.isalnum() and joined == joined.upper()):
        return False
    try:
        bytes.fromhex(joined)
    except ValueError:
        return False
    lengths = {len(one) for one in found}
    return all(0 < n <= EPC_DIGITS_MAX and n % 2 == 0 for n in lengths) and not {d * n for n in lengths for d in "0F"}.intersection(found)


def hex_from_base64(value: Any, name: str) -> str:
    """Upper-case hex of base64 text."""
    if not isinstance(value, str):
        raise Refusal("wrong_type", f"{name} is {_kind(value)}, not text")
    try:
        raw = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise Refusal("bad_base64", f"{name} {value[:64]!r} is not base64") from None
    return raw.hex().upper()


def iso_time(value: Any, name: str, ctx: DecodeContext) -> tuple[datetime, tuple[str, ...], str]:
    """UTC time of ISO 8601 text, flags, and the digits finer than a microsecond. Second 60 is read as the next second."""
    if not isinstance(value, str):
        raise Refusal("bad_time", f"{name} is {_kind(value)}, not ISO 8601 text")
    if _PLAIN_ISO(value):
        with contextlib.suppress(ValueError):
            return datetime.fromisoformat(value), (), ""
    match = _ISO.fullmatch(value.strip())
    if match is None:
        raise Refusal("bad_time", f"{name} {value[:40]!r} is not ISO 8601 with date and time")
    day, minute, second, fraction, offset = match.groups()
    flags: tuple[str, ...] = ()
    if offset is None:
        flags = ("offset_assumed",)
        zone: timezone = timezone(timedelta(minutes=ctx.utc_offset_minutes))
    elif offset in "Zz":
        zone = UTC
    else:
        hours, minutes = int(offset[1:3]), int(offset[3:].lstrip(":") or 0)
        if hours > 14 or minutes > 59:
            raise Refusal("bad_time", f"{name} has the offset {offset}")
        zone = timezone((1 if offset[0] == "+" else -1) * timedelta(hours=hours, minutes=minutes))
    fraction = fraction or ""
    try:
        leap = second == "60"
        at = datetime.fromisoformat(f"{day}T{minute}:{'59' if leap else second}").replace(
            microsecond=int(fraction[:6].ljust(6, "0")), tzinfo=zone
        )
        at = (at + timedelta(seconds=1) if leap else at).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Refusal("bad_time", f"{name} {value[:40]!r} is no date and time") from None
    return at, flags, fraction[6:].rstrip("0")


def epoch_time(value: Any, name: str, per_second: int) -> datetime:
    """UTC time of a count since 1970 in 1/per_second seconds."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refusal("wrong_type", f"{name} is {_kind(value)}, not a number")
    try:
        micros = int(value) * 1_000_000 // per_second if isinstance(value, int) else round(value * 1_000_000 / per_second)
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
    except (OverflowError, ValueError):
        raise Refusal("bad_time", f"{name} {value} is no time") from None


def judged_time(
    at: datetime, raw: object, key: str, ctx: DecodeContext, flags: tuple[str, ...] = ()
) -> tuple[datetime, str, tuple[str, ...]]:
    """Event time, event key and flags after a look at the device's clock.

    A clock that was never set or runs ahead is replaced by our time of receipt; the device's own words go into the key, so that
    a repeated delivery is still found.
    """
    if at.year < YEAR_MIN:
        return ctx.received_at, f"{key}@{str(raw)[:40]}", (*flags, "clock_unset")
    lateness_s = (ctx.received_at - at).total_seconds()
    if lateness_s < -ctx.limits.future_s_max:
        return ctx.received_at, f"{key}@{str(raw)[:40]}", (*flags, "future_time")
    if lateness_s > ctx.limits.late_after_s:
        return at, key, (*flags, "late")
    return at, key, flags


def json_text(value: Any) -> str:
    """Compact JSON for a jsonb parameter."""
    return msgspec.json.encode(value).decode()
