-- name: lock_sightings
-- Present sightings of these tags, locked in one order by all workers.
SELECT tag_epc, goods_id, device_id, antenna, zone_id, warehouse_id, tid, entered_at, first_stored_at, last_seen_at, previous_zone_id, reads,
       absorbed, rssi_dbm, pending
  FROM goods_position WHERE tag_epc = ANY(string_to_array(%(epcs)s, ',')) ORDER BY tag_epc FOR UPDATE;

-- name: copy_sightings
-- New tags; a tag that another worker added meanwhile makes this fail, and the batch is done again.
COPY goods_position (tag_epc, goods_id, device_id, antenna, zone_id, warehouse_id, tid, entered_at, first_stored_at, last_seen_at,
                     previous_zone_id, reads, absorbed, rssi_dbm) FROM STDIN (FORMAT binary);

-- name: move_sightings
-- Tags that were stored anew.
UPDATE goods_position p
   SET goods_id = n.goods_id, device_id = n.device_id, antenna = n.antenna, zone_id = n.zone_id, warehouse_id = n.warehouse_id, tid = n.tid,
       entered_at = n.entered_at, first_stored_at = n.first_stored_at, last_seen_at = n.last_seen_at, previous_zone_id = n.previous_zone_id,
       reads = n.reads, absorbed = n.absorbed, rssi_dbm = n.rssi_dbm
  FROM json_to_recordset(%(rows)s::json) AS n (tag_epc text, goods_id text, device_id text, antenna integer, zone_id text, warehouse_id text,
       tid text, entered_at timestamptz, first_stored_at timestamptz, last_seen_at timestamptz, previous_zone_id text, reads bigint,
       absorbed bigint, rssi_dbm real)
 WHERE p.tag_epc = n.tag_epc AND n.last_seen_at >= p.last_seen_at;

-- name: extend_sightings
-- Tags whose reads were absorbed.
UPDATE goods_position p SET last_seen_at = n.last_seen_at, reads = n.reads, absorbed = n.absorbed, rssi_dbm = n.rssi_dbm
  FROM json_to_recordset(%(rows)s::json) AS n (tag_epc text, last_seen_at timestamptz, reads bigint, absorbed bigint, rssi_dbm real)
 WHERE p.tag_epc = n.tag_epc AND n.last_seen_at >= p.last_seen_at;

-- name: late_reads_already_told
-- Which late reads fall into the smoothing time of a stored row, with nothing of the tag stored between: they were absorbed then, or say nothing new.
SELECT n.no
  FROM json_to_recordset(%(rows)s::json) AS n (no integer, observed_at timestamptz, device_id text, tag_epc text, antenna integer, smoothing_s float)
 CROSS JOIN LATERAL (
       SELECT o.device_id, o.antenna FROM observation o
        WHERE o.tag_epc = n.tag_epc AND o.observed_at < n.observed_at AND o.observed_at >= n.observed_at - n.smoothing_s * interval '1 second'
        ORDER BY o.observed_at DESC, o.device_id DESC, o.antenna DESC LIMIT 1) b
 WHERE b.device_id = n.device_id AND b.antenna = n.antenna
   AND NOT EXISTS (SELECT FROM observation o WHERE o.tag_epc = n.tag_epc AND o.device_id = n.device_id AND o.antenna = n.antenna
                      AND o.observed_at = n.observed_at);

-- name: reads_by_our_time
-- Earlier rows of readings whose device clock we did not believe: the key holds the device's own words.
SELECT n.no, min(o.observed_at)
  FROM json_to_recordset(%(rows)s::json) AS n (no integer, device_id text, tag_epc text, antenna integer, event_key text)
  JOIN observation o ON o.tag_epc = n.tag_epc AND o.device_id = n.device_id AND o.antenna = n.antenna AND o.event_key = n.event_key
 WHERE o.observed_at > %(since)s GROUP BY n.no;

-- name: positions_by_our_time
-- The same for positions.
SELECT n.no, min(o.observed_at)
  FROM json_to_recordset(%(rows)s::json) AS n (no integer, device_id text, event_key text)
  JOIN position o ON o.device_id = n.device_id AND o.event_key = n.event_key
 WHERE o.observed_at > %(since)s GROUP BY n.no;

-- name: events_by_key
-- The same for device events; a document is known by its key whatever its time.
SELECT n.no, min(o.observed_at)
  FROM json_to_recordset(%(rows)s::json) AS n (no integer, device_id text, type text, event_key text)
  JOIN device_event o ON o.device_id = n.device_id AND o.type = n.type AND o.event_key = n.event_key
 GROUP BY n.no;

-- name: copy_observations
-- The fast path.
COPY observation (observed_at, received_at, device_id, tag_epc, antenna, event_key, tid, goods_id, zone_id, rssi_dbm, read_count, flags, content_hash)
  FROM STDIN (FORMAT binary);

-- name: insert_observations
-- The careful path: rows whose key is there already stay out.
INSERT INTO observation (observed_at, received_at, device_id, tag_epc, antenna, event_key, tid, goods_id, zone_id, rssi_dbm, read_count, flags, content_hash)
SELECT observed_at, received_at, device_id, tag_epc, antenna, event_key, tid, goods_id, zone_id, rssi_dbm, read_count, flags, decode(content_hash, 'hex')
  FROM json_to_recordset(%(rows)s::json) AS n (observed_at timestamptz, received_at timestamptz, device_id text, tag_epc text, antenna integer,
       event_key text, tid text, goods_id text, zone_id text, rssi_dbm real, read_count integer, flags text[], content_hash text)
    ON CONFLICT DO NOTHING
RETURNING observed_at, device_id, tag_epc, antenna, event_key;

-- name: observation_hashes
-- Content of the rows that are there already.
SELECT o.observed_at, o.device_id, o.tag_epc, o.antenna, o.event_key, o.content_hash
  FROM json_to_recordset(%(rows)s::json) AS n (observed_at timestamptz, device_id text, tag_epc text, antenna integer, event_key text)
  JOIN observation o USING (observed_at, device_id, tag_epc, antenna, event_key);

-- name: insert_positions
-- Fixes; a key that is there already stays.
INSERT INTO position (observed_at, received_at, device_id, event_key, lon, lat, datum_in, lon_raw, lat_raw, fix, acc_m, speed_mps, heading_deg,
                      odo_km, sats, ignition, goods, flags, extra, content_hash)
SELECT observed_at, received_at, device_id, event_key, lon, lat, datum_in, lon_raw, lat_raw, fix, acc_m, speed_mps, heading_deg,
       odo_km, sats, ignition, goods, flags, extra, decode(content_hash, 'hex')
  FROM json_to_recordset(%(rows)s::json) AS n (observed_at timestamptz, received_at timestamptz, device_id text, event_key text,
       lon double precision, lat double precision, datum_in text, lon_raw double precision, lat_raw double precision, fix text, acc_m real,
       speed_mps real, heading_deg real, odo_km double precision, sats integer, ignition boolean, goods text[], flags text[], extra jsonb,
       content_hash text)
    ON CONFLICT DO NOTHING
RETURNING observed_at, device_id, event_key;

-- name: position_hashes
-- Content of the fixes that are there already.
SELECT o.observed_at, o.device_id, o.event_key, o.content_hash
  FROM json_to_recordset(%(rows)s::json) AS n (observed_at timestamptz, device_id text, event_key text)
  JOIN position o USING (observed_at, device_id, event_key);

-- name: insert_events
-- Device events; a key that is there already stays.
INSERT INTO device_event (observed_at, received_at, device_id, event_key, type, payload, content_hash)
SELECT observed_at, received_at, device_id, event_key, type, payload, decode(content_hash, 'hex')
  FROM json_to_recordset(%(rows)s::json) AS n (observed_at timestamptz, received_at timestamptz, device_id text, event_key text, type text,
       payload jsonb, content_hash text)
    ON CONFLICT DO NOTHING
RETURNING observed_at, device_id, type, event_key;

-- name: event_hashes
-- Content of the events that are there already.
SELECT o.observed_at, o.device_id, o.type, o.event_key, o.content_hash
  FROM json_to_recordset(%(rows)s::json) AS n (observed_at timestamptz, device_id text, type text, event_key text)
  JOIN device_event o USING (observed_at, device_id, type, event_key);

-- name: gate_reads
-- Reads of these tags in gate zones of one warehouse around these times.
SELECT n.goods_id, n.tag_epc, z.warehouse_id, o.observed_at, o.received_at, o.device_id, o.antenna, o.zone_id, z.kind = 'GATE_INNER', o.rssi_dbm
  FROM json_to_recordset(%(rows)s::json) AS n (tag_epc text, goods_id text, warehouse_id text, from_ timestamptz, until timestamptz)
  JOIN observation o ON o.tag_epc = n.tag_epc AND o.observed_at BETWEEN n.from_ AND n.until
  JOIN zone z ON z.zone_id = o.zone_id AND z.warehouse_id = n.warehouse_id AND z.kind IN ('GATE_INNER', 'GATE_OUTER');

-- name: passages_around
-- Gate passages of these goods around these times, and the newest one before.
SELECT n.goods_id, m.occurred_at, m.kind
  FROM json_to_recordset(%(rows)s::json) AS n (goods_id text, from_ timestamptz, until timestamptz)
 CROSS JOIN LATERAL (
       (SELECT occurred_at, kind FROM movement WHERE goods_id = n.goods_id AND kind IN ('GATE_OUT', 'GATE_IN') AND occurred_at < n.from_
           AND NOT EXISTS (SELECT FROM movement c WHERE c.corrects = movement.movement_id)
         ORDER BY occurred_at DESC LIMIT 1)
        UNION ALL
       SELECT occurred_at, kind FROM movement WHERE goods_id = n.goods_id AND kind IN ('GATE_OUT', 'GATE_IN')
          AND occurred_at BETWEEN n.from_ AND n.until + %(pass_max)s
          AND NOT EXISTS (SELECT FROM movement c WHERE c.corrects = movement.movement_id)) m;

-- name: insert_movements
-- What the batch showed; the same movement is told once.
INSERT INTO movement (occurred_at, received_at, kind, tag_epc, goods_id, vehicle_plate, device_id, from_zone_id, to_zone_id, from_seen_at, evidence)
SELECT occurred_at, received_at, kind, tag_epc, goods_id, vehicle_plate, device_id, from_zone_id, to_zone_id, from_seen_at, evidence
  FROM json_to_recordset(%(rows)s::json) AS n (occurred_at timestamptz, received_at timestamptz, kind text, tag_epc text, goods_id text,
       vehicle_plate text, device_id text, from_zone_id text, to_zone_id text, from_seen_at timestamptz, evidence jsonb)
 ORDER BY occurred_at
    ON CONFLICT DO NOTHING
RETURNING movement_id;

-- name: notify_movement
-- Wake the fast lane.
SELECT pg_notify('movement', '');

-- name: make_device_states
-- Rows for devices that have none yet.
INSERT INTO device_state (device_id) SELECT d FROM unnest(%(devices)s::text[]) d ORDER BY 1 ON CONFLICT DO NOTHING;

-- name: lock_device_states
-- State of these devices, locked in one order.
SELECT device_id, last_observed_at, last_health_at, presence_at, last_seq, health, seq_spans, clock_samples_ms, clock_sampled_at, heard_from,
       heard_until
  FROM device_state WHERE device_id = ANY(%(devices)s) ORDER BY device_id FOR UPDATE;

-- name: put_device_states
-- What a batch tells about its devices; nothing older overwrites.
UPDATE device_state d
   SET last_observed_at = greatest(d.last_observed_at, n.last_observed_at), last_received_at = greatest(d.last_received_at, n.last_received_at),
       last_health_at = greatest(d.last_health_at, n.last_health_at), health = coalesce(n.health, d.health),
       presence = coalesce(n.presence, d.presence), presence_text = coalesce(n.presence_text, d.presence_text),
       presence_at = coalesce(n.presence_at, d.presence_at), last_seq = coalesce(n.last_seq, d.last_seq), gaps = greatest(0, d.gaps + n.gaps),
       skew_ms = coalesce(n.skew_ms, d.skew_ms), seq_spans = n.seq_spans,
       clock_samples_ms = n.clock_samples_ms, clock_sampled_at = n.clock_sampled_at, clock_offset_ms = n.clock_offset_ms,
       heard_from = coalesce(n.heard_from, d.heard_from), heard_until = coalesce(n.heard_until, d.heard_until)
  FROM json_to_recordset(%(rows)s::json) AS n (device_id text, last_observed_at timestamptz, last_received_at timestamptz,
       last_health_at timestamptz, health jsonb, presence text, presence_text text, presence_at timestamptz, last_seq bigint, gaps bigint,
       skew_ms integer, seq_spans jsonb, clock_samples_ms bigint[], clock_sampled_at timestamptz, clock_offset_ms bigint,
       heard_from timestamptz, heard_until timestamptz)
 WHERE d.device_id = n.device_id;

-- name: put_dead_letters
-- Refused deliveries; the same bytes refused for the same reason count up. Not returned = the same, but with another number of items.
INSERT INTO dead_letter AS d (topic, topic_device, tenant_id, item_no, reason, detail, payload, payload_bytes, payload_sha256, items, times,
                              first_received_at, last_received_at)
SELECT topic, topic_device, tenant_id, item_no, reason, detail, decode(payload, 'hex'), payload_bytes, decode(payload_sha256, 'hex'), items, times,
       first_received_at, last_received_at
  FROM json_to_recordset(%(rows)s::json) AS n (topic text, topic_device text, tenant_id text, item_no integer, reason text, detail text,
       payload text, payload_bytes bigint, payload_sha256 text, items bigint, times bigint, first_received_at timestamptz,
       last_received_at timestamptz)
 ORDER BY topic, payload_sha256, item_no, reason
    ON CONFLICT (topic, payload_sha256, item_no, reason) DO UPDATE
   SET times = d.times + excluded.times, last_received_at = greatest(d.last_received_at, excluded.last_received_at)
 WHERE d.items = excluded.items
RETURNING topic, encode(payload_sha256, 'hex'), item_no, reason;

-- name: add_tally
-- The batch's share of the day's sums.
INSERT INTO ingest_tally AS t (device_id, day, received, stored, repeated, absorbed, refused)
SELECT device_id, day, received, stored, repeated, absorbed, refused
  FROM json_to_recordset(%(rows)s::json) AS n (device_id text, day date, received bigint, stored bigint, repeated bigint, absorbed bigint,
       refused bigint) ORDER BY device_id, day
    ON CONFLICT (device_id, day) DO UPDATE SET received = t.received + excluded.received, stored = t.stored + excluded.stored,
       repeated = t.repeated + excluded.repeated, absorbed = t.absorbed + excluded.absorbed, refused = t.refused + excluded.refused;
