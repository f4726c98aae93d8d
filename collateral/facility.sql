-- name: insert_facility
-- No row comes back when the id stands for other content.
INSERT INTO facility (facility_id, tenant_id, name, name_zh, borrower_party_id, lender_party_id, product, pledge_mode, currency, limit_amount, advance_rate,
       disposal_cost, warning_line, margin_call_line, disposal_line, cure_unit, cure_length, cure_target, control_value_floor, reserves, opened_at,
       matures_on, repayment_order, status)
VALUES (%(facility_id)s, %(tenant_id)s, %(name)s, %(name_zh)s, %(borrower_party_id)s, %(lender_party_id)s, %(product)s, %(pledge_mode)s, %(currency)s,
       %(limit_amount)s, %(advance_rate)s, %(disposal_cost)s, %(warning_line)s, %(margin_call_line)s, %(disposal_line)s, %(cure_unit)s, %(cure_length)s,
       %(cure_target)s, %(control_value_floor)s, %(reserves)s, %(opened_at)s, %(matures_on)s, %(repayment_order)s, 'ACTIVE');

-- name: insert_facility_commodity
-- What the facility accepts.
INSERT INTO facility_commodity (facility_id, commodity_code, advance_rate, primary_source, check_source, source_tolerance, location_discount, quality_haircut,
       price_rule, further_sources, accepted_grades)
VALUES (%(facility_id)s, %(commodity_code)s, %(advance_rate)s, %(primary_source)s, %(check_source)s, %(source_tolerance)s, %(location_discount)s,
       %(quality_haircut)s, %(price_rule)s, %(further_sources)s, %(accepted_grades)s);

-- name: insert_cap
-- How much of the value may lie under one name.
INSERT INTO facility_cap (facility_id, dimension, share) VALUES (%(facility_id)s, %(dimension)s, %(share)s);

-- name: product
-- What a facility under a product may be.
SELECT product, name, name_zh, pledge_modes, tenor_days_max, cure_hours_max, cure_days_max, disposal_cost_min FROM credit_product WHERE product = %(product)s;

-- name: product_advances
-- The highest advance by group of commodities.
SELECT commodity_group, advance_max FROM credit_product_advance WHERE product = %(product)s;

-- name: commodity_groups
-- What each commodity counts under.
SELECT commodity_code, commodity_group FROM commodity WHERE commodity_code = ANY(%(codes)s);

-- name: insert_balance
-- The facility's money starts at nothing.
INSERT INTO facility_balance (facility_id, currency) VALUES (%(facility_id)s, %(currency)s);

-- name: lock_facility
-- Every command on a facility takes this lock first; goods follow in the order of their ids.
SELECT b.facility_id, b.currency, b.principal, b.interest, b.fees, b.cash_margin, b.last_entry_no, b.last_hash
  FROM facility_balance b JOIN facility f USING (facility_id)
 WHERE b.facility_id = %(facility_id)s AND f.tenant_id = %(tenant_id)s FOR UPDATE OF b;

-- name: locked_terms
-- What else a command goes by, in a statement of its own: one that waited for the lock still sees the facility as it was before the wait.
SELECT status, tenant_id, borrower_party_id, matures_on, repayment_order FROM facility WHERE facility_id = %(facility_id)s;

-- name: set_facility_status
-- Frozen, in disposal, or free again.
UPDATE facility SET status = %(status)s WHERE facility_id = %(facility_id)s AND status = ANY(%(from)s);

-- name: entry_by_key
-- The entry that a command made before.
SELECT entry_id, facility_id, entry_no, kind, happened_at, recorded_at, hash, request_hash FROM ledger_entry
 WHERE facility_id = %(facility_id)s AND idempotency_key = %(idempotency_key)s;

-- name: insert_entry
-- The next link of the chain with its lines; posted and balanced in one statement.
WITH made AS (
  INSERT INTO ledger_entry (facility_id, entry_no, kind, happened_at, recorded_at, business_date, actor, reason, corrects, idempotency_key, request_hash,
         prev_hash, hash)
  VALUES (%(facility_id)s, %(entry_no)s, %(kind)s, %(happened_at)s, %(recorded_at)s, %(business_date)s, %(actor)s, %(reason)s, %(corrects)s,
         %(idempotency_key)s, %(request_hash)s, %(prev_hash)s, %(hash)s)
  RETURNING entry_id
), lines AS (
  INSERT INTO ledger_posting (entry_id, line_no, account, amount, unit, goods_id)
  SELECT made.entry_id, l.line_no, l.account, l.amount, l.unit, l.goods_id
    FROM made, unnest(%(line_nos)s::int[], %(accounts)s::text[], %(amounts)s::numeric[], %(units)s::text[], %(goods_ids)s::text[])
         AS l(line_no, account, amount, unit, goods_id)
), kept AS (
  UPDATE facility_balance SET principal = %(principal)s, interest = %(interest)s, fees = %(fees)s, cash_margin = %(cash_margin)s,
         last_entry_no = %(entry_no)s, last_hash = %(hash)s WHERE facility_id = %(facility_id)s
)
SELECT entry_id FROM made;

-- name: entries
-- The book of a facility in order.
SELECT e.entry_id, e.facility_id, e.entry_no, e.kind, e.happened_at, e.recorded_at, e.business_date, e.actor, e.reason, e.corrects, e.idempotency_key,
       e.request_hash, e.prev_hash, e.hash
  FROM ledger_entry e WHERE e.facility_id = %(facility_id)s ORDER BY e.entry_no;

-- name: postings
-- The lines of a facility's book in order.
SELECT p.entry_id, p.account, p.amount, p.unit, p.goods_id FROM ledger_posting p JOIN ledger_entry e USING (entry_id)
 WHERE e.facility_id = %(facility_id)s ORDER BY p.entry_id, p.line_no;

-- name: numbered_postings
-- The lines of a facility's book in order, with their numbers.
SELECT p.entry_id, p.line_no, p.account, p.amount, p.unit, p.goods_id FROM ledger_posting p JOIN ledger_entry e USING (entry_id)
 WHERE e.facility_id = %(facility_id)s ORDER BY p.entry_id, p.line_no;

-- name: held_units
-- Live pledged goods of a facility beside what the registry says of them.
SELECT i.pledge_id, i.goods_id, i.quantity, i.unit, g.quantity AS registered_quantity, g.unit AS registered_unit
  FROM pledge_item i JOIN goods_unit g USING (goods_id) WHERE i.facility_id = %(facility_id)s AND i.released_at IS NULL ORDER BY i.pledge_id, i.goods_id;

-- name: accrual_rows
-- Interest that a facility's entries are said to have posted.
SELECT entry_id, posted FROM interest_accrual WHERE facility_id = %(facility_id)s ORDER BY entry_id;

-- name: balance
-- The money kept for a facility.
SELECT facility_id, currency, principal, interest, fees, cash_margin, last_entry_no, last_hash FROM facility_balance WHERE facility_id = %(facility_id)s;

-- name: facility_ids
-- Every facility.
SELECT facility_id FROM facility ORDER BY facility_id;

-- name: insert_pledge
-- A draft: its goods are named, none of them is held yet.
INSERT INTO pledge (pledge_id, tenant_id, facility_id, receipt_no, status, filing_no, created_by, created_at)
VALUES (%(pledge_id)s, %(tenant_id)s, %(facility_id)s, %(receipt_no)s, 'DRAFT', %(filing_no)s, %(actor)s, %(now)s);

-- name: insert_pledge_items
-- Named goods of a draft: released_at = pledged_at, a lien of no length, until the approval makes it live.
INSERT INTO pledge_item (pledge_id, goods_id, facility_id, vin, identity_key, quantity, unit, pledged_at, released_at)
SELECT %(pledge_id)s, goods_id, %(facility_id)s, vin, identity_key, quantity, unit, %(now)s, %(now)s FROM goods_unit WHERE goods_id = ANY(%(goods_ids)s);

-- name: pledge
-- A pledge with its goods.
SELECT p.pledge_id, p.tenant_id, p.facility_id, p.receipt_no, p.filing_no, p.status, p.created_by, p.approved_by, p.created_at, p.pledged_at, p.discharged_at,
       (SELECT array_agg(goods_id ORDER BY goods_id) FROM pledge_item i WHERE i.pledge_id = p.pledge_id) AS goods_ids
  FROM pledge p WHERE p.pledge_id = %(pledge_id)s AND p.tenant_id = %(tenant_id)s;

-- name: lock_goods
-- Units in the order of their ids, locked.
SELECT goods_id, state, quantity, unit, commodity_code, owner_party_id, zone_id, warehouse_id FROM goods_unit
 WHERE goods_id = ANY(%(goods_ids)s) AND tenant_id = %(tenant_id)s ORDER BY goods_id FOR UPDATE;

-- name: not_under_receipt
-- Units that do not lie under this receipt.
SELECT g.goods_id FROM unnest(%(goods_ids)s::text[]) AS g(goods_id)
 WHERE NOT EXISTS (SELECT 1 FROM receipt_item ri WHERE ri.receipt_no = %(receipt_no)s AND ri.goods_id = g.goods_id AND ri.ended_at IS NULL)
 ORDER BY g.goods_id;

-- name: lock_receipts
-- The receipts over a pledge's goods, its own among them: papers and goods are pledged one after the other.
SELECT r.receipt_no, r.state FROM warehouse_receipt r
 WHERE r.receipt_no = %(receipt_no)s
    OR r.receipt_no IN (SELECT ri.receipt_no FROM receipt_item ri WHERE ri.goods_id = ANY(%(goods_ids)s) AND ri.ended_at IS NULL)
 ORDER BY r.receipt_no FOR NO KEY UPDATE;

-- name: activate_pledge
-- From now on these goods secure the loan.
UPDATE pledge SET status = 'ACTIVE', approved_by = %(actor)s, pledged_at = %(now)s WHERE pledge_id = %(pledge_id)s;

-- name: activate_items
-- The unique indexes refuse goods that are live elsewhere.
UPDATE pledge_item SET pledged_at = %(now)s, released_at = NULL WHERE pledge_id = %(pledge_id)s;

-- name: pledged_quantities
-- What a pledge holds, in the units of its goods.
SELECT goods_id, quantity, unit FROM pledge_item WHERE pledge_id = %(pledge_id)s ORDER BY goods_id;

-- name: set_goods_state
-- Units move on in their life cycle.
UPDATE goods_unit SET state = %(state)s WHERE goods_id = ANY(%(goods_ids)s) AND state = ANY(%(from)s);

-- name: conflicting_pledge
-- The live pledge that holds one of these goods, by id, by VIN or by mill identity.
SELECT mine.goods_id, op.tenant_id AS other_tenant_id, other.pledge_id AS other_pledge_id, other.goods_id AS other_goods_id, other.facility_id AS other_facility_id,
       CASE WHEN other.goods_id = mine.goods_id THEN 'goods_id' WHEN other.vin = mine.vin THEN 'vin' ELSE 'identity_key' END AS matched_by,
       coalesce(mine.vin, mine.identity_key) AS identity
  FROM pledge_item mine
  JOIN pledge_item other ON other.released_at IS NULL AND (other.pledge_id <> mine.pledge_id OR other.goods_id <> mine.goods_id)
       AND (other.goods_id = mine.goods_id OR other.vin = mine.vin OR other.identity_key = mine.identity_key)
  JOIN pledge op ON op.pledge_id = other.pledge_id
 WHERE mine.pledge_id = %(pledge_id)s ORDER BY mine.goods_id;

-- name: split_receipt
-- The pledge of another facility under the same receipt: one loan has the paper, the other the goods.
WITH mine AS (
  SELECT p.pledge_id, p.facility_id, p.receipt_no, i.goods_id,
         (SELECT ri.receipt_no FROM receipt_item ri WHERE ri.goods_id = i.goods_id AND ri.ended_at IS NULL) AS lies_under
    FROM pledge p JOIN pledge_item i USING (pledge_id) WHERE p.pledge_id = %(pledge_id)s
)
SELECT mine.goods_id, o.tenant_id AS other_tenant_id, o.pledge_id AS other_pledge_id, o.facility_id AS other_facility_id, mine.lies_under AS receipt_no
  FROM mine JOIN pledge o ON o.receipt_no = mine.lies_under
 WHERE o.facility_id <> mine.facility_id AND o.discharged_at IS NULL AND o.status <> 'DRAFT'
UNION ALL
SELECT mine.goods_id, o.tenant_id, o.pledge_id, o.facility_id, mine.receipt_no
  FROM mine JOIN receipt_item ri ON ri.receipt_no = mine.receipt_no AND ri.ended_at IS NULL
  JOIN pledge_item oi ON oi.goods_id = ri.goods_id AND oi.released_at IS NULL JOIN pledge o ON o.pledge_id = oi.pledge_id
 WHERE o.facility_id <> mine.facility_id
 LIMIT 1;

-- name: conflicting_receipt
-- The pledge that holds this receipt.
SELECT p.tenant_id AS other_tenant_id, p.pledge_id AS other_pledge_id, p.facility_id AS other_facility_id FROM pledge p
 WHERE p.receipt_no = %(receipt_no)s AND p.pledge_id <> %(pledge_id)s AND p.discharged_at IS NULL AND p.status <> 'DRAFT';

-- name: insert_refusal
-- What the ledger refused, kept for the officer.
INSERT INTO refused_command (tenant_id, refused_at, user_id, command, code, facility_id, detail)
VALUES (%(tenant_id)s, %(now)s, %(actor)s, %(command)s, %(code)s, %(facility_id)s, %(detail)s);

-- name: live_items
-- Live pledged goods of a facility among these.
SELECT goods_id, pledge_id, quantity, unit FROM pledge_item
 WHERE facility_id = %(facility_id)s AND goods_id = ANY(%(goods_ids)s) AND released_at IS NULL ORDER BY goods_id;

-- name: open_release_of
-- Units that are on an open release order already.
SELECT ri.goods_id, ri.release_id FROM release_item ri WHERE ri.goods_id = ANY(%(goods_ids)s) AND ri.gated_out_at IS NULL AND ri.returned_at IS NULL
 ORDER BY ri.goods_id;

-- name: insert_release
-- A request.
INSERT INTO release_order (release_id, tenant_id, facility_id, status, requested_by, vehicle_plate, driver_id_hash, valid_from, valid_to, value_amount, currency,
       needs_second_checker, reason, requested_at)
VALUES (%(release_id)s, %(tenant_id)s, %(facility_id)s, 'REQUESTED', %(actor)s, %(vehicle_plate)s, %(driver_id_hash)s, %(valid_from)s, %(valid_to)s,
       %(value_amount)s, %(currency)s, %(needs_second_checker)s, %(reason)s, %(now)s);

-- name: insert_release_items
-- The exact units of an order.
INSERT INTO release_item (release_id, goods_id) SELECT %(release_id)s, unnest(%(goods_ids)s::text[]);

-- name: release
-- An order with its units and what became of them.
SELECT o.release_id, o.tenant_id, o.facility_id, o.status, o.requested_by, o.maker_id, o.checker_id, o.second_checker_id, o.needs_second_checker, o.vehicle_plate,
       o.driver_id_hash, o.valid_from, o.valid_to, o.value_amount, o.currency, o.signature, o.reason, o.requested_at, o.issued_at, o.closed_at,
       coalesce(array_agg(i.goods_id ORDER BY i.goods_id), '{}') AS goods_ids,
       coalesce(array_agg(i.goods_id ORDER BY i.goods_id) FILTER (WHERE i.gated_out_at IS NOT NULL), '{}') AS gated_out_ids,
       coalesce(array_agg(i.goods_id ORDER BY i.goods_id) FILTER (WHERE i.returned_at IS NOT NULL), '{}') AS returned_ids
  FROM release_order o JOIN release_item i USING (release_id)
 WHERE o.release_id = %(release_id)s AND (%(tenant_id)s::text IS NULL OR o.tenant_id = %(tenant_id)s) GROUP BY o.release_id;

-- name: facility_of_release
-- Where an order belongs, before its facility is locked.
SELECT facility_id, tenant_id FROM release_order WHERE release_id = %(release_id)s;

-- name: approve_release
-- One more signature.
UPDATE release_order SET status = %(status)s, maker_id = coalesce(%(maker_id)s, maker_id), checker_id = coalesce(%(checker_id)s, checker_id),
       second_checker_id = coalesce(%(second_checker_id)s, second_checker_id), needs_second_checker = %(needs_second_checker)s,
       value_amount = %(value_amount)s
 WHERE release_id = %(release_id)s;

-- name: issue_release
-- The order is out: signed, with its code's hash.
UPDATE release_order SET status = 'ISSUED', issued_at = %(now)s, signature = %(signature)s, pickup_code_hash = %(pickup_code_hash)s
 WHERE release_id = %(release_id)s;

-- name: released_since
-- Value issued for a facility since an instant: many small orders are one large one.
SELECT coalesce(sum(value_amount), 0) AS value FROM release_order
 WHERE facility_id = %(facility_id)s AND issued_at >= %(since)s AND release_id <> %(release_id)s AND status NOT IN ('CANCELLED', 'EXPIRED');

-- name: close_release
-- The order is over.
UPDATE release_order SET status = %(status)s, closed_at = %(now)s WHERE release_id = %(release_id)s;

-- name: set_release_status
-- The order moves on.
UPDATE release_order SET status = %(status)s WHERE release_id = %(release_id)s;

-- name: return_items
-- What did not leave goes back to pledged.
UPDATE release_item SET returned_at = %(now)s WHERE release_id = %(release_id)s AND gated_out_at IS NULL AND returned_at IS NULL RETURNING goods_id;

-- name: overdue_releases
-- Open orders past their time.
SELECT release_id, facility_id, tenant_id FROM release_order
 WHERE status IN ('REQUESTED', 'MAKER_OK', 'CHECKER_OK', 'ISSUED', 'PICKING') AND valid_to < %(now)s ORDER BY facility_id, release_id;

-- name: covering_release
-- The order that covered a unit at an instant, or that has settled it at that very instant. It was issued before the unit left, and had not ended
-- then: a gate's late report is judged by the time of the exit.
SELECT o.release_id, o.facility_id, o.tenant_id FROM release_item i JOIN release_order o USING (release_id)
 WHERE i.goods_id = %(goods_id)s AND o.issued_at IS NOT NULL
   AND (i.gated_out_at = %(at)s
        OR (i.gated_out_at IS NULL AND (i.returned_at IS NULL OR i.returned_at > %(at)s) AND o.issued_at <= %(at)s + %(skew)s
            AND %(at)s BETWEEN o.valid_from - %(tolerance)s AND o.valid_to + %(tolerance)s))
 ORDER BY i.returned_at IS NULL DESC, o.issued_at DESC LIMIT 1;

-- name: gate_out_item
-- The unit has left under this order; if it was counted as left over since, it was not.
UPDATE release_item SET gated_out_at = %(at)s, returned_at = NULL
 WHERE release_id = %(release_id)s AND goods_id = %(goods_id)s AND gated_out_at IS NULL AND (returned_at IS NULL OR returned_at > %(at)s)
RETURNING goods_id;

-- name: release_pledge_item
-- The lien on the unit ends.
UPDATE pledge_item SET released_at = greatest(%(at)s, pledged_at) WHERE facility_id = %(facility_id)s AND goods_id = %(goods_id)s AND released_at IS NULL
RETURNING pledge_id, quantity, unit;

-- name: discharge_if_empty
-- A pledge without live goods is discharged.
UPDATE pledge SET status = 'DISCHARGED', discharged_at = %(now)s
 WHERE pledge_id = %(pledge_id)s AND status <> 'DISCHARGED' AND NOT EXISTS (SELECT 1 FROM pledge_item WHERE pledge_id = %(pledge_id)s AND released_at IS NULL);
