-- name: queued
-- Letters that people asked to drive through again, oldest first.
SELECT dead_letter_id FROM dead_letter WHERE state = 'QUEUED' ORDER BY dead_letter_id LIMIT %(limit)s;

-- name: take_in_hand
-- False when another worker has this letter in hand. Its own statement: the next one must see what that worker committed.
SELECT pg_try_advisory_xact_lock(hashtextextended('dead_letter', %(id)s));

-- name: letter
-- A letter that still waits. Its row is locked last, as writers do.
SELECT topic, payload, payload_bytes, first_received_at FROM dead_letter WHERE dead_letter_id = %(id)s AND state = 'QUEUED';

-- name: driven
-- All of it went in: the letter and those for other items of the same message are done.
UPDATE dead_letter SET state = 'REDRIVEN', outcome = %(outcome)s
 WHERE topic = (SELECT topic FROM dead_letter WHERE dead_letter_id = %(id)s)
   AND payload_sha256 = (SELECT payload_sha256 FROM dead_letter WHERE dead_letter_id = %(id)s)
   AND (dead_letter_id = %(id)s OR state = 'QUEUED');

-- name: refused_again
-- It stays, with what stood against it this time.
UPDATE dead_letter SET state = 'KEPT', outcome = %(outcome)s WHERE dead_letter_id = %(id)s AND state = 'QUEUED';
