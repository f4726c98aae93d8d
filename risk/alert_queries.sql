-- name: lock_alerts
-- Reconciling is one at a time: the fast lane and the schedule meet here for the length of their writes.
SELECT pg_advisory_xact_lock(7251001);

-- name: open_alerts
-- Open alerts of these rules.
SELECT alert_id, tenant_id, rule_code, subject_kind, subject_id, leg, severity, status, episode, opened_at, last_found_at,
       coalesce(closed_at, resolved_at) AS ended_at, sla_due_at, pledge_id, event_keys, composite_legs, evidence
  FROM alert WHERE rule_code = ANY (%(rules)s) AND status NOT IN ('CLOSED', 'RESOLVED');

-- name: alerts_of_subjects
-- Ended alerts of these rules and subjects.
SELECT a.alert_id, a.tenant_id, a.rule_code, a.subject_kind, a.subject_id, a.leg, a.severity, a.status, a.episode, a.opened_at, a.last_found_at,
       coalesce(a.closed_at, a.resolved_at) AS ended_at, a.sla_due_at, a.pledge_id, a.event_keys, a.composite_legs, a.evidence
  FROM unnest(%(kinds)s::text[], %(subjects)s::text[]) AS s(kind, id) JOIN alert a ON a.subject_kind = s.kind AND a.subject_id = s.id
 WHERE a.rule_code = ANY (%(rules)s) AND a.status IN ('CLOSED', 'RESOLVED');

-- name: alerts_of_pledges
-- Alerts of these pledges since an instant.
SELECT alert_id, tenant_id, rule_code, subject_kind, subject_id, leg, severity, status, episode, opened_at, last_found_at,
       coalesce(closed_at, resolved_at) AS ended_at, sla_due_at, pledge_id, event_keys, composite_legs, evidence
  FROM alert WHERE pledge_id = ANY (%(pledges)s) AND opened_at >= %(since)s;

-- name: insert_alert
INSERT INTO alert (alert_id, tenant_id, rule_code, rule_version, subject_kind, subject_id, facility_id, warehouse_id, pledge_id, leg, severity, status,
                   summary, summary_zh, evidence, thresholds, exposure_at_risk, currency, occurred_at, opened_at, last_found_at, sla_due_at, episode, event_keys)
VALUES (%(alert_id)s, %(tenant_id)s, %(rule_code)s, %(rule_version)s, %(subject_kind)s, %(subject_id)s, %(facility_id)s, %(warehouse_id)s, %(pledge_id)s,
        %(leg)s, %(severity)s, 'OPEN', %(summary)s, %(summary_zh)s, %(evidence)s, %(thresholds)s, %(exposure_at_risk)s, %(currency)s, %(occurred_at)s,
        %(now)s, %(now)s, %(sla_due_at)s, %(episode)s, %(event_keys)s);

-- name: refresh_alert
-- version moves only when people would decide differently: on a raise, a reopening, a resolution.
UPDATE alert SET last_found_at = %(now)s, summary = %(summary)s, summary_zh = %(summary_zh)s, evidence = %(evidence)s, thresholds = %(thresholds)s,
       rule_version = %(rule_version)s, exposure_at_risk = %(exposure_at_risk)s, currency = %(currency)s, event_keys = %(event_keys)s,
       facility_id = coalesce(%(facility_id)s, facility_id), pledge_id = coalesce(%(pledge_id)s, pledge_id),
       sla_due_at = CASE WHEN severity <> %(severity)s THEN least(sla_due_at, %(sla_due_at)s) ELSE sla_due_at END,
       version = version + CASE WHEN severity <> %(severity)s THEN 1 ELSE 0 END, severity = %(severity)s
 WHERE alert_id = %(alert_id)s;

-- name: touch_alert
UPDATE alert SET last_found_at = %(now)s WHERE alert_id = %(alert_id)s;

-- name: reopen_alert
UPDATE alert SET status = 'OPEN', severity = %(severity)s, last_found_at = %(now)s, summary = %(summary)s, summary_zh = %(summary_zh)s,
       evidence = %(evidence)s, thresholds = %(thresholds)s, rule_version = %(rule_version)s, exposure_at_risk = %(exposure_at_risk)s, currency = %(currency)s,
       event_keys = %(event_keys)s, facility_id = coalesce(%(facility_id)s, facility_id), pledge_id = coalesce(%(pledge_id)s, pledge_id),
       sla_due_at = %(sla_due_at)s, resolved_at = NULL, closed_at = NULL, closing_user = NULL, second_closing_user = NULL, closing_reason = NULL,
       version = version + 1
 WHERE alert_id = %(alert_id)s;

-- name: resolve_alert
UPDATE alert SET status = 'RESOLVED', resolved_at = %(now)s, version = version + 1 WHERE alert_id = %(alert_id)s;

-- name: raise_composite
UPDATE alert SET severity = %(severity)s, composite_legs = %(legs)s, sla_due_at = least(sla_due_at, %(sla_due_at)s), version = version + 1
 WHERE alert_id = %(alert_id)s;

-- name: insert_event
INSERT INTO alert_event (alert_id, tenant_id, happened_at, actor, kind, detail) VALUES (%(alert_id)s, %(tenant_id)s, %(now)s, %(actor)s, %(kind)s, %(detail)s);

-- name: alert_for_update
SELECT alert_id, tenant_id, rule_code, severity, status, owner, closing_user, second_closing_user, closing_reason, closed_at, version
  FROM alert WHERE alert_id = %(alert_id)s AND tenant_id = %(tenant_id)s FOR UPDATE;

-- name: save_action
UPDATE alert SET status = %(status)s, owner = %(owner)s, closing_user = %(closing_user)s, second_closing_user = %(second_closing_user)s,
       closing_reason = %(closing_reason)s, closed_at = %(closed_at)s, version = version + 1
 WHERE alert_id = %(alert_id)s RETURNING version;
