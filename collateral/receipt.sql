-- name: lock_receipts
-- Receipts as they stand, locked in the order of their numbers, as the approval of a pledge locks them.
SELECT r.receipt_no, r.tenant_id, r.warehouse_id, r.depositor_party_id, r.keeper_party_id, r.issued_at, r.shrinkage_rate, r.insured_amount, r.currency,
       r.insurance_until, r.state, r.frozen_from, coalesce(r.holder_party_id, r.depositor_party_id) AS holder_party_id, r.endorsee_party_id
  FROM warehouse_receipt r WHERE r.tenant_id = %(tenant_id)s AND r.receipt_no = ANY(%(receipt_nos)s) ORDER BY r.receipt_no FOR NO KEY UPDATE;

-- name: receipt_units
-- Units that lie under these receipts now.
SELECT i.receipt_no, i.goods_id, g.quantity, g.unit FROM receipt_item i JOIN goods_unit g USING (goods_id)
 WHERE i.receipt_no = ANY(%(receipt_nos)s) AND i.ended_at IS NULL ORDER BY i.receipt_no, i.goods_id;

-- name: elements
-- The mandatory elements of these receipts.
SELECT receipt_no, depositor_name, depositor_address, goods_name, quantity, unit, quality, packing, pieces, marks, shrinkage_standard, storage_place,
       storage_from, storage_to, storage_fee, insurer, insurance_from, issuer_name, issue_place, keeper_signatory, electronic
  FROM receipt_elements WHERE receipt_no = ANY(%(receipt_nos)s);

-- name: insert_elements
-- What must stand on a receipt.
INSERT INTO receipt_elements (receipt_no, depositor_name, depositor_address, goods_name, quantity, unit, quality, packing, pieces, marks, shrinkage_standard,
       storage_place, storage_from, storage_to, storage_fee, insurer, insurance_from, issuer_name, issue_place, keeper_signatory, electronic, recorded_at)
VALUES (%(receipt_no)s, %(depositor_name)s, %(depositor_address)s, %(goods_name)s, %(quantity)s, %(unit)s, %(quality)s, %(packing)s, %(pieces)s, %(marks)s,
       %(shrinkage_standard)s, %(storage_place)s, %(storage_from)s, %(storage_to)s, %(storage_fee)s, %(insurer)s, %(insurance_from)s, %(issuer_name)s,
       %(issue_place)s, %(keeper_signatory)s, %(electronic)s, %(now)s);

-- name: party_names
-- How a party may be called on paper.
SELECT name, name_zh, roles FROM party WHERE party_id = %(party_id)s AND tenant_id = %(tenant_id)s;

-- name: pledges_on_receipts
-- Live pledges that name one of these receipts, and those that hold a unit under one.
SELECT p.pledge_id, p.receipt_no, NULL AS goods_id FROM pledge p
 WHERE p.receipt_no = ANY(%(receipt_nos)s) AND p.discharged_at IS NULL AND p.status <> 'DRAFT'
UNION ALL
SELECT i.pledge_id, ri.receipt_no, i.goods_id FROM receipt_item ri JOIN pledge_item i ON i.goods_id = ri.goods_id AND i.released_at IS NULL
 WHERE ri.receipt_no = ANY(%(receipt_nos)s) AND ri.ended_at IS NULL
 ORDER BY 3 NULLS FIRST, 1 LIMIT 100;

-- name: set_state
-- The receipt moves on.
UPDATE warehouse_receipt SET state = %(state)s, frozen_from = %(frozen_from)s, holder_party_id = %(holder_party_id)s,
       endorsee_party_id = %(endorsee_party_id)s WHERE receipt_no = %(receipt_no)s;

-- name: end_items
-- Nothing lies under these receipts any more.
UPDATE receipt_item SET ended_at = %(now)s WHERE receipt_no = ANY(%(receipt_nos)s) AND ended_at IS NULL;

-- name: insert_successor
-- A receipt in the place of others. Its number must be new.
INSERT INTO warehouse_receipt (receipt_no, tenant_id, warehouse_id, depositor_party_id, keeper_party_id, issued_at, shrinkage_rate, insured_amount, currency,
       insurance_until, state, content, content_hash, recorded_at, holder_party_id)
VALUES (%(receipt_no)s, %(tenant_id)s, %(warehouse_id)s, %(depositor_party_id)s, %(keeper_party_id)s, %(issued_at)s, %(shrinkage_rate)s, %(insured_amount)s,
       %(currency)s, %(insurance_until)s, 'ISSUED', %(content)s, %(content_hash)s, %(issued_at)s, %(holder_party_id)s);

-- name: insert_items
-- The goods under a receipt.
INSERT INTO receipt_item (receipt_no, goods_id) SELECT %(receipt_no)s, unnest(%(goods_ids)s::text[]);

-- name: insert_succession
-- Which receipt takes the place of which.
INSERT INTO receipt_succession (old_receipt_no, new_receipt_no, happened_at) VALUES (%(old)s, %(new)s, %(now)s);

-- name: last_event
-- The head of a receipt's chain.
SELECT event_no, hash FROM receipt_event WHERE receipt_no = %(receipt_no)s ORDER BY event_no DESC LIMIT 1;

-- name: insert_event
-- The next link.
INSERT INTO receipt_event (receipt_no, event_no, kind, state, happened_at, actor, asked_by, content, prev_hash, hash)
VALUES (%(receipt_no)s, %(event_no)s, %(kind)s, %(state)s, %(happened_at)s, %(actor)s, %(asked_by)s, %(content)s, %(prev_hash)s, %(hash)s);

-- name: insert_order
-- What one person asks for.
INSERT INTO receipt_order (order_id, tenant_id, kind, receipt_nos, request, reason, status, proposed_by, proposed_at)
VALUES (%(order_id)s, %(tenant_id)s, %(kind)s, %(receipt_nos)s, %(request)s, %(reason)s, 'PROPOSED', %(actor)s, %(now)s)
RETURNING order_id, kind, receipt_nos, request, reason, status, proposed_by, proposed_at, decided_by, decided_at;

-- name: order_for_update
-- An order that is to be decided.
SELECT order_id, kind, receipt_nos, request, reason, status, proposed_by, proposed_at, decided_by, decided_at
  FROM receipt_order WHERE order_id = %(order_id)s AND tenant_id = %(tenant_id)s FOR UPDATE;

-- name: decide_order
-- The second person's word.
UPDATE receipt_order SET status = %(status)s, decided_by = %(actor)s, decided_at = %(now)s WHERE order_id = %(order_id)s
RETURNING order_id, kind, receipt_nos, request, reason, status, proposed_by, proposed_at, decided_by, decided_at;

-- name: chains
-- Every event of every receipt, in order, with how its receipt stands.
SELECT e.receipt_no, e.event_no, e.kind, e.state, e.happened_at, e.actor, e.asked_by, e.content, e.prev_hash, e.hash, r.state AS stands
  FROM receipt_event e LEFT JOIN warehouse_receipt r USING (receipt_no) ORDER BY e.receipt_no, e.event_no;
