-- Why:   whose a price is and who vouches for it, differentials, interest, corrections, products, caps, borrowing base certificates.
-- Needs: 0001 (price_quote, facility, ledger_entry, valuation).
-- Lock:  price_quote, facility, facility_commodity and valuation briefly, for new columns; price_quote while its unique index is built anew.
-- Undo:  drop the new tables, columns and the trigger; put the old unique constraint back once no tenant's quote doubles a market quote.

-- ---------------------------------------------------------------- prices

-- Market data is everybody's (NULL); what a tenant reports is the tenant's own and moves nobody else's loans.
ALTER TABLE price_quote ADD COLUMN tenant_id text REFERENCES tenant;
ALTER TABLE price_quote ADD COLUMN city text, ADD COLUMN grade text, ADD COLUMN spec text;   -- of the goods that the source quotes
ALTER TABLE price_quote ADD COLUMN accepted_at timestamptz;     -- when it left quarantine; NULL = accepted as it was recorded, or not at all
ALTER TABLE price_quote DROP CONSTRAINT price_quote_commodity_code_source_quoted_at_key;
ALTER TABLE price_quote ADD CONSTRAINT price_quote_once UNIQUE NULLS NOT DISTINCT (tenant_id, commodity_code, source, quoted_at);

-- A quote stays as it was printed; only quarantine ends, once.
CREATE FUNCTION price_quote_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.status <> 'QUARANTINED' OR (to_jsonb(NEW) - '{status,reason,accepted_at}'::text[]) <> (to_jsonb(OLD) - '{status,reason,accepted_at}'::text[]) THEN
    RAISE EXCEPTION 'price % is recorded: only a quarantined price changes, and only its status', OLD.price_id USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER price_quote_stays BEFORE UPDATE ON price_quote FOR EACH ROW EXECUTE FUNCTION price_quote_stays();

-- Two people's word for a quarantined price.
CREATE TABLE price_override (
  override_id   text PRIMARY KEY,
  tenant_id     text NOT NULL REFERENCES tenant,
  price_id      text NOT NULL REFERENCES price_quote,
  status        text NOT NULL CHECK (status IN ('PROPOSED','APPROVED','REJECTED')),
  reason        text NOT NULL,
  proposed_by   text NOT NULL,
  proposed_at   timestamptz NOT NULL,
  decided_by    text,
  decided_at    timestamptz,
  decision_reason text,
  used_price_id text REFERENCES price_quote,     -- what counts for the tenant: the price itself, or the tenant's copy of a market quote
  CONSTRAINT price_override_by_two CHECK (decided_by IS NULL OR decided_by <> proposed_by),
  CHECK ((status = 'PROPOSED') = (decided_by IS NULL)),
  CHECK ((status = 'APPROVED') = (used_price_id IS NOT NULL))
);
CREATE UNIQUE INDEX one_override_per_price ON price_override (tenant_id, price_id) WHERE status <> 'REJECTED';

-- What a grade, a brand or a place is worth more or less than the quoted goods; per unit of the commodity or as a share; valid in time.
CREATE TABLE price_differential (
  differential_id text PRIMARY KEY,
  tenant_id       text NOT NULL REFERENCES tenant,
  facility_id     text REFERENCES facility,      -- NULL = every facility of the tenant
  commodity_code  text NOT NULL REFERENCES commodity,
  kind            text NOT NULL CHECK (kind IN ('GRADE','SPEC','BRAND','PLACE')),
  applies_to      text NOT NULL CHECK (applies_to ~ '\S'),       -- the grade, spec or brand as the goods carry it; a warehouse id
  amount          numeric(18,4),                 -- ex-VAT, per unit of the commodity, in currency
  currency        text CHECK (currency ~ '^[A-Z]{3}$'),
  share           numeric(8,6) CHECK (share > -1 AND share < 1),
  valid_from      date NOT NULL,
  valid_to        date,                          -- first day on which it no longer holds
  reason          text NOT NULL,
  status          text NOT NULL CHECK (status IN ('PROPOSED','APPROVED','REJECTED')),
  proposed_by     text NOT NULL,
  proposed_at     timestamptz NOT NULL,
  decided_by      text,
  decided_at      timestamptz,
  CHECK (num_nonnulls(amount, share) = 1 AND (amount IS NULL) = (currency IS NULL)),
  CHECK (valid_to IS NULL OR valid_to > valid_from),
  CHECK ((status = 'PROPOSED') = (decided_by IS NULL)),
  CONSTRAINT price_differential_by_two CHECK (decided_by IS NULL OR decided_by <> proposed_by),
  CONSTRAINT one_differential_at_a_time EXCLUDE USING gist (tenant_id WITH =, coalesce(facility_id, '') WITH =, commodity_code WITH =, kind WITH =,
    applies_to WITH =, daterange(valid_from, valid_to) WITH &&) WHERE (status = 'APPROVED')
);
CREATE INDEX price_differential_commodity ON price_differential (tenant_id, commodity_code) WHERE status = 'APPROVED';

ALTER TABLE facility_commodity
  ADD COLUMN price_rule text NOT NULL DEFAULT 'PRIMARY_WITH_TOLERANCE' CHECK (price_rule IN ('PRIMARY_WITH_TOLERANCE','LOWER_OF')),
  ADD COLUMN further_sources text[] NOT NULL DEFAULT '{}' CHECK (cardinality(further_sources) <= 8),   -- in rank, after primary and check
  ADD COLUMN accepted_grades text[];             -- NULL = every grade

-- ---------------------------------------------------------------- valuation

-- A back-dated price makes the last mark of a past day wrong: the new one names it, and both stay.
ALTER TABLE valuation ADD COLUMN restates text REFERENCES valuation UNIQUE;

-- How much of a facility's eligible value may lie in one warehouse, brand, grade or spec.
CREATE TABLE facility_cap (
  facility_id text NOT NULL REFERENCES facility,
  dimension   text NOT NULL CHECK (dimension IN ('WAREHOUSE','BRAND','MILL','SKU')),
  share       numeric(8,6) NOT NULL CHECK (share > 0 AND share < 1),
  PRIMARY KEY (facility_id, dimension)
);

CREATE TABLE borrowing_base_certificate (
  certificate_id text PRIMARY KEY,
  tenant_id     text NOT NULL REFERENCES tenant,
  facility_id   text NOT NULL REFERENCES facility,
  as_of         timestamptz NOT NULL,
  issued_at     timestamptz NOT NULL,
  issued_by     text NOT NULL,
  content       text NOT NULL,                   -- canonical JSON, kept as written: the papers are drawn from it and from nothing else
  content_hash  text NOT NULL CHECK (content_hash = encode(sha256(convert_to(content, 'UTF8')), 'hex')),
  CHECK (as_of <= issued_at),
  UNIQUE (facility_id, as_of)
);
CREATE TRIGGER borrowing_base_certificate_append_only BEFORE UPDATE OR DELETE ON borrowing_base_certificate FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- ---------------------------------------------------------------- products and money

ALTER TABLE facility DROP CONSTRAINT facility_product_check;
ALTER TABLE facility ADD CONSTRAINT facility_product_check
  CHECK (product IN ('STEEL_STATIC','METAL_FLOATING','PETROCHEM_TANK','AUTO_FLOORPLAN','PREPAY_THEN_GOODS','GENERAL'));
ALTER TABLE facility ADD COLUMN repayment_order text[] NOT NULL DEFAULT '{fees,interest,principal}'
  CHECK (cardinality(repayment_order) = 3 AND repayment_order @> '{fees,interest,principal}' AND repayment_order <@ '{fees,interest,principal}');

-- A product is data: what a facility under it may be. Terms beyond these are refused when the facility is opened.
CREATE TABLE credit_product (
  product       text PRIMARY KEY CHECK (product IN ('STEEL_STATIC','METAL_FLOATING','PETROCHEM_TANK','AUTO_FLOORPLAN','PREPAY_THEN_GOODS','GENERAL')),
  name          text NOT NULL,
  name_zh       text NOT NULL,
  pledge_modes  text[] NOT NULL CHECK (pledge_modes <@ ARRAY['STATIC','FLOATING'] AND cardinality(pledge_modes) > 0),
  tenor_days_max integer NOT NULL CHECK (tenor_days_max > 0),
  cure_hours_max integer NOT NULL CHECK (cure_hours_max > 0),           -- of a cure in HOURS
  cure_days_max integer NOT NULL CHECK (cure_days_max > 0),             -- of a cure in BUSINESS_DAYS
  disposal_cost_min numeric(8,6) NOT NULL CHECK (disposal_cost_min >= 0 AND disposal_cost_min < 0.5)
);
CREATE TABLE credit_product_advance (
  product         text NOT NULL REFERENCES credit_product,
  commodity_group text NOT NULL,                 -- '*' = any other group
  advance_max     numeric(8,6) NOT NULL CHECK (advance_max > 0 AND advance_max < 1),
  PRIMARY KEY (product, commodity_group)
);
INSERT INTO credit_product VALUES
  ('STEEL_STATIC', 'Steel, static pledge', '钢材静态质押', '{STATIC}', 366, 24, 3, 0.03),
  ('METAL_FLOATING', 'Metal, floating pledge', '有色金属动态质押', '{FLOATING}', 366, 24, 1, 0.03),
  ('PETROCHEM_TANK', 'Petrochemicals in tanks', '罐装石化质押', '{STATIC,FLOATING}', 366, 24, 1, 0.05),
  ('AUTO_FLOORPLAN', 'Dealer stock of cars', '汽车库存融资', '{STATIC,FLOATING}', 366, 72, 3, 0.05),
  ('PREPAY_THEN_GOODS', 'Prepaid, then goods', '先款后货', '{STATIC}', 366, 24, 3, 0.05),
  ('GENERAL', 'Any goods', '一般存货质押', '{STATIC,FLOATING}', 366, 240, 10, 0);
INSERT INTO credit_product_advance VALUES
  ('STEEL_STATIC', '*', 0.75), ('METAL_FLOATING', '*', 0.80), ('PETROCHEM_TANK', '*', 0.65), ('PETROCHEM_TANK', 'polymer', 0.70),
  ('PETROCHEM_TANK', 'oil', 0.60), ('AUTO_FLOORPLAN', '*', 0.80), ('PREPAY_THEN_GOODS', '*', 0.80), ('GENERAL', '*', 0.85);

-- What borrowing costs, valid in time; days are the bank's.
CREATE TABLE facility_rate (
  facility_id text NOT NULL REFERENCES facility,
  valid_from  date NOT NULL,
  valid_to    date,
  annual_rate numeric(8,6) NOT NULL CHECK (annual_rate >= 0 AND annual_rate < 1),
  day_count   text NOT NULL CHECK (day_count IN ('ACT/360','ACT/365F')),
  set_by      text NOT NULL,
  set_at      timestamptz NOT NULL,
  PRIMARY KEY (facility_id, valid_from),
  CHECK (valid_to IS NULL OR valid_to > valid_from),
  EXCLUDE USING gist (facility_id WITH =, daterange(valid_from, valid_to) WITH &&)
);

-- Interest of all days before accrued_to, exact and rounded once; the entry posts what was not posted before.
CREATE TABLE interest_accrual (
  entry_id    bigint PRIMARY KEY REFERENCES ledger_entry,
  facility_id text NOT NULL REFERENCES facility,
  accrued_to  date NOT NULL,
  total       numeric(20,2) NOT NULL CHECK (total >= 0),
  posted      numeric(20,2) NOT NULL CHECK (posted <> 0)
);
CREATE INDEX interest_accrual_facility ON interest_accrual (facility_id, entry_id);
CREATE TRIGGER interest_accrual_append_only BEFORE UPDATE OR DELETE ON interest_accrual FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE ledger_correction (
  correction_id text PRIMARY KEY,
  tenant_id     text NOT NULL REFERENCES tenant,
  facility_id   text NOT NULL REFERENCES facility,
  entry_no      bigint NOT NULL,
  status        text NOT NULL CHECK (status IN ('PROPOSED','APPROVED','REJECTED')),
  reason        text NOT NULL,
  proposed_by   text NOT NULL,
  proposed_at   timestamptz NOT NULL,
  decided_by    text,
  decided_at    timestamptz,
  reversing_entry_no bigint,
  CONSTRAINT ledger_correction_by_two CHECK (decided_by IS NULL OR decided_by <> proposed_by),
  CHECK ((status = 'PROPOSED') = (decided_by IS NULL)),
  CHECK ((status = 'APPROVED') = (reversing_entry_no IS NOT NULL)),
  FOREIGN KEY (facility_id, entry_no) REFERENCES ledger_entry (facility_id, entry_no)
);
CREATE UNIQUE INDEX one_correction_asked_per_entry ON ledger_correction (facility_id, entry_no) WHERE status <> 'REJECTED';
CREATE UNIQUE INDEX one_correction_per_entry ON ledger_entry (corrects) WHERE corrects IS NOT NULL;
CREATE INDEX ledger_entry_happened ON ledger_entry (facility_id, happened_at);
