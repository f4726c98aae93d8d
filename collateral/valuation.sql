-- name: facilities
-- Contract figures of facilities with their balance.
SELECT f.facility_id, f.tenant_id, f.borrower_party_id, f.currency, f.limit_amount, f.advance_rate, f.disposal_cost, f.warning_line, f.margin_call_line,
       f.disposal_line, f.cure_unit, f.cure_length, f.cure_target, f.control_value_floor, f.reserves, f.status, f.pledge_mode,
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
       fc.check_source, fc.source_tolerance
  FROM facility_commodity fc JOIN commodity c USING (commodity_code) WHERE fc.facility_id = ANY(%(facility_ids)s);

-- name: quotes
-- The newest accepted quote per commodity and source at an instant.
SELECT DISTINCT ON (q.commodity_code, q.source) q.price_id, q.commodity_code, q.source, q.quoted_at, q.price, q.currency, q.unit, q.tax_inclusive,
       q.vat_rate, q.status, q.reason
  FROM price_quote q
 WHERE q.status = 'ACCEPTED' AND q.quoted_at <= %(as_of)s AND q.commodity_code IN (SELECT commodity_code FROM facility_commodity
       WHERE facility_id = ANY(%(facility_ids)s))
 ORDER BY q.commodity_code, q.source, q.quoted_at DESC;

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
    FROM valuation WHERE facility_id = ANY(%(facility_ids)s) AND as_of < %(as_of)s AND line_state <> 'CANNOT_JUDGE') m
 WHERE n <= %(marks)s ORDER BY facility_id, n;

-- name: insert_valuation
-- One mark.
INSERT INTO valuation (valuation_id, tenant_id, facility_id, as_of, recorded_at, cause, currency, gross_market_value, collateral_value, confirmed_value,
       borrowing_base, exposure, availability, effective_advance, coverage, ltv, warning_line, margin_call_line, disposal_line, min_control_value,
       line_state, detail)
VALUES (%(valuation_id)s, %(tenant_id)s, %(facility_id)s, %(as_of)s, %(recorded_at)s, %(cause)s, %(currency)s, %(gross_market_value)s, %(collateral_value)s,
       %(confirmed_value)s, %(borrowing_base)s, %(exposure)s, %(availability)s, %(effective_advance)s, %(coverage)s, %(ltv)s, %(warning_line)s,
       %(margin_call_line)s, %(disposal_line)s, %(min_control_value)s, %(line_state)s, %(detail)s);
