-- name: compare
-- Stored readings per device and day of receipt: what the counters say beside what the tables hold and what retention took from them.
-- Rows that no counter knows and counters without rows both show. Kept is what is new or has changed; a day that nothing knows any more goes.
WITH found AS (
  SELECT device_id, day, sum(n)::bigint AS n FROM (
    SELECT device_id, (received_at AT TIME ZONE 'UTC')::date AS day, count(*) AS n FROM observation GROUP BY 1, 2
    UNION ALL SELECT device_id, (received_at AT TIME ZONE 'UTC')::date, count(*) FROM position GROUP BY 1, 2
    UNION ALL SELECT device_id, (received_at AT TIME ZONE 'UTC')::date, count(*) FROM device_event GROUP BY 1, 2
    UNION ALL SELECT device_id, day, stored FROM telemetry_purge WHERE stored > 0) rows GROUP BY 1, 2),
compared AS MATERIALIZED (
  SELECT device_id, day, coalesce(t.stored, 0)::bigint AS counted, coalesce(f.n, 0)::bigint AS found
    FROM (SELECT device_id, day, stored FROM ingest_tally WHERE stored > 0) t FULL JOIN found f USING (device_id, day)),
kept AS (
  INSERT INTO conservation_check AS c (device_id, day, counted, found, found_at) SELECT device_id, day, counted, found, %(now)s FROM compared
      ON CONFLICT (device_id, day) DO UPDATE SET counted = excluded.counted, found = excluded.found, found_at = excluded.found_at
   WHERE (c.counted, c.found) IS DISTINCT FROM (excluded.counted, excluded.found)),
gone AS (
  DELETE FROM conservation_check c WHERE NOT EXISTS (SELECT 1 FROM compared x WHERE x.device_id = c.device_id AND x.day = c.day))
SELECT count(*) AS device_days, count(*) FILTER (WHERE counted <> found) AS broken,
       count(DISTINCT device_id) FILTER (WHERE counted <> found) AS devices_broken FROM compared;

-- name: broken
-- Days that do not agree, by device.
SELECT device_id, day, counted, found FROM conservation_check WHERE counted <> found ORDER BY device_id, day LIMIT %(limit)s;

-- name: refused
-- Refused readings of the whole installation. A letter folds what came on several days, so days cannot be told apart.
SELECT (SELECT coalesce(sum(refused), 0) FROM ingest_tally)::bigint AS counted,
       ((SELECT coalesce(sum(items * times), 0) FROM dead_letter) + (SELECT coalesce(sum(refused), 0) FROM telemetry_purge))::bigint AS found;
