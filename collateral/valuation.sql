-- name: facilities
-- Contract figures of facilities with their balance.
SELECT f.facility_id, f.tenant_id, f.borrower_party_id, f.currency, f.limit_amount, f.advance_rate, f.disposal_cost, f.warning_line, f.margin_call_line,
       f.disposal_line, f.matures_on, f.cure_unit, f.cure_length, f.cure_target, f.control_value_floor, f.reserves, f.status, f.pledge_mode,
       coalesce(b.principal, 0) AS principal, coalesce(b.interest, 0) AS interest, coalesce(b.fees, 0) AS fees,
       coalesce(b.cash_margin, 0) AS cash_margin, coalesce(b.last_entry_no, 0) AS last_entry_no, coalesce(b.last_hash, '') AS last_hash
  FROM facility f LEFT JOIN facility_balance b USING (facility_id)
 WHERE (%(facility_ids)s::text[] IS NULL OR f.facility_id = ANY(%(facility_ids)s))
   AND (%(tenant_id)s::text IS NULL OR f.tenant_id = %(tenant_id)s)
   AND (%(facility_ids)s::text[] IS NOT NULL OR f.status <> 'CLOSED')
 ORDER BY f.facility_id;

-- name: terms
-- What each facility accepts.
SELECT fc.facility_id, fc.commodity_code, c.unit, fc.advance_rate, fc.location_discount, fc.quality_haircut, c.ageing_steps, fc.primary_source,
       fc.check_source, fc.source_tolerance, fc.price_rule, fc.further_sources, fc.accepted_grades
  FROM facility_commodity fc JOIN commodity c USING (commodity_code) WHERE fc.facility_id = ANY(%(facility_ids)s);

-- name: caps
-- How much of a facility's value may lie in one place, brand, mill or kind.
SELECT facility_id, dimension, share FROM facility_cap WHERE facility_id = ANY(%(facility_ids)s) ORDER BY facility_id, dimension;

-- name: balances_at
-- The money of facilities at an instant (when it happened), as it was known at another (when it was recorded).
SELECT e.facility_id, coalesce(sum(p.amount) FILTER (WHERE p.account = 'principal'), 0) AS principal,
       coalesce(sum(p.amount) FILTER (WHERE p.account = 'interest'), 0) AS interest, coalesce(sum(p.amount) FILTER (WHERE p.account = 'fees'), 0) AS fees,
       coalesce(-sum(p.amount) FILTER (WHERE p.account = 'cash_margin'), 0) AS cash_margin, max(e.entry_no) AS last_entry_no
  FROM ledger_entry e JOIN ledger_posting p USING (entry_id)
 WHERE e.facility_id = ANY(%(facility_ids)s) AND e.happened_at <= %(as_of)s AND e.recorded_at <= %(known_at)s
 GROUP BY e.facility_id;

-- name: quotes
-- The newest accepted quote per tenant, commodity and source at an instant; tenant NULL = market data.
SELECT DISTINCT ON (q.commodity_code, q.source, q.tenant_id) q.tenant_id, q.price_id, q.commodity_code, q.source, q.quoted_at, q.price, q.currency, q.unit, q.tax_inclusive,
       q.vat_rate, q.status, q.reason
  FROM price_quote q
 WHERE q.status = 'ACCEPTED' AND q.quoted_at <= %(as_of)s AND q.commodity_code IN (SELECT commodity_code FROM facility_commodity
       WHERE facility_id = ANY(%(facility_ids)s))
 ORDER BY q.commodity_code, q.source, q.tenant_id, q.quoted_at DESC;

-- name: stream_at
-- How far the stream of each tenant has come.
SELECT d.tenant_id, max(s.last_observed_at) AS stream_at FROM device_state s JOIN device d USING (device_id) GROUP BY d.tenant_id;

-- name: units
-- Live pledged units with what bears on their value. Sightings: tags, vehicles that carry the unit, gauges in a tank lot's zone; by the tenant's own devices.
WITH item AS (
  SELECT i.goods_id, i.facility_id, i.quantity, i.unit, i.pledged_at, p.receipt_no, p.tenant_id
    FROM pledge_item i JOIN pledge p USING (pledge_id)
   WHERE i.facility_id = ANY(%(facility_ids)s) AND i.pledged_at <= %(as_of)s AND (i.released_at IS NULL OR i.released_at > %(as_of)s)
), seen AS (
  SELECT DISTINCT ON (goods_id) goods_id, least(seen_at, %(as_of)s) AS seen_at, device_id
    FROM (SELECT i.goods_id, i.tenant_id, gp.last_seen_at AS seen_at, gp.device_id
            FROM item i JOIN tag_binding b ON b.goods_id = i.goods_id AND b.valid_to IS NULL
            JOIN goods_position gp ON gp.tag_epc = b.tag_epc AND gp.last_seen_at >= b.valid_from
          UNION ALL
          SELECT i.goods_id, i.tenant_id, v.observed_at, v.device_id
            FROM vehicle_position v CROSS JOIN LATERAL unnest(v.goods) AS g(goods_id) JOIN item i ON i.goods_id = g.goods_id
          UNION ALL
          SELECT i.goods_id, i.tenant_id, e.observed_at, e.device_id
            FROM item i JOIN goods_unit g ON g.goods_id = i.goods_id AND g.kind = 'TANK_LOT' AND g.zone_id IS NOT NULL
            JOIN antenna_zone a ON a.zone_id = g.zone_id AND a.valid_to IS NULL
            CROSS JOIN LATERAL (SELECT observed_at, device_id FROM device_event
                                 WHERE device_id = a.device_id AND type = 'tank' AND observed_at <= %(as_of)s ORDER BY observed_at DESC LIMIT 1) e
         ) all_sightings JOIN device USING (device_id, tenant_id)
   ORDER BY goods_id, seen_at DESC
), alarmed AS (
  SELECT goods_id, array_agg(DISTINCT rule_code) FILTER (WHERE severity = 'P1') AS open_p1, array_agg(DISTINCT rule_code) FILTER (WHERE severity = 'P2') AS open_p2
    FROM (SELECT i.goods_id, al.rule_code, al.severity FROM alert al JOIN item i ON i.goods_id = al.subject_id
           WHERE al.subject_kind = 'goods' AND al.severity IN ('P1', 'P2') AND al.status NOT IN ('CLOSED', 'RESOLVED') AND al.opened_at <= %(as_of)s
          UNION
          SELECT i.goods_id, al.rule_code, al.severity FROM alert al JOIN tag_binding b ON b.tag_epc = al.subject_id AND b.valid_to IS NULL
            JOIN item i ON i.goods_id = b.goods_id
           WHERE al.subject_kind = 'tag' AND al.severity IN ('P1', 'P2') AND al.status NOT IN ('CLOSED', 'RESOLVED') AND al.opened_at <= %(as_of)s) hit
   GROUP BY goods_id
)
SELECT i.facility_id, i.goods_id, g.commodity_code, i.quantity, i.unit, i.pledged_at, g.invoice_unit_price, g.invoice_currency,
       coalesce(g.produced_on, (g.registered_at AT TIME ZONE 'Asia/Shanghai')::date) AS aged_from, g.state, g.owner_party_id, w.grade AS warehouse_grade,
       g.grade, g.spec, g.brand, g.mill, g.warehouse_id,
       s.seen_at, s.device_id, d.expected_interval_s, ds.last_observed_at AS heard_at,
       (coalesce(ds.presence, 'online') = 'online' AND coalesce(gs.presence, 'online') = 'online') AS presence_online,
       coalesce(al.open_p1, '{}') AS open_p1, coalesce(al.open_p2, '{}') AS open_p2, r.state AS receipt_state, r.insurance_until,
       EXISTS (SELECT 1 FROM release_item ri JOIN release_order o USING (release_id)
                WHERE ri.goods_id = i.goods_id AND ri.gated_out_at IS NULL AND ri.returned_at IS NULL AND o.status IN ('ISSUED', 'PICKING')) AS release_issued
  FROM item i
  JOIN goods_unit g ON g.goods_id = i.goods_id
  LEFT JOIN warehouse w ON w.warehouse_id = g.warehouse_id
  LEFT JOIN seen s ON s.goods_id = i.goods_id
  LEFT JOIN device d ON d.device_id = s.device_id
  LEFT JOIN device_state ds ON ds.device_id = s.device_id
  LEFT JOIN device_state gs ON gs.device_id = d.gateway_device_id
  LEFT JOIN alarmed al ON al.goods_id = i.goods_id
  LEFT JOIN warehouse_receipt r ON r.receipt_no = i.receipt_no
 ORDER BY i.facility_id, i.goods_id;

-- name: previous_marks
-- The last marks of each facility before an instant, newest first.
SELECT facility_id, as_of, coverage, line_state FROM (
  SELECT facility_id, as_of, coverage, line_state, row_number() OVER (PARTITION BY facility_id ORDER BY as_of DESC, recorded_at DESC, valuation_id DESC) AS n
    FROM valuation v WHERE facility_id = ANY(%(facility_ids)s) AND as_of < %(as_of)s AND line_state <> 'CANNOT_JUDGE'
     AND NOT EXISTS (SELECT 1 FROM valuation r WHERE r.restates = v.valuation_id)) m
 WHERE n <= %(marks)s ORDER BY facility_id, n;

-- name: insert_valuation
-- One mark.
INSERT INTO valuation (valuation_id, tenant_id, facility_id, as_of, recorded_at, cause, currency, gross_market_value, collateral_value, confirmed_value,
       borrowing_base, exposure, availability, effective_advance, coverage, ltv, warning_line, margin_call_line, disposal_line, min_control_value,
       line_state, detail, restates)
VALUES (%(valuation_id)s, %(tenant_id)s, %(facility_id)s, %(as_of)s, %(recorded_at)s, %(cause)s, %(currency)s, %(gross_market_value)s, %(collateral_value)s,
       %(confirmed_value)s, %(borrowing_base)s, %(exposure)s, %(availability)s, %(effective_advance)s, %(coverage)s, %(ltv)s, %(warning_line)s,
       %(margin_call_line)s, %(disposal_line)s, %(min_control_value)s, %(line_state)s, %(detail)s, %(restates)s);

-- name: oldest_late_price
-- The oldest quote that became usable lately and was not of the day on which it did.
SELECT min(quoted_at) AS quoted_at FROM price_quote
 WHERE status = 'ACCEPTED' AND coalesce(accepted_at, recorded_at) BETWEEN %(came_since)s AND %(now)s
   AND (quoted_at AT TIME ZONE 'Asia/Shanghai')::date < (coalesce(accepted_at, recorded_at) AT TIME ZONE 'Asia/Shanghai')::date
   AND (%(tenant_id)s::text IS NULL OR tenant_id IS NULL OR tenant_id = %(tenant_id)s);

-- name: marks_to_restate
-- The last mark of each past day whose price was not the one that is now known for its instant: a quote came later, was back-dated, or left quarantine.
SELECT DISTINCT v.facility_id, v.valuation_id, v.as_of FROM (
  SELECT DISTINCT ON (facility_id, (as_of AT TIME ZONE 'Asia/Shanghai')::date) facility_id, tenant_id, valuation_id, as_of, recorded_at
    FROM valuation m WHERE as_of >= %(since)s AND as_of < %(until)s AND line_state IS NOT NULL
     AND NOT EXISTS (SELECT 1 FROM valuation r WHERE r.restates = m.valuation_id)
   ORDER BY facility_id, (as_of AT TIME ZONE 'Asia/Shanghai')::date, as_of DESC, recorded_at DESC) v
  JOIN facility_commodity fc ON fc.facility_id = v.facility_id
  JOIN price_quote q ON q.commodity_code = fc.commodity_code AND q.status = 'ACCEPTED' AND (q.tenant_id IS NULL OR q.tenant_id = v.tenant_id)
   AND (q.source IN (fc.primary_source, fc.check_source) OR q.source = ANY(fc.further_sources))
   AND q.quoted_at <= v.as_of AND coalesce(q.accepted_at, q.recorded_at) > v.recorded_at
 WHERE NOT EXISTS (SELECT 1 FROM price_quote later WHERE later.commodity_code = q.commodity_code AND later.source = q.source
                      AND later.status = 'ACCEPTED' AND later.tenant_id IS NOT DISTINCT FROM q.tenant_id
                      AND later.quoted_at > q.quoted_at AND later.quoted_at <= v.as_of)
   AND EXISTS (SELECT 1 FROM pledge_item i JOIN goods_unit g USING (goods_id)
                WHERE i.facility_id = v.facility_id AND g.commodity_code = fc.commodity_code AND i.pledged_at <= v.as_of
                  AND (i.released_at IS NULL OR i.released_at > v.as_of))
   AND (%(tenant_id)s::text IS NULL OR v.tenant_id = %(tenant_id)s)
 ORDER BY v.as_of, v.facility_id LIMIT %(limit)s;
