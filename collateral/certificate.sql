-- name: insert_certificate
-- One certificate per facility and instant; nothing happens when there is one.
INSERT INTO borrowing_base_certificate (certificate_id, tenant_id, facility_id, as_of, issued_at, issued_by, content, content_hash)
VALUES (%(certificate_id)s, %(tenant_id)s, %(facility_id)s, %(as_of)s, %(issued_at)s, %(issued_by)s, %(content)s, %(content_hash)s)
ON CONFLICT (facility_id, as_of) DO NOTHING;

-- name: certificate_at
-- The certificate of a facility at an instant.
SELECT certificate_id, facility_id, as_of, issued_at, issued_by, content, content_hash FROM borrowing_base_certificate
 WHERE facility_id = %(facility_id)s AND as_of = %(as_of)s AND tenant_id = %(tenant_id)s;

-- name: certificate
-- One certificate.
SELECT certificate_id, facility_id, as_of, issued_at, issued_by, content, content_hash FROM borrowing_base_certificate
 WHERE certificate_id = %(certificate_id)s AND tenant_id = %(tenant_id)s;
