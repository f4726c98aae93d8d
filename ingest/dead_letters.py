"""Refusals of a batch as rows of `dead_letter`: folded, so that sum(items * times) stays the number of refused readings."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ingest.screen import Refused, payload_sha256
from ingest.topics import DeviceTopic, OwnTracksTopic, SparkplugTopic, parse_topic

PAYLOAD_KEPT_BYTES_MAX = 65_536
DETAIL_CHARACTERS_MAX = 1_000

Key = tuple[str, str, int, str]


def fold(refused: Iterable[Refused], *, payload_kept_bytes_max: int = PAYLOAD_KEPT_BYTES_MAX) -> dict[Key, dict[str, Any]]:
    """Rows by their unique key. Refusals of one delivery add up as items; the same bytes delivered again count as times."""
    per_delivery: dict[tuple[int, int, str], tuple[Refused, int]] = {}
    for r in refused:
        key = (id(r.source), r.item_no, r.reason)
        first, items = per_delivery.get(key, (r, 0))
        per_delivery[key] = (first, items + r.items)
    rows: dict[Key, dict[str, Any]] = {}
    for r, items in per_delivery.values():
        row = _row(r, items, payload_kept_bytes_max)
        key2 = key_of(row)
        if key2 in rows and rows[key2]["items"] != items:
            row["item_no"] = other_item_no(items)
            key2 = key_of(row)
        known = rows.get(key2)
        if known is None:
            rows[key2] = row
        else:
            known["times"] += 1
            known["first_received_at"] = min(known["first_received_at"], row["first_received_at"])
            known["last_received_at"] = max(known["last_received_at"], row["last_received_at"])
    return rows


def key_of(row: dict[str, Any]) -> Key:
    return (row["topic"], row["payload_sha256"], row["item_no"], row["reason"])


def other_item_no(items: int) -> int:
    """Where the same message is kept when another number of its items is refused than before: below -1, told apart by that number."""
    return -1 - items


def _row(r: Refused, items: int, payload_kept_bytes_max: int) -> dict[str, Any]:
    topic = r.source.topic
    try:
        named = parse_topic(topic)
    except ValueError:
        named = None
    device = named.device_id if isinstance(named, DeviceTopic) else named.device if isinstance(named, OwnTracksTopic) else None
    if isinstance(named, SparkplugTopic):
        device = named.node
    return {
        "topic": _storable(topic),
        "topic_device": device,
        "tenant_id": named.tenant_id if isinstance(named, DeviceTopic) else None,
        "item_no": r.item_no,
        "reason": r.reason,
        "detail": _storable(r.detail)[:DETAIL_CHARACTERS_MAX],
        "payload": r.source.payload[:payload_kept_bytes_max].hex(),
        "payload_bytes": len(r.source.payload),
        "payload_sha256": payload_sha256(r.source.payload).hex(),
        "items": items,
        "times": 1,
        "first_received_at": r.source.received_at,
        "last_received_at": r.source.received_at,
    }


def _storable(text: str) -> str:
    """Text without what PostgreSQL's text cannot hold."""
    return text.replace("\x00", "\\0").encode("utf-8", "backslashreplace").decode("utf-8")
