-- What is needed to say when a zone was observed.

-- name: listeners
-- Readers that listened in a zone, since when and until when, with how long each may be silent.
SELECT d.device_id, d.site, d.gateway_device_id, a.valid_from, a.valid_to
  FROM antenna_zone a JOIN device d USING (device_id)
 WHERE a.zone_id = %(zone_id)s AND d.enabled AND a.valid_from < %(until)s AND (a.valid_to IS NULL OR a.valid_to > %(from_)s)
 ORDER BY d.device_id, a.valid_from;

-- name: heard
-- Runs of signs of life of devices, and of all others of their sites; a run lasts until the device is silent for too long.
SELECT d.device_id, d.site, d.expected_interval_s, h.from_at, h.until_at
  FROM device d
 CROSS JOIN LATERAL (
       SELECT from_at, until_at FROM device_heard WHERE device_id = d.device_id AND until_at >= %(since)s AND from_at <= %(until)s
        UNION ALL
       SELECT heard_from, heard_until FROM device_state WHERE device_id = d.device_id AND heard_until >= %(since)s AND heard_from <= %(until)s) h
 WHERE d.device_id = ANY (%(devices)s) OR d.site = ANY (%(sites)s)
 ORDER BY d.device_id, h.from_at;
