"""Alert events to every open stream of this process: one LISTEN connection, bounded queues, nothing skipped.

Ids are given out before a transaction commits, so event 12 can become visible before event 11. Events are sent as they
become visible; the id that a client resumes from never passes an id that is still undecided. `settled` is the highest id up
to which every event was sent or is known never to come.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import dict_row

from api.problems import plain
from db.sql import load_queries

log = logging.getLogger(__name__)

QUERIES = load_queries(__file__, "stream.sql")
QUEUE_ITEMS_MAX = 1000
BATCH_ROWS_MAX = 500
POLL_S = 5.0
GAP_POLL_S = 0.5
HOLE_GRACE_S = 5.0
RECONNECT_S = 0.5
LOOK_BACK_IDS = 1000


@dataclass(frozen=True)
class StreamItem:
    """One event for one tenant, with the id from which a client can safely resume after it."""

    event_id: int
    resume_id: int
    tenant_id: str
    data: dict[str, Any]


class Subscription:
    """One client's bounded queue; `overflowed` when the client was too slow, then it has to resume from the table."""

    def __init__(self, tenant_id: str) -> None:
        self.tenant_id = tenant_id
        self.queue: asyncio.Queue[StreamItem | None] = asyncio.Queue(QUEUE_ITEMS_MAX)
        self.overflowed = False

    def offer(self, item: StreamItem | None) -> None:
        """Put an item, or None as the end."""
        if self.overflowed:
            return
        try:
            self.queue.put_nowait(item)
        except asyncio.QueueFull:
            self.overflowed = True
            self.queue.get_nowait()
            self.queue.put_nowait(None)


@dataclass
class _Hole:
    """An id that is missing below a visible one: its transaction runs, or was rolled back."""

    seen_s: float
    after_xid: int


class Progress:
    """Which event ids were sent, which are undecided. Pure bookkeeping; see the module's head."""

    def __init__(self, settled: int) -> None:
        self.settled = settled
        self._sent: set[int] = set()
        self._holes: dict[int, _Hole] = {}

    @property
    def sent_above(self) -> list[int]:
        """Ids above `settled` that were sent already."""
        return sorted(self._sent)

    @property
    def waiting(self) -> bool:
        """Whether an id is undecided."""
        return bool(self._holes)

    def add(self, event_id: int) -> None:
        """An event was sent."""
        if event_id > self.settled:
            self._sent.add(event_id)
            self._holes.pop(event_id, None)

    def advance(self, *, now_s: float, xid_next: int, xid_oldest: int) -> None:
        """Move `settled` on. A hole is given up once every transaction that ran when it was seen has ended, and a grace has passed.

        xid_next: the next transaction id to be given out; xid_oldest: the oldest still running.
        """
        top = max(self._sent, default=self.settled)
        while self.settled < top:
            candidate = self.settled + 1
            if candidate not in self._sent:
                hole = self._holes.setdefault(candidate, _Hole(now_s, xid_next))
                if not (xid_oldest >= hole.after_xid and now_s - hole.seen_s >= HOLE_GRACE_S):
                    for later in range(candidate + 1, min(top, candidate + LOOK_BACK_IDS)):
                        if later not in self._sent:
                            self._holes.setdefault(later, _Hole(now_s, xid_next))
                    return
                del self._holes[candidate]
            self._sent.discard(candidate)
            self.settled = candidate

    def resume_id(self, event_id: int) -> int:
        """From where a client that was sent this event may resume."""
        return event_id if not self._holes else min(event_id, self.settled)


class AlertHub:
    """Listens in a thread of its own and hands events to the subscriptions in the event loop. Survives the store's restart."""

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._subscriptions: set[Subscription] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._ending = threading.Event()
        self._listening = threading.Event()
        self.closed = False
        self.progress: Progress | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to listen."""
        self._loop = loop
        self._thread = threading.Thread(target=self._run, name="alert-hub", daemon=True)
        self._thread.start()

    def end_streams(self) -> None:
        """End every open stream, so that the server can stop. In the event loop's thread."""
        self.closed = True
        for subscription in list(self._subscriptions):
            subscription.offer(None)

    def end_streams_soon(self) -> None:
        """end_streams from any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self.end_streams)

    def stop(self, wait_s: float = 5.0) -> None:
        """Stop listening."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join(wait_s)

    def subscribe(self, tenant_id: str) -> Subscription:
        """A queue of this tenant's events from now on. In the event loop's thread."""
        subscription = Subscription(tenant_id)
        self._subscriptions.add(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Forget it."""
        self._subscriptions.discard(subscription)

    @property
    def open_streams(self) -> int:
        """How many clients listen."""
        return len(self._subscriptions)

    def resume_id(self, event_id: int) -> int:
        """See Progress.resume_id."""
        return self.progress.resume_id(event_id) if self.progress else event_id

    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                with psycopg.connect(
                    self._database_url, autocommit=True, connect_timeout=5, application_name="chuantou-api-stream"
                ) as conn:
                    self._listen(conn)
            except psycopg.Error as exc:
                log.warning("alert stream lost the store", extra={"event": "stream_store_lost", "error": str(exc).strip()})
                self._ending.wait(RECONNECT_S)

    def _listen(self, conn: psycopg.Connection[Any]) -> None:
        conn.execute("LISTEN alert_event")
        if self.progress is None:
            row = conn.execute(QUERIES["newest_event"]).fetchone()
            newest = int(row[0]) if row else 0
            self.progress = Progress(max(0, newest - LOOK_BACK_IDS))
            for (event_id,) in conn.execute(QUERIES["ids_above"], {"settled": self.progress.settled, "upto": newest}):
                self.progress.add(event_id)
        self._listening.set()
        while not self._ending.is_set():
            self._forward(conn, self.progress)
            wait_s = GAP_POLL_S if self.progress.waiting else POLL_S
            until_s = time.monotonic() + wait_s
            while not self._ending.is_set() and time.monotonic() < until_s:
                if any(True for _ in conn.notifies(timeout=0.25, stop_after=1)):
                    break

    def _forward(self, conn: psycopg.Connection[Any], progress: Progress) -> None:
        while True:
            params = {"settled": progress.settled, "sent": progress.sent_above, "limit": BATCH_ROWS_MAX}
            _, oldest_before = _horizon(conn)  # what had ended before we looked, we would have seen
            with conn.cursor(row_factory=dict_row) as cur:
                rows = cur.execute(QUERIES["events_to_send"], params).fetchall()
            next_after, _ = _horizon(conn)  # what holds a lower id than these rows began before this
            for row in rows:
                progress.add(row["event_id"])
            progress.advance(now_s=time.monotonic(), xid_next=next_after, xid_oldest=oldest_before)
            items = [StreamItem(r["event_id"], progress.resume_id(r["event_id"]), r["tenant_id"], event_data(r)) for r in rows]
            if items and self._loop is not None:
                self._loop.call_soon_threadsafe(self._fan_out, items)
            if len(rows) < BATCH_ROWS_MAX:
                return

    def _fan_out(self, items: list[StreamItem]) -> None:
        for subscription in list(self._subscriptions):
            for item in items:
                if item.tenant_id == subscription.tenant_id:
                    subscription.offer(item)


def _horizon(conn: psycopg.Connection[Any]) -> tuple[int, int]:
    row = conn.execute(QUERIES["transaction_horizon"]).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def event_data(row: dict[str, Any]) -> dict[str, Any]:
    """The alert's row as it is now, and under `event` what happened to it."""
    event_keys = ("event_id", "event_kind", "event_happened_at", "event_recorded_at", "event_actor", "event_detail")
    alert = {k: plain(v) for k, v in row.items() if k not in event_keys}
    alert["event"] = {k.removeprefix("event_") if k != "event_id" else k: plain(row[k]) for k in event_keys}
    return alert
