-- Why:   what devices said, the latest state derived from it, and what was refused.
-- Needs: 0001. With TimescaleDB, db.edition turns observation and position into hypertables after this migration.
-- Lock:  creates only.
-- Undo:  drop the tables; telemetry is lost.

-- What this installation runs on; written by migrate, shown by doctor.
CREATE TABLE installation (
  only_row            boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  edition             text NOT NULL CHECK (edition IN ('timescale-community','timescale-apache','plain')),
  server_version      text NOT NULL,
  timescale_version   text,
  recorded_at         timestamptz NOT NULL
);

-- One row per tag read that was kept; the key is the business key, so a repeated delivery finds its own row.
CREATE TABLE observation (
  observed_at  timestamptz NOT NULL,              -- device's event time, UTC
  received_at  timestamptz NOT NULL,              -- when it reached us
  recorded_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  device_id    text NOT NULL,
  tag_epc      text NOT NULL,                     -- upper-case hex as on the tag
  antenna      integer NOT NULL,                  -- 0 = not said
  event_key    text NOT NULL,                     -- seq or eventNum where the source has one, else ''
  tid          text,
  goods_id     text,                              -- by the binding valid at observed_at; NULL = unbound tag
  zone_id      text,                              -- by the antenna map valid at observed_at
  rssi_dbm     real,
  read_count   integer NOT NULL DEFAULT 1 CHECK (read_count > 0),
  flags        text[] NOT NULL DEFAULT '{}',
  content_hash bytea NOT NULL,
  PRIMARY KEY (observed_at, device_id, tag_epc, antenna, event_key)
);
CREATE INDEX observation_goods ON observation (goods_id, observed_at DESC) WHERE goods_id IS NOT NULL;
CREATE INDEX observation_tag ON observation (tag_epc, observed_at DESC);

CREATE TABLE position (
  observed_at  timestamptz NOT NULL,
  received_at  timestamptz NOT NULL,
  recorded_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  device_id    text NOT NULL,
  event_key    text NOT NULL,
  lon          double precision,                  -- WGS-84; NULL = no fix
  lat          double precision,
  datum_in     text NOT NULL CHECK (datum_in IN ('WGS84','GCJ02','BD09')),
  lon_raw      double precision,
  lat_raw      double precision,
  fix          text NOT NULL CHECK (fix IN ('valid','stale','none')),
  acc_m        real,
  speed_mps    real,
  heading_deg  real,
  odo_km       double precision,
  sats         integer,
  ignition     boolean,
  goods        text[] NOT NULL DEFAULT '{}',      -- what the tracker says is on board
  flags        text[] NOT NULL DEFAULT '{}',
  extra        jsonb NOT NULL DEFAULT '{}',
  content_hash bytea NOT NULL,
  CHECK ((lon IS NULL) = (lat IS NULL)),
  CHECK (fix <> 'valid' OR lon IS NOT NULL),
  PRIMARY KEY (observed_at, device_id, event_key)
);
CREATE INDEX position_device ON position (device_id, observed_at DESC);
CREATE INDEX position_goods ON position USING gin (goods) WHERE goods <> '{}';   -- the trace of a unit that a tracker names as cargo

-- Latest sighting per tag. Guarded by event time: a late message never overwrites a newer sighting.
CREATE TABLE goods_position (
  tag_epc      text PRIMARY KEY,
  goods_id     text,
  device_id    text NOT NULL,
  antenna      integer NOT NULL,
  zone_id      text,
  warehouse_id text,
  tid          text,
  entered_at   timestamptz NOT NULL,              -- since when in this zone
  first_stored_at timestamptz NOT NULL,           -- observed_at of the stored row that the present sighting extends
  last_seen_at timestamptz NOT NULL,              -- newest read, stored or absorbed
  previous_zone_id text,
  reads        bigint NOT NULL DEFAULT 1,
  absorbed     bigint NOT NULL DEFAULT 0,
  rssi_dbm     real
);
CREATE INDEX goods_position_goods ON goods_position (goods_id);
CREATE INDEX goods_position_zone ON goods_position (zone_id);

CREATE TABLE vehicle_position (
  device_id    text PRIMARY KEY REFERENCES device,
  vehicle_plate text,
  observed_at  timestamptz NOT NULL,
  lon          double precision NOT NULL,
  lat          double precision NOT NULL,
  speed_mps    real,
  warehouse_id text,                              -- whose fence it is in
  goods        text[] NOT NULL DEFAULT '{}'
);

-- What the sightings mean; append-only, a wrong one is corrected by a row that names it.
CREATE TABLE movement (
  movement_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  occurred_at  timestamptz NOT NULL,
  recorded_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  received_at  timestamptz NOT NULL,              -- of the message that showed it
  kind         text NOT NULL CHECK (kind IN ('APPEARED','ZONE_CHANGE','SITE_CHANGE','GATE_OUT','GATE_IN','TID_MISMATCH','FENCE_EXIT','FENCE_ENTER','CORRECTION')),
  tag_epc      text,
  goods_id     text,
  vehicle_plate text,
  device_id    text NOT NULL,
  from_zone_id text,
  to_zone_id   text,
  from_seen_at timestamptz,                       -- last sighting before
  evidence     jsonb NOT NULL DEFAULT '{}',
  corrects     bigint REFERENCES movement,
  CHECK ((kind = 'CORRECTION') = (corrects IS NOT NULL))
);
CREATE UNIQUE INDEX movement_once ON movement (occurred_at, device_id, kind, coalesce(tag_epc, ''), coalesce(vehicle_plate, ''), coalesce(corrects, 0));
CREATE INDEX movement_goods ON movement (goods_id, occurred_at DESC);
CREATE INDEX movement_recorded ON movement (movement_id, kind);
CREATE TRIGGER movement_append_only BEFORE UPDATE OR DELETE ON movement FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Refused deliveries with their bytes. The same bytes on the same topic count up instead of adding rows.
CREATE TABLE dead_letter (
  dead_letter_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  topic        text NOT NULL,
  topic_device text,                              -- as the topic names it; may be unknown to the registry
  tenant_id    text,                              -- as the topic names it
  item_no      integer NOT NULL DEFAULT -1,       -- element of a batch; -1 = the whole message
  reason       text NOT NULL,                     -- code: malformed_json, unknown_device, out_of_range, conflict, ...
  detail       text NOT NULL,
  payload      bytea NOT NULL,                    -- cut at payload_kept_bytes_max
  payload_bytes bigint NOT NULL,                  -- its full length
  payload_sha256 bytea NOT NULL,
  items        bigint NOT NULL DEFAULT 1 CHECK (items > 0),   -- readings refused by one delivery
  times        bigint NOT NULL DEFAULT 1 CHECK (times > 0),   -- deliveries
  first_received_at timestamptz NOT NULL,
  last_received_at  timestamptz NOT NULL,
  state        text NOT NULL DEFAULT 'KEPT' CHECK (state IN ('KEPT','REDRIVEN','DISCARDED')),
  UNIQUE (topic, payload_sha256, item_no, reason)
);
CREATE INDEX dead_letter_recent ON dead_letter (last_received_at DESC);

-- Conservation: received = stored + repeated + absorbed + refused, per device and day of receipt, written in the batch's transaction.
CREATE TABLE ingest_tally (
  device_id  text NOT NULL,                       -- '' = the topic names no known device
  day        date NOT NULL,
  received   bigint NOT NULL DEFAULT 0,
  stored     bigint NOT NULL DEFAULT 0,
  repeated   bigint NOT NULL DEFAULT 0,
  absorbed   bigint NOT NULL DEFAULT 0,
  refused    bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (device_id, day),
  CONSTRAINT nothing_lost_nothing_doubled CHECK (received = stored + repeated + absorbed + refused)
);
