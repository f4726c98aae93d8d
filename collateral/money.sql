-- name: set_rate_end
-- The rate that holds on the day ends there.
UPDATE facility_rate SET valid_to = %(valid_from)s WHERE facility_id = %(facility_id)s AND valid_to IS NULL AND valid_from < %(valid_from)s;

-- name: insert_rate
-- A rate from a day on.
INSERT INTO facility_rate (facility_id, valid_from, annual_rate, day_count, set_by, set_at)
VALUES (%(facility_id)s, %(valid_from)s, %(annual_rate)s, %(day_count)s, %(actor)s, %(now)s);

-- name: rates
-- What borrowing costs, oldest first.
SELECT valid_from, valid_to, annual_rate, day_count FROM facility_rate WHERE facility_id = %(facility_id)s ORDER BY valid_from;

-- name: principal_changes
-- Principal by the bank's day on which it moved, as known at an instant.
SELECT (e.happened_at AT TIME ZONE 'Asia/Shanghai')::date AS day, sum(p.amount) AS amount FROM ledger_entry e JOIN ledger_posting p USING (entry_id)
 WHERE e.facility_id = %(facility_id)s AND p.account = 'principal' AND e.recorded_at <= %(known_at)s GROUP BY 1 HAVING sum(p.amount) <> 0 ORDER BY 1;

-- name: accrued_before
-- What accruals have posted so far; one that was corrected does not count.
SELECT coalesce(sum(a.posted), 0) AS posted, max(a.accrued_to) AS accrued_to FROM interest_accrual a JOIN ledger_entry e USING (entry_id)
 WHERE a.facility_id = %(facility_id)s AND e.happened_at <= %(as_of)s AND e.recorded_at <= %(known_at)s
   AND NOT EXISTS (SELECT 1 FROM ledger_entry c WHERE c.corrects = a.entry_id AND c.recorded_at <= %(known_at)s);

-- name: insert_accrual
-- What an INTEREST entry stands for.
INSERT INTO interest_accrual (entry_id, facility_id, accrued_to, total, posted)
VALUES (%(entry_id)s, %(facility_id)s, %(accrued_to)s, %(total)s, %(posted)s);

-- name: facilities_with_rates
-- Facilities on which interest runs.
SELECT DISTINCT f.facility_id, f.tenant_id FROM facility f JOIN facility_rate USING (facility_id)
 WHERE f.status <> 'CLOSED' AND (%(tenant_id)s::text IS NULL OR f.tenant_id = %(tenant_id)s) ORDER BY f.facility_id;

-- name: entry_by_no
-- An entry of a facility, and what corrected it.
SELECT e.entry_id, e.entry_no, e.kind, e.happened_at, (SELECT c.entry_no FROM ledger_entry c WHERE c.corrects = e.entry_id) AS corrected_by
  FROM ledger_entry e WHERE e.facility_id = %(facility_id)s AND e.entry_no = %(entry_no)s;

-- name: postings_of
-- The lines of an entry in order.
SELECT account, amount, unit, goods_id FROM ledger_posting WHERE entry_id = %(entry_id)s ORDER BY line_no;

-- name: insert_correction
-- One person's word that an entry is wrong.
INSERT INTO ledger_correction (correction_id, tenant_id, facility_id, entry_no, status, reason, proposed_by, proposed_at)
VALUES (%(correction_id)s, %(tenant_id)s, %(facility_id)s, %(entry_no)s, 'PROPOSED', %(reason)s, %(actor)s, %(now)s) RETURNING *;

-- name: correction
-- What was asked.
SELECT * FROM ledger_correction WHERE correction_id = %(correction_id)s AND tenant_id = %(tenant_id)s;

-- name: decide_correction
-- The second person's word.
UPDATE ledger_correction SET status = %(status)s, decided_by = %(actor)s, decided_at = %(now)s, reversing_entry_no = %(entry_no)s
 WHERE correction_id = %(correction_id)s RETURNING *;

-- name: facility_tenant
-- Whose facility it is.
SELECT tenant_id, currency FROM facility WHERE facility_id = %(facility_id)s AND tenant_id = %(tenant_id)s;
