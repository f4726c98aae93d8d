-- name: try_lease
-- Ours, for as long as this connection lives?
SELECT pg_try_advisory_lock(%(key)s);

-- name: still_there
-- Ends with an error when the store forgot us.
SELECT 1;
