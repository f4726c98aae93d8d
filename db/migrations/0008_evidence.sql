-- Why:   evidence before a tag moves, corrections that can be told again, missed reads as intervals, when each device was heard, learnt clocks.
-- Needs: 0002.
-- Lock:  movement and device_state exclusively, for an instant; movement for as long as its unique index takes to be built anew.
-- Undo:  drop the tables, columns and indexes below, and put movement_once back without revision.

-- How reads are weighed; NULL = the next less exact row decides: device, then site and class, site, class, all; then the built-in default.
CREATE TABLE read_policy (
  device_id       text REFERENCES device,
  site            text,
  device_class    text CHECK (device_class IN ('rfid','gate','gps','wms','sensor','gw')),
  smoothing_s     integer CHECK (smoothing_s BETWEEN 0 AND 86400),        -- 0 = every read is a row
  window_s        integer CHECK (window_s BETWEEN 1 AND 3600),            -- contested: the home was read so shortly before
  reads_min       integer CHECK (reads_min BETWEEN 1 AND 100),            -- repeated evidence
  clear_dbm       real CHECK (clear_dbm BETWEEN -110 AND 0),              -- weaker reads are no evidence alone
  lead_db         real CHECK (lead_db BETWEEN 0 AND 60),                  -- mean lead of a contested zone
  strong_db       real CHECK (strong_db BETWEEN 0 AND 60),                -- lead by which one read suffices
  return_within_s integer CHECK (return_within_s BETWEEN 0 AND 86400),    -- going back so soon needs more than one read
  UNIQUE NULLS NOT DISTINCT (device_id, site, device_class)
);
CREATE FUNCTION registry_changed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_notify('registry', ''); RETURN NULL; END $$;
CREATE TRIGGER read_policy_notify AFTER INSERT OR UPDATE OR DELETE ON read_policy FOR EACH STATEMENT EXECUTE FUNCTION registry_changed();

-- Evidence that a tag may be in another zone; NULL = nothing speaks against its home.
ALTER TABLE goods_position ADD COLUMN pending jsonb;

-- A movement that was taken back and holds after all is told again as a revision of itself.
ALTER TABLE movement ADD COLUMN revision integer NOT NULL DEFAULT 0 CHECK (revision >= 0);
DROP INDEX movement_once;
CREATE UNIQUE INDEX movement_once ON movement (occurred_at, device_id, kind, coalesce(tag_epc, ''), coalesce(vehicle_plate, ''),
       coalesce(from_zone_id, ''), coalesce(to_zone_id, ''), coalesce(evidence->>'warehouse_id', ''), coalesce(corrects, 0), revision);
CREATE UNIQUE INDEX movement_corrected_once ON movement (corrects) WHERE corrects IS NOT NULL;
CREATE INDEX movement_tag ON movement (tag_epc, occurred_at DESC) WHERE tag_epc IS NOT NULL;

-- Learnt clock: median of received minus observed over the newest samples; positive = the clock is behind or the way is slow.
ALTER TABLE device_state ADD COLUMN clock_offset_ms bigint;
ALTER TABLE device_state ADD COLUMN clock_samples_ms bigint[] NOT NULL DEFAULT '{}';
ALTER TABLE device_state ADD COLUMN clock_sampled_at timestamptz;
-- Numbers received since each restart: [[[from, to, from_at, to_at], ...], ...].
ALTER TABLE device_state ADD COLUMN seq_spans jsonb NOT NULL DEFAULT '[]';
-- Start of the present run of signs of life; it ends at heard_until. Earlier runs are in device_heard.
ALTER TABLE device_state ADD COLUMN heard_from timestamptz;
ALTER TABLE device_state ADD COLUMN heard_until timestamptz;

-- "We may have missed reads": what a device sent or saw and we do not have. filled_at: it came late after all.
CREATE TABLE missed_reads (
  device_id   text NOT NULL REFERENCES device,
  kind        text NOT NULL CHECK (kind IN ('SEQ_GAP','SEQ_RESET','OVERFLOW','DROPPED')),
  from_at     timestamptz NOT NULL,               -- event time of the last message before
  until_at    timestamptz NOT NULL,               -- and of the first one after
  seq_from    bigint NOT NULL DEFAULT 0,          -- first missing number
  seq_to      bigint NOT NULL DEFAULT 0,
  missed      bigint CHECK (missed > 0),          -- messages or reads; NULL = nobody knows
  recorded_at timestamptz NOT NULL,
  filled_at   timestamptz,
  CHECK (until_at >= from_at),
  PRIMARY KEY (device_id, kind, from_at, seq_from, seq_to)
);
CREATE INDEX missed_reads_recent ON missed_reads (device_id, until_at DESC);

-- Runs of signs of life, by event time; between them the device saw nothing that we know of.
CREATE TABLE device_heard (
  device_id   text NOT NULL REFERENCES device,
  from_at     timestamptz NOT NULL,
  until_at    timestamptz NOT NULL CHECK (until_at >= from_at),
  PRIMARY KEY (device_id, from_at)
);
