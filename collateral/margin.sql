-- name: valuation
-- One mark with its facility's terms.
SELECT v.valuation_id, v.tenant_id, v.facility_id, v.as_of, v.cause, v.currency, v.gross_market_value, v.collateral_value, v.exposure, v.effective_advance, v.coverage,
       v.line_state, v.detail, f.advance_rate, f.disposal_cost, f.warning_line, f.margin_call_line, f.disposal_line, f.cure_unit, f.cure_length,
       f.cure_target, f.status AS facility_status
  FROM valuation v JOIN facility f USING (facility_id) WHERE v.valuation_id = %(valuation_id)s;

-- name: latest_valuation
-- The newest mark of a facility.
SELECT valuation_id FROM valuation WHERE facility_id = %(facility_id)s ORDER BY as_of DESC, recorded_at DESC, valuation_id DESC LIMIT 1;

-- name: mark_before_fall
-- The last mark that was not below the margin-call line, before this one; or else the first of all.
SELECT detail FROM (
  (SELECT detail, 1 AS rank FROM valuation WHERE facility_id = %(facility_id)s AND as_of < %(as_of)s AND line_state IN ('OK', 'WARNING')
    ORDER BY as_of DESC, recorded_at DESC LIMIT 1)
  UNION ALL
  (SELECT detail, 2 FROM valuation WHERE facility_id = %(facility_id)s AND as_of < %(as_of)s ORDER BY as_of, recorded_at LIMIT 1)) m
 ORDER BY rank LIMIT 1;

-- name: open_call
-- The open call of a facility.
SELECT call_id, facility_id, valuation_id, status, cause, cash_amount, goods_amount, currency, issued_at, cure_deadline, acknowledged_by, closed_at
  FROM margin_call WHERE facility_id = %(facility_id)s AND status IN ('ISSUED', 'ACKNOWLEDGED', 'PARTLY_CURED') FOR UPDATE;

-- name: call_of_valuation
-- A call binds to one mark.
SELECT call_id, facility_id, valuation_id, status, cause, cash_amount, goods_amount, currency, issued_at, cure_deadline, acknowledged_by, closed_at
  FROM margin_call WHERE valuation_id = %(valuation_id)s;

-- name: call
-- One call, locked.
SELECT call_id, facility_id, valuation_id, status, cause, cash_amount, goods_amount, currency, issued_at, cure_deadline, acknowledged_by, closed_at
  FROM margin_call WHERE call_id = %(call_id)s AND tenant_id = %(tenant_id)s FOR UPDATE;

-- name: call_facility
-- Where a call belongs.
SELECT facility_id, tenant_id FROM margin_call WHERE call_id = %(call_id)s;

-- name: insert_call
-- A demand.
INSERT INTO margin_call (call_id, tenant_id, facility_id, valuation_id, status, cause, cash_amount, goods_amount, currency, issued_at, cure_deadline)
VALUES (%(call_id)s, %(tenant_id)s, %(facility_id)s, %(valuation_id)s, 'ISSUED', %(cause)s, %(cash_amount)s, %(goods_amount)s, %(currency)s, %(now)s,
        %(cure_deadline)s);

-- name: set_call_status
-- The call moves on.
UPDATE margin_call SET status = %(status)s, closed_at = %(closed_at)s, acknowledged_by = coalesce(%(acknowledged_by)s, acknowledged_by)
 WHERE call_id = %(call_id)s;

-- name: insert_call_event
-- What happened to a call.
INSERT INTO margin_call_event (call_id, happened_at, actor, kind, detail) VALUES (%(call_id)s, %(now)s, %(actor)s, %(kind)s, %(detail)s);

-- name: last_call_event
-- The newest event of a kind.
SELECT detail FROM margin_call_event WHERE call_id = %(call_id)s AND kind = %(kind)s ORDER BY event_id DESC LIMIT 1;

-- name: overdue_calls
-- Open calls past their deadline.
SELECT call_id, facility_id, tenant_id FROM margin_call
 WHERE status IN ('ISSUED', 'ACKNOWLEDGED', 'PARTLY_CURED') AND cure_deadline < %(now)s ORDER BY facility_id;

-- name: open_case
-- The open disposal case of a facility.
SELECT case_id, facility_id, call_id, valuation_id, status, trigger, exposure, collateral_value, proposed_sale_value, currency, opened_at, approved_by,
       second_approver
  FROM disposal_case WHERE facility_id = %(facility_id)s AND status NOT IN ('SETTLED', 'WITHDRAWN') FOR UPDATE;

-- name: case_by_id
-- One case.
SELECT case_id, facility_id, call_id, valuation_id, status, trigger, exposure, collateral_value, proposed_sale_value, currency, opened_at, approved_by,
       second_approver
  FROM disposal_case WHERE case_id = %(case_id)s AND tenant_id = %(tenant_id)s FOR UPDATE;

-- name: insert_case
-- A proposal for people.
INSERT INTO disposal_case (case_id, tenant_id, facility_id, call_id, valuation_id, status, trigger, exposure, collateral_value, proposed_sale_value, currency,
       opened_at)
VALUES (%(case_id)s, %(tenant_id)s, %(facility_id)s, %(call_id)s, %(valuation_id)s, 'DRAFT', %(trigger)s, %(exposure)s, %(collateral_value)s,
        %(proposed_sale_value)s, %(currency)s, %(now)s);

-- name: set_case
-- An approval or a withdrawal.
UPDATE disposal_case SET status = %(status)s, approved_by = %(approved_by)s, second_approver = %(second_approver)s WHERE case_id = %(case_id)s;

-- name: case_facility
-- Where a case belongs.
SELECT facility_id FROM disposal_case WHERE case_id = %(case_id)s AND tenant_id = %(tenant_id)s;
