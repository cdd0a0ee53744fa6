-- herald.opt_out(target, reason): this person (a number in E.164, or the name of a recipient) wants no more messages: what waits for
-- them, and what will be planned, ends as 'suppressed' with the reason when its turn comes. Saying it again changes nothing but the
-- reason. herald.opt_in() takes it back.
CREATE OR REPLACE FUNCTION herald.opt_out(target text, reason text DEFAULT 'asked for no more messages') RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF coalesce(target, '') = '' THEN
        RAISE EXCEPTION 'nobody is named' USING HINT = 'Give a number in E.164 (+8801712345678), or the name of a recipient.';
    END IF;
    INSERT INTO herald.holds (kind, name, cause, reason, who) VALUES ('recipient', target, 'opt-out', opt_out.reason, session_user)
    ON CONFLICT (kind, name, cause) DO UPDATE SET reason = EXCLUDED.reason;
END
$$;
