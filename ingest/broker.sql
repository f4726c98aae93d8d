-- name: devices_with_credential
-- Devices that may log in to the broker, with the topic prefixes of the devices behind a gateway.
SELECT d.device_id,
       'v1/' || d.tenant_id || '/' || d.site || '/' || d.class || '/' || d.device_id AS prefix,
       d.format,
       d.claims,
       d.credential_hash,
       coalesce((SELECT array_agg('v1/' || c.tenant_id || '/' || c.site || '/' || c.class || '/' || c.device_id ORDER BY c.device_id)
                   FROM device c
                  WHERE c.gateway_device_id = d.device_id AND c.tenant_id = d.tenant_id AND c.enabled), '{}') AS carries
  FROM device d
 WHERE d.enabled AND d.credential_hash IS NOT NULL
 ORDER BY d.device_id;
