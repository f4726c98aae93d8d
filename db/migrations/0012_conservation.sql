-- Why:   the conservation of readings is counted again every night, per device and day, and what was found is kept for people and for the alarm.
-- Needs: 0002 (ingest_tally).
-- Lock:  none: one new table.
-- Undo:  drop the table.

CREATE TABLE conservation_check (
  device_id  text        NOT NULL,
  day        date        NOT NULL,               -- of receipt, UTC, as in ingest_tally
  counted    bigint      NOT NULL CHECK (counted >= 0),   -- stored, by the counters
  found      bigint      NOT NULL CHECK (found >= 0),     -- rows in the tables, and those that retention took
  found_at   timestamptz NOT NULL,               -- when this was first found so; counts since then gave the same
  PRIMARY KEY (device_id, day)
);
CREATE INDEX conservation_broken ON conservation_check (device_id, day) WHERE counted <> found;
