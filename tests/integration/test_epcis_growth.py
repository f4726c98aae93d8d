"""The query interface finds by index, whatever else is stored."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from api_server import make_users

from collateral.epcis import query_store
from collateral.epcis.query import from_pairs, read_query
from db.pool import Pool


class Explaining:
    """A connection whose cursors explain what they are given."""

    def __init__(self, conn: Any) -> None:
        self._conn = conn
        self.plan = ""

    def cursor(self, **_: Any) -> Any:
        return self

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def execute(self, query: str, params: Any, **options: Any) -> Any:
        rows = self._conn.execute(f"EXPLAIN {query}", params, **options).fetchall()
        self.plan = "\n".join(r[0] for r in rows)
        return self

    def fetchall(self) -> list[Any]:
        return []


@pytest.mark.parametrize(
    ("parameter", "value", "index"),
    [
        ("MATCH_anyEPC", "urn:epc:id:sscc:4012345.0000000111", "epcis_event_epcs"),
        ("MATCH_epc", "urn:epc:id:sscc:4012345.0000000111", "epcis_event_epcs"),
        ("MATCH_epcClass", "urn:epc:class:lgtin:4012345.012345.L1", "epcis_event_classes"),
        ("EQ_bizTransaction_po", "urn:x:1", "epcis_event_transactions"),
        ("EQ_eventID", "urn:x:1", "one_event_per_id"),
        ("GE_eventTime", "2020-03-09T06:00:00Z", "epcis_event_by_event_time"),
        ("MATCH_parentID", "urn:epc:id:sscc:4012345.0000000111", "epcis_event_parent"),
    ],
)
def test_a_condition_is_met_through_its_index(pool: Pool, parameter: str, value: str, index: str) -> None:
    make_users(pool, datetime(2020, 3, 9, 6, 0, tzinfo=UTC))
    with pool.connection() as conn:
        conn.execute(
            "INSERT INTO epcis_capture SELECT 'c1', 'demo', 'u', now(), 'proceed', true, '{}', '', 4000, 4000, 0, 0;"
            " INSERT INTO epcis_event (tenant_id, event_id, declares_error, content_hash, capture_id, event_type, event_time, event_time_zone_offset,"
            " record_time, parent_id, epcs, input_epcs, output_epcs, any_epcs, epc_classes, input_classes, output_classes, quantities, transactions,"
            " sources, destinations, lasting_set, lasting_unset, context, payload)"
            " SELECT 'demo', n::text, false, '', 'c1', 'ObjectEvent', timestamptz '2020-01-01Z' + n * interval '10 minutes', '+00:00', now(), n::text,"
            " ARRAY[n::text], '{}', '{}', ARRAY[n::text], ARRAY[n::text], '{}', '{}', '{}', ARRAY['po=' || n], '{}', '{}', '{}', '{}', '{}', '{}'"
            " FROM generate_series(1, 4000) n"
        )
    with pool.connection() as conn:
        conn.autocommit = True
        conn.execute("ANALYZE epcis_event")
        explained = Explaining(conn)
        query_store.events(explained, "demo", read_query(from_pairs([(parameter, value)])))  # type: ignore[arg-type]
        conn.autocommit = False
    assert index in explained.plan, explained.plan
