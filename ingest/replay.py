"""Recorded payloads, published as a registered device would.

`.json` is one message (an array stays one), `.ndjson` and `.txt` hold a message per line; for binary formats `.hex` holds a message per line in hex,
`.csv` one per row in its column `hex`, and any other file is one message as it is. A Sparkplug message is JSON as the specification renders it: {topic,
payload_as_json}.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from collateral.errors import NotFound, RejectedInput
from collateral.ids import new_id
from ingest.formats import FORMATS
from ingest.formats.sparkplug_payload import from_rendering
from ingest.registry import Device, Registry
from ingest.subscriber import publish_all
from ingest.topics import BadTopic, SparkplugTopic, build_topic, parse_topic

_ZEBRA_HEALTH = {"heartbeat"}
_OWNTRACKS_SUBTOPICS = {"transition": "/event", "waypoint": "/waypoint", "waypoints": "/waypoint", "status": "/status"}
_NATIVE_CHANNELS = (
    ("reads", "reads"),
    ("lon", "position"),
    ("fix", "position"),
    ("type", "event"),
    ("interval_s", "health"),
    ("schema", "doc"),
)


@dataclass(frozen=True)
class Replayed:
    """What was published."""

    messages: int
    topics: dict[str, int] = field(default_factory=dict)


def replay(path: Path, *, format_name: str, device_id: str, mqtt_url: str, database_url: str, ca_file: str | None = None) -> Replayed:
    """Publish a file for a registered device, in order, at QoS 1.

    mqtt_url needs the device's credential, or an account that may write its topics. Raises NotFound when the device is not registered,
    RejectedInput when it is registered with another format or the file holds no message, OSError when file or broker cannot be reached.
    """
    if format_name not in FORMATS:
        raise RejectedInput(f"format {format_name!r} is none of {', '.join(FORMATS)}")
    device = _registered(database_url, device_id)
    if device.format != format_name:
        raise RejectedInput(f"device {device_id} is registered with format {device.format}, not {format_name}")
    if format_name == "sparkplug-b":
        messages = [sparkplug_message(payload) for payload in recorded_messages(path)]
    else:
        messages = [(topic_for(device, payload), payload) for payload in recorded_messages(path)]
    if not messages:
        raise RejectedInput(f"{path.name} holds no message")
    count = publish_all(mqtt_url, messages, client_id=new_id("replay"), ca_file=ca_file)
    return Replayed(count, dict(Counter(topic for topic, _ in messages)))


def _registered(database_url: str, device_id: str) -> Device:
    registry = Registry()
    with psycopg.connect(database_url, connect_timeout=10) as conn:
        registry.refresh(conn)
    device = registry.device(device_id)
    if device is None:
        raise NotFound(f"no device {device_id} is registered")
    return device


def recorded_messages(path: Path) -> Iterator[bytes]:
    """The payloads in a file. Raises RejectedInput where hex is expected and something else stands."""
    raw = path.read_bytes()
    lines = [line for line in raw.splitlines() if line.strip()]
    match path.suffix:
        case ".ndjson":
            yield from lines
        case ".txt":
            yield from (line + b"\r\n" for line in lines)
        case ".hex":
            yield from (_from_hex(line.decode("ascii", "replace"), path.name) for line in lines)
        case ".csv":
            yield from (_from_hex(row.get("hex") or "", path.name) for row in csv.DictReader(io.StringIO(raw.decode("utf-8"))))
        case _:
            yield raw


def _from_hex(text: str, where: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise RejectedInput(f"{where}: {text[:40]!r} is not hex") from None


def sparkplug_message(rendered: bytes) -> tuple[str, bytes]:
    """Topic and protobuf payload of a Sparkplug message in the specification's JSON. Raises RejectedInput on what a node does not publish."""
    try:
        value = json.loads(rendered)
        topic = value["topic"]
        if not isinstance(parse_topic(topic), SparkplugTopic):
            raise RejectedInput(f"{topic} is no Sparkplug topic")
        return topic, from_rendering(value["payload_as_json"])
    except (BadTopic, ValueError, KeyError, TypeError, AttributeError) as exc:
        raise RejectedInput(f"no Sparkplug message that a node publishes: {exc}") from None


def topic_for(device: Device, payload: bytes) -> str:
    """The topic on which this device would send this payload. What cannot be read goes to its main topic, as a broken device's would."""
    try:
        value: Any = json.loads(payload)
    except (ValueError, RecursionError):  # also what is no text at all
        value = None
    item = value if isinstance(value, dict) else {}
    if device.format == "owntracks":
        topic = device.claimed("topic")
        if topic:
            return f"owntracks/{topic[0]}{_OWNTRACKS_SUBTOPICS.get(str(item.get('_type')), '')}"
    return build_topic(device.tenant_id, device.site, device.device_class, device.device_id, _channel(device, item))


def _channel(device: Device, item: dict[str, Any]) -> str:
    match device.format:
        case "zebra-ziotc":
            return "health" if item.get("type") in _ZEBRA_HEALTH or "radioConnection" in item else "reads"
        case "impinj-iot":
            return "reads"
        case "owntracks":
            return "event" if item.get("_type") in _OWNTRACKS_SUBTOPICS else "position"
        case "traccar":
            return "event" if "event" in item else "position"
        case "jt808" | "jt808-json" | "teltonika" | "meitrack":
            return "position"
        case "wms-event":
            return "doc"
    return next((channel for name, channel in _NATIVE_CHANNELS if name in item), "reads")
