-- Why:   an alert forgot which of its events were explained, what people had found before they closed it, and when its weight changed.
-- Needs: 0004.
-- Lock:  alert, exclusively, for an instant, nothing is rewritten; movement against writes while its index is built.
-- Undo:  drop the columns and the index.

ALTER TABLE alert ADD COLUMN explained_keys text[] NOT NULL DEFAULT '{}';  -- of event_keys, those that a later fact explains: a return, a correction
ALTER TABLE alert ADD COLUMN evidence_at timestamptz;                      -- event time of what the evidence shows; NULL = occurred_at
ALTER TABLE alert ADD COLUMN outcome text CHECK (outcome IN ('CONFIRMED','EXPLAINED','FALSE_ALARM'));  -- what the work had shown when it ended; NULL = nothing said
-- When the goods' eligibility last changed by it, by the product's clock at the time of writing: opened, reopened, raised, resolved. Marks are due by it.
ALTER TABLE alert ADD COLUMN weighed_at timestamptz;

-- Whether a movement was corrected is asked for each movement judged.
CREATE INDEX movement_corrects ON movement (corrects) WHERE corrects IS NOT NULL;
