-- name: begin_run
-- One run per job and due time; a run that failed or was abandoned may be taken up again.
INSERT INTO job_run (run_id, job, scheduled_for, as_of, started_at, status, process)
VALUES (%(run_id)s, %(job)s, %(scheduled_for)s, %(as_of)s, %(started_at)s, 'RUNNING', %(process)s)
ON CONFLICT (job, scheduled_for) DO UPDATE SET as_of = excluded.as_of, started_at = excluded.started_at, status = 'RUNNING', process = excluded.process,
       finished_at = NULL, errors = '[]'
 WHERE job_run.status IN ('FAILED', 'ABANDONED')
RETURNING run_id;

-- name: end_run
-- By the process that runs it: one that lost the lead does not end the run that its successor has taken up.
UPDATE job_run SET status = %(status)s, finished_at = %(finished_at)s, inputs = %(inputs)s, findings = %(findings)s, errors = %(errors)s,
       duration_ms = %(duration_ms)s
 WHERE run_id = %(run_id)s AND process = %(process)s;

-- name: abandon_runs
-- Runs that an earlier leader left behind; asked by the process that has just taken the lead.
UPDATE job_run SET status = 'ABANDONED', finished_at = %(now)s WHERE status = 'RUNNING';

-- name: abandon_own_runs
-- Runs of this process whose end could not be written: nobody works on them any more.
UPDATE job_run SET status = 'ABANDONED', finished_at = %(now)s WHERE status = 'RUNNING' AND process = %(process)s AND NOT run_id = ANY (%(active)s);

-- name: previous_run
-- as_of of the newest finished run of a job that acted on the alerts.
SELECT max(as_of) FROM job_run WHERE job = %(job)s AND status IN ('SUCCEEDED', 'PARTLY_FAILED') AND NOT inputs ? 'replay';

-- name: ran_for
SELECT 1 FROM job_run WHERE job = %(job)s AND scheduled_for = %(scheduled_for)s AND status IN ('RUNNING', 'SUCCEEDED', 'PARTLY_FAILED');

-- name: save_schedule
INSERT INTO job_schedule (job, next_fire_at, updated_at) VALUES (%(job)s, %(next_fire_at)s, %(now)s)
ON CONFLICT (job) DO UPDATE SET next_fire_at = excluded.next_fire_at, updated_at = excluded.updated_at;

-- name: take_request
-- The oldest waiting request, or one that a dead leader had taken.
UPDATE job_request SET state = 'TAKEN' WHERE request_id = (
  SELECT request_id FROM job_request WHERE state = 'WAITING' ORDER BY requested_at, request_id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING request_id, job, as_of, requested_at;

-- name: return_requests
-- What a dead leader had taken, or what this one could not finish, waits again. Only the leader takes requests, one at a time.
UPDATE job_request SET state = 'WAITING' WHERE state = 'TAKEN';

-- name: end_request
UPDATE job_request SET state = %(state)s, run_id = %(run_id)s WHERE request_id = %(request_id)s;

-- name: marks_due
-- Facilities whose newest valuation is older than a price, a ledger entry or a change of the alerts on their goods; slack covers commits under way.
SELECT f.facility_id,
       CASE WHEN price.newer THEN 'PRICE' WHEN v.recorded_at IS NULL THEN 'PLEDGE'
            WHEN entry.kind IN ('PLEDGE', 'RELEASE') THEN entry.kind WHEN entry.kind IS NOT NULL THEN 'REPAYMENT' ELSE 'ELIGIBILITY' END AS cause
  FROM facility f
  LEFT JOIN LATERAL (SELECT recorded_at, as_of FROM valuation WHERE facility_id = f.facility_id ORDER BY as_of DESC, recorded_at DESC LIMIT 1) v ON true
  LEFT JOIN LATERAL (SELECT true AS newer FROM facility_commodity fc JOIN price_quote p USING (commodity_code)
                      WHERE fc.facility_id = f.facility_id AND p.status = 'ACCEPTED' AND coalesce(p.accepted_at, p.recorded_at) > v.as_of - %(slack)s::interval
                        AND (p.tenant_id IS NULL OR p.tenant_id = f.tenant_id)
                        AND p.quoted_at <= %(now)s LIMIT 1) price ON true
  LEFT JOIN facility_balance b USING (facility_id)
  LEFT JOIN LATERAL (SELECT e.kind FROM ledger_entry e WHERE e.facility_id = f.facility_id AND e.entry_no = b.last_entry_no
                        AND e.recorded_at > coalesce(v.as_of, '-infinity') - %(slack)s::interval) entry ON true
  LEFT JOIN LATERAL (SELECT true AS changed FROM alert a WHERE a.facility_id = f.facility_id AND a.subject_kind = 'goods' AND a.severity = 'P1'
                        AND greatest(a.weighed_at, a.opened_at, a.resolved_at, a.closed_at) > v.as_of - %(slack)s::interval LIMIT 1) alarm ON true
 WHERE f.status <> 'CLOSED'
   AND (price.newer OR entry.kind IS NOT NULL OR alarm.changed)
   AND (v.recorded_at IS NOT NULL OR b.last_entry_no > 0)
 ORDER BY f.facility_id;
