-- Why:   sessions of Sparkplug B edge nodes. An alias is worth something only with the birth of its session, and workers keep nothing.
-- Needs: 0001 (device).
-- Lock:  creates only.
-- Undo:  drop both tables; nodes are asked for a rebirth then, and what waited is lost.

CREATE TABLE sparkplug_node (
  group_id         text NOT NULL,
  node_id          text NOT NULL,
  device_id        text NOT NULL REFERENCES device,
  bd_seq           bigint,                       -- of the present session's birth; a death with another one is an old will
  birth_at_ms      bigint,                       -- the node's own time, milliseconds since 1970; NULL = no birth was ever seen
  alive            boolean NOT NULL DEFAULT false,
  next_seq         integer NOT NULL DEFAULT 0 CHECK (next_seq BETWEEN 0 AND 255),
  last_at_ms       bigint NOT NULL DEFAULT 0,
  births           jsonb NOT NULL DEFAULT '{}',  -- part ('' = the node) -> its aliases and types
  before_at_ms     bigint,                       -- the birth before a rebirth of the same connection
  before           jsonb NOT NULL DEFAULT '{}',
  needs_birth      boolean NOT NULL DEFAULT false,
  rebirth_due_at   timestamptz,                  -- from when on a worker asks for a rebirth
  rebirth_asked_at timestamptz,
  rebirths_asked   bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (group_id, node_id)
);
CREATE INDEX sparkplug_rebirth ON sparkplug_node (rebirth_due_at) WHERE rebirth_due_at IS NOT NULL;

-- Messages ahead of their turn, with their bytes: their readings are counted when they are understood or refused.
CREATE TABLE sparkplug_waiting (
  waiting_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  group_id    text NOT NULL,
  node_id     text NOT NULL,
  topic       text NOT NULL,
  payload     bytea NOT NULL,
  received_at timestamptz NOT NULL,
  FOREIGN KEY (group_id, node_id) REFERENCES sparkplug_node
);
CREATE INDEX sparkplug_waiting_node ON sparkplug_waiting (group_id, node_id);
