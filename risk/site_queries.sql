-- name: tanks
-- Tanks with goods on our books: what is booked in each, and when the book changed last.
WITH lot AS (
  SELECT g.tenant_id, g.zone_id, g.goods_id, g.owner_party_id, g.registered_at, g.commodity_code,
         CASE g.unit WHEN 't' THEN g.quantity * 1000 WHEN 'kg' THEN g.quantity END AS kg
    FROM goods_unit g JOIN zone z ON z.zone_id = g.zone_id AND z.kind = 'TANK'
   WHERE g.state NOT IN ('EXPECTED', 'IN_TRANSIT', 'GATED_OUT', 'DELIVERED')),
changed AS (
  SELECT g.zone_id, max(greatest(i.pledged_at, i.released_at)) AS at FROM pledge_item i JOIN goods_unit g USING (goods_id)
    JOIN zone z ON z.zone_id = g.zone_id AND z.kind = 'TANK' GROUP BY 1)
SELECT l.tenant_id, l.zone_id, z.warehouse_id, sum(l.kg) AS booked_kg, count(DISTINCT l.owner_party_id) AS claimants,
       greatest(max(l.registered_at), max(c.at)) AS book_changed_at, min(i.pledge_id) AS pledge_id, min(i.facility_id) AS facility_id,
       count(i.goods_id) AS units_pledged, min(l.commodity_code) AS commodity_code, sum(l.kg) FILTER (WHERE i.goods_id IS NOT NULL) AS pledged_kg,
       min(w.shrinkage_rate) AS shrinkage_rate
  FROM lot l JOIN zone z ON z.zone_id = l.zone_id
  LEFT JOIN pledge_item i ON i.goods_id = l.goods_id AND i.released_at IS NULL
  LEFT JOIN receipt_item ri ON ri.goods_id = l.goods_id AND ri.ended_at IS NULL
  LEFT JOIN warehouse_receipt w ON w.receipt_no = ri.receipt_no
  LEFT JOIN changed c ON c.zone_id = l.zone_id
 GROUP BY l.tenant_id, l.zone_id, z.warehouse_id HAVING sum(l.kg) > 0 ORDER BY l.zone_id;

-- name: tank_specs
-- The specification in force of each tank.
SELECT DISTINCT ON (zone_id) zone_id, spec_id, strapping, capacity_m3, density15_min, density15_max, expansion_per_c
  FROM tank_spec WHERE zone_id = ANY (%(ids)s) AND valid_from <= %(as_of)s ORDER BY zone_id, valid_from DESC, recorded_at DESC;

-- name: gaugings
-- Measurements of the last hours, oldest first.
SELECT a.zone_id, e.observed_at, e.device_id, e.payload
  FROM (SELECT DISTINCT device_id, zone_id FROM antenna_zone WHERE zone_id = ANY (%(ids)s) AND valid_to IS NULL) a
  CROSS JOIN LATERAL (SELECT observed_at, device_id, payload FROM device_event
                       WHERE device_id = a.device_id AND type = 'tank' AND observed_at > %(as_of)s - interval '4 hours' AND observed_at <= %(as_of)s
                       ORDER BY observed_at DESC LIMIT 500) e
 ORDER BY a.zone_id, e.observed_at;

-- name: daily_gaugings
-- The last measurement of each of the last 30 days.
SELECT a.zone_id, d.day::date AS day, e.observed_at, e.device_id, e.payload
  FROM (SELECT DISTINCT device_id, zone_id FROM antenna_zone WHERE zone_id = ANY (%(ids)s) AND valid_to IS NULL) a
  CROSS JOIN generate_series(date_trunc('day', %(as_of)s::timestamptz AT TIME ZONE 'UTC') - interval '30 days',
                             date_trunc('day', %(as_of)s::timestamptz AT TIME ZONE 'UTC') - interval '1 day', interval '1 day') AS d(day)
  CROSS JOIN LATERAL (SELECT observed_at, device_id, payload FROM device_event
                       WHERE device_id = a.device_id AND type = 'tank' AND observed_at >= d.day AT TIME ZONE 'UTC'
                         AND observed_at < (d.day + interval '1 day') AT TIME ZONE 'UTC' ORDER BY observed_at DESC LIMIT 1) e
 ORDER BY a.zone_id, d.day;

-- name: stack_weights
-- The newest weight of a whole stack, by scales under it (field stock_kg).
SELECT DISTINCT ON (a.zone_id) a.zone_id, e.device_id, e.observed_at, e.payload
  FROM device d JOIN antenna_zone a ON a.device_id = d.device_id AND a.valid_to IS NULL
  CROSS JOIN LATERAL (SELECT device_id, observed_at, payload FROM device_event
                       WHERE device_id = d.device_id AND type = 'weight' AND payload ? 'stock_kg' AND observed_at > %(as_of)s - interval '7 days'
                         AND observed_at <= %(as_of)s ORDER BY observed_at DESC LIMIT 1) e
 WHERE d.class = 'sensor' AND d.enabled ORDER BY a.zone_id, e.observed_at DESC;

-- name: claims
-- Kilograms claimed in some zones, and in sites that have a stated capacity.
WITH cap AS (
  SELECT DISTINCT ON (tenant_id, warehouse_id) tenant_id, warehouse_id, value FROM business_figure
   WHERE kind = 'SITE_CAPACITY_KG' AND %(today)s BETWEEN valid_from AND valid_to ORDER BY tenant_id, warehouse_id, recorded_at DESC),
lot AS (
  SELECT g.tenant_id, g.warehouse_id, g.zone_id, g.goods_id, g.owner_party_id, g.registered_at, i.pledge_id, i.facility_id, i.pledged_at, ri.receipt_no,
         CASE g.unit WHEN 't' THEN g.quantity * 1000 WHEN 'kg' THEN g.quantity ELSE coalesce(g.weight_scale_kg, g.weight_theoretical_kg) END AS kg
    FROM goods_unit g LEFT JOIN pledge_item i ON i.goods_id = g.goods_id AND i.released_at IS NULL
    LEFT JOIN receipt_item ri ON ri.goods_id = g.goods_id AND ri.ended_at IS NULL
   WHERE g.state NOT IN ('EXPECTED', 'IN_TRANSIT', 'GATED_OUT', 'DELIVERED')
     AND (g.zone_id = ANY (%(zones)s) OR g.warehouse_id IN (SELECT warehouse_id FROM cap)))
SELECT 'stack' AS kind, tenant_id, zone_id AS place_id, min(warehouse_id) AS warehouse_id, sum(kg) AS claimed_kg, count(DISTINCT owner_party_id) AS claimants,
       count(DISTINCT receipt_no) AS receipts, greatest(max(registered_at), max(pledged_at)) AS book_changed_at, NULL::numeric AS capacity_kg,
       min(pledge_id) AS pledge_id, min(facility_id) AS facility_id, count(pledge_id) AS units_pledged
  FROM lot WHERE zone_id = ANY (%(zones)s) GROUP BY tenant_id, zone_id HAVING sum(kg) > 0
UNION ALL
SELECT 'site', l.tenant_id, l.warehouse_id, l.warehouse_id, sum(l.kg), count(DISTINCT l.owner_party_id), count(DISTINCT l.receipt_no),
       greatest(max(l.registered_at), max(l.pledged_at)), min(c.value), min(l.pledge_id), min(l.facility_id), count(l.pledge_id)
  FROM lot l JOIN cap c ON c.warehouse_id = l.warehouse_id AND c.tenant_id = l.tenant_id GROUP BY l.tenant_id, l.warehouse_id HAVING sum(l.kg) > 0
 ORDER BY 1, 3;

-- name: weights
-- Weighings that name goods, newest first.
SELECT e.device_id, e.observed_at, e.event_key, e.payload, d.tenant_id, d.warehouse_id, c.calibrated_at, c.valid_to AS calibrated_to, c.sigma_kg
  FROM device d CROSS JOIN LATERAL (
       SELECT device_id, observed_at, event_key, payload FROM device_event
        WHERE device_id = d.device_id AND type = 'weight' AND (payload ? 'goods_id' OR payload ? 'goods_ids')
          AND observed_at > %(as_of)s - %(span)s::interval AND observed_at <= %(as_of)s ORDER BY observed_at DESC LIMIT 5000) e
  LEFT JOIN LATERAL (SELECT * FROM scale_calibration s WHERE s.device_id = d.device_id AND s.calibrated_at <= e.observed_at
                      ORDER BY s.calibrated_at DESC, s.recorded_at DESC LIMIT 1) c ON true
 WHERE d.class IN ('sensor', 'gate', 'wms', 'gw') AND d.enabled ORDER BY e.observed_at DESC;

-- name: weighed_goods
-- Goods by id with their pledge, what they should weigh, and what their receipt lets them lose.
SELECT g.goods_id, g.tenant_id, g.commodity_code, g.owner_party_id, g.warehouse_id, g.quantity, g.unit, g.invoice_unit_price, g.invoice_currency, g.registered_at,
       i.pledge_id, i.facility_id, i.pledged_at, c.weighing_tolerance, w.shrinkage_rate, g.grade,
       coalesce(g.weight_scale_kg, CASE g.unit WHEN 't' THEN g.quantity * 1000 WHEN 'kg' THEN g.quantity END) AS booked_kg
  FROM goods_unit g JOIN commodity c USING (commodity_code) LEFT JOIN pledge_item i ON i.goods_id = g.goods_id AND i.released_at IS NULL
  LEFT JOIN receipt_item ri ON ri.goods_id = g.goods_id AND ri.ended_at IS NULL LEFT JOIN warehouse_receipt w ON w.receipt_no = ri.receipt_no
 WHERE g.goods_id = ANY (%(ids)s);

-- name: inspections
-- Inspection papers of the last 90 days with their goods.
SELECT d.document_id, d.tenant_id, d.number, d.issued_at, coalesce(d.commodity_code, min(g.commodity_code)) AS commodity_code, d.content,
       min(g.grade) AS grade_booked, array_agg(g.goods_id ORDER BY g.goods_id) AS goods_ids
  FROM document d JOIN document_goods dg USING (document_id) JOIN goods_unit g ON g.goods_id = dg.goods_id AND g.tenant_id = d.tenant_id
 WHERE d.kind = 'INSPECTION' AND d.issued_at > %(as_of)s - interval '90 days' AND d.issued_at <= %(as_of)s
   AND (d.content ? 'grade' OR d.content ? 'assay_pct')
 GROUP BY d.document_id ORDER BY d.document_id;

-- name: bands
SELECT DISTINCT ON (tenant_id, commodity_code, property, grade) tenant_id, commodity_code, property, grade, low, high
  FROM commodity_band WHERE recorded_at <= %(as_of)s ORDER BY tenant_id, commodity_code, property, grade, recorded_at DESC;

-- name: signs
-- Seals, doors, tamper switches and terminals' alarms of the last day, with the trip, the place and the ticket of that time.
SELECT e.device_id, d.tenant_id, e.observed_at, e.type, e.payload, d.warehouse_id, coalesce(d.vehicle_plate, t.vehicle_plate) AS vehicle_plate,
       t.trip_id, p.lon, p.lat, w.ticket_id
  FROM device d CROSS JOIN LATERAL (
       SELECT device_id, observed_at, type, payload FROM device_event
        WHERE device_id = d.device_id AND type IN ('seal', 'door', 'tamper', 'alarm') AND observed_at > %(as_of)s - interval '24 hours'
          AND observed_at <= %(as_of)s + interval '5 minutes' ORDER BY observed_at DESC LIMIT 200) e
  LEFT JOIN LATERAL (SELECT trip_id, vehicle_plate, device_id FROM trip
                      WHERE tenant_id = d.tenant_id AND (device_id = d.device_id OR vehicle_plate = d.vehicle_plate) AND status IN ('UNDER_WAY', 'ARRIVED')
                        AND planned_from <= e.observed_at + interval '1 hour' AND planned_to >= e.observed_at - interval '24 hours'
                      ORDER BY planned_from DESC LIMIT 1) t ON true
  LEFT JOIN LATERAL (SELECT lon, lat FROM position WHERE device_id = coalesce(t.device_id, d.device_id) AND fix = 'valid'
                        AND observed_at BETWEEN e.observed_at - interval '10 minutes' AND e.observed_at + interval '2 minutes'
                      ORDER BY observed_at DESC LIMIT 1) p ON true
  LEFT JOIN LATERAL (SELECT ticket_id FROM work_ticket k WHERE k.tenant_id = d.tenant_id AND k.kind = 'MAINTENANCE' AND k.recorded_at <= %(as_of)s
                        AND (k.device_id = d.device_id OR (k.device_id IS NULL AND k.warehouse_id = d.warehouse_id))
                        AND e.observed_at BETWEEN k.valid_from AND k.valid_to LIMIT 1) w ON true
 WHERE d.enabled ORDER BY e.observed_at;

-- name: fences
SELECT warehouse_id, tenant_id, fence FROM warehouse;

-- name: trip_goods_units
-- Goods of trips with the live pledge that holds them.
SELECT tg.trip_id, g.goods_id, g.tenant_id, g.commodity_code, g.owner_party_id, g.warehouse_id, g.quantity, g.unit, g.invoice_unit_price,
       g.invoice_currency, i.pledge_id, i.facility_id, i.pledged_at
  FROM trip_goods tg JOIN goods_unit g USING (goods_id) LEFT JOIN pledge_item i ON i.goods_id = g.goods_id AND i.released_at IS NULL
 WHERE tg.trip_id = ANY (%(ids)s) ORDER BY tg.trip_id, g.goods_id;

-- name: configs
-- Devices whose registration states their software, with what they say.
SELECT d.device_id, d.tenant_id, d.warehouse_id, d.claims, s.health, s.last_health_at, w.ticket_id
  FROM device d JOIN device_state s USING (device_id)
  LEFT JOIN LATERAL (SELECT ticket_id FROM work_ticket k WHERE k.tenant_id = d.tenant_id AND k.kind = 'MAINTENANCE'
                        AND (k.device_id = d.device_id OR (k.device_id IS NULL AND k.warehouse_id = d.warehouse_id))
                        AND %(as_of)s BETWEEN k.valid_from AND k.valid_to LIMIT 1) w ON true
 WHERE d.enabled AND (d.claims ? 'config_hash' OR d.claims ? 'fw') ORDER BY d.device_id;

-- name: clocks
-- How far each device's newest messages were from our clock; what was flagged late is back-fill and left out.
SELECT d.device_id, d.tenant_id, d.warehouse_id, l.lags, l.newest_at, coalesce(s.gaps, 0) AS gaps, s.skew_ms, coalesce(c.n, 0) AS conflicts, coalesce(l.future, 0) AS future
  FROM device d LEFT JOIN device_state s USING (device_id)
  LEFT JOIN LATERAL (
       SELECT array_agg(lag ORDER BY observed_at DESC) AS lags, max(observed_at) AS newest_at, count(*) FILTER (WHERE ahead) AS future FROM (
         SELECT observed_at, extract(epoch FROM received_at - observed_at)::double precision AS lag, flags @> '{future_time}' AS ahead FROM position
          WHERE device_id = d.device_id AND observed_at > %(as_of)s - interval '24 hours' AND NOT flags @> '{late}' ORDER BY observed_at DESC LIMIT 20) n) l ON true
  LEFT JOIN (SELECT topic_device, sum(times) AS n FROM dead_letter WHERE reason = 'conflict' AND last_received_at > %(as_of)s - interval '24 hours'
                AND state = 'KEPT' GROUP BY 1) c ON c.topic_device = d.device_id
 WHERE d.enabled AND (l.lags IS NOT NULL OR s.skew_ms IS NOT NULL OR c.n IS NOT NULL) ORDER BY d.device_id;

-- name: yard_vehicles
-- Vehicles with goods aboard that are on no trip, with the site where these are booked.
SELECT v.device_id, d.tenant_id, v.vehicle_plate, min(g.warehouse_id) AS warehouse_id, array_agg(g.goods_id ORDER BY g.goods_id) AS goods_ids,
       bool_and(EXISTS (SELECT 1 FROM release_item ri JOIN release_order o USING (release_id) WHERE ri.goods_id = g.goods_id AND ri.returned_at IS NULL
                           AND o.status IN ('ISSUED', 'PICKING', 'GATED_OUT', 'RECONCILED'))) AS released
  FROM vehicle_position v JOIN device d USING (device_id) CROSS JOIN LATERAL unnest(v.goods) AS aboard(goods_id)
  JOIN goods_unit g ON g.goods_id = aboard.goods_id AND g.tenant_id = d.tenant_id
 WHERE cardinality(v.goods) > 0 AND g.warehouse_id IS NOT NULL AND d.enabled
   AND NOT EXISTS (SELECT 1 FROM trip t WHERE t.device_id = v.device_id AND t.status IN ('UNDER_WAY', 'ARRIVED')
                      AND t.planned_from <= %(as_of)s + interval '1 hour' AND t.planned_to >= %(as_of)s - interval '24 hours')
 GROUP BY v.device_id, d.tenant_id, v.vehicle_plate ORDER BY v.device_id;

-- name: device_fixes
-- Valid fixes of devices within two hours, oldest first.
SELECT d.id AS device_id, p.observed_at, p.lon, p.lat, p.acc_m, p.speed_mps
  FROM unnest(%(ids)s::text[]) AS d(id) CROSS JOIN LATERAL (
       SELECT observed_at, lon, lat, acc_m, speed_mps FROM position
        WHERE device_id = d.id AND fix = 'valid' AND observed_at > %(as_of)s - interval '2 hours' AND observed_at <= %(as_of)s + interval '5 minutes'
        ORDER BY observed_at DESC LIMIT 500) p ORDER BY 1, 2;

-- name: night_moves
-- Moves of pledged units and motion in bins of the last day outside the hours of the site (22:00 to 06:00 where none are stored), or on its free days.
-- A unit that a neighbouring reader hears for a moment comes back within ten minutes: no move.
WITH hours AS (
  SELECT w.warehouse_id, w.tenant_id, h.opens, h.closes, h.works_holidays FROM warehouse w LEFT JOIN LATERAL (
         SELECT * FROM site_hours s WHERE s.warehouse_id = w.warehouse_id AND s.valid_from <= %(as_of)s ORDER BY s.valid_from DESC, s.recorded_at DESC LIMIT 1) h ON true),
happened AS (
  SELECT 'movement:' || m.movement_id AS key, coalesce(tz.warehouse_id, fz.warehouse_id) AS warehouse_id, coalesce(m.from_zone_id, m.to_zone_id) AS zone_id,
         m.occurred_at, lower(m.kind) AS what, m.device_id, m.goods_id
    FROM movement m LEFT JOIN zone fz ON fz.zone_id = m.from_zone_id LEFT JOIN zone tz ON tz.zone_id = m.to_zone_id
    JOIN pledge_item i ON i.goods_id = m.goods_id AND i.released_at IS NULL AND i.pledged_at <= m.occurred_at
   WHERE m.occurred_at > %(as_of)s - interval '24 hours' AND m.occurred_at <= %(as_of)s AND m.kind IN ('ZONE_CHANGE', 'GATE_OUT', 'GATE_IN', 'SITE_CHANGE')
     AND NOT EXISTS (SELECT 1 FROM movement c WHERE c.corrects = m.movement_id)
     AND NOT EXISTS (SELECT 1 FROM movement b WHERE b.goods_id = m.goods_id AND b.movement_id <> m.movement_id AND b.to_zone_id = m.from_zone_id
                        AND b.from_zone_id = m.to_zone_id AND b.occurred_at BETWEEN m.occurred_at - interval '10 minutes' AND m.occurred_at + interval '10 minutes')
  UNION ALL
  SELECT 'motion:' || e.device_id || ':' || e.observed_at, d.warehouse_id, a.zone_id, e.observed_at, 'motion', e.device_id, NULL
    FROM device d CROSS JOIN LATERAL (
         SELECT device_id, observed_at FROM device_event WHERE device_id = d.device_id AND type = 'motion' AND observed_at > %(as_of)s - interval '24 hours'
            AND observed_at <= %(as_of)s ORDER BY observed_at DESC LIMIT 100) e
    LEFT JOIN LATERAL (SELECT zone_id FROM antenna_zone WHERE device_id = d.device_id AND valid_to IS NULL LIMIT 1) a ON true
   WHERE d.enabled AND d.warehouse_id IS NOT NULL)
SELECT x.*, h.tenant_id, h.opens, h.closes, h.works_holidays, k.ticket_id, r.release_id
  FROM happened x JOIN hours h USING (warehouse_id)
  CROSS JOIN LATERAL (SELECT (x.occurred_at AT TIME ZONE 'Asia/Shanghai')::time AS t) l
  LEFT JOIN LATERAL (SELECT ticket_id FROM work_ticket k WHERE k.warehouse_id = x.warehouse_id AND (k.zone_id IS NULL OR k.zone_id = x.zone_id)
                        AND x.occurred_at BETWEEN k.valid_from AND k.valid_to AND k.recorded_at <= %(as_of)s LIMIT 1) k ON true
  LEFT JOIN LATERAL (SELECT o.release_id FROM release_item ri JOIN release_order o USING (release_id)
                      WHERE ri.goods_id = x.goods_id AND ri.returned_at IS NULL AND o.status IN ('ISSUED', 'PICKING', 'GATED_OUT', 'RECONCILED')
                        AND x.occurred_at BETWEEN o.valid_from - interval '30 minutes' AND o.valid_to + interval '30 minutes' LIMIT 1) r ON true
 WHERE CASE WHEN coalesce(h.closes, '22:00') > coalesce(h.opens, '06:00') THEN l.t < coalesce(h.opens, '06:00') OR l.t > coalesce(h.closes, '22:00')
            ELSE l.t > h.closes AND l.t < h.opens END OR NOT coalesce(h.works_holidays, true)
 ORDER BY x.occurred_at LIMIT 20000;

-- name: outflows
-- What left each site that holds pledged goods, by day of Shanghai.
WITH site AS (
  SELECT g.warehouse_id, g.tenant_id, min(i.pledge_id) AS pledge_id, min(i.facility_id) AS facility_id, count(*) AS units_pledged
    FROM pledge_item i JOIN goods_unit g USING (goods_id) WHERE i.released_at IS NULL AND g.warehouse_id IS NOT NULL GROUP BY 1, 2),
gone AS MATERIALIZED (
  SELECT coalesce(z.warehouse_id, m.evidence->>'warehouse_id', d.warehouse_id) AS warehouse_id, m.occurred_at, g.owner_party_id, g.tenant_id,
         CASE g.unit WHEN 't' THEN g.quantity * 1000 WHEN 'kg' THEN g.quantity ELSE coalesce(g.weight_scale_kg, g.weight_theoretical_kg, 0) END AS kg
    FROM movement m JOIN goods_unit g USING (goods_id) LEFT JOIN zone z ON z.zone_id = m.from_zone_id LEFT JOIN device d ON d.device_id = m.device_id
   WHERE m.kind = 'GATE_OUT' AND m.occurred_at > %(as_of)s - interval '31 days' AND m.occurred_at <= %(as_of)s
     AND NOT EXISTS (SELECT 1 FROM movement c WHERE c.corrects = m.movement_id)),
daily AS (
  SELECT warehouse_id, tenant_id, (occurred_at AT TIME ZONE 'Asia/Shanghai')::date AS day, sum(kg) AS kg, max(occurred_at) AS newest_at FROM gone GROUP BY 1, 2, 3),
drawn AS (
  SELECT warehouse_id, tenant_id, count(DISTINCT owner_party_id) AS n FROM gone WHERE occurred_at > %(as_of)s - interval '48 hours' GROUP BY 1, 2),
keeps AS (
  SELECT warehouse_id, tenant_id, count(DISTINCT owner_party_id) AS n FROM goods_unit WHERE warehouse_id IN (SELECT warehouse_id FROM drawn)
     AND state NOT IN ('EXPECTED', 'DELIVERED') GROUP BY 1, 2)
SELECT s.*, d.day, d.kg, d.newest_at, coalesce(r.n, 0) AS depositors_48h, coalesce(k.n, 0) AS depositors_all
  FROM site s JOIN daily d USING (warehouse_id, tenant_id) LEFT JOIN drawn r USING (warehouse_id, tenant_id) LEFT JOIN keeps k USING (warehouse_id, tenant_id)
 ORDER BY s.warehouse_id, d.day;

-- name: raw_series
-- One raw measurement of each gauge in each hour of the last 50.
SELECT DISTINCT ON (e.device_id, date_trunc('hour', e.observed_at)) e.device_id, d.tenant_id, d.warehouse_id, e.observed_at, e.payload
  FROM device d JOIN device_event e ON e.device_id = d.device_id AND e.type = 'tank' AND e.observed_at > %(as_of)s - interval '50 hours' AND e.observed_at <= %(as_of)s
 WHERE d.enabled AND d.class = 'sensor' ORDER BY e.device_id, date_trunc('hour', e.observed_at), e.observed_at;

-- name: visits
SELECT v.visit_id, v.tenant_id, v.warehouse_id, v.planned_at, v.outcome, v.by_site, v.photo_phashes
  FROM inspection_visit v WHERE v.planned_at > %(as_of)s - interval '90 days' AND v.planned_at <= %(as_of)s AND v.recorded_at <= %(as_of)s
 ORDER BY v.warehouse_id, v.planned_at;

-- name: keyed_entries
-- Papers of sites that say how they were entered (content.entry = manual or device), and the most keyed within one minute.
WITH e AS (
  SELECT tenant_id, warehouse_id, content->>'entry' AS entry, date_trunc('minute', received_at) AS minute FROM document
   WHERE warehouse_id IS NOT NULL AND content ? 'entry' AND received_at > %(as_of)s - interval '30 days' AND received_at <= %(as_of)s),
m AS (SELECT tenant_id, warehouse_id, minute, count(*) FILTER (WHERE entry = 'manual') AS n, count(*) AS all_n FROM e GROUP BY 1, 2, 3)
SELECT tenant_id, warehouse_id, sum(n)::bigint AS manual, sum(all_n)::bigint AS entries, max(n) AS burst, (array_agg(minute ORDER BY n DESC))[1] AS burst_at
  FROM m GROUP BY 1, 2;

-- name: site_holders
-- A loan that rests on goods in each of these sites.
SELECT g.tenant_id, g.warehouse_id, min(i.pledge_id) AS pledge_id, min(i.facility_id) AS facility_id, count(*) AS units_pledged
  FROM pledge_item i JOIN goods_unit g USING (goods_id) WHERE i.released_at IS NULL AND g.warehouse_id = ANY (%(ids)s) GROUP BY 1, 2;

-- name: unconserved
-- Devices with a day on which the newest count of readings did not agree, newest days first.
SELECT d.device_id, d.tenant_id, d.warehouse_id, max(c.found_at) AS found_at, array_agg(c.day ORDER BY c.day DESC) AS days,
       array_agg(c.counted ORDER BY c.day DESC) AS counted, array_agg(c.found ORDER BY c.day DESC) AS found
  FROM conservation_check c JOIN device d USING (device_id) WHERE c.counted <> c.found GROUP BY d.device_id ORDER BY d.device_id;
