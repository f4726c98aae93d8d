-- Why:   runs, alerts and what people did with them.
-- Needs: 0001, 0002.
-- Lock:  creates only.
-- Undo:  drop the tables; alerts and runs are lost.

CREATE TABLE job_run (
  run_id       text PRIMARY KEY,
  job          text NOT NULL,
  scheduled_for timestamptz NOT NULL,
  as_of        timestamptz NOT NULL,
  started_at   timestamptz NOT NULL,
  finished_at  timestamptz,
  status       text NOT NULL CHECK (status IN ('RUNNING','SUCCEEDED','PARTLY_FAILED','FAILED','ABANDONED')),
  inputs       jsonb NOT NULL DEFAULT '{}',       -- counts and watermarks of the snapshot
  findings     jsonb NOT NULL DEFAULT '{}',       -- rule code -> count
  errors       jsonb NOT NULL DEFAULT '[]',       -- [{"rule": "R02", "error": "..."}]
  duration_ms  bigint,
  process      text NOT NULL,
  UNIQUE (job, scheduled_for)
);
CREATE INDEX job_run_recent ON job_run (started_at DESC);

CREATE TABLE alert (
  alert_id     text PRIMARY KEY,
  tenant_id    text NOT NULL REFERENCES tenant,
  rule_code    text NOT NULL,                     -- R01 ... V09
  rule_version integer NOT NULL,
  subject_kind text NOT NULL CHECK (subject_kind IN ('goods','tag','device','site','vehicle','trip','facility','pledge','document','commodity','party')),
  subject_id   text NOT NULL,
  facility_id  text REFERENCES facility,
  warehouse_id text REFERENCES warehouse,
  pledge_id    text REFERENCES pledge,
  leg          text NOT NULL CHECK (leg IN ('I','T','L')),
  severity     text NOT NULL CHECK (severity IN ('P1','P2','P3','P4')),
  status       text NOT NULL CHECK (status IN ('OPEN','ACK','INVESTIGATING','CONFIRMED','EXPLAINED','FALSE_ALARM','CLOSED','RESOLVED')),
  summary      text NOT NULL,                     -- one sentence, English
  summary_zh   text NOT NULL,
  evidence     jsonb NOT NULL,
  thresholds   jsonb NOT NULL DEFAULT '{}',
  exposure_at_risk numeric(20,2),
  currency     text,
  occurred_at  timestamptz NOT NULL,              -- when the thing happened, by event time
  opened_at    timestamptz NOT NULL,
  recorded_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  last_found_at timestamptz NOT NULL,
  sla_due_at   timestamptz,
  resolved_at  timestamptz,                       -- the condition went away by itself
  closed_at    timestamptz,                       -- people closed it
  owner        text,
  closing_user text,
  second_closing_user text,
  closing_reason text,
  version      integer NOT NULL DEFAULT 1,        -- optimistic locking
  episode      integer NOT NULL DEFAULT 1,
  event_keys   text[] NOT NULL DEFAULT '{}',      -- what opened and fed it (movement:42, refusal:7): the same event never opens it twice
  composite_legs text[] NOT NULL DEFAULT '{}',    -- legs that alarmed together and raised it one level; empty = not raised so
  CONSTRAINT alert_closed_by_two CHECK (status <> 'CLOSED' OR severity NOT IN ('P1','P2') OR (closing_user IS NOT NULL AND second_closing_user IS NOT NULL AND closing_user <> second_closing_user)),
  CHECK (status <> 'CLOSED' OR (closing_reason IS NOT NULL AND closed_at IS NOT NULL))
);
-- One open episode per rule and subject.
CREATE UNIQUE INDEX one_open_alert ON alert (tenant_id, rule_code, subject_kind, subject_id) WHERE status NOT IN ('CLOSED','RESOLVED');
CREATE INDEX alert_recent ON alert (tenant_id, opened_at DESC);
CREATE INDEX alert_pledge ON alert (pledge_id, opened_at) WHERE pledge_id IS NOT NULL;
CREATE INDEX alert_facility ON alert (facility_id) WHERE facility_id IS NOT NULL;
CREATE INDEX alert_subject ON alert (subject_kind, subject_id);

CREATE TABLE alert_event (
  event_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,   -- also the SSE id
  alert_id    text NOT NULL REFERENCES alert,
  tenant_id   text NOT NULL,
  happened_at timestamptz NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  actor       text NOT NULL,                      -- user id, or rule:R01
  kind        text NOT NULL CHECK (kind IN ('OPENED','REFRESHED','RAISED','RESOLVED','REOPENED','ACKNOWLEDGED','ASSIGNED','COMMENTED','STATUS','CLOSED')),
  detail      jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX alert_event_alert ON alert_event (alert_id, event_id);
CREATE TRIGGER alert_event_append_only BEFORE UPDATE OR DELETE ON alert_event FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE FUNCTION alert_event_notify() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_notify('alert_event', NEW.event_id::text); RETURN NULL; END $$;
CREATE TRIGGER alert_event_notify AFTER INSERT ON alert_event FOR EACH ROW EXECUTE FUNCTION alert_event_notify();

-- The transaction that wrote the row. Ids commit out of order; transactions below a snapshot's xmin are over, so a reader that
-- starts each time at the xmin of its last snapshot never skips a late commit.
ALTER TABLE movement        ADD COLUMN recorded_xid xid8 NOT NULL DEFAULT pg_current_xact_id();
ALTER TABLE refused_command ADD COLUMN recorded_xid xid8 NOT NULL DEFAULT pg_current_xact_id();
CREATE INDEX movement_recorded_xid ON movement (recorded_xid, movement_id);
CREATE INDEX refused_command_recorded_xid ON refused_command (recorded_xid, refusal_id);

-- How far the fast lane has read: every row of a transaction below these was judged. The ids are for people.
CREATE TABLE fast_lane_cursor (
  only_row    boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  movement_id bigint NOT NULL DEFAULT 0,
  refusal_id  bigint NOT NULL DEFAULT 0,
  movement_xid xid8 NOT NULL DEFAULT '0',
  refusal_xid  xid8 NOT NULL DEFAULT '0'
);
INSERT INTO fast_lane_cursor DEFAULT VALUES;

-- When each scheduled job fires next, by the product's clock; kept by the leading risk process.
CREATE TABLE job_schedule (
  job          text PRIMARY KEY,
  next_fire_at timestamptz NOT NULL,
  updated_at   timestamptz NOT NULL
);

-- A run that somebody asked for; the leading risk process takes it up.
CREATE TABLE job_request (
  request_id   text PRIMARY KEY,
  job          text NOT NULL,
  as_of        timestamptz,                       -- NULL = when it runs
  requested_by text NOT NULL,
  requested_at timestamptz NOT NULL,
  state        text NOT NULL DEFAULT 'WAITING' CHECK (state IN ('WAITING','TAKEN','DONE','FAILED')),
  run_id       text REFERENCES job_run,
  CHECK (state NOT IN ('DONE') OR run_id IS NOT NULL)
);
CREATE INDEX job_request_waiting ON job_request (requested_at) WHERE state = 'WAITING';
CREATE FUNCTION job_request_notify() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_notify('job_request', NEW.request_id); RETURN NULL; END $$;
CREATE TRIGGER job_request_notify AFTER INSERT ON job_request FOR EACH ROW EXECUTE FUNCTION job_request_notify();

-- Inventory rounds that really happened, per reader and zone: a tag is missing after rounds, not after hours (R02).
CREATE TABLE inventory_round (
  device_id      text NOT NULL REFERENCES device,
  zone_id        text NOT NULL REFERENCES zone,
  round_at       timestamptz NOT NULL,            -- newest read of the round
  units_seen     integer NOT NULL CHECK (units_seen >= 0),
  units_expected integer NOT NULL CHECK (units_expected >= units_seen),
  PRIMARY KEY (device_id, zone_id, round_at)
);
