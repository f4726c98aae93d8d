-- What late messages change: movements told from incomplete data are taken back by rows that name them, and told again.

-- name: anchors
-- Each tag's newest change of place, still upheld, that was decided before its first late read; of those of one instant the last that was told.
SELECT n.tag_epc, a.movement_id, a.decided_at, a.occurred_at, a.goods_id, a.device_id, a.from_zone_id, a.to_zone_id, a.evidence
  FROM json_to_recordset(%(rows)s::json) AS n (tag_epc text, from_ timestamptz)
 CROSS JOIN LATERAL (
       SELECT m.*, coalesce((m.evidence->>'decided_at')::timestamptz, m.occurred_at) AS decided_at FROM movement m
        WHERE m.tag_epc = n.tag_epc AND m.kind IN ('APPEARED', 'ZONE_CHANGE', 'SITE_CHANGE') AND m.occurred_at < n.from_
          AND coalesce((m.evidence->>'decided_at')::timestamptz, m.occurred_at) < n.from_
          AND NOT EXISTS (SELECT FROM movement c WHERE c.corrects = m.movement_id)
        ORDER BY decided_at DESC, coalesce(m.evidence->>'to_device_id', m.device_id) COLLATE "C" DESC,
                 coalesce((m.evidence->>'antenna')::integer, 0) DESC, m.movement_id DESC LIMIT 1) a;

-- name: reads_since
-- Each tag's kept reads from an instant on, in the one order in which they are told.
SELECT o.tag_epc, o.observed_at, o.received_at, o.device_id, o.antenna, o.event_key, o.tid, o.goods_id, o.zone_id, o.rssi_dbm, o.read_count,
       o.flags, o.content_hash
  FROM json_to_recordset(%(rows)s::json) AS n (tag_epc text, since timestamptz)
  JOIN observation o ON o.tag_epc = n.tag_epc AND o.observed_at >= n.since
 WHERE NOT o.flags @> ARRAY[%(foreign)s::text]
 ORDER BY o.tag_epc, o.observed_at, o.device_id COLLATE "C", o.antenna, o.event_key;

-- name: told_since
-- Movements of each tag that were decided by reads after a read, in the order in which reads are told, and are still upheld.
SELECT n.tag_epc, m.movement_id, m.occurred_at, m.received_at, m.kind, m.device_id, m.tag_epc, m.goods_id, m.vehicle_plate, m.from_zone_id, m.to_zone_id
  FROM json_to_recordset(%(rows)s::json) AS n (tag_epc text, since timestamptz, device_id text, antenna integer)
  JOIN movement m ON m.tag_epc = n.tag_epc AND m.occurred_at >= n.since AND m.kind IN ('APPEARED', 'ZONE_CHANGE', 'SITE_CHANGE', 'TID_MISMATCH')
   AND (coalesce((m.evidence->>'decided_at')::timestamptz, m.occurred_at), coalesce(m.evidence->>'to_device_id', m.device_id) COLLATE "C",
        coalesce((m.evidence->>'antenna')::integer, 0)) > (n.since, n.device_id COLLATE "C", n.antenna)
 WHERE NOT EXISTS (SELECT FROM movement c WHERE c.corrects = m.movement_id)
 ORDER BY n.tag_epc, m.occurred_at, m.movement_id;

-- name: passages_told
-- Gate passages of these goods around these times that are still upheld.
SELECT DISTINCT m.movement_id, m.occurred_at, m.received_at, m.kind, m.device_id, m.tag_epc, m.goods_id, m.vehicle_plate, m.from_zone_id, m.to_zone_id,
       NULL, m.evidence ? 'decided_by'
  FROM json_to_recordset(%(rows)s::json) AS n (goods_id text, from_ timestamptz, until timestamptz)
  JOIN movement m ON m.goods_id = n.goods_id AND m.kind IN ('GATE_OUT', 'GATE_IN') AND m.occurred_at BETWEEN n.from_ AND n.until
 WHERE NOT EXISTS (SELECT FROM movement c WHERE c.corrects = m.movement_id)
 ORDER BY m.occurred_at, m.movement_id;

-- name: fences_told
-- Fence crossings of a tracker from an instant on that are still upheld.
SELECT m.movement_id, m.occurred_at, m.received_at, m.kind, m.device_id, m.tag_epc, m.goods_id, m.vehicle_plate, m.from_zone_id, m.to_zone_id,
       m.evidence->>'warehouse_id'
  FROM movement m
 WHERE m.device_id = %(device_id)s AND m.kind IN ('FENCE_EXIT', 'FENCE_ENTER') AND m.occurred_at > %(since)s::timestamptz - interval '30 days'
   AND NOT EXISTS (SELECT FROM movement c WHERE c.corrects = m.movement_id)
 ORDER BY m.occurred_at, m.kind DESC;

-- name: insert_again
-- Movements told again: one that was taken back and holds after all is a revision of itself.
INSERT INTO movement (occurred_at, received_at, kind, tag_epc, goods_id, vehicle_plate, device_id, from_zone_id, to_zone_id, from_seen_at, evidence,
                      corrects, revision)
SELECT n.*, (SELECT count(*) FROM movement m
              WHERE m.occurred_at = n.occurred_at AND m.device_id = n.device_id AND m.kind = n.kind AND m.tag_epc IS NOT DISTINCT FROM n.tag_epc
                AND m.vehicle_plate IS NOT DISTINCT FROM n.vehicle_plate AND m.from_zone_id IS NOT DISTINCT FROM n.from_zone_id AND m.to_zone_id IS NOT DISTINCT FROM n.to_zone_id
                AND m.evidence->>'warehouse_id' IS NOT DISTINCT FROM n.evidence->>'warehouse_id' AND m.corrects IS NOT DISTINCT FROM n.corrects)
  FROM json_to_recordset(%(rows)s::json) AS n (occurred_at timestamptz, received_at timestamptz, kind text, tag_epc text, goods_id text,
       vehicle_plate text, device_id text, from_zone_id text, to_zone_id text, from_seen_at timestamptz, evidence jsonb, corrects bigint)
 ORDER BY n.corrects NULLS LAST, n.occurred_at
    ON CONFLICT DO NOTHING
RETURNING movement_id;

-- name: put_pending
-- What speaks against the home of these tags now.
UPDATE goods_position p SET pending = n.pending
  FROM json_to_recordset(%(rows)s::json) AS n (tag_epc text, pending jsonb) WHERE p.tag_epc = n.tag_epc;
