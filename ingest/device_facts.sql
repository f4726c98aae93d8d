-- Intervals in which devices may have missed reads, and runs in which they were heard.

-- name: put_missed
-- New intervals; one that was filled and is open again counts again.
INSERT INTO missed_reads (device_id, kind, from_at, until_at, seq_from, seq_to, missed, recorded_at)
SELECT device_id, kind, from_at, until_at, seq_from, seq_to, missed, recorded_at
  FROM json_to_recordset(%(rows)s::json) AS n (device_id text, kind text, from_at timestamptz, until_at timestamptz, seq_from bigint,
       seq_to bigint, missed bigint, recorded_at timestamptz)
    ON CONFLICT (device_id, kind, from_at, seq_from, seq_to) DO UPDATE SET filled_at = NULL, until_at = excluded.until_at, missed = excluded.missed;

-- name: fill_missed
-- Intervals whose messages came late, wholly or in part: what is still missing of one is an interval of its own.
UPDATE missed_reads m SET filled_at = n.recorded_at
  FROM json_to_recordset(%(rows)s::json) AS n (device_id text, kind text, from_at timestamptz, seq_from bigint, seq_to bigint, recorded_at timestamptz)
 WHERE m.device_id = n.device_id AND m.kind = n.kind AND m.from_at = n.from_at AND m.seq_from = n.seq_from AND m.seq_to = n.seq_to;

-- name: heard_before
-- Earlier runs of a device.
DELETE FROM device_heard WHERE device_id = %(device_id)s AND until_at >= %(since)s RETURNING from_at, until_at;

-- name: put_heard
-- Earlier runs of a device.
INSERT INTO device_heard (device_id, from_at, until_at)
SELECT device_id, from_at, until_at FROM json_to_recordset(%(rows)s::json) AS n (device_id text, from_at timestamptz, until_at timestamptz);
