-- herald.add_rule(name, source, template, …): makes a rule, or changes the one of that name to exactly what is said here.
--
-- The source is checked at once. A new rule starts paused: `pgherald sweep NAME --dry-run` shows what it would send,
-- herald.resume('rule', NAME) sends it. For a template to be there yet is not required; preview and check tell. Of a rule that
-- has a digest no more, what gathered is told message by message, at once. SECURITY INVOKER: whoever adds rules is a member of
-- herald_owner.
CREATE OR REPLACE FUNCTION herald.add_rule(
    name text,
    source regclass,
    template text DEFAULT NULL,
    every interval DEFAULT '15 min',
    "offset" interval DEFAULT '0',
    timezone text DEFAULT NULL,
    channel text DEFAULT 'whatsapp',
    sender text DEFAULT NULL,
    priority int DEFAULT 0,
    default_recipient text DEFAULT NULL,
    locale text DEFAULT '',
    max_attempts int DEFAULT 3,
    in_doubt text DEFAULT 'resend',
    in_doubt_grace interval DEFAULT '10 s',
    recheck boolean DEFAULT false,
    flood_limit int DEFAULT 1000,
    max_age interval DEFAULT '1 day',
    time_limit interval DEFAULT '1 min',
    urgent boolean DEFAULT false,
    forget_after interval DEFAULT NULL,
    delete_after interval DEFAULT NULL,
    digest interval DEFAULT NULL,
    digest_template text DEFAULT NULL,
    digest_length int DEFAULT 10,
    resend_limit int DEFAULT 1
) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    source_problem record := herald.source_problem(source);
    qualified text := (SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c
                         JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = add_rule.source);
    is_new boolean;
BEGIN
    LOCK TABLE herald.code IN SHARE ROW EXCLUSIVE MODE;  -- first, as pgherald migrate does
    IF source_problem.problem IS NOT NULL THEN
        RAISE EXCEPTION 'rule "%": %', add_rule.name, source_problem.problem USING HINT = source_problem.remedy;
    END IF;
    IF add_rule.timezone IS NOT NULL AND NOT EXISTS (SELECT FROM pg_timezone_names z WHERE z.name = add_rule.timezone) THEN
        RAISE EXCEPTION 'rule "%": there is no time zone "%"', add_rule.name, add_rule.timezone
            USING HINT = 'SELECT name FROM pg_timezone_names lists them.';
    END IF;
    INSERT INTO herald.rules AS r (name, source, template, every, "offset", timezone, channel, sender, priority,
            default_recipient, locale, max_attempts, in_doubt, in_doubt_grace, recheck, flood_limit, max_age, time_limit, urgent,
            forget_after, delete_after, digest, digest_template, digest_length, resend_limit)
    VALUES (add_rule.name, qualified, add_rule.template, add_rule.every, add_rule."offset", add_rule.timezone,
            add_rule.channel, add_rule.sender, add_rule.priority, add_rule.default_recipient, coalesce(add_rule.locale, ''),
            add_rule.max_attempts, add_rule.in_doubt, add_rule.in_doubt_grace, add_rule.recheck, add_rule.flood_limit,
            add_rule.max_age, add_rule.time_limit, add_rule.urgent, add_rule.forget_after, add_rule.delete_after,
            add_rule.digest, add_rule.digest_template, add_rule.digest_length, add_rule.resend_limit)
    ON CONFLICT (name) DO UPDATE SET (source, template, every, "offset", timezone, channel, sender, priority,
            default_recipient, locale, max_attempts, in_doubt, in_doubt_grace, recheck, flood_limit, max_age, time_limit, urgent,
            forget_after, delete_after, digest, digest_template, digest_length, resend_limit, error, error_at, failures, retry_at,
            next_sweep_at)
        = (EXCLUDED.source, EXCLUDED.template, EXCLUDED.every, EXCLUDED."offset", EXCLUDED.timezone, EXCLUDED.channel,
            EXCLUDED.sender, EXCLUDED.priority, EXCLUDED.default_recipient, EXCLUDED.locale, EXCLUDED.max_attempts,
            EXCLUDED.in_doubt, EXCLUDED.in_doubt_grace, EXCLUDED.recheck, EXCLUDED.flood_limit, EXCLUDED.max_age,
            EXCLUDED.time_limit, EXCLUDED.urgent, EXCLUDED.forget_after, EXCLUDED.delete_after,
            EXCLUDED.digest, EXCLUDED.digest_template, EXCLUDED.digest_length, EXCLUDED.resend_limit, NULL, NULL, 0, NULL,
            clock_timestamp())
    RETURNING xmax = 0 INTO is_new;
    PERFORM herald.generate_source(add_rule.name);
    IF add_rule.digest IS NULL THEN
        UPDATE public.whatsapp_notifications n SET gathers = NULL, next_at = herald.not_below_floor(n.lane, clock_timestamp())
          FROM herald.lanes l
         WHERE l.rule = add_rule.name AND n.lane = l.id AND n.next_at IS NOT NULL AND n.owner IS NULL AND n.gathers;
        PERFORM herald.ring_bell() WHERE FOUND;
    END IF;
    IF is_new THEN
        INSERT INTO herald.holds (kind, name, cause, reason)
        VALUES ('rule', add_rule.name, 'new', 'a new rule starts paused: look at it with pgherald sweep --dry-run, then resume it');
    END IF;
END
$$;
