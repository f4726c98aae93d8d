-- name: devices
-- Every device.
SELECT device_id, tenant_id, site, warehouse_id, class AS device_class, format, gateway_device_id, vehicle_plate, claims, utc_offset_minutes,
       datum, lon, lat, enabled, expected_interval_s
  FROM device;

-- name: zones
-- Every zone.
SELECT zone_id, warehouse_id, kind FROM zone;

-- name: antennas
-- Where each antenna listens and listened.
SELECT device_id, antenna, zone_id, valid_from, valid_to FROM antenna_zone ORDER BY valid_from DESC;

-- name: fences
-- Fences of all warehouses.
SELECT warehouse_id, fence FROM warehouse ORDER BY warehouse_id;

-- name: tag_bindings
-- What these tags stand for and stood for, newest first.
SELECT b.tag_epc, b.goods_id, b.tid, b.valid_from, b.valid_to, g.tenant_id
  FROM tag_binding b JOIN goods_unit g USING (goods_id) WHERE b.tag_epc = ANY(string_to_array(%(epcs)s, ',')) ORDER BY b.valid_from DESC;

-- name: read_policies
-- How reads are weighed, the most exact rows first.
SELECT device_id, site, device_class, smoothing_s, window_s, reads_min, clear_dbm, lead_db, strong_db, return_within_s
  FROM read_policy
 ORDER BY (device_id IS NOT NULL) DESC, (site IS NOT NULL) DESC, (device_class IS NOT NULL) DESC, device_id, site, device_class;
