-- name: known_events
-- Events and declarations under these ids, locked against nobody: rows never change.
SELECT event_id, declares_error, event_no, content_hash FROM epcis_event WHERE tenant_id = %(tenant)s AND event_id = ANY(%(ids)s);

-- name: lock_event_ids
-- Captures of the same ids wait for each other, in one order. 64 buckets, so that no capture takes more locks than the server has.
SELECT pg_advisory_xact_lock(8, bucket) FROM (SELECT DISTINCT hashtext(k) & 63 AS bucket FROM unnest(%(keys)s::text[]) k ORDER BY 1) o;

-- name: insert_event
-- One event.
INSERT INTO epcis_event (tenant_id, event_id, declares_error, content_hash, capture_id, event_type, event_time, event_time_zone_offset, record_time,
                         action, biz_step, disposition, read_point, biz_location, parent_id, transformation_id, epcs, input_epcs, output_epcs, any_epcs,
                         epc_classes, input_classes, output_classes, quantities, transactions, sources, destinations, lasting_set, lasting_unset,
                         error_declared_at, error_reason, corrective_ids, context, payload)
VALUES (%(tenant_id)s, %(event_id)s, %(declares_error)s, %(content_hash)s, %(capture_id)s, %(event_type)s, %(event_time)s, %(event_time_zone_offset)s,
        %(record_time)s, %(action)s, %(biz_step)s, %(disposition)s, %(read_point)s, %(biz_location)s, %(parent_id)s, %(transformation_id)s, %(epcs)s,
        %(input_epcs)s, %(output_epcs)s, %(any_epcs)s, %(epc_classes)s, %(input_classes)s, %(output_classes)s, %(quantities)s, %(transactions)s,
        %(sources)s, %(destinations)s, %(lasting_set)s, %(lasting_unset)s, %(error_declared_at)s, %(error_reason)s, %(corrective_ids)s, %(context)s,
        %(payload)s)
RETURNING event_no;

-- name: insert_capture
-- The capture that held them.
INSERT INTO epcis_capture (capture_id, tenant_id, user_id, created_at, error_behaviour, success, header, document_sha256, received, recorded, repeated, refused)
VALUES (%(capture_id)s, %(tenant)s, %(user)s, %(now)s, %(behaviour)s, %(success)s, %(header)s, %(sha256)s, %(received)s, %(recorded)s, %(repeated)s, %(refused)s);

-- name: insert_item
-- What became of one event.
INSERT INTO epcis_capture_item (capture_id, item_no, outcome, event_no, event_id, reason, detail, payload)
VALUES (%(capture_id)s, %(item_no)s, %(outcome)s, %(event_no)s, %(event_id)s, %(reason)s, %(detail)s, %(payload)s);

-- name: goods_of_tags
-- Units that carried these tags at a time.
SELECT b.tag_epc, b.goods_id FROM tag_binding b JOIN goods_unit g USING (goods_id)
 WHERE g.tenant_id = %(tenant)s AND b.tag_epc = ANY(%(tags)s) AND b.valid_from <= %(at)s AND (b.valid_to IS NULL OR b.valid_to > %(at)s);

-- name: goods_of_ids
-- Units named by their own id.
SELECT goods_id FROM goods_unit WHERE tenant_id = %(tenant)s AND goods_id = ANY(%(ids)s);

-- name: place_at
-- Which of our places these identifiers named at a time; the first that is known counts.
SELECT p.warehouse_id, p.zone_id
  FROM unnest(%(places)s::text[]) WITH ORDINALITY AS n (place, rank)
 CROSS JOIN LATERAL (SELECT warehouse_id, zone_id FROM epcis_place
                      WHERE tenant_id = %(tenant)s AND place = n.place AND valid_from <= %(at)s ORDER BY valid_from DESC LIMIT 1) p
 WHERE p.warehouse_id IS NOT NULL ORDER BY n.rank LIMIT 1;

-- name: own_zone
-- A zone named by our own id.
SELECT z.warehouse_id, z.zone_id FROM zone z JOIN warehouse w USING (warehouse_id) WHERE w.tenant_id = %(tenant)s AND z.zone_id = %(id)s;

-- name: own_warehouse
-- A warehouse named by our own id.
SELECT warehouse_id, NULL AS zone_id FROM warehouse WHERE tenant_id = %(tenant)s AND warehouse_id = %(id)s;

-- name: last_places
-- Where these units were just before a time, by the newest of what readers saw and systems declared. Withdrawn declarations do not count.
SELECT DISTINCT ON (goods_id) goods_id, warehouse_id, zone_id, source
  FROM (SELECT m.goods_id, m.to_warehouse_id AS warehouse_id, m.to_zone_id AS zone_id, m.occurred_at AS at, 'declared' AS source
          FROM declared_movement m
         WHERE m.goods_id = ANY(%(goods)s) AND m.occurred_at < %(at)s AND m.kind <> 'CORRECTION'
           AND NOT EXISTS (SELECT FROM declared_movement c WHERE c.corrects = m.declared_no)
        UNION ALL
        SELECT p.goods_id, p.warehouse_id, p.zone_id, p.last_seen_at, 'reader' FROM goods_position p
         WHERE p.goods_id = ANY(%(goods)s) AND p.last_seen_at < %(at)s) seen
 ORDER BY goods_id, at DESC;

-- name: insert_declared
-- Where an event says that a unit was.
INSERT INTO declared_movement (tenant_id, event_no, goods_id, epc, kind, occurred_at, recorded_at, from_warehouse_id, from_zone_id, to_warehouse_id,
                               to_zone_id, evidence)
VALUES (%(tenant)s, %(event_no)s, %(goods_id)s, %(epc)s, %(kind)s, %(occurred_at)s, %(now)s, %(from_warehouse_id)s, %(from_zone_id)s, %(to_warehouse_id)s,
        %(to_zone_id)s, %(evidence)s)
    ON CONFLICT DO NOTHING;

-- name: correct_declared
-- Everything that an event had derived is taken back by rows that name it.
INSERT INTO declared_movement (tenant_id, event_no, goods_id, epc, kind, occurred_at, recorded_at, from_warehouse_id, from_zone_id, to_warehouse_id,
                               to_zone_id, evidence, corrects)
SELECT m.tenant_id, %(declaration)s, m.goods_id, m.epc, 'CORRECTION', m.occurred_at, %(now)s, m.to_warehouse_id, m.to_zone_id, m.from_warehouse_id,
       m.from_zone_id, %(evidence)s, m.declared_no
  FROM declared_movement m WHERE m.event_no = %(event_no)s AND m.kind <> 'CORRECTION'
    ON CONFLICT DO NOTHING;

-- name: insert_place
-- A place's meaning from a time on.
INSERT INTO epcis_place (tenant_id, place, valid_from, warehouse_id, zone_id, mapped_by)
VALUES (%(tenant)s, %(place)s, %(valid_from)s, %(warehouse_id)s, %(zone_id)s, %(user)s);
