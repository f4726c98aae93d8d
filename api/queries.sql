-- The read side of the API. A line that begins with /*? name */ is kept only when that filter is given (api/sqltext.py).

-- name: users
-- People and systems that sign in, by name.
SELECT user_id, username, display_name, roles, active, created_at
  FROM app_user
 WHERE tenant_id = %(tenant)s
/*? after_0 */   AND username > %(after_0)s
 ORDER BY username LIMIT %(limit)s;

-- name: parties
-- Parties by id.
SELECT party_id, name, name_zh, roles, uscc, synthetic, created_at
  FROM party
 WHERE tenant_id = %(tenant)s
/*? id */   AND party_id = %(id)s
/*? role */   AND %(role)s = ANY(roles)
/*? after_0 */   AND party_id > %(after_0)s
 ORDER BY party_id LIMIT %(limit)s;

-- name: warehouses
-- Sites by id.
SELECT warehouse_id, name, name_zh, operator_party_id, kind, control_mode, grade, timezone, fence, fence_datum_in, created_at
  FROM warehouse
 WHERE tenant_id = %(tenant)s
/*? id */   AND warehouse_id = %(id)s
/*? after_0 */   AND warehouse_id > %(after_0)s
 ORDER BY warehouse_id LIMIT %(limit)s;

-- name: zones
-- Parts of sites by id.
SELECT z.zone_id, z.warehouse_id, z.name, z.kind, z.polygon, z.created_at
  FROM zone z JOIN warehouse w USING (warehouse_id)
 WHERE w.tenant_id = %(tenant)s
/*? id */   AND z.zone_id = %(id)s
/*? warehouse_id */   AND z.warehouse_id = %(warehouse_id)s
/*? kind */   AND z.kind = %(kind)s
/*? after_0 */   AND z.zone_id > %(after_0)s
 ORDER BY z.zone_id LIMIT %(limit)s;

-- name: devices
-- Devices by id, with what is known of them now.
SELECT d.device_id, d.site, d.warehouse_id, d.class, d.format, d.name, d.gateway_device_id, d.vehicle_plate, d.claims,
       d.expected_interval_s, d.utc_offset_minutes, d.datum, d.lon, d.lat, d.enabled, d.credential_issued_at, d.registered_at,
       s.device_id AS s_device_id, s.last_observed_at AS s_last_observed_at, s.last_received_at AS s_last_received_at,
       s.last_health_at AS s_last_health_at, s.presence AS s_presence, s.presence_text AS s_presence_text,
       s.presence_at AS s_presence_at, s.last_seq AS s_last_seq, s.gaps AS s_gaps, s.health AS s_health, s.skew_ms AS s_skew_ms,
       s.clock_offset_ms AS s_clock_offset_ms, cardinality(s.clock_samples_ms) AS s_clock_samples, s.heard_from AS s_heard_from,
       s.heard_until AS s_heard_until
  FROM device d LEFT JOIN device_state s USING (device_id)
 WHERE d.tenant_id = %(tenant)s
/*? id */   AND d.device_id = %(id)s
/*? warehouse_id */   AND d.warehouse_id = %(warehouse_id)s
/*? device_class */   AND d.class = %(device_class)s
/*? after_0 */   AND d.device_id > %(after_0)s
 ORDER BY d.device_id LIMIT %(limit)s;

-- name: commodities
-- Kinds of goods by code; they are the same for all tenants.
SELECT commodity_code, name, name_zh, commodity_group, unit, weighing_tolerance, price_min, price_max, price_currency, ageing_steps
  FROM commodity
 WHERE true
/*? id */   AND commodity_code = %(id)s
/*? after_0 */   AND commodity_code > %(after_0)s
 ORDER BY commodity_code LIMIT %(limit)s;

-- name: prices
-- Quotes, newest first: the tenant's own and market data.
SELECT price_id, commodity_code, source, quoted_at, published_at, recorded_at, price, currency, unit, tax_inclusive, vat_rate, synthetic, status, reason,
       city, grade, spec, tenant_id IS NOT NULL AS own
  FROM price_quote
 WHERE (tenant_id IS NULL OR tenant_id = %(tenant)s)
/*? commodity_code */   AND commodity_code = %(commodity_code)s
/*? source */   AND source = %(source)s
/*? status */   AND status = %(status)s
/*? since */   AND quoted_at >= %(since)s
/*? until */   AND quoted_at < %(until)s
/*? after_0 */   AND (quoted_at, price_id) < (%(after_0)s, %(after_1)s)
 ORDER BY quoted_at DESC, price_id DESC LIMIT %(limit)s;

-- name: goods
-- Units by id. q: beginning of the id, or exactly a VIN, heat, piece or tag.
SELECT g.goods_id, g.commodity_code, g.kind, g.mill, g.heat_no, g.piece_no, g.vin, g.grade, g.spec, g.brand, g.origin, g.quantity, g.unit,
       g.weight_theoretical_kg, g.weight_scale_kg, g.invoice_unit_price, g.invoice_currency, g.produced_on, g.owner_party_id,
       g.warehouse_id, g.zone_id, g.state, g.synthetic, g.registered_at
  FROM goods_unit g
 WHERE g.tenant_id = %(tenant)s
/*? id */   AND g.goods_id = %(id)s
/*? commodity_code */   AND g.commodity_code = %(commodity_code)s
/*? kind */   AND g.kind = %(kind)s
/*? state */   AND g.state = %(state)s
/*? warehouse_id */   AND g.warehouse_id = %(warehouse_id)s
/*? zone_id */   AND g.zone_id = %(zone_id)s
/*? owner_party_id */   AND g.owner_party_id = %(owner_party_id)s
/*? facility_id */   AND g.goods_id IN (SELECT goods_id FROM pledge_item WHERE facility_id = %(facility_id)s AND released_at IS NULL)
/*? pledge_id */   AND g.goods_id IN (SELECT goods_id FROM pledge_item WHERE pledge_id = %(pledge_id)s)
/*? tag_epc */   AND g.goods_id IN (SELECT goods_id FROM tag_binding WHERE tag_epc = upper(%(tag_epc)s))
/*? q */   AND (starts_with(g.goods_id, %(q)s) OR g.vin = upper(%(q)s) OR g.heat_no = %(q)s OR g.piece_no = %(q)s OR g.goods_id IN (SELECT goods_id FROM tag_binding WHERE tag_epc = upper(%(q)s)))
/*? after_0 */   AND g.goods_id > %(after_0)s
 ORDER BY g.goods_id LIMIT %(limit)s;

-- name: documents
-- Papers, newest first.
SELECT document_id, kind, number, issuer_party_id, seller_party_id, buyer_party_id, commodity_code, quantity, unit, amount, currency,
       contract_no, vehicle_plate, warehouse_id, issued_at, received_at, content, content_hash, synthetic,
       ARRAY(SELECT goods_id FROM document_goods x WHERE x.document_id = d.document_id ORDER BY 1) AS goods_ids
  FROM document d
 WHERE tenant_id = %(tenant)s
/*? id */   AND document_id = %(id)s
/*? kind */   AND kind = %(kind)s
/*? number */   AND number = %(number)s
/*? contract_no */   AND contract_no = %(contract_no)s
/*? goods_id */   AND document_id IN (SELECT document_id FROM document_goods WHERE goods_id = %(goods_id)s)
/*? after_0 */   AND (issued_at, document_id) < (%(after_0)s, %(after_1)s)
 ORDER BY issued_at DESC, document_id DESC LIMIT %(limit)s;

-- name: receipts
-- Warehouse receipts by number.
SELECT receipt_no, warehouse_id, depositor_party_id, keeper_party_id, issued_at, shrinkage_rate, insured_amount, currency, insurance_until,
       state, content, content_hash, recorded_at,
       ARRAY(SELECT goods_id FROM receipt_item i WHERE i.receipt_no = r.receipt_no ORDER BY 1) AS goods_ids
  FROM warehouse_receipt r
 WHERE tenant_id = %(tenant)s
/*? id */   AND receipt_no = %(id)s
/*? warehouse_id */   AND warehouse_id = %(warehouse_id)s
/*? state */   AND state = %(state)s
/*? after_0 */   AND receipt_no > %(after_0)s
 ORDER BY receipt_no LIMIT %(limit)s;

-- name: receipt_life
-- Who holds a receipt, what lies under it now, what came before and after it.
SELECT coalesce(r.holder_party_id, r.depositor_party_id) AS holder_party_id, r.endorsee_party_id,
       ARRAY(SELECT goods_id FROM receipt_item i WHERE i.receipt_no = r.receipt_no AND i.ended_at IS NULL ORDER BY 1) AS live_goods_ids,
       ARRAY(SELECT old_receipt_no FROM receipt_succession s WHERE s.new_receipt_no = r.receipt_no ORDER BY 1) AS predecessors,
       ARRAY(SELECT new_receipt_no FROM receipt_succession s WHERE s.old_receipt_no = r.receipt_no ORDER BY 1) AS successors
  FROM warehouse_receipt r WHERE r.receipt_no = %(id)s;

-- name: receipt_elements
-- The mandatory elements of a receipt.
SELECT depositor_name, depositor_address, goods_name, quantity, unit, quality, packing, pieces, marks, shrinkage_standard, storage_place, storage_from,
       storage_to, storage_fee, insurer, insurance_from, issuer_name, issue_place, keeper_signatory, electronic
  FROM receipt_elements WHERE receipt_no = %(id)s;

-- name: receipt_events
-- The life of a receipt.
SELECT event_no, kind, state, happened_at, actor, asked_by, content, prev_hash, hash FROM receipt_event WHERE receipt_no = %(id)s ORDER BY event_no;

-- name: receipt_orders
-- What was asked to be done with receipts, newest first.
SELECT order_id, kind, receipt_nos, request, reason, status, proposed_by, proposed_at, decided_by, decided_at
  FROM receipt_order
 WHERE tenant_id = %(tenant)s
/*? id */   AND order_id = %(id)s
/*? status */   AND status = %(status)s
/*? kind */   AND kind = %(kind)s
/*? after_0 */   AND (proposed_at, order_id) < (%(after_0)s, %(after_1)s)
 ORDER BY proposed_at DESC, order_id DESC LIMIT %(limit)s;

-- name: trips
-- Trips, newest first.
SELECT trip_id, vehicle_plate, device_id, waybill_document_id, origin_warehouse_id, destination_warehouse_id, corridor, corridor_buffer_m,
       planned_from, planned_to, status, ARRAY(SELECT goods_id FROM trip_goods x WHERE x.trip_id = t.trip_id ORDER BY 1) AS goods_ids
  FROM trip t
 WHERE tenant_id = %(tenant)s
/*? id */   AND trip_id = %(id)s
/*? status */   AND status = %(status)s
/*? vehicle_plate */   AND vehicle_plate = %(vehicle_plate)s
/*? goods_id */   AND trip_id IN (SELECT trip_id FROM trip_goods WHERE goods_id = %(goods_id)s)
/*? after_0 */   AND (planned_from, trip_id) < (%(after_0)s, %(after_1)s)
 ORDER BY planned_from DESC, trip_id DESC LIMIT %(limit)s;

-- name: facilities
-- Facilities by id, with their newest valuation.
SELECT f.*, v.as_of AS v_as_of, v.collateral_value AS v_collateral_value, v.confirmed_value AS v_confirmed_value, v.exposure AS v_exposure,
       v.availability AS v_availability, v.coverage AS v_coverage, v.warning_line AS v_warning_line,
       v.margin_call_line AS v_margin_call_line, v.disposal_line AS v_disposal_line, v.line_state AS v_line_state
  FROM facility f LEFT JOIN LATERAL (SELECT * FROM valuation x WHERE x.facility_id = f.facility_id ORDER BY x.as_of DESC, x.recorded_at DESC LIMIT 1) v ON true
 WHERE f.tenant_id = %(tenant)s
/*? id */   AND f.facility_id = %(id)s
/*? status */   AND f.status = %(status)s
/*? borrower_party_id */   AND f.borrower_party_id = %(borrower_party_id)s
/*? after_0 */   AND f.facility_id > %(after_0)s
 ORDER BY f.facility_id LIMIT %(limit)s;

-- name: facility_commodities
-- What facilities accept.
SELECT facility_id, commodity_code, advance_rate, primary_source, check_source, source_tolerance, location_discount, quality_haircut, price_rule,
       further_sources, accepted_grades
  FROM facility_commodity WHERE facility_id = ANY(%(ids)s) ORDER BY facility_id, commodity_code;

-- name: valuations
-- Valuations of a facility, newest first.
SELECT valuation_id, facility_id, as_of, recorded_at, cause, currency, gross_market_value, collateral_value, confirmed_value, borrowing_base, exposure,
       availability, effective_advance, coverage, ltv, warning_line, margin_call_line, disposal_line, min_control_value, line_state, detail
  FROM valuation
 WHERE tenant_id = %(tenant)s AND facility_id = %(facility_id)s
/*? since */   AND as_of >= %(since)s
/*? until */   AND as_of < %(until)s
/*? after_0 */   AND (as_of, valuation_id) < (%(after_0)s, %(after_1)s)
 ORDER BY as_of DESC, valuation_id DESC LIMIT %(limit)s;

-- name: ledger
-- Entries of a facility, newest first.
SELECT e.entry_id, e.facility_id, e.entry_no, e.kind, e.happened_at, e.recorded_at, e.business_date, e.actor, e.reason, e.corrects, e.prev_hash, e.hash
  FROM ledger_entry e JOIN facility f USING (facility_id)
 WHERE f.tenant_id = %(tenant)s AND e.facility_id = %(id)s
/*? after_0 */   AND e.entry_no < %(after_0)s
 ORDER BY e.entry_no DESC LIMIT %(limit)s;

-- name: ledger_postings
-- Lines of entries.
SELECT entry_id, line_no, account, amount, unit, goods_id FROM ledger_posting WHERE entry_id = ANY(%(ids)s) ORDER BY entry_id, line_no;

-- name: pledges
-- Pledges, newest first.
SELECT pledge_id, facility_id, receipt_no, status, filing_no, created_by, approved_by, created_at, pledged_at, discharged_at,
       ARRAY(SELECT goods_id FROM pledge_item i WHERE i.pledge_id = p.pledge_id ORDER BY 1) AS goods_ids
  FROM pledge p
 WHERE tenant_id = %(tenant)s
/*? id */   AND pledge_id = %(id)s
/*? facility_id */   AND facility_id = %(facility_id)s
/*? status */   AND status = %(status)s
/*? goods_id */   AND pledge_id IN (SELECT pledge_id FROM pledge_item WHERE goods_id = %(goods_id)s)
/*? after_0 */   AND (created_at, pledge_id) < (%(after_0)s, %(after_1)s)
 ORDER BY created_at DESC, pledge_id DESC LIMIT %(limit)s;

-- name: releases
-- Release orders, newest first.
SELECT release_id, facility_id, status, requested_by, maker_id, checker_id, second_checker_id, needs_second_checker, vehicle_plate, valid_from, valid_to,
       value_amount, currency, signature, reason, requested_at, issued_at, closed_at,
       ARRAY(SELECT goods_id FROM release_item i WHERE i.release_id = r.release_id ORDER BY 1) AS goods_ids,
       ARRAY(SELECT goods_id FROM release_item i WHERE i.release_id = r.release_id AND gated_out_at IS NOT NULL ORDER BY 1) AS gated_out_ids,
       ARRAY(SELECT goods_id FROM release_item i WHERE i.release_id = r.release_id AND returned_at IS NOT NULL ORDER BY 1) AS returned_ids
  FROM release_order r
 WHERE tenant_id = %(tenant)s
/*? id */   AND release_id = %(id)s
/*? facility_id */   AND facility_id = %(facility_id)s
/*? status */   AND status = %(status)s
/*? goods_id */   AND release_id IN (SELECT release_id FROM release_item WHERE goods_id = %(goods_id)s)
/*? after_0 */   AND (requested_at, release_id) < (%(after_0)s, %(after_1)s)
 ORDER BY requested_at DESC, release_id DESC LIMIT %(limit)s;

-- name: alerts
-- Alerts, newest first. open: those that nobody closed and that did not go away.
SELECT a.*
  FROM alert a
 WHERE tenant_id = %(tenant)s
/*? id */   AND alert_id = %(id)s
/*? status */   AND status = %(status)s
/*? severity */   AND severity = %(severity)s
/*? rule_code */   AND rule_code = %(rule_code)s
/*? subject_kind */   AND subject_kind = %(subject_kind)s
/*? subject_id */   AND subject_id = %(subject_id)s
/*? facility_id */   AND facility_id = %(facility_id)s
/*? open */   AND (status NOT IN ('CLOSED','RESOLVED')) = %(open)s
/*? since */   AND opened_at >= %(since)s
/*? after_0 */   AND (opened_at, alert_id) < (%(after_0)s, %(after_1)s)
 ORDER BY opened_at DESC, alert_id DESC LIMIT %(limit)s;

-- name: alert_counts
-- Open alerts by severity.
SELECT severity, count(*) AS n FROM alert WHERE tenant_id = %(tenant)s AND status NOT IN ('CLOSED','RESOLVED') GROUP BY severity;

-- name: alert_events
-- History of an alert.
SELECT event_id, alert_id, happened_at, recorded_at, actor, kind, detail FROM alert_event WHERE alert_id = %(id)s ORDER BY event_id;

-- name: margin_calls
-- Margin calls, newest first.
SELECT call_id, facility_id, valuation_id, status, cause, cash_amount, goods_amount, currency, issued_at, cure_deadline, acknowledged_by, closed_at
  FROM margin_call
 WHERE tenant_id = %(tenant)s
/*? id */   AND call_id = %(id)s
/*? facility_id */   AND facility_id = %(facility_id)s
/*? status */   AND status = %(status)s
/*? after_0 */   AND (issued_at, call_id) < (%(after_0)s, %(after_1)s)
 ORDER BY issued_at DESC, call_id DESC LIMIT %(limit)s;

-- name: disposals
-- Disposal cases, newest first.
SELECT case_id, facility_id, call_id, valuation_id, status, trigger, exposure, collateral_value, proposed_sale_value, currency, opened_at, approved_by, second_approver
  FROM disposal_case
 WHERE tenant_id = %(tenant)s
/*? id */   AND case_id = %(id)s
/*? facility_id */   AND facility_id = %(facility_id)s
/*? status */   AND status = %(status)s
/*? after_0 */   AND (opened_at, case_id) < (%(after_0)s, %(after_1)s)
 ORDER BY opened_at DESC, case_id DESC LIMIT %(limit)s;

-- name: jobs
-- Runs of jobs, newest first; jobs work for all tenants.
SELECT run_id, job, scheduled_for, as_of, started_at, finished_at, status, inputs, findings, errors, duration_ms, process
  FROM job_run
 WHERE true
/*? job */   AND job = %(job)s
/*? status */   AND status = %(status)s
/*? after_0 */   AND (started_at, run_id) < (%(after_0)s, %(after_1)s)
 ORDER BY started_at DESC, run_id DESC LIMIT %(limit)s;

-- name: beside
-- Whether there are other tenants.
SELECT EXISTS (SELECT FROM tenant WHERE tenant_id <> %(tenant)s) AS others;

-- name: own_of
-- Which of these ids are facilities or release orders of the tenant.
SELECT facility_id AS id FROM facility WHERE tenant_id = %(tenant)s AND facility_id = ANY(%(ids)s)
UNION SELECT release_id FROM release_order WHERE tenant_id = %(tenant)s AND release_id = ANY(%(ids)s);

-- name: job_schedule
-- When each job fires next.
SELECT job, next_fire_at, updated_at FROM job_schedule ORDER BY next_fire_at, job;

-- name: request_job
-- Ask the leading risk process for a run.
INSERT INTO job_request (request_id, job, as_of, requested_by, requested_at)
VALUES (%(request_id)s, %(job)s, %(as_of)s, %(user)s, %(now)s)
RETURNING request_id, job, as_of, requested_by, requested_at, state, run_id;

-- name: dead_letters
-- Refused deliveries, newest first: those that name this tenant, and those that name none that exists and no device of another.
SELECT dead_letter_id, topic, topic_device, item_no, reason, detail, substring(payload FROM 1 FOR %(payload_max)s) AS payload, payload_bytes,
       encode(payload_sha256, 'hex') AS payload_sha256, items, times, first_received_at, last_received_at, state, worked_by, worked_at, outcome
  FROM dead_letter l
 WHERE (l.tenant_id = %(tenant)s OR l.tenant_id IS NULL OR NOT EXISTS (SELECT 1 FROM tenant t WHERE t.tenant_id = l.tenant_id))
   AND (l.tenant_id IS NOT DISTINCT FROM %(tenant)s OR NOT EXISTS (SELECT 1 FROM device d WHERE d.device_id = l.topic_device AND d.tenant_id <> %(tenant)s))
/*? id */   AND dead_letter_id = %(id)s
/*? state */   AND state = %(state)s
/*? reason */   AND reason = %(reason)s
/*? topic_device */   AND topic_device = %(topic_device)s
/*? since */   AND last_received_at >= %(since)s
/*? until */   AND last_received_at < %(until)s
/*? after_0 */   AND (last_received_at, dead_letter_id) < (%(after_0)s, %(after_1)s)
 ORDER BY last_received_at DESC, dead_letter_id DESC LIMIT %(limit)s;

-- name: queue_dead_letters
-- Ask the ingest workers to drive kept letters through again. A message that was cut or that the broker had retained cannot go again.
UPDATE dead_letter u SET state = 'QUEUED', worked_by = %(user)s, worked_at = %(now)s
  FROM (SELECT dead_letter_id FROM dead_letter l
         WHERE (l.tenant_id = %(tenant)s OR l.tenant_id IS NULL OR NOT EXISTS (SELECT 1 FROM tenant t WHERE t.tenant_id = l.tenant_id))
   AND (l.tenant_id IS NOT DISTINCT FROM %(tenant)s OR NOT EXISTS (SELECT 1 FROM device d WHERE d.device_id = l.topic_device AND d.tenant_id <> %(tenant)s))
           AND state = 'KEPT' AND payload_bytes = length(payload) AND reason <> 'retained'
/*? id */           AND dead_letter_id = %(id)s
/*? reason */           AND reason = %(reason)s
/*? topic_device */           AND topic_device = %(topic_device)s
/*? since */           AND last_received_at >= %(since)s
/*? until */           AND last_received_at < %(until)s
         ORDER BY topic, payload_sha256, item_no, reason FOR UPDATE LIMIT %(limit)s) q
 WHERE u.dead_letter_id = q.dead_letter_id
RETURNING u.dead_letter_id;

-- name: discard_dead_letter
-- People decided that a letter is of no use; its bytes stay until its age ends.
UPDATE dead_letter l SET state = 'DISCARDED', worked_by = %(user)s, worked_at = %(now)s, outcome = jsonb_build_object('discarded', %(reason)s::text)
 WHERE dead_letter_id = %(id)s AND state = 'KEPT'
   AND (l.tenant_id = %(tenant)s OR l.tenant_id IS NULL OR NOT EXISTS (SELECT 1 FROM tenant t WHERE t.tenant_id = l.tenant_id))
   AND (l.tenant_id IS NOT DISTINCT FROM %(tenant)s OR NOT EXISTS (SELECT 1 FROM device d WHERE d.device_id = l.topic_device AND d.tenant_id <> %(tenant)s))
RETURNING dead_letter_id;

-- name: quarantine
-- Devices that speak without being registered: what their topics say, and how much waits for them.
SELECT topic_device AS device_id, l.tenant_id, split_part(min(topic), '/', 3) AS site, split_part(min(topic), '/', 4) AS class,
       min(first_received_at) AS first_received_at, max(last_received_at) AS last_received_at, sum(times)::bigint AS messages,
       count(*) FILTER (WHERE state = 'KEPT')::bigint AS letters_kept, max(topic) AS topic
  FROM dead_letter l
 WHERE reason = 'unknown_device' AND state IN ('KEPT','QUEUED') AND topic_device IS NOT NULL
   AND (l.tenant_id = %(tenant)s OR l.tenant_id IS NULL)
/*? after_0 */   AND topic_device > %(after_0)s
 GROUP BY topic_device, l.tenant_id ORDER BY topic_device LIMIT %(limit)s;

-- name: legal_holds
-- Evidence that must stay, and stayed, newest first.
SELECT hold_id, subject_kind, subject_id, reason, placed_by, placed_at, lifted_by, lifted_at FROM legal_hold
 WHERE tenant_id = %(tenant)s
/*? id */   AND hold_id = %(id)s
/*? after_0 */   AND (placed_at, hold_id) < (%(after_0)s, %(after_1)s)
 ORDER BY placed_at DESC, hold_id DESC LIMIT %(limit)s;

-- name: place_hold
-- Nothing when the subject is not this tenant's.
INSERT INTO legal_hold (hold_id, tenant_id, subject_kind, subject_id, reason, placed_by, placed_at)
SELECT %(hold_id)s, %(tenant)s, %(subject_kind)s::text, %(subject_id)s, %(reason)s, %(user)s, %(now)s
 WHERE EXISTS (SELECT 1 FROM goods_unit WHERE %(subject_kind)s::text = 'goods' AND goods_id = %(subject_id)s AND tenant_id = %(tenant)s
               UNION ALL SELECT 1 FROM device WHERE %(subject_kind)s::text = 'device' AND device_id = %(subject_id)s AND tenant_id = %(tenant)s)
    ON CONFLICT DO NOTHING
RETURNING hold_id;

-- name: lift_hold
UPDATE legal_hold SET lifted_by = %(user)s, lifted_at = %(now)s WHERE hold_id = %(id)s AND tenant_id = %(tenant)s AND lifted_at IS NULL RETURNING hold_id;

-- name: audit
-- What people did, newest first.
SELECT audit_id, happened_at, recorded_at, user_id, action, subject_kind, subject_id, detail
  FROM audit_entry
 WHERE tenant_id = %(tenant)s
/*? user_id */   AND user_id = %(user_id)s
/*? action */   AND action = %(action)s
/*? subject_kind */   AND subject_kind = %(subject_kind)s
/*? subject_id */   AND subject_id = %(subject_id)s
/*? since */   AND happened_at >= %(since)s
/*? until */   AND happened_at < %(until)s
/*? after_0 */   AND audit_id < %(after_0)s
 ORDER BY audit_id DESC LIMIT %(limit)s;

-- name: tally_rows
-- Counters per device and day; the row without a device belongs to everybody.
SELECT t.device_id, t.day, t.received, t.stored, t.repeated, t.absorbed, t.refused, c.found, c.found_at, c.counted = c.found AS conserved
  FROM ingest_tally t LEFT JOIN conservation_check c USING (device_id, day)
 WHERE (t.device_id = '' OR EXISTS (SELECT 1 FROM device d WHERE d.device_id = t.device_id AND d.tenant_id = %(tenant)s))
/*? since */   AND t.day >= %(since)s
/*? until */   AND t.day < %(until)s
/*? device_id */   AND t.device_id = %(device_id)s
 ORDER BY t.day DESC, t.device_id;

-- name: tally_totals
-- Stored of the tenant's devices; refused of the whole installation: what came from a device that was unknown then is no tenant's,
-- and whose the device is now does not change how it was counted.
SELECT coalesce(sum(t.stored) FILTER (WHERE EXISTS (SELECT 1 FROM device d WHERE d.device_id = t.device_id AND d.tenant_id = %(tenant)s)), 0)::bigint AS stored,
       coalesce(sum(t.refused), 0)::bigint AS refused FROM ingest_tally t;

-- name: tally_tables
-- What the tables hold of this tenant's devices, and what retention removed from them.
SELECT (SELECT count(*) FROM observation x WHERE EXISTS (SELECT 1 FROM device d WHERE d.device_id = x.device_id AND d.tenant_id = %(tenant)s)) AS observations,
       (SELECT count(*) FROM position x WHERE EXISTS (SELECT 1 FROM device d WHERE d.device_id = x.device_id AND d.tenant_id = %(tenant)s)) AS positions,
       (SELECT count(*) FROM device_event x WHERE EXISTS (SELECT 1 FROM device d WHERE d.device_id = x.device_id AND d.tenant_id = %(tenant)s)) AS device_events,
       (SELECT coalesce(sum(l.items * l.times), 0)::bigint FROM dead_letter l
         WHERE NOT EXISTS (SELECT 1 FROM device d WHERE d.device_id = l.topic_device AND d.tenant_id <> %(tenant)s)) AS refused,
       (SELECT coalesce(sum(l.items * l.times), 0)::bigint FROM dead_letter l) + (SELECT coalesce(sum(p.refused), 0)::bigint FROM telemetry_purge p) AS all_refused,
       (SELECT coalesce(sum(p.stored), 0)::bigint FROM telemetry_purge p
         WHERE EXISTS (SELECT 1 FROM device d WHERE d.device_id = p.device_id AND d.tenant_id = %(tenant)s)) AS purged_stored,
       (SELECT coalesce(sum(p.refused), 0)::bigint FROM telemetry_purge p
         WHERE NOT EXISTS (SELECT 1 FROM device d WHERE d.device_id = p.device_id AND d.tenant_id <> %(tenant)s)) AS purged_refused;

-- name: live_pledge_of_goods
-- The pledge under which a unit lies.
SELECT pledge_id, facility_id FROM pledge_item WHERE goods_id = %(id)s AND released_at IS NULL;

-- name: tags_of_goods
-- Bindings of a unit, old and new.
SELECT tag_epc, tid, goods_id, valid_from, valid_to, bound_by FROM tag_binding WHERE goods_id = %(id)s ORDER BY valid_from, tag_epc;

-- name: sightings_of_goods
-- Newest sighting of each tag that a unit carries now.
SELECT p.tag_epc, p.device_id, p.antenna, p.zone_id, p.warehouse_id, p.entered_at, p.last_seen_at, p.previous_zone_id, p.reads, p.absorbed, p.rssi_dbm
  FROM goods_position p WHERE p.tag_epc IN (SELECT tag_epc FROM tag_binding WHERE goods_id = %(id)s AND valid_to IS NULL) ORDER BY p.last_seen_at DESC;

-- name: missed_reads
-- Intervals in which a device may have missed reads, newest first.
SELECT kind, from_at, until_at, seq_from, seq_to, missed, recorded_at, filled_at
  FROM missed_reads WHERE device_id = %(id)s ORDER BY until_at DESC, kind, seq_from DESC LIMIT %(limit)s;

-- name: believed_fixes
-- Fixes of a tracker that are believed, in order.
SELECT observed_at, lon, lat, acc_m
  FROM position
 WHERE device_id = %(id)s AND observed_at BETWEEN %(start)s AND %(until)s AND fix = 'valid' AND NOT flags && ARRAY['jump', 'low_accuracy']
 ORDER BY observed_at, event_key LIMIT %(limit)s;

-- name: device_antennas
-- Where a device's antennas listen.
SELECT device_id, antenna, zone_id, valid_from, valid_to FROM antenna_zone WHERE device_id = %(id)s
/*? antenna */   AND antenna = %(antenna)s
 ORDER BY antenna, valid_from DESC;

-- name: metrics_alerts
-- Open alerts by severity.
SELECT severity, count(*) AS n FROM alert WHERE status NOT IN ('CLOSED','RESOLVED') GROUP BY severity;

-- name: metrics_ingest
-- Counters of all devices since the beginning.
SELECT coalesce(sum(received), 0)::bigint AS received, coalesce(sum(stored), 0)::bigint AS stored, coalesce(sum(repeated), 0)::bigint AS repeated,
       coalesce(sum(absorbed), 0)::bigint AS absorbed, coalesce(sum(refused), 0)::bigint AS refused FROM ingest_tally;

-- name: metrics_unconserved
-- Days of devices on which the newest count of readings did not agree with the counters.
SELECT count(*) AS n FROM conservation_check WHERE counted <> found;

-- name: metrics_backlog
-- Movements that the fast lane has not judged, and job requests that wait.
SELECT (SELECT count(*) FROM movement m, fast_lane_cursor c WHERE m.recorded_xid >= c.movement_xid AND m.movement_id > c.movement_id) AS movements,
       (SELECT count(*) FROM job_request WHERE state = 'WAITING') AS job_requests;

-- name: price_overrides
-- Two people's word for quarantined prices, newest first.
SELECT override_id, price_id, status, reason, proposed_by, proposed_at, decided_by, decided_at, decision_reason, used_price_id FROM price_override
 WHERE tenant_id = %(tenant)s
/*? id */   AND override_id = %(id)s
/*? status */   AND status = %(status)s
/*? price_id */   AND price_id = %(price_id)s
/*? after_0 */   AND (proposed_at, override_id) < (%(after_0)s, %(after_1)s)
 ORDER BY proposed_at DESC, override_id DESC LIMIT %(limit)s;

-- name: price_differentials
-- What grades, specs, brands and places are worth more or less, newest first.
SELECT differential_id, facility_id, commodity_code, kind, applies_to, amount, currency, share, valid_from, valid_to, reason, status, proposed_by, proposed_at,
       decided_by, decided_at
  FROM price_differential WHERE tenant_id = %(tenant)s
/*? id */   AND differential_id = %(id)s
/*? status */   AND status = %(status)s
/*? commodity_code */   AND commodity_code = %(commodity_code)s
/*? facility_id */   AND facility_id = %(facility_id)s
/*? after_0 */   AND (proposed_at, differential_id) < (%(after_0)s, %(after_1)s)
 ORDER BY proposed_at DESC, differential_id DESC LIMIT %(limit)s;

-- name: corrections
-- What two people say of wrong entries, newest first.
SELECT correction_id, facility_id, entry_no, status, reason, proposed_by, proposed_at, decided_by, decided_at, reversing_entry_no FROM ledger_correction
 WHERE tenant_id = %(tenant)s
/*? id */   AND correction_id = %(id)s
/*? status */   AND status = %(status)s
/*? facility_id */   AND facility_id = %(facility_id)s
/*? after_0 */   AND (proposed_at, correction_id) < (%(after_0)s, %(after_1)s)
 ORDER BY proposed_at DESC, correction_id DESC LIMIT %(limit)s;

-- name: certificates
-- Certificates of a facility, newest first.
SELECT certificate_id, facility_id, as_of, issued_at, issued_by, content_hash FROM borrowing_base_certificate
 WHERE tenant_id = %(tenant)s AND facility_id = %(facility_id)s
/*? after_0 */   AND (as_of, certificate_id) < (%(after_0)s, %(after_1)s)
 ORDER BY as_of DESC, certificate_id DESC LIMIT %(limit)s;

-- name: products
-- What facilities may be; the same for all tenants.
SELECT product, name, name_zh, pledge_modes, tenor_days_max, cure_hours_max, cure_days_max, disposal_cost_min,
       (SELECT jsonb_object_agg(a.commodity_group, a.advance_max::text) FROM credit_product_advance a WHERE a.product = p.product) AS advances
  FROM credit_product p ORDER BY product;

-- name: rates
-- What borrowing costs a facility, oldest first.
SELECT r.valid_from, r.valid_to, r.annual_rate, r.day_count, r.set_by, r.set_at FROM facility_rate r WHERE r.facility_id = %(facility_id)s ORDER BY r.valid_from;
