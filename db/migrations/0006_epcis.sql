-- Why:   EPCIS 2.0: what partners' systems declare. Kept apart from what our devices saw, because a declaration is nobody's independent sighting.
-- Needs: 0005.
-- Lock:  creates only.
-- Undo:  drop the six tables; captured events are lost.

-- One row per capture. Conservation: every event received was recorded, repeated or refused.
CREATE TABLE epcis_capture (
  capture_id      text PRIMARY KEY,
  tenant_id       text NOT NULL REFERENCES tenant,
  user_id         text NOT NULL,
  created_at      timestamptz NOT NULL,
  error_behaviour text NOT NULL CHECK (error_behaviour IN ('rollback','proceed')),
  success         boolean NOT NULL,
  header          json NOT NULL,                  -- the document around the events, as received
  document_sha256 bytea NOT NULL,
  received        integer NOT NULL,
  recorded        integer NOT NULL,
  repeated        integer NOT NULL,
  refused         integer NOT NULL,
  CONSTRAINT no_event_lost_none_doubled CHECK (received = recorded + repeated + refused),
  CHECK (success = (refused = 0))
);
CREATE INDEX epcis_capture_newest ON epcis_capture (tenant_id, created_at DESC, capture_id DESC);
CREATE TRIGGER epcis_capture_append_only BEFORE UPDATE OR DELETE ON epcis_capture FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- One row per event, and one more when its sender takes it back. Identifiers are canonical Digital Links, words of CBV bare.
CREATE TABLE epcis_event (
  event_no        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant_id       text NOT NULL REFERENCES tenant,
  event_id        text NOT NULL,                  -- the sender's, else the CBV 2.0 event hash
  declares_error  boolean NOT NULL,               -- takes back the event of this id
  content_hash    text NOT NULL,                  -- CBV 2.0 event hash; with the declaration when there is one
  capture_id      text NOT NULL REFERENCES epcis_capture DEFERRABLE INITIALLY DEFERRED,
  event_type      text NOT NULL,
  event_time      timestamptz NOT NULL,
  event_time_zone_offset text NOT NULL,
  record_time     timestamptz NOT NULL,           -- ours; the sender's is ignored
  action          text CHECK (action IN ('OBSERVE','ADD','DELETE')),
  biz_step        text,
  disposition     text,
  read_point      text,
  biz_location    text,
  parent_id       text,
  transformation_id text,
  epcs            text[] NOT NULL,                -- epcList, childEPCs
  input_epcs      text[] NOT NULL,
  output_epcs     text[] NOT NULL,
  any_epcs        text[] NOT NULL,                -- all of these and the parent
  epc_classes     text[] NOT NULL,                -- quantityList, childQuantityList
  input_classes   text[] NOT NULL,
  output_classes  text[] NOT NULL,
  quantities      numeric[] NOT NULL,
  transactions    text[] NOT NULL,                -- type=id
  sources         text[] NOT NULL,
  destinations    text[] NOT NULL,
  lasting_set     text[] NOT NULL,                -- persistentDisposition
  lasting_unset   text[] NOT NULL,
  error_declared_at timestamptz,
  error_reason    text,
  corrective_ids  text[] NOT NULL DEFAULT '{}',
  context         jsonb NOT NULL,                 -- namespaces of its extensions
  payload         json NOT NULL,                  -- the event as received
  CHECK (declares_error = (error_declared_at IS NOT NULL)),
  CONSTRAINT one_event_per_id UNIQUE (tenant_id, event_id, declares_error)
);
CREATE INDEX epcis_event_by_event_time ON epcis_event (tenant_id, event_time, event_no);
CREATE INDEX epcis_event_by_record_time ON epcis_event (tenant_id, record_time, event_no);
CREATE INDEX epcis_event_epcs ON epcis_event USING gin (any_epcs);
CREATE INDEX epcis_event_classes ON epcis_event USING gin (epc_classes, input_classes, output_classes);
CREATE INDEX epcis_event_transactions ON epcis_event USING gin (transactions);
CREATE INDEX epcis_event_parent ON epcis_event (tenant_id, parent_id, event_time) WHERE parent_id IS NOT NULL;
CREATE INDEX epcis_event_read_point ON epcis_event (tenant_id, read_point, event_time) WHERE read_point IS NOT NULL;
CREATE TRIGGER epcis_event_append_only BEFORE UPDATE OR DELETE ON epcis_event FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- What became of each event of a capture; refused ones are kept with their words.
CREATE TABLE epcis_capture_item (
  capture_id text NOT NULL REFERENCES epcis_capture,
  item_no    integer NOT NULL CHECK (item_no >= 0),
  outcome    text NOT NULL CHECK (outcome IN ('RECORDED','REPEATED','CONFLICT','INVALID','ROLLED_BACK')),
  event_no   bigint REFERENCES epcis_event,
  event_id   text,
  reason     text,                                -- code of the refusal, or of a warning
  detail     text,
  payload    json,                                -- of a refused event, or of a repeated one that was written otherwise
  PRIMARY KEY (capture_id, item_no),
  CHECK ((outcome IN ('RECORDED','REPEATED')) = (event_no IS NOT NULL)),
  CHECK (event_no IS NOT NULL OR payload IS NOT NULL),
  CHECK (outcome NOT IN ('CONFLICT','INVALID') OR reason IS NOT NULL)
);
CREATE INDEX epcis_capture_item_event ON epcis_capture_item (event_no);
CREATE TRIGGER epcis_capture_item_append_only BEFORE UPDATE OR DELETE ON epcis_capture_item FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Which of our places an identifier names, from a time on. place: canonical; a mapping without a warehouse ends the one before.
CREATE TABLE epcis_place (
  tenant_id    text NOT NULL REFERENCES tenant,
  place        text NOT NULL,
  valid_from   timestamptz NOT NULL,
  warehouse_id text REFERENCES warehouse,
  zone_id      text REFERENCES zone,
  mapped_by    text NOT NULL,
  recorded_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  CHECK (zone_id IS NULL OR warehouse_id IS NOT NULL),
  PRIMARY KEY (tenant_id, place, valid_from)
);
CREATE TRIGGER epcis_place_append_only BEFORE UPDATE OR DELETE ON epcis_place FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Where partners' systems say a unit was. Never an independent sighting: no rule, position or valuation reads it as one.
CREATE TABLE declared_movement (
  declared_no  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant_id    text NOT NULL REFERENCES tenant,
  event_no     bigint NOT NULL REFERENCES epcis_event,
  goods_id     text NOT NULL REFERENCES goods_unit,
  epc          text NOT NULL,
  kind         text NOT NULL CHECK (kind IN ('APPEARED','SEEN','ZONE_CHANGE','SITE_CHANGE','DEPARTED','CORRECTION')),
  occurred_at  timestamptz NOT NULL,
  recorded_at  timestamptz NOT NULL,
  from_warehouse_id text,
  from_zone_id text,
  to_warehouse_id text,                           -- NULL after a departure
  to_zone_id   text,
  evidence     jsonb NOT NULL DEFAULT '{}',
  corrects     bigint REFERENCES declared_movement,
  CHECK ((kind = 'CORRECTION') = (corrects IS NOT NULL))
);
CREATE UNIQUE INDEX declared_movement_once ON declared_movement (event_no, goods_id, epc, coalesce(corrects, 0));
CREATE UNIQUE INDEX declared_movement_corrected_once ON declared_movement (corrects) WHERE corrects IS NOT NULL;
CREATE INDEX declared_movement_goods ON declared_movement (goods_id, occurred_at DESC);
CREATE TRIGGER declared_movement_append_only BEFORE UPDATE OR DELETE ON declared_movement FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Queries kept by name; a deleted one stays on record and frees its name.
CREATE TABLE epcis_query (
  query_no   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant_id  text NOT NULL REFERENCES tenant,
  name       text NOT NULL CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$'),
  query      json NOT NULL,
  created_by text NOT NULL,
  created_at timestamptz NOT NULL,
  deleted_by text,
  deleted_at timestamptz
);
CREATE UNIQUE INDEX one_query_per_name ON epcis_query (tenant_id, name) WHERE deleted_at IS NULL;
