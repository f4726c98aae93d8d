-- Written by `python -m db.schema` from the migrations, on plain PostgreSQL; do not edit.

CREATE FUNCTION public.alert_event_notify() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN PERFORM pg_notify('alert_event', NEW.event_id::text); RETURN NULL; END $$;

CREATE FUNCTION public.an_admin_stays() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('an_admin_stays/' || OLD.tenant_id, 0));
  IF NOT EXISTS (SELECT 1 FROM app_user u WHERE u.tenant_id = OLD.tenant_id AND u.user_id <> OLD.user_id AND u.active AND 'admin' = ANY (u.roles)) THEN
    RAISE EXCEPTION 'user % is the last active administrator of tenant %', OLD.user_id, OLD.tenant_id
      USING ERRCODE = 'check_violation', CONSTRAINT = 'an_admin_stays';
  END IF;
  RETURN NEW;
END $$;

CREATE FUNCTION public.job_request_notify() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN PERFORM pg_notify('job_request', NEW.request_id); RETURN NULL; END $$;

CREATE FUNCTION public.ledger_entry_balances() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION public.ledger_posting_balances() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
DECLARE uneven record;
BEGIN
  SELECT entry_id, unit, sum(amount) AS off INTO uneven FROM added GROUP BY entry_id, unit HAVING sum(amount) <> 0 LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'lines of ledger entry % are off by % %', uneven.entry_id, uneven.off, uneven.unit USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NULL;
END $$;

CREATE FUNCTION public.price_quote_stays() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  IF OLD.status <> 'QUARANTINED' OR (to_jsonb(NEW) - '{status,reason,accepted_at}'::text[]) <> (to_jsonb(OLD) - '{status,reason,accepted_at}'::text[]) THEN
    RAISE EXCEPTION 'price % is recorded: only a quarantined price changes, and only its status', OLD.price_id USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;

CREATE FUNCTION public.receipt_item_ends_once() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  IF TG_OP = 'DELETE' OR OLD.ended_at IS NOT NULL OR (NEW.receipt_no, NEW.goods_id) <> (OLD.receipt_no, OLD.goods_id) THEN
    RAISE EXCEPTION 'unit % under receipt %: the link ends once and stays on record', OLD.goods_id, OLD.receipt_no USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;

CREATE FUNCTION public.receipt_quantity_is_of_its_goods() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION public.receipt_succession_conserves() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION public.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
  RAISE EXCEPTION '% is append-only: % refused; write a correcting row instead', TG_TABLE_NAME, TG_OP
    USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE FUNCTION public.registry_changed() RETURNS trigger
    LANGUAGE plpgsql
    AS $$ BEGIN PERFORM pg_notify('registry', ''); RETURN NULL; END $$;

CREATE TABLE public.alert (
    alert_id text NOT NULL,
    tenant_id text NOT NULL,
    rule_code text NOT NULL,
    rule_version integer NOT NULL,
    subject_kind text NOT NULL,
    subject_id text NOT NULL,
    facility_id text,
    warehouse_id text,
    pledge_id text,
    leg text NOT NULL,
    severity text NOT NULL,
    status text NOT NULL,
    summary text NOT NULL,
    summary_zh text NOT NULL,
    evidence jsonb NOT NULL,
    thresholds jsonb DEFAULT '{}'::jsonb NOT NULL,
    exposure_at_risk numeric(20,2),
    currency text,
    occurred_at timestamp with time zone NOT NULL,
    opened_at timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    last_found_at timestamp with time zone NOT NULL,
    sla_due_at timestamp with time zone,
    resolved_at timestamp with time zone,
    closed_at timestamp with time zone,
    owner text,
    closing_user text,
    second_closing_user text,
    closing_reason text,
    version integer DEFAULT 1 NOT NULL,
    episode integer DEFAULT 1 NOT NULL,
    event_keys text[] DEFAULT '{}'::text[] NOT NULL,
    composite_legs text[] DEFAULT '{}'::text[] NOT NULL,
    explained_keys text[] DEFAULT '{}'::text[] NOT NULL,
    evidence_at timestamp with time zone,
    outcome text,
    weighed_at timestamp with time zone,
    CONSTRAINT alert_check CHECK (((status <> 'CLOSED'::text) OR ((closing_reason IS NOT NULL) AND (closed_at IS NOT NULL)))),
    CONSTRAINT alert_closed_by_two CHECK (((status <> 'CLOSED'::text) OR (severity <> ALL (ARRAY['P1'::text, 'P2'::text])) OR ((closing_user IS NOT NULL) AND (second_closing_user IS NOT NULL) AND (closing_user <> second_closing_user)))),
    CONSTRAINT alert_leg_check CHECK ((leg = ANY (ARRAY['I'::text, 'T'::text, 'L'::text]))),
    CONSTRAINT alert_outcome_check CHECK ((outcome = ANY (ARRAY['CONFIRMED'::text, 'EXPLAINED'::text, 'FALSE_ALARM'::text]))),
    CONSTRAINT alert_severity_check CHECK ((severity = ANY (ARRAY['P1'::text, 'P2'::text, 'P3'::text, 'P4'::text]))),
    CONSTRAINT alert_status_check CHECK ((status = ANY (ARRAY['OPEN'::text, 'ACK'::text, 'INVESTIGATING'::text, 'CONFIRMED'::text, 'EXPLAINED'::text, 'FALSE_ALARM'::text, 'CLOSED'::text, 'RESOLVED'::text]))),
    CONSTRAINT alert_subject_kind_check CHECK ((subject_kind = ANY (ARRAY['goods'::text, 'tag'::text, 'device'::text, 'site'::text, 'vehicle'::text, 'trip'::text, 'facility'::text, 'pledge'::text, 'document'::text, 'commodity'::text, 'party'::text])))
);

CREATE TABLE public.alert_event (
    event_id bigint NOT NULL,
    alert_id text NOT NULL,
    tenant_id text NOT NULL,
    happened_at timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    actor text NOT NULL,
    kind text NOT NULL,
    detail jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT alert_event_kind_check CHECK ((kind = ANY (ARRAY['OPENED'::text, 'REFRESHED'::text, 'RAISED'::text, 'RESOLVED'::text, 'REOPENED'::text, 'ACKNOWLEDGED'::text, 'ASSIGNED'::text, 'COMMENTED'::text, 'STATUS'::text, 'CLOSED'::text])))
);

ALTER TABLE public.alert_event ALTER COLUMN event_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.alert_event_event_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.antenna_zone (
    device_id text NOT NULL,
    antenna integer NOT NULL,
    zone_id text NOT NULL,
    valid_from timestamp with time zone NOT NULL,
    valid_to timestamp with time zone,
    CONSTRAINT antenna_zone_antenna_check CHECK (((antenna >= 0) AND (antenna <= 64))),
    CONSTRAINT antenna_zone_check CHECK (((valid_to IS NULL) OR (valid_to > valid_from)))
);

CREATE TABLE public.app_user (
    user_id text NOT NULL,
    tenant_id text NOT NULL,
    username text NOT NULL,
    display_name text NOT NULL,
    password_hash text NOT NULL,
    roles text[] NOT NULL,
    active boolean DEFAULT true NOT NULL,
    created_at timestamp with time zone NOT NULL,
    session_no integer DEFAULT 0 NOT NULL,
    CONSTRAINT app_user_password_hash_check CHECK ((password_hash ~~ '$argon2id$%'::text)),
    CONSTRAINT app_user_roles_check CHECK (((roles <@ ARRAY['risk_officer'::text, 'approver'::text, 'warehouse_operator'::text, 'device_admin'::text, 'auditor'::text, 'admin'::text, 'system'::text]) AND (cardinality(roles) > 0))),
    CONSTRAINT app_user_session_no_check CHECK ((session_no >= 0))
);

CREATE TABLE public.audit_entry (
    audit_id bigint NOT NULL,
    tenant_id text NOT NULL,
    happened_at timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    user_id text NOT NULL,
    action text NOT NULL,
    subject_kind text NOT NULL,
    subject_id text NOT NULL,
    detail jsonb DEFAULT '{}'::jsonb NOT NULL
);

ALTER TABLE public.audit_entry ALTER COLUMN audit_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.audit_entry_audit_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.borrowing_base_certificate (
    certificate_id text NOT NULL,
    tenant_id text NOT NULL,
    facility_id text NOT NULL,
    as_of timestamp with time zone NOT NULL,
    issued_at timestamp with time zone NOT NULL,
    issued_by text NOT NULL,
    content text NOT NULL,
    content_hash text NOT NULL,
    CONSTRAINT borrowing_base_certificate_check CHECK ((content_hash = encode(sha256(convert_to(content, 'UTF8'::name)), 'hex'::text))),
    CONSTRAINT borrowing_base_certificate_check1 CHECK ((as_of <= issued_at))
);

CREATE TABLE public.business_figure (
    figure_id text NOT NULL,
    tenant_id text NOT NULL,
    kind text NOT NULL,
    party_id text,
    warehouse_id text,
    commodity_code text,
    value numeric(24,6) NOT NULL,
    currency text,
    valid_from date NOT NULL,
    valid_to date NOT NULL,
    source text NOT NULL,
    recorded_by text NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    CONSTRAINT business_figure_check CHECK ((valid_to > valid_from)),
    CONSTRAINT business_figure_check1 CHECK (((kind = 'SITE_CAPACITY_KG'::text) = (warehouse_id IS NOT NULL))),
    CONSTRAINT business_figure_check2 CHECK (((kind = ANY (ARRAY['SITE_CAPACITY_KG'::text, 'MARKET_TURNOVER_10D_KG'::text])) = (party_id IS NULL))),
    CONSTRAINT business_figure_check3 CHECK (((kind <> 'MARKET_TURNOVER_10D_KG'::text) OR (commodity_code IS NOT NULL))),
    CONSTRAINT business_figure_check4 CHECK (((kind = 'SALES_12M'::text) = (currency IS NOT NULL))),
    CONSTRAINT business_figure_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text)),
    CONSTRAINT business_figure_kind_check CHECK ((kind = ANY (ARRAY['SITE_CAPACITY_KG'::text, 'PARTY_CAPACITY_KG'::text, 'MARKET_TURNOVER_10D_KG'::text, 'SALES_12M'::text, 'INPUT_IMPLIED_OUTPUT_KG'::text, 'CLAIMED_OUTPUT_KG'::text, 'PLANNED_TURNOVER_90D_KG'::text]))),
    CONSTRAINT business_figure_source_check CHECK ((source <> ''::text)),
    CONSTRAINT business_figure_value_check CHECK ((value >= (0)::numeric))
);

CREATE TABLE public.commodity (
    commodity_code text NOT NULL,
    name text NOT NULL,
    name_zh text NOT NULL,
    commodity_group text NOT NULL,
    unit text NOT NULL,
    weighing_tolerance numeric(8,6) NOT NULL,
    price_min numeric(18,4) NOT NULL,
    price_max numeric(18,4) NOT NULL,
    price_currency text NOT NULL,
    ageing_steps jsonb DEFAULT '[]'::jsonb NOT NULL,
    CONSTRAINT commodity_check CHECK ((price_max > price_min)),
    CONSTRAINT commodity_price_currency_check CHECK ((price_currency ~ '^[A-Z]{3}$'::text)),
    CONSTRAINT commodity_price_min_check CHECK ((price_min > (0)::numeric)),
    CONSTRAINT commodity_unit_check CHECK ((unit = ANY (ARRAY['kg'::text, 't'::text, 'piece'::text, 'm3'::text, 'bbl'::text]))),
    CONSTRAINT commodity_weighing_tolerance_check CHECK (((weighing_tolerance >= (0)::numeric) AND (weighing_tolerance < (1)::numeric)))
);

CREATE TABLE public.commodity_band (
    band_id text NOT NULL,
    tenant_id text NOT NULL,
    commodity_code text NOT NULL,
    property text NOT NULL,
    grade text,
    low numeric(14,6) NOT NULL,
    high numeric(14,6) NOT NULL,
    recorded_by text NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    CONSTRAINT commodity_band_check CHECK ((high >= low)),
    CONSTRAINT commodity_band_property_check CHECK ((property = ANY (ARRAY['DENSITY_KGPM3'::text, 'ASSAY_PCT'::text])))
);

CREATE TABLE public.conservation_check (
    device_id text NOT NULL,
    day date NOT NULL,
    counted bigint NOT NULL,
    found bigint NOT NULL,
    found_at timestamp with time zone NOT NULL,
    CONSTRAINT conservation_check_counted_check CHECK ((counted >= 0)),
    CONSTRAINT conservation_check_found_check CHECK ((found >= 0))
);

CREATE TABLE public.credit_product (
    product text NOT NULL,
    name text NOT NULL,
    name_zh text NOT NULL,
    pledge_modes text[] NOT NULL,
    tenor_days_max integer NOT NULL,
    cure_hours_max integer NOT NULL,
    cure_days_max integer NOT NULL,
    disposal_cost_min numeric(8,6) NOT NULL,
    CONSTRAINT credit_product_cure_days_max_check CHECK ((cure_days_max > 0)),
    CONSTRAINT credit_product_cure_hours_max_check CHECK ((cure_hours_max > 0)),
    CONSTRAINT credit_product_disposal_cost_min_check CHECK (((disposal_cost_min >= (0)::numeric) AND (disposal_cost_min < 0.5))),
    CONSTRAINT credit_product_pledge_modes_check CHECK (((pledge_modes <@ ARRAY['STATIC'::text, 'FLOATING'::text]) AND (cardinality(pledge_modes) > 0))),
    CONSTRAINT credit_product_product_check CHECK ((product = ANY (ARRAY['STEEL_STATIC'::text, 'METAL_FLOATING'::text, 'PETROCHEM_TANK'::text, 'AUTO_FLOORPLAN'::text, 'PREPAY_THEN_GOODS'::text, 'GENERAL'::text]))),
    CONSTRAINT credit_product_tenor_days_max_check CHECK ((tenor_days_max > 0))
);

CREATE TABLE public.credit_product_advance (
    product text NOT NULL,
    commodity_group text NOT NULL,
    advance_max numeric(8,6) NOT NULL,
    CONSTRAINT credit_product_advance_advance_max_check CHECK (((advance_max > (0)::numeric) AND (advance_max < (1)::numeric)))
);

CREATE TABLE public.dated_proof (
    proof_id text NOT NULL,
    tenant_id text NOT NULL,
    kind text NOT NULL,
    party_id text,
    warehouse_id text,
    facility_id text,
    number text NOT NULL,
    valid_from timestamp with time zone NOT NULL,
    valid_to timestamp with time zone NOT NULL,
    evidence_sha256 text,
    recorded_by text NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    CONSTRAINT dated_proof_check CHECK ((num_nonnulls(party_id, warehouse_id, facility_id) = 1)),
    CONSTRAINT dated_proof_check1 CHECK ((valid_to >= valid_from)),
    CONSTRAINT dated_proof_evidence_sha256_check CHECK ((evidence_sha256 ~ '^[0-9a-f]{64}$'::text)),
    CONSTRAINT dated_proof_kind_check CHECK ((kind = ANY (ARRAY['INSURANCE'::text, 'INSPECTION'::text, 'REGISTRATION'::text, 'LEASE'::text, 'SUPERVISION'::text, 'LICENCE'::text, 'PRESENCE'::text]))),
    CONSTRAINT dated_proof_number_check CHECK ((number <> ''::text))
);

CREATE TABLE public.dead_letter (
    dead_letter_id bigint NOT NULL,
    topic text NOT NULL,
    topic_device text,
    tenant_id text,
    item_no integer DEFAULT '-1'::integer NOT NULL,
    reason text NOT NULL,
    detail text NOT NULL,
    payload bytea NOT NULL,
    payload_bytes bigint NOT NULL,
    payload_sha256 bytea NOT NULL,
    items bigint DEFAULT 1 NOT NULL,
    times bigint DEFAULT 1 NOT NULL,
    first_received_at timestamp with time zone NOT NULL,
    last_received_at timestamp with time zone NOT NULL,
    state text DEFAULT 'KEPT'::text NOT NULL,
    worked_by text,
    worked_at timestamp with time zone,
    outcome jsonb,
    CONSTRAINT dead_letter_items_check CHECK ((items > 0)),
    CONSTRAINT dead_letter_state_check CHECK ((state = ANY (ARRAY['KEPT'::text, 'QUEUED'::text, 'REDRIVEN'::text, 'DISCARDED'::text]))),
    CONSTRAINT dead_letter_times_check CHECK ((times > 0))
);

ALTER TABLE public.dead_letter ALTER COLUMN dead_letter_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.dead_letter_dead_letter_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.declared_movement (
    declared_no bigint NOT NULL,
    tenant_id text NOT NULL,
    event_no bigint NOT NULL,
    goods_id text NOT NULL,
    epc text NOT NULL,
    kind text NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    from_warehouse_id text,
    from_zone_id text,
    to_warehouse_id text,
    to_zone_id text,
    evidence jsonb DEFAULT '{}'::jsonb NOT NULL,
    corrects bigint,
    CONSTRAINT declared_movement_check CHECK (((kind = 'CORRECTION'::text) = (corrects IS NOT NULL))),
    CONSTRAINT declared_movement_kind_check CHECK ((kind = ANY (ARRAY['APPEARED'::text, 'SEEN'::text, 'ZONE_CHANGE'::text, 'SITE_CHANGE'::text, 'DEPARTED'::text, 'CORRECTION'::text])))
);

ALTER TABLE public.declared_movement ALTER COLUMN declared_no ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.declared_movement_declared_no_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.device (
    device_id text NOT NULL,
    tenant_id text NOT NULL,
    site text NOT NULL,
    warehouse_id text,
    class text NOT NULL,
    format text NOT NULL,
    name text NOT NULL,
    gateway_device_id text,
    vehicle_plate text,
    claims jsonb DEFAULT '{}'::jsonb NOT NULL,
    expected_interval_s integer DEFAULT 60 NOT NULL,
    utc_offset_minutes integer DEFAULT 0 NOT NULL,
    datum text DEFAULT 'WGS84'::text NOT NULL,
    lon double precision,
    lat double precision,
    enabled boolean DEFAULT true NOT NULL,
    credential_hash text,
    credential_issued_at timestamp with time zone,
    registered_at timestamp with time zone NOT NULL,
    CONSTRAINT device_class_check CHECK ((class = ANY (ARRAY['rfid'::text, 'gate'::text, 'gps'::text, 'wms'::text, 'sensor'::text, 'gw'::text]))),
    CONSTRAINT device_datum_check CHECK ((datum = ANY (ARRAY['WGS84'::text, 'GCJ02'::text, 'BD09'::text]))),
    CONSTRAINT device_device_id_check CHECK ((device_id ~ '^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$'::text)),
    CONSTRAINT device_expected_interval_s_check CHECK (((expected_interval_s >= 1) AND (expected_interval_s <= 86400))),
    CONSTRAINT device_lat_check CHECK (((lat >= ('-90'::integer)::double precision) AND (lat <= (90)::double precision))),
    CONSTRAINT device_lon_check CHECK (((lon >= ('-180'::integer)::double precision) AND (lon <= (180)::double precision))),
    CONSTRAINT device_site_check CHECK ((site ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'::text)),
    CONSTRAINT device_utc_offset_minutes_check CHECK (((utc_offset_minutes >= '-840'::integer) AND (utc_offset_minutes <= 840)))
);

CREATE TABLE public.device_event (
    observed_at timestamp with time zone NOT NULL,
    received_at timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    device_id text NOT NULL,
    event_key text NOT NULL,
    type text NOT NULL,
    payload jsonb NOT NULL,
    content_hash bytea NOT NULL
);

CREATE TABLE public.device_heard (
    device_id text NOT NULL,
    from_at timestamp with time zone NOT NULL,
    until_at timestamp with time zone NOT NULL,
    CONSTRAINT device_heard_check CHECK ((until_at >= from_at))
);

CREATE TABLE public.device_state (
    device_id text NOT NULL,
    last_observed_at timestamp with time zone,
    last_received_at timestamp with time zone,
    last_health_at timestamp with time zone,
    presence text,
    presence_text text,
    presence_at timestamp with time zone,
    last_seq bigint,
    gaps bigint DEFAULT 0 NOT NULL,
    health jsonb DEFAULT '{}'::jsonb NOT NULL,
    skew_ms integer,
    clock_offset_ms bigint,
    clock_samples_ms bigint[] DEFAULT '{}'::bigint[] NOT NULL,
    clock_sampled_at timestamp with time zone,
    seq_spans jsonb DEFAULT '[]'::jsonb NOT NULL,
    heard_from timestamp with time zone,
    heard_until timestamp with time zone,
    CONSTRAINT device_state_presence_check CHECK ((presence = ANY (ARRAY['online'::text, 'offline'::text])))
);

CREATE TABLE public.disposal_case (
    case_id text NOT NULL,
    tenant_id text NOT NULL,
    facility_id text NOT NULL,
    call_id text,
    valuation_id text NOT NULL,
    status text NOT NULL,
    trigger text NOT NULL,
    exposure numeric(20,2) NOT NULL,
    collateral_value numeric(20,2) NOT NULL,
    proposed_sale_value numeric(20,2) NOT NULL,
    currency text NOT NULL,
    opened_at timestamp with time zone NOT NULL,
    approved_by text,
    second_approver text,
    CONSTRAINT disposal_case_check CHECK (((status = ANY (ARRAY['DRAFT'::text, 'WITHDRAWN'::text])) OR ((approved_by IS NOT NULL) AND (second_approver IS NOT NULL) AND (approved_by <> second_approver)))),
    CONSTRAINT disposal_case_proposed_sale_value_check CHECK ((proposed_sale_value >= (0)::numeric)),
    CONSTRAINT disposal_case_status_check CHECK ((status = ANY (ARRAY['DRAFT'::text, 'APPROVED'::text, 'MARKETING'::text, 'AWARDED'::text, 'SETTLED'::text, 'WITHDRAWN'::text]))),
    CONSTRAINT disposal_case_trigger_check CHECK ((trigger = ANY (ARRAY['DISPOSAL_LINE'::text, 'CALL_EXPIRED'::text])))
);

CREATE TABLE public.document (
    document_id text NOT NULL,
    tenant_id text NOT NULL,
    kind text NOT NULL,
    number text NOT NULL,
    issuer_party_id text NOT NULL,
    seller_party_id text,
    buyer_party_id text,
    commodity_code text,
    quantity numeric(18,6),
    unit text,
    amount numeric(20,2),
    currency text,
    contract_no text,
    vehicle_plate text,
    warehouse_id text,
    issued_at timestamp with time zone NOT NULL,
    received_at timestamp with time zone NOT NULL,
    content jsonb DEFAULT '{}'::jsonb NOT NULL,
    content_hash text NOT NULL,
    synthetic boolean DEFAULT false NOT NULL,
    CONSTRAINT document_check CHECK (((amount IS NULL) = (currency IS NULL))),
    CONSTRAINT document_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text)),
    CONSTRAINT document_kind_check CHECK ((kind = ANY (ARRAY['CONTRACT'::text, 'INVOICE'::text, 'WAYBILL'::text, 'WEIGH_TICKET'::text, 'PAYMENT'::text, 'TRANSFER_NOTE'::text, 'REGISTRY_FILING'::text, 'INSURANCE'::text, 'INSPECTION'::text]))),
    CONSTRAINT document_quantity_check CHECK ((quantity > (0)::numeric))
);

CREATE TABLE public.document_goods (
    document_id text NOT NULL,
    goods_id text NOT NULL
);

CREATE TABLE public.epcis_capture (
    capture_id text NOT NULL,
    tenant_id text NOT NULL,
    user_id text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    error_behaviour text NOT NULL,
    success boolean NOT NULL,
    header json NOT NULL,
    document_sha256 bytea NOT NULL,
    received integer NOT NULL,
    recorded integer NOT NULL,
    repeated integer NOT NULL,
    refused integer NOT NULL,
    CONSTRAINT epcis_capture_check CHECK ((success = (refused = 0))),
    CONSTRAINT epcis_capture_error_behaviour_check CHECK ((error_behaviour = ANY (ARRAY['rollback'::text, 'proceed'::text]))),
    CONSTRAINT no_event_lost_none_doubled CHECK ((received = ((recorded + repeated) + refused)))
);

CREATE TABLE public.epcis_capture_item (
    capture_id text NOT NULL,
    item_no integer NOT NULL,
    outcome text NOT NULL,
    event_no bigint,
    event_id text,
    reason text,
    detail text,
    payload json,
    CONSTRAINT epcis_capture_item_check CHECK (((outcome = ANY (ARRAY['RECORDED'::text, 'REPEATED'::text])) = (event_no IS NOT NULL))),
    CONSTRAINT epcis_capture_item_check1 CHECK (((event_no IS NOT NULL) OR (payload IS NOT NULL))),
    CONSTRAINT epcis_capture_item_check2 CHECK (((outcome <> ALL (ARRAY['CONFLICT'::text, 'INVALID'::text])) OR (reason IS NOT NULL))),
    CONSTRAINT epcis_capture_item_item_no_check CHECK ((item_no >= 0)),
    CONSTRAINT epcis_capture_item_outcome_check CHECK ((outcome = ANY (ARRAY['RECORDED'::text, 'REPEATED'::text, 'CONFLICT'::text, 'INVALID'::text, 'ROLLED_BACK'::text])))
);

CREATE TABLE public.epcis_event (
    event_no bigint NOT NULL,
    tenant_id text NOT NULL,
    event_id text NOT NULL,
    declares_error boolean NOT NULL,
    content_hash text NOT NULL,
    capture_id text NOT NULL,
    event_type text NOT NULL,
    event_time timestamp with time zone NOT NULL,
    event_time_zone_offset text NOT NULL,
    record_time timestamp with time zone NOT NULL,
    action text,
    biz_step text,
    disposition text,
    read_point text,
    biz_location text,
    parent_id text,
    transformation_id text,
    epcs text[] NOT NULL,
    input_epcs text[] NOT NULL,
    output_epcs text[] NOT NULL,
    any_epcs text[] NOT NULL,
    epc_classes text[] NOT NULL,
    input_classes text[] NOT NULL,
    output_classes text[] NOT NULL,
    quantities numeric[] NOT NULL,
    transactions text[] NOT NULL,
    sources text[] NOT NULL,
    destinations text[] NOT NULL,
    lasting_set text[] NOT NULL,
    lasting_unset text[] NOT NULL,
    error_declared_at timestamp with time zone,
    error_reason text,
    corrective_ids text[] DEFAULT '{}'::text[] NOT NULL,
    context jsonb NOT NULL,
    payload json NOT NULL,
    CONSTRAINT epcis_event_action_check CHECK ((action = ANY (ARRAY['OBSERVE'::text, 'ADD'::text, 'DELETE'::text]))),
    CONSTRAINT epcis_event_check CHECK ((declares_error = (error_declared_at IS NOT NULL)))
);

ALTER TABLE public.epcis_event ALTER COLUMN event_no ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.epcis_event_event_no_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.epcis_place (
    tenant_id text NOT NULL,
    place text NOT NULL,
    valid_from timestamp with time zone NOT NULL,
    warehouse_id text,
    zone_id text,
    mapped_by text NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT epcis_place_check CHECK (((zone_id IS NULL) OR (warehouse_id IS NOT NULL)))
);

CREATE TABLE public.epcis_query (
    query_no bigint NOT NULL,
    tenant_id text NOT NULL,
    name text NOT NULL,
    query json NOT NULL,
    created_by text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    deleted_by text,
    deleted_at timestamp with time zone,
    CONSTRAINT epcis_query_name_check CHECK ((name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$'::text))
);

ALTER TABLE public.epcis_query ALTER COLUMN query_no ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.epcis_query_query_no_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.facility (
    facility_id text NOT NULL,
    tenant_id text NOT NULL,
    name text NOT NULL,
    name_zh text NOT NULL,
    borrower_party_id text NOT NULL,
    lender_party_id text NOT NULL,
    product text NOT NULL,
    pledge_mode text NOT NULL,
    currency text NOT NULL,
    limit_amount numeric(20,2) NOT NULL,
    advance_rate numeric(8,6) NOT NULL,
    disposal_cost numeric(8,6) DEFAULT 0.05 NOT NULL,
    warning_line numeric(12,6),
    margin_call_line numeric(12,6),
    disposal_line numeric(12,6),
    cure_unit text NOT NULL,
    cure_length integer NOT NULL,
    cure_target text DEFAULT 'START'::text NOT NULL,
    control_value_floor numeric(20,2) DEFAULT 0 NOT NULL,
    reserves numeric(20,2) DEFAULT 0 NOT NULL,
    opened_at timestamp with time zone NOT NULL,
    matures_on date NOT NULL,
    status text NOT NULL,
    repayment_order text[] DEFAULT '{fees,interest,principal}'::text[] NOT NULL,
    CONSTRAINT facility_advance_rate_check CHECK (((advance_rate > (0)::numeric) AND (advance_rate < (1)::numeric))),
    CONSTRAINT facility_check CHECK ((borrower_party_id <> lender_party_id)),
    CONSTRAINT facility_check1 CHECK ((num_nulls(warning_line, margin_call_line, disposal_line) = ANY (ARRAY[0, 3]))),
    CONSTRAINT facility_check2 CHECK (((warning_line IS NULL) OR ((((1)::numeric / advance_rate) > warning_line) AND (warning_line > margin_call_line) AND (margin_call_line > disposal_line) AND (disposal_line >= ((1)::numeric + disposal_cost))))),
    CONSTRAINT facility_control_value_floor_check CHECK ((control_value_floor >= (0)::numeric)),
    CONSTRAINT facility_cure_length_check CHECK (((cure_length >= 1) AND (cure_length <= 240))),
    CONSTRAINT facility_cure_target_check CHECK ((cure_target = ANY (ARRAY['START'::text, 'WARNING'::text]))),
    CONSTRAINT facility_cure_unit_check CHECK ((cure_unit = ANY (ARRAY['HOURS'::text, 'BUSINESS_DAYS'::text]))),
    CONSTRAINT facility_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text)),
    CONSTRAINT facility_disposal_cost_check CHECK (((disposal_cost >= (0)::numeric) AND (disposal_cost < 0.5))),
    CONSTRAINT facility_limit_amount_check CHECK ((limit_amount > (0)::numeric)),
    CONSTRAINT facility_pledge_mode_check CHECK ((pledge_mode = ANY (ARRAY['STATIC'::text, 'FLOATING'::text]))),
    CONSTRAINT facility_product_check CHECK ((product = ANY (ARRAY['STEEL_STATIC'::text, 'METAL_FLOATING'::text, 'PETROCHEM_TANK'::text, 'AUTO_FLOORPLAN'::text, 'PREPAY_THEN_GOODS'::text, 'GENERAL'::text]))),
    CONSTRAINT facility_repayment_order_check CHECK (((cardinality(repayment_order) = 3) AND (repayment_order @> '{fees,interest,principal}'::text[]) AND (repayment_order <@ '{fees,interest,principal}'::text[]))),
    CONSTRAINT facility_reserves_check CHECK ((reserves >= (0)::numeric)),
    CONSTRAINT facility_status_check CHECK ((status = ANY (ARRAY['ACTIVE'::text, 'FROZEN'::text, 'IN_DISPOSAL'::text, 'CLOSED'::text])))
);

CREATE TABLE public.facility_balance (
    facility_id text NOT NULL,
    currency text NOT NULL,
    principal numeric(20,2) DEFAULT 0 NOT NULL,
    interest numeric(20,2) DEFAULT 0 NOT NULL,
    fees numeric(20,2) DEFAULT 0 NOT NULL,
    cash_margin numeric(20,2) DEFAULT 0 NOT NULL,
    last_entry_no bigint DEFAULT 0 NOT NULL,
    last_hash text DEFAULT ''::text NOT NULL,
    CONSTRAINT facility_balance_cash_margin_check CHECK ((cash_margin >= (0)::numeric)),
    CONSTRAINT facility_balance_fees_check CHECK ((fees >= (0)::numeric)),
    CONSTRAINT facility_balance_interest_check CHECK ((interest >= (0)::numeric)),
    CONSTRAINT facility_balance_principal_check CHECK ((principal >= (0)::numeric))
);

CREATE TABLE public.facility_cap (
    facility_id text NOT NULL,
    dimension text NOT NULL,
    share numeric(8,6) NOT NULL,
    CONSTRAINT facility_cap_dimension_check CHECK ((dimension = ANY (ARRAY['WAREHOUSE'::text, 'BRAND'::text, 'MILL'::text, 'SKU'::text]))),
    CONSTRAINT facility_cap_share_check CHECK (((share > (0)::numeric) AND (share < (1)::numeric)))
);

CREATE TABLE public.facility_commodity (
    facility_id text NOT NULL,
    commodity_code text NOT NULL,
    advance_rate numeric(8,6) NOT NULL,
    primary_source text NOT NULL,
    check_source text,
    source_tolerance numeric(8,6) DEFAULT 0.03 NOT NULL,
    location_discount numeric(8,6) DEFAULT 0 NOT NULL,
    quality_haircut numeric(8,6) DEFAULT 0 NOT NULL,
    price_rule text DEFAULT 'PRIMARY_WITH_TOLERANCE'::text NOT NULL,
    further_sources text[] DEFAULT '{}'::text[] NOT NULL,
    accepted_grades text[],
    CONSTRAINT facility_commodity_advance_rate_check CHECK (((advance_rate > (0)::numeric) AND (advance_rate < (1)::numeric))),
    CONSTRAINT facility_commodity_further_sources_check CHECK ((cardinality(further_sources) <= 8)),
    CONSTRAINT facility_commodity_location_discount_check CHECK (((location_discount >= (0)::numeric) AND (location_discount < (1)::numeric))),
    CONSTRAINT facility_commodity_price_rule_check CHECK ((price_rule = ANY (ARRAY['PRIMARY_WITH_TOLERANCE'::text, 'LOWER_OF'::text]))),
    CONSTRAINT facility_commodity_quality_haircut_check CHECK (((quality_haircut >= (0)::numeric) AND (quality_haircut < (1)::numeric))),
    CONSTRAINT facility_commodity_source_tolerance_check CHECK ((source_tolerance >= (0)::numeric))
);

CREATE TABLE public.facility_rate (
    facility_id text NOT NULL,
    valid_from date NOT NULL,
    valid_to date,
    annual_rate numeric(8,6) NOT NULL,
    day_count text NOT NULL,
    set_by text NOT NULL,
    set_at timestamp with time zone NOT NULL,
    CONSTRAINT facility_rate_annual_rate_check CHECK (((annual_rate >= (0)::numeric) AND (annual_rate < (1)::numeric))),
    CONSTRAINT facility_rate_check CHECK (((valid_to IS NULL) OR (valid_to > valid_from))),
    CONSTRAINT facility_rate_day_count_check CHECK ((day_count = ANY (ARRAY['ACT/360'::text, 'ACT/365F'::text])))
);

CREATE TABLE public.fast_lane_cursor (
    only_row boolean DEFAULT true NOT NULL,
    movement_id bigint DEFAULT 0 NOT NULL,
    refusal_id bigint DEFAULT 0 NOT NULL,
    movement_xid xid8 DEFAULT '0'::xid8 NOT NULL,
    refusal_xid xid8 DEFAULT '0'::xid8 NOT NULL,
    CONSTRAINT fast_lane_cursor_only_row_check CHECK (only_row)
);

CREATE TABLE public.goods_position (
    tag_epc text NOT NULL,
    goods_id text,
    device_id text NOT NULL,
    antenna integer NOT NULL,
    zone_id text,
    warehouse_id text,
    tid text,
    entered_at timestamp with time zone NOT NULL,
    first_stored_at timestamp with time zone NOT NULL,
    last_seen_at timestamp with time zone NOT NULL,
    previous_zone_id text,
    reads bigint DEFAULT 1 NOT NULL,
    absorbed bigint DEFAULT 0 NOT NULL,
    rssi_dbm real,
    pending jsonb
);

CREATE TABLE public.goods_unit (
    goods_id text NOT NULL,
    tenant_id text NOT NULL,
    commodity_code text NOT NULL,
    kind text NOT NULL,
    mill text,
    heat_no text,
    piece_no text,
    vin text,
    grade text,
    spec text,
    brand text,
    origin text,
    quantity numeric(18,6) NOT NULL,
    unit text NOT NULL,
    weight_theoretical_kg numeric(18,3),
    weight_scale_kg numeric(18,3),
    invoice_unit_price numeric(18,4),
    invoice_currency text,
    produced_on date,
    owner_party_id text NOT NULL,
    warehouse_id text,
    zone_id text,
    state text NOT NULL,
    synthetic boolean DEFAULT false NOT NULL,
    registered_at timestamp with time zone NOT NULL,
    identity_key text GENERATED ALWAYS AS (
CASE
    WHEN ((mill ~ '\S'::text) AND (heat_no ~ '\S'::text) AND (piece_no ~ '\S'::text)) THEN upper(regexp_replace(NORMALIZE(((((mill || '|'::text) || heat_no) || '|'::text) || piece_no), NFKC), '\s'::text, ''::text, 'g'::text))
    ELSE NULL::text
END) STORED,
    CONSTRAINT goods_unit_check CHECK (((invoice_unit_price IS NULL) = (invoice_currency IS NULL))),
    CONSTRAINT goods_unit_goods_id_check CHECK (((length(goods_id) >= 1) AND (length(goods_id) <= 96))),
    CONSTRAINT goods_unit_invoice_currency_check CHECK ((invoice_currency ~ '^[A-Z]{3}$'::text)),
    CONSTRAINT goods_unit_invoice_unit_price_check CHECK ((invoice_unit_price > (0)::numeric)),
    CONSTRAINT goods_unit_kind_check CHECK ((kind = ANY (ARRAY['COIL'::text, 'BUNDLE'::text, 'PALLET'::text, 'VEHICLE'::text, 'TANK_LOT'::text, 'PIECE'::text]))),
    CONSTRAINT goods_unit_quantity_check CHECK ((quantity > (0)::numeric)),
    CONSTRAINT goods_unit_state_check CHECK ((state = ANY (ARRAY['EXPECTED'::text, 'IN_TRANSIT'::text, 'INBOUND_CHECK'::text, 'STORED'::text, 'PLEDGED'::text, 'RELEASE_APPROVED'::text, 'GATED_OUT'::text, 'DELIVERED'::text, 'MISSING'::text, 'DISPUTED'::text, 'QUARANTINED'::text]))),
    CONSTRAINT goods_unit_unit_check CHECK ((unit = ANY (ARRAY['kg'::text, 't'::text, 'piece'::text, 'm3'::text, 'bbl'::text]))),
    CONSTRAINT goods_unit_vin_check CHECK ((vin ~ '^[A-HJ-NPR-Z0-9]{17}$'::text)),
    CONSTRAINT goods_unit_weight_scale_kg_check CHECK ((weight_scale_kg > (0)::numeric)),
    CONSTRAINT goods_unit_weight_theoretical_kg_check CHECK ((weight_theoretical_kg > (0)::numeric))
);

CREATE TABLE public.idempotency_key (
    tenant_id text NOT NULL,
    user_id text NOT NULL,
    key text NOT NULL,
    request_hash text NOT NULL,
    status_code integer NOT NULL,
    response jsonb NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT idempotency_key_key_check CHECK (((length(key) >= 1) AND (length(key) <= 200)))
);

CREATE TABLE public.ingest_tally (
    device_id text NOT NULL,
    day date NOT NULL,
    received bigint DEFAULT 0 NOT NULL,
    stored bigint DEFAULT 0 NOT NULL,
    repeated bigint DEFAULT 0 NOT NULL,
    absorbed bigint DEFAULT 0 NOT NULL,
    refused bigint DEFAULT 0 NOT NULL,
    CONSTRAINT nothing_lost_nothing_doubled CHECK ((received = (((stored + repeated) + absorbed) + refused)))
);

CREATE TABLE public.inspection_visit (
    visit_id text NOT NULL,
    tenant_id text NOT NULL,
    warehouse_id text NOT NULL,
    planned_at timestamp with time zone NOT NULL,
    outcome text NOT NULL,
    by_site boolean NOT NULL,
    note text DEFAULT ''::text NOT NULL,
    photo_phashes text[] DEFAULT '{}'::text[] NOT NULL,
    recorded_by text NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    CONSTRAINT inspection_visit_check CHECK (((outcome <> 'DONE'::text) OR (NOT by_site))),
    CONSTRAINT inspection_visit_outcome_check CHECK ((outcome = ANY (ARRAY['DONE'::text, 'REFUSED'::text, 'POSTPONED'::text, 'PARTLY_REFUSED'::text])))
);

CREATE TABLE public.installation (
    only_row boolean DEFAULT true NOT NULL,
    edition text NOT NULL,
    server_version text NOT NULL,
    timescale_version text,
    recorded_at timestamp with time zone NOT NULL,
    CONSTRAINT installation_edition_check CHECK ((edition = ANY (ARRAY['timescale-community'::text, 'timescale-apache'::text, 'plain'::text]))),
    CONSTRAINT installation_only_row_check CHECK (only_row)
);

CREATE TABLE public.interest_accrual (
    entry_id bigint NOT NULL,
    facility_id text NOT NULL,
    accrued_to date NOT NULL,
    total numeric(20,2) NOT NULL,
    posted numeric(20,2) NOT NULL,
    CONSTRAINT interest_accrual_posted_check CHECK ((posted <> (0)::numeric)),
    CONSTRAINT interest_accrual_total_check CHECK ((total >= (0)::numeric))
);

CREATE TABLE public.inventory_round (
    device_id text NOT NULL,
    zone_id text NOT NULL,
    round_at timestamp with time zone NOT NULL,
    units_seen integer NOT NULL,
    units_expected integer NOT NULL,
    CONSTRAINT inventory_round_check CHECK ((units_expected >= units_seen)),
    CONSTRAINT inventory_round_units_seen_check CHECK ((units_seen >= 0))
);

CREATE TABLE public.job_request (
    request_id text NOT NULL,
    job text NOT NULL,
    as_of timestamp with time zone,
    requested_by text NOT NULL,
    requested_at timestamp with time zone NOT NULL,
    state text DEFAULT 'WAITING'::text NOT NULL,
    run_id text,
    CONSTRAINT job_request_check CHECK (((state <> 'DONE'::text) OR (run_id IS NOT NULL))),
    CONSTRAINT job_request_state_check CHECK ((state = ANY (ARRAY['WAITING'::text, 'TAKEN'::text, 'DONE'::text, 'FAILED'::text])))
);

CREATE TABLE public.job_run (
    run_id text NOT NULL,
    job text NOT NULL,
    scheduled_for timestamp with time zone NOT NULL,
    as_of timestamp with time zone NOT NULL,
    started_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone,
    status text NOT NULL,
    inputs jsonb DEFAULT '{}'::jsonb NOT NULL,
    findings jsonb DEFAULT '{}'::jsonb NOT NULL,
    errors jsonb DEFAULT '[]'::jsonb NOT NULL,
    duration_ms bigint,
    process text NOT NULL,
    CONSTRAINT job_run_status_check CHECK ((status = ANY (ARRAY['RUNNING'::text, 'SUCCEEDED'::text, 'PARTLY_FAILED'::text, 'FAILED'::text, 'ABANDONED'::text])))
);

CREATE TABLE public.job_schedule (
    job text NOT NULL,
    next_fire_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL
);

CREATE TABLE public.ledger_correction (
    correction_id text NOT NULL,
    tenant_id text NOT NULL,
    facility_id text NOT NULL,
    entry_no bigint NOT NULL,
    status text NOT NULL,
    reason text NOT NULL,
    proposed_by text NOT NULL,
    proposed_at timestamp with time zone NOT NULL,
    decided_by text,
    decided_at timestamp with time zone,
    reversing_entry_no bigint,
    CONSTRAINT ledger_correction_by_two CHECK (((decided_by IS NULL) OR (decided_by <> proposed_by))),
    CONSTRAINT ledger_correction_check CHECK (((status = 'PROPOSED'::text) = (decided_by IS NULL))),
    CONSTRAINT ledger_correction_check1 CHECK (((status = 'APPROVED'::text) = (reversing_entry_no IS NOT NULL))),
    CONSTRAINT ledger_correction_status_check CHECK ((status = ANY (ARRAY['PROPOSED'::text, 'APPROVED'::text, 'REJECTED'::text])))
);

CREATE TABLE public.ledger_entry (
    entry_id bigint NOT NULL,
    facility_id text NOT NULL,
    entry_no bigint NOT NULL,
    kind text NOT NULL,
    happened_at timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    business_date date NOT NULL,
    actor text NOT NULL,
    reason text NOT NULL,
    corrects bigint,
    idempotency_key text NOT NULL,
    request_hash text NOT NULL,
    prev_hash text NOT NULL,
    hash text NOT NULL,
    CONSTRAINT ledger_entry_check CHECK (((kind = 'CORRECTION'::text) = (corrects IS NOT NULL))),
    CONSTRAINT ledger_entry_entry_no_check CHECK ((entry_no > 0)),
    CONSTRAINT ledger_entry_hash_check CHECK ((length(hash) = 64)),
    CONSTRAINT ledger_entry_kind_check CHECK ((kind = ANY (ARRAY['PLEDGE'::text, 'RELEASE'::text, 'DRAWDOWN'::text, 'REPAYMENT'::text, 'MARGIN_DEPOSIT'::text, 'MARGIN_RETURN'::text, 'INTEREST'::text, 'FEE'::text, 'CORRECTION'::text])))
);

ALTER TABLE public.ledger_entry ALTER COLUMN entry_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.ledger_entry_entry_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.ledger_posting (
    entry_id bigint NOT NULL,
    line_no integer NOT NULL,
    account text NOT NULL,
    amount numeric(20,6) NOT NULL,
    unit text NOT NULL,
    goods_id text,
    CONSTRAINT ledger_posting_amount_check CHECK ((amount <> (0)::numeric)),
    CONSTRAINT ledger_posting_line_no_check CHECK ((line_no > 0))
);

CREATE TABLE public.legal_hold (
    hold_id text NOT NULL,
    tenant_id text NOT NULL,
    subject_kind text NOT NULL,
    subject_id text NOT NULL,
    reason text NOT NULL,
    placed_by text NOT NULL,
    placed_at timestamp with time zone NOT NULL,
    lifted_by text,
    lifted_at timestamp with time zone,
    CONSTRAINT legal_hold_check CHECK (((lifted_by IS NULL) = (lifted_at IS NULL))),
    CONSTRAINT legal_hold_check1 CHECK ((lifted_at >= placed_at)),
    CONSTRAINT legal_hold_reason_check CHECK ((reason <> ''::text)),
    CONSTRAINT legal_hold_subject_kind_check CHECK ((subject_kind = ANY (ARRAY['goods'::text, 'device'::text])))
);

CREATE TABLE public.margin_call (
    call_id text NOT NULL,
    tenant_id text NOT NULL,
    facility_id text NOT NULL,
    valuation_id text NOT NULL,
    status text NOT NULL,
    cause text NOT NULL,
    cash_amount numeric(20,2) NOT NULL,
    goods_amount numeric(20,2) NOT NULL,
    currency text NOT NULL,
    issued_at timestamp with time zone NOT NULL,
    cure_deadline timestamp with time zone NOT NULL,
    acknowledged_by text,
    closed_at timestamp with time zone,
    CONSTRAINT margin_call_cash_amount_check CHECK ((cash_amount >= (0)::numeric)),
    CONSTRAINT margin_call_cause_check CHECK ((cause = ANY (ARRAY['PRICE'::text, 'QUANTITY'::text, 'ELIGIBILITY'::text]))),
    CONSTRAINT margin_call_check CHECK ((cure_deadline > issued_at)),
    CONSTRAINT margin_call_goods_amount_check CHECK ((goods_amount >= (0)::numeric)),
    CONSTRAINT margin_call_status_check CHECK ((status = ANY (ARRAY['ISSUED'::text, 'ACKNOWLEDGED'::text, 'PARTLY_CURED'::text, 'CURED'::text, 'EXPIRED'::text, 'ESCALATED'::text])))
);

CREATE TABLE public.margin_call_event (
    event_id bigint NOT NULL,
    call_id text NOT NULL,
    happened_at timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    actor text NOT NULL,
    kind text NOT NULL,
    detail jsonb DEFAULT '{}'::jsonb NOT NULL
);

ALTER TABLE public.margin_call_event ALTER COLUMN event_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.margin_call_event_event_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.missed_reads (
    device_id text NOT NULL,
    kind text NOT NULL,
    from_at timestamp with time zone NOT NULL,
    until_at timestamp with time zone NOT NULL,
    seq_from bigint DEFAULT 0 NOT NULL,
    seq_to bigint DEFAULT 0 NOT NULL,
    missed bigint,
    recorded_at timestamp with time zone NOT NULL,
    filled_at timestamp with time zone,
    CONSTRAINT missed_reads_check CHECK ((until_at >= from_at)),
    CONSTRAINT missed_reads_kind_check CHECK ((kind = ANY (ARRAY['SEQ_GAP'::text, 'SEQ_RESET'::text, 'OVERFLOW'::text, 'DROPPED'::text]))),
    CONSTRAINT missed_reads_missed_check CHECK ((missed > 0))
);

CREATE TABLE public.movement (
    movement_id bigint NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    received_at timestamp with time zone NOT NULL,
    kind text NOT NULL,
    tag_epc text,
    goods_id text,
    vehicle_plate text,
    device_id text NOT NULL,
    from_zone_id text,
    to_zone_id text,
    from_seen_at timestamp with time zone,
    evidence jsonb DEFAULT '{}'::jsonb NOT NULL,
    corrects bigint,
    recorded_xid xid8 DEFAULT pg_current_xact_id() NOT NULL,
    revision integer DEFAULT 0 NOT NULL,
    CONSTRAINT movement_check CHECK (((kind = 'CORRECTION'::text) = (corrects IS NOT NULL))),
    CONSTRAINT movement_kind_check CHECK ((kind = ANY (ARRAY['APPEARED'::text, 'ZONE_CHANGE'::text, 'SITE_CHANGE'::text, 'GATE_OUT'::text, 'GATE_IN'::text, 'TID_MISMATCH'::text, 'FENCE_EXIT'::text, 'FENCE_ENTER'::text, 'CORRECTION'::text]))),
    CONSTRAINT movement_revision_check CHECK ((revision >= 0))
);

ALTER TABLE public.movement ALTER COLUMN movement_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.movement_movement_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.observation (
    observed_at timestamp with time zone NOT NULL,
    received_at timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    device_id text NOT NULL,
    tag_epc text NOT NULL,
    antenna integer NOT NULL,
    event_key text NOT NULL,
    tid text,
    goods_id text,
    zone_id text,
    rssi_dbm real,
    read_count integer DEFAULT 1 NOT NULL,
    flags text[] DEFAULT '{}'::text[] NOT NULL,
    content_hash bytea NOT NULL,
    CONSTRAINT observation_read_count_check CHECK ((read_count > 0))
);

CREATE TABLE public.party (
    party_id text NOT NULL,
    tenant_id text NOT NULL,
    name text NOT NULL,
    name_zh text NOT NULL,
    roles text[] NOT NULL,
    uscc text,
    synthetic boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT party_roles_check CHECK (((roles <@ ARRAY['BORROWER'::text, 'LENDER'::text, 'COLLATERAL_MANAGER'::text, 'WAREHOUSE_OPERATOR'::text, 'DEPOSITOR'::text, 'CORE_ENTERPRISE'::text, 'CARRIER'::text, 'INSPECTOR'::text, 'PANEL_BUYER'::text, 'COUNTERPARTY'::text]) AND (cardinality(roles) > 0))),
    CONSTRAINT party_uscc_check CHECK ((uscc ~ '^[0-9A-HJ-NP-RTUWXY]{18}$'::text))
);

CREATE TABLE public.party_link (
    link_id text NOT NULL,
    tenant_id text NOT NULL,
    party_id text NOT NULL,
    kind text NOT NULL,
    key text NOT NULL,
    other_party_id text,
    share numeric(8,6),
    disclosed boolean DEFAULT false NOT NULL,
    valid_from date NOT NULL,
    valid_to date,
    recorded_by text NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    CONSTRAINT party_link_check CHECK ((other_party_id <> party_id)),
    CONSTRAINT party_link_check1 CHECK ((valid_to > valid_from)),
    CONSTRAINT party_link_check2 CHECK (((kind = 'SHAREHOLDER'::text) = (share IS NOT NULL))),
    CONSTRAINT party_link_key_check CHECK (((length(key) >= 1) AND (length(key) <= 200))),
    CONSTRAINT party_link_kind_check CHECK ((kind = ANY (ARRAY['SHAREHOLDER'::text, 'CONTROLLER'::text, 'OFFICER'::text, 'PHONE'::text, 'ADDRESS'::text, 'ACCOUNT'::text, 'NETWORK'::text]))),
    CONSTRAINT party_link_share_check CHECK (((share > (0)::numeric) AND (share <= (1)::numeric)))
);

CREATE TABLE public.pledge (
    pledge_id text NOT NULL,
    tenant_id text NOT NULL,
    facility_id text NOT NULL,
    receipt_no text,
    status text NOT NULL,
    filing_no text,
    created_by text NOT NULL,
    approved_by text,
    created_at timestamp with time zone NOT NULL,
    pledged_at timestamp with time zone,
    discharged_at timestamp with time zone,
    CONSTRAINT pledge_check CHECK (((status <> 'ACTIVE'::text) OR ((approved_by IS NOT NULL) AND (pledged_at IS NOT NULL)))),
    CONSTRAINT pledge_maker_is_not_checker CHECK (((approved_by IS NULL) OR (approved_by <> created_by))),
    CONSTRAINT pledge_status_check CHECK ((status = ANY (ARRAY['DRAFT'::text, 'SEARCHED'::text, 'CONTROLLED'::text, 'REGISTERED'::text, 'ACTIVE'::text, 'RELEASING'::text, 'FROZEN'::text, 'IN_DISPOSAL'::text, 'DISCHARGED'::text])))
);

CREATE TABLE public.pledge_item (
    pledge_id text NOT NULL,
    goods_id text NOT NULL,
    facility_id text NOT NULL,
    vin text,
    identity_key text,
    quantity numeric(18,6) NOT NULL,
    unit text NOT NULL,
    pledged_at timestamp with time zone NOT NULL,
    released_at timestamp with time zone,
    CONSTRAINT pledge_item_check CHECK (((released_at IS NULL) OR (released_at >= pledged_at))),
    CONSTRAINT pledge_item_quantity_check CHECK ((quantity > (0)::numeric))
);

CREATE TABLE public."position" (
    observed_at timestamp with time zone NOT NULL,
    received_at timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    device_id text NOT NULL,
    event_key text NOT NULL,
    lon double precision,
    lat double precision,
    datum_in text NOT NULL,
    lon_raw double precision,
    lat_raw double precision,
    fix text NOT NULL,
    acc_m real,
    speed_mps real,
    heading_deg real,
    odo_km double precision,
    sats integer,
    ignition boolean,
    goods text[] DEFAULT '{}'::text[] NOT NULL,
    flags text[] DEFAULT '{}'::text[] NOT NULL,
    extra jsonb DEFAULT '{}'::jsonb NOT NULL,
    content_hash bytea NOT NULL,
    CONSTRAINT position_check CHECK (((lon IS NULL) = (lat IS NULL))),
    CONSTRAINT position_check1 CHECK (((fix <> 'valid'::text) OR (lon IS NOT NULL))),
    CONSTRAINT position_datum_in_check CHECK ((datum_in = ANY (ARRAY['WGS84'::text, 'GCJ02'::text, 'BD09'::text]))),
    CONSTRAINT position_fix_check CHECK ((fix = ANY (ARRAY['valid'::text, 'stale'::text, 'none'::text])))
);

CREATE TABLE public.price_differential (
    differential_id text NOT NULL,
    tenant_id text NOT NULL,
    facility_id text,
    commodity_code text NOT NULL,
    kind text NOT NULL,
    applies_to text NOT NULL,
    amount numeric(18,4),
    currency text,
    share numeric(8,6),
    valid_from date NOT NULL,
    valid_to date,
    reason text NOT NULL,
    status text NOT NULL,
    proposed_by text NOT NULL,
    proposed_at timestamp with time zone NOT NULL,
    decided_by text,
    decided_at timestamp with time zone,
    CONSTRAINT price_differential_applies_to_check CHECK ((applies_to ~ '\S'::text)),
    CONSTRAINT price_differential_by_two CHECK (((decided_by IS NULL) OR (decided_by <> proposed_by))),
    CONSTRAINT price_differential_check CHECK (((num_nonnulls(amount, share) = 1) AND ((amount IS NULL) = (currency IS NULL)))),
    CONSTRAINT price_differential_check1 CHECK (((valid_to IS NULL) OR (valid_to > valid_from))),
    CONSTRAINT price_differential_check2 CHECK (((status = 'PROPOSED'::text) = (decided_by IS NULL))),
    CONSTRAINT price_differential_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text)),
    CONSTRAINT price_differential_kind_check CHECK ((kind = ANY (ARRAY['GRADE'::text, 'SPEC'::text, 'BRAND'::text, 'PLACE'::text]))),
    CONSTRAINT price_differential_share_check CHECK (((share > ('-1'::integer)::numeric) AND (share < (1)::numeric))),
    CONSTRAINT price_differential_status_check CHECK ((status = ANY (ARRAY['PROPOSED'::text, 'APPROVED'::text, 'REJECTED'::text])))
);

CREATE TABLE public.price_override (
    override_id text NOT NULL,
    tenant_id text NOT NULL,
    price_id text NOT NULL,
    status text NOT NULL,
    reason text NOT NULL,
    proposed_by text NOT NULL,
    proposed_at timestamp with time zone NOT NULL,
    decided_by text,
    decided_at timestamp with time zone,
    decision_reason text,
    used_price_id text,
    CONSTRAINT price_override_by_two CHECK (((decided_by IS NULL) OR (decided_by <> proposed_by))),
    CONSTRAINT price_override_check CHECK (((status = 'PROPOSED'::text) = (decided_by IS NULL))),
    CONSTRAINT price_override_check1 CHECK (((status = 'APPROVED'::text) = (used_price_id IS NOT NULL))),
    CONSTRAINT price_override_status_check CHECK ((status = ANY (ARRAY['PROPOSED'::text, 'APPROVED'::text, 'REJECTED'::text])))
);

CREATE TABLE public.price_quote (
    price_id text NOT NULL,
    commodity_code text NOT NULL,
    source text NOT NULL,
    quoted_at timestamp with time zone NOT NULL,
    published_at timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    price numeric(18,4) NOT NULL,
    currency text NOT NULL,
    unit text NOT NULL,
    tax_inclusive boolean NOT NULL,
    vat_rate numeric(6,4) DEFAULT 0 NOT NULL,
    synthetic boolean NOT NULL,
    status text NOT NULL,
    reason text,
    tenant_id text,
    city text,
    grade text,
    spec text,
    accepted_at timestamp with time zone,
    CONSTRAINT price_quote_check CHECK (((status <> 'ACCEPTED'::text) OR (price > (0)::numeric))),
    CONSTRAINT price_quote_check1 CHECK (((status = 'ACCEPTED'::text) OR (reason IS NOT NULL))),
    CONSTRAINT price_quote_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text)),
    CONSTRAINT price_quote_status_check CHECK ((status = ANY (ARRAY['ACCEPTED'::text, 'QUARANTINED'::text, 'REFUSED'::text]))),
    CONSTRAINT price_quote_vat_rate_check CHECK (((vat_rate >= (0)::numeric) AND (vat_rate < (1)::numeric)))
);

CREATE TABLE public.read_policy (
    device_id text,
    site text,
    device_class text,
    smoothing_s integer,
    window_s integer,
    reads_min integer,
    clear_dbm real,
    lead_db real,
    strong_db real,
    return_within_s integer,
    CONSTRAINT read_policy_clear_dbm_check CHECK (((clear_dbm >= ('-110'::integer)::double precision) AND (clear_dbm <= (0)::double precision))),
    CONSTRAINT read_policy_device_class_check CHECK ((device_class = ANY (ARRAY['rfid'::text, 'gate'::text, 'gps'::text, 'wms'::text, 'sensor'::text, 'gw'::text]))),
    CONSTRAINT read_policy_lead_db_check CHECK (((lead_db >= (0)::double precision) AND (lead_db <= (60)::double precision))),
    CONSTRAINT read_policy_reads_min_check CHECK (((reads_min >= 1) AND (reads_min <= 100))),
    CONSTRAINT read_policy_return_within_s_check CHECK (((return_within_s >= 0) AND (return_within_s <= 86400))),
    CONSTRAINT read_policy_smoothing_s_check CHECK (((smoothing_s >= 0) AND (smoothing_s <= 86400))),
    CONSTRAINT read_policy_strong_db_check CHECK (((strong_db >= (0)::double precision) AND (strong_db <= (60)::double precision))),
    CONSTRAINT read_policy_window_s_check CHECK (((window_s >= 1) AND (window_s <= 3600)))
);

CREATE TABLE public.receipt_check (
    check_id text NOT NULL,
    tenant_id text NOT NULL,
    receipt_no text NOT NULL,
    answer text NOT NULL,
    attempts integer DEFAULT 1 NOT NULL,
    asked_at timestamp with time zone NOT NULL,
    recorded_by text NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    CONSTRAINT receipt_check_answer_check CHECK ((answer = ANY (ARRAY['CONFIRMED'::text, 'UNKNOWN'::text, 'DIFFERENT'::text, 'REVOKED'::text, 'UNREACHABLE'::text]))),
    CONSTRAINT receipt_check_attempts_check CHECK (((attempts >= 1) AND (attempts <= 100)))
);

CREATE TABLE public.receipt_elements (
    receipt_no text NOT NULL,
    depositor_name text NOT NULL,
    depositor_address text NOT NULL,
    goods_name text NOT NULL,
    quantity numeric(18,6) NOT NULL,
    unit text NOT NULL,
    quality text NOT NULL,
    packing text NOT NULL,
    pieces integer NOT NULL,
    marks text NOT NULL,
    shrinkage_standard text NOT NULL,
    storage_place text NOT NULL,
    storage_from date NOT NULL,
    storage_to date NOT NULL,
    storage_fee numeric(20,2) NOT NULL,
    insurer text NOT NULL,
    insurance_from date NOT NULL,
    issuer_name text NOT NULL,
    issue_place text NOT NULL,
    keeper_signatory text NOT NULL,
    electronic boolean NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    CONSTRAINT receipt_elements_check CHECK ((storage_to > storage_from)),
    CONSTRAINT receipt_elements_depositor_address_check CHECK ((depositor_address ~ '\S'::text)),
    CONSTRAINT receipt_elements_depositor_name_check CHECK ((depositor_name ~ '\S'::text)),
    CONSTRAINT receipt_elements_goods_name_check CHECK ((goods_name ~ '\S'::text)),
    CONSTRAINT receipt_elements_insurer_check CHECK ((insurer ~ '\S'::text)),
    CONSTRAINT receipt_elements_issue_place_check CHECK ((issue_place ~ '\S'::text)),
    CONSTRAINT receipt_elements_issuer_name_check CHECK ((issuer_name ~ '\S'::text)),
    CONSTRAINT receipt_elements_keeper_signatory_check CHECK ((keeper_signatory ~ '\S'::text)),
    CONSTRAINT receipt_elements_marks_check CHECK ((marks ~ '\S'::text)),
    CONSTRAINT receipt_elements_packing_check CHECK ((packing ~ '\S'::text)),
    CONSTRAINT receipt_elements_pieces_check CHECK ((pieces > 0)),
    CONSTRAINT receipt_elements_quality_check CHECK ((quality ~ '\S'::text)),
    CONSTRAINT receipt_elements_quantity_check CHECK ((quantity > (0)::numeric)),
    CONSTRAINT receipt_elements_shrinkage_standard_check CHECK ((shrinkage_standard ~ '\S'::text)),
    CONSTRAINT receipt_elements_storage_fee_check CHECK ((storage_fee >= (0)::numeric)),
    CONSTRAINT receipt_elements_storage_place_check CHECK ((storage_place ~ '\S'::text))
);

CREATE TABLE public.receipt_event (
    receipt_no text NOT NULL,
    event_no integer NOT NULL,
    kind text NOT NULL,
    state text NOT NULL,
    happened_at timestamp with time zone NOT NULL,
    actor text NOT NULL,
    asked_by text,
    content text NOT NULL,
    prev_hash text NOT NULL,
    hash text NOT NULL,
    CONSTRAINT receipt_event_check CHECK (((asked_by IS NULL) OR (asked_by <> actor))),
    CONSTRAINT receipt_event_event_no_check CHECK ((event_no > 0)),
    CONSTRAINT receipt_event_gives_its_hash CHECK ((hash = encode(sha256(convert_to((prev_hash || content), 'UTF8'::name)), 'hex'::text))),
    CONSTRAINT receipt_event_kind_check CHECK ((kind = ANY (ARRAY['ISSUED'::text, 'PLEDGE_ENDORSED'::text, 'TRANSFERRED'::text, 'RETURNED'::text, 'FROZEN'::text, 'UNFROZEN'::text, 'SPLIT'::text, 'MERGED'::text, 'CANCELLED'::text]))),
    CONSTRAINT receipt_event_state_check CHECK ((state = ANY (ARRAY['ISSUED'::text, 'ENDORSED'::text, 'FROZEN'::text, 'CANCELLED'::text])))
);

CREATE TABLE public.receipt_item (
    receipt_no text NOT NULL,
    goods_id text NOT NULL,
    ended_at timestamp with time zone
);

CREATE TABLE public.receipt_order (
    order_id text NOT NULL,
    tenant_id text NOT NULL,
    kind text NOT NULL,
    receipt_nos text[] NOT NULL,
    request jsonb NOT NULL,
    reason text NOT NULL,
    status text NOT NULL,
    proposed_by text NOT NULL,
    proposed_at timestamp with time zone NOT NULL,
    decided_by text,
    decided_at timestamp with time zone,
    CONSTRAINT receipt_order_by_two CHECK (((decided_by IS NULL) OR (decided_by <> proposed_by))),
    CONSTRAINT receipt_order_check CHECK (((status = 'PROPOSED'::text) = (decided_by IS NULL))),
    CONSTRAINT receipt_order_check1 CHECK (((kind = 'MERGE'::text) = (cardinality(receipt_nos) > 1))),
    CONSTRAINT receipt_order_kind_check CHECK ((kind = ANY (ARRAY['ENDORSE'::text, 'UNFREEZE'::text, 'SPLIT'::text, 'MERGE'::text, 'CANCEL'::text]))),
    CONSTRAINT receipt_order_receipt_nos_check CHECK ((cardinality(receipt_nos) > 0)),
    CONSTRAINT receipt_order_status_check CHECK ((status = ANY (ARRAY['PROPOSED'::text, 'APPROVED'::text, 'REJECTED'::text])))
);

CREATE TABLE public.receipt_series (
    series_id text NOT NULL,
    tenant_id text NOT NULL,
    keeper_party_id text NOT NULL,
    prefix text NOT NULL,
    first_no bigint NOT NULL,
    last_no bigint NOT NULL,
    recorded_by text NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    CONSTRAINT receipt_series_check CHECK ((last_no >= first_no)),
    CONSTRAINT receipt_series_first_no_check CHECK ((first_no >= 0))
);

CREATE TABLE public.receipt_succession (
    old_receipt_no text NOT NULL,
    new_receipt_no text NOT NULL,
    happened_at timestamp with time zone NOT NULL,
    CONSTRAINT receipt_succession_check CHECK ((old_receipt_no <> new_receipt_no))
);

CREATE TABLE public.refused_command (
    refusal_id bigint NOT NULL,
    tenant_id text NOT NULL,
    refused_at timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    user_id text NOT NULL,
    command text NOT NULL,
    code text NOT NULL,
    facility_id text,
    detail jsonb NOT NULL,
    recorded_xid xid8 DEFAULT pg_current_xact_id() NOT NULL
);

ALTER TABLE public.refused_command ALTER COLUMN refusal_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.refused_command_refusal_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.registry_event (
    event_id text NOT NULL,
    tenant_id text NOT NULL,
    party_id text NOT NULL,
    kind text NOT NULL,
    happened_on date NOT NULL,
    summary text NOT NULL,
    cosmetic boolean DEFAULT false NOT NULL,
    recorded_by text NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    CONSTRAINT registry_event_kind_check CHECK ((kind = ANY (ARRAY['OWNER'::text, 'CONTROLLER'::text, 'LEGAL_REPRESENTATIVE'::text, 'ADDRESS'::text, 'NAME'::text, 'LITIGATION'::text, 'LICENCE_REVOKED'::text, 'INSURANCE_CANCELLED'::text, 'LEASE_ENDED'::text, 'ABNORMAL_LIST'::text]))),
    CONSTRAINT registry_event_summary_check CHECK ((summary <> ''::text))
);

CREATE TABLE public.release_item (
    release_id text NOT NULL,
    goods_id text NOT NULL,
    gated_out_at timestamp with time zone,
    returned_at timestamp with time zone
);

CREATE TABLE public.release_order (
    release_id text NOT NULL,
    tenant_id text NOT NULL,
    facility_id text NOT NULL,
    status text NOT NULL,
    requested_by text NOT NULL,
    maker_id text,
    checker_id text,
    second_checker_id text,
    needs_second_checker boolean DEFAULT false NOT NULL,
    vehicle_plate text NOT NULL,
    driver_id_hash text NOT NULL,
    valid_from timestamp with time zone NOT NULL,
    valid_to timestamp with time zone NOT NULL,
    value_amount numeric(20,2) NOT NULL,
    currency text NOT NULL,
    pickup_code_hash text,
    signature text,
    reason text NOT NULL,
    requested_at timestamp with time zone NOT NULL,
    issued_at timestamp with time zone,
    closed_at timestamp with time zone,
    CONSTRAINT release_maker_is_not_checker CHECK (((checker_id IS NULL) OR ((checker_id <> maker_id) AND (checker_id <> requested_by)))),
    CONSTRAINT release_order_check CHECK (((valid_to > valid_from) AND (valid_to <= (valid_from + '48:00:00'::interval)))),
    CONSTRAINT release_order_check1 CHECK (((status <> ALL (ARRAY['ISSUED'::text, 'PICKING'::text, 'GATED_OUT'::text, 'RECONCILED'::text])) OR ((maker_id IS NOT NULL) AND (checker_id IS NOT NULL) AND (issued_at IS NOT NULL) AND ((NOT needs_second_checker) OR (second_checker_id IS NOT NULL))))),
    CONSTRAINT release_order_status_check CHECK ((status = ANY (ARRAY['REQUESTED'::text, 'MAKER_OK'::text, 'CHECKER_OK'::text, 'ISSUED'::text, 'PICKING'::text, 'GATED_OUT'::text, 'RECONCILED'::text, 'CANCELLED'::text, 'EXPIRED'::text]))),
    CONSTRAINT release_order_value_amount_check CHECK ((value_amount >= (0)::numeric)),
    CONSTRAINT release_requester_is_not_maker CHECK (((maker_id IS NULL) OR (maker_id <> requested_by))),
    CONSTRAINT release_second_checker_is_another CHECK (((second_checker_id IS NULL) OR ((second_checker_id <> checker_id) AND (second_checker_id <> maker_id) AND (second_checker_id <> requested_by))))
);

CREATE TABLE public.road_place (
    place_id text NOT NULL,
    tenant_id text NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,
    lon double precision NOT NULL,
    lat double precision NOT NULL,
    radius_m numeric(8,1) NOT NULL,
    recorded_by text NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    CONSTRAINT road_place_kind_check CHECK ((kind = ANY (ARRAY['SERVICE_AREA'::text, 'REST_AREA'::text, 'PLANNED_STOP'::text, 'SCRAP_YARD'::text, 'OTHER_SHED'::text]))),
    CONSTRAINT road_place_lat_check CHECK (((lat >= ('-90'::integer)::double precision) AND (lat <= (90)::double precision))),
    CONSTRAINT road_place_lon_check CHECK (((lon >= ('-180'::integer)::double precision) AND (lon <= (180)::double precision))),
    CONSTRAINT road_place_radius_m_check CHECK (((radius_m > (0)::numeric) AND (radius_m <= (20000)::numeric)))
);

CREATE TABLE public.rule_mode (
    mode_no bigint NOT NULL,
    tenant_id text NOT NULL,
    rule_code text NOT NULL,
    mode text NOT NULL,
    set_by text NOT NULL,
    set_at timestamp with time zone NOT NULL,
    reason text NOT NULL,
    CONSTRAINT rule_mode_mode_check CHECK ((mode = ANY (ARRAY['LIVE'::text, 'SHADOW'::text]))),
    CONSTRAINT rule_mode_reason_check CHECK ((reason <> ''::text))
);

ALTER TABLE public.rule_mode ALTER COLUMN mode_no ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.rule_mode_mode_no_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.rule_threshold (
    threshold_no bigint NOT NULL,
    tenant_id text NOT NULL,
    rule_code text NOT NULL,
    name text NOT NULL,
    product text,
    warehouse_id text,
    value numeric(24,8),
    set_by text NOT NULL,
    set_at timestamp with time zone NOT NULL,
    reason text NOT NULL,
    CONSTRAINT rule_threshold_reason_check CHECK ((reason <> ''::text))
);

ALTER TABLE public.rule_threshold ALTER COLUMN threshold_no ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.rule_threshold_threshold_no_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.scale_calibration (
    calibration_id text NOT NULL,
    tenant_id text NOT NULL,
    device_id text NOT NULL,
    calibrated_at timestamp with time zone NOT NULL,
    valid_to timestamp with time zone NOT NULL,
    sigma_kg numeric(12,3),
    certificate_no text NOT NULL,
    recorded_by text NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    CONSTRAINT scale_calibration_check CHECK ((valid_to > calibrated_at)),
    CONSTRAINT scale_calibration_sigma_kg_check CHECK ((sigma_kg >= (0)::numeric))
);

CREATE TABLE public.schema_migration (
    version integer NOT NULL,
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE TABLE public.shadow_finding (
    tenant_id text NOT NULL,
    rule_code text NOT NULL,
    subject_kind text NOT NULL,
    subject_id text NOT NULL,
    severity text NOT NULL,
    summary text NOT NULL,
    summary_zh text NOT NULL,
    evidence jsonb NOT NULL,
    first_found_at timestamp with time zone NOT NULL,
    last_found_at timestamp with time zone NOT NULL,
    times bigint DEFAULT 1 NOT NULL,
    CONSTRAINT shadow_finding_severity_check CHECK ((severity = ANY (ARRAY['P1'::text, 'P2'::text, 'P3'::text, 'P4'::text]))),
    CONSTRAINT shadow_finding_subject_id_check CHECK ((length(subject_id) <= 500)),
    CONSTRAINT shadow_finding_times_check CHECK ((times > 0))
);

CREATE TABLE public.site_hours (
    hours_id text NOT NULL,
    tenant_id text NOT NULL,
    warehouse_id text NOT NULL,
    valid_from timestamp with time zone NOT NULL,
    opens time without time zone NOT NULL,
    closes time without time zone NOT NULL,
    works_holidays boolean NOT NULL,
    recorded_by text NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    CONSTRAINT site_hours_check CHECK ((opens <> closes))
);

CREATE TABLE public.sparkplug_node (
    group_id text NOT NULL,
    node_id text NOT NULL,
    device_id text NOT NULL,
    bd_seq bigint,
    birth_at_ms bigint,
    alive boolean DEFAULT false NOT NULL,
    next_seq integer DEFAULT 0 NOT NULL,
    last_at_ms bigint DEFAULT 0 NOT NULL,
    births jsonb DEFAULT '{}'::jsonb NOT NULL,
    before_at_ms bigint,
    before jsonb DEFAULT '{}'::jsonb NOT NULL,
    needs_birth boolean DEFAULT false NOT NULL,
    rebirth_due_at timestamp with time zone,
    rebirth_asked_at timestamp with time zone,
    rebirths_asked bigint DEFAULT 0 NOT NULL,
    CONSTRAINT sparkplug_node_next_seq_check CHECK (((next_seq >= 0) AND (next_seq <= 255)))
);

CREATE TABLE public.sparkplug_waiting (
    waiting_id bigint NOT NULL,
    group_id text NOT NULL,
    node_id text NOT NULL,
    topic text NOT NULL,
    payload bytea NOT NULL,
    received_at timestamp with time zone NOT NULL
);

ALTER TABLE public.sparkplug_waiting ALTER COLUMN waiting_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.sparkplug_waiting_waiting_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.tag_binding (
    tag_epc text NOT NULL,
    tid text,
    goods_id text NOT NULL,
    valid_from timestamp with time zone NOT NULL,
    valid_to timestamp with time zone,
    bound_by text NOT NULL,
    CONSTRAINT tag_binding_check CHECK (((valid_to IS NULL) OR (valid_to > valid_from))),
    CONSTRAINT tag_binding_tag_epc_check CHECK (((tag_epc = upper(tag_epc)) AND ((length(tag_epc) >= 1) AND (length(tag_epc) <= 128))))
);

CREATE TABLE public.tank_spec (
    spec_id text NOT NULL,
    tenant_id text NOT NULL,
    zone_id text NOT NULL,
    valid_from timestamp with time zone NOT NULL,
    strapping jsonb NOT NULL,
    capacity_m3 numeric(14,3) NOT NULL,
    density15_min numeric(8,2) NOT NULL,
    density15_max numeric(8,2) NOT NULL,
    expansion_per_c numeric(10,8) DEFAULT 0.00083 NOT NULL,
    recorded_by text NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    CONSTRAINT tank_spec_capacity_m3_check CHECK ((capacity_m3 > (0)::numeric)),
    CONSTRAINT tank_spec_check CHECK ((density15_max >= density15_min)),
    CONSTRAINT tank_spec_density15_min_check CHECK ((density15_min > (0)::numeric)),
    CONSTRAINT tank_spec_expansion_per_c_check CHECK (((expansion_per_c >= (0)::numeric) AND (expansion_per_c < 0.01))),
    CONSTRAINT tank_spec_strapping_check CHECK ((jsonb_typeof(strapping) = 'array'::text))
);

CREATE TABLE public.telemetry_purge (
    device_id text NOT NULL,
    day date NOT NULL,
    stored bigint DEFAULT 0 NOT NULL,
    refused bigint DEFAULT 0 NOT NULL,
    CONSTRAINT telemetry_purge_refused_check CHECK ((refused >= 0)),
    CONSTRAINT telemetry_purge_stored_check CHECK ((stored >= 0))
);

CREATE TABLE public.tenant (
    tenant_id text NOT NULL,
    name text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT tenant_tenant_id_check CHECK ((tenant_id ~ '^[a-z0-9][a-z0-9-]{0,31}$'::text))
);

CREATE TABLE public.trip (
    trip_id text NOT NULL,
    tenant_id text NOT NULL,
    vehicle_plate text NOT NULL,
    device_id text NOT NULL,
    waybill_document_id text,
    origin_warehouse_id text,
    destination_warehouse_id text,
    corridor jsonb NOT NULL,
    corridor_buffer_m numeric(8,1) DEFAULT 500 NOT NULL,
    planned_from timestamp with time zone NOT NULL,
    planned_to timestamp with time zone NOT NULL,
    status text NOT NULL,
    CONSTRAINT trip_check CHECK ((planned_to > planned_from)),
    CONSTRAINT trip_corridor_buffer_m_check CHECK ((corridor_buffer_m > (0)::numeric)),
    CONSTRAINT trip_status_check CHECK ((status = ANY (ARRAY['PLANNED'::text, 'UNDER_WAY'::text, 'ARRIVED'::text, 'CANCELLED'::text])))
);

CREATE TABLE public.trip_change (
    change_id text NOT NULL,
    tenant_id text NOT NULL,
    trip_id text NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    destination text NOT NULL,
    expected_at timestamp with time zone,
    reason text DEFAULT ''::text NOT NULL,
    recorded_by text NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    CONSTRAINT trip_change_destination_check CHECK ((destination <> ''::text))
);

CREATE TABLE public.trip_goods (
    trip_id text NOT NULL,
    goods_id text NOT NULL
);

CREATE TABLE public.valuation (
    valuation_id text NOT NULL,
    tenant_id text NOT NULL,
    facility_id text NOT NULL,
    as_of timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    cause text NOT NULL,
    currency text NOT NULL,
    gross_market_value numeric(20,2) NOT NULL,
    collateral_value numeric(20,2) NOT NULL,
    confirmed_value numeric(20,2) NOT NULL,
    borrowing_base numeric(20,2) NOT NULL,
    exposure numeric(20,2) NOT NULL,
    availability numeric(20,2) NOT NULL,
    effective_advance numeric(12,8),
    coverage numeric(28,8),
    ltv numeric(28,8),
    warning_line numeric(12,6) NOT NULL,
    margin_call_line numeric(12,6) NOT NULL,
    disposal_line numeric(12,6) NOT NULL,
    min_control_value numeric(20,2) NOT NULL,
    line_state text NOT NULL,
    detail jsonb NOT NULL,
    restates text,
    CONSTRAINT valuation_cause_check CHECK ((cause = ANY (ARRAY['PRICE'::text, 'OVERNIGHT'::text, 'RELEASE'::text, 'REPAYMENT'::text, 'ELIGIBILITY'::text, 'PLEDGE'::text, 'MANUAL'::text]))),
    CONSTRAINT valuation_collateral_value_check CHECK ((collateral_value >= (0)::numeric)),
    CONSTRAINT valuation_confirmed_value_check CHECK ((confirmed_value >= (0)::numeric)),
    CONSTRAINT valuation_line_state_check CHECK ((line_state = ANY (ARRAY['OK'::text, 'WARNING'::text, 'MARGIN_CALL'::text, 'DISPOSAL'::text, 'CANNOT_JUDGE'::text])))
);

CREATE TABLE public.vehicle_position (
    device_id text NOT NULL,
    vehicle_plate text,
    observed_at timestamp with time zone NOT NULL,
    lon double precision NOT NULL,
    lat double precision NOT NULL,
    speed_mps real,
    warehouse_id text,
    goods text[] DEFAULT '{}'::text[] NOT NULL
);

CREATE TABLE public.warehouse (
    warehouse_id text NOT NULL,
    tenant_id text NOT NULL,
    name text NOT NULL,
    name_zh text NOT NULL,
    operator_party_id text NOT NULL,
    kind text NOT NULL,
    control_mode text NOT NULL,
    grade text,
    timezone text DEFAULT 'Asia/Shanghai'::text NOT NULL,
    fence jsonb NOT NULL,
    fence_datum_in text DEFAULT 'WGS84'::text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT warehouse_control_mode_check CHECK ((control_mode = ANY (ARRAY['CMA'::text, 'SMA'::text]))),
    CONSTRAINT warehouse_fence_datum_in_check CHECK ((fence_datum_in = ANY (ARRAY['WGS84'::text, 'GCJ02'::text, 'BD09'::text]))),
    CONSTRAINT warehouse_grade_check CHECK ((grade = ANY (ARRAY['A'::text, 'B'::text, 'C'::text, 'D'::text]))),
    CONSTRAINT warehouse_kind_check CHECK ((kind = ANY (ARRAY['STEEL_YARD'::text, 'BONDED_METAL'::text, 'TANK_FARM'::text, 'CAR_YARD'::text, 'GENERAL'::text])))
);

CREATE TABLE public.warehouse_receipt (
    receipt_no text NOT NULL,
    tenant_id text NOT NULL,
    warehouse_id text NOT NULL,
    depositor_party_id text NOT NULL,
    keeper_party_id text NOT NULL,
    issued_at timestamp with time zone NOT NULL,
    shrinkage_rate numeric(8,6) NOT NULL,
    insured_amount numeric(20,2) NOT NULL,
    currency text NOT NULL,
    insurance_until date NOT NULL,
    state text NOT NULL,
    content jsonb NOT NULL,
    content_hash text NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    holder_party_id text,
    endorsee_party_id text,
    frozen_from text,
    CONSTRAINT receipt_endorsee_of_an_endorsed_one CHECK (((endorsee_party_id IS NULL) OR (state = 'ENDORSED'::text) OR (frozen_from = 'ENDORSED'::text))),
    CONSTRAINT receipt_frozen_from_a_live_state CHECK (((frozen_from IS NULL) OR (state = 'FROZEN'::text))),
    CONSTRAINT warehouse_receipt_currency_check CHECK ((currency ~ '^[A-Z]{3}$'::text)),
    CONSTRAINT warehouse_receipt_frozen_from_check CHECK ((frozen_from = ANY (ARRAY['ISSUED'::text, 'ENDORSED'::text]))),
    CONSTRAINT warehouse_receipt_insured_amount_check CHECK ((insured_amount >= (0)::numeric)),
    CONSTRAINT warehouse_receipt_shrinkage_rate_check CHECK (((shrinkage_rate >= (0)::numeric) AND (shrinkage_rate < (1)::numeric))),
    CONSTRAINT warehouse_receipt_state_check CHECK ((state = ANY (ARRAY['ISSUED'::text, 'ENDORSED'::text, 'FROZEN'::text, 'CANCELLED'::text])))
);

CREATE TABLE public.work_ticket (
    ticket_id text NOT NULL,
    tenant_id text NOT NULL,
    warehouse_id text NOT NULL,
    zone_id text,
    device_id text,
    kind text NOT NULL,
    valid_from timestamp with time zone NOT NULL,
    valid_to timestamp with time zone NOT NULL,
    reason text NOT NULL,
    approved_by text NOT NULL,
    recorded_by text NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    CONSTRAINT ticket_approver_is_not_recorder CHECK ((approved_by <> recorded_by)),
    CONSTRAINT work_ticket_check CHECK (((valid_to > valid_from) AND (valid_to <= (valid_from + '31 days'::interval)))),
    CONSTRAINT work_ticket_kind_check CHECK ((kind = ANY (ARRAY['MOVE'::text, 'MAINTENANCE'::text, 'SHIFT'::text]))),
    CONSTRAINT work_ticket_reason_check CHECK ((reason <> ''::text))
);

CREATE TABLE public.zone (
    zone_id text NOT NULL,
    warehouse_id text NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    polygon jsonb NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT zone_kind_check CHECK ((kind = ANY (ARRAY['BAY'::text, 'TANK'::text, 'GATE_INNER'::text, 'GATE_OUTER'::text, 'YARD'::text, 'OFFICE'::text])))
);

ALTER TABLE ONLY public.alert_event
    ADD CONSTRAINT alert_event_pkey PRIMARY KEY (event_id);

ALTER TABLE ONLY public.alert
    ADD CONSTRAINT alert_pkey PRIMARY KEY (alert_id);

ALTER TABLE ONLY public.antenna_zone
    ADD CONSTRAINT antenna_zone_device_id_antenna_tstzrange_excl EXCLUDE USING gist (device_id WITH =, antenna WITH =, tstzrange(valid_from, valid_to) WITH &&);

ALTER TABLE ONLY public.app_user
    ADD CONSTRAINT app_user_pkey PRIMARY KEY (user_id);

ALTER TABLE ONLY public.app_user
    ADD CONSTRAINT app_user_username_key UNIQUE (username);

ALTER TABLE ONLY public.audit_entry
    ADD CONSTRAINT audit_entry_pkey PRIMARY KEY (audit_id);

ALTER TABLE ONLY public.borrowing_base_certificate
    ADD CONSTRAINT borrowing_base_certificate_facility_id_as_of_key UNIQUE (facility_id, as_of);

ALTER TABLE ONLY public.borrowing_base_certificate
    ADD CONSTRAINT borrowing_base_certificate_pkey PRIMARY KEY (certificate_id);

ALTER TABLE ONLY public.business_figure
    ADD CONSTRAINT business_figure_pkey PRIMARY KEY (figure_id);

ALTER TABLE ONLY public.commodity_band
    ADD CONSTRAINT commodity_band_pkey PRIMARY KEY (band_id);

ALTER TABLE ONLY public.commodity
    ADD CONSTRAINT commodity_pkey PRIMARY KEY (commodity_code);

ALTER TABLE ONLY public.conservation_check
    ADD CONSTRAINT conservation_check_pkey PRIMARY KEY (device_id, day);

ALTER TABLE ONLY public.credit_product_advance
    ADD CONSTRAINT credit_product_advance_pkey PRIMARY KEY (product, commodity_group);

ALTER TABLE ONLY public.credit_product
    ADD CONSTRAINT credit_product_pkey PRIMARY KEY (product);

ALTER TABLE ONLY public.dated_proof
    ADD CONSTRAINT dated_proof_pkey PRIMARY KEY (proof_id);

ALTER TABLE ONLY public.dead_letter
    ADD CONSTRAINT dead_letter_pkey PRIMARY KEY (dead_letter_id);

ALTER TABLE ONLY public.dead_letter
    ADD CONSTRAINT dead_letter_topic_payload_sha256_item_no_reason_key UNIQUE (topic, payload_sha256, item_no, reason);

ALTER TABLE public.dead_letter
    ADD CONSTRAINT dead_letter_worked CHECK (((state = 'KEPT'::text) OR ((worked_by IS NOT NULL) AND (worked_at IS NOT NULL)))) NOT VALID;

ALTER TABLE ONLY public.declared_movement
    ADD CONSTRAINT declared_movement_pkey PRIMARY KEY (declared_no);

ALTER TABLE ONLY public.device_event
    ADD CONSTRAINT device_event_pkey PRIMARY KEY (observed_at, device_id, type, event_key);

ALTER TABLE ONLY public.device_heard
    ADD CONSTRAINT device_heard_pkey PRIMARY KEY (device_id, from_at);

ALTER TABLE ONLY public.device
    ADD CONSTRAINT device_pkey PRIMARY KEY (device_id);

ALTER TABLE ONLY public.device_state
    ADD CONSTRAINT device_state_pkey PRIMARY KEY (device_id);

ALTER TABLE ONLY public.disposal_case
    ADD CONSTRAINT disposal_case_pkey PRIMARY KEY (case_id);

ALTER TABLE ONLY public.document_goods
    ADD CONSTRAINT document_goods_pkey PRIMARY KEY (document_id, goods_id);

ALTER TABLE ONLY public.document
    ADD CONSTRAINT document_pkey PRIMARY KEY (document_id);

ALTER TABLE ONLY public.document
    ADD CONSTRAINT document_tenant_id_kind_issuer_party_id_number_key UNIQUE (tenant_id, kind, issuer_party_id, number);

ALTER TABLE ONLY public.epcis_capture_item
    ADD CONSTRAINT epcis_capture_item_pkey PRIMARY KEY (capture_id, item_no);

ALTER TABLE ONLY public.epcis_capture
    ADD CONSTRAINT epcis_capture_pkey PRIMARY KEY (capture_id);

ALTER TABLE ONLY public.epcis_event
    ADD CONSTRAINT epcis_event_pkey PRIMARY KEY (event_no);

ALTER TABLE ONLY public.epcis_place
    ADD CONSTRAINT epcis_place_pkey PRIMARY KEY (tenant_id, place, valid_from);

ALTER TABLE ONLY public.epcis_query
    ADD CONSTRAINT epcis_query_pkey PRIMARY KEY (query_no);

ALTER TABLE ONLY public.facility_balance
    ADD CONSTRAINT facility_balance_pkey PRIMARY KEY (facility_id);

ALTER TABLE ONLY public.facility_cap
    ADD CONSTRAINT facility_cap_pkey PRIMARY KEY (facility_id, dimension);

ALTER TABLE ONLY public.facility_commodity
    ADD CONSTRAINT facility_commodity_pkey PRIMARY KEY (facility_id, commodity_code);

ALTER TABLE ONLY public.facility
    ADD CONSTRAINT facility_pkey PRIMARY KEY (facility_id);

ALTER TABLE ONLY public.facility_rate
    ADD CONSTRAINT facility_rate_facility_id_daterange_excl EXCLUDE USING gist (facility_id WITH =, daterange(valid_from, valid_to) WITH &&);

ALTER TABLE ONLY public.facility_rate
    ADD CONSTRAINT facility_rate_pkey PRIMARY KEY (facility_id, valid_from);

ALTER TABLE ONLY public.fast_lane_cursor
    ADD CONSTRAINT fast_lane_cursor_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY public.goods_position
    ADD CONSTRAINT goods_position_pkey PRIMARY KEY (tag_epc);

ALTER TABLE ONLY public.goods_unit
    ADD CONSTRAINT goods_unit_pkey PRIMARY KEY (goods_id);

ALTER TABLE ONLY public.idempotency_key
    ADD CONSTRAINT idempotency_key_pkey PRIMARY KEY (tenant_id, user_id, key);

ALTER TABLE ONLY public.ingest_tally
    ADD CONSTRAINT ingest_tally_pkey PRIMARY KEY (device_id, day);

ALTER TABLE ONLY public.inspection_visit
    ADD CONSTRAINT inspection_visit_pkey PRIMARY KEY (visit_id);

ALTER TABLE ONLY public.installation
    ADD CONSTRAINT installation_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY public.interest_accrual
    ADD CONSTRAINT interest_accrual_pkey PRIMARY KEY (entry_id);

ALTER TABLE ONLY public.inventory_round
    ADD CONSTRAINT inventory_round_pkey PRIMARY KEY (device_id, zone_id, round_at);

ALTER TABLE ONLY public.job_request
    ADD CONSTRAINT job_request_pkey PRIMARY KEY (request_id);

ALTER TABLE ONLY public.job_run
    ADD CONSTRAINT job_run_job_scheduled_for_key UNIQUE (job, scheduled_for);

ALTER TABLE ONLY public.job_run
    ADD CONSTRAINT job_run_pkey PRIMARY KEY (run_id);

ALTER TABLE ONLY public.job_schedule
    ADD CONSTRAINT job_schedule_pkey PRIMARY KEY (job);

ALTER TABLE ONLY public.ledger_correction
    ADD CONSTRAINT ledger_correction_pkey PRIMARY KEY (correction_id);

ALTER TABLE ONLY public.ledger_entry
    ADD CONSTRAINT ledger_entry_facility_id_entry_no_key UNIQUE (facility_id, entry_no);

ALTER TABLE ONLY public.ledger_entry
    ADD CONSTRAINT ledger_entry_facility_id_idempotency_key_key UNIQUE (facility_id, idempotency_key);

ALTER TABLE ONLY public.ledger_entry
    ADD CONSTRAINT ledger_entry_pkey PRIMARY KEY (entry_id);

ALTER TABLE ONLY public.ledger_posting
    ADD CONSTRAINT ledger_posting_pkey PRIMARY KEY (entry_id, line_no);

ALTER TABLE ONLY public.legal_hold
    ADD CONSTRAINT legal_hold_pkey PRIMARY KEY (hold_id);

ALTER TABLE ONLY public.margin_call_event
    ADD CONSTRAINT margin_call_event_pkey PRIMARY KEY (event_id);

ALTER TABLE ONLY public.margin_call
    ADD CONSTRAINT margin_call_pkey PRIMARY KEY (call_id);

ALTER TABLE ONLY public.margin_call
    ADD CONSTRAINT margin_call_valuation_id_key UNIQUE (valuation_id);

ALTER TABLE ONLY public.missed_reads
    ADD CONSTRAINT missed_reads_pkey PRIMARY KEY (device_id, kind, from_at, seq_from, seq_to);

ALTER TABLE ONLY public.movement
    ADD CONSTRAINT movement_pkey PRIMARY KEY (movement_id);

ALTER TABLE ONLY public.observation
    ADD CONSTRAINT observation_pkey PRIMARY KEY (observed_at, device_id, tag_epc, antenna, event_key);

ALTER TABLE ONLY public.price_differential
    ADD CONSTRAINT one_differential_at_a_time EXCLUDE USING gist (tenant_id WITH =, COALESCE(facility_id, ''::text) WITH =, commodity_code WITH =, kind WITH =, applies_to WITH =, daterange(valid_from, valid_to) WITH &&) WHERE ((status = 'APPROVED'::text));

ALTER TABLE ONLY public.epcis_event
    ADD CONSTRAINT one_event_per_id UNIQUE (tenant_id, event_id, declares_error);

ALTER TABLE ONLY public.party_link
    ADD CONSTRAINT party_link_pkey PRIMARY KEY (link_id);

ALTER TABLE ONLY public.party
    ADD CONSTRAINT party_pkey PRIMARY KEY (party_id);

ALTER TABLE ONLY public.party
    ADD CONSTRAINT party_tenant_id_uscc_key UNIQUE (tenant_id, uscc);

ALTER TABLE ONLY public.pledge_item
    ADD CONSTRAINT pledge_item_pkey PRIMARY KEY (pledge_id, goods_id);

ALTER TABLE ONLY public.pledge
    ADD CONSTRAINT pledge_pkey PRIMARY KEY (pledge_id);

ALTER TABLE ONLY public."position"
    ADD CONSTRAINT position_pkey PRIMARY KEY (observed_at, device_id, event_key);

ALTER TABLE ONLY public.price_differential
    ADD CONSTRAINT price_differential_pkey PRIMARY KEY (differential_id);

ALTER TABLE ONLY public.price_override
    ADD CONSTRAINT price_override_pkey PRIMARY KEY (override_id);

ALTER TABLE ONLY public.price_quote
    ADD CONSTRAINT price_quote_once UNIQUE NULLS NOT DISTINCT (tenant_id, commodity_code, source, quoted_at);

ALTER TABLE ONLY public.price_quote
    ADD CONSTRAINT price_quote_pkey PRIMARY KEY (price_id);

ALTER TABLE ONLY public.read_policy
    ADD CONSTRAINT read_policy_device_id_site_device_class_key UNIQUE NULLS NOT DISTINCT (device_id, site, device_class);

ALTER TABLE ONLY public.receipt_check
    ADD CONSTRAINT receipt_check_pkey PRIMARY KEY (check_id);

ALTER TABLE ONLY public.receipt_elements
    ADD CONSTRAINT receipt_elements_pkey PRIMARY KEY (receipt_no);

ALTER TABLE ONLY public.receipt_event
    ADD CONSTRAINT receipt_event_pkey PRIMARY KEY (receipt_no, event_no);

ALTER TABLE ONLY public.receipt_item
    ADD CONSTRAINT receipt_item_pkey PRIMARY KEY (receipt_no, goods_id);

ALTER TABLE ONLY public.receipt_order
    ADD CONSTRAINT receipt_order_pkey PRIMARY KEY (order_id);

ALTER TABLE ONLY public.receipt_series
    ADD CONSTRAINT receipt_series_pkey PRIMARY KEY (series_id);

ALTER TABLE ONLY public.receipt_succession
    ADD CONSTRAINT receipt_succession_pkey PRIMARY KEY (old_receipt_no, new_receipt_no);

ALTER TABLE ONLY public.refused_command
    ADD CONSTRAINT refused_command_pkey PRIMARY KEY (refusal_id);

ALTER TABLE ONLY public.registry_event
    ADD CONSTRAINT registry_event_pkey PRIMARY KEY (event_id);

ALTER TABLE ONLY public.release_item
    ADD CONSTRAINT release_item_pkey PRIMARY KEY (release_id, goods_id);

ALTER TABLE ONLY public.release_order
    ADD CONSTRAINT release_order_pkey PRIMARY KEY (release_id);

ALTER TABLE ONLY public.road_place
    ADD CONSTRAINT road_place_pkey PRIMARY KEY (place_id);

ALTER TABLE ONLY public.rule_mode
    ADD CONSTRAINT rule_mode_pkey PRIMARY KEY (mode_no);

ALTER TABLE ONLY public.rule_threshold
    ADD CONSTRAINT rule_threshold_pkey PRIMARY KEY (threshold_no);

ALTER TABLE ONLY public.scale_calibration
    ADD CONSTRAINT scale_calibration_pkey PRIMARY KEY (calibration_id);

ALTER TABLE ONLY public.schema_migration
    ADD CONSTRAINT schema_migration_pkey PRIMARY KEY (version);

ALTER TABLE ONLY public.shadow_finding
    ADD CONSTRAINT shadow_finding_pkey PRIMARY KEY (tenant_id, rule_code, subject_kind, subject_id);

ALTER TABLE ONLY public.site_hours
    ADD CONSTRAINT site_hours_pkey PRIMARY KEY (hours_id);

ALTER TABLE ONLY public.sparkplug_node
    ADD CONSTRAINT sparkplug_node_pkey PRIMARY KEY (group_id, node_id);

ALTER TABLE ONLY public.sparkplug_waiting
    ADD CONSTRAINT sparkplug_waiting_pkey PRIMARY KEY (waiting_id);

ALTER TABLE ONLY public.tag_binding
    ADD CONSTRAINT tag_binding_tag_epc_tstzrange_excl EXCLUDE USING gist (tag_epc WITH =, tstzrange(valid_from, valid_to) WITH &&);

ALTER TABLE ONLY public.tank_spec
    ADD CONSTRAINT tank_spec_pkey PRIMARY KEY (spec_id);

ALTER TABLE ONLY public.telemetry_purge
    ADD CONSTRAINT telemetry_purge_pkey PRIMARY KEY (device_id, day);

ALTER TABLE ONLY public.tenant
    ADD CONSTRAINT tenant_pkey PRIMARY KEY (tenant_id);

ALTER TABLE ONLY public.trip_change
    ADD CONSTRAINT trip_change_pkey PRIMARY KEY (change_id);

ALTER TABLE ONLY public.trip_goods
    ADD CONSTRAINT trip_goods_pkey PRIMARY KEY (trip_id, goods_id);

ALTER TABLE ONLY public.trip
    ADD CONSTRAINT trip_pkey PRIMARY KEY (trip_id);

ALTER TABLE ONLY public.valuation
    ADD CONSTRAINT valuation_pkey PRIMARY KEY (valuation_id);

ALTER TABLE ONLY public.valuation
    ADD CONSTRAINT valuation_restates_key UNIQUE (restates);

ALTER TABLE ONLY public.vehicle_position
    ADD CONSTRAINT vehicle_position_pkey PRIMARY KEY (device_id);

ALTER TABLE ONLY public.warehouse
    ADD CONSTRAINT warehouse_pkey PRIMARY KEY (warehouse_id);

ALTER TABLE ONLY public.warehouse_receipt
    ADD CONSTRAINT warehouse_receipt_pkey PRIMARY KEY (receipt_no);

ALTER TABLE ONLY public.work_ticket
    ADD CONSTRAINT work_ticket_pkey PRIMARY KEY (ticket_id);

ALTER TABLE ONLY public.zone
    ADD CONSTRAINT zone_pkey PRIMARY KEY (zone_id);

CREATE INDEX alert_event_alert ON public.alert_event USING btree (alert_id, event_id);

CREATE INDEX alert_facility ON public.alert USING btree (facility_id) WHERE (facility_id IS NOT NULL);

CREATE INDEX alert_pledge ON public.alert USING btree (pledge_id, opened_at) WHERE (pledge_id IS NOT NULL);

CREATE INDEX alert_recent ON public.alert USING btree (tenant_id, opened_at DESC);

CREATE INDEX alert_subject ON public.alert USING btree (subject_kind, subject_id);

CREATE INDEX audit_entry_subject ON public.audit_entry USING btree (subject_kind, subject_id, audit_id);

CREATE INDEX business_figure_kind ON public.business_figure USING btree (tenant_id, kind, valid_to);

CREATE INDEX conservation_broken ON public.conservation_check USING btree (device_id, day) WHERE (counted <> found);

CREATE INDEX dated_proof_holder ON public.dated_proof USING btree (tenant_id, kind, valid_to);

CREATE INDEX dead_letter_device ON public.dead_letter USING btree (topic_device, reason);

CREATE INDEX dead_letter_queued ON public.dead_letter USING btree (dead_letter_id) WHERE (state = 'QUEUED'::text);

CREATE INDEX dead_letter_recent ON public.dead_letter USING btree (last_received_at DESC);

CREATE UNIQUE INDEX declared_movement_corrected_once ON public.declared_movement USING btree (corrects) WHERE (corrects IS NOT NULL);

CREATE INDEX declared_movement_goods ON public.declared_movement USING btree (goods_id, occurred_at DESC);

CREATE UNIQUE INDEX declared_movement_once ON public.declared_movement USING btree (event_no, goods_id, epc, COALESCE(corrects, (0)::bigint));

CREATE INDEX device_event_device ON public.device_event USING btree (device_id, type, observed_at DESC);

CREATE INDEX device_warehouse ON public.device USING btree (warehouse_id);

CREATE INDEX document_contract ON public.document USING btree (contract_no);

CREATE INDEX document_goods_goods ON public.document_goods USING btree (goods_id);

CREATE INDEX epcis_capture_item_event ON public.epcis_capture_item USING btree (event_no);

CREATE INDEX epcis_capture_newest ON public.epcis_capture USING btree (tenant_id, created_at DESC, capture_id DESC);

CREATE INDEX epcis_event_by_event_time ON public.epcis_event USING btree (tenant_id, event_time, event_no);

CREATE INDEX epcis_event_by_record_time ON public.epcis_event USING btree (tenant_id, record_time, event_no);

CREATE INDEX epcis_event_classes ON public.epcis_event USING gin (epc_classes, input_classes, output_classes);

CREATE INDEX epcis_event_epcs ON public.epcis_event USING gin (any_epcs);

CREATE INDEX epcis_event_parent ON public.epcis_event USING btree (tenant_id, parent_id, event_time) WHERE (parent_id IS NOT NULL);

CREATE INDEX epcis_event_read_point ON public.epcis_event USING btree (tenant_id, read_point, event_time) WHERE (read_point IS NOT NULL);

CREATE INDEX epcis_event_transactions ON public.epcis_event USING gin (transactions);

CREATE INDEX goods_position_goods ON public.goods_position USING btree (goods_id);

CREATE INDEX goods_position_zone ON public.goods_position USING btree (zone_id);

CREATE INDEX goods_unit_identity ON public.goods_unit USING btree (identity_key) WHERE (identity_key IS NOT NULL);

CREATE INDEX goods_unit_vin ON public.goods_unit USING btree (vin) WHERE (vin IS NOT NULL);

CREATE INDEX goods_unit_warehouse ON public.goods_unit USING btree (warehouse_id, zone_id);

CREATE INDEX inspection_visit_site ON public.inspection_visit USING btree (warehouse_id, planned_at DESC);

CREATE INDEX interest_accrual_facility ON public.interest_accrual USING btree (facility_id, entry_id);

CREATE INDEX job_request_waiting ON public.job_request USING btree (requested_at) WHERE (state = 'WAITING'::text);

CREATE INDEX job_run_recent ON public.job_run USING btree (started_at DESC);

CREATE INDEX ledger_entry_happened ON public.ledger_entry USING btree (facility_id, happened_at);

CREATE INDEX ledger_posting_goods ON public.ledger_posting USING btree (goods_id) WHERE (goods_id IS NOT NULL);

CREATE UNIQUE INDEX legal_hold_once ON public.legal_hold USING btree (subject_kind, subject_id) WHERE (lifted_at IS NULL);

CREATE INDEX missed_reads_recent ON public.missed_reads USING btree (device_id, until_at DESC);

CREATE UNIQUE INDEX movement_corrected_once ON public.movement USING btree (corrects) WHERE (corrects IS NOT NULL);

CREATE INDEX movement_corrects ON public.movement USING btree (corrects) WHERE (corrects IS NOT NULL);

CREATE INDEX movement_goods ON public.movement USING btree (goods_id, occurred_at DESC);

CREATE UNIQUE INDEX movement_once ON public.movement USING btree (occurred_at, device_id, kind, COALESCE(tag_epc, ''::text), COALESCE(vehicle_plate, ''::text), COALESCE(from_zone_id, ''::text), COALESCE(to_zone_id, ''::text), COALESCE((evidence ->> 'warehouse_id'::text), ''::text), COALESCE(corrects, (0)::bigint), revision);

CREATE INDEX movement_recorded ON public.movement USING btree (movement_id, kind);

CREATE INDEX movement_recorded_xid ON public.movement USING btree (recorded_xid, movement_id);

CREATE INDEX movement_tag ON public.movement USING btree (tag_epc, occurred_at DESC) WHERE (tag_epc IS NOT NULL);

CREATE INDEX observation_goods ON public.observation USING btree (goods_id, observed_at DESC) WHERE (goods_id IS NOT NULL);

CREATE INDEX observation_tag ON public.observation USING btree (tag_epc, observed_at DESC);

CREATE UNIQUE INDEX one_correction_asked_per_entry ON public.ledger_correction USING btree (facility_id, entry_no) WHERE (status <> 'REJECTED'::text);

CREATE UNIQUE INDEX one_correction_per_entry ON public.ledger_entry USING btree (corrects) WHERE (corrects IS NOT NULL);

CREATE UNIQUE INDEX one_live_pledge_per_goods ON public.pledge_item USING btree (goods_id) WHERE (released_at IS NULL);

CREATE UNIQUE INDEX one_live_pledge_per_identity ON public.pledge_item USING btree (identity_key) WHERE ((released_at IS NULL) AND (identity_key IS NOT NULL));

CREATE UNIQUE INDEX one_live_pledge_per_receipt ON public.pledge USING btree (receipt_no) WHERE ((receipt_no IS NOT NULL) AND (discharged_at IS NULL) AND (status <> 'DRAFT'::text));

CREATE UNIQUE INDEX one_live_pledge_per_vin ON public.pledge_item USING btree (vin) WHERE ((released_at IS NULL) AND (vin IS NOT NULL));

CREATE UNIQUE INDEX one_live_receipt_per_goods ON public.receipt_item USING btree (goods_id) WHERE (ended_at IS NULL);

CREATE UNIQUE INDEX one_open_alert ON public.alert USING btree (tenant_id, rule_code, subject_kind, subject_id) WHERE (status <> ALL (ARRAY['CLOSED'::text, 'RESOLVED'::text]));

CREATE UNIQUE INDEX one_open_disposal_case ON public.disposal_case USING btree (facility_id) WHERE (status <> ALL (ARRAY['SETTLED'::text, 'WITHDRAWN'::text]));

CREATE UNIQUE INDEX one_open_margin_call ON public.margin_call USING btree (facility_id) WHERE (status = ANY (ARRAY['ISSUED'::text, 'ACKNOWLEDGED'::text, 'PARTLY_CURED'::text]));

CREATE UNIQUE INDEX one_open_release_per_goods ON public.release_item USING btree (goods_id) WHERE ((gated_out_at IS NULL) AND (returned_at IS NULL));

CREATE UNIQUE INDEX one_override_per_price ON public.price_override USING btree (tenant_id, price_id) WHERE (status <> 'REJECTED'::text);

CREATE UNIQUE INDEX one_query_per_name ON public.epcis_query USING btree (tenant_id, name) WHERE (deleted_at IS NULL);

CREATE INDEX party_link_key ON public.party_link USING btree (tenant_id, kind, key);

CREATE INDEX party_link_party ON public.party_link USING btree (party_id);

CREATE INDEX pledge_facility ON public.pledge USING btree (facility_id);

CREATE INDEX pledge_item_facility ON public.pledge_item USING btree (facility_id) WHERE (released_at IS NULL);

CREATE INDEX position_device ON public."position" USING btree (device_id, observed_at DESC);

CREATE INDEX position_goods ON public."position" USING gin (goods) WHERE (goods <> '{}'::text[]);

CREATE INDEX price_differential_commodity ON public.price_differential USING btree (tenant_id, commodity_code) WHERE (status = 'APPROVED'::text);

CREATE INDEX price_quote_latest ON public.price_quote USING btree (commodity_code, quoted_at DESC) WHERE (status = 'ACCEPTED'::text);

CREATE INDEX receipt_check_receipt ON public.receipt_check USING btree (tenant_id, receipt_no, asked_at DESC);

CREATE INDEX receipt_order_newest ON public.receipt_order USING btree (tenant_id, proposed_at DESC, order_id DESC);

CREATE INDEX receipt_series_keeper ON public.receipt_series USING btree (keeper_party_id);

CREATE INDEX receipt_succession_new ON public.receipt_succession USING btree (new_receipt_no);

CREATE INDEX refused_command_recorded_xid ON public.refused_command USING btree (recorded_xid, refusal_id);

CREATE INDEX registry_event_party ON public.registry_event USING btree (party_id, happened_on DESC);

CREATE INDEX release_item_goods ON public.release_item USING btree (goods_id);

CREATE INDEX release_order_facility ON public.release_order USING btree (facility_id, status);

CREATE INDEX rule_mode_newest ON public.rule_mode USING btree (tenant_id, rule_code, mode_no DESC);

CREATE INDEX rule_threshold_scope ON public.rule_threshold USING btree (tenant_id, rule_code, name, threshold_no DESC);

CREATE INDEX scale_calibration_device ON public.scale_calibration USING btree (device_id, calibrated_at DESC);

CREATE INDEX site_hours_site ON public.site_hours USING btree (warehouse_id, valid_from DESC);

CREATE INDEX sparkplug_rebirth ON public.sparkplug_node USING btree (rebirth_due_at) WHERE (rebirth_due_at IS NOT NULL);

CREATE INDEX sparkplug_waiting_node ON public.sparkplug_waiting USING btree (group_id, node_id);

CREATE INDEX tag_binding_goods ON public.tag_binding USING btree (goods_id);

CREATE INDEX tag_binding_tag ON public.tag_binding USING btree (tag_epc);

CREATE INDEX tank_spec_zone ON public.tank_spec USING btree (zone_id, valid_from DESC);

CREATE INDEX trip_change_trip ON public.trip_change USING btree (trip_id, changed_at);

CREATE INDEX trip_goods_goods ON public.trip_goods USING btree (goods_id);

CREATE INDEX valuation_latest ON public.valuation USING btree (facility_id, as_of DESC, recorded_at DESC);

CREATE INDEX work_ticket_site ON public.work_ticket USING btree (warehouse_id, valid_to);

CREATE INDEX zone_warehouse ON public.zone USING btree (warehouse_id);

CREATE TRIGGER alert_event_append_only BEFORE DELETE OR UPDATE ON public.alert_event FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER alert_event_notify AFTER INSERT ON public.alert_event FOR EACH ROW EXECUTE FUNCTION public.alert_event_notify();

CREATE TRIGGER an_admin_stays BEFORE UPDATE ON public.app_user FOR EACH ROW WHEN ((old.active AND ('admin'::text = ANY (old.roles)) AND (NOT (new.active AND ('admin'::text = ANY (new.roles)) AND (new.tenant_id = old.tenant_id))))) EXECUTE FUNCTION public.an_admin_stays();

CREATE TRIGGER audit_entry_append_only BEFORE DELETE OR UPDATE ON public.audit_entry FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER borrowing_base_certificate_append_only BEFORE DELETE OR UPDATE ON public.borrowing_base_certificate FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER declared_movement_append_only BEFORE DELETE OR UPDATE ON public.declared_movement FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER epcis_capture_append_only BEFORE DELETE OR UPDATE ON public.epcis_capture FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER epcis_capture_item_append_only BEFORE DELETE OR UPDATE ON public.epcis_capture_item FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER epcis_event_append_only BEFORE DELETE OR UPDATE ON public.epcis_event FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER epcis_place_append_only BEFORE DELETE OR UPDATE ON public.epcis_place FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER interest_accrual_append_only BEFORE DELETE OR UPDATE ON public.interest_accrual FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER job_request_notify AFTER INSERT ON public.job_request FOR EACH ROW EXECUTE FUNCTION public.job_request_notify();

CREATE TRIGGER ledger_entry_append_only BEFORE DELETE OR UPDATE ON public.ledger_entry FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE CONSTRAINT TRIGGER ledger_entry_balances AFTER INSERT ON public.ledger_entry DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.ledger_entry_balances();

CREATE TRIGGER ledger_posting_append_only BEFORE DELETE OR UPDATE ON public.ledger_posting FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER ledger_posting_balances AFTER INSERT ON public.ledger_posting REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION public.ledger_posting_balances();

CREATE TRIGGER margin_call_event_append_only BEFORE DELETE OR UPDATE ON public.margin_call_event FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER movement_append_only BEFORE DELETE OR UPDATE ON public.movement FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER price_quote_stays BEFORE UPDATE ON public.price_quote FOR EACH ROW EXECUTE FUNCTION public.price_quote_stays();

CREATE TRIGGER read_policy_notify AFTER INSERT OR DELETE OR UPDATE ON public.read_policy FOR EACH STATEMENT EXECUTE FUNCTION public.registry_changed();

CREATE TRIGGER receipt_elements_append_only BEFORE DELETE OR UPDATE ON public.receipt_elements FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER receipt_event_append_only BEFORE DELETE OR UPDATE ON public.receipt_event FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER receipt_item_ends_once BEFORE DELETE OR UPDATE ON public.receipt_item FOR EACH ROW EXECUTE FUNCTION public.receipt_item_ends_once();

CREATE CONSTRAINT TRIGGER receipt_quantity_is_of_its_goods AFTER INSERT ON public.receipt_elements DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.receipt_quantity_is_of_its_goods();

CREATE TRIGGER receipt_succession_append_only BEFORE DELETE OR UPDATE ON public.receipt_succession FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE CONSTRAINT TRIGGER receipt_succession_conserves AFTER INSERT ON public.receipt_succession DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.receipt_succession_conserves();

CREATE TRIGGER refused_command_append_only BEFORE DELETE OR UPDATE ON public.refused_command FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER rule_mode_append_only BEFORE DELETE OR UPDATE ON public.rule_mode FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER rule_threshold_append_only BEFORE DELETE OR UPDATE ON public.rule_threshold FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

ALTER TABLE ONLY public.alert_event
    ADD CONSTRAINT alert_event_alert_id_fkey FOREIGN KEY (alert_id) REFERENCES public.alert(alert_id);

ALTER TABLE ONLY public.alert
    ADD CONSTRAINT alert_facility_id_fkey FOREIGN KEY (facility_id) REFERENCES public.facility(facility_id);

ALTER TABLE ONLY public.alert
    ADD CONSTRAINT alert_pledge_id_fkey FOREIGN KEY (pledge_id) REFERENCES public.pledge(pledge_id);

ALTER TABLE ONLY public.alert
    ADD CONSTRAINT alert_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenant(tenant_id);

ALTER TABLE ONLY public.alert
    ADD CONSTRAINT alert_warehouse_id_fkey FOREIGN KEY (warehouse_id) REFERENCES public.warehouse(warehouse_id);

ALTER TABLE ONLY public.antenna_zone
    ADD CONSTRAINT antenna_zone_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.device(device_id);

ALTER TABLE ONLY public.antenna_zone
    ADD CONSTRAINT antenna_zone_zone_id_fkey FOREIGN KEY (zone_id) REFERENCES public.zone(zone_id);

ALTER TABLE ONLY public.app_user
    ADD CONSTRAINT app_user_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenant(tenant_id);

ALTER TABLE ONLY public.audit_entry
    ADD CONSTRAINT audit_entry_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenant(tenant_id);

ALTER TABLE ONLY public.borrowing_base_certificate
    ADD CONSTRAINT borrowing_base_certificate_facility_id_fkey FOREIGN KEY (facility_id) REFERENCES public.facility(facility_id);

ALTER TABLE ONLY public.borrowing_base_certificate
    ADD CONSTRAINT borrowing_base_certificate_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenant(tenant_id);

ALTER TABLE ONLY public.business_figure
    ADD CONSTRAINT business_figure_commodity_code_fkey FOREIGN KEY (commodity_code) REFERENCES public.commodity(commodity_code);

ALTER TABLE ONLY public.business_figure
    ADD CONSTRAINT business_figure_party_id_fkey FOREIGN KEY (party_id) REFERENCES public.party(party_id);

ALTER TABLE ONLY public.business_figure
    ADD CONSTRAINT business_figure_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenant(tenant_id);

ALTER TABLE ONLY public.business_figure
    ADD CONSTRAINT business_figure_warehouse_id_fkey FOREIGN KEY (warehouse_id) REFERENCES public.warehouse(warehouse_id);

ALTER TABLE ONLY public.commodity_band
    ADD CONSTRAINT commodity_band_commodity_code_fkey FOREIGN KEY (commodity_code) REFERENCES public.commodity(commodity_code);

ALTER TABLE ONLY public.commodity_band
    ADD CONSTRAINT commodity_band_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenant(tenant_id);

ALTER TABLE ONLY public.credit_product_advance
    ADD CONSTRAINT credit_product_advance_product_fkey FOREIGN KEY (product) REFERENCES public.credit_product(product);

ALTER TABLE ONLY public.dated_proof
    ADD CONSTRAINT dated_proof_facility_id_fkey FOREIGN KEY (facility_id) REFERENCES public.facility(facility_id);

ALTER TABLE ONLY public.dated_proof
    ADD CONSTRAINT dated_proof_party_id_fkey FOREIGN KEY (party_id) REFERENCES public.party(party_id);

ALTER TABLE ONLY public.dated_proof
    ADD CONSTRAINT dated_proof_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenant(tenant_id);

ALTER TABLE ONLY public.dated_proof
    ADD CONSTRAINT dated_proof_warehouse_id_fkey FOREIGN KEY (warehouse_id) REFERENCES public.warehouse(warehouse_id);

ALTER TABLE ONLY public.declared_movement
    ADD CONSTRAINT declared_movement_corrects_fkey FOREIGN KEY (corrects) REFERENCES public.declared_movement(declared_no);

ALTER TABLE ONLY public.declared_movement
    ADD CONSTRAINT declared_movement_event_no_fkey FOREIGN KEY (event_no) REFERENCES public.epcis_event(event_no);

ALTER TABLE ONLY public.declared_movement
    ADD CONSTRAINT declared_movement_goods_id_fkey FOREIGN KEY (goods_id) REFERENCES public.goods_unit(goods_id);

ALTER TABLE ONLY public.declared_movement
    ADD CONSTRAINT declared_movement_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenant(tenant_id);

ALTER TABLE ONLY public.device_event
    ADD CONSTRAINT device_event_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.device(device_id);

ALTER TABLE ONLY public.device
    ADD CONSTRAINT device_gateway_device_id_fkey FOREIGN KEY (gateway_device_id) REFERENCES public.device(device_id);

ALTER TABLE ONLY public.device_heard
    ADD CONSTRAINT device_heard_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.device(device_id);

ALTER TABLE ONLY public.device_state
    ADD CONSTRAINT device_state_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.device(device_id);

ALTER TABLE ONLY public.device
    ADD CONSTRAINT device_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenant(tenant_id);

ALTER TABLE ONLY public.device
    ADD CONSTRAINT device_warehouse_id_fkey FOREIGN KEY (warehouse_id) REFERENCES public.warehouse(warehouse_id);

ALTER TABLE ONLY public.disposal_case
    ADD CONSTRAINT disposal_case_call_id_fkey FOREIGN KEY (call_id) REFERENCES public.margin_call(call_id);

ALTER TABLE ONLY public.disposal_case
    ADD CONSTRAINT disposal_case_facility_id_fkey FOREIGN KEY (facility_id) REFERENCES public.facility(facility_id);

ALTER TABLE ONLY public.disposal_case
    ADD CONSTRAINT disposal_case_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenant(tenant_id);

ALTER TABLE ONLY public.disposal_case
    ADD CONSTRAINT disposal_case_valuation_id_fkey FOREIGN KEY (valuation_id) REFERENCES public.valuation(valuation_id);

ALTER TABLE ONLY public.document
    ADD CONSTRAINT document_buyer_party_id_fkey FOREIGN KEY (buyer_party_id) REFERENCES public.party(party_id);

ALTER TABLE ONLY public.document
    ADD CONSTRAINT document_commodity_code_fkey FOREIGN KEY (commodity_code) REFERENCES public.commodity(commodity_code);

ALTER TABLE ONLY public.document_goods
    ADD CONSTRAINT document_goods_document_id_fkey FOREIGN KEY (document_id) REFERENCES public.document(document_id);

ALTER TABLE ONLY public.document_goods
    ADD CONSTRAINT document_goods_goods_id_fkey FOREIGN KEY (goods_id) REFERENCES public.goods_unit(goods_id);

ALTER TABLE ONLY public.document
    ADD CONSTRAINT document_issuer_party_id_fkey FOREIGN KEY (issuer_party_id) REFERENCES public.party(party_id);

ALTER TABLE ONLY public.document
    ADD CONSTRAINT document_seller_party_id_fkey FOREIGN KEY (seller_party_id) REFERENCES public.party(party_id);

ALTER TABLE ONLY public.document
    ADD CONSTRAINT document_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenant(tenant_id);

ALTER TABLE ONLY public.document
    ADD CONSTRAINT document_warehouse_id_fkey FOREIGN KEY (warehouse_id) REFERENCES public.warehouse(warehouse_id);

ALTER TABLE ONLY public.epcis_capture_item
    ADD CONSTRAINT epcis_capture_item_capture_id_fkey FOREIGN KEY (capture_id) REFERENCES public.epcis_capture(capture_id);

ALTER TABLE ONLY public.epcis_capture_item
    ADD CONSTRAINT epcis_capture_item_event_no_fkey FOREIGN KEY (event_no) REFERENCES public.epcis_event(event_no);

ALTER TABLE ONLY public.epcis_capture
    ADD CONSTRAINT epcis_capture_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenant(tenant_id);

ALTER TABLE ONLY public.epcis_event
    ADD CONSTRAINT epcis_event_capture_id_fkey FOREIGN KEY (capture_id) REFERENCES public.epcis_capture(capture_id) DEFERRABLE INITIALLY DEFERRED;

ALTER TABLE ONLY public.epcis_event
    ADD CONSTRAINT epcis_event_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenant(tenant_id);

ALTER TABLE ONLY public.epcis_place
    ADD CONSTRAINT epcis_place_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenant(tenant_id);

ALTER TABLE ONLY public.epcis_place
    ADD CONSTRAINT epcis_place_warehouse_id_fkey FOREIGN KEY (warehouse_id) REFERENCES public.warehouse(warehouse_id);

ALTER TABLE ONLY public.epcis_place
    ADD CONSTRAINT epcis_place_zone_id_fkey FOREIGN KEY (zone_id) REFERENCES public.zone(zone_id);

ALTER TABLE ONLY public.epcis_query
    ADD CONSTRAINT epcis_query_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenant(tenant_id);

ALTER TABLE ONLY public.facility_balance
    ADD CONSTRAINT facility_balance_facility_id_fkey FOREIGN KEY (facility_id) REFERENCES public.facility(facility_id);

ALTER TABLE ONLY public.facility
    ADD CONSTRAINT facility_borrower_party_id_fkey FOREIGN KEY (borrower_party_id) REFERENCES public.party(party_id);

ALTER TABLE ONLY public.facility_cap
    ADD CONSTRAINT facility_cap_facility_id_fkey FOREIGN KEY (facility_id) REFERENCES public.facility(facility_id);

ALTER TABLE ONLY public.facility_commodity
    ADD CONSTRAINT facility_commodity_commodity_code_fkey FOREIGN KEY (commodity_code) REFERENCES public.commodity(commodity_code);

ALTER TABLE ONLY public.facility_commodity
    ADD CONSTRAINT facility_commodity_facility_id_fkey FOREIGN KEY (facility_id) REFERENCES public.facility(facility_id);

ALTER TABLE ONLY public.facility
    ADD CONSTRAINT facility_lender_party_id_fkey FOREIGN KEY (lender_party_id) REFERENCES public.party(party_id);

ALTER TABLE ONLY public.facility_rate
    ADD CONSTRAINT facility_rate_facility_id_fkey FOREIGN KEY (facility_id) REFERENCES public.facility(facility_id);

ALTER TABLE ONLY public.facility
    ADD CONSTRAINT facility_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenant(tenant_id);

ALTER TABLE ONLY public.goods_unit
    ADD CONSTRAINT goods_unit_commodity_code_fkey FOREIGN KEY (commodity_code) REFERENCES public.commodity(commodity_code);

ALTER TABLE ONLY public.goods_unit
    ADD CONSTRAINT goods_unit_owner_party_id_fkey FOREIGN KEY (owner_party_id) REFERENCES public.party(party_id);

ALTER TABLE ONLY public.goods_unit
    ADD CONSTRAINT goods_unit_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenant(tenant_id);

ALTER TABLE ONLY public.goods_unit
    ADD CONSTRAINT goods_unit_warehouse_id_fkey FOREIGN KEY (warehouse_id) REFERENCES public.warehouse(warehouse_id);

ALTER TABLE ONLY public.goods_unit
    ADD CONSTRAINT goods_unit_zone_id_fkey FOREIGN KEY (zone_id) REFERENCES public.zone(zone_id);

ALTER TABLE ONLY public.inspection_visit
    ADD CONSTRAINT inspection_visit_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenant(tenant_id);

ALTER TABLE ONLY public.inspection_visit
    ADD CONSTRAINT inspection_visit_warehouse_id_fkey FOREIGN KEY (warehouse_id) REFERENCES public.warehouse(warehouse_id);

ALTER TABLE ONLY public.interest_accrual
    ADD CONSTRAINT interest_accrual_entry_id_fkey FOREIGN KEY (entry_id) REFERENCES public.ledger_entry(entry_id);

ALTER TABLE ONLY public.interest_accrual
    ADD CONSTRAINT interest_accrual_facility_id_fkey FOREIGN KEY (facility_id) REFERENCES public.facility(facility_id);

ALTER TABLE ONLY public.inventory_round
    ADD CONSTRAINT inventory_round_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.device(device_id);

ALTER TABLE ONLY public.inventory_round
    ADD CONSTRAINT inventory_round_zone_id_fkey FOREIGN KEY (zone_id) REFERENCES public.zone(zone_id);

ALTER TABLE ONLY public.job_request
    ADD CONSTRAINT job_request_run_id_fkey FOREIGN KEY (run_id) REFERENCES public.job_run(run_id);

ALTER TABLE ONLY public.ledger_correction
    ADD CONSTRAINT ledger_correction_facility_id_entry_no_fkey FOREIGN KEY (facility_id, entry_no) REFERENCES public.ledger_entry(facility_id, entry_no);

ALTER TABLE ONLY public.ledger_correction
    ADD CONSTRAINT ledger_correction_facility_id_fkey FOREIGN KEY (facility_id) REFERENCES public.facility(facility_id);

ALTER TABLE ONLY public.ledger_correction
    ADD CONSTRAINT ledger_correction_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenant(tenant_id);

ALTER TABLE ONLY public.ledger_entry
    ADD CONSTRAINT ledger_entry_corrects_fkey FOREIGN KEY (corrects) REFERENCES public.ledger_entry(entry_id);

ALTER TABLE ONLY public.ledger_entry
    ADD CONSTRAINT ledger_entry_facility_id_fkey FOREIGN KEY (facility_id) REFERENCES public.facility(facility_id);

ALTER TABLE ONLY public.ledger_posting
    ADD CONSTRAINT ledger_posting_entry_id_fkey FOREIGN KEY (entry_id) REFERENCES public.ledger_entry(entry_id);

ALTER TABLE ONLY public.ledger_posting
    ADD CONSTRAINT ledger_posting_goods_id_fkey FOREIGN KEY (goods_id) REFERENCES public.goods_unit(goods_id);

ALTER TABLE ONLY public.legal_hold
    ADD CONSTRAINT legal_hold_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenant(tenant_id);

ALTER TABLE ONLY public.margin_call_event
    ADD CONSTRAINT margin_call_event_call_id_fkey FOREIGN KEY (call_id) REFERENCES public.margin_call(call_id);

ALTER TABLE ONLY public.margin_call
    ADD CONSTRAINT margin_call_facility_id_fkey FOREIGN KEY (facility_id) REFERENCES public.facility(facility_id);

ALTER TABLE ONLY public.margin_call
    ADD CONSTRAINT margin_call_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenant(tenant_id);

ALTER TABLE ONLY public.margin_call
    ADD CONSTRAINT margin_call_valuation_id_fkey FOREIGN KEY (valuation_id) REFERENCES public.valuation(valuation_id);

ALTER TABLE ONLY public.missed_reads
    ADD CONSTRAINT missed_reads_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.device(device_id);

ALTER TABLE ONLY public.movement
    ADD CONSTRAINT movement_corrects_fkey FOREIGN KEY (corrects) REFERENCES public.movement(movement_id);

ALTER TABLE ONLY public.party_link
    ADD CONSTRAINT party_link_other_party_id_fkey FOREIGN KEY (other_party_id) REFERENCES public.party(party_id);

ALTER TABLE ONLY public.party_link
    ADD CONSTRAINT party_link_party_id_fkey FOREIGN KEY (party_id) REFERENCES public.party(party_id);

ALTER TABLE ONLY public.party_link
    ADD CONSTRAINT party_link_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenant(tenant_id);

ALTER TABLE ONLY public.party
    ADD CONSTRAINT party_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenant(tenant_id);

ALTER TABLE ONLY public.pledge
    ADD CONSTRAINT pledge_facility_id_fkey FOREIGN KEY (facility_id) REFERENCES public.facility(facility_id);

ALTER TABLE ONLY public.pledge_item
    ADD CONSTRAINT pledge_item_facility_id_fkey FOREIGN KEY (facility_id) REFERENCES public.facility(facility_id);

ALTER TABLE ONLY public.pledge_item
    ADD CONSTRAINT pledge_item_goods_id_fkey FOREIGN KEY (goods_id) REFERENCES public.goods_unit(goods_id);

ALTER TABLE ONLY public.pledge_item
    ADD CONSTRAINT pledge_item_pledge_id_fkey FOREIGN KEY (pledge_id) REFERENCES public.pledge(pledge_id);

ALTER TABLE ONLY public.pledge
    ADD CONSTRAINT pledge_receipt_no_fkey FOREIGN KEY (receipt_no) REFERENCES public.warehouse_receipt(receipt_no);

ALTER TABLE ONLY public.pledge
    ADD CONSTRAINT pledge_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenant(tenant_id);

ALTER TABLE ONLY public.price_differential
    ADD CONSTRAINT price_differential_commodity_code_fkey FOREIGN KEY (commodity_code) REFERENCES public.commodity(commodity_code);

ALTER TABLE ONLY public.price_differential
    ADD CONSTRAINT price_differential_facility_id_fkey FOREIGN KEY (facility_id) REFERENCES public.facility(facility_id);

ALTER TABLE ONLY public.price_differential
    ADD CONSTRAINT price_differential_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenant(tenant_id);

ALTER TABLE ONLY public.price_override
    ADD CONSTRAINT price_override_price_id_fkey FOREIGN KEY (price_id) REFERENCES public.price_quote(price_id);

ALTER TABLE ONLY public.price_override
    ADD CONSTRAINT price_override_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenant(tenant_id);

ALTER TABLE ONLY public.price_override
    ADD CONSTRAINT price_override_used_price_id_fkey FOREIGN KEY (used_price_id) REFERENCES public.price_quote(price_id);

ALTER TABLE ONLY public.price_quote
    ADD CONSTRAINT price_quote_commodity_code_fkey FOREIGN KEY (commodity_code) REFERENCES public.commodity(commodity_code);

ALTER TABLE ONLY public.price_quote
    ADD CONSTRAINT price_quote_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenant(tenant_id);

ALTER TABLE ONLY public.read_policy
    ADD CONSTRAINT read_policy_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.device(device_id);

ALTER TABLE ONLY public.receipt_check
    ADD CONSTRAINT receipt_check_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenant(tenant_id);

ALTER TABLE ONLY public.receipt_elements
    ADD CONSTRAINT receipt_elements_receipt_no_fkey FOREIGN KEY (receipt_no) REFERENCES public.warehouse_receipt(receipt_no);

ALTER TABLE ONLY public.receipt_event
    ADD CONSTRAINT receipt_event_receipt_no_fkey FOREIGN KEY (receipt_no) REFERENCES public.warehouse_receipt(receipt_no);

ALTER TABLE ONLY public.receipt_item
    ADD CONSTRAINT receipt_item_goods_id_fkey FOREIGN KEY (goods_id) REFERENCES public.goods_unit(goods_id);

ALTER TABLE ONLY public.receipt_item
    ADD CONSTRAINT receipt_item_receipt_no_fkey FOREIGN KEY (receipt_no) REFERENCES public.warehouse_receipt(receipt_no);

ALTER TABLE ONLY public.receipt_order
    ADD CONSTRAINT receipt_order_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenant(tenant_id);

ALTER TABLE ONLY public.receipt_series
    ADD CONSTRAINT receipt_series_keeper_party_id_fkey FOREIGN KEY (keeper_party_id) REFERENCES public.party(party_id);

ALTER TABLE ONLY public.receipt_series
    ADD CONSTRAINT receipt_series_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenant(tenant_id);

ALTER TABLE ONLY public.receipt_succession
    ADD CONSTRAINT receipt_succession_new_receipt_no_fkey FOREIGN KEY (new_receipt_no) REFERENCES public.warehouse_receipt(receipt_no);

ALTER TABLE ONLY public.receipt_succession
    ADD CONSTRAINT receipt_succession_old_receipt_no_fkey FOREIGN KEY (old_receipt_no) REFERENCES public.warehouse_receipt(receipt_no);

ALTER TABLE ONLY public.refused_command
    ADD CONSTRAINT refused_command_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenant(tenant_id);

ALTER TABLE ONLY public.registry_event
    ADD CONSTRAINT registry_event_party_id_fkey FOREIGN KEY (party_id) REFERENCES public.party(party_id);

ALTER TABLE ONLY public.registry_event
    ADD CONSTRAINT registry_event_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenant(tenant_id);

ALTER TABLE ONLY public.release_item
    ADD CONSTRAINT release_item_goods_id_fkey FOREIGN KEY (goods_id) REFERENCES public.goods_unit(goods_id);

ALTER TABLE ONLY public.release_item
    ADD CONSTRAINT release_item_release_id_fkey FOREIGN KEY (release_id) REFERENCES public.release_order(release_id);

ALTER TABLE ONLY public.release_order
    ADD CONSTRAINT release_order_facility_id_fkey FOREIGN KEY (facility_id) REFERENCES public.facility(facility_id);

ALTER TABLE ONLY public.release_order
    ADD CONSTRAINT release_order_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenant(tenant_id);

ALTER TABLE ONLY public.road_place
    ADD CONSTRAINT road_place_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenant(tenant_id);

ALTER TABLE ONLY public.rule_mode
    ADD CONSTRAINT rule_mode_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenant(tenant_id);

ALTER TABLE ONLY public.rule_threshold
    ADD CONSTRAINT rule_threshold_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenant(tenant_id);

ALTER TABLE ONLY public.rule_threshold
    ADD CONSTRAINT rule_threshold_warehouse_id_fkey FOREIGN KEY (warehouse_id) REFERENCES public.warehouse(warehouse_id);

ALTER TABLE ONLY public.scale_calibration
    ADD CONSTRAINT scale_calibration_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.device(device_id);

ALTER TABLE ONLY public.scale_calibration
    ADD CONSTRAINT scale_calibration_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenant(tenant_id);

ALTER TABLE ONLY public.shadow_finding
    ADD CONSTRAINT shadow_finding_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenant(tenant_id);

ALTER TABLE ONLY public.site_hours
    ADD CONSTRAINT site_hours_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenant(tenant_id);

ALTER TABLE ONLY public.site_hours
    ADD CONSTRAINT site_hours_warehouse_id_fkey FOREIGN KEY (warehouse_id) REFERENCES public.warehouse(warehouse_id);

ALTER TABLE ONLY public.sparkplug_node
    ADD CONSTRAINT sparkplug_node_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.device(device_id);

ALTER TABLE ONLY public.sparkplug_waiting
    ADD CONSTRAINT sparkplug_waiting_group_id_node_id_fkey FOREIGN KEY (group_id, node_id) REFERENCES public.sparkplug_node(group_id, node_id);

ALTER TABLE ONLY public.tag_binding
    ADD CONSTRAINT tag_binding_goods_id_fkey FOREIGN KEY (goods_id) REFERENCES public.goods_unit(goods_id);

ALTER TABLE ONLY public.tank_spec
    ADD CONSTRAINT tank_spec_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenant(tenant_id);

ALTER TABLE ONLY public.tank_spec
    ADD CONSTRAINT tank_spec_zone_id_fkey FOREIGN KEY (zone_id) REFERENCES public.zone(zone_id);

ALTER TABLE ONLY public.trip_change
    ADD CONSTRAINT trip_change_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenant(tenant_id);

ALTER TABLE ONLY public.trip_change
    ADD CONSTRAINT trip_change_trip_id_fkey FOREIGN KEY (trip_id) REFERENCES public.trip(trip_id);

ALTER TABLE ONLY public.trip
    ADD CONSTRAINT trip_destination_warehouse_id_fkey FOREIGN KEY (destination_warehouse_id) REFERENCES public.warehouse(warehouse_id);

ALTER TABLE ONLY public.trip
    ADD CONSTRAINT trip_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.device(device_id);

ALTER TABLE ONLY public.trip_goods
    ADD CONSTRAINT trip_goods_goods_id_fkey FOREIGN KEY (goods_id) REFERENCES public.goods_unit(goods_id);

ALTER TABLE ONLY public.trip_goods
    ADD CONSTRAINT trip_goods_trip_id_fkey FOREIGN KEY (trip_id) REFERENCES public.trip(trip_id);

ALTER TABLE ONLY public.trip
    ADD CONSTRAINT trip_origin_warehouse_id_fkey FOREIGN KEY (origin_warehouse_id) REFERENCES public.warehouse(warehouse_id);

ALTER TABLE ONLY public.trip
    ADD CONSTRAINT trip_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenant(tenant_id);

ALTER TABLE ONLY public.trip
    ADD CONSTRAINT trip_waybill_document_id_fkey FOREIGN KEY (waybill_document_id) REFERENCES public.document(document_id);

ALTER TABLE ONLY public.valuation
    ADD CONSTRAINT valuation_facility_id_fkey FOREIGN KEY (facility_id) REFERENCES public.facility(facility_id);

ALTER TABLE ONLY public.valuation
    ADD CONSTRAINT valuation_restates_fkey FOREIGN KEY (restates) REFERENCES public.valuation(valuation_id);

ALTER TABLE ONLY public.valuation
    ADD CONSTRAINT valuation_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenant(tenant_id);

ALTER TABLE ONLY public.vehicle_position
    ADD CONSTRAINT vehicle_position_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.device(device_id);

ALTER TABLE ONLY public.warehouse
    ADD CONSTRAINT warehouse_operator_party_id_fkey FOREIGN KEY (operator_party_id) REFERENCES public.party(party_id);

ALTER TABLE ONLY public.warehouse_receipt
    ADD CONSTRAINT warehouse_receipt_depositor_party_id_fkey FOREIGN KEY (depositor_party_id) REFERENCES public.party(party_id);

ALTER TABLE ONLY public.warehouse_receipt
    ADD CONSTRAINT warehouse_receipt_endorsee_party_id_fkey FOREIGN KEY (endorsee_party_id) REFERENCES public.party(party_id);

ALTER TABLE ONLY public.warehouse_receipt
    ADD CONSTRAINT warehouse_receipt_holder_party_id_fkey FOREIGN KEY (holder_party_id) REFERENCES public.party(party_id);

ALTER TABLE ONLY public.warehouse_receipt
    ADD CONSTRAINT warehouse_receipt_keeper_party_id_fkey FOREIGN KEY (keeper_party_id) REFERENCES public.party(party_id);

ALTER TABLE ONLY public.warehouse_receipt
    ADD CONSTRAINT warehouse_receipt_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenant(tenant_id);

ALTER TABLE ONLY public.warehouse_receipt
    ADD CONSTRAINT warehouse_receipt_warehouse_id_fkey FOREIGN KEY (warehouse_id) REFERENCES public.warehouse(warehouse_id);

ALTER TABLE ONLY public.warehouse
    ADD CONSTRAINT warehouse_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenant(tenant_id);

ALTER TABLE ONLY public.work_ticket
    ADD CONSTRAINT work_ticket_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.device(device_id);

ALTER TABLE ONLY public.work_ticket
    ADD CONSTRAINT work_ticket_tenant_id_fkey FOREIGN KEY (tenant_id) REFERENCES public.tenant(tenant_id);

ALTER TABLE ONLY public.work_ticket
    ADD CONSTRAINT work_ticket_warehouse_id_fkey FOREIGN KEY (warehouse_id) REFERENCES public.warehouse(warehouse_id);

ALTER TABLE ONLY public.work_ticket
    ADD CONSTRAINT work_ticket_zone_id_fkey FOREIGN KEY (zone_id) REFERENCES public.zone(zone_id);

ALTER TABLE ONLY public.zone
    ADD CONSTRAINT zone_warehouse_id_fkey FOREIGN KEY (warehouse_id) REFERENCES public.warehouse(warehouse_id);
