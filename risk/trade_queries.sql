-- name: thresholds
-- What people set, newest of each scope.
SELECT DISTINCT ON (tenant_id, rule_code, name, product, warehouse_id) threshold_no AS version, tenant_id, rule_code, name, product, warehouse_id, value
  FROM rule_threshold WHERE set_at <= %(as_of)s ORDER BY tenant_id, rule_code, name, product, warehouse_id, threshold_no DESC;

-- name: shadowed
-- (tenant, rule) pairs in shadow.
SELECT tenant_id, rule_code FROM (
  SELECT DISTINCT ON (tenant_id, rule_code) tenant_id, rule_code, mode FROM rule_mode ORDER BY tenant_id, rule_code, mode_no DESC) m WHERE mode = 'SHADOW';

-- name: keep_shadow
INSERT INTO shadow_finding (tenant_id, rule_code, subject_kind, subject_id, severity, summary, summary_zh, evidence, first_found_at, last_found_at)
VALUES (%(tenant_id)s, %(rule_code)s, %(subject_kind)s, %(subject_id)s, %(severity)s, %(summary)s, %(summary_zh)s, %(evidence)s, %(now)s, %(now)s)
ON CONFLICT (tenant_id, rule_code, subject_kind, subject_id) DO UPDATE SET severity = excluded.severity, summary = excluded.summary,
  summary_zh = excluded.summary_zh, evidence = excluded.evidence, last_found_at = excluded.last_found_at, times = shadow_finding.times + 1;

-- name: receipts
-- Live receipts with what else is known of their number, keeper and goods.
WITH live AS (
  SELECT w.* FROM warehouse_receipt w
   WHERE w.state <> 'CANCELLED' AND EXISTS (SELECT 1 FROM receipt_item i WHERE i.receipt_no = w.receipt_no AND i.ended_at IS NULL)),
levelled AS (SELECT regexp_replace(upper(receipt_no), '[^[:alnum:]]', '', 'g') AS key, count(*) AS n FROM live GROUP BY 1 HAVING count(*) > 1),
lying AS (
  SELECT ri.receipt_no, array_agg(DISTINCT g.owner_party_id) AS owners, min(i.pledge_id) AS pledge_id, min(i.facility_id) AS facility_id,
         count(i.goods_id) AS units_pledged, min(g.goods_id) AS one_goods_id
    FROM live w JOIN receipt_item ri ON ri.receipt_no = w.receipt_no AND ri.ended_at IS NULL JOIN goods_unit g USING (goods_id)
    LEFT JOIN pledge_item i ON i.goods_id = g.goods_id AND i.released_at IS NULL GROUP BY ri.receipt_no)
SELECT w.receipt_no, w.tenant_id, w.warehouse_id, w.keeper_party_id, h.operator_party_id, w.depositor_party_id, w.issued_at, w.recorded_at, w.content,
       w.insured_amount, w.currency, w.insurance_until, l.owners, l.pledge_id, l.facility_id, l.units_pledged, coalesce(v.n, 1) AS same_number,
       CASE WHEN came.kind = 'GATE_IN' THEN came.occurred_at END AS came_in_at, c.answer AS check, c.attempts AS check_attempts, c.asked_at AS check_at,
       s.series, p.valid_to AS licence_to
  FROM live w JOIN lying l USING (receipt_no) JOIN warehouse h ON h.warehouse_id = w.warehouse_id
  LEFT JOIN levelled v ON v.key = regexp_replace(upper(w.receipt_no), '[^[:alnum:]]', '', 'g')
  LEFT JOIN LATERAL (SELECT m.kind, m.occurred_at FROM movement m WHERE m.goods_id = l.one_goods_id AND m.kind <> 'CORRECTION'
                       AND NOT EXISTS (SELECT 1 FROM movement u WHERE u.corrects = m.movement_id)
                      ORDER BY m.occurred_at LIMIT 1) came ON true
  LEFT JOIN LATERAL (SELECT * FROM receipt_check k WHERE k.tenant_id = w.tenant_id AND k.receipt_no = w.receipt_no AND k.asked_at <= %(as_of)s
                      ORDER BY k.asked_at DESC, k.recorded_at DESC LIMIT 1) c ON true
  LEFT JOIN LATERAL (SELECT jsonb_agg(jsonb_build_array(prefix, first_no, last_no)) AS series FROM receipt_series r
                      WHERE r.tenant_id = w.tenant_id AND r.keeper_party_id = w.keeper_party_id) s ON true
  LEFT JOIN LATERAL (SELECT max(valid_to) AS valid_to FROM dated_proof d WHERE d.tenant_id = w.tenant_id AND d.kind = 'LICENCE'
                        AND d.party_id = w.keeper_party_id AND d.recorded_at <= %(as_of)s) p ON true
 ORDER BY w.receipt_no;

-- name: orders
-- Release orders that were issued and whose time touches the last week, with what they weigh.
SELECT o.release_id, o.tenant_id, o.facility_id, o.vehicle_plate, o.valid_from, o.valid_to, o.status, o.value_amount AS value, o.currency,
       array_agg(ri.goods_id ORDER BY ri.goods_id) AS goods_ids, array_agg(DISTINCT g.owner_party_id) AS owner_party_ids, max(c.weighing_tolerance) AS tolerance,
       CASE WHEN bool_and(w.kg IS NOT NULL) THEN sum(w.kg) END AS ordered_kg, sum(w.kg) FILTER (WHERE ri.gated_out_at IS NOT NULL) AS gone_kg
  FROM release_order o JOIN release_item ri USING (release_id) JOIN goods_unit g USING (goods_id) JOIN commodity c USING (commodity_code)
  CROSS JOIN LATERAL (SELECT coalesce(g.weight_scale_kg, CASE g.unit WHEN 't' THEN g.quantity * 1000 WHEN 'kg' THEN g.quantity END) AS kg) w
 WHERE o.issued_at IS NOT NULL AND o.issued_at <= %(as_of)s AND o.valid_to > %(as_of)s - interval '7 days'
 GROUP BY o.release_id ORDER BY o.release_id;

-- name: pickup_papers
-- Weigh tickets of the last week that say that goods went out, and goods issues of warehouse systems.
SELECT d.document_id AS key, 'weigh_ticket' AS source, d.tenant_id, d.warehouse_id, d.issued_at AS occurred_at, d.content->>'release_id' AS release_id,
       d.vehicle_plate, CASE d.unit WHEN 't' THEN d.quantity * 1000 WHEN 'kg' THEN d.quantity END AS net_kg,
       coalesce(array_agg(dg.goods_id) FILTER (WHERE dg.goods_id IS NOT NULL), '{}') AS goods_ids, d.content->>'ordered_by_party_id' AS ordered_by_party_id,
       NULL::jsonb AS payload
  FROM document d LEFT JOIN document_goods dg USING (document_id)
 WHERE d.kind = 'WEIGH_TICKET' AND d.issued_at > %(as_of)s - interval '7 days' AND d.issued_at <= %(as_of)s
   AND (d.content->>'direction' = 'OUT' OR d.content ? 'release_id')
 GROUP BY d.document_id
UNION ALL
SELECT e.event_key, 'wms', d.tenant_id, d.warehouse_id, e.observed_at, NULL, NULL, NULL, '{}', NULL, e.payload
  FROM device d CROSS JOIN LATERAL (SELECT * FROM device_event x WHERE x.device_id = d.device_id AND x.type = 'doc' AND x.payload->>'type' = 'goods_issue'
                                       AND x.observed_at > %(as_of)s - interval '7 days' AND x.observed_at <= %(as_of)s ORDER BY x.observed_at DESC LIMIT 2000) e
 WHERE d.class = 'wms'
UNION ALL
SELECT e.device_id || ':' || e.observed_at, 'scale', d.tenant_id, d.warehouse_id, e.observed_at, NULL, NULL, NULL, '{}', NULL, e.payload
  FROM device d CROSS JOIN LATERAL (SELECT * FROM device_event x WHERE x.device_id = d.device_id AND x.type = 'weight' AND x.payload ? 'release_id'
                                       AND x.observed_at > %(as_of)s - interval '7 days' AND x.observed_at <= %(as_of)s ORDER BY x.observed_at DESC LIMIT 2000) e
 WHERE d.class IN ('sensor', 'gate', 'gw')
 ORDER BY 5, 1;

-- name: pledged_then
-- Of these goods, those that a pledge held at the time, or holds.
SELECT g.goods_id, g.tenant_id, i.pledge_id, i.facility_id FROM goods_unit g JOIN pledge_item i USING (goods_id)
 WHERE g.goods_id = ANY (%(ids)s) AND (i.released_at IS NULL OR i.released_at > %(as_of)s - interval '7 days');

-- name: deals
-- Invoices of the last 120 days between two parties with what else there is of the same contract or goods. amount with tax, as on the paper; a red letter
-- is none.
WITH inv AS MATERIALIZED (
  SELECT d.* FROM document d WHERE d.kind = 'INVOICE' AND d.issued_at > %(as_of)s - interval '120 days' AND d.issued_at <= %(as_of)s
     AND d.seller_party_id IS NOT NULL AND d.buyer_party_id IS NOT NULL AND d.seller_party_id <> d.buyer_party_id AND coalesce(d.amount, 0) >= 0
   ORDER BY d.issued_at DESC LIMIT 50000),
goods AS (
  SELECT dg.document_id, array_agg(dg.goods_id ORDER BY dg.goods_id) AS ids, min(i.pledge_id) AS pledge_id, min(i.facility_id) AS facility_id,
         count(i.goods_id) AS units_pledged, min(g.commodity_code) AS commodity_code
    FROM inv JOIN document_goods dg USING (document_id) JOIN goods_unit g USING (goods_id)
    LEFT JOIN pledge_item i ON i.goods_id = dg.goods_id AND i.released_at IS NULL GROUP BY 1),
kin AS (
  SELECT inv.document_id, count(*) FILTER (WHERE o.kind = 'WAYBILL') AS waybills, min(o.seller_party_id) FILTER (WHERE o.kind = 'WAYBILL') AS shipper,
         array_agg(o.issued_at ORDER BY o.issued_at) FILTER (WHERE o.kind = 'PAYMENT') AS paid_at, sum(o.amount) FILTER (WHERE o.kind = 'PAYMENT') AS paid
    FROM inv JOIN document o ON o.contract_no = inv.contract_no AND o.tenant_id = inv.tenant_id AND o.kind IN ('WAYBILL', 'PAYMENT')
     AND (o.kind = 'WAYBILL' OR (o.seller_party_id IS NOT DISTINCT FROM inv.seller_party_id AND o.buyer_party_id IS NOT DISTINCT FROM inv.buyer_party_id))
   GROUP BY 1),
moved AS (
  SELECT inv.document_id, count(*) AS n FROM inv JOIN document_goods dg USING (document_id)
    CROSS JOIN LATERAL (SELECT 1 FROM movement m WHERE m.goods_id = dg.goods_id AND m.kind IN ('GATE_OUT', 'GATE_IN', 'SITE_CHANGE')
                           AND m.occurred_at BETWEEN inv.issued_at - interval '30 days' AND inv.issued_at + interval '30 days'
                           AND NOT EXISTS (SELECT 1 FROM movement u WHERE u.corrects = m.movement_id) LIMIT 1) hit
   GROUP BY 1)
SELECT inv.document_id, inv.number, inv.tenant_id, inv.seller_party_id, inv.buyer_party_id, coalesce(inv.commodity_code, g.commodity_code) AS commodity_code,
       inv.quantity, inv.unit, inv.amount, inv.currency, inv.issued_at, inv.contract_no, inv.content, coalesce(g.ids, '{}') AS goods_ids,
       g.pledge_id, g.facility_id, g.units_pledged, coalesce(k.waybills, 0) AS waybills, k.shipper AS shipper_party_id, coalesce(k.paid_at, '{}') AS paid_at,
       coalesce(k.paid, 0) AS paid, coalesce(m.n, 0) AS moves, q.per_unit AS reference, q.unit AS reference_unit, q.currency AS reference_currency
  FROM inv LEFT JOIN goods g USING (document_id) LEFT JOIN kin k USING (document_id) LEFT JOIN moved m USING (document_id)
  LEFT JOIN LATERAL (SELECT CASE WHEN p.tax_inclusive THEN p.price / (1 + p.vat_rate) ELSE p.price END AS per_unit, p.unit, p.currency FROM price_quote p
                      WHERE p.commodity_code = coalesce(inv.commodity_code, g.commodity_code) AND p.status = 'ACCEPTED'
                        AND p.quoted_at <= inv.issued_at + interval '1 day' AND p.quoted_at > inv.issued_at - interval '7 days'
                      ORDER BY p.quoted_at DESC LIMIT 1) q ON true
 ORDER BY inv.document_id;

-- name: links
SELECT tenant_id, party_id, kind, key, other_party_id, share, disclosed FROM party_link
 WHERE valid_from <= %(today)s AND (valid_to IS NULL OR valid_to > %(today)s) AND recorded_at <= %(as_of)s ORDER BY link_id;

-- name: contract_papers
-- Quantities by contract and kind of paper, in kg where the unit is a mass, and the goods that a reader has sighted.
WITH paper AS (
  SELECT d.tenant_id, d.contract_no, d.document_id, d.kind, d.commodity_code, greatest(d.issued_at, d.received_at) AS at,
         CASE d.unit WHEN 't' THEN 'kg' ELSE d.unit END AS unit, CASE d.unit WHEN 't' THEN d.quantity * 1000 ELSE d.quantity END AS quantity
    FROM document d WHERE d.contract_no IS NOT NULL AND d.kind IN ('INVOICE', 'WAYBILL', 'WEIGH_TICKET') AND d.issued_at > %(as_of)s - interval '90 days'
     AND d.issued_at <= %(as_of)s AND d.quantity IS NOT NULL),
traded AS (SELECT DISTINCT d.tenant_id, d.contract_no, dg.goods_id FROM document d JOIN document_goods dg USING (document_id)
            WHERE d.contract_no IN (SELECT contract_no FROM paper) AND d.kind IN ('INVOICE', 'WAYBILL', 'WEIGH_TICKET', 'CONTRACT')),
seen AS (
  SELECT t.tenant_id, t.contract_no, CASE g.unit WHEN 't' THEN 'kg' ELSE g.unit END AS unit, sum(CASE g.unit WHEN 't' THEN g.quantity * 1000 ELSE g.quantity END) AS quantity,
         max(CASE g.unit WHEN 't' THEN g.quantity * 1000 ELSE g.quantity END) AS largest, min(i.pledge_id) AS pledge_id, min(i.facility_id) AS facility_id,
         count(i.goods_id) AS units_pledged, array_agg(g.goods_id ORDER BY g.goods_id) AS ids, min(g.commodity_code) AS commodity_code,
         max((SELECT max(p.last_seen_at) FROM goods_position p WHERE p.goods_id = g.goods_id)) AS at
    FROM traded t JOIN goods_unit g ON g.goods_id = t.goods_id AND g.tenant_id = t.tenant_id LEFT JOIN pledge_item i ON i.goods_id = g.goods_id AND i.released_at IS NULL
   WHERE EXISTS (SELECT 1 FROM goods_position p WHERE p.goods_id = g.goods_id) OR EXISTS (SELECT 1 FROM movement m WHERE m.goods_id = g.goods_id) GROUP BY 1, 2, 3)
SELECT p.tenant_id, p.contract_no, p.unit, lower(p.kind) AS source, sum(p.quantity) AS quantity, max(p.at) AS at, array_agg(p.document_id ORDER BY p.document_id) AS ids,
       min(p.commodity_code) AS commodity_code, NULL::numeric AS largest, NULL AS pledge_id, NULL AS facility_id, 0::bigint AS units_pledged
  FROM paper p GROUP BY 1, 2, 3, 4
UNION ALL
SELECT s.tenant_id, s.contract_no, s.unit, 'rfid', s.quantity, NULL, s.ids, s.commodity_code, s.largest, s.pledge_id, s.facility_id, s.units_pledged FROM seen s
 ORDER BY 1, 2, 3, 4;

-- name: wms_receipts
-- Goods receipts that warehouse systems report, with the numbers of the papers that they name.
SELECT d.tenant_id, e.event_key, e.observed_at, e.payload FROM device d CROSS JOIN LATERAL (
       SELECT * FROM device_event x WHERE x.device_id = d.device_id AND x.type = 'doc' AND x.payload->>'type' = 'goods_receipt'
          AND x.observed_at > %(as_of)s - interval '90 days' AND x.observed_at <= %(as_of)s ORDER BY x.observed_at DESC LIMIT 5000) e WHERE d.class = 'wms';

-- name: tolerances
SELECT commodity_code, weighing_tolerance FROM commodity;

-- name: holdings
-- Pledged goods by facility, site, commodity and brand: quantity, age, what is on its way out, and when the facility's stock of it turned last.
WITH turned AS (
  SELECT i.facility_id, g.commodity_code, max(greatest(i.pledged_at, i.released_at)) AS at,
         sum(CASE WHEN i.released_at > %(as_of)s - interval '90 days' THEN CASE g.unit WHEN 't' THEN g.quantity * 1000 WHEN 'kg' THEN g.quantity END END) AS kg
    FROM pledge_item i JOIN goods_unit g USING (goods_id) GROUP BY 1, 2),
steps AS (
  SELECT commodity_code, min((s->>'from_days')::int) FILTER (WHERE (s->>'ineligible')::boolean) AS over_days
    FROM commodity c CROSS JOIN LATERAL jsonb_array_elements(c.ageing_steps) s GROUP BY 1),
leaving AS (SELECT ri.goods_id FROM release_item ri JOIN release_order o USING (release_id)
             WHERE o.status IN ('ISSUED', 'PICKING') AND ri.gated_out_at IS NULL AND ri.returned_at IS NULL)
SELECT f.tenant_id, f.facility_id, f.product, f.pledge_mode, f.borrower_party_id, f.opened_at, g.warehouse_id, g.commodity_code, g.brand, g.unit, count(*) AS units,
       sum(g.quantity) AS quantity, min(coalesce(g.produced_on, g.registered_at::date)) AS oldest_from, t.at AS turned_at, t.kg AS turned_90d_kg,
       count(*) FILTER (WHERE %(today)s - coalesce(g.produced_on, g.registered_at::date) >= s.over_days) AS over_age_units,
       sum(g.quantity) FILTER (WHERE %(today)s - coalesce(g.produced_on, g.registered_at::date) >= s.over_days) AS over_age_quantity,
       sum(g.quantity) FILTER (WHERE l.goods_id IS NOT NULL) AS leaving_quantity
  FROM pledge_item i JOIN facility f USING (facility_id) JOIN goods_unit g USING (goods_id)
  LEFT JOIN turned t ON t.facility_id = f.facility_id AND t.commodity_code = g.commodity_code LEFT JOIN steps s ON s.commodity_code = g.commodity_code
  LEFT JOIN leaving l ON l.goods_id = g.goods_id
 WHERE i.released_at IS NULL AND f.status <> 'CLOSED'
 GROUP BY f.facility_id, g.warehouse_id, g.commodity_code, g.brand, g.unit, t.at, t.kg ORDER BY f.facility_id, g.commodity_code, g.warehouse_id;

-- name: figures
-- Figures that are valid now, the newest of each kind and subject.
SELECT DISTINCT ON (tenant_id, kind, party_id, warehouse_id, commodity_code) figure_id, tenant_id, kind, party_id, warehouse_id, commodity_code, value, currency, source
  FROM business_figure WHERE %(today)s BETWEEN valid_from AND valid_to AND recorded_at <= %(as_of)s
 ORDER BY tenant_id, kind, party_id, warehouse_id, commodity_code, recorded_at DESC;

-- name: entity_events
-- Events in registers about the operators of sites with pledged goods, of the last two years.
WITH site AS (
  SELECT w.warehouse_id, w.operator_party_id, g.tenant_id, min(i.pledge_id) AS pledge_id, min(i.facility_id) AS facility_id, count(*) AS units_pledged
    FROM pledge_item i JOIN goods_unit g USING (goods_id) JOIN warehouse w ON w.warehouse_id = g.warehouse_id WHERE i.released_at IS NULL GROUP BY 1, 2, 3)
SELECT e.event_id, e.tenant_id, e.party_id, s.warehouse_id, e.kind, e.happened_on, e.summary, e.cosmetic, e.recorded_at, s.pledge_id, s.facility_id, s.units_pledged
  FROM registry_event e JOIN site s ON s.operator_party_id = e.party_id AND s.tenant_id = e.tenant_id
 WHERE e.happened_on > %(today)s - 730 AND e.recorded_at <= %(as_of)s ORDER BY e.event_id;

-- name: expiries
-- Until when what live pledges rest on holds: the insurance of receipts, filings, and what people attested; the newest of its kind and holder.
WITH pledged AS (
  SELECT i.facility_id, i.pledge_id, f.borrower_party_id, g.warehouse_id, w.operator_party_id, f.tenant_id, count(*) AS units_pledged
    FROM pledge_item i JOIN facility f USING (facility_id) JOIN goods_unit g USING (goods_id) LEFT JOIN warehouse w ON w.warehouse_id = g.warehouse_id
   WHERE i.released_at IS NULL GROUP BY 1, 2, 3, 4, 5, 6),
proof AS (
  SELECT DISTINCT ON (tenant_id, kind, party_id, warehouse_id, facility_id) * FROM dated_proof WHERE recorded_at <= %(as_of)s
   ORDER BY tenant_id, kind, party_id, warehouse_id, facility_id, valid_to DESC),
attested AS (
  SELECT DISTINCT ON (p.proof_id) p.proof_id, p.tenant_id, p.kind, p.number, p.valid_to,
         CASE WHEN p.party_id IS NOT NULL THEN 'party' WHEN p.warehouse_id IS NOT NULL THEN 'site' ELSE 'facility' END AS subject_kind,
         coalesce(p.party_id, p.warehouse_id, p.facility_id) AS subject_id, p.warehouse_id, l.pledge_id, l.facility_id, l.units_pledged
    FROM proof p JOIN pledged l ON l.tenant_id = p.tenant_id AND (l.facility_id = p.facility_id OR l.warehouse_id = p.warehouse_id
         OR p.party_id IN (l.borrower_party_id, l.operator_party_id)) ORDER BY p.proof_id, l.facility_id, l.pledge_id)
SELECT * FROM attested
UNION ALL
SELECT w.receipt_no, w.tenant_id, 'INSURANCE', w.receipt_no, (w.insurance_until + 1)::timestamp AT TIME ZONE 'Asia/Shanghai', 'document', w.receipt_no, w.warehouse_id,
       min(i.pledge_id), min(i.facility_id), count(*)
  FROM warehouse_receipt w JOIN receipt_item ri ON ri.receipt_no = w.receipt_no AND ri.ended_at IS NULL
  JOIN pledge_item i ON i.goods_id = ri.goods_id AND i.released_at IS NULL
 WHERE w.state <> 'CANCELLED' AND w.insurance_until < %(today)s + 400 GROUP BY w.receipt_no
 ORDER BY 1;
