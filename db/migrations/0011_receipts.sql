-- Why:   the whole life of a warehouse receipt: its mandatory elements, endorsement, freezing, splitting, merging, cancelling, on a chain of events.
-- Needs: 0001 (warehouse_receipt, receipt_item, goods_unit, party).
-- Lock:  warehouse_receipt briefly, for new columns that are NULL.
-- Undo:  drop the new tables, the functions and the three new columns of warehouse_receipt.

ALTER TABLE warehouse_receipt
  ADD COLUMN holder_party_id   text REFERENCES party,       -- who holds title since a transfer; NULL = the depositor
  ADD COLUMN endorsee_party_id text REFERENCES party,       -- to whom it is endorsed in pledge
  ADD COLUMN frozen_from       text CHECK (frozen_from IN ('ISSUED','ENDORSED')),
  ADD CONSTRAINT receipt_frozen_from_a_live_state CHECK (frozen_from IS NULL OR state = 'FROZEN'),
  ADD CONSTRAINT receipt_endorsee_of_an_endorsed_one CHECK (endorsee_party_id IS NULL OR state = 'ENDORSED' OR frozen_from = 'ENDORSED');

-- What the law and GB/T 30332-2024 ask of a receipt beside what warehouse_receipt holds. A receipt without this row secures no endorsement.
CREATE TABLE receipt_elements (
  receipt_no        text PRIMARY KEY REFERENCES warehouse_receipt,
  depositor_name    text NOT NULL CHECK (depositor_name ~ '\S'),
  depositor_address text NOT NULL CHECK (depositor_address ~ '\S'),
  goods_name        text NOT NULL CHECK (goods_name ~ '\S'),
  quantity          numeric(18,6) NOT NULL CHECK (quantity > 0),
  unit              text NOT NULL,
  quality           text NOT NULL CHECK (quality ~ '\S'),
  packing           text NOT NULL CHECK (packing ~ '\S'),
  pieces            integer NOT NULL CHECK (pieces > 0),
  marks             text NOT NULL CHECK (marks ~ '\S'),
  shrinkage_standard text NOT NULL CHECK (shrinkage_standard ~ '\S'),
  storage_place     text NOT NULL CHECK (storage_place ~ '\S'),
  storage_from      date NOT NULL,
  storage_to        date NOT NULL,
  storage_fee       numeric(20,2) NOT NULL CHECK (storage_fee >= 0),
  insurer           text NOT NULL CHECK (insurer ~ '\S'),
  insurance_from    date NOT NULL,
  issuer_name       text NOT NULL CHECK (issuer_name ~ '\S'),
  issue_place       text NOT NULL CHECK (issue_place ~ '\S'),
  keeper_signatory  text NOT NULL CHECK (keeper_signatory ~ '\S'),
  electronic        boolean NOT NULL,
  recorded_at       timestamptz NOT NULL,
  CHECK (storage_to > storage_from)
);
CREATE TRIGGER receipt_elements_append_only BEFORE UPDATE OR DELETE ON receipt_elements FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- The quantity on the paper is the quantity of the units under it.
CREATE FUNCTION receipt_quantity_is_of_its_goods() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE lies numeric;
BEGIN
  SELECT sum(g.quantity) FILTER (WHERE g.unit = NEW.unit) INTO lies
    FROM receipt_item i JOIN goods_unit g USING (goods_id) WHERE i.receipt_no = NEW.receipt_no AND i.ended_at IS NULL
  HAVING count(*) FILTER (WHERE g.unit <> NEW.unit) = 0;
  IF lies IS DISTINCT FROM NEW.quantity THEN
    RAISE EXCEPTION 'receipt % says % %, its units are %', NEW.receipt_no, NEW.quantity, NEW.unit, coalesce(lies::text, 'of another unit')
      USING ERRCODE = 'check_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER receipt_quantity_is_of_its_goods AFTER INSERT ON receipt_elements DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION receipt_quantity_is_of_its_goods();

-- A unit that left a receipt does not come back under it: history stays.
CREATE FUNCTION receipt_item_ends_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' OR OLD.ended_at IS NOT NULL OR (NEW.receipt_no, NEW.goods_id) <> (OLD.receipt_no, OLD.goods_id) THEN
    RAISE EXCEPTION 'unit % under receipt %: the link ends once and stays on record', OLD.goods_id, OLD.receipt_no USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER receipt_item_ends_once BEFORE UPDATE OR DELETE ON receipt_item FOR EACH ROW EXECUTE FUNCTION receipt_item_ends_once();

-- Which receipts took the place of which: one by several (split), several by one (merge). Nothing is won or lost on the way.
CREATE TABLE receipt_succession (
  old_receipt_no text NOT NULL REFERENCES warehouse_receipt,
  new_receipt_no text NOT NULL REFERENCES warehouse_receipt,
  happened_at    timestamptz NOT NULL,
  PRIMARY KEY (old_receipt_no, new_receipt_no),
  CHECK (old_receipt_no <> new_receipt_no)
);
CREATE INDEX receipt_succession_new ON receipt_succession (new_receipt_no);
CREATE TRIGGER receipt_succession_append_only BEFORE UPDATE OR DELETE ON receipt_succession FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE FUNCTION receipt_succession_conserves() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE lost text;
BEGIN
  WITH before AS (
    SELECT i.goods_id FROM receipt_item i
     WHERE i.receipt_no IN (SELECT old_receipt_no FROM receipt_succession WHERE new_receipt_no = NEW.new_receipt_no) AND i.ended_at = NEW.happened_at
  ), later AS (
    SELECT i.goods_id FROM receipt_item i
     WHERE i.receipt_no IN (SELECT new_receipt_no FROM receipt_succession WHERE old_receipt_no = NEW.old_receipt_no) AND i.ended_at IS NULL
  )
  SELECT coalesce(b.goods_id, l.goods_id) INTO lost FROM before b FULL JOIN later l USING (goods_id) WHERE b.goods_id IS NULL OR l.goods_id IS NULL LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'unit % does not lie under both % and what takes its place', lost, NEW.old_receipt_no USING ERRCODE = 'check_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER receipt_succession_conserves AFTER INSERT ON receipt_succession DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION receipt_succession_conserves();

-- What happened to a receipt: numbered without a hole, each chained to the one before it.
CREATE TABLE receipt_event (
  receipt_no  text NOT NULL REFERENCES warehouse_receipt,
  event_no    integer NOT NULL CHECK (event_no > 0),
  kind        text NOT NULL CHECK (kind IN ('ISSUED','PLEDGE_ENDORSED','TRANSFERRED','RETURNED','FROZEN','UNFROZEN','SPLIT','MERGED','CANCELLED')),
  state       text NOT NULL CHECK (state IN ('ISSUED','ENDORSED','FROZEN','CANCELLED')),   -- of the receipt from then on
  happened_at timestamptz NOT NULL,
  actor       text NOT NULL,
  asked_by    text,                             -- who asked for what the actor decided
  content     text NOT NULL,                    -- canonical JSON of all of this and its particulars, kept as written
  prev_hash   text NOT NULL,
  hash        text NOT NULL,
  PRIMARY KEY (receipt_no, event_no),
  CONSTRAINT receipt_event_gives_its_hash CHECK (hash = encode(sha256(convert_to(prev_hash || content, 'UTF8')), 'hex')),
  CHECK (asked_by IS NULL OR asked_by <> actor)
);
CREATE TRIGGER receipt_event_append_only BEFORE UPDATE OR DELETE ON receipt_event FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- What one person asks to be done with receipts and another decides.
CREATE TABLE receipt_order (
  order_id     text PRIMARY KEY,
  tenant_id    text NOT NULL REFERENCES tenant,
  kind         text NOT NULL CHECK (kind IN ('ENDORSE','UNFREEZE','SPLIT','MERGE','CANCEL')),
  receipt_nos  text[] NOT NULL CHECK (cardinality(receipt_nos) > 0),
  request      jsonb NOT NULL,
  reason       text NOT NULL,
  status       text NOT NULL CHECK (status IN ('PROPOSED','APPROVED','REJECTED')),
  proposed_by  text NOT NULL,
  proposed_at  timestamptz NOT NULL,
  decided_by   text,
  decided_at   timestamptz,
  CONSTRAINT receipt_order_by_two CHECK (decided_by IS NULL OR decided_by <> proposed_by),
  CHECK ((status = 'PROPOSED') = (decided_by IS NULL)),
  CHECK ((kind = 'MERGE') = (cardinality(receipt_nos) > 1))
);
CREATE INDEX receipt_order_newest ON receipt_order (tenant_id, proposed_at DESC, order_id DESC);
