-- name: make_nodes
-- Nodes that speak for the first time.
INSERT INTO sparkplug_node (group_id, node_id, device_id)
SELECT n.group_id, n.node_id, n.device_id
  FROM json_to_recordset(%(rows)s::json) AS n (group_id text, node_id text, device_id text)
 ORDER BY n.group_id, n.node_id
ON CONFLICT (group_id, node_id) DO UPDATE SET device_id = excluded.device_id WHERE sparkplug_node.device_id <> excluded.device_id;

-- name: lock_nodes
-- Sessions, locked in one order by all workers.
SELECT s.group_id, s.node_id, s.bd_seq, s.birth_at_ms, s.alive, s.next_seq, s.last_at_ms, s.births, s.before_at_ms, s.before, s.needs_birth,
       s.rebirth_due_at
  FROM sparkplug_node s
  JOIN json_to_recordset(%(rows)s::json) AS n (group_id text, node_id text) USING (group_id, node_id)
 ORDER BY s.group_id, s.node_id FOR UPDATE OF s;

-- name: take_waiting
-- What waited for its turn; what still has to comes back.
DELETE FROM sparkplug_waiting w
 USING json_to_recordset(%(rows)s::json) AS n (group_id text, node_id text)
 WHERE w.group_id = n.group_id AND w.node_id = n.node_id
RETURNING w.group_id, w.node_id, w.topic, w.payload, w.received_at;

-- name: put_waiting
-- Messages ahead of their turn.
INSERT INTO sparkplug_waiting (group_id, node_id, topic, payload, received_at)
SELECT n.group_id, n.node_id, n.topic, decode(n.payload, 'hex'), n.received_at
  FROM json_to_recordset(%(rows)s::json) AS n (group_id text, node_id text, topic text, payload text, received_at timestamptz);

-- name: put_nodes
-- Sessions after a batch.
UPDATE sparkplug_node s
   SET bd_seq = n.bd_seq, birth_at_ms = n.birth_at_ms, alive = n.alive, next_seq = n.next_seq, last_at_ms = n.last_at_ms, births = n.births,
       before_at_ms = n.before_at_ms, before = n.before, needs_birth = n.needs_birth, rebirth_due_at = n.rebirth_due_at,
       rebirth_asked_at = CASE WHEN n.birth_at_ms IS DISTINCT FROM s.birth_at_ms THEN NULL ELSE s.rebirth_asked_at END
  FROM json_to_recordset(%(rows)s::json) AS n (group_id text, node_id text, bd_seq bigint, birth_at_ms bigint, alive boolean, next_seq integer,
       last_at_ms bigint, births jsonb, before_at_ms bigint, before jsonb, needs_birth boolean, rebirth_due_at timestamptz)
 WHERE s.group_id = n.group_id AND s.node_id = n.node_id;

-- name: claim_rebirths
-- Nodes to be asked for a rebirth now, each by one worker and not again within the interval.
UPDATE sparkplug_node s
   SET rebirth_asked_at = %(now)s, rebirths_asked = s.rebirths_asked + 1
  FROM (SELECT group_id, node_id FROM sparkplug_node
         WHERE rebirth_due_at <= %(now)s AND (rebirth_asked_at IS NULL OR rebirth_asked_at <= %(now)s - %(interval)s)
         ORDER BY group_id, node_id LIMIT %(limit)s FOR UPDATE SKIP LOCKED) due
 WHERE s.group_id = due.group_id AND s.node_id = due.node_id
RETURNING s.group_id, s.node_id;
