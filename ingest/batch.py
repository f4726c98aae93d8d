"""One batch on its way into the tables: outcomes, counts, and the queries that all its parts share. Nothing here commits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec
import psycopg

from db.sql import load_queries
from ingest import dead_letters
from ingest.device_states import News
from ingest.movements import Movement
from ingest.registry import Registry
from ingest.screen import Delivery, Fixed, Happening, Observation, PlacedReads, Refused, Screened
from ingest.tally import Fate, Tally
from ingest.zones_evidence import ReadPolicy

QUERIES = load_queries(__file__)
OUR_TIME_FLAGS = {"clock_unset", "future_time"}
_OUR_TIME_LOOKBACK = timedelta(days=35)  # longer than a broker keeps a session

Conn = psycopg.Connection[Any]
_T = TypeVar("_T", Observation, Fixed, Happening)


class ConcurrentChange(Exception):
    """Another worker saw the same tag for the first time; do the batch again."""


@dataclass(frozen=True)
class StoreOptions:
    """How telemetry is kept. smoothing 0 = every read is a row; reorder: how long a Sparkplug message may be missing before its node is asked."""

    smoothing: timedelta = timedelta(seconds=300)
    payload_kept_bytes_max: int = dead_letters.PAYLOAD_KEPT_BYTES_MAX
    reorder: timedelta = timedelta(seconds=2)


class Batch:
    """One batch on its way into the tables: what it came to so far, and how readings are told apart by their keys."""

    def __init__(self, conn: Conn, screened: Screened, registry: Registry, options: StoreOptions) -> None:
        self.conn = conn
        self.screened = screened
        self.registry = registry
        self.options = options
        self.tally = Tally()
        self.refused: list[Refused] = list(screened.refused)
        self.movements: list[Movement] = []
        self.again: list[Movement] = []  # corrections, and what late messages showed
        self._policies: dict[str, ReadPolicy] = {}
        self.news: defaultdict[str, News] = defaultdict(News)

    def policy(self, o: Observation | PlacedReads) -> ReadPolicy:
        """How reads of this device are weighed."""
        device_id = o.device.device_id
        found = self._policies.get(device_id)
        if found is None:
            found = self._policies[device_id] = self.registry.read_policy(o.device, ReadPolicy(smoothing=self.options.smoothing))
        return found

    # ------------------------------------------------------------ outcomes

    def settle(self, item: Observation | Fixed | Happening, fate: Fate) -> None:
        self.tally.count(item.device.device_id, item.source.received_at, fate)

    def settle_all(self, items: Iterable[Observation], fate: Fate) -> None:
        """settle for many, most of which came in the same messages."""
        counts: dict[tuple[int, int], int] = {}
        firsts: dict[tuple[int, int], Observation] = {}
        for item in items:
            key = (id(item.source), id(item.device))  # a gateway's message may hold reads of several devices
            if key in counts:
                counts[key] += 1
            else:
                counts[key], firsts[key] = 1, item
        for key, item in firsts.items():
            self.settle_block(item.device.device_id, item.source, fate, counts[key])

    def settle_block(self, device_id: str, source: Delivery, fate: Fate, readings: int) -> None:
        """The same fate for so many readings of one message."""
        self.tally.count(device_id, source.received_at, fate, readings)

    def conflict(self, item: Observation | Fixed | Happening) -> None:
        r = item.reading
        detail = f"{r.observed_at.isoformat()} {r.event_key}: the same key was received before with other content"
        self.refused.append(Refused(item.source, item.device.device_id, r.item_no, "conflict", detail))

    def settle_kept(
        self, items: Sequence[_T], key: Callable[[_T], tuple[Any, ...]], insert: str, hashes: str, rows: list[dict[str, Any]]
    ) -> list[_T]:
        """Insert rows whose key may be there already; tell stored, repeated and conflicting apart. Returns the stored ones."""
        returned = {tuple(row) for row in self.run(insert, rows)}
        stored = [i for i in items if key(i) in returned]
        for item in stored:
            self.settle(item, Fate.STORED)
        if len(stored) < len(items):
            there: dict[tuple[Any, ...], bytes] = {tuple(row[:-1]): row[-1] for row in self.run(hashes, rows)}
            for item in items:
                if key(item) not in returned:
                    self.repeated_or_conflict(item, there[key(item)])
        return stored

    def repeated_or_conflict(self, item: Observation | Fixed | Happening, content_hash: bytes) -> None:
        if bytes(content_hash) == item.content_hash:
            self.settle(item, Fate.REPEATED)
        else:
            self.conflict(item)

    def first_of_key(self, items: Iterable[_T], key: Callable[[_T], tuple[Any, ...]]) -> list[_T]:
        """Items without later ones of the same key, which are settled here."""
        firsts: dict[tuple[Any, ...], _T] = {}
        for item in items:
            first = firsts.setdefault(key(item), item)
            if first is not item:
                self.repeated_or_conflict(item, first.content_hash)
        return list(firsts.values())

    def run(self, query: str, rows: Any, **more: Any) -> list[tuple[Any, ...]]:
        """A query over rows passed as JSON; no query without rows."""
        if not rows:
            return []
        cursor = self.conn.execute(QUERIES[query], {"rows": msgspec.json.encode(rows).decode(), **more})
        return cursor.fetchall() if cursor.description is not None else []

    def by_our_time(
        self, items: list[_T], query: str, describe: Callable[[_T], dict[str, Any]], always: Callable[[_T], bool] | None = None
    ) -> list[_T]:
        """Readings that carry our time because the device's was not believed: a repeated delivery takes the time of its first."""
        doubtful = [
            (i, item) for i, item in enumerate(items) if not OUR_TIME_FLAGS.isdisjoint(item.reading.flags) or (always and always(item))
        ]
        if not doubtful:
            return items
        rows = [{"no": i, **describe(item)} for i, item in doubtful]
        since = min(item.source.received_at for _, item in doubtful) - _OUR_TIME_LOOKBACK
        known: dict[int, datetime] = {row[0]: row[1] for row in self.run(query, rows, since=since)}
        in_batch: dict[str, datetime] = {}
        items = list(items)
        for i, item in doubtful:
            name = msgspec.json.encode(describe(item)).decode()
            at = known.get(i) or in_batch.setdefault(name, item.reading.observed_at)
            if at != item.reading.observed_at:
                items[i] = msgspec.structs.replace(item, reading=msgspec.structs.replace(item.reading, observed_at=at))
        return items
