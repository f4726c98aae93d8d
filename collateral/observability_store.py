"""When zones were observed, from the tables."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Any

from psycopg import Connection

from collateral.heard import Run, joined, silence_max
from collateral.observability import Listener, Observability, observability
from db.sql import load_queries

Q = load_queries(__file__, "observability.sql")
_DAY = timedelta(days=1)  # no device may be silent for longer than three days and count as heard


def zone_observability(conn: Connection[Any], zone_id: str, from_at: datetime, until_at: datetime) -> Observability:
    """When a zone was observed between two instants of event time, and when and why it was not.

    A run of a device lasts as long as it may be silent after its last sign of life, so that the newest interval is not called an outage
    too early. Raises ValueError when until_at is not after from_at.
    """
    mapped: defaultdict[str, list[Run]] = defaultdict(list)
    gateways: dict[str, str | None] = {}
    sites: set[str] = set()
    rows = conn.execute(Q["listeners"], {"zone_id": zone_id, "from_": from_at, "until": until_at})
    for device_id, site, gateway_id, valid_from, valid_to in rows:
        mapped[device_id].append(Run(valid_from, valid_to or until_at))
        gateways[device_id] = gateway_id
        sites.add(site)
    devices = sorted({*mapped, *(g for g in gateways.values() if g is not None)})
    heard: defaultdict[str, list[Run]] = defaultdict(list)
    query = {"devices": devices, "sites": sorted(sites), "since": from_at - 3 * _DAY, "until": until_at}
    for device_id, _, interval_s, start, end in conn.execute(Q["heard"], query):
        heard[device_id].append(Run(start, end + silence_max(timedelta(seconds=interval_s))))
    listeners = []
    for device_id, spans in mapped.items():
        gateway_id = gateways[device_id]
        of_gateway = None if gateway_id is None else heard[gateway_id]
        listeners.append(Listener(device_id, joined(spans, timedelta(0)), heard[device_id], of_gateway))
    others = joined((r for d, runs in heard.items() if d not in mapped for r in runs), timedelta(0))
    return observability(from_at, until_at, listeners, others)
