-- name: device
-- What decides which rows speak for a device.
SELECT device_id, site, class AS device_class FROM device WHERE device_id = %(device_id)s AND tenant_id = %(tenant_id)s;

-- name: fitting
-- Rows that speak for a device, the most exact first.
SELECT device_id, site, device_class, smoothing_s, window_s, reads_min, clear_dbm, lead_db, strong_db, return_within_s FROM read_policy
 WHERE (device_id IS NULL OR device_id = %(device_id)s) AND (site IS NULL OR site = %(site)s) AND (device_class IS NULL OR device_class = %(device_class)s)
 ORDER BY (device_id IS NOT NULL) DESC, (site IS NOT NULL) DESC, (device_class IS NOT NULL) DESC;

-- name: set
-- The device's own row as a whole.
INSERT INTO read_policy (device_id, smoothing_s, window_s, reads_min, clear_dbm, lead_db, strong_db, return_within_s)
VALUES (%(device_id)s, %(smoothing_s)s, %(window_s)s, %(reads_min)s, %(clear_dbm)s, %(lead_db)s, %(strong_db)s, %(return_within_s)s)
    ON CONFLICT (device_id, site, device_class) DO UPDATE SET smoothing_s = excluded.smoothing_s, window_s = excluded.window_s,
       reads_min = excluded.reads_min, clear_dbm = excluded.clear_dbm, lead_db = excluded.lead_db, strong_db = excluded.strong_db,
       return_within_s = excluded.return_within_s;

-- name: forget
-- Nothing of its own any more.
DELETE FROM read_policy WHERE device_id = %(device_id)s AND site IS NULL AND device_class IS NULL;
