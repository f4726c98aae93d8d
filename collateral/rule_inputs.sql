-- name: scale_calibration
INSERT INTO scale_calibration SELECT * FROM jsonb_populate_record(NULL::scale_calibration, %(row)s);
-- name: tank_spec
INSERT INTO tank_spec SELECT * FROM jsonb_populate_record(NULL::tank_spec, %(row)s);
-- name: site_hours
INSERT INTO site_hours SELECT * FROM jsonb_populate_record(NULL::site_hours, %(row)s);
-- name: work_ticket
INSERT INTO work_ticket SELECT * FROM jsonb_populate_record(NULL::work_ticket, %(row)s);
-- name: business_figure
INSERT INTO business_figure SELECT * FROM jsonb_populate_record(NULL::business_figure, %(row)s);
-- name: registry_event
INSERT INTO registry_event SELECT * FROM jsonb_populate_record(NULL::registry_event, %(row)s);
-- name: inspection_visit
INSERT INTO inspection_visit SELECT * FROM jsonb_populate_record(NULL::inspection_visit, %(row)s);
-- name: party_link
INSERT INTO party_link SELECT * FROM jsonb_populate_record(NULL::party_link, %(row)s);
-- name: dated_proof
INSERT INTO dated_proof SELECT * FROM jsonb_populate_record(NULL::dated_proof, %(row)s);
-- name: receipt_check
INSERT INTO receipt_check SELECT * FROM jsonb_populate_record(NULL::receipt_check, %(row)s);
-- name: receipt_series
INSERT INTO receipt_series SELECT * FROM jsonb_populate_record(NULL::receipt_series, %(row)s);
-- name: road_place
INSERT INTO road_place SELECT * FROM jsonb_populate_record(NULL::road_place, %(row)s);
-- name: trip_change
INSERT INTO trip_change SELECT * FROM jsonb_populate_record(NULL::trip_change, %(row)s);
-- name: commodity_band
INSERT INTO commodity_band SELECT * FROM jsonb_populate_record(NULL::commodity_band, %(row)s);

-- name: known_others
-- Which of these facilities, trips and commodities the tenant may name.
SELECT 'facility_id' AS what, facility_id AS id FROM facility WHERE facility_id = ANY (%(ids)s) AND tenant_id = %(tenant_id)s
UNION ALL SELECT 'trip_id', trip_id FROM trip WHERE trip_id = ANY (%(ids)s) AND tenant_id = %(tenant_id)s
UNION ALL SELECT 'commodity_code', commodity_code FROM commodity WHERE commodity_code = ANY (%(ids)s);

-- name: set_threshold
INSERT INTO rule_threshold (tenant_id, rule_code, name, product, warehouse_id, value, set_by, set_at, reason)
VALUES (%(tenant_id)s, %(rule_code)s, %(name)s, %(product)s, %(warehouse_id)s, %(value)s, %(set_by)s, %(set_at)s, %(reason)s) RETURNING threshold_no;

-- name: set_mode
INSERT INTO rule_mode (tenant_id, rule_code, mode, set_by, set_at, reason)
VALUES (%(tenant_id)s, %(rule_code)s, %(mode)s, %(set_by)s, %(set_at)s, %(reason)s) RETURNING mode_no;
