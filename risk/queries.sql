-- name: stream
-- How far the stream of readings had come by as_of: the event time that a quarter of the devices have passed. Clocks that run ahead do not count;
-- for a past instant (replay) a device that was heard since had come so far.
SELECT percentile_disc(0.75) WITHIN GROUP (ORDER BY least(s.last_observed_at, %(as_of)s)) AS heard_at, count(*) AS devices
  FROM device_state s JOIN device d USING (device_id)
 WHERE d.enabled AND (%(replay)s OR s.last_observed_at <= %(as_of)s + interval '5 minutes') AND s.last_observed_at > %(as_of)s - interval '30 days';

-- name: prices_now
-- Newest accepted price of each commodity, ex-VAT.
SELECT c.commodity_code, CASE WHEN q.tax_inclusive THEN q.price / (1 + q.vat_rate) ELSE q.price END AS per_unit, q.currency, q.unit
  FROM commodity c CROSS JOIN LATERAL (
       SELECT * FROM price_quote p WHERE p.commodity_code = c.commodity_code AND p.status = 'ACCEPTED' AND p.quoted_at <= %(as_of)s
        ORDER BY p.quoted_at DESC LIMIT 1) q;

-- name: record_rounds
-- Inventory rounds that happened since the last record, per reader and zone: a new newest read at least 0.8 of the planned interval later.
WITH newest AS MATERIALIZED (
  SELECT p.device_id, p.zone_id, max(p.last_seen_at) AS round_at
    FROM goods_position p JOIN zone z USING (zone_id)
   WHERE z.kind NOT IN ('GATE_INNER', 'GATE_OUTER') AND p.last_seen_at <= %(as_of)s + interval '5 minutes'
   GROUP BY p.device_id, p.zone_id),
due AS MATERIALIZED (
  SELECT n.* FROM newest n
   LEFT JOIN LATERAL (SELECT r.round_at FROM inventory_round r WHERE r.device_id = n.device_id AND r.zone_id = n.zone_id
                       ORDER BY r.round_at DESC LIMIT 1) l ON true
   WHERE l.round_at IS NULL OR n.round_at >= l.round_at + 0.8 * %(round)s::interval)
INSERT INTO inventory_round (device_id, zone_id, round_at, units_seen, units_expected)
SELECT d.device_id, d.zone_id, d.round_at, count(*) FILTER (WHERE p.last_seen_at > d.round_at - %(round)s::interval), count(*)
  FROM due d JOIN goods_position p ON p.device_id = d.device_id AND p.zone_id = d.zone_id
 GROUP BY d.device_id, d.zone_id, d.round_at
ON CONFLICT DO NOTHING;

-- name: forget_rounds
-- Rounds older than the history that read rates are drawn from.
DELETE FROM inventory_round WHERE round_at < %(as_of)s - interval '40 days';

-- name: fast_cursor
-- Where the fast lane stands.
SELECT movement_xid::text::bigint, refusal_xid::text::bigint FROM fast_lane_cursor;

-- name: advance_cursor
-- Everything below these transactions was judged.
UPDATE fast_lane_cursor SET movement_xid = %(movement_xid)s::text::xid8, refusal_xid = %(refusal_xid)s::text::xid8,
       movement_id = greatest(movement_id, %(movement_id)s), refusal_id = greatest(refusal_id, %(refusal_id)s);

-- name: snapshot_bounds
-- Transactions below xmin are over and visible; xmax was not begun.
SELECT pg_snapshot_xmin(s)::text::bigint, pg_snapshot_xmax(s)::text::bigint FROM (SELECT pg_current_snapshot() AS s) x;

-- name: new_movements
-- Ids not judged yet, in the order of their transactions.
SELECT movement_id, recorded_xid::text::bigint FROM movement
 WHERE recorded_xid >= %(from_xid)s::text::xid8 AND NOT movement_id = ANY (%(done)s)
   AND kind <> 'APPEARED'
 ORDER BY recorded_xid, movement_id LIMIT %(limit)s;

-- name: exits_behind_corrections
-- Exits in the hour before a movement that these corrections take back: a return that explained one of them is none any more.
SELECT DISTINCT r.movement_id
  FROM movement c JOIN movement x ON x.movement_id = c.corrects
  JOIN movement r ON (r.goods_id = x.goods_id OR (x.kind = 'FENCE_ENTER' AND r.device_id = x.device_id))
       AND r.kind IN ('GATE_OUT', 'FENCE_EXIT') AND r.occurred_at < x.occurred_at AND r.occurred_at >= x.occurred_at - interval '1 hour'
 WHERE c.movement_id = ANY (%(ids)s) AND c.kind = 'CORRECTION' AND x.kind IN ('GATE_IN', 'ZONE_CHANGE', 'FENCE_ENTER');

-- name: new_refusals
-- Ids not judged yet, in the order of their transactions.
SELECT refusal_id, recorded_xid::text::bigint FROM refused_command
 WHERE recorded_xid >= %(from_xid)s::text::xid8 AND NOT refusal_id = ANY (%(done)s)
 ORDER BY recorded_xid, refusal_id LIMIT %(limit)s;

-- name: movements
-- Movements by id with the unit, the pledge that held it then, what covered it then, and what was seen before and after.
-- A vehicle's movement gives one row per unit aboard. A correction speaks of what the movement that it names moved.
WITH m AS MATERIALIZED (
  SELECT c.movement_id, c.kind, c.occurred_at, c.received_at, c.recorded_at, c.corrects, v.kind AS what, v.device_id, v.tag_epc, v.goods_id, v.vehicle_plate,
         v.from_zone_id, v.to_zone_id, v.from_seen_at, c.evidence, v.evidence AS what_evidence, d.tenant_id AS device_tenant_id,
         coalesce(fz.warehouse_id, v.evidence->>'warehouse_id', d.warehouse_id) AS left_warehouse_id,
         coalesce(tz.warehouse_id, v.evidence->>'warehouse_id', d.warehouse_id) AS at_warehouse_id
    FROM movement c JOIN movement v ON v.movement_id = coalesce(c.corrects, c.movement_id)
    LEFT JOIN zone fz ON fz.zone_id = v.from_zone_id LEFT JOIN zone tz ON tz.zone_id = v.to_zone_id LEFT JOIN device d ON d.device_id = v.device_id
   WHERE c.movement_id = ANY (%(ids)s)),
moved AS (
  SELECT m.movement_id, m.goods_id FROM m WHERE m.goods_id IS NOT NULL OR m.what NOT IN ('FENCE_EXIT', 'FENCE_ENTER')
  UNION
  SELECT m.movement_id, jsonb_array_elements_text(m.what_evidence->'goods') FROM m
   WHERE m.what IN ('FENCE_EXIT', 'FENCE_ENTER') AND jsonb_typeof(m.what_evidence->'goods') = 'array'
  UNION
  SELECT m.movement_id, unnest(vp.goods) FROM m JOIN vehicle_position vp ON vp.device_id = m.device_id
   WHERE m.what IN ('FENCE_EXIT', 'FENCE_ENTER') AND NOT m.what_evidence ? 'goods')
SELECT m.movement_id, coalesce(g.tenant_id, m.device_tenant_id) AS tenant_id, m.occurred_at, m.received_at, m.recorded_at, m.kind, m.device_id,
       m.tag_epc, m.vehicle_plate, m.from_zone_id, m.to_zone_id, m.from_seen_at, m.left_warehouse_id, m.evidence,
       EXISTS (SELECT 1 FROM movement c WHERE c.corrects = m.movement_id AND c.kind = 'CORRECTION') AS corrected,
       g.goods_id, g.commodity_code, g.owner_party_id, g.warehouse_id, g.quantity, g.unit, g.invoice_unit_price, g.invoice_currency,
       pi.pledge_id, pi.facility_id, pi.pledged_at,
       cover.kind AS cover_kind, cover.id AS cover_id, cover.valid_from AS cover_from, cover.valid_to AS cover_to, cover.vehicle_plate AS cover_plate,
       back.at AS back_inside_at, m.corrects, gone.ids AS exit_ids, gone.at AS exits_at, gone.by_vehicle AS exits_by_vehicle,
       NOT EXISTS (SELECT 1 FROM antenna_zone a JOIN device_state s USING (device_id)
                    WHERE a.zone_id IN (m.from_zone_id, m.to_zone_id) AND a.valid_to IS NULL AND (s.skew_ms IS NULL OR abs(s.skew_ms) > 60000)) AS skew_known
  FROM m JOIN moved USING (movement_id)
  LEFT JOIN goods_unit g ON g.goods_id = moved.goods_id
  LEFT JOIN LATERAL (
       SELECT i.pledge_id, i.facility_id, i.pledged_at FROM pledge_item i
        WHERE i.goods_id = g.goods_id AND i.pledged_at <= m.occurred_at AND (i.released_at IS NULL OR i.released_at > m.occurred_at)
        ORDER BY i.pledged_at DESC LIMIT 1) pi ON true
  LEFT JOIN LATERAL (
       SELECT * FROM (
         SELECT 1 AS rank, 'release' AS kind, o.release_id AS id, o.valid_from, o.valid_to, o.vehicle_plate
           FROM release_item ri JOIN release_order o USING (release_id)
          WHERE ri.goods_id = g.goods_id AND o.issued_at <= m.occurred_at + interval '5 minutes'
            AND (o.status <> 'CANCELLED' OR o.closed_at > m.occurred_at)
            AND (ri.returned_at IS NULL OR o.status = 'EXPIRED' OR ri.returned_at > m.occurred_at)
            AND o.valid_from <= m.occurred_at + interval '1 hour' AND o.valid_to >= m.occurred_at - interval '1 hour'
         UNION ALL
         SELECT 2, 'trip', t.trip_id, t.planned_from, t.planned_to, t.vehicle_plate
           FROM trip_goods tg JOIN trip t USING (trip_id)
          WHERE tg.goods_id = g.goods_id AND t.status <> 'CANCELLED' AND t.origin_warehouse_id = m.left_warehouse_id
            AND t.destination_warehouse_id <> t.origin_warehouse_id
            AND t.planned_from <= m.occurred_at + interval '1 hour' AND t.planned_to >= m.occurred_at - interval '1 hour') c
        ORDER BY rank, valid_from DESC LIMIT 1) cover ON m.kind IN ('GATE_OUT', 'FENCE_EXIT')
  LEFT JOIN LATERAL (
       SELECT min(at) AS at FROM (
         SELECT r.occurred_at AS at FROM movement r LEFT JOIN zone z ON z.zone_id = r.to_zone_id LEFT JOIN device rd ON rd.device_id = r.device_id
          WHERE r.goods_id = g.goods_id AND r.occurred_at > m.occurred_at AND r.occurred_at <= m.occurred_at + interval '1 hour'
            AND coalesce(z.warehouse_id, r.evidence->>'warehouse_id', rd.warehouse_id) = m.left_warehouse_id
            AND (r.kind IN ('GATE_IN', 'FENCE_ENTER') OR (r.kind = 'ZONE_CHANGE' AND z.kind <> 'GATE_OUTER'))
            AND NOT EXISTS (SELECT 1 FROM movement c WHERE c.corrects = r.movement_id)
         UNION ALL
         SELECT r.occurred_at FROM movement r  -- the same lorry, with the unit still aboard
          WHERE m.kind = 'FENCE_EXIT' AND r.kind = 'FENCE_ENTER' AND r.device_id = m.device_id
            AND r.occurred_at > m.occurred_at AND r.occurred_at <= m.occurred_at + interval '1 hour'
            AND r.evidence->>'warehouse_id' = m.left_warehouse_id AND (NOT r.evidence ? 'goods' OR r.evidence->'goods' ? g.goods_id)
            AND NOT EXISTS (SELECT 1 FROM movement c WHERE c.corrects = r.movement_id)
         UNION ALL
         SELECT p.entered_at FROM goods_position p JOIN zone z USING (zone_id)
          WHERE p.goods_id = g.goods_id AND z.kind <> 'GATE_OUTER' AND p.warehouse_id = m.left_warehouse_id AND p.entered_at > m.occurred_at) seen
       ) back ON m.kind IN ('GATE_OUT', 'FENCE_EXIT')
  LEFT JOIN LATERAL (
       SELECT array_agg(r.movement_id ORDER BY r.occurred_at, r.movement_id) AS ids, array_agg(r.occurred_at ORDER BY r.occurred_at, r.movement_id) AS at,
              array_agg(r.vehicle_plate IS NOT NULL ORDER BY r.occurred_at, r.movement_id) AS by_vehicle
         FROM movement r LEFT JOIN zone z ON z.zone_id = r.from_zone_id LEFT JOIN device rd ON rd.device_id = r.device_id
        WHERE (r.goods_id = g.goods_id OR (m.kind = 'FENCE_ENTER' AND r.device_id = m.device_id))
          AND r.kind IN ('GATE_OUT', 'FENCE_EXIT') AND r.occurred_at < m.occurred_at AND r.occurred_at >= m.occurred_at - interval '1 hour'
          AND coalesce(z.warehouse_id, r.evidence->>'warehouse_id', rd.warehouse_id) = m.at_warehouse_id) gone
         ON m.kind IN ('GATE_IN', 'ZONE_CHANGE', 'FENCE_ENTER')
 ORDER BY m.movement_id, g.goods_id;

-- name: zones
-- Polygons of zones.
SELECT zone_id, warehouse_id, kind, polygon FROM zone WHERE zone_id = ANY (%(ids)s);

-- name: refusals
-- Refused commands by id. What the detail says of the pledge in the way stays only where that pledge is the same tenant's.
SELECT r.refusal_id, r.tenant_id, r.refused_at, r.user_id, r.command, r.code, r.facility_id,
       CASE WHEN EXISTS (SELECT 1 FROM facility f WHERE f.facility_id = r.detail->>'other_facility_id' AND f.tenant_id = r.tenant_id)
            THEN r.detail - 'other_tenant_id'
            ELSE r.detail - '{other_pledge_id,other_facility_id,other_goods_id,other_tenant_id}'::text[] END AS detail
  FROM refused_command r WHERE r.refusal_id = ANY (%(ids)s) ORDER BY r.refusal_id;

-- name: units
-- Units by id with the live pledge that holds them: by the id itself, or by the same VIN or mill, heat and piece under another id.
SELECT g.goods_id, g.tenant_id, g.commodity_code, g.owner_party_id, g.warehouse_id, g.quantity, g.unit, g.invoice_unit_price, g.invoice_currency,
       pi.pledge_id, pi.facility_id, pi.pledged_at
  FROM goods_unit g
  LEFT JOIN LATERAL (
       SELECT i.* FROM pledge_item i JOIN facility f USING (facility_id)
        WHERE i.goods_id = g.goods_id AND i.released_at IS NULL AND f.tenant_id = g.tenant_id
       UNION ALL SELECT i.* FROM pledge_item i JOIN facility f USING (facility_id)  -- another tenant's pledge stays nameless
        WHERE i.vin = g.vin AND i.released_at IS NULL AND g.vin IS NOT NULL AND f.tenant_id = g.tenant_id
       UNION ALL SELECT i.* FROM pledge_item i JOIN facility f USING (facility_id)
        WHERE i.identity_key = g.identity_key AND i.released_at IS NULL AND g.identity_key IS NOT NULL AND f.tenant_id = g.tenant_id
       LIMIT 1) pi ON true
 WHERE g.goods_id = ANY (%(ids)s);

-- name: watched_units
-- How many pledged units are under watch by readers.
SELECT count(*) FROM pledge_item i WHERE i.released_at IS NULL AND EXISTS (SELECT 1 FROM goods_position p WHERE p.goods_id = i.goods_id);

-- name: unseen
-- Pledged units whose newest read is older than a round before the settled part of the stream, with the rounds of their reader since.
WITH lying AS MATERIALIZED (
  SELECT DISTINCT ON (i.goods_id) i.goods_id, i.pledge_id, i.facility_id, i.pledged_at, p.tag_epc, p.device_id, p.last_seen_at,
         CASE WHEN z.kind = 'GATE_INNER' THEN p.previous_zone_id ELSE p.zone_id END AS zone_id, z.kind AS zone_kind
    FROM pledge_item i JOIN goods_position p ON p.goods_id = i.goods_id JOIN zone z ON z.zone_id = p.zone_id
   WHERE i.released_at IS NULL
   ORDER BY i.goods_id, p.last_seen_at DESC),
late AS MATERIALIZED (
  SELECT l.*, count(*) OVER (PARTITION BY l.device_id, l.zone_id ORDER BY l.last_seen_at
                             RANGE BETWEEN %(round)s::interval PRECEDING AND %(round)s::interval FOLLOWING) - 1 AS vanished_together
    FROM lying l
   WHERE l.last_seen_at < %(settled)s - %(round)s::interval AND l.zone_kind <> 'GATE_OUTER' AND l.zone_id IS NOT NULL),
reader AS (  -- whose rounds speak for the unit: its own reader, or for a unit last read at the inner gate, the reader of the zone it came from
  SELECT l.*, CASE WHEN l.zone_kind = 'GATE_INNER' THEN
           (SELECT r.device_id FROM inventory_round r WHERE r.zone_id = l.zone_id ORDER BY r.round_at DESC LIMIT 1)
         ELSE l.device_id END AS round_device_id
    FROM late l),
worth AS (
  SELECT f.facility_id, v.gross_market_value FROM (SELECT DISTINCT facility_id FROM late) f
   CROSS JOIN LATERAL (SELECT gross_market_value FROM valuation WHERE facility_id = f.facility_id ORDER BY as_of DESC, recorded_at DESC LIMIT 1) v),
held AS (  -- how much lies in each zone of the readers asked about
  SELECT p.device_id, p.zone_id, count(*) AS units FROM goods_position p
   WHERE (p.device_id, p.zone_id) IN (SELECT DISTINCT round_device_id, zone_id FROM reader) GROUP BY 1, 2)
SELECT r.goods_id, r.pledge_id, r.facility_id, r.pledged_at, r.tag_epc, r.round_device_id AS device_id, r.zone_id, r.last_seen_at, r.vanished_together,
       g.tenant_id, g.commodity_code, g.owner_party_id, g.warehouse_id, g.quantity, g.unit, g.invoice_unit_price, g.invoice_currency,
       coalesce(h.units, 0) AS zone_units, rounds.n AS rounds_since, rounds.last_at AS last_round_at, rate.p AS read_rate,
       w.gross_market_value AS facility_value
  FROM reader r JOIN goods_unit g USING (goods_id)
  LEFT JOIN held h ON h.device_id = r.round_device_id AND h.zone_id = r.zone_id
  LEFT JOIN worth w ON w.facility_id = r.facility_id
  CROSS JOIN LATERAL (
       SELECT count(*) AS n, max(x.round_at) AS last_at FROM inventory_round x
        WHERE x.device_id = r.round_device_id AND (x.zone_id = r.zone_id OR coalesce(h.units, 0) <= 1)
          AND x.round_at > r.last_seen_at + %(round)s::interval / 2 AND x.round_at <= %(settled)s AND x.units_seen >= 1) rounds
  CROSS JOIN LATERAL (
       SELECT CASE WHEN min(x.round_at) <= %(as_of)s - interval '29 days' THEN avg(x.units_seen::numeric / x.units_expected) END AS p
         FROM inventory_round x WHERE x.device_id = r.round_device_id AND x.zone_id = r.zone_id AND x.units_expected > 0
          AND x.round_at > %(as_of)s - interval '30 days') rate
 WHERE g.state NOT IN ('EXPECTED', 'IN_TRANSIT', 'GATED_OUT', 'DELIVERED')
   AND EXISTS (SELECT 1 FROM tag_binding b WHERE b.tag_epc = r.tag_epc AND b.goods_id = r.goods_id AND (b.valid_to IS NULL OR b.valid_to > %(as_of)s));

-- name: unsighted
-- Pledged units past the first 24 hours that no reader, gauge, scale or tracker sighted from 24 hours before the pledge on.
SELECT g.goods_id, g.tenant_id, g.commodity_code, g.owner_party_id, g.warehouse_id, g.quantity, g.unit, g.invoice_unit_price, g.invoice_currency,
       i.pledge_id, i.facility_id, i.pledged_at, g.zone_id,
       (SELECT max(p.last_seen_at) FROM goods_position p WHERE p.goods_id = g.goods_id) AS last_seen_at,
       near.readers, near.heard
  FROM pledge_item i JOIN goods_unit g USING (goods_id)
  CROSS JOIN LATERAL (
       SELECT count(*) AS readers, count(*) FILTER (WHERE s.last_observed_at > i.pledged_at) AS heard
         FROM antenna_zone a JOIN device d USING (device_id) LEFT JOIN device_state s USING (device_id)
        WHERE a.zone_id = g.zone_id AND a.valid_to IS NULL AND d.enabled) near
 WHERE i.released_at IS NULL AND i.pledged_at <= %(settled)s - interval '24 hours'
   AND NOT EXISTS (SELECT 1 FROM goods_position p WHERE p.goods_id = g.goods_id AND p.last_seen_at >= i.pledged_at - interval '24 hours')
   -- A tracker sights what its trip carries, while the trip lasts; where the lorry drives afterwards says nothing of these goods.
   AND NOT EXISTS (SELECT 1 FROM trip_goods tg JOIN trip t USING (trip_id) JOIN position v ON v.device_id = t.device_id
                    WHERE tg.goods_id = g.goods_id AND t.status IN ('UNDER_WAY', 'ARRIVED') AND v.lon IS NOT NULL
                      AND v.observed_at >= greatest(i.pledged_at - interval '24 hours', t.planned_from)
                      AND v.observed_at <= CASE t.status WHEN 'ARRIVED' THEN t.planned_to ELSE 'infinity' END)
   AND NOT EXISTS (SELECT 1 FROM antenna_zone a JOIN device_event e USING (device_id)
                    WHERE a.zone_id = g.zone_id AND e.type IN ('tank', 'weight') AND e.observed_at >= i.pledged_at - interval '24 hours'
                      AND (g.kind = 'TANK_LOT' OR e.payload->>'goods_id' = g.goods_id));

-- name: twins
-- Live pledges of several goods ids that name the same VIN or mill, heat and piece once case, spaces and signs are levelled, by tenant.
-- elsewhere: another tenant's live pledge names it as well; which one is not told.
WITH live AS (
  SELECT f.tenant_id, i.goods_id, 'VIN ' || regexp_replace(upper(i.vin), '[^[:alnum:]]', '', 'g') AS identity
    FROM pledge_item i JOIN facility f USING (facility_id) WHERE i.released_at IS NULL AND i.vin IS NOT NULL
  UNION ALL
  SELECT f.tenant_id, i.goods_id, translate(upper(i.identity_key), ' -_./', '')
    FROM pledge_item i JOIN facility f USING (facility_id) WHERE i.released_at IS NULL AND i.identity_key IS NOT NULL),
own AS (
  SELECT identity, tenant_id, array_agg(DISTINCT goods_id) AS ids, count(DISTINCT goods_id) AS units FROM live GROUP BY identity, tenant_id),
told AS (SELECT o.*, sum(units) OVER (PARTITION BY identity) > units AS elsewhere FROM own o)
SELECT identity, tenant_id, ids[1:%(named_max)s] AS ids, units, elsewhere FROM told WHERE units > 1 OR elsewhere ORDER BY identity, tenant_id;

-- name: devices
-- Enabled devices, what was heard of them, and the pledged goods that lie before them.
WITH lying AS (
  SELECT DISTINCT ON (i.goods_id) i.goods_id, p.device_id
    FROM pledge_item i JOIN goods_position p ON p.goods_id = i.goods_id JOIN zone z ON z.zone_id = p.zone_id AND z.kind <> 'GATE_OUTER'
   WHERE i.released_at IS NULL ORDER BY i.goods_id, p.last_seen_at DESC),
behind AS (
  SELECT s.device_id, jsonb_agg(jsonb_build_array(s.commodity_code, s.unit, s.quantity::text, s.units)) AS goods
    FROM (SELECT l.device_id, g.commodity_code, g.unit, sum(g.quantity) AS quantity, count(*) AS units
            FROM lying l JOIN goods_unit g USING (goods_id) GROUP BY 1, 2, 3) s
   GROUP BY s.device_id),
read AS (
  SELECT p.device_id, max(p.last_seen_at) AS newest FROM goods_position p JOIN zone z USING (zone_id)
   WHERE z.kind NOT IN ('GATE_INNER', 'GATE_OUTER') GROUP BY p.device_id)
SELECT d.device_id, d.tenant_id, d.site, d.warehouse_id, d.class, d.gateway_device_id, d.expected_interval_s, d.registered_at,
       greatest(s.last_observed_at, s.last_health_at) AS last_heard_at, s.presence, s.presence_at,
       d.class <> 'gps' OR EXISTS (SELECT 1 FROM trip t WHERE t.device_id = d.device_id AND t.status = 'UNDER_WAY')
         OR EXISTS (SELECT 1 FROM vehicle_position v WHERE v.device_id = d.device_id AND cardinality(v.goods) > 0) AS on_duty,
       b.goods AS behind, r.newest AS newest_read_at,
       (SELECT count(*) FROM (SELECT 1 FROM inventory_round x WHERE x.device_id = d.device_id LIMIT 2) y) AS rounds
  FROM device d LEFT JOIN device_state s USING (device_id) LEFT JOIN behind b USING (device_id) LEFT JOIN read r USING (device_id)
 WHERE d.enabled ORDER BY d.device_id;

-- name: trips
-- Trips under way or just arrived, with the fences of both ends.
SELECT t.trip_id, t.tenant_id, t.vehicle_plate, t.device_id, t.corridor, t.corridor_buffer_m, t.origin_warehouse_id, t.destination_warehouse_id, t.status,
       t.planned_from, t.planned_to, o.fence AS origin_fence, d.fence AS destination_fence
  FROM trip t LEFT JOIN warehouse o ON o.warehouse_id = t.origin_warehouse_id LEFT JOIN warehouse d ON d.warehouse_id = t.destination_warehouse_id
 WHERE t.status = 'UNDER_WAY' OR (t.status = 'ARRIVED' AND t.planned_to > %(as_of)s - interval '6 hours') ORDER BY t.trip_id;

-- name: trip_fixes
-- The newest valid fixes of each trip, oldest first; at most 3000 within 24 hours.
SELECT t.trip_id, p.*
  FROM trip t CROSS JOIN LATERAL (
       SELECT observed_at, lon, lat, acc_m, speed_mps, odo_km, sats, ignition, extra, flags @> '{future_time}' AS future FROM position
        WHERE device_id = t.device_id AND fix = 'valid' AND observed_at >= greatest(t.planned_from, %(as_of)s - interval '24 hours')
          AND observed_at <= least(t.planned_to + interval '12 hours', %(as_of)s + interval '5 minutes')
        ORDER BY observed_at DESC LIMIT 3000) p
 WHERE t.trip_id = ANY (%(ids)s) ORDER BY t.trip_id, p.observed_at;

-- name: trip_changes
-- Changes of the destination that were reported, oldest first.
SELECT trip_id, changed_at, destination, expected_at FROM trip_change WHERE trip_id = ANY (%(ids)s) AND changed_at <= %(as_of)s ORDER BY trip_id, changed_at;

-- name: trip_cargo
-- Readers' newest sightings of what trips under way carry.
SELECT tg.trip_id, p.goods_id, p.zone_id, p.last_seen_at, p.entered_at
  FROM trip_goods tg JOIN trip t USING (trip_id) JOIN goods_position p ON p.goods_id = tg.goods_id
 WHERE tg.trip_id = ANY (%(ids)s) AND t.status = 'UNDER_WAY' AND p.zone_id IS NOT NULL AND p.last_seen_at >= t.planned_from AND p.last_seen_at <= %(as_of)s;

-- name: lanes
-- How long the trips of the last 180 days between the same sites took: from the plan's start until their tracker entered the destination's fence.
SELECT t.origin_warehouse_id, t.destination_warehouse_id, count(*) AS trips,
       percentile_cont(0.9) WITHIN GROUP (ORDER BY extract(epoch FROM a.at - t.planned_from)) AS p90_s,
       percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM a.at - t.planned_from)) AS p99_s
  FROM trip t CROSS JOIN LATERAL (
       SELECT min(m.occurred_at) AS at FROM movement m WHERE m.kind = 'FENCE_ENTER' AND m.device_id = t.device_id AND m.occurred_at > t.planned_from
          AND m.occurred_at < t.planned_to + interval '7 days' AND m.evidence->>'warehouse_id' = t.destination_warehouse_id) a
 WHERE t.status = 'ARRIVED' AND t.planned_from > %(as_of)s - interval '180 days' AND a.at IS NOT NULL
   AND (t.origin_warehouse_id, t.destination_warehouse_id) IN (SELECT origin_warehouse_id, destination_warehouse_id FROM trip WHERE trip_id = ANY (%(ids)s))
 GROUP BY 1, 2;

-- name: road_places
SELECT tenant_id, place_id, kind, name, lon, lat, radius_m::double precision AS radius_m FROM road_place ORDER BY place_id;

-- name: trip_units
-- Goods of trips with the live pledge that holds them.
SELECT tg.trip_id, g.goods_id, g.tenant_id, g.commodity_code, g.owner_party_id, g.warehouse_id, g.quantity, g.unit, g.invoice_unit_price,
       g.invoice_currency, i.pledge_id, i.facility_id, i.pledged_at
  FROM trip_goods tg JOIN trip t USING (trip_id) JOIN goods_unit g ON g.goods_id = tg.goods_id AND g.tenant_id = t.tenant_id
  LEFT JOIN pledge_item i ON i.goods_id = g.goods_id AND i.released_at IS NULL
 WHERE tg.trip_id = ANY (%(ids)s) ORDER BY tg.trip_id, g.goods_id;

-- name: invoices
-- Invoices of the last 90 days, a day old or more, with the count of what matches them by contract or by goods.
WITH inv AS MATERIALIZED (
  SELECT d.* FROM document d WHERE d.kind = 'INVOICE' AND coalesce(d.amount, 0) >= 0 AND d.issued_at > %(as_of)s - interval '90 days' AND d.issued_at <= %(as_of)s - interval '1 day'),
kin AS MATERIALIZED (  -- papers of the same trade
  SELECT inv.document_id AS invoice_id, o.document_id, o.kind, o.vehicle_plate FROM inv JOIN document o ON o.contract_no = inv.contract_no
     AND o.tenant_id = inv.tenant_id AND o.kind IN ('WAYBILL', 'TRANSFER_NOTE')
  UNION
  SELECT a.document_id, o.document_id, o.kind, o.vehicle_plate FROM inv JOIN document_goods a ON a.document_id = inv.document_id
    JOIN document_goods b ON b.goods_id = a.goods_id
    JOIN document o ON o.document_id = b.document_id AND o.tenant_id = inv.tenant_id AND o.kind IN ('WAYBILL', 'TRANSFER_NOTE'))
SELECT inv.document_id, inv.tenant_id, inv.number, inv.contract_no, inv.seller_party_id, inv.buyer_party_id, inv.amount, inv.currency, inv.quantity,
       inv.issued_at, inv.received_at, k.waybills, k.notes AS transfer_notes, moved.n AS movements
  FROM inv
  CROSS JOIN LATERAL (SELECT count(*) FILTER (WHERE kind = 'WAYBILL') AS waybills, count(*) FILTER (WHERE kind = 'TRANSFER_NOTE') AS notes
                        FROM kin WHERE kin.invoice_id = inv.document_id) k
  CROSS JOIN LATERAL (  -- one look per unit by index, over at the first hit
       SELECT CASE WHEN EXISTS (
           SELECT 1 FROM (SELECT inv.document_id UNION ALL SELECT kin.document_id FROM kin WHERE kin.invoice_id = inv.document_id) paper (document_id)
             JOIN document_goods dg USING (document_id)
            CROSS JOIN LATERAL (SELECT 1 FROM movement m WHERE m.goods_id = dg.goods_id AND m.occurred_at >= inv.issued_at - interval '30 days'
                                   AND m.kind IN ('GATE_OUT', 'GATE_IN', 'SITE_CHANGE', 'APPEARED')
                                   AND NOT EXISTS (SELECT 1 FROM movement u WHERE u.corrects = m.movement_id) LIMIT 1) hit)
         OR EXISTS (
           SELECT 1 FROM kin JOIN trip t ON t.waybill_document_id = kin.document_id WHERE kin.invoice_id = inv.document_id AND t.status IN ('UNDER_WAY', 'ARRIVED'))
         OR EXISTS (
           SELECT 1 FROM kin JOIN movement m ON m.vehicle_plate = kin.vehicle_plate
              AND m.occurred_at BETWEEN inv.issued_at - interval '30 days' AND inv.issued_at + interval '30 days'
            WHERE kin.invoice_id = inv.document_id)
         THEN 1 ELSE 0 END AS n) moved
 WHERE k.notes = 0 AND (k.waybills = 0 OR moved.n = 0)
 ORDER BY inv.document_id;

-- name: document_units
-- Goods of documents with the live pledge that holds them.
SELECT dg.document_id, g.goods_id, g.tenant_id, g.commodity_code, g.owner_party_id, g.warehouse_id, g.quantity, g.unit, g.invoice_unit_price,
       g.invoice_currency, i.pledge_id, i.facility_id, i.pledged_at
  FROM document_goods dg JOIN document d USING (document_id) JOIN goods_unit g ON g.goods_id = dg.goods_id AND g.tenant_id = d.tenant_id
  LEFT JOIN pledge_item i ON i.goods_id = g.goods_id AND i.released_at IS NULL
 WHERE dg.document_id = ANY (%(ids)s) ORDER BY dg.document_id, g.goods_id;

-- name: sales
-- Invoices that sell a unit while it is pledged.
SELECT d.document_id, d.number, d.seller_party_id, d.buyer_party_id, d.issued_at, f.borrower_party_id,
       g.goods_id, g.tenant_id, g.commodity_code, g.owner_party_id, g.warehouse_id, g.quantity, g.unit, g.invoice_unit_price, g.invoice_currency,
       i.pledge_id, i.facility_id, i.pledged_at, r.release_id
  FROM pledge_item i JOIN document_goods dg USING (goods_id) JOIN document d USING (document_id) JOIN goods_unit g USING (goods_id)
  JOIN facility f ON f.facility_id = i.facility_id
  LEFT JOIN LATERAL (SELECT o.release_id FROM release_item ri JOIN release_order o USING (release_id)
                      WHERE ri.goods_id = i.goods_id AND o.status IN ('ISSUED', 'PICKING', 'GATED_OUT', 'RECONCILED') AND ri.returned_at IS NULL LIMIT 1) r ON true
 WHERE i.released_at IS NULL AND d.kind = 'INVOICE' AND coalesce(d.amount, 0) >= 0 AND d.seller_party_id IS NOT NULL
   AND d.issued_at >= i.pledged_at AND d.issued_at <= %(as_of)s AND d.tenant_id = g.tenant_id
 ORDER BY d.document_id, g.goods_id;

-- name: commodity_facilities
-- Commodities that secure a loan now, by tenant, with the facilities and their exposure.
SELECT f.tenant_id, fc.commodity_code, array_agg(f.facility_id ORDER BY f.facility_id) AS facility_ids, min(f.currency) AS currency,
       CASE WHEN min(f.currency) = max(f.currency) THEN sum(b.principal + b.interest + b.fees - b.cash_margin) END AS exposure
  FROM facility f JOIN facility_commodity fc USING (facility_id) LEFT JOIN facility_balance b USING (facility_id)
 WHERE f.status <> 'CLOSED' AND EXISTS (SELECT 1 FROM pledge_item i JOIN goods_unit g USING (goods_id)
                                         WHERE i.facility_id = f.facility_id AND i.released_at IS NULL AND g.commodity_code = fc.commodity_code)
 GROUP BY f.tenant_id, fc.commodity_code ORDER BY 1, 2;

-- name: quotes
-- Quotes of the last 45 days, oldest first.
SELECT tenant_id, price_id, commodity_code, source, quoted_at, CASE WHEN tax_inclusive THEN price / (1 + vat_rate) ELSE price END AS per_unit, currency, unit, status, reason
  FROM price_quote WHERE commodity_code = ANY (%(codes)s) AND quoted_at > %(as_of)s - interval '45 days' AND quoted_at <= %(as_of)s
 ORDER BY quoted_at, recorded_at, price_id;

-- name: facilities
-- Open facilities with their newest call, open case, and whether the warning is open.
SELECT f.facility_id, f.tenant_id, f.name, f.name_zh, f.currency, f.pledge_mode, f.product, f.disposal_cost, f.matures_on,
       c.call_id, c.status AS call_status, c.cause, c.cash_amount, c.goods_amount, c.issued_at, c.cure_deadline,
       d.case_id, d.status AS case_status, d.trigger, d.proposed_sale_value, d.opened_at,
       EXISTS (SELECT 1 FROM alert a WHERE a.tenant_id = f.tenant_id AND a.rule_code = 'V02' AND a.subject_kind = 'facility' AND a.subject_id = f.facility_id
                  AND a.status NOT IN ('CLOSED', 'RESOLVED')) AS warned
  FROM facility f
  LEFT JOIN LATERAL (SELECT * FROM margin_call m WHERE m.facility_id = f.facility_id ORDER BY m.issued_at DESC, m.call_id DESC LIMIT 1) c ON true
  LEFT JOIN disposal_case d ON d.facility_id = f.facility_id AND d.status NOT IN ('SETTLED', 'WITHDRAWN')
 WHERE f.status <> 'CLOSED' AND (%(facility_ids)s::text[] IS NULL OR f.facility_id = ANY (%(facility_ids)s))
 ORDER BY f.facility_id;

-- name: marks
-- The two newest valuations of each facility, newest first.
SELECT f.facility_id, v.* FROM unnest(%(ids)s::text[]) AS f(facility_id) CROSS JOIN LATERAL (
       SELECT valuation_id, as_of, coverage, line_state, collateral_value, exposure, warning_line, margin_call_line, disposal_line, gross_market_value,
              min_control_value, confirmed_value, detail
         FROM valuation WHERE facility_id = f.facility_id AND as_of <= %(as_of)s ORDER BY as_of DESC, recorded_at DESC LIMIT 2) v
 ORDER BY f.facility_id, v.as_of DESC;

-- name: released_lately
-- Orders whose goods left in the last 60 days.
SELECT o.facility_id, o.value_amount AS value, max(ri.gated_out_at) AS left_at FROM release_order o JOIN release_item ri USING (release_id)
 WHERE o.facility_id = ANY (%(ids)s) AND ri.gated_out_at > %(as_of)s - interval '60 days' AND ri.gated_out_at <= %(as_of)s GROUP BY o.release_id;
