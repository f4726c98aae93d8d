-- name: empty
-- Nothing of an earlier measurement stays.
TRUNCATE observation, position, goods_position, vehicle_position, movement, device_state, device_event, dead_letter, ingest_tally RESTART IDENTITY CASCADE;

-- name: tally
-- Readings by fate.
SELECT coalesce(sum(received), 0)::bigint AS received, coalesce(sum(stored), 0)::bigint AS stored, coalesce(sum(repeated), 0)::bigint AS repeated,
       coalesce(sum(absorbed), 0)::bigint AS absorbed, coalesce(sum(refused), 0)::bigint AS refused
  FROM ingest_tally;

-- name: rows
-- What is really there: rows, different tags, tags with a present sighting, reads refused.
SELECT (SELECT count(*) FROM observation), (SELECT count(DISTINCT tag_epc) FROM observation), (SELECT count(*) FROM goods_position),
       (SELECT coalesce(sum(items * times), 0)::bigint FROM dead_letter);

-- name: make_raw_table
-- A table like observation with the same indexes and constraints.
CREATE TABLE bench_raw (LIKE observation INCLUDING ALL);

-- name: make_raw_hypertable
-- The same chunks as observation's.
SELECT create_hypertable('bench_raw', 'observed_at', chunk_time_interval => interval '1 day', create_default_indexes => false);

-- name: drop_raw_table
DROP TABLE IF EXISTS bench_raw;

-- name: copy_raw
-- As ingest does it.
COPY bench_raw (observed_at, received_at, device_id, tag_epc, antenna, event_key, tid, goods_id, zone_id, rssi_dbm, read_count, flags, content_hash)
  FROM STDIN (FORMAT binary);

-- name: edition
SELECT edition, server_version, timescale_version FROM installation;

-- name: add_party
INSERT INTO party (party_id, tenant_id, name, name_zh, roles, created_at) VALUES ('BENCH-OP', 'bench', 'Keeper', '仓', '{WAREHOUSE_OPERATOR}', %(at)s);

-- name: add_warehouse
INSERT INTO warehouse (warehouse_id, tenant_id, name, name_zh, operator_party_id, kind, control_mode, fence, created_at)
VALUES ('BENCH-WH', 'bench', 'Bench', '测', 'BENCH-OP', 'STEEL_YARD', 'CMA', %(fence)s, %(at)s);

-- name: add_zone
INSERT INTO zone VALUES ('BENCH-WH/bay', 'BENCH-WH', 'bay', 'BAY', %(fence)s, %(at)s);

-- name: add_device
INSERT INTO device (device_id, tenant_id, site, warehouse_id, class, format, name, claims, lon, lat, registered_at)
VALUES (%(device)s, 'bench', 'BENCH-WH', 'BENCH-WH', 'rfid', 'native', %(device)s, '{}', 121.4, 31.3, %(at)s);

-- name: add_antenna
INSERT INTO antenna_zone VALUES (%(device)s, 0, 'BENCH-WH/bay', '2010-01-01Z', NULL);
