-- Why:   people mend what was refused and drive it through again; old telemetry goes, but never what an open pledge, alert or legal hold needs.
-- Needs: 0003.
-- Lock:  dead_letter for an instant (two checks, new columns without rewriting).
-- Undo:  drop the new columns and tables; letters in QUEUED become KEPT.

ALTER TABLE dead_letter DROP CONSTRAINT dead_letter_state_check;
ALTER TABLE dead_letter
  ADD COLUMN worked_by text,                      -- who queued or discarded it last
  ADD COLUMN worked_at timestamptz,
  ADD COLUMN outcome   jsonb,                     -- of the last re-drive: readings by fate, or why it was refused again; of a discard: the reason
  ADD CONSTRAINT dead_letter_state_check CHECK (state IN ('KEPT','QUEUED','REDRIVEN','DISCARDED')),
  ADD CONSTRAINT dead_letter_worked CHECK (state = 'KEPT' OR (worked_by IS NOT NULL AND worked_at IS NOT NULL)) NOT VALID;
CREATE INDEX dead_letter_queued ON dead_letter (dead_letter_id) WHERE state = 'QUEUED';
CREATE INDEX dead_letter_device ON dead_letter (topic_device, reason);

-- What retention removed, so that the counters can still be compared with the tables.
CREATE TABLE telemetry_purge (
  device_id text NOT NULL,                        -- '' = the topic named no known device
  day       date NOT NULL,                        -- of receipt, as in ingest_tally
  stored    bigint NOT NULL DEFAULT 0 CHECK (stored >= 0),
  refused   bigint NOT NULL DEFAULT 0 CHECK (refused >= 0),
  PRIMARY KEY (device_id, day)
);

-- Evidence that must stay, whatever its age: a court, an auditor or an inquiry asked for it.
CREATE TABLE legal_hold (
  hold_id    text PRIMARY KEY,
  tenant_id  text NOT NULL REFERENCES tenant,
  subject_kind text NOT NULL CHECK (subject_kind IN ('goods','device')),
  subject_id text NOT NULL,
  reason     text NOT NULL CHECK (reason <> ''),
  placed_by  text NOT NULL,
  placed_at  timestamptz NOT NULL,
  lifted_by  text,
  lifted_at  timestamptz,
  CHECK ((lifted_by IS NULL) = (lifted_at IS NULL)),
  CHECK (lifted_at >= placed_at)
);
CREATE UNIQUE INDEX legal_hold_once ON legal_hold (subject_kind, subject_id) WHERE lifted_at IS NULL;
