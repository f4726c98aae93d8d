-- name: take_turn
-- False when another worker is at it.
SELECT pg_try_advisory_xact_lock(7251012);

-- name: oldest_observation
SELECT min(observed_at) FROM observation WHERE observed_at < %(before)s;

-- name: oldest_position
SELECT min(observed_at) FROM position WHERE observed_at < %(before)s;

-- name: needed_goods
-- Goods whose readings must stay: under a live pledge, in an alert that people still work on, or held for a court.
SELECT goods_id FROM pledge_item WHERE released_at IS NULL
UNION SELECT subject_id FROM alert WHERE subject_kind = 'goods' AND status NOT IN ('CLOSED','RESOLVED')
UNION SELECT i.goods_id FROM alert a JOIN pledge_item i ON i.pledge_id = a.pledge_id WHERE a.status NOT IN ('CLOSED','RESOLVED')
UNION SELECT subject_id FROM legal_hold WHERE subject_kind = 'goods' AND lifted_at IS NULL;

-- name: needed_devices
-- Devices whose readings must stay as a whole: in an open alert, or held for a court; trackers of vehicles in an open alert.
SELECT subject_id FROM alert WHERE subject_kind = 'device' AND status NOT IN ('CLOSED','RESOLVED')
UNION SELECT subject_id FROM legal_hold WHERE subject_kind = 'device' AND lifted_at IS NULL
UNION SELECT d.device_id FROM alert a JOIN device d ON d.vehicle_plate = a.subject_id AND a.subject_kind = 'vehicle' WHERE a.status NOT IN ('CLOSED','RESOLVED')
UNION SELECT d.device_id FROM alert a JOIN trip t ON t.trip_id = a.subject_id AND a.subject_kind = 'trip' JOIN device d ON d.vehicle_plate = t.vehicle_plate
       WHERE a.status NOT IN ('CLOSED','RESOLVED')
UNION SELECT d.device_id FROM alert a JOIN device d ON d.warehouse_id = a.subject_id AND a.subject_kind = 'site' WHERE a.status NOT IN ('CLOSED','RESOLVED');

-- name: purge_observations
-- One slice of event time. The row that a present sighting extends stays: smoothing and late reads refer to it.
WITH gone AS (
  DELETE FROM observation o
   WHERE o.observed_at >= %(from_)s AND o.observed_at < %(until)s
     AND NOT (o.goods_id IS NOT NULL AND o.goods_id = ANY(%(goods)s))
     AND NOT (o.device_id = ANY(%(devices)s))
     AND NOT EXISTS (SELECT 1 FROM alert a WHERE a.subject_kind = 'tag' AND a.subject_id = o.tag_epc AND a.status NOT IN ('CLOSED','RESOLVED'))
     AND NOT EXISTS (SELECT 1 FROM goods_position p WHERE p.tag_epc = o.tag_epc AND p.first_stored_at = o.observed_at)
  RETURNING o.device_id, (o.received_at AT TIME ZONE 'UTC')::date AS day
)
INSERT INTO telemetry_purge AS t (device_id, day, stored)
SELECT device_id, day, count(*) FROM gone GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT (device_id, day) DO UPDATE SET stored = t.stored + excluded.stored
RETURNING t.stored;

-- name: purge_positions
-- One slice of event time. A vehicle's newest fix stays: the next one is judged against it.
WITH gone AS (
  DELETE FROM position p
   WHERE p.observed_at >= %(from_)s AND p.observed_at < %(until)s
     AND NOT (p.goods && %(goods)s::text[])
     AND NOT (p.device_id = ANY(%(devices)s))
     AND NOT EXISTS (SELECT 1 FROM vehicle_position v WHERE v.device_id = p.device_id AND v.observed_at = p.observed_at)
  RETURNING p.device_id, (p.received_at AT TIME ZONE 'UTC')::date AS day
)
INSERT INTO telemetry_purge AS t (device_id, day, stored)
SELECT device_id, day, count(*) FROM gone GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT (device_id, day) DO UPDATE SET stored = t.stored + excluded.stored
RETURNING t.stored;

-- name: purge_dead_letters
-- Old letters that nobody queued. Counted under the device that the topic names, as the counters do for registered ones.
WITH gone AS (
  DELETE FROM dead_letter l
   WHERE l.last_received_at < %(before)s AND l.state <> 'QUEUED' AND NOT (coalesce(l.topic_device, '') = ANY(%(devices)s))
  RETURNING coalesce(l.topic_device, '') AS device_id, (l.last_received_at AT TIME ZONE 'UTC')::date AS day, l.items * l.times AS readings
)
INSERT INTO telemetry_purge AS t (device_id, day, refused)
SELECT device_id, day, sum(readings) FROM gone GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT (device_id, day) DO UPDATE SET refused = t.refused + excluded.refused
RETURNING t.refused;
