-- name: lock_alerts
-- Reconciling is one at a time: the fast lane and the schedule meet here for the length of their writes.
SELECT pg_advisory_xact_lock(7251001);

-- name: keep_reconciling_out
-- People act beside each other, and not between what a reconciliation read and what it writes.
SELECT pg_advisory_xact_lock_shared(7251001);

-- name: open_alerts
-- Open alerts of these rules.
SELECT alert_id, tenant_id, rule_code, subject_kind, subject_id, leg, severity, status, episode, opened_at, last_found_at,
       coalesce(closed_at, resolved_at) AS ended_at, sla_due_at, pledge_id, event_keys, composite_legs, evidence, explained_keys,
       coalesce(evidence_at, occurred_at) AS evidence_at, outcome
  FROM alert WHERE rule_code = ANY (%(rules)s) AND status NOT IN ('CLOSED', 'RESOLVED');

-- name: alerts_of_subjects
-- Ended alerts of these rules and subjects.
SELECT a.alert_id, a.tenant_id, a.rule_code, a.subject_kind, a.subject_id, a.leg, a.severity, a.status, a.episode, a.opened_at, a.last_found_at,
       coalesce(a.closed_at, a.resolved_at) AS ended_at, a.sla_due_at, a.pledge_id, a.event_keys, a.composite_legs, a.evidence, a.explained_keys,
       coalesce(a.evidence_at, a.occurred_at) AS evidence_at, a.outcome
  FROM unnest(%(kinds)s::text[], %(subjects)s::text[]) AS s(kind, id) JOIN alert a ON a.subject_kind = s.kind AND a.subject_id = s.id
 WHERE a.rule_code = ANY (%(rules)s) AND a.status IN ('CLOSED', 'RESOLVED');

-- name: alerts_of_pledges
-- Alerts of these pledges since an instant.
SELECT alert_id, tenant_id, rule_code, subject_kind, subject_id, leg, severity, status, episode, opened_at, last_found_at,
       coalesce(closed_at, resolved_at) AS ended_at, sla_due_at, pledge_id, event_keys, composite_legs, evidence, explained_keys,
       coalesce(evidence_at, occurred_at) AS evidence_at, outcome
  FROM alert WHERE pledge_id = ANY (%(pledges)s) AND opened_at >= %(since)s;

-- name: insert_alert
INSERT INTO alert (alert_id, tenant_id, rule_code, rule_version, subject_kind, subject_id, facility_id, warehouse_id, pledge_id, leg, severity, status,
                   summary, summary_zh, evidence, thresholds, exposure_at_risk, currency, occurred_at, evidence_at, opened_at, last_found_at, sla_due_at, episode, event_keys,
                   explained_keys, weighed_at)
VALUES (%(alert_id)s, %(tenant_id)s, %(rule_code)s, %(rule_version)s, %(subject_kind)s, %(subject_id)s, %(facility_id)s, %(warehouse_id)s, %(pledge_id)s,
        %(leg)s, %(severity)s, 'OPEN', %(summary)s, %(summary_zh)s, %(evidence)s, %(thresholds)s, %(exposure_at_risk)s, %(currency)s, %(occurred_at)s,
        %(occurred_at)s, %(now)s, %(now)s, %(sla_due_at)s, %(episode)s, %(event_keys)s, %(explained_keys)s, %(written_at)s);

-- name: refresh_alert
-- version moves when people would decide differently, and a closing that waits for its second person falls: material = new or worse evidence.
-- Answers who had proposed to close it, and why, when that falls.
WITH was AS (SELECT alert_id, severity, closing_user, closing_reason FROM alert WHERE alert_id = %(alert_id)s)
UPDATE alert a SET last_found_at = greatest(a.last_found_at, %(now)s), event_keys = %(event_keys)s, explained_keys = %(explained_keys)s,
       facility_id = coalesce(%(facility_id)s, a.facility_id), pledge_id = coalesce(%(pledge_id)s, a.pledge_id),
       sla_due_at = CASE WHEN a.severity <> %(severity)s THEN least(a.sla_due_at, %(sla_due_at)s) ELSE a.sla_due_at END,
       weighed_at = CASE WHEN a.severity <> %(severity)s THEN %(written_at)s ELSE a.weighed_at END, severity = %(severity)s,
       closing_user = CASE WHEN NOT %(material)s THEN a.closing_user END, closing_reason = CASE WHEN NOT %(material)s THEN a.closing_reason END,
       version = a.version + %(material)s::int
  FROM was WHERE a.alert_id = was.alert_id
RETURNING was.closing_user, was.closing_reason;

-- name: show_finding
-- The evidence becomes this finding's.
UPDATE alert SET summary = %(summary)s, summary_zh = %(summary_zh)s, evidence = %(evidence)s, thresholds = %(thresholds)s, evidence_at = %(occurred_at)s,
       rule_version = %(rule_version)s, exposure_at_risk = %(exposure_at_risk)s, currency = %(currency)s
 WHERE alert_id = %(alert_id)s;

-- name: touch_alert
UPDATE alert SET last_found_at = greatest(last_found_at, %(now)s) WHERE alert_id = %(alert_id)s;

-- name: reopen_alert
-- The episode goes on, the work starts anew: its clock, its legs and its outcome. What was is answered, for the history.
WITH was AS (SELECT alert_id, status, severity, opened_at, occurred_at, composite_legs, outcome, closing_user, second_closing_user, closing_reason
               FROM alert WHERE alert_id = %(alert_id)s)
UPDATE alert a SET status = 'OPEN', severity = %(severity)s, opened_at = %(now)s, last_found_at = greatest(a.last_found_at, %(now)s),
       occurred_at = %(occurred_at)s, event_keys = %(event_keys)s, explained_keys = %(explained_keys)s, composite_legs = '{}', outcome = NULL,
       facility_id = coalesce(%(facility_id)s, a.facility_id), pledge_id = coalesce(%(pledge_id)s, a.pledge_id),
       sla_due_at = %(sla_due_at)s, weighed_at = %(written_at)s, resolved_at = NULL, closed_at = NULL, closing_user = NULL, second_closing_user = NULL,
       closing_reason = NULL, version = a.version + 1
  FROM was WHERE a.alert_id = was.alert_id
RETURNING was.status, was.severity, was.opened_at, was.occurred_at, was.composite_legs, was.outcome, was.closing_user, was.second_closing_user,
          was.closing_reason;

-- name: resolve_alert
UPDATE alert SET status = 'RESOLVED', resolved_at = %(now)s, weighed_at = %(written_at)s, explained_keys = %(explained_keys)s,
       outcome = CASE WHEN status IN ('CONFIRMED', 'EXPLAINED', 'FALSE_ALARM') THEN status END, version = version + 1
 WHERE alert_id = %(alert_id)s;

-- name: raise_composite
-- Answers who had proposed to close it, and why: that falls.
WITH was AS (SELECT alert_id, closing_user, closing_reason FROM alert WHERE alert_id = %(alert_id)s)
UPDATE alert a SET severity = %(severity)s, composite_legs = %(legs)s, sla_due_at = least(a.sla_due_at, %(sla_due_at)s),
       weighed_at = CASE WHEN a.severity <> %(severity)s THEN %(written_at)s ELSE a.weighed_at END, closing_user = NULL, closing_reason = NULL,
       version = a.version + 1
  FROM was WHERE a.alert_id = was.alert_id
RETURNING was.closing_user, was.closing_reason;

-- name: insert_event
INSERT INTO alert_event (alert_id, tenant_id, happened_at, actor, kind, detail) VALUES (%(alert_id)s, %(tenant_id)s, %(now)s, %(actor)s, %(kind)s, %(detail)s);

-- name: alert_for_update
SELECT alert_id, tenant_id, rule_code, severity, status, owner, closing_user, second_closing_user, closing_reason, closed_at, outcome, version
  FROM alert WHERE alert_id = %(alert_id)s AND tenant_id = %(tenant_id)s FOR UPDATE;

-- name: save_action
UPDATE alert SET status = %(status)s, owner = %(owner)s, closing_user = %(closing_user)s, second_closing_user = %(second_closing_user)s,
       closing_reason = %(closing_reason)s, closed_at = %(closed_at)s, outcome = %(outcome)s, version = version + 1
 WHERE alert_id = %(alert_id)s RETURNING version;
