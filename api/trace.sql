-- What is known of one unit. Columns t_... are the trace's own; the rest are the facts shown.

-- name: registration
-- The unit enters the book.
SELECT registered_at AS t_occurred_at, registered_at AS t_recorded_at, goods_id AS t_subject_id, zone_id AS t_place, NULL AS t_device_id,
       commodity_code, kind, quantity, unit, owner_party_id, warehouse_id, zone_id, state
  FROM goods_unit WHERE goods_id = %(id)s LIMIT %(limit)s;

-- name: binding
-- Tags put on.
SELECT valid_from AS t_occurred_at, valid_from AS t_recorded_at, tag_epc AS t_subject_id, NULL AS t_place, NULL AS t_device_id,
       tag_epc, tid, bound_by
  FROM tag_binding WHERE goods_id = %(id)s ORDER BY valid_from DESC LIMIT %(limit)s;

-- name: unbinding
-- Tags taken off.
SELECT valid_to AS t_occurred_at, valid_to AS t_recorded_at, tag_epc AS t_subject_id, NULL AS t_place, NULL AS t_device_id, tag_epc
  FROM tag_binding WHERE goods_id = %(id)s AND valid_to IS NOT NULL ORDER BY valid_to DESC LIMIT %(limit)s;

-- name: sighting
-- The present sighting of each tag: since when it is there and when it was read last.
SELECT last_seen_at AS t_occurred_at, last_seen_at AS t_recorded_at, tag_epc AS t_subject_id, zone_id AS t_place, device_id AS t_device_id,
       tag_epc, antenna, warehouse_id, entered_at, last_seen_at, previous_zone_id, reads, absorbed, rssi_dbm
  FROM goods_position
 WHERE tag_epc IN (SELECT tag_epc FROM tag_binding WHERE goods_id = %(id)s AND valid_to IS NULL)
 ORDER BY last_seen_at DESC LIMIT %(limit)s;

-- name: read
-- Reads that were kept as rows.
SELECT observed_at AS t_occurred_at, received_at AS t_recorded_at, tag_epc AS t_subject_id, zone_id AS t_place, device_id AS t_device_id,
       tag_epc, tid, antenna, event_key, rssi_dbm, read_count, flags
  FROM observation WHERE goods_id = %(id)s ORDER BY observed_at DESC LIMIT %(limit)s;

-- name: movement
-- Movements of the unit, and of the lorry while the unit was on its trip.
SELECT m.occurred_at AS t_occurred_at, m.received_at AS t_recorded_at, m.movement_id::text AS t_subject_id,
       coalesce(m.to_zone_id, m.from_zone_id) AS t_place, m.device_id AS t_device_id,
       m.kind, m.tag_epc, m.vehicle_plate, m.from_zone_id, m.to_zone_id, m.from_seen_at, m.evidence, m.corrects
  FROM movement m
 WHERE m.goods_id = %(id)s
    OR EXISTS (SELECT 1 FROM trip t JOIN trip_goods g USING (trip_id)
                WHERE g.goods_id = %(id)s AND t.device_id = m.device_id AND m.vehicle_plate IS NOT NULL
                  AND m.occurred_at BETWEEN t.planned_from - interval '6 hours' AND t.planned_to + interval '1 day')
 ORDER BY m.occurred_at DESC LIMIT %(limit)s;

-- name: declared
-- Where partners' systems say that the unit was (EPCIS); nobody's independent sighting.
SELECT m.occurred_at AS t_occurred_at, m.recorded_at AS t_recorded_at, m.declared_no::text AS t_subject_id,
       coalesce(m.to_zone_id, m.to_warehouse_id, m.from_zone_id, m.from_warehouse_id) AS t_place, NULL AS t_device_id,
       m.kind, m.epc, m.from_warehouse_id, m.from_zone_id, m.to_warehouse_id, m.to_zone_id, m.evidence, m.corrects
  FROM declared_movement m WHERE m.goods_id = %(id)s ORDER BY m.occurred_at DESC LIMIT %(limit)s;

-- name: position
-- Positions of the tracker on the unit's trips.
SELECT p.observed_at AS t_occurred_at, p.received_at AS t_recorded_at, p.device_id || '/' || p.event_key AS t_subject_id,
       round(p.lat::numeric, 5) || ', ' || round(p.lon::numeric, 5) AS t_place, p.device_id AS t_device_id,
       t.trip_id, t.vehicle_plate, p.lon, p.lat, p.fix, p.datum_in, p.acc_m, p.speed_mps, p.heading_deg, p.flags
  FROM trip_goods g JOIN trip t USING (trip_id)
  JOIN position p ON p.device_id = t.device_id
   AND p.observed_at BETWEEN t.planned_from - interval '6 hours' AND t.planned_to + interval '1 day'
 WHERE g.goods_id = %(id)s ORDER BY p.observed_at DESC LIMIT %(limit)s;

-- name: position_aboard
-- Positions that name the unit as cargo.
SELECT p.observed_at AS t_occurred_at, p.received_at AS t_recorded_at, p.device_id || '/' || p.event_key AS t_subject_id,
       round(p.lat::numeric, 5) || ', ' || round(p.lon::numeric, 5) AS t_place, p.device_id AS t_device_id,
       p.lon, p.lat, p.fix, p.datum_in, p.acc_m, p.speed_mps, p.heading_deg, p.flags
  FROM position p WHERE p.goods <> '{}' AND p.goods @> ARRAY[%(id)s::text] ORDER BY p.observed_at DESC LIMIT %(limit)s;

-- name: document
-- Papers that name the unit.
SELECT d.issued_at AS t_occurred_at, d.received_at AS t_recorded_at, d.document_id AS t_subject_id, d.warehouse_id AS t_place, NULL AS t_device_id,
       d.kind, d.number, d.issuer_party_id, d.seller_party_id, d.buyer_party_id, d.quantity, d.unit, d.amount, d.currency, d.contract_no,
       d.vehicle_plate, d.content_hash
  FROM document_goods g JOIN document d USING (document_id) WHERE g.goods_id = %(id)s ORDER BY d.issued_at DESC LIMIT %(limit)s;

-- name: receipt
-- Warehouse receipts over the unit.
SELECT r.issued_at AS t_occurred_at, r.recorded_at AS t_recorded_at, r.receipt_no AS t_subject_id, r.warehouse_id AS t_place, NULL AS t_device_id,
       r.state, r.depositor_party_id, r.keeper_party_id, r.insured_amount, r.currency, r.content_hash, i.ended_at
  FROM receipt_item i JOIN warehouse_receipt r USING (receipt_no) WHERE i.goods_id = %(id)s ORDER BY r.issued_at DESC LIMIT %(limit)s;

-- name: trip
-- Trips that carry the unit.
SELECT t.planned_from AS t_occurred_at, t.planned_from AS t_recorded_at, t.trip_id AS t_subject_id, t.destination_warehouse_id AS t_place,
       t.device_id AS t_device_id, t.vehicle_plate, t.status, t.origin_warehouse_id, t.destination_warehouse_id, t.planned_from, t.planned_to
  FROM trip_goods g JOIN trip t USING (trip_id) WHERE g.goods_id = %(id)s ORDER BY t.planned_from DESC LIMIT %(limit)s;

-- name: pledge
-- Pledges over the unit.
SELECT p.created_at AS t_occurred_at, p.created_at AS t_recorded_at, p.pledge_id AS t_subject_id, NULL AS t_place, NULL AS t_device_id,
       p.status, i.facility_id, i.quantity, i.unit, p.receipt_no, p.filing_no, p.created_by, p.approved_by, p.pledged_at, i.released_at
  FROM pledge_item i JOIN pledge p USING (pledge_id) WHERE i.goods_id = %(id)s ORDER BY p.created_at DESC LIMIT %(limit)s;

-- name: release
-- Release orders that name the unit.
SELECT r.requested_at AS t_occurred_at, r.requested_at AS t_recorded_at, r.release_id AS t_subject_id, NULL AS t_place, NULL AS t_device_id,
       r.status, r.facility_id, r.requested_by, r.maker_id, r.checker_id, r.second_checker_id, r.vehicle_plate, r.valid_from, r.valid_to,
       r.issued_at, i.gated_out_at, i.returned_at, r.reason
  FROM release_item i JOIN release_order r USING (release_id) WHERE i.goods_id = %(id)s ORDER BY r.requested_at DESC LIMIT %(limit)s;

-- name: alert
-- Alerts on the unit, its tags or its pledges.
SELECT a.occurred_at AS t_occurred_at, a.opened_at AS t_recorded_at, a.alert_id AS t_subject_id, a.warehouse_id AS t_place, NULL AS t_device_id,
       a.rule_code, a.severity, a.status, a.subject_kind, a.subject_id, a.summary, a.summary_zh, a.resolved_at, a.closed_at
  FROM alert a
 WHERE a.tenant_id = %(tenant)s
   AND ((a.subject_kind = 'goods' AND a.subject_id = %(id)s)
     OR (a.subject_kind = 'tag' AND a.subject_id IN (SELECT tag_epc FROM tag_binding WHERE goods_id = %(id)s))
     OR (a.subject_kind = 'pledge' AND a.subject_id IN (SELECT pledge_id FROM pledge_item WHERE goods_id = %(id)s)))
 ORDER BY a.opened_at DESC LIMIT %(limit)s;
