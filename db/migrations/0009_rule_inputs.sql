-- Why:   rules need what no device says: who is related, what a scale and a tank are, when a site works, what it may hold; and thresholds that people set.
-- Needs: 0001.
-- Lock:  creates only.
-- Undo:  drop the tables; thresholds are those of the code again.

-- ---------------------------------------------------------------- thresholds and shadow mode, with history

-- The newest row of a scope counts. NULL = every product, every site. Durations are seconds.
CREATE TABLE rule_threshold (
  threshold_no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant_id    text NOT NULL REFERENCES tenant,
  rule_code    text NOT NULL,
  name         text NOT NULL,
  product      text,
  warehouse_id text REFERENCES warehouse,
  value        numeric(24,8),                    -- NULL = the rule's own again
  set_by       text NOT NULL,
  set_at       timestamptz NOT NULL,
  reason       text NOT NULL CHECK (reason <> '')
);
CREATE INDEX rule_threshold_scope ON rule_threshold (tenant_id, rule_code, name, threshold_no DESC);
CREATE TRIGGER rule_threshold_append_only BEFORE UPDATE OR DELETE ON rule_threshold FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE TABLE rule_mode (
  mode_no   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant_id text NOT NULL REFERENCES tenant,
  rule_code text NOT NULL,
  mode      text NOT NULL CHECK (mode IN ('LIVE','SHADOW')),
  set_by    text NOT NULL,
  set_at    timestamptz NOT NULL,
  reason    text NOT NULL CHECK (reason <> '')
);
CREATE INDEX rule_mode_newest ON rule_mode (tenant_id, rule_code, mode_no DESC);
CREATE TRIGGER rule_mode_append_only BEFORE UPDATE OR DELETE ON rule_mode FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- What a rule in shadow would have said; one row per subject, counted up.
CREATE TABLE shadow_finding (
  tenant_id    text NOT NULL REFERENCES tenant,
  rule_code    text NOT NULL,
  subject_kind text NOT NULL,
  subject_id   text NOT NULL CHECK (length(subject_id) <= 500),
  severity     text NOT NULL CHECK (severity IN ('P1','P2','P3','P4')),
  summary      text NOT NULL,
  summary_zh   text NOT NULL,
  evidence     jsonb NOT NULL,
  first_found_at timestamptz NOT NULL,
  last_found_at  timestamptz NOT NULL,
  times        bigint NOT NULL DEFAULT 1 CHECK (times > 0),
  PRIMARY KEY (tenant_id, rule_code, subject_kind, subject_id)
);

-- ---------------------------------------------------------------- what people attest, append-only: a newer row counts

CREATE TABLE scale_calibration (
  calibration_id text PRIMARY KEY,
  tenant_id      text NOT NULL REFERENCES tenant,
  device_id      text NOT NULL REFERENCES device,
  calibrated_at  timestamptz NOT NULL,
  valid_to       timestamptz NOT NULL,
  sigma_kg       numeric(12,3) CHECK (sigma_kg >= 0),      -- repeatability that the certificate states
  certificate_no text NOT NULL,
  recorded_by    text NOT NULL,
  recorded_at    timestamptz NOT NULL,
  CHECK (valid_to > calibrated_at)
);
CREATE INDEX scale_calibration_device ON scale_calibration (device_id, calibrated_at DESC);

-- A tank by its zone: what it holds at each level, and what its product is like at 15 degrees.
CREATE TABLE tank_spec (
  spec_id       text PRIMARY KEY,
  tenant_id     text NOT NULL REFERENCES tenant,
  zone_id       text NOT NULL REFERENCES zone,
  valid_from    timestamptz NOT NULL,
  strapping     jsonb NOT NULL CHECK (jsonb_typeof(strapping) = 'array'),   -- [["0", "0"], ["1.5", "820.4"], ...] level m, volume m3, both rising
  capacity_m3   numeric(14,3) NOT NULL CHECK (capacity_m3 > 0),
  density15_min numeric(8,2) NOT NULL CHECK (density15_min > 0),            -- kg/m3
  density15_max numeric(8,2) NOT NULL,
  expansion_per_c numeric(10,8) NOT NULL DEFAULT 0.00083 CHECK (expansion_per_c >= 0 AND expansion_per_c < 0.01),
  recorded_by   text NOT NULL,
  recorded_at   timestamptz NOT NULL,
  CHECK (density15_max >= density15_min)
);
CREATE INDEX tank_spec_zone ON tank_spec (zone_id, valid_from DESC);

-- When a site works, in its own zone of time. It never works outside unless a ticket says so.
CREATE TABLE site_hours (
  hours_id     text PRIMARY KEY,
  tenant_id    text NOT NULL REFERENCES tenant,
  warehouse_id text NOT NULL REFERENCES warehouse,
  valid_from   timestamptz NOT NULL,
  opens        time NOT NULL,
  closes       time NOT NULL,                    -- before opens = a shift over midnight
  works_holidays boolean NOT NULL,
  recorded_by  text NOT NULL,
  recorded_at  timestamptz NOT NULL,
  CHECK (opens <> closes)
);
CREATE INDEX site_hours_site ON site_hours (warehouse_id, valid_from DESC);

-- Work that somebody allowed: a move at night, the repair of a device.
CREATE TABLE work_ticket (
  ticket_id    text PRIMARY KEY,
  tenant_id    text NOT NULL REFERENCES tenant,
  warehouse_id text NOT NULL REFERENCES warehouse,
  zone_id      text REFERENCES zone,             -- NULL = the whole site
  device_id    text REFERENCES device,
  kind         text NOT NULL CHECK (kind IN ('MOVE','MAINTENANCE','SHIFT')),
  valid_from   timestamptz NOT NULL,
  valid_to     timestamptz NOT NULL,
  reason       text NOT NULL CHECK (reason <> ''),
  approved_by  text NOT NULL,
  recorded_by  text NOT NULL,
  recorded_at  timestamptz NOT NULL,
  CHECK (valid_to > valid_from AND valid_to <= valid_from + interval '31 days'),
  CONSTRAINT ticket_approver_is_not_recorder CHECK (approved_by <> recorded_by)
);
CREATE INDEX work_ticket_site ON work_ticket (warehouse_id, valid_to);

-- A number about a party, a site or a market in a period: what it can hold, sell, turn over, produce.
CREATE TABLE business_figure (
  figure_id    text PRIMARY KEY,
  tenant_id    text NOT NULL REFERENCES tenant,
  kind         text NOT NULL CHECK (kind IN ('SITE_CAPACITY_KG','PARTY_CAPACITY_KG','MARKET_TURNOVER_10D_KG','SALES_12M','INPUT_IMPLIED_OUTPUT_KG','CLAIMED_OUTPUT_KG','PLANNED_TURNOVER_90D_KG')),
  party_id     text REFERENCES party,
  warehouse_id text REFERENCES warehouse,
  commodity_code text REFERENCES commodity,
  value        numeric(24,6) NOT NULL CHECK (value >= 0),
  currency     text CHECK (currency ~ '^[A-Z]{3}$'),
  valid_from   date NOT NULL,
  valid_to     date NOT NULL,
  source       text NOT NULL CHECK (source <> ''),
  recorded_by  text NOT NULL,
  recorded_at  timestamptz NOT NULL,
  CHECK (valid_to > valid_from),
  CHECK ((kind = 'SITE_CAPACITY_KG') = (warehouse_id IS NOT NULL)),
  CHECK ((kind IN ('SITE_CAPACITY_KG','MARKET_TURNOVER_10D_KG')) = (party_id IS NULL)),
  CHECK (kind <> 'MARKET_TURNOVER_10D_KG' OR commodity_code IS NOT NULL),
  CHECK ((kind = 'SALES_12M') = (currency IS NOT NULL))
);
CREATE INDEX business_figure_kind ON business_figure (tenant_id, kind, valid_to);

-- What the company registry, the courts and the licensing offices publish of a party.
CREATE TABLE registry_event (
  event_id     text PRIMARY KEY,
  tenant_id    text NOT NULL REFERENCES tenant,
  party_id     text NOT NULL REFERENCES party,
  kind         text NOT NULL CHECK (kind IN ('OWNER','CONTROLLER','LEGAL_REPRESENTATIVE','ADDRESS','NAME','LITIGATION','LICENCE_REVOKED','INSURANCE_CANCELLED','LEASE_ENDED','ABNORMAL_LIST')),
  happened_on  date NOT NULL,
  summary      text NOT NULL CHECK (summary <> ''),
  cosmetic     boolean NOT NULL DEFAULT false,   -- a person looked: a clean-up of names, nothing else
  recorded_by  text NOT NULL,
  recorded_at  timestamptz NOT NULL
);
CREATE INDEX registry_event_party ON registry_event (party_id, happened_on DESC);

CREATE TABLE inspection_visit (
  visit_id     text PRIMARY KEY,
  tenant_id    text NOT NULL REFERENCES tenant,
  warehouse_id text NOT NULL REFERENCES warehouse,
  planned_at   timestamptz NOT NULL,
  outcome      text NOT NULL CHECK (outcome IN ('DONE','REFUSED','POSTPONED','PARTLY_REFUSED')),
  by_site      boolean NOT NULL,                 -- the site refused or postponed, not the inspector
  note         text NOT NULL DEFAULT '',
  photo_phashes text[] NOT NULL DEFAULT '{}',    -- 64-bit perceptual hashes of its photos, 16 hex digits each
  recorded_by  text NOT NULL,
  recorded_at  timestamptz NOT NULL,
  CHECK (outcome <> 'DONE' OR NOT by_site)
);
CREATE INDEX inspection_visit_site ON inspection_visit (warehouse_id, planned_at DESC);

-- What two parties share: a shareholder, an officer, a telephone. key names it; other_party_id where it is a party itself.
CREATE TABLE party_link (
  link_id      text PRIMARY KEY,
  tenant_id    text NOT NULL REFERENCES tenant,
  party_id     text NOT NULL REFERENCES party,
  kind         text NOT NULL CHECK (kind IN ('SHAREHOLDER','CONTROLLER','OFFICER','PHONE','ADDRESS','ACCOUNT','NETWORK')),
  key          text NOT NULL CHECK (length(key) BETWEEN 1 AND 200),
  other_party_id text REFERENCES party,
  share        numeric(8,6) CHECK (share > 0 AND share <= 1),
  disclosed    boolean NOT NULL DEFAULT false,
  valid_from   date NOT NULL,
  valid_to     date,
  recorded_by  text NOT NULL,
  recorded_at  timestamptz NOT NULL,
  CHECK (other_party_id <> party_id),
  CHECK (valid_to > valid_from),
  CHECK ((kind = 'SHAREHOLDER') = (share IS NOT NULL))
);
CREATE INDEX party_link_party ON party_link (party_id);
CREATE INDEX party_link_key ON party_link (tenant_id, kind, key);

-- Until when something that the loan rests on holds: a policy, a certificate, a filing, a lease, an agreement, a licence; PRESENCE = seen on site.
CREATE TABLE dated_proof (
  proof_id     text PRIMARY KEY,
  tenant_id    text NOT NULL REFERENCES tenant,
  kind         text NOT NULL CHECK (kind IN ('INSURANCE','INSPECTION','REGISTRATION','LEASE','SUPERVISION','LICENCE','PRESENCE')),
  party_id     text REFERENCES party,
  warehouse_id text REFERENCES warehouse,
  facility_id  text REFERENCES facility,
  number       text NOT NULL CHECK (number <> ''),
  valid_from   timestamptz NOT NULL,
  valid_to     timestamptz NOT NULL,
  evidence_sha256 text CHECK (evidence_sha256 ~ '^[0-9a-f]{64}$'),
  recorded_by  text NOT NULL,
  recorded_at  timestamptz NOT NULL,
  CHECK (num_nonnulls(party_id, warehouse_id, facility_id) = 1),
  CHECK (valid_to >= valid_from)
);
CREATE INDEX dated_proof_holder ON dated_proof (tenant_id, kind, valid_to);

-- What the issuer of a receipt answers when it is asked, and the numbers that it says it has given out.
CREATE TABLE receipt_check (
  check_id    text PRIMARY KEY,
  tenant_id   text NOT NULL REFERENCES tenant,
  receipt_no  text NOT NULL,
  answer      text NOT NULL CHECK (answer IN ('CONFIRMED','UNKNOWN','DIFFERENT','REVOKED','UNREACHABLE')),
  attempts    integer NOT NULL DEFAULT 1 CHECK (attempts BETWEEN 1 AND 100),
  asked_at    timestamptz NOT NULL,
  recorded_by text NOT NULL,
  recorded_at timestamptz NOT NULL
);
CREATE INDEX receipt_check_receipt ON receipt_check (tenant_id, receipt_no, asked_at DESC);
CREATE TABLE receipt_series (
  series_id   text PRIMARY KEY,
  tenant_id   text NOT NULL REFERENCES tenant,
  keeper_party_id text NOT NULL REFERENCES party,
  prefix      text NOT NULL,                     -- of the number; what follows are digits
  first_no    bigint NOT NULL CHECK (first_no >= 0),
  last_no     bigint NOT NULL,
  recorded_by text NOT NULL,
  recorded_at timestamptz NOT NULL,
  CHECK (last_no >= first_no)
);
CREATE INDEX receipt_series_keeper ON receipt_series (keeper_party_id);

-- A place on the road that explains a stop, or makes it worse.
CREATE TABLE road_place (
  place_id    text PRIMARY KEY,
  tenant_id   text NOT NULL REFERENCES tenant,
  kind        text NOT NULL CHECK (kind IN ('SERVICE_AREA','REST_AREA','PLANNED_STOP','SCRAP_YARD','OTHER_SHED')),
  name        text NOT NULL,
  lon         double precision NOT NULL CHECK (lon BETWEEN -180 AND 180),   -- WGS-84
  lat         double precision NOT NULL CHECK (lat BETWEEN -90 AND 90),
  radius_m    numeric(8,1) NOT NULL CHECK (radius_m > 0 AND radius_m <= 20000),
  recorded_by text NOT NULL,
  recorded_at timestamptz NOT NULL
);
CREATE TABLE trip_change (
  change_id   text PRIMARY KEY,
  tenant_id   text NOT NULL REFERENCES tenant,
  trip_id     text NOT NULL REFERENCES trip,
  changed_at  timestamptz NOT NULL,
  destination text NOT NULL CHECK (destination <> ''),
  expected_at timestamptz,
  reason      text NOT NULL DEFAULT '',
  recorded_by text NOT NULL,
  recorded_at timestamptz NOT NULL
);
CREATE INDEX trip_change_trip ON trip_change (trip_id, changed_at);

-- What a commodity is like: outside the band it is another thing. Assay in percent by mass, density in kg/m3.
CREATE TABLE commodity_band (
  band_id     text PRIMARY KEY,
  tenant_id   text NOT NULL REFERENCES tenant,
  commodity_code text NOT NULL REFERENCES commodity,
  property    text NOT NULL CHECK (property IN ('DENSITY_KGPM3','ASSAY_PCT')),
  grade       text,                              -- NULL = every grade
  low         numeric(14,6) NOT NULL,
  high        numeric(14,6) NOT NULL,
  recorded_by text NOT NULL,
  recorded_at timestamptz NOT NULL,
  CHECK (high >= low)
);
