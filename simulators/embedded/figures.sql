-- name: tally
-- Readings of the whole installation.
SELECT coalesce(sum(received), 0)::bigint AS received, coalesce(sum(stored), 0)::bigint AS stored,
       coalesce(sum(repeated), 0)::bigint AS repeated, coalesce(sum(absorbed), 0)::bigint AS absorbed,
       coalesce(sum(refused), 0)::bigint AS refused
  FROM ingest_tally;

-- name: tables
-- The same facts counted in the tables themselves.
SELECT (SELECT count(*) FROM observation) + (SELECT count(*) FROM position) + (SELECT count(*) FROM device_event) AS stored,
       (SELECT coalesce(sum(items * times), 0)::bigint FROM dead_letter) AS refused;

-- name: alerts_by_rule
-- Alerts that were opened, whatever became of them.
SELECT rule_code, count(*) FROM alert GROUP BY rule_code ORDER BY rule_code;

-- name: open_alerts_by_severity
-- What waits for an officer.
SELECT severity, count(*) FROM alert WHERE status NOT IN ('CLOSED', 'RESOLVED', 'EXPLAINED', 'FALSE_ALARM') GROUP BY severity ORDER BY severity;

-- name: newest_alerts
-- The last few, for the status.
SELECT occurred_at, severity, rule_code, summary FROM alert ORDER BY recorded_at DESC LIMIT %(limit)s;

-- name: counts
-- Margin calls, disposal cases, goods registered and goods with a sighting.
SELECT (SELECT count(*) FROM margin_call) AS margin_calls,
       (SELECT count(*) FROM disposal_case) AS disposal_cases,
       (SELECT count(*) FROM goods_unit) AS goods,
       (SELECT count(DISTINCT goods_id) FROM goods_position WHERE goods_id IS NOT NULL) AS goods_in_view,
       (SELECT count(*) FROM vehicle_position) AS vehicles;

-- name: coverage
-- Newest valuation of each facility.
SELECT DISTINCT ON (f.facility_id) f.facility_id, f.name, v.coverage, v.line_state, v.margin_call_line, v.collateral_value, v.exposure, v.currency
  FROM facility f LEFT JOIN valuation v USING (facility_id)
 ORDER BY f.facility_id, v.as_of DESC NULLS LAST, v.recorded_at DESC;

-- name: next_jobs
-- What the schedule will run next.
SELECT job, next_fire_at FROM job_schedule ORDER BY next_fire_at LIMIT %(limit)s;

-- name: store
-- What this store is, as migrate recorded it.
SELECT edition, server_version, timescale_version FROM installation;
