-- name: compare
-- Stored readings per device and day of receipt: what the counters say beside what the tables hold and what retention took from them.
-- Rows that no counter knows and counters without rows both show. Days on which both are nothing are left out.
WITH found AS (
  SELECT device_id, day, sum(n)::bigint AS n FROM (
    SELECT device_id, (received_at AT TIME ZONE 'UTC')::date AS day, count(*) AS n FROM observation GROUP BY 1, 2
    UNION ALL SELECT device_id, (received_at AT TIME ZONE 'UTC')::date, count(*) FROM position GROUP BY 1, 2
    UNION ALL SELECT device_id, (received_at AT TIME ZONE 'UTC')::date, count(*) FROM device_event GROUP BY 1, 2
    UNION ALL SELECT device_id, day, stored FROM telemetry_purge) rows GROUP BY 1, 2)
SELECT device_id, day, coalesce(t.stored, 0) AS counted, coalesce(f.n, 0)::bigint AS found
  FROM (SELECT device_id, day, stored FROM ingest_tally WHERE stored > 0) t FULL JOIN found f USING (device_id, day)
 WHERE coalesce(t.stored, 0) > 0 OR coalesce(f.n, 0) > 0;

-- name: refused
-- Refused readings of the whole installation. A letter folds what came on several days, so days cannot be told apart.
SELECT (SELECT coalesce(sum(refused), 0) FROM ingest_tally)::bigint AS counted,
       ((SELECT coalesce(sum(items * times), 0) FROM dead_letter) + (SELECT coalesce(sum(refused), 0) FROM telemetry_purge))::bigint AS found;

-- name: keep
-- What was found, where it is new or has changed, and what was broken before: one write a day for each device is enough.
INSERT INTO conservation_check AS c (device_id, day, counted, found, checked_at)
SELECT x.device_id, x.day, x.counted, x.found, %(now)s FROM unnest(%(devices)s::text[], %(days)s::date[], %(counted)s::bigint[], %(found)s::bigint[])
       AS x(device_id, day, counted, found)
    ON CONFLICT (device_id, day) DO UPDATE SET counted = excluded.counted, found = excluded.found, checked_at = excluded.checked_at;

-- name: forget
-- A day of a device that neither a counter nor a table knows any more.
DELETE FROM conservation_check c WHERE NOT EXISTS (
  SELECT 1 FROM unnest(%(devices)s::text[], %(days)s::date[]) AS x(device_id, day) WHERE x.device_id = c.device_id AND x.day = c.day);
