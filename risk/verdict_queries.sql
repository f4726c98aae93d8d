-- name: subject_exists
-- Whether the tenant has such a subject.
SELECT CASE %(kind)s
  WHEN 'pledge' THEN EXISTS (SELECT 1 FROM pledge WHERE pledge_id = %(id)s AND tenant_id = %(tenant)s)
  WHEN 'facility' THEN EXISTS (SELECT 1 FROM facility WHERE facility_id = %(id)s AND tenant_id = %(tenant)s)
  WHEN 'borrower' THEN EXISTS (SELECT 1 FROM party WHERE party_id = %(id)s AND tenant_id = %(tenant)s)
  WHEN 'warehouse' THEN EXISTS (SELECT 1 FROM warehouse WHERE warehouse_id = %(id)s AND tenant_id = %(tenant)s) END AS there;

-- name: alerts_of_subject
-- Open alerts that concern a pledge, a facility, a borrower or a warehouse: those that name it, those of what it rests on (sites that hold its goods,
-- commodities that secure it, its borrower), and for a warehouse those of its goods, devices and zones.
WITH facilities AS (
  SELECT facility_id, borrower_party_id FROM facility WHERE tenant_id = %(tenant)s
     AND (facility_id = %(id)s AND %(kind)s = 'facility' OR borrower_party_id = %(id)s AND %(kind)s = 'borrower'
          OR facility_id = (SELECT facility_id FROM pledge WHERE pledge_id = %(id)s AND %(kind)s = 'pledge'))),
held AS (
  SELECT DISTINCT g.warehouse_id, g.commodity_code FROM pledge_item i JOIN goods_unit g USING (goods_id)
   WHERE i.released_at IS NULL AND i.facility_id IN (SELECT facility_id FROM facilities) AND (%(kind)s <> 'pledge' OR i.pledge_id = %(id)s))
SELECT a.alert_id, a.rule_code, a.leg, a.severity, a.status, a.subject_kind, a.subject_id, a.summary, a.summary_zh, a.evidence, a.opened_at,
       a.exposure_at_risk, a.currency
  FROM alert a
 WHERE a.tenant_id = %(tenant)s AND a.status NOT IN ('CLOSED', 'RESOLVED') AND (
       CASE WHEN %(kind)s = 'warehouse' THEN a.warehouse_id = %(id)s OR (a.subject_kind = 'site' AND (a.subject_id = %(id)s OR a.subject_id LIKE %(id_like)s))
            WHEN %(kind)s = 'pledge' THEN a.pledge_id = %(id)s OR (a.pledge_id IS NULL AND a.facility_id IN (SELECT facility_id FROM facilities))
            ELSE a.facility_id IN (SELECT facility_id FROM facilities) END
       OR (%(kind)s <> 'warehouse' AND a.pledge_id IS NULL AND a.facility_id IS NULL AND (
             (a.subject_kind IN ('site', 'device') AND a.warehouse_id IN (SELECT warehouse_id FROM held))
          OR (a.subject_kind = 'commodity' AND a.subject_id IN (SELECT commodity_code FROM held))
          OR (a.subject_kind = 'party' AND a.subject_id IN (SELECT borrower_party_id FROM facilities)))))
 ORDER BY a.severity, a.opened_at, a.alert_id LIMIT 500;
