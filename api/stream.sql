-- name: newest_event
-- Where a fresh stream begins.
SELECT coalesce(max(event_id), 0) FROM alert_event;

-- name: ids_above
-- Which of the newest ids are there; the rest are holes.
SELECT event_id FROM alert_event WHERE event_id > %(settled)s AND event_id <= %(upto)s;

-- name: events_to_send
-- Visible events that were not sent, with their alert as it is now.
SELECT e.event_id, e.kind AS event_kind, e.happened_at AS event_happened_at, e.recorded_at AS event_recorded_at,
       e.actor AS event_actor, e.detail AS event_detail, a.*
  FROM alert_event e JOIN alert a USING (alert_id)
 WHERE e.event_id > %(settled)s AND e.event_id <> ALL(%(sent)s::bigint[])
 ORDER BY e.event_id LIMIT %(limit)s;

-- name: transaction_horizon
-- The next transaction id, and the oldest that still runs.
SELECT pg_snapshot_xmax(s)::text::bigint, pg_snapshot_xmin(s)::text::bigint FROM pg_current_snapshot() s;

-- name: events_after
-- A tenant's events after the one that a client saw last.
SELECT e.event_id, e.kind AS event_kind, e.happened_at AS event_happened_at, e.recorded_at AS event_recorded_at,
       e.actor AS event_actor, e.detail AS event_detail, a.*
  FROM alert_event e JOIN alert a USING (alert_id)
 WHERE e.event_id > %(after)s AND e.tenant_id = %(tenant)s
 ORDER BY e.event_id LIMIT %(limit)s;
