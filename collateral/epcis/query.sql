-- name: events
-- Events that meet every condition; a NULL parameter is no condition. @order stands for one of four fixed orders.
SELECT e.event_no, e.event_id, e.event_time, e.record_time, e.context, e.payload::text AS payload
  FROM epcis_event e
 WHERE e.tenant_id = %(tenant)s
   AND (%(event_types)s::text[] IS NULL OR e.event_type = ANY(%(event_types)s))
   AND (%(ge_event_time)s::timestamptz IS NULL OR e.event_time >= %(ge_event_time)s)
   AND (%(lt_event_time)s::timestamptz IS NULL OR e.event_time < %(lt_event_time)s)
   AND (%(ge_record_time)s::timestamptz IS NULL OR e.record_time >= %(ge_record_time)s)
   AND (%(lt_record_time)s::timestamptz IS NULL OR e.record_time < %(lt_record_time)s)
   AND (%(actions)s::text[] IS NULL OR e.action = ANY(%(actions)s))
   AND (%(biz_steps)s::text[] IS NULL OR e.biz_step = ANY(%(biz_steps)s))
   AND (%(dispositions)s::text[] IS NULL OR e.disposition = ANY(%(dispositions)s))
   AND (%(lasting_set)s::text[] IS NULL OR e.lasting_set && %(lasting_set)s)
   AND (%(lasting_unset)s::text[] IS NULL OR e.lasting_unset && %(lasting_unset)s)
   AND (%(read_points)s::text[] IS NULL OR e.read_point = ANY(%(read_points)s))
   AND (%(biz_locations)s::text[] IS NULL OR e.biz_location = ANY(%(biz_locations)s))
   AND (%(read_points_within)s::text[] IS NULL OR EXISTS (
        SELECT FROM unnest(%(read_points_within)s::text[]) w WHERE e.read_point = w OR starts_with(e.read_point, w || '/254/')
            OR (starts_with(w, 'urn:chuantou:warehouse:') AND starts_with(e.read_point, replace(w, ':warehouse:', ':zone:') || '/'))))
   AND (%(biz_locations_within)s::text[] IS NULL OR EXISTS (
        SELECT FROM unnest(%(biz_locations_within)s::text[]) w WHERE e.biz_location = w OR starts_with(e.biz_location, w || '/254/')
            OR (starts_with(w, 'urn:chuantou:warehouse:') AND starts_with(e.biz_location, replace(w, ':warehouse:', ':zone:') || '/'))))
   AND (%(transformation_ids)s::text[] IS NULL OR e.transformation_id = ANY(%(transformation_ids)s))
   AND (%(event_ids)s::text[] IS NULL OR e.event_id = ANY(%(event_ids)s))
   AND (%(declares_error)s::boolean IS NULL OR e.declares_error)
   AND (%(ge_error_time)s::timestamptz IS NULL OR e.error_declared_at >= %(ge_error_time)s)
   AND (%(lt_error_time)s::timestamptz IS NULL OR e.error_declared_at < %(lt_error_time)s)
   AND (%(error_reasons)s::text[] IS NULL OR e.error_reason = ANY(%(error_reasons)s))
   AND (%(corrective_ids)s::text[] IS NULL OR e.corrective_ids && %(corrective_ids)s)
   -- Identifiers, then patterns of them: apart, so that identifiers alone are found through the indexes.
   AND (%(epcs)s::text[] IS NULL OR %(epcs_like)s::text[] IS NOT NULL OR (e.any_epcs && %(epcs)s AND e.epcs && %(epcs)s))
   AND (%(epcs_like)s::text[] IS NULL OR (e.any_epcs && %(epcs)s AND e.epcs && %(epcs)s)
        OR EXISTS (SELECT FROM unnest(e.epcs) x WHERE x LIKE ANY(%(epcs_like)s)))
   AND (%(parents)s::text[] IS NULL OR %(parents_like)s::text[] IS NOT NULL OR (e.parent_id = ANY(%(parents)s)))
   AND (%(parents_like)s::text[] IS NULL OR (e.parent_id = ANY(%(parents)s))
        OR EXISTS (SELECT FROM unnest(ARRAY[e.parent_id]) x WHERE x LIKE ANY(%(parents_like)s)))
   AND (%(inputs)s::text[] IS NULL OR %(inputs_like)s::text[] IS NOT NULL OR (e.any_epcs && %(inputs)s AND e.input_epcs && %(inputs)s))
   AND (%(inputs_like)s::text[] IS NULL OR (e.any_epcs && %(inputs)s AND e.input_epcs && %(inputs)s)
        OR EXISTS (SELECT FROM unnest(e.input_epcs) x WHERE x LIKE ANY(%(inputs_like)s)))
   AND (%(outputs)s::text[] IS NULL OR %(outputs_like)s::text[] IS NOT NULL OR (e.any_epcs && %(outputs)s AND e.output_epcs && %(outputs)s))
   AND (%(outputs_like)s::text[] IS NULL OR (e.any_epcs && %(outputs)s AND e.output_epcs && %(outputs)s)
        OR EXISTS (SELECT FROM unnest(e.output_epcs) x WHERE x LIKE ANY(%(outputs_like)s)))
   AND (%(any)s::text[] IS NULL OR %(any_like)s::text[] IS NOT NULL OR (e.any_epcs && %(any)s))
   AND (%(any_like)s::text[] IS NULL OR (e.any_epcs && %(any)s)
        OR EXISTS (SELECT FROM unnest(e.any_epcs) x WHERE x LIKE ANY(%(any_like)s)))
   AND (%(classes)s::text[] IS NULL OR %(classes_like)s::text[] IS NOT NULL OR (e.epc_classes && %(classes)s))
   AND (%(classes_like)s::text[] IS NULL OR (e.epc_classes && %(classes)s)
        OR EXISTS (SELECT FROM unnest(e.epc_classes) x WHERE x LIKE ANY(%(classes_like)s)))
   AND (%(input_classes)s::text[] IS NULL OR %(input_classes_like)s::text[] IS NOT NULL OR (e.input_classes && %(input_classes)s))
   AND (%(input_classes_like)s::text[] IS NULL OR (e.input_classes && %(input_classes)s)
        OR EXISTS (SELECT FROM unnest(e.input_classes) x WHERE x LIKE ANY(%(input_classes_like)s)))
   AND (%(output_classes)s::text[] IS NULL OR %(output_classes_like)s::text[] IS NOT NULL OR (e.output_classes && %(output_classes)s))
   AND (%(output_classes_like)s::text[] IS NULL OR (e.output_classes && %(output_classes)s)
        OR EXISTS (SELECT FROM unnest(e.output_classes) x WHERE x LIKE ANY(%(output_classes_like)s)))
   AND (%(any_classes)s::text[] IS NULL OR %(any_classes_like)s::text[] IS NOT NULL OR (e.epc_classes && %(any_classes)s OR e.input_classes && %(any_classes)s OR e.output_classes && %(any_classes)s))
   AND (%(any_classes_like)s::text[] IS NULL OR (e.epc_classes && %(any_classes)s OR e.input_classes && %(any_classes)s OR e.output_classes && %(any_classes)s)
        OR EXISTS (SELECT FROM unnest(e.epc_classes || e.input_classes || e.output_classes) x WHERE x LIKE ANY(%(any_classes_like)s)))
   AND (%(eq_quantity)s::numeric[] IS NULL OR e.quantities && %(eq_quantity)s)
   AND (num_nulls(%(gt_quantity)s::numeric, %(ge_quantity)s::numeric, %(lt_quantity)s::numeric, %(le_quantity)s::numeric) = 4
        OR EXISTS (SELECT FROM unnest(e.quantities) q
                    WHERE (%(gt_quantity)s::numeric IS NULL OR q > %(gt_quantity)s) AND (%(ge_quantity)s::numeric IS NULL OR q >= %(ge_quantity)s)
                      AND (%(lt_quantity)s::numeric IS NULL OR q < %(lt_quantity)s) AND (%(le_quantity)s::numeric IS NULL OR q <= %(le_quantity)s)))
   AND (%(transactions)s::text[] IS NULL OR e.transactions && %(transactions)s)
   AND (%(sources)s::text[] IS NULL OR e.sources && %(sources)s)
   AND (%(destinations)s::text[] IS NULL OR e.destinations && %(destinations)s)
   AND @after
 ORDER BY @order LIMIT %(limit)s;

-- name: event_by_id
-- The newest word on one event: its declaration in error when there is one, else the event.
SELECT event_no, event_id, event_time, record_time, context, payload::text AS payload
  FROM epcis_event WHERE tenant_id = %(tenant)s AND event_id = %(event_id)s ORDER BY declares_error DESC LIMIT 1;

-- name: resources
-- Values of one dimension that events name. @column stands for one of a fixed list.
SELECT DISTINCT v FROM epcis_event e CROSS JOIN LATERAL unnest(@column) v
 WHERE e.tenant_id = %(tenant)s AND v IS NOT NULL AND (%(after)s::text IS NULL OR v > %(after)s) ORDER BY v LIMIT %(limit)s;

-- name: parent_changes
-- What happened to a parent's contents up to a time, without events that were taken back by what was known then.
SELECT e.action, e.epcs FROM epcis_event e
 WHERE e.tenant_id = %(tenant)s AND e.parent_id = %(parent)s AND e.event_type = ANY(%(types)s) AND e.event_time <= %(as_of)s
   AND NOT e.declares_error AND e.record_time <= %(known)s
   AND NOT EXISTS (SELECT FROM epcis_event x WHERE x.tenant_id = e.tenant_id AND x.event_id = e.event_id AND x.declares_error
                      AND x.record_time <= %(known)s)
 ORDER BY e.event_time, e.event_no;

-- name: captures
-- Capture jobs, newest first.
SELECT capture_id, user_id, created_at, error_behaviour, success, received, recorded, repeated, refused
  FROM epcis_capture WHERE tenant_id = %(tenant)s AND (%(id)s::text IS NULL OR capture_id = %(id)s)
   AND (%(after_0)s::timestamptz IS NULL OR (created_at, capture_id) < (%(after_0)s, %(after_1)s))
 ORDER BY created_at DESC, capture_id DESC LIMIT %(limit)s;

-- name: capture_items
-- What became of a capture's events.
SELECT item_no, outcome, event_id, reason, detail FROM epcis_capture_item WHERE capture_id = ANY(%(ids)s) AND reason IS NOT NULL ORDER BY item_no LIMIT 1000;

-- name: capture_document
-- The document around the events.
SELECT c.header::text AS header FROM epcis_capture c WHERE c.tenant_id = %(tenant)s AND c.capture_id = %(id)s;

-- name: capture_texts
-- Its events in their order, as received.
SELECT coalesce(i.payload, e.payload)::text AS payload FROM epcis_capture_item i LEFT JOIN epcis_event e USING (event_no)
 WHERE i.capture_id = %(id)s ORDER BY i.item_no;

-- name: insert_query
-- A query under a name.
INSERT INTO epcis_query (tenant_id, name, query, created_by, created_at) VALUES (%(tenant)s, %(name)s, %(query)s, %(user)s, %(now)s)
    ON CONFLICT (tenant_id, name) WHERE deleted_at IS NULL DO NOTHING;

-- name: queries
-- Queries that stand, by name.
SELECT name, query, created_by, created_at FROM epcis_query
 WHERE tenant_id = %(tenant)s AND deleted_at IS NULL AND (%(name)s::text IS NULL OR name = %(name)s) ORDER BY name LIMIT 1000;

-- name: delete_query
-- The name is free again.
UPDATE epcis_query SET deleted_at = %(now)s, deleted_by = %(user)s WHERE tenant_id = %(tenant)s AND name = %(name)s AND deleted_at IS NULL;

-- name: places
-- All meanings of places.
SELECT place, valid_from, warehouse_id, zone_id, mapped_by FROM epcis_place WHERE tenant_id = %(tenant)s ORDER BY place, valid_from LIMIT 10000;
