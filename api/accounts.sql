-- name: ensure_tenant
-- A tenant, once.
INSERT INTO tenant (tenant_id, name) VALUES (%(tenant_id)s, %(name)s) ON CONFLICT (tenant_id) DO NOTHING;

-- name: insert_user
-- A new user; the name must be free.
INSERT INTO app_user (user_id, tenant_id, username, display_name, password_hash, roles, active, created_at)
VALUES (%(user_id)s, %(tenant_id)s, %(username)s, %(display_name)s, %(password_hash)s, %(roles)s, %(active)s, %(created_at)s);

-- name: user_by_name
-- The user who signs in by this name.
SELECT user_id, tenant_id, username, display_name, password_hash, roles, active, created_at, session_no FROM app_user WHERE username = %(key)s;

-- name: user_by_id
-- The user a token names.
SELECT user_id, tenant_id, username, display_name, password_hash, roles, active, created_at, session_no FROM app_user WHERE user_id = %(key)s;

-- name: lock_user
-- The tenant's user, for a change.
SELECT user_id, tenant_id, username, display_name, password_hash, roles, active, created_at, session_no FROM app_user
 WHERE user_id = %(user_id)s AND tenant_id = %(tenant_id)s FOR UPDATE;

-- name: change_user
-- Roles, access and password; a new number of session voids the tokens of the old one.
UPDATE app_user SET roles = %(roles)s, active = %(active)s, password_hash = %(password_hash)s, session_no = %(session_no)s WHERE user_id = %(user_id)s;
