"""The fast lane: new movements and refusals are judged within milliseconds of their commit.

Ids commit out of order, so the cursor is a transaction id: each look starts at the xmin of the look before, below which every transaction
was over and visible. What was judged since is skipped by memory, and after a restart by the event keys that each alert keeps; so nothing is
skipped and nothing opens an alert twice.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, LiteralString

import psycopg
from psycopg import Connection, IsolationLevel
from psycopg_pool import PoolTimeout

from collateral import release_service
from collateral.clock import Clock
from db.pool import Pool
from db.sql import load_queries
from risk import job_store, store, trade_store
from risk.alerts import Reconciled, reconcile_in
from risk.evaluate import RuleResult, evaluate, evaluate_rule
from risk.facts import Movement
from risk.rule import Lane, Rule
from risk.rules import rules_of
from risk.rules.unauthorised_exit import EXITS, covers
from risk.shadow import part_shadows
from risk.snapshot import Snapshot
from risk.thresholds import ThresholdBook

log = logging.getLogger(__name__)
_Q = load_queries(__file__)

CHANNELS: tuple[LiteralString, ...] = ("movement", "refused_command", "price", "job_request")
RECONNECT_S = 1.0


@dataclass(kw_only=True)
class _Cursor:
    """Where reading starts, and what was judged above it."""

    movement_xid: int
    refusal_xid: int
    movements: dict[int, int] = field(default_factory=dict)  # id -> transaction
    refusals: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class _Batch:
    """One consistent look: what is new, and the transaction below which all is over."""

    snapshot: Snapshot
    movements: dict[int, int]
    refusals: dict[int, int]
    xmin: int
    more: bool


class FastLane:
    """Judges new movements and refusals. One thread uses it at a time; only the leader runs it."""

    def __init__(self, pool: Pool, clock: Clock, *, batch_max: int = 500, rules: Sequence[Rule] | None = None) -> None:
        self._pool = pool
        self._clock = clock
        self._batch_max = batch_max
        self._rules = rules_of(Lane.FAST) if rules is None else tuple(rules)
        self._cursor: _Cursor | None = None

    def forget(self) -> None:
        """Start from the stored cursor at the next look: another process may have led meanwhile."""
        self._cursor = None

    def drain(self) -> int:
        """Judge everything that is new; returns how many movements and refusals that was. Raises psycopg.Error when the store is gone."""
        judged = 0
        while True:
            batch = self._look()
            if batch.movements or batch.refusals:
                self._judge(batch)
                judged += len(batch.movements) + len(batch.refusals)
            self._advance(batch)
            if not batch.more:
                return judged

    def _look(self) -> _Batch:
        with self._pool.connection() as conn:
            conn.isolation_level = IsolationLevel.REPEATABLE_READ
            try:
                with conn.transaction():
                    return self._read(conn)
            finally:
                conn.isolation_level = None

    def _read(self, conn: Connection[Any]) -> _Batch:
        xmin, xmax = self._bounds(conn)
        cursor = self._cursor
        if cursor is None:
            row = conn.execute(_Q["fast_cursor"]).fetchone()
            assert row is not None
            # A cursor ahead of the server's transactions comes from another server (a restored dump): look at everything again.
            cursor = self._cursor = _Cursor(movement_xid=row[0] if row[0] <= xmax else 0, refusal_xid=row[1] if row[1] <= xmax else 0)
        moved = self._new(conn, "new_movements", cursor.movement_xid, cursor.movements)
        refused = self._new(conn, "new_refusals", cursor.refusal_xid, cursor.refusals)
        snapshot = Snapshot(as_of=self._clock.now())
        if moved or refused:
            book = store.price_book(conn, snapshot.as_of)
            again = [row[0] for row in conn.execute(_Q["exits_behind_corrections"], {"ids": list(moved)})] if moved else []
            movements = store.movements(conn, book, [*moved, *again]) if moved else ()
            refusals = store.refusals(conn, book, list(refused)) if refused else ()
            tuned = trade_store.threshold_book(conn, snapshot.as_of)
            snapshot = Snapshot(as_of=snapshot.as_of, movements=movements, refusals=refusals, tuned=tuned)
        more = len(moved) >= self._batch_max or len(refused) >= self._batch_max
        return _Batch(snapshot=snapshot, movements=moved, refusals=refused, xmin=xmin, more=more)

    @staticmethod
    def _bounds(conn: Connection[Any]) -> tuple[int, int]:
        row = conn.execute(_Q["snapshot_bounds"]).fetchone()
        assert row is not None
        return int(row[0]), int(row[1])

    def _new(self, conn: Connection[Any], query: str, from_xid: int, done: dict[int, int]) -> dict[int, int]:
        params = {"from_xid": str(from_xid), "done": list(done), "limit": self._batch_max}
        return {int(row[0]): int(row[1]) for row in conn.execute(_Q[query], params)}

    def _judge(self, batch: _Batch) -> None:
        now = self._clock.now()
        snapshot = batch.snapshot
        results = evaluate(self._rules, snapshot)
        if any(r.error is not None for r in results):
            results = self._one_by_one(snapshot)
        settled = self._settle(snapshot.movements, snapshot.tuned)
        with self._pool.connection() as conn, conn.transaction():
            live, hidden = part_shadows(results, trade_store.shadowed(conn))
            if hidden:
                trade_store.keep_shadow(conn, hidden, now)
            done = reconcile_in(conn, live, now=now, whole=False)
        self._record(batch, results, done, settled)

    def _one_by_one(self, snapshot: Snapshot) -> list[RuleResult]:
        """After a crash: each event alone, so that one that a rule cannot bear does not hide the others."""
        alone: list[Snapshot] = [replace(snapshot, movements=(m,), refusals=()) for m in snapshot.movements]
        alone += [replace(snapshot, movements=(), refusals=(r,)) for r in snapshot.refusals]
        results: list[RuleResult] = []
        for rule in self._rules:
            single = [evaluate_rule(rule, one) for one in alone]
            borne = [r for r in single if r.error is None]
            findings, cleared = tuple(f for r in borne for f in r.findings), tuple(c for r in borne for c in r.cleared)
            results.append(RuleResult(rule=rule, findings=findings, cleared=cleared))
            results.extend(r for r in single if r.error is not None)
        return results

    def _settle(self, movements: Sequence[Movement], book: ThresholdBook) -> int:
        """Exits that a release covers leave the book; returns how many."""
        settled = 0
        for movement in movements:
            unit, cover = movement.unit, movement.cover
            if (
                movement.kind not in EXITS
                or movement.corrected
                or unit is None
                or cover is None
                or cover.kind != "release"
                or not covers(movement, book)
            ):
                continue
            try:
                done = release_service.record_gate_out(self._pool, unit.goods_id, movement.occurred_at, self._clock.now())
                settled += done is not None
            except psycopg.Error:
                raise
            except Exception:
                log.exception(
                    "gate-out not settled", extra={"event": "gate_out_not_settled", "goods_id": unit.goods_id, "release_id": cover.id}
                )
        return settled

    def _record(self, batch: _Batch, results: Sequence[RuleResult], done: Reconciled, settled: int) -> None:
        counts = {"movements": len(batch.movements), "refusals": len(batch.refusals), "settled": settled, "alerts": done.counts}
        log.info("movements judged", extra={"event": "fast_lane_judged", **counts})
        errors = [{"rule": r.rule.code, "error": r.error} for r in results if r.error is not None]
        errors += done.refused
        if not errors:
            return
        now = self._clock.now()
        run_id = job_store.begin_run(self._pool, "fast_lane", scheduled_for=now, as_of=batch.snapshot.as_of, now=now)
        if run_id is not None:
            inputs = {**counts, "movement_ids": list(batch.movements), "refusal_ids": list(batch.refusals)}
            findings = {r.rule.code: len(r.findings) for r in results if r.error is None}
            job_store.end_run(
                self._pool, run_id, status="PARTLY_FAILED", now=now, inputs=inputs, findings=findings, errors=errors, duration_ms=0
            )

    def _advance(self, batch: _Batch) -> None:
        cursor = self._cursor
        assert cursor is not None
        cursor.movements |= batch.movements
        cursor.refusals |= batch.refusals
        before = (cursor.movement_xid, cursor.refusal_xid)
        if len(batch.movements) < self._batch_max:
            cursor.movement_xid = max(cursor.movement_xid, batch.xmin)
        if len(batch.refusals) < self._batch_max:
            cursor.refusal_xid = max(cursor.refusal_xid, batch.xmin)
        newest = (max(batch.movements, default=0), max(batch.refusals, default=0))
        cursor.movements = {i: xid for i, xid in cursor.movements.items() if xid >= cursor.movement_xid}
        cursor.refusals = {i: xid for i, xid in cursor.refusals.items() if xid >= cursor.refusal_xid}
        if newest == (0, 0) and before[0] and cursor.movement_xid - before[0] < 10_000:
            return  # nothing was judged: the stored cursor may lag, it only makes the next start look at a little more
        params = {
            "movement_xid": str(cursor.movement_xid),
            "refusal_xid": str(cursor.refusal_xid),
            "movement_id": newest[0],
            "refusal_id": newest[1],
        }
        with self._pool.connection() as conn:
            conn.execute(_Q["advance_cursor"], params)


def listen(database_url: str, wake: Callable[[str], None], stop: threading.Event, *, poll_s: float) -> None:
    """Call wake(channel) for each notification, and wake('poll') every poll_s, until stop is set. Reconnects for ever."""
    while not stop.is_set():
        try:
            with psycopg.connect(database_url, autocommit=True, connect_timeout=5, application_name="chuantou-risk-listen") as conn:
                for channel in CHANNELS:
                    conn.execute("LISTEN " + channel)
                wake("poll")  # what was told while we did not listen
                while not stop.is_set():
                    told = {n.channel for n in conn.notifies(timeout=poll_s, stop_after=1)}
                    for channel in sorted(told) or ("poll",):
                        wake(channel)
        except psycopg.Error as exc:
            log.warning("store lost while listening", extra={"event": "listen_lost", "error": str(exc)})
            wake("poll")
            stop.wait(RECONNECT_S)


StoreLost = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout)
