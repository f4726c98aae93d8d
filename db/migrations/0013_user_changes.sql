-- Why:   users are deactivated, given other roles and passwords; a new password ends what the old one had opened; an administrator always stays.
-- Needs: 0001 (app_user).
-- Lock:  app_user briefly, for a new column and a trigger.
-- Undo:  drop the trigger, its function and the column.

ALTER TABLE app_user ADD COLUMN session_no integer NOT NULL DEFAULT 0 CHECK (session_no >= 0);   -- tokens of an earlier number are void

-- Whoever changes the last active administrator of a tenant would lock the tenant out. One change of administrators at a time, so that two who
-- take the role from each other at once do not both succeed.
CREATE FUNCTION an_admin_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('an_admin_stays/' || OLD.tenant_id, 0));
  IF NOT EXISTS (SELECT 1 FROM app_user u WHERE u.tenant_id = OLD.tenant_id AND u.user_id <> OLD.user_id AND u.active AND 'admin' = ANY (u.roles)) THEN
    RAISE EXCEPTION 'user % is the last active administrator of tenant %', OLD.user_id, OLD.tenant_id
      USING ERRCODE = 'check_violation', CONSTRAINT = 'an_admin_stays';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER an_admin_stays BEFORE UPDATE ON app_user FOR EACH ROW
  WHEN (OLD.active AND 'admin' = ANY (OLD.roles) AND NOT (NEW.active AND 'admin' = ANY (NEW.roles) AND NEW.tenant_id = OLD.tenant_id))
  EXECUTE FUNCTION an_admin_stays();
