"""What a batch moved: gate passages found among stored reads, and the rows of `movement`."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import Any

from ingest import corrections
from ingest.batch import QUERIES, Batch
from ingest.gates import GATE_PASS_MAX, GateRead, gate_passages
from ingest.movements import MovementKind
from ingest.restate import Cause
from ingest.screen import Observation


def gate_movements(batch: Batch, stored: list[Observation], late: dict[str, Observation]) -> None:
    """Tell which way these reads of gate zones went, together with the reads around them.

    late: the first late gate read of each tag that has one; the passages since then are told again.
    """
    windows: dict[tuple[str, str, str], dict[str, Any]] = {}
    for o in stored:
        assert o.zone is not None
        assert o.goods_id is not None
        at = o.reading.observed_at
        key = (o.goods_id, o.reading.epc, o.zone.warehouse_id)
        window = windows.setdefault(
            key,
            {"goods_id": key[0], "tag_epc": key[1], "warehouse_id": key[2], "from_": at - GATE_PASS_MAX, "until": at + GATE_PASS_MAX},
        )
        around = 3 * GATE_PASS_MAX if key[1] in late else GATE_PASS_MAX
        window["from_"], window["until"] = min(window["from_"], at - around), max(window["until"], at + around)
    if not windows:
        return
    reads: defaultdict[tuple[str, str, str], list[GateRead]] = defaultdict(list)
    for row in batch.run("gate_reads", list(windows.values())):
        reads[row[0], row[1], row[2]].append(GateRead(*row[3:]))
    known: defaultdict[str, set[tuple[datetime, MovementKind]]] = defaultdict(set)
    for goods_id, at, kind in batch.run("passages_around", list(windows.values()), pass_max=GATE_PASS_MAX):
        known[goods_id].add((at, MovementKind(kind)))
    for (goods_id, epc, _), found in reads.items():
        if epc in late:
            o = late[epc]
            cause = Cause("late_gate_read", o.device.device_id, o.reading.observed_at, o.source.received_at)
            until = max(r.observed_at for r in found)
            batch.again += corrections.retell_passages(batch.conn, epc, goods_id, found, o.reading.observed_at, until, cause)
            continue
        made = gate_passages(epc, goods_id, found, sorted(known[goods_id]))
        known[goods_id].update((m.occurred_at, m.kind) for m in made)  # another tag of the same goods tells nothing more
        batch.movements += made


def put_movements(batch: Batch) -> int:
    """Keep what the batch told and wake the fast lane. Returns how many were new."""
    made = len(batch.run("insert_movements", [corrections.movement_row(m) for m in batch.movements]))
    made += corrections.insert_again(batch.conn, batch.again)
    if made:
        batch.conn.execute(QUERIES["notify_movement"])
    return made
