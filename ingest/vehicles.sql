-- Where vehicles are, and what they crossed.

-- name: lock_vehicles
-- Where these trackers were last.
SELECT device_id, observed_at, warehouse_id FROM vehicle_position WHERE device_id = ANY(%(devices)s) ORDER BY device_id FOR UPDATE;

-- name: fixes_before
-- The newest usable fixes of each tracker before an instant, in order.
SELECT n.device_id, p.observed_at, p.received_at, p.lon, p.lat, p.acc_m, p.goods
  FROM json_to_recordset(%(rows)s::json) AS n (device_id text, before timestamptz)
 CROSS JOIN LATERAL (
       SELECT * FROM position WHERE device_id = n.device_id AND observed_at < n.before AND observed_at > n.before - interval '7 days'
          AND fix = 'valid' AND (acc_m IS NULL OR acc_m <= %(acc_m_max)s)
        ORDER BY observed_at DESC, event_key DESC LIMIT %(limit)s) p
 ORDER BY n.device_id, p.observed_at, p.event_key;

-- name: fixes_from
-- Usable fixes of a tracker from one instant to another.
SELECT observed_at, received_at, lon, lat, acc_m, goods
  FROM position WHERE device_id = %(device_id)s AND observed_at >= %(from_)s AND observed_at <= %(last_at)s
   AND fix = 'valid' AND (acc_m IS NULL OR acc_m <= %(acc_m_max)s)
 ORDER BY observed_at, event_key LIMIT %(limit)s;

-- name: correct_vehicle
-- Late fixes showed that the newest one is on another side of a fence than it seemed.
UPDATE vehicle_position SET warehouse_id = %(warehouse_id)s WHERE device_id = %(device_id)s;

-- name: put_vehicles
-- Where trackers are now; an older fix does not overwrite.
INSERT INTO vehicle_position AS v (device_id, vehicle_plate, observed_at, lon, lat, speed_mps, warehouse_id, goods)
SELECT device_id, vehicle_plate, observed_at, lon, lat, speed_mps, warehouse_id, goods
  FROM json_to_recordset(%(rows)s::json) AS n (device_id text, vehicle_plate text, observed_at timestamptz, lon double precision,
       lat double precision, speed_mps real, warehouse_id text, goods text[]) ORDER BY device_id
    ON CONFLICT (device_id) DO UPDATE SET vehicle_plate = excluded.vehicle_plate, observed_at = excluded.observed_at, lon = excluded.lon,
       lat = excluded.lat, speed_mps = excluded.speed_mps, warehouse_id = excluded.warehouse_id, goods = excluded.goods
 WHERE excluded.observed_at > v.observed_at;

