"""What the API says of missed reads, blind zones, learnt clocks and vehicles' days; and where a ring is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from api_server import T0, ApiServer, ok, see, seed, serve

from db.pool import Pool
from ingest.registry import Registry
from ingest.zones_evidence import ReadPolicy

H = timedelta(hours=1)


@pytest.fixture
def api(pool: Pool, database_url: str) -> Iterator[ApiServer]:
    with serve(pool, database_url) as running:
        yield running


def test_missed_reads_and_the_learnt_clock_are_shown_on_the_device(api: ApiServer, pool: Pool) -> None:
    client = seed(api)
    see(pool)
    with pool.connection() as conn:
        conn.execute(
            "UPDATE device_state SET clock_offset_ms = -1500, clock_samples_ms = '{-1500}', heard_from = %s, heard_until = %s", (T0 - H, T0)
        )
        conn.execute(
            "INSERT INTO missed_reads (device_id, kind, from_at, until_at, seq_from, seq_to, missed, recorded_at)"
            " VALUES ('RDR-SEE', 'SEQ_GAP', %s, %s, 7, 9, 3, %s)",
            (T0 - H, T0, T0),
        )
    state = ok(client.get("/api/v1/devices/RDR-SEE"))["state"]
    assert (state["clock_offset_ms"], state["clock_samples"]) == (-1500, 1)
    missed = ok(client.get("/api/v1/devices/RDR-SEE/missed-reads"))
    assert [(m["kind"], m["seq_from"], m["seq_to"], m["missed"], m["filled_at"]) for m in missed["items"]] == [("SEQ_GAP", 7, 9, 3, None)]
    assert client.get("/api/v1/devices/NONE/missed-reads").status_code == 404


def test_a_zone_is_shown_with_when_it_was_blind_and_why(api: ApiServer, pool: Pool) -> None:
    client = seed(api)
    see(pool)
    span = {"zone_id": "WH-SH-01/bay-3", "from": (T0 - 4 * H).isoformat(), "until": T0.isoformat()}
    assert [g["reason"] for g in ok(client.get("/api/v1/zone-observability", params=span))["blind"]] == ["NO_READER"]
    with pool.connection() as conn:
        conn.execute("INSERT INTO antenna_zone VALUES ('RDR-SEE', 0, 'WH-SH-01/bay-3', %s, NULL)", (T0 - 100 * H,))
        conn.execute("UPDATE device_state SET heard_from = %s, heard_until = %s WHERE device_id = 'RDR-SEE'", (T0 - H, T0))
    found = ok(client.get("/api/v1/zone-observability", params=span))
    assert found["observed_s"] == 3600
    assert [g["reason"] for g in found["blind"]] == ["SITE_OUTAGE"]
    backwards = {**span, "from": T0.isoformat(), "until": (T0 - H).isoformat()}
    assert client.get("/api/v1/zone-observability", params=backwards).status_code == 422
    assert client.get("/api/v1/zone-observability", params={"zone_id": "NONE"}).status_code == 404


def test_a_vehicle_s_day_is_stops_and_drives(api: ApiServer, pool: Pool) -> None:
    client = seed(api)
    see(pool)
    with pool.connection() as conn:
        conn.execute(
            "INSERT INTO position (observed_at, received_at, device_id, event_key, lon, lat, datum_in, fix, flags, content_hash)"
            " SELECT t, t, 'RDR-SEE', n::text, CASE WHEN n <= 10 THEN 121.4 ELSE 121.4 + (n - 10) * 0.01 END, 31.3, 'WGS84', 'valid',"
            " CASE n WHEN 5 THEN '{jump}'::text[] ELSE '{}' END, ''"
            " FROM generate_series(0, 20) n, LATERAL (SELECT %s::timestamptz + n * interval '1 minute' AS t) x",
            (T0 - H,),
        )
    span = {"from": (T0 - 2 * H).isoformat(), "until": T0.isoformat()}
    found = ok(client.get("/api/v1/devices/RDR-SEE/legs", params=span))["items"]
    assert [(leg["kind"], leg["fixes"]) for leg in found] == [("STOP", 10), ("DRIVE", 11)]


@pytest.mark.parametrize(
    ("ring", "says"),
    [
        ([[121.0, 31.0], [121.2, 31.2], [121.2, 31.0], [121.0, 31.2], [121.0, 31.0]], "longitude 121.1, latitude 31.1"),
        ([[121.0, 31.0], [121.2, 31.0], [121.2, 31.2], [121.0, 31.2]], "it begins at [121.0, 31.0] and ends at [121.0, 31.2]"),
        ([[121.0, 31.0], [221.2, 31.0], [121.2, 31.2], [121.0, 31.0]], "point 1 of the outer ring, [221.2, 31.0]"),
    ],
)  # fmt: skip
def test_a_zone_whose_ring_is_wrong_is_refused_with_the_place(api: ApiServer, ring: list[list[float]], says: str) -> None:
    client = seed(api)
    polygon = {"type": "Polygon", "coordinates": [ring]}
    body = {"zone_id": "WH-SH-01/bay-9", "warehouse_id": "WH-SH-01", "name": "bay 9", "kind": "BAY", "polygon": polygon}
    refused = client.post("/api/v1/zones", json=body)
    assert refused.status_code == 422
    assert says in refused.text


def test_how_reads_of_a_device_are_weighed_is_set_shown_audited_and_taken_back(api: ApiServer, pool: Pool) -> None:
    client = seed(api)
    see(pool)
    path = "/api/v1/devices/RDR-SEE/read-policy"
    with pool.connection() as conn:
        conn.execute("INSERT INTO read_policy (device_class, smoothing_s, window_s) VALUES ('rfid', 14400, 20)")
    first = ok(client.get(path))
    assert (first["own"]["smoothing_s"], first["said"]["smoothing_s"], first["said"]["reads_min"]) == (None, 14400, None)
    devices = api.client("devices")
    ok(devices.post(path, json={"smoothing_s": 0, "lead_db": 3.5, "reason": "new antenna"}))
    found = ok(client.get(path))
    assert (found["own"]["smoothing_s"], found["own"]["window_s"], found["own"]["lead_db"]) == (0, None, 3.5)
    assert (found["said"]["smoothing_s"], found["said"]["window_s"], found["said"]["lead_db"]) == (0, 20, 3.5)
    with pool.connection() as conn:
        registry = Registry()
        registry.refresh(conn)
        device = registry.device("RDR-SEE")
    assert device is not None
    weighed = registry.read_policy(device, ReadPolicy())
    assert (weighed.smoothing, weighed.window, weighed.lead_db) == (timedelta(0), timedelta(seconds=20), 3.5)
    for wrong in ({"smoothing_s": -1}, {"lead_db": 61}, {"reads_min": 0}, {"window_s": 0}, {"smothing_s": 1}):
        assert devices.post(path, json={**wrong, "reason": "x"}).status_code == 422, wrong
    assert devices.post("/api/v1/devices/NONE/read-policy", json={"reason": "x"}).status_code == 404
    ok(devices.post(path, json={"reason": "back to the site's"}))
    assert ok(client.get(path))["own"] == dict.fromkeys(found["own"])
    kept = ok(api.client("auditor").get("/api/v1/audit", params={"action": "device.read_policy"}))["items"]
    assert [(e["detail"]["was"]["smoothing_s"], e["detail"]["is"]["smoothing_s"]) for e in kept] == [(0, None), (None, 0)]
