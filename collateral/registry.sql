-- name: ensure_tenant
-- A tenant that is there stays as it is.
INSERT INTO tenant (tenant_id, name, created_at) VALUES (%(tenant_id)s, %(name)s, %(now)s) ON CONFLICT DO NOTHING;

-- name: insert_party
-- No row comes back when the id stands for other content.
INSERT INTO party (party_id, tenant_id, name, name_zh, roles, uscc, synthetic, created_at)
VALUES (%(party_id)s, %(tenant_id)s, %(name)s, %(name_zh)s, %(roles)s, %(uscc)s, %(synthetic)s, %(now)s)
ON CONFLICT (party_id) DO UPDATE SET party_id = excluded.party_id
 WHERE (party.tenant_id, party.name, party.name_zh, party.roles, party.uscc, party.synthetic)
       IS NOT DISTINCT FROM (excluded.tenant_id, excluded.name, excluded.name_zh, excluded.roles, excluded.uscc, excluded.synthetic)
RETURNING party_id;

-- name: insert_warehouse
-- No row comes back when the id stands for other content.
INSERT INTO warehouse (warehouse_id, tenant_id, name, name_zh, operator_party_id, kind, control_mode, grade, timezone, fence, fence_datum_in, created_at)
VALUES (%(warehouse_id)s, %(tenant_id)s, %(name)s, %(name_zh)s, %(operator_party_id)s, %(kind)s, %(control_mode)s, %(grade)s, %(timezone)s, %(fence)s,
        %(fence_datum_in)s, %(now)s)
ON CONFLICT (warehouse_id) DO UPDATE SET warehouse_id = excluded.warehouse_id
 WHERE (warehouse.tenant_id, warehouse.name, warehouse.name_zh, warehouse.operator_party_id, warehouse.kind, warehouse.control_mode, warehouse.grade,
        warehouse.timezone, warehouse.fence, warehouse.fence_datum_in)
       IS NOT DISTINCT FROM (excluded.tenant_id, excluded.name, excluded.name_zh, excluded.operator_party_id, excluded.kind, excluded.control_mode,
        excluded.grade, excluded.timezone, excluded.fence, excluded.fence_datum_in)
RETURNING warehouse_id;

-- name: insert_zone
-- No row comes back when the id stands for other content.
INSERT INTO zone (zone_id, warehouse_id, name, kind, polygon, created_at)
VALUES (%(zone_id)s, %(warehouse_id)s, %(name)s, %(kind)s, %(polygon)s, %(now)s)
ON CONFLICT (zone_id) DO UPDATE SET zone_id = excluded.zone_id
 WHERE (zone.warehouse_id, zone.name, zone.kind, zone.polygon) IS NOT DISTINCT FROM (excluded.warehouse_id, excluded.name, excluded.kind, excluded.polygon)
RETURNING zone_id;

-- name: insert_commodity
-- No row comes back when the code stands for other content.
INSERT INTO commodity (commodity_code, name, name_zh, commodity_group, unit, weighing_tolerance, price_min, price_max, price_currency, ageing_steps)
VALUES (%(commodity_code)s, %(name)s, %(name_zh)s, %(commodity_group)s, %(unit)s, %(weighing_tolerance)s, %(price_min)s, %(price_max)s,
        %(price_currency)s, %(ageing_steps)s)
ON CONFLICT (commodity_code) DO UPDATE SET commodity_code = excluded.commodity_code
 WHERE (commodity.name, commodity.name_zh, commodity.commodity_group, commodity.unit, commodity.weighing_tolerance, commodity.price_min,
        commodity.price_max, commodity.price_currency, commodity.ageing_steps)
       IS NOT DISTINCT FROM (excluded.name, excluded.name_zh, excluded.commodity_group, excluded.unit, excluded.weighing_tolerance, excluded.price_min,
        excluded.price_max, excluded.price_currency, excluded.ageing_steps)
RETURNING commodity_code;

-- name: known_parties
-- Which of these parties the tenant has.
SELECT party_id FROM party WHERE tenant_id = %(tenant_id)s AND party_id = ANY(%(ids)s);

-- name: known_warehouses
-- Which of these warehouses the tenant has.
SELECT warehouse_id FROM warehouse WHERE tenant_id = %(tenant_id)s AND warehouse_id = ANY(%(ids)s);

-- name: known_zones
-- Zones of the tenant with their warehouse.
SELECT z.zone_id, z.warehouse_id FROM zone z JOIN warehouse w USING (warehouse_id) WHERE w.tenant_id = %(tenant_id)s AND z.zone_id = ANY(%(ids)s);

-- name: known_goods
-- Which of these units the tenant has.
SELECT goods_id FROM goods_unit WHERE tenant_id = %(tenant_id)s AND goods_id = ANY(%(ids)s);

-- name: known_receipts
-- Which of these receipts the tenant has.
SELECT receipt_no FROM warehouse_receipt WHERE tenant_id = %(tenant_id)s AND receipt_no = ANY(%(ids)s);

-- name: known_facilities
-- Which of these facilities the tenant has.
SELECT facility_id FROM facility WHERE tenant_id = %(tenant_id)s AND facility_id = ANY(%(ids)s);

-- name: known_devices
-- Which of these devices the tenant has.
SELECT device_id FROM device WHERE tenant_id = %(tenant_id)s AND device_id = ANY(%(ids)s);

-- name: commodity_units
-- Unit of each commodity.
SELECT commodity_code, unit FROM commodity WHERE commodity_code = ANY(%(ids)s);

-- name: insert_goods
-- All rows of one batch in one statement; numbers travel as text and stay exact.
INSERT INTO goods_unit (goods_id, tenant_id, commodity_code, kind, mill, heat_no, piece_no, vin, grade, spec, brand, origin, quantity, unit,
       weight_theoretical_kg, weight_scale_kg, invoice_unit_price, invoice_currency, produced_on, owner_party_id, warehouse_id, zone_id, state, synthetic,
       registered_at)
SELECT goods_id, tenant_id, commodity_code, kind, mill, heat_no, piece_no, vin, grade, spec, brand, origin, quantity, unit,
       weight_theoretical_kg, weight_scale_kg, invoice_unit_price, invoice_currency, produced_on, owner_party_id, warehouse_id, zone_id, state, synthetic,
       registered_at
  FROM jsonb_populate_recordset(NULL::goods_unit, %(rows)s);

-- name: insert_bindings
-- Tag bindings of one batch.
INSERT INTO tag_binding (tag_epc, tid, goods_id, valid_from, bound_by)
SELECT tag_epc, tid, goods_id, valid_from, bound_by FROM jsonb_populate_recordset(NULL::tag_binding, %(rows)s);

-- name: live_binding
-- What a tag stands for now.
SELECT goods_id, tid FROM tag_binding WHERE tag_epc = %(tag_epc)s AND valid_to IS NULL FOR UPDATE;

-- name: end_binding
-- A binding ends; its past stays.
UPDATE tag_binding SET valid_to = %(now)s WHERE tag_epc = %(tag_epc)s AND goods_id = %(goods_id)s AND valid_to IS NULL RETURNING tag_epc;

-- name: insert_device
-- A device without a second chance: a known id is refused, because its secret cannot be shown again.
INSERT INTO device (device_id, tenant_id, site, warehouse_id, class, format, name, gateway_device_id, vehicle_plate, claims, expected_interval_s,
       utc_offset_minutes, datum, lon, lat, credential_hash, credential_issued_at, registered_at)
VALUES (%(device_id)s, %(tenant_id)s, %(site)s, %(warehouse_id)s, %(device_class)s, %(format)s, %(name)s, %(gateway_device_id)s, %(vehicle_plate)s,
       %(claims)s, %(expected_interval_s)s, %(utc_offset_minutes)s, %(datum)s, %(lon)s, %(lat)s, %(credential_hash)s, %(now)s, %(now)s)
RETURNING device_id, tenant_id, site, class AS device_class, format, name, enabled, credential_issued_at, registered_at;

-- name: set_credential
-- A new hash, or none: without one the broker lets nobody in under this name.
UPDATE device SET credential_hash = %(credential_hash)s, credential_issued_at = %(issued_at)s
 WHERE device_id = %(device_id)s AND tenant_id = %(tenant_id)s RETURNING device_id;

-- name: end_antenna_mapping
-- The mapping that is open at valid_from ends there.
UPDATE antenna_zone SET valid_to = %(valid_from)s
 WHERE device_id = %(device_id)s AND antenna = %(antenna)s AND valid_to IS NULL AND valid_from < %(valid_from)s AND zone_id <> %(zone_id)s;

-- name: insert_antenna_mapping
-- Nothing happens when the antenna already listens there.
INSERT INTO antenna_zone (device_id, antenna, zone_id, valid_from)
SELECT %(device_id)s, %(antenna)s, %(zone_id)s, %(valid_from)s
 WHERE NOT EXISTS (SELECT 1 FROM antenna_zone WHERE device_id = %(device_id)s AND antenna = %(antenna)s AND zone_id = %(zone_id)s AND valid_to IS NULL
                    AND valid_from <= %(valid_from)s);

-- name: insert_receipt
-- No row comes back when the number stands for other content.
INSERT INTO warehouse_receipt (receipt_no, tenant_id, warehouse_id, depositor_party_id, keeper_party_id, issued_at, shrinkage_rate, insured_amount, currency,
       insurance_until, state, content, content_hash, recorded_at)
VALUES (%(receipt_no)s, %(tenant_id)s, %(warehouse_id)s, %(depositor_party_id)s, %(keeper_party_id)s, %(issued_at)s, %(shrinkage_rate)s,
       %(insured_amount)s, %(currency)s, %(insurance_until)s, %(state)s, %(content)s, %(content_hash)s, %(now)s)
ON CONFLICT (receipt_no) DO UPDATE SET receipt_no = excluded.receipt_no
 WHERE (warehouse_receipt.tenant_id, warehouse_receipt.content_hash) = (excluded.tenant_id, excluded.content_hash)
RETURNING (xmax = 0) AS is_new;

-- name: insert_receipt_items
-- The goods under a receipt.
INSERT INTO receipt_item (receipt_no, goods_id) SELECT %(receipt_no)s, unnest(%(goods_ids)s::text[]);

-- name: insert_document
-- No row comes back when kind, issuer and number stand for other content.
INSERT INTO document (document_id, tenant_id, kind, number, issuer_party_id, seller_party_id, buyer_party_id, commodity_code, quantity, unit, amount, currency,
       contract_no, vehicle_plate, warehouse_id, issued_at, received_at, content, content_hash, synthetic)
VALUES (%(document_id)s, %(tenant_id)s, %(kind)s, %(number)s, %(issuer_party_id)s, %(seller_party_id)s, %(buyer_party_id)s, %(commodity_code)s,
       %(quantity)s, %(unit)s, %(amount)s, %(currency)s, %(contract_no)s, %(vehicle_plate)s, %(warehouse_id)s, %(issued_at)s, %(received_at)s, %(content)s,
       %(content_hash)s, %(synthetic)s)
ON CONFLICT (tenant_id, kind, issuer_party_id, number) DO UPDATE SET number = excluded.number WHERE document.content_hash = excluded.content_hash
RETURNING document_id, (xmax = 0) AS is_new;

-- name: insert_document_goods
-- The units that a paper names.
INSERT INTO document_goods (document_id, goods_id) SELECT %(document_id)s, unnest(%(goods_ids)s::text[]);

-- name: insert_trip
-- A trip of a vehicle.
INSERT INTO trip (trip_id, tenant_id, vehicle_plate, device_id, waybill_document_id, origin_warehouse_id, destination_warehouse_id, corridor,
       corridor_buffer_m, planned_from, planned_to, status)
VALUES (%(trip_id)s, %(tenant_id)s, %(vehicle_plate)s, %(device_id)s, %(waybill_document_id)s, %(origin_warehouse_id)s, %(destination_warehouse_id)s,
       %(corridor)s, %(corridor_buffer_m)s, %(planned_from)s, %(planned_to)s, %(status)s);

-- name: insert_trip_goods
-- The units on board.
INSERT INTO trip_goods (trip_id, goods_id) SELECT %(trip_id)s, unnest(%(goods_ids)s::text[]);

-- name: trip_for_update
-- The trip, locked.
SELECT status FROM trip WHERE trip_id = %(trip_id)s AND tenant_id = %(tenant_id)s FOR UPDATE;

-- name: set_trip_status
-- The trip moves on.
UPDATE trip SET status = %(status)s WHERE trip_id = %(trip_id)s;

-- name: lock_prices
-- Prices of one commodity are judged one after the other.
SELECT pg_advisory_xact_lock(hashtextextended('price:' || %(commodity_code)s, 0));

-- name: commodity_for_price
-- The band and units that a quote is checked against.
SELECT commodity_code, unit, price_min, price_max, price_currency FROM commodity WHERE commodity_code = %(commodity_code)s;

-- name: recent_quotes
-- Quotes around an instant, and before that the newest accepted of each source; market data, or one tenant's own.
SELECT price_id, commodity_code, source, quoted_at, price, currency, unit, tax_inclusive, vat_rate, status, reason FROM price_quote
 WHERE tenant_id IS NOT DISTINCT FROM %(tenant_id)s::text AND commodity_code = %(commodity_code)s AND quoted_at BETWEEN %(from)s AND %(until)s
UNION
SELECT * FROM (SELECT DISTINCT ON (source) price_id, commodity_code, source, quoted_at, price, currency, unit, tax_inclusive, vat_rate, status, reason
                 FROM price_quote WHERE tenant_id IS NOT DISTINCT FROM %(tenant_id)s::text AND commodity_code = %(commodity_code)s AND status = 'ACCEPTED'
                   AND quoted_at < %(from)s
                ORDER BY source, quoted_at DESC) older;

-- name: insert_price
-- A quote with its verdict.
INSERT INTO price_quote (price_id, commodity_code, source, quoted_at, published_at, recorded_at, price, currency, unit, tax_inclusive, vat_rate, synthetic,
       status, reason, tenant_id, city, grade, spec)
VALUES (%(price_id)s, %(commodity_code)s, %(source)s, %(quoted_at)s, %(published_at)s, %(now)s, %(price)s, %(currency)s, %(unit)s, %(tax_inclusive)s,
       %(vat_rate)s, %(synthetic)s, %(status)s, %(reason)s, %(tenant_id)s, %(city)s, %(grade)s, %(spec)s);

-- name: set_price_status
-- A quarantined quote was confirmed.
UPDATE price_quote SET status = %(status)s, reason = %(reason)s, accepted_at = %(now)s WHERE price_id = %(price_id)s;

-- name: price_by_id
-- One quote, of the tenant or of everybody, locked.
SELECT price_id, commodity_code, source, quoted_at, price, currency, unit, tax_inclusive, vat_rate, status, reason, tenant_id, published_at, synthetic, city, grade, spec
  FROM price_quote WHERE price_id = %(price_id)s AND (tenant_id IS NULL OR tenant_id = %(tenant_id)s) FOR UPDATE;

-- name: notify
-- Wake those who listen.
SELECT pg_notify(%(channel)s, %(payload)s);
