-- name: insert_override
-- One person's word for a quarantined price.
INSERT INTO price_override (override_id, tenant_id, price_id, status, reason, proposed_by, proposed_at)
VALUES (%(override_id)s, %(tenant_id)s, %(price_id)s, 'PROPOSED', %(reason)s, %(proposed_by)s, %(proposed_at)s);

-- name: override_for_update
-- What was asked, locked.
SELECT * FROM price_override WHERE override_id = %(override_id)s AND tenant_id = %(tenant_id)s FOR UPDATE;

-- name: decide_override
-- The second person's word.
UPDATE price_override SET status = %(status)s, decided_by = %(actor)s, decided_at = %(now)s, decision_reason = %(reason)s, used_price_id = %(used_price_id)s
 WHERE override_id = %(override_id)s RETURNING *;

-- name: insert_differential
-- A differential that nobody has agreed to yet.
INSERT INTO price_differential (differential_id, tenant_id, facility_id, commodity_code, kind, applies_to, amount, currency, share, valid_from, valid_to, reason,
       status, proposed_by, proposed_at)
VALUES (%(differential_id)s, %(tenant_id)s, %(facility_id)s, %(commodity_code)s, %(kind)s, %(applies_to)s, %(amount)s, %(currency)s, %(share)s,
       %(valid_from)s, %(valid_to)s, %(reason)s, 'PROPOSED', %(proposed_by)s, %(proposed_at)s);

-- name: differential_for_update
-- One differential, locked.
SELECT * FROM price_differential WHERE differential_id = %(differential_id)s AND tenant_id = %(tenant_id)s FOR UPDATE;

-- name: decide_differential
-- The second person's word; the exclusion constraint refuses two at a time.
UPDATE price_differential SET status = %(status)s, decided_by = %(actor)s, decided_at = %(now)s WHERE differential_id = %(differential_id)s RETURNING *;

-- name: overlapping_differential
-- What already holds in some of these days.
SELECT differential_id, valid_from, valid_to FROM price_differential
 WHERE tenant_id = %(tenant_id)s AND facility_id IS NOT DISTINCT FROM %(facility_id)s::text AND commodity_code = %(commodity_code)s AND kind = %(kind)s
   AND applies_to = %(applies_to)s AND status = 'APPROVED' AND daterange(valid_from, valid_to) && daterange(%(valid_from)s::date, %(valid_to)s::date)
 ORDER BY valid_from LIMIT 1;

-- name: differentials_on
-- What holds on a day, by tenant.
SELECT differential_id, tenant_id, facility_id, commodity_code, kind, applies_to, amount, currency, share FROM price_differential
 WHERE status = 'APPROVED' AND valid_from <= %(on)s AND (valid_to IS NULL OR valid_to > %(on)s) AND tenant_id = ANY(%(tenant_ids)s)
 ORDER BY commodity_code, kind, applies_to, facility_id NULLS LAST;
