-- Why:   the vocabulary of the store: tenants, people, parties, places, devices, goods, money, telemetry, risk.
-- Needs: PostgreSQL 15 or newer with the contrib extension btree_gist.
-- Lock:  creates only; nothing existing is touched.
-- Undo:  drop the database; this is the first migration.

CREATE EXTENSION IF NOT EXISTS btree_gist;

-- A fact that was written stays written: corrections are new rows that name the old one.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only: % refused; write a correcting row instead', TG_TABLE_NAME, TG_OP
    USING ERRCODE = 'integrity_constraint_violation';
END $$;

-- ---------------------------------------------------------------- tenants and people

CREATE TABLE tenant (
  tenant_id   text PRIMARY KEY CHECK (tenant_id ~ '^[a-z0-9][a-z0-9-]{0,31}$'),
  name        text NOT NULL,
  created_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE app_user (
  user_id       text PRIMARY KEY,
  tenant_id     text NOT NULL REFERENCES tenant,
  username      text NOT NULL UNIQUE,
  display_name  text NOT NULL,
  password_hash text NOT NULL CHECK (password_hash LIKE '$argon2id$%'),
  roles         text[] NOT NULL CHECK (roles <@ ARRAY['risk_officer','approver','warehouse_operator','device_admin','auditor','admin','system'] AND cardinality(roles) > 0),
  active        boolean NOT NULL DEFAULT true,
  created_at    timestamptz NOT NULL
);

CREATE TABLE audit_entry (
  audit_id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant_id    text NOT NULL REFERENCES tenant,
  happened_at  timestamptz NOT NULL,
  recorded_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  user_id      text NOT NULL,
  action       text NOT NULL,
  subject_kind text NOT NULL,
  subject_id   text NOT NULL,
  detail       jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_entry_subject ON audit_entry (subject_kind, subject_id, audit_id);
CREATE TRIGGER audit_entry_append_only BEFORE UPDATE OR DELETE ON audit_entry FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- One row per client key: the same request is answered again, another request under the key is a conflict.
CREATE TABLE idempotency_key (
  tenant_id    text NOT NULL,
  user_id      text NOT NULL,
  key          text NOT NULL CHECK (length(key) BETWEEN 1 AND 200),
  request_hash text NOT NULL,
  status_code  integer NOT NULL,
  response     jsonb NOT NULL,
  created_at   timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, user_id, key)
);

-- ---------------------------------------------------------------- parties and places

CREATE TABLE party (
  party_id   text PRIMARY KEY,
  tenant_id  text NOT NULL REFERENCES tenant,
  name       text NOT NULL,
  name_zh    text NOT NULL,
  roles      text[] NOT NULL CHECK (roles <@ ARRAY['BORROWER','LENDER','COLLATERAL_MANAGER','WAREHOUSE_OPERATOR','DEPOSITOR','CORE_ENTERPRISE','CARRIER','INSPECTOR','PANEL_BUYER','COUNTERPARTY'] AND cardinality(roles) > 0),
  uscc       text CHECK (uscc ~ '^[0-9A-HJ-NP-RTUWXY]{18}$'),
  synthetic  boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL,
  UNIQUE (tenant_id, uscc)
);

CREATE TABLE warehouse (
  warehouse_id      text PRIMARY KEY,
  tenant_id         text NOT NULL REFERENCES tenant,
  name              text NOT NULL,
  name_zh           text NOT NULL,
  operator_party_id text NOT NULL REFERENCES party,
  kind              text NOT NULL CHECK (kind IN ('STEEL_YARD','BONDED_METAL','TANK_FARM','CAR_YARD','GENERAL')),
  control_mode      text NOT NULL CHECK (control_mode IN ('CMA','SMA')),
  grade             text CHECK (grade IN ('A','B','C','D')),
  timezone          text NOT NULL DEFAULT 'Asia/Shanghai',
  fence             jsonb NOT NULL,            -- GeoJSON Polygon, WGS-84
  fence_datum_in    text NOT NULL DEFAULT 'WGS84' CHECK (fence_datum_in IN ('WGS84','GCJ02','BD09')),
  created_at        timestamptz NOT NULL
);

CREATE TABLE zone (
  zone_id      text PRIMARY KEY,               -- WH-SH-01/bay-3
  warehouse_id text NOT NULL REFERENCES warehouse,
  name         text NOT NULL,
  kind         text NOT NULL CHECK (kind IN ('BAY','TANK','GATE_INNER','GATE_OUTER','YARD','OFFICE')),
  polygon      jsonb NOT NULL,                 -- GeoJSON Polygon, WGS-84
  created_at   timestamptz NOT NULL
);
CREATE INDEX zone_warehouse ON zone (warehouse_id);

-- ---------------------------------------------------------------- devices

CREATE TABLE device (
  device_id           text PRIMARY KEY CHECK (device_id ~ '^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$'),
  tenant_id           text NOT NULL REFERENCES tenant,
  site                text NOT NULL CHECK (site ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'),  -- a warehouse id, or a fleet's name
  warehouse_id        text REFERENCES warehouse,
  class               text NOT NULL CHECK (class IN ('rfid','gate','gps','wms','sensor','gw')),
  format              text NOT NULL,           -- names the decoder in ingest.formats
  name                text NOT NULL,
  gateway_device_id   text REFERENCES device,
  vehicle_plate       text,
  claims              jsonb NOT NULL DEFAULT '{}',  -- identities that its payloads may carry: hostname, uniqueId, topic user/device
  expected_interval_s integer NOT NULL DEFAULT 60 CHECK (expected_interval_s BETWEEN 1 AND 86400),
  utc_offset_minutes  integer NOT NULL DEFAULT 0 CHECK (utc_offset_minutes BETWEEN -840 AND 840), -- of device times that carry no offset
  datum               text NOT NULL DEFAULT 'WGS84' CHECK (datum IN ('WGS84','GCJ02','BD09')),
  lon                 double precision CHECK (lon BETWEEN -180 AND 180),
  lat                 double precision CHECK (lat BETWEEN -90 AND 90),
  enabled             boolean NOT NULL DEFAULT true,
  credential_hash     text,                    -- Mosquitto $7$ PBKDF2-SHA512; the secret itself is shown once and not kept
  credential_issued_at timestamptz,
  registered_at       timestamptz NOT NULL
);
CREATE INDEX device_warehouse ON device (warehouse_id);

-- Where an antenna listens, valid in time; antenna 0 stands for the whole reader.
CREATE TABLE antenna_zone (
  device_id  text NOT NULL REFERENCES device,
  antenna    integer NOT NULL CHECK (antenna BETWEEN 0 AND 64),
  zone_id    text NOT NULL REFERENCES zone,
  valid_from timestamptz NOT NULL,
  valid_to   timestamptz,
  CHECK (valid_to IS NULL OR valid_to > valid_from),
  EXCLUDE USING gist (device_id WITH =, antenna WITH =, tstzrange(valid_from, valid_to) WITH &&)
);

-- What we know of a device now; event time guards it against late messages.
CREATE TABLE device_state (
  device_id        text PRIMARY KEY REFERENCES device,
  last_observed_at timestamptz,                -- newest event time of any message
  last_received_at timestamptz,
  last_health_at   timestamptz,
  presence         text CHECK (presence IN ('online','offline')),
  presence_text    text,                       -- the vendor's own words
  presence_at      timestamptz,
  last_seq         bigint,
  gaps             bigint NOT NULL DEFAULT 0,  -- sequence gaps and overflows: "we may have missed reads"
  health           jsonb NOT NULL DEFAULT '{}',
  skew_ms          integer
);

CREATE TABLE device_event (
  observed_at timestamptz NOT NULL,
  received_at timestamptz NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  device_id   text NOT NULL REFERENCES device,
  event_key   text NOT NULL,
  type        text NOT NULL,                   -- weight, tank, door, seal, tamper, motion, overflow, gpi, doc, ...
  payload     jsonb NOT NULL,
  content_hash bytea NOT NULL,
  PRIMARY KEY (observed_at, device_id, type, event_key)
);
CREATE INDEX device_event_device ON device_event (device_id, type, observed_at DESC);

-- ---------------------------------------------------------------- commodities, prices, goods

CREATE TABLE commodity (
  commodity_code     text PRIMARY KEY,
  name               text NOT NULL,
  name_zh            text NOT NULL,
  commodity_group    text NOT NULL,
  unit               text NOT NULL CHECK (unit IN ('kg','t','piece','m3','bbl')),
  weighing_tolerance numeric(8,6) NOT NULL CHECK (weighing_tolerance >= 0 AND weighing_tolerance < 1),
  price_min          numeric(18,4) NOT NULL CHECK (price_min > 0),   -- sanity band per unit, ex-VAT, in price_currency
  price_max          numeric(18,4) NOT NULL,
  price_currency     text NOT NULL CHECK (price_currency ~ '^[A-Z]{3}$'),
  ageing_steps       jsonb NOT NULL DEFAULT '[]',   -- [{"from_days": 91, "haircut": "0.05"}, {"from_days": 361, "ineligible": true}]
  CHECK (price_max > price_min)
);

CREATE TABLE price_quote (
  price_id       text PRIMARY KEY,
  commodity_code text NOT NULL REFERENCES commodity,
  source         text NOT NULL,
  quoted_at      timestamptz NOT NULL,
  published_at   timestamptz NOT NULL,
  recorded_at    timestamptz NOT NULL,
  price          numeric(18,4) NOT NULL,
  currency       text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  unit           text NOT NULL,
  tax_inclusive  boolean NOT NULL,
  vat_rate       numeric(6,4) NOT NULL DEFAULT 0 CHECK (vat_rate >= 0 AND vat_rate < 1),
  synthetic      boolean NOT NULL,
  status         text NOT NULL CHECK (status IN ('ACCEPTED','QUARANTINED','REFUSED')),
  reason         text,
  CHECK (status <> 'ACCEPTED' OR price > 0),
  CHECK (status = 'ACCEPTED' OR reason IS NOT NULL),
  UNIQUE (commodity_code, source, quoted_at)
);
CREATE INDEX price_quote_latest ON price_quote (commodity_code, quoted_at DESC) WHERE status = 'ACCEPTED';

CREATE TABLE goods_unit (
  goods_id            text PRIMARY KEY CHECK (length(goods_id) BETWEEN 1 AND 96),
  tenant_id           text NOT NULL REFERENCES tenant,
  commodity_code      text NOT NULL REFERENCES commodity,
  kind                text NOT NULL CHECK (kind IN ('COIL','BUNDLE','PALLET','VEHICLE','TANK_LOT','PIECE')),
  mill                text,
  heat_no             text,
  piece_no            text,
  vin                 text CHECK (vin ~ '^[A-HJ-NPR-Z0-9]{17}$'),
  grade               text,
  spec                text,
  brand               text,
  origin              text,
  quantity            numeric(18,6) NOT NULL CHECK (quantity > 0),   -- in unit
  unit                text NOT NULL CHECK (unit IN ('kg','t','piece','m3','bbl')),
  weight_theoretical_kg numeric(18,3) CHECK (weight_theoretical_kg > 0),
  weight_scale_kg     numeric(18,3) CHECK (weight_scale_kg > 0),
  invoice_unit_price  numeric(18,4) CHECK (invoice_unit_price > 0),  -- ex-VAT per unit
  invoice_currency    text CHECK (invoice_currency ~ '^[A-Z]{3}$'),
  produced_on         date,
  owner_party_id      text NOT NULL REFERENCES party,
  warehouse_id        text REFERENCES warehouse,
  zone_id             text REFERENCES zone,     -- where the book says it lies
  state               text NOT NULL CHECK (state IN ('EXPECTED','IN_TRANSIT','INBOUND_CHECK','STORED','PLEDGED','RELEASE_APPROVED','GATED_OUT','DELIVERED','MISSING','DISPUTED','QUARANTINED')),
  synthetic           boolean NOT NULL DEFAULT false,
  registered_at       timestamptz NOT NULL,
  -- Case, spaces and full-width letters do not make another piece; a blank part is none.
  identity_key        text GENERATED ALWAYS AS (CASE WHEN mill ~ '\S' AND heat_no ~ '\S' AND piece_no ~ '\S'
                        THEN upper(regexp_replace(normalize(mill || '|' || heat_no || '|' || piece_no, NFKC), '\s', '', 'g')) END) STORED,
  CHECK ((invoice_unit_price IS NULL) = (invoice_currency IS NULL))
);
CREATE INDEX goods_unit_identity ON goods_unit (identity_key) WHERE identity_key IS NOT NULL;
CREATE INDEX goods_unit_vin ON goods_unit (vin) WHERE vin IS NOT NULL;
CREATE INDEX goods_unit_warehouse ON goods_unit (warehouse_id, zone_id);

-- A tag stands for one unit at a time; a unit may carry several tags.
CREATE TABLE tag_binding (
  tag_epc    text NOT NULL CHECK (tag_epc = upper(tag_epc) AND length(tag_epc) BETWEEN 1 AND 128),
  tid        text,
  goods_id   text NOT NULL REFERENCES goods_unit,
  valid_from timestamptz NOT NULL,
  valid_to   timestamptz,
  bound_by   text NOT NULL,
  CHECK (valid_to IS NULL OR valid_to > valid_from),
  EXCLUDE USING gist (tag_epc WITH =, tstzrange(valid_from, valid_to) WITH &&)
);
CREATE INDEX tag_binding_goods ON tag_binding (goods_id);
CREATE INDEX tag_binding_tag ON tag_binding (tag_epc);

-- ---------------------------------------------------------------- papers

CREATE TABLE warehouse_receipt (
  receipt_no        text PRIMARY KEY,
  tenant_id         text NOT NULL REFERENCES tenant,
  warehouse_id      text NOT NULL REFERENCES warehouse,
  depositor_party_id text NOT NULL REFERENCES party,
  keeper_party_id   text NOT NULL REFERENCES party,
  issued_at         timestamptz NOT NULL,
  shrinkage_rate    numeric(8,6) NOT NULL CHECK (shrinkage_rate >= 0 AND shrinkage_rate < 1),
  insured_amount    numeric(20,2) NOT NULL CHECK (insured_amount >= 0),
  currency          text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  insurance_until   date NOT NULL,
  state             text NOT NULL CHECK (state IN ('ISSUED','ENDORSED','FROZEN','CANCELLED')),
  content           jsonb NOT NULL,
  content_hash      text NOT NULL,
  recorded_at       timestamptz NOT NULL
);
CREATE TABLE receipt_item (
  receipt_no text NOT NULL REFERENCES warehouse_receipt,
  goods_id   text NOT NULL REFERENCES goods_unit,
  ended_at   timestamptz,
  PRIMARY KEY (receipt_no, goods_id)
);
-- One live receipt per unit (Art. 59: several receipts on the same goods).
CREATE UNIQUE INDEX one_live_receipt_per_goods ON receipt_item (goods_id) WHERE ended_at IS NULL;

CREATE TABLE document (
  document_id    text PRIMARY KEY,
  tenant_id      text NOT NULL REFERENCES tenant,
  kind           text NOT NULL CHECK (kind IN ('CONTRACT','INVOICE','WAYBILL','WEIGH_TICKET','PAYMENT','TRANSFER_NOTE','REGISTRY_FILING','INSURANCE','INSPECTION')),
  number         text NOT NULL,
  issuer_party_id text NOT NULL REFERENCES party,
  seller_party_id text REFERENCES party,
  buyer_party_id  text REFERENCES party,
  commodity_code text REFERENCES commodity,
  quantity       numeric(18,6) CHECK (quantity > 0),
  unit           text,
  amount         numeric(20,2),
  currency       text CHECK (currency ~ '^[A-Z]{3}$'),
  contract_no    text,
  vehicle_plate  text,
  warehouse_id   text REFERENCES warehouse,
  issued_at      timestamptz NOT NULL,
  received_at    timestamptz NOT NULL,
  content        jsonb NOT NULL DEFAULT '{}',
  content_hash   text NOT NULL,
  synthetic      boolean NOT NULL DEFAULT false,
  CHECK ((amount IS NULL) = (currency IS NULL)),
  UNIQUE (tenant_id, kind, issuer_party_id, number)
);
CREATE INDEX document_contract ON document (contract_no);
CREATE TABLE document_goods (
  document_id text NOT NULL REFERENCES document,
  goods_id    text NOT NULL REFERENCES goods_unit,
  PRIMARY KEY (document_id, goods_id)
);
CREATE INDEX document_goods_goods ON document_goods (goods_id);

CREATE TABLE trip (
  trip_id       text PRIMARY KEY,
  tenant_id     text NOT NULL REFERENCES tenant,
  vehicle_plate text NOT NULL,
  device_id     text NOT NULL REFERENCES device,     -- its tracker
  waybill_document_id text REFERENCES document,
  origin_warehouse_id text REFERENCES warehouse,
  destination_warehouse_id text REFERENCES warehouse,
  corridor      jsonb NOT NULL,                      -- GeoJSON LineString, WGS-84
  corridor_buffer_m numeric(8,1) NOT NULL DEFAULT 500 CHECK (corridor_buffer_m > 0),
  planned_from  timestamptz NOT NULL,
  planned_to    timestamptz NOT NULL,
  status        text NOT NULL CHECK (status IN ('PLANNED','UNDER_WAY','ARRIVED','CANCELLED')),
  CHECK (planned_to > planned_from)
);
CREATE TABLE trip_goods (
  trip_id  text NOT NULL REFERENCES trip,
  goods_id text NOT NULL REFERENCES goods_unit,
  PRIMARY KEY (trip_id, goods_id)
);
CREATE INDEX trip_goods_goods ON trip_goods (goods_id);

-- ---------------------------------------------------------------- facilities, pledges, releases, ledger

CREATE TABLE facility (
  facility_id       text PRIMARY KEY,
  tenant_id         text NOT NULL REFERENCES tenant,
  name              text NOT NULL,
  name_zh           text NOT NULL,
  borrower_party_id text NOT NULL REFERENCES party,
  lender_party_id   text NOT NULL REFERENCES party,
  product           text NOT NULL CHECK (product IN ('STEEL_STATIC','METAL_FLOATING','PETROCHEM_TANK','AUTO_FLOORPLAN','GENERAL')),
  pledge_mode       text NOT NULL CHECK (pledge_mode IN ('STATIC','FLOATING')),
  currency          text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
  limit_amount      numeric(20,2) NOT NULL CHECK (limit_amount > 0),
  advance_rate      numeric(8,6) NOT NULL CHECK (advance_rate > 0 AND advance_rate < 1),  -- default of commodities without their own
  disposal_cost     numeric(8,6) NOT NULL DEFAULT 0.05 CHECK (disposal_cost >= 0 AND disposal_cost < 0.5),
  -- coverage lines as ratios; NULL = derived (DOMAIN 2.5)
  warning_line      numeric(12,6),
  margin_call_line  numeric(12,6),
  disposal_line     numeric(12,6),
  cure_unit         text NOT NULL CHECK (cure_unit IN ('HOURS','BUSINESS_DAYS')),
  cure_length       integer NOT NULL CHECK (cure_length BETWEEN 1 AND 240),
  cure_target       text NOT NULL DEFAULT 'START' CHECK (cure_target IN ('START','WARNING')),
  control_value_floor numeric(20,2) NOT NULL DEFAULT 0 CHECK (control_value_floor >= 0),
  reserves          numeric(20,2) NOT NULL DEFAULT 0 CHECK (reserves >= 0),
  opened_at         timestamptz NOT NULL,
  matures_on        date NOT NULL,
  status            text NOT NULL CHECK (status IN ('ACTIVE','FROZEN','IN_DISPOSAL','CLOSED')),
  CHECK (borrower_party_id <> lender_party_id),
  CHECK (num_nulls(warning_line, margin_call_line, disposal_line) IN (0, 3)),
  CHECK (warning_line IS NULL OR (1 / advance_rate > warning_line AND warning_line > margin_call_line AND margin_call_line > disposal_line AND disposal_line >= 1 + disposal_cost))
);
CREATE TABLE facility_commodity (
  facility_id    text NOT NULL REFERENCES facility,
  commodity_code text NOT NULL REFERENCES commodity,
  advance_rate   numeric(8,6) NOT NULL CHECK (advance_rate > 0 AND advance_rate < 1),
  primary_source text NOT NULL,
  check_source   text,
  source_tolerance numeric(8,6) NOT NULL DEFAULT 0.03 CHECK (source_tolerance >= 0),
  location_discount numeric(8,6) NOT NULL DEFAULT 0 CHECK (location_discount >= 0 AND location_discount < 1),
  quality_haircut   numeric(8,6) NOT NULL DEFAULT 0 CHECK (quality_haircut >= 0 AND quality_haircut < 1),
  PRIMARY KEY (facility_id, commodity_code)
);

CREATE TABLE pledge (
  pledge_id     text PRIMARY KEY,
  tenant_id     text NOT NULL REFERENCES tenant,
  facility_id   text NOT NULL REFERENCES facility,
  receipt_no    text REFERENCES warehouse_receipt,
  status        text NOT NULL CHECK (status IN ('DRAFT','SEARCHED','CONTROLLED','REGISTERED','ACTIVE','RELEASING','FROZEN','IN_DISPOSAL','DISCHARGED')),
  filing_no     text,
  created_by    text NOT NULL,
  approved_by   text,
  created_at    timestamptz NOT NULL,
  pledged_at    timestamptz,
  discharged_at timestamptz,
  CONSTRAINT pledge_maker_is_not_checker CHECK (approved_by IS NULL OR approved_by <> created_by),
  CHECK (status <> 'ACTIVE' OR (approved_by IS NOT NULL AND pledged_at IS NOT NULL))
);
CREATE INDEX pledge_facility ON pledge (facility_id);
CREATE TABLE pledge_item (
  pledge_id    text NOT NULL REFERENCES pledge,
  goods_id     text NOT NULL REFERENCES goods_unit,
  facility_id  text NOT NULL REFERENCES facility,
  vin          text,
  identity_key text,
  quantity     numeric(18,6) NOT NULL CHECK (quantity > 0),
  unit         text NOT NULL,
  pledged_at   timestamptz NOT NULL,
  released_at  timestamptz,
  PRIMARY KEY (pledge_id, goods_id),
  CHECK (released_at IS NULL OR released_at >= pledged_at)
);
-- The same goods cannot secure two loans: by digital id, by VIN, and by mill + heat + piece.
CREATE UNIQUE INDEX one_live_pledge_per_goods    ON pledge_item (goods_id)     WHERE released_at IS NULL;
CREATE UNIQUE INDEX one_live_pledge_per_vin      ON pledge_item (vin)          WHERE released_at IS NULL AND vin IS NOT NULL;
CREATE UNIQUE INDEX one_live_pledge_per_identity ON pledge_item (identity_key) WHERE released_at IS NULL AND identity_key IS NOT NULL;
CREATE INDEX pledge_item_facility ON pledge_item (facility_id) WHERE released_at IS NULL;
CREATE UNIQUE INDEX one_live_pledge_per_receipt ON pledge (receipt_no) WHERE receipt_no IS NOT NULL AND discharged_at IS NULL AND status NOT IN ('DRAFT');

-- A command that the ledger refused, kept for the officer: a second pledge of pledged goods is a finding (R05).
CREATE TABLE refused_command (
  refusal_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant_id    text NOT NULL REFERENCES tenant,
  refused_at   timestamptz NOT NULL,
  recorded_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  user_id      text NOT NULL,
  command      text NOT NULL,
  code         text NOT NULL,                 -- already_pledged, ...
  facility_id  text,
  detail       jsonb NOT NULL
);
CREATE TRIGGER refused_command_append_only BEFORE UPDATE OR DELETE ON refused_command FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE release_order (
  release_id     text PRIMARY KEY,
  tenant_id      text NOT NULL REFERENCES tenant,
  facility_id    text NOT NULL REFERENCES facility,
  status         text NOT NULL CHECK (status IN ('REQUESTED','MAKER_OK','CHECKER_OK','ISSUED','PICKING','GATED_OUT','RECONCILED','CANCELLED','EXPIRED')),
  requested_by   text NOT NULL,
  maker_id       text,
  checker_id     text,
  second_checker_id text,
  needs_second_checker boolean NOT NULL DEFAULT false,
  vehicle_plate  text NOT NULL,
  driver_id_hash text NOT NULL,
  valid_from     timestamptz NOT NULL,
  valid_to       timestamptz NOT NULL,
  value_amount   numeric(20,2) NOT NULL CHECK (value_amount >= 0),
  currency       text NOT NULL,
  pickup_code_hash text,
  signature      text,
  reason         text NOT NULL,
  requested_at   timestamptz NOT NULL,
  issued_at      timestamptz,
  closed_at      timestamptz,
  CHECK (valid_to > valid_from AND valid_to <= valid_from + interval '48 hours'),
  CONSTRAINT release_requester_is_not_maker CHECK (maker_id IS NULL OR maker_id <> requested_by),
  CONSTRAINT release_maker_is_not_checker CHECK (checker_id IS NULL OR (checker_id <> maker_id AND checker_id <> requested_by)),
  CONSTRAINT release_second_checker_is_another CHECK (second_checker_id IS NULL OR (second_checker_id <> checker_id AND second_checker_id <> maker_id AND second_checker_id <> requested_by)),
  CHECK (status NOT IN ('ISSUED','PICKING','GATED_OUT','RECONCILED') OR (maker_id IS NOT NULL AND checker_id IS NOT NULL AND issued_at IS NOT NULL
         AND (NOT needs_second_checker OR second_checker_id IS NOT NULL)))
);
CREATE INDEX release_order_facility ON release_order (facility_id, status);
CREATE TABLE release_item (
  release_id   text NOT NULL REFERENCES release_order,
  goods_id     text NOT NULL REFERENCES goods_unit,
  gated_out_at timestamptz,
  returned_at  timestamptz,                   -- left over: back to pledged
  PRIMARY KEY (release_id, goods_id)
);
CREATE INDEX release_item_goods ON release_item (goods_id);
-- A unit is on one open release order at most.
CREATE UNIQUE INDEX one_open_release_per_goods ON release_item (goods_id) WHERE gated_out_at IS NULL AND returned_at IS NULL;

-- Double entry, append-only, two clocks, hash-chained per facility.
CREATE TABLE ledger_entry (
  entry_id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  facility_id   text NOT NULL REFERENCES facility,
  entry_no      bigint NOT NULL CHECK (entry_no > 0),       -- 1, 2, 3 ... per facility, without a hole
  kind          text NOT NULL CHECK (kind IN ('PLEDGE','RELEASE','DRAWDOWN','REPAYMENT','MARGIN_DEPOSIT','MARGIN_RETURN','INTEREST','FEE','CORRECTION')),
  happened_at   timestamptz NOT NULL,
  recorded_at   timestamptz NOT NULL,
  business_date date NOT NULL,
  actor         text NOT NULL,
  reason        text NOT NULL,
  corrects      bigint REFERENCES ledger_entry,
  idempotency_key text NOT NULL,
  request_hash  text NOT NULL,
  prev_hash     text NOT NULL,
  hash          text NOT NULL CHECK (length(hash) = 64),
  CHECK ((kind = 'CORRECTION') = (corrects IS NOT NULL)),
  UNIQUE (facility_id, entry_no),
  UNIQUE (facility_id, idempotency_key)
);
CREATE TABLE ledger_posting (
  entry_id    bigint NOT NULL REFERENCES ledger_entry,
  line_no     integer NOT NULL CHECK (line_no > 0),
  account     text NOT NULL,                  -- principal, interest, fees, cash_margin, bank, income; stock:free, stock:pledged, stock:out
  amount      numeric(20,6) NOT NULL CHECK (amount <> 0),   -- debit positive, credit negative
  unit        text NOT NULL,                  -- currency (CNY) or quantity unit (kg, t, piece)
  goods_id    text REFERENCES goods_unit,
  PRIMARY KEY (entry_id, line_no)
);
CREATE INDEX ledger_posting_goods ON ledger_posting (goods_id) WHERE goods_id IS NOT NULL;
CREATE FUNCTION ledger_entry_balances() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE uneven record;
BEGIN
  SELECT unit, sum(amount) AS off INTO uneven FROM ledger_posting WHERE entry_id = NEW.entry_id
   GROUP BY unit HAVING sum(amount) <> 0 LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'ledger entry % is off by % %', NEW.entry_id, uneven.off, uneven.unit USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  IF NOT EXISTS (SELECT 1 FROM ledger_posting WHERE entry_id = NEW.entry_id) THEN
    RAISE EXCEPTION 'ledger entry % has no posting', NEW.entry_id USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER ledger_entry_balances AFTER INSERT ON ledger_entry DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_entry_balances();
-- Lines come balanced, statement by statement: once per statement and not per line, or an entry of many lines costs the square of them.
CREATE FUNCTION ledger_posting_balances() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE uneven record;
BEGIN
  SELECT entry_id, unit, sum(amount) AS off INTO uneven FROM added GROUP BY entry_id, unit HAVING sum(amount) <> 0 LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'lines of ledger entry % are off by % %', uneven.entry_id, uneven.off, uneven.unit USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER ledger_posting_balances AFTER INSERT ON ledger_posting REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ledger_posting_balances();
CREATE TRIGGER ledger_entry_append_only BEFORE UPDATE OR DELETE ON ledger_entry FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER ledger_posting_append_only BEFORE UPDATE OR DELETE ON ledger_posting FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Money of a facility now, kept by the ledger service in the entry's own transaction; doctor compares it with the postings.
CREATE TABLE facility_balance (
  facility_id text PRIMARY KEY REFERENCES facility,
  currency    text NOT NULL,
  principal   numeric(20,2) NOT NULL DEFAULT 0 CHECK (principal >= 0),
  interest    numeric(20,2) NOT NULL DEFAULT 0 CHECK (interest >= 0),
  fees        numeric(20,2) NOT NULL DEFAULT 0 CHECK (fees >= 0),
  cash_margin numeric(20,2) NOT NULL DEFAULT 0 CHECK (cash_margin >= 0),
  last_entry_no bigint NOT NULL DEFAULT 0,
  last_hash   text NOT NULL DEFAULT ''
);

-- ---------------------------------------------------------------- valuation and margin

CREATE TABLE valuation (
  valuation_id     text PRIMARY KEY,
  tenant_id        text NOT NULL REFERENCES tenant,
  facility_id      text NOT NULL REFERENCES facility,
  as_of            timestamptz NOT NULL,
  recorded_at      timestamptz NOT NULL,
  cause            text NOT NULL CHECK (cause IN ('PRICE','OVERNIGHT','RELEASE','REPAYMENT','ELIGIBILITY','PLEDGE','MANUAL')),
  currency         text NOT NULL,
  gross_market_value numeric(20,2) NOT NULL,
  collateral_value numeric(20,2) NOT NULL CHECK (collateral_value >= 0),
  confirmed_value  numeric(20,2) NOT NULL CHECK (confirmed_value >= 0),
  borrowing_base   numeric(20,2) NOT NULL,
  exposure         numeric(20,2) NOT NULL,
  availability     numeric(20,2) NOT NULL,
  effective_advance numeric(12,8),
  coverage         numeric(28,8),             -- NULL = no exposure; a fen that is left over makes it a very large number
  ltv              numeric(28,8),             -- NULL = nothing of value
  warning_line     numeric(12,6) NOT NULL,
  margin_call_line numeric(12,6) NOT NULL,
  disposal_line    numeric(12,6) NOT NULL,
  min_control_value numeric(20,2) NOT NULL,
  line_state       text NOT NULL CHECK (line_state IN ('OK','WARNING','MARGIN_CALL','DISPOSAL','CANNOT_JUDGE')),
  detail           jsonb NOT NULL             -- per commodity: quantity, price used and its id, haircuts; ineligible units by reason code
);
CREATE INDEX valuation_latest ON valuation (facility_id, as_of DESC, recorded_at DESC);

CREATE TABLE margin_call (
  call_id        text PRIMARY KEY,
  tenant_id      text NOT NULL REFERENCES tenant,
  facility_id    text NOT NULL REFERENCES facility,
  valuation_id   text NOT NULL REFERENCES valuation UNIQUE,
  status         text NOT NULL CHECK (status IN ('ISSUED','ACKNOWLEDGED','PARTLY_CURED','CURED','EXPIRED','ESCALATED')),
  cause          text NOT NULL CHECK (cause IN ('PRICE','QUANTITY','ELIGIBILITY')),
  cash_amount    numeric(20,2) NOT NULL CHECK (cash_amount >= 0),
  goods_amount   numeric(20,2) NOT NULL CHECK (goods_amount >= 0),   -- collateral value after haircuts
  currency       text NOT NULL,
  issued_at      timestamptz NOT NULL,
  cure_deadline  timestamptz NOT NULL,
  acknowledged_by text,
  closed_at      timestamptz,
  CHECK (cure_deadline > issued_at)
);
CREATE UNIQUE INDEX one_open_margin_call ON margin_call (facility_id) WHERE status IN ('ISSUED','ACKNOWLEDGED','PARTLY_CURED');
CREATE TABLE margin_call_event (
  event_id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  call_id     text NOT NULL REFERENCES margin_call,
  happened_at timestamptz NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  actor       text NOT NULL,
  kind        text NOT NULL,
  detail      jsonb NOT NULL DEFAULT '{}'
);
CREATE TRIGGER margin_call_event_append_only BEFORE UPDATE OR DELETE ON margin_call_event FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE disposal_case (
  case_id      text PRIMARY KEY,
  tenant_id    text NOT NULL REFERENCES tenant,
  facility_id  text NOT NULL REFERENCES facility,
  call_id      text REFERENCES margin_call,
  valuation_id text NOT NULL REFERENCES valuation,
  status       text NOT NULL CHECK (status IN ('DRAFT','APPROVED','MARKETING','AWARDED','SETTLED','WITHDRAWN')),
  trigger      text NOT NULL CHECK (trigger IN ('DISPOSAL_LINE','CALL_EXPIRED')),
  exposure     numeric(20,2) NOT NULL,
  collateral_value numeric(20,2) NOT NULL,
  proposed_sale_value numeric(20,2) NOT NULL CHECK (proposed_sale_value >= 0),
  currency     text NOT NULL,
  opened_at    timestamptz NOT NULL,
  approved_by  text,
  second_approver text,
  CHECK (status IN ('DRAFT','WITHDRAWN') OR (approved_by IS NOT NULL AND second_approver IS NOT NULL AND approved_by <> second_approver))
);
CREATE UNIQUE INDEX one_open_disposal_case ON disposal_case (facility_id) WHERE status NOT IN ('SETTLED','WITHDRAWN');
