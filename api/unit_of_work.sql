-- name: claim_key
-- Take the key, or wait for the request that holds it.
INSERT INTO idempotency_key (tenant_id, user_id, key, request_hash, status_code, response, created_at)
VALUES (%(tenant)s, %(user)s, %(key)s, %(request_hash)s, 0, '{}', %(now)s)
ON CONFLICT (tenant_id, user_id, key) DO NOTHING;

-- name: answer_of_key
-- What was answered under the key.
SELECT request_hash, status_code, response FROM idempotency_key
 WHERE tenant_id = %(tenant)s AND user_id = %(user)s AND key = %(key)s;

-- name: keep_answer
-- The answer, in the transaction of the work.
UPDATE idempotency_key SET status_code = %(status)s, response = %(response)s
 WHERE tenant_id = %(tenant)s AND user_id = %(user)s AND key = %(key)s;

-- name: append_audit
-- Who did what, when.
INSERT INTO audit_entry (tenant_id, happened_at, user_id, action, subject_kind, subject_id, detail)
VALUES (%(tenant)s, %(now)s, %(user)s, %(action)s, %(kind)s, %(id)s, %(detail)s);
